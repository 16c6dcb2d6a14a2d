//! The segment being written, on the index thread and without the engine's channel.
//!
//! Documents of a segment must lie in order of time. The engine sorts when a segment is finished, at the price of writing
//! the stored events twice; events mostly come in order, so that is asked for only after some did not.

use super::document::EventDocument;
use std::path::PathBuf;
use tantivy::Index;
use tantivy::index::{Segment, SegmentComponent, SegmentMeta};
use tantivy::indexer::{AddOperation, SegmentWriter};

/// How often the memory of the segment is looked at, in documents.
const MEMORY_CHECK_EVERY: u32 = 64;
/// And in bytes of stored events, since one event may have a megabyte.
const MEMORY_CHECK_BYTES: usize = 1 << 20;
/// What the writer may take between two looks.
const MEMORY_SLACK: usize = 1_000_000;

pub(super) struct SegmentInProgress {
    writer: Box<SegmentWriter>,
    segment: Segment,
    sorts: bool,
    in_order: bool,
    /// The latest time in milliseconds.
    latest: i64,
    /// Bytes since the memory was looked at.
    unchecked: usize,
    full: bool,
}

impl SegmentInProgress {
    /// Begins a segment; with `sorts`, events may come in any order.
    pub(super) fn start(index: &Index, memory: usize, sorts: bool) -> tantivy::Result<SegmentInProgress> {
        let mut index = index.clone();
        if !sorts {
            index.settings_mut().sort_by_field = None;
        }
        let segment = index.new_segment();
        let writer = Box::new(SegmentWriter::for_segment(memory, segment.clone())?);
        Ok(SegmentInProgress { writer, segment, sorts, in_order: true, latest: i64::MIN, unchecked: 0, full: false })
    }

    pub(super) fn sorts(&self) -> bool {
        self.sorts
    }

    pub(super) fn was_in_order(&self) -> bool {
        self.in_order
    }

    pub(super) fn is_late(&self, document: &EventDocument) -> bool {
        document.millis() < self.latest
    }

    pub(super) fn add(&mut self, document: EventDocument) -> tantivy::Result<()> {
        self.in_order &= !self.is_late(&document);
        self.latest = self.latest.max(document.millis());
        self.unchecked += document.stored_len();
        self.writer.add_document(AddOperation { opstamp: 0, document })?;
        Ok(())
    }

    /// Whether it has grown to `memory` bytes.
    pub(super) fn is_full(&mut self, memory: usize) -> bool {
        if self.unchecked >= MEMORY_CHECK_BYTES || self.writer.max_doc().is_multiple_of(MEMORY_CHECK_EVERY) {
            self.unchecked = 0;
            self.full = self.writer.mem_usage() + MEMORY_SLACK > memory;
        }
        self.full
    }

    /// The file that is needed only for sorting.
    pub(super) fn temporary_file(&self) -> Option<PathBuf> {
        self.sorts.then(|| self.segment.relative_path(SegmentComponent::TempStore))
    }

    /// Writes the segment's files; nothing is synced.
    pub(super) fn finish(self) -> tantivy::Result<SegmentMeta> {
        let events = self.writer.max_doc();
        self.writer.finalize()?;
        Ok(self.segment.with_max_doc(events).meta().clone())
    }
}
