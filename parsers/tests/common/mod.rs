//! Fields as JSON, for the twins of fixtures.
#![allow(unreachable_pub, reason = "each test is a crate of its own")]

use logship_parsers::Value;
use logship_parsers::line::Context;
use logship_parsers::time::{civil_from_days, days_from_civil};

/// That of lines that arrive at noon of a day.
pub fn context(year: i64, month: u32, day: u32) -> Context<'static> {
    let received = (days_from_civil(year, month, day) * 86_400 + 43_200) * 1_000_000_000;
    Context { received, ..Context::default() }
}

pub fn to_json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Str(value) => (&**value).into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(members) => members.iter().map(|(name, value)| (name.to_string(), to_json(value))).collect(),
    }
}

/// A time in UTC nanoseconds, to the nanosecond.
pub fn shown(nanos: i64) -> String {
    let (seconds, nanos) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}
