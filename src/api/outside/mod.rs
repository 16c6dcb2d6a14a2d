//! The whole router, without a socket, over a log and a store that only exist here.

mod ingest;
mod refusals;
mod tail;

use super::*;
use crate::{
    auth::Tokens,
    flow::{Append, AppendError, Appended, EventId, LogId, Pos, RawBatch, Stored},
    query::{
        FieldInfo, FieldValues, Histogram, HistogramRequest, QueryFailure, Relation, Scope, SearchRequest, Summary,
        ValuesRequest,
    },
};
use axum::{body::Body, http::StatusCode};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    ops::ControlFlow,
    sync::{Mutex, atomic::AtomicU64, atomic::Ordering},
};
use tokio::sync::mpsc;
use tower::ServiceExt;

const LOG: LogId = LogId::from_bits(0x4f2a_9c01_d3b7);

/// A store without events.
struct Empty;

impl Backend for Empty {
    fn search(&self, _: &SearchRequest, _: &mut dyn FnMut(Stored) -> ControlFlow<()>) -> Result<Summary, QueryFailure> {
        Ok(Summary {
            rows: 0,
            matched: 0,
            relation: Relation::Eq,
            cursor: None,
            next_number: 0,
            partial: false,
            warnings: Vec::new(),
        })
    }

    fn histogram(&self, _: &HistogramRequest) -> Result<Histogram, QueryFailure> {
        Err(QueryFailure::Invalid("no histogram here".to_owned()))
    }

    fn fields(&self, _: &Scope) -> Result<Vec<FieldInfo>, QueryFailure> {
        Err(QueryFailure::Storage("the partition is broken".to_owned()))
    }

    fn values(&self, _: &ValuesRequest) -> Result<FieldValues, QueryFailure> {
        panic!("a fault, on purpose")
    }

    fn event(&self, _: EventId) -> Result<Option<Stored>, QueryFailure> {
        Ok(None)
    }
}

struct Process(Health);

impl Node for Process {
    fn health(&self) -> Health {
        self.0
    }
    fn status(&self) -> Value {
        json!({"status": "ok"})
    }
    fn components(&self) -> Vec<Component> {
        Vec::new()
    }
    fn gauges(&self) -> Vec<Gauge> {
        Vec::new()
    }
}

/// How a server is set up.
struct Setup {
    health: Health,
    tokens: &'static str,
    /// What the log answers, where it refuses.
    refusal: Option<AppendError>,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { health: Health::Ok, tokens: "", refusal: None }
    }
}

/// A server, and what its log was given.
struct Server {
    state: Arc<ApiState>,
    appended: Arc<Mutex<Vec<RawBatch>>>,
}

/// The reply to a request.
struct Reply {
    status: u16,
    retry_after: Option<String>,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Status and code of a refusal, which has a message, too.
    fn refusal(&self) -> (u16, String) {
        let error = &self.json()["error"];
        assert!(!error["message"].as_str().unwrap().is_empty(), "{}", self.body);
        (self.status, error["code"].as_str().unwrap().to_owned())
    }
}

impl Server {
    fn new(setup: Setup) -> Server {
        let (intake, appends) = Intake::channel();
        let appended = Arc::new(Mutex::default());
        tokio::spawn(log(appends, setup.refusal, Arc::clone(&appended)));
        let access =
            Access::new("127.0.0.1:7447".parse().unwrap(), None, Tokens::parse(setup.tokens).unwrap()).unwrap();
        let state = ApiState::new(Parts {
            backend: Arc::new(Empty),
            intake: (setup.health != Health::ReadOnly).then_some(intake),
            tail: Tail::new(LOG),
            node: Arc::new(Process(setup.health)),
            access,
            compile: |query, now| {
                let matcher = crate::query::Matcher::new(query, now)?;
                Ok(Box::new(move |event| matcher.matches(event)))
            },
            ingested: Arc::default(),
        });
        Server { state, appended }
    }

    async fn send(&self, request: axum::http::Request<Body>) -> Response {
        router(Arc::clone(&self.state)).oneshot(request).await.unwrap()
    }

    async fn reply(&self, request: axum::http::Request<Body>) -> Reply {
        let response = self.send(request).await;
        let retry_after = response.headers().get("retry-after").map(|seconds| seconds.to_str().unwrap().to_owned());
        let status = response.status().as_u16();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        Reply { status, retry_after, body: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    /// The records in the log, as text, frame by frame.
    fn frames(&self) -> Vec<Vec<String>> {
        let text = |record: &crate::flow::Record| String::from_utf8_lossy(&record.bytes).into_owned();
        self.appended.lock().unwrap().iter().map(|batch| batch.records.iter().map(text).collect()).collect()
    }

    /// What `input.http` counts: in, out, dropped by reason; nothing is left in between.
    fn counts(&self) -> (u64, u64, Vec<(String, u64)>) {
        let component = self.state.ingested.component();
        assert_eq!((component.name.as_str(), component.queued), ("input.http", 0));
        (component.received, component.sent, component.dropped)
    }
}

/// Stands for the log thread: refuses, knows spans that came before, or keeps.
async fn log(mut appends: mpsc::Receiver<Append>, refusal: Option<AppendError>, kept: Arc<Mutex<Vec<RawBatch>>>) {
    let (mut seen, end) = (HashSet::new(), AtomicU64::new(0));
    while let Some(Append { batch, answer, .. }) = appends.recv().await {
        let answered = match &refusal {
            Some(refusal) => Err(refusal.clone()),
            None => {
                let span = batch.span.map(|span| (batch.origin.source.clone(), span));
                let duplicate = span.is_some_and(|span| !seen.insert(span));
                if !duplicate {
                    kept.lock().unwrap().push(batch);
                    end.fetch_add(0x100, Ordering::Relaxed);
                }
                Ok(Appended { log: LOG, end: Pos(end.load(Ordering::Relaxed)), duplicate })
            }
        };
        let _ = answer.send(answered);
    }
}

fn request(method: &str, uri: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> axum::http::Request<Body> {
    let mut request = Request::builder().method(method).uri(uri);
    if !headers.iter().any(|(name, _)| *name == "host") {
        request = request.header("host", "localhost:7447");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

fn get(uri: &str, headers: &[(&str, &str)]) -> axum::http::Request<Body> {
    request("GET", uri, headers, Body::empty())
}
