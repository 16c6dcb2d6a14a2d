//! Parsed fields straight to JSON, without the [`Event`] between.
//!
//! Lines of one kind name the same fields again and again, and it is the names alone that say where each value stands in
//! the JSON. So the nesting is worked out once for a sequence of names, by the very code that makes events, and kept as
//! the text between the values.
//!
//! Promise: what is written is what [`json::write_event`] writes of the event. What depends on more than the names is not
//! written at all: objects as values, two values that become one list, tags.
//!
//! Limits: [`LAYOUTS_MAX`] sequences of at most [`NAMES_MAX`] names are remembered.

use super::{Event, FIELDS_PER_EVENT_MAX, Map, Timestamp, Value, json};
use bytestring::ByteString;
use logship_parsers as parsers;

/// Sequences of names that are remembered at a time.
pub const LAYOUTS_MAX: usize = 64;
/// Names of a sequence that is remembered: lines with more become events first.
pub const NAMES_MAX: usize = 60;
/// Elements of a list that is written without an event.
const ITEMS_MAX: usize = 16;

const _: () = assert!(NAMES_MAX * ITEMS_MAX <= FIELDS_PER_EVENT_MAX, "no limit of events is met here");

/// Where the values of lines with these names stand in the JSON.
#[derive(Debug)]
struct Layout {
    names: Vec<String>,
    /// The text before a value, and the place of the value's name. `None` where names alone do not tell.
    parts: Option<Vec<(String, usize)>>,
    /// The text behind the last value.
    end: String,
}

/// What is known of the sequences whose names have this sum.
#[derive(Debug, Default)]
struct Slot {
    sum: u64,
    /// Made when the sum is seen for the second time: lines that all differ are not worth it.
    layout: Option<Layout>,
}

/// The layouts of the lines seen so far.
#[derive(Debug)]
pub struct Layouts {
    slots: Vec<Slot>,
}

impl Default for Layouts {
    fn default() -> Layouts {
        Layouts { slots: (0..LAYOUTS_MAX).map(|_| Slot::default()).collect() }
    }
}

impl Layouts {
    /// Appends the JSON of the event that has this time and these fields. Says no, and appends nothing, where an event must
    /// be made first.
    ///
    /// ```
    /// use logship::event::{Timestamp, layout::Layouts};
    /// let mut fields = logship_parsers::Fields::default();
    /// fields.push("log.level", logship_parsers::Value::text("warn"));
    /// fields.push("message", logship_parsers::Value::text("slow"));
    /// let (mut layouts, mut out) = (Layouts::default(), String::new());
    /// let time = Timestamp::from_nanos(0);
    /// assert!(!layouts.write(&mut out, time, &fields), "a layout is made when it is needed again");
    /// assert!(layouts.write(&mut out, time, &fields));
    /// assert_eq!(out, r#"{"@timestamp":"1970-01-01T00:00:00.000Z","message":"slow","log":{"level":"warn"}}"#);
    /// ```
    pub fn write(&mut self, out: &mut String, time: Timestamp, fields: &parsers::Fields<'_>) -> bool {
        let items = &fields.items;
        if items.len() > NAMES_MAX || !fields.tags.is_empty() || !items.iter().all(|field| is_flat(&field.value)) {
            return false;
        }
        let sum = sum_of_names(fields);
        let slot = &mut self.slots[(sum % LAYOUTS_MAX as u64) as usize];
        if slot.sum != sum {
            *slot = Slot { sum, layout: None };
            return false;
        }
        let layout = slot.layout.get_or_insert_with(|| Layout::new(fields));
        let same = layout.names.len() == items.len()
            && layout.names.iter().zip(items).all(|(name, field)| *name == field.name);
        let Some(parts) = layout.parts.as_ref().filter(|_| same) else { return false };
        json::write_head(out, time);
        for (text, at) in parts {
            out.push_str(text);
            write_parsed(out, &items[*at].value);
        }
        out.push_str(&layout.end);
        true
    }
}

impl Layout {
    /// Makes an event of the names, each with its own place as its value, and looks where that went.
    fn new(fields: &parsers::Fields<'_>) -> Layout {
        let mut names = parsers::Fields::default();
        for (place, field) in fields.items.iter().enumerate() {
            names.push(&*field.name, parsers::Value::Int(place as i64));
        }
        let mut event = Event::new(Timestamp::default());
        event.absorb(&ByteString::new(), names);
        let mut parts = Parts::default();
        let told = json::in_order(&event.fields).try_for_each(|(key, value)| {
            parts.text.push(',');
            parts.member(key.as_str(), value)
        });
        parts.text.push('}');
        Layout {
            names: fields.items.iter().map(|field| field.name.to_string()).collect(),
            parts: told.map(|()| parts.done),
            end: parts.text,
        }
    }
}

#[derive(Default)]
struct Parts {
    done: Vec<(String, usize)>,
    /// What stands behind the last value so far.
    text: String,
}

impl Parts {
    fn member(&mut self, key: &str, value: &Value) -> Option<()> {
        json::write_text(&mut self.text, key);
        self.text.push(':');
        match value {
            Value::Int(place) => self.done.push((std::mem::take(&mut self.text), usize::try_from(*place).ok()?)),
            Value::Map(map) => self.object(map)?,
            // Two values for one name, or a tag.
            _ => return None,
        }
        Some(())
    }

