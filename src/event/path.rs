//! Fields by reference, as pipelines name them: `[a][b]`, `[tags][-1]`, `[@metadata][x]`, `@timestamp`.
//!
//! A part that is a number is an index in a list and a key in a map. `@timestamp` is [`Event::time`], `@metadata` is
//! [`Event::meta`]. Setting makes the objects on the way; it fails where a scalar is in the way, where `@timestamp` would be
//! no time, and where `tags` would be neither a text nor a list of texts.

use super::{Event, Map, Value};
use logship_parsers::config::{FieldRef, METADATA};
use std::{borrow::Cow, fmt};

/// The name of [`Event::time`].
pub const TIMESTAMP: &str = "@timestamp";
/// The name of the tags.
pub const TAGS: &str = "tags";
/// Elements that a list may be filled up with when one beyond its end is set.
pub const PADDING_MAX: usize = 1_000;

/// Why a field cannot be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetError {
    /// A text or number stands where an object or list is needed.
    ThroughScalar,
    /// A list has no such place.
    NoSuchIndex,
    /// `@timestamp` takes times only.
    NoTime,
    /// `tags` takes a text or a list of texts only.
    NoTags,
    /// `@metadata` takes an object only.
    NoObject,
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetError::ThroughScalar => "a field on the way is neither an object nor a list",
            SetError::NoSuchIndex => "the list has no such place",
            SetError::NoTime => "`@timestamp` takes times only",
            SetError::NoTags => "`tags` takes a text or a list of texts only",
            SetError::NoObject => "`@metadata` takes an object only",
        })
    }
}

impl std::error::Error for SetError {}

impl Event {
    /// The value of a field, `null` where it is that.
    #[must_use]
    pub fn get(&self, field: &FieldRef) -> Option<Cow<'_, Value>> {
        match field.parts.as_slice() {
            // Nearly all, and asked for by every condition.
            parts @ [first, ..] if !first.starts_with('@') => below(&self.fields, parts).map(Cow::Borrowed),
            [only] if only == TIMESTAMP => self.has_time.then_some(Cow::Owned(Value::Time(self.time))),
            [only] if only == METADATA => Some(Cow::Owned(Value::Map(self.meta.clone()))),
            [first, rest @ ..] if first == METADATA => below(&self.meta, rest).map(Cow::Borrowed),
            parts => below(&self.fields, parts).map(Cow::Borrowed),
        }
    }

    /// The text of a field that is one.
    #[must_use]
    pub fn text(&self, field: &FieldRef) -> Option<&str> {
        match self.get(field) {
            Some(Cow::Borrowed(Value::Str(text))) => Some(text),
            _ => None,
        }
    }

    /// Whether there is such a field, `null` included.
    #[must_use]
    pub fn contains(&self, field: &FieldRef) -> bool {
        self.get(field).is_some()
    }

    /// Sets a field.
    ///
    /// # Errors
    /// It cannot be set; nothing that was there has changed.
    pub fn set(&mut self, field: &FieldRef, value: Value) -> Result<(), SetError> {
        match field.parts.as_slice() {
            [only] if only == TIMESTAMP => {
                let Value::Time(time) = value else { return Err(SetError::NoTime) };
                (self.time, self.has_time) = (time, true);
                Ok(())
            }
            [only] if only == METADATA => {
                let Value::Map(map) = value else { return Err(SetError::NoObject) };
                self.meta = map;
                Ok(())
            }
            [only] if only == TAGS && !is_tags(&value) => Err(SetError::NoTags),
            [first, rest @ ..] if first == METADATA => place(&mut self.meta, rest, value),
            parts => place(&mut self.fields, parts, value),
        }
    }

    /// Takes a field out.
    pub fn remove(&mut self, field: &FieldRef) -> Option<Value> {
        match field.parts.as_slice() {
            [only] if only == TIMESTAMP => std::mem::take(&mut self.has_time).then_some(Value::Time(self.time)),
            [only] if only == METADATA => Some(Value::Map(std::mem::take(&mut self.meta))),
            [first, rest @ ..] if first == METADATA => take(&mut self.meta, rest),
            parts => take(&mut self.fields, parts),
        }
    }
}

/// Whether `tags` may be this.
pub(super) fn is_tags(value: &Value) -> bool {
    match value {
        Value::Str(_) => true,
        Value::List(items) => items.iter().all(|item| matches!(item, Value::Str(_))),
        _ => false,
    }
}

fn below<'m>(map: &'m Map, parts: &[String]) -> Option<&'m Value> {
    let (first, rest) = parts.split_first()?;
    rest.iter().try_fold(map.get(first)?, |value, part| match value {
        Value::Map(map) => map.get(part),
        Value::List(items) => items.get(FieldRef::index(part, items.len())?),
        _ => None,
    })
}

