//! The line formats: one file each, listed in [`FORMATS`].
//!
//! A format is a cheap rule on the first bytes ([`Format::probe`]), which may say yes too often, and a parser, which
//! fails on everything that is not surely of that format: what no format takes stays text ([`plain`]).
//!
//! Field names are Elastic Common Schema's where it has one. `message` is the text for people: the whole line for
//! formats that people read whole (access lines, plain text), the message alone where the rest are fields.

pub mod clf;
pub mod detect;
pub mod json;
pub mod klog;
pub mod level;
pub mod logfmt;
pub mod normalize;
pub mod plain;
pub mod syslog3164;
pub mod syslog5424;
pub mod trace;

use crate::error::ParseError;
use crate::fields::Fields;

/// What a parser must know besides the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Context {
    /// When the line arrived, in UTC nanoseconds since 1970: decides the year of stamps that name none.
    pub received: i64,
    /// Seconds east of Greenwich, for stamps that name no zone.
    pub utc_offset_s: i32,
}

/// The one shape of every line parser.
pub type ParseLine = for<'a> fn(&'a str, &Context) -> Result<Fields<'a>, ParseError>;

/// A line format.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name in `--as NAME`, and of its folder in `fixtures/lines/`.
    pub name: &'static str,
    /// One line for `logship formats`.
    pub summary: &'static str,
    /// A line in this format.
    pub example: &'static str,
    /// The place in the order of trial: formats whose probe is cheaper and says yes less often come first.
    pub rank: u8,
    /// Whether the message runs to the end of the line: then lines that continue it belong to the message.
    pub open_ended: bool,
    /// Whether the first bytes allow this format.
    pub probe: fn(&[u8]) -> bool,
    /// The parser.
    pub parse: ParseLine,
}

/// All formats, sorted by name. A new one is a file, a line here and a folder of fixtures; [`Format::rank`], not the
/// place in this list, decides the order in which [`detect`] tries them.
pub const FORMATS: &[Format] =
    &[clf::FORMAT, json::FORMAT, klog::FORMAT, logfmt::FORMAT, plain::FORMAT, syslog3164::FORMAT, syslog5424::FORMAT];

/// The format of that name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static Format> {
    FORMATS.iter().find(|format| format.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_and_ranks_differ() {
        assert!(FORMATS.is_sorted_by(|a, b| a.name < b.name));
        let mut ranks: Vec<u8> = FORMATS.iter().map(|format| format.rank).collect();
        ranks.sort_unstable();
        ranks.dedup();
        assert_eq!(ranks.len(), FORMATS.len());
    }

    #[test]
    fn every_example_is_of_its_format() {
        for format in FORMATS {
            assert!((format.probe)(format.example.as_bytes()), "{}", format.name);
            assert!((format.parse)(format.example, &Context::default()).is_ok(), "{}", format.name);
        }
    }
}
