//! The regex engine of linear time, for texts that cost the machine too much.
//!
//! It is built from the same tree. What it has no way to say (look-around, atomic groups, references back) is left out, which
//! makes an expression that matches more texts: then it can only tell that nothing matches.

use super::node::{Assertion, Greed, Node, any};
use regex_automata::meta::{Builder, Config, Regex};
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::hir::{Capture, Class, Hir, Look, Repetition};

/// Memory of one expression.
pub const EXPRESSION_BYTES_MAX: usize = 16 << 20;

/// An expression, and whether it means the same as the tree.
#[derive(Debug)]
pub(super) struct Linear {
    pub regex: Regex,
    pub exact: bool,
}

impl Linear {
    /// None where the expression would be larger than [`EXPRESSION_BYTES_MAX`].
    pub(super) fn new(node: &Node) -> Option<Linear> {
        let exact = is_exact(node);
        let captures = if exact { WhichCaptures::All } else { WhichCaptures::None };
        let config = Config::new().nfa_size_limit(Some(EXPRESSION_BYTES_MAX)).which_captures(captures);
        let regex = Builder::new().configure(config).build_from_hir(&hir(node, exact)).ok()?;
        Some(Linear { regex, exact })
    }
}

/// Whether nothing has to be left out.
pub(super) fn is_exact(node: &Node) -> bool {
    !node.any(&|node| match node {
        Node::Atomic(body) => !is_single(body),
        Node::Look { .. } | Node::Same { .. } | Node::Assert(Assertion::LastLineEnd) => true,
        Node::Repeat { greed: Greed::Possessive, .. } => true,
        // Engines differ in how a loop ends whose body takes nothing.
        Node::Repeat { body, max, .. } => max.is_none_or(|max| max > 1) && body.first().empty,
        _ => false,
    })
}

/// Whether there is at most one match at each place.
fn is_single(node: &Node) -> bool {
    match node {
        Node::Empty | Node::Literal(_) | Node::Class(_) | Node::Assert(_) => true,
        Node::Concat(nodes) => nodes.iter().all(is_single),
        Node::Repeat { body, min, max, .. } => Some(*min) == *max && is_single(body),
        Node::Capture { body, .. } | Node::Atomic(body) | Node::Piece { body, .. } => is_single(body),
        Node::Alternate(_) | Node::Look { .. } | Node::Same { .. } => false,
    }
}

fn hir(node: &Node, captures: bool) -> Hir {
    let sub = |node: &Node| hir(node, captures);
    match node {
        Node::Empty | Node::Look { .. } => Hir::empty(),
        Node::Literal(bytes) => Hir::literal(bytes.as_slice()),
        Node::Class(class) => Hir::class(Class::Unicode(class.clone())),
        Node::Concat(nodes) => Hir::concat(nodes.iter().map(sub).collect()),
        Node::Alternate(nodes) => Hir::alternation(nodes.iter().map(sub).collect()),
        Node::Repeat { body, min, max, greed } => repetition(sub(body), *min, *max, !matches!(greed, Greed::Lazy)),
        Node::Capture { group, body } if captures => {
            let index = u32::try_from(group + 1).unwrap_or(u32::MAX);
            Hir::capture(Capture { index, name: None, sub: Box::new(sub(body)) })
        }
        Node::Capture { body, .. } | Node::Atomic(body) | Node::Piece { body, .. } => sub(body),
        Node::Assert(assertion) => match assertion {
            Assertion::LineStart => Hir::look(Look::StartLF),
            Assertion::LineEnd => Hir::look(Look::EndLF),
            Assertion::TextStart => Hir::look(Look::Start),
            Assertion::TextEnd => Hir::look(Look::End),
            Assertion::LastLineEnd => Hir::empty(),
            Assertion::Boundary => Hir::look(Look::WordUnicode),
            Assertion::NoBoundary => Hir::look(Look::WordUnicodeNegate),
        },
        Node::Same { .. } => repetition(Hir::class(Class::Unicode(any())), 0, None, true),
    }
}

fn repetition(sub: Hir, min: u32, max: Option<u32>, greedy: bool) -> Hir {
    Hir::repetition(Repetition { min, max, greedy, sub: Box::new(sub) })
}
