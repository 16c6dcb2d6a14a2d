//! Neo4j's `query.log` and `debug.log`.
//!
//! `2026-01-02 03:04:05.678+0000 INFO  id:7 - transaction id:12 - 4 ms: 120 B - bolt-session ...` tells of a query: all behind
//! the level is the message. `2026-01-02 03:04:05.678+0000 INFO  [neo4j/1a2b3c4d] [o.n.k.d.Database] text` is the server's own,
//! the database and the logger in either order. What has neither (`neo4j.log`) is plain text.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::line::parts::{enclosed, headed, level_word, nanos};
use crate::line::postgresql::is_stamp;
use crate::time::iso8601_prefix;
use memchr::memmem;

const NANOS_PER_MS: i64 = 1_000_000;
/// How far the duration of a query is from the level at most.
const DURATION_OFFSET_MAX: usize = 96;

/// Neo4j.
pub const FORMAT: Format = Format {
    name: "neo4j",
    summary: "Neo4j's query.log and debug.log",
    example: "2026-01-02 03:04:05.678+0000 INFO  [neo4j/1a2b3c4d] [o.n.k.d.Database] Starting 'neo4j' database.",
    rank: 125,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// `2026-01-02 03:04:05.678+0000 I`
fn probe(line: &[u8]) -> bool {
    is_stamp(line) && matches!(line.get(19..30), Some([b'.', _, _, _, b'+' | b'-', _, _, _, _, b' ', b'A'..=b'Z']))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let Some(rest) = rest.strip_prefix(' ') else { return stop(rest, "a space") };
    let (rest, level) = level_word(rest)?;
    let rest = rest.trim_start_matches(' ');
    let (rest, ()) = if rest.starts_with('[') { names(rest, fields)? } else { query(rest, fields)? };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    Ok((rest, ()))
}

/// `[neo4j/1a2b3c4d] [o.n.k.d.Database] `, in either order, the database left out by older versions.
fn names<'a>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (mut rest, mut logger) = (input, None);
    while rest.starts_with('[') {
        let (behind, name) = enclosed(b'[', b']')(rest)?;
        let database =
            name.rsplit_once('/').filter(|(_, id)| id.len() == 8 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        match database {
            Some((database, _)) if fields.get("neo4j.database").is_none() => {
                fields.push("neo4j.database", Value::text(database));
            }
            _ if logger.is_none() && is_logger(name) => logger = Some(name),
            _ => break,
        }
        rest = behind.strip_prefix(' ').unwrap_or(behind);
    }
    match logger {
        Some(logger) => {
            fields.push("log.logger", Value::text(logger));
            Ok((rest, ()))
        }
        None => stop(input, "a logger"),
    }
}

/// Neo4j's own classes: `o.n.k.d.Database`, `c.n.c.Main`, `org.neo4j.kernel.Database`.
fn is_logger(name: &str) -> bool {
    ["o.n.", "c.n.", "org.neo4j.", "com.neo4j."].iter().any(|package| name.starts_with(package)) && !name.contains(' ')
}

/// `id:7 - transaction id:12 - 4 ms: `, with `Query started: ` before it or not; the ids are left out by older versions.
fn query<'a>(text: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let mut rest = text;
    for lead in ["Query started: ", "Query failed: "] {
        rest = rest.strip_prefix(lead).unwrap_or(rest);
    }
    for (lead, name) in [("id:", "neo4j.query.id"), ("transaction id:", "neo4j.transaction.id")] {
        if let Some((id, behind)) = rest.strip_prefix(lead).and_then(|rest| rest.split_once(" - "))
            && let Ok(id) = id.parse::<i64>()
        {
            fields.push(name, Value::Int(id));
            rest = behind;
        }
    }
    let head = &rest.as_bytes()[..rest.len().min(DURATION_OFFSET_MAX)];
    let Some(end) = memmem::find(head, b" ms: ") else { return stop(rest, "a duration") };
    let Some(duration) = nanos(&rest[..end], NANOS_PER_MS) else { return stop(rest, "a duration") };
    fields.push("event.duration", Value::Int(duration));
    Ok((text, ()))
}
