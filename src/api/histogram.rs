//! `GET /api/v1/histogram`: counts over time.

use super::{ApiError, SEARCH_DEADLINE, Shared, millis, params::Params, relation};
use crate::{
    clock,
    query::{Cancel, HistogramRequest},
};
use axum::{Json, extract::State, http::Uri};
use serde_json::{Value, json};
use std::sync::Arc;

/// The handler.
pub async fn histogram(State(state): Shared, uri: Uri) -> Result<Json<Value>, ApiError> {
    let started = clock::instant();
    let params = Params::read(&uri, &["q", "from", "to", "buckets", "by"])?;
    let by = params.text("by").map(str::to_owned);
    let (scope, buckets) = (params.scope()?, params.buckets()?);
    let request = HistogramRequest { scope, buckets, by, deadline: SEARCH_DEADLINE, cancel: Cancel::default() };
    let backend = Arc::clone(&state.backend);
    let histogram =
        state.searches.run(move |cancel| Ok(backend.histogram(&HistogramRequest { cancel, ..request })?)).await?;
    let series = histogram.series.into_iter().map(|series| json!({"key": series.key, "counts": series.counts}));
    Ok(Json(json!({
        "from": histogram.from_ms,
        "to": histogram.to_ms,
        "step_ms": histogram.step_ms,
        "series": series.collect::<Vec<_>>(),
        "total": histogram.total,
        "relation": relation(histogram.relation),
        "warnings": histogram.warnings,
        "took_ms": millis(clock::since(started)),
    })))
}
