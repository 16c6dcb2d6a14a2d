//! The routes of a process without a store: `GET /api/v1/health`, `GET /api/v1/status`, `GET /metrics`, and those that it adds.

use super::{Access, Node, error, health};
use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::Value;
use std::sync::Arc;

struct Sidecar {
    node: Arc<dyn Node>,
    access: Access,
}

/// All its routes, with `more` that only it has.
pub fn sidecar_router(node: Arc<dyn Node>, access: Access, more: Router) -> Router {
    let state = Arc::new(Sidecar { node, access });
    Router::new()
        .route("/api/v1/health", get(health_route))
        .route("/api/v1/status", get(status_route))
        .route("/metrics", get(metrics_route))
        .with_state(Arc::clone(&state))
        .merge(more)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(middleware::from_fn(error::catch_panic))
        .layer(middleware::from_fn_with_state(state, guard))
}

async fn guard(State(state): State<Arc<Sidecar>>, request: Request, next: Next) -> Response {
    let open = request.uri().path() == "/api/v1/health";
    match state.access.check(request.method(), request.uri(), request.headers(), open) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

async fn health_route(State(state): State<Arc<Sidecar>>) -> Response {
    health::health_of(&*state.node)
}

async fn status_route(State(state): State<Arc<Sidecar>>) -> Json<Value> {
    Json(state.node.status())
}

async fn metrics_route(State(state): State<Arc<Sidecar>>) -> Response {
    health::exposition(health::metrics_of(&*state.node))
}
