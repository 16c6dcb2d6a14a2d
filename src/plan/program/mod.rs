//! What a pipeline does to each event: its filters and conditions, or its conditions and outputs, compiled once.

mod condition;

use crate::{
    config::{Options, Role, Settings},
    event::Event,
    filters::{self, Filter, Scratch, Verdict, decorate::Decorations},
};
pub use condition::Condition;
use logship_parsers::config::{
    Diagnostic,
    ast::{Branch, Plugin, Statement},
};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Statements, one after the other. `T` is what stands where a plugin stands.
#[derive(Debug)]
pub struct Block<T> {
    steps: Vec<Step<T>>,
}

/// One statement.
#[derive(Debug)]
enum Step<T> {
    Do(T),
    If { arms: Vec<(Condition, Block<T>)>, otherwise: Option<Block<T>> },
}

impl<T> Block<T> {
    /// Compiles statements; `make` makes what stands for a plugin, and reports what is wrong with it.
    pub fn compile(
        statements: &[Statement],
        diagnostics: &mut Vec<Diagnostic>,
        make: &mut dyn FnMut(&Plugin, &mut Vec<Diagnostic>) -> Option<T>,
    ) -> Block<T> {
        let mut steps = Vec::with_capacity(statements.len());
        for statement in statements {
            match statement {
                Statement::Plugin(plugin) => steps.extend(make(plugin, diagnostics).map(Step::Do)),
                Statement::Branch(branch) => steps.push(Step::branch(branch, diagnostics, make)),
            }
        }
        Block { steps }
    }

    /// All plugins, in the order in which they are written.
    pub fn each<'b>(&'b self, take: &mut dyn FnMut(&'b T)) {
        for step in &self.steps {
            match step {
                Step::Do(plugin) => take(plugin),
                Step::If { arms, otherwise } => {
                    arms.iter().for_each(|(_, block)| block.each(take));
                    otherwise.iter().for_each(|block| block.each(take));
                }
            }
        }
    }

    /// The plugins that this event reaches, where none of them changes it.
    pub fn reached<'b>(&'b self, event: &Event, take: &mut dyn FnMut(&'b T)) {
        for step in &self.steps {
            match step {
                Step::Do(plugin) => take(plugin),
                Step::If { .. } => {
                    if let Some(block) = step.chosen(event) {
                        block.reached(event, take);
                    }
                }
            }
        }
    }
}

impl<T> Step<T> {
    fn branch(
        branch: &Branch,
        diagnostics: &mut Vec<Diagnostic>,
        make: &mut dyn FnMut(&Plugin, &mut Vec<Diagnostic>) -> Option<T>,
    ) -> Step<T> {
        let mut arms = Vec::with_capacity(branch.arms.len());
        for arm in &branch.arms {
            let condition = Condition::compile(&arm.condition, diagnostics);
            arms.push((condition, Block::compile(&arm.body, diagnostics, make)));
        }
        let otherwise = branch.otherwise.as_ref().map(|body| Block::compile(body, diagnostics, make));
        Step::If { arms, otherwise }
    }

    /// The block that holds for this event.
    fn chosen(&self, event: &Event) -> Option<&Block<T>> {
        match self {
            Step::Do(_) => None,
            Step::If { arms, otherwise } => {
                let arm = arms.iter().find(|(condition, _)| condition.holds(event));
                arm.map(|(_, block)| block).or(otherwise.as_ref())
            }
        }
    }
}

/// The tag of an event that a filter panicked on.
pub const PANICKED: &str = "_filterpanic";

/// A filter panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

/// One filter with what all filters have.
pub struct Applied {
    filter: Box<dyn Filter>,
    decorations: Decorations,
}

impl std::fmt::Debug for Applied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Applied").field("decorations", &self.decorations).finish_non_exhaustive()
    }
}

/// The filters of a pipeline.
pub type Filters = Block<Applied>;

