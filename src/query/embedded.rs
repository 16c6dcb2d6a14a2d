//! The embedded store behind [`Backend`].
//!
//! Rows: segments newest first, in each windows of documents from the end, until no older document can be among the
//! newest asked for. Only those are read. Counting comes afterwards and looks at the deadline between windows. Memory: the
//! keys of a page, one planned segment, and what a list of values or a histogram names as its limits.

use super::{
    Backend, Count, Cursor, FieldInfo, FieldValues, Histogram, HistogramRequest, QueryFailure, RESULT_PAGE_MAX,
    Relation, Scope, SearchRequest, Summary, ValuesRequest,
    facets::{self, SegmentFields},
    histogram,
    scan::{Scan, SegmentScan},
};
use crate::{
    clock,
    flow::{EventId, Stored},
    store::{Row, Snapshot, SnapshotHandle},
};
use logship_parsers::query::{
    ast::Query,
    short_names::{SHORT_NAMES, candidates, suggest},
};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    ops::ControlFlow,
    time::Instant,
};

/// Documents that are asked about one by one between two looks at the deadline.
const ASKED_MAX: usize = 64;
/// Most warnings about unknown fields.
const WARNINGS_MAX: usize = 8;

/// Answers from the store of this process.
pub struct Embedded {
    source: Source,
    fields: SegmentFields,
}

enum Source {
    Live(SnapshotHandle),
    Fixed(Snapshot),
}

impl Embedded {
    /// Over a store that is being written to: each question sees its last commit.
    #[must_use]
    pub fn new(store: SnapshotHandle) -> Embedded {
        Embedded { source: Source::Live(store), fields: SegmentFields::default() }
    }

    /// Over one snapshot, as a process that only reads has it.
    #[must_use]
    pub fn of_snapshot(snapshot: Snapshot) -> Embedded {
        Embedded { source: Source::Fixed(snapshot), fields: SegmentFields::default() }
    }

    fn snapshot(&self) -> Snapshot {
        match &self.source {
            Source::Live(handle) => handle.get(),
            Source::Fixed(snapshot) => snapshot.clone(),
        }
    }
}

/// What rows are ordered by, newest greatest.
type Key = (i64, EventId);

/// The keys of the newest `wanted` matches behind the cursor, newest first.
fn newest(scan: &Scan<'_>, wanted: usize, cursor: Option<Cursor>) -> Result<Vec<(Key, Row)>, QueryFailure> {
    let mut found: BinaryHeap<Reverse<(Key, Row)>> = BinaryHeap::new();
    if wanted == 0 {
        return Ok(Vec::new());
    }
    let behind = cursor.map_or((i64::MAX, None), |cursor| (cursor.time_ms, Some((cursor.time_ms, cursor.id))));
    let mut segments = scan.segments()?;
    segments.sort_by_key(|segment| Reverse(segment.latest));
    for at in segments {
        let full = |found: &BinaryHeap<Reverse<(Key, Row)>>| {
            if found.len() < wanted { None } else { found.peek().map(|Reverse((key, _))| *key) }
        };
        if full(&found).is_some_and(|least| at.latest < least.0) {
            break;
        }
        let mut segment = scan.open(at)?;
        let mut rest = segment.docs.clone();
        while !rest.is_empty() {
            let window = SegmentScan::last_window(&rest);
            rest.end = window.start;
            if full(&found).is_some_and(|least| segment.millis(window.end - 1) < least.0) {
                break;
            }
            if segment.millis(window.start) > behind.0 {
                continue;
            }
            for doc in segment.candidates(window)?.iter().rev() {
                let millis = segment.millis(doc);
                let least = full(&found);
                if least.is_some_and(|least| millis < least.0) {
                    break;
                }
                let key = (millis, segment.id(doc)?);
                if behind.1.is_some_and(|behind| key >= behind) || least.is_some_and(|least| key <= least) {
                    continue;
                }
                if segment.is_match(doc)? {
                    found.push(Reverse((key, segment.row(doc))));
                    if found.len() > wanted {
                        found.pop();
                    }
                }
            }
        }
    }
    Ok(found.into_sorted_vec().into_iter().map(|Reverse(row)| row).collect())
}

