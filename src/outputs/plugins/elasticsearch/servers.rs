//! Which server is asked next: all in turn, those that failed only after a while.

use super::super::requests::{basic, form};
use crate::{clock, config::Options};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use logship_parsers::config::{Diagnostic, ast::Value, typed};
use std::time::{Duration, Instant};
use ureq::http::{HeaderName, HeaderValue, Uri};

/// Where Elasticsearch listens.
const PORT: u16 = 9_200;
/// The longest time for which a server is left alone after failures.
const REST_MAX: Duration = Duration::from_secs(60);
/// All that is looked at in an answer.
const FILTER: &str = "filter_path=errors,items.*.error,items.*.status";

/// The servers of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Servers {
    all: Vec<Server>,
    /// The one that was asked last.
    last: usize,
    /// How long one that failed is left alone.
    rest: Duration,
    is_secure: bool,
    login: Option<(String, String)>,
}

#[derive(Clone, Debug)]
struct Server {
    /// Of bulk requests.
    url: String,
    /// Of everything else.
    root: String,
    /// Until when it is left alone, and how often it failed since it worked.
    resting: Option<(Instant, u32)>,
}

impl Servers {
    pub(super) fn read(options: &mut Options<'_>) -> Option<Servers> {
        let rest = options.or(
            "resurrect_delay",
            |value| typed::duration(value, Duration::from_secs(1)),
            Duration::from_secs(5),
        );
        let is_secure = options.get("ssl_enabled", typed::boolean).or(options.get("ssl", typed::boolean));
        let cloud = options.get("cloud_id", cloud);
        if options.is_given("cloud_id") && (cloud.is_none() || options.is_given("hosts")) {
            if options.is_given("hosts") {
                options.report(Diagnostic::error(
                    options.place(),
                    "`cloud_id` and `hosts` say the same: give one of them",
                ));
            }
            return None;
        }
        let count = options.value("hosts").map_or(0, |value| typed::list(value).len());
        let mut hosts = match cloud {
            Some(host) => vec![host],
            None => options.each("hosts", |value| host(value, is_secure)),
        };
        if hosts.len() < count {
            return None;
        }
        if hosts.is_empty() {
            hosts.push(Host {
                is_secure: is_secure.unwrap_or(false),
                address: format!("127.0.0.1:{PORT}"),
                ..Host::default()
            });
        }
        let path = options.text("path");
        if path.is_some() && hosts.iter().any(|host| !host.path.is_empty()) {
            options.report(Diagnostic::error(options.place(), "`path` cannot stand beside hosts that have one"));
            return None;
        }
        let (path, bulk_path) = (path.unwrap_or_default(), options.text("bulk_path"));
        let text = |value: &Value| typed::text(value).map(str::to_owned);
        let mut query = String::new();
        for (name, value) in options.pairs("parameters", text, text) {
            form(&name, &mut query);
            query.push('=');
            form(&value, &mut query);
            query.push('&');
        }
        let is_secure = hosts.iter().all(|host| host.is_secure);
        let login = hosts.iter().find_map(|host| host.login.clone());
        let all = hosts.into_iter().map(|host| Server {
            url: host.url(&path, bulk_path.as_deref(), &query),
            root: host.root(&path),
            resting: None,
        });
        Some(Servers { all: all.collect(), last: usize::MAX, rest, is_secure, login })
    }

    pub(super) fn are_secure(&self) -> bool {
        self.is_secure
    }

    /// What the URLs say of who we are.
    pub(super) fn login(&self) -> Option<(HeaderName, HeaderValue)> {
        self.login.as_ref().and_then(|(user, password)| basic(user, password))
    }

    /// The next one that is not left alone, or the one whose rest ends first; its number and its URL.
    pub(super) fn next(&mut self) -> (usize, String) {
        let (count, now) = (self.all.len(), clock::instant());
        let turn = (0..count).map(|step| self.last.wrapping_add(1 + step) % count);
        let rest = |number: &usize| self.all.get(*number).and_then(|server| server.resting).map(|(until, _)| until);
        let next = turn.clone().find(|number| rest(number).is_none_or(|until| until <= now));
        let next = next.or_else(|| turn.min_by_key(rest)).unwrap_or_default();
        self.last = next;
        (next, self.all.get(next).map(|server| server.url.clone()).unwrap_or_default())
    }

