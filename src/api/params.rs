//! The arguments of requests: strict, so that a typing error is an error and not another answer.

use super::ApiError;
use crate::{
    clock,
    event::Timestamp,
    query::{HISTOGRAM_BUCKETS_MAX, Scope},
};
use axum::{extract::Query as UrlQuery, http::Uri};
use logship_parsers::query::{Parsed, parse};
use std::str::FromStr;

/// The arguments behind the `?`, each at most once.
#[derive(Debug)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Reads them; only `known` names may come.
    ///
    /// # Errors
    /// An unknown or repeated name, text that is not UTF-8.
    pub fn read(uri: &Uri, known: &[&str]) -> Result<Params, ApiError> {
        let UrlQuery(pairs) = UrlQuery::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| ApiError::bad(format!("the arguments behind `?` cannot be read: {error}")))?;
        for (n, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                return Err(ApiError::bad(format!("unknown argument `{name}`; known here: {known}")));
            }
            if pairs[..n].iter().any(|(before, _)| before == name) {
                return Err(ApiError::bad(format!("the argument `{name}` is there twice")));
            }
        }
        Ok(Params(pairs))
    }

    /// The text of an argument that is there and not empty.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, text)| known == name && !text.is_empty()).map(|(_, text)| text.as_str())
    }

    /// A number of `least..=most`, or `default` where the argument is missing.
    ///
    /// # Errors
    /// No number, or out of range.
    pub fn count(&self, name: &str, default: usize, least: usize, most: usize) -> Result<usize, ApiError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let wrong = || ApiError::bad(format!("`{name}={text}`: expected a whole number from {least} to {most}"));
        let number = text.parse().map_err(|_| wrong())?;
        if (least..=most).contains(&number) { Ok(number) } else { Err(wrong()) }
    }

    /// Buckets of a histogram.
    ///
    /// # Errors
    /// No number, or out of range.
    pub fn buckets(&self) -> Result<usize, ApiError> {
        self.count("buckets", 60, 1, HISTOGRAM_BUCKETS_MAX)
    }

    /// An argument that has its own text form.
    ///
    /// # Errors
    /// Its text cannot be read.
    pub fn parsed<T: FromStr<Err: std::fmt::Display>>(&self, name: &str) -> Result<Option<T>, ApiError> {
        self.text(name)
            .map(|text| text.parse().map_err(|error| ApiError::bad(format!("`{name}={text}`: {error}"))))
            .transpose()
    }

    /// What `q`, `from` and `to` select. `now` means one moment in all of them.
    ///
    /// # Errors
    /// A query or time that cannot be read; an empty range.
    pub fn scope(&self) -> Result<Scope, ApiError> {
        self.scope_and_hints().map(|(scope, _)| scope)
    }

    /// The same with advice on how to write the query better.
    ///
    /// # Errors
    /// As [`Params::scope`].
    pub fn scope_and_hints(&self) -> Result<(Scope, Vec<String>), ApiError> {
        let now = clock::now();
        let (from, to) = (self.time("from", now)?, self.time("to", now)?);
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            return Err(ApiError::bad(format!("`from` ({from}) is after `to` ({to})")));
        }
        let Parsed { query, hints } = self.query()?;
        Ok((Scope { query, from, to, now }, hints.into_iter().map(|hint| hint.message).collect()))
    }

    /// The query in `q`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn query(&self) -> Result<Parsed, ApiError> {
        parse(self.text("q").unwrap_or_default()).map_err(ApiError::from)
    }

    fn time(&self, name: &str, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        parse_time(text, now).map(Some).ok_or_else(|| {
            let mut error = ApiError::bad(format!("`{name}={text}` is no time"));
            error.hint = Some(
                "RFC 3339 (2026-01-02T03:04:05Z, with + as %2B), milliseconds since 1970, or now, now-15m".to_owned(),
            );
            error
        })
    }
}

