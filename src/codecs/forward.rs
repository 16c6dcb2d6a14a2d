//! Fluent's forward protocol, version 1: its messages, and the records in them as JSON.
//!
//! A record keeps its names but for these: `container_id` and `container_name` become `container.id` and `container.name`;
//! `source`, where it says `stdout` or `stderr`, becomes `log.iostream`. The tag becomes `fluent.tag`, the time of the event
//! `@timestamp` unless the record has one. `log` keeps its name: the parsers read what a container wrote there by the format
//! that it has, and it is the message then. What Docker cut into parts is put together ([`Parts`]).
//!
//! Limits: a message inflates to [`INFLATED_BYTES_MAX`], an entry has [`ENTRY_BYTES_MAX`]; a record is
//! cut as [`Object`] says. Damage inside a message costs the entries behind it.

use super::{
    msgpack::{Cursor, Fault, Item, Scan},
    object::{Object, TooLong},
};
use crate::{event::LINE_BYTES_MAX, flow::Record};
use std::{borrow::Cow, io::Read};

/// What the entries of a message may inflate to.
pub const INFLATED_BYTES_MAX: usize = 64 << 20;
/// Longest entry of a message.
pub const ENTRY_BYTES_MAX: usize = 8 << 20;
/// Longest acknowledgement that a client may ask for.
pub const CHUNK_ID_BYTES_MAX: usize = 256;
/// Longest tag; a longer one is cut.
const TAG_BYTES_MAX: usize = 1_024;
/// Largest zstd window, as a power of two.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Inflated in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// What a message is.
#[derive(Debug)]
pub struct Message<'b> {
    tag: Cow<'b, str>,
    entries: Entries<'b>,
    /// What the client wants back once the records are durable.
    pub chunk: Option<&'b [u8]>,
}

#[derive(Debug)]
enum Entries<'b> {
    /// One: its time and record.
    One(Cursor<'b>),
    /// So many, in the message itself.
    Listed(usize, Cursor<'b>),
    /// In a text of their own, maybe compressed.
    Packed(&'b [u8]),
}

/// A part of what a container wrote, by Docker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Of which line.
    pub id: String,
    /// The how-manieth, from 1.
    pub number: u64,
    /// There is no other behind it.
    pub last: bool,
}

/// A record on its way to JSON.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    object: Object,
    /// It is a part of a line.
    pub part: Option<Part>,
}

impl<'b> Message<'b> {
    /// Reads the outside of a message that is there whole.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &'b [u8]) -> Result<Message<'b>, &'static str> {
        let shape = "a message is an array of a tag, a time and a record, or of a tag and entries";
        let mut cursor = Cursor::new(bytes);
        let Ok(Item::Array(count @ 2..=6)) = cursor.item() else { return Err(shape) };
        let Ok(Item::Text(tag)) = cursor.item() else { return Err(shape) };
        if tag == b"PING" && count == 6 {
            return Err(
                "the client wants a handshake with a shared key, which is not offered here: remove its shared_key",
            );
        }
        let tag = &tag[..tag.len().min(TAG_BYTES_MAX)];
        let inside = cursor;
        let (entries, used) = match cursor.item().map_err(|_| shape)? {
            Item::Array(entries) => {
                let listed = Entries::Listed(entries, cursor);
                for _ in 0..entries {
                    cursor.skip().map_err(|_| shape)?;
                }
                (listed, 2)
            }
            Item::Text(packed) => (Entries::Packed(packed), 2),
            Item::Nil | Item::Int(_) | Item::Large(_) | Item::Float(_) | Item::Ext(..) if count > 2 => {
                cursor.skip().map_err(|_| shape)?;
                (Entries::One(inside), 3)
            }
            _ => return Err(shape),
        };
        let chunk = if count > used { option(&mut cursor, b"chunk").map_err(|_| shape)? } else { None };
        if chunk.is_some_and(|chunk| chunk.len() > CHUNK_ID_BYTES_MAX) {
            return Err("a chunk has an id that is too long");
        }
        Ok(Message { tag: String::from_utf8_lossy(tag), entries, chunk })
    }

    /// Whether its entries are compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        matches!(self.entries, Entries::Packed([0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..]))
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Calls for each record; how many entries are damaged. Stops where `take` says so.
    pub fn each(&self, mut take: impl FnMut(Entry) -> bool) -> u64 {
        match &self.entries {
            Entries::One(cursor) => match entry(&mut cursor.clone()) {
                Ok(entry) => {
                    take(entry);
                    0
                }
                Err(_) => 1,
            },
            Entries::Listed(count, cursor) => {
                let (mut cursor, mut damaged) = (*cursor, 0);
                for _ in 0..*count {
                    let Ok(bytes) = cursor.skip() else { return damaged + 1 };
                    match listed(bytes) {
                        Some(entry) => {
                            if !take(entry) {
                                return damaged;
                            }
                        }
                        None => damaged += 1,
                    }
                }
                damaged
            }
            Entries::Packed(packed) => each_packed(packed, take),
        }
    }
}

