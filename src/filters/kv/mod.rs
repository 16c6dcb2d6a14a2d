//! `kv { }`: fields from `key=value` pairs in a text.
//!
//! `field_split` (a space) and `value_split` (`=`) are sets of characters, `field_split_pattern` and `value_split_pattern`
//! expressions. Values may stand in quotes and, with `include_brackets`, in brackets, if the field ends behind them. With
//! `whitespace => "lenient"` there may be spaces around what splits a value. A key is trimmed, rid of characters, changed in case,
//! looked for in `include_keys` and `exclude_keys`, then prefixed; a value is treated the same way. A key that comes twice is a
//! list. Pairs go to the root of the event or into `target`.
//!
//! `default_keys` are set where there is no such key, also where the source is missing. Where there is nothing to set there is nothing
//! to do. What cannot be set is tagged (`tag_on_failure`, `_kv_filter_error`). The time is linear in the text, or bounded where an
//! expression looks around, so `timeout_millis` and `tag_on_timeout` have no effect.

mod scan;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict, tags};
use crate::{
    config::{Expression, Options},
    event::{Event, Map, TAGS, Value, render},
};
use bytestring::ByteString;
use logship_parsers::config::{Diagnostic, FieldRef, Template, ast, typed};
use scan::{CharSet, Scanner, Splitter};
use std::{borrow::Cow, slice};

pub(super) const KIND: FilterKind = FilterKind {
    name: "kv",
    summary: "Reads key=value pairs",
    options: &[
        "allow_duplicate_values",
        "allow_empty_values",
        "default_keys",
        "exclude_keys",
        "field_split",
        "field_split_pattern",
        "include_brackets",
        "include_keys",
        "prefix",
        "recursive",
        "remove_char_key",
        "remove_char_value",
        "source",
        "tag_on_failure",
        "tag_on_timeout",
        "target",
        "timeout_millis",
        "transform_key",
        "transform_value",
        "trim_key",
        "trim_value",
        "value_split",
        "value_split_pattern",
        "whitespace",
    ],
    build,
};

/// How deep pairs in values are read.
const RECURSION_MAX: usize = 10;
/// Room for the pairs of most texts.
const PAIRS: usize = 8;

/// What is done to keys, or to values.
#[derive(Debug, Default)]
struct Changes {
    trim: Option<CharSet>,
    remove: Option<CharSet>,
    transform: Option<fn(&str) -> String>,
}

#[derive(Debug)]
struct Kv {
    source: FieldRef,
    target: Option<FieldRef>,
    scanner: Scanner,
    keys: Changes,
    values: Changes,
    include_keys: Vec<Template>,
    exclude_keys: Vec<Template>,
    default_keys: Vec<(Template, Template)>,
    prefix: Option<Template>,
    allow_empty_values: bool,
    allow_duplicate_values: bool,
    recursive: bool,
    tag_on_failure: Vec<String>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    _ = options.get("timeout_millis", typed::integer);
    _ = options.get("tag_on_timeout", |value| typed::text(value).map(drop));
    let whitespace = options
        .get("whitespace", |value| typed::choice(value, &["lenient", "strict"]).map(|choice| choice == "lenient"));
    let is_lenient = whitespace.unwrap_or(true);
    let field = splitter(options, "field_split", " ");
    let value = splitter(options, "value_split", "=");
    let keys = changes(options, ["trim_key", "remove_char_key", "transform_key"]);
    let values = changes(options, ["trim_value", "remove_char_value", "transform_value"]);
    let include_brackets = options.flag("include_brackets", true);
    Some(Box::new(Kv {
        source: options.field("source").unwrap_or_else(|| FieldRef { parts: vec!["message".to_owned()] }),
        target: options.field("target"),
        keys,
        values,
        include_keys: options.templates("include_keys"),
        exclude_keys: options.templates("exclude_keys"),
        default_keys: options.pairs("default_keys", typed::template, typed::template),
        prefix: options.get("prefix", typed::template),
        allow_empty_values: options.flag("allow_empty_values", false),
        allow_duplicate_values: options.flag("allow_duplicate_values", true),
        recursive: options.flag("recursive", false),
        tag_on_failure: tags(options, "tag_on_failure", "_kv_filter_error"),
        scanner: Scanner::new(field?, value?, include_brackets, is_lenient),
    }))
}

/// The splitter of `name`, or of `name_pattern` where that is given.
fn splitter(options: &mut Options<'_>, name: &str, default: &str) -> Option<Splitter> {
    let pattern = format!("{name}_pattern");
    if options.is_given(&pattern) {
        return options.get(&pattern, |value| not_empty(value, Expression::of)).map(Splitter::Pattern);
    }
    match options.is_given(name) {
        true => options.get(name, |value| not_empty(value, set)).map(Splitter::Set),
        false => CharSet::new(default).ok().map(Splitter::Set),
    }
}

/// What splits has to be something.
fn not_empty<T>(value: &ast::Value, read: impl Fn(&ast::Value) -> typed::Read<T>) -> typed::Read<T> {
    match typed::text(value)? {
        "" => Err(Diagnostic::error(value.span.0, "nothing splits nothing: this must not be empty")),
        _ => read(value),
    }
}

