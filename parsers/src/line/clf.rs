//! Access lines in the Common Log Format, and in the combined one with referrer and user agent: Apache's `LogFormat`
//! `common`, `combined` and `vhost_combined`, nginx's predefined `combined`, `varnishncsa`, Traefik's `common`.
//!
//! InfluxDB puts `[httpd] ` before each. A virtual host may come first (`example.com:443 192.0.2.7 - - [...`), of
//! lighttpd in the ident's place. The whole line stays the message, so what has no field (ident, columns behind the user agent such as nginx's `$request_time`,
//! whose meaning only the server's configuration knows) is kept. Traefik's columns have fields: their shape is like no other.
//!
//! Servers for Python leave parts out or write them in their own way: aiohttp no idents (`192.0.2.7 [02/Jan/...`), `http.server`
//! and Werkzeug, which Flask uses, no zone (`[02/Jan/2026 03:04:05]`), Hypercorn the client's port and `"GET / 1.1"`. Rack
//! writes all of `X-Forwarded-For` in front: the first address is the client's.

use super::access::{SOURCE, host_and_port, is_ip, is_method, put_domain, put_request, quoted};
use super::parts::nanos_of_seconds;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, prefix, stop, until};
use crate::time::{clf_local_prefix, clf_prefix};
use memchr::{memchr, memchr_iter};
use nom::Parser;
use nom::combinator::opt;
use nom::sequence::{delimited, preceded};

/// What InfluxDB puts before its access lines.
const INFLUXDB: &str = "[httpd] ";
/// How far into a line the stamp may begin.
const STAMP_OFFSET_MAX: usize = 512;

/// How many opening brackets are looked at: those of addresses and the stamp's.
const BRACKETS_MAX: usize = 3;

/// Access lines of Apache, nginx and most others.
pub const FORMAT: Format = Format {
    name: "clf",
    summary: "access lines, common and combined, also with virtual host: Apache, nginx, Caddy, Traefik, Varnish",
    example: r#"192.0.2.7 - ann [02/Jan/2026:03:04:05 +0000] "GET /cart?id=7 HTTP/1.1" 200 512 "-" "curl/8.5.0""#,
    rank: 10,
    starts: Starts::DIGIT.or(Starts::LOWER).or(Starts::UPPER).or(Starts::of(b":-_[")),
    below: Below::Message,
    probe,
    parse,
};

/// Three words, then a bracket before a day: `- - [02/`.
fn probe(line: &[u8]) -> bool {
    let line = line.strip_prefix(INFLUXDB.as_bytes()).unwrap_or(line);
    let head = &line[..line.len().min(STAMP_OFFSET_MAX)];
    // An address in brackets may come before.
    memchr_iter(b'[', head).take(BRACKETS_MAX).any(|open| {
        matches!(head.get(open..), Some([_, b'0'..=b'3', b'0'..=b'9', b'/', ..])) && open > 4 && head[open - 1] == b' '
    })
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (_, ()) = prefix(line, access(line, context, &mut fields))?;
    Ok(fields)
}

fn access<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, client) = client(line.strip_prefix(INFLUXDB).unwrap_or(line))?;
    let zoned = clf_prefix(rest);
    let local = zoned.is_err();
    let (rest, stamp) = zoned.or_else(|_| clf_local_prefix(rest, context.utc_offset_s))?;
    // `code 404, message File not found`, of Python's servers.
    if let Some(text) = rest.strip_prefix("] ").filter(|text| local && text.starts_with("code ")) {
        stamp.put(fields);
        put_source(client.address, fields);
        fields.push("message", Value::text(text));
        return Ok(("", ()));
    }
    let (rest, request) = preceded(nom::bytes::complete::tag("] "), quoted).parse(rest)?;
    // What is in the colours of a terminal is read without them.
    if memchr(0x1b, request.as_bytes()).is_some() {
        return stop(rest, "a request without colours");
    }
    let (rest, status) = delimited(byte(b' ', "a space"), status, byte(b' ', "a space")).parse(rest)?;
    let (rest, bytes) = size(rest)?;
    let (rest, agent) =
        opt((preceded(byte(b' ', "a space"), quoted), preceded(byte(b' ', "a space"), quoted))).parse(rest)?;
    if !rest.is_empty() && !rest.starts_with([' ', '\r']) {
        return stop(rest, "a space");
    }
    stamp.put(fields);
    if let Some(host) = client.host {
        put_domain(host, fields);
    }
    put_source(client.address, fields);
    fields.push_present("user.name", client.user);
    put_request_with_bare_version(request, fields);
    if let Some(status) = status {
        fields.push("http.response.status_code", Value::Int(i64::from(status)));
    }
    if let Some(bytes) = bytes {
        fields.push("http.response.body.bytes", Value::Int(bytes));
    }
    if let Some((referrer, agent)) = agent {
        fields.push_present("http.request.referrer", referrer);
        fields.push_present("user_agent.original", agent);
        if let Ok((_, columns)) = traefik(rest) {
            columns.put(fields);
        }
    }
    fields.push("message", Value::text(line));
    Ok((rest, ()))
}

