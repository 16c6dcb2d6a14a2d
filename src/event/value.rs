//! A value of a field.

use super::{Map, Timestamp};
use bytestring::ByteString;

/// A value of a field. At most 40 bytes, so that a field list stays in cache.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, kept only where the sender wrote it.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits.
    Int(i64),
    /// Any other finite number.
    Float(f64),
    /// Text, often a slice of the line that it came from.
    Str(ByteString),
    /// A point in time; JSON shows it as RFC 3339.
    Time(Timestamp),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Map(Map),
}

const _: () = assert!(size_of::<Value>() <= 40);

impl Value {
    /// The text of a string value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The object, where it is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Str(ByteString::from(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Str(ByteString::from(text))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}
