//! Pipelines of the language of Logstash over a queue in memory: nothing is stored, nothing is listened on, and the process
//! ends as soon as the inputs have.
//!
//! ```text
//! input threads ─> chunks of whole lines ─> N workers: decode, filter, encode ─> one writer, in the order of the chunks
//! ```
//!
//! Bounds: [`CHUNKS_PER_WORKER`] chunks wait for each worker, and as many texts for the writer; then inputs wait.

mod arrival;
mod build;
pub mod cases;
mod run;

pub use build::{Pipeline, Sources, load};
pub use run::{CHUNKS_PER_WORKER, Running};
