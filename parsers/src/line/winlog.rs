//! Windows events in text: one `<Event>` element a line, as `wevtutil qe /f:xml`, forwarders and exports write it, and
//! Snare's tabs, `MSWinEventLog<TAB>1<TAB>Security<TAB>77<TAB>Fri Jan 02 03:04:05 2026<TAB>4624<TAB>...`, alone or behind a
//! syslog header.
//!
//! Source: Microsoft's event schema and the Snare agent's "Windows Event Log Format". Fields are named as Elastic's
//! `winlog` module names them. The message is the rendered text if the event has one, else the whole line. Of XML only the
//! elements of the schema are read, in the order in which they stand; comments and CDATA are not.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::json::Budget;
use crate::time::{iso8601, rfc3164_prefix};
use memchr::memchr;
use std::borrow::Cow;

/// The longest character reference, `&#x10FFFF;`.
const REFERENCE_BYTES_MAX: usize = 10;
const SNARE: &str = "MSWinEventLog\t";

/// Windows events.
pub const FORMAT: Format = Format {
    name: "winlog",
    summary: "Windows events: XML on one line, Snare",
    example: "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Shop'/><EventID>7</EventID><Level>4</Level><TimeCreated SystemTime='2026-01-02T03:04:05.678Z'/></System></Event>",
    rank: 70,
    starts: Starts::of(b"<M"),
    below: Below::Apart,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    line.starts_with(b"<Event ") || line.starts_with(b"<Event>") || line.starts_with(SNARE.as_bytes())
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let step = if line.starts_with('<') { xml(line, context, &mut fields) } else { snare(line, context, &mut fields) };
    prefix(line, step)?;
    if fields.get("message").is_none() {
        fields.push("message", Value::text(line));
    }
    Ok(fields)
}

/// A message in Snare's tabs. Says whether it was.
pub(super) fn content<'a>(text: &'a str, context: &Context, fields: &mut Fields<'a>) -> bool {
    let mut inner = Fields::default();
    if snare(text, context, &mut inner).is_err() {
        return false;
    }
    fields.time = inner.time.or(fields.time);
    super::inner::merge(inner, fields);
    true
}

fn snare<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some(rest) = line.strip_prefix(SNARE) else { return stop(line, "`MSWinEventLog`") };
    let mut columns = rest.split('\t');
    let mut next = || columns.next().unwrap_or_default();
    let (_criticality, channel, _count, stamp, id) = (next(), next(), next(), next(), next());
    let (source, user, _sid, kind, computer, category) = (next(), next(), next(), next(), next(), next());
    let (_data, text) = (next(), next());
    let Some(Ok(("", stamp))) =
        stamp.get(4..).map(|stamp| rfc3164_prefix(stamp, context.received, context.utc_offset_s))
    else {
        return stop(line, "a stamp");
    };
    let (level, outcome) = match kind {
        "Error" | "Critical" => ("error", ""),
        "Warning" => ("warn", ""),
        "Success Audit" => ("info", "success"),
        "Failure Audit" => ("info", "failure"),
        _ => ("info", ""),
    };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("event.code", id);
    fields.push_present("event.outcome", outcome);
    fields.push_present("host.name", computer);
    fields.push_present("winlog.channel", channel);
    fields.push_present("winlog.provider_name", source);
    fields.push_present("winlog.task", category);
    if user != "N/A" && user != "Unknown User" {
        fields.push_present("user.name", user);
    }
    fields.push_present("message", text);
    Ok(("", ()))
}

fn xml<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let mut budget = Budget::default();
    let mut rest = line.trim_end();
    if !rest.ends_with("</Event>") {
        return stop("", "`</Event>`");
    }
    // One pass from tag to tag: the text of an element is what stands before its end.
    while let Some(start) = memchr(b'<', rest.as_bytes()) {
        let Some(end) = memchr(b'>', &rest.as_bytes()[start..]) else { return stop(rest, "`>`") };
        let tag = rest[start + 1..start + end].trim_end_matches('/');
        rest = &rest[start + end + 1..];
        let text = memchr(b'<', rest.as_bytes()).map_or("", |end| &rest[..end]);
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        element(name, attributes, text, context, &mut budget, fields);
    }
    if fields.get("event.code").is_none() {
        return stop(line, "an `EventID`");
    }
    fields.tags.extend(budget.tags());
    Ok(("", ()))
}

