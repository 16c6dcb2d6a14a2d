//! From the tree of a pattern to instructions for the machine.
//!
//! Each node is written with what may follow it: where a byte decides between two ways, or where giving back characters of
//! a run can lead to nothing, the instruction says so and the machine remembers nothing to come back to.

use super::bytes::Set;
use super::class::one;
use super::node::{Assertion, First, Greed, Node};
use super::recognise::Recogniser;
use regex_syntax::hir::ClassUnicode;

/// Instructions of one pattern.
pub const INSTRUCTIONS_MAX: usize = 100_000;

/// When a run of characters can give some back.
#[derive(Clone, Copy, Debug)]
pub(super) enum Give {
    Never,
    /// To where this byte follows.
    Before(u8),
    /// To where a byte of this set of first bytes follows.
    BeforeOne(usize),
}

#[derive(Clone, Debug)]
pub(super) enum Inst {
    Byte(u8),
    Literal(Box<[u8]>),
    One(usize),
    Run {
        set: usize,
        min: u32,
        max: u32,
        give: Give,
    },
    Lazy {
        set: usize,
        min: u32,
        max: u32,
        until: Give,
    },
    /// Tries `next instruction` and then the other, by what each may begin with.
    Split {
        here: usize,
        other: usize,
        there: usize,
    },
    /// The other before the next instruction.
    SplitLazy {
        here: usize,
        other: usize,
        there: usize,
    },
    Jump(usize),
    Save(usize),
    Assert(Assertion),
    Behind {
        set: usize,
        negate: bool,
    },
    Ahead {
        set: usize,
        negate: bool,
    },
    /// A recogniser, then the expression it stands for, then what follows at `after`.
    Recognise {
        recogniser: Recogniser,
        after: usize,
        register: usize,
        alone: bool,
        inner: usize,
    },
    /// Not where the recogniser's own match ended, which was tried.
    Fresh(usize),
    Hold(usize),
    Cut {
        register: usize,
        plain: bool,
    },
    Look(usize),
    LookEnd {
        register: usize,
        plain: bool,
    },
    Not {
        register: usize,
        after: usize,
    },
    NotEnd {
        register: usize,
        plain: bool,
    },
    Back(u32),
    Mark(usize),
    /// Ends a loop whose body took nothing.
    Moved(usize),
    Same {
        group: usize,
        fold: bool,
    },
    Match,
}

/// Where a match may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Anywhere,
    /// Only at the beginning of the text, or a match from there on exists if any does.
    Once,
    /// At the beginning of a line.
    Lines,
}

/// A pattern that cannot be written as instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    TooLarge,
    LookBehind,
}

#[derive(Debug)]
pub(super) struct Program {
    pub insts: Vec<Inst>,
    pub sets: Vec<Set>,
    pub firsts: Vec<First>,
    /// Of captures, two for each, and of registers.
    pub slots: usize,
    pub first: First,
    pub begin: Begin,
}

impl Program {
    pub(super) fn new(node: &Node, groups: usize) -> Result<Program, Refused> {
        let mut writer =
            Writer { insts: Vec::new(), classes: Vec::new(), sets: Vec::new(), firsts: Vec::new(), slots: 2 * groups };
        writer.node(node, &First::ANY)?;
        writer.push(Inst::Match)?;
        let Writer { insts, sets, firsts, slots, .. } = writer;
        Ok(Program {
            insts,
            sets,
            firsts,
            slots,
            first: node.first(),
            begin: if node.refers_back() { Begin::Anywhere } else { begin(node) },
        })
    }
}

fn begin(node: &Node) -> Begin {
    match node {
        Node::Concat(nodes) => nodes.first().map_or(Begin::Anywhere, begin),
        Node::Capture { body, .. } => begin(body),
        Node::Assert(Assertion::TextStart) => Begin::Once,
        Node::Assert(Assertion::LineStart) => Begin::Lines,
        // What matches behind this could begin at the beginning, too.
        Node::Repeat { body, min: 0, max: None, greed: Greed::Greedy | Greed::Lazy } if body.is_any() => Begin::Once,
        _ => Begin::Anywhere,
    }
}

struct Writer {
    insts: Vec<Inst>,
    /// What each of the sets is made from.
    classes: Vec<ClassUnicode>,
    sets: Vec<Set>,
    firsts: Vec<First>,
    slots: usize,
}

