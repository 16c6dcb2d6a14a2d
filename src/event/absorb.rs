//! Parsed fields become fields of an event.
//!
//! Dotted names nest (`log.level` -> `{"log":{"level":..}}`). Where a prefix of the name holds a scalar, the rest of the
//! name stays one key. A scalar at the name of an ECS object moves inside ([`ECS_OBJECTS`]); a scalar that meets an object
//! at its name is kept inside as `value`. Of two values for one name the last one counts, as in JSON. Text that borrows from the line
//! becomes a slice of it. The limits of [`super`] hold for every event that is made here.

use super::{DEPTH_MAX, Event, FIELDS_PER_EVENT_MAX, KEY_BYTES_MAX, Key, Map, Value};
use bytestring::ByteString;
use logship_parsers as parsers;
use std::borrow::Cow;

/// Names that are objects in the Elastic Common Schema, and the field inside that a bare scalar means.
pub const ECS_OBJECTS: &[(&str, &str)] = &[
    ("error", "message"),
    ("host", "name"),
    ("log", "value"),
    ("process", "name"),
    ("service", "name"),
    ("user", "name"),
];

impl Event {
    /// Moves parsed fields in. `line` is the text that they were parsed from: borrowed text becomes a slice of it.
    ///
    /// ```
    /// use logship::event::{Event, Timestamp, Value};
    /// let line = bytestring::ByteString::from("boom");
    /// let mut fields = logship_parsers::Fields::default();
    /// fields.push("log.level", logship_parsers::Value::text(&line));
    /// fields.push("host", logship_parsers::Value::text("web-1"));
    /// let mut event = Event::new(Timestamp::from_nanos(0));
    /// event.absorb(&line, fields);
    /// assert_eq!(event.fields.path("log.level"), Some(&Value::from("boom")));
    /// assert_eq!(event.fields.path("host.name"), Some(&Value::from("web-1")));
    /// ```
    pub fn absorb(&mut self, line: &ByteString, fields: parsers::Fields<'_>) {
        self.fields.reserve(fields.items.len());
        let mut taker = Taker { line, leaves: 0, tags: [None; 3] };
        for field in fields.items {
            if taker.leaves >= FIELDS_PER_EVENT_MAX {
                taker.tags[0] = Some("_toomanyfields");
                break;
            }
            let (name, value) = (field.name, field.value);
            if let Some(value) = taker.value(value, 1) {
                taker.put(&mut self.fields, &name, value, 0);
            }
        }
        for tag in fields.tags.into_iter().chain(taker.tags.into_iter().flatten()) {
            self.tag(tag);
        }
    }
}

/// One event's worth of conversion: what it counted and what it has to say.
struct Taker<'l> {
    line: &'l ByteString,
    leaves: usize,
    tags: [Option<&'static str>; 3],
}

