//! Bulk requests, and what their answers mean for each document.

use super::{
    super::{
        Encoded, Item, Refused, Sink, SinkError,
        requests::{self, Answer, Pool, Request, Verdict, joined, quoted},
    },
    servers::Servers,
    setup::{self, Next, Step},
};
use crate::{config::Options, flow::Stop};
use logship_parsers::config::{Diagnostic, ast::Value, typed};
use serde::Deserialize;
use std::collections::{HashMap, VecDeque};
use ureq::http::{HeaderName, HeaderValue, Method, header::CONTENT_TYPE};

/// Most bytes of a request, before it is compressed. A document that is larger goes alone.
pub const BULK_BYTES_MAX: usize = 20 << 20;
/// A document that is there already, or was changed meanwhile.
const CONFLICT: u16 = 409;

/// What statuses and errors of documents mean.
#[derive(Clone, Debug)]
pub(super) struct Codes {
    /// The document is refused.
    refused: Vec<u16>,
    /// Kinds of errors whose documents are given up without a word.
    dropped: Vec<String>,
    /// Kinds of errors that nothing is said of.
    silent: Vec<String>,
}

impl Codes {
    pub(super) fn read(options: &mut Options<'_>) -> Option<Codes> {
        let text = |value: &Value| typed::text(value).map(str::to_owned);
        let mut is_good = true;
        let own = options.each("dlq_custom_codes", |value| {
            let code = typed::integer(value)?;
            match u16::try_from(code) {
                Ok(200 | 201 | 400 | 404 | CONFLICT) | Err(_) => {
                    Err(Diagnostic::error(value.span.0, format!("`{code}` has its meaning already, or is no status")))
                }
                Ok(code) => Ok(code),
            }
        });
        is_good &= own.len() == options.value("dlq_custom_codes").map_or(0, |value| typed::list(value).len());
        let mut silent = options.each("silence_errors_in_log", text);
        silent.extend(options.each("failure_type_logging_whitelist", text));
        let refused = [400, 404].into_iter().chain(own).collect();
        is_good.then(|| Codes { refused, dropped: options.each("drop_error_types", text), silent })
    }
}

/// A cluster that takes bulk requests.
pub(super) struct Bulks {
    servers: Servers,
    headers: Vec<(HeaderName, HeaderValue)>,
    codes: Codes,
    pool: Pool,
    /// What has to be there before the first document.
    setup: VecDeque<Step>,
    /// Most bytes of a request that the cluster takes.
    bytes_max: usize,
}

/// What became of a document.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Done,
    Refused(String),
    Left,
}

/// Documents of one request; the number of the first, and each one's text.
struct Bulk<'b> {
    from: usize,
    items: &'b [(&'b str, &'b Item)],
}

/// What became of a request.
enum Outcome {
    /// Each document has its fate; why some are left.
    Judged(Vec<Fate>, Option<SinkError>),
    /// Half of it is tried: it is too large, or one of its documents makes it none.
    Halve { is_large: bool },
    /// Nothing is known of any.
    Failed(SinkError),
}

#[derive(Deserialize)]
struct Reply {
    errors: bool,
    #[serde(default)]
    items: Vec<HashMap<String, Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    status: u16,
    error: Option<serde_json::Value>,
}

impl Bulks {
    pub(super) fn new(servers: Servers, headers: Vec<(HeaderName, HeaderValue)>, codes: Codes, pool: Pool) -> Bulks {
        Bulks { servers, headers, codes, pool, setup: VecDeque::new(), bytes_max: BULK_BYTES_MAX }
    }

    /// With what has to be there before the first document.
    pub(super) fn after(self, setup: VecDeque<Step>) -> Bulks {
        Bulks { setup, ..self }
    }

    /// Makes what has to be there and is not.
    fn set_up(&mut self, stop: &Stop) -> Result<(), SinkError> {
        while let Some(mut step) = self.setup.pop_front() {
            let (number, root) = self.servers.next_root();
            let mut question = step.first();
            loop {
                let mut headers = self.headers.clone();
                headers.retain(|(name, _)| *name != CONTENT_TYPE);
                headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
                let (method, url) = (question.method.clone(), requests::url(&format!("{root}/{}", question.path)));
                let request = Request { method: method.clone(), url, headers, body: question.body };
                let mut outcome = None;
                let ran = self.pool.run(std::iter::once(request), stop, &mut |_, answered| {
                    outcome = Some(answered);
                    Verdict::Good
                });
                let cause = match (ran, outcome) {
                    (Ok(()), Some(Ok(answer))) => match step.answered(&method, &answer) {
                        Next::Ask(next) => {
                            question = next;
                            continue;
                        }
                        Next::Done(None) => break,
                        Next::Done(Some(warning)) => {
                            tracing::warn!("{root}/{}: {warning}", step.path);
                            break;
                        }
                    },
                    (Ok(()), Some(Err(none))) => setup::unanswered(&step, &none),
                    (Ok(()), None) => "no answer before the end".to_owned(),
                    (Err(cause), _) => cause.to_string(),
                };
                self.servers.failed(number);
                self.setup.push_front(step);
                return Err(SinkError::again(format!("{root}: {cause}")));
            }
            self.servers.worked(number);
        }
        Ok(())
    }

