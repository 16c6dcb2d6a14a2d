//! A tiny HTTP server that answers with recorded replies.

use crate::flow::{Appended, Intake, LogId, Pos, RawBatch, Record, Span};
use std::{
    io::{self, Read, Write},
    net::TcpListener,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
};
use tokio::sync::watch;

/// Replies by path, each written as it is, and the connection closed. A path that stands there several times is
/// answered by each of them in turn, and then by the last. Anything else is not found.
pub(super) struct Served {
    _folder: tempfile::TempDir,
    socket: PathBuf,
    base: String,
    requests: Arc<Mutex<Vec<String>>>,
}

type Replies = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A whole answer.
pub(super) fn reply(status: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The head of an answer that lasts as long as its connection, and its beginning.
pub(super) fn streamed(body: &[u8]) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n\r\n", body].concat()
}

impl Served {
    fn new() -> Served {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        Served { _folder: folder, socket, base: String::new(), requests: Arc::default() }
    }

    /// Over a unix socket.
    pub(super) fn unix(replies: Vec<(String, Vec<u8>)>) -> Served {
        let served = Served::new();
        let listener = UnixListener::bind(&served.socket).unwrap();
        let (replies, requests): (Replies, _) = (Arc::new(Mutex::new(replies)), served.requests.clone());
        spawn(move || listener.incoming().for_each(|stream| answer(stream, &replies, &requests)));
        served
    }

    /// Over TCP.
    pub(super) fn tcp(replies: Vec<(String, Vec<u8>)>) -> Served {
        let mut served = Served::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        served.base = format!("http://{}", listener.local_addr().unwrap());
        let (replies, requests): (Replies, _) = (Arc::new(Mutex::new(replies)), served.requests.clone());
        spawn(move || listener.incoming().for_each(|stream| answer(stream, &replies, &requests)));
        served
    }

    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The heads of all requests so far.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) {
    thread::Builder::new().spawn(work).unwrap();
}

fn answer<S: Read + Write>(stream: io::Result<S>, replies: &Replies, requests: &Mutex<Vec<String>>) {
    let Ok(mut stream) = stream else { return };
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count > 0) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let found = {
        let mut replies = replies.lock().unwrap();
        let matches = replies.iter().filter(|(own, _)| *own == path).count();
        let at = replies.iter().position(|(own, _)| *own == path);
        match at {
            Some(at) if matches > 1 => replies.remove(at).1,
            Some(at) => replies[at].1.clone(),
            None => reply(404, "{\"message\":\"no such thing\"}"),
        }
    };
    requests.lock().unwrap().push(head);
    let _ = stream.write_all(&found);
}

/// A log that takes everything, and asks for the end once it has as much as was said.
pub(super) struct Log {
    lines: thread::JoinHandle<Vec<String>>,
}

impl Log {
    pub(super) fn start(records: usize, stop: watch::Sender<bool>) -> (Log, Intake) {
        let (intake, mut appends) = Intake::channel();
        let work = move || {
            let mut lines = Vec::new();
            while let Some(append) = appends.blocking_recv() {
                lines.extend(append.batch.records.iter().map(|record| line_of(&append.batch, record)));
                let appended = Appended { log: LogId::random(), end: Pos(lines.len() as u64), duplicate: false };
                let _ = append.answer.send(Ok(appended));
                if lines.len() >= records {
                    let _ = stop.send(true);
                }
            }
            lines
        };
        (Log { lines: thread::Builder::new().spawn(work).unwrap() }, intake)
    }

    /// What it took, once nobody writes any more: source, span, service, stream and text.
    pub(super) fn lines(self) -> Vec<String> {
        self.lines.join().unwrap()
    }
}

fn line_of(batch: &RawBatch, record: &Record) -> String {
    let (origin, span) = (&batch.origin, batch.span.unwrap_or(Span { from: 0, to: 0 }));
    let (service, stream) = (origin.service.as_deref().unwrap_or("-"), origin.stream.as_deref().unwrap_or("-"));
    let text = String::from_utf8_lossy(&record.bytes);
    format!("{} {}..{} {service} {stream}: {text}", origin.source, span.from, span.to)
}
