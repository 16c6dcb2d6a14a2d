//! Which server may have what without having said so: it outlives reloads and restarts, so that no batch goes to a second
//! server sooner than it should, or uncounted.
//!
//! A shipping that is stopped writes down exactly what was on its way. One that is killed cannot, so the progress file says
//! before a batch is sent that its server may have it and the next [`LEASE_BYTES`] of its log: a write for so many bytes, not
//! for each batch. That is only done where there is a second server. What a lease covers and no server was sent is counted as
//! possibly doubled, too, where it goes to another server after a crash.

use super::{
    lane::{Flight, Lane},
    progress::Pin,
    run::Run,
    servers::Servers,
};
use crate::{
    clock,
    flow::{LogId, Span},
};
use std::{mem, time::Duration};

/// How far ahead the progress file says what a server may have.
const LEASE_BYTES: u64 = 16 << 20;

/// What the progress file says that a server may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    server: usize,
    span: Span,
}

/// What a server may have since before this process or its settings.
#[derive(Clone, Debug)]
pub(super) struct Suspect {
    pub span: Span,
    /// It is not among ours any more, or had its time: none.
    pub server: Option<usize>,
    url: String,
    /// How long it had not taken it.
    waited: Duration,
}

impl Suspect {
    /// A batch stays with the server that may have it.
    pub fn apply(suspects: &[Suspect], flight: Flight) -> Flight {
        let span = flight.batch.span();
        let Some(it) = suspects.iter().find(|it| it.span.from < span.to && span.from < it.span.to) else {
            return flight;
        };
        let since = clock::instant().checked_sub(it.waited).filter(|_| !it.waited.is_zero());
        Flight { pinned: it.server, is_elsewhere: it.server.is_none(), failing_since: since, ..flight }
    }
}

impl Lane {
    /// A server has taken something: it has its whole time again.
    pub(super) fn trust(&mut self, server: usize) {
        let progress = self.progress().0;
        self.suspects.retain(|it| it.span.to > progress);
        self.suspects.iter_mut().filter(|it| it.server == Some(server)).for_each(|it| it.waited = Duration::ZERO);
    }

    /// A server has had its time: what it may have goes elsewhere.
    pub(super) fn distrust(&mut self, server: usize) {
        self.suspects.iter_mut().filter(|it| it.server == Some(server)).for_each(|it| it.server = None);
    }

    /// The batch on its way goes to another server than the one that may have it: its records, the first time.
    pub(super) fn double(&mut self) -> u64 {
        let Some(flight) = self.flight.as_mut() else { return 0 };
        if mem::replace(&mut flight.is_doubled, true) {
            return 0;
        }
        let (end, records) = (flight.batch.span().to, flight.batch.records());
        self.suspects.iter_mut().filter(|it| it.server.is_none()).for_each(|it| it.span.from = it.span.from.max(end));
        self.suspects.retain(|it| it.span.from < it.span.to);
        records
    }

    fn pins(&self, servers: &Servers, is_end: bool) -> Vec<Pin> {
        let mut pins = Vec::new();
        if let Some(flight) = &self.flight {
            let out = flight.out.filter(|_| is_end);
            if let Some(server) = flight.pinned.or(out.map(|(server, _)| server)) {
                let since = flight.failing_since.or(out.map(|(_, since)| since)).filter(|_| is_end);
                let (url, waited) = (servers.shown(server).to_owned(), since.map(clock::since).unwrap_or_default());
                pins.push(Pin { server: url, log: self.log, span: flight.batch.span(), waited });
            }
        }
        pins.extend(self.suspects.iter().filter(|it| it.span.to > self.progress().0).map(|it| {
            let waited = if it.server.is_some() { it.waited } else { Duration::MAX };
            Pin { server: it.url.clone(), log: self.log, span: it.span, waited }
        }));
        pins.extend(self.lease.filter(|_| !is_end).map(|lease| {
            let server = servers.shown(lease.server).to_owned();
            Pin { server, log: self.log, span: lease.span, waited: Duration::ZERO }
        }));
        pins
    }
}

impl Run {
    /// Says in the progress file that a server may have a batch of a lane, before it is sent.
    pub(super) fn lease(&mut self, lane: u64, server: usize, span: Span) {
        let Some(lane) = self.lanes.get_mut(&lane).filter(|_| self.servers.count() > 1) else { return };
        let covers = |it: Lease| it.server == server && it.span.from <= span.from && span.to <= it.span.to;
        if !lane.lease.is_some_and(covers) {
            lane.lease = Some(Lease { server, span: Span { to: span.to.saturating_add(LEASE_BYTES), ..span } });
            self.save(false);
        }
    }

    /// A sender has the batch of a lane.
    pub(super) fn sent(&mut self, lane: u64, server: usize) {
        let Some(lane) = self.lanes.get_mut(&lane) else { return };
        let Some(flight) = lane.flight.as_mut() else { return };
        flight.out = Some((server, clock::instant()));
        if flight.is_elsewhere {
            let doubled = lane.double();
            self.shared.count(|status| status.possibly_doubled += doubled);
        }
    }

    /// What the progress file says of what servers may have; `is_end` when nothing more is sent.
    pub(super) fn pins(&self, is_end: bool) -> Vec<Pin> {
        self.lanes.values().flat_map(|lane| lane.pins(&self.servers, is_end)).collect()
    }
}

/// What servers may have of a log as it was found.
pub(super) fn suspects(pins: &[Pin], log: LogId, servers: &Servers, stay: Duration) -> Vec<Suspect> {
    let of = |pin: &Pin| {
        let (server, waited) = (servers.find(&pin.server), pin.waited.min(stay));
        Suspect { span: pin.span, server, url: pin.server.clone(), waited }
    };
    pins.iter().filter(|pin| pin.log == log).map(of).collect()
}
