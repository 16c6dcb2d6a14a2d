//! The machine that runs a [`Program`]: a backtracking engine with as little to come back to as possible.
//!
//! It tries the ways in the order in which Perl and Ruby do, so its first match is theirs. What it may cost is bounded by
//! fuel: each turn of a loop takes one, each way come back to, and a run of characters one for each [`BYTES_PER_FUEL`].

use super::bytes::{back, decode, forth, is_word_byte, word_after, word_before};
use super::node::{Assertion, First};
use super::program::{Give, Inst, Program};
use super::recognise::Found;
use memchr::{memchr, memrchr};

/// Bytes that a run takes for one unit of fuel.
const BYTES_PER_FUEL: usize = 16;
/// Places to come back to: 16 MiB.
const FRAMES_MAX: usize = 1 << 20;
/// Places whose memory is kept for the next text.
const FRAMES_KEPT_MAX: usize = 1 << 12;
/// No place.
pub(super) const NONE: u32 = u32::MAX;

/// What the machine comes back to.
#[derive(Clone, Copy, Debug)]
enum Frame {
    /// Another way.
    Way { pc: u32, at: u32 },
    /// A run may end at `high` or before, down to `low`.
    Give { pc: u32, low: u32, high: u32 },
    /// A run may go on from `at` up to `limit`.
    More { pc: u32, at: u32, limit: u32 },
    /// A slot gets its value back.
    Slot { slot: u32, old: u32 },
    /// The expression of a piece whose recogniser ended at `end`.
    Piece { pc: u32, at: u32, end: u32 },
}

/// What the machine keeps between texts, so that it allocates nothing for most.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub slots: Vec<u32>,
    frames: Vec<Frame>,
    pub fuel: u64,
}

/// How a try from one place ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A match that ends here.
    Match(usize),
    Fail,
    OutOfFuel,
}

/// The next instruction and place.
type Next = Option<(usize, usize)>;

#[inline(always)]
fn may_begin(first: &First, text: &[u8], at: usize) -> bool {
    first.empty || text.get(at).is_some_and(|byte| first.set.contains(*byte))
}

/// Places fit 32 bits: longer texts are refused before.
#[inline(always)]
fn small(place: usize) -> u32 {
    place as u32
}

impl State {
    #[inline(always)]
    fn set(&mut self, slot: usize, value: usize) {
        // With nothing to come back to, what is in the slots is of no use any more when this way fails.
        if !self.frames.is_empty() {
            self.frames.push(Frame::Slot { slot: small(slot), old: self.slots[slot] });
        }
        self.slots[slot] = small(value);
    }

    /// Forgets the ways since a register's mark; what captures had before is kept where there are any.
    fn cut(&mut self, register: usize, plain: bool) {
        let mark = self.slots[register] as usize;
        if plain {
            return self.frames.truncate(mark);
        }
        let mut kept = mark;
        for at in mark..self.frames.len() {
            if matches!(self.frames[at], Frame::Slot { .. }) {
                self.frames.swap(kept, at);
                kept += 1;
            }
        }
        self.frames.truncate(kept);
    }

    #[inline(always)]
    fn goes_on(&mut self) -> bool {
        let left = self.fuel > 0 && self.frames.len() <= FRAMES_MAX;
        self.fuel = self.fuel.saturating_sub(1);
        left
    }

    /// Gives back the memory that a hostile text took.
    pub(super) fn shrink(&mut self) {
        self.frames.clear();
        self.frames.shrink_to(FRAMES_KEPT_MAX);
    }

    fn burn(&mut self, bytes: usize) {
        self.fuel = self.fuel.saturating_sub((bytes / BYTES_PER_FUEL) as u64);
    }
}

impl Program {
    /// Tries to match from one place.
    pub(super) fn run(&self, text: &[u8], start: usize, state: &mut State) -> Verdict {
        state.frames.clear();
        state.slots.clear();
        state.slots.resize(self.slots, NONE);
        let (mut pc, mut at) = (0, start);
        loop {
            let next = match &self.insts[pc] {
                Inst::Match => return Verdict::Match(at),
                // Only loops and what is come back to can take more steps than there are instructions.
                Inst::Jump(to) if state.goes_on() => Some((*to, at)),
                Inst::Jump(_) => return Verdict::OutOfFuel,
                inst => self.step(inst, text, pc, at, state),
            };
            (pc, at) = match next {
                Some(next) => next,
                None if !state.goes_on() => return Verdict::OutOfFuel,
                None => match self.resume(text, state) {
                    Some(next) => next,
                    None => return Verdict::Fail,
                },
            };
        }
    }

