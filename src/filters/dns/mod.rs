//! `dns { resolve => ["host"] reverse => ["ip"] action => "replace" }`: addresses of names, and names of addresses.
//!
//! What is found is appended to the field, or takes its place. Files of hosts come first (`hostsfile`, then that of the system), then the
//! servers of `nameserver`: addresses, or `{ address => [...] search => [...] ndots => 1 }`; without both options those of the
//! system. An address may have a port. Each answer is waited for `timeout` seconds (0.5), and all is tried again `max_retries` times (2);
//! what takes longer is tagged `_dnstimeout` (`tag_on_timeout`). What has no answer stays, without decorations, as has what comes
//! behind it in the options. `hit_cache_size` answers (0) are remembered for `hit_cache_ttl` seconds (60), `failed_cache_size`
//! failures (0) for `failed_cache_ttl` (5). Answers are datagrams; names are ASCII. An event waits for its answers, and those behind it.

mod message;
mod resolver;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Timestamp, Value},
};
use logship_parsers::config::{Diagnostic, FieldRef, ast, typed};
use lru::LruCache;
pub use resolver::Resolver;
use resolver::{Failure, Hosts, SYSTEM_HOSTS, Servers};
use std::{
    hash::RandomState,
    net::SocketAddr,
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};

pub(super) const KIND: FilterKind = FilterKind {
    name: "dns",
    summary: "Looks up names and addresses",
    options: &[
        "action",
        "failed_cache_size",
        "failed_cache_ttl",
        "hit_cache_size",
        "hit_cache_ttl",
        "hostsfile",
        "max_retries",
        "nameserver",
        "resolve",
        "reverse",
        "tag_on_timeout",
        "timeout",
    ],
    build,
};

/// What is remembered, whatever the options say.
const CACHE_MAX: usize = 1_000_000;
/// Domains that complete names, as in Logstash.
const SEARCH_MAX: usize = 6;
/// How often all may be tried again.
const RETRIES_MAX: u32 = 100;

#[derive(Debug)]
struct Dns {
    resolve: Vec<FieldRef>,
    reverse: Vec<FieldRef>,
    replaces: bool,
    resolver: Resolver,
    hits: Option<Cache<String>>,
    failures: Option<Cache<()>>,
    tag_on_timeout: Vec<String>,
}

/// What is remembered for a while.
#[derive(Debug)]
struct Cache<T> {
    values: Mutex<LruCache<String, (T, Timestamp)>>,
    nanos: i64,
}

impl<T: Clone> Cache<T> {
    /// As the options of that name say.
    fn read(options: &mut Options<'_>, name: &str, ttl: f64) -> Option<Cache<T>> {
        let size = options.or(&format!("{name}_size"), typed::integer, 0);
        let ttl = options.or(&format!("{name}_ttl"), typed::number, ttl);
        let size = NonZeroUsize::new(usize::try_from(size).unwrap_or(0).min(CACHE_MAX))?;
        Some(Cache { values: Mutex::new(LruCache::new(size)), nanos: (ttl * 1e9) as i64 })
    }

    fn values(&self) -> MutexGuard<'_, LruCache<String, (T, Timestamp)>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, text: &str, now: Timestamp) -> Option<T> {
        let mut values = self.values();
        let (value, since) = values.get(text)?;
        (now.as_nanos().saturating_sub(since.as_nanos()) < self.nanos).then(|| value.clone())
    }

    fn put(&self, text: &str, value: T, now: Timestamp) {
        self.values().put(text.to_owned(), (value, now));
    }
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let action =
        options.get("action", |value| typed::choice(value, &["append", "replace"]).map(|name| name == "replace"));
    let timeout = options.or("timeout", typed::number, 0.5);
    let timeout = Duration::try_from_secs_f64(timeout)
        .unwrap_or(Duration::MAX)
        .clamp(Duration::from_millis(1), Duration::from_secs(3_600));
    let retries = options.or("max_retries", typed::integer, 2);
    let mut hosts = Hosts::default();
    let files = options.each("hostsfile", |value| Ok((typed::text(value)?.to_owned(), value.span.0)));
    for (path, place) in &files {
        if let Err(cause) = hosts.read(path) {
            options.report(Diagnostic::error(*place, format!("the hosts in `{path}`: {cause}")));
        }
    }
    // A system without the file knows no hosts.
    _ = hosts.read(SYSTEM_HOSTS);
    let servers = match (options.is_given("nameserver"), files.is_empty()) {
        (true, _) => servers(options),
        (false, true) => Some(Servers::of_system()),
        (false, false) => None,
    };
    Some(Box::new(Dns {
        resolve: options.each("resolve", typed::field),
        reverse: options.each("reverse", typed::field),
        replaces: action.unwrap_or(false),
        resolver: Resolver {
            hosts,
            servers,
            timeout,
            retries: u32::try_from(retries).unwrap_or(0).min(RETRIES_MAX),
            numbers: RandomState::new(),
            asked: AtomicU64::default(),
        },
        hits: Cache::read(options, "hit_cache", 60.0),
        failures: Cache::read(options, "failed_cache", 5.0),
        tag_on_timeout: super::tags(options, "tag_on_timeout", "_dnstimeout"),
    }))
}

