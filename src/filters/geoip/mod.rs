//! `geoip { source => "[client][ip]" database => "/usr/share/GeoIP/GeoLite2-City.mmdb" }`: where an address is, or whose.
//!
//! What a database of MaxMind's format knows goes below `target`: `geoip` with names of old where `ecs_compatibility` is disabled, else
//! the object that the address is in (`[client][geo]`, `[client][as]`). Databases are City, Country, ASN, ISP, Domain, Enterprise and
//! Anonymous-IP; `fields` chooses. None is shipped: without `database` it is the one of `default_database_type` in the
//! folders where systems have them, and events are tagged `_geoip_expired_database` where that is older than 30 days, or where there
//! is none, which a warning says. A file that changes is read again. What is no address, or unknown, as private ones are, is tagged `_geoip_lookup_failure`
//! (`tag_on_failure`); names are not looked up. `cache_size` addresses (1,000) are remembered.

mod database;
mod field;
#[cfg(test)]
mod tiny;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Map, Value},
};
use database::Database;
use field::Field;
use logship_parsers::config::{Diagnostic, FieldRef, suggest, typed};
use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

pub(super) const KIND: FilterKind = FilterKind {
    name: "geoip",
    summary: "Tells where addresses are",
    options: &["cache_size", "database", "default_database_type", "fields", "source", "tag_on_failure", "target"],
    build,
};

/// Addresses that are remembered, whatever the option says.
const CACHE_MAX: usize = 1_000_000;
/// Where systems have databases.
const FOLDERS: [&str; 3] = ["/usr/share/GeoIP", "/var/lib/GeoIP", "/usr/local/share/GeoIP"];
/// The tag of events that no database is there for.
const EXPIRED: &str = "_geoip_expired_database";
/// A database of a system that is older is used no more: 30 days.
const AGE_NANOS_MAX: i64 = 30 * 86_400_000_000_000;

#[derive(Debug)]
struct GeoIp {
    source: FieldRef,
    target: FieldRef,
    is_ecs: bool,
    /// None where nobody chose one and the system has none.
    database: Option<Database>,
    /// Whether the database is one that nobody chose.
    is_default: bool,
    tag_on_failure: Vec<String>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let is_ecs = options.ecs().is_on();
    let source = options.required("source", typed::field);
    let target = target(options, source.as_ref());
    let fields = options.is_given("fields").then(|| {
        options.each("fields", |value| {
            let name = typed::text(value)?;
            Field::of(name).ok_or_else(|| {
                let error = Diagnostic::error(value.span.0, format!("there is no field `{name}`"));
                match suggest(name, Field::names()) {
                    Some(near) => error.help(format!("did you mean `{near}`?")),
                    None => error.note(format!("fields are {}", Field::names().collect::<Vec<_>>().join(", "))),
                }
            })
        })
    });
    let cached = usize::try_from(options.or("cache_size", typed::integer, 1_000)).unwrap_or(1).clamp(1, CACHE_MAX);
    let tag_on_failure = super::tags(options, "tag_on_failure", "_geoip_lookup_failure");
    let path = path(options);
    let place = options.value("database").map_or(options.place(), |value| value.span.0);
    let fields = fields.filter(|fields| !fields.is_empty());
    let is_default = !options.is_given("database");
    let database = match &path {
        None if is_default => None,
        None => return None,
        Some(path) => {
            let wrong = |cause| Diagnostic::error(place, format!("the database `{}`: {cause}", path.display()));
            let opened = Database::open(path, fields, is_ecs, NonZeroUsize::new(cached)?);
            Some(opened.map_err(|cause| options.report(wrong(cause))).ok()?)
        }
    };
    Some(Box::new(GeoIp { source: source?, target: target?, is_ecs, database, is_default, tag_on_failure }))
}

/// The option, or what there is without it.
fn target(options: &mut Options<'_>, source: Option<&FieldRef>) -> Option<FieldRef> {
    if options.is_given("target") {
        return options.field("target");
    }
    if !options.ecs().is_on() {
        return Some(FieldRef { parts: vec!["geoip".to_owned()] });
    }
    match source?.parts.as_slice() {
        [parts @ .., last] if last == "ip" && !parts.is_empty() => Some(FieldRef { parts: parts.to_vec() }),
        _ => {
            let error = Diagnostic::error(options.place(), "`geoip` needs the option `target`");
            let help = "add `target => \"client\"`; only a source such as `[client][ip]` says it itself";
            options.report(error.help(help));
            None
        }
    }
}

