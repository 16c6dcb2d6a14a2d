//! Which lines continue the one before: stack traces, indented text and blocks, joined into one record.
//!
//! A [`Joiner`] sits on one stream, before the log, so it works on bytes and decides at once, by the first bytes of a
//! line and a small state. The caller holds the open record, and ends it when a line [`Decision::Starts`] the next,
//! at [`JOINED_LINES_MAX`], [`JOINED_BYTES_MAX`] or [`JOIN_WAIT_MS`], and at the end of the body, file or pipe.
//!
//! Colours of terminals in front of a line are looked through. A wrong join is worse than a missing one: what two programs
//! that share a stream may have written stays apart.
//!
//! # Rules
//! - A line that begins with a stamp, an object of JSON, a syslog priority or glog's header starts a record, always ([`lead`]).
//! - An indented line continues a record that begins as loggers begin one (a stamp, a level, `time=`), that reports an
//!   error, or whose line ends in a colon, a comma or an opening bracket. After JSON only a stack frame does, and text without a
//!   header is continued by no mere indentation: help, tables and diffs are lines. ` INFO ` and ` WARN ` with one blank
//!   before them start a record: levels set flush right.
//! - `Caused by:`, `Suppressed:`, `... 12 more`, `--- End of` continue any record.
//! - `INFO: text` continues `Jan 02, 2026 3:04:05 AM com.example.Shop main`, as java.util.logging writes both.
//! - A trace that begins with a line of its own, `Traceback`, `panic:`, `thread 'main' panicked`, `Exception in thread`,
//!   `app.js:3`, is a record of its own: programs die right below whatever they said last, and the crash must not take the level
//!   of that. It continues a line that reports an error itself; below a warning only `Traceback` does, which
//!   `logging.exception` and `exc_info` print.
//! - The unindented `a.b.CException: text` of Java continues a line with a header, whatever its level, or one that reports an
//!   error. Its message may have more lines; how many is for [`evidence`] to say.
//! - A blank line continues a record with a header, since traces follow it. What else follows it starts a record.
//! - A line that says again how the record's first line ended continues it: the message of an exception, above its frames.
//! - A line with a header and a level that ends in a colon is continued by what it announces, on the same evidence.
//! - What goes on below the first line of a trace is for [`trace`] to say, of other blocks (pretty-printed JSON, MySQL's logs,
//!   Rails requests, XML, MinIO's errors, pictures of signs and titles between drawn lines) for [`block`].
//! - Unindented prose continues a record only on evidence: see [`evidence`].

mod block;
mod evidence;
mod lead;
mod trace;

use crate::line::plain::{begins_with_stamp, is_first_of_two, is_second_of_two};
use block::Block;
use evidence::Evidence;
use lead::{Lead, Severity};
use memchr::memmem;
use trace::Trace;

/// How many lines one record joins; the next line starts a new record.
pub const JOINED_LINES_MAX: usize = 500;
/// How many bytes one record joins, line ends included; the line that would exceed it starts a new record.
pub const JOINED_BYTES_MAX: usize = 1 << 20;
/// How long, in milliseconds, a record waits for a line that continues it.
pub const JOIN_WAIT_MS: u64 = 500;

/// How much of a record's first line is kept to answer questions about it.
const HEAD_BYTES_MAX: usize = 96;
/// How much of its end is kept, if it has as much.
const TAIL_BYTES: usize = 64;
/// A shorter line repeats the end of another by chance.
const REPEATED_BYTES_MIN: usize = 12;

/// What a line is to the record before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The first line of a record.
    Starts,
    /// One more line of the open record.
    Continues,
}

/// What may follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Nothing: no record is open.
    #[default]
    Fresh,
    /// A record of text.
    Text,
    /// Both lines of java.util.logging.
    Second,
    /// A JSON object on one line.
    Json,
    /// A record that is complete.
    Closed,
    /// The trace of an error.
    Trace(Trace),
    /// A block that has an end.
    Block(Block),
}

/// The state of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Joiner {
    state: State,
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: u8,
    tail: Option<[u8; TAIL_BYTES]>,
    /// The last byte of the record's first line that is no white space.
    last: u8,
    /// The record begins as loggers begin one.
    header: bool,
    /// It begins with a stamp or another sign that only records have.
    stamped: bool,
    /// The line before is blank.
    after_blank: bool,
    evidence: Evidence,
}

impl Default for Joiner {
    fn default() -> Joiner {
        Joiner {
            state: State::Fresh,
            head: [0; HEAD_BYTES_MAX],
            head_bytes: 0,
            tail: None,
            last: 0,
            header: false,
            stamped: false,
            after_blank: false,
            evidence: Evidence::default(),
        }
    }
}

impl Joiner {
    /// Decides about the stream's next line, given without its line end.
    pub fn push(&mut self, line: &[u8]) -> Decision {
        if lead::is_coloured(line) { self.decide(lead::Bare::of(line).bytes()) } else { self.decide(line) }
    }

