//! `beats { port => 5044 }`: events of Filebeat and the other Beats, of Elastic Agent and of `logstash-forwarder`.
//!
//! An event is acknowledged once it is safe, so that nothing is lost; what a sender sends again after a lost answer comes
//! twice. A sender whose events take long is told every [`PATIENCE_WAIT`] to be patient. What is no JSON is a message, tagged
//! `_jsonparsefailure`.
//!
//! Where an event has a `message` (or `line`), that is what the codec reads; the other fields go beside what the codec made of it.
//! Tags say so: `beats_input_codec_plain_applied` or, without a message, `beats_input_raw_event`.
//!
//! Bounds: those of [`lumberjack`](crate::codecs::lumberjack); [`ACK_EVENTS_MAX`] events without an answer.

use super::{
    Decoding, Entrance, Fields, InputError, InputKind, Kept, Record, Source, Stream,
    connection::{Connection, Identity},
    sockets::{self, Server, host_and_port},
    tls::{self, Clients},
};
use crate::{
    codecs::{
        lumberjack::{EVENT_BYTES_MAX, Frame, Lumberjack, LumberjackError, Version, ack},
        plugins::Reading,
    },
    config::Options,
    event::{Event, Key, Map, TAGS, Value, absorbed, render},
    filters::Scratch,
    flow::{FRAME_BYTES_MAX, Stop, Woken},
    inputs::address::Address,
};
use bytes::Bytes;
use bytestring::ByteString;
use logship_parsers::config::{FieldRef, ast::ValueKind, typed};
use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

const OPTIONS: &[&str] = &[
    "add_hostname",
    "cipher_suites",
    "client_inactivity_timeout",
    "enrich",
    "event_loop_threads",
    "executor_threads",
    "host",
    "include_codec_tag",
    "port",
    "ssl",
    "ssl_certificate",
    "ssl_certificate_authorities",
    "ssl_cipher_suites",
    "ssl_client_authentication",
    "ssl_enabled",
    "ssl_handshake_timeout",
    "ssl_key",
    "ssl_key_passphrase",
    "ssl_peer_metadata",
    "ssl_supported_protocols",
    "ssl_verify_mode",
    "tls_max_version",
    "tls_min_version",
];

pub(super) const KIND: InputKind = InputKind {
    name: "beats",
    summary: "Events of Beats",
    options: OPTIONS,
    codec: "plain",
    needs_log: true,
    host: None,
    path: None,
    build,
};

pub(super) const ELASTIC_AGENT: InputKind =
    InputKind { name: "elastic_agent", summary: "Events of Elastic Agent", ..KIND };

/// Events that are taken before they are safe; then the sender is told how far they are.
pub const ACK_EVENTS_MAX: usize = 4_096;
/// How often a sender is told that its events take long.
pub const PATIENCE_WAIT: Duration = Duration::from_secs(5);
/// A sender that says nothing for so many seconds is left.
const IDLE_SECONDS: i64 = 60;
/// Events handed over at once, and their bytes.
const BATCH: (usize, usize) = (512, 1 << 20);
/// Bytes read at once.
const READ_BYTES: usize = 16 << 10;
// What is longer than a frame of the log would be lost.
const _: () = assert!(EVENT_BYTES_MAX <= FRAME_BYTES_MAX);

#[derive(Debug)]
struct Beats {
    server: Server,
    idle: Option<Duration>,
    /// Where the address of the sender goes, where it is asked for.
    ip: Option<FieldRef>,
    /// Where what is known of its certificate goes, where that is asked for.
    peer: Option<Peer>,
    reader: Reader,
}

/// Where what is known of a certificate goes.
#[derive(Debug)]
struct Peer {
    status: FieldRef,
    version: FieldRef,
    subject: FieldRef,
    cipher: FieldRef,
}

impl Peer {
    fn fields(&self, identity: Option<Identity>) -> Vec<(FieldRef, Value)> {
        let status = if identity.is_some() { "verified" } else { "unverified" };
        let mut fields = vec![(self.status.clone(), Value::from(status))];
        if let Some(Identity { subject, version, cipher }) = identity {
            let known = [(&self.version, version), (&self.subject, subject), (&self.cipher, cipher)];
            fields.extend(known.map(|(field, text)| (field.clone(), Value::from(text))));
        }
        fields
    }
}

