//! Formats in the letters of Joda-Time: `yyyy-MM-dd HH:mm:ss,SSS ZZ`.
//!
//! A number may have fewer digits than letters, as there; a year followed by another number has as many digits as letters.
//! Two letters of a year mean the year nearest to 2026 that ends in two digits, where there are two.

use super::{
    moment::Moment,
    names::{Names, Spellings},
};
use jiff::tz::{Offset, TimeZone};
use logship_parsers::time::{MONTHS, SHORT_NAME_BYTES, WEEKDAYS};
use std::ops::Range;

/// Two digits of a year are of the hundred years around this one.
const PIVOT_YEAR: i64 = 2026;
/// The names of zones that are read, and their hours.
const ZONES: [(&str, i32); 11] = [
    ("UTC", 0),
    ("GMT", 0),
    ("UT", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];
/// The longest name of a zone.
const ZONE_BYTES_MAX: usize = 64;

/// A compiled format.
#[derive(Debug)]
pub(super) struct Joda {
    tokens: Vec<Token>,
}

#[derive(Debug, PartialEq)]
enum Token {
    /// In any case.
    Literal(String),
    /// A year of so many digits at most; of two digits where the flag says so.
    Year(usize, bool),
    Number(Part, usize),
    Fraction(usize),
    MonthName,
    DayName,
    /// The name of a month, or else of a day, in the language of a locale; whether a dot behind it is part of it.
    LocalName {
        is_month: bool,
        spellings: Spellings,
        takes_dot: bool,
    },
    Half,
    Era,
    Offset,
    ZoneId,
    ZoneName,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Part {
    Month,
    Day,
    DayOfYear,
    Week,
    Weekday,
    /// `H`, and `K` of half a day.
    Hour,
    /// `k`, and `h` of half a day: what `Hour` has as 0 is the last one here.
    HourFromOne(i64),
    Minute,
    Second,
}

impl Joda {
    /// Compiles a format, with names in a language other than English where they are given. `Err` says where it is wrong and how.
    pub(super) fn compile(format: &str, names: Option<&Names>) -> Result<Joda, (Range<usize>, String)> {
        let mut tokens = Vec::new();
        let mut at = 0;
        while let Some(c) = format[at..].chars().next() {
            let rest = &format[at..];
            let length = match c {
                '\'' => quoted(rest, &mut tokens)
                    .ok_or_else(|| (at..format.len(), "a quote in this format has no end".to_owned()))?,
                c if c.is_ascii_alphabetic() => {
                    let count = rest.bytes().take_while(|b| char::from(*b) == c).count();
                    let numeric = is_number(&rest[count..]);
                    tokens.push(token(c, count, numeric).ok_or_else(|| {
                        let message = format!("`{c}` is no letter of a date format: put text in single quotes");
                        (at..at + count, message)
                    })?);
                    count
                }
                c => {
                    literal(&mut tokens, &rest[..c.len_utf8()]);
                    c.len_utf8()
                }
            };
            at += length;
        }
        if let Some(names) = names {
            localize(&mut tokens, names);
        }
        Ok(Joda { tokens })
    }

    /// What a text says, all of it read.
    pub(super) fn read(&self, text: &str) -> Option<Moment> {
        let mut moment = Moment::default();
        let rest = self.tokens.iter().try_fold(text, |rest, token| token.read(rest, &mut moment))?;
        rest.is_empty().then_some(moment)
    }
}

/// Reads names in a language other than English.
fn localize(tokens: &mut [Token], names: &Names) {
    for at in 0..tokens.len() {
        let takes_dot = !matches!(tokens.get(at + 1), Some(Token::Literal(text)) if text.starts_with('.'));
        let local =
            |is_month, spellings: &Spellings| Token::LocalName { is_month, spellings: spellings.clone(), takes_dot };
        match tokens[at] {
            Token::MonthName => tokens[at] = local(true, &names.months),
            Token::DayName => tokens[at] = local(false, &names.days),
            _ => {}
        }
    }
}

/// `'text'`, in which `''` is a quote, or `''` alone for one. How long it is.
fn quoted(rest: &str, tokens: &mut Vec<Token>) -> Option<usize> {
    let mut at = 1;
    if rest[at..].starts_with('\'') {
        literal(tokens, "'");
        return Some(2);
    }
    loop {
        let end = at + rest[at..].find('\'')?;
        literal(tokens, &rest[at..end]);
        at = end + 1;
        if !rest[at..].starts_with('\'') {
            return Some(at);
        }
        literal(tokens, "'");
        at += 1;
    }
}

fn literal(tokens: &mut Vec<Token>, text: &str) {
    match tokens.last_mut() {
        Some(Token::Literal(before)) => before.push_str(text),
        _ => tokens.push(Token::Literal(text.to_owned())),
    }
}

/// Whether what a format goes on with is a number.
fn is_number(format: &str) -> bool {
    match format.chars().next() {
        Some('M') => !format.starts_with("MMM"),
        Some(c) => "cCxyYdhHmsSeDFwWkK".contains(c),
        None => false,
    }
}

fn token(letter: char, count: usize, before_number: bool) -> Option<Token> {
    let number = |part| Some(Token::Number(part, 2.max(count)));
    match letter {
        'y' | 'Y' | 'x' => Some(Token::Year(if before_number { count } else { 9 }, count == 2)),
        'M' if count > 2 => Some(Token::MonthName),
        'M' => number(Part::Month),
        'd' => number(Part::Day),
        'D' => Some(Token::Number(Part::DayOfYear, 3)),
        'w' => number(Part::Week),
        'e' => number(Part::Weekday),
        'E' => Some(Token::DayName),
        'a' => Some(Token::Half),
        'G' => Some(Token::Era),
        'H' | 'K' => number(Part::Hour),
        'k' => number(Part::HourFromOne(24)),
        'h' => number(Part::HourFromOne(12)),
        'm' => number(Part::Minute),
        's' => number(Part::Second),
        'S' => Some(Token::Fraction(count)),
        'Z' if count > 2 => Some(Token::ZoneId),
        'Z' => Some(Token::Offset),
        'z' => Some(Token::ZoneName),
        _ => None,
    }
}

impl Token {
    /// Reads what stands for it at the beginning of a text. What follows.
    fn read<'t>(&self, text: &'t str, moment: &mut Moment) -> Option<&'t str> {
        match self {
            Token::Literal(literal) => {
                let head = text.get(..literal.len())?;
                head.eq_ignore_ascii_case(literal).then(|| &text[literal.len()..])
            }
            Token::Year(digits, is_short) => {
                let sign = if *digits > 4 && text.starts_with('-') { -1 } else { 1 };
                let (number, rest) = self::number(&text[usize::from(sign < 0)..], *digits)?;
                let year = match *is_short && text.len() - rest.len() == 2 {
                    true => number + (PIVOT_YEAR - 50 - number + 99).div_euclid(100) * 100,
                    false => sign * number,
                };
                moment.year = Some(i16::try_from(year).ok()?);
                Some(rest)
            }
            Token::Number(part, digits) => {
                let (number, rest) = self::number(text, *digits)?;
                part.put(number, moment)?;
                Some(rest)
            }
            Token::Fraction(digits) => {
                let length = text.bytes().take(*digits).take_while(u8::is_ascii_digit).count();
                let digit =
                    |at: usize| text.as_bytes().get(at).filter(|_| at < length).map_or(0, |b| i16::from(b - b'0'));
                moment.millis = digit(0) * 100 + digit(1) * 10 + digit(2);
                (length > 0).then(|| &text[length..])
            }
            Token::MonthName => {
                let (month, rest) = named(text, &MONTHS)?;
                moment.month = Some(month);
                Some(rest)
            }
            Token::DayName => {
                let (day, rest) = named(text, &WEEKDAYS)?;
                moment.weekday = Some(day);
                Some(rest)
            }
            Token::LocalName { is_month, spellings, takes_dot } => {
                let (number, rest) = spellings.read(text, *takes_dot)?;
                let part = if *is_month { &mut moment.month } else { &mut moment.weekday };
                *part = Some(number);
                Some(rest)
            }
            Token::Half => {
                let half = text.get(..2)?;
                let is_afternoon = half.eq_ignore_ascii_case("pm");
                moment.is_afternoon = Some(is_afternoon);
                (is_afternoon || half.eq_ignore_ascii_case("am")).then(|| &text[2..])
            }
            Token::Era => text.get(..2).filter(|era| era.eq_ignore_ascii_case("ad")).map(|_| &text[2..]),
            Token::Offset => {
                let (seconds, length) = offset(text)?;
                moment.zone = Some(Offset::from_seconds(seconds).ok()?.to_time_zone());
                Some(&text[length..])
            }
            Token::ZoneId => {
                let (zone, length) = zone_id(text)?;
                moment.zone = Some(zone);
                Some(&text[length..])
            }
            Token::ZoneName => {
                let (name, hours) = ZONES.iter().find(|(name, _)| text.starts_with(name))?;
                moment.zone = Some(Offset::from_seconds(hours * 3600).ok()?.to_time_zone());
                Some(&text[name.len()..])
            }
        }
    }
}

