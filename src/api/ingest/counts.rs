//! Counters of what came in over HTTP.

use crate::api::Component;
use std::sync::atomic::{AtomicU64, Ordering};

/// Records since the start: each is received once and then sent, dropped for one reason, or still on its way.
#[derive(Debug, Default)]
pub struct Ingested {
    received: AtomicU64,
    sent: AtomicU64,
    too_long: AtomicU64,
    duplicate: AtomicU64,
    failed: AtomicU64,
}

impl Ingested {
    /// Records on their way to the log.
    pub(super) fn received(&self, records: u64) {
        self.received.fetch_add(records, Ordering::Relaxed);
    }

    /// They are durable.
    pub(super) fn sent(&self, records: u64) {
        self.sent.fetch_add(records, Ordering::Relaxed);
    }

    /// They were durable before.
    pub(super) fn duplicate(&self, records: u64) {
        self.duplicate.fetch_add(records, Ordering::Relaxed);
    }

    /// The log refused them, and the client was told.
    pub(super) fn failed(&self, records: u64) {
        self.failed.fetch_add(records, Ordering::Relaxed);
    }

    /// Lines over the limit, of which the client was told.
    pub(super) fn too_long(&self, lines: u64) {
        self.received.fetch_add(lines, Ordering::Relaxed);
        self.too_long.fetch_add(lines, Ordering::Relaxed);
    }

    /// As the component `input.http`.
    #[must_use]
    pub fn component(&self) -> Component {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (sent, too_long) = (of(&self.sent), of(&self.too_long));
        let (duplicate, failed) = (of(&self.duplicate), of(&self.failed));
        // Read last: what moves meanwhile is on its way rather than missing.
        let received = of(&self.received);
        let queued = received.saturating_sub(sent + too_long + duplicate + failed);
        let dropped = [("duplicate", duplicate), ("log_refused", failed), ("too_long", too_long)];
        let dropped = dropped.iter().filter(|(_, count)| *count > 0).map(|(why, count)| ((*why).to_owned(), *count));
        Component { name: "input.http".to_owned(), received, sent, dropped: dropped.collect(), queued }
    }
}
