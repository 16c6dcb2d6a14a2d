//! BSD syslog, RFC 3164, as daemons send it (`<34>Jan  2 03:04:05 web-1 sshd[77]: text`) and as files keep it,
//! without priority.
//!
//! With a priority everything else may be missing: stamp (also ISO 8601, as rsyslog writes it), host, tag. Without one a
//! line needs a stamp and a tag with its colon; the host may be missing where the tag has a process number.
//! Dialects: a year before or behind the stamp; ISO stamps of rsyslog's files and of journald's `short-iso` and
//! `short-full`; the facility and severity
//! as words (`<auth.info>` of FreeBSD, `daemon.info` of OpenWrt's `logread`); Solaris' `[ID 702911 auth.info]`; Apple's
//! `launchd[1] (com.example[77]): text` and iOS' `app(library)[77] <Notice>: text`; `last message repeated 3 times`;
//! `-- MARK --`. What the text says is read by [`content`](super::content).

use super::syslog5424::{priority, put_priority, word_end};
use super::{Below, Context, Format, Starts, cisco, content, dmesg, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, byte, digits, prefix, stop};
use crate::time::{Stamp, days_from_civil, iso8601_prefix, rfc3164_prefix};
use memchr::memchr3;
use nom::Parser;
use nom::combinator::opt;

/// Longer first words are text, not a host or a program's name.
const NAME_BYTES_MAX: usize = 255;
/// Longer words behind a stamp are no zones.
const ZONE_BYTES_MAX: usize = 5;
/// Levels shorter than this are letters, which may be hosts.
const LEVEL_BYTES_MIN: usize = 3;

/// How messages begin that bring a format of their own instead of a tag.
const ENVELOPES: [&str; 3] = ["CEF:", "LEEF:", "MSWinEventLog\t"];

/// Syslog of the last century, which most devices and files still speak.
pub const FORMAT: Format = Format {
    name: "syslog3164",
    summary: "BSD syslog by RFC 3164, with or without priority",
    example: "<34>Jan  2 03:04:05 web-1 sshd[4711]: Accepted publickey for ann",
    rank: 9,
    starts: Starts::UPPER.or(Starts::DIGIT).or(Starts::of(b"<")),
    below: Below::Message,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    match line {
        [b'<', b'0'..=b'9', rest @ ..] => {
            let end = rest.iter().take(3).position(|b| *b == b'>');
            // What follows a newer message's priority is its version.
            end.is_some_and(|end| !matches!(rest[end + 1..], [b' ', ..] | [b'1', b' ', b'-' | b'0'..=b'9', ..]))
        }
        // `Fri Jan  2 03:04:05 2026 daemon.info `
        [b'A'..=b'Z', b'a'..=b'z', b'a'..=b'z', b' ', b'A'..=b'S', ..] => line.get(13) == Some(&b':'),
        // `Fri 2026-01-02 03:04:05 CET `
        [b'F' | b'M' | b'S' | b'T' | b'W', b'a'..=b'z', b'a'..=b'z', b' ', b'1' | b'2', _, _, _, b'-', ..] => true,
        // `Jan  2 03:`
        [b'A'..=b'S', b'a'..=b'u', b'a'..=b'z', b' ', ..] => {
            line.get(9) == Some(&b':') || line.get(8) == Some(&b':') || line.get(14) == Some(&b':')
        }
        // `2026 Jan  2`, `2026-01-02T`
        [b'1' | b'2', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', b'A'..=b'S', ..] => true,
        [b'1' | b'2', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'-', ..] => line.get(10) == Some(&b'T'),
        _ => false,
    }
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (rest, priority) = prefix(line, opt(priority).parse(line))?;
    let step = match priority {
        Some(priority) => {
            put_priority(priority, &mut fields);
            if dmesg::uptime(rest).is_ok() {
                return Err(ParseError::at(line, rest, "no kernel's ring buffer"));
            }
            if cisco::line(rest.strip_prefix(':').unwrap_or(rest), context, &mut fields).is_ok() {
                return Ok(fields);
            }
            Ok(sent(rest, context, &mut fields))
        }
        None => kept(line, context, &mut fields),
    };
    let (message, ()) = prefix(line, step)?;
    content::put(message, context, &mut fields);
    Ok(fields)
}

/// What follows a priority, all of which may be missing.
fn sent<'a>(rest: &'a str, context: &Context, fields: &mut Fields<'a>) -> (&'a str, ()) {
    let Ok((rest, stamp)) = stamp(rest, context) else {
        // Cisco's `logging origin-id` puts the host in front of the sequence number.
        if let Some(end) = word_end(rest, NAME_BYTES_MAX)
            && let Some(host) = rest[..end].strip_suffix(':')
            && relayed(&rest[end + 1..], context, fields)
        {
            fields.push_present("host.name", host);
            return ("", ());
        }
        return match tag(rest) {
            Ok((message, tag)) if tag.process.is_some() => (tag.put(message, fields), ()),
            _ => (rest, ()),
        };
    };
    stamp.at.put(fields);
    let (host, after) = match word_end(rest, NAME_BYTES_MAX) {
        // A first word with a colon is the tag: some devices leave the host out.
        Some(end) if !rest[..end].ends_with(':') && !is_numbered_tag(&rest[..end]) => (&rest[..end], &rest[end + 1..]),
        _ => ("", rest),
    };
    fields.push_present("host.name", host);
    if relayed(after, context, fields) {
        return ("", ());
    }
    match tag(after) {
        Ok((message, tag)) => (tag.put(message, fields), ()),
        Err(_) => (after, ()),
    }
}

