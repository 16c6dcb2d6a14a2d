//! Where records come from: one file an input. HTTP inputs are routes of the API (`api/ingest`).

pub mod address;
pub mod counters;
pub mod delivery;
pub mod files;
pub mod stdin;
#[cfg(test)]
mod testing;
