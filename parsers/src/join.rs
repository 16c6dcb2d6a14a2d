//! Which lines continue the one before: stack traces and indented text, joined into one record.
//!
//! A [`Joiner`] sits on one stream, before the log, so it works on bytes and decides at once, by the first bytes of a
//! line and a small state. The caller holds the open record, and ends it when a line [`Decision::Starts`] the next,
//! at [`JOINED_LINES_MAX`], [`JOINED_BYTES_MAX`] or [`JOIN_WAIT_MS`], and at the end of the body, file or pipe.
//!
//! # Rules
//! - A line that begins with a stamp, `{`, a syslog priority or glog's header starts a record, always.
//! - An indented line continues a record that is not JSON; after JSON only a stack frame does. ` INFO ` and ` WARN ` with one
//!   blank before them start a record: levels set flush right.
//! - `Caused by:`, `Suppressed:`, `... 12 more`, `--- End of` continue any record.
//! - `INFO: text` continues `Jan 02, 2026 3:04:05 AM com.example.Shop main`, as java.util.logging writes both.
//! - Python: `Traceback` starts a record of its own, unless the record before reports an error (its first bytes name
//!   a level of error or worse, or an exception): `logging.exception` prints its line, then the traceback; after
//!   `INFO done` a traceback is another matter. The unindented `ValueError: text` below the frames belongs to it, as do
//!   "During handling of ..." and the next traceback.
//! - The unindented `a.b.CException: text` of Java continues a log line that begins with a stamp or reports an error,
//!   since logging libraries print the exception below it at any level.
//! - Go: blank lines, `goroutine`, function and tab lines after `panic:`. Rust: the message line, `stack backtrace:`
//!   and `note:` after `panicked at`. Ruby: `from` lines. Node: the quoted source line, caret and error. PHP: `Stack trace:`,
//!   its `#0` lines, blank lines and `Next ...` below an error.

use crate::line::plain::{begins_with_stamp, is_first_of_two, is_second_of_two};
use memchr::memmem;

/// How many lines one record joins; the next line starts a new record.
pub const JOINED_LINES_MAX: usize = 500;
/// How many bytes one record joins, line ends included; the line that would exceed it starts a new record.
pub const JOINED_BYTES_MAX: usize = 1 << 20;
/// How long, in milliseconds, a record waits for a line that continues it.
pub const JOIN_WAIT_MS: u64 = 500;

/// How much of a record's first line is kept to answer whether it reports an error.
const HEAD_BYTES_MAX: usize = 96;

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
    /// Nothing yet.
    #[default]
    Fresh,
    /// A record that is no JSON.
    Text,
    /// Both lines of java.util.logging.
    Second,
    /// The frames of a stack trace: the next error begins a record of its own.
    Frames,
    /// A JSON object.
    Json,
    /// The frames of a Python traceback.
    PythonFrames,
    /// Below the error that ends a traceback, where another may follow it.
    PythonEnd,
    /// A Go panic.
    Go,
    /// A Rust panic whose message is on the next line.
    RustMessage,
    /// Below the message of a Rust panic.
    Rust,
    /// Node's source line with its caret: the error follows.
    Caret,
    /// The trace below an error of PHP, and the errors that came of it.
    Php,
}

/// The state of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Joiner {
    state: State,
    head: [u8; HEAD_BYTES_MAX],
    head_bytes: u8,
}

impl Default for Joiner {
    fn default() -> Joiner {
        Joiner { state: State::Fresh, head: [0; HEAD_BYTES_MAX], head_bytes: 0 }
    }
}

impl Joiner {
    /// Decides about the stream's next line, given without its line end.
    pub fn push(&mut self, line: &[u8]) -> Decision {
        match self.continues(line) {
            Some(next) => {
                self.state = next;
                Decision::Continues
            }
            None => {
                self.start(line);
                Decision::Starts
            }
        }
    }

    /// Forgets the open record, after its end for another reason than the next line: nothing continues it.
    pub fn reset(&mut self) {
        self.state = State::Fresh;
    }

