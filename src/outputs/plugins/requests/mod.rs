//! Requests to servers, for the outputs that speak HTTP: one [`Client`], and [`Pool`], which makes several at once.
//!
//! Redirects are not followed: a request with a body would become one without. Answers are read up to a limit, and what a server
//! says is quoted only in part.

mod pool;
#[cfg(test)]
pub(super) mod testing;

use super::tls::Tls;
use crate::{clock, config::Options};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use logship_parsers::config::{Diagnostic, typed};
pub(super) use pool::{Outcome, Pool, Verdict};
use std::{
    io::{self, Read as _, Write as _},
    time::Duration,
};
use ureq::{
    Agent, Body, Proxy,
    http::{self, HeaderName, HeaderValue, Method, Response, header},
};

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Longest piece of somebody else's text in a message.
const QUOTE_CHARS_MAX: usize = 300;
/// Longest pause that a server may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Of a connection, each way.
const BUFFER_BYTES: usize = 16 << 10;

/// How requests are made.
#[derive(Debug)]
pub(super) struct Ways<'a> {
    pub tls: &'a Tls,
    pub connect: Duration,
    /// For a whole request, its answer included.
    pub whole: Duration,
    pub proxy: Option<&'a str>,
    pub compresses: bool,
    /// Connections that stay open while nothing is sent.
    pub idle_max: usize,
    pub follows: bool,
}

/// Makes requests. Cheap to clone: clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Client {
    agent: Agent,
    compresses: bool,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub method: Method,
    pub url: String,
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Vec<u8>,
}

/// What a server says.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub text: String,
    /// How long it wants to be left alone.
    pub retry_after: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Unanswered {
    pub cause: String,
    /// The request itself is none, so that trying again is no use.
    pub is_no_request: bool,
}

impl Client {
    /// # Errors
    /// The certificates or the proxy are none.
    pub(super) fn new(ways: &Ways<'_>) -> io::Result<Client> {
        let proxy = ways.proxy.map(Proxy::new).transpose().map_err(io::Error::other)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(if ways.follows { 10 } else { 0 })
            .max_redirects_will_error(false)
            .user_agent(concat!("logship/", env!("CARGO_PKG_VERSION")))
            .tls_config(ways.tls.requests()?)
            .proxy(proxy)
            .input_buffer_size(BUFFER_BYTES)
            .output_buffer_size(BUFFER_BYTES)
            .max_idle_connections(ways.idle_max)
            .max_idle_connections_per_host(ways.idle_max)
            .timeout_resolve(Some(ways.connect))
            .timeout_connect(Some(ways.connect))
            .timeout_global(Some(ways.whole));
        Ok(Client { agent: config.build().new_agent(), compresses: ways.compresses })
    }

    /// Makes a request and reads the answer.
    pub(super) fn ask(&self, request: &Request) -> Result<Answer, Unanswered> {
        let mut head = http::Request::builder().method(&request.method).uri(&request.url);
        for (name, value) in &request.headers {
            head = head.header(name, value);
        }
        let answered = if request.body.is_empty() {
            head.body(()).map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
        } else if self.compresses {
            let body = gzipped(&request.body).map_err(|cause| unanswered(&cause.into()))?;
            let request = head.header(header::CONTENT_ENCODING, "gzip").body(body);
            request.map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
        } else {
            let request = head.body(request.body.as_slice());
            request.map_err(ureq::Error::from).and_then(|request| self.agent.run(request))
        };
        let response = answered.map_err(|cause| unanswered(&cause))?;
        let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
        let text = text(response.into_body()).map_err(|cause| unanswered(&cause.into()))?;
        Ok(Answer { status, text, retry_after })
    }
}

