//! What an unquoted value means besides its text: number, duration, size, truth, time.

use super::ast::{Bound, Literal, Meaning};
use crate::time::{self, Civil};
use std::net::IpAddr;

/// Duration units, longest first, in nanoseconds.
const DURATIONS: &[(&str, i64)] = &[
    ("w", 604_800_000_000_000),
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ns", 1),
];

/// Size units in bytes; `B` alone is upper case, the others take any case.
const SIZES: &[(&str, i64)] = &[
    ("B", 1),
    ("KB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
    ("TB", 1_000_000_000_000),
    ("TiB", 1 << 40),
];

/// Units that people write, and ours.
const UNIT_ALIASES: &[(&str, &str)] = &[
    ("b", "B"),
    ("bytes", "B"),
    ("day", "d"),
    ("days", "d"),
    ("g", "GB"),
    ("hour", "h"),
    ("hours", "h"),
    ("hr", "h"),
    ("hrs", "h"),
    ("k", "KB"),
    ("micros", "us"),
    ("millis", "ms"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("msec", "ms"),
    ("nanos", "ns"),
    ("sec", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("secs", "s"),
    ("t", "TB"),
    ("usec", "us"),
    ("week", "w"),
    ("weeks", "w"),
];

/// The longest suffix that is taken for a mistyped unit; anything longer is text.
const UNIT_CHARS_MAX: usize = 10;

/// A literal as typed, with its meaning.
#[must_use]
pub fn literal(text: impl Into<String>, quoted: bool) -> Literal {
    let text = text.into();
    let meaning = if quoted { Meaning::Text } else { meaning(&text) };
    Literal { text, quoted, meaning }
}

/// What unquoted text means. Numbers with leading zeros are text, since nobody writes numbers so.
#[must_use]
pub fn meaning(text: &str) -> Meaning {
    let Some(first) = text.bytes().next() else { return Meaning::Text };
    if first.is_ascii_digit() || matches!(first, b'-' | b'.') {
        return number(text)
            .or_else(|| duration(text).map(Meaning::Duration))
            .or_else(|| size(text).map(Meaning::Bytes))
            .or_else(|| time::span(text).map(|(at, _)| Meaning::Time(at)))
            .unwrap_or(Meaning::Text);
    }
    if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
        return Meaning::Bool(text.len() == 4);
    }
    text.strip_prefix("now").and_then(relative).map_or(Meaning::Text, Meaning::Relative)
}

fn relative(rest: &str) -> Option<i64> {
    match rest.split_at_checked(1) {
        None => Some(0),
        Some(("-", rest)) if !rest.starts_with('-') => duration(rest).map(|ns| -ns),
        Some(("+", rest)) if !rest.starts_with('-') => duration(rest),
        Some(_) => None,
    }
}

fn number(text: &str) -> Option<Meaning> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if whole > 1 && digits.starts_with('0') {
        return None;
    }
    if whole == digits.len() {
        if let Ok(int) = text.parse() {
            return Some(Meaning::Int(int));
        }
    } else if !digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
        || !digits.ends_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    text.parse().ok().filter(|float: &f64| float.is_finite()).map(Meaning::Float)
}

/// The number at the start of `text` as whole part, fraction and the rest.
fn split_number(text: &str) -> Option<(&str, &str, &str)> {
    let whole = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(whole);
    let Some(rest) = rest.strip_prefix('.') else { return (whole > 0).then_some((digits, "", rest)) };
    let places = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (fraction, rest) = rest.split_at(places);
    (whole > 0 && places > 0).then_some((digits, fraction, rest))
}

/// `whole.fraction` times `scale`, rounded down; none where it does not fit.
fn scaled(whole: &str, fraction: &str, scale: i64) -> Option<i64> {
    let whole = i128::from(whole.parse::<i64>().ok()?).checked_mul(i128::from(scale))?;
    // Eighteen places are more than the longest unit has; the rest cannot count.
    let places = &fraction[..fraction.len().min(18)];
    let part = if places.is_empty() { 0 } else { places.parse::<i128>().ok()? };
    let divisor = 10i128.pow(u32::try_from(places.len()).ok()?);
    i64::try_from(whole + part * i128::from(scale) / divisor).ok()
}

/// `250ms`, `1.5h`, `1h30m`, `-5s` in nanoseconds. Units of a compound go from long to short; only a single unit takes
/// a fraction.
pub(super) fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let mut total = 0i64;
    let mut last = i64::MAX;
    while !rest.is_empty() {
        let (whole, fraction, tail) = split_number(rest)?;
        let letters = tail.find(|c: char| !c.is_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let scale = DURATIONS.iter().find(|(name, _)| *name == unit)?.1;
        let single = last == i64::MAX && tail.is_empty();
        if scale >= last || (!fraction.is_empty() && !single) {
            return None;
        }
        total = total.checked_add(scaled(whole, fraction, scale)?)?;
        last = scale;
        rest = tail;
    }
    (last != i64::MAX).then_some(sign * total)
}

fn size(text: &str) -> Option<i64> {
    let (whole, fraction, unit) = split_number(text)?;
    let known = |name: &str| name == unit || (name.len() > 1 && name.eq_ignore_ascii_case(unit));
    let scale = SIZES.iter().find(|(name, _)| known(name))?.1;
    scaled(whole, fraction, scale)
}

/// Where a comparison needs a quantity: a number with a suffix that is no unit. Gives the suffix and what was probably
/// meant.
#[must_use]
pub fn unknown_unit(literal: &Literal) -> Option<(&str, Option<&'static str>)> {
    if literal.quoted || literal.meaning != Meaning::Text {
        return None;
    }
    let text = literal.text.strip_prefix('-').unwrap_or(&literal.text);
    let (_, _, unit) = split_number(text)?;
    let letters = !unit.is_empty() && unit.chars().all(char::is_alphabetic) && unit.chars().count() <= UNIT_CHARS_MAX;
    let alias = UNIT_ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(unit)).map(|(_, ours)| *ours);
    letters.then_some((unit, alias))
}

