//! The way of an event that has none of the fields and none of the texts that the steps of a program ask for, which is most of
//! the way of any event. Of it an event takes the steps that ask for something that it has, or for nothing, and no other.
//!
//! It is no guess: a step that is passed over is a condition on a field that is missing, whose outcome is known, or a filter
//! that would fail without a trace.

use super::{Program, Step};
use crate::{
    event::Event,
    filters::{
        Scratch,
        search::{Need, Searches},
    },
};

/// Programs of fewer steps take them one by one.
const STEPS_MIN: usize = 32;

/// What of a program can be passed over.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// The steps on the way, a bit each; none for short programs.
    steps: Vec<u64>,
    /// The steps that are taken by any event that comes to them.
    always: Vec<u64>,
    /// By the number of a field, the conditions on it.
    of_field: Vec<Vec<u32>>,
    /// By the number of a search and that of a user of it, the step of the filter: none for one that is always taken.
    of_search: Vec<Vec<Option<u32>>>,
}

impl Way {
    /// For a program. `quiet` gives what a filter needs so that it leaves a trace.
    pub(super) fn new<T>(program: &Program<T>, quiet: impl Fn(u32) -> Option<Need>) -> Way {
        let mut way = Way::default();
        if program.steps.len() < STEPS_MIN {
            return way;
        }
        let words = program.steps.len().div_ceil(64);
        (way.steps, way.always) = (vec![0; words], vec![0; words]);
        let mut next = 0;
        for (step, at) in program.steps.iter().zip(0..) {
            let is_on = at == next;
            match step {
                Step::Go(to) if is_on => next = *to,
                Step::Go(_) => {}
                Step::Do(plugin) => {
                    match quiet(*plugin) {
                        Some(Need { search, user }) => *list(list(&mut way.of_search, search), user) = Some(at),
                        None => way.always[at as usize / 64] |= 1 << (at % 64),
                    }
                    next = if is_on { at + 1 } else { next };
                }
                Step::Test(test) => {
                    match test.root.number() {
                        Some(root) => list(&mut way.of_field, root).push(at),
                        None => way.always[at as usize / 64] |= 1 << (at % 64),
                    }
                    next = match is_on {
                        true if test.if_absent => test.then,
                        true => test.otherwise,
                        false => next,
                    };
                }
            }
            way.steps[at as usize / 64] |= u64::from(is_on) << (at % 64);
        }
        way
    }

    /// The next step that an event has to take.
    #[inline]
    pub(super) fn next<T>(
        &self,
        at: usize,
        event: &Event,
        (program, searches): (&Program<T>, &Searches),
        scratch: &mut Scratch,
    ) -> usize {
        if self.steps.get(at / 64).is_none_or(|word| word >> (at % 64) & 1 == 0) {
            return at;
        }
        let generation = scratch.places.generation();
        if !scratch.stops.are_of(generation) {
            if !scratch.stops.count(generation) {
                return at;
            }
            self.find(event, (program, searches), scratch);
        }
        scratch.stops.next(at)
    }

    /// Finds out the stops of an event.
    #[inline(never)]
    fn find<T>(&self, event: &Event, (program, searches): (&Program<T>, &Searches), scratch: &mut Scratch) {
        let Scratch { places, found, stops, .. } = scratch;
        stops.begin(places.generation(), &self.always);
        for root in places.present(&program.names, event) {
            self.of_field.get(*root as usize).into_iter().flatten().for_each(|step| stops.add(*step));
        }
        // Failures without a trace are told to who asks for such.
        let is_told = tracing::enabled!(tracing::Level::DEBUG);
        for (search, users) in self.of_search.iter().enumerate().filter(|(_, users)| !users.is_empty()) {
            let known = searches.known(search, event, (&program.names, places), found).filter(|_| !is_told);
            let step = |user: usize| users.get(user).copied().flatten();
            match known {
                Some(candidates) => candidates.iter().filter_map(step).for_each(|step| stops.add(step)),
                None => users.iter().flatten().for_each(|step| stops.add(*step)),
            }
        }
        stops.keep(&self.steps);
    }
}

fn list<T: Default>(lists: &mut Vec<T>, number: u32) -> &mut T {
    let number = number as usize;
    if lists.len() <= number {
        lists.resize_with(number + 1, T::default);
    }
    &mut lists[number]
}
