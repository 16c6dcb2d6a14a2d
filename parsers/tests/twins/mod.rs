//! What the tests of golden twins share: a log beside the JSON that says what it means.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "each test is a crate of its own")]

use logship_parsers::line::Context;
use logship_parsers::time::{civil_from_days, days_from_civil};
use logship_parsers::{Fields, Value};
use std::fs;
use std::path::{Path, PathBuf};

/// All fixtures arrive at noon of the 15th of June 2026.
pub fn context() -> Context<'static> {
    let received = (days_from_civil(2026, 6, 15) * 86_400 + 43_200) * 1_000_000_000;
    Context { received, ..Context::default() }
}

/// The logs of a folder, sorted.
pub fn logs(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    found.sort();
    assert!(!found.is_empty(), "{} has no fixtures", folder.display());
    found
}

/// Compares with the twin of a log, line by line; `UPDATE_EXPECT=1` writes it.
pub fn compare(log: &Path, actual: &str) {
    let twin = log.with_extension("json");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&twin, actual).unwrap();
    }
    let expected = fs::read_to_string(&twin).unwrap_or_else(|error| panic!("{}: {error}", twin.display()));
    for (n, (actual, expected)) in actual.lines().zip(expected.lines()).enumerate() {
        assert_eq!(actual, expected, "{}:{}", twin.display(), n + 1);
    }
    assert_eq!(actual.lines().count(), expected.lines().count(), "{}", twin.display());
}

fn to_json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(value) => (*value).into(),
        Value::Float(value) => (*value).into(),
        Value::Str(value) => (&**value).into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(members) => {
            serde_json::Value::Object(members.iter().map(|(name, value)| (name.to_string(), to_json(value))).collect())
        }
    }
}

fn shown(nanos: i64) -> String {
    let (seconds, nanos) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (year, month, day) = civil_from_days(seconds.div_euclid(86_400));
    let second = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// A line's fields in the shape of a twin.
pub fn describe(fields: &Fields<'_>) -> serde_json::Map<String, serde_json::Value> {
    let mut object = serde_json::Map::new();
    object.insert("time".into(), fields.time.map(shown).into());
    let mut members = serde_json::Map::new();
    for field in &fields.items {
        let before = members.insert(field.name.to_string(), to_json(&field.value));
        assert_eq!(before, None, "{} twice", field.name);
    }
    object.insert("fields".into(), members.into());
    if !fields.tags.is_empty() {
        object.insert("tags".into(), fields.tags.iter().copied().collect());
    }
    object
}
