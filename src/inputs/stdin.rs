//! The pipe: `app | logship`; with a reader for each of its streams also a program that is run ([`super::process`]).
//!
//! Two threads. The *reader* reads, passes the bytes on to stdout and hands them over; the *framer* cuts records and gives
//! them to the log. The app comes first: when storing stalls for longer than [`HANDOVER_WAIT`], bytes are passed on, counted
//! and not stored; the framer learns where they are missing, so that no two halves of lines become one. Memory: at most
//! [`CHUNKS_QUEUED_MAX`] chunks of [`CHUNK_BYTES`], for each stream one unfinished record, and [`UNANSWERED_BYTES_MAX`] of
//! batches on their way to the disk.

use super::{
    notice,
    streams::{JOINED_IDLE, Streams},
};
use crate::{
    clock,
    codecs::lines::Gap,
    flow::{AppendError, Intake, Origin, Pending, RawBatch, Record, SyncClass},
};
use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use std::{
    collections::VecDeque,
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Bytes read at once: the size of a pipe.
pub const CHUNK_BYTES: usize = 64 << 10;
/// Chunks between reader and framer.
pub const CHUNKS_QUEUED_MAX: usize = 64;
/// How long the reader waits for a stalled log before it goes on without storing.
pub const HANDOVER_WAIT: Duration = Duration::from_secs(2);
/// Batches given to the log and not answered yet, [`BATCH_COST`] counted for each beside its bytes.
pub const UNANSWERED_BYTES_MAX: usize = 8 << 20;
/// What a batch costs beside its bytes. An app that writes to stdout and stderr by turns makes small ones.
const BATCH_COST: usize = 2 << 10;
/// A batch is handed to the log when it has this many bytes: its events, which take ten times as much, then fit the
/// processor's cache,
const BATCH_BYTES: usize = 128 << 10;
/// or when its first record is this old.
const BATCH_WAIT: Duration = Duration::from_millis(50);
/// Most records of a batch.
const BATCH_RECORDS_MAX: usize = 16_384;
/// At a stop the reader may still be passing on a chunk: it comes this soon.
const LAST_CHUNK_WAIT: Duration = Duration::from_millis(50);

/// What went through the pipe.
#[derive(Debug, Default)]
pub struct PipeCounters {
    /// What is read: `stdin`, `process`.
    pub input: &'static str,
    /// Reads that brought bytes.
    pub reads: AtomicU64,
    /// Records cut from the input.
    pub records: AtomicU64,
    /// Records that are durable.
    pub stored: AtomicU64,
    /// Records that could not be stored.
    pub not_stored: AtomicU64,
    /// Lines of those, and lines of which at least a byte was passed on without being framed.
    pub lines_not_stored: AtomicU64,
    /// Bytes that were passed on without being framed, because storing stalled.
    pub bytes_not_framed: AtomicU64,
    /// Bytes cut from overlong lines.
    pub truncated_bytes: AtomicU64,
    /// Lost lines that no event among the others tells of, once all was read.
    pub untold: AtomicU64,
}

impl PipeCounters {
    /// Those of an input of that name.
    #[must_use]
    pub fn of(input: &'static str) -> PipeCounters {
        PipeCounters { input, ..PipeCounters::default() }
    }

    fn lost(&self, records: u64, lines: u64) {
        self.not_stored.fetch_add(records, Ordering::Relaxed);
        self.lines_not_stored.fetch_add(lines, Ordering::Relaxed);
    }
}

/// Bytes on their way from the reader to the framer.
#[derive(Debug)]
pub struct Chunk {
    /// The stream that they are of: an index of the framer's origins.
    stream: usize,
    /// In order of arrival over all streams.
    number: u64,
    /// What is missing before them.
    gap: Option<Gap>,
    bytes: Bytes,
}

/// The first half: passes bytes on and hands them to the framer.
#[derive(Debug)]
pub struct Reader {
    stream: usize,
    chunks: Sender<Chunk>,
    counters: Arc<PipeCounters>,
    handover_wait: Duration,
    /// What is missing since the last chunk that the framer was given.
    gap: Option<Gap>,
    /// Bytes of the unfinished line are missing, and it has been counted.
    line_counted: bool,
}

impl Reader {
    /// A reader of the stream with that number, which feeds the framer at the other end of `chunks`.
    #[must_use]
    pub fn new(stream: usize, chunks: Sender<Chunk>, counters: Arc<PipeCounters>) -> Reader {
        Reader { stream, chunks, counters, handover_wait: HANDOVER_WAIT, gap: None, line_counted: false }
    }

    /// Reads to the end of the input or until `stop` is set; `pass` sees the bytes first, as they come. What comes after the
    /// stop is neither passed on nor stored, so that whoever saw a line can search it.
    ///
    /// # Errors
    /// Reading failed. What was read before is framed and stored as if the input had ended.
    pub fn run(
        &mut self,
        mut input: impl Read,
        stop: &AtomicBool,
        pass: &mut dyn FnMut(&Bytes),
    ) -> std::io::Result<()> {
        let mut buffer = vec![0; CHUNK_BYTES];
        let outcome = loop {
            match input.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(_) if stop.load(Ordering::Acquire) => break Ok(()),
                Ok(count) => {
                    let number = self.counters.reads.fetch_add(1, Ordering::AcqRel);
                    let bytes = Bytes::copy_from_slice(&buffer[..count]);
                    pass(&bytes);
                    self.hand_over(number, bytes);
                }
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                Err(cause) => break Err(cause),
            }
        };
        self.end();
        outcome
    }

    /// The framer learns of the last gap when it has room: nobody is kept waiting any more.
    fn end(&mut self) {
        if self.gap.is_some() {
            // Its end is no loss: it was asked to stop.
            let _ = self.chunks.send(Chunk {
                stream: self.stream,
                number: self.counters.reads.load(Ordering::Acquire),
                gap: self.gap,
                bytes: Bytes::new(),
            });
        }
    }

    fn hand_over(&mut self, number: u64, bytes: Bytes) {
        let ends_line = self.line_counted && memchr::memchr(b'\n', &bytes).is_some();
        let chunk = Chunk { stream: self.stream, number, gap: self.gap, bytes };
        match self.chunks.send_timeout(chunk, self.handover_wait) {
            Ok(()) => {
                self.gap = None;
                self.line_counted &= !ends_line;
            }
            Err(rejected) => self.lose(&rejected.into_inner().bytes),
        }
    }

    /// Counts each line once of which a byte is missing.
    fn lose(&mut self, bytes: &[u8]) {
        let mut lost = Gap::default();
        lost.extend(bytes);
        let touched = lost.line_ends() + u64::from(lost.ends_inside_line());
        self.counters.lost(0, touched.saturating_sub(u64::from(self.line_counted)));
        self.counters.bytes_not_framed.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.line_counted = lost.ends_inside_line();
        self.gap.get_or_insert_default().extend(bytes);
    }
}

