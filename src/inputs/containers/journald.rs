//! systemd's journal, as `journalctl -o export -f` tells it.
//!
//! Each entry is a record of JSON, which is read as what `journalctl -o json` writes. `journalctl` runs as a child and
//! is started again when it ends.
//!
//! **Each entry once.** A cursor begins with the id of a sequence and the entry's number in it, in all versions of
//! systemd. The sequence is the source of a batch, and the numbers are its span, so the log itself knows how far the
//! journal is durable, in the same write as the entries. The cursor of the last durable entry is kept in a file
//! besides, at most [`CURSOR_WAIT`] old, only so that a restart need not read all of the journal: what it repeats is
//! left out by number. So a cursor that a crash took costs time and doubles nothing. A cursor without a number has no
//! span: entries after it may come twice after a crash.
//!
//! Limits: [`CHUNKS_MAX`] chunks of [`CHUNK_BYTES`] wait, one entry and one batch are in memory. A killed process
//! leaves its `journalctl` behind until the next entry, whose writing fails.

use super::{
    BATCH_BYTES, BATCH_RECORDS_MAX, BATCH_WAIT, FULL_WAIT, RETRY_WAITS,
    child::{Child, Ended},
    export::{Entry, Export},
    read_bounded, urgency,
};
use crate::{
    clock,
    flow::{AppendError, Intake, Origin, RawBatch, Record, RecordKind, Shutdown, Span},
    inputs::counters::{Dropped, InputCounters},
    log::SourceTable,
};
use bytes::Bytes;
use crossbeam_channel::RecvTimeoutError;
use std::{
    collections::HashMap,
    ffi::OsString,
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Chunks of the child's output that wait for the log.
pub const CHUNKS_MAX: usize = 16;
/// Bytes read at once.
pub const CHUNK_BYTES: usize = 64 << 10;
/// How old the kept cursor may be.
pub const CURSOR_WAIT: Duration = Duration::from_secs(1);
/// Most sequences that are known; a journal has one for each machine that wrote to it, and a new one where it was lost.
pub const SEQUENCES_MAX: usize = 1_000;
/// A machine without `journalctl` is looked at again after this.
pub const ABSENT_WAIT: Duration = Duration::from_secs(60);
/// What the keys of this input's sources begin with; the id of the sequence follows.
pub const SOURCE: &str = "journald:";

/// The longest cursor that is kept.
const CURSOR_BYTES_MAX: u64 = 4_096;
/// How soon a stop is noticed.
const STOP_WAIT: Duration = Duration::from_millis(250);

/// How the journal is read.
#[derive(Clone, Debug)]
pub struct JournaldOptions {
    /// `journalctl`.
    pub program: PathBuf,
    /// The file that holds the cursor.
    pub cursor: PathBuf,
    /// The folder of the journal, where it is not the machine's own.
    pub directory: Option<PathBuf>,
    /// Only these units.
    pub units: Vec<String>,
    /// Where nothing was read before, read only what comes from now on.
    pub from_end: bool,
}

impl JournaldOptions {
    /// All of this machine's journal, with the cursor in that file.
    #[must_use]
    pub fn new(cursor: PathBuf) -> JournaldOptions {
        let program = PathBuf::from("journalctl");
        JournaldOptions { program, cursor, directory: None, units: Vec::new(), from_end: false }
    }

    fn arguments(&self, cursor: Option<&str>) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            ["--output=export", "--follow", "--all", "--no-pager"].map(OsString::from).into();
        // Without one of these it begins with the last ten entries.
        let all = cursor.is_some() || !self.from_end;
        arguments.push(if all { "--no-tail" } else { "--lines=0" }.into());
        arguments.extend(cursor.map(|cursor| format!("--after-cursor={cursor}").into()));
        arguments.extend(self.units.iter().map(|unit| format!("--unit={unit}").into()));
        if let Some(directory) = &self.directory {
            arguments.push("--directory".into());
            arguments.push(directory.into());
        }
        arguments
    }
}

/// The input.
#[derive(Debug)]
pub struct Journald {
    options: JournaldOptions,
    intake: Intake,
    shutdown: Shutdown,
    counters: Arc<InputCounters>,
    /// How far each sequence is durable.
    ends: HashMap<String, u64>,
    /// The cursor of the last durable entry, and whether the file has it.
    cursor: Option<String>,
    kept: bool,
    kept_at: Option<Instant>,
    /// The sequence of which `journalctl` may repeat something.
    repeating: HashMap<String, u64>,
    gathered: Gathered,
}

