//! The live tail: a ring of the newest batches that many readers follow.
//!
//! The pipeline gives every parsed batch to [`Tail::publish`] before any output has it. The ring keeps the shared batches
//! themselves: publishing copies nothing, matches nothing and writes no JSON, whether anybody reads or not. A reader is a
//! number, the next event it wants: it takes what the ring holds from there on. One that is slower than the ring turns
//! over learns how many events went past ([`Chunk::missed`]), and slows nobody down.
//!
//! Limits: [`TAIL_RING_EVENTS_MAX`] and [`TAIL_RING_BYTES_MAX`] (the newest batch always stays), [`TAILS_MAX`] readers.
//! Numbers are the pipeline's delivery numbers; a hole in them looks like missed events.

use crate::flow::{Batch, EventId, LogId, Pos, Stored};
use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::watch;

/// Most events in the ring.
pub const TAIL_RING_EVENTS_MAX: usize = 10_000;
/// Most bytes of the ring, counted as the frames' length in the log, which their events' text keeps in memory.
pub const TAIL_RING_BYTES_MAX: u64 = 16 << 20;
/// Most readers at a time.
pub const TAILS_MAX: usize = 50;

/// The ring and its readers. One a process.
#[derive(Debug)]
pub struct Tail {
    log: LogId,
    ring: Mutex<Ring>,
    /// Changes whenever the ring does; readers wait on it.
    turned: watch::Sender<Turn>,
    readers: AtomicUsize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Turn {
    /// The number that the next event will have.
    next: u64,
    closed: bool,
}

#[derive(Debug, Default)]
struct Ring {
    batches: VecDeque<Arc<Batch>>,
    events: usize,
    bytes: u64,
}

/// Too many readers follow already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyTails;

impl fmt::Display for TooManyTails {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{TAILS_MAX} tails are open already")
    }
}

impl std::error::Error for TooManyTails {}

/// Where a tail begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the next event.
    Live,
    /// With this position's event, where the ring still has it.
    After(EventId),
}

impl Tail {
    /// An empty ring of the process whose own log this is. The log names the process in positions, so that one of an
    /// earlier life is known to be foreign.
    #[must_use]
    pub fn new(log: LogId) -> Arc<Tail> {
        let (turned, _) = watch::channel(Turn::default());
        Arc::new(Tail { log, ring: Mutex::default(), turned, readers: AtomicUsize::new(0) })
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch and wakes the readers. Called by one thread, in delivery order, before the outputs get the batch.
    pub fn publish(&self, batch: &Arc<Batch>) {
        if batch.events.is_empty() {
            return;
        }
        let dropped = self.ring().push(batch);
        // Freeing events takes longer than anything else here: not under the lock.
        drop(dropped);
        self.turned.send_modify(|turn| turn.next = end(batch));
    }

    /// The position of a delivery number: events from it on are not covered yet.
    #[must_use]
    pub fn position(&self, number: u64) -> EventId {
        EventId { log: self.log, at: Pos(number) }
    }

    /// The number that the next event will have.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.turned.borrow().next
    }

    /// How many readers follow.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.readers.load(Ordering::Relaxed)
    }

    /// Ends all readers: the process stops.
    pub fn close(&self) {
        self.turned.send_modify(|turn| turn.closed = true);
    }

    /// A reader from `start` on. A position of another process, or one that the ring no longer reaches, gives a reader
    /// that begins live and says [`Subscription::gap`].
    ///
    /// # Errors
    /// [`TAILS_MAX`] readers follow already.
    pub fn subscribe(self: &Arc<Tail>, start: Start) -> Result<Subscription, TooManyTails> {
        self.readers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < TAILS_MAX).then_some(open + 1))
            .map_err(|_| TooManyTails)?;
        let turned = self.turned.subscribe();
        let live = turned.borrow().next;
        let oldest = self.ring().batches.front().map_or(live, |batch| batch.first_number);
        let (next, gap) = match start {
            Start::Live => (live, false),
            Start::After(id) if id.log == self.log && (oldest..=live).contains(&id.at.0) => (id.at.0, false),
            Start::After(_) => (live, true),
        };
        Ok(Subscription { tail: Arc::clone(self), turned, next, gap })
    }
}

impl Ring {
    /// Adds a batch and gives back those that made room for it.
    fn push(&mut self, batch: &Arc<Batch>) -> Vec<Arc<Batch>> {
        self.events += batch.events.len();
        self.bytes += frame_bytes(batch);
        self.batches.push_back(Arc::clone(batch));
        let mut dropped = Vec::new();
        while (self.events > TAIL_RING_EVENTS_MAX || self.bytes > TAIL_RING_BYTES_MAX) && self.batches.len() > 1 {
            if let Some(oldest) = self.batches.pop_front() {
                self.events -= oldest.events.len();
                self.bytes -= frame_bytes(&oldest);
                dropped.push(oldest);
            }
        }
        dropped
    }
}

fn end(batch: &Batch) -> u64 {
    batch.first_number + batch.events.len() as u64
}

/// The length of the batch's frame.
fn frame_bytes(batch: &Batch) -> u64 {
    batch.end.0.saturating_sub(batch.start.0)
}

/// One reader.
#[derive(Debug)]
pub struct Subscription {
    tail: Arc<Tail>,
    turned: watch::Receiver<Turn>,
    next: u64,
    gap: bool,
}

/// Consecutive events that a reader has not seen.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Events that went past before these because the reader was too slow.
    pub missed: u64,
    batch: Arc<Batch>,
    skip: usize,
}

