//! Rules that take a header apart: our own table, or a file of ua-parser.

use super::table;
use crate::config::REGEX_BYTES_MAX;
use regex::{Captures, Regex, RegexBuilder};
use serde::Deserialize;
use std::{fs, io::Read as _};

/// The largest file of rules.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Rules of one kind in a file.
const RULES_MAX: usize = 20_000;
/// What matching one expression may keep in memory: there are hundreds.
const STATES_BYTES_MAX: usize = 64 << 10;

/// What is known without knowing more.
const OTHER: &str = "Other";

/// A program or a system.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Named {
    pub(super) name: String,
    /// Major, minor, patch and what is behind it.
    pub(super) version: [Option<String>; 4],
}

/// What a header says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) agent: Named,
    pub(super) system: Named,
    pub(super) device: String,
}

#[derive(Debug)]
pub(super) struct Rules {
    agents: Vec<Rule>,
    systems: Vec<Rule>,
    devices: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    regex: Regex,
    name: Option<String>,
    version: [Option<String>; 4],
}

/// A file of ua-parser.
#[derive(Debug, Deserialize)]
struct File {
    #[serde(default)]
    user_agent_parsers: Vec<AgentRule>,
    #[serde(default)]
    os_parsers: Vec<SystemRule>,
    #[serde(default)]
    device_parsers: Vec<DeviceRule>,
}

#[derive(Debug, Deserialize)]
struct AgentRule {
    regex: String,
    family_replacement: Option<String>,
    v1_replacement: Option<String>,
    v2_replacement: Option<String>,
    v3_replacement: Option<String>,
    v4_replacement: Option<String>,
}

#[derive(Debug, Deserialize)]
struct SystemRule {
    regex: String,
    os_replacement: Option<String>,
    os_v1_replacement: Option<String>,
    os_v2_replacement: Option<String>,
    os_v3_replacement: Option<String>,
    os_v4_replacement: Option<String>,
}

#[derive(Debug, Deserialize)]
struct DeviceRule {
    regex: String,
    regex_flag: Option<String>,
    device_replacement: Option<String>,
}

impl Rules {
    /// Those of our own table.
    pub(super) fn built_in() -> Result<Rules, String> {
        let rules = |table: &[table::Rule]| {
            let rule = |&(expression, name, major, minor): &table::Rule| {
                let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
                Rule::new(expression, false, given(name), [given(major), given(minor), None, None])
            };
            table.iter().map(rule).collect::<Result<Vec<_>, _>>()
        };
        Ok(Rules { agents: rules(table::AGENTS)?, systems: rules(table::SYSTEMS)?, devices: rules(table::DEVICES)? })
    }

    /// Those of a file, and how many of them need what our expressions have not and are left out.
    pub(super) fn read(path: &str) -> Result<(Rules, usize), String> {
        let mut text = String::new();
        let read = fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
        read.map_err(|cause| format!("it cannot be read: {cause}"))?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
        }
        let file: File = serde_saphyr::from_str(&text).map_err(|cause| cause.to_string())?;
        if file.user_agent_parsers.len().max(file.os_parsers.len()).max(file.device_parsers.len()) > RULES_MAX {
            return Err(format!("it has more than {RULES_MAX} rules of a kind"));
        }
        let mut left_out = 0;
        let mut kept = |rule: Result<Rule, String>| {
            left_out += usize::from(rule.is_err());
            rule.ok()
        };
        let agents = file.user_agent_parsers.into_iter().filter_map(|rule| {
            let version = [rule.v1_replacement, rule.v2_replacement, rule.v3_replacement, rule.v4_replacement];
            kept(Rule::new(&rule.regex, false, rule.family_replacement, version))
        });
        let agents = agents.collect();
        let systems = file.os_parsers.into_iter().filter_map(|rule| {
            let version =
                [rule.os_v1_replacement, rule.os_v2_replacement, rule.os_v3_replacement, rule.os_v4_replacement];
            kept(Rule::new(&rule.regex, false, rule.os_replacement, version))
        });
        let systems = systems.collect();
        let devices = file.device_parsers.into_iter().filter_map(|rule| {
            let any_case = rule.regex_flag.as_deref() == Some("i");
            kept(Rule::new(&rule.regex, any_case, rule.device_replacement, Default::default()))
        });
        let devices = devices.collect();
        Ok((Rules { agents, systems, devices }, left_out))
    }

    pub(super) fn find(&self, header: &str) -> Known {
        let device = self.devices.iter().find_map(|rule| rule.find(header)).map(|found| found.name);
        Known {
            agent: named(&self.agents, header),
            system: named(&self.systems, header),
            device: device.filter(|name| !name.is_empty()).unwrap_or_else(|| OTHER.to_owned()),
        }
    }
}

fn named(rules: &[Rule], header: &str) -> Named {
    let found = rules.iter().find_map(|rule| rule.find(header)).filter(|found| !found.name.is_empty());
    found.unwrap_or_else(|| Named { name: OTHER.to_owned(), ..Named::default() })
}

impl Rule {
    fn new(
        expression: &str,
        any_case: bool,
        name: Option<String>,
        version: [Option<String>; 4],
    ) -> Result<Rule, String> {
        let mut builder = RegexBuilder::new(expression);
        builder.case_insensitive(any_case).size_limit(REGEX_BYTES_MAX).dfa_size_limit(STATES_BYTES_MAX);
        let regex = builder.build().map_err(|cause| format!("`{expression}`: {cause}"))?;
        Ok(Rule { regex, name, version })
    }

    fn find(&self, header: &str) -> Option<Named> {
        let groups = self.regex.captures(header)?;
        let group = |n: usize| groups.get(n).map(|group| group.as_str().to_owned());
        let name = match &self.name {
            Some(name) => filled(name, &groups),
            None => group(1).unwrap_or_default(),
        };
        let part = |n: usize| match self.version.get(n).and_then(Option::as_ref) {
            Some(part) => Some(filled(part, &groups)),
            None => group(n + 2),
        };
        let part = |n: usize| part(n).filter(|part| !part.is_empty());
        Some(Named { name, version: [part(0), part(1), part(2), part(3)] })
    }
}

/// A text with groups in the place of `$1` to `$9`; without white space around it.
fn filled(text: &str, groups: &Captures<'_>) -> String {
    let Some((first, rest)) = text.split_once('$') else { return text.to_owned() };
    let mut out = first.to_owned();
    for piece in rest.split('$') {
        match piece.chars().next().and_then(|digit| digit.to_digit(10)) {
            Some(group) => {
                out.push_str(groups.get(group as usize).map_or("", |group| group.as_str()));
                out.push_str(&piece[1..]);
            }
            None => out.extend(["$", piece]),
        }
    }
    out.trim().to_owned()
}
