//! What the formats of [`crate::envelope`] share: the text inside is read like a record of its own.
//!
//! The program's own stamp wins over the engine's, which says when the line passed by; its level, logger and message are
//! the record's. Names that both have are the engine's.

use super::detect::Detector;
use super::{Context, inner};
use crate::fields::{Fields, Value};

/// A container's name is no longer than this.
pub(super) const NAME_BYTES_MAX: usize = 255;

/// Puts the stream that a program wrote to, in OpenTelemetry's word.
pub(super) fn put_stream<'a>(stream: &'a str, fields: &mut Fields<'a>) {
    fields.push("log.iostream", Value::text(stream));
}

/// Reads what the program wrote, one line or several. The engine's time, if it told one, decides the year of stamps that
/// name none.
pub(super) fn put<'a>(text: &'a str, context: &Context, fields: &mut Fields<'a>) {
    if text.is_empty() {
        return;
    }
    let received = fields.time.unwrap_or(context.received);
    let context = &Context { received, enclosed: true, ..*context };
    let (_, inner) = match context.inside {
        Some(named) => Detector::parse_as(named, text, context),
        None => Detector::parse(None, text, context),
    };
    merge(inner, fields);
}

/// Adds what the program said to what the engine says.
pub(super) fn merge<'a>(inner: Fields<'a>, fields: &mut Fields<'a>) {
    fields.time = inner.time.or(fields.time);
    inner::merge(inner, fields);
}

/// Whether a name is one of a container, a pod or a process: letters, digits, `_`, `.` and `-`.
pub(super) fn is_name(name: &[u8]) -> bool {
    let inside = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    name.first().is_some_and(u8::is_ascii_alphanumeric) && name.len() <= NAME_BYTES_MAX && name.iter().all(inside)
}
