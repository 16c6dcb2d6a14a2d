//! One stream of a container, read over and over: each of its lines once.
//!
//! A line's place is its stamp in nanoseconds. What a batch makes durable reaches to the stamp of its last line; after
//! a reconnect or a restart the engine is asked for everything since, by the second, and what lies at or below that
//! stamp is left out.
//!
//! Limits of that: lines with the same nanosecond are taken for one place, so when a crash parts them the second is
//! missed; lines that were written after a clock was set back are missed if the connection breaks before the clock is
//! where it was.

use super::{BATCH_BYTES, BATCH_RECORDS_MAX, BATCH_WAIT};
use crate::{
    clock,
    codecs::{first_line::FirstLine, lines::Lines},
    flow::{Origin, RawBatch, Span},
};
use logship_parsers::join::JOIN_WAIT_MS;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// The lines of a stream with their stamps.
#[derive(Debug)]
pub(super) struct Stamped {
    origin: Arc<Origin>,
    lines: Lines,
    /// What tells where records begin, if that is not recognised.
    first_line: Option<FirstLine>,
    /// Bytes pushed, and where in them each piece ended, with its stamp.
    pushed: u64,
    ends: VecDeque<(u64, u64)>,
    /// Everything below this stamp is durable.
    durable_to: u64,
    /// The stamp of what came last.
    reached: u64,
    /// What the engine repeats is being left out.
    repeating: bool,
    pushed_at: Instant,
    ready_since: Option<Instant>,
}

impl Stamped {
    pub(super) fn new(origin: Origin, durable_to: u64, first_line: Option<FirstLine>) -> Stamped {
        let mut lines = Lines::default();
        lines.begin_records_by(first_line.as_ref());
        Stamped {
            origin: Arc::new(origin),
            lines,
            first_line,
            pushed: 0,
            ends: VecDeque::new(),
            durable_to,
            reached: 0,
            repeating: durable_to > 0,
            pushed_at: clock::instant(),
            ready_since: None,
        }
    }

    pub(super) fn source(&self) -> &str {
        &self.origin.source
    }

    pub(super) fn durable_to(&self) -> u64 {
        self.durable_to
    }

    /// The stamp of what came last; 0 before anything has.
    pub(super) fn reached(&self) -> u64 {
        self.reached
    }

    /// The stamp of the first piece that is not durable, of those that have come.
    pub(super) fn missing(&self) -> Option<u64> {
        self.ends.front().map(|(_, stamp)| *stamp)
    }

    /// Whether a record waits to be handed over, or for a line that continues it.
    pub(super) fn waits(&self) -> bool {
        self.lines.ready_records() > 0 || self.lines.unsettled()
    }

    /// Takes in a piece of a line; whether it was new.
    pub(super) fn push(&mut self, stamp: u64, piece: &[u8]) -> bool {
        self.reached = stamp;
        self.repeating &= stamp < self.durable_to;
        if self.repeating {
            return false;
        }
        self.lines.push(piece);
        self.pushed += piece.len() as u64;
        match self.ends.back_mut() {
            Some(last) if last.1 == stamp => last.0 = self.pushed,
            _ => self.ends.push_back((self.pushed, stamp)),
        }
        self.pushed_at = clock::instant();
        true
    }

    /// The stream ended with what has come.
    pub(super) fn finish(&mut self) {
        self.lines.finish();
    }

    /// The connection broke, or begins: what is not durable comes again.
    pub(super) fn restart(&mut self) {
        self.lines = Lines::default();
        self.lines.begin_records_by(self.first_line.as_ref());
        (self.pushed, self.ready_since) = (0, None);
        self.ends.clear();
        self.repeating = self.durable_to > 0;
    }

