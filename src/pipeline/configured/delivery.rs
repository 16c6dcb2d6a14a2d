//! The end of a pipeline: one thread for each sink, which delivers what workers made, in order, and tries again for ever.
//!
//! Promises: a sink that is slow or away holds up no other until [`BATCHES_PER_SINK_MAX`] batches wait for it. What a sink says
//! is delivered becomes part of its progress once it is flushed, at most [`FLUSH_WAIT`] later. After a request to stop, a sink
//! that does not take what is left is given [`STOP_WAIT`].

use super::workers::{Mark, Ordered, held};
use crate::{
    clock,
    flow::{Progress, Stop},
    outputs::plugins::{Encoded, Refused, Sink, SinkError},
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Batches that wait for a sink before all others wait for it, too.
pub const BATCHES_PER_SINK_MAX: usize = 4;
/// How long what a sink holds back may wait.
pub const FLUSH_WAIT: Duration = Duration::from_secs(1);
/// What a sink has for the rest after a request to stop.
pub const STOP_WAIT: Duration = Duration::from_secs(5);
/// The first and the longest pause between two attempts.
pub const RETRY_WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// What became of the events of one sink: taken = delivered + refused + queued + abandoned.
#[derive(Debug, Default)]
pub struct SinkCounts {
    /// Events that reached it.
    pub taken: AtomicU64,
    /// Events that are out of this process.
    pub delivered: AtomicU64,
    /// Events that the other side does not want.
    pub refused: AtomicU64,
    /// Events that were left when it was stopped.
    pub abandoned: AtomicU64,
    /// Attempts that failed.
    pub retries: AtomicU64,
}

/// What all may see of one sink.
#[derive(Debug, Default)]
pub struct SinkState {
    /// Its name: `elasticsearch.0`.
    pub name: String,
    /// Up to where it is done, for pipelines with a log.
    pub progress: Mutex<Progress>,
    /// What became of its events.
    pub counts: SinkCounts,
    /// Why the last attempt failed, while it fails.
    pub failing: Mutex<Option<String>>,
}

/// Keeps what the other side of a sink does not want.
pub trait DeadLetters: Send + Sync {
    /// Keeps events that this output was refused. Returns once they are safe.
    fn keep(&self, output: &str, refused: Vec<Refused>);
}

/// Dead letters of a pipeline without a log: said, not kept.
#[derive(Debug)]
pub(super) struct Said;

impl DeadLetters for Said {
    fn keep(&self, output: &str, refused: Vec<Refused>) {
        for Refused { reason, .. } in refused {
            tracing::warn!("{output}: an event was refused and is lost: {reason}");
        }
    }
}

/// A batch on its way to its sink.
type Parcel = (Encoded, Mark);

/// All sinks.
pub(super) struct Delivery {
    lanes: Vec<To>,
    stop: Stop,
}

/// The way to one sink.
struct To {
    parcels: Sender<Parcel>,
    thread: JoinHandle<io::Result<()>>,
    /// How far it was at the start.
    start: Progress,
}

impl Delivery {
    /// Starts their threads.
    pub(super) fn start(
        sinks: Vec<Box<dyn Sink>>,
        states: &[Arc<SinkState>],
        dead: &Arc<dyn DeadLetters>,
        stop: &Stop,
    ) -> io::Result<Delivery> {
        let mut lanes = Vec::with_capacity(sinks.len());
        for (sink, state) in sinks.into_iter().zip(states) {
            let (sender, parcels) = bounded(BATCHES_PER_SINK_MAX);
            let start = held(&state.progress).clone();
            let (state, dead, stop) = (state.clone(), dead.clone(), stop.clone());
            let lane = Lane { sink, state, dead, stop, asked: None };
            let thread = thread::Builder::new().name("sink".to_owned()).spawn(move || lane.run(&parcels))?;
            lanes.push(To { parcels: sender, thread, start });
        }
        Ok(Delivery { lanes, stop: stop.clone() })
    }

    /// Hands batches to their sinks until the workers have ended and everything is delivered.
    pub(super) fn run(self, order: &Receiver<Ordered>) -> io::Result<()> {
        'all: for Ordered { texts, mark } in order {
            let Ok(texts) = texts.recv() else { continue };
            for (lane, text) in self.lanes.iter().zip(texts) {
                // After a restart: an output that was ahead has it.
                let is_there = mark.is_some_and(|(log, end, _)| lane.start.get(&log).is_some_and(|done| *done >= end));
                let is_wanted = (!text.is_done() || mark.is_some()) && !is_there;
                if is_wanted && lane.parcels.send((text, mark)).is_err() {
                    self.stop.request();
                    break 'all;
                }
            }
        }
        // Each ends with its parcels; one that fails is given up by itself within `STOP_WAIT` of the request that follows.
        let threads: Vec<_> = self.lanes.into_iter().map(|to| to.thread).collect();
        let mut ended = Ok(());
        for thread in threads {
            ended = ended.and(thread.join().unwrap_or_else(|_| Err(io::Error::other("a sink failed"))));
        }
        ended
    }
}

