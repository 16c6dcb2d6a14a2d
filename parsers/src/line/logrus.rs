//! logrus as it writes to a terminal: `INFO[0003] text                    key=value`, and with `FullTimestamp` a stamp in the
//! brackets. In files it writes logfmt or JSON.
//!
//! The text is padded to 44 columns. What stands in the brackets otherwise are the seconds since the program's start, which
//! are kept as `logrus.elapsed_s`.

use super::{Below, Context, Format, Starts, level, pairs};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::line::parts::enclosed;
use crate::time::leading_stamp;

/// logrus.
pub const FORMAT: Format = Format {
    name: "logrus",
    summary: "logrus in a terminal: Docker, containerd and many programs in Go",
    example: "INFO[0003] Starting up                                   version=1.2.3",
    rank: 150,
    starts: Starts::of(b"TDIWEFP"),
    below: Below::Message,
    probe,
    parse,
};

/// The text is padded to so many columns.
const TEXT_COLUMNS: usize = 44;

const LEVELS: [&str; 7] = ["TRAC", "DEBU", "INFO", "WARN", "ERRO", "FATA", "PANI"];

fn probe(line: &[u8]) -> bool {
    line.get(4) == Some(&b'[') && LEVELS.iter().any(|level| line.starts_with(level.as_bytes()))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (text, ()) = prefix(line, header(line, context, &mut fields))?;
    // Pairs stand behind the padding, or where the text is longer than that, behind the text.
    let padded = text.char_indices().nth(TEXT_COLUMNS).map_or(text.len(), |(at, _)| at);
    let (before, after) = text.split_at(padded);
    let short = after.trim_start_matches(' ').is_empty()
        || (after.starts_with(' ') && pairs::trailing(after).is_some_and(|(at, _)| at <= 2));
    let message = if short {
        pairs::add_trailing(after, context, &mut fields);
        before
    } else {
        let begin = pairs::add_trailing(text, context, &mut fields);
        &text[..begin.unwrap_or(text.len())]
    };
    fields.push("message", Value::text(message.trim_end()));
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some(level) = line.get(..4).and_then(level::from_word) else { return stop(line, "a level") };
    let (rest, inside) = enclosed(b'[', b']')(&line[4..])?;
    if let Some((_, stamp)) = leading_stamp(inside, context).filter(|(rest, _)| rest.is_empty()) {
        stamp.put(fields);
    } else if let Some(seconds) = Some(inside).filter(|text| text.len() >= 4).and_then(|text| text.parse::<u32>().ok())
    {
        fields.push("logrus.elapsed_s", Value::Int(i64::from(seconds)));
    } else {
        return stop(line, "seconds or a stamp");
    }
    fields.push("log.level", Value::text(level));
    // With callers the place follows: `INFO[0003]main.go:12 main.run() text`.
    match rest.strip_prefix(' ') {
        Some(text) => Ok((text, ())),
        None => Ok((rest, ())),
    }
}
