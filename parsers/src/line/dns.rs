//! What name servers say of queries: BIND's `named`, Unbound, dnsmasq.
//!
//! This is no format: [`enrich`] adds fields to a message whose header is already read. Sources are the programs' own
//! documentation (`querylog` and `logging` of BIND, `log-queries` and `log-replies` of Unbound, `--log-queries` of
//! dnsmasq). Answers stay text, since their lines mean little without the query above.

use super::access::{SOURCE, is_ip};
use crate::fields::{Fields, Value};
use memchr::memmem;

/// Adds what the message of that program says about a query and who asked.
pub(super) fn enrich<'a>(program: &str, text: &'a str, fields: &mut Fields<'a>) {
    let _ = match program {
        "named" => bind(text, fields),
        "unbound" => unbound(text, fields),
        "dnsmasq" => dnsmasq(text, fields),
        _ => None,
    };
}

/// `client @0x7f01 192.0.2.7#5353 (shop.example): query: shop.example IN A +E(0)K (203.0.113.5)`.
pub(super) fn bind<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let rest = text.strip_prefix("client ")?;
    // Newer versions name the client's place in memory.
    let rest = if rest.starts_with('@') { rest.split_once(' ')?.1 } else { rest };
    let (address, rest) = rest.split_once('#')?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let port = rest[..digits].parse::<u16>().ok().filter(|_| is_ip(address))?;
    SOURCE.put(address, fields);
    fields.push("source.port", Value::Int(i64::from(port)));
    let at = memmem::find(rest.as_bytes(), b": query: ")?;
    let mut words = rest[at + ": query: ".len()..].split(' ');
    let (name, class, kind) = (words.next()?, words.next()?, words.next()?);
    put_question((name, kind, class), fields);
    Some(())
}

/// `192.0.2.7 shop.example. A IN`, and of a reply also `NOERROR 0.000123 1 61`.
pub(super) fn unbound<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let mut words = text.split(' ');
    let (address, name, kind, class) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let known = is_ip(address) && is_code(kind) && is_code(class);
    let code = words.next();
    if !known || code.is_some_and(|code| !is_code(code)) {
        return None;
    }
    SOURCE.put(address, fields);
    if name != "null" {
        put_question((name, kind, class), fields);
    }
    fields.push_present("dns.response_code", code.unwrap_or_default());
    Some(())
}

/// `query[A] shop.example from 192.0.2.7`, behind a number and a peer with `--log-queries=extra`.
pub(super) fn dnsmasq<'a>(text: &'a str, fields: &mut Fields<'a>) -> Option<()> {
    let at = memmem::find(text.as_bytes(), b"query[")?;
    let before = &text[..at];
    let extra = before.ends_with(' ') && before.bytes().filter(|b| *b == b' ').count() == 2;
    if !before.is_empty() && !extra {
        return None;
    }
    let (kind, rest) = text[at + "query[".len()..].split_once("] ")?;
    let (name, address) = rest.split_once(" from ")?;
    if !is_ip(address) {
        return None;
    }
    SOURCE.put(address, fields);
    put_question((name, kind, ""), fields);
    Some(())
}

fn put_question<'a>((name, kind, class): (&'a str, &'a str, &'a str), fields: &mut Fields<'a>) {
    fields.push_present("dns.question.name", name.strip_suffix('.').filter(|name| !name.is_empty()).unwrap_or(name));
    fields.push_present("dns.question.type", kind);
    fields.push_present("dns.question.class", class);
}

/// `AAAA`, `TYPE65`, `NXDOMAIN`.
fn is_code(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}
