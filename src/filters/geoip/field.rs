//! What databases know of an address, and what that is called.

use serde_json::Value as Json;

/// A field, in the order in which fields are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    AutonomousSystemNumber,
    AutonomousSystemOrganization,
    CityName,
    CountryName,
    ContinentCode,
    ContinentName,
    CountryCode2,
    CountryCode3,
    Domain,
    Ip,
    Isp,
    PostalCode,
    DmaCode,
    RegionName,
    RegionCode,
    RegionIsoCode,
    Timezone,
    Location,
    Latitude,
    Longitude,
    Organization,
    Network,
    HostingProvider,
    TorExitNode,
    AnonymousVpn,
    Anonymous,
    PublicProxy,
    ResidentialProxy,
}

use Field::*;

/// Each field by the name that the option `fields` has for it, its place with the schema's names, and its name of old. Without a
/// place the schema has none for it.
const NAMES: [(Field, &str, &[&str], &str); 28] = [
    (AutonomousSystemNumber, "autonomous_system_number", &["as", "number"], "asn"),
    (AutonomousSystemOrganization, "autonomous_system_organization", &["as", "organization", "name"], "as_org"),
    (CityName, "city_name", &["geo", "city_name"], "city_name"),
    (CountryName, "country_name", &["geo", "country_name"], "country_name"),
    (ContinentCode, "continent_code", &["geo", "continent_code"], "continent_code"),
    (ContinentName, "continent_name", &["geo", "continent_name"], "continent_name"),
    (CountryCode2, "country_code2", &["geo", "country_iso_code"], "country_code2"),
    (CountryCode3, "country_code3", &[], "country_code3"),
    (Domain, "domain", &["domain"], "domain"),
    (Ip, "ip", &["ip"], "ip"),
    (Isp, "isp", &["mmdb", "isp"], "isp"),
    (PostalCode, "postal_code", &["geo", "postal_code"], "postal_code"),
    (DmaCode, "dma_code", &["mmdb", "dma_code"], "dma_code"),
    (RegionName, "region_name", &["geo", "region_name"], "region_name"),
    (RegionCode, "region_code", &["geo", "region_code"], "region_code"),
    (RegionIsoCode, "region_iso_code", &["geo", "region_iso_code"], "region_iso_code"),
    (Timezone, "timezone", &["geo", "timezone"], "timezone"),
    (Location, "location", &["geo", "location"], "location"),
    (Latitude, "latitude", &["geo", "location", "lat"], "latitude"),
    (Longitude, "longitude", &["geo", "location", "lon"], "longitude"),
    (Organization, "organization", &["mmdb", "organization"], "organization"),
    (Network, "network", &["ip_traits", "network"], "network"),
    (HostingProvider, "hosting_provider", &["ip_traits", "hosting_provider"], "hosting_provider"),
    (TorExitNode, "tor_exit_node", &["ip_traits", "tor_exit_node"], "tor_exit_node"),
    (AnonymousVpn, "anonymous_vpn", &["ip_traits", "anonymous_vpn"], "anonymous_vpn"),
    (Anonymous, "anonymous", &["ip_traits", "anonymous"], "anonymous"),
    (PublicProxy, "public_proxy", &["ip_traits", "public_proxy"], "public_proxy"),
    (ResidentialProxy, "residential_proxy", &["ip_traits", "residential_proxy"], "residential_proxy"),
];

/// A kind of database.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    City,
    Country,
    Domain,
    Asn,
    Isp,
    Enterprise,
    AnonymousIp,
}

impl Kind {
    /// By the type that a database says it is.
    pub(super) fn of(database_type: &str) -> Option<Kind> {
        let kinds = [
            ("City", Kind::City),
            ("Country", Kind::Country),
            ("GeoIP2-Domain", Kind::Domain),
            ("GeoLite2-ASN", Kind::Asn),
            ("GeoIP2-ISP", Kind::Isp),
            ("Enterprise", Kind::Enterprise),
            ("GeoIP2-Anonymous-IP", Kind::AnonymousIp),
        ];
        kinds.into_iter().find(|(name, _)| database_type.contains(name)).map(|(_, kind)| kind)
    }

