//! ArcSight's Common Event Format: `CEF:0|vendor|product|version|id|name|severity|key=value key=value`, alone or behind a
//! syslog header.
//!
//! Source: "Micro Focus Security ArcSight Common Event Format". In the header a backslash protects `|` and `\`, in the
//! extension `=`, `\` and line ends. Known keys get their ECS names, others are `cef.extensions.KEY`. A sender's equal
//! sign without backslash belongs to the value unless the word before it can be a key.
//! The severity is also the level: up to 3 `info`, up to 6 `warn`, up to 8 `error`, above `fatal`.

use super::{Below, Context, Format, Starts, leef};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::json::Budget;
use crate::time;
use memchr::{memchr, memchr2, memrchr};
use std::borrow::Cow;

/// Longer words before an equal sign are no keys.
const KEY_BYTES_MAX: usize = 64;

/// CEF.
pub const FORMAT: Format = Format {
    name: "cef",
    summary: "ArcSight CEF: firewalls, proxies, intrusion detection",
    example: "CEF:0|Acme|Wall|1.2|100|port scan stopped|7|src=192.0.2.7 spt=50122 dst=198.51.100.2 act=blocked",
    rank: 62,
    starts: Starts::of(b"C"),
    below: Below::Apart,
    probe: |line| line.starts_with(b"CEF:") && line.get(4).is_some_and(u8::is_ascii_digit),
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    prefix(line, event(line, context, &mut fields))?;
    Ok(fields)
}

/// A message that is CEF or LEEF. Says whether it was.
pub(super) fn content<'a>(text: &'a str, context: &Context, fields: &mut Fields<'a>) -> bool {
    let known = match text.as_bytes() {
        [b'C', ..] => FORMAT,
        _ => leef::FORMAT,
    };
    let Ok(inner) = known.read(text, context) else { return false };
    // The device knows its own time and importance better than the relay.
    fields.time = inner.time.or(fields.time);
    super::inner::merge(inner, fields);
    true
}

fn event<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some(rest) = line.strip_prefix("CEF:") else { return stop(line, "`CEF:`") };
    let (rest, _version) = header_part(rest)?;
    let (rest, vendor) = header_part(rest)?;
    let (rest, product) = header_part(rest)?;
    let (rest, version) = header_part(rest)?;
    let (rest, id) = header_part(rest)?;
    let (rest, name) = header_part(rest)?;
    let (rest, severity) = header_part(rest)?;
    for (field, value) in
        [("observer.vendor", vendor), ("observer.product", product), ("observer.version", version), ("event.code", id)]
    {
        if !value.is_empty() {
            fields.push(field, Value::Str(value));
        }
    }
    put_severity(&severity, fields);
    let mut budget = Budget::default();
    extension(rest, context, &mut budget, fields);
    fields.tags.extend(budget.tags());
    if !name.is_empty() {
        let field = if fields.get("message").is_some() { "cef.name" } else { "message" };
        fields.push(field, Value::Str(name));
    }
    Ok(("", ()))
}

/// Up to the next bar that no backslash protects.
fn header_part(input: &str) -> Step<'_, Cow<'_, str>> {
    let bytes = input.as_bytes();
    let mut at = 0;
    let mut escaped = false;
    while let Some(found) = bytes.get(at..).and_then(|tail| memchr2(b'|', b'\\', tail)) {
        at += found;
        if bytes[at] == b'|' {
            let part = input[..at].trim();
            return Ok((&input[at + 1..], if escaped { unescape(part) } else { Cow::Borrowed(part) }));
        }
        escaped = true;
        at += 2;
    }
    stop(input, "a bar")
}

/// The text without the backslashes that protect `|`, `=`, `\` and line ends.
fn unescape(text: &str) -> Cow<'_, str> {
    let mut rebuilt = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, letters.as_str().chars().next()) {
            ('\\', Some(next @ ('|' | '=' | '\\'))) => rebuilt.push(next),
            ('\\', Some('n')) => rebuilt.push('\n'),
            ('\\', Some('r')) => rebuilt.push('\r'),
            _ => {
                rebuilt.push(letter);
                continue;
            }
        }
        letters.next();
    }
    Cow::Owned(rebuilt)
}

/// The number 0 to 10, or the word that stands for a range of them.
pub(super) fn put_severity(word: &str, fields: &mut Fields<'_>) {
    let number = match word {
        "Low" | "low" => 3,
        "Medium" | "medium" => 6,
        "High" | "high" => 8,
        "Very-High" | "very-high" => 10,
        digits => match digits.parse::<u8>() {
            Ok(number @ 0..=10) => i64::from(number),
            _ => return,
        },
    };
    let level = match number {
        0..=3 => "info",
        4..=6 => "warn",
        7..=8 => "error",
        _ => "fatal",
    };
    if fields.get("event.severity").is_none() {
        fields.push("event.severity", Value::Int(number));
        fields.push("log.level", Value::text(level));
    }
}

