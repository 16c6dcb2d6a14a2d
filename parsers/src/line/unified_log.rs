//! Apple's unified log as `log show` and `log stream` print it:
//! `2026-01-02 03:04:05.678901+0100 0x1a2b     Default     0x0                  77     0    launchd: (libxpc) [com.example.a:b] text`
//! and `--style compact`: `2026-01-02 03:04:05.678 Df launchd[77:1a2b] [com.example.a:b] text`.
//!
//! Source: `log(1)`. `Default` is `info`, `Fault` is `fatal`. Subsystem and category are the logger; the library stays in
//! the message.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::iso8601_prefix;

/// Longer names of processes are text.
const NAME_BYTES_MAX: usize = 255;

/// Apple's unified log.
pub const FORMAT: Format = Format {
    name: "unified_log",
    summary: "macOS and iOS: log show, log stream, default and compact style",
    example: "2026-01-02 03:04:05.678901+0100 0x1a2b     Default     0x0                  77     0    launchd: [com.example.a:b] up",
    rank: 69,
    starts: Starts::of(b"2"),
    below: Below::Message,
    probe: |line| {
        line.get(10) == Some(&b' ')
            && (matches!(line.get(23), Some(b' ')) || line.get(31..34) == Some(b" 0x"))
            && line.get(19) == Some(&b'.')
    },
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (rest, stamp) = prefix(line, iso8601_prefix(line, context.utc_offset_s))?;
    stamp.put(&mut fields);
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let step = if rest.starts_with("0x") { table(rest, &mut fields) } else { compact(rest, &mut fields) };
    let (message, ()) = prefix(line, step)?;
    if let Some(logger) = logger(message) {
        fields.push("log.logger", Value::text(logger));
    }
    fields.push_present("message", message);
    Ok(fields)
}

/// `0x1a2b     Default     0x0                  77     0    launchd: text`.
fn table<'a>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, thread) = hex(input)?;
    let (rest, kind) = column(rest);
    let level = match kind {
        "Default" | "Info" | "Activity" | "State" | "Signpost" => "info",
        "Debug" => "debug",
        "Error" => "error",
        "Fault" => "fatal",
        _ => return stop(rest, "a type"),
    };
    let (rest, _activity) = hex(rest)?;
    let (rest, process) = column(rest);
    let (rest, lifetime) = column(rest);
    let (Ok(process), Ok(_)) = (process.parse::<u32>(), lifetime.parse::<u32>()) else {
        return stop(rest, "a process number");
    };
    let head = &rest.as_bytes()[..rest.len().min(NAME_BYTES_MAX)];
    let Some(end) = memchr::memchr(b':', head) else { return stop(rest, "a process and a colon") };
    fields.push("log.level", Value::text(level));
    fields.push_present("process.name", &rest[..end]);
    fields.push("process.pid", Value::Int(i64::from(process)));
    fields.push("process.thread.id", Value::Int(thread));
    Ok((rest[end + 1..].trim_start_matches(' '), ()))
}

/// A word and the spaces around it.
fn column(input: &str) -> (&str, &str) {
    let rest = input.trim_start_matches(' ');
    let end = memchr::memchr(b' ', rest.as_bytes()).unwrap_or(rest.len());
    (rest[end..].trim_start_matches(' '), &rest[..end])
}

fn hex(input: &str) -> Step<'_, i64> {
    let (rest, word) = column(input);
    match word.strip_prefix("0x").map(|digits| i64::from_str_radix(digits, 16)) {
        Some(Ok(number)) if number >= 0 => Ok((rest, number)),
        _ => stop(input, "a hexadecimal number"),
    }
}

/// `Df launchd[77:1a2b] text`.
fn compact<'a>(input: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, kind) = column(input);
    let level = match kind {
        "Df" | "I" | "A" => "info",
        "Db" => "debug",
        "E" => "error",
        "F" => "fatal",
        _ => return stop(input, "a type"),
    };
    let head = &rest.as_bytes()[..rest.len().min(NAME_BYTES_MAX)];
    let Some(end) = memchr::memchr(b'[', head) else { return stop(rest, "a process") };
    let Some((ids, message)) = rest[end + 1..].split_once("] ") else { return stop(rest, "a closing bracket") };
    let Some((process, thread)) = ids.split_once(':') else { return stop(rest, "a process and a thread") };
    let (Ok(process), Ok(thread)) = (process.parse::<u32>(), u32::from_str_radix(thread, 16)) else {
        return stop(rest, "a process and a thread");
    };
    fields.push("log.level", Value::text(level));
    fields.push_present("process.name", &rest[..end]);
    fields.push("process.pid", Value::Int(i64::from(process)));
    fields.push("process.thread.id", Value::Int(i64::from(thread)));
    Ok((message, ()))
}

/// `(library) [subsystem:category] text`.
fn logger(message: &str) -> Option<&str> {
    let rest = match message.strip_prefix('(') {
        Some(inner) => inner.split_once(") ")?.1,
        None => message,
    };
    let (name, _) = rest.strip_prefix('[')?.split_once(']')?;
    (name.contains(':') && !name.contains(' ')).then_some(name)
}
