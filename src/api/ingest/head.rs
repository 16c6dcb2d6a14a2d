//! What the head of an ingest request says.

use super::{BODY_BYTES_MAX, inflate::Encoding, run::too_long};
use crate::{
    api::{ApiError, Peer, error::Code, params::Params},
    flow::{self, CLIENT_BYTES_MAX, Origin, Span},
};
use axum::http::{HeaderMap, Uri, header, request};

/// Longest `service` or `host` in bytes.
pub const NAME_BYTES_MAX: usize = 256;

/// What the lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text, to be detected.
    Text,
    /// A JSON object a line.
    Ndjson,
}

/// How a body comes.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// How it is compressed.
    pub encoding: Encoding,
    /// Its length as sent, where known.
    pub length: Option<u64>,
}

impl Form {
    /// Reads what the head says of it.
    ///
    /// # Errors
    /// An encoding that is not known; a body that is announced as too long.
    pub fn read(headers: &HeaderMap) -> Result<Form, ApiError> {
        let length = length(headers)?;
        if length.is_some_and(|length| length > BODY_BYTES_MAX as u64) {
            return Err(too_long(BODY_BYTES_MAX));
        }
        Ok(Form { encoding: encoding(headers)?, length })
    }

    /// The same of a body of JSON without compression that has at most so many bytes.
    ///
    /// # Errors
    /// It is another type, compressed, or announced as too long.
    pub fn json(headers: &HeaderMap, limit: usize) -> Result<Form, ApiError> {
        let text = single(headers, header::CONTENT_TYPE.as_str())?.unwrap_or_default();
        let form = Form::read(headers)?;
        if media(text) != "application/json" || form.encoding != Encoding::Identity {
            let message = "this is taken as `application/json` without compression";
            return Err(ApiError::new(Code::UnsupportedMediaType, message));
        }
        if form.length.is_some_and(|length| length > limit as u64) {
            return Err(too_long(limit));
        }
        Ok(form)
    }
}

/// The head, understood.
#[derive(Debug)]
pub struct Head {
    /// What the lines are.
    pub format: Format,
    /// How the body comes.
    pub form: Form,
    /// Where the records come from.
    pub origin: Origin,
    /// The client's sequence number, where a retry is to be exact.
    pub span: Option<Span>,
}

impl Head {
    /// Reads the head. `zone` is that of stamps that name none.
    ///
    /// # Errors
    /// A header or argument that cannot be read; an unknown type or encoding; a body that is announced as too long.
    pub fn read(parts: &request::Parts, zone: Option<&str>) -> Result<Head, ApiError> {
        let headers = &parts.headers;
        let form = Form::read(headers)?;
        let (exact, span) = exact(headers)?.unzip();
        let peer = parts.extensions.get::<Peer>().map(|peer| peer.0.ip().to_string()).unwrap_or_default();
        Ok(Head {
            format: format(headers)?,
            form,
            origin: Origin { zone: zone.map(str::to_owned), ..origin(&parts.uri, exact, &peer)? },
            span,
        })
    }
}

/// Without a sequence, the stream that hints are kept by is what one sender calls one service.
fn origin(uri: &Uri, exact: Option<String>, peer: &str) -> Result<Origin, ApiError> {
    let params = Params::read(uri, &["service", "host"])?;
    let name = |argument: &str| match params.text(argument) {
        Some(name) if name.len() > NAME_BYTES_MAX => {
            Err(ApiError::bad(format!("`{argument}` is longer than {NAME_BYTES_MAX} bytes")))
        }
        name => Ok(name.map(str::to_owned)),
    };
    let (service, host) = (name("service")?, name("host")?);
    let source = exact.unwrap_or_else(|| {
        let (service, host) = (service.as_deref().unwrap_or_default(), host.as_deref().unwrap_or_default());
        let mut source = format!("http:{peer}/{service}/{host}");
        let fits = (0..=CLIENT_BYTES_MAX.min(source.len())).rev().find(|end| source.is_char_boundary(*end));
        source.truncate(fits.unwrap_or_default());
        source
    });
    Ok(Origin { source, input: "http".to_owned(), host, service, ..Origin::default() })
}

/// The text of a header that may come once.
///
/// # Errors
/// It is there twice, or not ASCII.
pub fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ApiError::bad(format!("the header `{name}` is there twice")));
    }
    let text = first.to_str().map_err(|_| ApiError::bad(format!("the header `{name}` is not visible ASCII")))?;
    Ok(Some(text.trim()))
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let text = single(headers, "content-length")?;
    text.map(|text| text.parse().map_err(|_| ApiError::bad("`Content-Length` is no number"))).transpose()
}

/// A media type without its parameters.
pub fn media(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn format(headers: &HeaderMap) -> Result<Format, ApiError> {
    let text = single(headers, header::CONTENT_TYPE.as_str())?.unwrap_or_default();
    match media(text).as_str() {
        // What `curl --data-binary @file` says of every file.
        "" | "text/plain" | "application/x-www-form-urlencoded" => Ok(Format::Text),
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/json" => Ok(Format::Ndjson),
        other => {
            let message = format!("the content type `{other}` is not known here");
            let hint = Some("text/plain for lines, application/x-ndjson for a JSON object a line".to_owned());
            Err(ApiError { hint, ..ApiError::new(Code::UnsupportedMediaType, message) })
        }
    }
}

fn encoding(headers: &HeaderMap) -> Result<Encoding, ApiError> {
    let text = single(headers, header::CONTENT_ENCODING.as_str())?.unwrap_or_default();
    match text.to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        other => {
            let message = format!("the content encoding `{other}` is not known here; known: gzip, zstd");
            Err(ApiError::new(Code::UnsupportedMediaType, message))
        }
    }
}

/// The identity and the sequence number of a request whose retry is to be exact.
fn exact(headers: &HeaderMap) -> Result<Option<(String, Span)>, ApiError> {
    let (source, seq) = (single(headers, "x-logship-source")?, single(headers, "x-logship-seq")?);
    flow::exact(source, seq).map_err(ApiError::bad)
}