/// The entries of the next batch.
#[derive(Debug, Default)]
struct Gathered {
    source: String,
    records: Vec<Record>,
    bytes: usize,
    /// One past the highest number.
    to: u64,
    cursor: Option<String>,
    since: Option<Instant>,
}

impl Journald {
    /// Goes on where `table` and the kept cursor say.
    #[must_use]
    pub fn new(options: JournaldOptions, intake: Intake, table: &SourceTable, shutdown: Shutdown) -> Journald {
        let ours = table.iter().filter(|(source, _)| source.starts_with(SOURCE)).take(SEQUENCES_MAX);
        let ends = ours.map(|(source, state)| (source.to_owned(), state.positions.end())).collect();
        let kept = read_bounded(&options.cursor, CURSOR_BYTES_MAX).ok();
        let cursor = kept.and_then(|text| String::from_utf8(text).ok()).map(|text| text.trim().to_owned());
        Journald {
            cursor: cursor.filter(|cursor| place_of(cursor).is_some()),
            options,
            intake,
            shutdown,
            counters: Arc::default(),
            ends,
            kept: true,
            kept_at: None,
            repeating: HashMap::new(),
            gathered: Gathered::default(),
        }
    }

    /// What went through.
    #[must_use]
    pub fn counters(&self) -> Arc<InputCounters> {
        self.counters.clone()
    }

