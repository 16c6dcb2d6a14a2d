//! JSON documents become fields as they are: names with dots stay names with dots.

use super::{Event, Key, Map, TAGS, TIMESTAMP, Timestamp, Value, absorb::slice_of, path::is_tags};
use bytestring::ByteString;
use logship_parsers::{
    self as parsers,
    config::METADATA,
    time::{Stamp, iso8601},
};

/// A parsed value. What borrows from `text` becomes a slice of it.
#[must_use]
pub fn absorbed(text: &ByteString, value: parsers::Value<'_>) -> Value {
    match value {
        parsers::Value::Null => Value::Null,
        parsers::Value::Bool(truth) => Value::Bool(truth),
        parsers::Value::Int(number) => Value::Int(number),
        parsers::Value::Float(number) => Value::Float(number),
        parsers::Value::Str(std::borrow::Cow::Borrowed(part)) => {
            Value::Str(slice_of(text, part).unwrap_or_else(|| part.into()))
        }
        parsers::Value::Str(std::borrow::Cow::Owned(part)) => Value::Str(part.into()),
        parsers::Value::List(items) => Value::List(items.into_iter().map(|item| absorbed(text, item)).collect()),
        parsers::Value::Map(members) => {
            let mut map = Map::with_capacity(members.len());
            for (name, value) in members {
                map.insert(Key::from(&*name), absorbed(text, value));
            }
            Value::Map(map)
        }
    }
}

impl Event {
    /// Sets a field of a document that becomes the event, or part of it: `@timestamp` is its time, and where it is no time it is
    /// kept as `_@timestamp`, tagged `_timestampparsefailure`; `tags` that are no texts are kept as `_tags`, tagged
    /// `_tagsparsefailure`; an object `@metadata` is its metadata, and anything else of that name is nothing.
    pub fn take_in(&mut self, key: Key, value: Value) {
        match (key.as_str(), value) {
            (TIMESTAMP, Value::Null) => {}
            (TIMESTAMP, value) => {
                let time = match &value {
                    Value::Time(time) => Some(*time),
                    Value::Str(text) => time_of(text),
                    _ => None,
                };
                match time {
                    Some(time) => (self.time, self.has_time) = (time, true),
                    None => {
                        self.tag("_timestampparsefailure");
                        self.fields.insert(Key::from("_@timestamp"), value);
                    }
                }
            }
            (TAGS, value) if value != Value::Null && !is_tags(&value) => {
                self.fields.insert(Key::from("_tags"), value);
                self.tag("_tagsparsefailure");
            }
            // What an `@timestamp` before it was tagged with stays.
            (TAGS, value) if self.fields.get("_@timestamp").is_some() => {
                self.fields.insert(key, value);
                self.tag("_timestampparsefailure");
            }
            (METADATA, Value::Map(map)) => self.meta = map,
            // No output ever writes it.
            (METADATA, _) => {}
            (_, value) => {
                self.fields.insert(key, value);
            }
        }
    }
}

/// `2026-01-01`
const DATE_BYTES: usize = 10;

/// A time as Logstash reads one: a date, and behind a `T` the time of day.
fn time_of(text: &str) -> Option<Timestamp> {
    let read = match text.as_bytes().get(DATE_BYTES) {
        None if text.len() == DATE_BYTES => iso8601(&format!("{text}T00:00:00Z"), 0),
        Some(b'T' | b't') => iso8601(text, 0),
        _ => None,
    };
    match read? {
        Stamp::At(nanos) => Some(Timestamp::from_nanos(nanos)),
        Stamp::OutOfRange => None,
    }
}
