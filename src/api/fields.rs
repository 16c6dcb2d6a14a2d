//! `GET /api/v1/fields` and `GET /api/v1/fields/values`: what fields there are, and their most frequent values.

use super::{ApiError, SEARCH_DEADLINE, Shared, millis, params::Params, relation};
use crate::{
    clock,
    event::json::{write_text, write_value},
    query::{Cancel, FIELD_VALUES_MAX, FieldType, ValuesRequest},
};
use axum::{
    Json,
    extract::State,
    http::{Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use std::{fmt::Write, sync::Arc};

/// The handler of `/fields`.
pub async fn fields(State(state): Shared, uri: Uri) -> Result<Json<Value>, ApiError> {
    let started = clock::instant();
    let scope = Params::read(&uri, &["q", "from", "to"])?.scope()?;
    let backend = Arc::clone(&state.backend);
    let fields = state.searches.run(move |_| Ok(backend.fields(&scope)?)).await?;
    let fields = fields.into_iter().map(|field| {
        let types: Vec<_> = field.types.into_iter().map(type_name).collect();
        json!({"name": field.name, "types": types, "count": field.count})
    });
    Ok(Json(json!({"fields": fields.collect::<Vec<_>>(), "took_ms": millis(clock::since(started))})))
}

fn type_name(kind: FieldType) -> &'static str {
    match kind {
        FieldType::String => "string",
        FieldType::Long => "long",
        FieldType::Double => "double",
        FieldType::Boolean => "boolean",
    }
}

/// The handler of `/fields/values`.
pub async fn values(State(state): Shared, uri: Uri) -> Result<Response, ApiError> {
    let started = clock::instant();
    let params = Params::read(&uri, &["field", "q", "from", "to", "limit"])?;
    let Some(field) = params.text("field").map(str::to_owned) else {
        return Err(ApiError::bad("the argument `field` is missing: which field's values are wanted?"));
    };
    let limit = params.count("limit", 10, 1, FIELD_VALUES_MAX)?;
    let scope = params.scope()?;
    let request = ValuesRequest { scope, field, limit, deadline: SEARCH_DEADLINE, cancel: Cancel::default() };
    let backend = Arc::clone(&state.backend);
    let found = state.searches.run(move |cancel| Ok(backend.values(&ValuesRequest { cancel, ..request })?)).await?;

    // Written by hand: values keep the form that they have in events.
    let mut body = String::from("{\"field\":");
    write_text(&mut body, &found.field);
    body.push_str(",\"values\":[");
    for (n, value) in found.values.iter().enumerate() {
        body.push_str(if n > 0 { ",{\"value\":" } else { "{\"value\":" });
        write_value(&mut body, &value.value);
        let _ = write!(body, ",\"count\":{}}}", value.count);
    }
    let took = millis(clock::since(started));
    let (distinct, matched, missing) = (found.distinct, found.matched, found.missing);
    let (relation, warnings) = (relation(found.relation), json!(found.warnings));
    let _ = write!(body, "],\"distinct\":{distinct},\"matched\":{matched},\"missing\":{missing}");
    let _ = write!(body, ",\"relation\":\"{relation}\",\"warnings\":{warnings},\"took_ms\":{took}}}");
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
