//! One log on its way: what of it was read, is being gathered, is on its way, and is on the server.

use super::batch::{Batch, Building};
use crate::{
    clock,
    flow::{LogId, Pos, Span},
    log::PositionSet,
    pipeline::logs::OpenLog,
};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// A batch that is being sent, or waits to be sent again. One a log: a second could overtake it.
#[derive(Debug)]
pub(super) struct Flight {
    pub batch: Arc<Batch>,
    /// A sender has it.
    pub is_out: bool,
    /// Not to be sent before.
    pub due: Instant,
    /// How often it failed.
    pub attempts: u32,
    /// The server that may have some of it: it stays with that for a while.
    pub pinned: Option<usize>,
    /// When it first failed at the server that it is sent to.
    pub failing_since: Option<Instant>,
    /// How often it was refused alone.
    pub refusals: u32,
    /// It was counted as possibly on two servers.
    pub is_doubled: bool,
}

impl Flight {
    pub fn new(batch: Arc<Batch>) -> Flight {
        Flight {
            batch,
            is_out: false,
            due: clock::instant(),
            attempts: 0,
            pinned: None,
            failing_since: None,
            refusals: 0,
            is_doubled: false,
        }
    }
}

/// One log on its way.
#[derive(Debug)]
pub(super) struct Lane {
    log: LogId,
    /// What needs no sending any more: its low end is the progress.
    answered: PositionSet,
    /// The end of the last frame that was gathered.
    taken: Pos,
    building: Option<Building>,
    ready: VecDeque<Arc<Batch>>,
    pub flight: Option<Flight>,
    /// How far it reached when that was last looked at, of logs that others write or wrote.
    pub end: Pos,
    /// Damaged stretches and their bytes that were said and counted.
    pub damage: (u64, u64),
}

impl Lane {
    pub fn new(log: LogId, progress: Pos) -> Lane {
        let mut answered = PositionSet::default();
        answered.insert(Span { from: 0, to: progress.0 });
        Lane {
            log,
            answered,
            taken: progress,
            building: None,
            ready: VecDeque::new(),
            flight: None,
            end: progress,
            damage: (0, 0),
        }
    }

    /// Everything before this is on the server, or was given up.
    pub fn progress(&self) -> Pos {
        Pos(self.answered.low())
    }

    pub fn settle(&mut self, span: Span) {
        self.answered.insert(span);
    }

    /// Everything that was gathered is on the server.
    pub fn is_empty(&self) -> bool {
        self.building.is_none() && self.ready.is_empty() && self.flight.is_none()
    }

    /// Bytes in memory.
    pub fn held(&self) -> usize {
        let building = self.building.as_ref().map_or(0, Building::bytes);
        let flight = self.flight.as_ref().map_or(0, |flight| flight.batch.bytes());
        building + flight + self.ready.iter().map(|batch| batch.bytes()).sum::<usize>()
    }

    /// Whether another batch may be gathered: one is prepared while one is on its way.
    pub fn wants_more(&self) -> bool {
        self.ready.is_empty()
    }

    /// Reads frames into the open batch, at most so many bytes and a frame; whether a batch became ready.
    pub fn gather(&mut self, open: &mut OpenLog, durable: Option<Pos>, bytes_max: usize) -> bool {
        let ended = loop {
            if self.building.as_ref().is_some_and(|building| building.bytes() >= bytes_max) {
                return self.seal();
            }
            let Some(frame) = open.next(durable) else {
                if open.failure().is_none() {
                    // What is left are marks.
                    self.end = self.taken;
                }
                break !open.is_alive();
            };
            let building = self.building.get_or_insert_with(|| Building::new(self.log, clock::instant()));
            building.add(self.taken, &frame, &open.frame_bytes());
            self.taken = frame.end;
        };
        ended && self.seal()
    }

    /// When the open batch is to be sent although it has room.
    pub fn sealed_at(&self, wait: Duration) -> Option<Instant> {
        self.building.as_ref().map(|building| building.since + wait)
    }

    /// Ends the open batch, if there is one.
    pub fn seal(&mut self) -> bool {
        let Some(building) = self.building.take() else { return false };
        self.ready.push_back(building.seal());
        true
    }

    /// The batch that is to be sent now.
    pub fn next_flight(&mut self) -> Option<&mut Flight> {
        if self.flight.is_none() {
            self.flight = self.ready.pop_front().map(Flight::new);
        }
        self.flight.as_mut().filter(|flight| !flight.is_out && flight.due <= clock::instant())
    }

    /// Goes on with two halves of the batch that was on its way, the first of them first.
    pub fn halve(&mut self, first: Batch, second: Batch, pinned: Option<usize>) {
        self.ready.push_front(Arc::new(second));
        self.flight = Some(Flight { pinned, ..Flight::new(Arc::new(first)) });
    }
}
