//! The logs of the data directory as the owner of the store sees them: how far each may be read, what of it may be trimmed,
//! when it may go.
//!
//! A living log is read up to its last mark (a log of this process up to where it is durable), a dead one, once it is
//! settled, to its end. A log is removed only if its writer is dead, it was read to its end without an error, the store has
//! all of it durably, and no restart needs the source positions in it. One that cannot be read stays as it is and is tried
//! again after a pause. No threads and any file system, so that [`super::dispatch`] and the model test go by the same rules.

use crate::{
    clock,
    flow::{Frame, LogId, Pos, Progress},
    fs::Fs,
    log::{self, Found, Limit, LogError, Reader, ReaderStats},
};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a log that could not be read or removed is left alone at first, and at most.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Whether another log carries on what a log knows of its sources.
pub type IsCarried<'a> = &'a dyn Fn(LogId) -> bool;

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

/// One log.
#[derive(Debug)]
pub struct OpenLog {
    fs: Arc<dyn Fs>,
    id: LogId,
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
    /// Why it could not be read when that was last said.
    said: Option<String>,
}

impl OpenLog {
    /// Whether its writer lives.
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// A dead log that has been read to its end.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether its writer is dead and there is more to read in it, as far as is known.
    pub fn is_waiting(&self) -> bool {
        !self.alive && !self.ended && self.said.is_none()
    }

