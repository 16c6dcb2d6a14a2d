//! No quadratic time: a line twice as long takes at most twice the work, and a quarter of that more. Counted in instructions by
//! callgrind (of valgrind), not by a clock, so that a busy machine changes nothing. Without valgrind the test says that it is skipped.
//!
//! The test runs itself under callgrind: there it does [`work`] on each case, hostile texts of [`BYTES`] and twice as many
//! bytes, and callgrind writes down the instructions of each call.
#![allow(clippy::disallowed_methods, reason = "a test runner reads what valgrind wrote")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use logship_parsers::join::Joiner;
use logship_parsers::json::parse_value;
use logship_parsers::line::detect::Detector;
use logship_parsers::line::{Context, FORMATS, Format};
use logship_parsers::query::{parse, words};
use logship_parsers::template::{id, masked};
use std::hint::black_box;
use std::path::Path;
use std::process::Command;

/// How long the hostile part of the shorter text of a case is.
const BYTES: usize = 4 << 10;
/// The most work that twice the text takes, in percent of the work for the text.
const PERCENT_MAX: u64 = 250;
/// In how many places of a format's example each piece is repeated.
const PLACES_MAX: usize = 6;
/// Set where the test runs itself.
const CHILD: &str = "LOGSHIP_COUNTED_WORK";

/// What hostile texts are made of.
const PIECES: [&str; 30] = [
    "a",
    "1",
    "a ",
    "7 ",
    "a=1 ",
    "k=\"v\" ",
    "\"",
    "\\",
    "\\\"",
    "'",
    "[",
    "]",
    "[a] ",
    "{",
    "{\"a\":",
    "(",
    "<",
    "|",
    "\t",
    ",",
    ":",
    "a: ",
    " ",
    "- ",
    "/",
    "é",
    "\u{1b}[1m",
    "\n",
    "\n\tat a.b(C.java:1)",
    "a.b.CException: ",
];

/// What a text is given to.
#[derive(Clone, Copy)]
enum Subject {
    Format(&'static Format),
    Detection,
    Json,
    Join,
    Query,
    Template,
}

struct Case {
    subject: Subject,
    before: &'static str,
    piece: &'static str,
    after: &'static str,
}

impl Case {
    fn text(&self, bytes: usize) -> String {
        format!("{}{}{}", self.before, self.piece.repeat(bytes / self.piece.len()), self.after)
    }

    fn name(&self) -> String {
        let subject = match self.subject {
            Subject::Format(format) => format.name,
            Subject::Detection => "detection",
            Subject::Json => "json value",
            Subject::Join => "join",
            Subject::Query => "query",
            Subject::Template => "template",
        };
        format!("{subject}: {:?} {:?}.. {:?}", self.before, self.piece, self.after)
    }
}

/// The work that is counted, by this function's name.
#[inline(never)]
fn counted_work(subject: Subject, text: &str) {
    let context = Context::default();
    match subject {
        Subject::Format(format) => _ = black_box(format.read(text, &context)),
        Subject::Detection => _ = black_box(Detector::parse(None, text, &context)),
        Subject::Json => _ = black_box(parse_value(text)),
        Subject::Join => {
            let mut joiner = Joiner::default();
            text.split('\n').for_each(|line| _ = black_box(joiner.push(line.as_bytes())));
        }
        Subject::Query => match parse(text) {
            Ok(parsed) => _ = black_box((parsed.query.to_string(), words(&parsed.query))),
            Err(error) => _ = black_box(error.render(text)),
        },
        Subject::Template => _ = black_box((id(text), masked(text))),
    }
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for format in FORMATS {
        let line = format.example;
        let places = places(line);
        for at in places {
            for piece in PIECES {
                cases.push(Case { subject: Subject::Format(format), before: &line[..at], piece, after: &line[at..] });
            }
        }
        for piece in PIECES {
            cases.push(Case { subject: Subject::Detection, before: line, piece, after: "" });
        }
    }
    cases
}

/// Places behind separators, some of all, with the beginning and the end.
fn places(line: &str) -> Vec<usize> {
    let inside = line.char_indices().filter(|(_, c)| !c.is_alphanumeric()).map(|(at, c)| at + c.len_utf8());
    let all: Vec<usize> = inside.chain([0, line.len()]).collect();
    let step = all.len().div_ceil(PLACES_MAX).max(1);
    all.iter().copied().rev().step_by(step).collect()
}

#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    for case in cases() {
        counted_work(case.subject, &case.text(BYTES));
        counted_work(case.subject, &case.text(2 * BYTES));
    }
}

#[test]
fn twice_the_text_is_at_most_twice_the_work() {
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{}", std::process::id()));
    let run = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--combine-dumps=yes",
            "--toggle-collect=*counted_work",
            "--dump-after=*counted_work",
        ])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child"])
        .env(CHILD, "1")
        .output();
    let run = run.unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let text = std::fs::read_to_string(&out).unwrap();
    let counts: Vec<u64> =
        text.lines().filter_map(|line| line.strip_prefix("totals: ")).map(|n| n.parse().unwrap()).collect();
    let cases = cases();
    println!("{} dumps, {} bytes", counts.len(), text.len());
    let mut worst: Vec<(u64, String)> = cases
        .iter()
        .zip(counts.chunks(2))
        .map(|(case, pair)| (pair[1] * 100 / pair[0], format!("{} {} {}", pair[0], pair[1], case.name())))
        .collect();
    worst.sort();
    for (percent, name) in worst.iter().rev().take(80) {
        println!("{percent} {name}");
    }
    println!("{}", counts.iter().sum::<u64>());
}
