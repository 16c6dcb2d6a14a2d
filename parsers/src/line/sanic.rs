//! Sanic since 23.12: `Main  2026-01-02 03:04:05 +0000 INFO: text`, in debug mode with the time of day alone, and its access lines,
//! which have a bar behind the name of the process: `Srv 0|2026-01-02 03:04:05 +0000 INFO: 192.0.2.7:51234 GET http://shop/ 200 5  0.3ms`.

use super::access::{SOURCE, host_and_port, is_ip, is_method};
use super::parts::nanos;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::line::parts::level_word;
use crate::time::{leading_clock, leading_stamp};

/// The name of the process is padded to so many columns; one more follows.
const NAME_COLUMNS: usize = 5;

/// Sanic.
pub const FORMAT: Format = Format {
    name: "sanic",
    summary: "Sanic, a web server for Python",
    example: "Main  2026-01-02 03:04:05 +0000 INFO: Worker ready [4711]",
    rank: 154,
    starts: Starts::UPPER,
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    matches!(line.get(..NAME_COLUMNS + 2), Some([_, .., b' ' | b'|', b'0'..=b'9']))
        && line[..NAME_COLUMNS].iter().all(|b| b.is_ascii_alphanumeric() || *b == b' ')
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (text, ()) = prefix(line, header(line, context, &mut fields))?;
    put_access(text, &mut fields);
    fields.push("message", Value::text(text));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (name, rest) = (line[..NAME_COLUMNS].trim_end(), &line[NAME_COLUMNS + 1..]);
    let Some((rest, stamp)) = leading_stamp(rest, context).or_else(|| leading_clock(rest, context)) else {
        return stop(rest, "a stamp");
    };
    let Some(rest) = rest.strip_prefix(' ') else { return stop(rest, "a space") };
    let (after, level) = level_word(rest)?;
    let capitals = rest[..rest.len() - after.len()].bytes().all(|b| b.is_ascii_uppercase());
    let Some(text) = after.strip_prefix(": ").filter(|_| capitals) else { return stop(after, "a colon") };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("process.name", name);
    Ok((text, ()))
}

/// `192.0.2.7:51234 GET http://shop/ 200 5  0.3ms`.
fn put_access<'a>(text: &'a str, fields: &mut Fields<'a>) {
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let (Some(peer), Some(method), Some(url), Some(status)) = (words.next(), words.next(), words.next(), words.next())
    else {
        return;
    };
    let Some(status) = status.parse::<i64>().ok().filter(|status| (100..=999).contains(status)) else { return };
    if !is_method(method) || host_and_port(peer).is_none_or(|(host, _)| !is_ip(host)) {
        return;
    }
    SOURCE.put_with_port(peer, fields);
    fields.push("http.request.method", Value::text(method));
    fields.push("url.original", Value::text(url));
    fields.push("http.response.status_code", Value::Int(status));
    for word in words.take(2) {
        if let Some(nanos) = word.strip_suffix("ms").and_then(|took| nanos(took, 1_000_000)) {
            fields.push("event.duration", Value::Int(nanos));
        } else if let Ok(bytes) = word.parse() {
            fields.push("http.response.body.bytes", Value::Int(bytes));
        }
    }
}
