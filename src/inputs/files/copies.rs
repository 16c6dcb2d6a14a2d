//! Contents that go on in other files: copies that rotation makes, and files that were renamed while nobody looked.
//!
//! A new file is taken for the copy that copytruncate makes only if it is in the same folder, its name begins with the
//! original's, it begins as the original does, and the original shrinks within [`COPY_WAIT`]. Until then it is not read.
//! In doubt it is read, and its lines are there twice. Where the original went away before anybody saw it shrink, a file is
//! its copy if it holds all that was read of it. A compressed file is no file of today: it waits until it has not grown for
//! [`COPY_WAIT`], and as long as a file is followed that begins as it does.

use super::origin;
use super::{
    identity::{self, Content as _},
    known::{Known, folder_of, is_rotation_of, stem_of},
    reader::Reader,
    stream::Stream,
    tailer::{Followed, Key, Tailer},
    tree::{Entry, Files, Stat},
    turns,
};
use crate::flow::FileMark;
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long a file that may be a copy is not read.
pub const COPY_WAIT: Duration = Duration::from_secs(5);
/// How often it is looked at meanwhile.
const COPY_POLL: Duration = Duration::from_millis(100);
/// Files that wait at a time; more are read at once.
const SUSPECTS_MAX: usize = 256;
/// Files of a folder that are looked at for a content.
const SIBLINGS_MAX: usize = 1_000;

/// A new file that may be a copy.
#[derive(Debug)]
pub(super) struct Suspect {
    path: PathBuf,
    /// The file whose copy it may be, whatever that holds by now.
    original: Option<(u64, u64)>,
    since: Instant,
    /// Its size when it was last looked at, and since when it has been that.
    size: (u64, Instant),
    /// So much of it was seen to be what the original holds.
    same_to: u64,
}

/// Whether a file that nobody knows waits, because it may be the copy of one that is followed.
pub(super) fn is_held(tailer: &mut Tailer, path: &Path, id: (u64, u64), reader: &mut Reader, now: Instant) -> bool {
    if tailer.suspects.contains_key(&id) {
        return true;
    }
    if tailer.suspects.len() >= SUSPECTS_MAX {
        return false;
    }
    let original = original_of(tailer, path, reader);
    let has_relatives = !tailer.originals_of(path).is_empty() || !tailer.known.candidates(path, id).is_empty();
    if original.is_none() && !(has_relatives && reader.is_compressed()) {
        return false;
    }
    let suspect = Suspect { path: path.to_owned(), original, since: now, size: (0, now), same_to: 0 };
    tailer.suspects.insert(id, suspect);
    tailer.suspects_due = Some(now + COPY_POLL);
    true
}

/// The file whose copy this one may be.
fn original_of(tailer: &mut Tailer, path: &Path, reader: &mut Reader) -> Option<(u64, u64)> {
    tailer.originals_of(path).into_iter().find_map(|key| {
        let original = tailer.followed.get_mut(&key)?;
        let holds = tailer.by_id.get(&original.stream.id) == Some(&key);
        (holds && begins_alike(&*tailer.files, original, reader)).then_some(original.stream.id)
    })
}

/// Whether a file begins as what was read of another, or as what that one holds now, as far as both reach. Nothing at all
/// begins as everything does: a copy that is about to be written.
fn begins_alike(files: &dyn Files, original: &mut Followed, copy: &mut Reader) -> bool {
    let stream = &mut original.stream;
    let Ok(head) = identity::read(copy, 0, FileMark::PREFIX_BYTES) else { return false };
    if head.is_empty() {
        return true;
    }
    let read = stream.read_to().min(FileMark::PREFIX_BYTES) as usize;
    let begun = head.get(..read).is_some_and(|head| identity::hash(head) == stream.mark().prefix);
    if read > 0 && (begun || stream.has_begun_with(&head)) {
        return true;
    }
    let there = read_original(files, original, 0, FileMark::PREFIX_BYTES);
    there.is_some_and(|there| !there.is_empty() && there.iter().zip(&head).all(|(there, copied)| there == copied))
}

