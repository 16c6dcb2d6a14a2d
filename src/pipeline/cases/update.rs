//! A file of cases with what came in the place of what was expected. Cases that hold, comments and configs stay as they are.

use super::{
    Cases, Outcome,
    compare::{is_made, matches},
    line::{Case, Expected},
    outcome::{Came, listed},
};
use logship_parsers::config::Span;
use serde_json::{Map, Value as Json};
use std::fmt::Write as _;

/// Bytes and what takes their place.
type Edit = (std::ops::Range<usize>, String);

impl Cases {
    /// The text of the file with what came.
    #[must_use]
    pub fn updated(&self, outcomes: &[Outcome]) -> String {
        let mut text = self.sources.first().map(|source| source.text.clone()).unwrap_or_default();
        let mut edits: Vec<Edit> = Vec::new();
        for (case, outcome) in self.cases.iter().zip(outcomes).filter(|(_, outcome)| !outcome.is_good()) {
            update(case, outcome, &text, &mut edits);
        }
        // From the end on, so that places stay right.
        edits.sort_by_key(|(range, _)| (range.start, range.end));
        for (range, new) in edits.into_iter().rev() {
            text.replace_range(range, &new);
        }
        text
    }
}

fn update(case: &Case, outcome: &Outcome, text: &str, edits: &mut Vec<Edit>) {
    let mut added = String::new();
    for n in 0..case.expected.len().max(outcome.came.len()) {
        match (case.expected.get(n), outcome.came.get(n)) {
            (Some(expected), Some(came)) if !came.said.is_empty() => rewrite(expected, came, text, edits),
            (Some(expected), None) => {
                let lines =
                    [Some(expected.line), place(&expected.tags), place(&expected.absent), place(&expected.metadata)];
                edits.extend(lines.into_iter().flatten().map(|line| (whole(line, text), String::new())));
            }
            (None, Some(came)) if !outcome.has_count() => {
                _ = write!(added, "\n< {}", object(&shown(came, None)));
            }
            _ => {}
        }
    }
    if outcome.came.is_empty() && !case.expected.is_empty() {
        added.push_str("\n< none");
    }
    if let Some(none) = case.none.filter(|_| !outcome.came.is_empty()) {
        edits.push((whole(none, text), String::new()));
    }
    if !outcome.text_said.is_empty() {
        edits.extend(case.texts.iter().map(|(line, _)| (whole(*line, text), String::new())));
        outcome.texts.iter().for_each(|text| added.extend(["\n<< ", text]));
    }
    if !added.is_empty() {
        let end = case.end as usize;
        // Behind a line that goes as a whole, its line end with it.
        let line_end = end + text[end..].find('\n').map_or(0, |at| at + 1);
        let (at, new) = match text[end..line_end].ends_with('\n') {
            true => (line_end, format!("{}\n", &added[1..])),
            false => (text.len(), added),
        };
        edits.push((at..at, new));
    }
}

fn place<T>(line: &Option<(Span, T)>) -> Option<Span> {
    line.as_ref().map(|(place, _)| *place)
}

/// A line with its line end.
fn whole(line: Span, text: &str) -> std::ops::Range<usize> {
    let start = text[..line.start as usize].rfind('\n').map_or(0, |at| at + 1);
    let end = text[line.end as usize..].find('\n').map_or(text.len(), |at| line.end as usize + at + 1);
    start..end
}

/// Writes one event and what is said of it anew.
fn rewrite(expected: &Expected, came: &Came, text: &str, edits: &mut Vec<Edit>) {
    let new = match expected.is_partial {
        true => format!("<~ {}", object(&narrowed(&expected.fields, &came.fields))),
        false => format!("< {}", object(&shown(came, Some(expected)))),
    };
    edits.push((expected.line.range(), new));
    if let Some((line, _)) = &expected.tags {
        edits.push((line.range(), format!("tags: {}", listed(&came.tags()))));
    }
    if let Some((line, fields)) = &expected.absent {
        let absent = fields.iter().enumerate().filter(|(n, _)| !came.present.contains(n));
        let absent: Vec<String> = absent.map(|(_, field)| field.to_string()).collect();
        edits.push(match absent.is_empty() {
            true => (whole(*line, text), String::new()),
            false => (line.range(), format!("absent: {}", absent.join(", "))),
        });
    }
    if let Some((line, _)) = &expected.metadata {
        edits.push((line.range(), format!("metadata: {}", spaced(&came.metadata))));
    }
}

/// The fields of an event as a line shows them.
pub(super) fn shown(came: &Came, expected: Option<&Expected>) -> Map<String, Json> {
    let is_named = |name: &str| expected.is_some_and(|expected| expected.fields.contains_key(name));
    let has_tags = expected.is_some_and(|expected| expected.tags.is_some());
    let counts = |name: &str| is_named(name) || !is_made(name);
    let fields = came.fields.iter().filter(|(name, _)| counts(name) && !(has_tags && *name == "tags"));
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The fields that are named, with what came.
fn narrowed(wanted: &Map<String, Json>, came: &Map<String, Json>) -> Map<String, Json> {
    let mut narrow = Map::new();
    for (name, value) in wanted {
        let Some(found) = came.get(name) else { continue };
        let new = match (value, found) {
            (value, found) if matches(value, found, true) => value.clone(),
            (Json::Object(wanted), Json::Object(found)) => Json::Object(narrowed(wanted, found)),
            (_, found) => found.clone(),
        };
        narrow.insert(name.clone(), new);
    }
    narrow
}

/// An object with blanks, for people.
pub(super) fn object(fields: &Map<String, Json>) -> String {
    let members: Vec<String> =
        (fields.iter()).map(|(name, value)| format!("{}: {}", Json::String(name.clone()), spaced(value))).collect();
    format!("{{{}}}", members.join(", "))
}

fn spaced(value: &Json) -> String {
    match value {
        Json::Object(fields) => object(fields),
        Json::Array(items) => format!("[{}]", items.iter().map(spaced).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
