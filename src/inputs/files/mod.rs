//! Files that are followed while they grow, are rotated, truncated, replaced, renamed and deleted.
//!
//! One thread drives it all: [`glob`] and [`watch`] say which files there are and where something happened, [`tailer`] reads
//! them and cuts batches, and what the log makes durable moves the positions on. A position is nowhere but in the log: the
//! span and the marks of a batch are in its frame, and the log's table of sources is what a start begins with.
//!
//! Promise: each line is in the log once, whatever happens to the process; doubled only where a content cannot be told from
//! another (`identity`, `copies` say when). Limits: the `*_MAX` constants of these modules.

pub mod content;
mod copies;
mod decoder;
pub mod glob;
mod gunzip;
pub mod identity;
mod known;
mod members;
#[cfg(test)]
mod model;
mod origin;
mod reader;
mod skips;
mod stream;
mod tailer;
#[cfg(test)]
mod tests;
mod text;
pub mod transcode;
pub mod tree;
mod turns;
pub mod watch;

pub use known::is_rotation_of;
pub use origin::prefix;
pub use tailer::{Counts, FileStatus, GONE_WAIT, HELD_BYTES_MAX, Key, OPEN_FILES_MAX, PARTIAL_WAIT, Tailer};
pub use turns::BATCH_WAIT;

use super::containers::AnyOf;
use crate::{
    clock,
    codecs::first_line::FirstLines,
    flow::{Intake, Origin, Pending, SyncClass},
    log::SourceTable,
};
use glob::Globs;
use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};
use watch::Watcher;

/// New files are looked for at least this often, unless a look takes more than a hundredth of that.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Files that nothing is announced of are asked for their size this often, with the same exception.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// Looking and asking may take one part in so many of the time.
const SHARE: u32 = 100;
/// The same for looking when it is known that there is something.
const SHARE_ASKED: u32 = 10;
/// The longest pause that comes of it.
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// How long a stop goes on reading what was written before it: the last lines of a program that ended just before.
const STOP_READING: Duration = Duration::from_secs(2);
/// How long a stop waits for batches on their way.
const STOP_WAIT: Duration = Duration::from_secs(5);
/// Files that are shown one by one: those that are furthest behind or fail.
pub const FILES_SHOWN_MAX: usize = 1_000;
/// How often the status is renewed.
const STATUS_EVERY: Duration = Duration::from_secs(1);

/// What is followed, and how.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Patterns of files.
    pub files: Vec<String>,
    /// Patterns of files and folders that are not followed.
    pub exclude: Vec<String>,
    /// Files that are there at the first start are followed from their end on.
    pub from_end: bool,
    /// Files that were not written for so long are not begun.
    pub ignore_older: Option<Duration>,
    /// Rotated and compressed files of which all is durable are deleted when they were not written for so long.
    pub delete_after: Option<Duration>,
    /// How the text of files without a byte order mark is written.
    pub encoding: transcode::Encoding,
    /// No line joins another, and each ends with this byte.
    pub alone: Option<u8>,
    /// Nothing is announced by the system: everything is found by looking.
    pub polling: bool,
    /// What all records share.
    pub origin: Origin,
    /// What is known of containers by the paths of their files.
    pub containers: AnyOf,
    /// What containers say of the first lines of their records, compiled.
    pub first_lines: FirstLines,
}

/// What others see of it.
#[derive(Debug, Default)]
pub struct FilesStatus {
    /// Those that are furthest behind or fail, at most [`FILES_SHOWN_MAX`].
    pub files: Vec<FileStatus>,
    /// How many there are.
    pub followed: usize,
    /// What was done.
    pub counts: Counts,
    /// Records given to the log and not durable yet, refused ones too: those are given again.
    pub queued: u64,
    /// Things that the patterns mean and that cannot be read, and files beyond the limits.
    pub problems: usize,
}

/// Followed files, on a thread of its own.
#[derive(Debug)]
pub struct FileInput {
    stop: Arc<AtomicBool>,
    status: Arc<Mutex<FilesStatus>>,
    thread: JoinHandle<()>,
}

