//! OpenTelemetry's logs over HTTP: `POST /v1/logs`, protobuf or JSON, plain or gzip.
//!
//! Promise: 2xx once all records are durable; records over a limit are told as a partial success, which is not sent again. When
//! the log refuses or too much is going on the answer is 503 or 429 with `Retry-After`, and the client sends all of it again
//! (at least once).
//!
//! Limits: bodies of [`BODY_BYTES_MAX`], inflated [`INFLATED_BYTES_MAX`], within [`BODY_WAIT`]; together [`BODIES_BYTES_MAX`],
//! of which [`DECODES_MAX`] are decoded at a time, on plain threads.

use super::{
    address::{Address, ListenError, Listening},
    connections::{self, CONNECTIONS_MAX, Caller},
    counters::{Dropped, InputCounters},
    delivery::{BATCH_RECORDS_MAX, Delivery, Sent},
    sockets,
};
use crate::{
    codecs::otlp::{self, Format, PartialSuccess, Status, Taken},
    event::LINE_BYTES_MAX,
    flow::{Intake, Origin, Record, Shutdown},
};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use bytes::Bytes;
use hyper::{body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use prost::Message as _;
use std::{
    io::Read as _,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

/// Longest body as it comes.
pub const BODY_BYTES_MAX: usize = 16 << 20;
/// Longest body when inflated.
pub const INFLATED_BYTES_MAX: usize = 32 << 20;
/// All bodies at a time.
pub const BODIES_BYTES_MAX: usize = 64 << 20;
/// Bodies that are decoded at a time.
pub const DECODES_MAX: usize = 2;
/// How long a body may take to come.
pub const BODY_WAIT: Duration = Duration::from_secs(30);
/// How long the head of a request may take, and how long a connection may be idle.
pub const HEAD_WAIT: Duration = Duration::from_secs(60);
/// After how many seconds a refused client should come again.
const RETRY_SECONDS: &str = "5";

/// How to take OpenTelemetry's logs in.
#[derive(Clone, Debug)]
pub struct OtlpSettings {
    /// The option that names the addresses, for messages.
    pub option: String,
    /// Where to listen: `tcp` or `unix`.
    pub listen: Vec<Address>,
    /// The name of this machine, for what comes from it and names no host.
    pub host: Option<String>,
    /// Connections of a listener at a time.
    pub connections_max: usize,
}

impl Default for OtlpSettings {
    fn default() -> OtlpSettings {
        OtlpSettings {
            option: "--otlp".to_owned(),
            listen: vec![Address::Tcp("127.0.0.1:4318".to_owned())],
            host: None,
            connections_max: CONNECTIONS_MAX,
        }
    }
}

/// The input, listening.
#[derive(Debug)]
pub struct Otlp {
    settings: OtlpSettings,
    listening: Vec<Listening>,
}

impl Otlp {
    /// Listens at all addresses.
    ///
    /// # Errors
    /// The first that cannot be had, in one sentence.
    pub async fn bind(settings: OtlpSettings) -> Result<Otlp, ListenError> {
        let listening = Listening::for_connections(&settings.option, &settings.listen, "HTTP").await?;
        Ok(Otlp { settings, listening })
    }

    /// Where it listens: the chosen port where 0 was asked for, nothing for socket files.
    #[must_use]
    pub fn local(&self) -> Vec<Option<SocketAddr>> {
        self.listening.iter().map(Listening::local).collect()
    }

    /// Answers requests until the stop; those that run then have [`connections::STOP_WAIT`].
    pub async fn run(self, intake: Intake, counters: Arc<InputCounters>, stop: Shutdown) {
        let receiver = Arc::new(Receiver::new(Delivery::start(intake, counters), self.settings.host.clone()));
        let mut tasks = JoinSet::new();
        for listening in self.listening {
            let (receiver, stop, most) = (Arc::clone(&receiver), stop.clone(), self.settings.connections_max);
            tasks.spawn(async move {
                let service = TowerToHyperService::new(router(receiver));
                let talk = |caller| answer(caller, service.clone(), stop.clone());
                connections::serve(&listening, most, stop.clone(), talk).await;
            });
        }
        while tasks.join_next().await.is_some() {}
    }
}

async fn answer(caller: Caller, service: TowerToHyperService<Router>, mut stop: Shutdown) {
    let peer = Peer(caller.peer.map(|peer| peer.ip().to_canonical()));
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WAIT)
        .serve_connection(TokioIo::new(caller.stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A client that hangs up in the middle is its own affair.
        _ = connection.as_mut() => return,
        () = stop.wait() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Whom a request comes from, in its extensions; nothing for this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Peer(pub Option<IpAddr>);

/// What takes exports.
#[derive(Debug)]
pub struct Receiver {
    delivery: Delivery,
    host: Option<String>,
    room: Arc<Semaphore>,
    decodes: Semaphore,
}

impl Receiver {
    /// One that hands records over there. `host` is the name of this machine.
    #[must_use]
    pub fn new(delivery: Delivery, host: Option<String>) -> Receiver {
        let room = Arc::new(Semaphore::new(BODIES_BYTES_MAX));
        Receiver { delivery, host, room, decodes: Semaphore::new(DECODES_MAX) }
    }
}

/// The route, for a server of its own or another.
pub fn router(receiver: Arc<Receiver>) -> Router {
    Router::new().route("/v1/logs", post(export)).with_state(receiver)
}

/// Why an export is refused: the status, gRPC's code, and what to say.
struct Refusal(StatusCode, i32, String);

fn bad(what: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, 3, what.into())
}

async fn export(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let Some(format) = format_of(request.headers()) else {
        let what = "the body must be `application/x-protobuf` or `application/json`".to_owned();
        return refused(Format::Json, &Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, what));
    };
    match take(&receiver, format, request).await {
        Ok(taken) => accepted(format, taken),
        Err(refusal) => {
            receiver.delivery.counters().failed(format!("an export of logs was refused: {}", refusal.2));
            refused(format, &refusal)
        }
    }
}

fn format_of(headers: &HeaderMap) -> Option<Format> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    match kind.split(';').next()?.trim().to_ascii_lowercase().as_str() {
        "application/x-protobuf" => Some(Format::Protobuf),
        "application/json" => Some(Format::Json),
        _ => None,
    }
}

/// Whether the body is compressed.
fn is_gzip(headers: &HeaderMap) -> Result<bool, Refusal> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|encoding| encoding.as_bytes().to_ascii_lowercase());
    match encoding.as_deref() {
        None | Some(b"" | b"identity") => Ok(false),
        Some(b"gzip") => Ok(true),
        Some(_) => {
            let what = "the body may be compressed by gzip only".to_owned();
            Err(Refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, 3, what))
        }
    }
}

