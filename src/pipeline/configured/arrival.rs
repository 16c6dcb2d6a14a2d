//! From what an input read to events: the codec, and what the input adds to each event.

use crate::{
    codecs::plugins::{self, Reading, framing::Framing},
    config::{Options, Role, Settings},
    event::{Event, Key, Map, TAGS, Value},
    filters::{Scratch, decorate::Decorations},
    inputs::plugins::{self as inputs, Chunk, Decoding, Fields, Record, Source},
};
use bytes::Bytes;
use bytestring::ByteString;
use logship_parsers::config::{Diagnostic, FieldRef, ast::Plugin, typed};
use memchr::memchr;
use std::ops::Range;

/// How the records of one input become events.
pub(super) struct Arrival {
    /// The input's name: `tcp.0`, or its option `id`.
    pub(super) name: String,
    /// Whether it asks for a log.
    pub(super) needs_log: bool,
    /// Where the path of a file goes.
    pub(super) path: Option<FieldRef>,
    codec: Reading,
    /// What the input does around its codec.
    decoding: Option<Box<dyn Decoding>>,
    host: Option<Host>,
    kind: Option<Value>,
    tags: Vec<String>,
    fields: Decorations,
}

/// The host that an input names.
struct Host {
    field: FieldRef,
    name: Value,
    /// What the first part of the field is where the event has none.
    whole: Value,
}

/// An input and what becomes of its records. `None` where something was reported.
pub(super) fn build(
    plugin: &Plugin,
    name: String,
    settings: &Settings,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Arrival, Box<dyn Source>)> {
    let kind = inputs::find(&plugin.name).map_err(|unknown| diagnostics.push(unknown)).ok()?;
    let mut options = Options::new(plugin, (Role::Input, kind.options), settings, diagnostics);
    let host = if options.ecs().is_on() { kind.host } else { kind.host.map(|_| "host") };
    let host = host.and_then(|name| FieldRef::parse(name).ok());
    let path = if options.ecs().is_on() { kind.path } else { kind.path.map(|_| "path") };
    let kind_of_events = options.text("type").map(Value::from);
    let tags = options.each("tags", |value| typed::text(value).map(str::to_owned));
    let fields = Decorations::fields(&mut options);
    let codec = plugins::reading(&mut options, kind.codec);
    let mut source = (kind.build)(&mut options);
    let arrival = Arrival {
        name,
        needs_log: kind.needs_log,
        path: path.and_then(|path| FieldRef::parse(path).ok()),
        codec: codec?,
        decoding: source.as_mut().and_then(|source| source.decoding()),
        host: host.map(|field| Host::new(field, ByteString::from_static(settings.host))),
        kind: kind_of_events,
        tags,
        fields,
    };
    Some((arrival, source?))
}

impl Arrival {
    /// Events that were events before: nothing is added to them.
    pub(super) fn of_events() -> Arrival {
        Arrival {
            name: "event".to_owned(),
            needs_log: false,
            path: None,
            codec: plugins::event::reading(),
            decoding: None,
            host: None,
            kind: None,
            tags: Vec::new(),
            fields: Decorations::default(),
        }
    }

    /// Makes the events of a chunk and hands each over.
    pub(super) fn each(&self, chunk: Chunk, scratch: &mut Scratch, mut take: impl FnMut(Event, &mut Scratch)) {
        let mut events = Vec::with_capacity(1);
        let mut dressed = |events: &mut Vec<Event>, fields: &Fields, scratch: &mut Scratch| {
            for mut event in events.drain(..) {
                self.dress(&mut event, fields, scratch);
                take(event, scratch);
            }
        };
        let mut one = |text: Bytes, fields: &Fields, scratch: &mut Scratch| {
            match &self.decoding {
                None => self.codec.decode(text, scratch.received, &mut events),
                Some(decoding) => decoding.decode(text, &self.codec, scratch, &mut events),
            }
            dressed(&mut events, fields, scratch);
        };
        match chunk {
            Chunk::Records(records) => {
                records.into_iter().for_each(|Record { text, fields }| one(text, &fields, scratch));
            }
            Chunk::Lines(lines, fields) => match self.texts(&lines) {
                // One look at all of them, and one slice for each.
                Some(texts) => {
                    for line in each_line(lines.as_ref()) {
                        let line = texts.slice_ref(texts.get(line).unwrap_or_default());
                        self.codec.decoder.decode(line, scratch.received, &mut events);
                        dressed(&mut events, &fields, scratch);
                    }
                }
                None => each_line(lines.as_ref()).for_each(|line| one(lines.slice(line), &fields, scratch)),
            },
        }
    }

    /// Lines as text, where nothing but the codec looks at them.
    fn texts(&self, lines: &Bytes) -> Option<ByteString> {
        if self.decoding.is_some() { None } else { self.codec.texts(lines) }
    }

    /// How the codec wants its records.
    pub(super) fn framing(&self) -> Framing {
        self.codec.framing.clone()
    }

    fn dress(&self, event: &mut Event, fields: &[(FieldRef, Value)], scratch: &mut Scratch) {
        if let Some(kind) = &self.kind
            && event.fields.get("type").is_none()
        {
            event.fields.insert(Key::from("type"), kind.clone());
        }
        // What `add_field` is made of may be what is known of the sender.
        for (field, value) in fields {
            add(event, field, value);
        }
        if !self.fields.is_empty() {
            self.fields.apply(event, scratch);
        }
        for tag in &self.tags {
            event.tag(tag);
        }
        if let Some(host) = &self.host {
            match host.field.parts.as_slice() {
                [first, ..] if event.fields.get(first).is_none() => event.fields.push_new(first, host.whole.clone()),
                _ => add(event, &host.field, &host.name),
            }
        }
    }
}

impl Host {
    fn new(field: FieldRef, name: ByteString) -> Host {
        let name = Value::Str(name);
        let inside = field.parts.iter().skip(1).rev();
        let whole =
            inside.fold(name.clone(), |value, part| Value::Map(Map::from_iter([(part.as_str().into(), value)])));
        Host { field, name, whole }
    }
}

/// Sets what is not there. Where it cannot be set, the event has something of its own there.
fn add(event: &mut Event, field: &FieldRef, value: &Value) {
    match value {
        Value::List(tags) if field.parts == [TAGS] => {
            tags.iter().filter_map(Value::as_str).for_each(|tag| event.tag(tag));
        }
        _ if event.contains(field) => {}
        _ => _ = event.set(field, value.clone()),
    }
}

/// Where the lines are, without their ends.
fn each_line(lines: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let rest = lines.get(from..).filter(|rest| !rest.is_empty())?;
        let (start, length) = (from, memchr(b'\n', rest).unwrap_or(rest.len()));
        from += length + 1;
        let without_return = length - usize::from(rest[..length].last() == Some(&b'\r'));
        Some(start..start + without_return)
    })
}
