//! PostgreSQL's `log_destination = csvlog`: 23 columns in version 9, up to 26 since 14, in an order that never changed.
//!
//! A message of several lines leaves the record open at the end of the first one: what is there is read, and
//! the lines that follow belong to the message.

use super::access::CLIENT;
use super::postgresql::{put_statement, severity, stamp_prefix};
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, complete, prefix, stop};
use memchr::memchr;
use std::borrow::Cow;

/// The column of the severity.
const SEVERITY: usize = 11;
/// The column of the message.
const MESSAGE: usize = 13;
/// How many columns the newest version writes.
const COLUMNS_MAX: usize = 26;

/// The CSV log.
pub const FORMAT: Format = Format {
    name: "postgresql_csv",
    summary: "PostgreSQL's csvlog",
    example: concat!(
        r#"2026-01-02 03:04:05.678 UTC,"ann","shop",4711,"192.0.2.7:54321",65937f0a.1267,1,"SELECT","#,
        r#"2026-01-02 03:04:00 UTC,3/17,0,ERROR,42P01,"relation ""cart"" does not exist",,,,,,"SELECT 1",15,,"psql""#
    ),
    rank: 101,
    starts: Starts::DIGIT,
    below: Below::Apart,
    probe,
    parse,
};

/// `2026-01-02 03:04:05.678 UTC,`
fn probe(line: &[u8]) -> bool {
    super::postgresql::is_stamp(line)
        && matches!(line.get(19..24), Some([b'.', _, _, _, b' ']))
        && memchr(b',', &line[..line.len().min(32)]).is_some()
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (mut rest, stamp) = prefix(line, stamp_prefix(line, context))?;
    stamp.put(&mut fields);
    let mut kind = "";
    let mut column = 0;
    while let Some(after) = rest.strip_prefix(',') {
        column += 1;
        if column >= COLUMNS_MAX {
            return Err(ParseError::at(line, rest, "the end"));
        }
        let (after, value) = prefix(line, cell(after, column >= MESSAGE))?;
        rest = after;
        if column == SEVERITY {
            let word = value.as_ref().and_then(|value| severity(value));
            let Some(level) = word else { return Err(ParseError::at(line, rest, "a severity")) };
            fields.push("log.level", Value::text(level));
            kind = if matches!(value.as_deref(), Some("LOG")) { "LOG" } else { "" };
        } else if let Some(value) = value {
            put(column, value, kind, &mut fields);
        }
    }
    if column < MESSAGE {
        return Err(ParseError::at(line, rest, "more columns"));
    }
    complete(line, Ok((rest, fields)))
}

/// One column, and whether it has a value. The end of the line may end a quoted one where lines may be broken.
fn cell(input: &str, may_be_open: bool) -> Step<'_, Option<Cow<'_, str>>> {
    let Some(inner) = input.strip_prefix('"') else {
        let end = memchr(b',', input.as_bytes()).unwrap_or(input.len());
        return Ok((&input[end..], (end > 0).then(|| Cow::Borrowed(&input[..end]))));
    };
    let mut end = 0;
    let mut doubled = false;
    while let Some(found) = memchr(b'"', &inner.as_bytes()[end..]) {
        end += found;
        if inner.as_bytes().get(end + 1) != Some(&b'"') {
            return Ok((&inner[end + 1..], Some(unquoted(&inner[..end], doubled))));
        }
        doubled = true;
        end += 2;
    }
    if may_be_open { Ok(("", Some(unquoted(inner, doubled)))) } else { stop(inner, "a closing quote") }
}

fn unquoted(text: &str, doubled: bool) -> Cow<'_, str> {
    if !doubled {
        return Cow::Borrowed(text);
    }
    let mut single = String::with_capacity(text.len());
    for (number, part) in text.split("\"\"").enumerate() {
        if number > 0 {
            single.push('"');
        }
        single.push_str(part);
    }
    Cow::Owned(single)
}

fn put<'a>(column: usize, value: Cow<'a, str>, kind: &str, fields: &mut Fields<'a>) {
    let name = match column {
        1 => "user.name",
        2 => "postgresql.log.database",
        3 => "process.pid",
        4 => return put_client(value, fields),
        5 => "postgresql.log.session_id",
        6 => "postgresql.log.session_line_number",
        7 => "postgresql.log.command_tag",
        8 => "postgresql.log.session_start_time",
        9 => "postgresql.log.virtual_transaction_id",
        10 => "postgresql.log.transaction_id",
        12 => "postgresql.log.sql_state_code",
        13 => {
            put_statement(&value, kind, fields);
            "message"
        }
        14 => "postgresql.log.detail",
        15 => "postgresql.log.hint",
        16 => "postgresql.log.internal_query",
        17 => "postgresql.log.internal_query_pos",
        18 => "postgresql.log.context",
        19 => "postgresql.log.query",
        20 => "postgresql.log.query_pos",
        21 => "postgresql.log.location",
        22 => "postgresql.log.application_name",
        23 => "postgresql.log.backend_type",
        24 => "postgresql.log.leader_pid",
        _ => "postgresql.log.query_id",
    };
    let number = matches!(column, 3 | 6 | 10 | 17 | 20 | 24 | 25);
    match value.parse::<i64>() {
        // Zero stands for no transaction and no query id.
        Ok(0) if matches!(column, 10 | 25) => {}
        Ok(value) if number => fields.push(name, Value::Int(value)),
        // An empty name is none, an empty message is one.
        _ if fields.get(name).is_none() && (column == MESSAGE || !value.is_empty()) => {
            fields.push(name, Value::Str(value))
        }
        _ => {}
    }
}

/// `192.0.2.7:54321`, `2001:db8::7:54321` or `[local]`.
fn put_client<'a>(client: Cow<'a, str>, fields: &mut Fields<'a>) {
    let Cow::Borrowed(client) = client else { return };
    let (address, port) = match client.rsplit_once(':') {
        Some((address, port)) => (address, port.parse::<u16>().ok()),
        None => (client, None),
    };
    if address.starts_with('[') {
        return;
    }
    CLIENT.put(address, fields);
    if let Some(port) = port {
        fields.push("client.port", Value::Int(i64::from(port)));
    }
}