/// The client's address, which may have a port.
fn put_source<'a>(address: &'a str, fields: &mut Fields<'a>) {
    let ported = !is_ip(address) && host_and_port(address).is_some_and(|(host, _)| is_ip(host));
    if ported { SOURCE.put_with_port(address, fields) } else { SOURCE.put(address, fields) }
}

/// `GET / HTTP/1.1`, or `GET / 1.1`.
fn put_request_with_bare_version<'a>(request: &'a str, fields: &mut Fields<'a>) {
    let mut words = request.split(' ');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(method), Some(url), Some(version @ ("1.0" | "1.1" | "2" | "3")), None) if is_method(method) => {
            fields.push("http.request.method", Value::text(method));
            fields.push_present("url.original", url);
            fields.push("http.version", Value::text(version));
        }
        _ => put_request(request, fields),
    }
}

/// Who asked, and which virtual host.
struct Client<'a> {
    host: Option<&'a str>,
    address: &'a str,
    user: &'a str,
}

/// The words before the stamp.
fn client(line: &str) -> Step<'_, Client<'_>> {
    let (rest, first) = until(b' ', "a word").parse(line)?;
    let stamped = |rest: &&str| matches!(rest.as_bytes(), [_, _, b'/', ..]) && is_ip(first);
    if let Some(stamp) = rest.strip_prefix('[').filter(stamped) {
        return Ok((stamp, Client { host: None, address: first, user: "-" }));
    }
    if let Some(address) = first.strip_suffix(',').filter(|address| is_ip(address)) {
        let last = rest.split(' ').position(|word| !word.ends_with(','));
        let others = rest.split(' ').take(last.map_or(0, |last| last + 1)).map(|word| word.len() + 1).sum::<usize>();
        let (rest, _ident) = until(b' ', "a word").parse(rest.get(others..).unwrap_or_default())?;
        let (rest, user) = until(b'[', "a stamp").parse(rest)?;
        return Ok((rest, Client { host: None, address, user: user.trim_end() }));
    }
    let (rest, second) = until(b' ', "a word").parse(rest)?;
    // An ident (RFC 1413) is `-` or a user's name: an address there is the client's, behind a virtual host.
    let hosted = memchr::memchr2(b'.', b':', second.as_bytes()).is_some();
    // lighttpd names the virtual host in the ident's place, so that one word less follows it.
    if hosted && is_ip(first) && (!is_ip(second) || one_word(rest)) {
        let (rest, user) = until(b'[', "a stamp").parse(rest)?;
        let Some(user) = user.strip_suffix(' ') else { return stop(rest, "a space") };
        return Ok((rest, Client { host: Some(second), address: first, user }));
    }
    let (rest, host, address) = match hosted {
        true => (until(b' ', "a word").parse(rest)?.0, Some(first), second),
        false => (rest, None, first),
    };
    // A user's name may hold spaces: it ends where the stamp begins.
    let (rest, user) = until(b'[', "a stamp").parse(rest)?;
    match user.strip_suffix(' ') {
        Some(user) => Ok((rest, Client { host, address, user })),
        None => stop(rest, "a space"),
    }
}

/// Whether one word stands before the stamp.
fn one_word(input: &str) -> bool {
    input.split_once('[').is_some_and(|(words, _)| words.trim_end().bytes().all(|b| b != b' '))
}

/// The status, or `-` where the server cut the connection (Varnish).
fn status(input: &str) -> Step<'_, Option<u32>> {
    match input.strip_prefix('-') {
        Some(rest) => Ok((rest, None)),
        None => digits::<3>(input).map(|(rest, status)| (rest, Some(status))),
    }
}

/// The columns of Traefik.
struct Traefik<'a> {
    requests: i64,
    router: &'a str,
    server: &'a str,
    millis: &'a str,
}

impl<'a> Traefik<'a> {
    fn put(&self, fields: &mut Fields<'a>) {
        fields.push("traefik.access.request_count", Value::Int(self.requests));
        fields.push_present("traefik.access.router_name", self.router);
        fields.push_present("traefik.access.backend_url", self.server);
        if let Some(nanos) = nanos_of_seconds(self.millis) {
            fields.push("event.duration", Value::Int(nanos / 1_000));
        }
    }
}

/// ` 42 "router@docker" "http://10.0.0.3:80" 12ms`: the number of the request, who took it, and how long.
fn traefik(input: &str) -> Step<'_, Traefik<'_>> {
    let (rest, requests) = preceded(byte(b' ', "a space"), nom::character::complete::i64).parse(input)?;
    let (rest, router) = preceded(byte(b' ', "a space"), quoted).parse(rest)?;
    let (rest, server) = preceded(byte(b' ', "a space"), quoted).parse(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    match rest.strip_suffix("ms") {
        Some(millis) => Ok(("", Traefik { requests, router, server, millis })),
        None => stop(rest, "a duration"),
    }
}

/// The size of the reply, or `-`.
fn size(input: &str) -> Step<'_, Option<i64>> {
    if let Some(rest) = input.strip_prefix('-') {
        return Ok((rest, None));
    }
    nom::character::complete::i64(input).map(|(rest, bytes)| (rest, Some(bytes)))
}
