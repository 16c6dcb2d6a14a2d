//! Frames in, events out, in the order of the frames.
//!
//! Each job carries the sending half of a oneshot whose receiving half waits in the order queue, so work is parallel and
//! the result is ordered, without locks or sorting. Queues: [`JOBS_PER_WORKER_MAX`] frames a worker wait, are
//! parsed or wait as results for their turn.

use crate::{
    flow::{Frame, Stored},
    plan::{Hint, Plan},
};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::{io, thread};
use tokio::sync::oneshot;

/// Frames that may wait for each worker.
pub const JOBS_PER_WORKER_MAX: usize = 2;
/// Workers at most: beyond it the index thread is the limit.
pub const WORKERS_MAX: usize = 4;

/// A frame to parse.
#[derive(Debug)]
pub struct Job {
    /// The frame.
    pub frame: Frame,
    /// What its stream has shown before.
    pub hint: Hint,
    result: oneshot::Sender<Parsed>,
}

/// What became of a frame.
#[derive(Debug)]
pub struct Parsed {
    /// The frame, without its records.
    pub frame: Frame,
    /// Its events, as many as it had records.
    pub events: Vec<Stored>,
}

/// The entrance for frames; dropping it ends the workers once they are done.
#[derive(Debug)]
pub struct Entrance {
    jobs: Sender<Job>,
    order: Sender<oneshot::Receiver<Parsed>>,
}

/// The exit, in the order of the entrance.
#[derive(Debug)]
pub struct Exit {
    order: Receiver<oneshot::Receiver<Parsed>>,
}

/// Starts `count` workers.
///
/// # Errors
/// A thread cannot be started.
pub fn start(plan: Plan, count: usize) -> io::Result<(Entrance, Exit)> {
    let count = count.clamp(1, WORKERS_MAX);
    let (jobs, waiting) = bounded::<Job>(count * JOBS_PER_WORKER_MAX);
    let (order_in, order_out) = bounded(count * JOBS_PER_WORKER_MAX);
    for number in 0..count {
        let waiting = waiting.clone();
        thread::Builder::new().name(format!("worker-{number}")).spawn(move || work(plan, &waiting))?;
    }
    Ok((Entrance { jobs, order: order_in }, Exit { order: order_out }))
}

fn work(plan: Plan, waiting: &Receiver<Job>) {
    while let Ok(Job { mut frame, hint, result }) = waiting.recv() {
        let events = plan.run(&frame, &hint);
        frame.batch.records = Vec::new();
        // The receiver is gone only when the whole pipeline is.
        let _ = result.send(Parsed { frame, events });
    }
}

/// The pipeline behind the workers has ended.
#[derive(Debug)]
pub struct Ended;

impl Entrance {
    /// Hands a frame over; waits while the queues are full.
    ///
    /// # Errors
    /// [`Ended`].
    pub fn send(&self, frame: Frame, hint: Hint) -> Result<(), Ended> {
        let (result, receiver) = oneshot::channel();
        self.order.send(receiver).map_err(|_| Ended)?;
        self.jobs.send(Job { frame, hint, result }).map_err(|_| Ended)
    }
}

impl Exit {
    /// The next frame's events, in order; `None` when the entrance is gone and all is delivered.
    #[must_use]
    pub fn next(&self) -> Option<Parsed> {
        self.order.recv().ok()?.blocking_recv().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Timestamp,
        flow::{LogId, Origin, Pos, RawBatch, Record},
    };
    use std::sync::Arc;

    #[test]
    fn order_is_kept_whoever_is_first() {
        let (entrance, exit) = start(Plan::auto(), 4).unwrap();
        let origin = Arc::new(Origin::default());
        let feeding = thread::Builder::new()
            .spawn(move || {
                for number in 0..300_u64 {
                    // Frames of very different weight overtake each other between the workers.
                    let count = if number % 7 == 0 { 400 } else { 1 };
                    let records = vec![Record::text(format!("level=info n={number}").into()); count];
                    let received = Timestamp::from_nanos(0);
                    let batch = RawBatch { origin: origin.clone(), span: None, mark: None, received, records };
                    let (start, end) = (Pos(number * 1_000), Pos(number * 1_000 + 999));
                    let frame = Frame { log: LogId::from_bits(1), start, end, suspect: false, batch };
                    entrance.send(frame, Hint::default()).unwrap();
                }
            })
            .unwrap();
        let mut next = 0;
        while let Some(parsed) = exit.next() {
            assert_eq!(parsed.frame.start, Pos(next * 1_000));
            assert_eq!(parsed.events.len(), if next % 7 == 0 { 400 } else { 1 });
            next += 1;
        }
        feeding.join().unwrap();
        assert_eq!(next, 300);
    }
}
