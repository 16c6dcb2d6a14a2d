//! Starting a pipeline and waiting for its end.

use super::{
    build::{Named, Pipeline, Plan},
    delivery::{DeadLetters, Delivery, Said, SinkState},
    workers::{self, Counts, Ordered, Task, Tasks, held},
};
use crate::{
    clock,
    flow::Stop,
    inputs::plugins::{Chunk, Entrance, InputError, Queue, Source, Ticket},
    outputs::plugins::Sink,
};
use crossbeam_channel::Receiver;
use std::{
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How often filters that keep something are asked whether some of it is due.
const TICK: Duration = Duration::from_secs(5);

/// A pipeline that runs.
pub struct Running {
    order: Receiver<Ordered>,
    delivery: Delivery,
    failures: Arc<Mutex<Vec<String>>>,
    sinks: Vec<Arc<SinkState>>,
    counts: Arc<Counts>,
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
        let pushed = self.tasks.push(Task::Chunk(input, chunk), clock::now(), None);
        pushed.map(|()| None).map_err(|workers::Ended| InputError::Closed)
    }
}

impl Pipeline {
    /// Starts the threads, with the queue in memory. Filters that need the order of events have one worker. A request to `stop`
    /// ends the inputs; what they gave is delivered.
    ///
    /// # Errors
    /// An input or output cannot be opened, or there are no more threads.
    pub fn start(self, workers: usize, stop: &Stop) -> io::Result<Running> {
        let Pipeline { mut sources, plan } = self;
        let is_stateful = plan.filters.is_stateful();
        let workers = if is_stateful { 1 } else { workers.max(1) };
        sources.iter_mut().try_for_each(|source| source.open())?;
        let sinks = plan.opened_sinks()?;
        let states: Vec<Arc<SinkState>> = plan.sinks.iter().map(Named::state).collect();
        let plan = Arc::new(plan);
        let counts = Arc::new(Counts::default());
        let (tasks, order) = workers::start(&plan, workers, &counts)?;
        let dead: Arc<dyn DeadLetters> = Arc::new(Said);
        let delivery = Delivery::start(sinks, &states, &dead, stop)?;
        if is_stateful {
            let (push, stop) = (tasks.weak(), stop.clone());
            let tick = move || while !stop.wait(TICK) && push(Task::Tick).is_ok() {};
            thread::Builder::new().name("ticks".to_owned()).spawn(tick)?;
        }
        let last = {
            let tasks = tasks.clone();
            move || {
                if is_stateful {
                    _ = tasks.push(Task::End, clock::now(), None);
                }
            }
        };
        let queue: Arc<dyn Queue> = Arc::new(Memory { tasks });
        let failures = read(&plan, sources, &queue, stop, last)?;
        Ok(Running { order, delivery, failures, sinks: states, counts })
    }
}

impl Plan {
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

/// Starts a thread for each input; the last that ends calls `last`. What went wrong with them.
fn read(
    plan: &Plan,
    sources: Vec<Box<dyn Source>>,
    queue: &Arc<dyn Queue>,
    stop: &Stop,
    last: impl FnOnce() + Send + 'static,
) -> io::Result<Arc<Mutex<Vec<String>>>> {
    let failures: Arc<Mutex<Vec<String>>> = Arc::default();
    let open = Arc::new(AtomicUsize::new(sources.len()));
    let last = Arc::new(Mutex::new(Some(last)));
    for ((number, source), arrival) in sources.into_iter().enumerate().zip(&plan.arrivals) {
        let entrance = Entrance::new(queue.clone(), number, arrival.framing());
        let (stop, open, failures, last) = (stop.clone(), open.clone(), failures.clone(), last.clone());
        let name = arrival.name.clone();
        let run = move || {
            if let Err(InputError::Failed(cause)) = source.run(&entrance, &stop) {
                held(&failures).push(format!("the input {name} has ended: {cause}"));
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
    /// Delivers until all inputs have ended and everything is delivered.
    ///
    /// # Errors
    /// An output failed for good. What inputs had to say is in [`Running::failures`].
    pub fn wait(self) -> io::Result<Ended> {
        let Running { order, delivery, failures, sinks, counts } = self;
        delivery.run(&order)?;
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
