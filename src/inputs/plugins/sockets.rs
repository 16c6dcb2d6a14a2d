//! Sockets of the inputs of pipelines: listening, connecting, a thread for each connection, TLS.
//!
//! Limits: [`CONNECTIONS_MAX`] of a listener at a time, further ones wait in the system's queue; a handshake may take
//! [`HANDSHAKE_WAIT`], the header of a proxy [`PROXY_WAIT`], an answer [`WRITE_WAIT`]. At the stop what has come already is
//! read, [`DRAINED_READS_MAX`] times at most, for nobody sends it again.

use super::{InputError, Stream, subject::subject};
use crate::{
    clock,
    flow::{Stop, Woken},
    inputs::address::{Address, SocketFile, explain, remove_stale},
};
use logship_parsers::config::{Diagnostic, ast, typed};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, pki_types::ServerName};
use std::{
    fs,
    io::{self, Read, Write},
    net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// Connections of a listener at a time.
pub const CONNECTIONS_MAX: usize = 1_000;
/// How long a TLS handshake may take.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// How long the header of a proxy may take.
pub const PROXY_WAIT: Duration = Duration::from_secs(10);
/// How long somebody who is answered may not read.
pub const WRITE_WAIT: Duration = Duration::from_secs(30);
/// How often a connection is read once the stop was asked for.
pub const DRAINED_READS_MAX: usize = 64;
/// The longest header of a proxy, by the protocol's version 1.
const PROXY_BYTES_MAX: usize = 107;
/// How long connecting may take, for each address of a name.
const CONNECT_WAIT: Duration = Duration::from_secs(5);
/// After a failed accept (no file descriptors left), and where there are too many connections, the listener rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A socket that listens for connections.
#[derive(Debug)]
pub enum Listener {
    /// Of the network.
    Tcp(TcpListener),
    /// Of a file.
    Unix(UnixListener, SocketFile),
}

/// Binds a listener. A socket file that nobody listens on is removed first, one that is in use only where `force` says so.
///
/// # Errors
/// A sentence that names the address.
pub fn bind(address: &Address, force: bool) -> io::Result<Listener> {
    let bound = match address {
        Address::Tcp(at) => TcpListener::bind(at).map(Listener::Tcp),
        Address::Unix(path) => remove_stale(path, |path| UnixStream::connect(path).map(drop))
            .or_else(|cause| match cause.kind() {
                io::ErrorKind::AddrInUse if force => fs::remove_file(path),
                _ => Err(cause),
            })
            .and_then(|()| Ok(Listener::Unix(UnixListener::bind(path)?, SocketFile::open_to_all(path)?))),
        Address::Udp(_) | Address::Unixgram(_) => Err(io::ErrorKind::InvalidInput.into()),
    };
    let bound = bound.and_then(|listener| listener.set_nonblocking().map(|()| listener));
    bound.map_err(|cause| refused(address, &cause))
}

/// Why nobody can listen at an address.
pub fn refused(address: &Address, cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), format!("{address}: cannot listen there: {}", explain(address, cause)))
}

/// `host:port`, with brackets around an address that needs them.
#[must_use]
pub fn host_and_port(host: &str, port: u16) -> String {
    match host.parse() {
        Ok(IpAddr::V6(ip)) => format!("[{ip}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

/// An option that is a port.
///
/// # Errors
/// It is none.
pub fn port(value: &ast::Value) -> typed::Read<u16> {
    let number = typed::integer(value)?;
    u16::try_from(number).map_err(|_| {
        Diagnostic::error(value.span.0, format!("{number} is no port")).expected("a number from 0 to 65535")
    })
}

/// Does something until the stop: once it has ended or failed, again after a while. What fails is told once.
///
/// # Errors
/// The pipeline has ended.
pub fn again_and_again(
    stop: &Stop,
    rest: Duration,
    mut attempt: impl FnMut() -> Result<(), InputError>,
) -> Result<(), InputError> {
    let mut said = String::new();
    while !stop.is_requested() {
        match attempt() {
            Ok(()) => said.clear(),
            Err(InputError::Closed) => return Err(InputError::Closed),
            Err(InputError::Failed(cause)) => {
                let text = cause.to_string();
                if text != said {
                    tracing::warn!("{text}; it is tried again");
                    said = text;
                }
            }
        }
        if stop.wait(rest) {
            break;
        }
    }
    Ok(())
}

impl Listener {
    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => listener.set_nonblocking(true),
            Listener::Unix(listener, _) => listener.set_nonblocking(true),
        }
    }

    fn accept(&self) -> io::Result<Connection> {
        let (socket, peer) = match self {
            Listener::Tcp(listener) => {
                let (socket, peer) = listener.accept()?;
                (Socket::Tcp(socket), Some(peer))
            }
            Listener::Unix(listener, _) => (Socket::Unix(listener.accept()?.0), None),
        };
        Connection::new(socket, peer)
    }

    fn local(&self) -> Option<SocketAddr> {
        match self {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(..) => None,
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Listener::Tcp(listener) => listener.as_fd(),
            Listener::Unix(listener, _) => listener.as_fd(),
        }
    }
}

/// A listener and what becomes of those who connect.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: Address,
    /// Whether a socket file that is in use is taken away.
    pub force: bool,
    /// Whether those who have gone without a word are noticed in time.
    pub keep_alive: bool,
    /// Where connections are encrypted.
    pub tls: Option<Arc<ServerConfig>>,
    /// Once it is open.
    pub listener: Option<Listener>,
}