impl Writer {
    fn push(&mut self, inst: Inst) -> Result<usize, Refused> {
        if self.insts.len() >= INSTRUCTIONS_MAX {
            return Err(Refused::TooLarge);
        }
        self.insts.push(inst);
        Ok(self.insts.len() - 1)
    }

    fn set(&mut self, class: &ClassUnicode) -> usize {
        let found = self.classes.iter().position(|known| known == class);
        found.unwrap_or_else(|| {
            self.classes.push(class.clone());
            self.sets.push(Set::new(class));
            self.sets.len() - 1
        })
    }

    fn first(&mut self, first: First) -> usize {
        let found = self.firsts.iter().position(|known| *known == first);
        found.unwrap_or_else(|| {
            self.firsts.push(first);
            self.firsts.len() - 1
        })
    }

    fn register(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    fn node(&mut self, node: &Node, follow: &First) -> Result<(), Refused> {
        match node {
            Node::Empty => {}
            Node::Literal(bytes) => {
                self.push(match bytes.as_slice() {
                    [byte] => Inst::Byte(*byte),
                    bytes => Inst::Literal(bytes.into()),
                })?;
            }
            Node::Class(class) => {
                let set = self.set(class);
                self.push(Inst::One(set))?;
            }
            Node::Concat(nodes) => {
                let mut follows = vec![*follow; nodes.len()];
                for at in (1..nodes.len()).rev() {
                    follows[at - 1] = nodes[at].first().then(&follows[at]);
                }
                for (node, follow) in nodes.iter().zip(&follows) {
                    self.node(node, follow)?;
                }
            }
            Node::Alternate(nodes) => {
                let first = |node: &Node| node.first().then(follow);
                self.alternate(nodes, first, |writer, node| writer.node(node, follow))?;
            }
            Node::Repeat { body, min, max, greed } => self.repeat(body, *min, *max, *greed, follow)?,
            Node::Capture { group, body } => {
                self.push(Inst::Save(2 * group))?;
                self.node(body, follow)?;
                self.push(Inst::Save(2 * group + 1))?;
            }
            Node::Atomic(body) => self.atomic(body)?,
            Node::Look { behind, negate, body } => self.look(*behind, *negate, body)?,
            Node::Assert(assertion) => {
                self.push(Inst::Assert(*assertion))?;
            }
            Node::Same { group, fold } => {
                self.push(Inst::Same { group: *group, fold: *fold })?;
            }
            Node::Piece { recogniser, body } => {
                let register = self.register();
                let alone = !follow.empty && recogniser.inner().is_disjoint(&follow.set);
                let inner = self.first(First { set: recogniser.inner(), empty: false });
                let start = self.push(Inst::Match)?;
                self.node(body, follow)?;
                self.push(Inst::Fresh(register))?;
                let after = self.insts.len();
                self.insts[start] = Inst::Recognise { recogniser: *recogniser, after, register, alone, inner };
            }
        }
        Ok(())
    }

    fn alternate(
        &mut self,
        nodes: &[Node],
        first: impl Fn(&Node) -> First,
        mut write: impl FnMut(&mut Writer, &Node) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        // What each branch may begin with, then that or what a later one may.
        let firsts: Vec<First> = nodes.iter().map(first).collect();
        let mut later = firsts.clone();
        for at in (1..later.len()).rev() {
            later[at - 1] = later[at - 1].or(later[at]);
        }
        let mut ends = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            let Some(there) = later.get(at + 1) else {
                write(self, node)?;
                break;
            };
            let here = self.first(firsts[at]);
            let there = self.first(*there);
            let split = self.push(Inst::Match)?;
            write(self, node)?;
            ends.push(self.push(Inst::Match)?);
            self.insts[split] = Inst::Split { here, other: self.insts.len(), there };
        }
        let after = self.insts.len();
        ends.into_iter().for_each(|end| self.insts[end] = Inst::Jump(after));
        Ok(())
    }

