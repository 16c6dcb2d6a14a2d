//! The text logs of Elasticsearch and OpenSearch: server, deprecation, and slow logs.
//!
//! `[2026-01-02T03:04:05,678][INFO ][o.e.n.Node               ] [node-1] text`. Their JSON logs are JSON like any other.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::level;
use crate::line::parts::{enclosed, headed, nanos};
use crate::time::iso8601_prefix;
use memchr::memmem;
use nom::Parser;
use nom::sequence::delimited;

/// How far into a slow line the duration is looked for.
const TOOK_OFFSET_MAX: usize = 512;
const NANOS_PER_MS: i64 = 1_000_000;

/// Elasticsearch, OpenSearch.
pub const FORMAT: Format = Format {
    name: "elasticsearch",
    summary: "Elasticsearch and OpenSearch: server, deprecation and slow logs in text",
    example: "[2026-01-02T03:04:05,678][INFO ][o.e.n.Node               ] [node-1] started",
    rank: 108,
    starts: Starts::of(b"["),
    below: Below::Message,
    probe,
    parse,
};

/// `[2026-01-02T03:04:05,678][`
fn probe(line: &[u8]) -> bool {
    matches!(line, [b'[', b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b'T', ..])
        && line.get(20).is_some_and(|b| *b == b',')
        && memmem::find(&line[..line.len().min(36)], b"][").is_some()
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let stamp = |input| iso8601_prefix(input, context.utc_offset_s);
    let (rest, stamp) = delimited(byte(b'[', "a bracket"), stamp, byte(b']', "a bracket")).parse(line)?;
    let (rest, word) = enclosed(b'[', b']')(rest)?;
    let level = match word.trim() {
        // Of the deprecation log: what will be gone in the next version.
        "CRITICAL" | "DEPRECATION" => Some("warn"),
        word => level::from_word(word),
    };
    let Some(level) = level else { return stop(rest, "a level") };
    let (rest, logger) = enclosed(b'[', b']')(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    let logger = logger.trim_end();
    fields.push_present("log.logger", logger);
    // Without a node's name (before it has one) the text begins at once.
    let Ok((rest, node)) = enclosed(b'[', b']')(rest) else { return Ok((rest, ())) };
    fields.push_present("elasticsearch.node.name", node);
    let message = rest.strip_prefix(' ').unwrap_or(rest);
    let head = &message[..message.floor_char_boundary(TOOK_OFFSET_MAX)];
    if let Some(at) = memmem::find(head.as_bytes(), b"took_millis[") {
        put_slow(message, &head[at..], fields);
    }
    Ok((message, ()))
}

/// `[cart][0] took[1.2s], took_millis[1234], ...`
fn put_slow<'a>(message: &'a str, took: &str, fields: &mut Fields<'a>) {
    if let Some((_, number)) = took.split_once('[')
        && let Some((number, _)) = number.split_once(']')
        && let Some(duration) = nanos(number, NANOS_PER_MS)
    {
        fields.push("event.duration", Value::Int(duration));
    }
    let Ok((rest, index)) = enclosed(b'[', b']')(message) else { return };
    let (index, id) = index.split_once('/').unwrap_or((index, ""));
    fields.push_present("elasticsearch.index.name", index);
    fields.push_present("elasticsearch.index.id", id);
    if let Ok((_, shard)) = enclosed(b'[', b']')(rest) {
        fields.push_present("elasticsearch.shard.id", shard);
    }
}
