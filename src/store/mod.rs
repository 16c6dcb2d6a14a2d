//! The embedded store: events in, searchable partitions on disk.
//!
//! `DATA/store/` holds `FORMAT`, `manifest.json`, `store.lock` and one folder `p-<n>/` a partition, each a tantivy index.
//! Exactly one partition is open; it takes events in log order whatever their time, so its commit payload is the whole
//! progress. Sealed partitions never change and go away whole.
//!
//! Promises: what [`Progress`](crate::flow::Progress) says is done survives a crash and is there exactly once; a search
//! sees one consistent [`Snapshot`]; another process may read without writing a byte. The store knows events and
//! positions, never the query language.
//!
//! Limits: [`COLUMNS_PER_PARTITION_MAX`], [`COLUMN_VALUE_BYTES_MAX`].

mod directory;
mod document;
mod error;
mod manifest;
mod merge;
mod options;
mod partition;
mod reader;
mod retention;
mod schema;
mod sealed;
mod segment;
mod snapshot;
mod stored;
mod tally;
mod tokenizer;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use document::{is_unique_id, leaf_text};
pub use error::StoreError;
pub use merge::SEGMENT_EVENTS_MAX;
pub use options::{
    DropReason, Dropped, FREE_BYTES_MIN, HARD_COMMIT_BYTES, HARD_COMMIT_EVERY, MAINTAIN_EVERY, Maintained, Options,
    SEAL_BYTES_MAX, SEAL_EVENTS_MAX, SEGMENT_MEMORY_MAX, SOFT_COMMIT_EVERY, Steps, StoreStats,
};
pub use schema::{Schema, TOKENIZER, column_name, column_path};
pub use snapshot::{PartitionView, Row, Snapshot, SnapshotHandle};
pub use tally::{DAYS_PER_PARTITION_MAX, day_of};
pub use verify::{SCRUB_BYTES_PER_SECOND_MAX, Scrub, VERIFY_AT_OPEN_BYTES_MAX};
pub use writer::Store;

/// Most fields with a column in one partition. A field that comes later is searchable as text and kept in the stored
/// copy; its events name it in [`Schema::partial`], and the store counts it.
pub const COLUMNS_PER_PARTITION_MAX: usize = 2_000;
/// Longest string in a column in bytes. Of a longer one the column holds the prefix (cut before a character), and the
/// event names the field in [`Schema::partial`].
pub const COLUMN_VALUE_BYTES_MAX: usize = 8_192;
/// The version of everything under `DATA/store/`.
pub const FORMAT: u32 = 1;
