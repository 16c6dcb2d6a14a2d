//! Pipelines under load by wrk: many connections that send as fast as they are answered.

use crate::{
    harness::{folder, port, until},
    pipelines_live::Live,
};
use std::{collections::BTreeMap, fs, net::TcpStream, process::Command};

/// Connections at a time.
const CONNECTIONS: usize = 16;

/// Each request has a number of its own; in the end wrk says how many were answered, and what went wrong.
const SCRIPT: &str = r#"
local number = 0
request = function()
  number = number + 1
  return wrk.format("POST", "/", { ["Content-Type"] = "application/json" }, '{"number":' .. number .. '}')
end
done = function(summary)
  local wrong = summary.errors
  print("ANSWERED", summary.requests, wrong.connect + wrong.read + wrong.write + wrong.status + wrong.timeout)
end
"#;

#[test]
fn what_is_answered_is_there_once() {
    let home = folder();
    let (port, script, out) = (port(), home.path().join("post.lua"), home.path().join("out"));
    fs::write(&script, SCRIPT).unwrap();
    let config = format!(
        "input {{ http {{ host => '127.0.0.1' port => {port} }} }}
         output {{ file {{ path => '{}' codec => line {{ format => '%{{number}}' }} }} }}",
        out.display()
    );
    let start = || Live::start(&home.path().join("data"), &["-e", &config]);
    let live = start();
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    let mut wrk = Command::new("wrk");
    wrk.args(["-t1", &format!("-c{CONNECTIONS}"), "-d2s", "-s"]).arg(&script).arg(format!("http://127.0.0.1:{port}/"));
    let output = wrk.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let summary = said.lines().find_map(|line| line.strip_prefix("ANSWERED")).unwrap_or_else(|| panic!("{said}"));
    let numbers: Vec<usize> = summary.split_whitespace().map(|number| number.parse().unwrap()).collect();
    let [answered, wrong] = numbers[..] else { panic!("{said}") };
    assert!(answered > 0 && wrong == 0, "{said}");
    assert!(live.stop().is_empty());
    let seen = || {
        let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
        for line in fs::read_to_string(&out).unwrap_or_default().lines() {
            *seen.entry(line.parse().unwrap()).or_default() += 1;
        }
        seen
    };
    // What was not delivered at the stop is, after it.
    let live = start();
    until("it listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    until("all is delivered", || (seen().len() >= answered).then_some(()));
    assert!(live.stop().is_empty());
    let seen = seen();
    assert!(seen.values().all(|count| *count == 1), "some came twice");
    // When it ends, each connection has a request on its way that is answered too late to count.
    assert!((answered..=answered + CONNECTIONS).contains(&seen.len()), "{answered} answered, {} there", seen.len());
}
