//! `http { url => "..." http_method => post }`: a request an event, or with `json_batch` one for many.
//!
//! Requests are on their way at the same time, up to `pool_max`, so that their order is not certain, as in Logstash; `pool_max => 1`
//! makes it so. What a server refuses for good is a dead letter. Other than in Logstash, URL and headers of `json_batch` may have values of
//! events, a redirected request with a body is refused rather than sent on without it, and cookies are not kept.

mod body;

use super::{
    Encoded, Output, OutputKind, Refused, Sink, SinkError,
    encoded::Item,
    requests::{self, Client, Outcome, Pool, Request, Unanswered, Verdict, Ways, seconds},
    tls::Tls,
};
use crate::{
    config::Options,
    event::{Event, Timestamp, render::rendered},
    flow::Stop,
};
use body::Body;
use logship_parsers::config::{Diagnostic, Template, ast::Value, typed};
use std::{io, ops::Range, str::FromStr as _, sync::Arc, time::Duration};
use ureq::http::{HeaderName, HeaderValue, Method, header};

/// Most bytes of events in a request of `json_batch`.
pub const BATCH_BYTES_MAX: usize = 8 << 20;

pub(super) const KIND: OutputKind = OutputKind {
    name: "http",
    summary: "Requests to an HTTP server",
    options: &[
        "automatic_retries",
        "cacert",
        "client_cert",
        "client_key",
        "connect_timeout",
        "content_type",
        "cookies",
        "follow_redirects",
        "format",
        "headers",
        "http_compression",
        "http_method",
        "ignorable_codes",
        "keepalive",
        "keystore",
        "keystore_password",
        "keystore_type",
        "mapping",
        "message",
        "password",
        "pool_max",
        "pool_max_per_route",
        "proxy",
        "request_timeout",
        "retry_failed",
        "retry_non_idempotent",
        "retryable_codes",
        "socket_timeout",
        "ssl_certificate",
        "ssl_certificate_authorities",
        "ssl_certificate_validation",
        "ssl_cipher_suites",
        "ssl_enabled",
        "ssl_key",
        "ssl_keystore_password",
        "ssl_keystore_path",
        "ssl_keystore_type",
        "ssl_supported_protocols",
        "ssl_truststore_password",
        "ssl_truststore_path",
        "ssl_truststore_type",
        "ssl_verification_mode",
        "truststore",
        "truststore_password",
        "url",
        "user",
        "validate_after_inactivity",
    ],
    needs_log: true,
    build,
};

struct Http {
    body: Body,
    /// Where any of them depends on the event.
    url: Template,
    dynamic: Vec<(HeaderName, Template)>,
    rules: Arc<Rules>,
    client: Client,
    most: usize,
}

/// What is the same for all requests, and what answers mean.
#[derive(Debug)]
struct Rules {
    method: Method,
    /// Where the URL is the same for all.
    url: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    is_batch: bool,
    retries: bool,
    retryable: Vec<u16>,
    ignorable: Vec<u16>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    let url = options.required("url", url);
    let method = options.required("http_method", |value| {
        let name = typed::choice(value, &["put", "post", "patch", "delete", "get", "head"])?.to_uppercase();
        Method::from_str(&name).map_err(|cause| Diagnostic::error(value.span.0, cause.to_string()))
    });
    let body = Body::read(options);
    let headers = headers(options, body.as_ref().map_or("", Body::content_type));
    let codes = |options: &mut Options<'_>, name| options.is_given(name).then(|| options.each(name, code));
    let retryable = codes(options, "retryable_codes").unwrap_or_else(|| vec![429, 500, 502, 503, 504]);
    let ignorable = codes(options, "ignorable_codes").unwrap_or_default();
    let retries = options.flag("retry_failed", true);
    let authorization = authorization(options);
    let is_read_only = method.as_ref().is_some_and(|method| matches!(*method, Method::GET | Method::HEAD));
    let (client, most) = client(options, is_read_only)?;
    let (url, body, (mut headers, dynamic)) = (url?, body?, headers?);
    headers.extend(authorization?);
    let rules = Rules {
        method: method?,
        url: url.as_literal().filter(|_| dynamic.is_empty()).map(requests::url),
        headers,
        is_batch: body.is_batch(),
        retries,
        retryable,
        ignorable,
    };
    Some(Box::new(Http { body, url, dynamic, rules: Arc::new(rules), client, most }))
}

