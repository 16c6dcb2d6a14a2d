//! Kafka brokers, controllers and Connect: `[2026-01-02 03:04:05,678] INFO [KafkaServer id=0] started (kafka.server.KafkaServer)`.
//!
//! The logger stands at the end of the line, so a line without one is text, but for the first of a dump of settings.
//! What stands in brackets before the text names the component and stays in the message.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::parts::{headed, level_word};
use crate::time::iso8601_prefix;
use nom::Parser;
use nom::sequence::delimited;

/// Longer names are text in parentheses.
const LOGGER_BYTES_MAX: usize = 160;

/// What the first line of a dump of settings ends in: `KafkaConfig values: `.
const SETTINGS: &str = "Config values: ";

/// Kafka.
pub const FORMAT: Format = Format {
    name: "kafka",
    summary: "Apache Kafka brokers, controllers and Connect",
    example: "[2026-01-02 03:04:05,678] INFO [KafkaServer id=0] started (kafka.server.KafkaServer)",
    rank: 112,
    starts: Starts::of(b"["),
    below: Below::Apart,
    probe,
    parse,
};

/// `[2026-01-02 03:04:05,678] I`
fn probe(line: &[u8]) -> bool {
    matches!(line, [b'[', b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b' ', ..])
        && matches!(line.get(20..27), Some([b',', _, _, _, b']', b' ', b'A'..=b'Z']))
        && (line.ends_with(b")") || line.ends_with(SETTINGS.as_bytes()))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let stamp = |input| iso8601_prefix(input, context.utc_offset_s);
    let (rest, stamp) = delimited(byte(b'[', "a bracket"), stamp, byte(b']', "a bracket")).parse(line)?;
    let (rest, level) = byte(b' ', "a space").parse(rest).and_then(|(rest, ())| level_word(rest))?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    if rest.ends_with(SETTINGS) && !rest[..rest.len() - SETTINGS.len()].contains(' ') {
        stamp.put(fields);
        fields.push("log.level", Value::text(level));
        return Ok((rest, ()));
    }
    let Some((message, logger)) = rest.strip_suffix(')').and_then(|rest| rest.rsplit_once(" (")) else {
        return stop(rest, "a logger in parentheses");
    };
    let (logger, number) = match logger.rsplit_once(':') {
        Some((logger, number)) => (logger, number.parse::<u32>().ok()),
        None => (logger, None),
    };
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'-');
    if logger.len() > LOGGER_BYTES_MAX || !logger.contains('.') || !logger.bytes().all(named) {
        return stop(rest, "a logger's name");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("log.logger", Value::text(logger));
    if let Some(number) = number {
        fields.push("log.origin.file.line", Value::Int(i64::from(number)));
    }
    Ok((message.trim_start(), ()))
}
