//! `key=value` pairs behind a text, as the loggers write them that a person reads in a terminal: logrus, zerolog, slog, charm's
//! log, `tracing`, structlog, klog.
//!
//! What counts is the longest run of pairs that reaches to the end of the line. A value is a word, or stands in quotes or
//! brackets. Keys are bounded, and each byte is looked at a few times at most.

use super::{Context, normalize};
use crate::fields::{Field, Fields, Places, Value};
use crate::json::{Budget, string};
use crate::line::logfmt::scalar;
use memchr::memchr;

/// Keys longer than this are prose.
const KEY_BYTES_MAX: usize = 64;
/// What pairs do not say, whatever their keys are.
const SAID_BEFORE: [&str; 2] = ["message", "log.logger"];
/// Brackets nest no deeper than this.
const BRACKETS_MAX: usize = 16;
/// A value in brackets is no longer than this.
const BRACKET_BYTES_MAX: usize = 4096;

/// The pairs at the end of a text, and where the first begins. None where there is none.
pub(super) fn trailing(text: &str) -> Option<(usize, Vec<(&str, Value<'_>)>)> {
    memchr(b'=', text.as_bytes())?;
    let mut pairs = Vec::new();
    let (mut begin, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        if let Some((length, key, value)) = pair(&text[at..]) {
            if pairs.is_empty() {
                begin = at;
            }
            pairs.push((key, value));
            at += length;
        } else {
            pairs.clear();
            at += memchr(b' ', &bytes[at..]).unwrap_or(bytes.len() - at);
        }
        at += bytes[at..].iter().take_while(|b| **b == b' ').count();
    }
    if pairs.is_empty() { None } else { Some((begin, pairs)) }
}

/// Adds the pairs at the end of the text to the fields that a header and a message gave, under ECS names where they have one.
/// Where the pairs begin, if there are any.
pub(super) fn add_trailing<'a>(text: &'a str, context: &Context, fields: &mut Fields<'a>) -> Option<usize> {
    let (begin, pairs) = trailing(text)?;
    let mut found = Fields::default();
    let mut budget = Budget::default();
    for (key, value) in pairs {
        if budget.take_leaf() {
            found.items.push(Field { name: key.into(), value });
        }
    }
    fields.tags.extend(budget.tags());
    add(found, context, fields);
    Some(begin)
}

/// Adds what stands behind a message to what stands before it, under ECS names where they have one; the message itself and the
/// logger are the header's to say.
pub(super) fn add<'a>(mut found: Fields<'a>, context: &Context, fields: &mut Fields<'a>) {
    for name in SAID_BEFORE {
        found.items.push(Field { name: name.into(), value: Value::text("") });
    }
    normalize::normalize(&mut found, context);
    let mut places = Places::default();
    for field in found.items {
        if places.of(&field.name, fields).is_none() && !SAID_BEFORE.contains(&&*field.name) {
            fields.push(field.name, field.value);
        }
    }
}

/// One pair at the front: its length, which reaches to a space or the end, key and value.
fn pair(input: &str) -> Option<(usize, &str, Value<'_>)> {
    let bytes = input.as_bytes();
    let is_key = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'.' | b'-' | b'@' | b'/');
    let end = bytes.iter().take(KEY_BYTES_MAX + 1).take_while(is_key).count();
    if end == 0 || !(bytes[0].is_ascii_alphabetic() || matches!(bytes[0], b'_' | b'@')) || bytes.get(end) != Some(&b'=')
    {
        return None;
    }
    let (key, text) = (&input[..end], &input[end + 1..]);
    let (length, value) = match text.as_bytes().first() {
        Some(b'"') => {
            let (rest, value) = string(&text[1..]).ok()?;
            (text.len() - rest.len(), Value::Str(value))
        }
        Some(b'\'') => {
            let close = memchr(b'\'', &text.as_bytes()[1..])?;
            (close + 2, Value::text(&text[1..=close]))
        }
        Some(b'{' | b'[') => {
            let length = brackets(text.as_bytes())?;
            (length, Value::text(&text[..length]))
        }
        Some(b'=') => return None,
        _ => {
            let length = memchr(b' ', text.as_bytes()).unwrap_or(text.len());
            let word = &text[..length];
            if word.ends_with([',', ';']) || memchr(b'"', word.as_bytes()).is_some() {
                return None;
            }
            (length, scalar(word))
        }
    };
    let whole = end + 1 + length;
    matches!(bytes.get(whole), None | Some(b' ')).then_some((whole, key, value))
}

/// How long what stands in brackets is, with them.
fn brackets(bytes: &[u8]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut quoted = None;
    for (at, byte) in bytes.iter().take(BRACKET_BYTES_MAX).enumerate() {
        match (quoted, byte) {
            (Some(quote), byte) if quote == byte => quoted = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quoted = Some(byte),
            (None, b'{' | b'[') => depth += 1,
            (None, b'}' | b']') => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        if depth > BRACKETS_MAX {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, begin: Option<usize>, keys: &[&str]) {
        let found = trailing(text);
        assert_eq!(found.as_ref().map(|found| found.0), begin, "{text}");
        let names: Vec<&str> = found.map(|found| found.1).unwrap_or_default().into_iter().map(|pair| pair.0).collect();
        assert_eq!(names, keys, "{text}");
    }

    #[test]
    fn pairs_count_where_they_reach_the_end() {
        check("order placed id=7 user=\"ann lee\"", Some(13), &["id", "user"]);
        check("retry: attempt=2 reason='Connection refused'", Some(7), &["attempt", "reason"]);
        check("tags={'a': 1} list=[1, 2] empty=", Some(0), &["tags", "list", "empty"]);
        check("a=1 and more", None, &[]);
        check("GET /cart?id=7", None, &[]);
        check("is a==b", None, &[]);
        check("set x=1, y=2", Some(9), &["y"]);
        check("broken a=\"b", None, &[]);
        check("broken a={", None, &[]);
        check("", None, &[]);
        check("=", None, &[]);
    }
}
