//! The source table: what each source that can send again has made durable, so that a second sending is recognised.

use super::SOURCE_IDLE_MS;
use crate::flow::{FileMark, RawBatch, Span};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most sources of one table.
pub const SOURCES_MAX: usize = 100_000;
/// Longest identity of a source, in bytes; a batch with a longer one is too large.
pub const SOURCE_BYTES_MAX: usize = 256;
/// Most ranges above the low-water mark of one source; past it the lowest is forgotten, and a batch of it that comes
/// yet again would be stored again.
pub const RANGES_MAX: usize = 1_024;
/// Most bytes that a table may take as JSON (reckoned, never less than the truth); past it there are too many sources.
pub const TABLE_BYTES_MAX: usize = 16 << 20;

/// The most that a source takes as JSON besides its identity, ranges and what is known of a file.
const ENTRY_BYTES: usize = 76;
const FILE_BYTES: usize = 150;
const RANGE_BYTES: usize = 44;

/// A set of positions: everything below `low`, and ranges above it that do not touch each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionSet {
    low: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<(u64, u64)>,
}

impl PositionSet {
    /// Everything below this is inside.
    #[must_use]
    pub fn low(&self) -> u64 {
        self.low
    }

    /// The first position above everything inside.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.ranges.last().map_or(self.low, |range| range.1)
    }

    /// Whether the whole span lies inside; an empty span never does.
    #[must_use]
    pub fn contains(&self, span: Span) -> bool {
        if span.from >= span.to {
            return false;
        }
        let at = self.ranges.partition_point(|range| range.1 <= span.from);
        span.to <= self.low || self.ranges.get(at).is_some_and(|range| range.0 <= span.from && span.to <= range.1)
    }

    /// Adds a span; whether the lowest range had to be forgotten for it.
    pub fn insert(&mut self, span: Span) -> bool {
        if span.from >= span.to {
            return false;
        }
        if span.from <= self.low {
            self.low = self.low.max(span.to);
            let absorbed = self.ranges.partition_point(|range| range.0 <= self.low);
            if let Some(last) = self.ranges.drain(..absorbed).next_back() {
                self.low = self.low.max(last.1);
            }
            return false;
        }
        let first = self.ranges.partition_point(|range| range.1 < span.from);
        let after = self.ranges.partition_point(|range| range.0 <= span.to);
        let joined = match self.ranges.get(first..after) {
            Some([only]) => (only.0.min(span.from), only.1.max(span.to)),
            Some([lowest, .., highest]) => (lowest.0.min(span.from), highest.1.max(span.to)),
            _ => (span.from, span.to),
        };
        self.ranges.splice(first..after, [joined]);
        let over = self.ranges.len() > RANGES_MAX;
        if over {
            self.ranges.remove(0);
        }
        over
    }

    fn merge(&mut self, other: &PositionSet) {
        self.insert(Span { from: 0, to: other.low });
        for &(from, to) in &other.ranges {
            self.insert(Span { from, to });
        }
    }

    /// Whether what was read holds what this type promises.
    fn is_sound(&self) -> bool {
        let mut above = self.low;
        self.ranges.len() <= RANGES_MAX
            && self.ranges.iter().all(|&(from, to)| {
                let sound = above < from && from < to;
                above = to;
                sound
            })
    }
}

/// What is kept of one source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// What it made durable.
    #[serde(flatten)]
    pub positions: PositionSet,
    /// What the file was like where its latest batch ended, by which it is known again, and where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<KnownFile>,
    /// When its latest batch was received, in ms since 1970.
    pub seen: i64,
}

/// What is kept of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFile {
    /// Where it was.
    pub path: String,
    /// What it was like.
    #[serde(flatten)]
    pub mark: FileMark,
}

/// The table is full and nothing in it is old enough to be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManySources;

/// What each source made durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceTable {
    sources: BTreeMap<String, SourceState>,
    bytes: usize,
    forgotten: u64,
}

fn weight(source: &str, state: &SourceState) -> usize {
    let file = state.file.as_ref().map_or(0, |file| file_weight(&file.path));
    entry_weight(source) + file + RANGE_BYTES * state.positions.ranges.len()
}

fn entry_weight(source: &str) -> usize {
    ENTRY_BYTES + escaped(source)
}

fn file_weight(path: &str) -> usize {
    FILE_BYTES + escaped(path)
}

