//! ZooKeeper: `2026-01-02 03:04:05,678 [myid:1] - INFO  [main:QuorumPeerConfig@117] - text`; before 3.5 without `[myid:1]`.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::parts::{PART_BYTES_MAX, enclosed, headed, level_word};
use crate::line::postgresql::is_stamp;
use crate::time::iso8601_prefix;
use memchr::memmem;
use nom::Parser;
use nom::bytes::complete::tag;
use nom::character::complete::space1;

/// ZooKeeper.
pub const FORMAT: Format = Format {
    name: "zookeeper",
    summary: "Apache ZooKeeper",
    example: "2026-01-02 03:04:05,678 [myid:1] - INFO  [main:o.a.z.s.q.QuorumPeerConfig@177] - Reading configuration",
    rank: 113,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// `2026-01-02 03:04:05,678 [myid:` or `2026-01-02 03:04:05,678 - I`
fn probe(line: &[u8]) -> bool {
    is_stamp(line)
        && line.get(19) == Some(&b',')
        && line.get(23..).is_some_and(|rest| {
            rest.starts_with(b" [myid:")
                || matches!(rest, [b' ', b'-', b' ', b'A'..=b'Z', b'A'..=b'Z', b'A'..=b'Z', ..])
        })
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, id) = match enclosed(b'[', b']')(rest) {
        Ok((rest, id)) => (byte(b' ', "a space").parse(rest)?.0, id.strip_prefix("myid:").unwrap_or_default()),
        Err(_) => (rest, ""),
    };
    let (rest, _) = tag("- ").parse(rest)?;
    let (rest, level) = level_word(rest)?;
    let (rest, _) = space1(rest)?;
    let (rest, ()) = byte(b'[', "a thread").parse(rest)?;
    // Names of threads hold brackets.
    let head = &rest.as_bytes()[..rest.len().min(PART_BYTES_MAX)];
    let Some(end) = memmem::find(head, b"] -") else { return stop(rest, "a class and a line") };
    let (place, message) = (&rest[..end], &rest[end + 3..]);
    let Some((place, number)) = place.rsplit_once('@') else { return stop(rest, "a class and a line") };
    let Ok(number) = number.parse::<u32>() else { return stop(rest, "a line's number") };
    let Some((thread, logger)) = place.rsplit_once(':') else { return stop(rest, "a thread and a class") };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("process.thread.name", thread);
    fields.push_present("log.logger", logger);
    fields.push("log.origin.file.line", Value::Int(i64::from(number)));
    fields.push_present("zookeeper.server_id", id);
    Ok((message.strip_prefix(' ').unwrap_or(message), ()))
}
