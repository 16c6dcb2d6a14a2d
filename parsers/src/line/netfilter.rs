//! Packets that the Linux firewall logs (iptables and nftables `LOG`, ufw):
//! `[UFW BLOCK] IN=eth0 OUT= MAC=.. SRC=192.0.2.7 DST=198.51.100.2 LEN=40 PROTO=TCP SPT=50122 DPT=22 SYN`.
//!
//! This is no format: [`enrich`] adds to a kernel message. Source: the kernel's `nf_log_syslog.c`. Lengths, flags and
//! windows stay in the message, as does the inner packet that ICMP errors quote in brackets.

use crate::fields::{Fields, Value};
use memchr::memmem;
use std::net::IpAddr;

/// How far the rule's prefix reaches: the kernel cuts it at 127 bytes, nftables' too.
const PREFIX_BYTES_MAX: usize = 160;
/// How many words behind the prefix are looked at.
const WORDS_MAX: usize = 40;

/// Adds addresses, ports, transport, interfaces and the rule's prefix where the message is a logged packet.
pub(super) fn enrich<'a>(text: &'a str, fields: &mut Fields<'a>) {
    let head = &text.as_bytes()[..text.len().min(PREFIX_BYTES_MAX)];
    let Some(at) = memmem::find(head, b"IN=") else { return };
    let packet = &text[at..];
    if !packet.split(' ').take(WORDS_MAX).any(|word| word.starts_with("SRC=")) {
        return;
    }
    let rule = text[..at].trim_matches(|c: char| matches!(c, ' ' | '[' | ']' | ':' | '-'));
    if let Some(action) = action(rule) {
        fields.push("event.action", Value::text(action));
    }
    fields.push_present("rule.name", rule);
    for word in packet.split(' ').take(WORDS_MAX) {
        // The packet that an ICMP error quotes.
        if word.starts_with('[') {
            break;
        }
        let Some((name, value)) = word.split_once('=') else { continue };
        match name {
            "IN" => fields.push_present("observer.ingress.interface.name", value),
            "OUT" => fields.push_present("observer.egress.interface.name", value),
            "SRC" if value.parse::<IpAddr>().is_ok() => put_once("source.ip", Value::text(value), fields),
            "DST" if value.parse::<IpAddr>().is_ok() => put_once("destination.ip", Value::text(value), fields),
            "PROTO" => put_once("network.transport", Value::text(transport(value)), fields),
            "SPT" => put_port("source.port", value, fields),
            "DPT" => put_port("destination.port", value, fields),
            _ => {}
        }
    }
}

fn put_once<'a>(name: &'static str, value: Value<'a>, fields: &mut Fields<'a>) {
    if fields.get(name).is_none() {
        fields.push(name, value);
    }
}

fn put_port<'a>(name: &'static str, digits: &'a str, fields: &mut Fields<'a>) {
    if let Ok(port) = digits.parse::<u16>() {
        put_once(name, Value::Int(i64::from(port)), fields);
    }
}

fn transport(name: &str) -> &str {
    match name {
        "TCP" | "6" => "tcp",
        "UDP" | "17" => "udp",
        "ICMP" | "1" => "icmp",
        "ICMPv6" | "58" => "ipv6-icmp",
        "UDPLITE" => "udplite",
        "SCTP" => "sctp",
        "ESP" => "esp",
        "AH" => "ah",
        "GRE" | "47" => "gre",
        "2" => "igmp",
        other => other,
    }
}

/// What the rule did, as far as its prefix says so.
fn action(rule: &str) -> Option<&'static str> {
    rule.split([' ', '-', '_', ':', ']', '[']).find_map(|word| {
        let is = |names: &[&str]| names.iter().any(|name| word.eq_ignore_ascii_case(name));
        if is(&["BLOCK", "BLOCKED", "DROP", "DROPPED", "DENY", "DENIED"]) {
            Some("drop")
        } else if is(&["REJECT", "REJECTED"]) {
            Some("reject")
        } else if is(&["ALLOW", "ALLOWED", "ACCEPT", "ACCEPTED"]) {
            Some("accept")
        } else if is(&["AUDIT"]) {
            Some("audit")
        } else {
            None
        }
    })
}
