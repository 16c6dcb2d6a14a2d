//! The dictionary of extensions: their short keys, their names, and their fields of the Elastic Common Schema.

use super::Device;
use std::collections::HashMap;

/// How many custom fields of each kind there are.
const CUSTOM_MAX: usize = 15;

/// One extension.
struct Entry {
    /// `deviceAction`
    name: &'static str,
    /// `act`; the name where it has no short key.
    key: &'static str,
    /// `event.action`, its parts with dots between.
    field: &'static str,
}

const fn entry(name: &'static str, key: &'static str, field: &'static str) -> Entry {
    Entry { name, key, field }
}

/// Extensions that are times.
pub(super) const TIMES: &[&str] = &[
    "agentReceiptTime",
    "deviceReceiptTime",
    "endTime",
    "fileModificationTime",
    "managerReceiptTime",
    "oldFileCreateTime",
    "oldFileModificationTime",
    "startTime",
];

/// Names that older versions used, and what they are now.
const LEGACY: &[(&str, &str)] = &[
    ("destinationLatitude", "destinationGeoLatitude"),
    ("destinationLongitude", "destinationGeoLongitude"),
    ("destinationTimeZone", "deviceTimeZone"),
    ("sourceLatitude", "sourceGeoLatitude"),
    ("sourceLongitude", "sourceGeoLongitude"),
];

/// Custom fields by their key and name, numbered from 1 on, and the beginning of their field.
const CUSTOM: &[(&str, &str, &str)] = &[
    ("cfp", "deviceCustomFloatingPoint", "cef.device_custom_floating_point_"),
    ("c6a", "deviceCustomIPv6Address", "cef.device_custom_ipv6_address_"),
    ("cn", "deviceCustomNumber", "cef.device_custom_number_"),
    ("cs", "deviceCustomString", "cef.device_custom_string_"),
];

