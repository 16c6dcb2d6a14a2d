//! `logship { url => "http://logs:7447" }`: events to a logship server, as `docs/API.md` has them taken in.
//!
//! Promises: an event that counts as delivered is on the disk of the server. Each request has a number that is its own, so that one
//! whose answer was lost is sent again and stored once. The numbers are those of this process: what a crash left without a saved
//! position may be stored twice. Requests go one after the other, so that events keep their order.
//!
//! Limits: [`PART_BYTES_MAX`] and [`PART_EVENTS_MAX`] a request.

use super::{
    Encoded, Item, Output, OutputKind, Refused, Sink, SinkError,
    requests::{self, Answer, Client, Pool, Request, Verdict, Ways, quoted, seconds},
    tls::Tls,
};
use crate::{
    clock,
    config::Options,
    event::{Event, Timestamp, json},
    flow::{LogId, Stop},
};
use logship_parsers::config::{Diagnostic, ast::Value, typed};
use serde::Deserialize;
use std::{io, time::Duration};
use ureq::http::{HeaderName, HeaderValue, Method, header};

/// Most bytes of events in a request: half of what the server takes as one unit. A larger event goes alone.
pub const PART_BYTES_MAX: usize = 4 << 20;
/// Most events in a request.
pub const PART_EVENTS_MAX: usize = 10_000;

const SOURCE: HeaderName = HeaderName::from_static("x-logship-source");
const SEQ: HeaderName = HeaderName::from_static("x-logship-seq");

pub(super) const KIND: OutputKind = OutputKind {
    name: "logship",
    summary: "A logship server",
    options: &[
        "host",
        "http_compression",
        "proxy",
        "service",
        "ssl_certificate",
        "ssl_certificate_authorities",
        "ssl_key",
        "ssl_verification_mode",
        "timeout",
        "token",
        "url",
    ],
    needs_log: true,
    build,
};

#[derive(Clone)]
struct Logship {
    url: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    client: Client,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    let server = options.required("url", url);
    let mut headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    // Empty is what `${LOGSHIP_TOKEN:}` gives where there is none.
    let token = options.get("token", |value| {
        if typed::text(value)?.is_empty() {
            return Ok(None);
        }
        let header = requests::authorization(&format!("Bearer {}", typed::text(value)?));
        header
            .ok_or_else(|| Diagnostic::error(value.span.0, "this is no token: it has characters that no header has"))
            .map(Some)
    });
    headers.extend(token.flatten());
    let mut query = String::new();
    for name in ["service", "host"] {
        if let Some(value) = options.text(name) {
            query.push_str(if query.is_empty() { "?" } else { "&" });
            query.push_str(name);
            query.push('=');
            requests::form(&value, &mut query);
        }
    }
    let tls = Tls::read(options, true);
    let timeout = options.or("timeout", seconds, Duration::from_secs(60));
    let (proxy, compresses) = (options.text("proxy"), options.flag("http_compression", true));
    let connect = timeout.min(Duration::from_secs(10));
    let ways =
        Ways { tls: &tls?, connect, whole: timeout, proxy: proxy.as_deref(), compresses, idle_max: 1, follows: false };
    let client = Client::new(&ways);
    let client = client.map_err(|cause| options.report(Diagnostic::error(options.place(), cause.to_string()))).ok();
    let url = format!("{}/api/v1/ingest{query}", server?);
    Some(Box::new(Logship { url, headers, client: client? }))
}

fn url(value: &Value) -> typed::Read<String> {
    let text = typed::text(value)?;
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    let url = requests::url(text.trim_end_matches('/'));
    if !is_http || url.contains('?') || url.parse::<ureq::http::Uri>().is_err() {
        let error = Diagnostic::error(value.span.0, format!("`{text}` is no URL of a server"));
        return Err(error.help("write `http://HOST:7447`"));
    }
    Ok(url)
}

impl Output for Logship {
    fn encode(&self, event: &Event, _: Timestamp, out: &mut Encoded) {
        json::write_event(out.text_mut(), event, None);
        out.text_mut().push('\n');
        // All of the others is in the text.
        out.end("", (!event.meta.is_empty()).then_some(event));
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        let source = HeaderValue::from_str(&format!("pipeline:{}", LogId::random())).map_err(io::Error::other)?;
        let pool = Pool::new(self.client.clone(), 1);
        Ok(Box::new(Sender { to: self.clone(), source, seq: 0, pool, bytes_max: PART_BYTES_MAX }))
    }
}

