//! Which server is used, and what is said about each: once when its state changes, not for every attempt.

use super::client::{Failure, Kind};
use crate::clock;
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Server {
    url: String,
    trouble: Option<Kind>,
    /// How often it failed since it last answered as it should.
    failures: u32,
    /// It is left alone until then.
    rests_until: Option<Instant>,
}

/// The servers in order of preference. One is used until it cannot be reached; then the next is, until that cannot.
#[derive(Debug)]
pub(super) struct Servers {
    all: Vec<Server>,
    current: usize,
}

impl Servers {
    /// Begins with the server that was used last, if it is among them.
    pub fn new(urls: &[String], last: Option<&str>) -> Servers {
        let clean = |url: &String| url.trim_end_matches('/').to_owned();
        let all: Vec<_> =
            urls.iter().map(|url| Server { url: clean(url), trouble: None, failures: 0, rests_until: None }).collect();
        let current = all.iter().position(|server| Some(server.url.as_str()) == last).unwrap_or_default();
        Servers { all, current }
    }

    pub fn current(&self) -> usize {
        self.current
    }

    pub fn count(&self) -> usize {
        self.all.len()
    }

    pub fn url(&self, server: usize) -> &str {
        self.all.get(server).map_or("", |server| &server.url)
    }

    /// A server answered as it should.
    pub fn healthy(&mut self, server: usize) {
        let Some(server) = self.all.get_mut(server) else { return };
        (server.failures, server.rests_until) = (0, None);
        if server.trouble.take().is_some() {
            tracing::info!("{} is reachable again", server.url);
        }
    }

    /// A server did not; what is wrong with it in a sentence.
    pub fn failed(&mut self, server: usize, failure: &Failure) -> String {
        let Some(server) = self.all.get_mut(server) else { return failure.message.clone() };
        let sentence = match failure.kind {
            Kind::Unreachable => format!("cannot reach {}: {}", server.url, failure.message),
            _ => format!("{}: {}", server.url, failure.message),
        };
        if server.trouble.replace(failure.kind) != Some(failure.kind) {
            tracing::warn!("{sentence}; everything waits in the spool and is sent when this heals");
        }
        sentence
    }

    /// Leaves a server alone for as long as this says, given how often it has failed now.
    pub fn rest(&mut self, server: usize, pause: impl FnOnce(u32) -> Duration) {
        if let Some(server) = self.all.get_mut(server) {
            server.rests_until = Some(clock::instant() + pause(server.failures));
            server.failures = server.failures.saturating_add(1);
        }
    }

    /// When a server may be asked again, if it is left alone now.
    pub fn rests_until(&self, server: usize) -> Option<Instant> {
        self.all.get(server)?.rests_until.filter(|until| *until > clock::instant())
    }

    /// Turns away from a server, unless that has happened already; whether another is used now.
    pub fn turn_from(&mut self, server: usize) -> bool {
        if self.current != server || self.all.len() < 2 {
            return false;
        }
        self.current = (server + 1) % self.all.len();
        true
    }
}
