//! `metrics { meter => ["http.%{status}"] timer => { "took" => "%{duration}" } }`: an event every now and then that says how many events
//! there were, how many a second, and how large values were.
//!
//! It has `[NAME][count]` and `[NAME][rate_1m]`, `_5m`, `_15m` (`rates`) of each meter and timer, of timers `min`, `max`, `mean`,
//! `stddev` and `p1` to `p100` (`percentiles`), the name of this machine as `message`, and the decorations, which events that go
//! through do not get. It comes each `flush_interval` seconds (5), counted by the ticks of the pipeline, of which the end of the
//! input is one. All is forgotten after `clear_interval` seconds (-1: never). Events older than `ignore_older_than` seconds (0: any) do
//! not count. Names beyond [`NAMES_MAX`] are not counted. It takes one worker.

mod measure;

use super::{Filter, FilterError, FilterKind, Scratch, TICK_SECONDS, Verdict, numbers};
use crate::{
    config::Options,
    event::{Event, Key, Timestamp, Value, render},
};
use logship_parsers::config::{Diagnostic, FieldRef, Template, ast, typed};
use measure::{MINUTES, Meter, Timer};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(super) const KIND: FilterKind = FilterKind {
    name: "metrics",
    summary: "Counts events and tells rates",
    options: &["clear_interval", "flush_interval", "ignore_older_than", "meter", "percentiles", "rates", "timer"],
    build,
};

/// Names of meters, and as many of timers.
const NAMES_MAX: usize = 1_000;

#[derive(Debug)]
struct Metrics {
    meters: Vec<Template>,
    timers: Vec<(Template, Template)>,
    ignore_older_than: f64,
    flush_interval: f64,
    clear_interval: f64,
    rates: Vec<i64>,
    percentiles: Vec<(String, f64)>,
    host: &'static str,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    meters: BTreeMap<String, Meter>,
    timers: BTreeMap<String, Timer>,
    /// Seconds since the last event, and since all was forgotten.
    flushed: i64,
    cleared: i64,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let rates = options.each("rates", |value| {
        let minutes = typed::integer(value)?;
        let error = || {
            Diagnostic::error(value.span.0, format!("there is no rate of {minutes} minutes")).help("write 1, 5 or 15")
        };
        MINUTES.contains(&minutes).then_some(minutes).ok_or_else(error)
    });
    let percentiles = options.each("percentiles", |value| {
        let percentile = typed::number(value)?;
        let error = || Diagnostic::error(value.span.0, "a percentile is a number from 0 to 100");
        let name = format!("p{}", typed::text(value)?);
        (0.0..=100.0).contains(&percentile).then_some((name, percentile)).ok_or_else(error)
    });
    let usual = [1, 5, 10, 90, 95, 99, 100].map(|percentile| (format!("p{percentile}"), f64::from(percentile)));
    Some(Box::new(Metrics {
        meters: options.templates("meter"),
        timers: timers(options),
        ignore_older_than: options.or("ignore_older_than", typed::number, 0.0),
        flush_interval: options.or("flush_interval", typed::number, 5.0),
        clear_interval: options.or("clear_interval", typed::number, -1.0),
        rates: if options.is_given("rates") { rates } else { MINUTES.to_vec() },
        percentiles: if options.is_given("percentiles") { percentiles } else { usual.to_vec() },
        host: options.settings().host,
        state: Mutex::default(),
    }))
}

/// `{ "name" => "value" }`, or the two by turns in a list.
fn timers(options: &mut Options<'_>) -> Vec<(Template, Template)> {
    match options.value("timer").map(|value| &value.kind) {
        Some(ast::ValueKind::Array(_)) => {
            let items = options.templates("timer");
            items.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect()
        }
        _ => options.pairs("timer", typed::template, typed::template),
    }
}

impl Filter for Metrics {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let now = scratch.received;
        let age = now.as_nanos().saturating_sub(event.time.as_nanos()) as f64 / 1e9;
        if self.ignore_older_than > 0.0 && age > self.ignore_older_than {
            return Ok(Verdict::Unmatched);
        }
        let mut state = self.state();
        for name in &self.meters {
            let name = render::rendered(name, event, now);
            if let Some(meter) = known(&mut state.meters, name, || Meter::new(now)) {
                meter.mark(now);
            }
        }
        for (name, value) in &self.timers {
            let name = render::rendered(name, event, now);
            let value = numbers::to_f(&render::rendered(value, event, now));
            if let Some(timer) = known(&mut state.timers, name, || Timer::new(now)) {
                timer.update(value, now);
            }
        }
        Ok(Verdict::Unmatched)
    }

    fn is_stateful(&self) -> bool {
        true
    }

    fn tick(&self, now: Timestamp) -> Vec<Event> {
        let mut state = self.state();
        state.flushed += TICK_SECONDS;
        state.cleared += TICK_SECONDS;
        let is_empty = state.meters.is_empty() && state.timers.is_empty();
        if is_empty || (state.flushed as f64) < self.flush_interval {
            return Vec::new();
        }
        state.flushed = 0;
        let event = self.event(&mut state, now);
        if self.clear_interval > 0.0 && state.cleared as f64 >= self.clear_interval {
            *state = State::default();
        }
        vec![event]
    }

    fn finish(&self, now: Timestamp) -> Vec<Event> {
        self.tick(now)
    }
}

