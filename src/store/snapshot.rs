//! What a search sees: the partitions as they were after one commit, unchanged for as long as somebody holds them.

use super::error::{damaged, refused};
use super::schema::Schema;
use super::tally::Tally;
use super::{StoreError, stored};
use crate::event::{Event, Timestamp};
use crate::flow::{EventId, Pos, Progress, Stored};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::schema::document::Value as _;
use tantivy::{DocAddress, Searcher, TantivyDocument};

/// Where the newest snapshot of a store that is being written to can be had, from any thread.
#[derive(Clone)]
pub struct SnapshotHandle(Arc<Mutex<Snapshot>>);

impl SnapshotHandle {
    /// A handle whose snapshot stays this one unless a store publishes another.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> SnapshotHandle {
        SnapshotHandle(Arc::new(Mutex::new(snapshot)))
    }

    /// The store as of its last commit.
    #[must_use]
    pub fn get(&self) -> Snapshot {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn publish(&self, snapshot: Snapshot) {
        // The old one, which may close many files, is dropped after the lock is free.
        let _old = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), snapshot);
    }
}

/// The whole store at one commit. Cheap to clone.
#[derive(Clone)]
pub struct Snapshot(pub(super) Arc<SnapshotParts>);

pub(super) struct SnapshotParts {
    pub(super) schema: Schema,
    pub(super) partitions: Vec<Arc<PartitionView>>,
    pub(super) progress: Progress,
    pub(super) next_number: u64,
    pub(super) set_aside: Vec<String>,
}

/// One partition in a snapshot.
pub struct PartitionView {
    /// Its number: the folder is `p-<id>`.
    pub id: u64,
    /// Its folder, for messages.
    pub path: PathBuf,
    /// The engine's view. Segments are in arrival order; documents of a segment in order of `time`.
    pub searcher: Searcher,
    /// The handles of its fields.
    pub schema: Schema,
    /// How many events it holds.
    pub events: u64,
    /// The earliest event; meaningless without events.
    pub min_time: Timestamp,
    /// The latest event; meaningless without events.
    pub max_time: Timestamp,
    /// Events by UTC day of their own time, in days since 1970; at most [`super::DAYS_PER_PARTITION_MAX`] days.
    pub days: BTreeMap<i64, u64>,
}

/// Where an event lies in a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Row {
    /// The index in [`Snapshot::partitions`].
    pub partition: usize,
    /// The place in that partition.
    pub address: DocAddress,
}

impl Snapshot {
    /// This snapshot with another one's partitions added: what two stores hold together.
    #[must_use]
    pub fn beside(&self, other: &Snapshot) -> Snapshot {
        let (own, more) = (&self.0, &other.0);
        Snapshot(Arc::new(SnapshotParts {
            schema: own.schema.clone(),
            partitions: own.partitions.iter().chain(&more.partitions).cloned().collect(),
            progress: own.progress.clone(),
            next_number: own.next_number,
            set_aside: own.set_aside.iter().chain(&more.set_aside).cloned().collect(),
        }))
    }

    /// The partitions, oldest first by arrival; the open one is last.
    #[must_use]
    pub fn partitions(&self) -> &[Arc<PartitionView>] {
        &self.0.partitions
    }

    /// The handles of the fields.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.0.schema
    }

    /// Up to where each log is covered.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.0.progress
    }

    /// The delivery number of the first event that this snapshot does not hold: where a live tail goes on. Zero if
    /// nothing has been added since the process began.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.0.next_number
    }

    /// Damaged partitions that were left out: a line each. Not empty means that results are partial.
    #[must_use]
    pub fn set_aside(&self) -> &[String] {
        &self.0.set_aside
    }

    /// How many events there are.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.0.partitions.iter().map(|partition| partition.events).sum()
    }

    /// The event at a row.
    ///
    /// # Errors
    /// The row is not of this snapshot, or the partition is damaged.
    pub fn event(&self, row: Row) -> Result<Stored, StoreError> {
        match self.0.partitions.get(row.partition) {
            Some(partition) => partition.event(row.address),
            None => Err(StoreError::Engine {
                doing: "read an event of",
                path: PathBuf::from("the store"),
                cause: format!("there is no partition number {}", row.partition),
            }),
        }
    }

    /// Where the event with this identity lies, newest partition first.
    ///
    /// # Errors
    /// A partition is damaged.
    pub fn find(&self, id: EventId) -> Result<Option<Row>, StoreError> {
        for (partition, view) in self.0.partitions.iter().enumerate().rev() {
            if let Some(address) = view.find(id)? {
                return Ok(Some(Row { partition, address }));
            }
        }
        Ok(None)
    }
}

