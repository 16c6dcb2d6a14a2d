//! PHP's Monolog: `[2026-01-02T03:04:05.678901+00:00] app.ERROR: text {"context":1} {"extra":2}`, which Laravel and Symfony write.
//!
//! Context and extra are JSON at the end of the line, `[]` where they are empty and left out (with their spaces) where the formatter
//! ignores them; their members become fields. An exception in the context gives its class and its message.

use super::{Below, Context, Format, Starts, pairs};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::json;
use crate::line::parts::level_word;
use crate::time::leading_stamp;
use memchr::memchr;
use std::borrow::Cow;

/// A channel's name is no longer than this.
const CHANNEL_BYTES_MAX: usize = 96;
/// How many brackets are tried as the beginning of the context.
const TRIES_MAX: usize = 12;

/// Monolog.
pub const FORMAT: Format = Format {
    name: "monolog",
    summary: "PHP's Monolog: Laravel, Symfony and others",
    example: r#"[2026-01-02T03:04:05.678901+00:00] app.INFO: order placed {"id":4711} []"#,
    rank: 155,
    starts: Starts::of(b"["),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    matches!(line, [b'[', b'1' | b'2', _, _, _, b'-', ..])
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (mut text, ()) = prefix(line, header(line, context, &mut fields))?;
    text = text.trim_end_matches(' ');
    for _ in 0..2 {
        if let Some(before) = text.strip_suffix("[]").filter(|before| before.is_empty() || before.ends_with(' ')) {
            text = before.trim_end_matches(' ');
        } else if let Some((before, members)) = object_at_end(text) {
            text = before.trim_end_matches(' ');
            put_members(members, context, &mut fields);
        }
    }
    fields.push("message", Value::text(text));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((rest, stamp)) = leading_stamp(line, context) else { return stop(line, "a stamp in brackets") };
    let Some(rest) = rest.strip_prefix(' ') else { return stop(rest, "a space") };
    let head = &rest.as_bytes()[..rest.len().min(CHANNEL_BYTES_MAX)];
    let Some((channel, word)) = memchr(b':', head).and_then(|end| rest[..end].rsplit_once('.')) else {
        return stop(rest, "a channel and a level");
    };
    let (left, level) = level_word(word)?;
    let named = channel.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'@' | b'/'));
    if !left.is_empty() || !named || channel.is_empty() || word.bytes().any(|b| !b.is_ascii_uppercase()) {
        return stop(rest, "a channel and a level");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("log.logger", Value::text(channel));
    let rest = &rest[channel.len() + 1 + word.len() + 1..];
    Ok((rest.strip_prefix(' ').unwrap_or(rest), ()))
}

/// The object that reaches to the end of the text, and what stands before it.
fn object_at_end(text: &str) -> Option<(&str, Fields<'_>)> {
    if !text.ends_with('}') {
        return None;
    }
    let begins = |(at, _): &(usize, &str)| *at == 0 || text.as_bytes()[at - 1] == b' ';
    let mut tries = text.match_indices("{\"").filter(begins).take(TRIES_MAX);
    tries.find_map(|(at, _)| {
        let mut fields = Fields::default();
        json::parse_object(&text[at..], &mut fields).ok()?;
        Some((&text[..at], fields))
    })
}

fn put_members<'a>(members: Fields<'a>, context: &Context, fields: &mut Fields<'a>) {
    if let Some(at) = members.items.iter().position(|field| field.name == "exception")
        && let Some((kind, message)) = members.items[at].value.as_str().and_then(exception)
    {
        let (kind, message) = (kind.to_owned(), message.to_owned());
        fields.push("error.type", Value::Str(Cow::Owned(kind)));
        fields.push("error.message", Value::Str(Cow::Owned(message)));
    }
    pairs::add(members, context, fields);
}

/// The class and the message of `[object] (App\Failure(code: 7): no such amount at /srv/app.php:9)`.
fn exception(text: &str) -> Option<(&str, &str)> {
    let (kind, rest) = text.strip_prefix("[object] (")?.split_once("(code: ")?;
    let (_, rest) = rest.split_once("): ")?;
    let end = rest.find('\n').unwrap_or(rest.len());
    let (message, _) = rest[..end].rsplit_once(" at ")?;
    Some((kind, message))
}
