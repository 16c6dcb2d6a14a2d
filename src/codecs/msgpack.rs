//! MessagePack, read in place: where a value ends, and what it is as JSON.
//!
//! Promise: whatever the bytes are, nothing is allocated for what they announce, only for what is there.
//! Limit: values nest at most [`DEPTH_MAX`] deep.

use crate::event::{Timestamp, Value, json};
use rmp::Marker;
use std::fmt::Write as _;

/// Deepest nesting of a value.
pub const DEPTH_MAX: usize = 64;
/// The extension type of Fluent's times: seconds and nanoseconds.
const EVENT_TIME: i8 = 0;

/// Why a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It needs bytes up to this place at least.
    More(usize),
    /// It is no MessagePack, or nested too deep.
    Malformed,
    /// Its JSON would be longer than allowed.
    TooLong,
}

/// A value, or how an array or map begins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Item<'b> {
    /// Nothing.
    Nil,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is too large for that.
    Large(u64),
    /// Any other number.
    Float(f64),
    /// Text or bytes, which writers of old do not tell apart.
    Text(&'b [u8]),
    /// An extension: its type and bytes.
    Ext(i8, &'b [u8]),
    /// So many values follow.
    Array(usize),
    /// So many pairs of values follow.
    Map(usize),
}

impl Item<'_> {
    /// How many values follow that are inside this one.
    #[must_use]
    pub fn inside(&self) -> u64 {
        match self {
            Item::Array(count) => *count as u64,
            Item::Map(count) => 2 * *count as u64,
            _ => 0,
        }
    }

    /// As a time in UTC nanoseconds: Fluent's extension, or seconds as a number.
    #[must_use]
    pub fn time(&self) -> Option<i64> {
        let nanos = match self {
            Item::Ext(EVENT_TIME, bytes) => {
                let (seconds, nanos) = bytes.split_first_chunk::<4>()?;
                let (seconds, nanos) = (u32::from_be_bytes(*seconds), u32::from_be_bytes(nanos.try_into().ok()?));
                i64::from(seconds) * 1_000_000_000 + i64::from(nanos)
            }
            Item::Int(seconds) => seconds.checked_mul(1_000_000_000)?,
            Item::Float(seconds) => (seconds * 1e9) as i64,
            _ => return None,
        };
        (nanos > 0).then_some(nanos)
    }
}

