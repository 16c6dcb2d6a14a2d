//! `fingerprint { source => ["message"] method => "SHA256" }`: a hash of fields, to hide them or to know events again.
//!
//! The result goes into `target` (`[event][hash]`, or `fingerprint` with `ecs_compatibility => disabled`). Of several sources the last
//! that is there counts, of a list each element; with `concatenate_sources` all do, as `|name|value|name|value|`, and with
//! `concatenate_all_fields` all fields do. With a `key` hashes are HMACs. Lists and objects are hashed as Ruby shows them, with sorted names.
//!
//! `MURMUR3` gives a number, `MURMUR3_128` hexadecimal digits, `IPV4_NETWORK` the network whose length the `key` says, `PUNCTUATION`
//! the punctuation and symbols of a text, `UUID` a random identifier.

pub(super) mod hash;
mod ruby;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict, uuid::Identifiers};
use crate::{
    config::{Options, ruby_regex},
    event::{Event, Value, render},
};
use hash::Digest;
use logship_parsers::config::{Diagnostic, FieldRef, typed};
use regex::Regex;
use std::net::Ipv4Addr;

pub(super) const KIND: FilterKind = FilterKind {
    name: "fingerprint",
    summary: "Hashes fields",
    options: &["base64encode", "concatenate_all_fields", "concatenate_sources", "key", "method", "source", "target"],
    build,
};

const METHODS: [&str; 10] =
    ["IPV4_NETWORK", "MD5", "MURMUR3", "MURMUR3_128", "PUNCTUATION", "SHA1", "SHA256", "SHA384", "SHA512", "UUID"];

#[derive(Debug)]
enum Method {
    Digest {
        digest: Digest,
        key: Option<String>,
        is_base64: bool,
    },
    Murmur32,
    Murmur128 {
        is_base64: bool,
    },
    /// The bits of the network.
    Network(u32),
    Punctuation(Regex),
    Uuid(Identifiers),
}

#[derive(Debug)]
struct Fingerprint {
    sources: Vec<(String, FieldRef)>,
    target: FieldRef,
    method: Method,
    concatenate_sources: bool,
    concatenate_all_fields: bool,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let mut sources = options.each("source", |value| Ok((typed::text(value)?.to_owned(), typed::field(value)?)));
    if !options.is_given("source") {
        sources.push(("message".to_owned(), FieldRef { parts: vec!["message".to_owned()] }));
    }
    let default: &[&str] = if options.ecs().is_on() { &["event", "hash"] } else { &["fingerprint"] };
    let default = FieldRef { parts: default.iter().map(|&part| part.to_owned()).collect() };
    let target = options.field("target").unwrap_or(default);
    let method = method(options)?;
    let concatenate_sources = options.flag("concatenate_sources", false);
    if concatenate_sources || matches!(method, Method::Punctuation(_)) {
        sources.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    Some(Box::new(Fingerprint {
        target,
        concatenate_sources,
        concatenate_all_fields: options.flag("concatenate_all_fields", false),
        method,
        sources,
    }))
}

fn method(options: &mut Options<'_>) -> Option<Method> {
    let name = match options.is_given("method") {
        true => options.get("method", |value| typed::choice(value, &METHODS))?,
        false => "SHA1",
    };
    let key = options.text("key");
    let is_base64 = options.flag("base64encode", false);
    let digest = match name {
        "MD5" => Digest::Md5,
        "SHA256" => Digest::Sha256,
        "SHA384" => Digest::Sha384,
        "SHA512" => Digest::Sha512,
        "MURMUR3" => return Some(Method::Murmur32),
        "MURMUR3_128" => return Some(Method::Murmur128 { is_base64 }),
        "PUNCTUATION" => return ruby_regex(r"[^\p{P}\p{S}]+").ok().map(Method::Punctuation),
        "UUID" => return Some(Method::Uuid(Identifiers::default())),
        "IPV4_NETWORK" => {
            let bits = key.and_then(|key| key.parse().ok()).filter(|bits| *bits <= 32);
            if bits.is_none() {
                let place = options.value("key").map_or(options.place(), |value| value.span.0);
                let error = Diagnostic::error(place, "`IPV4_NETWORK` needs the bits of the network as its `key`");
                options.report(error.help("write `key => 24`"));
            }
            return bits.map(Method::Network);
        }
        _ => Digest::Sha1,
    };
    Some(Method::Digest { digest, key, is_base64 })
}

impl Filter for Fingerprint {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let fail = |cause: String| FilterError::new(&[], cause);
        let result = match &self.method {
            Method::Uuid(identifiers) => Some(Value::from(identifiers.next())),
            Method::Punctuation(others) => {
                self.last(event, |value| Some(Value::from(&*others.replace_all(&text_of(value), ""))))
            }
            _ if self.concatenate_all_fields => {
                Some(self.of_text(&all_fields(event)).ok_or_else(no_address).map_err(fail)?)
            }
            _ if self.concatenate_sources => {
                let mut text = String::new();
                for (name, field) in &self.sources {
                    let value = event.get(field).map(|value| text_of(&value)).unwrap_or_default();
                    text.extend(["|", name, "|", &value]);
                }
                text.push('|');
                Some(self.of_text(&text).ok_or_else(no_address).map_err(fail)?)
            }
            _ => self.last(event, |value| match value {
                Value::List(items) => items.iter().map(|item| self.of(item)).collect::<Option<_>>().map(Value::List),
                value => self.of(value),
            }),
        };
        if let Some(value) = result {
            event.set(&self.target, value).map_err(|cause| fail(cause.to_string()))?;
        }
        Ok(Verdict::Matched)
    }
}

