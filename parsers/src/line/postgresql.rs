//! PostgreSQL's server log in text (`log_destination = stderr`), with the prefixes (`log_line_prefix`) of the default
//! configuration, of Debian, of pgBadger's manual and of Amazon RDS.
//!
//! A stamp, somewhere behind it the process id in brackets, and a severity with a colon and two spaces, which is what
//! PostgreSQL always writes: whatever else the prefix holds may be missing or in another order. The lines that
//! belong to the message before (`DETAIL`, `HINT`, `STATEMENT`, ..) are of level info and name their kind.

use super::access::CLIENT;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::line::parts::nanos;
use crate::time::{Stamp, iso8601_prefix};
use memchr::{memchr, memmem};
use std::borrow::Cow;

/// How far from its start a header reaches at most.
const HEADER_BYTES_MAX: usize = 512;
/// What PostgreSQL shows in place of a name that it does not know.
const UNKNOWN: &str = "[unknown]";
const NANOS_PER_MS: i64 = 1_000_000;

/// The first two characters of the codes of states.
const STATE_CLASSES: [&str; 44] = [
    "00", "01", "02", "03", "08", "09", "0A", "0B", "0F", "0L", "0P", "0Z", "20", "21", "22", "23", "24", "25", "26",
    "27", "28", "2B", "2D", "2F", "34", "38", "39", "3B", "3D", "3F", "40", "42", "44", "53", "54", "55", "57", "58",
    "72", "F0", "HV", "P0", "XX", "10",
];

/// The field of a statement, which may have several lines.
pub(super) const QUERY: &str = "postgresql.log.query";

/// The text log.
pub const FORMAT: Format = Format {
    name: "postgresql",
    summary: "PostgreSQL's server log, with the usual line prefixes",
    example: "2026-01-02 03:04:05.678 UTC [4711] ann@shop ERROR:  relation \"cart\" does not exist at character 15",
    rank: 100,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    is_stamp(line) && severity_at(line).is_some()
}

/// `2026-01-02 03:04:05`.
pub(super) fn is_stamp(line: &[u8]) -> bool {
    matches!(line, [b'0'..=b'9', _, _, _, b'-', _, _, b'-', _, _, b' ', _, _, b':', _, _, b':', b'0'..=b'9', ..])
}

/// Where the colon behind the severity is.
fn severity_at(line: &[u8]) -> Option<usize> {
    let head = &line[..line.len().min(HEADER_BYTES_MAX)];
    let colon = memmem::find(head, b":  ")?;
    head[colon.saturating_sub(1)].is_ascii_alphanumeric().then_some(colon)
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (message, kind) = prefix(line, header(line, context, &mut fields))?;
    put_statement_parts(message, kind, Value::text, &mut fields);
    fields.push("message", Value::text(message));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, &'a str> {
    let (rest, stamp) = stamp_prefix(line, context)?;
    let Some(colon) = severity_at(line.as_bytes()) else { return stop(rest, "a severity") };
    // A stamp holds no colon with spaces, so the severity is behind it.
    let Some(head) = line.get(line.len() - rest.len()..colon) else { return stop(rest, "a severity") };
    let start = head.len() - head.bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
    let (names, word) = head.split_at(start);
    let Some(level) = severity(word) else { return stop(rest, "a severity") };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    let known =
        if let Some(names) = names.strip_prefix(':') { put_rds(names, fields) } else { put_names(names, fields) };
    // `%t ` alone: two spaces behind the severity are PostgreSQL's, nothing else stands there, and the stamp names its zone.
    let alone = names == " " && names_zone(&line[..line.len() - rest.len()]);
    if !known && !alone {
        return stop(rest, "a process id in brackets");
    }
    if is_addition(word) {
        fields.push("postgresql.log.kind", Value::text(word));
    }
    Ok((&line[colon + 3..], word))
}

/// The stamp with its zone, which is an abbreviation: of one that is not in the list the reader's zone is taken.
pub(super) fn stamp_prefix<'a>(input: &'a str, context: &Context) -> Step<'a, Stamp> {
    let (rest, stamp) = iso8601_prefix(input, context.utc_offset_s)?;
    let Some(word) = rest.strip_prefix(' ') else { return Ok((rest, stamp)) };
    let letters = word.bytes().take_while(u8::is_ascii_uppercase).count();
    if let Some(hours) = word.strip_prefix(['+', '-'])
        && let Some((hours, _)) = hours.split_at_checked(2)
        && let Ok(hours) = hours.parse::<u8>()
    {
        let offset = i32::from(hours) * if word.starts_with('-') { -3_600 } else { 3_600 };
        return iso8601_prefix(input, offset).map(|(rest, stamp)| (&rest[4..], stamp));
    }
    // `LOG:  `: the severity, behind a zone that was read already.
    if word[letters..].starts_with(":  ") {
        return Ok((rest, stamp));
    }
    if !(2..=5).contains(&letters) || !matches!(word.as_bytes().get(letters), Some(b' ' | b',' | b':' | b'"') | None) {
        return Ok((rest, stamp));
    }
    let offset = zone(&word[..letters]).map_or(context.utc_offset_s, |hours| hours * 3_600);
    iso8601_prefix(input, offset).map(|(rest, stamp)| (&rest[1 + letters..], stamp))
}

