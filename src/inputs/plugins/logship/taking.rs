//! Bodies of requests on their way into the log, and what became of them.

use super::{super::requests::Head, No};
use crate::{
    clock,
    event::{LINE_BYTES_MAX, Value, json},
    filters::urldecode::percent_decoded,
    flow::{
        AppendError, Appended, EventId, FRAME_BYTES_MAX, Intake, LogId, Origin, Pending, RECORDS_PER_FRAME_MAX,
        RawBatch, Record, RecordKind, Span, Spans, SyncClass, exact,
    },
    log::wire::{Stretches, Unpack},
};
use bytes::{BufMut as _, BytesMut};
use logship_parsers::config::FieldRef;
use serde::de::IgnoredAny;
use serde_json::json;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// A record's first byte: it is a JSON object.
pub(super) const JSON: u8 = 1;
/// A record's first byte: it was cut.
pub(super) const TRUNCATED: u8 = 2;
/// The content type of frames.
const FRAMES: &str = "application/vnd.logship.frames";
/// Batches are cut at this many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// Batches of a request on their way at a time.
const SENT_MAX: usize = 16;
/// The longest `service` or `host`, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Where requests go.
pub(super) struct Taking {
    pub(super) intake: Intake,
    /// The input's name.
    pub(super) input: String,
}

/// A record for the log: what it is, then its text.
fn numbered(kind: RecordKind, text: &[u8]) -> Record {
    let mut bytes = BytesMut::with_capacity(text.len() + 1);
    bytes.put_u8((u8::from(kind.json) * JSON) | (u8::from(kind.truncated) * TRUNCATED));
    bytes.extend_from_slice(text);
    Record::text(bytes.freeze())
}

/// Batches of a request.
struct Sending<'t> {
    intake: &'t Intake,
    sent: VecDeque<(usize, Option<Span>, Pending)>,
    /// Records that are in the log.
    records: usize,
    spans: Spans,
    last: Option<Appended>,
}

impl<'t> Sending<'t> {
    fn new(intake: &'t Intake) -> Sending<'t> {
        let (sent, spans) = (VecDeque::new(), Spans::default());
        Sending { intake, sent, records: 0, spans, last: None }
    }

    fn give(&mut self, batch: RawBatch) -> Result<(), No> {
        let (records, span) = (batch.records.len(), batch.span);
        let pending = self.intake.submit(batch, SyncClass::Prompt).map_err(|cause| refusal(&cause))?;
        self.sent.push_back((records, span, pending));
        self.settle(SENT_MAX)
    }

    /// Waits until at most so many are on their way.
    fn settle(&mut self, most: usize) -> Result<(), No> {
        while self.sent.len() > most
            && let Some((records, span, pending)) = self.sent.pop_front()
        {
            self.last = Some(pending.wait().map_err(|cause| refusal(&cause))?);
            self.records += records;
            if let Some(span) = span {
                self.spans.add(span);
            }
        }
        Ok(())
    }
}

fn refusal(cause: &AppendError) -> No {
    let (status, code) = match cause {
        AppendError::Closed => return No::Said(503, "unavailable", "the pipeline has ended".to_owned()),
        AppendError::Full => (507, "storage_full"),
        AppendError::TooLarge => (413, "too_large"),
        AppendError::TooManySources => (429, "busy"),
        AppendError::Io(_) => (503, "unavailable"),
    };
    No::Said(status, code, cause.to_string())
}

impl Taking {
    /// `POST /api/v1/ingest`: lines, or an object a line.
    pub(super) fn lines(&self, head: &Head, query: &str, body: Vec<u8>) -> Result<String, No> {
        let is_json = is_json(head)?;
        let exact = exact(head.header("x-logship-source"), head.header("x-logship-seq")).map_err(No::bad)?;
        let (source, span) = exact.unzip();
        let fields = fields_of_query(query)?;
        let origin =
            Origin { source: source.unwrap_or_default(), input: self.input.clone(), fields, ..Origin::default() };
        let origin = Arc::new(origin);
        if span.is_some() && body.len() > FRAME_BYTES_MAX {
            return Err(No::Said(413, "too_large", format!("longer than {} MiB", FRAME_BYTES_MAX >> 20)));
        }
        let mut sending = Sending::new(&self.intake);
        let (mut records, mut bytes, mut rejected) = (Vec::new(), 0, Vec::new());
        let batch = |records: Vec<Record>| RawBatch {
            origin: Arc::clone(&origin),
            span,
            mark: None,
            received: clock::now(),
            records,
        };
        for (number, line) in (1..).zip(body.split(|byte| *byte == b'\n')) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > LINE_BYTES_MAX {
                rejected.push(json!({"line": number, "error": "longer than 1 MiB"}));
                continue;
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let json = is_json && line.first() == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(line).is_ok();
            let is_full = bytes + line.len() > BATCH_BYTES || records.len() >= RECORDS_PER_FRAME_MAX;
            if is_full && span.is_none() && !records.is_empty() {
                sending.give(batch(std::mem::take(&mut records)))?;
                bytes = 0;
            }
            bytes += line.len();
            records.push(numbered(RecordKind { json, truncated: false }, line));
        }
        if !records.is_empty() {
            sending.give(batch(records))?;
        }
        sending.settle(0)?;
        let pos = sending.last.map(|last| EventId { log: last.log, at: last.end }.to_string());
        let mut reply = json!({"accepted": sending.records, "rejected": rejected, "pos": pos});
        if sending.last.is_some_and(|last| last.duplicate) {
            reply["duplicate"] = json!(true);
        }
        Ok(reply.to_string())
    }

