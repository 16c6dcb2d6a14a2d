//! The log's writing end.

use super::{LogId, Pos, RawBatch};
use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use tokio::sync::{mpsc, oneshot};

/// How soon an append must be durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncClass {
    /// Somebody waits for the acknowledgement: group commit within 10 ms or 1 MiB.
    Prompt,
    /// Nobody waits for each record (a pipe): within 250 ms.
    Relaxed,
}

/// What became of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The log that holds it.
    pub log: LogId,
    /// The position that covers it (for a duplicate: the end of the log).
    pub end: Pos,
    /// The batch lay inside what its source already made durable: nothing was stored again.
    pub duplicate: bool,
}

/// Why records are not durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The log was closed.
    Closed,
    /// The log has reached its limit, or the disk is full.
    Full,
    /// The frame would be over [`super::FRAME_BYTES_MAX`] or [`super::RECORDS_PER_FRAME_MAX`].
    TooLarge,
    /// The sources table has reached its limit.
    TooManySources,
    /// Reading or writing failed; the text names the operation, the file and the cause.
    Io(String),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Closed => f.write_str("the log is closed"),
            AppendError::Full => f.write_str("no room is left in the log"),
            AppendError::TooLarge => f.write_str("the batch is larger than a frame may be"),
            AppendError::TooManySources => f.write_str("too many sources"),
            AppendError::Io(cause) => f.write_str(cause),
        }
    }
}

impl std::error::Error for AppendError {}

/// An append on its way to the log thread.
#[derive(Debug)]
pub struct Append {
    /// What to write.
    pub batch: RawBatch,
    /// How soon.
    pub class: SyncClass,
    /// Where the answer goes; a receiver that went away is not an error.
    pub answer: oneshot::Sender<Result<Appended, AppendError>>,
}

/// An append that the log thread has been given and not answered yet.
#[derive(Debug)]
pub struct Pending(oneshot::Receiver<Result<Appended, AppendError>>);

impl Pending {
    /// Waits for durability.
    ///
    /// # Errors
    /// As [`Intake::append`].
    pub async fn durable(self) -> Result<Appended, AppendError> {
        self.0.await.unwrap_or(Err(AppendError::Closed))
    }

    /// The same for plain threads. Must not be called on an async runtime.
    ///
    /// # Errors
    /// As [`Intake::append`].
    pub fn wait(self) -> Result<Appended, AppendError> {
        self.0.blocking_recv().unwrap_or(Err(AppendError::Closed))
    }

    /// The answer, if it has come; else `waker` is woken when it comes.
    pub fn poll(&mut self, waker: &Waker) -> Poll<Result<Appended, AppendError>> {
        let answer = Pin::new(&mut self.0).poll(&mut Context::from_waker(waker));
        answer.map(|answer| answer.unwrap_or(Err(AppendError::Closed)))
    }

    /// The answer, if it has come; else the pending append again.
    ///
    /// # Errors
    /// Itself while there is no answer.
    pub fn try_answer(mut self) -> Result<Result<Appended, AppendError>, Pending> {
        match self.0.try_recv() {
            Ok(answer) => Ok(answer),
            Err(oneshot::error::TryRecvError::Closed) => Ok(Err(AppendError::Closed)),
            Err(oneshot::error::TryRecvError::Empty) => Err(self),
        }
    }
}

/// What every batch passes before it reaches the log: redaction, sampling.
pub trait Gate: fmt::Debug + Send + Sync {
    /// Changes and drops records; what is dropped is counted here.
    fn pass(&self, batch: &mut RawBatch);

    /// What streams of which nothing comes are to be told by now, or `all` of them, since nothing will come.
    fn notes(&self, _all: bool) -> Vec<RawBatch> {
        Vec::new()
    }
}

/// The log's writing end: cheap to clone, one for each input.
#[derive(Clone, Debug)]
pub struct Intake {
    appends: mpsc::Sender<Append>,
    gate: Option<Arc<dyn Gate>>,
}

impl Intake {
    /// An intake and the receiver that the log thread reads.
    #[must_use]
    pub fn channel() -> (Intake, mpsc::Receiver<Append>) {
        let (appends, receiver) = mpsc::channel(super::APPENDS_QUEUED_MAX);
        (Intake { appends, gate: None }, receiver)
    }

    /// The same end behind a gate: nothing gets past it.
    #[must_use]
    pub fn behind(self, gate: Option<Arc<dyn Gate>>) -> Intake {
        Intake { gate, ..self }
    }

    /// Gives the log what the gate has to tell of streams of which nothing comes: call it now and then, and with `all` at the
    /// end. Does not wait for durability.
    ///
    /// # Errors
    /// [`AppendError::Closed`] when the log thread is gone.
    pub fn tell(&self, all: bool) -> Result<(), AppendError> {
        for batch in self.gate.iter().flat_map(|gate| gate.notes(all)) {
            let (answer, _) = oneshot::channel();
            let append = Append { batch, class: SyncClass::Relaxed, answer };
            self.appends.blocking_send(append).map_err(|_| AppendError::Closed)?;
        }
        Ok(())
    }

    fn enter(&self, mut batch: RawBatch) -> RawBatch {
        if let Some(gate) = &self.gate {
            gate.pass(&mut batch);
        }
        batch
    }

    /// Resolves once the records are durable: only then may the input forget them.
    ///
    /// # Errors
    /// The records are not durable. They are not in the log after a restart either, unless the disk refused even to take
    /// them back ([`AppendError::Io`]): then they may be there, once, and their source's table knows them.
    pub async fn append(&self, batch: RawBatch, class: SyncClass) -> Result<Appended, AppendError> {
        self.send(batch, class).await?.durable().await
    }

    /// Hands the records to the log thread, waiting for room in the queue but not for durability.
    ///
    /// # Errors
    /// [`AppendError::Closed`] when the log thread is gone.
    pub async fn send(&self, batch: RawBatch, class: SyncClass) -> Result<Pending, AppendError> {
        let (answer, receiver) = oneshot::channel();
        let batch = self.enter(batch);
        self.appends.send(Append { batch, class, answer }).await.map_err(|_| AppendError::Closed)?;
        Ok(Pending(receiver))
    }

    /// Hands the records to the log thread from a plain thread, waiting for room in the queue but not for durability.
    ///
    /// # Errors
    /// [`AppendError::Closed`] when the log thread is gone.
    pub fn submit(&self, batch: RawBatch, class: SyncClass) -> Result<Pending, AppendError> {
        let (answer, receiver) = oneshot::channel();
        let batch = self.enter(batch);
        self.appends.blocking_send(Append { batch, class, answer }).map_err(|_| AppendError::Closed)?;
        Ok(Pending(receiver))
    }
}
