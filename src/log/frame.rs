//! One frame: 16 bytes of header, then the payload. Numbers are little-endian.
//!
//! ```text
//! 0  magic    4  F5 4C 47 FA: never part of UTF-8 text
//! 4  kind     1  1 records, 2 source table, 3 mark
//! 5  flags    1  0
//! 6  check    2  low half of the CRC32C over place, magic, kind, flags and length
//! 8  length   4  of the payload
//! 12 crc      4  CRC32C over place, bytes 0 to 12 and payload
//! ```
//!
//! *Place* is the log's id and the frame's position (8 bytes each, never stored): bytes of another log, of another place
//! in this one, or forged inside a record are no frame here. `check` lets a search reject bytes that only look like a
//! frame without reading as far as their length claims.
//!
//! Payload of records: `received` i64 ns; `spanned` u8 (0 no span, 1 a span, 2 a span of a file), `from` u64, `to` u64; of a
//! file `device`, `inode`, `prefix` and `marker`, u64 each; length u32 and JSON of the origin; `count` u32; for each record its length u32 and kind u8 (1 JSON, 2 truncated); the bytes of all records. Payload of
//! the source table: JSON. A mark has none.

use crate::event::Timestamp;
use crate::flow::{
    FRAME_BYTES_MAX, FileMark, LogId, Origin, Pos, RECORDS_PER_FRAME_MAX, RawBatch, Record, RecordKind, Span,
};
use bytes::{Buf as _, Bytes};
use std::sync::Arc;

/// The length of a frame's header.
pub(super) const HEADER_BYTES: usize = 16;
/// Where a search looks for frames.
pub(super) const MAGIC: [u8; 4] = [0xf5, b'L', b'G', 0xfa];
/// Longest origin of a batch as JSON, in bytes; a batch with a longer one is too large.
pub const ORIGIN_BYTES_MAX: usize = 64 << 10;
/// Longest payload of any frame.
pub(super) const PAYLOAD_BYTES_MAX: usize = super::sources::TABLE_BYTES_MAX;

const FIXED_BYTES: usize = 8 + 17 + 4 + 4;
const MARK_BYTES: usize = 32;
const ENTRY_BYTES: usize = 5;
const JSON: u8 = 1;
const TRUNCATED: u8 = 2;
/// Longest payload of a frame of records.
pub(super) const RECORDS_BYTES_MAX: usize =
    FIXED_BYTES + MARK_BYTES + ORIGIN_BYTES_MAX + ENTRY_BYTES * RECORDS_PER_FRAME_MAX + FRAME_BYTES_MAX;
const _: () = assert!(RECORDS_BYTES_MAX <= PAYLOAD_BYTES_MAX);

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Records = 1,
    SourceTable = 2,
    /// Everything before it is durable.
    Mark = 3,
}

/// Where a frame stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub log: LogId,
    pub pos: Pos,
}

impl Place {
    fn crc(self) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.log.bits().to_le_bytes()), &self.pos.0.to_le_bytes())
    }
}

/// What bytes at a place turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// A frame of this length in all, its checksum right.
    Frame { kind: Kind, total: usize },
    /// Perhaps a frame: as many bytes are needed to say.
    Needs(usize),
    /// No frame.
    Bad,
}

fn check_of(place: Place, header: &[u8; HEADER_BYTES]) -> [u8; 2] {
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(place.crc(), &header[..6]), &header[8..12]);
    let [low, high, ..] = crc.to_le_bytes();
    [low, high]
}

/// Looks whether a frame begins at the first byte.
pub(super) fn look(bytes: &[u8], place: Place) -> Look {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        let known = bytes.len().min(MAGIC.len());
        return if bytes[..known] == MAGIC[..known] { Look::Needs(HEADER_BYTES) } else { Look::Bad };
    };
    let kind = match header[4] {
        1 => Kind::Records,
        2 => Kind::SourceTable,
        3 => Kind::Mark,
        _ => return Look::Bad,
    };
    let length = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
    let sound = header[..4] == MAGIC && header[5] == 0 && length <= PAYLOAD_BYTES_MAX;
    if !sound || header[6..8] != check_of(place, header) {
        return Look::Bad;
    }
    let total = HEADER_BYTES + length;
    let Some(payload) = rest.get(..length) else { return Look::Needs(total) };
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(place.crc(), &header[..12]), payload);
    if crc.to_le_bytes() == header[12..] { Look::Frame { kind, total } } else { Look::Bad }
}

/// Writes a frame behind `out` whose payload `fill` appends.
fn put(out: &mut Vec<u8>, kind: Kind, place: Place, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER_BYTES]);
    fill(out);
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&MAGIC);
    header[4] = kind as u8;
    header[8..12].copy_from_slice(&wide(out.len() - start - HEADER_BYTES));
    let check = check_of(place, &header);
    header[6..8].copy_from_slice(&check);
    let head = crc32c::crc32c_append(place.crc(), &header[..12]);
    let crc = crc32c::crc32c_append(head, &out[start + HEADER_BYTES..]);
    header[12..].copy_from_slice(&crc.to_le_bytes());
    out[start..start + HEADER_BYTES].copy_from_slice(&header);
}