/// `shop[77]:` or, of Apple's, `shop[77]`.
fn is_numbered_tag(word: &str) -> bool {
    word.strip_suffix(':').unwrap_or(word).ends_with(']')
}

/// A line of a file: a stamp, and a tag that makes the line surely syslog's.
fn kept<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = stamp(line, context)?;
    stamp.at.put(fields);
    let (rest, named) = match named_priority(rest) {
        Some((name, rest)) => {
            put_named(name, fields);
            (rest, true)
        }
        None if stamp.week_day => return stop(rest, "a facility and a severity"),
        None => (rest, false),
    };
    let bare = rest.trim_matches(['-', ' ']);
    if !stamp.iso && (content::repeated(bare).is_some() || bare == "MARK") {
        return Ok((rest, ()));
    }
    // OpenWrt's daemon knows one host only and names none.
    if let Ok((message, tag)) = tag(rest)
        && ((tag.process.is_some() && !stamp.iso) || stamp.week_day)
    {
        return Ok((tag.put(message, fields), ()));
    }
    let Some(end) = word_end(rest, NAME_BYTES_MAX).filter(|end| is_host(&rest[..*end])) else {
        return stop(rest, "a host's name");
    };
    let (host, after) = (&rest[..end], &rest[end + 1..]);
    fields.push_present("host.name", host);
    let bare = after.trim_matches(['-', ' ']);
    if content::repeated(bare).is_some() || bare == "MARK" || ENVELOPES.iter().any(|lead| after.starts_with(lead)) {
        return Ok((after, ()));
    }
    if relayed(after, context, fields) {
        return Ok(("", ()));
    }
    let (message, tag) = tag(after)?;
    let sure = tag.process.is_some()
        || named
        || (host.len() > 1 && tag.program == "kernel")
        || (!is_level(tag.program) && (!stamp.iso || stamp.micros));
    if !sure {
        return stop(after, "a process number");
    }
    Ok((tag.put(message, fields), ()))
}

/// A Cisco message behind a relay's header: `77: *Jan  2 03:04:05.678: %SYS-5-CONFIG_I: text`, `: %ASA-6-302013: text`.
fn relayed<'a>(after: &'a str, context: &Context, fields: &mut Fields<'a>) -> bool {
    let own_header = matches!(after.as_bytes(), [b'0'..=b'9' | b'*' | b'.' | b':' | b'%', ..]);
    own_header && cisco::line(after.strip_prefix(": ").unwrap_or(after), context, fields).is_ok()
}

