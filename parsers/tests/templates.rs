//! Templates of sixteen systems' messages: `fixtures/templates/NAME.log` holds messages in the style of a system with
//! invented values, `NAME.truth` the number of each line's true template, `NAME.patterns` the patterns that are found.
//! `UPDATE_EXPECT=1` writes the patterns.
#![allow(clippy::disallowed_methods, reason = "a test runner reads its fixtures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use logship_parsers::template::{hex, id, merge::Templates};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// What is reached now, rounded down; a change that groups worse than this is a step back.
const ACCURACY_MIN: f64 = 0.94;
/// No system alone may fall below.
const ACCURACY_OF_ONE_MIN: f64 = 0.8;

fn logs() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/templates");
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    found.sort();
    assert!(found.len() >= 14);
    found
}

/// The sets of lines that have the same name, by name.
fn groups<N: Ord>(names: impl Iterator<Item = N>) -> BTreeMap<N, BTreeSet<usize>> {
    let mut groups: BTreeMap<N, BTreeSet<usize>> = BTreeMap::new();
    names.enumerate().for_each(|(line, name)| {
        groups.entry(name).or_default().insert(line);
    });
    groups
}

/// A line counts as right when the lines of its pattern are exactly those of its true template.
fn accuracy(found: &BTreeMap<u64, BTreeSet<usize>>, truth: &BTreeMap<&str, BTreeSet<usize>>, lines: usize) -> f64 {
    let right: usize = truth.values().filter(|set| found.values().any(|other| other == *set)).map(BTreeSet::len).sum();
    right as f64 / lines as f64
}

#[test]
fn patterns_group_as_the_true_templates_do() {
    let (mut sum, mut table, logs) = (0.0, String::new(), logs());
    for log in &logs {
        let text = fs::read_to_string(log).unwrap();
        let truth = fs::read_to_string(log.with_extension("truth")).unwrap();
        assert_eq!(text.lines().count(), truth.lines().count(), "{}", log.display());
        let mut templates = Templates::default();
        text.lines().for_each(|line| templates.add(id(line), line));
        let patterns = templates.merged();
        let found = groups(text.lines().map(|line| patterns.of(id(line)).unwrap().id));
        let reached = accuracy(&found, &groups(truth.lines()), text.lines().count());
        sum += reached;
        let name = log.file_stem().unwrap().to_string_lossy();
        writeln!(table, "{name:12} {reached:.3}").unwrap();
        assert!(reached >= ACCURACY_OF_ONE_MIN, "{table}");
        let mut shown = String::new();
        for pattern in &patterns.patterns {
            let id = hex(pattern.id);
            writeln!(shown, "{:>5} {} {}", pattern.count, str::from_utf8(&id).unwrap(), pattern.text).unwrap();
        }
        expect_test::expect_file![log.with_extension("patterns")].assert_eq(&shown);
    }
    let mean = sum / logs.len() as f64;
    println!("{table}{:12} {mean:.3}", "mean");
    assert!(mean >= ACCURACY_MIN, "{table}mean {mean:.3}");
}
