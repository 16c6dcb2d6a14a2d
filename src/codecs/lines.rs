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
//!
//! A stream that can be read again is taken by [`Lines::take_up_to`], which tells how far it is done: read again from there
//! ([`Lines::starting_at`]) it gives each line that was not taken, once. The records are the same, too, but for what the
//! joiner had learned: a line of prose that it had come to take for the second of a message may stand alone the next time,
//! and what exceeds the limits of one record may be split elsewhere.

use super::{
    first_line::{FirstLine, Joining},
    mix::{Joined, Mix},
    places::{AtMost, Cut, Finished, Places, cut},
};
use crate::{
    event::LINE_BYTES_MAX,
    flow::{FRAME_BYTES_MAX, RECORDS_PER_FRAME_MAX, Record, RecordKind, Span},
};
use bytes::{Bytes, BytesMut};
use logship_parsers::join::{Decision, JOINED_BYTES_MAX, JOINED_LINES_MAX};
use std::ops::Range;

/// Where more finished records than this wait because a record of another stream lies around them, all open records end.
pub const WITHHELD_RECORDS_MAX: usize = 10_000;
/// The same, in bytes of finished and mixed records, 4 MiB: half of what a frame holds.
pub const WITHHELD_BYTES_MAX: usize = 4 << 20;

/// Bytes that are missing from a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// Line ends among them.
    line_ends: u64,
    bytes: u64,
    /// The last of them is no line end: what comes next is the rest of a line.
    inside_line: bool,
}

impl Gap {
    /// These bytes, which follow the ones before, are missing too.
    pub fn extend(&mut self, lost: &[u8]) {
        self.line_ends += memchr::memchr_iter(b'\n', lost).count() as u64;
        self.bytes += lost.len() as u64;
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
    Apart(Joined),
}

impl Ready {
    fn finished(&self, places: &Places) -> Finished {
        match self {
            Ready::Here(range, _) => {
                let from = places.of(range.start);
                Finished { span: Span { from, to: from + range.len() as u64 }, bytes: range.len() }
            }
            Ready::Apart(joined) => Finished { span: joined.span, bytes: joined.record.bytes.len() },
        }
    }
}

/// The framing of one stream.
#[derive(Debug)]
pub struct Lines {
    /// [`LINE_BYTES_MAX`], but in tests.
    line_max: usize,
    /// What one frame holds, but in tests.
    frame: AtMost,
    joining: Joining,
    buffer: BytesMut,
    /// Where the buffer's bytes lie in the stream.
    places: Places,
    /// What [`Lines::take_up_to`] said last.
    done_to: u64,
    /// Where the last of the records that it gave away in parts ends.
    parts_to: u64,
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
    /// Each line is a record, an empty one, too, and ends with this byte.
    alone: Option<u8>,
    /// The rest of an overlong line is being dropped.
    skipping: bool,
    /// The beginning of the unfinished line is missing.
    headless: bool,
    lines: u64,
    dropped_bytes: u64,
}

impl Default for Lines {
    fn default() -> Lines {
        Lines::starting_at(0)
    }
}

impl Lines {
    /// Framing of a stream that is read from this place on, which [`Lines::take_up_to`] told, or the beginning of a line.
    #[must_use]
    pub fn starting_at(offset: u64) -> Lines {
        Lines {
            line_max: LINE_BYTES_MAX,
            frame: AtMost { records: RECORDS_PER_FRAME_MAX, bytes: FRAME_BYTES_MAX },
            joining: Joining::default(),
            buffer: BytesMut::new(),
            places: Places::starting_at(offset),
            done_to: offset,
            parts_to: offset,
            scanned: 0,
            line_start: 0,
            open: None,
            mix: Mix::default(),
            ready: Vec::new(),
            ready_bytes: 0,
            alone: None,
            skipping: false,
            headless: false,
            lines: 0,
            dropped_bytes: 0,
        }
    }

    /// Lines of which none joins another, where `alone`: each is a record, an empty one, too, and ends with that byte.
    #[must_use]
    pub fn alone(self, alone: Option<u8>) -> Lines {
        Lines { alone, ..self }
    }

