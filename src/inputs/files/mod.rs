//! Files: what to read, and how their bytes become text.

pub mod glob;
pub mod pattern;
pub mod tree;
