//! Android's logcat: `01-02 03:04:05.678  1234  5678 I ActivityManager: text` (`-v threadtime`, the default),
//! `01-02 03:04:05.678 I/ActivityManager( 1234): text` (`-v time`), `I/ActivityManager( 1234): text` (`-v brief`); also with
//! a year, microseconds and a zone (`-v year`, `usec`, `zone`).
//!
//! Source: "Logcat command-line tool" of Android's developer documentation. The tag is the logger. Without a year it is
//! the one nearest to the time of arrival. A `uid` column and the dividers between buffers stay text.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, prefix, stop};
use crate::time::{Stamp, in_last_year, iso8601_prefix, time_of_day};
use memchr::memchr;
use nom::Parser;
use nom::character::complete::{space1, u32};

/// Longer words before the colon are no tag.
const TAG_BYTES_MAX: usize = 128;

/// logcat.
pub const FORMAT: Format = Format {
    name: "logcat",
    summary: "Android's logcat: threadtime, time and brief",
    example: "01-02 03:04:05.678  1234  5678 I ActivityManager: Start proc 4711:com.example.shop/u0a7",
    rank: 67,
    starts: Starts::DIGIT.or(Starts::of(b"VDIWEFS")),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    match line {
        [b'0' | b'1', _, b'-', _, _, b' ', _, _, b':', ..] => line.get(14) == Some(&b'.'),
        [b'2', _, _, _, b'-', _, _, b'-', _, _, b' ', _, _, b':', ..] => line.get(19) == Some(&b'.'),
        [b'V' | b'D' | b'I' | b'W' | b'E' | b'F' | b'S', b'/', ..] => true,
        _ => false,
    }
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push_present("message", message);
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    if !line.as_bytes()[0].is_ascii_digit() {
        return brief(line, fields);
    }
    let (rest, stamp) = match line.as_bytes() {
        [_, _, b'-', ..] => month_first(line, context)?,
        _ => iso8601_prefix(line, context.utc_offset_s)?,
    };
    let (rest, _) = space1(rest)?;
    stamp.put(fields);
    if rest.as_bytes().get(1) == Some(&b'/') {
        return brief(rest, fields);
    }
    let (rest, process) = u32(rest)?;
    let (rest, _) = space1(rest)?;
    let (rest, thread) = u32(rest)?;
    let (rest, ()) = byte(b' ', "a level's letter").parse(rest)?;
    let (letter, rest) = rest.split_at_checked(2).unwrap_or(("", rest));
    let Some(level) = letter.strip_suffix(' ').and_then(level) else { return stop(rest, "a level's letter") };
    let head = &rest.as_bytes()[..rest.len().min(TAG_BYTES_MAX)];
    // Tags may hold colons; the one that ends them has a space behind it, or nothing.
    let end = head.windows(2).position(|pair| pair == b": ").or(head.ends_with(b":").then(|| head.len() - 1));
    let Some(end) = end else { return stop(rest, "a tag and a colon") };
    fields.push("log.level", Value::text(level));
    fields.push_present("log.logger", rest[..end].trim_end());
    fields.push("process.pid", Value::Int(i64::from(process)));
    fields.push("process.thread.id", Value::Int(i64::from(thread)));
    Ok((rest[end + 1..].strip_prefix(' ').unwrap_or_default(), ()))
}

/// `I/ActivityManager( 1234): text`.
fn brief<'a>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((letter, rest)) = input.split_at_checked(1) else { return stop(input, "a level's letter") };
    let (Some(level), Some(rest)) = (level(letter), rest.strip_prefix('/')) else {
        return stop(input, "a level's letter");
    };
    let head = &rest.as_bytes()[..rest.len().min(TAG_BYTES_MAX)];
    let Some(end) = memchr(b'(', head) else { return stop(rest, "a tag") };
    let (tag, rest) = (&rest[..end], rest[end + 1..].trim_start_matches(' '));
    let (rest, process) = u32(rest)?;
    // Without a stamp a tag of several words is rather prose.
    if tag.is_empty() || (fields.time.is_none() && tag.trim_end().contains(' ')) {
        return stop(input, "a tag");
    }
    let Some(message) = rest.strip_prefix("):") else { return stop(rest, "a closing parenthesis") };
    fields.push("log.level", Value::text(level));
    fields.push_present("log.logger", tag.trim_end());
    fields.push("process.pid", Value::Int(i64::from(process)));
    Ok((message.strip_prefix(' ').unwrap_or(message), ()))
}

fn level(letter: &str) -> Option<&'static str> {
    Some(match letter {
        "V" => "trace",
        "D" => "debug",
        "I" => "info",
        "W" => "warn",
        "E" => "error",
        "F" | "A" | "S" => "fatal",
        _ => return None,
    })
}

/// `01-02 03:04:05.678`.
fn month_first<'a>(input: &'a str, context: &Context) -> Step<'a, Stamp> {
    let (rest, month) = digits::<2>(input)?;
    let (rest, ()) = byte(b'-', "a day").parse(rest)?;
    let (rest, day) = digits::<2>(rest)?;
    let (rest, ()) = byte(b' ', "a time of day").parse(rest)?;
    let (rest, clock) = time_of_day(rest)?;
    match in_last_year(month, day, clock, context.received, context.utc_offset_s) {
        Some(stamp) => Ok((rest, stamp)),
        None => stop(input, "a day that exists"),
    }
}
