//! Times that come again and again, as `cron` writes them: `0 6 * * 1-5 America/Chicago`.
//!
//! Minute, hour, day of the month, month, day of the week; six fields begin with the second. A field is `*`, a number, a range, a list of
//! them, each with a step (`*/5`); months and days have names, `7` is Sunday, too, and `L` is the last day of a month. A zone may
//! follow; without one it is the system's. A time that a clock leaves out in spring comes as much later.

use jiff::{
    Timestamp,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};

/// Days that are looked through for the next time: leap days come each eight years at least.
const DAYS_MAX: usize = 9 * 366;
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When something is to be done.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    seconds: Set,
    minutes: Set,
    hours: Set,
    days: Set,
    /// The last day of the month, whichever that is.
    last_day: bool,
    months: Set,
    weekdays: Set,
    zone: TimeZone,
}

/// Numbers below 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Set(u64);

impl Set {
    fn has(self, number: i8) -> bool {
        u32::try_from(number).is_ok_and(|number| self.0.checked_shr(number).is_some_and(|rest| rest & 1 == 1))
    }
}

/// What a field may hold.
struct Field {
    name: &'static str,
    from: u32,
    to: u32,
    names: &'static [&'static str],
}

const SECOND: Field = Field { name: "second", from: 0, to: 59, names: &[] };
const MINUTE: Field = Field { name: "minute", from: 0, to: 59, names: &[] };
const HOUR: Field = Field { name: "hour", from: 0, to: 23, names: &[] };
const DAY: Field = Field { name: "day of the month", from: 1, to: 31, names: &[] };
const MONTH: Field = Field { name: "month", from: 1, to: 12, names: &MONTHS };
const WEEKDAY: Field = Field { name: "day of the week", from: 0, to: 7, names: &WEEKDAYS };

impl Field {
    fn read(&self, text: &str) -> Result<Set, String> {
        let wrong =
            || format!("`{text}` is no {}: it is {} to {}, `*`, `1-3`, `1,2`, `*/5`", self.name, self.from, self.to);
        let mut set = 0;
        for part in text.split(',') {
            let (range, step) = part.split_once('/').map_or((part, "1"), |(range, step)| (range, step));
            let step = step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(wrong)?;
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.from, self.to),
                Some((from, to)) => (self.number(from).ok_or_else(wrong)?, self.number(to).ok_or_else(wrong)?),
                None => {
                    let from = self.number(range).ok_or_else(wrong)?;
                    // `5/15` begins at 5 and goes on.
                    (from, if part.contains('/') { self.to } else { from })
                }
            };
            // Nights and weekends go round: `22-4`, `fri-mon`.
            let count = self.to - self.from + 1;
            let length = (to + count - from) % count + 1;
            let number = |step: u32| self.from + (from - self.from + step) % count;
            (0..length).step_by(step).for_each(|step| set |= 1_u64 << number(step));
        }
        Ok(Set(set))
    }

    fn number(&self, text: &str) -> Option<u32> {
        let named = self.names.iter().zip(self.from..).find(|(name, _)| name.eq_ignore_ascii_case(text));
        let number = named.map(|(_, number)| number).or_else(|| text.parse().ok())?;
        (self.from..=self.to).contains(&number).then_some(number)
    }
}

