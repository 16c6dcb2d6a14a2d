//! Values read as what an option asks for. The error says what was expected, at the place of the value.

use super::ast::{Entry, Value, ValueKind};
use super::diagnostic::Diagnostic;
use super::field_ref::{FieldRef, FieldRefError};
use super::merge;
use super::template::Template;
use crate::query::short_names::suggest;
use std::{borrow::Cow, time::Duration};

/// What every reader returns.
pub type Read<T> = Result<T, Diagnostic>;

/// The one text that a value is: a list of one is its item, as everywhere where one value is asked for.
fn scalar(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Array(items) if items.len() == 1 => items[0].as_str(),
        _ => value.as_str(),
    }
}

/// A string, bareword or number.
pub fn text(value: &Value) -> Read<&str> {
    scalar(value).ok_or_else(|| mismatch(value, "a string"))
}

/// `true` or `false`.
pub fn boolean(value: &Value) -> Read<bool> {
    match scalar(value) {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(text) => {
            let error = mismatch(value, "`true`").expected("`false`");
            Err(match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => error.help("write `true`"),
                "false" | "no" | "off" | "0" => error.help("write `false`"),
                _ => error,
            })
        }
        None => Err(mismatch(value, "`true`").expected("`false`")),
    }
}

/// A whole number, also in quotes.
pub fn integer(value: &Value) -> Read<i64> {
    let number = scalar(value).and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| mismatch(value, "a whole number"))
}

/// A number, also in quotes.
pub fn number(value: &Value) -> Read<f64> {
    let digits = |text: &&str| text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let number = scalar(value).map(str::trim).filter(digits).and_then(|text| text.parse().ok());
    number.filter(|number: &f64| number.is_finite()).ok_or_else(|| mismatch(value, "a number"))
}

/// A size: `1048576`, `"10MiB"`, `"180 mb"`. `k`, `m`, `g`, `t`, `p` are powers of 1,000, with an `i` of 1,024, in any case.
pub fn bytes(value: &Value) -> Read<u64> {
    let size = scalar(value).and_then(|text| {
        let (number, unit) = quantity(text)?;
        let unit = unit.to_ascii_lowercase();
        let unit = unit.strip_suffix('b').unwrap_or(&unit);
        let (base, letter) = match unit.strip_suffix('i') {
            Some(letter) if !letter.is_empty() => (1024_f64, letter),
            _ => (1000_f64, unit),
        };
        let power = ["", "k", "m", "g", "t", "p"].iter().position(|known| *known == letter)?;
        let exact = || number.parse::<u64>().ok()?.checked_mul((base as u64).checked_pow(u32::try_from(power).ok()?)?);
        exact().or_else(|| whole(number.parse::<f64>().ok()? * base.powi(i32::try_from(power).ok()?)))
    });
    size.ok_or_else(|| mismatch(value, "a size").help("write a number of bytes, or `\"10MiB\"`, `\"180 mb\"`"))
}

/// A duration: `250ms`, `"18h"`, `"1 day"`, `"21.5d"`, `"6 weeks"`; a bare number counts `unit`s.
pub fn duration(value: &Value, unit: Duration) -> Read<Duration> {
    let duration = scalar(value).and_then(|text| {
        let (number, name) = quantity(text)?;
        let number: f64 = number.parse().ok()?;
        let factor = match name {
            "" => unit.as_secs_f64(),
            "us" | "usec" | "usecs" => 1e-6,
            "ms" | "msec" | "msecs" => 1e-3,
            "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3600.0,
            "d" | "day" | "days" => 86_400.0,
            "w" | "week" | "weeks" => 604_800.0,
            _ => return None,
        };
        Duration::try_from_secs_f64(number * factor).ok()
    });
    duration
        .ok_or_else(|| mismatch(value, "a duration").help("write `\"250ms\"`, `\"60s\"`, `\"18h\"` or `\"2 days\"`"))
}

/// A text that is one of a few.
pub fn choice<'k>(value: &Value, known: &[&'k str]) -> Read<&'k str> {
    if let Some(text) = scalar(value) {
        if let Some(found) = known.iter().find(|known| **known == text) {
            return Ok(found);
        }
        if let Some(near) = suggest(text, known.iter().copied()) {
            return Err(one_of(mismatch(value, ""), known).help(format!("did you mean `{near}`?")));
        }
    }
    Err(one_of(mismatch(value, ""), known))
}

