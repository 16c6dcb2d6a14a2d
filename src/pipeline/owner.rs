//! Owning the store: one process of all that share a data directory indexes their logs and answers questions.
//!
//! A thread tries to take the store's lock; while another process has it, it tries again every [`LOCK_POLL`]. With the lock
//! it starts an [`Engine`], and starts it again with growing pauses when it fails, from what is durable. What callers hold
//! ([`Owner::backend`], the tail, the counters) stays the same through all of that.

use super::{
    counters::{Counters, Reading},
    dispatch::{LogState, Shared},
    engine::{Engine, Parts},
    tail::Tail,
};
use crate::{
    clock,
    config::DataDir,
    event::Timestamp,
    flow::{LogId, Pos},
    outputs::store::Watcher,
    plan::Plan,
    query::{
        Backend, Embedded, FieldInfo, FieldValues, Histogram, HistogramRequest, QueryFailure, Scope, SearchRequest,
        Summary, ValuesRequest,
    },
    store::{self, Maintained, SnapshotHandle, Store, StoreError, StoreStats},
};
use std::{
    collections::BTreeMap,
    io,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};
use tokio::{runtime::Handle, sync::watch};

/// How often a process that waits for the store tries again.
pub const LOCK_POLL: Duration = Duration::from_millis(200);
/// The longest pause before a failed engine is started again.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a failed engine is started again when only draining is left to do.
const DRAIN_ATTEMPTS_MAX: u32 = 3;

/// How the owner is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The store is being opened.
    Opening,
    /// Another process owns the store.
    Waiting,
    /// What the logs hold from before is being indexed.
    Replaying,
    /// Everything is as it should be.
    Ready,
    /// The store failed with this message; it is tried again.
    Failed(String),
    /// Ended.
    Ended,
}

/// What the owner needs.
pub struct OwnerSettings {
    /// Retention and sizes.
    pub store: store::Options,
    /// How frames become events.
    pub plan: Plan,
    /// Called once, on the owner's thread, when the store is owned and before its engine starts: to bind a port, to carry
    /// the source tables of dead logs over.
    pub owning: Box<dyn FnOnce() + Send>,
}

/// The owner, or somebody who waits to become it.
pub struct Owner {
    common: Arc<Common>,
    drain: Arc<AtomicBool>,
    thread: JoinHandle<Result<(), String>>,
}

/// What outlives every engine. Cheap to share: this is what the API and the commands hold.
pub struct Common {
    state: Mutex<State>,
    engine: Mutex<Option<Arc<Shared>>>,
    snapshots: Mutex<Option<SnapshotHandle>>,
    stats: Mutex<StoreStats>,
    full: AtomicBool,
    /// Logs whose source tables another log carries on.
    carried: Mutex<Vec<LogId>>,
    /// The logs that this process writes, and how far they are durable.
    own: Mutex<BTreeMap<LogId, watch::Receiver<Pos>>>,
    /// Events added to the store and events searchable, since the start.
    added: AtomicU64,
    searchable: AtomicU64,
    /// Where live readers follow.
    pub tail: Arc<Tail>,
    /// What went in, out and away.
    pub counters: Counters,
}

impl std::fmt::Debug for Common {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Common").field("state", &self.state()).finish_non_exhaustive()
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Common {
    /// Nothing is owned yet.
    #[must_use]
    pub fn new(tail: Arc<Tail>) -> Arc<Common> {
        Arc::new(Common {
            state: Mutex::new(State::Opening),
            engine: Mutex::default(),
            snapshots: Mutex::default(),
            stats: Mutex::default(),
            full: AtomicBool::new(false),
            carried: Mutex::default(),
            own: Mutex::default(),
            added: AtomicU64::new(0),
            searchable: AtomicU64::new(0),
            tail,
            counters: Counters::default(),
        })
    }

    /// How the owner is.
    #[must_use]
    pub fn state(&self) -> State {
        let state = held(&self.state).clone();
        let caught_up = || held(&self.engine).as_ref().is_some_and(|shared| shared.caught_up.load(Ordering::Acquire));
        if state == State::Replaying && caught_up() { State::Ready } else { state }
    }

    fn set_state(&self, state: State) {
        *held(&self.state) = state;
    }

    /// All logs that are being read.
    #[must_use]
    pub fn logs(&self) -> BTreeMap<LogId, LogState> {
        held(&self.engine).as_ref().map(|shared| held(&shared.logs).clone()).unwrap_or_default()
    }

    /// The counters of all components.
    #[must_use]
    pub fn readings(&self) -> Vec<Reading> {
        self.counters.readings()
    }

    /// This process writes that log: the pipeline is woken whenever it has grown durably.
    pub fn follow(self: &Arc<Common>, log: LogId, mut durable: watch::Receiver<Pos>, runtime: &Handle) {
        held(&self.own).insert(log, durable.clone());
        let common = self.clone();
        runtime.spawn(async move {
            while durable.changed().await.is_ok() {
                common.wake();
            }
        });
    }

    /// A log is gone: the store has everything of it.
    pub fn removed(&self, log: LogId) {
        held(&self.own).remove(&log);
    }

    /// Whether all that is durable in this process's logs, and all that was read from others, is searchable.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let logs = self.logs();
        let behind = |(log, durable): (&LogId, &watch::Receiver<Pos>)| {
            logs.get(log).map_or(Pos(0), |state| state.read) < *durable.borrow()
        };
        if held(&self.own).iter().any(behind) {
            return false;
        }
        let queued = self.readings().iter().any(|reading| reading.name != "store" && reading.queued > 0);
        !queued && self.searchable.load(Ordering::Acquire) == self.added.load(Ordering::Acquire)
    }

