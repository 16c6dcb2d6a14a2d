//! Names and addresses by files of hosts, then by name servers, one datagram at a time.

use super::message::{self, ANSWER_BYTES_MAX, Answer, Kind};
use std::{
    collections::HashMap,
    fs,
    hash::{BuildHasher, RandomState},
    io::{self, Read as _},
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The largest file of hosts.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Datagrams that are read for one question.
const STRAYS_MAX: usize = 4;
/// The port of name servers.
const PORT: u16 = 53;
/// What the system says of name servers.
const SYSTEM_SERVERS: &str = "/etc/resolv.conf";
/// The hosts that the system knows.
pub(super) const SYSTEM_HOSTS: &str = "/etc/hosts";

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Failure {
    /// In time.
    Timeout,
    /// No server can be reached.
    Unreachable,
}

/// Hosts of files.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    addresses: HashMap<String, String>,
    names: HashMap<IpAddr, String>,
}

impl Hosts {
    /// Adds those of a file that are not known yet.
    pub(super) fn read(&mut self, path: &str) -> Result<(), String> {
        let mut text = String::new();
        let read = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
        read.map_err(|cause| format!("it cannot be read: {cause}"))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
        }
        for line in text.lines() {
            let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
            let Some(address) = words.next() else { continue };
            let Ok(number) = address.parse::<IpAddr>() else { continue };
            for name in words {
                self.addresses.entry(name.to_owned()).or_insert_with(|| address.to_owned());
                self.names.entry(number).or_insert_with(|| name.to_owned());
            }
        }
        Ok(())
    }
}

/// Name servers and how names are completed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Servers {
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) search: Vec<String>,
    pub(super) ndots: usize,
}

impl Servers {
    /// Those of the system.
    pub(super) fn of_system() -> Servers {
        let mut text = String::new();
        let file = fs::File::open(SYSTEM_SERVERS);
        // Without the file it is the server of this machine.
        _ = file.and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
        Servers::parse(&text)
    }

    fn parse(text: &str) -> Servers {
        let mut servers = Servers { ndots: 1, ..Servers::default() };
        for line in text.lines() {
            let mut words = line.split(['#', ';']).next().unwrap_or_default().split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => servers.addresses.extend(words.next().and_then(server)),
                Some("search" | "domain") => servers.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    let ndots = words.filter_map(|word| word.strip_prefix("ndots:")?.parse().ok()).next_back();
                    servers.ndots = ndots.unwrap_or(servers.ndots);
                }
                _ => {}
            }
        }
        if servers.addresses.is_empty() {
            servers.addresses.push(SocketAddr::from(([127, 0, 0, 1], PORT)));
        }
        servers
    }

    /// The names that a name may mean, the likeliest first.
    fn candidates(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let own = name.to_owned();
        let completed = self.search.iter().map(|domain| format!("{name}.{}", domain.trim_end_matches('.')));
        match name.matches('.').count() >= self.ndots {
            true => std::iter::once(own).chain(completed).collect(),
            false => completed.chain(std::iter::once(own)).collect(),
        }
    }
}

/// The address of a name server, with or without a port.
pub(super) fn server(text: &str) -> Option<SocketAddr> {
    let text = text.trim();
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT)))
}

/// Who knows names and addresses.
#[derive(Debug)]
pub struct Resolver {
    pub(super) hosts: Hosts,
    pub(super) servers: Option<Servers>,
    /// How long one answer is waited for.
    pub(super) timeout: Duration,
    /// How often all is tried again.
    pub(super) retries: u32,
    pub(super) numbers: RandomState,
    pub(super) asked: AtomicU64,
}

impl Resolver {
    /// The one of the system, with so long for each answer.
    #[must_use]
    pub fn of_system(timeout: Duration) -> Resolver {
        let mut hosts = Hosts::default();
        // A system without the file knows no hosts.
        _ = hosts.read(SYSTEM_HOSTS);
        let servers = Some(Servers::of_system());
        Resolver { hosts, servers, timeout, retries: 0, numbers: RandomState::new(), asked: AtomicU64::default() }
    }