/// The value of one of the options, where they are a map.
fn option<'b>(cursor: &mut Cursor<'b>, wanted: &[u8]) -> Result<Option<&'b [u8]>, Fault> {
    let Item::Map(count) = cursor.item()? else { return Ok(None) };
    let mut found = None;
    for _ in 0..count {
        let name = cursor.skip()?;
        let value = cursor.skip()?;
        if Cursor::new(name).item() == Ok(Item::Text(wanted))
            && let Ok(Item::Text(value)) = Cursor::new(value).item()
        {
            found = Some(value);
        }
    }
    Ok(found)
}

/// The entries of a text, which shows itself whether it is compressed: entries begin with no such bytes.
fn each_packed(packed: &[u8], mut take: impl FnMut(Entry) -> bool) -> u64 {
    let mut inside: Box<dyn Read + '_> = match packed {
        [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let Ok(mut decoder) = zstd::stream::read::Decoder::new(packed) else { return 1 };
            if decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).is_err() {
                return 1;
            }
            Box::new(decoder)
        }
        plain => Box::new(plain),
    };
    let (mut buffer, mut piece, mut scan) = (Vec::new(), vec![0; PIECE_BYTES], Scan::default());
    let (mut from, mut damaged, mut inflated) = (0, 0, 0);
    loop {
        match scan.end(&buffer[from..]) {
            Ok(length) => {
                match listed(&buffer[from..from + length]) {
                    Some(entry) => {
                        if !take(entry) {
                            return damaged;
                        }
                    }
                    None => damaged += 1,
                }
                from += length;
                continue;
            }
            Err(Fault::More(to)) if to <= ENTRY_BYTES_MAX => {}
            Err(_) => return damaged + 1,
        }
        buffer.drain(..std::mem::take(&mut from));
        match inside.read(&mut piece) {
            Ok(0) if buffer.is_empty() => return damaged,
            Ok(0) | Err(_) => return damaged + 1,
            Ok(count) => {
                inflated += count;
                if inflated > INFLATED_BYTES_MAX {
                    return damaged + 1;
                }
                buffer.extend_from_slice(&piece[..count]);
            }
        }
    }
}

/// The entry in an array of time and record.
fn listed(bytes: &[u8]) -> Option<Entry> {
    let mut cursor = Cursor::new(bytes);
    match cursor.item() {
        Ok(Item::Array(2)) => entry(&mut cursor).ok(),
        _ => None,
    }
}

