//! The queue on disk: what inputs give is in a log before they may forget it, and stays there until every output has it.
//!
//! ```text
//! DATA/pipelines/<id>/lock            one process runs a pipeline
//!                     log/<log>/      as every log: `crate::log`
//!                     outputs.json    how far each output is
//! ```
//! A frame holds records of one input, cut by its codec and not yet decoded, so that decoding is for all workers. Its origin says
//! which input (by name, so that a config may change while something waits) and, as JSON, the fields that its events get.
//! After a crash an output gets again what it had since its position was last written.

use super::{
    delivery::SinkState,
    positions::Positions,
    workers::{Ended, Task, Tasks},
};
use crate::{
    clock,
    event::{Value, json},
    flow::{
        AppendError, Frame, Intake, LogId, Origin, Pending, RECORDS_PER_FRAME_MAX, RawBatch, Record as LogRecord, Stop,
        SyncClass,
    },
    fs::{Fs, Lock, RealFs},
    inputs::plugins::{Chunk, Fields, InputError, Queue, Record, Settle, Ticket},
    log::{self, LogError, LogWriter},
    pipeline::{
        carry_over,
        dispatch::{FRAMES_PER_TURN, Wake},
        growth::Growing,
        lock_of_dying,
        logs::Logs,
    },
};
use bytes::Bytes;
use logship_parsers::config::FieldRef;
use memchr::memchr;
use std::{
    collections::BTreeSet,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

/// How often positions are written, and what all outputs have is let go.
pub const SAVE_WAIT: Duration = Duration::from_secs(1);
/// Most bytes of the records of one frame, unless one record is longer.
const FRAME_BYTES: usize = 1 << 20;
/// How long a log that has no room, or a disk that refuses, is left alone.
const FULL_WAIT: Duration = Duration::from_millis(250);
/// With nothing to do.
const IDLE: Duration = Duration::from_secs(3_600);

/// The writing end.
struct LogQueue {
    intake: Intake,
    /// The names of the inputs.
    names: Vec<String>,
    stop: Stop,
}

impl Queue for LogQueue {
    fn give(&self, input: usize, chunk: Chunk) -> Result<Ticket, InputError> {
        let name = self.names.get(input).map(String::as_str).unwrap_or_default();
        let mut sent = Vec::with_capacity(1);
        for batch in batches(name, chunk) {
            let pending = self.intake.submit(batch.clone(), SyncClass::Prompt).map_err(|_| InputError::Closed)?;
            sent.push((batch, pending));
        }
        Ok(Some(Box::new(InLog { sent, intake: self.intake.clone(), stop: self.stop.clone() })))
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

/// A chunk as frames: one for each run of records with the same fields.
fn batches(input: &str, chunk: Chunk) -> Vec<RawBatch> {
    let mut out: Vec<RawBatch> = Vec::with_capacity(1);
    let mut bytes = 0;
    let mut last: Option<Fields> = None;
    let received = clock::now();
    let mut add = |text: Bytes, fields: &Fields| {
        let same = last.as_ref().is_some_and(|last| Arc::ptr_eq(last, fields) || last == fields);
        let has_room = |batch: &&mut RawBatch| {
            same && bytes + text.len() <= FRAME_BYTES && batch.records.len() < RECORDS_PER_FRAME_MAX
        };
        let length = text.len();
        let record = LogRecord::text(text.clone());
        match out.last_mut().filter(has_room) {
            Some(batch) => batch.records.push(record),
            None => {
                bytes = 0;
                let origin = Arc::new(origin(input, fields));
                out.push(RawBatch { origin, span: None, mark: None, received, records: vec![record] });
            }
        }
        bytes += length;
        last = Some(fields.clone());
    };
    match chunk {
        Chunk::Records(records) => records.into_iter().for_each(|Record { text, fields }| add(text, &fields)),
        Chunk::Lines(mut rest, fields) => {
            while !rest.is_empty() {
                let end = memchr(b'\n', &rest).unwrap_or(rest.len());
                let mut line = rest.split_to((end + 1).min(rest.len()));
                line.truncate(end);
                if line.last() == Some(&b'\r') {
                    line.truncate(line.len() - 1);
                }
                add(line, &fields);
            }
        }
    }
    out
}

fn origin(input: &str, fields: &Fields) -> Origin {
    let text = |value: &Value| {
        let mut text = String::new();
        json::write_value(&mut text, value);
        text
    };
    let fields = fields.iter().map(|(field, value)| (field.to_string(), text(value))).collect();
    Origin { input: input.to_owned(), fields, ..Origin::default() }
}

/// A frame as a chunk of the input of that number.
fn chunk(frame: Frame, names: &[String]) -> (usize, Chunk) {
    let origin = &frame.batch.origin;
    let same_plugin = |name: &String| name.split('.').next() == origin.input.split('.').next();
    let input = names
        .iter()
        .position(|name| *name == origin.input)
        .or_else(|| names.iter().position(|name| same_plugin(name)))
        .unwrap_or_default();
    let field = |(name, value): (&String, &String)| {
        let value = serde_json::from_str(value).ok()?;
        Some((FieldRef::parse(name).ok()?, json::from_serde(value)))
    };
    let fields: Fields = origin.fields.iter().filter_map(field).collect();
    let records = frame.batch.records.into_iter().map(|record| Record { text: record.bytes, fields: fields.clone() });
    (input, Chunk::Records(records.collect()))
}

/// The log of a pipeline, and how far its outputs are.
pub(super) struct Opened {
    logs: Logs,
    writer: LogWriter,
    /// Logs of earlier lives that this one carries on.
    carried: BTreeSet<LogId>,
    positions: Positions,
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
        Ok(Opened { logs: Logs::new(fs, root), writer, carried: dead.into_iter().collect(), positions, lock })
    }

    /// The writing end.
    pub(super) fn queue(&self, names: Vec<String>, stop: &Stop) -> Arc<dyn Queue> {
        Arc::new(LogQueue { intake: self.writer.intake(), names, stop: stop.clone() })
    }

    /// The reading end; `tick`: filters keep something, they are asked each so often.
    pub(super) fn reading(
        self,
        names: Vec<String>,
        tasks: Tasks,
        over: Arc<Over>,
        tick: Option<Duration>,
        stop: &Stop,
    ) -> Reading {
        let Opened { logs, writer, carried, positions, lock } = self;
        let rest = Rest { logs, positions, carried, lock };
        let own = (writer.id, Growing::new(writer.durable.clone()));
        Reading { rest, writer: Some(writer), own, names, tasks, over, tick, stop: stop.clone() }
    }
}

/// How the reading end learns that all inputs have ended.
#[derive(Default)]
pub(super) struct Over {
    bell: Arc<Wake>,
    is_over: AtomicBool,
}

impl Over {
    /// They have.
    pub(super) fn tell(&self) {
        self.is_over.store(true, Ordering::Release);
        self.bell.ring();
    }
}

/// The reading end, on a thread of its own.
pub(super) struct Reading {
    rest: Rest,
    writer: Option<LogWriter>,
    own: (LogId, Growing),
    names: Vec<String>,
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
    lock: Box<dyn Lock>,
}

impl Reading {
    /// Reads until all inputs have ended and everything is handed over, until it should stop, or until nobody wants more.
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
        self.rest
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
            }
            let is_over = self.over.is_over.load(Ordering::Acquire);
            if is_over && self.stop.is_requested() {
                return Ok(());
            }
            if moved {
                continue;
            }
            if is_over {
                // Every entrance is closed: the log ends here.
                let Some(writer) = self.writer.take() else { return Ok(()) };
                _ = writer.join();
                self.rest.look()?;
                continue;
            }
            self.over.bell.wait(self.patience(saved, ticked));
        }
    }

    /// Hands over some frames of each log; whether there were any.
    fn turn(&mut self) -> Result<bool, Ended> {
        let mut moved = false;
        for (id, open) in self.rest.logs.iter_mut() {
            let durable = (id == self.own.0 && self.writer.is_some()).then(|| self.own.1.end());
            for _ in 0..FRAMES_PER_TURN {
                let Some(frame) = open.next(durable) else { break };
                moved = true;
                let (received, mark) = (frame.batch.received, Some((frame.log, frame.end)));
                let (input, chunk) = chunk(frame, &self.names);
                self.tasks.push(Task::Chunk(input, chunk), received, mark)?;
            }
        }
        Ok(moved)
    }

    fn patience(&self, saved: Instant, ticked: Instant) -> Duration {
        let tick = self.tick.map_or(IDLE, |tick| tick.saturating_sub(clock::since(ticked)));
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

    fn look(&mut self) -> Result<(), LogError> {
        self.logs.look(&self.positions.least())
    }

    /// Writes the positions, then lets go of what all outputs have.
    fn tidy(&mut self) {
        if let Err(cause) = self.positions.save() {
            tracing::warn!("cannot write how far the outputs are: {cause}");
            return;
        }
        for log in self.logs.let_go(&self.positions.least(), &|log| self.carried.contains(&log)) {
            self.positions.forget(log);
        }
    }
}