    /// Sends everything, request by request, until something is in the way.
    fn sent(&mut self, items: &[(&str, &Item)], fates: &mut [Fate], stop: &Stop) -> Result<(), SinkError> {
        let mut most = self.bytes_max;
        let mut from = 0;
        while let Some(bulk) = bulk(items, from, most) {
            let (first, count) = (bulk.from, bulk.items.len());
            match self.attempt(&bulk, stop) {
                Outcome::Judged(judged, failed) => {
                    if let Some(slots) = fates.get_mut(first..first + count) {
                        slots.clone_from_slice(&judged);
                    }
                    failed.map_or(Ok(()), Err)?;
                    from = first + count;
                }
                Outcome::Halve { is_large } => {
                    most = (bulk.items.iter().map(|(text, _)| text.len()).sum::<usize>() / 2).max(1);
                    if is_large {
                        self.bytes_max = most;
                        tracing::warn!("elasticsearch takes no request as large as that: {most} bytes are tried");
                    }
                }
                Outcome::Failed(failed) => return Err(failed),
            }
        }
        Ok(())
    }

    /// Asks one server after the other, until one answers or all have failed.
    fn attempt(&mut self, bulk: &Bulk<'_>, stop: &Stop) -> Outcome {
        loop {
            let body = joined(bulk.items.iter().map(|(text, _)| *text));
            let (number, url) = self.servers.next();
            let said = url.split('?').next().unwrap_or_default().to_owned();
            let request = Request { method: Method::POST, url, headers: self.headers.clone(), body };
            let mut outcome = None;
            let ran = self.pool.run(std::iter::once(request), stop, &mut |_, answered| {
                outcome = Some(answered);
                Verdict::Good
            });
            let failed = match (ran, outcome) {
                (Err(cause), _) => return Outcome::Failed(SinkError::again(cause)),
                (Ok(()), None) => {
                    return Outcome::Failed(SinkError::again(format!("{said}: no answer before the end")));
                }
                (Ok(()), Some(Ok(answer))) if !matches!(answer.status, 502..=504) => {
                    self.servers.worked(number);
                    return self.codes.judge(&said, &answer, bulk);
                }
                (Ok(()), Some(Ok(answer))) => {
                    let cause = format!("{said}: {}", answer.quoted());
                    SinkError::Again { cause, after: answer.retry_after }
                }
                (Ok(()), Some(Err(none))) => SinkError::again(format!("{said}: {}", none.cause)),
            };
            self.servers.failed(number);
            if !self.servers.has_other() || stop.is_requested() {
                return Outcome::Failed(failed);
            }
        }
    }
}

/// As many documents as one request takes; those that can be none are left out of it, at its end.
fn bulk<'b>(items: &'b [(&'b str, &'b Item)], from: usize, most: usize) -> Option<Bulk<'b>> {
    let is_document = |item: &&(&str, &Item)| item.1.to.is_empty();
    let skipped = items.get(from..)?.iter().position(|item| is_document(&item))?;
    let from = from + skipped;
    let rest = items.get(from..)?;
    let mut bytes = 0;
    let fits = |(number, (text, _)): &(usize, &(&str, &Item))| {
        bytes += text.len();
        *number == 0 || bytes <= most
    };
    let count = rest.iter().take_while(is_document).enumerate().take_while(fits).count();
    Some(Bulk { from, items: rest.get(..count)? })
}

