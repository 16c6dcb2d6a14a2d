//! Cases for pipelines in one readable file: a config, events that go in, events that come out.
//!
//! ```text
//! # what this is about
//! filter { mutate { rename => { "a" => "b" } } }
//!
//! === a field gets another name
//! > {"a": 1}
//! < {"b": 1}
//!
//! === a line is a message
//! > plain text
//! <~ {"message": "plain text"}
//! tags: none
//! absent: b, [c][d]
//! ```
//!
//! `>` is an event: an object, or a line that becomes the message. `<` is an event that comes out, all of it but `@timestamp` and
//! `@version`, which count only where they are named; `<~` names only some of its fields. `tags:` and `absent:` say of the event
//! before them which tags it has, all of them in any order (`none` for none), and which fields it has not. Of a case without `<`
//! nothing comes out. `metadata:` lines hold what `@metadata` of the event before is.

use super::{Sources, load};
use crate::{
    config::Settings,
    event::{Event, Timestamp, Value, json},
    filters::Scratch,
    plan::program::Filters,
};
use logship_parsers::config::{FieldRef, Options, Source};
use serde_json::{Map, Value as Json};

/// What is expected of one event.
#[derive(Debug, Default)]
struct Expected {
    fields: Map<String, Json>,
    is_partial: bool,
    tags: Option<Vec<String>>,
    absent: Vec<FieldRef>,
    metadata: Option<Json>,
}

/// One case.
#[derive(Debug, Default)]
struct Case {
    name: String,
    events: Vec<Event>,
    expected: Vec<Expected>,
}

/// When the events of cases arrive: 2026-01-01.
const RECEIVED: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// Runs the cases of a file. The number of cases that hold.
///
/// # Errors
/// What does not, one text each.
pub fn run(name: &str, text: &str, settings: &Settings) -> Result<usize, Vec<String>> {
    let (config, cases) = text.split_once("\n=== ").ok_or_else(|| vec![format!("{name}: there is no `=== ` line")])?;
    let mut sources: Sources = vec![Source::new(name, config)];
    let language = Options { support_escapes: false, variables: &|_| None };
    let (pipeline, diagnostics) = load(&mut sources, &language, settings);
    if pipeline.is_none() {
        return Err(diagnostics.iter().map(|diagnostic| diagnostic.render(&sources)).collect());
    }
    let (mut good, mut wrong) = (0, Vec::new());
    for text in cases.split("\n=== ") {
        let outcome = read(text).and_then(|case| {
            let name = case.name.clone();
            // For each case anew: filters may keep something.
            let Some(pipeline) = load(&mut sources, &language, settings).0 else { return Err(name) };
            check(case, &pipeline.plan.filters).map_err(|cause| format!("{name}: {cause}"))
        });
        match outcome {
            Ok(()) => good += 1,
            Err(cause) => wrong.push(format!("{name}: {cause}")),
        }
    }
    if wrong.is_empty() { Ok(good) } else { Err(wrong) }
}

fn read(text: &str) -> Result<Case, String> {
    let mut lines = text.lines();
    let mut case = Case { name: lines.next().unwrap_or_default().trim().to_owned(), ..Case::default() };
    for line in lines.map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let last = case.expected.last_mut();
        if let Some(event) = line.strip_prefix('>') {
            case.events.push(event_of(event.trim())?);
        } else if let Some(event) = line.strip_prefix('<') {
            let (event, is_partial) = event.strip_prefix('~').map_or((event, false), |event| (event, true));
            let fields = serde_json::from_str(event).map_err(|cause| format!("`{line}`: {cause}"))?;
            case.expected.push(Expected { fields, is_partial, ..Expected::default() });
        } else if let (Some(tags), Some(expected)) = (line.strip_prefix("tags:"), last) {
            expected.tags = Some(names(tags).filter(|tag| tag != "none").collect());
        } else if let (Some(fields), Some(expected)) = (line.strip_prefix("absent:"), case.expected.last_mut()) {
            let fields: Result<Vec<_>, _> = names(fields).map(|name| FieldRef::parse(&name)).collect();
            expected.absent = fields.map_err(|cause| format!("`{line}`: {cause}"))?;
        } else if let (Some(fields), Some(expected)) = (line.strip_prefix("metadata:"), case.expected.last_mut()) {
            expected.metadata = Some(serde_json::from_str(fields).map_err(|cause| format!("`{line}`: {cause}"))?);
        } else {
            return Err(format!(
                "{}: what is `{line}`? Lines begin with >, <, <~, tags:, absent:, metadata:",
                case.name
            ));
        }
    }
    Ok(case)
}

