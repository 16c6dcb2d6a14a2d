//! From sockets to the log: one queue an input, bounded by bytes.
//!
//! Promises: records of one stream reach the log in the order in which they were handed over; what was handed over is counted
//! as stored or dropped in the end, also when its sender went away meanwhile. At most [`BYTES_QUEUED_MAX`] bytes of an input
//! are on their way at a time: a sender that can wait does ([`Delivery::send`]), one that cannot loses them
//! ([`Delivery::offer`]), counted.

use super::counters::{Dropped, InputCounters};
use crate::{
    clock,
    flow::{AppendError, FRAME_BYTES_MAX, Intake, Origin, Pending, RECORDS_PER_FRAME_MAX, RawBatch, Record, SyncClass},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes of one input between its sockets and the disk.
pub const BYTES_QUEUED_MAX: usize = 16 << 20;
/// Batches of one input between its sockets and the log's own queue.
pub const BATCHES_QUEUED_MAX: usize = 256;
/// A batch is handed over when it has this many bytes: its events, which take ten times as much, then fit the processor's
/// cache,
pub const BATCH_BYTES: usize = 128 << 10;
/// or when its first record is this old.
pub const BATCH_WAIT: Duration = Duration::from_millis(50);
/// Most records of a batch.
pub const BATCH_RECORDS_MAX: usize = 16_384;
/// What a record takes in memory besides its bytes.
const RECORD_OVERHEAD: usize = 64;

struct Queued {
    batch: RawBatch,
    room: OwnedSemaphorePermit,
}

/// Records that were handed to the log and that it has not answered for yet.
#[derive(Debug)]
pub struct Sent {
    count: u64,
    pending: Result<Pending, AppendError>,
}

/// The way of one input's records to the log. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Delivery {
    intake: Intake,
    queue: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    counters: Arc<InputCounters>,
}

impl Delivery {
    /// Starts the task that hands batches to the log in order; it ends when all clones are gone. Must be called on a runtime.
    #[must_use]
    pub fn start(intake: Intake, counters: Arc<InputCounters>) -> Delivery {
        let (queue, batches) = mpsc::channel(BATCHES_QUEUED_MAX);
        tokio::spawn(forward(batches, intake.clone(), counters.clone()));
        Delivery { intake, queue, room: Arc::new(Semaphore::new(BYTES_QUEUED_MAX)), counters }
    }

    /// The counters of the input.
    #[must_use]
    pub fn counters(&self) -> &InputCounters {
        &self.counters
    }

    /// Hands records over, waiting for room but not for durability: for senders that can be made to wait.
    pub async fn send(&self, origin: &Arc<Origin>, records: Vec<Record>) {
        let (count, bytes) = self.received(&records);
        let Ok(room) = Arc::clone(&self.room).acquire_many_owned(permits(count, bytes)).await else { return };
        let batch = batch(origin, records);
        if self.queue.send(Queued { batch, room }).await.is_err() {
            self.counters.dropped(Dropped::Refused, count as u64);
        }
    }

    /// Hands records over if there is room, else drops and counts them: for senders that cannot wait.
    pub fn offer(&self, origin: &Arc<Origin>, records: Vec<Record>) {
        let (count, bytes) = self.received(&records);
        let batch = batch(origin, records);
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits(count, bytes)).ok();
        if room.is_none_or(|room| self.queue.try_send(Queued { batch, room }).is_err()) {
            self.counters.dropped(Dropped::Stalled, count as u64);
            self.counters.failed("the log does not keep up: datagrams were dropped; look at its disk");
        }
    }

    /// Stores records and waits until all are durable: for senders that wait for an acknowledgement. The caller bounds how
    /// many bytes do.
    ///
    /// # Errors
    /// Some of the records are not durable; those before them may be.
    pub async fn store(&self, origin: &Arc<Origin>, records: Vec<Record>) -> Result<(), AppendError> {
        let (mut all, mut outcome) = (Vec::new(), Ok(()));
        for records in frames(records) {
            let (count, _) = self.received(&records);
            let pending = self.intake.send(batch(origin, records), SyncClass::Prompt).await;
            all.push(Sent { count: count as u64, pending });
        }
        for sent in all {
            outcome = outcome.and(self.answered(sent).await);
        }
        outcome
    }

    /// Hands a batch that fits a frame to the log from a plain thread, for [`Delivery::answered`].
    #[must_use]
    pub fn submit(&self, origin: &Arc<Origin>, records: Vec<Record>) -> Sent {
        let (count, _) = self.received(&records);
        Sent { count: count as u64, pending: self.intake.submit(batch(origin, records), SyncClass::Prompt) }
    }

    /// Waits until what was submitted is durable.
    ///
    /// # Errors
    /// It is not.
    pub async fn answered(&self, sent: Sent) -> Result<(), AppendError> {
        let answer = match sent.pending {
            Ok(pending) => pending.durable().await.map(|appended| appended.duplicate),
            Err(error) => Err(error),
        };
        settle(&self.counters, sent.count, &answer);
        answer.map(drop)
    }

    /// Waits until everything handed over has been answered for.
    pub async fn settled(&self) {
        // Nobody closes the semaphore.
        let _ = self.room.acquire_many(BYTES_QUEUED_MAX as u32).await;
    }

    fn received(&self, records: &[Record]) -> (usize, usize) {
        let bytes = records.iter().map(|record| record.bytes.len()).sum();
        self.counters.received(records.len() as u64, bytes as u64);
        (records.len(), bytes)
    }
}