impl Taker<'_> {
    fn text(&self, text: Cow<'_, str>) -> ByteString {
        match text {
            Cow::Owned(text) => text.into(),
            Cow::Borrowed(text) => slice_of(self.line, text).unwrap_or_else(|| text.into()),
        }
    }

    /// `None` when the event has all the fields that it may have.
    fn value(&mut self, value: parsers::Value<'_>, depth: usize) -> Option<Value> {
        let converted = match value {
            parsers::Value::Map(entries) if depth < DEPTH_MAX => return Some(self.object(entries, depth)),
            parsers::Value::List(items) if depth < DEPTH_MAX => {
                let mut list = Vec::with_capacity(items.len().min(FIELDS_PER_EVENT_MAX));
                for item in items {
                    match self.value(item, depth + 1) {
                        Some(item) => list.push(item),
                        None => break,
                    }
                }
                return Some(Value::List(list));
            }
            parsers::Value::Map(_) | parsers::Value::List(_) => {
                self.tags[1] = Some("_toodeep");
                Value::Null
            }
            parsers::Value::Null => Value::Null,
            parsers::Value::Bool(truth) => Value::Bool(truth),
            parsers::Value::Int(number) => Value::Int(number),
            parsers::Value::Float(number) => Value::Float(number),
            parsers::Value::Str(text) => Value::Str(self.text(text)),
        };
        if self.leaves >= FIELDS_PER_EVENT_MAX {
            self.tags[0] = Some("_toomanyfields");
            return None;
        }
        self.leaves += 1;
        Some(converted)
    }

    fn object(&mut self, entries: Vec<(Cow<'_, str>, parsers::Value<'_>)>, depth: usize) -> Value {
        let mut map = Map::with_capacity(entries.len().min(FIELDS_PER_EVENT_MAX));
        for (name, value) in entries {
            match self.value(value, depth + 1) {
                Some(value) => self.put(&mut map, &name, value, depth),
                None => break,
            }
        }
        Value::Map(map)
    }

    /// Puts a value at a dotted name below `map`, which itself lies `depth` levels deep.
    fn put(&mut self, map: &mut Map, name: &str, value: Value, depth: usize) {
        if let Some((head, rest)) = name.split_once('.')
            && !head.is_empty()
            && !rest.is_empty()
            && depth + 1 < DEPTH_MAX
        {
            match map.get_mut(head) {
                Some(Value::Map(inner)) => return self.put(inner, rest, value, depth + 1),
                Some(_) => {}
                None => {
                    // Most objects of dotted names have one field, and a map's first room would be for four.
                    let mut inner = Map::with_capacity(1);
                    self.put(&mut inner, rest, value, depth + 1);
                    let key = self.key(head);
                    map.insert(key, Value::Map(inner));
                    return;
                }
            }
        }
        self.place(map, name, value, depth);
    }

    /// Puts a value at one key of one level.
    fn place(&mut self, map: &mut Map, name: &str, value: Value, depth: usize) {
        if depth == 0
            && !matches!(value, Value::Map(_))
            && let Some((_, inside)) = ECS_OBJECTS.iter().find(|(object, _)| *object == name)
        {
            return self.move_inside(map, name, inside, value);
        }
        let key = self.key(name);
        match (map.get_mut(key.as_str()), value) {
            (Some(Value::Map(there)), Value::Map(more)) => merge(there, more),
            (Some(Value::Map(there)), scalar) => add(there, "value", scalar),
            (Some(there), Value::Map(mut more)) => {
                let scalar = std::mem::replace(there, Value::Null);
                add(&mut more, "value", scalar);
                *there = Value::Map(more);
            }
            (_, value) => {
                map.insert(key, value);
            }
        }
    }

    fn move_inside(&mut self, map: &mut Map, object: &str, inside: &str, value: Value) {
        match map.get_mut(object) {
            Some(Value::Map(there)) => add(there, inside, value),
            _ => {
                let mut inner = Map::default();
                add(&mut inner, inside, value);
                map.insert(Key::from(object), Value::Map(inner));
            }
        }
    }

    fn key(&mut self, name: &str) -> Key {
        if name.len() <= KEY_BYTES_MAX {
            return Key::from(name);
        }
        self.tags[2] = Some("_keytoolong");
        let mut end = KEY_BYTES_MAX;
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        Key::from(&name[..end])
    }
}

/// Adds a value beside one that may be there already: both are kept, as a list.
fn add(map: &mut Map, name: &str, value: Value) {
    match map.get_mut(name) {
        Some(there) if *there == value => {}
        Some(Value::List(items)) => items.push(value),
        Some(there) => {
            let first = std::mem::replace(there, Value::Null);
            *there = Value::List(vec![first, value]);
        }
        None => {
            map.insert(Key::from(name), value);
        }
    }
}

fn merge(there: &mut Map, more: Map) {
    for (key, value) in more {
        match (there.get_mut(key.as_str()), value) {
            (Some(Value::Map(inner)), Value::Map(more)) => merge(inner, more),
            (_, value) => {
                there.insert(key, value);
            }
        }
    }
}

