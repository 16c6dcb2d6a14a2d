//! HTTP: searching, the live tail, ingest, the page. docs/API.md is the contract.
//!
//! The pipeline fills an [`ApiState`] and calls [`serve`]; [`router`] alone is for tests. Each route is a file. Every
//! request passes the guard in [`access`] and is counted in [`requests`]; every refusal has the shape of [`error`].
//!
//! Promises: a 2xx to an ingest request comes after durability; nothing CPU-bound or blocking runs on the async
//! runtime's threads; searches, ingest and tails are bounded each, so that one cannot starve the others; a handler that
//! panics answers 500 and the server goes on. Limits: the `*_MAX` constants of this module and of [`ingest`].

pub mod access;
mod assets;
mod blocking;
pub mod error;
mod events;
mod fields;
mod health;
mod histogram;
pub mod ingest;
mod node;
#[cfg(test)]
mod outside;
pub mod params;
pub mod requests;
mod search;
mod serve;
mod tail;
#[cfg(test)]
mod testing;

pub use access::Access;
pub use error::ApiError;
pub use ingest::Ingested;
pub use node::{Component, Gauge, Health, Node};
pub use serve::{CONNECTIONS_MAX, HEADER_READ_SECONDS_MAX, Peer, SHUTDOWN_SECONDS_MAX, serve};

use crate::{
    event::{Event, Timestamp},
    flow::Intake,
    pipeline::tail::Tail,
    query::{Backend, QueryFailure},
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
use std::sync::Arc;

/// Searches that run at a time; others wait their turn.
pub const SEARCHES_RUNNING_MAX: usize = 4;
/// Searches that may wait; the next is refused with 429.
pub const SEARCHES_WAITING_MAX: usize = 64;
/// A search stops counting after this many seconds and says so.
pub const SEARCH_SECONDS_MAX: u64 = 10;
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
    /// Takes records; `None` in a process that only reads.
    pub intake: Option<Intake>,
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
}

/// Everything that the routes work with.
pub struct ApiState {
    parts: Parts,
    searches: Searches,
    ingest: ingest::Room,
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
fn millis(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
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
