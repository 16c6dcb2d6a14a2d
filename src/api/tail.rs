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

#[cfg(test)]
mod tests {
    use super::super::testing::{Server, request, server};
    use crate::pipeline::tail::{TAIL_RING_EVENTS_MAX, TAILS_MAX};
    use axum::body::{Body, BodyDataStream};
    use futures_util::StreamExt;
    use tower::ServiceExt;

    async fn open(server: &Server, uri: &str, last: Option<&str>) -> BodyDataStream {
        let headers: Vec<_> = last.map(|last| ("last-event-id", last)).into_iter().collect();
        let request = request("GET", uri, &headers, Body::empty());
        let response = server.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut body = response.into_body().into_data_stream();
        if !uri.contains("after") && last.is_none() {
            assert_eq!(piece(&mut body).await, ": logship tail\n\n");
        }
        body
    }

    async fn piece(body: &mut BodyDataStream) -> String {
        String::from_utf8(body.next().await.unwrap().unwrap().to_vec()).unwrap()
    }

    fn row(number: u64) -> String {
        format!(
            "id: 4f2a9c01d3b7-{:x}\nevent: row\ndata: {{\"@timestamp\":\"2026-01-01T00:00:00.000Z\",\
             \"message\":\"row {number}\",\"_id\":\"4f2a9c01d3b7-{:x}\"}}\n\n",
            number + 1,
            number + 0x1000
        )
    }

    #[tokio::test]
    async fn matching_rows_come_as_they_arrive() {
        let server = server();
        server.publish(0, 1);
        let mut all = open(&server, "/api/v1/tail", None).await;
        let mut some = open(&server, "/api/v1/tail?q=3", None).await;
        assert_eq!(server.tail.readers(), 2);
        server.publish(1, 2);
        assert_eq!(piece(&mut all).await, row(1) + &row(2));
        server.publish(3, 1);
        assert_eq!(piece(&mut all).await, row(3));
        assert_eq!(piece(&mut some).await, row(3));
        drop((all, some));
        assert_eq!(server.tail.readers(), 0);
    }

    #[tokio::test]
    async fn a_position_resumes_or_says_gap() {
        let server = server();
        server.publish(0, 4);
        let gap = |next: &str| format!(": logship tail\n\nid: 4f2a9c01d3b7-{next}\nevent: gap\ndata: {{}}\n\n");
        for (after, last, expected) in [
            (Some("4f2a9c01d3b7-2"), None, [": logship tail\n\n".to_owned(), row(2) + &row(3)]),
            (None, Some("4f2a9c01d3b7-3"), [": logship tail\n\n".to_owned(), row(3)]),
            (Some("4f2a9c01d3b7-0"), Some("4f2a9c01d3b7-3"), [": logship tail\n\n".to_owned(), row(3)]),
            (Some("000000000001-2"), None, [gap("4"), row(4)]),
            (Some("4f2a9c01d3b7-5"), None, [gap("4"), row(4)]),
        ] {
            let server = self::server();
            server.publish(0, 4);
            let uri = after.map_or("/api/v1/tail".to_owned(), |after| format!("/api/v1/tail?after={after}"));
            let mut body = open(&server, &uri, last).await;
            assert_eq!(piece(&mut body).await, expected[0], "{after:?} {last:?}");
            server.publish(4, 1);
            assert_eq!(piece(&mut body).await, expected[1], "{after:?} {last:?}");
        }
        let wrong = server.get("/api/v1/tail?after=x").await;
        assert_eq!((wrong.status.as_u16(), wrong.error().0.as_str()), (400, "bad_request"));
        let wrong = server.send(request("GET", "/api/v1/tail", &[("last-event-id", "x")], Body::empty())).await;
        assert_eq!(wrong.status, 400);
    }

    #[tokio::test]
    async fn a_slow_reader_is_told_what_it_missed() {
        let server = server();
        let mut body = open(&server, "/api/v1/tail?q=last", None).await;
        let half = TAIL_RING_EVENTS_MAX / 2;
        for first in 0..4 {
            server.publish((first * half) as u64, half);
        }
        assert_eq!(piece(&mut body).await, format!("event: drop\ndata: {{\"count\":{}}}\n\n", 2 * half));
    }

    #[tokio::test]
    async fn too_many_tails_are_refused_and_the_end_ends_them() {
        let server = server();
        let mut bodies = Vec::new();
        for _ in 0..TAILS_MAX {
            bodies.push(open(&server, "/api/v1/tail", None).await);
        }
        let refused = server.get("/api/v1/tail").await;
        assert_eq!((refused.status.as_u16(), refused.error().0.as_str()), (429, "busy"));
        assert!(refused.headers.contains_key("retry-after"));
        server.tail.close();
        for mut body in bodies {
            assert!(body.next().await.is_none());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_connection_is_kept_open_with_its_position() {
        let server = server();
        let mut body = open(&server, "/api/v1/tail?q=nothing", None).await;
        server.publish(0, 7);
        assert_eq!(piece(&mut body).await, ":\nid: 4f2a9c01d3b7-7\n\n");
    }
}
