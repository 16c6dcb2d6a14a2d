//! The language of pipelines, as Logstash has it: `input { } filter { } output { }`.
//!
//! [`parse`] reads all sources of a pipeline into one tree and tells all that is wrong with them at once; `Display` prints the
//! tree in its canonical form. Strings come with their variables replaced and, if asked for, their escapes read.
//!
//! # Where it differs from Logstash
//! - `and` binds tighter than `or`, always; where Logstash would do otherwise there is a warning.
//! - Barewords may have one character, comments may end the file, an unquoted `${VAR}` is a value.
//! - `["x"]` right of `in` is a list of one, which Logstash takes for a field; there is a warning.
//! - A text is checked whole: Logstash stops at the first error.
//!
//! # Promises
//! No panic, linear time, at most [`DEPTH_MAX`] levels, [`ERRORS_MAX`] errors and [`WARNINGS_MAX`] warnings a source.

pub mod ast;
mod branch;
mod comparison;
mod condition;
mod cursor;
mod diagnostic;
mod field_ref;
mod grammar;
mod lexical;
mod merge;
mod mistakes;
mod plugin;
mod print;
mod source;
mod template;
pub mod typed;
mod value;
mod variables;

pub use crate::query::short_names::suggest;
pub use cursor::{DEPTH_MAX, ERRORS_MAX, WARNINGS_MAX};
pub use diagnostic::{Diagnostic, Note, Severity};
pub use field_ref::{FieldRef, FieldRefError, METADATA};
pub use grammar::{Options, Parsed, parse};
pub use plugin::ATTRIBUTES_MAX;
pub use source::{Position, SOURCE_BYTES_MAX, Source, Span, position};
pub use template::{Piece, Template};
