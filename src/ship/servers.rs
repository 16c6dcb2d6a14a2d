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
    /// The one that last took something.
    taker: usize,
}

impl Servers {
    /// Begins with the server that was used last, if it is among them.
    pub fn new(urls: &[String], last: Option<&str>) -> Servers {
        let clean = |url: &String| url.trim_end_matches('/').to_owned();
        let all: Vec<_> =
            urls.iter().map(|url| Server { url: clean(url), trouble: None, failures: 0, rests_until: None }).collect();
        let current = all.iter().position(|server| Some(server.url.as_str()) == last).unwrap_or_default();
        Servers { all, current, taker: current }
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
        let is_other = std::mem::replace(&mut self.taker, server) != server;
        let Some(server) = self.all.get_mut(server) else { return };
        if is_other {
            tracing::info!("{} is shipped to now", server.url);
        }
        (server.failures, server.rests_until) = (0, None);
        if server.trouble.take().is_some() {
            tracing::info!("{} is reachable again", server.url);
        }
    }

    /// A server did not: what is wrong with it in a sentence, and whether that is new.
    pub fn failed(&mut self, server: usize, failure: &Failure) -> (String, bool) {
        let Some(server) = self.all.get_mut(server) else { return (failure.message.clone(), true) };
        let sentence = match failure.kind {
            Kind::Unreachable => format!("cannot reach {}: {}", server.url, failure.message),
            _ => format!("{}: {}", server.url, failure.message),
        };
        let is_new = server.trouble.replace(failure.kind) != Some(failure.kind);
        (sentence, is_new)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn servers() -> Servers {
        Servers::new(&["http://a/".to_owned(), "http://b".to_owned()], Some("http://b"))
    }

    #[test]
    fn each_state_of_each_server_is_said_once() {
        let mut servers = servers();
        let mut fails = |server, kind| {
            let failure = Failure { kind, ..Failure::unknown("no") };
            servers.failed(server, &failure)
        };
        assert_eq!(fails(0, Kind::Unreachable), ("cannot reach http://a: no".to_owned(), true));
        assert_eq!(fails(1, Kind::Foreign), ("http://b: no".to_owned(), true));
        assert!(!fails(0, Kind::Unreachable).1 && !fails(1, Kind::Foreign).1);
        assert!(fails(0, Kind::Failing).1 && !fails(0, Kind::Failing).1);
        servers.healthy(0);
        assert!(servers.failed(0, &Failure::unknown("")).1);
    }

    #[test]
    fn one_is_used_until_it_is_left_and_rests_as_often_as_it_failed() {
        let mut servers = servers();
        assert_eq!((servers.current(), servers.count()), (1, 2));
        assert!(!servers.turn_from(0) && servers.turn_from(1));
        assert_eq!(servers.url(servers.current()), "http://a");
        let mut asked = Vec::new();
        for _ in 0..3 {
            servers.rest(0, |failures| {
                asked.push(failures);
                Duration::from_secs(60)
            });
        }
        assert_eq!(asked, [0, 1, 2]);
        assert!(servers.rests_until(0).is_some() && servers.rests_until(1).is_none());
        servers.healthy(0);
        assert_eq!(servers.rests_until(0), None);
    }
}
