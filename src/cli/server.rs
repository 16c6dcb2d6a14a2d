//! `logship server`: takes logs over HTTP, stores them, serves the page and the API.

use super::{
    Failure, args,
    say::say,
    serving,
    settings::{self, Storage},
    signals,
};
use crate::{
    config::DataDir,
    flow::{Intake, LogId},
    pipeline::{Common, Finished, Owner, OwnerSettings, State, tail::Tail},
    plan::Plan,
};
use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::runtime::Runtime;

/// How long a stop may take to index what the log still holds; the rest is indexed after the next start.
const FINISH_PATIENCE: Duration = Duration::from_secs(8);

pub fn run(shared: &args::Shared) -> Result<(), Failure> {
    let (sender, signals) = crossbeam_channel::bounded(8);
    // A full queue means that the end was asked for already.
    signals::watch(move |signal| {
        let _ = sender.try_send(signal);
    })?;
    let door = serving::Door::new(shared)?;
    let data = settings::data_dir(shared).map_err(Failure::failed)?;
    let server = Server::start(&door, data, settings::storage(shared)?, settings::auto_plan(shared))?;
    if !shared.quiet {
        say(server.url());
    }
    crossbeam_channel::select! {
        recv(signals) -> _ => {}
        recv(server.owner.ended()) -> _ => {}
    }
    server.finish()
}

/// An owner of the store with its page.
pub struct Server {
    owner: Owner,
    serving: serving::Serving,
    runtime: Runtime,
}

impl Server {
    /// Starts; fails if another process owns the store or the address is taken.
    pub fn start(door: &serving::Door, data: DataDir, storage: Storage, plan: Plan) -> Result<Server, Failure> {
        Server::start_on(door.bind()?, door, data, storage, plan)
    }

    /// Starts on a free port when the address is taken.
    pub fn start_somewhere(
        door: &serving::Door,
        data: DataDir,
        storage: Storage,
        plan: Plan,
    ) -> Result<Server, Failure> {
        Server::start_on(door.bind_somewhere()?, door, data, storage, plan)
    }

    fn start_on(
        listener: TcpListener,
        door: &serving::Door,
        data: DataDir,
        storage: Storage,
        plan: Plan,
    ) -> Result<Server, Failure> {
        let runtime = serving::runtime()?;
        let common = Common::new(Tail::new(LogId::random()));
        let (starting, started) = crossbeam_channel::bounded(1);
        // Until it serves, a failure is the command's outcome, which is printed when it ends.
        let serves = Arc::new(AtomicBool::new(false));
        let listening = serving::listen(listener, door, &common, None, runtime.handle())?;
        let owning = {
            let serves = serves.clone();
            let (data, common, handle) = (data.clone(), common.clone(), runtime.handle().clone());
            Box::new(move || {
                // There is room for the one.
                let _ = starting.try_send(listening.open(&data, storage.log, &common, &handle));
                serves.store(true, Ordering::Release);
            })
        };
        let say = Box::new(move |line: &str| {
            if serves.load(Ordering::Acquire) {
                tracing::error!("{line}");
            }
        });
        let owner_settings = OwnerSettings { store: storage.store, plan, owning, say };
        let owner = Owner::start(data.clone(), owner_settings, common, runtime.handle().clone())
            .map_err(|cause| Failure::failed(format!("cannot start a thread: {cause}")))?;
        match owner.common().wait_until_opened() {
            State::Waiting => {
                let other = data.read_server().map(|server| format!(" (process {}, {})", server.pid, server.url));
                return Err(Failure::failed(format!(
                    "another logship{} uses {}: stop it, or choose another --data DIR",
                    other.unwrap_or_default(),
                    data.root().display()
                )));
            }
            State::Failed(cause) if started.is_empty() => return Err(Failure::failed(cause)),
            _ => {}
        }
        let serving = started.recv().map_err(|_| Failure::failed("the owner's thread died"))??;
        Ok(Server { owner, serving, runtime })
    }

    /// Where the page is.
    pub fn url(&self) -> &str {
        &self.serving.url
    }

    /// The entrance of its log, where there is room for the log.
    pub fn intake(&self) -> Option<Intake> {
        self.serving.intake()
    }

    /// Whether it cannot go on.
    pub fn has_ended(&self) -> bool {
        self.owner.has_ended()
    }

    /// Stops taking requests, indexes what is left, and ends.
    pub fn finish(self) -> Result<(), Failure> {
        let common = self.owner.common().clone();
        self.serving.finish(&common, self.runtime.handle());
        match self.owner.finish(FINISH_PATIENCE) {
            Ok(Finished::Whole) => {}
            Ok(Finished::Stopped) => tracing::warn!("not all that is in the log is indexed: the next start goes on"),
            // The owner has said why.
            Err(_) => return Err(Failure::failed("every record is safe in the log, but not all are indexed")),
        }
        tracing::debug!(components = %super::node::components_json(&common, None), "ended");
        Ok(())
    }
}