fn no_address() -> String {
    "this is no address of version 4".to_owned()
}

impl Fingerprint {
    /// Of the last source that is there.
    fn last(&self, event: &Event, make: impl Fn(&Value) -> Option<Value>) -> Option<Value> {
        self.sources.iter().filter_map(|(_, field)| make(event.get(field).as_deref()?)).next_back()
    }

    fn of(&self, value: &Value) -> Option<Value> {
        match (&self.method, value) {
            (Method::Murmur32, Value::Int(number)) => Some(Value::Int(hash::murmur32(&number.to_le_bytes()).into())),
            _ => self.of_text(&text_of(value)),
        }
    }

    fn of_text(&self, text: &str) -> Option<Value> {
        Some(match &self.method {
            Method::Digest { digest, key, is_base64 } => {
                let bytes = match key {
                    Some(key) => digest.hmac(key.as_bytes(), text.as_bytes()),
                    None => digest.of(&[text.as_bytes()]),
                };
                Value::from(hash::shown(&bytes, *is_base64))
            }
            Method::Murmur32 => Value::Int(hash::murmur32(text.as_bytes()).into()),
            Method::Murmur128 { is_base64 } => {
                let bytes = hash::murmur128(text.as_bytes()).to_be_bytes();
                Value::from(hash::shown(&bytes, *is_base64))
            }
            Method::Network(bits) => {
                let address: Ipv4Addr = text.parse().ok()?;
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                Value::from(Ipv4Addr::from_bits(address.to_bits() & mask).to_string())
            }
            Method::Punctuation(others) => Value::from(&*others.replace_all(text, "")),
            Method::Uuid(identifiers) => Value::from(identifiers.next()),
        })
    }
}

fn text_of(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::List(_) | Value::Map(_) => ruby::write_shown(&mut text, value),
        Value::Float(number) => render::write_ruby_float(&mut text, *number),
        other => render::write_text(&mut text, other),
    }
    text
}

/// `|name|value|` of all fields, by name.
fn all_fields(event: &Event) -> String {
    let mut fields: Vec<_> = event.fields.iter().filter(|(key, _)| key.as_str() != "@timestamp").collect();
    let time = (crate::event::Key::from(crate::event::TIMESTAMP), Value::Time(event.time));
    if event.has_time {
        fields.push((&time.0, &time.1));
    }
    fields.sort_by_key(|(key, _)| *key);
    let mut text = String::new();
    for (key, value) in fields {
        text.extend(["|", key.as_str(), "|", &text_of(value)]);
    }
    text.push('|');
    text
}
