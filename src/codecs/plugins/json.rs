//! `json`: a record is an object, or a list of them, and becomes the event, or its field `target`.
//!
//! What is no JSON, and what is neither an object nor a list of objects, is a message, tagged `_jsonparsefailure`. Blank records
//! are nothing. With ECS a message that is one object stays as `[event][original]`; lines do not.

use super::{
    CodecKind, Decoder, Encoder, FramingKind,
    plain::{set_original, version},
};
use crate::{
    config::Options,
    event::{Event, Key, Timestamp, Value, absorbed, json},
};
use bytestring::ByteString;
use logship_parsers::config::FieldRef;

pub(super) const KIND: CodecKind = CodecKind {
    name: "json",
    summary: "JSON objects",
    options: &["charset", "target"],
    framing: FramingKind::Messages,
    decoder: Some(decoder),
    encoder: Some(|_| Some(Box::new(Object { end: String::new() }))),
};

/// Reads objects.
#[derive(Debug)]
pub(super) struct Json {
    target: Option<FieldRef>,
    /// Whether a message that is one object stays as `[event][original]`.
    has_original: bool,
}

fn decoder(options: &mut Options<'_>) -> Option<Box<dyn Decoder>> {
    Some(Box::new(Json { target: options.field("target"), has_original: options.ecs().is_on() }))
}

/// Of lines: these do not stay.
pub(super) fn line_decoder(options: &mut Options<'_>) -> Option<Box<dyn Decoder>> {
    Some(Box::new(Json { target: options.field("target"), has_original: false }))
}

impl Decoder for Json {
    fn decode(&self, record: ByteString, received: Timestamp, out: &mut Vec<Event>) {
        if record.trim().is_empty() {
            return;
        }
        let before = out.len();
        let Ok((value, budget)) = logship_parsers::json::parse_value(&record) else {
            return out.push(failed(record, received));
        };
        let good = match absorbed(&record, value) {
            Value::Null => return,
            Value::List(items) => items.into_iter().all(|item| self.take(item, received, out)),
            value => self.take(value, received, out),
        };
        if !good {
            out.truncate(before);
            return out.push(failed(record, received));
        }
        if let [event] = &mut out[before..]
            && self.has_original
        {
            set_original(event, &record);
        }
        for tag in budget.tags() {
            out[before..].iter_mut().for_each(|event| event.tag(tag));
        }
    }
}

impl Json {
    /// Whether the value is an object.
    fn take(&self, value: Value, received: Timestamp, out: &mut Vec<Event>) -> bool {
        let Value::Map(map) = value else { return false };
        let mut event = Event::new(received);
        match &self.target {
            Some(target) => {
                if event.set(target, Value::Map(map)).is_err() {
                    return false;
                }
            }
            None => {
                event.fields.reserve(map.len() + 2);
                map.into_iter().for_each(|(key, value)| event.take_in(key, value));
            }
        }
        if event.fields.get("@version").is_none() {
            event.fields.insert(Key::from("@version"), version());
        }
        out.push(event);
        true
    }
}

fn failed(record: ByteString, received: Timestamp) -> Event {
    let mut event = Event::from_line(received, record);
    event.fields.insert(Key::from("@version"), version());
    event.tag("_jsonparsefailure");
    event
}

/// Writes objects.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) end: String,
}

impl Encoder for Object {
    fn encode(&self, event: &Event, _: Timestamp, out: &mut String) {
        json::write_event(out, event, None);
        out.push_str(&self.end);
    }
}
