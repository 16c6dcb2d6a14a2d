//! logship: log aggregation in one binary.
//!
//! Data flows `inputs -> log -> workers -> outputs`; ARCHITECTURE.md draws it. Modules in the order in which they may
//! import each other (a test in `tests/it/tidy.rs` holds them to it):
//!
//! - [`event`]: what a log line becomes; its JSON form is the wire form everywhere
//! - [`flow`]: what flows (records, frames, batches) and the two ends that every plugin holds
//! - [`fs`]: the file system as the log sees it, so that tests can break it
//! - [`config`]: where things are; [`log`]: the write-ahead log; [`store`]: manifest, partitions, the index
//! - [`filters`]: one file a filter of pipelines
//! - [`codecs`]: bytes to records; [`plan`]: a frame to events; [`query`]: questions to the stored events
//! - [`inputs`], [`outputs`]: one file a plugin
//! - [`pipeline`]: starts, connects and ends the parts
//! - [`ship`]: from an agent's logs to a server; [`agent`]: the sidecar, inputs, a log and shipping
//! - [`auth`], [`api`]: who may ask, and the HTTP API with the page
//! - [`cli`]: one file a command

pub mod agent;
pub mod api;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod codecs;
pub mod config;
pub mod event;
pub mod filters;
pub mod flow;
pub mod fs;
pub mod inputs;
pub mod log;
pub mod outputs;
pub mod pipeline;
pub mod plan;
pub mod query;
pub mod ship;
pub mod store;