fn is_host(word: &str) -> bool {
    let named = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'@' | b'/') || b >= 0x80;
    !word.ends_with(':') && word.bytes().all(named) && !is_level(word)
}

fn is_level(word: &str) -> bool {
    word.len() >= LEVEL_BYTES_MIN && level::from_word(word).is_some()
}

/// A stamp and what tells how surely a daemon wrote it.
struct Found {
    at: Stamp,
    iso: bool,
    /// A fraction of six digits, as rsyslog writes it.
    micros: bool,
    week_day: bool,
}

/// A stamp of any dialect, and the space behind it.
fn stamp<'a>(input: &'a str, context: &Context) -> Step<'a, Found> {
    let offset = context.utc_offset_s;
    let mut found = Found { at: Stamp::OutOfRange, iso: false, micros: false, week_day: false };
    let rest = match input.as_bytes() {
        [b'0'..=b'9', _, _, _, b' ', ..] => {
            let (rest, at) = year_first_prefix(input, offset)?;
            found.at = at;
            rest
        }
        [b'0'..=b'9', ..] => {
            let (rest, at) = iso8601_prefix(input, offset)?;
            let text = &input[..input.len() - rest.len()];
            let (Some(time), true) = (text.get(11..), text.as_bytes()[10] == b'T') else {
                return stop(input, "a date, `T` and a time");
            };
            if !time.ends_with('Z') && !time.contains(['+', '-']) {
                return stop(rest, "a zone");
            }
            let fraction = time.split_once('.').map_or("", |(_, fraction)| fraction);
            found = Found { at, iso: true, micros: fraction.find(['Z', '+', '-']) == Some(6), week_day: false };
            rest
        }
        // journald's `short-full` names the zone; others than UTC and GMT are read as local time.
        [_, _, _, b' ', b'1' | b'2', _, _, _, b'-', ..] => {
            let (rest, at) = iso8601_prefix(&input[4..], offset)?;
            found.at = at;
            zone_name(rest).unwrap_or(rest)
        }
        [_, _, _, b' ', b'A'..=b'S', ..] => {
            let (rest, at) = rfc3164_prefix(&input[4..], context.received, offset)?;
            found = Found { at, week_day: true, ..found };
            rest
        }
        _ => {
            let (rest, at) = rfc3164_prefix(input, context.received, offset)?;
            found.at = at;
            rest
        }
    };
    // Cisco puts a colon behind the stamp.
    let rest = rest.strip_prefix(':').unwrap_or(rest);
    rest.strip_prefix(' ').map_or_else(|| stop(rest, "a space"), |rest| Ok((rest, found)))
}

/// What follows ` CET`.
fn zone_name(input: &str) -> Option<&str> {
    let (word, _) = input.strip_prefix(' ')?.split_at_checked(word_end(&input[1..], ZONE_BYTES_MAX + 1)?)?;
    let zone = word.len() >= 3 && word.bytes().all(|b| b.is_ascii_uppercase());
    zone.then(|| &input[1 + word.len()..])
}

/// `2026 Jan  2 03:04:05`.
pub(super) fn year_first_prefix(input: &str, utc_offset_s: i32) -> Step<'_, Stamp> {
    let (rest, year) = digits::<4>(input)?;
    let (rest, ()) = byte(b' ', "a month's name").parse(rest)?;
    // Seen from the middle of a year, the nearest day of each name is in that year.
    let middle = days_from_civil(i64::from(year), 7, 2) * 86_400 + 43_200 - i64::from(utc_offset_s);
    match middle.checked_mul(1_000_000_000) {
        Some(middle) => rfc3164_prefix(rest, middle, utc_offset_s),
        None => stop(input, "a year that nanoseconds reach"),
    }
}

/// `<auth.info> `, `auth.info `.
fn named_priority(input: &str) -> Option<(&str, &str)> {
    let end = word_end(input, 24)?;
    let (word, rest) = (&input[..end], &input[end + 1..]);
    let name = word.strip_prefix('<').map_or(Some(word), |inner| inner.strip_suffix('>'))?;
    let (facility, severity) = name.split_once('.')?;
    (FACILITIES.contains(&facility) && (level::from_word(severity).is_some())).then_some((severity, rest))
}

