//! The error log of lighttpd: `2026-01-02 03:04:05: (server.c.1704) server started (lighttpd/1.4.69)`.
//!
//! Source: `server.errorlog` of its documentation. In parentheses are the file and the line of lighttpd's own source.

use super::parts::headed;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::time::iso8601_prefix;

/// Names of source files are no longer.
const PLACE_BYTES_MAX: usize = 96;

/// lighttpd's error log.
pub const FORMAT: Format = Format {
    name: "lighttpd",
    summary: "the error log of lighttpd",
    example: "2026-01-02 03:04:05: (server.c.1704) server started (lighttpd/1.4.69)",
    rank: 32,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    line.get(10) == Some(&b' ') && line.get(19..22) == Some(b": (")
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let place = rest.strip_prefix(": (").and_then(|rest| rest.split_once(')'));
    let Some((place, message)) = place.filter(|(place, _)| place.len() <= PLACE_BYTES_MAX) else {
        return stop(rest, "a place in parentheses");
    };
    let Some((file, number)) = place.rsplit_once('.').filter(|(file, _)| file.ends_with(".c")) else {
        return stop(rest, "a file of C and a line");
    };
    let Ok(number) = number.parse::<u32>() else { return stop(rest, "a line's number") };
    let message = message.strip_prefix(' ').unwrap_or(message);
    stamp.put(fields);
    let level = [("WARNING:", "warn"), ("ERROR:", "error"), ("[error]", "error"), ("[warn]", "warn")];
    if let Some((_, level)) = level.into_iter().find(|(lead, _)| message.starts_with(lead)) {
        fields.push("log.level", Value::text(level));
    }
    fields.push_present("log.origin.file.name", file);
    fields.push("log.origin.file.line", Value::Int(i64::from(number)));
    Ok((message, ()))
}
