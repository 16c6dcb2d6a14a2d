//! Golden twins: every `fixtures/lines/<format>/NAME.log` is parsed line by line and compared with `NAME.json`, one
//! object a line; `fixtures/lines/join/NAME.log` is joined first, and its twin shows the records with their fields.
//! `UPDATE_EXPECT=1` writes the twins.
#![allow(clippy::disallowed_methods, reason = "a test runner reads its fixtures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use logship_parsers::join::{Decision, Joiner};
use logship_parsers::line::detect::{Detector, FormatId, names_columns};
use logship_parsers::line::{Context, FORMATS};
use logship_parsers::time::{civil_from_days, days_from_civil};
use logship_parsers::{Fields, Value};
use std::fs;
use std::path::{Path, PathBuf};

/// All fixtures arrive at noon of the 15th of June 2026.
fn context() -> Context<'static> {
    let received = (days_from_civil(2026, 6, 15) * 86_400 + 43_200) * 1_000_000_000;
    Context { received, ..Context::default() }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/lines")
}

fn logs(folder: &Path) -> Vec<PathBuf> {
    let listed = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = listed.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    found.sort();
    assert!(!found.is_empty(), "{} has no fixtures", folder.display());
    found
}

fn compare(log: &Path, actual: &str) {
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

fn describe(fields: &Fields<'_>) -> serde_json::Map<String, serde_json::Value> {
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

#[test]
fn lines_match_their_twins() {
    for format in FORMATS {
        for log in logs(&root().join(format.name)) {
            let mut actual = String::new();
            let text = fs::read_to_string(&log).unwrap();
            let mut header = None;
            for line in text.lines() {
                let context = || Context { header, ..context() };
                let (id, fields) = Detector::parse(None, line, &context());
                assert_eq!(id.format().name, format.name, "{}: {line}", log.display());
                assert_eq!(format.read(line, &context()).as_ref(), Ok(&fields), "{line}");
                // A wrong hint changes nothing for a line that is surely of its format.
                for other in FORMATS {
                    let hint = FormatId::by_name(other.name);
                    assert_eq!(Detector::parse(hint, line, &context()).0, id, "{line} as {}", other.name);
                }
                actual += &serde_json::to_string(&describe(&fields)).unwrap();
                actual.push('\n');
                header = Some(line).filter(|line| names_columns(line.as_bytes())).or(header);
            }
            compare(&log, &actual);
        }
    }
}

#[test]
fn joined_records_match_their_twins() {
    for log in logs(&root().join("join")) {
        let mut joiner = Joiner::default();
        let mut records: Vec<String> = Vec::new();
        for line in fs::read_to_string(&log).unwrap().lines() {
            match (joiner.push(line.as_bytes()), records.last_mut()) {
                (Decision::Continues, Some(record)) => {
                    record.push('\n');
                    record.push_str(line);
                }
                (Decision::Continues, None) => panic!("{}: the first line continues nothing", log.display()),
                (Decision::Starts, _) => records.push(line.to_owned()),
            }
        }
        let mut actual = String::new();
        for record in &records {
            let (id, fields) = Detector::parse(None, record, &context());
            let mut object = serde_json::Map::new();
            object.insert("record".into(), record.as_str().into());
            object.insert("format".into(), id.format().name.into());
            object.extend(describe(&fields));
            actual += &serde_json::to_string(&object).unwrap();
            actual.push('\n');
        }
        compare(&log, &actual);
    }
}

#[test]
fn every_twin_belongs_to_a_log_and_every_folder_to_a_format() {
    for folder in fs::read_dir(root()).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        assert!(name == "join" || FORMATS.iter().any(|format| format.name == name), "no format {name}");
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            assert!(file.with_extension("log").exists() && file.with_extension("json").exists(), "{}", file.display());
        }
    }
}
