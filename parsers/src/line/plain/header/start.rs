//! What stands at the beginning of a header: stamps, and what only some loggers put in front of them.

use super::super::words::{NAME_BYTES_MAX, any_level, capital_level, is_name, letter_level, number, place};
use super::{BRACKET_BYTES_MAX, Header, Reader};
use crate::time::{leading_clock, leading_stamp};

impl<'a> Reader<'a, '_> {
    /// What may only stand at the beginning of a line. False where nothing can follow.
    pub(super) fn start(&mut self) -> bool {
        match self.bytes() {
            // `E, [2026-...`, of Ruby's logger.
            [b'A'..=b'Z', b',', b' ', b'[', ..] => {
                // `A`, of `ANY`, is no level.
                let level = letter_level(&self.rest()[..1]);
                if level.is_some() || self.bytes()[0] == b'A' {
                    self.at += 3;
                    self.header.level = level;
                    let understood = self.stamp();
                    self.ruby();
                    return understood && !self.exact;
                }
                true
            }
            [b'=', b'A'..=b'Z', ..] => self.report(),
            [b'[', b'A'..=b'Z' | b'a'..=b'z', ..] if self.nest() => true,
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
                let digit = self.bytes().first().is_some_and(u8::is_ascii_digit);
                if self.stamp() {
                    self.jetty();
                } else if digit {
                    self.since_start();
                }
                !self.exact
            }
        }
    }

    /// `[Nest] 4711  - `, of NestJS, whose name an application may change: the name, the process, two spaces or three and a dash.
    fn nest(&mut self) -> bool {
        let rest = self.rest();
        let Some((name, after)) = rest[1..].split_once("] ").filter(|(name, _)| is_name(name)) else { return false };
        let digits = after.bytes().take(12).take_while(u8::is_ascii_digit).count();
        let dash = after[digits..].trim_start_matches(' ');
        if digits == 0 || !after[digits..].starts_with("  ") || !dash.starts_with("- ") {
            return false;
        }
        self.header.service = Some(name);
        self.at += name.len() + 3;
        true
    }

    /// `  INFO -- prog: `, behind the stamp of Ruby's logger.
    pub(super) fn ruby(&mut self) {
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
    pub(super) fn stamp(&mut self) -> bool {
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
            } else if is_name(word)
                && !word.contains('/')
                && (self.header.logger.is_none() || self.header.level.is_some())
            {
                // Of two names behind a level, a module's and a target's, the second is the logger.
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
        // Celery's header ends here, whatever its text begins with.
        if self.header.process.is_some() {
            self.at += usize::from(self.bytes().first() == Some(&b' '));
            self.exact = self.keep();
            return true;
        }
        self.keep()
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

    /// `:INFO:oejs.Server:main: text`, behind the stamp of Jetty's own logger until version 9: level, logger and thread.
    fn jetty(&mut self) {
        let Some(rest) = self.rest().strip_prefix(':') else { return };
        let Some((level, rest)) = rest.split_once(':') else { return };
        let Some(level) = capital_level(level).or((level == "DBUG").then_some("debug")) else { return };
        let Some((logger, rest)) = rest.split_once(':').filter(|(name, _)| name.len() <= NAME_BYTES_MAX) else {
            return;
        };
        let Some((thread, text)) = rest.split_once(':').filter(|(name, _)| name.len() <= NAME_BYTES_MAX) else {
            return;
        };
        let names = (is_name(logger) || logger.is_empty()) && !thread.is_empty() && !logger.contains(' ');
        if !names || !(text.is_empty() || text.starts_with([' ', '\n'])) {
            return;
        }
        self.header.level = Some(level);
        self.header.logger = Some(logger).filter(|name| !name.is_empty());
        self.header.thread = Some(thread);
        self.at = self.line.len() - text.len() + usize::from(text.starts_with(' '));
        self.exact = self.keep();
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

    /// `- 1767323045 2026.01.02 R02-M1 2026-01-02-03.04.05.678901 R02-M1 RAS KERNEL INFO text`: time since 1970, date, node,
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

/// The level that PHP names in words: `PHP Fatal error:  text`.
pub(super) fn php_level(text: &str) -> Option<&'static str> {
    let (kind, _) = text.split_once(':')?;
    Some(match kind {
        "Fatal error" | "Parse error" | "Catchable fatal error" | "Core error" | "Compile error" => "error",
        "Recoverable fatal error" => "error",
        "Warning" | "Core warning" | "Compile warning" | "User warning" => "warn",
        "Notice" | "Deprecated" | "Strict Standards" | "Strict standards" => "info",
        _ => return None,
    })
}
