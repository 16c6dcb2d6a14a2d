//! What is wrong with a config, where, and what to write instead.
//!
//! [`Diagnostic::render`] begins with `file:line:column`, which editors and terminals make a link of, and shows the line with
//! carets under the span, what was expected, help, and notes about other places.

use super::source::{Source, Span, position};
use crate::excerpt::{Excerpt, floor_boundary};
use std::fmt::{self, Write};

/// Whether a config can be used in spite of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It can, but does not do what it seems to.
    Warning,
    /// It cannot.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

/// Something to say about a config. Built like `Diagnostic::error(span, "...").expected("`{`").help("...")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Where.
    pub span: Span,
    /// What happened, in a line.
    pub message: String,
    /// What could have stood there, as noun phrases.
    pub expected: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// What else belongs to it.
    pub notes: Vec<Note>,
}

/// Something beside a diagnostic, at a place of its own or about the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where, if it is about a place.
    pub span: Option<Span>,
    /// What.
    pub message: String,
}

impl Diagnostic {
    /// A reason why the config cannot be used.
    pub fn error(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            span,
            message: message.into(),
            expected: Vec::new(),
            help: None,
            notes: Vec::new(),
        }
    }

    /// Something that is likely not meant.
    pub fn warning(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(span, message) }
    }

    /// Adds something that could have stood there.
    #[must_use]
    pub fn expected(mut self, what: impl Into<String>) -> Diagnostic {
        self.expected.push(what.into());
        self
    }

    /// Says what to write instead.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Adds a note about another place.
    #[must_use]
    pub fn note_at(mut self, span: Span, message: impl Into<String>) -> Diagnostic {
        self.notes.push(Note { span: Some(span), message: message.into() });
        self
    }

    /// Adds a note about the whole.
    #[must_use]
    pub fn note(mut self, message: impl Into<String>) -> Diagnostic {
        self.notes.push(Note { span: None, message: message.into() });
        self
    }

    /// The diagnostic as a person wants to see it. No newline at the end.
    #[must_use]
    pub fn render(&self, sources: &[Source]) -> String {
        let place = position(sources, self.span);
        let mut out = format!("{place}: {}: {}", self.severity, self.message);
        excerpt(&mut out, sources, self.span);
        if !self.expected.is_empty() {
            _ = write!(out, "\nexpected: {}", one_of(&self.expected));
        }
        if let Some(help) = &self.help {
            _ = write!(out, "\nhelp: {help}");
        }
        for note in &self.notes {
            match note.span {
                Some(span) => {
                    _ = write!(out, "\nnote: {}: {}", position(sources, span), note.message);
                    excerpt(&mut out, sources, span);
                }
                None => _ = write!(out, "\nnote: {}", note.message),
            }
        }
        out
    }
}

/// The line of a span and carets under it.
fn excerpt(out: &mut String, sources: &[Source], span: Span) {
    let Some(source) = sources.get(span.file as usize) else { return };
    let text = &source.text;
    let start = floor_boundary(text, span.start as usize);
    let end = floor_boundary(text, span.end as usize).max(start);
    let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = text[line_start..line_end].trim_end_matches('\r');
    let mark = line.len() - line.trim_start_matches(super::source::BYTE_ORDER_MARK).len();
    let within = |at: usize| (at - line_start).clamp(mark, line.len()) - mark;
    let shown = Excerpt::new(&line[mark..], within(start), within(end.min(line_end)));
    let number = position(sources, span).line.to_string();
    let pad = " ".repeat(number.len());
    let carets = "^".repeat(shown.under.max(1));
    _ = write!(out, "\n{number} | {}\n{pad} | {}{carets}", shown.shown, " ".repeat(shown.before));
}

/// `a`, `a or b`, `a, b or c`.
fn one_of(all: &[String]) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} or {last}", before.join(", ")),
    }
}
