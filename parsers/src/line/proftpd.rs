//! ProFTPD's `SystemLog`: `2026-01-02 03:04:05,678 web-1 proftpd[77] 203.0.113.5 (mail.example[192.0.2.7]): FTP session opened.`
//!
//! Source: its documentation of the directive and its messages. The address in front is the server's own; the client follows
//! in parentheses once there is one. Through syslog the same text is read by [`syslog3164`](super::syslog3164).

use super::access::SOURCE;
use super::parts::headed;
use super::{Below, Context, Format, Starts, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, stop};
use crate::time::iso8601_prefix;

/// ProFTPD.
pub const FORMAT: Format = Format {
    name: "proftpd",
    summary: "ProFTPD's system log",
    example: "2026-01-02 03:04:05,678 web-1 proftpd[77] 203.0.113.5 (mail.example[192.0.2.7]): FTP session opened.",
    rank: 76,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// `2026-01-02 03:04:05,678 `.
fn probe(line: &[u8]) -> bool {
    line.get(10) == Some(&b' ') && line.get(19) == Some(&b',') && line.get(23) == Some(&b' ')
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    headed(line, context, header)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let Some((host, rest)) = rest.strip_prefix(' ').and_then(|rest| rest.split_once(" proftpd[")) else {
        return stop(rest, "a host and the program's name");
    };
    let Some((process, rest)) = rest.split_once(']').filter(|_| !host.contains(' ')) else {
        return stop(rest, "a process");
    };
    let Ok(process) = process.parse::<u32>() else { return stop(rest, "a process") };
    // Addresses have colons too: the first one with a space behind it ends the header.
    let Some((peers, message)) = rest.split_once(": ").filter(|(peers, _)| peers.len() < 2 || peers.starts_with(' '))
    else {
        return stop(rest, "a colon");
    };
    stamp.put(fields);
    fields.push_present("host.name", host);
    fields.push("process.name", Value::text("proftpd"));
    fields.push("process.pid", Value::Int(i64::from(process)));
    if let Some((name, rest)) = peers.split_once(" (").and_then(|(_, client)| client.split_once('[')) {
        let address = rest.split_once(']').map_or("", |(address, _)| address);
        if name != address {
            fields.push_present("source.domain", name);
        }
        SOURCE.put(address, fields);
    }
    login(message, fields);
    match message.split_once(": ") {
        Some((word @ ("fatal" | "error" | "warning" | "notice" | "debug" | "info"), message)) => {
            if let Some(level) = level::from_word(word) {
                fields.push("log.level", Value::text(level));
            }
            Ok((message, ()))
        }
        _ => Ok((message, ())),
    }
}

/// `USER ann: Login successful.`, `USER ann (Login failed): Incorrect password`, `USER ann: no such user found from ..`.
fn login<'a>(message: &'a str, fields: &mut Fields<'a>) {
    let Some((user, rest)) =
        message.strip_prefix("USER ").and_then(|rest| rest.split_at_checked(rest.find([':', ' '])?))
    else {
        return;
    };
    let outcome = if rest.starts_with(": Login successful") {
        "success"
    } else if rest.starts_with(" (Login failed)") || rest.starts_with(": no such user") {
        "failure"
    } else {
        return;
    };
    fields.push_present("user.name", user);
    fields.push("event.outcome", Value::text(outcome));
}