/// The length of a text in JSON.
fn escaped(text: &str) -> usize {
    let length = |byte: u8| match byte {
        0..0x20 => 6,
        b'"' | b'\\' => 2,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

impl SourceTable {
    /// The number of sources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// What is known of a source.
    #[must_use]
    pub fn get(&self, source: &str) -> Option<&SourceState> {
        self.sources.get(source)
    }

    /// All sources, by identity.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SourceState)> {
        self.sources.iter().map(|(source, state)| (source.as_str(), state))
    }

    /// What is known of the sources whose names begin so.
    #[must_use]
    pub fn only(&self, prefix: &str) -> SourceTable {
        let mut table = SourceTable::default();
        for (source, state) in self.sources.iter().filter(|(source, _)| source.starts_with(prefix)) {
            table.swap(source, Some(state.clone()));
        }
        table
    }

    /// How often a source or a range was forgotten because a limit was reached.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Whether the span of the source is durable already.
    #[must_use]
    pub fn covers(&self, source: &str, span: Span) -> bool {
        self.sources.get(source).is_some_and(|state| state.positions.contains(span))
    }

    /// Sets what is known of a source and returns what was known before; `None` is nothing.
    pub fn swap(&mut self, source: &str, state: Option<SourceState>) -> Option<SourceState> {
        self.bytes += state.as_ref().map_or(0, |state| weight(source, state));
        let before = match state {
            Some(state) => match self.sources.get_mut(source) {
                Some(known) => Some(std::mem::replace(known, state)),
                None => self.sources.insert(source.to_owned(), state),
            },
            None => self.sources.remove(source),
        };
        self.bytes -= before.as_ref().map_or(0, |state| weight(source, state));
        before
    }

    /// Adds what a batch with a span says of its source.
    ///
    /// # Errors
    /// As [`SourceTable::insert`].
    pub fn learn(&mut self, batch: &RawBatch, span: Span) -> Result<Option<SourceState>, TooManySources> {
        let path = batch.origin.path.as_deref().unwrap_or_default();
        let file = batch.mark.map(|mark| KnownFile { path: path.to_owned(), mark });
        self.insert(&batch.origin.source, span, file, batch.received.as_millis())
    }

    /// Adds a span and returns what was known of the source before, by which [`SourceTable::swap`] takes it back.
    ///
    /// # Errors
    /// The table is full, and every source in it was seen less than [`SOURCE_IDLE_MS`] before `seen`.
    pub fn insert(
        &mut self,
        source: &str,
        span: Span,
        file: Option<KnownFile>,
        seen: i64,
    ) -> Result<Option<SourceState>, TooManySources> {
        let file_bytes = file.as_ref().map_or(0, |file| file_weight(&file.path));
        let full = |table: &SourceTable| {
            let new = if table.sources.contains_key(source) { 0 } else { entry_weight(source) };
            let more = new + file_bytes + RANGE_BYTES;
            table.bytes + more > TABLE_BYTES_MAX || (new > 0 && table.sources.len() >= SOURCES_MAX)
        };
        if full(self) {
            self.forget_idle(source, seen);
            if full(self) {
                return Err(TooManySources);
            }
        }
        let mut state = self.sources.get(source).cloned().unwrap_or_default();
        self.forgotten += u64::from(state.positions.insert(span));
        state.seen = state.seen.max(seen);
        state.file = file.or(state.file);
        Ok(self.swap(source, Some(state)))
    }

    /// All at once, so that a full table is not searched for every new source.
    fn forget_idle(&mut self, keep: &str, now: i64) {
        let before = self.sources.len();
        self.sources.retain(|source, state| source == keep || now.saturating_sub(state.seen) < SOURCE_IDLE_MS);
        self.forgotten += (before - self.sources.len()) as u64;
        self.bytes = self.sources.iter().map(|(source, state)| weight(source, state)).sum();
    }

    /// Adds what another table knows. Over the limits the sources seen longest ago are forgotten.
    pub fn merge(&mut self, other: &SourceTable) {
        for (source, theirs) in &other.sources {
            let merged = match self.sources.get(source) {
                None => theirs.clone(),
                Some(ours) => {
                    let mut newer = if ours.seen >= theirs.seen { ours.clone() } else { theirs.clone() };
                    newer.positions = ours.positions.clone();
                    newer.positions.merge(&theirs.positions);
                    newer
                }
            };
            self.swap(source, Some(merged));
        }
        if self.sources.len() > SOURCES_MAX || self.bytes > TABLE_BYTES_MAX {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let mut by_age: Vec<(i64, String)> =
            self.sources.iter().map(|(source, state)| (state.seen, source.clone())).collect();
        by_age.sort_unstable();
        for (_, source) in by_age {
            if self.sources.len() <= SOURCES_MAX && self.bytes <= TABLE_BYTES_MAX {
                return;
            }
            self.swap(&source, None);
            self.forgotten += 1;
        }
    }

    /// The table as JSON.
    ///
    /// # Errors
    /// Never in practice: the keys are strings.
    pub(super) fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&self.sources)
    }

    /// The table from JSON; `None` if it is none.
    pub(super) fn from_json(json: &[u8]) -> Option<SourceTable> {
        let sources: BTreeMap<String, SourceState> = serde_json::from_slice(json).ok()?;
        let bytes = sources.iter().map(|(source, state)| weight(source, state)).sum();
        let sound = sources.values().all(|state| state.positions.is_sound());
        sound.then_some(SourceTable { sources, bytes, forgotten: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(from: u64, to: u64) -> Span {
        Span { from, to }
    }

    fn check(spans: &[(u64, u64)], low: u64, ranges: &[(u64, u64)]) {
        let mut set = PositionSet::default();
        for &(from, to) in spans {
            set.insert(span(from, to));
        }
        assert_eq!(set, PositionSet { low, ranges: ranges.to_vec() }, "{spans:?}");
        assert!(set.is_sound(), "{set:?}");
    }

    #[test]
    fn spans_join() {
        check(&[(0, 5)], 5, &[]);
        check(&[(3, 5)], 0, &[(3, 5)]);
        check(&[(3, 5), (0, 3)], 5, &[]);
        check(&[(3, 5), (7, 9), (5, 7)], 0, &[(3, 9)]);
        check(&[(3, 5), (7, 9), (11, 12), (0, 20)], 20, &[]);
        check(&[(3, 5), (7, 9), (11, 12), (4, 11)], 0, &[(3, 12)]);
        check(&[(7, 7), (9, 3)], 0, &[]);
        check(&[(3, 5), (7, 9), (0, 4)], 5, &[(7, 9)]);
    }

    #[test]
    fn too_many_ranges_forget_the_lowest() {
        let mut set = PositionSet::default();
        for i in 1..=RANGES_MAX as u64 {
            assert!(!set.insert(span(i * 10, i * 10 + 1)));
        }
        assert!(set.insert(span(5, 6)));
        assert!(!set.contains(span(5, 6)));
        assert!(set.contains(span(10, 11)));
        assert!(set.insert(span(99_999, 100_000)));
        assert!(!set.contains(span(10, 11)));
        assert_eq!(set.ranges.len(), RANGES_MAX);
    }

    #[test]
    fn a_full_table_forgets_only_what_is_idle() {
        let mut table = SourceTable::default();
        for i in 0..SOURCES_MAX {
            let seen = if i == 7 { 0 } else { 1_000 };
            table.insert(&i.to_string(), span(0, 1), None, seen).unwrap();
        }
        assert_eq!(table.insert("new", span(0, 1), None, 2_000), Err(TooManySources));
        assert_eq!(table.insert("7", span(1, 2), None, 0).map(|known| known.is_some()), Ok(true));
        assert_eq!(table.insert("new", span(0, 1), None, SOURCE_IDLE_MS), Ok(None));
        assert_eq!((table.len(), table.forgotten()), (SOURCES_MAX, 1));
        assert!(table.get("7").is_none());
        let largest = SourceState {
            positions: PositionSet { low: u64::MAX - 2, ranges: vec![(u64::MAX - 1, u64::MAX)] },
            file: Some(KnownFile {
                path: "\u{1}\"".to_owned(),
                mark: FileMark { device: u64::MAX, inode: u64::MAX, prefix: u64::MAX, marker: u64::MAX },
            }),
            seen: i64::MIN,
        };
        let mut table = SourceTable::default();
        table.swap("\0\"\\\n\u{7f}ä", Some(largest));
        let json = table.to_json().unwrap();
        assert!(json.len() <= table.bytes, "{} {}", json.len(), table.bytes);
        assert_eq!(SourceTable::from_json(&json).unwrap().sources, table.sources);
    }

    #[test]
    fn unsound_tables_are_refused() {
        for json in [
            r#"{"a":{"low":5,"ranges":[[3,9]],"seen":1}}"#,
            r#"{"a":{"low":0,"ranges":[[9,3]],"seen":1}}"#,
            r#"{"a":{"low":0,"ranges":[[3,4],[4,5]],"seen":1}}"#,
            r#"{"a":{"low":-1,"seen":1}}"#,
            "[]",
        ] {
            assert_eq!(SourceTable::from_json(json.as_bytes()), None, "{json}");
        }
        assert!(SourceTable::from_json(br#"{"a":{"low":5,"seen":1,"later":"field"}}"#).is_some());
    }

    proptest! {
        #[test]
        fn a_set_is_a_set(spans in prop::collection::vec((0u64..60, 0u64..12), 0..40), probe in (0u64..70, 1u64..8)) {
            let mut set = PositionSet::default();
            let mut truth = [false; 100];
            for (from, len) in spans {
                set.insert(span(from, from + len));
                truth[from as usize..(from + len) as usize].fill(true);
            }
            prop_assert!(set.is_sound());
            let inside = truth[probe.0 as usize..(probe.0 + probe.1) as usize].iter().all(|&known| known);
            prop_assert_eq!(set.contains(span(probe.0, probe.0 + probe.1)), inside);
        }

        #[test]
        fn merging_is_a_union(
            left in prop::collection::vec((0u64..60, 1u64..9), 0..20),
            right in prop::collection::vec((0u64..60, 1u64..9), 0..20),
        ) {
            let table = |spans: &[(u64, u64)]| {
                let mut table = SourceTable::default();
                for &(from, len) in spans {
                    table.insert("s", span(from, from + len), None, 1).unwrap();
                }
                table
            };
            let mut merged = table(&left);
            merged.merge(&table(&right));
            prop_assert_eq!(&merged.sources, &table(&[left, right].concat()).sources);
            prop_assert_eq!(merged.bytes, merged.sources.iter().map(|(s, state)| weight(s, state)).sum::<usize>());
        }
    }
}