/// What is made of events.
#[derive(Clone, Debug)]
struct Reader {
    /// The tag of what the codec made, where tags are asked for.
    tag: Option<String>,
    /// Whether messages go to the codec: otherwise they stay as they are.
    uses_codec: bool,
    /// Where the name of the sender goes, where it is asked for.
    host: Option<FieldRef>,
}

fn field(path: &str) -> FieldRef {
    FieldRef { parts: path.split('.').map(str::to_owned).collect() }
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let host = options.text("host").unwrap_or_else(|| "0.0.0.0".to_owned());
    let port = options.required("port", sockets::port);
    for name in ["event_loop_threads", "executor_threads", "ssl_handshake_timeout"] {
        _ = options.get(name, typed::integer);
    }
    let idle = options.or("client_inactivity_timeout", typed::integer, IDLE_SECONDS);
    let is_ecs = options.ecs().is_on();
    let name = |schema: &str, own: &str| field(if is_ecs { schema } else { own });
    let enriched = |options: &mut Options<'_>, category: &str, default: bool| {
        let known = ["all", "codec_metadata", "none", "source_metadata", "ssl_peer_metadata"];
        match options.is_given("enrich") {
            true => {
                let given = options.each("enrich", |value| typed::choice(value, &known).map(str::to_owned));
                given.iter().any(|name| name == category || name == "all")
            }
            false => default,
        }
    };
    let has_codec_tag = enriched(options, "codec_metadata", true);
    let has_source = enriched(options, "source_metadata", true);
    let has_peer = enriched(options, "ssl_peer_metadata", false);
    let peer = Peer {
        status: field("@metadata.tls_peer.status"),
        version: name("@metadata.input.beats.tls.version_protocol", "@metadata.tls_peer.protocol"),
        subject: name("@metadata.input.beats.tls.client.subject", "@metadata.tls_peer.subject"),
        cipher: name("@metadata.input.beats.tls.cipher", "@metadata.tls_peer.cipher_suite"),
    };
    let has_peer = options.flag("ssl_peer_metadata", has_peer);
    let codec = codec_name(options);
    let reader = Reader {
        uses_codec: has_codec_tag || options.is_given("codec"),
        tag: options.flag("include_codec_tag", has_codec_tag).then(|| format!("beats_input_codec_{codec}_applied")),
        host: options.flag("add_hostname", false).then(|| name("@metadata.input.beats.host.name", "host")),
    };
    let tls = tls::server(options, Clients::Any);
    Some(Box::new(Beats {
        peer: (has_peer && tls.is_some()).then_some(peer),
        server: Server::new(Address::Tcp(host_and_port(&host, port?)), tls),
        idle: u64::try_from(idle).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs),
        ip: has_source.then(|| name("@metadata.input.beats.host.ip", "@metadata.ip_address")),
        reader,
    }))
}

fn codec_name(options: &Options<'_>) -> String {
    let given = options.value("codec").and_then(|value| match &value.kind {
        ValueKind::Plugin(plugin) => Some(plugin.name.text.clone()),
        _ => value.as_str().map(str::to_owned),
    });
    given.unwrap_or_else(|| KIND.codec.to_owned())
}

impl Decoding for Reader {
    fn decode(&self, record: Bytes, codec: &Reading, scratch: &mut Scratch, out: &mut Vec<Event>) {
        let text = ByteString::try_from(record.clone())
            .unwrap_or_else(|_| String::from_utf8_lossy(&record).into_owned().into());
        let before = out.len();
        let parsed = logship_parsers::json::parse_value(&text).map(|(value, budget)| (absorbed(&text, value), budget));
        let Ok((Value::Map(mut fields), budget)) = parsed else {
            let mut event = Event::from_line(scratch.received, text);
            event.fields.insert(Key::from("@version"), Value::from("1"));
            event.tag("_jsonparsefailure");
            return out.push(event);
        };
        match take_message(&mut fields) {
            Some(message) if self.uses_codec => codec.decoder.decode(message, scratch.received, out),
            Some(message) => out.push(Event::from_line(scratch.received, message)),
            None => {
                let mut event = Event::new(scratch.received);
                fields.into_iter().for_each(|(key, value)| event.take_in(key, value));
                out.push(event);
                self.finish(&mut out[before..], "beats_input_raw_event", &budget);
                return;
            }
        }
        for event in &mut out[before..] {
            fields.iter().for_each(|(key, value)| merge(event, key, value));
        }
        self.finish(&mut out[before..], self.tag.as_deref().unwrap_or_default(), &budget);
    }
}

