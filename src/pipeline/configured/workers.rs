//! The middle of a pipeline: threads that make events of chunks, filter them, and make the text of them that sinks deliver.
//!
//! Order: each task has a place in [`Ordered`] before a worker has it, so that its texts are delivered in the order of tasks,
//! whichever worker is done first. Bounds: [`CHUNKS_PER_WORKER`] tasks wait for each worker, and as many texts behind it.

use super::build::Plan;
use crate::{
    clock,
    event::{Event, Timestamp, Value},
    filters::Scratch,
    flow::{EventId, LogId, Pos},
    inputs::plugins::Chunk,
    outputs::plugins::{EVENT_ID, EVENT_PLACE, Encoded},
};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Chunks that wait for each worker: enough for the time in which busy workers keep the threads before and behind them from a core.
pub const CHUNKS_PER_WORKER: usize = 4;

/// What a worker does next.
pub(super) enum Task {
    /// The events of a chunk of this input, and where in which log it begins.
    Chunk(usize, Chunk, Option<(LogId, Pos)>),
    /// Time has passed.
    Tick,
    /// Nothing comes any more.
    End,
}

/// How far in which log a task reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) log: LogId,
    pub(super) end: Pos,
    /// Up to where all is done when it is: less, where a codec holds something back.
    pub(super) done: Pos,
    /// Its number among all that were read.
    pub(super) number: u64,
}

/// A task, when it came, and where its texts go.
type Job = (Task, Timestamp, Sender<Vec<Encoded>>);

/// The place of a task's texts among all others.
pub(super) struct Ordered {
    pub(super) texts: Receiver<Vec<Encoded>>,
    pub(super) mark: Option<Mark>,
}

/// Nobody takes tasks any more.
#[derive(Debug)]
pub(super) struct Ended;

/// Where tasks wait. The workers end when all clones are gone.
#[derive(Clone)]
pub(super) struct Tasks(Arc<Mutex<Queue>>);

struct Queue {
    jobs: Sender<Job>,
    order: Sender<Ordered>,
}

impl Tasks {
    /// Puts a task into the queue and a place for its texts into the order, both at once. Blocks where the workers are behind.
    pub(super) fn push(&self, task: Task, received: Timestamp, mark: Option<Mark>) -> Result<(), Ended> {
        let (done, texts) = bounded(1);
        let queue = held(&self.0);
        queue.order.send(Ordered { texts, mark }).map_err(|_| Ended)?;
        queue.jobs.send((task, received, done)).map_err(|_| Ended)
    }

    /// The same, unless nobody else would push any more.
    pub(super) fn weak(&self) -> impl Fn(Task) -> Result<(), Ended> + use<> {
        let weak = Arc::downgrade(&self.0);
        move |task| Tasks(weak.upgrade().ok_or(Ended)?).push(task, clock::now(), None)
    }
}

/// What the workers did: received = dropped + out, where filters make no events.
#[derive(Debug, Default)]
pub struct Counts {
    /// Events that came in.
    pub received: AtomicU64,
    /// Events that came out of the filters.
    pub filtered: AtomicU64,
    /// Events, and chunks, that a plugin failed on in a way that it must not.
    pub panics: AtomicU64,
}

/// What workers do with events.
#[derive(Clone)]
pub(super) struct Work {
    pub(super) plan: Arc<Plan>,
    /// Where it is counted. What was done before is done again without that.
    pub(super) counts: Option<Arc<Counts>>,
    /// The one sink that wants texts; otherwise all do.
    pub(super) only: Option<usize>,
}

/// Starts the workers.
pub(super) fn start(work: &Work, workers: usize) -> io::Result<(Tasks, Receiver<Ordered>)> {
    let (jobs, tasks) = bounded::<Job>(workers * CHUNKS_PER_WORKER);
    let (order, ordered) = bounded(workers * CHUNKS_PER_WORKER);
    for number in 0..workers {
        let (work, tasks) = (work.clone(), tasks.clone());
        let work = move || {
            let mut scratch = Scratch::default();
            for (task, received, done) in tasks {
                scratch.received = received;
                // Nobody waits for it where the delivery has failed.
                _ = done.send(work.texts(task, &mut scratch));
            }
        };
        thread::Builder::new().name(format!("worker-{number}")).spawn(work)?;
    }
    Ok((Tasks(Arc::new(Mutex::new(Queue { jobs, order }))), ordered))
}

