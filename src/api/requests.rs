//! Counts of requests by route and status, for `/metrics`.

use axum::http::StatusCode;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// The paths that are counted by name; `/assets/*` and everything else are one each.
const ROUTES: &[&str] = &[
    "/",
    "/api/v1/agents",
    "/api/v1/fields",
    "/api/v1/fields/values",
    "/api/v1/frames",
    "/api/v1/health",
    "/api/v1/histogram",
    "/api/v1/ingest",
    "/api/v1/search",
    "/api/v1/status",
    "/api/v1/tail",
    "/metrics",
];

/// The label of a path: from a closed set, so that hostile paths do not grow the table.
#[must_use]
pub fn route(path: &str) -> &'static str {
    match ROUTES.iter().find(|route| **route == path) {
        Some(route) => route,
        None if path.starts_with("/api/v1/events/") => "/api/v1/events/{id}",
        None if path.starts_with("/assets/") => "/assets/*",
        None => "other",
    }
}

/// Requests answered so far.
#[derive(Debug, Default)]
pub struct Requests(Mutex<BTreeMap<(&'static str, u16), u64>>);

impl Requests {
    /// Counts one.
    pub fn count(&self, route: &'static str, status: StatusCode) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((route, status.as_u16())).or_default() += 1;
    }

    /// All counts so far, sorted.
    #[must_use]
    pub fn all(&self) -> Vec<(&'static str, u16, u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|((route, status), count)| (*route, *status, *count)).collect()
    }
}