impl Reader {
    fn finish(&self, events: &mut [Event], tag: &str, budget: &logship_parsers::json::Budget) {
        for event in events {
            if event.fields.get("@version").is_none() {
                event.fields.insert(Key::from("@version"), Value::from("1"));
            }
            if let Some(host) = &self.host
                && !event.contains(host)
                && let Some(name) = event.get(&field("beat.hostname")).map(|name| name.into_owned())
            {
                _ = event.set(host, name);
            }
            if self.tag.is_some() {
                event.tag(tag);
            }
            budget.tags().for_each(|tag| event.tag(tag));
        }
    }
}

/// What the codec reads.
fn take_message(fields: &mut Map) -> Option<ByteString> {
    let name =
        ["message", "line"].into_iter().find(|name| fields.get(name).is_some_and(|value| *value != Value::Null))?;
    Some(match fields.remove(name)? {
        Value::Str(text) => text,
        other => {
            let mut text = String::new();
            render::write_text(&mut text, &other);
            text.into()
        }
    })
}

/// Sets a field that the sender gave; an object goes into the one that is there.
fn merge(event: &mut Event, key: &Key, value: &Value) {
    match (event.fields.get_mut(key.as_str()), value) {
        (Some(Value::Map(there)), Value::Map(more)) => {
            more.iter().for_each(|(key, value)| _ = there.insert(key.clone(), value.clone()));
        }
        _ => event.take_in(key.clone(), value.clone()),
    }
}

impl Source for Beats {
    fn open(&mut self, kept: &mut Kept) -> io::Result<()> {
        self.server.open(kept)
    }

    fn local(&self) -> Option<SocketAddr> {
        self.server.local()
    }

    fn decoding(&mut self) -> Option<Box<dyn Decoding>> {
        Some(Box::new(self.reader.clone()))
    }

    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let Beats { server, idle, ip, peer, .. } = *self;
        let (entrance, asked) = (entrance.clone(), stop.clone());
        let patience = Patience::start(stop)?;
        let name = server.address.to_string();
        server.serve(stop, move |mut connection| {
            let from = ip.clone().zip(connection.peer).map(|(ip, peer)| (ip, Value::from(peer.ip().to_string())));
            let mut known: Vec<_> = from.into_iter().collect();
            if let Some(peer) = &peer {
                connection.wait(&asked, idle)?;
                known.extend(peer.fields(connection.identity()));
            }
            let fields = Fields::from(known);
            let line = patience.watched(connection);
            let mut sender = Sender::new(&line, entrance.stream(fields.clone()), fields);
            let read = sender.read(&asked, idle);
            if let Err(Trouble::Protocol(cause)) = &read {
                tracing::warn!("{name}: {cause}; the connection is closed");
            }
            // What was taken before is as good as any.
            sender.answer()?;
            match read {
                Err(Trouble::Other(cause)) => Err(cause),
                Ok(()) | Err(Trouble::Protocol(_)) => Ok(()),
            }
        })
    }
}

/// Why a sender is left.
enum Trouble {
    Protocol(LumberjackError),
    Other(InputError),
}

impl<E: Into<InputError>> From<E> for Trouble {
    fn from(cause: E) -> Trouble {
        Trouble::Other(cause.into())
    }
}

/// A connection that is written to by who reads it, and by [`Patience`] while that waits for the pipeline.
struct Line {
    connection: Mutex<Connection>,
    is_waiting: AtomicBool,
}

