//! The header of a line: what stands in front of its text.
//!
//! Read from left to right, one piece after another. Pieces that may be header or text wait until a later piece is surely
//! header: [`Reader::keep`] remembers how far the header is understood, and what comes behind that stays in the message.

use super::words::{
    NAME_BYTES_MAX, any_level, capital_level, is_class_path, is_dotted, is_id, is_name, is_speaker, is_thread,
    letter_level, number, place, plain_level,
};
use crate::fields::{Fields, Value};
use crate::line::Context;
use crate::time::{Stamp, leading_clock, leading_stamp};

/// How many pieces a header has at most.
const PIECES_MAX: usize = 14;
/// How far a bracket reaches at most.
const BRACKET_BYTES_MAX: usize = 256;
/// How many words behind the header are looked at for a level.
const LEVEL_WORDS_MAX: usize = 5;

/// What a header says.
#[derive(Clone, Copy, Default)]
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
    code: Option<i64>,
    /// A name in brackets that is a thread's or a logger's: what else the header has decides.
    unnamed: Option<&'a str>,
}

impl<'a> Header<'a> {
    pub(super) fn put(self, fields: &mut Fields<'a>) {
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
    }
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

    /// What may only stand at the beginning of a line. False where nothing can follow.
    fn start(&mut self) -> bool {
        match self.bytes() {
            // `E, [2026-...`, of Ruby's logger.
            [b'A'..=b'Z', b',', b' ', b'[', ..] => {
                if let Some(level) = letter_level(&self.rest()[..1]).or((self.bytes()[0] == b'A').then_some("info")) {
                    self.at += 3;
                    self.header.level = Some(level);
                    let understood = self.stamp();
                    self.ruby();
                    return understood && !self.exact;
                }
                true
            }
            [b'=', b'A'..=b'Z', ..] => self.report(),
            [b'[', b'N', b'e', b's', b't', b']', b' ', ..] => {
                self.at += 7;
                self.header.service = Some("Nest");
                true
            }
            [b'V' | b'D' | b'I' | b'W' | b'E' | b'F', b'/', ..] => {
                self.logcat_brief();
                false
            }
            [b'P', b'H', b'P', b' ', ..] => {
                self.kept.1.level = php_level(&self.rest()[4..]);
                false
            }
            [b'-', b' ', b'0'..=b'9', ..] => self.alert("-"),
            [b'A'..=b'Z', ..] if self.alert_word() => true,
            _ => {
                self.stamp();
                true
            }
        }
    }

    /// `  INFO -- prog: `, behind the stamp of Ruby's logger.
    fn ruby(&mut self) {
        let rest = self.rest();
        let head = rest.as_bytes().get(..rest.len().min(16)).unwrap_or_default();
        let Some(at) = memchr::memmem::find(head, b" -- ") else { return };
        let level = rest[..at].trim();
        if any_level(level).is_none() && level != "ANY" {
            return;
        }
        let rest = &rest[at + 4..];
        let end = rest.bytes().take(NAME_BYTES_MAX).position(|b| b == b':');
        let Some(end) = end.filter(|end| matches!(rest.as_bytes().get(end + 1), None | Some(b' '))) else { return };
        self.header.process = Some(&rest[..end]).filter(|program| !program.is_empty());
        self.at = self.line.len() - rest.len() + end + 1;
        self.at += usize::from(self.bytes().first() == Some(&b' '));
        self.exact = self.keep();
    }

    /// A stamp, in brackets alone or with more of the header behind it.
    fn stamp(&mut self) -> bool {
        if let Some((rest, stamp)) = leading_stamp(self.rest(), self.context) {
            self.at = self.line.len() - rest.len();
            self.header.stamp = Some(stamp);
            self.dated = true;
            return self.keep();
        }
        if self.bytes().first() == Some(&b'[') {
            return self.open_stamp();
        }
        if !self.bytes().first().is_some_and(u8::is_ascii_digit) {
            return false;
        }
        // A time without a date counts only with a level behind it.
        let Some((rest, stamp)) = leading_clock(self.rest(), self.context) else { return false };
        self.at = self.line.len() - rest.len();
        self.clock_end = self.at;
        self.header.stamp = Some(stamp);
        true
    }

