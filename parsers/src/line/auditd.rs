//! Linux' audit: `type=SYSCALL msg=audit(1767323045.678:123): arch=c000003e syscall=59 success=yes comm="cat" key=(null)`.
//!
//! Source: the audit project's documentation of its log format and field dictionary. Known fields get their ECS names,
//! others are `auditd.log.KEY`. Pairs inside of `msg='...'` count as the record's own, those behind the group separator of
//! enriched records (`UID="root"`) as the names of the numbers before. A hex `proctitle` is decoded. The message is what
//! stands behind the record's number.

use super::{Below, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::json::Budget;
use crate::time::epoch_text;
use memchr::{memchr, memmem};
use std::borrow::Cow;
use std::net::IpAddr;

/// How far from its start the stamp of a record is at most: a node's name and the record's type stand before it.
const HEADER_BYTES_MAX: usize = 300;
/// What separates a record's own pairs from the ones that `log_format = ENRICHED` adds.
const GROUP_SEPARATOR: char = '\u{1d}';

/// Where fields stand that ECS does not know.
const OWN: &str = "auditd.log.";
/// Those that most records have; names of others are put together.
const OWN_NAMES: [&str; 33] = [
    "auditd.log.a0",
    "auditd.log.a1",
    "auditd.log.a2",
    "auditd.log.a3",
    "auditd.log.ARCH",
    "auditd.log.argc",
    "auditd.log.dev",
    "auditd.log.egid",
    "auditd.log.EGID",
    "auditd.log.euid",
    "auditd.log.EUID",
    "auditd.log.fsgid",
    "auditd.log.FSGID",
    "auditd.log.fsuid",
    "auditd.log.FSUID",
    "auditd.log.grantors",
    "auditd.log.inode",
    "auditd.log.item",
    "auditd.log.items",
    "auditd.log.mode",
    "auditd.log.nametype",
    "auditd.log.obj",
    "auditd.log.ogid",
    "auditd.log.OGID",
    "auditd.log.ouid",
    "auditd.log.OUID",
    "auditd.log.rdev",
    "auditd.log.sgid",
    "auditd.log.SGID",
    "auditd.log.suid",
    "auditd.log.SUID",
    "auditd.log.SYSCALL",
    "auditd.log.unit",
];

/// Linux' audit records.
pub const FORMAT: Format = Format {
    name: "auditd",
    summary: "Linux audit records, raw or enriched",
    example: "type=USER_LOGIN msg=audit(1767323045.678:123): pid=77 uid=0 auid=1000 msg='acct=\"ann\" addr=192.0.2.7 res=success'",
    rank: 64,
    starts: Starts::of(b"tn"),
    below: Below::Apart,
    probe,
    parse: |line, _| parse(line),
};

pub(super) fn probe(line: &[u8]) -> bool {
    (line.starts_with(b"type=") || line.starts_with(b"node="))
        && memmem::find(&line[..line.len().min(HEADER_BYTES_MAX)], b" msg=audit(").is_some()
}

fn parse(line: &str) -> Result<Fields<'_>, ParseError> {
    let mut fields = Fields::default();
    prefix(line, record(line, &mut fields))?;
    Ok(fields)
}

/// A record as the message of another line, where the kernel leaves `msg=` out. Says whether it was one.
pub(super) fn content<'a>(text: &'a str, fields: &mut Fields<'a>) -> bool {
    (text.starts_with("type=") || text.starts_with("node=")) && record(text, fields).is_ok()
}

fn record<'a>(line: &'a str, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (node, rest) = match line.strip_prefix("node=").and_then(|rest| rest.split_once(' ')) {
        Some((node, rest)) => (node, rest),
        None => ("", line),
    };
    let Some((kind, rest)) = rest.strip_prefix("type=").and_then(|rest| rest.split_once(' ')) else {
        return stop(rest, "a type");
    };
    let rest = rest.strip_prefix("msg=").unwrap_or(rest);
    let Some((stamp, message)) = rest.strip_prefix("audit(").and_then(|rest| rest.split_once("):")) else {
        return stop(rest, "`audit(`");
    };
    let Some((seconds, number)) = stamp.split_once(':') else { return stop(rest, "a stamp and a number") };
    let (Some(time), Ok(number)) = (epoch_text(seconds), number.parse::<u32>()) else {
        return stop(rest, "a stamp and a number");
    };
    time.put(fields);
    if !node.is_empty() && fields.get("host.name").is_none() {
        fields.push("host.name", Value::text(node));
    }
    fields.push_present("auditd.log.record_type", kind);
    fields.push("event.sequence", Value::Int(i64::from(number)));
    let message = message.trim_start_matches(' ');
    let mut budget = Budget::default();
    pairs(message, &mut budget, fields);
    fields.tags.extend(budget.tags());
    fields.push_present("message", message);
    Ok(("", ()))
}

