//! OpenLDAP's `slapd` on a terminal (`-d`) or to its `logfile`: `6957361d.2bc0796f 0x7f2c conn=1000 op=0 BIND dn="..." method=128`,
//! before version 2.5 `6957361d conn=1000 op=0 ...`.
//!
//! Source: `slapd(8)` and the messages of level `stats`. The stamp is hexadecimal: seconds since 1970 and, since 2.5, nanoseconds
//! (microseconds of five digits where the clock has no more), then the thread. Without a thread only lines that begin as
//! slapd's do are read. What a connection says of its peer is read behind a syslog header as well.

use super::access::{DESTINATION, SOURCE};
use super::parts::headed;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::Fields;
use crate::grammar::{Step, stop};
use crate::time::{NANOS_PER_SECOND, Stamp};

/// The digits of seconds since 1970.
const SECONDS_DIGITS: usize = 8;

/// slapd.
pub const FORMAT: Format = Format {
    name: "slapd",
    summary: "OpenLDAP's slapd with hexadecimal stamps",
    example: r#"6957361d.2bc0796f 0x7f2c2461f200 conn=1000 op=0 BIND dn="cn=admin,dc=shop,dc=example" method=128"#,
    rank: 78,
    // Seconds since 1970 from 2004 to 2038.
    starts: Starts::of(b"4567"),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    matches!(line.get(SECONDS_DIGITS), Some(b'.' | b' ')) && line[..SECONDS_DIGITS].iter().all(is_hex)
}

fn is_hex(byte: &u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, _: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((stamp, rest)) = line.split_once(' ') else { return stop(line, "a space") };
    let (seconds, fraction) = stamp.split_once('.').unwrap_or((stamp, ""));
    let unit = match fraction.len() {
        0 | 8 => 1,
        5 => 1_000,
        _ => return stop(line, "a fraction"),
    };
    let number = |text: &str| if text.is_empty() { Some(0) } else { i64::from_str_radix(text, 16).ok() };
    let (Some(seconds), Some(fraction)) = (number(seconds), number(fraction)) else { return stop(line, "a stamp") };
    let nanos = fraction * unit;
    if nanos >= NANOS_PER_SECOND {
        return stop(line, "a fraction of a second");
    }
    let thread =
        rest.split_once(' ').filter(|(word, _)| word.starts_with("0x") && word[2..].bytes().all(|b| is_hex(&b)));
    let message = match thread {
        Some((_, message)) => message,
        None if ["conn=", "slapd ", "daemon: ", "@(#) $OpenLDAP"].iter().any(|lead| rest.starts_with(lead)) => rest,
        None => return stop(rest, "a thread or a sentence of slapd"),
    };
    Stamp::At(seconds * NANOS_PER_SECOND + nanos).put(fields);
    if let Some((thread, _)) = thread {
        fields.push_present("process.thread.name", thread);
    }
    enrich(message, fields);
    Ok((message, ()))
}

/// `conn=1000 fd=11 ACCEPT from IP=192.0.2.7:55292 (IP=203.0.113.5:389)`.
pub(super) fn enrich<'a>(text: &'a str, fields: &mut Fields<'a>) {
    let Some((front, rest)) = text.split_once(" ACCEPT from IP=") else { return };
    let Some((source, rest)) = rest.split_once(' ').filter(|_| front.starts_with("conn=")) else { return };
    SOURCE.put_with_port(source, fields);
    if let Some(own) = rest.strip_prefix("(IP=").and_then(|rest| rest.split_once(')')) {
        DESTINATION.put_with_port(own.0, fields);
    }
}
