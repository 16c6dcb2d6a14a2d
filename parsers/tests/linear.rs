//! No quadratic time: twice the text takes at most twice the work, and a quarter of that more. Counted in instructions by
//! callgrind (of valgrind), not by a clock, so that a busy machine changes nothing. Without valgrind the test says that it is
//! skipped.
//!
//! The test runs itself under callgrind. There it gives each case, a hostile text, in two lengths to [`counted_work`], and
//! callgrind writes down the instructions of each call.
#![allow(clippy::disallowed_methods, reason = "a test runner reads what valgrind wrote")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use logship_parsers::config::{self, Source};
use logship_parsers::join::Joiner;
use logship_parsers::json::parse_value;
use logship_parsers::line::detect::Detector;
use logship_parsers::line::{Context, FORMATS, Format};
use logship_parsers::query::{parse, words};
use logship_parsers::template::{id, masked};
use memchr::memmem;
use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::{env, fs, io};

/// The most work that twice the text may take, in percent.
const PERCENT_MAX: u64 = 250;
/// How long what is repeated is in the shorter text of a case.
const BYTES: usize = 4 << 10;
/// The same where parsers look at short texts only, or do much for each byte.
const FEW_BYTES: usize = 1 << 10;
/// In how many places of a format's example pieces are repeated.
const PLACES: usize = 5;
/// How much longer the texts are of the cases that are looked at again.
const LONGER: usize = 4;
/// Set where the test runs itself, to the numbers of the cases that are looked at again, or to nothing for all.
const CHILD: &str = "LOGSHIP_COUNTED_WORK";

