//! `anonymize { fields => ["user"] algorithm => "SHA256" key => "secret" }`: hashes in the place of values.
//!
//! Hashes are HMACs with the `key`, as hexadecimal digits, of the value as text, in lists of each element. `MURMUR3` gives a number and
//! needs no key, though there must be one; `IPV4_NETWORK` gives the network of as many bits as the `key` says. What has no
//! hash, as a text that is no address, stays and is tagged `_anonymizefailure`. Decorations are not made, as in Logstash.

use super::{
    Filter, FilterError, FilterKind, Scratch, Verdict,
    fingerprint::hash::{self, Digest},
};
use crate::{
    config::Options,
    event::{Event, Value, render},
};
use logship_parsers::config::{Diagnostic, FieldRef, typed};
use std::net::Ipv4Addr;

pub(super) const KIND: FilterKind = FilterKind {
    name: "anonymize",
    summary: "Replaces values by hashes",
    options: &["algorithm", "fields", "key"],
    build,
};

const ALGORITHMS: [&str; 7] = ["IPV4_NETWORK", "MD5", "MURMUR3", "SHA1", "SHA256", "SHA384", "SHA512"];

#[derive(Debug)]
enum Algorithm {
    Keyed(Digest, String),
    Murmur,
    /// The bits that are left.
    Network(u32),
}

#[derive(Debug)]
struct Anonymize {
    fields: Vec<FieldRef>,
    algorithm: Algorithm,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let name = options.get("algorithm", |value| typed::choice(value, &ALGORITHMS).map(str::to_owned));
    let fields = options.required("fields", |_| Ok(())).map(|()| options.each("fields", typed::field));
    let key = options.required("key", |value| Ok((typed::text(value)?.to_owned(), value.span.0)));
    let (key, place) = key?;
    let keyed = |digest| Some(Algorithm::Keyed(digest, key.clone()));
    let algorithm = match name.as_deref().unwrap_or("SHA1") {
        "MD5" => keyed(Digest::Md5),
        "SHA256" => keyed(Digest::Sha256),
        "SHA384" => keyed(Digest::Sha384),
        "SHA512" => keyed(Digest::Sha512),
        "MURMUR3" => Some(Algorithm::Murmur),
        "IPV4_NETWORK" => {
            let bits = key.trim().parse().ok().filter(|bits| *bits <= 32);
            if bits.is_none() {
                let error = Diagnostic::error(place, "`IPV4_NETWORK` needs the bits of the network as its `key`");
                options.report(error.help("write `key => 24`"));
            }
            bits.map(Algorithm::Network)
        }
        _ => keyed(Digest::Sha1),
    };
    Some(Box::new(Anonymize { fields: fields?, algorithm: algorithm? }))
}

impl Filter for Anonymize {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let mut wrong = None;
        for field in &self.fields {
            let hashed = match event.get(field).as_deref() {
                None => continue,
                Some(Value::List(items)) => {
                    items.iter().map(|item| self.hash(item)).collect::<Option<_>>().map(Value::List)
                }
                Some(value) => self.hash(value),
            };
            let set = hashed.map(|hashed| event.set(field, hashed).is_ok());
            if set != Some(true) {
                wrong = Some(field);
            }
        }
        match wrong {
            None => Ok(Verdict::Unmatched),
            Some(field) => Err(FilterError::new(&["_anonymizefailure".to_owned()], format!("{field} has no hash"))),
        }
    }
}

impl Anonymize {
    fn hash(&self, value: &Value) -> Option<Value> {
        let mut text = String::new();
        render::write_text(&mut text, value);
        Some(match &self.algorithm {
            Algorithm::Keyed(digest, key) => {
                Value::from(hash::shown(&digest.hmac(key.as_bytes(), text.as_bytes()), false))
            }
            Algorithm::Murmur => Value::Int(match value {
                Value::Int(number) => hash::murmur32(&number.to_le_bytes()).into(),
                _ => hash::murmur32(text.as_bytes()).into(),
            }),
            Algorithm::Network(bits) => {
                let address: Ipv4Addr = text.trim().parse().ok()?;
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                Value::from(Ipv4Addr::from_bits(address.to_bits() & mask).to_string())
            }
        })
    }
}
