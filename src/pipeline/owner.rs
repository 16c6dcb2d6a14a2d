//! Owning the store: one process of all that share a data directory indexes their logs and answers questions.
//!
//! A thread tries to take the store's lock; while another process has it, it tries again every [`LOCK_POLL`]. With the lock
//! it starts an [`Engine`], and starts it again with growing pauses when it fails, from what is durable. What callers hold
//! ([`Owner::backend`], the tail, the counters) stays the same through all of that.

use super::{
    common::{Common, State},
    dispatch::{Shared, Wake},
    engine::{Engine, EngineFailure, Parts},
    held, logs,
    notices::{Notices, Say},
    suspects::Suspects,
};
use crate::{
    clock,
    config::DataDir,
    fs::RealFs,
    outputs::store::Watcher as _,
    plan::Plan,
    store::{self, Store, StoreError},
};
use crossbeam_channel::Receiver;
use std::{
    convert::Infallible,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};
use tokio::runtime::Handle;

/// How often a process that waits for the store tries again.
pub const LOCK_POLL: Duration = Duration::from_millis(200);
/// The longest pause before a failed engine is started again.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(30);
/// How often a failed engine is started again when only draining is left to do.
const DRAIN_ATTEMPTS_MAX: u32 = 3;

/// What the owner needs.
pub struct OwnerSettings {
    /// Retention and sizes.
    pub store: store::Options,
    /// How frames become events.
    pub plan: Plan,
    /// Called once, on the owner's thread, when the store is owned and before its engine starts: to bind a port, to carry
    /// the source tables of dead logs over.
    pub owning: Box<dyn FnOnce() + Send>,
    /// Called for each failure and each damaged part of the store, once each, with a sentence that has a remedy.
    pub say: Say,
}

/// The owner, or somebody who waits to become it.
pub struct Owner {
    common: Arc<Common>,
    wish: Arc<Wish>,
    thread: Option<JoinHandle<Result<Finished, String>>>,
    ended: Receiver<Infallible>,
}

/// How an owner has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// All that the logs held is indexed, or is another process's to index.
    Whole,
    /// It was stopped; the logs keep what is not indexed.
    Stopped,
}

/// What the owner's thread should do.
#[derive(Debug, Default)]
struct Wish {
    /// Index what the logs hold, and end.
    drain: AtomicBool,
    /// End as soon as possible.
    stop: AtomicBool,
    /// One of both is new.
    changed: Wake,
}

impl Wish {
    /// Tells a running engine.
    fn tell(&self, engine: &Shared) {
        engine.drain.fetch_or(self.drain.load(Ordering::Acquire), Ordering::AcqRel);
        engine.abandon.fetch_or(self.stop.load(Ordering::Acquire), Ordering::AcqRel);
        engine.wake.ring();
    }
}

impl Owner {
    /// Starts to own, or to wait for it.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(data: DataDir, settings: OwnerSettings, common: Arc<Common>, runtime: Handle) -> io::Result<Owner> {
        let wish = Arc::new(Wish::default());
        let life = Life { data, common: common.clone(), runtime, wish: wish.clone() };
        let (alive, ended) = crossbeam_channel::bounded(0);
        let thread = Builder::new().name("owner".into()).spawn(move || {
            let _alive = alive;
            life.run(settings)
        })?;
        Ok(Owner { common, wish, thread: Some(thread), ended })
    }

    /// What the API and the commands hold.
    #[must_use]
    pub fn common(&self) -> &Arc<Common> {
        &self.common
    }

    /// Disconnected when the owner has ended by itself, which it does only when it cannot go on.
    #[must_use]
    pub fn ended(&self) -> &Receiver<Infallible> {
        &self.ended
    }

    /// Whether the owner has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended.try_recv().is_err_and(|nothing| nothing.is_disconnected())
    }

    /// Indexes all that the logs hold, if the store can be owned, and ends. Logs whose writers live are read to their last
    /// mark. After `patience` what is left stays in the logs.
    ///
    /// # Errors
    /// Indexing failed; the logs keep what is not indexed.
    pub fn finish(mut self, patience: Duration) -> Result<Finished, String> {
        self.ask(&self.wish.drain);
        if self.ended.recv_timeout(patience).is_err_and(|nothing| nothing.is_timeout()) {
            self.ask(&self.wish.stop);
        }
        self.join()
    }

    /// Tells the owner's thread and a running engine; an engine that starts meanwhile asks for itself.
    fn ask(&self, wish: &AtomicBool) {
        wish.store(true, Ordering::Release);
        self.wish.changed.ring();
        if let Some(engine) = held(&self.common.engine).as_ref() {
            self.wish.tell(engine);
        }
    }

    fn join(&mut self) -> Result<Finished, String> {
        match self.thread.take().map(JoinHandle::join) {
            None => Ok(Finished::Stopped),
            Some(ended) => ended.map_err(|_| "the owner's thread died".to_owned())?,
        }
    }
}

