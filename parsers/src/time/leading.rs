//! The stamp at the front of a line, in any of the layouts that loggers use.
//!
//! The first byte and the length of the first run of digits decide which family of layouts is read, so that a line costs
//! one attempt. What the layouts have in common: dates that do not exist are no stamps, the byte behind a stamp is no
//! letter or digit, numbers that are only possibly a time since 1970 need more evidence ([`Reading::stamp`]).
//!
//! Two numbers that may both be a month are read month first between slashes and where no year is written, day first
//! otherwise (`02.01.2026`, `02-01-2026`), unless the stream showed its order ([`Context::day_first`]). Three numbers of two
//! digits are year, month, day (`26/01/02`), unless only a year at the end is near to the time of arrival.

mod names;

use super::zone::zone;
use super::{Civil, NANOS_PER_SECOND, SECONDS_PER_DAY, Stamp, fraction_nanos, in_last_year};
use crate::line::Context;
use names::arrival_year;

/// A bare number of seconds this near to the time of arrival is a time, whatever follows.
const EPOCH_NEAR_SECONDS: i64 = 32 * SECONDS_PER_DAY;
/// The first number of ten digits, September 2001.
const EPOCH_SECONDS_MIN: i64 = 1_000_000_000;
/// Stamps of one run of digits are of these years: other numbers are numbers.
const COMPACT_YEARS: std::ops::RangeInclusive<u32> = 1970..=2199;
/// What a label of TAI64 has added to the seconds since 1970 (daemontools and runit: ten leap seconds).
const TAI64_BASE: u64 = (1 << 62) + 10;

/// The stamp at the front of a text, in brackets or not, and what follows it and its bracket.
#[must_use]
pub fn leading_stamp<'a>(input: &'a str, context: &Context<'_>) -> Option<(&'a str, Stamp)> {
    let close = match input.as_bytes().first()? {
        b'[' => b']',
        b'(' => b')',
        b'<' => b'>',
        _ => {
            let (end, reading) = read(input.as_bytes(), context)?;
            let rest = input.get(end..)?;
            return Some((rest, reading.stamp(rest, context)?));
        }
    };
    let (end, reading) = read(&input.as_bytes()[1..], context)?;
    let rest = input.get(1 + end..)?;
    (rest.as_bytes().first() == Some(&close)).then_some(())?;
    Some((&rest[1..], reading.stamp("[", context)?))
}

/// A time of day without a date at the front of a text, on the day that puts it nearest to the time of arrival.
#[must_use]
pub fn leading_clock<'a>(input: &'a str, context: &Context<'_>) -> Option<(&'a str, Stamp)> {
    let mut at = Cursor { bytes: input.as_bytes(), at: 0 };
    let (second_of_day, nanos) = at.clock(b':', false, true).or_else(|| {
        // `3:04PM`, of Go's `time.Kitchen`: the half of the day says that it is a time.
        at.at = 0;
        let clock = at.clock(b':', false, false)?;
        input.get(..at.at)?.ends_with(['M', 'm']).then_some(clock)
    })?;
    at.boundary()?;
    let (length, offset_s) = zone(at.rest());
    at.at += length;
    let offset = i64::from(offset_s.unwrap_or(context.utc_offset_s));
    let local = context.received / NANOS_PER_SECOND + offset;
    let today = local.div_euclid(SECONDS_PER_DAY);
    let stamp = [today - 1, today, today + 1]
        .into_iter()
        .map(|day| Stamp::from_seconds(day * SECONDS_PER_DAY + i64::from(second_of_day) - offset, nanos))
        .min_by_key(|stamp| match stamp {
            Stamp::At(nanos) => nanos.abs_diff(context.received),
            Stamp::OutOfRange => u64::MAX,
        })?;
    Some((input.get(at.at..)?, stamp))
}

/// Whether bytes begin with the layout of a stamp, bare or behind an opening bracket.
pub(crate) fn begins_with_layout(bytes: &[u8]) -> bool {
    let bare = bytes.strip_prefix(b"[").or(bytes.strip_prefix(b"(")).unwrap_or(bytes);
    read(bare, &Context::default()).is_some()
}

