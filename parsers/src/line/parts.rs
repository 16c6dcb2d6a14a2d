//! Parts that the headers of several formats have in common: words in brackets, level words, places in source code,
//! decimal numbers as nanoseconds.

use super::{Context, level};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::time::NANOS_PER_SECOND;
use memchr::memchr;

/// How long one part of a header is at most: what is longer is text.
pub(crate) const PART_BYTES_MAX: usize = 512;

/// Words for levels are at least so long; single letters are the matter of the formats that have them.
const LEVEL_BYTES_MIN: usize = 3;

/// The fields of a line that begins with a header, which the step reads, and whose rest is the message.
pub(crate) fn headed<'a>(
    line: &'a str,
    context: &Context,
    header: impl FnOnce(&'a str, &Context, &mut Fields<'a>) -> Step<'a, ()>,
) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (message, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(message));
    Ok(fields)
}

/// The text between two bytes, which may be empty and does not hold the second one.
pub(crate) fn enclosed<'a>(open: u8, close: u8) -> impl Fn(&'a str) -> Step<'a, &'a str> {
    move |input| {
        if input.as_bytes().first() != Some(&open) {
            return stop(input, "an opening bracket");
        }
        let head = &input.as_bytes()[1..input.len().min(PART_BYTES_MAX)];
        match memchr(close, head) {
            Some(end) => Ok((&input[end + 2..], &input[1..=end])),
            None => stop(input, "a closing bracket"),
        }
    }
}

/// The text up to a byte, which is consumed. Neither empty nor longer than [`PART_BYTES_MAX`].
pub(crate) fn upto<'a>(end: u8, expected: &'static str) -> impl Fn(&'a str) -> Step<'a, &'a str> {
    move |input| match memchr(end, &input.as_bytes()[..input.len().min(PART_BYTES_MAX)]) {
        Some(n) if n > 0 => Ok((&input[n + 1..], &input[..n])),
        _ => stop(input, expected),
    }
}

/// A level's name in letters (`INFO`, `warning`).
pub(crate) fn level_word(input: &str) -> Step<'_, &'static str> {
    let end = input.bytes().take(LEVEL_BYTES_MIN + 10).take_while(u8::is_ascii_alphabetic).count();
    match level::from_word(&input[..end]) {
        Some(level) if end >= LEVEL_BYTES_MIN => Ok((&input[end..], level)),
        _ => stop(input, "a level"),
    }
}

/// Puts `File.java:77` into the two fields of a place, or `File.java` into the first.
pub(crate) fn put_place<'a>(place: &'a str, fields: &mut Fields<'a>) {
    let (file, line) = match place.rsplit_once(':') {
        Some((file, line)) => (file, line.parse::<u32>().ok()),
        None => (place, None),
    };
    fields.push_present("log.origin.file.name", file);
    if let Some(line) = line {
        fields.push("log.origin.file.line", Value::Int(i64::from(line)));
    }
}

/// A number with an optional fraction (`0.012`), in units of so many nanoseconds (a power of ten), as whole nanoseconds.
/// What is finer is cut off; signs and exponents are no durations.
pub(crate) fn nanos(text: &str, unit: i64) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut total = whole.parse::<i64>().ok()?.checked_mul(unit)?;
    let mut place = unit / 10;
    for digit in fraction.bytes() {
        if place == 0 {
            break;
        }
        total = total.checked_add(i64::from(digit - b'0') * place)?;
        place /= 10;
    }
    Some(total)
}

/// Seconds with an optional fraction as whole nanoseconds.
pub(crate) fn nanos_of_seconds(text: &str) -> Option<i64> {
    nanos(text, NANOS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_nanoseconds() {
        let check = |text: &str, unit: i64, expected: Option<i64>| assert_eq!(nanos(text, unit), expected, "{text}");
        for (text, expected) in [
            ("12.345", Some(12_345_000)),
            ("0.0000019", Some(1)),
            ("7", Some(7_000_000)),
            ("7.", None),
            (".5", None),
            ("-1", None),
            ("1e3", None),
            ("9999999999999999", None),
            ("", None),
        ] {
            check(text, 1_000_000, expected);
        }
        check("0.0000730001", NANOS_PER_SECOND, Some(73_000));
        check("9223372036.854775807", NANOS_PER_SECOND, Some(i64::MAX));
        check("9223372036.854775808", NANOS_PER_SECOND, None);
    }
}
