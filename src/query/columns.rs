//! Conditions on the columns of one segment, answered a window of documents at a time.

use super::{
    field_test::{End, ValueTest, Wanted},
    leaf::{FLOAT_EXACT_MAX, Leaf},
    window::Window,
};
use std::{cmp::Ordering, ops::RangeInclusive};
use tantivy::{
    DateTime, DocId,
    columnar::{Column, ColumnIndex, Dictionary, DynamicColumn, StrColumn, TermOrdHit},
};

/// Ranges of a dictionary that are read for one text in any case: two to the power of the letters looked at.
const CASE_LETTERS_MAX: usize = 4;

/// Which documents of a segment have a value that passes, by one column.
pub(super) enum ColumnScan {
    /// Ordinals or numbers in a range: the engine compares many at once.
    Ords(Column<u64>, RangeInclusive<u64>),
    Ints(Column<i64>, RangeInclusive<i64>),
    /// Ordinals that a dictionary was asked for.
    OrdSet(Column<u64>, Vec<u64>),
    /// Values that are asked one by one.
    IntTest(Column<i64>, ValueTest),
    UnsignedTest(Column<u64>, ValueTest),
    FloatTest(Column<f64>, ValueTest),
    Bools(Column<bool>, [bool; 2]),
    TimeTest(Column<DateTime>, ValueTest),
    /// Any value.
    Present(ColumnIndex),
}

impl ColumnScan {
    /// The scans that answer the test for this column, and whether they do so exactly.
    pub(super) fn new(column: DynamicColumn, test: &ValueTest) -> std::io::Result<(Vec<ColumnScan>, bool)> {
        if matches!(test, ValueTest::Exists) {
            return Ok((vec![ColumnScan::Present(column.column_index().clone())], true));
        }
        Ok(match column {
            DynamicColumn::Str(column) => (text_scan(&column, test)?.into_iter().collect(), true),
            DynamicColumn::I64(column) => match int_ranges(test) {
                Some(ranges) => {
                    let (min, max) = (column.min_value(), column.max_value());
                    let near = ranges.into_iter().filter(|range| *range.start() <= max && *range.end() >= min);
                    (near.map(|range| ColumnScan::Ints(column.clone(), range)).collect(), true)
                }
                None => (vec![ColumnScan::IntTest(column, test.clone())], true),
            },
            DynamicColumn::U64(column) => (vec![ColumnScan::UnsignedTest(column, test.clone())], true),
            DynamicColumn::F64(column) => {
                // Beyond this, the column may have rounded a whole number.
                let exact = column.min_value() > -FLOAT_EXACT_MAX && column.max_value() < FLOAT_EXACT_MAX;
                if exact {
                    (vec![ColumnScan::FloatTest(column, test.clone())], true)
                } else {
                    (vec![ColumnScan::Present(column.index)], false)
                }
            }
            DynamicColumn::Bool(column) => {
                let passing = [false, true].map(|truth| test.matches(Leaf::Bool(truth)));
                (vec![ColumnScan::Bools(column, passing)], true)
            }
            DynamicColumn::DateTime(column) => (vec![ColumnScan::TimeTest(column, test.clone())], true),
            DynamicColumn::IpAddr(_) | DynamicColumn::Bytes(_) => (Vec::new(), true),
        })
    }

    /// The documents of the window that pass.
    pub(super) fn scan(&self, window: &mut Window) {
        match self {
            ColumnScan::Ords(column, range) => ranged(column, range.clone(), window),
            ColumnScan::Ints(column, range) => ranged(column, range.clone(), window),
            ColumnScan::OrdSet(column, set) => each(column, window, |ord| has_bit(set, ord)),
            ColumnScan::IntTest(column, test) => each(column, window, |number| test.matches(Leaf::Int(number))),
            ColumnScan::UnsignedTest(column, test) => {
                each(column, window, |number| test.matches(unsigned_leaf(number)));
            }
            ColumnScan::FloatTest(column, test) => each(column, window, |number| test.matches(Leaf::of_float(number))),
            ColumnScan::Bools(column, passing) => each(column, window, |truth| passing[usize::from(truth)]),
            ColumnScan::TimeTest(column, test) => {
                each(column, window, |time| test.matches(Leaf::Time(time.into_timestamp_nanos())));
            }
            ColumnScan::Present(index) => {
                for doc in window.docs() {
                    if index.has_value(doc) {
                        window.insert(doc);
                    }
                }
            }
        }
    }
}

