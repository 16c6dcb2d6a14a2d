//! glog and klog, the loggers of Kubernetes and of Google's C++: `I0102 15:04:05.678901   77 file.go:42] text`. glog writes the
//! year in front of the day since version 0.6. The pairs behind a structured message become fields and stay in the message.

use super::{Below, Context, Format, Starts, level, pairs};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::parts::{headed, put_place};
use crate::time::{glog_prefix, glog_year_prefix};
use memchr::memmem;
use nom::Parser;
use nom::character::complete::{space1, u32};
use std::borrow::Cow;

/// How far from its start a header reaches at most.
const HEADER_BYTES_MAX: usize = 512;

/// glog, klog.
pub const FORMAT: Format = Format {
    name: "klog",
    summary: "glog and klog: Kubernetes components, Google's C++ programs",
    example: "I0102 03:04:05.678901   4711 controller.go:42] Starting workers",
    rank: 7,
    starts: Starts::of(b"IWEFD"),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let digits = line.iter().skip(1).take(9).take_while(|b| b.is_ascii_digit()).count();
    matches!(line, [b'I' | b'W' | b'E' | b'F' | b'D', ..])
        && matches!(digits, 4 | 8)
        && line.get(1 + digits) == Some(&b' ')
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = headed(line, context, header)?;
    // `"Pod updated" pod="kube-system/dns-1" status="ready"`.
    if let Some(Value::Str(Cow::Borrowed(text))) =
        fields.get("message").filter(|text| text.as_str().is_some_and(|text| text.starts_with('"')))
    {
        pairs::add_trailing(text, context, &mut fields);
    }
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some(level) = line.bytes().next().and_then(level::from_glog) else { return stop(line, "a level's letter") };
    let year = line.bytes().skip(1).take(8).all(|b| b.is_ascii_digit());
    let (rest, stamp) = if year {
        glog_year_prefix(&line[1..], context.utc_offset_s)?
    } else {
        glog_prefix(&line[1..], context.received, context.utc_offset_s)?
    };
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
