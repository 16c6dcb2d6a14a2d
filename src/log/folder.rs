//! What any process may do with the folders of logs.

use super::{
    LogError,
    frame::{self, Place},
    reader::{Limit, Reader},
    segment::{self, Segment},
    sources::SourceTable,
};
use crate::flow::{LogId, Pos};
use crate::fs::{Fs, Lock, remove_folder};
use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

/// The file whose lock the writer holds.
pub(super) const LOCK: &str = "lock";
/// What the name of a log begins with while it comes into being.
pub(super) const NEW: &str = ".new-";
/// What it begins with while it goes.
const OLD: &str = ".old-";

/// A log that [`list`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The log.
    pub id: LogId,
    /// Its folder.
    pub dir: PathBuf,
    /// Somebody writes it (or is taking it over this moment).
    pub alive: bool,
}

/// All logs in `root`, by id; none if `root` is missing.
///
/// # Errors
/// The folder cannot be read.
pub fn list(fs: &dyn Fs, root: &Path) -> Result<Vec<Found>, LogError> {
    let mut found = Vec::new();
    for id in names(fs, root)?.iter().filter_map(|name| name.parse::<LogId>().ok()) {
        let dir = root.join(id.to_string());
        let lock = dir.join(LOCK);
        let alive = fs.is_locked(&lock).map_err(LogError::io("lock", &lock))?;
        found.push(Found { id, dir, alive });
    }
    found.sort_unstable_by_key(|found| found.id);
    Ok(found)
}

/// When a log was begun, by the clock of the file system: of several lives one behind the other, in which order they were. Its
/// lock is written then and never again. `None` where nobody can tell.
#[must_use]
pub fn begun(dir: &Path) -> Option<SystemTime> {
    std::fs::metadata(dir.join(LOCK)).and_then(|lock| lock.modified()).ok()
}

fn names(fs: &dyn Fs, dir: &Path) -> Result<Vec<String>, LogError> {
    match fs.list(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(LogError::io("list", dir)),
    }
}

/// The log whose folder this is.
pub(super) fn id_of(dir: &Path) -> Result<LogId, LogError> {
    let id = dir.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    id.ok_or_else(|| LogError::NoLog { dir: dir.to_owned() })
}

/// The bytes of all files of a log.
pub(super) fn bytes(fs: &dyn Fs, dir: &Path) -> Result<u64, LogError> {
    let mut sum = 0;
    for name in names(fs, dir)? {
        let path = dir.join(name);
        sum += match fs.len(&path) {
            // Trimmed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            other => other.map_err(LogError::io("read the size of", &path))?,
        };
    }
    Ok(sum)
}

/// The bytes of all logs in `root` but one.
pub(super) fn bytes_beside(fs: &dyn Fs, root: &Path, id: LogId) -> Result<u64, LogError> {
    let mut sum = 0;
    for name in names(fs, root)? {
        if name.parse().is_ok_and(|other: LogId| other != id) {
            sum += bytes(fs, &root.join(name))?;
        }
    }
    Ok(sum)
}

fn take(fs: &dyn Fs, dir: &Path) -> Result<Box<dyn Lock>, LogError> {
    let lock = fs.try_lock(&dir.join(LOCK)).map_err(LogError::io("lock", dir))?;
    lock.ok_or_else(|| LogError::Alive { dir: dir.to_owned() })
}

/// Makes all that can be read of a dead log durable, so that it may be relied on: what its writer had not synced is only
/// in the operating system's memory, and a sync that failed may have left it there for good, so what follows the last mark
/// is written again. Positions stay. Must come before a dead log is read into a store or its sources are believed; doing
/// it again is harmless. Needs no room, so that a full disk can be left by reading what is on it.
///
/// # Errors
/// The log is alive, or a file cannot be read or written.
pub fn settle(fs: &Arc<dyn Fs>, dir: &Path) -> Result<(), LogError> {
    let id = id_of(dir)?;
    let _lock = take(&**fs, dir)?;
    fs.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    // Older segments were durable before the newest was begun.
    let Some(&base) = segment::bases(&**fs, dir)?.last() else { return Ok(()) };
    let mut reader = Reader::open(fs, dir, base)?;
    while reader.next(Limit::Everything)?.is_some() {}
    let mut segment = Segment::open(&**fs, dir, id, base)?;
    let marked = reader.marked().max(base);
    match segment.data {
        Some(data) if reader.sound() > marked => {
            rewrite(&**fs, &segment, data, marked, Place { log: id, pos: reader.sound() })
        }
        _ => segment.file.sync_data().map_err(LogError::io("sync", &segment.path)),
    }
}

