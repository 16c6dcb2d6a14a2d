//! Opening what is not being written: sealed partitions, and the whole store from another process.

use super::directory::PartitionDirectory;
use super::manifest::{Manifest, Sealed, folder};
use super::partition::{open_index, payload_of};
use super::schema::Schema;
use super::sealed::{SetAside, left_out, lines};
use super::snapshot::{PartitionView, Snapshot, SnapshotParts};
use super::verify::Unverified;
use super::{FORMAT, StoreError, VERIFY_AT_OPEN_BYTES_MAX};
use crate::event::Timestamp;
use crate::flow::Progress;
use crate::fs::{self, Fs};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// How often the store may change under a reader before it gives up: each time is a sealing or a retention.
const READ_ATTEMPTS_MAX: usize = 5;

/// Refuses a folder of a later version.
pub(super) fn check_format(fs: &dyn Fs, dir: &Path) -> Result<bool, StoreError> {
    let path = dir.join("FORMAT");
    let text = match fs::read(fs, &path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(StoreError::Io { doing: "read", path, cause }),
    };
    match text.trim().parse::<u32>() {
        Ok(FORMAT) => Ok(true),
        Ok(newer) if newer > FORMAT => Err(StoreError::Newer { path, found: newer.to_string() }),
        _ => Err(StoreError::Corrupt {
            path,
            what: format!("{:?} is no version of a store", text.trim()),
            remedy: "write 1 into it if the folder is a store of logship",
        }),
    }
}

/// Opens a sealed partition, verified as far as the budget goes.
fn open_sealed(fs: &Arc<dyn Fs>, dir: &Path, sealed: &Sealed, budget: &mut u64) -> Result<PartitionView, StoreError> {
    let path = folder(dir, sealed.id);
    let directory = PartitionDirectory::open(fs, &path)?;
    let (index, reader) = open_index(&directory, budget)?;
    let tally = payload_of(&index, &path)?.tally;
    Ok(PartitionView::new(sealed.id, &path, reader.searcher(), Schema::new(), &tally))
}

/// The sealed partitions of a manifest.
#[derive(Default)]
pub(super) struct Opened {
    pub(super) views: Vec<Arc<PartitionView>>,
    /// Those that are damaged.
    pub(super) set_aside: Vec<SetAside>,
    /// Those that the budget did not reach, the newest first.
    pub(super) unverified: Vec<Unverified>,
}

/// Opens the sealed partitions of a manifest and verifies the newest as far as the budget goes.
pub(super) fn open_all(fs: &Arc<dyn Fs>, dir: &Path, manifest: &Manifest, budget: &mut u64) -> Opened {
    let mut opened = Opened::default();
    for sealed in manifest.partitions.iter().rev() {
        match open_sealed(fs, dir, sealed, budget) {
            Ok(view) => {
                if *budget == 0 {
                    opened.unverified.push(Unverified::of(&view));
                }
                opened.views.push(Arc::new(view));
            }
            Err(error) => {
                let tally = sealed.tally();
                let times = [tally.min_time, tally.max_time].map(Timestamp::from_nanos);
                let line = left_out(&error, &folder(dir, sealed.id), tally.events, times);
                opened.set_aside.push((sealed.id, line));
            }
        }
    }
    opened.views.reverse();
    opened.set_aside.reverse();
    opened
}

/// The store at its last hard commit, without any lock and without writing a byte.
pub(super) fn open_read_only(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Snapshot, StoreError> {
    check_format(&**fs, dir)?;
    let mut attempt = 1;
    loop {
        let manifest = Manifest::load(&**fs, dir)?;
        let opened = match &manifest {
            Some(manifest) => read(fs, dir, manifest),
            None => Ok(snapshot(Vec::new(), Vec::new(), Progress::new())),
        };
        // What is missing may have been dropped or merged away meanwhile; what is missing again is damage.
        let changed = || Ok::<bool, StoreError>(Manifest::load(&**fs, dir)? != manifest);
        match opened {
            Ok(snapshot) if snapshot.set_aside().is_empty() || attempt >= READ_ATTEMPTS_MAX || !changed()? => {
                return Ok(snapshot);
            }
            Err(error) if attempt >= READ_ATTEMPTS_MAX => return Err(error),
            _ => attempt += 1,
        }
    }
}

fn read(fs: &Arc<dyn Fs>, dir: &Path, manifest: &Manifest) -> Result<Snapshot, StoreError> {
    let path = folder(dir, manifest.open);
    let directory = PartitionDirectory::open(fs, &path).map_err(StoreError::of_the_open_partition)?;
    let mut budget = VERIFY_AT_OPEN_BYTES_MAX;
    let opened =
        open_index(&directory, &mut budget).and_then(|(index, reader)| Ok((payload_of(&index, &path)?, reader)));
    let (payload, reader) = opened.map_err(StoreError::of_the_open_partition)?;
    let open = PartitionView::new(manifest.open, &path, reader.searcher(), Schema::new(), &payload.tally);
    let Opened { mut views, set_aside, .. } = open_all(fs, dir, manifest, &mut budget);
    views.push(Arc::new(open));
    Ok(snapshot(views, lines(&set_aside), payload.progress()))
}

fn snapshot(partitions: Vec<Arc<PartitionView>>, set_aside: Vec<String>, progress: Progress) -> Snapshot {
    Snapshot(Arc::new(SnapshotParts { schema: Schema::new(), partitions, progress, next_number: 0, set_aside }))
}