impl Part {
    fn put(self, number: i64, moment: &mut Moment) -> Option<()> {
        let small = i8::try_from(number).ok();
        match self {
            Part::Month => moment.month = Some(small?),
            Part::Day => moment.day = Some(small?),
            Part::DayOfYear => moment.day_of_year = Some(i16::try_from(number).ok()?),
            Part::Week => moment.week = Some(small?),
            Part::Weekday => moment.weekday = Some(small?),
            Part::Hour => moment.hour = small?,
            Part::HourFromOne(last) if (1..=last).contains(&number) => {
                moment.hour = i8::try_from(number % last).ok()?
            }
            Part::HourFromOne(_) => return None,
            Part::Minute => moment.minute = small?,
            Part::Second => moment.second = small?,
        }
        Some(())
    }
}

/// A number of up to so many digits and what follows it.
pub(super) fn number(text: &str, digits: usize) -> Option<(i64, &str)> {
    let length = text.bytes().take(digits).take_while(u8::is_ascii_digit).count();
    Some((text[..length].parse().ok()?, &text[length..]))
}

/// A name or its first three letters, in any case: its number from 1 on, and what follows.
fn named<'t>(text: &'t str, names: &[&str]) -> Option<(i8, &'t str)> {
    let short = text.get(..SHORT_NAME_BYTES)?;
    let at = names.iter().position(|name| short.eq_ignore_ascii_case(&name[..SHORT_NAME_BYTES]))?;
    let full = text.get(..names[at].len()).is_some_and(|head| head.eq_ignore_ascii_case(names[at]));
    Some((i8::try_from(at + 1).ok()?, &text[if full { names[at].len() } else { SHORT_NAME_BYTES }..]))
}

