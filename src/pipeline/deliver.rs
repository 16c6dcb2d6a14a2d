//! Parsed frames, in order, to the live tail and to the outputs.

use super::{
    common::Common,
    workers::{Exit, Parsed},
};
use crate::flow::Batch;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Runs until the workers have ended or the store has.
pub fn run(exit: &Exit, store: &mpsc::Sender<Arc<Batch>>, common: &Common) {
    while let Some(Parsed { frame, events }) = exit.next() {
        let (count, next) = (events.len() as u64, common.tail.next_number());
        // What the logs give again after a failure keeps the numbers before the next one, and is not shown again.
        let again = !common.is_new(frame.log, frame.end);
        let first_number = if again { next.saturating_sub(count) } else { next };
        let batch = Arc::new(Batch { log: frame.log, start: frame.start, end: frame.end, first_number, events });
        if !again {
            common.tail.publish(&batch);
        }
        common.counters.store.enter(count);
        common.counters.parse.leave(count);
        if store.blocking_send(batch).is_err() {
            return;
        }
    }
}
