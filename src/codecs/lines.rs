//! Lines, and the records that they join to.
//!
//! Bytes are pushed as they come and records are taken when convenient; a record is a slice of one buffer, also when it
//! joins several lines (a stack trace), because joined lines lie side by side. Where streams are mixed they do not, and
//! such records are kept apart ([`super::mix`]).
//!
//! Limits: a line is at most [`LINE_BYTES_MAX`] long: the prefix is kept and marked, the rest is counted and forgotten. A
//! joined record has at most `JOINED_LINES_MAX` lines and `JOINED_BYTES_MAX` bytes; the caller calls [`Lines::settle`]
//! when no line has come for `JOINED_IDLE`. At most one line limit and one unfinished record are buffered.
//!
//! Where bytes of the stream are missing ([`Lines::gap`]) nothing is glued: what came of a line before the gap and what comes
//! of one after it are records of their own, marked as cut.

use super::mix::Mix;
use crate::{
    event::LINE_BYTES_MAX,
    flow::{Record, RecordKind},
};
use bytes::{Bytes, BytesMut};
use logship_parsers::join::{Decision, JOINED_BYTES_MAX, JOINED_LINES_MAX, Joiner};
use std::ops::Range;

/// Bytes that are missing from a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// Line ends among them.
    line_ends: u64,
    /// The last of them is no line end: what comes next is the rest of a line.
    inside_line: bool,
}

impl Gap {
    /// These bytes, which follow the ones before, are missing too.
    pub fn extend(&mut self, lost: &[u8]) {
        self.line_ends += memchr::memchr_iter(b'\n', lost).count() as u64;
        self.inside_line = lost.last().map_or(self.inside_line, |last| *last != b'\n');
    }

    /// How many line ends are missing.
    #[must_use]
    pub fn line_ends(&self) -> u64 {
        self.line_ends
    }

    /// Whether the first byte after the gap belongs to a line whose beginning is missing.
    #[must_use]
    pub fn ends_inside_line(&self) -> bool {
        self.inside_line
    }
}

/// A finished record.
#[derive(Debug)]
enum Ready {
    /// A piece of the buffer.
    Here(Range<usize>, RecordKind),
    /// Of a mix.
    Apart(Record),
}

/// The framing of one stream.
#[derive(Debug, Default)]
pub struct Lines {
    joiner: Joiner,
    buffer: BytesMut,
    /// Where the search for the next line end goes on.
    scanned: usize,
    /// Where the unfinished line begins.
    line_start: usize,
    /// The record that later lines may still join: its bytes and its number of lines.
    open: Option<(Range<usize>, usize)>,
    /// The open records of streams that are mixed in this one.
    mix: Mix,
    /// Finished records that nobody took yet, and their bytes.
    ready: Vec<Ready>,
    ready_bytes: usize,
    /// The rest of an overlong line is being dropped.
    skipping: bool,
    /// The beginning of the unfinished line is missing.
    headless: bool,
    lines: u64,
    dropped_bytes: u64,
}

impl Lines {
    /// Takes in bytes as they came.
    pub fn push(&mut self, mut chunk: &[u8]) {
        // In pieces, so that a line far over the limit never lies in memory whole.
        while !chunk.is_empty() {
            let (piece, rest) = chunk.split_at(chunk.len().min(LINE_BYTES_MAX));
            chunk = rest;
            self.push_piece(piece);
        }
    }

