//! What the access lines of many servers share: quoted parts, the request, addresses, sizes and durations.
//!
//! Quoted parts are given as the server wrote them, escapes included.

use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::line::parts::{nanos, nanos_of_seconds};
use memchr::{memchr, memchr2};
use std::net::IpAddr;

/// An access line of morgan is no longer than this.
const MORGAN_BYTES_MAX: usize = 16 * 1024;
/// An address and a port are no longer than this.
const PEER_BYTES_MAX: usize = 64;

/// The words in which the two ends of a connection are named.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    ip: &'static str,
    domain: &'static str,
    port: &'static str,
}

/// Who asked.
pub(super) const SOURCE: Peer = Peer { ip: "source.ip", domain: "source.domain", port: "source.port" };
/// Who asked a data store, which keeps the connection.
pub(super) const CLIENT: Peer = Peer { ip: "client.ip", domain: "client.domain", port: "client.port" };
/// Who was asked, or was to answer.
pub(super) const DESTINATION: Peer =
    Peer { ip: "destination.ip", domain: "destination.domain", port: "destination.port" };

impl Peer {
    /// An address or a name without a port. `-` is none, nor is the `unix:` of nginx behind a socket.
    pub(super) fn put<'a>(self, host: &'a str, fields: &mut Fields<'a>) {
        if host == "unix:" {
            return;
        }
        fields.push_present(if is_ip(host) { self.ip } else { self.domain }, host);
    }

    /// `192.0.2.1:443`, `[2001:db8::1]:443`, `2001:db8::1:443`, `name:443`; without a port as [`Peer::put`].
    pub(super) fn put_with_port<'a>(self, text: &'a str, fields: &mut Fields<'a>) {
        let Some((host, port)) = host_and_port(text) else { return self.put(unbracketed(text), fields) };
        self.put(host, fields);
        fields.push(self.port, Value::Int(i64::from(port)));
    }
}

/// Whether it is an address, also with a zone (`fe80::1%eth0`).
pub(super) fn is_ip(text: &str) -> bool {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    is_address(text) || text.split_once('%').is_some_and(|(address, _zone)| is_address(address))
}

/// The host and the port of `host:port`.
pub(super) fn host_and_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let digits = port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits && !host.is_empty())?;
    Some((unbracketed(host), port))
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// `example.com` or `example.com:443`: the host that was asked for.
pub(super) fn put_domain<'a>(text: &'a str, fields: &mut Fields<'a>) {
    match host_and_port(text) {
        Some((host, port)) => {
            fields.push_present("url.domain", host);
            fields.push("url.port", Value::Int(i64::from(port)));
        }
        None => fields.push_present("url.domain", unbracketed(text)),
    }
}

/// `GET /path HTTP/1.1`. What clients send instead of it (TLS to a plain port, scanners) gives no fields.
pub(super) fn put_request<'a>(request: &'a str, fields: &mut Fields<'a>) {
    let Some((method, rest)) = request.split_once(' ') else { return };
    let Some((url, protocol)) = rest.rsplit_once(' ') else { return };
    let Some(version) = protocol.strip_prefix("HTTP/") else { return };
    if is_method(method) {
        fields.push_present("http.request.method", method);
        fields.push_present("url.original", url);
        fields.push_present("http.version", version);
    }
}

