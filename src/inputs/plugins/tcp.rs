//! `tcp { port => 5000 codec => json }`: lines of connections, taken in (`mode => server`) or made (`mode => client`).
//!
//! A connection is a stream of its own: what one sends is never mixed with what another does. There is no acknowledgement in
//! it; a pipeline that is behind makes senders wait. Where nobody listens, a client tries again after [`RECONNECT_WAIT`]. A server
//! looks names of senders up, unless `dns_reverse_lookup_enabled` is false; a sender without a name has its address as one.

use super::{
    Entrance, Fields, InputError, InputKind, Kept, Source,
    connection::{Connection, Proxied},
    names::PeerNames,
    sockets::{self, Server, connect, host_and_port},
    tls::{self, Clients},
};
use crate::{
    config::{Ecs, Options},
    event::Value,
    flow::Stop,
    inputs::address::Address,
};
use logship_parsers::config::{FieldRef, typed};
use rustls::{ClientConfig, pki_types::ServerName};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};

pub(super) const KIND: InputKind = InputKind {
    name: "tcp",
    summary: "Lines of TCP connections",
    options: &[
        "dns_reverse_lookup_enabled",
        "host",
        "mode",
        "port",
        "proxy_protocol",
        "ssl_cert",
        "ssl_certificate",
        "ssl_certificate_authorities",
        "ssl_cipher_suites",
        "ssl_client_authentication",
        "ssl_enable",
        "ssl_enabled",
        "ssl_extra_chain_certs",
        "ssl_key",
        "ssl_key_passphrase",
        "ssl_supported_protocols",
        "ssl_verification_mode",
        "ssl_verify",
        "tcp_keep_alive",
    ],
    codec: "line",
    needs_log: true,
    host: None,
    path: None,
    build,
};

/// After a connection that ended or could not be had.
pub const RECONNECT_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Tcp {
    side: Side,
    is_proxied: bool,
    names: Arc<Names>,
    /// Who knows the names of those who connect, where they are asked for.
    peers: Option<Arc<PeerNames>>,
}

