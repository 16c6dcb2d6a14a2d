//! Stamps with the names of months and days.

use super::{COMPACT_YEARS, Cursor, Reading};
use crate::line::Context;
use crate::time::{MONTHS, NANOS_PER_SECOND, SECONDS_PER_DAY, SHORT_NAME_BYTES, WEEKDAYS, civil_from_days};

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
        let (_, length) = self.name_of(&WEEKDAYS)?;
        let mut end = self.at + length;
        end += usize::from(self.bytes.get(end) == Some(&b','));
        (self.bytes.get(end) == Some(&b' ')).then(|| self.at = end + 1)
    }

    /// A month's English name, short or whole.
    pub(super) fn month(&mut self) -> Option<u32> {
        let (index, length) = self.name_of(&MONTHS)?;
        self.at += length;
        self.boundary()?;
        u32::try_from(index + 1).ok()
    }

    /// Which of these names stands here, short or whole, and how long it is.
    fn name_of(&self, names: &[&str]) -> Option<(usize, usize)> {
        let rest = self.rest();
        let short = rest.first_chunk::<SHORT_NAME_BYTES>()?;
        let index = names.iter().position(|name| name.as_bytes().first_chunk() == Some(short))?;
        let name = names[index];
        Some((index, if rest.starts_with(name.as_bytes()) { name.len() } else { SHORT_NAME_BYTES }))
    }
}

pub(super) fn arrival_year(context: &Context<'_>) -> i64 {
    civil_from_days(context.received.div_euclid(NANOS_PER_SECOND * SECONDS_PER_DAY)).0
}
