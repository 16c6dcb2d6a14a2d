//! Timestamps in the layouts that logs use, to UTC nanoseconds since 1970.
//!
//! Every stamp that names a real day of the years 0 to 9999 is recognised. One that nanoseconds in an `i64`
//! cannot hold (before 1677-09-21 or after 2262-04-11) is [`Stamp::OutOfRange`]: recognised, but not usable.
//! Stamps without a zone are read at the offset the caller gives, stamps without a year in the twelve
//! months before the time of arrival.

mod epoch;
mod leading;
mod names;
mod zone;

use crate::fields::Fields;
use crate::grammar::{Step, byte, complete, digits, stop};
use crate::line::Context;
use nom::Parser;
use nom::branch::alt;
use nom::combinator::opt;
use std::fmt;

pub use epoch::{epoch_float, epoch_int, epoch_text};
pub(crate) use leading::begins_with_layout;
pub use leading::{leading_clock, leading_stamp};
pub use names::{MONTHS, MONTHS_SHORT, SHORT_NAME_BYTES, WEEKDAYS, WEEKDAYS_SHORT};

/// The tag of an event whose stamp was recognised but lies outside of the years that can be stored.
pub const OUT_OF_RANGE_TAG: &str = "_timestampoutofrange";

pub(crate) const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// How far ahead of its arrival a stamp without a year may be: two days.
const AHEAD_SECONDS_MAX: i64 = 2 * 86_400;
/// How many years lie between two leap years at most.
const LEAP_YEARS_MAX: i64 = 8;
const SECONDS_PER_DAY: i64 = 86_400;

/// A stamp that was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// UTC nanoseconds since 1970.
    At(i64),
    /// A real date that nanoseconds in an `i64` cannot hold.
    OutOfRange,
}

impl Stamp {
    /// Sets the time of a line, or the tag that says why it has none.
    pub fn put(self, fields: &mut Fields<'_>) {
        match self {
            Stamp::At(nanos) => fields.time = Some(nanos),
            Stamp::OutOfRange if !fields.tags.contains(&OUT_OF_RANGE_TAG) => fields.tags.push(OUT_OF_RANGE_TAG),
            Stamp::OutOfRange => {}
        }
    }

    /// So many seconds and nanoseconds after 1970.
    pub(crate) fn from_seconds(seconds: i64, nanos: u32) -> Stamp {
        let total = i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(nanos);
        i64::try_from(total).map_or(Stamp::OutOfRange, Stamp::At)
    }
}

/// How many bytes a [`Civil`] prints as.
pub const CIVIL_BYTES: usize = 19;

/// A wall clock reading: a day that exists and a time of that day. Prints as `2026-01-02T03:04:05`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    year: i64,
    month: u32,
    day: u32,
    second_of_day: u32,
    nanos: u32,
}

impl Civil {
    /// None where the calendar has no such day.
    fn new((year, month, day): (i64, u32, u32), (second_of_day, nanos): (u32, u32)) -> Option<Civil> {
        let exists = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year, month);
        exists.then_some(Civil { year, month, day, second_of_day, nanos })
    }

    /// What a clock at UTC shows so many nanoseconds after 1970.
    #[must_use]
    pub const fn from_nanos(at: i64) -> Civil {
        let seconds = at.div_euclid(NANOS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY) as u32;
        Civil { year, month, day, second_of_day, nanos: at.rem_euclid(NANOS_PER_SECOND) as u32 }
    }

    /// Seconds since midnight.
    #[must_use]
    pub const fn second_of_day(self) -> u32 {
        self.second_of_day
    }

    /// Nanoseconds since the last full second.
    #[must_use]
    pub const fn nanos(self) -> u32 {
        self.nanos
    }

    /// What it prints as, in ASCII.
    #[must_use]
    pub const fn text(self) -> [u8; CIVIL_BYTES] {
        let Civil { year, month, day, second_of_day: second, .. } = self;
        let year = year as u32;
        let mut text = *b"0000-00-00T00:00:00";
        let pairs = [year / 100, year % 100, month, day, second / 3_600, second / 60 % 60, second % 60];
        let places = [0, 2, 5, 8, 11, 14, 17];
        let mut at = 0;
        while at < pairs.len() {
            text[places[at]] = b'0' + (pairs[at] / 10) as u8;
            text[places[at] + 1] = b'0' + (pairs[at] % 10) as u8;
            at += 1;
        }
        text
    }

    fn at_offset(self, offset_s: i32) -> Stamp {
        let days = days_from_civil(self.year, self.month, self.day);
        let seconds = days * SECONDS_PER_DAY + i64::from(self.second_of_day) - i64::from(offset_s);
        Stamp::from_seconds(seconds, self.nanos)
    }
}

