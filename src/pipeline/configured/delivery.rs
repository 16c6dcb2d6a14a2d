//! The end of a pipeline: one thread for each sink, which delivers what workers made, in order, and tries again for ever.
//!
//! Promises: a sink that is slow or away holds up no other until [`BATCHES_PER_SINK_MAX`] batches wait for it, and then it
//! [reads the log by itself](super::behind) where that can be. One is always waited for, so that nothing is made for nobody. What a
//! sink says is delivered becomes part of its progress once it is flushed, at most [`FLUSH_WAIT`] later. After a request to stop, a sink
//! that does not take what is left is given [`STOP_WAIT`].

use super::{
    behind::{Seam, Source, Way},
    workers::{Ended, Mark, Ordered, held},
};
use crate::{
    clock,
    flow::{Progress, Stop},
    outputs::plugins::{Encoded, Refused, Sink, SinkError},
    pipeline::dispatch::Wake,
};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// Batches that wait for a sink before it reads the log by itself, or all others wait for it, too.
pub const BATCHES_PER_SINK_MAX: usize = 8;
/// How long what a sink holds back may wait.
pub const FLUSH_WAIT: Duration = Duration::from_secs(1);
/// What a sink has for the rest after a request to stop.
pub const STOP_WAIT: Duration = Duration::from_secs(5);
/// The first and the longest pause between two attempts.
pub const RETRY_WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// How often it is said of a sink that it is behind.
const SAY_WAIT: Duration = Duration::from_secs(60);
/// How often the delivery looks whether a sink that it waits for has failed.
const LOOK_WAIT: Duration = Duration::from_millis(100);

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
    /// How often it fell behind and read the log by itself.
    pub fell_behind: AtomicU64,
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
pub(super) type Parcel = (Encoded, Option<Mark>);

/// All sinks.
pub(super) struct Delivery {
    lanes: Vec<To>,
    stop: Stop,
    /// Where they can read by themselves.
    source: Option<Source>,
}

/// The way to one sink.
struct To {
    parcels: Sender<Parcel>,
    thread: JoinHandle<io::Result<()>>,
    state: Arc<SinkState>,
    /// Rung when it has taken a batch.
    taken: Arc<Wake>,
    /// How far it was at the start.
    start: Progress,
    can_fall_behind: bool,
    /// Its reader, if it ever fell behind, and when that was last said.
    reader: Option<JoinHandle<()>>,
    said: Option<Instant>,
}

impl Delivery {
    /// Starts their threads. `source`: what reads the log again for one of them, but not for those that `in_order` names.
    pub(super) fn start(
        sinks: Vec<Box<dyn Sink>>,
        states: &[Arc<SinkState>],
        dead: &Arc<dyn DeadLetters>,
        (source, in_order): (Option<Source>, &[bool]),
        stop: &Stop,
    ) -> io::Result<Delivery> {
        let mut lanes = Vec::with_capacity(sinks.len());
        for (number, (sink, state)) in sinks.into_iter().zip(states).enumerate() {
            let (sender, parcels) = bounded(BATCHES_PER_SINK_MAX);
            let start = held(&state.progress).clone();
            let taken = Arc::<Wake>::default();
            let rung = source.iter().map(|source| source.bell.clone()).chain([taken.clone()]).collect();
            let lane = Lane { sink, state: state.clone(), dead: dead.clone(), stop: stop.clone(), rung, asked: None };
            let thread = thread::Builder::new().name("sink".to_owned()).spawn(move || lane.run(&parcels))?;
            lanes.push(To {
                parcels: sender,
                thread,
                state: state.clone(),
                taken,
                start,
                can_fall_behind: !in_order.get(number).copied().unwrap_or_default(),
                reader: None,
                said: None,
            });
        }
        if let Some(source) = &source {
            let mut seam = held(&source.seam);
            for (number, to) in lanes.iter_mut().enumerate() {
                let to: &mut To = to;
                if source.is_behind(&to.start) {
                    to.reader = Some(source.fall_behind(&mut seam, to.way(number, false, false))?);
                }
            }
        }
        Ok(Delivery { lanes, stop: stop.clone(), source })
    }

