//! `POST /api/v1/ingest`: lines and JSON objects into the log. Foreign protocols will stand beside it.
//!
//! The body is read on the async runtime, and inflated, split and handed to the log on plain threads, a piece at a time,
//! so that a slow client holds no thread. The reply comes when every record is durable. A request without a sequence
//! number is stored batch by batch: one that fails in the middle says how much of it is stored.
//!
//! Limits: [`BODY_BYTES_MAX`], [`IN_FLIGHT_BYTES_MAX`] over all requests (each counted with the most that it can hold),
//! [`STEPS_RUNNING_MAX`] threads, [`STALL_SECONDS_MAX`] and [`BODY_SECONDS_MAX`] for the client.

mod counts;
mod head;
mod inflate;
mod split;
mod store;

pub use counts::Ingested;
pub use head::{Format, NAME_BYTES_MAX, SEQ_MAX, SOURCE_BYTES_MAX};
pub use inflate::ZSTD_WINDOW_LOG_MAX;
pub use split::BATCH_BYTES_MAX;

use super::{ApiError, ApiState, Health, Shared, blocking, error::Code};
use crate::flow::{EventId, FRAME_BYTES_MAX, Intake};
use axum::{
    Json,
    body::Body,
    extract::{Request, State},
};
use bytes::Bytes;
use futures_util::StreamExt;
use head::Head;
use inflate::{Encoding, Inflate};
use serde_json::{Value, json};
use split::Splitter;
use std::{pin::Pin, sync::Arc, time::Duration};
use store::Store;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Sleep, timeout},
};

/// Longest body once inflated.
pub const BODY_BYTES_MAX: usize = 64 << 20;
/// Bytes that all requests together may hold in memory.
pub const IN_FLIGHT_BYTES_MAX: usize = 128 << 20;
/// Pieces of bodies that are worked on at a time.
pub const STEPS_RUNNING_MAX: usize = 8;
/// A client that sends nothing for this many seconds is given up.
pub const STALL_SECONDS_MAX: u64 = 30;
/// A body must be complete within this many seconds.
pub const BODY_SECONDS_MAX: u64 = 300;
/// A request waits this long for room before it is refused with 429.
const ROOM_WAIT: Duration = Duration::from_secs(1);
/// The body is worked on in pieces of about this size.
const STEP_BYTES: usize = 256 << 10;
/// Batches of one request that may wait for the log.
const BATCHES_PENDING_MAX: usize = 4;
/// The most that a request holds: its batches, the one being filled and a piece of its body.
const REQUEST_BYTES: usize = FRAME_BYTES_MAX;
/// The least that is counted for a request.
const REQUEST_BYTES_MIN: usize = 64 << 10;
/// Most bytes that one byte of gzip can become.
const GZIP_RATIO: usize = 1_032;

/// Room for requests.
#[derive(Debug)]
pub struct Room {
    bytes: Arc<Semaphore>,
    steps: Semaphore,
}

impl Room {
    pub(super) fn new() -> Room {
        let bytes = Arc::new(Semaphore::new(IN_FLIGHT_BYTES_MAX / REQUEST_BYTES_MIN));
        Room { bytes, steps: Semaphore::new(STEPS_RUNNING_MAX) }
    }

    async fn admit(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let units = u32::try_from(bytes.div_ceil(REQUEST_BYTES_MIN)).unwrap_or(u32::MAX);
        match timeout(ROOM_WAIT, Arc::clone(&self.bytes).acquire_many_owned(units)).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ApiError::new(Code::Busy, "too much is being ingested at once")),
        }
    }

    async fn step<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let _turn = self.steps.acquire().await;
        blocking::blocking(work).await
    }
}

/// The most that a request with this head can hold in memory.
fn weight(head: &Head) -> usize {
    let length = head.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    match head.encoding {
        Encoding::Identity => length.clamp(REQUEST_BYTES_MIN, REQUEST_BYTES),
        Encoding::Gzip => length.saturating_mul(GZIP_RATIO).clamp(REQUEST_BYTES_MIN, REQUEST_BYTES),
        Encoding::Zstd => REQUEST_BYTES + (1 << ZSTD_WINDOW_LOG_MAX),
    }
}

/// The handler.
pub async fn ingest(State(state): Shared, request: Request) -> Result<Json<Value>, ApiError> {
    let (parts, body) = request.into_parts();
    let head = Head::read(&parts)?;
    let intake = open(&state)?;
    let room = state.ingest.admit(weight(&head)).await?;
    // A task of its own: when the client goes away, what the log has been given is still waited for and counted.
    let task = tokio::spawn(async move {
        let _room = room;
        run(&state, head, body, intake).await
    });
    task.await.unwrap_or_else(|error| Err(blocking::fault(Some(error)))).map(Json)
}

