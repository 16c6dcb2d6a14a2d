//! HTTP: searching, the live tail, ingest, the page. docs/API.md is the contract.
//!
//! The pipeline fills an [`ApiState`] and calls [`serve`]; [`router`] alone is for tests. Each route is a file. Every
//! request passes the guard in [`access`] and is counted in [`requests`]; every refusal has the shape of [`error`].
//!
//! Promises: a 2xx to an ingest request comes after durability; nothing CPU-bound or blocking runs on the async
//! runtime's threads; searches, ingest and tails are bounded each, so that one cannot starve the others; a handler that
//! panics answers 500 and the server goes on. Limits: the `*_MAX` constants of this module and of [`ingest`].

pub mod access;
mod agents;
mod assets;
mod blocking;
pub mod error;
mod events;
mod fields;
mod health;
mod histogram;
pub mod ingest;
mod logstash;
mod node;
pub mod params;
pub mod requests;
mod search;
mod serve;
mod sidecar;
mod tail;
#[cfg(test)]
mod testing;

pub use access::Access;
pub use agents::{AGENTS_MAX, STATUS_BYTES_MAX, STATUSES_BYTES_MAX};
pub use error::ApiError;
pub use ingest::Ingested;
pub use logstash::{Pipelines, logstash_routes};
pub use node::{Component, Gauge, Health, Node};
pub use serve::{CONNECTIONS_MAX, HEADER_READ_SECONDS_MAX, Peer, SHUTDOWN_SECONDS_MAX, serve, serve_routes};
pub use sidecar::sidecar_router;

use crate::{
    event::{Event, Timestamp},
    flow::Intake,
    pipeline::tail::Tail,
    query::{Backend, QueryFailure, Relation},
};
use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use blocking::Searches;
use logship_parsers::query::ast::Query;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Searches that run at a time; others wait their turn.
pub const SEARCHES_RUNNING_MAX: usize = 4;
/// Searches that may wait; the next is refused with 429.
pub const SEARCHES_WAITING_MAX: usize = 64;
/// A search, a histogram or a list of values stops after this many seconds and says so.
pub const SEARCH_SECONDS_MAX: u64 = 10;
const SEARCH_DEADLINE: Duration = Duration::from_secs(SEARCH_SECONDS_MAX);
/// A client that takes nothing of an answer for this many seconds is given up.
pub const CLIENT_STALL_SECONDS_MAX: u64 = 30;

/// Whether an event is wanted.
pub type Matches = Box<dyn Fn(&Event) -> bool + Send + Sync>;
/// Makes a test of events from a query and the moment that `now` in it means.
pub type Compile = fn(&Query, Timestamp) -> Result<Matches, QueryFailure>;

/// What the pipeline gives the API.
pub struct Parts {
    /// Answers questions about stored events.
    pub backend: Arc<dyn Backend>,
    /// Takes records, from when the log is open: without room on the disk the process serves before.
    pub intake: Arc<OnceLock<Intake>>,
    /// The live tail.
    pub tail: Arc<Tail>,
    /// Health, status and counters.
    pub node: Arc<dyn Node>,
    /// Who may ask.
    pub access: Access,
    /// Compiles a query for the tail.
    pub compile: Compile,
    /// Where ingest counts; share it with [`Parts::node`].
    pub ingested: Arc<Ingested>,
    /// The zone of stamps in ingested lines that name none: a name or an offset; UTC without one.
    pub zone: Option<String>,
}

/// Everything that the routes work with.
pub struct ApiState {
    parts: Parts,
    searches: Searches,
    ingest: ingest::Room,
    agents: agents::Agents,
    requests: requests::Requests,
}

impl ApiState {
    /// From what the pipeline gives.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<ApiState> {
        Arc::new(ApiState {
            parts,
            searches: Searches::new(),
            ingest: ingest::Room::new(),
            agents: agents::Agents::default(),
            requests: requests::Requests::default(),
        })
    }
}

impl std::ops::Deref for ApiState {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// A duration as replies give it.
fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// How counts relate to the truth, as replies give it.
fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Eq => "eq",
        Relation::Gte => "gte",
    }
}

type Shared = State<Arc<ApiState>>;

/// All routes.
pub fn router(state: Arc<ApiState>) -> Router {
    Router::new()
        .route("/", get(assets::page))
        .route("/api/v1/search", get(search::search))
        .route("/api/v1/histogram", get(histogram::histogram))
        .route("/api/v1/fields", get(fields::fields))
        .route("/api/v1/fields/values", get(fields::values))
        .route("/api/v1/events/{id}", get(events::event))
        .route("/api/v1/tail", get(tail::tail))
        .route("/api/v1/ingest", post(ingest::ingest))
        .route("/api/v1/frames", post(ingest::frames::frames))
        .route("/api/v1/agents", get(agents::agents).post(agents::report))
        .route("/api/v1/health", get(health::health))
        .route("/api/v1/status", get(health::status))
        .route("/metrics", get(health::metrics))
        .fallback(assets::file)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(middleware::from_fn(error::catch_panic))
        .layer(middleware::from_fn_with_state(Arc::clone(&state), guard))
        .with_state(state)
}

/// Checks and counts every request.
async fn guard(State(state): Shared, request: Request, next: Next) -> Response {
    let route = requests::route(request.uri().path());
    let open = route == "/api/v1/health" || assets::find(request.uri().path()).is_some();
    let response = match state.access.check(request.method(), request.uri(), request.headers(), open) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    state.requests.count(route, response.status());
    response
}

