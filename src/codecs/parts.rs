//! Lines that Docker cut into parts of 16 KiB, put together again.
//!
//! Limits: [`LINES_OPEN_MAX`] unfinished lines, which wait [`PARTS_WAIT`] for their next part; past either a line goes on as
//! it is, marked as cut. The caller asks how many bytes they take and lets go of them where that is too much.

use super::forward::Entry;
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Most unfinished lines of one connection.
pub const LINES_OPEN_MAX: usize = 64;
/// How long a line waits for its next part.
pub const PARTS_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Open {
    id: String,
    tag: String,
    entry: Entry,
    next: u64,
    since: Instant,
}

/// The unfinished lines of one connection.
#[derive(Debug, Default)]
pub struct Parts {
    open: VecDeque<Open>,
    bytes: usize,
}

impl Parts {
    /// Takes an entry: `done` is called with what is whole, and its tag.
    pub fn take(&mut self, tag: &str, mut entry: Entry, now: Instant, done: &mut dyn FnMut(&str, Entry)) {
        let Some(part) = entry.part.take() else { return done(tag, entry) };
        let Some(at) = self.open.iter().position(|open| open.id == part.id && open.tag == tag) else {
            if part.number != 1 {
                entry.cut();
            }
            if part.last {
                return done(tag, entry);
            }
            self.bytes += entry.bytes() + tag.len() + part.id.len();
            let next = part.number.saturating_add(1);
            self.open.push_back(Open { id: part.id, tag: tag.to_owned(), entry, next, since: now });
            if self.open.len() > LINES_OPEN_MAX {
                self.let_go_of_first(done);
            }
            return;
        };
        let open = &mut self.open[at];
        let before = open.entry.bytes();
        if !open.entry.join(entry) || part.number != open.next {
            open.entry.cut();
        }
        open.next = part.number.saturating_add(1);
        open.since = now;
        self.bytes += open.entry.bytes() - before;
        if part.last
            && let Some(open) = self.remove(at)
        {
            done(&open.tag, open.entry);
        }
    }

    fn remove(&mut self, at: usize) -> Option<Open> {
        let open = self.open.remove(at)?;
        self.bytes -= open.entry.bytes() + open.tag.len() + open.id.len();
        Some(open)
    }

    fn let_go_of_first(&mut self, done: &mut dyn FnMut(&str, Entry)) {
        if let Some(mut open) = self.remove(0) {
            open.entry.cut();
            done(&open.tag, open.entry);
        }
    }

    /// Lets go of the lines that have waited too long.
    pub fn expire(&mut self, now: Instant, done: &mut dyn FnMut(&str, Entry)) {
        while let Some(at) = self.open.iter().position(|open| now.saturating_duration_since(open.since) >= PARTS_WAIT) {
            if let Some(mut open) = self.remove(at) {
                open.entry.cut();
                done(&open.tag, open.entry);
            }
        }
    }

    /// Lets go of all lines.
    pub fn end(&mut self, done: &mut dyn FnMut(&str, Entry)) {
        while !self.open.is_empty() {
            self.let_go_of_first(done);
        }
    }

    /// The bytes that unfinished lines take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether lines are unfinished.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.open.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codecs::forward::testing::{docker_part, message};

    /// Feeds parts `(id, number, last, text)` at their seconds; `text|cut` of what comes out.
    fn run(parts: &[(u64, &str, u64, bool, &str)], expire_at: u64) -> Vec<String> {
        let begin = crate::clock::instant();
        let (mut all, mut out) = (Parts::default(), Vec::new());
        let mut done = |tag: &str, entry: Entry| {
            let (record, _) = entry.record(tag);
            let json: serde_json::Value = serde_json::from_slice(&record.bytes).unwrap();
            assert!(json.get("partial_id").is_none());
            out.push(format!("{}|{}", json["log"].as_str().unwrap(), record.kind.truncated));
        };
        for (second, id, number, last, text) in parts {
            let bytes = message("t", &docker_part(id, *number, *last, text));
            let now = begin + Duration::from_secs(*second);
            super::super::forward::Message::read(&bytes).unwrap().each(|entry| {
                all.take("t", entry, now, &mut done);
                true
            });
        }
        all.expire(begin + Duration::from_secs(expire_at), &mut done);
        let bytes = all.bytes();
        all.end(&mut done);
        assert_eq!((all.bytes(), all.is_waiting()), (0, false));
        out.push(format!("{bytes}"));
        out
    }

    #[test]
    fn parts_become_lines() {
        assert_eq!(
            run(&[(0, "a", 1, false, "x"), (0, "a", 2, false, "y"), (0, "a", 3, true, "z")], 0),
            ["xyz|false", "0"]
        );
        let mixed = [(0, "a", 1, false, "x"), (0, "b", 1, false, "y"), (0, "b", 2, true, "z"), (0, "a", 2, true, "w")];
        assert_eq!(run(&mixed, 0), ["yz|false", "xw|false", "0"]);
        assert_eq!(run(&[(0, "a", 1, false, "x"), (0, "a", 3, true, "z")], 0), ["xz|true", "0"]);
        assert_eq!(run(&[(0, "a", 2, true, "z")], 0), ["z|true", "0"]);
        assert_eq!(run(&[(0, "a", 1, false, "x")], 4), ["x|true", "3"]);
        assert_eq!(run(&[(0, "a", 1, false, "x"), (3, "b", 1, false, "y")], 5), ["x|true", "y|true", "3"]);
    }

    #[test]
    fn unfinished_lines_are_bounded() {
        let ids: Vec<String> = (0..LINES_OPEN_MAX + 2).map(|number| format!("{number:04}")).collect();
        let parts: Vec<_> = ids.iter().map(|id| (0, id.as_str(), 1, false, "x")).collect();
        let out = run(&parts, 0);
        assert_eq!(out.len(), ids.len() + 1);
        assert_eq!(out.last(), Some(&(LINES_OPEN_MAX * 6).to_string()));
    }
}
