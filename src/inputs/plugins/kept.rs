//! Sockets that outlive a pipeline: where a config changes and an address does not, those who connect or send meanwhile wait in
//! the system's queue for the pipeline that takes the other's place.

use std::{
    collections::HashMap,
    io,
    net::{TcpListener, UdpSocket},
    os::fd::OwnedFd,
};

/// The sockets of a pipeline by their addresses as the config writes them.
#[derive(Debug, Default)]
pub struct Kept {
    before: HashMap<String, OwnedFd>,
    now: HashMap<String, OwnedFd>,
}

impl Kept {
    /// Those of the pipeline before, for the one after it. What it does not ask for is closed with it.
    #[must_use]
    pub fn for_next(self) -> Kept {
        Kept { before: self.now, now: HashMap::new() }
    }

    /// A listener at this address: the one of before, or a new one.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn listener(&mut self, at: &str) -> io::Result<TcpListener> {
        let name = format!("tcp://{at}");
        let listener = match self.before.remove(&name) {
            Some(socket) => TcpListener::from(socket),
            None => TcpListener::bind(at)?,
        };
        self.now.insert(name, listener.try_clone()?.into());
        Ok(listener)
    }

    /// A socket for datagrams at this address: the one of before, or a new one.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn datagrams(&mut self, at: &str) -> io::Result<UdpSocket> {
        let name = format!("udp://{at}");
        let socket = match self.before.remove(&name) {
            Some(socket) => UdpSocket::from(socket),
            None => UdpSocket::bind(at)?,
        };
        self.now.insert(name, socket.try_clone()?.into());
        Ok(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    #[test]
    fn who_connects_meanwhile_waits_for_the_next() {
        let mut first = Kept::default();
        let listener = first.listener("127.0.0.1:0").unwrap();
        let datagrams = first.datagrams("127.0.0.1:0").unwrap();
        let (address, udp) = (listener.local_addr().unwrap(), datagrams.local_addr().unwrap());
        drop((listener, datagrams));
        let waiting = TcpStream::connect(address).unwrap();
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", udp).unwrap();
        let mut second = first.for_next();
        let listener = second.listener("127.0.0.1:0").unwrap();
        assert_eq!(listener.accept().unwrap().1, waiting.local_addr().unwrap());
        assert_eq!(second.datagrams("127.0.0.1:0").unwrap().recv(&mut [0; 9]).unwrap(), 1);
        // Nobody asks for it any more.
        drop((listener, second.for_next()));
        assert!(TcpStream::connect(address).is_err());
    }
}
