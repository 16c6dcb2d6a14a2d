//! A record that is made as one JSON object, within the limit of a line.
//!
//! Limit: a record that would be longer than [`LINE_BYTES_MAX`] leaves out fields that need more than half of that, then the end
//! of its text; it is marked.

use crate::{
    event::{LINE_BYTES_MAX, Timestamp, json},
    flow::{Record, RecordKind},
};
use bytes::Bytes;
use std::fmt::Write as _;

/// What the fields beside the text may take.
pub const FIELDS_BYTES_MAX: usize = LINE_BYTES_MAX / 2;
/// What the time and the names beside the text take.
const HEAD_BYTES: usize = 100;

/// The value of a field is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// A JSON object that is being written: its time, its text, and other fields by dotted names.
#[derive(Clone, Debug, Default)]
pub struct Object {
    /// In UTC nanoseconds: `@timestamp`.
    pub time: Option<i64>,
    /// The name and value of the text that is shortened where the object is too long.
    pub text: Option<(&'static str, String)>,
    /// All other fields, each behind a comma.
    fields: String,
    truncated: bool,
}

impl Object {
    /// An object that begins with the fields of another.
    #[must_use]
    pub fn with_fields_of(other: &Object) -> Object {
        Object { fields: other.fields.clone(), truncated: other.truncated, ..Object::default() }
    }

    /// Adds a field of text, if there is room.
    pub fn add(&mut self, name: &str, text: &str) {
        self.add_with(name, |out, bytes_max| {
            // Checked first, since escapes make it longer only.
            if out.len() + text.len() > bytes_max {
                return Err(TooLong);
            }
            json::write_text(out, text);
            Ok(())
        });
    }

    /// Adds a field whose JSON `write` appends, leaving the text that it appends to at most as long as it is told.
    pub fn add_with(&mut self, name: &str, write: impl FnOnce(&mut String, usize) -> Result<(), TooLong>) {
        let before = self.fields.len();
        if before + name.len() > FIELDS_BYTES_MAX {
            self.truncated = true;
            return;
        }
        self.fields.push(',');
        json::write_text(&mut self.fields, name);
        self.fields.push(':');
        if write(&mut self.fields, FIELDS_BYTES_MAX).is_err() || self.fields.len() > FIELDS_BYTES_MAX {
            self.fields.truncate(before);
            self.truncated = true;
        }
    }

    /// The bytes that it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.fields.len() + self.text.as_ref().map_or(0, |(_, text)| text.len())
    }

    /// Marks it as cut.
    pub fn cut(&mut self) {
        self.truncated = true;
    }

    /// As a record; how many bytes of its text were cut.
    #[must_use]
    pub fn record(mut self) -> (Record, u64) {
        let length = |object: &Object| object.text.as_ref().map_or(0, |(_, text)| text.len());
        let whole = length(&self);
        let beside = self.fields.len() + HEAD_BYTES;
        let room = LINE_BYTES_MAX.saturating_sub(beside);
        self.shorten(room);
        let mut out = self.written();
        while out.len() > LINE_BYTES_MAX && length(&self) > 0 {
            // Escapes take up to six bytes a byte: as much less as it is too long.
            let before = length(&self);
            let fitting = before * room / (out.len() - beside);
            self.shorten(fitting.min(before - before / 64 - 1));
            out = self.written();
        }
        let cut = whole - length(&self);
        let kind = RecordKind { json: true, truncated: self.truncated };
        (Record { bytes: Bytes::from(out), kind }, cut as u64)
    }

    fn shorten(&mut self, length: usize) {
        if let Some((_, text)) = &mut self.text
            && text.len() > length
        {
            text.truncate(text.floor_char_boundary(length));
            self.truncated = true;
        }
    }

    fn written(&self) -> String {
        let mut out = String::with_capacity(self.bytes() + HEAD_BYTES);
        if let Some(time) = self.time {
            let _ = write!(out, ",\"@timestamp\":\"{}\"", Timestamp::from_nanos(time));
        }
        if let Some((name, text)) = &self.text {
            let _ = write!(out, ",\"{name}\":");
            json::write_text(&mut out, text);
        }
        out.push_str(&self.fields);
        out.push('}');
        // The first comma, if there is one, gives way to the brace.
        let comma = usize::from(out.starts_with(','));
        out.replace_range(..comma, "{");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(object: Object, expected: &str) {
        let (record, cut) = object.record();
        assert_eq!((std::str::from_utf8(&record.bytes), cut), (Ok(expected), 0));
        assert_eq!(record.kind, RecordKind { json: true, truncated: false });
    }

    #[test]
    fn objects_are_json() {
        check(Object::default(), "{}");
        let mut object = Object { time: Some(1_767_323_045_000_000_000), ..Object::default() };
        check(object.clone(), r#"{"@timestamp":"2026-01-02T03:04:05.000Z"}"#);
        object.add("a.b", "\"");
        object.text = Some(("message", "x\n".to_owned()));
        check(object.clone(), r#"{"@timestamp":"2026-01-02T03:04:05.000Z","message":"x\n","a.b":"\""}"#);
        check(Object::with_fields_of(&object), r#"{"a.b":"\""}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]
        #[test]
        fn long_ones_are_cut_to_the_limit(
            pieces in proptest::collection::vec(("[a\u{1}\u{20ac}\"]", 0..400_000_usize), 0..5),
            field in 0..700_000_usize,
        ) {
            let text: String = pieces.iter().map(|(piece, times)| piece.repeat(*times)).collect();
            let mut object = Object::default();
            object.add("field", &"f".repeat(field));
            object.text = Some(("message", text.clone()));
            let (record, cut) = object.record();
            prop_assert!(record.bytes.len() <= LINE_BYTES_MAX);
            let json: serde_json::Value = serde_json::from_slice(&record.bytes).unwrap();
            let kept = json["message"].as_str().unwrap();
            prop_assert!(text.starts_with(kept) && (text.len() - kept.len()) as u64 == cut);
            prop_assert_eq!(record.kind.truncated, cut > 0 || json.get("field").is_none());
        }
    }
}
