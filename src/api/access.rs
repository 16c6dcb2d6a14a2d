//! Which requests are let in: a guard before every route.
//!
//! Three rules, in this order:
//! 1. **No foreign page.** A browser says where a request comes from (`Sec-Fetch-Site`, `Origin`); a foreign page gets
//!    403. Following a link to the page itself is fine: it holds no data and cannot be framed.
//! 2. **A known host.** Where no token is asked for, the `Host` must be a loopback name, the address that we listen on
//!    or the one of `--public-url`: a name that an attacker points at 127.0.0.1 (DNS rebinding) is none of them. An
//!    address written as digits cannot be rebound, so any is fine where we listen on all addresses.
//! 3. **A token**, where tokens are set, for everything but the page, its assets and the health check. What a token
//!    opens needs no known host: a rebound page has no token.

use super::{ApiError, error::Code};
use crate::auth::{Tokens, bearer};
use axum::http::{HeaderMap, Method, Uri, header};
use std::net::{IpAddr, SocketAddr};

/// The rules of one server.
#[derive(Clone, Debug)]
pub struct Access {
    bound: SocketAddr,
    public: Option<Authority>,
    tokens: Tokens,
}

/// Host and port as a header names them: lower case, without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Authority {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Name(String),
    Address(IpAddr),
}

impl Authority {
    /// Strict: what is no plain `host`, `host:port`, `[v6]` or `[v6]:port` is nothing.
    fn parse(text: &str) -> Option<Authority> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (inside, behind) = rest.split_once(']')?;
            (Host::Address(IpAddr::V6(inside.parse().ok()?).to_canonical()), behind)
        } else {
            let (name, behind) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Authority::name(name)?, behind)
        };
        let port = match port.strip_prefix(':') {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            Some(_) => return None,
            None if port.is_empty() => None,
            None => return None,
        };
        Some(Authority { host, port })
    }

    fn name(text: &str) -> Option<Host> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if name.is_empty() || name.ends_with('.') || !name.bytes().all(plain) {
            return None;
        }
        Some(match name.parse() {
            Ok(address) => Host::Address(IpAddr::V4(address)),
            Err(_) => Host::Name(name.to_ascii_lowercase()),
        })
    }

    /// Scheme, host and port of an origin or URL.
    fn of_url(url: &str) -> Option<Authority> {
        let (scheme, rest) = url.split_once("://")?;
        let default = match scheme {
            "http" => 80,
            "https" => 443,
            _ => return None,
        };
        let mut authority = Authority::parse(rest.split(['/', '?', '#']).next()?)?;
        authority.port = authority.port.filter(|port| *port != default);
        Some(authority)
    }
}

impl Access {
    /// The rules of a server that listens on `bound`. Whether that may be without tokens is not decided here.
    ///
    /// # Errors
    /// `public_url` is no http or https URL.
    pub fn new(bound: SocketAddr, public_url: Option<&str>, tokens: Tokens) -> Result<Access, String> {
        let public = public_url
            .map(|url| {
                Authority::of_url(url).ok_or_else(|| format!("`{url}` is no URL such as https://logs.example.com"))
            })
            .transpose()?;
        Ok(Access { bound, public, tokens })
    }

    /// Lets a request in. `open`: the path is the page, an asset or the health check.
    ///
    /// # Errors
    /// 403 or 401, and why.
    pub fn check(&self, method: &Method, uri: &Uri, headers: &HeaderMap, open: bool) -> Result<(), ApiError> {
        self.check_site(method, uri, headers)?;
        if self.tokens.is_empty() {
            return self.check_host(uri, headers);
        }
        if open {
            return Ok(());
        }
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        match (given.next(), given.next()) {
            (Some(header), None) => match bearer(header.as_bytes()) {
                Some(guess) if self.tokens.allow(guess) => Ok(()),
                Some(_) => Err(unauthorized("the token is wrong")),
                None => Err(unauthorized("expected `Authorization: Bearer TOKEN`")),
            },
            (None, _) => Err(unauthorized("a token is needed: send `Authorization: Bearer TOKEN`")),
            (Some(_), Some(_)) => Err(unauthorized("more than one `Authorization` header")),
        }
    }

