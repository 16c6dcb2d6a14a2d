//! The inputs of an agent besides files: sockets, the container engine, the journal.
//!
//! Sockets run on a small async runtime, which is there only if somebody needs it; the journal has a thread of its own.

use super::AgentError;
use crate::{
    flow::{Intake, Shutdown},
    inputs::{
        address::Address,
        containers::{
            docker_api::{DockerApi, DockerApiOptions},
            journald::{Journald, JournaldOptions},
        },
        counters::InputCounters,
        forward::{Forward, ForwardSettings},
        gelf::{Gelf, GelfSettings},
        otlp::{Otlp, OtlpSettings},
        syslog::{Syslog, SyslogSettings},
    },
    log::SourceTable,
};
use std::{
    collections::BTreeMap,
    future::Future,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::{runtime::Runtime, sync::watch, task::JoinSet};

/// How long a stop waits for what the inputs have taken in.
const STOP_WAIT: Duration = Duration::from_secs(5);

/// What is taken in besides files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcesSettings {
    /// Where syslog is taken in.
    pub syslog: Vec<Address>,
    /// Where Fluent's forward protocol is.
    pub forward: Vec<Address>,
    /// Where GELF is.
    pub gelf: Vec<Address>,
    /// Where OpenTelemetry's logs are.
    pub otlp: Vec<Address>,
    /// The socket of the engine whose containers keep no files.
    pub engine: Option<PathBuf>,
    /// Of those, only the ones that ask for it are read.
    pub only_included: bool,
    /// The systemd journal, where its cursor is kept.
    pub journal: Option<PathBuf>,
    /// The name of this machine.
    pub host: Option<String>,
    /// The time zone of stamps without one.
    pub zone: Option<String>,
}

impl SourcesSettings {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let sockets = [&self.syslog, &self.forward, &self.gelf, &self.otlp];
        sockets.iter().all(|addresses| addresses.is_empty()) && self.engine.is_none() && self.journal.is_none()
    }

    fn needs_runtime(&self) -> bool {
        let only_journal = SourcesSettings { journal: None, ..self.clone() };
        !only_journal.is_empty()
    }
}

/// What an input has done: received = stored + dropped + queued.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct InputStatus {
    /// `input.syslog`.
    pub name: String,
    /// Records that came in.
    #[serde(rename = "in")]
    pub received: u64,
    /// Records that are durable in the spool.
    #[serde(rename = "out")]
    pub stored: u64,
    /// Records that were dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Records on their way.
    pub queued: u64,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

impl InputStatus {
    fn of(name: &str, counters: &InputCounters) -> InputStatus {
        let now = counters.snapshot();
        InputStatus {
            name: format!("input.{name}"),
            received: now.received,
            stored: now.stored,
            dropped: now.dropped.into_iter().map(|(why, count)| (why.to_owned(), count)).collect(),
            queued: now.queued,
            last_error: now.last_error.map(|error| error.what),
        }
    }
}

/// Running inputs.
#[derive(Debug)]
pub struct Sources {
    runtime: Option<Runtime>,
    tasks: JoinSet<()>,
    journal: Option<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    counted: Vec<(&'static str, Arc<InputCounters>)>,
    settings: SourcesSettings,
}

impl Sources {
    /// Starts them.
    ///
    /// # Errors
    /// An address cannot be had, or there is no thread.
    pub fn start(settings: SourcesSettings, intake: &Intake, known: &SourceTable) -> Result<Sources, AgentError> {
        let (stop, shutdown) = Shutdown::channel();
        let no_thread = |cause| AgentError(format!("cannot start a thread: {cause}"));
        let runtime = match settings.needs_runtime() {
            true => Some(
                tokio::runtime::Builder::new_multi_thread()
                    .worker_threads(1)
                    .enable_all()
                    .build()
                    .map_err(no_thread)?,
            ),
            false => None,
        };
        let mut sources = Sources {
            runtime,
            tasks: JoinSet::new(),
            journal: None,
            stop,
            counted: Vec::new(),
            settings: settings.clone(),
        };
        sources.listen(&settings, intake, &shutdown)?;
        if let Some(socket) = settings.engine {
            let (host, only_included) = (settings.host.clone(), settings.only_included);
            let options = DockerApiOptions { host, only_included, ..DockerApiOptions::at(socket) };
            let input = DockerApi::new(options, intake.clone(), known, shutdown.clone());
            sources.counted.push(("docker", input.counters()));
            sources.spawn(input.run());
        }
        if let Some(cursor) = settings.journal {
            let input = Journald::new(JournaldOptions::new(cursor), intake.clone(), known, shutdown);
            sources.counted.push(("journald", input.counters()));
            let thread = thread::Builder::new().name("journald".into()).spawn(move || input.run());
            sources.journal = Some(thread.map_err(no_thread)?);
        }
        Ok(sources)
    }

