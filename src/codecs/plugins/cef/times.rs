//! Times of CEF: milliseconds since 1970, or `MMM dd[ yyyy] HH:mm:ss[.fraction][ zone]` with English names.
//!
//! Without a zone they are of the device's, else of `default_timezone`, else of this machine. Without a year they are at most two
//! days ahead of their arrival.

use crate::event::Timestamp;
use jiff::{
    Span,
    civil::{Date, DateTime, Time},
    tz::{Offset, TimeZone},
};
use logship_parsers::config::{Diagnostic, ast, typed};
use logship_parsers::time::MONTHS_SHORT;

/// How far ahead of its arrival a time without a year may be.
const AHEAD_DAYS_MAX: i64 = 2;
/// Zones that people write and the database does not have, and the hours of their clocks.
const ABBREVIATIONS: [(&str, i32); 9] =
    [("Z", 0), ("CET", 1), ("CEST", 2), ("EDT", -4), ("CDT", -5), ("CST", -6), ("MDT", -6), ("PDT", -7), ("PST", -8)];

/// Reads times.
#[derive(Debug)]
pub(super) struct Times {
    zone: TimeZone,
}

impl Times {
    pub(super) fn new(zone: Option<TimeZone>) -> Times {
        Times { zone: zone.unwrap_or_else(TimeZone::system) }
    }

    /// The time of a text, where the device's zone is known by that name, if it is known.
    pub(super) fn read(&self, text: &str, device: Option<&str>, received: Timestamp) -> Option<Timestamp> {
        if text.starts_with(|c: char| ('1'..='9').contains(&c)) {
            return millis(text);
        }
        let device = match device {
            Some(name) => Some(zone_of(name)?),
            None => None,
        };
        let zone = device.as_ref().unwrap_or(&self.zone);
        let mut words = text.split(' ');
        let month = words.next()?;
        let month = MONTHS_SHORT.iter().position(|name| name.eq_ignore_ascii_case(month))? + 1;
        let month = i8::try_from(month).ok()?;
        let day = digits(words.next()?, 2)?;
        let mut word = words.next()?;
        let year = digits::<i16>(word, 4);
        if year.is_some() {
            word = words.next()?;
        }
        let time = time_of(word)?;
        let zone = match words.next() {
            Some(name) => zone_of(name)?,
            None => zone.clone(),
        };
        if words.next().is_some() {
            return None;
        }
        let at = |year| Some(DateTime::from_parts(Date::new(year, month, day).ok()?, time));
        let instant = |local: DateTime| zone.to_ambiguous_timestamp(local).compatible().ok();
        let found = match year {
            Some(year) => instant(at(year)?)?,
            None => {
                let now = jiff::Timestamp::from_nanosecond(i128::from(received.as_nanos())).ok()?;
                let this_year = now.to_zoned(zone.clone()).year();
                let latest = now.checked_add(Span::new().hours(24 * AHEAD_DAYS_MAX)).ok()?;
                let years = [this_year + 1, this_year, this_year - 1];
                years.into_iter().filter_map(|year| instant(at(year)?)).find(|found| *found <= latest)?
            }
        };
        i64::try_from(found.as_nanosecond()).ok().map(Timestamp::from_nanos)
    }
}

/// Milliseconds since 1970, also with a fraction.
fn millis(text: &str) -> Option<Timestamp> {
    /// Digits behind which nothing is shorter than a nanosecond.
    const FRACTION_DIGITS: usize = 6;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = format!("{fraction:0<FRACTION_DIGITS$.FRACTION_DIGITS$}").parse::<i64>().ok()?;
    let whole = whole.parse::<i64>().ok()?.checked_mul(1_000_000)?;
    Some(Timestamp::from_nanos(whole.checked_add(nanos)?))
}

