//! Hadoop, HDFS, YARN, MapReduce, HBase and Hive, by the patterns of their `log4j.properties`.
//!
//! `260102 030405 148 INFO dfs.DataNode$PacketResponder: text` is HDFS's of old;
//! `2026-01-02 03:04:05,678 INFO [main] org.apache.hadoop.mapred.Child: text`, with thread or without, everything's since.
//! That layout is common, so a logger of the `org.apache.` family is wanted, or one of those that Hadoop names otherwise.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, prefix, stop};
use crate::line::parts::{enclosed, level_word, upto};
use crate::line::postgresql::is_stamp;
use crate::time::{Stamp, iso8601_prefix, of_day};
use nom::Parser;
use nom::character::complete::{space1, u32};

/// Hadoop's loggers that are no classes.
const OWN_LOGGERS: [&str; 3] = ["BlockStateChange", "SecurityLogger", "blockLog"];

/// Hadoop.
pub const FORMAT: Format = Format {
    name: "hadoop",
    summary: "Hadoop, HDFS, YARN, MapReduce and relatives",
    example: "2026-01-02 03:04:05,678 INFO org.apache.hadoop.hdfs.server.datanode.DataNode: Receiving block blk_7",
    rank: 116,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    is_stamp(line) && matches!(line.get(19..25), Some([b',', _, _, _, b' ', b'A'..=b'Z'])) || is_compact(line)
}

/// `260102 030405 1`
fn is_compact(line: &[u8]) -> bool {
    line.len() > 14
        && line[..14]
            .iter()
            .enumerate()
            .all(|(at, b)| if at == 6 || at == 13 { *b == b' ' } else { b.is_ascii_digit() })
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let step = if is_compact(line.as_bytes()) {
        compact(line, context, &mut fields)
    } else {
        header(line, context, &mut fields)
    };
    let (message, ()) = prefix(line, step)?;
    fields.push("message", Value::text(message));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, level) = level_word(rest)?;
    let (rest, _) = space1(rest)?;
    let (rest, thread) = match enclosed(b'[', b']')(rest) {
        Ok((rest, thread)) => (byte(b' ', "a space").parse(rest)?.0, thread),
        Err(_) => (rest, ""),
    };
    if let Some(name) =
        OWN_LOGGERS.into_iter().find(|name| rest.strip_prefix(name).is_some_and(|rest| rest.starts_with(": ")))
    {
        stamp.put(fields);
        fields.push("log.level", Value::text(level));
        fields.push_present("process.thread.name", thread);
        fields.push("log.logger", Value::text(name));
        return Ok((&rest[name.len() + 2..], ()));
    }
    if !rest.starts_with("org.apache.") {
        return stop(rest, "a logger of Apache's");
    }
    let (rest, logger) = logger(rest)?;
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("process.thread.name", thread);
    fields.push("log.logger", Value::text(logger));
    Ok((rest, ()))
}

fn compact<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = compact_stamp(line, context)?;
    let (rest, thread) = u32(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, level) = level_word(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, logger) = logger(rest)?;
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("process.thread.id", Value::Int(i64::from(thread)));
    fields.push("log.logger", Value::text(logger));
    Ok((rest, ()))
}

/// `260102 030405 `
fn compact_stamp<'a>(input: &'a str, context: &Context) -> Step<'a, Stamp> {
    let two = digits::<2>;
    let (rest, (year, month, day, ())) = (two, two, two, byte(b' ', "a time of day")).parse(input)?;
    let (rest, (hour, minute, second, ())) = (two, two, two, byte(b' ', "a space")).parse(rest)?;
    let exists = hour < 24 && minute < 60 && second <= 60;
    let time = (hour * 3_600 + minute * 60 + second, 0);
    match of_day((2_000 + year, month, day), time, context.utc_offset_s).filter(|_| exists) {
        Some(stamp) => Ok((rest, stamp)),
        None => stop(input, "a time that exists"),
    }
}

/// `dfs.DataNode$PacketResponder: `, a name of Java with a dot in it.
pub(super) fn logger(input: &str) -> Step<'_, &str> {
    let (rest, name) = upto(b':', "a logger and a colon")(input)?;
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'-');
    if !name.contains('.') || !name.bytes().all(named) || !(rest.is_empty() || rest.starts_with(' ')) {
        return stop(input, "a logger's name");
    }
    Ok((rest.strip_prefix(' ').unwrap_or(rest), name))
}
