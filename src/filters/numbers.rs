//! Numbers as Ruby reads them from the beginning of a text: what follows does not count, and nothing is 0.

use crate::event::Value;
use logship_parsers::grok::Kind;

/// The text as that kind of value.
pub(super) fn of_kind(text: &bytestring::ByteString, kind: Kind) -> Value {
    match kind {
        Kind::Text => Value::Str(text.clone()),
        Kind::Int => to_i(text),
        Kind::Float => Value::Float(to_f(text)),
    }
}

/// The whole number that a text begins with; one beyond 64 bits is kept as nearly as a float can.
pub(super) fn to_i(text: &str) -> Value {
    let text = text.trim_start();
    let length = sign(text) + digits(&text[sign(text)..]);
    match text[..length].trim_start_matches('+').parse() {
        Ok(number) => Value::Int(number),
        Err(_) => text[..length].parse().map_or(Value::Int(0), Value::Float),
    }
}

/// The number that a text begins with.
pub(super) fn to_f(text: &str) -> f64 {
    let text = text.trim_start();
    let mut end = sign(text);
    end += digits(&text[end..]);
    if text[end..].starts_with('.') {
        let fraction = digits(&text[end + 1..]);
        end += if fraction > 0 { fraction + 1 } else { 0 };
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = sign(&text[end + 1..]);
        let power = digits(&text[end + 1 + sign..]);
        end += if power > 0 { 1 + sign + power } else { 0 };
    }
    text[..end].parse().ok().filter(|number: &f64| number.is_finite()).unwrap_or(0.0)
}

fn sign(text: &str) -> usize {
    usize::from(text.starts_with(['-', '+']))
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_up_to_what_is_none() {
        let check = |text: &str, int: Value, float: f64| {
            assert_eq!(to_i(text), int, "{text}");
            assert_eq!(to_f(text), float, "{text}");
        };
        check("12abc", Value::Int(12), 12.0);
        check(" -5.25x", Value::Int(-5), -5.25);
        check("+7", Value::Int(7), 7.0);
        check("1e3", Value::Int(1), 1000.0);
        check("1.e", Value::Int(1), 1.0);
        check(".5", Value::Int(0), 0.5);
        check("x", Value::Int(0), 0.0);
        check("", Value::Int(0), 0.0);
        check("99999999999999999999", Value::Float(1e20), 1e20);
    }
}
