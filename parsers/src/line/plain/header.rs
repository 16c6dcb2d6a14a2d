//! The header of a line: what stands in front of its text.
//!
//! Read from left to right, one piece after another. Pieces that may be header or text wait until a later piece is surely
//! header: [`Reader::keep`] remembers how far the header is understood, and what comes behind that stays in the message.

mod brackets;
pub(super) mod layouts;
mod start;
mod word;

use super::words::{any_level, capital_level, is_name, is_thread, letter_level, number, place};
use crate::fields::{Fields, Value};
use crate::line::{Context, pairs};
use crate::time::Stamp;
use start::php_level;

/// How many pieces a header has at most.
const PIECES_MAX: usize = 14;
/// How far a bracket reaches at most.
const BRACKET_BYTES_MAX: usize = 256;
/// How many words behind the header are looked at for a level.
const LEVEL_WORDS_MAX: usize = 5;

/// What a header says.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Header<'a> {
    stamp: Option<Stamp>,
    level: Option<&'static str>,
    host: Option<&'a str>,
    service: Option<&'a str>,
    process: Option<&'a str>,
    pid: Option<i64>,
    thread: Option<&'a str>,
    thread_id: Option<i64>,
    logger: Option<&'a str>,
    file: Option<&'a str>,
    file_line: Option<i64>,
    function: Option<&'a str>,
    request: Option<&'a str>,
    user: Option<&'a str>,
    project: Option<&'a str>,
    trace: Option<&'a str>,
    span: Option<&'a str>,
    spans: Option<&'a str>,
    code: Option<i64>,
    /// Pairs between the stamp and the level.
    metadata: Option<&'a str>,
    /// A name in brackets that is a thread's or a logger's: what else the header has decides.
    unnamed: Option<&'a str>,
    /// The logger says that the line has no level.
    unlevelled: bool,
}

impl<'a> Header<'a> {
    /// Whether the header is surely a logger's, so that pairs behind it are a logger's too.
    pub(super) fn is_of_logger(&self) -> bool {
        self.level.is_some() || self.unlevelled
    }

    pub(super) fn is_stamp_alone(&self) -> bool {
        *self == Header { stamp: self.stamp, ..Header::default() }
    }

    pub(super) fn put(self, context: &Context<'_>, fields: &mut Fields<'a>) {
        let Header { mut thread, mut logger, .. } = self;
        match self.unnamed {
            Some(name) if thread.is_none() && (logger.is_some() || is_thread(name) || !is_name(name)) => {
                thread = Some(name)
            }
            Some(name) if logger.is_none() => logger = Some(name),
            _ => {}
        }
        if let Some(stamp) = self.stamp {
            stamp.put(fields);
        }
        let texts = [
            ("log.level", self.level),
            ("host.name", self.host),
            ("service.name", self.service),
            ("process.name", self.process),
            ("process.thread.name", thread),
            ("log.logger", logger),
            ("log.origin.file.name", self.file),
            ("log.origin.function", self.function),
            ("http.request.id", self.request),
            ("user.id", self.user),
            ("openstack.project_id", self.project),
            ("trace.id", self.trace),
            ("span.id", self.span),
            ("tracing.spans", self.spans),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                fields.push(name, Value::text(text));
            }
        }
        let numbers = [
            ("process.pid", self.pid),
            ("process.thread.id", self.thread_id),
            ("log.origin.file.line", self.file_line),
            ("event.code", self.code),
        ];
        for (name, number) in numbers {
            if let Some(number) = number {
                fields.push(name, Value::Int(number));
            }
        }
        if let Some(metadata) = self.metadata {
            put_metadata(metadata, context, fields);
        }
    }
}

/// The pairs that Elixir's logger writes between the time and the level.
fn put_metadata<'a>(metadata: &'a str, context: &Context<'_>, fields: &mut Fields<'a>) {
    let mut found = Fields::default();
    for (key, value) in pairs::trailing(metadata).map(|found| found.1).unwrap_or_default() {
        let name = match key {
            "module" => "log.logger",
            "file" => "log.origin.file.name",
            "line" => "log.origin.file.line",
            "function" => "log.origin.function",
            "pid" if matches!(&value, Value::Str(pid) if pid.starts_with('<')) => "process.thread.name",
            _ => {
                found.push(key, value);
                continue;
            }
        };
        fields.push(name, value);
    }
    pairs::add(found, context, fields);
}