/// `Z`, `+02`, `+0200` or `+02:00`: the seconds east of Greenwich, and how long it is.
pub(super) fn offset(text: &str) -> Option<(i32, usize)> {
    let bytes = text.as_bytes();
    let sign = match bytes.first()? {
        b'Z' | b'z' => return Some((0, 1)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let pair = |at: usize| {
        let digit = |at: usize| bytes.get(at).filter(|b| b.is_ascii_digit()).map(|b| i32::from(b - b'0'));
        Some(digit(at)? * 10 + digit(at + 1)?)
    };
    let hours = pair(1)?;
    let colon = usize::from(bytes.get(3) == Some(&b':'));
    let (minutes, length) = pair(3 + colon).map_or((0, 3), |minutes| (minutes, 5 + colon));
    (hours < 24 && minutes < 60).then_some((sign * (hours * 3600 + minutes * 60), length))
}

/// `Europe/Berlin` or an offset.
fn zone_id(text: &str) -> Option<(TimeZone, usize)> {
    if let Some((seconds, length)) = offset(text).filter(|_| !text.starts_with(['Z', 'z'])) {
        return Some((Offset::from_seconds(seconds).ok()?.to_time_zone(), length));
    }
    let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'_' | b'-' | b'+');
    let length = text.bytes().take(ZONE_BYTES_MAX).take_while(part).count();
    Some((TimeZone::get(&text[..length]).ok()?, length))
}
