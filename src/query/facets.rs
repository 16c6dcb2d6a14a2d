//! Which fields there are, and which values of a field.

use super::{
    FIELD_VALUES_MAX, FieldInfo, FieldType, FieldValues, QueryFailure, Relation, ValueCount, ValuesRequest,
    columns::unsigned_leaf,
    leaf::{Leaf, is_rounded},
    scan::{Columnless, LATE, Scan, SegmentScan},
    terms::{TERM_COUNTS_MAX, TermCounts},
};
use crate::{
    event::{Timestamp, Value},
    store::{COLUMNS_PER_PARTITION_MAX, column_path},
};
use logship_parsers::query::short_names::candidates;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};
use tantivy::{
    DocId, SegmentReader,
    columnar::{Cardinality, DynamicColumn},
    index::SegmentId,
};

/// Most different values of a field other than strings that are counted; what comes later is in no count, and the list
/// says so. Few in tests.
pub const VALUES_TRACKED_MAX: usize = if cfg!(test) { 200 } else { 1_000_000 };
/// Whole numbers that lie in a range this wide are counted by their place in it.
const NUMBERS_FLAT_MAX: i64 = 1 << 20;
/// Most segments whose fields are remembered.
const SEGMENTS_REMEMBERED_MAX: usize = 4_096;

/// The fields of segments, read once each: segments never change.
#[derive(Default)]
pub(super) struct SegmentFields {
    known: Mutex<HashMap<SegmentId, Arc<Vec<FieldInfo>>>>,
}

impl SegmentFields {
    /// The fields of the partitions of a scan, by name.
    pub(super) fn list(&self, scan: &Scan<'_>) -> Result<Vec<FieldInfo>, QueryFailure> {
        let mut all: BTreeMap<String, (BTreeSet<FieldType>, u64)> = BTreeMap::new();
        for (_, view) in scan.partitions() {
            for reader in view.searcher.segment_readers() {
                for field in self.of(reader)?.iter() {
                    if !all.contains_key(&field.name) {
                        all.insert(field.name.clone(), (BTreeSet::new(), 0));
                    }
                    if let Some((types, count)) = all.get_mut(&field.name) {
                        types.extend(&field.types);
                        *count += field.count;
                    }
                }
            }
        }
        let info = |(name, (types, count)): (String, (BTreeSet<FieldType>, u64))| FieldInfo {
            name,
            types: types.into_iter().collect(),
            count,
        };
        Ok(all.into_iter().map(info).collect())
    }

    fn of(&self, reader: &SegmentReader) -> Result<Arc<Vec<FieldInfo>>, QueryFailure> {
        let id = reader.segment_id();
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&id) {
            return Ok(known.clone());
        }
        let fields = Arc::new(read_fields(reader)?);
        let mut known = lock();
        if known.len() >= SEGMENTS_REMEMBERED_MAX {
            known.clear();
        }
        known.insert(id, fields.clone());
        Ok(fields)
    }
}

fn read_fields(reader: &SegmentReader) -> Result<Vec<FieldInfo>, QueryFailure> {
    let metadata = reader.fields_metadata()?;
    let names: BTreeSet<&str> = metadata.iter().filter_map(|field| field.field_name.strip_prefix("fields.")).collect();
    let mut fields = Vec::with_capacity(names.len());
    for name in names {
        let columns = open(reader, name)?;
        let types: BTreeSet<FieldType> = columns.iter().filter_map(field_type).collect();
        let count = match columns.as_slice() {
            [column] if column.get_cardinality() == Cardinality::Full => u64::from(reader.max_doc()),
            [column] if column.get_cardinality() == Cardinality::Optional => u64::from(column.num_values()),
            columns => {
                let has = |doc: &DocId| columns.iter().any(|column| column.column_index().has_value(*doc));
                (0..reader.max_doc()).filter(has).count() as u64
            }
        };
        if count > 0 {
            fields.push(FieldInfo { name: name.to_owned(), types: types.into_iter().collect(), count });
        }
    }
    Ok(fields)
}

fn open(reader: &SegmentReader, name: &str) -> Result<Vec<DynamicColumn>, QueryFailure> {
    let handles = reader.fast_fields().dynamic_column_handles(&column_path(name))?;
    let columns = handles.iter().map(|handle| handle.open()).collect::<Result<Vec<_>, _>>();
    Ok(columns.map_err(tantivy::TantivyError::from)?)
}

fn field_type(column: &DynamicColumn) -> Option<FieldType> {
    match column {
        DynamicColumn::Bool(_) => Some(FieldType::Boolean),
        DynamicColumn::I64(_) | DynamicColumn::U64(_) => Some(FieldType::Long),
        DynamicColumn::F64(_) => Some(FieldType::Double),
        DynamicColumn::Str(_) | DynamicColumn::DateTime(_) => Some(FieldType::String),
        DynamicColumn::IpAddr(_) | DynamicColumn::Bytes(_) => None,
    }
}

