//! The W3C extended log format: lines whose columns a `#Fields:` line names, as IIS and CloudFront write them.
//!
//! The newest such line of the stream decides ([`Context::header`]). Without one the columns of IIS as it is installed
//! and of CloudFront's standard logs (tabs, 24 columns or more) are known. A line must have as many columns as its
//! header, and addresses, method and status must look like such. The whole line is the message; lines that begin with
//! `#` are messages and nothing else.
//!
//! Columns that nobody here knows keep their name behind `w3c.`. `time-taken` is a duration where its unit is sure:
//! milliseconds in IIS, seconds in CloudFront.

use super::access::{is_ip, is_method, put_domain, put_millis};
use super::parts::nanos_of_seconds;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::{Stamp, iso8601};
use memchr::{memchr, memmem};
use std::borrow::Cow;

/// Headers with more columns are none.
const COLUMNS_MAX: usize = 128;
/// How many columns CloudFront has written from the start: newer ones come behind.
const CLOUDFRONT_COLUMNS_MIN: usize = 24;

const DIRECTIVES: [&str; 8] =
    ["Fields:", "Version:", "Software:", "Date:", "Start-Date:", "End-Date:", "Remark:", "Application:"];

/// IIS 8 and later as installed, and IIS 7.
const IIS: [&str; 2] = [
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) \
     sc-status sc-substatus sc-win32-status time-taken",
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) \
     sc-status sc-substatus sc-win32-status time-taken",
];

const CLOUDFRONT: &str = "date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) \
    cs(User-Agent) cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes \
    time-taken x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status \
    fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len \
    sc-range-start sc-range-end";

/// IIS, CloudFront.
pub const FORMAT: Format = Format {
    name: "w3c",
    summary: "W3C extended: IIS, CloudFront, whatever has a `#Fields:` line",
    example: "2026-01-02 03:04:05 10.0.0.2 GET /cart id=7 443 - 192.0.2.7 curl/8.5.0 - 200 0 0 12",
    rank: 28,
    starts: Starts::DIGIT.or(Starts::of(b"#")),
    below: Below::Message,
    probe,
    parse,
};

/// `2026-01-02 03:04:05 `, also with tabs, or `#Fields:` and the like.
fn probe(line: &[u8]) -> bool {
    match line {
        [b'#', rest @ ..] => DIRECTIVES.iter().any(|name| rest.starts_with(name.as_bytes())),
        [_, _, _, _, b'-', _, _, b'-', _, _, gap @ (b' ' | b'\t'), _, _, b':', _, _, b':', _, _, other, ..] => {
            gap == other
        }
        _ => false,
    }
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let tabs = line.as_bytes().get(10) == Some(&b'\t');
    let header = context.header.and_then(|header| header.strip_prefix("#Fields:"));
    let known: &[&str] = if tabs { &[CLOUDFRONT] } else { &IIS };
    let mut result = Err(ParseError::at(line, line, "the columns of a `#Fields:` line"));
    for columns in header.into_iter().chain(known.iter().copied()) {
        let mut fields = Fields::default();
        if !line.starts_with('#') {
            result = prefix(line, record(line, columns, tabs, &mut fields));
            if result.is_err() {
                continue;
            }
        }
        fields.push("message", Value::text(line));
        return Ok(fields);
    }
    result.and(Err(ParseError::at(line, line, "known columns")))
}

fn record<'a>(line: &'a str, columns: &str, tabs: bool, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let mut names = columns.split_ascii_whitespace().take(COLUMNS_MAX);
    let mut rest = line;
    let (mut date, mut clock, mut seen) = ("", "", 0);
    // The unit of IIS, which alone has this column.
    let millis = memmem::find(columns.as_bytes(), b"sc-win32-status").is_some();
    while !rest.is_empty() {
        let end = memchr(if tabs { b'\t' } else { b' ' }, rest.as_bytes()).unwrap_or(rest.len());
        let value = &rest[..end];
        let Some(name) = names.next() else { return stop(rest, "the end") };
        match name {
            "date" => date = value,
            "time" => clock = value,
            "time-taken" if millis && !tabs => match value.parse() {
                Ok(millis) => put_millis(millis, fields),
                Err(_) => return stop(rest, "milliseconds"),
            },
            "time-taken" if tabs => {
                if let Some(nanos) = nanos_of_seconds(value) {
                    fields.push("event.duration", Value::Int(nanos));
                }
            }
            _ if value == "-" || value.is_empty() => {}
            _ if put(name, value, tabs, fields) => {}
            _ => return stop(rest, "a value that fits the column"),
        }
        seen += 1;
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    if names.next().is_some() && !(tabs && columns == CLOUDFRONT && seen >= CLOUDFRONT_COLUMNS_MIN) {
        return stop(rest, "as many columns as the header has");
    }
    match stamp(date, clock) {
        Some(stamp) => stamp.put(fields),
        None => return stop(line, "a date and a time"),
    }
    Ok(("", ()))
}

/// Both are in UTC.
fn stamp(date: &str, clock: &str) -> Option<Stamp> {
    let mut joined = [b' '; 32];
    let end = date.len() + 1 + clock.len();
    joined.get_mut(..date.len())?.copy_from_slice(date.as_bytes());
    joined.get_mut(date.len() + 1..end)?.copy_from_slice(clock.as_bytes());
    iso8601(std::str::from_utf8(joined.get(..end)?).ok()?, 0)
}

