//! What the tests of golden twins share: a log beside the JSON that says what it means.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "each test is a crate of its own")]

#[path = "../common/mod.rs"]
mod common;

use common::{shown, to_json};
use logship_parsers::Fields;
use logship_parsers::line::Context;
use std::fs;
use std::path::{Path, PathBuf};

/// All fixtures arrive at noon of the 15th of June 2026.
pub fn context() -> Context<'static> {
    common::context(2026, 6, 15)
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