impl fmt::Display for Civil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar. `month` 1 to 12, `day` 1 to 31.
#[must_use]
pub const fn days_from_civil(year: i64, month: u32, day: u32) -> i64 {
    // Years begin in March here, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = (month as i64 + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day as i64 - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The year, month and day that lie so many days after 1970-01-01.
#[must_use]
pub const fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    (year_of_era + era * 400 + (month <= 2) as i64, month, day)
}

const fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// RFC 3339 and ISO 8601 as loggers write them, the whole text: `T` or a space, `-` or `/`, a fraction after a dot
/// or a comma, `Z`, an offset with or without colon, `UTC`, or nothing, which means `utc_offset_s`.
#[must_use]
pub fn iso8601(text: &str, utc_offset_s: i32) -> Option<Stamp> {
    complete(text, iso8601_prefix(text, utc_offset_s)).ok()
}

/// [`iso8601`] at the front of a text.
pub(crate) fn iso8601_prefix(input: &str, utc_offset_s: i32) -> Step<'_, Stamp> {
    let (rest, day) = day(input)?;
    let (rest, clock) = after_day(rest)?;
    let (rest, offset) = opt(zone).parse(rest)?;
    let Some(civil) = Civil::new(day, clock) else { return stop(input, "a day that exists") };
    Ok((rest, civil.at_offset(offset.unwrap_or(utc_offset_s))))
}

/// The first nanosecond that a text means and how many it covers: `2026-01-02` is a day, `2026-01-02T03:04` a minute,
/// `2026-01-02 03:04:05` a second, `2026-01-02T03:04:05.678+01:00` a millisecond. Without a zone it is UTC.
pub(crate) fn span(text: &str) -> Option<(i64, i64)> {
    let (rest, day) = day(text).ok()?;
    if text.as_bytes().get(4) == Some(&b'/') {
        return None;
    }
    let (mut clock, mut offset, mut covers) = ((0, 0), 0, SECONDS_PER_DAY * NANOS_PER_SECOND);
    if !rest.is_empty() {
        let (zone_text, found) = after_day(rest).ok()?;
        covers = match rest.len() - zone_text.len() {
            6 => 60 * NANOS_PER_SECOND,
            9 => NANOS_PER_SECOND,
            length @ 11..=19 => 10i64.pow(19 - length as u32),
            _ => return None,
        };
        clock = found;
        offset = if zone_text.is_empty() { 0 } else { complete(zone_text, zone(zone_text)).ok()? };
    }
    match Civil::new(day, clock)?.at_offset(offset) {
        Stamp::At(nanos) => Some((nanos, covers)),
        Stamp::OutOfRange => None,
    }
}

/// `2006-01-02` or `2006/01/02`, which need not exist.
fn day(input: &str) -> Step<'_, (i64, u32, u32)> {
    let (rest, year) = digits::<4>(input)?;
    let separator = match rest.as_bytes().first() {
        Some(&found @ (b'-' | b'/')) => found,
        _ => return stop(rest, "a date"),
    };
    let (rest, month) = digits::<2>(&rest[1..])?;
    let (rest, ()) = byte(separator, "a date").parse(rest)?;
    let (rest, day) = digits::<2>(rest)?;
    Ok((rest, (i64::from(year), month, day)))
}

/// [`time_of_day`] behind `T` or a space.
fn after_day(input: &str) -> Step<'_, (u32, u32)> {
    match input.as_bytes().first() {
        Some(b'T' | b't' | b' ') => time_of_day(&input[1..]),
        _ => stop(input, "a time of day"),
    }
}