fn element<'a>(
    name: &'a str,
    attributes: &'a str,
    text: &'a str,
    context: &Context,
    budget: &mut Budget,
    fields: &mut Fields<'a>,
) {
    let field = match name {
        "EventID" => "event.code",
        "Channel" => "winlog.channel",
        "Computer" => "host.name",
        "EventRecordID" => "winlog.record_id",
        "Message" => "message",
        "Level" => {
            let level = match text {
                "1" => "fatal",
                "2" => "error",
                "3" => "warn",
                "0" | "4" => "info",
                "5" => "debug",
                _ => return,
            };
            return put_once("log.level", Cow::Borrowed(level), fields);
        }
        "Keywords" => {
            // The audit bits of the security log.
            return match text {
                "0x8020000000000000" => put_once("event.outcome", Cow::Borrowed("success"), fields),
                "0x8010000000000000" => put_once("event.outcome", Cow::Borrowed("failure"), fields),
                _ => {}
            };
        }
        "Provider" => {
            return put_once("winlog.provider_name", attribute(attributes, "Name").unwrap_or_default(), fields);
        }
        "TimeCreated" => {
            let stamp = attribute(attributes, "SystemTime").and_then(|text| iso8601(&text, context.utc_offset_s));
            return stamp.map_or((), |stamp| stamp.put(fields));
        }
        "Execution" => {
            for (name, field) in [("ProcessID", "process.pid"), ("ThreadID", "process.thread.id")] {
                if let Some(Ok(id)) = attribute(attributes, name).map(|id| id.parse::<u32>())
                    && fields.get(field).is_none()
                {
                    fields.push(field, Value::Int(i64::from(id)));
                }
            }
            return;
        }
        "Data" if !text.is_empty() && text != "-" && budget.take_leaf() => {
            let named = attribute(attributes, "Name");
            let name = named.unwrap_or_else(|| Cow::Owned(next_parameter(fields)));
            return put_data(&name, unescaped(text), fields);
        }
        _ => return,
    };
    put_once(field, unescaped(text.trim()), fields);
}

/// Values without a name are counted: `param1`, `param2`.
fn next_parameter(fields: &Fields<'_>) -> String {
    let before = fields.items.iter().filter(|field| field.name.starts_with("winlog.event_data.param")).count();
    format!("param{}", before + 1)
}

/// One named value of an event, under its ECS name too if it has one.
fn put_data<'a>(name: &str, text: Cow<'a, str>, fields: &mut Fields<'a>) {
    let ecs = match name {
        "TargetUserName" => Some("user.name"),
        "IpAddress" => Some("source.ip"),
        "ProcessName" | "NewProcessName" => Some("process.executable"),
        "CommandLine" => Some("process.command_line"),
        _ => None,
    };
    match ecs {
        Some(field) if fields.get(field).is_none() => fields.push(field, Value::Str(text)),
        _ => fields.push(["winlog.event_data.", name].concat(), Value::Str(text)),
    }
}

fn put_once<'a>(name: &'static str, text: Cow<'a, str>, fields: &mut Fields<'a>) {
    if !text.is_empty() && fields.get(name).is_none() {
        fields.push(name, Value::Str(text));
    }
}

/// The value of an attribute, in either kind of quotes.
fn attribute<'a>(attributes: &'a str, wanted: &str) -> Option<Cow<'a, str>> {
    let mut rest = attributes;
    while let Some((name, after)) = rest.split_once('=') {
        let quote = after.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let (value, after) = after[1..].split_once(quote)?;
        if name.trim() == wanted {
            return Some(unescaped(value));
        }
        rest = after;
    }
    None
}

/// The text without XML's references.
fn unescaped(text: &str) -> Cow<'_, str> {
    if memchr(b'&', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut rebuilt = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        rebuilt.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(REFERENCE_BYTES_MAX).position(|b| b == b';');
        let letter = end.and_then(|end| reference(&rest[1..end]));
        rebuilt.push(letter.unwrap_or('&'));
        rest = &rest[letter.and(end).unwrap_or(0) + 1..];
    }
    rebuilt.push_str(rest);
    Cow::Owned(rebuilt)
}

fn reference(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        _ => match name.strip_prefix("#x") {
            Some(hex) => char::from_u32(u32::from_str_radix(hex, 16).ok()?)?,
            None => char::from_u32(name.strip_prefix('#')?.parse().ok()?)?,
        },
    })
}