impl Server {
    /// One that is not open yet.
    #[must_use]
    pub fn new(address: Address, tls: Option<Arc<ServerConfig>>) -> Server {
        Server { address, force: false, keep_alive: false, tls, listener: None }
    }

    /// Listens.
    ///
    /// # Errors
    /// A sentence that names the address.
    pub fn open(&mut self) -> io::Result<()> {
        if self.listener.is_none() {
            self.listener = Some(bind(&self.address, self.force)?);
        }
        Ok(())
    }

    /// Where it listens, in the network.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        self.listener.as_ref().and_then(Listener::local)
    }

    /// Gives each connection to `talk`, on a thread of its own, until the stop; then waits for these threads.
    ///
    /// # Errors
    /// It was not open, or the listener is broken.
    pub fn serve<T>(mut self, stop: &Stop, talk: T) -> Result<(), InputError>
    where
        T: Fn(Connection) -> Result<(), InputError> + Send + Sync + 'static,
    {
        self.open()?;
        let Some(listener) = &self.listener else { return Ok(()) };
        let talk = Arc::new(talk);
        let mut talking: Vec<thread::JoinHandle<()>> = Vec::new();
        loop {
            talking.retain(|thread| !thread.is_finished());
            if talking.len() >= CONNECTIONS_MAX {
                if stop.wait(ACCEPT_REST) {
                    break;
                }
                continue;
            }
            if stop.readable(listener, None)? == Woken::Stop {
                break;
            }
            match listener.accept().and_then(|connection| self.secured(connection)) {
                Ok(connection) => talking.extend(conversation(connection, &talk)),
                Err(cause) if transient(&cause) => {}
                Err(error) => {
                    tracing::warn!(%error, "{}: a connection could not be accepted", self.address);
                    if stop.wait(ACCEPT_REST) {
                        break;
                    }
                }
            }
        }
        talking.into_iter().for_each(|thread| _ = thread.join());
        Ok(())
    }

    fn secured(&self, mut connection: Connection) -> io::Result<Connection> {
        if self.keep_alive {
            connection.keep_alive()?;
        }
        if let Some(config) = &self.tls {
            let tls = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
            connection.tls = Some(Box::new(tls.into()));
        }
        Ok(connection)
    }
}

fn transient(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, Interrupted, WouldBlock};
    matches!(cause.kind(), ConnectionAborted | Interrupted | WouldBlock)
}

fn conversation<T>(connection: Connection, talk: &Arc<T>) -> Option<thread::JoinHandle<()>>
where
    T: Fn(Connection) -> Result<(), InputError> + Send + Sync + 'static,
{
    let talk = Arc::clone(talk);
    let peer = connection.peer;
    let run = move || {
        if let Err(InputError::Failed(error)) = talk(connection) {
            // Whoever hangs up in the middle, or speaks another protocol, is no trouble of ours.
            tracing::debug!(%error, ?peer, "a connection broke off");
        }
    };
    let started = thread::Builder::new().name("connection".to_owned()).spawn(run);
    started.inspect_err(|error| tracing::warn!(%error, "there is no thread for a connection")).ok()
}

