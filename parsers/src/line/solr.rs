//! Solr: `2026-01-02 03:04:05.678 INFO  (qtp77-18) [c:shop s:shard1 r:core_node2 x:shop_replica_n1] o.a.s.c.S.Request text`.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::parts::{enclosed, headed, level_word, nanos, upto};
use crate::line::postgresql::is_stamp;
use crate::time::iso8601_prefix;
use memchr::memmem;
use nom::Parser;
use nom::character::complete::space1;

/// How far from a line's start its brackets begin at most.
const HEADER_BYTES_MAX: usize = 256;
/// How many names stand in the brackets at most.
const NAMES_MAX: usize = 5;
const NANOS_PER_MS: i64 = 1_000_000;

/// Solr.
pub const FORMAT: Format = Format {
    name: "solr",
    summary: "Apache Solr",
    example: "2026-01-02 03:04:05.678 INFO  (main) [   x:shop] o.a.s.c.CoreContainer Created core",
    rank: 118,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let head = &line[..line.len().min(HEADER_BYTES_MAX)];
    is_stamp(line)
        && matches!(line.get(19..25), Some([b'.', _, _, _, b' ', b'A'..=b'Z']))
        && memmem::find(head, b") [").is_some()
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, level) = level_word(rest)?;
    let (rest, _) = space1(rest)?;
    let (rest, thread) = enclosed(b'(', b')')(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, names) = enclosed(b'[', b']')(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, logger) = upto(b' ', "a logger")(rest)?;
    if !logger.contains('.') {
        return stop(rest, "a logger's name");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("process.thread.name", thread);
    for name in names.split_ascii_whitespace().take(NAMES_MAX) {
        match name.split_once(':') {
            Some(("c", value)) => fields.push_present("solr.collection", value),
            Some(("s", value)) => fields.push_present("solr.shard", value),
            Some(("r", value)) => fields.push_present("solr.replica", value),
            Some(("x", value)) => fields.push_present("solr.core", value),
            Some(("t", value)) => fields.push_present("trace.id", value),
            _ => {}
        }
    }
    fields.push("log.logger", Value::text(logger));
    let message = rest.trim_start();
    // Requests end in their duration.
    if let Some((_, last)) = message.rsplit_once(' ')
        && let Some(duration) = last.strip_prefix("QTime=").and_then(|number| nanos(number, NANOS_PER_MS))
    {
        fields.push("event.duration", Value::Int(duration));
    }
    Ok((message, ()))
}
