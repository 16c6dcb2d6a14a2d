//! All files that are followed, as a state machine: no threads, no clock, any file tree.
//!
//! Whoever drives it calls [`Tailer::look`] for new files, [`Tailer::step`] to read and to learn what to give to the log, and
//! [`Tailer::answered`] with what became of that. What a file holds decides which content it is (`identity`), a *stream*
//! follows one content (`stream`), and where one content ends and another begins is decided here:
//! - a renamed or deleted file is read to its end through its open handle, [`GONE_WAIT`] long after its last growth;
//! - a file that shrank, or holds other bytes before the place of reading, has a new content from its beginning; the rest
//!   of the old one is looked for in the copy that was made of it (`copies`);
//! - after a start, contents of the log's table are found again under their inode, else in rotated files beside them.
//!
//! Where it is in doubt it reads again: doubled, never lost.

use super::{
    Settings,
    copies::{self, Suspect},
    glob::Found,
    identity::Prefix,
    known::{Known, KnownContents, folder_of, is_rotation_of, stem_of},
    origin,
    reader::Reader,
    stream::{CHUNK_BYTES, Came, Place, Stream},
    tree::{Files, Stat},
};
use crate::{
    event::Timestamp,
    flow::{AppendError, Appended, FileMark, LogId, RawBatch},
    log::SourceTable,
};
use logship_parsers::join::JOIN_WAIT_MS;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a file that has no name any more is kept open after it last grew: its writer may not have noticed yet.
pub const GONE_WAIT: Duration = Duration::from_secs(60);
/// How long a line waits for its end before what there is of it is taken for one.
pub const PARTIAL_WAIT: Duration = Duration::from_secs(30);
/// How long a batch waits to be filled.
pub const BATCH_WAIT: Duration = Duration::from_millis(100);
/// Files that are open at a time, besides those that have no name any more.
pub const OPEN_FILES_MAX: usize = 256;
/// A file to which nothing happens for so long is closed.
const OPEN_IDLE: Duration = Duration::from_secs(10);
/// Bytes of all streams that are held in memory; past it only what is read already goes on.
pub const HELD_BYTES_MAX: usize = 16 << 20;
/// Chunks of one file before the next has its turn.
const CHUNKS_PER_TURN: usize = 4;
const JOIN_WAIT: Duration = Duration::from_millis(JOIN_WAIT_MS);

/// The number of a stream, for answers.
pub type Key = u64;

/// One stream with what the tailer knows of its file's name.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) stream: Stream,
    /// Since when no pattern finds it under its inode.
    pub(super) gone: Option<Instant>,
    /// Nobody writes to the file any more: it is a copy.
    pub(super) complete: bool,
    settled: bool,
    /// All is known of the container that writes it, if one does.
    described: bool,
}

/// What was done, counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records given to the log, each once.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Contents that ended because the file was truncated or written anew.
    pub replaced: u64,
    /// Bytes that were known to be there when a file was truncated or went away, and could not be read any more.
    pub lost_bytes: u64,
    /// Bytes cut from overlong lines.
    pub truncated_bytes: u64,
}

/// One file, for who looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileStatus {
    /// Where it is.
    pub path: PathBuf,
    /// Its size at the last look.
    pub size: u64,
    /// Read up to here.
    pub read: u64,
    /// Durable in the log up to here.
    pub durable: u64,
    /// Bytes that are not durable.
    pub lag_bytes: u64,
    /// Since when there are such bytes.
    pub lag: Duration,
    /// The last failure to read it or to store what was read.
    pub failure: Option<String>,
}

/// All files that are followed.
pub struct Tailer {
    pub(super) settings: Settings,
    pub(super) files: Box<dyn Files>,
    pub(super) followed: BTreeMap<Key, Followed>,
    /// The stream of the content that each file holds now.
    pub(super) by_id: HashMap<(u64, u64), Key>,
    pub(super) known: KnownContents,
    /// New files that may be copies.
    pub(super) suspects: HashMap<(u64, u64), Suspect>,
    /// Streams that need a turn.
    pub(super) awake: BTreeSet<Key>,
    pub(super) counts: Counts,
    /// Streams by the name of their file without its extension, for copies.
    by_stem: HashMap<PathBuf, BTreeSet<Key>>,
    next: Key,
    buffer: Vec<u8>,
    looked: bool,
}

