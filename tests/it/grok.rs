//! `logship grok`: what is printed and how it ends, by the real binary.

use crate::harness::{folder, pipe, stderr};

fn check(args: &[&str], input: &str, code: i32, printed: &str, said: &str) {
    let home = folder();
    let mut all = vec!["grok"];
    all.extend(args);
    let output = pipe(&home.path().join("data"), &all, input.as_bytes());
    assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), printed, "{args:?}");
    assert!(stderr(&output).contains(said), "{args:?}: {}", stderr(&output));
}

#[test]
fn captures_are_shown() {
    let shown = "+ GET 5\r\n    verb  GET\n    n     5\n1 line: 1 matched, 0 did not\n".replace("\r", "");
    check(&["%{WORD:verb} %{INT:n:int}"], "GET 5\r\n", 0, &shown, "");
    let failed =
        "- GET x\n    matches  %{WORD:verb} \n    fails    `%{INT:n}` at column 5\n1 line: 0 matched, 1 did not\n";
    check(&["%{WORD:verb} %{INT:n}"], "GET x", 1, failed, "");
    let object = "{\"line\":\"GET 5\",\"matched\":true,\"fields\":{\"http\":{\"verb\":\"GET\"},\"n\":5}}\n";
    check(&["--json", "%{WORD:[http][verb]} %{INT:n:int}"], "GET 5\n", 0, object, "1 line: 1 matched");
    let legacy = "+ 10.0.0.1\n    clientip  10.0.0.1\n1 line: 1 matched, 0 did not\n";
    check(&["--ecs", "disabled", "%{IPORHOST:clientip}"], "10.0.0.1\n", 0, legacy, "");
}

#[test]
fn bad_patterns_have_a_caret() {
    check(&["a %{WRD:x}"], "", 2, "", "pattern:1:3: error: no pattern is named WRD; did you mean WORD?");
    check(&["%{MINE:x}", "--patterns-dir", "/nowhere"], "", 2, "", "cannot read the patterns of /nowhere");
}

#[test]
fn patterns_are_read_and_made() {
    let home = folder();
    std::fs::write(home.path().join("mine"), "# mine\nMINE [a-c]+\n").unwrap();
    let shown = "+ abc\n    x  abc\n1 line: 1 matched, 0 did not\n";
    check(&["^%{MINE:x}$", "--patterns-dir", home.path().to_str().unwrap()], "abc\n", 0, shown, "");
    check(&["--suggest"], "a=1\n\na=2\n", 0, "^a=%{INT:a:int}$\n", "it matches all 2 lines");
    check(&["--suggest"], "", 2, "", "no lines");
}
