//! Requests against the router with a pretended store and log.

use super::{Access, ApiState, Component, Gauge, Health, Node, Parts, router};
use crate::{
    auth::Tokens,
    event::{Event, Timestamp, Value},
    flow::{Append, AppendError, Appended, Batch, EventId, Intake, LogId, Pos, RawBatch, Stored},
    pipeline::tail::Tail,
    query::{
        Backend, Cancel, Cursor, FieldInfo, FieldType, FieldValues, Histogram, HistogramRequest, QueryFailure,
        Relation, Scope, SearchRequest, Series, Summary, ValueCount, ValuesRequest,
    },
};
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request, StatusCode},
};
use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::Receiver,
    },
};
use tower::ServiceExt;

pub const LOG: LogId = LogId::from_bits(0x4f2a_9c01_d3b7);

/// A store with numbered events, whose count can be held up.
pub struct FakeStore {
    pub rows: usize,
    /// Before the count ends, waits here.
    pub gate: Mutex<Option<Receiver<()>>>,
    /// Rows that were taken from it.
    pub given: AtomicUsize,
    pub failure: Option<QueryFailure>,
    pub panics: bool,
    /// Answers take until they are cancelled.
    pub endless: bool,
    /// Endless answers that were begun, and those that were cancelled.
    pub begun: AtomicUsize,
    pub cancelled: AtomicUsize,
}

impl FakeStore {
    fn wait(&self, cancel: &Cancel) -> Result<(), QueryFailure> {
        if !self.endless {
            return Ok(());
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        while !cancel.is_cancelled() {
            std::thread::yield_now();
        }
        self.cancelled.fetch_add(1, Ordering::SeqCst);
        Err(QueryFailure::Cancelled)
    }
}

pub fn stored(number: usize, padding: usize) -> Stored {
    let text = format!("row {number}{}", ".".repeat(padding));
    Stored {
        id: EventId { log: LOG, at: Pos(0x1000 + number as u64) },
        event: Event::from_line(Timestamp::from_millis(1_767_225_600_000), text.into()),
    }
}

impl Backend for FakeStore {
    fn search(
        &self,
        request: &SearchRequest,
        row: &mut dyn FnMut(Stored) -> ControlFlow<()>,
    ) -> Result<Summary, QueryFailure> {
        assert!(!self.panics, "as asked");
        self.wait(&request.cancel)?;
        let mut rows = 0;
        for number in 0..self.rows.min(request.limit) {
            rows += 1;
            self.given.fetch_add(1, Ordering::SeqCst);
            if row(stored(number, 2_000)).is_break() {
                return Err(QueryFailure::Cancelled);
            }
        }
        if let Some(gate) = self.gate.lock().unwrap().take() {
            gate.recv().unwrap();
        }
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        let cursor = (rows < self.rows).then(|| Cursor { time_ms: 5, id: stored(rows, 0).id });
        Ok(Summary {
            rows,
            matched: self.rows as u64,
            relation: Relation::Eq,
            cursor,
            next_number: 0x1f00,
            partial: false,
            warnings: vec!["a warning".to_owned()],
        })
    }

    fn histogram(&self, request: &HistogramRequest) -> Result<Histogram, QueryFailure> {
        assert_eq!((request.buckets, request.by.as_deref()), (60, Some("level")));
        self.wait(&request.cancel)?;
        let series = vec![Series { key: "error".to_owned(), counts: vec![0, 3] }];
        Ok(Histogram {
            from_ms: 0,
            to_ms: 120_000,
            step_ms: 60_000,
            series,
            total: 3,
            relation: Relation::Gte,
            warnings: vec!["late".to_owned()],
        })
    }

    fn fields(&self, _: &Scope) -> Result<Vec<FieldInfo>, QueryFailure> {
        let types = vec![FieldType::String, FieldType::Long, FieldType::Double, FieldType::Boolean];
        Ok(vec![FieldInfo { name: "log.level".to_owned(), types, count: 7 }])
    }

    fn values(&self, request: &ValuesRequest) -> Result<FieldValues, QueryFailure> {
        self.wait(&request.cancel)?;
        let value = |value, count| ValueCount { value, count };
        let values = vec![value(Value::from("in\"fo"), 4), value(Value::Float(1.0), 2), value(Value::Bool(true), 1)];
        let (field, warnings) = (request.field.clone(), vec!["\"late\"".to_owned()]);
        Ok(FieldValues { field, values, distinct: 3, matched: 9, missing: 2, relation: Relation::Gte, warnings })
    }

