//! Whether the files of the index still hold what was written: the engine ends each with a checksum that it never looks at.
//!
//! Opening a store verifies the open partition, then sealed ones, the newest first, until [`VERIFY_AT_OPEN_BYTES_MAX`] were
//! read. [`Scrub`] verifies the rest once, at [`SCRUB_BYTES_PER_SECOND_MAX`], while the store is being used. A merge
//! verifies what it reads, since its result would have a good checksum over bad bytes.
//!
//! Limits: files written since the store was opened are verified only by merges; `meta.json` has no checksum, its counts
//! are compared with the segments instead.

use super::StoreError;
use super::error::{damaged, unreadable};
use super::partition::files_of;
use super::sealed::Shelf;
use super::snapshot::{PartitionView, SnapshotHandle};
use crate::fs::{File, Fs};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tantivy::HasLen;
use tantivy::directory::FileSlice;
use tantivy::directory::footer::Footer;
use tantivy::index::SegmentId;

/// Bytes that are verified before a store is used: about 50 ms of a search without a server.
pub const VERIFY_AT_OPEN_BYTES_MAX: u64 = 128 << 20;
/// How fast the rest is verified meanwhile, so that searches hardly notice.
pub const SCRUB_BYTES_PER_SECOND_MAX: u64 = 64 << 20;
/// Bytes read at once.
const CHUNK: usize = 1 << 20;
/// Bytes in which a footer is looked for; it has about 100.
const FOOTER_BYTES_MAX: u64 = 4 << 10;

/// What is called after each chunk; `false` ends the work.
type GoOn<'a> = &'a mut dyn FnMut() -> bool;

/// The files of these segments, in a partition's folder.
pub(super) fn files(folder: &Path, segments: impl Iterator<Item = SegmentId>) -> Vec<PathBuf> {
    segments.flat_map(|segment| files_of(&segment)).map(|file| folder.join(file)).collect()
}

/// Verifies files as far as the budget goes. A budget of zero afterwards means that it was not enough.
///
/// # Errors
/// One of them is damaged.
pub(super) fn verify_within(fs: &dyn Fs, files: &[PathBuf], budget: &mut u64) -> Result<(), StoreError> {
    for path in files {
        let size = fs.len(path).unwrap_or(0);
        if size > *budget {
            *budget = 0;
            return Ok(());
        }
        *budget -= size;
        verify(fs, path, &mut || true)?;
    }
    Ok(())
}

/// Verifies all of these files.
///
/// # Errors
/// One of them is damaged.
pub(super) fn verify_all(fs: &dyn Fs, files: &[PathBuf], go_on: GoOn<'_>) -> Result<(), StoreError> {
    files.iter().try_for_each(|path| verify(fs, path, go_on))
}

/// A file that is not there is not damaged: segments lack files that they do not need, and merges and retention remove
/// files meanwhile. What is missing and needed is found when the index is opened.
fn verify(fs: &dyn Fs, path: &Path, go_on: GoOn<'_>) -> Result<(), StoreError> {
    match fs.open(path).and_then(|file| is_whole(&*file, go_on)) {
        Ok(true) => Ok(()),
        Ok(false) => Err(damaged(path, "the file is damaged (its checksum does not match)")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// Read and not mapped, so that a bad disk gives an error and the pages do not count as this process's memory.
fn is_whole(file: &dyn File, go_on: GoOn<'_>) -> io::Result<bool> {
    let size = file.size()?;
    let tail_at = size.saturating_sub(FOOTER_BYTES_MAX);
    let mut tail = vec![0; usize::try_from(size - tail_at).map_err(io::Error::other)?];
    read_exact(file, &mut tail, tail_at)?;
    let (footer, before) = Footer::extract_footer(FileSlice::from(tail))?;
    let end = tail_at + before.len() as u64;
    let mut hasher = crc32fast::Hasher::new();
    let mut chunk = vec![0; CHUNK.min(usize::try_from(end).unwrap_or(CHUNK))];
    let mut at = 0;
    while at < end {
        let size = chunk.len().min(usize::try_from(end - at).unwrap_or(CHUNK));
        read_exact(file, &mut chunk[..size], at)?;
        hasher.update(&chunk[..size]);
        at += size as u64;
        if !go_on() {
            return Ok(true);
        }
    }
    Ok(hasher.finalize() == footer.crc)
}

fn read_exact(file: &dyn File, into: &mut [u8], at: u64) -> io::Result<()> {
    if file.read_at(into, at)? == into.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// What opening a store left to verify.
pub struct Scrub {
    pub(super) fs: Arc<dyn Fs>,
    /// The partition that was open, if it was not verified whole.
    pub(super) open: Option<Unverified>,
    /// Sealed ones, the newest first.
    pub(super) sealed: Vec<Unverified>,
    pub(super) shelf: Shelf,
    pub(super) handle: SnapshotHandle,
}

/// A partition that was not verified. By paths, so that files which go away meanwhile are not kept open.
pub(super) struct Unverified {
    pub(super) id: u64,
    pub(super) files: Vec<PathBuf>,
}

impl Unverified {
    pub(super) fn of(view: &PartitionView) -> Unverified {
        let segments = view.searcher.segment_readers().iter().map(|segment| segment.segment_id());
        Unverified { id: view.id, files: files(&view.path, segments) }
    }
}

impl Scrub {
    /// Whether there is nothing left to verify.
    pub(super) fn is_empty(&self) -> bool {
        self.open.is_none() && self.sealed.is_empty()
    }

    /// Verifies until everything is or `stop` says so. A damaged sealed partition is left out of searches from then on,
    /// and `found` gets a line about it.
    ///
    /// # Errors
    /// The open partition is damaged: the store must not be used any more.
    pub fn run(self, stop: &dyn Fn() -> bool, found: &mut dyn FnMut(&str)) -> Result<(), StoreError> {
        let pause = Duration::from_micros(CHUNK as u64 * 1_000_000 / SCRUB_BYTES_PER_SECOND_MAX);
        let mut go_on = || {
            std::thread::sleep(pause);
            !stop()
        };
        let open = self.open.map(|partition| (partition, true));
        for (partition, was_open) in open.into_iter().chain(self.sealed.into_iter().map(|sealed| (sealed, false))) {
            if stop() {
                return Ok(());
            }
            let Err(error) = verify_all(&*self.fs, &partition.files, &mut go_on) else { continue };
            // It may have been sealed meanwhile, or dropped.
            match self.shelf.set_aside(partition.id, &error, &self.handle) {
                Some(line) => found(&line),
                None if was_open && self.shelf.is_open(partition.id) => return Err(error.of_the_open_partition()),
                None => {}
            }
        }
        Ok(())
    }
}