    fn check_site(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let foreign = || ApiError::new(Code::Forbidden, "the request comes from a foreign web page");
        let is = |name: &str, value: &str| headers.get(name).is_some_and(|found| found.as_bytes() == value.as_bytes());
        let follows_link = method == Method::GET
            && uri.path() == "/"
            && is("sec-fetch-mode", "navigate")
            && is("sec-fetch-dest", "document");
        let sites = headers.get_all("sec-fetch-site").iter();
        if !follows_link && !sites.into_iter().all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")) {
            return Err(foreign());
        }
        for origin in headers.get_all(header::ORIGIN) {
            let origin = origin.to_str().ok().and_then(Authority::of_url).ok_or_else(foreign)?;
            let own = host_of(uri, headers).is_some_and(|host| {
                host.host == origin.host && (host.port == origin.port || is_default(&host, &origin))
            });
            if !own && self.public.as_ref() != Some(&origin) {
                return Err(foreign());
            }
        }
        Ok(())
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let known = host_of(uri, headers).is_some_and(|authority| match &authority.host {
            Host::Address(address) => {
                address.is_loopback()
                    || *address == self.bound.ip().to_canonical()
                    || self.bound.ip().is_unspecified()
                    || self.is_public(&authority.host)
            }
            Host::Name(name) => name == "localhost" || self.is_public(&authority.host),
        });
        if known {
            return Ok(());
        }
        let mut error = ApiError::new(Code::Forbidden, "the `Host` header does not name this server");
        error.hint = Some(format!("use http://{} or start with --public-url and that name", self.bound));
        Err(error)
    }

    fn is_public(&self, host: &Host) -> bool {
        self.public.as_ref().is_some_and(|public| public.host == *host)
    }
}

fn unauthorized(message: &str) -> ApiError {
    ApiError::new(Code::Unauthorized, message)
}

/// An origin leaves out its scheme's default port; a `Host` may write it.
fn is_default(host: &Authority, origin: &Authority) -> bool {
    origin.port.is_none() && matches!(host.port, Some(80 | 443))
}

