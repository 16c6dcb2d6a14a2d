//! Outputs that are behind: each reads the log by itself, with workers of its own, until it has caught up, while the others go on.
//!
//! Promise: each event reaches the sink once and in its order within a log, whoever handed it over. That hangs on one place, the
//! [`Seam`]: under its lock it is decided for each batch who gets it from the delivery, and a reader that has read exactly as far as
//! the delivery has come hands the sink back. In between frames are read as after a restart, from where the sink was, and
//! cut as they were before ([`Frames`]). What is made is made again for this one sink, and counted nowhere but there.
//!
//! Not for pipelines without a log or with one sink, for filters and outputs that need what came before, and for codecs of files
//! that know more of a stream than what they hold back: there all wait for the slowest.

use super::{
    build::Plan,
    delivery::{BATCHES_PER_SINK_MAX, Parcel, SinkState},
    flushes::{Flush, Flushes},
    frames::{Frames, Given},
    workers::{self, CHUNKS_PER_WORKER, Ended, Mark, Ordered, Tasks, Work, held},
};
use crate::{
    clock,
    flow::{Frame, LogId, Pos, Progress, Stop},
    fs::{Fs, RealFs},
    log::{Limit, LogError, Reader},
    outputs::plugins::Encoded,
    pipeline::{dispatch::Wake, logs::open_reader},
};
use crossbeam_channel::{Receiver, Sender};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::Duration,
};

/// A sink is given back with room for so many batches: otherwise the next one would make it fall behind again.
const ROOM: usize = BATCHES_PER_SINK_MAX / 2;
/// How long a log that cannot be read is left alone.
const PAUSE: Duration = Duration::from_secs(1);

/// How far the delivery has come.
#[derive(Clone, Debug, Default)]
struct Passed {
    /// Up to where in each log, and up to where all of it is done.
    logs: BTreeMap<LogId, (Pos, Pos)>,
    /// The logs in the order in which they were begun.
    order: Vec<LogId>,
    /// The number of the last batch.
    number: u64,
}

/// Where the delivery and those who read by themselves meet.
#[derive(Debug, Default)]
pub(super) struct Seam {
    passed: Passed,
    /// The sinks that read by themselves.
    behind: BTreeSet<usize>,
    /// Nothing passes any more.
    is_over: bool,
    /// One that read by itself takes no more.
    has_failed: bool,
}

impl Seam {
    /// The delivery begins there in each log; `order` is theirs.
    pub(super) fn new(begin: &Progress, order: Vec<LogId>) -> Seam {
        let logs = begin.iter().map(|(log, pos)| (*log, (*pos, *pos))).collect();
        let passed = Passed { logs, order, number: 0 };
        Seam { passed, ..Seam::default() }
    }

    /// Whether a sink that read by itself takes no more.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Whether a sink reads by itself: what passes is not for it.
    pub(super) fn is_behind(&self, sink: usize) -> bool {
        self.behind.contains(&sink)
    }

    /// A batch passes: all who do not read by themselves have it.
    pub(super) fn pass(&mut self, mark: Mark) {
        if self.passed.logs.insert(mark.log, (mark.end, mark.done)).is_none() {
            self.passed.order.push(mark.log);
        }
        self.passed.number = mark.number;
    }

    /// Nothing passes any more.
    pub(super) fn end(&mut self) {
        self.is_over = true;
    }
}

/// What readers share.
#[derive(Clone)]
pub(super) struct Source {
    pub(super) plan: Arc<Plan>,
    /// The folder of the logs.
    pub(super) root: PathBuf,
    pub(super) flushes: Flushes,
    pub(super) workers: usize,
    pub(super) stop: Stop,
    pub(super) seam: Arc<Mutex<Seam>>,
    /// Where the delivery began.
    pub(super) begin: Progress,
    /// Rung when a sink is given back.
    pub(super) bell: Arc<Wake>,
}

/// A sink as its reader sees it.
pub(super) struct Way {
    /// It falls behind while the pipeline runs; otherwise it is so from the start.
    pub(super) was_there: bool,
    /// Whether it is said when it has caught up.
    pub(super) is_said: bool,
    pub(super) number: usize,
    pub(super) parcels: Sender<Parcel>,
    pub(super) state: Arc<SinkState>,
    /// Rung when the sink has taken a batch.
    pub(super) taken: Arc<Wake>,
    /// How far it was in each log at the start.
    pub(super) start: Progress,
}

impl Source {
    /// Whether a sink that was there at the start is behind the delivery.
    pub(super) fn is_behind(&self, start: &Progress) -> bool {
        self.begin.iter().any(|(log, begin)| start.get(log).is_none_or(|start| start < begin))
    }

