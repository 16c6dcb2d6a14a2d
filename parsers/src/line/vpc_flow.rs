//! AWS VPC flow logs in the default format (version 2): fourteen columns. Those that newer versions have behind them stay
//! in the message.
//!
//! The time is the end of the interval, the duration its length. The whole line is the message.

use super::access::{count, is_ip, put_count, word};
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::{NANOS_PER_SECOND, epoch_int};

const ACCOUNT_DIGITS: usize = 12;

/// VPC flow logs.
pub const FORMAT: Format = Format {
    name: "vpc_flow",
    summary: "AWS VPC flow logs, version 2 and what is added behind it",
    example: "2 123456789012 eni-0a1b2c3d4e5f60718 192.0.2.7 10.0.0.2 51234 443 6 20 4249 1767323045 1767323105 ACCEPT OK",
    rank: 27,
    starts: Starts::between(b'2', b'9'),
    below: Below::Message,
    probe,
    parse,
};

/// `2 123456789012 `.
fn probe(line: &[u8]) -> bool {
    let account = line.get(2..2 + ACCOUNT_DIGITS);
    matches!(line, [b'2'..=b'9', b' ', ..])
        && line.get(2 + ACCOUNT_DIGITS) == Some(&b' ')
        && account.is_some_and(|account| account.iter().all(u8::is_ascii_digit))
}

fn parse<'a>(line: &'a str, _: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (_, ()) = prefix(line, flow(line, &mut fields))?;
    fields.push("message", Value::text(line));
    Ok(fields)
}

fn flow<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, version) = count(line)?;
    let (rest, account) = word(rest)?;
    let (rest, interface) = word(rest)?;
    let (rest, source) = address(rest)?;
    let (rest, destination) = address(rest)?;
    let (rest, source_port) = count(rest)?;
    let (rest, destination_port) = count(rest)?;
    let (rest, protocol) = count(rest)?;
    let (rest, packets) = count(rest)?;
    let (rest, bytes) = count(rest)?;
    let (rest, start) = count(rest)?;
    let (rest, end) = count(rest)?;
    let (rest, action) = word(rest)?;
    let (rest, state) = word(rest)?;
    if !matches!(state, "OK" | "NODATA" | "SKIPDATA") || (version == Some(2) && !rest.is_empty()) {
        return stop(rest, "the state of the log");
    }
    if let Some(stamp) = end.and_then(epoch_int) {
        stamp.put(fields);
    }
    fields.push("cloud.account.id", Value::text(account));
    fields.push("aws.vpcflow.interface_id", Value::text(interface));
    fields.push_present("source.ip", source);
    put_count("source.port", source_port, fields);
    fields.push_present("destination.ip", destination);
    put_count("destination.port", destination_port, fields);
    if let Some(protocol) = protocol {
        // The number is text in ECS.
        match transport(protocol) {
            Some(name) => fields.push("network.transport", Value::text(name)),
            None => fields.push("network.iana_number", Value::Str(protocol.to_string().into())),
        }
    }
    put_count("network.packets", packets, fields);
    put_count("network.bytes", bytes, fields);
    let lasted = start.zip(end).and_then(|(start, end)| end.checked_sub(start)?.checked_mul(NANOS_PER_SECOND));
    put_count("event.duration", lasted.filter(|nanos| *nanos >= 0), fields);
    fields.push_present("event.action", action);
    let outcome = match action {
        "ACCEPT" => "success",
        "REJECT" => "failure",
        _ => "-",
    };
    fields.push_present("event.outcome", outcome);
    fields.push("aws.vpcflow.log_status", Value::text(state));
    Ok(("", ()))
}

fn address(input: &str) -> Step<'_, &str> {
    let (rest, text) = word(input)?;
    if text == "-" || is_ip(text) { Ok((rest, text)) } else { stop(input, "an address") }
}

/// The protocols that are not rare, by their number at IANA.
fn transport(protocol: i64) -> Option<&'static str> {
    Some(match protocol {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        47 => "gre",
        50 => "esp",
        58 => "ipv6-icmp",
        132 => "sctp",
        _ => return None,
    })
}
