//! The open partition: its segments in arrival order, the one being written, and its commits.
//!
//! The engine's `IndexWriter` is not used: it hands merge policies the segments without their order, decides by itself
//! when to write `meta.json` and to delete files, and its queue costs a quarter of the time. Here the index thread writes
//! one segment ([`super::segment`]), a short-lived thread merges, and this file alone writes the list of segments.
//!
//! Promises: a commit names whole segments, the progress and the counts together; a file goes away only when neither the
//! current nor the durable `meta.json` names it.

use super::directory::{META, PartitionDirectory};
use super::document::{Columns, DocumentWriter};
use super::error::{damaged, failed, refused};
use super::manifest::{folder, size_of};
use super::merge::{self, Merge};
use super::schema::{Schema, settings};
use super::segment::SegmentInProgress;
use super::snapshot::PartitionView;
use super::tally::{Payload, Tally};
use super::tokenizer::tokenizers;
use super::{Options, StoreError, verify};
use crate::event::Timestamp;
use crate::flow::{LogId, Progress, Stored};
use crate::fs::{Fs, remove_folder};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::{Index, IndexMeta, IndexReader, ReloadPolicy, TantivyError};

/// The files of a segment; those that a segment does not need are not there.
const EXTENSIONS: [&str; 6] = ["idx", "pos", "term", "store", "fast", "fieldnorm"];
/// Decompressed blocks of stored events that each segment keeps for the next read: more would let an idle server's
/// memory grow with its searches.
const BLOCKS_CACHED: usize = 1;
/// After an event out of order, that many segments are written with sorting even if they turn out to be in order.
const SORTED_SEGMENTS: u32 = 8;

/// The index in a partition's folder, verified as far as the budget goes and ready to be read. Without a budget, what the
/// engine does not like is looked for in all files, so that the message names one.
pub(super) fn open_index(directory: &PartitionDirectory, budget: &mut u64) -> Result<(Index, IndexReader), StoreError> {
    let path = directory.path();
    let opened = Index::open(directory.clone());
    let mut index = opened.map_err(|error| match error {
        // The engine's words are the whole file.
        TantivyError::DataCorruption(_) => damaged(&path.join(META), "the file is damaged"),
        other => refused("open", path)(other),
    })?;
    index.set_tokenizers(tokenizers());
    let segments = index.searchable_segment_ids().map_err(refused("open", path))?;
    let files = verify::files(path, segments.into_iter());
    verify::verify_within(directory.fs(), &files, budget)?;
    let open = || -> tantivy::Result<IndexReader> {
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual);
        reader.doc_store_cache_num_blocks(BLOCKS_CACHED).try_into()
    };
    // What is damaged may make the engine panic.
    let error = match catch_unwind(AssertUnwindSafe(open)) {
        Ok(Ok(reader)) => return Ok((index, reader)),
        Ok(Err(error)) => refused("open", path)(error),
        Err(_) => damaged(path, "a file of the index is damaged"),
    };
    verify::verify_all(directory.fs(), &files, &mut || true)?;
    Err(error)
}

/// The commit payload that an index was opened with.
pub(super) fn payload_of(index: &Index, path: &Path) -> Result<Payload, StoreError> {
    let meta = index.load_metas().map_err(refused("open", path))?;
    let payload = Payload::parse(meta.payload.as_deref().unwrap_or_default(), &path.join(META))?;
    let events: u64 = meta.segments.iter().map(|segment| u64::from(segment.num_docs())).sum();
    if events == payload.tally.events {
        return Ok(payload);
    }
    let what = format!("it counts {} events, the segments hold {events}", payload.tally.events);
    Err(damaged(&path.join(META), what))
}

/// The partition that takes events.
pub(super) struct OpenPartition {
    pub(super) id: u64,
    pub(super) progress: Progress,
    pub(super) tally: Tally,
    directory: PartitionDirectory,
    index: Index,
    reader: IndexReader,
    schema: Schema,
    documents: DocumentWriter,
    segment_memory: usize,
    /// The segment being written.
    active: Option<SegmentInProgress>,
    /// How many of the next segments are to be sorted by the engine.
    sorted: u32,
    /// Finished segments in arrival order.
    segments: Vec<SegmentMeta>,
    /// What the `meta.json` on disk names.
    durable: HashSet<SegmentId>,
    /// Segments that were merged into others and whose files are still there.
    merged: Vec<SegmentId>,
    merge: Option<Merge>,
    /// Whether it will take no more events: then no merge begins.
    closing: bool,
}

