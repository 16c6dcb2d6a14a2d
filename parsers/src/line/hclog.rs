//! HashiCorp's hclog, which Consul, Vault, Nomad, Terraform and their plugins share:
//! `2026-01-02T03:04:05.678Z [INFO]  agent.server: text: key=value other="two words"`.
//!
//! The pairs become fields; a line whose end is no pairs keeps it in the message.

use super::{Below, Context, Format, Starts, inner, logfmt, normalize, pairs};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, prefix, stop};
use crate::line::parts::{enclosed, level_word};
use crate::time::iso8601_prefix;
use memchr::{memchr, memmem};
use nom::Parser;

/// A stamp with an offset reaches so far at most.
const STAMP_BYTES_MAX: usize = 40;
/// Where the fraction of a stamp begins.
const MILLIS_START: usize = 19;
/// How long a logger's name is at most.
const LOGGER_BYTES_MAX: usize = 96;

/// hclog.
pub const FORMAT: Format = Format {
    name: "hclog",
    summary: "Consul, Vault, Nomad and others of HashiCorp",
    example: "2026-01-02T03:04:05.678Z [INFO]  agent.server: New leader elected: payload=db-1",
    rank: 119,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let head = &line[..line.len().min(STAMP_BYTES_MAX)];
    matches!(head, [b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b'T', ..]) && memmem::find(head, b" [").is_some()
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (text, ()) = prefix(line, header(line, context, &mut fields))?;
    match text_and_pairs(text, context) {
        Some((message, pairs)) => {
            fields.push("message", Value::text(message));
            inner::merge(pairs, &mut fields);
        }
        None => fields.push("message", Value::text(text)),
    }
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    // Go's layout `2006-01-02T15:04:05.000Z0700`: the fraction and the offset have a fixed form.
    if !matches!(
        &line.as_bytes()[MILLIS_START..line.len() - rest.len()],
        [b'.', _, _, _, b'Z'] | [b'.', _, _, _, b'+' | b'-', _, _, _, _]
    ) {
        return stop(rest, "a stamp in milliseconds");
    }
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, word) = enclosed(b'[', b']')(rest)?;
    let (left, level) = level_word(word)?;
    // The level is padded behind its bracket: two spaces after four letters, one after five.
    let padding = if word.len() == 4 { "  " } else { " " };
    let Some(rest) =
        rest.strip_prefix(padding).filter(|_| left.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase()))
    else {
        return stop(rest, "a padded level");
    };
    let head = &rest.as_bytes()[..rest.len().min(LOGGER_BYTES_MAX)];
    let Some(end) = memmem::find(head, b": ") else { return stop(rest, "a logger and a colon") };
    let logger = &rest[..end];
    // `IncludeLocation` puts the place in front.
    if let Some((file, line)) =
        logger.rsplit_once(".go:").and_then(|(_, line)| Some((logger, line.parse::<u32>().ok()?)))
    {
        let rest = &rest[end + 2..];
        let head = &rest.as_bytes()[..rest.len().min(LOGGER_BYTES_MAX)];
        let named = memmem::find(head, b": ").filter(|end| !rest[..*end].contains(' '));
        stamp.put(fields);
        fields.push("log.level", Value::text(level));
        fields.push_present("log.logger", named.map_or("", |end| &rest[..end]));
        fields.push_present("log.origin.file.name", &file[..file.rfind(':').unwrap_or(file.len())]);
        fields.push("log.origin.file.line", Value::Int(i64::from(line)));
        return Ok((named.map_or(rest, |end| &rest[end + 2..]), ()));
    }
    if logger.contains(' ') && (!logger.starts_with('(') || logger.ends_with(|last: char| last.is_ascii_alphanumeric()))
    {
        return stop(rest, "a logger's name");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    let text = &rest[end + 2..];
    // `retry: attempt=2` of a logger without a name: pairs stand behind a text only.
    let word = memchr(b' ', text.as_bytes()).map_or(text, |end| &text[..end]);
    if word.contains('=') && only_pairs(text, context).is_some() {
        return Ok((rest, ()));
    }
    fields.push_present("log.logger", logger);
    Ok((text, ()))
}

/// The text before the pairs, and the pairs, which begin at the first key that has `: ` before it and `=` behind it.
fn text_and_pairs<'a>(text: &'a str, context: &Context) -> Option<(&'a str, Fields<'a>)> {
    let equals = memchr(b'=', text.as_bytes())?;
    let message = text[..equals].rfind(": ")?;
    let pairs = &text[message + 2..];
    Some((&text[..message], only_pairs(pairs, context)?))
}

/// Pairs and nothing else. One alone, or one with a list in it, logfmt does not take for such: here the colon before it says
/// that it is.
fn only_pairs<'a>(text: &'a str, context: &Context) -> Option<Fields<'a>> {
    if let Some(fields) = logfmt::FORMAT.read(text, context).ok().or_else(|| single_pair(text, context)) {
        return Some(fields);
    }
    let mut fields = Fields::default();
    (pairs::add_trailing(text, context, &mut fields)? == 0).then_some(fields)
}

fn single_pair<'a>(text: &'a str, context: &Context) -> Option<Fields<'a>> {
    let (rest, (key, value)) = logfmt::pair(text).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let mut fields = Fields::default();
    fields.push(key, value);
    normalize::normalize(&mut fields, context);
    Some(fields)
}
