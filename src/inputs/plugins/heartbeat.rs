//! `heartbeat { interval => 60 message => "ok" }`: an event at each interval, to see that a pipeline is alive.
//!
//! `sequence` adds a number: of the event, beginning with 1, or the seconds since 1970 (`epoch`). Events are not read by the
//! codec.

use super::{Decoding, Entrance, InputError, InputKind, Record, Source};
use crate::{
    clock,
    codecs::plugins::Reading,
    config::Options,
    event::{Event, Key, Value},
    filters::Scratch,
    flow::Stop,
};
use bytes::Bytes;
use logship_parsers::config::{Diagnostic, FieldRef, typed};
use std::time::Duration;

pub(super) const KIND: InputKind = InputKind {
    name: "heartbeat",
    summary: "An event at each interval",
    options: &["count", "interval", "message", "sequence", "threads"],
    codec: "plain",
    needs_log: false,
    host: Some("[host][name]"),
    path: None,
    build,
};

/// Seconds between events.
const INTERVAL: f64 = 60.0;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sequence {
    Events,
    Seconds,
}

#[derive(Debug)]
struct Heartbeat {
    /// Empty for none.
    message: Bytes,
    interval: Duration,
    /// How many events; `None` for ever.
    count: Option<i64>,
    sequence: Option<Sequence>,
    field: FieldRef,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let sequence = options.get("sequence", |value| {
        Ok(match typed::choice(value, &["epoch", "none", "sequence"])? {
            "epoch" => Some(Sequence::Seconds),
            "sequence" => Some(Sequence::Events),
            _ => None,
        })
    });
    let message = options.text("message").unwrap_or_else(|| "ok".to_owned());
    let named = match message.as_str() {
        "epoch" => Some(Sequence::Seconds),
        "sequence" => Some(Sequence::Events),
        _ => None,
    };
    if named.is_some() && sequence.is_none() {
        let place = options.value("message").map_or(options.place(), |value| value.span.0);
        let warning = Diagnostic::warning(place, "a sequence is asked for by its own option");
        options.report(warning.help(format!("write `sequence => \"{message}\"`")));
    }
    let is_ecs = options.ecs().is_on();
    let name: &[&str] = if is_ecs { &["event", "sequence"] } else { &["clock"] };
    let interval = options.or("interval", typed::number, INTERVAL);
    _ = options.get("threads", typed::integer);
    Some(Box::new(Heartbeat {
        message: if named.is_some() { Bytes::new() } else { message.into() },
        interval: Duration::try_from_secs_f64(interval).unwrap_or_default(),
        count: options.get("count", typed::integer).filter(|count| *count >= 0),
        sequence: sequence.unwrap_or(named.filter(|_| !is_ecs)),
        field: FieldRef { parts: name.iter().map(|part| (*part).to_owned()).collect() },
    }))
}

/// Messages as they are.
struct AsIs;

impl Decoding for AsIs {
    fn decode(&self, record: Bytes, codec: &Reading, scratch: &mut Scratch, out: &mut Vec<Event>) {
        let mut event = Event::new(scratch.received);
        event.fields.insert(Key::from("@version"), Value::from("1"));
        if !record.is_empty() {
            event.fields.insert(Key::from("message"), Value::Str(codec.text(record)));
        }
        out.push(event);
    }
}

impl Source for Heartbeat {
    fn decoding(&mut self) -> Option<Box<dyn Decoding>> {
        Some(Box::new(AsIs))
    }

    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let mut stream = entrance.stream([]);
        for number in 1.. {
            let begun = clock::instant();
            let value = match self.sequence {
                Some(Sequence::Events) => Some(number),
                Some(Sequence::Seconds) => Some(clock::now().as_millis().div_euclid(1_000)),
                None => None,
            };
            let fields = value.map(|value| (self.field.clone(), Value::Int(value))).into_iter().collect();
            stream.records(vec![Record { text: self.message.clone(), fields }])?;
            let is_last = self.count.is_some_and(|count| number >= count);
            if is_last || stop.wait(self.interval.saturating_sub(clock::since(begun))) {
                break;
            }
        }
        stream.settle()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Ecs, pipeline::configured::testing::start};

    #[test]
    fn events_come_as_often_as_they_should() {
        let check = |options: &str, ecs: Ecs, expected: &[&str]| {
            let running = start(&format!("heartbeat {{ interval => 0 {options} }}"), ecs);
            let seen: Vec<_> = expected.iter().map(|_| running.json()).collect();
            assert_eq!(seen, expected, "{options}");
            assert!(running.wait().is_empty());
        };
        let schema = r#"{"message":"ok","host":{"name":"here"}}"#;
        check("count => 2", Ecs::V8, &[schema, schema]);
        let numbered = [1, 2].map(|n| format!(r#"{{"message":"x","clock":{n},"host":"here"}}"#));
        check("count => 2 message => x sequence => sequence", Ecs::Disabled, &[&numbered[0], &numbered[1]]);
        let event = r#"{"message":"ok","event":{"sequence":1},"host":{"name":"here"}}"#;
        check("count => 1 sequence => sequence", Ecs::V1, &[event]);
    }

    #[test]
    fn it_ends_at_the_stop() {
        let running = start("heartbeat { interval => 3600 sequence => epoch }", Ecs::Disabled);
        let event = running.event();
        assert!(matches!(event.fields.get("clock"), Some(Value::Int(seconds)) if *seconds > 1_700_000_000));
        assert!(running.end().is_empty());
    }
}
