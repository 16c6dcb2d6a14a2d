//! Comma-separated values, also with tabs or semicolons, below a line that names the columns (RFC 4180).
//!
//! Rows mean nothing without their header, so only a stream that has shown one ([`Context::header`]) has any: a line of
//! three to [`COLUMNS_MAX`] different names, one of which is the name of a time. A row has as many columns as the header;
//! its values are named and understood like those of a logger's JSON. The header itself is a message. A value that goes on
//! over a line's end makes its row text.

use super::logfmt::scalar;
use super::{Below, Context, Format, Starts, normalize};
use crate::error::ParseError;
use crate::fields::{Field, Fields, Value};
use crate::grammar::{Step, prefix, stop};
use memchr::{memchr, memchr3};
use std::borrow::Cow;

/// A header names so many columns at most; a longer one is text.
pub const COLUMNS_MAX: usize = 128;
/// A header with fewer is rather a list of words.
const COLUMNS_MIN: usize = 3;
/// Longer names are prose.
const NAME_BYTES_MAX: usize = 64;
/// Longer lines are no headers.
const HEADER_BYTES_MAX: usize = 4_096;

/// The names, in any case, of the column that every log has.
const TIMES: [&str; 10] =
    ["time", "timestamp", "@timestamp", "_time", "date", "datetime", "ts", "event_time", "eventtime", "created_at"];

/// CSV and TSV.
pub const FORMAT: Format = Format {
    name: "csv",
    summary: "CSV and TSV below a line that names the columns, of which one is a time",
    example: "time,level,logger,message",
    rank: 12,
    starts: Starts::ANY,
    below: Below::Apart,
    probe: |line| separator(line).is_some(),
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    if is_header(line.as_bytes()) {
        fields.push("message", Value::text(line));
        return Ok(fields);
    }
    let Some((header, separator)) = context.header.and_then(|header| Some((header, separator(header.as_bytes())?)))
    else {
        return Err(ParseError::at(line, line, "a line before it that names the columns"));
    };
    prefix(line, row(line, header, separator, &mut fields))?;
    join_day_and_clock(&mut fields);
    normalize::normalize(&mut fields, context);
    if fields.get("message").is_none() {
        fields.push("message", Value::text(line));
    }
    Ok(fields)
}

fn row<'a>(line: &'a str, header: &str, separator: u8, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let mut names = header;
    let mut rest = Some(line);
    loop {
        let (name, more) = match column(names, separator) {
            Ok((more, name)) => (name, more),
            Err(_) => return stop(line, "a row of the columns"),
        };
        let Some(at) = rest else { return stop("", "as many columns as the header names") };
        let (after, value) = column(at, separator)?;
        rest = after.strip_prefix(char::from(separator));
        if !value.is_empty() && value != "-" {
            let value = match value {
                Cow::Borrowed(text) if !at.starts_with('"') => scalar(text),
                text => Value::Str(text),
            };
            fields.push(name.into_owned(), value);
        }
        match more.strip_prefix(char::from(separator)) {
            Some(more) => names = more,
            None if rest.is_none() => return Ok(("", ())),
            None => return stop(after, "the end"),
        }
    }
}

/// One value, up to the separator or the end, which are left.
fn column(input: &str, separator: u8) -> Step<'_, Cow<'_, str>> {
    let Some(quoted) = input.strip_prefix('"') else {
        let end = memchr(separator, input.as_bytes()).unwrap_or(input.len());
        return Ok((&input[end..], Cow::Borrowed(&input[..end])));
    };
    let mut end = 0;
    loop {
        let Some(quote) = memchr(b'"', &quoted.as_bytes()[end..]) else { return stop(input, "a closing quote") };
        end += quote + 1;
        match quoted.as_bytes().get(end) {
            Some(b'"') => end += 1,
            None => break,
            Some(byte) if *byte == separator => break,
            Some(_) => return stop(&quoted[end..], "a separator"),
        }
    }
    let text = &quoted[..end - 1];
    let text =
        if memchr(b'"', text.as_bytes()).is_some() { Cow::Owned(text.replace("\"\"", "\"")) } else { text.into() };
    Ok((&quoted[end..], text))
}

/// `date` and `time` in columns of their own.
fn join_day_and_clock(fields: &mut Fields<'_>) {
    let place =
        |fields: &Fields<'_>, name: &str| fields.items.iter().position(|field| field.name.eq_ignore_ascii_case(name));
    let (Some(day), Some(clock)) = (place(fields, "date"), place(fields, "time")) else { return };
    let (Some(date), Some(time)) = (fields.items[day].value.as_str(), fields.items[clock].value.as_str()) else {
        return;
    };
    if date.len() <= NAME_BYTES_MAX && time.len() <= NAME_BYTES_MAX && !date.contains(':') {
        let stamp = format!("{date} {time}");
        fields.items[clock] = Field { name: "time".into(), value: Value::Str(Cow::Owned(stamp)) };
        fields.items.remove(day);
    }
}

/// Whether the line names columns, of which one is a time.
pub(crate) fn is_header(line: &[u8]) -> bool {
    if !begins_with_name(line) {
        return false;
    }
    let Some(separator) = separator(line) else { return false };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > HEADER_BYTES_MAX {
        return false;
    }
    let names = || line.split(|byte| *byte == separator).map(unquoted);
    let count = names().count();
    (COLUMNS_MIN..=COLUMNS_MAX).contains(&count)
        && names().all(is_name)
        && names().any(|name| TIMES.iter().any(|time| time.as_bytes().eq_ignore_ascii_case(name)))
        && names().enumerate().all(|(at, name)| names().take(at).all(|before| before != name))
}

/// Whether a name and what may stand behind it come first, which is cheap to tell of the lines that are no headers.
fn begins_with_name(line: &[u8]) -> bool {
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let end = line.iter().take(NAME_BYTES_MAX + 1).position(|b| !is_name_byte(*b));
    end.is_some_and(|end| is_name(&line[..end]) && matches!(line[end], b',' | b'\t' | b';' | b'"'))
}

fn unquoted(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\"")).unwrap_or(name)
}

fn is_name(name: &[u8]) -> bool {
    name.len() <= NAME_BYTES_MAX
        && name.first().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'@'))
        && name.iter().all(|b| is_name_byte(*b))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@' | b' ' | b'/' | b'(' | b')')
}

/// The byte that ends the first of the line's columns.
fn separator(line: &[u8]) -> Option<u8> {
    let head = &line[..line.len().min(HEADER_BYTES_MAX)];
    let (start, head) = match head.strip_prefix(b"\"") {
        Some(quoted) => (memchr(b'"', quoted)? + 1, quoted),
        None => (0, head),
    };
    let tail = head.get(start..)?;
    memchr3(b',', b'\t', b';', tail).map(|at| tail[at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_names_of_which_one_is_a_time() {
        let check = |line: &str, expected| assert_eq!(is_header(line.as_bytes()), expected, "{line}");
        check("time,level,message", true);
        check("\"Timestamp\";\"Level\";\"Text of it\"\r", true);
        check("host\tservice\t_time", true);
        check("time,level", false);
        check("level,message,user", false);
        check("time,time,message", false);
        check("time,level,what: it", false);
        check("time, said the clock, was up", false);
        check("2026-01-02,info,time", false);
        check("", false);
        check(&format!("time{}", ",a".repeat(2_000)), false);
    }
}
