//! GELF datagrams: chunks put together, and what they hold inflated.
//!
//! Limits: a message of [`CHUNKS_MAX`] chunks that come within [`CHUNKS_WAIT`]; at most [`PENDING_MAX`] unfinished messages of
//! together [`PENDING_BYTES_MAX`], past which the oldest are given up; [`LINE_BYTES_MAX`] inflated, of which the prefix is
//! kept and marked.

use crate::{
    event::LINE_BYTES_MAX,
    flow::{Record, RecordKind},
};
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    io::Read,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Most chunks of a message.
pub const CHUNKS_MAX: u8 = 128;
/// All chunks of a message come within this time.
pub const CHUNKS_WAIT: Duration = Duration::from_secs(5);
/// Most messages of which chunks are missing.
pub const PENDING_MAX: usize = 1_000;
/// Most bytes of those.
pub const PENDING_BYTES_MAX: usize = 16 << 20;
/// The first bytes of a chunk; its id, number and count follow.
const CHUNK_MAGIC: [u8; 2] = [0x1e, 0x0f];
const CHUNK_HEAD_BYTES: usize = 12;
/// What a place for a chunk takes in memory.
const CHUNK_OVERHEAD: usize = 32;

/// What became of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It is or completes this record.
    Record(Record),
    /// It is a chunk, others are missing.
    Waiting,
    /// It is not what GELF says.
    Malformed(&'static str),
}

#[derive(Debug)]
struct Pending {
    key: (Option<IpAddr>, [u8; 8]),
    chunks: Vec<Option<Box<[u8]>>>,
    missing: usize,
    bytes: usize,
    since: Instant,
}

/// Chunks on their way to whole messages.
#[derive(Debug, Default)]
pub struct Assembly {
    /// By age.
    pending: BTreeMap<u64, Pending>,
    ages: HashMap<(Option<IpAddr>, [u8; 8]), u64>,
    next_age: u64,
    bytes: usize,
    given_up: u64,
}

impl Assembly {
    /// Takes a datagram that `peer` sent.
    pub fn take(&mut self, datagram: &[u8], peer: Option<IpAddr>, now: Instant) -> Taken {
        self.expire(now);
        let Some(rest) = datagram.strip_prefix(&CHUNK_MAGIC) else { return inflated(datagram) };
        let Some((head, chunk)) = rest.split_at_checked(CHUNK_HEAD_BYTES - CHUNK_MAGIC.len()) else {
            return Taken::Malformed("a chunk is shorter than its head");
        };
        let (id, number, count) = (head.first_chunk::<8>(), head[8], head[9]);
        let Some(id) = id.filter(|_| number < count && count <= CHUNKS_MAX) else {
            return Taken::Malformed("a chunk has a number or a count that cannot be");
        };
        let whole = self.add((peer, *id), usize::from(number), usize::from(count), chunk, now);
        match whole {
            Ok(Some(message)) => inflated(&message),
            Ok(None) => Taken::Waiting,
            Err(what) => Taken::Malformed(what),
        }
    }

    fn add(
        &mut self,
        key: (Option<IpAddr>, [u8; 8]),
        number: usize,
        count: usize,
        chunk: &[u8],
        now: Instant,
    ) -> Result<Option<Vec<u8>>, &'static str> {
        let age = *self.ages.entry(key).or_insert_with(|| {
            self.next_age += 1;
            self.bytes += count * CHUNK_OVERHEAD;
            let chunks = vec![None; count];
            let pending = Pending { key, chunks, missing: count, bytes: count * CHUNK_OVERHEAD, since: now };
            self.pending.insert(self.next_age, pending);
            self.next_age
        });
        let Some(pending) = self.pending.get_mut(&age) else { return Ok(None) };
        let total = pending.chunks.len();
        let Some(place) = pending.chunks.get_mut(number).filter(|_| total == count) else {
            return Err("chunks of one message disagree on their count");
        };
        if place.is_some() {
            return Ok(None);
        }
        *place = Some(chunk.into());
        pending.missing -= 1;
        pending.bytes += chunk.len();
        self.bytes += chunk.len();
        if pending.missing > 0 {
            self.make_room();
            return Ok(None);
        }
        Ok(self.remove(age).map(|whole| whole.chunks.into_iter().flatten().flatten().collect()))
    }

    fn make_room(&mut self) {
        while self.pending.len() > PENDING_MAX || self.bytes > PENDING_BYTES_MAX {
            let Some(oldest) = self.pending.keys().next().copied() else { return };
            self.remove(oldest);
            self.given_up += 1;
        }
    }

    fn remove(&mut self, age: u64) -> Option<Pending> {
        let pending = self.pending.remove(&age)?;
        self.ages.remove(&pending.key);
        self.bytes -= pending.bytes;
        Some(pending)
    }

    /// Gives up messages whose chunks did not come in time.
    pub fn expire(&mut self, now: Instant) {
        while let Some((age, pending)) = self.pending.first_key_value()
            && now.saturating_duration_since(pending.since) >= CHUNKS_WAIT
        {
            let age = *age;
            self.remove(age);
            self.given_up += 1;
        }
    }

    /// How many messages were given up since this was asked last.
    pub fn given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    /// Whether chunks wait for others.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }
}

