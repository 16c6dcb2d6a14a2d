//! The error log of nginx (`error_log`): `STAMP [LEVEL] PID#TID: *CONNECTION TEXT, client: .., server: .., ..`.
//!
//! The message is everything behind the process and connection; what nginx appends about the request stays in it and
//! becomes fields too, but for `subrequest`, `login` and others that few lines have.

use super::access::{SOURCE, host_and_port, put_domain, put_request};
use super::{Below, Context, Format, Starts, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, prefix, stop, until};
use crate::time::iso8601_prefix;
use memchr::{memchr, memchr2, memmem};
use nom::Parser;
use nom::bytes::complete::tag;
use nom::character::complete::{i64, u32};
use nom::combinator::opt;
use nom::sequence::{delimited, preceded};

/// Where the appended part begins.
const CLIENT: &str = ", client: ";
/// What nginx appends, in its order.
const APPENDED: [&str; 7] = ["client", "server", "request", "subrequest", "upstream", "host", "referrer"];
/// Longer words before a colon are none of these.
const NAME_BYTES_MAX: usize = 16;

/// nginx's error log.
pub const FORMAT: Format = Format {
    name: "nginx_error",
    summary: "the error log of nginx and OpenResty",
    example: r#"2026/01/02 03:04:05 [error] 77#77: *12 connect() failed, client: 192.0.2.7, server: shop.example, host: "shop.example""#,
    rank: 20,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// `2026/01/02 03:04:05 [`.
fn probe(line: &[u8]) -> bool {
    line.get(4) == Some(&b'/') && line.get(7) == Some(&b'/') && line.get(19..21) == Some(b" [")
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(message));
    if let Some(at) = appended(message) {
        put_appended(&message[at..], &mut fields);
    }
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let (rest, word) = preceded(tag(" ["), until(b']', "a level")).parse(rest)?;
    let Some(level) = level::from_word(word) else { return stop(rest, "a level") };
    let (rest, process) = delimited(byte(b' ', "a space"), u32, byte(b'#', "a thread")).parse(rest)?;
    let (rest, thread) = i64(rest)?;
    let (rest, ()) = byte(b':', "a colon").parse(rest)?;
    let (rest, connection) = opt(preceded(tag(" *"), i64)).parse(rest)?;
    let message = rest.strip_prefix(' ').unwrap_or(rest);
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("process.pid", Value::Int(process.into()));
    fields.push("process.thread.id", Value::Int(thread));
    if let Some(connection) = connection {
        fields.push("nginx.error.connection_id", Value::Int(connection));
    }
    Ok((message, ()))
}

/// Where `, client: ` stands outside of quotes: paths and requests in the text may hold anything. Where the quotes do
/// not pair up it is the last one.
fn appended(message: &str) -> Option<usize> {
    let bytes = message.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|tail| memchr2(b'"', b',', tail)) {
        at += found;
        if bytes[at] == b'"' {
            match memchr(b'"', &bytes[at + 1..]) {
                Some(closing) => at += closing + 2,
                None => break,
            }
        } else if bytes[at..].starts_with(CLIENT.as_bytes()) {
            return Some(at);
        } else {
            at += 1;
        }
    }
    memmem::rfind(bytes, CLIENT.as_bytes())
}

/// `, client: 192.0.2.7, server: x, request: "GET / HTTP/1.1", upstream: "http://..", host: "..", referrer: ".."`.
fn put_appended<'a>(appended: &'a str, fields: &mut Fields<'a>) {
    let (mut rest, mut left) = (appended, &APPENDED[..]);
    while let Some((name, value, after)) = pair(rest) {
        // What is out of order comes from within a request.
        let Some(place) = left.iter().position(|known| *known == name) else { return };
        left = &left[place + 1..];
        rest = after;
        match name {
            "client" => SOURCE.put(value, fields),
            "server" if value != "_" && !value.contains(':') => fields.push_present("server.domain", value),
            // A listener of the stream module: its address.
            "server" => {
                if let Some((host, port)) = host_and_port(value) {
                    fields.push_present("server.ip", host);
                    fields.push("server.port", Value::Int(port.into()));
                }
            }
            "request" => put_request(value, fields),
            "upstream" => fields.push_present("nginx.error.upstream", value),
            "host" => put_domain(value, fields),
            "referrer" => fields.push_present("http.request.referrer", value),
            _ => {}
        }
    }
}

/// The name and value of one `, name: value`, and what follows.
fn pair(input: &str) -> Option<(&str, &str, &str)> {
    let text = input.strip_prefix(", ")?;
    let colon = memchr(b':', &text.as_bytes()[..text.len().min(NAME_BYTES_MAX)])?;
    let (name, rest) = (&text[..colon], text[colon + 1..].strip_prefix(' ')?);
    match rest.strip_prefix('"') {
        Some(inner) => {
            let end = memmem::find(inner.as_bytes(), b"\", ").or_else(|| inner.strip_suffix('"').map(str::len))?;
            Some((name, &inner[..end], &inner[end + 1..]))
        }
        None => {
            let end = memchr(b',', rest.as_bytes()).unwrap_or(rest.len());
            Some((name, &rest[..end], &rest[end..]))
        }
    }
}
