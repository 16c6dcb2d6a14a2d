//! Streams that are mixed in one: the lines of several containers, joined to records each by itself.
//!
//! A line is in the mix if an engine put something around it (`logship_parsers::envelope`). Its record is kept apart until
//! the same stream's next line ends it; pieces of a line that the engine cut are put together. A record is the first line
//! as it came with the program's text of the others behind it.
//!
//! Limits: [`MIXED_STREAMS_MAX`] records are open at once, [`MIXED_BYTES_MAX`] in all, else all end; one has at most
//! `JOINED_LINES_MAX` lines and `JOINED_BYTES_MAX` bytes. A line in pieces is at most [`LINE_BYTES_MAX`] long: the rest is
//! counted and forgotten, and the record is marked. The caller ends what nothing continues ([`Mix::settle`], [`Mix::age`]).

use super::first_line::{FirstLine, Joining};
use crate::{
    event::LINE_BYTES_MAX,
    flow::{Record, RecordKind, Span},
};
use bytes::Bytes;
use logship_parsers::{
    envelope,
    join::{Decision, JOINED_BYTES_MAX, JOINED_LINES_MAX},
};
use std::collections::HashMap;

/// Streams of one mix that have an open record.
pub const MIXED_STREAMS_MAX: usize = 1_000;
/// Bytes of all open records of one mix, 16 MiB.
pub const MIXED_BYTES_MAX: usize = 16 << 20;

/// A finished record of a mix.
#[derive(Debug)]
pub struct Joined {
    /// The record.
    pub record: Record,
    /// From its first byte in the stream to behind its last. Lines of other streams may lie between.
    pub span: Span,
}

/// The open records of a mix.
#[derive(Debug, Default)]
pub struct Mix {
    open: HashMap<Box<[u8]>, Open>,
    bytes: usize,
    /// Counts calls of [`Mix::age`].
    age: u64,
    opened: u64,
    /// What tells where records begin, if that is not recognised.
    first: Option<FirstLine>,
}

/// One stream's record.
#[derive(Debug)]
struct Open {
    joining: Joining,
    /// The envelope's head and what the program wrote so far.
    text: Vec<u8>,
    /// What closes the envelope.
    tail: Vec<u8>,
    lines: usize,
    /// The last line is not complete.
    partial: bool,
    truncated: bool,
    age: u64,
    /// Its place in the order in which the open records began.
    number: u64,
    span: Span,
}

impl Mix {
    /// Takes a line, which begins `at` this place of the stream, if it is in an envelope; adds the records that it ends to
    /// `done`, and the bytes that it drops to `dropped`. Returns whether it was.
    pub fn take(&mut self, line: &[u8], at: u64, done: &mut Vec<Joined>, dropped: &mut u64) -> bool {
        let Some(opened) = envelope::open(line) else { return false };
        let text = &line[opened.text_start..opened.text_end];
        let written = opened.written(line);
        let blank = written.is_empty();
        let span = Span { from: at, to: at + line.len() as u64 };
        if let Some(open) = self.open.get_mut(opened.stream) {
            open.age = self.age;
            let before = open.text.len();
            let joined = open.continue_with(text, &written, &opened, dropped);
            self.bytes += open.text.len() - before;
            if joined {
                open.span.to = span.to;
                self.bound(done);
                return true;
            }
        }
        // The joiner has decided about this line, and knows what the stream has shown so far.
        let known = self.open.remove(opened.stream).map(|open| {
            let joining = open.joining.clone();
            self.close(open, done);
            joining
        });
        // As elsewhere, empty lines are no records.
        if blank && !opened.partial {
            return true;
        }
        let joining = known.unwrap_or_else(|| {
            let mut joining = Joining::by(self.first.clone());
            joining.push(&written);
            joining
        });
        self.opened += 1;
        let open = Open {
            joining,
            text: line[..opened.text_end].to_vec(),
            tail: line[opened.text_end..].to_vec(),
            lines: 1,
            partial: opened.partial,
            truncated: false,
            age: self.age,
            number: self.opened,
            span,
        };
        self.bytes += open.text.len() + open.tail.len();
        self.open.insert(opened.stream.into(), open);
        self.bound(done);
        true
    }

    /// From the next line on, this tells where the records of all streams begin.
    pub fn begin_records_by(&mut self, first: Option<&FirstLine>) {
        self.first = first.cloned();
        self.open.values_mut().for_each(|open| open.joining.change(first.cloned()));
    }

    /// Whether no record is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Where in the stream the first of the open records begins.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.open.values().map(|open| open.span.from).min()
    }

    /// Bytes of the open records.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Ends all records, in the order in which they began.
    pub fn settle(&mut self, done: &mut Vec<Joined>) {
        self.end_where(|_| true, done);
    }

    /// Ends the records whose streams have said nothing since the last call.
    pub fn age(&mut self, done: &mut Vec<Joined>) {
        let age = self.age;
        self.end_where(|open| open.age < age, done);
        self.age += 1;
    }

    fn bound(&mut self, done: &mut Vec<Joined>) {
        if self.open.len() > MIXED_STREAMS_MAX || self.bytes > MIXED_BYTES_MAX {
            self.settle(done);
        }
    }

    fn end_where(&mut self, ends: impl Fn(&Open) -> bool, done: &mut Vec<Joined>) {
        let mut ended: Vec<Open> = self.open.extract_if(|_, open| ends(open)).map(|(_, open)| open).collect();
        ended.sort_unstable_by_key(|open| open.number);
        for open in ended {
            self.close(open, done);
        }
    }

    fn close(&mut self, open: Open, done: &mut Vec<Joined>) {
        let Open { mut text, tail, truncated, span, .. } = open;
        self.bytes -= text.len() + tail.len();
        text.extend_from_slice(&tail);
        let record = Record { bytes: Bytes::from(text), kind: RecordKind { json: false, truncated } };
        done.push(Joined { record, span });
    }
}