/// `02/Jan/2006:15:04:05 -0700`, the stamp of access logs, at the front of a text.
pub(crate) fn clf_prefix(input: &str) -> Step<'_, Stamp> {
    let (rest, civil) = clf_civil(input)?;
    let (rest, offset) = zone(rest)?;
    Ok((rest, civil.at_offset(offset)))
}

/// [`clf_prefix`] without a zone, as HAProxy writes it, and with a space before the time, Python's servers.
pub(crate) fn clf_local_prefix(input: &str, utc_offset_s: i32) -> Step<'_, Stamp> {
    let (rest, civil) = clf_civil(input)?;
    Ok((rest, civil.at_offset(utc_offset_s)))
}

fn clf_civil(input: &str) -> Step<'_, Civil> {
    let (rest, day) = digits::<2>(input)?;
    let (rest, ()) = byte(b'/', "a date").parse(rest)?;
    let (rest, month) = month_name(rest)?;
    let (rest, ()) = byte(b'/', "a date").parse(rest)?;
    let (rest, year) = digits::<4>(rest)?;
    let (rest, ()) = alt((byte(b':', "a time of day"), byte(b' ', "a time of day"))).parse(rest)?;
    let (rest, clock) = time_of_day(rest)?;
    match Civil::new((i64::from(year), month, day), clock) {
        Some(civil) => Ok((rest, civil)),
        None => stop(input, "a day that exists"),
    }
}

/// `Jan _2 15:04:05`, the stamp of BSD syslog, at the front of a text; also with a padded day, a year after the
/// day (Cisco) or after the time (`ctime`), and a fraction. Without a year it is of the twelve months before `received`.
pub(crate) fn rfc3164_prefix(input: &str, received: i64, utc_offset_s: i32) -> Step<'_, Stamp> {
    let (rest, month) = month_name(input)?;
    let (rest, ()) = byte(b' ', "a day").parse(rest)?;
    let (rest, day) = match rest.as_bytes() {
        [b' ', _, ..] => digits::<1>(&rest[1..])?,
        [_, b' ', ..] => digits::<1>(rest)?,
        _ => digits::<2>(rest)?,
    };
    let (rest, ()) = byte(b' ', "a time of day").parse(rest)?;
    let (rest, year_before) = opt((digits::<4>, byte(b' ', "a time of day"))).parse(rest)?;
    let (rest, clock) = time_of_day(rest)?;
    let year_after = opt((byte(b' ', "a year"), digits::<4>)).parse(rest)?;
    // `2001:db8::1` is an address, `2026ms` no year either.
    let ends = |rest: &str| {
        !matches!(rest.as_bytes(), [b':' | b'.' | b'-', b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b':', ..])
            && !rest.as_bytes().first().is_some_and(u8::is_ascii_alphanumeric)
    };
    let (rest, year_after) = if ends(year_after.0) { year_after } else { (rest, None) };
    let year = year_before.map(|(year, ())| year).or(year_after.map(|((), year)| year));
    let stamp = match year {
        Some(year) => Civil::new((i64::from(year), month, day), clock).map(|civil| civil.at_offset(utc_offset_s)),
        None => in_last_year(month, day, clock, received, utc_offset_s),
    };
    stamp.map_or_else(|| stop(input, "a day that exists"), |stamp| Ok((rest, stamp)))
}

/// `0102 15:04:05.678901`, the stamp of glog and klog, at the front of a text.
pub(crate) fn glog_prefix(input: &str, received: i64, utc_offset_s: i32) -> Step<'_, Stamp> {
    let (rest, month) = digits::<2>(input)?;
    let (rest, day) = digits::<2>(rest)?;
    let (rest, ()) = byte(b' ', "a time of day").parse(rest)?;
    let (rest, clock) = time_of_day(rest)?;
    in_last_year(month, day, clock, received, utc_offset_s)
        .map_or_else(|| stop(input, "a day that exists"), |stamp| Ok((rest, stamp)))
}

