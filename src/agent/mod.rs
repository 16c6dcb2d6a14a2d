//! The sidecar: `inputs -> spool -> ship`. No store, no parsing; what a line means is decided on the server.
//!
//! The spool is a log as everywhere (`DATA/spool/<id>/`), written by this process and read by the shipper, so that a server
//! that is away costs disk and neither memory nor lines. At its limit, inputs that can wait wait ([`WhenFull::Block`]), or
//! the oldest that is not shipped is given up ([`WhenFull::DropOldest`]).
//!
//! Several processes may use one data directory. Each writes a log of its own; one of them, which holds `ship.lock`, ships
//! all. Files are followed by one process at a time, which holds `files.lock` and carries on what dead logs know of files.

mod losses;
mod room;
mod sources;
mod spool;
mod status;
mod stdin;

pub use losses::Losses;
pub use sources::{InputStatus, Sources, SourcesSettings};
pub use spool::{Spool, SpoolSettings, WhenFull};
pub use status::{inputs, status, trouble};
pub use stdin::Stdin;

use crate::{
    flow::Origin,
    inputs::files::{self, FileInput, glob::Globs},
    log::SourceTable,
};
use std::{fmt, io, sync::atomic::Ordering, time::Duration};

/// Why an agent cannot start: one sentence with what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentError(String);

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for AgentError {}

impl AgentError {
    fn new(cause: impl fmt::Display) -> AgentError {
        AgentError(cause.to_string())
    }
}

/// What an agent does.
#[derive(Debug)]
pub struct AgentSettings {
    /// Where records wait, and where they go.
    pub spool: SpoolSettings,
    /// Files to follow; none without patterns.
    pub files: files::Settings,
    /// What else is taken in.
    pub sources: SourcesSettings,
    /// What is said of lines on stdin, where that is read.
    pub stdin: Option<Origin>,
}

/// How an agent ended.
#[derive(Debug)]
pub struct Finished {
    /// Nothing waits in the spool.
    pub shipped: bool,
    /// What of stdin was lost, in a sentence.
    pub lost: Option<String>,
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    spool: Spool,
    files: Option<FileInput>,
    sources: Sources,
    stdin: Option<Stdin>,
}

impl Agent {
    /// Starts.
    ///
    /// # Errors
    /// A pattern, an address or a server is wrong, the spool cannot be opened, or another agent reads what can be read again
    /// (files, the journal) with this data directory.
    pub fn start(settings: AgentSettings) -> Result<Agent, AgentError> {
        let AgentSettings { spool, files, sources, stdin } = settings;
        let globs = Globs::new(&files.files, &files.exclude).map_err(AgentError::new)?;
        let reads_again = !files.files.is_empty() || sources.engine.is_some() || sources.journal.is_some();
        let (spool, known) = Spool::open(spool, reads_again)?;
        let sources = Sources::start(sources, &spool.intake(), &known)?;
        let files = follow(files, globs, &known, &spool)?;
        let read = |origin| Stdin::start(io::stdin(), origin, spool.log_end(), spool.shared_gate());
        let stdin = stdin.map(read).transpose()?;
        Ok(Agent { spool, files, sources, stdin })
    }

    /// The spool.
    #[must_use]
    pub fn spool(&self) -> &Spool {
        &self.spool
    }

    /// The files, where any are followed.
    #[must_use]
    pub fn files(&self) -> Option<&FileInput> {
        self.files.as_ref()
    }

    /// The other inputs.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// Stdin, where it is read.
    #[must_use]
    pub fn stdin(&self) -> Option<&Stdin> {
        self.stdin.as_ref()
    }

    /// Whether it reads anything besides stdin.
    #[must_use]
    pub fn has_other_inputs(&self) -> bool {
        self.files.is_some() || !self.sources.settings().is_empty()
    }

    /// Takes up other settings without losing a byte: files are followed on from where they are durable, and what waits is
    /// shipped by the new ones. Other inputs go on undisturbed unless theirs or the rules of the spool changed. The data
    /// directory, the limit of the spool, and whether and as what stdin is read stay what they are.
    ///
    /// # Errors
    /// A pattern, a server or a certificate is wrong: then nothing has changed. An address cannot be had: then the inputs
    /// are what they were, as far as they can be had again.
    pub fn reload(&mut self, settings: AgentSettings) -> Result<(), AgentError> {
        let AgentSettings { spool, files, sources, stdin: _ } = settings;
        let globs = Globs::new(&files.files, &files.exclude).map_err(AgentError::new)?;
        let same_gate = self.spool.is_behind(spool.gate.as_ref());
        let before = self.spool.intake();
        self.spool.reload(&spool)?;
        if !same_gate {
            // A log that is gone is told of by who writes to it.
            let _ = before.tell(true);
        }
        drop(before);
        self.stdin.iter().for_each(|stdin| stdin.pass(self.spool.shared_gate()));
        if let Some(files) = self.files.take() {
            files.stop();
        }
        let known = self.spool.known()?;
        self.files = follow(files, globs, &known, &self.spool)?;
        if same_gate && sources == *self.sources.settings() {
            return Ok(());
        }
        let before = self.sources.settings().clone();
        self.sources.stop();
        let known = self.spool.known()?;
        let started = self.sources.start_again(sources, &self.spool.intake(), &known);
        if started.is_err() {
            self.sources.start_again(before, &self.spool.intake(), &known)?;
        }
        started
    }

    /// Stops reading, ships what there is for at most `drain`, and leaves the rest in the spool.
    pub fn finish(mut self, drain: Duration) -> Finished {
        let counters = self.stdin.as_ref().map(Stdin::counters);
        let lost = self.stdin.and_then(Stdin::finish);
        self.spool.lose(counters.map_or(0, |counters| counters.untold.load(Ordering::Relaxed)));
        if let Some(files) = self.files {
            files.stop();
        }
        self.sources.stop();
        // As above.
        let _ = self.spool.intake().tell(true);
        Finished { shipped: self.spool.finish(drain), lost }
    }
}

fn follow(
    settings: files::Settings,
    globs: Globs,
    known: &SourceTable,
    spool: &Spool,
) -> Result<Option<FileInput>, AgentError> {
    if settings.files.is_empty() {
        return Ok(None);
    }
    let started = FileInput::start(settings, globs, known, spool.intake());
    started.map(Some).map_err(|cause| AgentError(format!("cannot start a thread: {cause}")))
}