/// What a layout says.
#[derive(Clone, Copy)]
enum Reading {
    Date {
        year: Option<u32>,
        month: u32,
        day: u32,
        clock: (u32, u32),
        offset: Option<i32>,
    },
    /// Time since 1970. `exact` is a number that is hardly anything else: it has a fraction or counts microseconds.
    Epoch {
        seconds: i64,
        nanos: u32,
        exact: bool,
    },
}

impl Reading {
    fn stamp(self, rest: &str, context: &Context<'_>) -> Option<Stamp> {
        match self {
            Reading::Date { year: Some(year), month, day, clock, offset } => {
                let civil = Civil::new((i64::from(year), month, day), clock)?;
                Some(civil.at_offset(offset.unwrap_or(context.utc_offset_s)))
            }
            Reading::Date { year: None, month, day, clock, offset } => {
                in_last_year(month, day, clock, context.received, offset.unwrap_or(context.utc_offset_s))
            }
            Reading::Epoch { seconds, nanos, exact } => {
                let now = context.received / NANOS_PER_SECOND;
                let near = (now - EPOCH_NEAR_SECONDS..=now + EPOCH_NEAR_SECONDS).contains(&seconds);
                let past = (EPOCH_SECONDS_MIN..=now + SECONDS_PER_DAY).contains(&seconds);
                let next = rest.trim_start_matches([' ', '\t']).as_bytes().first();
                let header = matches!(next, Some(b'[' | b'<' | b'|' | b'A'..=b'Z'));
                (near || (past && (exact || header))).then(|| Stamp::from_seconds(seconds, nanos))
            }
        }
    }
}

/// The layout at the front and where it ends.
fn read(bytes: &[u8], context: &Context<'_>) -> Option<(usize, Reading)> {
    let mut at = Cursor { bytes, at: 0 };
    let reading = match *bytes.first()? {
        b'0'..=b'9' => {
            let run = bytes.iter().take(20).take_while(|b| b.is_ascii_digit()).count();
            match (run, *bytes.get(run)?) {
                (1 | 2, b' ') => at.day_month_year(b' '),
                (1, b'.') => at.scientific().or_else(|| {
                    at.at = 0;
                    at.year_last(context)
                }),
                (1 | 2, b'/' | b'-' | b'.') => at.year_last(context),
                (4, b'-' | b'/' | b'.' | b' ') => at.year_first(),
                (6, b' ') => at.six_digits(),
                (8, _) => at.eight_digits(),
                (14 | 17, _) => at.one_run(run),
                (10 | 13 | 16 | 19, _) => at.epoch(run),
                _ => None,
            }
        }
        b'A'..=b'Z' => at.names(context),
        b'@' => at.tai64n(),
        _ => None,
    }?;
    at.boundary()?;
    if let Reading::Date { year, month, day, .. } = reading {
        // A 29th of February is looked for in the years around when none is written.
        Civil::new((year.map_or(2000, i64::from), month, day), (0, 0))?;
    }
    Some((at.at, reading))
}