    /// From the next line on, this tells where records begin; without it that is recognised.
    pub fn begin_records_by(&mut self, first: Option<&FirstLine>) {
        self.joining.change(first.cloned());
        self.mix.begin_records_by(first);
    }

    /// Takes in bytes as they came.
    pub fn push(&mut self, mut chunk: &[u8]) {
        // In pieces, so that a line far over the limit never lies in memory whole.
        while !chunk.is_empty() {
            let (piece, rest) = chunk.split_at(chunk.len().min(self.line_max));
            chunk = rest;
            self.push_piece(piece);
        }
    }

    fn push_piece(&mut self, mut piece: &[u8]) {
        let line_end = self.alone.unwrap_or(b'\n');
        if self.skipping {
            let end = memchr::memchr(line_end, piece);
            self.dropped_bytes += end.unwrap_or(piece.len()) as u64;
            self.places.pass_over(self.buffer.len(), end.map_or(piece.len(), |end| end + 1) as u64);
            let Some(end) = end else { return };
            self.skipping = false;
            piece = &piece[end + 1..];
        }
        self.buffer.extend_from_slice(piece);
        while let Some(found) = memchr::memchr(line_end, &self.buffer[self.scanned..]) {
            let end = self.scanned + found;
            self.scanned = end + 1;
            self.line(self.line_start..end);
            self.line_start = end + 1;
        }
        self.scanned = self.buffer.len();
        if self.scanned - self.line_start > self.line_max {
            self.line(self.line_start..self.scanned);
            self.line_start = self.scanned;
            self.skipping = true;
        }
        // Blank lines and what a mix took leave nothing to be taken.
        if self.ready.is_empty() {
            self.release();
        }
    }

    /// Takes note that bytes are missing here. They count as part of the stream, but it cannot be read again.
    pub fn gap(&mut self, gap: Gap) {
        let end = self.buffer.len();
        if self.line_start < end {
            self.lines += 1;
            self.cut_line(self.line_start..end);
            self.line_start = end;
        }
        self.settle();
        self.places.pass_over(end, gap.bytes);
        // The rest of an overlong line is still being dropped if the gap lies inside it.
        self.skipping &= gap.line_ends == 0;
        self.headless = gap.inside_line && !self.skipping;
    }

    /// One whole line, without its line end.
    fn line(&mut self, mut range: Range<usize>) {
        self.lines += 1;
        let headless = std::mem::take(&mut self.headless);
        if range.len() > self.line_max {
            self.dropped_bytes += (range.len() - self.line_max) as u64;
            range.end = range.start + self.line_max;
            return self.cut_line(range);
        }
        if self.buffer[range.clone()].last() == Some(&b'\r') && self.alone.is_none_or(|end| end == b'\n') {
            range.end -= 1;
        }
        if headless {
            return self.cut_line(range);
        }
        if self.alone.is_some() {
            return self.keep(range, RecordKind::default());
        }
        if self.mixed(range.clone()) {
            return;
        }
        let decision = self.joining.push(&self.buffer[range.clone()]);
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
        let at = self.places.of(range.start);
        let mixed = self.mix.take(&self.buffer[range], at, &mut done, &mut self.dropped_bytes);
        if mixed {
            self.close();
            self.joining.reset();
        }
        self.keep_apart(done);
        mixed
    }