    /// Reads until the shutdown, on a thread of its own. What has come before is durable then.
    pub fn run(mut self) {
        let (shortest, longest) = RETRY_WAITS;
        let mut wait = shortest;
        while !self.shutdown.requested() {
            let before = self.counters.snapshot().received;
            match self.follow() {
                Ok(ControlFlow::Break(())) => break,
                Ok(ControlFlow::Continue(())) => {}
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                    let program = self.options.program.display();
                    self.counters.failed_aloud(format!(
                        "{program}: not found: the journal is not read; install it (systemd), or leave this input out"
                    ));
                    wait = ABSENT_WAIT;
                }
                Err(cause) => {
                    self.counters.failed_aloud(format!("cannot run {}: {cause}", self.options.program.display()))
                }
            }
            let read = self.counters.snapshot().received > before;
            wait = if read { shortest } else { wait };
            self.pause(wait);
            wait = (wait * 2).min(longest);
        }
        self.keep_cursor(true);
    }

    /// One life of `journalctl`.
    fn follow(&mut self) -> io::Result<ControlFlow<()>> {
        let cursor = self.cursor.clone();
        // Right behind what is durable nothing is repeated.
        let exact = cursor.as_deref().and_then(place_of);
        self.repeating = self.ends.clone();
        self.repeating
            .retain(|source, end| exact.as_ref().is_none_or(|exact| (source, *end) != (&exact.0, exact.1 + 1)));
        let child = Child::start(&self.options.program, &self.options.arguments(cursor.as_deref()))?;
        let mut export = Export::default();
        let mut any = false;
        let stopped = loop {
            let wait = if self.gathered.records.is_empty() && self.kept { STOP_WAIT } else { BATCH_WAIT };
            match child.chunks().recv_timeout(wait) {
                Ok(chunk) => {
                    any = true;
                    let mut entries = Vec::new();
                    export.push(&chunk, &mut |entry| entries.push(entry));
                    if entries.into_iter().any(|entry| self.take(&entry).is_break()) {
                        break true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break self.hand_over().is_break(),
            }
            let due = self.gathered.since.is_some_and(|since| clock::since(since) >= BATCH_WAIT);
            let stop = self.shutdown.requested();
            let closed = (due || stop) && self.hand_over().is_break();
            if closed || stop {
                break true;
            }
            self.keep_cursor(false);
        };
        self.counters.truncated(export.cut_bytes());
        let Ended { success, said } = child.end(!stopped);
        if stopped {
            return Ok(ControlFlow::Break(()));
        }
        self.counters.failed_aloud(format!("{} ended: {said}; it is started again", self.options.program.display()));
        if !any && !success && self.cursor.take().is_some() {
            // It may not like the cursor. What it repeats from the beginning is left out.
            self.counters.failed_aloud(format!(
                "the journal is read from its beginning: {} may be of another one",
                self.options.cursor.display()
            ));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn take(&mut self, entry: &Entry) -> ControlFlow<()> {
        let cursor = entry.get("__CURSOR").map(|cursor| cursor.into_owned());
        let place = cursor.as_deref().and_then(place_of);
        if let Some((source, number)) = &place
            && let Some(end) = self.repeating.get(source)
        {
            if number < end {
                self.counters.received(1, 0);
                self.counters.dropped(Dropped::Duplicate, 1);
                return ControlFlow::Continue(());
            }
            self.repeating.remove(source);
        }
        let (source, to) = place.map_or((SOURCE.to_owned(), 0), |(source, number)| (source, number.saturating_add(1)));
        let json = entry.json();
        let other = source != self.gathered.source && !self.gathered.records.is_empty();
        if other || self.gathered.bytes + json.len() > BATCH_BYTES || self.gathered.records.len() >= BATCH_RECORDS_MAX {
            self.hand_over()?;
        }
        self.counters.received(1, json.len() as u64);
        let gathered = &mut self.gathered;
        gathered.source = source;
        gathered.to = gathered.to.max(to);
        gathered.cursor = cursor.or(gathered.cursor.take());
        gathered.bytes += json.len();
        gathered.since.get_or_insert_with(clock::instant);
        let kind = RecordKind { json: true, truncated: entry.truncated };
        gathered.records.push(Record { bytes: Bytes::from(json), kind });
        ControlFlow::Continue(())
    }

    /// Makes what was gathered durable; waits while the log has no room.
    fn hand_over(&mut self) -> ControlFlow<()> {
        let Gathered { source, records, to, cursor, .. } = std::mem::take(&mut self.gathered);
        if records.is_empty() {
            return ControlFlow::Continue(());
        }
        let count = records.len() as u64;
        let end = self.ends.get(&source).copied().unwrap_or(0);
        // The place of a batch moves on even where numbers do not: it is no duplicate of the one before.
        let span = (to > 0).then(|| Span { from: end, to: to.max(end.saturating_add(1)) });
        let origin = Arc::new(Origin { source, input: "journald".to_owned(), ..Origin::default() });
        let batch = RawBatch { origin, span, mark: None, received: clock::now(), records };
        loop {
            let answer = self.intake.submit(batch.clone(), urgency(&batch)).and_then(crate::flow::Pending::wait);
            match answer {
                Ok(_) => {
                    self.counters.stored(count);
                    break;
                }
                Err(AppendError::Closed) => return ControlFlow::Break(()),
                Err(cause @ AppendError::TooLarge) => {
                    self.counters.failed_aloud(format!("the journal: {cause}"));
                    self.counters.dropped(Dropped::TooLarge, count);
                    break;
                }
                Err(cause) => self.counters.failed_aloud(format!("the journal waits: {cause}")),
            }
            self.pause(FULL_WAIT);
            if self.shutdown.requested() {
                return ControlFlow::Break(());
            }
        }
        if let Some(span) = span
            && (self.ends.len() < SEQUENCES_MAX || self.ends.contains_key(&batch.origin.source))
        {
            self.ends.insert(batch.origin.source.clone(), span.to);
        }
        self.kept &= cursor.is_none();
        self.cursor = cursor.or(self.cursor.take());
        ControlFlow::Continue(())
    }

    fn keep_cursor(&mut self, now: bool) {
        let due = now || self.kept_at.is_none_or(|then| clock::since(then) >= CURSOR_WAIT);
        let Some(cursor) = self.cursor.as_deref().filter(|_| !self.kept && due) else { return };
        self.kept_at = Some(clock::instant());
        match replace(&self.options.cursor, cursor) {
            Ok(()) => self.kept = true,
            Err(cause) => self
                .counters
                .failed_aloud(format!("{}: cannot keep the cursor: {cause}", self.options.cursor.display())),
        }
    }

    fn pause(&self, wait: Duration) {
        let since = clock::instant();
        while !self.shutdown.requested() && clock::since(since) < wait {
            thread::sleep(wait.saturating_sub(clock::since(since)).min(STOP_WAIT));
        }
    }
}

/// Not synced: what a loss of power takes is only time.
fn replace(path: &Path, cursor: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, format!("{cursor}\n"))?;
    fs::rename(beside, path)
}

/// The source and the number that a cursor names: `s=<id>;i=<number>;..`, in hex digits.
fn place_of(cursor: &str) -> Option<(String, u64)> {
    let part = |name: &str| cursor.split(';').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    let id = part("s").filter(|id| id.len() == 32 && id.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    Some((format!("{SOURCE}{id}"), u64::from_str_radix(part("i")?, 16).ok().filter(|number| *number < u64::MAX)?))
}

#[cfg(test)]
mod tests;
