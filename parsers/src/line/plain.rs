//! Any text. The whole line is the message; a stamp at its start gives the time, a word of its header the level.
//!
//! The header is what stands in front of the text: up to [`HEADER_WORDS_MAX`] words behind a stamp, and without a stamp
//! only the first word and words in brackets. There a level is a word in capitals (`ERROR`), one in brackets
//! (`[error]`, `<warn>`) or one with a colon behind it (`error: disk full`). Colours of terminals are looked through.

use super::{Context, Format, Starts, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::time::{Stamp, begins_with_layout, clf_prefix, iso8601_prefix, rfc3164_prefix};
use nom::Parser;
use nom::branch::alt;
use nom::sequence::preceded;

/// How many words behind the stamp may hold the level.
const HEADER_WORDS_MAX: usize = 6;
/// How many bytes these words span at most.
const HEADER_BYTES_MAX: usize = 160;
/// Levels shorter than this are letters, which text is full of.
const LEVEL_BYTES_MIN: usize = 3;

/// Everything else.
pub const FORMAT: Format = Format {
    name: "plain",
    summary: "any text: the line is the message, a leading stamp and a level word are read",
    example: "2026-01-02 03:04:05,678 [main] ERROR shop.Cart - no such item",
    rank: u8::MAX,
    starts: Starts::ANY,
    open_ended: true,
    probe: |_| true,
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let start = skip_decoration(line);
    let (header, words) = match stamp(start, context) {
        Ok((rest, stamp)) => {
            stamp.put(&mut fields);
            (rest, HEADER_WORDS_MAX)
        }
        Err(_) => (start, 1),
    };
    if let Some(level) = level_of(header, words) {
        fields.push("log.level", Value::text(level));
    }
    fields.push("message", Value::text(line));
    Ok(fields)
}

/// A stamp at the start, in brackets or not.
fn stamp<'a>(input: &'a str, context: &Context) -> Step<'a, Stamp> {
    let input = match input.as_bytes() {
        [b'[', ..] => &input[1..],
        // `E, [2026-...`, of Ruby's logger.
        [b'A'..=b'Z', b',', b' ', b'[', ..] => &input[4..],
        _ => input,
    };
    match input.as_bytes() {
        [_, _, b'/', ..] => clf_prefix(input),
        [b'0'..=b'9', ..] => iso8601_prefix(input, context.utc_offset_s),
        [b'A'..=b'Z', ..] => {
            let bsd = |input| rfc3164_prefix(input, context.received, context.utc_offset_s);
            // `Fri Jan 02 ...`, of Apache's error log and ctime.
            alt((bsd, preceded(week_day, bsd))).parse(input)
        }
        _ => stop(input, "a stamp"),
    }
}

fn week_day(input: &str) -> Step<'_, ()> {
    match input.as_bytes().first_chunk::<4>() {
        Some(b"Mon " | b"Tue " | b"Wed " | b"Thu " | b"Fri " | b"Sat " | b"Sun ") => Ok((&input[4..], ())),
        _ => stop(input, "a day of the week"),
    }
}

/// What follows leading spaces and colours (`ESC [ 32 m`).
fn skip_decoration(input: &str) -> &str {
    let mut rest = input.trim_start_matches(' ');
    while let Ok((after, ())) = colour(rest) {
        rest = after.trim_start_matches(' ');
    }
    rest
}

fn colour(input: &str) -> Step<'_, ()> {
    let (rest, ()) = byte(0x1b, "an escape").parse(input)?;
    let (rest, ()) = byte(b'[', "a colour").parse(rest)?;
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
    byte(b'm', "a colour").parse(rest)
}

/// The first level among so many words.
fn level_of(header: &str, words: usize) -> Option<&'static str> {
    let bytes = header.as_bytes();
    let limit = bytes.len().min(HEADER_BYTES_MAX);
    let mut seen = 0;
    let mut at = 0;
    while at < limit && seen < words {
        if bytes[at] == 0x1b {
            at = header.len() - colour(&header[at..]).map_or(&header[at + 1..], |(rest, ())| rest).len();
            continue;
        }
        let end = at + bytes[at..limit].iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
        if end == at {
            // Only spaces separate words, but brackets, dashes and the like count as such where they surround a level.
            at += 1;
            continue;
        }
        let (before, after) = (at.checked_sub(1).map(|n| bytes[n]), bytes.get(end));
        let bracketed = matches!(
            (before, after),
            (Some(b'[' | b':'), Some(b']')) | (Some(b'<'), Some(b'>')) | (Some(b'('), Some(b')'))
        );
        // A date's parts, a thread's number and the like are no words.
        seen += usize::from(!bracketed && before.is_none_or(|b| b != b'.') && bytes[at].is_ascii_alphabetic());
        if let Ok(word) = std::str::from_utf8(&bytes[at..end])
            && is_marked(word, bracketed, after)
            && let Some(level) = level::from_word(word)
        {
            return Some(level);
        }
        at = end;
    }
    None
}

fn is_marked(word: &str, bracketed: bool, after: Option<&u8>) -> bool {
    let apart = matches!(after, None | Some(b' ' | b':' | b']' | b'>' | b')' | b'|' | b'\t' | b',' | 0x1b));
    let capitals = word.bytes().all(|b| b.is_ascii_uppercase());
    word.len() >= LEVEL_BYTES_MIN && apart && (bracketed || capitals || after == Some(&b':'))
}

/// Whether a line begins with a stamp that a log line would begin with: decided on its first bytes.
pub(crate) fn begins_with_stamp(line: &[u8]) -> bool {
    begins_with_layout(line)
}
