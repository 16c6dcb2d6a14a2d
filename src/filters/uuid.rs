//! `uuid { target => "[event][id]" }`: an identifier that no other event has, random, of version 4.
//!
//! One that is there stays unless `overwrite`.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value},
};
use logship_parsers::config::{FieldRef, typed};
use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

pub(super) const KIND: FilterKind =
    FilterKind { name: "uuid", summary: "Gives events a random identifier", options: &["overwrite", "target"], build };

#[derive(Debug)]
struct Uuid {
    target: FieldRef,
    overwrite: bool,
    source: Identifiers,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let overwrite = options.flag("overwrite", false);
    let target = options.required("target", typed::field)?;
    Some(Box::new(Uuid { target, overwrite, source: Identifiers::default() }))
}

impl Filter for Uuid {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        if self.overwrite || event.get(&self.target).is_none_or(|known| *known == Value::Null) {
            let id = Value::from(self.source.next());
            event.set(&self.target, id).map_err(|cause| FilterError::new(&[], cause))?;
        }
        Ok(Verdict::Matched)
    }
}

/// Random identifiers: a hash with random keys of how many there were.
#[derive(Debug, Default)]
pub(super) struct Identifiers {
    keys: [RandomState; 2],
    made: AtomicU64,
}

impl Identifiers {
    /// One more, of version 4.
    pub(super) fn next(&self) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let [high, low] = [0, 1].map(|half| self.keys[half].hash_one((number, half)));
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 0b10 << 62;
        let (a, b, c) = (high >> 32, high >> 16 & 0xffff, high & 0xffff);
        format!("{a:08x}-{b:04x}-{c:04x}-{:04x}-{:012x}", low >> 48, low & 0xffff_ffff_ffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_differ_and_say_their_version() {
        let source = Identifiers::default();
        let mut known = std::collections::HashSet::new();
        for _ in 0..1_000 {
            let id = source.next();
            assert_eq!((id.len(), id.as_bytes()[14]), (36, b'4'), "{id}");
            assert!(matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'), "{id}");
            assert!(known.insert(id));
        }
    }
}
