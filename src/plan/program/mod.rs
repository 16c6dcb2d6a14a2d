//! What a pipeline does to each event: its filters and conditions, or its conditions and outputs, compiled once.
//!
//! A [`Program`] is a list of steps with conditions as jumps, so that what an event does not reach costs next to nothing:
//! [`Filters`] knows of most conditions by the number of their field alone that it is not there, and of most patterns by one
//! search in their text that they cannot match.

mod condition;
mod filters;
mod way;

use crate::event::{
    Event,
    places::{Names, Root},
};
pub use condition::Condition;
pub use filters::{Filters, PANICKED, Panicked};
use logship_parsers::config::{
    Diagnostic,
    ast::{Branch, Plugin, Statement},
};

/// Statements, compiled. `T` is what stands where a plugin stands.
#[derive(Debug)]
pub struct Program<T> {
    steps: Vec<Step>,
    plugins: Vec<T>,
    conditions: Vec<Condition>,
    /// The fields of the conditions.
    names: Names,
}

/// One step. What it goes on with is the number of another.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// The plugin of this number, then the next step.
    Do(u32),
    Test(Test),
    Go(u32),
}

/// A condition that is no combination of others.
#[derive(Clone, Copy, Debug)]
struct Test {
    /// Its number.
    condition: u32,
    /// The field that decides it.
    root: Root,
    /// Whether it holds where that field is missing.
    if_absent: bool,
    then: u32,
    otherwise: u32,
}

impl<T> Program<T> {
    /// Compiles statements; `make` makes what stands for a plugin, and reports what is wrong with it.
    pub fn compile(
        statements: &[Statement],
        diagnostics: &mut Vec<Diagnostic>,
        make: &mut dyn FnMut(&Plugin, &mut Vec<Diagnostic>) -> Option<T>,
    ) -> Program<T> {
        let program =
            Program { steps: Vec::new(), plugins: Vec::new(), conditions: Vec::new(), names: Names::default() };
        let mut compiler = Compiler { program, labels: Vec::new(), diagnostics, make };
        compiler.block(statements);
        let Compiler { mut program, labels, .. } = compiler;
        // Up to here jumps name labels.
        let place = |label: &mut u32| *label = labels.get(*label as usize).copied().unwrap_or(u32::MAX);
        for step in &mut program.steps {
            match step {
                Step::Do(_) => {}
                Step::Go(to) => place(to),
                Step::Test(Test { then, otherwise, .. }) => {
                    place(then);
                    place(otherwise);
                }
            }
        }
        program
    }

    /// All plugins, in the order in which they are written.
    pub fn each<'b>(&'b self, take: &mut dyn FnMut(&'b T)) {
        self.plugins.iter().for_each(take);
    }

    /// The plugins that this event reaches, where none of them changes it.
    pub fn reached<'b>(&'b self, event: &Event, take: &mut dyn FnMut(&'b T)) {
        let mut at = 0;
        while let Some(step) = self.steps.get(at) {
            at = match step {
                Step::Do(plugin) => {
                    self.plugins.get(*plugin as usize).into_iter().for_each(&mut *take);
                    at + 1
                }
                Step::Go(to) => *to as usize,
                Step::Test(test) => test.next(self.holds(test, event)),
            };
        }
    }

    fn holds(&self, test: &Test, event: &Event) -> bool {
        self.conditions.get(test.condition as usize).is_some_and(|condition| condition.holds(event))
    }

    /// The same, where it is known which field of the event the test's is, or is below.
    fn holds_at(&self, test: &Test, event: &Event, place: usize) -> bool {
        match self.conditions.get(test.condition as usize) {
            Some(Condition::Field(field, predicate)) if field.parts.len() == 1 => {
                predicate.holds(event.fields.at(place))
            }
            _ => self.holds(test, event),
        }
    }
}

impl Test {
    #[inline]
    fn next(&self, holds: bool) -> usize {
        (if holds { self.then } else { self.otherwise }) as usize
    }
}

/// A program in the making. A label is the number of a place that may not be known yet.
struct Compiler<'c, T> {
    program: Program<T>,
    labels: Vec<u32>,
    diagnostics: &'c mut Vec<Diagnostic>,
    make: &'c mut dyn FnMut(&Plugin, &mut Vec<Diagnostic>) -> Option<T>,
}

/// What a list of configs has fits 32 bits.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl<T> Compiler<'_, T> {
    fn label(&mut self) -> u32 {
        self.labels.push(u32::MAX);
        small(self.labels.len() - 1)
    }

    /// What is compiled next is what a label is for.
    fn here(&mut self, label: u32) {
        if let Some(place) = self.labels.get_mut(label as usize) {
            *place = small(self.program.steps.len());
        }
    }

    fn block(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Plugin(plugin) => {
                    if let Some(plugin) = (self.make)(plugin, self.diagnostics) {
                        self.program.steps.push(Step::Do(small(self.program.plugins.len())));
                        self.program.plugins.push(plugin);
                    }
                }
                Statement::Branch(branch) => self.branch(branch),
            }
        }
    }

    fn branch(&mut self, branch: &Branch) {
        let end = self.label();
        for (n, arm) in branch.arms.iter().enumerate() {
            let (body, next) = (self.label(), self.label());
            let condition = Condition::compile(&arm.condition, self.diagnostics);
            self.condition(condition, body, next);
            self.here(body);
            self.block(&arm.body);
            if n + 1 < branch.arms.len() || branch.otherwise.is_some() {
                self.program.steps.push(Step::Go(end));
            }
            self.here(next);
        }
        if let Some(body) = &branch.otherwise {
            self.block(body);
        }
        self.here(end);
    }

    /// A condition: combinations become jumps, so that no more is looked at than decides.
    fn condition(&mut self, condition: Condition, then: u32, otherwise: u32) {
        match condition {
            Condition::Not(condition) => self.condition(*condition, otherwise, then),
            Condition::And(mut all) => {
                let last = all.pop().unwrap_or(Condition::Always(true));
                for condition in all {
                    let next = self.label();
                    self.condition(condition, next, otherwise);
                    self.here(next);
                }
                self.condition(last, then, otherwise);
            }
            Condition::Or(mut any) => {
                let last = any.pop().unwrap_or(Condition::Always(false));
                for condition in any {
                    let next = self.label();
                    self.condition(condition, then, next);
                    self.here(next);
                }
                self.condition(last, then, otherwise);
            }
            condition => {
                let Program { steps, conditions, names, .. } = &mut self.program;
                let (root, if_absent) = match &condition {
                    Condition::Field(field, predicate) => (names.number(field), predicate.holds(None)),
                    _ => (Root::NONE, false),
                };
                let number = small(conditions.len());
                conditions.push(condition);
                steps.push(Step::Test(Test { condition: number, root, if_absent, then, otherwise }));
            }
        }
    }
}

#[cfg(test)]
mod tests;
