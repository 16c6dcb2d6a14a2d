//! Texts with pieces of the event in them, which Logstash calls sprintf: `%{field}`, `%{[a][b]}`, `%{+yyyy.MM.dd}`.
//!
//! The first `}` ends a piece. What is not ended stays text, and so does `%{}`.

use super::field_ref::{FieldRef, FieldRefError};
use memchr::{memchr, memmem};
use std::fmt;

/// A text with pieces of the event in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Template {
    /// Its pieces in their order; literals are never empty and never follow each other.
    pub pieces: Vec<Piece>,
}

/// One piece.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// Text as it is.
    Literal(String),
    /// `%{field}`: its value; where there is none, the piece as written.
    Field {
        /// Which.
        field: FieldRef,
        /// What stands between the braces.
        raw: String,
    },
    /// `%{+%s}`: the event's time in seconds since 1970.
    EpochSeconds,
    /// `%{+yyyy.MM.dd}`: the event's time in UTC, by the letters of Joda time.
    Joda(String),
    /// `%{{yyyy-MM-dd}}`: the event's time in UTC, by the letters of `java.time`.
    Java(String),
    /// `%{{TIME_NOW}}`: the time at which the text is made.
    Now,
}

impl Template {
    /// Reads a template. The only error is that of a field reference, its place counted in the whole text.
    pub fn parse(text: &str) -> Result<Template, FieldRefError> {
        let mut template = Template::default();
        let mut at = 0;
        let mut done = 0;
        while let Some(open) = memmem::find(&text.as_bytes()[at..], b"%{").map(|found| at + found) {
            let inside = open + 2;
            let Some(close) = memchr(b'}', &text.as_bytes()[inside..]).map(|found| inside + found) else { break };
            let (piece, end) = piece(text, inside, close)?;
            at = end;
            if let Some(piece) = piece {
                template.literal(&text[done..open]);
                template.pieces.push(piece);
                done = end;
            }
        }
        template.literal(&text[done..]);
        Ok(template)
    }

    fn literal(&mut self, text: &str) {
        if !text.is_empty() {
            self.pieces.push(Piece::Literal(text.to_owned()));
        }
    }

    /// The whole text, if nothing in it depends on the event.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }
}

/// What stands between the braces at `inside` and `close`, and where it ends. `None` where it is text.
fn piece(text: &str, inside: usize, close: usize) -> Result<(Option<Piece>, usize), FieldRefError> {
    let raw = &text[inside..close];
    let end = close + 1;
    if let Some(format) = raw.strip_prefix('{')
        && text[end..].starts_with('}')
    {
        let piece = match format {
            "" => None,
            "TIME_NOW" => Some(Piece::Now),
            format => Some(Piece::Java(format.to_owned())),
        };
        return Ok((piece, end + 1));
    }
    let piece = match raw.strip_prefix('+') {
        _ if raw.is_empty() => None,
        Some("") => None,
        Some("%s") => Some(Piece::EpochSeconds),
        Some(format) => Some(Piece::Joda(format.to_owned())),
        None => {
            let moved = |error: FieldRefError| FieldRefError { offset: error.offset + inside, ..error };
            Some(Piece::Field { field: FieldRef::parse(raw).map_err(moved)?, raw: raw.to_owned() })
        }
    };
    Ok((piece, end))
}

/// The text that it was read from.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Literal(text) => f.write_str(text),
            Piece::Field { raw, .. } => write!(f, "%{{{raw}}}"),
            Piece::EpochSeconds => f.write_str("%{+%s}"),
            Piece::Joda(format) => write!(f, "%{{+{format}}}"),
            Piece::Java(format) => write!(f, "%{{{{{format}}}}}"),
            Piece::Now => f.write_str("%{{TIME_NOW}}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, expected: &[Piece]) {
        assert_eq!(Template::parse(text).unwrap().pieces, expected, "{text}");
    }

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.to_owned())
    }

    fn field(raw: &str) -> Piece {
        Piece::Field { field: FieldRef::parse(raw).unwrap(), raw: raw.to_owned() }
    }

    #[test]
    fn templates_have_pieces() {
        check("", &[]);
        check("plain", &[literal("plain")]);
        check("%{a}", &[field("a")]);
        check("x-%{[a][b]}-y", &[literal("x-"), field("[a][b]"), literal("-y")]);
        check("%{a}%{b}", &[field("a"), field("b")]);
        check(
            "logs-%{+yyyy.MM.dd}.%{+%s}",
            &[literal("logs-"), Piece::Joda("yyyy.MM.dd".into()), literal("."), Piece::EpochSeconds],
        );
        check("%{+%ss}", &[Piece::Joda("%ss".into())]);
        check("%{{yyyy-'W'ww}}!", &[Piece::Java("yyyy-'W'ww".into()), literal("!")]);
        check("%{{TIME_NOW}}", &[Piece::Now]);
        check("100%", &[literal("100%")]);
        check("%{a", &[literal("%{a")]);
        check("%{a}%{b", &[field("a"), literal("%{b")]);
        check("%{} %{+} %{{}}", &[literal("%{} %{+} %{{}}")]);
        check("%{a%{b}}", &[field("a%{b"), literal("}")]);
        check("%{{abc}x", &[field("{abc"), literal("x")]);
        check("é%{é}", &[literal("é"), field("é")]);
        assert_eq!(Template::parse("x %{a[b]}").unwrap_err().offset, 5);
        assert_eq!(Template::parse("plain").unwrap().as_literal(), Some("plain"));
        assert_eq!(Template::parse("%{a}").unwrap().as_literal(), None);
    }

    proptest! {
        #[test]
        fn what_is_printed_is_what_was_read(text in "(%\\{|\\}|\\{|\\+|%s|a|é|\\[a\\]|TIME_NOW){0,10}") {
            if let Ok(template) = Template::parse(&text) {
                prop_assert_eq!(template.to_string(), text);
            }
        }
    }
}
