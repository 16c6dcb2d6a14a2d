//! Squid's native access log (`logformat squid`): `SECONDS.MILLIS ELAPSED CLIENT RESULT/STATUS BYTES METHOD URL USER
//! HIERARCHY/PEER TYPE`.
//!
//! The whole line is the message.

use super::access::{DESTINATION, SOURCE, count, is_method, put_count, put_millis, word};
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::epoch_text;

/// Squid.
pub const FORMAT: Format = Format {
    name: "squid",
    summary: "the native access log of Squid",
    example: "1767323045.678    123 192.0.2.7 TCP_MISS/200 512 GET http://shop.example/ - HIER_DIRECT/203.0.113.5 text/html",
    rank: 24,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// `1767323045.678 `.
fn probe(line: &[u8]) -> bool {
    line.get(10) == Some(&b'.') && line.get(14) == Some(&b' ') && line[..10].iter().all(u8::is_ascii_digit)
}

fn parse<'a>(line: &'a str, _: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (_, ()) = prefix(line, access(line, &mut fields))?;
    fields.push("message", Value::text(line));
    Ok(fields)
}

fn access<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, seconds) = word(line)?;
    let Some(stamp) = epoch_text(seconds) else { return stop(line, "seconds since 1970") };
    let (rest, millis) = count(rest.trim_start_matches(' '))?;
    let (rest, client) = word(rest)?;
    let (rest, result) = word(rest)?;
    let (rest, bytes) = count(rest)?;
    let (rest, method) = word(rest)?;
    let (rest, url) = word(rest)?;
    let (rest, user) = word(rest)?;
    let (rest, hierarchy) = word(rest)?;
    let Some((result, status)) = result.split_once('/') else { return stop(rest, "a result and a status") };
    let (Some((hierarchy, peer)), Ok(status)) = (hierarchy.split_once('/'), status.parse::<i64>()) else {
        return stop(rest, "a hierarchy and a peer");
    };
    // Requests that never came whole have `NONE`, `NONE_NONE` or `-` there.
    if !is_method(method) && !url.starts_with("error:") {
        return stop(rest, "a method");
    }
    stamp.put(fields);
    SOURCE.put(client, fields);
    fields.push_present("user.name", user);
    if let Some(millis) = millis {
        put_millis(millis, fields);
    }
    if !method.starts_with("NONE") && is_method(method) {
        fields.push_present("http.request.method", method);
    }
    fields.push_present("url.original", url);
    put_count("http.response.status_code", Some(status).filter(|status| *status > 0), fields);
    put_count("http.response.bytes", bytes, fields);
    fields.push_present("http.response.mime_type", rest.split(' ').next().unwrap_or_default());
    fields.push_present("squid.result_code", result);
    fields.push_present("squid.hierarchy_status", hierarchy);
    DESTINATION.put(peer, fields);
    Ok(("", ()))
}
