//! Inputs that fuzzing once broke something with, each in `fixtures/fuzz/<target>/`: what must hold for any input holds for
//! them, too. `make fuzz` looks for more.
#![allow(clippy::disallowed_methods, reason = "a test runner reads its fixtures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../fuzz/src/lib.rs"]
mod invariants;

use std::fs;
use std::path::Path;

type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 9] = [
    ("config", invariants::config),
    ("detect", invariants::detect),
    ("formats", invariants::formats),
    ("grok", invariants::grok),
    ("join", invariants::join),
    ("json", invariants::json),
    ("query", invariants::query),
    ("syslog", invariants::syslog),
    ("template", invariants::template),
];

/// Those that `tests/it/fuzz.rs` checks.
const FILTERS: [&str; 5] = ["csv", "dissect", "kv", "sprintf", "xml"];

#[test]
fn what_once_broke_holds() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/fuzz");
    for folder in fs::read_dir(&root).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap();
        if FILTERS.contains(&name) {
            continue;
        }
        let Some((_, check)) = TARGETS.iter().find(|target| target.0 == name) else { panic!("no target {name}") };
        for input in fs::read_dir(&folder).unwrap() {
            let input = input.unwrap().path();
            // The last line of what a failing test prints is the input that failed.
            println!("{}", input.display());
            check(&fs::read(&input).unwrap());
        }
    }
}
