//! Reads all logs of the data directory and hands their frames to the workers.
//!
//! Fair: at most [`FRAMES_PER_TURN`] frames of one log before the next has its turn. New logs are looked for, and the logs
//! of other processes read, every [`POLL`]; the own ones wake this thread. A log that the store has durably and whose
//! writer is dead is removed, unless it holds source positions that a restart must know.

use super::{owner::Common, suspects::Suspects, workers::Entrance};
use crate::{
    clock,
    flow::{LogId, Pos, Progress},
    fs::{Fs, RealFs},
    log::{self, Limit, LogError, Reader},
    plan::StreamHints,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
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

/// Wakes the dispatcher: own logs have grown, or it should stop.
#[derive(Debug, Default)]
pub struct Wake {
    rung: Mutex<bool>,
    bell: Condvar,
}

impl Wake {
    /// Wakes it now, or keeps it from falling asleep next time.
    pub fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.bell.notify_all();
    }

    fn wait(&self, patience: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.bell.wait_timeout_while(rung, patience, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
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
    /// Everything that was there at the start has been handed over.
    pub caught_up: AtomicBool,
    /// How far each log has been handed over, and whether its writer lives.
    pub logs: Mutex<BTreeMap<LogId, LogState>>,
    /// Logs whose source tables another log carries on: they may go when the store has them.
    pub carried: Mutex<BTreeSet<LogId>>,
    /// Logs that are durably gone: the store may forget their progress.
    pub gone: Mutex<Vec<LogId>>,
}

/// How far a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Its writer lives.
    pub alive: bool,
    /// Handed to the workers up to here.
    pub read: Pos,
    /// Durable in the store up to here.
    pub committed: Pos,
}

struct OpenLog {
    dir: PathBuf,
    reader: Reader,
    alive: bool,
    /// A dead log that has been read to its end.
    ended: bool,
    read: Pos,
    trimmed: Pos,
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
    /// Counts records read.
    pub common: Arc<Common>,
}

impl Dispatch {
    /// Runs until drained or abandoned; dropping the entrance then ends the workers.
    ///
    /// # Errors
    /// The folder of logs cannot be read.
    pub fn run(mut self) -> Result<Removal, LogError> {
        let mut suspects = Suspects::begin(self.root.parent().unwrap_or(&self.root));
        let mut logs = BTreeMap::new();
        let mut hints = StreamHints::default();
        let mut looked: Option<Instant> = None;
        loop {
            // Draining must see logs that died a moment ago, so it looks every time.
            let draining = self.shared.drain.load(Ordering::Acquire);
            if draining || looked.is_none_or(|at| clock::since(at) >= POLL) {
                self.look(&mut logs)?;
                looked = Some(clock::instant());
            }
            let mut moved = false;
            for (id, open) in &mut logs {
                moved |= self.turn(*id, open, &mut hints, &mut suspects);
            }
            self.tidy(&mut logs);
            if self.shared.abandon.load(Ordering::Acquire) {
                break;
            }
            if moved {
                continue;
            }
            self.shared.caught_up.store(true, Ordering::Release);
            if draining {
                break;
            }
            if self.common.is_settled() {
                suspects.cleared();
            }
            self.shared.wake.wait(POLL);
        }
        Ok(Removal {
            logs: logs.into_iter().filter(|(_, open)| open.ended).map(|(id, open)| (id, open.dir, open.read)).collect(),
            suspects,
        })
    }

    /// Opens logs that are new and learns which writers have died.
    fn look(&mut self, logs: &mut BTreeMap<LogId, OpenLog>) -> Result<(), LogError> {
        for found in log::list(&RealFs, &self.root)? {
            if let Some(open) = logs.get_mut(&found.id) {
                if open.alive && !found.alive {
                    open.alive = settle(&found.dir).is_err();
                }
                continue;
            }
            if !found.alive && settle(&found.dir).is_err() {
                continue;
            }
            let from = self.progress.borrow().get(&found.id).copied().unwrap_or_default();
            let reader = match open_reader(&found.dir, from) {
                Ok(reader) => reader,
                Err(cause) => {
                    tracing::error!("log {}: {cause}", found.id);
                    continue;
                }
            };
            let open =
                OpenLog { dir: found.dir, reader, alive: found.alive, ended: false, read: from, trimmed: Pos(0) };
            logs.insert(found.id, open);
        }
        Ok(())
    }

    /// Hands over some frames of one log; whether there were any.
    fn turn(&self, id: LogId, open: &mut OpenLog, hints: &mut StreamHints, suspects: &mut Suspects) -> bool {
        if open.ended {
            return false;
        }
        let limit = if open.alive { Limit::Marked } else { Limit::Everything };
        for count in 0..FRAMES_PER_TURN {
            match open.reader.next(limit) {
                Ok(Some(mut frame)) => {
                    if !open.alive {
                        suspects.look_at(&mut frame);
                    }
                    let records = frame.batch.records.len() as u64;
                    self.common.counters.read.enter(records);
                    self.common.counters.parse.enter(records);
                    self.common.counters.read.leave(records);
                    open.read = frame.end;
                    let hint = hints.observe(&frame);
                    if self.entrance.send(frame, hint).is_err() {
                        return false;
                    }
                }
                Ok(None) => {
                    open.ended = !open.alive;
                    return count > 0;
                }
                Err(cause) => {
                    // What cannot be read stays on disk; the other logs go on.
                    tracing::error!("log {id}: {cause}");
                    open.ended = true;
                    return count > 0;
                }
            }
        }
        true
    }

    /// Lets go of what the store has durably.
    fn tidy(&mut self, logs: &mut BTreeMap<LogId, OpenLog>) {
        let progress = self.progress.borrow_and_update().clone();
        for (id, open) in logs.iter_mut() {
            let committed = progress.get(id).copied().unwrap_or_default();
            if open.trimmed < committed {
                open.trimmed = committed;
                if let Err(cause) = log::trim(&RealFs, &open.dir, committed) {
                    tracing::warn!("log {id}: {cause}");
                }
            }
        }
        logs.retain(|id, open| {
            let committed = progress.get(id).copied().unwrap_or_default();
            let gone = open.ended && committed >= open.read && remove(*id, &open.dir, &self.shared);
            if gone {
                self.common.removed(*id);
            }
            !gone
        });
        let mut states = self.shared.logs.lock().unwrap_or_else(PoisonError::into_inner);
        *states = logs
            .iter()
            .map(|(id, open)| {
                let committed = progress.get(id).copied().unwrap_or_default();
                (*id, LogState { alive: open.alive, read: open.read, committed })
            })
            .collect();
    }
}

/// Makes what a dead writer had not synced durable, so that it can be relied on. Tried again at the next look if it fails.
fn settle(dir: &Path) -> Result<(), ()> {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    log::settle(&fs, dir).map_err(|cause| tracing::warn!("{cause}"))
}

fn open_reader(dir: &Path, from: Pos) -> Result<Reader, LogError> {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    match Reader::open(&fs, dir, from) {
        // Frames are missing: say so, and give what is left.
        Err(cause @ LogError::Gap { first, .. }) => {
            tracing::error!("{cause}");
            Reader::open(&fs, dir, first)
        }
        other => other,
    }
}

/// Removes a dead log that nothing needs any more; whether it is gone.
fn remove(id: LogId, dir: &Path, shared: &Shared) -> bool {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let carried = shared.carried.lock().unwrap_or_else(PoisonError::into_inner).contains(&id);
    let needed = !carried && log::sources_of(&fs, dir).is_ok_and(|sources| !sources.is_empty());
    if needed {
        return false;
    }
    match log::remove(&RealFs, dir) {
        Ok(()) => {
            shared.gone.lock().unwrap_or_else(PoisonError::into_inner).push(id);
            true
        }
        Err(cause) => {
            tracing::warn!("log {id}: {cause}");
            false
        }
    }
}

/// Dead logs that were read to their end when the pipeline ended: they go once the store has them durably.
#[derive(Debug)]
pub struct Removal {
    logs: Vec<(LogId, PathBuf, Pos)>,
    suspects: Suspects,
}

impl Removal {
    /// Removes those that `progress` covers. The run has ended well.
    pub fn finish(self, progress: &Progress, shared: &Shared) {
        self.suspects.end();
        for (id, dir, end) in self.logs {
            if progress.get(&id).copied().unwrap_or_default() >= end {
                remove(id, &dir, shared);
            }
        }
    }
}
