//! The golden cases of filters and codecs, and the cases' own tests.

use super::*;
use crate::{codecs::plugins::CODECS, config::Settings};
use logship_parsers::config::{Options, Source};
use std::path::{Path, PathBuf};

fn language() -> Options<'static> {
    Options { support_escapes: false, variables: &|_| None }
}

fn cases(text: &str) -> Result<Cases, Vec<String>> {
    Cases::new(Source::new("x.test", text), Path::new(""), &language(), &Settings::default())
}

/// What is wrong with the cases of a file.
fn wrong(path: &Path) -> Vec<String> {
    let cases = match Cases::open(path, &language(), &Settings::default()) {
        Ok(cases) => cases,
        Err(wrong) => return wrong,
    };
    let outcomes = cases.run();
    let failures = outcomes.iter().enumerate().filter_map(|(n, o)| failure(&cases, n, o, Paint::default()));
    failures.collect()
}

fn tests_below(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut found, mut folders) = (Vec::new(), vec![folder]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|ending| ending == "test") => found.push(path),
                false => {}
            }
        }
    }
    found.sort();
    found
}

#[test]
fn the_golden_cases_hold() {
    for folder in ["fixtures/filters", "fixtures/codecs", "pipelines"] {
        let files = tests_below(folder);
        assert!(!files.is_empty(), "{folder}");
        let wrong: Vec<_> = files.iter().flat_map(|path| wrong(path)).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Codecs that `tests/it/pipelines.rs` and tests of their own are about.
const TESTED_ELSEWHERE: [&str; 8] = ["dots", "event", "gzip_lines", "json", "json_lines", "line", "plain", "rubydebug"];

#[test]
fn codecs_have_cases() {
    for codec in CODECS.iter().filter(|codec| !TESTED_ELSEWHERE.contains(&codec.name)) {
        assert!(!tests_below(&format!("fixtures/codecs/{}", codec.name)).is_empty(), "{}", codec.name);
    }
}

#[test]
fn shipped_pipelines_have_cases() {
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines")).unwrap() {
        let path = entry.unwrap().path();
        let is_known = path.extension().is_some_and(|ending| ending == "conf" || ending == "test");
        assert!(is_known && path.with_extension("test").is_file(), "{}", path.display());
        // Whatever stands in them can be run from standard input to standard output.
        if path.extension().is_some_and(|ending| ending == "conf") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut sources = vec![Source::new(path.display().to_string(), text)];
            let (pipeline, wrong) = crate::pipeline::configured::load(&mut sources, &language(), &Settings::default());
            let wrong: Vec<_> = wrong.iter().map(|wrong| wrong.render(&sources)).collect();
            assert!(pipeline.is_some() && wrong.is_empty(), "{}", wrong.join("\n"));
        }
    }
}

/// The failures of one case below a config that renames `a` to `b`, by lines.
fn check(case: &str, expected: &[&str]) {
    let text =
        format!("filter {{ mutate {{ rename => {{ 'a' => 'b' }} }} if [drop] {{ drop {{ }} }} }}\n=== c\n{case}\n");
    let cases = cases(&text).unwrap();
    let outcomes = cases.run();
    let failure = failure(&cases, 0, &outcomes[0], Paint::default()).unwrap_or_default();
    let said = |line: &&str| line.starts_with("    ") || line.contains(", not ");
    let found: Vec<_> = failure.lines().filter(said).map(str::trim).collect();
    assert_eq!(found, expected, "{case}\n{failure}");
    let updated = super::tests::cases(&cases.updated(&outcomes)).unwrap();
    let good = updated.run().iter().all(Outcome::is_good);
    assert!(good, "{case}: {}", cases.updated(&outcomes));
}

#[test]
fn events_are_compared() {
    check("> {\"a\": 1}\n< {\"b\": 1}", &[]);
    check("> {\"a\": 1}\n< {\"b\": \"1\"}", &["- [b] \"1\"", "+ [b] 1"]);
    check("> {\"a\": 1, \"c\": 2}\n< {\"b\": 1, \"d\": 3}", &["- [d] 3", "+ [c] 2"]);
    check("> {\"a\": {\"x\": 1, \"y\": 2}}\n<~ {\"b\": {\"x\": 1}}", &[]);
    check("> {\"a\": {\"x\": 1, \"y\": 2}}\n< {\"b\": {\"x\": 1}}", &["+ [b][y] 2"]);
    check("> {\"a\": \"took 15 ms\"}\n<~ {\"b\": \"/took \\\\d+ ms/\"}", &[]);
    check("> {\"a\": 215}\n<~ {\"b\": \"/^2/\"}", &[]);
    check("> {\"a\": \"x\"}\n<~ {\"b\": \"/y/\"}", &["- [b] \"/y/\"", "+ [b] \"x\""]);
    check("> {\"a\": \"x\"}\n< {\"b\": \"/x/\"}", &["- [b] \"/x/\"", "+ [b] \"x\""]);
    check("> line\n< {\"message\": \"line\"}\ntags: none\nabsent: b, [c][d]", &[]);
    check("> line\n<~ {}\nabsent: message, x", &["- absent: [message]"]);
    check("> {\"tags\": [\"y\", \"x\"]}\n< {}\ntags: x, y", &[]);
    check("> {\"tags\": [\"y\"]}\n< {}\ntags: x", &["- tags: x", "+ tags: y"]);
    check("> {\"@metadata\": {\"k\": 1}}\n< {}\nmetadata: {\"k\": 1}", &[]);
    check(
        "> {\"@metadata\": {\"k\": 2}}\n< {}\nmetadata: {\"k\": 1}",
        &["- metadata: {\"k\":1}", "+ metadata: {\"k\":2}"],
    );
}