/// Counts matches until the deadline; whether that was all of them.
fn count(scan: &Scan<'_>, deadline: Option<Instant>) -> Result<(u64, Relation), QueryFailure> {
    let late = || deadline.is_some_and(|deadline| clock::instant() >= deadline);
    let mut matched = 0;
    for at in scan.segments()? {
        if late() {
            return Ok((matched, Relation::Gte));
        }
        let mut segment = scan.open(at)?;
        let mut rest = segment.docs.clone();
        while !rest.is_empty() {
            let window = SegmentScan::first_window(&rest);
            rest.start = window.end;
            let found = segment.candidates(window)?;
            if segment.is_exact() {
                matched += found.count();
            } else {
                for (asked, doc) in found.iter().enumerate() {
                    if asked % ASKED_MAX == 0 && late() {
                        return Ok((matched, Relation::Gte));
                    }
                    matched += u64::from(segment.is_match(doc)?);
                }
            }
            if late() && !rest.is_empty() {
                return Ok((matched, Relation::Gte));
            }
        }
    }
    Ok((matched, Relation::Eq))
}

/// The names of the fields that a query asks about.
fn asked_fields(query: &Query, names: &mut BTreeSet<String>) {
    match query {
        Query::And(queries) | Query::Or(queries) => queries.iter().for_each(|query| asked_fields(query, names)),
        Query::Not(query) => asked_fields(query, names),
        Query::Field(test) if !matches!(test.field.name.as_str(), "*" | "message" | "@timestamp" | "_time") => {
            names.insert(test.field.name.clone());
        }
        Query::Field(_) | Query::All | Query::Text(_) | Query::Time(_) => {}
    }
}

impl Embedded {
    /// A sentence for each field of the query that no event of the searched partitions has.
    fn unknown_fields(&self, scan: &Scan<'_>, query: &Query) -> Result<Vec<String>, QueryFailure> {
        let mut asked = BTreeSet::new();
        asked_fields(query, &mut asked);
        if asked.is_empty() {
            return Ok(Vec::new());
        }
        let fields = self.fields.list(scan)?;
        let below = |name: &str, field: &str| {
            field.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let known = |name: &str| candidates(name).any(|name| fields.iter().any(|field| below(name, &field.name)));
        let mut warnings = Vec::new();
        for name in asked.iter().filter(|name| !known(name)).take(WARNINGS_MAX) {
            let short = SHORT_NAMES.iter().map(|(short, _)| *short).filter(|short| known(short));
            let near = suggest(name, fields.iter().map(|field| field.name.as_str()).chain(short));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            warnings.push(format!("no event in this time range has the field `{name}`{hint}"));
        }
        Ok(warnings)
    }
}

impl Backend for Embedded {
    fn search(
        &self,
        request: &SearchRequest,
        row: &mut dyn FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<Summary, QueryFailure> {
        let deadline = clock::instant().checked_add(request.deadline);
        if request.limit > RESULT_PAGE_MAX {
            let why = format!("limit {} is more than the {RESULT_PAGE_MAX} rows of one page", request.limit);
            return Err(QueryFailure::Invalid(why));
        }
        let snapshot = self.snapshot();
        let scan = Scan::new(&snapshot, &request.scope)?;
        let mut found = newest(&scan, request.limit.saturating_add(1), request.cursor)?;
        let more = found.len() > request.limit;
        found.truncate(request.limit);
        for (_, at) in &found {
            if row(snapshot.event(*at)?).is_break() {
                return Err(QueryFailure::Cancelled);
            }
        }
        let last = found.last().map(|((time_ms, id), _)| Cursor { time_ms: *time_ms, id: *id });
        let (matched, relation) = match request.count {
            Count::None => (found.len() as u64, Relation::Gte),
            Count::Exact => count(&scan, deadline)?,
        };
        let mut warnings = snapshot.set_aside().to_vec();
        warnings.extend(self.unknown_fields(&scan, &request.scope.query)?);
        Ok(Summary {
            rows: found.len(),
            matched: matched.max(found.len() as u64),
            relation,
            cursor: last.filter(|_| more),
            next_number: snapshot.next_number(),
            partial: !snapshot.set_aside().is_empty(),
            warnings,
        })
    }

    fn histogram(&self, request: &HistogramRequest) -> Result<Histogram, QueryFailure> {
        let snapshot = self.snapshot();
        histogram::histogram(&Scan::new(&snapshot, &request.scope)?, request)
    }

    fn fields(&self, scope: &Scope) -> Result<Vec<FieldInfo>, QueryFailure> {
        let snapshot = self.snapshot();
        self.fields.list(&Scan::new(&snapshot, scope)?)
    }

    fn values(&self, request: &ValuesRequest) -> Result<FieldValues, QueryFailure> {
        let snapshot = self.snapshot();
        facets::values(&Scan::new(&snapshot, &request.scope)?, request)
    }

    fn event(&self, id: EventId) -> Result<Option<Stored>, QueryFailure> {
        let snapshot = self.snapshot();
        Ok(snapshot.find(id)?.map(|row| snapshot.event(row)).transpose()?)
    }
}
