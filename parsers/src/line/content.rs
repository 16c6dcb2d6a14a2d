//! What stands behind a syslog header (RFC 3164 calls it CONTENT): an envelope of its own, or a sentence of a known
//! program.
//!
//! Promise: the message stays whole unless an inner format says which part of it is the text.

use super::{Context, auditd, auth, cef, cisco, dmesg, dns, inner, mail, named, slapd, unbound, winlog};
use crate::fields::{Fields, Value};

/// Longer counts of repetition are none.
const COUNT_DIGITS_MAX: usize = 9;

/// Puts the text that follows a header into the fields.
pub(super) fn put<'a>(text: &'a str, context: &Context, fields: &mut Fields<'a>) {
    match text.as_bytes() {
        [b'%', ..] if cisco::content(text, fields) => return,
        [b'C' | b'L', b'E', ..] if cef::content(text, context, fields) => return,
        [b'M', b'S', ..] if winlog::content(text, context, fields) => return,
        [b't' | b'n', ..] if auditd::content(text, fields) => return,
        _ => {}
    }
    let known = fields.items.iter().find(|field| field.name == "process.name");
    let known = known.and_then(|field| if let Value::Str(name) = &field.value { Some(name.clone()) } else { None });
    let program = known.as_deref().unwrap_or_default();
    if program == "kernel" {
        return dmesg::content(text, fields);
    }
    let text = labelled(program, text, fields).unwrap_or(text);
    inner::message(text, context, fields);
    dns::enrich(program, text, fields);
    mail::enrich(program, text, fields);
    if program == "slapd" {
        slapd::enrich(text, fields);
    }
    match repeated(text.trim_matches(['-', ' '])) {
        Some((count, said)) => {
            fields.push("log.syslog.repeated", Value::Int(count));
            auth::enrich(program, said, fields);
        }
        None => auth::enrich(program, text, fields),
    }
}

/// What follows the labels that some programs repeat inside of syslog: a category, threads, the level.
fn labelled<'a>(program: &str, text: &'a str, fields: &mut Fields<'a>) -> Option<&'a str> {
    let (said, message) = match program {
        "named" => {
            let (category, said, message) = named::labels(text)?;
            fields.push("log.logger", Value::text(category));
            (Some(said), message)
        }
        "unbound" => {
            let ((process, thread), said, message) = unbound::labels(text)?;
            for (name, number) in [("process.pid", process), ("process.thread.id", thread)] {
                if let Some(number) = number.filter(|_| fields.get(name).is_none()) {
                    fields.push(name, Value::Int(number));
                }
            }
            (said, message)
        }
        _ => return None,
    };
    if let Some(said) = said.filter(|_| fields.get("log.level").is_none()) {
        fields.push("log.level", Value::text(said));
    }
    Some(message)
}

/// `last message repeated 3 times`, and rsyslog's `message repeated 3 times: [ text]`.
pub(super) fn repeated(text: &str) -> Option<(i64, &str)> {
    let rest = text.strip_prefix("last ").unwrap_or(text).strip_prefix("message repeated ")?;
    let digits = rest.bytes().take(COUNT_DIGITS_MAX).take_while(u8::is_ascii_digit).count();
    let said = rest[digits..].strip_prefix(" time")?;
    let said = said.strip_prefix('s').unwrap_or(said);
    let said = said.strip_prefix(": [").map_or("", |said| said.strip_suffix(']').unwrap_or(said).trim_start());
    Some((rest[..digits].parse().ok()?, said))
}
