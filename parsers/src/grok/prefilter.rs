//! Which of many patterns are worth trying on a text, by one pass over it.

use super::{Grok, TEXT_BYTES_MAX};
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use std::{cmp::Reverse, collections::HashMap};

/// From so many patterns on a pass over a text costs less than trying each.
pub const PATTERNS_MIN: usize = 8;
/// Literals of so many bytes in all are looked for by the automaton that is fastest: it takes some 256 bytes for each of theirs.
const FAST_BYTES_MAX: usize = 8 << 10;
/// A pass over a longer text, for each pattern, costs more than trying each: one literal alone is found much faster.
const TEXT_BYTES_PER_PATTERN_MAX: usize = 64;
/// Literals of fewer bytes lie in too many texts; they are looked for where a pattern has no other.
const TELLING_BYTES_MIN: usize = 3;

/// The literals of many patterns, looked for at once.
#[derive(Debug)]
pub struct Prefilter {
    automaton: Option<AhoCorasick>,
    /// The users of each literal.
    users: Vec<Vec<usize>>,
    /// The users that need none.
    always: Vec<usize>,
    count: usize,
    /// The longest text that is worth it.
    longest: usize,
}

/// Which users a text is worth trying for; kept between texts, so that it allocates nothing for most.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    words: Vec<u64>,
}

impl Candidates {
    /// Whether a user is worth trying.
    #[must_use]
    #[inline]
    pub fn contains(&self, user: usize) -> bool {
        self.words.get(user / 64).is_some_and(|word| word >> (user % 64) & 1 == 1)
    }

    /// The users worth trying, the first first.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.words.iter().enumerate().flat_map(|(at, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.checked_sub(1)?;
                Some(at * 64 + bit)
            })
        })
    }

    fn insert(&mut self, user: usize) {
        if let Some(word) = self.words.get_mut(user / 64) {
            *word |= 1 << (user % 64);
        }
    }
}

impl Prefilter {
    /// For users of which each has patterns; each pattern is the texts that it cannot do without. A user is worth trying where
    /// one of its patterns is, and a pattern where its literal is that the fewest patterns have.
    #[must_use]
    pub fn new<L: AsRef<str>>(users: &[impl AsRef<[Vec<L>]>]) -> Prefilter {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for literal in users.iter().flat_map(AsRef::as_ref).flatten() {
            *counts.entry(literal.as_ref()).or_default() += 1;
        }
        let (mut needles, mut of, mut always) = (Vec::new(), Vec::<Vec<usize>>::new(), Vec::new());
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        for (user, patterns) in users.iter().enumerate() {
            let patterns = patterns.as_ref().iter();
            let Some(literals) = patterns.map(|pattern| rarest(pattern, &counts)).collect::<Option<Vec<_>>>() else {
                always.push(user);
                continue;
            };
            for literal in literals {
                let number = *numbers.entry(literal).or_insert_with(|| {
                    needles.push(literal);
                    of.push(Vec::new());
                    needles.len() - 1
                });
                of[number].push(user);
            }
        }
        let is_small = needles.iter().map(|needle| needle.len()).sum::<usize>() <= FAST_BYTES_MAX;
        let kind = is_small.then_some(AhoCorasickKind::DFA);
        // Literals that are too many for an automaton rule nothing out.
        let automaton = AhoCorasick::builder().kind(kind).build(&needles).ok();
        if automaton.is_none() {
            always = (0..users.len()).collect();
        }
        let patterns: usize = users.iter().map(|patterns| patterns.as_ref().len()).sum();
        let longest = patterns.saturating_mul(TEXT_BYTES_PER_PATTERN_MAX).min(TEXT_BYTES_MAX);
        Prefilter { automaton, users: of, always, count: users.len(), longest }
    }

    /// For all patterns of a grok: each is a user.
    #[must_use]
    pub fn of(grok: &Grok) -> Prefilter {
        Prefilter::new(&(0..grok.len()).map(|pattern| vec![grok.required_literals(pattern)]).collect::<Vec<_>>())
    }

    /// Whether a pass over this text costs less than trying the patterns.
    #[must_use]
    pub fn pays(&self, text: &str) -> bool {
        text.len() <= self.longest
    }

    /// Finds the users worth trying: no pattern of any other can match.
    pub fn candidates(&self, text: &str, candidates: &mut Candidates) {
        candidates.words.clear();
        candidates.words.resize(self.count.div_ceil(64), 0);
        self.always.iter().for_each(|user| candidates.insert(*user));
        let Some(automaton) = self.automaton.as_ref().filter(|_| !self.users.is_empty()) else { return };
        for found in automaton.find_overlapping_iter(text) {
            for user in self.users.get(found.pattern().as_usize()).into_iter().flatten() {
                candidates.insert(*user);
            }
        }
    }
}

/// Of what a pattern cannot do without, what the fewest patterns share.
fn rarest<'l, L: AsRef<str>>(pattern: &'l [L], counts: &HashMap<&str, usize>) -> Option<&'l str> {
    let literals = pattern.iter().map(AsRef::as_ref).filter(|literal| !literal.is_empty());
    literals.min_by_key(|text| (text.len() < TELLING_BYTES_MIN, counts.get(text), Reverse(text.len())))
}