    /// Where the one that is asked next is asked for something else.
    pub(super) fn next_root(&mut self) -> (usize, String) {
        let (number, _) = self.next();
        (number, self.all.get(number).map(|server| server.root.clone()).unwrap_or_default())
    }

    /// Whether somebody else may be asked at once.
    pub(super) fn has_other(&self) -> bool {
        let now = clock::instant();
        self.all.iter().any(|server| server.resting.is_none_or(|(until, _)| until <= now))
    }

    pub(super) fn worked(&mut self, number: usize) {
        if let Some(server) = self.all.get_mut(number) {
            server.resting = None;
        }
    }

    /// Leaves a server alone, each time for longer.
    pub(super) fn failed(&mut self, number: usize) {
        if let Some(server) = self.all.get_mut(number) {
            let failures = server.resting.map_or(0, |(_, failures)| failures);
            let rest = self.rest.saturating_mul(1 << failures.min(6)).min(REST_MAX.max(self.rest));
            server.resting = Some((clock::instant() + rest, failures + 1));
        }
    }
}

#[derive(Debug, Default, PartialEq)]
struct Host {
    is_secure: bool,
    address: String,
    path: String,
    query: String,
    login: Option<(String, String)>,
}

impl Host {
    fn root(&self, path: &str) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        let path = if self.path.is_empty() { path } else { &self.path }.trim_matches('/');
        let slash = if path.is_empty() { "" } else { "/" };
        format!("{scheme}://{}{slash}{path}", self.address)
    }

    fn url(&self, path: &str, bulk_path: Option<&str>, query: &str) -> String {
        let scheme = if self.is_secure { "https" } else { "http" };
        let path = match bulk_path {
            Some(whole) => whole.trim_matches('/').to_owned(),
            None => {
                let root = if self.path.is_empty() { path } else { &self.path };
                format!("{}/_bulk", root.trim_matches('/')).trim_start_matches('/').to_owned()
            }
        };
        let own = if self.query.is_empty() { String::new() } else { format!("{}&", self.query) };
        super::super::requests::url(&format!("{scheme}://{}/{path}?{own}{query}{FILTER}", self.address))
    }
}

