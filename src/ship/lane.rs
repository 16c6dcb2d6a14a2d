//! One log on its way: what of it was read, is being gathered, is on its way, and is on the server.

use super::{
    batch::{Batch, Building, GivenUp},
    pins::{Lease, Suspect},
};
use crate::{
    clock,
    flow::{Frame, LogId, Pos, Span},
    log::{Limit, PositionSet, Reader},
    pipeline::logs::OpenLog,
};
use bytes::Bytes;
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// A batch that is being sent, or waits to be sent again. One a log: a second could overtake it.
#[derive(Debug)]
pub(super) struct Flight {
    pub batch: Arc<Batch>,
    /// A sender has it, for that server and since then.
    pub out: Option<(usize, Instant)>,
    /// Not to be sent before.
    pub due: Instant,
    /// The server that may have some of it: it stays with that for a while.
    pub pinned: Option<usize>,
    /// When it first failed at the server that it is sent to.
    pub failing_since: Option<Instant>,
    /// How often it was refused alone.
    pub refusals: u32,
    /// It may be on a server that is not asked for it any more.
    pub is_elsewhere: bool,
    /// It was counted as possibly on two servers.
    pub is_doubled: bool,
    /// The spool has no room for it any longer: it is not sent again.
    pub is_given_up: bool,
}

impl Flight {
    pub fn new(batch: Arc<Batch>) -> Flight {
        Flight {
            batch,
            out: None,
            due: clock::instant(),
            pinned: None,
            failing_since: None,
            refusals: 0,
            is_elsewhere: false,
            is_doubled: false,
            is_given_up: false,
        }
    }
}

/// One log on its way.
#[derive(Debug)]
pub(super) struct Lane {
    id: u64,
    pub log: LogId,
    /// Where a lane of fresh frames begins: this one ends there.
    pub until: Option<Pos>,
    /// What a lane of fresh frames reads with; the other reads the log as it is open.
    reader: Option<Reader>,
    /// What needs no sending any more: its low end is the progress.
    answered: PositionSet,
    /// The end of the last frame that was gathered.
    taken: Pos,
    building: Option<Building>,
    ready: VecDeque<Arc<Batch>>,
    pub flight: Option<Flight>,
    /// What servers may have of it since before this process or its settings.
    pub suspects: Vec<Suspect>,
    /// What the progress file says that a server may have.
    pub lease: Option<Lease>,
    /// How far it reached when that was last looked at, of logs that others write or wrote.
    pub end: Pos,
    /// Damaged stretches and their bytes that were said and counted.
    pub damage: (u64, u64),
}

impl Lane {
    pub fn new(id: u64, log: LogId, progress: Pos) -> Lane {
        let mut answered = PositionSet::default();
        answered.insert(Span { from: 0, to: progress.0 });
        Lane {
            id,
            log,
            until: None,
            reader: None,
            answered,
            taken: progress,
            building: None,
            ready: VecDeque::new(),
            flight: None,
            suspects: Vec::new(),
            lease: None,
            end: progress,
            damage: (0, 0),
        }
    }

    /// A lane for what follows the position where the reader is.
    pub fn fresh(id: u64, reader: Reader) -> Lane {
        let lane = Lane::new(id, reader.log(), reader.pos());
        Lane { reader: Some(reader), ..lane }
    }

    /// Everything before this is on the server, or was given up.
    pub fn progress(&self) -> Pos {
        Pos(self.answered.low())
    }

