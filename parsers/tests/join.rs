//! Golden twins of records of several lines: every `fixtures/join/NAME.log` is joined, and `NAME.json` shows its records,
//! one object a line, with their fields. The logs named `apart_*` hold what must not be joined.
//! `UPDATE_EXPECT=1` writes the twins.
#![allow(clippy::disallowed_methods, reason = "a test runner reads its fixtures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod twins;

use logship_parsers::Value;
use logship_parsers::join::{Decision, Joiner};
use logship_parsers::line::detect::Detector;
use proptest::prelude::*;
use std::fs;
use std::path::{Path, PathBuf};
use twins::{compare, context, describe, logs};

fn fixtures() -> Vec<PathBuf> {
    logs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/join"))
}

/// The records of a text: what its lines join to.
fn records(text: &str) -> Vec<String> {
    let mut joiner = Joiner::default();
    let mut records: Vec<String> = Vec::new();
    for line in text.lines() {
        match (joiner.push(line.as_bytes()), records.last_mut()) {
            (Decision::Continues, Some(record)) => {
                record.push('\n');
                record.push_str(line);
            }
            (Decision::Continues, None) => panic!("the first line continues nothing: {line}"),
            (Decision::Starts, _) => records.push(line.to_owned()),
        }
    }
    records
}

#[test]
fn joined_records_match_their_twins() {
    for log in fixtures() {
        let mut actual = String::new();
        // Empty lines are no records.
        for record in records(&fs::read_to_string(&log).unwrap()).into_iter().filter(|record| !record.is_empty()) {
            let (id, fields) = Detector::parse(None, &record, &context());
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

/// The traces and blocks of all languages as they look between two records of a logger.
#[test]
fn what_stands_between_stamped_lines_does_not_matter_to_them() {
    let stamped = |second: usize| format!("2026-01-02 03:04:{second:02} INFO shop: between");
    for log in fixtures() {
        let text = fs::read_to_string(&log).unwrap();
        for (number, line) in text.lines().enumerate() {
            let lines = [line, &stamped(number % 60), line].join("\n");
            let found = records(&lines);
            assert!(found.iter().any(|record| record.starts_with(&stamped(number % 60))), "{line:?}");
        }
    }
}

/// Lines of traces in any order.
fn any_lines() -> impl Strategy<Value = Vec<String>> {
    let all: Vec<String> = fixtures()
        .iter()
        .flat_map(|log| fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .chain([String::new(), " ".to_owned(), "\u{1b}[".to_owned(), "\u{1b}[31m".to_owned(), "é".to_owned()])
        .collect();
    prop::collection::vec(prop::sample::select(all), 1..30)
}

proptest! {
    #[test]
    fn no_line_is_lost_or_moved_and_each_record_is_read(lines in any_lines()) {
        let text = lines.join("\n");
        let records = records(&text);
        prop_assert_eq!(records.join("\n"), text.strip_suffix('\n').unwrap_or(&text));
        for record in records {
            let (_, fields) = Detector::parse(None, &record, &context());
            let names: std::collections::HashSet<_> = fields.items.iter().map(|field| &field.name).collect();
            prop_assert_eq!(names.len(), fields.items.len(), "{:?}", record);
            if let Some(Value::Str(stack)) = fields.get("error.stack_trace")
                && !record.contains('\u{1b}')
            {
                prop_assert!(record.trim_end_matches('\n').ends_with(&**stack), "{:?}", record);
            }
        }
    }

    #[test]
    fn after_a_reset_nothing_continues(lines in any_lines(), next in any_lines()) {
        let mut joiner = Joiner::default();
        for line in &lines {
            joiner.push(line.as_bytes());
        }
        joiner.reset();
        prop_assert_eq!(joiner.push(next[0].as_bytes()), Decision::Starts);
    }
}