fn permits(records: usize, bytes: usize) -> u32 {
    u32::try_from((bytes + records * RECORD_OVERHEAD).min(BYTES_QUEUED_MAX)).unwrap_or(u32::MAX)
}

fn batch(origin: &Arc<Origin>, records: Vec<Record>) -> RawBatch {
    RawBatch { origin: Arc::clone(origin), span: None, mark: None, received: clock::now(), records }
}

/// Records in parts that fit a frame each; a record is never larger than that.
fn frames(records: Vec<Record>) -> Vec<Vec<Record>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
    for record in records {
        let full = bytes + record.bytes.len() > FRAME_BYTES_MAX / 4 || part.len() == RECORDS_PER_FRAME_MAX / 4;
        if full && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes += record.bytes.len();
        part.push(record);
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Hands batches to the log; each has its answer waited for apart, since many may be on their way at a time.
async fn forward(mut batches: mpsc::Receiver<Queued>, intake: Intake, counters: Arc<InputCounters>) {
    while let Some(Queued { batch, room }) = batches.recv().await {
        let count = batch.records.len() as u64;
        match intake.send(batch, SyncClass::Relaxed).await {
            Ok(pending) => {
                let counters = Arc::clone(&counters);
                tokio::spawn(async move {
                    settle(&counters, count, &pending.durable().await.map(|appended| appended.duplicate));
                    drop(room);
                });
            }
            Err(error) => settle(&counters, count, &Err(error)),
        }
    }
}

fn settle(counters: &InputCounters, count: u64, answer: &Result<bool, AppendError>) {
    match answer {
        Ok(false) => counters.stored(count),
        Ok(true) => counters.dropped(Dropped::Duplicate, count),
        Err(error) => {
            let why = if *error == AppendError::Full { Dropped::Full } else { Dropped::Refused };
            counters.dropped(why, count);
            counters.failed(format!("{count} records could not be stored: {error}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::testing::FakeLog;
    use bytes::Bytes;

    fn records(count: usize, bytes: usize) -> Vec<Record> {
        (0..count).map(|_| Record::text(Bytes::from(vec![b'x'; bytes]))).collect()
    }

    #[tokio::test]
    async fn order_holds_and_every_record_is_answered_for() {
        let log = FakeLog::start();
        let counters = Arc::new(InputCounters::default());
        let delivery = Delivery::start(log.intake(), counters.clone());
        let origin = Arc::new(Origin::default());
        for number in 0..1_000 {
            delivery.send(&origin, vec![Record::text(Bytes::from(number.to_string()))]).await;
        }
        delivery.settled().await;
        assert_eq!(log.texts(), (0..1_000).map(|number| number.to_string()).collect::<Vec<_>>());
        let now = counters.snapshot();
        assert_eq!((now.received, now.stored, now.queued), (1_000, 1_000, 0));
    }

    #[tokio::test]
    async fn who_cannot_wait_loses_and_is_told() {
        let log = FakeLog::start();
        log.hold();
        let counters = Arc::new(InputCounters::default());
        let delivery = Delivery::start(log.intake(), counters.clone());
        let origin = Arc::new(Origin::default());
        for _ in 0..40 {
            delivery.offer(&origin, records(1, 1 << 20));
        }
        assert_eq!(counters.snapshot().queued, 15);
        log.release(Err(AppendError::Full));
        delivery.settled().await;
        let now = counters.snapshot();
        assert_eq!((now.received, now.stored, now.queued), (40, 0, 0));
        assert_eq!((now.dropped["full"], now.dropped["stalled"]), (15, 25));
        assert!(now.last_error.unwrap().what.ends_with("no room is left in the log"));
    }

    #[tokio::test]
    async fn large_batches_are_cut_to_frames() {
        let log = FakeLog::start();
        let counters = Arc::new(InputCounters::default());
        let delivery = Delivery::start(log.intake(), counters.clone());
        let origin = Arc::new(Origin::default());
        delivery.store(&origin, [records(100_000, 1), records(20, 1 << 20)].concat()).await.unwrap();
        let sizes = log.batches();
        assert!(sizes.iter().all(|batch| batch.records.len() <= RECORDS_PER_FRAME_MAX), "each fits a frame");
        assert_eq!(sizes.iter().map(|batch| batch.records.len()).sum::<usize>(), 100_020);
        assert_eq!(counters.snapshot().stored, 100_020);
    }
}
