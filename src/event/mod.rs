//! What a log line becomes.
//!
//! An [`Event`] is a time and a tree of fields in the order in which they were set. Its JSON form ([`json`]) is the same
//! from `logship parse`, `search -o json`, the API and the log itself. Field text is a slice of the line that it came
//! from wherever possible.
//!
//! Promises: no clock, no I/O; depth, field count and key length are bounded by the constants here.

mod absorb;
pub mod date_format;
mod document;
pub mod json;
pub mod layout;
mod map;
mod path;
pub mod places;
pub mod render;
pub mod syslog;
mod time;
mod value;

pub use absorb::ECS_OBJECTS;
pub use document::absorbed;
pub use map::{Key, Map};
pub use path::{PADDING_MAX, SetError, TAGS, TIMESTAMP};
pub use time::Timestamp;
pub use value::Value;

use bytestring::ByteString;

/// Most leaf fields that an event keeps; the rest is dropped, tagged `_toomanyfields`.
pub const FIELDS_PER_EVENT_MAX: usize = 1_000;
/// Deepest nesting that an event keeps as structure; what lies deeper is kept as JSON text, tagged `_toodeep`.
pub const DEPTH_MAX: usize = 20;
/// Longest name of one field in bytes; longer ones are cut, tagged `_keytoolong`.
pub const KEY_BYTES_MAX: usize = 256;
/// Longest line or joined record in bytes: the prefix is kept, tagged `_truncated`, the rest counted.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The event's own time, or its arrival where it has none.
    pub time: Timestamp,
    /// Whether `@timestamp` is shown; a pipeline may remove it.
    pub has_time: bool,
    /// The fields, `message` and `tags` among them; `@timestamp` is [`Event::time`] and not repeated here.
    pub fields: Map,
    /// `@metadata`: for pipelines only, never stored and never printed.
    pub meta: Map,
}

impl Event {
    /// An event without fields.
    #[must_use]
    pub fn new(time: Timestamp) -> Event {
        Event { time, has_time: true, fields: Map::default(), meta: Map::default() }
    }

    /// An event whose only field is the line as it came.
    #[must_use]
    pub fn from_line(time: Timestamp, line: ByteString) -> Event {
        let mut event = Event::new(time);
        event.fields.insert(Key::from("message"), Value::Str(line));
        event
    }

    /// The text of `message`, where there is one.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.fields.get("message").and_then(Value::as_str)
    }

    /// Adds a tag once.
    ///
    /// ```
    /// use logship::event::{Event, Timestamp, Value};
    /// let mut event = Event::new(Timestamp::from_nanos(0));
    /// event.tag("_truncated");
    /// event.tag("_truncated");
    /// assert_eq!(event.fields.get("tags"), Some(&Value::List(vec![Value::from("_truncated")])));
    /// ```
    pub fn tag(&mut self, tag: &str) {
        self.tag_anew(tag);
    }

    /// Adds a tag once. Whether the event did not have it.
    pub fn tag_anew(&mut self, tag: &str) -> bool {
        match self.fields.get_mut("tags") {
            Some(Value::List(tags)) => {
                let is_new = !tags.iter().any(|known| known.as_str() == Some(tag));
                if is_new {
                    tags.push(Value::from(tag));
                }
                return is_new;
            }
            Some(Value::Str(only)) if **only == *tag => return false,
            Some(other) if *other != Value::Null => {
                let first = std::mem::replace(other, Value::Null);
                *other = Value::List(vec![first, Value::from(tag)]);
            }
            Some(_) | None => {
                self.fields.insert(Key::from("tags"), Value::List(vec![Value::from(tag)]));
            }
        }
        true
    }
}
