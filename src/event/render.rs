//! Templates with the values of an event in their places: what Logstash calls sprintf.
//!
//! A field that is missing or null leaves its piece as it is written; lists are joined by commas, objects are JSON, fractions are
//! as Java writes them. Times of an event without one are nothing.

use super::{Event, Timestamp, Value, date_format, json};
use logship_parsers::config::{Piece, Template};
use std::fmt::Write as _;

/// Appends the text of a template. `now` is what `%{{TIME_NOW}}` means.
///
/// ```
/// use logship::event::{Event, Timestamp, render::render};
/// use logship_parsers::config::Template;
/// let event = Event::from_line(Timestamp::from_nanos(0), "boom".into());
/// let template = Template::parse("%{message} %{+yyyy.MM.dd} %{missing}").map_err(|e| e.to_string())?;
/// let mut out = String::new();
/// render(&template, &event, event.time, &mut out);
/// assert_eq!(out, "boom 1970.01.01 %{missing}");
/// # Ok::<(), String>(())
/// ```
pub fn render(template: &Template, event: &Event, now: Timestamp, out: &mut String) {
    for piece in &template.pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Field { field, raw } => match event.get(field) {
                Some(value) if *value != Value::Null => write_field(out, &value),
                _ => {
                    _ = write!(out, "%{{{raw}}}");
                }
            },
            Piece::EpochSeconds | Piece::Joda(_) | Piece::Java(_) if !event.has_time => {}
            Piece::EpochSeconds => {
                _ = write!(out, "{}", event.time.as_nanos().div_euclid(1_000_000_000));
            }
            Piece::Joda(format) => date_format::write(out, event.time, format, date_format::Letters::Joda),
            Piece::Java(format) => date_format::write(out, event.time, format, date_format::Letters::Java),
            Piece::Now => {
                _ = write!(out, "{now}");
            }
        }
    }
}

/// The text of a template.
#[must_use]
pub fn rendered(template: &Template, event: &Event, now: Timestamp) -> String {
    let mut out = String::new();
    render(template, event, now, &mut out);
    out
}

/// Appends a value as sprintf of Logstash does, which differs from [`write_text`] in fractions.
fn write_field(out: &mut String, value: &Value) {
    match value {
        Value::Float(number) => write_java_float(out, *number),
        Value::List(items) => {
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_field(out, item);
            }
        }
        other => write_text(out, other),
    }
}

/// Appends a number as Java writes it: with an exponent from ten million on, and below a thousandth.
fn write_java_float(out: &mut String, number: f64) {
    let size = number.abs();
    if !number.is_finite() || size == 0.0 || (1e-3..1e7).contains(&size) {
        return json::write_value(out, &Value::Float(number));
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => _ = write!(out, "{digits}.0E{exponent}"),
        _ => out.push_str(&text),
    }
}

/// Appends a value as text: lists joined by commas, objects as JSON, null as nothing.
pub fn write_text(out: &mut String, value: &Value) {
    match value {
        Value::Null => {}
        Value::Str(text) => out.push_str(text),
        Value::Time(time) => {
            _ = write!(out, "{time}");
        }
        Value::List(items) => {
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(',');
                }
                write_text(out, item);
            }
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Map(_) => json::write_value(out, value),
    }
}

/// Appends a number as Ruby writes it: with an exponent of two digits from 1e16 on, and below 0.0001.
pub fn write_ruby_float(out: &mut String, number: f64) {
    let size = number.abs();
    if !number.is_finite() || size == 0.0 || (1e-4..1e16).contains(&size) {
        return json::write_value(out, &Value::Float(number));
    }
    let text = format!("{number:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    let point = if digits.contains('.') { "" } else { ".0" };
    _ = write!(out, "{digits}{point}e{sign}{exponent:0>2}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_text() {
        let (mut event, _) = json::read_event(
            r#"{"@timestamp":"2026-02-03T14:05:06.789Z","s":"x","n":5,"f":1.5,"l":["a",1],"m":{"k":"v"},"z":null}"#,
        )
        .unwrap();
        event.meta.insert("i".into(), Value::from("index"));
        let check = |text: &str, expected: &str| {
            let template = Template::parse(text).unwrap();
            assert_eq!(rendered(&template, &event, Timestamp::from_nanos(0)), expected, "{text}");
        };
        check("%{s}-%{n}-%{f}", "x-5-1.5");
        check("%{l} %{m} %{[m][k]} %{[l][-1]}", r#"a,1 {"k":"v"} v 1"#);
        check("%{z} %{none} %{[a][b]}", "%{z} %{none} %{[a][b]}");
        check("%{[@metadata][i]}", "index");
        check("%{@timestamp}", "2026-02-03T14:05:06.789Z");
        check("%{+%s} %{{TIME_NOW}}", "1770127506 1970-01-01T00:00:00.000Z");
        check("%{+YYYY.MM.dd} %{+xxxx.ww} %{+HH:mm:ss.SSS} %{+EEE} %{+MMM}", "2026.02.03 2026.06 14:05:06.789 Tue Feb");
        check("%{{yyyy-'W'MM}} %{+h a}", "2026-W02 2 PM");
        check("%{{z}} %{+z} %{{VV}} %{{XXX}} %{{xxx}} %{{O}}", "Z UTC Z Z +00:00 GMT");
        check("%{{n}} %{{A}} %{{Q}} %{{QQQ}} %{+n}", "789000000 50706789 1 Q1 n");
    }

    #[test]
    fn fractions_are_those_of_java() {
        let check = |number: &str, expected: &str| {
            let (event, _) = json::read_event(&format!("{{\"f\":{number}}}")).unwrap();
            assert_eq!(rendered(&Template::parse("%{f}").unwrap(), &event, event.time), expected);
        };
        check("1.5", "1.5");
        check("-0.0", "-0.0");
        check("0.001", "0.001");
        check("0.0005", "5.0E-4");
        check("9999999.5", "9999999.5");
        check("12345678.9", "1.23456789E7");
        check("-1e20", "-1.0E20");
        check("[1.5, [1e7]]", "1.5,1.0E7");
    }

    #[test]
    fn an_event_without_a_time_has_none_in_its_texts() {
        let (mut event, _) = json::read_event(r#"{"a":1}"#).unwrap();
        event.has_time = false;
        let template = Template::parse("x-%{+YYYY}%{{yyyy}}%{+%s}-%{a}").unwrap();
        assert_eq!(rendered(&template, &event, event.time), "x--1");
    }

    #[test]
    fn floats_are_those_of_ruby() {
        let check = |number: f64, expected: &str| {
            let mut out = String::new();
            write_ruby_float(&mut out, number);
            assert_eq!(out, expected);
        };
        check(1.5, "1.5");
        check(-0.0, "-0.0");
        check(1e15, "1000000000000000.0");
        check(1e16, "1.0e+16");
        check(-1.25e30, "-1.25e+30");
        check(0.0001, "0.0001");
        check(0.00001, "1.0e-05");
        check(1.5e-107, "1.5e-107");
    }
}
