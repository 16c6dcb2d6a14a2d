//! Reading a log from a position on, in the writing process or another, while it grows or after its writer died.

use super::{
    LogError, folder,
    frame::{self, HEADER_BYTES, Kind, Look, Origins, Place},
    segment::{self, Segment},
};
use crate::flow::{Frame, LogId, Pos};
use crate::fs::Fs;
use bytes::{Buf as _, Bytes};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// How much is read at once; more only for a longer frame.
const CHUNK_BYTES: usize = 1 << 20;

/// How far a log may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Up to the durable end, as the writer in the same process says it.
    Durable(Pos),
    /// Up to the last mark: of a log that another process may be writing.
    Marked,
    /// As far as frames are valid: of a dead log. [`super::settle`] it first, unless nothing is decided by what is read.
    Everything,
}

/// What a reader met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderStats {
    /// Frames of records.
    pub frames: u64,
    /// Their records.
    pub records: u64,
    /// The records' bytes.
    pub bytes: u64,
    /// Bytes that are no frame, followed by a valid frame or by the next segment.
    pub bad_bytes_skipped: u64,
    /// Stretches of such bytes.
    pub bad_regions: u64,
    /// Bytes at the end that are no frame, with none behind them: what a crash left of the last write.
    pub torn_bytes: u64,
}

/// What follows the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// More of the segment.
    More,
    /// Another frame, if any: frames do not reach across.
    Boundary,
    /// The end of the file.
    End,
}

enum Step {
    Records(Frame),
    Passed,
    /// So many bytes are needed.
    Read(usize),
    Torn,
}

/// A place in a log and the chunk that follows it.
#[derive(Debug)]
pub struct Reader {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    log: LogId,
    pos: Pos,
    /// From `pos` on; nothing beyond the limit.
    chunk: Bytes,
    behind: Behind,
    /// Bytes skipped since the last valid frame.
    skipped: u64,
    sound: Pos,
    marked: Pos,
    origins: Origins,
    /// The frame that was read last, as it is on disk.
    bytes: Bytes,
    stats: ReaderStats,
}

