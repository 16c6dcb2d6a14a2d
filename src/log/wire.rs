//! Frames on their way from an agent's log to a server: the body of `POST /api/v1/frames`.
//!
//! For each frame `from` and `start`, u64 little-endian each, then the frame as it is on disk. Its checksum covers the id of
//! the log and `start`, so a frame of another log or place is none here either. `from` is where the frame sent before it
//! ended: marks and damaged stretches between two frames belong to the second, so what a server knows of a log that it has
//! been sent in order is one range.
//!
//! Promise of [`Unpack`]: whatever the bytes are, a batch that it gives is of a frame whose checksum held, and it keeps no
//! more than the longest frame of records and the piece that it was given last.

use super::frame::{self, HEADER_BYTES, Kind, Look, Origins, Place, RECORDS_BYTES_MAX};
use super::sources::RANGES_MAX;
use crate::flow::{LogId, Pos, RawBatch, Span};
use bytes::{Buf as _, BytesMut};
use std::fmt;

/// `from` and `start`.
const PREFIX_BYTES: usize = 16;

/// Appends a frame.
pub fn put(out: &mut Vec<u8>, from: Pos, start: Pos, frame: &[u8]) {
    out.extend_from_slice(&from.0.to_le_bytes());
    out.extend_from_slice(&start.0.to_le_bytes());
    out.extend_from_slice(frame);
}

/// Counts the stretches of a log that frames are of: the source table lists them, so they may not be as many as the frames.
#[derive(Debug, Default)]
pub struct Stretches {
    end: u64,
    count: usize,
}

impl Stretches {
    /// Counts one more frame, of this span.
    ///
    /// # Errors
    /// In a sentence: there are more than [`RANGES_MAX`].
    pub fn count(&mut self, span: Span) -> Result<(), String> {
        self.count += usize::from(self.count == 0 || span.from != self.end);
        self.end = span.to;
        match self.count > RANGES_MAX {
            true => Err(format!("the frames are of more than {RANGES_MAX} stretches of their log")),
            false => Ok(()),
        }
    }
}

/// What is wrong with bytes that should be frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// At which byte the frame in question begins, its two positions included.
    pub at: u64,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for Damaged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the frame at byte {} {}", self.at, self.why)
    }
}

impl std::error::Error for Damaged {}

/// Takes the bytes of a body as they come and gives the frames in them.
#[derive(Debug)]
pub struct Unpack {
    log: LogId,
    /// Of the body, up to where the buffer begins.
    passed: u64,
    buffer: BytesMut,
    origins: Origins,
}

impl Unpack {
    /// At the beginning of a body with frames of that log.
    #[must_use]
    pub fn new(log: LogId) -> Unpack {
        Unpack { log, passed: 0, buffer: BytesMut::new(), origins: Origins::default() }
    }

    /// Takes the next bytes. Ask [`Unpack::next_frame`] for all frames in them before more are pushed.
    pub fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The bytes that are kept for the frame to come.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// All bytes pushed so far.
    #[must_use]
    pub fn pushed(&self) -> u64 {
        self.passed + self.buffer.len() as u64
    }

    /// The next frame: which stretch of the log it stands for, and what it holds, its records slices of what was pushed. `None`
    /// until more is pushed. Consecutive frames with the same origin share it.
    ///
    /// # Errors
    /// What follows is no frame of records of this log and place. Nothing behind it can be read.
    pub fn next_frame(&mut self) -> Result<Option<(Span, RawBatch)>, Damaged> {
        let at = self.passed;
        let damaged = |why| Damaged { at, why };
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<PREFIX_BYTES>() else { return Ok(None) };
        let mut prefix = &prefix[..];
        let (from, start) = (prefix.get_u64_le(), prefix.get_u64_le());
        if from > start {
            return Err(damaged("begins before the one before it ends"));
        }
        let total = match frame::look(rest, Place { log: self.log, pos: Pos(start) }) {
            Look::Frame { kind: Kind::Records, total } => total,
            Look::Frame { .. } => return Err(damaged("is none of records")),
            Look::Needs(total) if total > HEADER_BYTES + RECORDS_BYTES_MAX => {
                return Err(damaged("is longer than one of records can be"));
            }
            Look::Needs(_) => return Ok(None),
            Look::Bad => return Err(damaged("is damaged, or of another log or place than is said")),
        };
        let Some(to) = start.checked_add(total as u64) else {
            return Err(damaged("ends beyond any position"));
        };
        let entry = self.buffer.split_to(PREFIX_BYTES + total).freeze();
        self.passed += entry.len() as u64;
        let payload = entry.slice(PREFIX_BYTES + HEADER_BYTES..);
        let batch = frame::records(payload, &mut self.origins).ok_or(damaged("has a payload that makes no sense"))?;
        Ok(Some((Span { from, to }, batch)))
    }