    /// Forgets the open record, after its end for another reason than the next line: nothing continues it.
    pub fn reset(&mut self) {
        self.state = State::Fresh;
    }

    fn decide(&mut self, line: &[u8]) -> Decision {
        let lead = Lead::of(line);
        let next = match (lead, self.state) {
            (Lead::Own, _) | (_, State::Fresh) | (Lead::Level, State::Block(Block::Report)) => None,
            (Lead::Blank, _) => self.blank(),
            (Lead::Indented, _) => self.indented(line),
            (Lead::Level | Lead::Other, _) => self.unindented(line, lead),
        };
        self.after_blank = lead == Lead::Blank;
        match next {
            Some(next) => {
                self.state = next;
                Decision::Continues
            }
            None => {
                self.start(line, lead);
                Decision::Starts
            }
        }
    }

    fn start(&mut self, line: &[u8], lead: Lead) {
        let kept = line.len().min(HEAD_BYTES_MAX);
        self.head[..kept].copy_from_slice(&line[..kept]);
        self.head_bytes = kept as u8;
        self.tail = line.last_chunk().copied();
        self.last = line.trim_ascii_end().last().copied().unwrap_or_default();
        self.state = match lead {
            Lead::Blank => State::Fresh,
            Lead::Own if line.starts_with(b"{") => block::object(self.last).map_or(State::Json, State::Block),
            Lead::Own if block::is_statement(line) => State::Block(Block::Statement),
            Lead::Own => State::Text,
            _ => Trace::starts(line)
                .map(State::Trace)
                .or_else(|| Block::starts(line).map(State::Block))
                .unwrap_or(State::Text),
        };
        self.stamped = match lead {
            Lead::Own => !line.starts_with(b"{"),
            Lead::Indented => begins_with_stamp(line.trim_ascii_start()),
            _ => false,
        };
        self.header = self.stamped || lead == Lead::Level;
        if self.state == State::Text {
            self.evidence.note(self.header);
        }
    }

    fn blank(&self) -> Option<State> {
        match self.state {
            State::Trace(trace) => trace.blank().map(State::Trace),
            State::Block(block) => block.blank().map(State::Block),
            State::Text if trace::is_ruby_error(self.head()) => Some(State::Trace(Trace::Ruby)),
            State::Text if self.header => Some(State::Text),
            _ => None,
        }
    }

    fn indented(&mut self, line: &[u8]) -> Option<State> {
        self.evidence.end_prose();
        match self.state {
            State::Json => trace::is_frame(line).then_some(State::Json),
            State::Trace(trace) => trace.indented(line, self.after_blank).map(State::Trace),
            State::Block(block) => block.indented(line).map(State::Block),
            State::Text | State::Second => self.indented_text(line),
            State::Fresh | State::Closed => None,
        }
    }

    fn indented_text(&self, line: &[u8]) -> Option<State> {
        let text = line.trim_ascii_start();
        // Steps of Docker's builds, of which .NET shows an inner exception by the same arrow, and what Flask says of itself.
        if line.starts_with(b" => ")
            || line.starts_with(b" * ")
            || (line.starts_with(b" ---> ") && !self.reports_error())
        {
            return None;
        }
        // The pretty form of Rust's `tracing` indents each event, and more what belongs to it.
        if self.head().first() == Some(&b' ') && begins_with_stamp(text) {
            return None;
        }
        if trace::is_frame(line) {
            return Some(State::Trace(Trace::Frames));
        }
        if self.after_blank && self.last != b':' {
            return None;
        }
        if text.iter().all(|b| matches!(b, b'^' | b'~')) && self.is_block() {
            return Some(State::Trace(Trace::Caret));
        }
        self.is_block().then_some(State::Text)
    }

    /// Whether indented lines belong to the record.
    fn is_block(&self) -> bool {
        self.header || matches!(self.last, b':' | b'{' | b'[' | b'(' | b',') || self.reports_error()
    }

    fn unindented(&mut self, line: &[u8], lead: Lead) -> Option<State> {
        if [&b"Caused by: "[..], b"Suppressed: ", b"... ", b"--- End of "].iter().any(|lead| line.starts_with(lead)) {
            let elided = line.starts_with(b"... ") && !trace::is_elision(line);
            return (!elided).then_some(self.state);
        }
        match self.state {
            State::Trace(trace) => match trace.next(line, self.head(), self.after_blank) {
                Some(Trace::Done) => Some(State::Closed),
                Some(next) => Some(State::Trace(next)),
                None => (lead == Lead::Other && self.goes_on_saying(trace, line)).then_some(self.state),
            },
            State::Block(block) => block.next(line, self.head()).map(|next| match next {
                Block::Done => State::Closed,
                next => State::Block(next),
            }),
            State::Text | State::Second => self.after_text(line, lead),
            State::Json | State::Closed | State::Fresh => None,
        }
    }

