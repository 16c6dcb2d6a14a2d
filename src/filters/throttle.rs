//! `throttle { key => "%{host}" before_count => 2 after_count => 5 }`: decorates events that come too seldom or too often.
//!
//! It drops nothing: events of a key below `before_count` or above `after_count` within `period` seconds (3,600) are decorated,
//! and mostly tagged to be dropped behind. Periods are by the times of events. A period is forgotten once events came that are
//! `max_age` seconds (3,600) later than its end, and the oldest ones where there are more than `max_counters` (100,000). It takes
//! one worker.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value, render},
};
use logship_parsers::config::{Template, ast, typed};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

pub(super) const KIND: FilterKind = FilterKind {
    name: "throttle",
    summary: "Decorates events that come too often",
    options: &["after_count", "before_count", "key", "max_age", "max_counters", "period"],
    build,
};

/// How many counters there may be where the option says nothing, or `-1`.
const COUNTERS_MAX: usize = 100_000;

#[derive(Debug)]
struct Throttle {
    key: Template,
    before_count: Template,
    after_count: Template,
    period: Template,
    max_age: i64,
    max_counters: usize,
    counters: Mutex<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    /// Of each key, its periods by their first second.
    by_key: HashMap<String, BTreeMap<i64, Count>>,
    /// All of them by the second in which they end.
    by_end: BTreeSet<(i64, String, i64)>,
    latest: i64,
}

#[derive(Debug)]
struct Count {
    end: i64,
    count: i64,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let literal = |text: &str| Template { pieces: vec![logship_parsers::config::Piece::Literal(text.to_owned())] };
    let number = |name: &str, default: &str, options: &mut Options<'_>| {
        options.get(name, |value: &ast::Value| typed::template(value)).unwrap_or_else(|| literal(default))
    };
    let before_count = number("before_count", "-1", options);
    let after_count = number("after_count", "-1", options);
    let period = number("period", "3600", options);
    let max_counters = options.or("max_counters", typed::integer, -1);
    let max_age = options.or("max_age", typed::integer, 3600);
    let key = options.required("key", typed::template)?;
    Some(Box::new(Throttle {
        key,
        before_count,
        after_count,
        period,
        max_age,
        max_counters: usize::try_from(max_counters).unwrap_or(COUNTERS_MAX).clamp(1, COUNTERS_MAX),
        counters: Mutex::default(),
    }))
}

impl Filter for Throttle {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let number = |template: &Template| {
            let text = render::rendered(template, event, scratch.received);
            match super::numbers::to_i(&text) {
                Value::Int(number) => number,
                _ => i64::MAX,
            }
        };
        let (before, after) = (number(&self.before_count), number(&self.after_count));
        let period = number(&self.period).clamp(1, i64::from(u32::MAX));
        let key = render::rendered(&self.key, event, scratch.received);
        let now = event.time.as_nanos().div_euclid(1_000_000_000);
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counters.count(key, now, period);
        counters.forget(self.max_age, self.max_counters);
        let is_outside = before >= 0 && count < before || after >= 0 && count > after;
        Ok(if is_outside { Verdict::Matched } else { Verdict::Unmatched })
    }

    fn is_stateful(&self) -> bool {
        true
    }
}

impl Counters {
    /// How many events of the key there were in its period, with this one.
    fn count(&mut self, key: String, now: i64, period: i64) -> i64 {
        self.latest = self.latest.max(now);
        let periods = self.by_key.entry(key.clone()).or_default();
        if let Some((_, known)) = periods.range_mut(..=now).next_back().filter(|(_, known)| now < known.end) {
            known.count += 1;
            return known.count;
        }
        let end = now.saturating_add(period);
        periods.insert(now, Count { end, count: 1 });
        self.by_end.insert((end, key, now));
        1
    }

    fn forget(&mut self, max_age: i64, max_counters: usize) {
        while let Some((end, ..)) = self.by_end.first() {
            if self.by_end.len() <= max_counters && self.latest.saturating_sub(*end) <= max_age {
                break;
            }
            let Some((_, key, begin)) = self.by_end.pop_first() else { break };
            if let Some(periods) = self.by_key.get_mut(&key) {
                periods.remove(&begin);
                if periods.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
    }
}