    /// From now on this sink reads by itself; the batch that it has no room for is the first that it reads.
    ///
    /// # Errors
    /// There are no more threads: nothing has changed.
    pub(super) fn fall_behind(&self, seam: &mut Seam, to: Way) -> io::Result<JoinHandle<()>> {
        let work = Work { plan: self.plan.clone(), counts: None, only: Some(to.number) };
        let (tasks, order) = workers::start(&work, self.workers)?;
        let number = to.number;
        let had = to.was_there.then(|| seam.passed.clone());
        let reader = CatchUp {
            fs: Arc::new(RealFs),
            number: had.as_ref().map(|had| had.number),
            had: had.unwrap_or_default(),
            frames: Frames::new(&self.plan),
            logs: BTreeMap::new(),
            source: self.clone(),
            failing: None,
            waiting: 0,
            to,
            tasks,
            order,
        };
        let thread = thread::Builder::new().name("behind".to_owned()).spawn(move || reader.run())?;
        seam.behind.insert(number);
        Ok(thread)
    }
}

/// A log that is read again.
struct Again {
    reader: Option<Reader>,
    at: Pos,
    /// The last of its flushes that was repeated.
    flushed: u64,
}

/// What a reader finds at the seam.
enum Met {
    /// The delivery is further.
    Behind(Passed),
    /// It holds back what the delivery no longer does.
    Holding(Vec<(String, LogId)>),
    /// It has caught up, and the sink has no room.
    Full,
    /// The sink is given back.
    There,
}

/// The reader of one sink.
struct CatchUp {
    source: Source,
    to: Way,
    fs: Arc<dyn Fs>,
    /// What the sink was handed before.
    had: Passed,
    /// The number of the last batch that it has, if it ever was with the others.
    number: Option<u64>,
    frames: Frames,
    logs: BTreeMap<LogId, Again>,
    tasks: Tasks,
    order: Receiver<Ordered>,
    /// Tasks whose texts are not with the sink yet.
    waiting: usize,
    /// Why a log cannot be read, while it cannot.
    failing: Option<String>,
}

impl CatchUp {
    fn run(mut self) {
        // A panic has been printed; whoever waits for the sink must know that nobody reads for it any more.
        match panic::catch_unwind(AssertUnwindSafe(|| self.read())).unwrap_or(Err(Ended)) {
            Ok(()) if self.to.is_said => tracing::warn!("{}: it has caught up", self.to.state.name),
            Ok(()) => {}
            // What is left after a stop stays in the log.
            Err(Ended) if self.source.stop.is_requested() => {}
            Err(Ended) => held(&self.source.seam).has_failed = true,
        }
        self.source.bell.ring();
    }

    /// Reads until the sink is given back. Otherwise the sink takes no more, or it should stop: what is left is in the log.
    fn read(&mut self) -> Result<(), Ended> {
        loop {
            self.go_on()?;
            match self.meet() {
                Met::Behind(passed) => self.read_to(&passed)?,
                Met::Holding(streams) => self.let_go(streams)?,
                Met::Full => self.to.taken.wait(PAUSE),
                Met::There => return Ok(()),
            }
        }
    }

    fn go_on(&self) -> Result<(), Ended> {
        if self.source.stop.is_requested() { Err(Ended) } else { Ok(()) }
    }

    fn meet(&self) -> Met {
        let mut seam = held(&self.source.seam);
        if self.number != Some(seam.passed.number) {
            return Met::Behind(seam.passed.clone());
        }
        // Where flushes are forgotten, or the delivery began: what the delivery may have given is given twice rather than never.
        let holding = self.frames.held_before(|log| {
            let done = seam.passed.logs.get(&log).map_or(Pos(0), |(_, done)| *done);
            self.source.flushes.lost(log).map_or(done, |lost| done.max(Pos(lost.0 + 1)))
        });
        match () {
            () if !holding.is_empty() => Met::Holding(holding),
            () if self.to.parcels.len() > ROOM && !seam.is_over => Met::Full,
            () => {
                seam.behind.remove(&self.to.number);
                Met::There
            }
        }
    }

    /// What is held back of these streams.
    fn let_go(&mut self, streams: Vec<(String, LogId)>) -> Result<(), Ended> {
        for (source, log) in streams {
            let at = self.logs.get(&log).map_or(Pos(0), |again| again.at);
            let flush = Flush { source, log, at, number: 0, received: clock::now(), is_kept: true };
            if let Some(given) = self.frames.flush(&flush) {
                self.push(given)?;
            }
        }
        self.hand_over(0)
    }

