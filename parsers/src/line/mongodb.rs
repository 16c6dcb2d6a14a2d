//! MongoDB's server log: JSON since version 4.4, text before (`2026-01-02T03:04:05.678+0000 I  NETWORK  [listener] text`).
//!
//! The attributes of a JSON line stay together in `mongodb.log.attr`, but for what has an ECS name.

use super::access::CLIENT;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Field, Fields, Places, Value};
use crate::grammar::{Step, byte, prefix, stop};
use crate::json;
use crate::line::parts::{enclosed, nanos};
use crate::time::{iso8601, iso8601_prefix};
use nom::Parser;
use nom::character::complete::space1;
use std::borrow::Cow;

/// The first bytes of each JSON line.
const LEAD: &[u8] = br#"{"t":{"$date":""#;
/// A stamp with an offset has so many bytes at most.
const STAMP_BYTES_MAX: usize = 40;
const NANOS_PER_MS: i64 = 1_000_000;
/// How far into a text line the component begins at most.
const COMPONENT_OFFSET_MAX: usize = 36;

/// MongoDB.
pub const FORMAT: Format = Format {
    name: "mongodb",
    summary: "MongoDB's server log, JSON or text",
    example: concat!(
        r#"{"t":{"$date":"2026-01-02T03:04:05.678+00:00"},"s":"I","c":"NETWORK","id":22943,"ctx":"listener","#,
        r#""msg":"Connection accepted","attr":{"remote":"192.0.2.7:54321","connectionId":7}}"#
    ),
    rank: 107,
    starts: Starts::DIGIT.or(Starts::of(b"{")),
    below: Below::Message,
    probe,
    parse,
};

/// Whether a line begins as MongoDB's JSON does.
pub(super) fn is_json(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(LEAD) else { return false };
    let end = rest.iter().take(STAMP_BYTES_MAX).position(|b| *b == b'"');
    end.is_some_and(|end| {
        matches!(rest[end..], [b'"', b'}', b',', b'"', b's', b'"', b':', b'"', b'F' | b'E' | b'W' | b'I' | b'D', ..])
    })
}

fn probe(line: &[u8]) -> bool {
    is_json(line) || matches!(line, [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..] if letter_at(line).is_some())
}

/// Where the level's letter of a text line is.
fn letter_at(line: &[u8]) -> Option<usize> {
    let space = line.iter().take(COMPONENT_OFFSET_MAX).position(|b| *b == b' ')?;
    matches!(line[space..], [_, b'F' | b'E' | b'W' | b'I' | b'D', b' ' | b'1'..=b'5', ..]).then_some(space + 1)
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    if is_json(line.as_bytes()) {
        return structured(line, context);
    }
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(message));
    Ok(fields)
}

fn level(word: &str) -> Option<&'static str> {
    Some(match word.as_bytes() {
        b"F" => "fatal",
        b"E" => "error",
        b"W" => "warn",
        b"I" => "info",
        b"D" | [b'D', b'1'..=b'5'] => "debug",
        _ => return None,
    })
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let letters = rest.bytes().take(2).take_while(u8::is_ascii_alphanumeric).count();
    let (word, rest) = rest.split_at(letters);
    let Some(level) = level(word) else { return stop(rest, "a level") };
    let (rest, _) = space1(rest)?;
    let component = rest.bytes().take(COMPONENT_OFFSET_MAX).take_while(|b| b.is_ascii_uppercase() || *b == b'_');
    let (component, rest) = rest.split_at(component.count());
    let (component, rest) =
        if component.is_empty() { ("", rest.strip_prefix('-').unwrap_or(rest)) } else { (component, rest) };
    let (rest, _) = space1(rest)?;
    let (rest, thread) = enclosed(b'[', b']')(rest)?;
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("mongodb.log.component", component);
    fields.push_present("mongodb.log.context", thread);
    let message = rest.strip_prefix(' ').unwrap_or(rest);
    // Lines about slow operations end in their duration.
    if matches!(component, "COMMAND" | "QUERY" | "WRITE")
        && let Some((_, last)) = message.rsplit_once(' ')
        && let Some(duration) = last.strip_suffix("ms").and_then(|number| nanos(number, NANOS_PER_MS))
    {
        fields.push("event.duration", Value::Int(duration));
    }
    Ok((message, ()))
}

