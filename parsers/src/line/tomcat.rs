//! Tomcat's `catalina.out` and its other logs, by JULI's `OneLineFormatter`: `02-Jan-2026 03:04:05.678 INFO [main]
//! org.apache.catalina.startup.Catalina.start text`.
//!
//! The class is the logger and its method the function. Tomcat's access log is [`clf`](super::clf)'s.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, stop};
use crate::line::level;
use crate::line::parts::{enclosed, headed, upto};
use crate::time::leading_stamp;
use nom::Parser;

/// Tomcat.
pub const FORMAT: Format = Format {
    name: "tomcat",
    summary: "Apache Tomcat's own logs and what else logs by JULI",
    example: "02-Jan-2026 03:04:05.678 INFO [main] org.apache.catalina.startup.Catalina.start Server startup in [512] milliseconds",
    rank: 121,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// `02-Jan-2026 03:04:05`.
fn probe(line: &[u8]) -> bool {
    matches!(
        line,
        [b'0'..=b'3', b'0'..=b'9', b'-', b'A'..=b'Z', _, _, b'-', _, _, _, _, b' ', _, _, b':', _, _, b':', ..]
    )
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((rest, stamp)) = leading_stamp(line, context) else { return stop(line, "a stamp") };
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    let (rest, word) = upto(b' ', "a level")(rest)?;
    let Some(level) = (if word == "CONFIG" { Some("debug") } else { level::from_word(word) }) else {
        return stop(rest, "a level");
    };
    let (rest, thread) = enclosed(b'[', b']')(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    // A line without a text ends in its method.
    let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let Some((class, method)) = name.rsplit_once('.') else { return stop(rest, "a class and its method") };
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'$' | b'<' | b'>' | b'-' | b'/');
    if class.is_empty() || method.is_empty() || !name.bytes().all(named) {
        return stop(rest, "a class and its method");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("process.thread.name", thread);
    fields.push("log.logger", Value::text(class));
    fields.push("log.origin.function", Value::text(method));
    Ok((rest, ()))
}
