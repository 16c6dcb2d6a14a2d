//! The write-ahead log: records are durable here before anybody forgets them, and stay until every output has them.
//!
//! # Limits
//! [`LOG_BYTES_MAX`], [`SEGMENT_BYTES_MAX`], [`GROUP_BYTES_MAX`], [`UNSYNCED_BYTES_MAX`], [`SOURCES_MAX`],
//! [`SOURCE_BYTES_MAX`], [`RANGES_MAX`], [`TABLE_BYTES_MAX`], [`ORIGIN_BYTES_MAX`], and of a frame
//! [`crate::flow::FRAME_BYTES_MAX`] and [`crate::flow::RECORDS_PER_FRAME_MAX`]. Memory: the unsynced bytes once (at most
//! [`UNSYNCED_BYTES_MAX`] and a frame), the source table, and for each reader a chunk of 1 MiB or one frame.
//!
//! # Format
//! `DATA/log/<id>/` is one log, written by one process during one life; the id (48 random bits) is never used again. A
//! restart opens a new log. Its files: `lock`, held with `flock` by the writer, so lock free = log dead; and segments
//! `<base as 16 hex digits>.seg`. A segment is a header, the source table, then frames (`segment.rs`, `frame.rs`).
//! - A position counts the bytes of records frames and marks since the log's beginning; headers and tables do not count,
//!   so a frame keeps its position (and its events their ids) when it is written again to another segment.
//! - A segment's frames end where the next segment's base begins: bytes of an older segment beyond that are void.
//! - A segment comes into being whole: written aside, synced, renamed, folder synced. So does a log (`.new-<id>`), which
//!   goes as it came (`.old-<id>`); whoever opens a log removes what a crash left of either.
//! - The table holds what was durable at the base, so the newest table and the frames behind it are all that is known of
//!   the sources, and trimming loses nothing.
//! - After each group commit follows a mark: all before it is durable. Marks are not synced, and nothing is marked twice.
//!
//! # Operations
//! - **append** ([`open`], [`LogWriter::intake`]): a span inside the table is a duplicate, else it is framed and written at
//!   once and answered after the group's `fdatasync`. A batch that overlaps the table without lying inside is stored
//!   whole: sources must send again what they sent. *Prompt* groups close as soon as the queue is empty, because while one
//!   sync runs the next group gathers by itself; only after a group of several does the writer wait for as many again, no
//!   longer than the last sync took and 10 ms. A group closes at 1 MiB. *Relaxed* ones close after 250 ms or 4 MiB.
//! - **failure**: after a failed write or sync a segment is never written again. What is not durable goes byte by byte to a
//!   new segment whose base is the durable end; if that fails too it is cut off the old one and answered with an error,
//!   and the table forgets it. Only where the disk refuses even the cut may a restart find records that were answered
//!   with [`crate::flow::AppendError::Io`]: once, and the table then knows them.
//! - **read** ([`Reader`]): up to the watched end in the writing process, up to the last mark of another process's live log,
//!   as far as frames are valid in a dead one. A bad frame is skipped to the next valid one and counted.
//! - **take over a dead log**: [`settle`] (what its writer had not synced becomes durable in place, so that it can be relied on),
//!   [`sources_of`] into the table carried into the own log, then read it into the store, then [`remove`] it.
//! - **[`trim`]** removes segments that every output has; **[`list`]** tells live from dead. All but append work from any
//!   process.

#[cfg(test)]
pub(crate) mod clients;
mod folder;
mod frame;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod model;
mod reader;
mod room;
mod segment;
mod sources;
mod thread;
pub mod wire;
mod writer;

pub use folder::{Found, bases, begun, end_of, list, remove, settle, sources_by_now, sources_of, trim};
pub use frame::ORIGIN_BYTES_MAX;
pub use reader::{Limit, Reader, ReaderStats};
pub use room::{News, NoRoom, Room, look as look_for_room};
pub use segment::VERSION;
pub use sources::{
    KnownFile, PositionSet, RANGES_MAX, SOURCE_BYTES_MAX, SOURCES_MAX, SourceState, SourceTable, TABLE_BYTES_MAX,
    TooManySources,
};
pub use thread::{LogWriter, open, open_with_room};
#[cfg(test)]
pub(crate) use {folder::tidy, wire::tests::framed, writer::Writer};

use crate::flow::{LogId, Pos};
use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Most bytes of one log on disk; past it appends are answered `Full`.
pub const LOG_BYTES_MAX: u64 = 1 << 30;
/// Most bytes of a segment, unless its table and one frame take more.
pub const SEGMENT_BYTES_MAX: u64 = 32 << 20;
/// A group in which somebody waits closes at this size.
pub const GROUP_BYTES_MAX: usize = 1 << 20;
/// A group in which nobody waits closes at this size.
pub const UNSYNCED_BYTES_MAX: usize = 4 << 20;
/// Longest that a group in which somebody waits stays open.
pub const PROMPT_MAX: Duration = Duration::from_millis(10);
/// Longest that a group in which nobody waits stays open.
pub const RELAXED_MAX: Duration = Duration::from_millis(250);
/// A source not seen for a week is forgotten when the table is full.
pub const SOURCE_IDLE_MS: i64 = 7 * 24 * 3_600_000;

