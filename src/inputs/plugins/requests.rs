//! Requests of one connection, HTTP/1.0 and 1.1: heads by `httparse`, bodies by their length or in chunks, inflated where they
//! are compressed.
//!
//! Limits: [`HEAD_BYTES_MAX`], [`HEADERS_MAX`], [`HEAD_WAIT`], [`BODY_WAIT`]; a body as large as the caller says, before and
//! after inflating. What could be read in two ways (two lengths, a length and chunks) is refused.

use super::connection::Connection;
use crate::{
    clock,
    flow::{Stop, Woken},
};
use bytes::{Buf as _, BytesMut};
use ring::digest::{SHA256, digest};
use std::{
    fmt::Write as _,
    io::{self, Read, Write as _},
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// The longest head of a request.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// Most headers of a request.
pub const HEADERS_MAX: usize = 128;
/// How long a head may take, and how long a connection may stay open without a request.
pub const HEAD_WAIT: Duration = Duration::from_secs(60);
/// How long a body may take.
pub const BODY_WAIT: Duration = Duration::from_secs(300);
/// How long, and how much, is read after an answer that closes the connection.
const LINGER_WAIT: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: usize = 1 << 20;
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
/// The longest line that says how long a chunk is, and the longest trailer.
const CHUNK_LINE_BYTES_MAX: usize = 4 << 10;

/// Why there is no request.
#[derive(Debug)]
pub enum Refused {
    /// Nothing more comes, or the stop was asked for.
    Ended,
    /// The connection broke.
    Broken(io::Error),
    /// It is answered with this and the connection closed.
    Answer(u16, &'static str),
}

impl From<io::Error> for Refused {
    fn from(cause: io::Error) -> Refused {
        Refused::Broken(cause)
    }
}

/// The head of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// `POST`
    pub method: String,
    /// The path with its query, as sent.
    pub target: String,
    /// The digit behind `HTTP/1.`.
    pub version: u8,
    /// In their order; names in lower case.
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The value of the first header of that name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether the connection stays open after the answer.
    #[must_use]
    pub fn keeps_alive(&self) -> bool {
        let asks = |what: &str| {
            let words = self.header("connection").unwrap_or_default().split(',');
            words.into_iter().any(|word| word.trim().eq_ignore_ascii_case(what))
        };
        if self.version == 0 { asks("keep-alive") } else { !asks("close") }
    }

    fn length(&self) -> Result<Length, Refused> {
        let mut lengths =
            self.headers.iter().filter(|(name, _)| name == "content-length").map(|(_, value)| value.trim());
        let length = lengths.next();
        if lengths.any(|other| Some(other) != length) {
            return Err(Refused::Answer(400, "several lengths"));
        }
        match (self.header("transfer-encoding"), length) {
            (None, None) => Ok(Length::Known(0)),
            (None, Some(digits)) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().map(Length::Known).map_err(|_| Refused::Answer(413, "too large"))
            }
            (Some(encoding), None) if encoding.trim().eq_ignore_ascii_case("chunked") => Ok(Length::Chunked),
            (Some(_), None) => Err(Refused::Answer(501, "unknown transfer encoding")),
            (_, Some(_)) => Err(Refused::Answer(400, "unclear length")),
        }
    }
}

enum Length {
    Known(usize),
    Chunked,
}

/// The requests of a connection.
pub struct Requests<'c> {
    connection: &'c mut Connection,
    stop: &'c Stop,
    bytes: BytesMut,
}