    fn start(&mut self, line: &[u8]) {
        let kept = line.len().min(HEAD_BYTES_MAX);
        self.head[..kept].copy_from_slice(&line[..kept]);
        self.head_bytes = kept as u8;
        self.state = match line.first() {
            Some(b'{') => State::Json,
            Some(b'T') if line.starts_with(TRACEBACK) => State::PythonFrames,
            Some(b'p' | b'f' | b'g' | b'S') if starts_go(line) => State::Go,
            Some(b't') if is_rust_panic(line) => rust_state(line),
            _ => State::Text,
        };
    }

    /// The state after the line if it continues the open record.
    fn continues(&self, line: &[u8]) -> Option<State> {
        if self.state == State::Fresh {
            return None;
        }
        match line {
            _ if line.trim_ascii().is_empty() => self.blank(),
            // A level that is set flush right, of loggers without a stamp.
            [b' ', b'I', b'N', b'F', b'O', b' ', ..] | [b' ', b'W', b'A', b'R', b'N', b' ', ..] => None,
            [b' ' | b'\t', ..] => self.indented(line),
            [b'{', ..] | [b'<', b'0'..=b'9', ..] | [] => None,
            [first, ..] => self.unindented(line, *first),
        }
    }

    fn indented(&self, line: &[u8]) -> Option<State> {
        match self.state {
            State::Json => is_frame(line).then_some(State::Json),
            State::PythonEnd => Some(State::Text),
            State::Text | State::Second | State::Caret if is_frame(line) => Some(State::Frames),
            State::Text if line.trim_ascii_start().iter().all(|b| matches!(b, b'^' | b'~')) => Some(State::Caret),
            State::RustMessage => Some(State::Rust),
            state => Some(state),
        }
    }

    fn unindented(&self, line: &[u8], first: u8) -> Option<State> {
        if first.is_ascii_digit() || first == b'[' || first.is_ascii_uppercase() {
            let klog = matches!(line, [_, b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b'0'..=b'9', b' ', ..]);
            if begins_with_stamp(line) || (klog && first.is_ascii_uppercase()) {
                return None;
            }
        }
        if [&b"Caused by: "[..], b"Suppressed: ", b"... ", b"--- End of "].iter().any(|lead| line.starts_with(lead)) {
            let elided = line.starts_with(b"... ") && !line.ends_with(b" more");
            return (!elided).then_some(self.state);
        }
        match self.state {
            State::PythonFrames => Some(State::PythonEnd),
            State::PythonEnd if is_chain(line) => Some(State::PythonEnd),
            State::PythonEnd if line.starts_with(TRACEBACK) => Some(State::PythonFrames),
            State::Go if continues_go(line) => Some(State::Go),
            State::RustMessage => Some(State::Rust),
            State::Rust if line.starts_with(b"stack backtrace:") || line.starts_with(b"note: ") => Some(State::Rust),
            State::Text if starts_php_trace(line) => self.reports_error().then_some(State::Php),
            State::Php => continues_php(line).then_some(State::Php),
            State::Caret | State::Text | State::Second => self.after_text(line),
            State::Frames => closes(line).then_some(State::Frames),
            _ => None,
        }
    }

    /// What continues a record of text although it is not indented: the error below the line that reports it.
    fn after_text(&self, line: &[u8]) -> Option<State> {
        if line.starts_with(TRACEBACK) {
            return self.reports_error().then_some(State::PythonFrames);
        }
        if self.state == State::Text
            && let (Ok(head), Ok(second)) =
                (std::str::from_utf8(self.head()), std::str::from_utf8(&line[..line.len().min(9)]))
            && is_second_of_two(second)
            && is_first_of_two(head)
        {
            return Some(State::Second);
        }
        if let Some(dotted) = exception(line) {
            let below =
                self.state == State::Caret || self.reports_error() || (dotted && begins_with_stamp(self.head()));
            return below.then_some(State::Text);
        }
        if line.starts_with(b"goroutine ") {
            return memmem::find(self.head(), b"panic").is_some().then_some(State::Go);
        }
        (closes(line) || (is_ruby_frame(line) && self.reports_error())).then_some(State::Text)
    }

