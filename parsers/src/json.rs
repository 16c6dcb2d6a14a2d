//! JSON, as far as values of logs need it: borrowed strings, bounded depth, bounded number of values.
//!
//! Limits, each with the tag that says that it was hit: a container inside of [`DEPTH_MAX`] others stays JSON text
//! ([`TOO_DEEP_TAG`]); beyond [`LEAVES_MAX`] leaf values the rest is checked but not kept ([`TOO_MANY_TAG`]), so
//! whoever sees that tag keeps the original text. A text cut off or broken is an error.
//!
//! More is accepted than RFC 8259 does where the meaning is clear: control characters inside of strings, lone
//! surrogates (U+FFFD), and brackets of the wrong kind in what is too deep to be read. Integers beyond `i64` become
//! floats; a number beyond `f64` stays text. `NaN` and `Infinity` are errors.

use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, complete, stop};
use memchr::memchr2;
use std::borrow::Cow;

/// How deep containers nest before they are kept as text.
pub const DEPTH_MAX: usize = 20;
/// How many scalars (and empty containers) one document may hold.
pub const LEAVES_MAX: usize = 1_000;
/// The tag of an event some of whose values nest deeper than [`DEPTH_MAX`] and are kept as JSON text.
pub const TOO_DEEP_TAG: &str = "_toodeep";
/// The tag of an event that had more than [`LEAVES_MAX`] values.
pub const TOO_MANY_TAG: &str = "_toomanyfields";

/// What a document still may hold, and what of it was cut.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    leaves: usize,
    too_deep: bool,
    too_many: bool,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { leaves: LEAVES_MAX, too_deep: false, too_many: false }
    }
}

impl Budget {
    /// The tags for what was cut.
    pub fn tags(self) -> impl Iterator<Item = &'static str> {
        [(self.too_deep, TOO_DEEP_TAG), (self.too_many, TOO_MANY_TAG)].into_iter().filter(|cut| cut.0).map(|cut| cut.1)
    }

    /// Whether one more leaf may be kept; counts it.
    pub(crate) fn take_leaf(&mut self) -> bool {
        self.too_many |= self.leaves == 0;
        self.leaves = self.leaves.saturating_sub(1);
        !self.too_many
    }
}

/// One JSON document: a value with nothing but white space around it.
///
/// # Errors
/// Where the text stops being JSON.
pub fn parse_value(text: &str) -> Result<(Value<'_>, Budget), ParseError> {
    let mut budget = Budget::default();
    let step = value(space(text), 0, &mut budget).map(|(rest, value)| (space(rest), value));
    complete(text, step).map(|value| (value, budget))
}

/// The members of one JSON object, in the order in which they are written, as fields.
///
/// # Errors
/// Where the text stops being a JSON object.
pub fn parse_object<'a>(text: &'a str, fields: &mut Fields<'a>) -> Result<(), ParseError> {
    let mut budget = Budget::default();
    let step = match space(text).strip_prefix('{') {
        Some(inner) => members(inner, 1, &mut budget, &mut |name, value| fields.push(name, value)),
        None => stop(space(text), "an object"),
    };
    complete(text, step.map(|(rest, ())| (space(rest), ())))?;
    fields.tags.extend(budget.tags());
    Ok(())
}

fn space(input: &str) -> &str {
    match input.as_bytes().first() {
        Some(b' ' | b'\t' | b'\n' | b'\r') => input.trim_start_matches([' ', '\t', '\n', '\r']),
        _ => input,
    }
}

/// A value inside of `depth` containers. Recursion ends at [`DEPTH_MAX`].
fn value<'a>(input: &'a str, depth: usize, budget: &mut Budget) -> Step<'a, Value<'a>> {
    match input.as_bytes().first() {
        Some(b'"') => {
            budget.take_leaf();
            string(&input[1..]).map(|(rest, text)| (rest, Value::Str(text)))
        }
        Some(b'-' | b'0'..=b'9') => {
            budget.take_leaf();
            number(input)
        }
        Some(b'{' | b'[') if depth >= DEPTH_MAX => {
            budget.too_deep |= budget.take_leaf();
            let (rest, raw) = balanced(input)?;
            Ok((rest, Value::text(raw)))
        }
        Some(b'{') => {
            let mut map = Vec::new();
            let (rest, ()) = members(&input[1..], depth + 1, budget, &mut |name, value| map.push((name, value)))?;
            Ok((rest, Value::Map(map)))
        }
        Some(b'[') => list(&input[1..], depth + 1, budget),
        _ => {
            budget.take_leaf();
            literal(input)
        }
    }
}

fn literal(input: &str) -> Step<'_, Value<'_>> {
    for (word, value) in [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)] {
        if let Some(rest) = input.strip_prefix(word) {
            return Ok((rest, value));
        }
    }
    stop(input, "a value")
}

/// The members of an object whose brace is behind us. Those over the budget are parsed and forgotten.
fn members<'a>(
    input: &'a str,
    depth: usize,
    budget: &mut Budget,
    keep: &mut dyn FnMut(Cow<'a, str>, Value<'a>),
) -> Step<'a, ()> {
    let mut rest = space(input);
    if let Some(rest) = rest.strip_prefix('}') {
        budget.take_leaf();
        return Ok((rest, ()));
    }
    loop {
        let Some(quoted) = rest.strip_prefix('"') else { return stop(rest, "a quoted name") };
        let (after, name) = string(quoted)?;
        let after = space(after);
        let Some(after) = after.strip_prefix(':') else { return stop(after, "a colon") };
        let room = budget.leaves > 0;
        let (after, value) = value(space(after), depth, budget)?;
        if room {
            keep(name, value);
        }
        rest = space(after);
        match rest.as_bytes().first() {
            Some(b',') => rest = space(&rest[1..]),
            Some(b'}') => return Ok((&rest[1..], ())),
            _ => return stop(rest, "a comma or a closing brace"),
        }
    }
}

