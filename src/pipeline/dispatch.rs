//! Reads all logs of the data directory and hands their frames to the workers.
//!
//! Fair: at most [`FRAMES_PER_TURN`] frames of one log before the next has its turn. New logs are looked for, and the logs
//! of other processes read, every [`POLL`]; the own ones wake this thread. What may be read, trimmed and removed is decided
//! in [`super::logs`].

use super::{
    common::Common,
    held,
    logs::{LogState, Logs, OpenLog, Removal},
    suspects::Suspects,
    workers::{Ended, Entrance},
};
use crate::{
    clock,
    flow::{LogId, Progress},
    fs::RealFs,
    log::LogError,
    plan::StreamHints,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// Frames of one log in a row.
pub const FRAMES_PER_TURN: usize = 8;
/// How often the folder of logs is looked at.
pub const POLL: Duration = Duration::from_millis(200);

/// Wakes a thread that waits for something to do.
#[derive(Debug, Default)]
pub struct Wake {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Wake {
    /// Wakes it now, or keeps it from falling asleep next time.
    pub fn ring(&self) {
        *held(&self.rung) = true;
        self.bell.notify_all();
    }

    /// Waits until it rings, or for so long.
    pub fn wait(&self, patience: Duration) {
        let rung = held(&self.rung);
        let waited = self.bell.wait_timeout_while(rung, patience, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }
}

impl std::task::Wake for Wake {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// What the dispatcher shares with the rest.
#[derive(Debug, Default)]
pub struct Shared {
    /// Wakes it.
    pub wake: Wake,
    /// End once every dead log is read to its end and every living one to its last mark.
    pub drain: AtomicBool,
    /// Stop at once: a part behind has failed.
    pub abandon: AtomicBool,
    /// How far everything reaches that was there at the start, once it has been handed over.
    pub caught_up: Mutex<Option<Progress>>,
    /// How far each log has been handed over, and whether its writer lives.
    pub logs: Mutex<BTreeMap<LogId, LogState>>,
    /// Logs whose source tables another log carries on: they may go when the store has them.
    pub carried: Mutex<BTreeSet<LogId>>,
    /// Logs that are durably gone: the store may forget their progress.
    pub gone: Mutex<Vec<LogId>>,
}

impl Shared {
    /// Whether another log carries on what this one knows of its sources.
    pub fn is_carried(&self, log: LogId) -> bool {
        held(&self.carried).contains(&log)
    }
}

/// The reading half of the pipeline, on a thread of its own.
pub struct Dispatch {
    /// The folder of logs.
    pub root: PathBuf,
    /// Shared with the owner.
    pub shared: Arc<Shared>,
    /// Where frames go.
    pub entrance: Entrance,
    /// What the store has durably.
    pub progress: watch::Receiver<Progress>,
    /// Counts records read, and knows how far this process's own logs are durable.
    pub common: Arc<Common>,
    /// Frames that may be deadly.
    pub suspects: Arc<Mutex<Suspects>>,
}

impl Dispatch {
    /// Runs until drained or abandoned; dropping the entrance then ends the workers.
    ///
    /// # Errors
    /// The folder of logs cannot be read.
    pub fn run(mut self) -> Result<Removal, LogError> {
        let mut logs = Logs::new(Arc::new(RealFs), self.root.clone());
        let mut hints = StreamHints::default();
        let mut looked: Option<Instant> = None;
        let whole = loop {
            // Draining must see logs that died a moment ago, so it looks every time.
            let draining = self.shared.drain.load(Ordering::Acquire);
            if draining || looked.is_none_or(|at| clock::since(at) >= POLL) {
                logs.look(&self.progress.borrow())?;
                looked = Some(clock::instant());
            }
            if draining {
                logs.note_ends();
            }
            let mut moved = false;
            for (id, open) in logs.iter_mut() {
                match self.turn(id, open, &mut hints) {
                    Ok(any) => moved |= any,
                    Err(Ended) => self.shared.abandon.store(true, Ordering::Release),
                }
            }
            self.tidy(&mut logs);
            if self.shared.abandon.load(Ordering::Acquire) {
                break false;
            }
            if moved {
                continue;
            }
            held(&self.shared.caught_up).get_or_insert_with(|| logs.read());
            if draining {
                break true;
            }
            if self.common.is_settled() {
                held(&self.suspects).cleared();
            }
            self.shared.wake.wait(POLL);
        };
        Ok(logs.end(whole))
    }

    /// Hands over some frames of one log; whether there were any.
    fn turn(&self, id: LogId, open: &mut OpenLog, hints: &mut StreamHints) -> Result<bool, Ended> {
        let durable = self.common.durable_end(id);
        for count in 0..FRAMES_PER_TURN {
            let Some(mut frame) = open.next(durable) else { return Ok(count > 0) };
            if !open.is_alive() {
                held(&self.suspects).look_at(&mut frame);
            }
            self.common.counters.parse.enter(frame.batch.records.len() as u64);
            let hint = hints.observe(&frame);
            self.entrance.send(frame, hint)?;
        }
        Ok(true)
    }

    /// Lets go of what the store has durably.
    fn tidy(&mut self, logs: &mut Logs) {
        let progress = self.progress.borrow_and_update().clone();
        for id in logs.let_go(&progress, &|id| self.shared.is_carried(id)) {
            self.common.removed(id);
            held(&self.shared.gone).push(id);
        }
        *held(&self.shared.logs) = logs.states(&progress);
    }
}
