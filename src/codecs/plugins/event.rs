//! `event`: events between the pipelines of a process, and dead letters: as JSON, and behind a line end their `@metadata` where
//! they have some. Not for configs: `json` is.

use super::{CodecKind, Decoder, FramingKind, Reading, framing::Framing};
use crate::{
    config::Options,
    event::{Event, Timestamp, Value, json},
};
use bytestring::ByteString;

pub(super) const KIND: CodecKind = CodecKind {
    name: "event",
    summary: "Whole events, between pipelines",
    options: &[],
    framing: FramingKind::Messages,
    decoder: Some(|_: &mut Options<'_>| Some(Box::new(Whole))),
    encoder: None,
};

/// What an event without a time does not begin with.
const TIME: &str = "{\"@timestamp\":";

/// Appends an event.
///
/// ```
/// use logship::{codecs::plugins::event, event::{Event, Timestamp, Value}};
/// let mut event = Event::from_line(Timestamp::from_millis(0), "boom".into());
/// event.meta.insert("a".into(), Value::Int(1));
/// let mut text = String::new();
/// event::write(&event, &mut text);
/// assert_eq!(event::read(&text), Some(event));
/// ```
pub fn write(event: &Event, out: &mut String) {
    json::write_event(out, event, None);
    if !event.meta.is_empty() {
        out.push('\n');
        json::write_value(out, &Value::Map(event.meta.clone()));
    }
}

/// An event that [`write`] wrote.
#[must_use]
pub fn read(text: &str) -> Option<Event> {
    let (fields, meta) = text.split_once('\n').unwrap_or((text, "{}"));
    let (mut event, id) = json::read_event(fields).ok()?;
    event.has_time = fields.starts_with(TIME);
    if let Some(id) = id {
        event.fields.insert("_id".into(), Value::from(id));
    }
    if let Value::Map(meta) = json::from_serde(serde_json::from_str(meta).ok()?) {
        event.meta = meta;
    }
    Some(event)
}

/// What inputs of events read with.
#[must_use]
pub fn reading() -> Reading {
    Reading { decoder: Box::new(Whole), framing: Framing::Messages(b"\n"[..].into()), charset: None }
}

struct Whole;

impl Decoder for Whole {
    fn decode(&self, record: ByteString, received: Timestamp, out: &mut Vec<Event>) {
        // Nobody but ourselves writes them.
        out.push(read(&record).unwrap_or_else(|| Event::from_line(received, record)));
    }
}
