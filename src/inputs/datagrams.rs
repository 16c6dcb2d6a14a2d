//! Datagrams of socket inputs, gathered to batches by sender.
//!
//! Nobody waits for datagrams: what comes while the log does not keep up is dropped and counted. Limits: a datagram of
//! [`DATAGRAM_BYTES_MAX`], batches of at most [`SENDERS_MAX`] senders at a time. At a stop what the system has already
//! received is read, at most [`LAST_DATAGRAMS_MAX`].

use super::{
    address::Listening,
    counters::InputCounters,
    delivery::{BATCH_BYTES, BATCH_RECORDS_MAX, BATCH_WAIT, Delivery},
    due::Due,
};
use crate::flow::{Origin, Record, Shutdown};
use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::time::timeout;

/// Longest datagram: those of the network are at most 64 KiB, those of socket files about 200 KiB.
pub const DATAGRAM_BYTES_MAX: usize = 256 << 10;
/// Senders whose records are gathered at a time, and whose origins are remembered.
pub const SENDERS_MAX: usize = 1_000;
/// Datagrams that are still read at a stop.
pub const LAST_DATAGRAMS_MAX: usize = 10_000;
/// How long the runtime may take to see that there is one more of them.
const LAST_WAIT: Duration = Duration::from_millis(20);

/// What datagrams are made of.
pub trait Decode: Send {
    /// The record that a datagram holds or completes. `cut` when the datagram was longer than [`DATAGRAM_BYTES_MAX`].
    fn decode(
        &mut self,
        datagram: &[u8],
        peer: Option<SocketAddr>,
        cut: bool,
        counters: &InputCounters,
    ) -> Option<Record>;

    /// Called from time to time while nothing comes; says whether it wants to be called again.
    fn expire(&mut self, _counters: &InputCounters) -> bool {
        false
    }
}

/// Makes the origin of what comes from an address, or from this machine.
pub type OriginOf = Box<dyn Fn(Option<IpAddr>) -> Origin + Send + Sync>;

/// Reads datagrams until the stop.
pub async fn read_datagrams(
    listening: Listening,
    mut decode: impl Decode,
    origin_of: OriginOf,
    delivery: Delivery,
    mut stop: Shutdown,
) {
    let mut gathered = Gathered { origins: BTreeMap::new(), ready: BTreeMap::new(), records: 0, bytes: 0, origin_of };
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX + 1];
    let mut due = Due::default();
    let counters = delivery.clone();
    let counters = counters.counters();
    loop {
        let received = tokio::select! {
            received = receive(&listening, &mut buffer) => received,
            () = due.come() => {
                gathered.hand_over(&delivery);
                due.clear();
                if decode.expire(counters) {
                    due.within(BATCH_WAIT);
                }
                continue;
            }
            () = stop.wait() => break,
        };
        match received {
            Ok((count, peer)) => gathered.add(&mut decode, &buffer[..count], peer, counters),
            Err(cause) => {
                counters.failed(format!("a datagram could not be received: {cause}"));
                // Such an error may stay; it must not take the processor.
                tokio::time::sleep(BATCH_WAIT).await;
            }
        }
        if gathered.full() {
            gathered.hand_over(&delivery);
        }
        due.within(BATCH_WAIT);
    }
    for _ in 0..LAST_DATAGRAMS_MAX {
        let Ok(Ok((count, peer))) = timeout(LAST_WAIT, receive(&listening, &mut buffer)).await else { break };
        gathered.add(&mut decode, &buffer[..count], peer, counters);
        if gathered.full() {
            gathered.hand_over(&delivery);
        }
    }
    gathered.hand_over(&delivery);
}

async fn receive(listening: &Listening, buffer: &mut [u8]) -> io::Result<(usize, Option<SocketAddr>)> {
    match listening {
        Listening::Udp(socket) => socket.recv_from(buffer).await.map(|(count, peer)| (count, Some(peer))),
        Listening::Unixgram(socket, _) => socket.recv(buffer).await.map(|count| (count, None)),
        Listening::Tcp(_) | Listening::Unix(..) => std::future::pending().await,
    }
}

/// Records that wait for company, by sender.
struct Gathered {
    origins: BTreeMap<Option<IpAddr>, Arc<Origin>>,
    ready: BTreeMap<Option<IpAddr>, Vec<Record>>,
    records: usize,
    bytes: usize,
    origin_of: OriginOf,
}

impl Gathered {
    fn add(&mut self, decode: &mut impl Decode, datagram: &[u8], peer: Option<SocketAddr>, counters: &InputCounters) {
        let cut = datagram.len() > DATAGRAM_BYTES_MAX;
        let datagram = &datagram[..datagram.len().min(DATAGRAM_BYTES_MAX)];
        let Some(record) = decode.decode(datagram, peer, cut, counters) else { return };
        self.records += 1;
        self.bytes += record.bytes.len();
        self.ready.entry(peer.map(|peer| peer.ip().to_canonical())).or_default().push(record);
    }

    fn full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.records >= BATCH_RECORDS_MAX || self.ready.len() >= SENDERS_MAX
    }

    fn hand_over(&mut self, delivery: &Delivery) {
        for (sender, records) in std::mem::take(&mut self.ready) {
            if self.origins.len() >= SENDERS_MAX && !self.origins.contains_key(&sender) {
                self.origins.clear();
            }
            let origin = self.origins.entry(sender).or_insert_with(|| Arc::new((self.origin_of)(sender)));
            delivery.offer(origin, records);
        }
        (self.records, self.bytes) = (0, 0);
    }
}
