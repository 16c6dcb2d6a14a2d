//! The only clock. Everything that needs the time asks here, so that tests can hold it still and so that a search
//! for `clock::` finds every place whose result depends on when it runs.

use crate::event::Timestamp;
use std::time::{Duration, Instant};

/// The wall clock, in UTC nanoseconds.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the one place that may ask")]
pub fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A monotonic instant, for measuring how long something took and for deadlines.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "this is the one place that may ask")]
pub fn instant() -> Instant {
    Instant::now()
}

/// How long ago `then` was.
#[must_use]
pub fn since(then: Instant) -> Duration {
    instant().saturating_duration_since(then)
}