    /// A batch, if one is due, or if anything is there and all is wanted. It must be made durable, or offered again.
    pub(super) fn batch(&mut self, all: bool) -> Option<RawBatch> {
        if self.lines.unsettled() && clock::since(self.pushed_at) >= Duration::from_millis(JOIN_WAIT_MS) {
            self.lines.settle();
        }
        if self.lines.ready_records() == 0 {
            self.ready_since = None;
            return None;
        }
        let since = *self.ready_since.get_or_insert_with(clock::instant);
        let due = all || self.lines.ready_bytes() >= BATCH_BYTES || clock::since(since) >= BATCH_WAIT;
        if !due {
            return None;
        }
        let (records, place) = self.lines.take_up_to(BATCH_RECORDS_MAX, BATCH_BYTES);
        self.ready_since = None;
        if records.is_empty() {
            return None;
        }
        let mut to = self.durable_to;
        while let Some((_, stamp)) = self.ends.front().copied().filter(|(end, _)| *end <= place) {
            to = to.max(stamp.saturating_add(1));
            self.ends.pop_front();
        }
        // The place of a batch moves on even where stamps do not: it is no duplicate of the one before.
        let span = Span { from: self.durable_to, to: to.max(self.durable_to.saturating_add(1)) };
        let origin = self.origin.clone();
        Some(RawBatch { origin, span: Some(span), mark: None, received: clock::now(), records })
    }

    /// The batch is durable, or will never be.
    pub(super) fn done(&mut self, span: Option<Span>) {
        self.durable_to = span.map_or(self.durable_to, |span| span.to);
    }

    /// Bytes cut from overlong lines since the last restart.
    pub(super) fn truncated_bytes(&self) -> u64 {
        self.lines.counts().1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(batch: &RawBatch) -> Vec<String> {
        batch.records.iter().map(|record| String::from_utf8(record.bytes.to_vec()).unwrap()).collect()
    }

    #[test]
    fn a_batch_reaches_to_the_stamp_of_its_last_line() {
        let mut stamped = Stamped::new(Origin::default(), 0, None);
        for (stamp, piece) in [(10, "a\n"), (20, "b1 "), (30, "b2\n"), (40, "c"), (50, "rest of c")] {
            assert!(stamped.push(stamp, piece.as_bytes()));
        }
        stamped.lines.settle();
        let batch = stamped.batch(true).unwrap();
        assert_eq!(
            (texts(&batch), batch.span),
            (vec!["a".to_owned(), "b1 b2".to_owned()], Some(Span { from: 0, to: 31 }))
        );
        stamped.done(batch.span);
        stamped.restart();
        let again: Vec<bool> = [(10, "a\n"), (30, "b2\n"), (40, "c"), (50, "d\n"), (20, "clock set back\n")]
            .map(|(stamp, piece)| stamped.push(stamp, piece.as_bytes()))
            .to_vec();
        assert_eq!(again, [false, false, true, true, true]);
        stamped.finish();
        let batch = stamped.batch(true).unwrap();
        assert_eq!(texts(&batch), ["cd", "clock set back"]);
        assert_eq!(batch.span, Some(Span { from: 31, to: 51 }));
    }

    #[test]
    fn where_records_begin_is_told_once_and_holds_after_a_restart() {
        let mut stamped = Stamped::new(Origin::default(), 0, FirstLine::new("^#").ok());
        for _ in 0..2 {
            stamped.restart();
            for (stamp, line) in [(10, "#a\n"), (20, "b\n"), (30, "#c\n")] {
                stamped.push(stamp, line.as_bytes());
            }
            let batch = stamped.batch(true).unwrap();
            assert_eq!((texts(&batch), batch.span), (vec!["#a\nb".to_owned()], Some(Span { from: 0, to: 21 })));
        }
    }

    #[test]
    fn what_a_last_line_without_an_end_says_is_kept() {
        let mut stamped = Stamped::new(Origin::default(), 0, None);
        stamped.push(10, b"no end");
        stamped.finish();
        let batch = stamped.batch(true).unwrap();
        assert_eq!((texts(&batch), batch.span), (vec!["no end".to_owned()], Some(Span { from: 0, to: 11 })));
        assert_eq!(stamped.batch(true), None);
    }
}
