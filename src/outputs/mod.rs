//! Where events go: one file an output.

pub mod plugins;
pub mod pretty;
pub mod screen;
pub mod store;
pub mod tee;
pub mod terminal;
