//! Couchbase's cluster manager: `[ns_server:info,2026-01-02T03:04:05.678Z,ns_1@127.0.0.1:ns_config<0.1.0>:ns_config:init:42]text`.
//!
//! The logger, its level, the stamp, the node, the process, then module, function and line. Its other services write what
//! other formats read (JSON, `memcached`'s stamp and level).

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::level;
use crate::line::parts::{PART_BYTES_MAX, headed, upto};
use crate::time::iso8601_prefix;
use memchr::memchr;
use nom::Parser;

/// How long the names before the stamp are at most.
const NAMES_BYTES_MAX: usize = 48;

/// Couchbase.
pub const FORMAT: Format = Format {
    name: "couchbase",
    summary: "Couchbase's cluster manager",
    example: "[ns_server:info,2026-01-02T03:04:05.678Z,ns_1@127.0.0.1:ns_config<0.1.0>:ns_config:init:42]reading static config",
    rank: 124,
    starts: Starts::of(b"["),
    below: Below::Message,
    probe,
    parse,
};

/// `[name:level,2026-01-02T`
fn probe(line: &[u8]) -> bool {
    let head = &line[..line.len().min(NAMES_BYTES_MAX)];
    let Some(comma) = memchr(b',', head) else { return false };
    matches!(line.get(comma + 1..), Some([b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b'T', ..]))
        && line[..comma].contains(&b':')
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, ()) = byte(b'[', "a bracket").parse(line)?;
    let (rest, logger) = upto(b':', "a logger")(rest)?;
    let (rest, word) = upto(b',', "a level")(rest)?;
    let Some(level) = level::from_word(word) else { return stop(rest, "a level") };
    let (rest, stamp) = iso8601_prefix(rest, context.utc_offset_s)?;
    let (rest, ()) = byte(b',', "a comma").parse(rest)?;
    let (rest, node) = upto(b':', "a node")(rest)?;
    let head = &rest.as_bytes()[..rest.len().min(PART_BYTES_MAX)];
    let Some(end) = memchr(b']', head) else { return stop(rest, "a closing bracket") };
    let (place, message) = (&rest[..end], &rest[end + 1..]);
    let mut parts = place.rsplitn(4, ':');
    let (number, function, module, process) = (parts.next(), parts.next(), parts.next(), parts.next());
    let (Some(function), Some(module)) = (function, module) else { return stop(rest, "a place") };
    let Some(number) = number.and_then(|number| number.parse::<u32>().ok()) else { return stop(rest, "a line") };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("log.logger", Value::text(logger));
    fields.push("couchbase.node.name", Value::text(node));
    fields.push_present("couchbase.process", process.unwrap_or_default());
    fields.push("log.origin.file.name", Value::text(module));
    fields.push("log.origin.file.line", Value::Int(i64::from(number)));
    fields.push_present("log.origin.function", function);
    Ok((message, ()))
}
