//! A point in time.

use logship_parsers::time::{CIVIL_BYTES, Civil};
use std::fmt;

/// UTC nanoseconds since 1970, from 1677 to 2262.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds since 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Timestamp {
        Timestamp(nanos)
    }

    /// From milliseconds since 1970; out of range saturates.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Timestamp {
        Timestamp(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// As [`Display`](fmt::Display) shows it.
    pub(super) fn rfc3339(self) -> Rfc3339 {
        let civil = Civil::from_nanos(self.0);
        let mut text = Rfc3339 { bytes: [b'0'; RFC3339_BYTES_MAX], length: 0 };
        text.bytes[..CIVIL_BYTES].copy_from_slice(&civil.text());
        text.bytes[CIVIL_BYTES] = b'.';
        let nanos = civil.nanos();
        // Threes do not wait for one another as nine digits would.
        let threes = [nanos / 1_000_000, nanos / 1_000 % 1_000, nanos % 1_000];
        for (place, three) in text.bytes[CIVIL_BYTES + 1..].chunks_exact_mut(3).zip(threes) {
            place.copy_from_slice(&[three / 100, three / 10 % 10, three % 10].map(|digit| b'0' + digit as u8));
        }
        let digits = match threes {
            [_, 0, 0] => 3,
            [_, _, 0] => 6,
            _ => 9,
        };
        let end = CIVIL_BYTES + 1 + digits;
        text.bytes[end] = b'Z';
        text.length = end + 1;
        text
    }
}

/// `2026-01-02T03:04:05.678901234Z`.
const RFC3339_BYTES_MAX: usize = CIVIL_BYTES + 11;

/// A time as text, without an allocation.
pub(super) struct Rfc3339 {
    bytes: [u8; RFC3339_BYTES_MAX],
    length: usize,
}

impl Rfc3339 {
    pub(super) fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

/// RFC 3339 in UTC with `Z`: three digits of fraction, six or nine only where they say more.
///
/// ```
/// use logship::event::Timestamp;
/// assert_eq!(Timestamp::from_millis(1_767_225_600_123).to_string(), "2026-01-01T00:00:00.123Z");
/// assert_eq!(Timestamp::from_nanos(1).to_string(), "1970-01-01T00:00:00.000000001Z");
/// ```
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rfc3339().as_str())
    }
}
