//! The log thread: when groups close, and the only place of the writing half that knows the time.

use super::{GROUP_BYTES_MAX, LogCounters, LogError, MakesRoom, Options, PROMPT_MAX, RELAXED_MAX, UNSYNCED_BYTES_MAX};
use super::{folder, room::NoRoom, sources::SourceTable, writer::Writer};
use crate::clock;
use crate::flow::{Append, AppendError, Intake, LogId, Pos, SyncClass};
use crate::fs::{self, Fs};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
    task::{Context, Poll, Wake, Waker},
    thread::{self, JoinHandle, Thread},
    time::{Duration, Instant},
};
use tokio::sync::{mpsc, watch};

/// How often a new log is tried when somebody tidies it away while it comes into being.
const ATTEMPTS_MAX: usize = 8;
/// How long after a mark that could not be written the next attempt comes.
const MARK_AGAIN: Duration = Duration::from_secs(1);
/// The same for a log for which the disk has no room.
const ROOM_AGAIN: Duration = Duration::from_secs(1);

/// A log open for writing. The log closes when this and every [`Intake`] is dropped: what waits becomes durable and is
/// answered, then the lock is released.
#[derive(Debug)]
pub struct LogWriter {
    /// The log.
    pub id: LogId,
    /// Its folder.
    pub dir: PathBuf,
    /// Up to where it is durable; ends with the log.
    pub durable: watch::Receiver<Pos>,
    /// What was done.
    pub counters: Arc<LogCounters>,
    intake: Intake,
    thread: JoinHandle<Pos>,
}

impl LogWriter {
    /// A writing end.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    /// Waits until every intake is dropped and the log is closed; where it ends.
    #[must_use]
    pub fn join(self) -> Pos {
        let LogWriter { durable, intake, thread, .. } = self;
        drop(intake);
        thread.join().unwrap_or_else(|_| *durable.borrow())
    }
}

/// Opens a new log in `root`, which is created if it is missing. `carried` is what the logs before it know of their
/// sources; it is durable in the new log on return, unless that is waited for ([`Options::waits_for_room`]): then the log's
/// folder is not there yet.
///
/// # Errors
/// The folder cannot be created or written.
pub fn open(fs: &Arc<dyn Fs>, root: &Path, options: Options, carried: &SourceTable) -> Result<LogWriter, LogError> {
    open_with_room(fs, root, options, carried, None)
}

/// The same; `room` is asked before an append is refused for want of room.
///
/// # Errors
/// As [`open`].
pub fn open_with_room(
    fs: &Arc<dyn Fs>,
    root: &Path,
    options: Options,
    carried: &SourceTable,
    room: Option<Arc<dyn MakesRoom>>,
) -> Result<LogWriter, LogError> {
    fs::create_dirs(&**fs, root).map_err(LogError::io("create", root))?;
    folder::tidy(&**fs, root)?;
    let segment_bytes_max = options.segment_bytes_max.min(options.bytes_max / 4);
    let options = Options { segment_bytes_max, ..options };
    let (ends, durable) = watch::channel(Pos(0));
    let counters = Arc::new(LogCounters::default());
    let opening = Opening { fs: fs.clone(), root: root.to_owned(), options, carried: carried.clone(), room, ends };
    let (intake, appends) = Intake::channel();
    let (id, dir, work): (_, _, Box<dyn FnOnce() -> Pos + Send>) = match opening.open(&counters) {
        Ok((id, writer)) => (id, writer.dir().to_owned(), Box::new(move || run(writer, appends))),
        Err(error) if options.waits_for_room && error.is_no_room() => {
            let (id, counters) = (LogId::random(), counters.clone());
            (id, root.join(id.to_string()), Box::new(move || opening.wait(id, appends, &counters)))
        }
        Err(error) => return Err(error),
    };
    let room = counters.clone();
    let work = move || {
        let end = work();
        room.room.close();
        end
    };
    let thread =
        thread::Builder::new().name("log".to_owned()).spawn(work).map_err(LogError::io("start the thread of", &dir))?;
    Ok(LogWriter { id, dir, durable, counters, intake, thread })
}