impl Work {
    /// What is to be delivered after a task, for each sink.
    fn texts(&self, task: Task, scratch: &mut Scratch) -> Vec<Encoded> {
        let (plan, received) = (&*self.plan, scratch.received);
        let expected = match &task {
            Task::Chunk(_, Chunk::Lines(lines, _), _) => 2 * lines.len(),
            _ => 0,
        };
        let mut texts: Vec<Encoded> = plan.sinks.iter().map(|_| Encoded::with_capacity(expected)).collect();
        let mut out: Vec<Event> = Vec::with_capacity(1);
        let (mut came, mut went) = (0, 0);
        let done = catch_unwind(AssertUnwindSafe(|| match task {
            Task::Tick | Task::End => {
                plan.filters.let_go(matches!(task, Task::End), scratch, &mut out);
                went += out.len() as u64;
                self.encode(&mut out, received, &mut texts);
            }
            Task::Chunk(input, chunk, place) => {
                let Some(arrival) = plan.arrivals.get(input) else { return };
                let place = place.filter(|_| plan.wants_ids).map(|(log, at)| EventId { log, at });
                let mut own = (Value::Null, 0);
                arrival.each(chunk, scratch, |mut event, scratch| {
                    // What a codec put together of several lines is where the first of them is.
                    let began = event.meta.remove(EVENT_PLACE);
                    if let Some(id) = place {
                        let id = match began {
                            Some(began) => {
                                let nth = if began == own.0 { own.1 + 1 } else { 0 };
                                own = (began, nth);
                                format!("{}-{nth}", own.0.as_str().unwrap_or_default())
                            }
                            None => format!("{id}-{came}"),
                        };
                        event.meta.insert(EVENT_ID.into(), Value::from(id));
                    }
                    came += 1;
                    if plan.filters.run(event, scratch, &mut out).is_err() {
                        self.panicked(
                            "a filter failed in a way that it must not: its events are tagged `_filterpanic`",
                        );
                    }
                    went += out.len() as u64;
                    if place.is_some() && out.len() > 1 {
                        tell_apart(&mut out);
                    }
                    self.encode(&mut out, received, &mut texts);
                });
            }
        }));
        if let Some(counts) = &self.counts {
            counts.received.fetch_add(came, Ordering::Relaxed);
            counts.filtered.fetch_add(went, Ordering::Relaxed);
        }
        if done.is_err() {
            *scratch = Scratch::default();
            self.panicked("a codec or filter failed in a way that it must not: the rest of a batch is lost");
        }
        texts
    }

    /// Counts it, and says it the first time: it may be so with each event.
    fn panicked(&self, what: &str) {
        if self.counts.as_ref().is_some_and(|counts| counts.panics.fetch_add(1, Ordering::Relaxed) == 0) {
            tracing::error!("{what}");
        }
    }

    fn encode(&self, events: &mut Vec<Event>, now: Timestamp, texts: &mut [Encoded]) {
        for event in events.drain(..) {
            self.plan.outputs.reached(&event, &mut |attached| {
                if self.only.is_none_or(|only| only == attached.sink)
                    && let Some(text) = texts.get_mut(attached.sink)
                {
                    text.events += 1;
                    attached.output.encode(&event, now, text);
                }
            });
        }
    }
}

/// Gives events that filters made of one ids of their own.
fn tell_apart(events: &mut [Event]) {
    for (number, event) in events.iter_mut().enumerate().skip(1) {
        if let Some(Value::Str(id)) = event.meta.get(EVENT_ID) {
            let id = format!("{id}-{number}");
            event.meta.insert(EVENT_ID.into(), Value::from(id));
        }
    }
}

pub(super) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