    /// `[2006-01-02T15:04:05Z INFO  mod::x]`, `[15:04:05 INF]`, `[... #77]`, `[...: INFO/Worker-1]`, `[15:04:05]`.
    fn open_stamp(&mut self) -> bool {
        let inside = &self.rest()[1..];
        let dated = leading_stamp(inside, self.context);
        let Some((rest, stamp)) = dated.or_else(|| leading_clock(inside, self.context)) else { return false };
        let start = self.line.len() - rest.len();
        let Some(end) = rest.bytes().take(BRACKET_BYTES_MAX).position(|b| b == b']') else { return false };
        let before = self.header;
        self.header.stamp = Some(stamp);
        for word in rest[..end].split([' ', '\t']).filter(|word| !matches!(*word, "" | ":" | "-")) {
            let (level, name) = word.split_once('/').map_or((word, None), |(level, name)| (level, Some(name)));
            if let Some(level) =
                any_level(level).or_else(|| letter_level(level)).filter(|_| self.header.level.is_none())
            {
                self.header.level = Some(level);
                self.header.process = name;
            } else if let Some(pid) = number(word.strip_prefix('#').unwrap_or(word)) {
                self.header.pid = Some(pid);
            } else if let Some((file, line)) = place(word) {
                (self.header.file, self.header.file_line) = (Some(file), Some(line));
            } else if is_name(word) && !word.contains('/') && self.header.logger.is_none() {
                self.header.logger = Some(word);
            } else {
                // The time is known all the same.
                self.header = Header { stamp: dated.map(|(_, stamp)| stamp), ..before };
                self.dated = dated.is_some();
                self.kept.1 = self.header;
                return false;
            }
        }
        self.dated = true;
        self.at = start + end + 1;
        self.keep()
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
                [b'>', b' ', ..] if self.header.file.is_some() => 2,
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
            b'(' => self.parenthesis(),
            b'<' => self.angle(),
            b'{' => self.enclosed(b'}').and_then(place).is_some_and(|found| self.put_place(found, 2)),
            b'-' => self.dashed_level(),
            b'0'..=b'9' => self.digits(piped),
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

    fn bracket(&mut self) -> bool {
        // `INFO[0003]` and `items[7]` are no brackets of their own.
        if self.at > 0 && self.line.as_bytes()[self.at - 1].is_ascii_alphanumeric() {
            return false;
        }
        let Some(content) = self.enclosed(b']') else { return false };
        let text = content.trim();
        let after = self.at + content.len() + 2;
        let sure = match self.bracketed(text) {
            Some(sure) => sure,
            None => return false,
        };
        self.at = after;
        if sure { self.keep() } else { true }
    }

    /// Takes what a bracket says; whether that is surely header. None where it is rather text.
    fn bracketed(&mut self, text: &'a str) -> Option<bool> {
        let has_header = self.has_header();
        if text.is_empty() || text == "-" {
            return has_header.then_some(true);
        }
        if self.header.level.is_none() {
            if let Some(level) = any_level(text).or_else(|| letter_level(text)) {
                self.header.level = Some(level);
                return Some(true);
            }
            // `[INFO  shop::net]`, of Rust's env_logger without time.
            let spaced = text.split_once(' ').map(|(word, name)| (word, name.trim_start()));
            if let Some((level, name)) = spaced.and_then(|(word, name)| Some((capital_level(word)?, name)))
                && is_name(name)
                && self.header.logger.is_none()
            {
                (self.header.level, self.header.logger) = (Some(level), Some(name));
                return Some(true);
            }
            let pair = text.rsplit_once([':', '/']).and_then(|(name, word)| Some((name, any_level(word)?)));
            if let Some((name, level)) = pair {
                let slash = text.as_bytes()[name.len()] == b'/';
                *(if slash { &mut self.header.thread } else { &mut self.header.logger }) = Some(name);
                self.header.level = Some(level);
                return Some(true);
            }
        }
        if let Some(pid) = number(text) {
            let slot = if self.header.pid.is_none() { &mut self.header.pid } else { &mut self.header.thread_id };
            if slot.is_some() {
                return None;
            }
            *slot = Some(pid);
            return Some(has_header);
        }
        if let Some(rest) = text.strip_prefix("pid ").or(text.strip_prefix("pid:")) {
            let (pid, thread) = rest.split_once(":tid ").map_or((rest, None), |(pid, tid)| (pid, number(tid)));
            self.header.pid = Some(number(pid)?);
            self.header.thread_id = thread;
            return Some(true);
        }
        if self.ids(text) {
            return Some(has_header);
        }
        if let Some((file, line)) = place(text).filter(|_| has_header) {
            (self.header.file, self.header.file_line) = (Some(file), Some(line));
            return Some(true);
        }
        self.bracketed_name(text)
    }

    /// The names of threads and loggers in brackets.
    fn bracketed_name(&mut self, text: &'a str) -> Option<bool> {
        let has_header = self.has_header();
        // `[QuorumPeer[myid=1]:FastLeaderElection@774]`, of ZooKeeper: thread, class, line.
        if let Some((front, line)) = text.rsplit_once('@').and_then(|(front, line)| Some((front, number(line)?)))
            && let Some((thread, class)) = front.rsplit_once(':')
            && is_name(class)
        {
            self.header.thread = Some(thread);
            self.header.logger = Some(class);
            self.header.file_line = Some(line);
            return Some(true);
        }
        if is_dotted(text) && !is_thread(text) && self.header.logger.is_none() {
            self.header.logger = Some(text);
            return Some(has_header);
        }
        let name = is_name(text);
        if text.as_bytes()[0].is_ascii_digit() && !text.bytes().any(|b| b.is_ascii_alphabetic()) {
            return None;
        }
        if let Some(unnamed) = self.header.unnamed {
            if self.header.logger.is_some() || self.header.thread.is_some() || !name {
                return None;
            }
            *(if is_thread(unnamed) { &mut self.header.thread } else { &mut self.header.logger }) = Some(unnamed);
        } else if self.header.thread.is_some() || (self.header.logger.is_some() && !is_thread(text)) {
            return None;
        }
        self.header.unnamed = Some(text);
        let clear = name && (is_thread(text) || text.len() > 2) && (self.header.level.is_some() || is_thread(text));
        Some(clear && self.dated)
    }

    /// Ids of requests and traces in brackets.
    fn ids(&mut self, text: &'a str) -> bool {
        if text.starts_with("req-") {
            let mut parts = text.split(' ');
            let request = parts.next();
            let (user, project) = (parts.next().filter(|part| *part != "-"), parts.next().filter(|part| *part != "-"));
            // More than what has a name would be lost.
            if parts.any(|part| part != "-") {
                return false;
            }
            (self.header.request, self.header.user, self.header.project) = (request, user, project);
            return true;
        }
        if is_id(text, 36) && self.header.request.is_none() {
            self.header.request = Some(text);
            return true;
        }
        if is_id(text, 32) && !text.contains('-') && self.header.trace.is_none() {
            self.header.trace = Some(text);
            return true;
        }
        if let Some((trace, span)) = text.split_once('-')
            && (is_id(trace, 32) || is_id(trace, 16))
            && is_id(span, 16)
        {
            (self.header.trace, self.header.span) = (Some(trace), Some(span));
            return true;
        }
        // `[shop,803b448a0489f840,3425f23bb2432450,true]`, of Spring Cloud Sleuth.
        let mut parts = text.split(',').map(str::trim);
        let (Some(service), Some(trace), Some(span)) = (parts.next(), parts.next(), parts.next()) else { return false };
        let flag = parts.next().is_none_or(|flag| matches!(flag, "" | "true" | "false"));
        let ids = (is_id(trace, 16) || is_id(trace, 32)) && is_id(span, 16);
        if !flag || parts.next().is_some() || !is_name(service) || !(ids || (trace.is_empty() && span.is_empty())) {
            return false;
        }
        self.header.service = Some(service);
        if ids {
            (self.header.trace, self.header.span) = (Some(trace), Some(span));
        }
        true
    }

    /// What stands behind `---`, of Spring Boot: `[app] [thread] [trace-span] logger : `, the first and third only sometimes.
    fn spring(&mut self) -> bool {
        let mut brackets = [""; 3];
        let mut count = 0;
        while count < brackets.len() && self.bytes().first() == Some(&b'[') {
            let Some(content) = self.enclosed(b']') else { return false };
            brackets[count] = content.trim();
            count += 1;
            self.at += content.len() + 2;
            self.at += self.bytes().iter().take_while(|b| **b == b' ').count();
        }
        let traced = |reader: &mut Self, text: &'a str| text.is_empty() || reader.ids(text);
        let (service, thread) = match (count, brackets) {
            (1, [thread, ..]) => ("", thread),
            (2, [first, second, _]) if traced(self, second) => ("", first),
            (2, [first, second, _]) => (first, second),
            (_, [first, second, third]) if traced(self, third) => (first, second),
            _ => return false,
        };
        if !service.is_empty() {
            self.header.service = Some(service);
        }
        self.header.thread = Some(thread).filter(|thread| !thread.is_empty());
        let end = self.bytes().iter().take(NAME_BYTES_MAX).position(|b| *b == b' ');
        if let Some(end) = end.filter(|end| *end > 0 && column_colon(&self.bytes()[*end..])) {
            self.header.logger = self.rest().get(..end);
            self.at += end;
            self.at += self.bytes().iter().take_while(|b| **b == b' ').count() + 1;
            self.at += usize::from(self.bytes().first() == Some(&b' '));
            self.exact = self.keep();
            return false;
        }
        self.keep()
    }

    fn parenthesis(&mut self) -> bool {
        let Some(content) = self.enclosed(b')') else { return false };
        if !self.has_header() {
            return false;
        }
        let level = any_level(content).filter(|_| self.header.level.is_none());
        if level.is_some() {
            self.header.level = level;
        } else if let Some(pid) = number(content).filter(|_| self.header.pid.is_none()) {
            self.header.pid = Some(pid);
        } else if let Some(found) = place(content) {
            return self.put_place(found, 2);
        } else if let Some((service, rest)) = content.split_once('/')
            && let (pid, host) = rest.split_once(" on ").map_or((rest, None), |(pid, host)| (pid, Some(host)))
            && let Some(pid) = number(pid).filter(|_| self.header.pid.is_none() && is_name(service))
        {
            // `(shop/4711 on web-1)`, of pino.
            (self.header.service, self.header.pid, self.header.host) = (Some(service), Some(pid), host);
        } else if self.header.logger.is_some()
            && self.header.level.is_some()
            && self.header.thread.is_none()
            && self.dated_or_clock()
        {
            // `[io.quarkus] (main)`.
            if self.line.as_bytes().get(..self.at).is_none_or(|before| !before.trim_ascii_end().ends_with(b"]")) {
                return false;
            }
            self.header.thread = Some(content);
        } else {
            return false;
        }
        self.at += content.len() + 2;
        self.keep()
    }

    fn dated_or_clock(&self) -> bool {
        self.header.stamp.is_some()
    }

    /// `<info>`, `<0.123.0>`, `<main.go:12>`.
    fn angle(&mut self) -> bool {
        let Some(content) = self.enclosed(b'>') else { return false };
        let erlang = content.bytes().all(|b| b.is_ascii_digit() || b == b'.') && content.contains('.');
        if let Some(level) = any_level(content).filter(|_| self.header.level.is_none()) {
            self.header.level = Some(level);
        } else if erlang && self.has_header() && self.header.thread.is_none() {
            self.header.thread = self.rest().get(..content.len() + 2);
            // `<0.123.0>@module:function:12`.
            let place = self.rest().get(content.len() + 2..).and_then(|text| text.strip_prefix('@'));
            let end = place.map(|text| text.bytes().take(NAME_BYTES_MAX).take_while(|b| *b != b' ').count());
            if let (Some(place), Some(end)) = (place, end)
                && let Some(text) = place.get(..end)
                && let (module, Some(function), Some(line)) = parts(text)
            {
                (self.header.logger, self.header.function) = (Some(module), Some(function));
                self.header.file_line = Some(line);
                self.at += end + 1;
            }
        } else if let Some(found) = place(content).filter(|_| self.has_header()) {
            return self.put_place(found, 2);
        } else {
            return false;
        }
        self.at += content.len() + 2;
        self.keep()
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

    fn word(&mut self, piped: bool) -> bool {
        let bytes = self.bytes();
        let ends =
            |b: &u8| matches!(b, b' ' | b'\t' | b'[' | b']' | b'(' | b')' | b'{' | b'|' | b'"' | b'=' | b',' | b'\n');
        let end = bytes.iter().take(NAME_BYTES_MAX + 1).position(ends).unwrap_or(bytes.len().min(NAME_BYTES_MAX + 1));
        let Some(word) = self.rest().get(..end).filter(|word| word.len() <= NAME_BYTES_MAX) else { return false };
        let tail = &bytes[end..];
        if self.header.level.is_none()
            && let Some(goes_on) = self.level_word(word, tail, piped)
        {
            return goes_on;
        }
        match tail {
            [b'[', ..] => return self.process(word),
            [b'(', ..] if word == "ThreadId" => return self.thread_id(),
            [b',' | b'"' | b'=' | b'(' | b')' | b'{', ..] => return false,
            _ => {}
        }
        let (core, colon) = word.strip_suffix(':').map_or((word, false), |core| (core, true));
        if let Some(goes_on) = self.before_more(core, colon, tail) {
            return goes_on;
        }
        let columns = matches!(tail, [b'\t' | b'|' | b';', ..] | [b' ', b'|' | b' ' | b';', ..]);
        let dashed = matches!(tail, [b' ', b'-' | b':', b' ', ..] | [b' ', b'-' | b':'])
            || (matches!(tail, [b' ', ..]) && column_colon(tail));
        if let Some(found) = place(core).filter(|_| self.has_header()) {
            return self.put_place(found, usize::from(colon));
        }
        if self.header.logger.is_none() && self.logger(core, colon, columns, dashed, tail) {
            return true;
        }
        self.host(word, tail)
    }

    /// Words whose meaning the next one tells.
    fn before_more(&mut self, core: &'a str, colon: bool, tail: &[u8]) -> Option<bool> {
        let next = self.rest().get(core.len() + usize::from(colon)..)?.strip_prefix(' ')?;
        // `shop: 2006/01/02 15:04:05 text`, of Go's logger with a prefix.
        if colon && self.at == self.begin && !self.has_header() && is_name(core) {
            let (rest, stamp) = leading_stamp(next, self.context)?;
            self.header.stamp = Some(stamp);
            self.header.logger = Some(core);
            self.dated = true;
            self.at = self.line.len() - rest.len();
            return Some(self.keep());
        }
        if core.ends_with(".exe") && next.starts_with('*') && self.dated {
            self.header.process = Some(core);
            self.at += core.len() + 1;
            self.exact = self.keep();
            return Some(false);
        }
        if colon || !self.dated {
            return None;
        }
        if self.header.level.is_some() && self.header.thread.is_none() && next.starts_with("ThreadId(") {
            self.header.thread = Some(core);
            self.at += core.len();
            return Some(true);
        }
        // `com.example.Shop main` and the text in the next line, of java.util.logging.
        if let Some((function, second)) = next.split_once('\n') {
            let (level, text) = second.split_once(": ")?;
            let level = capital_level(level).filter(|_| is_dotted(core) && is_name(function.trim_end()))?;
            self.header.level = Some(level);
            (self.header.logger, self.header.function) = (Some(core), Some(function.trim_end()));
            self.at = self.line.len() - text.len();
            self.exact = self.keep();
            return Some(false);
        }
        // `shop/4711 on web-1: text`, of bunyan.
        if let Some((service, pid)) = core.split_once('/').and_then(|(service, pid)| Some((service, number(pid)?)))
            && let Some(host) = next.strip_prefix("on ")
            && let Some(end) = host.bytes().take(NAME_BYTES_MAX).position(|b| matches!(b, b':' | b' '))
            && host.as_bytes()[end] == b':'
            && is_name(service)
        {
            (self.header.service, self.header.pid, self.header.host) = (Some(service), Some(pid), Some(&host[..end]));
            self.at += core.len() + 1 + 3 + end + 1;
            return Some(self.keep());
        }
        // `shop.cart ERROR text`.
        let end = next.bytes().take(NAME_BYTES_MAX).position(|b| matches!(b, b' ' | b':'))?;
        let behind = capital_level(&next[..end]).is_some();
        let free = self.header.level.is_none() && self.header.logger.is_none();
        if tail.first() == Some(&b' ') && free && behind && is_dotted(core) {
            self.header.logger = Some(core);
            self.at += core.len();
            return Some(true);
        }
        None
    }

    /// A word that may be the level: whether the header goes on, None where it is no level.
    fn level_word(&mut self, word: &'a str, tail: &[u8], piped: bool) -> Option<bool> {
        let (core, colon) = word.strip_suffix(':').map_or((word, false), |core| (core, true));
        let columns =
            matches!(tail, [b'\t' | b'|', ..] | [b' ', b' ' | b'\t' | b'|' | b';', ..] | [b' ', b'-' | b':', b' ', ..]);
        let placed = self.header.stamp.is_some() || self.header.pid.is_some() || self.header.unnamed.is_some();
        if core.len() == 1 {
            return self.letter(core, tail, piped);
        }
        if self.dated && word.as_bytes().get(1) == Some(&b'/') && letter_level(&word[..1]).is_some() {
            self.logcat_brief();
            return Some(false);
        }
        let capital = capital_level(core).or((core == "LOG" && self.header.service == Some("Nest")).then_some("info"));
        let Some(level) = capital.or_else(|| any_level(core)) else { return self.joined_level(word) };
        let capital = capital.is_some();
        if capital && (placed || colon || columns)
            || (!capital
                && ((placed && (colon || columns))
                    || (columns && self.at == self.begin && tail.first() != Some(&b' '))))
        {
            self.header.level = Some(level);
            self.at += word.len();
            if placed || self.header.stamp.is_some() {
                self.dated |= self.header.stamp.is_some();
            }
            return Some(self.keep());
        }
        if self.at > self.begin && !placed {
            return None;
        }
        if capital {
            // `ERROR disk full`: header only if more of it follows.
            self.header.level = Some(level);
            self.kept.1.level = Some(level);
            self.at += word.len();
            return Some(true);
        }
        if colon {
            // `Error: disk full` are the words of a person, `info: Shop.Orders[0]` are .NET's.
            self.kept.1.level = Some(level);
            return Some(self.dotnet(level, word.len()));
        }
        if placed && self.dated && plain_level(core).is_some() {
            self.kept.1.level = Some(level);
            return Some(false);
        }
        None
    }

    /// One letter for the level: `D WindowManager: text`, `|W|`, `I/Tag( 77): `.
    fn letter(&mut self, letter: &'a str, tail: &[u8], piped: bool) -> Option<bool> {
        let level = letter_level(letter)?;
        if (piped && tail.first() == Some(&b'|')) || (self.dated && tail.starts_with(b" | ")) {
            self.header.level = Some(level);
            self.at += 1;
            return Some(self.keep());
        }
        if !self.dated || self.header.thread_id.is_none() || tail.first() != Some(&b' ') {
            return None;
        }
        let text = &self.rest()[2..];
        let end = text.bytes().take(NAME_BYTES_MAX).position(|b| b == b':')?;
        self.header.level = Some(level);
        self.header.logger = Some(text[..end].trim()).filter(|tag| !tag.is_empty());
        self.at += 2 + end + 1;
        self.at += usize::from(self.bytes().first() == Some(&b' '));
        self.exact = self.keep();
        Some(false)
    }

    /// `D/Tag( 1702): text`.
    fn logcat_brief(&mut self) {
        let Some(level) = letter_level(&self.rest()[..1]) else { return };
        let text = &self.rest()[2..];
        let Some(end) = text.bytes().take(NAME_BYTES_MAX).position(|b| matches!(b, b':' | b'(')) else { return };
        let tag = text[..end].trim();
        if tag.is_empty() || tag.contains(['/', '"', '=']) {
            return;
        }
        let mut behind = end;
        if text.as_bytes()[end] == b'(' {
            let Some(close) = text[end..].bytes().take(12).position(|b| b == b')') else { return };
            let Some(pid) = number(text[end + 1..end + close].trim()) else { return };
            self.header.pid = Some(pid);
            behind = end + close + 1;
        }
        if !matches!(text.as_bytes().get(behind..), Some([b':', b' ', ..] | [b':'])) {
            self.header.pid = None;
            return;
        }
        self.header.level = Some(level);
        self.header.logger = Some(tag);
        self.at += 2 + behind + 1;
        self.at += usize::from(self.bytes().first() == Some(&b' '));
        self.exact = self.keep();
    }

    /// `WARNING:django.request:text`, `production.ERROR:`.
    fn joined_level(&mut self, word: &'a str) -> Option<bool> {
        if self.at == self.begin
            && let Some((name, _)) = word.split_once(':')
            && let Some(level) = capital_level(name)
        {
            let text = &self.rest()[name.len() + 1..];
            let end = text
                .bytes()
                .take(NAME_BYTES_MAX)
                .position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')))?;
            if text.as_bytes()[end] != b':' || end == 0 {
                self.kept.1.level = Some(level);
                return Some(false);
            }
            self.header.level = Some(level);
            self.header.logger = Some(&text[..end]);
            self.at += name.len() + 1 + end + 1;
            self.keep();
            return Some(false);
        }
        let (channel, last) = word.strip_suffix(':')?.rsplit_once('.')?;
        let level = capital_level(last).filter(|_| self.dated && is_name(channel))?;
        self.header.level = Some(level);
        self.header.logger = Some(channel);
        self.at += word.len();
        self.keep();
        Some(false)
    }

    /// `info: Shop.Orders[0]`, of .NET's console: the category and the event's id.
    fn dotnet(&mut self, level: &'static str, length: usize) -> bool {
        let Some(text) = self.rest().get(length..).and_then(|text| text.strip_prefix(' ')) else { return false };
        let Some(open) = text.bytes().take(NAME_BYTES_MAX).position(|b| b == b'[') else { return false };
        let Some(close) = text[open..].bytes().take(12).position(|b| b == b']') else { return false };
        let Some(code) = number(&text[open + 1..open + close]).filter(|_| is_name(&text[..open])) else { return false };
        self.header.level = Some(level);
        self.header.logger = Some(&text[..open]);
        self.header.code = Some(code);
        self.at += length + 1 + open + close + 1;
        self.keep();
        false
    }

    /// `name[77]:`, `name[77] `.
    fn process(&mut self, name: &'a str) -> bool {
        let Some((pid, behind)) = process_number(self.rest(), name.len()) else { return false };
        if !self.has_header() || self.header.process.is_some() || self.header.pid.is_some() || !is_name(name) {
            return false;
        }
        if self.bytes().get(behind) != Some(&b':') {
            return false;
        }
        (self.header.process, self.header.pid) = (Some(name), Some(pid));
        self.at += behind + 1;
        self.keep()
    }

    /// `web-1 sshd[77]:` behind a stamp.
    fn host(&mut self, word: &'a str, tail: &[u8]) -> bool {
        if !self.dated
            || self.header.level.is_some()
            || self.header.host.is_some()
            || tail.first() != Some(&b' ')
            || !is_name(word)
        {
            return false;
        }
        let next = &self.rest()[word.len() + 1..];
        let Some(end) = next.bytes().take(NAME_BYTES_MAX).position(|b| matches!(b, b' ' | b'[')) else { return false };
        let Some((_, behind)) = process_number(next, end).filter(|_| is_name(&next[..end])) else { return false };
        if next.as_bytes().get(behind) != Some(&b':') {
            return false;
        }
        self.header.host = Some(word);
        self.at += word.len();
        true
    }

    /// `ThreadId(01)`, of Rust.
    fn thread_id(&mut self) -> bool {
        let text = &self.rest()["ThreadId(".len()..];
        let Some(end) = text.bytes().take(12).position(|b| b == b')') else { return false };
        let Some(id) = number(&text[..end]).filter(|_| self.has_header()) else { return false };
        self.header.thread_id = Some(id);
        self.at += "ThreadId(".len() + end + 1;
        self.keep()
    }

    fn logger(&mut self, core: &'a str, colon: bool, columns: bool, dashed: bool, tail: &[u8]) -> bool {
        let full = self.header.stamp.is_some() && self.header.level.is_some();
        let before = self.has_header() || self.header.stamp.is_some();
        let (name, function, line) = parts(core);
        let bracket_follows = matches!(tail, [b' ', b'[', ..]);
        let accepted = if colon {
            is_speaker(name, full) && before
        } else if dashed || columns {
            is_name(name)
                && self.header.stamp.is_some()
                && self.header.file.is_none()
                && (dashed || full || self.dated && matches!(tail, [b'|' | b'\t', ..]))
        } else {
            let known =
                self.rest()[core.len()..].starts_with(" [-]") || self.rest()[core.len()..].starts_with(" [req-");
            full && ((bracket_follows && (is_dotted(name) || (known && is_name(name))))
                || is_class_path(name)
                || (self.header.pid.is_some() && is_dotted(name)))
        };
        // A thread before the level and nothing else is known yet: wait for what follows.
        if !accepted {
            return false;
        }
        if name.ends_with(".exe") && self.header.process.is_none() {
            self.header.process = Some(name);
        } else {
            self.header.logger = Some(name);
        }
        self.header.function = function;
        self.header.file_line = line.or(self.header.file_line);
        self.at += core.len() + usize::from(colon);
        if self.dated || self.header.level.is_some() { self.keep() } else { true }
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

    /// `=INFO REPORT==== 2-Jan-2026::03:04:05.678901 ===`, of Erlang.
    fn report(&mut self) -> bool {
        let Some((kind, rest)) = self.rest()[1..].split_once(" REPORT==== ") else { return true };
        let Some((after, stamp)) = leading_stamp(rest, self.context).filter(|_| kind.len() < 16) else { return true };
        let Some(text) = after.strip_prefix(" ===") else { return true };
        self.header.stamp = Some(stamp);
        self.dated = true;
        self.header.level = any_level(kind).or(Some(if kind == "CRASH" { "error" } else { "info" }));
        self.at = self.line.len() - text.len();
        // The kind of report is more than a level.
        self.kept = (if any_level(kind).is_some() { self.at } else { 0 }, self.header);
        false
    }

    /// Whether a label of an alert stands in front of the stamps of a supercomputer's log: `APPREAD 1117869872 2005.06.04 ...`.
    fn alert_word(&mut self) -> bool {
        let end = self.bytes().iter().take(12).take_while(|b| b.is_ascii_uppercase()).count();
        match self.bytes().get(end..) {
            Some([b' ', b'1' | b'2', tail @ ..])
                if tail.len() > 20 && tail[..9].iter().all(u8::is_ascii_digit) && end > 3 =>
            {
                let label = &self.rest()[..end];
                self.alert(label)
            }
            _ => false,
        }
    }

    /// `- 1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.363779 R02-M1 RAS KERNEL INFO text`: time since 1970, date, node,
    /// the node's own stamp, the node again. What follows differs from system to system.
    fn alert(&mut self, label: &'a str) -> bool {
        let text = &self.rest()[label.len() + 1..];
        let mut parts = text.splitn(3, ' ');
        let (Some(epoch), Some(date), Some(rest)) = (parts.next(), parts.next(), parts.next()) else { return true };
        let dated = matches!(date.as_bytes(), [_, _, _, _, b'.', _, _, b'.', _, _]);
        let Some(seconds) = number(epoch).filter(|_| dated && epoch.len() == 10) else { return true };
        let Some((node, rest)) = rest.split_once(' ').filter(|(node, _)| is_name(node)) else { return true };
        let Some((after, _)) = leading_stamp(rest, self.context) else { return true };
        let after = after.strip_prefix(' ').unwrap_or(after);
        let Some((_, text)) =
            after.split_once(' ').filter(|(again, _)| again.split(['/', '@']).any(|part| part == node))
        else {
            return true;
        };
        self.header.stamp = crate::time::epoch_int(seconds);
        self.header.host = Some(node);
        self.dated = true;
        // A label is in no field: then the line is kept whole.
        self.at = self.line.len() - text.len();
        if label == "-" {
            return self.keep();
        }
        self.kept.1 = self.header;
        self.kept.1.level = self.line.get(self.at..).and_then(|text| text.split(' ').take(4).find_map(capital_level));
        false
    }
}

/// `name[77]`, with where the name ends: the number, and where the bracket ends.
fn process_number(text: &str, name: usize) -> Option<(i64, usize)> {
    let inside = text.get(name..)?.strip_prefix('[')?;
    let digits = inside.bytes().take(11).take_while(u8::is_ascii_digit).count();
    (inside.as_bytes().get(digits) == Some(&b']')).then_some(())?;
    Some((number(&inside[..digits])?, name + digits + 2))
}

/// Spaces, then a colon and a space: the end of a padded column.
fn column_colon(tail: &[u8]) -> bool {
    let spaces = tail.iter().take(NAME_BYTES_MAX).take_while(|b| **b == b' ').count();
    matches!(tail.get(spaces..), Some([b':', b' ', ..] | [b':']))
}

/// `module:function:12` and `Class:12`.
fn parts(core: &str) -> (&str, Option<&str>, Option<i64>) {
    let Some((front, line)) = core.rsplit_once(':').and_then(|(front, line)| Some((front, number(line)?))) else {
        return (core, None, None);
    };
    match front.rsplit_once(':').filter(|(name, _)| !name.ends_with(':')) {
        Some((name, function)) => (name, Some(function), Some(line)),
        None => (front, None, Some(line)),
    }
}

/// The level that PHP names in words: `PHP Fatal error:  text`.
fn php_level(text: &str) -> Option<&'static str> {
    let (kind, _) = text.split_once(':')?;
    Some(match kind {
        "Fatal error" | "Parse error" | "Catchable fatal error" | "Core error" | "Compile error" => "error",
        "Recoverable fatal error" => "error",
        "Warning" | "Core warning" | "Compile warning" | "User warning" => "warn",
        "Notice" | "Deprecated" | "Strict Standards" | "Strict standards" => "info",
        _ => return None,
    })
}
