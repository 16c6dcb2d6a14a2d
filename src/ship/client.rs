//! One request to a server, and what its answer means.

use super::{Pace, Tls, batch::Wire, tls};
use crate::{clock, flow::LogId, log::PositionSet};
use serde::Deserialize;
use std::{
    io::{self, Read},
    time::Duration,
};
use ureq::{
    Agent, Body, SendBody,
    http::{Response, header::RETRY_AFTER},
};

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// Longest piece of somebody else's text in a message.
const QUOTE_CHARS_MAX: usize = 200;
/// An idle connection is used again for so long; servers close theirs after a minute or more.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// Of a connection, each way. Bodies are larger, but then the kernel's buffers count.
const BUFFER_BYTES: usize = 16 << 10;

/// Why a batch is not durable, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// No answer.
    Unreachable,
    /// Its certificate is not trusted, or ours.
    Certificate,
    /// 401 or 403.
    Denied,
    /// 429: it has too much to do.
    Throttled,
    /// 500 and above.
    Failing,
    /// 413.
    TooLarge,
    /// 400 from a logship server: a frame is damaged.
    Damaged,
    /// An answer that no logship server gives.
    Foreign,
    /// It says that it has only a part.
    Partial,
}

/// A request that failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub kind: Kind,
    pub message: String,
    /// Some of the body may have arrived.
    pub sent: bool,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// It is not known how far it came.
    pub fn unknown(message: &str) -> Failure {
        Failure { kind: Kind::Unreachable, message: message.to_owned(), sent: true, retry_after: None }
    }
}

/// What a server has durably.
#[derive(Debug)]
pub(super) struct Stored {
    pub durable: PositionSet,
    /// The server's clock less ours.
    pub skew_ms: Option<i64>,
}

#[derive(Deserialize)]
struct Reply {
    durable: Vec<(u64, u64)>,
    time: Option<String>,
}

/// Connections to servers. Cheap to clone: they share one pool.
#[derive(Clone, Debug)]
pub(super) struct Client {
    agent: Agent,
    authorization: Option<String>,
}

/// A body that knows whether anybody asked for it.
struct Asked<'b> {
    rest: &'b [u8],
    asked: bool,
}

impl Read for Asked<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.asked = true;
        self.rest.read(into)
    }
}

impl Client {
    pub fn new(token: Option<&str>, certificates: &Tls, pace: &Pace) -> io::Result<Client> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("logship/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls::config(certificates)?)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .max_idle_age(IDLE_MAX)
            .timeout_resolve(Some(pace.connect))
            .timeout_connect(Some(pace.connect))
            .timeout_send_request(Some(pace.reply))
            .timeout_send_body(Some(pace.reply))
            .timeout_recv_response(Some(pace.reply))
            .timeout_recv_body(Some(pace.reply));
        let authorization = token.map(|token| format!("Bearer {token}"));
        Ok(Client { agent: config.build().new_agent(), authorization })
    }

    /// Ends what is going on, and refuses more.
    pub fn shutdown(&self) {
        self.agent.clone().shutdown();
    }

    /// Sends frames of a log to a server.
    /// Tells a server how this agent is; that it could not be told is seen in its list.
    pub fn report(&self, server: &str, status: &str) -> Result<(), ureq::Error> {
        let mut request = self.agent.post(format!("{server}/api/v1/agents")).header("Content-Type", "application/json");
        if let Some(token) = &self.authorization {
            request = request.header("Authorization", token);
        }
        request.send(status).map(|_| ())
    }

