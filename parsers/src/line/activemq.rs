//! ActiveMQ's file, by the pattern of its `log4j2.properties`: `2026-01-02 03:04:05,678 | INFO  | text | logger | thread`.
//!
//! Logger and thread end the line, so a line without them (the first of a text of several) is plain text, as are those of its
//! console (` INFO | text`).

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::line::parts::{PART_BYTES_MAX, headed, level_word};
use crate::line::postgresql::is_stamp;
use crate::time::iso8601_prefix;
use memchr::memmem;

/// ActiveMQ.
pub const FORMAT: Format = Format {
    name: "activemq",
    summary: "Apache ActiveMQ",
    example: "2026-01-02 03:04:05,678 | INFO  | Connector openwire started | org.apache.activemq.broker.TransportConnector | main",
    rank: 122,
    starts: Starts::DIGIT,
    below: Below::Apart,
    probe,
    parse,
};

/// `2026-01-02 03:04:05,678 | INFO  | `
fn probe(line: &[u8]) -> bool {
    is_stamp(line) && matches!(line.get(19..27), Some([b',', _, _, _, b' ', b'|', b' ', b'A'..=b'Z']))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let Some(rest) = rest.strip_prefix(" | ") else { return stop(rest, "a bar") };
    let (rest, level) = level_word(rest)?;
    let Some(rest) = rest.trim_start_matches(' ').strip_prefix("| ") else { return stop(rest, "a bar") };
    // Both names are short, so the bars before them are near the end.
    let mut tail = rest.len().saturating_sub(PART_BYTES_MAX);
    while !rest.is_char_boundary(tail) {
        tail += 1;
    }
    let mut bars = memmem::rfind_iter(&rest.as_bytes()[tail..], b" | ");
    let (Some(second), Some(first)) = (bars.next(), bars.next()) else { return stop(rest, "a logger and a thread") };
    let (logger, thread) = (&rest[tail + first + 3..tail + second], &rest[tail + second + 3..]);
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'-');
    if logger.is_empty() || thread.is_empty() || !logger.bytes().all(named) {
        return stop(rest, "a logger and a thread");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("log.logger", Value::text(logger));
    fields.push("process.thread.name", Value::text(thread));
    Ok((&rest[..tail + first], ()))
}
