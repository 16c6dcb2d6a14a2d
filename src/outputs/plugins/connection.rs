//! A connection to a server that takes a stream of text and never answers.
//!
//! Such a server confirms nothing: text that the kernel has taken counts as delivered. What is under way when a connection breaks is
//! sent again whole, so that a break doubles rather than loses. A server that has gone is looked for before each batch.

use super::SinkError;
use crate::flow::Stop;
use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};
use std::{
    io::{self, Read as _, Write},
    net::{TcpStream, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};

/// What connecting may take, and the handshake after it.
pub(super) const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long a server may not read before a request to stop is looked for.
pub(super) const STALL: Duration = Duration::from_secs(1);

/// Where to, and how.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Option<Arc<ClientConfig>>,
    /// The pause after a failure.
    pub(super) pause: Duration,
}

/// A connection that is opened when there is something to send.
pub(super) struct Connection {
    way: Arc<Way>,
    open: Option<Stream>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Connection {
    pub(super) fn new(way: Arc<Way>) -> Connection {
        Connection { way, open: None }
    }

    /// Sends all of it.
    pub(super) fn send(&mut self, text: &str, stop: &Stop) -> Result<(), SinkError> {
        if self.open.as_mut().is_some_and(Stream::is_gone) {
            self.open = None;
        }
        let sent = self.opened().and_then(|stream| stream.write(text.as_bytes(), stop));
        sent.map_err(|cause| {
            self.open = None;
            let Way { host, port, pause, .. } = &*self.way;
            SinkError::Again { cause: format!("{host}:{port}: {cause}"), after: Some(*pause) }
        })
    }

    fn opened(&mut self) -> io::Result<&mut Stream> {
        let stream = match self.open.take() {
            Some(stream) => stream,
            None => Stream::open(&self.way)?,
        };
        Ok(self.open.insert(stream))
    }
}

impl Stream {
    fn open(way: &Way) -> io::Result<Stream> {
        let mut last = io::Error::other("its name has no address");
        for address in (way.host.as_str(), way.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT_WAIT) {
                Ok(socket) => return Stream::over(socket, way),
                Err(cause) => last = cause,
            }
        }
        Err(last)
    }

    fn over(mut socket: TcpStream, way: &Way) -> io::Result<Stream> {
        rustix::net::sockopt::set_socket_keepalive(&socket, true)?;
        let Some(config) = &way.tls else {
            socket.set_write_timeout(Some(STALL))?;
            return Ok(Stream::Plain(socket));
        };
        let name = ServerName::try_from(way.host.clone()).map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        socket.set_read_timeout(Some(CONNECT_WAIT))?;
        socket.set_write_timeout(Some(CONNECT_WAIT))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        socket.set_write_timeout(Some(STALL))?;
        Ok(Stream::Tls(Box::new(StreamOwned::new(tls, socket))))
    }

    fn write(&mut self, text: &[u8], stop: &Stop) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => write(socket, text, stop),
            Stream::Tls(stream) => write(stream, text, stop),
        }
    }

    /// Whether the server has closed it. What it says is read and means nothing.
    fn is_gone(&mut self) -> bool {
        let socket = match self {
            Stream::Plain(socket) => &*socket,
            Stream::Tls(stream) => &stream.sock,
        };
        if socket.set_nonblocking(true).is_err() {
            return true;
        }
        let is_gone = match self {
            Stream::Plain(socket) => ends(|| socket.read(&mut [0; 4096])),
            Stream::Tls(stream) => ends(|| {
                let StreamOwned { conn, sock } = &mut **stream;
                if conn.read_tls(sock)? == 0 {
                    return Ok(0);
                }
                let state = conn.process_new_packets().map_err(io::Error::other)?;
                let mut said = vec![0; state.plaintext_bytes_to_read()];
                conn.reader().read_exact(&mut said)?;
                Ok(usize::from(!state.peer_has_closed()))
            }),
        };
        let socket = match self {
            Stream::Plain(socket) => &*socket,
            Stream::Tls(stream) => &stream.sock,
        };
        is_gone || socket.set_nonblocking(false).is_err()
    }
}

/// Reads what is there; whether it has an end.
fn ends(mut read: impl FnMut() -> io::Result<usize>) -> bool {
    loop {
        match read() {
            Ok(0) => return true,
            Ok(_) => {}
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => return cause.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

/// Writes all, however long that takes, until a request to stop.
pub(super) fn write(to: &mut impl Write, text: &[u8], stop: &Stop) -> io::Result<()> {
    let mut rest = text;
    loop {
        let outcome = if rest.is_empty() { to.flush().map(|()| 0) } else { to.write(rest) };
        match outcome {
            Ok(_) if rest.is_empty() => return Ok(()),
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) if matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                if stop.is_requested() {
                    return Err(io::Error::other("it does not read"));
                }
            }
            Err(cause) => return Err(cause),
        }
    }
}
