//! glog and klog, the loggers of Kubernetes and of Google's C++: `I0102 15:04:05.678901   77 file.go:42] text`.

use super::{Context, Format, Starts, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::parts::{headed, put_place};
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
    rank: 7,
    starts: Starts::of(b"IWEFD"),
    open_ended: true,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    matches!(line, [b'I' | b'W' | b'E' | b'F' | b'D', a, b, c, d, b' ', ..] if [a, b, c, d].iter().all(|b| b.is_ascii_digit()))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some(level) = line.bytes().next().and_then(level::from_glog) else { return stop(line, "a level's letter") };
    let (rest, stamp) = glog_prefix(&line[1..], context.received, context.utc_offset_s)?;
    let (rest, _) = space1(rest)?;
    let (rest, thread) = u32(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let head = &rest.as_bytes()[..rest.len().min(HEADER_BYTES_MAX)];
    let Some(end) = memmem::find(head, b"]") else { return stop(rest, "a closing bracket") };
    let (place, message) = (&rest[..end], &rest[end + 1..]);
    if place.rsplit_once(':').is_none_or(|(_, line)| line.parse::<std::primitive::u32>().is_err()) {
        return stop(rest, "a file and a line");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("process.thread.id", Value::Int(i64::from(thread)));
    put_place(place, fields);
    Ok((message.strip_prefix(' ').unwrap_or(message), ()))
}
