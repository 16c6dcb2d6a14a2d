//! `http { port => 8080 }`: the bodies of requests.
//!
//! A request is answered once its events are safe: with 200 and `ok`, or as `response_code` and `response_headers` say. The
//! codec is the one of `additional_codecs` for the type of the content (`application/json` is read as `json`), and `codec` for
//! all others. What is known of the request is in fields; what an event says of itself stays.
//!
//! Limits: `max_content_length`, before and after inflating (100 MiB, [`BODY_BYTES_MAX`] at most), and of that
//! [`RECORD_BYTES_MAX`] for what the codec reads at once, so for a body that is no lines: then the answer is 413.
//! [`BODIES_BYTES_MAX`] for all bodies at a time and `max_pending_requests` for requests that wait for the pipeline: then it is
//! 429.

use super::{
    Decoding, Entrance, Fields, InputError, InputKind, Kept, Record, Source, Stream,
    connection::Connection,
    record,
    requests::{Answer, Counted, Head, Refused, Requests, hashed},
    sockets::{self, Server, host_and_port},
    tls::{self, Clients},
};
use crate::{
    codecs::plugins::{
        self, Reading,
        framing::{Cut, Cutter, Framing, Piece, Tags},
    },
    config::{Ecs, Options},
    event::{Event, Key, Map, Value},
    filters::Scratch,
    flow::{FRAME_BYTES_MAX, Stop},
    inputs::address::Address,
    log::ORIGIN_BYTES_MAX,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::{Bytes, BytesMut};
use logship_parsers::config::{
    Diagnostic, FieldRef,
    ast::{self, SpanIgnored, Text, ValueKind},
    typed,
};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicUsize},
};

pub(super) const KIND: InputKind = InputKind {
    name: "http",
    summary: "Bodies of HTTP requests",
    options: &[
        "additional_codecs",
        "cipher_suites",
        "host",
        "keystore",
        "keystore_password",
        "max_content_length",
        "max_pending_requests",
        "password",
        "port",
        "remote_host_target_field",
        "request_headers_target_field",
        "response_code",
        "response_headers",
        "ssl",
        "ssl_certificate",
        "ssl_certificate_authorities",
        "ssl_cipher_suites",
        "ssl_client_authentication",
        "ssl_enabled",
        "ssl_handshake_timeout",
        "ssl_key",
        "ssl_key_passphrase",
        "ssl_keystore_password",
        "ssl_keystore_path",
        "ssl_supported_protocols",
        "ssl_verify_mode",
        "threads",
        "tls_max_version",
        "tls_min_version",
        "user",
        "verify_mode",
    ],
    codec: "plain",
    needs_log: true,
    host: None,
    path: None,
    build,
};

/// The largest body that may be asked for.
pub const BODY_BYTES_MAX: usize = 256 << 20;
/// What all bodies of an input may take at a time.
pub const BODIES_BYTES_MAX: usize = 512 << 20;
/// The longest line, or body where the codec reads it whole: what fits into a frame of the log.
pub const RECORD_BYTES_MAX: usize = FRAME_BYTES_MAX;
/// Types of content that have a codec of their own.
pub const CODECS_MAX: usize = 100;
const CONTENT_BYTES: u64 = 100 << 20;
const PENDING_REQUESTS: i64 = 200;
const PORT: u16 = 8080;
/// Records handed over at once.
const BATCH_RECORDS: usize = 1_024;

struct Http {
    server: Server,
    answering: Answering,
    codecs: Arc<Codecs>,
}

/// Codecs by the type of the content, beside the one for all others, whose number is 0.
struct Codecs(Vec<(String, Reading)>);

/// What is known and counted of requests.
struct Answering {
    names: Names,
    /// What `Authorization` says, hashed, so that comparing takes the same time whatever it is.
    login: Option<Vec<u8>>,
    status: u16,
    headers: Vec<(String, String)>,
    content_bytes_max: usize,
    pending_max: usize,
    pending: AtomicUsize,
    bodies: AtomicUsize,
}

/// Where what is known of a request goes.
struct Names {
    ecs: Ecs,
    host: FieldRef,
    headers: FieldRef,
}

