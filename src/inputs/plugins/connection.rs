//! Somebody who is connected to an input: reading with an eye on the stop, encryption, the headers of proxies.
//!
//! Limits: a handshake may take [`HANDSHAKE_WAIT`], the header of a proxy [`PROXY_WAIT`], an answer [`WRITE_WAIT`]. At the stop
//! what has come already is read, [`DRAINED_READS_MAX`] times at most, for nobody sends it again.

use super::{InputError, Stream, subject::subject};
use crate::{
    clock,
    flow::{Stop, Woken},
};
use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    time::{Duration, Instant},
};

/// How long a TLS handshake may take.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// How long the header of a proxy may take.
pub const PROXY_WAIT: Duration = Duration::from_secs(10);
/// How long somebody who is answered may not read.
pub const WRITE_WAIT: Duration = Duration::from_secs(30);
/// How long a stop waits for what is on its way: of a line that follows at once on its connection nobody would know that it is lost.
const LAST_WAIT: Duration = Duration::from_millis(100);
/// How often a connection is read once the stop was asked for.
pub const DRAINED_READS_MAX: usize = 64;
/// The longest header of a proxy, by the protocol's version 1.
const PROXY_BYTES_MAX: usize = 107;

/// What it is made of.
#[derive(Debug)]
pub(super) enum Socket {
    /// Of the network.
    Tcp(TcpStream),
    /// Of a file.
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
    /// The encryption, where there is some.
    pub(super) tls: Option<Box<rustls::Connection>>,
    began: Instant,
    /// What was read and belongs to who reads next.
    ahead: Vec<u8>,
}

impl Connection {
    /// One that begins.
    pub(super) fn new(socket: Socket, peer: Option<SocketAddr>) -> io::Result<Connection> {
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
        let (never, begun) = (Stop::new()?, clock::instant());
        for _ in 0..DRAINED_READS_MAX {
            let left = LAST_WAIT.saturating_sub(clock::since(begun));
            if self.wait(&never, Some(left))? != Woken::Readable || !stream.read_from(self)? {
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
