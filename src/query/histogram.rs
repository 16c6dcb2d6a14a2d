//! Counts over time.

use super::{
    HISTOGRAM_BUCKETS_MAX, HISTOGRAM_SERIES_MAX, Histogram, HistogramRequest, QueryFailure, Relation, Series,
    columns::unsigned_leaf,
    field_test::is_level,
    leaf::{Leaf, is_rounded},
    scan::{Columnless, LATE, Scan, SegmentScan},
};
use crate::store::column_path;
use logship_parsers::query::{severity::severity, short_names::candidates};
use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
};
use tantivy::{DocId, SegmentReader, columnar::DynamicColumn};

/// Most values of the field that are counted apart; what comes later is part of `other`.
pub const SERIES_TRACKED_MAX: usize = 1_000;
/// Widths of bars in milliseconds; beyond them, whole days.
const STEPS_MS: [i64; 28] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
    900_000, 1_800_000, 3_600_000, 7_200_000, 10_800_000, 14_400_000, 21_600_000, 43_200_000, DAY_MS,
];
const DAY_MS: i64 = 86_400_000;

/// The round width that gives at most `buckets` bars from `from` up to but not including `to`, and the bars' beginning.
fn steps(from: i64, to: i64, buckets: usize) -> (i64, i64, usize) {
    let buckets = i128::try_from(buckets.clamp(1, HISTOGRAM_BUCKETS_MAX)).unwrap_or(1);
    let bars = |step: i64| {
        let first = i128::from(from).div_euclid(i128::from(step));
        let end = (i128::from(to) + i128::from(step) - 1).div_euclid(i128::from(step));
        (end - first).max(1)
    };
    let span = i128::from(to) - i128::from(from);
    let fits = |step: &i64| span <= buckets * i128::from(*step) && bars(*step) <= HISTOGRAM_BUCKETS_MAX as i128;
    let days = || {
        let whole = (span / (buckets * i128::from(DAY_MS)) + 1).max(2);
        i64::try_from(whole).unwrap_or(i64::MAX / DAY_MS).saturating_mul(DAY_MS)
    };
    let step = STEPS_MS.into_iter().find(fits).unwrap_or_else(days);
    let start = from.div_euclid(step).saturating_mul(step);
    (start, step, usize::try_from(bars(step)).unwrap_or(1).min(HISTOGRAM_BUCKETS_MAX))
}

/// Counts the matches of the scan by time.
pub(super) fn histogram(scan: &Scan<'_>, request: &HistogramRequest) -> Result<Histogram, QueryFailure> {
    if request.buckets > HISTOGRAM_BUCKETS_MAX {
        let why = format!("{} bars are more than the {HISTOGRAM_BUCKETS_MAX} of one histogram", request.buckets);
        return Err(QueryFailure::Invalid(why));
    }
    let first = scan.partitions().map(|(_, view)| view.min_time.as_millis()).min();
    let last = scan.partitions().map(|(_, view)| view.max_time.as_millis().saturating_add(1)).max();
    let asked = |at: i64, open: i64| (at != open).then_some(at);
    let from = asked(scan.from, i64::MIN).or(first).or(asked(scan.to, i64::MAX)).unwrap_or_default();
    let to = asked(scan.to, i64::MAX).or(last).unwrap_or(from).max(from);
    let (start, step, bars) = steps(from, to, request.buckets);
    let mut counts = Counts { by_key: HashMap::new(), other: vec![0; bars], none: vec![0; bars] };
    let mut warnings = scan.snapshot.set_aside().to_vec();
    'segments: for at in scan.newest_segments()? {
        if scan.stop.is_late()? {
            warnings.push(LATE.to_owned());
            break;
        }
        let mut segment = scan.open(at)?;
        let mut keys = match &request.by {
            Some(field) => Some(Keys::new(segment.reader, field)?),
            None => None,
        };
        let mut rest = segment.docs.clone();
        while !rest.is_empty() {
            let window = SegmentScan::first_window(&rest);
            rest.start = window.end;
            let (found, whole) = segment.matches(window)?;
            for doc in found.iter() {
                let bar = (i128::from(segment.millis(doc)) - i128::from(start)).div_euclid(i128::from(step));
                let Ok(bar) = usize::try_from(bar) else { continue };
                let key = keys.as_mut().map(|keys| keys.of(doc)).transpose()?.unwrap_or(SeriesKey::None);
                counts.add(&key, bar.min(bars - 1), bars);
            }
            if !whole {
                warnings.push(LATE.to_owned());
                break 'segments;
            }
        }
    }
    let relation = if warnings.is_empty() { Relation::Eq } else { Relation::Gte };
    let series = counts.series();
    let total = series.iter().flat_map(|series| &series.counts).sum();
    let to_ms = start.saturating_add(step.saturating_mul(i64::try_from(bars).unwrap_or(i64::MAX)));
    Ok(Histogram { from_ms: start, to_ms, step_ms: step, series, total, relation, warnings })
}

/// By what an event is counted.
enum SeriesKey<'a> {
    /// It has no such field.
    None,
    /// The value.
    Named(Cow<'a, str>),
    /// No column holds its value as it is.
    Other,
}

struct Counts {
    by_key: HashMap<String, Vec<u64>>,
    other: Vec<u64>,
    none: Vec<u64>,
}

impl Counts {
    fn add(&mut self, key: &SeriesKey<'_>, bar: usize, bars: usize) {
        let counts = match key {
            SeriesKey::None => &mut self.none,
            SeriesKey::Named(key) => {
                if self.by_key.len() < SERIES_TRACKED_MAX && !self.by_key.contains_key(&**key) {
                    self.by_key.insert(key.clone().into_owned(), vec![0; bars]);
                }
                self.by_key.get_mut(&**key).unwrap_or(&mut self.other)
            }
            SeriesKey::Other => &mut self.other,
        };
        if let Some(count) = counts.get_mut(bar) {
            *count += 1;
        }
    }

