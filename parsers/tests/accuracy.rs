//! How much of what real programs write is read right. `fixtures/captured/NAME.log` holds the lines of a program as
//! `fixtures/capture/NAME.sh` captured them, its twin `NAME.json` what each surely says, by eye and not by the parser:
//! one object a line, `{"continues":true}` for a line that belongs to the record above, with a `message` if that is not
//! the whole line, or with one that is null if the line is no part of it, as a stack trace that is a field of its own.
//! Blank lines at a record's end are no part of its message.
//!
//! `fixtures/captured/accuracy.txt` notes the shares that are right; the test fails where one falls.
//! `UPDATE_EXPECT=1` notes today's, and drafts the twin of a log that has none. `ACCURACY_SHOW=NAME` prints what is wrong.
//!
//! Of the fields those of the twin must be there with their values; more than the twin names are counted as extra.
#![allow(clippy::disallowed_methods, reason = "a test runner reads its fixtures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::{shown, to_json};
use logship_parsers::Fields;
use logship_parsers::join::{Decision, Joiner};
use logship_parsers::line::Context;
use logship_parsers::line::detect::Detector;
use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What is judged of each line, in the order of the table. The last is shown and may rise.
const COLUMNS: [&str; 7] = ["join", "format", "time", "level", "message", "fields", "extra"];
/// How many columns must not fall.
const GUARDED: usize = 6;

/// All lines arrive at noon of the day on which they were captured.
fn context() -> Context<'static> {
    common::context(2026, 11, 21)
}

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures").join(folder)
}

