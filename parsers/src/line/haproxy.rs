//! HAProxy's own formats, as documented in "Log formats" of its configuration manual: `option tcplog`, `httplog`
//! and `httpslog`, the errors of connections (`frontend/bind: text`), and `Connect from` where no format is set.
//!
//! Lines come bare (`log stdout format raw`) or inside of a syslog message, where [`super::inner`] finds them. Stamps have no
//! zone. Timers of -1 were not reached and give no field; `+` before a number (`option logasap`) is dropped. Captured cookies
//! and headers are fields as written, the columns of `httpslog` those that say something.

use super::access::{DESTINATION, SOURCE, host_and_port, is_ip, put_count, put_millis, put_request, status, word};
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, prefix, stop, until};
use crate::time::clf_local_prefix;
use memchr::memchr;
use nom::Parser;
use nom::bytes::complete::tag;
use nom::combinator::opt;

/// How far into a line the stamp may begin: an address of IPv6 with its port.
const STAMP_OFFSET_MAX: usize = 64;
/// How long braces with captured headers may be.
const CAPTURE_BYTES_MAX: usize = 8 << 10;
const CONNECT: &str = "Connect from ";

/// HAProxy.
pub const FORMAT: Format = Format {
    name: "haproxy",
    summary: "HAProxy: tcplog, httplog, httpslog, errors of connections",
    example: r#"192.0.2.7:51234 [02/Jan/2026:03:04:05.678] web shop/shop-1 10/0/1/22/33 200 2750 - - ---- 5/5/2/1/0 0/0 "GET /cart HTTP/1.1""#,
    rank: 22,
    starts: Starts::DIGIT.or(Starts::between(b'a', b'f')).or(Starts::of(b":Cu")),
    below: Below::Message,
    probe,
    parse,
};

/// `192.0.2.7:51234 [02/`.
fn probe(line: &[u8]) -> bool {
    if line.first() == Some(&b'C') {
        return line.starts_with(CONNECT.as_bytes());
    }
    let head = &line[..line.len().min(STAMP_OFFSET_MAX)];
    let Some(space) = memchr(b' ', head) else { return false };
    memchr(b':', &head[..space]).is_some()
        && matches!(line.get(space + 1..), Some([b'[', b'0'..=b'3', b'0'..=b'9', b'/', ..]))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let step = match line.strip_prefix(CONNECT) {
        Some(rest) => connect(rest, &mut fields),
        None => session(line, context, &mut fields),
    };
    let (error, ()) = prefix(line, step)?;
    fields.push("message", Value::text(if error.is_empty() { line } else { error }));
    Ok(fields)
}

/// `192.0.2.7:51234 to 198.51.100.1:80 (web/HTTP)`.
fn connect<'a>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, from) = word(input)?;
    let (rest, _) = tag("to ").parse(rest)?;
    let (rest, to) = word(rest)?;
    let parts = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).and_then(|rest| rest.rsplit_once('/'));
    let Some((frontend, mode)) = parts.filter(|_| host_and_port(from).is_some()) else {
        return stop(rest, "a frontend and a mode");
    };
    SOURCE.put_with_port(from, fields);
    DESTINATION.put_with_port(to, fields);
    fields.push_present("haproxy.frontend_name", frontend);
    fields.push_present("haproxy.mode", mode);
    Ok(("", ()))
}

/// What every line that is about a session begins with, then by what follows. Leaves the text of an error.
fn session<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, client) = word(line)?;
    let (rest, stamp) = clf_local_prefix(&rest[1..], context.utc_offset_s)?;
    let (rest, _) = tag("] ").parse(rest)?;
    let Some((host, port)) = host_and_port(client) else { return stop(line, "an address and a port") };
    // A client at a socket is `unix:1`.
    if is_ip(host) {
        fields.push("source.ip", Value::text(host));
        fields.push("source.port", Value::Int(port.into()));
    } else if host != "unix" {
        return stop(line, "an address");
    }
    stamp.put(fields);
    let (rest, frontend) = word(rest)?;
    if let Some((frontend, bind)) = frontend.strip_suffix(':').and_then(|names| names.split_once('/')) {
        fields.push_present("haproxy.frontend_name", frontend);
        fields.push_present("haproxy.bind_name", bind);
        return if rest.is_empty() { stop(rest, "an error") } else { Ok((rest, ())) };
    }
    // `~` marks a frontend that the client reached by TLS.
    fields.push_present("haproxy.frontend_name", frontend.strip_suffix('~').unwrap_or(frontend));
    let (rest, backend) = word(rest)?;
    let Some((backend, server)) = backend.rsplit_once('/') else { return stop(rest, "a backend and a server") };
    fields.push_present("haproxy.backend_name", backend);
    if !matches!(server, "<NOSRV>" | "<STATS>") {
        fields.push_present("haproxy.server_name", server);
    }
    let (rest, timers) = word(rest)?;
    match timers.bytes().filter(|b| *b == b'/').count() {
        4 => http(timers, rest, fields),
        2 => tcp(timers, rest, fields),
        _ => stop(rest, "three or five timers"),
    }
}

