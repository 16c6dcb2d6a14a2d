//! Where an input listens: `udp://0.0.0.0:514`, `tcp://[::1]:601`, `unix:///run/logship.sock`, `unixgram:///dev/log`.
//!
//! Binding fails with one sentence that names the option, the address and the cause. A socket file that nobody listens on any
//! more is removed first; one that is in use, or a file that is no socket, never.

use rustix::net::sockopt::{set_socket_recv_buffer_size, socket_recv_buffer_size};
use std::{
    fmt, fs, io,
    net::SocketAddr,
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    str::FromStr,
};
use tokio::net::{TcpListener, UdpSocket, UnixDatagram, UnixListener};

/// The receive buffer that datagram sockets ask for; the system may give less.
pub const RECEIVE_BUFFER_BYTES: usize = 4 << 20;
/// Everybody on the machine may write to a socket file, as to `/dev/log`.
const SOCKET_MODE: u32 = 0o666;

/// Where an input listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Datagrams to `host:port`.
    Udp(String),
    /// Connections to `host:port`.
    Tcp(String),
    /// Connections to a socket file.
    Unix(PathBuf),
    /// Datagrams to a socket file.
    Unixgram(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let wanted = "an address is `udp://HOST:PORT`, `tcp://HOST:PORT`, `unix:///PATH` or `unixgram:///PATH`";
        let (scheme, rest) = text.split_once("://").ok_or_else(|| format!("`{text}` has no scheme: {wanted}"))?;
        match scheme {
            "udp" => host_and_port(rest).map(Address::Udp),
            "tcp" => host_and_port(rest).map(Address::Tcp),
            "unix" => absolute(rest).map(Address::Unix),
            "unixgram" => absolute(rest).map(Address::Unixgram),
            _ => Err(format!("`{scheme}` is no scheme: {wanted}")),
        }
    }
}

fn host_and_port(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').ok_or_else(|| format!("`{text}` has no port: write `{text}:PORT`"))?;
    if host.is_empty() {
        return Err(format!("`{text}` has no host: write `0.0.0.0:{port}` for all addresses of this machine"));
    }
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err(format!("write the IPv6 address in brackets: `[{host}]:{port}`"));
    }
    port.parse::<u16>().map_err(|_| format!("`{port}` is no port: a number from 0 to 65535"))?;
    Ok(text.to_owned())
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    if text.starts_with('/') && text.len() > 1 {
        return Ok(text.into());
    }
    Err(format!("`{text}` is no absolute path: three slashes, as in `unix:///run/logship.sock`"))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Udp(at) => write!(f, "udp://{at}"),
            Address::Tcp(at) => write!(f, "tcp://{at}"),
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Unixgram(path) => write!(f, "unixgram://{}", path.display()),
        }
    }
}

/// Why an input cannot listen.
#[derive(Debug)]
pub struct ListenError {
    /// The option that names the address, such as `--syslog`.
    pub option: String,
    /// The address.
    pub address: Address,
    /// What the system said, or what is not possible.
    pub cause: String,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: cannot listen there: {}", self.option, self.address, self.cause)
    }
}

impl std::error::Error for ListenError {}

/// A socket that listens.
#[derive(Debug)]
pub enum Listening {
    /// UDP.
    Udp(UdpSocket),
    /// TCP.
    Tcp(TcpListener),
    /// Connections to a socket file.
    Unix(UnixListener, SocketFile),
    /// Datagrams to a socket file.
    Unixgram(UnixDatagram, SocketFile),
}

impl Listening {
    /// Listens at an address.
    ///
    /// # Errors
    /// One sentence that names the option, the address and the cause.
    pub async fn at(option: &str, address: &Address) -> Result<Listening, ListenError> {
        Listening::try_at(address).await.map_err(|cause| ListenError {
            option: option.to_owned(),
            address: address.clone(),
            cause: explain(address, &cause),
        })
    }

    /// Listens at several addresses.
    ///
    /// # Errors
    /// The first that cannot be had.
    pub async fn at_all(option: &str, addresses: &[Address]) -> Result<Vec<Listening>, ListenError> {
        let mut all = Vec::with_capacity(addresses.len());
        for address in addresses {
            all.push(Listening::at(option, address).await?);
        }
        Ok(all)
    }

    /// Listens at several addresses for a protocol that needs connections.
    ///
    /// # Errors
    /// The first that is for datagrams, or cannot be had.
    pub async fn for_connections(
        option: &str,
        addresses: &[Address],
        protocol: &str,
    ) -> Result<Vec<Listening>, ListenError> {
        let refused = |address: &&Address| matches!(address, Address::Udp(_) | Address::Unixgram(_));
        if let Some(address) = addresses.iter().find(refused) {
            let cause = format!("{protocol} needs connections: `tcp://` or `unix://`");
            return Err(ListenError { option: option.to_owned(), address: address.clone(), cause });
        }
        Listening::at_all(option, addresses).await
    }

    /// Whether somebody connects there, rather than sends datagrams.
    #[must_use]
    pub fn has_connections(&self) -> bool {
        matches!(self, Listening::Tcp(_) | Listening::Unix(..))
    }

