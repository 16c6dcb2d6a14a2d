//! Stamps with the names of months and days.

use super::{COMPACT_YEARS, Cursor, Reading};
use crate::line::Context;
use crate::time::{NANOS_PER_SECOND, SECONDS_PER_DAY, civil_from_days};

impl Cursor<'_> {
    /// Stamps that begin with the name of a month or of a day of the week.
    pub(super) fn names(&mut self, context: &Context<'_>) -> Option<Reading> {
        let week_day = self.week_day().is_some();
        if week_day {
            match self.rest() {
                [b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', ..] => return self.year_first(),
                [b'0'..=b'9', separator @ (b' ' | b'-'), ..]
                | [b'0'..=b'9', b'0'..=b'9', separator @ (b' ' | b'-'), ..] => {
                    let separator = *separator;
                    return self.day_month_year(separator);
                }
                _ => {}
            }
        }
        let month = self.month()?;
        self.eat(b' ')?;
        self.spaces();
        let day = self.number(1, 2)?;
        self.at += usize::from(self.peek() == Some(b','));
        self.eat(b' ')?;
        let here = self.at;
        if let Some(year) = self.number(4, 4)
            && self.before_clock().is_some()
        {
            return self.timed(Some(year), month, day, b':');
        }
        self.at = here;
        let Reading::Date { clock, offset, .. } = self.timed(None, month, day, b':')? else { return None };
        let year = self.year_behind(week_day, context);
        Some(Reading::Date { year, month, day, clock, offset })
    }

    /// The year at the end, as `ctime` writes it. Without a day of the week in front it may be any number of the text, so
    /// it must end the stamp's bracket or be near to the time of arrival.
    fn year_behind(&mut self, week_day: bool, context: &Context<'_>) -> Option<u32> {
        let here = self.at;
        let year = self.eat(b' ').and_then(|()| self.number(4, 4)).filter(|year| COMPACT_YEARS.contains(year));
        let ends = matches!(self.peek(), None | Some(b']' | b')' | b'>'));
        let sure = year.is_some_and(|year| week_day || ends || arrival_year(context).abs_diff(i64::from(year)) <= 1);
        if !sure || self.boundary().is_none() {
            self.at = here;
            return None;
        }
        year
    }

    /// `Mon `, `Mon, `, `Monday, `.
    fn week_day(&mut self) -> Option<()> {
        let tail = match self.rest().first_chunk::<3>()? {
            b"Mon" | b"Fri" | b"Sun" => "day",
            b"Tue" => "sday",
            b"Wed" => "nesday",
            b"Thu" => "rsday",
            b"Sat" => "urday",
            _ => return None,
        };
        let mut end = self.at + 3;
        if self.bytes.get(end..)?.starts_with(tail.as_bytes()) {
            end += tail.len();
        }
        end += usize::from(self.bytes.get(end) == Some(&b','));
        (self.bytes.get(end) == Some(&b' ')).then(|| self.at = end + 1)
    }

    /// A month's English name, short or whole.
    pub(super) fn month(&mut self) -> Option<u32> {
        const NAMES: [&str; 12] = [
            "January",
            "February",
            "March",
            "April",
            "May",
            "June",
            "July",
            "August",
            "September",
            "October",
            "November",
            "December",
        ];
        let rest = self.rest();
        let short = rest.first_chunk::<3>()?;
        let index = NAMES.iter().position(|name| name.as_bytes().starts_with(short))?;
        let whole = rest.starts_with(NAMES[index].as_bytes());
        self.at += if whole { NAMES[index].len() } else { 3 };
        self.boundary()?;
        u32::try_from(index + 1).ok()
    }
}

pub(super) fn arrival_year(context: &Context<'_>) -> i64 {
    civil_from_days(context.received.div_euclid(NANOS_PER_SECOND * SECONDS_PER_DAY)).0
}
