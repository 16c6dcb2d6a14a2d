//! What stands around an `@`: addresses of mail, and passwords in URLs.

use super::{Hit, Rule, escape};
use std::ops::Range;

/// No name is longer, and of what is the end goes.
const NAME_BYTES_MAX: usize = 254;

/// Finds `name@example.com`, and `name%40example.com` as URLs have it. The name is ASCII, the domain has a dot.
pub(super) fn emails(text: &[u8], hits: &mut Vec<Hit>) {
    let passwords = hits.len();
    let mut end = 0;
    for at in memchr::memchr2_iter(b'@', b'%', text) {
        let domain = match text[at..] {
            [b'@', ..] => at + 1,
            [b'%', b'4', b'0', ..] => at + 3,
            _ => continue,
        };
        // The host behind a password that goes is no part of an address.
        if at < end || hits[..passwords].iter().any(|hit| hit.range.end == at) {
            continue;
        }
        if let Some(range) = email(text, end, at, domain) {
            end = range.end;
            hits.push(Hit::new(range, Rule::Email));
        }
    }
}

fn email(text: &[u8], from: usize, at: usize, domain: usize) -> Option<Range<usize>> {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'%' | b'+' | b'-');
    let name = text[from..at].iter().rev().take(NAME_BYTES_MAX).take_while(|b| is_name(b)).count();
    let start = escape::behind_escape(text, at - name);
    if start >= at || text[..start].ends_with(b"//") {
        return None;
    }
    let is_domain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
    let mut end = domain + text[domain..].iter().take_while(|b| is_domain(b)).count();
    loop {
        let label = text[domain..end].iter().rposition(|b| *b == b'.').filter(|dot| *dot > 0)? + domain;
        let last = &text[label + 1..end];
        if last.len() >= 2 && (last.iter().all(u8::is_ascii_alphabetic) || last.starts_with(b"xn--")) {
            return Some(start..end);
        }
        end = label;
    }
}

/// Finds the password in `scheme://name:password@host`.
pub(super) fn passwords(text: &[u8], hits: &mut Vec<Hit>) {
    if memchr::memchr(b'@', text).is_none() {
        return;
    }
    let mut at = 0;
    while let Some(colon) = memchr::memchr(b':', &text[at..]) {
        at += colon + 1;
        let slashes = match &text[at..] {
            [b'/', b'/', ..] => 2,
            [b'\\', b'/', b'\\', b'/', ..] => 4,
            _ => continue,
        };
        let start = at + slashes;
        let host = start + authority(&text[start..]);
        let Some(sign) = memchr::memrchr(b'@', &text[start..host]).map(|sign| start + sign) else { continue };
        if let Some(colon) = memchr::memchr(b':', &text[start..sign]).map(|colon| start + colon)
            && colon + 1 < sign
        {
            hits.push(Hit::new(colon + 1..sign, Rule::UrlPassword));
        }
        at = sign;
    }
}

/// How long the part of a URL is that names user and host.
fn authority(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += match (byte, text.get(at + 1)) {
            (b'/' | b'?' | b'#' | b'"' | b'\'' | b'`' | b'<' | b'>', _) => break,
            (b'\\', None | Some(b'"' | b'/' | b'n' | b'r' | b't')) => break,
            (b'\\', Some(_)) => 2,
            (byte, _) if byte.is_ascii_whitespace() || byte.is_ascii_control() => break,
            _ => 1,
        };
    }
    at.min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(find: fn(&[u8], &mut Vec<Hit>), text: &str, expected: &[&str]) {
        let mut hits = Vec::new();
        find(text.as_bytes(), &mut hits);
        let found: Vec<_> = hits.iter().map(|hit| &text[hit.range.clone()]).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn emails_are_found() {
        for (text, expected) in [
            ("to a.b+c@example.co.uk.", &["a.b+c@example.co.uk"][..]),
            ("<x@y.de>,z@y.de", &["x@y.de", "z@y.de"]),
            ("/?mail=bob%2Bx%40example.com&x=%20", &["bob%2Bx%40example.com"]),
            (r#"{"a":"\nbob@x.com","b":"\u00e9rik@x.com"}"#, &["bob@x.com", "rik@x.com"]),
            ("a@b.com@c.de", &["a@b.com"]),
            ("a@xn--e1afmkfd.xn--p1ai", &["a@xn--e1afmkfd.xn--p1ai"]),
            ("bob@example.com.123", &["bob@example.com"]),
            ("@user @a.de user@host react@18.2.0 a@b. a@.de ssh://git@example.com/x %40x.de \\n@x.de", &[]),
        ] {
            check(emails, text, expected);
        }
    }

    #[test]
    fn passwords_of_urls_are_found() {
        for (text, expected) in [
            ("postgres://app:hunter2@db:5432/x", &["hunter2"][..]),
            ("redis://:p@ss:w@host", &["p@ss:w"]),
            (r#"{"u":"https:\/\/a:b@c\/d"}"#, &["b"]),
            (r#""amqp://a:b\\c@d""#, &[r"b\\c"]),
            ("http://host:80/a@b http://a@b http://a:@b a:b@c", &[]),
            ("\"http://a:b\" x@y", &[]),
        ] {
            check(passwords, text, expected);
        }
    }
}
