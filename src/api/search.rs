//! `GET /api/v1/search`: a page of rows as NDJSON, streamed, then the trailer.
//!
//! The rows leave before the count ends. A failure before the first row has its own status; a later one is a last line
//! in the shape of errors, in place of the trailer; an answer without either is incomplete. A client that goes away ends
//! the search.

use super::{
    ApiError, ApiState, SEARCH_DEADLINE, Shared,
    blocking::{CancelOnDrop, Chunks, ClientGone, fault},
    params::Params,
};
use crate::{
    clock,
    event::json,
    flow::Stored,
    query::{Cancel, Count, RESULT_PAGE_MAX, SearchRequest, Summary},
};
use axum::{
    body::Body,
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use std::{
    mem,
    ops::ControlFlow,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::timeout};

/// Rows are sent in pieces of about this size.
const CHUNK_BYTES: usize = 64 << 10;
/// Pieces that may wait for a slow client: what a search holds in memory for it.
const CHUNKS_QUEUED_MAX: usize = 4;
/// Rows do not wait longer than this for others, or for the count.
const FLUSH_EVERY: Duration = Duration::from_millis(50);

/// The handler.
pub async fn search(State(state): Shared, uri: Uri) -> Result<Response, ApiError> {
    let started = clock::instant();
    let (request, hints) = read(&uri)?;
    let turn = state.searches.turn().await?;
    let (chunks, receiver) = Chunks::channel(CHUNKS_QUEUED_MAX);
    let open = Arc::new(Mutex::new(Open::default()));
    let waits = CancelOnDrop(request.cancel.clone());
    let mut answer = Answer { receiver, open: Arc::clone(&open), _waits: waits };
    let thread = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let rows = Rows { chunks, open, count: 0 };
        run(&state, &request, rows, |summary| trailer(&state, &request, summary, hints, started));
    });
    // From the first piece on the status is fixed.
    let first = match answer.next().await {
        Some(first) => first?,
        // The thread ended without a word: it panicked.
        None => return Err(fault(thread.await.err())),
    };
    let rest = stream::unfold(answer, |mut answer| async { Some((answer.next().await?, answer)) });
    let body = Body::from_stream(stream::once(std::future::ready(Ok(first))).chain(rest));
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// The reading end: pieces that the thread sends, and after a while what it has not sent yet.
struct Answer {
    receiver: mpsc::Receiver<Result<Bytes, ApiError>>,
    open: Arc<Mutex<Open>>,
    _waits: CancelOnDrop,
}

impl Answer {
    async fn next(&mut self) -> Option<Result<Bytes, ApiError>> {
        loop {
            if let Ok(piece) = timeout(FLUSH_EVERY, self.receiver.recv()).await {
                return piece;
            }
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            // Under the lock: what the thread sent before it wrote these rows goes first.
            match self.receiver.try_recv() {
                Ok(piece) => return Some(piece),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
                Err(mpsc::error::TryRecvError::Empty) if open.text.is_empty() => {}
                Err(mpsc::error::TryRecvError::Empty) => return Some(Ok(open.take())),
            }
        }
    }
}

/// Rows that were not sent yet.
#[derive(Default)]
struct Open {
    text: String,
    /// Something was sent: the status is fixed.
    begun: bool,
}

impl Open {
    fn take(&mut self) -> Bytes {
        self.begun = true;
        Bytes::from(mem::take(&mut self.text))
    }
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
        deadline: SEARCH_DEADLINE,
        cancel: Cancel::default(),
    };
    Ok((request, hints))
}

/// The writing end.
struct Rows {
    chunks: Chunks<Result<Bytes, ApiError>>,
    open: Arc<Mutex<Open>>,
    count: usize,
}

impl Rows {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&mut self, stored: &Stored, limit: usize) -> ControlFlow<()> {
        let mut open = self.open();
        json::write_event(&mut open.text, &stored.event, Some(&stored.id));
        open.text.push('\n');
        let long = open.text.len() >= CHUNK_BYTES;
        drop(open);
        self.count += 1;
        let gone = if long || self.count == limit { self.flush().is_err() } else { self.chunks.is_closed() };
        if gone { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn flush(&self) -> Result<(), ClientGone> {
        let piece = self.open().take();
        if piece.is_empty() { Ok(()) } else { self.chunks.send(Ok(piece)) }
    }

    /// Ends the answer with a line.
    fn end(&self, line: &serde_json::Value) -> Result<(), ClientGone> {
        let mut open = self.open();
        open.text.push_str(&line.to_string());
        open.text.push('\n');
        drop(open);
        self.flush()
    }

    /// Ends the answer with a failure: as its status where nothing was sent, else as a line.
    fn fail(&self, failure: ApiError) -> Result<(), ClientGone> {
        let mut open = self.open();
        if open.begun {
            drop(open);
            return self.end(&failure.json());
        }
        open.text.clear();
        drop(open);
        self.chunks.send(Err(failure))
    }
}

fn run(state: &ApiState, request: &SearchRequest, mut rows: Rows, trailer: impl FnOnce(Summary) -> serde_json::Value) {
    let sent = match state.backend.search(request, &mut |stored| rows.row(&stored, request.limit)) {
        Ok(summary) => rows.end(&trailer(summary)),
        Err(failure) => rows.fail(failure.into()),
    };
    if sent.is_err() {
        tracing::debug!("the client of a search went away");
    }
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
        "relation": super::relation(summary.relation),
        "cursor": summary.cursor.map(|cursor| cursor.to_string()),
        "position": state.tail.position(summary.next_number).to_string(),
        "words": logship_parsers::query::words(&request.scope.query),
        "partial": summary.partial,
        "warnings": warnings,
    }})
}

