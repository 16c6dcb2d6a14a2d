//! Unbound's log file: `[1767323045] unbound[77:0] info: text`, with `log-time-ascii` `Jan 02 03:04:05 unbound[77:0] ..`.
//!
//! Source: `unbound.conf(5)`. The numbers are process and thread. `log-tag-queryreply` writes `query:` and `reply:` in the
//! level's place. What is said of a query is read by [`dns`](super::dns).

use super::{Below, Context, Format, Starts, dns, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::{epoch_text, leading_stamp};
use memchr::memmem;

/// How far into a line the program's name begins at most.
const STAMP_BYTES_MAX: usize = 40;

/// Unbound.
pub const FORMAT: Format = Format {
    name: "unbound",
    summary: "Unbound's log file, with queries and replies",
    example: "[1767323045] unbound[77:0] info: 192.0.2.7 shop.example. A IN",
    rank: 72,
    starts: Starts::UPPER.or(Starts::DIGIT).or(Starts::of(b"[")),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    memmem::find(&line[..line.len().min(STAMP_BYTES_MAX + 9)], b" unbound[").is_some()
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(message));
    let _ = dns::unbound(message, &mut fields);
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    // Seconds since 1970 are no times elsewhere, far from the time of arrival: here the program's name says that they are.
    let seconds = || {
        let (number, rest) = line.strip_prefix('[')?.split_once(']')?;
        Some((rest, epoch_text(number)?))
    };
    let Some((rest, stamp)) = leading_stamp(line, context).or_else(seconds) else { return stop(line, "a stamp") };
    let Some(rest) = rest.strip_prefix(" unbound") else { return stop(rest, "the program's name") };
    let Some((numbers, level, message)) = labels(rest) else { return stop(rest, "numbers and a level") };
    let (Some(process), Some(thread)) = numbers else { return stop(rest, "process and thread") };
    stamp.put(fields);
    fields.push("process.name", Value::text("unbound"));
    fields.push("process.pid", Value::Int(process));
    fields.push("process.thread.id", Value::Int(thread));
    if let Some(level) = level {
        fields.push("log.level", Value::text(level));
    }
    Ok((message, ()))
}

/// Process and thread.
type Numbers = (Option<i64>, Option<i64>);

/// `[77:0] info: text`, as syslog carries it too.
pub(super) fn labels(text: &str) -> Option<(Numbers, Option<&'static str>, &str)> {
    let (numbers, rest) = text.strip_prefix('[')?.split_once("] ")?;
    let (process, thread) = numbers.split_once(':')?;
    let (word, message) = rest.split_once(": ")?;
    let number = |text: &str| text.parse::<u32>().ok().map(i64::from);
    let level = level::from_word(word.strip_suffix(" error").unwrap_or(word));
    let known = level.is_some() || matches!(word, "query" | "reply");
    let (process, thread) = (number(process)?, number(thread)?);
    known.then_some(((Some(process), Some(thread)), level, message))
}
