//! `plain`: a record is a message. Where the Elastic Common Schema is on, it is `[event][original]`, too.
//!
//! Written are time, host and message, or what `format` says.

use super::{CodecKind, Decoder, Encoder, FramingKind};
use crate::{
    config::Options,
    event::{Event, Key, Map, Timestamp, Value, render},
};
use bytestring::ByteString;
use logship_parsers::config::{Template, typed};
use std::fmt::Write as _;

pub(super) const KIND: CodecKind = CodecKind {
    name: "plain",
    summary: "Messages as they are",
    options: &["charset", "format"],
    framing: FramingKind::Messages,
    decoder: Some(decoder),
    encoder: Some(encoder),
};

/// Reads messages.
#[derive(Debug)]
pub(super) struct Plain {
    has_original: bool,
}

pub(super) fn decoder(options: &mut Options<'_>) -> Option<Box<dyn Decoder>> {
    _ = options.get("format", typed::template);
    Some(Box::new(Plain { has_original: options.ecs().is_on() }))
}

impl Decoder for Plain {
    fn decode(&self, record: ByteString, received: Timestamp, out: &mut Vec<Event>) {
        let mut event = Event::new(received);
        event.fields.reserve(FIELDS);
        event.fields.push_new("@version", version());
        if self.has_original {
            event.fields.push_new("event", original(&record));
        }
        event.fields.push_new("message", Value::Str(record));
        out.push(event);
    }
}

/// Sets `[event][original]` where it is not there.
pub(super) fn set_original(event: &mut Event, record: &ByteString) {
    match event.fields.get_mut("event") {
        Some(Value::Map(there)) => {
            if there.get("original").is_none() {
                there.insert(Key::from("original"), Value::Str(record.clone()));
            }
        }
        Some(_) => {}
        None => event.fields.push_new("event", original(record)),
    }
}

fn original(record: &ByteString) -> Value {
    let mut original = Map::with_capacity(1);
    original.push_new("original", Value::Str(record.clone()));
    Value::Map(original)
}

/// Sets `@version` where it is not there.
pub(super) fn set_version(event: &mut Event) {
    if event.fields.get("@version").is_none() {
        event.fields.insert(Key::from("@version"), version());
    }
}

/// `@version` of every event.
pub(super) fn version() -> Value {
    Value::Str(ByteString::from_static("1"))
}

/// Room for the fields that an event begins with and a few more.
const FIELDS: usize = 12;

/// Writes messages.
#[derive(Debug)]
pub(super) struct Format {
    format: Option<Template>,
    end: String,
}

pub(super) fn encoder(options: &mut Options<'_>) -> Option<Box<dyn Encoder>> {
    with_end(options, String::new())
}

pub(super) fn with_end(options: &mut Options<'_>, end: String) -> Option<Box<dyn Encoder>> {
    _ = options.get("charset", |value| typed::text(value).map(drop));
    Some(Box::new(Format { format: options.get("format", typed::template), end }))
}

impl Encoder for Format {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut String) {
        match &self.format {
            Some(format) => render::render(format, event, now, out),
            None => {
                _ = write!(out, "{} ", event.time);
                match event.fields.get("host") {
                    None | Some(Value::Null) => out.push_str("%{host}"),
                    Some(Value::Map(host)) => {
                        for (n, (key, value)) in host.iter().enumerate() {
                            out.push_str(if n == 0 { "{" } else { ", " });
                            _ = write!(out, "{key}=");
                            render::write_text(out, value);
                        }
                        out.push('}');
                    }
                    Some(host) => render::write_text(out, host),
                }
                out.push(' ');
                match event.fields.get("message") {
                    None | Some(Value::Null) => out.push_str("%{message}"),
                    Some(message) => render::write_text(out, message),
                }
            }
        }
        out.push_str(&self.end);
    }
}