impl Open {
    /// Adds a line, or a piece of one, if it belongs to this record.
    fn continue_with(&mut self, text: &[u8], written: &[u8], opened: &envelope::Opened, dropped: &mut u64) -> bool {
        if self.partial {
            self.partial = opened.partial;
            let room = LINE_BYTES_MAX.saturating_sub(self.text.len() + self.tail.len());
            // A piece is kept whole or not at all, so that no escape is cut.
            if text.len() <= room {
                self.text.extend_from_slice(text);
            } else {
                self.truncated = true;
                *dropped += text.len() as u64;
            }
            return true;
        }
        let fits = self.lines < JOINED_LINES_MAX && self.text.len() + text.len() + self.tail.len() < JOINED_BYTES_MAX;
        if self.joining.push(written) != Decision::Continues || !fits {
            return false;
        }
        // A text inside of a JSON string has its line end as an escape.
        if !opened.escaped {
            self.text.push(b'\n');
        }
        self.text.extend_from_slice(text);
        self.lines += 1;
        self.partial = opened.partial;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(lines: &[&str]) -> Vec<String> {
        let (mut mix, mut done, mut dropped) = (Mix::default(), Vec::new(), 0);
        for line in lines {
            assert!(mix.take(line.as_bytes(), 0, &mut done, &mut dropped), "{line}");
        }
        mix.settle(&mut done);
        assert_eq!((mix.bytes, dropped), (0, 0));
        done.iter().map(|joined| String::from_utf8(joined.record.bytes.to_vec()).unwrap()).collect()
    }

    #[test]
    fn each_stream_joins_its_own_lines() {
        let found = records(&[
            "web-1  | 2026-01-02 03:04:05 ERROR x",
            "db-1  | 2026-01-02 03:04:05 LOG ready",
            "web-1  | java.lang.IllegalStateException: y",
            "db-1  | ",
            "web-1  | \tat a.b(C.java:1)",
            "web-1  | 2026-01-02 03:04:06 INFO z",
        ]);
        let expected = [
            "web-1  | 2026-01-02 03:04:05 ERROR x\njava.lang.IllegalStateException: y\n\tat a.b(C.java:1)",
            "db-1  | 2026-01-02 03:04:05 LOG ready\n",
            "web-1  | 2026-01-02 03:04:06 INFO z",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn pieces_of_lines_are_put_together() {
        let stamp = "2026-01-02T03:04:05.678901234Z";
        let lines = [
            format!("{stamp} stdout P one "),
            format!("{stamp} stderr F other"),
            format!("{stamp} stdout P two "),
            format!("{stamp} stdout F three"),
            format!("{stamp} stdout F four"),
        ];
        let expected = [
            format!("{stamp} stdout P one two three"),
            format!("{stamp} stderr F other"),
            format!("{stamp} stdout F four"),
        ];
        assert_eq!(records(&lines.each_ref().map(String::as_str)), expected);
        let found = records(&[
            r#"{"log":"panic: boom\n","stream":"stderr","time":"2026-01-02T03:04:05Z"}"#,
            r#"{"log":"half \"a","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#,
            r#"{"log":"\n","stream":"stderr","time":"2026-01-02T03:04:05Z"}"#,
            r#"{"log":" line\"\n","stream":"stdout","time":"2026-01-02T03:04:06Z"}"#,
            r#"{"log":"goroutine 1 [running]:\n","stream":"stderr","time":"2026-01-02T03:04:05Z"}"#,
        ]);
        let expected = [
            r#"{"log":"panic: boom\n\ngoroutine 1 [running]:\n","stream":"stderr","time":"2026-01-02T03:04:05Z"}"#,
            r#"{"log":"half \"a line\"\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_open_is_bounded() {
        let (mut mix, mut done, mut dropped) = (Mix::default(), Vec::new(), 0);
        for number in 0..3 * MIXED_STREAMS_MAX {
            mix.take(format!("web-{number}  | {}", "x".repeat(number)).as_bytes(), 0, &mut done, &mut dropped);
            assert!(mix.open.len() <= MIXED_STREAMS_MAX && mix.bytes <= MIXED_BYTES_MAX);
        }
        assert!(done.len() >= 2 * MIXED_STREAMS_MAX);
        let piece = format!("2026-01-02T03:04:05Z stdout P {}", "x".repeat(100_000));
        for _ in 0..20 {
            mix.take(piece.as_bytes(), 0, &mut done, &mut dropped);
        }
        mix.settle(&mut done);
        let last = &done.last().unwrap().record;
        assert!(last.bytes.len() <= LINE_BYTES_MAX && last.kind.truncated);
        assert_eq!(last.bytes.len() + usize::try_from(dropped).unwrap(), 20 * 100_000 + 30);
    }

    #[test]
    fn a_silent_streams_record_ends() {
        let (mut mix, mut done, mut dropped) = (Mix::default(), Vec::new(), 0);
        mix.take(b"a-1  | one", 0, &mut done, &mut dropped);
        mix.age(&mut done);
        mix.take(b"b-1  | two", 0, &mut done, &mut dropped);
        assert!(done.is_empty());
        mix.age(&mut done);
        assert_eq!(done.len(), 1);
        mix.age(&mut done);
        assert_eq!((done.len(), mix.is_empty()), (2, true));
    }
}
