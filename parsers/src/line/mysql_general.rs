//! The general query log of MySQL and MariaDB: `2026-01-02T03:04:05.678901Z<tab>   8 Query<tab>SELECT 1`.
//!
//! The argument is the message, or where a command has none, the command. The log knows no levels. Lines of MariaDB that
//! leave the stamp out are not recognised.

use super::{Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, prefix, stop};
use crate::time::iso8601_prefix;
use memchr::memchr;
use nom::Parser;
use nom::character::complete::{space0, u32};

/// `Binlog Dump GTID` is the longest command.
const COMMAND_BYTES_MAX: usize = 20;
/// A stamp with an offset reaches so far at most.
const STAMP_BYTES_MAX: usize = 40;

/// The general log.
pub const FORMAT: Format = Format {
    name: "mysql_general",
    summary: "the general query log of MySQL and MariaDB",
    example: "2026-01-02T03:04:05.678901Z\t    8 Query\tSELECT * FROM cart WHERE id = 7",
    rank: 105,
    starts: Starts::DIGIT,
    open_ended: true,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let head = &line[..line.len().min(STAMP_BYTES_MAX)];
    matches!(head, [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..]) && memchr(b'\t', head).is_some()
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (argument, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(argument));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let (rest, ()) = byte(b'\t', "a tab").parse(rest)?;
    let (rest, (_, thread, ())) = (space0, u32, byte(b' ', "a space")).parse(rest)?;
    let head = &rest.as_bytes()[..rest.len().min(COMMAND_BYTES_MAX)];
    let (command, rest) = match memchr(b'\t', head) {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None if rest.len() <= COMMAND_BYTES_MAX => (rest, ""),
        None => return stop(rest, "a command and a tab"),
    };
    if !command.starts_with(|c: char| c.is_ascii_uppercase()) {
        return stop(rest, "a command");
    }
    stamp.put(fields);
    fields.push("mysql.thread_id", Value::Int(i64::from(thread)));
    fields.push("event.action", Value::text(command));
    if command == "Connect"
        && let Some((user, rest)) = rest.split_once('@')
        && let Some((_, database)) = rest.split_once(" on ")
    {
        fields.push_present("user.name", user);
        fields.push_present("mysql.database", database.split(' ').next().unwrap_or_default());
    }
    Ok((if rest.is_empty() { command } else { rest }, ()))
}
