//! A run of documents of one segment and which of them are meant.

use std::ops::Range;
use tantivy::DocId;

/// Most documents of a window.
pub(super) const WINDOW_DOCS_MAX: u32 = 4_096;
const WORDS: usize = WINDOW_DOCS_MAX as usize / 64;

/// A run of at most [`WINDOW_DOCS_MAX`] documents, each meant or not.
#[derive(Clone)]
pub(super) struct Window {
    docs: Range<DocId>,
    bits: [u64; WORDS],
}

impl Window {
    /// None of these documents; what is too much at the end is left out.
    pub(super) fn none(docs: Range<DocId>) -> Window {
        let end = docs.end.min(docs.start.saturating_add(WINDOW_DOCS_MAX));
        Window { docs: docs.start..end.max(docs.start), bits: [0; WORDS] }
    }

    /// The run.
    pub(super) fn docs(&self) -> Range<DocId> {
        self.docs.clone()
    }

    /// Means a document; others than those of the run are ignored.
    pub(super) fn insert(&mut self, doc: DocId) {
        if self.docs.contains(&doc) {
            let at = (doc - self.docs.start) as usize;
            self.bits[at / 64] |= 1 << (at % 64);
        }
    }

    /// Means all of a part of the run.
    pub(super) fn insert_run(&mut self, docs: Range<DocId>) {
        for doc in docs.start.max(self.docs.start)..docs.end.min(self.docs.end) {
            self.insert(doc);
        }
    }

    /// Means the others.
    pub(super) fn invert(&mut self) {
        self.bits.iter_mut().for_each(|word| *word = !*word);
        let len = self.docs.len();
        for (at, word) in self.bits.iter_mut().enumerate() {
            let kept = len.saturating_sub(at * 64).min(64);
            *word &= u64::MAX.checked_shr(64 - u32::try_from(kept).unwrap_or(64)).unwrap_or(0);
        }
    }

    /// Keeps what both mean.
    pub(super) fn retain(&mut self, other: &Window) {
        self.bits.iter_mut().zip(other.bits).for_each(|(mine, other)| *mine &= other);
    }

    /// Adds what the other means.
    pub(super) fn extend(&mut self, other: &Window) {
        self.bits.iter_mut().zip(other.bits).for_each(|(mine, other)| *mine |= other);
    }

    /// How many are meant.
    pub(super) fn count(&self) -> u64 {
        self.bits.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// Whether none is meant.
    pub(super) fn is_empty(&self) -> bool {
        self.bits.iter().all(|word| *word == 0)
    }

    /// Those that are meant, ascending.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = DocId> + '_ {
        let has = |at: u32| self.bits[at as usize / 64] >> (at % 64) & 1 == 1;
        (0..self.docs.end - self.docs.start).filter(move |at| has(*at)).map(|at| self.docs.start + at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_those_of_the_run() {
        let mut window = Window::none(10..140);
        window.insert_run(0..12);
        window.insert(139);
        window.insert(140);
        assert_eq!(window.iter().collect::<Vec<_>>(), [10, 11, 139]);
        window.invert();
        assert_eq!(window.count(), 127);
        assert_eq!(window.iter().next_back(), Some(138));
        let mut full = Window::none(0..10_000);
        full.invert();
        assert_eq!(full.count(), 4_096);
    }
}