/// The entry whose time and record come next.
fn entry(cursor: &mut Cursor<'_>) -> Result<Entry, Fault> {
    let mut entry = Entry::default();
    entry.object.time = match cursor.item()? {
        // Newer versions of Fluent Bit: the time, and data about the record.
        Item::Array(2) => {
            let time = cursor.item()?.time();
            let about = cursor.skip()?;
            if Cursor::new(about).item()?.inside() > 0 {
                entry.value("fluent.metadata", about)?;
            }
            time
        }
        time => time.time(),
    };
    let Item::Map(count) = cursor.item()? else { return Err(Fault::Malformed) };
    let mut part = (false, None, None, false);
    for _ in 0..count {
        let (name, value) = (cursor.item()?, cursor.skip()?);
        let first = Cursor::new(value).item()?;
        match (name, first) {
            (Item::Text(b"partial_message"), Item::Text(text)) => part.0 = text == b"true",
            (Item::Text(b"partial_id"), Item::Text(text)) => part.1 = Some(text),
            (Item::Text(b"partial_ordinal"), Item::Text(text)) => part.2 = whole_number(text),
            (Item::Text(b"partial_last"), Item::Text(text)) => part.3 = text == b"true",
            (Item::Text(name), _) => entry.field(name, first, value)?,
            _ => return Err(Fault::Malformed),
        }
    }
    if let (true, Some(id), Some(number)) = (part.0, part.1, part.2) {
        entry.part = Some(Part { id: String::from_utf8_lossy(id).into_owned(), number, last: part.3 });
    }
    Ok(entry)
}

fn whole_number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl Entry {
    fn field(&mut self, name: &[u8], first: Item<'_>, value: &[u8]) -> Result<(), Fault> {
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        let name = match (name, first) {
            (b"message", Item::Text(found)) => {
                if let Some(("log", log)) = self.object.text.replace(("message", text(found))) {
                    self.object.add("log", &log);
                }
                return Ok(());
            }
            (b"log", Item::Text(found)) if self.object.text.is_none() => {
                self.object.text = Some(("log", text(found)));
                return Ok(());
            }
            (b"container_name", Item::Text(found)) => {
                // Docker's names begin with a slash.
                self.object.add("container.name", text(found).trim_start_matches('/'));
                return Ok(());
            }
            (b"source", Item::Text(b"stdout" | b"stderr")) => "log.iostream",
            (b"container_id", _) => "container.id",
            (b"@timestamp", _) => {
                self.object.time = None;
                "@timestamp"
            }
            (name, _) => &String::from_utf8_lossy(name),
        };
        self.value(name, value)
    }

    fn value(&mut self, name: &str, value: &[u8]) -> Result<(), Fault> {
        let mut outcome = Ok(());
        self.object.add_with(name, |out, bytes_max| {
            outcome = Cursor::new(value).write_json(out, bytes_max);
            outcome.map_err(|_| TooLong)
        });
        if outcome == Err(Fault::TooLong) { Ok(()) } else { outcome }
    }

    /// The bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.object.bytes()
    }

    /// Marks it as cut.
    pub fn cut(&mut self) {
        self.object.cut();
    }

    /// Appends the text of the part that follows; whether there was room for all of it.
    pub fn join(&mut self, next: Entry) -> bool {
        let Some((_, more)) = next.object.text else { return true };
        let (_, text) = self.object.text.get_or_insert(("log", String::new()));
        let room = LINE_BYTES_MAX.saturating_sub(text.len());
        text.push_str(&more[..more.floor_char_boundary(room)]);
        more.len() <= room
    }

    /// As a record; how many bytes of its text were cut.
    #[must_use]
    pub fn record(mut self, tag: &str) -> (Record, u64) {
        self.object.add("fluent.tag", tag);
        self.object.record()
    }
}

/// `{"ack": chunk}`: the records of the chunk are durable.
#[must_use]
pub fn ack(chunk: &[u8]) -> Vec<u8> {
    let mut out = b"\x81\xa3ack".to_vec();
    // Ids are short texts: 24 letters, mostly.
    match u8::try_from(chunk.len()) {
        Ok(length @ 0..32) => out.push(0xa0 | length),
        Ok(length) => out.extend([0xd9, length]),
        Err(_) => out.extend([0xda, (chunk.len() >> 8) as u8, chunk.len() as u8]),
    }
    out.extend_from_slice(chunk);
    out
}