/// What an original holds now, also if it is closed.
fn read_original(files: &dyn Files, original: &mut Followed, offset: u64, length: u64) -> Option<Vec<u8>> {
    let stream = &mut original.stream;
    if let Some(file) = &mut stream.file {
        return identity::read(file, offset, length).ok();
    }
    let mut file = Reader::open(files, &stream.path).ok()?;
    let is_it = file.stat().is_ok_and(|stat| (stat.device, stat.inode) == stream.id);
    if is_it { identity::read(&mut file, offset, length).ok() } else { None }
}

/// Lets go of suspects that are no copies, and learns how far the others are the same.
pub(super) fn release(tailer: &mut Tailer, now: Instant) {
    if tailer.suspects_due.is_none_or(|due| due > now) {
        return;
    }
    let ids: Vec<_> = tailer.suspects.keys().copied().collect();
    for id in ids {
        let Some(mut suspect) = tailer.suspects.remove(&id) else { continue };
        let Ok(mut copy) = Reader::open(&*tailer.files, &suspect.path) else { continue };
        if is_in_doubt(tailer, &mut suspect, &mut copy, now) {
            tailer.suspects.insert(id, suspect);
            continue;
        }
        if let Ok(stat) = copy.stat()
            && (stat.device, stat.inode) == id
        {
            if let Some(key) = left_in(tailer, &suspect, &mut copy) {
                go_on_in(tailer, key, (suspect.path, stat, copy));
                tailer.awake.insert(key);
                continue;
            }
            // What it holds may have ended meanwhile.
            match tailer.recognise(&suspect.path, id, &mut copy) {
                Some(known) => tailer.resume(&known, suspect.path, copy, now),
                None => tailer.begin(suspect.path, copy, 0, now),
            };
        }
    }
    tailer.suspects_due = (!tailer.suspects.is_empty()).then(|| now + COPY_POLL);
}

/// The stream whose rest is in this suspect: its file was closed and is gone, so that nobody can see it shrink, and the
/// suspect has its name with something behind it and holds all that was read of it.
fn left_in(tailer: &Tailer, suspect: &Suspect, copy: &mut Reader) -> Option<Key> {
    let key = suspect.original.and_then(|id| tailer.by_id.get(&id)).copied()?;
    let Followed { stream, gone, .. } = &**tailer.followed.get(&key)?;
    let [copied, named] = [&suspect.path, &stream.path].map(|path| path.as_os_str().as_encoded_bytes());
    if gone.is_none() || stream.file.is_some() || stream.is_finished() || !copied.starts_with(named) {
        return None;
    }
    let (position, mark) = (stream.read_to(), stream.mark());
    let same = position > 0 && identity::is_same(copy, position, mark.prefix, mark.marker).unwrap_or(false);
    // A file that was only renamed may hold more than its copy.
    (same && own_file(&*tailer.files, stream).is_ok_and(|own| own.is_none())).then_some(key)
}

/// Whether it cannot be told yet what a suspect is.
fn is_in_doubt(tailer: &mut Tailer, suspect: &mut Suspect, copy: &mut Reader, now: Instant) -> bool {
    let is_packed = copy.is_compressed();
    let size = copy.stat().map_or(0, |stat| stat.size);
    if size != suspect.size.0 {
        suspect.size = (size, now);
    }
    let since = if is_packed { suspect.size.1 } else { suspect.since };
    let waits = now.saturating_duration_since(since) < COPY_WAIT;
    if !waits && !is_packed {
        return false;
    }
    let original = suspect.original.and_then(|id| tailer.by_id.get(&id)).and_then(|key| tailer.followed.get_mut(key));
    if let Some(original) = original
        && begins_alike(&*tailer.files, original, copy)
    {
        suspect.same_to = same_to(&*tailer.files, original, copy).unwrap_or(suspect.same_to);
        return true;
    }
    // While it was empty, it began as all do.
    suspect.original = original_of(tailer, &suspect.path, copy);
    suspect.same_to = 0;
    suspect.original.is_some() || (is_packed && waits)
}

