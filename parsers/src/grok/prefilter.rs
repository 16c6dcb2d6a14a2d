//! Which of many patterns are worth trying on a text, by one pass over it.

use super::Grok;
use aho_corasick::AhoCorasick;

/// The literals of many patterns, looked for at once. Pays from some ten patterns on.
#[derive(Debug)]
pub struct Prefilter {
    automaton: Option<AhoCorasick>,
    /// The patterns that need each literal.
    users: Vec<Vec<usize>>,
    /// The patterns that need none.
    always: Vec<usize>,
    patterns: usize,
}

/// The patterns worth trying on a text; kept between texts, so that it allocates nothing for most.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    words: Vec<u64>,
}

impl Candidates {
    /// Whether a pattern is worth trying.
    #[must_use]
    pub fn contains(&self, pattern: usize) -> bool {
        self.words.get(pattern / 64).is_some_and(|word| word >> (pattern % 64) & 1 == 1)
    }

    /// The patterns worth trying, the first first.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        let words = self.words.iter().enumerate();
        words.flat_map(|(at, word)| (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| at * 64 + bit))
    }

    fn insert(&mut self, pattern: usize) {
        if let Some(word) = self.words.get_mut(pattern / 64) {
            *word |= 1 << (pattern % 64);
        }
    }
}

impl Prefilter {
    /// For patterns of which each has one literal that it cannot do without, or none.
    #[must_use]
    pub fn new<'l>(literals: impl IntoIterator<Item = Option<&'l str>>) -> Prefilter {
        let (mut needles, mut users, mut always): (Vec<&str>, Vec<Vec<usize>>, _) =
            (Vec::new(), Vec::new(), Vec::new());
        let mut patterns = 0;
        for (pattern, literal) in literals.into_iter().enumerate() {
            patterns += 1;
            match literal.filter(|literal| !literal.is_empty()) {
                None => always.push(pattern),
                Some(literal) => match needles.iter().position(|needle| *needle == literal) {
                    Some(known) => users[known].push(pattern),
                    None => {
                        needles.push(literal);
                        users.push(vec![pattern]);
                    }
                },
            }
        }
        // Literals that are too many for an automaton rule nothing out.
        let automaton = AhoCorasick::new(&needles).ok();
        if automaton.is_none() {
            always = (0..patterns).collect();
        }
        Prefilter { automaton, users, always, patterns }
    }

    /// For all patterns of a grok, by the longest literal of each.
    #[must_use]
    pub fn of(grok: &Grok) -> Prefilter {
        let literals: Vec<Vec<&str>> = (0..grok.len()).map(|pattern| grok.required_literals(pattern)).collect();
        Prefilter::new(literals.iter().map(|literals| literals.iter().max_by_key(|text| text.len()).copied()))
    }

    /// Finds the patterns worth trying: no other can match.
    pub fn candidates(&self, text: &str, candidates: &mut Candidates) {
        candidates.words.clear();
        candidates.words.resize(self.patterns.div_ceil(64), 0);
        self.always.iter().for_each(|pattern| candidates.insert(*pattern));
        let Some(automaton) = self.automaton.as_ref().filter(|_| !self.users.is_empty()) else { return };
        for found in automaton.find_overlapping_iter(text) {
            for pattern in self.users.get(found.pattern().as_usize()).into_iter().flatten() {
                candidates.insert(*pattern);
            }
        }
    }
}
