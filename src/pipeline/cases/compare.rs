//! What differs between an event that was expected and the one that came.

use crate::config::ruby_regex;
use serde_json::{Map, Value as Json};

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// What was expected.
    Wanted(String),
    /// What came.
    Came(String),
}

/// Fields that count only where they are named.
pub(super) fn is_made(name: &str) -> bool {
    matches!(name, "@timestamp" | "@version")
}

/// What differs between fields, those at the paths that are given.
pub(super) fn fields(
    wanted: &Map<String, Json>,
    came: &Map<String, Json>,
    (is_partial, path): (bool, &str),
    said: &mut Vec<Said>,
) {
    for (name, value) in wanted {
        let path = format!("{path}[{name}]");
        match (value, came.get(name)) {
            (value, Some(found)) if matches(value, found, is_partial) => {}
            (Json::Object(inner), Some(Json::Object(found))) => fields(inner, found, (is_partial, &path), said),
            (value, found) => {
                said.push(Said::Wanted(format!("{path} {value}")));
                said.extend(found.map(|found| Said::Came(format!("{path} {found}"))));
            }
        }
    }
    if !is_partial {
        let is_unnamed = |name: &str| !(wanted.contains_key(name) || path.is_empty() && is_made(name));
        let others = came.iter().filter(|(name, _)| is_unnamed(name));
        said.extend(others.map(|(name, value)| Said::Came(format!("{path}[{name}] {value}"))));
    }
}

/// Whether a value is as wanted: in an event of which only some fields are named, `"/.../"` is a regular expression, and objects
/// may have more fields.
pub(super) fn matches(wanted: &Json, came: &Json, is_partial: bool) -> bool {
    match (wanted, came) {
        (Json::Object(wanted), Json::Object(came)) if is_partial => {
            wanted.iter().all(|(name, value)| came.get(name).is_some_and(|came| matches(value, came, true)))
        }
        (Json::Array(wanted), Json::Array(came)) if is_partial => {
            wanted.len() == came.len() && wanted.iter().zip(came).all(|(wanted, came)| matches(wanted, came, true))
        }
        (Json::String(pattern), came) if is_partial && wanted != came => {
            let Some(regex) = expression(pattern).and_then(|pattern| ruby_regex(pattern).ok()) else { return false };
            match came {
                Json::String(text) => regex.is_match(text),
                Json::Number(_) | Json::Bool(_) => regex.is_match(&came.to_string()),
                _ => false,
            }
        }
        _ => wanted == came,
    }
}

/// The expression between slashes.
pub(super) fn expression(text: &str) -> Option<&str> {
    text.strip_prefix('/')?.strip_suffix('/').filter(|pattern| !pattern.is_empty())
}