/// The length of a copy, if what lies before its end is in the original, too, and was read there.
fn same_to(files: &dyn Files, original: &mut Followed, copy: &mut Reader) -> Option<u64> {
    if copy.is_compressed() {
        return None;
    }
    let length = copy.extent().ok()?.length;
    if length == 0 || length > original.stream.read_to() {
        return None;
    }
    let tail = length.min(FileMark::MARKER_BYTES);
    let copied = identity::read(copy, length - tail, tail).ok()?;
    let there = read_original(files, original, length - tail, tail)?;
    (copied == there && copied.len() as u64 == tail).then_some(length)
}

/// The file of a stream holds something else: the rest of what it held is read from its copy, if there is one, and the new
/// content from its beginning.
pub(super) fn replaced(tailer: &mut Tailer, key: Key, now: Instant) {
    let Some(followed) = tailer.followed.get_mut(&key) else { return };
    let (id, path) = (followed.stream.id, followed.stream.path.clone());
    let moved_from = followed.stream.moved_from.take();
    if let Some(before) = &moved_from {
        tailer.rename(key, before);
    }
    tailer.counts.replaced += 1;
    if tailer.by_id.get(&id) == Some(&key) {
        tailer.by_id.remove(&id);
    }
    let copy = copy_of(tailer, key);
    let Some(followed) = tailer.followed.get_mut(&key) else { return };
    followed.gone = Some(now);
    match copy {
        Some(copy) => go_on_in(tailer, key, copy),
        None => {
            if moved_from.is_none() {
                let lost = followed.stream.take_lost(true);
                turns::say_lost(&path, lost);
                tailer.counts.lost_bytes += lost;
            }
            followed.stream.file = None;
            followed.stream.finish();
            note_copies(tailer, id);
        }
    }
    // Another file that has its inode is new: discovery sees to it.
    if moved_from.is_none()
        && let Ok(reader) = Reader::open(&*tailer.files, &path)
        && reader.stat().is_ok_and(|stat| (stat.device, stat.inode) == id)
    {
        tailer.begin(path, reader, 0, now);
    }
}

/// A stream is read to its end in a file that nobody else writes to.
fn go_on_in(tailer: &mut Tailer, key: Key, copy: (PathBuf, Stat, Reader)) {
    let (path, stat, reader) = copy;
    tailer.rename(key, &path);
    let Some(followed) = tailer.followed.get_mut(&key) else { return };
    if tailer.by_id.get(&followed.stream.id) == Some(&key) {
        tailer.by_id.remove(&followed.stream.id);
    }
    followed.complete = true;
    followed.stream.again = None;
    followed.stream.continue_in(stat, reader);
    tailer.suspects.remove(&(stat.device, stat.inode));
    tailer.by_id.insert((stat.device, stat.inode), key);
}

/// A file beside it that holds all that was read of this stream.
fn copy_of(tailer: &Tailer, key: Key) -> Option<(PathBuf, Stat, Reader)> {
    let stream = &tailer.followed.get(&key)?.stream;
    let (position, mark) = (stream.read_to(), stream.mark());
    if position == 0 {
        return None;
    }
    siblings(&*tailer.files, &stream.path).into_iter().find_map(|path| {
        let mut reader = Reader::open(&*tailer.files, &path).ok()?;
        let stat = reader.stat().ok()?;
        let holder = tailer.by_id.get(&(stat.device, stat.inode)).and_then(|key| tailer.followed.get(key));
        let free = holder.is_none_or(|holder| holder.stream.moved_from.is_some());
        let same = free && identity::is_same(&mut reader, position, mark.prefix, mark.marker).unwrap_or(false);
        same.then_some((path, stat, reader))
    })
}