impl OpenPartition {
    /// A new partition, durable, that goes on where `progress` ends.
    pub(super) fn create(dir: &Path, id: u64, progress: &Progress, options: &Options) -> Result<Self, StoreError> {
        let (fs, path) = (&options.fs, folder(dir, id));
        if fs.list(&path).is_ok() {
            remove_folder(&**fs, &path).map_err(failed("remove", &path))?;
        }
        fs.create_dir(&path).map_err(failed("create", &path))?;
        let directory = PartitionDirectory::open(fs, &path)?;
        let schema = Schema::new();
        Index::create(directory.clone(), schema.index.clone(), settings()).map_err(refused("create", &path))?;
        write_meta(&directory, &schema, &[], &Payload::new(progress, Tally::default()))?;
        directory.harden(|_| true)?;
        fs.sync_dir(dir).map_err(failed("sync", dir))?;
        let mut budget = options.verify_at_open;
        OpenPartition::open(dir, id, options, &mut budget)
    }

    /// Opens the partition at its last hard commit, verified as far as the budget goes, and removes files that it does
    /// not name.
    pub(super) fn open(dir: &Path, id: u64, options: &Options, budget: &mut u64) -> Result<Self, StoreError> {
        let path = folder(dir, id);
        let directory = PartitionDirectory::open(&options.fs, &path)?;
        let (index, reader) = open_index(&directory, budget)?;
        let payload = payload_of(&index, &path)?;
        let segments = index.searchable_segment_metas().map_err(refused("open", &path))?;
        // Who renamed `meta.json` may have died before it was durable. From here on it is relied on.
        directory.fs().sync_dir(&path).map_err(failed("sync", &path))?;
        sweep(directory.fs(), &path, &segments)?;
        let mut columns = Columns::default();
        for segment in reader.searcher().segment_readers() {
            for field in segment.fields_metadata().map_err(refused("open", &path))? {
                if let Some(name) = field.field_name.strip_prefix("fields.") {
                    columns.intern(&name.replace("\\.", "."));
                }
            }
        }
        columns.refused = 0;
        let schema = Schema::new();
        Ok(OpenPartition {
            id,
            progress: payload.progress(),
            tally: payload.tally,
            durable: segments.iter().map(SegmentMeta::id).collect(),
            documents: DocumentWriter::new(schema.clone(), columns),
            segment_memory: options.segment_memory,
            directory,
            index,
            reader,
            schema,
            active: None,
            sorted: 0,
            segments,
            merged: Vec::new(),
            merge: None,
            closing: false,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(super) fn columns(&self) -> &Columns {
        &self.documents.columns
    }

    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// Adds one event; returns the bytes of its stored copy.
    pub(super) fn add(&mut self, log: &Arc<str>, stored: &Stored, arrival: Timestamp) -> Result<usize, StoreError> {
        let document = self.documents.document(log, stored);
        let late = |active: &SegmentInProgress| !active.sorts() && active.is_late(&document);
        if self.active.as_ref().is_some_and(late) {
            self.sorted = SORTED_SEGMENTS;
            self.finish_segment()?;
        }
        let bytes = document.stored_len();
        let wrong = || refused("add an event to", self.directory.path());
        let active = match &mut self.active {
            Some(active) => active,
            None => {
                let started = SegmentInProgress::start(&self.index, self.segment_memory, self.sorted > 0);
                self.active.insert(started.map_err(wrong())?)
            }
        };
        active.add(document).map_err(wrong())?;
        self.tally.add(stored.event.time, arrival);
        if active.is_full(self.segment_memory) {
            self.finish_segment()?;
        }
        Ok(bytes)
    }

    fn finish_segment(&mut self) -> Result<(), StoreError> {
        let Some(active) = self.active.take() else { return Ok(()) };
        if active.sorts() && active.was_in_order() {
            self.sorted = self.sorted.saturating_sub(1);
        }
        let temporary = active.temporary_file();
        let meta = active.finish().map_err(refused("write a segment of", self.path()))?;
        if let Some(temporary) = temporary {
            self.directory.remove(&temporary);
        }
        self.segments.push(meta);
        Ok(())
    }

    /// Makes everything added so far visible to [`OpenPartition::view`].
    pub(super) fn commit_soft(&mut self) -> Result<(), StoreError> {
        self.finish_segment()?;
        if self.merge.as_ref().is_some_and(Merge::is_finished) {
            self.take_merged()?;
        }
        let payload = Payload::new(&self.progress, self.tally.clone());
        write_meta(&self.directory, &self.schema, &self.segments, &payload)?;
        self.reader.reload().map_err(refused("open the new segments of", self.path()))?;
        self.remove_merged();
        self.start_merge()
    }

    /// Makes everything added so far durable: returns once it is on disk.
    pub(super) fn commit_hard(&mut self) -> Result<(), StoreError> {
        self.commit_soft()?;
        let named: HashSet<SegmentId> = self.segments.iter().map(SegmentMeta::id).collect();
        let files: HashSet<PathBuf> = named.iter().flat_map(files_of).collect();
        self.directory.harden(|file| files.contains(file))?;
        self.durable = named;
        self.remove_merged();
        Ok(())
    }

    fn start_merge(&mut self) -> Result<(), StoreError> {
        if self.merge.is_some() || self.closing {
            return Ok(());
        }
        let sizes: Vec<u32> = self.segments.iter().map(SegmentMeta::num_docs).collect();
        if let Some(run) = merge::plan(&sizes) {
            let inputs = self.segments[run].to_vec();
            self.merge = Some(Merge::start(&self.directory, &self.index, inputs)?);
        }
        Ok(())
    }

    /// Before the last commit of the partition or of this process: nothing runs in its folder afterwards.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        self.closing = true;
        self.take_merged()
    }

    /// Waits for the merge that runs, if one does, and puts its result in place of its inputs.
    fn take_merged(&mut self) -> Result<(), StoreError> {
        let Some(merge) = self.merge.take() else { return Ok(()) };
        let inputs = merge.inputs.clone();
        let merged = merge.finish(&self.directory)?;
        let meta = self.index.new_segment_meta(merged.id(), merged.max_doc());
        if let Some(at) = self.segments.iter().position(|segment| inputs.first() == Some(&segment.id())) {
            self.segments.splice(at..at + inputs.len(), [meta]);
            self.merged.extend(inputs);
        }
        Ok(())
    }

    fn remove_merged(&mut self) {
        let (kept, gone) = std::mem::take(&mut self.merged).into_iter().partition(|id| self.durable.contains(id));
        self.merged = kept;
        let gone: Vec<SegmentId> = gone;
        gone.iter().flat_map(files_of).for_each(|file| self.directory.remove(&file));
    }

    pub(super) fn forget_log(&mut self, log: LogId) {
        self.progress.remove(&log);
    }

    pub(super) fn payload(&self) -> Payload {
        Payload::new(&self.progress, self.tally.clone())
    }

    pub(super) fn size(&self) -> Result<u64, StoreError> {
        size_of(self.directory.fs(), self.path())
    }

    /// What a search sees of it: everything up to the last commit.
    pub(super) fn view(&self) -> PartitionView {
        PartitionView::new(self.id, self.path(), self.reader.searcher(), self.schema.clone(), &self.tally)
    }

    #[cfg(test)]
    pub(super) fn directory(&self) -> &PartitionDirectory {
        &self.directory
    }
}

impl Drop for OpenPartition {
    /// A merge that went on after the lock is released would write into a folder that another process owns.
    fn drop(&mut self) {
        if let Some(merge) = self.merge.take() {
            let _ = merge.finish(&self.directory);
        }
    }
}

fn write_meta(
    directory: &PartitionDirectory,
    schema: &Schema,
    segments: &[SegmentMeta],
    payload: &Payload,
) -> Result<(), StoreError> {
    let wrong = |error: serde_json::Error| failed("write", &directory.path().join(META))(error.into());
    let meta = IndexMeta {
        index_settings: settings(),
        persisted_custom_extensions: Vec::new(),
        segments: segments.to_vec(),
        schema: schema.index.clone(),
        opstamp: payload.tally.events,
        payload: Some(serde_json::to_string(payload).map_err(wrong)?),
    };
    directory.set_meta(serde_json::to_vec(&meta).map_err(wrong)?);
    Ok(())
}

pub(super) fn files_of(segment: &SegmentId) -> Vec<PathBuf> {
    let name = segment.uuid_string();
    EXTENSIONS.iter().map(|extension| PathBuf::from(format!("{name}.{extension}"))).collect()
}

/// Removes what a crash left: files of segments that were never committed, and half-written ones.
fn sweep(fs: &dyn Fs, path: &Path, segments: &[SegmentMeta]) -> Result<(), StoreError> {
    let named: HashSet<PathBuf> = segments.iter().flat_map(|segment| files_of(&segment.id())).collect();
    for name in fs.list(path).map_err(failed("list", path))? {
        if name != META && !named.contains(Path::new(&name)) {
            fs.remove_file(&path.join(&name)).map_err(failed("remove", &path.join(&name)))?;
        }
    }
    Ok(())
}
