//! A listener whose clients get all events from when they connect on. One that reads too slowly is let go: it holds nothing up.

use super::super::{
    Encoded, Refused, Sink, SinkError,
    connection::{CONNECT_WAIT, STALL, write},
};
use crate::flow::{Stop, Woken};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

/// Most clients at a time; others are turned away.
pub const CLIENTS_MAX: usize = 256;
/// Batches that a client may be behind.
pub const BATCHES_PER_CLIENT_MAX: usize = 64;

pub(super) struct Server {
    address: SocketAddr,
    clients: Arc<Mutex<Vec<Client>>>,
    stop: Stop,
    accept: Option<JoinHandle<()>>,
}

struct Client {
    peer: SocketAddr,
    parcels: Sender<Arc<str>>,
    thread: JoinHandle<()>,
}

impl Server {
    pub(super) fn open((host, port): (&str, u16), tls: Option<Arc<ServerConfig>>) -> io::Result<Server> {
        let named = |cause: io::Error| io::Error::new(cause.kind(), format!("tcp {host}:{port}: {cause}"));
        let listener = TcpListener::bind((host, port)).map_err(named)?;
        let (address, stop) = (listener.local_addr()?, Stop::new()?);
        let clients: Arc<Mutex<Vec<Client>>> = Arc::default();
        let accept = {
            let (clients, stop) = (clients.clone(), stop.clone());
            move || {
                while matches!(stop.readable(&listener, None), Ok(Woken::Readable)) {
                    let Ok((socket, peer)) = listener.accept() else { continue };
                    if let Err(cause) = welcome(&clients, (socket, peer), tls.clone(), &stop) {
                        tracing::warn!("tcp {address}: {peer} is turned away: {cause}");
                    }
                }
            }
        };
        let accept = thread::Builder::new().name("tcp-accept".to_owned()).spawn(accept)?;
        Ok(Server { address, clients, stop, accept: Some(accept) })
    }
}

fn welcome(
    clients: &Mutex<Vec<Client>>,
    (socket, peer): (TcpStream, SocketAddr),
    tls: Option<Arc<ServerConfig>>,
    stop: &Stop,
) -> io::Result<()> {
    let mut clients = held(clients);
    clients.retain(|client| !client.thread.is_finished());
    if clients.len() >= CLIENTS_MAX {
        return Err(io::Error::other(format!("{CLIENTS_MAX} clients are connected")));
    }
    let (sender, parcels) = bounded(BATCHES_PER_CLIENT_MAX);
    let stop = stop.clone();
    let serve = move || {
        if let Err(cause) = serve(socket, tls, &parcels, &stop) {
            tracing::debug!("{peer} has gone: {cause}");
        }
    };
    let thread = thread::Builder::new().name("tcp-client".to_owned()).spawn(serve)?;
    clients.push(Client { peer, parcels: sender, thread });
    Ok(())
}

fn serve(
    mut socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    parcels: &Receiver<Arc<str>>,
    stop: &Stop,
) -> io::Result<()> {
    let Some(config) = tls else {
        socket.set_write_timeout(Some(STALL))?;
        return parcels.iter().try_for_each(|text| write(&mut socket, text.as_bytes(), stop));
    };
    socket.set_read_timeout(Some(CONNECT_WAIT))?;
    socket.set_write_timeout(Some(CONNECT_WAIT))?;
    let mut connection = ServerConnection::new(config).map_err(io::Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    socket.set_write_timeout(Some(STALL))?;
    let mut stream = StreamOwned::new(connection, socket);
    parcels.iter().try_for_each(|text| write(&mut stream, text.as_bytes(), stop))?;
    stream.conn.send_close_notify();
    stream.conn.complete_io(&mut stream.sock).map(drop)
}

impl Sink for Server {
    fn deliver(&mut self, batch: &mut Encoded, _: &mut Vec<Refused>, _: &Stop) -> Result<(), SinkError> {
        if batch.is_done() {
            return Ok(());
        }
        let text: Arc<str> = batch.text().into();
        held(&self.clients).retain(|client| match client.parcels.try_send(text.clone()) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                tracing::warn!("tcp {}: {} reads too slowly and is let go", self.address, client.peer);
                false
            }
            Err(TrySendError::Disconnected(_)) => false,
        });
        batch.all_done();
        Ok(())
    }
}

impl Drop for Server {
    /// Clients get what they were given, as long as they read it.
    fn drop(&mut self) {
        self.stop.request();
        if let Some(accept) = self.accept.take() {
            _ = accept.join();
        }
        for Client { parcels, thread, .. } in held(&self.clients).drain(..) {
            drop(parcels);
            _ = thread.join();
        }
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::{super::super::testing::*, *};
    use rustls::{ClientConnection, pki_types::ServerName};
    use std::io::Read as _;

    /// Sends to two clients until both have read a line.
    fn check(is_secure: bool) {
        let output = built("tcp { mode => server host => \"127.0.0.1\" port => 0 codec => json_lines }");
        let tls = is_secure.then(|| server_config(false));
        let mut sink = Server::open(("127.0.0.1", 0), tls).unwrap();
        let address = sink.address;
        let client = || {
            thread::Builder::new().spawn(move || {
                let socket = TcpStream::connect(address).unwrap();
                let mut text = [0; 48];
                if is_secure {
                    let name = ServerName::try_from("localhost").unwrap();
                    let connection = ClientConnection::new(client_config(), name).unwrap();
                    StreamOwned::new(connection, socket).read_exact(&mut text).unwrap();
                } else {
                    { socket }.read_exact(&mut text).unwrap();
                }
                String::from_utf8(text.to_vec()).unwrap()
            })
        };
        let clients = [client().unwrap(), client().unwrap()];
        while !clients.iter().all(JoinHandle::is_finished) {
            let events = [r#"{"@timestamp":"2026-01-01T00:00:00Z","n":1}"#];
            attempt(&mut sink, &mut encoded(&*output, &events)).unwrap();
            thread::yield_now();
        }
        for client in clients {
            assert_eq!(client.join().unwrap(), "{\"@timestamp\":\"2026-01-01T00:00:00.000Z\",\"n\":1}\n");
        }
    }

    #[test]
    fn all_who_are_connected_get_events() {
        check(false);
        check(true);
    }

    #[test]
    fn the_rest_comes_before_the_end_and_the_slow_are_let_go() {
        let output = built("tcp { mode => server host => \"127.0.0.1\" port => 0 codec => json_lines }");
        let mut sink = Server::open(("127.0.0.1", 0), None).unwrap();
        let slow = TcpStream::connect(sink.address).unwrap();
        let event = format!(r#"{{"m":"{}"}}"#, "x".repeat(100_000));
        while held(&sink.clients).is_empty() {
            thread::yield_now();
        }
        let mut batches = 0;
        while !held(&sink.clients).is_empty() {
            attempt(&mut sink, &mut encoded(&*output, &[&event])).unwrap();
            batches += 1;
            assert!(batches < 10_000, "it is never let go");
        }
        drop(slow);
        let mut reader = TcpStream::connect(sink.address).unwrap();
        while held(&sink.clients).is_empty() {
            thread::yield_now();
        }
        attempt(&mut sink, &mut encoded(&*output, &["{}", "{}"])).unwrap();
        drop(sink);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text.lines().count(), 2);
    }
}
