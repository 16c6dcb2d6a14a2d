//! Labeled tab-separated values (ltsv.org): `time:[02/Jan/2026:03:04:05 +0000]<tab>host:192.0.2.7<tab>status:200`.
//!
//! All columns must be labelled, and there must be three, or two of which one is the time. The labels that ltsv.org
//! recommends for access lines have their names if there is one that only access lines have; the rest are as in key-value
//! pairs. The whole line is the message where no label is.

use super::access::{SOURCE, is_method, put_domain, put_request};
use super::parts::nanos_of_seconds;
use super::{Below, Context, Format, Starts, normalize};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::json::Budget;
use crate::time::{clf_prefix, iso8601};
use memchr::memchr;

/// Longer labels are text.
const LABEL_BYTES_MAX: usize = 64;
/// How far into a line the first tab may be.
const COLUMN_BYTES_MAX: usize = 4 << 10;

/// Labeled tab-separated values.
pub const FORMAT: Format = Format {
    name: "ltsv",
    summary: "labeled tab-separated values",
    example: "time:02/Jan/2026:03:04:05 +0000\thost:192.0.2.7\treq:GET / HTTP/1.1\tstatus:200\tsize:512\treqtime:0.012",
    rank: 29,
    starts: Starts::LOWER.or(Starts::UPPER),
    below: Below::Apart,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let end = label_end(line);
    let head = &line[..line.len().min(COLUMN_BYTES_MAX)];
    end > 0 && line.get(end) == Some(&b':') && line.get(end + 1) != Some(&b' ') && memchr(b'\t', head).is_some()
}

fn label_end(column: &[u8]) -> usize {
    let is_label = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    column.iter().take(LABEL_BYTES_MAX + 1).take_while(|b| is_label(b)).count()
}

/// A column's label and value.
fn pair(column: &str) -> Option<(&str, &str)> {
    let end = label_end(column.as_bytes());
    let value = column[end..].strip_prefix(':')?;
    (end > 0 && end <= LABEL_BYTES_MAX).then_some((&column[..end], value))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let text = line.trim_end_matches(['\t', '\r']);
    let (mut pairs, mut timed, mut access) = (0_usize, false, false);
    for column in text.split('\t') {
        let Some((label, _)) = pair(column) else { return Err(ParseError::at(line, line, "a label in every column")) };
        pairs += 1;
        timed |= label == "time";
        access |= matches!(label, "req" | "status" | "ua" | "uri");
    }
    if pairs < 2 || (pairs == 2 && !timed) {
        return Err(ParseError::at(line, line, "a third column"));
    }
    let mut fields = Fields::default();
    let mut budget = Budget::default();
    for (label, value) in text.split('\t').filter_map(pair) {
        if !budget.take_leaf() {
            break;
        }
        let known = (label == "time" && put_time(value, context, &mut fields))
            || (access && put_access(label, value, &mut fields));
        if !known && value != "-" {
            fields.push(label, Value::text(value));
        }
    }
    fields.tags.extend(budget.tags());
    normalize::normalize(&mut fields, context);
    if fields.get("message").is_none() {
        fields.push("message", Value::text(line));
    }
    Ok(fields)
}

/// The stamp of access lines, in brackets or not, or ISO 8601.
fn put_time(value: &str, context: &Context, fields: &mut Fields<'_>) -> bool {
    let bare = value.strip_prefix('[').and_then(|value| value.strip_suffix(']')).unwrap_or(value);
    let clf = clf_prefix(bare).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, stamp)| stamp);
    let Some(stamp) = clf.or_else(|| iso8601(bare, context.utc_offset_s)) else { return false };
    stamp.put(fields);
    true
}

/// Adds what a label of an access line says; whether it is known, its value of the right shape, and not said before.
fn put_access<'a>(label: &str, value: &'a str, fields: &mut Fields<'a>) -> bool {
    let name = match label {
        "host" => "source.ip",
        "req" | "method" => "http.request.method",
        "uri" => "url.original",
        "protocol" => "http.version",
        "status" => "http.response.status_code",
        "size" => "http.response.body.bytes",
        "reqsize" => "http.request.body.bytes",
        "referer" => "http.request.referrer",
        "ua" => "user_agent.original",
        "vhost" => "url.domain",
        "user" => "user.name",
        "forwardedfor" => "network.forwarded_ip",
        "reqtime" | "reqtime_microsec" => "event.duration",
        _ => return false,
    };
    if let Some(said) = fields.get(name) {
        return said.as_str() == Some(value);
    }
    let number = match label {
        "status" | "size" | "reqsize" => value.parse().ok(),
        "reqtime" => nanos_of_seconds(value),
        "reqtime_microsec" => value.parse::<i64>().ok().and_then(|micros| micros.checked_mul(1_000)),
        _ => {
            match label {
                "host" => SOURCE.put(value, fields),
                "req" => put_request(value, fields),
                "vhost" => put_domain(value, fields),
                "protocol" => fields.push_present(name, value.strip_prefix("HTTP/").unwrap_or(value)),
                "method" if !is_method(value) => return false,
                _ => fields.push_present(name, value),
            }
            return true;
        }
    };
    let Some(number) = number else { return false };
    fields.push(name, Value::Int(number));
    true
}
