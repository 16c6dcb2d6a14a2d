//! Docker's `json-file` log driver: `{"log":"text\n","stream":"stderr","time":"2026-01-02T03:04:05.678901234Z"}`.
//!
//! Source: the driver's documentation (`docker logs`, `/var/lib/docker/containers/ID/ID-json.log`); `attrs` holds the
//! labels and variables that the driver was told to add. An object with other names is not of this driver: Fluentd and its
//! kin write such, which [`json`](super::json) reads. What the program wrote is read by the format that it has.

use super::{Below, Context, Format, Starts, enclosed};
use crate::envelope::Opened;
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, complete, stop};
use crate::json::{self, string};
use crate::time::iso8601_prefix;
use memchr::memrchr;
use std::borrow::Cow;

/// The driver's first name, and the quote of its value.
const LEAD: &[u8] = b"{\"log\":\"";

/// Docker's `json-file`.
pub const FORMAT: Format = Format {
    name: "docker",
    summary: "Docker's json-file driver; what the container wrote is read by its own format",
    example: r#"{"log":"level=info msg=listening\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z"}"#,
    rank: 0,
    starts: Starts::of(b"{"),
    below: Below::Apart,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    line.starts_with(LEAD)
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut outer = Fields::default();
    json::parse_object(line, &mut outer)?;
    let mut fields = Fields::default();
    let mut text = None;
    for field in outer.items {
        match (&*field.name, field.value) {
            ("log", Value::Str(log)) => text = Some(log),
            ("stream", Value::Str(Cow::Borrowed(stream))) => enclosed::put_stream(stream, &mut fields),
            ("time", Value::Str(Cow::Borrowed(time))) => complete(line, iso8601_prefix(time, 0))?.put(&mut fields),
            ("attrs", Value::Map(attrs)) => {
                let named = attrs.into_iter().map(|(name, value)| (format!("docker.attrs.{name}"), value));
                named.for_each(|(name, value)| fields.push(name, value));
            }
            _ => return Err(ParseError::at(line, line, "the names of Docker's driver alone")),
        }
    }
    let Some(text) = text else { return Err(ParseError::at(line, line, "a text")) };
    let text = text.trim_end_matches(['\r', '\n']);
    match line.get(LEAD.len()..LEAD.len() + text.len()).filter(|written| *written == text) {
        Some(text) => enclosed::put(text, context, &mut fields),
        // Rebuilt from escapes, so nothing can borrow from it.
        None => {
            let mut inner = Fields { time: fields.time, ..Fields::default() };
            enclosed::put(text, context, &mut inner);
            enclosed::merge(inner.into_owned(), &mut fields);
        }
    }
    Ok(fields)
}

/// See [`crate::envelope::open`].
pub(crate) fn open(line: &[u8]) -> Option<Opened<'_>> {
    if !probe(line) || !line.ends_with(b"\"}") {
        return None;
    }
    let rest = std::str::from_utf8(&line[LEAD.len()..]).ok()?;
    let (closing, ()) = log_end(rest).ok()?;
    let text_end = line.len() - closing.len() - 1;
    let after = closing.strip_prefix(",\"stream\":\"")?;
    let stream = after.find('"').map(|end| &after.as_bytes()[..end])?;
    // The time comes last, so that nothing of another writer is taken for this one's.
    memrchr(b',', closing.as_bytes()).filter(|at| closing[*at..].starts_with(",\"time\":\""))?;
    let text = &line[LEAD.len()..text_end];
    // A backslash before the `n` may itself be escaped.
    let slashes = text.strip_suffix(b"n").map_or(0, |text| text.iter().rev().take_while(|b| **b == b'\\').count());
    Some(Opened { stream, text_start: LEAD.len(), text_end, escaped: true, partial: slashes.is_multiple_of(2) })
}

/// What follows the string that the text begins in the middle of.
fn log_end(text: &str) -> Step<'_, ()> {
    match string(text) {
        Ok((rest, _)) => Ok((rest, ())),
        Err(_) => stop(text, "a closing quote"),
    }
}