/// What the request says it was sent to: exactly one `Host`, and the same where the request line names a host too.
fn host_of(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = Authority::parse(hosts.next()?.to_str().ok()?)?;
    if hosts.next().is_some() {
        return None;
    }
    match uri.authority() {
        Some(line) if Authority::parse(line.as_str()).as_ref() != Some(&host) => None,
        _ => Some(host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in list {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn access(bound: &str, public: Option<&str>, tokens: &str) -> Access {
        Access::new(bound.parse().unwrap(), public, Tokens::parse(tokens).unwrap()).unwrap()
    }

    fn status(access: &Access, uri: &str, list: &[(&'static str, &str)]) -> u16 {
        let open = uri == "/";
        access
            .check(&Method::GET, &uri.parse().unwrap(), &headers(list), open)
            .map_or_else(|error| error.code.parts().1.as_u16(), |()| 200)
    }

    #[test]
    fn hosts_on_loopback() {
        let rules = access("127.0.0.1:7447", Some("https://logs.example.com"), "");
        for (host, expected) in [
            ("localhost", 200),
            ("LocalHost:7447", 200),
            ("localhost.:7447", 200),
            ("localhost:1", 200),
            ("127.0.0.1", 200),
            ("127.0.0.1:7447", 200),
            ("127.8.8.8", 200),
            ("[::1]:7447", 200),
            ("[::1]", 200),
            ("[::ffff:127.0.0.1]:80", 200),
            ("logs.example.com", 200),
            ("logs.example.com:443", 200),
            ("LOGS.example.com.", 200),
            ("evil.example.com", 403),
            ("example.com", 403),
            ("127.0.0.1.evil.com", 403),
            ("localhost.evil.com", 403),
            ("evil.com:7447", 403),
            ("localhost..", 403),
            (".", 403),
            ("localhost@evil.com", 403),
            ("evil.com@localhost", 403),
            ("user:pass@localhost", 403),
            ("localhost:", 403),
            ("localhost:99999", 403),
            ("localhost:+80", 403),
            ("localhost:80:80", 403),
            ("::1", 403),
            ("[::1", 403),
            ("[::1]evil.com", 403),
            ("[::1%eth0]", 403),
            ("[127.0.0.1]", 403),
            ("127.1", 403),
            ("2130706433", 403),
            ("0.0.0.0", 403),
            ("192.168.1.5:7447", 403),
            ("localhost evil.com", 403),
            ("localhost,evil.com", 403),
            ("localhost/", 403),
            ("", 403),
        ] {
            let expected = if host == "localhost:" { 403 } else { expected };
            assert_eq!(status(&rules, "/api/v1/status", &[("host", host)]), expected, "{host:?}");
        }
        assert_eq!(status(&rules, "/", &[]), 403, "absent");
        assert_eq!(status(&rules, "/", &[("host", "localhost"), ("host", "localhost")]), 403, "twice");
        assert_eq!(status(&rules, "http://evil.com/", &[("host", "localhost")]), 403, "in the request line");
        assert_eq!(status(&rules, "http://localhost/", &[("host", "localhost")]), 200, "in both");
    }

    #[test]
    fn hosts_elsewhere() {
        for (bound, tokens, host, expected) in [
            ("192.168.1.5:7447", "", "192.168.1.5:7447", 200),
            ("192.168.1.5:7447", "", "192.168.1.6:7447", 403),
            ("192.168.1.5:7447", "", "evil.com", 403),
            ("0.0.0.0:7447", "", "192.168.1.6:7447", 200),
            ("[::]:7447", "", "[2001:db8::1]:7447", 200),
            ("0.0.0.0:7447", "", "evil.com", 403),
            ("[2001:db8::1]:7447", "", "[2001:db8:0::1]", 200),
            ("0.0.0.0:7447", "a-good-token", "logship.internal:7447", 200),
        ] {
            let rules = access(bound, None, tokens);
            let list = [("host", host), ("authorization", "Bearer a-good-token")];
            assert_eq!(status(&rules, "/api/v1/status", &list), expected, "{bound} {host}");
        }
    }

    #[test]
    fn foreign_pages() {
        let rules = access("127.0.0.1:7447", Some("https://logs.example.com"), "");
        let check = |uri: &str, list: &[(&'static str, &str)], expected: u16| {
            let mut list = list.to_vec();
            if !list.iter().any(|(name, _)| *name == "host") {
                list.push(("host", "localhost:7447"));
            }
            assert_eq!(status(&rules, uri, &list), expected, "{uri} {list:?}");
        };
        let api = "/api/v1/search";
        check(api, &[("sec-fetch-site", "same-origin")], 200);
        check(api, &[("sec-fetch-site", "none")], 200);
        check(api, &[("sec-fetch-site", "cross-site")], 403);
        check(api, &[("sec-fetch-site", "same-site")], 403);
        check(api, &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], 403);
        check(api, &[("origin", "http://localhost:7447")], 200);
        check(api, &[("origin", "http://localhost:3000")], 403);
        check(api, &[("origin", "http://localhost")], 403);
        check(api, &[("origin", "http://127.0.0.1:7447")], 403);
        check(api, &[("origin", "https://evil.com")], 403);
        check(api, &[("origin", "null")], 403);
        check(api, &[("origin", "")], 403);
        check(api, &[("origin", "file://localhost:7447")], 403);
        check(api, &[("origin", "http://evil.com@localhost:7447")], 403);
        check(api, &[("origin", "https://logs.example.com")], 200);
        check(api, &[("origin", "https://logs.example.com:443")], 200);
        check(api, &[("origin", "https://logs.example.com:8443")], 403);
        check(api, &[("origin", "https://logs.example.com"), ("host", "logs.example.com:443")], 200);
        check(api, &[("origin", "http://evil.com"), ("host", "evil.com")], 403);
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        check("/", &link, 200);
        check(api, &link, 403);
        check("/", &[link[0], link[1], ("sec-fetch-dest", "iframe")], 403);
    }

    #[test]
    fn tokens() {
        let rules = access("0.0.0.0:7447", None, "a-good-token");
        let host = ("host", "logs.internal");
        for (uri, header, expected) in [
            ("/", None, 200),
            ("/api/v1/status", None, 401),
            ("/metrics", None, 401),
            ("/api/v1/status", Some("Bearer a-good-token"), 200),
            ("/api/v1/status", Some("bearer a-good-token"), 200),
            ("/api/v1/status", Some("Bearer a-bad-token"), 401),
            ("/api/v1/status", Some("Bearer "), 401),
            ("/api/v1/status", Some("Basic a-good-token"), 401),
        ] {
            let list: Vec<_> = header.map(|text| ("authorization", text)).into_iter().chain([host]).collect();
            assert_eq!(status(&rules, uri, &list), expected, "{uri} {header:?}");
        }
        let twice = [host, ("authorization", "Bearer a-good-token"), ("authorization", "Bearer x")];
        assert_eq!(status(&rules, "/metrics", &twice), 401);
        let foreign = [host, ("authorization", "Bearer a-good-token"), ("sec-fetch-site", "cross-site")];
        assert_eq!(status(&rules, "/metrics", &foreign), 403);
    }

    #[test]
    fn public_urls() {
        let new = |url| Access::new(([127, 0, 0, 1], 7447).into(), Some(url), Tokens::default()).map(|_| ());
        assert_eq!(new("https://logs.example.com/path"), Ok(()));
        assert_eq!(
            new("logs.example.com"),
            Err("`logs.example.com` is no URL such as https://logs.example.com".to_owned())
        );
    }
}
