//! Server access logs of Amazon S3: `OWNER BUCKET [STAMP] ADDRESS REQUESTER REQUEST-ID OPERATION KEY "REQUEST" ..`.
//!
//! The whole line is the message; what is behind the user agent is read as far as it is there, since each version has
//! appended columns.

use super::access::{SOURCE, count, put_count, put_millis, put_request, quoted_word, status, word};
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::clf_prefix;
use memchr::memchr;
use nom::Parser;
use nom::bytes::complete::tag;

/// A canonical user id.
const OWNER_BYTES: usize = 64;
/// The longest name of a bucket is 63, of the first ones 255.
const BUCKET_BYTES_MAX: usize = 255;

/// Amazon S3.
pub const FORMAT: Format = Format {
    name: "aws_s3",
    summary: "server access logs of Amazon S3",
    example: r#"79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be shop-media [02/Jan/2026:03:04:05 +0000] 192.0.2.7 - 3E57427F3EXAMPLE REST.GET.OBJECT a.png "GET /a.png HTTP/1.1" 200 - 113 113 7 6 "-" "curl/8.5.0" -"#,
    rank: 26,
    starts: Starts::DIGIT.or(Starts::between(b'a', b'f')),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    line.get(OWNER_BYTES) == Some(&b' ') && line[..OWNER_BYTES].iter().all(u8::is_ascii_hexdigit)
}

fn parse<'a>(line: &'a str, _: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (_, ()) = prefix(line, access(line, &mut fields))?;
    fields.push("message", Value::text(line));
    Ok(fields)
}

/// What may follow the user agent.
const TAIL: [&str; 8] = [
    "aws.s3access.version_id",
    "aws.s3access.host_id",
    "aws.s3access.signature_version",
    "tls.cipher",
    "aws.s3access.authentication_type",
    "url.domain",
    "tls.version",
    "aws.s3access.access_point_arn",
];

fn access<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, owner) = word(line)?;
    let head = &rest.as_bytes()[..rest.len().min(BUCKET_BYTES_MAX + 1)];
    if memchr(b' ', head).is_none() {
        return stop(rest, "a bucket");
    }
    let (rest, bucket) = word(rest)?;
    let (rest, _) = tag("[").parse(rest)?;
    let (rest, stamp) = clf_prefix(rest)?;
    let (rest, _) = tag("] ").parse(rest)?;
    let (rest, address) = word(rest)?;
    let (rest, requester) = word(rest)?;
    let (rest, id) = word(rest)?;
    let (rest, operation) = word(rest)?;
    let (rest, key) = word(rest)?;
    // Lifecycle's own work has no request.
    let (rest, request) = tag("- ").or(quoted_word).parse(rest)?;
    let (rest, status) = status(rest)?;
    let (rest, error) = word(rest)?;
    let (rest, sent) = count(rest)?;
    let (rest, size) = count(rest)?;
    let (rest, millis) = count(rest)?;
    let (rest, turn_around) = count(rest)?;
    let (rest, referrer) = tag("- ").or(quoted_word).parse(rest)?;
    let (mut rest, agent) = tag("- ").or(quoted_word).parse(rest)?;
    stamp.put(fields);
    fields.push("aws.s3access.bucket_owner", Value::text(owner));
    fields.push("aws.s3access.bucket", Value::text(bucket));
    SOURCE.put(address, fields);
    fields.push_present("aws.s3access.requester", requester);
    fields.push_present("http.request.id", id);
    fields.push_present("event.action", operation);
    fields.push_present("aws.s3access.key", key);
    put_request(request, fields);
    put_count("http.response.status_code", status, fields);
    fields.push_present("event.code", error);
    put_count("http.response.body.bytes", sent, fields);
    put_count("aws.s3access.object_size", size, fields);
    if let Some(millis) = millis {
        put_millis(millis, fields);
    }
    put_count("aws.s3access.turn_around_time", turn_around, fields);
    for (name, text) in [("http.request.referrer", referrer), ("user_agent.original", agent)] {
        fields.push_present(name, text.trim_end_matches(' '));
    }
    for name in TAIL {
        let Ok((after, text)) = word(rest) else { break };
        fields.push_present(name, text);
        rest = after;
    }
    Ok(("", ()))
}
