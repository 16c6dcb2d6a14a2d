//! Dead letters as an input of another pipeline: while they are written, after stops and kills, removed once they are safe.

use crate::{
    harness::{folder, logship, pipe, until, wait},
    pipelines_live::Live,
};
use std::{collections::BTreeSet, fs, path::Path};

/// Refuses events: they name no port.
fn refuse(data: &Path, messages: std::ops::Range<usize>) {
    let lines: String = messages.map(|number| format!("{number}\n")).collect();
    let conf = "input { stdin { } } filter { mutate { add_field => { '[@metadata][k]' => 'v%{message}' } } }
        output { udp { id => far host => '127.0.0.1' port => '%{nowhere}' } }";
    let output = pipe(data, &["-e", conf], lines.as_bytes());
    assert!(output.status.success(), "{output:?}");
}

/// What is printed of each dead letter.
const FORMAT: &str = "%{message} %{[@metadata][k]} %{[@metadata][dead_letter_queue][plugin_type]} \
    %{[@metadata][dead_letter_queue][plugin_id]} %{[@metadata][dead_letter_queue][reason]} %{tags}";

/// Reads them in a pipeline of another name.
fn reader(data: &Path, options: &str) -> Live {
    let conf = format!(
        "input {{ dead_letter_queue {{ {options} tags => dead }} }}
         output {{ stdout {{ codec => line {{ format => '{FORMAT}' }} }} }}"
    );
    Live::start(data, &["--pipeline.id", "again", "-e", &conf])
}

fn expected(number: usize) -> String {
    format!("{number} v{number} udp far 127.0.0.1:%{{nowhere}}: this is no port dead")
}

fn count(data: &Path) -> usize {
    let output = logship(data, &["dlq", "show"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().count()
}

#[test]
fn dead_letters_come_once_and_as_they_are_written() {
    let home = folder();
    let data = home.path().join("data");
    refuse(&data, 0..3);
    let mut live = reader(&data, "");
    for number in 0..3 {
        assert_eq!(live.line(), expected(number));
    }
    refuse(&data, 3..5);
    for number in 3..5 {
        assert_eq!(live.line(), expected(number));
    }
    assert!(live.stop().is_empty());
    // What was stopped in order is not read again, unless it is not remembered.
    refuse(&data, 5..6);
    let mut live = reader(&data, "sincedb_path => '/dev/null'");
    assert_eq!(live.line(), expected(5));
    assert!(live.stop().is_empty());
    let mut live = reader(&data, "commit_offsets => false");
    for number in 0..6 {
        assert_eq!(live.line(), expected(number));
    }
    assert!(live.stop().is_empty());
    assert_eq!(count(&data), 6);
}

#[test]
fn a_kill_loses_no_dead_letter() {
    const LETTERS: usize = 2_000;
    let home = folder();
    let data = home.path().join("data");
    let mut seen = BTreeSet::new();
    for part in 0..2 {
        refuse(&data, part * LETTERS / 2..(part + 1) * LETTERS / 2);
        let mut live = reader(&data, "");
        for _ in 0..LETTERS / 8 {
            seen.insert(live.line());
        }
        live.child.kill().unwrap();
        wait(&mut live.child);
    }
    refuse(&data, LETTERS..LETTERS + 1);
    let mut live = reader(&data, "clean_consumed => true");
    loop {
        let line = live.line();
        let is_last = line == expected(LETTERS);
        seen.insert(line);
        if is_last {
            break;
        }
    }
    let missing: Vec<_> = (0..=LETTERS).filter(|number| !seen.contains(&expected(*number))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    until("what was read is removed", || (count(&data) == 0).then_some(()));
    assert!(live.stop().is_empty());
}

#[test]
fn old_dead_letters_are_passed_over_and_odd_places_told() {
    let home = folder();
    let data = home.path().join("data");
    refuse(&data, 0..2);
    let start = logship::clock::now();
    refuse(&data, 2..3);
    let mut live = reader(&data, &format!("path => '{}' start_timestamp => '{start}'", data.display()));
    assert_eq!(live.line(), expected(2));
    assert!(live.stop().is_empty());
    // Those that were passed over are still there.
    let mut live = reader(&data, "");
    assert_eq!((live.line(), live.line()), (expected(0), expected(1)));
    assert!(live.stop().is_empty());
    let told = |options: &str, expected: &str| {
        let mut live = reader(&data, options);
        let stderr = data.with_extension("stderr");
        until(expected, || fs::read_to_string(&stderr).unwrap().contains(expected).then_some(()));
        live.child.kill().unwrap();
        wait(&mut live.child);
    };
    told(&format!("path => '{}'", home.path().display()), "there is no pipeline in");
    told("pipeline_id => again", "its own dead letters");
}
