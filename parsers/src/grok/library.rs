//! Patterns by name: the standard ones, and what a user defines over them.
//!
//! The texts are in `patterns/`, a pattern a line: its name, blanks, its regular expression. What names fields comes in two
//! files, with the names from before the Elastic Common Schema and with those of it.

use std::collections::HashMap;

/// Names offered for one that is unknown.
const SUGGESTIONS_MAX: usize = 3;

/// Which names the standard patterns give to fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FieldNames {
    /// `clientip`, `verb`: Logstash with `ecs_compatibility => disabled`.
    Legacy,
    /// `[source][address]`, `[http][request][method]`: the Elastic Common Schema, versions 1 and 8.
    #[default]
    Ecs,
}

const BOTH: &[&str] = &[
    include_str!("patterns/core.grok"),
    include_str!("patterns/firewalls.grok"),
    include_str!("patterns/java.grok"),
    include_str!("patterns/services.grok"),
];
const LEGACY: &[&str] = &[
    include_str!("patterns/aws.legacy.grok"),
    include_str!("patterns/firewalls.legacy.grok"),
    include_str!("patterns/haproxy.legacy.grok"),
    include_str!("patterns/httpd.legacy.grok"),
    include_str!("patterns/java.legacy.grok"),
    include_str!("patterns/nagios.legacy.grok"),
    include_str!("patterns/services.legacy.grok"),
    include_str!("patterns/syslog.legacy.grok"),
    include_str!("patterns/zeek.legacy.grok"),
];
const ECS: &[&str] = &[
    include_str!("patterns/aws.ecs.grok"),
    include_str!("patterns/firewalls.ecs.grok"),
    include_str!("patterns/haproxy.ecs.grok"),
    include_str!("patterns/httpd.ecs.grok"),
    include_str!("patterns/java.ecs.grok"),
    include_str!("patterns/nagios.ecs.grok"),
    include_str!("patterns/services.ecs.grok"),
    include_str!("patterns/syslog.ecs.grok"),
    include_str!("patterns/zeek.ecs.grok"),
];

/// Patterns by name.
#[derive(Clone, Debug)]
pub struct Library {
    standard: HashMap<&'static str, &'static str>,
    own: HashMap<String, String>,
}

impl Library {
    /// The standard patterns.
    #[must_use]
    pub fn standard(names: FieldNames) -> Library {
        let texts = match names {
            FieldNames::Legacy => LEGACY,
            FieldNames::Ecs => ECS,
        };
        let standard = BOTH.iter().chain(texts).flat_map(|text| definitions(text)).collect();
        Library { standard, own: HashMap::new() }
    }

    /// No patterns but those to be defined.
    #[must_use]
    pub fn empty() -> Library {
        Library { standard: HashMap::new(), own: HashMap::new() }
    }

    /// Defines a pattern, over one of that name.
    pub fn define(&mut self, name: impl Into<String>, definition: impl Into<String>) {
        self.own.insert(name.into(), definition.into());
    }

    /// Defines the patterns of a file: `NAME expression`, `#` begins a comment, other lines say nothing.
    pub fn define_file(&mut self, text: &str) {
        for (name, definition) in definitions(text) {
            self.define(name, definition);
        }
    }

    /// The definition of a pattern, and whether it is the standard one.
    pub(super) fn get(&self, name: &str) -> Option<(&str, bool)> {
        let own = self.own.get(name).map(|definition| (definition.as_str(), false));
        own.or_else(|| self.standard.get(name).map(|definition| (*definition, true)))
    }

    /// The definition of a pattern.
    #[must_use]
    pub fn definition(&self, name: &str) -> Option<&str> {
        self.get(name).map(|(definition, _)| definition)
    }

    /// The names of all patterns, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.standard.keys().copied().chain(self.own.keys().map(String::as_str)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Names like this one, the nearest first.
    pub(super) fn similar(&self, name: &str) -> Vec<String> {
        let upper = name.to_ascii_uppercase();
        let mut near: Vec<(usize, &str)> = (self.names().into_iter())
            .map(|known| (distance(&upper, &known.to_ascii_uppercase()), known))
            .filter(|(distance, known)| *distance <= 1 + name.len() / 4 || known.contains(&upper) && upper.len() > 2)
            .collect();
        near.sort_unstable();
        near.into_iter().take(SUGGESTIONS_MAX).map(|(_, known)| known.to_owned()).collect()
    }
}

/// The lines of a file of patterns.
fn definitions(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let line = line.trim_start();
        let (name, definition) = line.split_once(char::is_whitespace)?;
        let definition = definition.trim_start();
        (!name.starts_with('#') && !definition.is_empty()).then_some((name, definition))
    })
}

/// How many characters have to be put in, taken out or replaced.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut corner = line;
        row[0] = line + 1;
        for (column, y) in b.iter().enumerate() {
            let replaced = corner + usize::from(x != *y);
            corner = row[column + 1];
            row[column + 1] = replaced.min(row[column] + 1).min(corner + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
