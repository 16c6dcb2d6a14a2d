//! The pieces of a header that stand in brackets.

use super::super::words::{
    NAME_BYTES_MAX, any_level, capital_level, is_dotted, is_id, is_name, is_thread, letter_level, number, place,
    place_and_column,
};
use super::Reader;
use super::word::{column_colon, parts};

/// The kinds of lines that consola writes in the place of a level, all of them informational.
fn consola_level(word: &str) -> Option<&'static str> {
    matches!(word, "log" | "success" | "ready" | "start").then_some("info")
}

impl<'a> Reader<'a, '_> {
    pub(super) fn bracket(&mut self) -> bool {
        // `INFO[0003]` and `items[7]` are no brackets of their own.
        let joined = self.at > 0 && self.line.as_bytes()[self.at - 1].is_ascii_alphanumeric();
        let Some(content) = self.enclosed(b']') else { return false };
        // `INFO[src/main.rs:12:9]`, of Rust's slog.
        if joined && !(self.dated && self.header.level.is_some() && place_and_column(content).is_some()) {
            return false;
        }
        let text = content.trim();
        let after = self.at + content.len() + 2;
        let sure = match self.bracketed(text) {
            Some(sure) => sure,
            None => return false,
        };
        self.at = after;
        // Behind `[info] [orders]` the text begins, whatever it begins with.
        let tagged = self.header.stamp.is_none()
            && self.header.unnamed.is_some()
            && self.line.as_bytes().get(self.begin + 1).is_some_and(u8::is_ascii_lowercase);
        if sure { self.keep() && !tagged } else { true }
    }

    /// Takes what a bracket says; whether that is surely header. None where it is rather text.
    fn bracketed(&mut self, text: &'a str) -> Option<bool> {
        let has_header = self.has_header();
        if text.is_empty() || text == "-" {
            return has_header.then_some(true);
        }
        if self.header.level.is_none() {
            let first = self.at == self.begin && self.bytes().get(text.len() + 2) == Some(&b' ');
            let consola = first.then(|| consola_level(text)).flatten();
            if let Some(level) = any_level(text).or_else(|| letter_level(text)).or(consola) {
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
        if let Some(id) = text.strip_prefix("thread ").and_then(number).filter(|_| self.header.thread_id.is_none()) {
            self.header.thread_id = Some(id);
            return Some(true);
        }
        if self.ids(text) {
            return Some(has_header);
        }
        if let Some((file, line)) = place_and_column(text).filter(|_| has_header) {
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
        // `[info] [orders] text`, of consola and of many who write their own: the level and who says it.
        let tagged = name && text.len() > 2 && self.header.level.is_some() && self.line[self.begin..].starts_with('[');
        Some(clear && self.dated || tagged)
    }

    /// Ids of requests and traces in brackets.
    fn ids(&mut self, text: &'a str) -> bool {
        let text = text.strip_prefix("None ").filter(|rest| rest.starts_with("req-")).unwrap_or(text);
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
    pub(super) fn spring(&mut self) -> bool {
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

    pub(super) fn parenthesis(&mut self) -> bool {
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
        } else if self.named_in_parentheses(content) {
            self.at += content.len() + 2;
            if self.bytes().first() == Some(&b':') {
                self.at += 1;
                self.at += self.bytes().iter().take_while(|b| **b == b' ').count();
                self.exact = self.keep();
                return false;
            }
            return self.keep();
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
        // Behind `INFO (4711): `, of pino, the text begins.
        if self.header.pid.is_some() && self.header.thread.is_none() && self.bytes().starts_with(b": ") {
            self.at += 2;
            self.exact = self.keep();
            return false;
        }
        self.keep()
    }

    fn dated_or_clock(&self) -> bool {
        self.header.stamp.is_some()
    }

    /// `<info>`, `<0.123.0>`, `<main.go:12>`.
    pub(super) fn angle(&mut self) -> bool {
        let Some(content) = self.enclosed(b'>') else { return false };
        let erlang = content.bytes().all(|b| b.is_ascii_digit() || b == b'.') && content.contains('.');
        if let Some(level) = any_level(content).filter(|_| self.header.level.is_none()) {
            self.header.level = Some(level);
        } else if erlang && self.has_header() && self.header.thread.is_none() {
            self.header.thread = self.rest().get(..content.len() + 2);
            // `<0.9.0> : text`: where the place is not known, the text follows.
            if self.rest().get(content.len() + 2..).is_some_and(|text| text.starts_with(" : ")) {
                self.at += content.len() + 5;
                self.exact = self.keep();
                return false;
            }
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
}