fn url(value: &Value) -> typed::Read<Template> {
    let template = typed::template(value)?;
    let text = typed::text(value)?;
    let wrong = |what| Err(Diagnostic::error(value.span.0, what).help("write `https://HOST:PORT/PATH`"));
    match template.as_literal() {
        Some(url) if requests::url(url).parse::<ureq::http::Uri>().is_err() => wrong(format!("`{text}` is no URL")),
        _ if !text.starts_with("http://") && !text.starts_with("https://") && !text.starts_with("%{") => {
            wrong(format!("`{text}` does not begin with `http://` or `https://`"))
        }
        _ => Ok(template),
    }
}

fn code(value: &Value) -> typed::Read<u16> {
    let code = typed::integer(value)?;
    let known = u16::try_from(code).ok().filter(|code| (100..=999).contains(code));
    known.ok_or_else(|| Diagnostic::error(value.span.0, format!("`{code}` is no status of HTTP")))
}

/// Headers that are the same for all, and those that have values of events.
type Headers = (Vec<(HeaderName, HeaderValue)>, Vec<(HeaderName, Template)>);

fn headers(options: &mut Options<'_>, content_type: &str) -> Option<Headers> {
    let name = |value: &Value| {
        let name = HeaderName::from_str(typed::text(value)?);
        name.map_err(|_| Diagnostic::error(value.span.0, "this is no name of a header"))
    };
    let value = |value: &Value| {
        let template = typed::template(value)?;
        match template.as_literal().map(HeaderValue::from_str) {
            Some(Err(_)) => Err(Diagnostic::error(value.span.0, "this is no value of a header")),
            Some(Ok(value)) => Ok(Ok(value)),
            None => Ok(Err(template)),
        }
    };
    let (mut fixed, mut dynamic): Headers = Default::default();
    for (name, value) in options.pairs("headers", name, value) {
        match value {
            Ok(value) => fixed.push((name, value)),
            Err(template) => dynamic.push((name, template)),
        }
    }
    let given = options.text("content_type");
    let is_named = fixed.iter().any(|(name, _)| *name == header::CONTENT_TYPE);
    if given.is_some() || !is_named {
        fixed.retain(|(name, _)| *name != header::CONTENT_TYPE);
        let value = HeaderValue::from_str(given.as_deref().unwrap_or(content_type)).ok()?;
        fixed.push((header::CONTENT_TYPE, value));
    }
    Some((fixed, dynamic))
}

fn authorization(options: &mut Options<'_>) -> Option<Option<(HeaderName, HeaderValue)>> {
    match (options.text("user"), options.text("password")) {
        (None, None) => Some(None),
        (Some(user), password) => Some(requests::basic(&user, password.as_deref().unwrap_or_default())),
        (None, Some(_)) => {
            options.report(Diagnostic::error(options.place(), "a password needs its `user`"));
            None
        }
    }
}

/// The client, and how many requests it may make at a time.
fn client(options: &mut Options<'_>, follows: bool) -> Option<(Client, usize)> {
    requests::warn_of_versions(options);
    let tls = Tls::read(options, true);
    let connect = options.or("connect_timeout", seconds, Duration::from_secs(10));
    _ = options.get("socket_timeout", seconds);
    let whole = options.or("request_timeout", seconds, Duration::from_secs(60));
    let count = |value: &Value| typed::integer(value).map(|count| usize::try_from(count).unwrap_or(1).max(1));
    let most = options.or("pool_max", count, 50).min(options.or("pool_max_per_route", count, 25));
    let keeps = options.flag("keepalive", true);
    let follows = options.flag("follow_redirects", true) && follows;
    for name in ["automatic_retries", "validate_after_inactivity"] {
        _ = options.get(name, typed::integer);
    }
    for name in ["retry_non_idempotent", "ssl_enabled"] {
        _ = options.get(name, typed::boolean);
    }
    if options.flag("cookies", false) {
        options.report(Diagnostic::warning(options.place(), "cookies are not kept"));
    }
    let (proxy, compresses) = (options.text("proxy"), options.flag("http_compression", false));
    let idle_max = if keeps { most } else { 0 };
    let ways = Ways { tls: &tls?, connect, whole, proxy: proxy.as_deref(), compresses, idle_max, follows };
    let client = Client::new(&ways);
    let client = client.map_err(|cause| options.report(Diagnostic::error(options.place(), cause.to_string()))).ok()?;
    Some((client, most))
}

