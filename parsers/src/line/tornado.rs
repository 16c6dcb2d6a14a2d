//! Tornado's `LogFormatter`: `[I 260102 03:04:05 web:2591] 200 GET /cart (192.0.2.7) 1.30ms`, and Jupyter's, which has a name in
//! place of the module: `[I 2026-01-02 03:04:05.678 ServerApp] text`.
//!
//! Of access lines the status, the request, the client and the duration are read.

use super::access::{SOURCE, is_method};
use super::parts::nanos;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::line::level::from_word;
use crate::line::parts::enclosed;
use crate::time::{leading_clock, leading_stamp};

/// Tornado.
pub const FORMAT: Format = Format {
    name: "tornado",
    summary: "Tornado and Jupyter",
    example: "[I 260102 03:04:05 web:2591] 200 GET /cart (192.0.2.7) 1.30ms",
    rank: 153,
    starts: Starts::of(b"["),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    matches!(line, [b'[', b'D' | b'I' | b'W' | b'E' | b'C' | b'F', b' ', b'0'..=b'9', ..])
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (text, ()) = prefix(line, header(line, context, &mut fields))?;
    put_access(text, &mut fields);
    fields.push("message", Value::text(text));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, inside) = enclosed(b'[', b']')(line)?;
    let Some(level) = inside.get(..1).and_then(from_word) else { return stop(line, "a level's letter") };
    let text = &inside[2..];
    let Some((name, stamp)) = leading_stamp(text, context).or_else(|| leading_clock(text, context)) else {
        return stop(text, "a stamp");
    };
    let Some(name) = name.strip_prefix(' ').filter(|name| !name.is_empty() && !name.contains(' ')) else {
        return stop(name, "a module and a line");
    };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    match name.rsplit_once(':').and_then(|(module, line)| Some((module, line.parse::<u32>().ok()?))) {
        Some((module, line)) => {
            fields.push_present("log.origin.file.name", module);
            fields.push("log.origin.file.line", Value::Int(i64::from(line)));
        }
        None => fields.push("log.logger", Value::text(name)),
    }
    Ok((rest.strip_prefix(' ').unwrap_or(rest), ()))
}

/// `200 GET /cart (192.0.2.7) 1.30ms`; Jupyter's has the user and the referrer around it.
fn put_access<'a>(text: &'a str, fields: &mut Fields<'a>) {
    let mut words = text.split(' ');
    let (Some(status), Some(method), Some(url), Some(peer), Some(took)) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return;
    };
    let Some(status) = status.parse::<i64>().ok().filter(|status| (100..=999).contains(status)) else { return };
    let Some(peer) = peer.strip_prefix('(').and_then(|peer| peer.strip_suffix(')')) else { return };
    let Some(nanos) = took.strip_suffix("ms").and_then(|took| nanos(took, 1_000_000)) else { return };
    if !is_method(method) {
        return;
    }
    // `(ann@192.0.2.7)`, of Jupyter.
    match peer.rsplit_once('@') {
        Some((user, address)) => {
            fields.push_present("user.name", user);
            SOURCE.put(address, fields);
        }
        None => SOURCE.put(peer, fields),
    }
    fields.push("http.request.method", Value::text(method));
    fields.push("url.original", Value::text(url));
    fields.push("http.response.status_code", Value::Int(status));
    fields.push("event.duration", Value::Int(nanos));
}
