//! What is not read: old files, and what files had at the first start where they are followed from their end on. Noted is how much of them was skipped, so that a later start does not
//! take the end that they have then for the end of the first.

use super::{Key, Tailer, tree::Stat};
use crate::{
    event::Timestamp,
    flow::{RawBatch, Span},
};
use std::time::Duration;

impl Tailer {
    /// Whether a file was not written for so long that it is not begun.
    pub(super) fn is_too_old(&self, stat: &Stat, wall: Timestamp) -> bool {
        let age = |limit: Duration| wall.as_nanos().saturating_sub(stat.modified_ns) > limit.as_nanos() as i64;
        self.settings.ignore_older.is_some_and(age)
    }

    /// A batch without records, by which the log knows the file and the place where it is followed from.
    pub(super) fn note_skip(&mut self, key: Option<Key>, wall: Timestamp) {
        let Some(stream) = key.and_then(|key| self.followed.get(&key)).map(|followed| &followed.stream) else { return };
        let to = stream.read_to();
        if to > 0 {
            let (span, mark) = (Some(Span { from: 0, to }), Some(stream.mark()));
            self.skips.push(RawBatch {
                origin: stream.origin.clone(),
                span,
                mark,
                received: wall,
                records: Vec::new(),
            });
        }
    }

    /// What was noted since the last call.
    pub fn take_skips(&mut self) -> Vec<RawBatch> {
        std::mem::take(&mut self.skips)
    }
}