fn field(path: &str) -> FieldRef {
    FieldRef { parts: path.split('.').map(str::to_owned).collect() }
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let host = options.text("host").unwrap_or_else(|| "0.0.0.0".to_owned());
    let port = options.or("port", sockets::port, PORT);
    for name in ["ssl_handshake_timeout", "threads"] {
        _ = options.get(name, typed::integer);
    }
    let content = options.or("max_content_length", typed::bytes, CONTENT_BYTES);
    let pending = options.or("max_pending_requests", typed::integer, PENDING_REQUESTS);
    let ecs = options.ecs();
    let name = |schema: &str, own: &str| field(if ecs.is_on() { schema } else { own });
    let names = Names {
        ecs,
        host: options.field("remote_host_target_field").unwrap_or_else(|| name("host.ip", "host")),
        headers: options
            .field("request_headers_target_field")
            .unwrap_or_else(|| name("@metadata.input.http.request.headers", "headers")),
    };
    let status = options.or("response_code", |value| typed::choice(value, &["200", "201", "202", "204"]), "200");
    let status = status.parse().unwrap_or(200);
    let (login, headers, codecs) = (login(options), headers(options), codecs(options));
    let tls = tls::server(options, Clients::Any);
    let answering = Answering {
        names,
        login,
        status,
        headers,
        content_bytes_max: usize::try_from(content).unwrap_or(BODY_BYTES_MAX).min(BODY_BYTES_MAX),
        pending_max: usize::try_from(pending).unwrap_or_default().max(1),
        pending: AtomicUsize::new(0),
        bodies: AtomicUsize::new(0),
    };
    let server = Server::new(Address::Tcp(host_and_port(&host, port)), tls);
    Some(Box::new(Http { server, answering, codecs: Arc::new(codecs) }))
}

