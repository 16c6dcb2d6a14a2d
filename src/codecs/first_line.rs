//! Which lines of a stream continue the one before: recognised, or told by whoever writes them with a regular expression that
//! the first line of each record matches.
//!
//! Limits: a pattern has at most [`PATTERN_BYTES_MAX`] bytes and takes [`REGEX_BYTES_MAX`] of memory; [`PATTERNS_MAX`] are
//! kept at a time. One that cannot be used is said once, and lines are joined as if there were none.

use logship_parsers::join::{Decision, Joiner};
use regex::bytes::{Regex, RegexBuilder};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Longest pattern.
pub const PATTERN_BYTES_MAX: usize = 1_024;
/// Most memory of one, compiled, and as much again while it is used.
pub const REGEX_BYTES_MAX: usize = 256 << 10;
/// Most patterns that are kept; over that all are compiled anew.
pub const PATTERNS_MAX: usize = 256;

/// A pattern that the first line of each record matches. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FirstLine(Arc<Regex>);

impl FirstLine {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// It is too long, or no regular expression: what is wrong with it.
    ///
    /// ```
    /// # use logship::codecs::first_line::FirstLine;
    /// assert!(FirstLine::new(r"^\d{4}-").unwrap().matches(b"2026-01-02 boom"));
    /// assert!(FirstLine::new("(").is_err());
    /// ```
    pub fn new(pattern: &str) -> Result<FirstLine, String> {
        if pattern.len() > PATTERN_BYTES_MAX {
            return Err(format!("it is longer than {PATTERN_BYTES_MAX} bytes"));
        }
        let mut builder = RegexBuilder::new(pattern);
        let built = builder.size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build();
        built.map(|regex| FirstLine(Arc::new(regex))).map_err(|cause| cause.to_string())
    }

    /// Whether this line is the first of a record.
    #[must_use]
    pub fn matches(&self, line: &[u8]) -> bool {
        self.0.is_match(line)
    }
}

/// Patterns that are in use, each compiled once however many streams have it.
#[derive(Clone, Debug, Default)]
pub struct FirstLines(Arc<Mutex<HashMap<String, Option<FirstLine>>>>);

impl FirstLines {
    /// The pattern, compiled; none where it cannot be used, which is said once.
    #[must_use]
    pub fn get(&self, pattern: &str) -> Option<FirstLine> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(pattern) {
            return known.clone();
        }
        if all.len() >= PATTERNS_MAX {
            all.clear();
        }
        let compiled = FirstLine::new(pattern)
            .inspect_err(|cause| tracing::warn!("a container's multiline pattern cannot be used: {cause}"))
            .ok();
        all.insert(pattern.to_owned(), compiled.clone());
        compiled
    }
}

/// Decides about the lines of one stream.
#[derive(Clone, Debug, Default)]
pub struct Joining {
    recognised: Joiner,
    told: Option<FirstLine>,
}

impl Joining {
    /// By this pattern, or by recognition.
    #[must_use]
    pub fn by(told: Option<FirstLine>) -> Joining {
        Joining { recognised: Joiner::default(), told }
    }

    /// From the next line on by this pattern, or by recognition.
    pub fn change(&mut self, told: Option<FirstLine>) {
        self.told = told;
    }

    /// Decides about the stream's next line, given without its line end.
    pub fn push(&mut self, line: &[u8]) -> Decision {
        match &self.told {
            None => self.recognised.push(line),
            Some(first) if first.matches(line) => Decision::Starts,
            Some(_) => Decision::Continues,
        }
    }

    /// Forgets the open record, after its end for another reason than the next line.
    pub fn reset(&mut self) {
        self.recognised.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_bounded_and_compiled_once() {
        let all = FirstLines::default();
        let first = all.get("^x").unwrap();
        assert!(Arc::ptr_eq(&first.0, &all.get("^x").unwrap().0));
        for unusable in ["(", &"x".repeat(PATTERN_BYTES_MAX + 1), "(x{1000}){1000}"] {
            assert!(all.get(unusable).is_none(), "{unusable}");
        }
        for number in 0..2 * PATTERNS_MAX {
            assert!(all.get(&format!("^{number}")).is_some());
            assert!(all.0.lock().unwrap().len() <= PATTERNS_MAX);
        }
    }
}
