//! Syslog, RFC 3164 and RFC 5424, over UDP, TCP (RFC 6587), and socket files such as `/dev/log`.
//!
//! Messages are handed on as they came, with their priority: the parsers read them. Syslog has no acknowledgement: over
//! connections a slow log makes senders wait, datagrams are dropped then; what the log refuses is dropped and counted.
//! The sender's address is `log.source.address`, and `host.name` where the message names no host.

use super::{
    address::{Address, ListenError, Listening},
    connections::{CONNECTIONS_MAX, IDLE},
    counters::InputCounters,
    datagrams::Decode,
    sockets::{self, Sockets},
};
use crate::{
    codecs::messages::Protocol,
    flow::{Intake, Origin, Record, RecordKind, Shutdown},
};
use bytes::BytesMut;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// How to take syslog in.
#[derive(Clone, Debug)]
pub struct SyslogSettings {
    /// The option that names the addresses, for messages.
    pub option: String,
    /// Where to listen.
    pub listen: Vec<Address>,
    /// The name of this machine, for what comes from it and names no host.
    pub host: Option<String>,
    /// The time zone of stamps without one.
    pub zone: Option<String>,
    /// Connections of a listener at a time.
    pub connections_max: usize,
    /// A connection that says nothing for so long is closed.
    pub idle: Duration,
}

impl Default for SyslogSettings {
    fn default() -> SyslogSettings {
        SyslogSettings {
            option: "--syslog".to_owned(),
            listen: Vec::new(),
            host: None,
            zone: None,
            connections_max: CONNECTIONS_MAX,
            idle: IDLE,
        }
    }
}

/// The input, listening.
#[derive(Debug)]
pub struct Syslog {
    settings: SyslogSettings,
    listening: Vec<Listening>,
}

impl Syslog {
    /// Listens at all addresses.
    ///
    /// # Errors
    /// The first that cannot be had, in one sentence.
    pub async fn bind(settings: SyslogSettings) -> Result<Syslog, ListenError> {
        let listening = Listening::at_all(&settings.option, &settings.listen).await?;
        Ok(Syslog { settings, listening })
    }

    /// Where it listens: the chosen port where 0 was asked for, nothing for socket files.
    #[must_use]
    pub fn local(&self) -> Vec<Option<SocketAddr>> {
        self.listening.iter().map(Listening::local).collect()
    }

    /// Takes messages in until the stop, then waits until the log has answered for them.
    pub async fn run(self, intake: Intake, counters: Arc<InputCounters>, stop: Shutdown) {
        let SyslogSettings { host, zone, connections_max, idle, .. } = self.settings;
        let origin_of = move |transport, peer| Origin {
            zone: zone.clone(),
            ..sockets::origin("syslog", transport, peer, host.as_deref())
        };
        let sockets = Sockets { protocol: Protocol::Syslog, origin_of, connections_max, idle };
        sockets.take_in::<Datagrams>(self.listening, intake, counters, stop).await;
    }
}

/// Each datagram is a message. The records of a batch share a buffer.
#[derive(Default)]
struct Datagrams(BytesMut);

impl Decode for Datagrams {
    fn decode(&mut self, datagram: &[u8], _: Option<SocketAddr>, truncated: bool, _: &InputCounters) -> Option<Record> {
        let ends = datagram.iter().rev().take_while(|byte| matches!(byte, b'\n' | b'\r' | 0)).count();
        let text = &datagram[..datagram.len() - ends];
        if text.is_empty() {
            return None;
        }
        self.0.extend_from_slice(text);
        Some(Record { bytes: self.0.split().freeze(), kind: RecordKind { json: false, truncated } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        codecs::messages::Messages,
        flow::AppendError,
        inputs::testing::{FakeLog, check_twins, until},
    };
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpStream, UdpSocket, UnixDatagram, UnixStream},
        sync::watch,
        task::JoinHandle,
    };

    struct Running {
        log: FakeLog,
        counters: Arc<InputCounters>,
        at: Vec<Option<SocketAddr>>,
        stop: watch::Sender<bool>,
        task: JoinHandle<()>,
    }

    async fn start(settings: SyslogSettings, addresses: &[&str]) -> Running {
        let listen = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let settings = SyslogSettings { listen, host: Some("here".to_owned()), ..settings };
        let input = Syslog::bind(settings).await.unwrap();
        let (log, counters) = (FakeLog::start(), Arc::new(InputCounters::default()));
        let (stop, shutdown) = Shutdown::channel();
        let at = input.local();
        let task = tokio::spawn(input.run(log.intake(), counters.clone(), shutdown));
        Running { log, counters, at, stop, task }
    }

    impl Running {
        async fn end(self) -> (FakeLog, super::super::counters::InputSnapshot) {
            self.stop.send(true).unwrap();
            self.task.await.unwrap();
            let now = self.counters.snapshot();
            assert_eq!((now.queued, now.received), (0, now.stored + now.dropped.values().sum::<u64>()));
            (self.log, now)
        }
    }