/// `nameserver`; none where something was reported.
fn servers(options: &mut Options<'_>) -> Option<Servers> {
    let address = |value: &ast::Value| -> typed::Read<SocketAddr> {
        let text = typed::text(value)?;
        resolver::server(text)
            .ok_or_else(|| Diagnostic::error(value.span.0, format!("`{text}` is no address of a server")))
    };
    let addresses = |value: &ast::Value| typed::list(value).iter().map(address).collect::<Result<Vec<_>, _>>();
    options.get("nameserver", |value| {
        let wrong = |message: String| Diagnostic::error(value.span.0, message);
        let mut servers = Servers { ndots: 1, ..Servers::default() };
        if !matches!(value.kind, ast::ValueKind::Hash(_)) {
            servers.addresses = addresses(value)?;
        } else {
            for entry in &*typed::hash(value)? {
                match typed::text(&entry.key)? {
                    "address" => servers.addresses = addresses(&entry.value)?,
                    "search" => {
                        let names = typed::list(&entry.value).iter().map(|item| typed::text(item).map(str::to_owned));
                        servers.search = names.collect::<Result<_, _>>()?;
                    }
                    "ndots" => {
                        let ndots = usize::try_from(typed::integer(&entry.value)?).ok().filter(|ndots| *ndots > 0);
                        servers.ndots = ndots.ok_or_else(|| wrong("`ndots` is at least 1".to_owned()))?;
                    }
                    other => {
                        return Err(wrong(format!(
                            "`nameserver` has no `{other}`; it has `address`, `search` and `ndots`"
                        )));
                    }
                }
            }
        }
        match (servers.addresses.is_empty(), servers.search.len() > SEARCH_MAX) {
            (true, _) => Err(wrong("`nameserver` has no address".to_owned())),
            (_, true) => Err(wrong(format!("there are more than {SEARCH_MAX} domains in `search`"))),
            _ => Ok(servers),
        }
    })
}

impl Filter for Dns {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let address = |text: &str| self.resolver.address(text);
        let name = |text: &str| match text.parse() {
            Ok(address) => self.resolver.name(address),
            Err(_) => Ok(None),
        };
        for field in &self.resolve {
            if !self.look_up(event, field, scratch.received, &address)? {
                return Ok(Verdict::Unmatched);
            }
        }
        for field in &self.reverse {
            if !self.look_up(event, field, scratch.received, &name)? {
                return Ok(Verdict::Unmatched);
            }
        }
        Ok(Verdict::Matched)
    }
}

