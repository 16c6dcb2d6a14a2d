//! Access logs of AWS load balancers, as their guides document them: classic (`STAMP NAME CLIENT BACKEND ..`),
//! application (`TYPE STAMP NAME CLIENT TARGET ..`) and network (`tls VERSION STAMP NAME LISTENER CLIENT TARGET ..`).
//!
//! The whole line is the message; columns that newer versions append stay in it. The duration of a request is the sum
//! of the three times of its processing, where all were measured.

use super::access::{
    DESTINATION, SOURCE, count, host_and_port, put_count, put_millis, put_request, quoted_word, status, word,
};
use super::parts::nanos_of_seconds;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::iso8601;
use memchr::memchr;

/// Names of load balancers are shorter.
const NAME_BYTES_MAX: usize = 256;

const TYPES: [&[u8]; 6] = [b"http", b"https", b"h2", b"grpcs", b"ws", b"wss"];

/// AWS load balancers.
pub const FORMAT: Format = Format {
    name: "aws_elb",
    summary: "access logs of AWS load balancers: classic, application, network",
    example: r#"https 2026-01-02T03:04:05.678901Z app/shop/50dc6c495c0c9188 192.0.2.7:2817 10.0.0.2:80 0.000 0.012 0.000 200 200 34 366 "GET https://shop.example:443/cart HTTP/2.0" "curl/8.5.0" - - - "Root=1-58337262-36d228ad5d99923122bbe354""#,
    rank: 25,
    starts: Starts::DIGIT.or(Starts::of(b"hgwt")),
    below: Below::Message,
    probe,
    parse,
};

/// A stamp and a word, behind a type or `tls` and a version or behind nothing.
fn probe(line: &[u8]) -> bool {
    if line.first().is_some_and(u8::is_ascii_digit) {
        return line.get(10) == Some(&b'T') && ends_with_z(line);
    }
    let Some(end) = memchr(b' ', &line[..line.len().min(6)]) else { return false };
    match &line[..end] {
        b"tls" => matches!(line[end..], [b' ', b'0'..=b'9', b'.', b'0'..=b'9', b' ', b'0'..=b'9', ..]),
        kind => TYPES.contains(&kind) && ends_with_z(&line[end + 1..]),
    }
}

/// `2026-01-02T03:04:05.678901Z `: there are always microseconds.
fn ends_with_z(stamp: &[u8]) -> bool {
    stamp.get(26..28) == Some(b"Z ")
}

fn parse<'a>(line: &'a str, _: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let step = match line.as_bytes() {
        bytes if !probe(bytes) => stop(line, "a stamp or a type of load balancer"),
        [b't', ..] => network(line, &mut fields),
        [b'0'..=b'9', ..] => request(line, &mut fields),
        _ => application(line, &mut fields),
    };
    let (_, ()) = prefix(line, step)?;
    fields.push("message", Value::text(line));
    Ok(fields)
}

/// The stamp, and the name behind it.
fn name<'a>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = word(input)?;
    let Some(stamp) = iso8601(stamp, 0) else { return stop(input, "a stamp") };
    let (rest, name) = word(rest)?;
    if name.len() > NAME_BYTES_MAX {
        return stop(rest, "a load balancer's name");
    }
    stamp.put(fields);
    fields.push("aws.elb.name", Value::text(name));
    Ok((rest, ()))
}

/// `192.0.2.7:2817`, or `-`.
fn peer(input: &str) -> Step<'_, &str> {
    let (rest, text) = word(input)?;
    if text == "-" || host_and_port(text).is_some() { Ok((rest, text)) } else { stop(input, "an address and a port") }
}

const TIMES: [&str; 3] = [
    "aws.elb.request_processing_time.sec",
    "aws.elb.backend_processing_time.sec",
    "aws.elb.response_processing_time.sec",
];