/// `key=value key=value`, where values hold spaces.
fn extension<'a>(text: &'a str, context: &Context, budget: &mut Budget, fields: &mut Fields<'a>) {
    let bytes = text.as_bytes();
    // The key whose value is being read, and where that value begins.
    let mut open: Option<(&str, usize)> = None;
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|tail| memchr(b'=', tail)) {
        let sign = at + found;
        at = sign + 1;
        let from = open.map_or(0, |(_, from)| from);
        let Some(start) = key_start(bytes, from, sign) else { continue };
        if let Some((key, from)) = open {
            put_value(key, &text[from..start], context, budget, fields);
        }
        open = Some((&text[start..sign], at));
    }
    if let Some((key, from)) = open {
        put_value(key, &text[from..], context, budget, fields);
    }
}

/// Where the key before an equal sign begins, if there is one: after a space or at the front.
fn key_start(bytes: &[u8], from: usize, sign: usize) -> Option<usize> {
    let floor = from.max(sign.saturating_sub(KEY_BYTES_MAX + 1));
    let start = match memrchr(b' ', &bytes[floor..sign]) {
        Some(space) => floor + space + 1,
        None if floor == 0 => 0,
        None => return None,
    };
    let name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'[' | b']');
    (start < sign && bytes[start..sign].iter().all(name)).then_some(start)
}

fn put_value<'a>(key: &'a str, raw: &'a str, context: &Context, budget: &mut Budget, fields: &mut Fields<'a>) {
    let raw = raw.trim();
    let value = if memchr(b'\\', raw.as_bytes()).is_some() { unescape(raw) } else { Cow::Borrowed(raw) };
    if budget.take_leaf() {
        put_pair("cef", key, value, context, fields);
    }
}

/// One pair of CEF or LEEF: under its ECS name if it has one.
pub(super) fn put_pair<'a>(
    format: &str,
    key: &'a str,
    value: Cow<'a, str>,
    context: &Context,
    fields: &mut Fields<'a>,
) {
    if value.is_empty() {
        return;
    }
    if matches!(key, "rt" | "devTime")
        && let Some(time::Stamp::At(nanos)) = time::any(&value, context)
    {
        fields.time = Some(nanos);
        return;
    }
    let Some((name, shape)) = ecs_name(key) else {
        return fields.push([format, ".extensions.", key].concat(), Value::Str(value));
    };
    if fields.get(name).is_some() {
        return fields.push([format, ".extensions.", key].concat(), Value::Str(value));
    }
    match (shape, value.parse::<i64>()) {
        (Shape::Number, Ok(number)) => fields.push(name, Value::Int(number)),
        (Shape::Lower, _) if value.bytes().any(|b| b.is_ascii_uppercase()) => {
            fields.push(name, Value::Str(Cow::Owned(value.to_ascii_lowercase())));
        }
        (Shape::Number, Err(_)) => fields.push([format, ".extensions.", key].concat(), Value::Str(value)),
        _ => fields.push(name, Value::Str(value)),
    }
}

/// What a known key's value must be.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Lower,
    Number,
}

fn ecs_name(key: &str) -> Option<(&'static str, Shape)> {
    Some(match key {
        "src" => ("source.ip", Shape::Text),
        "spt" | "srcPort" => ("source.port", Shape::Number),
        "shost" => ("source.domain", Shape::Text),
        "smac" | "srcMAC" => ("source.mac", Shape::Text),
        "dst" => ("destination.ip", Shape::Text),
        "dpt" | "dstPort" => ("destination.port", Shape::Number),
        "dhost" => ("destination.domain", Shape::Text),
        "dmac" | "dstMAC" => ("destination.mac", Shape::Text),
        "in" | "srcBytes" => ("source.bytes", Shape::Number),
        "out" | "dstBytes" => ("destination.bytes", Shape::Number),
        "suser" | "usrName" => ("user.name", Shape::Text),
        "duser" => ("destination.user.name", Shape::Text),
        "proto" => ("network.transport", Shape::Lower),
        "app" => ("network.protocol", Shape::Lower),
        "act" | "action" => ("event.action", Shape::Text),
        "outcome" => ("event.outcome", Shape::Lower),
        "reason" => ("event.reason", Shape::Text),
        "externalId" => ("event.id", Shape::Text),
        "msg" => ("message", Shape::Text),
        "request" | "url" => ("url.original", Shape::Text),
        "requestMethod" => ("http.request.method", Shape::Text),
        "requestClientApplication" => ("user_agent.original", Shape::Text),
        "fname" => ("file.name", Shape::Text),
        "filePath" => ("file.path", Shape::Text),
        "sproc" => ("process.name", Shape::Text),
        "spid" => ("process.pid", Shape::Number),
        "dvchost" => ("observer.hostname", Shape::Text),
        "dvc" => ("observer.ip", Shape::Text),
        _ => return None,
    })
}
