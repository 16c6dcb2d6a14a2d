//! `GET /api/v1/events/{id}`: one event.

use super::{ApiError, Shared, error::Code};
use crate::{event::json::write_event, flow::EventId};
use axum::{
    extract::{Path, State},
    http::header,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// The handler.
pub async fn event(State(state): Shared, Path(id): Path<String>) -> Result<Response, ApiError> {
    let missing = || ApiError::new(Code::NotFound, format!("there is no event `{id}`"));
    // What cannot be an id is not there either: a link may be cut.
    let wanted: EventId = id.parse().map_err(|_| missing())?;
    let backend = Arc::clone(&state.backend);
    let found = state.searches.run(move |_| Ok(backend.event(wanted)?)).await?.ok_or_else(missing)?;
    let mut body = String::new();
    write_event(&mut body, &found.event, Some(&found.id));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
