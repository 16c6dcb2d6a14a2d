//! `json_encode { source => "a" }`: a field as the text of its JSON, in its place or in `target`.
//!
//! A missing field is nothing to do.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value, json},
};
use logship_parsers::config::{FieldRef, typed};

pub(super) const KIND: FilterKind =
    FilterKind { name: "json_encode", summary: "Writes a field as JSON", options: &["source", "target"], build };

#[derive(Debug)]
struct JsonEncode {
    source: FieldRef,
    target: FieldRef,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let target = options.field("target");
    let source = options.required("source", typed::field)?;
    Some(Box::new(JsonEncode { target: target.unwrap_or_else(|| source.clone()), source }))
}

impl Filter for JsonEncode {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let mut text = String::new();
        match event.get(&self.source) {
            Some(value) => json::write_value(&mut text, &value),
            None => return Ok(Verdict::Unmatched),
        }
        let fail = |cause| FilterError::new(&["_jsongeneratefailure".to_owned()], cause);
        event.set(&self.target, Value::from(text)).map_err(fail)?;
        Ok(Verdict::Matched)
    }
}
