//! CockroachDB's `crdb-v1` and `crdb-v2`: `I260102 03:04:05.678901 77 server/node.go:42 ⋮ [T1,n1] 12  text`.

use super::{Below, Context, Format, Starts, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, stop};
use crate::line::parts::{enclosed, headed, put_place, upto};
use crate::time::{Stamp, of_day, time_of_day};
use nom::Parser;
use nom::character::complete::{space1, u64};
use nom::combinator::opt;

/// What stands before a message that may hold marks around sensitive data.
const REDACTABLE: &str = "⋮ ";

/// CockroachDB.
pub const FORMAT: Format = Format {
    name: "cockroachdb",
    summary: "CockroachDB",
    example: "I260102 03:04:05.678901 77 server/node.go:42 ⋮ [T1,n1] 12  node connected via gossip",
    rank: 120,
    starts: Starts::of(b"IWEF"),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    matches!(line, [b'I' | b'W' | b'E' | b'F', day @ ..]
        if day.len() > 6 && day[..6].iter().all(u8::is_ascii_digit) && day[6] == b' ')
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some(level) = line.bytes().next().and_then(level::from_glog) else { return stop(line, "a level's letter") };
    let (rest, stamp) = stamp(&line[1..], context)?;
    let (rest, _) = space1(rest)?;
    let (rest, goroutine) = u64(rest)?;
    let (rest, ()) = byte(b' ', "a space").parse(rest)?;
    let (rest, place) = upto(b' ', "a file and a line")(rest)?;
    // `1@cli/start.go:690` names the channel.
    let (channel, place) = place.split_once('@').unwrap_or(("", place));
    if place.rsplit_once(':').is_none_or(|(_, line)| line.parse::<u32>().is_err()) {
        return stop(rest, "a file and a line");
    }
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    if let Ok(goroutine) = i64::try_from(goroutine) {
        fields.push("process.thread.id", Value::Int(goroutine));
    }
    put_place(place, fields);
    fields.push_present("cockroachdb.channel", channel);
    let rest = rest.trim_start_matches(' ');
    let rest = rest.strip_prefix(REDACTABLE).unwrap_or(rest);
    let Ok((after, tags)) = enclosed(b'[', b']')(rest) else { return Ok((rest, ())) };
    fields.push_present("cockroachdb.tags", tags);
    let rest = after.strip_prefix(' ').unwrap_or(after);
    let (rest, counter) = opt((u64, space1)).parse(rest)?;
    if let Some((counter, _)) = counter
        && let Ok(counter) = i64::try_from(counter)
    {
        fields.push("event.sequence", Value::Int(counter));
    }
    Ok((rest.trim_start_matches(' '), ()))
}

/// `260102 03:04:05.678901`
fn stamp<'a>(input: &'a str, context: &Context) -> Step<'a, Stamp> {
    let two = digits::<2>;
    let (rest, (year, month, day, ())) = (two, two, two, byte(b' ', "a time of day")).parse(input)?;
    let (rest, time) = time_of_day(rest)?;
    match of_day((2_000 + year, month, day), time, context.utc_offset_s) {
        Some(stamp) => Ok((rest, stamp)),
        None => stop(input, "a day that exists"),
    }
}
