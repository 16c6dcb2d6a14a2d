//! The pieces of a header that only the words behind them tell: pairs before the level, a place beside a logger, two numbers
//! of one process.

use super::super::words::{
    NAME_BYTES_MAX, any_level, capital_level, is_dotted, is_name, is_speaker, letter_level, number, place,
};
use super::Reader;
use crate::line::pairs;

/// Pairs before the level are no longer than this.
const METADATA_BYTES_MAX: usize = 1024;
/// How long the stamp is that JavaScript's `toISOString` writes.
const ISO_BYTES: usize = "2026-01-02T03:04:05.678Z".len();

impl<'a> Reader<'a, '_> {
    /// `module=Shop.Cart line=12 [info] text` behind a time, of Elixir's logger: pairs that reach to a level in brackets.
    pub(super) fn metadata(&mut self) -> bool {
        if self.header.stamp.is_none() || self.header.level.is_some() || self.header.metadata.is_some() {
            return false;
        }
        let rest = self.rest();
        let near = &rest.as_bytes()[..rest.len().min(METADATA_BYTES_MAX)];
        if !near.iter().take(NAME_BYTES_MAX).take_while(|b| **b != b' ').any(|b| *b == b'=') {
            return false;
        }
        let Some(open) = memchr::memmem::find(near, b" [") else { return false };
        let Some(close) = rest.as_bytes()[open..].iter().take(16).position(|b| *b == b']') else { return false };
        let Some(level) = any_level(&rest[open + 2..open + close]) else { return false };
        if pairs::trailing(&rest[..open]).is_none_or(|(begin, _)| begin != 0) {
            return false;
        }
        (self.header.level, self.header.metadata) = (Some(level), Some(&rest[..open]));
        self.at += open + close + 1;
        self.at += usize::from(self.bytes().first() == Some(&b' '));
        self.dated = true;
        self.exact = self.keep();
        true
    }

    /// Words that are told by those beside them: whether the header goes on, None where they are none of these.
    pub(super) fn layout(&mut self, core: &'a str, colon: bool, tail: &[u8]) -> Option<bool> {
        if colon || core.len() == self.rest().len() {
            return None;
        }
        let next = self.rest()[core.len()..].strip_prefix(' ')?;
        let end = next.bytes().take(NAME_BYTES_MAX).position(|b| b == b' ').unwrap_or(next.len().min(NAME_BYTES_MAX));
        let word = next.get(..end)?;
        let behind = next.get(end..)?;
        if self.header.level.is_none() {
            return self.before_level(core, word, behind);
        }
        if self.header.logger.is_none() && self.header.file.is_none() && self.dated && is_name(core) {
            // `INFO [main] shop src/main.rs:6 - text`, of log4rs: the target and the place.
            if place(word).is_some() && (behind.starts_with(" - ") || behind == " -") {
                self.header.logger = Some(core);
                self.at += core.len();
                return Some(true);
            }
            // `[INFO] [77] shop.orders (app.js:12) - text`, of log4js.
            let enclosed = word.strip_prefix('(').and_then(|word| word.strip_suffix(')')).and_then(place);
            if enclosed.is_some() && self.header.stamp.is_some() {
                self.header.logger = Some(core);
                self.at += core.len();
                return Some(true);
            }
        }
        // `shop.pl:7 main::work - text`, of Log4perl: the place and the function.
        let dashed = tail.starts_with(b" - ") || tail == b" -";
        if self.header.file.is_some() && self.header.function.is_none() && dashed && is_dotted(core) {
            self.header.function = Some(core);
            self.at += core.len();
            return Some(self.keep());
        }
        None
    }

    /// What stands between a stamp and a level.
    fn before_level(&mut self, core: &'a str, word: &str, behind: &str) -> Option<bool> {
        // `2026-01-02 03:04:05.678 77/78 orders info text`: process, thread, logger and level.
        let ids = self.header.pid.is_some() && self.header.thread_id.is_some();
        if self.dated && ids && self.header.logger.is_none() && is_name(core) && any_level(core).is_none() {
            let level = any_level(word)?;
            (self.header.logger, self.header.level) = (Some(core), Some(level));
            self.at += core.len() + 1 + word.len();
            self.at += usize::from(behind.starts_with(' '));
            self.exact = self.keep();
            return Some(false);
        }
        // `03:04:05 web INFO shop.orders - text`, of log4js: time, host, level and logger.
        let clock = self.clock_end > 0 && !self.dated && self.line.get(self.clock_end..self.at) == Some(" ");
        if clock && is_name(core) && any_level(core).is_none() && self.header.host.is_none() {
            let (level, rest) = (capital_level(word)?, behind.strip_prefix(' ')?.trim_start_matches(' '));
            let end = rest.bytes().take(NAME_BYTES_MAX).position(|b| b == b' ')?;
            let dashed = rest[end..].starts_with(" - ") || &rest[end..] == " -";
            if !dashed || !is_name(&rest[..end]) {
                return None;
            }
            (self.header.host, self.header.level) = (Some(core), Some(level));
            self.at += core.len() + 1 + word.len();
            self.dated = true;
            return Some(true);
        }
        None
    }

    /// `77/78`, behind a stamp: a process and its thread, where a logger and a level follow.
    pub(super) fn process_and_thread(&mut self, end: usize) -> bool {
        if !self.dated || self.header.pid.is_some() || self.bytes().get(end) != Some(&b'/') {
            return false;
        }
        let digits = self.bytes()[end + 1..].iter().take(16).take_while(|b| b.is_ascii_digit()).count();
        let rest = self.rest();
        let (Some(pid), Some(thread)) = (number(&rest[..end]), number(&rest[end + 1..end + 1 + digits])) else {
            return false;
        };
        if self.bytes().get(end + 1 + digits) != Some(&b' ') {
            return false;
        }
        (self.header.pid, self.header.thread_id) = (Some(pid), Some(thread));
        self.at += end + 1 + digits;
        true
    }

    /// `I orders: text` behind a stamp: the first letter of the level, and the logger.
    pub(super) fn letter_and_logger(&mut self, level: &'static str) -> Option<bool> {
        let text = self.rest().get(2..)?;
        let end = text.bytes().take(NAME_BYTES_MAX).position(|b| b == b' ').unwrap_or(text.len());
        let logger = text.get(..end)?.strip_suffix(':').filter(|name| is_speaker(name, true))?;
        (self.header.level, self.header.logger) = (Some(level), Some(logger));
        self.at += 2 + end;
        self.at += usize::from(self.bytes().first() == Some(&b' '));
        self.exact = self.keep();
        Some(false)
    }

    /// `express:router text` behind such a stamp as `debug` of Node writes: a namespace of two parts or more, and no pairs.
    pub(super) fn namespace(&mut self, word: &'a str, tail: &[u8]) -> bool {
        let stamp = self.line.get(..self.at).unwrap_or_default().as_bytes();
        let iso = stamp.len() == ISO_BYTES + 1 && stamp[10] == b'T' && stamp[19] == b'.' && stamp[23] == b'Z';
        let follows = tail.get(1..).unwrap_or_default();
        let next = follows.iter().position(|b| *b == b' ').map_or(follows, |end| &follows[..end]);
        if !iso || !matches!(tail, [b' ', ..]) || !is_namespace(word) || next.contains(&b':') && !next.ends_with(b":") {
            return false;
        }
        self.header.logger = Some(word);
        self.at += word.len() + 1;
        self.exact = self.keep();
        true
    }

    /// `467 INFO main::work 12> text`, of Log4perl: milliseconds since the start, which have no field, level, function, line.
    pub(super) fn since_start(&mut self) -> bool {
        let rest = self.rest();
        let digits = rest.bytes().take(10).take_while(u8::is_ascii_digit).count();
        let mut words = rest.splitn(5, ' ');
        let (Some(_), Some(level), Some(function), Some(line)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return false;
        };
        let Some(level) = capital_level(level).filter(|_| digits > 0 && rest.as_bytes()[digits] == b' ') else {
            return false;
        };
        let Some(line) = line.strip_suffix('>').and_then(number).filter(|_| is_dotted(function)) else { return false };
        (self.header.level, self.header.function, self.header.file_line) = (Some(level), Some(function), Some(line));
        self.at = self.line.len() - words.next().unwrap_or_default().len();
        self.exact = self.keep();
        true
    }

    /// `shop/4711 on web-1: text`, of bunyan.
    pub(super) fn bunyan(&mut self, core: &'a str, next: &'a str) -> bool {
        if let Some((service, pid)) = core.split_once('/').and_then(|(service, pid)| Some((service, number(pid)?)))
            && let Some(host) = next.strip_prefix("on ")
            && let Some(end) = host.bytes().take(NAME_BYTES_MAX).position(|b| matches!(b, b':' | b' '))
            && host.as_bytes()[end] == b':'
            && is_name(service)
        {
            (self.header.service, self.header.pid, self.header.host) = (Some(service), Some(pid), Some(&host[..end]));
            self.at += core.len() + 1 + 3 + end + 1;
            return true;
        }
        false
    }

    /// `(com.example.Shop:12)`, `(shop on web-1)`: what a place or a process is called in parentheses.
    pub(super) fn named_in_parentheses(&mut self, content: &'a str) -> bool {
        if let Some((class, line)) = content.rsplit_once(':').and_then(|(class, line)| Some((class, number(line)?)))
            && self.header.logger.is_none()
            && self.header.level.is_some()
            && is_dotted(class)
        {
            (self.header.logger, self.header.file_line) = (Some(class), Some(line));
            return true;
        }
        let behind = self.rest().get(content.len() + 2..).unwrap_or_default();
        if let Some((service, host)) = content.split_once(" on ")
            && self.header.service.is_none()
            && self.header.host.is_none()
            && behind.starts_with(':')
            && !service.contains('/')
            && is_name(service)
            && is_name(host)
        {
            (self.header.service, self.header.host) = (Some(service), Some(host));
            return true;
        }
        false
    }
}

/// `app:http`, `express:router`: names joined by colons.
fn is_namespace(text: &str) -> bool {
    let name = |part: &str| {
        part.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*'))
    };
    text.len() <= NAME_BYTES_MAX && text.contains(':') && text.split(':').all(name) && letter_level(text).is_none()
}

/// What `debug` of Node writes in terminals: indentation, namespace, text, and the time since it was there before, `+3ms`.
/// Namespace, text and milliseconds.
pub(in crate::line::plain) fn of_debug(line: &str) -> Option<(&str, &str, i64)> {
    let inside = line.strip_prefix("  ")?;
    let (name, _) = inside.split_once(' ').filter(|(name, _)| is_name(name))?;
    let (text, ago) = line.rsplit_once(" +")?;
    let text = text.get(2 + name.len()..)?;
    // Each line of a text begins so.
    let prefixed = |line: &str| line.strip_prefix("  ").and_then(|line| line.strip_prefix(name)).is_some();
    if !text.split('\n').skip(1).all(prefixed) {
        return None;
    }
    let digits = ago.bytes().take(12).take_while(u8::is_ascii_digit).count();
    let unit = match &ago[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some((name, text.strip_prefix(' ').unwrap_or(text), number(&ago[..digits])?.checked_mul(unit)?))
}
