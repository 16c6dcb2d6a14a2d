//! Pure parsers: text in, borrowed values out.
//!
//! # Layout
//! - [`fields`]: what a parsed line is made of. [`error`]: where a line stopped making sense.
//! - [`line`]: one file a line format, and [`line::detect`], which finds the format of a line by itself.
//! - [`join`]: which lines continue the one before (stack traces).
//! - [`grok`]: patterns by name, which take fields from a text.
//! - [`csv`]: rows of separated values.
//! - [`json`]: JSON values, for lines and for bodies.
//! - [`time`]: timestamps in all the layouts that logs use.
//! - [`config`]: the language of pipelines, as Logstash has it.
//! - [`query`]: the search language: AST, grammar, printer.
//! - [`template`]: what stays the same in messages of one kind.
//!
//! # Promises
//! No I/O, no clock, no global state, no panic on any input. Linear time in the input, bounded depth.
//! A value borrows from the line; only what an escape forced to be rebuilt is owned.

#![forbid(unsafe_code)]

pub mod config;
pub mod csv;
pub mod envelope;
pub mod error;
mod excerpt;
pub mod fields;
mod grammar;
pub mod grok;
pub mod join;
pub mod json;
pub mod line;
pub mod query;
mod span;
pub mod template;
pub mod time;

pub use error::ParseError;
pub use fields::{Field, Fields, Value};
