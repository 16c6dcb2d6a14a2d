//! How bytes become records, before the log.

pub mod gate;
pub mod inflate;
pub mod lines;
pub mod mix;
mod places;
pub mod redact;
pub mod sample;