/// What `syslog.h` calls them; the last eight are for local use.
const FACILITIES: [&str; 22] = [
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "security", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];

fn put_named(severity: &str, fields: &mut Fields<'_>) {
    if let Some(level) = level::from_word(severity)
        && fields.get("log.level").is_none()
    {
        fields.push("log.level", Value::text(level));
    }
}

/// Reads a tag, if there is one, and gives the message.
pub(super) fn untagged<'a>(input: &'a str, fields: &mut Fields<'a>) -> &'a str {
    tag(input).map_or(input, |(message, tag)| tag.put(message, fields))
}

/// A program and what daemons write around it.
struct Tag<'a> {
    program: &'a str,
    /// PAM's module or iOS' library behind the program in parentheses, Apple's service behind the process.
    part: &'a str,
    process: Option<&'a str>,
    level: Option<&'static str>,
}

impl<'a> Tag<'a> {
    /// Puts the tag into the fields and gives what is left of the message.
    fn put(&self, message: &'a str, fields: &mut Fields<'a>) -> &'a str {
        fields.push_present("process.name", self.program);
        if let Some(process) = self.process {
            match process.parse::<u32>() {
                Ok(pid) => fields.push("process.pid", Value::Int(i64::from(pid))),
                Err(_) => fields.push_present("log.syslog.procid", process),
            }
        }
        fields.push_present("log.logger", self.part);
        if let Some(level) = self.level
            && fields.get("log.level").is_none()
        {
            fields.push("log.level", Value::text(level));
        }
        solaris(message, fields).unwrap_or(message)
    }
}

/// `[ID 702911 auth.info] text`.
fn solaris<'a>(message: &'a str, fields: &mut Fields<'a>) -> Option<&'a str> {
    let (id, rest) = message.strip_prefix("[ID ")?.split_once(' ')?;
    let (name, rest) = rest.split_once("] ")?;
    let (_, severity) = name.split_once('.')?;
    fields.push_present("log.syslog.msgid", id);
    put_named(severity, fields);
    Some(rest)
}

/// `sshd[4711]: `, `kernel: `, `crond(pam_unix)[77]: `, `launchd[1] (com.example[77]): `, `Mail(Net)[77] <Error>: `.
fn tag(input: &str) -> Step<'_, Tag<'_>> {
    let head = &input.as_bytes()[..input.len().min(NAME_BYTES_MAX)];
    let Some(end) = memchr3(b'[', b':', b' ', head) else { return stop(input, "a program's name") };
    let (program, rest) = input.split_at(end);
    if program.is_empty() || rest.starts_with(' ') {
        return stop(input, "a program's name");
    }
    let (process, rest) = match rest.strip_prefix('[') {
        Some(inner) => match inner.split_once(']') {
            Some((process, rest)) if process.len() <= NAME_BYTES_MAX => (Some(process), rest),
            _ => return stop(inner, "a closing bracket"),
        },
        None => (None, rest),
    };
    let (program, mut part) = match program.strip_suffix(')').and_then(|inner| inner.split_once('(')) {
        Some((name, part)) if !name.is_empty() => (name, part),
        _ => (program, ""),
    };
    let (mut rest, mut level) = (rest, None);
    if process.is_some() {
        if let Some((inner, after)) = rest.strip_prefix(" (").and_then(|inner| inner.split_once("):")) {
            part = inner.split_once('[').map_or(inner, |(service, _)| service);
            rest = &rest[rest.len() - after.len() - 1..];
        } else if let Some((word, _)) = rest.strip_prefix(" <").and_then(|inner| inner.split_once(">:")) {
            level = level::from_word(word);
            rest = &rest[word.len() + 3..];
        }
    }
    match rest.strip_prefix(':') {
        Some(message) if message.is_empty() || message.starts_with(' ') => {
            Ok((message.strip_prefix(' ').unwrap_or(message), Tag { program, part, process, level }))
        }
        _ => stop(rest, "a colon"),
    }
}
