//! The store as an output: events in log order into the one open partition.
//!
//! Events are searchable [`Steps::soft_every`] after they came and durable here after [`Steps::hard_every`] or
//! [`Steps::hard_bytes`]; until then the log has them. The output ends when the pipeline does, with everything durable, or at the first failure: the
//! owner then starts again from what is durable.

use crate::{
    clock,
    flow::{Batch, LogId, Outlet, Progress},
    store::{Maintained, Steps, Store, StoreError, StoreStats},
};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// After the first event of a quiet time, events are searchable this soon.
const FIRST_COMMIT: Duration = Duration::from_millis(200);

/// What the output tells the rest.
pub trait Watcher {
    /// That many more events are durable.
    fn durable(&self, events: u64);
    /// Retention and sealing were looked at.
    fn maintained(&self, what: &Maintained);
    /// The store's counts have changed.
    fn counted(&self, stats: StoreStats);
}

/// Runs until the outlet ends: what is durable then, which is everything.
///
/// # Errors
/// The store failed: what is not durable is still in the logs.
pub fn run(
    store: Store,
    outlet: &mut Outlet,
    gone: &Mutex<Vec<LogId>>,
    watcher: &dyn Watcher,
    runtime: &Handle,
) -> Result<Progress, StoreError> {
    let now = clock::instant();
    let mut writing = Writing {
        steps: store.steps(),
        store,
        outlet,
        gone,
        watcher,
        first_unsearchable: None,
        last_soft: now,
        last_hard: now,
        last_maintenance: now,
        uncommitted_events: 0,
    };
    writing.counted();
    loop {
        let patience = writing.patience();
        let next = runtime.block_on(async { tokio::time::timeout(patience, writing.outlet.next()).await });
        match next {
            Ok(Some(batch)) => writing.add(&batch)?,
            Ok(None) => break,
            Err(_) => {}
        }
        writing.commit_if_due()?;
    }
    let progress = close(&mut writing.store, gone)?;
    writing.is_durable(&progress);
    Ok(progress)
}

/// Makes everything durable, and forgets how far the logs were that are durably gone: what is durable.
///
/// # Errors
/// The store failed.
pub fn commit(store: &mut Store, gone: &Mutex<Vec<LogId>>) -> Result<Progress, StoreError> {
    forget(store, gone);
    store.commit_hard()
}

/// The same for the last time ([`Store::close`]).
///
/// # Errors
/// The store failed.
pub fn close(store: &mut Store, gone: &Mutex<Vec<LogId>>) -> Result<Progress, StoreError> {
    forget(store, gone);
    store.close()
}

fn forget(store: &mut Store, gone: &Mutex<Vec<LogId>>) {
    for log in gone.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        store.forget_log(log);
    }
}

/// The store with the times of its last steps, and whom they concern.
struct Writing<'a> {
    store: Store,
    outlet: &'a mut Outlet,
    gone: &'a Mutex<Vec<LogId>>,
    watcher: &'a dyn Watcher,
    steps: Steps,
    first_unsearchable: Option<Instant>,
    last_soft: Instant,
    last_hard: Instant,
    last_maintenance: Instant,
    uncommitted_events: u64,
}

impl Writing<'_> {
    /// How long nothing is due.
    fn patience(&self) -> Duration {
        let soft = self.first_unsearchable.map(|_| self.soft_due());
        let hard =
            (self.uncommitted_events > 0).then(|| self.steps.hard_every.saturating_sub(clock::since(self.last_hard)));
        let maintenance = self.steps.maintain_every.saturating_sub(clock::since(self.last_maintenance));
        soft.into_iter().chain(hard).fold(maintenance, Duration::min)
    }

    /// Until the next soft commit: soon after a quiet time, else in steps.
    fn soft_due(&self) -> Duration {
        let since_first = self.first_unsearchable.map_or(Duration::ZERO, clock::since);
        FIRST_COMMIT
            .min(self.steps.soft_every)
            .saturating_sub(since_first)
            .max(self.steps.soft_every.saturating_sub(clock::since(self.last_soft)))
    }

    fn add(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.store.add(batch)?;
        self.first_unsearchable.get_or_insert_with(clock::instant);
        self.uncommitted_events += batch.events.len() as u64;
        Ok(())
    }

    fn commit_if_due(&mut self) -> Result<(), StoreError> {
        let dirty = self.uncommitted_events > 0;
        if self.store.uncommitted_bytes() >= self.steps.hard_bytes
            || (dirty && clock::since(self.last_hard) >= self.steps.hard_every)
        {
            let progress = commit(&mut self.store, self.gone)?;
            self.is_durable(&progress);
        } else if self.first_unsearchable.is_some() && self.soft_due().is_zero() {
            self.store.commit_soft()?;
            self.is_searchable();
            self.counted();
        }
        if clock::since(self.last_maintenance) >= self.steps.maintain_every {
            self.last_maintenance = clock::instant();
            self.watcher.maintained(&self.store.maintain(clock::now())?);
            self.counted();
        }
        if !dirty {
            self.last_hard = clock::instant();
        }
        Ok(())
    }

    /// A soft commit has been made.
    fn is_searchable(&mut self) {
        self.first_unsearchable = None;
        self.last_soft = clock::instant();
    }

    /// A hard commit has been made.
    fn is_durable(&mut self, progress: &Progress) {
        self.is_searchable();
        self.watcher.durable(self.uncommitted_events);
        self.uncommitted_events = 0;
        self.counted();
        self.last_hard = clock::instant();
        self.outlet.done(progress);
    }

    fn counted(&self) {
        self.watcher.counted(self.store.stats());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, Timestamp},
        flow::{EventId, Pos, Stored},
        store::Options,
    };
    use std::sync::Arc;

    struct Nobody;

    impl Watcher for Nobody {
        fn durable(&self, _: u64) {}
        fn maintained(&self, _: &Maintained) {}
        fn counted(&self, _: StoreStats) {}
    }

    /// As at the end of a pipe.
    #[test]
    fn nothing_but_the_store_is_left_at_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let steps = Steps { soft_every: Duration::ZERO, ..Steps::default() };
        let options = || Options { steps, free_bytes_min: 0, ..Options::default() };
        let store = Store::open(dir.path(), options()).unwrap();
        let (batches, mut outlet, _) = Outlet::channel(Progress::new());
        let feeding = std::thread::Builder::new().spawn(move || {
            for n in 0..20 {
                let id = EventId { log: LogId::from_bits(1), at: Pos(n * 10) };
                let event = Event::from_line(Timestamp::from_millis(1_767_225_600_000), "a".into());
                let events = vec![Stored { id, event }];
                let batch = Batch { log: id.log, start: id.at, end: Pos(n * 10 + 10), first_number: n, events };
                batches.blocking_send(Arc::new(batch)).unwrap();
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let progress = run(store, &mut outlet, &Mutex::default(), &Nobody, runtime.handle()).unwrap();
        feeding.unwrap().join().unwrap();
        assert_eq!(progress, [(LogId::from_bits(1), Pos(200))].into());
        let files = || {
            let names = std::fs::read_dir(dir.path().join("p-0")).unwrap().map(|entry| entry.unwrap().file_name());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        let left = files();
        let reopened = Store::open(dir.path(), options()).unwrap();
        assert_eq!((reopened.snapshot().events(), files()), (20, left), "what opening sweeps away was left behind");
    }
}
