//! Protocols whose messages are independent of each other, over any socket: syslog, GELF.

use super::{
    address::Listening,
    connections::{self, Shared, read_messages},
    counters::InputCounters,
    datagrams::{Decode, read_datagrams},
    delivery::Delivery,
};
use crate::{
    codecs::messages::Protocol,
    flow::{Intake, Origin, Shutdown},
};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};
use tokio::task::JoinSet;

/// One protocol.
pub struct Sockets<F> {
    /// How messages follow each other in a connection.
    pub protocol: Protocol,
    /// What is known of the messages that come by a transport (`udp`, `tcp`) from an address, or from this machine.
    pub origin_of: F,
    /// Connections of a listener at a time.
    pub connections_max: usize,
    /// A connection that says nothing for so long is closed.
    pub idle: Duration,
}

impl<F> Sockets<F>
where
    F: Fn(&'static str, Option<IpAddr>) -> Origin + Clone + Send + Sync + 'static,
{
    /// Takes messages in until the stop, then waits until the log has answered for them. `D` reads datagrams.
    pub async fn take_in<D: Decode + Default + 'static>(
        self,
        listening: Vec<Listening>,
        intake: Intake,
        counters: Arc<InputCounters>,
        stop: Shutdown,
    ) {
        let delivery = Delivery::start(intake, counters);
        let mut tasks = JoinSet::new();
        for listening in listening {
            let (origin_of, delivery, stop) = (self.origin_of.clone(), delivery.clone(), stop.clone());
            if listening.has_connections() {
                let shared = Shared::new(delivery, stop.clone(), self.idle);
                let (protocol, most) = (self.protocol, self.connections_max);
                tasks.spawn(async move {
                    connections::serve(&listening, most, stop, |caller| {
                        let origin = origin_of("tcp", caller.peer.map(|peer| peer.ip().to_canonical()));
                        read_messages(caller, protocol, Arc::new(origin), shared.clone())
                    })
                    .await;
                });
            } else {
                let origin_of = Box::new(move |peer| origin_of("udp", peer));
                tasks.spawn(read_datagrams(listening, D::default(), origin_of, delivery, stop));
            }
        }
        while tasks.join_next().await.is_some() {}
        delivery.settled().await;
    }
}

/// What is known of the records that a sender brings; without an address it is on this machine, whose name is `host`.
#[must_use]
pub fn origin(input: &str, transport: &str, peer: Option<IpAddr>, host: Option<&str>) -> Origin {
    let own = host.map(str::to_owned);
    let (source, fields, host) = match peer {
        Some(peer) => {
            let fields = BTreeMap::from([("log.source.address".to_owned(), peer.to_string())]);
            let host = own.filter(|_| peer.is_loopback()).or_else(|| Some(peer.to_string()));
            (format!("{input}:{transport}:{peer}"), fields, host)
        }
        None => (format!("{input}:unix"), BTreeMap::new(), own),
    };
    Origin { source, input: input.to_owned(), host, fields, ..Origin::default() }
}
