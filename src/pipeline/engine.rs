//! One run of the parts between the logs and the store.

use super::{
    deliver,
    dispatch::{Dispatch, Removal, Shared},
    owner::Common,
    tail::Tail,
    workers,
};
use crate::{
    flow::{Outlet, Progress},
    log::LogError,
    outputs::store as output,
    plan::Plan,
    store::{Store, StoreError},
};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
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
    /// Where events go first.
    pub tail: Arc<Tail>,
    /// Counts, and is told by the index thread.
    pub common: Arc<Common>,
    /// For timers of the index thread.
    pub runtime: Handle,
}

/// The running threads.
pub struct Engine {
    shared: Arc<Shared>,
    dispatch: JoinHandle<Result<Removal, LogError>>,
    deliver: JoinHandle<()>,
    index: JoinHandle<Result<Progress, StoreError>>,
}

impl Engine {
    /// Starts the threads over an open store.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(store: Store, parts: Parts) -> io::Result<Engine> {
        let (batches, mut outlet, progress) = Outlet::channel(store.progress().clone());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (entrance, exit) = workers::start(parts.plan, cores)?;
        let (shared, watcher, runtime) = (parts.shared.clone(), parts.common.clone(), parts.runtime);
        let index = Builder::new().name("index".into()).spawn(move || {
            let indexed = output::run(store, &mut outlet, &shared.gone, watcher.as_ref(), &runtime);
            if indexed.is_err() {
                shared.abandon.store(true, Ordering::Release);
                shared.wake.ring();
            }
            indexed.map(|store| store.progress().clone())
        })?;
        let (common, tail) = (parts.common.clone(), parts.tail);
        let deliver =
            Builder::new().name("deliver".into()).spawn(move || deliver::run(&exit, &tail, &batches, &common))?;
        let shared = parts.shared.clone();
        let reading = Dispatch { root: parts.root, shared, entrance, progress, common: parts.common };
        let dispatch = Builder::new().name("dispatch".into()).spawn(move || reading.run())?;
        Ok(Engine { shared: parts.shared, dispatch, deliver, index })
    }

    /// Waits until the run has ended, drained or failed.
    ///
    /// # Errors
    /// Why it failed, as a sentence.
    pub fn join(self) -> Result<(), String> {
        const DIED: &str = "a thread of the pipeline died";
        let dispatched = self.dispatch.join();
        let delivered = self.deliver.join();
        let indexed = self.index.join().map_err(|_| DIED.to_owned())?.map_err(|cause| cause.to_string())?;
        delivered.map_err(|_| DIED.to_owned())?;
        let removal = dispatched.map_err(|_| DIED.to_owned())?.map_err(|cause| cause.to_string())?;
        removal.finish(&indexed, &self.shared);
        Ok(())
    }
}