#[cfg(test)]
mod tests {
    use super::super::testing::{FakeStore, request, server, server_with, until};
    use crate::query::QueryFailure;
    use axum::body::Body;
    use futures_util::StreamExt;
    use std::sync::{Mutex, atomic::Ordering, mpsc};
    use tower::ServiceExt;

    #[tokio::test]
    async fn rows_then_the_trailer() {
        let reply = server().get("/api/v1/search?q=Row%20-x&limit=2&from=now-1h&count=exact").await;
        assert_eq!(
            (reply.status.as_u16(), &reply.headers["content-type"]),
            (200, &"application/x-ndjson".parse().unwrap())
        );
        let lines: Vec<serde_json::Value> =
            reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((lines.len(), &lines[0]["_id"]), (3, &"4f2a9c01d3b7-1000".into()));
        let mut trailer = lines[2]["_trailer"].clone();
        trailer["took_ms"] = 0.into();
        assert_eq!(
            trailer.to_string(),
            r#"{"took_ms":0,"rows":2,"matched":3,"relation":"eq","cursor":"5_4f2a9c01d3b7-1002","position":"4f2a9c01d3b7-1f00","words":["row"],"partial":false,"warnings":["a warning"]}"#
        );
    }

    #[tokio::test]
    async fn refusals() {
        let server = server();
        for (arguments, code, message) in [
            ("q=level%3A", "query_syntax", ""),
            ("limit=1001", "bad_request", "`limit=1001`: expected a whole number from 0 to 1000"),
            ("count=some", "bad_request", "`count=some`: expected `exact` or `none`"),
            ("cursor=x", "bad_request", "`cursor=x`: `x` is no cursor of this server"),
            ("query=x", "bad_request", "unknown argument `query`; known here: q, from, to, limit, cursor, count"),
        ] {
            let reply = server.get(&format!("/api/v1/search?{arguments}")).await;
            let (found, text) = reply.error();
            assert_eq!((reply.status.as_u16(), found.as_str()), (400, code), "{arguments}");
            assert!(text == message || message.is_empty(), "{text}");
            assert_eq!(reply.json()["error"]["span"].is_array(), code == "query_syntax");
        }
        let long = format!("/api/v1/search?q={}", "x%20".repeat(1_025));
        assert_eq!(server.get(&long).await.error().0, "query_too_large");
    }

    #[tokio::test]
    async fn rows_leave_before_the_count_ends() {
        for limit in [3, 100] {
            let (open, gate) = mpsc::sync_channel(1);
            let store = FakeStore { gate: Mutex::new(Some(gate)), ..FakeStore::of(3) };
            let server = server_with(store, "");
            let uri = format!("/api/v1/search?limit={limit}");
            let response = server.router.clone().oneshot(request("GET", &uri, &[], Body::empty())).await.unwrap();
            let mut body = response.into_body().into_data_stream();
            let mut text = String::new();
            while text.lines().count() < 3 {
                text.push_str(std::str::from_utf8(&body.next().await.unwrap().unwrap()).unwrap());
            }
            open.send(()).unwrap();
            let last = body.next().await.unwrap().unwrap();
            assert!(last.starts_with(b"{\"_trailer\""));
            assert!(body.next().await.is_none());
        }
    }

    #[tokio::test]
    async fn failures_before_and_after_the_first_row() {
        let failing = |rows, failure| server_with(FakeStore { failure: Some(failure), ..FakeStore::of(rows) }, "");
        let reply = failing(0, QueryFailure::Storage("bad block".to_owned())).get("/api/v1/search").await;
        assert_eq!((reply.status.as_u16(), reply.error().0.as_str()), (500, "internal"));
        let reply = failing(0, QueryFailure::Invalid("no".to_owned())).get("/api/v1/search").await;
        assert_eq!((reply.status.as_u16(), reply.error().1.as_str()), (400, "no"));
        let reply = failing(2, QueryFailure::Storage("bad block".to_owned())).get("/api/v1/search?limit=2").await;
        assert_eq!(reply.status, 200);
        assert!(reply.text.lines().last().unwrap().starts_with(r#"{"error":{"code":"internal""#), "{}", reply.text);
    }

    #[tokio::test]
    async fn a_panic_is_one_failed_request() {
        let server = server_with(FakeStore { panics: true, ..FakeStore::of(1) }, "");
        for _ in 0..10 {
            assert_eq!(server.get("/api/v1/search").await.error().0, "internal");
        }
        assert_eq!(server.get("/api/v1/health").await.status, 200);
    }

    #[tokio::test]
    async fn a_search_stops_when_the_client_goes_away() {
        let server = server_with(FakeStore::of(1_000), "");
        let request = request("GET", "/api/v1/search?limit=1000", &[], Body::empty());
        let response = server.router.clone().oneshot(request).await.unwrap();
        drop(response);
        until(|| std::sync::Arc::strong_count(&server.store) == 2).await;
        assert!(server.store.given.load(Ordering::SeqCst) < 1_000);
    }
}
