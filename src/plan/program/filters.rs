//! The filters of a pipeline, and how an event goes through them.

use super::{Program, Step, way::Way};
use crate::{
    config::{Options, Role, Settings},
    event::{Event, places::Place},
    filters::{
        self, Filter, FilterError, Scratch, Verdict,
        decorate::Decorations,
        search::{Need, Searches},
    },
};
use logship_parsers::config::{Diagnostic, ast::Statement};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The tag of an event that a filter panicked on.
pub const PANICKED: &str = "_filterpanic";

/// A filter panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// One filter with what all filters have.
struct Applied {
    filter: Box<dyn Filter>,
    decorations: Decorations,
    /// How it fails where what it needs is missing.
    unmet: FilterError,
}

impl std::fmt::Debug for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applied").field("decorations", &self.decorations).finish_non_exhaustive()
    }
}

/// The filters of a pipeline.
#[derive(Debug)]
pub struct Filters {
    program: Program<Applied>,
    searches: Searches,
    /// What each filter needs, where it is searched for.
    needs: Vec<Option<Need>>,
    way: Way,
}

impl Filters {
    /// Compiles `filter { }`.
    pub fn compile(statements: &[Statement], settings: &Settings, diagnostics: &mut Vec<Diagnostic>) -> Filters {
        let mut program = Program::compile(statements, diagnostics, &mut |plugin, diagnostics| {
            let Some(kind) = filters::find(&plugin.name.text) else {
                diagnostics.push(filters::unknown(&plugin.name));
                return None;
            };
            let mut options = Options::new(plugin, (Role::Filter, kind.options), settings, diagnostics);
            let decorations = Decorations::read(&mut options);
            (kind.build)(&mut options).map(|filter| Applied::new(filter, decorations))
        });
        let needed: Vec<_> = program.plugins.iter().map(|applied| applied.filter.needs()).collect();
        let (searches, needs) = Searches::new(&needed, &mut program.names);
        let way = Way::new(&program, |number| {
            let leaves_trace = |unmet: &FilterError| !unmet.tags.is_empty() || !unmet.is_untouched;
            let applied = program.plugins.get(number as usize)?;
            needs.get(number as usize).copied().flatten().filter(|_| !leaves_trace(&applied.unmet))
        });
        Filters { program, searches, needs, way }
    }

    /// Whether events must come one after the other.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        self.program.plugins.iter().any(|applied| applied.filter.is_stateful())
    }

    /// Takes an event through; what comes out is appended, in the order in which Logstash has it.
    ///
    /// # Errors
    /// A filter panicked, which none may: the event comes out as that left it, tagged [`PANICKED`], past the filters behind.
    pub fn run(&self, mut event: Event, scratch: &mut Scratch, out: &mut Vec<Event>) -> Result<(), Panicked> {
        let mut more = Vec::new();
        scratch.places.begin();
        let done = catch_unwind(AssertUnwindSafe(|| self.from(0, &mut event, scratch, &mut more)));
        if done.is_err() {
            event.tag(PANICKED);
            *scratch = Scratch { received: scratch.received, ..Scratch::default() };
        }
        let outcome = done.as_ref().map(|_| ()).map_err(|_| Panicked);
        if done.unwrap_or(true) {
            out.push(event);
        }
        out.append(&mut more);
        outcome
    }

    /// What filters that keep something let go: all of it at the end, else what is due. It goes on behind its filter.
    pub fn let_go(&self, is_end: bool, scratch: &mut Scratch, out: &mut Vec<Event>) {
        for (at, step) in self.program.steps.iter().enumerate() {
            let Step::Do(number) = step else { continue };
            let Some(applied) = self.program.plugins.get(*number as usize) else { continue };
            let mut new = Vec::new();
            let due = if is_end { Filter::finish } else { Filter::tick };
            applied.decorated(due(&*applied.filter, scratch.received), scratch, &mut new);
            for mut event in new {
                let mut more = Vec::new();
                scratch.places.begin();
                if self.from(at + 1, &mut event, scratch, &mut more) {
                    out.push(event);
                }
                out.append(&mut more);
            }
        }
    }

    /// Takes an event through from a step on. Whether it is still there at the end; what was made of it beside is appended to
    /// `more`.
    fn from(&self, mut at: usize, event: &mut Event, scratch: &mut Scratch, more: &mut Vec<Event>) -> bool {
        // Those that go on with the step of that number.
        let mut made: Vec<(usize, Vec<Event>)> = Vec::new();
        let mut new = Vec::new();
        let mut stays = true;
        scratch.places.changed();
        loop {
            at = self.way.next(at, event, (&self.program, &self.searches), scratch);
            let Some(step) = self.program.steps.get(at) else { break };
            at = match step {
                Step::Test(test) => {
                    let holds = match scratch.places.find(test.root, &self.program.names, event) {
                        Place::Absent => test.if_absent,
                        Place::At(place) => self.program.holds_at(test, event, place),
                        Place::Unknown => self.program.holds(test, event),
                    };
                    test.next(holds)
                }
                Step::Go(to) => *to as usize,
                Step::Do(number) => {
                    stays = self.apply(*number as usize, event, scratch, &mut new);
                    if !new.is_empty() {
                        made.push((at + 1, std::mem::take(&mut new)));
                    }
                    if !stays {
                        break;
                    }
                    at + 1
                }
            };
        }
        // Filter by filter, what a later one made stands before what an earlier one did.
        while let Some((next, new)) = made.pop() {
            for mut event in new {
                let mut beside = Vec::new();
                if self.from(next, &mut event, scratch, &mut beside) {
                    more.push(event);
                }
                more.append(&mut beside);
            }
        }
        stays
    }

    /// Whether the event is still there.
    #[inline]
    fn apply(&self, number: usize, event: &mut Event, scratch: &mut Scratch, new: &mut Vec<Event>) -> bool {
        let Some(applied) = self.program.plugins.get(number) else { return true };
        if let Some(Some(need)) = self.needs.get(number) {
            let Scratch { places, found, .. } = scratch;
            if self.searches.rule_out(*need, event, (&self.program.names, places), found) {
                fail(&applied.unmet, event, scratch);
                return true;
            }
        }
        applied.apply(event, scratch, new)
    }
}

