//! Files that are read once and whole: `mode => "read"`.
//!
//! A file was read when all of it is safe; then it is noted, unless it is deleted. It is read again, from its beginning, when it is
//! another or has changed, and after a crash or a stop before that.

use super::{Entrance, FORGETTING, InputError, Source};
use crate::{
    clock,
    config::Options,
    event::Value,
    flow::Stop,
    inputs::files::{
        glob::{Found, Globs},
        tree::RealTree,
    },
};
use flate2::read::MultiGzDecoder;
use logship_parsers::config::{Diagnostic, FieldRef, typed};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

/// Files that are noted as read at most; then the first in the alphabet are forgotten.
pub const NOTED_MAX: usize = 100_000;

/// What happens to a file that was read.
pub(super) struct Completed {
    deletes: bool,
    /// Where its path is written.
    log: Option<PathBuf>,
    by_path: bool,
    descending: bool,
    exits: bool,
    /// Compressed files are read through before anything of them is taken.
    checks: bool,
}

impl Completed {
    pub(super) fn read(options: &mut Options<'_>) -> Option<Completed> {
        let place = options.place();
        let actions = ["delete", "log", "log_and_delete"];
        let action = options.get("file_completed_action", |value| typed::choice(value, &actions).map(str::to_owned));
        let action = action.as_deref().unwrap_or("delete");
        let log = options.text("file_completed_log_path").map(PathBuf::from);
        if action != "delete" && log.is_none() {
            let message = format!("`file_completed_action => \"{action}\"` needs the option `file_completed_log_path`");
            options.report(Diagnostic::error(place, message));
            return None;
        }
        let by =
            options.get("file_sort_by", |value| typed::choice(value, &["last_modified", "path"]).map(str::to_owned));
        let direction =
            options.get("file_sort_direction", |value| typed::choice(value, &["asc", "desc"]).map(str::to_owned));
        Some(Completed {
            deletes: action != "log",
            log: log.filter(|_| action != "delete"),
            by_path: by.as_deref() == Some("path"),
            descending: direction.as_deref() == Some("desc"),
            exits: options.flag("exit_after_read", false),
            checks: options.flag("check_archive_validity", false),
        })
    }
}

/// The input.
pub(super) struct Whole {
    globs: Globs,
    /// The field that has the path.
    path: FieldRef,
    /// What lines end with, where that is no line end.
    delimiter: Option<Vec<u8>>,
    sincedb: Option<PathBuf>,
    completed: Completed,
    ignore_older: Option<Duration>,
    every: Duration,
    /// What was read and is still there, by path.
    noted: BTreeMap<String, Identity>,
}

impl Whole {
    pub(super) fn new(
        (globs, path, delimiter): (Globs, FieldRef, Option<Vec<u8>>),
        sincedb: Option<PathBuf>,
        completed: Completed,
        ignore_older: Option<Duration>,
        every: Duration,
    ) -> Whole {
        Whole { globs, path, delimiter, sincedb, completed, ignore_older, every, noted: BTreeMap::new() }
    }

    /// Files that are to be read now, in their order.
    fn found(&mut self) -> Vec<Found> {
        let mut found = Vec::new();
        let walked = self.globs.walk(&RealTree, &mut found);
        for skipped in &walked.skipped {
            tracing::warn!("{}: {}", skipped.path, skipped.reason);
        }
        let now = clock::now();
        let is_old = |found: &Found| {
            let age = Duration::from_nanos(u64::try_from(now.as_nanos() - found.stat.modified_ns).unwrap_or_default());
            self.ignore_older.is_some_and(|limit| age > limit)
        };
        found.retain(|file| self.noted.get(&file.path) != Some(&identity(file)) && !is_old(file));
        match self.completed.by_path {
            true => found.sort_by(|a, b| a.path.cmp(&b.path)),
            false => found.sort_by_key(|file| file.stat.modified_ns),
        }
        if self.completed.descending {
            found.reverse();
        }
        found
    }