/// A length as the format has it; all lengths are checked against their limits before.
fn wide(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

/// How long the frame of a batch will be; `None` if it is larger than a frame may be.
pub(super) fn records_bytes(batch: &RawBatch, origin: &[u8]) -> Option<usize> {
    let bytes = batch.records.iter().map(|record| record.bytes.len()).sum::<usize>();
    let fits = bytes <= FRAME_BYTES_MAX
        && batch.records.len() <= RECORDS_PER_FRAME_MAX
        && origin.len() <= ORIGIN_BYTES_MAX
        && batch.origin.source.len() <= super::sources::SOURCE_BYTES_MAX;
    let mark = if file_mark(batch).is_some() { MARK_BYTES } else { 0 };
    fits.then_some(HEADER_BYTES + FIXED_BYTES + mark + origin.len() + ENTRY_BYTES * batch.records.len() + bytes)
}

/// The mark, which means nothing without a span.
fn file_mark(batch: &RawBatch) -> Option<FileMark> {
    batch.mark.filter(|_| batch.span.is_some())
}

/// Appends a frame of records; `origin` is the batch's origin as JSON. The batch fits ([`records_bytes`]).
pub(super) fn put_records(out: &mut Vec<u8>, batch: &RawBatch, origin: &[u8], place: Place) {
    put(out, Kind::Records, place, |out| {
        out.extend_from_slice(&batch.received.as_nanos().to_le_bytes());
        let span = batch.span.unwrap_or(Span { from: 0, to: 0 });
        let mark = file_mark(batch);
        out.push(u8::from(batch.span.is_some()) + u8::from(mark.is_some()));
        out.extend_from_slice(&span.from.to_le_bytes());
        out.extend_from_slice(&span.to.to_le_bytes());
        if let Some(FileMark { device, inode, prefix, marker }) = mark {
            out.extend([device, inode, prefix, marker].iter().flat_map(|number| number.to_le_bytes()));
        }
        out.extend_from_slice(&wide(origin.len()));
        out.extend_from_slice(origin);
        out.extend_from_slice(&wide(batch.records.len()));
        for record in &batch.records {
            out.extend_from_slice(&wide(record.bytes.len()));
            out.push(u8::from(record.kind.json) * JSON + u8::from(record.kind.truncated) * TRUNCATED);
        }
        for record in &batch.records {
            out.extend_from_slice(&record.bytes);
        }
    });
}

/// Appends the frame of a source table.
pub(super) fn put_table(out: &mut Vec<u8>, json: &[u8], place: Place) {
    put(out, Kind::SourceTable, place, |out| out.extend_from_slice(json));
}

/// Appends a mark.
pub(super) fn put_mark(out: &mut Vec<u8>, place: Place) {
    put(out, Kind::Mark, place, |_| ());
}

/// Reads origins; consecutive frames mostly share theirs, which is then parsed and kept once.
#[derive(Debug, Default)]
pub(super) struct Origins {
    json: Bytes,
    origin: Arc<Origin>,
}

impl Origins {
    fn read(&mut self, json: &Bytes) -> Option<Arc<Origin>> {
        if self.json != *json {
            self.origin = Arc::new(serde_json::from_slice(json).ok()?);
            // A copy, because a slice would keep the whole read buffer alive.
            self.json = Bytes::copy_from_slice(json);
        }
        Some(self.origin.clone())
    }
}

/// The batch in the payload of a frame of records; its records are slices of `payload`. `None` if it is malformed.
pub(super) fn records(mut payload: Bytes, origins: &mut Origins) -> Option<RawBatch> {
    let received = Timestamp::from_nanos(payload.try_get_i64_le().ok()?);
    let spanned = payload.try_get_u8().ok()?;
    let span = Span { from: payload.try_get_u64_le().ok()?, to: payload.try_get_u64_le().ok()? };
    let mark = if spanned == 2 { Some(read_mark(&mut payload)?) } else { None };
    let origin = take(&mut payload)?;
    let origin = origins.read(&origin)?;
    let count = payload.try_get_u32_le().ok()? as usize;
    // Before anything is allocated by it: the entries must be there.
    if count > RECORDS_PER_FRAME_MAX || payload.len() < count * ENTRY_BYTES {
        return None;
    }
    let mut entries = payload.split_to(count * ENTRY_BYTES);
    let mut records = Vec::with_capacity(count);
    while entries.has_remaining() {
        let length = entries.get_u32_le() as usize;
        let kind = entries.get_u8();
        if length > payload.len() || kind > JSON | TRUNCATED {
            return None;
        }
        let kind = RecordKind { json: kind & JSON != 0, truncated: kind & TRUNCATED != 0 };
        records.push(Record { bytes: payload.split_to(length), kind });
    }
    let span = (spanned > 0).then_some(span);
    (payload.is_empty() && spanned <= 2).then_some(RawBatch { origin, span, mark, received, records })
}

fn read_mark(payload: &mut Bytes) -> Option<FileMark> {
    let mut number = || payload.try_get_u64_le().ok();
    Some(FileMark { device: number()?, inode: number()?, prefix: number()?, marker: number()? })
}

fn take(payload: &mut Bytes) -> Option<Bytes> {
    let length = payload.try_get_u32_le().ok()? as usize;
    (length <= payload.len()).then(|| payload.split_to(length))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub const PLACE: Place = Place { log: LogId::from_bits(0x4f2a_9c01_d3b7), pos: Pos(77) };

    pub fn any_batch() -> impl Strategy<Value = RawBatch> {
        let record = (prop::collection::vec(any::<u8>(), 0..40), any::<bool>(), any::<bool>())
            .prop_map(|(bytes, json, truncated)| Record { bytes: bytes.into(), kind: RecordKind { json, truncated } });
        let span = (any::<u64>(), any::<u64>()).prop_map(|(from, to)| Span { from, to });
        let mark =
            any::<[u64; 4]>().prop_map(|[device, inode, prefix, marker]| FileMark { device, inode, prefix, marker });
        let place = prop::option::of((span, prop::option::of(mark)));
        (".{0,20}", prop::option::of(".{0,9}"), place, any::<i64>(), prop::collection::vec(record, 0..8)).prop_map(
            |(source, host, place, received, records)| RawBatch {
                origin: Arc::new(Origin { source, host, input: "test".to_owned(), ..Origin::default() }),
                span: place.map(|(span, _)| span),
                mark: place.and_then(|(_, mark)| mark),
                received: Timestamp::from_nanos(received),
                records,
            },
        )
    }

    /// A frame of records, whatever its payload.
    pub fn sound(payload: &[u8], place: Place) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, Kind::Records, place, |out| out.extend_from_slice(payload));
        out
    }

    fn encode(batch: &RawBatch) -> Vec<u8> {
        let origin = serde_json::to_vec(&*batch.origin).unwrap();
        let mut out = Vec::new();
        put_records(&mut out, batch, &origin, PLACE);
        assert_eq!(Some(out.len()), records_bytes(batch, &origin));
        out
    }

    proptest! {
        #[test]
        fn a_frame_comes_back(batch in any_batch(), behind in prop::collection::vec(any::<u8>(), 0..9)) {
            let frame = encode(&batch);
            let longer = [&frame[..], &behind].concat();
            prop_assert_eq!(look(&longer, PLACE), Look::Frame { kind: Kind::Records, total: frame.len() });
            for cut in 0..frame.len() {
                let needs = if cut < HEADER_BYTES { HEADER_BYTES } else { frame.len() };
                prop_assert_eq!(look(&frame[..cut], PLACE), Look::Needs(needs));
            }
            let payload = Bytes::from(frame).slice(HEADER_BYTES..);
            prop_assert_eq!(records(payload, &mut Origins::default()), Some(batch));
        }

        #[test]
        fn a_changed_frame_is_none(batch in any_batch(), at in any::<prop::sample::Index>(), bit in 0u8..8) {
            let mut frame = encode(&batch);
            let at = at.index(frame.len());
            frame[at] ^= 1 << bit;
            prop_assert_eq!(look(&frame, PLACE), Look::Bad);
        }

        #[test]
        fn a_frame_elsewhere_is_none(batch in any_batch(), moved in 1u64..1000) {
            let frame = encode(&batch);
            prop_assert_eq!(look(&frame, Place { pos: Pos(77 + moved), ..PLACE }), Look::Bad);
            prop_assert_eq!(look(&frame, Place { log: LogId::from_bits(moved), ..PLACE }), Look::Bad);
        }

        #[test]
        fn any_payload_is_read_without_harm(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            records(payload.into(), &mut Origins::default());
        }

        #[test]
        fn any_cut_payload_is_refused(batch in any_batch(), at in any::<prop::sample::Index>()) {
            let frame = Bytes::from(encode(&batch));
            let payload = frame.slice(HEADER_BYTES..HEADER_BYTES + at.index(frame.len() - HEADER_BYTES));
            prop_assert_eq!(records(payload, &mut Origins::default()), None);
        }
    }

    #[test]
    fn hostile_lengths_allocate_nothing() {
        let mut payload = vec![0; 8 + 17];
        payload.extend_from_slice(&2u32.to_le_bytes());
        payload.extend_from_slice(b"{}");
        payload.extend_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(records(payload.into(), &mut Origins::default()), None);
    }

    #[test]
    fn equal_origins_are_shared() {
        let batch = RawBatch {
            origin: Arc::new(Origin { source: "s".to_owned(), ..Origin::default() }),
            span: None,
            mark: None,
            received: Timestamp::default(),
            records: vec![],
        };
        let mut origins = Origins::default();
        let payload = Bytes::from(encode(&batch)).slice(HEADER_BYTES..);
        let first = records(payload.clone(), &mut origins).unwrap();
        assert!(Arc::ptr_eq(&first.origin, &records(payload, &mut origins).unwrap().origin));
    }
}
