//! OpenVPN at `verb 4` or more, whose stamps have microseconds behind them:
//! `2026-01-02 03:04:05 us=678901 ann/192.0.2.7:1194 TLS: Initial packet`, with older versions `Fri Jan  2 03:04:05 2026 us=..`.
//!
//! Source: its manual (`--log`, `--verb`). A server names the client in front of the text, by name, by address or by
//! both. Without microseconds nothing tells its lines from others': [`plain`](super::plain) reads the stamp.

use super::access::{SOURCE, host_and_port, is_ip};
use super::parts::headed;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::time::{Stamp, leading_stamp};
use memchr::memmem;

/// How far into a line the microseconds begin at most.
const STAMP_BYTES_MAX: usize = 32;

/// OpenVPN.
pub const FORMAT: Format = Format {
    name: "openvpn",
    summary: "OpenVPN with microseconds (verb 4 and more)",
    example: "2026-01-02 03:04:05 us=678901 ann/192.0.2.7:1194 TLS: Initial packet from [AF_INET]192.0.2.7:1194",
    rank: 74,
    starts: Starts::UPPER.or(Starts::DIGIT),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    memmem::find(&line[..line.len().min(STAMP_BYTES_MAX)], b" us=").is_some()
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((rest, stamp)) = leading_stamp(line, context) else { return stop(line, "a stamp") };
    let micros = rest.strip_prefix(" us=").and_then(|rest| rest.split_once(' '));
    let Some((micros, message)) = micros.filter(|(micros, _)| micros.len() <= 6) else {
        return stop(rest, "microseconds");
    };
    let Ok(micros) = micros.parse::<u32>() else { return stop(rest, "microseconds") };
    match stamp {
        Stamp::At(nanos) => Stamp::At(nanos.saturating_add(i64::from(micros) * 1_000)).put(fields),
        Stamp::OutOfRange => stamp.put(fields),
    }
    let message = client(message, fields).unwrap_or(message);
    let level = [("WARNING: ", "warn"), ("ERROR: ", "error")];
    match level.into_iter().find_map(|(lead, level)| Some((message.strip_prefix(lead)?, level))) {
        Some((message, level)) => {
            fields.push("log.level", Value::text(level));
            Ok((message, ()))
        }
        None => Ok((message, ())),
    }
}

/// `ann/192.0.2.7:1194 text`, `192.0.2.7:1194 text`.
fn client<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<&'a str> {
    let (word, rest) = text.split_once(' ')?;
    let (name, peer) = word.rsplit_once('/').unwrap_or(("", word));
    let (host, port) = host_and_port(peer)?;
    if !is_ip(host) {
        return None;
    }
    fields.push_present("user.name", name);
    SOURCE.put(host, fields);
    fields.push("source.port", Value::Int(i64::from(port)));
    Some(rest)
}