    /// The logs have grown.
    pub fn wake(&self) {
        if let Some(shared) = held(&self.engine).as_ref() {
            shared.wake.ring();
        }
    }

    /// These logs' source tables are carried on by another log: they may go when the store has them.
    pub fn carry(&self, logs: Vec<LogId>) {
        if let Some(shared) = held(&self.engine).as_ref() {
            held(&shared.carried).extend(&logs);
        }
        held(&self.carried).extend(logs);
    }

    /// Whether the disk has no room left and there is nothing that retention could drop.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// What the store holds.
    #[must_use]
    pub fn store_stats(&self) -> StoreStats {
        held(&self.stats).clone()
    }

    /// The earliest and the latest event.
    #[must_use]
    pub fn time_range(&self) -> Option<(Timestamp, Timestamp)> {
        let snapshot = held(&self.snapshots).as_ref()?.get();
        let filled = || snapshot.partitions().iter().filter(|partition| partition.events > 0);
        Some((filled().map(|p| p.min_time).min()?, filled().map(|p| p.max_time).max()?))
    }

    /// Answers from the newest snapshot.
    ///
    /// # Errors
    /// The store is not open.
    pub fn embedded(&self) -> Result<Embedded, QueryFailure> {
        let unavailable = || match self.state() {
            State::Failed(cause) => QueryFailure::Storage(cause),
            _ => QueryFailure::Storage("the store is not open yet: try again in a moment".to_owned()),
        };
        held(&self.snapshots).clone().map(Embedded::new).ok_or_else(unavailable)
    }
}

impl Watcher for Common {
    fn added(&self, events: u64) {
        self.added.fetch_add(events, Ordering::AcqRel);
        self.counters.store.enter(events);
    }

    fn searchable(&self) {
        self.searchable.store(self.added.load(Ordering::Acquire), Ordering::Release);
    }

    fn durable(&self, events: u64) {
        self.counters.store.leave(events);
        self.wake();
    }

    fn maintained(&self, what: &Maintained) {
        for dropped in &what.dropped {
            tracing::warn!(
                "retention ({}) dropped partition {}: {} events, {} bytes",
                dropped.reason,
                dropped.id,
                dropped.events,
                dropped.bytes
            );
        }
        self.full.store(what.full, Ordering::Release);
    }

    fn counted(&self, stats: StoreStats) {
        *held(&self.stats) = stats;
    }
}

impl Backend for Common {
    fn search(
        &self,
        request: &SearchRequest,
        row: &mut dyn FnMut(crate::flow::Stored) -> ControlFlow<()>,
    ) -> Result<Summary, QueryFailure> {
        let mut summary = self.embedded()?.search(request, row)?;
        if let State::Failed(cause) = self.state() {
            summary.partial = true;
            summary.warnings.push(format!("what came last is kept in the log and not searchable yet: {cause}"));
        }
        Ok(summary)
    }

    fn histogram(&self, request: &HistogramRequest) -> Result<Histogram, QueryFailure> {
        self.embedded()?.histogram(request)
    }

    fn fields(&self, scope: &Scope) -> Result<Vec<FieldInfo>, QueryFailure> {
        self.embedded()?.fields(scope)
    }

    fn values(&self, request: &ValuesRequest) -> Result<FieldValues, QueryFailure> {
        self.embedded()?.values(request)
    }

    fn event(&self, id: crate::flow::EventId) -> Result<Option<crate::flow::Stored>, QueryFailure> {
        self.embedded()?.event(id)
    }
}