impl Tailer {
    /// Nothing is read yet; `table` is what the log knows.
    #[must_use]
    pub fn new(settings: Settings, files: Box<dyn Files>, table: &SourceTable) -> Tailer {
        Tailer {
            settings,
            files,
            followed: BTreeMap::new(),
            by_id: HashMap::new(),
            known: KnownContents::of(table),
            suspects: HashMap::new(),
            awake: BTreeSet::new(),
            counts: Counts::default(),
            by_stem: HashMap::new(),
            next: 0,
            buffer: vec![0; CHUNK_BYTES + FileMark::MARKER_BYTES as usize],
            looked: false,
        }
    }

    /// Takes note of the files that are there now, as discovery found them.
    pub fn look(&mut self, found: &[Found], now: Instant, wall: Timestamp) {
        let there: BTreeSet<_> = found.iter().map(|found| (found.stat.device, found.stat.inode)).collect();
        // A copy's name is longer than the original's, which must be known first.
        let mut found: Vec<&Found> = found.iter().collect();
        found.sort_unstable_by_key(|found| (found.path.len(), &found.path));
        for Found { path, stat, .. } in &found {
            let path = Path::new(path);
            let id = (stat.device, stat.inode);
            match self.by_id.get(&id) {
                Some(key) => self.met(*key, path, stat),
                None => self.meet(path, stat, now, wall),
            }
        }
        for (key, followed) in &mut self.followed {
            let id = followed.stream.id;
            followed.described = followed.described || origin::renew(&self.settings, &mut followed.stream);
            if !there.contains(&id) && followed.gone.is_none() && self.by_id.get(&id) == Some(key) {
                followed.gone = Some(now);
                self.awake.insert(*key);
            }
        }
        if !self.looked {
            self.looked = true;
            copies::seek_rests(self, now);
        }
        self.suspects.retain(|id, _| there.contains(id));
    }

    /// A file that is followed was found.
    fn met(&mut self, key: Key, path: &Path, stat: &Stat) {
        let Some(followed) = self.followed.get_mut(&key) else { return };
        followed.gone = None;
        if followed.stream.path != *path {
            path.clone_into(&mut followed.stream.path);
        }
        followed.stream.size = stat.size;
        if stat.size != followed.stream.read_to() {
            self.awake.insert(key);
        }
    }

    /// A file that is not followed was found.
    fn meet(&mut self, path: &Path, stat: &Stat, now: Instant, wall: Timestamp) {
        if self.is_too_old(stat, wall) && self.known.candidates(path, (stat.device, stat.inode)).is_empty() {
            return;
        }
        if origin::is_skipped(&self.settings, path) {
            return;
        }
        let mut reader = match Reader::open(&*self.files, path) {
            Ok(reader) => reader,
            Err(cause) => return self.failed(path, &cause),
        };
        // Opened a moment after it was found: it may be another file by now.
        let Ok(stat) = reader.stat() else { return };
        let id = (stat.device, stat.inode);
        if self.by_id.contains_key(&id) {
            return;
        }
        if let Some(known) = self.recognise(path, id, &mut reader) {
            self.resume(&known, path.to_owned(), id, reader, now);
            return;
        }
        if copies::is_held(self, path, id, &mut reader, now) {
            return;
        }
        let from = if self.settings.from_end && !self.looked { reader.end().unwrap_or(stat.size) } else { 0 };
        self.begin(path.to_owned(), id, reader, from, now);
    }

    fn is_too_old(&self, stat: &Stat, wall: Timestamp) -> bool {
        let age = |limit: Duration| wall.as_nanos().saturating_sub(stat.modified_ns) > limit.as_nanos() as i64;
        self.settings.ignore_older.is_some_and(age)
    }

    fn failed(&mut self, path: &Path, cause: &io::Error) {
        tracing::warn!("cannot read {}: {cause}", path.display());
    }

    /// The content of this file, if it was read before.
    pub(super) fn recognise(&mut self, path: &Path, id: (u64, u64), reader: &mut Reader) -> Option<Known> {
        let found = self.known.candidates(path, id).into_iter().find(|known| known.is_in(reader).unwrap_or(false))?;
        self.known.take(&found.source)
    }

    /// Goes on with a content that was read before.
    pub(super) fn resume(
        &mut self,
        known: &Known,
        path: PathBuf,
        id: (u64, u64),
        mut reader: Reader,
        now: Instant,
    ) -> Option<Key> {
        let (origin, _) = origin::of(&self.settings, &known.source, &known.path);
        let before = known.end.min(FileMark::MARKER_BYTES);
        let read = super::identity::read(&mut reader, known.end - before, before);
        let prefix = Prefix::read(&mut reader, known.end);
        let place = Place { from: known.end, before: read.ok()?, prefix: prefix.ok()? };
        Some(self.follow(Stream::new(known.source.clone(), path, id, origin, place, now), reader))
    }

