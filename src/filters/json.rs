//! `json { source => "message" }`: a field that holds JSON becomes fields.
//!
//! Objects go to the root of the event, or into `target`, which takes any JSON; fields that are there are overwritten.
//! A missing source is nothing to do. Text that is no JSON, or no object where one is needed, is tagged
//! (`tag_on_failure`, `_jsonparsefailure`) unless `skip_on_invalid_json`. An `@timestamp` in the object becomes the event's;
//! one that is no time is kept as `_@timestamp`, tagged `_timestampparsefailure`.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Map, Value, absorbed},
};
use logship_parsers::{
    config::{FieldRef, typed},
    json,
};

pub(super) const KIND: FilterKind = FilterKind {
    name: "json",
    summary: "Reads a field that holds JSON",
    options: &["skip_on_invalid_json", "source", "tag_on_failure", "target"],
    build,
};

#[derive(Debug)]
struct Json {
    source: FieldRef,
    target: Option<FieldRef>,
    skip_on_invalid_json: bool,
    tag_on_failure: Vec<String>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let tags = options.each("tag_on_failure", |value| typed::text(value).map(str::to_owned));
    let given = options.is_given("tag_on_failure");
    Some(Box::new(Json {
        target: options.field("target"),
        skip_on_invalid_json: options.flag("skip_on_invalid_json", false),
        tag_on_failure: if given { tags } else { vec!["_jsonparsefailure".to_owned()] },
        source: options.required("source", typed::field)?,
    }))
}

impl Filter for Json {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let fail = |message: &str| FilterError::new(&self.tag_on_failure, message);
        let text = match event.get(&self.source).as_deref() {
            None | Some(Value::Null) => return Ok(Verdict::Unmatched),
            Some(Value::Str(text)) => text.clone(),
            Some(_) => return Err(fail("the source is no text")),
        };
        let parsed = match json::parse_value(&text) {
            Ok((value, budget)) => {
                budget.tags().for_each(|tag| event.tag(tag));
                absorbed(&text, value)
            }
            Err(_) if self.skip_on_invalid_json => return Ok(Verdict::Unmatched),
            Err(_) => return Err(fail("the source is no JSON")),
        };
        match (&self.target, parsed) {
            (Some(target), value) => event.set(target, value).map_err(|cause| fail(&cause.to_string()))?,
            (None, Value::Map(map)) => merge(event, map),
            (None, _) => return Err(fail("the source is no JSON object, and there is no target")),
        }
        Ok(Verdict::Matched)
    }
}

fn merge(event: &mut Event, map: Map) {
    for (key, value) in map {
        event.take_in(key, value);
    }
}
