//! What a parsed line is made of: names and values that borrow from the line.

use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::HashMap;

/// A value as parsed. Borrows from the line; owns only what an escape forced to be rebuilt.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// JSON `null`. Events keep it only where the sender wrote it.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// Any other finite number.
    Float(f64),
    /// Text.
    Str(Cow<'a, str>),
    /// A JSON array.
    List(Vec<Value<'a>>),
    /// A JSON object, in the order in which it was written; a repeated key is kept as often as it came.
    Map(Vec<(Cow<'a, str>, Value<'a>)>),
}

impl<'a> Value<'a> {
    /// Borrowed text.
    #[must_use]
    pub fn text(text: &'a str) -> Value<'a> {
        Value::Str(Cow::Borrowed(text))
    }

    /// The text of a string value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The same value, which borrows from nothing.
    #[must_use]
    pub fn into_owned<'b>(self) -> Value<'b> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(truth) => Value::Bool(truth),
            Value::Int(number) => Value::Int(number),
            Value::Float(number) => Value::Float(number),
            Value::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
            Value::List(items) => Value::List(items.into_iter().map(Value::into_owned).collect()),
            Value::Map(members) => {
                let owned =
                    |(name, value): (Cow<'_, str>, Value<'_>)| (Cow::Owned(name.into_owned()), value.into_owned());
                Value::Map(members.into_iter().map(owned).collect())
            }
        }
    }
}

/// One named value. Dots in the name are paths (`http.request.method`) unless the parser says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Field<'a> {
    /// The ECS name where the format has one, else the name as it was written.
    pub name: Cow<'a, str>,
    /// The value.
    pub value: Value<'a>,
}

/// Fields that need no allocation.
const INLINE: usize = 12;
/// Room for fields beyond those, made at once: the lines of load balancers and firewalls have so many.
const MORE: usize = 28;

/// Everything that a line says, in the order in which it says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields<'a> {
    /// The line's own time in UTC nanoseconds since 1970, where it has one that can be read and is in the
    /// years 1 to 9998 as far as nanoseconds in an `i64` reach (1677 to 2262).
    pub time: Option<i64>,
    /// The fields; `message` is one of them where the format has a message.
    pub items: SmallVec<[Field<'a>; INLINE]>,
    /// Tags to put on the event, such as `_timestampoutofrange`.
    pub tags: SmallVec<[&'static str; 1]>,
}

impl<'a> Fields<'a> {
    /// Adds a field at the end.
    pub fn push(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        if self.items.len() == INLINE {
            self.items.reserve_exact(MORE);
        }
        self.items.push(Field { name: name.into(), value });
    }

    /// Adds a text field unless the text is empty or the placeholder `-`.
    pub fn push_present(&mut self, name: &'static str, text: &'a str) {
        if !text.is_empty() && text != "-" {
            self.push(name, Value::text(text));
        }
    }

    /// The same fields, which borrow from nothing.
    #[must_use]
    pub fn into_owned<'b>(self) -> Fields<'b> {
        let owned =
            |field: Field<'_>| Field { name: Cow::Owned(field.name.into_owned()), value: field.value.into_owned() };
        Fields { time: self.time, items: self.items.into_iter().map(owned).collect(), tags: self.tags }
    }

    /// The first field of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.items.iter().find(|field| field.name == name).map(|field| &field.value)
    }
}

/// As many fields are looked through one by one, which is faster than a table.
const SCANNED_MAX: usize = 48;

/// Where fields stand by their names, for those who add many of them: quadratic time is what a look at all of them would
/// take for each. Fields may be added in between, but not renamed or removed.
#[derive(Debug, Default)]
pub(crate) struct Places<'a> {
    known: HashMap<Cow<'a, str>, usize>,
    seen: usize,
}

impl<'a> Places<'a> {
    /// The place of the first field of that name.
    pub(crate) fn of(&mut self, name: &str, fields: &Fields<'a>) -> Option<usize> {
        if fields.items.len() <= SCANNED_MAX {
            return fields.items.iter().position(|field| field.name == name);
        }
        for (at, field) in fields.items.iter().enumerate().skip(self.seen) {
            self.known.entry(field.name.clone()).or_insert(at);
        }
        self.seen = fields.items.len();
        self.known.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_first_of_a_name() {
        let (mut fields, mut places) = (Fields::default(), Places::default());
        for n in 0..3 * SCANNED_MAX {
            let name = (n % (2 * SCANNED_MAX)).to_string();
            let expected = fields.items.iter().position(|field| field.name == name);
            assert_eq!(places.of(&name, &fields), expected, "{n}");
            fields.push(name, Value::Null);
        }
    }
}