impl Filters {
    /// Compiles `filter { }`.
    pub fn filters(statements: &[Statement], settings: &Settings, diagnostics: &mut Vec<Diagnostic>) -> Filters {
        Block::compile(statements, diagnostics, &mut |plugin, diagnostics| {
            let Some(kind) = filters::find(&plugin.name.text) else {
                diagnostics.push(filters::unknown(&plugin.name));
                return None;
            };
            let mut options = Options::new(plugin, (Role::Filter, kind.options), settings, diagnostics);
            let decorations = Decorations::read(&mut options);
            (kind.build)(&mut options).map(|filter| Applied { filter, decorations })
        })
    }

    /// Whether events must come one after the other.
    #[must_use]
    pub fn is_stateful(&self) -> bool {
        let mut stateful = false;
        self.each(&mut |applied| stateful |= applied.filter.is_stateful());
        stateful
    }

    /// Takes an event through; what comes out is appended, in the order in which Logstash has it.
    ///
    /// # Errors
    /// A filter panicked, which none may: the event comes out as that left it, tagged [`PANICKED`], past the filters behind.
    pub fn run(&self, mut event: Event, scratch: &mut Scratch, out: &mut Vec<Event>) -> Result<(), Panicked> {
        let mut more = Vec::new();
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
        for (n, step) in self.steps.iter().enumerate() {
            let mut new = Vec::new();
            match step {
                Step::Do(applied) => {
                    let due = if is_end { Filter::finish } else { Filter::tick };
                    applied.decorated(due(&*applied.filter, scratch.received), scratch, &mut new);
                }
                Step::If { arms, otherwise } => {
                    arms.iter().for_each(|(_, block)| block.let_go(is_end, scratch, &mut new));
                    otherwise.iter().for_each(|block| block.let_go(is_end, scratch, &mut new));
                }
            }
            for mut event in new {
                let mut more = Vec::new();
                if self.from(n + 1, &mut event, scratch, &mut more) {
                    out.push(event);
                }
                out.append(&mut more);
            }
        }
    }

    /// Takes an event through from a statement on. Whether it is still there at the end; what was made of it beside is
    /// appended to `more`.
    fn from(&self, at: usize, event: &mut Event, scratch: &mut Scratch, more: &mut Vec<Event>) -> bool {
        // Those that go on behind the statement of that number.
        let mut made: Vec<(usize, Vec<Event>)> = Vec::new();
        let mut stays = true;
        for (n, step) in self.steps.iter().enumerate().skip(at) {
            let mut new = Vec::new();
            stays = match step {
                Step::Do(applied) => applied.apply(event, scratch, &mut new),
                Step::If { .. } => match step.chosen(event) {
                    Some(block) => block.from(0, event, scratch, &mut new),
                    None => true,
                },
            };
            if !new.is_empty() {
                made.push((n + 1, new));
            }
            if !stays {
                break;
            }
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
}

impl Applied {
    /// Whether the event is still there.
    fn apply(&self, event: &mut Event, scratch: &mut Scratch, new: &mut Vec<Event>) -> bool {
        match self.filter.apply(event, scratch) {
            Ok(Verdict::Matched) => {
                self.decorations.apply(event, scratch);
                true
            }
            Ok(Verdict::Unmatched) => true,
            Ok(Verdict::Drop) => false,
            Ok(Verdict::Also(events)) => {
                self.decorated(events, scratch, new);
                true
            }
            Ok(Verdict::Instead(events)) => {
                self.decorated(events, scratch, new);
                false
            }
            Ok(Verdict::Then { tags, fields, more }) => {
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
            Err(error) => {
                tracing::debug!("{}", error.message);
                error.tags.iter().for_each(|tag| event.tag(tag));
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

    fn applied(filter: impl Filter + 'static) -> Step<Applied> {
        Step::Do(Applied { filter: Box::new(filter), decorations: Decorations::default() })
    }

    #[test]
    fn a_panic_costs_one_event_its_filters_and_nothing_else() {
        let filters = Filters { steps: vec![applied(Panics), applied(Panics)] };
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
