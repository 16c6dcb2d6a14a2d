//! Supervisor's log: `2026-01-02 03:04:05,678 INFO spawned: 'web' with pid 77`.
//!
//! Source: its documentation (`supervisord.conf`, section `[supervisord]`) and messages. Levels have four letters; `INFO` and
//! `WARN` have other programs too, so lines of those levels are only read where they begin as its sentences do.

use super::parts::headed;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::time::iso8601_prefix;

/// Supervisor.
pub const FORMAT: Format = Format {
    name: "supervisor",
    summary: "Supervisor's own log",
    example: "2026-01-02 03:04:05,678 INFO spawned: 'web' with pid 77",
    rank: 75,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// `2026-01-02 03:04:05,678 INFO `.
fn probe(line: &[u8]) -> bool {
    line.get(19) == Some(&b',') && line.get(23) == Some(&b' ') && line.get(28) == Some(&b' ')
}

/// How its sentences begin at levels that others share.
const SENTENCES: [&str; 27] = [
    "spawned: '",
    "exited: ",
    "success: ",
    "stopped: ",
    "gave up: ",
    "waiting for ",
    "killing '",
    "reaped ",
    "spawnerr: ",
    "supervisord started with pid ",
    "RPC interface '",
    "Set uid to user ",
    "daemonizing the supervisord process",
    "received SIG",
    "Included extra file ",
    "Creating socket ",
    "Closing socket ",
    "Increased RLIMIT_",
    "Unlinking stale ",
    "set current directory: ",
    "supervisord logreopen",
    "No file matches via include ",
    "Supervisor is running as root",
    "Supervisor running as root",
    "updated process group",
    "could not write pidfile ",
    "received unknown signal ",
];

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let Some((word, message)) = rest.strip_prefix(' ').and_then(|rest| rest.split_once(' ')) else {
        return stop(rest, "a level");
    };
    let (level, own) = match word {
        "CRIT" => ("fatal", true),
        "ERRO" => ("error", true),
        "DEBG" => ("debug", true),
        "TRAC" | "BLAT" => ("trace", true),
        "WARN" => ("warn", false),
        "INFO" => ("info", false),
        _ => return stop(rest, "a level of four letters"),
    };
    if !own && !SENTENCES.iter().any(|lead| message.starts_with(lead)) {
        return stop(message, "a sentence of Supervisor");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    Ok((message, ()))
}
