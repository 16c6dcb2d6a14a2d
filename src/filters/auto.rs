//! `auto { }`: reads `message`, or another `source`, as `logship parse` and the store read lines: by the format that it shows.
//!
//! Fields, with the names of the Elastic Common Schema, and tags are merged into the event, whose time becomes that of the line,
//! where it has one. `message` becomes the line's own message. Where only plain text is seen, there is nothing to do. Stamps that
//! name no zone are in UTC. Logstash has no such filter.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Timestamp, Value},
};
use logship_parsers::{
    Fields,
    config::FieldRef,
    line::{Context, detect::Detector},
};
use std::panic::catch_unwind;

pub(super) const KIND: FilterKind =
    FilterKind { name: "auto", summary: "Reads lines of any known format", options: &["source"], build };

#[derive(Debug)]
struct Auto {
    source: FieldRef,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let source = options.field("source").unwrap_or_else(|| FieldRef { parts: vec!["message".to_owned()] });
    Some(Box::new(Auto { source }))
}

impl Filter for Auto {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let line = match event.get(&self.source).as_deref() {
            Some(Value::Str(text)) => text.clone(),
            _ => return Ok(Verdict::Unmatched),
        };
        let context = Context { received: scratch.received.as_nanos(), ..Context::default() };
        // A parser that is wrong about one line costs no other one.
        let Ok(fields) = catch_unwind(|| Detector::parse(None, &line, &context).1) else {
            return Err(FilterError::new(&["_parserpanic".to_owned()], "a parser failed in a way that it must not"));
        };
        if says_nothing(&fields, &line) {
            return Ok(Verdict::Unmatched);
        }
        if let Some(time) = fields.time {
            (event.time, event.has_time) = (Timestamp::from_nanos(time), true);
        }
        event.absorb(&line, fields);
        Ok(Verdict::Matched)
    }
}

/// Whether the line is all that was read from it.
fn says_nothing(fields: &Fields<'_>, line: &str) -> bool {
    let is_line = |value: &logship_parsers::Value<'_>| value.as_str() == Some(line);
    fields.time.is_none()
        && fields.tags.is_empty()
        && fields.items.iter().all(|field| field.name == "message" && is_line(&field.value))
}
