//! The sealed partitions of an open store: what searches see of them, and those that are damaged.
//!
//! The index thread and [`super::Scrub`] both change what searches see, so both publish under one lock.

use super::StoreError;
use super::snapshot::{PartitionView, Snapshot, SnapshotHandle, SnapshotParts};
use crate::event::Timestamp;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A damaged partition: its number and a line about it.
pub(super) type SetAside = (u64, String);

/// The sealed partitions. Clones share everything.
#[derive(Clone)]
pub(super) struct Shelf(Arc<Mutex<Shelved>>);

struct Shelved {
    open: u64,
    views: Vec<Arc<PartitionView>>,
    set_aside: Vec<SetAside>,
}

impl Shelved {
    /// Publishes the newest snapshot again, with what is open as visible as it was.
    fn publish_without(&self, gone: impl Fn(u64) -> bool, handle: &SnapshotHandle) {
        let old = handle.get();
        handle.publish(Snapshot(Arc::new(SnapshotParts {
            schema: old.schema().clone(),
            partitions: old.partitions().iter().filter(|view| !gone(view.id)).cloned().collect(),
            progress: old.progress().clone(),
            next_number: old.next_number(),
            set_aside: lines(&self.set_aside),
        })));
    }
}

impl Shelf {
    pub(super) fn new(open: u64, views: Vec<Arc<PartitionView>>, set_aside: Vec<SetAside>) -> Shelf {
        Shelf(Arc::new(Mutex::new(Shelved { open, views, set_aside })))
    }

    fn held(&self) -> MutexGuard<'_, Shelved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The open partition is sealed and another one open.
    pub(super) fn seal(&self, view: PartitionView, open: u64) {
        let mut shelved = self.held();
        shelved.views.push(Arc::new(view));
        shelved.open = open;
    }

    /// Leaves the partitions that were dropped out of searches and out of mind.
    pub(super) fn retain(&self, kept: impl Fn(u64) -> bool, handle: &SnapshotHandle) {
        let mut shelved = self.held();
        shelved.views.retain(|view| kept(view.id));
        shelved.set_aside.retain(|(id, _)| kept(*id));
        shelved.publish_without(|id| !kept(id), handle);
    }

    pub(super) fn is_open(&self, id: u64) -> bool {
        self.held().open == id
    }

    /// Publishes what `snapshot` makes of the partitions and of the lines about damaged ones.
    pub(super) fn publish(
        &self,
        handle: &SnapshotHandle,
        snapshot: impl FnOnce(Vec<Arc<PartitionView>>, Vec<String>) -> Snapshot,
    ) {
        let shelved = self.held();
        handle.publish(snapshot(shelved.views.clone(), lines(&shelved.set_aside)));
    }

    /// Leaves a damaged partition out of searches from now on: the line about it, if it is a sealed one.
    pub(super) fn set_aside(&self, id: u64, error: &StoreError, handle: &SnapshotHandle) -> Option<String> {
        let mut shelved = self.held();
        let at = shelved.views.iter().position(|view| view.id == id)?;
        let view = shelved.views.remove(at);
        let line = left_out(error, &view.path, view.events, [view.min_time, view.max_time]);
        shelved.set_aside.push((id, line.clone()));
        shelved.publish_without(|gone| gone == id, handle);
        Some(line)
    }
}

pub(super) fn lines(set_aside: &[SetAside]) -> Vec<String> {
    set_aside.iter().map(|(_, line)| line.clone()).collect()
}

/// The line about a damaged partition: what is wrong, what is missing because of it, what to do.
pub(super) fn left_out(error: &StoreError, folder: &Path, events: u64, times: [Timestamp; 2]) -> String {
    let [from, to] = times;
    format!(
        "{}; searches go on without the {events} events of this partition, from {from} to {to}; to have them back, \
         restore {} from a backup and start again",
        error.without_remedy(),
        folder.display()
    )
}
