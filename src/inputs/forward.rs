//! Fluent's forward protocol, version 1, over TCP or a socket file, as Docker's `fluentd` driver and Fluent Bit speak it.
//!
//! Promise: a chunk is acknowledged once its records are durable, and not at all when the log refuses them: the connection is
//! closed then and the client sends it again (at least once). What asks for no acknowledgement is dropped then, counted.
//! Parts of lines are put together ([`Parts`]), unless their acknowledgement is waited for: then each is a record of its own.
//!
//! Limits: messages of [`MESSAGE_BYTES_MAX`]; unfinished ones of all connections share what [`Shared`] allows;
//! [`DECODES_MAX`] large messages at a time are decoded, on plain threads. There is no handshake: a client with a shared key is
//! told so where it speaks first.

use super::{
    address::{Address, ListenError, Listening},
    connections::{self, CONNECTIONS_MAX, Caller, IDLE, READ_BYTES, Shared, UNFINISHED_BYTES},
    counters::{Dropped, InputCounters},
    delivery::{BATCH_BYTES, BATCH_RECORDS_MAX, BATCH_WAIT, Delivery, Sent},
    due::Due,
    sockets,
};
use crate::{
    clock,
    codecs::{
        forward::{Entry, Message, ack},
        msgpack::{Fault, Scan},
        parts::Parts,
    },
    event::LINE_BYTES_MAX,
    flow::{AppendError, Intake, Origin, Record, Shutdown},
};
use bytes::{Bytes, BytesMut};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UdpSocket,
    sync::Semaphore,
    task::{JoinSet, spawn_blocking},
    time::timeout,
};

/// Longest message.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;
/// Large messages that are decoded at a time.
pub const DECODES_MAX: usize = 2;
/// A message of more bytes is decoded on a plain thread,
const INLINE_BYTES: usize = 64 << 10;
/// or a compressed one of more bytes than this.
const INLINE_COMPRESSED_BYTES: usize = 4 << 10;
/// How long a client may take to read an acknowledgement.
const ACK_WAIT: Duration = Duration::from_secs(10);
/// How long a connection waits for room for its unfinished message.
const ROOM_WAIT: Duration = Duration::from_secs(5);
/// How often lines are looked at whose parts are missing.
const PARTS_TICK: Duration = Duration::from_secs(1);

/// How to take forward messages in.
#[derive(Clone, Debug)]
pub struct ForwardSettings {
    /// The option that names the addresses, for messages.
    pub option: String,
    /// Where to listen: `tcp` or `unix`.
    pub listen: Vec<Address>,
    /// The name of this machine, for what comes from it and names no host.
    pub host: Option<String>,
    /// Whether heartbeats are answered, over UDP at the address of each TCP listener.
    pub heartbeats: bool,
    /// Connections of a listener at a time.
    pub connections_max: usize,
    /// A connection that says nothing for so long is closed.
    pub idle: Duration,
}

impl Default for ForwardSettings {
    fn default() -> ForwardSettings {
        ForwardSettings {
            option: "--forward".to_owned(),
            listen: Vec::new(),
            host: None,
            heartbeats: false,
            connections_max: CONNECTIONS_MAX,
            idle: IDLE,
        }
    }
}

/// The input, listening.
#[derive(Debug)]
pub struct Forward {
    settings: ForwardSettings,
    listening: Vec<Listening>,
    heartbeats: Vec<UdpSocket>,
}

impl Forward {
    /// Listens at all addresses.
    ///
    /// # Errors
    /// The first that cannot be had, in one sentence.
    pub async fn bind(settings: ForwardSettings) -> Result<Forward, ListenError> {
        let listening = Listening::for_connections(&settings.option, &settings.listen, "the forward protocol").await?;
        let mut heartbeats = Vec::new();
        for local in listening.iter().filter_map(Listening::local).filter(|_| settings.heartbeats) {
            if let Listening::Udp(socket) = Listening::at(&settings.option, &Address::Udp(local.to_string())).await? {
                heartbeats.push(socket);
            }
        }
        Ok(Forward { settings, listening, heartbeats })
    }

    /// Where it listens: the chosen port where 0 was asked for, nothing for socket files.
    #[must_use]
    pub fn local(&self) -> Vec<Option<SocketAddr>> {
        self.listening.iter().map(Listening::local).collect()
    }

