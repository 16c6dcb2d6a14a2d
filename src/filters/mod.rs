//! What happens to events on their way: one file a filter, each with its options, what it does, and golden cases in
//! `fixtures/filters/<name>/`.
//!
//! A filter sees one event at a time and is a pure function of it, unless it says that it [keeps state](Filter::is_stateful);
//! then it sees all events of its pipeline in their order. It never asks a clock: [`Scratch::received`] is when the event
//! arrived, and timers are driven from outside.

pub mod decorate;
mod drop;
mod json;
mod known;
mod mutate;

use crate::{
    config::Options,
    event::{Event, Timestamp},
};
use smallvec::SmallVec;
use std::fmt;

pub use known::unknown;

/// One filter of a pipeline, made once and shared by all workers.
pub trait Filter: Send + Sync {
    /// Changes the event.
    ///
    /// # Errors
    /// The event could not be treated; it goes on with the tags of the error and without the decorations.
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError>;

    /// Whether what becomes of an event depends on those before it: then there is one worker.
    fn is_stateful(&self) -> bool {
        false
    }

    /// Events that are due at this time; called each five seconds or so, between events.
    fn tick(&self, _now: Timestamp) -> Vec<Event> {
        Vec::new()
    }

    /// Events that are still to come where the input has ended.
    fn finish(&self, _now: Timestamp) -> Vec<Event> {
        Vec::new()
    }
}

/// What became of an event.
#[derive(Debug, PartialEq)]
pub enum Verdict {
    /// The filter did its work: decorations follow.
    Matched,
    /// There was nothing to do for it.
    Unmatched,
    /// The event is gone.
    Drop,
    /// The event goes on as it is, these follow it, decorated.
    Also(Vec<Event>),
    /// The event is gone, these take its place, decorated.
    Instead(Vec<Event>),
}

/// Why an event could not be treated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterError {
    /// The tags that say so.
    pub tags: SmallVec<[String; 1]>,
    /// What happened, for the log.
    pub message: String,
}

impl FilterError {
    /// A failure with its tags.
    pub fn new(tags: &[String], message: impl fmt::Display) -> FilterError {
        FilterError { tags: tags.iter().cloned().collect(), message: message.to_string() }
    }
}

/// What a worker lends to filters.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Room for a text; whoever uses it clears it first.
    pub text: String,
    /// When the event arrived.
    pub received: Timestamp,
}

/// A filter by its name.
#[derive(Debug)]
pub struct FilterKind {
    /// `mutate`
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Its options, sorted, beside those that all filters have.
    pub options: &'static [&'static str],
    /// Makes one. `None` only where something was reported.
    pub build: fn(&mut Options<'_>) -> Option<Box<dyn Filter>>,
}

/// All filters, by name.
pub const FILTERS: &[FilterKind] = &[drop::KIND, json::KIND, mutate::KIND];

/// The filter of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static FilterKind> {
    FILTERS.iter().find(|kind| kind.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_sorted_and_complete() {
        assert!(FILTERS.windows(2).all(|pair| pair[0].name < pair[1].name));
        for kind in FILTERS {
            assert!(kind.options.is_sorted(), "{}", kind.name);
            let folder = format!("{}/fixtures/filters/{}", env!("CARGO_MANIFEST_DIR"), kind.name);
            let cases = std::fs::read_dir(&folder).unwrap_or_else(|cause| panic!("{folder}: {cause}"));
            assert!(cases.count() > 0, "{folder} is empty");
        }
    }
}
