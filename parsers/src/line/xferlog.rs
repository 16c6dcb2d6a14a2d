//! The transfer log of wu-ftpd, which ProFTPD, vsftpd and Pure-FTPd write too:
//! `Fri Jan  2 03:04:05 2026 1 192.0.2.7 512 /srv/ftp/a.txt b _ o r ann ftp 0 * c`.
//!
//! Source: `xferlog(5)`: seconds, client, bytes, file, type, action, direction, kind of user, user, service, authentication,
//! its user, completion. The whole line is the message.

use super::access::{SOURCE, count, word};
use super::{Below, Context, Format, Starts};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::{NANOS_PER_SECOND, leading_stamp};

/// How many words follow the file.
const WORDS_BEHIND_FILE: usize = 9;

/// Transfers by FTP.
pub const FORMAT: Format = Format {
    name: "xferlog",
    summary: "transfers by FTP: wu-ftpd, ProFTPD, vsftpd, Pure-FTPd",
    example: "Fri Jan  2 03:04:05 2026 1 192.0.2.7 512 /srv/ftp/a.txt b _ o r ann ftp 0 * c",
    rank: 77,
    starts: Starts::of(b"FMSTW"),
    below: Below::Apart,
    probe,
    parse,
};

/// `Fri Jan  2 03:04:05 2026 `.
fn probe(line: &[u8]) -> bool {
    line.get(13) == Some(&b':') && line.get(16) == Some(&b':') && line.get(24) == Some(&b' ')
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    prefix(line, transfer(line, context, &mut fields))?;
    fields.push("message", Value::text(line));
    Ok(fields)
}

fn transfer<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let Some((rest, stamp)) = leading_stamp(line, context) else { return stop(line, "a stamp") };
    let Some(rest) = rest.strip_prefix(' ') else { return stop(rest, "a space") };
    let (rest, seconds) = count(rest)?;
    let (rest, client) = word(rest)?;
    let (rest, bytes) = count(rest)?;
    // A file's name may hold spaces: the words behind it are counted from the end.
    let mut words = rest.rsplitn(WORDS_BEHIND_FILE + 1, ' ');
    let mut next = || words.next().unwrap_or_default();
    let (done, _, _, _, user) = (next(), next(), next(), next(), next());
    let (kind, direction, _, transfer, file) = (next(), next(), next(), next(), next());
    let action = match direction {
        "o" => "download",
        "i" => "upload",
        "d" => "delete",
        _ => return stop(rest, "a direction"),
    };
    let known = matches!(done, "c" | "i") && matches!(kind, "a" | "g" | "r") && matches!(transfer, "a" | "b");
    let (Some(seconds), Some(bytes), true, false) = (seconds, bytes, known, file.is_empty()) else {
        return stop(rest, "a transfer");
    };
    stamp.put(fields);
    SOURCE.put(client, fields);
    if let Some(nanos) = seconds.checked_mul(NANOS_PER_SECOND) {
        fields.push("event.duration", Value::Int(nanos));
    }
    fields.push("file.size", Value::Int(bytes));
    fields.push_present("file.path", file);
    fields.push_present("user.name", user);
    fields.push("event.action", Value::text(action));
    fields.push("event.outcome", Value::text(if done == "c" { "success" } else { "failure" }));
    Ok(("", ()))
}
