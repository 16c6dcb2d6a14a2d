//! The error logs of MySQL (5.5 to 9) and MariaDB.
//!
//! `2026-01-02T03:04:05.678901Z 0 [System] [MY-010116] [Server] text` is MySQL 8's, without code and subsystem 5.7's,
//! `2026-01-02  3:04:05 0 [Note] text` MariaDB's, `260102  3:04:05 [Note] text` what both wrote before.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, stop};
use crate::line::parts::{enclosed, headed};
use crate::time::{Stamp, iso8601_prefix, of_day, time_of_day};
use nom::Parser;
use nom::character::complete::u64;
use nom::combinator::opt;

/// The error log.
pub const FORMAT: Format = Format {
    name: "mysql",
    summary: "the error log of MySQL and MariaDB",
    example: "2026-01-02T03:04:05.678901Z 0 [Warning] [MY-010068] [Server] CA certificate ca.pem is self signed.",
    rank: 104,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// A stamp of one of the three layouts, then a number or a bracket.
fn probe(line: &[u8]) -> bool {
    let rest = match line {
        [_, _, _, _, b'-', _, _, b'-', _, _, b'T' | b' ', rest @ ..] => rest,
        [_, _, _, _, _, _, b' ', rest @ ..] => rest,
        _ => return false,
    };
    matches!(rest, [b' ' | b'0'..=b'2', b'0'..=b'9', b':', _, _, b':', _, _, ..])
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = stamp(line, context)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, thread) = opt((u64, byte(b' ', "a space"))).parse(rest)?;
    // Only the oldest layout has none.
    if thread.is_none() && line.as_bytes().get(4) == Some(&b'-') {
        return stop(rest, "a thread's number");
    }
    let (rest, word) = enclosed(b'[', b']')(rest)?;
    let level = match word {
        "System" | "Note" => "info",
        "Warning" => "warn",
        "Error" | "ERROR" => "error",
        _ => return stop(rest, "a level"),
    };
    // Fatal signals interrupt the line, and what follows may be any text.
    let Some(rest) = rest.strip_prefix(' ').or(rest.is_empty().then_some(rest)) else { return stop(rest, "a space") };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    if let Some((thread, ())) = thread
        && let Ok(thread) = i64::try_from(thread)
    {
        fields.push("mysql.thread_id", Value::Int(thread));
    }
    let mut rest = rest;
    if let Ok((after, code)) = enclosed(b'[', b']')(rest)
        && code.starts_with("MY-")
    {
        fields.push("event.code", Value::text(code));
        rest = after.strip_prefix(' ').unwrap_or(after);
        if let Ok((after, subsystem)) = enclosed(b'[', b']')(rest) {
            fields.push_present("event.provider", subsystem);
            rest = after.strip_prefix(' ').unwrap_or(after);
        }
    }
    Ok((rest, ()))
}

/// ISO 8601, `2026-01-02  3:04:05` or `260102  3:04:05`.
pub(super) fn stamp<'a>(input: &'a str, context: &Context) -> Step<'a, Stamp> {
    if input.as_bytes().get(11).is_some_and(u8::is_ascii_digit) && input.as_bytes().get(4) == Some(&b'-') {
        return iso8601_prefix(input, context.utc_offset_s);
    }
    let (rest, date) = match input.as_bytes().get(4) {
        Some(b'-') => {
            let dash = || byte(b'-', "a date");
            let (rest, (year, (), month, (), day)) =
                (digits::<4>, dash(), digits::<2>, dash(), digits::<2>).parse(input)?;
            (rest, (year, month, day))
        }
        _ => {
            let (rest, (year, month, day)) = (digits::<2>, digits::<2>, digits::<2>).parse(input)?;
            (rest, (2_000 + year, month, day))
        }
    };
    let (rest, ()) = byte(b' ', "a time of day").parse(rest)?;
    let (rest, time) = hour_padded_by_space(rest)?;
    match of_day(date, time, context.utc_offset_s) {
        Some(stamp) => Ok((rest, stamp)),
        None => stop(input, "a day that exists"),
    }
}

/// ` 3:04:05` or `13:04:05`.
fn hour_padded_by_space(input: &str) -> Step<'_, (u32, u32)> {
    if !input.starts_with(' ') {
        return time_of_day(input);
    }
    let (rest, hour) = digits::<1>(&input[1..])?;
    let (rest, (minute, second)) = (byte(b':', "a time of day"), digits::<2>, byte(b':', "a time of day"), digits::<2>)
        .map(|((), minute, (), second)| (minute, second))
        .parse(rest)?;
    if minute > 59 || second > 60 {
        return stop(input, "a time of day");
    }
    Ok((rest, (hour * 3_600 + minute * 60 + second, 0)))
}
