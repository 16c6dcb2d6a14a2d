//! Values by their keys: from the config or from a file.

use crate::{
    config::{Expression, Options},
    event::{Value, json},
};
use logship_parsers::{
    config::{Diagnostic, ast, typed},
    csv::row,
};
use regex::{Captures, Regex, RegexBuilder};
use std::{collections::HashMap, fs, io::Read as _};

/// The largest file.
const FILE_BYTES_MAX: u64 = 128 << 20;
/// The memory that all keys may take as one expression.
const KEYS_BYTES_MAX: usize = 64 << 20;

/// How keys are looked for.
#[derive(Debug)]
pub(super) enum Dictionary {
    /// The whole text.
    Exact(HashMap<String, Value>),
    /// The first that matches.
    Regex(Vec<(Expression, Value)>),
    /// Each of them anywhere.
    Inside { keys: Regex, values: HashMap<String, String> },
}

impl Dictionary {
    /// What stands for a text.
    pub(super) fn find(&self, text: &str) -> Option<Value> {
        match self {
            Dictionary::Exact(values) => values.get(text).cloned(),
            Dictionary::Regex(values) => {
                values.iter().find(|(key, _)| key.is_match(text)).map(|(_, value)| value.clone())
            }
            Dictionary::Inside { keys, values } => {
                let value = |found: &Captures<'_>| values.get(&found[0]).cloned().unwrap_or_default();
                let new = keys.replace_all(text, value);
                (new != text).then(|| Value::from(new.into_owned()))
            }
        }
    }
}

/// The dictionary of the options. None where something was reported.
pub(super) fn read(options: &mut Options<'_>) -> Option<Dictionary> {
    let (exact, regex) = (options.flag("exact", true), options.flag("regex", false));
    let owned = |value: &ast::Value| typed::text(value).map(str::to_owned);
    if options.is_given("dictionary") && options.is_given("dictionary_path") {
        let both = Diagnostic::error(options.place(), "`dictionary` and `dictionary_path` exclude each other");
        options.report(both.help("leave one of them out"));
    }
    let (name, pairs) = match options.is_given("dictionary_path") {
        true => (
            "dictionary_path",
            options.get("dictionary_path", |value| {
                let path = typed::text(value)?;
                file(path).map_err(|cause| Diagnostic::error(value.span.0, format!("the dictionary `{path}`: {cause}")))
            })?,
        ),
        false => ("dictionary", inline(options, owned)),
    };
    let place = options.value(name).map_or(options.place(), |value| value.span.0);
    let built = match (exact, regex) {
        (true, false) => Ok(Dictionary::Exact(pairs.into_iter().collect())),
        (true, true) => expressions(pairs),
        (false, _) => inside(pairs),
    };
    built.map_err(|message| options.report(Diagnostic::error(place, message))).ok()
}

/// `{ "key" => "value" }` or `[ "key", "value" ]`.
fn inline(
    options: &mut Options<'_>,
    owned: impl Fn(&ast::Value) -> typed::Read<String> + Copy,
) -> Vec<(String, Value)> {
    match options.value("dictionary").map(|value| &value.kind) {
        Some(ast::ValueKind::Array(_)) => {
            let items = options.each("dictionary", |item| Ok((owned(item), value_of(item))));
            let pairs =
                items.chunks_exact(2).filter_map(|pair| Some((pair[0].0.as_ref().ok()?.clone(), pair[1].1.clone())));
            pairs.collect()
        }
        _ => options.pairs("dictionary", owned, |item| Ok(value_of(item))),
    }
}

fn value_of(value: &ast::Value) -> Value {
    match &value.kind {
        ast::ValueKind::Number(number) => {
            let float = || number.as_f64().map(Value::Float);
            number.as_i64().map(Value::Int).or_else(float).unwrap_or(Value::Null)
        }
        ast::ValueKind::Array(items) => Value::List(items.iter().map(value_of).collect()),
        ast::ValueKind::Hash(entries) => {
            let field = |entry: &ast::Entry| Some((entry.key.as_str()?.into(), value_of(&entry.value)));
            Value::Map(entries.iter().filter_map(field).collect())
        }
        _ => Value::from(value.as_str().unwrap_or_default()),
    }
}

fn expressions(pairs: Vec<(String, Value)>) -> Result<Dictionary, String> {
    let compiled = pairs.into_iter().map(|(key, value)| {
        let regex = Expression::new(&key).map_err(|cause| format!("the key `{key}`: {cause}"))?;
        Ok((regex, value))
    });
    compiled.collect::<Result<_, String>>().map(Dictionary::Regex)
}