/// The shortest of our time layouts that says `at` exactly.
pub(super) fn time_text(at: i64) -> String {
    let (civil, text) = (Civil::from_nanos(at), Civil::from_nanos(at).to_string());
    match (civil.second_of_day(), civil.nanos()) {
        (0, 0) => text[..text.len() - "T00:00:00".len()].to_owned(),
        (_, 0) => text + "Z",
        (_, nanos) => format!("{text}.{}Z", format!("{nanos:09}").trim_end_matches('0')),
    }
}

/// Whether a range can hold anything: false only where both ends are quantities of one kind in the wrong order.
#[must_use]
pub fn in_order(low: &Bound, high: &Bound) -> bool {
    let (Bound::Included(low) | Bound::Excluded(low)) = low else { return true };
    let (Bound::Included(high) | Bound::Excluded(high)) = high else { return true };
    match (&low.meaning, &high.meaning) {
        (Meaning::Int(low), Meaning::Int(high))
        | (Meaning::Duration(low), Meaning::Duration(high))
        | (Meaning::Bytes(low), Meaning::Bytes(high))
        | (Meaning::Time(low), Meaning::Time(high))
        | (Meaning::Relative(low), Meaning::Relative(high)) => low <= high,
        (Meaning::Float(low), Meaning::Float(high)) => low <= high,
        _ => true,
    }
}

