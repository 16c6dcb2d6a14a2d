//! The texts that a config is made of, and places in them.

use std::fmt;

/// The longest text of one source: places are counted in 32 bits, and nobody writes 16 MiB by hand.
pub const SOURCE_BYTES_MAX: usize = 16 << 20;

/// One text and what to call it in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// A path, or something like `-e` or `config.string`.
    pub name: String,
    /// The text.
    pub text: String,
}

impl Source {
    /// A text with its name.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Source {
        Source { name: name.into(), text: text.into() }
    }
}

/// A byte range in one of the sources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The index of the source.
    pub file: u32,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Everything from the beginning of one span to the end of a later one.
    #[must_use]
    pub fn to(self, end: Span) -> Span {
        Span { end: end.end.max(self.start), ..self }
    }

    /// The bytes, as slices are indexed.
    #[must_use]
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A place as people count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position<'s> {
    /// The name of the source.
    pub name: &'s str,
    /// The line, from 1 on.
    pub line: usize,
    /// The column in characters, from 1 on.
    pub column: usize,
}

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.name, self.line, self.column)
    }
}

/// Where a span begins.
#[must_use]
pub fn position(sources: &[Source], span: Span) -> Position<'_> {
    let Some(source) = sources.get(span.file as usize) else { return Position { name: "", line: 1, column: 1 } };
    let before = &source.text[..crate::excerpt::floor_boundary(&source.text, span.start as usize)];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let shown = before[line_start..].trim_start_matches(BYTE_ORDER_MARK);
    Position { name: &source.name, line: before.matches('\n').count() + 1, column: shown.chars().count() + 1 }
}

/// What some editors put in front of a text.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';
