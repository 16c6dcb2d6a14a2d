//! What the owner of a container wants of us, said in the container's labels or in its pod's annotations.
//!
//! Both mean the same: `logship.NAME` where dots make names, as in labels, `logship.io/NAME` where a domain does, as in
//! annotations; either is read in either. Of a pod, `logship.io/NAME.CONTAINER` is for one of its containers, and counts more.
//!
//! - `exclude=true`: it is left out. `include=true`: it is taken in where only such are wanted.
//! - `service=NAME`: its service.
//! - `parser=NAME`, or `format=NAME`: the format of its lines.
//! - `multiline.pattern=REGEX`: the first line of each record matches this, and other lines continue the one before.

use super::{Described, cut, is_true};
use std::collections::BTreeMap;

/// What the names begin with.
const PREFIXES: [&str; 2] = ["logship.", "logship.io/"];

/// Labels or annotations.
pub(super) struct Wishes<'w> {
    named: &'w BTreeMap<String, String>,
    /// The name of the container within its pod.
    container: Option<&'w str>,
}

impl<'w> Wishes<'w> {
    pub(super) fn of(named: &'w BTreeMap<String, String>, container: Option<&'w str>) -> Wishes<'w> {
        Wishes { named, container }
    }

    /// What was said under one of these names, which mean the same; nothing is said by an empty text.
    fn get(&self, names: &[&str]) -> Option<&'w String> {
        let said = |rest: &str| {
            let mut full = names.iter().flat_map(|name| PREFIXES.map(|prefix| format!("{prefix}{name}{rest}")));
            full.find_map(|name| self.named.get(&name).filter(|text| !text.is_empty()))
        };
        let own = self.container.and_then(|container| said(&format!(".{container}")));
        own.or_else(|| said(""))
    }

    /// Takes note of them, `only_included` where nothing is taken in that does not ask for it.
    pub(super) fn add_to(&self, described: &mut Described, only_included: bool) {
        if let Some(service) = self.get(&["service"]) {
            described.service = Some(cut(service).to_owned());
        }
        described.format = self.get(&["parser", "format"]).cloned();
        described.first_line = self.get(&["multiline.pattern"]).cloned();
        let included = is_true(self.get(&["include"]));
        described.skip = is_true(self.get(&["exclude"])) || (only_included && !included);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(named: &[(&str, &str)], container: Option<&str>) -> Described {
        let named = named.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut described = Described { service: Some("own".to_owned()), ..Described::default() };
        Wishes::of(&named, container).add_to(&mut described, false);
        described
    }

    #[test]
    fn labels_and_annotations_mean_the_same() {
        let wishes = [("parser", "clf"), ("multiline.pattern", r"^\d{4}-"), ("service", "shop"), ("exclude", "true")];
        let expected = Described {
            service: Some("shop".to_owned()),
            format: Some("clf".to_owned()),
            first_line: Some(r"^\d{4}-".to_owned()),
            skip: true,
            ..Described::default()
        };
        for prefix in PREFIXES {
            let named: Vec<_> = wishes.iter().map(|(name, value)| (format!("{prefix}{name}"), *value)).collect();
            let named: Vec<_> = named.iter().map(|(name, value)| (name.as_str(), *value)).collect();
            assert_eq!(described(&named, None), expected, "{prefix}");
        }
        let nothing = Described { service: Some("own".to_owned()), ..Described::default() };
        assert_eq!(described(&[("logship.parser", ""), ("logship.service", "")], None), nothing);
    }

    #[test]
    fn what_is_said_of_one_container_counts_more() {
        let named = [
            ("logship.io/format", "json"),
            ("logship.io/parser.db", "postgres"),
            ("logship.io/exclude.db", "true"),
            ("logship.io/multiline.pattern.web", "^x"),
        ];
        let of = |container| {
            let found = described(&named, Some(container));
            (found.format.unwrap(), found.skip, found.first_line)
        };
        assert_eq!(of("db"), ("postgres".to_owned(), true, None));
        assert_eq!(of("web"), ("json".to_owned(), false, Some("^x".to_owned())));
    }
}