/// A number of exactly so many digits.
fn digits<T: std::str::FromStr>(text: &str, count: usize) -> Option<T> {
    (text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// `HH:mm:ss`, with three, six or nine digits of a fraction.
fn time_of(text: &str) -> Option<Time> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "000"));
    let mut parts = clock.split(':').map(|part| digits::<i8>(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !matches!(fraction.len(), 3 | 6 | 9) {
        return None;
    }
    let nanos = format!("{fraction:0<9}").parse().ok()?;
    Time::new(hour, minute, second, nanos).ok()
}

/// The option's zone.
pub(super) fn zone(value: &ast::Value) -> typed::Read<TimeZone> {
    let name = typed::text(value)?;
    zone_of(name).ok_or_else(|| {
        let error = Diagnostic::error(value.span.0, format!("there is no time zone `{name}`"));
        error.help("write a name such as `\"Europe/Berlin\"` or an offset such as `\"+02:00\"`")
    })
}

/// The zone of a name, an offset, or a name with an offset: `Europe/Berlin`, `+02:00`, `UTC+2`.
fn zone_of(name: &str) -> Option<TimeZone> {
    let name = name.trim();
    let fixed = |seconds| Offset::from_seconds(seconds).ok().map(TimeZone::fixed);
    if let Some((_, hours)) = ABBREVIATIONS.iter().find(|(known, _)| *known == name) {
        return fixed(hours * 3600);
    }
    let bare = ["UTC", "GMT", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    let sign = match bare.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return TimeZone::get(name).ok(),
    };
    let digits: Vec<&str> = bare[1..].split(':').collect();
    let (hours, minutes) = match digits.as_slice() {
        [hours] if hours.len() == 4 && hours.is_ascii() => hours.split_at(2),
        [hours] => (*hours, "0"),
        [hours, minutes] | [hours, minutes, "00"] => (*hours, *minutes),
        _ => return None,
    };
    fixed(sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let times = Times::new(zone_of("UTC"));
        let at = |text: &str| match logship_parsers::time::iso8601(text, 0) {
            Some(logship_parsers::time::Stamp::At(nanos)) => Timestamp::from_nanos(nanos),
            _ => panic!("{text}"),
        };
        let check = |text: &str, device: Option<&str>, received: &str, expected: Option<&str>| {
            let found = times.read(text, device, at(received)).map(|time| time.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        };
        let now = "2026-01-01T00:00:00Z";
        check("1500464384997", None, now, Some("2017-07-19T11:39:44.997Z"));
        check("1500464384997.5", None, now, Some("2017-07-19T11:39:44.997500Z"));
        check("Jul 19 2017 10:50:21.127", Some("Europe/Moscow"), now, Some("2017-07-19T07:50:21.127Z"));
        check("Jul 19 2017 10:50:21", None, now, Some("2017-07-19T10:50:21.000Z"));
        check("Jul 19 2017 10:50:21.000127 GMT-03:00", None, now, Some("2017-07-19T13:50:21.000127Z"));
        check("Jul 19 2017 10:50:21 EST", Some("UTC"), now, Some("2017-07-19T15:50:21.000Z"));
        check("Dec 31 10:50:21", None, now, Some("2025-12-31T10:50:21.000Z"));
        check("Jan 02 10:50:21", None, now, Some("2026-01-02T10:50:21.000Z"));
        check("Jan 04 10:50:21", None, now, Some("2025-01-04T10:50:21.000Z"));
        check("Jan 01 10:50:21", None, "2025-12-31T00:00:00Z", Some("2026-01-01T10:50:21.000Z"));
        for bad in ["", "Jul 9 2017 10:50:21", "Foo 19 2017 10:50:21", "Jul 19 2017", "Jul 19 2017 10:50:21 Mars", "1x"]
        {
            check(bad, None, now, None);
        }
        check("Jul 19 2017 10:50:21", Some("Mars"), now, None);
    }

    #[test]
    fn zones_have_names_and_offsets() {
        for good in ["Europe/Berlin", "UTC", "+02:00", "-0330", "UTC+2", "GMT-03:00", "Z", "PST"] {
            assert!(zone_of(good).is_some(), "{good}");
        }
        for bad in ["Mars", "+x", "+02:xx", "UTC+"] {
            assert!(zone_of(bad).is_none(), "{bad}");
        }
    }
}
