//! Cases for pipelines in one readable file: a config, events that go in, events that come out.
//!
//! ```text
//! # what this is about
//! filter { mutate { rename => { "a" => "b" } } }
//!
//! === a field gets another name
//! > {"a": 1}
//! < {"b": 1}
//!
//! === a line is a message
//! > plain text
//! <~ {"message": "/^pl/"}
//! tags: none
//! absent: b, [c][d]
//! ```
//!
//! docs/TESTING-PIPELINES.md says what each line means. `logship test` runs such files, and so do the golden tests of filters, codecs
//! and shipped pipelines. Inputs and outputs of a config are not opened: a case brings the events, and what comes out is
//! compared. Limits: [`FILE_BYTES_MAX`]; a config is compiled once, and again for each case where it keeps something.

mod compare;
mod line;
mod outcome;
mod prepare;
mod read;
mod show;
mod update;

pub use outcome::Outcome;
pub use prepare::Cases;
pub use show::{Paint, failure};

/// The longest file of cases.
pub const FILE_BYTES_MAX: usize = logship_parsers::config::SOURCE_BYTES_MAX;

#[cfg(test)]
mod tests;
