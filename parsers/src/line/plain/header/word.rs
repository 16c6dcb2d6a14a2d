//! The pieces of a header that are bare words: levels, loggers, processes, hosts, threads, places.

use super::super::words::{
    NAME_BYTES_MAX, any_level, capital_level, is_class_path, is_dotted, is_method, is_name, is_speaker, letter_level,
    number, place, plain_level,
};
use super::Reader;
use crate::line::tracing::spans_and_target;
use crate::time::leading_stamp;

impl<'a> Reader<'a, '_> {
    pub(super) fn word(&mut self, piped: bool) -> bool {
        let bytes = self.bytes();
        let ends =
            |b: &u8| matches!(b, b' ' | b'\t' | b'[' | b']' | b'(' | b')' | b'{' | b'|' | b'"' | b'=' | b',' | b'\n');
        let end = bytes.iter().take(NAME_BYTES_MAX + 1).position(ends).unwrap_or(bytes.len().min(NAME_BYTES_MAX + 1));
        let Some(word) = self.rest().get(..end).filter(|word| word.len() <= NAME_BYTES_MAX) else { return false };
        let tail = &bytes[end..];
        // `Level 25 |`, of Python's loggers for a number that has no name.
        if piped && word == "Level" && self.dated && self.header.level.is_none() {
            let digits = tail.iter().skip(1).take(3).take_while(|b| b.is_ascii_digit()).count();
            if digits > 0 && tail[1 + digits..].trim_ascii_start().starts_with(b"|") {
                self.at += end + 1 + digits;
                return self.keep();
            }
        }
        if self.header.level.is_none()
            && let Some(goes_on) = self.level_word(word, tail, piped)
        {
            return goes_on;
        }
        match tail {
            [b'[', ..] => return self.process(word),
            [b'(', ..] if word == "ThreadId" => return self.thread_id(),
            [b'{', ..] if self.header.thread_id.is_some() && self.header.level.is_some() => return self.spans(),
            [b',' | b'"' | b'=' | b'(' | b')' | b'{', ..] => return false,
            _ => {}
        }
        let (core, colon) = word.strip_suffix(':').map_or((word, false), |core| (core, true));
        if let Some(goes_on) = self.before_more(core, colon, tail) {
            return goes_on;
        }
        if let Some(goes_on) = self.layout(core, colon, tail) {
            return goes_on;
        }
        if self.namespace(word, tail) {
            return false;
        }
        let columns = matches!(tail, [b'\t' | b'|' | b';', ..] | [b' ', b'|' | b' ' | b';', ..]);
        let dashed = matches!(tail, [b' ', b'-' | b':', b' ', ..] | [b' ', b'-' | b':'])
            || (matches!(tail, [b' ', b'>', b' ', ..]) && self.header.level.is_some())
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
        if let Some(found) = self.flask(core, next) {
            return Some(found);
        }
        if self.header.level.is_some() && self.header.thread.is_none() && next.starts_with("ThreadId(") {
            self.header.thread = Some(core);
            self.at += core.len();
            return Some(true);
        }
        if next.contains('\n') {
            return self.java_util_logging(core, next);
        }
        if self.bunyan(core, next) {
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

    /// `ERROR in app: text`, of Flask.
    fn flask(&mut self, core: &str, next: &'a str) -> Option<bool> {
        if core != "in" || self.header.level.is_none() {
            return None;
        }
        let end = next.bytes().take(NAME_BYTES_MAX).position(|b| matches!(b, b' ' | b':'))?;
        let name = next.get(..end).filter(|name| next.as_bytes()[end] == b':' && is_name(name))?;
        // Behind a place it is the function, as some write it by hand.
        let named = if self.header.file.is_some() { &mut self.header.function } else { &mut self.header.logger };
        *named = Some(name);
        self.at += core.len() + 1 + end + 1;
        self.keep();
        Some(false)
    }

    /// `com.example.Shop main` and the text in the next line, of java.util.logging.
    fn java_util_logging(&mut self, core: &'a str, next: &'a str) -> Option<bool> {
        let (function, second) = next.split_once('\n')?;
        let (level, text) = second.split_once(": ")?;
        let level = capital_level(level).filter(|_| is_name(core) && is_method(function.trim_end()))?;
        self.header.level = Some(level);
        (self.header.logger, self.header.function) = (Some(core), Some(function.trim_end()));
        self.at = self.line.len() - text.len();
        self.exact = self.keep();
        Some(false)
    }

    /// A word that may be the level: whether the header goes on, None where it is no level.
    fn level_word(&mut self, word: &'a str, tail: &[u8], piped: bool) -> Option<bool> {
        // `INFO> shop.pl:7 main::work - text`, of Log4perl.
        let pointed =
            word.strip_suffix('>').filter(|_| self.dated && tail.first() == Some(&b' ')).and_then(capital_level);
        if let Some(level) = pointed {
            self.header.level = Some(level);
            self.at += word.len();
            return Some(self.keep());
        }
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
        let capital = capital_level(core).or((core == "LOG" && self.header.service.is_some()).then_some("info"));
        let http = (word == "http:" && is_request(tail)).then_some("http");
        let Some(level) = capital.or_else(|| any_level(core)).or(http) else { return self.joined_level(word) };
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
            // Behind `info: ` the text begins, as Node's and Erlang's loggers write; behind `INFO: ` a logger may come.
            return Some(self.keep() && (capital || !colon || tail.first() == Some(&b'[')));
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
            // `Error: disk full` are the words of a person, `info: Shop.Orders[0]` are .NET's, `info: text` are winston's.
            self.kept.1.level = Some(level);
            if !self.dotnet(level, word.len()) && winston_level(core) && matches!(tail, [b' ', ..] | []) {
                self.header.level = Some(level);
                self.at += word.len() + usize::from(!tail.is_empty());
                self.exact = self.keep();
            }
            return Some(false);
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
        if !self.dated || tail.first() != Some(&b' ') {
            return None;
        }
        if self.header.thread_id.is_none() {
            return self.letter_and_logger(level);
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
    pub(super) fn logcat_brief(&mut self) {
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

    /// Whether it is `info: Shop.Orders[0]`, of .NET's console: the category and the event's id.
    fn dotnet(&mut self, level: &'static str, length: usize) -> bool {
        let Some(text) = self.rest().get(length..).and_then(|text| text.strip_prefix(' ')) else { return false };
        let Some(open) = text.bytes().take(NAME_BYTES_MAX).position(|b| b == b'[') else { return false };
        let Some(close) = text[open..].bytes().take(12).position(|b| b == b']') else { return false };
        let Some(code) = number(&text[open + 1..open + close]).filter(|_| is_name(&text[..open])) else { return false };
        self.header.level = Some(level);
        self.header.logger = Some(&text[..open]);
        self.header.code = Some(code);
        self.at += length + 1 + open + close + 1;
        self.keep()
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

    /// `request{method=GET}:charge{cents=5}: shop: `, the spans and the target of Rust's `tracing` behind a thread's id.
    fn spans(&mut self) -> bool {
        let (rest, spans, target) = spans_and_target(self.rest());
        if spans.is_empty() || self.header.spans.is_some() || self.header.logger.is_some() {
            return false;
        }
        (self.header.spans, self.header.logger) = (Some(spans), target);
        self.at = self.line.len() - rest.len();
        self.keep()
    }

    /// Behind `<main.go:12> `.
    fn behind_angle(&self) -> bool {
        let before = self.line.as_bytes().get(..self.at).unwrap_or_default().trim_ascii_end();
        matches!(before, [.., b'0'..=b'9', b'>'])
    }

    /// Behind a level in four columns and a space at the beginning of a line, as charm's log writes them.
    fn prefixed(&self) -> bool {
        let before = self.line.get(self.begin..self.at).unwrap_or_default();
        self.header.level.is_some() && matches!(before, "DEBU " | "INFO " | "WARN " | "ERRO " | "FATA ")
    }

    fn logger(&mut self, core: &'a str, colon: bool, columns: bool, dashed: bool, tail: &[u8]) -> bool {
        // A thread's id of Rust is as sure a header as a stamp.
        let threaded = self.header.thread_id.is_some() && self.header.pid.is_none();
        let full = (self.header.stamp.is_some() || threaded) && self.header.level.is_some();
        let before = self.has_header() || self.header.stamp.is_some();
        let (name, function, line) = parts(core);
        let bracket_follows = matches!(tail, [b' ', b'[', ..]);
        let accepted = if colon {
            // Behind a place in the source only the text comes, but in angle brackets it stands in front of charm's prefix.
            let placed = self.header.file.is_some() && !self.behind_angle();
            is_speaker(name, full || self.prefixed()) && before && !placed && tail.get(1) != Some(&b',')
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
}

/// The levels that winston writes at the beginning of a line, of which people write none so.
fn winston_level(word: &str) -> bool {
    plain_level(word).is_some() || matches!(word, "verbose" | "silly" | "http")
}

/// Whether a method and a path follow: then `http:` is winston's level and not what Go's server calls itself.
fn is_request(tail: &[u8]) -> bool {
    let Some(text) = tail.strip_prefix(b" ") else { return false };
    let method = text.iter().take(8).take_while(|b| b.is_ascii_uppercase()).count();
    method > 2 && text[method..].starts_with(b" /")
}

/// `name[77]`, with where the name ends: the number, and where the bracket ends.
fn process_number(text: &str, name: usize) -> Option<(i64, usize)> {
    let inside = text.get(name..)?.strip_prefix('[')?;
    let digits = inside.bytes().take(11).take_while(u8::is_ascii_digit).count();
    (inside.as_bytes().get(digits) == Some(&b']')).then_some(())?;
    Some((number(&inside[..digits])?, name + digits + 2))
}

/// Spaces, then a colon and a space: the end of a padded column.
pub(super) fn column_colon(tail: &[u8]) -> bool {
    let spaces = tail.iter().take(NAME_BYTES_MAX).take_while(|b| **b == b' ').count();
    matches!(tail.get(spaces..), Some([b':', b' ', ..] | [b':']))
}

/// `module:function:12` and `Class:12`.
pub(super) fn parts(core: &str) -> (&str, Option<&str>, Option<i64>) {
    let Some((front, line)) = core.rsplit_once(':').and_then(|(front, line)| Some((front, number(line)?))) else {
        return (core, None, None);
    };
    match front.rsplit_once(':').filter(|(name, _)| !name.ends_with(':')) {
        Some((name, function)) => (name, Some(function), Some(line)),
        None => (front, None, Some(line)),
    }
}
