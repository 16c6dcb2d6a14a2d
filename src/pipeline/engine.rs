//! One run of the parts between the logs and the store.

use super::{
    common::Common,
    deliver,
    dispatch::{Dispatch, Shared},
    logs::Removal,
    notices::Notices,
    suspects::Suspects,
    workers,
};
use crate::{
    flow::{Outlet, Progress},
    log::LogError,
    outputs::store as output,
    plan::Plan,
    store::{Scrub, Store, StoreError},
};
use std::{
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, atomic::Ordering},
    thread::{Builder, JoinHandle},
};
use tokio::runtime::Handle;

/// What a run needs besides the store.
#[derive(Clone)]
pub struct Parts {
    /// The folder of logs.
    pub root: PathBuf,
    /// How frames become events.
    pub plan: Plan,
    /// Shared with the owner.
    pub shared: Arc<Shared>,
    /// Counts, and is told by the index thread.
    pub common: Arc<Common>,
    /// What is known of the ends of the owners before.
    pub suspects: Arc<Mutex<Suspects>>,
    /// For timers of the index thread.
    pub runtime: Handle,
    /// Where damage is told.
    pub notices: Arc<Notices>,
}

/// Why a run has failed.
#[derive(Debug)]
pub enum EngineFailure {
    /// The store.
    Store(StoreError),
    /// The folder of logs.
    Log(LogError),
    /// A thread could not be started, or died.
    Thread(String),
    /// It ended before everything in the logs was indexed.
    Early(String),
}

impl EngineFailure {
    fn died<T>(_: T) -> EngineFailure {
        EngineFailure::Thread("a thread of the pipeline died".to_owned())
    }

    /// Whether the store is damaged, so that only somebody who repairs it can help.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, EngineFailure::Store(StoreError::Corrupt { .. }))
    }
}

impl fmt::Display for EngineFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EngineFailure::Store(cause) => cause.fmt(f),
            EngineFailure::Log(cause) => cause.fmt(f),
            EngineFailure::Thread(what) | EngineFailure::Early(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for EngineFailure {}

impl From<StoreError> for EngineFailure {
    fn from(cause: StoreError) -> EngineFailure {
        EngineFailure::Store(cause)
    }
}

/// A thread behind the dispatcher ends: after the dispatcher if all is well, else, by a failure or a panic, the dispatcher
/// must stop, too.
struct EndsAll(Arc<Shared>);

impl Drop for EndsAll {
    fn drop(&mut self) {
        self.0.abandon.store(true, Ordering::Release);
        self.0.wake.ring();
    }
}

/// The running threads.
pub struct Engine {
    shared: Arc<Shared>,
    dispatch: JoinHandle<Result<Removal, LogError>>,
    deliver: JoinHandle<()>,
    index: JoinHandle<Result<Progress, StoreError>>,
    scrub: Option<JoinHandle<Result<(), StoreError>>>,
}

impl Engine {
    /// Starts the threads over an open store.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(mut store: Store, parts: Parts) -> io::Result<Engine> {
        let (batches, mut outlet, progress) = Outlet::channel(store.progress().clone());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (entrance, exit) = workers::start(parts.plan, cores)?;
        let scrub = store.scrub();
        let (shared, watcher, runtime) = (parts.shared.clone(), parts.common.clone(), parts.runtime);
        let index = Builder::new().name("index".into()).spawn(move || {
            let _last = EndsAll(shared.clone());
            output::run(store, &mut outlet, &shared.gone, watcher.as_ref(), &runtime)
        })?;
        let scrub = scrub.map(|scrub| start_scrub(scrub, parts.shared.clone(), parts.notices)).transpose()?;
        let (common, shared) = (parts.common.clone(), parts.shared.clone());
        let deliver = Builder::new().name("deliver".into()).spawn(move || {
            let _last = EndsAll(shared);
            deliver::run(&exit, &batches, &common);
        })?;
        let (shared, suspects) = (parts.shared.clone(), parts.suspects);
        let reading = Dispatch { root: parts.root, shared, entrance, progress, common: parts.common, suspects };
        let dispatch = Builder::new().name("dispatch".into()).spawn(move || reading.run())?;
        Ok(Engine { shared: parts.shared, dispatch, deliver, index, scrub })
    }

    /// Waits until the run has ended, drained or failed.
    ///
    /// # Errors
    /// Why it failed.
    pub fn join(self) -> Result<(), EngineFailure> {
        let dispatched = self.dispatch.join();
        self.shared.abandon.store(true, Ordering::Release);
        let delivered = self.deliver.join();
        let indexed = self.index.join().map_err(EngineFailure::died)?;
        if let Some(scrub) = self.scrub {
            scrub.join().map_err(EngineFailure::died)??;
        }
        let indexed = indexed?;
        delivered.map_err(EngineFailure::died)?;
        let removal = dispatched.map_err(EngineFailure::died)?.map_err(EngineFailure::Log)?;
        removal.finish(&indexed, &|id| self.shared.is_carried(id)).map_err(EngineFailure::Early)
    }
}

/// Verifies the store's files beside the rest, until the run ends.
fn start_scrub(
    scrub: Scrub,
    shared: Arc<Shared>,
    notices: Arc<Notices>,
) -> io::Result<JoinHandle<Result<(), StoreError>>> {
    Builder::new().name("scrub".into()).spawn(move || {
        let ending = || shared.drain.load(Ordering::Acquire) || shared.abandon.load(Ordering::Acquire);
        let scrubbed = scrub.run(&ending, &mut |line| notices.say(line));
        if scrubbed.is_err() {
            drop(EndsAll(shared));
        }
        scrubbed
    })
}