    #[tokio::test]
    async fn udp_datagrams_are_messages() {
        let running = start(SyslogSettings::default(), &["udp://127.0.0.1:0"]).await;
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for text in ["<13>one\n", "<13>two\nlines\0", "\n", "<13>three"] {
            client.send_to(text.as_bytes(), running.at[0].unwrap()).await.unwrap();
        }
        running.log.until(3).await;
        let (log, now) = running.end().await;
        assert_eq!(log.texts(), ["<13>one", "<13>two\nlines", "<13>three"]);
        assert_eq!((now.stored, now.bytes), (3, 7 + 13 + 9));
        let batch = &log.batches()[0];
        assert_eq!((batch.origin.source.as_str(), batch.origin.input.as_str()), ("syslog:udp:127.0.0.1", "syslog"));
        assert_eq!(batch.origin.fields["log.source.address"], "127.0.0.1");
        assert_eq!(batch.origin.host.as_deref(), Some("here"));
    }

    #[tokio::test]
    async fn what_was_received_before_the_stop_is_stored() {
        let running = start(SyslogSettings::default(), &["udp://127.0.0.1:0"]).await;
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for _ in 0..100 {
            client.send_to(b"<13>last words", running.at[0].unwrap()).await.unwrap();
        }
        assert_eq!(running.end().await.1.stored, 100);
    }

    #[tokio::test]
    async fn tcp_connections_choose_their_framing() {
        let running = start(SyslogSettings::default(), &["tcp://127.0.0.1:0"]).await;
        for text in ["<13>a\n<13>b", "5 <13>c6 <13>d\n", "<13>e\0"] {
            let before = running.log.texts().len();
            let mut client = TcpStream::connect(running.at[0].unwrap()).await.unwrap();
            client.write_all(text.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
            running.log.until(before + 1).await;
        }
        let (log, _) = running.end().await;
        assert_eq!(log.texts(), ["<13>a", "<13>b", "<13>c", "<13>d", "<13>e"]);
        assert_eq!(log.batches()[0].origin.source, "syslog:tcp:127.0.0.1");
    }

    #[tokio::test]
    async fn socket_files_serve_both_kinds() {
        let folder = tempfile::tempdir().unwrap();
        let (stream, dgram) = (folder.path().join("stream"), folder.path().join("log"));
        let addresses = [format!("unix://{}", stream.display()), format!("unixgram://{}", dgram.display())];
        let running = start(SyslogSettings::default(), &[&addresses[0], &addresses[1]]).await;
        UnixDatagram::unbound().unwrap().send_to(b"<13>su: no\0", &dgram).await.unwrap();
        running.log.until(1).await;
        let mut client = UnixStream::connect(&stream).await.unwrap();
        client.write_all(b"<13>su: yes\n").await.unwrap();
        running.log.until(2).await;
        let (log, _) = running.end().await;
        assert_eq!(log.texts(), ["<13>su: no", "<13>su: yes"]);
        assert!(log.batches().iter().all(|batch| batch.origin.host.as_deref() == Some("here")));
        assert!(!stream.exists() && !dgram.exists(), "socket files go with their sockets");
    }

    #[tokio::test]
    async fn a_full_log_drops_and_counts() {
        let running = start(SyslogSettings::default(), &["tcp://127.0.0.1:0"]).await;
        running.log.release(Err(AppendError::Full));
        let mut client = TcpStream::connect(running.at[0].unwrap()).await.unwrap();
        client.write_all(b"<13>a\n<13>b\n").await.unwrap();
        until(|| running.counters.snapshot().dropped.contains_key("full")).await;
        let (_, now) = running.end().await;
        assert_eq!((now.received, now.stored, now.dropped["full"]), (2, 0, 2));
        assert!(now.last_error.is_some());
    }

    #[tokio::test]
    async fn connections_are_bounded_and_silent_ones_end() {
        let idle = Duration::from_millis(20);
        let settings = SyslogSettings { connections_max: 1, idle, ..SyslogSettings::default() };
        let running = start(settings, &["tcp://127.0.0.1:0"]).await;
        let mut silent = TcpStream::connect(running.at[0].unwrap()).await.unwrap();
        let mut second = TcpStream::connect(running.at[0].unwrap()).await.unwrap();
        second.write_all(b"<13>a\n").await.unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0, "closed");
        running.log.until(1).await;
        running.end().await;
    }

    #[tokio::test]
    async fn long_messages_are_kept_to_the_limit() {
        let running = start(SyslogSettings::default(), &["tcp://127.0.0.1:0"]).await;
        let mut client = TcpStream::connect(running.at[0].unwrap()).await.unwrap();
        let long = [b"<13>".to_vec(), vec![b'x'; crate::event::LINE_BYTES_MAX + 6], b"\n<13>b\n".to_vec()].concat();
        client.write_all(&long).await.unwrap();
        running.log.until(2).await;
        let (log, now) = running.end().await;
        let records: Vec<_> = log.batches().into_iter().flat_map(|batch| batch.records).collect();
        assert!(records[0].kind.truncated && records[0].bytes.len() == crate::event::LINE_BYTES_MAX);
        assert_eq!((&records[1].bytes[..], now.truncated_bytes), (&b"<13>b"[..], 10));
    }

    #[test]
    fn connections_become_records() {
        check_twins("syslog", |pieces| {
            let (mut messages, mut records) = (Messages::new(Protocol::Syslog), Vec::new());
            pieces.iter().for_each(|piece| messages.push(piece, &mut records));
            messages.end(&mut records);
            records
        });
    }
}
