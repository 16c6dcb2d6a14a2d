//! `alter { }`: changes values that are equal to something.
//!
//! In this order: `condrewrite => [field, expected, replacement, ...]` changes a field that is as expected, of a list the
//! elements that are, `condrewriteother => [field, expected, other, replacement, ...]` another one, and
//! `coalesce => [field, value, ...]` sets a field to the first value that is there. All but fields are templates; a template
//! is not there where what it names is missing. Only texts are as expected.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value, render},
};
use logship_parsers::config::{Diagnostic, FieldRef, Piece, Template, ast, typed};

pub(super) const KIND: FilterKind = FilterKind {
    name: "alter",
    summary: "Changes values under conditions",
    options: &["coalesce", "condrewrite", "condrewriteother"],
    build,
};

/// A field that has to have a value so that another one gets another.
#[derive(Debug)]
struct Rewrite {
    field: FieldRef,
    expected: Template,
    target: FieldRef,
    replacement: Template,
}

#[derive(Debug)]
struct Alter {
    rewrites: Vec<Rewrite>,
    coalesce: Option<(FieldRef, Vec<Template>)>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let same = groups(options, "condrewrite", 3, |items| {
        let field = typed::field(&items[0])?;
        let (expected, replacement) = (typed::template(&items[1])?, typed::template(&items[2])?);
        Ok(Rewrite { target: field.clone(), field, expected, replacement })
    });
    let other = groups(options, "condrewriteother", 4, |items| {
        let (expected, replacement) = (typed::template(&items[1])?, typed::template(&items[3])?);
        Ok(Rewrite { field: typed::field(&items[0])?, expected, target: typed::field(&items[2])?, replacement })
    });
    let coalesce = options.get("coalesce", |value| match typed::list(value) {
        [field, values @ ..] if !values.is_empty() => {
            Ok((typed::field(field)?, values.iter().map(typed::template).collect::<Result<_, _>>()?))
        }
        _ => Err(Diagnostic::error(value.span.0, "`coalesce` takes a field and at least one value")),
    });
    Some(Box::new(Alter { rewrites: same.into_iter().chain(other).collect(), coalesce }))
}

fn groups(
    options: &mut Options<'_>,
    name: &str,
    size: usize,
    read: impl Fn(&[ast::Value]) -> typed::Read<Rewrite>,
) -> Vec<Rewrite> {
    let rewrites = options.get(name, |value| {
        let items = typed::list(value);
        if !items.len().is_multiple_of(size) {
            return Err(Diagnostic::error(value.span.0, format!("`{name}` takes {size} values for each change")));
        }
        items.chunks_exact(size).map(read).collect::<Result<Vec<_>, _>>()
    });
    rewrites.unwrap_or_default()
}

impl Filter for Alter {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let set = |event: &mut Event, field: &FieldRef, value: Value| {
            event.set(field, value).map_err(|cause| FilterError::new(&[], cause))
        };
        for rewrite in &self.rewrites {
            let expected = render::rendered(&rewrite.expected, event, scratch.received);
            let is_expected = |value: &Value| value.as_str() == Some(expected.as_str());
            let items = match event.get(&rewrite.field).as_deref() {
                Some(Value::List(items)) if items.iter().any(is_expected) => Some(items.clone()),
                Some(value) if is_expected(value) => None,
                _ => continue,
            };
            let text = Value::from(render::rendered(&rewrite.replacement, event, scratch.received));
            match items.filter(|_| rewrite.target == rewrite.field) {
                Some(items) => {
                    let changed = items.into_iter().map(|item| if is_expected(&item) { text.clone() } else { item });
                    set(event, &rewrite.field, Value::List(changed.collect()))?;
                }
                None => set(event, &rewrite.target, text)?,
            }
        }
        if let Some((field, values)) = &self.coalesce {
            let complete = values.iter().filter(|value| is_complete(value, event));
            if let Some(text) = complete.map(|value| render::rendered(value, event, scratch.received)).next() {
                set(event, field, Value::from(text))?;
            }
        }
        Ok(Verdict::Matched)
    }
}

/// Whether all that a template names is there.
fn is_complete(template: &Template, event: &Event) -> bool {
    template.pieces.iter().all(|piece| match piece {
        Piece::Field { field, .. } => event.get(field).is_some_and(|value| *value != Value::Null),
        _ => true,
    })
}
