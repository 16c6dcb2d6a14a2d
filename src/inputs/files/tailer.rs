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
    known::{Known, KnownContents, folder_of, is_rotation_of, stem_of},
    origin,
    reader::Reader,
    stream::{CHUNK_BYTES, Place, Stream},
    tree::{Files, Stat},
};
use crate::{
    event::Timestamp,
    flow::{FileMark, RawBatch},
    log::SourceTable,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a file that has no name any more is kept open after it last grew: its writer may not have noticed yet.
pub const GONE_WAIT: Duration = Duration::from_secs(60);
/// How long a line waits for its end before what there is of it is taken for one.
pub const PARTIAL_WAIT: Duration = Duration::from_secs(30);
/// Files that are open at a time, and as many of those that have no name any more.
pub const OPEN_FILES_MAX: usize = 256;
/// Bytes of all streams that are held in memory; past it only what is read already goes on.
pub const HELD_BYTES_MAX: usize = 16 << 20;
/// How long after a failure to read a file it is tried again, at first and at most.
pub(super) const RETRY: Duration = Duration::from_secs(1);
pub(super) const RETRY_MAX: Duration = Duration::from_secs(60);

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
    /// What there is of an unfinished line was taken for one.
    pub(super) line_ended: bool,
    /// It was to be deleted, once.
    pub(super) discarded: bool,
    /// When it has its next turn if nothing happens before.
    pub(super) timer: Option<Instant>,
    /// What of `Tailer::held` is its.
    pub(super) held: usize,
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
    /// Files that were deleted because all of them was durable.
    pub deleted: u64,
}

