//! What the tests of shipping share: a server whose behaviour is scripted, and spools to ship.

use super::{Pace, ShipSettings, Tls};
use crate::{
    clock,
    event::Timestamp,
    flow::{LogId, Origin, Pos, RawBatch, Record, Span, SyncClass},
    fs::{Fs, RealFs},
    log::{self, Limit, LogWriter, Options, PositionSet, Reader, SourceTable},
};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What the server does with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// What a server does.
    Store,
    /// Closes the connection without reading.
    Refuse,
    /// Closes it in the middle of the body.
    ResetInside,
    /// Stores everything and closes it before answering.
    ResetAfter,
    /// Stores everything and never answers.
    Hang,
    /// Answers with a status, a header and a body, and stores nothing.
    Answer(u16, &'static str, &'static str),
    /// Stores the first frame only, and says so.
    Partial,
}

/// A frame as it is on disk, and where it begins.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kept {
    pub start: u64,
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}", self.start, self.bytes.len())
    }
}

/// What the server has.
#[derive(Debug, Default)]
pub struct Had {
    sources: BTreeMap<LogId, PositionSet>,
    /// Frames by log, as they were stored.
    pub frames: BTreeMap<LogId, Vec<Kept>>,
    pub requests: usize,
    /// The largest body that it takes; then 413.
    pub bytes_max: Option<usize>,
    /// A frame that it calls damaged: log and beginning.
    pub hates: Option<(LogId, u64)>,
    pub authorization: Option<String>,
}

impl Had {
    /// Stores a frame unless it is there; the source table's rule.
    fn put(&mut self, log: LogId, span: Span, start: u64, frame: &[u8]) {
        let set = self.sources.entry(log).or_default();
        if !set.contains(span) {
            set.insert(span);
            self.frames.entry(log).or_default().push(Kept { start, bytes: frame.to_vec() });
        }
    }
}

/// A server on a port of its own. Steps are taken by the requests as they come; then it stores.
pub struct Server {
    pub had: Arc<Mutex<Had>>,
    pub script: Arc<Mutex<VecDeque<Step>>>,
    address: SocketAddr,
    is_secure: bool,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(script: Vec<Step>) -> Server {
        Server::with(script, None)
    }

    /// One that speaks TLS with a certificate of `fixtures/tls` and wants one of its clients.
    pub fn secure(certificate: &str) -> Server {
        let pem = |name: &str| fixture(name);
        let chain = CertificateDer::pem_file_iter(pem(certificate)).unwrap().map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(pem("server.key")).unwrap();
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(pem("ca.pem")).unwrap()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
        Server::with(vec![], Some(Arc::new(config)))
    }