    /// The address of a name; none where it has none. An address is its own.
    pub(super) fn address(&self, name: &str) -> Result<Option<String>, Failure> {
        if name.parse::<IpAddr>().is_ok() {
            return Ok(Some(name.to_owned()));
        }
        if let Some(address) = self.hosts.addresses.get(name) {
            return Ok(Some(address.clone()));
        }
        self.ask(name, &[Kind::A, Kind::Aaaa])
    }

    /// The name of an address; none where it has none.
    ///
    /// # Errors
    /// There is no answer.
    pub fn name(&self, address: IpAddr) -> Result<Option<String>, Failure> {
        if let Some(name) = self.hosts.names.get(&address) {
            return Ok(Some(name.clone()));
        }
        self.ask(&(message::reversed(address) + "."), &[Kind::Ptr])
    }

    fn ask(&self, name: &str, kinds: &[Kind]) -> Result<Option<String>, Failure> {
        let Some(servers) = &self.servers else { return Ok(None) };
        let mut tries = 0;
        loop {
            match self.try_once(servers, name, kinds) {
                Err(_) if tries < self.retries => tries += 1,
                result => return result,
            }
        }
    }

    fn try_once(&self, servers: &Servers, name: &str, kinds: &[Kind]) -> Result<Option<String>, Failure> {
        for candidate in servers.candidates(name) {
            for &kind in kinds {
                match self.ask_all(servers, &candidate, kind)? {
                    Answer::Found(found) => return Ok(Some(found)),
                    Answer::Nothing => {}
                    Answer::NoSuchName => break,
                }
            }
        }
        Ok(None)
    }

    /// The answer of the first server that gives one.
    fn ask_all(&self, servers: &Servers, name: &str, kind: Kind) -> Result<Answer, Failure> {
        let id = self.numbers.hash_one(self.asked.fetch_add(1, Ordering::Relaxed)) as u16;
        let Some(question) = message::question(id, name, kind) else { return Ok(Answer::NoSuchName) };
        let mut failure = Failure::Unreachable;
        for &server in &servers.addresses {
            match self.ask_one(server, &question, kind) {
                Ok(answer) => return Ok(answer),
                Err(cause) if matches!(cause.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    failure = Failure::Timeout;
                }
                Err(_) => {}
            }
        }
        Err(failure)
    }

    fn ask_one(&self, server: SocketAddr, question: &[u8], kind: Kind) -> io::Result<Answer> {
        let own = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(own)?;
        socket.connect(server)?;
        socket.send(question)?;
        socket.set_read_timeout(Some(self.timeout))?;
        let mut buffer = [0; ANSWER_BYTES_MAX];
        // What comes from the server may be no answer to this question.
        for _ in 0..STRAYS_MAX {
            let length = socket.recv(&mut buffer)?;
            if let Some(answer) = message::answer(&buffer[..length], question, kind) {
                return Ok(answer);
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed() {
        let text =
            "nameserver 192.0.2.1 # x\nnameserver 2001:db8::1\nsearch a.example b.example.\noptions rotate ndots:2\n";
        let servers = Servers::parse(text);
        assert_eq!(servers.addresses, ["192.0.2.1:53", "[2001:db8::1]:53"].map(|text| text.parse().unwrap()));
        let check = |name: &str, expected: &[&str]| assert_eq!(servers.candidates(name), expected, "{name}");
        check("x", &["x.a.example", "x.b.example", "x"]);
        check("x.y.z", &["x.y.z", "x.y.z.a.example", "x.y.z.b.example"]);
        check("x.", &["x."]);
        assert_eq!(Servers::parse("").addresses, ["127.0.0.1:53".parse().unwrap()]);
    }
}
