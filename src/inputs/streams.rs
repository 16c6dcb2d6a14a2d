//! The streams of one app (its stdout, its stderr), each cut into records and joined by itself, given away in the order in
//! which they began to arrive.
//!
//! A record that may still be joined by the next line (a stack trace on stderr) holds back what arrived after it in the other
//! streams, for at most [`ORDER_WAIT`]; then, or when much is held back, order is given up rather than time or memory. Order
//! is known as far as reads tell: of lines that were read at once from two streams nobody knows which was written first.

use crate::{
    clock,
    codecs::lines::{Gap, Lines},
    flow::{Origin, Record},
};
use logship_parsers::join::JOIN_WAIT_MS;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// A record waits this long for a line that continues it.
pub const JOINED_IDLE: Duration = Duration::from_millis(JOIN_WAIT_MS);
/// Longest that an unfinished record of one stream holds back those of the others.
pub const ORDER_WAIT: Duration = Duration::from_secs(1);

/// One stream.
#[derive(Debug)]
struct Stream {
    origin: Arc<Origin>,
    lines: Lines,
    /// Where its unfinished record begins: the number of the chunk, and when that came.
    open: Option<(u64, Instant)>,
    quiet_since: Instant,
    /// The number of its last chunk.
    last: u64,
    /// Its records in [`Streams::runs`].
    counted: usize,
}

/// Finished records of one stream that began in the same chunk.
#[derive(Debug)]
struct Run {
    chunk: u64,
    stream: usize,
    records: usize,
}

/// Several streams.
#[derive(Debug)]
pub struct Streams {
    streams: Vec<Stream>,
    /// What is finished, in order of arrival.
    runs: VecDeque<Run>,
}

impl Streams {
    /// One stream for each origin.
    #[must_use]
    pub fn new(origins: Vec<Origin>) -> Streams {
        let stream = |origin| Stream {
            origin: Arc::new(origin),
            lines: Lines::default(),
            open: None,
            quiet_since: clock::instant(),
            last: 0,
            counted: 0,
        };
        Streams { streams: origins.into_iter().map(stream).collect(), runs: VecDeque::new() }
    }

    /// Takes in a chunk of a stream, and what is missing before it. Chunks are numbered over all streams in order of arrival;
    /// those of different streams may come here in another.
    pub fn push(&mut self, stream: usize, number: u64, gap: Option<Gap>, bytes: &[u8]) {
        let Some(of) = self.streams.get_mut(stream) else { return };
        gap.into_iter().for_each(|gap| of.lines.gap(gap));
        of.lines.push(bytes);
        of.quiet_since = clock::instant();
        of.last = number;
        self.note(stream);
    }

    /// Finishes the records of streams that have been quiet for long enough.
    pub fn settle_quiet(&mut self) {
        self.each(|stream| {
            if stream.lines.unsettled() && clock::since(stream.quiet_since) >= JOINED_IDLE {
                stream.lines.settle();
            }
        });
    }

    /// Finishes the records of mixed streams that have said nothing since the last call.
    pub fn age(&mut self) {
        self.each(|stream| stream.lines.age());
    }

    /// Finishes everything.
    pub fn finish(&mut self) {
        self.each(|stream| stream.lines.finish());
    }

    fn each(&mut self, mut change: impl FnMut(&mut Stream)) {
        for at in 0..self.streams.len() {
            change(&mut self.streams[at]);
            self.note(at);
        }
    }

    /// Puts what a stream has finished into its place.
    fn note(&mut self, at: usize) {
        let stream = &mut self.streams[at];
        let chunk = stream.last;
        let mut finished = stream.lines.ready_records() - stream.counted;
        stream.counted += finished;
        let began = if finished > 0 { stream.open.take() } else { None };
        if !stream.lines.unsettled() {
            stream.open = None;
        } else if stream.open.is_none() {
            stream.open = Some((chunk, stream.quiet_since));
        }
        if let Some((began, _)) = began {
            self.insert(Run { chunk: began, stream: at, records: 1 });
            finished -= 1;
        }
        if finished > 0 {
            self.insert(Run { chunk, stream: at, records: finished });
        }
    }