/// A number of an unsigned column as a leaf.
pub(super) fn unsigned_leaf(number: u64) -> Leaf<'static> {
    #[allow(clippy::cast_precision_loss, reason = "no event holds a whole number this large")]
    i64::try_from(number).map_or(Leaf::Float(number as f64), Leaf::Int)
}

fn ranged<T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static>(
    column: &Column<T>,
    range: RangeInclusive<T>,
    window: &mut Window,
) {
    let mut docs: Vec<DocId> = Vec::new();
    column.get_docids_for_value_range(range, window.docs(), &mut docs);
    docs.into_iter().for_each(|doc| window.insert(doc));
}

fn each<T: PartialOrd + Copy + std::fmt::Debug + Send + Sync + 'static>(
    column: &Column<T>,
    window: &mut Window,
    test: impl Fn(T) -> bool,
) {
    for doc in window.docs() {
        if column.values_for_doc(doc).any(&test) {
            window.insert(doc);
        }
    }
}

pub(super) fn has_bit(set: &[u64], at: u64) -> bool {
    usize::try_from(at / 64).ok().and_then(|word| set.get(word)).is_some_and(|word| word >> (at % 64) & 1 == 1)
}

/// The whole numbers that pass, where they are few ranges; none where each number must be asked.
fn int_ranges(test: &ValueTest) -> Option<Vec<RangeInclusive<i64>>> {
    match test {
        ValueTest::OneOf { wanted, .. } => {
            Some(wanted.iter().flat_map(|wanted| [equal_ints(wanted), same_text(wanted)]).flatten().collect())
        }
        ValueTest::Range { low: End::Open, high: End::Open } => None,
        ValueTest::Range { low, high } => {
            let numeric = |end: &End| match end {
                End::Open => true,
                End::At(wanted, _) => wanted.quantity.is_some() && wanted.severity.is_none(),
            };
            if !numeric(low) || !numeric(high) {
                return None;
            }
            let from = first(|number| low.admits(Leaf::Int(number), Ordering::Greater));
            let to = last(|number| high.admits(Leaf::Int(number), Ordering::Less));
            Some(from.zip(to).filter(|(from, to)| from <= to).map(|(from, to)| from..=to).into_iter().collect())
        }
        _ => None,
    }
}

fn equal_ints(wanted: &Wanted) -> Option<RangeInclusive<i64>> {
    let quantity = wanted.quantity?;
    let order = |number: i64| quantity.order_of(Leaf::Int(number));
    let from = first(|number| matches!(order(number), Some(Ordering::Equal | Ordering::Greater)))?;
    let to = last(|number| matches!(order(number), Some(Ordering::Equal | Ordering::Less)))?;
    (from <= to).then_some(from..=to)
}

fn same_text(wanted: &Wanted) -> Option<RangeInclusive<i64>> {
    match Leaf::of_text(&wanted.text) {
        Leaf::Int(number) => Some(number..=number),
        _ => None,
    }
}

/// The first number for which a condition holds that goes on holding.
fn first(holds: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut low, mut high) = (i128::from(i64::MIN), i128::from(i64::MAX) + 1);
    while low < high {
        let middle = (low + high).div_euclid(2);
        if i64::try_from(middle).is_ok_and(&holds) { high = middle } else { low = middle + 1 }
    }
    i64::try_from(low).ok()
}

/// The last number for which a condition holds that held before.
fn last(holds: impl Fn(i64) -> bool) -> Option<i64> {
    match first(|number| !holds(number)) {
        Some(number) => number.checked_sub(1),
        None => Some(i64::MAX),
    }
}

