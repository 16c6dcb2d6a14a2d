//! One container after another connection: read its logs, wait, go on where it broke off.

use super::{
    BATCH_WAIT, FULL_WAIT, RETRY_WAITS,
    demux::{Demux, StreamKind},
    docker_api::{DockerApiOptions, SOURCE},
    engine::{Engine, EngineError, Inspected},
    stamped::Stamped,
    urgency,
};
use crate::{
    codecs::first_line::FirstLines,
    flow::{AppendError, Intake, Origin, Shutdown},
    inputs::counters::{Dropped, InputCounters},
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use std::{collections::HashMap, ops::ControlFlow, time::Duration};
use tokio::time::{sleep, timeout};

/// The drivers whose logs are files that a file input reads, and the one that keeps nothing.
const FILE_DRIVERS: [&str; 4] = ["json-file", "k8s-file", "none", "passthrough"];
/// How long a quiet stream is waited for at once.
const QUIET_WAIT: Duration = Duration::from_secs(3_600);
const NANOS: u64 = 1_000_000_000;

/// How far each source is durable.
pub(super) type Ends = HashMap<String, u64>;

/// What all containers share.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) engine: Engine,
    pub(super) options: DockerApiOptions,
    pub(super) first_lines: FirstLines,
    pub(super) intake: Intake,
    pub(super) counters: std::sync::Arc<InputCounters>,
    pub(super) shutdown: Shutdown,
}

/// How a connection ended.
enum End {
    /// All was read.
    Whole,
    /// It broke off.
    Broken(String),
    /// Somebody wants to stop, or the log is closed.
    Stop,
}

/// The streams of one container.
struct Streams {
    out: Stamped,
    err: Option<Stamped>,
}

impl Streams {
    fn each(&mut self) -> impl Iterator<Item = &mut Stamped> {
        std::iter::once(&mut self.out).chain(&mut self.err)
    }

    fn waits(&self) -> bool {
        self.out.waits() || self.err.as_ref().is_some_and(Stamped::waits)
    }

    /// The second from which on something may be missing. The engine sends both streams in the order in which it logged
    /// them: what came before the first piece that is not durable is durable. Before anything has come nothing is known
    /// of a stream that made nothing durable.
    fn since(&self) -> u64 {
        let both = || std::iter::once(&self.out).chain(&self.err);
        let reached = both().map(Stamped::reached).max().unwrap_or(0);
        let known = || both().map(Stamped::durable_to).min().unwrap_or(0);
        let first = if reached == 0 { known() } else { both().filter_map(Stamped::missing).min().unwrap_or(reached) };
        first / NANOS
    }

    fn ends(&self) -> Ends {
        std::iter::once(&self.out).chain(&self.err).map(|one| (one.source().to_owned(), one.durable_to())).collect()
    }
}

impl Follow {
    /// Reads a container until it has ended; how far its streams are durable then.
    pub(super) async fn container(&self, id: &str, ends: Ends) -> Ends {
        let mut streams: Option<(Streams, bool)> = None;
        let (shortest, longest) = RETRY_WAITS;
        let mut wait = shortest;
        while !self.shutdown.requested() {
            match self.engine.json::<Inspected>(&format!("/containers/{id}/json")).await {
                Ok(inspected) => {
                    if streams.is_none() {
                        streams = self.streams(id, &inspected, &ends);
                    }
                    let Some((streams, tty)) = &mut streams else { return ends };
                    match self.connection(id, streams, *tty).await {
                        End::Stop => break,
                        End::Whole if !inspected.state.running => break,
                        End::Whole => wait = shortest,
                        End::Broken(cause) => self.counters.failed_aloud(cause),
                    }
                }
                Err(EngineError::Absent) => break,
                Err(EngineError::Failed(cause)) => self.counters.failed_aloud(cause),
            }
            let mut shutdown = self.shutdown.clone();
            let _ = timeout(wait, shutdown.wait()).await;
            wait = (wait * 2).min(longest);
        }
        streams.map_or(ends, |(streams, _)| streams.ends())
    }

