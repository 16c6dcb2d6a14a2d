//! Reads all logs of the data directory and hands their frames to the workers.
//!
//! Fair: at most [`FRAMES_PER_TURN`] frames of one log before the next has its turn. New logs are looked for, and the logs
//! of other processes read, every [`POLL`]; the own ones wake this thread. A log is removed only if its writer is dead, it was
//! read to its end without an error, the store has all of it durably, and no restart needs the source positions in it. One
//! that cannot be read stays as it is and is tried again after a pause; the others go on.

use super::{
    common::Common,
    held,
    suspects::Suspects,
    workers::{Ended, Entrance},
};
use crate::{
    clock,
    flow::{Frame, LogId, Pos, Progress},
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
/// How long a log that could not be read or removed is left alone at first, and at most.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

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
    pub(super) fn wait(&self, patience: Duration) {
        let rung = held(&self.rung);
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
    /// How far everything reaches that was there at the start, once it has been handed over.
    pub caught_up: Mutex<Option<Progress>>,
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
    /// Opened, and what a dead writer left made durable, when it is first read.
    reader: Option<Reader>,
    alive: bool,
    settled: bool,
    /// A dead log that has been read to its end.
    ended: bool,
    /// The last attempt failed; not to be tried again before.
    pause: Option<(Instant, Duration)>,
    read: Pos,
    /// Where a drain stops reading a log whose writer lives.
    drain_to: Option<Pos>,
    trimmed: Pos,
}

impl OpenLog {
    fn new(dir: PathBuf, alive: bool, from: Pos) -> OpenLog {
        OpenLog {
            dir,
            reader: None,
            alive,
            settled: false,
            ended: false,
            pause: None,
            read: from,
            drain_to: None,
            trimmed: Pos(0),
        }
    }

    fn waits(&self) -> bool {
        self.pause.is_some_and(|(since, pause)| clock::since(since) < pause)
    }

    fn failed(&mut self, id: LogId, cause: &LogError) {
        tracing::error!("log {id}: {cause}");
        let pause = self.pause.map_or(PAUSE, |(_, pause)| (pause * 2).min(PAUSE_MAX));
        self.pause = Some((clock::instant(), pause));
    }

    /// The next frame. Of a dead log only what has been made durable.
    fn next(&mut self, id: LogId, limit: Limit) -> Result<Option<Frame>, LogError> {
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        if !self.alive && !self.settled {
            log::settle(&fs, &self.dir)?;
            self.settled = true;
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => self.reader.insert(open_reader(&fs, &self.dir, self.read)?),
        };
        let frame = reader.next(limit)?;
        if self.pause.take().is_some() {
            tracing::info!("log {id} can be read again");
        }
        Ok(frame)
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
        let mut logs = BTreeMap::new();
        let mut hints = StreamHints::default();
        let mut looked: Option<Instant> = None;
        let whole = loop {
            // Draining must see logs that died a moment ago, so it looks every time.
            let draining = self.shared.drain.load(Ordering::Acquire);
            if draining || looked.is_none_or(|at| clock::since(at) >= POLL) {
                self.look(&mut logs)?;
                looked = Some(clock::instant());
            }
            if draining {
                note_ends(&mut logs);
            }
            let mut moved = false;
            for (id, open) in &mut logs {
                match self.turn(*id, open, &mut hints) {
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
            held(&self.shared.caught_up)
                .get_or_insert_with(|| logs.iter().map(|(id, open)| (*id, open.read)).collect());
            if draining {
                break true;
            }
            if self.common.is_settled() {
                held(&self.suspects).cleared();
            }
            self.shared.wake.wait(POLL);
        };
        let unread = logs.iter().find(|(_, open)| open.pause.is_some() && !open.ended).map(|(id, _)| *id);
        let ended = logs.into_iter().filter(|(_, open)| open.ended);
        Ok(Removal { logs: ended.map(|(id, open)| (id, open.dir, open.read)).collect(), unread, whole })
    }

    /// Opens logs that are new and learns which writers have died.
    fn look(&self, logs: &mut BTreeMap<LogId, OpenLog>) -> Result<(), LogError> {
        for found in log::list(&RealFs, &self.root)? {
            let from = || self.progress.borrow().get(&found.id).copied().unwrap_or_default();
            let open = logs.entry(found.id).or_insert_with(|| OpenLog::new(found.dir, found.alive, from()));
            open.alive &= found.alive;
        }
        Ok(())
    }

    /// Hands over some frames of one log; whether there were any.
    fn turn(&self, id: LogId, open: &mut OpenLog, hints: &mut StreamHints) -> Result<bool, Ended> {
        if open.ended || open.waits() {
            return Ok(false);
        }
        let limit = match self.common.durable_end(id) {
            _ if !open.alive => Limit::Everything,
            Some(end) => Limit::Durable(end),
            None => Limit::Marked,
        };
        for count in 0..FRAMES_PER_TURN {
            if open.drain_to.is_some_and(|end| open.read >= end) {
                return Ok(count > 0);
            }
            match open.next(id, limit) {
                Ok(Some(mut frame)) => {
                    if !open.alive {
                        held(&self.suspects).look_at(&mut frame);
                    }
                    self.common.counters.parse.enter(frame.batch.records.len() as u64);
                    open.read = frame.end;
                    let hint = hints.observe(&frame);
                    self.entrance.send(frame, hint)?;
                }
                Ok(None) => {
                    open.ended = limit == Limit::Everything;
                    return Ok(count > 0);
                }
                Err(cause) => {
                    open.failed(id, &cause);
                    return Ok(count > 0);
                }
            }
        }
        Ok(true)
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
            if !open.ended || committed < open.read || open.waits() {
                return true;
            }
            let gone = remove(*id, &open.dir, &self.shared);
            if gone {
                self.common.removed(*id);
            } else {
                open.pause = Some((clock::instant(), PAUSE_MAX));
            }
            !gone
        });
        let mut states = held(&self.shared.logs);
        *states = logs
            .iter()
            .map(|(id, open)| {
                let committed = progress.get(id).copied().unwrap_or_default();
                (*id, LogState { alive: open.alive, read: open.read, committed })
            })
            .collect();
    }
}

/// Notes how far each log whose writer lives reaches now: a drain ends there, however much is written meanwhile.
fn note_ends(logs: &mut BTreeMap<LogId, OpenLog>) {
    for open in logs.values_mut().filter(|open| open.alive && open.drain_to.is_none()) {
        // What cannot be told is read until there is nothing for a moment.
        open.drain_to = log::end_of(&RealFs, &open.dir).ok();
    }
}

fn open_reader(fs: &Arc<dyn Fs>, dir: &Path, from: Pos) -> Result<Reader, LogError> {
    match Reader::open(fs, dir, from) {
        // Frames are missing: say so, and give what is left.
        Err(cause @ LogError::Gap { first, .. }) => {
            tracing::error!("{cause}");
            Reader::open(fs, dir, first)
        }
        other => other,
    }
}

/// Removes a dead log that nothing needs any more; whether it is gone.
fn remove(id: LogId, dir: &Path, shared: &Shared) -> bool {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let carried = held(&shared.carried).contains(&id);
    // What cannot be read may be needed.
    let free = if carried { Ok(true) } else { log::sources_of(&fs, dir).map(|sources| sources.is_empty()) };
    match free.and_then(|free| if free { log::remove(&RealFs, dir).map(|()| true) } else { Ok(false) }) {
        Ok(true) => {
            held(&shared.gone).push(id);
            true
        }
        Ok(false) => false,
        Err(cause) => {
            tracing::warn!("log {id}: {cause}");
            false
        }
    }
}

/// What a run of the dispatcher leaves behind.
#[derive(Debug)]
pub struct Removal {
    /// Dead logs that were read to their end: they go once the store has them durably.
    logs: Vec<(LogId, PathBuf, Pos)>,
    /// A log that could not be read.
    unread: Option<LogId>,
    /// Everything that could be read was handed over.
    whole: bool,
}

impl Removal {
    /// Removes the logs that `progress` covers.
    ///
    /// # Errors
    /// The run did not reach the end of all logs; they keep what is left.
    pub fn finish(self, progress: &Progress, shared: &Shared) -> Result<(), String> {
        for (id, dir, end) in self.logs {
            if progress.get(&id).copied().unwrap_or_default() >= end {
                remove(id, &dir, shared);
            }
        }
        match (self.unread, self.whole) {
            (Some(id), _) => Err(format!("log {id} could not be read to its end; it stays where it is")),
            (None, false) => Err("stopped before everything in the logs was indexed; they keep the rest".to_owned()),
            (None, true) => Ok(()),
        }
    }
}