    fn blank(&self) -> Option<State> {
        matches!(self.state, State::Go | State::PythonEnd | State::Caret | State::Php).then_some(self.state)
    }

    fn head(&self) -> &[u8] {
        &self.head[..usize::from(self.head_bytes)]
    }

    /// Whether the record's first bytes name a level of error or worse, or an exception.
    fn reports_error(&self) -> bool {
        const WORDS: [&[u8]; 9] =
            [b"ERROR", b"error", b"Error", b"CRITICAL", b"FATAL", b"fatal", b"SEVERE", b"xception", b"critical"];
        WORDS.iter().any(|word| memmem::find(self.head(), word).is_some())
    }
}

/// The bracket that ends what Node prints of an error's properties.
fn closes(line: &[u8]) -> bool {
    matches!(line, b"}" | b"]" | b"})" | b"]," | b"},")
}

const TRACEBACK: &[u8] = b"Traceback (most recent call last):";

fn is_frame(line: &[u8]) -> bool {
    let frame = line.trim_ascii_start();
    frame.starts_with(b"at ")
        || frame.starts_with(b"File \"")
        || (frame.starts_with(b"... ") && frame.ends_with(b" more"))
        || frame.starts_with(b"Suppressed: ")
}

/// `Stack trace:` of PHP, `[stacktrace]` of Laravel.
fn starts_php_trace(line: &[u8]) -> bool {
    matches!(line, b"Stack trace:" | b"[stacktrace]")
}

/// `#0 /srv/shop.php(7): f()`, `Next RuntimeException: text`, and the end of what Laravel writes around a trace.
fn continues_php(line: &[u8]) -> bool {
    matches!(line, [b'#', b'0'..=b'9', ..] | [b'"', b'}', ..]) || line.starts_with(b"Next ") || starts_php_trace(line)
}

/// Between the tracebacks of a chain.
fn is_chain(line: &[u8]) -> bool {
    line.starts_with(b"During handling of the above exception")
        || line.starts_with(b"The above exception was the direct")
}

fn starts_go(line: &[u8]) -> bool {
    [&b"panic: "[..], b"fatal error: ", b"goroutine ", b"SIGQUIT: "].iter().any(|lead| line.starts_with(lead))
}

/// `main.run(0x1)`, `created by main.main`, `goroutine 7 [select]:`, `[signal SIGSEGV: ...]`, `exit status 2`.
fn continues_go(line: &[u8]) -> bool {
    let leads: [&[u8]; 7] =
        [b"goroutine ", b"created by ", b"[signal ", b"exit status ", b"runtime", b"panic: ", b"...additional frames"];
    leads.iter().any(|lead| line.starts_with(lead))
        || (line.ends_with(b")") && memchr::memchr(b'(', line).is_some_and(|end| !line[..end].contains(&b' ')))
}

fn is_rust_panic(line: &[u8]) -> bool {
    line.starts_with(b"thread '") && memmem::find(line, b"panicked at ").is_some()
}

fn rust_state(line: &[u8]) -> State {
    if line.ends_with(b":") { State::RustMessage } else { State::Rust }
}

/// Whether the line begins with the name of an exception, and whether that name has dots.
fn exception(line: &[u8]) -> Option<bool> {
    let end =
        line.iter().position(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'.' | b'_' | b'$')).unwrap_or(line.len());
    let name = &line[..end];
    let named = [&b"Error"[..], b"Exception", b"Throwable"].iter().any(|suffix| name.ends_with(suffix));
    (named && matches!(line.get(end), None | Some(b':' | b' '))).then(|| name.contains(&b'.'))
}

/// `/app/shop.rb:12:in 'run'`.
fn is_ruby_frame(line: &[u8]) -> bool {
    memmem::find(line, b".rb:").is_some_and(|at| memmem::find(&line[at..], b":in ").is_some())
}