    fn event(&self, id: EventId) -> Result<Option<Stored>, QueryFailure> {
        Ok((id.at.0 == 0x1000).then(|| stored(0, 0)))
    }
}

pub struct FakeNode(pub Mutex<Health>);

impl Node for FakeNode {
    fn health(&self) -> Health {
        *self.0.lock().unwrap()
    }
    fn status(&self) -> serde_json::Value {
        serde_json::json!({"status": "ok"})
    }
    fn components(&self) -> Vec<Component> {
        Vec::new()
    }
    fn gauges(&self) -> Vec<Gauge> {
        vec![Gauge { name: "up", help: "One.", labels: Vec::new(), value: 1.0 }]
    }
}

/// A log that answers every append at once and knows what it has seen.
#[derive(Default)]
pub struct FakeLog {
    pub batches: Mutex<Vec<RawBatch>>,
    /// Given from the append of this number on.
    pub failure: Mutex<Option<(usize, AppendError)>>,
    /// Answers wait here.
    pub held: Mutex<bool>,
    pub holding: Mutex<Vec<Append>>,
    seen: Mutex<BTreeSet<(String, u64)>>,
}

impl FakeLog {
    fn take(&self, append: Append) {
        if *self.held.lock().unwrap() {
            self.holding.lock().unwrap().push(append);
            return;
        }
        self.answer(append);
    }

    pub fn answer(&self, append: Append) {
        let Append { batch, answer, .. } = append;
        let mut batches = self.batches.lock().unwrap();
        let failure = self.failure.lock().unwrap().clone();
        let result = match failure {
            Some((from, error)) if batches.len() >= from => Err(error),
            _ => {
                let new = batch
                    .span
                    .is_none_or(|span| self.seen.lock().unwrap().insert((batch.origin.source.clone(), span.from)));
                if new {
                    batches.push(batch);
                }
                Ok(Appended { log: LOG, end: Pos(0x100 * batches.len() as u64), duplicate: !new })
            }
        };
        // The request may have been given up.
        let _ = answer.send(result);
    }

    pub fn lines(&self) -> Vec<String> {
        let batches = self.batches.lock().unwrap();
        let records = batches.iter().flat_map(|batch| &batch.records);
        records.map(|record| String::from_utf8_lossy(&record.bytes).into_owned()).collect()
    }
}

/// Everything around a router.
pub struct Server {
    pub state: Arc<ApiState>,
    pub router: Router,
    pub store: Arc<FakeStore>,
    pub log: Arc<FakeLog>,
    pub node: Arc<FakeNode>,
    pub tail: Arc<Tail>,
}

impl FakeStore {
    pub fn of(rows: usize) -> FakeStore {
        FakeStore {
            rows,
            gate: Mutex::new(None),
            given: AtomicUsize::new(0),
            failure: None,
            panics: false,
            endless: false,
            begun: AtomicUsize::new(0),
            cancelled: AtomicUsize::new(0),
        }
    }
}

/// A server that listens on loopback and asks for no token.
pub fn server() -> Server {
    server_with(FakeStore::of(3), "")
}

pub fn server_with(store: FakeStore, tokens: &str) -> Server {
    let (intake, mut appends) = Intake::channel();
    let log = Arc::new(FakeLog::default());
    let thread_log = Arc::clone(&log);
    std::thread::Builder::new()
        .name("log".to_owned())
        .spawn(move || {
            while let Some(append) = appends.blocking_recv() {
                thread_log.take(append);
            }
        })
        .unwrap();
    let (store, node, tail) = (Arc::new(store), Arc::new(FakeNode(Mutex::new(Health::Ok))), Tail::new(LOG));
    let access = Access::new(([127, 0, 0, 1], 7447).into(), None, Tokens::parse(tokens).unwrap()).unwrap();
    let state = ApiState::new(Parts {
        backend: Arc::clone(&store) as Arc<dyn Backend>,
        intake: Arc::new(OnceLock::from(intake)),
        tail: Arc::clone(&tail),
        node: Arc::clone(&node) as Arc<dyn Node>,
        access,
        // Good enough here: events whose text holds the query's first word.
        compile: |query, _| {
            let word = logship_parsers::query::words(query).first().cloned().unwrap_or_default();
            Ok(Box::new(move |event: &Event| event.message().is_some_and(|text| text.contains(&word))))
        },
        zone: None,
        ingested: Arc::default(),
    });
    Server { router: router(Arc::clone(&state)), state, store, log, node, tail }
}

pub type Headers<'a> = &'a [(&'static str, &'a str)];

pub fn request(method: &str, uri: &str, headers: Headers, body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(uri).header("host", "localhost:7447");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

/// A whole reply.
pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The error's code and message.
    pub fn error(&self) -> (String, String) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    }
}

impl Server {
    pub async fn send(&self, request: Request<Body>) -> Reply {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Reply { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    pub async fn get(&self, uri: &str) -> Reply {
        self.send(request("GET", uri, &[], Body::empty())).await
    }

    pub async fn post(&self, headers: Headers<'_>, body: impl Into<Body>) -> Reply {
        self.send(request("POST", "/api/v1/ingest", headers, body)).await
    }

    /// Gives the tail events `first..first + count`, one batch.
    pub fn publish(&self, first: u64, count: usize) {
        let events = (0..count).map(|n| stored(usize::try_from(first).unwrap() + n, 0)).collect();
        let (start, end) = (Pos(0x1000 + first), Pos(0x2000 + first));
        self.tail.publish(&Arc::new(Batch { log: LOG, start, end, first_number: first, events }));
    }
}

/// Lets everything run that can.
pub async fn until(done: impl Fn() -> bool) {
    while !done() {
        tokio::task::yield_now().await;
    }
}
