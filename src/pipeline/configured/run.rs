//! Starting a pipeline and waiting for its end.

use super::{
    arrival::Arrival,
    build::{Named, Pipeline, Plan},
    dead::Keeping,
    delivery::{DeadLetters, Delivery, Said, SinkState},
    durable::{Opened, Over, Rest},
    stats::PipelineStats,
    workers::{self, Counts, Ordered, Task, Tasks, Work, held},
};
use crate::{
    clock,
    filters::TICK_SECONDS,
    flow::Stop,
    inputs::plugins::{Chunk, Entrance, InputError, Kept, Queue, Source, Ticket},
    log,
    outputs::plugins::Sink,
};
use crossbeam_channel::Receiver;
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often filters that keep something are asked whether some of it is due.
const TICK: Duration = Duration::from_secs(TICK_SECONDS.unsigned_abs());

/// Where what inputs read waits for the workers.
#[derive(Clone, Debug)]
pub enum QueueKind {
    /// In memory: it ends with the process.
    Memory,
    /// In a log, in this folder.
    Log {
        /// The folder of the pipeline.
        dir: PathBuf,
        /// How large the log may become.
        options: log::Options,
    },
}

/// How a pipeline is asked to end.
#[derive(Clone, Debug)]
pub struct Stops {
    /// Its inputs end. What they gave is delivered, all of it.
    pub inputs: Stop,
    /// Besides, what is not on its way to an output yet stays in the log.
    pub all: Stop,
}

impl Stops {
    /// Nobody has asked.
    ///
    /// # Errors
    /// The process has no file descriptor left.
    pub fn new() -> io::Result<Stops> {
        Ok(Stops { inputs: Stop::new()?, all: Stop::new()? })
    }

    /// Asks for both.
    pub fn request(&self) {
        self.all.request();
        self.inputs.request();
    }
}

/// A pipeline that runs.
pub struct Running {
    order: Receiver<Ordered>,
    delivery: Delivery,
    failures: Failures,
    reading: Option<(JoinHandle<Rest>, Arc<Over>)>,
    sinks: Vec<Arc<SinkState>>,
    counts: Arc<Counts>,
    stops: Stops,
    kept: Option<Kept>,
    workers: usize,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("sinks", &self.sinks).finish_non_exhaustive()
    }
}

/// The queue in memory: straight to the workers.
struct Memory {
    tasks: Tasks,
}

impl Queue for Memory {
    fn give(&self, input: usize, chunk: Chunk) -> Result<Ticket, InputError> {
        let pushed = self.tasks.push(Task::Chunk(input, chunk, None), clock::now(), None);
        pushed.map(|()| None).map_err(|workers::Ended| InputError::Closed)
    }
}

impl Pipeline {
    /// Whether an input or output asks for a queue on disk.
    #[must_use]
    pub fn needs_log(&self) -> bool {
        self.plan.needs_log
    }

    /// Whether another can take its place while the process goes on.
    #[must_use]
    pub fn is_reloadable(&self) -> bool {
        self.sources.iter().all(|source| source.is_reloadable())
    }

    /// Reads events, as the codec `event` writes them, from this input instead of its own.
    pub fn feed_events(&mut self, source: Box<dyn Source>) {
        self.sources = vec![source];
        self.plan.arrivals = vec![Arrival::of_events()];
    }

    /// Whether only other pipelines of the process feed it.
    #[must_use]
    pub fn is_fed_from_inside(&self) -> bool {
        self.sources.iter().all(|source| source.is_fed_from_inside())
    }

    /// Starts the threads. Filters that need the order of events have one worker. What a request to end means is said at [`Stops`].
    ///
    /// # Errors
    /// An input, an output or the log cannot be opened, or there are no more threads.
    pub fn start(self, workers: usize, kind: QueueKind, mut kept: Kept, stops: &Stops) -> io::Result<Running> {
        let stop = &stops.all;
        let Pipeline { mut sources, plan } = self;
        let is_stateful = plan.filters.is_stateful();
        let workers = if is_stateful || plan.in_order().contains(&true) { 1 } else { workers.max(1) };
        sources.iter_mut().try_for_each(|source| source.open(&mut kept))?;
        let sinks = plan.opened_sinks()?;
        let states: Vec<Arc<SinkState>> = plan.sinks.iter().map(Named::state).collect();
        let plan = Arc::new(plan);
        let counts = Arc::new(Counts::default());
        let work = Work { plan: plan.clone(), counts: Some(counts.clone()), only: None };
        let (tasks, order) = workers::start(&work, workers)?;
        let mut opened = match &kind {
            QueueKind::Memory => None,
            QueueKind::Log { dir, options } => Some(Opened::open(dir, *options, &states)?),
        };
        let dead: Arc<dyn DeadLetters> = match &kind {
            QueueKind::Memory => Arc::new(Said),
            QueueKind::Log { dir, .. } => Arc::new(Keeping::new(dir, &plan.sinks)),
        };
        let tick = is_stateful.then_some(TICK);
        let in_order = plan.in_order();
        let source = match opened.as_mut().filter(|_| tick.is_none() && plan.can_be_read_again()) {
            Some(opened) => Some(opened.source(&plan, &in_order, workers, stop)?),
            None => None,
        };
        let delivery = Delivery::start(sinks, &states, &dead, (source, &in_order), stop)?;
        let (failures, reading) = match opened {
            None => (in_memory(&plan, sources, tasks, tick, stops)?, None),
            Some(opened) => {
                let over = Arc::new(Over::default());
                let queue = opened.queue(&plan, stop);
                let reading = opened.reading(&plan, tasks, over.clone(), tick, stop);
                let reading = thread::Builder::new().name("reading".to_owned()).spawn(move || reading.run())?;
                let telling = over.clone();
                (read(&plan, sources, &queue, &stops.inputs, move || telling.tell())?, Some((reading, over)))
            }
        };
        Ok(Running {
            order,
            delivery,
            failures,
            reading,
            sinks: states,
            counts,
            stops: stops.clone(),
            kept: Some(kept),
            workers,
        })
    }
}

