//! `cidr { address => ["%{clientip}"] network => ["10.0.0.0/8"] }`: decorates events with an address in one of the networks.
//!
//! `address_field` is a field with an address, or a list of some. Instead of `network`, `network_path` reads networks from a file, one
//! between `separator`s (line ends), and passes over what is none. It is read when the pipeline is loaded; `refresh_interval` has no
//! effect. What is no address is in no network.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value, render},
};
use logship_parsers::config::{Diagnostic, FieldRef, Template, typed};
use std::{
    io::Read as _,
    net::{IpAddr, Ipv6Addr},
};

pub(super) const KIND: FilterKind = FilterKind {
    name: "cidr",
    summary: "Tells whether addresses are in networks",
    options: &["address", "address_field", "network", "network_path", "refresh_interval", "separator"],
    build,
};

/// The largest file of networks.
const FILE_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug)]
struct Cidr {
    address: Vec<Template>,
    address_field: Option<FieldRef>,
    networks: Vec<Network>,
    /// Networks that the event names.
    templates: Vec<Template>,
}

/// Addresses whose first bits are those of another; of version 4 they are as version 6 maps them.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Network {
    bits: u128,
    mask: u128,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    _ = options.get("refresh_interval", typed::integer);
    let mut networks = Vec::new();
    let mut templates = Vec::new();
    let given = options.each("network", |value| {
        let template = typed::template(value)?;
        let network = match template.as_literal() {
            None => None,
            Some(text) => Some(Network::parse(text).ok_or_else(|| {
                let error = Diagnostic::error(value.span.0, format!("`{text}` is no network"));
                error.help("write `10.0.0.0/8` or `2001:db8::/32`")
            })?),
        };
        Ok((template, network))
    });
    for (template, network) in given {
        match network {
            Some(network) => networks.push(network),
            None => templates.push(template),
        }
    }
    if options.is_given("network") && options.is_given("network_path") {
        let both = Diagnostic::error(options.place(), "`network` and `network_path` exclude each other");
        options.report(both.help("leave one of them out"));
    }
    let separator = options.text("separator").filter(|text| !text.is_empty()).unwrap_or_else(|| "\n".to_owned());
    let read = options.get("network_path", |value| {
        let path = typed::text(value)?;
        let mut text = String::new();
        let file = std::fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text));
        let wrong = |message: String| Diagnostic::error(value.span.0, message);
        file.map_err(|cause| wrong(format!("`{path}` cannot be read: {cause}")))?;
        let lines = text.split(separator.as_str()).map(str::trim).filter(|line| !line.is_empty());
        let (mut read, mut skipped) = (Vec::new(), Vec::new());
        lines.for_each(|line| match Network::parse(line) {
            Some(network) => read.push(network),
            None => skipped.push(line),
        });
        let first = skipped.first().map(|first| {
            let count = skipped.len();
            let text =
                format!("{path}: {count} of its lines are no network and are passed over: the first is `{first}`");
            Diagnostic::warning(value.span.0, text)
        });
        Ok((read, first))
    });
    let (read, skipped) = read.unwrap_or_default();
    skipped.into_iter().for_each(|skipped| options.report(skipped));
    networks.extend(read);
    let address_field = options.field("address_field");
    Some(Box::new(Cidr { address: options.templates("address"), address_field, networks, templates }))
}

impl Filter for Cidr {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let named = self.templates.iter().flat_map(|template| {
            let text = render::rendered(template, event, scratch.received);
            text.split(',').filter_map(|text| Network::parse(text.trim())).collect::<Vec<_>>()
        });
        let networks: Vec<Network> = named.collect();
        let is_in = |text: &str| {
            text.split(',').filter_map(|text| text.trim().parse().ok()).any(|address| {
                let bits = bits_of(address);
                self.networks.iter().chain(&networks).any(|network| network.has(bits))
            })
        };
        let of_field = self.address_field.as_ref().and_then(|field| event.get(field));
        let of_field = of_field.as_deref().is_some_and(|value| match value {
            Value::List(items) => items.iter().filter_map(Value::as_str).any(is_in),
            value => value.as_str().is_some_and(is_in),
        });
        let found =
            of_field || self.address.iter().any(|address| is_in(&render::rendered(address, event, scratch.received)));
        Ok(if found { Verdict::Matched } else { Verdict::Unmatched })
    }
}

fn bits_of(address: IpAddr) -> u128 {
    let address: Ipv6Addr = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    address.to_bits()
}

impl Network {
    fn parse(text: &str) -> Option<Network> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(most);
        let free = most.checked_sub(length)?;
        let mask = u128::MAX.checked_shl(free).unwrap_or(0);
        Some(Network { bits: bits_of(address) & mask, mask })
    }

    fn has(self, bits: u128) -> bool {
        bits & self.mask == self.bits
    }
}
