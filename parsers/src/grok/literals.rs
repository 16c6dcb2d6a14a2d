//! Texts that every match holds, for a cheap no.

use super::node::{First, Node};
use memchr::memmem::Finder;

/// A literal of at least so many bytes is looked for before anything else is tried.
const TELLING_BYTES_MIN: usize = 4;
/// Literals of one pattern that are looked for.
const LITERALS_MAX: usize = 16;

/// Texts that a match must hold, one behind the other.
#[derive(Debug)]
pub(super) struct Literals {
    finders: Vec<Finder<'static>>,
    /// The one that most texts lack.
    telling: Option<usize>,
}

impl Literals {
    pub(super) fn new(node: &Node) -> Literals {
        let mut found = Vec::new();
        collect(node, &mut found);
        found.truncate(LITERALS_MAX);
        let longest = (0..found.len()).max_by_key(|at| found[*at].len());
        let telling = longest.filter(|at| found[*at].len() >= TELLING_BYTES_MIN);
        let finders = found.iter().map(|bytes| Finder::new(bytes).into_owned()).collect();
        Literals { finders, telling }
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        self.finders.iter().filter_map(|finder| std::str::from_utf8(finder.needle()).ok()).collect()
    }

    /// Whether the text lacks the one literal that is worth looking for at once.
    pub(super) fn lacks_telling(&self, text: &[u8]) -> bool {
        self.telling.is_some_and(|at| self.finders[at].find(text).is_none())
    }

    /// Whether the text holds all of them in their order.
    pub(super) fn all_in(&self, text: &[u8]) -> bool {
        let mut rest = text;
        self.finders.iter().all(|finder| match finder.find(rest) {
            Some(at) => {
                rest = &rest[at + finder.needle().len()..];
                true
            }
            None => false,
        })
    }
}

fn collect(node: &Node, found: &mut Vec<Vec<u8>>) {
    match node {
        Node::Literal(bytes) => found.push(bytes.clone()),
        Node::Concat(nodes) => nodes.iter().for_each(|node| collect(node, found)),
        Node::Repeat { body, min, .. } if *min > 0 => collect(body, found),
        Node::Capture { body, .. } | Node::Atomic(body) | Node::Piece { body, .. } => collect(body, found),
        _ => {}
    }
}

/// The next place from which a match may begin by its first byte.
pub(super) fn next_start(first: &First, single: Option<u8>, text: &[u8], from: usize) -> Option<usize> {
    let rest = text.get(from..)?;
    if first.empty {
        let more = rest.iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
        return Some(from + more);
    }
    let found = match single {
        Some(byte) => memchr::memchr(byte, rest),
        None => rest.iter().position(|byte| first.set.contains(*byte)),
    };
    found.map(|at| from + at)
}
