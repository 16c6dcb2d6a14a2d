//! RabbitMQ: `2026-01-02 03:04:05.678901+00:00 [info] <0.222.0> text` since 3.9, with milliseconds and without zone since
//! 3.7, and before that `=INFO REPORT==== 2-Jan-2026::03:04:05 ===`, whose text is on the lines below.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, prefix, stop};
use crate::line::level;
use crate::line::parts::{enclosed, upto};
use crate::line::postgresql::is_stamp;
use crate::time::{iso8601_prefix, month_name, of_day, time_of_day};
use memchr::memmem;
use nom::Parser;
use nom::bytes::complete::tag;

/// How far from its start a header reaches at most.
const HEADER_BYTES_MAX: usize = 64;

/// RabbitMQ.
pub const FORMAT: Format = Format {
    name: "rabbitmq",
    summary: "RabbitMQ and other programs in Erlang",
    example: "2026-01-02 03:04:05.678901+00:00 [info] <0.222.0> accepting AMQP connection 192.0.2.7:54321 -> 192.0.2.1:5672",
    rank: 114,
    starts: Starts::DIGIT.or(Starts::of(b"=")),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let head = &line[..line.len().min(HEADER_BYTES_MAX)];
    match line {
        [b'=', b'A'..=b'Z', ..] => memmem::find(head, b" REPORT==== ").is_some(),
        _ => is_stamp(line) && memmem::find(head, b"] <").is_some(),
    }
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    if line.starts_with('=') {
        let (text, ()) = prefix(line, report(line, context, &mut fields))?;
        fields.push("message", Value::text(text));
        return Ok(fields);
    }
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(message));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, word) = enclosed(b'[', b']')(rest)?;
    let Some(level) = level::from_word(word) else { return stop(rest, "a level") };
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, process) = enclosed(b'<', b'>')(rest)?;
    let numbers = process.split('.');
    if numbers.clone().count() != 3 || !numbers.clone().all(|part| part.parse::<u64>().is_ok()) {
        return stop(rest, "a process of Erlang");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("rabbitmq.log.pid", Value::text(process));
    Ok((rest.strip_prefix(' ').unwrap_or(rest), ()))
}

/// `=INFO REPORT==== 2-Jan-2026::03:04:05 ===`
fn report<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, ()) = byte(b'=', "an equal sign").parse(line)?;
    let (rest, word) = upto(b' ', "a level")(rest)?;
    let level = match word {
        "CRASH" | "SUPERVISOR" => Some("error"),
        "PROGRESS" => Some("info"),
        word => level::from_word(word),
    };
    let Some(level) = level else { return stop(rest, "a level") };
    let more = level::from_word(word).is_none();
    let (rest, _) = tag("REPORT==== ").parse(rest)?;
    let (rest, day) = if rest.as_bytes().get(1) == Some(&b'-') { digits::<1>(rest)? } else { digits::<2>(rest)? };
    let (rest, ((), month, (), year, _)) =
        (byte(b'-', "a date"), month_name, byte(b'-', "a date"), digits::<4>, tag("::")).parse(rest)?;
    let (rest, time) = time_of_day(rest)?;
    let (rest, _) = tag(" ===").parse(rest)?;
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let Some(stamp) = of_day((year, month, day), time, context.utc_offset_s) else {
        return stop(line, "a day that exists");
    };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    if more {
        fields.push("erlang.report", Value::text(word));
    }
    Ok((rest, ()))
}
