//! `logship { port => 7447 }`: what agents and the output `logship` send to a server, for a pipeline instead.
//!
//! It answers as a server does to `POST /api/v1/ingest`, `/api/v1/frames` and `/api/v1/agents` (`docs/API.md`), and to nothing else:
//! there is no search. An answer 200 means that every record is in the pipeline's log. Frames of agents, and requests with
//! `X-Logship-Source` and `X-Logship-Seq`, are there once however often they are sent, for what was sent is in the log's table of
//! sources as in a server's; others may be there twice after a lost answer.
//!
//! A JSON object is read by the codec `json`, a line of text by the option `codec`. What an agent knows of a line is in the
//! fields that a server gives it; formats are for filters such as `auto`. What an agent says of itself is passed over.
//!
//! Limits: [`BODY_BYTES_MAX`] a request, [`BODIES_BYTES_MAX`] for all at a time, then 429.

mod taking;

use super::{
    Decoding, Entrance, InputError, InputKind, Kept, Source,
    connection::Connection,
    requests::{Answer, Counted, Head, Refused, Requests, hashed},
    sockets::{self, Server, host_and_port},
    tls::{self, Clients},
};
use crate::{
    clock,
    codecs::plugins::{self, Reading},
    config::Options,
    event::Event,
    filters::Scratch,
    flow::Stop,
    inputs::address::Address,
};
use bytes::Bytes;
use logship_parsers::config::{
    Diagnostic,
    ast::{self, SpanIgnored, Text, ValueKind},
};
use serde_json::json;
use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, atomic::AtomicUsize},
};
use taking::{JSON, TRUNCATED, Taking};

pub(super) const KIND: InputKind = InputKind {
    name: "logship",
    summary: "What agents and the output `logship` send",
    options: &[
        "host",
        "port",
        "ssl_certificate",
        "ssl_certificate_authorities",
        "ssl_cipher_suites",
        "ssl_client_authentication",
        "ssl_enabled",
        "ssl_key",
        "ssl_supported_protocols",
        "token",
        "token_file",
    ],
    codec: "plain",
    needs_log: true,
    host: None,
    path: None,
    build,
};

/// The longest body, as sent and inflated: a server's limit.
pub const BODY_BYTES_MAX: usize = 64 << 20;
/// What all bodies of an input may take at a time.
pub const BODIES_BYTES_MAX: usize = 512 << 20;
/// The tag of lines that were cut.
const TRUNCATED_TAG: &str = "_truncated";
const PORT: u16 = 7447;

struct Logship {
    server: Server,
    /// What `Authorization` must say, hashed.
    token: Option<Vec<u8>>,
    json: Arc<Reading>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let host = options.text("host").unwrap_or_else(|| "127.0.0.1".to_owned());
    let port = options.or("port", sockets::port, PORT);
    let token = token(options);
    let tls = tls::server(options, Clients::Any);
    let is_here = host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let is_closed = options.is_given("token")
        || options.is_given("token_file")
        || options.text("ssl_client_authentication").is_some_and(|how| how == "required");
    if !is_here && !is_closed {
        let warning = Diagnostic::warning(options.place(), format!("anybody who reaches {host} may send"));
        options.report(warning.help("add `token_file => \"/etc/logship/token\"`"));
    }
    let name = ast::Value {
        kind: ValueKind::String(Text { raw: "json".to_owned(), text: "json".to_owned() }),
        span: SpanIgnored(options.place()),
        variable: None,
    };
    let json = plugins::reading_as(options, Some(name), KIND.codec)?;
    let server = Server::new(Address::Tcp(host_and_port(&host, port)), tls);
    Some(Box::new(Logship { server, token, json: Arc::new(json) }))
}

fn token(options: &mut Options<'_>) -> Option<Vec<u8>> {
    let place = options.value("token_file").map(|value| value.span.0);
    let text = match (options.text("token"), options.text("token_file"), place) {
        (Some(_), Some(_), Some(place)) => {
            options.report(Diagnostic::error(place, "there are a `token` and a `token_file`").help("give one of them"));
            return None;
        }
        (None, Some(path), Some(place)) => match fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(cause) => {
                options.report(Diagnostic::error(place, format!("cannot read {path}: {cause}")));
                return None;
            }
        },
        (token, ..) => token?,
    };
    if text.is_empty() {
        options.report(Diagnostic::error(place.unwrap_or(options.place()), "the token is empty"));
    }
    Some(hashed(&format!("Bearer {text}")))
}

/// Records begin with what they are.
impl Decoding for Arc<Reading> {
    fn decode(&self, record: Bytes, codec: &Reading, scratch: &mut Scratch, out: &mut Vec<Event>) {
        let kind = record.first().copied().unwrap_or_default();
        let text = record.slice(record.len().min(1)..);
        let before = out.len();
        let reading = if kind & JSON == 0 { codec } else { &**self };
        reading.decode(text, scratch.received, out);
        if kind & TRUNCATED != 0 {
            out.iter_mut().skip(before).for_each(|event| event.tag(TRUNCATED_TAG));
        }
    }
}

impl Source for Logship {
    fn open(&mut self, kept: &mut Kept) -> io::Result<()> {
        self.server.open(kept)
    }

    fn local(&self) -> Option<SocketAddr> {
        self.server.local()
    }

