//! What went through an input. Received = stored + dropped + what is on its way.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

/// Counts of one input.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records that the input cut.
    pub received: AtomicU64,
    /// Records that are durable.
    pub stored: AtomicU64,
    /// Records that the log refused for good.
    pub dropped: AtomicU64,
    /// Bytes of the stored records.
    pub bytes: AtomicU64,
    /// Lines or entries that came again and were durable already.
    pub repeated: AtomicU64,
    /// Bytes cut from what was too long.
    pub truncated_bytes: AtomicU64,
    /// Times that the source could not be read.
    pub failures: AtomicU64,
    last_error: Mutex<Option<String>>,
}

impl Counters {
    /// What went wrong last: what happened, where, and what to do.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn fail(&self, cause: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.say(cause);
    }

    pub(super) fn say(&self, cause: &str) {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_deref() != Some(cause) {
            tracing::warn!("{cause}");
            *last = Some(cause.to_owned());
        }
    }

    pub(super) fn add(counter: &AtomicU64, more: u64) {
        counter.fetch_add(more, Ordering::Relaxed);
    }
}