/// A value to count by. Floats by their bits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Counted {
    Bool(bool),
    Int(i64),
    Float(u64),
    Time(i64),
    Text(String),
}

impl Counted {
    fn number(leaf: Leaf<'_>) -> Counted {
        match leaf {
            Leaf::Int(number) => Counted::Int(number),
            Leaf::Float(number) => Counted::Float(number.to_bits()),
            Leaf::Bool(truth) => Counted::Bool(truth),
            Leaf::Time(nanos) => Counted::Time(nanos),
            Leaf::Text(text) => Counted::Text(text.to_owned()),
        }
    }

    fn value(self) -> Value {
        match self {
            Counted::Bool(truth) => Value::Bool(truth),
            Counted::Int(number) => Value::Int(number),
            Counted::Float(bits) => Value::Float(f64::from_bits(bits)),
            Counted::Time(nanos) => Value::Time(Timestamp::from_nanos(nanos)),
            Counted::Text(text) => Value::from(text),
        }
    }
}

/// The most frequent values of a field among the matches of a scan.
pub(super) fn values(scan: &Scan<'_>, request: &ValuesRequest) -> Result<FieldValues, QueryFailure> {
    if request.limit > FIELD_VALUES_MAX {
        let why = format!("limit {} is more than the {FIELD_VALUES_MAX} values of one list", request.limit);
        return Err(QueryFailure::Invalid(why));
    }
    let field = name_in(scan, &request.field)?;
    let mut tally = Tally::default();
    let mut warnings = scan.snapshot.set_aside().to_vec();
    for at in scan.newest_segments()? {
        if tally.terms.is_full() {
            let most = TERM_COUNTS_MAX;
            warnings.push(format!("there are more than {most} different values: the oldest events are not counted"));
            break;
        }
        if scan.stop.is_late()? || !tally.segment(scan.open(at)?, &field)? {
            warnings.push(LATE.to_owned());
            break;
        }
    }
    if tally.full {
        let why = format!("there are more than {VALUES_TRACKED_MAX} different numbers: later ones are not counted");
        warnings.push(why);
    }
    if tally.unread > 0 {
        let unread = tally.unread;
        warnings.push(format!(
            "{unread} events have this field as too long a text, too large a number or beyond the {COLUMNS_PER_PARTITION_MAX} \
             fields of a partition: their values are not counted"
        ));
    }
    let relation = if warnings.is_empty() { Relation::Eq } else { Relation::Gte };
    let (matched, missing) = (tally.matched, tally.missing);
    let (values, distinct) = tally.most_frequent(request.limit, || scan.stop.listening())?;
    Ok(FieldValues { field, values, distinct, matched, missing, relation, warnings })
}

/// The first of the fields that a name means which a segment of the scan has.
fn name_in(scan: &Scan<'_>, asked: &str) -> Result<String, QueryFailure> {
    for name in candidates(asked) {
        for (_, view) in scan.partitions() {
            for reader in view.searcher.segment_readers() {
                let columns = reader.fast_fields().dynamic_column_handles(&column_path(name))?;
                if !columns.is_empty() || Columnless::of(reader, name)?.is_some() {
                    return Ok(name.to_owned());
                }
            }
        }
    }
    Ok(asked.to_owned())
}

/// What was counted so far.
#[derive(Default)]
struct Tally {
    /// Strings.
    terms: TermCounts,
    /// All other values.
    others: HashMap<Counted, u64>,
    /// There were more of those than are counted.
    full: bool,
    matched: u64,
    missing: u64,
    /// Events whose values are not all in columns as they are.
    unread: u64,
}

impl Tally {
    /// Counts a segment; false where the deadline came before its end.
    fn segment(&mut self, mut segment: SegmentScan<'_>, field: &str) -> Result<bool, QueryFailure> {
        let mut columns: Vec<ColumnCounts> = open(segment.reader, field)?.into_iter().map(ColumnCounts::new).collect();
        let columnless = Columnless::of(segment.reader, field)?;
        let mut rest = segment.docs.clone();
        let mut whole = true;
        while whole && !rest.is_empty() {
            let window = SegmentScan::first_window(&rest);
            rest.start = window.end;
            let found;
            (found, whole) = segment.matches(window)?;
            self.matched += found.count();
            for doc in found.iter() {
                if columnless.as_ref().is_some_and(|columnless| columnless.has(doc)) {
                    self.unread += 1;
                    continue;
                }
                let (mut has, mut unread) = (false, false);
                for column in &mut columns {
                    has |= column.add(doc);
                    unread |= column.rounded;
                    column.leaves.drain(..).for_each(|leaf| self.count(leaf, 1));
                }
                self.missing += u64::from(!has);
                self.unread += u64::from(unread);
            }
        }
        for column in columns {
            match column.column {
                DynamicColumn::Str(terms) => self.terms.push(terms, &column.by_place),
                _ => {
                    for (number, count) in (column.first..).zip(column.by_place).filter(|(_, count)| *count > 0) {
                        self.count(Counted::Int(number), u64::from(count));
                    }
                }
            }
        }
        Ok(whole)
    }