    /// Begins with a content that nobody has read.
    pub(super) fn begin(&mut self, path: PathBuf, id: (u64, u64), mut reader: Reader, from: u64, now: Instant) -> Key {
        let source = format!("file:{}", LogId::random());
        let (origin, _) = origin::of(&self.settings, &source, &path);
        let before = from.min(FileMark::MARKER_BYTES);
        let before = super::identity::read(&mut reader, from - before, before).unwrap_or_default();
        let prefix = Prefix::read(&mut reader, from).unwrap_or_default();
        let stream = Stream::new(source, path, id, origin, Place { from, before, prefix }, now);
        self.follow(stream, reader)
    }

    fn follow(&mut self, mut stream: Stream, reader: Reader) -> Key {
        stream.file = Some(reader);
        let key = self.next;
        self.next += 1;
        self.by_id.insert(stream.id, key);
        self.suspects.remove(&stream.id);
        self.by_stem.entry(stem_of(&stream.path)).or_default().insert(key);
        self.awake.insert(key);
        self.followed.insert(key, Followed { stream, gone: None, complete: false, settled: true, described: false });
        key
    }

    /// The streams whose files may have this one as a copy.
    pub(super) fn originals_of(&self, copy: &Path) -> Vec<Key> {
        let name = copy.file_name().unwrap_or_default().to_string_lossy();
        let stems = name.char_indices().skip(1).map(|(at, _)| folder_of(copy).join(&name[..at]));
        let keys = stems.filter_map(|stem| self.by_stem.get(&stem)).flatten();
        let is_original =
            |key: &&Key| self.followed.get(key).is_some_and(|followed| is_rotation_of(copy, &followed.stream.path));
        keys.filter(is_original).copied().collect()
    }

    /// Wakes the streams of these paths, or all: something may have happened to them.
    pub fn touched(&mut self, mut is_touched: impl FnMut(&Path) -> bool) {
        let touched = self.followed.iter().filter(|(_, followed)| is_touched(&followed.stream.path));
        self.awake.extend(touched.map(|(key, _)| *key));
    }

    /// Asks each sleeping file for its size: for what no watcher tells.
    pub fn sweep(&mut self) {
        for (key, followed) in &mut self.followed {
            let stream = &mut followed.stream;
            if followed.gone.is_some() || self.awake.contains(key) {
                continue;
            }
            let size = match self.files.stat(&stream.path) {
                Ok(stat) if (stat.device, stat.inode) == stream.id => stat.size,
                // Another file by now: discovery sees to it.
                _ => continue,
            };
            stream.size = size;
            if size != stream.read_to() {
                self.awake.insert(*key);
            }
        }
    }

    /// Reads what there is and gives batches to `send`.
    pub fn step(&mut self, now: Instant, wall: Timestamp, send: &mut dyn FnMut(Key, RawBatch)) {
        copies::release(self, now);
        let mut held: usize = self.awake.iter().filter_map(|key| self.followed.get(key)).map(|f| f.stream.held()).sum();
        for key in self.awake.clone() {
            let before = self.followed.get(&key).map_or(0, |followed| followed.stream.held());
            let may_read = held <= HELD_BYTES_MAX;
            if may_read && self.read(key, now) == Came::Replaced {
                copies::replaced(self, key, now);
            }
            let Some(followed) = self.followed.get_mut(&key) else { continue };
            held = (held + followed.stream.held()).saturating_sub(before);
            self.wait_for_ends(key, now);
            self.cut(key, now, wall, send);
            self.put_to_sleep(key, now, wall);
        }
    }

    /// Reads a few chunks of one file.
    fn read(&mut self, key: Key, now: Instant) -> Came {
        let Some(followed) = self.followed.get_mut(&key) else { return Came::End };
        if followed.stream.is_finished() {
            return Came::End;
        }
        if followed.stream.file.is_none() && !copies::reopen(&*self.files, followed) {
            return Came::End;
        }
        for _ in 0..CHUNKS_PER_TURN {
            if followed.stream.is_full() {
                return Came::End;
            }
            match followed.stream.advance(&mut self.buffer, now) {
                Ok(Came::Read(count)) => {
                    self.counts.bytes += count as u64;
                    followed.settled = false;
                }
                Ok(came) => return came,
                Err(cause) => {
                    let cause = cause.to_string();
                    if followed.stream.failure.as_ref() != Some(&cause) {
                        tracing::warn!("cannot read {}: {cause}", followed.stream.path.display());
                        followed.stream.failure = Some(cause);
                    }
                    return Came::End;
                }
            }
        }
        Came::Read(0)
    }

