//! What the filter and the codec `csv` ask for alike: the quote, and what values of columns are converted to.

use super::Options;
use crate::event::{Timestamp, Value};
use logship_parsers::{
    config::{Diagnostic, typed},
    time::{Stamp, iso8601},
};

/// What a value is converted to.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// A whole number.
    Integer,
    /// Any number.
    Float,
    /// `true` or `false`, in any case.
    Boolean,
    /// A time of ISO 8601, or a day.
    Date,
}

const TYPES: [(&str, Type); 5] = [
    ("boolean", Type::Boolean),
    ("date", Type::Date),
    ("date_time", Type::Date),
    ("float", Type::Float),
    ("integer", Type::Integer),
];

/// The option `convert`: columns and what their values become.
pub fn conversions(options: &mut Options<'_>) -> Vec<(String, Type)> {
    let name = |value: &_| typed::text(value).map(str::to_owned);
    options.pairs("convert", name, |value| {
        let name = typed::choice(value, &TYPES.map(|(name, _)| name))?;
        Ok(TYPES.iter().find(|(known, _)| *known == name).map_or(Type::Float, |(_, to)| *to))
    })
}

/// The option `quote_char`; none where it is empty or the zero byte.
pub fn quote(options: &mut Options<'_>) -> Option<char> {
    let quote = options.get("quote_char", |value| {
        let text = typed::text(value)?;
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (None | Some('\0'), None) => Ok(None),
            _ if text == "\\x00" => Ok(None),
            (quote, None) => Ok(quote),
            _ => Err(Diagnostic::error(value.span.0, "`quote_char` takes one character")),
        }
    });
    quote.unwrap_or(Some('"'))
}

/// The value as that type, or as it is.
#[must_use]
pub fn converted(value: Value, to: Option<Type>) -> Value {
    let text = value.as_str().unwrap_or_default().trim();
    let new = match to {
        None => None,
        Some(Type::Integer) => text.parse().ok().map(Value::Int),
        Some(Type::Float) => {
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            number.map(Value::Float)
        }
        Some(Type::Boolean) => match text.to_ascii_lowercase().as_str() {
            "true" => Some(Value::Bool(true)),
            "false" => Some(Value::Bool(false)),
            _ => None,
        },
        Some(Type::Date) => match iso8601(text, 0).or_else(|| iso8601(&format!("{text}T00:00:00"), 0)) {
            Some(Stamp::At(nanos)) => Some(Value::Time(Timestamp::from_nanos(nanos))),
            _ => None,
        },
    };
    new.unwrap_or(value)
}