    /// Hands batches to their sinks until the workers have ended and everything is delivered.
    pub(super) fn run(mut self, order: &Receiver<Ordered>) -> io::Result<()> {
        for Ordered { texts, mark } in order {
            let Ok(texts) = texts.recv() else { continue };
            let handed = match (&self.source, mark) {
                (Some(source), Some(mark)) => hand_over(&mut self.lanes, source, texts, mark),
                _ => self.lanes.iter().zip(texts).try_for_each(|(to, text)| to.send(text, mark)),
            };
            if handed.is_err() {
                self.stop.request();
                break;
            }
        }
        if let Some(source) = &self.source {
            held(&source.seam).end();
        }
        // Each ends with its parcels; one that fails is given up by itself within `STOP_WAIT` of the request that follows.
        let mut threads = Vec::with_capacity(self.lanes.len());
        for To { thread, reader, taken, .. } in self.lanes {
            taken.ring();
            threads.push((thread, reader));
        }
        let mut ended = Ok(());
        for (thread, reader) in threads {
            _ = reader.map(JoinHandle::join);
            ended = ended.and(thread.join().unwrap_or_else(|_| Err(io::Error::other("a sink failed"))));
        }
        ended
    }
}

/// Hands a batch to all that do not read by themselves. Those that have no room do so from now on, as soon as one had room.
fn hand_over(lanes: &mut [To], source: &Source, texts: Vec<Encoded>, mark: Mark) -> Result<(), Ended> {
    let mut parcels: Vec<Option<Parcel>> = texts.into_iter().map(|text| Some((text, Some(mark)))).collect();
    loop {
        let mut seam = held(&source.seam);
        if seam.has_failed() {
            return Err(Ended);
        }
        let (mut is_had, mut is_waited_for) = (false, false);
        for (number, (to, parcel)) in lanes.iter_mut().zip(&mut parcels).enumerate() {
            if !seam.is_behind(number)
                && let Some(sent) = parcel.take().filter(|_| !to.has(mark))
            {
                *parcel = to.try_send(sent)?;
            }
            is_had |= parcel.is_none();
        }
        for (number, (to, parcel)) in lanes.iter_mut().zip(&parcels).enumerate() {
            let is_full = parcel.is_some() && !seam.is_behind(number);
            is_waited_for |= is_full && !(is_had && to.fall_behind(number, source, &mut seam));
        }
        if !is_waited_for {
            seam.pass(mark);
            return Ok(());
        }
        drop(seam);
        source.bell.wait(LOOK_WAIT);
    }
}

impl To {
    /// After a restart: an output that was ahead has it.
    fn has(&self, mark: Mark) -> bool {
        self.start.get(&mark.log).is_some_and(|done| *done >= mark.end)
    }

    /// Waits for room.
    fn send(&self, text: Encoded, mark: Option<Mark>) -> Result<(), Ended> {
        let is_wanted = (!text.is_done() || mark.is_some()) && !mark.is_some_and(|mark| self.has(mark));
        if is_wanted { self.parcels.send((text, mark)).map_err(|_| Ended) } else { Ok(()) }
    }

    /// Gives it back where there is no room.
    fn try_send(&self, parcel: Parcel) -> Result<Option<Parcel>, Ended> {
        match self.parcels.try_send(parcel) {
            Ok(()) => Ok(None),
            Err(TrySendError::Full(parcel)) => Ok(Some(parcel)),
            Err(TrySendError::Disconnected(_)) => Err(Ended),
        }
    }

    fn way(&self, number: usize, was_there: bool, is_said: bool) -> Way {
        let (parcels, state) = (self.parcels.clone(), self.state.clone());
        Way { number, parcels, state, taken: self.taken.clone(), start: self.start.clone(), was_there, is_said }
    }

    /// It reads by itself from now on; whether it can.
    fn fall_behind(&mut self, number: usize, source: &Source, seam: &mut Seam) -> bool {
        if !self.can_fall_behind {
            return false;
        }
        let is_said = self.said.is_none_or(|said| clock::since(said) >= SAY_WAIT);
        let Ok(reader) = source.fall_behind(seam, self.way(number, true, is_said)) else { return false };
        self.reader = Some(reader);
        self.state.counts.fell_behind.fetch_add(1, Ordering::Relaxed);
        if is_said {
            self.said = Some(clock::instant());
            tracing::warn!("{}: it is behind: it reads the log by itself now, the others go on", self.state.name);
        }
        true
    }
}

/// The thread of one sink.
struct Lane {
    sink: Box<dyn Sink>,
    state: Arc<SinkState>,
    dead: Arc<dyn DeadLetters>,
    stop: Stop,
    /// Whoever waits until it has taken a batch.
    rung: Vec<Arc<Wake>>,
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
                self.rung.iter().for_each(|waiting| waiting.ring());
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
                progress.extend(mark.map(|mark| (mark.log, mark.done)));
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
