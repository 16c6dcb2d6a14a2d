//! `drop { }`: the event is gone.
//!
//! `percentage` drops only so many of a hundred: by a hash of the event, so that a replay drops the same ones.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, json},
};
use logship_parsers::config::typed;
use std::hash::{DefaultHasher, Hash, Hasher};

pub(super) const KIND: FilterKind =
    FilterKind { name: "drop", summary: "Drops events", options: &["percentage"], build };

#[derive(Debug)]
struct Drop {
    percentage: f64,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    Some(Box::new(Drop { percentage: options.or("percentage", typed::number, 100.0) }))
}

impl Filter for Drop {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        if self.percentage < 100.0 {
            scratch.text.clear();
            json::write_event(&mut scratch.text, event, None);
            let mut hasher = DefaultHasher::new();
            (&scratch.text, scratch.received).hash(&mut hasher);
            // The upper bits, as a part of one: no precision is lost in 32 of them.
            let part = f64::from((hasher.finish() >> 32) as u32) / f64::from(u32::MAX);
            if part * 100.0 >= self.percentage {
                return Ok(Verdict::Unmatched);
            }
        }
        Ok(Verdict::Drop)
    }
}