    /// Takes messages in until the stop, then waits until the log has answered for them.
    pub async fn run(self, intake: Intake, counters: Arc<InputCounters>, stop: Shutdown) {
        let delivery = Delivery::start(intake, counters);
        let decodes = Arc::new(Semaphore::new(DECODES_MAX));
        let mut tasks = JoinSet::new();
        for listening in self.listening {
            let (settings, delivery) = (self.settings.clone(), delivery.clone());
            tasks.spawn(listen(listening, settings, delivery, Arc::clone(&decodes), stop.clone()));
        }
        for socket in self.heartbeats {
            tasks.spawn(answer_heartbeats(socket, stop.clone()));
        }
        while tasks.join_next().await.is_some() {}
        delivery.settled().await;
    }
}

async fn listen(
    listening: Listening,
    settings: ForwardSettings,
    delivery: Delivery,
    decodes: Arc<Semaphore>,
    stop: Shutdown,
) {
    let shared = Shared::new(delivery, stop.clone(), settings.idle);
    connections::serve(&listening, settings.connections_max, stop, |caller| {
        let peer = caller.peer.map(|peer| peer.ip().to_canonical());
        let talk = Talk {
            peer,
            origin: Arc::new(sockets::origin("forward", "tcp", peer, settings.host.as_deref())),
            shared: shared.clone(),
            decodes: Arc::clone(&decodes),
            buffer: BytesMut::new(),
            scan: Scan::default(),
            parts: Parts::default(),
            ready: Ready::default(),
            chunks: Vec::new(),
            given: 0,
        };
        talk.run(caller)
    })
    .await;
}

async fn answer_heartbeats(socket: UdpSocket, mut stop: Shutdown) {
    let mut buffer = [0];
    loop {
        let peer = tokio::select! {
            received = socket.recv_from(&mut buffer) => received.map(|(_, peer)| peer),
            () = stop.wait() => return,
        };
        match peer {
            // A lost answer is asked for again.
            Ok(peer) => drop(socket.try_send_to(&[0], peer)),
            Err(_) => tokio::time::sleep(BATCH_WAIT).await,
        }
    }
}

/// Records that wait for company.
#[derive(Debug, Default)]
struct Ready {
    records: Vec<Record>,
    bytes: usize,
    cut_bytes: u64,
}

impl Ready {
    fn add(&mut self, tag: &str, entry: Entry) {
        let (record, cut_bytes) = entry.record(tag);
        self.cut_bytes += cut_bytes;
        self.bytes += record.bytes.len();
        self.records.push(record);
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.records.len() >= BATCH_RECORDS_MAX
    }

    fn take(&mut self, counters: &InputCounters) -> Vec<Record> {
        counters.truncated(std::mem::take(&mut self.cut_bytes));
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }
}