/// The elements of an array whose bracket is behind us. Those over the budget are parsed and forgotten.
fn list<'a>(input: &'a str, depth: usize, budget: &mut Budget) -> Step<'a, Value<'a>> {
    let mut items = Vec::new();
    let mut rest = space(input);
    if let Some(rest) = rest.strip_prefix(']') {
        budget.take_leaf();
        return Ok((rest, Value::List(items)));
    }
    loop {
        let room = budget.leaves > 0;
        let (after, value) = value(rest, depth, budget)?;
        if room {
            items.push(value);
        }
        rest = space(after);
        match rest.as_bytes().first() {
            Some(b',') => rest = space(&rest[1..]),
            Some(b']') => return Ok((&rest[1..], Value::List(items))),
            _ => return stop(rest, "a comma or a closing bracket"),
        }
    }
}

/// The text of one container, brackets counted but not told apart.
fn balanced(input: &str) -> Step<'_, &str> {
    let bytes = input.as_bytes();
    let mut open = 0_usize;
    let mut at = 0;
    while let Some(&found) = bytes.get(at) {
        at += 1;
        match found {
            b'{' | b'[' => open += 1,
            b'}' | b']' => {
                open -= 1;
                if open == 0 {
                    return Ok((&input[at..], &input[..at]));
                }
            }
            b'"' => at = input.len() - string_end(&input[at..])?.0.len(),
            _ => {}
        }
    }
    stop("", "a closing bracket")
}

/// What follows a string whose opening quote is behind us.
fn string_end(input: &str) -> Step<'_, ()> {
    let bytes = input.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|tail| memchr2(b'"', b'\\', tail)) {
        at += found + 1;
        if bytes[at - 1] == b'"' {
            return Ok((&input[at..], ()));
        }
        at += 1;
    }
    stop("", "a closing quote")
}

/// A string whose opening quote is behind us.
pub(crate) fn string(input: &str) -> Step<'_, Cow<'_, str>> {
    match memchr2(b'"', b'\\', input.as_bytes()) {
        Some(end) if input.as_bytes()[end] == b'"' => Ok((&input[end + 1..], Cow::Borrowed(&input[..end]))),
        Some(end) => escaped_string(input, end).map(|(rest, text)| (rest, Cow::Owned(text))),
        None => stop("", "a closing quote"),
    }
}

/// A string with escapes, the first of which is at `clean`.
fn escaped_string(input: &str, clean: usize) -> Step<'_, String> {
    let mut rest = &input[clean..];
    // No escape is shorter than what it stands for.
    let mut text = String::with_capacity(input.len() - string_end(rest)?.0.len());
    text.push_str(&input[..clean]);
    loop {
        let (after, decoded) = escape(rest)?;
        text.push(decoded);
        let Some(end) = memchr2(b'"', b'\\', after.as_bytes()) else { return stop("", "a closing quote") };
        text.push_str(&after[..end]);
        rest = &after[end..];
        if let Some(rest) = rest.strip_prefix('"') {
            return Ok((rest, text));
        }
    }
}

/// One escape, backslash first.
fn escape(input: &str) -> Step<'_, char> {
    let decoded = match input.as_bytes().get(1) {
        Some(&found @ (b'"' | b'\\' | b'/')) => char::from(found),
        Some(b'n') => '\n',
        Some(b't') => '\t',
        Some(b'r') => '\r',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => return unicode_escape(input),
        _ => return stop(input, "an escape that JSON knows"),
    };
    Ok((&input[2..], decoded))
}

/// `\u0041`, or the two escapes of a surrogate pair.
fn unicode_escape(input: &str) -> Step<'_, char> {
    let Some(first) = hex4(input) else { return stop(input, "four hex digits") };
    let rest = &input[6..];
    if (0xd800..0xdc00).contains(&first)
        && let Some(second @ 0xdc00..0xe000) = hex4(rest)
    {
        let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
        return Ok((&rest[6..], char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER)));
    }
    Ok((rest, char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER)))
}

fn hex4(input: &str) -> Option<u32> {
    let digits = input.strip_prefix("\\u")?.as_bytes().first_chunk::<4>()?;
    digits.iter().try_fold(0, |sum, &digit| Some(sum * 16 + char::from(digit).to_digit(16)?))
}

/// A number by JSON's grammar.
fn number(input: &str) -> Step<'_, Value<'_>> {
    let bytes = input.as_bytes();
    let digits_from = |at: usize| at + bytes[at..].iter().take_while(|b| b.is_ascii_digit()).count();
    let start = usize::from(bytes[0] == b'-');
    let mut end = digits_from(start);
    if end == start || (bytes[start] == b'0' && end > start + 1) {
        return stop(input, "a number");
    }
    let mut whole = true;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits_from(end + 1);
        if fraction == end + 1 {
            return stop(input, "a digit after the point");
        }
        (whole, end) = (false, fraction);
    }
    if let Some(b'e' | b'E') = bytes.get(end) {
        let from = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = if from <= bytes.len() { digits_from(from) } else { from };
        if exponent == from {
            return stop(input, "an exponent");
        }
        (whole, end) = (false, exponent);
    }
    let (text, rest) = input.split_at(end);
    if whole && let Ok(number) = text.parse() {
        return Ok((rest, Value::Int(number)));
    }
    let value = match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Value::Float(number),
        _ => Value::text(text),
    };
    Ok((rest, value))
}
