//! What is wrong with a pattern, where, and what to write instead.

use std::fmt;
use std::ops::Range;

/// The kind of a problem, stable enough for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrokErrorCode {
    /// `%{NAME}` of a name that neither the library nor a definition has.
    UnknownPattern,
    /// A definition that refers to itself.
    Recursion,
    /// What is no regular expression.
    Syntax,
    /// What Ruby's regular expressions have and these do not.
    Unsupported,
    /// More pieces, groups inside each other or repetitions than the limits.
    TooLarge,
}

/// A pattern that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrokError {
    /// The kind.
    pub code: GrokErrorCode,
    /// Which of the patterns given.
    pub pattern: usize,
    /// The bytes of that pattern at fault: of the outermost `%{NAME}` where a definition is wrong.
    pub span: Range<usize>,
    /// What happened, and in which definition.
    pub message: String,
    /// Names that may have been meant, the nearest first.
    pub suggestions: Vec<String>,
}

impl GrokError {
    pub(super) fn new(code: GrokErrorCode, span: Range<usize>, message: impl Into<String>) -> GrokError {
        GrokError { code, pattern: 0, span, message: message.into(), suggestions: Vec::new() }
    }

    /// The same as found while expanding a reference.
    pub(super) fn inside(mut self, name: &str, span: Range<usize>) -> GrokError {
        if !self.message.contains(" of pattern ") {
            self.message = format!("{}, at byte {} of pattern {name}", self.message, self.span.start);
        }
        self.span = span;
        self
    }
}

impl fmt::Display for GrokError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.suggestions.as_slice() {
            [] => Ok(()),
            names => write!(f, "; did you mean {}?", names.join(" or ")),
        }
    }
}

impl std::error::Error for GrokError {}