/// The thread of one sink.
struct Lane {
    sink: Box<dyn Sink>,
    state: Arc<SinkState>,
    dead: Arc<dyn DeadLetters>,
    stop: Stop,
    /// When it saw the request to stop.
    asked: Option<Instant>,
}

impl Lane {
    fn run(mut self, parcels: &Receiver<Parcel>) -> io::Result<()> {
        // What is delivered and not flushed, and since when.
        let mut loose: Option<(Instant, Progress)> = None;
        loop {
            let parcel = match &loose {
                None => parcels.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some((since, _)) => parcels.recv_timeout(FLUSH_WAIT.saturating_sub(clock::since(*since))),
            };
            let is_end = matches!(parcel, Err(RecvTimeoutError::Disconnected));
            if let Ok((mut batch, mark)) = parcel {
                if self.is_late() || !self.deliver(&mut batch)? {
                    // What it had before is delivered.
                    if let Some((_, progress)) = loose
                        && self.sink.flush().is_ok()
                    {
                        held(&self.state.progress).extend(progress);
                    }
                    return Ok(());
                }
                let (_, progress) = loose.get_or_insert_with(|| (clock::instant(), Progress::new()));
                progress.extend(mark.map(|(log, _, done)| (log, done)));
                if loose.as_ref().is_some_and(|(since, _)| clock::since(*since) < FLUSH_WAIT) {
                    continue;
                }
            }
            if let Some((_, progress)) = loose.take() {
                if !self.retried(|sink, _| sink.flush())? {
                    return Ok(());
                }
                held(&self.state.progress).extend(progress);
            }
            if is_end {
                return Ok(());
            }
        }
    }

    /// Delivers a batch; `false`: it was given up.
    fn deliver(&mut self, batch: &mut Encoded) -> io::Result<bool> {
        let events = batch.events;
        let count = |counter: &AtomicU64, more: u64| counter.fetch_add(more, Ordering::Relaxed);
        count(&self.state.counts.taken, events);
        let mut lost = 0;
        let (dead, state) = (self.dead.clone(), self.state.clone());
        let delivered = self.retried(|sink, stop| {
            let mut refused = Vec::new();
            let outcome = sink.deliver(batch, &mut refused, stop);
            if !refused.is_empty() {
                lost += refused.len() as u64;
                dead.keep(&state.name, refused);
            }
            outcome
        })?;
        let left = if delivered { 0 } else { batch.left() as u64 };
        count(&self.state.counts.refused, lost);
        count(&self.state.counts.abandoned, left);
        count(&self.state.counts.delivered, events.saturating_sub(lost + left));
        Ok(delivered)
    }

    /// Tries until it succeeds, or until it is given up.
    fn retried(&mut self, mut attempt: impl FnMut(&mut dyn Sink, &Stop) -> Result<(), SinkError>) -> io::Result<bool> {
        let (mut pause, longest) = RETRY_WAITS;
        loop {
            let (cause, after) = match attempt(&mut *self.sink, &self.stop) {
                Ok(()) => {
                    if held(&self.state.failing).take().is_some() {
                        tracing::warn!("{}: it works again", self.state.name);
                    }
                    return Ok(true);
                }
                Err(SinkError::Gone(cause)) => return Err(cause),
                Err(SinkError::Again { cause, after }) => (cause, after),
            };
            self.state.counts.retries.fetch_add(1, Ordering::Relaxed);
            let before = held(&self.state.failing).replace(cause.clone());
            if before.as_ref() != Some(&cause) {
                tracing::warn!("{}: {cause}; it is tried again", self.state.name);
            }
            let wait = after.unwrap_or_else(|| jittered(pause));
            pause = (pause * 2).min(longest);
            if !self.wait(wait) {
                tracing::warn!(
                    "{}: stopped before everything was delivered: the rest waits in the pipeline's log, or is lost if that is in memory",
                    self.state.name
                );
                return Ok(false);
            }
        }
    }

    /// Whether what is left has to stay: a sink that takes its time must not hold up a stop for long.
    fn is_late(&mut self) -> bool {
        self.stop.is_requested() && clock::since(*self.asked.get_or_insert_with(clock::instant)) >= STOP_WAIT
    }

    /// Waits before another attempt; `false`: there is no time for one.
    fn wait(&mut self, pause: Duration) -> bool {
        if !self.stop.is_requested() && !self.stop.wait(pause) {
            return true;
        }
        let asked = *self.asked.get_or_insert_with(clock::instant);
        let left = STOP_WAIT.saturating_sub(clock::since(asked));
        thread::sleep(pause.min(left).min(RETRY_WAITS.0));
        !left.is_zero()
    }
}

/// So that many who lost the same server do not all come back at once.
fn jittered(pause: Duration) -> Duration {
    let part = u32::try_from(clock::now().as_nanos().rem_euclid(64)).unwrap_or_default();
    pause / 2 + pause * part / 128
}
