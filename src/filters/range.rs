//! `range { ranges => ["ms", 0, 99, "tag:fast", "ms", 100, 999, "drop"] }`: what happens to events with a value in a range.
//!
//! Of a number its value counts, of a text its length; what is neither is in no range. `drop` drops the event, `tag:name` adds a tag,
//! `field:name:value` sets a field, to a number where the value is written as one, or adds a text to one that is there.
//! `negate => true` means values outside of the range. What happens is done for all ranges of a field in their order, then for those of the next.

use super::{
    Filter, FilterError, FilterKind, Scratch, Verdict,
    decorate::{append, field_of},
};
use crate::{
    config::Options,
    event::{Event, Value, render},
};
use logship_parsers::config::{Diagnostic, FieldRef, Template, ast, typed};

pub(super) const KIND: FilterKind =
    FilterKind { name: "range", summary: "Acts on values by ranges", options: &["negate", "ranges"], build };

#[derive(Debug)]
enum Action {
    Drop,
    Tag(Template),
    /// The name, the value, and the number that it is.
    Field(Template, Template, Option<Value>),
}

#[derive(Debug)]
struct OneRange {
    field: FieldRef,
    from: f64,
    to: f64,
    action: Action,
}

#[derive(Debug)]
struct Range {
    ranges: Vec<OneRange>,
    negate: bool,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let negate = options.flag("negate", false);
    let ranges = options.get("ranges", |value| {
        let items = typed::list(value);
        if !items.len().is_multiple_of(4) {
            let error = Diagnostic::error(value.span.0, "`ranges` takes four values for each range");
            return Err(error.help("write `[\"field\", 1, 9, \"tag:low\"]`"));
        }
        items.chunks_exact(4).map(one).collect::<Result<Vec<_>, _>>()
    });
    let mut ranges = ranges.unwrap_or_default();
    let fields: Vec<FieldRef> = ranges.iter().map(|range| range.field.clone()).collect();
    ranges.sort_by_key(|range| fields.iter().position(|field| *field == range.field));
    Some(Box::new(Range { ranges, negate }))
}

fn one(items: &[ast::Value]) -> typed::Read<OneRange> {
    let (from, to) = (typed::number(&items[1])?, typed::number(&items[2])?);
    let text = typed::text(&items[3])?;
    let at = items[3].span.0;
    let template = |text: &str| Template::parse(text).map_err(|wrong| Diagnostic::error(at, wrong.message));
    let action = match text.split_once(':') {
        None if text.eq_ignore_ascii_case("drop") => Action::Drop,
        Some(("tag", tag)) => Action::Tag(template(tag)?),
        Some(("field", rest)) if rest.contains(':') => {
            let (name, value) = rest.split_once(':').unwrap_or_default();
            let name = template(name)?;
            if let Some(Err(wrong)) = name.as_literal().map(FieldRef::parse) {
                return Err(Diagnostic::error(at, wrong.message));
            }
            Action::Field(name, template(value)?, number(value))
        }
        _ => {
            let error = Diagnostic::error(at, format!("`{text}` is no action"));
            return Err(error.help("write `drop`, `tag:name` or `field:name:value`"));
        }
    };
    Ok(OneRange { field: typed::field(&items[0])?, from, to, action })
}

/// The number that a text is, written as it would be printed.
fn number(text: &str) -> Option<Value> {
    let whole = text.parse().ok().filter(|number: &i64| number.to_string() == text);
    let float = || text.parse().ok().filter(|number: &f64| format!("{number:?}") == text);
    whole.map(Value::Int).or_else(|| float().map(Value::Float))
}

impl Filter for Range {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        for range in &self.ranges {
            let value = match event.get(&range.field).as_deref() {
                None => continue,
                Some(Value::Int(number)) => Some(*number as f64),
                Some(Value::Float(number)) => Some(*number),
                Some(Value::Str(text)) => Some(text.chars().count() as f64),
                Some(_) => None,
            };
            if value.is_some_and(|value| (range.from..=range.to).contains(&value)) == self.negate {
                continue;
            }
            match &range.action {
                Action::Drop => return Ok(Verdict::Drop),
                Action::Tag(tag) => {
                    let tag = render::rendered(tag, event, scratch.received);
                    event.tag(&tag);
                }
                Action::Field(name, value, number) => {
                    let Some(field) = field_of(name, event, scratch) else { continue };
                    let text = || Value::from(render::rendered(value, event, scratch.received));
                    // What is in the way stays.
                    _ = match event.get(&field).is_none_or(|known| matches!(*known, Value::Null | Value::Bool(false))) {
                        true => {
                            let value = number.clone().unwrap_or_else(text);
                            event.set(&field, value).is_ok()
                        }
                        false => {
                            let value = text();
                            append(event, &field, value)
                        }
                    };
                }
            }
        }
        Ok(Verdict::Matched)
    }
}
