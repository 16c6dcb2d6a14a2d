//! `useragent { source => "[user_agent][original]" }`: which program, system and device wrote the header.
//!
//! | `ecs_compatibility => disabled` | else, in `target` (`[user_agent]`) |
//! |---|---|
//! | `name`, `device` | `[name]`, `[device][name]` |
//! | `major`, `minor`, `patch`, `version` | `[version]`; the parts in `[@metadata][filter][user_agent][version]` |
//! | `os`, `os_name`, `os_full` | `[os][name]`, `[os][full]` |
//! | `os_major`, `os_minor`, `os_patch`, `os_version` | `[os][version]`; the parts in `[@metadata][filter][user_agent][os][version]` |
//!
//! What is unknown is `Other`. `prefix` goes before the names of the first column. Of a list the first element counts. The
//! rules are [our own](table), with ua-parser's names, or those of a file of ua-parser (`regexes`). `lru_cache_size` headers
//! (100,000) are remembered.

mod rules;
mod table;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value},
};
use logship_parsers::config::{Diagnostic, FieldRef, METADATA, typed};
use lru::LruCache;
use rules::{Known, Named, Rules};
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

pub(super) const KIND: FilterKind = FilterKind {
    name: "useragent",
    summary: "Tells programs and devices by their header",
    options: &["lru_cache_size", "prefix", "regexes", "source", "target"],
    build,
};

/// Headers that are remembered, whatever the option says.
const CACHE_MAX: usize = 100_000;
/// A longer header is not remembered.
const CACHED_BYTES_MAX: usize = 1_024;

#[derive(Debug)]
struct UserAgent {
    source: FieldRef,
    removes_source: bool,
    rules: Rules,
    fields: Fields,
    cache: Mutex<LruCache<String, Arc<Known>>>,
}

/// Where things go.
#[derive(Debug)]
struct Fields {
    name: FieldRef,
    device: FieldRef,
    /// The version, then its major, minor and patch.
    version: [FieldRef; 4],
    os: Vec<FieldRef>,
    os_full: FieldRef,
    os_version: [FieldRef; 4],
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let target = options.field("target");
    let prefix = options.text("prefix").unwrap_or_default();
    let size = options.or("lru_cache_size", typed::integer, 100_000);
    let size = usize::try_from(size).unwrap_or(1).clamp(1, CACHE_MAX);
    let rules = match options.value("regexes").map(|value| value.span.0) {
        None => Rules::built_in().map_err(|cause| Diagnostic::error(options.place(), cause)),
        Some(place) => {
            let path = options.text("regexes")?;
            let wrong = |cause| Diagnostic::error(place, format!("the rules in `{path}`: {cause}"));
            Rules::read(&path).map_err(wrong).map(|(rules, left_out)| {
                if left_out > 0 {
                    let text = format!("{left_out} rules in `{path}` need look-around or more and are left out");
                    options.report(Diagnostic::warning(place, text));
                }
                rules
            })
        }
    };
    let source = options.required("source", typed::field)?;
    let rules = rules.map_err(|wrong| options.report(wrong)).ok()?;
    Some(Box::new(UserAgent {
        removes_source: target.as_ref() == Some(&source),
        fields: Fields::new(target, &prefix, options.ecs().is_on()),
        source,
        rules,
        cache: Mutex::new(LruCache::new(NonZeroUsize::new(size)?)),
    }))
}

impl Fields {
    fn new(target: Option<FieldRef>, prefix: &str, is_ecs: bool) -> Fields {
        let names = |parts: &[&str]| parts.iter().map(|&part| part.to_owned()).collect::<Vec<_>>();
        let default = if is_ecs { names(&["user_agent"]) } else { Vec::new() };
        let target = target.map_or(default, |target| target.parts);
        let field = |old: &str, new: &[&str]| FieldRef {
            parts: match is_ecs {
                true => [target.clone(), names(new)].concat(),
                false => [target.clone(), vec![format!("{prefix}{old}")]].concat(),
            },
        };
        let hidden = |old: &str, new: &[&str]| match is_ecs {
            true => FieldRef { parts: [names(&[METADATA, "filter", "user_agent"]), names(new)].concat() },
            false => field(old, new),
        };
        let mut os = vec![field("os_name", &["os", "name"])];
        if !is_ecs {
            os.push(field("os", &[]));
        }
        Fields {
            name: field("name", &["name"]),
            device: field("device", &["device", "name"]),
            version: [
                field("version", &["version"]),
                hidden("major", &["version", "major"]),
                hidden("minor", &["version", "minor"]),
                hidden("patch", &["version", "patch"]),
            ],
            os,
            os_full: field("os_full", &["os", "full"]),
            os_version: [
                field("os_version", &["os", "version"]),
                hidden("os_major", &["os", "version", "major"]),
                hidden("os_minor", &["os", "version", "minor"]),
                hidden("os_patch", &["os", "version", "patch"]),
            ],
        }
    }
}

