//! `elapsed { start_tag => "started" end_tag => "done" unique_id_field => "task" }`: how long it was from one event to another.
//!
//! The event that ends gets `elapsed_time` in seconds, `elapsed_timestamp_start` and the tags `elapsed` and `elapsed_match`; with
//! `new_event_on_match` an event of its own does, which has the identifier and the name of this machine as `host`. Without a start
//! it is tagged `elapsed_end_without_start`. A start whose end does not come within `timeout` seconds (1,800), counted by the ticks of
//! the pipeline, becomes an event tagged `elapsed` and `elapsed_expired_error`. Of several starts of one identifier the `first`
//! counts, or the `last` (`keep_start_event`); beyond [`STARTS_MAX`] a start is not kept, and tagged `_elapsed_too_many`.
//! Decorations come before all that, as in Logstash. It takes one worker.

use super::{Filter, FilterError, FilterKind, Scratch, TICK_SECONDS, Verdict};
use crate::{
    config::Options,
    event::{Event, Key, TAGS, Timestamp, Value, json},
};
use logship_parsers::config::{FieldRef, typed};
use smallvec::smallvec;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(super) const KIND: FilterKind = FilterKind {
    name: "elapsed",
    summary: "Tells how long something took",
    options: &["end_tag", "keep_start_event", "new_event_on_match", "start_tag", "timeout", "unique_id_field"],
    build,
};

/// Starts whose end has not come yet.
const STARTS_MAX: usize = 100_000;

#[derive(Debug)]
struct Elapsed {
    start_tag: String,
    end_tag: String,
    id: FieldRef,
    timeout: f64,
    new_event_on_match: bool,
    keeps_last: bool,
    host: &'static str,
    starts: Mutex<Starts>,
}

#[derive(Debug, Default)]
struct Starts {
    /// By the JSON of their identifier.
    by_id: HashMap<String, Start>,
    came: u64,
}

#[derive(Debug)]
struct Start {
    number: u64,
    id: Value,
    time: Timestamp,
    age: i64,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let text = |value: &_| typed::text(value).map(str::to_owned);
    let keep =
        options.get("keep_start_event", |value| typed::choice(value, &["first", "last"]).map(|name| name == "last"));
    let timeout = options.or("timeout", typed::number, 1_800.0);
    let new_event_on_match = options.flag("new_event_on_match", false);
    let start_tag = options.required("start_tag", text);
    let end_tag = options.required("end_tag", text);
    let id = options.required("unique_id_field", typed::field)?;
    Some(Box::new(Elapsed {
        start_tag: start_tag?,
        end_tag: end_tag?,
        id,
        timeout,
        new_event_on_match,
        keeps_last: keep.unwrap_or(false),
        host: options.settings().host,
        starts: Mutex::default(),
    }))
}

impl Filter for Elapsed {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let id = match event.get(&self.id).as_deref() {
            None | Some(Value::Null) => return Ok(Verdict::Unmatched),
            Some(id) => id.clone(),
        };
        let mut key = String::new();
        json::write_value(&mut key, &id);
        if has_tag(event, &self.start_tag) {
            return Ok(match self.starts().begin(key, id, event.time, self.keeps_last) {
                true => Verdict::Matched,
                false => Verdict::Then { tags: smallvec!["_elapsed_too_many"], fields: Vec::new(), more: Vec::new() },
            });
        }
        if !has_tag(event, &self.end_tag) {
            return Ok(Verdict::Unmatched);
        }
        let Some(start) = self.starts().by_id.remove(&key) else {
            let tags = smallvec!["elapsed_end_without_start"];
            return Ok(Verdict::Then { tags, fields: Vec::new(), more: Vec::new() });
        };
        let nanos = event.time.as_nanos().saturating_sub(start.time.as_nanos());
        let time = Value::Float(nanos as f64 / 1e9);
        if self.new_event_on_match {
            let more = vec![self.event(&start, "elapsed_match", time, scratch.received)];
            return Ok(Verdict::Then { tags: smallvec![], fields: Vec::new(), more });
        }
        let fields = vec![
            (field("elapsed_time"), time),
            (self.id.clone(), id),
            (field("elapsed_timestamp_start"), Value::Time(start.time)),
        ];
        Ok(Verdict::Then { tags: smallvec!["elapsed", "elapsed_match"], fields, more: Vec::new() })
    }

    fn is_stateful(&self) -> bool {
        true
    }

    fn tick(&self, now: Timestamp) -> Vec<Event> {
        let expired = self.starts().expired(self.timeout);
        let event = |start: Start| self.event(&start, "elapsed_expired_error", Value::Int(start.age), now);
        expired.into_iter().map(event).collect()
    }

    fn finish(&self, now: Timestamp) -> Vec<Event> {
        self.tick(now)
    }
}

impl Elapsed {
    fn starts(&self) -> MutexGuard<'_, Starts> {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event that says what became of a start.
    fn event(&self, start: &Start, tag: &str, time: Value, now: Timestamp) -> Event {
        let mut event = Event::new(now);
        event.fields.insert(Key::from("@version"), Value::from("1"));
        event.tag("elapsed");
        event.tag(tag);
        event.fields.insert(Key::from("host"), Value::from(self.host));
        // A new event has nothing in the way.
        _ = event.set(&self.id, start.id.clone());
        event.fields.insert(Key::from("elapsed_time"), time);
        event.fields.insert(Key::from("elapsed_timestamp_start"), Value::Time(start.time));
        event
    }
}

impl Starts {
    /// `false`: there are too many.
    fn begin(&mut self, key: String, id: Value, time: Timestamp, keeps_last: bool) -> bool {
        let is_known = self.by_id.contains_key(&key);
        if is_known && !keeps_last {
            return true;
        }
        if !is_known && self.by_id.len() >= STARTS_MAX {
            return false;
        }
        self.came += 1;
        self.by_id.insert(key, Start { number: self.came, id, time, age: 0 });
        true
    }

    /// Those whose end is not awaited any more after one more tick, in the order in which they came.
    fn expired(&mut self, timeout: f64) -> Vec<Start> {
        let old = |start: &mut Start| {
            start.age += TICK_SECONDS;
            start.age as f64 >= timeout
        };
        let mut expired: Vec<Start> = self.by_id.extract_if(|_, start| old(start)).map(|(_, start)| start).collect();
        expired.sort_unstable_by_key(|start| start.number);
        expired
    }
}

fn field(name: &str) -> FieldRef {
    FieldRef { parts: vec![name.to_owned()] }
}

fn has_tag(event: &Event, tag: &str) -> bool {
    match event.fields.get(TAGS) {
        Some(Value::List(tags)) => tags.iter().any(|known| known.as_str() == Some(tag)),
        Some(Value::Str(tags)) => tags.contains(tag),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starts_are_bounded_and_expire_in_their_order() {
        let mut starts = Starts::default();
        let begin = |starts: &mut Starts, n: usize| {
            starts.begin(n.to_string(), Value::Null, Timestamp::from_millis(n as i64), false)
        };
        assert!((0..STARTS_MAX).all(|n| begin(&mut starts, n)));
        assert!(!begin(&mut starts, STARTS_MAX));
        assert!(begin(&mut starts, 3));
        assert!(starts.expired(10.0).is_empty());
        let expired = starts.expired(10.0);
        assert_eq!(expired.len(), STARTS_MAX);
        assert!(expired.windows(2).all(|pair| pair[0].time < pair[1].time));
        assert!(begin(&mut starts, STARTS_MAX));
    }
}
