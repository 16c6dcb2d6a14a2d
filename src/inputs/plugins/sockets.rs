//! Sockets of the inputs of pipelines: listening, connecting, a thread for each [connection](super::connection).
//!
//! Limit: [`CONNECTIONS_MAX`] of a listener at a time; further ones wait in the system's queue.

use super::{
    InputError, Kept,
    connection::{Connection, Socket},
};
use crate::{
    flow::{Stop, Woken},
    inputs::address::{Address, SocketFile, explain, remove_stale},
};
use logship_parsers::config::{Diagnostic, ast, typed};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, pki_types::ServerName};
use std::{
    fs, io,
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::{UnixListener, UnixStream},
    },
    sync::Arc,
    thread,
    time::Duration,
};

/// Connections of a listener at a time.
pub const CONNECTIONS_MAX: usize = 1_000;
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
pub fn bind(address: &Address, force: bool, kept: &mut Kept) -> io::Result<Listener> {
    let bound = match address {
        Address::Tcp(at) => kept.listener(at).map(Listener::Tcp),
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
    pub fn open(&mut self, kept: &mut Kept) -> io::Result<()> {
        if self.listener.is_none() {
            self.listener = Some(bind(&self.address, self.force, kept)?);
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
        self.open(&mut Kept::default())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_with_brackets_where_needed() {
        assert_eq!(host_and_port("0.0.0.0", 514), "0.0.0.0:514");
        assert_eq!(host_and_port("::", 514), "[::]:514");
        assert_eq!(host_and_port("localhost", 514), "localhost:514");
    }
}
