//! An output's reading end.

use super::{BATCHES_QUEUED_MAX, Batch, LogId, Pos};
use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::{mpsc, watch};

/// How far an output has made each log durable.
pub type Progress = BTreeMap<LogId, Pos>;

/// Batches in log order, and the way to say how far they are durable.
#[derive(Debug)]
pub struct Outlet {
    batches: mpsc::Receiver<Arc<Batch>>,
    progress: watch::Sender<Progress>,
}

impl Outlet {
    /// An outlet, the sender that feeds it, and the receiver that follows its progress from `start` on.
    #[must_use]
    pub fn channel(start: Progress) -> (mpsc::Sender<Arc<Batch>>, Outlet, watch::Receiver<Progress>) {
        let (sender, batches) = mpsc::channel(BATCHES_QUEUED_MAX);
        let (progress, receiver) = watch::channel(start);
        (sender, Outlet { batches, progress }, receiver)
    }

    /// The next batch; `None` when the pipeline has ended.
    pub async fn next(&mut self) -> Option<Arc<Batch>> {
        self.batches.recv().await
    }

    /// The same for plain threads.
    pub fn blocking_next(&mut self) -> Option<Arc<Batch>> {
        self.batches.blocking_recv()
    }

    /// A batch that is already there.
    ///
    /// # Errors
    /// Empty for now, or ended.
    pub fn try_next(&mut self) -> Result<Arc<Batch>, mpsc::error::TryRecvError> {
        self.batches.try_recv()
    }

    /// Everything up to these positions is durable here; the log may forget it. A position never goes back.
    pub fn done(&self, durable: &Progress) {
        self.progress.send_if_modified(|known| {
            let mut moved = false;
            for (log, pos) in durable {
                let entry = known.entry(*log).or_default();
                moved |= *entry < *pos;
                *entry = (*entry).max(*pos);
            }
            moved
        });
    }
}
