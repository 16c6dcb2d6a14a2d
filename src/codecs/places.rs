//! Where the bytes of a buffer lie in their stream, and how far a stream is done when some of its records are.
//!
//! Not every byte of a stream comes into the buffer: the rest of an overlong line does not, and what was lost does not.

use crate::flow::Span;

/// The places of a buffer's bytes in the stream.
#[derive(Debug)]
pub(super) struct Places {
    /// Of the buffer's first byte, without what is missing before it.
    first: u64,
    /// What is missing: before which byte of the buffer, and how much.
    missing: Vec<(usize, u64)>,
}

impl Places {
    /// An empty buffer at this place.
    pub(super) fn starting_at(first: u64) -> Places {
        Places { first, missing: Vec::new() }
    }

    /// Of the byte at this index of the buffer.
    pub(super) fn of(&self, index: usize) -> u64 {
        let missing = self.missing.iter().take_while(|(before, _)| *before <= index).map(|(_, bytes)| bytes);
        self.first + index as u64 + missing.sum::<u64>()
    }

    /// So many bytes do not come into the buffer, which ends here.
    pub(super) fn pass_over(&mut self, end: usize, bytes: u64) {
        match self.missing.last_mut() {
            Some((before, missing)) if *before == end => *missing += bytes,
            _ => self.missing.push((end, bytes)),
        }
    }

    /// The buffer loses so many of its first bytes.
    pub(super) fn release(&mut self, bytes: usize) {
        self.first = self.of(bytes);
        self.missing.retain_mut(|(before, _)| {
            let kept = *before > bytes;
            *before = before.saturating_sub(bytes);
            kept
        });
    }
}

/// A finished record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finished {
    /// From its first byte in the stream to behind its last.
    pub(super) span: Span,
    /// How many bytes it has itself.
    pub(super) bytes: usize,
}

/// How many records may be given away at once; one may always.
#[derive(Clone, Copy, Debug)]
pub(super) struct AtMost {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

/// Which records can be given away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// All that begin before this place, and none has a byte behind it.
    Before(u64),
    /// Those that begin before this place are more than a frame holds, and lie in each other: no place between is free.
    PartsBefore(u64),
}

impl AtMost {
    pub(super) fn holds(self, records: usize, bytes: usize) -> bool {
        records <= 1 || (records <= self.records && bytes <= self.bytes)
    }
}

/// The last place at which the stream can be cut: not behind `unfinished`, inside of no record, and with no more before
/// it than `wanted`, or than `frame` where records lie in each other. `given` reaches from the cut before to the end of what
/// was given since.
pub(super) fn cut(mut finished: Vec<Finished>, given: Span, unfinished: u64, wanted: AtMost, frame: AtMost) -> Cut {
    finished.sort_by_key(|record| record.span.from);
    let (mut records, mut bytes, mut end, mut best) = (0, 0, given.to, given.from);
    for at in 0..=finished.len() {
        let next = finished.get(at).map_or(unfinished, |record| record.span.from.min(unfinished));
        if end <= next {
            if !wanted.holds(records, bytes) {
                let any_before = finished.first().is_some_and(|first| first.span.from < best);
                return match (any_before, frame.holds(records, bytes)) {
                    (true, _) => Cut::Before(best),
                    (false, true) => Cut::Before(next),
                    (false, false) => Cut::PartsBefore(next),
                };
            }
            best = next;
        }
        let Some(record) = finished.get(at).filter(|record| record.span.from < unfinished) else { break };
        end = end.max(record.span.to);
        records += 1;
        bytes += record.bytes;
    }
    Cut::Before(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_know_what_never_came_into_the_buffer() {
        let mut places = Places::starting_at(100);
        places.pass_over(10, 5);
        places.pass_over(10, 2);
        places.pass_over(20, 1);
        let check = |places: &Places, expected: [u64; 4]| assert_eq!([0, 9, 10, 20].map(|at| places.of(at)), expected);
        check(&places, [100, 109, 117, 128]);
        places.release(10);
        assert_eq!([0, 9, 10].map(|at| places.of(at)), [117, 126, 128]);
        places.release(10);
        places.pass_over(0, 3);
        assert_eq!(places.of(0), 131);
    }

    #[test]
    fn a_stream_is_cut_inside_of_no_record() {
        let check = |spans: &[(u64, u64)], given: (u64, u64), unfinished, records, expected| {
            let span = |(from, to)| Span { from, to };
            let finished = spans.iter().map(|at| Finished { span: span(*at), bytes: 10 }).collect();
            let found = cut(
                finished,
                span(given),
                unfinished,
                AtMost { records, bytes: 999 },
                AtMost { records: 2, bytes: 999 },
            );
            assert_eq!(found, expected, "{spans:?} {given:?} {unfinished} {records}");
        };
        let (before, parts) = (Cut::Before, Cut::PartsBefore);
        check(&[], (7, 7), 9, 5, before(9));
        check(&[(0, 3), (4, 6)], (0, 0), 9, 5, before(9));
        check(&[(0, 3), (4, 6)], (0, 0), 9, 1, before(4));
        check(&[(0, 3), (4, 6)], (0, 0), 4, 5, before(4));
        check(&[(0, 3), (4, 6)], (0, 0), 0, 5, before(0));
        check(&[(4, 6), (0, 3)], (0, 0), 5, 5, before(4));
        // One lies around the other; the second also around what is not finished.
        check(&[(4, 6), (0, 9)], (0, 0), 10, 5, before(10));
        check(&[(4, 6), (0, 9)], (0, 0), 8, 5, before(0));
        check(&[(0, 3), (4, 8), (6, 12), (12, 14)], (0, 0), 15, 3, before(12));
        check(&[(0, 3), (4, 8), (6, 12), (12, 14)], (0, 0), 15, 2, before(4));
        check(&[(4, 8), (6, 12), (12, 14)], (0, 0), 15, 1, before(12));
        check(&[(4, 8), (6, 12), (7, 9), (12, 14)], (0, 0), 15, 1, parts(12));
        check(&[(6, 12), (12, 14)], (4, 8), 15, 1, before(12));
        check(&[(6, 7), (7, 8), (9, 14)], (4, 8), 15, 1, before(9));
        check(&[(5, 6), (6, 7), (7, 8), (9, 14)], (4, 8), 15, 1, parts(9));
        check(&[(9, 14)], (4, 8), 15, 0, before(15));
        check(&[(9, 14)], (4, 8), 7, 0, before(4));
    }
}
