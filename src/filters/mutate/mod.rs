//! `mutate { }`: changes to fields.
//!
//! They are made in this order, whatever the order of the options: `coerce`, `rename`, `update`, `replace`, `convert`, `gsub`,
//! `uppercase`, `capitalize`, `lowercase`, `strip`, `split`, `join`, `merge`, `copy`. Where one fails, the rest is left out and
//! the event is tagged (`tag_on_failure`, `_mutate_error`). For another order take several filters.

mod convert;
mod text;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict, decorate::field_of};
use crate::{
    config::{Expression, Options},
    event::{Event, Value, render},
};
use convert::Type;
use logship_parsers::config::{Diagnostic, FieldRef, Template, ast, typed};
use std::{borrow::Cow, fmt::Display};

pub(super) use text::capitalized;

pub(super) const KIND: FilterKind = FilterKind {
    name: "mutate",
    summary: "Renames, converts and changes fields",
    options: &[
        "capitalize",
        "coerce",
        "convert",
        "copy",
        "gsub",
        "join",
        "lowercase",
        "merge",
        "rename",
        "replace",
        "split",
        "strip",
        "tag_on_failure",
        "update",
        "uppercase",
    ],
    build,
};

/// What becomes of a text.
type Change = fn(&str) -> String;

/// A change and what it needs.
#[derive(Debug)]
enum Step {
    Coerce(FieldRef, Template),
    Rename(Template, Template),
    Update(FieldRef, Template),
    Replace(FieldRef, Template),
    Convert(FieldRef, Type),
    Gsub { field: FieldRef, needle: Needle, replacement: Template },
    Text(FieldRef, Change),
    Split(FieldRef, String),
    Join(FieldRef, String),
    Merge(FieldRef, Vec<FieldRef>),
    Copy(FieldRef, FieldRef),
}

/// What `gsub` looks for.
#[derive(Debug)]
enum Needle {
    Fixed(Expression),
    /// With pieces of the event in it: compiled for each.
    Template(Template),
}

#[derive(Debug)]
struct Mutate {
    steps: Vec<Step>,
    tag_on_failure: Vec<String>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let owned = |value: &ast::Value| typed::text(value).map(str::to_owned);
    let mut steps = Vec::new();
    type Make = fn((FieldRef, Template)) -> Step;
    let with_template = |name, make: Make, options: &mut Options<'_>, steps: &mut Vec<Step>| {
        steps.extend(options.pairs(name, typed::field, typed::template).into_iter().map(make));
    };
    with_template("coerce", |(field, value)| Step::Coerce(field, value), options, &mut steps);
    let renames = options.pairs("rename", typed::template, typed::template);
    steps.extend(renames.into_iter().map(|(old, new)| Step::Rename(old, new)));
    with_template("update", |(field, value)| Step::Update(field, value), options, &mut steps);
    with_template("replace", |(field, value)| Step::Replace(field, value), options, &mut steps);
    let conversions = options.pairs("convert", typed::field, convert::read);
    steps.extend(conversions.into_iter().map(|(field, to)| Step::Convert(field, to)));
    gsub(options, &mut steps);
    let changes: [(&str, Change); 4] = [
        ("uppercase", |text| text.to_uppercase()),
        ("capitalize", text::capitalized),
        ("lowercase", |text| text.to_lowercase()),
        ("strip", text::stripped),
    ];
    for (name, change) in changes {
        steps.extend(options.each(name, typed::field).into_iter().map(|field| Step::Text(field, change)));
    }
    let splits = options.pairs("split", typed::field, owned);
    steps.extend(splits.into_iter().map(|(field, separator)| Step::Split(field, separator)));
    let joins = options.pairs("join", typed::field, owned);
    steps.extend(joins.into_iter().map(|(field, separator)| Step::Join(field, separator)));
    let fields = |value: &ast::Value| typed::list(value).iter().map(typed::field).collect::<Result<Vec<_>, _>>();
    let merges = options.pairs("merge", typed::field, fields);
    steps.extend(merges.into_iter().map(|(into, from)| Step::Merge(into, from)));
    let copies = options.pairs("copy", typed::field, typed::field);
    steps.extend(copies.into_iter().map(|(from, to)| Step::Copy(from, to)));
    let tag_on_failure = match options.is_given("tag_on_failure") {
        true => options.each("tag_on_failure", owned),
        false => vec!["_mutate_error".to_owned()],
    };
    Some(Box::new(Mutate { steps, tag_on_failure }))
}

/// `gsub => [field, pattern, replacement, ...]`
fn gsub(options: &mut Options<'_>, steps: &mut Vec<Step>) {
    let Some(whole) = options.value("gsub").cloned() else { return };
    let items = typed::list(&whole);
    if !items.len().is_multiple_of(3) {
        let error = Diagnostic::error(whole.span.0, "`gsub` takes three values for each replacement");
        return options.report(error.help("write `gsub => [\"field\", \"pattern\", \"replacement\"]`"));
    }
    for triple in items.chunks_exact(3) {
        let [field, pattern, replacement] = triple else { continue };
        let needle = |value: &ast::Value| {
            let template = typed::template(value)?;
            match template.as_literal() {
                None => Ok(Needle::Template(template)),
                Some(text) => {
                    let regex = Expression::new(text).map_err(|cause| Diagnostic::error(value.span.0, cause))?;
                    Ok(Needle::Fixed(regex))
                }
            }
        };
        match (typed::field(field), needle(pattern), typed::template(replacement)) {
            (Ok(field), Ok(needle), Ok(replacement)) => steps.push(Step::Gsub { field, needle, replacement }),
            (field, needle, replacement) => {
                let wrong = [field.err(), needle.err(), replacement.err()];
                wrong.into_iter().flatten().for_each(|wrong| options.report(wrong));
            }
        }
    }
}