#[derive(Debug)]
enum Side {
    Server(Server),
    Client { address: Address, keep_alive: bool, tls: Option<(Arc<ClientConfig>, ServerName<'static>)> },
}

/// Where what is known of a connection goes.
#[derive(Debug)]
struct Names {
    host: FieldRef,
    ip: FieldRef,
    port: FieldRef,
    proxy_host: FieldRef,
    proxy_port: FieldRef,
    subject: FieldRef,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let host = options.text("host").unwrap_or_else(|| "0.0.0.0".to_owned());
    let port = options.required("port", sockets::port);
    let looks_up = options.flag("dns_reverse_lookup_enabled", true);
    let keep_alive = options.flag("tcp_keep_alive", false);
    let is_server = options.or("mode", |value| typed::choice(value, &["client", "server"]), "server") == "server";
    let address = Address::Tcp(host_and_port(&host, port.unwrap_or_default()));
    let side = match is_server {
        true => Side::Server(Server { keep_alive, ..Server::new(address, tls::server(options, Clients::Verified)) }),
        false => Side::Client { address, keep_alive, tls: tls::client(options, &host) },
    };
    let is_proxied = options.flag("proxy_protocol", false);
    let peers = (looks_up && is_server && !is_proxied).then(|| Arc::new(PeerNames::new()));
    let names = Arc::new(Names::of(options.ecs()));
    port.map(|_| Box::new(Tcp { side, is_proxied, names, peers }) as Box<dyn Source>)
}

impl Names {
    fn of(ecs: Ecs) -> Names {
        let name = |schema: &str, own: &[&str]| {
            let inside = schema.split('.').map(str::to_owned);
            let parts = match ecs.is_on() {
                true => ["@metadata", "input", "tcp"].map(str::to_owned).into_iter().chain(inside).collect(),
                false => own.iter().map(|part| (*part).to_owned()).collect(),
            };
            FieldRef { parts }
        };
        Names {
            host: name("source.name", &["host"]),
            ip: name("source.ip", &["@metadata", "ip_address"]),
            port: name("source.port", &["port"]),
            proxy_host: name("proxy.ip", &["proxy_host"]),
            proxy_port: name("proxy.port", &["proxy_port"]),
            subject: name("tls.client.subject", &["sslsubject"]),
        }
    }

    /// What is known of a connection. A proxy's numbers are texts, as in Logstash.
    fn fields(&self, peer: Option<SocketAddr>, proxied: Option<Proxied>, peers: Option<&PeerNames>) -> Fields {
        let field = |name: &FieldRef, value: Value| (name.clone(), value);
        match (proxied, peer) {
            (Some(Proxied { client, proxy }), _) => [
                field(&self.host, Value::from(client.0.as_str())),
                field(&self.ip, Value::from(client.0)),
                field(&self.port, Value::from(client.1)),
                field(&self.proxy_host, Value::from(proxy.0)),
                field(&self.proxy_port, Value::from(proxy.1)),
            ]
            .into(),
            (None, Some(peer)) => {
                let ip = peer.ip().to_string();
                let name = peers.map_or_else(|| ip.clone(), |peers| peers.of(peer.ip()));
                let port = Value::Int(i64::from(peer.port()));
                [field(&self.host, name.into()), field(&self.ip, ip.into()), field(&self.port, port)].into()
            }
            (None, None) => [].into(),
        }
    }

    fn read(
        &self,
        mut connection: Connection,
        (is_proxied, peers): (bool, Option<&PeerNames>),
        to: &Entrance,
        stop: &Stop,
    ) -> Result<(), InputError> {
        if connection.is_encrypted() {
            // Then it is known who that is.
            connection.wait(stop, None)?;
        }
        let proxied = is_proxied.then(|| connection.proxied(stop)).transpose()?;
        let mut fields = self.fields(connection.peer, proxied, peers);
        if let Some(identity) = connection.identity() {
            fields = fields.iter().cloned().chain([(self.subject.clone(), Value::from(identity.subject))]).collect();
        }
        let mut stream = to.stream(fields);
        connection.read_into(&mut stream, stop, None)
    }
}

impl Source for Tcp {
    fn open(&mut self, kept: &mut Kept) -> io::Result<()> {
        match &mut self.side {
            Side::Server(server) => server.open(kept),
            Side::Client { .. } => Ok(()),
        }
    }

    fn local(&self) -> Option<SocketAddr> {
        match &self.side {
            Side::Server(server) => server.local(),
            Side::Client { .. } => None,
        }
    }

    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let Tcp { side, is_proxied, names, peers } = *self;
        let (entrance, asked) = (entrance.clone(), stop.clone());
        let read = move |connection| names.read(connection, (is_proxied, peers.as_deref()), &entrance, &asked);
        match side {
            Side::Server(server) => server.serve(stop, read),
            Side::Client { address, keep_alive, tls } => sockets::again_and_again(stop, RECONNECT_WAIT, || {
                let connection = connect(&address, tls.as_ref())?;
                if keep_alive {
                    connection.keep_alive()?;
                }
                read(connection)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing as secure, *};
    use crate::pipeline::configured::testing::{mistakes, start};
    use std::{
        io::Write as _,
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn lines_of_connections_have_the_address_of_the_sender() {
        let check = |ecs: Ecs, expected: &dyn Fn(u16) -> String| {
            let plain = "tcp { host => '127.0.0.1' port => 0 dns_reverse_lookup_enabled => false }";
            let running = start(plain, ecs);
            let mut client = TcpStream::connect(running.at.unwrap()).unwrap();
            let port = client.local_addr().unwrap().port();
            client.write_all(b"one\r\ntwo").unwrap();
            assert_eq!(running.json(), expected(port));
            drop(client);
            assert_eq!(running.messages(1), ["two"]);
            assert!(running.end().is_empty());
        };
        check(Ecs::Disabled, &|port| {
            format!(r#"{{"message":"one","host":"127.0.0.1","port":{port},"@metadata":{{"ip_address":"127.0.0.1"}}}}"#)
        });
        check(Ecs::V8, &|port| {
            let source = format!(r#"{{"name":"127.0.0.1","ip":"127.0.0.1","port":{port}}}"#);
            let meta = format!(r#"{{"input":{{"tcp":{{"source":{source}}}}}}}"#);
            format!(r#"{{"message":"one","event":{{"original":"one"}},"@metadata":{meta}}}"#)
        });
    }

    #[test]
    fn connections_do_not_mix_and_codecs_cut() {
        let running = start("tcp { host => '127.0.0.1' port => 0 codec => json }", Ecs::V8);
        let [mut first, mut second] = [(); 2].map(|()| TcpStream::connect(running.at.unwrap()).unwrap());
        first.write_all(b"{\"message\":").unwrap();
        second.write_all(b"{\"message\":\"second\"}\n").unwrap();
        assert_eq!(running.messages(1), ["second"]);
        first.write_all(b"\"first\"}\n").unwrap();
        assert_eq!(running.messages(1), ["first"]);
        running.end();
    }

    #[test]
    fn what_has_come_before_the_stop_is_read() {
        let running = start("tcp { host => '127.0.0.1' port => 0 }", Ecs::V8);
        let mut client = TcpStream::connect(running.at.unwrap()).unwrap();
        client.write_all(b"here\n").unwrap();
        running.messages(1);
        client.write_all(b"last\nwords").unwrap();
        let left: Vec<_> = running.end().iter().map(|event| event.message().unwrap().to_owned()).collect();
        assert_eq!(left, ["last", "words"]);
    }

    #[test]
    fn proxies_say_for_whom_they_connect() {
        let running = start("tcp { host => '127.0.0.1' port => 0 proxy_protocol => true }", Ecs::Disabled);
        let mut client = TcpStream::connect(running.at.unwrap()).unwrap();
        client.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.9 50000 514\r\nhello\n").unwrap();
        let fields = r#""host":"192.0.2.1","port":"50000","proxy_host":"192.0.2.9","proxy_port":"514""#;
        assert_eq!(
            running.json(),
            format!(r#"{{"message":"hello",{fields},"@metadata":{{"ip_address":"192.0.2.1"}}}}"#)
        );
        running.end();
    }

    #[test]
    fn clients_connect_again() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let running = start(&format!("tcp {{ mode => client host => '127.0.0.1' port => {port} }}"), Ecs::V8);
        for text in ["one", "two"] {
            let (mut client, _) = server.accept().unwrap();
            client.write_all(text.as_bytes()).unwrap();
            drop(client);
            assert_eq!(running.messages(1), [text]);
        }
        running.end();
    }

    /// Whether a client gets a line through.
    fn talk(server: &str, client: &str) -> bool {
        let running = start(&format!("tcp {{ {} }}", secure::server(server)), Ecs::V8);
        let mut connection = secure::connect(running.at.unwrap(), client);
        let stop = Stop::new().unwrap();
        // A server that refuses says so; one that does not says nothing within the time that its refusal would take.
        let sent = io::Write::write_all(&mut connection, b"line\n").is_ok();
        let refused = loop {
            match connection.wait(&stop, Some(Duration::from_millis(1))) {
                Err(_) => break true,
                Ok(crate::flow::Woken::Readable) => break true,
                Ok(_) if running.has_event() => break false,
                Ok(_) => {}
            }
        };
        drop(connection);
        let events = running.end();
        assert_eq!(events.len(), usize::from(!refused));
        let subject = FieldRef::parse("[@metadata][input][tcp][tls][client][subject]").unwrap();
        let shows = client.contains("ssl_key");
        assert!(events.iter().all(|event| event.text(&subject) == shows.then_some("CN=agent")));
        sent && !refused
    }

    #[test]
    fn connections_are_encrypted() {
        let plain = "ssl_enabled => true ssl_client_authentication => none";
        assert!(talk(plain, "ssl_certificate_authorities => CA"));
        assert!(talk("ssl_enable => true ssl_verify => false", "ssl_verification_mode => none"));
        assert!(!talk(plain, ""), "nobody vouches for the server");
        let strict = "ssl_enabled => true ssl_certificate_authorities => [CA]";
        let shown = "ssl_certificate_authorities => CA ssl_certificate => CERT ssl_key => KEY";
        assert!(talk(strict, shown));
        assert!(!talk(strict, "ssl_certificate_authorities => CA"), "no certificate is shown");
        let optional = format!("{strict} ssl_client_authentication => optional ssl_supported_protocols => 'TLSv1.2'");
        assert!(talk(&optional, "ssl_certificate_authorities => CA"));
    }

    #[test]
    fn mistakes_are_told() {
        let check = |input: &str, expected: &str| {
            let told: Vec<_> = mistakes(input).into_iter().map(|diagnostic| diagnostic.message).collect();
            assert_eq!(told, [expected], "{input}");
        };
        check("tcp { }", "`tcp` needs the option `port`");
        check("tcp { port => 70000 }", "70000 is no port");
        check("tcp { port => 1 ssl_key => 'k' }", "this means nothing without encryption");
        let pair =
            format!("ssl_certificate => '{}' ssl_key => '{}'", secure::pem("server.pem"), secure::pem("server.key"));
        let nobody = "clients must show certificates, and nobody may vouch for them";
        check(&format!("tcp {{ port => 1 ssl_enabled => true {pair} }}"), nobody);
        let off = "ssl_client_authentication => none";
        check(&format!("tcp {{ port => 1 ssl_enabled => true {off} }}"), "encryption needs a certificate");
        let old = "TLS older than 1.2 is broken and not spoken";
        check(
            &format!("tcp {{ port => 1 ssl_enabled => true {off} {pair} ssl_supported_protocols => 'TLSv1.1' }}"),
            old,
        );
    }
}
