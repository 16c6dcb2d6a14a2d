//! `udp { port => 5000 }`: each datagram is a message.
//!
//! Nobody sends a datagram again: what comes while the pipeline is behind waits in the system's receive buffer
//! (`receive_buffer_bytes`, [`RECEIVE_BUFFER_BYTES`] where nothing is said) and is lost where that is full. At the stop what is
//! there already is read. A datagram longer than `buffer_size` is cut and tagged `_truncated`. One thread reads and decoding is
//! for the pipeline's workers, so that `workers` and `queue_size` mean nothing here.

use super::{
    Entrance, InputError, InputKind, Kept, Record, Source, Stream,
    sockets::{self, host_and_port},
};
use crate::{
    config::Options,
    event::{TAGS, Value},
    flow::{Stop, Woken},
    inputs::address::{Address, RECEIVE_BUFFER_BYTES},
};
use bytes::BytesMut;
use logship_parsers::config::{FieldRef, typed};
use rustix::net::sockopt::set_socket_recv_buffer_size;
use std::{
    io,
    net::{IpAddr, SocketAddr, UdpSocket},
    time::Duration,
};

pub(super) const KIND: InputKind = InputKind {
    name: "udp",
    summary: "Datagrams",
    options: &[
        "buffer_size",
        "host",
        "metadata",
        "port",
        "queue_size",
        "receive_buffer_bytes",
        "source_ip_fieldname",
        "workers",
    ],
    codec: "plain",
    needs_log: true,
    host: None,
    path: None,
    build,
};

/// Datagrams handed over at once.
const BATCH_RECORDS: usize = 256;
/// The longest datagram of UDP.
const DATAGRAM_BYTES_MAX: u64 = 65_536;
/// Datagrams that are read once the stop was asked for.
const DRAINED_MAX: usize = 100_000;

#[derive(Debug)]
struct Udp {
    socket: Datagrams,
    field: FieldRef,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let host = options.text("host").unwrap_or_else(|| "0.0.0.0".to_owned());
    let port = options.required("port", sockets::port);
    let buffer = options.or("buffer_size", typed::bytes, DATAGRAM_BYTES_MAX).clamp(1, DATAGRAM_BYTES_MAX);
    let receive_buffer = options.get("receive_buffer_bytes", typed::bytes);
    for name in ["queue_size", "workers"] {
        _ = options.get(name, typed::integer);
    }
    _ = options.flag("metadata", false);
    let default: &[&str] = if options.ecs().is_on() { &["host", "ip"] } else { &["host"] };
    let default = FieldRef { parts: default.iter().map(|part| (*part).to_owned()).collect() };
    let field = options.field("source_ip_fieldname").unwrap_or(default);
    let mut socket = Datagrams::new(&host, port?);
    socket.buffer = usize::try_from(buffer).ok()?;
    socket.receive_buffer = receive_buffer.and_then(|bytes| usize::try_from(bytes).ok());
    Some(Box::new(Udp { socket, field }))
}

impl Source for Udp {
    fn open(&mut self, kept: &mut Kept) -> io::Result<()> {
        self.socket.open(kept)
    }

    fn local(&self) -> Option<SocketAddr> {
        self.socket.local()
    }

    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        self.socket.read_into(&mut entrance.stream([]), &self.field, stop)
    }
}

/// A socket for datagrams.
#[derive(Debug)]
pub(super) struct Datagrams {
    pub(super) address: Address,
    /// The longest datagram that is taken whole.
    pub(super) buffer: usize,
    /// What the system should keep of those that wait.
    pub(super) receive_buffer: Option<usize>,
    socket: Option<UdpSocket>,
}

impl Datagrams {
    /// One that is not open yet.
    pub(super) fn new(host: &str, port: u16) -> Datagrams {
        Datagrams {
            address: Address::Udp(host_and_port(host, port)),
            buffer: DATAGRAM_BYTES_MAX as usize,
            receive_buffer: None,
            socket: None,
        }
    }