impl Drop for Owner {
    /// Ends the threads, which use the runtime, without waiting for what is not indexed yet: the logs have it.
    fn drop(&mut self) {
        self.ask(&self.wish.stop);
        if let Err(cause) = self.join() {
            tracing::debug!("{cause}");
        }
    }
}

/// The owner's thread.
struct Life {
    data: DataDir,
    common: Arc<Common>,
    runtime: Handle,
    wish: Arc<Wish>,
}

/// What outlives an engine and only this thread knows.
struct Known {
    suspects: Arc<Mutex<Suspects>>,
    notices: Arc<Notices>,
}

impl Life {
    fn run(self, settings: OwnerSettings) -> Result<Finished, String> {
        let OwnerSettings { store: mut options, plan, owning, say } = settings;
        let (mut owning, notices) = (Some(owning), Arc::new(Notices::new(say)));
        let mut suspects = None;
        let (mut failures, mut pause) = (0, LOCK_POLL);
        loop {
            let draining = self.wish.drain.load(Ordering::Acquire);
            if self.wish.stop.load(Ordering::Acquire) && !draining {
                return Ok(Finished::Stopped);
            }
            let failure = match Store::open(&self.data.store(), options.clone()) {
                Err(StoreError::Locked { .. }) if draining => return Ok(Finished::Whole),
                Err(StoreError::Locked { .. }) => {
                    self.common.set_state(State::Waiting);
                    self.sleep(LOCK_POLL);
                    continue;
                }
                Err(cause) => EngineFailure::Store(cause),
                Ok(store) => {
                    let begun = clock::instant();
                    let begin = || Arc::new(Mutex::new(Suspects::begin(self.data.root())));
                    let known =
                        Known { suspects: suspects.get_or_insert_with(begin).clone(), notices: notices.clone() };
                    match self.own(store, plan, known, &mut owning) {
                        Ok(()) => return Ok(Finished::Whole),
                        Err(EngineFailure::Early(_)) if self.wish.stop.load(Ordering::Acquire) => {
                            return Ok(Finished::Stopped);
                        }
                        Err(cause) => {
                            if clock::since(begun) > RESTART_PAUSE_MAX {
                                (failures, pause) = (0, LOCK_POLL);
                                notices.forget();
                            }
                            cause
                        }
                    }
                }
            };
            let sentence = failure.to_string();
            notices.say(&sentence);
            self.common.set_state(State::Failed(sentence.clone()));
            failures += 1;
            let stopped = self.wish.stop.load(Ordering::Acquire);
            if stopped || (draining && (failure.is_damage() || failures >= DRAIN_ATTEMPTS_MAX)) {
                return Err(sentence);
            }
            if failure.is_damage() {
                // What was found later than at the start must not be found late each time.
                options.verify_at_open = u64::MAX;
            }
            self.sleep(pause);
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
        }
    }

    /// One engine from start to end.
    fn own(
        &self,
        mut store: Store,
        plan: Plan,
        known: Known,
        owning: &mut Option<Box<dyn FnOnce() + Send>>,
    ) -> Result<(), EngineFailure> {
        self.common.opened(store.handle(), store.stats().events);
        // Before all that may need the room.
        self.common.maintained(&store.make_room(clock::now())?);
        self.common.set_state(State::Replaying);
        if let Some(owning) = owning.take() {
            owning();
        }
        self.forget_gone(&mut store);
        store.snapshot().set_aside().iter().for_each(|line| known.notices.say(line));
        let shared = Arc::new(Shared::default());
        *held(&self.common.engine) = Some(shared.clone());
        // After it can be told, so that no wish falls in between.
        self.wish.tell(&shared);
        // Behind the engine, so that logs which are carried this moment are not missed.
        held(&shared.carried).extend(held(&self.common.carried).iter());
        let parts = Parts {
            root: self.data.log(),
            plan,
            shared,
            common: self.common.clone(),
            suspects: known.suspects,
            runtime: self.runtime.clone(),
            notices: known.notices,
        };
        let outcome = Engine::start(store, parts)
            .map_err(|cause| EngineFailure::Thread(format!("cannot start a thread: {cause}")));
        let outcome = outcome.and_then(Engine::join);
        *held(&self.common.engine) = None;
        match &outcome {
            Ok(()) => self.common.ended(),
            Err(cause) => self.common.failed(cause.is_damage()),
        }
        outcome
    }

    /// Logs whose folders are gone need no entry: they went at the end of an owner, after its last commit.
    fn forget_gone(&self, store: &mut Store) {
        match logs::gone(&RealFs, &self.data.log(), store.progress()) {
            Ok(gone) => gone.into_iter().for_each(|log| store.forget_log(log)),
            Err(cause) => tracing::warn!("{cause}"),
        }
    }

    /// Sleeps, but not while there is only draining left to do.
    fn sleep(&self, pause: Duration) {
        if !self.wish.drain.load(Ordering::Acquire) && !self.wish.stop.load(Ordering::Acquire) {
            self.wish.changed.wait(pause);
        }
    }
}