fn inside(pairs: Vec<(String, Value)>) -> Result<Dictionary, String> {
    let keys: Vec<String> = pairs.iter().map(|(key, _)| regex::escape(key)).collect();
    let one = if keys.is_empty() { "[^\\s\\S]".to_owned() } else { keys.join("|") };
    let keys = RegexBuilder::new(&one).size_limit(KEYS_BYTES_MAX).build();
    let keys = keys.map_err(|_| format!("all keys together need more than {KEYS_BYTES_MAX} bytes"))?;
    let text = |value: Value| {
        let mut text = String::new();
        crate::event::render::write_text(&mut text, &value);
        text
    };
    Ok(Dictionary::Inside { keys, values: pairs.into_iter().map(|(key, value)| (key, text(value))).collect() })
}

/// The pairs of a file, by its ending.
fn file(path: &str) -> Result<Vec<(String, Value)>, String> {
    let mut text = String::new();
    let read = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    read.map_err(|cause| format!("it cannot be read: {cause}"))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    match path.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "json" => from_json(serde_json::from_str(&text).map_err(|cause| cause.to_string())?),
        "yml" | "yaml" => from_json(from_yaml(&text).map_err(|cause| cause.to_string())?),
        "csv" => from_rows(&text),
        _ => Err("its name has to end in .yml, .yaml, .json or .csv".to_owned()),
    }
}

/// YAML with Ruby's truth values: `yes` and `on` are some, `y` and `n` are texts.
fn from_yaml(text: &str) -> Result<serde_json::Map<String, serde_json::Value>, serde_saphyr::Error> {
    let mut map: serde_json::Map<String, serde_json::Value> = serde_saphyr::from_str(text)?;
    if map.values().any(has_truth) {
        let strict = serde_saphyr::options! { strict_booleans: true };
        let written: serde_json::Map<String, serde_json::Value> = serde_saphyr::from_str_with_options(text, strict)?;
        map.values_mut().zip(written.values()).for_each(|(value, written)| keep_letters(value, written));
    }
    Ok(map)
}

fn has_truth(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Array(items) => items.iter().any(has_truth),
        serde_json::Value::Object(map) => map.values().any(has_truth),
        value => value.is_boolean(),
    }
}

/// Takes a letter as it is written where it was read as true or false.
fn keep_letters(value: &mut serde_json::Value, written: &serde_json::Value) {
    match (value, written) {
        (serde_json::Value::Array(items), serde_json::Value::Array(written)) => {
            items.iter_mut().zip(written).for_each(|(item, written)| keep_letters(item, written));
        }
        (serde_json::Value::Object(map), serde_json::Value::Object(written)) => {
            map.values_mut().zip(written.values()).for_each(|(value, written)| keep_letters(value, written));
        }
        (value @ serde_json::Value::Bool(_), serde_json::Value::String(text)) if text.len() == 1 => {
            *value = serde_json::Value::from(text.as_str());
        }
        _ => {}
    }
}

fn from_json(map: serde_json::Map<String, serde_json::Value>) -> Result<Vec<(String, Value)>, String> {
    Ok(map.into_iter().map(|(key, value)| (key, json::from_serde(value))).collect())
}

fn from_rows(text: &str) -> Result<Vec<(String, Value)>, String> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.is_empty());
    let pairs = lines.map(|(n, line)| {
        let row = row(line, ",", Some('"')).ok_or_else(|| format!("line {} is no row", n + 1))?;
        let column = |n: usize| row.get(n).and_then(Option::as_deref).unwrap_or_default().to_owned();
        Ok((column(0), Value::from(column(1))))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_by_their_endings() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, text: &str, expected: Result<&[(&str, Value)], &str>| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            match (file(path.to_str().unwrap()), expected) {
                (Ok(pairs), Ok(expected)) => {
                    let pairs: Vec<_> = pairs.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
                    assert_eq!(pairs, expected, "{name}");
                }
                (Err(cause), Err(expected)) => assert!(cause.contains(expected), "{name}: {cause}"),
                (found, _) => panic!("{name}: {found:?}"),
            }
        };
        check("a.json", "{\"a\": 1, \"b\": \"x\"}", Ok(&[("a", Value::Int(1)), ("b", Value::from("x"))]));
        check("a.yml", "a: x\n'404': not found\n", Ok(&[("a", Value::from("x")), ("404", Value::from("not found"))]));
        let (yes, y) = (Value::Bool(true), Value::from("Y"));
        let list = Value::List(vec![yes.clone(), y.clone()]);
        check(
            "b.yml",
            "a: yes\nb: Y\nc: [on, Y]\nd: 'yes'\n",
            Ok(&[("a", yes), ("b", y), ("c", list), ("d", Value::from("yes"))]),
        );
        check("a.csv", "a,\"x, y\"\n\nb,\n", Ok(&[("a", Value::from("x, y")), ("b", Value::from(""))]));
        check("b.csv", "a,\"x\n", Err("line 1 is no row"));
        check("b.json", "[]", Err("invalid type"));
        check("a.txt", "", Err("its name has to end"));
    }
}
