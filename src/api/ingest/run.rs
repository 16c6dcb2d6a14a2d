//! The way of every body into the log, whatever it holds: admitted, read as it arrives, inflated and decoded on plain
//! threads, and answered when all of it is durable.

use super::{
    BODY_BYTES_MAX, BODY_SECONDS_MAX, DRAIN_WAIT, DRAINED_BYTES_MAX, GZIP_RATIO, Ingested, REQUEST_BYTES,
    REQUEST_BYTES_MIN, STALL_SECONDS_MAX, STEP_BYTES, Store, Stored, ZSTD_WINDOW_LOG_MAX,
    head::Form,
    inflate::{Encoding, Inflate},
};
use crate::{
    api::{ApiError, ApiState, Health, blocking, error::Code},
    flow::Intake,
};
use axum::{Json, body::Body};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::Value;
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::time::{Sleep, timeout};

/// What the bytes of a body become.
pub trait Decode: Send + Sized + 'static {
    /// What is left to say at the end.
    type Rest: Send;

    /// Takes the next bytes, inflated, and hands the batches in them over. At most a few MiB may be kept.
    ///
    /// # Errors
    /// The body cannot be read, or the log refuses it.
    fn push(&mut self, plain: &[u8], store: &mut Store) -> Result<(), ApiError>;

    /// The body has ended: hands over what was kept.
    ///
    /// # Errors
    /// As [`Decode::push`].
    fn finish(self, store: &mut Store) -> Result<Self::Rest, ApiError>;

    /// The reply once all of it is durable.
    fn reply(rest: Self::Rest, stored: Stored, counts: &Ingested) -> Value;
}

/// Takes a whole body.
///
/// # Errors
/// It is refused, or failed in the middle; then the message says how much of it is stored.
pub async fn take<D: Decode>(state: Arc<ApiState>, form: Form, body: Body, decode: D) -> Result<Json<Value>, ApiError> {
    let admitted = async { Ok((open(&state)?, state.ingest.admit(weight(&form)).await?)) };
    let (intake, room) = match admitted.await {
        Ok(admitted) => admitted,
        Err(refusal) => {
            Source::new(body, None).drain().await;
            return Err(refusal);
        }
    };
    // A task of its own: when the client goes away, what the log has been given is still waited for and counted.
    let task = tokio::spawn(async move {
        let _room = room;
        run(&state, form, body, decode, intake).await
    });
    task.await.unwrap_or_else(|error| Err(blocking::fault(Some(error)))).map(Json)
}

/// The most that a request can hold in memory.
fn weight(form: &Form) -> usize {
    let length = form.length.and_then(|length| usize::try_from(length).ok()).unwrap_or(usize::MAX);
    match form.encoding {
        Encoding::Identity => length.clamp(REQUEST_BYTES_MIN, REQUEST_BYTES),
        Encoding::Gzip => length.saturating_mul(GZIP_RATIO).clamp(REQUEST_BYTES_MIN, REQUEST_BYTES),
        Encoding::Zstd => REQUEST_BYTES + (1 << ZSTD_WINDOW_LOG_MAX),
    }
}

fn open(state: &ApiState) -> Result<Intake, ApiError> {
    let refuse = |code, message: &str| Err(ApiError::new(code, message));
    match (state.node.health(), state.intake.get()) {
        (Health::Replaying, _) => refuse(Code::Replaying, "the server reads its log and takes no records yet"),
        (Health::Full, _) | (Health::Ok | Health::Degraded, None) => {
            refuse(Code::StorageFull, "no room is left; records are taken again when there is")
        }
        (Health::Ok | Health::Degraded, Some(intake)) => Ok(intake.clone()),
    }
}

/// What is worked on: moved to a plain thread and back with every piece.
struct Work<D> {
    inflate: Inflate,
    decode: D,
    store: Store,
}

impl<D: Decode> Work<D> {
    fn feed(&mut self, pieces: &[Bytes]) -> Result<(), ApiError> {
        let Work { inflate, decode, store } = self;
        pieces.iter().try_for_each(|piece| inflate.push(piece, &mut |plain| decode.push(plain, store)))
    }

    fn finish(self) -> (Store, Result<D::Rest, ApiError>) {
        let Work { inflate, mut decode, mut store } = self;
        let rest = inflate.finish(&mut |plain| decode.push(plain, &mut store));
        let rest = rest.and_then(|()| decode.finish(&mut store));
        (store, rest)
    }
}

async fn run<D: Decode>(
    state: &Arc<ApiState>,
    form: Form,
    body: Body,
    decode: D,
    intake: Intake,
) -> Result<Value, ApiError> {
    let mut source = Source::new(body, form.length);
    let store = Store::new(intake, Arc::clone(&state.ingested));
    let mut work = Work { inflate: Inflate::new(form.encoding)?, decode, store };
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
            source.drain().await;
            break fed;
        }
    };
    let (store, finished) = match read {
        Err(error) => (work.store, Err(error)),
        Ok(()) => state.ingest.step(move || work.finish()).await?,
    };
    let (stored, fault) = store.settle().await;
    match finished.and_then(|rest| fault.map_or(Ok(rest), Err)) {
        Ok(rest) => Ok(D::reply(rest, stored, &state.ingested)),
        Err(mut error) => {
            if stored.records > 0 {
                error.message.push_str(&format!("; {} records of this request are stored already", stored.records));
            }
            Err(error)
        }
    }
}

/// The refusal of a body over its limit.
pub fn too_long(limit: usize) -> ApiError {
    ApiError::new(Code::TooLarge, format!("the body is longer than {} MiB", limit >> 20))
}

/// A body as it arrives.
pub struct Source {
    stream: axum::body::BodyDataStream,
    announced: Option<u64>,
    read: u64,
    /// The end of patience with the whole body.
    too_late: Pin<Box<Sleep>>,
}

impl Source {
    /// At its beginning; `announced` is its length, where known.
    pub fn new(body: Body, announced: Option<u64>) -> Source {
        let too_late = Box::pin(tokio::time::sleep(Duration::from_secs(BODY_SECONDS_MAX)));
        Source { stream: body.into_data_stream(), announced, read: 0, too_late }
    }

    /// The next pieces; none at the end.
    pub async fn next(&mut self) -> Result<Vec<Bytes>, ApiError> {
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
            return Err(too_long(BODY_BYTES_MAX));
        }
        if bytes == 0 && self.announced.is_some_and(|announced| announced != self.read) {
            return Err(ApiError::bad("the body broke off"));
        }
        Ok(pieces)
    }

    /// Reads some more after a refusal: a client that is still sending then sees the answer, not a broken connection.
    pub async fn drain(&mut self) {
        let mut left = DRAINED_BYTES_MAX;
        let reading = async {
            while let Some(Ok(piece)) = self.stream.next().await {
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    break;
                }
            }
        };
        let _ = timeout(DRAIN_WAIT, reading).await;
    }
}

fn too_slow() -> ApiError {
    ApiError::new(Code::Timeout, "the body comes too slowly")
}