    /// The end of the last frame that was gathered.
    pub fn taken(&self) -> Pos {
        self.taken
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
            let is_full = |building: &Building| building.bytes() >= bytes_max || self.is_at_edge();
            if self.building.as_ref().is_some_and(is_full) {
                return self.seal();
            }
            let Some((frame, bytes)) = self.read(open, durable) else {
                if open.failure().is_none() {
                    // What is left are marks.
                    self.end = self.taken;
                }
                break self.is_behind_fresh() || (self.reader.is_none() && !open.is_alive());
            };
            let building = self.building.get_or_insert_with(|| Building::new(self.log, self.id, clock::instant()));
            building.add(self.taken, &frame, &bytes);
            self.taken = frame.end;
        };
        ended && self.seal()
    }

    /// Where a stretch begins or ends that a server may have: a batch is of one kind, or too much would stay or be counted.
    fn is_at_edge(&self) -> bool {
        self.suspects.iter().any(|it| it.span.from == self.taken.0 || it.span.to == self.taken.0)
    }

    fn read(&mut self, open: &mut OpenLog, durable: Option<Pos>) -> Option<(Frame, Bytes)> {
        if self.is_behind_fresh() {
            return None;
        }
        let Some(reader) = &mut self.reader else {
            let end = self.until.map_or(durable, |until| durable.map(|durable| durable.min(until)));
            return open.next(end).map(|frame| (frame, open.frame_bytes()));
        };
        // What cannot be read will be said where the log is read from its beginning.
        let frame = reader.next(Limit::Durable(durable?)).ok()??;
        Some((frame, reader.frame_bytes().clone()))
    }

    /// It has read all that is not for the lane of fresh frames.
    fn is_behind_fresh(&self) -> bool {
        self.until.is_some_and(|until| self.taken >= until)
    }

    /// Everything up to the lane of fresh frames is on the server.
    pub fn has_caught_up(&self) -> bool {
        self.is_empty() && self.until.is_some_and(|until| self.progress() >= until)
    }

    /// From now on this lane of fresh frames is the log's only one.
    pub fn become_only(&mut self, open: &mut OpenLog) {
        if let Some(reader) = self.reader.take() {
            open.go_on(reader, self.taken);
        }
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

    /// The batch that is to be sent next, unless a sender has it.
    pub fn next_flight(&mut self) -> Option<&mut Flight> {
        if self.flight.is_none() {
            let suspects = &self.suspects;
            self.flight = self.ready.pop_front().map(|batch| Suspect::apply(suspects, Flight::new(batch)));
        }
        self.flight.as_mut().filter(|flight| flight.out.is_none())
    }

    /// When there is something to do without anything having happened; `rests_until` is of the server that is used now or
    /// of the one named.
    pub fn wakes_at(
        &self,
        wait: Duration,
        is_sender_free: bool,
        rests_until: impl Fn(Option<usize>) -> Option<Instant>,
    ) -> Option<Instant> {
        match &self.flight {
            Some(flight) if flight.out.is_some() || !is_sender_free => None,
            Some(flight) => Some(rests_until(flight.pinned).map_or(flight.due, |until| until.max(flight.due))),
            None if self.ready.is_empty() => self.sealed_at(wait),
            None => is_sender_free.then(clock::instant),
        }
    }

    /// Gives up what begins before a position and is in memory, except for what a sender has: that is given up unless it
    /// arrives.
    pub fn give_up(&mut self, before: Pos) -> GivenUp {
        let mut batches = Vec::new();
        if let Some(mut flight) = self.flight.take() {
            if flight.batch.span().from >= before.0 || flight.out.is_some() {
                flight.is_given_up |= flight.batch.span().from < before.0;
                self.flight = Some(flight);
            } else {
                batches.push(flight.batch);
            }
        }
        self.seal();
        let after = self.ready.partition_point(|batch| batch.span().from < before.0);
        batches.extend(self.ready.drain(..after));
        for batch in &batches {
            self.settle(batch.span());
        }
        batches.iter().fold(GivenUp::default(), |lost, batch| lost.and(batch.lost()))
    }

    /// Reads on to a position and gives up what is there.
    pub fn skip(&mut self, open: &mut OpenLog, durable: Option<Pos>, to: Pos) -> GivenUp {
        let mut lost = GivenUp::default();
        while self.taken < to {
            let Some((frame, _)) = self.read(open, durable) else { break };
            lost = lost.with(&frame);
            self.settle(Span { from: self.taken.0, to: frame.end.0 });
            self.taken = frame.end;
        }
        lost
    }

    /// Goes on with two halves of the batch that was on its way, the first of them first.
    pub fn halve(&mut self, first: Batch, second: Batch, pinned: Option<usize>) {
        self.ready.push_front(Arc::new(second));
        self.flight = Some(Flight { pinned, ..Flight::new(Arc::new(first)) });
    }
}
