//! Python's structlog as its `ConsoleRenderer` writes: `2026-01-02T03:04:05.678901Z [info     ] event                  [logger] key=value`.
//!
//! The level is padded to nine columns in its brackets, the event to thirty (`pad_event`), and values are Python's `repr`.

use super::{Below, Context, Format, Starts, level, pairs};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, prefix, stop};
use crate::line::parts::enclosed;
use crate::time::leading_stamp;
use memchr::memmem;
use nom::Parser;

/// The level and its padding.
const LEVEL_COLUMNS: usize = 9;
/// A stamp is no longer than this.
const STAMP_BYTES_MAX: usize = 40;

/// structlog.
pub const FORMAT: Format = Format {
    name: "structlog",
    summary: "Python's structlog in a terminal",
    example: "2026-01-02T03:04:05.678901Z [warning  ] retry                          attempt=2 reason='Connection refused'",
    rank: 151,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let open = memmem::find(&line[..line.len().min(STAMP_BYTES_MAX)], b" [");
    open.is_some_and(|at| line.get(at + 2 + LEVEL_COLUMNS) == Some(&b']'))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (text, ()) = prefix(line, header(line, context, &mut fields))?;
    let begin = pairs::add_trailing(text, context, &mut fields).unwrap_or(text.len());
    let event = text[..begin].trim_end();
    // The logger's name stands between the event and the pairs.
    let named = event.strip_suffix(']').and_then(|event| event.rsplit_once('['));
    let name = named.filter(|(before, name)| {
        (before.is_empty() || before.ends_with(' ')) && !name.is_empty() && !name.contains([' ', '[', '\''])
    });
    match name {
        Some((event, logger)) => {
            fields.push("log.logger", Value::text(logger));
            fields.push("message", Value::text(event.trim_end()));
        }
        None => fields.push("message", Value::text(event)),
    }
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((rest, stamp)) = leading_stamp(line, context) else { return stop(line, "a stamp") };
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, word) = enclosed(b'[', b']')(rest)?;
    let level = match word.trim_end_matches(' ') {
        name @ ("debug" | "info" | "warn" | "warning" | "error" | "critical") => level::from_word(name),
        "exception" => Some("error"),
        _ => None,
    };
    let Some(level) = level.filter(|_| word.len() == LEVEL_COLUMNS) else { return stop(word, "a padded level") };
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    Ok((rest, ()))
}