fn structured<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let wrong = |expected| ParseError::at(line, line, expected);
    let mut read = Fields::default();
    json::parse_object(line, &mut read)?;
    let mut fields = Fields { tags: read.tags, ..Fields::default() };
    let mut places = Places::default();
    for Field { name, value } in read.items {
        let known = match (&*name, &value) {
            ("t", Value::Map(members)) => {
                let text = members.first().and_then(|(_, value)| value.as_str());
                let stamp = text.and_then(|text| iso8601(text, context.utc_offset_s));
                stamp.ok_or_else(|| wrong("a stamp"))?.put(&mut fields);
                continue;
            }
            ("s", Value::Str(word)) => {
                let level = level(word).ok_or_else(|| wrong("a level"))?;
                put("log.level", Value::text(level), &mut fields);
                continue;
            }
            ("attr", Value::Map(_)) => {
                put_attributes(value, &mut fields);
                continue;
            }
            ("c", _) => "mongodb.log.component",
            ("id", _) => "mongodb.log.id",
            ("ctx", _) => "mongodb.log.context",
            ("svc", _) => "mongodb.log.service",
            ("tags", _) => "mongodb.log.tags",
            ("truncated", _) => "mongodb.log.truncated",
            ("size", _) => "mongodb.log.size",
            ("msg", _) => "message",
            _ => {
                if places.of(&name, &fields).is_none() {
                    fields.push(name, value);
                }
                continue;
            }
        };
        // A component of `-` is none.
        if value.as_str() != Some("-") {
            put(known, value, &mut fields);
        }
    }
    if fields.get("log.level").is_none() {
        return Err(wrong("a level"));
    }
    Ok(fields)
}

fn put<'a>(name: &'static str, value: Value<'a>, fields: &mut Fields<'a>) {
    if fields.get(name).is_none() {
        fields.push(name, value);
    }
}

/// The attributes: the duration and the error move out of them, the client's address is copied.
fn put_attributes<'a>(attributes: Value<'a>, fields: &mut Fields<'a>) {
    let Value::Map(mut members) = attributes else { return };
    members.retain(|(name, value)| match (&**name, value) {
        ("durationMillis", Value::Int(number)) => {
            put("event.duration", Value::Int(number.saturating_mul(NANOS_PER_MS)), fields);
            false
        }
        ("user", Value::Str(_)) => {
            put("user.name", value.clone(), fields);
            false
        }
        ("remote" | "client", Value::Str(Cow::Borrowed(address))) => {
            // `anonymous unix socket:27017` is no address.
            if let Some((address, port)) = address.rsplit_once(':').filter(|(address, _)| !address.contains(' '))
                && let Ok(port) = port.parse::<u16>()
                && fields.get("client.port").is_none()
            {
                CLIENT.put(address.trim_matches(['[', ']']), fields);
                put("client.port", Value::Int(i64::from(port)), fields);
            }
            true
        }
        ("error", Value::Str(_)) => {
            put("error.message", value.clone(), fields);
            false
        }
        ("error", Value::Map(parts)) => !put_error(parts, fields),
        _ => true,
    });
    if !members.is_empty() {
        put("mongodb.log.attr", Value::Map(members), fields);
    }
}

/// `{"code":11600,"codeName":"InterruptedAtShutdown","errmsg":".."}`. Says whether that is all that it holds.
fn put_error<'a>(parts: &[(Cow<'a, str>, Value<'a>)], fields: &mut Fields<'a>) -> bool {
    let mut all = true;
    for (name, value) in parts {
        match (&**name, value) {
            ("code", Value::Int(code)) => put("error.code", Value::Str(Cow::Owned(code.to_string())), fields),
            ("codeName", _) => put("error.type", value.clone(), fields),
            ("errmsg", _) => put("error.message", value.clone(), fields),
            _ => all = false,
        }
    }
    all
}
