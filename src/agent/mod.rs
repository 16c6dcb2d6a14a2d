//! The sidecar: `inputs -> spool -> ship`. No store, no parsing; what a line means is decided on the server.
//!
//! The spool is a log as everywhere (`DATA/spool/<id>/`), written by this process and read by the shipper, so that a server
//! that is away costs disk and neither memory nor lines. At its limit, inputs that can wait wait ([`WhenFull::Block`]), or
//! the oldest that is not shipped is given up ([`WhenFull::DropOldest`]).
//!
//! Several processes may use one data directory. Each writes a log of its own; one of them, which holds `ship.lock`, ships
//! all. Files are followed by one process at a time, which holds `files.lock` and carries on what dead logs know of files.

mod spool;

pub use spool::{Spool, SpoolSettings, WhenFull};

use crate::inputs::files::{self, FileInput, glob::Globs};
use std::{fmt, time::Duration};

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
}

/// A running agent.
#[derive(Debug)]
pub struct Agent {
    spool: Spool,
    files: Option<FileInput>,
}

impl Agent {
    /// Starts.
    ///
    /// # Errors
    /// A pattern or a server's address is wrong, the spool cannot be opened, or another agent follows files in this data
    /// directory.
    pub fn start(settings: AgentSettings) -> Result<Agent, AgentError> {
        let globs = Globs::new(&settings.files.files, &settings.files.exclude).map_err(AgentError::new)?;
        let spool = Spool::open(settings.spool, !settings.files.files.is_empty())?;
        let files = match settings.files.files.is_empty() {
            true => None,
            false => {
                let started = FileInput::start(settings.files, globs, spool.known(), spool.intake());
                Some(started.map_err(|cause| AgentError(format!("cannot start a thread: {cause}")))?)
            }
        };
        Ok(Agent { spool, files })
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

    /// Stops reading, ships what there is for at most `drain`, and leaves the rest in the spool; whether there is none.
    pub fn finish(self, drain: Duration) -> bool {
        if let Some(files) = self.files {
            files.stop();
        }
        self.spool.finish(drain)
    }
}
