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

/// Times of the last steps.
struct Clockwork {
    steps: Steps,
    first_unsearchable: Option<Instant>,
    last_soft: Instant,
    last_hard: Instant,
    last_maintenance: Instant,
    uncommitted_events: u64,
}

/// Runs until the outlet ends; returns the store with everything durable.
///
/// # Errors
/// The store failed: what is not durable is still in the logs.
pub fn run(
    mut store: Store,
    outlet: &mut Outlet,
    gone: &Mutex<Vec<LogId>>,
    watcher: &dyn Watcher,
    runtime: &Handle,
) -> Result<Store, StoreError> {
    let now = clock::instant();
    let mut clockwork = Clockwork {
        steps: store.steps(),
        first_unsearchable: None,
        last_soft: now,
        last_hard: now,
        last_maintenance: now,
        uncommitted_events: 0,
    };
    watcher.counted(store.stats());
    loop {
        let next = runtime.block_on(async { tokio::time::timeout(clockwork.patience(), outlet.next()).await });
        match next {
            Ok(Some(batch)) => clockwork.add(&mut store, &batch)?,
            Ok(None) => break,
            Err(_) => {}
        }
        clockwork.commit_if_due(&mut store, outlet, gone, watcher)?;
    }
    clockwork.hard(&mut store, outlet, gone, watcher)?;
    Ok(store)
}

/// Makes everything durable, and forgets how far the logs were that are durably gone: what is durable.
///
/// # Errors
/// The store failed.
pub fn commit(store: &mut Store, gone: &Mutex<Vec<LogId>>) -> Result<Progress, StoreError> {
    for log in gone.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
        store.forget_log(log);
    }
    store.commit_hard()
}

impl Clockwork {
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

    fn add(&mut self, store: &mut Store, batch: &Batch) -> Result<(), StoreError> {
        store.add(batch)?;
        self.first_unsearchable.get_or_insert_with(clock::instant);
        self.uncommitted_events += batch.events.len() as u64;
        Ok(())
    }

    fn commit_if_due(
        &mut self,
        store: &mut Store,
        outlet: &Outlet,
        gone: &Mutex<Vec<LogId>>,
        watcher: &dyn Watcher,
    ) -> Result<(), StoreError> {
        let dirty = self.uncommitted_events > 0;
        if store.uncommitted_bytes() >= self.steps.hard_bytes
            || (dirty && clock::since(self.last_hard) >= self.steps.hard_every)
        {
            self.hard(store, outlet, gone, watcher)?;
        } else if self.first_unsearchable.is_some() && self.soft_due().is_zero() {
            store.commit_soft()?;
            self.soft_done();
            watcher.counted(store.stats());
        }
        if clock::since(self.last_maintenance) >= self.steps.maintain_every {
            self.last_maintenance = clock::instant();
            watcher.maintained(&store.maintain(clock::now())?);
            watcher.counted(store.stats());
        }
        if !dirty {
            self.last_hard = clock::instant();
        }
        Ok(())
    }

    fn soft_done(&mut self) {
        self.first_unsearchable = None;
        self.last_soft = clock::instant();
    }

    fn hard(
        &mut self,
        store: &mut Store,
        outlet: &Outlet,
        gone: &Mutex<Vec<LogId>>,
        watcher: &dyn Watcher,
    ) -> Result<(), StoreError> {
        let progress = commit(store, gone)?;
        self.soft_done();
        watcher.durable(self.uncommitted_events);
        self.uncommitted_events = 0;
        watcher.counted(store.stats());
        self.last_hard = clock::instant();
        outlet.done(&progress);
        Ok(())
    }
}