/// Asks the dictionary which of its terms pass; none if no term does.
fn text_scan(column: &StrColumn, test: &ValueTest) -> std::io::Result<Option<ColumnScan>> {
    let terms = column.dictionary();
    let mut ords = Vec::new();
    match test {
        ValueTest::OneOf { wanted, exact: true } => {
            for wanted in wanted {
                ords.extend(terms.term_ord(wanted.text.as_bytes())?);
                if wanted.has_unit() {
                    // Text with a unit that says the same.
                    ask(terms, &[Vec::new()], test, &mut ords)?;
                }
            }
        }
        ValueTest::OneOf { wanted, exact: false } => {
            for wanted in wanted {
                let whole = wanted.has_unit() || wanted.severity.is_some();
                let beginnings = if whole { vec![Vec::new()] } else { beginnings(&wanted.lower) };
                ask(terms, &beginnings, test, &mut ords)?;
            }
        }
        ValueTest::Pattern { prefix, .. } => ask(terms, &beginnings(prefix), test, &mut ords)?,
        ValueTest::Range { low, high } => match (text_bound(terms, low, true)?, text_bound(terms, high, false)?) {
            (Some(from), Some(to)) => {
                return Ok((from < to).then(|| ColumnScan::Ords(column.ords().clone(), from..=to - 1)));
            }
            _ => ask(terms, &[Vec::new()], test, &mut ords)?,
        },
        ValueTest::Cidr(_) | ValueTest::Exists => ask(terms, &[Vec::new()], test, &mut ords)?,
    }
    ords.sort_unstable();
    ords.dedup();
    let (Some(&from), Some(&to)) = (ords.first(), ords.last()) else { return Ok(None) };
    if to - from + 1 == ords.len() as u64 {
        return Ok(Some(ColumnScan::Ords(column.ords().clone(), from..=to)));
    }
    let mut set = vec![0u64; terms.num_terms().div_ceil(64)];
    for ord in ords {
        if let Some(word) = usize::try_from(ord / 64).ok().and_then(|word| set.get_mut(word)) {
            *word |= 1 << (ord % 64);
        }
    }
    Ok(Some(ColumnScan::OrdSet(column.ords().clone(), set)))
}

/// The ordinal at which terms of the range begin (`low`) or no longer belong to it, for a limit that is plain text.
fn text_bound(terms: &Dictionary, end: &End, low: bool) -> std::io::Result<Option<u64>> {
    let End::At(wanted, included) = end else {
        return Ok(Some(if low { 0 } else { terms.num_terms() as u64 }));
    };
    if wanted.quantity.is_some() || wanted.severity.is_some() || wanted.time.is_some() {
        return Ok(None);
    }
    Ok(Some(match terms.term_ord_or_next(wanted.text.as_bytes())? {
        TermOrdHit::Exact(ord) => ord + u64::from(*included != low),
        TermOrdHit::Next(ord) => ord.min(terms.num_terms() as u64),
    }))
}

/// The ways in which a text that is `lower` in lower case may begin. Beyond ASCII there are more than one can list.
fn beginnings(lower: &str) -> Vec<Vec<u8>> {
    let mut all = vec![Vec::new()];
    let mut letters = 0;
    for byte in lower.bytes().take_while(u8::is_ascii) {
        if byte.is_ascii_alphabetic() {
            if letters == CASE_LETTERS_MAX {
                break;
            }
            letters += 1;
            let upper = all.iter().cloned().map(|mut start: Vec<u8>| {
                start.push(byte.to_ascii_uppercase());
                start
            });
            let upper: Vec<_> = upper.collect();
            all.iter_mut().for_each(|start| start.push(byte));
            all.extend(upper);
        } else {
            all.iter_mut().for_each(|start| start.push(byte));
        }
    }
    all
}

/// The ordinals of the terms with one of these beginnings that pass.
fn ask(terms: &Dictionary, beginnings: &[Vec<u8>], test: &ValueTest, ords: &mut Vec<u64>) -> std::io::Result<()> {
    for start in beginnings {
        let mut stream = terms.prefix_range(start).into_stream()?;
        while stream.advance() {
            if std::str::from_utf8(stream.key()).is_ok_and(|text| test.matches(Leaf::Text(text))) {
                ords.push(stream.term_ord());
            }
        }
    }
    Ok(())
}

/// The documents whose value is this text, ignoring case, over a string column.
pub(super) fn equal_text(column: &StrColumn, lower: &str) -> std::io::Result<Vec<u64>> {
    let mut ords = Vec::new();
    for start in beginnings(lower) {
        let mut stream = column.dictionary().prefix_range(start).into_stream()?;
        while stream.advance() {
            if std::str::from_utf8(stream.key()).is_ok_and(|text| super::leaf::equal_folded(text, lower)) {
                ords.push(stream.term_ord());
            }
        }
    }
    Ok(ords)
}
