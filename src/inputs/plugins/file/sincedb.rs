//! `sincedb_path`: how far files were read, for who looks at it, and for a start without a log that knows.
//!
//! Where the log and the sincedb both know a file, the one that is further counts. The sincedb is what can be deleted, so that files are read anew, copied
//! to another machine, or taken over from Logstash, whose format it has: inode, major and minor device, position, when that
//! was (seconds since 1970), path.

use crate::{
    clock,
    flow::{FileMark, LogId, Span},
    inputs::files::{
        self, FilesStatus,
        glob::{Found, Globs},
        identity,
        tree::RealTree,
    },
    log::{KnownFile, PositionSet, SourceState, SourceTable},
};
use logship_parsers::config::{Diagnostic, ast::Value, typed};
use rustix::fs::{major, minor};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Files in a sincedb at most; past it those of the least inodes are left out.
pub const ENTRIES_MAX: usize = 100_000;

/// One file: inode, major and minor device.
type Id = (u64, u32, u32);

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    position: u64,
    /// Seconds since 1970.
    seen: f64,
    path: String,
}

/// The file, and what is in it.
#[derive(Debug)]
pub(super) struct Sincedb {
    path: PathBuf,
    /// How often it is written.
    pub(super) every: Duration,
    /// After this long a file that is not followed is left out.
    keeps: Duration,
    entries: BTreeMap<Id, Entry>,
    /// Why it could not be written the last time.
    failed: Option<String>,
}

/// Reads the option: its file, which a folder cannot be.
pub(super) fn path(value: &Value) -> typed::Read<PathBuf> {
    let path = PathBuf::from(typed::text(value)?);
    match path.is_dir() {
        true => Err(Diagnostic::error(value.span.0, format!("`{}` is a folder, not a file", path.display()))),
        false => Ok(path),
    }
}

impl Sincedb {
    pub(super) fn new(path: PathBuf, every: Duration, keeps: Duration) -> Sincedb {
        Sincedb { path, every, keeps, entries: BTreeMap::new(), failed: None }
    }

    /// What a start knows: what the log does, and of files that it knows less of what the sincedb says. Nothing where there is no sincedb; then
    /// it is made, so that a crash after that forgets nothing.
    pub(super) fn known(&mut self, input: &str, log: SourceTable, globs: &mut Globs) -> SourceTable {
        let text = match fs::read(&self.path) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                self.write(&FilesStatus::default());
                // Where there cannot be one, that there is none says nothing.
                return if self.failed.is_none() { SourceTable::default() } else { log };
            }
            Err(cause) => {
                tracing::warn!("cannot read {}: {cause}: what the log knows counts", self.path.display());
                return log;
            }
        };
        self.entries = text.lines().filter_map(parse).take(ENTRIES_MAX).collect();
        let mut known = log;
        let mut found = Vec::new();
        globs.walk(&RealTree, &mut found);
        for file in &found {
            let (device, inode) = (file.stat.device, file.stat.inode);
            let Some(entry) = self.entries.get(&(inode, major(device), minor(device))) else { continue };
            let is_this = |known: &KnownFile| (known.mark.device, known.mark.inode) == (device, inode);
            let own = known.iter().find(|(_, state)| state.file.as_ref().is_some_and(is_this));
            // The log is ahead of what is written now and then, but not of another log's.
            let source = match own {
                Some((_, state)) if state.positions.end() >= entry.position => continue,
                Some((source, _)) => source.to_owned(),
                None => format!("{}{}", files::prefix(input), LogId::random()),
            };
            match state(file, entry) {
                Ok(Some(state)) => _ = known.swap(&source, Some(state)),
                // It was written anew since.
                Ok(None) => {}
                Err(cause) => tracing::warn!("{}: {cause}: it is read from its beginning", file.path),
            }
        }
        known
    }

    /// Writes how far files are.
    pub(super) fn write(&mut self, status: &FilesStatus) {
        let now = clock::now().as_millis() as f64 / 1_000.0;
        for file in &status.files {
            // One that is gone has no place to be looked for.
            let Ok(stat) = fs::metadata(&file.path) else { continue };
            let id = (stat.ino(), major(stat.dev()), minor(stat.dev()));
            let path = file.path.display().to_string();
            let entry = self.entries.entry(id).or_insert(Entry { position: 0, seen: now, path });
            if entry.position != file.durable {
                (entry.position, entry.seen) = (file.durable, now);
            }
        }
        let kept = now - self.keeps.as_secs_f64();
        let followed = |path: &str| status.files.iter().any(|file| file.path == Path::new(path));
        self.entries.retain(|_, entry| entry.seen >= kept || followed(&entry.path));
        while self.entries.len() > ENTRIES_MAX {
            self.entries.pop_first();
        }
        let mut text = String::new();
        for ((inode, major, minor), Entry { position, seen, path }) in &self.entries {
            _ = writeln!(text, "{inode} {major} {minor} {position} {seen} {path}");
        }
        let failed = crate::fs::replace(&crate::fs::RealFs, &self.path, text.as_bytes()).err();
        let failed = failed.map(|cause| cause.to_string());
        if let Some(cause) = failed.as_ref().filter(|_| failed != self.failed) {
            tracing::warn!("cannot write {}: {cause}: the log knows the positions", self.path.display());
        }
        self.failed = failed;
    }
}