fn names(list: &str) -> impl Iterator<Item = String> {
    list.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn event_of(text: &str) -> Result<Event, String> {
    if !text.starts_with('{') {
        return Ok(Event::from_line(RECEIVED, text.into()));
    }
    let fields: Map<String, Json> = serde_json::from_str(text).map_err(|cause| format!("`{text}`: {cause}"))?;
    let mut event = Event::new(RECEIVED);
    fields.into_iter().for_each(|(name, value)| event.take_in(name.as_str().into(), json::from_serde(value)));
    Ok(event)
}

fn check(case: Case, filters: &Filters) -> Result<(), String> {
    let mut scratch = Scratch { received: RECEIVED, ..Scratch::default() };
    let mut out = Vec::new();
    for event in case.events {
        let done = filters.run(event, &mut scratch, &mut out);
        done.map_err(|_| "a filter panicked".to_owned())?;
    }
    filters.let_go(true, &mut scratch, &mut out);
    let shown: Vec<String> = out.iter().map(shown).collect();
    if out.len() != case.expected.len() {
        return Err(format!("{} events come out, not {}:\n{}", out.len(), case.expected.len(), shown.join("\n")));
    }
    for ((event, expected), text) in out.iter().zip(&case.expected).zip(&shown) {
        expected.check(event).map_err(|cause| format!("{cause}\n{text}"))?;
    }
    Ok(())
}

fn shown(event: &Event) -> String {
    let mut text = String::new();
    json::write_event(&mut text, event, None);
    text
}

impl Expected {
    fn check(&self, event: &Event) -> Result<(), String> {
        let fields: Map<String, Json> = serde_json::from_str(&shown(event)).map_err(|cause| cause.to_string())?;
        for (name, value) in &self.fields {
            match fields.get(name) {
                Some(found) if found == value => {}
                Some(found) => return Err(format!("`{name}` is {found} and not {value}")),
                None => return Err(format!("`{name}` is missing")),
            }
        }
        let counts = |name: &str| !(matches!(name, "@timestamp" | "@version") || name == "tags" && self.tags.is_some());
        if !self.is_partial
            && let Some((name, value)) =
                fields.iter().find(|(name, _)| counts(name) && !self.fields.contains_key(*name))
        {
            return Err(format!("`{name}` is there: {value}"));
        }
        if let Some(absent) = self.absent.iter().find(|field| event.contains(field)) {
            return Err(format!("{absent} is there"));
        }
        if let Some(expected) = &self.tags {
            let mut tags: Vec<&str> = match event.fields.get("tags") {
                Some(Value::List(tags)) => tags.iter().filter_map(Value::as_str).collect(),
                Some(Value::Str(tag)) => vec![tag],
                _ => Vec::new(),
            };
            let mut expected: Vec<&str> = expected.iter().map(String::as_str).collect();
            tags.sort_unstable();
            expected.sort_unstable();
            if tags != expected {
                return Err(format!("the tags are {tags:?} and not {expected:?}"));
            }
        }
        if let Some(expected) = &self.metadata {
            let mut text = String::new();
            json::write_value(&mut text, &Value::Map(event.meta.clone()));
            if serde_json::from_str::<Json>(&text).ok().as_ref() != Some(expected) {
                return Err(format!("@metadata is {text} and not {expected}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cases_of_filters_hold() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/filters");
        let mut wrong = Vec::new();
        for filter in std::fs::read_dir(folder).unwrap() {
            for file in std::fs::read_dir(filter.unwrap().path()).unwrap() {
                let path = file.unwrap().path();
                let text = std::fs::read_to_string(&path).unwrap();
                wrong.extend(run(&path.display().to_string(), &text, &Settings::default()).err().into_iter().flatten());
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    }
}
