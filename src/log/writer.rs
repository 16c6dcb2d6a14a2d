//! The writing half of a log as a state machine without time or threads: frames are staged, flushed and committed.
//!
//! `pending` holds every byte from the durable end on, whether written or not, so that after a failed write or sync the
//! same bytes go to a new segment at the same positions. What is answered with an error is cut from the file first.

use super::{
    LogCounters, LogError, Options,
    frame::{self, HEADER_BYTES, Place},
    room::{self, NoRoom},
    segment,
    sources::{SourceState, SourceTable},
};
use crate::flow::{Append, AppendError, Appended, LogId, Origin, Pos, RawBatch};
use crate::fs::{File, Fs, Lock};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
};
use tokio::sync::{oneshot, watch};

/// The disk is asked how much room it has once for so many bytes, or for a part of a smaller limit.
const LOOK_BYTES: u64 = 4 << 20;
const LOOK_PART: u64 = 64;

/// Where frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To the segment.
    Open,
    /// To a new segment: this one is full.
    Spent,
    /// To a new segment: a write or sync of this one failed, so nothing behind its durable end counts.
    Failed,
}

/// The segment last begun.
#[derive(Debug)]
struct Current {
    file: Box<dyn File>,
    base: Pos,
    /// Where in the file the base is.
    data: u64,
}

/// An append that is staged and not answered.
#[derive(Debug)]
struct Waiting {
    answer: oneshot::Sender<Result<Appended, AppendError>>,
    /// The end of its frame; `None` for a duplicate of what is pending itself.
    end: Option<Pos>,
    /// Its source, and the state that is not in the table: the one before while it is staged.
    change: Option<(String, Option<SourceState>)>,
    records: u64,
    bytes: u64,
}

/// The writing half of one log.
#[derive(Debug)]
pub(crate) struct Writer {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    id: LogId,
    options: Options,
    current: Current,
    state: State,
    durable: Pos,
    pending: Vec<u8>,
    /// How much of `pending` the current segment has been given.
    written: usize,
    waiting: Vec<Waiting>,
    /// The last mark could not be written.
    unmarked: bool,
    table: SourceTable,
    /// Bytes on disk and pending; the owner of the store trims behind our back, so never too low.
    disk: u64,
    /// Bytes that may be taken until the disk is asked again.
    unasked: u64,
    /// Bytes of the logs beside it, where the limit is for all.
    others: u64,
    /// Who is asked before an append is refused for want of room.
    pub room: Option<Arc<dyn super::MakesRoom>>,
    origin: (Arc<Origin>, Vec<u8>),
    ends: watch::Sender<Pos>,
    counters: Arc<LogCounters>,
    _lock: Box<dyn Lock>,
}

/// Writes a segment under a name aside, makes it durable and gives it its name; the name is not durable yet.
fn begin(fs: &dyn Fs, dir: &Path, place: Place, table: &SourceTable, frames: &[u8]) -> io::Result<(Current, u64)> {
    let mut head = segment::beginning(place, table)?;
    let data = head.len() as u64;
    head.extend_from_slice(frames);
    let path = segment::path(dir, place.pos);
    let aside = path.with_extension("tmp");
    let written = (|| {
        let mut file = fs.create(&aside)?;
        file.append(&head)?;
        file.sync_data()?;
        fs.rename(&aside, &path)?;
        Ok(file)
    })();
    match written {
        Ok(file) => Ok((Current { file, base: place.pos, data }, head.len() as u64)),
        Err(error) => {
            // What is left aside takes room but is never read.
            let _ = fs.remove_file(&aside);
            Err(error)
        }
    }
}

