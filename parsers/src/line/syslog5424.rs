//! Syslog by RFC 5424: `<PRI>1 STAMP HOST APP PROCID MSGID [SD] MSG`.

use super::{Below, Context, Format, Starts, content, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, prefix, stop, until};
use crate::json::Budget;
use crate::time::iso8601;
use memchr::{memchr, memchr2, memchr3};
use nom::Parser;
use nom::character::complete::u8;
use nom::sequence::delimited;
use std::borrow::Cow;

/// Longer names in structured data (the RFC allows 32 bytes) make the line text: each value repeats its element's name.
const SD_NAME_BYTES_MAX: usize = 128;
/// The highest priority: facility 23, severity 7.
pub(super) const PRIORITY_MAX: u8 = 191;

/// Syslog of this century.
pub const FORMAT: Format = Format {
    name: "syslog5424",
    summary: "syslog by RFC 5424, with structured data",
    example: "<165>1 2026-01-02T03:04:05.678Z web-1 shop 4711 ID47 [origin ip=\"192.0.2.1\"] order placed",
    rank: 8,
    starts: Starts::of(b"<"),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    line.first() == Some(&b'<')
        && line.iter().take(5).position(|b| *b == b'>').is_some_and(|end| line[end..].starts_with(b">1 "))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    let (message, ()) = prefix(line, structured_data(message, &mut fields))?;
    // rsyslog writes a second blank, the one in front of the text of older syslog.
    let message = message.trim_start_matches(' ');
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    content::put(message, context, &mut fields);
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let word = || until(b' ', "a word");
    let (rest, priority) = priority(line)?;
    let Some(rest) = rest.strip_prefix("1 ") else { return stop(rest, "version 1") };
    let (rest, stamp) = word().parse(rest)?;
    let (rest, host) = word().parse(rest)?;
    let (rest, app) = word().parse(rest)?;
    let (rest, process) = word().parse(rest)?;
    let (rest, id) = word().parse(rest)?;
    if stamp != "-" {
        match iso8601(stamp, context.utc_offset_s) {
            Some(stamp) => stamp.put(fields),
            None => return stop(line, "an RFC 3339 stamp"),
        }
    }
    put_priority(priority, fields);
    fields.push_present("host.name", host);
    fields.push_present("process.name", app);
    match process.parse::<u32>() {
        Ok(pid) => fields.push("process.pid", Value::Int(i64::from(pid))),
        Err(_) => fields.push_present("log.syslog.procid", process),
    }
    fields.push_present("log.syslog.msgid", id);
    Ok((rest, ()))
}

/// `<165>`.
pub(super) fn priority(input: &str) -> Step<'_, u8> {
    let (rest, priority) = delimited(byte(b'<', "a priority"), u8, byte(b'>', "`>`")).parse(input)?;
    if priority > PRIORITY_MAX { stop(input, "a priority up to 191") } else { Ok((rest, priority)) }
}

/// Facility, severity and level of a priority.
pub(super) fn put_priority(priority: u8, fields: &mut Fields<'_>) {
    let severity = i64::from(priority % 8);
    fields.push("log.syslog.priority", Value::Int(i64::from(priority)));
    fields.push("log.syslog.facility.code", Value::Int(i64::from(priority / 8)));
    fields.push("log.syslog.severity.code", Value::Int(severity));
    if let Some(level) = level::from_syslog(severity) {
        fields.push("log.level", Value::text(level));
    }
}

/// `-`, or `[id name="value" ...]` any number of times.
fn structured_data<'a>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    if let Some(rest) = input.strip_prefix('-') {
        return ends(rest);
    }
    let mut budget = Budget::default();
    let mut rest = input;
    while let Some(element) = rest.strip_prefix('[') {
        let end = memchr3(b' ', b']', b'"', element.as_bytes()).unwrap_or(element.len());
        let (id, mut inner) = element.split_at(end);
        while let Some(parameter) = inner.strip_prefix(' ') {
            let (after, name) = until(b'=', "a parameter").parse(parameter)?;
            let (after, value) = parameter_value(after)?;
            if name.len() > SD_NAME_BYTES_MAX || id.len() > SD_NAME_BYTES_MAX {
                return stop(parameter, "a name of at most 128 bytes");
            }
            inner = after;
            if budget.take_leaf() {
                fields.push(["log.syslog.structured_data.", id, ".", name].concat(), Value::Str(value));
            }
        }
        match inner.strip_prefix(']') {
            Some(after) if !id.is_empty() => rest = after,
            _ => return stop(inner, "a closing bracket"),
        }
    }
    if rest.len() == input.len() {
        return stop(input, "structured data");
    }
    fields.tags.extend(budget.tags());
    ends(rest)
}

fn ends(rest: &str) -> Step<'_, ()> {
    if rest.is_empty() || rest.starts_with(' ') { Ok((rest, ())) } else { stop(rest, "a space") }
}

/// A quoted value in which a backslash protects `"`, `\` and `]`; before anything else it is a backslash.
fn parameter_value(input: &str) -> Step<'_, Cow<'_, str>> {
    let Some(inner) = input.strip_prefix('"') else { return stop(input, "a quote") };
    let bytes = inner.as_bytes();
    let mut rebuilt = String::new();
    let (mut from, mut at) = (0, 0);
    while let Some(found) = bytes.get(at..).and_then(|tail| memchr2(b'"', b'\\', tail)) {
        at += found;
        if bytes[at] == b'"' {
            let tail = &inner[from..at];
            let value = if rebuilt.is_empty() { Cow::Borrowed(tail) } else { Cow::Owned(rebuilt + tail) };
            return Ok((&inner[at + 1..], value));
        }
        if let Some(b'"' | b'\\' | b']') = bytes.get(at + 1) {
            rebuilt.push_str(&inner[from..at]);
            from = at + 1;
            // What follows the backslash stays text even if it is a quote.
            rebuilt.push(char::from(bytes[from]));
            from += 1;
            at += 2;
        } else {
            at += 1;
        }
    }
    stop("", "a closing quote")
}

/// Whether the first word ends before `limit` bytes: used by the older syslog for its tag.
pub(super) fn word_end(text: &str, limit: usize) -> Option<usize> {
    memchr(b' ', &text.as_bytes()[..text.len().min(limit)])
}
