//! A server whose behaviour is a function.

use super::super::testing::server_config;
use flate2::read::GzDecoder;
use rustls::{ServerConnection, StreamOwned};
use std::{
    collections::BTreeMap,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

/// A request as it came.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// `POST /path`
    pub line: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Inflated.
    pub body: String,
    /// Which connection it came by.
    pub connection: usize,
}

/// What the server does.
pub enum Reply {
    /// A status, a header with its line end or nothing, and a body.
    Answer(u16, &'static str, String),
    /// Closes the connection.
    Reset,
    /// Waits until the client loses patience.
    Hang,
}

type Answering = dyn Fn(usize, &Seen) -> Reply + Send + Sync;

/// A server on a port of its own.
pub struct Server {
    address: SocketAddr,
    is_secure: bool,
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// An answer without headers.
pub fn answer(status: u16, body: &str) -> Reply {
    Reply::Answer(status, "", body.to_owned())
}

impl Server {
    /// One that answers by the number of a request and what it is.
    pub fn start(reply: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Server {
        Server::with(false, Arc::new(reply))
    }

    /// One that is known as `localhost` and wants a certificate.
    pub fn secure(reply: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Server {
        Server::with(true, Arc::new(reply))
    }

    fn with(is_secure: bool, reply: Arc<Answering>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop): (Arc<Mutex<Vec<Seen>>>, Arc<AtomicBool>) = Default::default();
        let shared = (seen.clone(), stop.clone());
        let accept = move || {
            for (connection, stream) in listener.incoming().enumerate() {
                if shared.1.load(Ordering::Acquire) {
                    break;
                }
                let (Ok(stream), seen, reply) = (stream, shared.0.clone(), reply.clone()) else { continue };
                let serve = move || match is_secure {
                    false => serve(stream, connection, &seen, &*reply),
                    true => {
                        let tls = ServerConnection::new(server_config(true)).unwrap();
                        serve(StreamOwned::new(tls, stream), connection, &seen, &*reply);
                    }
                };
                thread::Builder::new().spawn(serve).unwrap();
            }
        };
        let thread = Some(thread::Builder::new().spawn(accept).unwrap());
        Server { address, is_secure, seen, stop, thread }
    }

    pub fn url(&self) -> String {
        let (scheme, port) = (if self.is_secure { "https" } else { "http" }, self.address.port());
        format!("{scheme}://localhost:{port}")
    }

    /// The requests that were read whole, in their order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(stream: impl Read + Write, connection: usize, seen: &Mutex<Vec<Seen>>, reply: &Answering) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = read(&mut reader, connection) {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request.clone());
            seen.len() - 1
        };
        let (status, header, body) = match reply(number, &request) {
            Reply::Answer(status, header, body) => (status, header, body),
            Reply::Reset => return,
            Reply::Hang => return drop(reader.read(&mut [0])),
        };
        let length = body.len();
        let body = if request.line.starts_with("HEAD") { "" } else { &body };
        let text = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{header}\r\n{body}");
        if reader.get_mut().write_all(text.as_bytes()).and_then(|()| reader.get_mut().flush()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut impl BufRead, connection: usize) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut seen =
        Seen { line: line.trim_end().trim_end_matches(" HTTP/1.1").to_owned(), connection, ..Seen::default() };
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        seen.headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = seen.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    match seen.headers.get("content-encoding").map(String::as_str) {
        Some("gzip") => drop(GzDecoder::new(&body[..]).read_to_string(&mut seen.body)?),
        _ => seen.body = String::from_utf8(body).unwrap(),
    }
    Ok(Some(seen))
}
