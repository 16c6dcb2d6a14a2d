//! Values as Ruby shows them: `{"a"=>[1, nil]}`, with the names of objects sorted.

use crate::event::{Value, render};
use std::fmt::Write as _;

/// Appends a value.
pub(super) fn write_shown(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("nil"),
        Value::Str(text) => write_quoted(out, text),
        Value::Float(number) => render::write_ruby_float(out, *number),
        Value::List(items) => {
            out.push('[');
            for (n, item) in items.iter().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                write_shown(out, item);
            }
            out.push(']');
        }
        Value::Map(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (n, (key, value)) in fields.into_iter().enumerate() {
                out.push_str(if n > 0 { ", " } else { "" });
                write_quoted(out, key.as_str());
                out.push_str("=>");
                write_shown(out, value);
            }
            out.push('}');
        }
        other => render::write_text(out, other),
    }
}

fn write_quoted(out: &mut String, text: &str) {
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '#' if matches!(chars.peek(), Some('{' | '$' | '@')) => out.push_str("\\#"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0b' => out.push_str("\\v"),
            '\x0c' => out.push_str("\\f"),
            '\x1b' => out.push_str("\\e"),
            c if c.is_control() => _ = write!(out, "\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::json;

    #[test]
    fn values_are_shown_as_ruby_does() {
        let value = json::from_serde(serde_json::json!({
            "b": [1, 1.5, null, true, "a\"\\#{x}\n\u{1}é"], "a": {}, "c": []
        }));
        let mut out = String::new();
        write_shown(&mut out, &value);
        assert_eq!(out, r##"{"a"=>{}, "b"=>[1, 1.5, nil, true, "a\"\\\#{x}\n\u0001é"], "c"=>[]}"##);
    }
}
