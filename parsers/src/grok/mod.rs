//! Grok: patterns by name, made of patterns by name, that take fields from a text.
//!
//! ```
//! use logship_parsers::grok::{FieldNames, Grok, Library, Options, Outcome, Scratch};
//! let library = Library::standard(FieldNames::Ecs);
//! let grok = Grok::compile(&["%{WORD:verb} took %{NUMBER:ms:float} ms"], &library, Options::default())?;
//! let (text, mut scratch) = ("job: GET took 1.5 ms", Scratch::default());
//! assert_eq!(grok.matches(text, &mut scratch), Outcome::Match { pattern: 0 });
//! let found: Vec<_> = scratch.captures().iter().map(|c| (grok.fields()[c.field].name.as_ref(), c.of(text))).collect();
//! assert_eq!(found, [("verb", "GET"), ("ms", "1.5")]);
//! # Ok::<(), logship_parsers::grok::GrokError>(())
//! ```
//!
//! # Meaning
//! Expressions are Ruby's as Logstash compiles them: the dot matches line ends, `^` and `$` are the ends of lines, `\d \h \s \w`
//! are ASCII but under `(?u)`, `\b` and `[[:alpha:]]` are Unicode's. A match may begin anywhere; of all, the leftmost counts, and there the one
//! that backtracking finds first.
//!
//! # Two engines
//! [`machine`] backtracks over instructions that know what may follow, which costs most texts no step back. It gets fuel in
//! proportion to the text. What runs out of it goes to [`linear`], built from the same tree. Where that cannot say all that the
//! pattern says (look-around, atomic groups, references back) it only rules matches out, and the machine goes on within
//! [`Options::steps_max`]; then the outcome is [`Outcome::Timeout`].
//!
//! # Limits
//! [`TEXT_BYTES_MAX`], [`PIECES_MAX`], [`INSTRUCTIONS_MAX`], [`REFERENCES_DEPTH_MAX`], [`GROUPS_DEPTH_MAX`], [`CAPTURES_MAX`].

mod bytes;
mod class;
mod error;
mod explain;
mod library;
mod linear;
mod literals;
mod machine;
mod node;
mod pattern;
mod prefilter;
mod program;
mod recognise;
mod reference;
mod suggest;
mod syntax;

pub use error::{GrokError, GrokErrorCode};
pub use explain::{Explanation, explain};
pub use library::{FieldNames, Library};
pub use linear::EXPRESSION_BYTES_MAX;
pub use pattern::{Scratch, TEXT_BYTES_MAX};
pub use prefilter::{Candidates, PATTERNS_MIN, Prefilter};
pub use program::INSTRUCTIONS_MAX;
pub use suggest::{SAMPLES_MAX, Suggestion, TOKENS_MAX, suggest};
pub use syntax::{CAPTURES_MAX, GROUPS_DEPTH_MAX, PIECES_MAX, REFERENCES_DEPTH_MAX, REPEAT_MAX};

use error::GrokErrorCode::{TooLarge, Unsupported};
use node::Node;
use pattern::{Pattern, Tried};
use program::Refused;
use syntax::{Group, Parser};

/// How a captured text is to be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// As it is.
    #[default]
    Text,
    /// `%{NUMBER:field:int}`: the whole number that it begins with, or 0.
    Int,
    /// `%{NUMBER:field:float}`: the number that it begins with, or 0.
    Float,
}

/// A field that a pattern may fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// A reference as written: `bytes`, `[source][address]`.
    pub name: Box<str>,
    /// How its text is to be read.
    pub kind: Kind,
}

/// A part of a text that a group of the pattern matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Index in [`Grok::fields`].
    pub field: usize,
    /// Byte offset of its beginning.
    pub start: usize,
    /// Byte offset of its end.
    pub end: usize,
}

impl Capture {
    /// The text captured; empty for another text than the one matched.
    #[must_use]
    pub fn of<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.start..self.end).unwrap_or_default()
    }
}

/// How patterns are compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether `%{NAME}` without a field captures nothing; otherwise it fills a field of its own name.
    pub named_captures_only: bool,
    /// What a text may cost where the engine of linear time cannot decide: about 10 ns each.
    pub steps_max: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { named_captures_only: true, steps_max: 20_000_000 }
    }
}

/// What became of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The captures are in the [`Scratch`].
    Match {
        /// Which pattern matched.
        pattern: usize,
    },
    /// No pattern matches.
    NoMatch,
    /// A pattern took more steps than [`Options::steps_max`], or the text is longer than [`TEXT_BYTES_MAX`].
    Timeout {
        /// Which pattern.
        pattern: usize,
    },
}