    #[inline(always)]
    fn step(&self, inst: &Inst, text: &[u8], pc: usize, at: usize, state: &mut State) -> Next {
        match inst {
            Inst::Byte(byte) => (text.get(at) == Some(byte)).then_some((pc + 1, at + 1)),
            Inst::Literal(bytes) => text[at..].starts_with(bytes).then(|| (pc + 1, at + bytes.len())),
            Inst::One(set) => self.sets[*set].one(text, at).map(|end| (pc + 1, end)),
            Inst::Run { set, min, max, give } => self.take(text, pc, at, (*set, *min, *max, give), state),
            Inst::Lazy { set, min, max, until } => {
                let set = &self.sets[*set];
                let low = set.exactly(text, at, *min)?;
                let limit = set.run(text, low, 0, if *max == u32::MAX { *max } else { max - min })?;
                self.more(text, pc, low, limit, until, state)
            }
            Inst::Split { here, other, there } => {
                if !may_begin(&self.firsts[*here], text, at) {
                    return Some((*other, at));
                }
                if may_begin(&self.firsts[*there], text, at) {
                    state.frames.push(Frame::Way { pc: small(*other), at: small(at) });
                }
                Some((pc + 1, at))
            }
            Inst::Save(slot) => {
                state.set(*slot, at);
                Some((pc + 1, at))
            }
            Inst::Recognise { recogniser, after, register, alone, inner } => match recogniser.find(text, at) {
                Found::Only(end) => Some((*after, end)),
                Found::First(end) => {
                    if !alone || may_begin(&self.firsts[*inner], text, end) {
                        let (pc, at, end) = (small(pc + 1), small(at), small(end));
                        state.frames.push(Frame::Piece { pc, at, end });
                    }
                    Some((*after, end))
                }
                Found::No => None,
                Found::Unsure => {
                    state.set(*register, NONE as usize);
                    Some((pc + 1, at))
                }
            },
            inst => self.rare(inst, text, pc, at, state),
        }
    }

