//! Golden twins of records of several lines: every `fixtures/join/NAME.log` is joined, and `NAME.json` shows its records,
//! one object a line, with their fields. The logs named `apart_*` hold what must not be joined.
//! `UPDATE_EXPECT=1` writes the twins.
#![allow(clippy::disallowed_methods, reason = "a test runner reads its fixtures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod twins;

use logship_parsers::join::{Decision, Joiner};
use logship_parsers::line::detect::Detector;
use std::fs;
use std::path::Path;
use twins::{compare, context, describe, logs};

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
    records.retain(|record| !record.is_empty());
    records
}

#[test]
fn joined_records_match_their_twins() {
    for log in logs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/join")) {
        let mut actual = String::new();
        for record in records(&fs::read_to_string(&log).unwrap()) {
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
