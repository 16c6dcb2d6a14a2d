//! NATS server: `[77] 2026/01/02 03:04:05.678901 [INF] text`, also without the stamp (`logtime: false`).

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::level;
use crate::line::parts::{enclosed, headed};
use crate::time::iso8601_prefix;
use nom::Parser;

/// How many digits a process id has at most.
const PID_BYTES_MAX: usize = 10;

/// NATS.
pub const FORMAT: Format = Format {
    name: "nats",
    summary: "NATS server",
    example: "[77] 2026/01/02 03:04:05.678901 [INF] Server is ready",
    rank: 115,
    starts: Starts::of(b"["),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let Some(line) = line.strip_prefix(b"[") else { return false };
    let end = line.iter().take(PID_BYTES_MAX).take_while(|b| b.is_ascii_digit()).count();
    end > 0
        && matches!(
            line[end..],
            [b']', b' ', b'0'..=b'9', _, _, _, b'/', _, _, b'/', ..]
                | [b']', b' ', b'[', b'A'..=b'Z', _, _, b']', b' ', ..]
        )
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, pid) = enclosed(b'[', b']')(line)?;
    let Ok(pid) = pid.parse::<u32>() else { return stop(line, "a process id") };
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, stamp) = if rest.starts_with('[') {
        (rest, None)
    } else {
        let (rest, stamp) = iso8601_prefix(rest, context.utc_offset_s)?;
        (byte(b' ', "a space").parse(rest)?.0, Some(stamp))
    };
    let (rest, word) = enclosed(b'[', b']')(rest)?;
    let Some(level) = level::from_word(word).filter(|_| word.len() == 3) else { return stop(rest, "a level") };
    if let Some(stamp) = stamp {
        stamp.put(fields);
    }
    fields.push("log.level", Value::text(level));
    fields.push("process.pid", Value::Int(i64::from(pid)));
    Ok((rest.strip_prefix(' ').unwrap_or(rest), ()))
}