/// What a log is opened with.
struct Opening {
    fs: Arc<dyn Fs>,
    root: PathBuf,
    options: Options,
    carried: SourceTable,
    room: Option<Arc<dyn MakesRoom>>,
    ends: watch::Sender<Pos>,
}

impl Opening {
    fn open(&self, counters: &Arc<LogCounters>) -> Result<(LogId, Writer), LogError> {
        let mut attempts = 1;
        loop {
            let id = LogId::random();
            match self.create(id, counters) {
                Ok(writer) => return Ok((id, writer)),
                Err(error) if attempts == ATTEMPTS_MAX || !was_tidied(&error) => return Err(error),
                Err(_) => attempts += 1,
            }
        }
    }

    fn create(&self, id: LogId, counters: &Arc<LogCounters>) -> Result<Writer, LogError> {
        let (carried, ends) = (self.carried.clone(), self.ends.clone());
        let mut writer = Writer::create(self.fs.clone(), &self.root, id, self.options, carried, ends)?;
        writer.room.clone_from(&self.room);
        Ok(writer.counted_in(counters.clone()))
    }

    /// Refuses everything until the disk has room for the log, and opens it then.
    fn wait(self, id: LogId, mut appends: mpsc::Receiver<Append>, counters: &Arc<LogCounters>) -> Pos {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            let why = match self.create(id, counters) {
                Ok(writer) => {
                    counters.room.taken();
                    // It ends with the log.
                    drop(self);
                    return run(writer, appends);
                }
                Err(error) if error.is_no_room() => NoRoom::Disk { free: self.fs.free_space(&self.root).unwrap_or(0) },
                Err(error) => NoRoom::Broken(error.to_string()),
            };
            // What the attempt left is in the way of the next.
            let _ = folder::tidy(&*self.fs, &self.root);
            counters.room.refused(why);
            let again = clock::instant() + ROOM_AGAIN;
            loop {
                match receive(&mut appends, Some(again), &waker) {
                    Received::Append(append) => {
                        counters.appends.fetch_add(1, Relaxed);
                        counters.failed.fetch_add(1, Relaxed);
                        let _ = append.answer.send(Err(AppendError::Full));
                    }
                    Received::Late => break,
                    Received::Closed => return Pos(0),
                }
            }
        }
    }
}

