//! One content being followed: what of a file lies between its beginning and the moment it is truncated, replaced or gone.
//!
//! Reads, frames and cuts batches, one of which is on its way to the log at a time, so that batches of a file are durable
//! in order. The bytes before the place of reading are read again with those behind it, in one call: if they are not what
//! they were, the file holds something else by now and nothing of it is taken for the rest of this content.
//!
//! Memory: the unfinished record, at most [`READY_BYTES_MAX`] of finished ones and what was read with them, a batch on its
//! way, and [`KEPT_BYTES_MAX`] of content for the hashes by which it is known again. Nearly nothing when nothing happens.

mod losses;

use super::{
    content::{ContentError, Step},
    identity::{self, Content as _, Prefix},
    origin::About,
    reader::Reader,
    text::{HEAD_BYTES, Text},
    transcode::Encoding,
    tree::Stat,
};
pub use losses::Damaged;

use crate::{
    codecs::lines::WITHHELD_BYTES_MAX,
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
pub const BATCH_BYTES: usize = 512 << 10;
/// up to this size.
const BATCH_BYTES_MAX: usize = FRAME_BYTES_MAX - (2 << 20);
/// Most records of a batch.
const BATCH_RECORDS_MAX: usize = RECORDS_PER_FRAME_MAX;
/// Nothing more is read while this much waits for the log; where records wait for the end of one around them, twice
/// [`WITHHELD_BYTES_MAX`].
pub const READY_BYTES_MAX: usize = 1 << 20;
/// Content that is kept for hashing at most; a marker that lies before it is read again.
const KEPT_BYTES_MAX: usize = 2 << 20;
/// How long after a batch was refused it is tried again, at first and at most.
const AGAIN: Duration = Duration::from_millis(100);
const AGAIN_MAX: Duration = Duration::from_secs(1);

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
    /// What is read since is behind it.
    cut: Instant,
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
    /// Where it was before, if nothing was read since: another file may have its inode now.
    pub moved_from: Option<PathBuf>,
    /// Device and inode.
    pub id: (u64, u64),
    /// What its records share.
    pub origin: Arc<Origin>,
    /// The open file; none while nothing happens to it.
    pub file: Option<Reader>,
    /// Bytes that it had, that were not read, and that are not in its file any more.
    lost: u64,
    /// The file is shorter than what was read of it: what it holds now is another content.
    is_cut: bool,
    /// The file's size at the last look,
    pub size: u64,
    /// and when it had changed.
    pub modified_ns: i64,
    /// When it was last seen to grow.
    pub grown: Instant,
    /// Since when something of it is not durable, about; the last moment at which all was.
    pub behind_since: Instant,
    /// Reading has reached its end since.
    pub at_end: bool,
    /// The last failure to read it or to store what was read.
    pub failure: Option<String>,
    /// What it lost to damage of its compressed file.
    pub damage: Option<Damaged>,
    /// Reading it failed, and is tried again then, after this pause.
    pub again: Option<(Instant, Duration)>,
    /// How much of the file has been looked at: of a compressed one that is not how far its content was read.
    pub taken: u64,
    /// Its bytes are the content, not compressed.
    is_plain: bool,
    /// Its few bytes may begin a compressed file.
    is_unclear: bool,
    text: Text,
    /// Where its reading began.
    from: u64,
    read: u64,
    cut: u64,
    durable: u64,
    kept: Vec<u8>,
    prefix: Prefix,
    flight: Option<Flight>,
    ready_since: Option<Instant>,
    /// What is finished cannot be given away, because a record around it is not.
    withheld: bool,
    finished: bool,
}

impl Stream {
    /// A content that is followed from a place on.
    pub fn new(source: String, path: PathBuf, id: (u64, u64), about: About, at: Place, now: Instant) -> Stream {
        let mut text = Text::new(at.encoding, at.alone, at.from, &at.head);
        text.begin_records_by(about.first_line);
        Stream {
            source,
            path,
            moved_from: None,
            id,
            origin: about.origin,
            file: None,
            lost: 0,
            is_cut: false,
            size: 0,
            modified_ns: 0,
            grown: now,
            behind_since: now,
            at_end: false,
            failure: None,
            damage: None,
            again: None,
            taken: 0,
            is_plain: false,
            is_unclear: false,
            text,
            from: at.from,
            read: at.from,
            cut: at.from,
            durable: at.from,
            kept: at.before,
            prefix: at.prefix,
            flight: None,
            ready_since: None,
            withheld: false,
            finished: false,
        }
    }

    /// More is known of who writes it.
    pub fn renew(&mut self, about: About) {
        if *about.origin != *self.origin {
            self.origin = about.origin;
        }
        self.text.begin_records_by(about.first_line);
    }

    /// Read up to here.
    pub fn read_to(&self) -> u64 {
        self.read
    }

