//! Inputs that fuzzing once broke a filter with, each in `fixtures/fuzz/<target>/`: what must hold for any input holds for them, and
//! for what these targets begin with, too. `make fuzz` looks for more.

#[path = "../../fuzz/src/filters.rs"]
mod invariants;

use std::{fs, path::Path};

type Target = (&'static str, fn(&[u8]), &'static [&'static str]);

/// With some inputs of each.
const TARGETS: [Target; 5] = [
    ("csv", invariants::csv, &["\0a,\"b\"\"c\",d", "\u{1}'a;b';;c", "\u{3}1||2026-01-02||yes", "\u{4}a,b"]),
    ("dissect", invariants::dissect, &["%{a} %{+a/2} %{?k}=%{&k}->\nx y k=v", "%{\nx", "[%{a->}] %{b}\n[x   ] y"]),
    ("kv", invariants::kv, &["\0a=1 b=\"x y\" c=[d e]", "\u{2}a = 1; b=2", "\u{4}a=[b=[c=1 c=2]]"]),
    ("sprintf", invariants::sprintf, &["%{[a][0]} %{+yyyy.MM} %{x\n{\"a\":[1.5]}", "%{+%s}%{message}\nhi"]),
    ("xml", invariants::xml, &["\0<a b=\"1\"><c/>x &lt;</a>", "\u{3}<a><b/><b>x</b></a>", "\u{3}<a", "\0<!DOCTYPE a>"]),
];

#[test]
fn what_once_broke_a_filter_holds() {
    for (name, check, begin) in TARGETS {
        begin.iter().for_each(|input| check(input.as_bytes()));
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz").join(name);
        for input in fs::read_dir(&folder).into_iter().flatten() {
            let input = input.unwrap().path();
            // The last line of what a failing test prints is the input that failed.
            println!("{}", input.display());
            check(&fs::read(&input).unwrap());
        }
    }
    invariants::xml(b"\xff//a[@b='1']/text()\n<a b='1'>x</a>");
}
