//! `truncate { length_bytes => 1024 }`: texts of at most so many bytes, cut at the end between two characters.
//!
//! `fields` says which; without it all texts of the event are cut, whatever they lie in. Lists and objects are gone through.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value},
};
use logship_parsers::config::{FieldRef, typed};

pub(super) const KIND: FilterKind =
    FilterKind { name: "truncate", summary: "Cuts texts at a length", options: &["fields", "length_bytes"], build };

#[derive(Debug)]
struct Truncate {
    /// None where it is all of them.
    fields: Option<Vec<FieldRef>>,
    length_bytes: usize,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let fields = options.each("fields", typed::field);
    let fields = options.is_given("fields").then_some(fields);
    let length = options.required("length_bytes", typed::integer)?;
    Some(Box::new(Truncate { fields, length_bytes: usize::try_from(length).unwrap_or(0) }))
}

impl Filter for Truncate {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        match &self.fields {
            None => {
                let fields = std::mem::take(&mut event.fields);
                event.fields = fields.into_iter().map(|(key, value)| (key, self.cut(value))).collect();
            }
            Some(fields) => {
                for field in fields {
                    let Some(value) = event.get(field).map(std::borrow::Cow::into_owned) else { continue };
                    // A shorter text can stand wherever a text stands.
                    _ = event.set(field, self.cut(value));
                }
            }
        }
        Ok(Verdict::Matched)
    }
}

impl Truncate {
    fn cut(&self, value: Value) -> Value {
        match value {
            Value::Str(text) if text.len() > self.length_bytes => {
                Value::Str(text.slice_ref(&text[..text.floor_char_boundary(self.length_bytes)]))
            }
            Value::List(items) => Value::List(items.into_iter().map(|item| self.cut(item)).collect()),
            Value::Map(map) => Value::Map(map.into_iter().map(|(key, value)| (key, self.cut(value))).collect()),
            other => other,
        }
    }
}
