//! Where the parser stands, what it has opened, and what it has to say.
//!
//! # Promises
//! Nothing here goes back but over a piece that was just read, so parsing takes linear time; what would have to look further,
//! such as for the end of a string that has none, remembers that it looked in vain.

use super::Options;
use super::diagnostic::{Diagnostic, Severity};
use super::lexical;
use super::source::Span;
use super::variables::variables;
use crate::excerpt::floor_boundary;
use memchr::memchr_iter;
use std::ops::Range;

/// The most brackets, blocks and parentheses inside each other.
pub const DEPTH_MAX: usize = 64;
/// The most errors told of one source: behind so many the rest is not read.
pub const ERRORS_MAX: usize = 100;
/// The most warnings told of one source.
pub const WARNINGS_MAX: usize = 100;
/// Indentation is compared up to so many columns.
const INDENT_MAX: usize = 256;

/// An opening brace, bracket or parenthesis that is to be closed.
#[derive(Clone, Debug)]
pub(super) struct Opener {
    /// Its byte.
    pub(super) at: usize,
    /// What it opens: "`filter`", "this list".
    pub(super) what: String,
    /// The indentation of its line.
    pub(super) indent: usize,
    /// The start of its line.
    line: usize,
    /// Whether it is the block of a condition.
    pub(super) branch: bool,
}