/// [`glog_prefix`] with the year in front: `20060102 15:04:05.678901`.
pub(crate) fn glog_year_prefix(input: &str, utc_offset_s: i32) -> Step<'_, Stamp> {
    let (rest, year) = digits::<4>(input)?;
    let (rest, month) = digits::<2>(rest)?;
    let (rest, day) = digits::<2>(rest)?;
    let (rest, ()) = byte(b' ', "a time of day").parse(rest)?;
    let (rest, clock) = time_of_day(rest)?;
    of_day((year, month, day), clock, utc_offset_s)
        .map_or_else(|| stop(input, "a day that exists"), |stamp| Ok((rest, stamp)))
}

/// Any whole text that is a stamp: ISO 8601, the stamps of access logs and syslog, an epoch number, else what
/// [`leading_stamp`] knows.
#[must_use]
pub fn any(text: &str, context: &Context<'_>) -> Option<Stamp> {
    let usual = match text.as_bytes() {
        [_, _, b'/', ..] => complete(text, clf_prefix(text)).ok(),
        [b'A'..=b'Z', ..] => complete(text, rfc3164_prefix(text, context.received, context.utc_offset_s)).ok(),
        [_, _, _, _, b'-' | b'/', ..] => iso8601(text, context.utc_offset_s),
        _ => epoch_text(text),
    };
    usual.or_else(|| leading_stamp(text, context).filter(|(rest, _)| rest.is_empty()).map(|(_, stamp)| stamp))
}

/// The stamp of a day and a [`time_of_day`], for layouts that only one format has.
pub(crate) fn of_day((year, month, day): (u32, u32, u32), clock: (u32, u32), utc_offset_s: i32) -> Option<Stamp> {
    Civil::new((i64::from(year), month, day), clock).map(|civil| civil.at_offset(utc_offset_s))
}

/// The newest reading that is no further ahead of the time of arrival than clocks and zones explain
/// ([`AHEAD_SECONDS_MAX`]): logs tell of the past, so that a day without a year is of the twelve months before. A 29th of
/// February is of the last leap year.
pub(crate) fn in_last_year(month: u32, day: u32, clock: (u32, u32), received: i64, utc_offset_s: i32) -> Option<Stamp> {
    let seconds = received.div_euclid(NANOS_PER_SECOND);
    let (year, ..) = civil_from_days((seconds + i64::from(utc_offset_s)).div_euclid(SECONDS_PER_DAY));
    let latest = (seconds + AHEAD_SECONDS_MAX).saturating_mul(NANOS_PER_SECOND);
    let readings = (year - LEAP_YEARS_MAX..=year + 1)
        .rev()
        .filter_map(|year| Civil::new((year, month, day), clock))
        .map(|civil| civil.at_offset(utc_offset_s));
    readings.into_iter().find(|stamp| matches!(stamp, Stamp::At(nanos) if *nanos <= latest))
}

/// One of [`MONTHS_SHORT`]. Not looked up there, because this is asked for each access line.
pub(crate) fn month_name(input: &str) -> Step<'_, u32> {
    let month = match input.as_bytes().first_chunk::<3>() {
        Some(b"Jan") => 1,
        Some(b"Feb") => 2,
        Some(b"Mar") => 3,
        Some(b"Apr") => 4,
        Some(b"May") => 5,
        Some(b"Jun") => 6,
        Some(b"Jul") => 7,
        Some(b"Aug") => 8,
        Some(b"Sep") => 9,
        Some(b"Oct") => 10,
        Some(b"Nov") => 11,
        Some(b"Dec") => 12,
        _ => return stop(input, "a month's name"),
    };
    Ok((&input[3..], month))
}

/// `15:04`, `15:04:05`, `15:04:05.678` or `15:04:05,678` as the second of the day and nanoseconds. Second 60 is the
/// next minute's first: clocks that show a leap second are read one second late rather than not at all.
pub(crate) fn time_of_day(input: &str) -> Step<'_, (u32, u32)> {
    let (rest, hour) = digits::<2>(input)?;
    let (rest, ()) = byte(b':', "a time of day").parse(rest)?;
    let (rest, minute) = digits::<2>(rest)?;
    let (rest, second, nanos) = match rest.as_bytes().first() {
        Some(b':') => {
            let (rest, second) = digits::<2>(&rest[1..])?;
            let (rest, nanos) = fraction(rest);
            (rest, second, nanos)
        }
        _ => (rest, 0, 0),
    };
    if hour > 23 || minute > 59 || second > 60 {
        return stop(input, "a time of day");
    }
    Ok((rest, (hour * 3_600 + minute * 60 + second, nanos)))
}