    fn count(&mut self, value: Counted, more: u64) {
        if let Some(known) = self.others.get_mut(&value) {
            *known += more;
        } else if self.others.len() < VALUES_TRACKED_MAX {
            self.others.insert(value, more);
        } else {
            self.full = true;
        }
    }

    /// The most frequent values, and how many different ones there are.
    fn most_frequent(
        self,
        limit: usize,
        listening: impl Fn() -> Result<(), QueryFailure>,
    ) -> Result<(Vec<ValueCount>, u64), QueryFailure> {
        let mut distinct = self.others.len() as u64;
        let mut best = Best { limit, least_first: BinaryHeap::new() };
        self.others.into_iter().for_each(|(value, count)| best.offer(count, value));
        // Behind all other values and in order: of equally frequent ones, the earlier stay.
        self.terms.merge(listening, |term, count| {
            distinct += 1;
            if best.has_room(count) {
                best.offer(count, Counted::Text(String::from_utf8_lossy(term).into_owned()));
            }
        })?;
        let sorted = best.least_first.into_sorted_vec().into_iter();
        let values = sorted.map(|Reverse((count, Reverse(value)))| ValueCount { value: value.value(), count });
        Ok((values.collect(), distinct))
    }
}

/// The best of many values: the most frequent, then the smallest.
struct Best {
    limit: usize,
    least_first: BinaryHeap<Reverse<(u64, Reverse<Counted>)>>,
}

impl Best {
    /// Whether a value greater than all so far is one of the best.
    fn has_room(&self, count: u64) -> bool {
        self.least_first.len() < self.limit || self.least_first.peek().is_some_and(|Reverse((least, _))| count > *least)
    }

    fn offer(&mut self, count: u64, value: Counted) {
        self.least_first.push(Reverse((count, Reverse(value))));
        if self.least_first.len() > self.limit {
            self.least_first.pop();
        }
    }
}

/// The counts of one column of one segment: strings by their ordinal, near numbers by their distance from the first, other
/// values one document at a time.
struct ColumnCounts {
    column: DynamicColumn,
    by_place: Vec<u32>,
    /// The number that the first place stands for.
    first: i64,
    /// The places of one document, each once.
    places: Vec<u64>,
    /// Its values without a place, each once.
    leaves: Vec<Counted>,
    /// Values that the column may have rounded were left out of them.
    rounded: bool,
}

impl ColumnCounts {
    fn new(column: DynamicColumn) -> ColumnCounts {
        let (places, first) = match &column {
            DynamicColumn::Str(column) => (column.num_terms(), 0),
            DynamicColumn::I64(column) => match column.max_value().checked_sub(column.min_value()) {
                Some(width @ 0..NUMBERS_FLAT_MAX) => {
                    (usize::try_from(width).map_or(0, |width| width + 1), column.min_value())
                }
                _ => (0, 0),
            },
            _ => (0, 0),
        };
        let by_place = vec![0; places];
        ColumnCounts { column, by_place, first, places: Vec::new(), leaves: Vec::new(), rounded: false }
    }

    /// Counts the values of a document that have a place and leaves the others in `leaves`; whether it has any.
    fn add(&mut self, doc: DocId) -> bool {
        self.leaves.clear();
        self.places.clear();
        let (places, leaves, first) = (&mut self.places, &mut self.leaves, self.first);
        match &self.column {
            DynamicColumn::Str(column) => places.extend(column.term_ords(doc)),
            DynamicColumn::I64(column) if !self.by_place.is_empty() => {
                places.extend(column.values_for_doc(doc).map(|number| number.abs_diff(first)));
            }
            DynamicColumn::I64(column) => leaves.extend(column.values_for_doc(doc).map(Counted::Int)),
            DynamicColumn::Bool(column) => leaves.extend(column.values_for_doc(doc).map(Counted::Bool)),
            DynamicColumn::U64(column) => {
                leaves.extend(column.values_for_doc(doc).map(|number| Counted::number(unsigned_leaf(number))));
            }
            DynamicColumn::F64(column) => {
                let exact = |leaf: &Leaf<'_>| !is_rounded(*leaf);
                leaves.extend(column.values_for_doc(doc).map(Leaf::of_float).filter(exact).map(Counted::number));
                self.rounded = leaves.len() < column.values_for_doc(doc).count();
            }
            DynamicColumn::DateTime(column) => {
                leaves.extend(column.values_for_doc(doc).map(|time| Counted::Time(time.into_timestamp_nanos())));
            }
            DynamicColumn::IpAddr(_) | DynamicColumn::Bytes(_) => {}
        }
        places.sort_unstable();
        places.dedup();
        leaves.sort_unstable();
        leaves.dedup();
        for place in places.iter() {
            if let Some(known) = usize::try_from(*place).ok().and_then(|place| self.by_place.get_mut(place)) {
                *known += 1;
            }
        }
        !places.is_empty() || !leaves.is_empty() || self.rounded
    }
}