/// The file; where there is none that is reported.
fn path(options: &mut Options<'_>) -> Option<PathBuf> {
    let kind = options.get("default_database_type", |value| {
        typed::choice(value, &["ASN", "City"]).map(|name| format!("GeoLite2-{name}.mmdb"))
    });
    if options.is_given("database") {
        return options.text("database").map(PathBuf::from);
    }
    let name = kind.unwrap_or_else(|| "GeoLite2-City.mmdb".to_owned());
    let found = FOLDERS.iter().map(|folder| Path::new(folder).join(&name)).find(|path| path.is_file());
    if found.is_none() {
        let text = format!("there is no database `{name}`, and none is shipped: events are tagged `{EXPIRED}`");
        let help = "get one, from MaxMind or another who has the format, and add `database => \"/path/to/it.mmdb\"`";
        options.report(
            Diagnostic::warning(options.place(), text)
                .help(help)
                .note(format!("it is looked for in {}", FOLDERS.join(", "))),
        );
    }
    found
}

impl Filter for GeoIp {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let fail = |cause: &str| FilterError::new(&self.tag_on_failure, cause);
        let expired = |cause| FilterError::new(&[EXPIRED.to_owned()], cause);
        if let Some(database) = &self.database {
            database.refresh(scratch.received);
            let age = scratch.received.as_nanos().saturating_sub(database.built().as_nanos());
            if self.is_default && age > AGE_NANOS_MAX {
                return Err(expired("the database is older than 30 days"));
            }
        }
        let text = match event.get(&self.source).as_deref() {
            None | Some(Value::Null) => return Err(fail("there is no source")),
            Some(Value::Str(text)) => text.clone(),
            Some(Value::List(items)) => match items.first() {
                Some(Value::Str(text)) => text.clone(),
                _ => return Err(fail("the source is no list of texts")),
            },
            Some(_) => return Err(fail("the source is no text")),
        };
        if text.trim().is_empty() {
            return Err(fail("the source is empty"));
        }
        let found = match (address(&text), &self.database) {
            (Some(address), Some(database)) => database.find(address).map_err(|cause| fail(&cause))?,
            (Some(address), None) if !is_local(address) => return Err(expired("there is no database")),
            _ => None,
        };
        if matches!(event.get(&self.target).as_deref(), None | Some(Value::Null)) {
            event.set(&self.target, Value::Map(Map::default())).map_err(|cause| fail(&cause.to_string()))?;
        }
        let Some(found) = found.filter(|found| !found.is_empty()) else {
            return Err(fail("the database does not know the address"));
        };
        for (field, value) in found.iter() {
            if let Some(place) = field.place(self.is_ecs) {
                let field = FieldRef { parts: [self.target.parts.as_slice(), &place].concat() };
                event.set(&field, value.clone()).map_err(|cause| fail(&cause.to_string()))?;
            }
        }
        Ok(Verdict::Matched)
    }
}

/// The address; one of version 4 in the clothes of 6 is of 4.
fn address(text: &str) -> Option<IpAddr> {
    match text.parse().ok()? {
        IpAddr::V6(address) => Some(Ipv6Addr::to_ipv4_mapped(&address).map_or(IpAddr::V6(address), IpAddr::V4)),
        address => Some(address),
    }
}

