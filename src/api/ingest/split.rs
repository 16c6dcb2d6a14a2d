//! A body's bytes become records, and records become the batches of frames.
//!
//! Records are slices of one buffer a batch. Limits: [`LINE_BYTES_MAX`] (a longer line is listed as rejected),
//! [`BATCH_BYTES_MAX`] and [`RECORDS_PER_FRAME_MAX`] a batch; a whole request that must be one batch has
//! [`FRAME_BYTES_MAX`]. What is held here is one batch and one line.

use super::{BODY_BYTES_MAX, Format};
use crate::{
    api::{ApiError, error::Code},
    codecs::mix::{Joined, Mix},
    event::LINE_BYTES_MAX,
    flow::{FRAME_BYTES_MAX, RECORDS_PER_FRAME_MAX, Record, RecordKind},
};
use bytes::{Bytes, BytesMut};
use logship_parsers::join::{Decision, JOINED_BYTES_MAX, JOINED_LINES_MAX, Joiner};
use serde::de::IgnoredAny;
use std::mem;

/// Batches are cut at this many bytes, so that the log can group them.
pub const BATCH_BYTES_MAX: usize = 1 << 20;

/// Takes the batches.
pub type Sink<'a> = &'a mut dyn FnMut(Vec<Record>) -> Result<(), ApiError>;

/// A line that is over a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Its number in the body, from 1.
    pub line: u64,
    /// Why.
    pub error: &'static str,
}

/// Where a record lies in the buffer.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: usize,
    end: usize,
    kind: RecordKind,
}

/// A record of the batch.
enum Ready {
    Here(Place),
    /// Of streams that are mixed in this one.
    Apart(Record),
}

/// Splits one body.
pub struct Splitter {
    format: Format,
    /// The whole body is one batch.
    whole: bool,
    inflated: usize,
    buffer: BytesMut,
    records: Vec<Ready>,
    /// Bytes of those records that are kept apart.
    apart_bytes: usize,
    joiner: Joiner,
    mix: Mix,
    /// The record that later lines may still join, and its number of lines.
    open: Option<(Place, usize)>,
    /// Where the line begins that is not complete yet, and how far it was searched for its end.
    line_start: usize,
    searched: usize,
    /// The line is too long; its bytes are passed over.
    skipping: bool,
    lines: u64,
    rejected: Vec<Rejected>,
}

impl Splitter {
    /// At the beginning of a body.
    pub fn new(format: Format, whole: bool) -> Splitter {
        Splitter {
            format,
            whole,
            inflated: 0,
            buffer: BytesMut::new(),
            records: Vec::new(),
            apart_bytes: 0,
            joiner: Joiner::default(),
            mix: Mix::default(),
            open: None,
            line_start: 0,
            searched: 0,
            skipping: false,
            lines: 0,
            rejected: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, data: &[u8], sink: Sink) -> Result<(), ApiError> {
        self.inflated += data.len();
        if self.inflated > BODY_BYTES_MAX {
            return Err(too_large(format!("the body is longer than {} MiB", BODY_BYTES_MAX >> 20)));
        }
        if self.whole && self.inflated > FRAME_BYTES_MAX {
            return Err(one_batch(&format!("longer than {} MiB", FRAME_BYTES_MAX >> 20)));
        }
        self.buffer.extend_from_slice(data);
        while let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            let (start, end) = (self.line_start, self.searched + at);
            (self.line_start, self.searched) = (end + 1, end + 1);
            self.line(start, end, sink)?;
        }
        self.searched = self.buffer.len();
        // One byte more than the limit may be the `\r` of a line end.
        if self.skipping || self.searched - self.line_start > LINE_BYTES_MAX + 1 {
            self.skipping = true;
            self.buffer.truncate(self.line_start);
            self.searched = self.line_start;
        }
        // Blank and rejected lines fill the buffer, too.
        if !self.whole && self.line_start > BATCH_BYTES_MAX {
            let batch = self.cut(self.open.map_or(self.line_start, |(open, _)| open.start));
            if !batch.is_empty() {
                sink(batch)?;
            }
        }
        Ok(())
    }

    /// The body has ended: gives the last batch and what was rejected.
    pub fn finish(mut self, sink: Sink) -> Result<Vec<Rejected>, ApiError> {
        let (start, end) = (self.line_start, self.buffer.len());
        if end > start || self.skipping {
            self.line_start = end;
            self.line(start, end, sink)?;
        }
        self.close(sink)?;
        let mut done = Vec::new();
        self.mix.settle(&mut done);
        self.add_apart(done, sink)?;
        if !self.records.is_empty() {
            sink(self.cut(self.line_start))?;
        }
        Ok(self.rejected)
    }