fn line_ends(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// A batch that the log has been given.
#[derive(Debug)]
struct Unanswered {
    pending: Pending,
    records: u64,
    lines: u64,
    cost: usize,
    /// It tells of so many lost lines.
    tells: u64,
}

/// The second half: chunks to records to the log.
#[derive(Debug)]
pub struct Framer {
    chunks: Receiver<Chunk>,
    intake: Option<Intake>,
    counters: Arc<PipeCounters>,
    streams: Streams,
    unanswered: VecDeque<Unanswered>,
    unanswered_bytes: usize,
    first_failure: Option<AppendError>,
    /// Lost lines that were told, and whose they are.
    told: u64,
    about: Arc<Origin>,
}

impl Framer {
    /// A framer of the streams with these origins. Without an intake everything counts as not stored.
    #[must_use]
    pub fn new(
        chunks: Receiver<Chunk>,
        intake: Option<Intake>,
        origins: Vec<Origin>,
        counters: Arc<PipeCounters>,
    ) -> Framer {
        let about = Arc::new(Origin { stream: None, format: None, ..origins.first().cloned().unwrap_or_default() });
        Framer {
            chunks,
            intake,
            counters,
            streams: Streams::new(origins),
            unanswered: VecDeque::new(),
            unanswered_bytes: 0,
            first_failure: None,
            told: 0,
            about,
        }
    }

    /// Runs until the input ends or `stop` is set, then waits until every record is durable or known to be lost. Returns
    /// why the first lost records were lost.
    pub fn run(mut self, stop: &AtomicBool) -> Option<AppendError> {
        let mut waiting_since: Option<Instant> = None;
        let mut aged_at = clock::instant();
        loop {
            let patience = match waiting_since {
                Some(since) => BATCH_WAIT.saturating_sub(clock::since(since)),
                None => self.streams.settles_in().unwrap_or(Duration::from_millis(200)),
            };
            let ended = match self.chunks.recv_timeout(patience) {
                Ok(chunk) => {
                    self.push(&chunk);
                    stop.load(Ordering::Acquire)
                }
                Err(RecvTimeoutError::Timeout) => stop.load(Ordering::Acquire),
                Err(RecvTimeoutError::Disconnected) => true,
            };
            self.streams.settle_quiet();
            // A silent stream among busy ones has its records, too.
            if clock::since(aged_at) >= JOINED_IDLE {
                self.streams.age();
                aged_at = clock::instant();
                self.tell(false);
            }
            if ended {
                // What was read before the stop is kept. It ends, since each reader adds at most one chunk more.
                while let Ok(chunk) = self.chunks.recv_timeout(LAST_CHUNK_WAIT) {
                    self.push(&chunk);
                }
                break;
            }
            waiting_since = self.streams.has_free().then(|| waiting_since.unwrap_or_else(clock::instant));
            let old = waiting_since.is_some_and(|since| clock::since(since) >= BATCH_WAIT);
            let full = self.streams.ready_bytes() >= BATCH_BYTES || self.streams.ready_records() >= BATCH_RECORDS_MAX;
            if old || full {
                self.hand_over(full);
                waiting_since = None;
            }
            self.collect_answers(UNANSWERED_BYTES_MAX);
        }
        self.streams.finish();
        self.hand_over(true);
        self.tell(true);
        self.collect_answers(0);
        self.tell_losses();
        self.collect_answers(0);
        let lost = self.counters.lines_not_stored.load(Ordering::Relaxed);
        self.counters.untold.store(lost.saturating_sub(self.told), Ordering::Relaxed);
        self.first_failure
    }

    /// What was dropped by a rate limit; a log that is gone is told of by the records that it does not take.
    fn tell(&self, all: bool) {
        let _ = self.intake.as_ref().map(|intake| intake.tell(all));
    }

    fn push(&mut self, chunk: &Chunk) {
        self.streams.push(chunk.stream, chunk.number, chunk.gap, &chunk.bytes);
    }

    /// Gives the log what is finished; `all` also where order would have it wait.
    fn hand_over(&mut self, all: bool) {
        self.counters.truncated_bytes.store(self.streams.truncated_bytes(), Ordering::Relaxed);
        while let Some((origin, records)) = self.streams.take(BATCH_RECORDS_MAX, all) {
            self.counters.records.fetch_add(records.len() as u64, Ordering::Relaxed);
            let (count, lines) = (records.len() as u64, lines_of(&records));
            let cost = BATCH_COST + records.iter().map(|record| record.bytes.len()).sum::<usize>();
            let batch = RawBatch { origin, span: None, mark: None, received: clock::now(), records };
            self.collect_answers(UNANSWERED_BYTES_MAX.saturating_sub(cost));
            let submitted = match &self.intake {
                Some(intake) => intake.submit(batch, SyncClass::Relaxed),
                None => Err(AppendError::Closed),
            };
            match submitted {
                Ok(pending) => {
                    self.unanswered_bytes += cost;
                    self.unanswered.push_back(Unanswered { pending, records: count, lines, cost, tells: 0 });
                }
                Err(failure) => self.failed(failure, count, lines),
            }
        }
    }

    /// There is room again: says what was lost for want of it.
    fn tell_losses(&mut self) {
        let lines = self.counters.lines_not_stored.load(Ordering::Relaxed);
        let lost = lines - std::mem::replace(&mut self.told, lines);
        let (Some(intake), true) = (&self.intake, lost > 0) else { return };
        let why = self.first_failure.as_ref().map_or("storing took too long".to_owned(), ToString::to_string);
        let records = vec![notice::lost(lost, "lines of the program", &why)];
        let batch = RawBatch { origin: self.about.clone(), span: None, mark: None, received: clock::now(), records };
        match intake.submit(batch, SyncClass::Relaxed) {
            Ok(pending) => {
                self.unanswered_bytes += BATCH_COST;
                self.unanswered.push_back(Unanswered { pending, records: 0, lines: 0, cost: BATCH_COST, tells: lost });
            }
            Err(_) => self.told -= lost,
        }
    }

    fn failed(&mut self, failure: AppendError, records: u64, lines: u64) {
        self.counters.lost(records, lines);
        self.first_failure.get_or_insert(failure);
    }

    /// Takes the answers that have come; waits while batches of more than `unanswered_max` bytes miss theirs.
    fn collect_answers(&mut self, unanswered_max: usize) {
        while let Some(Unanswered { pending, records, lines, cost, tells }) = self.unanswered.pop_front() {
            let answer = if self.unanswered_bytes > unanswered_max {
                pending.wait()
            } else {
                match pending.try_answer() {
                    Ok(answer) => answer,
                    Err(pending) => {
                        return self.unanswered.push_front(Unanswered { pending, records, lines, cost, tells });
                    }
                }
            };
            self.unanswered_bytes -= cost;
            match answer {
                Ok(_) => {
                    let notices = u64::from(tells > 0);
                    self.counters.records.fetch_add(notices, Ordering::Relaxed);
                    self.counters.stored.fetch_add(records + notices, Ordering::Relaxed);
                    self.tell_losses();
                }
                // It is told when there is room.
                Err(_) if tells > 0 => self.told -= tells,
                Err(failure) => self.failed(failure, records, lines),
            }
        }
    }
}

fn lines_of(records: &[Record]) -> u64 {
    records.iter().map(|record| 1 + line_ends(&record.bytes)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Appended, LogId, Pos};

    /// Runs the pipe over `input` against a log that answers each append with `answer`.
    fn run(input: &[u8], answer: Result<(), AppendError>) -> (Arc<PipeCounters>, Vec<Vec<u8>>, Option<AppendError>) {
        let counters = Arc::new(PipeCounters::default());
        let (sender, chunks) = crossbeam_channel::bounded(CHUNKS_QUEUED_MAX);
        let framing = {
            let counters = counters.clone();
            std::thread::Builder::new().spawn(move || frame(chunks, counters, answer)).unwrap()
        };
        let mut passed = Vec::new();
        Reader::new(0, sender, counters.clone())
            .run(input, &AtomicBool::new(false), &mut |bytes| passed.extend_from_slice(bytes))
            .unwrap();
        assert_eq!(passed, input);
        let (records, failure) = framing.join().unwrap();
        (counters, records.into_iter().map(|record| record.bytes.to_vec()).collect(), failure)
    }

    /// Frames all chunks; what the log was given.
    fn frame(
        chunks: Receiver<Chunk>,
        counters: Arc<PipeCounters>,
        answer: Result<(), AppendError>,
    ) -> (Vec<Record>, Option<AppendError>) {
        let (intake, mut appends) = Intake::channel();
        let log = std::thread::Builder::new()
            .spawn(move || {
                let mut records = Vec::new();
                while let Some(append) = appends.blocking_recv() {
                    records.extend(append.batch.records);
                    let position = Appended { log: LogId::from_bits(1), end: Pos(1), duplicate: false };
                    let _ = append.answer.send(answer.clone().map(|()| position));
                }
                records
            })
            .unwrap();
        let framer = Framer::new(chunks, Some(intake), vec![Origin::default()], counters);
        let failure = framer.run(&AtomicBool::new(false));
        (log.join().unwrap(), failure)
    }

    /// Comes in these pieces, then ends as it says.
    struct Pieces<'p> {
        pieces: &'p [&'p [u8]],
        end: Option<std::io::ErrorKind>,
    }

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Some((piece, rest)) = self.pieces.split_first() else {
                return self.end.map_or(Ok(0), |kind| Err(kind.into()));
            };
            self.pieces = rest;
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn load(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }

    #[test]
    fn every_record_is_answered_for() {
        let (counters, texts, failure) = run(b"a\nb\nc", Ok(()));
        assert_eq!(texts, [b"a", b"b", b"c"]);
        assert_eq!((load(&counters.records), load(&counters.stored), failure), (3, 3, None));
    }

    #[test]
    fn what_a_stalled_log_misses_is_counted_and_not_glued() {
        // Pieces between tildes come while the queue is full.
        let check = |stream: &str, stored: &[(&str, bool)], lines_lost: u64, bytes_lost: u64| {
            let counters = Arc::new(PipeCounters::default());
            let (sender, queue) = crossbeam_channel::bounded(1);
            let (framer_sender, framed) = crossbeam_channel::bounded(16);
            let take = || queue.try_iter().for_each(|chunk| framer_sender.send(chunk).unwrap());
            let mut reader = Reader::new(0, sender, counters.clone());
            reader.handover_wait = Duration::ZERO;
            for (number, piece) in stream.split('~').enumerate() {
                if number % 2 == 0 {
                    take();
                }
                reader.hand_over(number as u64, Bytes::copy_from_slice(piece.as_bytes()));
            }
            take();
            reader.end();
            take();
            drop(framer_sender);
            let (records, failure) = frame(framed, counters.clone(), Ok(()));
            let (notices, records): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| record.kind.json);
            assert_eq!(notices.is_empty(), lines_lost == 0, "{stream}");
            let found: Vec<_> =
                records.iter().map(|r| (std::str::from_utf8(&r.bytes).unwrap(), r.kind.truncated)).collect();
            assert_eq!(found, stored, "{stream}");
            let lost = (load(&counters.lines_not_stored), load(&counters.bytes_not_framed), failure);
            assert_eq!(lost, (lines_lost, bytes_lost, None), "{stream}");
        };
        check("a\nb\n", &[("a", false), ("b", false)], 0, 0);
        check("a\n~b\nc\n~d\n", &[("a", false), ("d", false)], 2, 4);
        check("one li~ne of many pie~ces\nb\n", &[("one li", true), ("ces", true), ("b", false)], 1, 14);
        check("a~b~c~d~e\nf~g~\n", &[("a", true), ("c", true), ("e", true), ("f", true)], 2, 3);
        check("a~b\nc~", &[("a", true)], 2, 3);
    }

    #[test]
    fn a_failed_read_is_told_and_what_came_before_it_is_kept() {
        let counters = Arc::new(PipeCounters::default());
        let (sender, chunks) = crossbeam_channel::bounded(CHUNKS_QUEUED_MAX);
        let input = Pieces { pieces: &[b"a\n", b"b"], end: Some(std::io::ErrorKind::ConnectionReset) };
        let outcome = Reader::new(0, sender, counters.clone()).run(input, &AtomicBool::new(false), &mut |_| {});
        assert_eq!(outcome.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        let (records, _) = frame(chunks, counters.clone(), Ok(()));
        assert_eq!(records.iter().map(|record| &record.bytes[..]).collect::<Vec<_>>(), [b"a", b"b"]);
        assert_eq!(load(&counters.stored), 2);
    }

    #[test]
    fn what_was_lost_is_told_when_there_is_room_again() {
        let counters = Arc::new(PipeCounters::default());
        let (sender, chunks) = crossbeam_channel::bounded(CHUNKS_QUEUED_MAX);
        let (intake, mut appends) = Intake::channel();
        let log = std::thread::Builder::new()
            .spawn(move || {
                let mut stored = Vec::new();
                // The first batch finds no room.
                for turn in 0.. {
                    let Some(append) = appends.blocking_recv() else { break };
                    let position = Appended { log: LogId::from_bits(1), end: Pos(1), duplicate: false };
                    let _ = append.answer.send(if turn == 0 { Err(AppendError::Full) } else { Ok(position) });
                    stored.extend((turn > 0).then_some(append.batch.records).into_iter().flatten());
                }
                stored
            })
            .unwrap();
        let lines = "x\n".repeat(BATCH_RECORDS_MAX + 5);
        let reading = std::thread::Builder::new()
            .spawn({
                let counters = counters.clone();
                move || Reader::new(0, sender, counters).run(lines.as_bytes(), &AtomicBool::new(false), &mut |_| {})
            })
            .unwrap();
        let framer = Framer::new(chunks, Some(intake), vec![Origin::default()], counters.clone());
        assert_eq!(framer.run(&AtomicBool::new(false)), Some(AppendError::Full));
        reading.join().unwrap().unwrap();
        let stored = log.join().unwrap();
        let notices: Vec<_> = stored.iter().filter(|record| record.kind.json).collect();
        assert_eq!(notices.len(), 1, "{stored:?}");
        let lost = load(&counters.lines_not_stored);
        let said: serde_json::Value = serde_json::from_slice(&notices[0].bytes).unwrap();
        assert_eq!((said["logship"]["lost"].as_u64(), lost > 0), (Some(lost), true), "{said}");
        assert_eq!(load(&counters.records), load(&counters.stored) + load(&counters.not_stored));
        assert_eq!(load(&counters.stored), stored.len() as u64);
    }

    #[test]
    fn a_full_log_stops_no_byte_and_every_lost_line_is_counted() {
        let (counters, _, failure) =
            run(b"x\njava.lang.IllegalStateException: y\n\tat a.b(C.java:1)\nz\n", Err(AppendError::Full));
        assert_eq!(failure, Some(AppendError::Full));
        assert_eq!(load(&counters.records), load(&counters.not_stored));
        assert_eq!((load(&counters.lines_not_stored), load(&counters.stored)), (4, 0));
    }
}
