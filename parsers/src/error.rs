//! Where a line stopped making sense.

use std::fmt;

/// Two words: cheap to make on the failing path, which detection takes for most formats of most lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Byte offset in the line.
    pub offset: u32,
    /// What the parser wanted there, as a noun phrase: `"a closing quote"`.
    pub expected: &'static str,
}

impl ParseError {
    /// The error at the point where `rest`, a suffix of `line`, begins.
    #[must_use]
    pub fn at(line: &str, rest: &str, expected: &'static str) -> ParseError {
        ParseError { offset: u32::try_from(line.len().saturating_sub(rest.len())).unwrap_or(u32::MAX), expected }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {} at byte {}", self.expected, self.offset)
    }
}

impl std::error::Error for ParseError {}
