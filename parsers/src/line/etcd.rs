//! etcd's log before version 3.4 (capnslog): `2026-01-02 03:04:05.678901 I | etcdmain: text`. Newer ones write JSON.
//!
//! Its raft writes `raft2026/01/02 03:04:05 INFO: text` beside them.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::line::parts::{headed, level_word};
use crate::line::postgresql::is_stamp;
use crate::time::iso8601_prefix;
use memchr::memmem;

/// Where the letter is.
const LETTER: usize = 27;
/// What stands before the stamp in the lines of the raft package.
const RAFT: &str = "raft";
/// How long a package's name is at most.
const PACKAGE_BYTES_MAX: usize = 64;

/// etcd.
pub const FORMAT: Format = Format {
    name: "etcd",
    summary: "etcd before 3.4 and what else logs by capnslog",
    example: "2026-01-02 03:04:05.678901 I | etcdmain: etcd Version: 3.3.27",
    rank: 111,
    starts: Starts::DIGIT.or(Starts::of(b"r")),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    is_stamp(line) && matches!(line.get(LETTER - 1..LETTER + 4), Some([b' ', b'A'..=b'Z', b' ', b'|', b' ']))
        || matches!(line, [b'r', b'a', b'f', b't', b'0'..=b'9', _, _, _, b'/', _, _, b'/', _, _, b' ', ..])
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    if let Some(line) = line.strip_prefix(RAFT) {
        return raft(line, context, fields);
    }
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let level = match rest.as_bytes() {
        [b' ', b'C', b' ', b'|', b' ', ..] => "fatal",
        [b' ', b'E', b' ', b'|', b' ', ..] => "error",
        [b' ', b'W', b' ', b'|', b' ', ..] => "warn",
        [b' ', b'N' | b'I', b' ', b'|', b' ', ..] => "info",
        [b' ', b'D', b' ', b'|', b' ', ..] => "debug",
        [b' ', b'T', b' ', b'|', b' ', ..] => "trace",
        _ => return stop(rest, "a level's letter"),
    };
    let rest = &rest[5..];
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    let head = &rest.as_bytes()[..rest.len().min(PACKAGE_BYTES_MAX)];
    match memmem::find(head, b": ") {
        Some(end) if !head[..end].contains(&b' ') => {
            fields.push_present("log.logger", &rest[..end]);
            Ok((&rest[end + 2..], ()))
        }
        _ => Ok((rest, ())),
    }
}

/// `2026/01/02 03:04:05 INFO: text`, behind the package's name.
fn raft<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let Some(rest) = rest.strip_prefix(' ') else { return stop(rest, "a space") };
    let (rest, level) = level_word(rest)?;
    let Some(rest) = rest.strip_prefix(": ") else { return stop(rest, "a colon") };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("log.logger", Value::text(RAFT));
    Ok((rest, ()))
}
