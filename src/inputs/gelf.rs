//! GELF over UDP (chunked, compressed) and TCP (ended by NUL or newlines), as Graylog's clients and Docker's driver send it.
//!
//! Messages are handed on as they came, as JSON: the parsers know their names. There is no acknowledgement: over connections
//! a slow log makes senders wait, datagrams are dropped then; what the log refuses is dropped and counted.

use super::{
    address::{Address, ListenError, Listening},
    connections::{CONNECTIONS_MAX, IDLE},
    counters::{Dropped, InputCounters},
    datagrams::Decode,
    sockets::{self, Sockets},
};
use crate::{
    clock,
    codecs::{
        gelf::{Assembly, Taken},
        messages::Protocol,
    },
    flow::{Intake, Origin, Record, Shutdown},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// How to take GELF in.
#[derive(Clone, Debug)]
pub struct GelfSettings {
    /// The option that names the addresses, for messages.
    pub option: String,
    /// Where to listen.
    pub listen: Vec<Address>,
    /// Connections of a listener at a time.
    pub connections_max: usize,
    /// A connection that says nothing for so long is closed.
    pub idle: Duration,
}

impl Default for GelfSettings {
    fn default() -> GelfSettings {
        let option = "--gelf".to_owned();
        GelfSettings { option, listen: Vec::new(), connections_max: CONNECTIONS_MAX, idle: IDLE }
    }
}

/// The input, listening.
#[derive(Debug)]
pub struct Gelf {
    settings: GelfSettings,
    listening: Vec<Listening>,
}

impl Gelf {
    /// Listens at all addresses.
    ///
    /// # Errors
    /// The first that cannot be had, in one sentence.
    pub async fn bind(settings: GelfSettings) -> Result<Gelf, ListenError> {
        let listening = Listening::at_all(&settings.option, &settings.listen).await?;
        Ok(Gelf { settings, listening })
    }

    /// Where it listens: the chosen port where 0 was asked for, nothing for socket files.
    #[must_use]
    pub fn local(&self) -> Vec<Option<SocketAddr>> {
        self.listening.iter().map(Listening::local).collect()
    }

    /// Takes messages in until the stop, then waits until the log has answered for them.
    pub async fn run(self, intake: Intake, counters: Arc<InputCounters>, stop: Shutdown) {
        let sockets = Sockets {
            protocol: Protocol::Gelf,
            // Messages name their host themselves: it is not optional.
            origin_of: |transport, peer| Origin { host: None, ..sockets::origin("gelf", transport, peer, None) },
            connections_max: self.settings.connections_max,
            idle: self.settings.idle,
        };
        sockets.take_in::<Datagrams>(self.listening, intake, counters, stop).await;
    }
}

#[derive(Default)]
struct Datagrams(Assembly);

impl Decode for Datagrams {
    fn decode(
        &mut self,
        datagram: &[u8],
        peer: Option<SocketAddr>,
        _: bool,
        counters: &InputCounters,
    ) -> Option<Record> {
        match self.0.take(datagram, peer.map(|peer| peer.ip()), clock::instant()) {
            Taken::Record(record) => Some(record),
            Taken::Waiting => None,
            Taken::Malformed(what) => {
                counters.received(1, datagram.len() as u64);
                counters.dropped(Dropped::Malformed, 1);
                let peer = peer.map_or_else(|| "a local program".to_owned(), |peer| peer.to_string());
                counters.failed(format!("GELF from {peer}: {what}"));
                None
            }
        }
    }

    fn expire(&mut self, counters: &InputCounters) -> bool {
        self.0.expire(clock::instant());
        let given_up = self.0.given_up();
        if given_up > 0 {
            counters.received(given_up, 0);
            counters.dropped(Dropped::Incomplete, given_up);
            counters.failed(format!("GELF: of {given_up} messages chunks did not come in time"));
        }
        self.0.is_waiting()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::testing::{FakeLog, check_twins, until};
    use tokio::{
        io::AsyncWriteExt as _,
        net::{TcpStream, UdpSocket},
    };

    async fn start(address: &str) -> (FakeLog, Arc<InputCounters>, SocketAddr, impl AsyncFnOnce()) {
        let settings = GelfSettings { listen: vec![address.parse().unwrap()], ..GelfSettings::default() };
        let input = Gelf::bind(settings).await.unwrap();
        let (log, counters) = (FakeLog::start(), Arc::new(InputCounters::default()));
        let (stop, shutdown) = Shutdown::channel();
        let at = input.local()[0].unwrap();
        let task = tokio::spawn(input.run(log.intake(), counters.clone(), shutdown));
        let end = async move || {
            stop.send(true).unwrap();
            task.await.unwrap();
        };
        (log, counters, at, end)
    }

    #[tokio::test]
    async fn udp_messages_come_in_chunks() {
        let (log, counters, at, end) = start("udp://127.0.0.1:0").await;
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let chunk = |number, bytes: &[u8]| [&[0x1e, 0x0f, 1, 2, 3, 4, 5, 6, 7, 8, number, 2][..], bytes].concat();
        for datagram in [chunk(1, b"1}"), b"\x1e\x0f".to_vec(), chunk(0, b"{\"a\":")] {
            client.send_to(&datagram, at).await.unwrap();
        }
        until(|| counters.snapshot().stored == 1).await;
        end().await;
        let now = counters.snapshot();
        assert_eq!((log.texts(), now.received, now.dropped["malformed"]), (vec!["{\"a\":1}".to_owned()], 2, 1));
        assert!(now.last_error.unwrap().what.contains("127.0.0.1"));
        assert!(log.batches()[0].records[0].kind.json);
        assert_eq!(log.batches()[0].origin.source, "gelf:udp:127.0.0.1");
    }

    #[tokio::test]
    async fn tcp_messages_end_with_nul() {
        let (log, _, at, end) = start("tcp://127.0.0.1:0").await;
        let mut client = TcpStream::connect(at).await.unwrap();
        client.write_all(b"{\"a\":\n1}\0{\"b\":2}\0not json\0").await.unwrap();
        log.until(3).await;
        end().await;
        assert_eq!(log.texts(), ["{\"a\":\n1}", "{\"b\":2}", "not json"]);
        let json: Vec<_> = log.batches().iter().flat_map(|batch| &batch.records).map(|r| r.kind.json).collect();
        assert_eq!(json, [true, true, false]);
    }

    #[test]
    fn datagrams_become_records() {
        check_twins("gelf", |datagrams| {
            let mut assembly = Assembly::default();
            let take = |datagram: Vec<u8>| match assembly.take(&datagram, None, clock::instant()) {
                Taken::Record(record) => Some(record),
                Taken::Waiting | Taken::Malformed(_) => None,
            };
            datagrams.into_iter().filter_map(take).collect()
        });
    }
}
