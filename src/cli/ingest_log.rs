//! The log that HTTP ingest writes, in a process that owns the store.
//!
//! Where the disk has no room for it, the process serves without it: searches are answered, ingest is refused with 507,
//! and the log is tried again every [`RETRY`], because retention or somebody else may make room.

use super::Failure;
use crate::{
    flow::{Intake, LogId, Pos},
    log::{self, LogError, LogWriter},
    pipeline::{Common, open_ingest_log},
};
use crossbeam_channel::{RecvTimeoutError, Sender};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};
use tokio::{runtime::Handle, sync::watch};

/// How often a log that has no room is tried again.
pub const RETRY: Duration = Duration::from_secs(1);

/// What others see of the log, from when it is open.
#[derive(Default)]
pub struct Opened {
    /// Its entrance. Whoever clones it keeps the log open.
    pub intake: Arc<OnceLock<Intake>>,
    /// Its id and its durable end.
    pub durable: OnceLock<(LogId, watch::Receiver<Pos>)>,
    /// There was no room for it; it is tried again.
    pub no_room: AtomicBool,
}

/// The log, or the attempts to open it.
pub struct IngestLog {
    opened: Arc<Opened>,
    writer: Opening,
}

enum Opening {
    Done(LogWriter),
    Trying { stop: Sender<()>, thread: JoinHandle<Option<LogWriter>> },
}

/// What opening needs.
struct Place {
    root: PathBuf,
    options: log::Options,
    common: Arc<Common>,
    runtime: Handle,
    opened: Arc<Opened>,
}

impl Place {
    fn open(&self) -> Result<LogWriter, LogError> {
        let writer = open_ingest_log(&self.root, self.options, &self.common)?;
        self.common.follow(writer.id, writer.durable.clone(), &self.runtime);
        let _ = self.opened.durable.set((writer.id, writer.durable.clone()));
        let _ = self.opened.intake.set(writer.intake());
        Ok(writer)
    }
}

impl IngestLog {
    /// Opens it, now or when there is room. The caller owns the store.
    pub fn open(
        root: &Path,
        options: log::Options,
        opened: Arc<Opened>,
        common: &Arc<Common>,
        runtime: &Handle,
    ) -> Result<IngestLog, Failure> {
        let place = Place {
            root: root.to_owned(),
            options,
            common: common.clone(),
            runtime: runtime.clone(),
            opened: opened.clone(),
        };
        let writer = match place.open() {
            Ok(writer) => Opening::Done(writer),
            Err(cause) if cause.is_no_room() => {
                opened.no_room.store(true, Ordering::Release);
                tracing::warn!("{cause}; searches are answered, ingest is refused until there is room");
                let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
                let trying = Builder::new().name("ingest-log".into()).spawn(move || {
                    while stopped.recv_timeout(RETRY) == Err(RecvTimeoutError::Timeout) {
                        match place.open() {
                            Ok(writer) => {
                                tracing::warn!("there is room again: ingest is taken");
                                return Some(writer);
                            }
                            // The reading of dead logs may be in the way for a moment: any failure is tried again.
                            Err(cause) => tracing::debug!("{cause}"),
                        }
                    }
                    None
                });
                let thread = trying.map_err(|cause| Failure::failed(format!("cannot start a thread: {cause}")))?;
                Opening::Trying { stop, thread }
            }
            Err(cause) => return Err(Failure::failed(cause)),
        };
        Ok(IngestLog { opened, writer })
    }

    /// Its entrance, from when it is open.
    pub fn intake(&self) -> Option<Intake> {
        self.opened.intake.get().cloned()
    }

    /// Waits until everybody has let go of the entrance and all that it took is durable.
    pub fn finish(self) {
        let IngestLog { opened, writer } = self;
        drop(opened);
        let writer = match writer {
            Opening::Done(writer) => Some(writer),
            Opening::Trying { stop, thread } => {
                drop(stop);
                thread.join().ok().flatten()
            }
        };
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }
}
