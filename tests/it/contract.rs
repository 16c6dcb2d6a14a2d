//! docs/API.md is the contract: what it shows of a reply is what the binary gives, key by key.

use crate::harness::{Server, folder};
use serde_json::Value;

const API: &str = include_str!("../../docs/API.md");

/// The reply that the page shows under a heading: the first block of JSON.
fn documented(heading: &str) -> Value {
    let section = API.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let block = section.split("```json\n").nth(1).unwrap().split("\n```").next().unwrap();
    serde_json::from_str(block).unwrap_or_else(|cause| panic!("{heading}: {cause}"))
}

/// What is sent, as the page shows it under a heading: the second block of JSON.
fn documented_request(heading: &str) -> &'static str {
    let section = API.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    section.split("```json\n").nth(2).unwrap().split("\n```").next().unwrap()
}

/// Both have the same keys with values of the same kind, in lists by their first element. An empty object stands for any
/// keys, because its keys are data.
fn same_shape(at: &str, documented: &Value, given: &Value) {
    match (documented, given) {
        (Value::Object(documented), Value::Object(given)) if documented.is_empty() || given.is_empty() => {}
        (Value::Object(documented), Value::Object(given)) => {
            let names = |object: &serde_json::Map<String, Value>| {
                let mut names: Vec<_> = object.keys().cloned().collect();
                names.sort();
                names
            };
            assert_eq!(names(documented), names(given), "the keys of {at}: documented, given");
            for (name, value) in documented {
                same_shape(&format!("{at}.{name}"), value, &given[name]);
            }
        }
        (Value::Array(documented), Value::Array(given)) => {
            if let Some(documented) = documented.first() {
                same_shape(&format!("{at}[]"), documented, given.first().unwrap_or_else(|| panic!("{at} is empty")));
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(documented),
            std::mem::discriminant(given),
            "{at}: documented {documented}, given {given}"
        ),
    }
}

#[test]
fn replies_have_the_documented_keys() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let text = format!("level=error msg=boom\n{}\nlevel=info msg=well\n", "x".repeat((1 << 20) + 1));
    let (status, stored) = server.post("/api/v1/ingest", &[("Content-Type", "text/plain")], text.as_bytes());
    assert_eq!(status, 200, "{stored}");
    server.settled();
    let check = |heading: &str, reply: &str| {
        same_shape(heading, &documented(heading), &serde_json::from_str(reply).unwrap());
    };
    check("`POST /api/v1/ingest`", &stored);
    let agent = documented_request("`POST /api/v1/agents`");
    let (status, heard) = server.post("/api/v1/agents", &[("Content-Type", "application/json")], agent.as_bytes());
    assert_eq!(status, 200, "{heard}");
    check("`POST /api/v1/agents`", &heard);
    check("`GET /api/v1/agents`", &server.get("/api/v1/agents").1);
    check("`GET /api/v1/status`", &server.get("/api/v1/status").1);
    for (heading, path) in [
        ("`GET /api/v1/histogram", "/api/v1/histogram?by=level"),
        ("`GET /api/v1/fields?", "/api/v1/fields"),
        ("`GET /api/v1/fields/values?", "/api/v1/fields/values?field=log.level"),
        ("Errors", "/api/v1/search?q=level:"),
    ] {
        check(heading, &server.get(path).1);
    }
    server.stop();
}