/// Suspects that hold less than was read: they need not be read.
fn note_copies(tailer: &mut Tailer, original: (u64, u64)) {
    let of_it: Vec<_> = tailer.suspects.extract_if(.., |_, suspect| suspect.original == Some(original)).collect();
    for (id, suspect) in of_it {
        let Ok(mut copy) = Reader::open(&*tailer.files, &suspect.path) else { continue };
        if suspect.same_to == 0 || copy.stat().map_or(0, |stat| stat.size) != suspect.same_to {
            continue;
        }
        let tail = suspect.same_to.min(FileMark::MARKER_BYTES);
        let read = (
            identity::read(&mut copy, 0, suspect.same_to.min(FileMark::PREFIX_BYTES)),
            identity::read(&mut copy, suspect.same_to - tail, tail),
        );
        let (Ok(head), Ok(tail)) = read else { continue };
        let mark = FileMark { device: id.0, inode: id.1, prefix: identity::hash(&head), marker: identity::hash(&tail) };
        let source = origin::source(&tailer.settings);
        tailer.known.add(Known { source, path: suspect.path, end: suspect.same_to, mark, seen: 0 });
    }
}

/// Opens the file of a stream again, under its name or under one that rotation gave it, or the copy that is left of it.
///
/// # Errors
/// There is none, or the operating system does not let us read it.
pub(super) fn reopen(tailer: &mut Tailer, key: Key) -> io::Result<()> {
    let gone = io::Error::from(io::ErrorKind::NotFound);
    let Some(followed) = tailer.followed.get_mut(&key) else { return Err(gone) };
    if let Some(reader) = own_file(&*tailer.files, &followed.stream)? {
        followed.stream.open(reader);
        return Ok(());
    }
    let copy = copy_of(tailer, key).ok_or(gone)?;
    go_on_in(tailer, key, copy);
    Ok(())
}

/// The file of a stream, under its name or under one that rotation gave it.
fn own_file(files: &dyn Files, stream: &Stream) -> io::Result<Option<Reader>> {
    let is_it = |reader: &Reader| reader.stat().is_ok_and(|stat| (stat.device, stat.inode) == stream.id);
    match Reader::open(files, &stream.path) {
        Ok(reader) if is_it(&reader) => return Ok(Some(reader)),
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    let opened = siblings(files, &stream.path).into_iter().filter_map(|path| Reader::open(files, &path).ok());
    let Some(mut reader) = opened.into_iter().find(is_it) else { return Ok(None) };
    // Of which nothing was read, nothing tells that its inode is not another file's by now.
    let is_its = stream.read_to() > 0 || !reader.is_compressed();
    Ok(is_its.then_some(reader))
}

/// Rotated files beside a path.
fn siblings(files: &dyn Files, path: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<Entry> = Vec::new();
    let folder = folder_of(path);
    if files.list(folder, &mut entries).is_err() {
        return Vec::new();
    }
    let mut found: Vec<_> = entries.iter().map(|entry| folder.join(&entry.name)).collect();
    found.retain(|sibling| is_rotation_of(sibling, path));
    found.sort();
    found.truncate(SIBLINGS_MAX);
    found
}

/// After a start: contents that no file found by the patterns holds may go on in a rotated file that none names.
pub(super) fn seek_rests(tailer: &mut Tailer, now: Instant) {
    let mut folders: HashMap<PathBuf, Vec<PathBuf>> = HashMap::new();
    for known in tailer.known.sought() {
        let files = &*tailer.files;
        let beside = folders.entry(stem_of(&known.path)).or_insert_with(|| siblings(files, &known.path)).clone();
        let id = (known.mark.device, known.mark.inode);
        let mut readers: Vec<_> = beside
            .into_iter()
            .filter_map(|path| {
                let reader = Reader::open(files, &path).ok()?;
                let stat = reader.stat().ok()?;
                Some((path, (stat.device, stat.inode), reader))
            })
            .filter(|(_, id, _)| !tailer.by_id.contains_key(id))
            .collect();
        readers.sort_by_key(|(_, other, _)| *other != id);
        let found = readers.into_iter().find_map(|(path, other, mut reader)| {
            let same = known.is_in(&mut reader).unwrap_or(false);
            let more = same && reader.read(&mut [0], known.end).is_ok_and(|count| count > 0);
            same.then_some((path, other, reader, more))
        });
        if let Some((path, other, reader, true)) = found {
            tailer.known.take(&known.source);
            let key = tailer.resume(&known, path, reader, now);
            if let Some(followed) = key.and_then(|key| tailer.followed.get_mut(&key)) {
                followed.gone = Some(now);
                followed.complete = other != id;
            }
        }
    }
}
