//! A TCP proxy between an agent and its server that delays, stalls, parts and breaks connections.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// What happens to what passes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Each piece waits for so long.
    pub delay: Duration,
    /// Nothing passes, and nobody is told.
    pub stalled: bool,
    /// Connections end as they begin, and those that are there end.
    pub parted: bool,
}

/// So many bytes of a connection pass in that direction, then it breaks.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub to_server: bool,
    pub bytes: usize,
}

#[derive(Default)]
struct Shared {
    weather: Mutex<Weather>,
    cuts: Mutex<Vec<Cut>>,
    accepted: Mutex<Vec<Instant>>,
    over: AtomicBool,
}

impl Shared {
    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }
}

pub struct Proxy {
    pub url: String,
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let of = shared.clone();
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if of.over.load(Ordering::Acquire) {
                    return;
                }
                of.accepted.lock().unwrap().push(Instant::now());
                if of.weather().parted {
                    continue;
                }
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port))) else { continue };
                let cut = of.cuts.lock().unwrap().pop();
                pass(&client, &server, true, cut, &of);
                pass(&server, &client, false, cut, &of);
            }
        });
        Proxy { url: format!("http://{address}"), address, shared, thread: Some(thread) }
    }

    pub fn set(&self, weather: Weather) {
        *self.shared.weather.lock().unwrap() = weather;
    }

    /// The next connections break there, the last of these first.
    pub fn cut(&self, cuts: Vec<Cut>) {
        *self.shared.cuts.lock().unwrap() = cuts;
    }

    /// How many of them have not been met.
    pub fn cuts_left(&self) -> usize {
        self.shared.cuts.lock().unwrap().len()
    }

    /// When connections came.
    pub fn accepted(&self) -> Vec<Instant> {
        self.shared.accepted.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Passes one direction of a connection on, on a thread of its own, and ends both when it ends.
fn pass(from: &TcpStream, to: &TcpStream, to_server: bool, cut: Option<Cut>, shared: &Arc<Shared>) {
    let (mut from, mut to, shared) = (from.try_clone().unwrap(), to.try_clone().unwrap(), shared.clone());
    // So that a change of the weather is noticed.
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    to.set_nodelay(true).unwrap();
    let mut left = cut.filter(|cut| cut.to_server == to_server).map_or(usize::MAX, |cut| cut.bytes);
    thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while left > 0 && !shared.over.load(Ordering::Acquire) && !shared.weather().parted {
            if shared.weather().stalled {
                thread::sleep(Duration::from_millis(20));
                continue;
            }
            let room = left.min(buffer.len());
            match from.read(&mut buffer[..room]) {
                Ok(0) => break,
                Ok(count) => {
                    thread::sleep(shared.weather().delay);
                    if shared.weather().parted || to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                    left -= count;
                }
                Err(cause) if matches!(cause.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                }
                Err(_) => break,
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