fn login(options: &mut Options<'_>) -> Option<Vec<u8>> {
    let place = ["user", "password"].iter().find_map(|name| options.value(name)).map(|value| value.span.0);
    match (options.text("user"), options.text("password")) {
        (Some(user), Some(password)) => {
            Some(hashed(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
        }
        (None, None) => None,
        _ => {
            let place = place.unwrap_or(options.place());
            options.report(Diagnostic::error(place, "`user` and `password` belong together").help("give both"));
            None
        }
    }
}

fn headers(options: &mut Options<'_>) -> Vec<(String, String)> {
    if !options.is_given("response_headers") {
        return vec![("Content-Type".to_owned(), "text/plain".to_owned())];
    }
    let text = |value: &ast::Value| {
        let text = typed::text(value)?;
        match text.contains(['\r', '\n', '\0']) {
            true => Err(Diagnostic::error(value.span.0, "a header has no line ends")),
            false => Ok(text.to_owned()),
        }
    };
    options.pairs("response_headers", text, text)
}

fn codecs(options: &mut Options<'_>) -> Codecs {
    let json = ast::Value {
        kind: ValueKind::String(Text { raw: "json".to_owned(), text: "json".to_owned() }),
        span: SpanIgnored(options.place()),
        variable: None,
    };
    let given = match options.is_given("additional_codecs") {
        true => {
            options.pairs("additional_codecs", |name| typed::text(name).map(str::to_owned), |value| Ok(value.clone()))
        }
        false => vec![("application/json".to_owned(), json)],
    };
    if given.len() > CODECS_MAX {
        options.report(Diagnostic::error(options.place(), format!("more than {CODECS_MAX} additional codecs")));
    }
    let mut codecs = Vec::new();
    for (mime, value) in given.into_iter().take(CODECS_MAX) {
        let reading = plugins::reading_as(options, Some(value), KIND.codec);
        codecs.extend(reading.map(|reading| (mime.to_ascii_lowercase(), reading)));
    }
    Codecs(codecs)
}

/// Records begin with the number of their codec.
impl Decoding for Arc<Codecs> {
    fn decode(&self, mut record: Bytes, codec: &Reading, scratch: &mut Scratch, out: &mut Vec<Event>) {
        let number = record.first().copied().unwrap_or_default();
        record = record.slice(record.len().min(1)..);
        let reading = usize::from(number).checked_sub(1).and_then(|place| self.0.get(place));
        reading.map_or(codec, |(_, reading)| reading).decode(record, scratch.received, out);
    }
}

impl Codecs {
    /// The number of the codec for a type of content, and how it cuts.
    fn of<'c>(&'c self, content: Option<&str>, default: &'c Framing) -> (u8, &'c Framing) {
        let mime = content.and_then(|content| content.split(';').next()).unwrap_or_default().trim();
        let found = self.0.iter().zip(1..).find(|((known, _), _)| known.eq_ignore_ascii_case(mime));
        found.map_or((0, default), |((_, reading), number)| (number, &reading.framing))
    }
}

/// The records of a body.
fn records(body: Vec<u8>, (number, framing): (u8, &Framing), fields: &Fields) -> Vec<Record> {
    let mut records = Vec::new();
    let mut add = |text: &[u8], tags: Tags| {
        let mut numbered = BytesMut::with_capacity(text.len() + 1);
        numbered.extend_from_slice(&[number]);
        numbered.extend_from_slice(text);
        records.push(record(Cut { text: numbered.freeze(), tags }, fields));
    };
    if let Framing::Messages(_) = framing {
        add(&body, Tags::default());
        return records;
    }
    let mut cutter = Cutter::new(framing);
    let mut pieces = cutter.push(&body);
    drop(body);
    pieces.extend(cutter.finish());
    for piece in pieces {
        match piece {
            Piece::Lines(lines) => {
                let whole = lines.strip_suffix(b"\n").unwrap_or(&lines);
                let lines = whole.split(|byte| *byte == b'\n');
                lines.for_each(|line| add(line.strip_suffix(b"\r").unwrap_or(line), Tags::default()));
            }
            Piece::Records(cuts) => cuts.into_iter().for_each(|cut| add(&cut.text, cut.tags)),
        }
    }
    records
}

impl Names {
    fn fields(&self, head: &Head, peer: Option<SocketAddr>, has_login: bool) -> Fields {
        let mut fields = Vec::new();
        let mut known = |name: &str, value: Option<Value>| fields.extend(value.map(|value| (field(name), value)));
        let text = |name: &str| head.header(name).map(Value::from);
        if self.ecs.is_on() {
            known("http.version", Some(Value::from(format!("HTTP/1.{}", head.version))));
            known("user_agent.original", text("user-agent"));
            let (domain, port) = domain_and_port(head.header("host"));
            known("url.domain", domain.map(Value::from));
            known("url.port", port.map(Value::Int));
            known("http.method", Some(Value::from(head.method.as_str())));
            known("url.path", Some(Value::from(head.target.as_str())));
            known("http.request.body.bytes", text("content-length"));
            known("http.request.mime_type", text("content-type"));
        }
        fields.push((self.headers.clone(), Value::Map(headers_as_named(head, has_login))));
        fields.extend(peer.map(|peer| (self.host.clone(), Value::from(peer.ip().to_string()))));
        fields.into()
    }
}

/// How long the fields of a request are at most, as the log writes them: JSON in JSON, some headers twice.
fn weight(head: &Head) -> usize {
    let of =
        |text: &str| text.bytes().map(|byte| if matches!(byte, b'"' | b'\\' | b'\t') { 4 } else { 1 }).sum::<usize>();
    2 * of(&head.target) + head.headers.iter().map(|(name, value)| name.len() + 2 * of(value) + 16).sum::<usize>()
}

/// The headers of a request by the names that Logstash gives them, and what its first line says.
fn headers_as_named(head: &Head, has_login: bool) -> Map {
    let mut map = Map::with_capacity(head.headers.len() + 3);
    for (name, value) in &head.headers {
        let name = match name.as_str() {
            "accept" => "http_accept".to_owned(),
            "host" => "http_host".to_owned(),
            "user-agent" => "http_user_agent".to_owned(),
            // It was looked at, and is a secret.
            "authorization" if has_login => continue,
            name => name.replace('-', "_"),
        };
        map.insert(Key::from(name.as_str()), Value::from(value.as_str()));
    }
    map.insert(Key::from("request_method"), Value::from(head.method.as_str()));
    map.insert(Key::from("request_path"), Value::from(head.target.as_str()));
    map.insert(Key::from("http_version"), Value::from(format!("HTTP/1.{}", head.version)));
    map
}

fn domain_and_port(host: Option<&str>) -> (Option<&str>, Option<i64>) {
    let Some(host) = host else { return (None, None) };
    match host.rsplit_once(':') {
        Some((domain, port)) if !domain.contains(':') || domain.ends_with(']') => {
            (Some(domain.trim_matches(['[', ']'])), port.parse().ok())
        }
        _ => (Some(host), None),
    }
}

impl Answering {
    /// Answers the requests of a connection.
    fn talk(
        &self,
        connection: &mut Connection,
        codecs: &Codecs,
        entrance: &Entrance,
        stop: &Stop,
    ) -> Result<(), InputError> {
        let peer = connection.peer;
        let mut requests = Requests::new(connection, stop);
        let mut stream = entrance.stream([]);
        loop {
            let asked = requests.head().and_then(|head| {
                let taken = self.take(&mut requests, &head, peer, codecs, (entrance, &mut stream));
                Ok((head.keeps_alive() && !stop.is_requested(), head.method == "HEAD", taken?))
            });
            let mut headers = self.headers.clone();
            let (keeps_alive, is_bare, status, text) = match asked {
                Ok((keeps_alive, is_bare, Ok(()))) => (keeps_alive, is_bare, self.status, "ok"),
                Ok((.., Err(closed))) => {
                    // Its events are nowhere: whoever sent them should do so again, somewhere else.
                    let text = "the pipeline has ended";
                    requests.answer(&Answer {
                        status: 503,
                        text,
                        headers: &headers,
                        keeps_alive: false,
                        is_bare: false,
                    })?;
                    return Err(closed);
                }
                Err(Refused::Ended) => return Ok(()),
                Err(Refused::Broken(cause)) => return Err(cause.into()),
                Err(Refused::Answer(status, text)) => (false, false, status, text),
            };
            if status == 401 {
                headers.push(("WWW-Authenticate".to_owned(), "Basic realm=\"logship\"".to_owned()));
            }
            requests.answer(&Answer { status, text, headers: &headers, keeps_alive, is_bare })?;
            if status >= 400 {
                requests.linger();
            }
            if !keeps_alive {
                return Ok(());
            }
        }
    }

    /// Takes one request in and waits until it is safe.
    fn take(
        &self,
        requests: &mut Requests<'_>,
        head: &Head,
        peer: Option<SocketAddr>,
        codecs: &Codecs,
        (entrance, stream): (&Entrance, &mut Stream),
    ) -> Result<Result<(), InputError>, Refused> {
        let shown = head.header("authorization").map(hashed);
        if self.login.is_some() && self.login != shown {
            return Err(Refused::Answer(401, "who are you?"));
        }
        if weight(head) > ORIGIN_BYTES_MAX / 2 {
            return Err(Refused::Answer(431, "too large a head"));
        }
        let mut room = Counted::new(&self.bodies);
        let body = requests.body(head, self.content_bytes_max, &mut |more| room.add(more, BODIES_BYTES_MAX))?;
        let mut pending = Counted::new(&self.pending);
        if !pending.add(1, self.pending_max) {
            return Err(Refused::Answer(429, "busy"));
        }
        let mut records = records(
            body,
            codecs.of(head.header("content-type"), entrance.framing()),
            &self.names.fields(head, peer, self.login.is_some()),
        );
        if records.iter().any(|record| record.text.len() > RECORD_BYTES_MAX) {
            return Err(Refused::Answer(413, "too large an event"));
        }
        let mut give = || {
            while records.len() > BATCH_RECORDS {
                let rest = records.split_off(BATCH_RECORDS);
                stream.records(std::mem::replace(&mut records, rest))?;
            }
            stream.records(std::mem::take(&mut records))?;
            stream.settle()
        };
        Ok(give())
    }
}

impl Source for Http {
    fn open(&mut self, kept: &mut Kept) -> io::Result<()> {
        self.server.open(kept)
    }

    fn local(&self) -> Option<SocketAddr> {
        self.server.local()
    }

    fn decoding(&mut self) -> Option<Box<dyn Decoding>> {
        Some(Box::new(Arc::clone(&self.codecs)))
    }

    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let Http { server, answering, codecs } = *self;
        let (entrance, asked) = (entrance.clone(), stop.clone());
        server.serve(stop, move |mut connection| answering.talk(&mut connection, &codecs, &entrance, &asked))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing as secure, *};
    use crate::pipeline::configured::testing::{Running, mistakes, start, start_unsettled};
    use std::{
        io::{Read as _, Write as _},
        net::TcpStream,
    };

    fn connect(running: &Running) -> TcpStream {
        TcpStream::connect(running.at.unwrap()).unwrap()
    }

    /// The answers to what is sent, up to the end of the connection.
    fn ask(running: &Running, text: &[u8]) -> String {
        let mut client = connect(running);
        client.write_all(text).unwrap();
        client.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = String::new();
        _ = client.read_to_string(&mut answer);
        answer
    }

    fn post(headers: &str, body: &str) -> Vec<u8> {
        format!("POST /a?b=c HTTP/1.1\r\nHost: web1:8080\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
            .into_bytes()
    }

    fn server(options: &str, ecs: Ecs) -> Running {
        start(&format!("http {{ host => '127.0.0.1' port => 0 {options} }}"), ecs)
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 2\r\n\r\nok";

    #[test]
    fn bodies_are_events_with_what_is_known_of_the_request() {
        let check = |ecs: Ecs, expected: &str| {
            let running = server("", ecs);
            let request = post("User-Agent: curl\r\nX-Y: z\r\nContent-Type: text/plain\r\n", "hello");
            assert_eq!(ask(&running, &request), OK);
            assert_eq!(running.json(), expected);
            assert!(running.end().is_empty());
        };
        let headers = concat!(
            r#"{"http_host":"web1:8080","http_user_agent":"curl","x_y":"z","content_type":"text/plain","#,
            r#""content_length":"5","request_method":"POST","request_path":"/a?b=c","http_version":"HTTP/1.1"}"#
        );
        check(Ecs::Disabled, &format!(r#"{{"message":"hello","headers":{headers},"host":"127.0.0.1"}}"#));
        let http = concat!(
            r#""http":{"version":"HTTP/1.1","method":"POST","request":{"body":{"bytes":"5"},"#,
            r#""mime_type":"text/plain"}},"user_agent":{"original":"curl"},"#,
            r#""url":{"domain":"web1","port":8080,"path":"/a?b=c"},"host":{"ip":"127.0.0.1"}"#
        );
        let meta = format!(r#""@metadata":{{"input":{{"http":{{"request":{{"headers":{headers}}}}}}}}}"#);
        let running = format!(r#"{{"message":"hello","event":{{"original":"hello"}},{http},{meta}}}"#);
        check(Ecs::V8, &running);
    }

    /// The messages that come of a request.
    fn messages(options: &str, request: &[u8], expected: &[&str]) {
        let running = server(options, Ecs::Disabled);
        assert_eq!(ask(&running, request), OK);
        let seen: Vec<_> = running.end().iter().map(|event| event.message().unwrap_or_default().to_owned()).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn codecs_are_chosen_by_the_type_of_the_content() {
        let json = post("content-type: Application/JSON; charset=UTF-8\r\n", r#"[{"message":"a"},{"message":"b"}]"#);
        messages("", &json, &["a", "b"]);
        messages("additional_codecs => { }", &json, &[r#"[{"message":"a"},{"message":"b"}]"#]);
        let lines = post("Content-Type: text/csv\r\n", "a\r\nb\n\nc");
        messages("additional_codecs => { 'text/csv' => 'line' }", &lines, &["a", "b", "", "c"]);
        messages("codec => line", &lines, &["a", "b", "", "c"]);
        messages("", &lines, &["a\r\nb\n\nc"]);
        let latin = [&post("Content-Type: x/y\r\n", "____")[..]].concat();
        let latin = String::from_utf8(latin).unwrap().replace("____", "\u{e9}\u{e9}");
        messages("additional_codecs => { 'x/y' => plain { charset => 'ISO-8859-1' } }", latin.as_bytes(), &["Ã©Ã©"]);
    }

    #[test]
    fn bodies_come_compressed_and_in_chunks() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"packed").unwrap();
        let body = gzip.finish().unwrap();
        let head = format!("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
        messages("", &[head.as_bytes(), &body].concat(), &["packed"]);
        let chunks = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n";
        messages("", chunks.as_bytes(), &["abcde"]);
    }

    #[test]
    fn connections_are_encrypted() {
        let running = start(&format!("http {{ {} }}", secure::server("ssl_enabled => true")), Ecs::Disabled);
        let mut client = secure::connect(running.at.unwrap(), "ssl_certificate_authorities => CA");
        client.write_all(&post("", "hello")).unwrap();
        let (never, mut answer) = (Stop::new().unwrap(), Vec::new());
        while answer.len() < OK.len() {
            client.wait(&never, None).unwrap();
            let mut bytes = [0; 1_024];
            let count = client.read(&mut bytes).unwrap();
            assert!(count > 0);
            answer.extend_from_slice(&bytes[..count]);
        }
        assert_eq!(String::from_utf8(answer).unwrap(), OK);
        assert_eq!(running.messages(1), ["hello"]);
        running.end();
    }

    #[test]
    fn requests_follow_each_other() {
        let running = server("response_code => 204 response_headers => { 'X-Y' => 'z' }", Ecs::Disabled);
        let requests = [post("", "one"), post("Connection: close\r\n", "two"), post("", "three")].concat();
        let one = "HTTP/1.1 204 No Content\r\nX-Y: z\r\n";
        assert_eq!(ask(&running, &requests), format!("{one}\r\n{one}connection: close\r\n\r\n"));
        assert_eq!(running.messages(2), ["one", "two"]);
        assert!(running.end().is_empty());
    }

    #[test]
    fn answers_wait_until_events_are_safe() {
        let running = start_unsettled("http { host => '127.0.0.1' port => 0 max_pending_requests => 1 }", Ecs::V8);
        let mut client = connect(&running);
        client.write_all(&post("", "one")).unwrap();
        assert_eq!(running.messages(1), ["one"]);
        client.set_nonblocking(true).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();
        assert!(ask(&running, &post("", "two")).starts_with("HTTP/1.1 429 "), "the pipeline is behind");
        running.settle();
        let mut answer = vec![0; OK.len()];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), OK);
        assert!(running.end().is_empty());
    }

    #[test]
    fn what_is_no_good_request_is_refused() {
        let login = "user => ann password => secret max_content_length => 10";
        let running = server(login, Ecs::Disabled);
        let check = |request: &[u8], expected: &str| {
            let answer = ask(&running, request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{answer}");
        };
        let good = format!("Authorization: Basic {}\r\n", STANDARD.encode("ann:secret"));
        check(&post(&good, "hello"), "200");
        check(&post("", "hello"), "401");
        check(&post(&format!("Authorization: Basic {}\r\n", STANDARD.encode("ann:other")), "hello"), "401");
        check(&post(&good, "hello hello"), "413");
        check(&post(&format!("{good}Transfer-Encoding: chunked\r\n"), "hello"), "400");
        check(&post(&format!("{good}Content-Encoding: br\r\n"), "hello"), "415");
        check(&post(&format!("{good}Content-Encoding: gzip\r\n"), "hello"), "400");
        let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&[b'x'; 11]).unwrap();
        let bomb = bomb.finish().unwrap();
        let running = server("max_content_length => 30", Ecs::Disabled);
        let head = format!("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
        assert_eq!(ask(&running, &[head.as_bytes(), &bomb].concat()), OK);
        assert!(ask(&running, b"\x16\x03\x01\x02").starts_with("HTTP/1.1 400 "));
        running.end();
    }

    #[test]
    fn mistakes_are_told() {
        let check = |input: &str, expected: &str| {
            let told: Vec<_> = mistakes(input).into_iter().map(|diagnostic| diagnostic.message).collect();
            assert_eq!(told, [expected], "{input}");
        };
        check("http { user => ann }", "`user` and `password` belong together");
        check("http { additional_codecs => { 'a/b' => 'nope' } }", "there is no codec `nope`");
        check("http { response_headers => { 'a' => \"x\ny\" } }", "a header has no line ends");
    }
}