/// The record of a message that may be compressed by gzip or zlib.
fn inflated(message: &[u8]) -> Taken {
    let mut bytes = Vec::new();
    let limit = LINE_BYTES_MAX as u64 + 1;
    let read = match message {
        [0x1f, 0x8b, ..] => flate2::read::MultiGzDecoder::new(message).take(limit).read_to_end(&mut bytes),
        [first, second, ..] if first & 0x0f == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31) => {
            flate2::read::ZlibDecoder::new(message).take(limit).read_to_end(&mut bytes)
        }
        plain => plain.take(limit).read_to_end(&mut bytes),
    };
    if read.is_err() {
        return Taken::Malformed("a compressed message is damaged");
    }
    let truncated = bytes.len() > LINE_BYTES_MAX;
    bytes.truncate(LINE_BYTES_MAX);
    let text = Bytes::from(bytes);
    let ends = text.iter().rev().take_while(|byte| **byte == 0 || byte.is_ascii_whitespace()).count();
    let text = text.slice(..text.len() - ends);
    if text.is_empty() {
        return Taken::Malformed("a message is empty");
    }
    let json = !truncated && is_object(&text);
    Taken::Record(Record { bytes: text, kind: RecordKind { json, truncated } })
}

/// Whether a text looks like one JSON object.
#[must_use]
pub fn is_object(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.first() == Some(&b'{') && text.last() == Some(&b'}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write};
    use proptest::prelude::*;
    use std::io::Write;

    fn at() -> Instant {
        crate::clock::instant()
    }

    fn chunk(id: u8, number: u8, count: u8, bytes: &[u8]) -> Vec<u8> {
        [&CHUNK_MAGIC[..], &[id; 8], &[number, count], bytes].concat()
    }

    fn text(taken: Taken) -> String {
        match taken {
            Taken::Record(record) => {
                format!("{} {}", String::from_utf8_lossy(&record.bytes), record.kind.json)
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn messages_come_plain_or_compressed() {
        let object = br#"{"short_message":"a"}"#;
        let mut gzip = write::GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(object).unwrap();
        let mut zlib = write::ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(object).unwrap();
        for message in
            [object.to_vec(), gzip.finish().unwrap(), zlib.finish().unwrap(), [&object[..], b"\n\0"].concat()]
        {
            assert_eq!(text(Assembly::default().take(&message, None, at())), r#"{"short_message":"a"} true"#);
        }
        assert_eq!(text(Assembly::default().take(b"no object", None, at())), "no object false");
        for bad in
            [&b""[..], b"\0", b"\x1f\x8bno", b"\x78\x9cno", b"\x1e\x0f", &chunk(1, 2, 2, b""), &chunk(1, 0, 129, b"")]
        {
            assert!(matches!(Assembly::default().take(bad, None, at()), Taken::Malformed(_)), "{bad:?}");
        }
    }

    #[test]
    fn chunks_come_in_any_order_twice_and_mixed() {
        let mut assembly = Assembly::default();
        let (now, peer) = (at(), Some(IpAddr::from([10, 0, 0, 1])));
        assert_eq!(assembly.take(&chunk(1, 1, 2, b"b}"), None, now), Taken::Waiting);
        assert_eq!(assembly.take(&chunk(1, 1, 2, b"b}"), None, now), Taken::Waiting);
        assert_eq!(assembly.take(&chunk(1, 0, 2, b"{x"), peer, now), Taken::Waiting);
        assert!(matches!(assembly.take(&chunk(1, 0, 3, b"{x"), peer, now), Taken::Malformed(_)));
        assert_eq!(text(assembly.take(&chunk(1, 0, 2, b"{a"), None, now)), "{ab} true");
        assert_eq!(text(assembly.take(&chunk(1, 1, 2, b"y}"), peer, now)), "{xy} true");
        assert!(!assembly.is_waiting() && assembly.bytes == 0 && assembly.ages.is_empty());
    }

    #[test]
    fn what_stays_incomplete_is_given_up() {
        let mut assembly = Assembly::default();
        let now = at();
        assembly.take(&chunk(1, 0, 2, b"a"), None, now);
        assembly.expire(now + CHUNKS_WAIT / 2);
        assert!(assembly.is_waiting());
        assembly.expire(now + CHUNKS_WAIT);
        assert_eq!((assembly.is_waiting(), assembly.given_up(), assembly.given_up()), (false, 1, 0));
        for id in 0..=255 {
            for number in 0..127 {
                assembly.take(&chunk(id, number, 128, &[b'x'; 1_000]), None, now);
                assert!(assembly.bytes <= PENDING_BYTES_MAX + 1_000 + 128 * CHUNK_OVERHEAD);
            }
        }
        assert!(assembly.given_up() > 0);
    }

    #[test]
    fn bombs_are_cut() {
        let mut gzip = write::GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&vec![b'x'; 50 << 20]).unwrap();
        let Taken::Record(record) = Assembly::default().take(&gzip.finish().unwrap(), None, at()) else { panic!() };
        assert_eq!((record.bytes.len(), record.kind.truncated), (LINE_BYTES_MAX, true));
    }

    proptest! {
        #[test]
        fn any_datagrams_leave_memory_bounded(
            datagrams in proptest::collection::vec(
                (any::<bool>(), 0..4_u8, any::<u8>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..50)), 0..200),
        ) {
            let mut assembly = Assembly::default();
            let now = at();
            for (chunked, id, number, count, bytes) in datagrams {
                let datagram = if chunked { chunk(id, number % 4, count % 4, &bytes) } else { bytes };
                assembly.take(&datagram, None, now);
                let held: usize = assembly.pending.values().map(|pending| pending.bytes).sum();
                prop_assert_eq!((held, assembly.pending.len()), (assembly.bytes, assembly.ages.len()));
            }
        }
    }
}
