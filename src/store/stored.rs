//! The stored copy of an event: its message, and a tree that refers to the message wherever a string is a slice of it.
//!
//! `1, time below the millisecond, message, tree`. Numbers are LEB128 (signed ones zigzag), strings a length and bytes. A
//! field is a name ([`NAMES`] by number, else 0 and the name itself) and a value: one tag byte and its content. A slice
//! is the gap since the end of the slice before (signed) and its length: lines of one format have the same gaps, which
//! compresses better than offsets.
//!
//! Promises: `decode(encode(e)) == e` but for `meta` and for what is nested deeper than [`DEPTH_MAX`] (it becomes null);
//! decoding any bytes ends with an event or an error.

use super::document::slice_of;
use crate::event::{Event, Key, Map, Timestamp, Value};
use bytes::Bytes;
use bytestring::ByteString;

/// Deepest nesting of a stored copy; events are bounded to less by [`crate::event::DEPTH_MAX`].
pub(super) const DEPTH_MAX: usize = 64;

const VERSION: u8 = 1;
const NULL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INT: u8 = 3;
const FLOAT: u8 = 4;
const TEXT: u8 = 5;
const SLICE: u8 = 6;
const TIME: u8 = 7;
const LIST: u8 = 8;
const MAP: u8 = 9;
const MESSAGE: u8 = 10;

/// Names that cost one byte. Part of format v1: never reorder, only append (at most 127 in one byte).
const NAMES: [&str; 72] = [
    "message",
    "tags",
    "log",
    "level",
    "service",
    "name",
    "host",
    "source",
    "ip",
    "http",
    "request",
    "method",
    "response",
    "status_code",
    "url",
    "original",
    "user_agent",
    "process",
    "pid",
    "trace",
    "id",
    "span",
    "error",
    "type",
    "stack_trace",
    "event",
    "duration",
    "path",
    "query",
    "client",
    "server",
    "port",
    "address",
    "user",
    "body",
    "bytes",
    "version",
    "logger",
    "thread",
    "file",
    "line",
    "function",
    "origin",
    "container",
    "image",
    "kubernetes",
    "pod",
    "namespace",
    "node",
    "labels",
    "cloud",
    "region",
    "transaction",
    "parent",
    "dataset",
    "module",
    "kind",
    "action",
    "outcome",
    "category",
    "code",
    "referrer",
    "domain",
    "hostname",
    "destination",
    "network",
    "syslog",
    "facility",
    "severity",
    "priority",
    "appname",
    "msgid",
];

/// [`NAMES`] by [`name_slot`], as number from 1 on; 0 is a free slot. A name whose slot is taken has the next free one.
const NAME_SLOTS: [u8; 256] = {
    let mut slots = [0; 256];
    let mut number = 0;
    while number < NAMES.len() {
        let mut slot = name_slot(NAMES[number].as_bytes());
        while slots[slot] != 0 {
            slot = (slot + 1) % 256;
        }
        number += 1;
        slots[slot] = number as u8;
    }
    slots
};

const fn name_slot(name: &[u8]) -> usize {
    match name {
        [] => 0,
        [first, ..] => (name.len() * 67 + *first as usize * 31 + name[name.len() - 1] as usize * 7) % 256,
    }
}

/// The number of one of [`NAMES`], from 1 on.
fn name_number(name: &str) -> Option<u8> {
    let mut slot = name_slot(name.as_bytes());
    loop {
        match NAME_SLOTS[slot] {
            0 => return None,
            number if NAMES[usize::from(number) - 1] == name => return Some(number),
            _ => slot = (slot + 1) % 256,
        }
    }
}

/// The time as the `time` column holds it: whole milliseconds that the engine can turn into nanoseconds again.
pub(super) fn column_millis(time: Timestamp) -> i64 {
    time.as_millis().max(i64::MIN / 1_000_000)
}

/// Appends the stored copy of `event`.
pub(super) fn encode(event: &Event, out: &mut Vec<u8>) {
    let message = event.message().unwrap_or_default();
    out.push(VERSION);
    put_signed(out, event.time.as_nanos() - column_millis(event.time) * 1_000_000);
    put_text(out, message);
    let mut encoder = Encoder { message, end: 0, out };
    encoder.map(&event.fields, 0);
}

struct Encoder<'a> {
    message: &'a str,
    /// Where the last slice ended.
    end: usize,
    out: &'a mut Vec<u8>,
}

