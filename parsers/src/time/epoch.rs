//! Times written as numbers: so much since 1970.

use super::{NANOS_PER_SECOND, Stamp, fraction_nanos};
use std::fmt::Write;

/// Below this many seconds (March 1973) a bare number is a duration or a counter, not a time.
const EPOCH_SECONDS_MIN: i64 = 100_000_000;

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size: each unit is taken for
/// times from 1973 on, and smaller numbers are no times.
#[must_use]
pub fn epoch_int(number: i64) -> Option<Stamp> {
    let (seconds, nanos) = match number {
        i64::MIN..EPOCH_SECONDS_MIN => return None,
        EPOCH_SECONDS_MIN..100_000_000_000 => (number, 0),
        100_000_000_000..100_000_000_000_000 => (number / 1_000, number % 1_000 * 1_000_000),
        100_000_000_000_000..100_000_000_000_000_000 => (number / 1_000_000, number % 1_000_000 * 1_000),
        _ => (number / NANOS_PER_SECOND, number % NANOS_PER_SECOND),
    };
    Some(Stamp::from_seconds(seconds, u32::try_from(nanos).ok()?))
}

/// [`epoch_int`] with a fraction. Seconds have the digits that were written, which are those that tell the double from its
/// neighbours (seven for today's times); other units are rounded to the microsecond.
#[must_use]
pub fn epoch_float(number: f64) -> Option<Stamp> {
    if !(number >= EPOCH_SECONDS_MIN as f64 && number < 1e18) {
        return None;
    }
    if number < 1e11 {
        let mut digits = Digits::default();
        write!(digits, "{number}").ok()?;
        return epoch_text(digits.text());
    }
    let per_second = match number {
        ..1e14 => 1e3,
        ..1e17 => 1e6,
        _ => 1e9,
    };
    let whole = number.trunc();
    let seconds = (whole / per_second).trunc();
    let micros = ((whole - seconds * per_second + number.fract()) * (1e6 / per_second)).round();
    // `as` saturates; both are non-negative and far below the limits of their types.
    Some(Stamp::from_seconds(seconds as i64 + micros as i64 / 1_000_000, (micros as i64 % 1_000_000) as u32 * 1_000))
}

/// The digits of a number, without an allocation.
#[derive(Default)]
struct Digits {
    bytes: [u8; 32],
    length: usize,
}

impl Digits {
    fn text(&self) -> &str {
        self.bytes.get(..self.length).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl std::fmt::Write for Digits {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.length + text.len();
        self.bytes.get_mut(self.length..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// An epoch number written as digits, with an optional fraction where the unit is seconds.
#[must_use]
pub fn epoch_text(text: &str) -> Option<Stamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits_only = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !(9..=19).contains(&whole.len()) || !digits_only(whole) || !digits_only(fraction) {
        return None;
    }
    let number = whole.parse().ok()?;
    match epoch_int(number)? {
        Stamp::At(nanos) if !fraction.is_empty() && whole.len() <= 11 => {
            Some(Stamp::from_seconds(number, 0).plus(nanos, fraction_nanos(fraction.as_bytes())))
        }
        stamp => Some(stamp),
    }
}

impl Stamp {
    fn plus(self, base: i64, nanos: u32) -> Stamp {
        match self {
            Stamp::At(_) => base.checked_add(i64::from(nanos)).map_or(Stamp::OutOfRange, Stamp::At),
            Stamp::OutOfRange => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_keep_microseconds() {
        let check = |number: f64, expected| assert_eq!(epoch_float(number), expected, "{number}");
        check(1_767_323_045.678_123, Some(Stamp::At(1_767_323_045_678_123_000)));
        check(1_767_323_045_678.5, Some(Stamp::At(1_767_323_045_678_500_000)));
        check(0.034, None);
        check(f64::NAN, None);
        check(f64::INFINITY, None);
        check(-1e9, None);
    }
}