    fn read(&mut self, file: &Found, entrance: &Entrance, stop: &Stop) -> Result<bool, InputError> {
        if self.completed.checks
            && is_compressed(&file.path)
            && let Err(cause) = open(&file.path).and_then(|mut whole| io::copy(&mut whole, &mut io::sink()))
        {
            tracing::warn!("{}: {cause}: nothing of it is taken until it has changed", file.path);
            self.note(file, false);
            return Ok(true);
        }
        let opened = match open(&file.path) {
            Ok(opened) => opened,
            Err(cause) => {
                tracing::warn!("{}: {cause}", file.path);
                return Ok(false);
            }
        };
        let mut reader = opened;
        let cut = self.delimiter.as_ref().map(|delimiter| entrance.cut_at(delimiter));
        let mut stream = cut.as_ref().unwrap_or(entrance).stream([(self.path.clone(), Value::from(file.path.clone()))]);
        let mut is_whole = true;
        loop {
            match stream.read_from(&mut reader) {
                Ok(true) if stop.is_requested() => return Ok(false),
                Ok(true) => {}
                Ok(false) => break,
                Err(InputError::Failed(cause)) => {
                    tracing::warn!(
                        "{}: {cause}: it stays where it is, and is read again when it has changed",
                        file.path
                    );
                    is_whole = false;
                    break;
                }
                Err(closed) => return Err(closed),
            }
        }
        stream.finish()?;
        stream.settle()?;
        self.note(file, is_whole);
        Ok(true)
    }

    fn note(&mut self, file: &Found, is_whole: bool) {
        if is_whole {
            self.complete(file);
        }
        // One that is gone may be followed by another of its name, with its inode and size.
        if is_whole && self.completed.deletes {
            self.noted.remove(&file.path);
            return;
        }
        self.noted.insert(file.path.clone(), identity(file));
        if self.noted.len() > NOTED_MAX {
            self.noted.pop_first();
        }
        if let Some(path) = &self.sincedb
            && let Err(cause) = write_notes(path, &self.noted)
        {
            tracing::warn!("cannot write {}: {cause}: files may be read again after a restart", path.display());
        }
    }

    fn complete(&self, file: &Found) {
        if let Some(log) = &self.completed.log
            && let Err(cause) = append(log, &file.path)
        {
            tracing::warn!("cannot write {}: {cause}", log.display());
        }
        if self.completed.deletes
            && let Err(cause) = fs::remove_file(&file.path)
        {
            tracing::warn!("cannot delete {}: {cause}", file.path);
        }
    }
}

impl Source for Whole {
    fn run(mut self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let beside = entrance.log().map(|log| log.dir.join(format!("{}.read.json", entrance.name())));
        self.sincedb = self.sincedb.or(beside).filter(|path| path != Path::new(FORGETTING));
        if let Some(path) = &self.sincedb {
            self.noted = read_notes(path)?;
        }
        loop {
            for file in self.found() {
                if stop.is_requested() {
                    return Ok(());
                }
                self.read(&file, entrance, stop)?;
            }
            if self.completed.exits || stop.wait(self.every) {
                return Ok(());
            }
        }
    }
}

/// Device, inode, size and time of the last change.
type Identity = (u64, u64, u64, i64);

fn identity(file: &Found) -> Identity {
    (file.stat.device, file.stat.inode, file.stat.size, file.stat.modified_ns)
}

fn is_compressed(path: &str) -> bool {
    path.ends_with(".gz") || path.ends_with(".gzip")
}

/// A file, inflated where its name says that it is compressed.
fn open(path: &str) -> io::Result<Box<dyn Read>> {
    let file = File::open(path)?;
    match is_compressed(path) {
        true => Ok(Box::new(MultiGzDecoder::new(io::BufReader::new(file)))),
        false => Ok(Box::new(file)),
    }
}

fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = File::options().create(true).append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}

fn write_notes(path: &Path, noted: &BTreeMap<String, Identity>) -> io::Result<()> {
    crate::fs::replace(&crate::fs::RealFs, path, &serde_json::to_vec(noted)?)
}

fn read_notes(path: &Path) -> io::Result<BTreeMap<String, Identity>> {
    let bytes = match fs::read(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other?,
    };
    let wrong = |cause| io::Error::other(format!("{} is no sincedb of ours: {cause}; name another", path.display()));
    serde_json::from_slice(&bytes).map_err(wrong)
}