/// Writes the frames from `from` to `end` over themselves, so that there is something to sync, and marks them.
///
/// In place, because each byte stays what it is: whatever part of it a crash keeps, frames that were durable still are,
/// and of the others it is as if this had not begun. (A frame can be durable and not marked: the mark is written after
/// the sync and may fail.) That sectors survive being overwritten with what they hold is what appending behind durable
/// bytes relies on as well.
fn rewrite(fs: &dyn Fs, segment: &Segment, data: u64, from: Pos, end: Place) -> Result<(), LogError> {
    let offset = |pos: Pos| data + (pos.0 - segment.base.0);
    let rewritten = (|| {
        let mut file = fs.edit(&segment.path)?;
        // What is no frame and has none behind it: the mark takes its place.
        file.truncate(offset(end.pos))?;
        let (mut chunk, mut at) = (vec![0; 1 << 20], offset(from));
        while at < offset(end.pos) {
            let want = usize::try_from(offset(end.pos) - at).unwrap_or(usize::MAX).min(chunk.len());
            let read = file.read_at(&mut chunk[..want], at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.write_at(&chunk[..read], at)?;
            at += read as u64;
        }
        file.sync_data()?;
        let mut mark = Vec::new();
        frame::put_mark(&mut mark, end);
        // It only spares the next settling its work, and may be what there is no room for.
        let _ = file.write_at(&mark, at);
        Ok(())
    })();
    rewritten.map_err(LogError::io("rewrite", &segment.path))
}

/// How far the files of a log reach now, dead or alive; what lies before it need not be durable or whole.
///
/// # Errors
/// The folder cannot be read, or is no log.
pub fn end_of(fs: &dyn Fs, dir: &Path) -> Result<Pos, LogError> {
    let id = id_of(dir)?;
    let base = segment::bases(fs, dir)?.last().copied().ok_or_else(|| LogError::NoLog { dir: dir.to_owned() })?;
    Ok(Segment::open(fs, dir, id, base)?.end)
}

/// Where the segments of a log begin, in order: each but the newest can be trimmed from the beginning on.
///
/// # Errors
/// The folder cannot be read.
pub fn bases(fs: &dyn Fs, dir: &Path) -> Result<Vec<Pos>, LogError> {
    segment::bases(fs, dir)
}

/// What a dead log knows of its sources. The log is settled first.
///
/// # Errors
/// As [`settle`].
pub fn sources_of(fs: &Arc<dyn Fs>, dir: &Path) -> Result<SourceTable, LogError> {
    settle(fs, dir)?;
    sources(fs, dir, Limit::Everything)
}

/// What a log that its writer may still hold knows of its sources by now.
///
/// # Errors
/// A file cannot be read.
pub fn sources_by_now(fs: &Arc<dyn Fs>, dir: &Path) -> Result<SourceTable, LogError> {
    sources(fs, dir, Limit::Marked)
}

fn sources(fs: &Arc<dyn Fs>, dir: &Path, limit: Limit) -> Result<SourceTable, LogError> {
    let id = id_of(dir)?;
    let bases = segment::bases(&**fs, dir)?;
    let Some(&(mut from)) = bases.first() else { return Ok(SourceTable::default()) };
    let mut table = SourceTable::default();
    for &base in bases.iter().rev() {
        if let Some(newest) = Segment::open(&**fs, dir, id, base)?.table()? {
            (from, table) = (base, newest);
            break;
        }
    }
    let mut reader = Reader::open(fs, dir, from)?;
    while let Some(frame) = reader.next(limit)? {
        if let Some(span) = frame.batch.span {
            // It fitted when it was appended; a table over its limit only means that less is recognised.
            let _ = table.learn(&frame.batch, span);
        }
    }
    Ok(table)
}

/// Removes the segments that end at or before a position, which every output has; never the newest. How many.
///
/// # Errors
/// A file cannot be removed; those before it are.
pub fn trim(fs: &dyn Fs, dir: &Path, pos: Pos) -> Result<usize, LogError> {
    let bases = segment::bases(fs, dir)?;
    let removed = bases.iter().skip(1).take_while(|&&next| next <= pos).count();
    for &base in &bases[..removed] {
        let path = segment::path(dir, base);
        fs.remove_file(&path).map_err(LogError::io("remove", &path))?;
    }
    if removed > 0 {
        fs.sync_dir(dir).map_err(LogError::io("sync", dir))?;
    }
    Ok(removed)
}

/// Removes a dead log that every output has whole, and whose sources a later log carries.
///
/// # Errors
/// The log is alive, or cannot be removed; then it is there whole, or gone and its remains are tidied by the next log.
pub fn remove(fs: &dyn Fs, dir: &Path) -> Result<(), LogError> {
    let id = id_of(dir)?;
    let root = dir.parent().unwrap_or(Path::new("."));
    let _lock = take(fs, dir)?;
    let aside = root.join(format!("{OLD}{id}"));
    fs.rename(dir, &aside).map_err(LogError::io("rename", dir))?;
    fs.sync_dir(root).map_err(LogError::io("sync", root))?;
    remove_folder(fs, &aside).map_err(LogError::io("remove", &aside))
}

/// Removes what crashes left of logs that were coming or going.
pub(crate) fn tidy(fs: &dyn Fs, root: &Path) -> Result<(), LogError> {
    let mut remains = Vec::new();
    for name in names(fs, root)? {
        let id = name.strip_prefix(NEW).or_else(|| name.strip_prefix(OLD));
        let Some(id) = id else { continue };
        if fs.is_locked(&root.join(&name).join(LOCK)).unwrap_or(true) {
            continue;
        }
        // The rename settles the race with a writer that is just creating it: one of the two renames fails.
        let aside = root.join(format!("{OLD}{id}"));
        if name.starts_with(OLD) || fs.rename(&root.join(&name), &aside).is_ok() {
            remains.push(aside);
        }
    }
    if remains.is_empty() {
        return Ok(());
    }
    // Or a loss of power could bring a log back under its own name, emptied.
    fs.sync_dir(root).map_err(LogError::io("sync", root))?;
    for aside in remains {
        // Two may tidy at a time, and what cannot be removed harms nobody.
        let _ = remove_folder(fs, &aside);
    }
    Ok(())
}
