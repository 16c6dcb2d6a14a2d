//! Counts of the strings of a field over several segments, exact and without a table of strings.
//!
//! A segment counts by the ordinals of its dictionary. Dictionaries are sorted, so in the end all are read side by side, and
//! the counts of equal strings add up as they pass. Memory: eight bytes for each different string of a segment, at most
//! [`TERM_COUNTS_MAX`] of them over all segments.

use super::QueryFailure;
use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, binary_heap::PeekMut},
    io,
};
use tantivy::columnar::StrColumn;

/// Most counts that are held for one list of values, a string counted once in each segment that has it: 64 MiB. With them
/// the list ends and says so. Few in tests.
pub const TERM_COUNTS_MAX: usize = if cfg!(test) { 400 } else { 8 << 20 };
/// A dictionary of which fewer strings than one in so many were counted is asked for each instead of being read through.
const SPARSE: usize = if cfg!(test) { 2 } else { 128 };
/// Strings between two looks at whether somebody still waits.
const TERMS_UNASKED_MAX: u64 = 4_096;

/// The counts of segments.
#[derive(Default)]
pub(super) struct TermCounts {
    segments: Vec<(StrColumn, Vec<(u32, u32)>)>,
    held: usize,
}

impl TermCounts {
    /// Adds what was counted in a segment, by ordinal.
    pub(super) fn push(&mut self, column: StrColumn, by_ord: &[u32]) {
        let filled = by_ord.iter().filter(|count| **count > 0).count();
        let mut counts = Vec::with_capacity(filled);
        counts.extend((0u32..).zip(by_ord.iter().copied()).filter(|(_, count)| *count > 0));
        self.held += filled;
        self.segments.push((column, counts));
    }

    /// Whether no more fit.
    pub(super) fn is_full(&self) -> bool {
        self.held >= TERM_COUNTS_MAX
    }

    /// Gives each string with its count, in the order of bytes. `listening` is asked now and then.
    pub(super) fn merge(
        self,
        listening: impl Fn() -> Result<(), QueryFailure>,
        mut found: impl FnMut(&[u8], u64),
    ) -> Result<(), QueryFailure> {
        let damaged = |why: io::Error| QueryFailure::from(tantivy::TantivyError::from(why));
        let mut heads = BinaryHeap::with_capacity(self.segments.len());
        for (column, counts) in &self.segments {
            let mut head = Head::new(column, counts).map_err(damaged)?;
            if head.advance().map_err(damaged)? {
                heads.push(Reverse(head));
            }
        }
        let (mut term, mut sum) = (Vec::new(), 0);
        let mut passed = 0;
        while let Some(mut least) = heads.peek_mut() {
            passed += 1;
            if passed % TERMS_UNASKED_MAX == 0 {
                listening()?;
            }
            let head = &mut least.0;
            if head.term != term {
                if sum > 0 {
                    found(&term, sum);
                }
                sum = 0;
                term.clone_from(&head.term);
            }
            sum += u64::from(head.count);
            if !head.advance().map_err(damaged)? {
                PeekMut::pop(least);
            }
        }
        if sum > 0 {
            found(&term, sum);
        }
        Ok(())
    }
}

/// Writes the next string and gives its count.
type Next<'a> = Box<dyn FnMut(&mut Vec<u8>) -> io::Result<Option<u32>> + 'a>;

/// The next string of a segment.
struct Head<'a> {
    term: Vec<u8>,
    count: u32,
    next: Next<'a>,
}

impl<'a> Head<'a> {
    fn new(column: &'a StrColumn, counts: &'a [(u32, u32)]) -> io::Result<Head<'a>> {
        let terms = column.dictionary();
        let mut counts = counts.iter().copied();
        let lacks = |ord| io::Error::new(io::ErrorKind::InvalidData, format!("a dictionary lacks its string {ord}"));
        let next: Next<'a> = if counts.len().saturating_mul(SPARSE) < terms.num_terms() {
            Box::new(move |term| {
                let Some((ord, count)) = counts.next() else { return Ok(None) };
                term.clear();
                if terms.ord_to_term(u64::from(ord), term)? { Ok(Some(count)) } else { Err(lacks(ord)) }
            })
        } else {
            let mut stream = terms.stream()?;
            Box::new(move |term| {
                let Some((ord, count)) = counts.next() else { return Ok(None) };
                while stream.advance() {
                    if stream.term_ord() == u64::from(ord) {
                        term.clear();
                        term.extend_from_slice(stream.key());
                        return Ok(Some(count));
                    }
                }
                Err(lacks(ord))
            })
        };
        Ok(Head { term: Vec::new(), count: 0, next })
    }

    /// Goes on to the next string; false where there is none.
    fn advance(&mut self) -> io::Result<bool> {
        let count = (self.next)(&mut self.term)?;
        self.count = count.unwrap_or_default();
        Ok(count.is_some())
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.term.cmp(&other.term)
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head<'_> {}