    /// What continues a record of text although it is not indented: the error below the line that reports it, and prose.
    fn after_text(&mut self, line: &[u8], lead: Lead) -> Option<State> {
        let traced = |trace| Some(State::Trace(trace));
        let first = *line.first()?;
        if self.state == State::Text && self.header && first.is_ascii_uppercase() && self.is_second_of_two(line) {
            return Some(State::Second);
        }
        if first == b'F' && line.starts_with(trace::THREAD_DUMP) {
            return (begins_with_stamp(self.head()) && self.head().len() < 32).then_some(State::Trace(Trace::Threads));
        }
        if let Some(dotted) = trace::exception(line) {
            let below = (dotted && self.header) || (!self.after_blank && self.severity() >= Severity::Warning);
            return below.then_some(State::Trace(Trace::Named));
        }
        match first {
            b'g' if line.starts_with(b"goroutine ") && memmem::find(self.head(), b"panic").is_some() => {
                return traced(Trace::Go);
            }
            b'*' if line.starts_with(b"*** Check failure stack trace") => return traced(Trace::Glog),
            b'*' if line.starts_with(b"** (") && self.reports_error() => return traced(Trace::Elixir),
            b'S' | b'[' | b'P' if trace::starts_numbered(line) && (first != b'S' || self.reports_error()) => {
                return traced(Trace::Numbered);
            }
            b'f' if line.starts_with(b"future: <") && self.reports_error() => return Some(self.state),
            b'#' if line.starts_with(trace::JVM_CRASH) && self.head() == b"#" => return traced(Trace::JvmCrash),
            b'0'..=b'9' if self.last == b':' && trace::is_dotted(line) && self.reports_error() => {
                return traced(Trace::Dotted);
            }
            _ => {}
        }
        if let Some(trace) = Trace::starts(line) {
            let least = if trace.is_logged() { Severity::Warning } else { Severity::Error };
            let below = trace.is_crash() && !self.after_blank && self.severity() >= least;
            return below.then_some(State::Trace(trace));
        }
        if self.header && trace::has_go_stack(self.head()) && trace::is_go_function(line) {
            return traced(Trace::GoStack);
        }
        if trace::is_ruby_frame(line) && (self.reports_error() || self.severity() >= Severity::Warning) {
            return traced(Trace::Ruby);
        }
        if trace::is_closer(line) {
            return Some(State::Text);
        }
        if self.stamped && self.repeats_the_end(line) {
            return traced(Trace::Named);
        }
        let levelled = self.header && (self.state == State::Second || self.names_level());
        let is_open = self.last == b':' || line.starts_with(b"{'");
        if levelled && self.stamped && is_open && lead == Lead::Other {
            if block::is_rule(line) {
                return Some(State::Block(Block::Report));
            }
            let listed = self.last == b':' && block::is_listed(line);
            return (listed || self.evidence.follows()).then_some(self.state);
        }
        (self.header && !self.after_blank && self.evidence.allows(line, levelled)).then_some(self.state)
    }

    /// Whether the line says again how the record's first line ended.
    fn repeats_the_end(&self, line: &[u8]) -> bool {
        line.len() >= REPEATED_BYTES_MIN && self.tail.is_some_and(|tail| tail.ends_with(line))
    }

    /// Whether the line is one more of the message of an exception, above its frames.
    fn goes_on_saying(&mut self, trace: Trace, line: &[u8]) -> bool {
        let is_message = trace == Trace::Named && self.stamped && !self.after_blank;
        is_message && trace::exception(line).is_none() && Trace::starts(line).is_none() && self.evidence.follows()
    }

    fn is_second_of_two(&self, line: &[u8]) -> bool {
        let second = std::str::from_utf8(&line[..line.len().min(9)]);
        let head = std::str::from_utf8(self.head());
        matches!((head, second), (Ok(head), Ok(second)) if is_second_of_two(second) && is_first_of_two(head))
    }

    fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_bytes)]
    }

    /// Whether the record's first bytes name a level.
    fn names_level(&self) -> bool {
        lead::names_level(self.head())
    }

    /// How bad it is what the record's first line reports: what its level says, or, without a level, its words.
    fn severity(&self) -> Severity {
        let died = self.head().starts_with(b"Process ") && self.last == b':';
        let said = if died || self.reports_error() { Severity::Error } else { Severity::Other };
        lead::severity(self.head()).unwrap_or(said)
    }

    /// Whether the record's first bytes name a level of error or worse, or an exception.
    fn reports_error(&self) -> bool {
        const WORDS: [&[u8]; 11] = [
            b"rror",
            b"ERROR",
            b"xception",
            b"atal",
            b"FATAL",
            b"ritical",
            b"CRITICAL",
            b"SEVERE",
            b"failed",
            b"cannot",
            b"ERR",
        ];
        WORDS.iter().any(|word| memmem::find(self.head(), word).is_some())
    }
}