fn open(state: &ApiState) -> Result<Intake, ApiError> {
    let refuse = |code, message: &str| Err(ApiError::new(code, message));
    match (state.node.health(), &state.intake) {
        (Health::Replaying, _) => refuse(Code::Replaying, "the server reads its log and takes no records yet"),
        (Health::Full, _) => refuse(Code::StorageFull, "no room is left; records are taken again when there is"),
        (Health::ReadOnly, _) | (Health::Ok, None) => refuse(Code::Unavailable, "this process only reads"),
        (Health::Ok, Some(intake)) => Ok(intake.clone()),
    }
}

/// What is worked on: moved to a plain thread and back with every piece.
struct Work {
    inflate: Inflate,
    splitter: Splitter,
    store: Store,
}

impl Work {
    fn feed(&mut self, pieces: &[Bytes]) -> Result<(), ApiError> {
        let Work { inflate, splitter, store } = self;
        pieces.iter().try_for_each(|piece| {
            inflate.push(piece, &mut |plain| splitter.push(plain, &mut |records| store.add(records)))
        })
    }
}

async fn run(state: &Arc<ApiState>, head: Head, body: Body, intake: Intake) -> Result<Value, ApiError> {
    let mut source = Source::new(body, head.length);
    let mut work = Work {
        inflate: Inflate::new(head.encoding)?,
        splitter: Splitter::new(head.format, head.span.is_some()),
        store: Store::new(intake, head.origin, head.span, Arc::clone(&state.ingested)),
    };
    let read = loop {
        let pieces = match source.next().await {
            Ok(pieces) if pieces.is_empty() => break Ok(()),
            Ok(pieces) => pieces,
            Err(error) => break Err(error),
        };
        let fed;
        (work, fed) = state
            .ingest
            .step(move || {
                let fed = work.feed(&pieces);
                (work, fed)
            })
            .await?;
        if fed.is_err() {
            break fed;
        }
    };
    let Work { inflate, mut splitter, mut store } = work;
    let finished = match read {
        Err(error) => Err(error),
        Ok(()) => {
            let finish = move || {
                let rest = inflate.finish(&mut |plain| splitter.push(plain, &mut |records| store.add(records)));
                let rejected = rest.and_then(|()| splitter.finish(&mut |records| store.add(records)));
                (store, rejected)
            };
            let rejected;
            (store, rejected) = state.ingest.step(finish).await?;
            rejected
        }
    };
    let (stored, outcome) = store.settle().await;
    match finished.and_then(|rejected| outcome.map(|end| (rejected, end))) {
        Ok((rejected, end)) => {
            state.ingested.too_long(rejected.len() as u64);
            Ok(reply(stored, &rejected, end))
        }
        Err(mut error) => {
            if stored > 0 {
                error.message.push_str(&format!("; {stored} records of this request are stored already"));
            }
            Err(error)
        }
    }
}

fn reply(stored: u64, rejected: &[split::Rejected], end: Option<store::End>) -> Value {
    let rejected: Vec<_> = rejected.iter().map(|one| json!({"line": one.line, "error": one.error})).collect();
    let pos = end.map(|end| EventId { log: end.log, at: end.pos }.to_string());
    let mut reply = json!({"accepted": stored, "rejected": rejected, "pos": pos});
    if end.is_some_and(|end| end.duplicate) {
        reply["duplicate"] = json!(true);
    }
    reply
}

/// A body as it arrives.
struct Source {
    stream: axum::body::BodyDataStream,
    announced: Option<u64>,
    read: u64,
    /// The end of patience with the whole body.
    too_late: Pin<Box<Sleep>>,
}

impl Source {
    fn new(body: Body, announced: Option<u64>) -> Source {
        let too_late = Box::pin(tokio::time::sleep(Duration::from_secs(BODY_SECONDS_MAX)));
        Source { stream: body.into_data_stream(), announced, read: 0, too_late }
    }

    /// The next pieces; none at the end.
    async fn next(&mut self) -> Result<Vec<Bytes>, ApiError> {
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while bytes < STEP_BYTES {
            let piece = tokio::select! {
                biased;
                piece = self.stream.next() => piece,
                () = self.too_late.as_mut() => return Err(too_slow()),
                () = tokio::time::sleep(Duration::from_secs(STALL_SECONDS_MAX)) => return Err(too_slow()),
            };
            let piece = match piece {
                Some(Ok(piece)) => piece,
                Some(Err(error)) => return Err(ApiError::bad(format!("the body broke off: {error}"))),
                None => break,
            };
            bytes += piece.len();
            pieces.push(piece);
        }
        self.read += bytes as u64;
        if self.read > BODY_BYTES_MAX as u64 {
            let message = format!("the body is longer than {} MiB", BODY_BYTES_MAX >> 20);
            return Err(ApiError::new(Code::TooLarge, message));
        }
        if bytes == 0 && self.announced.is_some_and(|announced| announced != self.read) {
            return Err(ApiError::bad("the body broke off"));
        }
        Ok(pieces)
    }
}

fn too_slow() -> ApiError {
    ApiError::new(Code::Timeout, "the body comes too slowly")
}