/// What is repeated inside of the example of each format, and given to everything else.
const PIECES: [&str; 30] = [
    "a",
    "1",
    "a ",
    "7 ",
    "k№=1 ",
    "k№=\"v\" ",
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

/// Lines: what stands between `⟦` and `⟧` is repeated, and `№` is the number of the repetition.
const LINES: [&str; 56] = [
    "<34>1 - - - - - [a⟦ b№=\"1\"⟧] {\"z\":0⟦,\"c№\":1⟧}",
    "<34>1 - - - - - [a⟦ b№=\"1\"⟧] a=1⟦ c№=1⟧",
    "<34>1 - - - - - ⟦[a№ b=\"\"]⟧",
    "a=1⟦ c№=1⟧",
    "a=1⟦ a=1⟧",
    "a=1⟦ a=\"\\n\"⟧",
    "{\"z\":0⟦,\"c№\":1⟧}",
    "{\"short_message\":\"a\"⟦,\"_c№\":1⟧}",
    "{\"z\":{\"y\":0⟦,\"c№\":1⟧}}",
    "{\"log\":{\"y\":0⟦,\"c№\":1⟧},\"fields\":{\"k\":1⟦,\"c№\":1⟧}}",
    "{\"z\":⟦[⟧⟦]⟧}",
    "{\"z\":⟦{\"a\":⟧1⟦}⟧}",
    "{\"stack\":\"⟦at a.b(C.java:1)\\n\\tat ⟧\"}",
    "{\"stack\":\"⟦Error: a\\n⟧\"}",
    "{\"msg\":\"a\",\"x\":[⟦\"a\",⟧0]}",
    "{\n⟦\"c№\": 1,\n⟧\"z\":1}",
    "{\"timestamp\":\"2026-01-02 03:04:05.678 UTC\",\"error_severity\":\"LOG\"⟦,\"c№\":1⟧}",
    "{\"t\":{\"$date\":\"2026-01-02T03:04:05.678Z\"},\"s\":\"I\",\"c\":\"a\",\"msg\":\"a\"⟦,\"c№\":1⟧}",
    "{\"t\":{\"$date\":\"2026-01-02T03:04:05.678Z\"},\"s\":\"I\",\"c\":\"a\",\"attr\":{\"z\":0⟦,\"c№\":1⟧}}",
    "2026-01-02 03:04:05,678 [main] ERROR shop.Cart - a\t{\"z\":0⟦,\"c№\":1⟧}",
    "2026-01-02 03:04:05,678 [main] ERROR shop.Cart - a⟦\t{⟧}",
    "2026-01-02 03:04:05 ⟦[a№] ⟧x",
    "time:[02/Jan/2026:03:04:05 +0000]\thost:x⟦\tc№:1⟧",
    "CEF:0|a|b|1|2|c|3|a=1⟦ c№=1⟧",
    "CEF:0|a|b|1|2|c|3|a=1⟦ cs1=1 cs1Label=a⟧",
    "CEF:0|a|b|1|2|c|3|a=1⟦ c№=1 src=1⟧",
    "LEEF:1.0|a|b|1|2|a=1⟦\tc№=1⟧",
    "type=PATH msg=audit(1767323045.678:123): a=1⟦ c№=1⟧",
    "type=PATH msg=audit(1767323045.678:123): a=1⟦ c№=1 comm=a⟧",
    "type=EXECVE msg=audit(1767323045.678:123): a=1⟦ a№=2F⟧",
    "<Event xmlns='a'><EventID>7</EventID><EventData>⟦<Data Name='a№'>1</Data>⟧</EventData></Event>",
    "<Event xmlns='a'><EventID>7</EventID><EventData>⟦<Data>⟧⟦</Data>⟧</EventData></Event>",
    "<Event xmlns='a'>⟦<a№ b='1'>⟧</Event>",
    "<Event xmlns='a'>⟦&amp;⟧</Event>",
    "<Event xmlns='a'>⟦<a>⟧⟦</a>⟧</Event>",
    "2026-01-02T03:04:05.678Z [INFO]  a: b: a=1⟦ c№=1⟧",
    "2026-01-02T03:04:05.678Z [INFO]  a: b:⟦ c№=\"a\\\"b\"⟧",
    "# Query_time: 1.5  Lock_time: 0.1 ⟦ C№: 1⟧",
    "I260102 03:04:05.678901 77 a.go:1 ⟦[a№]⟧ x",
    "2026/01/02 03:04:05 [error] 7#7: *1 a⟦, c№: 1⟧",
    "2026/01/02 03:04:05 [error] 7#7: *1 a⟦, client: 1⟧",
    "2026-01-02 03:04:05.678 UTC [77] ERROR:  a⟦ at character 1⟧",
    "2026-01-02 03:04:05.678 UTC,⟦\"\"\"\",⟧",
    "[2026-01-02T03:04:05,678][INFO ][a] ⟦[n] ⟧ took[5ms]",
    "⟦\u{1b}[1m⟧x",
    "\u{1b}[⟦1;⟧x",
    "[⟦a ⟧] x",
    "ERROR x⟦\na.rb:1:in 'x': y⟧",
    "ERROR x⟦\nTraceback (most recent call last):⟧",
    "ERROR x⟦\n+ Traceback (most recent call last)⟧",
    "ERROR x⟦\nthread 'main' panicked at ⟧",
    "ERROR x⟦\na.b.CException: d⟧",
    "ERROR x⟦ panic serving : ⟧",
    "a.rb:1⟦:in ⟧': x (E)",
    "a=1⟦\nb⟧",
    "{\"a\":1}⟦\nb⟧",
];

const SENTENCES: [&str; 4] = [
    "Jan  2 03:04:05 web-1 sudo: ann : TTY=pts/0⟦ ; A=1⟧ ; COMMAND=x",
    "Jan  2 03:04:05 web-1 sshd[7]: Failed password for ⟦ from ⟧ port 22",
    "Jan  2 03:04:05 web-1 su[7]: pam_unix(su:session): ⟦user=a ⟧",
    "Jan  2 03:04:05 web-1 kernel: [1.5] IN=eth0 OUT= ⟦ SRC=1.2.3.4⟧",
];

/// What is repeated in queries, behind nothing and behind the name of a field.
const CLAUSES: [&str; 39] = [
    "a ",
    "a№ ",
    "-a ",
    "+a ",
    "(",
    "a:",
    "a:b ",
    "a OR ",
    "NOT ",
    "\"",
    "\"a№\" ",
    "'",
    "'a ",
    "/a ",
    "/a/ ",
    "a:[",
    "a№, ",
    "{",
    "|= `a` ",
    "\\",
    "\\'",
    "a:>1 ",
    "a:(b ",
    "@a:1 ",
    "é",
    "*",
    "?",
    "{a=\"b\"} ",
    "1.2.3.4/",
    "&&",
    "||",
    "a in (b) ",
    "a=~",
    "a>1 ",
    "a:'b'",
    "a=\"\"",
    "*'a'",
    "-'a'",
    "\"a\"~3",
];

/// Whole queries. Groups are nested as deep as they may be.
const QUERIES: [&str; 9] = [
    "\"⟦a№ ⟧\"",
    "a:[⟦a№,⟧a]",
    "⟦(a (b OR ⟧x⟦))⟧",
    "⟦(a OR (b ⟧x⟦))⟧",
    "⟦(⟧x⟦)⟧",
    "⟦((a OR ⟧x⟦) b)⟧",
    "⟦NOT (a (b OR ⟧x⟦)) c⟧",
    "⟦-(a ⟧x⟦)⟧",
    "⟦a:(b ⟧x⟦)⟧",
];
/// What is repeated in a config, in an option's value and in a condition.
const CONFIG_PIECES: [&str; 36] = [
    "a ",
    "a=>1 ",
    "\"k№\" => 1 ",
    "\"k№\" => \"v\"\n",
    "\"",
    "'",
    "\\\"",
    "a => \"\n",
    "\"\n",
    "# ${A:b}\n",
    "${",
    "${a:",
    "${A:1} ",
    "%{",
    "a { } ",
    "a { b => c } ",
    "if [a] { } ",
    "else if [a] { } ",
    "[a]",
    "[a] ",
    "1, ",
    "{ } ",
    "}",
    "]",
    ") ",
    "/",
    "/a/ ",
    "[a] and ",
    "[a] or [b] and ",
    "\"a\" in [b] and\n",
    "!",
    "=> ",
    "\n",
    " ",
    "é",
    "“",
];
/// Whole configs. What is nested is nested as deep as it may be.
const CONFIGS: [&str; 7] = [
    "filter { ⟦if [a] { ⟧⟦} ⟧}",
    "filter { if ⟦(⟧[a]⟦)⟧ { } }",
    "filter { a { b => ⟦[⟧⟦]⟧ } }",
    "filter { a { b => ⟦{ c => ⟧1⟦}⟧ } }",
    "filter { a { ⟦b => c { ⟧⟦}⟧ } }",
    "filter { a { ⟦b => { k№ => 1 } ⟧ } }",
    "⟦filter { a { b => \"c\" } }\n⟧",
];
/// The half of `QUERY_DEPTH_MAX`.
const NESTED: usize = 16;

/// What a text is given to.
#[derive(Clone, Copy)]
enum Subject {
    Format(&'static Format),
    Detection,
    Json,
    Join,
    Query,
    Config,
    Template,
    /// Quadratic work, which the test must find.
    Quadratic,
}

struct Case {
    subject: Subject,
    text: String,
    times: usize,
}

impl Case {
    fn new(subject: Subject, text: impl Into<String>, bytes: usize) -> Case {
        let text = text.into();
        let repeated: usize = text.split(['⟦', '⟧']).skip(1).step_by(2).map(str::len).sum();
        Case { subject, times: bytes / repeated, text }
    }

    fn expanded(&self, times: usize) -> String {
        let mut expanded = String::new();
        for (at, part) in self.text.split(['⟦', '⟧']).enumerate() {
            for n in 0..if at % 2 == 1 { times } else { 1 } {
                match part.split_once('№') {
                    Some((before, after)) => expanded.extend([before, &n.to_string(), after]),
                    None => expanded.push_str(part),
                }
            }
        }
        expanded
    }

    fn name(&self) -> String {
        let subject = match self.subject {
            Subject::Format(format) => format.name,
            Subject::Detection => "detection",
            Subject::Json => "JSON",
            Subject::Join => "joiner",
            Subject::Query => "query",
            Subject::Config => "config",
            Subject::Template => "template",
            Subject::Quadratic => "quadratic",
        };
        format!("{subject}: {:?}", self.text)
    }
}

fn cases() -> Vec<Case> {
    let mut cases = vec![Case::new(Subject::Quadratic, "⟦a⟧", BYTES)];
    for (number, format) in FORMATS.iter().enumerate() {
        let places = places(format.example);
        // Every third piece: that callgrind writes down a call takes longer than the call.
        for (at, piece) in PIECES.iter().enumerate().skip(number % 3).step_by(3) {
            let (before, after) = format.example.split_at(places[(number + at / 3) % places.len()]);
            cases.push(Case::new(Subject::Format(format), format!("{before}⟦{piece}⟧{after}"), BYTES / 2));
        }
    }
    for line in LINES {
        cases.push(Case::new(Subject::Detection, line, BYTES));
    }
    cases.extend(SENTENCES.map(|line| Case::new(Subject::Detection, line, FEW_BYTES)));
    for piece in PIECES {
        cases.push(Case::new(Subject::Join, format!("2026-01-02 03:04:05 ERROR x\n⟦{piece}⟧"), FEW_BYTES));
        cases.push(Case::new(Subject::Join, format!("Traceback (most recent call last):\n⟦\n{piece}⟧"), FEW_BYTES));
        cases.push(Case::new(Subject::Json, format!("{{\"a\":[⟦{piece}⟧"), FEW_BYTES));
        cases.push(Case::new(Subject::Json, format!("{{\"a\":\"⟦{piece}⟧\"}}"), FEW_BYTES));
        cases.push(Case::new(Subject::Template, format!("user ⟦{piece}⟧"), FEW_BYTES));
    }
    for piece in CLAUSES {
        cases.push(Case::new(Subject::Query, format!("⟦{piece}⟧"), FEW_BYTES / 2));
        cases.push(Case::new(Subject::Query, format!("a:⟦{piece}⟧"), FEW_BYTES / 2));
    }
    // Behind each slash the end of a class is looked for up to `REGEX_BYTES_MAX`.
    cases.push(Case::new(Subject::Query, "⟦/[one two three four five six seven eight ⟧", 2 * BYTES));
    for query in QUERIES {
        let case = Case::new(Subject::Query, query, FEW_BYTES);
        let nested = query.starts_with('⟦');
        cases.push(Case { times: if nested { NESTED } else { case.times }, ..case });
    }
    for (number, piece) in CONFIG_PIECES.into_iter().enumerate() {
        let around =
            ["filter { ⟦⟧ }", "filter { a { b => ⟦⟧ } }", "filter { a { b => { ⟦⟧ } } }", "filter { if ⟦⟧ { } }"];
        for around in around.into_iter().skip(number % 2).step_by(2) {
            let text = around.replace("⟦⟧", &format!("⟦{piece}⟧"));
            cases.push(Case::new(Subject::Config, text, FEW_BYTES));
        }
    }
    for (at, text) in CONFIGS.into_iter().enumerate() {
        let case = Case::new(Subject::Config, text, FEW_BYTES);
        cases.push(Case { times: if at < 5 { NESTED } else { case.times }, ..case });
    }
    cases
}

/// Places behind separators, some of all, with the end.
fn places(line: &str) -> Vec<usize> {
    let inside = line.char_indices().filter(|(_, c)| !c.is_alphanumeric()).map(|(at, c)| at + c.len_utf8());
    let mut all: Vec<usize> = inside.chain([line.len()]).collect();
    all.dedup();
    let step = all.len().div_ceil(PLACES);
    all.iter().copied().rev().step_by(step).collect()
}

/// The work that is counted: callgrind knows it by this name.
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
        Subject::Config => {
            let parsed = config::parse(&[Source::new("a", text)], &config::Options::default());
            _ = black_box((parsed.config.to_string(), parsed.diagnostics.len()));
        }
        Subject::Template => _ = black_box((id(text), masked(text))),
        Subject::Quadratic => {
            for at in (0..text.len()).step_by(64) {
                black_box(text[at..].contains('b'));
            }
        }
    }
}

