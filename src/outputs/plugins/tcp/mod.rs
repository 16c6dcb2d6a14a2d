//! `tcp { host => "..." port => 5000 }`: events over TCP, by default as JSON without anything between them, as in Logstash;
//! `codec => json_lines` has lines.
//!
//! A client connects, and waits for its server. A server sends each event to all who are connected; where nobody is, events are
//! gone. See [`connection`](super::connection) for what is promised.

mod server;

use super::{
    Encoded, Output, OutputKind, Refused, Sink, SinkError,
    connection::{Connection, Way},
    tls::Tls,
};
use crate::{
    codecs::plugins::{self, Encoder},
    config::Options,
    event::{Event, Timestamp},
    flow::Stop,
};
use logship_parsers::config::{
    Diagnostic,
    ast::Value,
    typed::{self, Read},
};
use rustls::ServerConfig;
use std::{io, sync::Arc, time::Duration};

pub(super) const KIND: OutputKind = OutputKind {
    name: "tcp",
    summary: "A TCP server, or those who connect to this one",
    options: &[
        "host",
        "mode",
        "port",
        "reconnect_interval",
        "ssl_cacert",
        "ssl_cert",
        "ssl_certificate",
        "ssl_certificate_authorities",
        "ssl_cipher_suites",
        "ssl_client_authentication",
        "ssl_enable",
        "ssl_enabled",
        "ssl_key",
        "ssl_key_passphrase",
        "ssl_supported_protocols",
        "ssl_verification_mode",
        "ssl_verify",
    ],
    needs_log: true,
    build,
};

struct Tcp {
    codec: Box<dyn Encoder>,
    end: End,
}

enum End {
    Client(Arc<Way>),
    Server { host: String, port: u16, tls: Option<Arc<ServerConfig>> },
}

/// A port.
pub(super) fn port(value: &Value) -> Read<u16> {
    let port = typed::integer(value)?;
    u16::try_from(port).map_err(|_| Diagnostic::error(value.span.0, format!("there is no port {port}")))
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    let host = options.required("host", |value| typed::text(value).map(str::to_owned));
    let port = options.required("port", port);
    let seconds = |value: &Value| typed::duration(value, Duration::from_secs(1));
    let pause = options.or("reconnect_interval", seconds, Duration::from_secs(10));
    let mode = |value: &Value| typed::choice(value, &["client", "server"]).map(|mode| mode == "server");
    let is_server = options.or("mode", mode, false);
    let codec = plugins::encoder(options, "json");
    let is_secure = options.flag("ssl_enable", false) | options.flag("ssl_enabled", false);
    let authentication = |value: &Value| typed::choice(value, &["none", "optional", "required"]).map(str::to_owned);
    let authentication = options.get("ssl_client_authentication", authentication);
    let tls = Tls::read(options, true)?;
    let wants_certificate = match authentication.as_deref() {
        None => is_server && options.flag("ssl_verify", false),
        Some("optional") => {
            options.report(Diagnostic::error(options.place(), "an optional certificate of clients is not supported"));
            return None;
        }
        Some(authentication) => authentication == "required",
    };
    let end = if is_server {
        let tls = is_secure.then(|| tls.server(wants_certificate)).transpose();
        tls.map(|tls| Some(End::Server { host: host?, port: port?, tls }))
    } else {
        let tls = is_secure.then(|| tls.client()).transpose();
        tls.map(|tls| Some(End::Client(Arc::new(Way { host: host?, port: port?, tls, pause }))))
    };
    let end = end.map_err(|cause| options.report(Diagnostic::error(options.place(), cause.to_string()))).ok()??;
    Some(Box::new(Tcp { codec: codec?, end }))
}

impl Output for Tcp {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        self.codec.encode(event, now, out.text_mut());
        out.end("", None);
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        match &self.end {
            End::Client(way) => Ok(Box::new(Client(Connection::new(way.clone())))),
            End::Server { host, port, tls } => Ok(Box::new(server::Server::open((host, *port), tls.clone())?)),
        }
    }
}

/// Sends the text of batches to a server.
pub(super) struct Client(pub(super) Connection);