/// What an unescaped value that looks like a network is.
pub(super) fn cidr(text: &str) -> Option<Result<(IpAddr, u8), &'static str>> {
    let (address, bits) = text.split_once('/')?;
    if bits.is_empty() || !bits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let v4 = address.split('.').count() == 4 && address.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let v6 = address.matches(':').count() >= 2
        && address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
    if !v4 && !v6 {
        return None;
    }
    let Ok(network) = address.parse::<IpAddr>() else {
        return Some(Err("the address is not valid"));
    };
    let max = if network.is_ipv4() { 32 } else { 128 };
    match bits.parse::<u8>() {
        Ok(bits) if bits <= max => Some(Ok((network, bits))),
        _ if v4 => Some(Err("an IPv4 network has 0 to 32 bits")),
        _ => Some(Err("an IPv6 network has 0 to 128 bits")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_a_meaning() {
        const S: i64 = 1_000_000_000;
        let cases: &[(&str, Meaning)] = &[
            ("5", Meaning::Int(5)),
            ("-3", Meaning::Int(-3)),
            ("0", Meaning::Int(0)),
            ("007", Meaning::Text),
            ("9223372036854775807", Meaning::Int(i64::MAX)),
            ("9223372036854775808", Meaning::Float(9_223_372_036_854_775_808.0)),
            ("0.5", Meaning::Float(0.5)),
            ("-0.5", Meaning::Float(-0.5)),
            ("1e9", Meaning::Float(1e9)),
            ("1e999", Meaning::Text),
            ("1.2.3", Meaning::Text),
            ("5.", Meaning::Text),
            ("-", Meaning::Text),
            ("", Meaning::Text),
            ("inf", Meaning::Text),
            ("250ms", Meaning::Duration(250_000_000)),
            ("1.5h", Meaning::Duration(5_400 * S)),
            ("1h30m", Meaning::Duration(5_400 * S)),
            ("30m1h", Meaning::Text),
            ("7µs", Meaning::Duration(7_000)),
            ("7us", Meaning::Duration(7_000)),
            ("3ns", Meaning::Duration(3)),
            ("2w", Meaning::Duration(14 * 86_400 * S)),
            ("-5s", Meaning::Duration(-5 * S)),
            ("999999999w", Meaning::Text),
            ("10KiB", Meaning::Bytes(10_240)),
            ("5MB", Meaning::Bytes(5_000_000)),
            ("5mb", Meaning::Bytes(5_000_000)),
            ("1.5GiB", Meaning::Bytes(1_610_612_736)),
            ("7B", Meaning::Bytes(7)),
            ("7b", Meaning::Text),
            ("true", Meaning::Bool(true)),
            ("False", Meaning::Bool(false)),
            ("now", Meaning::Relative(0)),
            ("now-15m", Meaning::Relative(-900 * S)),
            ("now+1h", Meaning::Relative(3_600 * S)),
            ("now--1h", Meaning::Text),
            ("nowhere", Meaning::Text),
            ("1970-01-02", Meaning::Time(86_400 * S)),
            ("1970-01-01T00:01", Meaning::Time(60 * S)),
            ("1970-01-01T00:00:01Z", Meaning::Time(S)),
            ("1970-01-01T01:00:01.25+01:00", Meaning::Time(1_250_000_000)),
            ("1970-01-01 00:00:01-0100", Meaning::Time(3_601 * S)),
            ("2000-02-29", Meaning::Time(951_782_400 * S)),
            ("2001-02-29", Meaning::Text),
            ("0001-01-01", Meaning::Text),
            ("2026-01-02T25:00", Meaning::Text),
            ("2026-01-02T03:04.5", Meaning::Text),
            ("2026-01-02T03:04:05.1234567891", Meaning::Text),
            ("2026/01/02", Meaning::Text),
            ("10.0.0.1", Meaning::Text),
            ("4bf92f35", Meaning::Text),
        ];
        for (text, expected) in cases {
            assert_eq!(&meaning(text), expected, "{text}");
        }
    }

    #[test]
    fn times_print_as_they_parse() {
        for text in ["2026-12-31", "1969-07-20T20:17:40Z", "2000-02-29T00:00:00.5Z", "1700-03-01"] {
            assert_eq!(time::span(text).map(|(at, _)| time_text(at)).as_deref(), Some(text));
        }
    }

    #[test]
    fn networks_are_checked() {
        let cases: &[(&str, Option<bool>)] = &[
            ("10.0.0.0/8", Some(true)),
            ("10.0.0.0/33", Some(false)),
            ("10.0.0.300/8", Some(false)),
            ("fe80::/10", Some(true)),
            ("fe80::/129", Some(false)),
            ("fe80:::1/64", Some(false)),
            ("10.0/8", None),
            ("a/8", None),
            ("10.0.0.0/", None),
        ];
        for (text, expected) in cases {
            assert_eq!(cidr(text).map(|found| found.is_ok()), *expected, "{text}");
        }
    }
}
