//! The tree of an expanded pattern: what the parser builds, and both engines are built from.

use super::bytes::ByteSet;
use super::recognise::Recogniser;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// A place between characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Assertion {
    /// `^`
    LineStart,
    /// `$`
    LineEnd,
    /// `\A`
    TextStart,
    /// `\z`
    TextEnd,
    /// `\Z`: the end of the text, or a line feed there.
    LastLineEnd,
    /// `\b`
    Boundary,
    /// `\B`
    NoBoundary,
}

/// What a repetition tries first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greed {
    Greedy,
    Lazy,
    Possessive,
}

/// A pattern.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Empty,
    Literal(Vec<u8>),
    Class(ClassUnicode),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Repeat {
        body: Box<Node>,
        min: u32,
        max: Option<u32>,
        greed: Greed,
    },
    Capture {
        group: usize,
        body: Box<Node>,
    },
    Atomic(Box<Node>),
    Look {
        behind: bool,
        negate: bool,
        body: Box<Node>,
    },
    Assert(Assertion),
    /// What a group captured, again.
    Same {
        group: usize,
        fold: bool,
    },
    /// A pattern of the library that has a recogniser written by hand.
    Piece {
        recogniser: Recogniser,
        body: Box<Node>,
    },
}

/// What a match may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct First {
    pub set: ByteSet,
    /// It may also be empty, so that what follows it decides.
    pub empty: bool,
}

impl First {
    /// Anything, the end of the text too.
    pub(super) const ANY: First = First { set: ByteSet::ALL, empty: true };
    const NOTHING: First = First { set: ByteSet([0; 4]), empty: false };
    const EMPTY: First = First { empty: true, ..First::NOTHING };

    /// This, then that.
    pub(super) fn then(mut self, next: &First) -> First {
        if self.empty {
            self.set.union(&next.set);
            self.empty = next.empty;
        }
        self
    }

    /// This or that.
    pub(super) fn or(mut self, other: First) -> First {
        self.set.union(&other.set);
        self.empty |= other.empty;
        self
    }
}

/// Every character.
pub(super) fn any() -> ClassUnicode {
    ClassUnicode::new([ClassUnicodeRange::new('\0', char::MAX)])
}

impl Node {
    pub(super) fn is_any(&self) -> bool {
        matches!(self, Node::Class(class) if class.ranges() == any().ranges())
    }

    pub(super) fn first(&self) -> First {
        match self {
            Node::Empty | Node::Look { .. } | Node::Assert(_) => First::EMPTY,
            Node::Literal(bytes) => match bytes.first() {
                None => First::EMPTY,
                Some(byte) => {
                    let mut first = First::NOTHING;
                    first.set.insert(*byte);
                    first
                }
            },
            Node::Class(class) => First { set: ByteSet::leads(class), empty: false },
            Node::Concat(nodes) => {
                let mut first = First::EMPTY;
                for node in nodes {
                    if !first.empty {
                        break;
                    }
                    first = first.then(&node.first());
                }
                first
            }
            Node::Alternate(nodes) => nodes.iter().fold(First::NOTHING, |first, node| first.or(node.first())),
            Node::Repeat { max: Some(0), .. } => First::EMPTY,
            Node::Repeat { body, min, .. } => {
                let mut first = body.first();
                first.empty |= *min == 0;
                first
            }
            Node::Capture { body, .. } | Node::Atomic(body) | Node::Piece { body, .. } => body.first(),
            Node::Same { .. } => First::ANY,
        }
    }

    /// How many characters each match has, where all have as many.
    pub(super) fn length(&self) -> Option<u32> {
        match self {
            Node::Empty | Node::Look { .. } | Node::Assert(_) => Some(0),
            Node::Literal(bytes) => u32::try_from(bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()).ok(),
            Node::Class(_) => Some(1),
            Node::Concat(nodes) => nodes.iter().try_fold(0u32, |sum, node| sum.checked_add(node.length()?)),
            Node::Alternate(nodes) => {
                let first = nodes.first()?.length()?;
                nodes.iter().all(|node| node.length() == Some(first)).then_some(first)
            }
            Node::Repeat { body, min, max, .. } => {
                if Some(*min) == *max {
                    body.length()?.checked_mul(*min)
                } else {
                    None
                }
            }
            Node::Capture { body, .. } | Node::Atomic(body) | Node::Piece { body, .. } => body.length(),
            Node::Same { .. } => None,
        }
    }

    pub(super) fn has_captures(&self) -> bool {
        self.any(&|node| matches!(node, Node::Capture { .. }))
    }

    /// Whether anything stands for what a group captured.
    pub(super) fn refers_back(&self) -> bool {
        self.any(&|node| matches!(node, Node::Same { .. }))
    }

    /// Whether this node or one in it is of a kind.
    pub(super) fn any(&self, holds: &impl Fn(&Node) -> bool) -> bool {
        holds(self)
            || match self {
                Node::Concat(nodes) | Node::Alternate(nodes) => nodes.iter().any(|node| node.any(holds)),
                Node::Repeat { body, .. }
                | Node::Capture { body, .. }
                | Node::Atomic(body)
                | Node::Look { body, .. }
                | Node::Piece { body, .. } => body.any(holds),
                _ => false,
            }
    }

    /// One node of many in a row: literals joined, nesting undone.
    pub(super) fn concat(nodes: Vec<Node>) -> Node {
        let mut joined: Vec<Node> = Vec::with_capacity(nodes.len());
        for node in nodes {
            match (joined.last_mut(), node) {
                (_, Node::Empty) => {}
                (Some(Node::Literal(before)), Node::Literal(bytes)) => before.extend(bytes),
                (_, Node::Concat(inner)) => {
                    let mut inner = inner.into_iter();
                    match (joined.last_mut(), inner.next()) {
                        (Some(Node::Literal(before)), Some(Node::Literal(bytes))) => before.extend(bytes),
                        (_, Some(node)) => joined.push(node),
                        (_, None) => {}
                    }
                    joined.extend(inner);
                }
                (_, node) => joined.push(node),
            }
        }
        match joined.len() {
            0 => Node::Empty,
            1 => joined.pop().unwrap_or(Node::Empty),
            _ => Node::Concat(joined),
        }
    }
}