/// Adds the value of a column; whether it has the shape that the column needs.
fn put<'a>(column: &str, value: &'a str, tabs: bool, fields: &mut Fields<'a>) -> bool {
    let name = match column {
        "c-ip" | "s-ip" => {
            fields.push(if column == "c-ip" { "source.ip" } else { "destination.ip" }, Value::text(value));
            return is_ip(value);
        }
        "cs-method" => {
            fields.push("http.request.method", Value::text(value));
            return is_method(value);
        }
        "cs-host" | "x-host-header" => {
            put_domain(value, fields);
            return true;
        }
        "cs(User-Agent)" => {
            let agent = if tabs { percent_decoded(value) } else { plus_decoded(value) };
            fields.push("user_agent.original", Value::Str(agent));
            return true;
        }
        "time-to-first-byte" => {
            let seconds = value.parse().ok().filter(|seconds: &f64| seconds.is_finite());
            fields.push("aws.cloudfront.time_to_first_byte", seconds.map_or(Value::text(value), Value::Float));
            return true;
        }
        "cs-version" | "cs-protocol-version" => {
            fields.push("http.version", Value::text(value.strip_prefix("HTTP/").unwrap_or(value)));
            return true;
        }
        _ => match (number_name(column), text_name(column)) {
            (Some(name), _) => {
                let Ok(number) = value.parse() else { return false };
                // A 0 is the status of a client that went away.
                if number != 0 || name != STATUS {
                    fields.push(name, Value::Int(number));
                }
                return true;
            }
            (None, Some(name)) => Cow::Borrowed(name),
            (None, None) => Cow::Owned(["w3c.", column].concat()),
        },
    };
    fields.push(name, Value::text(value));
    true
}

const STATUS: &str = "http.response.status_code";

fn number_name(column: &str) -> Option<&'static str> {
    Some(match column {
        "sc-status" => STATUS,
        "s-port" => "destination.port",
        "c-port" => "source.port",
        "sc-bytes" => "http.response.bytes",
        "cs-bytes" => "http.request.bytes",
        "sc-content-len" => "http.response.body.bytes",
        "sc-substatus" => "iis.access.sub_status",
        "sc-win32-status" => "iis.access.win32_status",
        "sc-range-start" => "aws.cloudfront.range_start",
        "sc-range-end" => "aws.cloudfront.range_end",
        _ => return None,
    })
}

fn text_name(column: &str) -> Option<&'static str> {
    Some(match column {
        "cs-uri-stem" => "url.path",
        "cs-uri-query" => "url.query",
        "cs-username" => "user.name",
        "cs(Referer)" => "http.request.referrer",
        "cs-protocol" => "url.scheme",
        "ssl-protocol" => "tls.version",
        "ssl-cipher" => "tls.cipher",
        "sc-content-type" => "http.response.mime_type",
        "s-sitename" => "iis.access.site_name",
        "s-computername" => "iis.access.server_name",
        "x-forwarded-for" | "X-Forwarded-For" => "network.forwarded_ip",
        "cs(Cookie)" => "w3c.cookie",
        "cs(Host)" => "aws.cloudfront.domain",
        "x-edge-location" => "aws.cloudfront.edge_location",
        "x-edge-request-id" => "http.request.id",
        "x-edge-result-type" => "aws.cloudfront.edge_result_type",
        "x-edge-response-result-type" => "aws.cloudfront.edge_response_result_type",
        "x-edge-detailed-result-type" => "aws.cloudfront.edge_detailed_result_type",
        _ => return None,
    })
}

/// IIS writes plus signs for spaces.
fn plus_decoded(text: &str) -> Cow<'_, str> {
    if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) }
}

/// `%20` and the like, if they make text.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = match (first, after) {
            (b'%', [a, b, ..]) => hex(*a).zip(hex(*b)).map(|(a, b)| a * 16 + b),
            _ => None,
        };
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, line: &str, expected: Option<&[(&str, Value<'_>)]>) {
        let context = Context { header: Some(header), ..Context::default() };
        let found = parse(line, &context).ok();
        let pairs = found.as_ref().map(|fields| {
            assert_eq!(fields.time, Some(1_767_323_045_000_000_000), "{line}");
            let items = fields.items.iter().filter(|field| field.name != "message");
            items.map(|field| (&*field.name, field.value.clone())).collect::<Vec<_>>()
        });
        assert_eq!(pairs.as_deref(), expected, "{line}");
    }

    #[test]
    fn a_header_names_the_columns() {
        check(
            "#Fields: date time cs-method sc-status x-own time-taken",
            "2026-01-02 03:04:05 GET 404 mine 12",
            Some(&[
                ("http.request.method", Value::text("GET")),
                ("http.response.status_code", Value::Int(404)),
                ("w3c.x-own", Value::text("mine")),
                ("w3c.time-taken", Value::text("12")),
            ]),
        );
        check(
            "#Fields: date\ttime\tsc-bytes\ttime-taken",
            "2026-01-02\t03:04:05\t7\t0.5",
            Some(&[("http.response.bytes", Value::Int(7)), ("event.duration", Value::Int(500_000_000))]),
        );
        check("#Fields: date time cs-method", "2026-01-02 03:04:05 GET 404", None);
        check("#Fields: date time cs-method sc-status", "2026-01-02 03:04:05 GET", None);
        check("#Fields: date time cs-method sc-status", "2026-01-02 03:04:05 server started", None);
        check("#Fields: time cs-method", "2026-01-02 03:04:05", None);
    }

    #[test]
    fn agents_are_decoded_if_that_makes_text() {
        assert_eq!(percent_decoded("Mozilla/5.0%20(X11)%2"), "Mozilla/5.0 (X11)%2");
        assert_eq!(percent_decoded("%ff"), "%ff");
    }
}
