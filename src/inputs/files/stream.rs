//! One content being followed: what of a file lies between its beginning and the moment it is truncated, replaced or gone.
//!
//! Reads, frames and cuts batches, one of which is on its way to the log at a time, so that batches of a file are durable
//! in order. The bytes before the place of reading are read again with those behind it, in one call: if they are not what
//! they were, the file holds something else by now and nothing of it is taken for the rest of this content.
//!
//! Memory: the unfinished record, at most [`READY_BYTES_MAX`] of finished ones and what was read with them, a batch on its
//! way, and [`KEPT_BYTES_MAX`] of content for the hashes by which it is known again. Nearly nothing when nothing happens.

use super::{
    identity::{self, Content as _, Prefix},
    reader::Reader,
    tree::Stat,
};
use crate::{
    codecs::lines::Lines,
    event::Timestamp,
    flow::{AppendError, FRAME_BYTES_MAX, FileMark, Origin, RECORDS_PER_FRAME_MAX, RawBatch, Span},
};
use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// Bytes read at once.
pub const CHUNK_BYTES: usize = 256 << 10;
/// A batch is given to the log when there is so much of it; what belongs together stays together,
const BATCH_BYTES: usize = 512 << 10;
/// up to this size.
const BATCH_BYTES_MAX: usize = FRAME_BYTES_MAX - (2 << 20);
/// Most records of a batch.
const BATCH_RECORDS_MAX: usize = RECORDS_PER_FRAME_MAX;
/// Nothing more is read while this much waits for the log.
pub const READY_BYTES_MAX: usize = 1 << 20;
/// Content that is kept for hashing at most; a marker that lies before it is read again.
const KEPT_BYTES_MAX: usize = 2 << 20;
/// How long after a batch was refused it is tried again, at first and at most.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(5);

/// How far one reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// So many bytes.
    Read(usize),
    /// There is nothing more for now.
    End,
    /// The file does not hold this content any more.
    Replaced,
}

/// A batch that the log has not answered.
#[derive(Debug)]
struct Flight {
    batch: RawBatch,
    /// It was refused: not before this moment again.
    again: Option<Instant>,
    pause: Duration,
}

/// One content.
#[derive(Debug)]
pub struct Stream {
    /// Its identity in the log.
    pub source: String,
    /// Where the file is, or was when it had a name.
    pub path: PathBuf,
    /// Device and inode.
    pub id: (u64, u64),
    /// What its records share.
    pub origin: Arc<Origin>,
    /// The open file; none while nothing happens to it.
    pub file: Option<Reader>,
    /// The size at the last look.
    pub size: u64,
    /// When it was last seen to grow.
    pub grown: Instant,
    /// The last moment at which all that was read was durable.
    pub behind_since: Instant,
    /// Reading has reached its end since.
    pub at_end: bool,
    /// The last failure to read it.
    pub failure: Option<String>,
    lines: Lines,
    read: u64,
    cut: u64,
    durable: u64,
    kept: Vec<u8>,
    prefix: Prefix,
    flight: Option<Flight>,
    ready_since: Option<Instant>,
    finished: bool,
}

impl Stream {
    /// A content that is followed from `from` on, where `kept` is what lies directly before.
    pub fn new(source: String, path: PathBuf, id: (u64, u64), origin: Arc<Origin>, at: Place, now: Instant) -> Stream {
        Stream {
            source,
            path,
            id,
            origin,
            file: None,
            size: at.from,
            grown: now,
            behind_since: now,
            at_end: false,
            failure: None,
            lines: Lines::starting_at(at.from),
            read: at.from,
            cut: at.from,
            durable: at.from,
            kept: at.before,
            prefix: at.prefix,
            flight: None,
            ready_since: None,
            finished: false,
        }
    }

    /// Read up to here.
    pub fn read_to(&self) -> u64 {
        self.read
    }

    /// Durable in the log up to here.
    pub fn durable_to(&self) -> u64 {
        self.durable
    }

    /// The hashes of what was read.
    pub fn mark(&self) -> FileMark {
        self.mark_at(self.read, &self.kept)
    }

    fn mark_at(&self, position: u64, before: &[u8]) -> FileMark {
        let length = before.len().min(FileMark::MARKER_BYTES as usize);
        let marker = identity::hash(&before[before.len() - length..]);
        FileMark { device: self.id.0, inode: self.id.1, prefix: self.prefix.before(position), marker }
    }

    /// Bytes that it holds in memory, roughly.
    pub fn held(&self) -> usize {
        self.kept.len() + self.lines.buffered() + self.flight.as_ref().map_or(0, |flight| bytes_of(&flight.batch))
    }

    /// Whether reading on must wait for the log.
    pub fn is_full(&self) -> bool {
        self.lines.ready_bytes() >= READY_BYTES_MAX
    }

