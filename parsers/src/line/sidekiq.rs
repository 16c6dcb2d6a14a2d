//! Sidekiq's own line: `2026-01-02T03:04:05.678Z pid=4711 tid=gs0 class=PayJob jid=b4a577edbccf1d805744efa9 elapsed=0.5 INFO: done`, with
//! or without the stamp (`Sidekiq::Logger::Formatters::WithoutTimestamp`, which it takes where systemd or Heroku run it).
//!
//! `elapsed` is the job's duration; the other pairs keep the names that its JSON has them by.

use super::{Below, Context, Format, Starts, logfmt, parts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::line::parts::{headed, level_word};
use crate::time::iso8601_prefix;
use memchr::memmem;

/// The stamp and the space behind it.
const STAMP_BYTES_MAX: usize = 40;
/// How many pairs a header has at most.
const PAIRS_MAX: usize = 16;

/// Sidekiq.
pub const FORMAT: Format = Format {
    name: "sidekiq",
    summary: "Sidekiq, Ruby's background jobs",
    example: "2026-01-02T03:04:05.678Z pid=4711 tid=gs0 class=PayJob jid=b4a577edbccf1d805744efa9 INFO: start",
    rank: 152,
    starts: Starts::DIGIT.or(Starts::of(b"p")),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let head = &line[..line.len().min(STAMP_BYTES_MAX)];
    line.starts_with(b"pid=")
        || (line.first().is_some_and(u8::is_ascii_digit) && memmem::find(head, b"Z pid=").is_some())
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let mut rest = line;
    if !line.starts_with('p') {
        let (after, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
        stamp.put(fields);
        rest = after.trim_start_matches(' ');
    }
    let mut found = Vec::new();
    while let Ok((after, (key, value))) = prefix(line, logfmt::pair(rest))
        && found.len() < PAIRS_MAX
    {
        found.push((key, value));
        rest = after;
    }
    let [("pid", Value::Int(_)), ("tid", _), ..] = &found[..] else { return stop(rest, "a process and a thread") };
    let (rest, level) = level_word(rest)?;
    let Some(text) = rest.strip_prefix(": ").or((rest == ":").then_some("")) else { return stop(rest, "a colon") };
    fields.push("log.level", Value::text(level));
    for (key, value) in found {
        match (key, value) {
            ("pid", value) => fields.push("process.pid", value),
            ("tid", Value::Int(thread)) => fields.push("process.thread.id", Value::Int(thread)),
            ("tid", value) => fields.push("process.thread.name", value),
            ("elapsed", value @ (Value::Float(_) | Value::Int(_) | Value::Str(_))) => put_elapsed(value, fields),
            (key, value) => fields.push(key, value),
        }
    }
    Ok((text, ()))
}

/// Seconds, as a number or as it was written.
fn put_elapsed<'a>(value: Value<'a>, fields: &mut Fields<'a>) {
    let nanos = match &value {
        Value::Int(seconds) => seconds.checked_mul(1_000_000_000),
        Value::Float(seconds) if (0.0..1e9).contains(seconds) => Some((seconds * 1e9).round() as i64),
        Value::Str(text) => parts::nanos(text, 1_000_000_000),
        _ => None,
    };
    match nanos {
        Some(nanos) => fields.push("event.duration", Value::Int(nanos)),
        None => fields.push("elapsed", value),
    }
}
