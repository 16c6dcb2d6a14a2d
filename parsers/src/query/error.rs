//! What is wrong with a query, where, and what to write instead.
//!
//! [`QueryError::render`] prints the message, the line of the query, a caret line under the span and the hint, for
//! terminals with fixed-width characters. Lines are shown in a window of [`RENDER_COLUMNS_MAX`] columns.

use super::ast::Span;
use crate::excerpt::{Excerpt, floor_boundary};
use std::fmt;

pub use crate::excerpt::RENDER_COLUMNS_MAX;

/// The kind of a problem, stable enough for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueryErrorCode {
    /// Something stands where it cannot stand.
    Syntax,
    /// A `"` without its partner.
    UnclosedQuote,
    /// A `(`, `[` or `{` without its partner.
    UnclosedGroup,
    /// `level:` with nothing behind it.
    MissingValue,
    /// More text than `QUERY_BYTES_MAX`.
    TooLong,
    /// More words and conditions than `QUERY_CLAUSES_MAX`.
    TooManyClauses,
    /// More parentheses inside each other than `QUERY_DEPTH_MAX`.
    TooDeep,
    /// A regular expression with a syntax error.
    BadRegex,
    /// A range without `TO`, or one that can hold nothing.
    BadRange,
    /// A network that is not one.
    BadCidr,
    /// `_time:` with something that is no time.
    BadTime,
    /// A number with a unit that is neither a duration nor a size.
    BadUnit,
    /// `| stats ...`.
    PipesUnsupported,
}

/// A query that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// The kind.
    pub code: QueryErrorCode,
    /// The bytes of the query at fault; empty at the point where something is missing.
    pub span: Span,
    /// What happened and what was expected.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for QueryError {}

impl QueryError {
    /// The error as a person wants to see it, for the `text` that it came from. No newline at the end.
    #[must_use]
    pub fn render(&self, text: &str) -> String {
        let start = floor_boundary(text, self.span.start);
        let end = floor_boundary(text, self.span.end.max(start)).max(start);
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
        let mut lead = String::new();
        if text.contains('\n') {
            lead = (text[..start].matches('\n').count() + 1).to_string();
        }
        let mut out = format!("{}\n", self.message);
        let line = Excerpt::new(&text[line_start..line_end], start - line_start, end.min(line_end) - line_start);
        let pad = " ".repeat(lead.len());
        out.push_str(&format!("{lead} | {}\n", line.shown));
        out.push_str(&format!("{pad} | {}{}", " ".repeat(line.before), "^".repeat(line.under.max(1))));
        if let Some(hint) = &self.hint {
            out.push_str(&format!("\nhint: {hint}"));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, start: usize, end: usize, expected: &str) {
        let error = QueryError {
            code: QueryErrorCode::Syntax,
            span: Span { start, end },
            message: "message".to_owned(),
            hint: None,
        };
        assert_eq!(error.render(text), expected);
    }

    #[test]
    fn carets_stand_under_the_span() {
        check("ab cd", 3, 5, "message\n | ab cd\n |    ^^");
        check("ab", 2, 2, "message\n | ab\n |   ^");
        check("", 0, 0, "message\n | \n | ^");
        check("a\tb", 2, 3, "message\n | a    b\n |      ^");
        check("日本 x", 7, 8, "message\n | 日本 x\n |      ^");
        check("日本 x", 3, 6, "message\n | 日本 x\n |   ^^");
        check("one\ntwo (", 8, 9, "message\n2 | two (\n  |     ^");
        check("(one\ntwo", 0, 8, "message\n1 | (one\n  | ^^^^");
    }

    #[test]
    fn long_lines_are_shown_around_the_span() {
        let text = format!("{} ( {}", "a".repeat(300), "b".repeat(300));
        let error = QueryError {
            code: QueryErrorCode::Syntax,
            span: Span { start: 301, end: 302 },
            message: "m".to_owned(),
            hint: Some("h".to_owned()),
        };
        let shown = error.render(&text);
        let lines: Vec<&str> = shown.lines().collect();
        let caret = lines[2].chars().position(|c| c == '^');
        assert_eq!(lines[1].chars().position(|c| c == '('), caret);
        assert!(lines[1].chars().count() <= RENDER_COLUMNS_MAX + 4, "{shown}");
        assert_eq!(lines[3], "hint: h");
    }
}