/// `127.0.0.1:60358 - "GET /path HTTP/1.1" 200 OK` or `"GET /path HTTP/1.1" 200 5`, as development servers write behind a
/// stamp or a level: gives fields and says so, or does nothing.
pub(super) fn put_request_line<'a>(text: &'a str, fields: &mut Fields<'a>) -> bool {
    let (peer, rest) = match text.as_bytes() {
        [b'"', ..] => (None, text),
        [b'0'..=b'9' | b'[', ..] => match text.split_once(" - ") {
            Some((peer, rest)) if peer.len() <= PEER_BYTES_MAX => (Some(peer), rest),
            // `192.0.2.7 "GET / HTTP/1.1" 200 5 "-" "curl/8.5.0" 0.000147`, of actix-web.
            _ => match text.split_once(' ') {
                Some((peer, rest)) if rest.starts_with('"') => (Some(peer), rest),
                _ => return false,
            },
        },
        _ => return false,
    };
    let Ok((rest, request)) = quoted_word(rest) else { return false };
    let Ok((rest, Some(status))) = status(rest) else { return false };
    let is_request = request.split_once(' ').is_some_and(|(method, rest)| is_method(method) && rest.contains(" HTTP/"));
    let is_peer = |peer: &str| is_ip(peer) || host_and_port(peer).is_some_and(|(host, _)| is_ip(host));
    // `"hello" 400 -`, the answer to what is no request, and nothing behind it.
    let refused = status >= 400 && count(rest).is_ok_and(|(rest, _)| rest.is_empty());
    if !(is_request || refused) || !peer.is_none_or(is_peer) {
        return false;
    }
    if let Some(peer) = peer {
        SOURCE.put_with_port(peer, fields);
    }
    if is_request {
        put_request(request, fields);
    }
    fields.push("http.response.status_code", Value::Int(status));
    if let Ok((rest, bytes)) = count(rest) {
        put_count("http.response.body.bytes", bytes, fields);
        if let Ok((rest, referrer)) = quoted_word(rest)
            && let Ok((rest, agent)) = quoted_word(rest)
        {
            fields.push_present("http.request.referrer", referrer);
            fields.push_present("user_agent.original", agent);
            put_count("event.duration", nanos_of_seconds(rest).filter(|_| rest.contains('.')), fields);
        }
    }
    true
}

/// `GET /path 200 1.804 ms - 5`, `GET /path 200 5 - 1.804 ms`, `127.0.0.1 - GET /path HTTP/1.1 200 5 - 1.804 ms`: the formats dev, tiny
/// and short of Node's morgan. Gives fields, or does nothing.
pub(super) fn put_morgan<'a>(text: &'a str, fields: &mut Fields<'a>) {
    let ends = text.ends_with(" ms") || text.rsplit_once(" ms - ").is_some_and(|(_, bytes)| count(bytes).is_ok());
    let dashed = text.ends_with(" - - ms") || text.ends_with(" - -");
    if !(ends || dashed) || text.len() > MORGAN_BYTES_MAX {
        return;
    }
    let mut words = text.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let (mut first, mut peer, mut user) = (next(), None, None);
    if !is_method(first) {
        (peer, user) = (Some(first), Some(next()));
        first = next();
    }
    let (method, url) = (first, next());
    let version = peer.map(|_| next());
    let status = match next() {
        "-" => None,
        word => match word.parse::<i64>() {
            Ok(status) if (100..=999).contains(&status) => Some(status),
            _ => return,
        },
    };
    // `1.804 ms - 5`, or `5 - 1.804 ms`.
    let (took, bytes) = match (next(), next(), next(), next()) {
        (took, "ms", "-", bytes) => (took, bytes),
        (bytes, "-", took, "ms") => (took, bytes),
        ("-", "-", bytes, "") => ("-", bytes),
        _ => return,
    };
    let shaped =
        is_method(method) && url.starts_with(['/', '*', 'h']) && version.is_none_or(|word| word.starts_with("HTTP/"));
    if !shaped || words.next().is_some() || peer.is_some_and(|peer| !is_ip(peer) && peer != "-") {
        return;
    }
    if let Some(peer) = peer {
        SOURCE.put(peer, fields);
    }
    fields.push_present("user.name", user.unwrap_or_default());
    fields.push("http.request.method", Value::text(method));
    fields.push("url.original", Value::text(url));
    fields.push_present("http.version", version.and_then(|word| word.strip_prefix("HTTP/")).unwrap_or_default());
    put_count("http.response.status_code", status, fields);
    put_count("http.response.body.bytes", bytes.parse().ok(), fields);
    put_count("event.duration", nanos(took, 1_000_000), fields);
}

/// Whether the word is written as methods of HTTP are.
pub(super) fn is_method(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'))
}

/// Text in double quotes; a backslash protects what follows it.
pub(super) fn quoted(input: &str) -> Step<'_, &str> {
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

