//! logship: log aggregation in one binary.
//!
//! Data flows `inputs -> log -> workers -> outputs`; ARCHITECTURE.md draws it. Modules in the order in which they may
//! import each other (a test in `tests/it/tidy.rs` holds them to it):
//!
//! - [`event`]: what a log line becomes; its JSON form is the wire form everywhere
//! - [`flow`]: what flows (records, frames, batches) and the two ends that every plugin holds
//! - [`log`]: the write-ahead log between inputs and workers
//! - [`store`]: manifest, partitions, the index
//! - [`plan`]: a frame in, a batch of events out

pub mod clock;
pub mod event;
pub mod flow;