    /// `POST /api/v1/frames`: frames of an agent's log.
    pub(super) fn frames(&self, head: &Head, body: Vec<u8>) -> Result<String, No> {
        let kind = media(head);
        if kind != FRAMES {
            return Err(No::Said(415, "unsupported_media_type", format!("frames come as `{FRAMES}`, not as `{kind}`")));
        }
        let log: Option<LogId> = head.header("x-logship-log").and_then(|log| log.parse().ok());
        let log =
            log.ok_or_else(|| No::bad("`X-Logship-Log` must have the 12 hex digits of the log of these frames"))?;
        let mut unpack = Unpack::new(log);
        unpack.push(&body);
        drop(body);
        let mut sending = Sending::new(&self.intake);
        let mut stretches = Stretches::default();
        let mut shared: Option<(Arc<Origin>, Arc<Origin>)> = None;
        while let Some((span, batch)) = unpack.next_frame().map_err(|damaged| No::bad(damaged.to_string()))? {
            let origin = match &shared {
                Some((of, own)) if Arc::ptr_eq(of, &batch.origin) => Arc::clone(own),
                _ => {
                    let own = Arc::new(self.origin(log, &batch.origin));
                    shared = Some((batch.origin, Arc::clone(&own)));
                    own
                }
            };
            let records = batch.records.iter().map(|record| numbered(record.kind, &record.bytes)).collect();
            // Checked before it is stored: the table of sources has no more room for one log.
            stretches.count(span).map_err(|message| No::Said(413, "too_large", message))?;
            sending.give(RawBatch { origin, span: Some(span), mark: None, received: batch.received, records })?;
        }
        sending.settle(0)?;
        unpack.finish().map_err(|damaged| No::bad(damaged.to_string()))?;
        let durable: Vec<_> = sending.spans.in_order().iter().map(|span| [span.from, span.to]).collect();
        Ok(json!({"durable": durable, "time": clock::now().to_string()}).to_string())
    }

    /// What the records of a frame share, as fields.
    fn origin(&self, log: LogId, of: &Origin) -> Origin {
        let own = [
            ("service.name", &of.service),
            ("host.name", &of.host),
            ("log.file.path", &of.path),
            ("container.id", &of.container),
            ("log.iostream", &of.stream),
        ];
        let own = own.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let others = of.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let fields = others.chain(own).map(|(name, value)| field(name, value)).collect();
        Origin { source: Origin::source_of_agent(log), input: self.input.clone(), fields, ..Origin::default() }
    }
}

/// A field as the log of a pipeline has it: its path, and its value as JSON.
fn field(name: &str, value: &str) -> (String, String) {
    let path = FieldRef { parts: name.split('.').map(str::to_owned).collect() };
    let mut text = String::new();
    json::write_value(&mut text, &Value::from(value));
    (path.to_string(), text)
}

fn media(head: &Head) -> String {
    let text = head.header("content-type").unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(head: &Head) -> Result<bool, No> {
    match media(head).as_str() {
        "" | "text/plain" | "application/x-www-form-urlencoded" => Ok(false),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/json" => Ok(true),
        other => {
            let hint = "text/plain is for lines, application/x-ndjson for a JSON object a line";
            Err(No::Said(
                415,
                "unsupported_media_type",
                format!("the content type `{other}` is not known here: {hint}"),
            ))
        }
    }
}

/// `service` and `host` of the query, as fields of events that have none.
fn fields_of_query(query: &str) -> Result<BTreeMap<String, String>, No> {
    let mut fields = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decoded(value.replace('+', " ").as_bytes());
        let value = String::from_utf8_lossy(&value);
        let path = match name {
            "service" => "service.name",
            "host" => "host.name",
            _ => return Err(No::bad(format!("the argument `{name}` is not known; known: service, host"))),
        };
        if value.len() > NAME_BYTES_MAX {
            return Err(No::bad(format!("`{name}` is longer than {NAME_BYTES_MAX} bytes")));
        }
        fields.extend([field(path, &value)]);
    }
    Ok(fields)
}