impl Reader {
    /// A reader of the log in `dir`. Every frame from `from` on is read, or there is an error.
    ///
    /// # Errors
    /// [`LogError::Gap`] if frames from `from` on are missing; or the folder cannot be read, or is no log.
    pub fn open(fs: &Arc<dyn Fs>, dir: &Path, from: Pos) -> Result<Reader, LogError> {
        let log = folder::id_of(dir)?;
        let first =
            segment::bases(&**fs, dir)?.first().copied().ok_or_else(|| LogError::NoLog { dir: dir.to_owned() })?;
        if first > from {
            return Err(LogError::Gap { log, wanted: from, first });
        }
        let (chunk, behind) = (Bytes::new(), Behind::More);
        let (origins, stats) = (Origins::default(), ReaderStats::default());
        let (fs, dir) = (fs.clone(), dir.to_owned());
        Ok(Reader {
            fs,
            dir,
            log,
            pos: from,
            chunk,
            behind,
            skipped: 0,
            sound: from,
            marked: Pos(0),
            origins,
            bytes: Bytes::new(),
            stats,
        })
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Up to where frames were delivered or skipped.
    #[must_use]
    pub fn pos(&self) -> Pos {
        self.pos
    }

    /// The frame that [`Reader::next`] returned last, as it is on disk.
    #[must_use]
    pub fn frame_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// What was met so far.
    #[must_use]
    pub fn stats(&self) -> ReaderStats {
        self.stats
    }

    /// The end of the last valid frame.
    pub(super) fn sound(&self) -> Pos {
        self.sound
    }

    /// The end of the last mark.
    pub(super) fn marked(&self) -> Pos {
        self.marked
    }

    /// The next frame within the limit; `None` if there is none now. Its records are slices of the chunk it was read
    /// with, and keep that alive.
    ///
    /// # Errors
    /// A file cannot be read, a later version wrote it, or frames were trimmed that were still wanted. Asking again tries
    /// again from the same place.
    pub fn next(&mut self, limit: Limit) -> Result<Option<Frame>, LogError> {
        loop {
            if matches!(limit, Limit::Durable(end) if end <= self.pos) {
                return Ok(None);
            }
            match self.step() {
                Step::Records(frame) => return Ok(Some(frame)),
                Step::Passed => {}
                Step::Read(length) => {
                    if !self.fill(limit, length)? {
                        return Ok(None);
                    }
                }
                Step::Torn => return Ok(None),
            }
        }
    }

    fn step(&mut self) -> Step {
        if self.chunk.is_empty() {
            return Step::Read(CHUNK_BYTES);
        }
        match frame::look(&self.chunk, Place { log: self.log, pos: self.pos }) {
            Look::Frame { kind, total } => self.frame(kind, total),
            Look::Needs(length) if self.behind == Behind::More => Step::Read(length),
            Look::Needs(_) | Look::Bad => self.skip(),
        }
    }

    fn frame(&mut self, kind: Kind, total: usize) -> Step {
        self.confirm_skipped();
        let start = self.pos;
        let bytes = self.chunk.split_to(total);
        let payload = bytes.slice(HEADER_BYTES..);
        self.pos.0 += total as u64;
        self.sound = self.pos;
        match kind {
            Kind::Mark => self.marked = self.pos,
            Kind::SourceTable => {}
            Kind::Records => {
                let Some(batch) = frame::records(payload, &mut self.origins) else {
                    self.skipped = total as u64;
                    self.confirm_skipped();
                    return Step::Passed;
                };
                self.stats.frames += 1;
                self.stats.records += batch.records.len() as u64;
                self.stats.bytes += batch.records.iter().map(|record| record.bytes.len() as u64).sum::<u64>();
                self.bytes = bytes;
                return Step::Records(Frame { log: self.log, start, end: self.pos, suspect: false, batch });
            }
        }
        Step::Passed
    }

    fn confirm_skipped(&mut self) {
        self.stats.bad_regions += u64::from(self.skipped > 0);
        self.stats.bad_bytes_skipped += self.skipped;
        self.stats.torn_bytes = 0;
        self.skipped = 0;
    }

    /// Goes on to the next place in the chunk where a frame begins, or may begin with what follows the chunk.
    fn skip(&mut self) -> Step {
        let mut at = 1;
        while let Some(found) = self.chunk.get(at..).and_then(|rest| memchr::memchr(frame::MAGIC[0], rest)) {
            at += found;
            match frame::look(&self.chunk[at..], Place { log: self.log, pos: Pos(self.pos.0 + at as u64) }) {
                Look::Frame { .. } => return self.skip_bytes(at),
                Look::Needs(_) if self.behind == Behind::More => return self.skip_bytes(at),
                Look::Needs(_) | Look::Bad => at += 1,
            }
        }
        if self.behind == Behind::End {
            self.stats.torn_bytes = self.skipped + self.chunk.len() as u64;
            // Read again next time: it may be a frame by then.
            self.chunk.clear();
            return Step::Torn;
        }
        self.skip_bytes(self.chunk.len());
        if self.behind == Behind::Boundary {
            self.confirm_skipped();
        }
        Step::Passed
    }

    fn skip_bytes(&mut self, count: usize) -> Step {
        self.chunk.advance(count);
        self.pos.0 += count as u64;
        self.skipped += count as u64;
        Step::Passed
    }

    /// Reads a chunk of at least `length` bytes from here on, as far as there are so many within the limit; whether there
    /// is anything.
    fn fill(&mut self, limit: Limit, length: usize) -> Result<bool, LogError> {
        loop {
            // Listed anew each time, because a segment begun meanwhile voids the rest of this one. All that the limit
            // covers was in its place before the limit was known.
            let bases = segment::bases(&*self.fs, &self.dir)?;
            let after = bases.partition_point(|base| *base <= self.pos);
            let next = bases.get(after).copied();
            let Some(&base) = after.checked_sub(1).and_then(|at| bases.get(at)) else {
                let none = || LogError::NoLog { dir: self.dir.clone() };
                return Err(LogError::Gap { log: self.log, wanted: self.pos, first: next.ok_or_else(none)? });
            };
            let segment = Segment::open(&*self.fs, &self.dir, self.log, base)?;
            let durable = if let Limit::Durable(end) = limit { end } else { Pos(u64::MAX) };
            let until = segment.end.min(durable).min(next.unwrap_or(durable));
            if until > self.pos {
                let closed = next.is_some() || until == durable;
                return self.read(&segment, until, length, closed, limit);
            }
            match next {
                Some(next) if next <= durable => {
                    // What the segment should hold up to the next one's base is missing.
                    self.skipped += next.0 - self.pos.0;
                    self.confirm_skipped();
                    self.pos = next;
                    self.chunk.clear();
                }
                _ => return Ok(false),
            }
        }
    }

    fn read(
        &mut self,
        segment: &Segment,
        until: Pos,
        length: usize,
        closed: bool,
        limit: Limit,
    ) -> Result<bool, LogError> {
        let there = usize::try_from(until.0 - self.pos.0).unwrap_or(usize::MAX);
        let mut length = length.max(CHUNK_BYTES).min(there);
        loop {
            let mut bytes = segment.read(self.pos, length)?;
            self.behind = match (length < there, closed) {
                (true, _) => Behind::More,
                (false, true) => Behind::Boundary,
                (false, false) => Behind::End,
            };
            if limit == Limit::Marked && !closed {
                match self.last_mark(&bytes) {
                    // Without the mark: after a failed write its place may be taken by what comes next.
                    Some(start) if start > 0 => bytes.truncate(start),
                    _ if length < there => {
                        length = length.saturating_mul(2).min(there);
                        continue;
                    }
                    _ => return Ok(false),
                }
                self.behind = Behind::Boundary;
            }
            self.chunk = bytes.into();
            return Ok(!self.chunk.is_empty());
        }
    }

    /// Where the last mark in these bytes, which begin here, begins.
    fn last_mark(&self, bytes: &[u8]) -> Option<usize> {
        let mut before = bytes;
        while let Some(at) = memchr::memrchr(frame::MAGIC[0], before) {
            let place = Place { log: self.log, pos: Pos(self.pos.0 + at as u64) };
            if let Look::Frame { kind: Kind::Mark, .. } = frame::look(&bytes[at..], place) {
                return Some(at);
            }
            before = &before[..at];
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{Append, RawBatch, SyncClass};
    use crate::fs::sim::SimFs;
    use crate::log::{LogError, Options, SourceTable, frame::tests::PLACE, frame::tests::any_batch, writer::Writer};
    use proptest::prelude::*;
    use tokio::sync::{oneshot, watch};

    /// One segment with these groups of batches, and where its frames begin.
    fn write(groups: &[Vec<RawBatch>]) -> (Vec<u8>, usize) {
        let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
        let (ends, _durable) = watch::channel(Pos(0));
        let root = Path::new("/");
        let table = SourceTable::default();
        let mut writer = Writer::create(fs.clone(), root, PLACE.log, Options::default(), table, ends).unwrap();
        for group in groups {
            for batch in group {
                let batch = RawBatch { span: None, ..batch.clone() };
                writer.stage(Append { batch, class: SyncClass::Prompt, answer: oneshot::channel().0 });
            }
            writer.commit();
        }
        let segment = Segment::open(&*fs, writer.dir(), PLACE.log, Pos(0)).unwrap();
        (crate::fs::read(&*fs, &segment.path).unwrap(), segment.data.unwrap() as usize)
    }

    fn read(segment: &[u8], limit: Limit) -> (Vec<Frame>, ReaderStats) {
        let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
        let dir = PathBuf::from(format!("/{}", PLACE.log));
        fs.create_dir(&dir).unwrap();
        fs.create(&segment::path(&dir, Pos(0))).unwrap().append(segment).unwrap();
        let mut reader = Reader::open(&fs, &dir, Pos(0)).unwrap();
        let frames = std::iter::from_fn(|| reader.next(limit).unwrap()).collect();
        (frames, reader.stats())
    }

    fn places(frames: &[Frame]) -> Vec<(Pos, Pos)> {
        frames.iter().map(|frame| (frame.start, frame.end)).collect()
    }

    fn big(fill: u8, length: usize) -> RawBatch {
        let records = vec![crate::flow::Record::text(vec![fill; length].into())];
        RawBatch {
            origin: Arc::default(),
            span: None,
            mark: None,
            received: crate::event::Timestamp::default(),
            records,
        }
    }

    fn any_groups() -> impl Strategy<Value = Vec<Vec<RawBatch>>> {
        prop::collection::vec(prop::collection::vec(any_batch(), 1..4), 1..4)
    }

    proptest! {
        #[test]
        fn untouched_frames_are_found(
            groups in any_groups(),
            scratches in prop::collection::vec((any::<prop::sample::Index>(), prop::collection::vec(any::<u8>(), 1..30)), 0..4),
        ) {
            let (clean, data) = write(&groups);
            let (frames, stats) = read(&clean, Limit::Everything);
            prop_assert_eq!(frames.len(), groups.concat().len());
            prop_assert_eq!((stats.bad_bytes_skipped, stats.torn_bytes), (0, 0));
            let mut scratched = clean.clone();
            for (at, bytes) in &scratches {
                let at = data + at.index(clean.len() - data);
                let end = clean.len().min(at + bytes.len());
                scratched[at..end].copy_from_slice(&bytes[..end - at]);
            }
            let place = |pos: Pos| data + pos.0 as usize;
            let untouched: Vec<&Frame> = frames
                .iter()
                .filter(|f| clean[place(f.start)..place(f.end)] == scratched[place(f.start)..place(f.end)])
                .collect();
            let (found, stats) = read(&scratched, Limit::Everything);
            prop_assert_eq!(found.len(), untouched.len());
            for (found, clean) in found.iter().zip(untouched) {
                prop_assert_eq!((found.start, found.end, &found.batch), (clean.start, clean.end, &clean.batch));
            }
            prop_assert_eq!(stats.bad_regions > 0 || stats.torn_bytes > 0, scratched != clean);
            let end = Pos((clean.len() - data) as u64);
            prop_assert_eq!(places(&read(&scratched, Limit::Durable(end)).0), places(&found));
        }

        #[test]
        fn a_cut_segment_gives_what_is_whole(groups in any_groups(), cut in any::<prop::sample::Index>()) {
            let (clean, data) = write(&groups);
            let cut = data + cut.index(clean.len() - data);
            let (all, _) = read(&clean, Limit::Everything);
            let (found, stats) = read(&clean[..cut], Limit::Everything);
            let whole = all.iter().filter(|frame| data + frame.end.0 as usize <= cut).count();
            prop_assert_eq!(found.len(), whole);
            prop_assert_eq!((stats.bad_regions, stats.bad_bytes_skipped), (0, 0));
        }

        #[test]
        fn one_of_header_and_table_is_enough(groups in any_groups(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let (mut segment, data) = write(&groups);
            segment[at.index(data)] ^= 1 << bit;
            prop_assert_eq!(read(&segment, Limit::Everything).0.len(), groups.concat().len());
        }

        #[test]
        fn any_bytes_are_read_without_harm(segment in prop::collection::vec(any::<u8>(), 0..300)) {
            for limit in [Limit::Everything, Limit::Marked, Limit::Durable(Pos(200))] {
                prop_assert_eq!(read(&segment, limit).0.len(), 0);
            }
        }
    }

    #[test]
    fn frames_and_bad_regions_longer_than_a_chunk() {
        let group: Vec<_> = (1..=5).map(|fill| big(fill, 700_000 * usize::from(fill))).collect();
        let (clean, data) = write(&[group[..3].to_vec(), group[3..].to_vec()]);
        let end = Pos((clean.len() - data) as u64);
        let (all, _) = read(&clean, Limit::Everything);
        for broken in 0..5 {
            let mut segment = clean.clone();
            segment[data + all[broken].start.0 as usize + 9] ^= 1;
            for limit in [Limit::Everything, Limit::Marked, Limit::Durable(end)] {
                let (found, stats) = read(&segment, limit);
                let expected: Vec<_> = (0..5).filter(|&i| i != broken).map(|i| (all[i].start, all[i].end)).collect();
                assert_eq!(places(&found), expected, "{limit:?}");
                assert_eq!(stats.bad_bytes_skipped, all[broken].end.0 - all[broken].start.0, "{limit:?}");
                assert_eq!((stats.bad_regions, stats.torn_bytes), (1, 0), "{limit:?}");
            }
        }
    }

    #[test]
    fn what_is_not_marked_is_not_read_of_a_live_log() {
        let (segment, _) = write(&[vec![big(1, 10)], vec![big(2, 10), big(3, 10)]]);
        let unmarked = &segment[..segment.len() - HEADER_BYTES];
        assert_eq!(read(&segment, Limit::Marked).0.len(), 3);
        assert_eq!(read(unmarked, Limit::Marked).0.len(), 1);
        assert_eq!(read(unmarked, Limit::Everything).0.len(), 3);
    }

    #[test]
    fn a_frame_inside_a_record_is_none() {
        let (inner, data) = write(&[vec![big(7, 30)]]);
        let forged = crate::flow::Record::text(inner[data..].to_vec().into());
        let outer = RawBatch { records: vec![forged], ..big(0, 0) };
        let (mut segment, data) = write(&[vec![outer, big(9, 3)]]);
        segment[data + 20] ^= 1;
        let (found, stats) = read(&segment, Limit::Everything);
        assert_eq!((found.len(), stats.bad_regions), (1, 1));
        assert_eq!(found[0].batch, big(9, 3));
    }

    #[test]
    fn a_later_format_is_an_error_that_says_so() {
        let (mut segment, _) = write(&[vec![big(1, 1)]]);
        segment[8] = 2;
        let crc = crc32c::crc32c(&segment[..32]);
        segment[32..36].copy_from_slice(&crc.to_le_bytes());
        let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
        let dir = PathBuf::from(format!("/{}", PLACE.log));
        fs.create_dir(&dir).unwrap();
        fs.create(&segment::path(&dir, Pos(0))).unwrap().append(&segment).unwrap();
        let error = Reader::open(&fs, &dir, Pos(0)).unwrap().next(Limit::Everything).unwrap_err();
        assert!(matches!(error, LogError::Newer { version: 2, .. }), "{error}");
    }
}
