//! BIND 9's `named`, its own log files with category and severity:
//! `21-Nov-2026 10:16:55.330 queries: info: client @0x7f01 192.0.2.7#5353 (shop.example): query: shop.example IN A +`.
//!
//! Source: the `logging` statement of BIND's manual with `print-time`, `print-category` and `print-severity`. Lines
//! without category are read by [`plain`](super::plain). What is said of a query is read by [`dns`](super::dns).

use super::parts::headed;
use super::{Below, Context, Format, Starts, dns, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::time::leading_stamp;

/// BIND.
pub const FORMAT: Format = Format {
    name: "named",
    summary: "BIND 9's named with category and severity, query logs too",
    example: "02-Jan-2026 03:04:05.678 queries: info: client @0x7f01 192.0.2.7#5353 (shop.example): query: shop.example IN A + (203.0.113.5)",
    rank: 71,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// `02-Jan-2026 03:04:05`, or ISO 8601 with `print-time iso8601`.
fn probe(line: &[u8]) -> bool {
    match line {
        [_, _, b'-', b'A'..=b'Z', _, _, b'-', ..] => line.get(14) == Some(&b':'),
        [_, _, _, _, b'-', _, _, b'-', ..] => line.get(10) == Some(&b'T'),
        _ => false,
    }
}

/// The categories of the manual, also those of older versions.
const CATEGORIES: [&str; 32] = [
    "client",
    "cname",
    "config",
    "database",
    "default",
    "delegation-only",
    "dispatch",
    "dnssec",
    "dnstap",
    "edns-disabled",
    "general",
    "lame-servers",
    "network",
    "notify",
    "nsid",
    "queries",
    "query-errors",
    "rate-limit",
    "resolver",
    "responses",
    "rpz",
    "rpz-passthru",
    "security",
    "serve-stale",
    "spill",
    "sslkeylog",
    "trust-anchor-telemetry",
    "unmatched",
    "update",
    "update-security",
    "xfer-in",
    "xfer-out",
];

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = headed(line, context, header)?;
    if let Some(Value::Str(std::borrow::Cow::Borrowed(message))) = fields.get("message") {
        let message = *message;
        let _ = dns::bind(message, &mut fields);
    }
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((rest, stamp)) = leading_stamp(line, context) else { return stop(line, "a stamp") };
    let rest = rest.trim_start_matches(' ');
    let Some((category, severity, message)) = labels(rest) else { return stop(rest, "a category and a severity") };
    stamp.put(fields);
    fields.push("log.level", Value::text(severity));
    fields.push("log.logger", Value::text(category));
    Ok((message, ()))
}

/// `queries: info: text`, which syslog may carry too.
pub(super) fn labels(text: &str) -> Option<(&str, &'static str, &str)> {
    let (category, rest) = text.split_once(": ")?;
    if category != "zoneload" && !CATEGORIES.contains(&category) {
        return None;
    }
    let (severity, message) = rest.split_once(": ")?;
    // `debug 3`.
    let severity = if severity.starts_with("debug ") { "debug" } else { severity };
    Some((category, level::from_word(severity)?, message))
}
