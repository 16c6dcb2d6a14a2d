//! `logship parse --explain`: for each record its format, what was read from where, and why the formats that were tried
//! before did not take it.

use crate::{event::Timestamp, plan::Explained};
use logship_parsers::{
    Value,
    line::explain::{Refusal, place},
};
use std::fmt::Write as _;

/// Longer texts are cut for the eye.
const SHOWN_CHARS_MAX: usize = 160;

/// Writes the explanation of one record.
pub fn record(out: &mut String, number: u64, found: &Explained) {
    let format = found.format.format();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{number}: {}\n  {}", format.name, cut(found.text));
    if let Some(time) = found.fields.time {
        let _ = writeln!(out, "  {:28} {}", "@timestamp", Timestamp::from_nanos(time));
    }
    for field in &found.fields.items {
        let at = field.value.as_str().and_then(|value| place(found.text, value));
        let at = at.map_or_else(|| "converted".to_owned(), |at| format!("{}..{}", at.start, at.end));
        let _ = writeln!(out, "  {:28} {at:>10}  {}", field.name, shown(&field.value));
    }
    for tag in &found.fields.tags {
        let _ = writeln!(out, "  {:28} {tag}", "tags");
    }
    for (id, refusal) in &found.refusals {
        let why = match refusal {
            Refusal::Look => "does not begin like one".to_owned(),
            Refusal::Parse(error) => error.to_string(),
        };
        let _ = writeln!(out, "  not {}: {why}", id.format().name);
    }
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Str(text) => cut(text),
        Value::Int(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Null => "null".to_owned(),
        Value::List(items) => format!("a list of {}", items.len()),
        Value::Map(members) => format!("an object of {}", members.len()),
    }
}

fn cut(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(SHOWN_CHARS_MAX) {
        if matches!(c, '"' | '\'' | '\\') { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}
