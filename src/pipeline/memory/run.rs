//! The threads of a pipeline over a queue in memory.

use super::build::Pipeline;
use crate::{
    clock,
    event::{Event, Timestamp},
    filters::Scratch,
    inputs::plugins::Chunk,
    outputs::plugins::Sink,
};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// Chunks that wait for each worker.
pub const CHUNKS_PER_WORKER: usize = 4;
/// How often filters that keep something are asked whether some of it is due.
const TICK: Duration = Duration::from_secs(5);

/// What a worker does next.
enum Task {
    /// The events of a chunk of this input.
    Chunk(usize, Chunk),
    /// Time has passed.
    Tick,
    /// Nothing comes any more.
    End,
}

/// A task, when it came, and where its texts go.
type Job = (Task, Timestamp, Sender<Vec<String>>);

/// Where tasks wait, and their texts in their order.
struct Queue {
    jobs: Sender<Job>,
    order: Sender<Receiver<Vec<String>>>,
}

/// A pipeline that runs.
#[derive(Debug)]
pub struct Running {
    order: Receiver<Receiver<Vec<String>>>,
    sinks: Vec<Box<dyn Sink>>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl std::fmt::Debug for dyn Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

impl Pipeline {
    /// Starts the threads. Filters that need the order of events have one worker.
    ///
    /// # Errors
    /// An output cannot be opened, or there are no more threads.
    pub fn start(mut self, workers: usize) -> io::Result<Running> {
        let is_stateful = self.filters.is_stateful();
        let workers = if is_stateful { 1 } else { workers.max(1) };
        let mut sinks = Vec::with_capacity(self.sinks.len());
        let mut opened = Ok(());
        self.outputs.each(&mut |attached| {
            if attached.sink == sinks.len() {
                match attached.output.open() {
                    Ok(sink) => sinks.push(sink),
                    Err(cause) => opened = Err(cause),
                }
            }
        });
        opened?;
        let sources = std::mem::take(&mut self.sources);
        let pipeline = Arc::new(self);
        let (jobs, tasks) = bounded::<Job>(workers * CHUNKS_PER_WORKER);
        let (order, texts) = bounded(workers * CHUNKS_PER_WORKER);
        for number in 0..workers {
            let (pipeline, tasks) = (pipeline.clone(), tasks.clone());
            let work = move || {
                let mut scratch = Scratch::default();
                for (task, received, done) in tasks {
                    scratch.received = received;
                    // Nobody waits for it where the writer has failed.
                    _ = done.send(pipeline.texts(task, &mut scratch));
                }
            };
            thread::Builder::new().name(format!("worker-{number}")).spawn(work)?;
        }
        let queue = Arc::new(Mutex::new(Queue { jobs, order }));
        if is_stateful {
            let queue = Arc::downgrade(&queue);
            thread::Builder::new().name("ticks".to_owned()).spawn(move || tick(&queue))?;
        }
        let open = Arc::new(AtomicUsize::new(sources.len()));
        let failures: Arc<Mutex<Vec<String>>> = Arc::default();
        for (number, source) in sources.into_iter().enumerate() {
            let (queue, open, failures) = (queue.clone(), open.clone(), Arc::clone(&failures));
            let read = move || {
                if let Err(cause) = source.run(&mut |chunk| push(&queue, Task::Chunk(number, chunk))) {
                    locked(&failures).push(format!("cannot read the input: {cause}"));
                }
                if open.fetch_sub(1, Ordering::AcqRel) == 1 && is_stateful {
                    push(&queue, Task::End);
                }
            };
            thread::Builder::new().name(format!("input-{number}")).spawn(read)?;
        }
        Ok(Running { order: texts, sinks, failures })
    }

    /// What is to be written after a task, for each sink.
    fn texts(&self, task: Task, scratch: &mut Scratch) -> Vec<String> {
        let received = scratch.received;
        let expected = match &task {
            Task::Chunk(_, Chunk::Lines(lines)) => 2 * lines.len(),
            _ => 0,
        };
        let mut texts: Vec<String> = self.sinks.iter().map(|_| String::with_capacity(expected)).collect();
        let mut out: Vec<Event> = Vec::with_capacity(1);
        let done = catch_unwind(AssertUnwindSafe(|| match task {
            Task::Tick | Task::End => {
                self.filters.let_go(matches!(task, Task::End), scratch, &mut out);
                self.encode(&mut out, received, &mut texts);
            }
            Task::Chunk(input, chunk) => {
                let Some(arrival) = self.arrivals.get(input) else { return };
                arrival.each(chunk, scratch, |event, scratch| {
                    self.filters.run(event, scratch, &mut out);
                    self.encode(&mut out, received, &mut texts);
                });
            }
        }));
        if done.is_err() {
            *scratch = Scratch::default();
            tracing::error!("a filter or codec failed in a way that it must not: the rest of a batch is lost");
        }
        texts
    }

    fn encode(&self, events: &mut Vec<Event>, now: Timestamp, texts: &mut [String]) {
        for event in events.drain(..) {
            self.outputs.reached(&event, &mut |attached| {
                if let Some(text) = texts.get_mut(attached.sink) {
                    attached.output.encode(&event, now, text);
                }
            });
        }
    }
}

impl Running {
    /// Writes until all inputs have ended and everything is written.
    ///
    /// # Errors
    /// An output failed. What inputs had to say is in [`Running::failures`].
    pub fn write(&mut self) -> io::Result<()> {
        for texts in &self.order {
            let Ok(texts) = texts.recv() else { continue };
            for (sink, text) in self.sinks.iter_mut().zip(&texts) {
                if !text.is_empty() {
                    sink.write(text)?;
                }
            }
        }
        Ok(())
    }

    /// Inputs that failed, each in a sentence.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        locked(&self.failures).clone()
    }
}

/// Puts a task into the queue and a place for its texts into the order, both at once. `false`: nobody wants more.
fn push(queue: &Mutex<Queue>, task: Task) -> bool {
    let (done, texts) = bounded(1);
    let queue = locked(queue);
    queue.order.send(texts).is_ok() && queue.jobs.send((task, clock::now(), done)).is_ok()
}

fn tick(queue: &Weak<Mutex<Queue>>) {
    loop {
        thread::sleep(TICK);
        let Some(queue) = queue.upgrade() else { return };
        if !push(&queue, Task::Tick) {
            return;
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