impl Filter for UserAgent {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let header = match event.get(&self.source).as_deref() {
            Some(Value::Str(text)) => text.clone(),
            Some(Value::List(items)) => match items.first() {
                Some(Value::Str(text)) => text.clone(),
                _ => return Ok(Verdict::Unmatched),
            },
            _ => return Ok(Verdict::Unmatched),
        };
        if header.is_empty() {
            return Ok(Verdict::Unmatched);
        }
        let known = self.known(&header);
        if self.removes_source {
            event.remove(&self.source);
        }
        let mut failed = None;
        let mut set = |field: &FieldRef, text: String| {
            if let Err(cause) = event.set(field, Value::from(text)) {
                failed.get_or_insert(cause);
            }
        };
        let fields = &self.fields;
        set(&fields.name, known.agent.name.clone());
        set(&fields.device, known.device.clone());
        let parts = |named: &Named, fields: &[FieldRef; 4], set: &mut dyn FnMut(&FieldRef, String)| {
            for (field, part) in fields.iter().skip(1).zip(&named.version) {
                part.iter().for_each(|part| set(field, part.clone()));
            }
        };
        parts(&known.agent, &fields.version, &mut set);
        if let Some(version) = agent_version(&known.agent, &header) {
            set(&fields.version[0], version);
        }
        parts(&known.system, &fields.os_version, &mut set);
        let version = system_version(&known.system);
        let full = version.iter().fold(known.system.name.clone(), |name, version| format!("{name} {version}"));
        if let Some(version) = version {
            set(&fields.os_version[0], version);
        }
        fields.os.iter().for_each(|field| set(field, known.system.name.clone()));
        set(&fields.os_full, full);
        match failed {
            None => Ok(Verdict::Matched),
            Some(cause) => Err(FilterError::new(&[], cause)),
        }
    }
}

impl UserAgent {
    fn known(&self, header: &str) -> Arc<Known> {
        let cache = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache().get(header) {
            return Arc::clone(known);
        }
        let known = Arc::new(self.rules.find(header));
        if header.len() <= CACHED_BYTES_MAX {
            cache().put(header.to_owned(), Arc::clone(&known));
        }
        known
    }
}

/// The parts of the version joined; a fourth one that the rule has not, but the header has, is there, too.
fn agent_version(agent: &Named, header: &str) -> Option<String> {
    let mut version = String::new();
    for part in agent.version.iter().map_while(Option::as_ref) {
        if !version.is_empty() {
            version.push('.');
        }
        version.push_str(part);
    }
    if matches!(agent.version, [Some(_), Some(_), Some(_), None])
        && let Some(at) = header.find(&version)
        && let Some(behind) = header[at + version.len()..].strip_prefix('.')
        && let Some((fourth, _)) = behind.split_once(' ')
        && !fourth.is_empty()
        && fourth.bytes().all(|byte| byte.is_ascii_digit())
        && (fourth == "0" || !fourth.starts_with('0'))
    {
        version.extend([".", fourth]);
    }
    (!version.is_empty()).then_some(version)
}

/// The parts joined, by a blank behind a first one that is no number.
fn system_version(system: &Named) -> Option<String> {
    let [major, rest @ ..] = &system.version;
    let mut version = major.clone()?;
    let is_number = version.bytes().all(|byte| byte.is_ascii_digit());
    for (n, part) in rest.iter().map_while(Option::as_ref).enumerate() {
        version.push(if n > 0 || is_number { '.' } else { ' ' });
        version.push_str(part);
    }
    Some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(rules: &Rules, header: &str) -> String {
        let known = rules.find(header);
        let version = agent_version(&known.agent, header).unwrap_or_default();
        let system = system_version(&known.system).unwrap_or_default();
        format!("{} {version}|{} {system}|{}", known.agent.name, known.system.name, known.device)
    }

    #[test]
    fn common_headers_are_known() {
        let rules = Rules::built_in().unwrap();
        for case in include_str!("../../../fixtures/useragent/headers.txt").split("\n\n") {
            let (header, expected) = case.trim().split_once('\n').unwrap_or_else(|| panic!("{case}"));
            assert_eq!(shown(&rules, header), expected, "{header}");
        }
    }

    #[test]
    fn rules_are_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("regexes.yaml");
        let text = r#"
user_agent_parsers:
  - regex: '(?=x)y'
  - regex: '(Tool)-([a-z]+)/(\d+)'
    family_replacement: '$1 $2'
    v1_replacement: '$3'
    v2_replacement: '7'
os_parsers:
  - regex: 'on (\w+) (\d+)'
device_parsers:
  - regex: 'PHONE (\w+)-(\w+)'
    regex_flag: 'i'
    device_replacement: '$2 of $1 $9'
    brand_replacement: 'x'
"#;
        std::fs::write(&path, text).unwrap();
        let (rules, left_out) = Rules::read(path.to_str().unwrap()).unwrap();
        assert_eq!(left_out, 1);
        assert_eq!(shown(&rules, "Tool-ab/3 on BeOS 5; phone a-b"), "Tool ab 3.7|BeOS 5|b of a");
        assert_eq!(shown(&rules, "nothing"), "Other |Other |Other");
        assert!(Rules::read("/none/such").is_err());
    }
}