/// Reads the header of a line.
pub(super) struct Reader<'a, 'c> {
    line: &'a str,
    context: &'c Context<'c>,
    at: usize,
    /// A stamp with a date was read.
    dated: bool,
    header: Header<'a>,
    kept: (usize, Header<'a>),
    /// Where a time without a date ends.
    clock_end: usize,
    /// Where the line begins behind its indentation.
    begin: usize,
    /// The message begins where the header ends, whatever it begins with.
    exact: bool,
}

/// What the header says, and where the message begins: 0 where all of the line is message.
pub(super) fn read<'a>(line: &'a str, context: &Context<'_>) -> (Header<'a>, usize) {
    let none = Header::default();
    let mut reader = Reader {
        line,
        context,
        at: 0,
        dated: false,
        header: none,
        kept: (0, none),
        clock_end: 0,
        begin: 0,
        exact: false,
    };
    reader.at = line.len() - line.trim_start_matches([' ', '\t', '\u{feff}']).len();
    reader.begin = reader.at;
    if !reader.start() {
        return reader.kept_header();
    }
    let mut pieces = 0;
    while pieces < PIECES_MAX && reader.piece() {
        pieces += 1;
    }
    reader.kept_header()
}

impl<'a> Reader<'a, '_> {
    fn kept_header(mut self) -> (Header<'a>, usize) {
        self.late_level();
        self.at = self.kept.0;
        if self.at > 0 && !self.exact {
            self.separators();
        }
        let whole = matches!(self.kept.1.stamp, Some(Stamp::OutOfRange));
        (self.kept.1, if whole { 0 } else { self.at })
    }

    fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn bytes(&self) -> &'a [u8] {
        self.rest().as_bytes()
    }

    /// The header is understood up to here.
    fn keep(&mut self) -> bool {
        self.kept = (self.at, self.header);
        true
    }

    fn has_header(&self) -> bool {
        self.dated || self.header.level.is_some()
    }

    /// Spaces, and the punctuation that loggers put between the parts of a header.
    fn separators(&mut self) {
        for _ in 0..4 {
            let before = self.at;
            self.at += self.bytes().iter().take_while(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r')).count();
            let joined = self.at == before;
            self.at += match self.bytes() {
                [b'-', b'-', b'-', b' ', ..] => 4,
                [b'-', b'-', b' ', ..] => 3,
                [b'-', b' ', ..] | [b':', b' ' | b'\t', ..] => 2,
                [b'|', ..] => 1,
                [b'-' | b':'] => 1,
                [b':', next, ..] if joined && *next != b':' => 1,
                [b',', b' ' | b'\t', ..] if joined => 1,
                [b';', b' ' | b'\t', ..] => 1,
                [b'-', b'-', b'>', b' ', ..] => 4,
                [b'>', b' ', ..] if self.header.file.is_some() || self.header.logger.is_some() => 2,
                _ => return,
            };
        }
    }

    /// One piece; false where the header ends.
    fn piece(&mut self) -> bool {
        let before = self.at;
        self.separators();
        let piped = self.at > before && self.line[before..self.at].contains('|');
        let spring = self.line[before..self.at].contains("---");
        let Some(first) = self.bytes().first() else { return false };
        if spring && *first == b'[' {
            return self.spring();
        }
        if self.header.stamp.is_none() && self.at > 0 && (first.is_ascii_alphanumeric() || *first == b'[') {
            let before = self.at;
            if self.stamp() && self.dated {
                return true;
            }
            self.at = before;
        }
        match first {
            b'[' => self.bracket(),
            b'?' if self.header.stamp.is_some() && self.bytes().starts_with(b"??? ") => {
                // zerolog's console writes no level so.
                self.at += 4;
                self.dated = true;
                self.header.unlevelled = true;
                self.keep()
            }
            b'(' => self.parenthesis(),
            b'<' => self.angle(),
            b'{' => self.enclosed(b'}').and_then(place).is_some_and(|found| self.put_place(found, 2)),
            b'-' => self.dashed_level(),
            b'0'..=b'9' => self.digits(piped),
            b'a'..=b'z' if self.metadata() => false,
            b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'/' | b'.' | b'$' => self.word(piped),
            _ => false,
        }
    }

    fn put_place(&mut self, (file, line): (&'a str, i64), around: usize) -> bool {
        if self.header.file.is_some() {
            return false;
        }
        let digits = line.checked_ilog10().unwrap_or(0) as usize + 1;
        self.at += file.len() + 1 + digits.max(1) + around;
        (self.header.file, self.header.file_line) = (Some(file), Some(line));
        self.keep()
    }

    /// What stands between a bracket and the one that closes it, which may hold such brackets again.
    fn enclosed(&self, close: u8) -> Option<&'a str> {
        let bytes = self.bytes();
        let open = *bytes.first()?;
        let mut depth = 0_usize;
        for (at, byte) in bytes.iter().enumerate().take(BRACKET_BYTES_MAX) {
            if *byte == open {
                depth += 1;
            } else if *byte == close {
                depth -= 1;
                if depth == 0 {
                    return self.rest().get(1..at);
                }
            }
        }
        None
    }

    /// `-I-`, `-E-`.
    fn dashed_level(&mut self) -> bool {
        let [_, _, b'-', b' ', ..] = self.bytes() else { return false };
        let Some(level) = self.rest().get(1..2).and_then(letter_level).filter(|_| self.header.level.is_none()) else {
            return false;
        };
        self.header.level = Some(level);
        self.at += 3;
        self.keep()
    }

    /// The number of a process or thread, if the header goes on behind it.
    fn digits(&mut self, piped: bool) -> bool {
        let end = self.bytes().iter().take_while(|b| b.is_ascii_digit()).count();
        let Some(value) = number(&self.rest()[..end]) else { return false };
        if self.process_and_thread(end) {
            return true;
        }
        if !matches!(self.bytes().get(end), Some(b' ' | b'\t' | b'|')) {
            return false;
        }
        let named = self.header.service.is_some();
        if !self.has_header() && self.header.stamp.is_none() && !named {
            return false;
        }
        let slot = if self.header.pid.is_none() { &mut self.header.pid } else { &mut self.header.thread_id };
        if slot.is_some() {
            return false;
        }
        *slot = Some(value);
        self.at += end;
        if piped && self.bytes().first() == Some(&b'|') { self.keep() } else { true }
    }

    /// The level of a line whose header was not understood as far as that.
    fn late_level(&mut self) {
        if self.kept.1.level.is_some() {
            return;
        }
        if self.dated {
            let text = self.line.get(self.kept.0..).unwrap_or_default().trim_start_matches(' ');
            let php = text.strip_prefix("PHP ").and_then(php_level);
            self.kept.1.level = php.or_else(|| self.level_behind(self.kept.0));
            return;
        }
        let Some(stamp) = self.header.stamp else {
            // `467 [main] INFO org.example.Sort - text`: the milliseconds since the start have no field.
            let digits = self.line.bytes().take_while(u8::is_ascii_digit).count();
            if digits > 0 && self.line[digits..].starts_with(" [") {
                self.kept.1.level = self.level_behind(0);
            }
            return;
        };
        // A time without a date, then what is not known, then a level.
        let level = self.level_behind(self.clock_end);
        if level.is_some() {
            self.kept = (self.clock_end, Header { stamp: Some(stamp), level, ..Header::default() });
        }
    }

    /// A word in capitals or in brackets that is a level, among the first words from there on.
    fn level_behind(&self, from: usize) -> Option<&'static str> {
        let rest = self.line.get(from..)?;
        let mut prose = 0;
        for word in rest.split([' ', '\t']).filter(|word| !word.is_empty()).take(LEVEL_WORDS_MAX) {
            let bare = word.trim_matches(['[', ']', '(', ')', '<', '>', ':', '|', ',', '-']);
            let bracketed = word.starts_with('[') && word.ends_with(']');
            let level = if bracketed { any_level(bare) } else { capital_level(bare) };
            if level.is_some() || prose > 1 {
                return level;
            }
            prose += usize::from(bare.bytes().all(|b| b.is_ascii_alphabetic()));
        }
        None
    }
}
