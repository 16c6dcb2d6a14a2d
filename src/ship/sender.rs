//! A thread that holds one request at a time.

use super::{
    Shared,
    batch::Batch,
    client::{Client, Failure, Stored},
};
use crate::clock;
use crossbeam_channel::Receiver;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

/// A request to make.
#[derive(Debug)]
pub(super) struct Job {
    pub batch: Arc<Batch>,
    /// Which server, and its URL.
    pub server: usize,
    pub url: String,
}

/// What became of it.
#[derive(Debug)]
pub(super) struct Done {
    pub lane: u64,
    pub server: usize,
    pub result: Result<Stored, Failure>,
    pub took: Duration,
    /// Bytes over the wire.
    pub wire_bytes: usize,
}

/// Makes requests until there will be none.
pub(super) fn run(jobs: &Receiver<Job>, client: &Client, shared: &Shared) {
    for Job { batch, server, url } in jobs {
        let wire = batch.wire();
        let began = clock::instant();
        // A sender that died would be waited for for ever.
        let result = catch_unwind(AssertUnwindSafe(|| client.post(&url, batch.log, wire)));
        let result = result.unwrap_or_else(|_| Err(Failure::unknown("the request failed in a way that is a bug")));
        let done = Done { lane: batch.lane, server, result, took: clock::since(began), wire_bytes: wire.bytes.len() };
        shared.tell(|inbox| inbox.done.push(done));
    }
}
