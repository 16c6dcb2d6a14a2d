//! `GET /api/v1/search`: a page of rows as NDJSON, streamed, then the trailer.
//!
//! The rows leave before the count ends. A failure before the first row has its own status; a later one is a last line
//! in the shape of errors, in place of the trailer. A client that goes away ends the search at its next row.

use super::{
    ApiError, ApiState, SEARCH_SECONDS_MAX, Shared,
    blocking::{Chunks, ClientGone},
    params::Params,
};
use crate::{
    clock,
    event::json,
    flow::Stored,
    query::{Count, QueryFailure, RESULT_PAGE_MAX, Relation, SearchRequest, Summary},
};
use axum::{
    body::Body,
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use serde_json::json;
use std::{
    mem,
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

/// Rows are sent in pieces of about this size.
const CHUNK_BYTES: usize = 64 << 10;
/// Pieces that may wait for a slow client: what a search holds in memory for it.
const CHUNKS_QUEUED_MAX: usize = 4;
/// Rows that come slowly are sent at least this often.
const FLUSH_EVERY: Duration = Duration::from_millis(50);

/// The handler.
pub async fn search(State(state): Shared, uri: Uri) -> Result<Response, ApiError> {
    let started = clock::instant();
    let (request, hints) = read(&uri)?;
    let turn = state.searches.turn().await?;
    let (chunks, receiver) = Chunks::channel(CHUNKS_QUEUED_MAX);
    // Answered when the first row or the whole answer is there: from then on the status is fixed.
    let (begun, begins) = oneshot::channel();
    let thread = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let rows = Rows { chunks, begun: Some(begun), buffer: String::new(), count: 0, flushed: started };
        run(&state, &request, rows, |summary| trailer(&state, &request, summary, hints, started));
    });
    match begins.await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => return Err(failure),
        // The thread ended without a word: it panicked.
        Err(_) => return Err(super::blocking::fault(thread.await.err())),
    }
    let stream = futures_util::stream::unfold(receiver, |mut receiver| async {
        Some((Ok::<_, std::convert::Infallible>(receiver.recv().await?), receiver))
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// The request, and advice on how to write its query better.
fn read(uri: &Uri) -> Result<(SearchRequest, Vec<String>), ApiError> {
    let params = Params::read(uri, &["q", "from", "to", "limit", "cursor", "count"])?;
    let count = match params.text("count") {
        None | Some("exact") => Count::Exact,
        Some("none") => Count::None,
        Some(other) => return Err(ApiError::bad(format!("`count={other}`: expected `exact` or `none`"))),
    };
    let (scope, hints) = params.scope_and_hints()?;
    let request = SearchRequest {
        scope,
        limit: params.count("limit", 100, 0, RESULT_PAGE_MAX)?,
        cursor: params.parsed("cursor")?,
        count,
        deadline: Duration::from_secs(SEARCH_SECONDS_MAX),
    };
    Ok((request, hints))
}

/// Rows on their way to the client.
struct Rows {
    chunks: Chunks,
    begun: Option<oneshot::Sender<Result<(), ApiError>>>,
    buffer: String,
    count: usize,
    flushed: Instant,
}

impl Rows {
    fn flush(&mut self) -> Result<(), ClientGone> {
        self.begin(Ok(()));
        self.flushed = clock::instant();
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.chunks.send(Bytes::from(mem::take(&mut self.buffer)))
    }

    fn begin(&mut self, outcome: Result<(), ApiError>) {
        if let Some(begun) = self.begun.take() {
            // A client that went away meanwhile is noticed at the next send.
            let _ = begun.send(outcome);
        }
    }

    fn row(&mut self, stored: &Stored, limit: usize) -> ControlFlow<()> {
        json::write_event(&mut self.buffer, &stored.event, Some(&stored.id));
        self.buffer.push('\n');
        self.count += 1;
        let full = self.buffer.len() >= CHUNK_BYTES || self.count == limit;
        let gone = if full || clock::since(self.flushed) >= FLUSH_EVERY {
            self.flush().is_err()
        } else {
            self.chunks.is_closed()
        };
        if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn run(
    state: &Arc<ApiState>,
    request: &SearchRequest,
    mut rows: Rows,
    trailer: impl FnOnce(Summary) -> serde_json::Value,
) {
    let answer = state.backend.search(request, &mut |stored| rows.row(&stored, request.limit));
    let last = match answer {
        Ok(summary) => trailer(summary),
        Err(QueryFailure::Cancelled) if rows.chunks.is_closed() => return,
        Err(failure) => {
            let failure = ApiError::from(failure);
            if rows.begun.is_some() {
                return rows.begin(Err(failure));
            }
            failure.json()
        }
    };
    rows.buffer.push_str(&last.to_string());
    rows.buffer.push('\n');
    // Nobody is left to hear that the client went away.
    let _ = rows.flush();
}

fn trailer(
    state: &ApiState,
    request: &SearchRequest,
    summary: Summary,
    mut warnings: Vec<String>,
    started: Instant,
) -> serde_json::Value {
    warnings.extend(summary.warnings);
    json!({"_trailer": {
        "took_ms": super::millis(clock::since(started)),
        "rows": summary.rows,
        "matched": summary.matched,
        "relation": match summary.relation { Relation::Eq => "eq", Relation::Gte => "gte" },
        "cursor": summary.cursor.map(|cursor| cursor.to_string()),
        "position": state.tail.position(summary.next_number).to_string(),
        "words": logship_parsers::query::words(&request.scope.query),
        "partial": summary.partial,
        "warnings": warnings,
    }})
}