/// What the test does where it runs itself: nothing elsewhere.
#[test]
fn work() {
    let Ok(asked) = env::var(CHILD) else { return };
    let cases = cases();
    let again: Vec<usize> = asked.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let (chosen, longer) = if again.is_empty() { ((0..cases.len()).collect(), 1) } else { (again, LONGER) };
    for case in chosen.into_iter().map(|at| &cases[at]) {
        counted_work(case.subject, &case.expanded(longer * case.times));
        counted_work(case.subject, &case.expanded(2 * longer * case.times));
    }
}

/// What share of the work for a text twice the text takes, in percent, for each case or for those that are looked at
/// `again` with longer texts; none where there is no valgrind.
fn shares(again: &[usize]) -> Option<Vec<u64>> {
    let asked = again.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let counts = counted(&asked)?;
    // One more for what followed the last call.
    let cases = if again.is_empty() { cases().len() } else { again.len() };
    assert_eq!(counts.len(), 2 * cases + 1, "callgrind wrote down as many calls");
    Some(counts.chunks_exact(2).map(|work| 100 * work[1] / work[0]).collect())
}

/// The instructions of each call of [`counted_work`] in [`work`]; none where there is no valgrind.
fn counted(asked: &str) -> Option<Vec<u64>> {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{}", std::process::id()));
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*counted_work", "--dump-after=*counted_work"])
        .args(["--combine-dumps=yes", "--dump-line=no", &format!("--callgrind-out-file={}", out.display())])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "work"])
        .env(CHILD, asked)
        .output();
    let run = match run {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        run => run.unwrap(),
    };
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let written = fs::read(&out).unwrap();
    fs::remove_file(&out).unwrap();
    // Much is written for each call.
    let totals = memmem::find_iter(&written, b"\ntotals: ").map(|at| {
        let digits = written[at + 9..].split(|byte| *byte == b'\n').next().unwrap();
        str::from_utf8(digits).unwrap().parse().unwrap()
    });
    Some(totals.collect())
}

#[test]
fn twice_the_text_is_at_most_twice_the_work() {
    let Some(first) = shares(&[]) else {
        return println!(
            "skipped: there is no valgrind to count instructions with (on Debian: apt-get install valgrind)"
        );
    };
    let cases = cases();
    assert!(first[0] > PERCENT_MAX, "quadratic work takes {} %, so it would not be found", first[0]);
    // Where a limit lies between the two lengths, another way is gone for the longer text: longer texts lie both behind it.
    let suspect: Vec<usize> = (0..cases.len()).filter(|at| first[*at] > PERCENT_MAX).collect();
    let second = shares(&suspect).unwrap();
    assert!(second[0] > PERCENT_MAX, "quadratic work takes {} %, so it would not be found", second[0]);
    let found =
        |(at, share): (&usize, &u64)| (*share > PERCENT_MAX).then(|| format!("{share} % {}", cases[*at].name()));
    let wrong: Vec<String> = suspect.iter().zip(&second).skip(1).filter_map(found).collect();
    assert!(wrong.is_empty(), "twice the text takes so much of the work for it:\n{}", wrong.join("\n"));
}