    fn insert(&mut self, run: Run) {
        let place = self.runs.partition_point(|before| before.chunk <= run.chunk);
        self.runs.insert(place, run);
    }

    /// What began before this chunk waits for nothing.
    fn free_before(&self) -> u64 {
        let holding = |stream: &Stream| stream.open.filter(|(_, since)| clock::since(*since) < ORDER_WAIT);
        let held = self.streams.iter().filter_map(holding).map(|(chunk, _)| chunk).min();
        held.map_or(u64::MAX, |chunk| chunk + 1)
    }

    /// How long until [`Self::settle_quiet`] has something to do; `None` while nothing is unfinished.
    #[must_use]
    pub fn settles_in(&self) -> Option<Duration> {
        let unsettled = self.streams.iter().filter(|stream| stream.lines.unsettled());
        unsettled.map(|stream| JOINED_IDLE.saturating_sub(clock::since(stream.quiet_since))).min()
    }

    /// Whether [`Self::take`] has records to give that wait for none of another stream.
    #[must_use]
    pub fn has_free(&self) -> bool {
        self.runs.front().is_some_and(|run| run.chunk < self.free_before())
    }

    /// How many records are finished, held back or not.
    #[must_use]
    pub fn ready_records(&self) -> usize {
        self.streams.iter().map(|stream| stream.lines.ready_records()).sum()
    }

    /// Their bytes.
    #[must_use]
    pub fn ready_bytes(&self) -> usize {
        self.streams.iter().map(|stream| stream.lines.ready_bytes()).sum()
    }

    /// Bytes cut from overlong lines.
    #[must_use]
    pub fn truncated_bytes(&self) -> u64 {
        self.streams.iter().map(|stream| stream.lines.counts().1).sum()
    }

