//! One compiled pattern: which places are tried, by which engine.

use super::Capture;
use super::linear::Linear;
use super::literals::{Literals, next_start};
use super::machine::{NONE, State, Verdict};
use super::node::Node;
use super::prefilter::Candidates;
use super::program::{Begin, Inst, Program, Refused};
use super::syntax::Group;
use memchr::memchr;
use regex_automata::Input;
use regex_automata::util::primitives::NonMaxUsize;
use std::sync::OnceLock;

/// The longest text that is matched.
pub const TEXT_BYTES_MAX: usize = 1 << 30;
/// Fuel that any text gets.
const FUEL_BASE: u64 = 2_000;
/// Fuel for each byte of a text.
const FUEL_PER_BYTE: u64 = 32;

/// What matching keeps between texts, so that it allocates nothing for most. One for each thread; any patterns may share it.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    state: State,
    captures: Vec<Capture>,
    regex_slots: Vec<Option<NonMaxUsize>>,
    pub(super) candidates: Candidates,
}

impl Scratch {
    /// Forgets what was captured.
    pub(super) fn clear(&mut self) {
        self.captures.clear();
    }

    /// What the last match captured, in the order of the groups in the pattern. Groups that took no part are not in it; those
    /// that matched nothing are, empty.
    #[must_use]
    pub fn captures(&self) -> &[Capture] {
        &self.captures
    }
}

/// How trying a pattern ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tried {
    /// From a byte offset to another.
    Match((usize, usize)),
    NoMatch,
    OutOfSteps,
}

#[derive(Debug)]
pub(super) struct Pattern {
    node: Node,
    program: Program,
    literals: Literals,
    linear: OnceLock<Option<Linear>>,
    /// The field of each group.
    fields: Vec<Option<usize>>,
    /// The only byte that a match may begin with.
    single: Option<u8>,
    /// The class of a run that matches begin with: after a failure from its beginning, its other places fail too.
    leading: Option<usize>,
    steps_max: u64,
}

impl Pattern {
    pub(super) fn new(node: Node, groups: &[Group], steps_max: u64) -> Result<Pattern, Refused> {
        let program = Program::new(&node, groups.len())?;
        let single = program.first.set.single().filter(|_| !program.first.empty);
        let leading = match program.insts.iter().find(|inst| !matches!(inst, Inst::Save(_))) {
            Some(Inst::Run { set, min: 0 | 1, max: u32::MAX, .. }) if !node.refers_back() => Some(*set),
            _ => None,
        };
        Ok(Pattern {
            literals: Literals::new(&node),
            program,
            linear: OnceLock::new(),
            fields: groups.iter().map(|group| group.field).collect(),
            single,
            leading,
            steps_max,
            node,
        })
    }

    pub(super) fn required_literals(&self) -> Vec<&str> {
        self.literals.texts()
    }

    /// Tries to match; captures go to the scratch.
    pub(super) fn matches(&self, text: &str, scratch: &mut Scratch) -> Tried {
        scratch.captures.clear();
        if text.len() > TEXT_BYTES_MAX {
            return Tried::OutOfSteps;
        }
        if self.literals.lacks_telling(text.as_bytes()) {
            return Tried::NoMatch;
        }
        let fuel = FUEL_BASE + FUEL_PER_BYTE * text.len() as u64;
        match self.machine(text, fuel, scratch) {
            Tried::OutOfSteps => self.slow(text, scratch),
            tried => self.captured(tried, scratch),
        }
    }

    /// Takes over what the machine captured.
    fn captured(&self, tried: Tried, scratch: &mut Scratch) -> Tried {
        if matches!(tried, Tried::Match(_)) {
            let places = scratch.state.slots.chunks_exact(2);
            let found = self.fields.iter().zip(places).filter_map(|(field, places)| {
                let (start, end) = (places[0], places[1]);
                let capture = Capture { field: (*field)?, start: start as usize, end: end as usize };
                (start != NONE && end != NONE && start <= end).then_some(capture)
            });
            scratch.captures.extend(found);
        }
        tried
    }

