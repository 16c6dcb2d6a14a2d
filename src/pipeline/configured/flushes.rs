//! What codecs gave because the clock said so, or because too many streams were open: that is nowhere in the log, and whoever
//! reads it again must cut in the same places.
//!
//! At most [`FLUSHES_MAX`] of each log are remembered. Whoever reads again where one is forgotten repeats rather than loses.

use super::workers::held;
use crate::{
    event::Timestamp,
    flow::{LogId, Pos},
};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

/// Most that are remembered of one log.
pub const FLUSHES_MAX: usize = 10_000;

/// A stream of which all that was held back was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flush {
    pub(super) source: String,
    /// Where what it held was, and how far that log was read.
    pub(super) log: LogId,
    pub(super) at: Pos,
    /// Its number among all that was read.
    pub(super) number: u64,
    pub(super) received: Timestamp,
    /// Whether the stream goes on; otherwise all that was known of it is forgotten.
    pub(super) is_kept: bool,
}

/// Those of a pipeline. Cheap to share.
#[derive(Clone, Default)]
pub(super) struct Flushes(Arc<Mutex<BTreeMap<LogId, OfLog>>>);

#[derive(Default)]
struct OfLog {
    /// In the order of their numbers, and so of their places.
    known: VecDeque<Flush>,
    /// Up to where some are forgotten.
    lost: Option<Pos>,
}

impl Flushes {
    pub(super) fn add(&self, flush: Flush) {
        let mut logs = held(&self.0);
        let of = logs.entry(flush.log).or_default();
        if of.known.len() == FLUSHES_MAX
            && let Some(lost) = of.known.pop_front()
        {
            of.lost = Some(lost.at);
        }
        of.known.push_back(flush);
    }

    /// Those that came at this place of a log, with numbers between these.
    pub(super) fn at(&self, log: LogId, at: Pos, after: u64, to: u64) -> Vec<Flush> {
        let logs = held(&self.0);
        let Some(OfLog { known, .. }) = logs.get(&log) else { return Vec::new() };
        let first = known.partition_point(|flush| flush.at < at);
        let here = known.iter().skip(first).take_while(|flush| flush.at == at);
        here.filter(|flush| flush.number > after && flush.number <= to).cloned().collect()
    }

    /// Up to where in a log some may be forgotten.
    pub(super) fn lost(&self, log: LogId) -> Option<Pos> {
        held(&self.0).get(&log).and_then(|of| of.lost)
    }

    /// A log is gone.
    pub(super) fn forget(&self, log: LogId) {
        held(&self.0).remove(&log);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_found_by_their_place_and_the_oldest_are_forgotten() {
        let log = LogId::from_bits(1);
        let flushes = Flushes::default();
        let flush = |number: u64| Flush {
            source: number.to_string(),
            log,
            at: Pos(number / 2),
            number,
            received: Timestamp::default(),
            is_kept: true,
        };
        let all = 0..FLUSHES_MAX as u64 + 2;
        all.clone().for_each(|number| flushes.add(flush(number)));
        assert_eq!((flushes.lost(log), flushes.lost(LogId::from_bits(2))), (Some(Pos(0)), None));
        assert_eq!(flushes.at(log, Pos(0), 0, u64::MAX), []);
        assert_eq!(flushes.at(log, Pos(4), 0, u64::MAX), [flush(8), flush(9)]);
        assert_eq!(flushes.at(log, Pos(4), 8, u64::MAX), [flush(9)]);
        assert_eq!(flushes.at(log, Pos(4), 0, 8), [flush(8)]);
        flushes.forget(log);
        assert_eq!((flushes.at(log, Pos(4), 0, u64::MAX), flushes.lost(log)), (Vec::new(), None));
    }
}