#[test]
fn events_are_counted() {
    check("> {\"drop\": 1}", &[]);
    check("> {\"drop\": 1}\n< none", &[]);
    check("> {\"drop\": 1}\n<none>", &[]);
    check("> {\"drop\": 1}\n< {}\ntags: none", &["0 events come out, not 1", "- {}"]);
    check("> {\"a\": 1}\n< none\n# a comment", &["1 event comes out, not 0", "+ {\"b\": 1}"]);
    check("> {\"a\": 1}\n> {\"a\": 2}\n< {\"b\": 1}", &["2 events come out, not 1", "+ {\"b\": 2}"]);
}

#[test]
fn texts_are_compared() {
    let text = "output { if [a] { stdout { codec => dots } } else { stdout { codec => line { format => '%{b}' } } } }
=== c
> {\"b\": 1}
> {\"a\": 1}
<< 2
<< .
<< 3
";
    let before = cases(text).unwrap();
    let outcomes = before.run();
    let failure = failure(&before, 0, &outcomes[0], Paint::default()).unwrap();
    assert!(failure.ends_with("text of the outputs\n    - 2\n    + 1\n    - 3\n"), "{failure}");
    assert_eq!(before.updated(&outcomes), text.replace("<< 2", "<< 1").replace("<< 3\n", ""));
}

#[test]
fn updates_keep_what_people_wrote() {
    let before = "# about\nfilter { mutate { rename => { 'a' => 'b' } } }\n\n=== one\n# why\n> {\"a\": 1}\n\n# how\n< {\"a\": 1}\n\
        \n=== two\n> {\"a\": 1, \"n\": 5}\n<~ {\"b\": 2, \"n\": \"/5/\", \"gone\": 1}\ntags: x # y\nabsent: n, z\n\n=== three\n> {\"a\": 1}\n<   {\"b\": 1}\n\
        \n=== four\n> x";
    let after = "# about\nfilter { mutate { rename => { 'a' => 'b' } } }\n\n=== one\n# why\n> {\"a\": 1}\n\n# how\n< {\"b\": 1}\n\
        \n=== two\n> {\"a\": 1, \"n\": 5}\n<~ {\"b\": 1, \"n\": \"/5/\"}\ntags: none\nabsent: [z]\n\n=== three\n> {\"a\": 1}\n<   {\"b\": 1}\n\
        \n=== four\n> x\n< {\"message\": \"x\"}";
    let cases = cases(before).unwrap();
    assert_eq!(cases.updated(&cases.run()), after);
}

#[test]
fn what_is_broken_is_told_at_its_place() {
    let check = |text: &str, expected: &str| {
        let wrong = cases(text).unwrap_err().join("\n");
        assert!(wrong.contains(expected), "{text}\n{wrong}");
    };
    check("filter { }", "x.test:1:11: error: there is no case");
    check(
        "filter { }\n=== a\n> {\"a\": }",
        "x.test:3:9: error: this is no object of JSON: expected value\n3 | > {\"a\": }\n  |         ^",
    );
    check("filter { mutat { } }\n=== a\n> x", "x.test:1:10: error: there is no filter `mutat`");
    check("filter { }\n=== a\nwhat", "x.test:3:1: error: this line means nothing in a case");
    check("filter { }\n=== a\ntags: x", "x.test:3:1: error: `tags:` is about an event");
    check("config: no.conf\n=== a\n> x", "x.test:1:9: error: `no.conf` cannot be read");
    check("filter { }\n=== a\n> x\n<< x", "x.test:4:1: error: no output of the config writes a text");
    check("ecs: v9\n=== a\n> x", "x.test:1:6: error: `v9` is no mode");
    check("filter { }\n=== a\n> x\n< none\n< {}", "x.test:5:1: error: this case has both");
}

#[test]
fn configs_are_files_and_their_ends_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    let conf = "input { kafka { topics => ['x'] codec => json type => 't' tags => ['in'] } }
        filter { mutate { add_field => { 'seen' => 'yes' } } }
        output { elasticsearch { hosts => 'x' } }";
    std::fs::write(folder.path().join("a.conf"), conf).unwrap();
    let test = "config: a.conf\necs: disabled\n# more\n=== a\n>> {\"n\": 1}\n< {\"n\": 1, \"type\": \"t\", \"seen\": \"yes\"}\ntags: in\n";
    let path = folder.path().join("a.test");
    std::fs::write(&path, test).unwrap();
    assert_eq!(wrong(&path), [""; 0]);
}
