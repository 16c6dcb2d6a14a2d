//! `manifest.json`: the list of partitions, replaced whole.
//!
//! It names the sealed partitions, oldest first, and exactly one open one. What it does not name does not exist: a folder
//! left by a crash before or after the one write is swept when the store is opened.

use super::StoreError;
use super::error::failed;
use super::tally::{Payload, Tally};
use crate::fs::{self, Fs};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

pub(super) const FILE: &str = "manifest.json";

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
    pub(super) fn load(fs: &dyn Fs, dir: &Path) -> Result<Option<Manifest>, StoreError> {
        let path = dir.join(FILE);
        let text = match fs::read(fs, &path) {
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

    pub(super) fn save(&self, fs: &dyn Fs, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(FILE);
        let mut text = serde_json::to_vec(self).map_err(|e| failed("write", &path)(io::Error::other(e)))?;
        text.push(b'\n');
        fs::replace(fs, &path, &text).map_err(failed("write", &path))
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
pub(super) fn folders(fs: &dyn Fs, dir: &Path) -> Result<Vec<(u64, PathBuf)>, StoreError> {
    let names = fs.list(dir).map_err(failed("list", dir))?;
    let id = |name: &String| name.strip_prefix("p-")?.parse().ok();
    Ok(names.iter().filter_map(|name| Some((id(name)?, dir.join(name)))).collect())
}

/// The sum of the file sizes of a folder.
pub(super) fn size_of(fs: &dyn Fs, path: &Path) -> Result<u64, StoreError> {
    let names = fs.list(path).map_err(failed("list", path))?;
    // A file that a merge removes meanwhile has no size.
    Ok(names.iter().map(|name| fs.len(&path.join(name)).unwrap_or(0)).sum())
}
