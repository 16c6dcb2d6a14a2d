//! Frames of one log on their way to a server: the body of one request.

use crate::{
    flow::{Frame, LogId, Pos, Span},
    inputs::notice,
    log::wire,
};
use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

/// Fast, and what it leaves over is seldom worth more: log frames shrink to a tenth.
const ZSTD_LEVEL: i32 = 1;

/// One frame in a body.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Where it ends in the body.
    ends: usize,
    /// The end of the frame shipped before it.
    from: Pos,
    /// Where the frame ends.
    to: Pos,
    records: u64,
    /// Lost lines that its records tell of beyond themselves.
    tells: u64,
}

/// What is sent: the body as it goes over the wire.
#[derive(Debug)]
pub(super) struct Wire {
    pub bytes: Vec<u8>,
    /// `Content-Encoding`.
    pub encoding: Option<&'static str>,
}

/// Frames of one log that follow each other; never empty.
#[derive(Debug)]
pub(super) struct Batch {
    pub log: LogId,
    /// The lane it goes by.
    pub lane: u64,
    raw: Vec<u8>,
    pieces: Vec<Piece>,
    wire: OnceLock<Wire>,
    /// A part of a batch that was refused: what is to be said has been said.
    pub is_part: bool,
}

impl Batch {
    /// What of its log it covers.
    pub fn span(&self) -> Span {
        let from = self.pieces.first().map_or(0, |piece| piece.from.0);
        Span { from, to: self.pieces.last().map_or(from, |piece| piece.to.0) }
    }

    /// The bytes before compression.
    pub fn bytes(&self) -> usize {
        self.raw.len()
    }

    pub fn frames(&self) -> u64 {
        self.pieces.len() as u64
    }

    pub fn records(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.records).sum()
    }

    /// What is lost with it: its records, and where one tells of lost lines, those.
    pub fn lost(&self) -> GivenUp {
        let tells: u64 = self.pieces.iter().map(|piece| piece.tells).sum();
        GivenUp { records: self.records(), bytes: self.bytes() as u64, lines: self.records() + tells }
    }

    /// Compressed once, however often it is sent.
    pub fn wire(&self) -> &Wire {
        self.wire.get_or_init(|| match zstd::bulk::compress(&self.raw, ZSTD_LEVEL) {
            Ok(bytes) => Wire { bytes, encoding: Some("zstd") },
            Err(_) => Wire { bytes: self.raw.clone(), encoding: None },
        })
    }

    /// Two halves of it, unless it is a single frame.
    pub fn split(&self) -> Option<(Batch, Batch)> {
        let middle = self.pieces.len() / 2;
        let cut = self.pieces[..middle].last()?.ends;
        let part = |raw: &[u8], pieces: &[Piece], before: usize| Batch {
            log: self.log,
            lane: self.lane,
            raw: raw.to_vec(),
            pieces: pieces.iter().map(|piece| Piece { ends: piece.ends - before, ..*piece }).collect(),
            wire: OnceLock::new(),
            is_part: true,
        };
        let (first, second) = self.raw.split_at(cut);
        Some((part(first, &self.pieces[..middle], 0), part(second, &self.pieces[middle..], cut)))
    }
}

/// What is not shipped any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GivenUp {
    pub records: u64,
    pub bytes: u64,
    /// Its records, and where one tells of lost lines, those instead.
    pub lines: u64,
}

impl GivenUp {
    /// With a frame that was not gathered.
    pub fn with(self, frame: &Frame) -> GivenUp {
        let records = frame.batch.records.len() as u64;
        let of = GivenUp { records, bytes: frame.end.0 - frame.start.0, lines: records + tells(frame) };
        self.and(of)
    }

    pub fn and(self, more: GivenUp) -> GivenUp {
        GivenUp { records: self.records + more.records, bytes: self.bytes + more.bytes, lines: self.lines + more.lines }
    }
}

/// Lost lines that the records of a frame tell of beyond themselves.
fn tells(frame: &Frame) -> u64 {
    frame.batch.records.iter().filter_map(notice::told).map(|told| told.saturating_sub(1)).sum()
}

/// A batch that is being gathered.
#[derive(Debug)]
pub(super) struct Building {
    batch: Batch,
    /// When its first frame came.
    pub since: Instant,
}

impl Building {
    pub fn new(log: LogId, lane: u64, since: Instant) -> Building {
        let batch = Batch { log, lane, raw: Vec::new(), pieces: Vec::new(), wire: OnceLock::new(), is_part: false };
        Building { batch, since }
    }

    /// Adds a frame; `from` is the end of the frame before it.
    pub fn add(&mut self, from: Pos, frame: &Frame, bytes: &[u8]) {
        wire::put(&mut self.batch.raw, from, frame.start, bytes);
        let (ends, records) = (self.batch.raw.len(), frame.batch.records.len() as u64);
        let tells = tells(frame);
        self.batch.pieces.push(Piece { ends, from, to: frame.end, records, tells });
    }

    pub fn bytes(&self) -> usize {
        self.batch.raw.len()
    }

    /// Ready to be sent.
    pub fn seal(self) -> Arc<Batch> {
        Arc::new(self.batch)
    }
}
