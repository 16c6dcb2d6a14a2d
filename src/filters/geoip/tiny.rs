//! Writes small databases, for tests: a tree of 24 bits a record, no pointers in the data.

use maxminddb::Reader;
use serde_json::{Value as Json, json};
use std::net::{IpAddr, Ipv6Addr};

/// A database of networks of either version and what is known of them.
pub(super) fn database(kind: &str, epoch: u64, networks: &[(&str, Json)]) -> Vec<u8> {
    // Each node has two records: none, a node by its number, or a record of data by its offset.
    #[derive(Clone, Copy)]
    enum To {
        Nothing,
        Node(usize),
        Data(usize),
    }
    let mut nodes = vec![[To::Nothing; 2]];
    let mut data = Vec::new();
    for (network, record) in networks {
        let (address, length) = network.split_once('/').unwrap();
        let length: usize = length.parse().unwrap();
        let (bits, length) = match address.parse().unwrap() {
            IpAddr::V4(address) => (u128::from(u32::from(address)), 96 + length),
            IpAddr::V6(address) => (Ipv6Addr::to_bits(address), length),
        };
        let offset = data.len();
        write(record, &mut data);
        let mut node = 0;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                nodes[node][side] = To::Data(offset);
            } else if let To::Node(next) = nodes[node][side] {
                node = next;
            } else {
                nodes.push([To::Nothing; 2]);
                nodes[node][side] = To::Node(nodes.len() - 1);
                node = nodes.len() - 1;
            }
        }
    }
    let mut out = Vec::new();
    for side in nodes.iter().flatten() {
        let record = match side {
            To::Nothing => nodes.len(),
            To::Node(node) => *node,
            To::Data(offset) => nodes.len() + 16 + offset,
        };
        out.extend(&u32::try_from(record).unwrap().to_be_bytes()[1..]);
    }
    out.extend([0; 16]);
    out.extend(data);
    out.extend(b"\xab\xcd\xefMaxMind.com");
    let metadata = json!({
        "binary_format_major_version": 2, "binary_format_minor_version": 0, "build_epoch": epoch, "database_type": kind,
        "description": { "en": "for tests" }, "ip_version": 6, "languages": ["en"], "node_count": nodes.len(), "record_size": 24,
    });
    write(&metadata, &mut out);
    out
}

fn write(value: &Json, out: &mut Vec<u8>) {
    match value {
        Json::Object(map) => {
            control(7, map.len(), out);
            for (key, value) in map {
                write(&Json::String(key.clone()), out);
                match value.as_u64() {
                    Some(number) => unsigned(key, number, out),
                    None => write(value, out),
                }
            }
        }
        Json::Array(items) => {
            control(11, items.len(), out);
            items.iter().for_each(|item| write(item, out));
        }
        Json::String(text) => {
            control(2, text.len(), out);
            out.extend(text.as_bytes());
        }
        Json::Bool(truth) => control(14, usize::from(*truth), out),
        Json::Number(number) => {
            control(3, 8, out);
            out.extend(number.as_f64().unwrap().to_be_bytes());
        }
        Json::Null => panic!("there is no null"),
    }
}

/// A whole number, of the type that the field has in metadata, else of 32 bits.
fn unsigned(name: &str, number: u64, out: &mut Vec<u8>) {
    let bytes = number.to_be_bytes();
    let bytes = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let kind = match name {
        "build_epoch" => 9,
        "binary_format_major_version" | "binary_format_minor_version" | "ip_version" | "record_size" => 5,
        _ => 6,
    };
    control(kind, bytes.len(), out);
    out.extend(bytes);
}

/// The byte, or bytes, that say what follows.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, more) = if size < 29 { (size, None) } else { (29, Some(size - 29)) };
    let short = u8::try_from(short).unwrap();
    match kind {
        0..8 => out.push(kind << 5 | short),
        _ => out.extend([short, kind - 7]),
    }
    out.extend(more.map(|more| u8::try_from(more).unwrap()));
}

fn cities() -> Vec<u8> {
    let sweden = json!({
        "city": { "names": { "en": "Linköping" } },
        "continent": { "code": "EU", "names": { "en": "Europe" } },
        "country": { "iso_code": "SE", "names": { "en": "Sweden", "de": "Schweden" } },
        "location": { "latitude": 58.4167, "longitude": 15.6167, "metro_code": 7, "time_zone": "Europe/Stockholm" },
        "postal": { "code": "580 01" },
        "subdivisions": [{ "iso_code": "X", "names": { "en": "x" } }, { "iso_code": "E", "names": { "en": "Östergötland" } }],
    });
    let little = json!({ "country": { "iso_code": "JP" }, "location": { "latitude": 35.5, "longitude": -139.25 } });
    let nowhere = json!({ "country": { "iso_code": "ZZ" } });
    let networks = [("89.160.20.0/24", sweden), ("2001:db8::/32", little), ("203.0.113.0/24", nowhere)];
    database("GeoLite2-City", 1_767_225_600, &networks)
}

fn systems() -> Vec<u8> {
    let record = json!({ "autonomous_system_number": 64_500, "autonomous_system_organization": "Example AB" });
    database("GeoLite2-ASN", 1_767_225_600, &[("89.160.0.0/17", record)])
}

#[test]
fn databases_of_cases_are_up_to_date() {
    for (name, bytes) in [("city", cities()), ("asn", systems())] {
        let path = format!("{}/fixtures/geoip/{name}.mmdb", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, &bytes).unwrap();
        }
        assert!(std::fs::read(&path).unwrap() == bytes, "{path} is old: write it anew with UPDATE_EXPECT=1");
        Reader::from_source(bytes).unwrap().verify().unwrap();
    }
}