    /// Whether the log has refused its batch, which is tried again.
    pub fn is_refused(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.again.is_some())
    }

    /// Whether nothing of it waits: all that was read is durable, but for an unfinished line.
    pub fn is_quiet(&self) -> bool {
        self.flight.is_none() && self.lines.ready_records() == 0 && !self.lines.unsettled()
    }

    /// Whether a line waits for its end.
    pub fn has_partial(&self) -> bool {
        self.cut < self.read
    }

    /// Reads once.
    ///
    /// # Errors
    /// As the operating system says; the place of reading is what it was.
    pub fn advance(&mut self, buffer: &mut [u8], now: Instant) -> io::Result<Came> {
        let Some(file) = &mut self.file else { return Ok(Came::End) };
        let before = (self.kept.len().min(FileMark::MARKER_BYTES as usize)) as u64;
        let count = file.read(buffer, self.read - before)?;
        let expected = &self.kept[self.kept.len() - before as usize..];
        let Some((again, data)) = buffer[..count].split_at_checked(before as usize) else {
            return Ok(Came::Replaced);
        };
        if again != expected {
            return Ok(Came::Replaced);
        }
        if data.is_empty() {
            self.at_end = true;
            return Ok(Came::End);
        }
        if self.durable == self.read {
            self.behind_since = now;
        }
        self.prefix.push(self.read, data);
        self.lines.push(data);
        self.kept.extend_from_slice(data);
        self.read += data.len() as u64;
        (self.grown, self.at_end) = (now, false);
        if self.kept.len() > KEPT_BYTES_MAX {
            self.kept.drain(..self.kept.len() - KEPT_BYTES_MAX / 2);
        }
        Ok(Came::Read(data.len()))
    }

    /// Ends the record that no line has continued for long enough; with `all` those of mixed streams one round earlier.
    pub fn settle(&mut self, all: bool) {
        if all {
            self.lines.settle();
        } else {
            self.lines.age();
        }
    }

    /// The content ends here: a last line without a line end is a line.
    pub fn finish(&mut self) {
        if !self.finished {
            self.lines.finish();
            self.finished = true;
        }
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether it has ended and all of it is durable.
    pub fn is_over(&self) -> bool {
        self.finished && self.is_quiet()
    }

    /// An unfinished line is taken for a whole one: nothing has come for long.
    pub fn end_line(&mut self) {
        self.lines.finish();
    }

    /// When a batch is due: a full one at once, others a moment after their first record.
    pub fn due(&self, wait: Duration) -> Option<Instant> {
        match &self.flight {
            Some(flight) => flight.again,
            None if self.lines.ready_records() == 0 => None,
            None => {
                self.ready_since.map(|since| if self.lines.ready_bytes() >= BATCH_BYTES { since } else { since + wait })
            }
        }
    }

    /// Notes since when records wait.
    pub fn note_ready(&mut self, now: Instant) {
        let waits = self.lines.ready_records() > 0;
        self.ready_since = waits.then(|| self.ready_since.unwrap_or(now));
    }

    /// The batch to give to the log now, if one is due.
    pub fn next_batch(&mut self, now: Instant, received: Timestamp) -> Option<RawBatch> {
        if let Some(flight) = &mut self.flight {
            return flight.again.take_if(|again| *again <= now).map(|_| flight.batch.clone());
        }
        let (records, reach) = self.lines.take_up_to(BATCH_RECORDS_MAX, BATCH_BYTES_MAX);
        let before = self.before(reach);
        let mark = self.mark_at(reach, &before);
        let keep_from = (self.read - reach) as usize + FileMark::MARKER_BYTES as usize;
        if self.kept.len() > keep_from {
            self.kept.drain(..self.kept.len() - keep_from);
        }
        self.ready_since = None;
        self.note_ready(now);
        if records.is_empty() {
            return None;
        }
        self.prefix.forget_before(reach);
        let span = Some(Span { from: self.cut, to: reach });
        self.cut = reach;
        let batch = RawBatch { origin: self.origin.clone(), span, mark: Some(mark), received, records };
        self.flight = Some(Flight { batch: batch.clone(), again: None, pause: AGAIN });
        Some(batch)
    }

    /// The bytes before a position, as many as the marker covers.
    fn before(&mut self, position: u64) -> Vec<u8> {
        let length = position.min(FileMark::MARKER_BYTES);
        let kept_from = self.read - self.kept.len() as u64;
        let range = position.checked_sub(length + kept_from).map(|at| at as usize..(at + length) as usize);
        if let Some(there) = range.and_then(|range| self.kept.get(range)) {
            return there.to_vec();
        }
        let mut bytes = vec![0; length as usize];
        let read = self.file.as_mut().and_then(|file| file.read(&mut bytes, position - length).ok());
        bytes.truncate(read.unwrap_or(0));
        bytes
    }

    /// The log has answered.
    pub fn answered(&mut self, answer: Result<(), AppendError>, now: Instant) {
        let Some(flight) = &mut self.flight else { return };
        match answer {
            Ok(()) => {
                self.durable = flight.batch.span.map_or(self.durable, |span| span.to);
                self.failure = None;
                self.flight = None;
                if self.durable == self.read {
                    self.behind_since = now;
                }
            }
            Err(cause) => {
                self.failure = Some(cause.to_string());
                flight.again = Some(now + flight.pause);
                flight.pause = (flight.pause * 2).min(AGAIN_MAX);
            }
        }
    }

    /// Gives back memory while nothing happens.
    pub fn rest(&mut self) {
        let needless =
            self.kept.len().saturating_sub((self.read - self.cut) as usize + FileMark::MARKER_BYTES as usize);
        self.kept.drain(..needless);
        self.kept.shrink_to_fit();
        self.lines.rest();
    }

    /// The content goes on in another file: in the copy that was made of it.
    pub fn continue_in(&mut self, path: PathBuf, stat: Stat, file: Reader) {
        self.path = path;
        self.id = (stat.device, stat.inode);
        self.size = stat.size;
        self.file = Some(file);
        self.at_end = false;
    }
}

/// Where following a content begins.
#[derive(Debug, Default)]
pub struct Place {
    /// The position.
    pub from: u64,
    /// The bytes before it, as many as a marker covers.
    pub before: Vec<u8>,
    /// The content's beginning.
    pub prefix: Prefix,
}

fn bytes_of(batch: &RawBatch) -> usize {
    batch.records.iter().map(|record| record.bytes.len()).sum()
}