/// The names of up to five numbers with slashes between.
type Names = [&'static str];

/// Adds numbers with slashes between under their names: all must be numbers, negative ones give no field.
fn put_numbers<'a>(text: &'a str, names: &Names, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let mut rest = text;
    for (at, name) in names.iter().enumerate() {
        let (head, after) = match rest.split_once('/') {
            Some(split) if at + 1 < names.len() => split,
            None if at + 1 == names.len() => (rest, ""),
            _ => return stop(rest, "numbers with slashes between"),
        };
        let Some(number) = number(head) else { return stop(rest, "a number") };
        if number >= 0 && *name == DURATION {
            put_millis(number, fields);
        } else if number >= 0 {
            fields.push(*name, Value::Int(number));
        }
        rest = after;
    }
    Ok(("", ()))
}

/// A number that may have a plus sign.
fn number(text: &str) -> Option<i64> {
    text.parse().ok()
}

const DURATION: &str = "event.duration";
const TIMERS_HTTP: &Names = &[
    "haproxy.http.request.time_wait_ms",
    "haproxy.total_waiting_time_ms",
    "haproxy.connection_wait_time_ms",
    "haproxy.http.request.time_wait_without_data_ms",
    DURATION,
];
const TIMERS_TCP: &Names = &["haproxy.total_waiting_time_ms", "haproxy.connection_wait_time_ms", DURATION];
const CONNECTIONS: &Names = &[
    "haproxy.connections.active",
    "haproxy.connections.frontend",
    "haproxy.connections.backend",
    "haproxy.connections.server",
    "haproxy.connections.retries",
];
const QUEUES: &Names = &["haproxy.server_queue", "haproxy.backend_queue"];

/// `10/0/1/22/33 200 2750 - - ---- 5/5/2/1/0 0/0 {host} {length} "GET / HTTP/1.1"`, from the status on.
fn http<'a>(timers: &'a str, input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, status) = status(input)?;
    let (rest, bytes) = word(rest)?;
    let Some(bytes) = number(bytes) else { return stop(rest, "a number of bytes") };
    let (rest, request_cookie) = word(rest)?;
    let (rest, response_cookie) = word(rest)?;
    put_numbers(timers, TIMERS_HTTP, fields)?;
    put_count("http.response.status_code", status, fields);
    fields.push("http.response.bytes", Value::Int(bytes));
    fields.push_present("haproxy.http.request.captured_cookie", request_cookie);
    fields.push_present("haproxy.http.response.captured_cookie", response_cookie);
    let (rest, ()) = ending::<4>(rest, fields)?;
    let (rest, captured) = opt(braces).parse(rest)?;
    let (rest, also_captured) = opt(braces).parse(rest)?;
    // Whose one pair of braces alone is, only the configuration knows: mostly the request's.
    fields.push_present("haproxy.http.request.captured_headers", captured.unwrap_or_default());
    fields.push_present("haproxy.http.response.captured_headers", also_captured.unwrap_or_default());
    let Some(rest) = rest.strip_prefix('"') else { return stop(rest, "a request in quotes") };
    // Quotes within are escaped by `#22`; a request that was cut has no closing one.
    let (request, rest) = rest.split_once('"').unwrap_or((rest, ""));
    put_request(request, fields);
    match rest.strip_prefix(' ') {
        Some(tls) => {
            put_tls(tls, fields);
            Ok(("", ()))
        }
        None if rest.is_empty() => Ok(("", ())),
        None => stop(rest, "a space"),
    }
}

/// `1/0/5007 212 -- 5/5/2/1/0 0/0`, from the bytes on.
fn tcp<'a>(timers: &'a str, input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, bytes) = word(input)?;
    let Some(bytes) = number(bytes) else { return stop(input, "a number of bytes") };
    put_numbers(timers, TIMERS_TCP, fields)?;
    fields.push("haproxy.bytes_read", Value::Int(bytes));
    let (rest, ()) = ending::<2>(rest, fields)?;
    if rest.is_empty() { Ok(("", ())) } else { stop(rest, "the end") }
}

/// `---- 5/5/2/1/0 0/0`: how the session ended, and what was going on.
fn ending<'a, const FLAGS: usize>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, state) = word(input)?;
    if state.len() != FLAGS || !state.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-') {
        return stop(input, "a termination state");
    }
    if state.bytes().any(|b| b != b'-') {
        fields.push("haproxy.termination_state", Value::text(state));
    }
    let (rest, connections) = word(rest)?;
    put_numbers(connections, CONNECTIONS, fields)?;
    let (rest, queues) = word(rest)?;
    put_numbers(queues, QUEUES, fields)?;
    Ok((rest, ()))
}

/// `{captured|headers} `.
fn braces(input: &str) -> Step<'_, &str> {
    let (rest, ()) = byte(b'{', "a brace").parse(input)?;
    let head = &rest.as_bytes()[..rest.len().min(CAPTURE_BYTES_MAX)];
    match memchr::memmem::find(head, b"} ") {
        Some(end) => Ok((&rest[end + 2..], &rest[..end])),
        None => stop(rest, "a closing brace"),
    }
}

/// `0/0000000000000000/0/0/0 shop.example/TLSv1.3/TLS_AES_256_GCM_SHA384`. What is written otherwise is a column of the user's.
fn put_tls<'a>(input: &'a str, fields: &mut Fields<'a>) {
    let Ok((rest, errors)) = until(b' ', "errors").parse(input) else { return };
    let mut errors = errors.split('/');
    let numeric =
        |text: Option<&str>| text.is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit()));
    if !(numeric(errors.next()) && numeric(errors.next()) && errors.count() == 3) {
        return;
    }
    let mut parts = rest.split('/');
    for name in ["tls.client.server_name", "tls.version", "tls.cipher"] {
        fields.push_present(name, parts.next().unwrap_or_default());
    }
}