impl Sink for Client {
    fn deliver(&mut self, batch: &mut Encoded, _: &mut Vec<Refused>, stop: &Stop) -> Result<(), SinkError> {
        if !batch.is_done() {
            self.0.send(batch.text(), stop)?;
        }
        batch.all_done();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use rustls::{ServerConnection, StreamOwned};
    use std::{
        io::{BufRead as _, BufReader, Read as _},
        net::{TcpListener, TcpStream},
        thread,
    };

    const EVENTS: [&str; 2] =
        [r#"{"@timestamp":"2026-01-01T00:00:00Z","n":1}"#, r#"{"@timestamp":"2026-01-01T00:00:00Z","n":2}"#];

    #[test]
    fn a_client_sends_json_without_anything_between() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let output = built(&format!("tcp {{ host => localhost port => {port} }}"));
        let mut sink = output.open().unwrap();
        deliver(&*output, &mut *sink, &EVENTS);
        drop(sink);
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!(
            text,
            r#"{"@timestamp":"2026-01-01T00:00:00.000Z","n":1}{"@timestamp":"2026-01-01T00:00:00.000Z","n":2}"#
        );
    }

    #[test]
    fn a_client_waits_for_its_server_and_comes_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = "codec => line { format => \"%{n}\" }";
        let output = built(&format!("tcp {{ host => \"127.0.0.1\" port => {} {line} }}", address.port()));
        let mut sink = output.open().unwrap();
        drop(listener);
        let mut batch = encoded(&*output, &EVENTS);
        let cause = attempt(&mut *sink, &mut batch).unwrap_err();
        assert!(cause.contains("refused"), "{cause}");
        assert_eq!(batch.left(), 2);
        let listener = TcpListener::bind(address).unwrap();
        let read = |accepted: TcpStream, lines: usize| -> Vec<String> {
            BufReader::new(accepted).lines().take(lines).map(Result::unwrap).collect()
        };
        attempt(&mut *sink, &mut batch).unwrap();
        assert_eq!(read(listener.accept().unwrap().0, 2), ["1", "2"]);
        // The server has closed the connection by now, and the client sees it before it sends more.
        deliver(&*output, &mut *sink, &EVENTS);
        assert_eq!(read(listener.accept().unwrap().0, 2), ["1", "2"]);
    }

    #[test]
    fn a_client_wants_to_know_its_server() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = move || {
            let mut texts = Vec::new();
            for _ in 0..3 {
                let connection = ServerConnection::new(server_config(true)).unwrap();
                let mut text = String::new();
                _ = StreamOwned::new(connection, listener.accept().unwrap().0).read_to_string(&mut text);
                texts.push(text);
            }
            texts
        };
        let server = thread::Builder::new().spawn(serve).unwrap();
        let own = format!("ssl_certificate => \"{}\" ssl_key => \"{}\"", tls("client.pem"), tls("client.key"));
        let send = |options: &str| {
            let line = "codec => line { format => x }";
            let output = built(&format!(
                "tcp {{ host => localhost port => {port} ssl_enabled => true {options} {own} {line} }}"
            ));
            let mut sink = output.open().unwrap();
            attempt(&mut *sink, &mut encoded(&*output, &["{}"])).map(drop)
        };
        let cause = send(&format!("ssl_certificate_authorities => [\"{}\"]", tls("other-ca.pem"))).unwrap_err();
        assert!(cause.contains("certificate"), "{cause}");
        send(&format!("ssl_cacert => \"{}\"", tls("ca.pem"))).unwrap();
        send("ssl_verification_mode => none").unwrap();
        assert_eq!(server.join().unwrap(), ["", "x\n", "x\n"]);
    }

    #[test]
    fn wrong_options_are_told() {
        let check = |options: &str, expected: &str| {
            let said = errors(&format!("tcp {{ {options} }}"));
            assert!(said.contains(expected), "{options}: {said}");
        };
        let to = "host => a port => 1";
        check("", "`tcp` needs the option `host`; `tcp` needs the option `port`");
        check("host => a port => 70000", "no port 70000");
        check(&format!("{to} ssl_cacert => \"/none\" ssl_certificate_authorities => \"/none\""), "mean the same");
        check(&format!("{to} ssl_cacert => \"/none\""), "/none");
        check(&format!("{to} ssl_key => \"{}\"", tls("client.key")), "give both");
        check(
            &format!("{to} ssl_cert => \"{}\" ssl_key => \"{}\"", tls("ca.pem"), tls("client.key")),
            "is it the key of",
        );
        check(&format!("{to} mode => server ssl_enable => true"), "a server needs `ssl_certificate`");
        check(&format!("{to} ssl_key_passphrase => x"), "passphrase");
    }
}
