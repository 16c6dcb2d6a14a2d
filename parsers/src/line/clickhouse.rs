//! ClickHouse's server and keeper logs: `2026.01.02 03:04:05.678901 [ 77 ] {query-id} <Information> Application: text`.

use super::access::CLIENT;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, stop};
use crate::line::level;
use crate::line::parts::{enclosed, headed, nanos};
use crate::time::{NANOS_PER_SECOND, Stamp, of_day, time_of_day};
use memchr::memmem;
use nom::Parser;
use nom::bytes::complete::tag;
use nom::character::complete::u32;
use nom::sequence::delimited;

/// How far from the level the logger's name reaches at most.
const LOGGER_BYTES_MAX: usize = 160;

/// ClickHouse.
pub const FORMAT: Format = Format {
    name: "clickhouse",
    summary: "ClickHouse server and keeper",
    example: "2026.01.02 03:04:05.678901 [ 77 ] {} <Information> Application: Ready for connections.",
    rank: 110,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    matches!(line, [b'0'..=b'9', _, _, _, b'.', _, _, b'.', _, _, b' ', _, _, b':', _, _, b':', ..])
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = stamp(line, context)?;
    let (rest, thread) = delimited(tag(" [ "), u32, tag(" ] ")).parse(rest)?;
    let (rest, query) = enclosed(b'{', b'}')(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, word) = enclosed(b'<', b'>')(rest)?;
    let level = if word == "Test" { Some("trace") } else { level::from_word(word) };
    let Some(level) = level else { return stop(rest, "a level") };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("process.thread.id", Value::Int(i64::from(thread)));
    fields.push_present("clickhouse.query_id", query);
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let head = &rest.as_bytes()[..rest.len().min(LOGGER_BYTES_MAX)];
    let Some(end) = memmem::find(head, b": ") else { return Ok((rest, ())) };
    let (logger, message) = (&rest[..end], &rest[end + 2..]);
    fields.push_present("log.logger", logger);
    if logger == "executeQuery" {
        put_query(message, fields);
    }
    Ok((message, ()))
}

/// `2026.01.02 03:04:05.678901`.
fn stamp<'a>(input: &'a str, context: &Context) -> Step<'a, Stamp> {
    let dot = || byte(b'.', "a date");
    let (rest, (year, (), month, (), day, ())) =
        (digits::<4>, dot(), digits::<2>, dot(), digits::<2>, byte(b' ', "a time of day")).parse(input)?;
    let (rest, time) = time_of_day(rest)?;
    match of_day((year, month, day), time, context.utc_offset_s) {
        Some(stamp) => Ok((rest, stamp)),
        None => stop(input, "a day that exists"),
    }
}

/// `(from 192.0.2.7:54321, user: ann) SELECT 1`, and `Read 1 rows, 1.00 B in 0.001234 sec., ..` at its end.
fn put_query<'a>(message: &'a str, fields: &mut Fields<'a>) {
    if let Some(rest) = message.strip_prefix("(from ") {
        let Some((origin, _)) = rest.split_once(')') else { return };
        let (client, user) = origin.split_once(", user: ").unwrap_or((origin, ""));
        if let Some((address, port)) = client.rsplit_once(':')
            && let Ok(port) = port.parse::<u16>()
        {
            CLIENT.put(address.trim_matches(['[', ']']), fields);
            fields.push("client.port", Value::Int(i64::from(port)));
        }
        return fields.push_present("user.name", user.split(',').next().unwrap_or_default());
    }
    if message.starts_with("Read ")
        && let Some((_, rest)) = message.split_once(" in ")
        && let Some((seconds, _)) = rest.split_once(" sec.")
        && let Some(duration) = nanos(seconds, NANOS_PER_SECOND)
    {
        fields.push("event.duration", Value::Int(duration));
    }
}
