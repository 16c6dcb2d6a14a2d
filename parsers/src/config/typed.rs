//! Values read as what an option asks for. The error says what was expected, at the place of the value.

use super::ast::{Entry, Value, ValueKind};
use super::diagnostic::Diagnostic;
use super::field_ref::{FieldRef, FieldRefError};
use super::template::Template;
use crate::query::short_names::suggest;
use std::time::Duration;

/// What every reader returns.
pub type Read<T> = Result<T, Diagnostic>;

/// A string, bareword or number.
pub fn text(value: &Value) -> Read<&str> {
    value.as_str().ok_or_else(|| mismatch(value, "a string"))
}

/// `true` or `false`.
pub fn boolean(value: &Value) -> Read<bool> {
    match value.as_str() {
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
    let number = value.as_str().and_then(|text| text.trim().parse().ok());
    number.ok_or_else(|| mismatch(value, "a whole number"))
}

/// A number, also in quotes.
pub fn number(value: &Value) -> Read<f64> {
    let digits = |text: &&str| text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    let number = value.as_str().map(str::trim).filter(digits).and_then(|text| text.parse().ok());
    number.filter(|number: &f64| number.is_finite()).ok_or_else(|| mismatch(value, "a number"))
}

/// A size: `1048576`, `"10MiB"`, `"180 mb"`. `k`, `m`, `g`, `t`, `p` are powers of 1,000, with an `i` of 1,024, in any case.
pub fn bytes(value: &Value) -> Read<u64> {
    let size = value.as_str().and_then(|text| {
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
    let duration = value.as_str().and_then(|text| {
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
    if let Some(text) = value.as_str() {
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

/// The pairs of a hash.
pub fn hash(value: &Value) -> Read<&[Entry]> {
    match &value.kind {
        ValueKind::Hash(entries) => Ok(entries),
        _ => Err(mismatch(value, "a hash").help("a hash is written `{ \"name\" => \"value\" }`")),
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
