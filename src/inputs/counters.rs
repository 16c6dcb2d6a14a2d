//! What an input took in and what became of it.
//!
//! Promise: received = stored + dropped + queued, at any moment that it is looked at: what is on its way counts as queued.

use crate::{clock, event::Timestamp};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Longest text of a last error, in bytes.
pub const ERROR_BYTES_MAX: usize = 1_024;

/// Why a record that was received is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// The log has reached its limit.
    Full,
    /// The log was too slow, and the source cannot wait.
    Stalled,
    /// The log refused for another reason.
    Refused,
    /// It was durable already.
    Duplicate,
    /// It is not what the protocol says.
    Malformed,
    /// It is over a limit and no part of it can be kept.
    TooLarge,
    /// Parts of it never came.
    Incomplete,
    /// Left out by a rule: a filter, sampling, a rate limit.
    Filtered,
}

impl Dropped {
    /// All of them, in the order of their numbers.
    pub const ALL: [Dropped; 8] = [
        Dropped::Full,
        Dropped::Stalled,
        Dropped::Refused,
        Dropped::Duplicate,
        Dropped::Malformed,
        Dropped::TooLarge,
        Dropped::Incomplete,
        Dropped::Filtered,
    ];

    /// Its name in counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dropped::Full => "full",
            Dropped::Stalled => "stalled",
            Dropped::Refused => "log_refused",
            Dropped::Duplicate => "duplicate",
            Dropped::Malformed => "malformed",
            Dropped::TooLarge => "too_large",
            Dropped::Incomplete => "incomplete",
            Dropped::Filtered => "filtered",
        }
    }
}

/// What went wrong last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// When, RFC 3339.
    #[serde(serialize_with = "as_text")]
    pub at: Timestamp,
    /// What, where and what to do, in one sentence.
    pub what: String,
}

fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// The counters of one input, since its start.
#[derive(Debug, Default)]
pub struct InputCounters {
    received: AtomicU64,
    stored: AtomicU64,
    dropped: [AtomicU64; Dropped::ALL.len()],
    bytes: AtomicU64,
    truncated_bytes: AtomicU64,
    last_error: Mutex<Option<LastError>>,
}

impl InputCounters {
    /// That many records came in, with that many bytes.
    pub fn received(&self, records: u64, bytes: u64) {
        self.received.fetch_add(records, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// That many of them are durable.
    pub fn stored(&self, records: u64) {
        self.stored.fetch_add(records, Ordering::Relaxed);
    }

    /// That many of them are not and will not be.
    pub fn dropped(&self, why: Dropped, records: u64) {
        self.dropped[why as usize].fetch_add(records, Ordering::Relaxed);
    }

    /// That many bytes were cut from overlong records.
    pub fn truncated(&self, bytes: u64) {
        self.truncated_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Keeps what went wrong, instead of what went wrong before.
    pub fn failed(&self, what: impl Into<String>) {
        self.keep(what.into());
    }

    /// The same, and says it where it is not what went wrong before: for who tries the same again and again.
    pub fn failed_aloud(&self, what: impl Into<String>) {
        let what = what.into();
        if self.keep(what.clone()) {
            tracing::warn!("{what}");
        }
    }

    /// Whether it is another than before.
    fn keep(&self, mut what: String) -> bool {
        what.truncate(what.floor_char_boundary(ERROR_BYTES_MAX));
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = last.as_ref().is_none_or(|last| last.what != what);
        *last = Some(LastError { at: clock::now(), what });
        is_new
    }

    /// All of them at this moment.
    ///
    /// ```
    /// use logship::inputs::counters::{Dropped, InputCounters};
    /// let counters = InputCounters::default();
    /// counters.received(3, 30);
    /// counters.stored(1);
    /// counters.dropped(Dropped::Full, 1);
    /// let now = counters.snapshot();
    /// assert_eq!((now.received, now.stored, now.dropped["full"], now.queued), (3, 1, 1, 1));
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> InputSnapshot {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let stored = of(&self.stored);
        let dropped: BTreeMap<_, _> = Dropped::ALL
            .iter()
            .map(|why| (why.name(), of(&self.dropped[*why as usize])))
            .filter(|(_, count)| *count > 0)
            .collect();
        // Read last: what moves meanwhile is on its way rather than missing.
        let received = of(&self.received);
        InputSnapshot {
            received,
            stored,
            queued: received.saturating_sub(stored + dropped.values().sum::<u64>()),
            dropped,
            bytes: of(&self.bytes),
            truncated_bytes: of(&self.truncated_bytes),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// The counters of one input at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputSnapshot {
    /// Records that came in.
    pub received: u64,
    /// Records that are durable.
    pub stored: u64,
    /// Records on their way.
    pub queued: u64,
    /// Records that will not be stored, by reason; only reasons that occurred.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Bytes of the records that came in.
    pub bytes: u64,
    /// Bytes cut from overlong records.
    pub truncated_bytes: u64,
    /// What went wrong last.
    pub last_error: Option<LastError>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_own_place_and_name() {
        let counters = InputCounters::default();
        for (number, why) in Dropped::ALL.into_iter().enumerate() {
            counters.received(1 + number as u64, 0);
            counters.dropped(why, 1 + number as u64);
        }
        let now = counters.snapshot();
        assert_eq!((now.dropped.len(), now.queued), (Dropped::ALL.len(), 0));
        assert_eq!(now.dropped["filtered"], Dropped::ALL.len() as u64);
    }

    #[test]
    fn the_last_error_is_kept_and_bounded() {
        let counters = InputCounters::default();
        counters.failed("one");
        counters.failed("ü".repeat(ERROR_BYTES_MAX));
        let last = counters.snapshot().last_error.unwrap();
        assert_eq!(last.what, "ü".repeat(ERROR_BYTES_MAX / 2));
        let json = serde_json::to_value(counters.snapshot()).unwrap();
        assert!(json["last_error"]["at"].as_str().unwrap().ends_with('Z'));
    }
}