impl Filter for Mutate {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        for step in &self.steps {
            step.take(event, scratch).map_err(|cause| FilterError::new(&self.tag_on_failure, cause))?;
        }
        Ok(Verdict::Matched)
    }
}

/// Why a step failed, in a sentence.
type Outcome = Result<(), String>;

fn set(event: &mut Event, field: &FieldRef, value: Value) -> Outcome {
    event.set(field, value).map_err(|cause| format!("{field}: {cause}"))
}

impl Step {
    fn take(&self, event: &mut Event, scratch: &mut Scratch) -> Outcome {
        let rendered =
            |template: &Template, event: &Event| Value::from(render::rendered(template, event, scratch.received));
        match self {
            Step::Coerce(field, value) => match event.get(field).as_deref() {
                Some(Value::Null) => set(event, field, rendered(value, event)),
                _ => Ok(()),
            },
            Step::Rename(old, new) => {
                let (old, new) = (field_of(old, event, scratch), field_of(new, event, scratch));
                let (Some(old), Some(new)) = (old, new) else { return Err("`rename`: no field name".to_owned()) };
                match event.remove(&old) {
                    Some(value) => set(event, &new, value),
                    None => Ok(()),
                }
            }
            Step::Update(field, _) if !event.contains(field) => Ok(()),
            Step::Update(field, value) | Step::Replace(field, value) => set(event, field, rendered(value, event)),
            Step::Convert(field, to) => match event.get(field).as_deref() {
                None | Some(Value::Null | Value::Map(_)) => Ok(()),
                Some(value) => {
                    let converted = convert::converted(value, *to)?;
                    set(event, field, converted)
                }
            },
            Step::Gsub { field, needle, replacement } => {
                let replacement = render::rendered(replacement, event, scratch.received);
                let needle = match needle {
                    Needle::Fixed(regex) => Cow::Borrowed(regex),
                    Needle::Template(template) => {
                        Cow::Owned(Expression::new(&render::rendered(template, event, scratch.received))?)
                    }
                };
                map_texts(event, field, |text| text::replaced(text, &needle, &replacement))
            }
            Step::Text(field, change) => map_texts(event, field, change),
            Step::Split(field, separator) => {
                let Some(text) = event.text(field) else { return Ok(()) };
                let parts = text::split(text, separator).map(Value::from).collect();
                set(event, field, Value::List(parts))
            }
            Step::Join(field, separator) => {
                let joined = match event.get(field).as_deref() {
                    Some(Value::List(items)) => text::joined(items, separator),
                    _ => return Ok(()),
                };
                set(event, field, Value::from(joined))
            }
            Step::Merge(into, from) => from.iter().try_for_each(|from| merge(event, into, from)),
            Step::Copy(from, to) => match event.get(from).map(Cow::into_owned) {
                None | Some(Value::Null) => Ok(()),
                Some(value) => set(event, to, value),
            },
        }
    }
}

/// Changes a text, or each text of a list.
fn map_texts(event: &mut Event, field: &FieldRef, change: impl Fn(&str) -> String) -> Outcome {
    let changed = match event.get(field).as_deref() {
        Some(Value::Str(text)) => Value::from(change(text)),
        Some(Value::List(items)) => {
            let each = |item: &Value| match item {
                Value::Str(text) => Value::from(change(text)),
                other => other.clone(),
            };
            Value::List(items.iter().map(each).collect())
        }
        _ => return Ok(()),
    };
    set(event, field, changed)
}

/// Adds the values of a field to those of another. An object and something else are left alone.
fn merge(event: &mut Event, into: &FieldRef, from: &FieldRef) -> Outcome {
    let listed = |value: Option<Cow<'_, Value>>| match value.map(Cow::into_owned) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::List(items)) => items,
        Some(value) => vec![value],
    };
    let merged = match (event.get(into).as_deref(), event.get(from).as_deref()) {
        (Some(Value::Map(there)), Some(Value::Map(more))) => {
            let mut map = there.clone();
            more.iter().for_each(|(key, value)| drop(map.insert(key.clone(), value.clone())));
            Value::Map(map)
        }
        (Some(Value::Map(_)), _) | (_, Some(Value::Map(_))) => return Ok(()),
        _ => {
            let mut items = listed(event.get(into));
            items.append(&mut listed(event.get(from)));
            Value::List(items)
        }
    };
    set(event, into, merged)
}

fn unreadable(value: impl Display, to: &str) -> String {
    format!("`{value}` is no {to}")
}