impl Dns {
    /// Looks a field up; `false` where that has no answer.
    fn look_up(
        &self,
        event: &mut Event,
        field: &FieldRef,
        now: Timestamp,
        ask: &dyn Fn(&str) -> Result<Option<String>, Failure>,
    ) -> Result<bool, FilterError> {
        let (text, is_list) = match event.get(field).as_deref() {
            None | Some(Value::Null) => return Ok(true),
            Some(Value::Str(text)) => (text.clone(), false),
            Some(Value::List(items)) => match items.as_slice() {
                [Value::Str(text)] => (text.clone(), true),
                _ => return Ok(false),
            },
            Some(_) => return Ok(false),
        };
        if self.failures.as_ref().is_some_and(|failures| failures.get(&text, now).is_some()) {
            return Ok(false);
        }
        let known = self.hits.as_ref().and_then(|hits| hits.get(&text, now));
        let found = known.map_or_else(|| ask(&text), |known| Ok(Some(known)));
        let Ok(Some(found)) = found else {
            self.failures.iter().for_each(|failures| failures.put(&text, (), now));
            return match found {
                Err(Failure::Timeout) => {
                    Err(FilterError::new(&self.tag_on_timeout, format!("no answer in time for {text}")))
                }
                _ => Ok(false),
            };
        };
        self.hits.iter().for_each(|hits| hits.put(&text, found.clone(), now));
        let found = Value::from(found);
        let value = match (self.replaces, is_list) {
            (true, false) => found,
            (true, true) => Value::List(vec![found]),
            (false, _) => Value::List(vec![Value::Str(text), found]),
        };
        event.set(field, value).map_err(|cause| FilterError::new(&[], cause))?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Role, Settings},
        event::json,
    };
    use logship_parsers::config;
    use std::{
        net::UdpSocket,
        sync::mpsc::{Receiver, sync_channel},
        thread,
    };

    /// A name server of a few names. It says nothing of `slow`, and tells what it was asked for.
    fn server() -> (SocketAddr, Receiver<String>) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let (asked, questions) = sync_channel(100);
        let serve = move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let question = &buffer[..length];
                let labels = question[12..].split(|byte| *byte < 32).map(String::from_utf8_lossy);
                let name = labels.collect::<Vec<_>>().join(".").trim_matches('.').to_owned();
                let kind = question[length - 3];
                let reply = match (name.as_str(), kind) {
                    ("www.example", 1) => message::tests::reply(question, 0, &[(1, &[192, 0, 2, 7])]),
                    ("six.example", 28) => message::tests::reply(question, 0, &[(28, &[0; 16])]),
                    ("six.example", _) => message::tests::reply(question, 0, &[]),
                    ("7.2.0.192.in-addr.arpa", 12) => {
                        message::tests::reply(question, 0, &[(12, b"\x03www\x07example\x00")])
                    }
                    ("slow", _) => Vec::new(),
                    _ => message::tests::reply(question, 3, &[]),
                };
                if asked.send(name).is_err() {
                    return;
                }
                if !reply.is_empty() {
                    socket.send_to(&reply, from).unwrap();
                }
            }
        };
        thread::Builder::new().name("names".to_owned()).spawn(serve).unwrap();
        (address, questions)
    }

    fn filter(options: &str) -> Box<dyn Filter> {
        let text = format!("filter {{ dns {{ {options} }} }}");
        let parsed = config::parse(&[config::Source::new("test", text.as_str())], &config::Options::default());
        let [config::ast::Statement::Plugin(plugin)] = parsed.config.filters.as_slice() else { panic!("{text}") };
        let (settings, mut diagnostics) = (Settings::default(), Vec::new());
        let filter = build(&mut Options::new(plugin, (Role::Filter, KIND.options), &settings, &mut diagnostics));
        assert!(diagnostics.is_empty(), "{options}: {diagnostics:?}");
        filter.unwrap()
    }

    fn applied(filter: &dyn Filter, event: &str, seconds: i64) -> (String, Result<Verdict, Vec<String>>) {
        let mut event = json::read_event(event).unwrap().0;
        event.has_time = false;
        let mut scratch = Scratch { received: Timestamp::from_millis(seconds * 1_000), ..Scratch::default() };
        let verdict = filter.apply(&mut event, &mut scratch).map_err(|error| error.tags.into_vec());
        let mut text = String::new();
        json::write_event(&mut text, &event, None);
        (text, verdict)
    }

    #[test]
    fn servers_are_asked() {
        let (address, _questions) = server();
        let filter = filter(&format!(
            r#"nameserver => {{ "address" => "{address}" "search" => ["example"] }} resolve => ["a"] reverse => ["b"] timeout => 10"#
        ));
        let check = |event: &str, expected: &str, verdict: Verdict| {
            assert_eq!(applied(&*filter, event, 0), (expected.to_owned(), Ok(verdict)), "{event}");
        };
        check(r#"{"a":"www.example"}"#, r#"{"a":["www.example","192.0.2.7"]}"#, Verdict::Matched);
        check(r#"{"a":"www"}"#, r#"{"a":["www","192.0.2.7"]}"#, Verdict::Matched);
        check(r#"{"a":["six.example"]}"#, r#"{"a":["six.example","::"]}"#, Verdict::Matched);
        check(r#"{"b":"192.0.2.7"}"#, r#"{"b":["192.0.2.7","www.example"]}"#, Verdict::Matched);
        check(r#"{"a":"none.example"}"#, r#"{"a":"none.example"}"#, Verdict::Unmatched);
        check(r#"{"a":"ü"}"#, r#"{"a":"ü"}"#, Verdict::Unmatched);
        check(r#"{"b":"192.0.2.8"}"#, r#"{"b":"192.0.2.8"}"#, Verdict::Unmatched);
    }

    #[test]
    fn answers_and_failures_are_remembered() {
        let (address, questions) = server();
        let filter = filter(&format!(
            r#"nameserver => "{address}" resolve => "a" action => "replace" timeout => 10 hit_cache_size => 10 failed_cache_size => 10"#
        ));
        let asked = || questions.try_iter().count();
        let check = |name: &str, seconds: i64, expected: &str, questions: usize| {
            let (text, _) = applied(&*filter, &format!(r#"{{"a":"{name}"}}"#), seconds);
            assert_eq!((text, asked()), (format!(r#"{{"a":"{expected}"}}"#), questions), "{name} {seconds}");
        };
        check("www.example", 0, "192.0.2.7", 1);
        check("www.example", 59, "192.0.2.7", 0);
        check("www.example", 120, "192.0.2.7", 1);
        check("none.example", 0, "none.example", 1);
        check("none.example", 4, "none.example", 0);
        check("none.example", 5, "none.example", 1);
    }

    #[test]
    fn what_takes_too_long_is_tagged() {
        let (address, questions) = server();
        let filter =
            filter(&format!(r#"nameserver => ["{address}"] resolve => ["a"] timeout => 0.01 max_retries => 1"#));
        let (text, verdict) = applied(&*filter, r#"{"a":"slow"}"#, 0);
        assert_eq!((text.as_str(), verdict), (r#"{"a":"slow"}"#, Err(vec!["_dnstimeout".to_owned()])));
        assert_eq!(questions.iter().take(2).count(), 2);
    }
}
