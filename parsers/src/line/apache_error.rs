//! The error log of Apache's HTTP server (`ErrorLog`, `ErrorLogFormat` as it comes): of 2.4
//! (`[Fri Jan 02 03:04:05.123456 2026] [core:error] [pid 77:tid 140] [client 192.0.2.7:5555] AH00124: text`) and of 2.2
//! (`[Fri Jan 02 03:04:05 2026] [error] [client 192.0.2.7] text`).
//!
//! The message is the text behind the last bracket; an operating system's error before the client (`(13)Permission
//! denied: `) belongs to it, with what follows.

use super::access::SOURCE;
use super::{Below, Context, Format, Starts, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::rfc3164_prefix;
use memchr::{memchr, memmem};
use nom::Parser;
use nom::bytes::complete::tag;
use nom::character::complete;
use nom::combinator::opt;
use nom::sequence::{delimited, preceded};

/// Longer brackets hold no level, process or client.
const BRACKET_BYTES_MAX: usize = 96;
/// How long a source's place or a system's error before the client may be.
const LEAD_BYTES_MAX: usize = 128;

/// Apache's error log.
pub const FORMAT: Format = Format {
    name: "apache_error",
    summary: "the error log of Apache httpd 2.2 and 2.4",
    example: "[Fri Jan 02 03:04:05.123456 2026] [core:error] [pid 77:tid 140] [client 192.0.2.7:5555] AH00124: Request exceeded the limit",
    rank: 21,
    starts: Starts::of(b"["),
    below: Below::Message,
    probe,
    parse,
};

/// `[Fri Jan 02 03:`.
fn probe(line: &[u8]) -> bool {
    matches!(
        line,
        [b'[', b'F' | b'M' | b'S' | b'T' | b'W', _, _, b' ', b'A'..=b'S', _, _, b' ', _, _, b' ', _, _, b':', ..]
    )
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    if let Some(code) = code(message) {
        fields.push("event.code", Value::text(code));
    }
    if let Some(at) = memmem::rfind(message.as_bytes(), b", referer: ") {
        fields.push_present("http.request.referrer", &message[at + ", referer: ".len()..]);
    }
    fields.push("message", Value::text(message));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = rfc3164_prefix(&line["[Fri ".len()..], context.received, context.utc_offset_s)?;
    let (rest, _) = tag("] ").parse(rest)?;
    let (rest, word) = bracket(rest)?;
    let (module, word) = word.rsplit_once(':').unwrap_or(("", word));
    // `trace1` to `trace8`.
    let Some(level) = level::from_word(word.trim_end_matches(|c: char| c.is_ascii_digit())) else {
        return stop(rest, "a level");
    };
    let (rest, process) = opt(process).parse(rest)?;
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("apache.error.module", module);
    if let Some((process, thread)) = process {
        fields.push("process.pid", Value::Int(process.into()));
        if let Some(thread) = thread {
            fields.push("process.thread.id", Value::Int(thread));
        }
    }
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let (lead, after) = lead(rest);
    let after = match client(after) {
        Ok((after, client)) => {
            // Only 2.4, which names the process, puts the port there.
            if process.is_some() {
                SOURCE.put_with_port(client, fields)
            } else {
                SOURCE.put(client, fields)
            }
            after
        }
        Err(_) => after,
    };
    Ok((if lead { rest } else { after }, ()))
}

/// ` [...]`, or without the space: what stands in the brackets.
fn bracket(input: &str) -> Step<'_, &str> {
    let inner = input.strip_prefix('[').map(|inner| &inner.as_bytes()[..inner.len().min(BRACKET_BYTES_MAX)]);
    match inner.and_then(|inner| memchr(b']', inner)) {
        Some(end) => Ok((&input[end + 2..], &input[1..=end])),
        None => stop(input, "brackets"),
    }
}

/// ` [pid 77:tid 140]`, ` [pid 77]`.
fn process(input: &str) -> Step<'_, (u32, Option<i64>)> {
    delimited(tag(" [pid "), (complete::u32, opt(preceded(tag(":tid "), complete::i64))), tag("]")).parse(input)
}

/// `[client 192.0.2.7:5555] `, or `remote` where Apache is a proxy's client.
fn client(input: &str) -> Step<'_, &str> {
    let (rest, inner) = bracket(input)?;
    match inner.strip_prefix("client ").or_else(|| inner.strip_prefix("remote ")) {
        Some(client) => Ok((rest.strip_prefix(' ').unwrap_or(rest), client)),
        None => stop(input, "a client"),
    }
}

/// What may stand before the client, `mod_ssl.c(123): ` and `(13)Permission denied: `: whether there is any, and what
/// follows it.
fn lead(input: &str) -> (bool, &str) {
    let head = &input.as_bytes()[..input.len().min(LEAD_BYTES_MAX)];
    match memmem::find(head, b": [client ").or_else(|| memmem::find(head, b": [remote ")) {
        Some(end) => (true, &input[end + 2..]),
        None => (false, input),
    }
}

/// `AH00124`, with which most messages of 2.4 begin.
fn code(message: &str) -> Option<&str> {
    let at = match message.as_bytes() {
        [b'A', b'H', ..] => 0,
        // Behind a system's error and the client.
        bytes => memmem::find(&bytes[..bytes.len().min(2 * LEAD_BYTES_MAX)], b" AH")? + 1,
    };
    let rest = &message[at..];
    let end = memchr(b':', &rest.as_bytes()[..rest.len().min(LEAD_BYTES_MAX)])?;
    let digits = &rest[2..end];
    (digits.len() >= 5 && digits.bytes().all(|b| b.is_ascii_digit())).then_some(&rest[..end])
}