/// The part of `line` that `text` is, where it lies inside.
pub(super) fn slice_of(line: &ByteString, text: &str) -> Option<ByteString> {
    let start = (text.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
    let end = start.checked_add(text.len())?;
    (end <= line.len()).then(|| line.slice_ref(&line[start..end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Timestamp, json};
    use parsers::Value as P;

    fn check(fields: Vec<(&str, P<'_>)>, expected: &str) {
        let line = ByteString::from("");
        let mut parsed = parsers::Fields::default();
        for (name, value) in fields {
            parsed.push(name.to_owned(), value);
        }
        let mut event = Event::new(Timestamp::from_nanos(0));
        event.absorb(&line, parsed);
        let mut out = String::new();
        json::write_event(&mut out, &event, None);
        let rest = out.strip_prefix("{\"@timestamp\":\"1970-01-01T00:00:00.000Z\"").unwrap();
        assert_eq!(format!("{{{}", rest.strip_prefix(',').unwrap_or(rest)), expected);
    }

    #[test]
    fn names_nest_and_nothing_is_lost() {
        let (one, two) = (|| P::Int(1), || P::Int(2));
        check(vec![("a.b", one()), ("a.c", two())], r#"{"a":{"b":1,"c":2}}"#);
        check(vec![("a", one()), ("a.b", two())], r#"{"a":1,"a.b":2}"#);
        check(vec![("a.b", one()), ("a", two())], r#"{"a":{"b":1,"value":2}}"#);
        check(vec![("host", P::text("h"))], r#"{"host":{"name":"h"}}"#);
        check(vec![("host", P::text("h")), ("host.name", P::text("i"))], r#"{"host":{"name":"i"}}"#);
        check(vec![("host.ip", P::text("::1")), ("host", P::text("h"))], r#"{"host":{"ip":"::1","name":"h"}}"#);
        check(vec![("error", P::text("no")), ("error.type", P::text("E"))], r#"{"error":{"message":"no","type":"E"}}"#);
        check(vec![("a", one()), ("a", two())], r#"{"a":2}"#);
        check(vec![(".", one()), ("a.", one()), (".b", two()), ("", one())], r#"{".":1,"a.":1,".b":2,"":1}"#);
        check(vec![("x", P::Map(vec![("y.z".into(), one())]))], r#"{"x":{"y":{"z":1}}}"#);
    }

    #[test]
    fn limits_hold() {
        let many: Vec<_> = (0..5_000).map(|n| (Cow::Owned(format!("k{n}")), P::Int(n))).collect();
        let mut parsed = parsers::Fields::default();
        parsed.push("m", P::Map(many));
        parsed.push("k".repeat(1_000), P::Int(1));
        let mut event = Event::new(Timestamp::from_nanos(0));
        event.absorb(&ByteString::from(""), parsed);
        assert_eq!(event.fields.get("m").unwrap().as_map().unwrap().len(), FIELDS_PER_EVENT_MAX);
        assert_eq!(event.fields.get("tags"), Some(&Value::List(vec!["_toomanyfields".into()])));

        let mut deep = P::Int(1);
        for _ in 0..100 {
            deep = P::Map(vec![("d".into(), deep)]);
        }
        let mut parsed = parsers::Fields::default();
        parsed.push("d", deep);
        parsed.push("a.".repeat(100) + "b", P::Int(1));
        parsed.push("k".repeat(1_000), P::Int(1));
        let mut event = Event::new(Timestamp::from_nanos(0));
        event.absorb(&ByteString::from(""), parsed);
        let mut out = String::new();
        json::write_event(&mut out, &event, None);
        assert!(out.contains("_toodeep") && out.contains("_keytoolong"), "{out}");
        assert!(out.matches('{').count() <= 2 * DEPTH_MAX + 1, "{out}");
    }

    #[test]
    fn borrowed_text_is_not_copied() {
        let line = ByteString::from("level=warn".to_owned());
        let mut parsed = parsers::Fields::default();
        parsed.push("l", P::text(&line[6..]));
        let mut event = Event::new(Timestamp::from_nanos(0));
        event.absorb(&line, parsed);
        let Some(Value::Str(text)) = event.fields.get("l") else { panic!() };
        assert_eq!(text.as_ptr(), line[6..].as_ptr());
    }
}