/// Sends requests, each with a number of its own.
struct Sender {
    to: Logship,
    source: HeaderValue,
    /// Of the next request that is not answered.
    seq: u64,
    pool: Pool,
    /// Most bytes of events in a request that whatever stands before the server takes.
    bytes_max: usize,
}

/// What became of a request.
enum Outcome {
    /// It is stored, but for these of its events, counted from 0, and why.
    Stored(Vec<(usize, String)>),
    TooLarge(String),
    Failed(SinkError),
}

#[derive(Deserialize)]
struct Reply {
    #[serde(rename = "accepted")]
    _accepted: u64,
    rejected: Vec<Rejected>,
}

#[derive(Deserialize)]
struct Rejected {
    line: usize,
    error: String,
}

impl Sender {
    fn attempt(&mut self, part: &[(&str, &Item)], stop: &Stop) -> Outcome {
        let mut headers = self.to.headers.clone();
        headers.extend([(SOURCE, self.source.clone()), (SEQ, HeaderValue::from(self.seq))]);
        let body = requests::joined(part.iter().map(|(text, _)| *text));
        let request = Request { method: Method::POST, url: self.to.url.clone(), headers, body };
        let mut answered = None;
        let ran = self.pool.run(std::iter::once(request), stop, &mut |_, outcome| {
            answered = Some(outcome);
            Verdict::Good
        });
        let again = |cause| Outcome::Failed(SinkError::again(format!("{}: {cause}", self.to.url)));
        match (ran, answered) {
            (Err(cause), _) => again(cause.to_string()),
            (Ok(()), None) => again("no answer before the end".to_owned()),
            (Ok(()), Some(Err(none))) => again(none.cause),
            (Ok(()), Some(Ok(answer))) => self.judge(&answer),
        }
    }

    fn judge(&self, answer: &Answer) -> Outcome {
        let json: Option<serde_json::Value> = serde_json::from_str(&answer.text).ok();
        let said = json.as_ref().and_then(|json| json.get("error")?.get("message")?.as_str()).map(quoted);
        let status = answer.status;
        let cause = match (status, said) {
            (200, _) => match serde_json::from_str::<Reply>(&answer.text) {
                Ok(reply) => {
                    let rejected = reply.rejected.into_iter();
                    return Outcome::Stored(rejected.map(|it| (it.line.saturating_sub(1), it.error)).collect());
                }
                Err(_) => format!("{}: is this a logship server?", answer.quoted()),
            },
            (413, said) => return Outcome::TooLarge(said.unwrap_or_else(|| answer.quoted())),
            (401 | 403, said) => format!("status {status}: {}: is the `token` right?", said.unwrap_or_default()),
            (_, Some(said)) => format!("status {status}: {said}"),
            (429 | 500.., None) => answer.quoted(),
            (_, None) => format!("{}: is this a logship server?", answer.quoted()),
        };
        Outcome::Failed(SinkError::Again { cause: format!("{}: {cause}", self.to.url), after: answer.retry_after })
    }
}

/// How many of the items go into one request.
fn part(items: &[(&str, &Item)], bytes_max: usize) -> usize {
    let mut bytes = 0;
    let fits = |(number, (text, _)): &(usize, &(&str, &Item))| {
        bytes += text.len();
        *number == 0 || bytes <= bytes_max
    };
    items.iter().take(PART_EVENTS_MAX).enumerate().take_while(fits).count()
}

/// An event that the server does not take.
fn refused((text, item): (&str, &Item), reason: String) -> Refused {
    let read = || json::read_event(text).map(|(event, _)| event);
    let event = || Box::new(read().unwrap_or_else(|_| Event::from_line(clock::now(), text.into())));
    Refused { event: item.event.clone().unwrap_or_else(event), reason }
}

