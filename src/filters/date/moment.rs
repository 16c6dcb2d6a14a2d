//! What a text says of a time, and the point in time that it is.

use super::joda;
use crate::event::Timestamp;
use jiff::{
    civil::{Date, DateTime, ISOWeekDate, Time, Weekday},
    tz::{AmbiguousOffset, Offset, TimeZone},
};

/// The zone of a name or an offset.
pub(super) fn zone_of(name: &str) -> Option<TimeZone> {
    match joda::offset(name) {
        Some((seconds, length)) if length == name.len() => Some(Offset::from_seconds(seconds).ok()?.to_time_zone()),
        _ => TimeZone::get(name).ok(),
    }
}

/// What was read; what is missing is that of 1970-01-01T00:00.
#[derive(Debug, Default)]
pub(super) struct Moment {
    pub(super) year: Option<i16>,
    pub(super) month: Option<i8>,
    pub(super) day: Option<i8>,
    pub(super) day_of_year: Option<i16>,
    /// Of the week that belongs to `year`.
    pub(super) week: Option<i8>,
    pub(super) weekday: Option<i8>,
    pub(super) hour: i8,
    /// Whether it is after noon, where `hour` is that of half a day.
    pub(super) is_afternoon: Option<bool>,
    pub(super) minute: i8,
    pub(super) second: i8,
    pub(super) millis: i16,
    pub(super) zone: Option<TimeZone>,
}