/// Reads items one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Cursor<'b> {
    /// At the beginning.
    #[must_use]
    pub fn new(bytes: &'b [u8]) -> Cursor<'b> {
        Cursor { bytes, at: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// The next item.
    ///
    /// # Errors
    /// Its bytes are not all there, or no item begins with such a byte.
    pub fn item(&mut self) -> Result<Item<'b>, Fault> {
        let before = self.at;
        let item = self.read();
        if item.is_err() {
            self.at = before;
        }
        item
    }

    fn read(&mut self) -> Result<Item<'b>, Fault> {
        let [first] = self.array::<1>()?;
        Ok(match Marker::from_u8(first) {
            Marker::Null => Item::Nil,
            Marker::True => Item::Bool(true),
            Marker::False => Item::Bool(false),
            Marker::FixPos(number) => Item::Int(number.into()),
            Marker::FixNeg(number) => Item::Int(number.into()),
            Marker::U8 => Item::Int(u8::from_be_bytes(self.array()?).into()),
            Marker::U16 => Item::Int(u16::from_be_bytes(self.array()?).into()),
            Marker::U32 => Item::Int(u32::from_be_bytes(self.array()?).into()),
            Marker::U64 => {
                let number = u64::from_be_bytes(self.array()?);
                i64::try_from(number).map_or(Item::Large(number), Item::Int)
            }
            Marker::I8 => Item::Int(i8::from_be_bytes(self.array()?).into()),
            Marker::I16 => Item::Int(i16::from_be_bytes(self.array()?).into()),
            Marker::I32 => Item::Int(i32::from_be_bytes(self.array()?).into()),
            Marker::I64 => Item::Int(i64::from_be_bytes(self.array()?)),
            Marker::F32 => Item::Float(f32::from_be_bytes(self.array()?).into()),
            Marker::F64 => Item::Float(f64::from_be_bytes(self.array()?)),
            Marker::FixStr(length) => Item::Text(self.take(length.into())?),
            Marker::Str8 | Marker::Bin8 => self.text::<1>()?,
            Marker::Str16 | Marker::Bin16 => self.text::<2>()?,
            Marker::Str32 | Marker::Bin32 => self.text::<4>()?,
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => self.length::<1>().and_then(|length| self.extension(length))?,
            Marker::Ext16 => self.length::<2>().and_then(|length| self.extension(length))?,
            Marker::Ext32 => self.length::<4>().and_then(|length| self.extension(length))?,
            Marker::FixArray(count) => Item::Array(count.into()),
            Marker::Array16 => Item::Array(self.length::<2>()?),
            Marker::Array32 => Item::Array(self.length::<4>()?),
            Marker::FixMap(count) => Item::Map(count.into()),
            Marker::Map16 => Item::Map(self.length::<2>()?),
            Marker::Map32 => Item::Map(self.length::<4>()?),
            Marker::Reserved => return Err(Fault::Malformed),
        })
    }

    fn text<const N: usize>(&mut self) -> Result<Item<'b>, Fault> {
        let length = self.length::<N>()?;
        Ok(Item::Text(self.take(length)?))
    }

    fn extension(&mut self, length: usize) -> Result<Item<'b>, Fault> {
        let [kind] = self.array::<1>()?;
        Ok(Item::Ext(kind.cast_signed(), self.take(length)?))
    }

    /// A length of N bytes.
    fn length<const N: usize>(&mut self) -> Result<usize, Fault> {
        let bytes = self.array::<N>()?;
        Ok(bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let bytes = bytes.ok_or(Fault::More(self.at + N))?;
        self.at += N;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Fault> {
        let end = self.at + length;
        let bytes = self.bytes.get(self.at..end).ok_or(Fault::More(end))?;
        self.at = end;
        Ok(bytes)
    }

    /// Passes over a value that is there whole.
    ///
    /// # Errors
    /// It is not, or is malformed.
    pub fn skip(&mut self) -> Result<&'b [u8], Fault> {
        let from = self.at;
        let mut scan = Scan { at: from, open: Vec::new() };
        self.at = scan.end(self.bytes)?;
        self.bytes.get(from..self.at).ok_or(Fault::Malformed)
    }

    /// Appends the next value as JSON.
    ///
    /// # Errors
    /// `out` would be longer than `bytes_max`, or the value is not there whole.
    pub fn write_json(&mut self, out: &mut String, bytes_max: usize) -> Result<(), Fault> {
        self.write_nested(out, bytes_max, DEPTH_MAX)
    }

    fn write_nested(&mut self, out: &mut String, bytes_max: usize, depth: usize) -> Result<(), Fault> {
        let depth = depth.checked_sub(1).ok_or(Fault::Malformed)?;
        match self.item()? {
            Item::Array(count) => {
                out.push('[');
                for number in 0..count {
                    if number > 0 {
                        out.push(',');
                    }
                    self.write_nested(out, bytes_max, depth)?;
                }
                out.push(']');
            }
            Item::Map(count) => {
                out.push('{');
                for number in 0..count {
                    if number > 0 {
                        out.push(',');
                    }
                    write_name(out, self.item()?)?;
                    out.push(':');
                    self.write_nested(out, bytes_max, depth)?;
                }
                out.push('}');
            }
            item => write_item(out, item),
        }
        if out.len() > bytes_max { Err(Fault::TooLong) } else { Ok(()) }
    }
}

/// Names of JSON are text.
fn write_name(out: &mut String, item: Item<'_>) -> Result<(), Fault> {
    match item {
        Item::Array(_) | Item::Map(_) => return Err(Fault::Malformed),
        Item::Text(_) | Item::Ext(..) => write_item(out, item),
        other => {
            out.push('"');
            write_item(out, other);
            out.push('"');
        }
    }
    Ok(())
}

fn write_item(out: &mut String, item: Item<'_>) {
    match item {
        Item::Nil | Item::Array(_) | Item::Map(_) => out.push_str("null"),
        Item::Bool(truth) => json::write_value(out, &Value::Bool(truth)),
        Item::Int(number) => json::write_value(out, &Value::Int(number)),
        Item::Large(number) => out.push_str(itoa::Buffer::new().format(number)),
        Item::Float(number) => json::write_value(out, &Value::Float(number)),
        Item::Text(text) => json::write_text(out, &String::from_utf8_lossy(text)),
        Item::Ext(_, bytes) => match item.time() {
            Some(nanos) => {
                let _ = write!(out, "\"{}\"", Timestamp::from_nanos(nanos));
            }
            None => {
                out.push('"');
                for byte in bytes {
                    let _ = write!(out, "{byte:02x}");
                }
                out.push('"');
            }
        },
    }
}

