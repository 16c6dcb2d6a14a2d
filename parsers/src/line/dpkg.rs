//! Debian's `dpkg.log` and apt's `history.log` and `term.log`:
//! `2026-01-02 03:04:05 upgrade vim:amd64 2:9.0 2:9.1`, `Start-Date: 2026-01-02  03:04:05`, `Commandline: apt upgrade`.
//!
//! Source: `dpkg(1)`, section FILES of `apt-get(8)`. Each line of apt's stanzas is a record of its own; the message is the
//! text behind dpkg's stamp, and of apt's the whole line.

use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::iso8601_prefix;

/// dpkg and apt.
pub const FORMAT: Format = Format {
    name: "dpkg",
    summary: "Debian packages: dpkg.log, apt's history.log and term.log",
    example: "2026-01-02 03:04:05 status installed vim:amd64 2:9.1.0-1",
    rank: 68,
    starts: Starts::of(b"2SECRLIUDPd"),
    below: Below::Apart,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    match line.first() {
        Some(b'2') => line.get(10) == Some(&b' ') && line.get(19) == Some(&b' ') && line[4] == b'-',
        Some(_) => APT.iter().any(|lead| line.starts_with(lead.0.as_bytes())),
        None => false,
    }
}

/// The lines of apt that surely are its own, and what follows their colon.
const APT: [(&str, Apt); 18] = [
    ("Start-Date: ", Apt::Stamp),
    ("End-Date: ", Apt::Stamp),
    ("Log started: ", Apt::Stamp),
    ("Log ended: ", Apt::Stamp),
    ("Commandline: ", Apt::Command),
    ("Requested-By: ", Apt::User),
    ("Install: ", Apt::Packages("install")),
    ("Upgrade: ", Apt::Packages("upgrade")),
    ("Downgrade: ", Apt::Packages("downgrade")),
    ("Reinstall: ", Apt::Packages("reinstall")),
    ("Remove: ", Apt::Packages("remove")),
    ("Purge: ", Apt::Packages("purge")),
    ("Disappeared: ", Apt::Packages("disappear")),
    ("Error: Sub-process ", Apt::Error),
    ("dpkg: error", Apt::Level("error")),
    ("dpkg: warning: ", Apt::Level("warn")),
    ("dpkg-deb: error: ", Apt::Level("error")),
    ("dpkg-deb: warning: ", Apt::Level("warn")),
];

#[derive(Clone, Copy)]
enum Apt {
    Stamp,
    Command,
    User,
    Packages(&'static str),
    Level(&'static str),
    Error,
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let step = match APT.iter().find_map(|(lead, kind)| Some((line.strip_prefix(lead)?, *kind))) {
        Some((rest, kind)) => apt(line, rest, kind, context, &mut fields),
        None => dpkg(line, context, &mut fields),
    };
    prefix(line, step)?;
    Ok(fields)
}

fn dpkg<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let Some(message) = rest.strip_prefix(' ') else { return stop(rest, "a space") };
    let mut words = message.split(' ');
    let mut next = || words.next().unwrap_or_default();
    let (action, second, third, fourth) = (next(), next(), next(), next());
    let version = |text: &str| text == "<none>" || text.starts_with(|c: char| c.is_ascii_digit());
    let known = match action {
        "startup" => matches!(second, "archives" | "packages") && !third.is_empty() && fourth.is_empty(),
        "status" => STATES.contains(&second) && !third.is_empty() && version(fourth),
        "install" | "upgrade" | "configure" | "trigproc" | "remove" | "purge" | "disappear" => {
            version(third) && version(fourth)
        }
        "conffile" => second.starts_with('/') && matches!(third, "keep" | "install"),
        _ => false,
    };
    if !known || words.next().is_some() {
        return stop(message, "an action of dpkg");
    }
    stamp.put(fields);
    fields.push("event.action", Value::text(action));
    let (package, installed) = match action {
        "status" => {
            fields.push("dpkg.status", Value::text(second));
            (third, fourth)
        }
        "startup" => ("", ""),
        "conffile" => {
            fields.push("file.path", Value::text(second));
            ("", "")
        }
        _ => (second, if fourth == "<none>" { third } else { fourth }),
    };
    let (name, architecture) = package.split_once(':').unwrap_or((package, ""));
    fields.push_present("package.name", name);
    fields.push_present("package.architecture", architecture);
    if installed != "<none>" {
        fields.push_present("package.version", installed);
    }
    fields.push("message", Value::text(message));
    Ok(("", ()))
}

/// `dpkg(1)`, "Package states".
const STATES: [&str; 8] = [
    "not-installed",
    "config-files",
    "half-installed",
    "unpacked",
    "half-configured",
    "triggers-awaited",
    "triggers-pending",
    "installed",
];

fn apt<'a>(line: &'a str, rest: &'a str, kind: Apt, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    match kind {
        Apt::Stamp => {
            // apt writes two spaces between date and time.
            let (Some(date), Some(time)) = (rest.as_bytes().get(..11), rest.as_bytes().get(12..20)) else {
                return stop(rest, "a stamp");
            };
            let mut text = [0; 19];
            text[..11].copy_from_slice(date);
            text[11..].copy_from_slice(time);
            match std::str::from_utf8(&text).ok().and_then(|text| crate::time::iso8601(text, context.utc_offset_s)) {
                Some(stamp) if rest.as_bytes()[11] == b' ' && rest.len() == 20 => stamp.put(fields),
                _ => return stop(rest, "a stamp"),
            }
        }
        Apt::Command => fields.push_present("process.command_line", rest),
        Apt::User => {
            let Some((name, id)) = rest.strip_suffix(')').and_then(|rest| rest.split_once(" (")) else {
                return stop(rest, "a user and a number");
            };
            fields.push_present("user.name", name);
            fields.push_present("user.id", id);
        }
        Apt::Packages(action) => {
            let Some((name, architecture)) = rest.split_once(" (").and_then(|(package, _)| package.split_once(':'))
            else {
                return stop(rest, "a package and its architecture");
            };
            if name.contains(' ') || architecture.contains(' ') || !rest.ends_with(')') {
                return stop(rest, "packages");
            }
            fields.push("event.action", Value::text(action));
        }
        Apt::Level(level) => fields.push("log.level", Value::text(level)),
        Apt::Error => fields.push("event.outcome", Value::text("failure")),
    }
    fields.push("message", Value::text(line));
    Ok(("", ()))
}
