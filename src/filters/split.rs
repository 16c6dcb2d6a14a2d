//! `split { }`: an event for each line of `message`, or for each element of a list.
//!
//! Each has all other fields of the event and its piece in `field` (`message`), or in `target`. A text is cut at `terminator`
//! (a line end); pieces without text and nulls are left out, so that of a text that ends with a `terminator` an event without it
//! is left, and of one with nothing else none. A text without a `terminator` is nothing to do. What is neither a text nor a list
//! is tagged `_split_type_failure`.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value},
};
use logship_parsers::config::FieldRef;

pub(super) const KIND: FilterKind = FilterKind {
    name: "split",
    summary: "Makes an event of each piece of a field",
    options: &["field", "target", "terminator"],
    build,
};

#[derive(Debug)]
struct Split {
    field: FieldRef,
    target: FieldRef,
    terminator: String,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let field = options.field("field").unwrap_or_else(|| FieldRef { parts: vec!["message".to_owned()] });
    let target = options.field("target").unwrap_or_else(|| field.clone());
    let terminator = options.text("terminator").filter(|text| !text.is_empty()).unwrap_or_else(|| "\n".to_owned());
    Some(Box::new(Split { field, target, terminator }))
}

impl Filter for Split {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let fail = |cause: &str| FilterError::new(&["_split_type_failure".to_owned()], cause);
        let pieces: Vec<Value> = match event.get(&self.field).as_deref() {
            Some(Value::List(items)) => items.iter().filter(|item| **item != Value::Null).cloned().collect(),
            Some(Value::Str(text)) => {
                if !text.contains(self.terminator.as_str()) {
                    return Ok(Verdict::Unmatched);
                }
                text.split(self.terminator.as_str()).map(|piece| Value::Str(text.slice_ref(piece))).collect()
            }
            _ => return Err(fail("what is to be split is neither a text nor a list")),
        };
        let mut events = Vec::with_capacity(pieces.len());
        for piece in pieces.into_iter().filter(|piece| piece.as_str() != Some("")) {
            let mut part = event.clone();
            part.set(&self.target, piece).map_err(|cause| fail(&cause.to_string()))?;
            events.push(part);
        }
        Ok(Verdict::Instead(events))
    }
}