/// A place in the bytes of a line.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    fn eat(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn spaces(&mut self) {
        self.at += self.rest().iter().take_while(|b| **b == b' ').count();
    }

    /// No letter or digit follows.
    fn boundary(&self) -> Option<()> {
        (!self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_')).then_some(())
    }

    /// A number of so many digits, and no digit behind it.
    fn number(&mut self, min: usize, max: usize) -> Option<u32> {
        let start = self.at;
        let mut number = 0;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            if self.at - start == max {
                return None;
            }
            number = number * 10 + u32::from(digit - b'0');
            self.at += 1;
        }
        (self.at - start >= min).then_some(number)
    }

    /// The next `N` digits, whatever follows.
    fn fixed<const N: usize>(&mut self) -> Option<u32> {
        let digits = self.rest().first_chunk::<N>()?;
        let mut number = 0;
        for digit in digits {
            digit.is_ascii_digit().then_some(())?;
            number = number * 10 + u32::from(digit - b'0');
        }
        self.at += N;
        Some(number)
    }

    /// `2006-01-02 15:04:05`, with `/` or `.`, a month's name (`2006-Jan-02`), and whatever may stand before the time.
    fn year_first(&mut self) -> Option<Reading> {
        let year = self.fixed::<4>()?;
        let separator = self.peek()?;
        self.at += 1;
        let named = self.peek()?.is_ascii_uppercase();
        let month = if named { self.month()? } else { self.number(1, 2)? };
        self.eat(separator)?;
        if separator == b' ' {
            named.then_some(())?;
            self.spaces();
        }
        let day = self.number(1, 2)?;
        let clock_separator = match self.rest() {
            [b'-', _, b'.', ..] | [b'-', _, _, b'.', ..] => b'.',
            [b'.', ..] => return None,
            _ => b':',
        };
        self.before_clock()?;
        self.timed(Some(year), month, day, clock_separator)
    }

    /// What stands between a date and a time of day: `T`, a space, a comma, brackets (`[2006-01-02][15:04:05]`).
    fn before_clock(&mut self) -> Option<()> {
        self.at += match self.rest() {
            [b']', b'[', ..] | [b',', b' ', ..] | [b' ', b' ', ..] | [b':', b':', ..] => 2,
            [b' ', b'-', b' ', ..] => 3,
            [b'T' | b't' | b' ' | b'_' | b'-' | b':', ..] => 1,
            _ => return None,
        };
        Some(())
    }

    fn timed(&mut self, year: Option<u32>, month: u32, day: u32, separator: u8) -> Option<Reading> {
        let clock = self.clock(separator, false, year.is_none())?;
        let (zone_bytes, offset) = zone(self.rest());
        self.at += zone_bytes;
        Some(Reading::Date { year, month, day, clock, offset })
    }

    /// A time of day with fraction and half of the day, as the second of the day and nanoseconds. `loose` numbers need no
    /// second digit, and then the fraction counts milliseconds.
    fn clock(&mut self, separator: u8, loose: bool, seconds_needed: bool) -> Option<(u32, u32)> {
        let digits_min = if loose { 1 } else { 2 };
        let hour = self.number(1, 2)?;
        self.eat(separator)?;
        let minute = self.number(digits_min, 2)?;
        let (mut second, mut nanos) = (0, 0);
        if self.peek() == Some(separator) && self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
            second = self.number(digits_min, 2)?;
            nanos = self.fraction();
        } else if seconds_needed {
            return None;
        }
        let hour = match self.half() {
            None => hour,
            Some(_) if !(1..=12).contains(&hour) => return None,
            Some(half) => hour % 12 + half,
        };
        (hour <= 23 && minute <= 59 && second <= 60).then_some((hour * 3_600 + minute * 60 + second, nanos))
    }

    /// A fraction behind `.` or `,`, or milliseconds behind `:`.
    fn fraction(&mut self) -> u32 {
        let [mark @ (b'.' | b',' | b':'), tail @ ..] = self.rest() else { return 0 };
        let length = tail.iter().take_while(|b| b.is_ascii_digit()).count();
        let digits = &tail[..length];
        let nanos = match mark {
            // A comma between columns is none before a fraction.
            b',' if tail.get(length) == Some(&b',') => return 0,
            b':' if length > 3 => return 0,
            b':' => digits.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')) * 1_000_000,
            _ => fraction_nanos(digits),
        };
        self.at += if length == 0 { 0 } else { 1 + length };
        nanos
    }

    /// `AM` or `PM` as the hours that it adds, also behind the narrow space of newer Java.
    fn half(&mut self) -> Option<u32> {
        let rest = self.rest();
        let space = match rest {
            [b' ', ..] => 1,
            [0xe2, 0x80, 0xaf, ..] => 3,
            _ => 0,
        };
        let hours = match rest.get(space..)? {
            [b'A' | b'a', b'M' | b'm', tail @ ..] if !tail.first().is_some_and(u8::is_ascii_alphanumeric) => 0,
            [b'P' | b'p', b'M' | b'm', tail @ ..] if !tail.first().is_some_and(u8::is_ascii_alphanumeric) => 12,
            _ => return None,
        };
        self.at += space + 2;
        Some(hours)
    }

    /// `02 Jan 2006 15:04:05`, `2-Jan-2006 15:04:05`, `02/Jan/2006:15:04:05`, `02 Jan 15:04:05`.
    fn day_month_year(&mut self, separator: u8) -> Option<Reading> {
        let day = self.number(1, 2)?;
        self.eat(separator)?;
        let month = self.month()?;
        self.at += usize::from(self.peek() == Some(b'.'));
        let here = self.at;
        let digits_min = if separator == b' ' { 4 } else { 2 };
        if let Some(year) = self.eat(separator).and_then(|()| self.number(digits_min, 4))
            && self.before_clock().is_some()
        {
            return self.timed(Some(full_year(year)), month, day, b':');
        }
        self.at = here;
        self.eat(b' ')?;
        self.timed(None, month, day, b':')
    }

    /// Dates of numbers with the year at the end, or none: `01/02/2006 3:04:05 PM`, `02.01.2006`, `01-02 15:04:05.678`.
    fn year_last(&mut self, context: &Context<'_>) -> Option<Reading> {
        let first = self.number(1, 2)?;
        let separator = self.peek()?;
        if self.bytes.get(self.at + 1)?.is_ascii_alphabetic() {
            self.at = 0;
            return self.day_month_year(separator);
        }
        self.at += 1;
        let second = self.number(1, 2)?;
        if self.peek() != Some(separator) || !self.bytes.get(self.at + 1).is_some_and(u8::is_ascii_digit) {
            let day_first = first > 12 || (second <= 12 && context.day_first);
            let (month, day) = if day_first { (second, first) } else { (first, second) };
            self.before_clock()?;
            return self.timed(None, month, day, b':');
        }
        self.at += 1;
        let start = self.at;
        let third = self.number(2, 4)?;
        let (year, month, day) = match self.at - start {
            2 => two_digits(first, second, third, context)?,
            4 => {
                let (month, day) = month_and_day(first, second, context.day_first || separator != b'/');
                (third, month, day)
            }
            _ => return None,
        };
        self.before_clock()?;
        self.timed(Some(year), month, day, b':')
    }

    /// `060102 150405`, of HDFS, and `060102 15:04:05`, of older MySQL.
    fn six_digits(&mut self) -> Option<Reading> {
        let (year, month, day) = (self.fixed::<2>()?, self.fixed::<2>()?, self.fixed::<2>()?);
        self.before_clock()?;
        let clock = if self.bytes.iter().skip(self.at).take(6).all(u8::is_ascii_digit) {
            self.compact_clock()?
        } else {
            self.clock(b':', false, true)?
        };
        Some(Reading::Date { year: Some(full_year(year)), month, day, clock, offset: None })
    }

    /// `20060102T150405Z`, `20060102 15:04:05`, `20060102-15:4:5:67`.
    fn eight_digits(&mut self) -> Option<Reading> {
        let (year, month, day) = self.compact_date()?;
        let loose = self.peek() == Some(b'-');
        self.before_clock()?;
        let clock = if self.bytes.iter().skip(self.at).take(3).filter(|b| b.is_ascii_digit()).count() == 3 {
            self.compact_clock()?
        } else {
            self.clock(b':', loose, true)?
        };
        let (zone_bytes, offset) = zone(self.rest());
        self.at += zone_bytes;
        Some(Reading::Date { year: Some(year), month, day, clock, offset })
    }

    /// `20060102150405`, with milliseconds as 17 digits.
    fn one_run(&mut self, run: usize) -> Option<Reading> {
        let (year, month, day) = self.compact_date()?;
        let (second_of_day, nanos) = self.compact_clock()?;
        let millis = if run == 17 { self.fixed::<3>()? } else { 0 };
        let (zone_bytes, offset) = zone(self.rest());
        self.at += zone_bytes;
        let clock = (second_of_day, nanos + millis * 1_000_000);
        Some(Reading::Date { year: Some(year), month, day, clock, offset })
    }

    fn compact_date(&mut self) -> Option<(u32, u32, u32)> {
        let date = (self.fixed::<4>()?, self.fixed::<2>()?, self.fixed::<2>()?);
        COMPACT_YEARS.contains(&date.0).then_some(date)
    }

    fn compact_clock(&mut self) -> Option<(u32, u32)> {
        let (hour, minute, second) = (self.fixed::<2>()?, self.fixed::<2>()?, self.fixed::<2>()?);
        let nanos = if matches!(self.rest(), [b'.' | b',', b'0'..=b'9', ..]) { self.fraction() } else { 0 };
        (hour <= 23 && minute <= 59 && second <= 60).then_some((hour * 3_600 + minute * 60 + second, nanos))
    }

    /// Seconds, milliseconds, microseconds or nanoseconds since 1970, by the number of digits.
    fn epoch(&mut self, run: usize) -> Option<Reading> {
        let number = self.bytes[..run].iter().fold(0_u64, |sum, b| sum.wrapping_mul(10) + u64::from(b - b'0'));
        self.at = run;
        let unit = 10_u64.pow(u32::try_from(run).ok()? - 10);
        let mut nanos = u32::try_from(number % unit * (1_000_000_000 / unit)).ok()?;
        let mut exact = run > 13;
        if run == 10 && matches!(self.rest(), [b'.', b'0'..=b'9', ..]) {
            nanos = self.fraction();
            exact = true;
        }
        let apart = matches!(self.rest(), [b' ' | b'\t' | b']' | b')' | b'>' | b'|', ..] | [b':', b' ', ..]);
        apart.then_some(Reading::Epoch { seconds: i64::try_from(number / unit).ok()?, nanos, exact })
    }

    /// `1.7673230456789012e+09`, seconds as Go's zap writes them where nobody chose another layout.
    fn scientific(&mut self) -> Option<Reading> {
        let first = self.fixed::<1>()?;
        self.eat(b'.')?;
        let digits = self.rest().iter().take(20).take_while(|b| b.is_ascii_digit()).count();
        let (fraction, behind) = self.rest().split_at(digits);
        behind.starts_with(b"e+09").then_some(())?;
        let whole = fraction.iter().chain(std::iter::repeat(&b'0')).take(9);
        let seconds = whole.fold(u64::from(first), |sum, digit| sum * 10 + u64::from(digit - b'0'));
        let nanos = fraction_nanos(fraction.get(9..).unwrap_or_default());
        self.at += digits + 4;
        Some(Reading::Epoch { seconds: i64::try_from(seconds).ok()?, nanos, exact: true })
    }

    /// `@4000000069573f2528a0e4b4`: seconds and nanoseconds in hexadecimal digits.
    fn tai64n(&mut self) -> Option<Reading> {
        let hex = |digits: &[u8]| {
            digits.iter().try_fold(0_u64, |sum, digit| Some(sum << 4 | u64::from(char::from(*digit).to_digit(16)?)))
        };
        let seconds = hex(self.bytes.get(1..17)?)?.checked_sub(TAI64_BASE)?;
        let nanos = hex(self.bytes.get(17..25)?)?;
        self.at = 25;
        let seconds = i64::try_from(seconds).ok()?;
        (nanos < 1_000_000_000).then_some(Reading::Epoch { seconds, nanos: u32::try_from(nanos).ok()?, exact: true })
    }
}

