//! Ruby on Rails: `Started GET "/cart?id=7" for 192.0.2.7 at 2026-01-02 03:04:05 +0000`, and `Completed 200 OK in 19ms (Views: 17.3ms)`.
//!
//! The whole line stays the message. The lines between the two are plain text; behind Ruby's formatter and tags the two are as well.

use super::access::{SOURCE, is_method};
use super::parts::nanos;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::leading_stamp;

/// Rails.
pub const FORMAT: Format = Format {
    name: "rails",
    summary: "Ruby on Rails: the first and the last line of a request",
    example: r#"Started GET "/cart?id=7" for 192.0.2.7 at 2026-01-02 03:04:05 +0000"#,
    rank: 157,
    starts: Starts::of(b"SC"),
    below: Below::Entry(read_entry),
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    line.starts_with(b"Started ") || line.starts_with(b"Completed ")
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let step = if line.starts_with('S') { started(line, context, &mut fields) } else { completed(line, &mut fields) };
    prefix(line, step)?;
    fields.push("message", Value::text(line));
    Ok(fields)
}

fn started<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let rest = line.strip_prefix("Started ").unwrap_or_default();
    let request = rest.split_once(" \"").filter(|(method, _)| is_method(method));
    let Some((method, rest)) = request else { return stop(rest, "a method and a path") };
    let Some((url, rest)) = rest.rsplit_once("\" for ") else { return stop(rest, "a client") };
    let Some((peer, rest)) = rest.split_once(" at ") else { return stop(rest, "a stamp") };
    let Some((rest, stamp)) = leading_stamp(rest, context) else { return stop(rest, "a stamp") };
    stamp.put(fields);
    SOURCE.put(peer, fields);
    fields.push("http.request.method", Value::text(method));
    fields.push("url.original", Value::text(url));
    Ok((rest, ()))
}

/// The rest of a request whose first line was read: what it was answered with.
fn read_entry<'a>(rest: &'a str, _: &Context, fields: &mut Fields<'a>) {
    // Tags (`[8f6c] `) may stand before each line.
    let answer = rest.lines().find_map(|line| line.find("Completed ").map(|at| &line[at..]));
    if let Some(answer) = answer.filter(|_| fields.get("http.response.status_code").is_none()) {
        // An answer without a status or a duration says neither.
        let _ = completed(answer, fields);
    }
}

fn completed<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let rest = line.strip_prefix("Completed ").unwrap_or_default();
    let Some(status) = rest.get(..3).and_then(|status| status.parse::<i64>().ok()) else {
        return stop(rest, "a status");
    };
    let took = rest
        .split_once(" in ")
        .and_then(|(_, rest)| rest.split_once("ms"))
        .and_then(|(took, _)| nanos(took, 1_000_000));
    let Some(nanos) = took else { return stop(rest, "a duration") };
    fields.push("http.response.status_code", Value::Int(status));
    fields.push("event.duration", Value::Int(nanos));
    Ok(("", ()))
}