impl FileInput {
    /// Begins; `table` is what the log knows of files that were followed before.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn start(settings: Settings, globs: Globs, table: &SourceTable, intake: Intake) -> io::Result<FileInput> {
        let stop = Arc::new(AtomicBool::new(false));
        let status = Arc::new(Mutex::new(FilesStatus::default()));
        let polling = settings.polling;
        let tailer = Tailer::new(settings, Box::new(tree::RealTree), table);
        let driver = move |stop, status| {
            let bell = Arc::new(Bell(thread::current()));
            let ring = bell.clone();
            let watcher = (!polling).then(|| Watcher::new(move || ring.0.unpark()));
            let waker = Waker::from(bell);
            Driver { tailer, globs, watcher, intake, waker, pending: Vec::new(), problems: 0, stop, status }.run();
        };
        let (stopping, shown) = (stop.clone(), status.clone());
        let thread = thread::Builder::new().name("files".into()).spawn(move || driver(stopping, shown))?;
        Ok(FileInput { stop, status, thread })
    }

    /// Calls with what is known of the files now.
    pub fn status<T>(&self, look: impl FnOnce(&FilesStatus) -> T) -> T {
        look(&self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Stops when all that is there is read, or after a moment, and says how far that is. What is not durable then is read at the
    /// next start.
    pub fn stop(self) -> FilesStatus {
        self.stop.store(true, Ordering::Release);
        self.thread.thread().unpark();
        // A panic has been printed.
        let _ = self.thread.join();
        std::mem::take(&mut self.status.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Bell(Thread);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What happens again and again, seldom enough to cost little.
#[derive(Debug)]
struct Recurring {
    due: Instant,
    /// If somebody asks for it, not sooner than this.
    soonest: Instant,
    every: Duration,
}

impl Recurring {
    fn new(every: Duration) -> Recurring {
        let now = clock::instant();
        Recurring { due: now, soonest: now, every }
    }

    fn run(&mut self, work: impl FnOnce()) {
        let begun = clock::instant();
        work();
        let (took, now) = (clock::since(begun), clock::instant());
        self.due = now + (took * SHARE).clamp(self.every, PAUSE_MAX);
        self.soonest = now + took * SHARE_ASKED;
    }
}

/// What was announced, besides what happened to known files.
struct Heard {
    /// Anything may have happened.
    all: bool,
    /// There may be new files.
    strange: bool,
}

struct Driver {
    tailer: Tailer,
    globs: Globs,
    watcher: Option<Watcher>,
    intake: Intake,
    waker: Waker,
    pending: Vec<(Key, Pending)>,
    problems: usize,
    stop: Arc<AtomicBool>,
    status: Arc<Mutex<FilesStatus>>,
}

impl Driver {
    fn run(mut self) {
        let (mut look, mut sweep) = (Recurring::new(LOOK_EVERY), Recurring::new(SWEEP_EVERY));
        let (mut shown, mut was_idle) = (Recurring::new(STATUS_EVERY), false);
        let mut ends = None;
        loop {
            let is_last = ends.is_none() && self.stop.load(Ordering::Acquire);
            let heard = self.hear();
            if heard.strange || heard.all {
                look.due = look.due.min(look.soonest);
            }
            if heard.all {
                sweep.due = sweep.due.min(sweep.soonest);
            }
            if is_last || look.due <= clock::instant() {
                look.run(|| self.look());
            }
            if is_last || sweep.due <= clock::instant() {
                sweep.run(|| self.tailer.sweep());
            }
            if is_last {
                ends = Some(clock::instant() + STOP_READING);
            }
            let log_lives = self.step();
            let idle = self.tailer.is_idle() && self.pending.is_empty();
            if shown.due <= clock::instant() && !(idle && was_idle) {
                shown.run(|| self.show());
                was_idle = idle;
            }
            let now = clock::instant();
            if !log_lives || ends.is_some_and(|ends| ends <= now || self.tailer.is_quiet()) {
                break;
            }
            let next = self.tailer.due(now).map_or(look.due, |due| due.min(look.due)).min(sweep.due);
            let next = ends.map_or(next, |ends| next.min(ends));
            if next > now {
                thread::park_timeout(next - now);
            }
        }
        let begun = clock::instant();
        while !self.pending.is_empty() && clock::since(begun) < STOP_WAIT {
            self.collect();
            thread::park_timeout(Duration::from_millis(10));
        }
        self.show();
    }

    /// Wakes the files that something happened to.
    fn hear(&mut self) -> Heard {
        let changes = self.watcher.as_ref().map(Watcher::take).unwrap_or_default();
        let strange = changes.paths.iter().filter(|path| !self.tailer.touched(Path::new(path))).count();
        Heard { all: changes.all, strange: strange > 0 }
    }

    fn look(&mut self) {
        let mut found = Vec::new();
        let walked = self.globs.walk(&tree::RealTree, &mut found);
        for skipped in &walked.skipped {
            tracing::warn!("{}: {}", skipped.path, skipped.reason);
        }
        self.problems = walked.problems + walked.beyond;
        self.tailer.look(&found, clock::instant(), clock::now());
        let Some(watcher) = &mut self.watcher else { return };
        let parents = found.iter().filter_map(|found| Path::new(&found.path).parent()?.to_str());
        watcher.watch(self.globs.watch_roots().iter().map(String::as_str).chain(parents));
        if let Some(problem) = watcher.take_problem() {
            tracing::warn!("{problem}");
        }
    }

    /// Reads, and hands batches to the log; whether there is a log.
    fn step(&mut self) -> bool {
        let (intake, pending) = (&self.intake, &mut self.pending);
        let mut log_lives = true;
        for batch in self.tailer.take_skips() {
            // Where the log refuses, a restart begins at the end that the file has then.
            log_lives &= intake.submit(batch, SyncClass::Relaxed).is_ok();
        }
        self.tailer.step(clock::instant(), clock::now(), &mut |key, batch| {
            // A file gives the next batch when this one is durable: a fast one must not wait for others to share its sync.
            let bytes: usize = batch.records.iter().map(|record| record.bytes.len()).sum();
            let class = if bytes >= stream::BATCH_BYTES { SyncClass::Prompt } else { SyncClass::Relaxed };
            match intake.submit(batch, class) {
                Ok(answer) => pending.push((key, answer)),
                Err(_) => log_lives = false,
            }
        });
        self.collect();
        log_lives
    }

    fn collect(&mut self) {
        let (tailer, waker) = (&mut self.tailer, &self.waker);
        self.pending.retain_mut(|(key, pending)| match pending.poll(waker) {
            Poll::Ready(answer) => {
                tailer.answered(*key, answer, clock::instant());
                false
            }
            Poll::Pending => true,
        });
    }

    fn show(&self) {
        let status = FilesStatus {
            files: self.tailer.status(clock::instant(), FILES_SHOWN_MAX),
            followed: self.tailer.followed(),
            counts: self.tailer.counts(),
            queued: self.tailer.unanswered(),
            problems: self.problems + self.tailer.unreadable(),
        };
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }
}