fn gzipped(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn text(body: Body) -> io::Result<String> {
    let mut bytes = Vec::new();
    body.into_reader().take(ANSWER_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn unanswered(cause: &ureq::Error) -> Unanswered {
    let is_no_request = matches!(cause, ureq::Error::Http(_) | ureq::Error::BadUri(_));
    let cause = match cause {
        ureq::Error::Timeout(what) => format!("no answer in time ({what})"),
        ureq::Error::HostNotFound => "its name is not known".to_owned(),
        ureq::Error::Io(cause) => {
            let text = cause.to_string();
            let advice = match () {
                () if text.contains("alert: ") && text.contains("ertificate") => {
                    ": it wants a certificate of ours that it trusts (`ssl_certificate`, `ssl_key`)"
                }
                () if text.contains("certificate") => {
                    ": is its authority in `ssl_certificate_authorities`, and is it for this name and still valid?"
                }
                () if text.contains("corrupt message") || text.contains("InvalidContentType") => {
                    ": does it speak https?"
                }
                () => "",
            };
            format!("{text}{advice}")
        }
        ureq::Error::Protocol(cause) => format!("it answered what is not HTTP ({cause})"),
        other => other.to_string(),
    };
    Unanswered { cause, is_no_request }
}

impl Answer {
    /// The status, and the beginning of what came with it.
    pub(super) fn quoted(&self) -> String {
        let said = quoted(&self.text);
        let space = if said.is_empty() { "" } else { ": " };
        format!("status {}{space}{said}", self.status)
    }
}

/// The beginning of somebody else's text, on one line.
pub(super) fn quoted(text: &str) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    text.trim().chars().take(QUOTE_CHARS_MAX).map(clean).collect::<String>().trim().to_owned()
}

fn retry_after(response: &Response<Body>) -> Option<Duration> {
    let value = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    parse_retry_after(value, clock::now().as_millis()).map(|asked| asked.min(RETRY_AFTER_MAX))
}

/// Seconds, or a date.
fn parse_retry_after(value: &str, now_ms: i64) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(value.trim()).ok()?;
    Some(Duration::from_millis(u64::try_from(date.as_millisecond().saturating_sub(now_ms)).unwrap_or(0)))
}

/// `Authorization: Basic`.
pub(super) fn basic(user: &str, password: &str) -> Option<(HeaderName, HeaderValue)> {
    authorization(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// `Authorization: ApiKey`, of `ID:KEY` or what is encoded already.
pub(super) fn api_key(key: &str) -> Option<(HeaderName, HeaderValue)> {
    let encoded = if key.contains(':') { STANDARD.encode(key) } else { key.to_owned() };
    authorization(&format!("ApiKey {encoded}"))
}

/// `Authorization`, which is never shown.
pub(super) fn authorization(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some((header::AUTHORIZATION, value))
}

/// A URL with what may not stand in one percent-encoded. What may, stays: values can bring their own `/` and `?`.
pub(super) fn url(text: &str) -> String {
    let mut url = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'!' | b'#'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~' => url.push(char::from(byte)),
            _ => percent(byte, &mut url),
        }
    }
    url
}

/// Appends text as Ruby's `CGI.escape` writes it in forms.
pub(super) fn form(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b' ' => out.push('+'),
            b'*' | b'-' | b'.' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => out.push(char::from(byte)),
            _ => percent(byte, out),
        }
    }
}

fn percent(byte: u8, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.extend([byte >> 4, byte & 15].map(|digit| char::from(HEX[usize::from(digit)])));
}

/// Texts one behind the other.
pub(super) fn joined<'t>(texts: impl Iterator<Item = &'t str> + Clone) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(texts.clone().map(str::len).sum());
    texts.for_each(|text| bytes.extend_from_slice(text.as_bytes()));
    bytes
}

/// Says what requests do not do with an option of theirs.
pub(super) fn warn_of_versions(options: &mut Options<'_>) {
    if let Some(place) = options.value("ssl_supported_protocols").map(|value| value.span.0) {
        let warning = Diagnostic::warning(place, "`ssl_supported_protocols` does nothing here");
        options.report(warning.note("requests speak TLS 1.3, and 1.2 with servers that do not"));
    }
}

/// A number of seconds.
pub(super) fn seconds(value: &logship_parsers::config::ast::Value) -> typed::Read<Duration> {
    typed::duration(value, Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_and_forms_are_encoded() {
        assert_eq!(url("http://a:1/b c?d=\"é\"&x=%20#y\n"), "http://a:1/b%20c?d=%22%C3%A9%22&x=%20#y%0A");
        let mut out = String::new();
        form("a b&c=é~*", &mut out);
        assert_eq!(out, "a+b%26c%3D%C3%A9%7E*");
    }

    #[test]
    fn servers_say_when_to_come_back() {
        let check = |value: &str, expected: Option<u64>| {
            assert_eq!(parse_retry_after(value, 1_000_000).map(|wait| wait.as_secs()), expected, "{value}");
        };
        check("7", Some(7));
        check("Thu, 01 Jan 1970 00:17:00 GMT", Some(20));
        check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
        check("soon", None);
    }

    #[test]
    fn quotes_are_short_and_on_one_line() {
        assert_eq!(quoted(" a\nb "), "a b");
        assert_eq!(quoted(&"x".repeat(1_000)).len(), QUOTE_CHARS_MAX);
        assert_eq!(Answer { status: 500, text: String::new(), retry_after: None }.quoted(), "status 500");
    }
}