/// How large a log may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// [`LOG_BYTES_MAX`] unless set.
    pub bytes_max: u64,
    /// [`SEGMENT_BYTES_MAX`] unless set. At most a quarter of `bytes_max` is used, so that trimming can make room.
    pub segment_bytes_max: u64,
    /// The limit is for all logs beside it together: what dead ones hold is not taken twice.
    pub together: bool,
    /// Nothing more is taken in where the disk has less room than this; 0 unless set.
    pub free_bytes_min: u64,
    /// A disk without room for a new log is waited for: until then appends are answered `Full`.
    pub waits_for_room: bool,
}

/// Who makes room in a log that has none.
pub trait MakesRoom: std::fmt::Debug + Send + Sync {
    /// Waits until `is_there` says that there is room; false if there will be none soon. Nothing is written meanwhile.
    fn make(&self, is_there: &mut dyn FnMut() -> bool) -> bool;
}

impl Default for Options {
    fn default() -> Options {
        Options {
            bytes_max: LOG_BYTES_MAX,
            segment_bytes_max: SEGMENT_BYTES_MAX,
            together: false,
            free_bytes_min: 0,
            waits_for_room: false,
        }
    }
}

/// Why a log cannot be opened, read or removed.
#[derive(Debug)]
pub enum LogError {
    /// The file system said no.
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        cause: io::Error,
    },
    /// A later version wrote this segment.
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its format.
        version: u16,
    },
    /// Frames that were still wanted are gone.
    Gap {
        /// The log.
        log: LogId,
        /// The position from which on frames were wanted.
        wanted: Pos,
        /// The position of the first frame that is kept.
        first: Pos,
    },
    /// The log has a living writer, or somebody else is taking it over.
    Alive {
        /// The log's folder.
        dir: PathBuf,
    },
    /// The folder is no log.
    NoLog {
        /// The folder.
        dir: PathBuf,
    },
}

impl LogError {
    fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LogError {
        let path = path.to_owned();
        move |cause| LogError::Io { what, path, cause }
    }

    /// Whether the disk has no room for what was tried.
    #[must_use]
    pub fn is_no_room(&self) -> bool {
        matches!(self, LogError::Io { cause, .. } if is_no_room(cause))
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogError::Io { what, path, cause } => write!(f, "cannot {what} {}: {cause}", path.display()),
            LogError::Newer { path, version } => write!(
                f,
                "{} has log format {version}, this version reads up to {VERSION}: use the later version of logship that \
                 wrote it, or let that version drain it",
                path.display()
            ),
            LogError::Gap { log, wanted, first } => write!(
                f,
                "log {log} begins at position {:x}, but only what lies before {:x} was stored: records between are \
                 missing (was the log trimmed for another store, or the store restored from an old copy?)",
                first.0, wanted.0
            ),
            LogError::Alive { dir } => write!(f, "the log {} is in use by another process", dir.display()),
            LogError::NoLog { dir } => write!(f, "{} is not the folder of a log", dir.display()),
        }
    }
}

impl std::error::Error for LogError {}

fn is_no_room(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// What a log writer did, counted since it was opened.
#[derive(Debug, Default)]
pub struct LogCounters {
    /// Appends received, whatever became of them.
    pub appends: AtomicU64,
    /// Records made durable.
    pub records: AtomicU64,
    /// Their bytes.
    pub bytes: AtomicU64,
    /// Calls that made files or folders durable.
    pub fsyncs: AtomicU64,
    /// Appends answered as duplicates.
    pub duplicates: AtomicU64,
    /// Appends answered with an error.
    pub failed: AtomicU64,
    /// Segments begun.
    pub segments: AtomicU64,
    /// Sources and ranges forgotten because a limit was reached.
    pub forgotten: AtomicU64,
    /// Whether anything more is taken in.
    pub room: Room,
}

impl LogCounters {
    /// The counters with their names, for whoever shows them.
    #[must_use]
    pub fn snapshot(&self) -> [(&'static str, u64); 8] {
        [
            ("appends", &self.appends),
            ("records", &self.records),
            ("bytes", &self.bytes),
            ("fsyncs", &self.fsyncs),
            ("duplicates", &self.duplicates),
            ("failed", &self.failed),
            ("segments", &self.segments),
            ("forgotten", &self.forgotten),
        ]
        .map(|(name, counter)| (name, counter.load(Ordering::Relaxed)))
    }
}
