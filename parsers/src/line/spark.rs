//! Spark, and older tools of Hadoop on the console: `26/01/02 03:04:05 INFO executor.Executor: text`.

use super::hadoop::logger;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, stop};
use crate::line::parts::{headed, level_word, upto};
use crate::time::{Stamp, of_day, time_of_day};
use nom::Parser;
use nom::character::complete::space1;

/// Spark.
pub const FORMAT: Format = Format {
    name: "spark",
    summary: "Apache Spark and Hadoop's command line",
    example: "26/01/02 03:04:05 INFO executor.CoarseGrainedExecutorBackend: Got assigned task 7",
    rank: 117,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// `26/01/02 03:04:05 I`
fn probe(line: &[u8]) -> bool {
    matches!(line, [b'0'..=b'9', _, b'/', _, _, b'/', _, _, b' ', _, _, b':', _, _, b':', _, _, b' ', b'A'..=b'Z', ..])
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = stamp(line, context)?;
    let (rest, level) = level_word(rest)?;
    let (rest, _) = space1(rest)?;
    let (rest, logger) = match logger(rest) {
        Ok(found) => found,
        // Newer versions show the class alone.
        Err(_) => class(rest)?,
    };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("log.logger", Value::text(logger));
    Ok((rest, ()))
}

/// `SparkContext: `
fn class(input: &str) -> Step<'_, &str> {
    let (rest, name) = upto(b':', "a class and a colon")(input)?;
    let named = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$'));
    match rest.strip_prefix(' ').or(rest.is_empty().then_some(rest)) {
        Some(rest) if named => Ok((rest, name)),
        _ => stop(input, "a class's name"),
    }
}

/// Year, month, day.
fn stamp<'a>(input: &'a str, context: &Context) -> Step<'a, Stamp> {
    let slash = || byte(b'/', "a date");
    let (rest, (year, (), month, (), day, ())) =
        (digits::<2>, slash(), digits::<2>, slash(), digits::<2>, byte(b' ', "a time of day")).parse(input)?;
    let (rest, time) = time_of_day(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    match of_day((2_000 + year, month, day), time, context.utc_offset_s) {
        Some(stamp) => Ok((rest, stamp)),
        None => stop(input, "a day that exists"),
    }
}