    /// Reads as far as the delivery was.
    fn read_to(&mut self, passed: &Passed) -> Result<(), Ended> {
        for log in &passed.order {
            let Some((end, _)) = passed.logs.get(log) else { continue };
            self.read_log(*log, *end, passed.number)?;
        }
        self.hand_over(0)?;
        self.number = Some(passed.number);
        Ok(())
    }

    fn read_log(&mut self, log: LogId, end: Pos, number: u64) -> Result<(), Ended> {
        let (had, from) = self.had(log);
        let begin = self.source.begin.get(&log).copied().unwrap_or_default();
        self.logs.entry(log).or_insert(Again { reader: None, at: from, flushed: 0 });
        loop {
            self.go_on()?;
            self.repeat_flushes(log, number)?;
            let Some(again) = self.logs.get_mut(&log) else { return Ok(()) };
            if again.at >= end {
                return Ok(());
            }
            match next(&self.fs, &self.source.root, log, end, again) {
                Ok(Some(frame)) => {
                    again.at = frame.end;
                    self.failing = None;
                    let is_new = frame.end > had;
                    if frame.start >= begin {
                        // The delivery knew nothing of what was before.
                        let streams = self.frames.held_before(|of| if of == log { begin } else { Pos(0) });
                        self.let_go(streams)?;
                    }
                    let given = self.frames.chunk(frame);
                    self.frames.forget_idle();
                    // What the sink has is read for what codecs hold back of it.
                    if is_new {
                        self.push(given)?;
                    }
                }
                Ok(None) => {
                    // What was there is damaged since.
                    again.at = end;
                    self.hand_over(0)?;
                    let mark = self.frames.mark(log, end);
                    self.send((Encoded::default(), Some(mark)))?;
                }
                Err(cause) => {
                    again.reader = None;
                    self.wait_for(&cause)?;
                }
            }
        }
    }

    /// How far the sink was in a log when it fell behind, and up to where all of that was done.
    fn had(&self, log: LogId) -> (Pos, Pos) {
        let start = self.to.start.get(&log).copied().unwrap_or_default();
        self.had.logs.get(&log).copied().filter(|(end, _)| *end >= start).unwrap_or((start, start))
    }

    fn repeat_flushes(&mut self, log: LogId, to: u64) -> Result<(), Ended> {
        let Some(Again { at, flushed, .. }) = self.logs.get_mut(&log) else { return Ok(()) };
        let flushes = self.source.flushes.at(log, *at, *flushed, to);
        *flushed = flushes.last().map_or(*flushed, |flush| flush.number);
        for flush in flushes {
            let given = self.frames.flush(&flush);
            if let Some(given) = given.filter(|_| flush.number > self.had.number) {
                self.push(given)?;
            }
        }
        Ok(())
    }

    fn wait_for(&mut self, cause: &LogError) -> Result<(), Ended> {
        let cause = cause.to_string();
        if self.failing.as_ref() != Some(&cause) {
            tracing::error!("{} reads the log by itself: {cause}", self.to.state.name);
            self.failing = Some(cause);
        }
        if self.source.stop.wait(PAUSE) { Err(Ended) } else { Ok(()) }
    }

    fn push(&mut self, given: Given) -> Result<(), Ended> {
        self.hand_over(self.source.workers * CHUNKS_PER_WORKER - 1)?;
        given.push(&self.tasks)?;
        self.waiting += 1;
        Ok(())
    }

    /// Gives texts to the sink until so many are left to be made.
    fn hand_over(&mut self, left: usize) -> Result<(), Ended> {
        while self.waiting > left {
            let Ordered { texts, mark } = self.order.recv().map_err(|_| Ended)?;
            self.waiting -= 1;
            if let Some(text) = texts.recv().ok().and_then(|texts| texts.into_iter().nth(self.to.number)) {
                self.send((text, mark))?;
            }
        }
        Ok(())
    }

    fn send(&self, parcel: Parcel) -> Result<(), Ended> {
        self.to.parcels.send(parcel).map_err(|_| Ended)
    }
}

fn next(fs: &Arc<dyn Fs>, root: &Path, log: LogId, end: Pos, again: &mut Again) -> Result<Option<Frame>, LogError> {
    let reader = match &mut again.reader {
        Some(reader) => reader,
        None => again.reader.insert(open_reader(fs, &root.join(log.to_string()), again.at)?),
    };
    // What the delivery had is durable.
    reader.next(Limit::Durable(end))
}