fn full_year(year: u32) -> u32 {
    match year {
        0..70 => 2000 + year,
        70..100 => 1900 + year,
        _ => year,
    }
}

fn month_and_day(first: u32, second: u32, day_first: bool) -> (u32, u32) {
    if first > 12 || (day_first && second <= 12) { (second, first) } else { (first, second) }
}

/// `06/01/02`: the year first, unless only the one at the end is this or last year.
fn two_digits(first: u32, second: u32, third: u32, context: &Context<'_>) -> Option<(u32, u32, u32)> {
    let now = arrival_year(context);
    let near = |year: u32| now.abs_diff(i64::from(full_year(year))) <= 1;
    let leads = (1..=12).contains(&second) && (1..=31).contains(&third);
    if leads && (near(first) || !near(third)) {
        return Some((full_year(first), second, third));
    }
    let (month, day) = month_and_day(first, second, context.day_first);
    (1..=12).contains(&month).then_some((full_year(third), month, day))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::days_from_civil;

    /// 2026-06-15T12:00:00Z.
    const RECEIVED: i64 = 1_781_524_800 * NANOS_PER_SECOND;
    const CONTEXT: Context<'_> =
        Context { received: RECEIVED, utc_offset_s: 0, day_first: false, header: None, enclosed: false, inside: None };

    fn at(year: i64, month: u32, day: u32, second: i64, nanos: i64) -> Option<i64> {
        Some((days_from_civil(year, month, day) * SECONDS_PER_DAY + second) * NANOS_PER_SECOND + nanos)
    }

    /// Reads the stamp in front of ` text`; `None` where it is none.
    fn check(stamp: &str, expected: Option<i64>) {
        let found = |text: &str| {
            leading_stamp(text, &CONTEXT).map(|(rest, stamp)| match stamp {
                Stamp::At(nanos) => (nanos, rest.to_owned()),
                Stamp::OutOfRange => (i64::MIN, rest.to_owned()),
            })
        };
        for rest in [" Text", "] Text", "|7|Text"] {
            assert_eq!(
                found(&format!("{stamp}{rest}")),
                expected.map(|nanos| (nanos, rest.to_owned())),
                "{stamp}{rest}"
            );
        }
        assert_eq!(found(&format!("[{stamp}] text")), expected.map(|nanos| (nanos, " text".to_owned())), "[{stamp}]");
        assert_eq!(
            begins_with_layout(stamp.as_bytes()) || stamp.starts_with(char::is_numeric),
            expected.is_some() || stamp.starts_with(char::is_numeric),
            "{stamp}"
        );
    }

    #[test]
    fn reads_every_layout_with_a_date() {
        let second = at(2026, 1, 2, 11_045, 0);
        let milli = at(2026, 1, 2, 11_045, 678_000_000);
        let micro = at(2026, 1, 2, 11_045, 678_901_000);
        for (stamp, expected) in [
            ("2026-01-02T03:04:05Z", second),
            ("2026-01-02t03:04:05.678z", milli),
            ("2026-01-02 03:04:05", second),
            ("2026-01-02  03:04:05", second),
            ("2026-01-02 03:04:05.678901", micro),
            ("2026-01-02 03:04:05.678901234", at(2026, 1, 2, 11_045, 678_901_234)),
            ("2026-01-02 03:04:05,678", milli),
            ("2026-01-02 03:04:05:678", milli),
            ("2026-01-02T04:04:05.678+01:00", milli),
            ("2026-01-02T04:04:05.678+0100", milli),
            ("2026-01-02T04:04:05.678+01", milli),
            ("2026-01-02T04:04:05+01:00[Europe/Berlin]", second),
            ("2026-01-02 04:04:05.678 +01:00", milli),
            ("2026-01-02 04:04:05 +0100", second),
            ("2026-01-02 03:04:05.678 +0000 UTC", milli),
            ("2026-01-02 03:04:05 UTC", second),
            ("2026-01-02 03:04:05 GMT", second),
            ("2026-01-01 22:04:05 EST", second),
            ("2026-01-02 08:34:05 IST", second),
            ("2026-01-02 12:04:05 JST", second),
            ("2026-01-02 05:04:05 CEST", second),
            ("2026-01-02 05:04:05 UTC+2", second),
            ("2026-01-02 05:04:05 UTC+02", second),
            ("2026-01-02 05:04:05 GMT+02:00", second),
            ("2026-01-02 03:04", at(2026, 1, 2, 11_040, 0)),
            ("2026-01-02_03:04:05", second),
            ("2026-01-02-03:04:05", second),
            ("2026-01-02-03.04.05.678901", micro),
            ("2026-01-02, 03:04:05", second),
            ("2026-01-02][03:04:05", second),
            ("2026-Jan-02 03:04:05.678901", micro),
            ("2026 Jan  2 03:04:05", second),
            ("2026/01/02 03:04:05", second),
            ("2026/01/02 03:04:05.678901", micro),
            ("2026/01/02:03:04:05", second),
            ("2026/1/2 3:04:05 AM", second),
            ("2026.01.02 03:04:05.678901", micro),
            ("20260102T030405Z", second),
            ("20260102T040405.678+0100", milli),
            ("20260102 03:04:05.678", milli),
            ("20260102 030405", second),
            ("20260102-03:04:05:678", milli),
            ("20260102-3:4:5:78", at(2026, 1, 2, 11_045, 78_000_000)),
            ("20260102030405", second),
            ("20260102030405.678Z", milli),
            ("20260102030405678", milli),
            ("260102 030405", second),
            ("260102  3:04:05", second),
            ("26/01/02 03:04:05", second),
            ("26-01-02 03:04:05", second),
            ("17/06/09 20:10:40", at(2017, 6, 9, 72_640, 0)),
            ("01/02/26 03:04:05", second),
            ("01/02/2026 03:04:05", second),
            ("1/2/2026 3:04:05 AM", second),
            ("1/2/2026, 3:04:05 AM", second),
            ("01/02/2026 03:04:05 PM", at(2026, 1, 2, 54_245, 0)),
            ("12/31/2025 12:00:00 AM", at(2025, 12, 31, 0, 0)),
            ("31/12/2025 23:59:59", at(2025, 12, 31, 86_399, 0)),
            ("31/12/2025:23:59:59", at(2025, 12, 31, 86_399, 0)),
            ("02/Jan/2026:03:04:05 +0000", second),
            ("02/Jan/2026 03:04:05", second),
            ("02-Jan-2026 03:04:05.678", milli),
            ("02-Jan-2026 03:04:05 UTC", second),
            ("2-Jan-2026::03:04:05.678901", micro),
            ("02 Jan 2026 03:04:05.678", milli),
            ("2 Jan 2026, 03:04:05", second),
            ("02 Jan 03:04:05", second),
            ("02.01.2026 03:04:05", second),
            ("02.01.2026, 03:04:05,678", milli),
            ("02-01-2026 03:04:05", second),
            ("01-02 03:04:05.678", milli),
            ("01/02 03:04:05", second),
            ("01/02-03:04:05.678901", micro),
            ("11.07 03:04:05", at(2025, 11, 7, 11_045, 0)),
            ("Jan  2 03:04:05", second),
            ("Jan 02 03:04:05.678", milli),
            ("Jan 02 2026 03:04:05", second),
            ("Jan 02, 2026 3:04:05 AM", second),
            ("Jan 2, 2026, 3:04:05\u{202f}AM", second),
            ("January 2, 2026 03:04:05", second),
            ("Jan 02 03:04:05 2026", second),
            ("Fri Jan 02 03:04:05.678901 2026", micro),
            ("Fri Jan  2 03:04:05 2026", second),
            ("Fri Jan  2 03:04:05 UTC 2026", second),
            ("Fri Jan  2 04:04:05 CET 2026", second),
            ("Fri, 02 Jan 2026 03:04:05 GMT", second),
            ("Fri, 2 Jan 2026 04:04:05 +0100", second),
            ("Friday, 02-Jan-26 03:04:05 UTC", second),
            ("Fri 2026-01-02 03:04:05 UTC", second),
            ("1767323045.678901", micro),
            ("1767323045678901", micro),
            ("1.767323045678901e+09", micro),
            ("1.7673230456789012e+09", at(2026, 1, 2, 11_045, 678_901_200)),
            ("1.767323045e+09", second),
            ("1.7673230e+09", at(2026, 1, 2, 11_000, 0)),
            ("1767323045678901234", at(2026, 1, 2, 11_045, 678_901_234)),
            ("@40000000695735af286b7f88", at(2026, 1, 2, 11_045, 678_133_640)),
            ("2016-12-31T23:59:60Z", at(2017, 1, 1, 0, 0)),
            ("0000-01-01 00:00:00", Some(i64::MIN)),
        ] {
            check(stamp, expected);
        }
    }

    #[test]
    fn what_is_no_date_is_no_stamp() {
        for text in [
            "",
            "2026",
            "2026-01-02",
            "2026-02-30 03:04:05",
            "2026-13-01 03:04:05",
            "2026-01-02 24:00:00",
            "2026-01-02 03:60:05",
            "2026-01-02T03:04:05Zulu",
            "2026-01-02 13:04:05 PM",
            "2026-01-02 03:04:05x",
            "31/31/2026 03:04:05",
            "31.02.2026 03:04:05",
            "Feb 30 03:04:05",
            "Jan 2 noon",
            "Jan you have mail",
            "January",
            "Fri Jan",
            "Monday 3 items",
            "12345678",
            "99999999",
            "20269902030405",
            "123456 123456",
            "12 monkeys",
            "10.30.1.2",
            "10.10.34.11 GET",
            "1.2.3",
            "12/25",
            "1/2 done",
            "03-17",
            "03:04:05",
            "17673230451",
            "4915112345678",
            "1700000000 bytes",
            "99999999999999",
            "@deadbeef",
            "@4000000069573539ffffffff",
            "8080",
            "2026.01.02.03",
            "1767323045.678.9 ",
            "1.5e+09x",
            "1.5e+08",
            "1.e+",
            "192.168.1.1 - -",
        ] {
            assert_eq!(leading_stamp(text, &CONTEXT), None, "{text}");
            assert_eq!(leading_stamp(&format!("[{text}] x"), &CONTEXT), None, "[{text}]");
        }
    }

    #[test]
    fn a_bare_number_is_a_time_where_more_than_its_size_says_so() {
        let check =
            |text: &str, expected: bool| assert_eq!(leading_stamp(text, &CONTEXT).is_some(), expected, "{text}");
        check("1781524000 server started", true);
        check("1781524000678 server started", true);
        check("1117838570 INFO text", true);
        check("1117838570 [main] text", true);
        check("[1117838570] text", true);
        check("1117838570 bytes", false);
        check("1781524000", false);
        check("1999999999 INFO in the future", false);
    }

    #[test]
    fn the_order_of_day_and_month_follows_the_stream() {
        let day_first = Context { day_first: true, ..CONTEXT };
        let check = |text: &str, context: &Context<'_>, expected| {
            let found = leading_stamp(text, context).map(|(_, stamp)| stamp);
            assert_eq!(found, at(2026, expected, 3 - expected, 0, 0).map(Stamp::At), "{text}");
        };
        check("01/02/2026 00:00:00", &CONTEXT, 1);
        check("01/02/2026 00:00:00", &day_first, 2);
        check("01.02.2026 00:00:00", &CONTEXT, 2);
        check("01/02 00:00:00", &day_first, 2);
    }

    #[test]
    fn a_time_without_date_is_the_nearest() {
        let check = |text: &str, expected: Option<i64>| {
            let found = leading_clock(text, &CONTEXT).map(|(_, stamp)| stamp);
            assert_eq!(found, expected.map(Stamp::At), "{text}");
        };
        check("11:59:59.5 x", at(2026, 6, 15, 43_199, 500_000_000));
        check("23:59:59,123 x", at(2026, 6, 15, 86_399, 123_000_000));
        check("00:00:01 x", at(2026, 6, 15, 1, 0));
        check("11:59AM x", at(2026, 6, 15, 43_140, 0));
        check("3:04PM x", at(2026, 6, 15, 54_240, 0));
        check("11:59 x", None);
        check("11:59AMx", None);
        check("25:00:00 x", None);
    }
}
