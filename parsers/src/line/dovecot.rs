//! Dovecot's own log file: `Jan 02 03:04:05 imap-login: Info: Login: user=<ann>, method=PLAIN, rip=192.0.2.7, ..`,
//! `Jan 02 03:04:05 imap(ann)<77><session>: Error: text`.
//!
//! Source: `log_path`, `log_timestamp` and `mail_log_prefix` of its documentation; the user may be an address, the process and
//! the session are those of version 2.3. What the messages say of logins is read by [`mail`](super::mail).

use super::{Below, Context, Format, Starts, level, mail};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::leading_stamp;
use memchr::memmem;

/// The process, user and session are no longer.
const PREFIX_BYTES_MAX: usize = 320;

/// Dovecot.
pub const FORMAT: Format = Format {
    name: "dovecot",
    summary: "Dovecot's own log file",
    example: "Jan 02 03:04:05 imap-login: Info: Login: user=<ann>, method=PLAIN, rip=192.0.2.7, lip=203.0.113.5, mpid=77, TLS",
    rank: 73,
    starts: Starts::UPPER.or(Starts::DIGIT),
    below: Below::Message,
    probe,
    parse,
};

/// The words that Dovecot has for its levels.
const LEVELS: [&str; 6] = ["Debug", "Info", "Warning", "Error", "Fatal", "Panic"];

fn probe(line: &[u8]) -> bool {
    matches!(line, [b'A'..=b'S', _, _, b' ', _, _, b' ', ..]) || line.get(4) == Some(&b'-')
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(message));
    mail::login(message, &mut fields);
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((rest, stamp)) = leading_stamp(line, context) else { return stop(line, "a stamp") };
    let Some(rest) = rest.strip_prefix(' ') else { return stop(rest, "a space") };
    let Some((service, level, message)) = labels(rest) else { return stop(rest, "a service and a level") };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push_present("process.name", service.name);
    service.put(fields);
    Ok((message, ()))
}

/// `imap(ann)<77><session>`, all but the name may be missing.
#[derive(Clone, Copy)]
pub(super) struct Service<'a> {
    name: &'a str,
    user: &'a str,
    process: Option<u32>,
}

impl<'a> Service<'a> {
    /// Puts the user and the process, but not the name.
    pub(super) fn put(self, fields: &mut Fields<'a>) {
        fields.push_present("user.name", self.user);
        if let Some(process) = self.process
            && fields.get("process.pid").is_none()
        {
            fields.push("process.pid", Value::Int(i64::from(process)));
        }
    }
}

/// `imap(ann)<77><session>: Error: text`.
pub(super) fn labels(text: &str) -> Option<(Service<'_>, &'static str, &str)> {
    let head = &text.as_bytes()[..text.len().min(PREFIX_BYTES_MAX)];
    let end = memmem::find(head, b": ")?;
    let (word, message) = text[end + 2..].split_once(": ")?;
    let level = LEVELS.contains(&word).then(|| level::from_word(word)).flatten()?;
    let (name, rest) = text[..end].split_at(text[..end].find('(').unwrap_or(end));
    let named = !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !named {
        return None;
    }
    let (user, rest) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')).unwrap_or_default();
    // Processes that serve nobody in particular have their number there.
    if let Ok(process) = user.parse() {
        return Some((Service { name, user: "", process: Some(process) }, level, message));
    }
    let process = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).and_then(|(id, _)| id.parse().ok());
    Some((Service { name, user, process }, level, message))
}
