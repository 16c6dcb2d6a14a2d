//! What went in, out and away, part by part.
//!
//! For each component, in = out + dropped (by reason) + queued holds when it is at rest; integration tests assert it.

use serde::Serialize;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The counters of one component.
#[derive(Debug, Default)]
pub struct Component {
    entered: AtomicU64,
    left: AtomicU64,
    dropped: Mutex<BTreeMap<&'static str, u64>>,
}

impl Component {
    /// That many came in.
    pub fn enter(&self, count: u64) {
        self.entered.fetch_add(count, Ordering::Relaxed);
    }

    /// That many went on.
    pub fn leave(&self, count: u64) {
        self.left.fetch_add(count, Ordering::Relaxed);
    }

    /// That many went no further.
    pub fn drop_for(&self, reason: &'static str, count: u64) {
        if count > 0 {
            *self.dropped().entry(reason).or_default() += count;
        }
    }

    /// What went in but not out was lost with a part that failed; the log will give it again.
    pub fn forget_queued(&self) {
        self.entered.store(self.left.load(Ordering::Relaxed) + self.dropped().values().sum::<u64>(), Ordering::Relaxed);
    }

    fn dropped(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.dropped.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The counters of one component at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// `log`, `parse`, `store`.
    pub name: &'static str,
    /// Came in.
    #[serde(rename = "in")]
    pub entered: u64,
    /// Went on.
    #[serde(rename = "out")]
    pub left: u64,
    /// Went no further, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Still inside.
    pub queued: u64,
}

/// All components of the pipeline.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records read from the logs, handed to the workers.
    pub read: Component,
    /// Records in, events out, in order.
    pub parse: Component,
    /// Events in, events searchable after a restart out.
    pub store: Component,
}

impl Counters {
    /// All of them, in the order in which data flows.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        [("read", &self.read), ("parse", &self.parse), ("store", &self.store)]
            .into_iter()
            .map(|(name, component)| {
                let left = component.left.load(Ordering::Relaxed);
                let dropped = component.dropped().clone();
                let entered = component.entered.load(Ordering::Relaxed);
                let queued = entered.saturating_sub(left + dropped.values().sum::<u64>());
                Reading { name, entered, left, dropped, queued }
            })
            .collect()
    }
}