/// Where several names share a field, the last one is what is written. `{device}` is `observer` or `host`.
const ENTRIES: &[Entry] = &[
    entry("agentAddress", "agt", "agent.ip"),
    entry("agentNtDomain", "", "cef.agent.registered_domain"),
    entry("agentDnsDomain", "", "cef.agent.registered_domain"),
    entry("agentHostName", "ahost", "agent.name"),
    entry("agentId", "aid", "agent.id"),
    entry("agentMacAddress", "amac", "agent.mac"),
    entry("agentReceiptTime", "art", "event.created"),
    entry("agentTimeZone", "atz", "cef.agent.timezone"),
    entry("agentTranslatedAddress", "", "cef.agent.nat.ip"),
    entry("agentTranslatedZoneExternalID", "", "cef.agent.translated_zone.external_id"),
    entry("agentTranslatedZoneURI", "", "cef.agent.translated_zone.uri"),
    entry("agentType", "at", "agent.type"),
    entry("agentVersion", "av", "agent.version"),
    entry("agentZoneExternalID", "", "cef.agent.zone.external_id"),
    entry("agentZoneURI", "", "cef.agent.zone.uri"),
    entry("applicationProtocol", "app", "network.protocol"),
    entry("baseEventCount", "cnt", "cef.base_event_count"),
    entry("bytesIn", "in", "source.bytes"),
    entry("bytesOut", "out", "destination.bytes"),
    entry("categoryDeviceType", "catdt", "cef.device_type"),
    entry("customerExternalID", "", "organization.id"),
    entry("customerURI", "", "organization.name"),
    entry("destinationAddress", "dst", "destination.ip"),
    entry("destinationNtDomain", "dntdom", "destination.registered_domain"),
    entry("destinationDnsDomain", "", "destination.registered_domain"),
    entry("destinationGeoLatitude", "dlat", "destination.geo.location.lat"),
    entry("destinationGeoLongitude", "dlong", "destination.geo.location.lon"),
    entry("destinationHostName", "dhost", "destination.domain"),
    entry("destinationMacAddress", "dmac", "destination.mac"),
    entry("destinationPort", "dpt", "destination.port"),
    entry("destinationProcessId", "dpid", "destination.process.pid"),
    entry("destinationProcessName", "dproc", "destination.process.name"),
    entry("destinationServiceName", "", "destination.service.name"),
    entry("destinationTranslatedAddress", "", "destination.nat.ip"),
    entry("destinationTranslatedPort", "", "destination.nat.port"),
    entry("destinationTranslatedZoneExternalID", "", "cef.destination.translated_zone.external_id"),
    entry("destinationTranslatedZoneURI", "", "cef.destination.translated_zone.uri"),
    entry("destinationUserId", "duid", "destination.user.id"),
    entry("destinationUserName", "duser", "destination.user.name"),
    entry("destinationUserPrivileges", "dpriv", "destination.user.group.name"),
    entry("destinationZoneExternalID", "", "cef.destination.zone.external_id"),
    entry("destinationZoneURI", "", "cef.destination.zone.uri"),
    entry("deviceAction", "act", "event.action"),
    entry("deviceAddress", "dvc", "{device}.ip"),
    entry("deviceDirection", "", "network.direction"),
    entry("deviceDnsDomain", "", "{device}.registered_domain"),
    entry("deviceEventCategory", "cat", "cef.category"),
    entry("deviceExternalId", "", "observer.name"),
    entry("deviceFacility", "", "log.syslog.facility.code"),
    entry("deviceHostName", "dvchost", "observer.hostname"),
    entry("deviceInboundInterface", "", "observer.ingress.interface.name"),
    entry("deviceMacAddress", "dvcmac", "{device}.mac"),
    entry("deviceNtDomain", "", "cef.nt_domain"),
    entry("deviceOutboundInterface", "", "observer.egress.interface.name"),
    entry("devicePayloadId", "", "cef.payload_id"),
    entry("deviceProcessId", "dvcpid", "process.pid"),
    entry("deviceProcessName", "", "process.name"),
    entry("deviceReceiptTime", "rt", "@timestamp"),
    entry("deviceTimeZone", "dtz", "event.timezone"),
    entry("deviceTranslatedAddress", "", "host.nat.ip"),
    entry("deviceTranslatedZoneExternalID", "", "cef.translated_zone.external_id"),
    entry("deviceTranslatedZoneURI", "", "cef.translated_zone.uri"),
    entry("deviceVersion", "", "observer.version"),
    entry("deviceZoneExternalID", "", "cef.zone.external_id"),
    entry("deviceZoneURI", "", "cef.zone.uri"),
    entry("endTime", "end", "event.end"),
    entry("eventId", "", "event.id"),
    entry("eventOutcome", "outcome", "event.outcome"),
    entry("externalId", "", "cef.external_id"),
    entry("fileCreateTime", "", "file.created"),
    entry("fileHash", "", "file.hash"),
    entry("fileId", "", "file.inode"),
    entry("fileModificationTime", "", "file.mtime"),
    entry("fileName", "fname", "file.name"),
    entry("filePath", "", "file.path"),
    entry("filePermission", "", "file.group"),
    entry("fileSize", "fsize", "file.size"),
    entry("fileType", "", "file.extension"),
    entry("managerReceiptTime", "mrt", "event.ingested"),
    entry("message", "msg", "message"),
    entry("oldFileCreateTime", "", "cef.old_file.created"),
    entry("oldFileHash", "", "cef.old_file.hash"),
    entry("oldFileId", "", "cef.old_file.inode"),
    entry("oldFileModificationTime", "", "cef.old_file.mtime"),
    entry("oldFileName", "", "cef.old_file.name"),
    entry("oldFilePath", "", "cef.old_file.path"),
    entry("oldFilePermission", "", "cef.old_file.group"),
    entry("oldFileSize", "", "cef.old_file.size"),
    entry("oldFileType", "", "cef.old_file.extension"),
    entry("rawEvent", "", "event.original"),
    entry("Reason", "reason", "event.reason"),
    entry("requestClientApplication", "", "user_agent.original"),
    entry("requestContext", "", "http.request.referrer"),
    entry("requestCookies", "", "cef.request.cookies"),
    entry("requestMethod", "", "http.request.method"),
    entry("requestUrl", "request", "url.original"),
    entry("sourceAddress", "src", "source.ip"),
    entry("sourceNtDomain", "sntdom", "source.registered_domain"),
    entry("sourceDnsDomain", "", "source.registered_domain"),
    entry("sourceGeoLatitude", "slat", "source.geo.location.lat"),
    entry("sourceGeoLongitude", "slong", "source.geo.location.lon"),
    entry("sourceHostName", "shost", "source.domain"),
    entry("sourceMacAddress", "smac", "source.mac"),
    entry("sourcePort", "spt", "source.port"),
    entry("sourceProcessId", "spid", "source.process.pid"),
    entry("sourceProcessName", "sproc", "source.process.name"),
    entry("sourceServiceName", "", "source.service.name"),
    entry("sourceTranslatedAddress", "", "source.nat.ip"),
    entry("sourceTranslatedPort", "", "source.nat.port"),
    entry("sourceTranslatedZoneExternalID", "", "cef.source.translated_zone.external_id"),
    entry("sourceTranslatedZoneURI", "", "cef.source.translated_zone.uri"),
    entry("sourceUserId", "suid", "source.user.id"),
    entry("sourceUserName", "suser", "source.user.name"),
    entry("sourceUserPrivileges", "spriv", "source.user.group.name"),
    entry("sourceZoneExternalID", "", "cef.source.zone.external_id"),
    entry("sourceZoneURI", "", "cef.source.zone.uri"),
    entry("startTime", "start", "event.start"),
    entry("transportProtocol", "proto", "network.transport"),
    entry("type", "", "cef.type"),
];

