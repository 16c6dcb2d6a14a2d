//! glog and klog, the loggers of Kubernetes and of Google's C++: `I0102 15:04:05.678901   77 file.go:42] text`.

use super::{Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, prefix, stop};
use crate::time::glog_prefix;
use memchr::memmem;
use nom::Parser;
use nom::character::complete::{space1, u32};

/// How far from its start a header reaches at most.
const HEADER_BYTES_MAX: usize = 512;

/// glog, klog.
pub const FORMAT: Format = Format {
    name: "klog",
    summary: "glog and klog: Kubernetes components, Google's C++ programs",
    example: "I0102 03:04:05.678901   4711 controller.go:42] Starting workers",
    rank: 3,
    starts: Starts::of(b"IWEFD"),
    open_ended: true,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    matches!(line, [b'I' | b'W' | b'E' | b'F' | b'D', a, b, c, d, b' ', ..] if [a, b, c, d].iter().all(|b| b.is_ascii_digit()))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(message));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let level = match line.as_bytes().first() {
        Some(b'I') => "info",
        Some(b'W') => "warn",
        Some(b'E') => "error",
        Some(b'F') => "fatal",
        Some(b'D') => "debug",
        _ => return stop(line, "a level's letter"),
    };
    let (rest, stamp) = glog_prefix(&line[1..], context.received, context.utc_offset_s)?;
    let (rest, _) = space1(rest)?;
    let (rest, thread) = u32(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let head = &rest.as_bytes()[..rest.len().min(HEADER_BYTES_MAX)];
    let Some(end) = memmem::find(head, b"]") else { return stop(rest, "a closing bracket") };
    let (place, message) = (&rest[..end], &rest[end + 1..]);
    let Some((file, number)) = place.rsplit_once(':') else { return stop(rest, "a file and a line") };
    let Ok(number) = number.parse::<std::primitive::u32>() else { return stop(rest, "a line's number") };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("process.thread.id", Value::Int(i64::from(thread)));
    fields.push("log.origin.file.name", Value::text(file));
    fields.push("log.origin.file.line", Value::Int(i64::from(number)));
    Ok((message.strip_prefix(' ').unwrap_or(message), ()))
}
