//! logship: log aggregation in one binary.
//!
//! Data flows `inputs -> log -> workers -> outputs`; ARCHITECTURE.md draws it. Modules in the order in which they may
//! import each other (a test in `tests/it/tidy.rs` holds them to it):
//!
//! - [`event`]: what a log line becomes; its JSON form is the wire form everywhere
//! - [`flow`]: what flows (records, frames, batches) and the two ends that every plugin holds
//! - [`store`]: partitions on disk: events in, searchable snapshots out

pub mod clock;
pub mod event;
pub mod flow;
pub mod query;
pub mod store;