/// Whether no database knows the address, since it means another place in each network.
fn is_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_private() || address.is_loopback() || address.is_link_local() || address.is_unspecified()
        }
        IpAddr::V6(address) => {
            address.is_unique_local()
                || address.is_loopback()
                || address.is_unicast_link_local()
                || address.is_unspecified()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Timestamp, json};
    use serde_json::json;

    fn filter(path: &Path, fields: Option<Vec<Field>>, is_ecs: bool) -> Result<GeoIp, String> {
        Ok(GeoIp {
            source: FieldRef { parts: vec!["ip".to_owned()] },
            target: FieldRef { parts: vec!["t".to_owned()] },
            is_ecs,
            database: Some(Database::open(path, fields, is_ecs, NonZeroUsize::MIN)?),
            is_default: false,
            tag_on_failure: vec!["failed".to_owned()],
        })
    }

    fn found(filter: &GeoIp, address: &str, seconds: i64) -> Result<String, String> {
        let mut event = Event::new(Timestamp::default());
        event.set(&filter.source, Value::from(address)).unwrap();
        let mut scratch = Scratch { received: Timestamp::from_millis(seconds * 1_000), ..Scratch::default() };
        match filter.apply(&mut event, &mut scratch) {
            Ok(verdict) => assert_eq!(verdict, Verdict::Matched),
            Err(error) => return Err(error.tags[0].clone()),
        }
        let mut text = String::new();
        json::write_value(&mut text, event.fields.get("t").unwrap());
        Ok(text)
    }

    #[test]
    fn each_kind_of_database_has_its_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.mmdb");
        let check = |kind: &str, record: serde_json::Value, is_ecs: bool, fields: Option<&[&str]>, expected: &str| {
            std::fs::write(&path, tiny::database(kind, 0, &[("1.2.0.0/16", record)])).unwrap();
            let fields = fields.map(|names| names.iter().map(|name| Field::of(name).unwrap()).collect());
            assert_eq!(found(&filter(&path, fields, is_ecs).unwrap(), "1.2.3.4", 0).as_deref(), Ok(expected), "{kind}");
        };
        let country = json!({ "country": { "iso_code": "SE", "names": { "en": "Sweden" } }, "continent": { "names": { "en": "Europe" } } });
        let expected = r#"{"country_name":"Sweden","continent_name":"Europe","country_code2":"SE","ip":"1.2.3.4"}"#;
        check("GeoIP2-Country", country.clone(), false, None, expected);
        let expected = r#"{"geo":{"country_iso_code":"SE"}}"#;
        check("GeoIP2-Country", country, true, Some(&["COUNTRY_CODE2", "city_name"]), expected);
        let isp = json!({ "autonomous_system_number": 5, "autonomous_system_organization": "O", "isp": "I", "organization": "P" });
        let expected =
            r#"{"as":{"number":5,"organization":{"name":"O"}},"ip":"1.2.3.4","mmdb":{"isp":"I","organization":"P"}}"#;
        check("GeoIP2-ISP", isp, true, None, expected);
        check("GeoIP2-Domain", json!({ "domain": "x.org" }), true, None, r#"{"domain":"x.org"}"#);
        let expected = r#"{"hosting_provider":false,"tor_exit_node":true,"anonymous_vpn":false,"anonymous":true,"public_proxy":false,"residential_proxy":false}"#;
        check("GeoIP2-Anonymous-IP", json!({ "is_tor_exit_node": true, "is_anonymous": true }), false, None, expected);
        let enterprise = json!({ "city": { "names": { "en": "C" } }, "traits": { "autonomous_system_number": 9, "is_anonymous": true } });
        check("GeoIP2-Enterprise", enterprise.clone(), true, None, r#"{"geo":{"city_name":"C"},"ip":"1.2.3.4"}"#);
        let fields = ["autonomous_system_number", "anonymous", "network"];
        let expected = r#"{"as":{"number":9},"ip_traits":{"network":"1.2.0.0/16","anonymous":true}}"#;
        check("GeoIP2-Enterprise", enterprise, true, Some(&fields), expected);
    }

    #[test]
    fn a_changed_file_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.mmdb");
        let write = |domain: &str| {
            std::fs::write(&path, tiny::database("GeoIP2-Domain", 0, &[("1.2.0.0/16", json!({ "domain": domain }))]))
                .unwrap();
        };
        write("old.org");
        let filter = filter(&path, None, false).unwrap();
        let check = |seconds, expected: &str| assert_eq!(found(&filter, "1.2.3.4", seconds).as_deref(), Ok(expected));
        check(100, r#"{"domain":"old.org"}"#);
        write("newer.org");
        check(101, r#"{"domain":"old.org"}"#);
        check(200, r#"{"domain":"newer.org"}"#);
        std::fs::write(&path, "no database").unwrap();
        check(300, r#"{"domain":"newer.org"}"#);
        std::fs::remove_file(&path).unwrap();
        check(400, r#"{"domain":"newer.org"}"#);
    }

    #[test]
    fn an_old_default_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.mmdb");
        std::fs::write(&path, tiny::database("GeoIP2-Domain", 0, &[("1.2.0.0/16", json!({ "domain": "d" }))])).unwrap();
        let filter = GeoIp { is_default: true, ..filter(&path, None, false).unwrap() };
        assert_eq!(found(&filter, "1.2.3.4", 30 * 86_400).as_deref(), Ok(r#"{"domain":"d"}"#));
        assert_eq!(found(&filter, "1.2.3.4", 30 * 86_400 + 1), Err("_geoip_expired_database".to_owned()));
        let none = GeoIp { database: None, ..filter };
        for (address, tag) in [("1.2.3.4", EXPIRED), ("10.0.0.1", "failed"), ("fe80::1", "failed"), ("x", "failed")] {
            assert_eq!(found(&none, address, 0), Err(tag.to_owned()), "{address}");
        }
    }

    #[test]
    fn what_is_no_database_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.mmdb");
        let check = |bytes: &[u8], expected: &str| {
            std::fs::write(&path, bytes).unwrap();
            let cause = filter(&path, None, true).unwrap_err();
            assert!(cause.contains(expected), "{cause}");
        };
        check(b"", "no database");
        check(&tiny::database("Other", 0, &[]), "`Other` are not supported");
        assert!(filter(Path::new("/none/such"), None, true).unwrap_err().contains("cannot be read"));
    }
}
