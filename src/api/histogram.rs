//! `GET /api/v1/histogram`: counts over time.

use super::{ApiError, Shared, millis, params::Params};
use crate::{clock, query::HistogramRequest};
use axum::{Json, extract::State, http::Uri};
use serde_json::{Value, json};
use std::sync::Arc;

/// The handler.
pub async fn histogram(State(state): Shared, uri: Uri) -> Result<Json<Value>, ApiError> {
    let started = clock::instant();
    let params = Params::read(&uri, &["q", "from", "to", "buckets", "by"])?;
    let by = params.text("by").map(str::to_owned);
    let request = HistogramRequest { scope: params.scope()?, buckets: params.buckets()?, by };
    let backend = Arc::clone(&state.backend);
    let histogram = state.searches.run(move || Ok(backend.histogram(&request)?)).await?;
    let series = histogram.series.into_iter().map(|series| json!({"key": series.key, "counts": series.counts}));
    Ok(Json(json!({
        "from": histogram.from_ms,
        "to": histogram.to_ms,
        "step_ms": histogram.step_ms,
        "series": series.collect::<Vec<_>>(),
        "total": histogram.total,
        "took_ms": millis(clock::since(started)),
    })))
}