/// The dictionary as one pipeline uses it.
pub(super) struct Dictionary {
    /// By key and by name: the parts of the field, and whether it is a time.
    fields: HashMap<String, (Vec<String>, bool)>,
    /// By name and by field as written in a config: what is written.
    keys: HashMap<String, String>,
}

impl Dictionary {
    pub(super) fn new(is_ecs: bool, device: Device, has_short_keys: bool) -> Dictionary {
        let mut dictionary = Dictionary { fields: HashMap::new(), keys: HashMap::new() };
        let mut add = |name: &str, key: &str, field: &str| {
            let parts: Vec<String> = match is_ecs {
                true => field.split('.').map(str::to_owned).collect(),
                false => vec![name.to_owned()],
            };
            let is_time = is_ecs && TIMES.contains(&name);
            let written = if has_short_keys { key } else { name };
            dictionary.keys.insert(reference(&parts), written.to_owned());
            dictionary.keys.entry(name.to_owned()).or_insert_with(|| written.to_owned());
            if parts.len() == 1 {
                dictionary.keys.insert(parts.concat(), written.to_owned());
            }
            dictionary.fields.insert(key.to_owned(), (parts.clone(), is_time));
            dictionary.fields.insert(name.to_owned(), (parts, is_time));
        };
        for Entry { name, key, field } in ENTRIES {
            let field = match (*name, device) {
                ("deviceExternalId", Device::Host) => "host.id".to_owned(),
                ("deviceHostName", Device::Host) => "host.name".to_owned(),
                _ => field.replace("{device}", device.name()),
            };
            add(name, if key.is_empty() { name } else { key }, &field);
        }
        for (key, name, field) in CUSTOM {
            for n in 1..=CUSTOM_MAX {
                add(&format!("{name}{n}"), &format!("{key}{n}"), &format!("{field}{n}.value"));
                add(&format!("{name}{n}Label"), &format!("{key}{n}Label"), &format!("{field}{n}.label"));
            }
        }
        for (old, name) in LEGACY {
            let Some((parts, is_time)) = dictionary.fields.get(*name).cloned() else { continue };
            let parts = if is_ecs { parts } else { vec![(*old).to_owned()] };
            dictionary.fields.insert((*old).to_owned(), (parts, is_time));
            let written = if has_short_keys { dictionary.keys.get(*name).cloned() } else { None };
            dictionary.keys.insert((*old).to_owned(), written.unwrap_or_else(|| (*old).to_owned()));
        }
        dictionary
    }

    /// The field of a key or name, and whether it is a time.
    pub(super) fn field(&self, key: &str) -> Option<(&[String], bool)> {
        self.fields.get(key).map(|(parts, is_time)| (parts.as_slice(), *is_time))
    }

    /// What is written for a field or name, as the config writes it.
    pub(super) fn key<'k>(&'k self, name: &'k str) -> &'k str {
        self.keys.get(name).map_or(name, String::as_str)
    }
}

/// `[a][b]`
fn reference(parts: &[String]) -> String {
    parts.iter().map(|part| format!("[{part}]")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_by_all_their_names() {
        let check = |is_ecs, key: &str, expected: &str| {
            let dictionary = Dictionary::new(is_ecs, Device::Observer, false);
            assert_eq!(dictionary.field(key).map(|(parts, _)| parts.join(".")).as_deref(), Some(expected), "{key}");
        };
        check(true, "src", "source.ip");
        check(true, "sourceAddress", "source.ip");
        check(false, "src", "sourceAddress");
        check(true, "cfp15Label", "cef.device_custom_floating_point_15.label");
        check(false, "c6a12", "deviceCustomIPv6Address12");
        check(true, "sourceLatitude", "source.geo.location.lat");
        check(false, "sourceLatitude", "sourceLatitude");
        check(true, "dvc", "observer.ip");
        let host = Dictionary::new(true, Device::Host, true);
        assert_eq!(host.field("dvchost").map(|(parts, _)| parts.join(".")).as_deref(), Some("host.name"));
        assert_eq!((host.key("[source][ip]"), host.key("sourceAddress"), host.key("x")), ("src", "src", "x"));
        assert_eq!(host.key("[source][registered_domain]"), "sourceDnsDomain");
        assert!(ENTRIES.iter().all(|entry| entry.field.split('.').all(|part| !part.is_empty())));
        assert!(TIMES.iter().all(|time| ENTRIES.iter().any(|entry| entry.name == *time)));
    }
}
