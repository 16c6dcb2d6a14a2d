//! Where questions are answered: on plain threads, a few at a time, first come first served. Work whose client has gone is
//! told to stop: the server drops what it awaits for a closed connection.

use super::{ApiError, CLIENT_STALL_SECONDS_MAX, SEARCHES_RUNNING_MAX, SEARCHES_WAITING_MAX, error::Code};
use crate::query::Cancel;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Tells the work on an answer to stop when the answer is no longer waited for.
#[derive(Debug, Default)]
pub struct CancelOnDrop(pub Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The turns of searches.
#[derive(Debug)]
pub struct Searches {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
}

struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Searches {
    pub fn new() -> Searches {
        Searches { running: Arc::new(Semaphore::new(SEARCHES_RUNNING_MAX)), waiting: AtomicUsize::new(0) }
    }

    /// Waits for a turn; the permit is the turn.
    ///
    /// # Errors
    /// Too many wait already.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let waits = Waits(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= SEARCHES_WAITING_MAX {
            return Err(ApiError::new(Code::Busy, format!("{SEARCHES_WAITING_MAX} searches wait already")));
        }
        let permit = Arc::clone(&self.running).acquire_owned().await;
        drop(waits);
        permit.map_err(|_| ApiError::new(Code::Unavailable, "the server stops"))
    }

    /// Answers a question on a plain thread. What it is given is cancelled when this future is dropped.
    ///
    /// # Errors
    /// The answer's own, or that of a refused turn.
    pub async fn run<T: Send + 'static>(
        &self,
        answer: impl FnOnce(Cancel) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let turn = self.turn().await?;
        let waits = CancelOnDrop::default();
        let cancel = waits.0.clone();
        blocking(move || {
            let _turn = turn;
            answer(cancel)
        })
        .await?
    }
}

/// Runs a closure on a plain thread.
///
/// # Errors
/// It panicked.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| fault(Some(error)))
}

/// What a panic on a plain thread looks like from outside.
pub fn fault(error: Option<tokio::task::JoinError>) -> ApiError {
    tracing::error!(?error, "a request panicked on a plain thread; the message stands above");
    ApiError::new(Code::Internal, "the request hit a fault in the server; its log says which")
}

/// The sending end of a streamed answer, for plain threads.
pub struct Chunks<T> {
    sender: mpsc::Sender<T>,
    runtime: tokio::runtime::Handle,
}

/// The client went away or takes nothing any more.
#[derive(Debug)]
pub struct ClientGone;

impl<T> Chunks<T> {
    /// The two ends. Must be called on the runtime.
    pub fn channel(chunks: usize) -> (Chunks<T>, mpsc::Receiver<T>) {
        let (sender, receiver) = mpsc::channel(chunks);
        (Chunks { sender, runtime: tokio::runtime::Handle::current() }, receiver)
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends, waiting for the client as long as it takes something now and then.
    pub fn send(&self, chunk: T) -> Result<(), ClientGone> {
        let patience = Duration::from_secs(CLIENT_STALL_SECONDS_MAX);
        match self.sender.try_send(chunk) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(chunk)) => {
                self.runtime.block_on(self.sender.send_timeout(chunk, patience)).map_err(|_| ClientGone)
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(ClientGone),
        }
    }
}
