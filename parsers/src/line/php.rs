//! PHP's `error_log` and the log of PHP-FPM: `[02-Jan-2026 03:04:05 UTC] PHP Warning:  text in /srv/shop.php on line 7`,
//! `[02-Jan-2026 03:04:05] NOTICE: fpm is running, pid 77`, and of FPM at debug level
//! `[02-Jan-2026 03:04:05.678901] DEBUG: pid 77, fpm_got_signal(), line 82: text`.
//!
//! Source: the manual's `error_log` and `log_level`, PHP's own format strings. Only UTC is understood of the zones, which
//! are named by place (`Europe/Berlin`); others are read as local time. Lines of `error_log()` may be anything: those are
//! read where the zone says that PHP wrote the stamp.

use super::{Below, Context, Format, Starts, inner, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::leading_stamp;
use memchr::{memchr, memmem};

/// The bracket with the stamp is no longer.
const STAMP_BYTES_MAX: usize = 72;
/// `Recoverable fatal error` and what is shorter.
const SEVERITY_BYTES_MAX: usize = 24;

/// PHP.
pub const FORMAT: Format = Format {
    name: "php",
    summary: "PHP's error_log and the log of PHP-FPM",
    example: "[02-Jan-2026 03:04:05 UTC] PHP Warning:  Undefined variable $item in /srv/shop/cart.php on line 7",
    rank: 30,
    starts: Starts::of(b"["),
    below: Below::Message,
    probe,
    parse,
};

/// `[02-Jan-2026 `.
fn probe(line: &[u8]) -> bool {
    matches!(line, [b'[', b'0'..=b'3', b'0'..=b'9', b'-', b'A'..=b'Z', _, _, b'-', _, _, _, _, b' ', ..])
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (text, zoned) = prefix(line, stamp(line, context, &mut fields))?;
    if let Some((level, message)) = pool(text) {
        fields.push("log.level", Value::text(level));
        let message = origin(message, &mut fields).unwrap_or(message);
        fields.push("message", Value::text(message));
    } else if let Some(level) = severity(text) {
        fields.push("log.level", Value::text(level));
        fields.push("message", Value::text(text));
        put_place(text, &mut fields);
    } else if zoned {
        inner::message(text, context, &mut fields);
    } else {
        return Err(ParseError::at(line, text, "a severity of PHP"));
    }
    Ok(fields)
}

/// The bracket at the front, and whether it names a zone.
fn stamp<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, bool> {
    let head = &line.as_bytes()[..line.len().min(STAMP_BYTES_MAX)];
    let Some(close) = memchr(b']', head) else { return stop(line, "a closing bracket") };
    let Some((rest, stamp)) = leading_stamp(&line[1..], context) else { return stop(line, "a stamp") };
    let Some(text) = line[close + 1..].strip_prefix(' ') else { return stop(line, "a space") };
    // What is left of the bracket is a zone that the stamp's parser does not know.
    let Some(unknown) = rest.len().checked_sub(line.len() - close).and_then(|end| rest.get(..end)) else {
        return stop(rest, "a closing bracket");
    };
    let zone = unknown.strip_prefix(' ').unwrap_or(unknown);
    let place = zone.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+' | b':'));
    if !place {
        return stop(rest, "a zone");
    }
    stamp.put(fields);
    let known = line[..close].ends_with(" UTC") || line[..close].ends_with(" GMT");
    Ok((text, known || !zone.is_empty()))
}

/// `NOTICE: text`, in the words of FPM.
fn pool(text: &str) -> Option<(&'static str, &str)> {
    let (word, message) = text.split_once(": ")?;
    matches!(word, "ALERT" | "ERROR" | "WARNING" | "NOTICE" | "DEBUG").then_some(())?;
    Some((level::from_word(word)?, message))
}

/// `pid 77, fpm_got_signal(), line 82: text`.
fn origin<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<&'a str> {
    let (process, rest) = text.strip_prefix("pid ")?.split_once(", ")?;
    let (function, rest) = rest.split_once("(), line ")?;
    let (number, message) = rest.split_once(": ")?;
    let (process, number) = (process.parse::<u32>().ok()?, number.parse::<u32>().ok()?);
    fields.push("process.pid", Value::Int(i64::from(process)));
    if function != "(null)" {
        fields.push_present("log.origin.function", function);
        fields.push("log.origin.file.line", Value::Int(i64::from(number)));
    }
    Some(message)
}

/// `PHP Fatal error:  text`.
fn severity(text: &str) -> Option<&'static str> {
    let rest = text.strip_prefix("PHP ")?;
    let end = memchr(b':', &rest.as_bytes()[..rest.len().min(SEVERITY_BYTES_MAX)])?;
    Some(match &rest[..end] {
        "Fatal error"
        | "Parse error"
        | "Recoverable fatal error"
        | "Catchable fatal error"
        | "Core error"
        | "Compile error"
        | "Unknown error" => "error",
        "Warning" | "Core warning" | "Compile warning" => "warn",
        "Notice" | "Deprecated" | "Strict Standards" | "User notice" => "info",
        _ => return None,
    })
}

/// `.. in /srv/shop.php on line 7` at the end, or `.. in /srv/shop.php:7` of an exception that nobody caught.
fn put_place<'a>(text: &'a str, fields: &mut Fields<'a>) {
    let text = text.trim_end();
    let digits = text.bytes().rev().take_while(u8::is_ascii_digit).count();
    let (front, number) = text.split_at(text.len() - digits);
    let Some(front) = front.strip_suffix(" on line ").or_else(|| front.strip_suffix(':')) else { return };
    // A path may hold the word, too: it is nearly always an absolute one.
    let file = memmem::rfind(front.as_bytes(), b" in /").or_else(|| memmem::rfind(front.as_bytes(), b" in "));
    let (Some(file), Ok(number)) = (file, number.parse::<u32>()) else { return };
    fields.push_present("log.origin.file.name", &front[file + " in ".len()..]);
    fields.push("log.origin.file.line", Value::Int(i64::from(number)));
}
