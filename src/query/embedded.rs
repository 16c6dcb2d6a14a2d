//! The embedded store behind [`Backend`].
//!
//! Rows come first (`rows`), only those of the page are read; counting comes afterwards. All answers look at their
//! deadline between windows of documents, and every few events that must be read; planning one segment is not interrupted.
//! Memory: the keys of a page, one planned segment, and what a list of values or a histogram names as its limits.

use super::{
    Backend, Count, FieldInfo, FieldValues, Histogram, HistogramRequest, QueryFailure, RESULT_PAGE_MAX, Relation,
    Scope, SearchRequest, Summary, ValuesRequest,
    facets::{self, SegmentFields},
    histogram,
    rows::{Cut, Page},
    scan::{Scan, SegmentScan},
    stop::Stop,
};
use crate::{
    event::Timestamp,
    flow::{EventId, Stored},
    store::{Snapshot, SnapshotHandle},
};
use logship_parsers::query::{
    ast::Query,
    short_names::{SHORT_NAMES, candidates, suggest},
};
use std::{collections::BTreeSet, ops::ControlFlow};

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

/// Counts matches until the deadline; whether that was all of them.
fn count(scan: &Scan<'_>) -> Result<(u64, Relation), QueryFailure> {
    let mut matched = 0;
    for at in scan.segments()? {
        if scan.stop.is_late()? {
            return Ok((matched, Relation::Gte));
        }
        let mut segment = scan.open(at)?;
        let mut rest = segment.docs.clone();
        while !rest.is_empty() {
            let window = SegmentScan::first_window(&rest);
            rest.start = window.end;
            let (found, whole) = segment.matches(window)?;
            matched += found.count();
            if !whole {
                return Ok((matched, Relation::Gte));
            }
        }
    }
    Ok((matched, Relation::Eq))
}

/// What a page says about the deadline that cut it.
fn cut_warning(cut: Cut) -> String {
    match cut {
        Cut::Short(unseen) => format!(
            "the time for this search ran out at events of {}: older ones come with the next page, or narrow the time range",
            Timestamp::from_millis(unseen)
        ),
        Cut::Gaps => "the time for this search ran out: events may be missing, narrow the time range".to_owned(),
    }
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
        if request.limit > RESULT_PAGE_MAX {
            let why = format!("limit {} is more than the {RESULT_PAGE_MAX} rows of one page", request.limit);
            return Err(QueryFailure::Invalid(why));
        }
        let snapshot = self.snapshot();
        let scan = Scan::new(&snapshot, &request.scope, Stop::after(request.deadline, &request.cancel))?;
        let page = Page::find(&scan, request.limit, request.cursor)?;
        for at in &page.rows {
            if row(snapshot.event(*at)?).is_break() {
                return Err(QueryFailure::Cancelled);
            }
        }
        let rows = page.rows.len();
        // A first page that is the last one has every match: no need to look for them again.
        let only = request.limit > 0 && request.cursor.is_none() && page.cursor.is_none() && page.cut.is_none();
        let (matched, relation) = match request.count {
            Count::Exact if only => (rows as u64, Relation::Eq),
            Count::None => (rows as u64, Relation::Gte),
            Count::Exact => count(&scan)?,
        };
        let mut warnings = snapshot.set_aside().to_vec();
        warnings.extend(page.cut.map(cut_warning));
        warnings.extend(self.unknown_fields(&scan, &request.scope.query)?);
        Ok(Summary {
            rows,
            matched: matched.max(rows as u64),
            relation,
            cursor: page.cursor,
            next_number: snapshot.next_number(),
            partial: page.cut.is_some() || !snapshot.set_aside().is_empty(),
            warnings,
        })
    }

    fn histogram(&self, request: &HistogramRequest) -> Result<Histogram, QueryFailure> {
        let snapshot = self.snapshot();
        let stop = Stop::after(request.deadline, &request.cancel);
        histogram::histogram(&Scan::new(&snapshot, &request.scope, stop)?, request)
    }

    fn fields(&self, scope: &Scope) -> Result<Vec<FieldInfo>, QueryFailure> {
        let snapshot = self.snapshot();
        self.fields.list(&Scan::new(&snapshot, scope, Stop::never())?)
    }

    fn values(&self, request: &ValuesRequest) -> Result<FieldValues, QueryFailure> {
        let snapshot = self.snapshot();
        let stop = Stop::after(request.deadline, &request.cancel);
        facets::values(&Scan::new(&snapshot, &request.scope, stop)?, request)
    }

    fn event(&self, id: EventId) -> Result<Option<Stored>, QueryFailure> {
        let snapshot = self.snapshot();
        Ok(snapshot.find(id)?.map(|row| snapshot.event(row)).transpose()?)
    }
}
