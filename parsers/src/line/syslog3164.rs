//! BSD syslog, RFC 3164, as daemons send it (`<34>Jan  2 03:04:05 web-1 sshd[77]: text`) and as files keep it,
//! without priority.
//!
//! With a priority everything else may be missing: stamp (also ISO 8601, as rsyslog writes it), host, tag. Without one
//! stamp, host and a tag with its colon must all be there.

use super::syslog5424::{priority, put_priority, word_end};
use super::{Context, Format, Starts, inner};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::{Stamp, iso8601_prefix, rfc3164_prefix};
use memchr::memchr3;
use nom::Parser;
use nom::branch::alt;
use nom::combinator::opt;

/// Longer first words are text, not a host or a program's name.
const NAME_BYTES_MAX: usize = 255;

/// Syslog of the last century, which most devices and files still speak.
pub const FORMAT: Format = Format {
    name: "syslog3164",
    summary: "BSD syslog by RFC 3164, with or without priority",
    example: "<34>Jan  2 03:04:05 web-1 sshd[4711]: Accepted publickey for ann",
    rank: 2,
    starts: Starts::UPPER.or(Starts::of(b"<")),
    open_ended: true,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    match line {
        [b'<', b'0'..=b'9', rest @ ..] => {
            let end = rest.iter().take(3).position(|b| *b == b'>');
            // What follows a newer message's priority is its version.
            end.is_some_and(|end| !matches!(rest[end + 1..], [b' ', ..] | [b'1', b' ', b'-' | b'0'..=b'9', ..]))
        }
        // `Jan  2 03:`
        [b'A'..=b'S', b'a'..=b'u', b'a'..=b'z', b' ', ..] => line.get(9) == Some(&b':') || line.get(8) == Some(&b':'),
        _ => false,
    }
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    // Where this format is forced, a line of the newer syslog must not pass for an odd one of this.
    if !probe(line.as_bytes()) {
        return Err(ParseError::at(line, line, "a priority or a stamp"));
    }
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    inner::message(message, context, &mut fields);
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, priority) = opt(priority).parse(line)?;
    if let Some(priority) = priority {
        put_priority(priority, fields);
    }
    let (rest, stamp) = opt(stamp(*context)).parse(rest)?;
    if let Some(stamp) = stamp {
        stamp.put(fields);
        let (host, after) = match word_end(rest, NAME_BYTES_MAX) {
            // A first word with a colon is the tag: some devices leave the host out.
            Some(end) if !rest[..end].ends_with(':') => (&rest[..end], &rest[end + 1..]),
            _ => ("", rest),
        };
        if let Ok((message, tag)) = tag(after) {
            fields.push_present("host.name", host);
            tag.put(fields);
            return Ok((message, ()));
        }
        if priority.is_some() {
            fields.push_present("host.name", host);
            return Ok((after, ()));
        }
        return stop(after, "a program's name and a colon");
    }
    match (priority, tag(rest)) {
        (None, _) => stop(line, "a priority or a stamp"),
        (_, Ok((message, tag))) if tag.process.is_some() => {
            tag.put(fields);
            Ok((message, ()))
        }
        _ => Ok((rest, ())),
    }
}

fn stamp<'a>(context: Context) -> impl Fn(&'a str) -> Step<'a, Stamp> {
    move |input| {
        let bsd = |input| rfc3164_prefix(input, context.received, context.utc_offset_s);
        let iso = |input| iso8601_prefix(input, context.utc_offset_s);
        let (rest, stamp) = alt((bsd, iso)).parse(input)?;
        // Cisco puts a colon behind the stamp.
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        rest.strip_prefix(' ').map_or_else(|| stop(rest, "a space"), |rest| Ok((rest, stamp)))
    }
}

struct Tag<'a> {
    program: &'a str,
    process: Option<&'a str>,
}

impl<'a> Tag<'a> {
    fn put(&self, fields: &mut Fields<'a>) {
        fields.push_present("process.name", self.program);
        if let Some(process) = self.process {
            match process.parse::<u32>() {
                Ok(pid) => fields.push("process.pid", Value::Int(i64::from(pid))),
                Err(_) => fields.push_present("log.syslog.procid", process),
            }
        }
    }
}

/// `sshd[4711]: ` or `kernel: `.
fn tag(input: &str) -> Step<'_, Tag<'_>> {
    let head = &input.as_bytes()[..input.len().min(NAME_BYTES_MAX)];
    let Some(end) = memchr3(b'[', b':', b' ', head) else { return stop(input, "a program's name") };
    let (program, rest) = input.split_at(end);
    if program.is_empty() || rest.starts_with(' ') {
        return stop(input, "a program's name");
    }
    let (process, rest) = match rest.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((process, rest)) => (Some(process), rest),
            None => return stop(inner, "a closing bracket"),
        },
        None => (None, rest),
    };
    match rest.strip_prefix(':') {
        Some(message) if message.is_empty() || message.starts_with(' ') => {
            Ok((message.strip_prefix(' ').unwrap_or(message), Tag { program, process }))
        }
        _ => stop(rest, "a colon"),
    }
}