fn one_of(mut error: Diagnostic, known: &[&str]) -> Diagnostic {
    error.expected = known.iter().map(|known| format!("`{known}`")).collect();
    error
}

/// A list; a single value is a list of one.
#[must_use]
pub fn list(value: &Value) -> &[Value] {
    match &value.kind {
        ValueKind::Array(items) => items,
        _ => std::slice::from_ref(value),
    }
}

/// The pairs of a hash. A list is one, too, of a name and a value in turn: the values of one name are a list.
pub fn hash(value: &Value) -> Read<Cow<'_, [Entry]>> {
    const HELP: &str = "a hash is written `{ \"name\" => \"value\" }`";
    match &value.kind {
        ValueKind::Hash(entries) => Ok(Cow::Borrowed(entries)),
        ValueKind::Array(items) if items.len().is_multiple_of(2) => {
            let mut entries: Vec<Entry> = Vec::with_capacity(items.len() / 2);
            for pair in items.chunks_exact(2) {
                let entry = Entry { key: pair[0].clone(), value: pair[1].clone() };
                match entries.iter_mut().find(|known| known.key.kind == entry.key.kind) {
                    Some(known) => merge::append(&mut known.value, entry.value),
                    None => entries.push(entry),
                }
            }
            Ok(Cow::Owned(entries))
        }
        ValueKind::Array(items) => {
            let message =
                format!("a list of names and values has an even number of items, this one has {}", items.len());
            Err(Diagnostic::error(value.span.0, message).expected("a hash").help(HELP))
        }
        _ => Err(mismatch(value, "a hash").help(HELP)),
    }
}

/// A field reference.
pub fn field(value: &Value) -> Read<FieldRef> {
    FieldRef::parse(text(value)?).map_err(|error| no_field(value, error))
}

/// A text with pieces of the event in it.
pub fn template(value: &Value) -> Read<Template> {
    Template::parse(text(value)?).map_err(|error| no_field(value, error))
}

/// The name of a field with pieces of the event in it; without any it must be a field reference.
pub fn field_template(value: &Value) -> Read<Template> {
    let template = template(value)?;
    if let Some(name) = template.as_literal() {
        FieldRef::parse(name).map_err(|error| no_field(value, error))?;
    }
    Ok(template)
}

fn no_field(value: &Value, error: FieldRefError) -> Diagnostic {
    let diagnostic = Diagnostic::error(value.span.0, format!("this is no field reference: {}", error.message));
    match error.help {
        Some(help) => diagnostic.help(format!("write `{help}`")),
        None => diagnostic.help("a field is written `name` or `[outer][inner]`"),
    }
}

/// The number that a text begins with and what follows it.
fn quantity(text: &str) -> Option<(&str, &str)> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    (number.starts_with(|c: char| c.is_ascii_digit())).then(|| (number, unit.trim_start()))
}

fn whole(number: f64) -> Option<u64> {
    // The cast saturates; what does not fit is refused before.
    (number.is_finite() && number < u64::MAX as f64).then_some(number as u64)
}

fn mismatch(value: &Value, expected: &str) -> Diagnostic {
    let what = match &value.kind {
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::Hash(_) => "a hash".to_owned(),
        ValueKind::Plugin(_) => "a codec".to_owned(),
        // What a variable holds may be a secret: the text is shown as written.
        ValueKind::String(text) => format!("`{}`", text.raw),
        _ => format!("`{}`", value.variable.as_deref().or(value.as_str()).unwrap_or_default()),
    };
    Diagnostic::error(value.span.0, format!("{what} cannot stand here")).expected(expected)
}

#[cfg(test)]
mod tests {
    use super::super::ast::Statement;
    use super::super::{Options, Source, parse};
    use super::*;

    /// The value of an option, read by a reader, or the message of its error.
    fn read<T>(text: &str, reader: impl Fn(&Value) -> Read<T>) -> Result<T, String> {
        let options = Options { variables: &|_| Some("secret".to_owned()), ..Options::default() };
        let parsed = parse(&[Source::new("x", format!("input {{ a {{ b => {text} }} }}"))], &options);
        assert!(parsed.is_valid(), "{:?}", parsed.diagnostics);
        let Some(Statement::Plugin(plugin)) = parsed.config.inputs.first() else { panic!("no plugin") };
        reader(&plugin.attributes[0].value).map_err(|error| {
            let help = error.help.map(|help| format!("; {help}")).unwrap_or_default();
            format!("{}: {}{help}", error.message, error.expected.join(", "))
        })
    }