/// Compiled patterns, tried in their order.
#[derive(Debug)]
pub struct Grok {
    patterns: Vec<Pattern>,
    fields: Vec<Field>,
    /// Of each pattern, the fields that it may fill.
    filled: Vec<Vec<usize>>,
    /// Where there are many patterns.
    prefilter: Option<Prefilter>,
}

impl Grok {
    /// Compiles patterns. The first error is returned.
    pub fn compile(patterns: &[impl AsRef<str>], library: &Library, options: Options) -> Result<Grok, GrokError> {
        let room = patterns.len();
        let mut grok =
            Grok { patterns: Vec::with_capacity(room), fields: Vec::new(), filled: Vec::new(), prefilter: None };
        for (number, text) in patterns.iter().enumerate() {
            grok.add(text.as_ref(), library, options).map_err(|error| GrokError { pattern: number, ..error })?;
        }
        grok.prefilter = (grok.len() >= PATTERNS_MIN).then(|| Prefilter::of(&grok));
        Ok(grok)
    }

    fn add(&mut self, text: &str, library: &Library, options: Options) -> Result<(), GrokError> {
        let mut parsed = Parser::new(library, options.named_captures_only).parse(text)?;
        let numbers: Vec<usize> = parsed.fields.into_iter().map(|field| self.number(field)).collect();
        for group in &mut parsed.groups {
            group.field = group.field.and_then(|field| numbers.get(field).copied());
        }
        self.patterns.push(compiled(parsed.node, &parsed.groups, options, text.len())?);
        self.filled.push(numbers);
        Ok(())
    }

    /// The number of a field among those of all patterns.
    fn number(&mut self, field: Field) -> usize {
        let found = self.fields.iter().position(|known| *known == field);
        found.unwrap_or_else(|| {
            self.fields.push(field);
            self.fields.len() - 1
        })
    }

    /// The fields of all patterns, in the order in which they are written.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields that a pattern may fill, as they count in [`Grok::fields`].
    #[must_use]
    pub fn fields_of(&self, pattern: usize) -> &[usize] {
        self.filled.get(pattern).map_or(&[], Vec::as_slice)
    }

    /// How many patterns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Tries the patterns in their order, up to the first that matches. Captures are in the order of the pattern.
    pub fn matches(&self, text: &str, scratch: &mut Scratch) -> Outcome {
        match self.prefilter.as_ref().filter(|prefilter| prefilter.pays(text)) {
            None => self.first_of(0..self.len(), text, scratch),
            Some(prefilter) => {
                let mut candidates = std::mem::take(&mut scratch.candidates);
                prefilter.candidates(text, &mut candidates);
                scratch.clear();
                let outcome = self.first_of(candidates.iter(), text, scratch);
                scratch.candidates = candidates;
                outcome
            }
        }
    }

    fn first_of(&self, patterns: impl Iterator<Item = usize>, text: &str, scratch: &mut Scratch) -> Outcome {
        patterns
            .map(|pattern| self.matches_one(pattern, text, scratch))
            .find(|outcome| *outcome != Outcome::NoMatch)
            .unwrap_or(Outcome::NoMatch)
    }

    /// Tries one pattern.
    pub fn matches_one(&self, pattern: usize, text: &str, scratch: &mut Scratch) -> Outcome {
        match self.patterns.get(pattern).map(|compiled| compiled.matches(text, scratch)) {
            Some(Tried::Match(_)) => Outcome::Match { pattern },
            Some(Tried::OutOfSteps) => Outcome::Timeout { pattern },
            Some(Tried::NoMatch) | None => Outcome::NoMatch,
        }
    }

    /// Texts that each match of a pattern holds, one behind the other; the pattern is not worth trying where one is missing.
    #[must_use]
    pub fn required_literals(&self, pattern: usize) -> Vec<&str> {
        self.patterns.get(pattern).map(Pattern::required_literals).unwrap_or_default()
    }
}

fn compiled(node: Node, groups: &[Group], options: Options, length: usize) -> Result<Pattern, GrokError> {
    Pattern::new(node, groups, options.steps_max).map_err(|refused| match refused {
        Refused::TooLarge => {
            let message = format!("the pattern has more than {INSTRUCTIONS_MAX} instructions: repeat less");
            GrokError::new(TooLarge, 0..length, message)
        }
        Refused::LookBehind => {
            let message =
                "looking behind for a text of varying length is not supported: give each length its own branch";
            GrokError::new(Unsupported, 0..length, message)
        }
    })
}

#[cfg(test)]
mod tests;
