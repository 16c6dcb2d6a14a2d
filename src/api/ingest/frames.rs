//! `POST /api/v1/frames`: frames of an agent's log into this one, each stored once however often it is sent.
//!
//! What is stored of a frame has the source `agent:<log id>` and the span of the agent's log that the frame stands for, so
//! the source table tells a frame that was sent again. The rest of its origin and the time at which the agent got it stay.
//!
//! Limits: those of every body, and [`RANGES_MAX`](crate::log::RANGES_MAX) stretches of the log in one request.

use super::{
    BODY_BYTES_MAX, Ingested,
    head::{Form, media, single},
    run::{self, Decode},
    store::{Store, Stored},
};
use crate::{
    api::{ApiError, Shared, error::Code, params::Params},
    clock,
    flow::{LogId, Origin, RawBatch, Span},
    log::wire::{Damaged, Stretches, Unpack},
};
use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, header},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// The content type of frames.
pub const MEDIA_TYPE: &str = "application/vnd.logship.frames";
/// What a field of an origin takes in memory besides its text.
const FIELD_BYTES: usize = 128;

/// The handler.
pub async fn frames(State(state): Shared, request: Request) -> Result<Json<Value>, ApiError> {
    let (parts, body) = request.into_parts();
    Params::read(&parts.uri, &[])?;
    media_type(&parts.headers)?;
    let log = log(&parts.headers)?;
    let form = Form::read(&parts.headers)?;
    run::take(state, form, body, Frames::new(log)).await
}

fn media_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = single(headers, header::CONTENT_TYPE.as_str())?.unwrap_or_default();
    if media(text) == MEDIA_TYPE {
        return Ok(());
    }
    Err(ApiError::new(Code::UnsupportedMediaType, format!("frames come as `{MEDIA_TYPE}`, not as `{text}`")))
}

fn log(headers: &HeaderMap) -> Result<LogId, ApiError> {
    let text = single(headers, "x-logship-log")?.unwrap_or_default();
    text.parse().map_err(|_| ApiError::bad("`X-Logship-Log` must have the 12 hex digits of the log of these frames"))
}

/// Frames on their way from a body to the log.
struct Frames {
    unpack: Unpack,
    source: String,
    /// The origin that the last frame had, and what became of it.
    origin: Option<(Arc<Origin>, Arc<Origin>)>,
    stretches: Stretches,
}

impl Frames {
    fn new(log: LogId) -> Frames {
        Frames {
            unpack: Unpack::new(log),
            source: Origin::source_of_agent(log),
            origin: None,
            stretches: Stretches::default(),
        }
    }

    fn origin(&mut self, of: Arc<Origin>) -> Arc<Origin> {
        match &self.origin {
            Some((before, origin)) if Arc::ptr_eq(before, &of) => Arc::clone(origin),
            _ => {
                let origin = Arc::new(Origin { source: self.source.clone(), ..Origin::clone(&of) });
                self.origin = Some((of, Arc::clone(&origin)));
                origin
            }
        }
    }

    fn count(&mut self, span: Span) -> Result<(), ApiError> {
        self.stretches.count(span).map_err(|message| {
            let hint = Some("send them in their order: then one begins where the one before ends".to_owned());
            ApiError { hint, ..ApiError::new(Code::TooLarge, message) }
        })
    }
}

impl Decode for Frames {
    type Rest = ();

    fn push(&mut self, plain: &[u8], store: &mut Store) -> Result<(), ApiError> {
        self.unpack.push(plain);
        if self.unpack.pushed() > BODY_BYTES_MAX as u64 {
            return Err(run::too_long(BODY_BYTES_MAX));
        }
        let mut held = self.unpack.held();
        while let Some((span, batch)) = self.unpack.next_frame().map_err(damaged)? {
            let length = held - self.unpack.held();
            held -= length;
            self.count(span)?;
            let origin = self.origin(batch.origin);
            let bytes = length + FIELD_BYTES * origin.fields.len();
            store.add(RawBatch { origin, span: Some(span), mark: None, ..batch }, bytes)?;
        }
        store.make_room(self.unpack.held())
    }

    fn finish(self, _: &mut Store) -> Result<(), ApiError> {
        self.unpack.finish().map_err(damaged)
    }

    fn reply((): (), stored: Stored, _: &Ingested) -> Value {
        let durable: Vec<_> = stored.durable.in_order().iter().map(|span| [span.from, span.to]).collect();
        json!({"durable": durable, "time": clock::now().to_string()})
    }
}