    fn object(&mut self, map: &Map) -> Option<()> {
        self.text.push('{');
        for (number, (key, value)) in map.iter().enumerate() {
            if number > 0 {
                self.text.push(',');
            }
            self.member(key.as_str(), value)?;
        }
        self.text.push('}');
        Some(())
    }
}

/// Tells sequences of names apart by the lengths and the ends of the names, mostly.
fn sum_of_names(fields: &parsers::Fields<'_>) -> u64 {
    fields.items.iter().fold(1, |sum: u64, field| {
        let name = field.name.as_bytes();
        let ends = [name.first(), name.last()].map(|end| u64::from(end.copied().unwrap_or_default()));
        let mixed = (sum ^ name.len() as u64 ^ ends[0] << 16 ^ ends[1] << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ mixed >> 32
    })
}

/// Whether the value has no names in it and is short enough to be within every limit.
fn is_flat(value: &parsers::Value<'_>) -> bool {
    let is_scalar = |value: &_| !matches!(value, parsers::Value::Map(_) | parsers::Value::List(_));
    match value {
        parsers::Value::List(items) => items.len() <= ITEMS_MAX && items.iter().all(is_scalar),
        value => is_scalar(value),
    }
}

fn write_parsed(out: &mut String, value: &parsers::Value<'_>) {
    match value {
        parsers::Value::Str(text) => json::write_text(out, text),
        parsers::Value::Int(number) => json::write_int(out, *number),
        parsers::Value::Float(number) => json::write_float(out, *number),
        parsers::Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        parsers::Value::List(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write_parsed(out, item);
            }
            out.push(']');
        }
        parsers::Value::Null | parsers::Value::Map(_) => out.push_str("null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parsers::Value as P;
    use proptest::prelude::*;

    /// Writes twice: whatever the layout writes is what the event's JSON is. Says whether it wrote.
    fn check(layouts: &mut Layouts, fields: &parsers::Fields<'_>) -> bool {
        let time = Timestamp::from_nanos(fields.items.len() as i64);
        let mut event = Event::new(time);
        event.absorb(&ByteString::new(), fields.clone());
        let (mut expected, mut written) = (String::new(), false);
        json::write_event(&mut expected, &event, None);
        for _ in 0..2 {
            let mut out = String::from("before");
            written = layouts.write(&mut out, time, fields);
            assert_eq!(out.strip_prefix("before").unwrap(), if written { &expected } else { "" });
        }
        written
    }

    fn fields<'a>(items: &[(&'a str, P<'a>)]) -> parsers::Fields<'a> {
        let mut fields = parsers::Fields::default();
        items.iter().for_each(|(name, value)| fields.push(*name, value.clone()));
        fields
    }

    #[test]
    fn usual_lines_need_no_event() {
        let one = || P::Int(1);
        let mut layouts = Layouts::default();
        let mut writes = |items: &[(&str, P<'_>)]| check(&mut layouts, &fields(items));
        assert!(writes(&[]));
        assert!(writes(&[
            ("source.ip", one()),
            ("http.a", one()),
            ("x", P::Null),
            ("http.b.c", one()),
            ("message", one())
        ]));
        assert!(writes(&[("source.ip", P::text("\"")), ("http.a", P::Float(0.5)), ("host", P::Bool(true))]));
        assert!(writes(&[("a", one()), ("a.b", one()), ("tags", P::List(vec![one(), P::Float(f64::NAN)]))]));
        assert!(writes(&[("a", one()), ("b", one()), ("a", P::Int(2)), ("@timestamp", one())]));
        assert!(!writes(&[("a", P::Map(vec![("b".into(), one())]))]));
        assert!(writes(&[("host", one()), ("host.name", P::Int(2))]));
        assert!(!writes(&[("host.name", one()), ("host", one())]));
        assert!(!writes(&[(&"k".repeat(1_000), one())]));
    }

    #[test]
    fn tags_need_an_event() {
        let mut tagged = fields(&[("a", P::Int(1))]);
        tagged.tags.push("_truncated");
        assert!(!check(&mut Layouts::default(), &tagged));
    }

    #[test]
    fn names_with_one_sum_are_told_apart() {
        let mut layouts = Layouts::default();
        assert!(check(&mut layouts, &fields(&[("abc", P::Int(1))])));
        assert!(!check(&mut layouts, &fields(&[("axc", P::Int(1))])));
    }

    fn value() -> impl Strategy<Value = P<'static>> {
        let scalar = prop_oneof![
            Just(P::Null),
            any::<bool>().prop_map(P::Bool),
            any::<i64>().prop_map(P::Int),
            any::<f64>().prop_map(P::Float),
            "(?s).{0,40}".prop_map(|text| P::Str(text.into())),
        ];
        scalar.prop_recursive(2, 8, 4, |inner| {
            let map = prop::collection::vec(("[ab.]{0,3}".prop_map(Into::into), inner.clone()), 0..3);
            prop_oneof![prop::collection::vec(inner, 0..3).prop_map(P::List), map.prop_map(P::Map)]
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_the_events_json(
            lines in prop::collection::vec(prop::collection::vec(("(host|message|@timestamp|tags|[ab\"]|\\.){0,4}", value()), 0..6), 1..6)
        ) {
            let mut layouts = Layouts::default();
            for line in &lines {
                let mut fields = parsers::Fields::default();
                line.iter().for_each(|(name, value)| fields.push(name.as_str(), value.clone()));
                check(&mut layouts, &fields);
            }
        }
    }
}