/// MessagePack for tests.
#[cfg(test)]
pub(crate) mod testing {
    pub fn text(text: &str) -> Vec<u8> {
        [&[0xdb][..], &u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
    }

    pub fn map(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut out = [&[0xdf][..], &u32::try_from(fields.len()).unwrap().to_be_bytes()].concat();
        fields.iter().for_each(|(name, value)| out.extend([text(name), text(value)].concat()));
        out
    }

    pub const TIME: &[u8] = b"\xd7\x00\x69\x57\x3c\x25\x00\x00\x00\x01";

    /// Message mode.
    pub fn message(tag: &str, record: &[u8]) -> Vec<u8> {
        [b"\x93", &text(tag)[..], TIME, record].concat()
    }

    /// Message mode, to be acknowledged.
    pub fn chunk(tag: &str, record: &[u8], chunk: &str) -> Vec<u8> {
        [b"\x94", &text(tag)[..], TIME, record, &map(&[("chunk", chunk)])].concat()
    }

    /// Entries behind each other.
    pub fn entries(texts: &[&str]) -> Vec<u8> {
        texts.iter().flat_map(|text| [b"\x92", TIME, &map(&[("log", text)])].concat()).collect()
    }

    /// PackedForward mode.
    pub fn packed(tag: &str, entries: &[u8], options: &[(&str, &str)]) -> Vec<u8> {
        let length = u32::try_from(entries.len()).unwrap().to_be_bytes();
        [b"\x93", &text(tag)[..], b"\xc6", &length, entries, &map(options)].concat()
    }

    pub fn docker_part(id: &str, number: u64, last: bool, text: &str) -> Vec<u8> {
        let (number, last) = (number.to_string(), last.to_string());
        let part =
            [("partial_message", "true"), ("partial_id", id), ("partial_ordinal", &number), ("partial_last", &last)];
        map(&[&part[..], &[("log", text)]].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::{testing::*, *};
    use proptest::prelude::*;
    use std::io::Write;

    fn run(bytes: &[u8]) -> (Vec<String>, u64) {
        let message = Message::read(bytes).unwrap();
        let mut out = Vec::new();
        let damaged = message.each(|entry| {
            out.push(String::from_utf8_lossy(&entry.record(message.tag()).0.bytes).into_owned());
            true
        });
        (out, damaged)
    }

    const STAMP: &str = r#""@timestamp":"2026-01-02T03:31:49.000000001Z""#;

    #[test]
    fn records_keep_their_names_but_for_a_few() {
        let check = |record: &[(&str, &str)], expected: &str| {
            assert_eq!(run(&message("app", &map(record))), (vec![expected.to_owned()], 0));
        };
        check(
            &[("container_id", "0a"), ("container_name", "/web"), ("source", "stderr"), ("log", "a\n")],
            &format!(
                r#"{{{STAMP},"log":"a\n","container.id":"0a","container.name":"web","log.iostream":"stderr","fluent.tag":"app"}}"#
            ),
        );
        check(&[("log", "a"), ("message", "b")], &format!(r#"{{{STAMP},"message":"b","log":"a","fluent.tag":"app"}}"#));
        check(&[("message", "b"), ("log", "a")], &format!(r#"{{{STAMP},"message":"b","log":"a","fluent.tag":"app"}}"#));
        check(&[("source", "x"), ("@timestamp", "t")], r#"{"source":"x","@timestamp":"t","fluent.tag":"app"}"#);
        check(&[], &format!(r#"{{{STAMP},"fluent.tag":"app"}}"#));
    }

    #[test]
    fn all_modes_are_read() {
        let both = (["a", "b"].map(|text| format!(r#"{{{STAMP},"log":"{text}","fluent.tag":"t"}}"#)).to_vec(), 0);
        let list = entries(&["a", "b"]);
        let forward = [b"\x92", &text("t")[..], b"\x92", &list].concat();
        assert_eq!(run(&forward), both);
        assert_eq!(run(&packed("t", &list, &[("size", "2")])), both);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&list).unwrap();
        let gzip = packed("t", &gzip.finish().unwrap(), &[("compressed", "gzip"), ("chunk", "c1")]);
        assert_eq!(run(&gzip), both);
        assert_eq!(Message::read(&gzip).unwrap().chunk, Some(&b"c1"[..]));
        let zstd = packed("t", &zstd::encode_all(&list[..], 1).unwrap(), &[("compressed", "zstd")]);
        assert_eq!(run(&zstd), both);
        // Newer versions of Fluent Bit.
        let about = [b"\x92\x92", TIME, b"\x81\xa1m\x01", &map(&[("log", "a")])].concat();
        let expected = format!(r#"{{{STAMP},"log":"a","fluent.metadata":{{"m":1}},"fluent.tag":"t"}}"#);
        assert_eq!(run(&packed("t", &about, &[])), (vec![expected], 0));
    }

    #[test]
    fn damage_costs_what_is_damaged() {
        let list = entries(&["a", "b"]);
        for bad in [&list[..list.len() - 1], &[&list[..], b"\xc1"].concat(), &[&list[..], b"\x92\x01\x02"].concat()] {
            let (records, damaged) = run(&packed("t", bad, &[]));
            assert_eq!((records.len() + usize::from(bad.len() < list.len()), damaged), (2, 1), "{bad:?}");
        }
        for bad in [&b"\x01"[..], b"\x90", b"\x92\x01\x02", b"\x92\xa1t\x80", b"\x92\xa1t\x01", b"\x93\xa1t\xc3\x80"] {
            assert!(Message::read(bad).unwrap_err().starts_with("a message is"), "{bad:?}");
        }
        let ping = [b"\x96", &text("PING")[..], &text("h"), &text("s"), &text("d"), &text(""), &text("")].concat();
        assert!(Message::read(&ping).unwrap_err().contains("shared_key"));
    }

    #[test]
    fn long_records_keep_the_beginning_of_their_text() {
        let check = |name: &str, value: &str, text_bytes: usize| {
            let bytes = message("t", &map(&[("log", "x"), (name, value)]));
            let mut seen = 0;
            Message::read(&bytes).unwrap().each(|entry| {
                let (record, cut) = entry.record("t");
                assert!(record.bytes.len() <= LINE_BYTES_MAX && record.kind.truncated, "{name}");
                let json: serde_json::Value = serde_json::from_slice(&record.bytes).unwrap();
                let text = json.get("message").or(json.get("log")).unwrap().as_str().unwrap();
                assert!(
                    text.len() >= text_bytes && (name != "message" || text.len() as u64 + cut == value.len() as u64)
                );
                seen += 1;
                true
            });
            assert_eq!(seen, 1);
        };
        check("message", &"y".repeat(2 << 20), LINE_BYTES_MAX - 200);
        check("message", &"\u{1}".repeat(2 << 20), LINE_BYTES_MAX / 7);
        check("other", &"y".repeat(2 << 20), 1);
    }

    #[test]
    fn bombs_are_cut_off() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        let list = entries(&["x".repeat(1 << 20).as_str()]);
        (0..80).for_each(|_| gzip.write_all(&list).unwrap());
        let bytes = packed("t", &gzip.finish().unwrap(), &[("compressed", "gzip")]);
        let mut count = 0;
        let damaged = Message::read(&bytes).unwrap().each(|_| {
            count += 1;
            true
        });
        assert_eq!((count, damaged), (63, 1));
        let huge = packed("t", b"\x92\x01\xdb\xff\xff\xff\xff", &[]);
        assert_eq!(run(&huge), (vec![], 1));
    }

    #[test]
    fn acknowledgements_are_maps() {
        let check = |chunk: &[u8], head: &[u8]| assert_eq!(ack(chunk), [b"\x81\xa3ack", head, chunk].concat());
        check(b"c1", b"\xa2");
        check(&[b'x'; 32], b"\xd9\x20");
        check(&[b'x'; 256], b"\xda\x01\x00");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut valid = packed("t", &entries(&["a", "b"]), &[("chunk", "c")]);
            flips.iter().for_each(|(at, byte)| *at.get_mut(&mut valid) = *byte);
            for input in [&bytes, &valid, &[b"\x92\xa1t\xc4\xc8", &bytes[..]].concat()] {
                if let Ok(length) = Scan::default().end(input) && let Ok(message) = Message::read(&input[..length]) {
                    message.each(|entry| {
                        let (record, _) = entry.record(message.tag());
                        let _: serde_json::Map<_, _> = serde_json::from_slice(&record.bytes).unwrap();
                        true
                    });
                }
            }
        }
    }
}
