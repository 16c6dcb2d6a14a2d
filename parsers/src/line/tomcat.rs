//! Tomcat's `catalina.out` and what else its JULI logs in one line:
//! `02-Jan-2026 03:04:05.678 INFO [main] org.apache.catalina.startup.Catalina.start Server startup in [1234] milliseconds`.
//!
//! Source: `org.apache.juli.OneLineFormatter` of Tomcat's manual, the default since version 8. The word behind the thread is
//! a class and its method.

use super::parts::{enclosed, headed};
use super::{Context, Format, Starts, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::time::leading_stamp;

/// Tomcat.
pub const FORMAT: Format = Format {
    name: "tomcat",
    summary: "Tomcat's catalina.out, one line a record",
    example: "02-Jan-2026 03:04:05.678 INFO [main] org.apache.catalina.startup.Catalina.start Server startup in [1234] milliseconds",
    rank: 31,
    starts: Starts::DIGIT,
    open_ended: true,
    probe,
    parse,
};

/// `02-Jan-2026 03:04:05.678 I`.
fn probe(line: &[u8]) -> bool {
    matches!(line, [_, _, b'-', b'A'..=b'Z', _, _, b'-', ..])
        && line.get(20) == Some(&b'.')
        && line.get(25).is_some_and(u8::is_ascii_uppercase)
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((rest, stamp)) = leading_stamp(line, context) else { return stop(line, "a stamp") };
    let Some((word, rest)) = rest.strip_prefix(' ').and_then(|rest| rest.split_once(' ')) else {
        return stop(rest, "a level");
    };
    let level = match word {
        "CONFIG" => "debug",
        "SEVERE" | "WARNING" | "INFO" | "FINE" | "FINER" | "FINEST" => level::from_word(word).unwrap_or("info"),
        _ => return stop(rest, "a level of java.util.logging"),
    };
    let (rest, thread) = enclosed(b'[', b']')(rest)?;
    let Some(rest) = rest.strip_prefix(' ') else { return stop(rest, "a space") };
    let end = rest.find([' ', '\n']).unwrap_or(rest.len());
    let (place, message) = rest.split_at(end);
    let Some((class, method)) = place.rsplit_once('.').filter(|(class, method)| !class.is_empty() && is_name(method))
    else {
        return stop(rest, "a class and its method");
    };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("process.thread.name", thread);
    fields.push_present("log.logger", class);
    fields.push_present("log.origin.function", method);
    Ok((message.strip_prefix(' ').unwrap_or(message), ()))
}

/// `start`, `<init>`, `lambda$run$0`.
fn is_name(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$' | b'<' | b'>'))
}