impl Sink for Sender {
    fn deliver(&mut self, batch: &mut Encoded, refusals: &mut Vec<Refused>, stop: &Stop) -> Result<(), SinkError> {
        let items: Vec<_> = batch.items().collect();
        let mut done = 0;
        let mut outcome = Ok(());
        while let Some(rest) = items.get(done..).filter(|rest| !rest.is_empty()) {
            let part = rest.get(..part(rest, self.bytes_max)).unwrap_or(rest);
            match self.attempt(part, stop) {
                Outcome::Stored(rejected) => {
                    let rejected = rejected.into_iter().filter_map(|(line, why)| Some((*part.get(line)?, why)));
                    refusals.extend(rejected.map(|(it, why)| refused(it, why)));
                }
                Outcome::TooLarge(why) if part.len() == 1 => {
                    refusals.extend(part.iter().map(|it| refused(*it, why.clone())))
                }
                Outcome::TooLarge(_) => {
                    self.bytes_max = (part.iter().map(|(text, _)| text.len()).sum::<usize>() / 2).max(1);
                    continue;
                }
                Outcome::Failed(failed) => {
                    outcome = Err(failed);
                    break;
                }
            }
            done += part.len();
            self.seq += 1;
        }
        drop(items);
        batch.done(done);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            requests::testing::{Reply, Seen, Server, answer},
            testing::*,
        },
        *,
    };
    use std::{
        collections::BTreeMap,
        sync::{Arc, Mutex},
    };

    /// What a server has, by the source and number of requests.
    type Had = Arc<Mutex<BTreeMap<(String, u64), String>>>;

    /// A server that stores each request once, and may do something else before it answers.
    fn server(after: impl Fn(usize, &Seen) -> Option<Reply> + Send + Sync + 'static) -> (Had, Server) {
        let had = Had::default();
        let own = had.clone();
        let server = Server::start(move |number, seen| {
            let key = (seen.headers["x-logship-source"].clone(), seen.headers["x-logship-seq"].parse().unwrap());
            let reply = after(number, seen);
            if !matches!(reply, Some(Reply::Answer(..))) {
                let before = own.lock().unwrap().insert(key, seen.body.clone());
                assert!(before.is_none_or(|before| before == seen.body), "another request has the same number");
            }
            let accepted = seen.body.lines().count();
            reply.unwrap_or_else(|| answer(200, &format!(r#"{{"accepted":{accepted},"rejected":[],"pos":null}}"#)))
        });
        (had, server)
    }

    fn stored(had: &Had) -> Vec<String> {
        had.lock().unwrap().values().flat_map(|body| body.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    fn event(number: usize) -> String {
        format!(r#"{{"@timestamp":"2026-01-01T00:00:00.000Z","n":{number}}}"#)
    }

    fn batch(output: &dyn Output, numbers: std::ops::Range<usize>) -> Encoded {
        let events: Vec<String> = numbers.map(event).collect();
        encoded(output, &events.iter().map(String::as_str).collect::<Vec<_>>())
    }

    #[test]
    fn requests_say_who_asks_and_what_for() {
        let (had, server) = server(|_, _| None);
        let options = "token => \"t0k\" service => \"a b\" host => h";
        let output = built(&format!("logship {{ url => \"{}/\" {options} }}", server.url()));
        deliver(&*output, &mut *output.open().unwrap(), &[&event(1), &event(2)]);
        let [seen] = server.seen().try_into().unwrap();
        assert_eq!(seen.line, "POST /api/v1/ingest?service=a+b&host=h");
        let header = |name: &str| seen.headers[name].as_str();
        assert_eq!([header("authorization"), header("content-encoding")], ["Bearer t0k", "gzip"]);
        assert_eq!(header("content-type"), "application/x-ndjson");
        assert!(header("x-logship-source").starts_with("pipeline:"));
        assert_eq!(stored(&had), [event(1), event(2)]);
        let output = built(&format!("logship {{ url => \"{}\" token => '' }}", server.url()));
        deliver(&*output, &mut *output.open().unwrap(), &[&event(3)]);
        assert!(!server.seen()[1].headers.contains_key("authorization"));
    }

    #[test]
    fn lost_answers_double_nothing() {
        let (had, server) = server(|number, _| (number % 2 == 0).then_some(Reply::Reset));
        let output = built(&format!("logship {{ url => \"{}\" }}", server.url()));
        let mut sink = output.open().unwrap();
        let mut attempts = 0;
        for from in [0, 100, 200] {
            let mut batch = batch(&*output, from..from + 100);
            while attempt(&mut *sink, &mut batch).is_err() {
                attempts += 1;
            }
        }
        assert_eq!(attempts, 3);
        assert_eq!(stored(&had), (0..300).map(event).collect::<Vec<_>>());
    }

    #[test]
    fn answers_that_are_none_are_tried_again() {
        let check = |status: u16, text: &'static str, expected: &str| {
            let (had, server) = server(move |number, _| {
                (number == 0).then(|| Reply::Answer(status, "Retry-After: 3\r\n", text.to_owned()))
            });
            let output = built(&format!("logship {{ url => \"{}\" }}", server.url()));
            let mut sink = output.open().unwrap();
            let mut batch = batch(&*output, 0..3);
            let cause = attempt(&mut *sink, &mut batch).unwrap_err();
            assert!(cause.contains(expected), "{status} {text}: {cause}");
            attempt(&mut *sink, &mut batch).unwrap();
            assert_eq!(stored(&had).len(), 3);
        };
        check(429, r#"{"error":{"code":"busy","message":"too much"}}"#, "status 429: too much");
        check(507, r#"{"error":{"code":"storage_full","message":"full"}}"#, "status 507: full");
        check(401, r#"{"error":{"code":"unauthorized","message":"who?"}}"#, "who?: is the `token` right?");
        check(502, "<html>", "status 502: <html>");
        check(200, "<html>", "is this a logship server?");
        check(404, "", "is this a logship server?");
    }

    #[test]
    fn what_the_server_does_not_take_is_refused() {
        let rejected = r#"{"accepted":2,"rejected":[{"line":2,"error":"longer than 1 MiB"}],"pos":null}"#;
        let (_, server) = server(move |_, _| Some(answer(200, rejected)));
        let output = built(&format!("logship {{ url => \"{}\" }}", server.url()));
        let refused = attempt(&mut *output.open().unwrap(), &mut batch(&*output, 0..3)).unwrap();
        assert_eq!(refused.len(), 1);
        assert_eq!(
            (refused[0].event.fields.get("n"), refused[0].reason.as_str()),
            (Some(&1.into()), "longer than 1 MiB")
        );
    }

    #[test]
    fn refused_events_keep_their_metadata() {
        let rejected = r#"{"accepted":1,"rejected":[{"line":1,"error":"no"},{"line":2,"error":"no"}],"pos":null}"#;
        let (_, server) = server(move |_, _| Some(answer(200, rejected)));
        let output = built(&format!("logship {{ url => \"{}\" }}", server.url()));
        let events = [r#"{"n":1,"@metadata":{"index":"x"}}"#, r#"{"n":2}"#];
        let refused = attempt(&mut *output.open().unwrap(), &mut encoded(&*output, &events)).unwrap();
        let meta: Vec<_> = refused.iter().map(|refused| refused.event.meta.get("index").cloned()).collect();
        assert_eq!(meta, [Some("x".into()), None]);
    }

    #[test]
    fn requests_that_are_too_large_are_halved() {
        let large = |seen: &Seen| seen.body.lines().count() > 3 || seen.body.contains("\"n\":5}");
        let (had, server) = server(move |_, seen| large(seen).then(|| answer(413, "")));
        let output = built(&format!("logship {{ url => \"{}\" http_compression => false }}", server.url()));
        let refused = attempt(&mut *output.open().unwrap(), &mut batch(&*output, 0..10)).unwrap();
        assert_eq!(refused.len(), 1);
        assert_eq!(stored(&had), (0..10).filter(|number| *number != 5).map(event).collect::<Vec<_>>());
    }

    #[test]
    fn requests_have_limits() {
        let item = encoded(&*built("logship { url => \"http://a\" }"), &["{}"]);
        let items: Vec<_> = item.items().collect();
        let many = vec![items[0]; PART_EVENTS_MAX + 1];
        assert_eq!(part(&many, PART_BYTES_MAX), PART_EVENTS_MAX);
        let one = items[0].0.len();
        assert_eq!([part(&many, 2 * one), part(&many, 2 * one - 1), part(&many, 1)], [2, 1, 1]);
    }

    #[test]
    fn wrong_options_are_told() {
        assert!(errors("logship { }").contains("needs the option `url`"));
        assert!(errors("logship { url => \"logs:7447\" }").contains("is no URL of a server"));
        assert!(errors("logship { url => \"http://a\" token => \"a\nb\" }").contains("no token"));
    }
}