impl Encoder<'_> {
    fn map(&mut self, map: &Map, depth: usize) {
        put(self.out, map.len() as u64);
        for (key, value) in map.iter() {
            match name_number(key.as_str()) {
                Some(number) => put(self.out, u64::from(number)),
                None => {
                    self.out.push(0);
                    put_text(self.out, key.as_str());
                }
            }
            if depth == 0 && key.as_str() == "message" && value.as_str().is_some() {
                self.out.push(MESSAGE);
            } else {
                self.value(value, depth + 1);
            }
        }
    }

    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Null => self.out.push(NULL),
            Value::Bool(false) => self.out.push(FALSE),
            Value::Bool(true) => self.out.push(TRUE),
            Value::Int(number) => {
                self.out.push(INT);
                put_signed(self.out, *number);
            }
            Value::Float(number) => {
                self.out.push(FLOAT);
                self.out.extend_from_slice(&number.to_le_bytes());
            }
            Value::Time(time) => {
                self.out.push(TIME);
                put_signed(self.out, time.as_nanos());
            }
            Value::Str(text) => self.text(text),
            Value::List(_) | Value::Map(_) if depth >= DEPTH_MAX => self.out.push(NULL),
            Value::List(values) => {
                self.out.push(LIST);
                put(self.out, values.len() as u64);
                for value in values {
                    self.value(value, depth + 1);
                }
            }
            Value::Map(map) => {
                self.out.push(MAP);
                self.map(map, depth);
            }
        }
    }

    fn text(&mut self, text: &str) {
        match slice_of(self.message, text) {
            Some(start) => {
                self.out.push(SLICE);
                // Both are offsets into a string, so they fit.
                put_signed(self.out, start as i64 - self.end as i64);
                put(self.out, text.len() as u64);
                self.end = start + text.len();
            }
            None => {
                self.out.push(TEXT);
                put_text(self.out, text);
            }
        }
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_signed(out: &mut Vec<u8>, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)) as u64);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// The event of a stored copy; `millis` is what the `time` column holds for it. Strings are slices of `bytes`.
///
/// # Errors
/// What is wrong with the bytes.
pub(super) fn decode(bytes: Bytes, millis: i64) -> Result<Event, &'static str> {
    let mut decoder = Decoder { bytes, at: 0, message: ByteString::new(), end: 0 };
    if decoder.byte()? != VERSION {
        return Err("unknown version of a stored event");
    }
    let below = decoder.signed()?;
    decoder.message = decoder.text()?;
    let fields = decoder.map(0)?;
    if decoder.at != decoder.bytes.len() {
        return Err("a stored event is followed by more bytes");
    }
    let time = Timestamp::from_nanos(millis.saturating_mul(1_000_000).saturating_add(below));
    Ok(Event { time, has_time: true, fields, meta: Map::default() })
}

const CUT: &str = "a stored event ends too early";

struct Decoder {
    bytes: Bytes,
    at: usize,
    message: ByteString,
    end: usize,
}