/// A word and the space behind it, or the last word of the line.
pub(super) fn word(input: &str) -> Step<'_, &str> {
    match memchr(b' ', input.as_bytes()) {
        Some(0) => stop(input, "a word"),
        Some(end) => Ok((&input[end + 1..], &input[..end])),
        None if input.is_empty() => stop(input, "a word"),
        None => Ok(("", input)),
    }
}

/// [`quoted`] and the space behind it, or the end of the line.
pub(super) fn quoted_word(input: &str) -> Step<'_, &str> {
    let (rest, text) = quoted(input)?;
    match rest.strip_prefix(' ') {
        Some(rest) => Ok((rest, text)),
        None if rest.is_empty() => Ok((rest, text)),
        None => stop(rest, "a space"),
    }
}

/// A word that is a whole number, or `-`.
pub(super) fn count(input: &str) -> Step<'_, Option<i64>> {
    let (rest, text) = word(input)?;
    match text {
        "-" => Ok((rest, None)),
        _ => text.parse().map_or_else(|_| stop(input, "a number"), |number| Ok((rest, Some(number)))),
    }
}

/// A word that is an HTTP status, `-`, or a 0 or -1, which stand for none.
pub(super) fn status(input: &str) -> Step<'_, Option<i64>> {
    let (rest, number) = count(input)?;
    match number {
        Some(100..=999) => Ok((rest, number)),
        None | Some(-1..=0) => Ok((rest, None)),
        Some(_) => stop(input, "a status"),
    }
}

/// Adds a number where there is one.
pub(super) fn put_count(name: &'static str, number: Option<i64>, fields: &mut Fields<'_>) {
    if let Some(number) = number {
        fields.push(name, Value::Int(number));
    }
}

/// Adds a duration of so many milliseconds; negative ones mean that it was not measured.
pub(super) fn put_millis(millis: i64, fields: &mut Fields<'_>) {
    if let Some(nanos) = millis.checked_mul(1_000_000).filter(|nanos| *nanos >= 0) {
        fields.push("event.duration", Value::Int(nanos));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Context;
    use crate::line::detect::Detector;

    #[test]
    fn hosts_and_ports_part_at_the_last_colon() {
        let check = |text: &str, expected| assert_eq!(host_and_port(text), expected, "{text}");
        check("192.0.2.1:443", Some(("192.0.2.1", 443)));
        check("[2001:db8::1]:443", Some(("2001:db8::1", 443)));
        check("2001:db8::1:443", Some(("2001:db8::1", 443)));
        check("shop.example:", None);
        check("shop.example:+80", None);
        check("shop.example:70000", None);
        check(":80", None);
        check("[::1]", None);
    }

    #[test]
    fn what_only_looks_like_a_servers_line_stays_text() {
        for line in [
            "2026/01/02 03:04:05 [error] no process here",
            "2026/01/02 03:04:05 [main] 77#77: no level",
            "[Fri Jan 02 03:04:05 2026] worker started",
            "[Fri Jan 02 03:04:05 2026] [worker] started",
            "192.0.2.7:5 [02/Jan/2026:03:04:05] a b/c no timers",
            "shop:5 [02/Jan/2026:03:04:05] a b/c 1/2/3 5 -- 1/1/1/1/0 0/0",
            "[2026-01-02T03:04:05.678Z] \"GET / HTTP/1.1\" done",
            "[2026-01-02T03:04:05.678Z] INFO listening",
            "1767323045.678 listening on port 80",
            "2026-01-02T03:04:05.678901Z INFO listening on 192.0.2.7:80",
            "2 123456789012 eni-1 a b c d 6 1 2 3 4 ACCEPT OK",
            "2026-01-02 03:04:05 10.0.0.2 is up",
            "2026-01-02 03:04:05 worker 1 of 2 has read 3 of 4 parts in 5 ms of 6 here",
            "#Field: no directive",
            "# Fields: a comment",
            "key:value",
            "Error: no such file\tin: here\tat: once",
            "a:1\tb",
            "https://shop.example/\thttp://shop.example/",
            "http 2026-01-02T03:04:05.678901Z is a stamp",
        ] {
            let (id, _) = Detector::parse(None, line, &Context::default());
            assert_eq!(id.format().name, "plain", "{line}");
        }
    }
}