/// Gives an event the tags of a failure.
#[inline]
fn fail(failure: &FilterError, event: &mut Event, scratch: &mut Scratch) {
    tracing::debug!("{}", failure.message);
    let is_new = failure.tags.iter().fold(false, |is_new, tag| event.tag_anew(tag) | is_new);
    if is_new || !failure.is_untouched {
        scratch.places.changed();
    }
}

impl Applied {
    fn new(filter: Box<dyn Filter>, decorations: Decorations) -> Applied {
        let unmet = filter.needs().map(|needs| needs.failure).unwrap_or_default();
        Applied { filter, decorations, unmet }
    }

    /// Whether the event is still there.
    fn apply(&self, event: &mut Event, scratch: &mut Scratch, new: &mut Vec<Event>) -> bool {
        let verdict = match self.filter.apply(event, scratch) {
            Ok(verdict) => verdict,
            Err(failure) => {
                fail(&failure, event, scratch);
                return true;
            }
        };
        scratch.places.changed();
        match verdict {
            Verdict::Matched => {
                self.decorations.apply(event, scratch);
                true
            }
            Verdict::Unmatched => true,
            Verdict::Drop => false,
            Verdict::Also(events) => {
                self.decorated(events, scratch, new);
                true
            }
            Verdict::Instead(events) => {
                self.decorated(events, scratch, new);
                false
            }
            Verdict::Then { tags, fields, more } => {
                self.decorations.apply(event, scratch);
                tags.iter().for_each(|tag| event.tag(tag));
                for (field, value) in fields {
                    if let Err(cause) = event.set(&field, value) {
                        tracing::debug!("{field} cannot be set: {cause}");
                    }
                }
                self.decorated(more, scratch, new);
                true
            }
        }
    }

    fn decorated(&self, events: Vec<Event>, scratch: &mut Scratch, new: &mut Vec<Event>) {
        new.extend(events.into_iter().map(|mut event| {
            self.decorations.apply(&mut event, scratch);
            event
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Timestamp, Value},
        filters::FilterError,
    };

    /// Takes the message `b` apart and panics in the middle; notes that it saw the others.
    struct Panics;

    impl Filter for Panics {
        fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
            scratch.text.push_str("left");
            assert!(event.message() != Some("b"), "filters may be wrong");
            event.tag("seen");
            Ok(Verdict::Matched)
        }
    }

    fn filters(filters: impl IntoIterator<Item = Box<dyn Filter>>) -> Filters {
        let mut program = Program::compile(&[], &mut Vec::new(), &mut |_, _| None);
        program.plugins = filters.into_iter().map(|filter| Applied::new(filter, Decorations::default())).collect();
        program.steps = (0..program.plugins.len()).map(|number| Step::Do(number as u32)).collect();
        Filters {
            needs: vec![None; program.plugins.len()],
            program,
            searches: Searches::default(),
            way: Way::default(),
        }
    }

    #[test]
    fn a_panic_costs_one_event_its_filters_and_nothing_else() {
        let filters = filters([Box::new(Panics) as Box<dyn Filter>, Box::new(Panics)]);
        let received = Timestamp::from_millis(7);
        let (mut scratch, mut out) = (Scratch { received, ..Scratch::default() }, Vec::new());
        let outcomes = ["a", "b", "c"].map(|text| {
            let event = Event::from_line(received, text.into());
            filters.run(event, &mut scratch, &mut out)
        });
        assert_eq!(outcomes, [Ok(()), Err(Panicked), Ok(())]);
        let tags = |event: &Event| event.fields.get("tags").cloned();
        let seen: Vec<_> = out.iter().map(|event| (event.message().unwrap(), tags(event))).collect();
        let list = |tag: &str| Some(Value::List(vec![Value::from(tag)]));
        assert_eq!(seen, [("a", list("seen")), ("b", list(PANICKED)), ("c", list("seen"))]);
        assert_eq!((scratch.received, &*scratch.text), (received, "leftleft"), "what it left behind is forgotten");
    }
}
