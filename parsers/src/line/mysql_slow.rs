//! The headers of the slow query log of MySQL, MariaDB and Percona: lines that begin with `# Time:`, `# User@Host:`,
//! `# Query_time:`, and `SET timestamp=...;`, which MySQL writes before each statement.
//!
//! The whole line is the message. Where an entry's lines are one record, the fields of all its headers are read, and the
//! statement is a field, too.

use super::access::CLIENT;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::line::parts::nanos;
use crate::time::{NANOS_PER_SECOND, epoch_text, iso8601_prefix};

/// How many pairs of a line are read.
const PAIRS_MAX: usize = 40;

/// The slow log's headers.
pub const FORMAT: Format = Format {
    name: "mysql_slow",
    summary: "headers of the slow query log of MySQL, MariaDB and Percona",
    example: "# Query_time: 1.234567  Lock_time: 0.000012 Rows_sent: 1  Rows_examined: 40000",
    rank: 106,
    starts: Starts::of(b"#S"),
    below: Below::Entry(read_entry),
    probe,
    parse,
};

const LEADS: [&str; 6] =
    ["# Time: ", "# User@Host: ", "# Query_time: ", "# Thread_id: ", "# Schema: ", "SET timestamp="];

fn probe(line: &[u8]) -> bool {
    LEADS.iter().any(|lead| line.starts_with(lead.as_bytes()))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(line));
    Ok(fields)
}

/// Reads the lines of an entry below its first: the other headers, then the statement.
fn read_entry<'a>(mut rest: &'a str, context: &Context, fields: &mut Fields<'a>) {
    while !rest.is_empty() {
        let (line, below) = rest.split_once('\n').unwrap_or((rest, ""));
        let line = line.trim_end_matches('\r');
        let is_use = line.starts_with("use ") && line.ends_with(';');
        if !is_use && !probe(line.as_bytes()) && line != "#" && !line.starts_with("# ") {
            break;
        }
        let time = fields.time;
        // What is no header of ours gives no field.
        let _ = header(line, context, fields);
        // `# Time` says more than the whole seconds of the statement.
        fields.time = time.or(fields.time);
        rest = below;
    }
    fields.push_present("mysql.slowlog.query", rest.trim_end());
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    if let Some(seconds) = line.strip_prefix("SET timestamp=") {
        let Some(stamp) = seconds.strip_suffix(';').and_then(epoch_text) else { return stop(seconds, "a stamp") };
        stamp.put(fields);
    } else if let Some(rest) = line.strip_prefix("# Time: ") {
        // MariaDB and old MySQL show the day as `260102`: there `SET timestamp` has the time.
        if rest.as_bytes().get(4) == Some(&b'-') {
            iso8601_prefix(rest, context.utc_offset_s)?.1.put(fields);
        } else if !rest.starts_with(|c: char| c.is_ascii_digit()) {
            return stop(rest, "a stamp");
        }
    } else if let Some(rest) = line.strip_prefix("# User@Host: ") {
        put_user(rest, fields);
    } else if let Some(rest) = line.strip_prefix("# ") {
        put_pairs(rest, fields);
        if fields.items.is_empty() {
            return stop(rest, "a pair");
        }
    } else {
        return stop(line, "a header");
    }
    Ok(("", ()))
}

/// `ann[ann] @ web-1 [192.0.2.7]  Id:     8`.
fn put_user<'a>(text: &'a str, fields: &mut Fields<'a>) {
    if fields.get("user.name").is_some() || fields.get("client.ip").is_some() {
        return;
    }
    let Some((granted, rest)) = text.split_once('[') else { return };
    let (named, rest) = rest.split_once(']').unwrap_or(("", rest));
    // Before the server has looked up what is granted, only the name that was given is there.
    fields.push_present("user.name", if granted.is_empty() { named } else { granted });
    let Some((_, host)) = rest.split_once("@ ") else { return };
    let Some((name, rest)) = host.split_once('[') else { return };
    let Some((address, rest)) = rest.split_once(']') else { return };
    CLIENT.put(address, fields);
    if fields.get("client.domain").is_none() {
        fields.push_present("client.domain", name.trim_end());
    }
    put_pairs(rest, fields);
}

/// `Query_time: 1.234567  Lock_time: 0.000012 Rows_sent: 1`. A name without a value (`Schema:`) gives no field.
fn put_pairs<'a>(text: &'a str, fields: &mut Fields<'a>) {
    let mut words = text.split_ascii_whitespace().peekable();
    for _ in 0..PAIRS_MAX {
        let Some(word) = words.next() else { return };
        let Some(key) = word.strip_suffix(':') else { continue };
        if let Some(value) = words.next_if(|word| !word.ends_with(':')) {
            put_pair(key, value, fields);
        }
    }
}

fn put_pair<'a>(key: &str, value: &'a str, fields: &mut Fields<'a>) {
    let name = match key {
        "Query_time" => "event.duration",
        "Lock_time" => "mysql.slowlog.lock_time",
        "Rows_sent" => "mysql.slowlog.rows_sent",
        "Rows_examined" => "mysql.slowlog.rows_examined",
        "Rows_affected" => "mysql.slowlog.rows_affected",
        "Bytes_sent" => "mysql.slowlog.bytes_sent",
        "Id" | "Thread_id" => "mysql.thread_id",
        "Schema" => "mysql.database",
        "QC_hit" => "mysql.slowlog.query_cache_hit",
        "Full_scan" => "mysql.slowlog.full_scan",
        "Full_join" => "mysql.slowlog.full_join",
        "Tmp_table" => "mysql.slowlog.tmp_table",
        "Filesort" => "mysql.slowlog.filesort",
        "Last_errno" => "error.code",
        _ => return,
    };
    if fields.get(name).is_some() {
        return;
    }
    match (name, value) {
        ("event.duration", _) => {
            if let Some(duration) = nanos(value, NANOS_PER_SECOND) {
                fields.push(name, Value::Int(duration));
            }
        }
        ("error.code", "0") => {}
        ("error.code" | "mysql.database", _) => fields.push_present(name, value),
        (_, "Yes") => fields.push(name, Value::Bool(true)),
        (_, "No") => fields.push(name, Value::Bool(false)),
        _ => {
            if let Ok(number) = value.parse::<i64>() {
                fields.push(name, Value::Int(number));
            } else if let Ok(number) = value.parse::<f64>()
                && number.is_finite()
            {
                fields.push(name, Value::Float(number));
            }
        }
    }
}
