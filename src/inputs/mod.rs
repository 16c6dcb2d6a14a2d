//! Where records come from: one file an input. HTTP inputs are routes of the API (`api/ingest`).

pub mod address;
pub mod connections;
pub mod containers;
pub mod counters;
pub mod datagrams;
pub mod dead_letters;
pub mod delivery;
pub mod due;
pub mod files;
pub mod forward;
pub mod gelf;
pub mod notice;
pub mod otlp;
pub mod plugins;
pub mod process;
pub mod sockets;
pub mod stdin;
pub mod streams;
pub mod syslog;
#[cfg(test)]
mod testing;