    async fn try_at(address: &Address) -> io::Result<Listening> {
        Ok(match address {
            Address::Udp(at) => {
                let socket = UdpSocket::bind(at).await?;
                raise_buffer(&socket);
                Listening::Udp(socket)
            }
            Address::Tcp(at) => Listening::Tcp(TcpListener::bind(at).await?),
            Address::Unix(path) => {
                remove_stale(path, |path| std::os::unix::net::UnixStream::connect(path).map(drop))?;
                Listening::Unix(UnixListener::bind(path)?, SocketFile::open_to_all(path)?)
            }
            Address::Unixgram(path) => {
                remove_stale(path, |path| std::os::unix::net::UnixDatagram::unbound()?.connect(path))?;
                let socket = UnixDatagram::bind(path)?;
                raise_buffer(&socket);
                Listening::Unixgram(socket, SocketFile::open_to_all(path)?)
            }
        })
    }

    /// Where it listens, for sockets of the network: the port that was chosen where 0 was asked for.
    #[must_use]
    pub fn local(&self) -> Option<SocketAddr> {
        match self {
            Listening::Udp(socket) => socket.local_addr().ok(),
            Listening::Tcp(listener) => listener.local_addr().ok(),
            Listening::Unix(..) | Listening::Unixgram(..) => None,
        }
    }
}

pub(super) fn explain(address: &Address, cause: &io::Error) -> String {
    let hint = match (cause.kind(), address) {
        (io::ErrorKind::PermissionDenied, Address::Udp(_) | Address::Tcp(_)) => {
            "; ports below 1024 need root or CAP_NET_BIND_SERVICE: choose a higher one"
        }
        (io::ErrorKind::AddrInUse, _) => "; another program listens there: stop it or choose another address",
        (io::ErrorKind::AddrNotAvailable, _) => "; this machine does not have that address",
        (io::ErrorKind::NotFound, Address::Unix(_) | Address::Unixgram(_)) => "; create its folder first",
        _ => "",
    };
    format!("{cause}{hint}")
}

/// Asks for [`RECEIVE_BUFFER_BYTES`]: what comes while this process does not run waits there.
fn raise_buffer(socket: impl std::os::fd::AsFd) {
    let had = socket_recv_buffer_size(&socket).unwrap_or_default();
    if had >= RECEIVE_BUFFER_BYTES {
        return;
    }
    // The system caps it at net.core.rmem_max without a word.
    if let Err(cause) = set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER_BYTES) {
        tracing::debug!(%cause, "the receive buffer stays as it is");
    }
}

pub(super) fn remove_stale(path: &Path, connect: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    match connect(path) {
        Ok(()) => Err(io::ErrorKind::AddrInUse.into()),
        Err(cause) if cause.kind() == io::ErrorKind::ConnectionRefused && found.file_type().is_socket() => {
            fs::remove_file(path)
        }
        Err(_) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "a file that is no socket is there; it was left as it is"))
        }
        Err(cause) => Err(cause),
    }
}

/// The file of a socket: removed with it, unless somebody else's has taken its place.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    pub(super) fn open_to_all(path: &Path) -> io::Result<SocketFile> {
        fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
        let found = fs::symlink_metadata(path)?;
        Ok(SocketFile { path: path.to_owned(), identity: (found.dev(), found.ino()) })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = |found: &fs::Metadata| (found.dev(), found.ino()) == self.identity;
        if fs::symlink_metadata(&self.path).is_ok_and(|found| ours(&found)) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back_and_mistakes_are_explained() {
        for text in ["udp://0.0.0.0:514", "tcp://[::1]:601", "unix:///run/a.sock", "unixgram:///dev/log"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let check = |text: &str, part: &str| {
            let message = text.parse::<Address>().unwrap_err();
            assert!(message.contains(part), "{text}: {message}");
        };
        check("0.0.0.0:514", "no scheme");
        check("http://a:1", "`http` is no scheme");
        check("udp://0.0.0.0", "no port");
        check("udp://:514", "no host");
        check("tcp://::1:514", "[::1]:514");
        check("tcp://a:65536", "no port");
        check("unix://run/a.sock", "absolute");
        check("unixgram:///", "absolute");
    }

    async fn listen(text: &str) -> Result<Listening, String> {
        Listening::at("--syslog", &text.parse().unwrap()).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn taken_ports_are_named() {
        let first = listen("tcp://127.0.0.1:0").await.unwrap();
        let port = first.local().unwrap().port();
        let error = listen(&format!("tcp://127.0.0.1:{port}")).await.unwrap_err();
        assert!(error.starts_with(&format!("--syslog tcp://127.0.0.1:{port}: cannot listen there: ")), "{error}");
        assert!(error.contains("another program"), "{error}");
    }

    #[tokio::test]
    async fn stale_socket_files_go_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        for scheme in ["unix", "unixgram"] {
            let path = folder.path().join(scheme);
            let text = format!("{scheme}://{}", path.display());
            let first = listen(&text).await.unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
            assert!(listen(&text).await.unwrap_err().contains("another program"));
            drop(first);
            assert!(!path.exists());
            // What a killed process leaves behind.
            if scheme == "unix" {
                drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            } else {
                drop(std::os::unix::net::UnixDatagram::bind(&path).unwrap());
            }
            assert!(path.exists());
            let again = listen(&text).await.unwrap();
            fs::remove_file(&path).unwrap();
            fs::write(&path, "mine").unwrap();
            drop(again);
            assert!(listen(&text).await.unwrap_err().contains("no socket"));
            assert_eq!(fs::read(&path).unwrap(), b"mine");
        }
    }
}