impl Owner {
    /// Starts to own, or to wait for it.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(data: DataDir, settings: OwnerSettings, common: Arc<Common>, runtime: Handle) -> io::Result<Owner> {
        let drain = Arc::new(AtomicBool::new(false));
        let life = Life { data, common: common.clone(), runtime, drain: drain.clone() };
        let thread = Builder::new().name("owner".into()).spawn(move || life.run(settings))?;
        Ok(Owner { common, drain, thread })
    }

    /// What the API and the commands hold.
    #[must_use]
    pub fn common(&self) -> &Arc<Common> {
        &self.common
    }

    /// Whether the owner has ended by itself, which it does only when it cannot go on.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Indexes all that the logs hold, if the store can be owned, and ends. Logs whose writers live are read to their last
    /// mark. After `patience` what is left stays in the logs.
    ///
    /// # Errors
    /// Indexing failed; the logs keep what is not indexed.
    pub fn finish(self, patience: Duration) -> Result<(), String> {
        self.drain.store(true, Ordering::Release);
        let begun = clock::instant();
        while !self.thread.is_finished() {
            if let Some(shared) = held(&self.common.engine).as_ref() {
                shared.drain.store(true, Ordering::Release);
                if clock::since(begun) > patience {
                    shared.abandon.store(true, Ordering::Release);
                }
                shared.wake.ring();
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        self.thread.join().map_err(|_| "the owner's thread died".to_owned())?
    }
}

/// The owner's thread.
struct Life {
    data: DataDir,
    common: Arc<Common>,
    runtime: Handle,
    drain: Arc<AtomicBool>,
}

impl Life {
    fn run(self, settings: OwnerSettings) -> Result<(), String> {
        let mut owning = Some(settings.owning);
        let (mut failures, mut pause) = (0, LOCK_POLL);
        loop {
            let draining = self.drain.load(Ordering::Acquire);
            let failure = match Store::open(&self.data.store(), settings.store.clone()) {
                Err(StoreError::Locked { .. }) if draining => return Ok(()),
                Err(StoreError::Locked { .. }) => {
                    self.common.set_state(State::Waiting);
                    self.sleep(LOCK_POLL);
                    continue;
                }
                Err(cause) => cause.to_string(),
                Ok(store) => {
                    let begun = clock::instant();
                    match self.own(store, settings.plan, &mut owning) {
                        Ok(()) => return Ok(()),
                        Err(cause) => {
                            if clock::since(begun) > RESTART_PAUSE_MAX {
                                (failures, pause) = (0, LOCK_POLL);
                            }
                            cause
                        }
                    }
                }
            };
            tracing::error!("{failure}");
            self.common.set_state(State::Failed(failure.clone()));
            failures += 1;
            if draining && failures >= DRAIN_ATTEMPTS_MAX {
                return Err(failure);
            }
            self.sleep(pause);
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
        }
    }

    /// One engine from start to end.
    fn own(&self, mut store: Store, plan: Plan, owning: &mut Option<Box<dyn FnOnce() + Send>>) -> Result<(), String> {
        // The snapshot before this one would keep the room of removed files.
        *held(&self.common.snapshots) = Some(store.handle());
        // Before all that may need the room.
        self.common.maintained(&store.make_room(clock::now()).map_err(|cause| cause.to_string())?);
        self.common.set_state(State::Replaying);
        if let Some(owning) = owning.take() {
            owning();
        }
        let shared = Arc::new(Shared::default());
        *held(&self.common.engine) = Some(shared.clone());
        // Behind the engine, so that logs which are carried this moment are not missed.
        held(&shared.carried).extend(held(&self.common.carried).iter());
        shared.drain.store(self.drain.load(Ordering::Acquire), Ordering::Release);
        let parts = Parts {
            root: self.data.log(),
            plan,
            shared,
            tail: self.common.tail.clone(),
            common: self.common.clone(),
            runtime: self.runtime.clone(),
        };
        let outcome = Engine::start(store, parts).map_err(|cause| format!("cannot start a thread: {cause}"));
        let outcome = outcome.and_then(Engine::join);
        *held(&self.common.engine) = None;
        match &outcome {
            Ok(()) => self.common.set_state(State::Ended),
            Err(_) => {
                // The snapshot stays: searches answer from it and say that they are partial.
                let counters = &self.common.counters;
                [&counters.parse, &counters.store].into_iter().for_each(super::counters::Component::forget_queued);
            }
        }
        outcome
    }

    /// Sleeps, but not while there is only draining left to do.
    fn sleep(&self, pause: Duration) {
        let begun = clock::instant();
        while !self.drain.load(Ordering::Acquire) && clock::since(begun) < pause {
            std::thread::sleep(Duration::from_millis(20).min(pause));
        }
    }
}
