//! `translate { source => "code" dictionary => { "404" => "not found" } }`: another value for each value.
//!
//! The dictionary is in the config, or in a file (`dictionary_path`: YAML, JSON or CSV, by its ending), which is read when the
//! pipeline is loaded; `refresh_interval` has no effect. A value is looked up as a text, with `regex` by the first key that is an
//! expression that matches it, and with `exact => false` each key in it is replaced. What is found goes into `target`: the source
//! itself, or `translation` with `ecs_compatibility => disabled`. A target that is there stays unless `override`, which is the
//! default where it is the source. What is not found becomes `fallback`, or is nothing to do, which succeeds only where the target
//! is the source. `iterate_on` does so for each element of a list: for a field of each object, or, where it is the source, for
//! each text, with a list as the target.

mod dictionary;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Map, Value, render},
};
use dictionary::Dictionary;
use logship_parsers::config::{FieldRef, Template, typed};

pub(super) const KIND: FilterKind = FilterKind {
    name: "translate",
    summary: "Replaces values by a dictionary",
    options: &[
        "destination",
        "dictionary",
        "dictionary_path",
        "exact",
        "fallback",
        "field",
        "iterate_on",
        "override",
        "refresh_behaviour",
        "refresh_interval",
        "regex",
        "source",
        "target",
        "yaml_dictionary_code_point_limit",
        "yaml_load_strategy",
    ],
    build,
};

#[derive(Debug)]
struct Translate {
    source: FieldRef,
    target: FieldRef,
    iterate_on: Option<FieldRef>,
    dictionary: Dictionary,
    fallback: Option<Template>,
    overrides: bool,
    /// Whether the target is the source: then it succeeds whatever is found.
    replaces: bool,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    _ = options.get("refresh_behaviour", |value| typed::choice(value, &["merge", "replace"]).map(drop));
    _ = options.get("refresh_interval", typed::number);
    _ = options.get("yaml_dictionary_code_point_limit", typed::integer);
    _ = options.get("yaml_load_strategy", |value| typed::choice(value, &["one_shot", "streaming"]).map(drop));
    let old_target = options.field("destination");
    let target = options.field("target").or(old_target);
    let iterate_on = options.field("iterate_on");
    let is_ecs = options.ecs().is_on();
    let dictionary = dictionary::read(options);
    let fallback = options.get("fallback", typed::template);
    let overrides = options.get("override", typed::boolean);
    let source = match options.is_given("field") {
        true => options.field("field")?,
        false => options.required("source", typed::field)?,
    };
    let default = || if is_ecs { source.clone() } else { FieldRef { parts: vec!["translation".to_owned()] } };
    let target = target.unwrap_or_else(default);
    Some(Box::new(Translate {
        overrides: overrides.unwrap_or(target == source),
        replaces: target == source,
        source,
        target,
        iterate_on,
        dictionary: dictionary?,
        fallback,
    }))
}

impl Filter for Translate {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let done = match &self.iterate_on {
            None => {
                if !self.overrides && event.contains(&self.target) {
                    return Ok(Verdict::Unmatched);
                }
                let new = match event.get(&self.source).as_deref() {
                    None => return Ok(Verdict::Unmatched),
                    Some(Value::List(items)) => self.translated(items.first().unwrap_or(&Value::Null), event, scratch),
                    Some(value) => self.translated(value, event, scratch),
                };
                match new {
                    Some(new) => set(event, &self.target, new).map(|()| true)?,
                    None => self.replaces,
                }
            }
            Some(list) if *list == self.source => self.each_text(list, event, scratch)?,
            Some(list) => self.each_object(list, event, scratch)?,
        };
        Ok(if done { Verdict::Matched } else { Verdict::Unmatched })
    }
}

fn set(event: &mut Event, field: &FieldRef, value: Value) -> Result<(), FilterError> {
    event.set(field, value).map_err(|cause| FilterError::new(&[], cause))
}

impl Translate {
    /// What stands for a value.
    fn translated(&self, value: &Value, event: &Event, scratch: &Scratch) -> Option<Value> {
        let found = match value {
            Value::Str(text) => self.dictionary.find(text),
            other => {
                let mut text = String::new();
                render::write_text(&mut text, other);
                self.dictionary.find(&text)
            }
        };
        found.or_else(|| Some(Value::from(render::rendered(self.fallback.as_ref()?, event, scratch.received))))
    }

    /// A list of what stands for each element; those that stand for nothing stay null.
    fn each_text(&self, list: &FieldRef, event: &mut Event, scratch: &Scratch) -> Result<bool, FilterError> {
        if !self.overrides && event.contains(&self.target) {
            return Ok(false);
        }
        let new: Vec<Option<Value>> = match event.get(list).as_deref() {
            Some(Value::List(items)) => items.iter().map(|item| self.translated(item, event, scratch)).collect(),
            Some(value) => vec![self.translated(value, event, scratch)],
            None => return Ok(false),
        };
        if new.iter().all(Option::is_none) {
            return Ok(self.replaces);
        }
        let new = new.into_iter().map(|value| value.unwrap_or(Value::Null)).collect();
        set(event, &self.target, Value::List(new)).map(|()| true)
    }

    /// A field of each object.
    fn each_object(&self, list: &FieldRef, event: &mut Event, scratch: &Scratch) -> Result<bool, FilterError> {
        let Some(Value::List(mut items)) = event.get(list).map(std::borrow::Cow::into_owned) else { return Ok(false) };
        let mut done = false;
        for item in &mut items {
            let Value::Map(fields) = item else { continue };
            let mut inner = Event { fields: std::mem::take(fields), meta: Map::default(), ..Event::new(event.time) };
            if self.overrides || !inner.contains(&self.target) {
                let new = inner.get(&self.source).and_then(|value| self.translated(&value, event, scratch));
                done |= new.is_some_and(|new| inner.set(&self.target, new).is_ok());
            }
            *fields = inner.fields;
        }
        if done {
            set(event, list, Value::List(items))?;
        }
        Ok(done || self.replaces)
    }
}