    fn push_piece(&mut self, mut piece: &[u8]) {
        if self.skipping {
            let end = memchr::memchr(b'\n', piece);
            self.dropped_bytes += end.unwrap_or(piece.len()) as u64;
            let Some(end) = end else { return };
            self.skipping = false;
            piece = &piece[end + 1..];
        }
        self.buffer.extend_from_slice(piece);
        while let Some(found) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) {
            let end = self.scanned + found;
            self.scanned = end + 1;
            self.line(self.line_start..end);
            self.line_start = end + 1;
        }
        self.scanned = self.buffer.len();
        if self.scanned - self.line_start > LINE_BYTES_MAX {
            self.line(self.line_start..self.scanned);
            self.line_start = self.scanned;
            self.skipping = true;
        }
        // Blank lines and what a mix took leave nothing to be taken.
        if self.ready.is_empty() {
            self.release();
        }
    }

    /// Takes note that bytes are missing here.
    pub fn gap(&mut self, gap: Gap) {
        let end = self.buffer.len();
        if self.line_start < end {
            self.lines += 1;
            self.cut_line(self.line_start..end);
            self.line_start = end;
        }
        self.settle();
        // The rest of an overlong line is still being dropped if the gap lies inside it.
        self.skipping &= gap.line_ends == 0;
        self.headless = gap.inside_line && !self.skipping;
    }

    /// One whole line, without its line end.
    fn line(&mut self, mut range: Range<usize>) {
        self.lines += 1;
        let headless = std::mem::take(&mut self.headless);
        if range.len() > LINE_BYTES_MAX {
            self.dropped_bytes += (range.len() - LINE_BYTES_MAX) as u64;
            range.end = range.start + LINE_BYTES_MAX;
            return self.cut_line(range);
        }
        if self.buffer[range.clone()].last() == Some(&b'\r') {
            range.end -= 1;
        }
        if headless {
            return self.cut_line(range);
        }
        if self.mixed(range.clone()) {
            return;
        }
        let decision = self.joiner.push(&self.buffer[range.clone()]);
        if let (Decision::Continues, Some((open, lines))) = (decision, self.open.as_mut())
            && *lines < JOINED_LINES_MAX
            && range.end - open.start <= JOINED_BYTES_MAX
        {
            open.end = range.end;
            *lines += 1;
            return;
        }
        self.close();
        // Empty lines are no records.
        if !range.is_empty() {
            self.open = Some((range, 1));
        }
    }

    /// Whether the line is of a mix, which then has it.
    fn mixed(&mut self, range: Range<usize>) -> bool {
        let mut done = Vec::new();
        let mixed = self.mix.take(&self.buffer[range], &mut done, &mut self.dropped_bytes);
        if mixed {
            self.close();
            self.joiner.reset();
        }
        self.keep_apart(done);
        mixed
    }

    fn keep_apart(&mut self, done: Vec<Record>) {
        for record in done {
            self.ready_bytes += record.bytes.len();
            self.ready.push(Ready::Apart(record));
        }
    }

    fn keep(&mut self, range: Range<usize>, kind: RecordKind) {
        self.ready_bytes += range.len();
        self.ready.push(Ready::Here(range, kind));
    }

    /// A line of which bytes are missing: a record of its own.
    fn cut_line(&mut self, range: Range<usize>) {
        self.settle();
        if !range.is_empty() {
            self.keep(range, RecordKind { json: false, truncated: true });
        }
    }

    /// Finishes the record that later lines could have joined: none has come in time.
    pub fn settle(&mut self) {
        self.close();
        self.joiner.reset();
        let mut done = Vec::new();
        self.mix.settle(&mut done);
        self.keep_apart(done);
    }

    /// Finishes the records of mixed streams that have said nothing since the last call.
    pub fn age(&mut self) {
        let mut done = Vec::new();
        self.mix.age(&mut done);
        self.keep_apart(done);
    }

    fn close(&mut self) {
        if let Some((range, _)) = self.open.take() {
            self.keep(range, RecordKind::default());
        }
    }

    /// Finishes everything: a last line without a line end, too.
    pub fn finish(&mut self) {
        if self.line_start < self.buffer.len() {
            let end = self.buffer.len();
            self.line(self.line_start..end);
            self.line_start = end;
            self.scanned = end;
        }
        self.settle();
    }

    /// Whether a record waits for lines that may still join it.
    #[must_use]
    pub fn unsettled(&self) -> bool {
        self.open.is_some() || !self.mix.is_empty()
    }

    /// Bytes of the finished records.
    #[must_use]
    pub fn ready_bytes(&self) -> usize {
        self.ready_bytes
    }

    /// How many finished records wait.
    #[must_use]
    pub fn ready_records(&self) -> usize {
        self.ready.len()
    }

    /// Lines seen so far, and bytes dropped from overlong ones.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.lines, self.dropped_bytes)
    }

    /// The finished records, at most `records_max`, most of them slices of one buffer.
    pub fn take(&mut self, records_max: usize) -> Vec<Record> {
        let taken: Vec<Ready> = self.ready.drain(..self.ready.len().min(records_max)).collect();
        let frozen = self.release();
        let records = taken.into_iter().map(|ready| match ready {
            Ready::Here(range, kind) => Record { bytes: frozen.slice(range), kind },
            Ready::Apart(record) => record,
        });
        let records: Vec<Record> = records.collect();
        self.ready_bytes -= records.iter().map(|record| record.bytes.len()).sum::<usize>();
        records
    }

    /// Gives away the bytes before what is still needed.
    fn release(&mut self) -> Bytes {
        let first = self.ready.iter().find_map(|ready| match ready {
            Ready::Here(range, _) => Some(range.start),
            Ready::Apart(_) => None,
        });
        let boundary = first.or(self.open.as_ref().map(|(open, _)| open.start)).unwrap_or(self.line_start);
        let released = self.buffer.split_to(boundary).freeze();
        self.scanned -= boundary;
        self.line_start -= boundary;
        let shift = |range: &mut Range<usize>| *range = range.start - boundary..range.end - boundary;
        if let Some((open, _)) = &mut self.open {
            shift(open);
        }
        for ready in &mut self.ready {
            if let Ready::Here(range, _) = ready {
                shift(range);
            }
        }
        released
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(chunks: &[&str], expected: &[&str]) {
        let mut lines = Lines::default();
        let mut records = Vec::new();
        for chunk in chunks {
            lines.push(chunk.as_bytes());
            records.extend(lines.take(usize::MAX));
        }
        lines.finish();
        records.extend(lines.take(usize::MAX));
        let texts: Vec<_> = records.iter().map(|r| std::str::from_utf8(&r.bytes).unwrap()).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn lines_and_joined_records() {
        check(&["a\nb\n"], &["a", "b"]);
        check(&["a\r\nb"], &["a", "b"]);
        check(&["a", "b\n\n\nc"], &["ab", "c"]);
        check(
            &[
                "2026-01-02 03:04:05 ERROR x\njava.lang.IllegalStateException: y\n\tat a.b(C.java:1)\n",
                "\tat d.e(F.java:2)\n2026-01-02 03:04:06 INFO z\n",
            ],
            &[
                "2026-01-02 03:04:05 ERROR x\njava.lang.IllegalStateException: y\n\tat a.b(C.java:1)\n\tat d.e(F.java:2)",
                "2026-01-02 03:04:06 INFO z",
            ],
        );
    }

    #[test]
    fn mixed_streams_are_joined_each_by_itself() {
        check(
            &["plain\nweb-1  | Error: y\ndb-1  | ready\nweb-1  |     at a\nweb", "-1  | z\nlast:\n    more\n"],
            &["plain", "web-1  | Error: y\n    at a", "last:\n    more", "db-1  | ready", "web-1  | z"],
        );
    }

    #[test]
    fn what_makes_no_record_is_not_kept() {
        let mut lines = Lines::default();
        for blank in [&b"\n"[..], b"web-1  |\n"] {
            for _ in 0..3 {
                lines.push(&blank.repeat(100_000));
                assert!(lines.buffer.is_empty());
            }
        }
    }

    #[test]
    fn an_overlong_line_keeps_its_prefix_in_bounded_memory() {
        let mut lines = Lines::default();
        let mut records = Vec::new();
        lines.push(b"before\n");
        for _ in 0..100 {
            lines.push(&vec![b'x'; 1 << 20]);
            records.extend(lines.take(usize::MAX));
            assert!(lines.buffer.len() <= 2 * LINE_BYTES_MAX + 16);
        }
        lines.push(b"\nafter\n");
        lines.finish();
        records.extend(lines.take(usize::MAX));
        let sizes: Vec<_> = records.iter().map(|r| (r.bytes.len(), r.kind.truncated)).collect();
        assert_eq!(sizes, [(6, false), (LINE_BYTES_MAX, true), (5, false)]);
        assert_eq!(lines.counts(), (3, (99 << 20) as u64));
    }

    #[test]
    fn nothing_is_glued_over_a_gap() {
        // `~` stands before text that is missing, up to the next `~`.
        let check = |stream: &str, expected: &[(&str, bool)]| {
            let mut lines = Lines::default();
            for (number, piece) in stream.split('~').enumerate() {
                if number % 2 == 0 {
                    lines.push(piece.as_bytes());
                } else {
                    let mut gap = Gap::default();
                    piece.bytes().for_each(|byte| gap.extend(&[byte]));
                    lines.gap(gap);
                }
            }
            lines.finish();
            let records = lines.take(usize::MAX);
            let found: Vec<_> =
                records.iter().map(|r| (std::str::from_utf8(&r.bytes).unwrap(), r.kind.truncated)).collect();
            assert_eq!(found, expected, "{stream}");
        };
        check("a\nbe~for~e\nc\n", &[("a", false), ("be", true), ("e", true), ("c", false)]);
        check("a\n~b\n~c\n", &[("a", false), ("c", false)]);
        check("a~\n~c\n", &[("a", true), ("c", false)]);
        check("a\n~b~\nc", &[("a", false), ("c", false)]);
        check("a\n~b~\r\nc", &[("a", false), ("c", false)]);
        check("a\n~x\nb~c", &[("a", false), ("c", true)]);
        check("a~b\n~", &[("a", true)]);
        check(
            "x: Error: y\n    at a~\n~    at b\n",
            &[("x: Error: y", false), ("    at a", true), ("    at b", false)],
        );
        check("Error: y\n    at a\n~    at b\n~    at c\n", &[("Error: y\n    at a", false), ("    at c", false)]);
    }

    #[test]
    fn an_overlong_line_ends_where_a_gap_says_so() {
        let check = |lost: &[u8], rest: &str, expected: &[(usize, bool)]| {
            let mut lines = Lines::default();
            lines.push(&vec![b'x'; LINE_BYTES_MAX + 1]);
            let mut gap = Gap::default();
            gap.extend(lost);
            lines.gap(gap);
            lines.push(rest.as_bytes());
            lines.finish();
            let records = lines.take(usize::MAX);
            let found: Vec<_> = records.iter().map(|r| (r.bytes.len(), r.kind.truncated)).collect();
            assert_eq!(found, [&[(LINE_BYTES_MAX, true)], expected].concat());
        };
        check(b"xxx", "more of it\nnext\n", &[(4, false)]);
        check(b"x\nab", "c\nnext\n", &[(1, true), (4, false)]);
        check(b"x\n", "abc\nnext\n", &[(3, false), (4, false)]);
    }

    proptest! {
        /// However the bytes are cut, the records are the same.
        #[test]
        fn cuts_do_not_matter(text in "([a-z]{0,6}|\tat x|\\{\"a\":1\\}|\r)(\n([a-z]{0,6}|  at x\\(y\\)|\r))*", cuts in prop::collection::vec(1..9_usize, 1..40)) {
            let run = |sizes: &mut dyn Iterator<Item = usize>| {
                let (mut lines, mut rest, mut out) = (Lines::default(), text.as_bytes(), Vec::new());
                while !rest.is_empty() {
                    let (piece, tail) = rest.split_at(sizes.next().unwrap().min(rest.len()));
                    lines.push(piece);
                    out.extend(lines.take(3));
                    rest = tail;
                }
                lines.finish();
                out.extend(lines.take(usize::MAX));
                out
            };
            let whole = run(&mut std::iter::repeat(usize::MAX));
            let cut = run(&mut cuts.iter().copied().cycle());
            prop_assert_eq!(whole, cut);
        }
    }
}
