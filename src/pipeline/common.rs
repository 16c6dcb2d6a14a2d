//! What outlives every engine of the owner: the snapshot to search, the live tail, the counters, the logs that this process
//! writes. The API and the commands hold it and ask it how things are.

use super::{
    counters::{Counters, Reading},
    dispatch::Shared,
    held,
    logs::LogState,
    tail::Tail,
};
use crate::{
    event::Timestamp,
    flow::{LogId, Pos, Progress},
    outputs::store::Watcher,
    query::{
        Backend, Embedded, FieldInfo, FieldValues, Histogram, HistogramRequest, QueryFailure, Relation, Scope,
        SearchRequest, Summary, ValuesRequest,
    },
    store::{Maintained, SnapshotHandle, StoreStats},
};
use std::{
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{runtime::Handle, sync::watch};

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

/// Where searches look.
#[derive(Default)]
struct Snapshots {
    /// The store that answers.
    answering: Option<SnapshotHandle>,
    /// The store opened after a failure. What was not committed it first reads from the logs again, so it answers once it
    /// has caught up: until then the failed one knows more.
    next: Option<SnapshotHandle>,
}

/// What outlives every engine. Cheap to share: this is what the API and the commands hold.
pub struct Common {
    state: Mutex<State>,
    decided: Condvar,
    pub(super) engine: Mutex<Option<Arc<Shared>>>,
    snapshots: Mutex<Snapshots>,
    stats: Mutex<StoreStats>,
    full: AtomicBool,
    /// How many events the store holds durably, as far as it has been said; none before it is first opened.
    durable: Mutex<Option<u64>>,
    /// Logs whose source tables another log carries on.
    pub(super) carried: Mutex<Vec<LogId>>,
    /// The logs that this process writes, and how far they are durable.
    own: Mutex<BTreeMap<LogId, watch::Receiver<Pos>>>,
    /// How far each log has gone past the live tail.
    shown: Mutex<Progress>,
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

impl Common {
    /// Nothing is owned yet.
    #[must_use]
    pub fn new(tail: Arc<Tail>) -> Arc<Common> {
        Arc::new(Common {
            state: Mutex::new(State::Opening),
            decided: Condvar::new(),
            engine: Mutex::default(),
            snapshots: Mutex::default(),
            stats: Mutex::default(),
            full: AtomicBool::new(false),
            durable: Mutex::default(),
            carried: Mutex::default(),
            own: Mutex::default(),
            shown: Mutex::default(),
            tail,
            counters: Counters::default(),
        })
    }

    /// How the owner is.
    #[must_use]
    pub fn state(&self) -> State {
        let state = held(&self.state).clone();
        if state != State::Replaying {
            return state;
        }
        let caught_up = held(&self.engine).as_ref().and_then(|shared| held(&shared.caught_up).clone());
        match caught_up {
            Some(ends) if ends.iter().all(|(log, end)| self.is_searchable(*log, *end)) => {
                self.set_state(State::Ready);
                self.promote();
                State::Ready
            }
            _ => State::Replaying,
        }
    }

    /// A store is open and holds so many events: it answers now, or when it knows as much as one that failed.
    pub(super) fn opened(&self, store: SnapshotHandle, events: u64) {
        if let Some(said) = held(&self.durable).replace(events) {
            self.counters.found_durable(events.saturating_sub(said));
        }
        let mut snapshots = held(&self.snapshots);
        match snapshots.answering {
            None => snapshots.answering = Some(store),
            Some(_) => snapshots.next = Some(store),
        }
    }

    fn promote(&self) {
        let mut snapshots = held(&self.snapshots);
        if let Some(next) = snapshots.next.take() {
            snapshots.answering = Some(next);
        }
    }

    /// The open store has everything; nobody need have asked since it was opened.
    pub(super) fn ended(&self) {
        self.promote();
        self.set_state(State::Ended);
    }

    /// The open store failed: what it had made searchable stays so until another is open and knows as much, unless it is
    /// damaged.
    pub(super) fn failed(&self, damaged: bool) {
        let mut snapshots = held(&self.snapshots);
        snapshots.next = None;
        if damaged {
            snapshots.answering = None;
        }
        self.counters.rewind();
    }

    /// Whether the open store has all of a log up to there searchable.
    fn is_searchable(&self, log: LogId, end: Pos) -> bool {
        let newest = {
            let snapshots = held(&self.snapshots);
            snapshots.next.clone().or_else(|| snapshots.answering.clone())
        };
        let Some(snapshot) = newest.map(|newest| newest.get()) else { return false };
        // A log that is gone was in the store before it went.
        snapshot.progress().get(&log).is_some_and(|covered| *covered >= end)
            || end == Pos(0)
            || !self.logs().contains_key(&log)
    }

    pub(super) fn set_state(&self, state: State) {
        *held(&self.state) = state;
        self.decided.notify_all();
    }

    /// Waits while the store is being opened: how the owner is then.
    #[must_use]
    pub fn wait_until_opened(&self) -> State {
        let opening = |state: &mut State| *state == State::Opening;
        self.decided.wait_while(held(&self.state), opening).unwrap_or_else(PoisonError::into_inner).clone()
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

    /// How far a log is durable that this process writes.
    #[must_use]
    pub fn durable_end(&self, log: LogId) -> Option<Pos> {
        held(&self.own).get(&log).map(|durable| *durable.borrow())
    }

    /// A log is gone: the store has everything of it.
    pub fn removed(&self, log: LogId) {
        held(&self.own).remove(&log);
        held(&self.shown).remove(&log);
    }

    /// Whether a frame that ends here has not been past the live tail; from now on it has.
    pub fn is_new(&self, log: LogId, end: Pos) -> bool {
        let mut shown = held(&self.shown);
        let before = shown.entry(log).or_default();
        let new = *before < end;
        *before = end.max(*before);
        new
    }

    /// Whether all that is durable in this process's logs, and all that was read from others, is searchable.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let logs = self.logs();
        let own: Vec<_> = held(&self.own).iter().map(|(log, durable)| (*log, *durable.borrow())).collect();
        own.iter().all(|(log, durable)| logs.get(log).map_or(Pos(0), |state| state.read) >= *durable)
            && logs.iter().all(|(log, state)| self.is_searchable(*log, state.read))
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
        let snapshot = held(&self.snapshots).answering.clone()?.get();
        let filled = || snapshot.partitions().iter().filter(|partition| partition.events > 0);
        Some((filled().map(|p| p.min_time).min()?, filled().map(|p| p.max_time).max()?))
    }

    /// Why a search may not find everything that is durable.
    fn lacking(&self) -> Option<String> {
        match self.state() {
            State::Replaying => {
                Some("what was written before the start is still being indexed: search again in a moment".to_owned())
            }
            State::Failed(cause) => {
                Some(format!("what was written lately is not found, because indexing fails: {cause}"))
            }
            _ => None,
        }
    }

    /// Answers from the newest snapshot.
    ///
    /// # Errors
    /// The store is not open.
    pub fn embedded(&self) -> Result<Embedded, QueryFailure> {
        let unavailable = || match self.state() {
            State::Failed(cause) => QueryFailure::Storage(cause),
            _ => QueryFailure::NotReady("the store is not open yet: try again in a moment".to_owned()),
        };
        held(&self.snapshots).answering.clone().map(Embedded::new).ok_or_else(unavailable)
    }
}

impl Watcher for Common {
    fn durable(&self, events: u64) {
        self.counters.store.leave(events);
        if let Some(durable) = held(&self.durable).as_mut() {
            *durable += events;
        }
        self.wake();
    }

    fn maintained(&self, what: &Maintained) {
        for dropped in &what.dropped {
            if let Some(durable) = held(&self.durable).as_mut() {
                *durable = durable.saturating_sub(dropped.events);
            }
            tracing::warn!(
                "retention ({}) dropped partition {}: {} events, {} bytes",
                dropped.reason,
                dropped.id,
                dropped.events,
                dropped.bytes
            );
        }
        if !what.dropped.is_empty() {
            // An open file keeps its room.
            self.promote();
        }
        self.full.store(what.full, Ordering::Release);
    }

    fn counted(&self, stats: StoreStats) {
        *held(&self.stats) = stats;
    }
}

/// Counts of what is not all there are lower bounds.
fn admit(lacking: Option<String>, relation: &mut Relation, warnings: &mut Vec<String>) {
    if lacking.is_some() {
        *relation = Relation::Gte;
    }
    warnings.extend(lacking);
}

impl Backend for Common {
    fn search(
        &self,
        request: &SearchRequest,
        row: &mut dyn FnMut(crate::flow::Stored) -> ControlFlow<()>,
    ) -> Result<Summary, QueryFailure> {
        let lacking = self.lacking();
        let mut summary = self.embedded()?.search(request, row)?;
        summary.partial |= lacking.is_some();
        summary.warnings.extend(lacking);
        Ok(summary)
    }

    fn histogram(&self, request: &HistogramRequest) -> Result<Histogram, QueryFailure> {
        let lacking = self.lacking();
        let mut histogram = self.embedded()?.histogram(request)?;
        admit(lacking, &mut histogram.relation, &mut histogram.warnings);
        Ok(histogram)
    }

    fn fields(&self, scope: &Scope) -> Result<Vec<FieldInfo>, QueryFailure> {
        self.embedded()?.fields(scope)
    }

    fn values(&self, request: &ValuesRequest) -> Result<FieldValues, QueryFailure> {
        let lacking = self.lacking();
        let mut values = self.embedded()?.values(request)?;
        admit(lacking, &mut values.relation, &mut values.warnings);
        Ok(values)
    }

    fn event(&self, id: crate::flow::EventId) -> Result<Option<crate::flow::Stored>, QueryFailure> {
        self.embedded()?.event(id)
    }
}
