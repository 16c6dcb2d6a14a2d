//! Which segments become one, and the thread that does it.
//!
//! Only neighbours in arrival order are merged, so that a search for the newest finds them in few segments. Eight and more
//! neighbours become one when the largest is at most a quarter of them, so an event is rewritten only when its segment
//! grows fourfold; what together is more than [`FULL`] is merged once more and then left alone. Simulated for 1 to 90,000
//! events a second: at most 23 segments below [`FULL`], each event rewritten at most 5.4 times (once at 90,000).

use super::StoreError;
use super::directory::PartitionDirectory;
use super::error::{failed, refused};
use super::schema::settings;
use super::verify::{files, verify_all};
use std::ops::Range;
use std::thread::{Builder, JoinHandle};
use tantivy::Index;
use tantivy::index::{SegmentId, SegmentMeta};
use tantivy::indexer::merge_filtered_segments;

/// Most events of a merged segment.
pub const SEGMENT_EVENTS_MAX: u32 = 1_000_000;
/// Neighbours that are worth merging.
const FAN: usize = 8;
/// The largest of merged segments has at most one in so many of their events.
const BALANCE: u64 = 4;
/// A segment with more events is never merged again.
const FULL: u32 = SEGMENT_EVENTS_MAX / 2;

/// The neighbours to merge next, given the sizes of all segments in arrival order.
pub(super) fn plan(sizes: &[u32]) -> Option<Range<usize>> {
    let mut start = 0;
    for run in sizes.split(|size| *size > FULL) {
        if let Some(found) = (0..run.len()).find_map(|skip| worth_merging(&run[skip..]).map(|len| (skip, len))) {
            return Some(start + found.0..start + found.0 + found.1);
        }
        start += run.len() + 1;
    }
    None
}

/// How many of these segments, from the first on, to merge now.
fn worth_merging(sizes: &[u32]) -> Option<usize> {
    let (mut total, mut largest, mut count) = (0u64, 0u64, 0);
    for size in sizes.iter().map(|size| u64::from(*size)) {
        if total + size > u64::from(SEGMENT_EVENTS_MAX) {
            break;
        }
        total += size;
        largest = largest.max(size);
        count += 1;
    }
    let balanced = count >= FAN && largest * BALANCE <= total;
    let finished = count >= 2 && total > u64::from(FULL);
    (balanced || finished).then_some(count)
}

/// A merge that runs beside the index thread.
#[derive(Debug)]
pub(super) struct Merge {
    pub(super) inputs: Vec<SegmentId>,
    thread: JoinHandle<Result<SegmentMeta, StoreError>>,
}

impl Merge {
    pub(super) fn start(
        directory: &PartitionDirectory,
        index: &Index,
        inputs: Vec<SegmentMeta>,
    ) -> Result<Merge, StoreError> {
        let ids = inputs.iter().map(SegmentMeta::id).collect();
        let (output, index) = (directory.beside(), index.clone());
        let thread = Builder::new().name("store-merge".to_owned()).spawn(move || merge(&output, &index, inputs));
        Ok(Merge { inputs: ids, thread: thread.map_err(failed("start a thread for", directory.path()))? })
    }

    pub(super) fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the merged segment.
    pub(super) fn finish(self, directory: &PartitionDirectory) -> Result<SegmentMeta, StoreError> {
        self.thread.join().unwrap_or_else(|_| {
            let cause = "the merge ended abnormally".to_owned();
            Err(StoreError::Engine { doing: "merge segments of", path: directory.path().to_owned(), cause })
        })
    }
}

fn merge(output: &PartitionDirectory, index: &Index, inputs: Vec<SegmentMeta>) -> Result<SegmentMeta, StoreError> {
    let wrong = || refused("merge segments of", output.path());
    let read = files(output.path(), inputs.iter().map(SegmentMeta::id));
    verify_all(output.fs(), &read, &mut || true).map_err(StoreError::of_the_open_partition)?;
    let segments: Vec<_> = inputs.into_iter().map(|meta| index.segment(meta)).collect();
    let keep_all = segments.iter().map(|_| None).collect();
    let merged = merge_filtered_segments(&segments, settings(), keep_all, output.clone()).map_err(wrong())?;
    let metas = merged.searchable_segment_metas().map_err(wrong())?;
    let meta = metas.first().ok_or(tantivy::TantivyError::InternalError("a merge without a result".to_owned()));
    meta.cloned().map_err(wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_of_a_size_become_one() {
        fn check(sizes: &[u32], expected: impl Into<Option<Range<usize>>>) {
            assert_eq!(plan(sizes), expected.into(), "{sizes:?}");
        }
        check(&[], None);
        check(&[5; 7], None);
        check(&[5; 8], Some(0..8));
        check(&[9_000, 5, 5, 5, 5, 5, 5, 5, 5], Some(1..9));
        check(&[9_000, 5, 5, 5, 5, 5, 5, 5], None);
        check(&[600_000, 5, 5, 5, 5, 5, 5, 5, 5, 5, 700_000, 5], Some(1..10));
        check(&[400_000, 400_000], Some(0..2));
        check(&[400_000, 400_000, 400_000], Some(0..2));
        check(&[600_000, 400_000, 5], None);
        check(&[100_000; 12], Some(0..10));
    }

    /// Each rate is what one soft commit brings.
    #[test]
    fn segments_stay_few_and_rewriting_bounded() {
        for rate in [1, 30, 100, 1_000, 5_000, 40_000, 90_000] {
            let (mut sizes, mut rewritten, mut most) = (Vec::new(), 0u64, 0);
            for _ in 0..20_000u32.min(10_000_000 / rate) {
                sizes.push(rate);
                while let Some(run) = plan(&sizes) {
                    let merged: u32 = sizes[run.clone()].iter().sum();
                    rewritten += u64::from(merged);
                    sizes.splice(run, [merged]);
                }
                most = most.max(sizes.iter().filter(|size| **size <= FULL).count());
            }
            let total: u64 = sizes.iter().map(|size| u64::from(*size)).sum();
            assert!(most <= 23, "{most} segments at {rate}/s");
            assert!(rewritten * 10 <= 54 * total, "{rewritten} of {total} at {rate}/s");
        }
    }
}