    /// A complete line lies at `start..end`.
    fn line(&mut self, mut start: usize, end: usize, sink: Sink) -> Result<(), ApiError> {
        self.lines += 1;
        if self.lines == 1 && self.buffer[start..end].starts_with(b"\xef\xbb\xbf") {
            start += 3;
        }
        let line = &self.buffer[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if mem::take(&mut self.skipping) || line.len() > LINE_BYTES_MAX {
            self.rejected.push(Rejected { line: self.lines, error: "longer than 1 MiB" });
            self.joiner.reset();
            return self.close(sink).map(|_| ());
        }
        match self.format {
            Format::Text => {
                let end = start + line.len();
                self.text(Place { start, end, kind: RecordKind::default() }, sink)
            }
            Format::Ndjson => {
                let text = line.trim_ascii();
                let start = end - self.buffer[start..end].trim_ascii_start().len();
                let kind = RecordKind { json: is_object(text), truncated: false };
                let place = Place { start, end: start + text.len(), kind };
                if place.start < place.end { self.add(place, sink).map(|_| ()) } else { Ok(()) }
            }
        }
    }

    /// A line of text is of a mix, continues the open record, or ends it and opens the next.
    fn text(&mut self, mut line: Place, sink: Sink) -> Result<(), ApiError> {
        let text = &self.buffer[line.start..line.end];
        let (mut done, mut dropped) = (Vec::new(), 0);
        if self.mix.take(text, 0, &mut done, &mut dropped) {
            if dropped > 0 {
                self.rejected.push(Rejected { line: self.lines, error: "a piece of a line longer than 1 MiB" });
            }
            self.joiner.reset();
            self.close(sink)?;
            return self.add_apart(done, sink);
        }
        let decision = self.joiner.push(text);
        if let (Decision::Continues, Some((open, lines))) = (decision, &mut self.open)
            && *lines < JOINED_LINES_MAX
            && line.end - open.start <= JOINED_BYTES_MAX
        {
            open.end = line.end;
            *lines += 1;
            return Ok(());
        }
        let moved = self.close(sink)?;
        (line.start, line.end) = (line.start - moved, line.end - moved);
        // Empty lines are no records.
        if line.start < line.end {
            self.open = Some((line, 1));
        }
        Ok(())
    }

    /// Ends the open record. Returns by how much the buffer's bytes have moved.
    fn close(&mut self, sink: Sink) -> Result<usize, ApiError> {
        self.open.take().map_or(Ok(0), |(open, _)| self.add(open, sink))
    }

    /// Adds records of a mix, whose bytes are not in the buffer; every record in the buffer is added already.
    fn add_apart(&mut self, done: Vec<Joined>, sink: Sink) -> Result<(), ApiError> {
        for Joined { record, .. } in done {
            let full = self.records.len() == RECORDS_PER_FRAME_MAX;
            if self.whole && full {
                return Err(one_batch(&format!("of more than {RECORDS_PER_FRAME_MAX} records")));
            }
            if !self.whole && (full || self.apart_bytes > BATCH_BYTES_MAX) {
                sink(self.cut(self.line_start))?;
            }
            self.apart_bytes += record.bytes.len();
            self.records.push(Ready::Apart(record));
        }
        Ok(())
    }

    /// Adds a record, before it a cut where the batch is full. Returns by how much the buffer's bytes have moved.
    fn add(&mut self, mut place: Place, sink: Sink) -> Result<usize, ApiError> {
        let full = self.records.len() == RECORDS_PER_FRAME_MAX;
        let mut moved = 0;
        if self.whole {
            if full {
                return Err(one_batch(&format!("of more than {RECORDS_PER_FRAME_MAX} records")));
            }
        } else if !self.records.is_empty() && (full || place.end > BATCH_BYTES_MAX) {
            moved = place.start;
            (place.start, place.end) = (0, place.end - moved);
            sink(self.cut(moved))?;
        }
        self.records.push(Ready::Here(place));
        Ok(moved)
    }

    /// Takes all records, which end at or before `at`, out of the buffer.
    fn cut(&mut self, at: usize) -> Vec<Record> {
        let head: Bytes = self.buffer.split_to(at).freeze();
        self.line_start -= at;
        self.searched -= at;
        if let Some((open, _)) = &mut self.open {
            (open.start, open.end) = (open.start - at, open.end - at);
        }
        self.apart_bytes = 0;
        let record = |ready| match ready {
            Ready::Here(place) => Record { bytes: head.slice(place.start..place.end), kind: place.kind },
            Ready::Apart(record) => record,
        };
        self.records.drain(..).map(record).collect()
    }
}

/// Whether the line is one JSON object and nothing else: what the record's kind promises.
fn is_object(line: &[u8]) -> bool {
    line.first() == Some(&b'{')
        && std::str::from_utf8(line).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn too_large(message: String) -> ApiError {
    ApiError { hint: Some("send it in several requests".to_owned()), ..ApiError::new(Code::TooLarge, message) }
}

fn one_batch(what: &str) -> ApiError {
    too_large(format!("a request with X-Logship-Seq is stored as one unit, which cannot be {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Outcome = Result<(Vec<Vec<Record>>, Vec<Rejected>), ApiError>;

    fn split(format: Format, whole: bool, body: &[u8], step: usize) -> Outcome {
        let mut batches = Vec::new();
        let mut sink = |batch| {
            batches.push(batch);
            Ok(())
        };
        let mut splitter = Splitter::new(format, whole);
        for part in body.chunks(step) {
            splitter.push(part, &mut sink)?;
        }
        let rejected = splitter.finish(&mut sink)?;
        Ok((batches, rejected))
    }

    fn texts(format: Format, body: &[u8], step: usize) -> Vec<(String, bool)> {
        let (batches, _) = split(format, false, body, step).unwrap();
        let show = |record: &Record| (String::from_utf8_lossy(&record.bytes).into_owned(), record.kind.json);
        batches.iter().flatten().map(show).collect()
    }

    #[test]
    fn lines() {
        for (body, expected) in [
            ("", vec![]),
            ("\n\r\n\n", vec![]),
            ("a", vec!["a"]),
            ("a\nb\n", vec!["a", "b"]),
            ("a\r\nb\r", vec!["a", "b"]),
            ("\u{feff}a\n\u{feff}b", vec!["a", "\u{feff}b"]),
            ("  a  \n", vec!["  a  "]),
        ] {
            for step in [1, 2, 1_000] {
                let expected: Vec<_> = expected.iter().map(|line| ((*line).to_owned(), false)).collect();
                assert_eq!(texts(Format::Text, body.as_bytes(), step), expected, "{body:?}");
            }
        }
        let (batches, _) = split(Format::Text, false, b"\xff\x00\n", 9).unwrap();
        assert_eq!(batches[0][0].bytes.as_ref(), b"\xff\x00");
    }

    #[test]
    fn objects() {
        for (line, expected) in [
            ("{\"a\":1}", Some(("{\"a\":1}", true))),
            ("  {\"a\":{}} \r", Some(("{\"a\":{}}", true))),
            ("{\"a\":1} x", Some(("{\"a\":1} x", false))),
            ("{\"a\":", Some(("{\"a\":", false))),
            ("[1]", Some(("[1]", false))),
            ("text", Some(("text", false))),
            ("   ", None),
            ("\u{feff}{}", Some(("{}", true))),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(text, json)| (text.to_owned(), json)).collect();
            assert_eq!(texts(Format::Ndjson, line.as_bytes(), 3), expected, "{line:?}");
        }
        let (batches, _) = split(Format::Ndjson, false, b"{\"a\":\"\xff\"}", 9).unwrap();
        assert!(!batches[0][0].kind.json);
    }

    #[test]
    fn long_lines_are_rejected_by_number() {
        let long = "x".repeat(LINE_BYTES_MAX);
        for (body, expected) in [
            (format!("a\n{long}\n{long}\r\nb\n"), vec![]),
            (format!("a\n{long}y\nb\n{long}yy\r\n"), vec![2, 4]),
            (format!("{long}yyyy"), vec![1]),
            (format!("{long}\ryy"), vec![1]),
        ] {
            for step in [4_099, usize::MAX] {
                let (batches, rejected) = split(Format::Text, false, body.as_bytes(), step).unwrap();
                let lines: Vec<_> = rejected.iter().map(|rejected| rejected.line).collect();
                assert_eq!(lines, expected);
                let records: usize = batches.iter().map(Vec::len).sum();
                assert_eq!(records + lines.len(), body.lines().count());
            }
        }
    }

    #[test]
    fn stack_traces_are_one_record() {
        let trace = "2026-01-02 03:04:05 ERROR x\r\njava.lang.IllegalStateException: y\r\n\tat a.b(C.java:1)";
        let body = format!("{trace}\r\n2026-01-02 03:04:06 INFO z\n");
        for step in [1, 10, 1_000] {
            let found: Vec<_> = texts(Format::Text, body.as_bytes(), step).into_iter().map(|(text, _)| text).collect();
            assert_eq!(found, [trace, "2026-01-02 03:04:06 INFO z"]);
        }
        let long = format!("ERROR x\n{}", "\tat a.b(C.java:1)\n".repeat(200_000));
        let (batches, _) = split(Format::Text, false, long.as_bytes(), 5_000).unwrap();
        let lines = batches.iter().flatten().map(|record| record.bytes.split(|byte| *byte == b'\n').count());
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines.iter().sum::<usize>(), 200_001);
        assert!(lines.iter().all(|lines| *lines <= JOINED_LINES_MAX), "{lines:?}");
    }

    #[test]
    fn mixed_streams_are_joined_each_by_itself() {
        let body = "web-1  | Error: y\nplain\ndb-1  | ready\nweb-1  |     at a\nweb-1  | z\n";
        for step in [1, 10, 1_000] {
            let found: Vec<_> = texts(Format::Text, body.as_bytes(), step).into_iter().map(|(text, _)| text).collect();
            assert_eq!(found, ["plain", "web-1  | Error: y\n    at a", "db-1  | ready", "web-1  | z"]);
        }
        let body = "web-1  | 0123456789abcdef\nweb-2  | a\n".repeat(100_000);
        let (batches, _) = split(Format::Text, false, body.as_bytes(), 50_000).unwrap();
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 200_000);
        let bytes = |batch: &[Record]| batch.iter().map(|record| record.bytes.len()).sum::<usize>();
        assert!(
            batches.iter().all(|batch| bytes(batch) <= BATCH_BYTES_MAX + 100 && batch.len() <= RECORDS_PER_FRAME_MAX)
        );
    }

    #[test]
    fn blank_and_rejected_lines_do_not_pile_up() {
        let mut splitter = Splitter::new(Format::Text, false);
        let mut records = 0;
        for n in 0..60 {
            let piece = if n % 2 == 0 { vec![b'\n'; 1 << 20] } else { b"line\n".to_vec() };
            splitter
                .push(&piece, &mut |batch| {
                    records += batch.len();
                    Ok(())
                })
                .unwrap();
            assert!(splitter.buffer.len() <= 2 * BATCH_BYTES_MAX + 16, "{}", splitter.buffer.len());
        }
        splitter
            .finish(&mut |batch| {
                records += batch.len();
                Ok(())
            })
            .unwrap();
        assert_eq!(records, 30);
    }

    #[test]
    fn batches_have_limits() {
        let body = "0123456789abcdef\n".repeat(200_000);
        let (batches, _) = split(Format::Text, false, body.as_bytes(), 50_000).unwrap();
        assert_eq!(batches.iter().map(Vec::len).sum::<usize>(), 200_000);
        assert!(
            batches.iter().all(|batch| batch.iter().map(|record| record.bytes.len()).sum::<usize>() <= BATCH_BYTES_MAX)
        );
        let body = "a\n".repeat(RECORDS_PER_FRAME_MAX + 1);
        let (batches, _) = split(Format::Text, false, body.as_bytes(), 50_000).unwrap();
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [RECORDS_PER_FRAME_MAX, 1]);
        let error = split(Format::Text, true, body.as_bytes(), 50_000).unwrap_err();
        assert_eq!(error.code, Code::TooLarge);
        let body = "0123456789abcde\n".repeat(RECORDS_PER_FRAME_MAX);
        let (batches, _) = split(Format::Text, true, body.as_bytes(), 50_000).unwrap();
        assert_eq!(batches.len(), 1);
        let long = vec![b'\n'; FRAME_BYTES_MAX + 1];
        assert_eq!(split(Format::Text, true, &long, 1 << 20).unwrap_err().code, Code::TooLarge);
        assert!(split(Format::Text, false, &long, 1 << 20).is_ok());
    }

    proptest! {
        #[test]
        fn every_line_comes_once_in_order(
            lines in prop::collection::vec("(x[a-z{}\" ]{0,40})?", 0..60),
            step in 1..70_usize,
        ) {
            let found: Vec<_> = texts(Format::Text, lines.join("\n").as_bytes(), step).into_iter().map(|(text, _)| text).collect();
            let expected: Vec<_> = lines.into_iter().filter(|line| !line.is_empty()).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
