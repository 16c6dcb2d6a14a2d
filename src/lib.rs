//! logship: log aggregation in one binary.
//!
//! Data flows `inputs -> log -> workers -> outputs`; ARCHITECTURE.md draws it. Modules in the order in which they may
//! import each other (a test in `tests/it/tidy.rs` holds them to it):
//!
//! - [`event`]: what a log line becomes; its JSON form is the wire form everywhere
//! - [`flow`]: what flows (records, frames, batches) and the two ends that every plugin holds

pub mod api;
pub mod auth;
pub mod clock;
pub mod event;
pub mod flow;
pub mod pipeline;
pub mod query;