async fn take(receiver: &Arc<Receiver>, format: Format, request: Request) -> Result<Taken, Refusal> {
    let gzip = is_gzip(request.headers())?;
    let peer = request.extensions().get::<Peer>().copied().unwrap_or_default();
    let origin = Arc::new(sockets::origin("otlp", "tcp", peer.0, receiver.host.as_deref()));
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let announced = announced.unwrap_or(BODY_BYTES_MAX);
    let too_large = || {
        let what = format!("the body is longer than {} MiB: send smaller batches", BODY_BYTES_MAX >> 20);
        Refusal(StatusCode::PAYLOAD_TOO_LARGE, 3, what)
    };
    if announced > BODY_BYTES_MAX {
        return Err(too_large());
    }
    let permits = u32::try_from(announced).unwrap_or(u32::MAX);
    let Ok(_room) = Arc::clone(&receiver.room).try_acquire_many_owned(permits) else {
        let what = "too many exports at a time".to_owned();
        return Err(Refusal(StatusCode::TOO_MANY_REQUESTS, 8, what));
    };
    let body = match timeout(BODY_WAIT, to_bytes(request.into_body(), BODY_BYTES_MAX)).await {
        Ok(Ok(body)) => body,
        // The only other fault is a broken connection, whose client hears no answer.
        Ok(Err(_)) => return Err(too_large()),
        Err(_) => return Err(Refusal(StatusCode::REQUEST_TIMEOUT, 3, "the body comes too slowly".to_owned())),
    };
    // A task of its own: a client that hangs up takes this one with it, and what is on its way must be counted.
    let storing = tokio::spawn(store(Arc::clone(receiver), body, gzip, format, origin)).await;
    storing.unwrap_or_else(|_| Err(bad("the body could not be decoded")))
}