    #[test]
    fn sizes_have_units() {
        let check = |text, expected: Option<u64>| assert_eq!(read(text, bytes).ok(), expected, "{text}");
        check("1048576", Some(1 << 20));
        check("\"10MiB\"", Some(10 << 20));
        check("\"180 mb\"", Some(180_000_000));
        check("\"1kb\"", Some(1000));
        check("\"1k\"", Some(1000));
        check("\"1 KI\"", Some(1024));
        check("\"1.5GiB\"", Some(3 << 29));
        check("\"5b\"", Some(5));
        check("\"18446744073709551615\"", Some(u64::MAX));
        check("\"18446744073709551616\"", None);
        check("\"99999999pib\"", None);
        check("\"mb\"", None);
        check("\"-1\"", None);
        check("\"1.2.3k\"", None);
        check("\"5i\"", None);
        check("\"5 parsecs\"", None);
        check("[1, 2]", None);
    }

    #[test]
    fn durations_have_units() {
        let check = |text, expected: Option<u64>| {
            let millis = read(text, |value| duration(value, Duration::from_secs(1))).ok();
            assert_eq!(millis.map(|duration| duration.as_millis()), expected.map(u128::from), "{text}");
        };
        check("5", Some(5_000));
        check("0.5", Some(500));
        check("\"250ms\"", Some(250));
        check("\"2 days\"", Some(172_800_000));
        check("\"1.5 h\"", Some(5_400_000));
        check("\"6 weeks\"", Some(3_628_800_000));
        check("\"-5s\"", None);
        check("\"5 fortnights\"", None);
        check("\"99999999999999999999999w\"", None);
    }

    #[test]
    fn numbers_and_booleans_may_stand_in_quotes() {
        assert_eq!(read("\"5\"", integer), Ok(5));
        assert_eq!(read("5.", number), Ok(5.0));
        assert_eq!(read("5.5", integer), Err("`5.5` cannot stand here: a whole number".to_owned()));
        assert_eq!(read("inf", number), Err("`inf` cannot stand here: a number".to_owned()));
        assert_eq!(read("\"true\"", boolean), Ok(true));
        assert_eq!(read("Yes", boolean), Err("`Yes` cannot stand here: `true`, `false`; write `true`".to_owned()));
    }

    #[test]
    fn errors_help_and_keep_secrets() {
        let known = ["beginning", "end"];
        let check =
            |text, expected: &str| assert_eq!(read(text, |value| choice(value, &known)), Err(expected.to_owned()));
        check("\"begining\"", "`begining` cannot stand here: `beginning`, `end`; did you mean `beginning`?");
        check("\"${A}\"", "`${A}` cannot stand here: `beginning`, `end`");
        check("${A}", "`${A}` cannot stand here: `beginning`, `end`");
        check("{ }", "a hash cannot stand here: `beginning`, `end`");
        assert_eq!(read("end", |value| choice(value, &known)), Ok("end"));
        assert_eq!(
            read("\"a[b]\"", field),
            Err("this is no field reference: `[` stands behind a name that is not in brackets: ; write `[a][b]`"
                .to_owned())
        );
        assert!(read("\"x-%{[a]}\"", template).is_ok());
        assert!(read("[1, 2]", |value| Ok(list(value).len())) == Ok(2));
        assert!(read("1", |value| Ok(list(value).len())) == Ok(1));
        assert_eq!(read("[\"x\"]", |value| text(value).map(str::to_owned)), Ok("x".to_owned()));
        assert_eq!(read("[5]", integer), Ok(5));
    }

    #[test]
    fn lists_are_hashes_of_pairs() {
        let check = |written, expected: Result<&str, &str>| {
            let shown = read(written, |value| {
                let entries = hash(value)?;
                Ok(entries.iter().map(|entry| format!("{} => {} ", entry.key, entry.value)).collect::<String>())
            });
            assert_eq!(shown.as_deref().map(str::trim).map_err(String::as_str), expected, "{written}");
        };
        check(r#"["a", "b", "c", 5]"#, Ok(r#""a" => "b" "c" => 5"#));
        check(r#"["a", "b", "a", "c"]"#, Ok(r#""a" => ["b", "c"]"#));
        check("[]", Ok(""));
        check(
            r#"["a"]"#,
            Err("a list of names and values has an even number of items, this one has 1: a hash; a hash is written \
                 `{ \"name\" => \"value\" }`"),
        );
    }
}