    /// The streams of a container that is to be read, and whether it has a terminal.
    fn streams(&self, id: &str, inspected: &Inspected, ends: &Ends) -> Option<(Streams, bool)> {
        let described = inspected.described(self.options.only_included);
        let elsewhere = FILE_DRIVERS.contains(&inspected.host_config.log_config.driver.as_str());
        if described.skip || (elsewhere && !self.options.all) {
            return None;
        }
        let first_line = described.first_line.as_deref().and_then(|pattern| self.first_lines.get(pattern));
        let stream = |name: &str| {
            let origin = Origin {
                source: format!("{SOURCE}{id}:{name}"),
                input: "docker".to_owned(),
                host: self.options.host.clone(),
                service: described.service.clone(),
                container: Some(id.to_owned()),
                stream: Some(name.to_owned()).filter(|name| name != "tty"),
                format: described.format.clone(),
                fields: described.fields.clone(),
                ..Origin::default()
            };
            let durable_to = ends.get(&origin.source).copied().unwrap_or(0);
            Stamped::new(origin, durable_to, first_line.clone())
        };
        let tty = inspected.config.tty;
        let streams = match tty {
            true => Streams { out: stream("tty"), err: None },
            false => Streams { out: stream("stdout"), err: Some(stream("stderr")) },
        };
        Some((streams, tty))
    }

    async fn connection(&self, id: &str, streams: &mut Streams, tty: bool) -> End {
        let since = streams.since();
        streams.each().for_each(Stamped::restart);
        let path = format!("/containers/{id}/logs?follow=1&stdout=1&stderr=1&timestamps=1&since={since}");
        let end = match self.engine.stream(&path).await {
            Ok(body) => self.read(id, body, Demux::new(tty), streams).await,
            Err(EngineError::Absent) => return End::Whole,
            Err(EngineError::Failed(cause)) => return End::Broken(cause),
        };
        if let End::Whole = end {
            streams.each().for_each(Stamped::finish);
        }
        for stream in streams.each() {
            self.counters.truncated(stream.truncated_bytes());
        }
        // Of a connection that broke off only what is whole counts: the rest comes again.
        match self.hand_over(streams, !matches!(end, End::Stop)).await {
            ControlFlow::Continue(()) => end,
            ControlFlow::Break(()) => End::Stop,
        }
    }

    async fn read(&self, id: &str, mut body: Incoming, mut demux: Demux, streams: &mut Streams) -> End {
        let broken = |cause: String| End::Broken(format!("container {id}: {cause}"));
        loop {
            let wait = if streams.waits() { BATCH_WAIT } else { QUIET_WAIT };
            let mut shutdown = self.shutdown.clone();
            let came = tokio::select! {
                () = shutdown.wait() => return End::Stop,
                came = timeout(wait, body.frame()) => came,
            };
            match came {
                Err(_) => {}
                Ok(None) => return End::Whole,
                Ok(Some(Err(cause))) => return broken(format!("its log broke off: {cause}")),
                Ok(Some(Ok(frame))) => {
                    let Some(bytes) = frame.data_ref() else { continue };
                    if let Err(cause) = self.push(bytes, &mut demux, streams) {
                        return broken(cause);
                    }
                }
            }
            if self.hand_over(streams, false).await.is_break() {
                return End::Stop;
            }
        }
    }

    fn push(&self, bytes: &[u8], demux: &mut Demux, streams: &mut Streams) -> Result<(), String> {
        demux.push(bytes, &mut |kind, stamp, piece| {
            let one = match (kind, &mut streams.err) {
                (StreamKind::Stderr, Some(err)) => err,
                _ => &mut streams.out,
            };
            if !one.push(stamp, piece) {
                // It was durable already.
                let lines = u64::from(piece.ends_with(b"\n"));
                self.counters.received(lines, 0);
                self.counters.dropped(Dropped::Duplicate, lines);
            }
        })
    }

    /// Makes what is due durable, or all that is whole.
    async fn hand_over(&self, streams: &mut Streams, all: bool) -> ControlFlow<()> {
        for stream in streams.each() {
            while let Some(batch) = stream.batch(all) {
                let records = batch.records.len() as u64;
                let bytes: usize = batch.records.iter().map(|record| record.bytes.len()).sum();
                self.counters.received(records, bytes as u64);
                loop {
                    match self.intake.append(batch.clone(), urgency(&batch)).await {
                        Ok(_) => {
                            self.counters.stored(records);
                            break;
                        }
                        Err(AppendError::Closed) => return ControlFlow::Break(()),
                        Err(cause @ AppendError::TooLarge) => {
                            self.counters.failed_aloud(format!("{}: {cause}", batch.origin.source));
                            self.counters.dropped(Dropped::TooLarge, records);
                            break;
                        }
                        Err(cause) => self.counters.failed_aloud(format!("containers wait: {cause}")),
                    }
                    let mut shutdown = self.shutdown.clone();
                    tokio::select! {
                        () = shutdown.wait() => return ControlFlow::Break(()),
                        () = sleep(FULL_WAIT) => {}
                    }
                }
                stream.done(batch.span);
            }
        }
        ControlFlow::Continue(())
    }
}