/// Decodes a body and waits until its records are durable.
async fn store(
    receiver: Arc<Receiver>,
    body: Bytes,
    gzip: bool,
    format: Format,
    origin: Arc<Origin>,
) -> Result<Taken, Refusal> {
    // Nobody closes the semaphore.
    let turn = receiver.decodes.acquire().await;
    let delivery = receiver.delivery.clone();
    let decoding = spawn_blocking(move || decode(&body, gzip, format, &delivery, &origin)).await;
    drop(turn);
    let Ok((all, taken)) = decoding else { return Err(bad("the body could not be decoded")) };
    let mut outcome = Ok(());
    for sent in all {
        outcome = outcome.and(receiver.delivery.answered(sent).await);
    }
    outcome.map_err(|error| Refusal(StatusCode::SERVICE_UNAVAILABLE, 14, error.to_string()))?;
    let counters = receiver.delivery.counters();
    let taken = taken.inspect_err(|_| {
        counters.received(1, 0);
        counters.dropped(Dropped::Malformed, 1);
    })?;
    counters.truncated(taken.cut_bytes);
    counters.received(taken.rejected, 0);
    counters.dropped(Dropped::TooLarge, taken.rejected);
    Ok(taken)
}

/// The records of a body on their way, in batches.
fn decode(
    body: &Bytes,
    gzip: bool,
    format: Format,
    delivery: &Delivery,
    origin: &Arc<Origin>,
) -> (Vec<Sent>, Result<Taken, Refusal>) {
    let inflated;
    let plain: &[u8] = if gzip {
        match inflate(body) {
            Ok(bytes) => inflated = bytes,
            Err(refusal) => return (Vec::new(), Err(refusal)),
        }
        &inflated
    } else {
        body
    };
    let (mut all, mut ready, mut bytes) = (Vec::new(), Vec::new(), 0);
    let taken = otlp::decode(plain, format, &mut |record: Record| {
        bytes += record.bytes.len();
        ready.push(record);
        if bytes >= LINE_BYTES_MAX || ready.len() >= BATCH_RECORDS_MAX {
            bytes = 0;
            all.push(delivery.submit(origin, std::mem::take(&mut ready)));
        }
    });
    if !ready.is_empty() {
        all.push(delivery.submit(origin, ready));
    }
    (all, taken.map_err(bad))
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut plain = Vec::new();
    let limit = INFLATED_BYTES_MAX as u64 + 1;
    let read = flate2::read::MultiGzDecoder::new(body).take(limit).read_to_end(&mut plain);
    read.map_err(|error| bad(format!("the body is no whole gzip stream: {error}")))?;
    if plain.len() > INFLATED_BYTES_MAX {
        let what = format!("the body inflates to more than {} MiB: send smaller batches", INFLATED_BYTES_MAX >> 20);
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, 3, what));
    }
    Ok(plain)
}

fn accepted(format: Format, taken: Taken) -> Response {
    let partial_success = (taken.rejected > 0).then(|| PartialSuccess {
        rejected_log_records: i64::try_from(taken.rejected).unwrap_or(i64::MAX),
        error_message: "records over a limit were not stored: send smaller ones".to_owned(),
    });
    match format {
        Format::Protobuf => reply(format, StatusCode::OK, otlp::Response { partial_success }.encode_to_vec()),
        Format::Json => {
            let partial = partial_success.map(|partial| {
                let rejected = partial.rejected_log_records.to_string();
                serde_json::json!({"partialSuccess": {"rejectedLogRecords": rejected, "errorMessage": partial.error_message}})
            });
            let json = partial.unwrap_or_else(|| serde_json::json!({}));
            reply(format, StatusCode::OK, json.to_string().into_bytes())
        }
    }
}

