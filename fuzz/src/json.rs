//! JSON, held against serde_json.

use super::{check_fields, context};
use logship_parsers::json::{parse_object, parse_value};
use logship_parsers::line::detect::Detector;
use logship_parsers::{Fields, Value};

/// What serde_json takes is read alike; what it does not take is refused but for what the module names.
pub fn json(input: &[u8]) {
    let (context, text) = context(input);
    let ours = parse_value(&text);
    match (&ours, serde_json::from_str::<serde_json::Value>(&text)) {
        (Ok((value, budget)), Ok(theirs)) => {
            let whole = budget.tags().next().is_none();
            // serde_json keeps the last of members with one name, and rounds floats otherwise.
            assert!(!whole || same(value, &theirs), "{value:?} is not {theirs:?}");
        }
        (Ok((_, budget)), Err(error)) => {
            let lenient = text.contains(|c: char| c.is_control()) || text.contains("\\u");
            let limited = budget.tags().next().is_some() || error.to_string().contains("number out of range");
            assert!(lenient || limited, "taken, but {error}");
        }
        (Err(error), Ok(theirs)) => panic!("{error}, but it is {theirs}"),
        (Err(error), Err(_)) => assert!(error.offset as usize <= text.len(), "{error}"),
    }
    check_object(&text, &ours);
    let (_, fields) = Detector::parse(None, &text, &context);
    check_fields(&text, &fields);
}

/// An object read as fields has the members that it has as a value.
fn check_object(text: &str, value: &Result<(Value<'_>, logship_parsers::json::Budget), logship_parsers::ParseError>) {
    let mut fields = Fields::default();
    let read = parse_object(text, &mut fields);
    match value {
        Ok((Value::Map(members), _)) => {
            assert_eq!(read, Ok(()));
            assert_eq!(fields.items.len(), members.len());
            let pairs = fields.items.iter().zip(members);
            assert!(pairs.into_iter().all(|(field, (name, value))| field.name == *name && field.value == *value));
        }
        _ => assert!(read.is_err(), "an object that is no value"),
    }
}

fn same(ours: &Value<'_>, theirs: &serde_json::Value) -> bool {
    match (ours, theirs) {
        (Value::Null, serde_json::Value::Null) => true,
        (Value::Bool(ours), serde_json::Value::Bool(theirs)) => ours == theirs,
        // `-0` is a float to serde_json.
        (Value::Int(0), serde_json::Value::Number(theirs)) => theirs.as_f64() == Some(0.0),
        (Value::Int(ours), serde_json::Value::Number(theirs)) => theirs.as_i64() == Some(*ours),
        (Value::Float(ours), serde_json::Value::Number(theirs)) => {
            theirs.as_f64().is_some_and(|theirs| (ours - theirs).abs() <= ours.abs() * 4.0 * f64::EPSILON)
        }
        (Value::Str(ours), serde_json::Value::String(theirs)) => ours == theirs,
        (Value::List(ours), serde_json::Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(ours, theirs)| same(ours, theirs))
        }
        (Value::Map(ours), serde_json::Value::Object(theirs)) => {
            let last = |name: &str| ours.iter().rev().find(|member| member.0 == name);
            theirs.iter().all(|(name, theirs)| last(name).is_some_and(|(_, ours)| same(ours, theirs)))
                && ours.iter().all(|(name, _)| theirs.contains_key(&**name))
        }
        _ => false,
    }
}
