//! Where records come from: one file an input. HTTP inputs are routes of the API (`api/ingest`).

pub mod containers;
pub mod files;
pub mod process;
pub mod stdin;
pub mod streams;