/// What there is of a name, new where there is room.
fn known<T>(all: &mut BTreeMap<String, T>, name: String, new: impl FnOnce() -> T) -> Option<&mut T> {
    if all.len() >= NAMES_MAX && !all.contains_key(&name) {
        return None;
    }
    Some(all.entry(name).or_insert_with(new))
}

impl Metrics {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, state: &mut State, now: Timestamp) -> Event {
        let mut event = Event::new(now);
        event.fields.insert(Key::from("@version"), Value::from("1"));
        event.fields.insert(Key::from("message"), Value::from(self.host));
        for (name, meter) in &mut state.meters {
            self.meter(&mut event, name, meter, now);
        }
        for (name, timer) in &mut state.timers {
            self.meter(&mut event, name, &mut timer.meter, now);
            let mut values = vec![
                ("min".to_owned(), timer.min),
                ("max".to_owned(), timer.max),
                ("stddev".to_owned(), timer.deviation()),
                ("mean".to_owned(), timer.mean()),
            ];
            let percentiles: Vec<f64> = self.percentiles.iter().map(|(_, percentile)| *percentile).collect();
            let found = timer.percentiles(&percentiles);
            values.extend(self.percentiles.iter().map(|(name, _)| name.clone()).zip(found));
            values.into_iter().for_each(|(field, value)| set(&mut event, name, &field, Value::Float(value)));
        }
        event
    }

    fn meter(&self, event: &mut Event, name: &str, meter: &mut Meter, now: Timestamp) {
        let count = i64::try_from(meter.count).unwrap_or(i64::MAX);
        set(event, name, "count", Value::Int(count));
        for (minutes, rate) in MINUTES.into_iter().zip(meter.rates(now)) {
            if self.rates.contains(&minutes) {
                set(event, name, &format!("rate_{minutes}m"), Value::Float(rate));
            }
        }
    }
}

/// `[NAME][FIELD]`, the name being a reference where it is one.
fn set(event: &mut Event, name: &str, field: &str, value: Value) {
    let place = FieldRef::parse(&format!("[{name}][{field}]"));
    let place = place.unwrap_or_else(|_| FieldRef { parts: vec![name.to_owned(), field.to_owned()] });
    if let Err(cause) = event.set(&place, value) {
        tracing::debug!("{place} cannot be set: {cause}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::json;

    fn filter(flush_interval: f64, clear_interval: f64) -> Metrics {
        Metrics {
            meters: vec![Template::parse("http.%{s}").unwrap()],
            timers: Vec::new(),
            ignore_older_than: 10.0,
            flush_interval,
            clear_interval,
            rates: vec![1],
            percentiles: Vec::new(),
            host: "h",
            state: Mutex::default(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1_000)
    }

    fn count(filter: &Metrics, status: i64, time: Timestamp, now: Timestamp) {
        let mut event = Event::new(time);
        event.fields.insert(Key::from("s"), Value::Int(status));
        let mut scratch = Scratch { received: now, ..Scratch::default() };
        assert_eq!(filter.apply(&mut event, &mut scratch), Ok(Verdict::Unmatched));
    }

    fn ticked(filter: &Metrics, now: Timestamp) -> String {
        let mut text = String::new();
        for event in filter.tick(now) {
            json::write_value(&mut text, &Value::Map(event.fields));
        }
        text
    }

    #[test]
    fn events_come_by_their_interval() {
        let filter = filter(10.0, 20.0);
        count(&filter, 200, at(0), at(0));
        count(&filter, 200, at(0), at(1));
        count(&filter, 404, at(0), at(2));
        count(&filter, 500, at(0), at(11));
        let check = |now, expected: &str| assert_eq!(ticked(&filter, at(now)), expected, "{now}");
        check(5, "");
        check(10, r#"{"@version":"1","message":"h","http.200":{"count":2,"rate_1m":0.4},"http.404":{"count":1,"rate_1m":0.2}}"#
            .replace("0.4}", &format!("{}}}", 0.4 * (-5.0_f64 / 60.0).exp()))
            .replace("0.2}", &format!("{}}}", 0.2)).as_str());
        check(15, "");
        assert!(ticked(&filter, at(20)).contains(r#""count":2"#));
        check(25, "");
        check(30, "");
    }

    #[test]
    fn names_are_bounded() {
        let filter = filter(5.0, -1.0);
        (0..2 * NAMES_MAX as i64).for_each(|n| count(&filter, n, at(0), at(0)));
        assert_eq!(filter.state().meters.len(), NAMES_MAX);
    }
}