    /// The body has ended, and all its frames were asked for.
    ///
    /// # Errors
    /// It ended within a frame.
    pub fn finish(self) -> Result<(), Damaged> {
        if self.buffer.is_empty() { Ok(()) } else { Err(Damaged { at: self.passed, why: "is not complete" }) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::log::frame::tests::any_batch;
    use proptest::prelude::*;

    const LOG: LogId = LogId::from_bits(0x4f2a_9c01_d3b7);

    /// The frame of a batch as the log writes it.
    pub(crate) fn framed(log: LogId, start: Pos, batch: &RawBatch) -> Vec<u8> {
        let origin = serde_json::to_vec(&*batch.origin).unwrap();
        let mut out = Vec::new();
        frame::put_records(&mut out, batch, &origin, Place { log, pos: start });
        out
    }

    type Unpacked = (Vec<(Span, RawBatch)>, Result<(), Damaged>);

    fn unpack(log: LogId, body: &[u8], step: usize) -> Unpacked {
        let (mut unpack, mut frames) = (Unpack::new(log), Vec::new());
        for piece in body.chunks(step) {
            unpack.push(piece);
            loop {
                match unpack.next_frame() {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(damaged) => return (frames, Err(damaged)),
                }
            }
        }
        assert_eq!(unpack.pushed(), body.len() as u64);
        (frames, unpack.finish())
    }

    /// The batches with gaps before them, from a position on.
    fn packed(first: u64, batches: &[(u64, RawBatch)]) -> (Vec<u8>, Vec<(Span, RawBatch)>) {
        let (mut body, mut expected, mut from) = (Vec::new(), Vec::new(), first);
        for (gap, batch) in batches {
            let start = from + gap;
            let frame = framed(LOG, Pos(start), batch);
            put(&mut body, Pos(from), Pos(start), &frame);
            let to = start + frame.len() as u64;
            expected.push((Span { from, to }, batch.clone()));
            from = to;
        }
        (body, expected)
    }

    fn any_batches() -> impl Strategy<Value = Vec<(u64, RawBatch)>> {
        prop::collection::vec((0..40_u64, any_batch()), 1..5)
    }

    proptest! {
        #[test]
        fn frames_come_back_whatever_the_pieces(first in 0..1_u64 << 60, batches in any_batches(), step in 1..300_usize) {
            let (body, expected) = packed(first, &batches);
            prop_assert_eq!(unpack(LOG, &body, step), (expected, Ok(())));
        }

        #[test]
        fn a_changed_bit_costs_its_frame_and_what_follows(
            batches in any_batches(),
            at in any::<prop::sample::Index>(),
            bit in 0..8_u8,
            step in 1..300_usize,
        ) {
            let (mut body, expected) = packed(7_000, &batches);
            let at = at.index(body.len());
            body[at] ^= 1 << bit;
            let (frames, end) = unpack(LOG, &body, step);
            let whole = frames.len();
            prop_assert!(whole <= expected.len());
            let begins: usize = expected[..whole].iter().map(|(span, _)| PREFIX_BYTES + (span.to - span.from) as usize).sum();
            match end {
                Err(damaged) => {
                    prop_assert_eq!(&frames[..], &expected[..whole]);
                    prop_assert!(damaged.at <= at as u64 && damaged.at <= begins as u64);
                }
                // `from` alone is under no checksum: what the frame holds is still what was sent.
                Ok(()) => prop_assert!(frames.iter().zip(&expected).all(|(one, other)| one.1 == other.1 && one.0.to == other.0.to)),
            }
        }

        #[test]
        fn a_cut_body_is_incomplete(batches in any_batches(), at in any::<prop::sample::Index>()) {
            let (body, expected) = packed(3, &batches);
            let at = at.index(body.len());
            let (frames, end) = unpack(LOG, &body[..at], 100);
            prop_assert_eq!(&frames[..], &expected[..frames.len()]);
            let left = end.err().map_or(at, |damaged| usize::try_from(damaged.at).unwrap());
            prop_assert!(left <= at && (left == at) == end.is_ok());
        }

        #[test]
        fn any_bytes_do_no_harm(body in prop::collection::vec(any::<u8>(), 0..400), step in 1..100_usize) {
            let (frames, _) = unpack(LOG, &body, step);
            prop_assert_eq!(frames, vec![]);
        }

        #[test]
        fn any_payload_in_a_sound_frame_does_no_harm(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut body = Vec::new();
            put(&mut body, Pos(1), Pos(5), &frame::tests::sound(&payload, Place { log: LOG, pos: Pos(5) }));
            let (frames, end) = unpack(LOG, &body, 64);
            prop_assert!(frames.len() == usize::from(end.is_ok()));
        }
    }

    fn why(log: LogId, body: &[u8]) -> (u64, &'static str) {
        let damaged = unpack(log, body, 1_000).1.unwrap_err();
        (damaged.at, damaged.why)
    }

    #[test]
    fn what_is_wrong_is_said() {
        let batch = RawBatch {
            origin: std::sync::Arc::default(),
            span: None,
            mark: None,
            received: crate::event::Timestamp::default(),
            records: vec![crate::flow::Record::text("a".into())],
        };
        let frame = framed(LOG, Pos(9), &batch);
        let entry = |from: u64, start: u64, frame: &[u8]| {
            let mut body = Vec::new();
            put(&mut body, Pos(from), Pos(start), frame);
            body
        };
        let good = entry(0, 9, &frame);
        let foreign = "is damaged, or of another log or place than is said";
        let place = Place { log: LOG, pos: Pos(9) };
        let (mut mark, mut table) = (Vec::new(), Vec::new());
        frame::put_mark(&mut mark, place);
        frame::put_table(&mut table, b"{}", place);
        let mut long = Vec::new();
        frame::put_table(&mut long, &vec![b' '; RECORDS_BYTES_MAX + 1], place);
        let last = Pos(u64::MAX - 20);
        let beyond = framed(LOG, last, &batch);
        let after = good.len() as u64;
        for (log, body, expected) in [
            (LOG, entry(10, 9, &frame), (0, "begins before the one before it ends")),
            (LOG, entry(0, 8, &frame), (0, foreign)),
            (LogId::from_bits(5), good.clone(), (0, foreign)),
            (LOG, [&good[..], &entry(9, 9, &frame[1..])].concat(), (after, foreign)),
            (LOG, [&good[..], b"x"].concat(), (after, "is not complete")),
            (LOG, good[..good.len() - 1].to_vec(), (0, "is not complete")),
            (LOG, entry(9, 9, &mark), (0, "is none of records")),
            (LOG, entry(9, 9, &table), (0, "is none of records")),
            (LOG, entry(9, 9, &long[..100]), (0, "is longer than one of records can be")),
            (LOG, entry(0, last.0, &beyond), (0, "ends beyond any position")),
        ] {
            assert_eq!(why(log, &body), expected);
        }
        let (frames, end) = unpack(LOG, &[&good[..], &good].concat(), 7);
        assert!(end.is_ok() && std::sync::Arc::ptr_eq(&frames[0].1.origin, &frames[1].1.origin));
    }
}