    /// The next records in order, all of one stream; none when there are none, or, unless `all`, when they are held back.
    pub fn take(&mut self, records_max: usize, all: bool) -> Option<(Arc<Origin>, Vec<Record>)> {
        let free_before = if all { u64::MAX } else { self.free_before() };
        let (at, mut count) = (self.runs.front()?.stream, 0);
        while let Some(run) = self.runs.front_mut() {
            if run.stream != at || run.chunk >= free_before || count == records_max {
                break;
            }
            let taken = run.records.min(records_max - count);
            count += taken;
            run.records -= taken;
            if run.records == 0 {
                self.runs.pop_front();
            }
        }
        let stream = &mut self.streams[at];
        stream.counted -= count;
        (count > 0).then(|| (stream.origin.clone(), stream.lines.take(count)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_stream_has_the_records_that_it_has_alone(
            chunks in prop::collection::vec((0..2usize, "[ab \n\t]{0,6}", any::<bool>()), 0..40),
        ) {
            let mut streams = two();
            let mut found = [Vec::new(), Vec::new()];
            let mut take = |streams: &mut Streams, all| {
                while let Some((origin, records)) = streams.take(2, all) {
                    found[usize::from(origin.stream.as_deref() == Some("err"))].extend(records);
                }
            };
            for (number, (stream, bytes, all)) in chunks.iter().enumerate() {
                streams.push(*stream, number as u64, None, bytes.as_bytes());
                take(&mut streams, *all);
            }
            streams.finish();
            take(&mut streams, false);
            prop_assert!(streams.ready_records() == 0 && streams.runs.is_empty());
            for (stream, found) in found.into_iter().enumerate() {
                let mut alone = Lines::default();
                let own = chunks.iter().filter(|(of, _, _)| *of == stream);
                own.for_each(|(_, bytes, _)| alone.push(bytes.as_bytes()));
                alone.finish();
                prop_assert_eq!(found, alone.take(usize::MAX));
            }
        }
    }

    fn two() -> Streams {
        let origin = |name: &str| Origin { stream: Some(name.to_owned()), ..Origin::default() };
        Streams::new(vec![origin("out"), origin("err")])
    }

    fn taken(streams: &mut Streams, all: bool) -> Vec<String> {
        let batches = std::iter::from_fn(|| streams.take(100, all));
        let text = |(origin, records): (Arc<Origin>, Vec<Record>)| {
            let texts: Vec<_> = records.iter().map(|record| String::from_utf8_lossy(&record.bytes)).collect();
            format!("{}: {}", origin.stream.as_deref().unwrap(), texts.join("|"))
        };
        batches.map(text).collect()
    }

    #[test]
    fn records_come_in_order_of_arrival() {
        let check = |chunks: &[(usize, &str)], expected: &[&str]| {
            let mut streams = two();
            for (number, (stream, bytes)) in chunks.iter().enumerate() {
                streams.push(*stream, number as u64, None, bytes.as_bytes());
            }
            streams.finish();
            assert_eq!(taken(&mut streams, false), expected, "{chunks:?}");
            assert_eq!(streams.ready_records(), 0);
        };
        check(&[(0, "a\nb\n"), (0, "c\n")], &["out: a|b|c"]);
        check(&[(0, "a\n"), (1, "b\n"), (0, "c\n"), (1, "d\n")], &["out: a", "err: b", "out: c", "err: d"]);
        check(&[(0, "a\n"), (0, "b\n"), (1, "c\n"), (0, "d\n")], &["out: a|b", "err: c", "out: d"]);
        check(&[(1, "half "), (0, "a\n"), (1, "line\n")], &["out: a", "err: half line"]);
        check(
            &[(1, "java.lang.IllegalStateException: y\n"), (0, "a\n"), (1, "\tat a.b(C.java:1)\n"), (0, "b\n")],
            &["err: java.lang.IllegalStateException: y\n\tat a.b(C.java:1)", "out: a|b"],
        );
    }

    #[test]
    fn a_chunk_that_was_overtaken_finds_its_place() {
        let mut streams = two();
        streams.push(0, 0, None, b"a\n");
        streams.push(0, 2, None, b"c\n");
        streams.push(1, 1, None, b"b\n");
        streams.finish();
        assert_eq!(taken(&mut streams, false), ["out: a", "err: b", "out: c"]);
    }

    #[test]
    fn an_unfinished_record_holds_the_others_back_but_not_for_ever() {
        let mut streams = two();
        streams.push(1, 1, None, b"unfinished\n");
        streams.push(0, 2, None, b"a\nb\n");
        assert!(!streams.has_free());
        assert!(taken(&mut streams, false).is_empty());
        streams.streams[1].quiet_since -= JOINED_IDLE;
        assert_eq!(streams.settles_in(), Some(Duration::ZERO));
        streams.settle_quiet();
        assert_eq!(taken(&mut streams, false), ["err: unfinished", "out: a"]);

        streams.push(1, 3, None, b"unfinished\n");
        streams.push(0, 4, None, b"c\n");
        assert_eq!(taken(&mut streams, false), ["out: b"]);
        streams.push(0, 5, None, b"d\n");
        assert!(taken(&mut streams, false).is_empty());
        assert_eq!(taken(&mut streams, true), ["out: c"], "too much was held back");
        streams.push(0, 6, None, b"e\n");
        if let Some((_, since)) = &mut streams.streams[1].open {
            *since -= ORDER_WAIT;
        }
        assert_eq!(taken(&mut streams, false), ["out: d"], "it was held back for too long");
        streams.finish();
        assert_eq!(taken(&mut streams, false), ["err: unfinished", "out: e"]);
    }

    #[test]
    fn no_more_than_asked_for_are_taken() {
        let mut streams = two();
        streams.push(0, 7, None, b"a\nb\nc\n");
        streams.finish();
        let counts: Vec<_> = std::iter::from_fn(|| streams.take(2, false)).map(|(_, records)| records.len()).collect();
        assert_eq!(counts, [2, 1]);
    }
}
