//! The general query log of MySQL and MariaDB: `2026-01-02T03:04:05.678901Z<tab>   8 Query<tab>SELECT 1`.
//!
//! MariaDB and MySQL before 5.7 write the stamp as `260102  3:04:05`, and only where the second has changed: other lines begin
//! with two tabs and have no time. The argument is the message, or where a command has none, the command. The log knows no
//! levels.

use super::mysql::stamp as stamp_of_error_log;
use super::{Below, Context, Format, Starts};
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

/// Where the tab behind a stamp like `260102  3:04:05` is.
const SHORT_STAMP_BYTES: usize = 15;
/// The commands of clients: a line without a stamp has to name one.
const COMMANDS: [&str; 25] = [
    "Binlog Dump",
    "Change user",
    "Close stmt",
    "Connect",
    "Create DB",
    "Daemon",
    "Debug",
    "Drop DB",
    "Execute",
    "Fetch",
    "Field List",
    "Init DB",
    "Kill",
    "Long Data",
    "Ping",
    "Prepare",
    "Processlist",
    "Query",
    "Quit",
    "Refresh",
    "Register Slave",
    "Reset stmt",
    "Set option",
    "Shutdown",
    "Statistics",
];

/// The general log.
pub const FORMAT: Format = Format {
    name: "mysql_general",
    summary: "the general query log of MySQL and MariaDB",
    example: "2026-01-02T03:04:05.678901Z\t    8 Query\tSELECT * FROM cart WHERE id = 7",
    rank: 105,
    starts: Starts::DIGIT.or(Starts::of(b"\t")),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let head = &line[..line.len().min(STAMP_BYTES_MAX)];
    matches!(head, [b'\t', b'\t', b' ' | b'0'..=b'9', ..])
        || matches!(head, [_, _, _, _, b'-', _, _, b'-', _, _, b'T', ..]) && memchr(b'\t', head).is_some()
        || is_short_stamp(line) && line.get(SHORT_STAMP_BYTES) == Some(&b'\t')
}

/// `260102  3:04:05`.
fn is_short_stamp(line: &[u8]) -> bool {
    let date = line.len() > SHORT_STAMP_BYTES && line[..6].iter().all(u8::is_ascii_digit);
    date && matches!(line[6..SHORT_STAMP_BYTES], [b' ', _, _, b':', _, _, b':', _, _])
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (argument, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(argument));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = if let Some(rest) = line.strip_prefix("\t\t") {
        (rest, None)
    } else {
        let (rest, stamp) = if is_short_stamp(line.as_bytes()) {
            stamp_of_error_log(line, context)?
        } else {
            iso8601_prefix(line, context.utc_offset_s)?
        };
        (byte(b'\t', "a tab").parse(rest)?.0, Some(stamp))
    };
    let short = stamp.is_none();
    let (rest, (_, thread, ())) = (space0, u32, byte(b' ', "a space")).parse(rest)?;
    let head = &rest.as_bytes()[..rest.len().min(COMMAND_BYTES_MAX)];
    let (command, rest) = match memchr(b'\t', head) {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None if rest.len() <= COMMAND_BYTES_MAX => (rest, ""),
        None => return stop(rest, "a command and a tab"),
    };
    if !command.starts_with(|c: char| c.is_ascii_uppercase()) || short && !COMMANDS.contains(&command) {
        return stop(rest, "a command");
    }
    if let Some(stamp) = stamp {
        stamp.put(fields);
    }
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
