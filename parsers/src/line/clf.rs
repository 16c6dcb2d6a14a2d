//! Access lines in the Common Log Format, and in the combined one with referrer and user agent.
//!
//! The whole line stays the message, so what has no field (ident, vendors' columns after the user agent) is kept.
//! Quoted parts are given as the server wrote them, escapes included.

use super::{Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, prefix, stop, until};
use crate::time::clf_prefix;
use memchr::{memchr, memchr2};
use nom::Parser;
use nom::combinator::opt;
use nom::sequence::{delimited, preceded};

/// How far into a line the stamp may begin.
const STAMP_OFFSET_MAX: usize = 512;

/// Access lines of Apache, nginx and most others.
pub const FORMAT: Format = Format {
    name: "clf",
    summary: "access lines, common and combined: Apache, nginx, Caddy, Traefik",
    example: r#"192.0.2.7 - ann [02/Jan/2026:03:04:05 +0000] "GET /cart?id=7 HTTP/1.1" 200 512 "-" "curl/8.5.0""#,
    rank: 4,
    starts: Starts::ANY,
    open_ended: true,
    probe,
    parse,
};

/// Three words, then a bracket before a day: `- - [02/`.
fn probe(line: &[u8]) -> bool {
    let head = &line[..line.len().min(STAMP_OFFSET_MAX)];
    let Some(open) = memchr(b'[', head) else { return false };
    matches!(head.get(open..), Some([_, b'0'..=b'3', b'0'..=b'9', b'/', ..])) && open > 4 && head[open - 1] == b' '
}

fn parse<'a>(line: &'a str, _: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (_, ()) = prefix(line, access(line, &mut fields))?;
    Ok(fields)
}

fn access<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let word = || until(b' ', "a word");
    let (rest, address) = word().parse(line)?;
    let (rest, _ident) = word().parse(rest)?;
    // A user's name may hold spaces: it ends where the stamp begins.
    let (rest, user) = until(b'[', "a stamp").parse(rest)?;
    let Some(user) = user.strip_suffix(' ') else { return stop(rest, "a space") };
    let (rest, stamp) = clf_prefix(rest)?;
    let (rest, request) = preceded(nom::bytes::complete::tag("] "), quoted).parse(rest)?;
    let (rest, status) = delimited(byte(b' ', "a space"), digits::<3>, byte(b' ', "a space")).parse(rest)?;
    let (rest, bytes) = size(rest)?;
    let (rest, agent) =
        opt((preceded(byte(b' ', "a space"), quoted), preceded(byte(b' ', "a space"), quoted))).parse(rest)?;
    if !rest.is_empty() && !rest.starts_with([' ', '\r']) {
        return stop(rest, "a space");
    }
    stamp.put(fields);
    let is_ip = address.as_bytes()[0].is_ascii_digit() || memchr(b':', address.as_bytes()).is_some();
    fields.push_present(if is_ip { "source.ip" } else { "source.domain" }, address);
    fields.push_present("user.name", user);
    put_request(request, fields);
    fields.push("http.response.status_code", Value::Int(i64::from(status)));
    if let Some(bytes) = bytes {
        fields.push("http.response.body.bytes", Value::Int(bytes));
    }
    if let Some((referrer, agent)) = agent {
        fields.push_present("http.request.referrer", referrer);
        fields.push_present("user_agent.original", agent);
    }
    fields.push("message", Value::text(line));
    Ok((rest, ()))
}

/// `GET /path HTTP/1.1`. What clients send instead of it (TLS to a plain port, scanners) gives no fields.
fn put_request<'a>(request: &'a str, fields: &mut Fields<'a>) {
    let Some((method, rest)) = request.split_once(' ') else { return };
    let Some((url, version)) = rest.rsplit_once(" HTTP/") else { return };
    if method.bytes().all(|b| b.is_ascii_uppercase()) {
        fields.push_present("http.request.method", method);
        fields.push_present("url.original", url);
        fields.push_present("http.version", version);
    }
}

/// Text in double quotes; a backslash protects what follows it.
fn quoted(input: &str) -> Step<'_, &str> {
    let Some(inner) = input.strip_prefix('"') else { return stop(input, "a quote") };
    let bytes = inner.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|tail| memchr2(b'"', b'\\', tail)) {
        at += found;
        if bytes[at] == b'"' {
            return Ok((&inner[at + 1..], &inner[..at]));
        }
        at += 2;
    }
    stop("", "a closing quote")
}

/// The size of the reply, or `-`.
fn size(input: &str) -> Step<'_, Option<i64>> {
    if let Some(rest) = input.strip_prefix('-') {
        return Ok((rest, None));
    }
    nom::character::complete::i64(input).map(|(rest, bytes)| (rest, Some(bytes)))
}