/// A file that cannot be opened.
#[derive(Debug)]
struct Unreadable {
    cause: String,
    again: Instant,
    pause: Duration,
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
    /// Each on its own: a thousand bytes each, of which a tree leaves nearly half of its room free.
    pub(super) followed: BTreeMap<Key, Box<Followed>>,
    /// The stream of the content that each file holds now.
    pub(super) by_id: HashMap<(u64, u64), Key>,
    pub(super) known: KnownContents,
    pub(super) suspects: BTreeMap<(u64, u64), Suspect>,
    /// When those are looked at.
    pub(super) suspects_due: Option<Instant>,
    /// Streams that have a turn at the next step,
    pub(super) awake: BTreeSet<Key>,
    /// and those that have one at a moment.
    pub(super) timers: BTreeSet<(Instant, Key)>,
    /// Streams whose files are open,
    pub(super) open: BTreeSet<Key>,
    /// and have no name any more.
    pub(super) open_gone: BTreeSet<Key>,
    /// [`OPEN_FILES_MAX`], but in tests.
    pub(super) open_max: usize,
    /// Bytes that streams hold in memory.
    pub(super) held: usize,
    pub(super) counts: Counts,
    /// Streams by their files' names without extension, those that they had and those that they have.
    by_stem: HashMap<PathBuf, BTreeSet<Key>>,
    unreadable: HashMap<PathBuf, Unreadable>,
    next: Key,
    pub(super) buffer: Vec<u8>,
    looked: bool,
    /// Earlier lives followed files: this is not the first start.
    knows: bool,
    /// What the log is to know of files that are followed from their end on.
    pub(super) skips: Vec<RawBatch>,
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
            suspects: BTreeMap::new(),
            suspects_due: None,
            awake: BTreeSet::new(),
            timers: BTreeSet::new(),
            open: BTreeSet::new(),
            open_gone: BTreeSet::new(),
            open_max: OPEN_FILES_MAX,
            held: 0,
            counts: Counts::default(),
            by_stem: HashMap::new(),
            unreadable: HashMap::new(),
            next: 0,
            buffer: vec![0; CHUNK_BYTES + FileMark::MARKER_BYTES as usize],
            looked: false,
            knows: table.iter().any(|(_, state)| state.file.is_some()),
            skips: Vec::new(),
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
                Some(key) if self.is_other(*key, path) => {
                    self.end(*key, wall);
                    self.meet(path, stat, now, wall);
                }
                Some(key) => self.met(*key, path, stat),
                None => self.meet(path, stat, now, wall),
            }
        }
        for (key, followed) in &mut self.followed {
            let id = followed.stream.id;
            followed.described = followed.described || origin::renew(&self.settings, &mut followed.stream);
            if !there.contains(&id) && followed.gone.is_none() && self.by_id.get(&id) == Some(key) {
                followed.gone = Some(now);
                followed.stream.at_end = false;
                self.awake.insert(*key);
            }
        }
        if !self.looked {
            self.looked = true;
            copies::seek_rests(self, now);
        }
        self.suspects.retain(|id, _| there.contains(id));
        if !self.unreadable.is_empty() {
            let there: BTreeSet<&Path> = found.iter().map(|found| Path::new(&found.path)).collect();
            self.unreadable.retain(|path, _| there.contains(&**path));
        }
    }

    /// Whether the inode of a file that was closed and of which nothing was read has another name: it is another file's.
    fn is_other(&self, key: Key, path: &Path) -> bool {
        self.followed
            .get(&key)
            .map(|followed| &followed.stream)
            .is_some_and(|stream| stream.path != *path && stream.file.is_none() && stream.read_to() == 0)
    }

    /// A file that is followed was found.
    fn met(&mut self, key: Key, path: &Path, stat: &Stat) {
        let Some(followed) = self.followed.get_mut(&key) else { return };
        let stream = &mut followed.stream;
        let moved = stream.path != *path;
        let seen = stream.seen(stat);
        if moved || followed.gone.is_some() {
            // There is something to open again, whatever became of the last attempt.
            (stream.again, stream.at_end) = (None, false);
            self.awake.insert(key);
        } else if seen {
            self.awake.insert(key);
        }
        followed.gone = None;
        if moved {
            let before = self.rename(key, path);
            if let Some(followed) = self.followed.get_mut(&key) {
                followed.stream.moved_from.get_or_insert(before);
            }
        }
    }

    /// Notes the name of a stream's file; answers the name it had.
    pub(super) fn rename(&mut self, key: Key, path: &Path) -> PathBuf {
        let Some(followed) = self.followed.get_mut(&key) else { return PathBuf::new() };
        let stream = &mut followed.stream;
        let before = std::mem::replace(&mut stream.path, path.to_owned());
        if stem_of(&before) != stem_of(Path::new(stream.origin.path.as_deref().unwrap_or_default())) {
            forget(&mut self.by_stem, &stem_of(&before), key);
        }
        self.by_stem.entry(stem_of(path)).or_default().insert(key);
        before
    }

    /// A file that is not followed was found.
    fn meet(&mut self, path: &Path, stat: &Stat, now: Instant, wall: Timestamp) {
        if self.suspects.contains_key(&(stat.device, stat.inode))
            || self.unreadable.get(path).is_some_and(|file| file.again > now)
            || (self.is_too_old(stat, wall) && self.known.candidates(path, (stat.device, stat.inode)).is_empty())
            || origin::is_skipped(&self.settings, path)
        {
            return;
        }
        // Opened a moment after it was found: it may be another file by now.
        let opened = Reader::open(&*self.files, path).and_then(|reader| Ok((reader.stat()?, reader)));
        let (stat, mut reader) = match opened {
            Ok(opened) => opened,
            Err(cause) => return self.failed(path, &cause, now),
        };
        self.unreadable.remove(path);
        let id = (stat.device, stat.inode);
        if self.by_id.contains_key(&id) {
            return;
        }
        if let Some(known) = self.recognise(path, id, &mut reader) {
            self.resume(&known, path.to_owned(), reader, now);
            return;
        }
        if copies::is_held(self, path, id, &mut reader, now) {
            return;
        }
        let skipped = self.settings.from_end && !self.looked && !self.knows;
        let from = if skipped { reader.extent().map_or(stat.size, |extent| extent.length) } else { 0 };
        let key = self.begin(path.to_owned(), reader, from, now);
        if skipped {
            self.note_skip(key, wall);
        }
    }

    /// Says once why a file cannot be opened; it is tried again less and less often.
    fn failed(&mut self, path: &Path, cause: &io::Error, now: Instant) {
        if cause.kind() == io::ErrorKind::NotFound {
            // It went away since it was found.
            return;
        }
        let cause = cause.to_string();
        let before = self.unreadable.remove(path);
        if before.as_ref().is_none_or(|before| before.cause != cause) {
            tracing::warn!("{} cannot be read, and is tried again: {cause}", path.display());
        }
        let pause = before.map_or(RETRY, |before| (before.pause * 2).min(RETRY_MAX));
        self.unreadable.insert(path.to_owned(), Unreadable { cause, again: now + pause, pause });
    }

    /// Files that were found and cannot be read.
    #[must_use]
    pub fn unreadable(&self) -> usize {
        self.unreadable.len() + self.followed.values().filter(|followed| followed.stream.again.is_some()).count()
    }

    /// The content of this file, if it was read before.
    pub(super) fn recognise(&mut self, path: &Path, id: (u64, u64), reader: &mut Reader) -> Option<Known> {
        let found = self.known.candidates(path, id).into_iter().find(|known| known.is_in(reader).unwrap_or(false))?;
        self.known.take(&found.source)
    }

    /// Goes on with a content that was read before.
    pub(super) fn resume(&mut self, known: &Known, path: PathBuf, mut reader: Reader, now: Instant) -> Option<Key> {
        let about = origin::of(&self.settings, &known.source, &known.path);
        let place = Place::read(&mut reader, known.end, (self.settings.encoding, self.settings.alone)).ok()?;
        let id = reader.stat().map(|stat| (stat.device, stat.inode)).ok()?;
        Some(self.follow(Stream::new(known.source.clone(), path, id, about, place, now), reader))
    }

    /// Begins with a content that nobody has read.
    pub(super) fn begin(&mut self, path: PathBuf, mut reader: Reader, from: u64, now: Instant) -> Option<Key> {
        let source = origin::source(&self.settings);
        let about = origin::of(&self.settings, &source, &path);
        let place = Place::read(&mut reader, from, (self.settings.encoding, self.settings.alone)).ok()?;
        let id = reader.stat().map(|stat| (stat.device, stat.inode)).ok()?;
        Some(self.follow(Stream::new(source, path, id, about, place, now), reader))
    }

    fn follow(&mut self, mut stream: Stream, reader: Reader) -> Key {
        let key = self.next;
        self.next += 1;
        if let Ok(stat) = reader.stat() {
            stream.seen(&stat);
        }
        if self.open.len() < self.open_max {
            stream.open(reader);
            self.open.insert(key);
        }
        self.by_id.insert(stream.id, key);
        self.suspects.remove(&stream.id);
        let begun = PathBuf::from(stream.origin.path.as_deref().unwrap_or_default());
        for path in [&begun, &stream.path] {
            self.by_stem.entry(stem_of(path)).or_default().insert(key);
        }
        self.awake.insert(key);
        let followed = Followed {
            stream,
            gone: None,
            complete: false,
            line_ended: false,
            discarded: false,
            timer: None,
            held: 0,
            described: false,
        };
        self.followed.insert(key, Box::new(followed));
        key
    }

    /// A content has been read to its end and is durable: it is remembered, in case a file turns up that holds it.
    pub(super) fn end(&mut self, key: Key, wall: Timestamp) {
        let Some(followed) = self.followed.remove(&key) else { return };
        let Followed { stream, timer, held, .. } = *followed;
        self.awake.remove(&key);
        self.open.remove(&key);
        self.open_gone.remove(&key);
        self.held -= held;
        if let Some(timer) = timer {
            self.timers.remove(&(timer, key));
        }
        if self.by_id.get(&stream.id) == Some(&key) {
            self.by_id.remove(&stream.id);
        }
        let path = stream.origin.path.as_deref().map_or(stream.path.clone(), PathBuf::from);
        for path in [&path, &stream.path] {
            forget(&mut self.by_stem, &stem_of(path), key);
        }
        let (mark, end) = (stream.mark(), stream.read_to());
        if end > 0 {
            self.known.add(Known { mark, end, source: stream.source, path, seen: wall.as_millis() });
        }
    }

    /// The streams whose files may have this one as a copy.
    pub(super) fn originals_of(&self, copy: &Path) -> Vec<Key> {
        let name = copy.file_name().unwrap_or_default().to_string_lossy();
        let stems = name.char_indices().skip(1).map(|(at, _)| folder_of(copy).join(&name[..at]));
        let keys = stems.filter_map(|stem| self.by_stem.get(&stem)).flatten();
        let is_original = |key: &&Key| {
            self.followed.get(key).map(|followed| &followed.stream).is_some_and(|stream| {
                let begun = stream.origin.path.as_deref().map(Path::new);
                let names = [Some(&*stream.path), stream.moved_from.as_deref(), begun];
                names.into_iter().flatten().any(|name| is_rotation_of(copy, name))
            })
        };
        keys.filter(is_original).copied().collect()
    }

    /// Wakes the streams of this path, to which something happened; whether there are any.
    pub fn touched(&mut self, path: &Path) -> bool {
        let keys = self.by_stem.get(&stem_of(path)).into_iter().flatten();
        let mut any = false;
        for key in keys {
            if let Some(followed) = self.followed.get_mut(key).filter(|followed| followed.stream.path == *path) {
                followed.stream.at_end = false;
                self.awake.insert(*key);
                any = true;
            }
        }
        any
    }

    /// Asks each sleeping file whether it has changed: for what no watcher tells.
    pub fn sweep(&mut self) {
        for (key, followed) in &mut self.followed {
            let stream = &mut followed.stream;
            if followed.gone.is_some() || self.awake.contains(key) {
                continue;
            }
            // Where there is another file by now, discovery sees to it.
            if let Ok(stat) = self.files.stat(&stream.path)
                && (stat.device, stat.inode) == stream.id
                && stream.seen(&stat)
            {
                self.awake.insert(*key);
            }
        }
    }

    /// Whether all that was there at the last look is read and durable, but for unfinished lines and unreadable files.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.followed.values().map(|followed| &followed.stream).all(|stream| {
            let is_read = (stream.at_end && stream.taken >= stream.size) || stream.again.is_some();
            stream.is_quiet() && (is_read || stream.is_finished())
        })
    }

    /// What was done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether nothing of any file waits for anything.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.awake.is_empty() && self.timers.is_empty()
    }

    /// How many files are followed.
    #[must_use]
    pub fn followed(&self) -> usize {
        self.followed.len()
    }

    /// The files that are furthest behind or fail, at most so many.
    #[must_use]
    pub fn status(&self, now: Instant, files_max: usize) -> Vec<FileStatus> {
        let lag = |stream: &Stream| {
            let waiting = stream.read_to().saturating_sub(stream.durable_to());
            stream.size.saturating_sub(stream.taken) + waiting
        };
        let mut files: Vec<_> = self.followed.values().map(|followed| &followed.stream).collect();
        files.sort_by_cached_key(|stream| (stream.failure.is_none(), Reverse(lag(stream))));
        let status = |stream: &Stream| {
            let lag_bytes = lag(stream);
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
        files.into_iter().take(files_max).map(status).collect()
    }
}

fn forget(by_stem: &mut HashMap<PathBuf, BTreeSet<Key>>, stem: &Path, key: Key) {
    if let Some(keys) = by_stem.get_mut(stem) {
        keys.remove(&key);
        if keys.is_empty() {
            by_stem.remove(stem);
        }
    }
}