/// Connects to somebody.
///
/// # Errors
/// Nobody can be reached; the text names the address.
pub fn connect(address: &Address, tls: Option<&(Arc<ClientConfig>, ServerName<'static>)>) -> io::Result<Connection> {
    let connected = match address {
        Address::Unix(path) => UnixStream::connect(path).and_then(|socket| Connection::new(Socket::Unix(socket), None)),
        Address::Tcp(at) => reach(at).and_then(|(socket, peer)| Connection::new(Socket::Tcp(socket), Some(peer))),
        Address::Udp(_) | Address::Unixgram(_) => Err(io::ErrorKind::InvalidInput.into()),
    };
    let mut connection =
        connected.map_err(|cause| io::Error::new(cause.kind(), format!("{address}: cannot connect: {cause}")))?;
    if let Some((config, name)) = tls {
        let tls = ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
        connection.tls = Some(Box::new(tls.into()));
    }
    Ok(connection)
}

fn reach(at: &str) -> io::Result<(TcpStream, SocketAddr)> {
    let mut last = io::ErrorKind::NotFound.into();
    for address in at.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_WAIT) {
            Ok(socket) => return Ok((socket, address)),
            Err(cause) => last = cause,
        }
    }
    Err(last)
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.read(into),
            Socket::Unix(socket) => socket.read(into),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(socket) => socket.write(bytes),
            Socket::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Somebody who is connected. Reading blocks for what [`Connection::wait`] has not announced.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    /// From where, over the network.
    pub peer: Option<SocketAddr>,
    tls: Option<Box<rustls::Connection>>,
    began: Instant,
    /// What was read and belongs to who reads next.
    ahead: Vec<u8>,
}

impl Connection {
    fn new(socket: Socket, peer: Option<SocketAddr>) -> io::Result<Connection> {
        match &socket {
            Socket::Tcp(socket) => {
                socket.set_nodelay(true)?;
                socket.set_write_timeout(Some(WRITE_WAIT))?;
            }
            Socket::Unix(socket) => socket.set_write_timeout(Some(WRITE_WAIT))?,
        }
        let peer = peer.map(|peer| SocketAddr::new(peer.ip().to_canonical(), peer.port()));
        Ok(Connection { socket, peer, tls: None, began: clock::instant(), ahead: Vec::new() })
    }

    /// Asks the system to look from time to time whether the other side is still there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn keep_alive(&self) -> io::Result<()> {
        Ok(rustix::net::sockopt::set_socket_keepalive(&self.socket, true)?)
    }

    /// Whether it is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    /// Who the other side has shown to be, once something could be read.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let tls = self.tls.as_ref()?;
        Some(Identity {
            subject: subject(tls.peer_certificates()?.first()?)?,
            // Java's names.
            version: format!("{:?}", tls.protocol_version()?).replace('_', "."),
            cipher: format!("{:?}", tls.negotiated_cipher_suite()?.suite()).replace("TLS13_", "TLS_"),
        })
    }

    /// Says that nothing more will be written.
    ///
    /// # Errors
    /// The other side has gone.
    pub fn shut(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            tls.write_tls(&mut self.socket)?;
        }
        match &self.socket {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
        }
    }

    /// Waits until there is something to read, the other side has gone, or the stop was asked for.
    ///
    /// # Errors
    /// The connection is broken, or its encryption is.
    pub fn wait(&mut self, stop: &Stop, patience: Option<Duration>) -> io::Result<Woken> {
        if !self.ahead.is_empty() {
            return Ok(Woken::Readable);
        }
        let Some(tls) = &mut self.tls else { return stop.readable(&self.socket, patience) };
        let begun = clock::instant();
        loop {
            let state = tls.process_new_packets();
            // Also what tells the other side why this failed.
            while tls.wants_write() {
                tls.write_tls(&mut self.socket)?;
            }
            let state = state.map_err(|cause| io::Error::new(io::ErrorKind::InvalidData, cause))?;
            if state.plaintext_bytes_to_read() > 0 || state.peer_has_closed() {
                return Ok(Woken::Readable);
            }
            let left = patience.map(|patience| patience.saturating_sub(clock::since(begun)));
            let handshake = tls.is_handshaking().then(|| HANDSHAKE_WAIT.saturating_sub(clock::since(self.began)));
            match stop.readable(&self.socket, left.into_iter().chain(handshake).min())? {
                Woken::Readable if tls.read_tls(&mut self.socket)? == 0 => return Ok(Woken::Readable),
                Woken::Readable => {}
                Woken::Late if handshake.is_some_and(|left| left.is_zero()) => {
                    return Err(io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake takes too long"));
                }
                Woken::Late if left.is_none_or(|left| handshake.is_some_and(|handshake| handshake < left)) => {}
                woken => return Ok(woken),
            }
        }
    }

    /// Reads the line with which a proxy says for whom it connects.
    ///
    /// # Errors
    /// There is none, or it takes too long.
    pub fn proxied(&mut self, stop: &Stop) -> io::Result<Proxied> {
        let begun = clock::instant();
        let mut head = Vec::new();
        loop {
            if let Some(end) = head.windows(2).position(|pair| pair == b"\r\n") {
                self.ahead = head.split_off(end + 2);
                return Proxied::parse(&String::from_utf8_lossy(&head[..end]));
            }
            if head.len() > PROXY_BYTES_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "there is no header of a proxy"));
            }
            match self.wait(stop, Some(PROXY_WAIT.saturating_sub(clock::since(begun))))? {
                Woken::Readable => {}
                Woken::Late | Woken::Stop => return Err(io::ErrorKind::TimedOut.into()),
            }
            let mut bytes = [0; 4 << 10];
            match self.read(&mut bytes)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => head.extend_from_slice(&bytes[..count]),
            }
        }
    }

    /// Gives a stream what comes, up to the end, the stop, or silence for so long. At the stop what has come already is read.
    ///
    /// # Errors
    /// The connection broke, or the pipeline has ended.
    pub fn read_into(&mut self, stream: &mut Stream, stop: &Stop, idle: Option<Duration>) -> Result<(), InputError> {
        let ended = self.read_whole(stream, stop, idle);
        stream.finish()?;
        stream.settle()?;
        ended
    }

    fn read_whole(&mut self, stream: &mut Stream, stop: &Stop, idle: Option<Duration>) -> Result<(), InputError> {
        loop {
            let held = stream.patience();
            let mut woken = self.wait(stop, Some(Duration::ZERO))?;
            if woken == Woken::Late {
                // With nothing to do there is time to see that what was given is safe.
                stream.settle()?;
                woken = self.wait(stop, held.into_iter().chain(idle).min())?;
            }
            match woken {
                Woken::Readable if stream.read_from(self)? => {}
                Woken::Late if held.is_some_and(|held| idle.is_none_or(|idle| held <= idle)) => stream.finish()?,
                Woken::Readable | Woken::Late => return Ok(()),
                Woken::Stop => break,
            }
        }
        let never = Stop::new()?;
        for _ in 0..DRAINED_READS_MAX {
            if self.wait(&never, Some(Duration::ZERO))? != Woken::Readable || !stream.read_from(self)? {
                break;
            }
        }
        Ok(())
    }
}