impl<'c> Requests<'c> {
    /// For a connection that begins.
    pub fn new(connection: &'c mut Connection, stop: &'c Stop) -> Requests<'c> {
        Requests { connection, stop, bytes: BytesMut::new() }
    }

    /// The next head.
    ///
    /// # Errors
    /// There is none.
    pub fn head(&mut self) -> Result<Head, Refused> {
        let begun = clock::instant();
        loop {
            if let Some(head) = self.parsed()? {
                return Ok(head);
            }
            if self.bytes.len() > HEAD_BYTES_MAX {
                return Err(Refused::Answer(431, "too large a head"));
            }
            let is_idle = self.bytes.is_empty();
            match self.more(begun, HEAD_WAIT) {
                Err(Refused::Answer(..)) if is_idle => return Err(Refused::Ended),
                more => more?,
            }
        }
    }

    fn parsed(&mut self) -> Result<Option<Head>, Refused> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(&self.bytes) {
            Ok(httparse::Status::Complete(length)) => length,
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(httparse::Error::TooManyHeaders) => return Err(Refused::Answer(431, "too many headers")),
            Err(_) => return Err(Refused::Answer(400, "this is not HTTP")),
        };
        let headers = request.headers.iter();
        let headers = headers
            .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).trim().to_owned()));
        let head = Head {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            version: request.version.unwrap_or(1),
            headers: headers.collect(),
        };
        self.bytes.advance(length);
        Ok(Some(head))
    }

    /// Reads once.
    fn more(&mut self, begun: Instant, patience: Duration) -> Result<(), Refused> {
        match self.connection.wait(self.stop, Some(patience.saturating_sub(clock::since(begun))))? {
            Woken::Stop => return Err(Refused::Ended),
            Woken::Late => return Err(Refused::Answer(408, "too slow")),
            Woken::Readable => {}
        }
        let held = self.bytes.len();
        self.bytes.resize(held + READ_BYTES, 0);
        let read = self.connection.read(&mut self.bytes[held..]);
        self.bytes.truncate(held + *read.as_ref().unwrap_or(&0));
        if read? == 0 { Err(Refused::Ended) } else { Ok(()) }
    }

    /// The body that belongs to a head, so long at most, also inflated. `room` is asked before more of it is kept.
    ///
    /// # Errors
    /// It does not come, or it is too large.
    pub fn body(&mut self, head: &Head, most: usize, room: &mut dyn FnMut(usize) -> bool) -> Result<Vec<u8>, Refused> {
        let length = head.length()?;
        let expects = head.header("expect").is_some_and(|what| what.eq_ignore_ascii_case("100-continue"));
        if matches!(length, Length::Known(length) if length > most) {
            return Err(Refused::Answer(413, "too large"));
        }
        if expects && self.bytes.is_empty() {
            self.connection.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = Body { bytes: Vec::new(), most, room };
        let begun = clock::instant();
        match length {
            Length::Known(length) => self.take(length, begun, &mut body)?,
            Length::Chunked => self.chunks(begun, &mut body)?,
        }
        let Body { bytes, room, .. } = body;
        inflated(bytes, head.header("content-encoding"), most, room)
    }

    fn take(&mut self, mut left: usize, begun: Instant, body: &mut Body<'_>) -> Result<(), Refused> {
        while left > 0 {
            if self.bytes.is_empty() {
                self.more(begun, BODY_WAIT)?;
            }
            let count = left.min(self.bytes.len());
            body.push(&self.bytes[..count])?;
            self.bytes.advance(count);
            left -= count;
        }
        Ok(())
    }

    fn chunks(&mut self, begun: Instant, body: &mut Body<'_>) -> Result<(), Refused> {
        loop {
            let line = self.line(begun)?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let length = usize::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'));
            let length = length.ok_or(Refused::Answer(400, "this is no chunk"))?;
            if length == 0 {
                break;
            }
            self.take(length, begun, body)?;
            if !self.line(begun)?.is_empty() {
                return Err(Refused::Answer(400, "a chunk is longer than it says"));
            }
        }
        let mut trailers = 0;
        loop {
            let line = self.line(begun)?;
            trailers += line.len();
            if line.is_empty() {
                return Ok(());
            }
            if trailers > CHUNK_LINE_BYTES_MAX {
                return Err(Refused::Answer(431, "too large a trailer"));
            }
        }
    }

    fn line(&mut self, begun: Instant) -> Result<String, Refused> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.bytes) {
                let line = self.bytes.split_to(end + 1);
                return Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            if self.bytes.len() > CHUNK_LINE_BYTES_MAX {
                return Err(Refused::Answer(400, "this is no chunk"));
            }
            self.more(begun, BODY_WAIT)?;
        }
    }

    /// Reads on for a moment after the last answer, without keeping anything: the system takes back an answer whose reader still
    /// sends.
    pub fn linger(&mut self) {
        let (begun, mut left) = (clock::instant(), LINGER_BYTES_MAX);
        self.bytes.clear();
        if self.connection.shut().is_err() {
            return;
        }
        while left > 0 && self.more(begun, LINGER_WAIT).is_ok() {
            left = left.saturating_sub(self.bytes.len());
            self.bytes.clear();
        }
    }

    /// Answers. `headers` come beside the length of the text.
    ///
    /// # Errors
    /// The connection broke.
    pub fn answer(&mut self, answer: &Answer<'_>) -> io::Result<()> {
        let mut out = format!("HTTP/1.1 {} {}\r\n", answer.status, reason(answer.status));
        for (name, value) in answer.headers {
            _ = write!(out, "{name}: {value}\r\n");
        }
        if answer.status != 204 {
            _ = write!(out, "content-length: {}\r\n", answer.text.len());
        }
        if !answer.keeps_alive {
            out.push_str("connection: close\r\n");
        }
        out.push_str("\r\n");
        if answer.status != 204 && !answer.is_bare {
            out.push_str(answer.text);
        }
        self.connection.write_all(out.as_bytes())
    }
}