    #[inline(never)]
    fn rare(&self, inst: &Inst, text: &[u8], pc: usize, at: usize, state: &mut State) -> Next {
        match inst {
            Inst::Assert(assertion) => holds(*assertion, text, at).then_some((pc + 1, at)),
            Inst::Behind { set, negate } => (self.sets[*set].before(text, at) != *negate).then_some((pc + 1, at)),
            Inst::Ahead { set, negate } => (self.sets[*set].one(text, at).is_some() != *negate).then_some((pc + 1, at)),
            Inst::SplitLazy { here, other, there } => {
                if !may_begin(&self.firsts[*there], text, at) {
                    return Some((pc + 1, at));
                }
                if may_begin(&self.firsts[*here], text, at) {
                    state.frames.push(Frame::Way { pc: small(pc + 1), at: small(at) });
                }
                Some((*other, at))
            }
            Inst::Fresh(register) => (state.slots[*register] != small(at)).then_some((pc + 1, at)),
            Inst::Hold(register) => {
                state.slots[*register] = small(state.frames.len());
                Some((pc + 1, at))
            }
            Inst::Cut { register, plain } => {
                state.cut(*register, *plain);
                Some((pc + 1, at))
            }
            Inst::Look(register) => {
                state.slots[*register] = small(state.frames.len());
                state.slots[register + 1] = small(at);
                Some((pc + 1, at))
            }
            Inst::LookEnd { register, plain } => {
                state.cut(*register, *plain);
                Some((pc + 1, state.slots[register + 1] as usize))
            }
            Inst::Not { register, after } => {
                state.slots[*register] = small(state.frames.len());
                state.frames.push(Frame::Way { pc: small(*after), at: small(at) });
                Some((pc + 1, at))
            }
            Inst::NotEnd { register, plain } => {
                state.cut(*register, *plain);
                None
            }
            Inst::Back(count) => {
                let mut place = at;
                for _ in 0..*count {
                    if place == 0 {
                        return None;
                    }
                    place = back(text, place);
                }
                Some((pc + 1, place))
            }
            Inst::Mark(register) => {
                state.set(*register, at);
                Some((pc + 1, at))
            }
            // The loop's way back is the next instruction.
            Inst::Moved(register) => Some((pc + if state.slots[*register] == small(at) { 2 } else { 1 }, at)),
            Inst::Same { group, fold } => {
                same(text, at, &state.slots[2 * group..2 * group + 2], *fold).map(|at| (pc + 1, at))
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn take(&self, text: &[u8], pc: usize, at: usize, run: (usize, u32, u32, &Give), state: &mut State) -> Next {
        let (set, min, max, give) = run;
        let set = &self.sets[set];
        let end = set.run(text, at, min, max)?;
        state.burn(end - at);
        if matches!(give, Give::Never) {
            return Some((pc + 1, end));
        }
        let low = if min == 0 { at } else { set.exactly(text, at, min)? };
        self.give(text, pc, low, end, give, state)
    }

    /// Ends a run at the last place up to `high` where what follows may begin.
    #[inline(always)]
    fn give(&self, text: &[u8], pc: usize, low: usize, high: usize, give: &Give, state: &mut State) -> Next {
        let mut end = high;
        match give {
            Give::Never => {}
            Give::Before(byte) => {
                let range = text.get(low..=high).or_else(|| text.get(low..high))?;
                end = low + memrchr(*byte, range)?;
            }
            Give::BeforeOne(first) => {
                let first = &self.firsts[*first];
                while !may_begin(first, text, end) || text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    if end <= low {
                        return None;
                    }
                    end -= 1;
                }
            }
        }
        state.burn(high - end);
        if end > low {
            state.frames.push(Frame::Give { pc: small(pc), low: small(low), high: small(end) });
        }
        Some((pc + 1, end))
    }

    /// Ends a lazy run at the first place from `at` where what follows may begin.
    #[inline(always)]
    fn more(&self, text: &[u8], pc: usize, at: usize, limit: usize, until: &Give, state: &mut State) -> Next {
        let mut end = at;
        match until {
            Give::Never => {}
            Give::Before(byte) => {
                let range = text.get(at..=limit).or_else(|| text.get(at..limit))?;
                end = at + memchr(*byte, range)?;
            }
            Give::BeforeOne(first) => {
                let first = &self.firsts[*first];
                while !may_begin(first, text, end) || text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    if end >= limit {
                        return None;
                    }
                    end += 1;
                }
            }
        }
        state.burn(end - at);
        if end < limit {
            state.frames.push(Frame::More { pc: small(pc), at: small(end), limit: small(limit) });
        }
        Some((pc + 1, end))
    }

    /// The next way that has not been tried.
    fn resume(&self, text: &[u8], state: &mut State) -> Next {
        while let Some(frame) = state.frames.pop() {
            let next = match frame {
                Frame::Way { pc, at } => Some((pc as usize, at as usize)),
                Frame::Slot { slot, old } => {
                    state.slots[slot as usize] = old;
                    None
                }
                Frame::Piece { pc, at, end } => {
                    let Some(Inst::Recognise { register, .. }) = self.insts.get((pc as usize).wrapping_sub(1)) else {
                        continue;
                    };
                    state.set(*register, end as usize);
                    Some((pc as usize, at as usize))
                }
                Frame::Give { pc, low, high } => {
                    let Inst::Run { give, .. } = &self.insts[pc as usize] else { continue };
                    self.give(text, pc as usize, low as usize, back(text, high as usize), give, state)
                }
                Frame::More { pc, at, limit } => {
                    let Inst::Lazy { until, .. } = &self.insts[pc as usize] else { continue };
                    self.more(text, pc as usize, forth(text, at as usize), limit as usize, until, state)
                }
            };
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

fn holds(assertion: Assertion, text: &[u8], at: usize) -> bool {
    match assertion {
        Assertion::LineStart => at == 0 || text[at - 1] == b'\n',
        Assertion::LineEnd => text.get(at).is_none_or(|byte| *byte == b'\n'),
        Assertion::TextStart => at == 0,
        Assertion::TextEnd => at == text.len(),
        Assertion::LastLineEnd => at == text.len() || (at + 1 == text.len() && text[at] == b'\n'),
        Assertion::Boundary => is_boundary(text, at),
        Assertion::NoBoundary => !is_boundary(text, at),
    }
}

#[inline]
fn is_boundary(text: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).map(|at| text[at]);
    match (before, text.get(at)) {
        (Some(before), Some(after)) if before < 0x80 && *after < 0x80 => is_word_byte(before) != is_word_byte(*after),
        _ => word_before(text, at) != word_after(text, at),
    }
}

/// The place behind the text of a group, where it stands here again.
fn same(text: &[u8], at: usize, slots: &[u32], fold: bool) -> Option<usize> {
    let [start, end] = slots else { return None };
    if *start == NONE || *end == NONE || end < start {
        return None;
    }
    let wanted = text.get(*start as usize..*end as usize)?;
    if !fold {
        return text[at..].starts_with(wanted).then(|| at + wanted.len());
    }
    let (mut from, mut place) = (0, at);
    while from < wanted.len() {
        let (left, left_length) = decode(wanted, from);
        if place >= text.len() {
            return None;
        }
        let (right, right_length) = decode(text, place);
        if left != right && !left.to_lowercase().eq(right.to_lowercase()) {
            return None;
        }
        from += left_length;
        place += right_length;
    }
    Some(place)
}