/// A fraction of a second, if one stands here, as nanoseconds.
fn fraction(input: &str) -> (&str, u32) {
    match input.as_bytes() {
        [b'.' | b',', b'0'..=b'9', ..] => {
            let end = 1 + input.as_bytes()[1..].iter().take_while(|b| b.is_ascii_digit()).count();
            (&input[end..], fraction_nanos(&input.as_bytes()[1..end]))
        }
        _ => (input, 0),
    }
}

/// The digits after the point as nanoseconds; what is finer is cut off.
fn fraction_nanos(digits: &[u8]) -> u32 {
    let kept = &digits[..digits.len().min(9)];
    let number = kept.iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    number * 10u32.pow(9 - kept.len() as u32)
}

/// `Z`, `+01:00`, `+0100`, `+01`, ` +0100`, ` UTC`, ` GMT` as seconds east of Greenwich.
fn zone(input: &str) -> Step<'_, i32> {
    let rest = input.strip_prefix(' ').unwrap_or(input);
    match rest.as_bytes() {
        [b'Z' | b'z', ..] => {
            let ends = !rest.as_bytes().get(1).is_some_and(u8::is_ascii_alphanumeric);
            if ends { Ok((&rest[1..], 0)) } else { stop(input, "a zone") }
        }
        [b'U', b'T', b'C', ..] | [b'G', b'M', b'T', ..] => Ok((&rest[3..], 0)),
        [sign @ (b'+' | b'-'), ..] => {
            let (rest, hours) = digits::<2>(&rest[1..])?;
            let (rest, minutes) = match rest.as_bytes() {
                [b':', b'0'..=b'9', ..] => digits::<2>(&rest[1..])?,
                [b'0'..=b'9', ..] => digits::<2>(rest)?,
                // ` -12 ...` with a space before it is rather a number in the text than a zone.
                _ if input.starts_with(' ') => return stop(input, "a zone"),
                _ => (rest, 0),
            };
            if hours > 23 || minutes > 59 {
                return stop(input, "a zone");
            }
            let seconds = (hours * 3_600 + minutes * 60) as i32;
            Ok((rest, if *sign == b'-' { -seconds } else { seconds }))
        }
        _ => stop(input, "a zone"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-15T12:00:00Z.
    const RECEIVED: i64 = 1_781_524_800 * NANOS_PER_SECOND;

    fn arrived(received: i64) -> Context<'static> {
        Context { received, ..Context::default() }
    }

    #[test]
    fn months_are_read_by_their_short_names() {
        for (name, number) in MONTHS_SHORT.iter().zip(1..) {
            assert_eq!(month_name(&format!("{name}/")), Ok(("/", number)));
        }
        assert!(month_name("jan").is_err());
    }

    #[test]
    fn reads_every_layout() {
        let at = |year, month, day, second, nanos| {
            let days = days_from_civil(year, month, day);
            Some(Stamp::At((days * SECONDS_PER_DAY + second) * NANOS_PER_SECOND + nanos))
        };
        let noon = at(2026, 1, 2, 11_045, 0);
        let check = |text: &str, expected: Option<Stamp>| assert_eq!(any(text, &arrived(RECEIVED)), expected, "{text}");
        for (text, expected) in [
            ("2026-01-02T03:04:05Z", noon),
            ("2026-01-02t03:04:05z", noon),
            ("2026-01-02 03:04:05", noon),
            ("2026/01/02 03:04:05", noon),
            ("2026-01-02T04:04:05+01:00", noon),
            ("2026-01-02T04:04:05+0100", noon),
            ("2026-01-01T20:04:05-07", noon),
            ("2026-01-02 03:04:05 +0000 UTC", noon),
            ("2026-01-02 03:04:05 UTC", noon),
            ("2026-01-02 04:04:05 +0100", noon),
            ("2026-01-02T03:04Z", at(2026, 1, 2, 11_040, 0)),
            ("2026-01-02T03:04.5Z", None),
            ("2026-01-02T03:04:05.678Z", at(2026, 1, 2, 11_045, 678_000_000)),
            ("2026-01-02 03:04:05,678", at(2026, 1, 2, 11_045, 678_000_000)),
            ("2026-01-02T03:04:05.1234567891Z", at(2026, 1, 2, 11_045, 123_456_789)),
            ("2016-12-31T23:59:60Z", at(2017, 1, 1, 0, 0)),
            ("1969-12-31T23:59:59.5Z", at(1969, 12, 31, 86_399, 500_000_000)),
            ("02/Jan/2026:03:04:05 +0000", noon),
            ("Jan  2 03:04:05", noon),
            ("Jan 2 03:04:05", noon),
            ("Jan 02 2026 03:04:05", noon),
            ("Jan 02 03:04:05 2026", noon),
            ("Dec 31 23:59:59", at(2025, 12, 31, 86_399, 0)),
            ("Feb 29 00:00:00", at(2024, 2, 29, 0, 0)),
            ("1767323045", noon),
            ("1767323045.678901234", at(2026, 1, 2, 11_045, 678_901_234)),
            ("1767323045678", at(2026, 1, 2, 11_045, 678_000_000)),
            ("1767323045678901", at(2026, 1, 2, 11_045, 678_901_000)),
            ("1767323045678901234", at(2026, 1, 2, 11_045, 678_901_234)),
            ("1677-09-21T00:12:43Z", Some(Stamp::OutOfRange)),
            ("1677-09-21T00:12:44Z", Some(Stamp::At(-9_223_372_036_000_000_000))),
            ("2262-04-11T23:47:16Z", Some(Stamp::At(9_223_372_036_000_000_000))),
            ("2262-04-11T23:47:17Z", Some(Stamp::OutOfRange)),
            ("0000-01-01T00:00:00Z", Some(Stamp::OutOfRange)),
            ("9999-12-31T23:59:59Z", Some(Stamp::OutOfRange)),
            ("99999999999", Some(Stamp::OutOfRange)),
            ("2025-02-29T00:00:00Z", None),
            ("1900-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-01-02T24:00:00Z", None),
            ("2026-01-02T03:04:05Zulu", None),
            ("2026-01-02", None),
            ("12345678", None),
            ("+1767323045", None),
            ("", None),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn a_stamp_without_zone_is_local() {
        assert_eq!(iso8601("1970-01-01T02:00:00", 7_200), Some(Stamp::At(0)));
        assert_eq!(iso8601("1970-01-01T02:00:00Z", 7_200), Some(Stamp::At(7_200 * NANOS_PER_SECOND)));
    }

    #[test]
    fn a_stamp_without_a_year_is_of_the_last_twelve_months() {
        let nanos = |year, month, day, second| {
            (days_from_civil(year, month, day) * SECONDS_PER_DAY + second) * NANOS_PER_SECOND
        };
        let check = |text: &str, received: i64, expected: Option<i64>| {
            assert_eq!(any(text, &arrived(received)), expected.map(Stamp::At), "{text}");
        };
        check("Dec 31 23:59:59", nanos(2026, 1, 1, 0), Some(nanos(2025, 12, 31, 86_399)));
        check("Jan  1 00:00:01", nanos(2025, 12, 31, 86_398), Some(nanos(2026, 1, 1, 1)));
        check("Jan 15 00:00:00", nanos(2026, 11, 21, 0), Some(nanos(2026, 1, 15, 0)));
        check("Nov 22 12:00:00", nanos(2026, 11, 21, 0), Some(nanos(2026, 11, 22, 43_200)));
        check("Nov 24 00:00:00", nanos(2026, 11, 21, 0), Some(nanos(2025, 11, 24, 0)));
        check("Feb 29 00:00:00", nanos(2026, 11, 21, 0), Some(nanos(2024, 2, 29, 0)));
        check("Feb 30 00:00:00", nanos(2026, 11, 21, 0), None);
    }
}
