//! Where events go: one file an output.

pub mod tee;
pub mod terminal;