impl Read for Connection {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            let count = self.ahead.len().min(into.len());
            into[..count].copy_from_slice(&self.ahead[..count]);
            self.ahead.drain(..count);
            return Ok(count);
        }
        match &mut self.tls {
            None => self.socket.read(into),
            Some(tls) => match tls.reader().read(into) {
                // Many who send logs hang up without a farewell.
                Err(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
                read => read,
            },
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        let count = tls.writer().write(bytes)?;
        while tls.wants_write() {
            tls.write_tls(&mut self.socket)?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Who somebody is, by the certificate, and how that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `CN=agent`
    pub subject: String,
    /// `TLSv1.3`
    pub version: String,
    /// `TLS_AES_256_GCM_SHA384`
    pub cipher: String,
}

/// What a proxy says of a connection, as it writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// Who connected to the proxy.
    pub client: (String, String),
    /// Where.
    pub proxy: (String, String),
}

impl Proxied {
    fn parse(line: &str) -> io::Result<Proxied> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["PROXY", _, client, proxy, client_port, proxy_port] = words[..] else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no header of a proxy"));
        };
        let pair = |host: &str, port: &str| (host.to_owned(), port.to_owned());
        Ok(Proxied { client: pair(client, client_port), proxy: pair(proxy, proxy_port) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_with_brackets_where_needed() {
        assert_eq!(host_and_port("0.0.0.0", 514), "0.0.0.0:514");
        assert_eq!(host_and_port("::", 514), "[::]:514");
        assert_eq!(host_and_port("localhost", 514), "localhost:514");
    }

    #[test]
    fn headers_of_proxies_are_read() {
        let check = |text: &[u8], expected: Option<(&str, &str, &[u8])>| {
            let (near, mut far) = UnixStream::pair().unwrap();
            let mut connection = Connection::new(Socket::Unix(near), None).unwrap();
            far.write_all(text).unwrap();
            drop(far);
            let proxied = connection.proxied(&Stop::new().unwrap()).ok();
            let mut rest = Vec::new();
            connection.read_to_end(&mut rest).unwrap();
            let seen = proxied.as_ref().map(|seen| (seen.client.0.as_str(), seen.proxy.1.as_str(), rest.as_slice()));
            assert_eq!(seen, expected, "{}", String::from_utf8_lossy(text));
        };
        check(b"PROXY TCP4 192.0.2.1 192.0.2.9 50000 514\r\nhello\n", Some(("192.0.2.1", "514", b"hello\n")));
        check(b"PROXY UNKNOWN\r\n", None);
        check(b"hello\r\n", None);
        check(b"PROXY", None);
        check(&b"x".repeat(200), None);
    }
}
