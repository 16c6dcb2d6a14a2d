//! `udp { host => "..." port => 514 }`: a datagram an event, by default as JSON. Nobody confirms a datagram: one that the kernel
//! has taken counts as delivered.
//!
//! What cannot be sent is tried `retry_count` times more, and refused then, as Logstash has it. So is an event longer than
//! [`DATAGRAM_BYTES_MAX`].

use super::{Encoded, Output, OutputKind, Refused, Sink, SinkError};
use crate::{
    clock,
    codecs::plugins::{self, Encoder},
    config::Options,
    event::{Event, Timestamp, render::rendered},
    flow::Stop,
};
use logship_parsers::config::{Template, ast::Value, typed};
use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket},
    sync::Arc,
    time::Duration,
};

/// Longest datagram.
pub const DATAGRAM_BYTES_MAX: usize = 65_507;
/// Most ports whose addresses are kept.
const PORTS_MAX: usize = 1_024;

pub(super) const KIND: OutputKind = OutputKind {
    name: "udp",
    summary: "Datagrams",
    options: &["host", "port", "retry_backoff_ms", "retry_count"],
    needs_log: true,
    build,
};

/// Where datagrams go, and how often one is tried.
#[derive(Debug)]
pub(super) struct Aim {
    pub(super) host: String,
    /// Of events that name none.
    pub(super) port: String,
    pub(super) attempts: u32,
    pub(super) pause: Duration,
}

struct Udp {
    codec: Box<dyn Encoder>,
    /// Where it depends on the event.
    port: Option<Template>,
    aim: Arc<Aim>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    let host = options.required("host", |value| typed::text(value).map(str::to_owned));
    let port = options.required("port", |value| match Template::parse(typed::text(value)?) {
        Ok(port) if port.as_literal().is_none() => Ok((Some(port), String::new())),
        _ => super::tcp::port(value).map(|port| (None, port.to_string())),
    });
    let count = |value: &Value| typed::integer(value).map(|count| u32::try_from(count).unwrap_or_default());
    let attempts = options.or("retry_count", count, 0).saturating_add(1);
    let pause = Duration::from_millis(options.or("retry_backoff_ms", count, 100).into());
    let codec = plugins::encoder(options, "json");
    let (template, port) = port?;
    Some(Box::new(Udp { codec: codec?, port: template, aim: Arc::new(Aim { host: host?, port, attempts, pause }) }))
}

impl Output for Udp {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        self.codec.encode(event, now, out.text_mut());
        out.end(self.port.as_ref().map_or_else(String::new, |port| rendered(port, event, now)), Some(event));
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Datagrams::new(self.aim.clone())))
    }
}

/// Sends each item as a datagram.
pub(super) struct Datagrams {
    aim: Arc<Aim>,
    known: HashMap<String, SocketAddr>,
    /// For each of the two families, once it is needed.
    sockets: [Option<UdpSocket>; 2],
}

impl Datagrams {
    pub(super) fn new(aim: Arc<Aim>) -> Datagrams {
        Datagrams { aim, known: HashMap::new(), sockets: [None, None] }
    }

    fn send(&mut self, text: &str, port: &str) -> io::Result<()> {
        let port = if port.is_empty() { &self.aim.port } else { port };
        let address = match self.known.get(port) {
            Some(address) => *address,
            None => {
                let number = port.trim().parse::<u16>().map_err(|_| io::Error::other("this is no port"))?;
                let mut addresses = (self.aim.host.as_str(), number).to_socket_addrs()?;
                let address = addresses.next().ok_or_else(|| io::Error::other("its name has no address"))?;
                if self.known.len() >= PORTS_MAX {
                    self.known.clear();
                }
                self.known.insert(port.to_owned(), address);
                address
            }
        };
        let socket = &mut self.sockets[usize::from(address.is_ipv6())];
        let socket = match socket {
            Some(socket) => socket,
            None if address.is_ipv6() => socket.insert(UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?),
            None => socket.insert(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?),
        };
        socket.send_to(text.as_bytes(), address).map(drop)
    }
}

impl Sink for Datagrams {
    fn deliver(&mut self, batch: &mut Encoded, refused: &mut Vec<Refused>, stop: &Stop) -> Result<(), SinkError> {
        for (text, item) in batch.items() {
            for attempt in 1.. {
                let is_long = text.len() > DATAGRAM_BYTES_MAX;
                let sent = match is_long {
                    true => Err(io::Error::other(format!("longer than {DATAGRAM_BYTES_MAX} bytes"))),
                    false => self.send(text, &item.to),
                };
                let Err(cause) = sent else { break };
                // Its address may be another now.
                self.known.clear();
                if is_long || attempt >= self.aim.attempts || stop.wait(self.aim.pause) {
                    let port = if item.to.is_empty() { &self.aim.port } else { &item.to };
                    let reason = format!("{}:{port}: {cause}", self.aim.host);
                    let line = || Box::new(Event::from_line(clock::now(), text.into()));
                    refused.push(Refused { event: item.event.clone().unwrap_or_else(line), reason });
                    break;
                }
            }
        }
        batch.all_done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use std::net::UdpSocket;

    fn received(socket: &UdpSocket) -> String {
        let mut datagram = vec![0; 65_535];
        let length = socket.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    }

    #[test]
    fn each_event_is_a_datagram() {
        let (one, other) = (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("127.0.0.1:0").unwrap());
        let port = |socket: &UdpSocket| socket.local_addr().unwrap().port();
        let output = built(&format!("udp {{ host => \"127.0.0.1\" port => {} }}", port(&one)));
        let event = r#"{"@timestamp":"2026-01-01T00:00:00.000Z","n":1}"#;
        deliver(&*output, &mut *output.open().unwrap(), &[event]);
        assert_eq!(received(&one), event);

        let line = "codec => plain { format => \"%{m}\" }";
        let output = built(&format!("udp {{ host => \"127.0.0.1\" port => \"%{{p}}\" {line} }}"));
        let events = [
            format!(r#"{{"p":{},"m":"a"}}"#, port(&one)),
            r#"{"p":"x","m":"b","@metadata":{"k":1}}"#.to_owned(),
            format!(r#"{{"p":{},"m":"{}"}}"#, port(&one), "x".repeat(65_508)),
            format!(r#"{{"p":{},"m":"c"}}"#, port(&other)),
        ];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let mut batch = encoded(&*output, &events);
        let refused = attempt(&mut *output.open().unwrap(), &mut batch).unwrap();
        assert_eq!((received(&one).as_str(), received(&other).as_str()), ("a", "c"));
        assert_eq!(refused.len(), 2);
        assert_eq!(refused[0].event.message(), None);
        assert_eq!(refused[0].event.fields.get("m"), Some(&"b".into()));
        assert!(refused[0].event.meta.get("k").is_some());
        assert!(refused[0].reason.contains("no port") && refused[1].reason.contains("longer"), "{refused:?}");
    }

    #[test]
    fn what_cannot_be_sent_is_refused_after_some_attempts() {
        let output = built("udp { host => \"not a name\" port => 1 retry_count => 2 retry_backoff_ms => 1 }");
        let refused = deliver(&*output, &mut *output.open().unwrap(), &["{}"]);
        assert!(refused[0].starts_with("not a name:1:"), "{refused:?}");
    }

    #[test]
    fn wrong_options_are_told() {
        assert!(errors("udp { host => a }").contains("needs the option `port`"));
        assert!(errors("udp { host => a port => many }").contains("cannot stand here"));
    }
}
