//! Which server is used, and what is said about each: once when its state changes, not for every attempt.

use super::client::{Failure, Kind};
use crate::clock;
use std::time::{Duration, Instant};

#[derive(Debug)]
struct Server {
    url: String,
    /// As it may be printed.
    shown: String,
    /// What was said to be wrong with it since it last answered as it should.
    said: Vec<Kind>,
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
    /// Begins with the server that was used last, as it is shown, if it is among them.
    pub fn new(urls: &[String], last: Option<&str>) -> Servers {
        let server = |url: &String| {
            let url = url.trim_end_matches('/').to_owned();
            Server { shown: without_password(&url), url, said: Vec::new(), failures: 0, rests_until: None }
        };
        let all: Vec<_> = urls.iter().map(server).collect();
        let current = all.iter().position(|server| Some(server.shown.as_str()) == last).unwrap_or_default();
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

    /// Its URL without the password.
    pub fn shown(&self, server: usize) -> &str {
        self.all.get(server).map_or("", |server| &server.shown)
    }

    /// The one that is shown like this.
    pub fn find(&self, shown: &str) -> Option<usize> {
        self.all.iter().position(|server| server.shown == shown)
    }

    /// A server answered as it should. Said as loudly as that it did not, or that would be the last word.
    pub fn healthy(&mut self, server: usize) {
        if let Some(news) = self.heal(server) {
            tracing::warn!("{news}");
        }
    }

    fn heal(&mut self, number: usize) -> Option<String> {
        let takes_over = number == self.current && std::mem::replace(&mut self.taker, number) != number;
        let server = self.all.get_mut(number)?;
        (server.failures, server.rests_until) = (0, None);
        let was_away = !std::mem::take(&mut server.said).is_empty();
        match () {
            () if takes_over => Some(format!("{} is shipped to now", server.shown)),
            () if was_away => Some(format!("{} takes what it is sent again", server.shown)),
            () => None,
        }
    }

    /// What is done now that a server has failed, for a message.
    pub fn what_next(&self, server: usize, stay: Duration) -> String {
        if self.all.len() < 2 {
            return "everything waits in the spool and is sent when this heals".to_owned();
        }
        if self.current != server {
            return format!("{} is tried", self.shown(self.current));
        }
        let next = self.shown((server + 1) % self.all.len());
        format!("it is tried again for {} s, then {next} is", stay.as_secs())
    }

    /// A server did not: what is wrong with it in a sentence, and whether that is new.
    pub fn failed(&mut self, server: usize, failure: &Failure) -> (String, bool) {
        let Some(server) = self.all.get_mut(server) else { return (failure.message.clone(), true) };
        let sentence = match failure.kind {
            Kind::Unreachable => format!("cannot reach {}: {}", server.shown, failure.message),
            _ => format!("{}: {}", server.shown, failure.message),
        };
        let is_new = !server.said.contains(&failure.kind);
        if is_new {
            server.said.push(failure.kind);
        }
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

/// A URL as it may be printed: whoever put a password into it did not mean that.
#[must_use]
pub fn without_password(url: &str) -> String {
    let begin = url.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = url.split_at(begin);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.rsplit_once('@').and_then(|(login, host)| Some((login.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}{user}:***@{host}{path}"),
        None => url.to_owned(),
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
        // They alternate, and are not said again.
        assert!(!fails(0, Kind::Unreachable).1 && !fails(0, Kind::Failing).1);
        servers.healthy(0);
        assert!(servers.failed(0, &Failure::unknown("")).1);
    }

    #[test]
    fn what_heals_and_what_takes_over_is_said_once() {
        let mut servers = servers();
        assert_eq!(servers.heal(1), None);
        servers.failed(1, &Failure::unknown(""));
        assert_eq!(servers.what_next(1, Duration::from_secs(60)), "it is tried again for 60 s, then http://a is");
        assert!(servers.turn_from(1));
        assert_eq!(servers.what_next(1, Duration::from_secs(60)), "http://a is tried");
        assert_eq!(servers.heal(0).unwrap(), "http://a is shipped to now");
        // What stayed with it.
        assert_eq!(servers.heal(1).unwrap(), "http://b takes what it is sent again");
        assert_eq!((servers.heal(0), servers.heal(1)), (None, None));
        let alone = Servers::new(&["http://a".to_owned()], None);
        assert!(alone.what_next(0, Duration::ZERO).starts_with("everything waits in the spool"));
    }

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("http://logs.example:7447", "http://logs.example:7447"),
            ("http://user:pw@logs.example:7447/a@b", "http://user:***@logs.example:7447/a@b"),
            ("https://us:er:p@w@logs.example", "https://us:***@logs.example"),
            ("user:pw@host", "user:***@host"),
            ("http://user@host", "http://user@host"),
        ] {
            assert_eq!(without_password(url), shown);
        }
        let servers = Servers::new(&["http://u:p@a/".to_owned()], None);
        assert_eq!((servers.url(0), servers.find("http://u:***@a")), ("http://u:p@a", Some(0)));
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