/// `host`, `host:port`, or a URL.
fn host(value: &Value, is_secure: Option<bool>) -> typed::Read<Host> {
    let text = typed::text(value)?;
    let wrong = |what: &str| {
        // A URL may hold a password.
        Diagnostic::error(value.span.0, what).help("a host is written `host`, `host:9200` or `https://host:9200/path`")
    };
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, text.trim_start_matches("//")),
    };
    let is_https = match scheme {
        Some("https") => Some(true),
        Some("http") => Some(false),
        Some(_) => return Err(wrong("this is no URL of `http` or `https`")),
        None => None,
    };
    if let (Some(https), Some(secure)) = (is_https, is_secure)
        && https != secure
    {
        return Err(wrong("the URL says one thing and `ssl_enabled` another"));
    }
    let (login, rest) = match rest.split_once('@') {
        Some((login, rest)) => {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            (Some((decoded(user), decoded(password))), rest)
        }
        None => (None, rest),
    };
    let uri: Uri = format!("http://{rest}").parse().map_err(|_| wrong("this is no host"))?;
    let name = uri.host().filter(|name| !name.is_empty()).ok_or_else(|| wrong("this is no host"))?;
    Ok(Host {
        is_secure: is_https.or(is_secure).unwrap_or(false),
        address: format!("{name}:{}", uri.port_u16().unwrap_or(PORT)),
        path: uri.path().trim_matches('/').to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        login,
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.filter(|_| *first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `name:BASE64` of `host$elasticsearch$kibana`.
fn cloud(value: &Value) -> typed::Read<Host> {
    let wrong = || {
        let error = Diagnostic::error(value.span.0, "this is no cloud id");
        error.help("copy it from the page of the deployment: it is written `NAME:LETTERS`")
    };
    let text = typed::text(value)?;
    let code = text.rsplit_once(':').map_or(text, |(_, code)| code);
    let whole = STANDARD.decode(code).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
    let mut parts = whole.split('$');
    let (Some(domain), Some(id)) = (parts.next(), parts.next().filter(|id| !id.is_empty())) else {
        return Err(wrong());
    };
    let (domain, port) = domain.split_once(':').unwrap_or((domain, "443"));
    let (id, port) = id.split_once(':').unwrap_or((id, port));
    if domain.is_empty() || id == "undefined" || port.parse::<u16>().is_err() {
        return Err(wrong());
    }
    Ok(Host { is_secure: true, address: format!("{id}.{domain}:{port}"), ..Host::default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use logship_parsers::config::{Source, ast::Statement, parse};

    fn servers(count: usize) -> Servers {
        let server = |number| Server { url: format!("{number}"), root: String::new(), resting: None };
        let rest = Duration::from_secs(3_600);
        Servers { all: (0..count).map(server).collect(), last: usize::MAX, rest, is_secure: false, login: None }
    }

    #[test]
    fn all_are_asked_in_turn_but_those_that_failed() {
        let mut servers = servers(3);
        let turn = |servers: &mut Servers| servers.next().0;
        assert_eq!([turn(&mut servers), turn(&mut servers), turn(&mut servers), turn(&mut servers)], [0, 1, 2, 0]);
        servers.failed(1);
        assert_eq!([turn(&mut servers), turn(&mut servers), turn(&mut servers)], [2, 0, 2]);
        servers.failed(2);
        servers.failed(0);
        assert!(!servers.has_other());
        assert_eq!([turn(&mut servers), turn(&mut servers)], [1, 1], "the one that has rested longest");
        servers.worked(1);
        assert!(servers.has_other());
    }

    fn value(text: &str) -> Value {
        let parsed = parse(&[Source::new("x", format!("input {{ a {{ b => \"{text}\" }} }}"))], &Default::default());
        let Some(Statement::Plugin(plugin)) = parsed.config.inputs.first() else { panic!("no plugin") };
        plugin.attributes[0].value.clone()
    }

    #[test]
    fn hosts_are_urls() {
        let check = |text: &str, is_secure: Option<bool>, expected: &str| {
            let said =
                host(&value(text), is_secure).map_or_else(|wrong| wrong.message, |host| host.url("p", None, "a=b&"));
            assert_eq!(said.replace(FILTER, "F"), expected, "{text}");
        };
        check("a", None, "http://a:9200/p/_bulk?a=b&F");
        check("//a:1", None, "http://a:1/p/_bulk?a=b&F");
        check("a:1", Some(true), "https://a:1/p/_bulk?a=b&F");
        check("https://a", None, "https://a:9200/p/_bulk?a=b&F");
        check("https://u:p@[::1]:1/q/?c=d", None, "https://[::1]:1/q/_bulk?c=d&a=b&F");
        check("https://a", Some(false), "the URL says one thing and `ssl_enabled` another");
        check("ftp://a", None, "this is no URL of `http` or `https`");
        check("http://", None, "this is no host");
        let login = host(&value("http://us%3Aer:p%40ss@a"), None).unwrap().login.unwrap();
        assert_eq!(login, ("us:er".to_owned(), "p@ss".to_owned()));
        assert_eq!(
            Host { address: "a:1".into(), ..Host::default() }.url("p", Some("/x/y"), ""),
            format!("http://a:1/x/y?{FILTER}")
        );
    }

    #[test]
    fn cloud_ids_are_hosts() {
        let check = |whole: &str, expected: Option<&str>| {
            let id = format!("my:name:{}", STANDARD.encode(whole));
            assert_eq!(cloud(&value(&id)).ok().map(|host| host.address), expected.map(str::to_owned), "{whole}");
        };
        check("eu.example.org$abc$def", Some("abc.eu.example.org:443"));
        check("eu.example.org:9243$abc$def", Some("abc.eu.example.org:9243"));
        check("eu.example.org:9243$abc:1$def:2", Some("abc.eu.example.org:1"));
        check("eu.example.org", None);
        check("eu.example.org$undefined$x", None);
        check("$abc", None);
        assert!(cloud(&value("not base 64")).is_err());
    }
}
