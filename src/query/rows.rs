//! The newest matches of a scan.
//!
//! Segments newest first, in each windows of documents from the end, until no older document can be among the newest
//! asked for. Where the deadline comes before that, the time up to which everything was looked at is known: what was found
//! later than that is the newest there is, and a cursor goes on from there.

use super::{
    Cursor, QueryFailure,
    scan::{ASKED_MAX, Scan, SegmentAt, SegmentScan},
};
use crate::{
    flow::{EventId, LogId, Pos},
    store::Row,
};
use std::{cmp::Reverse, collections::BinaryHeap};

/// What rows are ordered by, newest greatest.
type Key = (i64, EventId);

/// A page of rows.
pub(super) struct Page {
    /// Where the rows lie, newest first.
    pub(super) rows: Vec<Row>,
    /// Where the next page begins, if there may be one.
    pub(super) cursor: Option<Cursor>,
    /// How the deadline cut it, if it did.
    pub(super) cut: Option<Cut>,
}

/// What the deadline did to a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// It is short: what is as old as these milliseconds or older comes with the next page.
    Short(i64),
    /// Rows may be missing between those that it has.
    Gaps,
}

impl Page {
    /// The page of at most `limit` rows behind a cursor.
    pub(super) fn find(scan: &Scan<'_>, limit: usize, cursor: Option<Cursor>) -> Result<Page, QueryFailure> {
        if limit == 0 {
            return Ok(Page { rows: Vec::new(), cursor: None, cut: None });
        }
        let behind = cursor.map(|cursor| (cursor.time_ms, cursor.id));
        let mut newest = Newest { found: BinaryHeap::new(), wanted: limit.saturating_add(1), behind };
        let mut segments = scan.newest_segments()?.into_iter();
        let mut unseen = None;
        while let (None, Some(at)) = (unseen, segments.next()) {
            if newest.least().is_some_and(|least| at.latest < least.0) {
                break;
            }
            unseen = newest.search(scan, at)?;
        }
        // Behind the segment that was not looked at to its end, the next one may have later events.
        let unseen = unseen.map(|unseen| segments.next().map_or(unseen, |next| unseen.max(next.latest)));
        Ok(newest.page(limit, unseen.map(|unseen| unseen.min(scan.to.saturating_sub(1)))))
    }
}

/// The newest matches so far.
struct Newest {
    found: BinaryHeap<Reverse<(Key, Row)>>,
    wanted: usize,
    /// Rows come behind this one.
    behind: Option<Key>,
}

impl Newest {
    /// The oldest row, where there are as many as wanted: no older one is looked for.
    fn least(&self) -> Option<Key> {
        if self.found.len() < self.wanted { None } else { self.found.peek().map(|Reverse((key, _))| *key) }
    }

    /// Looks through a segment; up to which time it has not, where the deadline comes.
    fn search(&mut self, scan: &Scan<'_>, at: SegmentAt) -> Result<Option<i64>, QueryFailure> {
        if scan.stop.is_late()? {
            return Ok(Some(at.latest));
        }
        let mut segment = scan.open(at)?;
        let mut rest = segment.docs.clone();
        let mut asked = 0;
        while !rest.is_empty() {
            let window = SegmentScan::last_window(&rest);
            let latest = segment.millis(rest.end - 1);
            if self.least().is_some_and(|least| latest < least.0) {
                break;
            }
            rest.end = window.start;
            if self.behind.is_some_and(|behind| segment.millis(window.start) > behind.0) {
                continue;
            }
            if scan.stop.is_late()? {
                return Ok(Some(latest));
            }
            for doc in segment.candidates(window)?.iter().rev() {
                let millis = segment.millis(doc);
                let least = self.least();
                if least.is_some_and(|least| millis < least.0) {
                    break;
                }
                let key = (millis, segment.id(doc)?);
                if self.behind.is_some_and(|behind| key >= behind) || least.is_some_and(|least| key <= least) {
                    continue;
                }
                asked += 1;
                if asked % ASKED_MAX == 0 && scan.stop.is_late()? {
                    return Ok(Some(millis));
                }
                if segment.is_match(doc)? {
                    self.found.push(Reverse((key, segment.row(doc))));
                    if self.found.len() > self.wanted {
                        self.found.pop();
                    }
                }
            }
        }
        Ok(None)
    }

    /// The page, where events up to `unseen` were not all looked at.
    fn page(self, limit: usize, unseen: Option<i64>) -> Page {
        let behind = self.behind;
        let mut found: Vec<(Key, Row)> = self.found.into_sorted_vec().into_iter().map(|Reverse(found)| found).collect();
        let mut cut = None;
        let mut next = None;
        if let Some(unseen) = unseen {
            let certain = found.partition_point(|((millis, _), _)| *millis > unseen);
            let go_on = (unseen.saturating_add(1), EventId { log: LogId::from_bits(0), at: Pos(0) });
            if certain > limit {
                found.truncate(certain);
            } else if behind.map_or(certain > 0 || found.is_empty(), |behind| go_on < behind) {
                found.truncate(certain);
                cut = Some(Cut::Short(unseen));
                next = Some(Cursor { time_ms: go_on.0, id: go_on.1 });
            } else {
                cut = Some(Cut::Gaps);
            }
        }
        if found.len() > limit && cut.is_none() {
            next = found.get(limit - 1).map(|((time_ms, id), _)| Cursor { time_ms: *time_ms, id: *id });
        }
        found.truncate(limit);
        Page { rows: found.into_iter().map(|(_, row)| row).collect(), cursor: next, cut }
    }
}
