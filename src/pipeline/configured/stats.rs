//! What the pipelines of a process have done since they started, for those who look at them while they run.

use super::{
    delivery::SinkState,
    workers::{Counts, held},
};
use crate::clock;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Instant,
};

/// One pipeline that runs.
#[derive(Clone, Debug)]
pub struct PipelineStats {
    /// When it started.
    pub started: Instant,
    /// Threads that filter.
    pub workers: usize,
    /// Whether what inputs read waits on disk.
    pub is_persisted: bool,
    /// Its workers' counts.
    pub counts: Arc<Counts>,
    /// Its outputs.
    pub sinks: Vec<Arc<SinkState>>,
}

/// An output at one moment: received = delivered + refused + abandoned + queued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputStats {
    /// Its name: `elasticsearch.0`, or its option `id`.
    pub name: String,
    /// Events that reached it.
    pub received: u64,
    /// Events that are out of this process.
    pub delivered: u64,
    /// Events that became dead letters.
    pub refused: u64,
    /// Events that were left when it was stopped.
    pub abandoned: u64,
    /// Events that it has not delivered yet.
    pub queued: u64,
    /// Attempts that failed.
    pub retries: u64,
    /// How often it fell behind and read the log by itself.
    pub fell_behind: u64,
    /// Why the last attempt failed, while it fails.
    pub failing: Option<String>,
}

impl PipelineStats {
    /// Its outputs now.
    #[must_use]
    pub fn outputs(&self) -> Vec<OutputStats> {
        self.sinks.iter().map(|sink| OutputStats::of(sink)).collect()
    }
}

impl OutputStats {
    fn of(sink: &SinkState) -> OutputStats {
        let counts = &sink.counts;
        // What became of events is counted after their coming: the other way round none would be missing between.
        let [delivered, refused, abandoned] =
            [&counts.delivered, &counts.refused, &counts.abandoned].map(|counter| counter.load(Ordering::Acquire));
        let received = counts.taken.load(Ordering::Acquire);
        OutputStats {
            name: sink.name.clone(),
            received,
            delivered,
            refused,
            abandoned,
            queued: received.saturating_sub(delivered + refused + abandoned),
            retries: counts.retries.load(Ordering::Relaxed),
            fell_behind: counts.fell_behind.load(Ordering::Relaxed),
            failing: held(&sink.failing).clone(),
        }
    }
}

/// All pipelines of a process that run.
#[derive(Debug)]
pub struct Stats {
    /// When the process began with them.
    pub started: Instant,
    running: Mutex<BTreeMap<String, PipelineStats>>,
    wrong: Mutex<Option<String>>,
}

impl Default for Stats {
    fn default() -> Stats {
        Stats { started: clock::instant(), running: Mutex::default(), wrong: Mutex::default() }
    }
}

impl Stats {
    /// Those that run now, by their ids.
    #[must_use]
    pub fn running(&self) -> BTreeMap<String, PipelineStats> {
        held(&self.running).clone()
    }

    /// Why the configs as they are now could not be taken up.
    #[must_use]
    pub fn wrong(&self) -> Option<String> {
        held(&self.wrong).clone()
    }

    /// The configs were read again: whether something is wrong with them.
    pub fn reloaded(&self, wrong: Option<String>) {
        *held(&self.wrong) = wrong;
    }

    pub(super) fn begun(&self, id: &str, pipeline: PipelineStats) {
        held(&self.running).insert(id.to_owned(), pipeline);
    }

    pub(super) fn ended(&self, id: &str) {
        held(&self.running).remove(id);
    }
}