/// A time as people write it: RFC 3339, a date (midnight UTC), milliseconds since 1970, `now`, `now-15m`, `now+1h30m`.
#[must_use]
pub fn parse_time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(offset) = text.strip_prefix("now") {
        return match offset.split_at_checked(1) {
            None if offset.is_empty() => Some(now),
            // A `+` that was not written as %2B arrives as a blank.
            Some(("+" | " ", span)) => now.as_nanos().checked_add(nanos(span)?).map(Timestamp::from_nanos),
            Some(("-", span)) => now.as_nanos().checked_sub(nanos(span)?).map(Timestamp::from_nanos),
            _ => None,
        };
    }
    if let Ok(millis) = text.parse::<i64>() {
        return millis.checked_mul(1_000_000).map(Timestamp::from_nanos);
    }
    parse_rfc3339(text).or_else(|| {
        let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10)?;
        of(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })
}

/// A time as programs write it: RFC 3339.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    of(text.parse().ok()?)
}

fn of(instant: jiff::Timestamp) -> Option<Timestamp> {
    i64::try_from(instant.as_nanosecond()).ok().map(Timestamp::from_nanos)
}

/// `90s`, `1h30m`: nanoseconds.
fn nanos(mut text: &str) -> Option<i64> {
    let mut sum: i64 = 0;
    loop {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = text[..digits].parse().ok()?;
        let unit_end = text[digits..].find(|c: char| c.is_ascii_digit()).map_or(text.len(), |at| digits + at);
        let seconds = match &text[digits..unit_end] {
            "ms" => 0,
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return None,
        };
        let unit = if seconds == 0 { 1_000_000 } else { seconds * 1_000_000_000 };
        sum = sum.checked_add(number.checked_mul(unit)?)?;
        text = &text[unit_end..];
        if text.is_empty() {
            return Some(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let now = Timestamp::from_millis(1_767_225_600_000);
        let shown = |text| parse_time(text, now).map(|time| time.to_string());
        for (text, expected) in [
            ("now", Some("2026-01-01T00:00:00.000Z")),
            ("now-15m", Some("2025-12-31T23:45:00.000Z")),
            ("now-1h30m", Some("2025-12-31T22:30:00.000Z")),
            ("now+1w", Some("2026-01-08T00:00:00.000Z")),
            ("now 250ms", Some("2026-01-01T00:00:00.250Z")),
            ("1767225600123", Some("2026-01-01T00:00:00.123Z")),
            ("-1", Some("1969-12-31T23:59:59.999Z")),
            ("2026-01-02", Some("2026-01-02T00:00:00.000Z")),
            ("2026-01-02T03:04:05.678Z", Some("2026-01-02T03:04:05.678Z")),
            ("2026-01-02T03:04:05+02:00", Some("2026-01-02T01:04:05.000Z")),
            ("2026-01-02 03:04:05Z", Some("2026-01-02T03:04:05.000Z")),
            ("now-", None),
            ("now-15", None),
            ("now-m", None),
            ("now-15q", None),
            ("now-99999999999999999999s", None),
            ("now-9223372036854775807w", None),
            ("nowish", None),
            ("nowé", None),
            ("yesterday", None),
            ("2026-13-01", None),
            ("2026-01-02T03:04:05", None),
            ("9223372036854775807", None),
            ("9999-01-01T00:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(shown(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn arguments_are_known_single_and_in_range() {
        let read = |uri: &str| Params::read(&uri.parse().unwrap(), &["q", "limit", "from", "to"]);
        let message = |uri: &str| match read(uri).and_then(|params| {
            params.count("limit", 100, 1, 1_000)?;
            params.scope()
        }) {
            Ok(_) => "fine".to_owned(),
            Err(error) => error.message,
        };
        for (uri, expected) in [
            ("/", "fine"),
            ("/?q=&limit=&from=", "fine"),
            ("/?limit=1000&from=now-1h&to=now", "fine"),
            ("/?form=now", "unknown argument `form`; known here: q, limit, from, to"),
            ("/?q=a&q=b", "the argument `q` is there twice"),
            ("/?limit=0", "`limit=0`: expected a whole number from 1 to 1000"),
            ("/?limit=1001", "`limit=1001`: expected a whole number from 1 to 1000"),
            ("/?limit=x", "`limit=x`: expected a whole number from 1 to 1000"),
            ("/?from=soon", "`from=soon` is no time"),
            ("/?from=2&to=1", "`from` (1970-01-01T00:00:00.002Z) is after `to` (1970-01-01T00:00:00.001Z)"),
        ] {
            assert_eq!(message(uri), expected, "{uri}");
        }
    }
}
