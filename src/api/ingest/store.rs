//! The batches of one request on their way into the log.

use super::{BATCHES_PENDING_MAX, Ingested};
use crate::{
    api::{ApiError, error::Code},
    clock,
    flow::{AppendError, Appended, Intake, LogId, Origin, Pending, Pos, RawBatch, Record, Span, SyncClass},
};
use std::{collections::VecDeque, sync::Arc};

/// Where a request ended in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The log.
    pub log: LogId,
    /// The position that covers the request.
    pub pos: Pos,
    /// It was there before.
    pub duplicate: bool,
}

/// Hands batches to the log and remembers what became of them.
pub struct Store {
    intake: Intake,
    origin: Arc<Origin>,
    span: Option<Span>,
    counts: Arc<Ingested>,
    pending: VecDeque<(u64, Pending)>,
    stored: u64,
    end: Option<End>,
}

impl Store {
    /// Nothing handed over yet.
    pub fn new(intake: Intake, origin: Origin, span: Option<Span>, counts: Arc<Ingested>) -> Store {
        Store { intake, origin: Arc::new(origin), span, counts, pending: VecDeque::new(), stored: 0, end: None }
    }

    /// Hands a batch over, waiting for earlier ones where too many are on their way. For plain threads.
    pub fn add(&mut self, records: Vec<Record>) -> Result<(), ApiError> {
        if self.pending.len() == BATCHES_PENDING_MAX
            && let Some((count, pending)) = self.pending.pop_front()
        {
            let answer = pending.wait();
            self.answered(count, answer)?;
        }
        let count = records.len() as u64;
        let batch =
            RawBatch { origin: Arc::clone(&self.origin), span: self.span, mark: None, received: clock::now(), records };
        self.counts.received(count);
        match self.intake.submit(batch, SyncClass::Prompt) {
            Ok(pending) => {
                self.pending.push_back((count, pending));
                Ok(())
            }
            Err(error) => self.answered(count, Err(error)),
        }
    }

    /// Waits for everything handed over: how many records are durable, and where they end or the first fault.
    pub async fn settle(mut self) -> (u64, Result<Option<End>, ApiError>) {
        let mut fault = None;
        while let Some((count, pending)) = self.pending.pop_front() {
            let answer = pending.durable().await;
            let answered = self.answered(count, answer);
            fault = fault.or(answered.err());
        }
        (self.stored, fault.map_or(Ok(self.end), Err))
    }

    fn answered(&mut self, count: u64, answer: Result<Appended, AppendError>) -> Result<(), ApiError> {
        match answer {
            Ok(Appended { log, end, duplicate }) => {
                if duplicate {
                    self.counts.duplicate(count);
                } else {
                    self.counts.sent(count);
                }
                self.stored += count;
                self.end = Some(End { log, pos: end, duplicate });
                Ok(())
            }
            Err(error) => {
                self.counts.failed(count);
                Err(refusal(&error))
            }
        }
    }
}

fn refusal(error: &AppendError) -> ApiError {
    match error {
        AppendError::Closed => ApiError::new(Code::Unavailable, "the server stops"),
        AppendError::Full => ApiError::new(Code::StorageFull, error.to_string()),
        AppendError::TooLarge => ApiError::new(Code::TooLarge, error.to_string()),
        AppendError::TooManySources => ApiError {
            hint: Some("use one X-Logship-Source for each sender, not for each request".to_owned()),
            ..ApiError::new(Code::Busy, "the server keeps track of too many sources already")
        },
        AppendError::Io(cause) => {
            tracing::error!(%cause, "records could not be stored");
            ApiError::new(Code::Unavailable, cause.clone())
        }
    }
}
