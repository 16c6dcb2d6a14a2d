//! Envoy's default access log (`%START_TIME%` in brackets, the request, what came of it), and Istio's, which adds the
//! reasons of failures in the middle and connections at the end.
//!
//! The whole line is the message.

use super::access::{
    DESTINATION, SOURCE, count, host_and_port, is_ip, put_count, put_domain, put_millis, put_request, quoted_word,
    status, word,
};
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix};
use crate::time::iso8601_prefix;
use nom::Parser;
use nom::bytes::complete::tag;
use nom::combinator::opt;

/// Envoy.
pub const FORMAT: Format = Format {
    name: "envoy",
    summary: "the access log of Envoy, and that of Istio",
    example: r#"[2026-01-02T03:04:05.678Z] "GET /cart HTTP/1.1" 200 - 0 512 12 11 "192.0.2.7" "curl/8.5.0" "id-1" "shop.example" "10.0.0.2:80""#,
    rank: 23,
    starts: Starts::of(b"["),
    below: Below::Message,
    probe,
    parse,
};

/// `[2026-01-02T03:04:05.678Z] "`.
fn probe(line: &[u8]) -> bool {
    matches!(line, [b'[', b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b'T', ..])
        && line.get(20..32).is_some_and(|tail| memchr::memmem::find(tail, b"] \"").is_some())
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (_, ()) = prefix(line, access(line, context, &mut fields))?;
    fields.push("message", Value::text(line));
    Ok(fields)
}

fn access<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(&line[1..], context.utc_offset_s)?;
    let (rest, _) = tag("] ").parse(rest)?;
    let (rest, request) = quoted_word(rest)?;
    let (rest, status) = status(rest)?;
    let (rest, flags) = word(rest)?;
    let (rest, failure) = opt(failure).parse(rest)?;
    let (rest, [received, sent, millis, upstream]) = four_counts(rest)?;
    let (rest, forwarded) = quoted_word(rest)?;
    let (rest, agent) = quoted_word(rest)?;
    let (rest, id) = quoted_word(rest)?;
    let (rest, authority) = quoted_word(rest)?;
    let (rest, host) = quoted_word(rest)?;
    stamp.put(fields);
    let first = forwarded.split(',').next().unwrap_or_default();
    if is_ip(first) {
        fields.push("client.ip", Value::text(first));
    }
    put_request(request, fields);
    put_count("http.response.status_code", status, fields);
    fields.push_present("envoyproxy.response_flags", flags);
    if let Some(failure) = failure {
        fields.push_present("envoyproxy.response_code_details", failure.details);
        fields.push_present("envoyproxy.connection_termination_details", failure.termination);
        fields.push_present("error.message", failure.transport);
    }
    // A proxy of TCP has no request.
    let sizes = match request {
        "- - -" => ["source.bytes", "destination.bytes"],
        _ => ["http.request.body.bytes", "http.response.body.bytes"],
    };
    put_count(sizes[0], received, fields);
    put_count(sizes[1], sent, fields);
    if let Some(millis) = millis {
        put_millis(millis, fields);
    }
    put_count("envoyproxy.upstream_service_time", upstream, fields);
    fields.push_present("user_agent.original", agent);
    fields.push_present("http.request.id", id);
    put_domain(authority, fields);
    let host = host.strip_prefix("tcp://").unwrap_or(host);
    // An upstream at a socket is a path.
    if host_and_port(host).is_some() {
        DESTINATION.put_with_port(host, fields);
    }
    if failure.is_some() {
        return connections(rest, fields);
    }
    // Columns that a user appended stay in the message.
    Ok(("", ()))
}

/// Why a request failed, as Istio tells it.
#[derive(Clone, Copy)]
struct Failure<'a> {
    details: &'a str,
    termination: &'a str,
    transport: &'a str,
}

/// `via_upstream - "-" `: two words of which the first is no number, and a text.
fn failure(input: &str) -> Step<'_, Failure<'_>> {
    let (rest, details) = word(input)?;
    let (rest, termination) = word(rest)?;
    let (rest, transport) = quoted_word(rest)?;
    Ok((rest, Failure { details, termination, transport }))
}

fn four_counts(input: &str) -> Step<'_, [Option<i64>; 4]> {
    let (rest, first) = count(input)?;
    let (rest, second) = count(rest)?;
    let (rest, third) = count(rest)?;
    let (rest, fourth) = count(rest)?;
    Ok((rest, [first, second, third, fourth]))
}

/// `cluster local-of-upstream local-of-downstream remote-of-downstream server-name route`.
fn connections<'a>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, cluster) = word(input)?;
    let (rest, _upstream_local) = word(rest)?;
    let (rest, _downstream_local) = word(rest)?;
    let (rest, remote) = word(rest)?;
    let (rest, server_name) = word(rest)?;
    let (_, route) = word(rest)?;
    fields.push_present("envoyproxy.upstream_cluster", cluster.strip_suffix(';').unwrap_or(cluster));
    SOURCE.put_with_port(remote, fields);
    fields.push_present("tls.client.server_name", server_name);
    fields.push_present("envoyproxy.route_name", route);
    Ok(("", ()))
}