fn refused(format: Format, Refusal(status, code, what): &Refusal) -> Response {
    let body = match format {
        Format::Protobuf => Status { code: *code, message: what.clone() }.encode_to_vec(),
        Format::Json => serde_json::json!({"code": code, "message": what}).to_string().into_bytes(),
    };
    let mut response = reply(format, *status, body);
    if matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(RETRY_SECONDS));
    }
    response
}

fn reply(format: Format, status: StatusCode, body: Vec<u8>) -> Response {
    let kind = match format {
        Format::Protobuf => "application/x-protobuf",
        Format::Json => "application/json",
    };
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        flow::AppendError,
        inputs::testing::{FakeLog, check_twins, until},
    };
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        sync::watch,
        task::JoinHandle,
    };

    const ONE: &str = r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"a"}}]}]}]}"#;

    struct Running {
        log: FakeLog,
        counters: Arc<InputCounters>,
        at: SocketAddr,
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    }

    async fn start() -> Running {
        let listen = vec!["tcp://127.0.0.1:0".parse().unwrap()];
        let input = Otlp::bind(OtlpSettings { listen, ..OtlpSettings::default() }).await.unwrap();
        let (log, counters) = (FakeLog::start(), Arc::new(InputCounters::default()));
        let (stop, shutdown) = Shutdown::channel();
        let at = input.local()[0].unwrap();
        let task = tokio::spawn(input.run(log.intake(), counters.clone(), shutdown));
        Running { log, counters, at, stop, task }
    }

    impl Running {
        /// The status, the headers in small letters, and the body.
        async fn post(&self, headers: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
            let mut client = TcpStream::connect(self.at).await.unwrap();
            let length = body.len();
            let head = format!(
                "POST /v1/logs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
            );
            client.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
            let mut reply = Vec::new();
            client.read_to_end(&mut reply).await.unwrap();
            let end = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
            let head = String::from_utf8(reply[..end].to_vec()).unwrap().to_lowercase();
            (head[9..12].parse().unwrap(), head, reply[end + 4..].to_vec())
        }

        async fn end(self) -> super::super::counters::InputSnapshot {
            self.stop.send(true).unwrap();
            self.task.await.unwrap();
            let now = self.counters.snapshot();
            assert_eq!((now.queued, now.received), (0, now.stored + now.dropped.values().sum::<u64>()));
            now
        }
    }

    const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";

    #[tokio::test]
    async fn exports_are_answered_once_they_are_durable() {
        let running = start().await;
        running.log.hold();
        let mut client = TcpStream::connect(running.at).await.unwrap();
        let head = format!("POST /v1/logs HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: {}\r\n\r\n{ONE}", ONE.len());
        client.write_all(head.as_bytes()).await.unwrap();
        until(|| running.log.waiting() == 1).await;
        let mut reply = [0; 15];
        assert!(timeout(Duration::from_millis(20), client.read(&mut reply)).await.is_err(), "nothing is durable yet");
        running.log.release(Ok(()));
        client.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"HTTP/1.1 200 OK");
        assert_eq!(running.log.texts(), [r#"{"message":"a"}"#]);
        assert_eq!(running.log.batches()[0].origin.source, "otlp:tcp:127.0.0.1");
        assert_eq!(running.end().await.stored, 1);
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_is_still_counted() {
        let running = start().await;
        running.log.hold();
        let mut client = TcpStream::connect(running.at).await.unwrap();
        let head = format!("POST /v1/logs HTTP/1.1\r\nHost: x\r\n{JSON}Content-Length: {}\r\n\r\n{ONE}", ONE.len());
        client.write_all(head.as_bytes()).await.unwrap();
        until(|| running.log.waiting() == 1).await;
        drop(client);
        running.log.release(Ok(()));
        until(|| running.counters.snapshot().stored == 1).await;
        running.end().await;
    }

    #[tokio::test]
    async fn replies_have_the_format_of_the_request() {
        let running = start().await;
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(ONE.as_bytes()).unwrap();
        let headers = format!("{JSON}Content-Encoding: gzip\r\n");
        let (status, head, body) = running.post(&headers, &gzip.finish().unwrap()).await;
        assert_eq!((status, body.as_slice()), (200, &b"{}"[..]));
        assert!(head.contains("content-type: application/json"), "{head}");
        let (status, head, body) = running.post("Content-Type: application/x-protobuf\r\n", b"").await;
        assert_eq!((status, body.as_slice()), (200, &b""[..]));
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        let long = ONE.replace("\"a\"", &format!("\"{}\"", "x".repeat(9 << 20)));
        let (status, _, body) = running.post(JSON, long.as_bytes()).await;
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &json["partialSuccess"]["rejectedLogRecords"]), (200, &"1".into()));
        let now = running.end().await;
        assert_eq!((now.stored, now.dropped["too_large"]), (1, 1));
    }

    #[tokio::test]
    async fn a_refusing_log_is_asked_again_later() {
        for error in [AppendError::Full, AppendError::Closed] {
            let running = start().await;
            running.log.release(Err(error.clone()));
            let (status, head, body) = running.post(JSON, ONE.as_bytes()).await;
            assert!(status == 503 && head.contains("retry-after: 5"), "{head}");
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&json["code"], &json["message"]), (&14.into(), &error.to_string().into()));
            running.end().await;
        }
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_asked_for_again() {
        let running = start().await;
        for (headers, body, status) in [
            (JSON.to_owned(), &b"{"[..], 400),
            ("Content-Type: application/x-protobuf\r\n".to_owned(), b"\x0a\xff", 400),
            (format!("{JSON}Content-Encoding: gzip\r\n"), b"{}", 400),
            (format!("{JSON}Content-Encoding: br\r\n"), b"{}", 415),
            ("Content-Type: text/plain\r\n".to_owned(), b"{}", 415),
            (String::new(), b"{}", 415),
        ] {
            let (found, head, _) = running.post(&headers, body).await;
            assert!(found == status && !head.contains("retry-after"), "{headers} {head}");
        }
        assert!(running.end().await.last_error.is_some());
    }

    #[tokio::test]
    async fn too_much_at_once_is_refused_for_now() {
        let log = FakeLog::start();
        let delivery = Delivery::start(log.intake(), Arc::default());
        let receiver = Arc::new(Receiver::new(delivery, None));
        let _all = receiver.room.try_acquire_many(u32::try_from(BODIES_BYTES_MAX).unwrap()).unwrap();
        let request =
            Request::post("/v1/logs").header("content-type", "application/json").body(Body::from(ONE)).unwrap();
        let response = export(State(Arc::clone(&receiver)), request).await;
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], RETRY_SECONDS);
        let request =
            Request::post("/v1/logs").header("content-type", "application/json").header("content-length", "999999999");
        assert_eq!(export(State(Arc::clone(&receiver)), request.body(Body::empty()).unwrap()).await.status(), 413);
    }

    #[test]
    fn bombs_are_cut_off() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&vec![b' '; INFLATED_BYTES_MAX + 1]).unwrap();
        assert!(matches!(inflate(&gzip.finish().unwrap()), Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, ..))));
    }

    #[test]
    fn exports_become_records() {
        check_twins("otlp", |bodies| {
            let mut records = Vec::new();
            for body in bodies {
                let format = if body.first() == Some(&b'{') { Format::Json } else { Format::Protobuf };
                otlp::decode(&body, format, &mut |record| records.push(record)).unwrap();
            }
            records
        });
    }
}