impl Writer {
    /// Creates the log `id` under `root`: aside, locked and with its first segment before anybody can see it.
    pub fn create(
        fs: Arc<dyn Fs>,
        root: &Path,
        id: LogId,
        options: Options,
        table: SourceTable,
        ends: watch::Sender<Pos>,
    ) -> Result<Writer, LogError> {
        let dir = root.join(id.to_string());
        let aside = root.join(format!("{}{id}", super::folder::NEW));
        if fs.list(&dir).is_ok() {
            return Err(LogError::Alive { dir });
        }
        fs.create_dir(&aside).map_err(LogError::io("create", &aside))?;
        let lock = fs.try_lock(&aside.join(super::folder::LOCK)).map_err(LogError::io("lock", &aside))?;
        let lock = lock.ok_or_else(|| LogError::Alive { dir: aside.clone() })?;
        let place = Place { log: id, pos: Pos(0) };
        let (current, disk) = begin(&*fs, &aside, place, &table, &[]).map_err(LogError::io("write in", &aside))?;
        fs.sync_dir(&aside).map_err(LogError::io("sync", &aside))?;
        fs.rename(&aside, &dir).map_err(LogError::io("rename", &aside))?;
        fs.sync_dir(root).map_err(LogError::io("sync", root))?;
        let counters = Arc::new(LogCounters::default());
        counters.segments.fetch_add(1, Relaxed);
        let origin = (Arc::new(Origin::default()), Vec::new());
        let (durable, state) = (Pos(0), State::Open);
        let (pending, written, waiting) = (Vec::new(), 0, Vec::new());
        Ok(Writer {
            fs,
            dir,
            id,
            options,
            current,
            state,
            durable,
            pending,
            written,
            waiting,
            unmarked: false,
            table,
            disk,
            unasked: 0,
            others: 0,
            room: None,
            origin,
            ends,
            counters,
            _lock: lock,
        })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Counts there what it does.
    pub fn counted_in(self, counters: Arc<LogCounters>) -> Writer {
        counters.segments.fetch_add(1, Relaxed);
        Writer { counters, ..self }
    }

    pub fn durable(&self) -> Pos {
        self.durable
    }

    /// Appends that wait for a commit.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes that wait for a commit.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Gives back the memory of a large group.
    pub fn idle(&mut self) {
        self.pending.shrink_to(super::GROUP_BYTES_MAX);
    }

    /// Whether readers in other processes do not know how far the log is durable, because a mark could not be written.
    pub fn is_unmarked(&self) -> bool {
        self.unmarked
    }

    /// Makes up for such a mark, with nothing waiting.
    pub fn mark_again(&mut self) {
        // A segment that begins at the durable end says as much as a mark.
        self.unmarked = self.rotate().is_err();
    }

    /// Ends the segment where the disk has no room: what of it is needed no more can only go once another is begun, which
    /// takes next to nothing.
    fn give_back(&mut self) {
        if self.waiting.is_empty() && self.durable > self.current.base {
            // Where not even that can be had, the next refusal tries again.
            let _ = self.rotate();
        }
    }

    /// Takes an append: it is answered now, or by the next [`Writer::commit`]. Whether it waits.
    pub fn stage(&mut self, append: Append) -> bool {
        let Append { batch, answer, .. } = append;
        self.counters.appends.fetch_add(1, Relaxed);
        if batch.span.is_some_and(|span| self.table.covers(&batch.origin.source, span)) {
            return self.stage_duplicate(answer);
        }
        match self.stage_frame(&batch) {
            Ok((end, before)) => {
                let change = before.map(|before| (batch.origin.source.clone(), before));
                let bytes = batch.records.iter().map(|record| record.bytes.len() as u64).sum();
                let records = batch.records.len() as u64;
                self.waiting.push(Waiting { answer, end: Some(end), change, records, bytes });
                true
            }
            Err(error) => {
                self.counters.failed.fetch_add(1, Relaxed);
                let _ = answer.send(Err(error));
                false
            }
        }
    }

    /// What it duplicates may be pending itself: then they share their fate.
    fn stage_duplicate(&mut self, answer: oneshot::Sender<Result<Appended, AppendError>>) -> bool {
        if self.waiting.is_empty() {
            self.counters.duplicates.fetch_add(1, Relaxed);
            let _ = answer.send(Ok(Appended { log: self.id, end: self.durable, duplicate: true }));
            return false;
        }
        self.waiting.push(Waiting { answer, end: None, change: None, records: 0, bytes: 0 });
        true
    }

    /// The frame's end, and for a batch with a span what was known of its source before.
    #[allow(clippy::type_complexity, reason = "the outer option says whether there was a change, the inner is it")]
    fn stage_frame(&mut self, batch: &RawBatch) -> Result<(Pos, Option<Option<SourceState>>), AppendError> {
        if !Arc::ptr_eq(&self.origin.0, &batch.origin) || self.origin.1.is_empty() {
            let json = serde_json::to_vec(&*batch.origin).map_err(|error| AppendError::Io(error.to_string()))?;
            self.origin = (batch.origin.clone(), json);
        }
        let length = frame::records_bytes(batch, &self.origin.1).ok_or(AppendError::TooLarge)?;
        self.make_room(length as u64)?;
        let begun = self.current.data + (self.durable.0 - self.current.base.0) + self.pending.len() as u64;
        let empty = self.durable == self.current.base && self.waiting.is_empty();
        if self.state == State::Open && !empty && begun + length as u64 > self.options.segment_bytes_max {
            self.commit();
            if self.state == State::Open {
                self.state = State::Spent;
            }
        }
        let before = match batch.span {
            Some(span) => {
                let before = self.table.learn(batch, span);
                Some(before.map_err(|_| AppendError::TooManySources)?)
            }
            None => None,
        };
        let place = Place { log: self.id, pos: self.end() };
        frame::put_records(&mut self.pending, batch, &self.origin.1, place);
        self.disk += length as u64;
        Ok((self.end(), before))
    }

    fn end(&self) -> Pos {
        Pos(self.durable.0 + self.pending.len() as u64)
    }

    fn make_room(&mut self, length: u64) -> Result<(), AppendError> {
        let mut found = self.find_room(length);
        if let (Ok(Some(_)), Some(room)) = (&found, self.room.clone()) {
            // Whoever makes room gives up what is durable.
            self.commit();
            room.make(&mut || {
                self.unasked = 0;
                found = self.find_room(length);
                !matches!(found, Ok(Some(_)))
            });
        }
        match found? {
            None => Ok(()),
            Some(why) => {
                self.counters.room.refused(why);
                Err(AppendError::Full)
            }
        }
    }

    /// Why there is no room, if there is none.
    fn find_room(&mut self, length: u64) -> Result<Option<NoRoom>, AppendError> {
        if let Some(why) = self.look_around(length)? {
            return Ok(Some(why));
        }
        let limit = self.options.bytes_max.saturating_sub(self.others);
        let fits = |disk: u64| disk.saturating_add(length) <= limit;
        if fits(self.disk) {
            return Ok(None);
        }
        let unwritten = (self.pending.len() - self.written) as u64;
        let disk = super::folder::bytes(&*self.fs, &self.dir).map_err(|error| AppendError::Io(error.to_string()))?;
        self.disk = disk + unwritten;
        // Until there is room, every append looks.
        self.unasked = 0;
        Ok((!fits(self.disk)).then_some(NoRoom::Limit { bytes_max: self.options.bytes_max }))
    }

    /// Asks from time to time how much room the disk has, and what lies beside this log.
    fn look_around(&mut self, length: u64) -> Result<Option<NoRoom>, AppendError> {
        if !self.options.together && self.options.free_bytes_min == 0 {
            return Ok(None);
        }
        if let Some(left) = self.unasked.checked_sub(length) {
            self.unasked = left;
            return Ok(None);
        }
        let failed = |error: io::Error| AppendError::Io(error.to_string());
        if let Some(why) = room::reserve(&*self.fs, &self.dir, &self.options, length).map_err(failed)? {
            self.give_back();
            return Ok(Some(why));
        }
        if let (true, Some(root)) = (self.options.together, self.dir.parent()) {
            let others = super::folder::bytes_beside(&*self.fs, root, self.id);
            self.others = others.map_err(|error| AppendError::Io(error.to_string()))?;
        }
        self.unasked = LOOK_BYTES.min(self.options.bytes_max / LOOK_PART);
        Ok(None)
    }

    /// Gives the file system what is staged, so that it outlives this process; begins the segment that is due.
    pub fn flush(&mut self) {
        if self.state != State::Open || self.write().is_err() {
            self.commit();
        }
    }

    fn write(&mut self) -> io::Result<()> {
        if self.written < self.pending.len() {
            if let Err(error) = self.current.file.append(&self.pending[self.written..]) {
                self.state = State::Failed;
                return Err(error);
            }
            self.written = self.pending.len();
        }
        Ok(())
    }

    /// Makes all that waits durable and answers it.
    pub fn commit(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let in_place = self.state == State::Open && self.write().is_ok() && self.sync().is_ok();
        let done = if in_place { Ok(()) } else { self.rotate() };
        match done {
            Ok(()) => self.committed(),
            Err(error) => self.failed(&error),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.counters.fsyncs.fetch_add(1, Relaxed);
        let synced = self.current.file.sync_data();
        if synced.is_err() {
            self.state = State::Failed;
        }
        synced
    }

    /// Begins a segment at the durable end that holds all that is pending.
    fn rotate(&mut self) -> io::Result<()> {
        // The table at its beginning knows what is durable before it: not what is pending.
        self.swap_changes();
        let place = Place { log: self.id, pos: self.durable };
        let begun = begin(&*self.fs, &self.dir, place, &self.table, &self.pending);
        self.swap_changes();
        let (current, length) = begun?;
        self.disk += length;
        self.current = current;
        self.written = self.pending.len();
        // Its name may not be durable: until then what it holds does not count.
        self.state = State::Failed;
        self.fs.sync_dir(&self.dir)?;
        self.state = State::Open;
        self.counters.fsyncs.fetch_add(2, Relaxed);
        self.counters.segments.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Exchanges the states of the sources in the table with those kept aside: takes the changes back, or makes them
    /// again.
    fn swap_changes(&mut self) {
        let backwards = self.waiting.iter_mut().rev();
        for (source, state) in backwards.filter_map(|waiting| waiting.change.as_mut()) {
            *state = self.table.swap(source, state.take());
        }
        // Kept reversed, so that the next exchange runs the other way.
        self.waiting.reverse();
    }

    fn committed(&mut self) {
        self.durable = self.end();
        self.pending.clear();
        self.written = 0;
        self.mark();
        self.counters.forgotten.store(self.table.forgotten(), Relaxed);
        self.counters.room.taken();
        self.ends.send_replace(self.durable);
        for Waiting { answer, end, records, bytes, .. } in self.waiting.drain(..) {
            self.counters.records.fetch_add(records, Relaxed);
            self.counters.bytes.fetch_add(bytes, Relaxed);
            self.counters.duplicates.fetch_add(u64::from(end.is_none()), Relaxed);
            let appended = Appended { log: self.id, end: end.unwrap_or(self.durable), duplicate: end.is_none() };
            let _ = answer.send(Ok(appended));
        }
    }

    /// Tells readers in other processes how far the log is durable. Should that fail, [`Writer::mark_again`] is called for.
    fn mark(&mut self) {
        frame::put_mark(&mut self.pending, Place { log: self.id, pos: self.durable });
        let written = self.write();
        match written {
            Ok(()) => self.disk += HEADER_BYTES as u64,
            Err(_) => self.pending.clear(),
        }
        self.unmarked = written.is_err();
    }

    fn failed(&mut self, cause: &io::Error) {
        if self.state == State::Failed && self.cut().is_ok() {
            self.state = State::Spent;
        }
        self.swap_changes();
        self.pending.clear();
        self.written = 0;
        let (error, why) = if super::is_no_room(cause) {
            let free = self.fs.free_space(&self.dir).unwrap_or(0);
            (AppendError::Full, NoRoom::Disk { free })
        } else {
            let what = format!("write the log {}: {cause}", self.dir.display());
            (AppendError::Io(what.clone()), NoRoom::Broken(what))
        };
        let is_full = error == AppendError::Full;
        self.counters.room.refused(why);
        self.counters.failed.fetch_add(self.waiting.len() as u64, Relaxed);
        for waiting in self.waiting.drain(..) {
            let _ = waiting.answer.send(Err(error.clone()));
        }
        if is_full {
            self.give_back();
        }
    }

    /// What follows the durable end will be answered with an error, so a restart should not find it. The sync promises
    /// nothing but the cut: what is kept was durable before.
    fn cut(&mut self) -> io::Result<()> {
        self.current.file.truncate(self.current.data + (self.durable.0 - self.current.base.0))?;
        self.current.file.sync_data()
    }
}
