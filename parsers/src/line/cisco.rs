//! Cisco's IOS, NX-OS and ASA: `000077: *Jan  2 03:04:05.678 UTC: %SYS-5-CONFIG_I: text`.
//!
//! Source: Cisco's "System Message Logging" (`service timestamps`, `service sequence-numbers`) and the ASA syslog guide.
//! What stands between percent sign and colon is facility, severity and mnemonic. The same without a priority is
//! what `show logging` prints; behind a priority or a relay's header [`syslog3164`](super::syslog3164) calls [`line()`].
//! A star or dot before the stamp says that the clock is not set or not synchronised: it is ignored. Zone names other than
//! UTC and GMT are read as local time. Uptime stamps (`1d02h:`, `00:01:02:`) are skipped.

use super::syslog3164::year_first_prefix;
use super::{Below, Context, Format, Starts, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::{Stamp, rfc3164_prefix};

/// Longer names between percent sign and colon are text.
const NAME_BYTES_MAX: usize = 80;
/// Longer words behind a stamp are no zones.
const ZONE_BYTES_MAX: usize = 5;
/// How far a header reaches: sequence number, stamp and zone.
const HEADER_BYTES_MAX: usize = 64;

/// Cisco's own header, without priority.
pub const FORMAT: Format = Format {
    name: "cisco",
    summary: "Cisco IOS, NX-OS and ASA messages without a syslog header",
    example: "000077: *Jan  2 03:04:05.678: %SYS-5-CONFIG_I: Configured from console by ann",
    rank: 60,
    starts: Starts::DIGIT.or(Starts::UPPER).or(Starts::of(b"*.%")),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    match line {
        [b'%', b'A'..=b'Z', ..] => true,
        [b'*' | b'.', b'A'..=b'S', ..] => true,
        [b'A'..=b'S', b'a'..=b'u', b'a'..=b'z', b' ', ..] => {
            memchr::memmem::find(&line[..line.len().min(HEADER_BYTES_MAX)], b": %").is_some()
        }
        [b'0'..=b'9', ..] => memchr::memmem::find(&line[..line.len().min(HEADER_BYTES_MAX)], b": %").is_some(),
        _ => false,
    }
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    prefix(line, self::line(line, context, &mut fields))?;
    Ok(fields)
}

/// Sequence number, stamp and message; the first two may be missing. Adds nothing where it fails.
pub(super) fn line<'a>(input: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, sequence) = match sequence(input) {
        Some((sequence, rest)) => (rest, Some(sequence)),
        None => (input, None),
    };
    let (rest, stamp) = match stamp(rest, context) {
        Some((stamp, rest)) => (rest, Some(stamp)),
        None => (uptime(rest), None),
    };
    let rest = rest.strip_prefix(": ").unwrap_or(rest);
    if !content(rest, fields) {
        return stop(rest, "`%FACILITY-SEVERITY-MNEMONIC:`");
    }
    if let Some(Stamp::At(nanos)) = stamp {
        fields.time = Some(nanos);
    }
    if let Some(sequence) = sequence {
        fields.push("event.sequence", Value::Int(sequence));
    }
    Ok(("", ()))
}

/// `000077: `.
fn sequence(input: &str) -> Option<(i64, &str)> {
    let digits = input.bytes().take(11).take_while(u8::is_ascii_digit).count();
    Some((input[..digits].parse().ok()?, input[digits..].strip_prefix(": ")?))
}

/// `*Jan  2 03:04:05.678 UTC: `.
fn stamp<'a>(input: &'a str, context: &Context) -> Option<(Stamp, &'a str)> {
    let input = input.strip_prefix(['*', '.']).unwrap_or(input);
    let zone = |rest: &'a str| {
        let end = rest.strip_prefix(' ')?.bytes().take(ZONE_BYTES_MAX + 1).take_while(u8::is_ascii_uppercase).count();
        (2..=ZONE_BYTES_MAX).contains(&end).then(|| (&rest[1..=end], &rest[end + 1..]))
    };
    let read = |offset| match input.as_bytes() {
        [b'0'..=b'9', ..] => year_first_prefix(input, offset).ok(),
        _ => rfc3164_prefix(input, context.received, offset).ok(),
    };
    let (rest, local) = read(context.utc_offset_s)?;
    let (name, rest) = zone(rest).unwrap_or(("", rest));
    let stamp = if matches!(name, "UTC" | "GMT") { read(0)?.1 } else { local };
    rest.strip_prefix(": ").map(|rest| (stamp, rest))
}

/// `1w2d: `, `00:01:02: `, which say nothing about the time of day.
fn uptime(input: &str) -> &str {
    let end = input.bytes().take(12).take_while(|b| b.is_ascii_digit() || b":ywdhm".contains(b)).count();
    match input[..end].strip_suffix(':') {
        Some(text) if text.bytes().any(|b| b.is_ascii_digit()) => input[end..].strip_prefix(' ').unwrap_or(input),
        _ => input,
    }
}

/// `%SYS-5-CONFIG_I: text`. Says whether it was that.
pub(super) fn content<'a>(text: &'a str, fields: &mut Fields<'a>) -> bool {
    let Some(rest) = text.strip_prefix('%') else { return false };
    let named = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    let end = rest.bytes().take(NAME_BYTES_MAX).take_while(named).count();
    let Some(message) = rest[end..].strip_prefix(':') else { return false };
    // The severity is the last part of one digit before the mnemonic: facilities have parts as well.
    let Some((front, mnemonic)) = rest[..end].rsplit_once('-') else { return false };
    let Some((facility, severity)) = front.rsplit_once('-') else { return false };
    let [severity @ b'0'..=b'7'] = severity.as_bytes() else { return false };
    if facility.is_empty() || mnemonic.is_empty() {
        return false;
    }
    let severity = i64::from(severity - b'0');
    if let Some(level) = level::from_syslog(severity)
        && fields.get("log.level").is_none()
    {
        fields.push("log.level", Value::text(level));
    } else if let Some(there) = fields.items.iter_mut().find(|field| field.name == "log.level")
        && let Some(level) = level::from_syslog(severity)
    {
        there.value = Value::text(level);
    }
    fields.push("log.logger", Value::text(facility));
    fields.push("event.code", Value::text(mnemonic));
    fields.push_present("message", message.strip_prefix(' ').unwrap_or(message));
    true
}