/// Why a connection is closed.
enum Close {
    /// Its records are not durable: nothing is acknowledged.
    Refused(AppendError),
    /// It does not speak the protocol.
    Malformed(&'static str),
    /// It takes too much.
    TooLarge(&'static str),
    /// All connections together take too much.
    Crowded,
    /// It does not read.
    Unread,
}

/// One connection.
struct Talk {
    peer: Option<IpAddr>,
    origin: Arc<Origin>,
    shared: Shared,
    decodes: Arc<Semaphore>,
    buffer: BytesMut,
    scan: Scan,
    parts: Parts,
    ready: Ready,
    /// What to acknowledge once what is ready is durable.
    chunks: Vec<Bytes>,
    /// Room that the unfinished message and lines have been given.
    given: usize,
}

impl Talk {
    async fn run(mut self, mut caller: Caller) {
        let mut chunk = vec![0; READ_BYTES];
        let mut due = Due::default();
        loop {
            let read = tokio::select! {
                read = timeout(self.shared.idle, caller.stream.read(&mut chunk)) => read,
                () = due.come() => {
                    self.tick().await;
                    due.clear();
                    if self.parts.is_waiting() {
                        due.within(PARTS_TICK);
                    }
                    continue;
                }
                () = self.shared.stop.wait() => break,
            };
            let Ok(Ok(count @ 1..)) = read else { break };
            self.buffer.extend_from_slice(&chunk[..count]);
            let taken = self.take(&mut caller).await;
            if let Err(close) = taken {
                self.explain(&close);
                break;
            }
            if !self.ready.records.is_empty() {
                due.within(BATCH_WAIT);
            } else if self.parts.is_waiting() {
                due.within(PARTS_TICK);
            }
        }
        let ready = &mut self.ready;
        self.parts.end(&mut |tag, entry| ready.add(tag, entry));
        self.hand_over().await;
    }

    /// Takes the messages that are there whole, and acknowledges what wants it.
    async fn take(&mut self, caller: &mut Caller) -> Result<(), Close> {
        loop {
            match self.scan.end(&self.buffer) {
                Ok(length) => {
                    let bytes = self.buffer.split_to(length).freeze();
                    self.message(bytes, caller).await?;
                }
                Err(Fault::More(to)) if to <= MESSAGE_BYTES_MAX => break,
                Err(Fault::More(_)) => return Err(Close::TooLarge("a message is too long: send smaller chunks")),
                Err(_) => return Err(Close::Malformed("what came is no MessagePack")),
            }
        }
        self.confirm(caller).await?;
        self.make_room().await
    }

    async fn message(&mut self, bytes: Bytes, caller: &mut Caller) -> Result<(), Close> {
        let message = Message::read(&bytes).map_err(Close::Malformed)?;
        let chunk = message.chunk.map(|chunk| bytes.slice_ref(chunk));
        let inline = if message.is_compressed() { INLINE_COMPRESSED_BYTES } else { INLINE_BYTES };
        if bytes.len() > inline {
            self.confirm(caller).await?;
            self.hand_over().await;
            return self.large(bytes.clone(), chunk, caller).await;
        }
        let (ready, parts, now) = (&mut self.ready, &mut self.parts, clock::instant());
        let damaged = message.each(|entry| {
            if chunk.is_some() {
                ready.add(message.tag(), entry);
            } else {
                parts.take(message.tag(), entry, now, &mut |tag, entry| ready.add(tag, entry));
            }
            true
        });
        self.count_damaged(damaged);
        self.chunks.extend(chunk);
        if self.ready.is_full() {
            self.confirm(caller).await?;
            self.hand_over().await;
        }
        Ok(())
    }

    /// Decodes and stores a message on a plain thread and waits for it, whoever wants an acknowledgement.
    async fn large(&mut self, bytes: Bytes, chunk: Option<Bytes>, caller: &mut Caller) -> Result<(), Close> {
        // Nobody closes the semaphore.
        let _turn = self.decodes.acquire().await;
        let (delivery, origin) = (self.shared.delivery.clone(), Arc::clone(&self.origin));
        let decoding = spawn_blocking(move || decode(&bytes, &delivery, &origin)).await;
        let (all, damaged) = decoding.map_err(|_| Close::Malformed("a message could not be decoded"))?;
        self.count_damaged(damaged);
        let mut outcome = Ok(());
        for sent in all {
            outcome = outcome.and(self.shared.delivery.answered(sent).await);
        }
        match (outcome, chunk) {
            (Ok(()), Some(chunk)) => write(caller, &ack(&chunk)).await,
            (Err(error), Some(_)) => Err(Close::Refused(error)),
            (_, None) => Ok(()),
        }
    }

    /// Stores what is ready and acknowledges it, where somebody waits for that.
    async fn confirm(&mut self, caller: &mut Caller) -> Result<(), Close> {
        if self.chunks.is_empty() {
            return Ok(());
        }
        let records = self.ready.take(self.shared.delivery.counters());
        self.shared.delivery.store(&self.origin, records).await.map_err(Close::Refused)?;
        let replies: Vec<u8> = self.chunks.drain(..).flat_map(|chunk| ack(&chunk)).collect();
        write(caller, &replies).await
    }

    /// Hands on what is ready and nobody waits for.
    async fn hand_over(&mut self) {
        let records = self.ready.take(self.shared.delivery.counters());
        if !records.is_empty() {
            self.shared.delivery.send(&self.origin, records).await;
        }
    }

    async fn tick(&mut self) {
        let ready = &mut self.ready;
        self.parts.expire(clock::instant(), &mut |tag, entry| ready.add(tag, entry));
        self.hand_over().await;
    }

    /// Asks for room for what is unfinished, or gives back what it had.
    async fn make_room(&mut self) -> Result<(), Close> {
        let wanted = (self.buffer.len() + self.parts.bytes()).saturating_sub(UNFINISHED_BYTES);
        if wanted < self.given {
            self.shared.long.add_permits(self.given - wanted);
            self.given = wanted;
            return Ok(());
        }
        let more = u32::try_from(wanted - self.given).unwrap_or(u32::MAX);
        // Others may wait for room as well, and none may have enough: so not for ever.
        match timeout(ROOM_WAIT, self.shared.long.acquire_many(more)).await {
            Ok(Ok(room)) => room.forget(),
            _ => return Err(Close::Crowded),
        }
        self.given = wanted;
        Ok(())
    }

    fn count_damaged(&self, damaged: u64) {
        if damaged > 0 {
            let counters = self.shared.delivery.counters();
            counters.received(damaged, 0);
            counters.dropped(Dropped::Malformed, damaged);
            counters.failed(format!("{}: {damaged} damaged entries", self.name()));
        }
    }

    fn name(&self) -> String {
        self.peer.map_or_else(|| "forward from a local program".to_owned(), |peer| format!("forward from {peer}"))
    }

    fn explain(&self, close: &Close) {
        let counters = self.shared.delivery.counters();
        let (why, what) = match close {
            Close::Refused(error) => return counters.failed(format!("{}: not acknowledged: {error}", self.name())),
            Close::Unread => return counters.failed(format!("{}: acknowledgements are not read", self.name())),
            Close::Malformed(what) => (Dropped::Malformed, what),
            Close::TooLarge(what) => (Dropped::TooLarge, what),
            Close::Crowded => (Dropped::Stalled, &"unfinished messages of all connections take too much memory"),
        };
        counters.received(1, self.buffer.len() as u64);
        counters.dropped(why, 1);
        counters.failed(format!("{}: {what}", self.name()));
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.shared.long.add_permits(self.given);
    }
}

async fn write(caller: &mut Caller, bytes: &[u8]) -> Result<(), Close> {
    match timeout(ACK_WAIT, caller.stream.write_all(bytes)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Close::Unread),
    }
}

/// The records of a message on their way, in batches; how many entries are damaged. Stops when the log is gone.
fn decode(bytes: &[u8], delivery: &Delivery, origin: &Arc<Origin>) -> (Vec<Sent>, u64) {
    let (mut ready, mut all) = (Ready::default(), Vec::new());
    let Ok(message) = Message::read(bytes) else { return (all, 1) };
    let damaged = message.each(|entry| {
        ready.add(message.tag(), entry);
        if ready.bytes >= LINE_BYTES_MAX || ready.records.len() >= BATCH_RECORDS_MAX {
            all.push(delivery.submit(origin, ready.take(delivery.counters())));
        }
        true
    });
    if !ready.records.is_empty() {
        all.push(delivery.submit(origin, ready.take(delivery.counters())));
    }
    (all, damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codecs::forward::testing::{chunk, docker_part, entries, map, message, packed},
        inputs::testing::{FakeLog, check_twins, until},
    };
    use tokio::{net::TcpStream, sync::watch, task::JoinHandle};

    struct Running {
        log: FakeLog,
        counters: Arc<InputCounters>,
        at: SocketAddr,
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    }

    async fn start() -> Running {
        let listen = vec!["tcp://127.0.0.1:0".parse().unwrap()];
        let settings = ForwardSettings { listen, heartbeats: true, ..ForwardSettings::default() };
        let input = Forward::bind(settings).await.unwrap();
        let (log, counters) = (FakeLog::start(), Arc::new(InputCounters::default()));
        let (stop, shutdown) = Shutdown::channel();
        let at = input.local()[0].unwrap();
        let task = tokio::spawn(input.run(log.intake(), counters.clone(), shutdown));
        Running { log, counters, at, stop, task }
    }

    impl Running {
        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.at).await.unwrap()
        }

