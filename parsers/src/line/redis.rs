//! The log of Redis and Valkey: `77:M 02 Jan 2026 03:04:05.678 * text`; also of Redis 2 (`[77] 02 Jan 03:04:05.678 # text`)
//! and of KeyDB (`77:78:M ...`, with the thread).
//!
//! `77:signal-handler (1767323045) Received SIGTERM scheduling shutdown...` is what it writes while it handles a signal: no
//! level, the stamp in seconds.
//!
//! Verbose (`-`) and debug (`.`) are both debug: no other words lie below info without naming something else.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, stop};
use crate::line::parts::{enclosed, headed};
use crate::time::{Stamp, epoch_text, in_last_year, month_name, of_day, time_of_day};
use nom::Parser;
use nom::character::complete::u32;
use nom::sequence::preceded;

/// How many digits a process id has at most.
const PID_BYTES_MAX: usize = 10;

/// Redis, Valkey, KeyDB.
pub const FORMAT: Format = Format {
    name: "redis",
    summary: "Redis, Valkey, KeyDB and Redis Sentinel",
    example: "77:M 02 Jan 2026 03:04:05.678 * Ready to accept connections tcp",
    rank: 103,
    starts: Starts::DIGIT.or(Starts::of(b"[")),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"[").unwrap_or(line);
    let end = line.iter().take(PID_BYTES_MAX).take_while(|b| b.is_ascii_digit()).count();
    end > 0
        && matches!(
            line[end..],
            [b':', b'X' | b'C' | b'S' | b'M' | b's' | b'0'..=b'9', ..] | [b']', b' ', b'0'..=b'3', ..]
        )
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, role) = if line.starts_with('[') {
        let (rest, pid) = enclosed(b'[', b']')(line)?;
        let Ok(pid) = pid.parse::<std::primitive::u32>() else { return stop(line, "a process id") };
        fields.push("process.pid", Value::Int(i64::from(pid)));
        (rest, None)
    } else {
        let (rest, pid) = u32(line)?;
        fields.push("process.pid", Value::Int(i64::from(pid)));
        let (mut rest, ()) = byte(b':', "a colon").parse(rest)?;
        if rest.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            let (after, thread) = u32(rest)?;
            fields.push("process.thread.id", Value::Int(i64::from(thread)));
            (rest, ()) = byte(b':', "a colon").parse(after)?;
        }
        if let Some(text) = rest.strip_prefix("signal-handler (") {
            let Some((seconds, text)) = text.split_once(") ") else { return stop(text, "a stamp in parentheses") };
            let Some(stamp) = epoch_text(seconds) else { return stop(text, "seconds since 1970") };
            stamp.put(fields);
            return Ok((text, ()));
        }
        let role = match rest.as_bytes().first() {
            Some(b'M') => "master",
            Some(b'S') => "replica",
            Some(b'C') => "child",
            Some(b'X') => "sentinel",
            _ => return stop(rest, "a role's letter"),
        };
        (&rest[1..], Some(role))
    };
    let (rest, stamp) = preceded(byte(b' ', "a space"), stamp(*context)).parse(rest)?;
    let level = match rest.as_bytes() {
        [b' ', b'.' | b'-', b' ', ..] => "debug",
        [b' ', b'*', b' ', ..] => "info",
        [b' ', b'#', b' ', ..] => "warn",
        _ => return stop(rest, "a level's sign"),
    };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    if let Some(role) = role {
        fields.push("redis.log.role", Value::text(role));
    }
    Ok((&rest[3..], ()))
}

/// `02 Jan 2026 03:04:05.678`, the year left out by Redis 2.
fn stamp<'a>(context: Context) -> impl Fn(&'a str) -> Step<'a, Stamp> {
    move |input| {
        let (rest, day) = digits::<2>(input)?;
        let (rest, ()) = byte(b' ', "a month").parse(rest)?;
        let (rest, month) = month_name(rest)?;
        let (rest, ()) = byte(b' ', "a year").parse(rest)?;
        if rest.as_bytes().get(2) == Some(&b':') {
            let (rest, (second, nanos)) = time_of_day(rest)?;
            return match in_last_year(month, day, (second, nanos), context.received, context.utc_offset_s) {
                Some(stamp) => Ok((rest, stamp)),
                None => stop(input, "a day that exists"),
            };
        }
        let (rest, year) = digits::<4>(rest)?;
        let (rest, time) = preceded(byte(b' ', "a time of day"), time_of_day).parse(rest)?;
        match of_day((year, month, day), time, context.utc_offset_s) {
            Some(stamp) => Ok((rest, stamp)),
            None => stop(input, "a day that exists"),
        }
    }
}