impl Plan {
    /// For each sink, whether an output of it needs the order of events.
    fn in_order(&self) -> Vec<bool> {
        let mut in_order = vec![false; self.sinks.len()];
        self.outputs.each(&mut |attached| {
            if let Some(in_order) = in_order.get_mut(attached.sink) {
                *in_order |= attached.output.is_stateful();
            }
        });
        in_order
    }

    /// Whether the log can be read again for one sink while the others go on.
    fn can_be_read_again(&self) -> bool {
        self.sinks.len() > 1 && !self.arrivals.iter().any(|arrival| arrival.framing().knows_more())
    }

    fn opened_sinks(&self) -> io::Result<Vec<Box<dyn Sink>>> {
        let mut sinks = Vec::with_capacity(self.sinks.len());
        let mut opened = Ok(());
        self.outputs.each(&mut |attached| {
            if attached.sink == sinks.len() && opened.is_ok() {
                match attached.output.open() {
                    Ok(sink) => sinks.push(sink),
                    Err(cause) => opened = Err(cause),
                }
            }
        });
        opened.map(|()| sinks)
    }
}

/// With the queue in memory.
fn in_memory(
    plan: &Plan,
    sources: Vec<Box<dyn Source>>,
    tasks: Tasks,
    tick: Option<Duration>,
    stops: &Stops,
) -> io::Result<Failures> {
    if let Some(every) = tick {
        let (push, stop) = (tasks.weak(), stops.all.clone());
        let tick = move || while !stop.wait(every) && push(Task::Tick).is_ok() {};
        thread::Builder::new().name("ticks".to_owned()).spawn(tick)?;
    }
    let ending = tasks.clone();
    let last = move || {
        if tick.is_some() {
            _ = ending.push(Task::End, clock::now(), None);
        }
    };
    let queue: Arc<dyn Queue> = Arc::new(Memory { tasks });
    read(plan, sources, &queue, &stops.inputs, last)
}

/// What went wrong with inputs, each in a sentence.
type Failures = Arc<Mutex<Vec<String>>>;

/// Starts a thread for each input; the last that ends calls `last`. What went wrong with them.
fn read(
    plan: &Plan,
    sources: Vec<Box<dyn Source>>,
    queue: &Arc<dyn Queue>,
    stop: &Stop,
    last: impl FnOnce() + Send + 'static,
) -> io::Result<Failures> {
    let failures = Failures::default();
    let open = Arc::new(AtomicUsize::new(sources.len()));
    let last = Arc::new(Mutex::new(Some(last)));
    for ((number, source), arrival) in sources.into_iter().enumerate().zip(&plan.arrivals) {
        let entrance = Entrance::new(queue.clone(), (number, &arrival.name), arrival.framing());
        let (stop, open, failures, last) = (stop.clone(), open.clone(), failures.clone(), last.clone());
        let name = arrival.name.clone();
        let run = move || {
            match catch_unwind(AssertUnwindSafe(|| source.run(&entrance, &stop))) {
                Ok(Ok(()) | Err(InputError::Closed)) => {}
                Ok(Err(InputError::Failed(cause))) => {
                    held(&failures).push(format!("the input {name} has ended: {cause}"));
                }
                Err(_) => held(&failures).push(format!("the input {name} has failed in a way that it must not")),
            }
            drop(entrance);
            if open.fetch_sub(1, Ordering::AcqRel) == 1
                && let Some(last) = held(&last).take()
            {
                last();
            }
        };
        thread::Builder::new().name(format!("input-{number}")).spawn(run)?;
    }
    Ok(failures)
}

impl Running {
    /// Its sockets, for the pipeline that takes its place; once.
    pub fn kept(&mut self) -> Kept {
        self.kept.take().unwrap_or_default()
    }

    /// What it does from now on.
    pub fn stats(&self) -> PipelineStats {
        PipelineStats {
            started: clock::instant(),
            workers: self.workers,
            is_persisted: self.reading.is_some(),
            counts: self.counts.clone(),
            sinks: self.sinks.clone(),
        }
    }

    /// Delivers until all inputs have ended and everything is delivered.
    ///
    /// # Errors
    /// An output failed for good. What inputs had to say is in [`Ended::failures`].
    pub fn wait(self) -> io::Result<Ended> {
        let Running { order, delivery, failures, reading, sinks, counts, stops, .. } = self;
        let delivered = delivery.run(&order);
        if delivered.is_err() {
            // Inputs that nobody wants anything of any more.
            stops.request();
        }
        drop(order);
        if let Some((reading, over)) = reading {
            over.delivered();
            if let Ok(rest) = reading.join() {
                rest.finish();
            }
        }
        delivered?;
        let failures = held(&failures).clone();
        Ok(Ended { failures, sinks, counts })
    }
}

/// What a pipeline did.
#[derive(Debug)]
pub struct Ended {
    /// Inputs that failed, each in a sentence.
    pub failures: Vec<String>,
    /// Its sinks.
    pub sinks: Vec<Arc<SinkState>>,
    /// Its workers.
    pub counts: Arc<Counts>,
}