fn parse(line: &str) -> Option<(Id, Entry)> {
    let mut parts = line.splitn(6, ' ');
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (inode, major, minor, position) = (number()?, number()?, number()?, number()?);
    let seen = parts.next().and_then(|seen| seen.parse().ok()).unwrap_or_default();
    let path = parts.next().unwrap_or_default().to_owned();
    Some(((inode, u32::try_from(major).ok()?, u32::try_from(minor).ok()?), Entry { position, seen, path }))
}

/// What the log would know of a file that was read so far; `None` where it is shorter.
fn state(found: &Found, entry: &Entry) -> io::Result<Option<SourceState>> {
    let position = entry.position;
    if found.stat.size < position {
        return Ok(None);
    }
    let mut file = File::open(&found.path)?;
    let mut hash = |from: u64, length: u64| -> io::Result<u64> {
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.by_ref().take(length).read_to_end(&mut bytes)?;
        Ok(identity::hash(&bytes))
    };
    let (first, before) = (position.min(FileMark::PREFIX_BYTES), position.min(FileMark::MARKER_BYTES));
    let (prefix, marker) = (hash(0, first)?, hash(position - before, before)?);
    let mark = FileMark { device: found.stat.device, inode: found.stat.inode, prefix, marker };
    let mut positions = PositionSet::default();
    positions.insert(Span { from: 0, to: position });
    Ok(Some(SourceState {
        positions,
        file: Some(KnownFile { path: found.path.clone(), mark }),
        seen: (entry.seen * 1_000.0) as i64,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::files::FileStatus;

    #[test]
    fn lines_are_those_of_logstash() {
        let check = |line: &str, expected: Option<(Id, u64, &str)>| {
            let read = parse(line);
            let read = read.as_ref().map(|(id, entry)| (*id, entry.position, entry.path.as_str()));
            assert_eq!(read, expected, "{line}");
        };
        check("12 0 51713 200 1510000000.5 /var/log/a b.log", Some(((12, 0, 51_713), 200, "/var/log/a b.log")));
        check("12 0 51713 200", Some(((12, 0, 51_713), 200, "")));
        check("{\"/a\":[1,2,3,4]}", None);
        check("", None);
    }

    #[test]
    fn positions_are_written_and_known_again() {
        let folder = tempfile::tempdir().unwrap();
        let (log, path) = (folder.path().join("a.log"), folder.path().join("sincedb"));
        fs::write(&log, "one\ntwo\nthree\n").unwrap();
        let mut globs = Globs::new(&[log.display().to_string()], &[]).unwrap();
        let sincedb = || Sincedb::new(path.clone(), Duration::ZERO, Duration::from_secs(60));
        assert!(sincedb().known("f", SourceTable::default(), &mut globs).is_empty());
        let file = FileStatus {
            path: log.clone(),
            size: 14,
            read: 8,
            durable: 8,
            lag_bytes: 6,
            lag: Duration::ZERO,
            failure: None,
        };
        sincedb().write(&FilesStatus { files: vec![file], ..FilesStatus::default() });
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(" 8 ") && text.ends_with("/a.log\n"), "{text}");
        let known = sincedb().known("f", SourceTable::default(), &mut globs);
        let states: Vec<_> = known.iter().map(|(_, state)| state.positions.end()).collect();
        assert_eq!(states, [8]);
        let again = sincedb().known("f", known.clone(), &mut globs);
        assert_eq!(again, known);
        fs::write(&log, "one\n").unwrap();
        assert!(sincedb().known("f", SourceTable::default(), &mut globs).is_empty());
        fs::remove_file(&path).unwrap();
        assert!(sincedb().known("f", known.clone(), &mut globs).is_empty());
        assert!(path.exists());
        let nowhere = Sincedb::new(folder.path().join("none/sincedb"), Duration::ZERO, Duration::ZERO);
        assert_eq!({ nowhere }.known("f", known.clone(), &mut globs), known);
    }
}
