//! PostgreSQL's `log_destination = jsonlog`, of version 15 and later: the fields of the other two logs by their names there.

use super::access::CLIENT;
use super::postgresql::{is_stamp, put_statement, severity, stamp_prefix};
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Field, Fields, Places, Value};
use crate::grammar::complete;
use crate::json;
use memchr::memmem;
use std::borrow::Cow;

/// The first bytes of each line.
const LEAD: &[u8] = br#"{"timestamp":""#;
/// How far into a line the severity is looked for: names of users, databases and hosts stand before it.
const SEVERITY_OFFSET_MAX: usize = 1_024;

/// The JSON log.
pub const FORMAT: Format = Format {
    name: "postgresql_json",
    summary: "PostgreSQL's jsonlog",
    example: concat!(
        r#"{"timestamp":"2026-01-02 03:04:05.678 UTC","user":"ann","dbname":"shop","pid":4711,"#,
        r#""error_severity":"ERROR","state_code":"42P01","message":"relation \"cart\" does not exist"}"#
    ),
    rank: 102,
    starts: Starts::of(b"{"),
    below: Below::Apart,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    line.strip_prefix(LEAD).is_some_and(is_stamp)
        && memmem::find(&line[..line.len().min(SEVERITY_OFFSET_MAX)], br#","error_severity":""#).is_some()
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut read = Fields::default();
    json::parse_object(line, &mut read)?;
    let mut fields = Fields { tags: read.tags, ..Fields::default() };
    let mut kind = "";
    let mut places = Places::default();
    for Field { name, value } in read.items {
        match (&*name, &value) {
            ("timestamp", Value::Str(text)) if fields.time.is_none() => {
                let Ok(stamp) = complete(text, stamp_prefix(text, context)) else {
                    return Err(ParseError::at(line, line, "a stamp"));
                };
                stamp.put(&mut fields);
            }
            ("error_severity", Value::Str(word)) => {
                let Some(level) = severity(word) else { return Err(ParseError::at(line, line, "a severity")) };
                kind = if word == "LOG" { "LOG" } else { "" };
                put("log.level", Value::text(level), &mut fields);
            }
            // A socket of this machine has no address.
            ("remote_host", Value::Str(address)) if address == "[local]" => {}
            ("remote_host", Value::Str(Cow::Borrowed(address))) => {
                CLIENT.put(address, &mut fields);
            }
            ("message", Value::Str(message)) => {
                put_statement(message, kind, &mut fields);
                put("message", value, &mut fields);
            }
            // Zero stands for no transaction and no query id.
            ("txid" | "query_id", Value::Int(0)) => {}
            _ => match renamed(&name) {
                Some(known) => put(known, value, &mut fields),
                None if places.of(&name, &fields).is_none() => fields.push(name, value),
                None => {}
            },
        }
    }
    Ok(fields)
}

fn put<'a>(name: &'static str, value: Value<'a>, fields: &mut Fields<'a>) {
    if fields.get(name).is_none() {
        fields.push(name, value);
    }
}

fn renamed(name: &str) -> Option<&'static str> {
    Some(match name {
        "user" => "user.name",
        "dbname" => "postgresql.log.database",
        "pid" => "process.pid",
        "remote_host" => "client.address",
        "remote_port" => "client.port",
        "session_id" => "postgresql.log.session_id",
        "line_num" => "postgresql.log.session_line_number",
        "ps" => "postgresql.log.command_tag",
        "session_start" => "postgresql.log.session_start_time",
        "vxid" => "postgresql.log.virtual_transaction_id",
        "txid" => "postgresql.log.transaction_id",
        "state_code" => "postgresql.log.sql_state_code",
        "detail" => "postgresql.log.detail",
        "hint" => "postgresql.log.hint",
        "internal_query" => "postgresql.log.internal_query",
        "internal_position" => "postgresql.log.internal_query_pos",
        "context" => "postgresql.log.context",
        "statement" => "postgresql.log.query",
        "cursor_position" => "postgresql.log.query_pos",
        "func_name" => "log.origin.function",
        "file_name" => "log.origin.file.name",
        "file_line_num" => "log.origin.file.line",
        "application_name" => "postgresql.log.application_name",
        "backend_type" => "postgresql.log.backend_type",
        "leader_pid" => "postgresql.log.leader_pid",
        "query_id" => "postgresql.log.query_id",
        _ => return None,
    })
}