    fn decoding(&mut self) -> Option<Box<dyn Decoding>> {
        Some(Box::new(Arc::clone(&self.json)))
    }

    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let Some(log) = entrance.log() else {
            return Err(io::Error::other("what it has is in the log: leave --queue.type memory out").into());
        };
        let taking = Taking { intake: log.intake, input: entrance.name().to_owned() };
        let answering = Answering { taking, token: self.token, bodies: AtomicUsize::new(0) };
        let asked = stop.clone();
        self.server.serve(stop, move |mut connection| answering.talk(&mut connection, &asked))
    }
}

/// Why a request is not taken.
#[derive(Debug)]
enum No {
    /// There is no request, or it has no body.
    Refused(Refused),
    /// It is answered with this status, code and message.
    Said(u16, &'static str, String),
}

impl No {
    fn bad(message: impl Into<String>) -> No {
        No::Said(400, "bad_request", message.into())
    }
}

impl From<Refused> for No {
    fn from(refused: Refused) -> No {
        No::Refused(refused)
    }
}

/// A status as the answers of servers name it.
fn code(status: u16) -> &'static str {
    match status {
        401 => "unauthorized",
        408 => "timeout",
        413 => "too_large",
        415 => "unsupported_media_type",
        429 => "busy",
        503 => "unavailable",
        _ => "bad_request",
    }
}

/// When whoever asked should ask again.
fn retry_after(status: u16) -> Option<(String, String)> {
    let seconds = match status {
        429 => "1",
        503 => "5",
        507 => "30",
        _ => return None,
    };
    Some(("Retry-After".to_owned(), seconds.to_owned()))
}

struct Answering {
    taking: Taking,
    token: Option<Vec<u8>>,
    bodies: AtomicUsize,
}

impl Answering {
    /// Answers the requests of a connection.
    fn talk(&self, connection: &mut Connection, stop: &Stop) -> Result<(), InputError> {
        let mut requests = Requests::new(connection, stop);
        loop {
            let answered = requests.head().map_err(No::from).and_then(|head| {
                let text = self.answer(&mut requests, &head)?;
                Ok((head.keeps_alive() && !stop.is_requested(), text))
            });
            let (keeps_alive, status, text) = match answered {
                Ok((keeps_alive, text)) => (keeps_alive, 200, text),
                Err(No::Refused(Refused::Ended)) => return Ok(()),
                Err(No::Refused(Refused::Broken(cause))) => return Err(cause.into()),
                Err(No::Refused(Refused::Answer(status, text))) => (false, status, said(code(status), text)),
                Err(No::Said(status, code, text)) => (false, status, said(code, &text)),
            };
            let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
            headers.extend(retry_after(status));
            requests.answer(&Answer { status, text: &text, headers: &headers, keeps_alive, is_bare: false })?;
            if status >= 400 {
                requests.linger();
            }
            if !keeps_alive {
                return Ok(());
            }
        }
    }

    /// Does what a request asks for, and gives the answer.
    fn answer(&self, requests: &mut Requests<'_>, head: &Head) -> Result<String, No> {
        let (path, query) = head.target.split_once('?').unwrap_or((&head.target, ""));
        if path == "/api/v1/health" {
            return Ok(json!({"status": "ok"}).to_string());
        }
        if self.token.is_some() && self.token != head.header("authorization").map(hashed) {
            return Err(No::Said(401, "unauthorized", "a token is needed: `Authorization: Bearer TOKEN`".to_owned()));
        }
        // A page of somebody else in a browser on this machine sends these, those who ship do not.
        if self.token.is_none() && ["origin", "sec-fetch-site"].into_iter().any(|name| head.header(name).is_some()) {
            return Err(No::Said(403, "forbidden", "web pages may not send here, unless with a token".to_owned()));
        }
        let take: &dyn Fn(Vec<u8>) -> Result<String, No> = match path {
            "/api/v1/ingest" => &|body| self.taking.lines(head, query, body),
            "/api/v1/frames" => &|body| self.taking.frames(head, body),
            "/api/v1/agents" => &|_| Ok(json!({"time": clock::now().to_string(), "skew_ms": null}).to_string()),
            _ => {
                let message = "there are /api/v1/ingest, /api/v1/frames and /api/v1/agents here, for logs only";
                return Err(No::Said(404, "not_found", message.to_owned()));
            }
        };
        if head.method != "POST" {
            return Err(No::Said(405, "method_not_allowed", format!("{path} is for POST")));
        }
        let mut room = Counted::new(&self.bodies);
        take(requests.body(head, BODY_BYTES_MAX, &mut |more| room.add(more, BODIES_BYTES_MAX))?)
    }
}

fn said(code: &str, message: &str) -> String {
    json!({"error": {"code": code, "message": message}}).to_string()
}

#[cfg(test)]
mod tests {
    use crate::pipeline::configured::testing::mistakes;

    #[test]
    fn mistakes_are_told() {
        let check = |input: &str, expected: &[&str]| {
            let told: Vec<_> = mistakes(input).into_iter().map(|diagnostic| diagnostic.message).collect();
            assert_eq!(told, expected, "{input}");
        };
        check("logship { }", &[]);
        check("logship { host => '0.0.0.0' token => t }", &[]);
        check("logship { host => '0.0.0.0' }", &["anybody who reaches 0.0.0.0 may send"]);
        check("logship { token => t token_file => '/t' }", &["there are a `token` and a `token_file`"]);
        let missing = "cannot read /no/file: No such file or directory (os error 2)";
        check("logship { token_file => '/no/file' }", &[missing]);
        check("logship { token => '' }", &["the token is empty"]);
    }
}
