//! What parsing a line allocates, pinned for every format in `fixtures/lines/allocations.txt`: its example and the first lines of
//! each of its fixtures. `UPDATE_EXPECT=1` writes the table.
//!
//! The aim is none: a value borrows from its line, and [`Fields`](logship_parsers::Fields) has room for twelve of them. What remains is
//! a text with escapes, which must be rebuilt (and its parts, where it is taken apart), room for more fields than twelve, objects and lists
//! inside of a line, and names that get the name of their format in front.
#![allow(clippy::disallowed_methods, reason = "a test runner reads its fixtures")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use logship_parsers::line::{
    Context, FORMATS,
    detect::{Detector, FormatId, names_columns},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::{alloc::System, fs, hint::black_box, path::Path};

/// Lines of each fixture that are counted.
const LINES: usize = 5;
/// The runner of tests has threads of its own, which may allocate meanwhile: the smallest of so many counts is the line's.
const ROUNDS: usize = 5;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocations(hint: Option<FormatId>, line: &str, context: &Context) -> usize {
    let count = || {
        let region = Region::new(ALLOCATOR);
        drop(black_box(Detector::parse(hint, black_box(line), context)));
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..ROUNDS).map(|_| count()).min().unwrap()
}

/// The counts of the first lines of a text.
fn row(name: &str, source: &str, text: &str) -> String {
    let hint = FormatId::by_name(name);
    let mut context = Context { received: 1_781_524_800_000_000_000, ..Context::default() };
    let mut row = format!("{name:16} {source:24}");
    for line in text.lines().take(LINES) {
        row += &format!(" {}", allocations(hint, line, &context));
        if names_columns(line.as_bytes()) {
            context.header = Some(line);
        }
    }
    row + "\n"
}

#[test]
fn lines_allocate_what_they_did() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/lines");
    let mut table = String::new();
    for format in FORMATS {
        table += &row(format.name, "example", format.example);
        let mut logs: Vec<_> =
            fs::read_dir(root.join(format.name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.sort();
        for log in logs {
            let source = log.file_name().unwrap().to_string_lossy().into_owned();
            table += &row(format.name, &source, &fs::read_to_string(&log).unwrap());
        }
    }
    expect_test::expect_file![root.join("allocations.txt")].assert_eq(&table);
}
