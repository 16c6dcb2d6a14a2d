//! The reliability logs of supercomputers, as public research data sets keep them: one line begins with a label (`-` for
//! none) and the seconds since 1970, then either Blue Gene's
//! `- 1767323045 2026.01.02 R07-M1-N3 2026-01-02-03.04.05.678901 R07-M1-N3 RAS KERNEL INFO text`, or a syslog line of a
//! cluster (Thunderbird, Spirit, Liberty): `- 1767323045 2026.01.02 dn7 Jan 2 03:04:05 dn7/dn7 crond[77]: text`. The third
//! layout counts its lines: `134681 node-246 unix.hw state_change.unavailable 1767323045 1 text`.
//!
//! Source: the description of these systems in Oliner and Stearley, "What Supercomputers Say". The time is the number
//! (the stamps are local), with the fraction of the stamp. A label other than `-` is `event.code`.

use super::{Below, Context, Format, Starts, content, level, syslog3164};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, prefix, stop, until};
use crate::time::{Stamp, rfc3164_prefix};
use nom::Parser;

/// The longest label of an alert.
const LABEL_BYTES_MAX: usize = 16;
/// The longest number of a line, or of seconds.
const NUMBER_BYTES_MAX: usize = 10;

/// Supercomputers.
pub const FORMAT: Format = Format {
    name: "ras",
    summary: "reliability logs of supercomputers: Blue Gene, Thunderbird, Spirit, Liberty, HPC",
    example: "- 1767323045 2026.01.02 R07-M1-N3 2026-01-02-03.04.05.678901 R07-M1-N3 RAS KERNEL INFO parity error corrected",
    rank: 65,
    starts: Starts::of(b"-").or(Starts::UPPER).or(Starts::DIGIT),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    if line.first().is_some_and(u8::is_ascii_digit) {
        let end = line.iter().take(NUMBER_BYTES_MAX + 1).take_while(|b| b.is_ascii_digit()).count();
        return line.get(end) == Some(&b' ') && line.get(end + 1).is_some_and(u8::is_ascii_alphabetic);
    }
    let label = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    let end = line.iter().take(LABEL_BYTES_MAX + 1).take_while(|b| label(b)).count();
    // `- 1767323045 2026.`
    matches!(line.get(end..), Some([b' ', b'0'..=b'9', rest @ ..]) if rest.get(9) == Some(&b' ') && rest.get(14) == Some(&b'.'))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let step = if line.as_bytes()[0].is_ascii_digit() {
        counted(line, &mut fields)
    } else {
        labelled(line, context, &mut fields)
    };
    prefix(line, step)?;
    Ok(fields)
}

/// Ten digits, which are enough from 2001 to 2286.
fn seconds(input: &str) -> Step<'_, i64> {
    let (rest, text) = until(b' ', "seconds").parse(input)?;
    match text.parse() {
        Ok(number) if (9..=NUMBER_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) => {
            Ok((rest, number))
        }
        _ => stop(input, "seconds"),
    }
}

fn labelled<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, label) = until(b' ', "a label").parse(line)?;
    let (rest, seconds) = seconds(rest)?;
    let (rest, ()) = date(rest, b'.')?;
    let (rest, ()) = byte(b' ', "a node").parse(rest)?;
    let (rest, node) = until(b' ', "a node").parse(rest)?;
    fields.push_present("event.code", label);
    if let Ok((rest, micros)) = blue_gene_stamp(rest) {
        Stamp::from_seconds(seconds, micros * 1_000).put(fields);
        return blue_gene(rest, node, fields);
    }
    let (rest, _) = rfc3164_prefix(rest, context.received, context.utc_offset_s)?;
    let (rest, ()) = byte(b' ', "a host").parse(rest)?;
    let (rest, _host) = until(b' ', "a host").parse(rest)?;
    Stamp::from_seconds(seconds, 0).put(fields);
    fields.push_present("host.name", node);
    content::put(syslog3164::untagged(rest, fields), context, fields);
    Ok(("", ()))
}

fn date(input: &str, separator: u8) -> Step<'_, ()> {
    let (rest, _) = digits::<4>(input)?;
    let (rest, ()) = byte(separator, "a date").parse(rest)?;
    let (rest, _) = digits::<2>(rest)?;
    let (rest, ()) = byte(separator, "a date").parse(rest)?;
    let (rest, _) = digits::<2>(rest)?;
    Ok((rest, ()))
}

/// `2026-01-02-03.04.05.678901 `, of which the microseconds count.
fn blue_gene_stamp(input: &str) -> Step<'_, u32> {
    let (rest, ()) = date(input, b'-')?;
    let (rest, ()) = byte(b'-', "a time of day").parse(rest)?;
    let mut rest = rest;
    for _ in 0..3 {
        let (after, _) = digits::<2>(rest)?;
        let (after, ()) = byte(b'.', "a time of day").parse(after)?;
        rest = after;
    }
    let (rest, micros) = digits::<6>(rest)?;
    let (rest, ()) = byte(b' ', "a place").parse(rest)?;
    Ok((rest, micros))
}

/// `R07-M1-N3 RAS KERNEL INFO text`.
fn blue_gene<'a>(input: &'a str, node: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, _place) = until(b' ', "a place").parse(input)?;
    let (rest, kind) = until(b' ', "a kind").parse(rest)?;
    let (rest, component) = until(b' ', "a component").parse(rest)?;
    let (severity, message) = rest.split_once(' ').unwrap_or((rest, ""));
    let level = match severity {
        "FAILURE" => "error",
        word => match level::from_word(word) {
            Some(level) => level,
            None => return stop(rest, "a severity"),
        },
    };
    if node != "NULL" && node != "UNKNOWN_LOCATION" {
        fields.push_present("host.name", node);
    }
    fields.push("log.level", Value::text(level));
    fields.push_present("log.logger", component);
    if kind != "NULL" {
        fields.push_present("ras.type", kind);
    }
    fields.push_present("message", message);
    Ok(("", ()))
}

/// `134681 node-246 unix.hw state_change.unavailable 1767323045 1 text`.
fn counted<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'[' | b']' | b',' | b'*');
    let (rest, number) = until(b' ', "a number").parse(line)?;
    let (rest, node) = until(b' ', "a node").parse(rest)?;
    let (rest, component) = until(b' ', "a component").parse(rest)?;
    let (rest, state) = until(b' ', "a state").parse(rest)?;
    let (rest, seconds) = seconds(rest)?;
    let (flag, message) = rest.split_once(' ').unwrap_or((rest, ""));
    let Ok(number) = number.parse::<i64>() else { return stop(line, "a number") };
    if !matches!(flag, "0" | "1") || ![node, component, state].iter().all(|word| word.bytes().all(name)) {
        return stop(rest, "a flag");
    }
    Stamp::from_seconds(seconds, 0).put(fields);
    fields.push("event.sequence", Value::Int(number));
    fields.push_present("host.name", node);
    fields.push_present("log.logger", component);
    fields.push_present("event.action", state);
    fields.push("hpc.flag", Value::Int(i64::from(flag == "1")));
    fields.push_present("message", message);
    Ok(("", ()))
}