fn damaged(damaged: Damaged) -> ApiError {
    ApiError::bad(damaged.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::RANGES_MAX;
    use crate::{
        api::{
            Health,
            testing::{FakeStore, Headers, LOG, Reply, Server, request, server, server_with},
        },
        event::Timestamp,
        flow::{AppendError, Pos, Record},
        log::{framed, wire},
    };

    const HEAD: Headers = &[("content-type", MEDIA_TYPE), ("x-logship-log", "4f2a9c01d3b7")];

    fn batch(path: &str, lines: &[&str]) -> RawBatch {
        let records = lines.iter().map(|line| Record::text((*line).to_owned().into())).collect();
        let mut origin = Origin { source: format!("file:{path}"), input: "file".to_owned(), ..Origin::default() };
        origin.path = Some(path.to_owned());
        origin.fields.insert("container.name".to_owned(), "web".to_owned());
        RawBatch {
            origin: Arc::new(origin),
            span: Some(Span { from: 3, to: 90 }),
            mark: Some(crate::flow::FileMark { device: 1, inode: 2, prefix: 3, marker: 4 }),
            received: Timestamp::from_millis(1_767_225_600_000 + lines.len() as i64),
            records,
        }
    }

    /// An agent's log, as it is shipped.
    #[derive(Default)]
    struct Agent {
        end: u64,
        body: Vec<u8>,
        spans: Vec<[u64; 2]>,
    }

    impl Agent {
        fn at(position: u64) -> Agent {
            Agent { end: position, ..Agent::default() }
        }

        /// A frame behind a mark.
        fn add(&mut self, batch: &RawBatch) -> &mut Agent {
            let start = self.end + 16;
            let frame = framed(LOG, Pos(start), batch);
            wire::put(&mut self.body, Pos(self.end), Pos(start), &frame);
            self.spans.push([self.end, start + frame.len() as u64]);
            self.end = start + frame.len() as u64;
            self
        }

        fn filled(frames: usize) -> Agent {
            let mut agent = Agent::default();
            for frame in 0..frames {
                agent.add(&batch("/a", &[&format!("line {frame}")]));
            }
            agent
        }
    }

    async fn post(server: &Server, headers: Headers<'_>, body: &[u8]) -> Reply {
        server.send(request("POST", "/api/v1/frames", headers, body.to_vec())).await
    }

    fn refused(reply: &Reply) -> (u16, String) {
        (reply.status.as_u16(), reply.error().0)
    }

    /// Durable ranges of a reply that is fine.
    fn durable(reply: &Reply) -> Value {
        assert_eq!(reply.status, 200, "{}", reply.text);
        let time = reply.json()["time"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert!((time.as_millisecond() - clock::now().as_millis()).abs() < 60_000);
        reply.json()["durable"].clone()
    }

    fn counts(server: &Server) -> (u64, u64, Vec<(String, u64)>, u64) {
        let counts = server.state.ingested.component();
        (counts.received, counts.sent, counts.dropped, counts.queued)
    }

    #[tokio::test]
    async fn frames_are_stored_once_with_what_their_agent_knew() {
        let mut agent = Agent::at(1_000);
        agent.add(&batch("/a", &["one", "two"])).add(&batch("/a", &["three"])).add(&batch("/b", &["four"]));
        let packed = zstd::encode_all(&agent.body[..], 1).unwrap();
        let zstd = [HEAD[0], HEAD[1], ("content-encoding", "zstd")];
        for (headers, body) in [(HEAD, &agent.body), (&zstd[..], &packed)] {
            let server = server();
            let expected = json!([[1_000, agent.end]]);
            assert_eq!(durable(&post(&server, headers, body).await), expected);
            assert_eq!(durable(&post(&server, headers, body).await), expected);
            assert_eq!(server.log.lines(), ["one", "two", "three", "four"]);
            assert_eq!(counts(&server), (8, 4, vec![("duplicate".to_owned(), 4)], 0));
            let batches = server.log.batches.lock().unwrap();
            for (batch, [from, to]) in batches.iter().zip(&agent.spans) {
                assert_eq!((batch.span, batch.mark), (Some(Span { from: *from, to: *to }), None));
                assert_eq!((batch.origin.source.as_str(), batch.origin.input.as_str()), ("agent:4f2a9c01d3b7", "file"));
                assert_eq!(batch.origin.fields["container.name"], "web");
            }
            let paths: Vec<_> = batches.iter().map(|batch| batch.origin.path.as_deref().unwrap()).collect();
            assert_eq!(paths, ["/a", "/a", "/b"]);
            assert!(Arc::ptr_eq(&batches[0].origin, &batches[1].origin));
            assert_eq!(batches[0].received, Timestamp::from_millis(1_767_225_600_002));
        }
    }

    #[tokio::test]
    async fn ranges_are_joined_where_they_touch() {
        let (mut first, mut second, mut far) = (Agent::at(0), Agent::at(0), Agent::at(90_000));
        first.add(&batch("/a", &["one"]));
        second.end = first.end;
        second.add(&batch("/a", &["two"]));
        far.add(&batch("/a", &["three"]));
        let server = server();
        let body = [&far.body[..], &second.body, &first.body].concat();
        assert_eq!(durable(&post(&server, HEAD, &body).await), json!([[0, second.end], [90_000, far.end]]));
        assert_eq!(durable(&post(&server, HEAD, &[]).await), json!([]));

        let apart = |frames: usize| {
            let bodies = (0..frames as u64).map(|n| Agent::at(n * 1_000).add(&batch("/a", &["x"])).body.clone());
            bodies.collect::<Vec<_>>().concat()
        };
        let reply = post(&server, HEAD, &apart(RANGES_MAX)).await;
        assert_eq!(durable(&reply).as_array().unwrap().len(), RANGES_MAX);
        assert_eq!(refused(&post(&server, HEAD, &apart(RANGES_MAX + 1)).await), (413, "too_large".to_owned()));
        // As many as there may be in order.
        let many = Agent::filled(5_000);
        assert_eq!(durable(&post(&server, HEAD, &many.body).await), json!([[0, many.end]]));
    }

    #[tokio::test]
    async fn damage_is_refused_where_it_is() {
        let agent = Agent::filled(3);
        let second = (agent.spans[0][1] - agent.spans[0][0]) as usize;
        for (change, kept) in [(second + 90, 1), (0, 0), (second + 20, 1), (second * 2 + 40, 2)] {
            let server = server();
            let mut body = agent.body.clone();
            body[change] ^= 0x40;
            let reply = post(&server, HEAD, &body).await;
            assert_eq!(refused(&reply), (400, "bad_request".to_owned()), "{}", reply.text);
            let at = format!("the frame at byte {} ", second * kept);
            assert!(reply.error().1.starts_with(&at), "{}", reply.text);
            assert_eq!(reply.error().1.ends_with("of this request are stored already"), kept > 0);
            assert_eq!(server.log.lines(), (0..kept).map(|n| format!("line {n}")).collect::<Vec<_>>());
            assert_eq!(counts(&server), (kept as u64, kept as u64, vec![], 0));
            // What is sent again is stored once.
            assert_eq!(durable(&post(&server, HEAD, &agent.body).await), json!([[0, agent.end]]));
            assert_eq!(server.log.lines(), ["line 0", "line 1", "line 2"]);
        }
        let server = server();
        let reply = post(&server, HEAD, &agent.body[..agent.body.len() - 1]).await;
        assert!(reply.status == 400 && reply.error().1.contains("is not complete"), "{}", reply.text);
        let packed = zstd::encode_all(&agent.body[..], 1).unwrap();
        let zstd = [HEAD[0], HEAD[1], ("content-encoding", "zstd")];
        for body in [&packed[..packed.len() - 1], &agent.body] {
            assert_eq!(refused(&post(&server, &zstd, body).await), (400, "bad_request".to_owned()));
        }
    }

    #[tokio::test]
    async fn wrong_heads_are_refused() {
        let (kind, log) = (HEAD[0], HEAD[1]);
        let body = Agent::filled(1).body;
        let cases: [(Headers, u16, &str); 9] = [
            (&[kind], 400, "bad_request"),
            (&[log], 415, "unsupported_media_type"),
            (&[("content-type", "text/plain"), log], 415, "unsupported_media_type"),
            (&[kind, log, log], 400, "bad_request"),
            (&[kind, ("x-logship-log", "4F2A9C01D3B7")], 400, "bad_request"),
            (&[kind, ("x-logship-log", "4f2a9c01d3b8")], 400, "bad_request"),
            (&[kind, log, ("content-encoding", "br")], 415, "unsupported_media_type"),
            (&[kind, log, ("content-length", "67108865")], 413, "too_large"),
            (&[kind, log, ("content-length", "4")], 400, "bad_request"),
        ];
        for (headers, status, code) in cases {
            let server = server();
            let reply = post(&server, headers, &body).await;
            assert_eq!(refused(&reply), (status, code.to_owned()), "{headers:?} {}", reply.text);
            // Of a body that is shorter than announced the frames that came are kept.
            assert!(server.log.lines().is_empty() || headers.contains(&("content-length", "4")));
        }
        let reply = server().send(request("POST", "/api/v1/frames?log=1", HEAD, body)).await;
        assert_eq!(refused(&reply), (400, "bad_request".to_owned()));
    }

    #[tokio::test]
    async fn only_who_may_ships() {
        let server = server_with(FakeStore::of(1), "a-good-token");
        let body = Agent::filled(1).body;
        assert_eq!(post(&server, HEAD, &body).await.status, 401);
        let wrong = [HEAD[0], HEAD[1], ("authorization", "Bearer a-bad-token")];
        assert_eq!(post(&server, &wrong, &body).await.status, 401);
        let foreign = [HEAD[0], HEAD[1], ("sec-fetch-site", "cross-site")];
        assert_eq!(post(&server, &foreign, &body).await.status, 403);
        assert!(server.log.lines().is_empty());
        let right = [HEAD[0], HEAD[1], ("authorization", "Bearer a-good-token")];
        assert_eq!(post(&server, &right, &body).await.status, 200);
    }

    #[tokio::test]
    async fn refusals_of_the_log_and_the_server() {
        let agent = Agent::filled(3);
        for (error, status, code) in [
            (AppendError::Closed, 503, "unavailable"),
            (AppendError::Full, 507, "storage_full"),
            (AppendError::TooManySources, 429, "busy"),
            (AppendError::Io("write log/1: no".to_owned()), 503, "unavailable"),
        ] {
            let server = server();
            *server.log.failure.lock().unwrap() = Some((1, error));
            let reply = post(&server, HEAD, &agent.body).await;
            assert_eq!(refused(&reply), (status, code.to_owned()));
            assert!(reply.headers.contains_key("retry-after"));
            assert!(reply.error().1.ends_with("; 1 records of this request are stored already"), "{}", reply.text);
            assert_eq!(counts(&server), (3, 1, vec![("log_refused".to_owned(), 2)], 0));
            *server.log.failure.lock().unwrap() = None;
            assert_eq!(durable(&post(&server, HEAD, &agent.body).await), json!([[0, agent.end]]));
            assert_eq!(server.log.lines(), ["line 0", "line 1", "line 2"]);
        }
        for (health, status, code) in [(Health::Replaying, 503, "replaying"), (Health::Full, 507, "storage_full")] {
            let server = server();
            *server.node.0.lock().unwrap() = health;
            assert_eq!(refused(&post(&server, HEAD, &agent.body).await), (status, code.to_owned()));
        }
    }

    #[tokio::test]
    async fn large_bodies_pass_and_endless_ones_do_not() {
        let server = server();
        let mut agent = Agent::default();
        let lines = vec!["0123456789abcdef"; 60_000];
        for _ in 0..20 {
            agent.add(&batch("/a", &lines));
        }
        // One that alone is more than may wait for the log.
        let long = "x".repeat(1 << 20);
        agent.add(&batch("/a", &[long.as_str(); 8])).add(&batch("/a", &["last"]));
        let packed = zstd::encode_all(&agent.body[..], 1).unwrap();
        let zstd = [HEAD[0], HEAD[1], ("content-encoding", "zstd")];
        assert_eq!(durable(&post(&server, &zstd, &packed).await), json!([[0, agent.end]]));
        assert_eq!(counts(&server), (1_200_009, 1_200_009, vec![], 0));

        let mut bomb = Agent::default();
        for _ in 0..BODY_BYTES_MAX / (8 << 20) {
            bomb.add(&batch("/a", &[long.as_str(); 8]));
        }
        let reply = post(&server, &zstd, &zstd::encode_all(&bomb.body[..], 1).unwrap()).await;
        assert_eq!(refused(&reply), (413, "too_large".to_owned()));
        assert!(reply.error().1.starts_with("the body is longer than 64 MiB; "), "{}", reply.text);
    }
}
