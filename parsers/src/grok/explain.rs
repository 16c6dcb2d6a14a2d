//! How far a pattern gets in a text that it does not match.

use super::error::GrokError;
use super::library::Library;
use super::node::Node;
use super::pattern::{Scratch, first_match};
use super::syntax::Parser;
use super::{Capture, Field, Options, compiled};
use std::ops::Range;

/// How far a pattern gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The longest beginning of the pattern that matches somewhere; all of it where the pattern matches.
    pub matched: Range<usize>,
    /// The part of the pattern that then fails; none where all match.
    pub failed: Option<Range<usize>>,
    /// Where in the text that beginning matches; what failed was wanted at its end.
    pub text: Range<usize>,
    /// What it captures; `field` counts in `fields`.
    pub captures: Vec<Capture>,
    /// The fields of the pattern.
    pub fields: Vec<Field>,
}

/// Matches ever longer beginnings of a pattern. For people: it compiles the pattern once for each of its parts.
pub fn explain(pattern: &str, library: &Library, options: Options, text: &str) -> Result<Explanation, GrokError> {
    let (parts, groups, fields) = Parser::new(library, options.named_captures_only).parts(pattern)?;
    let whole = Node::concat(parts.iter().map(|(_, node)| node.clone()).collect());
    compiled(whole, &groups, options, pattern.len())?;
    let mut scratch = Scratch::default();
    let mut found = Explanation { matched: 0..0, failed: None, text: 0..0, captures: Vec::new(), fields };
    for count in (1..=parts.len()).rev() {
        let beginning = Node::concat(parts[..count].iter().map(|(_, node)| node.clone()).collect());
        if let Some((start, end)) = first_match(beginning, &groups, text, &mut scratch) {
            found.matched = 0..parts[count - 1].0.end;
            found.failed = parts.get(count).map(|(span, _)| span.clone());
            found.text = start..end;
            found.captures = scratch.captures().to_vec();
            return Ok(found);
        }
    }
    found.failed = parts.first().map(|(span, _)| span.clone());
    Ok(found)
}
