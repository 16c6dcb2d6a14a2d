//! What can be set about a store, and what it says about itself.

use super::VERIFY_AT_OPEN_BYTES_MAX;
use crate::clock;
use crate::event::Timestamp;
use crate::fs::{Fs, RealFs};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

/// Events after which the open partition is sealed.
pub const SEAL_EVENTS_MAX: u64 = 10_000_000;
/// Bytes on disk after which the open partition is sealed.
pub const SEAL_BYTES_MAX: u64 = 4 << 30;
/// Memory of the segment being written; it is finished when it has grown to that.
pub const SEGMENT_MEMORY_MAX: usize = 50_000_000;
/// How long an added event may stay invisible: soft commits come that often while events arrive.
pub const SOFT_COMMIT_EVERY: Duration = Duration::from_secs(1);
/// How long an added event may stay without being durable in the store (it is durable in the log).
pub const HARD_COMMIT_EVERY: Duration = Duration::from_secs(30);
/// Bytes of stored events after which a hard commit is due whatever the time.
pub const HARD_COMMIT_BYTES: u64 = 64 << 20;
/// The part of the disk that ingest leaves free by default.
pub const FREE_BYTES_MIN: u64 = 512 << 20;

/// How often retention and sealing are looked at.
pub const MAINTAIN_EVERY: Duration = Duration::from_secs(10);

/// When the writer of a store commits and maintains it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// See [`SOFT_COMMIT_EVERY`].
    pub soft_every: Duration,
    /// See [`HARD_COMMIT_EVERY`].
    pub hard_every: Duration,
    /// See [`HARD_COMMIT_BYTES`].
    pub hard_bytes: u64,
    /// See [`MAINTAIN_EVERY`].
    pub maintain_every: Duration,
}

impl Default for Steps {
    fn default() -> Steps {
        Steps {
            soft_every: SOFT_COMMIT_EVERY,
            hard_every: HARD_COMMIT_EVERY,
            hard_bytes: HARD_COMMIT_BYTES,
            maintain_every: MAINTAIN_EVERY,
        }
    }
}

/// What can be set about a store.
#[derive(Clone)]
pub struct Options {
    /// Sealed partitions whose last event arrived longer ago are dropped.
    pub retention_age: Option<Duration>,
    /// The oldest sealed partitions are dropped while the store is larger.
    pub retention_bytes: Option<u64>,
    /// The oldest sealed partitions are dropped while the disk has less room.
    pub free_bytes_min: u64,
    /// See [`SEAL_EVENTS_MAX`].
    pub seal_events: u64,
    /// See [`SEAL_BYTES_MAX`].
    pub seal_bytes: u64,
    /// See [`SEGMENT_MEMORY_MAX`].
    pub segment_memory: usize,
    /// Bytes of the open partition that are verified before the store is used; the rest is left to
    /// [`super::Store::scrub`].
    pub verify_at_open: u64,
    /// When it is committed and maintained.
    pub steps: Steps,
    /// The file system that holds the store.
    pub fs: Arc<dyn Fs>,
    /// The time at which events arrive.
    pub now: fn() -> Timestamp,
    /// The free bytes of the disk that holds a folder.
    pub free_space: fn(&Path) -> io::Result<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            retention_age: None,
            retention_bytes: None,
            free_bytes_min: FREE_BYTES_MIN,
            seal_events: SEAL_EVENTS_MAX,
            seal_bytes: SEAL_BYTES_MAX,
            segment_memory: SEGMENT_MEMORY_MAX,
            verify_at_open: VERIFY_AT_OPEN_BYTES_MAX,
            steps: Steps::default(),
            fs: Arc::new(RealFs),
            now: clock::now,
            free_space: crate::fs::free_space,
        }
    }
}

/// Why a partition was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Older than [`Options::retention_age`].
    Age,
    /// The store was larger than [`Options::retention_bytes`].
    Size,
    /// The disk had less room than [`Options::free_bytes_min`].
    Disk,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DropReason::Age => "age",
            DropReason::Size => "size",
            DropReason::Disk => "disk",
        })
    }
}

/// A partition that retention dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Its number.
    pub id: u64,
    /// How many events it held.
    pub events: u64,
    /// Its size on disk.
    pub bytes: u64,
    /// Why.
    pub reason: DropReason,
}

/// What [`super::Store::maintain`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maintained {
    /// The partition that was sealed.
    pub sealed: Option<u64>,
    /// The partitions that were dropped, oldest first.
    pub dropped: Vec<Dropped>,
    /// The disk has less room than wanted and nothing is left to drop: ingest should refuse.
    pub full: bool,
}

/// Counts of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// Events that a search can find, and those not committed yet.
    pub events: u64,
    /// Bytes on disk as of the last hard commit.
    pub bytes: u64,
    /// Partitions, the open one among them.
    pub partitions: u64,
    /// Segments of the open partition.
    pub open_segments: u64,
    /// Fields with a column in the open partition.
    pub columns: u64,
    /// Values since the start that found no room for a column of their field.
    pub values_without_column: u64,
    /// Bytes of stored events since the last hard commit.
    pub uncommitted_bytes: u64,
}
