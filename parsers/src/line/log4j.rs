//! Patterns of log4j and logback that name the place in the source behind the logger, and log4j's `TTCCLayout`.
//!
//! `2026-01-02 03:04:05,678 INFO  [main] shop.Cart (Cart.java:add(77)) - text` (`%c{2} (%F:%M(%L)) -`, of Hadoop, HBase and
//! many tests), the thread before the level, behind it or nowhere, the place with its method or without. `467 [main] INFO
//! shop.Cart - text` begins with the milliseconds since the program's start, which are no time and have no field.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::parts::{PART_BYTES_MAX, enclosed, headed, level_word};
use crate::line::postgresql::is_stamp;
use crate::time::iso8601_prefix;
use memchr::memmem;
use nom::Parser;
use nom::character::complete::{space1, u64};

/// How many digits the milliseconds since the start have at most.
const ELAPSED_BYTES_MAX: usize = 12;

/// log4j.
pub const FORMAT: Format = Format {
    name: "log4j",
    summary: "patterns of log4j with the place in the source, and its TTCC layout",
    example: "2026-01-02 03:04:05,678 INFO  [main] shop.Cart (Cart.java:add(77)) - added item 9",
    rank: 123,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    if is_stamp(line) {
        let head = &line[..line.len().min(PART_BYTES_MAX)];
        return matches!(line.get(19), Some(b',' | b'.')) && memmem::find(head, b") - ").is_some();
    }
    elapsed(line).is_some()
}

/// Where the thread begins behind the milliseconds: `467  [`.
fn elapsed(line: &[u8]) -> Option<usize> {
    let digits = line.iter().take(ELAPSED_BYTES_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
    let spaces = line[digits..].iter().take(ELAPSED_BYTES_MAX).take_while(|b| **b == b' ').count();
    let begins = (1..=ELAPSED_BYTES_MAX).contains(&digits) && spaces > 0 && line.get(digits + spaces) == Some(&b'[');
    begins.then_some(digits + spaces)
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    if is_stamp(line.as_bytes()) { headed(line, context, placed) } else { headed(line, context, counted) }
}

fn is_logger(name: &str) -> bool {
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'-');
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(named)
}

/// `[main] `, or nothing.
fn thread(input: &str) -> Step<'_, &str> {
    if !input.starts_with('[') {
        return Ok((input, ""));
    }
    let (rest, thread) = enclosed(b'[', b']')(input)?;
    let (rest, _) = space1(rest)?;
    Ok((rest, thread))
}

fn placed<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let (rest, _) = space1(rest)?;
    let (rest, before) = thread(rest)?;
    let (rest, level) = level_word(rest)?;
    let (rest, _) = space1(rest)?;
    let (rest, behind) = thread(rest)?;
    let Some((logger, rest)) = rest.split_once(" (") else { return stop(rest, "a logger and a place") };
    let Some((place, message)) = rest.split_once(") - ") else { return stop(rest, "a place and a dash") };
    let Some((file, place)) = place.split_once(':') else { return stop(rest, "a place") };
    let (function, number) = match place.strip_suffix(')').and_then(|place| place.rsplit_once('(')) {
        Some((function, number)) => (function, number),
        None => ("", place),
    };
    let Ok(number) = number.parse::<u32>() else { return stop(rest, "a line's number") };
    let dotted = file.contains('.') && !file.contains([' ', '(']) && !function.contains(' ');
    if !dotted || !is_logger(logger.trim_end()) {
        return stop(rest, "a logger and a place");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("process.thread.name", if before.is_empty() { behind } else { before });
    fields.push("log.logger", Value::text(logger.trim_end()));
    fields.push("log.origin.file.name", Value::text(file));
    fields.push("log.origin.file.line", Value::Int(i64::from(number)));
    fields.push_present("log.origin.function", function);
    Ok((message, ()))
}

fn counted<'a>(line: &'a str, _: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, _) = u64(line)?;
    let (rest, _) = space1(rest)?;
    let (rest, thread) = enclosed(b'[', b']')(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, level) = level_word(rest)?;
    let (rest, _) = space1(rest)?;
    let (logger, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    // A diagnostic context may stand between the logger and the dash: one word, or none and its space.
    let message = match rest.strip_prefix(['-', ' ']) {
        Some(_) => rest.trim_start_matches(' '),
        None => rest.split_once(' ').map_or(rest, |(_, message)| message),
    };
    let Some(message) = message.strip_prefix("- ").or(message.strip_prefix('-').filter(|text| text.is_empty())) else {
        return stop(rest, "a dash");
    };
    if !is_logger(logger) {
        return stop(rest, "a logger");
    }
    fields.push("log.level", Value::text(level));
    fields.push_present("process.thread.name", thread);
    fields.push("log.logger", Value::text(logger));
    Ok((message, ()))
}
