//! What went in, out and away, part by part.
//!
//! For each component in = out + queued (nothing is dropped behind the log), and what goes out of one comes into the next;
//! integration tests assert both.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

/// The counters of one component.
#[derive(Debug, Default)]
pub struct Component {
    entered: AtomicU64,
    left: AtomicU64,
    queued: AtomicU64,
}

impl Component {
    /// That many came in.
    pub fn enter(&self, count: u64) {
        self.entered.fetch_add(count, Ordering::Relaxed);
        self.queued.fetch_add(count, Ordering::Relaxed);
    }

    /// That many went on.
    pub fn leave(&self, count: u64) {
        self.left.fetch_add(count, Ordering::Relaxed);
        self.queued.fetch_sub(count, Ordering::Relaxed);
    }

    /// Counts as if nothing but these had ever come in, and they had gone on.
    fn rewind(&self, count: u64) {
        self.entered.store(count, Ordering::Relaxed);
        self.left.store(count, Ordering::Relaxed);
        self.queued.store(0, Ordering::Relaxed);
    }
}

/// The counters of one component at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// `parse` or `store`.
    pub name: &'static str,
    /// Came in.
    #[serde(rename = "in")]
    pub entered: u64,
    /// Went on.
    #[serde(rename = "out")]
    pub left: u64,
    /// Still inside.
    pub queued: u64,
}

/// All components of the pipeline.
#[derive(Debug, Default)]
pub struct Counters {
    /// Records read from the logs in, events handed to the store out.
    pub parse: Component,
    /// Events in, events durable in the store out.
    pub store: Component,
}

impl Counters {
    /// What was on its way was lost with a part that failed, and the logs will give it again: only what is durable in
    /// the store counts. The one case in which a counter falls.
    pub fn rewind(&self) {
        let durable = self.store.left.load(Ordering::Relaxed);
        self.parse.rewind(durable);
        self.store.rewind(durable);
    }

    /// That many were durable after all: the commit that failed had come further than it could say.
    pub fn found_durable(&self, count: u64) {
        for component in [&self.parse, &self.store] {
            component.enter(count);
            component.leave(count);
        }
    }

    /// All of them, in the order in which data flows.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        [("parse", &self.parse), ("store", &self.store)]
            .into_iter()
            .map(|(name, component)| {
                let left = component.left.load(Ordering::Relaxed);
                let entered = component.entered.load(Ordering::Relaxed);
                let queued = component.queued.load(Ordering::Relaxed);
                Reading { name, entered, left, queued }
            })
            .collect()
    }
}