/// What classic and application load balancers have in common.
fn request<'a>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, ()) = name(input, fields)?;
    let (rest, client) = peer(rest)?;
    let (mut rest, target) = peer(rest)?;
    put_peers(client, target, fields);
    let mut duration = Some(0_i64);
    for name in TIMES {
        let (after, seconds) = word(rest)?;
        let Ok(number) = seconds.parse::<f64>() else { return stop(rest, "seconds") };
        // -1 stands for what did not happen.
        if number >= 0.0 && number.is_finite() {
            fields.push(name, Value::Float(number));
        }
        duration = duration.zip(nanos_of_seconds(seconds)).and_then(|(sum, nanos)| sum.checked_add(nanos));
        rest = after;
    }
    let (rest, status_code) = status(rest)?;
    let (rest, target_status) = status(rest)?;
    let (rest, received) = count(rest)?;
    let (rest, sent) = count(rest)?;
    let (rest, request) = quoted_word(rest)?;
    put_count("event.duration", duration, fields);
    put_count("http.response.status_code", status_code, fields);
    put_count("aws.elb.backend.http.response.status_code", target_status, fields);
    put_count("http.request.bytes", received, fields);
    put_count("http.response.bytes", sent, fields);
    put_request(request, fields);
    // The first version ended here.
    if rest.is_empty() {
        return Ok(("", ()));
    }
    let (rest, agent) = quoted_word(rest)?;
    let (rest, cipher) = word(rest)?;
    let (rest, protocol) = word(rest)?;
    fields.push_present("user_agent.original", agent);
    fields.push_present("tls.cipher", cipher);
    fields.push_present("tls.version", protocol);
    Ok((rest, ()))
}

fn put_peers<'a>(client: &'a str, target: &'a str, fields: &mut Fields<'a>) {
    for (peer, text) in [(SOURCE, client), (DESTINATION, target)] {
        if text != "-" {
            peer.put_with_port(text, fields);
        }
    }
}

/// Columns behind the protocol of TLS: whether it is in quotes, and its name.
const APPLICATION: [(bool, &str); 15] = [
    (false, "aws.elb.target_group.arn"),
    (true, "aws.elb.trace_id"),
    (true, "url.domain"),
    (true, "aws.elb.chosen_cert.arn"),
    (false, "aws.elb.matched_rule_priority"),
    (false, "aws.elb.request_creation_time"),
    (true, "aws.elb.action_executed"),
    (true, "aws.elb.redirect_url"),
    (true, "aws.elb.error.reason"),
    (true, "aws.elb.target_port"),
    (true, "aws.elb.target_status_code"),
    (true, "aws.elb.classification"),
    (true, "aws.elb.classification_reason"),
    (false, "aws.elb.connection_trace_id"),
    (true, "aws.elb.transformed_host"),
];

fn application<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, kind) = word(line)?;
    fields.push("aws.elb.type", Value::text(kind));
    let (mut rest, ()) = request(rest, fields)?;
    for (in_quotes, name) in APPLICATION {
        let column = if in_quotes { quoted_word(rest) } else { word(rest) };
        // Each version has appended some.
        let Ok((after, text)) = column else { break };
        fields.push_present(name, text);
        rest = after;
    }
    Ok(("", ()))
}

fn network<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, kind) = word(line)?;
    let (rest, _version) = word(rest)?;
    fields.push("aws.elb.type", Value::text(kind));
    let (rest, ()) = name(rest, fields)?;
    let (rest, listener) = word(rest)?;
    let (rest, client) = peer(rest)?;
    let (rest, target) = peer(rest)?;
    let (rest, millis) = count(rest)?;
    let (rest, handshake) = count(rest)?;
    let (rest, received) = count(rest)?;
    let (mut rest, sent) = count(rest)?;
    fields.push_present("aws.elb.listener", listener);
    put_peers(client, target, fields);
    if let Some(millis) = millis {
        put_millis(millis, fields);
    }
    put_count("aws.elb.tls_handshake_time.ms", handshake, fields);
    put_count("source.bytes", received, fields);
    put_count("destination.bytes", sent, fields);
    for name in [
        "aws.elb.incoming_tls_alert",
        "aws.elb.chosen_cert.arn",
        "aws.elb.chosen_cert.serial",
        "tls.cipher",
        "tls.version",
        "aws.elb.tls_named_group",
        "tls.client.server_name",
    ] {
        let (after, text) = word(rest)?;
        fields.push_present(name, text);
        rest = after;
    }
    Ok(("", ()))
}