    /// Ends what has waited long enough: for a line that continues a record, for the end of a line, for a writer.
    fn wait_for_ends(&mut self, key: Key, now: Instant) {
        let Some(followed) = self.followed.get_mut(&key) else { return };
        let quiet = now.saturating_duration_since(followed.stream.grown);
        if quiet >= JOIN_WAIT && !followed.settled {
            followed.stream.settle(true);
            followed.settled = true;
        }
        let at_end = followed.stream.at_end;
        if quiet >= PARTIAL_WAIT && at_end && followed.stream.has_partial() {
            followed.stream.end_line();
        }
        let gone = followed.gone.is_some_and(|since| now.saturating_duration_since(since) >= GONE_WAIT);
        if at_end && (followed.complete || (gone && quiet >= GONE_WAIT)) {
            followed.stream.finish();
        }
    }

    fn cut(&mut self, key: Key, now: Instant, wall: Timestamp, send: &mut dyn FnMut(Key, RawBatch)) {
        let Some(followed) = self.followed.get_mut(&key) else { return };
        followed.stream.note_ready(now);
        if followed.stream.due(BATCH_WAIT).is_none_or(|due| due > now) {
            return;
        }
        let again = followed.stream.is_refused();
        if let Some(batch) = followed.stream.next_batch(now, wall) {
            if !again {
                self.counts.records += batch.records.len() as u64;
            }
            send(key, batch);
        }
    }

    /// Lets go of what is over, and rests what has nothing to do.
    fn put_to_sleep(&mut self, key: Key, now: Instant, wall: Timestamp) {
        let Some(followed) = self.followed.get_mut(&key) else { return };
        if followed.stream.is_over() {
            return self.end(key, wall);
        }
        let stream = &mut followed.stream;
        let idle = now.saturating_duration_since(stream.grown) >= OPEN_IDLE;
        let rests = stream.is_quiet() && !stream.has_partial() && stream.at_end;
        if rests && idle && followed.gone.is_none() {
            stream.rest();
            stream.file = None;
            self.awake.remove(&key);
        }
    }

    /// A content has been read to its end and is durable: it is remembered, in case a file turns up that holds it.
    fn end(&mut self, key: Key, wall: Timestamp) {
        let Some(Followed { stream, .. }) = self.followed.remove(&key) else { return };
        self.awake.remove(&key);
        if self.by_id.get(&stream.id) == Some(&key) {
            self.by_id.remove(&stream.id);
        }
        let path = stream.origin.path.as_deref().map_or(stream.path.clone(), PathBuf::from);
        for path in [&path, &stream.path] {
            if let Some(keys) = self.by_stem.get_mut(&stem_of(path)) {
                keys.remove(&key);
            }
        }
        self.by_stem.retain(|_, keys| !keys.is_empty());
        let known =
            Known { mark: stream.mark(), end: stream.read_to(), source: stream.source, path, seen: wall.as_millis() };
        self.known.add(known);
    }

    /// The log has answered a batch.
    pub fn answered(&mut self, key: Key, answer: Result<Appended, AppendError>, now: Instant) {
        if let Some(followed) = self.followed.get_mut(&key) {
            followed.stream.answered(answer.map(|_| ()), now);
            self.awake.insert(key);
        }
    }

    /// When the next step is due if nothing happens before.
    #[must_use]
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due = |key: &Key| {
            let stream = &self.followed.get(key)?.stream;
            let backlog = stream.size > stream.read_to() && !stream.is_full();
            let waits = stream.due(BATCH_WAIT);
            let quiet = stream.grown + JOIN_WAIT;
            let later = if quiet > now { quiet } else { now + JOIN_WAIT };
            Some(if backlog { now } else { waits.map_or(later, |waits| waits.min(later)) })
        };
        self.awake.iter().filter_map(due).chain(copies::due(self, now)).min()
    }

    /// What was done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Each file.
    #[must_use]
    pub fn status(&self, now: Instant) -> Vec<FileStatus> {
        let status = |Followed { stream, .. }: &Followed| {
            let lag_bytes = stream.size.max(stream.read_to()).saturating_sub(stream.durable_to());
            FileStatus {
                path: stream.path.clone(),
                size: stream.size,
                read: stream.read_to(),
                durable: stream.durable_to(),
                lag_bytes,
                lag: if lag_bytes > 0 { now.saturating_duration_since(stream.behind_since) } else { Duration::ZERO },
                failure: stream.failure.clone(),
            }
        };
        self.followed.values().map(status).collect()
    }
}
