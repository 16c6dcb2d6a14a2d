//! Outputs of pipelines, by the real binary: what is in their log comes out, also after a kill.

use crate::harness::{Server, folder, logship, pipe, stderr, until, wait};
use std::{collections::BTreeSet, fs, io::Write, process::Stdio};

#[test]
fn events_reach_a_server_once() {
    let home = folder();
    let server = Server::start(&home.path().join("store"), &[]);
    let input: String = (0..20_000).map(|n| format!("{{\"message\":\"number {n}\"}}\n")).collect();
    let output = format!("logship {{ url => '{}' service => 'shop' }}", server.url);
    let conf = format!("input {{ stdin {{ codec => json_lines }} }} output {{ {output} }}");
    let sent = pipe(&home.path().join("pipe"), &["-e", &conf], input.as_bytes());
    assert!(sent.status.success(), "{}", stderr(&sent));
    server.settled();
    assert_eq!(server.count("service:shop"), 20_000);
    assert_eq!(server.count("message:%22number 19999%22"), 1);
    server.stop();
}

#[test]
fn a_killed_pipeline_goes_on_with_its_file() {
    let home = folder();
    let (data, file) = (home.path().join("data"), home.path().join("out/a.log"));
    let conf = format!(
        "input {{ stdin {{ codec => line }} }} output {{ file {{ path => '{}' codec => line {{ format => '%{{message}}' }} }} }}",
        file.display()
    );
    let written =
        || -> BTreeSet<String> { fs::read_to_string(&file).unwrap_or_default().lines().map(str::to_owned).collect() };
    let mut child = logship(&data, &["-e", &conf]).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for n in 0..1_000 {
        writeln!(stdin, "first {n}").unwrap();
    }
    until("the first lines are there", || written().contains("first 999").then_some(()));
    child.kill().unwrap();
    wait(&mut child);
    let rest: String = (0..1_000).map(|n| format!("second {n}\n")).collect();
    let second = pipe(&data, &["-e", &conf], rest.as_bytes());
    assert!(second.status.success(), "{}", stderr(&second));
    let expected: BTreeSet<String> = (0..1_000).flat_map(|n| [format!("first {n}"), format!("second {n}")]).collect();
    assert_eq!(written(), expected);
}
