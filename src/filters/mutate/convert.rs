//! `convert`: values as other types.

use super::unreadable;
use crate::event::{Value, render};
use logship_parsers::config::{ast, typed};

/// What a value is converted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Integer,
    IntegerEu,
    Float,
    FloatEu,
    String,
    Boolean,
}

const TYPES: [(&str, Type); 6] = [
    ("integer", Type::Integer),
    ("float", Type::Float),
    ("integer_eu", Type::IntegerEu),
    ("float_eu", Type::FloatEu),
    ("string", Type::String),
    ("boolean", Type::Boolean),
];

pub(super) fn read(value: &ast::Value) -> typed::Read<Type> {
    let name = typed::choice(value, &TYPES.map(|(name, _)| name))?.to_owned();
    Ok(TYPES.iter().find(|(known, _)| *known == name).map_or(Type::String, |(_, to)| *to))
}

/// The value as that type, lists element by element. `Err` in a sentence.
pub(super) fn converted(value: &Value, to: Type) -> Result<Value, String> {
    Ok(match (value, to) {
        (Value::List(items), _) => Value::List(items.iter().map(|item| converted(item, to)).collect::<Result<_, _>>()?),
        (Value::Null | Value::Map(_), _) => value.clone(),
        (Value::Str(text), Type::IntegerEu | Type::FloatEu) => {
            let swapped = text.chars().map(|c| match c {
                ',' => '.',
                '.' => ',',
                c => c,
            });
            let us: String = swapped.collect();
            return converted(&Value::from(us), if to == Type::IntegerEu { Type::Integer } else { Type::Float });
        }
        (Value::Str(text), Type::Integer) => Value::Int(integer(text).ok_or_else(|| unreadable(text, "integer"))?),
        (Value::Str(text), Type::Float) => Value::Float(float(text).ok_or_else(|| unreadable(text, "float"))?),
        (Value::Bool(truth), Type::Integer | Type::IntegerEu) => Value::Int((*truth).into()),
        (Value::Bool(truth), Type::Float | Type::FloatEu) => Value::Float(f64::from(u8::from(*truth))),
        // The cast saturates, which is as near as it gets.
        (Value::Float(number), Type::Integer | Type::IntegerEu) => Value::Int(*number as i64),
        (Value::Int(number), Type::Float | Type::FloatEu) => Value::Float(*number as f64),
        (Value::Time(time), Type::Integer | Type::IntegerEu) => Value::Int(time.as_nanos().div_euclid(1_000_000_000)),
        (Value::Time(time), Type::Float | Type::FloatEu) => Value::Float(time.as_millis() as f64 / 1e3),
        (Value::Int(_) | Value::Float(_), Type::Integer | Type::IntegerEu | Type::Float | Type::FloatEu) => {
            value.clone()
        }
        (Value::Float(number), Type::String) => {
            let mut text = String::new();
            render::write_ruby_float(&mut text, *number);
            Value::from(text)
        }
        (_, Type::String) => {
            let mut text = String::new();
            render::write_text(&mut text, value);
            Value::from(text)
        }
        (_, Type::Boolean) => {
            let mut text = String::new();
            render::write_text(&mut text, value);
            boolean(&text).map_or_else(|| value.clone(), Value::Bool)
        }
    })
}

/// A whole number, with `,` between groups; of a fraction its whole part, of another text the number that it begins with. With an
/// `e` it must be a number.
fn integer(text: &str) -> Option<i64> {
    let text = text.trim().replace(',', "");
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(&text)),
    };
    if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        return i64::from_str_radix(hex, 16).ok().map(|number| sign * number);
    }
    // The cast saturates, which is as near as it gets.
    text.parse().ok().or_else(|| float(&text).map(|number| number as i64)).or_else(|| match text.contains('e') {
        true => None,
        false => {
            let end = digits.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(digits.len());
            digits[..end].replace('_', "").parse::<i64>().ok().map(|number| sign * number)
        }
    })
}

fn float(text: &str) -> Option<f64> {
    let text = text.trim().replace(',', "");
    let digits = text.trim_start_matches(['-', '+']);
    if digits.starts_with("0x") || digits.starts_with("0X") {
        return integer(&text).map(|number| number as f64);
    }
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    is_number.then(|| text.parse().ok()).flatten().filter(|number: &f64| number.is_finite())
}

fn boolean(text: &str) -> Option<bool> {
    let is = |known: &[&str]| known.iter().any(|known| text.eq_ignore_ascii_case(known));
    if is(&["true", "t", "yes", "y", "1", "1.0"]) {
        Some(true)
    } else if is(&["", "false", "f", "no", "n", "0", "0.0"]) {
        Some(false)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_converted() {
        let check = |value: Value, to, expected: Result<Value, ()>| {
            assert_eq!(converted(&value, to).map_err(drop), expected, "{value:?} {to:?}");
        };
        let text = |text: &str| Value::from(text);
        check(text("1,234,567.8"), Type::Integer, Ok(Value::Int(1_234_567)));
        check(text("-7.9"), Type::Integer, Ok(Value::Int(-7)));
        check(text("0x10"), Type::Integer, Ok(Value::Int(16)));
        check(text("1e3"), Type::Float, Ok(Value::Float(1000.0)));
        check(text("x"), Type::Integer, Err(()));
        check(text("-12 apples"), Type::Integer, Err(()));
        check(text("-12 cats"), Type::Integer, Ok(Value::Int(-12)));
        check(text(""), Type::Integer, Err(()));
        check(text("x"), Type::Float, Err(()));
        check(Value::Float(1e20), Type::String, Ok(text("1.0e+20")));
        check(text("1.234,5"), Type::FloatEu, Ok(Value::Float(1234.5)));
        check(text("1.234,5"), Type::IntegerEu, Ok(Value::Int(1234)));
        check(Value::Bool(true), Type::Integer, Ok(Value::Int(1)));
        check(text("Yes"), Type::Boolean, Ok(Value::Bool(true)));
        check(text("2"), Type::Boolean, Ok(text("2")));
        check(Value::Int(0), Type::Boolean, Ok(Value::Bool(false)));
        check(Value::Int(5), Type::String, Ok(text("5")));
        check(
            Value::List(vec![text("1"), Value::Null]),
            Type::Integer,
            Ok(Value::List(vec![Value::Int(1), Value::Null])),
        );
    }
}