impl Output for Http {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        self.body.write(event, now, out.text_mut());
        let mut to = String::new();
        if self.rules.url.is_none() {
            to = requests::url(&rendered(&self.url, event, now));
            for (_, template) in &self.dynamic {
                to.push('\n');
                to.push_str(&rendered(template, event, now).replace('\n', " "));
            }
        }
        out.end(to, Some(event));
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        let names = self.dynamic.iter().map(|(name, _)| name.clone()).collect();
        let pool = Pool::new(self.client.clone(), self.most);
        Ok(Box::new(Requests { rules: self.rules.clone(), names, pool, bytes_max: BATCH_BYTES_MAX }))
    }
}

impl Rules {
    fn is_good(&self, status: u16) -> bool {
        (200..300).contains(&status) || self.ignorable.contains(&status)
    }

    /// The request that carries these items, which all go to the same place, or why there is none.
    fn request(&self, names: &[HeaderName], items: &[(&str, &Item)]) -> Result<Request, String> {
        let mut to = items.first().map_or("", |(_, item)| item.to.as_str()).split('\n');
        let mut headers = self.headers.clone();
        let url = self.url.clone().or_else(|| to.next().map(str::to_owned)).unwrap_or_default();
        for (name, value) in names.iter().zip(to) {
            let value =
                HeaderValue::from_str(value).map_err(|_| format!("its value of the header `{name}` is none"))?;
            headers.push((name.clone(), value));
        }
        let body = if self.is_batch {
            let mut body = Vec::with_capacity(items.iter().map(|(text, _)| text.len() + 1).sum::<usize>() + 1);
            for (number, (text, _)) in items.iter().enumerate() {
                body.push(if number == 0 { b'[' } else { b',' });
                body.extend_from_slice(text.as_bytes());
            }
            body.push(b']');
            body
        } else {
            requests::joined(items.iter().map(|(text, _)| *text))
        };
        Ok(Request { method: self.method.clone(), url, headers, body })
    }

    /// Where the request of these items goes, without what may be secret: for messages.
    fn server<'t>(&'t self, items: &'t [(&str, &Item)]) -> &'t str {
        let to = || items.first().and_then(|(_, item)| item.to.split('\n').next());
        let url = self.url.as_deref().or_else(to).unwrap_or_default();
        let url = url.split('?').next().unwrap_or_default();
        url.rsplit('@').next().unwrap_or_default()
    }

    /// What an answer means for the items of its request, and for those that follow.
    fn judge(&self, items: usize, outcome: Outcome) -> (Fate, Verdict) {
        let left = |cause: String, after| Fate::Left(Some(SinkError::Again { cause, after }));
        match outcome {
            Ok(answer) if self.is_good(answer.status) => (Fate::Delivered, Verdict::Good),
            Ok(answer) if answer.status == 413 && items > 1 => (Fate::TooLarge(answer.quoted()), Verdict::Good),
            Ok(answer) if self.retries && self.retryable.contains(&answer.status) => {
                (left(answer.quoted(), answer.retry_after), Verdict::Overloaded)
            }
            Ok(answer) => (Fate::Refused(answer.quoted()), Verdict::Good),
            Err(none) if none.is_no_request || !self.retries => (Fate::Refused(none.cause), Verdict::Good),
            Err(none) => (left(none.cause, None), Verdict::Overloaded),
        }
    }
}