fn place(map: &mut Map, parts: &[String], value: Value) -> Result<(), SetError> {
    match parts {
        [] => Ok(()),
        [last] => {
            map.set(last, value);
            Ok(())
        }
        [first, rest @ ..] => match map.get_mut(first) {
            Some(inner) => place_in(inner, rest, value),
            None => {
                let mut inner = Map::with_capacity(1);
                place(&mut inner, rest, value)?;
                map.push_new(first, Value::Map(inner));
                Ok(())
            }
        },
    }
}

fn place_in(there: &mut Value, parts: &[String], value: Value) -> Result<(), SetError> {
    match there {
        Value::Map(map) => place(map, parts, value),
        Value::List(items) => place_at(items, parts, value),
        Value::Null => {
            let mut map = Map::with_capacity(1);
            place(&mut map, parts, value)?;
            *there = Value::Map(map);
            Ok(())
        }
        _ => Err(SetError::ThroughScalar),
    }
}

fn place_at(items: &mut Vec<Value>, parts: &[String], value: Value) -> Result<(), SetError> {
    let Some((part, rest)) = parts.split_first() else { return Ok(()) };
    let index = FieldRef::index(part, items.len()).or_else(|| part.parse().ok()).ok_or(SetError::NoSuchIndex)?;
    if index > items.len() + PADDING_MAX {
        return Err(SetError::NoSuchIndex);
    }
    if index >= items.len() {
        items.resize(index + 1, Value::Null);
    }
    let there = items.get_mut(index).ok_or(SetError::NoSuchIndex)?;
    if rest.is_empty() {
        *there = value;
        return Ok(());
    }
    place_in(there, rest, value)
}

fn take(map: &mut Map, parts: &[String]) -> Option<Value> {
    match parts {
        [] => None,
        [last] => map.remove(last),
        [first, rest @ ..] => take_in(map.get_mut(first)?, rest),
    }
}

fn take_in(value: &mut Value, parts: &[String]) -> Option<Value> {
    match (value, parts) {
        (Value::Map(map), parts) => take(map, parts),
        (Value::List(items), [last]) => {
            let index = FieldRef::index(last, items.len())?;
            Some(items.remove(index))
        }
        (Value::List(items), [first, rest @ ..]) => {
            let index = FieldRef::index(first, items.len())?;
            take_in(items.get_mut(index)?, rest)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Timestamp, json};
    use super::*;

    fn event(text: &str) -> Event {
        json::read_event(text).unwrap().0
    }

    fn field(text: &str) -> FieldRef {
        FieldRef::parse(text).unwrap()
    }

    #[test]
    fn fields_are_found() {
        let event = event(r#"{"a":{"b":[1,{"c":2}]},"n":null,"tags":["x","y"]}"#);
        let check = |name: &str, expected: Option<Value>| {
            assert_eq!(event.get(&field(name)).map(Cow::into_owned), expected, "{name}");
        };
        check("[a][b][0]", Some(Value::Int(1)));
        check("[a][b][-1][c]", Some(Value::Int(2)));
        check("[a][b][2]", None);
        check("n", Some(Value::Null));
        check("[n][x]", None);
        check("[tags][1]", Some(Value::from("y")));
        check("@timestamp", Some(Value::Time(Timestamp::default())));
        check("[@metadata][x]", None);
    }

    #[test]
    fn fields_are_set_and_removed() {
        let check = |before: &str, name: &str, expected: Result<&str, SetError>| {
            let mut event = event(before);
            let set = event.set(&field(name), Value::Int(1));
            event.has_time = false;
            let mut out = String::new();
            json::write_event(&mut out, &event, None);
            assert_eq!(set.map(|()| out.as_str()), expected, "{before} {name}");
        };
        check("{}", "[a][b]", Ok(r#"{"a":{"b":1}}"#));
        check("{}", "[foo][0][x]", Ok(r#"{"foo":{"0":{"x":1}}}"#));
        check(r#"{"a":[0]}"#, "[a][2]", Ok(r#"{"a":[0,null,1]}"#));
        check(r#"{"a":[0]}"#, "[a][-1]", Ok(r#"{"a":[1]}"#));
        check(r#"{"a":[0]}"#, "[a][-2]", Err(SetError::NoSuchIndex));
        check(r#"{"a":[0]}"#, "[a][99999999]", Err(SetError::NoSuchIndex));
        check(r#"{"a":"x"}"#, "[a][b]", Err(SetError::ThroughScalar));
        check("{}", "@timestamp", Err(SetError::NoTime));
        check("{}", "tags", Err(SetError::NoTags));
        check("{}", "[@metadata][x]", Ok("{}"));
        let mut event = event(r#"{"a":{"b":[1,2]}}"#);
        assert_eq!(event.remove(&field("[a][b][0]")), Some(Value::Int(1)));
        assert_eq!(event.remove(&field("@timestamp")), Some(Value::Time(Timestamp::default())));
        assert!(!event.contains(&field("@timestamp")));
    }
}
