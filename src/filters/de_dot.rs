//! `de_dot { }`: names without dots.
//!
//! `a.b` becomes `a_b` (`separator`), or the field `[a][b]` with `nested => true`. `fields` says which fields, of which all parts of
//! the name are rid of dots; without it all of the outermost level are. With `recursive => true` so are the names in objects.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Key, Map, Value},
};
use logship_parsers::config::{Diagnostic, FieldRef, typed};

pub(super) const KIND: FilterKind = FilterKind {
    name: "de_dot",
    summary: "Takes dots out of names of fields",
    options: &["fields", "nested", "recursive", "separator"],
    build,
};

#[derive(Debug)]
struct DeDot {
    fields: Option<Vec<FieldRef>>,
    nested: bool,
    recursive: bool,
    separator: String,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let fields = options.each("fields", typed::field);
    let separator = options.get("separator", |value| {
        let text = typed::text(value)?;
        match text.contains('.') {
            true => Err(Diagnostic::error(value.span.0, "a separator with a dot changes nothing")),
            false => Ok(text.to_owned()),
        }
    });
    Some(Box::new(DeDot {
        fields: options.is_given("fields").then_some(fields),
        nested: options.flag("nested", false),
        recursive: options.flag("recursive", false),
        separator: separator.unwrap_or_else(|| "_".to_owned()),
    }))
}

impl Filter for DeDot {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        match &self.fields {
            None => {
                let fields = std::mem::take(&mut event.fields);
                event.fields = self.renamed(fields);
            }
            Some(fields) => fields.iter().for_each(|field| self.rename(event, field)),
        }
        Ok(Verdict::Matched)
    }
}

impl DeDot {
    fn rename(&self, event: &mut Event, field: &FieldRef) {
        let Some(mut value) = event.remove(field) else { return };
        if self.recursive {
            value = self.inside(value);
        }
        let parts = field.parts.iter().flat_map(|part| match self.nested {
            true => part.split('.').map(str::to_owned).collect(),
            false => vec![part.replace('.', &self.separator)],
        });
        let target = FieldRef { parts: parts.collect() };
        // Objects whose names have dots go with the last of their fields.
        for length in (1..field.parts.len()).rev() {
            let outer = FieldRef { parts: field.parts[..length].to_vec() };
            let is_empty = matches!(event.get(&outer).as_deref(), Some(Value::Map(map)) if map.is_empty());
            if !is_empty || !outer.parts.iter().any(|part| part.contains('.')) {
                break;
            }
            event.remove(&outer);
        }
        if event.set(&target, value.clone()).is_err() {
            // Something else is in the way: the name stays as it was.
            _ = event.set(field, value);
        }
    }

    fn renamed(&self, map: Map) -> Map {
        let mut out = Map::with_capacity(map.len());
        for (key, value) in map {
            let value = if self.recursive { self.inside(value) } else { value };
            if !key.as_str().contains('.') {
                out.insert(key, value);
            } else if self.nested {
                nest(&mut out, key.as_str(), value);
            } else {
                out.insert(Key::from(key.as_str().replace('.', &self.separator).as_str()), value);
            }
        }
        out
    }

    fn inside(&self, value: Value) -> Value {
        match value {
            Value::Map(map) => Value::Map(self.renamed(map)),
            Value::List(items) => Value::List(items.into_iter().map(|item| self.inside(item)).collect()),
            other => other,
        }
    }
}

/// Sets `a.b.c` as objects in objects. Where something else is in the way, the name stays as it is.
fn nest(map: &mut Map, path: &str, value: Value) {
    let mut part = Event { fields: std::mem::take(map), ..Event::new(crate::event::Timestamp::default()) };
    let field = FieldRef { parts: path.split('.').map(str::to_owned).collect() };
    if part.set(&field, value.clone()).is_err() {
        part.fields.insert(Key::from(path), value);
    }
    *map = part.fields;
}