impl Codes {
    fn judge(&self, said: &str, answer: &Answer, bulk: &Bulk<'_>) -> Outcome {
        let error = error_of(&answer.text);
        let again = |cause: String| Outcome::Failed(SinkError::Again { cause, after: answer.retry_after });
        let has_many = bulk.items.len() > 1;
        match (answer.status, error) {
            (200..=299, _) => {}
            (413, _) if has_many => return Outcome::Halve { is_large: true },
            // Only a server that is Elasticsearch says that a document is wrong; a proxy would say it of all.
            (400, Some(_)) if has_many => return Outcome::Halve { is_large: false },
            (413, _) | (400, Some(_)) => return Outcome::Judged(vec![Fate::Refused(answer.quoted())], None),
            (401 | 403, _) => {
                return again(format!("{said}: {}: is the login right, and may it write?", answer.quoted()));
            }
            (_, Some(error)) => return again(format!("{said}: status {}: {error}", answer.status)),
            (_, None) => return again(format!("{said}: {}: is this Elasticsearch?", answer.quoted())),
        }
        let Ok(reply) = serde_json::from_str::<Reply>(&answer.text) else {
            return again(format!("{said}: {}: is this Elasticsearch?", answer.quoted()));
        };
        if !reply.errors {
            return Outcome::Judged(vec![Fate::Done; bulk.items.len()], None);
        }
        if reply.items.len() != bulk.items.len() {
            let (sent, got) = (bulk.items.len(), reply.items.len());
            return again(format!("{said}: {sent} documents were sent and {got} were answered for"));
        }
        let mut left = None;
        let (mut conflicts, mut fates) = (0_usize, Vec::with_capacity(reply.items.len()));
        for entry in reply.items.iter().map(|item| item.values().next()) {
            let (status, error) = entry.map_or((0, None), |entry| (entry.status, entry.error.as_ref()));
            let kind = error.and_then(|error| error.get("type")?.as_str()).unwrap_or_default();
            let is_dropped = self.dropped.iter().any(|dropped| dropped == kind) && !kind.is_empty();
            fates.push(match status {
                200 | 201 => Fate::Done,
                CONFLICT => {
                    conflicts += usize::from(!self.silent.iter().any(|silent| silent == kind));
                    Fate::Done
                }
                _ if is_dropped => Fate::Done,
                status if self.refused.contains(&status) => {
                    Fate::Refused(format!("status {status}: {}", error.map(described).unwrap_or_default()))
                }
                status => {
                    let described = error.map(described).unwrap_or_default();
                    left.get_or_insert_with(|| format!("{said}: a document has status {status}: {described}"));
                    Fate::Left
                }
            });
        }
        if conflicts > 0 {
            tracing::warn!("{said}: {conflicts} documents are there already or were changed meanwhile (status 409)");
        }
        Outcome::Judged(fates, left.map(|cause| SinkError::Again { cause, after: answer.retry_after }))
    }
}

/// What Elasticsearch says of a request as a whole.
fn error_of(text: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(text).ok()?;
    json.get("error").map(described)
}

/// `mapper_parsing_exception: failed to parse field [n] (because of number_format_exception: ...)`
fn described(error: &serde_json::Value) -> String {
    let Some(error) = error.as_object() else { return quoted(error.as_str().unwrap_or_default()) };
    let part = |name: &str| error.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let mut text = format!("{}: {}", quoted(part("type")), quoted(part("reason")));
    if let Some(cause) = error.get("caused_by").filter(|cause| cause.get("reason").is_some_and(|it| it.is_string())) {
        let part = |name: &str| quoted(cause.get(name).and_then(serde_json::Value::as_str).unwrap_or_default());
        text.push_str(&format!(" (because of {}: {})", part("type"), part("reason")));
    }
    text
}

impl Sink for Bulks {
    fn deliver(&mut self, batch: &mut Encoded, refused: &mut Vec<Refused>, stop: &Stop) -> Result<(), SinkError> {
        let items: Vec<_> = batch.items().collect();
        let unable = |item: &Item| if item.to.is_empty() { Fate::Left } else { Fate::Refused(item.to.clone()) };
        let mut fates: Vec<Fate> = items.iter().map(|(_, item)| unable(item)).collect();
        let is_needed = items.iter().any(|(_, item)| item.to.is_empty());
        let ready = if is_needed { self.set_up(stop) } else { Ok(()) };
        let outcome = ready.and_then(|()| self.sent(&items, &mut fates, stop));
        for ((_, item), fate) in items.iter().zip(&fates) {
            if let (Fate::Refused(reason), Some(event)) = (fate, &item.event) {
                refused.push(Refused { event: event.clone(), reason: reason.clone() });
            }
        }
        batch.settle(|item| fates.get(item).is_some_and(|fate| *fate != Fate::Left));
        outcome
    }
}
