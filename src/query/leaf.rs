//! One value of a field as queries see it, and when two values are equal or in order.
//!
//! Columns hold a string that is the canonical decimal of an i64 as that number, and whole and other numbers of one field
//! together as floats. So that an event and its columns give the same answers, such strings are numbers here too, and a
//! whole float is an integer.

use crate::event::{Map, Value};
use std::{borrow::Cow, cmp::Ordering};

/// The first whole float that stands for several integers.
pub(super) const FLOAT_EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The greatest whole number of an event, as a float.
const INT_FLOAT_MAX: f64 = 9_223_372_036_854_775_808.0;

/// A single value, neither null nor list nor object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Leaf<'a> {
    /// Text that is no canonical whole number.
    Text(&'a str),
    /// A whole number.
    Int(i64),
    /// A number with a fraction, or one beyond [`FLOAT_EXACT_MAX`].
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A point in time in nanoseconds.
    Time(i64),
}

impl<'a> Leaf<'a> {
    /// Text, or the number that it is the canonical decimal of.
    pub(super) fn of_text(text: &'a str) -> Leaf<'a> {
        canonical_int(text).map_or(Leaf::Text(text), Leaf::Int)
    }

    /// A float, or the whole number that it is.
    pub(super) fn of_float(number: f64) -> Leaf<'a> {
        if number.fract() == 0.0 && number.abs() < FLOAT_EXACT_MAX {
            #[allow(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
            let whole = number as i64;
            return Leaf::Int(whole);
        }
        Leaf::Float(number)
    }

    /// The value as text.
    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            Leaf::Text(text) => Cow::Borrowed(text),
            Leaf::Int(number) => Cow::Owned(number.to_string()),
            Leaf::Float(number) => Cow::Owned(format!("{number:?}")),
            Leaf::Bool(truth) => Cow::Borrowed(if truth { "true" } else { "false" }),
            Leaf::Time(nanos) => Cow::Owned(crate::event::Timestamp::from_nanos(nanos).to_string()),
        }
    }
}

/// Whether a number of a float column may stand for a whole number that it rounded.
pub(super) fn is_rounded(leaf: Leaf<'_>) -> bool {
    matches!(leaf, Leaf::Float(number) if (FLOAT_EXACT_MAX..=INT_FLOAT_MAX).contains(&number.abs()))
}

/// The number that a text is the canonical decimal of.
fn canonical_int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let canonical = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.len() < 19 && rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if canonical { text.parse().ok() } else { None }
}

/// Gives each leaf of a value to `test` until one passes; objects only where `inside` says so.
pub(super) fn any_leaf(value: &Value, inside: bool, test: &mut dyn FnMut(Leaf<'_>) -> bool) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => test(Leaf::Bool(*truth)),
        Value::Int(number) => test(Leaf::Int(*number)),
        Value::Float(number) if number.is_finite() => test(Leaf::of_float(*number)),
        Value::Float(_) => false,
        Value::Str(text) => test(Leaf::of_text(text)),
        Value::Time(time) => test(Leaf::Time(time.as_nanos())),
        Value::List(items) => items.iter().any(|item| any_leaf(item, inside, test)),
        Value::Map(map) => inside && map.iter().any(|(_, value)| any_leaf(value, true, test)),
    }
}

/// Gives each value at a dotted path to `found` until one passes. Keys that hold dots are found, and so are objects in
/// lists, as the columns have them; `inside` also finds keys that begin with the path and go on with a dot.
pub(super) fn any_at(map: &Map, path: &str, inside: bool, found: &mut dyn FnMut(&Value) -> bool) -> bool {
    map.iter().any(|(key, value)| match path.strip_prefix(key.as_str()) {
        Some("") => found(value),
        Some(rest) => rest.strip_prefix('.').is_some_and(|rest| any_below(value, rest, inside, found)),
        None => inside && key.as_str().strip_prefix(path).is_some_and(|rest| rest.starts_with('.')) && found(value),
    })
}

fn any_below(value: &Value, path: &str, inside: bool, found: &mut dyn FnMut(&Value) -> bool) -> bool {
    match value {
        Value::Map(map) => any_at(map, path, inside, found),
        Value::List(items) => items.iter().any(|item| any_below(item, path, inside, found)),
        _ => false,
    }
}

/// Lower case, character by character. A character outside ASCII never becomes an ASCII one (the Kelvin sign stays
/// itself), so that dictionaries can be searched byte by byte.
pub(super) fn folded(ch: char) -> impl Iterator<Item = char> {
    let mut lower = ch.to_lowercase();
    let keep = !ch.is_ascii() && lower.len() == 1 && lower.clone().all(|ch| ch.is_ascii());
    let first = if keep { Some(ch) } else { lower.next() };
    first.into_iter().chain(lower.filter(move |_| !keep))
}

/// Whether `text` in lower case is `lower`, which is in lower case already.
pub(super) fn equal_folded(text: &str, lower: &str) -> bool {
    if text.is_ascii() && lower.is_ascii() {
        return text.eq_ignore_ascii_case(lower);
    }
    text.chars().flat_map(folded).eq(lower.chars())
}

/// A number of a query times the unit that numbers of the field count in: `duration:>1s` on milliseconds is 1e9 with unit
/// 1e6.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Quantity {
    /// The number as typed, in its base unit.
    pub(super) number: Leaf<'static>,
    /// What one unit of a stored number is worth.
    pub(super) unit: i64,
}

impl Quantity {
    /// How a stored number relates to this one; none where it is no number.
    pub(super) fn order_of(&self, leaf: Leaf<'_>) -> Option<Ordering> {
        #[allow(clippy::cast_precision_loss, reason = "comparisons with floats are as exact as floats are")]
        let float = |int: i64| int as f64;
        match (leaf, self.number) {
            (Leaf::Int(stored), Leaf::Int(typed)) => {
                Some((i128::from(stored) * i128::from(self.unit)).cmp(&i128::from(typed)))
            }
            (Leaf::Int(stored), Leaf::Float(typed)) => (float(stored) * float(self.unit)).partial_cmp(&typed),
            (Leaf::Float(stored), Leaf::Int(typed)) => (stored * float(self.unit)).partial_cmp(&float(typed)),
            (Leaf::Float(stored), Leaf::Float(typed)) => (stored * float(self.unit)).partial_cmp(&typed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_decimals_are_numbers() {
        let cases: &[(&str, Option<i64>)] = &[
            ("0", Some(0)),
            ("-0", None),
            ("007", None),
            ("503", Some(503)),
            ("-5", Some(-5)),
            ("+5", None),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("5.0", None),
            ("", None),
            ("-", None),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical_int(text), *expected, "{text}");
        }
    }

    #[test]
    fn case_is_folded_beyond_ascii() {
        let cases =
            [("ÄÖ", "äö", true), ("Web", "web", true), ("\u{212a}", "k", false), ("\u{212a}", "\u{212a}", true)];
        for (text, lower, expected) in cases {
            assert_eq!(equal_folded(text, lower), expected, "{text}");
        }
    }
}
