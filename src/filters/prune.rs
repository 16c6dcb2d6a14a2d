//! `prune { whitelist_names => ["^msg$"] }`: keeps or removes fields of the outermost level by their names or values.
//!
//! Fields whose names match none of `whitelist_names` go, then those that match one of `blacklist_names`, which by default are
//! names like `%{x}` that a template left behind. `whitelist_values` and `blacklist_values` do so with the values of the fields
//! that they name, of lists with each item: a list goes where none of its items stays. Fields that they do not name stay. Names and
//! expressions are templates with `interpolate => true`. `@timestamp`, `@version` and `tags` are fields as others.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::{Expression, Options},
    event::{Event, TIMESTAMP, Value, render},
};
use logship_parsers::config::{Template, ast, typed};

pub(super) const KIND: FilterKind = FilterKind {
    name: "prune",
    summary: "Keeps or removes fields by names and values",
    options: &["blacklist_names", "blacklist_values", "interpolate", "whitelist_names", "whitelist_values"],
    build,
};

/// An expression, or one with pieces of the event in it.
#[derive(Debug)]
enum Pattern {
    Fixed(Expression),
    Template(Template),
}

/// A name and what its values must match.
type OfValue = (Template, Pattern);

#[derive(Debug)]
struct Prune {
    whitelist_names: Vec<Pattern>,
    blacklist_names: Vec<Pattern>,
    whitelist_values: Vec<OfValue>,
    blacklist_values: Vec<OfValue>,
    interpolate: bool,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let interpolate = options.flag("interpolate", false);
    let pattern = |value: &ast::Value| {
        if interpolate {
            let template = typed::template(value)?;
            if template.as_literal().is_none() {
                return Ok(Pattern::Template(template));
            }
        }
        Expression::of(value).map(Pattern::Fixed)
    };
    let mut blacklist_names = options.each("blacklist_names", pattern);
    if !options.is_given("blacklist_names") {
        blacklist_names.extend(Expression::new("%\\{[^}]+\\}").ok().map(Pattern::Fixed));
    }
    Some(Box::new(Prune {
        whitelist_names: options.each("whitelist_names", pattern),
        blacklist_names,
        whitelist_values: options.pairs("whitelist_values", typed::template, pattern),
        blacklist_values: options.pairs("blacklist_values", typed::template, pattern),
        interpolate,
    }))
}

impl Filter for Prune {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let time_goes = event.has_time && !self.is_kept(TIMESTAMP, event, scratch);
        let changes: Vec<(String, Option<Value>)> = {
            let fields = event.fields.iter().map(|(key, value)| (key.as_str(), value));
            fields.filter_map(|field| Some((field.0.to_owned(), self.change(field, event, scratch)?))).collect()
        };
        event.has_time &= !time_goes;
        for (name, value) in changes {
            match value {
                Some(value) => drop(event.fields.insert(name.as_str().into(), value)),
                None => drop(event.fields.remove(&name)),
            }
        }
        Ok(Verdict::Matched)
    }
}

impl Prune {
    /// Whether a field of this name may stay.
    fn is_kept(&self, name: &str, event: &Event, scratch: &Scratch) -> bool {
        let is_named = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.matches(name, event, scratch));
        (self.whitelist_names.is_empty() || is_named(&self.whitelist_names)) && !is_named(&self.blacklist_names)
    }

    /// What becomes of a field that does not stay as it is: less of it, or nothing.
    fn change(&self, (name, value): (&str, &Value), event: &Event, scratch: &Scratch) -> Option<Option<Value>> {
        if !self.is_kept(name, event, scratch) {
            return Some(None);
        }
        let of_name = |(known, _): &&OfValue| match self.interpolate {
            true => render::rendered(known, event, scratch.received) == name,
            false => known.as_literal() == Some(name),
        };
        let stays = |value: &Value| {
            let matches = |(_, pattern): &OfValue| matches_value(pattern, value, event, scratch);
            self.whitelist_values.iter().filter(of_name).all(matches)
                && !self.blacklist_values.iter().filter(of_name).any(matches)
        };
        match value {
            Value::Null => None,
            Value::List(items) => {
                let kept: Vec<Value> = items.iter().filter(|item| stays(item)).cloned().collect();
                match kept.len() {
                    len if len == items.len() => None,
                    0 => Some(None),
                    _ => Some(Some(Value::List(kept))),
                }
            }
            value if stays(value) => None,
            _ => Some(None),
        }
    }
}

fn matches_value(pattern: &Pattern, value: &Value, event: &Event, scratch: &Scratch) -> bool {
    match value {
        Value::Str(text) => pattern.matches(text, event, scratch),
        other => {
            let mut text = String::new();
            render::write_text(&mut text, other);
            pattern.matches(&text, event, scratch)
        }
    }
}

impl Pattern {
    fn matches(&self, text: &str, event: &Event, scratch: &Scratch) -> bool {
        match self {
            Pattern::Fixed(regex) => regex.is_match(text),
            Pattern::Template(template) => {
                let pattern = render::rendered(template, event, scratch.received);
                Expression::new(&pattern).is_ok_and(|regex| regex.is_match(text))
            }
        }
    }
}
