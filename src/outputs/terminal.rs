//! Events for people: one aligned line each.
//!
//! `12:03:04.567 ERROR api      connection refused  attempt=3`: time of day, level, service, message, then the fields that
//! the message does not show already. Lines that continue the one before (stack traces) are indented. Control characters
//! other than tabs are shown as `?`, so that a log line cannot move the cursor or set the title of the terminal.

use crate::event::{Event, Map, Value, json};
use std::fmt::Write as _;

/// How lines are shown on the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One aligned line for people.
    Pretty,
    /// The bytes as they came.
    Raw,
    /// One JSON object an event.
    Json,
    /// Nothing.
    None,
}

/// Longest service name that is aligned; longer ones push the message to the right.
const SERVICE_WIDTH: usize = 8;

/// The look of one terminal.
#[derive(Clone, Debug)]
pub struct Look {
    /// ANSI colours.
    pub color: bool,
    /// The zone that times are shown in.
    pub zone: jiff::tz::TimeZone,
    /// Whether the date is shown too.
    pub date: bool,
}

impl Look {
    /// Appends the event as one line, and the further lines of its message indented below.
    pub fn event(&self, out: &mut String, event: &Event) {
        let time = jiff::Timestamp::from_nanosecond(i128::from(event.time.as_nanos())).unwrap_or_default();
        let pattern = if self.date { "%Y-%m-%d %H:%M:%S%.3f" } else { "%H:%M:%S%.3f" };
        self.paint(out, "2", &time.to_zoned(self.zone.clone()).strftime(pattern).to_string());
        out.push(' ');
        let level = event.fields.path("log.level").and_then(Value::as_str).unwrap_or("");
        let shown: String = level.chars().take(5).flat_map(char::to_uppercase).collect();
        self.paint(out, level_color(level), &format!("{shown:<5}"));
        out.push(' ');
        if let Some(service) = event.fields.path("service.name").and_then(Value::as_str) {
            let mut name = String::new();
            clean(&mut name, service);
            self.paint(out, "36", &format!("{name:<SERVICE_WIDTH$}"));
            out.push(' ');
        }
        let mut lines = event.message().unwrap_or("").lines();
        clean(out, lines.next().unwrap_or(""));
        self.fields(out, event);
        out.push('\n');
        for line in lines {
            self.continuation(out, line);
        }
        if let Some(trace) = event.fields.path("error.stack_trace").and_then(Value::as_str)
            && !event.message().is_some_and(|message| message.contains(trace))
        {
            trace.lines().for_each(|line| self.continuation(out, line));
        }
    }

    /// Appends a line that belongs to the event before it.
    pub fn continuation(&self, out: &mut String, line: &str) {
        let mut cleaned = String::from("    ");
        clean(&mut cleaned, line);
        self.paint(out, "2", &cleaned);
        out.push('\n');
    }

    fn fields(&self, out: &mut String, event: &Event) {
        let message = event.message().unwrap_or("");
        let mut leaves = Vec::new();
        flatten(&mut leaves, String::new(), &event.fields);
        for (name, value) in leaves {
            if matches!(name.as_str(), "message" | "log.level" | "service.name" | "error.stack_trace") {
                continue;
            }
            let mut text = String::new();
            match value {
                Value::Str(value) if !value.is_empty() && !value.contains([' ', '"', '=']) => clean(&mut text, value),
                value => {
                    let mut json = String::new();
                    json::write_value(&mut json, value);
                    clean(&mut text, &json);
                }
            }
            if !message.is_empty() && message.contains(text.trim_matches('"')) {
                continue;
            }
            out.push(' ');
            self.paint(out, "2", &format!("{name}="));
            out.push_str(&text);
        }
    }

    fn paint(&self, out: &mut String, code: &str, text: &str) {
        if self.color && !code.is_empty() {
            let _ = write!(out, "\x1b[{code}m{text}\x1b[0m");
        } else {
            out.push_str(text);
        }
    }
}

fn level_color(level: &str) -> &'static str {
    match level {
        "fatal" => "1;35",
        "error" => "1;31",
        "warn" => "33",
        "info" => "32",
        "debug" => "34",
        "trace" => "36",
        _ => "",
    }
}

fn flatten<'e>(leaves: &mut Vec<(String, &'e Value)>, prefix: String, map: &'e Map) {
    for (key, value) in map.iter() {
        let name = if prefix.is_empty() { key.to_string() } else { format!("{prefix}.{key}") };
        match value {
            Value::Map(inner) if !inner.is_empty() => flatten(leaves, name, inner),
            value => leaves.push((name, value)),
        }
    }
}

/// Appends text without what a terminal would obey. Colours of the line itself are dropped whole.
fn clean(out: &mut String, text: &str) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' if chars.peek() == Some(&'[') => {
                chars.next();
                while chars.next().is_some_and(|c| !('\x40'..='\x7e').contains(&c)) {}
            }
            '\t' => out.push('\t'),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Key, Timestamp};

    fn check(fields: &[(&str, Value)], expected: &str) {
        let mut event = Event::new(Timestamp::from_millis(1_767_225_600_123));
        for (name, value) in fields {
            event.fields.insert(Key::from(*name), value.clone());
        }
        let mut out = String::new();
        Look { color: false, zone: jiff::tz::TimeZone::UTC, date: false }.event(&mut out, &event);
        assert_eq!(out, expected);
    }

    fn named(name: &str, value: &str) -> Value {
        Value::Map([(Key::from(name), Value::from(value))].into_iter().collect())
    }

    #[test]
    fn one_line_an_event() {
        check(
            &[
                ("message", "connection refused".into()),
                ("log", named("level", "error")),
                ("service", named("name", "api")),
                ("attempt", Value::Int(3)),
                ("why", "no route".into()),
            ],
            "00:00:00.123 ERROR api      connection refused attempt=3 why=\"no route\"\n",
        );
        check(&[("message", "a\n  at b".into())], "00:00:00.123       a\n      at b\n");
        check(&[("message", "GET /x 200".into()), ("status", Value::Int(200))], "00:00:00.123       GET /x 200\n");
    }

    #[test]
    fn a_line_cannot_drive_the_terminal() {
        check(
            &[("message", "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x08".into())],
            "00:00:00.123       red ?]0;title? ?\n",
        );
    }
}