/// Whether a stamp goes on behind its time of day.
fn names_zone(stamp: &str) -> bool {
    let behind = stamp.get("2026-01-02 03:04:05".len()..).unwrap_or_default();
    !behind.trim_start_matches(|c: char| matches!(c, '.' | ',') || c.is_ascii_digit()).is_empty()
}

/// Hours east of Greenwich. Abbreviations that mean several zones are left out.
fn zone(word: &str) -> Option<i32> {
    Some(match word {
        "WET" => 0,
        "CET" | "WEST" | "MEZ" => 1,
        "CEST" | "EET" | "SAST" | "MESZ" => 2,
        "EEST" | "MSK" => 3,
        "JST" | "KST" => 9,
        "AEST" => 10,
        "AEDT" => 11,
        "NZST" => 12,
        "NZDT" => 13,
        "EDT" => -4,
        "EST" => -5,
        "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return None,
    })
}

/// The level of a severity.
pub(super) fn severity(word: &str) -> Option<&'static str> {
    Some(match word {
        "LOG" | "INFO" | "NOTICE" => "info",
        "WARNING" => "warn",
        "ERROR" => "error",
        "FATAL" | "PANIC" => "fatal",
        "DEBUG" | "DEBUG1" | "DEBUG2" | "DEBUG3" | "DEBUG4" | "DEBUG5" => "debug",
        word if is_addition(word) => "info",
        _ => return None,
    })
}

/// Whether a line only adds to the one before.
fn is_addition(word: &str) -> bool {
    matches!(word, "DETAIL" | "HINT" | "STATEMENT" | "CONTEXT" | "QUERY" | "LOCATION" | "BACKTRACE")
}

/// `192.0.2.7(54321):ann@shop:[77]:`, what RDS writes behind stamp and colon.
fn put_rds<'a>(names: &'a str, fields: &mut Fields<'a>) -> bool {
    let Some((names, process)) = names.rsplit_once(":[") else { return false };
    let Some(pid) = process.strip_suffix("]:").and_then(|pid| pid.parse::<u32>().ok()) else { return false };
    let client = names.rfind("):").map(|end| end + 1).or_else(|| names.find(':'));
    let Some((client, user)) = client.map(|end| (&names[..end], &names[end + 1..])) else { return false };
    fields.push("process.pid", Value::Int(i64::from(pid)));
    put_client(client, fields);
    put_user(user, fields);
    true
}

/// What a prefix may hold in any order: `[77]` or `[77-1]`, `[3-1]`, `ann@shop`, `192.0.2.7(54321)`, a session, a state's
/// code, and pairs from the first one on (`user=ann,db=shop`). Says whether a process id was there.
fn put_names<'a>(names: &'a str, fields: &mut Fields<'a>) -> bool {
    let pairs = memchr(b'=', names.as_bytes())
        .map_or(names.len(), |equals| names[..equals].rfind([' ', '[', ',', '(']).map_or(0, |before| before + 1));
    let (words, pairs) = names.split_at(pairs);
    let mut pid = false;
    for word in words.split(' ') {
        let word = word.trim_end_matches([':', ',']);
        if let Some(inner) = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
            let (number, line) = inner.split_once('-').map_or((inner, None), |(number, line)| (number, Some(line)));
            let Ok(number) = number.parse::<u32>() else { continue };
            match (pid, line) {
                (false, _) => fields.push("process.pid", Value::Int(i64::from(number))),
                (true, Some("1")) => fields.push("postgresql.log.session_line_number", Value::Int(i64::from(number))),
                (true, _) => {}
            }
            pid = true;
        } else if let Some((user, database)) = word.split_once('@') {
            // `ann@shop/psql`, with the application.
            let (database, application) = database.split_once('/').unwrap_or((database, ""));
            put_once("user.name", user, fields);
            put_once("postgresql.log.database", database, fields);
            put_once("postgresql.log.application_name", application, fields);
        } else if word.ends_with(')') {
            put_client(word, fields);
        } else if is_session(word) {
            put_once("postgresql.log.session_id", word, fields);
        } else if is_state(word) {
            put_once("postgresql.log.sql_state_code", word, fields);
        }
    }
    for pair in pairs.trim_end_matches([' ', ':', ']', ')']).split(',') {
        if let Some((key, value)) = pair.trim_start().split_once('=') {
            put_pair(key, value, fields);
        }
    }
    pid
}