impl Decoder {
    fn byte(&mut self) -> Result<u8, &'static str> {
        let byte = *self.bytes.get(self.at).ok_or(CUT)?;
        self.at += 1;
        Ok(byte)
    }

    fn number(&mut self) -> Result<u64, &'static str> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err("a number in a stored event is too long")
    }

    fn signed(&mut self) -> Result<i64, &'static str> {
        let number = self.number()?;
        Ok((number >> 1) as i64 ^ -((number & 1) as i64))
    }

    /// A count of things that take at least one byte each.
    fn count(&mut self) -> Result<usize, &'static str> {
        let count = usize::try_from(self.number()?).map_err(|_| CUT)?;
        if count > self.bytes.len() - self.at { Err(CUT) } else { Ok(count) }
    }

    fn text(&mut self) -> Result<ByteString, &'static str> {
        let len = self.count()?;
        let text = self.bytes.slice(self.at..self.at + len);
        self.at += len;
        ByteString::try_from(text).map_err(|_| "text in a stored event is not UTF-8")
    }

    fn map(&mut self, depth: usize) -> Result<Map, &'static str> {
        let count = self.count()?;
        let mut map = Map::with_capacity(count.min(64));
        for _ in 0..count {
            let key = match usize::try_from(self.number()?).unwrap_or(usize::MAX) {
                0 => Key::from(&*self.text()?),
                known => Key::from(*NAMES.get(known - 1).ok_or("unknown name in a stored event")?),
            };
            let value = self.value(depth + 1)?;
            map.insert(key, value);
        }
        Ok(map)
    }

    fn value(&mut self, depth: usize) -> Result<Value, &'static str> {
        Ok(match self.byte()? {
            NULL => Value::Null,
            FALSE => Value::Bool(false),
            TRUE => Value::Bool(true),
            INT => Value::Int(self.signed()?),
            FLOAT => {
                let raw = self.bytes.get(self.at..self.at + 8).and_then(|raw| raw.try_into().ok()).ok_or(CUT)?;
                self.at += 8;
                Value::Float(f64::from_le_bytes(raw))
            }
            TIME => Value::Time(Timestamp::from_nanos(self.signed()?)),
            TEXT => Value::Str(self.text()?),
            SLICE => Value::Str(self.slice()?),
            MESSAGE => Value::Str(self.message.clone()),
            LIST | MAP if depth >= DEPTH_MAX => return Err("a stored event is nested too deep"),
            LIST => {
                let count = self.count()?;
                let mut values = Vec::with_capacity(count.min(64));
                for _ in 0..count {
                    values.push(self.value(depth + 1)?);
                }
                Value::List(values)
            }
            MAP => Value::Map(self.map(depth)?),
            _ => return Err("unknown kind of value in a stored event"),
        })
    }

    fn slice(&mut self) -> Result<ByteString, &'static str> {
        const OUTSIDE: &str = "a stored event refers outside of its message";
        let gap = isize::try_from(self.signed()?).map_err(|_| OUTSIDE)?;
        let len = usize::try_from(self.number()?).map_err(|_| OUTSIDE)?;
        let start = self.end.checked_add_signed(gap).ok_or(OUTSIDE)?;
        let end = start.checked_add(len).ok_or(OUTSIDE)?;
        let slice = self.message.get(start..end).ok_or(OUTSIDE)?;
        self.end = end;
        Ok(self.message.slice_ref(slice))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn copy_of(event: &Event) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(event, &mut bytes);
        bytes
    }

    fn check(event: &Event) -> usize {
        let bytes = copy_of(event);
        let size = bytes.len();
        assert_eq!(decode(Bytes::from(bytes), column_millis(event.time)).as_ref(), Ok(event));
        size
    }

    #[test]
    fn known_names_are_found_by_their_number() {
        for (at, name) in NAMES.iter().enumerate() {
            assert_eq!(name_number(name).map(usize::from), Some(at + 1), "{name}");
        }
        for name in ["", "x", "messag", "messages", "Message", "ip\0"] {
            assert_eq!(name_number(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_slice_of_the_message_costs_three_bytes() {
        let line = ByteString::from("GET /index.html 200");
        let mut event = Event::from_line(Timestamp::from_millis(5), line.clone());
        let bare = check(&event);
        event.fields.insert(Key::from("path"), Value::Str(line.slice_ref(&line[4..15])));
        assert_eq!(check(&event), bare + 4);
    }

    #[test]
    fn extremes_of_time_come_back() {
        for nanos in [i64::MIN, i64::MIN + 1, -1, 0, 1, 999_999, i64::MAX] {
            check(&Event::new(Timestamp::from_nanos(nanos)));
        }
    }

    #[test]
    fn names_are_distinct() {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMES.len());
    }

    #[test]
    fn too_deep_becomes_null() {
        let mut value = Value::Null;
        for _ in 0..2 * DEPTH_MAX {
            value = Value::List(vec![value]);
        }
        let mut event = Event::new(Timestamp::from_nanos(0));
        event.fields.insert(Key::from("deep"), value);
        assert!(decode(Bytes::from(copy_of(&event)), 0).is_ok());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            proptest::num::f64::NORMAL.prop_map(Value::Float),
            ".{0,20}".prop_map(Value::from),
            any::<i64>().prop_map(|n| Value::Time(Timestamp::from_nanos(n))),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
                prop::collection::vec((".{0,8}", inner), 0..6).prop_map(|fields| Value::Map(map(fields))),
            ]
        })
    }

    fn map(fields: Vec<(String, Value)>) -> Map {
        fields.into_iter().map(|(key, value)| (Key::from(key.as_str()), value)).collect()
    }

    proptest! {
        #[test]
        fn any_event_comes_back(
            nanos: i64, message in ".{0,40}", cuts in prop::collection::vec((0usize..40, 0usize..40), 0..5),
            fields in prop::collection::vec(("(message|tags|.{0,8})", value()), 0..6),
        ) {
            let line = ByteString::from(message);
            let mut event = Event::new(Timestamp::from_nanos(nanos));
            for (key, value) in fields {
                event.fields.insert(Key::from(key.as_str()), value);
            }
            event.fields.insert(Key::from("message"), Value::Str(line.clone()));
            for (n, (from, to)) in cuts.into_iter().enumerate() {
                if let Some(slice) = line.get(from..to) {
                    event.fields.insert(Key::from(format!("cut{n}").as_str()), Value::Str(line.slice_ref(slice)));
                }
            }
            check(&event);
        }

        #[test]
        fn any_bytes_end(mut bytes in prop::collection::vec(any::<u8>(), 0..200), millis: i64, as_ours: bool) {
            if let (true, Some(first)) = (as_ours, bytes.first_mut()) {
                *first = VERSION;
            }
            let _ = decode(Bytes::from(bytes), millis);
        }
    }
}
