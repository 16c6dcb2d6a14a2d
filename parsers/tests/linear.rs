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
const PLACES_MAX: usize = 5;
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

/// A text of parts that are there once and parts that are repeated, each as often as the others. `№` becomes a number.
struct Case {
    subject: Subject,
    parts: Vec<(&'static str, bool)>,
    bytes: usize,
}

impl Case {
    fn text(&self, bytes: usize) -> String {
        let repeated: usize = self.parts.iter().filter(|part| part.1).map(|part| part.0.len()).sum();
        let mut text = String::new();
        for (part, is_repeated) in &self.parts {
            let times = if *is_repeated { bytes / repeated } else { 1 };
            for n in 0..times {
                match part.split_once('№') {
                    Some((before, after)) => text.extend([before, &n.to_string(), after]),
                    None => text.push_str(part),
                }
            }
        }
        text
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
        let parts = self.parts.iter().map(|(part, repeated)| format!("{part:?}{}", if *repeated { ".." } else { "" }));
        format!("{subject}: {}", parts.collect::<Vec<_>>().join(" "))
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
    for format in FORMATS.iter().take(0) {
        let line = format.example;
        for at in places(line) {
            for piece in PIECES {
                let parts = vec![(&line[..at], false), (piece, true), (&line[at..], false)];
                cases.push(Case { subject: Subject::Format(format), parts, bytes: BYTES });
            }
        }
    }
    for case in EXTRA_QUERY {
        cases.push(Case { subject: Subject::Query, parts: vec![("a ", false), (case, true)], bytes: BYTES });
        cases.push(Case { subject: Subject::Query, parts: vec![("a:", false), (case, true)], bytes: BYTES });
        cases.push(Case {
            subject: Subject::Query,
            parts: vec![("a:[", false), (case, true), ("]", false)],
            bytes: BYTES,
        });
        cases.push(Case {
            subject: Subject::Query,
            parts: vec![("\"", false), (case, true), ("\"", false)],
            bytes: BYTES,
        });
    }
    for (open, close) in [
        ("(a (b OR ", "))"),
        ("(a OR (b ", "))"),
        ("(", ")"),
        ("((a OR ", ") b)"),
        ("NOT (a (b OR ", ")) c"),
        ("-(a ", ")"),
        ("a:(b ", ")"),
        ("((a) OR ", ") b "),
    ] {
        cases.push(Case {
            subject: Subject::Query,
            parts: vec![(open, true), ("x", false), (close, true)],
            bytes: 16 * (open.len() + close.len()),
        });
    }
    for piece in PIECES {
        for before in ["", "a=", "user ", "\""] {
            cases.push(Case { subject: Subject::Template, parts: vec![(before, false), (piece, true)], bytes: BYTES });
        }
        for before in ["", "2026-01-02 03:04:05 ERROR x\n", "panic: x\n", "Traceback (most recent call last):\n"] {
            cases.push(Case { subject: Subject::Join, parts: vec![(before, false), (piece, true)], bytes: BYTES });
            cases.push(Case { subject: Subject::Detection, parts: vec![(before, false), (piece, true)], bytes: BYTES });
        }
        for before in ["{\"a\":", "[", "\"", "1", "{\"", "[[[[[[[[[[[[[[[[[[[["] {
            cases.push(Case { subject: Subject::Json, parts: vec![(before, false), (piece, true)], bytes: BYTES });
        }
    }
    for parts in EXTRA {
        for subject in [Subject::Detection, Subject::Template, Subject::Json] {
            cases.push(Case { subject, parts: parts.to_vec(), bytes: BYTES });
        }
    }
    cases
}

const EXTRA: &[&[(&str, bool)]] = &[
    &[("<34>1 - - - - - [a", false), (" b№=\"1\"", true), ("] {\"z\":0", false), (",\"c№\":1", true), ("}", false)],
    &[("<34>1 - - - - - [a", false), (" b№=\"1\"", true), ("] a=1", false), (" c№=1", true)],
    &[("<34>1 - - - - - ", false), ("[a№ b=\"\"]", true)],
    &[("a=1", false), (" c№=1", true)],
    &[("a=1", false), (" a=1", true)],
    &[("a=1", false), (" a=\"\\n\"", true)],
    &[("{\"z\":0", false), (",\"c№\":1", true), ("}", false)],
    &[("{\"z\":{\"y\":0", false), (",\"c№\":1", true), ("}}", false)],
    &[
        ("{\"log\":{\"y\":0", false),
        (",\"c№\":1", true),
        ("},\"fields\":{\"k\":1", false),
        (",\"c№\":1", true),
        ("}}", false),
    ],
    &[("{\"z\":", false), ("[", true), ("]", true), ("}", false)],
    &[("{\"z\":", false), ("{\"a\":", true), ("1", false), ("}", true), ("}", false)],
    &[("{\"attr\":", false), ("{\"a\":", true), ("1", false), ("}", true), ("}", false)],
    &[("{\"stack\":\"", false), ("at a.b(C.java:1)\\n\\tat ", true), ("\"}", false)],
    &[("{\"stack\":\"", false), ("Error: a\\n", true), ("\"}", false)],
    &[("{\"msg\":\"a\",\"x\":[", false), ("\"a\",", true), ("0]}", false)],
    &[("2026-01-02 03:04:05,678 [main] ERROR shop.Cart - a\t{\"z\":0", false), (",\"c№\":1", true), ("}", false)],
    &[("2026-01-02 03:04:05,678 [main] ERROR shop.Cart - a", false), ("\t{", true), ("}", false)],
    &[
        (
            "{\"t\":{\"$date\":\"2026-01-02T03:04:05.678Z\"},\"s\":\"I\",\"c\":\"a\",\"msg\":\"a\",\"attr\":{\"z\":0",
            false,
        ),
        (",\"c№\":1", true),
        ("}}", false),
    ],
    &[("time:[02/Jan/2026:03:04:05 +0000]\thost:x", false), ("\tc№:1", true)],
    &[("CEF:0|a|b|1|2|c|3|a=1", false), (" c№=1", true)],
    &[("CEF:0|a|b|1|2|c|3|a=1", false), (" cs1=1 cs1Label=a", true)],
    &[("CEF:0|a|b|1|2|c|3|a=1", false), (" cs№=1 cs№Label=a", true)],
    &[("LEEF:1.0|a|b|1|2|a=1", false), ("\tc№=1", true)],
    &[("type=PATH msg=audit(1767323045.678:123): a=1", false), (" c№=1", true)],
    &[("type=EXECVE msg=audit(1767323045.678:123): a=1", false), (" a№=2F", true)],
    &[
        ("<Event xmlns='a'><EventID>7</EventID><EventData>", false),
        ("<Data Name='a№'>1</Data>", true),
        ("</EventData></Event>", false),
    ],
    &[
        ("<Event xmlns='a'><EventID>7</EventID><EventData>", false),
        ("<Data>", true),
        ("</Data>", true),
        ("</EventData></Event>", false),
    ],
    &[("<Event xmlns='a'>", false), ("<a№ b='1'>", true), ("</Event>", false)],
    &[("<Event xmlns='a'>", false), ("&amp;", true), ("</Event>", false)],
    &[("<Event xmlns='a'>", false), ("<a>", true), ("</a>", true), ("</Event>", false)],
    &[("2026-01-02T03:04:05.678Z [INFO]  a: b: a=1", false), (" c№=1", true)],
    &[("2026-01-02T03:04:05.678Z [INFO]  a: b:", false), (" c№=\"a\\\"b\"", true)],
    &[("# Query_time: 1.5  Lock_time: 0.1 ", false), (" C№: 1", true)],
    &[("I260102 03:04:05.678901 77 a.go:1 ", false), ("[a№]", true), (" x", false)],
    &[("2026/01/02 03:04:05 [error] 7#7: *1 a", false), (", c№: 1", true)],
    &[("2026/01/02 03:04:05 [error] 7#7: *1 a", false), (", client: 1", true)],
    &[("2026-01-02 03:04:05.678 UTC [77] ERROR:  a", false), (" at character 1", true)],
    &[("2026-01-02 03:04:05.678 UTC,", false), ("\"\"\"\",", true)],
    &[("ERROR x", false), ("\na.rb:1:in 'x': y", true)],
    &[("ERROR x", false), ("\nTraceback (most recent call last):", true)],
    &[("ERROR x", false), ("\n+ Traceback (most recent call last)", true)],
    &[("ERROR x", false), ("\nthread 'main' panicked at ", true)],
    &[("ERROR x", false), ("\na.b.CException: d", true)],
    &[("ERROR x", false), ("\npanic serving ", true)],
    &[("ERROR x", false), (" panic serving : ", true)],
    &[("a.rb:1", false), (":in ", true), ("': x (E)", false)],
    &[("Jan  2 03:04:05 web-1 sudo: ann : TTY=pts/0", false), (" ; A=1", true), (" ; COMMAND=x", false)],
    &[("Jan  2 03:04:05 web-1 sshd[7]: Failed password for ", false), (" from ", true), (" port 22", false)],
    &[("Jan  2 03:04:05 web-1 kernel: [1.5] IN=eth0 OUT= ", false), (" SRC=1.2.3.4", true)],
    &[("[2026-01-02T03:04:05,678][INFO ][a] ", false), ("[n] ", true), (" took[5ms]", false)],
    &[("", false), ("\u{1b}[1m", true), ("x", false)],
    &[("", false), ("\u{1b}[", true), ("x", false)],
    &[("\u{1b}[", false), ("1;", true), ("x", false)],
    &[("2026-01-02 03:04:05 ", false), ("[a№] ", true), ("x", false)],
    &[("[", false), ("a ", true), ("] x", false)],
    &[("{\n", false), ("\"c№\": 1,\n", true), ("\"z\":1}", false)],
    &[("a=1\n", false), ("b\n", true)],
    &[("{\"a\":1}\n", false), ("b\n", true)],
];

const EXTRA_QUERY: [&str; 51] = [
    "a:'b'",
    "a=\"\"",
    "*'a'",
    "-'a'",
    "\"a\"~3",
    "/a/ ",
    "\\'",
    "a ",
    "a№ ",
    "-a ",
    "+a ",
    "(",
    "a:",
    "a:b ",
    "a OR ",
    "a AND ",
    "NOT ",
    "\"",
    "\"a\" ",
    "'",
    "'a ",
    "/[",
    "/[a ",
    "/a ",
    "/a/ ",
    "/",
    "[",
    "a:[",
    "a, ",
    "a№, ",
    "{",
    "|= `a` ",
    "\\",
    "a:>1 ",
    "a:(b ",
    "@a:1 ",
    "é",
    "*",
    "?",
    "{a=\"b\"} ",
    "now-",
    "1.2.3.4/",
    "1h",
    "!=",
    "&&",
    "||",
    "a in (b) ",
    "\n",
    "a=~",
    "= ",
    "a>1 ",
];

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
        counted_work(case.subject, &case.text(case.bytes));
        counted_work(case.subject, &case.text(2 * case.bytes));
    }
}

#[test]
fn twice_the_text_is_at_most_twice_the_work() {
    if std::env::var_os(CHILD).is_some() {
        return;
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{}", std::process::id()));
    for (n, case) in cases().iter().enumerate() {
        println!("CASE {n} {}", case.name());
    }
    let run = Command::new("valgrind")
        .args([
            "--tool=callgrind",
            "--combine-dumps=yes",
            "--toggle-collect=*counted_work",
            "--dump-after=*counted_work",
            "--dump-line=no",
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
    for (n, case) in cases.iter().enumerate() {
        println!("CASE {n} {}", case.name());
    }
    println!("{} dumps, {} bytes", counts.len(), text.len());
    let mut worst: Vec<(u64, String)> = cases
        .iter()
        .zip(counts.chunks(2))
        .map(|(case, pair)| (pair[1] * 100 / pair[0], format!("{} {} {}", pair[0], pair[1], case.name())))
        .collect();
    worst.retain(|(p, _)| *p > 205);
    worst.sort();
    for (percent, name) in worst.iter().rev().take(200) {
        println!("{percent} {name}");
    }
    println!("{}", counts.iter().sum::<u64>());
}