    fn keep_apart(&mut self, done: Vec<Joined>) {
        for joined in done {
            self.ready_bytes += joined.record.bytes.len();
            self.ready.push(Ready::Apart(joined));
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
        self.joining.reset();
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

    /// Finishes everything: a last line without a line end, too. What comes then begins a line.
    pub fn finish(&mut self) {
        if self.line_start < self.buffer.len() {
            let end = self.buffer.len();
            self.line(self.line_start..end);
            self.line_start = end;
            self.scanned = end;
        }
        self.skipping = false;
        self.settle();
    }

    /// Whether a record waits for lines that may still join it.
    #[must_use]
    pub fn unsettled(&self) -> bool {
        self.open.is_some() || !self.mix.is_empty()
    }

    /// Whether a line has begun and not ended.
    #[must_use]
    pub fn has_partial(&self) -> bool {
        self.skipping || self.line_start < self.buffer.len()
    }

    /// Bytes that it holds in memory, roughly.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.buffer.len() + self.mix.bytes()
    }

    /// Gives back memory while nothing comes.
    pub fn rest(&mut self) {
        self.ready.shrink_to_fit();
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
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
        self.give(taken)
    }

    /// Finished records, at most `records_max` of them and `bytes_max` bytes (but one at least), and how far the stream is
    /// done with them: every byte before that place is of a record taken now or before, or makes no record (a line end, a
    /// blank line, the rest of an overlong one), and no such record has a byte at or behind it.
    ///
    /// Gives nothing when nothing can be taken, so call it until then. Finished records may wait: inside of a record of
    /// another stream of the mix that is not finished or begins before and ends behind them, and an overlong line until its
    /// end. They are what [`Lines::ready_records`] and [`Lines::ready_bytes`] still say then. A record of a mix ends by
    /// [`Lines::settle`] or [`Lines::age`] at the latest, and where more than [`WITHHELD_RECORDS_MAX`] or
    /// [`WITHHELD_BYTES_MAX`] wait, here.
    ///
    /// Records that lie in each other are given together, also if they are more than was asked for. Only if they are more
    /// than a frame holds, too, they come in parts, and the place stays where it was until the last: after a crash between
    /// these they are read twice, and what is given with a place that has not moved must not be taken for a repetition.
    pub fn take_up_to(&mut self, records_max: usize, bytes_max: usize) -> (Vec<Record>, u64) {
        let wanted = AtMost { records: records_max, bytes: bytes_max };
        let records = self.take_done(wanted);
        let withheld =
            self.ready.len() > WITHHELD_RECORDS_MAX || self.ready_bytes + self.mix.bytes() > WITHHELD_BYTES_MAX;
        if records.is_empty() && withheld && !self.mix.is_empty() {
            self.settle();
            return (self.take_done(wanted), self.done_to);
        }
        (records, self.done_to)
    }

    fn take_done(&mut self, wanted: AtMost) -> Vec<Record> {
        let places = &self.places;
        let finished = self.ready.iter().map(|ready| ready.finished(places)).collect();
        let given = Span { from: self.done_to, to: self.parts_to };
        let taken: Vec<Ready> = match cut(finished, given, self.unfinished(), wanted, self.frame) {
            Cut::Before(place) => {
                self.done_to = place;
                self.parts_to = self.parts_to.max(place);
                self.ready.extract_if(.., |ready| ready.finished(places).span.from < place).collect()
            }
            Cut::PartsBefore(place) => {
                let (mut records, mut bytes, mut full) = (0, 0, false);
                let fits = |ready: &mut Ready| {
                    let Finished { span, bytes: more } = ready.finished(places);
                    if full || span.from >= place {
                        return false;
                    }
                    records += 1;
                    bytes += more;
                    full = !wanted.holds(records, bytes);
                    if !full {
                        self.parts_to = self.parts_to.max(span.to);
                    }
                    !full
                };
                self.ready.extract_if(.., fits).collect()
            }
        };
        self.give(taken)
    }

    /// Where the first byte of what is not finished lies.
    fn unfinished(&self) -> u64 {
        let overlong = self.ready.last().filter(|_| self.skipping).map(|ready| ready.finished(&self.places).span.from);
        let open = self.open.as_ref().map(|(open, _)| self.places.of(open.start));
        let line = self.places.of(self.line_start);
        [overlong, open, self.mix.first()].into_iter().flatten().fold(line, u64::min)
    }

    fn give(&mut self, taken: Vec<Ready>) -> Vec<Record> {
        let frozen = self.release();
        let records = taken.into_iter().map(|ready| match ready {
            Ready::Here(range, kind) => Record { bytes: frozen.slice(range), kind },
            Ready::Apart(joined) => joined.record,
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
        self.places.release(boundary);
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
    fn lines_alone_end_with_any_byte() {
        let mut lines = Lines::starting_at(0).alone(Some(b';'));
        lines.push(b"a\r;;b\nc;d");
        let (records, reach) = lines.take_up_to(usize::MAX, usize::MAX);
        let texts: Vec<_> = records.iter().map(|record| &record.bytes[..]).collect();
        assert_eq!((texts, reach), (vec![&b"a\r"[..], b"", b"b\nc"], 8));
    }

    #[test]
    fn records_begin_where_it_is_told() {
        let check = |chunks: &[&str], expected: &[&str]| {
            let mut lines = Lines::default();
            lines.begin_records_by(FirstLine::new(r"^\d+:").ok().as_ref());
            chunks.iter().for_each(|chunk| lines.push(chunk.as_bytes()));
            lines.finish();
            let records = lines.take(usize::MAX);
            let texts: Vec<_> = records.iter().map(|r| std::str::from_utf8(&r.bytes).unwrap()).collect();
            assert_eq!(texts, expected);
        };
        check(&["1: a\nb\n\n c\n2: d\n"], &["1: a\nb\n\n c", "2: d"]);
        check(&["no first\nline\n1: a\r\nb\r\n"], &["no first\nline", "1: a\r\nb"]);
        // What is recognised does not count then.
        check(
            &["2026-01-02T03:04:05Z ERROR x\n2026-01-02T03:04:06Z y\n"],
            &["2026-01-02T03:04:05Z ERROR x\n2026-01-02T03:04:06Z y"],
        );
        check(
            &["1: a\n", &"b\n".repeat(JOINED_LINES_MAX)],
            &[&format!("1: a{}", "\nb".repeat(JOINED_LINES_MAX - 1)), "b"],
        );
        // Of each of the streams that are mixed, by what the program wrote.
        check(
            &["web-1  | 1: a\ndb-1  | 1: c\nweb-1  | b\ndb-1  | 2: d\nweb-1  | 2: e\n"],
            &["db-1  | 1: c", "web-1  | 1: a\nb", "db-1  | 2: d", "web-1  | 2: e"],
        );
    }

    #[test]
    fn it_is_told_while_records_are_open() {
        let mut lines = Lines::default();
        lines.push(b"a\nweb-1  | b\n");
        lines.begin_records_by(FirstLine::new("^#").ok().as_ref());
        lines.push(b"web-1  | c\nd\ne\n#f\n");
        lines.begin_records_by(None);
        lines.push(b"g\n");
        lines.finish();
        let records = lines.take(usize::MAX);
        let texts: Vec<_> = records.iter().map(|r| std::str::from_utf8(&r.bytes).unwrap()).collect();
        assert_eq!(texts, ["a", "d\ne", "#f", "g", "web-1  | b\nc"]);
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
    /// Which of the numbers in `T<number>T` the text has, in order.
    fn tokens(text: &[u8]) -> Vec<usize> {
        let found = regex::bytes::Regex::new("T([0-9]+)T").unwrap();
        let number = |found: regex::bytes::Captures| std::str::from_utf8(&found[1]).unwrap().parse().unwrap();
        found.captures_iter(text).map(number).collect()
    }

    /// What happens to the framing of a stream.
    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Take(usize, usize),
        Crash,
        Settle,
        Age,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => prop_oneof![1..40_usize, 40..900_usize].prop_map(Step::Push),
            3 => (1..9_usize, prop_oneof![1..200_usize, Just(usize::MAX)]).prop_map(|(records, bytes)| Step::Take(records, bytes)),
            3 => Just(Step::Take(usize::MAX, usize::MAX)),
            2 => Just(Step::Crash),
            1 => Just(Step::Settle),
            1 => Just(Step::Age),
        ]
    }

    const LINE_MAX: usize = 200;

    /// A line of a program, with what an engine puts around it, or none does.
    fn written(text: &str, (kind, around, other, odd): (usize, usize, bool, usize)) -> String {
        let stamp = "2026-01-02T03:04:05.678901234Z";
        let stream = if other { "stdout" } else { "stderr" };
        let quoted = text.replace('"', "\\\"").replace('\t', "\\t");
        match (around, odd) {
            (_, 0) => format!("long T#T {}", "x".repeat(LINE_MAX + kind * 50)),
            (_, 1) => format!("{text}\r"),
            (0..3, _) => text.to_owned(),
            (3..5, 2) => format!("{stamp} {stream} P {text}"),
            (3..5, _) => format!("{stamp} {stream} F {text}"),
            (5..7, _) => format!("{}-1  | {text}", if other { "web" } else { "db" }),
            (_, 2) => format!("{{\"log\":\"{quoted}\",\"stream\":\"{stream}\",\"time\":\"{stamp}\"}}"),
            _ => format!("{{\"log\":\"{quoted}\\n\",\"stream\":\"{stream}\",\"time\":\"{stamp}\"}}"),
        }
    }

    /// Lines of programs and of engines around them; each that can be a part of a record has a number.
    fn stream(prose: bool) -> impl Strategy<Value = Vec<u8>> {
        let program = [
            "2026-01-02 03:04:05 INFO shop: T#T",
            "2026-01-02 03:04:05 ERROR shop: T#T",
            "java.lang.IllegalStateException: T#T",
            "\tat a.b.C.d(T#T.java:1)",
            "Caused by: a.b.C: T#T",
            "Traceback (most recent call last): T#T",
            "  File \"T#T.py\", line 3, in x",
            "ValueError: T#T",
            "panic: T#T",
            "ERROR T#T",
            "    indented T#T",
            "",
            "lines of prose T#T",
            "Plain T#T",
        ];
        let kinds = program.len() - 2 * usize::from(!prose);
        let around = prop_oneof![Just(0..3_usize), Just(3..5), Just(5..7), Just(7..9), Just(0..9)];
        let lines = around.prop_flat_map(move |around| {
            let line = (0..kinds, around, any::<bool>(), 0..20_usize);
            prop::collection::vec(line.prop_map(move |line| written(program[line.0], line)), 0..60)
        });
        (lines, any::<bool>()).prop_map(|(lines, ended)| {
            let numbered = lines.iter().enumerate().map(|(number, line)| line.replace('#', &number.to_string()));
            let mut text = numbered.collect::<Vec<_>>().join("\n").into_bytes();
            if ended {
                text.push(b'\n');
            }
            text
        })
    }

    fn framing(offset: u64) -> Lines {
        Lines { line_max: LINE_MAX, frame: AtMost { records: 12, bytes: 3_000 }, ..Lines::starting_at(offset) }
    }

    /// Reads the stream as the steps say, and the rest at the end. Checks of each part what it promises.
    fn read(stream: &[u8], steps: &[Step]) -> Result<Vec<Record>, TestCaseError> {
        let (mut lines, mut read, mut done, mut records, mut parts) = (framing(0), 0, 0, Vec::new(), Vec::new());
        let mut take = |lines: &mut Lines, records_max, bytes_max, done: &mut usize| {
            let (taken, place) = lines.take_up_to(records_max, bytes_max);
            let place = usize::try_from(place).unwrap();
            prop_assert!(place >= *done && place <= stream.len());
            prop_assert!(taken.len() <= records_max.max(12));
            let any = !taken.is_empty();
            parts.extend(taken);
            if place > *done {
                let mut found: Vec<usize> = parts.iter().flat_map(|record| tokens(&record.bytes)).collect();
                found.sort_unstable();
                let between = &stream[*done..place];
                prop_assert_eq!(found, tokens(between), "{}..{}", *done, place);
                records.append(&mut parts);
                *done = place;
            }
            Ok(any)
        };
        for step in steps {
            match *step {
                Step::Push(bytes) => {
                    let end = stream.len().min(read + bytes);
                    lines.push(&stream[read..end]);
                    read = end;
                }
                Step::Take(records_max, bytes_max) => {
                    take(&mut lines, records_max, bytes_max, &mut done)?;
                }
                Step::Crash => {
                    // What was given in parts, without a place, is read again.
                    while lines.parts_to > lines.done_to && take(&mut lines, usize::MAX, usize::MAX, &mut done)? {}
                    if lines.parts_to > lines.done_to {
                        continue;
                    }
                    (lines, read) = (framing(done as u64), done);
                }
                Step::Settle => lines.settle(),
                Step::Age => lines.age(),
            }
        }
        lines.push(&stream[read..]);
        lines.finish();
        while take(&mut lines, usize::MAX, usize::MAX, &mut done)? {}
        prop_assert_eq!((done, lines.ready_records(), lines.ready_bytes()), (stream.len(), 0, 0));
        Ok(records)
    }

    #[test]
    fn what_waits_inside_of_another_record_is_bounded() {
        let mut lines = Lines::default();
        let trace = "web-1  | panic: x\ndb-1  | one\nweb-1  | goroutine 1 [running]:\n";
        lines.push(trace.as_bytes());
        assert_eq!(lines.take_up_to(9, 999).0.len(), 0);
        lines.push(b"plain\nplain\n");
        let (taken, place) = lines.take_up_to(9, 999);
        assert_eq!((taken.len(), place, lines.ready_records()), (0, 0, 1));
        let (mut pushed, mut withheld) = (trace.len() as u64 + 12, 0);
        let (taken, place) = loop {
            lines.push(b"plain\n");
            pushed += 6;
            let taken = lines.take_up_to(usize::MAX, usize::MAX);
            if !taken.0.is_empty() {
                break taken;
            }
            withheld = withheld.max(lines.ready_records());
        };
        assert_eq!((withheld, taken.len(), place), (WITHHELD_RECORDS_MAX, WITHHELD_RECORDS_MAX + 4, pushed));
        assert_eq!((lines.ready_records(), lines.ready_bytes(), lines.buffer.len()), (0, 0, 0));
    }

    #[test]
    fn an_overlong_line_is_taken_when_its_end_is_known() {
        let mut lines = Lines::starting_at(1_000);
        lines.push(b"a\n");
        lines.push(&vec![b'x'; 3 * LINE_BYTES_MAX]);
        assert_eq!((lines.take_up_to(9, 99).0.len(), lines.take_up_to(9, 99)), (1, (Vec::new(), 1_002)));
        lines.push(b"x\nb");
        let (taken, place) = lines.take_up_to(9, 99);
        assert_eq!((taken[0].bytes.len(), place), (LINE_BYTES_MAX, 1_004 + 3 * LINE_BYTES_MAX as u64));
    }

    proptest! {
        /// Crashes double no line and lose none, whatever was joined and when.
        #[test]
        fn every_line_is_taken_once(stream in stream(true), steps in prop::collection::vec(step(), 0..60)) {
            let records = read(&stream, &steps)?;
            let mut found: Vec<usize> = records.iter().flat_map(|record| tokens(&record.bytes)).collect();
            found.sort_unstable();
            prop_assert_eq!(found, tokens(&stream));
        }

        /// Without prose, where the joiner has nothing to learn, the records are the same as of a reading without a crash.
        #[test]
        fn the_records_are_the_same_after_crashes(stream in stream(false), mut steps in prop::collection::vec(step(), 0..60)) {
            steps.retain(|step| !matches!(step, Step::Settle | Step::Age));
            // The order is that in which records end, which depends on what was read together; not so where nothing is mixed.
            let mixed = [&b"std"[..], b"-1  |"].iter().any(|sign| memchr::memmem::find(&stream, sign).is_some());
            let sorted = |mut records: Vec<Record>| {
                if mixed {
                    records.sort_by(|a, b| a.bytes.cmp(&b.bytes));
                }
                records
            };
            let whole = read(&stream, &[])?;
            let found = read(&stream, &steps)?;
            prop_assert_eq!(sorted(found), sorted(whole));
        }
    }
}