impl Schedule {
    /// Reads one.
    ///
    /// # Errors
    /// It is none; the text says why.
    pub(super) fn parse(text: &str) -> Result<Schedule, String> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let is_zone = |word: &&str| word.contains(|c: char| c.is_ascii_alphabetic()) && words.len() > 5;
        let zone = match words.last().copied().filter(is_zone).map(|word| (word, TimeZone::get(word))) {
            Some((_, Ok(zone))) => {
                words.pop();
                zone
            }
            Some((word, Err(_))) if word.contains('/') && !word.starts_with('*') => {
                return Err(format!("there is no time zone `{word}`"));
            }
            _ => TimeZone::system(),
        };
        let (second, fields) = match words.as_slice() {
            [second, fields @ ..] if fields.len() == 5 => (*second, fields),
            fields => ("0", fields),
        };
        let [minute, hour, day, month, weekday] = fields else {
            return Err(format!("`{text}` has {} fields, a schedule has five or six", words.len()));
        };
        let last_day = day.split(',').any(|day| day.eq_ignore_ascii_case("l"));
        let numbers: Vec<&str> = day.split(',').filter(|day| !day.eq_ignore_ascii_case("l")).collect();
        let weekdays = WEEKDAY.read(weekday)?;
        let schedule = Schedule {
            seconds: SECOND.read(second)?,
            minutes: MINUTE.read(minute)?,
            hours: HOUR.read(hour)?,
            days: if numbers.is_empty() { Set::default() } else { DAY.read(&numbers.join(","))? },
            last_day,
            months: MONTH.read(month)?,
            weekdays: Set(weekdays.0 | weekdays.0 >> 7),
            zone,
        };
        match schedule.after(Timestamp::UNIX_EPOCH) {
            Some(_) => Ok(schedule),
            None => Err(format!("`{text}` names a day that never comes")),
        }
    }

    /// The first such time after another one.
    pub(super) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let local = self.zone.to_datetime(time);
        let mut date = local.date();
        let mut from = Some(local.time());
        for _ in 0..DAYS_MAX {
            let mut found = self.has(date).then(|| self.times(from));
            while let Some(next) = found.flatten() {
                let next_time = self.zone.to_zoned(DateTime::from_parts(date, next)).ok()?.timestamp();
                if next_time > time {
                    return Some(next_time);
                }
                found = Some(self.times(Some(next)));
            }
            date = date.tomorrow().ok()?;
            from = None;
        }
        None
    }

    fn has(&self, date: Date) -> bool {
        let is_day = self.days.has(date.day()) || (self.last_day && date.day() == date.days_in_month());
        is_day && self.months.has(date.month()) && self.weekdays.has(date.weekday().to_sunday_zero_offset())
    }

    /// The first time of a day, or the first after one.
    fn times(&self, after: Option<Time>) -> Option<Time> {
        let at = after.map_or((0, 0, 0), |after| (after.hour(), after.minute(), after.second()));
        for hour in (at.0..24).filter(|hour| self.hours.has(*hour)) {
            let minutes = if hour == at.0 { at.1 } else { 0 };
            for minute in (minutes..60).filter(|minute| self.minutes.has(*minute)) {
                let is_same = (hour, minute) == (at.0, at.1) && after.is_some();
                let seconds = if is_same { at.2 + 1 } else { 0 };
                if let Some(second) = (seconds..60).find(|second| self.seconds.has(*second)) {
                    return Time::new(hour, minute, second, 0).ok();
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_follow_each_other() {
        let check = |schedule: &str, after: &str, expected: &[&str]| {
            let schedule = Schedule::parse(schedule).unwrap();
            let mut time: Timestamp = after.parse().unwrap();
            for expected in expected {
                time = schedule.after(time).unwrap();
                assert_eq!(time.to_string(), *expected, "{schedule:?}");
            }
        };
        check("* * * * * UTC", "2026-01-01T00:00:00.5Z", &["2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"]);
        check("*/20 * * * * * UTC", "2026-01-01T00:00:30Z", &["2026-01-01T00:00:40Z", "2026-01-01T00:01:00Z"]);
        check("0 6 * * * America/Chicago", "2026-01-01T13:00:00Z", &["2026-01-02T12:00:00Z"]);
        check("30 22-1 * * * UTC", "2026-01-01T23:30:00Z", &["2026-01-02T00:30:00Z", "2026-01-02T01:30:00Z"]);
        check("0 0 29 feb * UTC", "2026-01-01T00:00:00Z", &["2028-02-29T00:00:00Z"]);
        check("0 0 L * * UTC", "2026-02-01T00:00:00Z", &["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]);
        check("0 0 * * sat,7 UTC", "2026-01-01T00:00:00Z", &["2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"]);
        check("5/25 12 1,15 * * UTC", "2026-01-01T12:30:00Z", &["2026-01-01T12:55:00Z", "2026-01-15T12:05:00Z"]);
        // A clock goes on at two, and back at three.
        check("30 2 * * * Europe/Berlin", "2026-03-29T00:00:00Z", &["2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"]);
        check("30 2 * * * Europe/Berlin", "2026-10-25T00:00:00Z", &["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        let check = |schedule: &str, expected: &str| {
            let told = Schedule::parse(schedule).unwrap_err();
            assert!(told.contains(expected), "{schedule}: {told}");
        };
        check("", "has 0 fields");
        check("* * * *", "has 4 fields");
        check("61 * * * *", "`61` is no minute");
        check("* * * 13 *", "is no month");
        check("*/0 * * * *", "is no minute");
        check("0 0 31 feb *", "never comes");
        check("0 0 * * * Europe/Nowhere", "no time zone");
    }
}