/// The state of one parse of one source.
pub(super) struct Cursor<'t> {
    /// The source.
    pub(super) text: &'t str,
    /// The next byte.
    pub(super) at: usize,
    /// What was asked for.
    pub(super) options: &'t Options<'t>,
    /// What is to be said.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// How many things are open.
    pub(super) depth: usize,
    /// The option whose value is being read.
    pub(super) option: &'t str,
    /// Where the last section ended.
    pub(super) section_end: Option<usize>,
    /// Whether it was told that something stands outside of a section, so that a brace that closes nothing is no news.
    pub(super) outside: bool,
    /// Whether the plugin that is being read is intact.
    pub(super) intact: bool,
    /// The first byte from which on no `'`, no `"` and no `/` closes anything.
    pub(super) never_closed: [Option<usize>; 3],
    /// Whether a search for a closing bracket went in vain: then there is no second one.
    unbalanced: bool,
    /// The index of the source.
    file: u32,
    /// How many errors were told.
    errors: usize,
    /// How many warnings were told.
    warnings: usize,
    /// Where the last error begins.
    last_error: Option<usize>,
    /// Where the lines begin.
    lines: Vec<usize>,
    /// What was closed by a brace that is likely the partner of another.
    suspect: Option<Opener>,
    /// Where it was told last that something is not closed.
    unclosed_at: Option<usize>,
    /// Whether the rest of the source is left unread.
    stopped: bool,
    /// The end of the last comment that was looked into.
    comments_read: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(file: u32, text: &'t str, options: &'t Options<'t>) -> Cursor<'t> {
        let lines = std::iter::once(0).chain(memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        Cursor {
            text,
            at: 0,
            options,
            diagnostics: Vec::new(),
            depth: 0,
            option: "",
            section_end: None,
            outside: false,
            intact: true,
            never_closed: [None; 3],
            unbalanced: false,
            file,
            errors: 0,
            warnings: 0,
            last_error: None,
            lines,
            suspect: None,
            unclosed_at: None,
            stopped: false,
            comments_read: 0,
        }
    }

    pub(super) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(super) fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn starts(&self, with: &str) -> bool {
        self.rest().starts_with(with)
    }

    /// Steps over the text if it stands here.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let here = self.starts(text);
        self.at += if here { text.len() } else { 0 };
        here
    }

    /// Steps over one character.
    pub(super) fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    /// Steps over what a piece takes, if it is here.
    pub(super) fn piece(&mut self, piece: impl Fn(&'t str) -> lexical::Read<'t, &'t str>) -> Option<&'t str> {
        let (rest, piece) = piece(self.rest()).ok()?;
        self.at = self.text.len() - rest.len();
        Some(piece)
    }

    /// Steps over blanks and comments.
    pub(super) fn skip(&mut self) {
        loop {
            self.piece(lexical::blanks);
            let start = self.at;
            if let Some(comment) = self.piece(lexical::comment) {
                self.check_comment(start, comment);
            } else if self
                .peek()
                .is_some_and(|c| !c.is_ascii() && (c.is_whitespace() || c == '\u{200b}' || c == '\u{feff}'))
            {
                self.bump();
                let what = "a blank that is no ordinary space; Logstash would not read it";
                self.report(Diagnostic::warning(self.span(start..self.at), what).help("write an ordinary space"));
            } else {
                return;
            }
        }
    }

    /// Logstash replaces variables in comments, too, where the config is given as a setting.
    fn check_comment(&mut self, start: usize, comment: &str) {
        if start < self.comments_read {
            return;
        }
        self.comments_read = start + comment.len();
        for variable in variables(comment) {
            if variable.default.is_none() && (self.options.variables)(variable.name).is_none() {
                let span = self.span(start + variable.range.start..start + variable.range.end);
                let message = format!("the variable `{}` in this comment is not set", variable.name);
                let help = "harmless here; where the text is its `config.string`, Logstash would refuse it";
                self.report(Diagnostic::warning(span, message).help(help));
            }
        }
    }

    /// The first byte behind blanks and comments.
    pub(super) fn ahead(&mut self) -> &'t str {
        let at = self.at;
        self.skip();
        let ahead = self.rest();
        self.at = at;
        ahead
    }

    /// Whether nothing but blanks stands between here and the next line.
    pub(super) fn at_line_end(&self) -> bool {
        let rest = self.rest().trim_start_matches([' ', '\t', '\r']);
        rest.is_empty() || rest.starts_with(['\n', '#'])
    }

    /// Whether two bytes stand on one line.
    pub(super) fn same_line(&self, one: usize, other: usize) -> bool {
        self.line_start(one) == self.line_start(other)
    }

    /// The byte of the line break that ends the line of a byte.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let next = self.lines.partition_point(|start| *start <= at);
        self.lines.get(next).map_or(self.text.len(), |start| start - 1)
    }

    fn line_start(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|start| *start <= at);
        self.lines.get(line.saturating_sub(1)).copied().unwrap_or(0)
    }

    /// The columns before the first character of the line of a byte.
    pub(super) fn indent(&self, at: usize) -> usize {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
        self.text.as_bytes()[self.line_start(at)..].iter().take(INDENT_MAX).take_while(blank).count()
    }

    /// Whether nothing but blanks stands before a byte in its line.
    pub(super) fn is_first_in_line(&self, at: usize) -> bool {
        self.line_start(at) + self.indent(at) == at
    }

    /// The span of whole characters around some bytes.
    pub(super) fn span(&self, range: Range<usize>) -> Span {
        let mut end = range.end.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end += 1;
        }
        let start = floor_boundary(self.text, range.start);
        let narrow = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span { file: self.file, start: narrow(start), end: narrow(end) }
    }

    /// The span from `start` to here.
    pub(super) fn since(&self, start: usize) -> Span {
        self.span(start..self.at)
    }

    /// Keeps a diagnostic. Of errors that begin at one byte, the first says it best.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        // What is missing now may stand in the rest.
        if self.stopped {
            self.intact = false;
            return;
        }
        if diagnostic.severity == Severity::Warning {
            if self.warnings < WARNINGS_MAX {
                self.warnings += 1;
                self.diagnostics.push(diagnostic);
            }
            return;
        }
        self.intact = false;
        let start = diagnostic.span.start as usize;
        if self.last_error.replace(start) == Some(start) {
            return;
        }
        self.errors += 1;
        self.diagnostics.push(diagnostic);
        if self.errors == ERRORS_MAX {
            let message = format!("more than {ERRORS_MAX} errors: the rest of this file is not read");
            self.diagnostics.push(Diagnostic::error(self.span(self.at..self.at), message));
            self.stop();
        }
    }

    /// Reads nothing more of this source.
    pub(super) fn stop(&mut self) {
        self.at = self.text.len();
        self.stopped = true;
    }

    /// Goes one level deeper, into what the `len` bytes before here open. `None`: too deep, and nothing more is read.
    pub(super) fn open(&mut self, len: usize, what: impl Into<String>) -> Option<Opener> {
        let at = self.at - len;
        if self.depth == DEPTH_MAX {
            let message = format!("more than {DEPTH_MAX} levels inside each other");
            self.last_error = None;
            self.report(Diagnostic::error(self.span(at..self.at), message).help("use fewer levels"));
            self.stop();
            return None;
        }
        self.depth += 1;
        Some(Opener { at, what: what.into(), indent: self.indent(at), line: self.line_start(at), branch: false })
    }

    /// Comes back from a level. Steps over `with` if it stands here, or else says that it is missing.
    pub(super) fn close(&mut self, opener: &Opener, with: &str) {
        self.depth -= 1;
        let at = self.at;
        if !self.take(with) {
            return self.unclosed(opener, with);
        }
        // A partner further to the left is likely to belong to something else: then this one is missing.
        let outdented =
            self.is_first_in_line(at) && self.indent(at) < opener.indent && self.line_start(at) != opener.line;
        if outdented && self.suspect.is_none() {
            self.suspect = Some(opener.clone());
        } else if !outdented && self.suspect.as_ref().is_some_and(|suspect| suspect.at > opener.at) {
            // What is around it is closed as it was opened: it was just written so.
            self.suspect = None;
        }
    }

    /// Comes back from a list or hash that may be closed by the bracket of the other in its line: then nothing else in this
    /// line is open that it could close.
    pub(super) fn close_instead(&mut self, opener: &Opener, with: &str, other: &str) {
        let open = if other == "}" { "{" } else { "[" };
        let start = self.line_start(self.at);
        if self.starts(other) && start == opener.line {
            let line = &self.text[start..self.at];
            let balance = line.matches(open).count().saturating_sub(line.matches(other).count());
            if balance == 0 {
                self.depth -= 1;
                let at = self.at;
                self.take(other);
                let error = Diagnostic::error(self.since(at), format!("`{other}` closes {}", opener.what));
                let opened = self.span(opener.at..opener.at + 1);
                return self.report(error.expected(format!("`{with}`")).note_at(opened, "it begins here"));
            }
        }
        self.close(opener, with);
    }

    /// Says that an opener has no partner, once for all that are open here.
    pub(super) fn unclosed(&mut self, opener: &Opener, with: &str) {
        if self.unclosed_at.replace(self.at) == Some(self.at) {
            self.intact = false;
            return;
        }
        let suspect = self.suspect.take().filter(|suspect| with == "}" && suspect.at > opener.at);
        let opener = suspect.as_ref().unwrap_or(opener);
        let what = &self.text[opener.at..=opener.at];
        let here = self.span(self.at..self.at + self.peek().filter(|c| *c != '\n').map_or(0, char::len_utf8));
        let message = format!("this `{what}` of {} is never closed", opener.what);
        let missing = if self.is_done() { "the file ends here" } else { "this cannot stand inside of it" };
        let diagnostic = Diagnostic::error(self.span(opener.at..opener.at + 1), message)
            .expected(format!("`{with}`"))
            .note_at(here, format!("{missing}, and `{with}` is still missing"));
        self.report(diagnostic);
    }

    /// Steps over the rest of a line that makes no sense, up to a `}` or `]` that closes what is open. Blocks that begin in
    /// it are stepped over as a whole where they end.
    pub(super) fn skip_line(&mut self) {
        let (mut at, mut depth, start) = (self.at, 0_usize, self.at);
        let bytes = self.text.as_bytes();
        let mut unclosed = (0, [false; 2]);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\n' if depth == 0 || self.unbalanced => break,
                b'{' | b'[' => depth += 1,
                b'}' | b']' if depth == 0 => break,
                b'}' | b']' => depth -= 1,
                b'"' | b'\'' => {
                    let line = self.line_end(at);
                    if line != unclosed.0 {
                        unclosed = (line, [false; 2]);
                    }
                    if !unclosed.1[usize::from(*byte == b'"')]
                        && let Ok((rest, _)) = lexical::quoted(&self.text[at..line])
                    {
                        at = line - rest.len();
                        continue;
                    }
                    // Nor does a later one of its kind in this line.
                    unclosed.1[usize::from(*byte == b'"')] = true;
                }
                b'#' => {
                    at += self.line_end(at) - at;
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        if depth > 0 && at == bytes.len() {
            self.unbalanced = true;
            at = self.line_end(start);
        }
        self.at = at;
        self.intact = false;
    }
}