    pub(super) fn open(&mut self, kept: &mut Kept) -> io::Result<()> {
        let Address::Udp(at) = &self.address else { return Ok(()) };
        if self.socket.is_none() {
            let bound = kept.datagrams(at).and_then(|socket| socket.set_nonblocking(true).map(|()| socket));
            let socket = bound.map_err(|cause| sockets::refused(&self.address, &cause))?;
            let asked = self.receive_buffer.unwrap_or(RECEIVE_BUFFER_BYTES);
            if let Err(cause) = set_socket_recv_buffer_size(&socket, asked) {
                tracing::debug!(%cause, "{}: the receive buffer stays as it is", self.address);
            }
            self.socket = Some(socket);
        }
        Ok(())
    }

    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.socket.as_ref()?.local_addr().ok()
    }

    /// Gives a stream what comes; the address of whoever sent it goes into the field.
    ///
    /// # Errors
    /// The socket is broken, or the pipeline has ended.
    pub(super) fn read_into(mut self, to: &mut Stream, field: &FieldRef, stop: &Stop) -> Result<(), InputError> {
        self.open(&mut Kept::default())?;
        let Some(socket) = self.socket else { return Ok(()) };
        let mut reader = Reader { socket: &socket, room: vec![0; self.buffer + 1], field, last: None };
        loop {
            let mut woken = stop.readable(&socket, Some(Duration::ZERO))?;
            if woken == Woken::Late {
                // With nothing to do there is time to see that what was given is safe.
                to.settle()?;
                woken = stop.readable(&socket, to.patience())?;
            }
            match woken {
                Woken::Readable => to.messages(reader.batch(BATCH_RECORDS)?)?,
                Woken::Late => to.finish()?,
                Woken::Stop => break,
            }
        }
        let mut drained = 0;
        while drained < DRAINED_MAX {
            let batch = reader.batch(BATCH_RECORDS)?;
            if batch.is_empty() {
                break;
            }
            drained += batch.len();
            to.messages(batch)?;
        }
        to.finish()?;
        to.settle()
    }
}

struct Reader<'a> {
    socket: &'a UdpSocket,
    room: Vec<u8>,
    field: &'a FieldRef,
    /// Who sent last, and the fields of it: many follow each other.
    last: Option<(IpAddr, super::Fields)>,
}

impl Reader<'_> {
    /// What is there, so many at most.
    fn batch(&mut self, most: usize) -> Result<Vec<Record>, InputError> {
        let (mut records, mut bytes) = (Vec::new(), BytesMut::new());
        while records.len() < most {
            let (count, peer) = match self.socket.recv_from(&mut self.room) {
                Ok(received) => received,
                Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => break,
                // What an answer to an earlier datagram made of it.
                Err(cause) if matches!(cause.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::Interrupted) => {
                    continue;
                }
                Err(cause) => return Err(cause.into()),
            };
            if count == 0 {
                continue;
            }
            let is_cut = count == self.room.len();
            bytes.extend_from_slice(&self.room[..count - usize::from(is_cut)]);
            records
                .push(Record { text: bytes.split().freeze(), fields: self.fields(peer.ip().to_canonical(), is_cut) });
        }
        Ok(records)
    }

    fn fields(&mut self, peer: IpAddr, is_cut: bool) -> super::Fields {
        let known = self.last.as_ref().filter(|(last, _)| *last == peer).map(|(_, fields)| fields.clone());
        let fields = known.unwrap_or_else(|| [(self.field.clone(), Value::from(peer.to_string()))].into());
        self.last = Some((peer, fields.clone()));
        if !is_cut {
            return fields;
        }
        let tags = FieldRef { parts: vec![TAGS.to_owned()] };
        fields.iter().cloned().chain([(tags, Value::List(vec![Value::from("_truncated")]))]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Ecs, pipeline::configured::testing::start};

    #[test]
    fn datagrams_are_messages() {
        let check = |options: &str, ecs: Ecs, sent: &[&str], expected: &[&str]| {
            let running = start(&format!("udp {{ host => '127.0.0.1' port => 0 {options} }}"), ecs);
            let client = UdpSocket::bind("127.0.0.1:0").unwrap();
            for text in sent {
                client.send_to(text.as_bytes(), running.at.unwrap()).unwrap();
            }
            let seen: Vec<_> = expected.iter().map(|_| running.json()).collect();
            assert_eq!(seen, expected);
            assert!(running.end().is_empty());
        };
        let ours = r#"{"message":"a\nb","host":"127.0.0.1"}"#;
        check("workers => 4 queue_size => 10", Ecs::Disabled, &["a\nb"], &[ours]);
        let schema = r#"{"message":"a","event":{"original":"a"},"host":{"ip":"127.0.0.1"}}"#;
        check("", Ecs::V8, &["", "a"], &[schema]);
        let cut = r#"{"message":"abc","from":"127.0.0.1","tags":["_truncated"]}"#;
        check("buffer_size => 3 source_ip_fieldname => 'from'", Ecs::Disabled, &["abcd"], &[cut]);
        let lines = [r#"{"message":"a","host":"127.0.0.1"}"#, r#"{"message":"b","host":"127.0.0.1"}"#];
        check("codec => line", Ecs::Disabled, &["a\nb"], &lines);
    }

    #[test]
    fn what_has_come_before_the_stop_is_read() {
        let running = start("udp { host => '127.0.0.1' port => 0 }", Ecs::V8);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..1_000 {
            client.send_to(b"last words", running.at.unwrap()).unwrap();
        }
        assert_eq!(running.end().len(), 1_000);
    }
}