    fn with(script: Vec<Step>, tls: Option<Arc<ServerConfig>>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let is_secure = tls.is_some();
        let had = Arc::new(Mutex::new(Had::default()));
        let (stop, script) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(script.into())));
        let shared = (had.clone(), script.clone(), stop.clone());
        let accept = move || {
            let mut connections = Vec::new();
            for stream in listener.incoming() {
                let (had, script, stop) = shared.clone();
                if stop.load(Ordering::Acquire) {
                    break;
                }
                let Ok(stream) = stream else { continue };
                let tls = tls.clone();
                let serve = move || match tls {
                    None => serve(stream, &had, &script, &stop),
                    Some(config) => {
                        serve(StreamOwned::new(ServerConnection::new(config).unwrap(), stream), &had, &script, &stop)
                    }
                };
                connections.push(thread::Builder::new().spawn(serve).unwrap());
            }
        };
        let thread = Some(thread::Builder::new().spawn(accept).unwrap());
        Server { had, script, address, is_secure, stop, thread }
    }

    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_secure { "https" } else { "http" }, self.address)
    }

    pub fn requests(&self) -> usize {
        self.had.lock().unwrap().requests
    }

    pub fn frames(&self, log: LogId) -> Vec<Kept> {
        self.had.lock().unwrap().frames.get(&log).cloned().unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(stream: impl Read + Write, had: &Mutex<Had>, script: &Mutex<VecDeque<Step>>, stop: &AtomicBool) {
    let mut stream = BufReader::new(stream);
    while matches!(talk(&mut stream, had, script, stop), Ok(true)) {}
}

/// One request; whether another may follow.
fn talk<S: Read + Write>(
    reader: &mut BufReader<S>,
    had: &Mutex<Had>,
    script: &Mutex<VecDeque<Step>>,
    stop: &AtomicBool,
) -> io::Result<bool> {
    let mut headers = BTreeMap::new();
    // A request begins with its first byte.
    if reader.fill_buf()?.is_empty() || stop.load(Ordering::Acquire) {
        return Ok(false);
    }
    let step = script.lock().unwrap().pop_front().unwrap_or(Step::Store);
    had.lock().unwrap().requests += 1;
    if step == Step::Refuse {
        return Ok(false);
    }
    let mut line = String::new();
    reader.read_line(&mut line)?;
    assert_eq!(line, "POST /api/v1/frames HTTP/1.1\r\n");
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length: usize = headers["content-length"].parse().unwrap();
    if step == Step::ResetInside {
        reader.read_exact(&mut vec![0; length / 2])?;
        return Ok(false);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    assert_eq!(headers["content-encoding"], "zstd");
    let body = zstd::decode_all(&body[..]).unwrap();
    let log: LogId = headers["x-logship-log"].parse().unwrap();
    let mut had = had.lock().unwrap();
    had.authorization = headers.get("authorization").cloned();
    if let Step::Answer(status, header, text) = step {
        answer(reader.get_mut(), status, header, text)?;
        return Ok(true);
    }
    if had.bytes_max.is_some_and(|most| body.len() > most) {
        answer(reader.get_mut(), 413, "", "<html>too large</html>")?;
        return Ok(true);
    }
    let frames = unpack(&body);
    if frames.iter().any(|(_, start, _)| Some((log, *start)) == had.hates) {
        answer(reader.get_mut(), 400, "", r#"{"error":{"code":"bad_request","message":"a frame is damaged"}}"#)?;
        return Ok(true);
    }
    let kept = if step == Step::Partial { 1 } else { frames.len() };
    let mut durable = Vec::new();
    for (from, start, frame) in &frames[..kept] {
        let span = Span { from: *from, to: start + frame.len() as u64 };
        had.put(log, span, *start, frame);
        durable.push([span.from, span.to]);
    }
    drop(had);
    match step {
        Step::ResetAfter => return Ok(false),
        // Until the client has lost patience.
        Step::Hang => return reader.read(&mut [0]).map(|_| false),
        _ => {}
    }
    let text = serde_json::json!({"durable": durable, "time": "2026-01-02T03:04:05.678Z"}).to_string();
    answer(reader.get_mut(), 200, "", &text).map(|()| true)
}

fn answer(stream: &mut impl Write, status: u16, header: &str, text: &str) -> io::Result<()> {
    let length = text.len();
    stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{header}\r\n{text}").as_bytes())
}

/// From, beginning and bytes of each frame of a body.
fn unpack(mut body: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
    let mut frames = Vec::new();
    while !body.is_empty() {
        let number = |at: usize| u64::from_le_bytes(body[at..at + 8].try_into().unwrap());
        let payload = u32::from_le_bytes(body[16 + 8..16 + 12].try_into().unwrap()) as usize;
        let end = 16 + 16 + payload;
        frames.push((number(0), number(8), body[16..end].to_vec()));
        body = &body[end..];
    }
    frames
}

/// A data folder with a spool.
pub struct Place {
    temp: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Place {
        Place { temp: tempfile::tempdir().unwrap() }
    }

    pub fn spool(&self) -> PathBuf {
        self.temp.path().join("spool")
    }

    pub fn progress(&self) -> PathBuf {
        self.temp.path().join("progress.json")
    }

    pub fn settings(&self, servers: &[&Server]) -> ShipSettings {
        ShipSettings {
            spool: self.spool(),
            progress: self.progress(),
            servers: servers.iter().map(|server| server.url()).collect(),
            token: None,
            tls: Tls::default(),
            batch_bytes_max: 4 << 10,
            fresh_after: u64::MAX,
            pace: pace(),
            own: Vec::new(),
            carried: Vec::new(),
            counted: super::ShipStatus::default(),
            fs: Arc::new(RealFs),
        }
    }

    /// A log that is written by this process.
    pub fn open(&self) -> LogWriter {
        self.open_with(Options::default())
    }

    pub fn open_with(&self, options: Options) -> LogWriter {
        log::open(&fs(), &self.spool(), options, &SourceTable::default()).unwrap()
    }

    /// A log whose writer is gone, and its frames.
    pub fn dead(&self, frames: usize) -> (LogId, Vec<Kept>) {
        let writer = self.open();
        append(&writer, frames);
        let (id, dir) = (writer.id, writer.dir.clone());
        let _ = writer.join();
        (id, frames_of(&dir))
    }
}

pub fn fs() -> Arc<dyn Fs> {
    Arc::new(RealFs)
}

/// As if a minute were some milliseconds.
pub fn pace() -> Pace {
    let ms = Duration::from_millis;
    Pace {
        batch_wait: ms(2),
        look: ms(10),
        poll: ms(5),
        save: ms(10),
        connect: ms(5_000),
        reply: ms(300),
        backoff_min: ms(1),
        backoff_max: ms(8),
        denied: ms(2),
        retry_after_max: ms(10),
        stay: ms(200),
        slow: ms(10),
    }
}

/// Appends so many frames, durably.
pub fn append(writer: &LogWriter, frames: usize) {
    for number in 0..frames {
        let text = format!("line {number} {}", "x".repeat(number * 37 % 400));
        let batch = RawBatch {
            origin: Arc::new(Origin::default()),
            span: None,
            mark: None,
            received: Timestamp::from_millis(number as i64),
            records: vec![Record::text(text.into()); 1 + number % 3],
        };
        writer.intake().submit(batch, SyncClass::Prompt).unwrap().wait().unwrap();
    }
}

/// The frames of a log, from what is kept of it on.
pub fn frames_of(dir: &Path) -> Vec<Kept> {
    let mut reader = Reader::open(&fs(), dir, Pos(0)).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next(Limit::Everything).unwrap() {
        frames.push(Kept { start: frame.start.0, bytes: reader.frame_bytes().to_vec() });
    }
    frames
}

/// A file of `fixtures/tls`.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

/// Waits for something that happens on other threads.
pub fn until(happened: impl Fn() -> bool) {
    let begun = clock::instant();
    while !happened() {
        assert!(clock::since(begun) < PATIENCE, "it never happened");
        thread::yield_now();
    }
}
