//! `logship test`: exit codes, what is printed, and files written anew; by the real binary.

use crate::harness::{folder, outcome, stderr};
use std::path::Path;

const GOOD: &str = "filter { mutate { rename => { 'a' => 'b' } } }\n\n=== renamed\n> {\"a\": 1}\n< {\"b\": 1}\n";
const BAD: &str = "filter { mutate { rename => { 'a' => 'b' } } }\n\n=== renamed\n> {\"a\": 1}\n< {\"b\": 2}\n";

fn check(folder: &Path, args: &[&str], code: i32, printed: &str) {
    let paths: Vec<String> = args.iter().map(|arg| arg.replace('@', folder.to_str().unwrap())).collect();
    let mut all = vec!["test"];
    all.extend(paths.iter().map(String::as_str));
    let output = outcome(&folder.join("data"), &all);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    let text = String::from_utf8(output.stdout.clone()).unwrap().replace(folder.to_str().unwrap(), "@");
    assert_eq!(text, printed, "{args:?}: {}", stderr(&output));
    assert!(!folder.join("data").exists(), "nothing is stored");
}

#[test]
fn cases_pass_and_fail() {
    let home = folder();
    let write = |name: &str, text: &str| std::fs::write(home.path().join(name), text).unwrap();
    write("a.test", GOOD);
    write("b.test", BAD);
    let failure = "failed @/b.test:3: renamed\n  > {\"a\": 1}\n  event 1, line 5\n    - [b] 2\n    + [b] 1\n";
    check(home.path(), &["@/a.test"], 0, "1 passed\n");
    check(home.path(), &["@/a.test", "@/b.test"], 1, &format!("{failure}1 passed, 1 failed\n"));
    check(home.path(), &["@"], 1, &format!("{failure}1 passed, 1 failed\n"));
    check(home.path(), &["--update", "@"], 0, "1 passed, 1 updated\n");
    assert_eq!(std::fs::read_to_string(home.path().join("b.test")).unwrap(), GOOD);
    check(home.path(), &["@"], 0, "2 passed\n");
}

#[test]
fn broken_files_are_told() {
    let home = folder();
    std::fs::write(home.path().join("a.test"), "filter { mutat { } }\n=== a\n> {\"a\": }\n").unwrap();
    let path = home.path().join("a.test");
    let output = outcome(&home.path().join("data"), &["test", path.to_str().unwrap()]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for part in ["a.test:1:10: error: there is no filter `mutat`", "a.test:3:9: error: this is no object of JSON"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    check(home.path(), &["@/none"], 2, "0 passed, 1 file broken\n");
}
