//! `range { ranges => ["ms", 0, 99, "tag:fast", "ms", 100, 999, "drop"] }`: what happens to events with a value in a range.
//!
//! Of a number its value counts, of a text its length. `drop` drops the event, `tag:name` adds a tag, `field:name:value` sets a
//! field, to a number where the value is one. `negate => true` means values outside of the range. What happens is done for all
//! ranges, in their order.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
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
    Field(FieldRef, Template),
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
    Some(Box::new(Range { ranges: ranges.unwrap_or_default(), negate }))
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
            let field = FieldRef::parse(name).map_err(|wrong| Diagnostic::error(at, wrong.message))?;
            Action::Field(field, template(value)?)
        }
        _ => {
            let error = Diagnostic::error(at, format!("`{text}` is no action"));
            return Err(error.help("write `drop`, `tag:name` or `field:name:value`"));
        }
    };
    Ok(OneRange { field: typed::field(&items[0])?, from, to, action })
}

impl Filter for Range {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        for range in &self.ranges {
            let value = match event.get(&range.field).as_deref() {
                Some(Value::Int(number)) => *number as f64,
                Some(Value::Float(number)) => *number,
                Some(Value::Str(text)) => text.chars().count() as f64,
                _ => continue,
            };
            if (range.from..=range.to).contains(&value) == self.negate {
                continue;
            }
            match &range.action {
                Action::Drop => return Ok(Verdict::Drop),
                Action::Tag(tag) => {
                    let tag = render::rendered(tag, event, scratch.received);
                    event.tag(&tag);
                }
                Action::Field(field, value) => {
                    let text = render::rendered(value, event, scratch.received);
                    let number = text.parse().map(Value::Int).or_else(|_| text.parse().map(Value::Float));
                    // What is in the way stays.
                    _ = event.set(field, number.unwrap_or_else(|_| Value::from(text)));
                }
            }
        }
        Ok(Verdict::Matched)
    }
}