struct Requests {
    rules: Arc<Rules>,
    /// Of the headers that have values of events.
    names: Vec<HeaderName>,
    pool: Pool,
    /// Most bytes of events in a request, where one holds several.
    bytes_max: usize,
}

/// What became of the items of a request.
enum Fate {
    Delivered,
    Refused(String),
    TooLarge(String),
    Left(Option<SinkError>),
}

impl Requests {
    /// Which items go together.
    fn runs(&self, items: &[(&str, &Item)]) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::with_capacity(items.len());
        let (mut bytes, mut to) = (0, "");
        for (number, (text, item)) in items.iter().enumerate() {
            bytes += text.len();
            match runs.last_mut() {
                Some(run) if self.rules.is_batch && bytes <= self.bytes_max && to == item.to => run.end = number + 1,
                _ => {
                    (bytes, to) = (text.len(), &item.to);
                    runs.push(number..number + 1);
                }
            }
        }
        runs
    }

    /// Makes the requests and says what became of each.
    fn sent(&mut self, runs: &[&[(&str, &Item)]], stop: &Stop) -> Vec<Fate> {
        let mut fates: Vec<Fate> = runs.iter().map(|_| Fate::Left(None)).collect();
        let (mut requests, mut numbers) = (Vec::with_capacity(runs.len()), Vec::with_capacity(runs.len()));
        for (number, run) in runs.iter().enumerate() {
            match self.rules.request(&self.names, run) {
                Ok(request) => {
                    requests.push(request);
                    numbers.push(number);
                }
                Err(reason) => fates[number] = Fate::Refused(reason),
            }
        }
        let rules = &self.rules;
        let outcome = self.pool.run(requests.into_iter(), stop, &mut |request, outcome| {
            let number = numbers.get(request).copied().unwrap_or_default();
            let run = runs.get(number).copied().unwrap_or_default();
            let outcome =
                outcome.map_err(|none| Unanswered { cause: format!("{}: {}", rules.server(run), none.cause), ..none });
            let (fate, verdict) = rules.judge(run.len(), outcome);
            if let Some(slot) = fates.get_mut(number) {
                *slot = fate;
            }
            verdict
        });
        if let Err(cause) = outcome {
            fates.push(Fate::Left(Some(SinkError::again(cause))));
        }
        fates
    }
}

impl Sink for Requests {
    fn deliver(&mut self, batch: &mut Encoded, refused: &mut Vec<Refused>, stop: &Stop) -> Result<(), SinkError> {
        let items: Vec<_> = batch.items().collect();
        let ranges = self.runs(&items);
        let runs: Vec<&[(&str, &Item)]> = ranges.iter().filter_map(|range| items.get(range.clone())).collect();
        let fates = self.sent(&runs, stop);
        let mut done = Vec::with_capacity(items.len());
        let mut failed = None;
        for (run, fate) in runs.iter().zip(&fates) {
            done.resize(done.len() + run.len(), matches!(fate, Fate::Delivered | Fate::Refused(_)));
            match fate {
                Fate::Delivered | Fate::Left(_) => {}
                Fate::Refused(reason) => refused.extend(run.iter().filter_map(|(_, item)| {
                    let event = item.event.clone()?;
                    Some(Refused { event, reason: reason.clone() })
                })),
                Fate::TooLarge(said) => {
                    self.bytes_max = (run.iter().map(|(text, _)| text.len()).sum::<usize>() / 2).max(1);
                    let cause = format!("{said}; smaller requests are tried");
                    failed = Some(SinkError::Again { cause, after: Some(Duration::ZERO) });
                }
            }
        }
        batch.settle(|item| done.get(item).copied().unwrap_or_default());
        let left = fates.into_iter().find_map(|fate| if let Fate::Left(failed) = fate { failed } else { None });
        match left.or(failed) {
            Some(failed) => Err(failed),
            None if batch.is_done() => Ok(()),
            None => Err(SinkError::again("not all requests were answered before the end")),
        }
    }
}

#[cfg(test)]
mod tests;