    /// What is set where the option says nothing.
    pub(super) fn defaults(self, is_ecs: bool) -> Vec<Field> {
        let city = |region| {
            vec![
                CityName,
                CountryName,
                ContinentCode,
                CountryCode2,
                CountryCode3,
                Ip,
                PostalCode,
                DmaCode,
                RegionName,
                region,
                Timezone,
                Location,
                Latitude,
                Longitude,
            ]
        };
        match self {
            Kind::City => city(if is_ecs { RegionIsoCode } else { RegionCode }),
            Kind::Country => vec![CountryName, ContinentName, CountryCode2, Ip],
            Kind::Domain => vec![Domain],
            Kind::Asn => vec![AutonomousSystemNumber, AutonomousSystemOrganization, Ip],
            Kind::Isp => vec![AutonomousSystemNumber, AutonomousSystemOrganization, Ip, Isp, Organization],
            Kind::Enterprise => {
                vec![CityName, CountryName, ContinentName, CountryCode2, Ip, RegionName, RegionIsoCode, Location]
            }
            Kind::AnonymousIp => {
                vec![HostingProvider, TorExitNode, AnonymousVpn, Anonymous, PublicProxy, ResidentialProxy]
            }
        }
    }

    /// Whether databases of this kind have the field.
    pub(super) fn has(self, field: Field) -> bool {
        let flags = field >= HostingProvider;
        match self {
            Kind::City => {
                matches!(field, ContinentName | RegionCode | RegionIsoCode) || self.defaults(true).contains(&field)
            }
            Kind::Asn => field == Network || self.defaults(true).contains(&field),
            Kind::AnonymousIp => flags || field == Ip,
            Kind::Enterprise => {
                flags
                    || matches!(field, AutonomousSystemNumber | AutonomousSystemOrganization | Timezone | Network)
                    || self.defaults(true).contains(&field)
            }
            _ => self.defaults(true).contains(&field),
        }
    }
}

impl Field {
    /// By the option's name for it, in any case.
    pub(super) fn of(name: &str) -> Option<Field> {
        let found = NAMES.iter().find(|(_, known, ..)| known.eq_ignore_ascii_case(name));
        found.map(|(field, ..)| *field)
    }

    /// All names that the option knows.
    pub(super) fn names() -> impl Iterator<Item = &'static str> + Clone {
        NAMES.iter().map(|(_, name, ..)| *name)
    }

    /// Where it goes below the target; none where the schema has no place for it.
    pub(super) fn place(self, is_ecs: bool) -> Option<Vec<String>> {
        let (_, _, place, old) = NAMES.iter().find(|(field, ..)| *field == self)?;
        match is_ecs {
            true => (!place.is_empty()).then(|| place.iter().map(|&part| part.to_owned()).collect()),
            false => Some(vec![(*old).to_owned()]),
        }
    }

    /// Its value in a record.
    pub(super) fn value(self, record: &Json, kind: Kind) -> Option<Json> {
        let at = |path: &str| record.pointer(path).filter(|value| !value.is_null()).cloned();
        let region = |name: &str| {
            let last = record.pointer("/subdivisions")?.as_array()?.last()?;
            last.pointer(name).filter(|value| !value.is_null()).cloned()
        };
        // Enterprise databases have these below `traits`.
        let trait_of = |name: &str| at(&format!("/traits/{name}")).or_else(|| at(&format!("/{name}")));
        let flag = |name: &str| Some(trait_of(name).unwrap_or(Json::Bool(false)));
        let location = || Some((at("/location/latitude")?, at("/location/longitude")?));
        match self {
            AutonomousSystemNumber => trait_of("autonomous_system_number"),
            AutonomousSystemOrganization => trait_of("autonomous_system_organization"),
            CityName => at("/city/names/en"),
            CountryName => at("/country/names/en"),
            ContinentCode => at("/continent/code"),
            ContinentName => at("/continent/names/en"),
            CountryCode2 | CountryCode3 => at("/country/iso_code"),
            Domain => at("/domain"),
            Isp => at("/isp"),
            PostalCode => at("/postal/code"),
            DmaCode => at("/location/metro_code"),
            RegionName => region("/names/en"),
            RegionCode => region("/iso_code"),
            RegionIsoCode => {
                let (country, region) = (at("/country/iso_code")?, region("/iso_code")?);
                Some(Json::String(format!("{}-{}", country.as_str()?, region.as_str()?)))
            }
            Timezone => at("/location/time_zone"),
            Location => {
                let (latitude, longitude) = location()?;
                Some(serde_json::json!({ "lat": latitude, "lon": longitude }))
            }
            Latitude => at("/location/latitude"),
            Longitude => at("/location/longitude"),
            Organization => at("/organization"),
            HostingProvider => flag("is_hosting_provider"),
            TorExitNode => flag("is_tor_exit_node"),
            AnonymousVpn => flag("is_anonymous_vpn"),
            Anonymous => flag("is_anonymous"),
            PublicProxy => flag("is_public_proxy"),
            ResidentialProxy => flag("is_residential_proxy"),
            Ip | Network => None,
        }
        .filter(|_| kind.has(self))
    }
}