    fn repeat(&mut self, body: &Node, min: u32, max: Option<u32>, greed: Greed, follow: &First) -> Result<(), Refused> {
        if max == Some(0) {
            return Ok(());
        }
        let class = match body {
            Node::Class(class) => Some(class.clone()),
            Node::Literal(bytes) => single_character(bytes).map(one),
            _ => None,
        };
        if let Some(class) = class {
            return self.run(&class, min, max, greed, follow);
        }
        if greed == Greed::Possessive {
            let greedy = Node::Repeat { body: Box::new(body.clone()), min, max, greed: Greed::Greedy };
            return self.atomic(&greedy);
        }
        let first = body.first();
        // A body that may take nothing need not do so twice.
        let (min, max) = if body.length() == Some(0) { (min.min(1), Some(1)) } else { (min, max) };
        let again = first.then(follow);
        let mut looping = again;
        looping.set.union(&follow.set);
        looping.empty |= follow.empty;
        for _ in 0..min {
            self.node(body, &looping)?;
        }
        let here = self.first(again);
        let there = self.first(*follow);
        let split = |other| match greed {
            Greed::Lazy => Inst::SplitLazy { here, other, there },
            _ => Inst::Split { here, other, there },
        };
        let Some(max) = max else {
            let start = self.push(Inst::Match)?;
            let register = first.empty.then(|| self.register());
            if let Some(register) = register {
                self.push(Inst::Mark(register))?;
            }
            self.node(body, &looping)?;
            if let Some(register) = register {
                self.push(Inst::Moved(register))?;
            }
            self.push(Inst::Jump(start))?;
            self.insts[start] = split(self.insts.len());
            return Ok(());
        };
        let mut splits = Vec::new();
        for _ in min..max {
            splits.push(self.push(Inst::Match)?);
            self.node(body, &looping)?;
        }
        let after = self.insts.len();
        splits.into_iter().for_each(|at| self.insts[at] = split(after));
        Ok(())
    }

    fn run(
        &mut self,
        class: &ClassUnicode,
        min: u32,
        max: Option<u32>,
        greed: Greed,
        follow: &First,
    ) -> Result<(), Refused> {
        let set = self.set(class);
        let count = max.unwrap_or(u32::MAX);
        if (min, max) == (1, Some(1)) {
            self.push(Inst::One(set))?;
            return Ok(());
        }
        let follows = match follow.set.single().filter(|_| !follow.empty) {
            Some(byte) => Give::Before(byte),
            None => Give::BeforeOne(self.first(*follow)),
        };
        let alone = !follow.empty && self.sets[set].leads.is_disjoint(&follow.set);
        self.push(match greed {
            Greed::Lazy => Inst::Lazy { set, min, max: count, until: follows },
            Greed::Possessive => Inst::Run { set, min, max: count, give: Give::Never },
            Greed::Greedy if alone || max == Some(min) => Inst::Run { set, min, max: count, give: Give::Never },
            Greed::Greedy => Inst::Run { set, min, max: count, give: follows },
        })?;
        Ok(())
    }

    fn atomic(&mut self, body: &Node) -> Result<(), Refused> {
        if let Node::Repeat { body, min, max, greed: Greed::Greedy } = body
            && matches!(**body, Node::Class(_))
        {
            return self.repeat(body, *min, *max, Greed::Possessive, &First::ANY);
        }
        let register = self.register();
        self.push(Inst::Hold(register))?;
        self.node(body, &First::ANY)?;
        self.push(Inst::Cut { register, plain: !body.has_captures() })?;
        Ok(())
    }

    fn look(&mut self, behind: bool, negate: bool, body: &Node) -> Result<(), Refused> {
        let class = match body {
            Node::Class(class) => Some(class.clone()),
            Node::Literal(bytes) => single_character(bytes).map(one),
            _ => None,
        };
        if let Some(class) = class {
            let set = self.set(&class);
            self.push(if behind { Inst::Behind { set, negate } } else { Inst::Ahead { set, negate } })?;
            return Ok(());
        }
        let register = self.register();
        self.register();
        let plain = !body.has_captures();
        let start = self.push(Inst::Look(register))?;
        match body {
            body if !behind => self.node(body, &First::ANY)?,
            Node::Alternate(nodes) => self.alternate(nodes, |_| First::ANY, Writer::behind)?,
            body => self.behind(body)?,
        }
        if negate {
            self.push(Inst::NotEnd { register, plain })?;
            self.insts[start] = Inst::Not { register, after: self.insts.len() };
        } else {
            self.push(Inst::LookEnd { register, plain })?;
        }
        Ok(())
    }

    /// One way of looking behind.
    fn behind(&mut self, body: &Node) -> Result<(), Refused> {
        let length = body.length().ok_or(Refused::LookBehind)?;
        self.push(Inst::Back(length))?;
        self.node(body, &First::ANY)
    }
}

fn single_character(bytes: &[u8]) -> Option<char> {
    let mut chars = std::str::from_utf8(bytes).ok()?.chars();
    chars.next().filter(|_| chars.next().is_none())
}
