//! Where events go: one file an output.

pub mod store;
pub mod tee;
pub mod terminal;
