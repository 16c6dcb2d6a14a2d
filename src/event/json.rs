//! Events as JSON: one object, nested, the same from every command and the API.
//!
//! `@timestamp` first (RFC 3339, UTC, `Z`), `message` next, then the fields in the order in which they were set; no nulls
//! are added; `@metadata` never appears. Written by hand because it is a hot path and the order is ours.

use super::{Event, Key, Map, Timestamp, Value};
use logship_parsers::time::{Stamp, iso8601};
use std::fmt::Write as _;

/// Reads an event that [`write_event`] wrote, and its `_id` where it has one.
///
/// # Errors
/// The text is no JSON object or its `@timestamp` is no RFC 3339 time: one sentence.
///
/// ```
/// use logship::event::json;
/// let text = r#"{"@timestamp":"2026-01-01T00:00:00.123Z","message":"boom","a":{"b":[1,null]},"_id":"x"}"#;
/// let (event, id) = json::read_event(text).map_err(|e| e.to_string())?;
/// let mut out = String::new();
/// json::write_event(&mut out, &event, Some(&id.unwrap_or_default()));
/// assert_eq!(out, text);
/// # Ok::<(), String>(())
/// ```
pub fn read_event(text: &str) -> Result<(Event, Option<String>), String> {
    let parsed: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let mut event = Event::new(Timestamp::default());
    let mut id = None;
    for (name, value) in parsed {
        match (name.as_str(), value) {
            ("@timestamp", serde_json::Value::String(time)) => {
                let Some(Stamp::At(nanos)) = iso8601(&time, 0) else { return Err(format!("`{time}` is no time")) };
                event.time = Timestamp::from_nanos(nanos);
            }
            ("_id", serde_json::Value::String(own)) => id = Some(own),
            (_, value) => {
                event.fields.insert(Key::from(name.as_str()), from_serde(value));
            }
        }
    }
    Ok((event, id))
}

/// A value that another reader of JSON made.
#[must_use]
pub fn from_serde(value: serde_json::Value) -> Value {
    match value {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(truth),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::List(items.into_iter().map(from_serde).collect()),
        serde_json::Value::Object(fields) => {
            Value::Map(fields.into_iter().map(|(name, value)| (Key::from(name.as_str()), from_serde(value))).collect())
        }
    }
}

/// Appends the event as one JSON object, without a line end. `id` becomes `_id` at the end.
///
/// ```
/// use logship::event::{Event, Timestamp, Value, json};
/// let mut event = Event::from_line(Timestamp::from_nanos(0), "boom".into());
/// event.fields.insert("n".into(), Value::Int(1));
/// let mut out = String::new();
/// json::write_event(&mut out, &event, None);
/// assert_eq!(out, r#"{"@timestamp":"1970-01-01T00:00:00.000Z","message":"boom","n":1}"#);
/// ```
pub fn write_event(out: &mut String, event: &Event, id: Option<&dyn std::fmt::Display>) {
    if event.has_time {
        write_head(out, event.time);
    } else {
        out.push('{');
    }
    let mut begin = if event.has_time { ",\"" } else { "\"" };
    for (key, value) in in_order(&event.fields) {
        write_field(out, std::mem::replace(&mut begin, ",\""), key, value);
    }
    if let Some(id) = id {
        let _ = write!(out, ",\"_id\":\"{id}\"");
    }
    out.push('}');
}

/// The fields as events show them: the message first; the time is the event's own.
pub(super) fn in_order(fields: &Map) -> impl Iterator<Item = (&Key, &Value)> {
    let message = fields.iter().find(|(key, _)| key.as_str() == "message");
    let others = fields.iter().filter(|(key, _)| !matches!(key.as_str(), "message" | "@timestamp"));
    message.into_iter().chain(others)
}

/// The brace and the time with which every event begins.
pub(super) fn write_head(out: &mut String, time: Timestamp) {
    out.push_str("{\"@timestamp\":\"");
    out.push_str(time.rfc3339().as_str());
    out.push('"');
}