impl PartitionView {
    pub(super) fn new(id: u64, path: &Path, searcher: Searcher, schema: Schema, tally: &Tally) -> PartitionView {
        PartitionView {
            id,
            path: path.to_owned(),
            searcher,
            schema,
            events: tally.events,
            min_time: Timestamp::from_nanos(tally.min_time),
            max_time: Timestamp::from_nanos(tally.max_time),
            days: tally.days.clone(),
        }
    }

    /// Whether an event of this partition may have a time in `from..=to`.
    #[must_use]
    pub fn overlaps(&self, from: Timestamp, to: Timestamp) -> bool {
        self.events > 0 && self.min_time <= to && from <= self.max_time
    }

    /// The event at an address, from its stored copy.
    ///
    /// # Errors
    /// The address is not of this partition, or the partition is damaged.
    pub fn event(&self, address: DocAddress) -> Result<Stored, StoreError> {
        let columns = self.segment(address)?.fast_fields();
        let read = || -> tantivy::Result<_> {
            let time = columns.date("time")?.first(address.doc_id);
            let at = columns.u64("at")?.first(address.doc_id);
            let mut log = String::new();
            if let Some(column) = columns.str("log")?
                && let Some(ord) = column.term_ords(address.doc_id).next()
            {
                column.ord_to_str(ord, &mut log)?;
            }
            Ok((time, at, log))
        };
        let (time, at, log) = read().map_err(refused("read an event of", &self.path))?;
        let (Some(time), Some(at), Ok(log)) = (time, at, log.parse()) else {
            return Err(damaged(&self.path, "an event lacks its identity"));
        };
        let event = self.content(address, time.into_timestamp_millis())?;
        Ok(Stored { id: EventId { log, at: Pos(at) }, event })
    }

    /// The event at an address whose time in milliseconds is known: what a scan asks for, which has the columns open
    /// and needs no identity (opening the columns costs more than the rest).
    ///
    /// # Errors
    /// The address is not of this partition, or the partition is damaged.
    pub fn content(&self, address: DocAddress, millis: i64) -> Result<Event, StoreError> {
        self.segment(address)?;
        let doc: TantivyDocument = self.searcher.doc(address).map_err(refused("read an event of", &self.path))?;
        let copy = doc.get_first(self.schema.stored).and_then(|value| value.as_bytes().map(Bytes::copy_from_slice));
        let copy = copy.ok_or_else(|| damaged(&self.path, "an event lacks its stored copy"))?;
        stored::decode(copy, millis).map_err(|what| damaged(&self.path, what.to_string()))
    }

    /// Where the event with this identity lies.
    ///
    /// # Errors
    /// The partition is damaged.
    pub fn find(&self, id: EventId) -> Result<Option<DocAddress>, StoreError> {
        self.search_id(id).map_err(refused("search", &self.path))
    }

    fn search_id(&self, id: EventId) -> tantivy::Result<Option<DocAddress>> {
        let log = id.log.to_string();
        let mut docs = Vec::new();
        for (ord, segment) in (0u32..).zip(self.searcher.segment_readers()) {
            let columns = segment.fast_fields();
            let Some(logs) = columns.str("log")? else { continue };
            let Some(term) = logs.dictionary().term_ord(log.as_bytes())? else { continue };
            docs.clear();
            let all = 0..segment.max_doc();
            columns.u64("at")?.get_docids_for_value_range(id.at.0..=id.at.0, all, &mut docs);
            if let Some(doc) = docs.iter().find(|doc| logs.term_ords(**doc).next() == Some(term)) {
                return Ok(Some(DocAddress::new(ord, *doc)));
            }
        }
        Ok(None)
    }

    fn segment(&self, address: DocAddress) -> Result<&tantivy::SegmentReader, StoreError> {
        let segments = self.searcher.segment_readers();
        match segments.get(address.segment_ord as usize) {
            Some(segment) if address.doc_id < segment.max_doc() => Ok(segment),
            _ => Err(StoreError::Engine {
                doing: "read an event of",
                path: self.path.clone(),
                cause: format!("there is no event at {address:?}"),
            }),
        }
    }
}