/// All pairs in one pass; words without an equal sign are text.
fn pairs<'a>(message: &'a str, budget: &mut Budget, fields: &mut Fields<'a>) {
    let mut rest = message;
    let header = fields.items.len();
    while !rest.is_empty() {
        rest = rest.trim_start_matches([' ', GROUP_SEPARATOR, '\'', ',']);
        let end = rest.find(['=', ' ', GROUP_SEPARATOR]).unwrap_or(rest.len());
        let (key, after) = rest.split_at(end);
        let Some(after) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        // What `msg='...'` holds are pairs.
        if let Some(inner) = after.strip_prefix('\'') {
            rest = inner;
            continue;
        }
        let (value, quoted, after) = match after.strip_prefix('"') {
            Some(inner) => match memchr(b'"', inner.as_bytes()) {
                Some(end) => (&inner[..end], true, &inner[end + 1..]),
                None => (inner, true, ""),
            },
            None => {
                let end = after.find([' ', '\'', GROUP_SEPARATOR]).unwrap_or(after.len());
                (&after[..end], false, &after[end..])
            }
        };
        rest = after;
        if !matches!(value, "" | "?" | "(null)" | "(none)") && !key.is_empty() && budget.take_leaf() {
            put_pair(key, value, quoted, header, fields);
        }
    }
}

fn put_pair<'a>(key: &'a str, value: &'a str, quoted: bool, header: usize, fields: &mut Fields<'a>) {
    let name = match key {
        "pid" => "process.pid",
        "ppid" => "process.parent.pid",
        "comm" => "process.name",
        "exe" => "process.executable",
        "cwd" => "process.working_directory",
        "proctitle" | "cmd" => "process.command_line",
        "uid" => "user.id",
        "UID" | "acct" => "user.name",
        // The number that means nobody.
        "auid" | "ses" if value == "4294967295" || value == "-1" => return,
        "auid" => "user.audit.id",
        "AUID" => "user.audit.name",
        "gid" => "group.id",
        "GID" => "group.name",
        "addr" | "hostname" if value.parse::<IpAddr>().is_ok() => "source.ip",
        "hostname" => "source.domain",
        "name" | "path" => "file.path",
        "res" | "success" => "event.outcome",
        "arch" => "auditd.log.arch",
        "syscall" => "auditd.log.syscall",
        "exit" => "auditd.log.exit",
        "key" => "auditd.log.key",
        "op" => "auditd.log.op",
        "ses" => "auditd.log.ses",
        "tty" => "auditd.log.tty",
        "terminal" => "auditd.log.terminal",
        "subj" => "auditd.log.subj",
        _ => "",
    };
    if matches!(name, "process.name" | "process.pid") {
        // The program that a record is about, rather than the one that sent it.
        let sender = fields.items.iter().take(header).position(|field| field.name == name);
        sender.map(|at| fields.items.remove(at));
    }
    if !name.is_empty() && fields.get(name).is_some() {
        return;
    }
    let value = match name {
        "" => return fields.push(own_name(key), Value::text(value)),
        "process.pid" | "process.parent.pid" => match value.parse::<u32>() {
            Ok(pid) => Value::Int(i64::from(pid)),
            Err(_) => return,
        },
        "event.outcome" => match value {
            "yes" | "success" | "1" => Value::text("success"),
            "no" | "failed" | "0" => Value::text("failure"),
            _ => return,
        },
        // The kernel writes what holds a space or a quote as hex, and quotes all the rest.
        "process.name" | "process.command_line" | "file.path" | "user.name" | "process.working_directory"
            if !quoted =>
        {
            decoded(value).map_or(Value::text(value), |text| Value::Str(Cow::Owned(text)))
        }
        _ => Value::text(value),
    };
    fields.push(name, value);
}

/// The name of what has none in ECS.
fn own_name(key: &str) -> Cow<'static, str> {
    let known = OWN_NAMES.iter().find(|name| name[OWN.len()..] == *key);
    known.map_or_else(|| Cow::Owned([OWN, key].concat()), |name| Cow::Borrowed(*name))
}

/// The text of hex digits; its zeros, which separate arguments, become spaces.
fn decoded(hex: &str) -> Option<String> {
    if hex.len() < 2 || !hex.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| char::from(b).to_digit(16);
    let mut bytes = Vec::with_capacity(hex.len() / 2);
    for pair in hex.as_bytes().chunks_exact(2) {
        let byte = digit(pair[0])? * 16 + digit(pair[1])?;
        bytes.push(if byte == 0 { b' ' } else { byte as u8 });
    }
    String::from_utf8(bytes).ok()
}