    /// What the machine says with all the steps there are.
    #[cfg(test)]
    pub(super) fn machine_alone(&self, text: &str, scratch: &mut Scratch) -> Tried {
        scratch.captures.clear();
        let tried = self.machine(text, self.steps_max, scratch);
        self.captured(tried, scratch)
    }

    /// The machine alone, with so much fuel.
    fn machine(&self, text: &str, fuel: u64, scratch: &mut Scratch) -> Tried {
        let bytes = text.as_bytes();
        let state = &mut scratch.state;
        state.fuel = fuel;
        let mut from = 0;
        let mut tried = false;
        while let Some(start) = self.start(bytes, from) {
            match self.program.run(bytes, start, state) {
                Verdict::Match(end) => return Tried::Match((start, end)),
                Verdict::OutOfFuel => return Tried::OutOfSteps,
                Verdict::Fail => {}
            }
            if !tried && !self.literals.all_in(bytes) {
                return Tried::NoMatch;
            }
            tried = true;
            from = match self.leading {
                Some(set) => self.program.sets[set].run(bytes, start, 0, u32::MAX).unwrap_or(start).max(start + 1),
                None => start + 1,
            };
        }
        Tried::NoMatch
    }

    /// The next place to begin at.
    fn start(&self, text: &[u8], from: usize) -> Option<usize> {
        match self.program.begin {
            Begin::Once => (from == 0).then_some(0),
            Begin::Lines if from == 0 => Some(0),
            Begin::Lines => {
                let before = text.get(from - 1..)?;
                memchr(b'\n', before).map(|at| from + at)
            }
            Begin::Anywhere => next_start(&self.program.first, self.single, text, from),
        }
    }

    /// What the machine could not decide in time in proportion to the text.
    #[cold]
    fn slow(&self, text: &str, scratch: &mut Scratch) -> Tried {
        // What a prefilter would have said: it must not matter whether there was one.
        if !self.literals.all_in(text.as_bytes()) {
            return Tried::NoMatch;
        }
        let tried = match self.linear(text, scratch) {
            Some(tried) => tried,
            None => {
                let tried = self.machine(text, self.steps_max, scratch);
                self.captured(tried, scratch)
            }
        };
        scratch.state.shrink();
        tried
    }

    /// What the engine of linear time says, where it can tell.
    pub(super) fn linear(&self, text: &str, scratch: &mut Scratch) -> Option<Tried> {
        let linear = self.linear.get_or_init(|| Linear::new(&self.node)).as_ref()?;
        if !linear.exact {
            return (!linear.regex.is_match(text)).then_some(Tried::NoMatch);
        }
        let slots = &mut scratch.regex_slots;
        slots.clear();
        slots.resize(2 * (self.fields.len() + 1), None);
        if linear.regex.search_slots(&Input::new(text), slots).is_none() {
            return Some(Tried::NoMatch);
        }
        let place = |at: usize| slots.get(at).copied().flatten().map(NonMaxUsize::get);
        let groups = self.fields.iter().enumerate().filter_map(|(group, field)| {
            Some(Capture { field: (*field)?, start: place(2 * group + 2)?, end: place(2 * group + 3)? })
        });
        scratch.captures.clear();
        scratch.captures.extend(groups);
        Some(Tried::Match((place(0)?, place(1)?)))
    }
}

/// The end of the first match of a tree and its beginning, for explanations: the captures are in the scratch.
pub(super) fn first_match(node: Node, groups: &[Group], text: &str, scratch: &mut Scratch) -> Option<(usize, usize)> {
    const STEPS_MAX: u64 = 1_000_000;
    match Pattern::new(node, groups, STEPS_MAX).ok()?.matches(text, scratch) {
        Tried::Match(span) => Some(span),
        Tried::NoMatch | Tried::OutOfSteps => None,
    }
}