/// What a request is answered with.
#[derive(Debug)]
pub struct Answer<'a> {
    /// `200`
    pub status: u16,
    /// The body.
    pub text: &'a str,
    /// Headers, beside those that every answer has.
    pub headers: &'a [(String, String)],
    /// Whether more requests may follow.
    pub keeps_alive: bool,
    /// Whether only the head was asked for.
    pub is_bare: bool,
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        507 => "Insufficient Storage",
        _ => "Service Unavailable",
    }
}

/// Counts something up for as long as it lives.
pub struct Counted<'c>(&'c AtomicUsize, usize);

impl<'c> Counted<'c> {
    /// Nothing yet.
    pub fn new(count: &'c AtomicUsize) -> Counted<'c> {
        Counted(count, 0)
    }

    /// Whether there is room for more.
    pub fn add(&mut self, more: usize, most: usize) -> bool {
        self.1 += more;
        self.0.fetch_add(more, Ordering::AcqRel) + more <= most
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::AcqRel);
    }
}

/// What `Authorization` says, hashed, so that comparing takes the same time whatever it is.
#[must_use]
pub fn hashed(text: &str) -> Vec<u8> {
    digest(&SHA256, text.as_bytes()).as_ref().to_vec()
}

struct Body<'r> {
    bytes: Vec<u8>,
    most: usize,
    room: &'r mut dyn FnMut(usize) -> bool,
}

impl Body<'_> {
    fn push(&mut self, bytes: &[u8]) -> Result<(), Refused> {
        if self.bytes.len() + bytes.len() > self.most {
            return Err(Refused::Answer(413, "too large"));
        }
        if !(self.room)(bytes.len()) {
            return Err(Refused::Answer(429, "busy"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

fn inflated(
    bytes: Vec<u8>,
    encoding: Option<&str>,
    most: usize,
    room: &mut dyn FnMut(usize) -> bool,
) -> Result<Vec<u8>, Refused> {
    let compressed = bytes.as_slice();
    let mut reader: Box<dyn Read + '_> = match encoding.map(|name| name.trim().to_ascii_lowercase()).as_deref() {
        None | Some("" | "identity") => return Ok(bytes),
        Some("gzip" | "x-gzip") => Box::new(flate2::read::MultiGzDecoder::new(compressed)),
        Some("deflate") => Box::new(flate2::read::ZlibDecoder::new(compressed)),
        Some("zstd") => Box::new(zstd::stream::read::Decoder::new(compressed)?),
        Some(_) => return Err(Refused::Answer(415, "unknown content encoding")),
    };
    let mut body = Body { bytes: Vec::new(), most, room };
    let mut piece = vec![0; READ_BYTES];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(body.bytes),
            Ok(count) => body.push(&piece[..count])?,
            Err(_) => return Err(Refused::Answer(400, "the body is damaged")),
        }
    }
}
