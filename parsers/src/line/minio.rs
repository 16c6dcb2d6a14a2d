//! MinIO's errors as its server writes them to a terminal: `API: PutObject(bucket=images, object=a.png)`, then lines that begin with `Time: `,
//! `DeploymentID: `, `RequestID: `, `RemoteHost: `, `Host: `, `UserAgent: ` and `Error: `, then where in the source it came from.
//!
//! The first line alone names the call, or `SYSTEM` with a part of the server; the whole entry is the message. The start's `API: http://..` is
//! no entry. What the server writes as JSON is [`json`](super::json)'s.

use super::access::SOURCE;
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::time::leading_stamp;

/// What follows the first line of an entry is a header as far as this many lines.
const HEADERS_MAX: usize = 8;
const LEAD: &str = "API: ";

/// MinIO's console.
pub const FORMAT: Format = Format {
    name: "minio",
    summary: "errors of MinIO's server: a call, and the time, the deployment and the error below it",
    example: "API: PutObject(bucket=images, object=cart.png)",
    rank: 126,
    starts: Starts::of(b"A"),
    below: Below::Entry(read_entry),
    probe: |line| line.starts_with(LEAD.as_bytes()),
    parse,
};

fn parse<'a>(line: &'a str, _context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let call = line.strip_prefix(LEAD).unwrap_or_default();
    let (name, arguments) = call.split_once('(').map_or((call, None), |(name, rest)| (name, rest.strip_suffix(')')));
    let is_part = |part: &str| {
        part.is_empty() || part.strip_prefix('.').is_some_and(|part| part.bytes().all(|b| b.is_ascii_lowercase()))
    };
    let system = name.strip_prefix("SYSTEM").is_some_and(is_part) && (arguments == Some("") || name == call);
    let called = name.bytes().all(|b| b.is_ascii_alphanumeric())
        && name.starts_with(|first: char| first.is_ascii_uppercase())
        && arguments.is_some_and(|arguments| arguments.is_empty() || arguments.starts_with("bucket="));
    if !system && !called {
        return Err(ParseError::at(line, call, "a call of MinIO's API"));
    }
    fields.push("minio.api", Value::text(name));
    if let Some(arguments) = arguments.and_then(|arguments| arguments.strip_prefix("bucket=")) {
        let (bucket, others) = arguments.split_once(", ").unwrap_or((arguments, ""));
        let object = others.strip_prefix("object=").unwrap_or_default();
        let (object, _version) = object.rsplit_once(", versionId=").unwrap_or((object, ""));
        fields.push_present("minio.bucket", bucket);
        fields.push_present("minio.object", object);
    }
    fields.push("message", Value::text(line));
    Ok(fields)
}

/// Reads the lines of an entry below its first.
fn read_entry<'a>(rest: &'a str, context: &Context, fields: &mut Fields<'a>) {
    for line in rest.lines().take(HEADERS_MAX) {
        let Some((name, value)) = line.split_once(": ") else { return };
        match name {
            "Time" => put_time(value, context, fields),
            "DeploymentID" => fields.push_present("minio.deployment_id", value),
            "RequestID" => fields.push_present("http.request.id", value),
            "RemoteHost" => SOURCE.put(value, fields),
            "Host" => fields.push_present("minio.host", value),
            "UserAgent" => fields.push_present("user_agent.original", value),
            "Error" => {
                fields.push("log.level", Value::text("error"));
                fields.push_present("error.message", value);
                return;
            }
            _ => return,
        }
    }
}

/// `15:04:05 MST 01/02/2006`, the month always first.
fn put_time(text: &str, context: &Context, fields: &mut Fields<'_>) {
    let Some((clock, date)) = text.rsplit_once(' ') else { return };
    let ordered = format!("{date} {clock}");
    let context = Context { day_first: false, ..*context };
    if let Some((_, stamp)) = leading_stamp(&ordered, &context).filter(|(rest, _)| rest.is_empty()) {
        stamp.put(fields);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::detect::Detector;

    #[test]
    fn an_entry_is_read_as_one() {
        let entry = "API: GetObject(bucket=images, object=a b.png)\nTime: 03:04:05 UTC 01/02/2026\nDeploymentID: d-1\n\
                     RequestID: 17A2\nRemoteHost: 192.0.2.7\nHost: shop:9000\nUserAgent: mc/1.0\nError: disk: gone\n       1: a.go:7:a()";
        let (id, fields) = Detector::parse(None, entry, &Context::default());
        assert_eq!((id.format().name, fields.time), ("minio", Some(1_767_323_045_000_000_000)));
        for (name, value) in [
            ("log.level", "error"),
            ("message", entry),
            ("minio.api", "GetObject"),
            ("minio.bucket", "images"),
            ("minio.object", "a b.png"),
            ("minio.deployment_id", "d-1"),
            ("http.request.id", "17A2"),
            ("source.ip", "192.0.2.7"),
            ("minio.host", "shop:9000"),
            ("user_agent.original", "mc/1.0"),
            ("error.message", "disk: gone"),
        ] {
            assert_eq!(fields.get(name), Some(&Value::text(value)), "{name}");
        }
    }

    #[test]
    fn what_is_no_call_stays_text() {
        for line in ["API: http://127.0.0.1:9000", "API: SYSTEM down", "API: Get(x)", "API: see below", "API: "] {
            assert_eq!(Detector::parse(None, line, &Context::default()).0.format().name, "plain", "{line}");
        }
    }
}
