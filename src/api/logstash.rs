//! What monitors of Logstash ask for: `GET /`, `GET /_node/stats`, `GET /_node/stats/pipelines` and one pipeline of them.
//!
//! Names and shapes are those of Logstash's monitoring API, as far as what they say exists here: there is no JVM to tell of.

use super::{ApiError, error::Code};
use axum::{
    Json, Router,
    extract::Path,
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Who is asked.
pub trait Pipelines: Send + Sync {
    /// What a reply begins with: `host`, `version`, `http_address`, `id`, `name`, `status`, `pipeline`.
    fn head(&self) -> Map<String, Value>;
    /// Each pipeline by its id.
    fn pipelines(&self) -> Map<String, Value>;
}

/// The routes.
pub fn logstash_routes(asked: Arc<dyn Pipelines>) -> Router {
    let (root, all, one) = (asked.clone(), asked.clone(), asked);
    let stats = get(async move || Json(with(&*all, all.pipelines())));
    Router::new()
        .route("/", get(async move || Json(Value::Object(root.head()))))
        .route("/_node/stats", stats.clone())
        .route("/_node/stats/pipelines", stats)
        .route("/_node/stats/pipelines/{id}", get(async move |Path(id): Path<String>| stats_of(&*one, &id)))
}

fn with(asked: &dyn Pipelines, pipelines: Map<String, Value>) -> Value {
    let mut reply = asked.head();
    reply.insert("pipelines".to_owned(), json!(pipelines));
    Value::Object(reply)
}

fn stats_of(asked: &dyn Pipelines, id: &str) -> Response {
    match asked.pipelines().remove_entry(id) {
        Some(found) => Json(with(asked, Map::from_iter([found]))).into_response(),
        None => ApiError::new(Code::NotFound, format!("no pipeline `{id}` runs")).into_response(),
    }
}
