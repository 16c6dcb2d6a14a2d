//! Connections of socket inputs: accepted, bounded, ended.
//!
//! Limits: [`CONNECTIONS_MAX`] of each listener at a time, further ones wait in the system's queue; a connection that says
//! nothing for [`IDLE`] is closed. An unfinished message may take [`UNFINISHED_BYTES`]; longer ones share
//! [`LONG_BYTES_MAX`] with those of all connections of the listener, and are cut where that is used up. At a stop
//! connections have [`STOP_WAIT`] to hand over what they have.

use super::{
    address::Listening,
    delivery::{BATCH_BYTES, BATCH_RECORDS_MAX, BATCH_WAIT, Delivery},
    due::Due,
};
use crate::{
    codecs::messages::{Messages, Protocol},
    flow::{Origin, Record, Shutdown},
};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite},
    sync::{Semaphore, SemaphorePermit},
    task::JoinSet,
    time::timeout,
};

/// Connections of a listener at a time.
pub const CONNECTIONS_MAX: usize = 1_000;
/// A connection that says nothing for so long is closed.
pub const IDLE: Duration = Duration::from_secs(3_600);
/// What an unfinished message may take without asking.
pub const UNFINISHED_BYTES: usize = 64 << 10;
/// What the longer unfinished messages of a listener may take together.
pub const LONG_BYTES_MAX: usize = 32 << 20;
/// How long connections have to end once the end was asked for.
pub const STOP_WAIT: Duration = Duration::from_secs(5);
/// Bytes read at once.
pub const READ_BYTES: usize = 16 << 10;
/// After a failed accept (no file descriptors left) the listener rests this long.
const ACCEPT_REST: Duration = Duration::from_millis(50);

/// A stream to somebody.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Somebody who has connected.
pub struct Caller {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// From where, over the network.
    pub peer: Option<SocketAddr>,
}

/// Gives each connection to `talk`, in a task of its own, until the stop; then waits for them, but not for long.
pub async fn serve<F, T>(listening: &Listening, most: usize, mut stop: Shutdown, talk: F)
where
    F: Fn(Caller) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let permit = Arc::clone(&room).acquire_owned().await.ok();
            (accept(listening).await, permit)
        };
        let (accepted, permit) = tokio::select! {
            accepted = next => accepted,
            Some(_) = connections.join_next() => continue,
            () = stop.wait() => break,
        };
        match accepted {
            Ok(caller) => {
                let talking = talk(caller);
                connections.spawn(async move {
                    let _permit = permit;
                    talking.await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    if timeout(STOP_WAIT, async { while connections.join_next().await.is_some() {} }).await.is_err() {
        connections.shutdown().await;
    }
}

async fn accept(listening: &Listening) -> io::Result<Caller> {
    match listening {
        Listening::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            Ok(Caller { stream: Box::new(stream), peer: Some(peer) })
        }
        Listening::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            Ok(Caller { stream: Box::new(stream), peer: None })
        }
        // These have no connections.
        Listening::Udp(_) | Listening::Unixgram(..) => std::future::pending().await,
    }
}

/// What the connections of one listener share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// The way to the log.
    pub delivery: Delivery,
    /// When to end.
    pub stop: Shutdown,
    /// How long a connection may say nothing.
    pub idle: Duration,
    /// Room for long unfinished messages.
    pub long: Arc<Semaphore>,
}

impl Shared {
    /// For a listener that begins.
    #[must_use]
    pub fn new(delivery: Delivery, stop: Shutdown, idle: Duration) -> Shared {
        Shared { delivery, stop, idle, long: Arc::new(Semaphore::new(LONG_BYTES_MAX)) }
    }
}

/// Reads the messages of a connection to its end, the stop, or silence for too long. A slow log makes the sender wait.
pub async fn read_messages(mut caller: Caller, protocol: Protocol, origin: Arc<Origin>, mut shared: Shared) {
    let mut reading = Reading::new(protocol, origin, shared.delivery.clone(), Arc::clone(&shared.long));
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let read = tokio::select! {
            read = timeout(shared.idle, caller.stream.read(&mut chunk)) => read,
            () = reading.due.come() => {
                reading.hand_over().await;
                continue;
            }
            () = shared.stop.wait() => break,
        };
        match read {
            Ok(Ok(0)) => break,
            Ok(Ok(count)) => reading.push(&chunk[..count]).await,
            Ok(Err(cause)) => {
                shared.delivery.counters().failed(format!("a connection broke off: {cause}"));
                break;
            }
            Err(_) => break,
        }
    }
    reading.end().await;
}

/// One connection's messages on their way.
struct Reading {
    messages: Messages,
    ready: Vec<Record>,
    ready_bytes: usize,
    /// When what is ready must go on.
    due: Due,
    origin: Arc<Origin>,
    delivery: Delivery,
    long: Arc<Semaphore>,
    /// Room that the unfinished message has been given.
    given: usize,
    cut_bytes: u64,
}

impl Reading {
    fn new(protocol: Protocol, origin: Arc<Origin>, delivery: Delivery, long: Arc<Semaphore>) -> Reading {
        let messages = Messages::new(protocol);
        Reading {
            messages,
            ready: Vec::new(),
            ready_bytes: 0,
            due: Due::default(),
            origin,
            delivery,
            long,
            given: 0,
            cut_bytes: 0,
        }
    }

    async fn push(&mut self, chunk: &[u8]) {
        let known = self.ready.len();
        self.messages.push(chunk, &mut self.ready);
        self.make_room();
        self.ready_bytes += self.ready[known..].iter().map(|record| record.bytes.len()).sum::<usize>();
        if self.ready_bytes >= BATCH_BYTES || self.ready.len() >= BATCH_RECORDS_MAX {
            self.hand_over().await;
        } else if !self.ready.is_empty() {
            self.due.within(BATCH_WAIT);
        }
    }

    /// Asks for room for the unfinished message, or gives back what it had.
    fn make_room(&mut self) {
        let wanted = self.messages.buffered().saturating_sub(UNFINISHED_BYTES);
        if wanted < self.given {
            self.long.add_permits(self.given - wanted);
            self.given = wanted;
        } else if let Some(more) = u32::try_from(wanted - self.given).ok().filter(|more| *more > 0) {
            match self.long.try_acquire_many(more).map(SemaphorePermit::forget) {
                Ok(()) => self.given = wanted,
                Err(_) => {
                    self.messages.cut(&mut self.ready);
                    self.long.add_permits(std::mem::take(&mut self.given));
                    let what = format!("unfinished messages took {} MiB: some were cut", LONG_BYTES_MAX >> 20);
                    self.delivery.counters().failed(what);
                }
            }
        }
    }

    async fn hand_over(&mut self) {
        self.due.clear();
        self.ready_bytes = 0;
        let cut_bytes = self.messages.dropped_bytes();
        self.delivery.counters().truncated(cut_bytes - std::mem::replace(&mut self.cut_bytes, cut_bytes));
        if !self.ready.is_empty() {
            self.delivery.send(&self.origin, std::mem::take(&mut self.ready)).await;
        }
    }

    async fn end(&mut self) {
        self.messages.end(&mut self.ready);
        self.hand_over().await;
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.long.add_permits(self.given);
    }
}
