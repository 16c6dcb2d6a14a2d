//! `POST /api/v1/ingest`: lines and JSON objects into the log. [`frames`] takes those of agents' logs; foreign protocols will
//! stand beside them.
//!
//! The body is read on the async runtime, and inflated, split and handed to the log on plain threads, a piece at a time,
//! so that a slow client holds no thread. The reply comes when every record is durable. A request without a sequence
//! number is stored batch by batch: one that fails in the middle says how much of it is stored.
//!
//! Limits: [`BODY_BYTES_MAX`], [`IN_FLIGHT_BYTES_MAX`] over all requests (each counted with the most that it can hold),
//! [`STEPS_RUNNING_MAX`] threads, [`STALL_SECONDS_MAX`] and [`BODY_SECONDS_MAX`] for the client.

mod counts;
pub mod frames;
mod head;
mod inflate;
mod run;
mod split;
mod store;

pub use counts::Ingested;
pub use head::{Form, Format, NAME_BYTES_MAX};
pub use inflate::ZSTD_WINDOW_LOG_MAX;
pub use run::{Source, too_long};
pub use split::BATCH_BYTES_MAX;

use super::{ApiError, Shared, blocking, error::Code};
use crate::{
    clock,
    flow::{EventId, FRAME_BYTES_MAX, Origin, RawBatch, Record, Span},
};
use axum::{
    Json,
    extract::{Request, State},
};
use head::Head;
use run::Decode;
use serde_json::{Value, json};
use split::{Rejected, Splitter};
use std::{sync::Arc, time::Duration};
use store::{Store, Stored};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
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
/// Bytes of one request that may wait for the log, unless one batch has more.
const PENDING_BYTES_MAX: usize = 6 << 20;
/// The most that a request holds: its batches, the one being filled and a piece of its body.
const REQUEST_BYTES: usize = FRAME_BYTES_MAX;
/// The least that is counted for a request.
const REQUEST_BYTES_MIN: usize = 64 << 10;
/// Most bytes that are read of a body after its request was refused, and for how long.
const DRAINED_BYTES_MAX: usize = 1 << 20;
const DRAIN_WAIT: Duration = Duration::from_secs(2);
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

    /// Waits for room for so many bytes; the permit is the room.
    pub(super) async fn admit(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
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

/// The handler.
pub async fn ingest(State(state): Shared, request: Request) -> Result<Json<Value>, ApiError> {
    let (parts, body) = request.into_parts();
    let Head { format, form, origin, span } = Head::read(&parts, state.zone.as_deref())?;
    let lines = Lines { splitter: Splitter::new(format, span.is_some()), origin: Arc::new(origin), span };
    run::take(state, form, body, lines).await
}

/// Lines on their way from a body to the log.
struct Lines {
    splitter: Splitter,
    origin: Arc<Origin>,
    span: Option<Span>,
}

impl Decode for Lines {
    /// The lines over a limit.
    type Rest = Vec<Rejected>;

    fn push(&mut self, plain: &[u8], store: &mut Store) -> Result<(), ApiError> {
        let Lines { splitter, origin, span } = self;
        splitter.push(plain, &mut |records| add(store, origin, *span, records))
    }

    fn finish(self, store: &mut Store) -> Result<Vec<Rejected>, ApiError> {
        let Lines { splitter, origin, span } = self;
        splitter.finish(&mut |records| add(store, &origin, span, records))
    }

    fn reply(rejected: Vec<Rejected>, stored: Stored, counts: &Ingested) -> Value {
        counts.too_long(rejected.len() as u64);
        let rejected: Vec<_> = rejected.iter().map(|one| json!({"line": one.line, "error": one.error})).collect();
        let pos = stored.end.map(|end| EventId { log: end.log, at: end.pos }.to_string());
        let mut reply = json!({"accepted": stored.records, "rejected": rejected, "pos": pos});
        if stored.end.is_some_and(|end| end.duplicate) {
            reply["duplicate"] = json!(true);
        }
        reply
    }
}

fn add(store: &mut Store, origin: &Arc<Origin>, span: Option<Span>, records: Vec<Record>) -> Result<(), ApiError> {
    let bytes = records.iter().map(|record| record.bytes.len()).sum();
    store.add(RawBatch { origin: Arc::clone(origin), span, mark: None, received: clock::now(), records }, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{
            Health,
            testing::{Headers, Reply, Server, server, until},
        },
        flow::{AppendError, Span},
    };
    use axum::body::Body;
    use bytes::Bytes;
    use flate2::{Compression, write::GzEncoder};
    use futures_util::{StreamExt, stream};
    use std::io::Write;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn refused(reply: &Reply) -> (u16, String) {
        (reply.status.as_u16(), reply.error().0)
    }

    #[tokio::test]
    async fn bodies_become_records() {
        let text = b"one\r\ntwo\n".to_vec();
        let twice = [gzip(b"one\n"), gzip(b"two")].concat();
        let cases: [(Headers, Vec<u8>, &[&str]); 7] = [
            (&[], text.clone(), &["one", "two"]),
            (&[("content-type", "application/x-www-form-urlencoded")], text.clone(), &["one", "two"]),
            (&[("content-type", "Text/Plain; charset=utf-8")], text.clone(), &["one", "two"]),
            (&[("content-encoding", "gzip")], twice, &["one", "two"]),
            (&[("content-encoding", "zstd")], zstd::encode_all(&text[..], 1).unwrap(), &["one", "two"]),
            (&[("content-type", "application/json")], b"{\"a\":1}\nx".to_vec(), &["{\"a\":1}", "x"]),
            (&[("content-type", "application/x-ndjson")], Vec::new(), &[]),
        ];
        for (headers, body, expected) in cases {
            let server = server();
            let reply = server.post(headers, body).await;
            assert_eq!(reply.status, 200, "{headers:?} {}", reply.text);
            let pos = if expected.is_empty() { "null" } else { "\"4f2a9c01d3b7-100\"" };
            assert_eq!(reply.text, format!("{{\"accepted\":{},\"rejected\":[],\"pos\":{pos}}}", expected.len()));
            assert_eq!(server.log.lines(), expected, "{headers:?}");
        }
    }

    #[tokio::test]
    async fn names_and_kinds_come_along() {
        let server = server();
        let headers: Headers = &[("host", "localhost"), ("content-type", "application/x-ndjson")];
        let mut request =
            crate::api::testing::request("POST", "/api/v1/ingest?service=api&host=h1", &headers[1..], "{}\n[]");
        request.extensions_mut().insert(crate::api::Peer(([10, 0, 0, 7], 5).into()));
        assert_eq!(server.send(request).await.status, 200);
        let batches = server.log.batches.lock().unwrap();
        let origin = &batches[0].origin;
        assert_eq!((origin.service.as_deref(), origin.host.as_deref()), (Some("api"), Some("h1")));
        assert_eq!((origin.input.as_str(), origin.source.as_str()), ("http", "http:10.0.0.7/api/h1"));
        assert_eq!(batches[0].records.iter().map(|record| record.kind.json).collect::<Vec<_>>(), [true, false]);
        assert_eq!(batches[0].span, None);
    }

    #[tokio::test]
    async fn wrong_heads_are_refused() {
        let source = "s".repeat(crate::flow::CLIENT_BYTES_MAX + 1);
        let cases: [(Headers, u16, &str); 14] = [
            (&[("content-type", "image/png")], 415, "unsupported_media_type"),
            (&[("content-type", "application/xml")], 415, "unsupported_media_type"),
            (&[("content-encoding", "br")], 415, "unsupported_media_type"),
            (&[("content-encoding", "gzip, gzip")], 415, "unsupported_media_type"),
            (&[("content-encoding", "gzip"), ("content-encoding", "gzip")], 400, "bad_request"),
            (&[("content-encoding", "gzip")], 400, "bad_request"),
            (&[("content-encoding", "zstd")], 400, "bad_request"),
            (&[("content-length", "x")], 400, "bad_request"),
            (&[("content-length", "67108865")], 413, "too_large"),
            (&[("content-length", "4")], 400, "bad_request"),
            (&[("x-logship-source", "a")], 400, "bad_request"),
            (&[("x-logship-source", "a"), ("x-logship-seq", "-1")], 400, "bad_request"),
            (&[("x-logship-source", "a"), ("x-logship-seq", "9223372036854775808")], 400, "bad_request"),
            (&[("x-logship-source", &source), ("x-logship-seq", "1")], 400, "bad_request"),
        ];
        for (headers, status, code) in cases {
            let server = server();
            let reply = server.post(headers, "abc").await;
            assert_eq!(refused(&reply), (status, code.to_owned()), "{headers:?} {}", reply.text);
            assert!(server.log.lines().is_empty());
        }
        let reply = server().send(crate::api::testing::request("POST", "/api/v1/ingest?sevice=x", &[], "a")).await;
        assert_eq!(refused(&reply), (400, "bad_request".to_owned()));
    }

    #[tokio::test]
    async fn long_lines_are_listed_and_counted() {
        let server = server();
        let body = format!("a\n{}\nb\n", "x".repeat(crate::event::LINE_BYTES_MAX + 1));
        let reply = server.post(&[], body).await;
        assert_eq!(
            reply.text,
            r#"{"accepted":2,"rejected":[{"line":2,"error":"longer than 1 MiB"}],"pos":"4f2a9c01d3b7-200"}"#
        );
        let counts = server.state.ingested.component();
        assert_eq!((counts.received, counts.sent, counts.queued), (3, 2, 0));
        assert_eq!(counts.dropped, [("too_long".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn a_retry_with_its_number_is_exact() {
        let server = server();
        let headers: Headers = &[("x-logship-source", "agent 1"), ("x-logship-seq", "7")];
        let first = server.post(headers, "a\nb").await;
        assert_eq!(first.text, r#"{"accepted":2,"rejected":[],"pos":"4f2a9c01d3b7-100"}"#);
        let again = server.post(headers, "a\nb").await;
        assert_eq!(again.text, r#"{"accepted":2,"rejected":[],"pos":"4f2a9c01d3b7-100","duplicate":true}"#);
        {
            let batches = server.log.batches.lock().unwrap();
            assert_eq!((batches.len(), batches[0].span), (1, Some(Span { from: 7, to: 8 })));
            assert_eq!(batches[0].origin.source, "http-id:agent 1");
        }
        let counts = server.state.ingested.component();
        assert_eq!((counts.received, counts.sent, counts.dropped), (4, 2, vec![("duplicate".to_owned(), 2)]));
        // One unit, whatever its size: in whole or not at all.
        let large =
            server.post(&[headers[0], ("x-logship-seq", "8")], format!("{}\n", "x".repeat(119)).repeat(65_536)).await;
        assert_eq!(large.status, 200, "{}", large.text);
        let many = server.post(&[headers[0], ("x-logship-seq", "9")], "a\n".repeat(70_000)).await;
        assert_eq!(refused(&many), (413, "too_large".to_owned()));
        let long = server.post(&[headers[0], ("x-logship-seq", "10")], "0123456789abcdef\n".repeat(600_000)).await;
        assert_eq!(refused(&long), (413, "too_large".to_owned()));
        assert_eq!(server.log.batches.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn large_bodies_are_stored_in_batches() {
        let server = server();
        let body = "0123456789abcdef\n".repeat(1_000_000);
        let reply = server.post(&[("content-encoding", "gzip")], gzip(body.as_bytes())).await;
        assert_eq!(reply.json()["accepted"], 1_000_000);
        assert_eq!(server.log.lines().len(), 1_000_000);
    }

    #[tokio::test]
    async fn bombs_are_cut_off() {
        let zeros = vec![b'0'; BODY_BYTES_MAX + 1];
        for (name, body) in [("gzip", gzip(&zeros)), ("zstd", zstd::encode_all(&zeros[..], 1).unwrap())] {
            let reply = server().post(&[("content-encoding", name)], body).await;
            assert_eq!(refused(&reply), (413, "too_large".to_owned()), "{name}");
        }
        let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'0'; 65_536])));
        let reply = server().post(&[], Body::from_stream(endless)).await;
        assert_eq!(refused(&reply), (413, "too_large".to_owned()));
        // zstd frames to be skipped: much goes in and nothing comes out.
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 0xf8, 0xff, 0, 0][..], &[0; 65_528]].concat();
        let frames = stream::repeat(Bytes::from(skipped)).map(Ok::<_, std::io::Error>);
        let reply = server().post(&[("content-encoding", "zstd")], Body::from_stream(frames)).await;
        assert_eq!(refused(&reply), (413, "too_large".to_owned()));
    }

    #[tokio::test]
    async fn every_refusal_of_the_log_has_its_status() {
        for (error, status, code) in [
            (AppendError::Closed, 503, "unavailable"),
            (AppendError::Full, 507, "storage_full"),
            (AppendError::TooLarge, 413, "too_large"),
            (AppendError::TooManySources, 429, "busy"),
            (AppendError::Io("write log/1: no".to_owned()), 503, "unavailable"),
        ] {
            let server = server();
            *server.log.failure.lock().unwrap() = Some((0, error));
            let reply = server.post(&[], "a\nb").await;
            assert_eq!(refused(&reply), (status, code.to_owned()));
            assert_eq!(reply.headers.contains_key("retry-after"), status != 413);
            let counts = server.state.ingested.component();
            assert_eq!((counts.sent, counts.queued, counts.dropped), (0, 0, vec![("log_refused".to_owned(), 2)]));
        }
        let server = server();
        *server.log.failure.lock().unwrap() = Some((1, AppendError::Full));
        let reply = server.post(&[], "0123456789abcde\n".repeat(65_537)).await;
        assert_eq!(reply.status, 507);
        assert_eq!(reply.error().1, "no room is left in the log; 65536 records of this request are stored already");
    }

    #[tokio::test]
    async fn health_decides_first() {
        for (health, status, code) in [(Health::Replaying, 503, "replaying"), (Health::Full, 507, "storage_full")] {
            let server = server();
            *server.node.0.lock().unwrap() = health;
            let reply = server.post(&[], "a").await;
            assert_eq!(refused(&reply), (status, code.to_owned()));
            assert!(reply.headers.contains_key("retry-after"));
        }
    }

    async fn wait_for_append(server: &Server) {
        until(|| !server.log.holding.lock().unwrap().is_empty()).await;
    }

    #[tokio::test]
    async fn the_reply_waits_for_durability_and_a_lost_client_is_still_counted() {
        let server = Arc::new(server());
        *server.log.held.lock().unwrap() = true;
        let (log, node) = (Arc::clone(&server.log), Arc::clone(&server));
        let reply = tokio::spawn(async move { node.post(&[], "a").await.status });
        wait_for_append(&server).await;
        assert!(!reply.is_finished());
        let append = log.holding.lock().unwrap().pop().unwrap();
        log.answer(append);
        assert_eq!(reply.await.unwrap(), 200);

        let node = Arc::clone(&server);
        let lost = tokio::spawn(async move { node.post(&[], "b").await.status });
        wait_for_append(&server).await;
        lost.abort();
        assert!(lost.await.is_err());
        assert_eq!(server.state.ingested.component().queued, 1);
        let append = log.holding.lock().unwrap().pop().unwrap();
        log.answer(append);
        until(|| server.state.ingested.component().sent == 2).await;
    }

    #[tokio::test(start_paused = true)]
    async fn too_much_at_once_and_too_slow() {
        let server = server();
        let bytes = Arc::clone(&server.state.ingest.bytes);
        let _all = bytes.try_acquire_many(u32::try_from(bytes.available_permits()).unwrap()).unwrap();
        let reply = server.post(&[], "a").await;
        assert_eq!(refused(&reply), (429, "busy".to_owned()));
        assert_eq!(reply.headers["retry-after"], "1");

        let silent = self::server();
        let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"a\n"))]).chain(stream::pending());
        let reply = silent.post(&[], Body::from_stream(begun)).await;
        assert_eq!(refused(&reply), (408, "timeout".to_owned()));
        let broken = stream::iter([Ok(Bytes::from_static(b"a\n")), Err(std::io::Error::other("gone"))]);
        let reply = silent.post(&[], Body::from_stream(broken)).await;
        assert_eq!(refused(&reply), (400, "bad_request".to_owned()));
        assert!(silent.log.lines().is_empty());
    }
}
