//! The batches of one request on their way into the log.

use super::{Ingested, PENDING_BYTES_MAX};
use crate::{
    api::{ApiError, error::Code},
    flow::{AppendError, Appended, Intake, LogId, Pending, Pos, RawBatch, Record, Span, Spans, SyncClass},
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

/// What became of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Records that are durable.
    pub records: u64,
    /// Where the last of them are.
    pub end: Option<End>,
    /// The spans that are durable.
    pub durable: Spans,
}

/// A batch that the log has been given.
struct Sent {
    records: u64,
    weight: usize,
    span: Option<Span>,
    answer: Pending,
}

/// Hands batches to the log and remembers what became of them.
pub struct Store {
    intake: Intake,
    counts: Arc<Ingested>,
    sent: VecDeque<Sent>,
    /// Of all that were sent and not answered.
    weight: usize,
    stored: Stored,
}

impl Store {
    /// Nothing handed over yet.
    pub fn new(intake: Intake, counts: Arc<Ingested>) -> Store {
        Store { intake, counts, sent: VecDeque::new(), weight: 0, stored: Stored::default() }
    }

    /// Hands a batch over that keeps so many bytes alive, waiting for earlier ones where too many are on their way. For plain
    /// threads.
    pub fn add(&mut self, batch: RawBatch, bytes: usize) -> Result<(), ApiError> {
        let (records, span) = (batch.records.len() as u64, batch.span);
        let weight = bytes + size_of::<Record>() * batch.records.len() + size_of::<RawBatch>() + size_of::<Sent>();
        self.make_room(weight)?;
        self.counts.received(records);
        match self.intake.submit(batch, SyncClass::Prompt) {
            Ok(answer) => {
                self.weight += weight;
                self.sent.push_back(Sent { records, weight, span, answer });
                Ok(())
            }
            Err(error) => self.answered(records, span, Err(error)),
        }
    }

    /// Waits until what is on its way leaves room for so many bytes more, or nothing is. For plain threads.
    pub fn make_room(&mut self, bytes: usize) -> Result<(), ApiError> {
        while self.weight + bytes > PENDING_BYTES_MAX
            && let Some(Sent { records, weight, span, answer }) = self.sent.pop_front()
        {
            self.weight -= weight;
            let answer = answer.wait();
            self.answered(records, span, answer)?;
        }
        Ok(())
    }

    /// Waits for everything handed over: what is durable, and the first fault.
    pub async fn settle(mut self) -> (Stored, Option<ApiError>) {
        let mut fault = None;
        while let Some(Sent { records, span, answer, .. }) = self.sent.pop_front() {
            let answer = answer.durable().await;
            let answered = self.answered(records, span, answer);
            fault = fault.or(answered.err());
        }
        (self.stored, fault)
    }

    fn answered(
        &mut self,
        count: u64,
        span: Option<Span>,
        answer: Result<Appended, AppendError>,
    ) -> Result<(), ApiError> {
        match answer {
            Ok(Appended { log, end, duplicate }) => {
                if duplicate {
                    self.counts.duplicate(count);
                } else {
                    self.counts.sent(count);
                }
                self.stored.records += count;
                self.stored.end = Some(End { log, pos: end, duplicate });
                span.into_iter().for_each(|span| self.stored.durable.add(span));
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
            hint: Some(
                "a source is an X-Logship-Source or the log of an agent: use one for each sender, not for each request"
                    .to_owned(),
            ),
            ..ApiError::new(Code::Busy, "the server keeps track of too many sources already")
        },
        AppendError::Io(cause) => {
            tracing::error!(%cause, "records could not be stored");
            ApiError::new(Code::Unavailable, cause.clone())
        }
    }
}