    /// Why it cannot be read, while it cannot.
    pub fn failure(&self) -> Option<&str> {
        self.said.as_deref()
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Handed over up to here.
    pub fn read_to(&self) -> Pos {
        self.read
    }

    /// Goes on where another reader of this log has come to; everything before was handed over.
    pub fn go_on(&mut self, reader: Reader, read: Pos) {
        (self.reader, self.read) = (Some(reader), read);
    }

    /// What its reader met.
    pub fn stats(&self) -> ReaderStats {
        self.reader.as_ref().map(Reader::stats).unwrap_or_default()
    }

    /// The next frame, if there is one that may be read by now; `durable` is where a log that this process writes is.
    pub fn next(&mut self, durable: Option<Pos>) -> Option<Frame> {
        let drained = self.drain_to.is_some_and(|end| self.read >= end);
        if self.ended || drained || self.waits() {
            return None;
        }
        let limit = match durable {
            _ if !self.alive => Limit::Everything,
            Some(end) => Limit::Durable(end),
            None => Limit::Marked,
        };
        match self.read_next(limit) {
            Ok(Some(frame)) => {
                self.read = frame.end;
                Some(frame)
            }
            Ok(None) => {
                self.ended = limit == Limit::Everything;
                None
            }
            Err(cause) => {
                self.failed(&cause);
                None
            }
        }
    }

    /// The frame that [`OpenLog::next`] returned last, as it is on disk.
    pub fn frame_bytes(&self) -> Bytes {
        self.reader.as_ref().map(|reader| reader.frame_bytes().clone()).unwrap_or_default()
    }

    /// Of a dead log only what has been made durable.
    fn read_next(&mut self, limit: Limit) -> Result<Option<Frame>, LogError> {
        if !self.alive && !self.settled {
            log::settle(&self.fs, &self.dir)?;
            self.settled = true;
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => self.reader.insert(open_reader(&self.fs, &self.dir, self.read)?),
        };
        let frame = reader.next(limit)?;
        self.pause = None;
        if self.said.take().is_some() {
            tracing::info!("log {} can be read again", self.id);
        }
        Ok(frame)
    }

    fn waits(&self) -> bool {
        self.pause.is_some_and(|(since, pause)| clock::since(since) < pause)
    }

    fn failed(&mut self, cause: &LogError) {
        let cause = cause.to_string();
        if self.said.as_ref() != Some(&cause) {
            tracing::error!("log {}: {cause}", self.id);
            self.said = Some(cause);
        }
        let pause = self.pause.map_or(PAUSE, |(_, pause)| (pause * 2).min(PAUSE_MAX));
        self.pause = Some((clock::instant(), pause));
    }

    /// Removes the segments that the store has durably.
    fn trim(&mut self, committed: Pos) {
        if self.trimmed < committed {
            self.trimmed = committed;
            if let Err(cause) = log::trim(&*self.fs, &self.dir, committed) {
                tracing::warn!("log {}: {cause}", self.id);
            }
        }
    }

    /// Removes the log if nothing needs it any more; whether it is gone.
    fn let_go(&mut self, committed: Pos, is_carried: IsCarried<'_>) -> bool {
        if !self.ended || committed < self.read || self.waits() {
            return false;
        }
        let gone = remove(&self.fs, self.id, &self.dir, is_carried);
        if !gone {
            self.pause = Some((clock::instant(), PAUSE_MAX));
        }
        gone
    }
}

/// A reader of the log in `dir` from there on, or from where it begins, where frames are missing before.
pub(super) fn open_reader(fs: &Arc<dyn Fs>, dir: &Path, from: Pos) -> Result<Reader, LogError> {
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
fn remove(fs: &Arc<dyn Fs>, id: LogId, dir: &Path, is_carried: IsCarried<'_>) -> bool {
    // What cannot be read may be needed.
    let free = if is_carried(id) { Ok(true) } else { log::sources_of(fs, dir).map(|sources| sources.is_empty()) };
    match free.and_then(|free| if free { log::remove(&**fs, dir).map(|()| true) } else { Ok(false) }) {
        Ok(gone) => gone,
        Err(cause) => {
            tracing::warn!("log {id}: {cause}");
            false
        }
    }
}

/// The logs that `progress` names and that are gone: the store may forget them.
///
/// # Errors
/// The folder of logs cannot be read or synced: a log that a loss of power could bring back is not gone.
pub fn gone(fs: &dyn Fs, root: &Path, progress: &Progress) -> Result<Vec<LogId>, LogError> {
    let unsynced = |cause| LogError::Io { what: "sync", path: root.to_owned(), cause };
    let found = log::list(fs, root)?;
    fs.sync_dir(root).map_err(unsynced)?;
    let is_there = |log: &LogId| found.iter().any(|found| found.id == *log);
    Ok(progress.keys().filter(|log| !is_there(log)).copied().collect())
}

/// All logs.
#[derive(Debug)]
pub struct Logs {
    fs: Arc<dyn Fs>,
    root: PathBuf,
    open: BTreeMap<LogId, OpenLog>,
}

impl Logs {
    /// The logs in `root`, none of them looked at yet.
    pub fn new(fs: Arc<dyn Fs>, root: PathBuf) -> Logs {
        Logs { fs, root, open: BTreeMap::new() }
    }

    /// Opens logs that are new, where `progress` ends, and learns which writers have died.
    ///
    /// # Errors
    /// The folder of logs cannot be read.
    pub fn look(&mut self, progress: &Progress) -> Result<(), LogError> {
        self.look_from(|found| progress.get(&found.id).copied().unwrap_or_default())
    }

    /// The same, where new logs begin at a place that the caller knows.
    ///
    /// # Errors
    /// As [`Logs::look`].
    pub fn look_from(&mut self, start: impl Fn(&Found) -> Pos) -> Result<(), LogError> {
        for found in log::list(&*self.fs, &self.root)? {
            let alive = found.alive;
            let open = self.open.entry(found.id).or_insert_with(|| OpenLog {
                fs: self.fs.clone(),
                id: found.id,
                read: start(&found),
                dir: found.dir,
                reader: None,
                alive,
                settled: false,
                ended: false,
                pause: None,
                drain_to: None,
                trimmed: Pos(0),
                said: None,
            });
            open.alive &= alive;
        }
        Ok(())
    }

    /// Notes how far each log whose writer lives reaches now: a drain ends there, however much is written meanwhile.
    pub fn note_ends(&mut self) {
        for open in self.open.values_mut().filter(|open| open.alive && open.drain_to.is_none()) {
            // What cannot be told is read until there is nothing for a moment.
            open.drain_to = log::end_of(&*self.fs, &open.dir).ok();
        }
    }

    /// Each log.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (LogId, &mut OpenLog)> {
        self.open.iter_mut().map(|(id, open)| (*id, open))
    }

    /// How far each has been read.
    pub fn read(&self) -> Progress {
        self.open.iter().map(|(id, open)| (*id, open.read)).collect()
    }

    /// How far each is, given what the store has durably.
    pub fn states(&self, progress: &Progress) -> BTreeMap<LogId, LogState> {
        let committed = |id| progress.get(id).copied().unwrap_or_default();
        let state = |id, open: &OpenLog| LogState { alive: open.alive, read: open.read, committed: committed(id) };
        self.open.iter().map(|(id, open)| (*id, state(id, open))).collect()
    }

    /// Trims and removes what the store has durably: the logs that are durably gone.
    pub fn let_go(&mut self, progress: &Progress, is_carried: IsCarried<'_>) -> Vec<LogId> {
        let mut gone = Vec::new();
        self.open.retain(|id, open| {
            let committed = progress.get(id).copied().unwrap_or_default();
            open.trim(committed);
            let goes = open.let_go(committed, is_carried);
            gone.extend(goes.then_some(*id));
            !goes
        });
        gone
    }

    /// Ends the reading; `whole` says whether everything that could be read was handed over.
    pub fn end(self, whole: bool) -> Removal {
        let unread = self.open.values().find(|open| open.pause.is_some() && !open.ended).map(|open| open.id);
        let ended = self.open.into_values().filter(|open| open.ended).collect();
        Removal { ended, unread, whole }
    }
}

/// What a run of the dispatcher leaves behind.
#[derive(Debug)]
pub struct Removal {
    /// Dead logs that were read to their end: they go once the store has them durably.
    ended: Vec<OpenLog>,
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
    pub fn finish(self, progress: &Progress, is_carried: IsCarried<'_>) -> Result<(), String> {
        for mut open in self.ended {
            // A pause is for those who go on.
            open.pause = None;
            let committed = progress.get(&open.id).copied().unwrap_or_default();
            open.let_go(committed, is_carried);
        }
        match (self.unread, self.whole) {
            (Some(id), _) => Err(format!("log {id} could not be read to its end; it stays where it is")),
            (None, false) => Err("stopped before everything in the logs was indexed; they keep the rest".to_owned()),
            (None, true) => Ok(()),
        }
    }
}