/// Appends a value as JSON. Floats are never `NaN` or infinite in JSON: those become `null`.
pub fn write_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => write_int(out, *number),
        Value::Float(number) => write_float(out, *number),
        Value::Str(text) => write_text(out, text),
        Value::Time(time) => {
            out.push('"');
            out.push_str(time.rfc3339().as_str());
            out.push('"');
        }
        Value::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_value(out, item);
            }
            out.push(']');
        }
        Value::Map(map) => write_map(out, map),
    }
}

pub(super) fn write_int(out: &mut String, number: i64) {
    out.push_str(itoa::Buffer::new().format(number));
}

pub(super) fn write_float(out: &mut String, number: f64) {
    if number.is_finite() {
        let _ = write!(out, "{number:?}");
    } else {
        out.push_str("null");
    }
}

fn write_map(out: &mut String, map: &Map) {
    out.push('{');
    let mut begin = "\"";
    for (key, value) in map.iter() {
        write_field(out, std::mem::replace(&mut begin, ",\""), key, value);
    }
    out.push('}');
}

/// A name and its value; `begin` is what stands before the name.
fn write_field(out: &mut String, begin: &str, key: &Key, value: &Value) {
    out.push_str(begin);
    write_inside(out, key.as_str());
    match value {
        Value::Str(text) => {
            out.push_str("\":\"");
            write_inside(out, text);
            out.push('"');
        }
        value => {
            out.push_str("\":");
            write_value(out, value);
        }
    }
}

/// Appends a JSON string. Runs without anything to escape are copied whole.
pub fn write_text(out: &mut String, text: &str) {
    out.reserve(text.len() + 2);
    out.push('"');
    write_inside(out, text);
    out.push('"');
}

/// Inlined for names and for values: calls would cost half as much again, and the compiler makes them when it is asked only.
#[inline(always)]
fn write_inside(out: &mut String, text: &str) {
    let clean = clean_bytes(text.as_bytes());
    if clean == text.len() {
        out.push_str(text);
    } else {
        write_escaped(out, text, clean);
    }
}

/// A text that is clean up to there and no further.
#[inline(never)]
fn write_escaped(out: &mut String, text: &str, mut clean: usize) {
    let mut rest = text;
    loop {
        out.push_str(&rest[..clean]);
        let Some(byte) = rest.as_bytes().get(clean) else { break };
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            other => {
                let _ = write!(out, "\\u{other:04x}");
            }
        }
        rest = &rest[clean + 1..];
        clean = clean_bytes(rest.as_bytes());
    }
}

/// How many bytes at the front need no escape: eight at a time, the last eight once more where some are left.
#[inline]
fn clean_bytes(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        if let Some(at) = first_escape(*word) {
            return number * 8 + at;
        }
    }
    match bytes.last_chunk::<8>() {
        Some(last) => first_escape(*last).map_or(bytes.len(), |at| bytes.len() - 8 + at),
        None => clean_few(rest),
    }
}

/// The same of less than eight: most names of fields.
#[inline]
fn clean_few(bytes: &[u8]) -> usize {
    if let (Some([a, b, c, d]), Some([e, f, g, h])) = (bytes.first_chunk(), bytes.last_chunk())
        && first_escape([*a, *b, *c, *d, *e, *f, *g, *h]).is_none()
    {
        return bytes.len();
    }
    bytes.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')).unwrap_or(bytes.len())
}

/// The first byte below a space, or a quote or backslash, of eight that are looked at as one number.
fn first_escape(word: [u8; 8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    let (quote, backslash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    // A subtraction borrows from the byte above only behind a byte that is found, so the lowest one found is right.
    let below = |number: u64, limit: u64| number.wrapping_sub(ONES * limit) & !number;
    let found = (below(word, 0x20) | below(quote, 1) | below(backslash, 1)) & HIGH;
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_reads_back(text in "(?s)(.|[a-z\u{80}-\u{ff}]{7,9}){0,20}") {
            let mut out = String::new();
            write_text(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn any_float_reads_back(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            let mut out = String::new();
            write_value(&mut out, &Value::Float(number));
            prop_assert!(serde_json::from_str::<f64>(&out).is_ok());
            prop_assert_eq!(out.parse::<f64>().unwrap(), number);
        }
    }
}