#[cfg(test)]
mod tests {
    use super::testing::{FakeStore, request, server, server_with};
    use super::*;
    use axum::{body::Body, http::StatusCode};

    #[tokio::test]
    async fn each_route_answers_as_documented() {
        let server = server();
        for (uri, status, expected) in [
            (
                "/api/v1/histogram?by=level",
                200,
                r#"{"from":0,"to":120000,"step_ms":60000,"series":[{"key":"error","counts":[0,3]}],"total":3,"relation":"gte","warnings":["late"],"took_ms":0}"#,
            ),
            (
                "/api/v1/fields",
                200,
                r#"{"fields":[{"name":"log.level","types":["string","long","double","boolean"],"count":7}],"took_ms":0}"#,
            ),
            (
                "/api/v1/fields/values?field=x",
                200,
                r#"{"field":"x","values":[{"value":"in\"fo","count":4},{"value":1.0,"count":2},{"value":true,"count":1}],"distinct":3,"matched":9,"missing":2,"relation":"gte","warnings":["\"late\""],"took_ms":0}"#,
            ),
            (
                "/api/v1/fields/values",
                400,
                r#"{"error":{"code":"bad_request","message":"the argument `field` is missing: which field's values are wanted?"}}"#,
            ),
            (
                "/api/v1/events/4f2a9c01d3b7-1000",
                200,
                r#"{"@timestamp":"2026-01-01T00:00:00.000Z","message":"row 0","_id":"4f2a9c01d3b7-1000"}"#,
            ),
            (
                "/api/v1/events/4f2a9c01d3b7-1001",
                404,
                r#"{"error":{"code":"not_found","message":"there is no event `4f2a9c01d3b7-1001`"}}"#,
            ),
            ("/api/v1/events/x", 404, r#"{"error":{"code":"not_found","message":"there is no event `x`"}}"#),
            ("/api/v1/health", 200, r#"{"status":"ok"}"#),
            ("/api/v1/status", 200, r#"{"status":"ok","tails":0}"#),
            ("/api/v2", 404, r#"{"error":{"code":"not_found","message":"there is nothing at /api/v2"}}"#),
        ] {
            let reply = server.get(uri).await;
            assert_eq!(reply.status.as_u16(), status, "{uri} {}", reply.text);
            assert_eq!(reply.headers["content-type"], "application/json", "{uri}");
            // A slow machine may have taken a millisecond.
            let mut text = reply.text.clone();
            if let Some((before, _)) = reply.text.split_once("\"took_ms\":") {
                text = format!("{before}\"took_ms\":0}}");
            }
            assert_eq!(text, expected, "{uri}");
        }
        let metrics = server.get("/metrics").await.text;
        for line in [
            r#"logship_http_requests_total{route="/api/v1/events/{id}",status="404"} 2"#,
            r#"logship_http_requests_total{route="other",status="404"} 1"#,
            "logship_up 1",
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
        }
    }

    #[tokio::test]
    async fn other_methods_and_states() {
        let server = server();
        for (method, uri) in [
            ("POST", "/api/v1/search"),
            ("GET", "/api/v1/ingest"),
            ("DELETE", "/"),
            ("PUT", "/metrics"),
            ("POST", "/index.html"),
        ] {
            let reply = server.send(request(method, uri, &[], Body::empty())).await;
            assert_eq!(
                (reply.status.as_u16(), reply.error().0.as_str()),
                (405, "method_not_allowed"),
                "{method} {uri}"
            );
        }
        for (health, status, word) in
            [(Health::Replaying, 503, "replaying"), (Health::Full, 507, "full"), (Health::Degraded, 503, "degraded")]
        {
            *server.node.0.lock().unwrap() = health;
            let reply = server.get("/api/v1/health").await;
            assert_eq!(
                (reply.status.as_u16(), reply.text.as_str()),
                (status, format!("{{\"status\":\"{word}\"}}").as_str())
            );
        }
    }

    #[tokio::test]
    async fn the_guard_stands_before_every_route() {
        let server = server();
        for uri in ["/", "/api/v1/search", "/api/v1/health", "/metrics", "/nothing"] {
            let foreign = server.send(request("GET", uri, &[("sec-fetch-site", "cross-site")], Body::empty())).await;
            assert_eq!((foreign.status.as_u16(), foreign.error().0.as_str()), (403, "forbidden"), "{uri}");
        }
        let server = server_with(FakeStore::of(1), "a-good-token");
        for (uri, expected) in [
            ("/", 200),
            ("/api/v1/health", 200),
            ("/api/v1/search", 401),
            ("/api/v1/status", 401),
            ("/metrics", 401),
            ("/nothing", 401),
        ] {
            let reply = server.get(uri).await;
            assert_eq!(reply.status.as_u16(), expected, "{uri}");
            assert_eq!(reply.headers.contains_key("www-authenticate"), expected == 401, "{uri}");
            let token = [("authorization", "Bearer a-good-token")];
            assert_ne!(server.send(request("GET", uri, &token, Body::empty())).await.status, StatusCode::UNAUTHORIZED);
        }
        let refused = server.post(&[("authorization", "Bearer wrong-token")], "a").await;
        assert_eq!(refused.status, 401);
        assert!(server.log.lines().is_empty());
    }

    #[tokio::test]
    async fn a_handler_that_panics_answers_500() {
        async fn fails() {
            panic!("as asked");
        }
        let router = Router::new().route("/", get(fails)).layer(middleware::from_fn(error::catch_panic));
        let request = axum::http::Request::builder().uri("/").body(Body::empty()).unwrap();
        let response = tower::ServiceExt::oneshot(router, request).await.unwrap();
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
