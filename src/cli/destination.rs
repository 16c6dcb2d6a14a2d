//! Where what an app prints goes.

use super::{Failure, args, node, say::say, serving, settings, shipping::Shipping};
use crate::{
    config::DataDir,
    flow::{Gate, Intake, LogId},
    fs::{Fs, RealFs},
    inputs::stdin::PipeCounters,
    log::{self, LogWriter, SourceTable},
    pipeline::{Common, Finished, Owner, OwnerSettings, State, tail::Tail},
    plan::Plan,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::Builder,
    time::Duration,
};
use tokio::runtime::Runtime;

/// How often an end that lingers looks whether it still should.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What takes records and brings them to where they are searched.
pub trait Destination: Send {
    /// The entrance.
    fn intake(&self) -> Intake;

    /// So many lines were lost for want of room, and no event tells of them yet.
    fn lose(&self, _lines: u64) {}

    /// Closes the entrance once every [`Intake`] is dropped; stays while `linger` says so; then brings what it has been given
    /// to its end within about `patience`. What is left then is durable, and the next process goes on with it.
    ///
    /// # Errors
    /// Not all has arrived; the message says where it is.
    fn finish(self: Box<Self>, linger: &dyn Fn() -> bool, patience: Duration) -> Result<(), Failure>;
}

/// What of an input its destination must know.
pub struct Input {
    /// What it counts.
    pub counters: Arc<PipeCounters>,
    /// How its lines become events.
    pub plan: Plan,
}

/// The server that was named, else the store of the data directory.
pub fn start(
    shared: &args::Shared,
    shipping: &Shipping,
    door: serving::Door,
    storage: settings::Storage,
    input: Input,
) -> Result<Box<dyn Destination>, Failure> {
    match shipping.destination(shared)? {
        Some(shipped) => Ok(shipped),
        None => {
            let gate = shipping.gate()?.map(|gate| Arc::new(gate) as Arc<dyn Gate>);
            Ok(Box::new(Storing::start(shared, gate, door, storage, input)?))
        }
    }
}

/// The page of this process.
enum Page {
    /// Not yet, or it could not be served.
    Down,
    /// Served.
    Up(serving::Serving),
    /// The input has ended: it is not served any more, also where the store is owned only now.
    Closed,
}

/// The log of this process, and the store if no other process has it.
pub struct Storing {
    log: LogWriter,
    gate: Option<Arc<dyn Gate>>,
    owner: Owner,
    page: Arc<Mutex<Page>>,
    runtime: Runtime,
    counters: Arc<PipeCounters>,
}

impl Storing {
    /// Opens a log in the data directory, and the store where it is free.
    pub fn start(
        shared: &args::Shared,
        gate: Option<Arc<dyn Gate>>,
        door: serving::Door,
        storage: settings::Storage,
        input: Input,
    ) -> Result<Storing, Failure> {
        let Input { counters, plan } = input;
        let data = settings::data_dir(shared).map_err(Failure::failed)?;
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let log = log::open(&fs, &data.log(), storage.log, &SourceTable::default()).map_err(Failure::failed)?;
        let runtime = serving::runtime()?;
        let common = Common::new(Tail::new(LogId::random()));
        common.follow(log.id, log.durable.clone(), runtime.handle());
        let page = Arc::new(Mutex::new(Page::Down));
        let owning = {
            let (page, data, common) = (page.clone(), data.clone(), common.clone());
            let (handle, quiet, counters) = (runtime.handle().clone(), shared.quiet, counters.clone());
            Box::new(move || {
                // Held to the end, so that a pipe that ends meanwhile finds the page to close.
                let mut page = page.lock().unwrap_or_else(PoisonError::into_inner);
                if matches!(*page, Page::Closed) {
                    return;
                }
                let listener = door.bind_somewhere();
                let listening = listener.and_then(|l| serving::listen(l, &door, &common, Some(counters), &handle));
                let started = listening.and_then(|listening| listening.open(&data, storage.log, &common, &handle));
                match started {
                    Ok(started) => {
                        if !quiet {
                            say(&started.url);
                        }
                        *page = Page::Up(started);
                    }
                    Err(failure) => say(format_args!("no page: {}", failure.message)),
                }
            })
        };
        let owner_settings =
            OwnerSettings { store: storage.store, plan, owning, say: Box::new(|line| tracing::error!("{line}")) };
        let owner = Owner::start(data.clone(), owner_settings, common.clone(), runtime.handle().clone())
            .map_err(|cause| Failure::failed(format!("cannot start a thread: {cause}")))?;
        if !shared.quiet {
            say_whose_page(data, common);
        }
        Ok(Storing { log, gate, owner, page, runtime, counters })
    }
}

impl Destination for Storing {
    fn intake(&self) -> Intake {
        self.log.intake().behind(self.gate.clone())
    }

    /// Keeps the page up while it lingers, and indexes what is left if this process owns the store.
    fn finish(self: Box<Self>, linger: &dyn Fn() -> bool, patience: Duration) -> Result<(), Failure> {
        let common = self.owner.common().clone();
        let _ = self.log.join();
        common.wake();
        while linger() && !self.owner.has_ended() {
            std::thread::sleep(LOOK_EVERY);
        }
        // Taken in a statement of its own, so that the lock is not held while requests finish.
        let page = std::mem::replace(&mut *self.page.lock().unwrap_or_else(PoisonError::into_inner), Page::Closed);
        if let Page::Up(serving) = page {
            serving.finish(&common, self.runtime.handle());
        }
        let finished = self.owner.finish(patience);
        let pipe = node::pipe_component(&self.counters);
        tracing::debug!(components = %node::components_json(&common, Some(&pipe)), "ended");
        // The owner has said why.
        match finished {
            Ok(Finished::Whole) => Ok(()),
            _ => Err(Failure::failed("every line is safe in the log, but not all are indexed")),
        }
    }
}

/// Prints the page of the process that owns the store, when that is another one.
fn say_whose_page(data: DataDir, common: Arc<Common>) {
    let body = move || {
        if common.wait_until_opened() == State::Waiting
            && let Some(server) = data.read_server()
        {
            say(server.url);
        }
    };
    drop(Builder::new().name("whose-page".into()).spawn(body));
}