impl Line {
    fn held(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One sender.
struct Sender<'l> {
    line: &'l Line,
    lumberjack: Lumberjack,
    stream: Stream,
    fields: Fields,
    batch: Vec<Record>,
    batch_bytes: usize,
    /// Events of the window that are still to come.
    left: u32,
    /// Events that are not answered yet, and the number of the last.
    unanswered: usize,
    sequence: u32,
}

impl<'l> Sender<'l> {
    fn new(line: &'l Line, stream: Stream, fields: Fields) -> Sender<'l> {
        Sender {
            line,
            lumberjack: Lumberjack::default(),
            stream,
            fields,
            batch: Vec::new(),
            batch_bytes: 0,
            left: 0,
            unanswered: 0,
            sequence: 0,
        }
    }

    fn read(&mut self, stop: &Stop, idle: Option<Duration>) -> Result<(), Trouble> {
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let count = {
                let mut connection = self.line.held();
                match connection.wait(stop, idle)? {
                    Woken::Readable => connection.read(&mut bytes)?,
                    Woken::Late | Woken::Stop => 0,
                }
            };
            if count == 0 {
                return Ok(());
            }
            self.lumberjack.push(&bytes[..count]);
            while let Some(frame) = self.lumberjack.next_frame().map_err(Trouble::Protocol)? {
                match frame {
                    Frame::Window(events) => self.left = events,
                    Frame::Event { sequence, json, is_cut } => self.take(sequence, json, is_cut)?,
                }
            }
        }
    }

    fn take(&mut self, sequence: u32, json: Bytes, is_cut: bool) -> Result<(), InputError> {
        self.sequence = sequence;
        self.unanswered += 1;
        self.left = self.left.saturating_sub(1);
        self.batch_bytes += json.len();
        let fields = if is_cut { truncated(&self.fields) } else { self.fields.clone() };
        self.batch.push(Record { text: json, fields });
        if self.left == 0 || self.unanswered >= ACK_EVENTS_MAX {
            return self.answer();
        }
        if self.batch.len() >= BATCH.0 || self.batch_bytes >= BATCH.1 {
            self.line.is_waiting.store(true, Ordering::Release);
            self.hand_over()?;
            self.line.is_waiting.store(false, Ordering::Release);
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), InputError> {
        self.batch_bytes = 0;
        self.stream.records(std::mem::take(&mut self.batch))
    }

    /// Says that all that was taken is safe, once it is.
    fn answer(&mut self) -> Result<(), InputError> {
        if self.unanswered == 0 {
            return Ok(());
        }
        self.line.is_waiting.store(true, Ordering::Release);
        self.hand_over()?;
        self.stream.settle()?;
        self.line.is_waiting.store(false, Ordering::Release);
        self.unanswered = 0;
        let answer = ack(self.lumberjack.version(), self.sequence);
        Ok(self.line.held().write_all(&answer)?)
    }
}

fn truncated(fields: &Fields) -> Fields {
    let tags = FieldRef { parts: vec![TAGS.to_owned()] };
    fields.iter().cloned().chain([(tags, Value::List(vec![Value::from("_truncated")]))]).collect()
}

/// Tells senders whose events take long to be patient: without a word they would send them again.
struct Patience(Arc<Mutex<Vec<Weak<Line>>>>);

impl Patience {
    fn start(stop: &Stop) -> io::Result<Patience> {
        let lines: Arc<Mutex<Vec<Weak<Line>>>> = Arc::default();
        let (watched, stop) = (Arc::clone(&lines), stop.clone());
        let tell = move || {
            while !stop.wait(PATIENCE_WAIT) {
                watched.lock().unwrap_or_else(PoisonError::into_inner).retain(|line| match line.upgrade() {
                    Some(line) => {
                        be_patient(&line);
                        true
                    }
                    None => false,
                });
            }
        };
        thread::Builder::new().name("beats-patience".to_owned()).spawn(tell)?;
        Ok(Patience(lines))
    }

    fn watched(&self, connection: Connection) -> Arc<Line> {
        let line = Arc::new(Line { connection: Mutex::new(connection), is_waiting: AtomicBool::new(false) });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&line));
        line
    }
}

