//! `es_bulk`: bodies of Elasticsearch's bulk requests, an action a line and its document in the next.
//!
//! The document is the event, or its field `target`; the action with its options, and its name as `action`, is in
//! `[@metadata][codec][es_bulk]`, without the Elastic Common Schema in `@metadata`. A `delete` has no document. An action and its document are
//! one record, however a body is spread over what an input reads. What is no JSON object is left out, as in Logstash, and said in the log.

use super::{
    CodecKind, Decoder, FramingKind,
    framing::{Cut, Framing, Joiner},
    plain,
};
use crate::{
    codecs::gelf::is_object,
    config::Options,
    event::{Event, Key, Map, Timestamp, Value, absorbed},
};
use bytes::Bytes;
use bytestring::ByteString;
use logship_parsers::config::FieldRef;
use std::time::Duration;

pub(super) const KIND: CodecKind = CodecKind {
    name: "es_bulk",
    summary: "Bulk requests of Elasticsearch",
    options: &["charset", "target"],
    framing: FramingKind::Own(framing),
    decoder: Some(decoder),
    encoder: None,
};

/// How long an action waits for its document.
const DOCUMENT_WAIT: Duration = Duration::from_secs(60);

struct Bulk {
    target: Option<FieldRef>,
    metadata: FieldRef,
}

fn framing(_: &mut Options<'_>) -> Option<Framing> {
    Some(Framing::by_line(Actions::default))
}

/// Puts an action and its document together.
#[derive(Default)]
struct Actions {
    /// The action whose document comes next.
    action: Option<Bytes>,
}

impl Joiner for Actions {
    fn line(&mut self, Cut { text, tags }: Cut, out: &mut Vec<Cut>) {
        if text.trim_ascii().is_empty() {
            return;
        }
        if !is_object(&text) {
            return tracing::warn!("a line of a bulk request is no JSON object and left out");
        }
        match self.action.take() {
            Some(action) => out.push(Cut { text: [&action, &b"\n"[..], &text].concat().into(), tags }),
            None if is_delete(&text) => out.push(Cut { text, tags }),
            None => self.action = Some(text),
        }
    }

    fn finish(&mut self, _: &mut Vec<Cut>) {
        if self.action.take().is_some() {
            tracing::warn!("the last action of a bulk request has no document and is left out");
        }
    }

    fn patience(&self) -> Option<Duration> {
        self.action.as_ref().map(|_| DOCUMENT_WAIT)
    }

    fn holds(&self) -> bool {
        self.action.is_some()
    }
}

/// Whether an action has no document.
fn is_delete(action: &[u8]) -> bool {
    let inside = action.trim_ascii().strip_prefix(b"{").unwrap_or_default();
    inside.trim_ascii_start().starts_with(b"\"delete\"")
}

fn decoder(options: &mut Options<'_>) -> Option<Box<dyn Decoder>> {
    let metadata = match options.ecs().is_on() {
        true => &["@metadata", "codec", "es_bulk"][..],
        false => &["@metadata"],
    };
    let metadata = FieldRef { parts: metadata.iter().map(|part| (*part).to_owned()).collect() };
    Some(Box::new(Bulk { target: options.field("target"), metadata }))
}

impl Decoder for Bulk {
    fn decode(&self, record: ByteString, received: Timestamp, out: &mut Vec<Event>) {
        let (action, document) = match record.split_once('\n') {
            Some((action, document)) => (object(&record.slice_ref(action)), object(&record.slice_ref(document))),
            None => (object(&record), Some(Map::default())),
        };
        let Some((action, document)) = action.zip(document) else {
            return tracing::warn!("an action of a bulk request is no JSON object and left out");
        };
        let Some((name, options)) = action.into_iter().next() else { return };
        let mut metadata = match options {
            Value::Map(options) => options,
            _ => Map::default(),
        };
        metadata.insert(Key::from("action"), Value::from(name.as_str()));
        out.push(self.event(document, metadata, received));
    }
}

impl Bulk {
    fn event(&self, document: Map, metadata: Map, received: Timestamp) -> Event {
        let mut event = Event::new(received);
        match &self.target {
            // Nothing is in the way in a new event.
            Some(target) => _ = event.set(target, Value::Map(document)),
            None => document.into_iter().for_each(|(key, value)| event.take_in(key, value)),
        }
        _ = event.set(&self.metadata, Value::Map(metadata));
        plain::set_version(&mut event);
        event
    }
}

fn object(line: &ByteString) -> Option<Map> {
    let (value, _) = logship_parsers::json::parse_value(line).ok()?;
    match absorbed(line, value) {
        Value::Map(map) => Some(map),
        _ => None,
    }
}