impl Chunk {
    /// The events with their delivery numbers.
    pub fn events(&self) -> impl Iterator<Item = (u64, &Stored)> {
        (self.batch.first_number..).zip(&self.batch.events).skip(self.skip)
    }
}

impl Subscription {
    /// Whether events may lie between the wanted position and the first that this reader gets.
    #[must_use]
    pub fn gap(&self) -> bool {
        self.gap
    }

    /// The position up to which this reader has everything it will get.
    #[must_use]
    pub fn position(&self) -> EventId {
        self.tail.position(self.next)
    }

    /// The next events, one batch at most; waits for some. `None` when the process stops. Dropping the future loses
    /// nothing.
    pub async fn next(&mut self) -> Option<Chunk> {
        loop {
            // The turn is marked as seen before the ring is read: what comes in between wakes us again.
            let closed = self.turned.borrow_and_update().closed;
            if let Some(chunk) = self.take() {
                return Some(chunk);
            }
            if closed || self.turned.changed().await.is_err() {
                return None;
            }
        }
    }

    fn take(&mut self) -> Option<Chunk> {
        let ring = self.tail.ring();
        let at = ring.batches.partition_point(|batch| end(batch) <= self.next);
        let batch = Arc::clone(ring.batches.get(at)?);
        drop(ring);
        let missed = batch.first_number.saturating_sub(self.next);
        let skip = usize::try_from(self.next.saturating_sub(batch.first_number)).unwrap_or(usize::MAX);
        self.next = end(&batch);
        Some(Chunk { missed, batch, skip })
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.tail.readers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Event, Timestamp};
    use futures_util::FutureExt;

    const LOG: LogId = LogId::from_bits(0xabc);

    fn batch(first_number: u64, events: usize, frame_bytes: u64) -> Arc<Batch> {
        let start = first_number * 1_000;
        let event = |n: usize| Stored {
            id: EventId { log: LOG, at: Pos(start + n as u64) },
            event: Event::from_line(Timestamp::from_nanos(0), format!("line {}", first_number + n as u64).into()),
        };
        let events = (0..events).map(event).collect();
        Arc::new(Batch { log: LOG, start: Pos(start), end: Pos(start + frame_bytes), first_number, events })
    }

    fn numbers(chunk: &Chunk) -> Vec<u64> {
        chunk.events().map(|(number, _)| number).collect()
    }

    fn ready(reader: &mut Subscription) -> Option<Chunk> {
        reader.next().now_or_never().flatten()
    }

    #[test]
    fn readers_begin_where_they_ask_or_say_gap() {
        let tail = Tail::new(LOG);
        for first in [0, 4_000, 8_000, 12_000] {
            tail.publish(&batch(first, 4_000, 500));
        }
        let check = |start, expected: (bool, u64)| {
            let reader = tail.subscribe(start).unwrap();
            assert_eq!((reader.gap(), reader.position().at.0), expected, "{start:?}");
        };
        let after = |at| Start::After(EventId { log: LOG, at: Pos(at) });
        check(Start::Live, (false, 16_000));
        check(after(16_000), (false, 16_000));
        check(after(8_001), (false, 8_001));
        check(after(8_000), (false, 8_000));
        check(after(7_999), (true, 16_000));
        check(after(0), (true, 16_000));
        check(after(16_001), (true, 16_000));
        check(Start::After(EventId { log: LogId::from_bits(1), at: Pos(9_000) }), (true, 16_000));
        assert_eq!(tail.readers(), 0);
    }

    #[test]
    fn every_event_comes_once_in_order() {
        let tail = Tail::new(LOG);
        tail.publish(&batch(0, 3, 100));
        let mut reader = tail.subscribe(Start::After(tail.position(1))).unwrap();
        assert_eq!(numbers(&ready(&mut reader).unwrap()), [1, 2]);
        assert!(ready(&mut reader).is_none());
        tail.publish(&batch(3, 0, 100));
        tail.publish(&batch(3, 2, 100));
        tail.publish(&batch(5, 1, 100));
        assert_eq!(numbers(&ready(&mut reader).unwrap()), [3, 4]);
        assert_eq!(numbers(&ready(&mut reader).unwrap()), [5]);
        assert_eq!(reader.position(), tail.position(6));
    }

    #[test]
    fn a_slow_reader_learns_what_went_past() {
        let tail = Tail::new(LOG);
        let mut reader = tail.subscribe(Start::Live).unwrap();
        for first in [0, 6_000, 12_000] {
            tail.publish(&batch(first, 6_000, 100));
        }
        let chunk = ready(&mut reader).unwrap();
        assert_eq!((chunk.missed, chunk.events().next().unwrap().0), (12_000, 12_000));
    }

    #[test]
    fn large_frames_turn_the_ring_too_and_the_newest_stays() {
        let tail = Tail::new(LOG);
        for first in 0..5 {
            tail.publish(&batch(first, 1, 6 << 20));
        }
        assert_eq!(tail.ring().batches.len(), 2);
        tail.publish(&batch(5, 1, 20 << 20));
        let ring = tail.ring();
        assert_eq!((ring.batches.len(), ring.events), (1, 1));
    }

    #[test]
    fn readers_are_counted_and_ended() {
        let tail = Tail::new(LOG);
        let mut readers: Vec<_> = (0..TAILS_MAX).map(|_| tail.subscribe(Start::Live).unwrap()).collect();
        assert_eq!(tail.subscribe(Start::Live).err(), Some(TooManyTails));
        readers.pop();
        let mut reader = tail.subscribe(Start::Live).unwrap();
        assert!(reader.next().now_or_never().is_none());
        tail.close();
        assert!(matches!(reader.next().now_or_never(), Some(None)));
    }
}
