//! Pipelines of the language of Logstash: inputs, filters and outputs as a config describes them.
//!
//! ```text
//! input threads ─> queue ─> N workers: decode, filter, encode ─> one thread for each sink, in the order of the chunks
//! ```
//!
//! The queue is in memory where inputs are standard input or made up and outputs standard output: then nothing is stored, and
//! the process ends as soon as the inputs have. Otherwise it is a [log](durable).
//!
//! Bounds: [`CHUNKS_PER_WORKER`] chunks wait for each worker, [`BATCHES_PER_SINK_MAX`] batches for each sink; then a sink [reads the
//! log by itself](behind), or inputs wait.

mod arrival;
mod behind;
mod build;
mod dead;
mod delivery;
mod durable;
mod flushes;
mod frames;
pub mod group;
mod positions;
mod run;
pub mod stats;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod workers;

pub use build::{Pipeline, Sources, load};
pub use dead::DEAD_BYTES_MAX;
pub use delivery::{BATCHES_PER_SINK_MAX, DeadLetters, SinkCounts, SinkState};
pub use run::{Ended, QueueKind, Running, Stops};
pub use workers::{CHUNKS_PER_WORKER, Counts};
