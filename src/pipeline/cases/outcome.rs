//! What became of a case.

use super::{
    compare::{self, Said},
    line::{Case, Expected},
};
use crate::event::{Event, Value, json};
use serde_json::{Map, Value as Json};

/// An event that came, as it is compared.
#[derive(Clone, Debug)]
pub(super) struct Came {
    pub(super) fields: Map<String, Json>,
    pub(super) metadata: Json,
    /// Names of fields of `absent:` that are there.
    pub(super) present: Vec<usize>,
    pub(super) said: Vec<Said>,
}

/// What became of a case.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub(super) came: Vec<Came>,
    /// The text that outputs wrote, by lines, where it was asked for.
    pub(super) texts: Vec<String>,
    pub(super) text_said: Vec<Said>,
    has_count: bool,
}

impl Outcome {
    pub(super) fn new(case: &Case, events: &[Event], text: &str) -> Outcome {
        let came = events.iter().enumerate().map(|(n, event)| came(event, case.expected.get(n))).collect();
        let texts: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut text_said = Vec::new();
        if !case.texts.is_empty() {
            for n in 0..case.texts.len().max(texts.len()) {
                let (wanted, came) = (case.texts.get(n).map(|(_, text)| text), texts.get(n));
                if wanted != came {
                    text_said.extend(wanted.map(|text| Said::Wanted(text.clone())));
                    text_said.extend(came.map(|text| Said::Came(text.clone())));
                }
            }
        }
        // Who asks for the text alone need not name the events.
        let has_count = events.len() == case.expected.len()
            || (!case.texts.is_empty() && case.expected.is_empty() && case.none.is_none());
        Outcome { came, texts, text_said, has_count }
    }

    /// Whether all came as expected.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.has_count && self.text_said.is_empty() && self.came.iter().all(|came| came.said.is_empty())
    }

    pub(super) fn has_count(&self) -> bool {
        self.has_count
    }
}

fn came(event: &Event, expected: Option<&Expected>) -> Came {
    let (mut text, mut metadata) = (String::new(), String::new());
    json::write_event(&mut text, event, None);
    json::write_value(&mut metadata, &Value::Map(event.meta.clone()));
    // What was just written reads back.
    let fields = serde_json::from_str(&text).unwrap_or_default();
    let metadata = serde_json::from_str(&metadata).unwrap_or_default();
    let mut came = Came { fields, metadata, present: Vec::new(), said: Vec::new() };
    if let Some(expected) = expected {
        came.compare(event, expected);
    }
    came
}

impl Came {
    fn compare(&mut self, event: &Event, expected: &Expected) {
        match &expected.tags {
            None => compare::fields(&expected.fields, &self.fields, (expected.is_partial, ""), &mut self.said),
            Some((_, wanted)) => {
                let (mut without, mut named) = (self.fields.clone(), expected.fields.clone());
                without.remove("tags");
                named.remove("tags");
                compare::fields(&named, &without, (expected.is_partial, ""), &mut self.said);
                let (mut tags, mut wanted) = (self.tags(), wanted.clone());
                tags.sort_unstable();
                wanted.sort_unstable();
                if tags != wanted {
                    self.said.push(Said::Wanted(format!("tags: {}", listed(&wanted))));
                    self.said.push(Said::Came(format!("tags: {}", listed(&tags))));
                }
            }
        }
        for (n, field) in expected.absent.iter().flat_map(|(_, fields)| fields).enumerate() {
            if event.contains(field) {
                self.present.push(n);
                self.said.push(Said::Wanted(format!("absent: {field}")));
            }
        }
        if let Some((_, wanted)) = &expected.metadata
            && *wanted != self.metadata
        {
            self.said.push(Said::Wanted(format!("metadata: {wanted}")));
            self.said.push(Said::Came(format!("metadata: {}", self.metadata)));
        }
    }

    /// The tags, in the order in which they were set.
    pub(super) fn tags(&self) -> Vec<String> {
        match self.fields.get("tags") {
            Some(Json::Array(tags)) => tags.iter().filter_map(Json::as_str).map(str::to_owned).collect(),
            Some(Json::String(tag)) => vec![tag.clone()],
            _ => Vec::new(),
        }
    }
}

/// Tags as a line of a case has them.
pub(super) fn listed(tags: &[String]) -> String {
    if tags.is_empty() { "none".to_owned() } else { tags.join(", ") }
}
