//! Pipelines that take what is meant for a server: from clients with and without numbers, from other pipelines, from agents that
//! outlive a kill of either side.

use crate::{
    harness::{Agent, folder, get, pipe, port, post, until, wait},
    pipelines_live::Live,
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fs, path::Path};

/// A pipeline with the input, which prints each event as JSON.
fn start(data: &Path, port: u16, options: &str) -> (Live, String) {
    let conf =
        format!("input {{ logship {{ port => {port} {options} }} }} output {{ stdout {{ codec => json_lines }} }}");
    let live = Live::start(data, &["-e", &conf]);
    let url = format!("http://127.0.0.1:{port}");
    until("it listens", || (post(&url, "/api/v1/health", &[], b"").0 == 200).then_some(()));
    (live, url)
}

/// The next event, without what every event has.
fn event(live: &mut Live) -> Value {
    let mut event: Value = serde_json::from_str(&live.line()).unwrap();
    for name in ["@timestamp", "@version", "event"] {
        event.as_object_mut().unwrap().remove(name);
    }
    event
}

const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");

#[test]
fn requests_are_answered_as_by_a_server() {
    let home = folder();
    let (mut live, url) = start(&home.path().join("data"), port(), "token => secret");
    let token = ("Authorization", "Bearer secret");
    let said = |(status, text): (u16, String)| {
        let json: Value = serde_json::from_str(&text).unwrap();
        (status, json["error"]["code"].as_str().unwrap_or_default().to_owned(), json)
    };
    let body =
        b"{\"a\":1,\"host\":{\"name\":\"own\"}}\n\n[]\r\n{\"@timestamp\":\"2026-01-02T03:04:05.678Z\",\"n\":2}\n";
    let numbered = [token, NDJSON, ("X-Logship-Source", "web-1"), ("X-Logship-Seq", "7")];
    let first = said(post(&url, "/api/v1/ingest?service=a+b%21&host=h", &numbered, body));
    assert_eq!((first.0, &first.2["accepted"], &first.2["rejected"]), (200, &json!(3), &json!([])), "{}", first.2);
    let again = said(post(&url, "/api/v1/ingest?service=a+b%21&host=h", &numbered, body));
    assert_eq!((again.0, &again.2["duplicate"]), (200, &json!(true)));
    let service = json!({"name": "a b!"});
    assert_eq!(event(&mut live), json!({"a": 1, "host": {"name": "own"}, "service": service}));
    assert_eq!(event(&mut live), json!({"message": "[]", "service": service, "host": {"name": "h"}}));
    let timed: Value = serde_json::from_str(&live.line()).unwrap();
    assert_eq!((&timed["n"], &timed["@timestamp"]), (&json!(2), &json!("2026-01-02T03:04:05.678Z")));

    let long = [b"x\n", &b"y".repeat((1 << 20) + 1)[..], b"\nz"].concat();
    let (status, _, reply) = said(post(&url, "/api/v1/ingest", &[token], &long));
    assert_eq!((status, &reply["accepted"], &reply["rejected"][0]["line"]), (200, &json!(2), &json!(2)));
    assert_eq!((event(&mut live), event(&mut live)), (json!({"message": "x"}), json!({"message": "z"})));

    let check = |path: &str, headers: &[(&str, &str)], expected: (u16, &str)| {
        let (status, code, text) = said(post(&url, path, headers, b"x"));
        assert_eq!((status, code.as_str()), expected, "{path} {headers:?} {text}");
    };
    check("/api/v1/ingest", &[], (401, "unauthorized"));
    check("/api/v1/ingest", &[("Authorization", "Bearer other")], (401, "unauthorized"));
    check("/api/v1/ingest?a=b", &[token], (400, "bad_request"));
    check("/api/v1/ingest", &[token, ("X-Logship-Seq", "1")], (400, "bad_request"));
    check("/api/v1/ingest", &[token, ("Content-Type", "image/png")], (415, "unsupported_media_type"));
    check("/api/v1/ingest", &[token, ("Content-Encoding", "gzip")], (400, "bad_request"));
    check("/api/v1/frames", &[token], (415, "unsupported_media_type"));
    let frames = ("Content-Type", "application/vnd.logship.frames");
    check("/api/v1/frames", &[token, frames], (400, "bad_request"));
    check("/api/v1/frames", &[token, frames, ("X-Logship-Log", "4f2a9c01d3b7")], (400, "bad_request"));
    check("/api/v1/search", &[token], (404, "not_found"));
    assert_eq!(get(&format!("{url}/api/v1/health")).0, 200);
    assert_eq!(post(&url, "/api/v1/agents", &[token], b"{}").0, 200);
    assert!(live.stop().is_empty());
}

