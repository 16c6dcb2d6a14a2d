//! `rubydebug`: events as Ruby's awesome_print shows hashes, for people. `metadata` shows `@metadata`, too.

use super::{CodecKind, Encoder, FramingKind};
use crate::{
    config::Options,
    event::{Event, Map, Timestamp, Value, json, render},
};
use std::fmt::Write as _;

pub(super) const KIND: CodecKind = CodecKind {
    name: "rubydebug",
    summary: "Events for people, as Ruby shows hashes",
    options: &["metadata"],
    framing: FramingKind::Messages,
    decoder: None,
    encoder: Some(encoder),
};

/// By how much each level is further right.
const INDENT: usize = 4;

#[derive(Debug)]
struct RubyDebug {
    metadata: bool,
}

fn encoder(options: &mut Options<'_>) -> Option<Box<dyn Encoder>> {
    Some(Box::new(RubyDebug { metadata: options.flag("metadata", false) }))
}

impl Encoder for RubyDebug {
    fn encode(&self, event: &Event, _: Timestamp, out: &mut String) {
        let (time, meta) = (Value::Time(event.time), Value::Map(event.meta.clone()));
        let mut fields: Vec<(&str, &Value)> = Vec::with_capacity(event.fields.len() + 2);
        if event.has_time {
            fields.push(("@timestamp", &time));
        }
        if self.metadata {
            fields.push(("@metadata", &meta));
        }
        fields.extend(event.fields.iter().map(|(key, value)| (key.as_str(), value)));
        members(out, &fields, INDENT);
        out.push('\n');
    }
}

fn members(out: &mut String, fields: &[(&str, &Value)], indent: usize) {
    if fields.is_empty() {
        return out.push_str("{}");
    }
    let names: Vec<String> = fields.iter().map(|(name, _)| inspected(name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default() + indent;
    out.push_str("{\n");
    for (n, (name, (_, value))) in names.iter().zip(fields).enumerate() {
        _ = write!(out, "{name:>width$} => ");
        shown(out, value, indent);
        out.push_str(if n + 1 < fields.len() { ",\n" } else { "\n" });
    }
    _ = write!(out, "{:1$}}}", "", indent - INDENT);
}

fn shown(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("nil"),
        Value::Str(text) => out.push_str(&inspected(text)),
        Value::Time(time) => {
            _ = write!(out, "{time}");
        }
        Value::Map(map) => members(out, &pairs(map), indent + INDENT),
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        Value::List(items) => {
            let digits = (items.len() - 1).to_string().len();
            out.push_str("[\n");
            for (n, item) in items.iter().enumerate() {
                _ = write!(out, "{:1$}[{n:>digits$}] ", "", indent + INDENT);
                shown(out, item, indent + INDENT);
                out.push_str(if n + 1 < items.len() { ",\n" } else { "\n" });
            }
            _ = write!(out, "{:indent$}]", "");
        }
        Value::Float(number) => render::write_ruby_float(out, *number),
        Value::Bool(_) | Value::Int(_) => json::write_value(out, value),
    }
}

fn pairs(map: &Map) -> Vec<(&str, &Value)> {
    map.iter().map(|(key, value)| (key.as_str(), value)).collect()
}

/// A text as Ruby's `inspect` shows it.
fn inspected(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x1b' => out.push_str("\\e"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '#' if chars.peek().is_some_and(|next| matches!(next, '{' | '$' | '@')) => out.push_str("\\#"),
            c if c.is_control() => {
                _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_look_like_hashes_of_ruby() {
        let text =
            r#"{"message":"say \"hi\" #{x}\n","n":5,"f":1e20,"host":{"name":"h","ip":[]},"l":["a",{"b":null}],"e":{}}"#;
        let mut event = json::read_event(text).unwrap().0;
        event.meta.insert("k".into(), Value::from(true));
        let mut out = String::new();
        RubyDebug { metadata: true }.encode(&event, event.time, &mut out);
        let expected = r##"{
    "@timestamp" => 1970-01-01T00:00:00.000Z,
     "@metadata" => {
        "k" => true
    },
       "message" => "say \"hi\" \#{x}\n",
             "n" => 5,
             "f" => 1.0e+20,
          "host" => {
        "name" => "h",
          "ip" => []
    },
             "l" => [
        [0] "a",
        [1] {
            "b" => nil
        }
    ],
             "e" => {}
}
"##;
        assert_eq!(out, expected);
    }
}
