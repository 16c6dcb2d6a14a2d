//! What the tests of several inputs share: certificates of fixtures, and encrypted connections to what is tested.

use super::{connection::Connection, sockets, tls};
use crate::{inputs::address::Address, pipeline::configured::testing::read};
use std::net::SocketAddr;

/// The path of a certificate or key.
pub(super) fn pem(name: &str) -> String {
    format!("{}/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Options of a server: `CA` is who vouches for `CERT` and `KEY` of clients.
pub(super) fn server(options: &str) -> String {
    let pair = format!("ssl_certificate => '{}' ssl_key => '{}'", pem("server.pem"), pem("server.key"));
    format!("host => '127.0.0.1' port => 0 {pair} {}", filled(options))
}

fn filled(options: &str) -> String {
    let quoted = |name: &str| format!("'{}'", pem(name));
    let options = options.replace("CA", &quoted("ca.pem"));
    options.replace("CERT", &quoted("client.pem")).replace("KEY", &quoted("client.key"))
}

/// Connects as a client with these options.
pub(super) fn connect(at: SocketAddr, options: &str) -> Connection {
    let text = format!("tcp {{ mode => client port => 1 ssl_enabled => true {} }}", filled(options));
    let config = read(&text, |options| tls::client(options, "127.0.0.1").unwrap());
    sockets::connect(&Address::Tcp(at.to_string()), Some(&config)).unwrap()
}