#[test]
fn a_number_is_known_after_a_kill() {
    let home = folder();
    let (data, port) = (home.path().join("data"), port());
    let headers = [NDJSON, ("X-Logship-Source", "web-1"), ("X-Logship-Seq", "0")];
    let (mut live, url) = start(&data, port, "");
    assert_eq!(post(&url, "/api/v1/ingest", &headers, b"{\"n\":1}").0, 200);
    assert_eq!(event(&mut live), json!({"n": 1}));
    live.child.kill().unwrap();
    wait(&mut live.child);
    let (mut live, url) = start(&data, port, "");
    let foreign = [NDJSON, ("Origin", "http://elsewhere.example")];
    assert_eq!(post(&url, "/api/v1/ingest", &foreign, b"{\"n\":3}").0, 403);
    let (_, again) = post(&url, "/api/v1/ingest", &headers, b"{\"n\":1}");
    assert!(again.contains("\"duplicate\":true"), "{again}");
    let next = [NDJSON, ("X-Logship-Source", "web-1"), ("X-Logship-Seq", "1")];
    assert_eq!(post(&url, "/api/v1/ingest", &next, b"{\"n\":2}").0, 200);
    // The output had no time to note that it has the first.
    let mut seen = event(&mut live);
    if seen == json!({"n": 1}) {
        seen = event(&mut live);
    }
    assert_eq!(seen, json!({"n": 2}));
    assert!(live.stop().is_empty());
}

#[test]
fn a_pipeline_sends_to_a_pipeline() {
    let home = folder();
    let token = home.path().join("token");
    fs::write(&token, "secret\n").unwrap();
    let (mut live, url) = start(&home.path().join("data"), port(), &format!("token_file => '{}'", token.display()));
    let conf =
        format!("input {{ stdin {{ }} }} output {{ logship {{ url => '{url}' token => secret service => web }} }}");
    let output = pipe(&home.path().join("other"), &["-e", &conf], b"one\ntwo\n");
    assert!(output.status.success(), "{output:?}");
    for message in ["one", "two"] {
        let event = event(&mut live);
        assert_eq!((&event["message"], &event["service"]["name"]), (&json!(message), &json!("web")));
    }
    assert!(live.stop().is_empty());
}

#[test]
fn agents_ship_to_a_pipeline_through_kills() {
    const LINES: usize = 2_000;
    let home = folder();
    let (data, port, file) = (home.path().join("data"), port(), home.path().join("app.log"));
    let lines: String = (0..LINES).map(|number| format!("line {number}\n")).collect();
    fs::write(&file, lines + "{\"level\":\"warn\",\"n\":1}\n").unwrap();
    let mut seen = BTreeSet::new();
    let mut note = |event: Value| {
        assert_eq!(event["log"]["file"]["path"], json!(file.to_str().unwrap()));
        assert!(event["host"]["name"].is_string(), "{event}");
        seen.insert(event["message"].as_str().unwrap().to_owned());
    };
    let (mut live, url) = start(&data, port, "");
    let mut agent = Some(Agent::start(&home.path().join("agent"), &url, file.to_str().unwrap(), &[]));
    for kills_agent in [true, false] {
        for _ in 0..LINES / 8 {
            note(event(&mut live));
        }
        live.child.kill().unwrap();
        wait(&mut live.child);
        if kills_agent {
            agent.take().unwrap().kill();
            agent = Some(Agent::start(&home.path().join("agent"), &url, file.to_str().unwrap(), &[]));
        }
        live = start(&data, port, "").0;
    }
    loop {
        let event = event(&mut live);
        let is_last = event["message"].as_str().unwrap().starts_with('{');
        note(event);
        if is_last {
            break;
        }
    }
    let missing: Vec<_> = (0..LINES).filter(|number| !seen.contains(&format!("line {number}"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    agent.unwrap().stop();
    assert!(live.stop().is_empty());
}

#[test]
fn without_a_log_it_says_what_to_do() {
    let home = folder();
    let conf = format!("input {{ logship {{ port => {} }} }} output {{ stdout {{ }} }}", port());
    let output = pipe(home.path(), &["--queue.type", "memory", "-e", &conf], b"");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("leave --queue.type memory out"), "{output:?}");
}