/// `6b016c6c.4345`: when the session began and its process, in hexadecimal digits.
fn is_session(word: &str) -> bool {
    let hexadecimal = |part: &str, least: usize| part.len() >= least && part.bytes().all(|b| b.is_ascii_hexdigit());
    word.len() <= 17
        && word.split_once('.').is_some_and(|(began, process)| hexadecimal(began, 8) && hexadecimal(process, 1))
}

/// `42P01`: five digits and capitals, of one of the classes that PostgreSQL's manual lists.
fn is_state(word: &str) -> bool {
    let mark = |b: u8| b.is_ascii_digit() || b.is_ascii_uppercase();
    word.len() == 5 && word.bytes().all(mark) && STATE_CLASSES.contains(&&word[..2])
}

fn put_pair<'a>(key: &str, value: &'a str, fields: &mut Fields<'a>) {
    let value = value.trim_end();
    let name = match key {
        "user" | "usr" => "user.name",
        "db" | "database" => "postgresql.log.database",
        "app" | "application" => "postgresql.log.application_name",
        "client" | "host" | "remote" => return put_client(value, fields),
        _ => return,
    };
    put_once(name, value, fields);
}

/// `192.0.2.7(54321)`, `192.0.2.7`, `[local]`.
fn put_client<'a>(client: &'a str, fields: &mut Fields<'a>) {
    let (address, port) = match client.strip_suffix(')').and_then(|client| client.split_once('(')) {
        Some((address, port)) => (address, port.parse::<u16>().ok()),
        None => (client, None),
    };
    if address.is_empty() || address.starts_with('[') || fields.get("client.ip").is_some() {
        return;
    }
    CLIENT.put(address, fields);
    if let Some(port) = port {
        fields.push("client.port", Value::Int(i64::from(port)));
    }
}

/// `ann@shop`: the user, then the database.
fn put_user<'a>(word: &'a str, fields: &mut Fields<'a>) {
    if let Some((user, database)) = word.rsplit_once('@') {
        put_once("user.name", user, fields);
        put_once("postgresql.log.database", database, fields);
    }
}

fn put_once<'a>(name: &'static str, value: &'a str, fields: &mut Fields<'a>) {
    if value != UNKNOWN && !value.contains("[unknown") && fields.get(name).is_none() {
        fields.push_present(name, value);
    }
}

/// [`put_statement_parts`] of a text that borrows from the line or not.
#[allow(clippy::ptr_arg, reason = "whether the text borrows from the line decides what is kept")]
pub(super) fn put_statement<'a>(message: &Cow<'a, str>, kind: &str, fields: &mut Fields<'a>) {
    match message {
        Cow::Borrowed(text) => put_statement_parts(text, kind, Value::text, fields),
        Cow::Owned(text) => put_statement_parts(text, kind, |part| Value::Str(Cow::Owned(part.to_owned())), fields),
    }
}

/// `duration: 12.345 ms  statement: SELECT 1`, either half alone too, and the text of `STATEMENT` lines.
fn put_statement_parts<'t, 'a>(message: &'t str, kind: &str, keep: fn(&'t str) -> Value<'a>, fields: &mut Fields<'a>) {
    if matches!(kind, "STATEMENT" | "QUERY") {
        return fields.push(QUERY, keep(message));
    }
    if kind != "LOG" {
        return;
    }
    let mut text = message;
    if let Some(rest) = message.strip_prefix("duration: ") {
        let Some((number, rest)) = rest.split_once(" ms") else { return };
        let Some(duration) = nanos(number, NANOS_PER_MS) else { return };
        fields.push("event.duration", Value::Int(duration));
        text = rest.trim_start();
    }
    let Some((step, query)) = text.split_once(": ") else { return };
    let (step, name) = step.split_once(' ').unwrap_or((step, ""));
    if matches!(step, "statement" | "execute" | "parse" | "bind") && (step == "statement") == name.is_empty() {
        fields.push("postgresql.log.query_step", keep(step));
        let name = name.strip_prefix("fetch from ").unwrap_or(name);
        if !matches!(name, "" | "<unnamed>") {
            fields.push("postgresql.log.query_name", keep(name));
        }
        if !query.is_empty() {
            fields.push(QUERY, keep(query));
        }
    }
}
