//! The documents of a scope, segment by segment: what searches, counts and lists of values all walk over.

use super::{
    Matcher, QueryFailure, Scope,
    eval::Node,
    plan::{Plan, Planner},
    stop::Stop,
    window::{WINDOW_DOCS_MAX, Window},
};
use crate::{
    event::Timestamp,
    flow::{EventId, LogId, Pos},
    store::{PartitionView, Row, Snapshot, StoreError, column_name},
};
use std::{cmp::Reverse, ops::Range};
use tantivy::{
    DateTime, DocAddress, DocId, SegmentReader,
    columnar::{Column, StrColumn},
};

/// Events that are asked about one by one between two looks at the deadline.
pub(super) const ASKED_MAX: usize = 64;

/// What an answer says whose deadline came before its end.
pub(super) const LATE: &str =
    "the time for this answer ran out: the oldest events are not counted, narrow the time range";

impl From<StoreError> for QueryFailure {
    fn from(why: StoreError) -> QueryFailure {
        QueryFailure::Storage(why.to_string())
    }
}

impl From<tantivy::TantivyError> for QueryFailure {
    fn from(why: tantivy::TantivyError) -> QueryFailure {
        QueryFailure::Storage(format!("reading the store failed: {why}"))
    }
}

/// A scope over a snapshot.
pub(super) struct Scan<'a> {
    pub(super) snapshot: &'a Snapshot,
    /// When to stop.
    pub(super) stop: Stop,
    matcher: Matcher,
    /// Milliseconds that matches lie in: from, and up to but not including.
    pub(super) from: i64,
    pub(super) to: i64,
}

/// A segment that may hold matches.
#[derive(Clone, Copy)]
pub(super) struct SegmentAt {
    pub(super) partition: usize,
    pub(super) ord: u32,
    /// The latest time that it has, in milliseconds.
    pub(super) latest: i64,
}

impl<'a> Scan<'a> {
    /// Compiles the query of the scope.
    pub(super) fn new(snapshot: &'a Snapshot, scope: &Scope, stop: Stop) -> Result<Scan<'a>, QueryFailure> {
        let mut matcher = Matcher::new(&scope.query, scope.now)?;
        let from = scope.from.map_or(i64::MIN, Timestamp::as_millis);
        let to = scope.to.map_or(i64::MAX, Timestamp::as_millis);
        if scope.from.is_some() || scope.to.is_some() {
            matcher.node = Node::And(vec![Node::Time { from, to }, matcher.node]);
        }
        let (mut from, mut to) = (i64::MIN, i64::MAX);
        narrow(&matcher.node, &mut from, &mut to);
        Ok(Scan { snapshot, stop, matcher, from, to })
    }

    /// The partitions that the times of the scope touch.
    pub(super) fn partitions(&self) -> impl Iterator<Item = (usize, &'a PartitionView)> {
        let (from, to) = (self.from, self.to);
        self.snapshot.partitions().iter().enumerate().map(|(at, view)| (at, &**view)).filter(move |(_, view)| {
            view.events > 0 && view.min_time.as_millis() < to && view.max_time.as_millis() >= from
        })
    }

    /// Their segments, in the order of the store.
    pub(super) fn segments(&self) -> Result<Vec<SegmentAt>, QueryFailure> {
        let mut found = Vec::new();
        for (partition, view) in self.partitions() {
            for (ord, reader) in (0u32..).zip(view.searcher.segment_readers()) {
                let time = reader.fast_fields().date("time")?;
                let latest = time.max_value().into_timestamp_millis();
                if reader.max_doc() > 0 && latest >= self.from && time.min_value().into_timestamp_millis() < self.to {
                    found.push(SegmentAt { partition, ord, latest });
                }
            }
        }
        Ok(found)
    }

    /// The same, those with the latest events first: what a deadline cuts off is then the oldest.
    pub(super) fn newest_segments(&self) -> Result<Vec<SegmentAt>, QueryFailure> {
        let mut segments = self.segments()?;
        segments.sort_by_key(|segment| Reverse(segment.latest));
        Ok(segments)
    }

    /// Plans one segment.
    pub(super) fn open(&'a self, at: SegmentAt) -> Result<SegmentScan<'a>, QueryFailure> {
        let gone = || QueryFailure::Storage("a partition changed under a search".to_owned());
        let view = self.snapshot.partitions().get(at.partition).ok_or_else(gone)?;
        let reader = view.searcher.segment_readers().get(at.ord as usize).ok_or_else(gone)?;
        let planner = Planner::new(reader, &view.schema)?;
        let docs = planner.run(self.from, self.to);
        let docs = if self.to == i64::MAX { docs.start..reader.max_doc() } else { docs };
        let plan = planner.plan(&self.matcher.node)?;
        let columns = reader.fast_fields();
        let logs = columns.str("log")?.ok_or_else(gone)?;
        let ids = log_ids(&logs)?;
        Ok(SegmentScan {
            scan: self,
            view,
            at,
            plan,
            docs,
            time: columns.date("time")?,
            numbers: columns.u64("at")?,
            logs: logs.ords().clone(),
            ids,
            reader,
        })
    }
}

/// The times that top-level conditions leave.
fn narrow(node: &Node, from: &mut i64, to: &mut i64) {
    match node {
        Node::And(nodes) => nodes.iter().for_each(|node| narrow(node, from, to)),
        Node::Time { from: low, to: high } => {
            *from = (*from).max(*low);
            *to = (*to).min(*high);
        }
        _ => {}
    }
}

fn log_ids(column: &StrColumn) -> Result<Vec<LogId>, QueryFailure> {
    let mut ids = Vec::with_capacity(column.num_terms());
    let mut text = String::new();
    for ord in 0..column.num_terms() as u64 {
        text.clear();
        column.ord_to_str(ord, &mut text).map_err(tantivy::TantivyError::from)?;
        let id = text.parse().map_err(|_| QueryFailure::Storage(format!("`{text}` in the store is no log id")))?;
        ids.push(id);
    }
    Ok(ids)
}

/// A planned segment.
pub(super) struct SegmentScan<'a> {
    scan: &'a Scan<'a>,
    view: &'a PartitionView,
    at: SegmentAt,
    plan: Plan,
    /// The documents within the times of the scope.
    pub(super) docs: Range<DocId>,
    time: Column<DateTime>,
    numbers: Column<u64>,
    logs: Column<u64>,
    ids: Vec<LogId>,
    pub(super) reader: &'a SegmentReader,
}

impl SegmentScan<'_> {
    /// The next window from the beginning of a run.
    pub(super) fn first_window(docs: &Range<DocId>) -> Range<DocId> {
        docs.start..docs.end.min(docs.start.saturating_add(WINDOW_DOCS_MAX))
    }