    /// Durable in the log up to here; what makes no record needs no log.
    pub fn durable_to(&self) -> u64 {
        if self.is_quiet() && !self.has_partial() { self.read } else { self.durable }
    }

    /// The hashes of what was read.
    pub fn mark(&self) -> FileMark {
        self.mark_at(self.read, &self.kept)
    }

    /// Whether its first bytes are these, as far as it remembers them.
    pub fn has_begun_with(&self, head: &[u8]) -> bool {
        self.prefix.begins_with(head)
    }

    fn mark_at(&self, position: u64, before: &[u8]) -> FileMark {
        let length = before.len().min(FileMark::MARKER_BYTES as usize);
        let marker = identity::hash(&before[before.len() - length..]);
        FileMark { device: self.id.0, inode: self.id.1, prefix: self.prefix.before(position), marker }
    }

    /// Bytes that it holds in memory besides what it always holds, roughly.
    pub fn held(&self) -> usize {
        let kept = self.kept.len().saturating_sub(FileMark::MARKER_BYTES as usize);
        kept + self.text.buffered() + self.flight.as_ref().map_or(0, |flight| bytes_of(&flight.batch))
    }

    /// Whether reading on must wait for the log.
    pub fn is_full(&self) -> bool {
        let max = if self.withheld { 2 * WITHHELD_BYTES_MAX } else { READY_BYTES_MAX };
        self.text.is_stalled() || self.text.ready_bytes() >= max
    }

    /// Whether there is more to read now.
    pub fn has_backlog(&self) -> bool {
        let behind = !self.at_end || self.size > self.taken;
        behind && self.again.is_none() && !self.is_full() && !self.finished
    }

