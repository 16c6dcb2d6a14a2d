//! What mail servers say: Postfix' queue lines and refusals, Dovecot's logins.
//!
//! This is no format: [`enrich`] adds fields to a message whose syslog header is already read; the message stays whole.
//! Sources are the programs' documentation (`postconf(5)`, `login_log_format_elements`). Names of clients are those that the
//! server looked up; addresses of mail are as the client gave them.

use super::access::{SOURCE, is_ip};
use super::dovecot;
use crate::fields::{Fields, Value};
use memchr::memmem;

/// Queue identifiers: hexadecimal of at least so many digits, or the long ones of `enable_long_queue_ids`.
const QUEUE_ID_BYTES: std::ops::RangeInclusive<usize> = 6..=20;

/// Adds what the message of that program says.
pub(super) fn enrich<'a>(program: &str, text: &'a str, fields: &mut Fields<'a>) {
    if program == "postfix" || program.starts_with("postfix/") || program.starts_with("postfix-") {
        postfix(text, fields);
    } else if program == "dovecot" {
        if let Some((service, level, _)) = dovecot::labels(text) {
            service.put(fields);
            put_level(level, fields);
        }
        let text = text.split_once(": ").map_or(text, |(_, rest)| rest);
        login(text.strip_prefix("Info: ").unwrap_or(text), fields);
    }
}

fn put_level(level: &'static str, fields: &mut Fields<'_>) {
    if fields.get("log.level").is_none() {
        fields.push("log.level", Value::text(level));
    }
}

fn postfix<'a>(text: &'a str, fields: &mut Fields<'a>) {
    let body = match text.split_once(": ") {
        Some((id, rest)) if is_queue_id(id) => {
            fields.push_present("postfix.queue_id", id);
            rest
        }
        Some(("NOQUEUE", rest)) => rest,
        _ => text,
    };
    let level = match body.split_once(": ") {
        Some(("warning", _)) => Some("warn"),
        Some(("error", _)) => Some("error"),
        Some(("fatal" | "panic", _)) => Some("fatal"),
        _ => None,
    };
    if let Some(level) = level {
        put_level(level, fields);
    }
    let refused = ["reject: ", "milter-reject: ", "discard: "].iter().any(|lead| body.starts_with(lead));
    if refused {
        fields.push("event.outcome", Value::text("failure"));
    }
    put_client(body, refused, fields);
    if let Some(id) = body.strip_prefix("message-id=<").and_then(|rest| rest.strip_suffix('>')) {
        fields.push_present("email.message_id", id);
    }
    for (lead, name) in [("from=<", "email.from.address"), ("to=<", "email.to.address")] {
        fields.push_present(name, bracketed(body, lead).unwrap_or_default());
    }
    if let Some(at) = memmem::find(body.as_bytes(), b", status=") {
        let word = body[at + ", status=".len()..].split(' ').next().unwrap_or_default();
        let outcome = match word {
            "sent" | "deliverable" => Some("success"),
            "bounced" | "deferred" | "expired" | "undeliverable" => Some("failure"),
            _ => None,
        };
        if let Some(outcome) = outcome {
            fields.push("event.outcome", Value::text(outcome));
        }
    }
}

/// `4F0A1B2C3D`, `4XyZk73RnTzQ1`.
fn is_queue_id(word: &str) -> bool {
    let long = || word.len() >= 10 && word.bytes().any(|b| b.is_ascii_digit());
    QUEUE_ID_BYTES.contains(&word.len())
        && word.bytes().all(|b| b.is_ascii_alphanumeric())
        && (word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'A'..=b'F')) || long())
}

/// `connect from mail.example[192.0.2.7]`, `client=mail.example[192.0.2.7]`, `reject: RCPT from mail.example[192.0.2.7]: ..`.
fn put_client<'a>(body: &'a str, refused: bool, fields: &mut Fields<'a>) {
    const LEADS: [&str; 6] = [
        "connect from ",
        "disconnect from ",
        "client=",
        "warning: non-SMTP command from ",
        "warning: Illegal address syntax from ",
        "improper command pipelining after ",
    ];
    let found = LEADS.iter().find_map(|lead| body.strip_prefix(lead));
    let after = |lead: &str| body.starts_with(lead).then(|| body.split_once(" from ")).flatten().map(|(_, peer)| peer);
    let found = found
        .or_else(|| ["lost connection after ", "timeout after ", "too many errors after "].into_iter().find_map(after))
        .or_else(|| refused.then(|| body.split_once(" from ")).flatten().map(|(_, peer)| peer));
    let Some((name, rest)) = found.and_then(|peer| peer.split_once('[')) else { return };
    let Some((address, _)) = rest.split_once(']').filter(|(address, _)| is_ip(address) && !name.contains(' ')) else {
        return;
    };
    SOURCE.put(address, fields);
    if name != "unknown" {
        fields.push_present("source.domain", name);
    }
}

/// The address behind `from=<` or `to=<` where a pair begins.
fn bracketed<'a>(body: &'a str, lead: &str) -> Option<&'a str> {
    let at = memmem::find_iter(body.as_bytes(), lead.as_bytes())
        .find(|at| *at == 0 || body.as_bytes()[..*at].ends_with(b" "))?;
    let (address, _) = body[at + lead.len()..].split_once('>')?;
    Some(address)
}

/// `Login: user=<ann>, method=PLAIN, rip=192.0.2.7, lip=203.0.113.5, ..`, `passwd-file(ann,192.0.2.7,<session>): ..`.
pub(super) fn login<'a>(text: &'a str, fields: &mut Fields<'a>) {
    if let Some(user) = pair(text, "user=<").and_then(|rest| rest.split_once('>')).map(|(user, _)| user) {
        if fields.get("user.name").is_none() {
            fields.push_present("user.name", user);
        }
        for (lead, name) in [("rip=", "source.ip"), ("lip=", "destination.ip")] {
            let value = pair(text, lead).map(|rest| rest.split(',').next().unwrap_or_default());
            fields.push_present(name, value.filter(|value| is_ip(value)).unwrap_or_default());
        }
        let outcome = if text.starts_with("Login: ") { Some("success") } else { None };
        if let Some(outcome) = outcome {
            fields.push("event.outcome", Value::text(outcome));
        }
        return;
    }
    // A password database names the user, the address and the session.
    let Some((database, rest)) = text.split_once('(') else { return };
    let Some((inside, _)) = rest.split_once("): ") else { return };
    let mut parts = inside.splitn(3, ',');
    let (Some(user), Some(address)) = (parts.next(), parts.next()) else { return };
    if database.contains(' ') || !is_ip(address) {
        return;
    }
    if user != "?" {
        fields.push_present("user.name", user);
    }
    SOURCE.put(address, fields);
}

/// What follows a key at the front or behind a space.
fn pair<'a>(text: &'a str, lead: &str) -> Option<&'a str> {
    let at = memmem::find_iter(text.as_bytes(), lead.as_bytes())
        .find(|at| *at == 0 || text.as_bytes()[..*at].ends_with(b" "))?;
    Some(&text[at + lead.len()..])
}
