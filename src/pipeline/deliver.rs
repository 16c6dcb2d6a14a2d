//! Parsed frames, in order, to the live tail and to the outputs.

use super::{
    owner::Common,
    tail::Tail,
    workers::{Exit, Parsed},
};
use crate::flow::Batch;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Runs until the workers have ended or the store has. `first_number` is the delivery number of the next event.
pub fn run(exit: &Exit, tail: &Tail, store: &mpsc::Sender<Arc<Batch>>, common: &Common) {
    let mut first_number = tail.next_number();
    while let Some(Parsed { frame, events }) = exit.next() {
        let count = events.len() as u64;
        common.delivered(count);
        common.counters.parse.leave(count);
        let batch = Arc::new(Batch { log: frame.log, end: frame.end, first_number, events });
        first_number += count;
        tail.publish(&batch);
        if store.blocking_send(batch).is_err() {
            return;
        }
    }
}