/// Another process took the half-made folder for one that a crash left.
fn was_tidied(error: &LogError) -> bool {
    match error {
        LogError::Alive { .. } => true,
        LogError::Io { cause, .. } => cause.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

enum Received {
    Append(Append),
    Late,
    Closed,
}

/// The next append, or [`Received::Late`] at a point in time: the channel's own blocking receive has none.
fn receive(appends: &mut mpsc::Receiver<Append>, until: Option<Instant>, waker: &Waker) -> Received {
    loop {
        match appends.poll_recv(&mut Context::from_waker(waker)) {
            Poll::Ready(Some(append)) => return Received::Append(append),
            Poll::Ready(None) => return Received::Closed,
            Poll::Pending => {}
        }
        match until.map(|until| until.saturating_duration_since(clock::instant())) {
            None => thread::park(),
            Some(Duration::ZERO) => return Received::Late,
            Some(left) => thread::park_timeout(left),
        }
    }
}

/// When the open group closes.
#[derive(Debug, Default)]
struct Pace {
    /// Appends of the group that somebody waits for.
    prompt: usize,
    prompt_since: Option<Instant>,
    relaxed_since: Option<Instant>,
    /// How many the last group had: so many are expected back.
    expected: usize,
    sync_took: Duration,
}

impl Pace {
    fn staged(&mut self, class: SyncClass) {
        match class {
            SyncClass::Prompt => {
                self.prompt += 1;
                self.prompt_since.get_or_insert_with(clock::instant);
            }
            SyncClass::Relaxed => {
                self.relaxed_since.get_or_insert_with(clock::instant);
            }
        }
    }

    /// `None` while nothing waits.
    fn due(&self) -> Option<Instant> {
        let company = if self.prompt < self.expected { self.sync_took.min(PROMPT_MAX) } else { Duration::ZERO };
        let prompt = self.prompt_since.map(|since| since + company);
        let relaxed = self.relaxed_since.map(|since| since + RELAXED_MAX);
        prompt.into_iter().chain(relaxed).min()
    }

    fn bytes_max(&self) -> usize {
        if self.prompt > 0 { GROUP_BYTES_MAX } else { UNSYNCED_BYTES_MAX }
    }

    fn close(&mut self, sync_took: Duration) {
        *self = Pace { expected: self.prompt, sync_took, ..Pace::default() };
    }
}

fn run(mut writer: Writer, mut appends: mpsc::Receiver<Append>) -> Pos {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut pace = Pace::default();
    loop {
        if writer.waiting() == 0 {
            writer.idle();
        }
        let again = || writer.is_unmarked().then(|| clock::instant() + MARK_AGAIN);
        match receive(&mut appends, pace.due().or_else(again), &waker) {
            Received::Append(first) => gather(&mut writer, &mut pace, first, &mut appends),
            Received::Late if writer.waiting() == 0 => writer.mark_again(),
            Received::Late => {}
            Received::Closed => break,
        }
        let full = writer.pending() >= pace.bytes_max();
        if full || pace.due().is_some_and(|due| due <= clock::instant()) {
            let begun = clock::instant();
            writer.commit();
            pace.close(clock::since(begun));
        }
    }
    writer.commit();
    writer.durable()
}

/// Stages an append and those queued behind it, and gives them to the file system in one write.
fn gather(writer: &mut Writer, pace: &mut Pace, first: Append, appends: &mut mpsc::Receiver<Append>) {
    let mut next = Some(first);
    let begun = clock::instant();
    while let Some(append) = next {
        let class = append.class;
        if writer.stage(append) {
            pace.staged(class);
        }
        let room = writer.pending() < pace.bytes_max() && clock::since(begun) < PROMPT_MAX;
        next = if room { appends.try_recv().ok() } else { None };
    }
    if writer.waiting() > 0 {
        writer.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Timestamp;
    use crate::flow::{Appended, Frame, Origin, RawBatch, Record, Span};
    use crate::fs::{RealFs, sim::SimFs};
    use crate::log::{Limit, News, Reader, list, remove, sources_of};

    fn batch(source: &str, span: Option<Span>, text: &str) -> RawBatch {
        RawBatch {
            origin: Arc::new(Origin { source: source.to_owned(), ..Origin::default() }),
            span,
            mark: None,
            received: Timestamp::from_millis(1),
            records: vec![Record::text(text.to_owned().into())],
        }
    }

    fn real_fs() -> Arc<dyn Fs> {
        Arc::new(RealFs)
    }

    fn real(root: &Path, options: Options) -> LogWriter {
        open(&real_fs(), root, options, &SourceTable::default()).unwrap()
    }

    fn frames(dir: &Path, limit: Limit) -> Vec<Frame> {
        let mut reader = Reader::open(&real_fs(), dir, Pos(0)).unwrap();
        std::iter::from_fn(|| reader.next(limit).unwrap()).collect()
    }

    #[test]
    fn what_is_answered_can_be_read_by_everybody() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("data/log");
        let log = real(&root, Options::default());
        let intake = log.intake();
        let pending: Vec<_> =
            (0..9).map(|i| intake.submit(batch("", None, &i.to_string()), SyncClass::Prompt).unwrap()).collect();
        let ends: Vec<Pos> = pending.into_iter().map(|pending| pending.wait().unwrap().end).collect();
        assert!(ends.is_sorted());
        assert!(*log.durable.borrow() >= ends[8]);
        for limit in [Limit::Durable(ends[8]), Limit::Marked, Limit::Everything] {
            let texts: Vec<_> = frames(&log.dir, limit).iter().map(|f| f.batch.records[0].bytes.clone()).collect();
            assert_eq!(texts, (0..9).map(|i: i32| i.to_string()).collect::<Vec<_>>(), "{limit:?}");
        }
        assert!(list(&RealFs, &root).unwrap()[0].alive);
        assert!(matches!(remove(&RealFs, &log.dir), Err(LogError::Alive { .. })));
        let dir = log.dir.clone();
        drop(intake);
        assert_eq!(log.join(), ends[8]);
        assert!(!list(&RealFs, &root).unwrap()[0].alive);
        remove(&RealFs, &dir).unwrap();
        assert_eq!(list(&RealFs, &root).unwrap(), []);
        assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0);
    }

    #[test]
    fn many_writers_lose_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let log = real(temp.path(), Options { segment_bytes_max: 4_000, ..Options::default() });
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let intake = log.intake();
                let class = if writer == 0 { SyncClass::Relaxed } else { SyncClass::Prompt };
                let work = move || {
                    for i in 0..50 {
                        let source = format!("source-{writer}");
                        let batch = batch(&source, Some(Span { from: i, to: i + 1 }), &i.to_string());
                        let pending = intake.submit(batch, class).unwrap();
                        if writer > 0 || i == 49 {
                            assert!(!pending.wait().unwrap().duplicate);
                        }
                    }
                };
                thread::Builder::new().spawn(work).unwrap()
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        let (dir, counters) = (log.dir.clone(), log.counters.clone());
        assert_eq!(frames(&dir, Limit::Marked).len(), 200);
        let _ = log.join();
        let counters: std::collections::BTreeMap<_, _> = counters.snapshot().into();
        assert_eq!((counters["appends"], counters["records"], counters["failed"]), (200, 200, 0));
        assert!(counters["segments"] > 2);
        let table = sources_of(&real_fs(), &dir).unwrap();
        let next = open(&real_fs(), temp.path(), Options::default(), &table).unwrap();
        let again = batch("source-2", Some(Span { from: 3, to: 9 }), "again");
        let answer = next.intake().submit(again, SyncClass::Prompt).unwrap().wait();
        assert_eq!(answer, Ok(Appended { log: next.id, end: Pos(0), duplicate: true }));
    }

    #[test]
    fn logs_with_one_limit_share_it() {
        let temp = tempfile::tempdir().unwrap();
        let options = Options { bytes_max: 16_000, together: true, ..Options::default() };
        let fill = |log: &LogWriter| {
            let append = || log.intake().submit(batch("", None, &"x".repeat(300)), SyncClass::Prompt).unwrap().wait();
            (0..).find(|_| append() == Err(AppendError::Full)).unwrap()
        };
        let dead = real(temp.path(), Options { bytes_max: 8_000, ..options });
        let first = fill(&dead);
        let _ = dead.join();
        let log = real(temp.path(), options);
        let second = fill(&log);
        assert!(first > 10 && second > 10 && first + second < 48, "{first} {second}");
    }

    #[test]
    fn a_disk_keeps_the_room_that_it_must() {
        let sim = SimFs::new(1);
        let fs: Arc<dyn Fs> = Arc::new(sim.clone());
        let options = Options { free_bytes_min: 1 << 20, ..Options::default() };
        let log = open(&fs, Path::new("/log"), options, &SourceTable::default()).unwrap();
        let append = || log.intake().submit(batch("", None, &"x".repeat(300 << 10)), SyncClass::Prompt).unwrap().wait();
        append().unwrap();
        sim.set_free_space(1 << 20);
        let taken = (0..).find(|_| append() == Err(AppendError::Full)).unwrap();
        assert!(taken <= 14, "{taken} batches before it looked");
        assert_eq!(log.counters.room.why(), Some(NoRoom::Reserve { free: 1 << 20, free_min: 1 << 20 }));
        // Once all of it is needed no more, nothing holds the room.
        assert!(crate::log::trim(&sim, &log.dir, *log.durable.borrow()).unwrap() > 0);
        assert!(folder::bytes(&sim, &log.dir).unwrap() < 1_000);
        sim.set_free_space(2 << 20);
        append().unwrap();
        assert_eq!(log.counters.room.why(), None);
    }

    #[test]
    fn a_log_waits_for_a_disk_that_has_no_room_for_it() {
        let sim = SimFs::new(1);
        let fs: Arc<dyn Fs> = Arc::new(sim.clone());
        let root = Path::new("/log");
        let dead = open(&fs, root, Options::default(), &SourceTable::default()).unwrap();
        let first = batch("a", Some(Span { from: 0, to: 9 }), "first");
        dead.intake().submit(first.clone(), SyncClass::Prompt).unwrap().wait().unwrap();
        let table = sources_of(&fs, &{
            let dir = dead.dir.clone();
            let _ = dead.join();
            dir
        })
        .unwrap();
        let without_room = |options| {
            (0..20).for_each(|op| sim.inject(sim.ops() + op, crate::fs::sim::Fault::NoSpace));
            open(&fs, root, options, &table)
        };
        assert!(without_room(Options::default()).unwrap_err().is_no_room());
        let log = without_room(Options { waits_for_room: true, ..Options::default() }).unwrap();
        let append = || log.intake().submit(first.clone(), SyncClass::Prompt).unwrap().wait();
        assert_eq!(append(), Err(AppendError::Full));
        assert_eq!(log.counters.room.wait(), News::Refused(NoRoom::Disk { free: sim.free_space(root).unwrap() }));
        sim.heal();
        let answer = std::iter::repeat_with(append).find(|answer| *answer != Err(AppendError::Full)).unwrap();
        assert_eq!(answer, Ok(Appended { log: log.id, end: Pos(0), duplicate: true }), "it carries on what was known");
        assert_eq!(log.counters.room.why(), None);
    }

    #[test]
    fn a_full_log_says_so_until_it_is_trimmed() {
        let temp = tempfile::tempdir().unwrap();
        let log = real(temp.path(), Options { bytes_max: 8_000, ..Options::default() });
        let append = || log.intake().submit(batch("", None, &"x".repeat(300)), SyncClass::Prompt).unwrap().wait();
        let mut end = Pos(0);
        let error = loop {
            match append() {
                Ok(appended) => end = appended.end,
                Err(error) => break error,
            }
        };
        assert_eq!(error, AppendError::Full);
        assert_eq!(log.counters.room.why(), Some(NoRoom::Limit { bytes_max: 8_000 }));
        let look = |bytes| {
            let options = Options { bytes_max: 8_000, ..Options::default() };
            crate::log::look_for_room(&RealFs, temp.path(), &options, bytes).unwrap()
        };
        assert_eq!(look(400), Some(NoRoom::Limit { bytes_max: 8_000 }));
        assert!(crate::log::trim(&RealFs, &log.dir, end).unwrap() > 0);
        assert_eq!(look(400), None);
        append().unwrap();
        assert_eq!(log.counters.room.wait_for_quiet(Duration::ZERO), News::Quiet);
        let lost = Reader::open(&real_fs(), &log.dir, Pos(0));
        assert!(matches!(lost, Err(LogError::Gap { wanted: Pos(0), .. })));
        assert_eq!(append().map(|appended| appended.duplicate), Ok(false));
    }

    #[test]
    fn batches_that_are_too_large_are_refused_alone() {
        let temp = tempfile::tempdir().unwrap();
        let log = real(temp.path(), Options::default());
        let submit = |batch| log.intake().submit(batch, SyncClass::Prompt).unwrap().wait().map(|_| ());
        let record = Record::text(vec![b'x'; crate::flow::FRAME_BYTES_MAX].into());
        let largest = RawBatch { records: vec![record.clone()], ..batch("", None, "") };
        let larger = RawBatch { records: vec![record, Record::text("x".into())], ..batch("", None, "") };
        assert_eq!(submit(largest), Ok(()));
        assert_eq!(submit(larger), Err(AppendError::TooLarge));
        assert_eq!(submit(batch(&"s".repeat(257), None, "")), Err(AppendError::TooLarge));
        assert_eq!(submit(batch(&"s".repeat(256), None, "")), Ok(()));
        assert_eq!(frames(&log.dir, Limit::Marked).len(), 2);
    }

    #[test]
    fn groups_close_when_their_company_is_there_or_late() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(), None);
        pace.staged(SyncClass::Relaxed);
        assert_eq!(pace.due(), pace.relaxed_since.map(|since| since + RELAXED_MAX));
        pace.staged(SyncClass::Prompt);
        assert_eq!(pace.due(), pace.prompt_since);
        pace.staged(SyncClass::Prompt);
        pace.close(Duration::from_secs(1));
        assert_eq!(pace.due(), None);
        pace.staged(SyncClass::Prompt);
        assert_eq!(pace.due(), pace.prompt_since.map(|since| since + PROMPT_MAX));
        pace.staged(SyncClass::Prompt);
        assert_eq!(pace.due(), pace.prompt_since);
    }
}