    fn listen(&mut self, settings: &SourcesSettings, intake: &Intake, shutdown: &Shutdown) -> Result<(), AgentError> {
        let (host, zone) = (settings.host.clone(), settings.zone.clone());
        let counters = || Arc::new(InputCounters::default());
        if !settings.syslog.is_empty() {
            let (listen, host) = (settings.syslog.clone(), host.clone());
            let input = self.bind(Syslog::bind(SyslogSettings { listen, host, zone, ..SyslogSettings::default() }))?;
            let counters = self.count("syslog", counters());
            self.spawn(input.run(intake.clone(), counters, shutdown.clone()));
        }
        if !settings.forward.is_empty() {
            let (listen, host) = (settings.forward.clone(), host.clone());
            let input = self.bind(Forward::bind(ForwardSettings { listen, host, ..ForwardSettings::default() }))?;
            let counters = self.count("forward", counters());
            self.spawn(input.run(intake.clone(), counters, shutdown.clone()));
        }
        if !settings.gelf.is_empty() {
            let listen = settings.gelf.clone();
            let input = self.bind(Gelf::bind(GelfSettings { listen, ..GelfSettings::default() }))?;
            let counters = self.count("gelf", counters());
            self.spawn(input.run(intake.clone(), counters, shutdown.clone()));
        }
        if !settings.otlp.is_empty() {
            let listen = settings.otlp.clone();
            let input = self.bind(Otlp::bind(OtlpSettings { listen, host, ..OtlpSettings::default() }))?;
            let counters = self.count("otlp", counters());
            self.spawn(input.run(intake.clone(), counters, shutdown.clone()));
        }
        Ok(())
    }

    fn bind<T, E: std::fmt::Display>(&self, binding: impl Future<Output = Result<T, E>>) -> Result<T, AgentError> {
        let Some(runtime) = &self.runtime else { return Err(AgentError::new("there is no runtime for sockets")) };
        runtime.block_on(binding).map_err(AgentError::new)
    }

    fn count(&mut self, name: &'static str, counters: Arc<InputCounters>) -> Arc<InputCounters> {
        self.counted.push((name, counters.clone()));
        counters
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            self.tasks.spawn_on(task, runtime.handle());
        }
    }

    /// What each has done.
    #[must_use]
    pub fn status(&self) -> Vec<InputStatus> {
        self.counted.iter().map(|(name, counters)| InputStatus::of(name, counters)).collect()
    }

    /// What is taken in.
    #[must_use]
    pub fn settings(&self) -> &SourcesSettings {
        &self.settings
    }

    /// Starts others after [`Sources::stop`].
    ///
    /// # Errors
    /// As [`Sources::start`].
    pub fn start_again(
        &mut self,
        settings: SourcesSettings,
        intake: &Intake,
        known: &SourceTable,
    ) -> Result<(), AgentError> {
        *self = Sources::start(settings, intake, known)?;
        Ok(())
    }

    /// Stops taking in, and waits for what was taken in.
    pub fn stop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(runtime) = self.runtime.take() {
            let tasks = &mut self.tasks;
            runtime.block_on(async {
                let ending = async { while tasks.join_next().await.is_some() {} };
                // What takes longer has been given to the log, which waits for it.
                let _ = tokio::time::timeout(STOP_WAIT, ending).await;
            });
            runtime.shutdown_timeout(Duration::ZERO);
        }
        if let Some(journal) = self.journal.take() {
            // A panic has been printed.
            let _ = journal.join();
        }
    }
}
