//! Apache Cassandra's system and debug logs, by the pattern of Cassandra's `logback.xml`:
//! `INFO  [main] 2026-01-02 03:04:05,678 StorageService.java:77 - text`.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::parts::{enclosed, headed, level_word, put_place, upto};
use crate::time::iso8601_prefix;
use nom::Parser;
use nom::bytes::complete::tag;
use nom::character::complete::space1;

/// Cassandra.
pub const FORMAT: Format = Format {
    name: "cassandra",
    summary: "Apache Cassandra's system and debug logs",
    example: "INFO  [main] 2026-01-02 03:04:05,678 StorageService.java:77 - Node /192.0.2.7 state jump to NORMAL",
    rank: 109,
    starts: Starts::of(b"TDIWEF"),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let letters = line.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count();
    let spaces = line[letters..].iter().take(3).take_while(|b| **b == b' ').count();
    letters >= 4 && spaces > 0 && line.get(letters + spaces) == Some(&b'[')
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, level) = level_word(line)?;
    let (rest, _) = space1(rest)?;
    let (rest, thread) = enclosed(b'[', b']')(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, stamp) = iso8601_prefix(rest, context.utc_offset_s)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, place) = upto(b' ', "a file and a line")(rest)?;
    if !place.contains(".java:") {
        return stop(rest, "a file and a line");
    }
    let (rest, _) = tag("-").parse(rest)?;
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("process.thread.name", thread);
    put_place(place, fields);
    Ok((rest.strip_prefix(' ').unwrap_or(rest), ()))
}
