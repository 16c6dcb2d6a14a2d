//! `kubectl logs --prefix`: `[pod/web-7d9c5/app] text`.
//!
//! Source: the output of the command. With `--timestamps` a stamp follows, which is read like any other.

use super::{Below, Context, Format, Starts, enclosed};
use crate::envelope::Opened;
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use memchr::memchr;

/// What every prefix begins with.
const LEAD: &[u8] = b"[pod/";

/// `kubectl logs --prefix`.
pub const FORMAT: Format = Format {
    name: "kubectl",
    summary: "kubectl logs --prefix; what the container wrote is read by its own format",
    example: "[pod/web-7d9c5bc6-x2x8f/app] level=info msg=listening port=8080",
    rank: 3,
    starts: Starts::of(b"["),
    below: Below::Whole,
    probe: |line| open(line).is_some(),
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let Some(opened) = open(line.as_bytes()) else {
        return Err(ParseError::at(line, line, "`[pod/NAME/CONTAINER]`"));
    };
    let mut fields = Fields::default();
    let mut names = line[LEAD.len()..].split(['/', ']']);
    for name in ["kubernetes.pod.name", "container.name"] {
        fields.push(name, Value::text(names.next().unwrap_or_default()));
    }
    enclosed::put(&line[opened.text_start..], context, &mut fields);
    Ok(fields)
}

/// See [`crate::envelope::open`].
pub(crate) fn open(line: &[u8]) -> Option<Opened<'_>> {
    let rest = line.strip_prefix(LEAD)?;
    let end = memchr(b']', &rest[..rest.len().min(2 * enclosed::NAME_BYTES_MAX)])?;
    let slash = memchr(b'/', &rest[..end])?;
    if !enclosed::is_name(&rest[..slash]) || !enclosed::is_name(&rest[slash + 1..end]) {
        return None;
    }
    let close = LEAD.len() + end;
    let text_start = match line.get(close + 1) {
        Some(b' ') => close + 2,
        None => close + 1,
        Some(_) => return None,
    };
    Some(Opened { stream: &line[1..close], text_start, text_end: line.len(), escaped: false, partial: false })
}