fn be_patient(line: &Line) {
    if line.is_waiting.load(Ordering::Acquire)
        && let Ok(mut connection) = line.connection.try_lock()
    {
        // Whoever reads the connection will notice that it is broken.
        _ = connection.write_all(&ack(Version::Two, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing as secure, *};
    use crate::{
        config::Ecs,
        pipeline::configured::testing::{Running, start, start_unsettled},
    };
    use std::net::TcpStream;

    fn window(events: &[&str]) -> Vec<u8> {
        let count = u32::try_from(events.len()).unwrap();
        let mut bytes = [b"2W", &count.to_be_bytes()[..]].concat();
        for (text, sequence) in events.iter().zip(1_u32..) {
            let length = u32::try_from(text.len()).unwrap();
            bytes.extend([b"2J", &sequence.to_be_bytes()[..], &length.to_be_bytes(), text.as_bytes()].concat());
        }
        bytes
    }

    fn connect(running: &Running) -> TcpStream {
        TcpStream::connect(running.at.unwrap()).unwrap()
    }

    fn answer(client: &mut TcpStream) -> [u8; 6] {
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        answer
    }

    /// What an event becomes.
    fn check(options: &str, ecs: Ecs, sent: &str, expected: &str) {
        let running = start(&format!("beats {{ host => '127.0.0.1' port => 0 {options} }}"), ecs);
        let mut client = connect(&running);
        client.write_all(&window(&[sent])).unwrap();
        assert_eq!(running.json(), expected, "{options}");
        assert_eq!(&answer(&mut client), b"2A\0\0\0\x01");
        running.end();
    }

    const SENT: &str = concat!(
        r#"{"@timestamp":"2026-02-03T04:05:06.789Z","@metadata":{"beat":"filebeat","version":"9.1.0"},"#,
        r#""event":{"module":"x"},"message":"boom","tags":["a"]}"#
    );

    #[test]
    fn messages_go_through_the_codec() {
        let meta = r#""beat":"filebeat","version":"9.1.0""#;
        let tags = r#""tags":["a","beats_input_codec_plain_applied"]"#;
        let schema = r#""input":{"beats":{"host":{"ip":"127.0.0.1"}}}"#;
        let event = r#""event":{"original":"boom","module":"x"}"#;
        check("", Ecs::V8, SENT, &format!(r#"{{"message":"boom",{event},{tags},"@metadata":{{{meta},{schema}}}}}"#));
        let old = format!(
            r#"{{"message":"boom","event":{{"module":"x"}},{tags},"@metadata":{{{meta},"ip_address":"127.0.0.1"}}}}"#
        );
        check("", Ecs::Disabled, SENT, &old);
        let bare = format!(r#"{{"message":"boom","event":{{"module":"x"}},"tags":["a"],"@metadata":{{{meta}}}}}"#);
        check("enrich => none", Ecs::V8, SENT, &bare);
    }

    #[test]
    fn events_without_messages_stay_as_they_are() {
        let meta = r#""@metadata":{"ip_address":"127.0.0.1"}"#;
        let raw = format!(r#"{{"a":{{"b":1}},"tags":["beats_input_raw_event"],{meta}}}"#);
        check("", Ecs::Disabled, r#"{"a":{"b":1}}"#, &raw);
        let bad = format!(r#"{{"message":"[1]","tags":["_jsonparsefailure"],{meta}}}"#);
        check("", Ecs::Disabled, "[1]", &bad);
        let host = format!(r#"{{"beat":{{"hostname":"web1"}},"host":"web1",{meta}}}"#);
        let options = "add_hostname => true include_codec_tag => false";
        check(options, Ecs::Disabled, r#"{"beat":{"hostname":"web1"}}"#, &host);
        let json = format!(r#"{{"n":1,"tags":["beats_input_codec_json_applied"],{meta}}}"#);
        check("codec => json", Ecs::Disabled, r#"{"message":"{\"n\":1}"}"#, &json);
    }

    #[test]
    fn certificates_of_senders_are_known() {
        let check = |options: &str, client: &str, ecs: Ecs, expected: &str| {
            let encryption = "ssl => true ssl_certificate_authorities => [CA] ssl_verify_mode => peer";
            let options = secure::server(&format!("{encryption} include_codec_tag => false {options}"));
            let running = start(&format!("beats {{ {options} }}"), ecs);
            let mut client =
                secure::connect(running.at.unwrap(), &format!("ssl_certificate_authorities => CA {client}"));
            client.write_all(&window(&[r#"{"a":1}"#])).unwrap();
            let never = Stop::new().unwrap();
            assert_eq!(client.wait(&never, None).unwrap(), Woken::Readable);
            assert_eq!(running.json(), format!(r#"{{"a":1,"@metadata":{{{expected}}}}}"#));
            running.end();
        };
        let shown = "ssl_certificate => CERT ssl_key => KEY";
        let ours = concat!(
            r#""ip_address":"127.0.0.1","tls_peer":{"status":"verified","protocol":"TLSv1.3","#,
            r#""subject":"CN=agent","cipher_suite":"TLS_AES_256_GCM_SHA384"}"#
        );
        check("ssl_peer_metadata => true", shown, Ecs::Disabled, ours);
        let schema = concat!(
            r#""tls_peer":{"status":"verified"},"input":{"beats":{"tls":{"version_protocol":"TLSv1.3","#,
            r#""client":{"subject":"CN=agent"},"cipher":"TLS_AES_256_GCM_SHA384"}}}"#
        );
        check("enrich => ssl_peer_metadata", shown, Ecs::V8, schema);
        check("enrich => ssl_peer_metadata", "", Ecs::V8, r#""tls_peer":{"status":"unverified"}"#);
    }

    #[test]
    fn time_is_the_senders() {
        let running = start("beats { host => '127.0.0.1' port => 0 }", Ecs::V8);
        connect(&running).write_all(&window(&[SENT])).unwrap();
        assert_eq!(running.event().time.to_string(), "2026-02-03T04:05:06.789Z");
        running.end();
    }

    #[test]
    fn answers_wait_until_events_are_safe() {
        let running = start_unsettled("beats { host => '127.0.0.1' port => 0 }", Ecs::V8);
        let mut client = connect(&running);
        client.write_all(&window(&[SENT, SENT])).unwrap();
        running.messages(2);
        client.set_nonblocking(true).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        client.set_nonblocking(false).unwrap();
        running.settle();
        assert_eq!(&answer(&mut client), b"2A\0\0\0\x02");
        running.end();
    }

    #[test]
    fn versions_and_compression_are_read() {
        let running = start("beats { host => '127.0.0.1' port => 0 }", Ecs::Disabled);
        let mut client = connect(&running);
        client.write_all(b"1W\0\0\0\x011D\0\0\0\x07\0\0\0\x01\0\0\0\x04line\0\0\0\x02hi").unwrap();
        assert_eq!(running.messages(1), ["hi"]);
        assert_eq!(&answer(&mut client), b"1A\0\0\0\x07");
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        zlib.write_all(&window(&[r#"{"message":"x"}"#; 3])[6..]).unwrap();
        let body = zlib.finish().unwrap();
        let length = u32::try_from(body.len()).unwrap();
        client.write_all(&[b"2W\0\0\0\x032C", &length.to_be_bytes()[..], &body].concat()).unwrap();
        assert_eq!(running.messages(3), ["x"; 3]);
        assert_eq!(&answer(&mut client), b"2A\0\0\0\x03");
        running.end();
    }

    #[test]
    fn what_came_before_nonsense_is_taken_and_answered() {
        let running = start("beats { host => '127.0.0.1' port => 0 }", Ecs::Disabled);
        let mut client = connect(&running);
        let mut bytes = window(&[r#"{"message":"x"}"#]);
        bytes[5] = 9;
        client.write_all(&[bytes, b"GET / HTTP/1.1\r\n".to_vec()].concat()).unwrap();
        assert_eq!(running.messages(1), ["x"]);
        assert_eq!(&answer(&mut client), b"2A\0\0\0\x01");
        // Closed, also where the system says so because something was left unread.
        assert!(matches!(client.read(&mut [0]), Ok(0) | Err(_)));
        running.end();
    }
}