/// The search for the end of a value whose bytes come piece by piece: what was seen is not looked at again.
#[derive(Debug, Default)]
pub struct Scan {
    at: usize,
    /// How many values are missing in each array or map that is open.
    open: Vec<u64>,
}

impl Scan {
    /// Where the value ends that begins at the first of `bytes`, which are those of the last call and more.
    ///
    /// # Errors
    /// [`Fault::More`] while it is not all there.
    ///
    /// ```
    /// use logship::codecs::msgpack::{Fault, Scan};
    /// let mut scan = Scan::default();
    /// assert_eq!(scan.end(b"\x92\xa1a"), Err(Fault::More(4)));
    /// assert_eq!(scan.end(b"\x92\xa1a\xc0\xc0"), Ok(4));
    /// ```
    pub fn end(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut cursor = Cursor { bytes, at: self.at };
        loop {
            let inside = cursor.item()?.inside();
            self.at = cursor.at;
            if inside > 0 {
                if self.open.len() == DEPTH_MAX {
                    return Err(Fault::Malformed);
                }
                self.open.push(inside);
                continue;
            }
            while let Some(missing) = self.open.last_mut() {
                *missing -= 1;
                if *missing > 0 {
                    break;
                }
                self.open.pop();
            }
            if self.open.is_empty() {
                return Ok(std::mem::take(self).at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn as_json(bytes: &[u8]) -> Result<String, Fault> {
        let mut out = String::new();
        Cursor::new(bytes).write_json(&mut out, 1_000).map(|()| out)
    }

    #[test]
    fn values_become_json() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(as_json(bytes).as_deref(), Ok(expected), "{bytes:?}");
            assert_eq!(Scan::default().end(bytes), Ok(bytes.len()));
        };
        check(b"\xc0", "null");
        check(b"\xc3", "true");
        check(b"\x07", "7");
        check(b"\xff", "-1");
        check(b"\xcc\xff", "255");
        check(b"\xcd\x01\x00", "256");
        check(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615");
        check(b"\xd0\x80", "-128");
        check(b"\xd3\xff\xff\xff\xff\xff\xff\xff\xfe", "-2");
        check(b"\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00", "1.5");
        check(b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "null");
        check(b"\xa2a\"", r#""a\"""#);
        check(b"\xd9\x01a", r#""a""#);
        check(b"\xc4\x01\xff", "\"\u{fffd}\"");
        check(b"\xdb\x00\x00\x00\x01a", r#""a""#);
        check(b"\xd7\x00\x69\x57\x3c\x25\x00\x00\x00\x01", r#""2026-01-02T03:31:49.000000001Z""#);
        check(b"\xd5\x05\xab\xcd", r#""abcd""#);
        check(b"\x83\xa1a\x92\x01\xc0\x07\x80\xc0\x90", r#"{"a":[1,null],"7":{},"null":[]}"#);
    }

    #[test]
    fn what_is_announced_and_not_there_is_waited_for() {
        assert_eq!(as_json(b"\xdb\xff\xff\xff\xff"), Err(Fault::More(5 + 0xffff_ffff)));
        assert_eq!(as_json(b"\xdd\xff\xff\xff\xff"), Err(Fault::More(6)));
        assert_eq!(Scan::default().end(b"\xdf\xff\xff\xff\xff"), Err(Fault::More(6)));
        assert_eq!(Scan::default().end(&[0x91; 1_000]), Err(Fault::Malformed));
        assert_eq!(as_json(&[0x91; 1_000]), Err(Fault::Malformed));
        assert_eq!(as_json(b"\xc1"), Err(Fault::Malformed));
        assert_eq!(as_json(b"\x81\x90\xc0"), Err(Fault::Malformed));
        let long = [&b"\xdc\x02\x00"[..], &[0xc0; 512]].concat();
        assert_eq!(as_json(&long), Err(Fault::TooLong));
    }

    proptest! {
        #[test]
        fn an_end_is_found_whatever_the_pieces(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let whole = Scan::default().end(&bytes);
            let mut scan = Scan::default();
            let mut found = Err(Fault::More(0));
            for end in 0..=bytes.len() {
                found = scan.end(&bytes[..end]);
                if !matches!(found, Err(Fault::More(_))) {
                    break;
                }
            }
            prop_assert_eq!(whole, found);
            let written = as_json(&bytes);
            if let (Ok(_), Ok(text)) = (whole, &written) {
                prop_assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{}", text);
            }
            prop_assert!(whole.is_ok() || written.is_err());
        }
    }
}
