//! What is known whatever dies: what clients sent, what was read, what the store said is durable and which logs went; and the
//! promises that follow from it.

use super::engine::events;
use crate::{
    flow::{Frame, LogId, Pos, Progress},
    log::{
        self,
        clients::{Clients, numbers},
    },
    store::Store,
};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) log: log::Options,
    pub(super) seal_events: u64,
    /// The owner is a pipe: its own log is there before the store is and carries nothing on.
    pub(super) pipe: bool,
}

/// What outlives every crash.
pub(super) struct World {
    pub(super) settings: Settings,
    pub(super) clients: Clients,
    /// So many logs were begun.
    pub(super) logs: u64,
    /// Frames that were read: where they end and what they hold.
    frames: BTreeMap<(LogId, Pos), (Pos, Vec<u64>)>,
    /// What hard commits said is done.
    done: Progress,
    /// Logs that were said to be durably gone.
    pub(super) gone: BTreeSet<LogId>,
}

impl World {
    pub(super) fn new(settings: Settings) -> World {
        World {
            settings,
            clients: Clients::default(),
            logs: 0,
            frames: BTreeMap::new(),
            done: Progress::new(),
            gone: BTreeSet::new(),
        }
    }

    /// A frame never becomes another.
    pub(super) fn saw(&mut self, frame: &Frame) {
        let now = (frame.end, numbers(&frame.batch));
        let before = self.frames.entry((frame.log, frame.start)).or_insert_with(|| now.clone());
        assert_eq!(*before, now, "of {} at {:?}", frame.log, frame.start);
    }

    pub(super) fn is_done(&mut self, progress: &Progress) {
        for (log, pos) in progress {
            let done = self.done.entry(*log).or_default();
            *done = (*pos).max(*done);
        }
    }

    /// Whether everything acknowledged in this log is durable in the store.
    pub(super) fn is_covered(&self, log: LogId) -> bool {
        let done = self.done.get(&log).copied().unwrap_or_default();
        self.clients.sent.iter().filter_map(|sent| sent.at).all(|(at, end)| at != log || end <= done)
    }

    pub(super) fn let_go(&mut self, log: LogId, carried: &BTreeSet<LogId>) {
        assert!(self.is_covered(log), "log {log} went too early");
        let known =
            self.clients.sent.iter().any(|sent| sent.span.is_some() && sent.at.is_some_and(|(at, _)| at == log));
        assert!(!known || carried.contains(&log), "log {log} was needed for its sources");
        self.gone.insert(log);
    }

    /// The events of a store that was just opened are those that its progress claims.
    pub(super) fn verify(&self, store: &Store) {
        let (found, progress) = (events(store), store.progress());
        let stored: BTreeMap<u64, (LogId, Pos)> = found.iter().map(|&(log, at, number)| (number, (log, at))).collect();
        assert_eq!(stored.len(), found.len(), "something is stored twice: {found:?}");
        for (log, done) in &self.done {
            let now = progress.get(log);
            assert!(now.is_some_and(|now| now >= done) || (now.is_none() && self.gone.contains(log)), "{log} {done:?}");
        }
        for (&(log, start), (end, records)) in &self.frames {
            let inside =
                |record: &u64| stored.get(record).is_some_and(|(at, pos)| *at == log && *pos >= start && pos < end);
            let kept = records.iter().filter(|record| inside(record)).count();
            assert!(kept == 0 || kept == records.len(), "a frame is torn: {kept} of {records:?}");
            if let Some(done) = progress.get(&log) {
                assert_eq!(
                    end <= done,
                    kept > 0 || records.is_empty() && end <= done,
                    "{log} {start:?}..{end:?} {done:?}"
                );
            }
        }
        for sent in &self.clients.sent {
            let Some((log, end)) = sent.at else { continue };
            let claimed = progress.get(&log).is_some_and(|done| end <= *done) || self.gone.contains(&log);
            let kept = sent.records.iter().all(|record| stored.contains_key(record));
            assert!(kept || !claimed, "{sent:?} is claimed and not there");
        }
    }
}
