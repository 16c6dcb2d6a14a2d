//! `GET /api/v1/tail`: events as they arrive, as server-sent events.
//!
//! A row's `id:` is the position behind it, so that a browser that reconnects goes on there; the comment that keeps a
//! quiet connection open carries the position too. Matching and writing JSON happen on plain threads, a batch at a time.

use super::{ApiError, Matches, Shared, blocking::blocking, error::Code, params::Params};
use crate::{
    clock,
    event::json::write_event,
    flow::EventId,
    pipeline::tail::{Chunk, Start, Subscription},
};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use std::{convert::Infallible, fmt::Write, sync::Arc, time::Duration};

/// A quiet connection gets a comment this often, so that proxies keep it open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The handler.
pub async fn tail(State(state): Shared, uri: Uri, headers: HeaderMap) -> Result<Response, ApiError> {
    let params = Params::read(&uri, &["q", "after"])?;
    let query = params.query()?;
    let start = start(&params, &headers)?;
    let compile = state.compile;
    let matches = blocking(move || compile(&query.query, clock::now())).await??;
    let subscription = state.tail.subscribe(start).map_err(|error| ApiError::new(Code::Busy, error.to_string()))?;

    let mut first = String::from(": logship tail\n\n");
    if subscription.gap() {
        let _ = write!(first, "id: {}\nevent: gap\ndata: {{}}\n\n", subscription.position());
    }
    let reader = Reader { subscription, matches: Arc::new(matches), first: Some(first) };
    let stream = futures_util::stream::unfold(reader, |mut reader| async {
        let piece = reader.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(piece)), reader))
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // nginx would hold rows back otherwise.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// A browser that reconnects repeats the first URL: what it saw last wins over where it began.
fn start(params: &Params, headers: &HeaderMap) -> Result<Start, ApiError> {
    if let Some(last) = headers.get("last-event-id") {
        let last: Option<EventId> = last.to_str().ok().and_then(|text| text.parse().ok());
        return last.map(Start::After).ok_or_else(|| ApiError::bad("`Last-Event-ID` is no position of a tail"));
    }
    Ok(params.parsed("after")?.map_or(Start::Live, Start::After))
}

struct Reader {
    subscription: Subscription,
    matches: Arc<Matches>,
    first: Option<String>,
}

impl Reader {
    /// The next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<String> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        let quiet = tokio::time::sleep(KEEP_ALIVE);
        tokio::pin!(quiet);
        loop {
            let chunk = tokio::select! {
                chunk = self.subscription.next() => chunk?,
                () = quiet.as_mut() => return Some(format!(":\nid: {}\n\n", self.subscription.position())),
            };
            let (matches, base) = (Arc::clone(&self.matches), self.subscription.position());
            // A matcher that panics ends this tail only.
            let piece = blocking(move || write_chunk(&chunk, &matches, base)).await.ok()?;
            if !piece.is_empty() {
                return Some(piece);
            }
        }
    }
}

fn write_chunk(chunk: &Chunk, matches: &Matches, base: EventId) -> String {
    let mut text = String::new();
    if chunk.missed > 0 {
        let _ = write!(text, "event: drop\ndata: {{\"count\":{}}}\n\n", chunk.missed);
    }
    for (number, stored) in chunk.events().filter(|(_, stored)| matches(&stored.event)) {
        let behind = EventId { at: crate::flow::Pos(number + 1), ..base };
        let _ = write!(text, "id: {behind}\nevent: row\ndata: ");
        write_event(&mut text, &stored.event, Some(&stored.id));
        text.push_str("\n\n");
    }
    text
}
