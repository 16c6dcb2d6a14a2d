//! Which fields there are, and which values of a field.

use super::{
    FIELD_VALUES_MAX, FieldInfo, FieldType, FieldValues, QueryFailure, ValueCount, ValuesRequest,
    columns::unsigned_leaf,
    leaf::Leaf,
    scan::{Scan, SegmentScan},
};
use crate::{
    event::{Timestamp, Value},
    store::column_path,
};
use logship_parsers::query::short_names::candidates;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
};
use tantivy::{
    DocId, SegmentReader,
    columnar::{Cardinality, DynamicColumn},
    index::SegmentId,
};

/// Most different values of a field that are counted; what comes later is in no count, and `distinct` is at least this.
pub const VALUES_TRACKED_MAX: usize = 1_000_000;
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
    fn new(leaf: Leaf<'_>) -> Counted {
        match leaf {
            Leaf::Bool(truth) => Counted::Bool(truth),
            Leaf::Int(number) => Counted::Int(number),
            Leaf::Float(number) => Counted::Float(number.to_bits()),
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
    let mut counts: HashMap<Counted, u64> = HashMap::new();
    let (mut matched, mut missing) = (0, 0);
    for at in scan.segments()? {
        let mut segment = scan.open(at)?;
        let mut columns: Vec<ColumnCounts> = open(segment.reader, &field)?.into_iter().map(ColumnCounts::new).collect();
        let mut rest = segment.docs.clone();
        while !rest.is_empty() {
            let window = SegmentScan::first_window(&rest);
            rest.start = window.end;
            let found = segment.matches(window)?;
            matched += found.count();
            for doc in found.iter() {
                let mut has = false;
                for column in &mut columns {
                    has |= column.add(doc, &mut counts);
                }
                missing += u64::from(!has);
            }
        }
        for column in columns {
            column.finish(&mut counts)?;
        }
    }
    let distinct = counts.len() as u64;
    let mut sorted: Vec<(Counted, u64)> = counts.into_iter().collect();
    let order = |a: &(Counted, u64), b: &(Counted, u64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0));
    if sorted.len() > request.limit && request.limit > 0 {
        sorted.select_nth_unstable_by(request.limit - 1, order);
    }
    sorted.truncate(request.limit);
    sorted.sort_by(order);
    let values = sorted.into_iter().map(|(value, count)| ValueCount { value: value.value(), count }).collect();
    Ok(FieldValues { field, values, distinct, matched, missing })
}

/// The first of the fields that a name means which a segment of the scan has.
fn name_in(scan: &Scan<'_>, asked: &str) -> Result<String, QueryFailure> {
    for name in candidates(asked) {
        for (_, view) in scan.partitions() {
            for reader in view.searcher.segment_readers() {
                if !reader.fast_fields().dynamic_column_handles(&column_path(name))?.is_empty() {
                    return Ok(name.to_owned());
                }
            }
        }
    }
    Ok(asked.to_owned())
}

fn count(counts: &mut HashMap<Counted, u64>, value: Counted, more: u64) {
    if counts.len() < VALUES_TRACKED_MAX || counts.contains_key(&value) {
        *counts.entry(value).or_default() += more;
    }
}

/// The counts of one column of one segment: strings by their ordinal, the rest at once.
struct ColumnCounts {
    column: DynamicColumn,
    by_ord: Vec<u32>,
    /// The values of one document, each once.
    ords: Vec<u64>,
    leaves: Vec<Counted>,
}

impl ColumnCounts {
    fn new(column: DynamicColumn) -> ColumnCounts {
        let terms = match &column {
            DynamicColumn::Str(column) => column.num_terms(),
            _ => 0,
        };
        ColumnCounts { column, by_ord: vec![0; terms], ords: Vec::new(), leaves: Vec::new() }
    }

    /// Counts the values of a document; whether it has any.
    fn add(&mut self, doc: DocId, counts: &mut HashMap<Counted, u64>) -> bool {
        self.ords.clear();
        self.leaves.clear();
        let leaves = &mut self.leaves;
        match &self.column {
            DynamicColumn::Str(column) => self.ords.extend(column.term_ords(doc)),
            DynamicColumn::Bool(column) => leaves.extend(column.values_for_doc(doc).map(Counted::Bool)),
            DynamicColumn::I64(column) => leaves.extend(column.values_for_doc(doc).map(Counted::Int)),
            DynamicColumn::U64(column) => {
                leaves.extend(column.values_for_doc(doc).map(|number| Counted::new(unsigned_leaf(number))));
            }
            DynamicColumn::F64(column) => {
                leaves.extend(column.values_for_doc(doc).map(|number| Counted::new(Leaf::of_float(number))));
            }
            DynamicColumn::DateTime(column) => {
                leaves.extend(column.values_for_doc(doc).map(|time| Counted::Time(time.into_timestamp_nanos())));
            }
            DynamicColumn::IpAddr(_) | DynamicColumn::Bytes(_) => {}
        }
        self.ords.sort_unstable();
        self.ords.dedup();
        for ord in &self.ords {
            if let Some(known) = usize::try_from(*ord).ok().and_then(|ord| self.by_ord.get_mut(ord)) {
                *known += 1;
            }
        }
        let has = !self.ords.is_empty() || !self.leaves.is_empty();
        self.leaves.sort_unstable();
        self.leaves.dedup();
        self.leaves.drain(..).for_each(|leaf| count(counts, leaf, 1));
        has
    }

    /// Adds what was counted by ordinal.
    fn finish(self, counts: &mut HashMap<Counted, u64>) -> Result<(), QueryFailure> {
        let DynamicColumn::Str(column) = &self.column else { return Ok(()) };
        // In the order of the dictionary, whose blocks are then each unpacked once.
        let mut stream = column.dictionary().stream().map_err(tantivy::TantivyError::from)?;
        while stream.advance() {
            let times = usize::try_from(stream.term_ord()).ok().and_then(|ord| self.by_ord.get(ord)).copied();
            if let Some(times) = times.filter(|times| *times > 0) {
                let text = String::from_utf8_lossy(stream.key()).into_owned();
                count(counts, Counted::Text(text), u64::from(times));
            }
        }
        Ok(())
    }
}
