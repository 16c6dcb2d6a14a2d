//! The kernel's ring buffer: `[12345.678901] usb 1-1: text` as `dmesg` prints it, `<6>[..]` with a priority, `[T1234]` or
//! `[C1]` for the caller, `kern  :info  : [..]` by `dmesg -x`, `6,4711,12345678901,-;text` from `/dev/kmsg`.
//!
//! Source: `dmesg(1)` and the kernel's printk documentation. Seconds since boot are no time of day: they are
//! `kernel.uptime_s`, and the line's time is its arrival. `dmesg -T` looks like many programs' stamp and stays text. What the firewall logs is read by
//! [`netfilter`](super::netfilter).

use super::syslog5424::{PRIORITY_MAX, priority, put_priority};
use super::{Below, Context, Format, Starts, auditd, level, netfilter};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, prefix, stop};
use nom::Parser;
use nom::combinator::opt;

/// The kernel pads seconds to five digits and prints six of the fraction; more than eleven are three thousand years.
const SECONDS_DIGITS_MAX: usize = 11;

/// How far the header of `/dev/kmsg` reaches: priority, two numbers, flags, the caller.
const DEVICE_BYTES_MAX: usize = 80;

/// The kernel's messages.
pub const FORMAT: Format = Format {
    name: "dmesg",
    summary: "kernel messages as dmesg prints them, firewall packets too",
    example: "[12345.678901] usb 1-1: new high-speed USB device number 4 using xhci_hcd",
    rank: 61,
    starts: Starts::of(b"[<").or(Starts::LOWER).or(Starts::DIGIT),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    match line {
        [b'[', b' ' | b'0'..=b'9', ..] => true,
        [b'<', b'0'..=b'9', rest @ ..] => {
            rest.iter().take(3).position(|b| *b == b'>').is_some_and(|end| rest.get(end + 1) == Some(&b'['))
        }
        [b'0'..=b'9', ..] => {
            let end = line.iter().take(5).take_while(|b| b.is_ascii_digit()).count();
            line.get(end) == Some(&b',') && line.get(end + 1).is_some_and(u8::is_ascii_digit)
        }
        // `kern  :info  : [`
        [b'a'..=b'z', ..] => line.get(6) == Some(&b':') && line.get(13..16) == Some(b": ["),
        _ => false,
    }
}

fn parse<'a>(line: &'a str, _: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let step = match line.as_bytes() {
        [b'0'..=b'9', ..] => device(line, &mut fields),
        _ => header(line, &mut fields),
    };
    let (message, ()) = prefix(line, step)?;
    text(message, &mut fields);
    Ok(fields)
}

fn header<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, priority) = opt(priority).parse(line)?;
    let rest = match decoded(rest) {
        Some((level, rest)) => {
            fields.push("log.level", Value::text(level));
            rest
        }
        None => rest,
    };
    if let Some(priority) = priority {
        put_priority(priority, fields);
    }
    let (rest, seconds) = uptime(rest)?;
    fields.push("kernel.uptime_s", Value::Float(seconds));
    Ok((caller(rest, fields).unwrap_or(rest), ()))
}

/// `6,4711,12345678901,-;text`: priority, sequence number, microseconds since boot, flags.
fn device<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let head = &line[..line.floor_char_boundary(DEVICE_BYTES_MAX)];
    let Some((head, _)) = head.split_once(';') else { return stop(line, "a semicolon") };
    let mut parts = head.split(',');
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
    let (Some(priority), Some(sequence), Some(micros)) = (number(), number(), number()) else {
        return stop(line, "priority, number and time");
    };
    let (Ok(priority), Ok(sequence)) = (u8::try_from(priority), i64::try_from(sequence)) else {
        return stop(line, "a priority");
    };
    if !matches!(parts.next(), Some("-" | "c" | "+")) || priority > PRIORITY_MAX {
        return stop(line, "flags");
    }
    put_priority(priority, fields);
    fields.push("event.sequence", Value::Int(sequence));
    fields.push("kernel.uptime_s", Value::Float(micros as f64 / 1e6));
    Ok((&line[head.len() + 1..], ()))
}

/// `kern  :info  : `.
fn decoded(input: &str) -> Option<(&'static str, &str)> {
    let (front, rest) = input.split_at_checked(15)?;
    let (facility, severity) = front.strip_suffix(": ")?.split_once(':')?;
    let known = matches!(facility.trim_end(), "kern" | "user" | "daemon" | "auth" | "syslog");
    if known { Some((level::from_word(severity.trim_end())?, rest)) } else { None }
}

/// `[12345.678901] `.
pub(super) fn uptime(input: &str) -> Step<'_, f64> {
    let (rest, ()) = byte(b'[', "seconds since boot").parse(input)?;
    let rest = rest.trim_start_matches(' ');
    let whole = rest.bytes().take(SECONDS_DIGITS_MAX).take_while(u8::is_ascii_digit).count();
    let fraction = rest.bytes().skip(whole + 1).take(7).take_while(u8::is_ascii_digit).count();
    let end = whole + 1 + fraction;
    if whole == 0 || rest.as_bytes()[whole..].first() != Some(&b'.') || fraction != 6 {
        return stop(input, "seconds since boot");
    }
    let Ok(seconds) = rest[..end].parse() else { return stop(input, "seconds since boot") };
    match rest[end..].strip_prefix(']') {
        Some(rest) if rest.is_empty() || rest.starts_with([' ', '[']) => {
            Ok((rest.strip_prefix(' ').unwrap_or(rest), seconds))
        }
        _ => stop(rest, "a closing bracket"),
    }
}

/// `[    T77] `, the thread or processor that spoke, where the kernel is built to say so.
fn caller<'a>(input: &'a str, fields: &mut Fields<'a>) -> Option<&'a str> {
    let (who, rest) = input.strip_prefix('[')?.trim_start_matches(' ').split_at_checked(1)?;
    let digits = rest.bytes().take(SECONDS_DIGITS_MAX).take_while(u8::is_ascii_digit).count();
    let number = rest[..digits].parse().ok()?;
    let rest = rest[digits..].strip_prefix(']')?;
    match who {
        "T" => fields.push("process.thread.id", Value::Int(number)),
        "C" => fields.push("kernel.cpu", Value::Int(number)),
        _ => return None,
    }
    Some(rest.strip_prefix(' ').unwrap_or(rest))
}

/// A message of the kernel behind a syslog header: `[12345.678901] text` or the text alone.
pub(super) fn content<'a>(input: &'a str, fields: &mut Fields<'a>) {
    let rest = match uptime(input) {
        Ok((rest, seconds)) => {
            fields.push("kernel.uptime_s", Value::Float(seconds));
            rest
        }
        Err(_) => input,
    };
    text(rest, fields);
}

fn text<'a>(message: &'a str, fields: &mut Fields<'a>) {
    if message.starts_with("audit: ") && auditd::content(&message["audit: ".len()..], fields) {
        return;
    }
    fields.push_present("message", message);
    netfilter::enrich(message, fields);
}