    /// The next window from the end of a run.
    pub(super) fn last_window(docs: &Range<DocId>) -> Range<DocId> {
        docs.start.max(docs.end.saturating_sub(WINDOW_DOCS_MAX))..docs.end
    }

    /// The documents of the window that may match, and do where [`SegmentScan::is_match`] agrees.
    pub(super) fn candidates(&mut self, docs: Range<DocId>) -> Result<Window, QueryFailure> {
        let mut found = self.plan.op.find(docs.clone())?;
        if let Some(alive) = self.reader.alive_bitset() {
            let mut kept = Window::none(docs);
            found.iter().filter(|doc| alive.is_alive(*doc)).for_each(|doc| kept.insert(doc));
            found = kept;
        }
        Ok(found)
    }

    /// Whether a candidate matches.
    pub(super) fn is_match(&self, doc: DocId) -> Result<bool, QueryFailure> {
        if self.plan.exact {
            return Ok(true);
        }
        let event = self.view.content(self.row(doc).address, self.millis(doc))?;
        Ok(self.scan.matcher.matches(&event))
    }

    /// The documents of the window that match, and whether those are all: not where the deadline came.
    pub(super) fn matches(&mut self, docs: Range<DocId>) -> Result<(Window, bool), QueryFailure> {
        let mut kept = Window::none(docs.clone());
        if self.scan.stop.is_late()? {
            return Ok((kept, false));
        }
        let found = self.candidates(docs)?;
        if self.plan.exact {
            return Ok((found, true));
        }
        for (asked, doc) in found.iter().enumerate() {
            if asked % ASKED_MAX == 0 && self.scan.stop.is_late()? {
                return Ok((kept, false));
            }
            if self.is_match(doc)? {
                kept.insert(doc);
            }
        }
        Ok((kept, true))
    }

    /// The time of a document in milliseconds.
    pub(super) fn millis(&self, doc: DocId) -> i64 {
        self.time.first(doc).map_or(i64::MIN, DateTime::into_timestamp_millis)
    }

    /// The identity of a document.
    pub(super) fn id(&self, doc: DocId) -> Result<EventId, QueryFailure> {
        let log = self.logs.first(doc).and_then(|ord| self.ids.get(usize::try_from(ord).ok()?));
        match (log, self.numbers.first(doc)) {
            (Some(log), Some(at)) => Ok(EventId { log: *log, at: Pos(at) }),
            _ => Err(QueryFailure::Storage("an event in the store lacks its identity".to_owned())),
        }
    }

    /// Where a document lies.
    pub(super) fn row(&self, doc: DocId) -> Row {
        Row { partition: self.at.partition, address: DocAddress::new(self.at.ord, doc) }
    }
}

/// The documents of a segment of which no column holds the whole value of a field: it is too long, or the field has none.
pub(super) struct Columnless {
    names: Column<u64>,
    asked: u64,
}

impl Columnless {
    /// For this field; none where there is no such document.
    pub(super) fn of(reader: &SegmentReader, field: &str) -> Result<Option<Columnless>, QueryFailure> {
        let Some(partial) = reader.fast_fields().str("partial")? else { return Ok(None) };
        let asked =
            partial.dictionary().term_ord(column_name(field).as_bytes()).map_err(tantivy::TantivyError::from)?;
        Ok(asked.map(|asked| Columnless { names: partial.ords().clone(), asked }))
    }

    /// Whether it is one of them.
    pub(super) fn has(&self, doc: DocId) -> bool {
        self.names.values_for_doc(doc).any(|name| name == self.asked)
    }
}
