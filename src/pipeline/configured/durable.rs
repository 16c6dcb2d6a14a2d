//! The queue on disk: what inputs give is in a log before they may forget it, and stays there until every output has it.
//!
//! ```text
//! DATA/pipelines/<id>/lock            one process runs a pipeline
//!                     log/<log>/      as every log: `crate::log`
//!                     outputs.json    how far each output is
//! ```
//! A frame holds records of one input, cut by its codec and not yet decoded, so that decoding is for all workers.
//! After a crash an output gets again what it had since its position was last written.

use super::{
    behind::{Seam, Source},
    build::Plan,
    delivery::SinkState,
    flushes::Flushes,
    frames::{Frames, batches},
    positions::Positions,
    workers::{Ended, Task, Tasks},
};
use crate::{
    clock,
    flow::{AppendError, Intake, LogId, Pending, Progress, RawBatch, Stop, SyncClass},
    fs::{Fs, Lock, RealFs},
    inputs::plugins::{Chunk, InputError, LogEnd, Queue, Settle, Ticket},
    log::{self, LogError, LogWriter, SourceTable},
    pipeline::{
        carry_over,
        dispatch::{FRAMES_PER_TURN, Wake},
        growth::Growing,
        lock_of_dying,
        logs::Logs,
    },
};
use std::{
    collections::BTreeSet,
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

/// How often positions are written, and what all outputs have is let go.
pub const SAVE_WAIT: Duration = Duration::from_secs(1);
/// How long a log that has no room, or a disk that refuses, is left alone.
const FULL_WAIT: Duration = Duration::from_millis(250);
/// With nothing to do.
const IDLE: Duration = Duration::from_secs(3_600);

/// The writing end.
struct LogQueue {
    end: LogEnd,
    /// The names of the inputs.
    names: Vec<String>,
    stop: Stop,
}

impl Queue for LogQueue {
    fn give(&self, input: usize, chunk: Chunk) -> Result<Ticket, InputError> {
        let name = self.names.get(input).map(String::as_str).unwrap_or_default();
        let mut sent = Vec::with_capacity(1);
        for batch in batches(name, chunk) {
            let pending = self.end.intake.submit(batch.clone(), SyncClass::Prompt).map_err(|_| InputError::Closed)?;
            sent.push((batch, pending));
        }
        Ok(Some(Box::new(InLog { sent, intake: self.end.intake.clone(), stop: self.stop.clone() })))
    }

    fn log(&self) -> Option<LogEnd> {
        Some(self.end.clone())
    }
}

/// Batches on their way into the log.
struct InLog {
    sent: Vec<(RawBatch, Pending)>,
    intake: Intake,
    stop: Stop,
}

impl Settle for InLog {
    fn settle(self: Box<Self>) -> Result<(), InputError> {
        for (batch, mut pending) in self.sent {
            loop {
                match pending.wait() {
                    Ok(_) => break,
                    Err(AppendError::Closed) => return Err(InputError::Closed),
                    Err(cause @ AppendError::TooLarge) => {
                        tracing::error!("{}: a record is lost: {cause}", batch.origin.input);
                        break;
                    }
                    Err(cause) => tracing::warn!("{} waits: {cause}", batch.origin.input),
                }
                // Who sent it is not answered, and sends it again.
                if self.stop.wait(FULL_WAIT) {
                    return Err(InputError::Closed);
                }
                pending = self.intake.submit(batch.clone(), SyncClass::Prompt).map_err(|_| InputError::Closed)?;
            }
        }
        Ok(())
    }
}

/// The log of a pipeline, and how far its outputs are.
pub(super) struct Opened {
    logs: Logs,
    writer: LogWriter,
    /// What earlier lives knew of their sources.
    known: Arc<SourceTable>,
    dir: Arc<Path>,
    /// Logs of earlier lives that this one carries on.
    carried: BTreeSet<LogId>,
    positions: Positions,
    flushes: Flushes,
    /// Where reading begins in each log, if not where the output that is furthest behind is.
    begin: Option<Progress>,
    /// No other process runs the pipeline.
    lock: Box<dyn Lock>,
}

impl Opened {
    /// Opens it and tells the sinks where they are.
    ///
    /// # Errors
    /// Another process has it, or a file in it cannot be read or written; the text names it.
    pub(super) fn open(dir: &Path, options: log::Options, sinks: &[Arc<SinkState>]) -> io::Result<Opened> {
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let about = |what: &str, path: &Path, cause: io::Error| {
            io::Error::other(format!("cannot {what} {}: {cause}", path.display()))
        };
        let (root, lock) = (dir.join("log"), dir.join("lock"));
        crate::fs::create_dirs(&*fs, &root).map_err(|cause| about("create", &root, cause))?;
        let locked = lock_of_dying(&*fs, &lock).map_err(|cause| about("lock", &lock, cause))?;
        let lock = locked.ok_or_else(|| {
            let dir = dir.display();
            io::Error::other(format!(
                "another process runs it with {dir}: stop that, or give another --pipeline.id or --path.data"
            ))
        })?;
        let positions = Positions::load(fs.clone(), dir.join("outputs.json"), sinks)?;
        let (known, dead) = carry_over(&fs, &root).map_err(io::Error::other)?;
        let writer = log::open(&fs, &root, options, &known).map_err(io::Error::other)?;
        let carried = dead.into_iter().collect();
        Ok(Opened {
            logs: Logs::new(fs, root),
            writer,
            known: Arc::new(known),
            dir: dir.into(),
            carried,
            positions,
            flushes: Flushes::default(),
            begin: None,
            lock,
        })
    }

    /// What outputs that are behind read from. Reading then begins where the output is that is furthest ahead, but not behind
    /// those that `in_order` names.
    ///
    /// # Errors
    /// The folder of logs cannot be read.
    pub(super) fn source(
        &mut self,
        plan: &Arc<Plan>,
        in_order: &[bool],
        workers: usize,
        stop: &Stop,
    ) -> io::Result<Source> {
        let root = self.dir.join("log");
        let mut found = log::list(&RealFs, &root).map_err(io::Error::other)?;
        found.sort_by_cached_key(|found| (log::begun(&found.dir), found.id));
        let mut begin = self.positions.furthest(in_order);
        begin.retain(|log, _| found.iter().any(|found| found.id == *log));
        self.begin = Some(begin.clone());
        let order = found.iter().map(|found| found.id).filter(|log| begin.contains_key(log)).collect();
        Ok(Source {
            plan: plan.clone(),
            root,
            flushes: self.flushes.clone(),
            workers,
            stop: stop.clone(),
            seam: Arc::new(Mutex::new(Seam::new(&begin, order))),
            begin,
            bell: Arc::default(),
        })
    }

    /// The writing end.
    pub(super) fn queue(&self, plan: &Plan, stop: &Stop) -> Arc<dyn Queue> {
        let names = plan.arrivals.iter().map(|arrival| arrival.name.clone()).collect();
        let end = LogEnd { intake: self.writer.intake(), known: self.known.clone(), dir: self.dir.clone() };
        Arc::new(LogQueue { end, names, stop: stop.clone() })
    }

    /// The reading end; `tick`: filters keep something, they are asked each so often.
    pub(super) fn reading(
        self,
        plan: &Plan,
        tasks: Tasks,
        over: Arc<Over>,
        tick: Option<Duration>,
        stop: &Stop,
    ) -> Reading {
        let Opened { logs, writer, carried, positions, flushes, begin, lock, .. } = self;
        let begin = begin.unwrap_or_else(|| positions.least());
        let rest = Rest { logs, positions, carried, flushes, begin, lock };
        let own = (writer.id, Growing::new(writer.durable.clone()));
        Reading { rest, writer: Some(writer), own, frames: Frames::new(plan), tasks, over, tick, stop: stop.clone() }
    }
}

/// How the reading end learns that all inputs have ended, and then that all is delivered.
#[derive(Default)]
pub(super) struct Over {
    bell: Arc<Wake>,
    is_over: AtomicBool,
    is_delivered: AtomicBool,
}

impl Over {
    /// They have.
    pub(super) fn tell(&self) {
        self.is_over.store(true, Ordering::Release);
        self.bell.ring();
    }

    /// Everything that was handed over is delivered, or given up.
    pub(super) fn delivered(&self) {
        self.is_delivered.store(true, Ordering::Release);
        self.bell.ring();
    }
}

/// The reading end, on a thread of its own.
pub(super) struct Reading {
    rest: Rest,
    writer: Option<LogWriter>,
    own: (LogId, Growing),
    frames: Frames,
    tasks: Tasks,
    over: Arc<Over>,
    stop: Stop,
    tick: Option<Duration>,
}

/// What is left of a reading end: to be finished when everything is delivered.
pub(super) struct Rest {
    logs: Logs,
    positions: Positions,
    carried: BTreeSet<LogId>,
    flushes: Flushes,
    begin: Progress,
    lock: Box<dyn Lock>,
}

impl Reading {
    /// Reads until all inputs have ended and everything is handed over, until it should stop, or until nobody wants more; then
    /// waits until it is delivered, which may take an output that is behind a while.
    pub(super) fn run(mut self) -> Rest {
        if let Err(cause) = self.read() {
            tracing::error!("{cause}");
        }
        if self.tick.is_some() {
            // Nobody wants more where the outputs have failed.
            _ = self.tasks.push(Task::End, clock::now(), None);
        }
        if let Some(writer) = self.writer.take() {
            _ = writer.join();
        }
        let Reading { mut rest, tasks, over, .. } = self;
        drop(tasks);
        while !over.is_delivered.load(Ordering::Acquire) {
            over.bell.wait(SAVE_WAIT);
            rest.tidy();
        }
        rest
    }

    fn read(&mut self) -> Result<(), LogError> {
        let waker = Waker::from(self.over.bell.clone());
        let (mut saved, mut ticked) = (clock::instant(), clock::instant());
        self.rest.look()?;
        loop {
            self.own.1.watch(&waker);
            let Ok(moved) = self.turn() else { return Ok(()) };
            if self.tick.is_some_and(|tick| clock::since(ticked) >= tick) {
                ticked = clock::instant();
                _ = self.tasks.push(Task::Tick, clock::now(), None);
            }
            if clock::since(saved) >= SAVE_WAIT {
                saved = clock::instant();
                self.rest.tidy();
                self.rest.look_at_dying(self.own.0)?;
            }
            let is_over = self.over.is_over.load(Ordering::Acquire);
            if is_over && self.stop.is_requested() {
                return self.close();
            }
            if self.flush(false).is_err() {
                return Ok(());
            }
            if moved {
                continue;
            }
            if is_over {
                // Every entrance is closed: the log ends here.
                let Some(writer) = self.writer.take() else {
                    // Nobody wants more where the outputs have failed.
                    _ = self.flush(true);
                    return Ok(());
                };
                _ = writer.join();
                self.rest.look()?;
                continue;
            }
            self.over.bell.wait(self.patience(saved, ticked));
        }
    }

    /// Hands over some frames of each log; whether there were any.
    fn turn(&mut self) -> Result<bool, Ended> {
        let (mut moved, begun) = (false, clock::instant());
        // What waits in the logs of earlier lives is older. One of them at a time: a stream may be in several, and whoever reads
        // them again needs the same order.
        let waiting = self.rest.logs.iter_mut().filter(|(id, open)| *id != self.own.0 && open.is_waiting());
        let waiting = waiting.min_by_key(|(id, open)| (log::begun(open.dir()), *id));
        let only = waiting.map(|(id, _)| id);
        for (id, open) in self.rest.logs.iter_mut().filter(|(id, _)| only.is_none_or(|only| only == *id)) {
            let durable = (id == self.own.0 && self.writer.is_some()).then(|| self.own.1.end());
            for _ in 0..FRAMES_PER_TURN {
                let Some(frame) = open.next(durable) else { break };
                moved = true;
                self.frames.chunk(frame).push(&self.tasks)?;
            }
        }
        self.frames.pause_since(begun);
        // The own log has its turn next: it may have grown meanwhile, which rings only once.
        Ok(moved || only.is_some())
    }

    /// It should stop: the rest stays where it is. Where there is none, the log may go.
    fn close(&mut self) -> Result<(), LogError> {
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let end = writer.join();
        self.rest.look()?;
        let is_read = self.rest.logs.iter_mut().any(|(id, open)| id == self.own.0 && open.read_to() >= end);
        if is_read {
            // Nobody wants more where the outputs have failed.
            _ = self.flush(true);
            _ = self.turn();
        }
        Ok(())
    }

    /// Hands over what codecs hold back and what is due, or all of it.
    fn flush(&mut self, is_end: bool) -> Result<(), Ended> {
        let read = self.rest.logs.read();
        for (given, flush) in self.frames.due(is_end, |log| read.get(&log).copied().unwrap_or_default()) {
            self.rest.flushes.add(flush);
            given.push(&self.tasks)?;
        }
        Ok(())
    }

    fn patience(&self, saved: Instant, ticked: Instant) -> Duration {
        let tick = self.tick.map_or(IDLE, |tick| tick.saturating_sub(clock::since(ticked)));
        let tick = self.frames.patience().map_or(tick, |due| tick.min(due));
        let done = self.rest.positions.least();
        let is_done = |(log, read)| done.get(&log).copied().unwrap_or_default() == read;
        match self.rest.logs.read().into_iter().all(is_done) {
            true => tick,
            false => tick.min(SAVE_WAIT.saturating_sub(clock::since(saved))),
        }
    }
}

impl Rest {
    /// Everything that was handed over is delivered, or given up: writes how far that is, and lets go of what nobody needs.
    pub(super) fn finish(mut self) {
        self.tidy();
        // Logs that are gone now need no position.
        self.tidy();
        drop(self.lock);
    }

    /// A log of a process that was killed may look alive for a moment.
    fn look_at_dying(&mut self, own: LogId) -> Result<(), LogError> {
        let is_dying = self.logs.iter_mut().any(|(id, open)| id != own && open.is_alive());
        if is_dying { self.look() } else { Ok(()) }
    }

    fn look(&mut self) -> Result<(), LogError> {
        self.logs.look(&self.begin)
    }

    /// Writes the positions, then lets go of what all outputs have.
    fn tidy(&mut self) {
        if let Err(cause) = self.positions.save() {
            tracing::warn!("cannot write how far the outputs are: {cause}");
            return;
        }
        for log in self.logs.let_go(&self.positions.least(), &|log| self.carried.contains(&log)) {
            self.positions.forget(log);
            self.flushes.forget(log);
        }
    }
}
