//! Segment files: 36 bytes of header, the source table as a frame, then frames by position.
//!
//! ```text
//! 0  magic    8  F5 "logseg" 0A
//! 8  version  2  1
//! 10 reserved 2  0
//! 12 table    4  length of the table's frame
//! 16 log      8
//! 24 base     8  the position of the first frame
//! 32 crc      4  CRC32C over bytes 0 to 32
//! ```

use super::{
    LogError,
    frame::{self, Kind, Look, Place},
    sources::SourceTable,
};
use crate::flow::{LogId, Pos};
use crate::fs::{File, Fs};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The format that this version writes, and the newest that it reads.
pub const VERSION: u16 = 1;

pub(super) const HEADER_BYTES: usize = 36;
const MAGIC: [u8; 8] = [0xf5, b'l', b'o', b'g', b's', b'e', b'g', b'\n'];

/// The path of the segment with this base.
pub(super) fn path(dir: &Path, base: Pos) -> PathBuf {
    dir.join(format!("{:016x}.seg", base.0))
}

fn base_of(name: &str) -> Option<Pos> {
    let hex = name.strip_suffix(".seg").filter(|hex| hex.len() == 16)?;
    hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')).then_some(())?;
    u64::from_str_radix(hex, 16).ok().map(Pos)
}

/// The bases of all segments in a log's folder, ascending.
pub(super) fn bases(fs: &dyn Fs, dir: &Path) -> Result<Vec<Pos>, LogError> {
    let names = fs.list(dir).map_err(LogError::io("list", dir))?;
    let mut bases: Vec<Pos> = names.iter().filter_map(|name| base_of(name)).collect();
    bases.sort_unstable();
    Ok(bases)
}

/// The header and the table of a new segment.
pub(super) fn beginning(place: Place, table: &SourceTable) -> io::Result<Vec<u8>> {
    let json = table.to_json()?;
    let mut out = vec![0; HEADER_BYTES];
    frame::put_table(&mut out, &json, place);
    let length = u32::try_from(out.len() - HEADER_BYTES).map_err(io::Error::other)?;
    out[..8].copy_from_slice(&MAGIC);
    out[8..10].copy_from_slice(&VERSION.to_le_bytes());
    out[12..16].copy_from_slice(&length.to_le_bytes());
    out[16..24].copy_from_slice(&place.log.bits().to_le_bytes());
    out[24..32].copy_from_slice(&place.pos.0.to_le_bytes());
    let crc = crc32c::crc32c(&out[..32]);
    out[32..36].copy_from_slice(&crc.to_le_bytes());
    Ok(out)
}

/// A segment open for reading.
#[derive(Debug)]
pub(super) struct Segment {
    pub file: Box<dyn File>,
    pub path: PathBuf,
    pub base: Pos,
    /// Where in the file the first frame begins; `None` if neither header nor table nor that frame can be read.
    pub data: Option<u64>,
    /// One past the last position that the file has bytes of.
    pub end: Pos,
    log: LogId,
}

impl Segment {
    pub fn open(fs: &dyn Fs, dir: &Path, log: LogId, base: Pos) -> Result<Segment, LogError> {
        let path = path(dir, base);
        let file = fs.open(&path).map_err(LogError::io("open", &path))?;
        let size = file.size().map_err(LogError::io("read the size of", &path))?;
        let mut header = [0; HEADER_BYTES];
        let read = file.read_at(&mut header, 0).map_err(LogError::io("read", &path))?;
        let mut segment = Segment { file, path, base, data: None, end: base, log };
        let length = if read == HEADER_BYTES { segment.table_length(&header)? } else { None };
        let length = match length {
            Some(length) => Some(length),
            None => segment.table_frame(size)?.map(|frame| frame.len() as u64),
        };
        segment.data = match length {
            Some(length) => Some(HEADER_BYTES as u64 + length),
            None => segment.first_frame(size)?,
        };
        segment.end = Pos(base.0 + segment.data.map_or(0, |data| size.saturating_sub(data)));
        Ok(segment)
    }

    /// The length of the table's frame, of a sound header.
    fn table_length(&self, header: &[u8; HEADER_BYTES]) -> Result<Option<u64>, LogError> {
        let [m @ .., _, _, _, _] = header;
        if header[..8] != MAGIC || crc32c::crc32c(m).to_le_bytes() != header[32..] {
            return Ok(None);
        }
        let version = u16::from_le_bytes([header[8], header[9]]);
        if version > VERSION {
            return Err(LogError::Newer { path: self.path.clone(), version });
        }
        let same = header[16..24] == self.log.bits().to_le_bytes() && header[24..32] == self.base.0.to_le_bytes();
        let length = u32::from_le_bytes([header[12], header[13], header[14], header[15]]);
        Ok(same.then_some(u64::from(length)))
    }

    /// The table's frame, if it is sound.
    fn table_frame(&self, size: u64) -> Result<Option<Vec<u8>>, LogError> {
        let place = Place { log: self.log, pos: self.base };
        let mut bytes = vec![0; frame::HEADER_BYTES];
        loop {
            if (HEADER_BYTES + bytes.len()) as u64 > size {
                return Ok(None);
            }
            let read = self.file.read_at(&mut bytes, HEADER_BYTES as u64);
            let read = read.map_err(LogError::io("read", &self.path))?;
            match frame::look(&bytes[..read], place) {
                Look::Frame { kind: Kind::SourceTable, total } if total == bytes.len() => return Ok(Some(bytes)),
                Look::Needs(total) if total > bytes.len() => bytes.resize(total, 0),
                _ => return Ok(None),
            }
        }
    }

    /// Where the first frame begins, when neither header nor table say it: a frame knows its own place.
    fn first_frame(&self, size: u64) -> Result<Option<u64>, LogError> {
        let place = Place { log: self.log, pos: self.base };
        let most = super::SEGMENT_BYTES_MAX + frame::PAYLOAD_BYTES_MAX as u64;
        let mut bytes = vec![0; usize::try_from(size.min(most)).unwrap_or(usize::MAX)];
        let read = self.file.read_at(&mut bytes, 0).map_err(LogError::io("read", &self.path))?;
        let is_frame = |at: &usize| {
            let look = frame::look(&bytes[*at..read], place);
            matches!(look, Look::Frame { kind, .. } if kind != Kind::SourceTable)
        };
        Ok(memchr::memchr_iter(frame::MAGIC[0], &bytes[..read]).find(is_frame).map(|at| at as u64))
    }

    /// The source table at its beginning, if it is sound.
    pub fn table(&self) -> Result<Option<SourceTable>, LogError> {
        let size = self.file.size().map_err(LogError::io("read the size of", &self.path))?;
        let frame = self.table_frame(size)?;
        Ok(frame.and_then(|frame| SourceTable::from_json(&frame[frame::HEADER_BYTES..])))
    }

    /// As many of the `length` bytes from a position on as the file has.
    pub fn read(&self, from: Pos, length: usize) -> Result<Vec<u8>, LogError> {
        let there = usize::try_from(self.end.0.saturating_sub(from.0)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; length.min(there)];
        let offset = self.data.unwrap_or(0) + (from.0 - self.base.0);
        let read = self.file.read_at(&mut bytes, offset).map_err(LogError::io("read", &self.path))?;
        bytes.truncate(read);
        Ok(bytes)
    }
}