fn set(value: &ast::Value) -> typed::Read<CharSet> {
    CharSet::new(typed::text(value)?)
        .map_err(|cause| Diagnostic::error(value.span.0, format!("this is no set of characters: {cause}")))
}

fn changes(options: &mut Options<'_>, [trim, remove, transform]: [&str; 3]) -> Changes {
    let transform = options.get(transform, |value| {
        Ok(match typed::choice(value, &["capitalize", "lowercase", "uppercase"])? {
            "lowercase" => str::to_lowercase,
            "uppercase" => str::to_uppercase,
            _ => super::mutate::capitalized as fn(&str) -> String,
        })
    });
    Changes { trim: options.get(trim, set), remove: options.get(remove, set), transform }
}

impl Changes {
    #[inline]
    fn made<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(match &self.trim {
            Some(set) => text.trim_matches(|c| set.has(c)),
            None => text,
        });
        if let Some(set) = &self.remove
            && text.contains(|c| set.has(c))
        {
            text = Cow::Owned(text.chars().filter(|c| !set.has(*c)).collect());
        }
        match self.transform {
            Some(transform) => Cow::Owned(transform(&text)),
            None => text,
        }
    }
}

/// What depends on the event and not on its pairs.
struct Wanted {
    include_keys: Vec<String>,
    exclude_keys: Vec<String>,
    prefix: String,
}

impl Filter for Kv {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let rendered = |template: &Template, event: &Event| render::rendered(template, event, scratch.received);
        let source = event.get(&self.source);
        let texts = match source.as_deref() {
            Some(text @ Value::Str(_)) => slice::from_ref(text),
            Some(Value::List(items)) => items,
            _ if self.default_keys.is_empty() => return Ok(Verdict::Unmatched),
            _ => &[],
        };
        let all = |names: &[Template]| names.iter().map(|name| rendered(name, event)).collect();
        let wanted = Wanted {
            include_keys: all(&self.include_keys),
            exclude_keys: all(&self.exclude_keys),
            prefix: self.prefix.as_ref().map(|prefix| rendered(prefix, event)).unwrap_or_default(),
        };
        let mut pairs = Map::with_capacity(PAIRS);
        for text in texts {
            if let Value::Str(text) = text {
                self.read(text, &wanted, &mut pairs, 0);
            }
        }
        for (key, value) in &self.default_keys {
            let key = rendered(key, event);
            if pairs.get(&key).is_none() {
                pairs.push_new(&key, Value::from(rendered(value, event)));
            }
        }
        if pairs.is_empty() {
            return Ok(Verdict::Unmatched);
        }
        let fail = |cause| FilterError::new(&self.tag_on_failure, cause);
        match &self.target {
            Some(target) => event.set(target, Value::Map(pairs)).map_err(fail)?,
            None if pairs.iter().all(|(key, _)| is_plain(key.as_str())) => event.fields.insert_all(pairs),
            None => {
                for (key, value) in pairs {
                    match FieldRef::parse(key.as_str()) {
                        Ok(field) => event.set(&field, value).map_err(fail)?,
                        // A key of the text that reads like a broken reference is a name like any other.
                        Err(_) => _ = event.fields.insert(key, value),
                    }
                }
            }
        }
        Ok(Verdict::Matched)
    }
}

/// Whether setting the field of this name is nothing but that.
fn is_plain(name: &str) -> bool {
    !matches!(name.as_bytes(), [] | [b'@', ..]) && name != TAGS && !name.bytes().any(|byte| matches!(byte, b'[' | b']'))
}

impl Kv {
    fn read(&self, text: &ByteString, wanted: &Wanted, pairs: &mut Map, depth: usize) {
        self.scanner.each(text, |key, value| {
            if value.is_empty() && !self.allow_empty_values {
                return;
            }
            let key = self.keys.made(key);
            let is_in = |names: &[String]| names.iter().any(|name| *name == *key);
            if !wanted.include_keys.is_empty() && !is_in(&wanted.include_keys) || is_in(&wanted.exclude_keys) {
                return;
            }
            let key = match wanted.prefix.as_str() {
                "" => key,
                prefix => Cow::Owned(format!("{prefix}{key}")),
            };
            let value = match self.values.made(value) {
                Cow::Borrowed(value) => text.slice_ref(value),
                Cow::Owned(value) => value.into(),
            };
            if !self.allow_duplicate_values && has(pairs.get(&key), &value) {
                return;
            }
            let mut inner = Map::default();
            if self.recursive && depth < RECURSION_MAX {
                self.read(&value, wanted, &mut inner, depth + 1);
            }
            add(pairs, &key, if inner.is_empty() { Value::Str(value) } else { Value::Map(inner) });
        });
    }
}

fn has(known: Option<&Value>, text: &str) -> bool {
    match known {
        Some(Value::List(items)) => items.iter().any(|item| item.as_str() == Some(text)),
        Some(value) => value.as_str() == Some(text),
        None => false,
    }
}

/// Sets a key; the second time it is a list.
fn add(pairs: &mut Map, key: &str, value: Value) {
    match pairs.get_mut(key) {
        None => pairs.push_new(key, value),
        Some(Value::List(items)) => items.push(value),
        Some(first) => {
            let before = std::mem::replace(first, Value::Null);
            *first = Value::List(vec![before, value]);
        }
    }
}
