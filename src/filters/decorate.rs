//! What all filters do where they succeeded: `add_field`, then `remove_field`, `add_tag`, `remove_tag`.
//!
//! A field that is there becomes a list with the new value behind; tags are added as often as they are asked for. Names and
//! values are templates.

use super::{Scratch, tags};
use crate::{
    config::Options,
    event::{Event, Key, TAGS, Value, render},
};
use logship_parsers::config::{FieldRef, Template, typed};

/// The decorations of one filter, or the fields that an input adds.
#[derive(Clone, Debug, Default)]
pub struct Decorations {
    add_field: Vec<(Template, Vec<Template>)>,
    remove_field: Vec<Template>,
    add_tag: Vec<Template>,
    remove_tag: Vec<Template>,
    /// Tags where a field cannot be set, which ends what is done. Only `mutate` says so.
    refused: Vec<String>,
}

impl Decorations {
    /// Those of an input: only `add_field`.
    pub fn fields(options: &mut Options<'_>) -> Decorations {
        let values = |value: &_| typed::list(value).iter().map(typed::template).collect();
        Decorations { add_field: options.pairs("add_field", typed::field_template, values), ..Decorations::default() }
    }

    /// Those of a filter.
    pub fn read(options: &mut Options<'_>) -> Decorations {
        _ = options.get("periodic_flush", typed::boolean);
        let refused = match options.name() {
            "mutate" => tags(options, "tag_on_failure", "_mutate_error"),
            _ => Vec::new(),
        };
        Decorations {
            refused,
            add_field: Decorations::fields(options).add_field,
            remove_field: options.each("remove_field", typed::field_template),
            add_tag: options.templates("add_tag"),
            remove_tag: options.templates("remove_tag"),
        }
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.add_field.is_empty()
            && self.remove_field.is_empty()
            && self.add_tag.is_empty()
            && self.remove_tag.is_empty()
    }

    /// Does what is asked for.
    pub fn apply(&self, event: &mut Event, scratch: &mut Scratch) {
        for (name, values) in &self.add_field {
            let field = field_of(name, event, scratch);
            for value in values {
                let text = Value::from(render::rendered(value, event, scratch.received));
                let is_set = field.as_ref().is_some_and(|field| append(event, field, text));
                if !is_set && !self.refused.is_empty() {
                    return self.refused.iter().for_each(|tag| event.tag(tag));
                }
            }
        }
        for name in &self.remove_field {
            if let Some(field) = field_of(name, event, scratch) {
                event.remove(&field);
            }
        }
        for tag in &self.add_tag {
            let tag = Value::from(render::rendered(tag, event, scratch.received));
            match event.fields.get_mut(TAGS) {
                Some(Value::List(tags)) => tags.push(tag),
                Some(Value::Null) | None => {
                    event.fields.insert(Key::from(TAGS), Value::List(vec![tag]));
                }
                Some(other) => {
                    let first = std::mem::replace(other, Value::Null);
                    *other = Value::List(vec![first, tag]);
                }
            }
        }
        for tag in &self.remove_tag {
            let tag = render::rendered(tag, event, scratch.received);
            match event.fields.get_mut(TAGS) {
                Some(Value::List(tags)) => tags.retain(|known| known.as_str() != Some(&tag)),
                Some(other) if other.as_str() == Some(&tag) => *other = Value::List(Vec::new()),
                _ => {}
            }
        }
    }
}

/// The field that a template names for this event; none where what comes out is no name.
#[must_use]
pub fn field_of(name: &Template, event: &Event, scratch: &mut Scratch) -> Option<FieldRef> {
    if let Some(text) = name.as_literal() {
        return FieldRef::parse(text).ok();
    }
    scratch.text.clear();
    render::render(name, event, scratch.received, &mut scratch.text);
    FieldRef::parse(&scratch.text).ok()
}

/// Sets a field, or makes a list of what it is and the value. Whether it can be set: what cannot stays as it is.
pub fn append(event: &mut Event, field: &FieldRef, value: Value) -> bool {
    let value = match event.get(field).map(std::borrow::Cow::into_owned) {
        None => value,
        Some(Value::Null) => Value::List(vec![value]),
        Some(Value::List(mut items)) => {
            items.push(value);
            Value::List(items)
        }
        Some(first) => Value::List(vec![first, value]),
    };
    event.set(field, value).is_ok()
}