fn updates() -> bool {
    std::env::var_os("UPDATE_EXPECT").is_some()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the captured logs.
fn names() -> Vec<String> {
    let files = fs::read_dir(fixtures("captured")).unwrap().map(|file| file.unwrap().path());
    let logs = files.filter(|path| path.extension().is_some_and(|ending| ending == "log"));
    let mut names: Vec<String> = logs.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// What the parser says of a record, in the shape of a twin.
fn describe(format: &str, fields: &Fields<'_>) -> Json {
    let mut members: Map<String, Json> =
        fields.items.iter().map(|field| (field.name.to_string(), to_json(&field.value))).collect();
    let level = members.shift_remove("log.level").unwrap_or_default();
    let message = members.shift_remove("message").unwrap_or_default();
    json!({"format": format, "time": fields.time.map(shown), "level": level, "message": message, "fields": members})
}

/// The records of a log by its twin: their lines, and what the twin says of them.
fn records(name: &str, log: &str, twin: &str) -> Vec<(String, Json)> {
    assert_eq!(log.lines().count(), twin.lines().count(), "{name}: one object a line");
    let mut records: Vec<(String, Json)> = Vec::new();
    for (line, says) in log.lines().zip(twin.lines()) {
        let says: Json = serde_json::from_str(says).unwrap_or_else(|error| panic!("{name}: {error}: {says}"));
        match (says.get("continues").is_some(), records.last_mut()) {
            (false, _) => records.push((line.to_owned(), says)),
            (true, None) => panic!("{name}: the first line continues nothing"),
            (true, Some((record, above))) => {
                record.push('\n');
                record.push_str(line);
                if says.get("message") == Some(&Json::Null) {
                    continue;
                }
                let more = says["message"].as_str().unwrap_or(line);
                above["message"] = match above["message"].as_str() {
                    Some(message) => format!("{message}\n{more}").into(),
                    None => more.into(),
                };
            }
        }
    }
    for (record, says) in &mut records {
        let blank = record.len() - record.trim_end_matches('\n').len();
        if let Some(message) = says["message"].as_str().map(|message| message[..message.len() - blank].to_owned()) {
            says["message"] = message.into();
        }
    }
    records
}

/// Which columns are right of a record; `join` is for the caller to say.
fn judge(record: &str, says: &Json) -> ([bool; COLUMNS.len()], Json) {
    let (id, fields) = Detector::parse(None, record, &context());
    let actual = describe(id.format().name, &fields);
    let same = |key: &str| actual[key] == says[key];
    let (found, expected) = (actual["fields"].as_object().unwrap(), says["fields"].as_object().unwrap());
    let there = expected.iter().all(|(name, value)| found.get(name) == Some(value));
    let extra = found.keys().any(|name| !expected.contains_key(name));
    ([true, same("format"), same("time"), same("level"), same("message"), there, extra], actual)
}

/// A row of the table: records, and how many are right by column.
#[derive(Default)]
struct Row {
    records: usize,
    right: [usize; COLUMNS.len()],
}

impl Row {
    fn percent(&self) -> [f64; COLUMNS.len()] {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand lines")]
        let share = |right: usize| (right as f64 * 1000.0 / self.records.max(1) as f64).floor() / 10.0;
        self.right.map(share)
    }

    fn show(&self, name: &str) -> String {
        let shares = self.percent().map(|share| format!("{share:>8.1}")).concat();
        format!("{name:<16}{:>8}{shares}\n", self.records)
    }
}

/// The first lines of records as the joiner sees them.
fn starts(log: &str) -> Vec<bool> {
    let mut joiner = Joiner::default();
    log.lines().map(|line| matches!(joiner.push(line.as_bytes()), Decision::Starts)).collect()
}

fn measure(name: &str) -> Row {
    let log = read(&fixtures("captured").join(format!("{name}.log")));
    let twin = fixtures("captured").join(format!("{name}.json"));
    if updates() && !twin.exists() {
        fs::write(&twin, draft(&log)).unwrap();
    }
    let shows = std::env::var("ACCURACY_SHOW").is_ok_and(|shown| shown == name);
    let starts = starts(&log);
    let (mut row, mut at) = (Row::default(), 0);
    for (record, says) in records(name, &log, &read(&twin)) {
        // An empty line is no record, so it does not matter which one it ends.
        if record.trim_end_matches('\n').is_empty() {
            at += record.split('\n').count();
            continue;
        }
        let (mut right, actual) = judge(&record, &says);
        let end = at + record.trim_end_matches('\n').split('\n').count();
        right[0] = starts[at] && !starts[at + 1..end].contains(&true);
        at += record.split('\n').count();
        if shows && right[..GUARDED].contains(&false) {
            let wrong = COLUMNS.iter().zip(right).filter(|(_, right)| !right).map(|(column, _)| *column);
            println!("{:?}\n  {record}\n  expected {says}\n  actual   {actual}", wrong.collect::<Vec<_>>());
        }
        row.records += 1;
        for (sum, right) in row.right.iter_mut().zip(right) {
            *sum += usize::from(right);
        }
    }
    row
}

/// What the parser says, to be corrected by eye.
fn draft(log: &str) -> String {
    let mut text = String::new();
    for (line, starts) in log.lines().zip(starts(log)) {
        let (id, fields) = Detector::parse(None, line, &context());
        let says = if starts { describe(id.format().name, &fields) } else { json!({"continues": true}) };
        writeln!(text, "{says}").unwrap();
    }
    text
}

#[test]
fn accuracy_does_not_fall() {
    let names = names();
    assert!(!names.is_empty());
    let mut rows: Vec<(String, Row)> = names.iter().map(|name| (name.clone(), measure(name))).collect();
    let mut total = Row::default();
    for (_, row) in &rows {
        total.records += row.records;
        total.right.iter_mut().zip(row.right).for_each(|(sum, right)| *sum += right);
    }
    rows.push(("total".to_owned(), total));
    let heads = COLUMNS.map(|column| format!("{column:>8}")).concat();
    let mut table = format!("{:<16}{:>8}{heads}\n", "file", "records");
    table.extend(rows.iter().map(|(name, row)| row.show(name)));
    println!("Percent of the records of real programs that are read right:\n{table}");
    let noted = fixtures("captured").join("accuracy.txt");
    if updates() {
        fs::write(&noted, &table).unwrap();
    }
    let noted = read(&noted);
    let mut fallen = Vec::new();
    for (name, row) in &rows {
        let cells = noted.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let Some(cells) = cells.into_iter().find(|cells| cells.first() == Some(&name.as_str())) else {
            panic!("accuracy.txt has no row {name}: UPDATE_EXPECT=1 notes it");
        };
        for ((column, now), noted) in COLUMNS.iter().zip(row.percent()).zip(&cells[2..]).take(GUARDED) {
            let noted: f64 = noted.parse().unwrap();
            if now < noted {
                fallen.push(format!(
                    "{name}: {column} fell from {noted} to {now} percent; ACCURACY_SHOW={name} shows it"
                ));
            }
        }
    }
    assert!(fallen.is_empty(), "{}", fallen.join("\n"));
}

/// One of so many lines of a mixed stream is of another program.
const MIXED_EVERY: usize = 10;
/// The programs whose lines are mixed in are so far behind in the list of logs.
const STRANGERS: [usize; 3] = [1, 17, 41];

/// Of so many percent of a stream's records the format must be right.
const RECORDS_PERCENT_MIN: usize = 97;

/// Whether the formats of a stream's records are right, and the one that is tried first in the end is one of them, although
/// records of others come between.
fn is_detected(own: &[(String, Json)], others: &[(String, Json)]) -> bool {
    let mut detector = Detector::default();
    let mut strangers = others.iter().cycle();
    let mut right = 0;
    for (at, (record, says)) in own.iter().enumerate() {
        let (found, _) = Detector::parse(detector.hint(), record, &context());
        right += usize::from(says["format"] == found.format().name);
        detector.observe(found);
        if at % MIXED_EVERY == MIXED_EVERY - 2
            && let Some((stranger, _)) = strangers.next()
        {
            detector.observe(Detector::parse(detector.hint(), stranger, &context()).0);
        }
    }
    let hint = detector.hint().map(|hint| hint.format().name);
    100 * right >= RECORDS_PERCENT_MIN * own.len() && own.iter().any(|(_, says)| says["format"].as_str() == hint)
}

#[test]
fn streams_are_detected_also_among_lines_of_others() {
    if updates() {
        return;
    }
    let folder = fixtures("captured");
    let text = |name: &str, kind: &str| read(&folder.join(format!("{name}.{kind}")));
    let logs: Vec<(String, Vec<(String, Json)>)> = names()
        .into_iter()
        .map(|name| (name.clone(), records(&name, &text(&name, "log"), &text(&name, "json"))))
        .collect();
    let share = |wrong: &[String], of: usize| 100 * (of - wrong.len()) / of;
    let alone: Vec<String> =
        logs.iter().filter(|(_, own)| !is_detected(own, &[])).map(|(name, _)| name.clone()).collect();
    let mut mixed = Vec::new();
    for (at, (name, own)) in logs.iter().enumerate() {
        for offset in STRANGERS {
            let (other, strangers) = &logs[(at + offset) % logs.len()];
            if !is_detected(own, strangers) {
                mixed.push(format!("{name} with {other}"));
            }
        }
    }
    let streams = logs.len() * STRANGERS.len();
    println!(
        "detected: {} % of streams, {} % with every tenth line of another",
        share(&alone, logs.len()),
        share(&mixed, streams)
    );
    assert!(share(&alone, logs.len()) >= 99, "not detected: {alone:?}");
    assert!(share(&mixed, streams) >= 97, "not detected: {mixed:?}");
}

#[test]
fn every_captured_log_has_its_script_and_its_twin() {
    if updates() {
        return;
    }
    let names = names();
    for name in &names {
        assert!(fixtures("capture").join(format!("{name}.sh")).is_file(), "fixtures/capture/{name}.sh is missing");
        assert!(fixtures("captured").join(format!("{name}.json")).is_file(), "{name} has no twin");
    }
    for file in fs::read_dir(fixtures("captured")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(name == "accuracy" || names.iter().any(|log| log == name), "{} belongs to no log", file.display());
    }
}