    fn series(mut self) -> Vec<Series> {
        let mut series: Vec<Series> = self.by_key.into_iter().map(|(key, counts)| Series { key, counts }).collect();
        series.sort_by_cached_key(|series| (std::cmp::Reverse(series.counts.iter().sum::<u64>()), series.key.clone()));
        let named = HISTOGRAM_SERIES_MAX - 2;
        let kept = if series.len() < HISTOGRAM_SERIES_MAX { series.len() } else { named };
        for rest in series.drain(kept..) {
            self.other.iter_mut().zip(rest.counts).for_each(|(sum, count)| *sum += count);
        }
        let filled = |counts: &Vec<u64>| counts.iter().any(|count| *count > 0);
        if filled(&self.none) || (series.is_empty() && !filled(&self.other)) {
            series.push(Series { key: String::new(), counts: self.none });
        }
        if filled(&self.other) {
            series.push(Series { key: "other".to_owned(), counts: self.other });
        }
        series
    }
}

/// The value of a field by which an event is counted: the first one of the first column that has one.
struct Keys {
    columns: Vec<(DynamicColumn, HashMap<u64, String>)>,
    columnless: Vec<Columnless>,
    level: bool,
}

impl Keys {
    fn new(reader: &SegmentReader, field: &str) -> Result<Keys, QueryFailure> {
        let (mut columns, mut columnless) = (Vec::new(), Vec::new());
        for name in candidates(field) {
            columnless.extend(Columnless::of(reader, name)?);
            for handle in reader.fast_fields().dynamic_column_handles(&column_path(name))? {
                columns.push((handle.open().map_err(tantivy::TantivyError::from)?, HashMap::new()));
            }
        }
        Ok(Keys { columns, columnless, level: is_level(field) })
    }

    fn of(&mut self, doc: DocId) -> Result<SeriesKey<'_>, QueryFailure> {
        if self.columnless.iter().any(|columnless| columnless.has(doc)) {
            return Ok(SeriesKey::Other);
        }
        let level = self.level;
        for (column, known) in &mut self.columns {
            let leaf = match column {
                DynamicColumn::Str(column) => {
                    let Some(ord) = column.term_ords(doc).next() else { continue };
                    if known.len() > SERIES_TRACKED_MAX && !known.contains_key(&ord) {
                        known.clear();
                    }
                    let name = match known.entry(ord) {
                        Entry::Occupied(known) => known.into_mut(),
                        Entry::Vacant(free) => {
                            let mut text = String::new();
                            column.ord_to_str(ord, &mut text).map_err(tantivy::TantivyError::from)?;
                            free.insert(if level { level_name(&text) } else { text })
                        }
                    };
                    return Ok(SeriesKey::Named(Cow::Borrowed(name.as_str())));
                }
                other => first_leaf(other, doc),
            };
            if let Some(leaf) = leaf {
                if is_rounded(leaf) {
                    return Ok(SeriesKey::Other);
                }
                return Ok(SeriesKey::Named(Cow::Owned(leaf.text().into_owned())));
            }
        }
        Ok(SeriesKey::None)
    }
}

/// The first number, truth or time of a document.
pub(super) fn first_leaf(column: &DynamicColumn, doc: DocId) -> Option<Leaf<'static>> {
    match column {
        DynamicColumn::Bool(column) => column.first(doc).map(Leaf::Bool),
        DynamicColumn::I64(column) => column.first(doc).map(Leaf::Int),
        DynamicColumn::U64(column) => column.first(doc).map(unsigned_leaf),
        DynamicColumn::F64(column) => column.first(doc).map(Leaf::of_float),
        DynamicColumn::DateTime(column) => column.first(doc).map(|time| Leaf::Time(time.into_timestamp_nanos())),
        DynamicColumn::Str(_) | DynamicColumn::IpAddr(_) | DynamicColumn::Bytes(_) => None,
    }
}

/// One name for all names of a severity.
pub(super) fn level_name(text: &str) -> String {
    match severity(text) {
        Some(1) => "trace".to_owned(),
        Some(5) => "debug".to_owned(),
        Some(9) => "info".to_owned(),
        Some(13) => "warn".to_owned(),
        Some(17) => "error".to_owned(),
        Some(18) => "critical".to_owned(),
        Some(21) => "fatal".to_owned(),
        _ => text.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_round_and_few() {
        let check = |from, to, buckets, expected| assert_eq!(steps(from, to, buckets), expected, "{from}..{to}");
        check(0, 60_000, 60, (0, 1_000, 60));
        check(1_500, 61_500, 60, (1_000, 1_000, 61));
        check(0, 1, 60, (0, 1, 1));
        check(0, 0, 60, (0, 1, 1));
        check(0, DAY_MS * 60, 60, (0, DAY_MS, 60));
        check(5, 5 + DAY_MS * 500, 500, (0, 2 * DAY_MS, 251));
        check(-1, 1, 500, (-1, 1, 2));
        assert!(steps(i64::MIN, i64::MAX, 500).2 <= HISTOGRAM_BUCKETS_MAX);
    }

    #[test]
    fn levels_have_one_name() {
        let cases = [("WARNING", "warn"), ("err", "error"), ("Custom", "custom"), ("notice", "notice")];
        for (text, expected) in cases {
            assert_eq!(level_name(text), expected);
        }
    }
}