impl Moment {
    /// The point in time. None where the calendar or the zone has no such time.
    pub(super) fn at(self, zone: &TimeZone, received: Timestamp) -> Option<Timestamp> {
        let zone = self.zone.as_ref().unwrap_or(zone);
        let hour = match self.is_afternoon {
            Some(is_afternoon) => self.hour % 12 + if is_afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let time = Time::new(hour, self.minute, self.second, i32::from(self.millis) * 1_000_000).ok()?;
        let date = match self.year {
            Some(year) => self.day_in(year)?,
            None => {
                let now = jiff::Timestamp::from_millisecond(received.as_millis()).ok()?.to_zoned(zone.clone());
                // Any leap year: what day it is in the end depends on the month.
                let day = self.day_in(2000)?;
                let year = match (day.month(), now.month()) {
                    (12, 1) => now.year() - 1,
                    (1, 12) => now.year() + 1,
                    _ => now.year(),
                };
                Date::new(year, day.month(), day.day()).or_else(|_| Date::new(year, day.month(), 28)).ok()?
            }
        };
        let local = zone.to_ambiguous_timestamp(DateTime::from_parts(date, time));
        // The zone's clocks never show that.
        if matches!(local.offset(), AmbiguousOffset::Gap { .. }) {
            return None;
        }
        from_millis(local.compatible().ok()?.as_millisecond())
    }

    fn day_in(&self, year: i16) -> Option<Date> {
        if let Some(week) = self.week {
            let weekday = Weekday::from_monday_one_offset(self.weekday.unwrap_or(1)).ok()?;
            return ISOWeekDate::new(year, week, weekday).ok().map(ISOWeekDate::date);
        }
        if let Some(day) = self.day_of_year {
            let first = Date::new(year, 1, 1).ok()?;
            return first.with().day_of_year(day).build().ok();
        }
        Date::new(year, self.month.unwrap_or(1), self.day.unwrap_or(1)).ok()
    }
}

/// A point in time that nanoseconds can hold.
pub(super) fn from_millis(millis: i64) -> Option<Timestamp> {
    millis.checked_mul(1_000_000).map(Timestamp::from_nanos)
}

/// Seconds since 1970, also with a fraction, of which milliseconds are kept.
pub(super) fn unix(text: &str) -> Option<Timestamp> {
    /// Larger numbers are no seconds.
    const SECONDS_MAX: i64 = i32::MAX as i64;
    let text = text.trim();
    if text.contains(['e', 'E']) {
        let seconds = text.parse().ok().filter(|seconds: &f64| seconds.abs() <= SECONDS_MAX as f64)?;
        return from_millis((seconds * 1e3).trunc() as i64);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    let millis = thousandths(fraction)?;
    if seconds > SECONDS_MAX {
        return None;
    }
    let millis = if whole.starts_with('-') { -millis } else { millis };
    from_millis(seconds.checked_mul(1000)?.checked_add(millis)?)
}

/// The first three digits of a fraction.
fn thousandths(digits: &str) -> Option<i64> {
    let all = digits.bytes().all(|b| b.is_ascii_digit());
    let millis = |sum: i64, at: usize| sum * 10 + digits.as_bytes().get(at).map_or(0, |b| i64::from(b - b'0'));
    all.then(|| (0..3).fold(0, millis))
}

/// `@4000000050d506482dbdf024`
pub(super) fn tai64n(text: &str) -> Option<Timestamp> {
    /// How far the label's clock was ahead of UTC in 1970.
    const LEAP_SECONDS: i64 = 10;
    let text = text.trim();
    let label = text.strip_prefix('@').unwrap_or(text);
    if label.len() != 24 || !label.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let (seconds, nanos) = label.split_at(16);
    let seconds = i64::try_from(u64::from_str_radix(seconds, 16).ok()?.checked_sub(1 << 62)?).ok()? - LEAP_SECONDS;
    let millis = i64::from(u32::from_str_radix(nanos, 16).ok()? / 1_000_000);
    from_millis(seconds.checked_mul(1000)?.checked_add(millis)?)
}

/// `2026-01-02T03:04:05.678Z` and all that is shorter; also with a space, a comma, an ordinal day or a week.
pub(super) fn iso8601(text: &str) -> Option<Moment> {
    let mut moment = Moment::default();
    let sign = text.starts_with(['-', '+']);
    let (year, mut rest) = joda::number(&text[usize::from(sign)..], 9)?;
    moment.year = Some(i16::try_from(if text.starts_with('-') { -year } else { year }).ok()?);
    if let Some(week) = rest.strip_prefix("-W") {
        let (week, behind) = joda::number(week, 2)?;
        moment.week = Some(i8::try_from(week).ok()?);
        rest = behind;
        if let Some((day, behind)) = dashed(rest, 1) {
            moment.weekday = Some(i8::try_from(day).ok()?);
            rest = behind;
        }
    } else if let Some((day, behind)) = dashed(rest, 3).filter(|(_, behind)| rest.len() - behind.len() == 4) {
        moment.day_of_year = Some(i16::try_from(day).ok()?);
        rest = behind;
    } else if let Some((month, behind)) = dashed(rest, 2) {
        moment.month = Some(i8::try_from(month).ok()?);
        rest = behind;
        if let Some((day, behind)) = dashed(rest, 2) {
            moment.day = Some(i8::try_from(day).ok()?);
            rest = behind;
        }
    }
    if let Some(time) = rest.strip_prefix(['T', 't', ' ']) {
        rest = clock(time, &mut moment)?;
    }
    rest.is_empty().then_some(moment)
}

fn dashed(text: &str, digits: usize) -> Option<(i64, &str)> {
    joda::number(text.strip_prefix('-')?, digits)
}

/// The time of day and the zone. What follows.
fn clock<'t>(text: &'t str, moment: &mut Moment) -> Option<&'t str> {
    let mut rest = text;
    if let Some((hour, behind)) = joda::number(rest, 2) {
        moment.hour = i8::try_from(hour).ok()?;
        rest = behind;
        if let Some((minute, behind)) = rest.strip_prefix(':').and_then(|rest| joda::number(rest, 2)) {
            moment.minute = i8::try_from(minute).ok()?;
            rest = behind;
            if let Some((second, behind)) = rest.strip_prefix(':').and_then(|rest| joda::number(rest, 2)) {
                moment.second = i8::try_from(second).ok()?;
                rest = behind;
            }
        }
    }
    if let Some(fraction) = rest.strip_prefix(['.', ',']) {
        let end = fraction.bytes().take_while(u8::is_ascii_digit).count();
        moment.millis = i16::try_from(thousandths(&fraction[..end])?).ok()?;
        rest = &fraction[end..];
    }
    if let Some((seconds, length)) = joda::offset(rest) {
        moment.zone = Some(Offset::from_seconds(seconds).ok()?.to_time_zone());
        rest = &rest[length..];
    }
    Some(rest)
}
