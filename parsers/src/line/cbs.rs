//! Windows' servicing logs, `CBS.log`, `dism.log`, `setupact.log`:
//! `2026-01-02 03:04:05, Info                  CBS    Exec: Session processing started.`
//!
//! Source: Microsoft's "Windows Setup log files and event logs" and "Understanding failures and log files" of DISM. The
//! component is the logger; `PID=77 TID=88` in front of DISM's text are the process and thread; an `HRESULT` is
//! `error.code`. All stay in the message as well.

use super::{Below, Context, Format, Starts, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::iso8601_prefix;
use memchr::memmem;

/// Longer words are no component.
const COMPONENT_BYTES_MAX: usize = 16;
/// How many words of DISM's text may hold its process and thread.
const HEAD_WORDS_MAX: usize = 6;
/// How far into the text an error's code is looked for.
const TEXT_BYTES_MAX: usize = 4_096;

/// CBS, DISM and setup.
pub const FORMAT: Format = Format {
    name: "cbs",
    summary: "Windows servicing: CBS.log, dism.log, setupact.log",
    example: "2026-01-02 03:04:05, Info                  CBS    Exec: Session processing started.",
    rank: 66,
    starts: Starts::of(b"12"),
    below: Below::Message,
    probe: |line| line.get(19) == Some(&b',') && line.get(20) == Some(&b' ') && line[4] == b'-' && line[10] == b' ',
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    prefix(line, event(line, context, &mut fields))?;
    Ok(fields)
}

fn event<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let Some(rest) = rest.strip_prefix(", ").filter(|rest| line.len() - rest.len() == 21) else {
        return stop(rest, "a comma");
    };
    let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let level = match word {
        "Perf" => "debug",
        "Info" | "Warning" | "Error" | "Fatal" => level::from_word(word).unwrap_or("info"),
        _ => return stop(rest, "a level"),
    };
    let rest = rest.trim_start_matches(' ');
    // Setup puts a number in front of its component.
    let (number, rest) = match rest.strip_prefix('[').and_then(|inner| inner.split_once("] ")) {
        Some((number, rest)) if number.starts_with("0x") => (number, rest.trim_start_matches(' ')),
        _ => ("", rest),
    };
    let end =
        rest.bytes().take(COMPONENT_BYTES_MAX).take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
    let (component, message) = rest.split_at(end);
    if component.len() < 2 || !(message.is_empty() || message.starts_with(' ')) {
        return stop(rest, "a component");
    }
    let message = message.trim_start_matches(' ');
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    fields.push("log.logger", Value::text(component));
    fields.push_present("event.code", number);
    for (lead, name) in [("PID=", "process.pid"), ("TID=", "process.thread.id")] {
        if let Some(id) =
            message.split(' ').take(HEAD_WORDS_MAX).find_map(|word| word.strip_prefix(lead)?.parse::<u32>().ok())
        {
            fields.push(name, Value::Int(i64::from(id)));
        }
    }
    if let Some(code) = hresult(message) {
        fields.push("error.code", Value::text(code));
    }
    fields.push_present("message", message);
    Ok(("", ()))
}

/// `[HRESULT = 0x80070002 - ERROR_FILE_NOT_FOUND]`, `(hr:0x80070002)`; success is no error.
fn hresult(message: &str) -> Option<&str> {
    let head = &message.as_bytes()[..message.len().min(TEXT_BYTES_MAX)];
    ["HRESULT = ", "(hr:"].into_iter().find_map(|lead| {
        let at = memmem::find(head, lead.as_bytes())? + lead.len();
        let code = message.get(at..at + 10)?;
        let hex = code.strip_prefix("0x")?.bytes().all(|b| b.is_ascii_hexdigit());
        (hex && code != "0x00000000").then_some(code)
    })
}