    /// Whether the log has refused its batch, which is tried again.
    pub fn is_refused(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.again.is_some())
    }

    /// Records of the batch that the log was given and has not made durable.
    pub fn unanswered(&self) -> u64 {
        self.flight.as_ref().map_or(0, |flight| flight.batch.records.len() as u64)
    }

    /// Whether nothing of it waits: all that was read is durable, but for an unfinished line.
    pub fn is_quiet(&self) -> bool {
        self.flight.is_none() && self.text.ready_records() == 0 && !self.text.unsettled()
    }

    /// Whether a record waits for lines that may still join it.
    pub fn is_unsettled(&self) -> bool {
        self.text.unsettled()
    }

    /// Whether a line waits for its end, or the first bytes for those behind them.
    pub fn has_partial(&self) -> bool {
        self.is_unclear || self.text.has_partial()
    }

    /// Whether its file is compressed.
    pub fn is_compressed(&self) -> bool {
        self.read > 0 && !self.is_plain
    }

    /// Whether its file is compressed and was not written to its end.
    pub fn is_unfinished(&self) -> bool {
        self.file.as_ref().is_some_and(Reader::is_unfinished)
    }

    /// Bytes cut from overlong lines since the last call.
    pub fn take_dropped(&mut self) -> u64 {
        self.text.take_dropped()
    }

    /// Reads on in this file, which holds the content.
    pub fn open(&mut self, mut file: Reader) {
        if self.is_plain {
            // However few bytes there are.
            file.finish();
        }
        self.at_end = false;
        self.file = Some(file);
    }

    /// Reads once.
    ///
    /// # Errors
    /// As the operating system says; the place of reading is what it was.
    pub fn advance(&mut self, buffer: &mut [u8], now: Instant) -> io::Result<Came> {
        let Some(file) = &mut self.file else { return Ok(Came::End) };
        let before = self.kept.len().min(FileMark::MARKER_BYTES as usize);
        let count = match file.step(buffer, self.read - before as u64) {
            Ok(Step::Bytes(count)) => count,
            Ok(Step::Skipping) => return Ok(Came::Read(0)),
            Ok(Step::Nothing) => 0,
            Err(ContentError::Shrunk) => return Ok(Came::Replaced),
            Err(ContentError::Io(cause)) => return Err(cause),
        };
        (self.is_plain, self.is_unclear) = (file.is_plain(), file.is_undecided());
        let Some((again, data)) = buffer[..count].split_at_checked(before) else {
            return Ok(Came::Replaced);
        };
        if again != &self.kept[self.kept.len() - before..] {
            return Ok(Came::Replaced);
        }
        self.moved_from = None;
        let count = if data.is_empty() { 0 } else { self.text.push(data) };
        // A few bytes that say nothing yet have been looked at.
        let looked_at = if self.text.is_undecided() { data.len() } else { count };
        self.taken = file.taken(self.read + looked_at as u64);
        self.size = self.size.max(self.taken);
        if count == 0 {
            self.at_end = !self.text.is_stalled();
            return Ok(Came::End);
        }
        if self.durable == self.read {
            self.behind_since = now;
        }
        let data = &data[..count];
        self.prefix.push(self.read, data);
        self.kept.extend_from_slice(data);
        self.read += count as u64;
        (self.grown, self.at_end, self.withheld) = (now, false, false);
        if self.kept.len() > KEPT_BYTES_MAX {
            self.kept.drain(..self.kept.len() - KEPT_BYTES_MAX / 2);
        }
        Ok(Came::Read(count))
    }

    /// Ends the record that no line has continued for long enough; with `all` those of mixed streams one round earlier.
    pub fn settle(&mut self, all: bool) {
        if all {
            self.text.lines().settle();
        } else {
            self.text.lines().age();
        }
        self.withheld = false;
    }

    /// The content ends here: a last line without a line end is a line.
    pub fn finish(&mut self) {
        if !self.finished {
            self.text.end_line(true);
            (self.finished, self.withheld) = (true, false);
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

    /// An unfinished line is taken for a whole one, and few bytes for text: nothing has come for long.
    pub fn end_line(&mut self) {
        if self.is_unclear {
            self.is_unclear = false;
            if let Some(file) = &mut self.file {
                file.finish();
            }
            self.at_end = false;
        }
        self.text.end_line(false);
        self.withheld = false;
    }

    /// When a batch is due: a full one at once, others a moment after their first record.
    pub fn due(&self, wait: Duration) -> Option<Instant> {
        match &self.flight {
            Some(flight) => flight.again,
            None if self.text.ready_records() == 0 || self.withheld => None,
            None => {
                let is_much = self.text.ready_bytes() >= BATCH_BYTES || self.text.is_stalled();
                self.ready_since.map(|since| if is_much { since } else { since + wait })
            }
        }
    }

    /// Notes since when records wait.
    pub fn note_ready(&mut self, now: Instant) {
        let waits = self.text.ready_records() > 0;
        self.ready_since = waits.then(|| self.ready_since.unwrap_or(now));
    }

    /// The batch to give to the log now, if one is due.
    pub fn next_batch(&mut self, now: Instant, received: Timestamp) -> Option<RawBatch> {
        if let Some(flight) = &mut self.flight {
            return flight.again.take_if(|again| *again <= now).map(|_| flight.batch.clone());
        }
        let (records, reach) = self.text.take_up_to(BATCH_RECORDS_MAX, BATCH_BYTES_MAX);
        let before = self.before(reach);
        let mark = self.mark_at(reach, &before);
        let keep_from = (self.read - reach) as usize + FileMark::MARKER_BYTES as usize;
        if self.kept.len() > keep_from {
            self.kept.drain(..self.kept.len() - keep_from);
        }
        self.ready_since = None;
        self.note_ready(now);
        if records.is_empty() {
            self.withheld = self.text.ready_records() > 0;
            return None;
        }
        self.prefix.forget_before(reach);
        // Records that come in parts have no place of their own; an empty span would be taken for a repetition.
        let moved = reach > self.cut;
        let span = moved.then_some(Span { from: self.cut, to: reach });
        self.cut = reach;
        let batch = RawBatch { origin: self.origin.clone(), span, mark: moved.then_some(mark), received, records };
        self.flight = Some(Flight { batch: batch.clone(), cut: now, again: None, pause: AGAIN });
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
                self.behind_since = if self.durable == self.read { now } else { flight.cut };
                self.flight = None;
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
        self.text.lines().rest();
    }

    /// The content goes on in another file: in the copy that was made of it.
    pub fn continue_in(&mut self, stat: Stat, file: Reader) {
        self.id = (stat.device, stat.inode);
        (self.size, self.modified_ns, self.taken) = (stat.size, stat.modified_ns, 0);
        (self.lost, self.is_cut) = (0, false);
        self.is_plain = false;
        self.open(file);
    }
}

/// Where following a content begins.
#[derive(Debug, Default)]
pub struct Place {
    from: u64,
    /// The bytes before it, as many as a marker covers.
    before: Vec<u8>,
    /// The content's beginning.
    prefix: Prefix,
    /// Its first bytes.
    head: Vec<u8>,
    encoding: Encoding,
    alone: Option<u8>,
}

impl Place {
    /// A place in a content.
    ///
    /// # Errors
    /// The content cannot be read up to there.
    pub fn read(reader: &mut Reader, from: u64, (encoding, alone): (Encoding, Option<u8>)) -> io::Result<Place> {
        let before = from.min(FileMark::MARKER_BYTES);
        Ok(Place {
            from,
            before: identity::read(reader, from - before, before)?,
            prefix: Prefix::read(reader, from)?,
            head: identity::read(reader, 0, from.min(HEAD_BYTES))?,
            encoding,
            alone,
        })
    }
}

fn bytes_of(batch: &RawBatch) -> usize {
    batch.records.iter().map(|record| record.bytes.len()).sum()
}
