//! Times as text by the letters of Joda time and of `java.time`, in UTC and English.
//!
//! A letter that means nothing here stays as it is written.

use super::Timestamp;
use jiff::{civil::DateTime, tz::TimeZone};
use logship_parsers::time::{MONTHS, MONTHS_SHORT, WEEKDAYS, WEEKDAYS_SHORT};
use std::fmt::Write as _;

/// Whose letters they are. They differ in few: `Y` is the year of the era in Joda and of the week in Java.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// `%{+yyyy.MM.dd}`
    Joda,
    /// `%{{yyyy-MM-dd}}`
    Java,
}

/// Appends a time in a format.
pub fn write(out: &mut String, time: Timestamp, format: &str, letters: Letters) {
    let Ok(instant) = jiff::Timestamp::from_nanosecond(i128::from(time.as_nanos())) else { return };
    let civil = TimeZone::UTC.to_datetime(instant);
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        if letter == '\'' {
            rest = quoted(out, &rest[1..]);
            continue;
        }
        let count = rest.chars().take_while(|c| *c == letter).count();
        let (run, behind) = rest.split_at(count * letter.len_utf8());
        if !(letter.is_ascii_alphabetic() && piece(out, &civil, (letter, count), letters)) {
            out.push_str(run);
        }
        rest = behind;
    }
}

/// The text behind a quote up to the next one; two quotes are one.
fn quoted<'f>(out: &mut String, rest: &'f str) -> &'f str {
    let Some(end) = rest.find('\'') else {
        out.push_str(rest);
        return "";
    };
    out.push_str(if end == 0 { "'" } else { &rest[..end] });
    &rest[end + 1..]
}

fn piece(out: &mut String, civil: &DateTime, (letter, count): (char, usize), letters: Letters) -> bool {
    let week = civil.date().iso_week_date();
    let year = |out: &mut String, year: i16| {
        let shown = if count == 2 { year.rem_euclid(100) } else { year };
        _ = write!(out, "{shown:0count$}");
    };
    let number = |out: &mut String, number: i64| {
        _ = write!(out, "{number:0count$}");
    };
    let hour = i64::from(civil.hour());
    match letter {
        'y' | 'u' => year(out, civil.year()),
        'Y' if letters == Letters::Joda => year(out, civil.year()),
        'x' if letters == Letters::Joda => year(out, week.year()),
        'Y' => year(out, week.year()),
        'M' | 'L' if count >= 3 => {
            let names = if count == 3 { MONTHS_SHORT } else { MONTHS };
            out.push_str(names[usize::try_from(civil.month() - 1).unwrap_or_default() % names.len()]);
        }
        'M' | 'L' => number(out, civil.month().into()),
        'w' => number(out, week.week().into()),
        'd' => number(out, civil.day().into()),
        'D' => number(out, civil.day_of_year().into()),
        'e' => number(out, civil.weekday().to_monday_one_offset().into()),
        'E' => {
            let names = if count <= 3 { WEEKDAYS_SHORT } else { WEEKDAYS };
            let day = civil.weekday().to_monday_zero_offset();
            out.push_str(names[usize::try_from(day).unwrap_or_default() % names.len()]);
        }
        'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
        'H' => number(out, hour),
        'k' => number(out, if hour == 0 { 24 } else { hour }),
        'K' => number(out, hour % 12),
        'h' => number(out, if hour % 12 == 0 { 12 } else { hour % 12 }),
        'm' => number(out, civil.minute().into()),
        's' => number(out, civil.second().into()),
        'S' => {
            let digits = format!("{:09}", civil.subsec_nanosecond());
            out.push_str(&digits[..count.min(9)]);
            (9..count).for_each(|_| out.push('0'));
        }
        // Java's zone is the offset nought, whose name is this.
        'z' | 'V' | 'v' if letters == Letters::Java => out.push('Z'),
        'z' => out.push_str("UTC"),
        'Z' => out.push_str(match (letters, count) {
            (_, 1) => "+0000",
            (Letters::Joda, 2) => "+00:00",
            (Letters::Joda, _) => "UTC",
            (Letters::Java, 4) => "GMT",
            (Letters::Java, 5) => "Z",
            (Letters::Java, _) => "+0000",
        }),
        'X' if letters == Letters::Java => out.push('Z'),
        'x' => out.push_str(["+00", "+0000", "+00:00"][(count - 1).min(2)]),
        'G' => out.push_str("AD"),
        'C' if letters == Letters::Joda => number(out, i64::from(civil.year()) / 100),
        _ => return letters == Letters::Java && only_java(out, civil, (letter, count)),
    }
    true
}

/// Letters that Joda does not have.
fn only_java(out: &mut String, civil: &DateTime, (letter, count): (char, usize)) -> bool {
    let seconds = (i64::from(civil.hour()) * 60 + i64::from(civil.minute())) * 60 + i64::from(civil.second());
    let nanos = i64::from(civil.subsec_nanosecond());
    let quarter = (civil.month() - 1) / 3 + 1;
    _ = match letter {
        'A' => write!(out, "{:0count$}", seconds * 1_000 + nanos / 1_000_000),
        'N' => write!(out, "{:0count$}", seconds * 1_000_000_000 + nanos),
        'n' => write!(out, "{nanos:0count$}"),
        'Q' | 'q' if count < 3 => write!(out, "{quarter:0count$}"),
        'Q' | 'q' => write!(out, "Q{quarter}"),
        'O' => write!(out, "GMT"),
        _ => return false,
    };
    true
}