    pub fn post(&self, server: &str, log: LogId, wire: &Wire) -> Result<Stored, Failure> {
        let mut request = self
            .agent
            .post(format!("{server}/api/v1/frames"))
            .header("Content-Type", "application/vnd.logship.frames")
            .header("Content-Length", wire.bytes.len())
            .header("X-Logship-Log", log.to_string());
        if let Some(encoding) = wire.encoding {
            request = request.header("Content-Encoding", encoding);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut body = Asked { rest: &wire.bytes, asked: false };
        let (began, sent_at) = (clock::instant(), clock::now());
        let answered = request.send(SendBody::from_reader(&mut body));
        let sent = body.asked;
        let response = answered.map_err(|cause| unanswered(&cause, sent))?;
        let status = response.status().as_u16();
        let retry_after = retry_after(&response);
        let text = text(response.into_body()).map_err(|cause| unanswered(&cause.into(), sent))?;
        let middle = sent_at.as_millis() + i64::try_from(clock::since(began).as_millis() / 2).unwrap_or_default();
        understand(status, &text, middle).map_err(|(kind, message)| Failure { kind, message, sent, retry_after })
    }
}

fn text(body: Body) -> io::Result<String> {
    let mut bytes = Vec::new();
    body.into_reader().take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unanswered(cause: &ureq::Error, sent: bool) -> Failure {
    let (kind, message) = match cause {
        ureq::Error::Timeout(what) => (Kind::Unreachable, format!("no answer in time ({what})")),
        ureq::Error::HostNotFound => (Kind::Unreachable, "its name is not known".to_owned()),
        ureq::Error::Io(cause) => {
            let text = cause.to_string();
            if text.contains("alert: ") && text.contains("ertificate") {
                (Kind::Certificate, format!("{text}: it wants a certificate of ours that it trusts"))
            } else if text.contains("certificate") {
                let advice = "is the right CA given with --ca, and is it for this name and still valid?";
                (Kind::Certificate, format!("{text}: {advice}"))
            } else if text.contains("corrupt message") || text.contains("InvalidContentType") {
                (Kind::Unreachable, format!("{text}: does it speak https?"))
            } else {
                (Kind::Unreachable, text)
            }
        }
        ureq::Error::Rustls(cause) => (Kind::Certificate, cause.to_string()),
        ureq::Error::Pem(_) | ureq::Error::Tls(_) => (Kind::Certificate, cause.to_string()),
        ureq::Error::Protocol(_) => (Kind::Foreign, format!("answered what is not HTTP ({cause})")),
        other => (Kind::Unreachable, other.to_string()),
    };
    Failure { kind, message, sent, retry_after: None }
}

/// What a status and a body mean; `middle` is when by our clock the server will have looked at its own.
fn understand(status: u16, text: &str, middle: i64) -> Result<Stored, (Kind, String)> {
    let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
    let said = json.as_ref().and_then(|json| json.get("error")?.get("message")?.as_str());
    let with = |what: &str| said.map_or_else(|| what.to_owned(), |said| format!("{what}: {}", quote(said)));
    match status {
        200 => {}
        401 | 403 => {
            let advice = "is the token right? Give it with --token-file or LOGSHIP_TOKEN";
            return Err((Kind::Denied, with(&format!("refused us (status {status}); {advice}"))));
        }
        413 => return Err((Kind::TooLarge, with("takes no request as large as this (status 413)"))),
        400 if said.is_some() => return Err((Kind::Damaged, with("refused frames (status 400)"))),
        429 => return Err((Kind::Throttled, with("has too much to do (status 429)"))),
        500.. => return Err((Kind::Failing, with(&format!("cannot store now (status {status})")))),
        _ => {}
    }
    let Some(reply) = serde_json::from_str::<Reply>(text).ok().filter(|_| status == 200) else {
        return Err((Kind::Foreign, foreign(status, text, said)));
    };
    let mut durable = PositionSet::default();
    for (from, to) in reply.durable {
        durable.insert(crate::flow::Span { from, to });
    }
    let time = reply.time.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    Ok(Stored { durable, skew_ms: time.map(|time| time.as_millisecond().saturating_sub(middle)) })
}

fn foreign(status: u16, text: &str, said: Option<&str>) -> String {
    let begin = text.trim_start();
    let what = match begin.as_bytes().first() {
        _ if said.is_some() => format!("JSON: {}", quote(said.unwrap_or_default())),
        None => "nothing".to_owned(),
        Some(b'<') => format!("HTML: {}", quote(begin)),
        Some(b'{' | b'[') => format!("other JSON than expected: {}", quote(begin)),
        Some(_) => format!("text: {}", quote(begin)),
    };
    format!("is this a logship server? It answered status {status} and {what}")
}

fn quote(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(QUOTE_CHARS_MAX).map(clean).collect::<String>().trim().to_owned()
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    parse_retry_after(value, clock::now().as_millis())
}

/// Seconds, or a date.
fn parse_retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
    Some(Duration::from_millis(u64::try_from(date.as_millisecond().saturating_sub(now_ms)).unwrap_or(0)))
}