        async fn end(self) -> (FakeLog, super::super::counters::InputSnapshot) {
            self.stop.send(true).unwrap();
            self.task.await.unwrap();
            let now = self.counters.snapshot();
            assert_eq!((now.queued, now.received), (0, now.stored + now.dropped.values().sum::<u64>()));
            (self.log, now)
        }
    }

    fn texts(log: &FakeLog) -> Vec<String> {
        let text =
            |json: String| serde_json::from_str::<serde_json::Value>(&json).unwrap()["log"].as_str().map(str::to_owned);
        log.texts().into_iter().filter_map(text).collect()
    }

    #[tokio::test]
    async fn an_acknowledgement_waits_for_durability() {
        let running = start().await;
        running.log.hold();
        let mut client = running.connect().await;
        client.write_all(&chunk("t", &map(&[("log", "a")]), "c1")).await.unwrap();
        until(|| running.log.waiting() == 1).await;
        let mut reply = [0; 8];
        let early = timeout(Duration::from_millis(20), client.read(&mut reply)).await;
        assert!(early.is_err(), "nothing is durable yet");
        running.log.release(Ok(()));
        client.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"\x81\xa3ack\xa2c1");
        let (log, now) = running.end().await;
        assert_eq!((texts(&log), now.stored), (vec!["a".to_owned()], 1));
        assert!(log.batches()[0].records[0].kind.json);
    }

    #[tokio::test]
    async fn what_the_log_refuses_is_not_acknowledged() {
        for large in [false, true] {
            let running = start().await;
            running.log.release(Err(AppendError::Full));
            let mut client = running.connect().await;
            let text = "x".repeat(if large { 100_000 } else { 1 });
            client.write_all(&chunk("t", &map(&[("log", &text)]), "c1")).await.unwrap();
            let mut reply = Vec::new();
            client.read_to_end(&mut reply).await.unwrap();
            assert!(reply.is_empty(), "closed without a word");
            let (_, now) = running.end().await;
            assert_eq!((now.stored, now.dropped["full"]), (0, 1));
            assert!(now.last_error.unwrap().what.contains("not acknowledged"));
        }
    }

    #[tokio::test]
    async fn large_and_compressed_chunks_are_acknowledged_whole() {
        let running = start().await;
        let mut client = running.connect().await;
        let list = entries(&vec!["some text of a log"; 100_000]);
        let zstd = zstd::encode_all(&list[..], 1).unwrap();
        client.write_all(&packed("t", &list, &[("chunk", "c1")])).await.unwrap();
        client.write_all(&packed("t", &zstd, &[("chunk", "c2"), ("compressed", "zstd")])).await.unwrap();
        let mut reply = [0; 16];
        client.read_exact(&mut reply).await.unwrap();
        assert_eq!(&reply, b"\x81\xa3ack\xa2c1\x81\xa3ack\xa2c2");
        assert_eq!(running.end().await.1.stored, 200_000);
    }

    #[tokio::test]
    async fn parts_are_joined_and_come_out_at_the_end() {
        let running = start().await;
        let mut client = running.connect().await;
        for (number, last, text) in [(1, false, "one "), (2, true, "line")] {
            client.write_all(&message("t", &docker_part("a", number, last, text))).await.unwrap();
        }
        running.log.until(1).await;
        client.write_all(&message("t", &docker_part("b", 1, false, "cut"))).await.unwrap();
        client.shutdown().await.unwrap();
        running.log.until(2).await;
        // Whoever waits for an acknowledgement of a part gets it.
        let mut other = running.connect().await;
        other.write_all(&chunk("t", &docker_part("c", 1, false, "part"), "c1")).await.unwrap();
        other.read_exact(&mut [0; 8]).await.unwrap();
        let (log, _) = running.end().await;
        assert_eq!(texts(&log), ["one line", "cut", "part"]);
        assert!(log.batches()[1].records[0].kind.truncated);
    }

    #[tokio::test]
    async fn nonsense_closes_the_connection_and_is_counted() {
        for (bytes, why) in [
            (&b"\xc1"[..], "malformed"),
            (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
            (b"\x93\xa1t\xdb\xff\xff\xff\xff", "too_large"),
        ] {
            let running = start().await;
            let mut client = running.connect().await;
            client.write_all(bytes).await.unwrap();
            let _ = client.read_to_end(&mut Vec::new()).await;
            let (_, now) = running.end().await;
            assert_eq!((now.received, now.dropped.get(why)), (1, Some(&1)), "{bytes:?} {now:?}");
        }
    }

    #[tokio::test]
    async fn heartbeats_are_answered() {
        let running = start().await;
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.send_to(&[0], running.at).await.unwrap();
        assert_eq!(client.recv(&mut [0; 8]).await.unwrap(), 1);
        running.end().await;
    }

    #[tokio::test]
    async fn datagrams_are_refused() {
        let listen = vec!["udp://127.0.0.1:0".parse().unwrap()];
        let error = Forward::bind(ForwardSettings { listen, ..ForwardSettings::default() }).await.unwrap_err();
        assert!(error.to_string().starts_with("--forward udp://127.0.0.1:0: cannot listen there: "), "{error}");
    }

    #[test]
    fn messages_become_records() {
        check_twins("forward", |pieces| {
            let (mut ready, mut parts) = (Ready::default(), Parts::default());
            for piece in pieces {
                let message = Message::read(&piece).unwrap();
                message.each(|entry| {
                    parts.take(message.tag(), entry, clock::instant(), &mut |tag, entry| ready.add(tag, entry));
                    true
                });
            }
            ready.records
        });
    }
}
