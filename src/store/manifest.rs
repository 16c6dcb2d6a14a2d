//! `manifest.json`: the list of partitions, replaced whole.
//!
//! It names the sealed partitions, oldest first, and exactly one open one. What it does not name does not exist: a folder
//! left by a crash before or after the one write is swept when the store is opened.

use super::StoreError;
use super::directory::replace;
use super::error::failed;
use super::tally::{Payload, Tally};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::{fs, io};

const FILE: &str = "manifest.json";

/// One sealed partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub(super) id: u64,
    pub(super) bytes: u64,
    pub(super) sealed: i64,
    /// Its last commit payload: its counts, and the progress of all logs at the time.
    pub(super) payload: Payload,
}

impl Sealed {
    pub(super) fn tally(&self) -> &Tally {
        &self.payload.tally
    }
}

/// The list of partitions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    v: u32,
    /// The number of the next partition; never used again.
    pub(super) next: u64,
    pub(super) open: u64,
    pub(super) partitions: Vec<Sealed>,
}

impl Manifest {
    pub(super) fn new(open: u64) -> Manifest {
        Manifest { v: 1, next: open + 1, open, partitions: Vec::new() }
    }

    /// Reads the manifest; none if there is no file.
    pub(super) fn load(dir: &Path) -> Result<Option<Manifest>, StoreError> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path)(error)),
        };
        let damaged = |what: String| StoreError::Corrupt {
            path: path.clone(),
            what,
            remedy: "restore it from a backup, or move the whole folder away to start with an empty store",
        };
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        match serde_json::from_slice::<Version>(&text) {
            Ok(Version { v: 1 }) => {}
            Ok(Version { v }) => return Err(StoreError::Newer { path, found: format!("manifest {v}") }),
            Err(error) => return Err(damaged(format!("not a manifest: {error}"))),
        }
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| damaged(format!("not a manifest: {error}")))?;
        let mut ids: Vec<u64> = manifest.partitions.iter().map(|sealed| sealed.id).chain([manifest.open]).collect();
        ids.sort_unstable();
        let distinct = ids.windows(2).all(|pair| pair[0] < pair[1]);
        if !distinct || ids.last().is_some_and(|last| *last >= manifest.next) {
            return Err(damaged("its partition numbers contradict each other".to_owned()));
        }
        Ok(Some(manifest))
    }

    pub(super) fn save(&self, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(FILE);
        let mut text = serde_json::to_vec(self).map_err(|e| failed("write", &path)(io::Error::other(e)))?;
        text.push(b'\n');
        replace(&path, &text)
    }

    pub(super) fn names(&self, id: u64) -> bool {
        self.open == id || self.partitions.iter().any(|sealed| sealed.id == id)
    }
}

/// The folder of a partition.
pub(super) fn folder(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("p-{id}"))
}

/// The partition folders that are there, by number.
pub(super) fn folders(dir: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed("list", dir))? {
        let entry = entry.map_err(failed("list", dir))?;
        let id = entry.file_name().to_str().and_then(|name| name.strip_prefix("p-")?.parse().ok());
        found.extend(id.map(|id| (id, entry.path())));
    }
    Ok(found)
}

/// The sum of the file sizes of a folder.
pub(super) fn size_of(path: &Path) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for entry in fs::read_dir(path).map_err(failed("list", path))? {
        // A file that a merge removes meanwhile has no size.
        bytes += entry.and_then(|entry| entry.metadata()).map_or(0, |meta| meta.len());
    }
    Ok(bytes)
}
