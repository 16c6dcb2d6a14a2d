//! `sleep { time => 1 }`: waits, so many seconds for each event or for each `every` of them.
//!
//! `replay => true` waits as long as lay between the times of an event and the one before it, divided by `time`.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, render},
};
use logship_parsers::config::{Piece, Template, typed};
use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

pub(super) const KIND: FilterKind =
    FilterKind { name: "sleep", summary: "Waits between events", options: &["every", "replay", "time"], build };

/// The longest wait for one event.
const WAIT_MAX: Duration = Duration::from_secs(3600);
/// No event came yet.
const NONE: i64 = i64::MIN;

#[derive(Debug)]
struct Sleep {
    time: Template,
    every: u64,
    replay: bool,
    seen: AtomicU64,
    last_nanos: AtomicI64,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let every = options.get("every", typed::integer).and_then(|every| u64::try_from(every).ok());
    let replay = options.flag("replay", false);
    let time = match replay && !options.is_given("time") {
        true => Template { pieces: vec![Piece::Literal("1".to_owned())] },
        false => options.required("time", typed::template)?,
    };
    Some(Box::new(Sleep {
        time,
        every: every.unwrap_or(1).max(1),
        replay,
        seen: AtomicU64::new(0),
        last_nanos: AtomicI64::new(NONE),
    }))
}

impl Filter for Sleep {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let time: f64 = render::rendered(&self.time, event, scratch.received).parse().unwrap_or(0.0);
        let seconds = match self.replay {
            true => {
                let now = event.time.as_nanos();
                let last = self.last_nanos.swap(now, Ordering::Relaxed);
                let between = if last == NONE { 0 } else { now.saturating_sub(last) };
                between as f64 / 1e9 / if time > 0.0 { time } else { 1.0 }
            }
            false => {
                let seen = self.seen.fetch_add(1, Ordering::Relaxed) + 1;
                if seen.is_multiple_of(self.every) { time } else { 0.0 }
            }
        };
        if let Ok(wait) = Duration::try_from_secs_f64(seconds)
            && !wait.is_zero()
        {
            std::thread::sleep(wait.min(WAIT_MAX));
        }
        Ok(Verdict::Matched)
    }

    fn is_stateful(&self) -> bool {
        true
    }
}
