//! What is sent is in `fixtures/outputs/elasticsearch`: a config, events, and the bulk request that comes of them.

use super::super::{
    Encoded,
    requests::testing::{Reply, Seen, Server, answer},
    testing::*,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    sync::{Arc, Mutex},
};

#[test]
fn events_become_documents() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/outputs/elasticsearch");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let whole = std::fs::read_to_string(&path).unwrap();
        let (config, rest) = whole.split_once("--- events\n").unwrap();
        let events = rest.split("--- ").next().unwrap();
        let events: Vec<&str> = events.lines().collect();
        let batch = encoded(&*built(config), &events);
        let mut text = format!("{config}--- events\n{}\n--- bulk\n{}", events.join("\n"), batch.text());
        let refused: Vec<_> = batch.items().filter(|(_, item)| !item.to.is_empty()).map(|(_, item)| &item.to).collect();
        if !refused.is_empty() {
            text.push_str("--- refused\n");
            refused.iter().for_each(|reason| _ = writeln!(text, "{reason}"));
        }
        expect_test::expect_file![path].assert_eq(&text);
    }
}

/// `fixtures/outputs/elasticsearch_client`: what Elastic's own client sent for the same documents, byte for byte.
#[test]
fn documents_are_what_elastics_client_sends() {
    let request = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/outputs/elasticsearch_client/request.txt");
    let request = std::fs::read_to_string(request).unwrap();
    let (head, body) = request.split_once("\n\n").unwrap();
    assert!(head.contains("x-ndjson"), "{head}");
    let mut text = String::new();
    let mut check = |options: &str, meta: Value, fields: &str| {
        let config =
            format!("elasticsearch {{ ecs_compatibility => disabled index => '%{{[@metadata][index]}}' {options} }}");
        let event = format!(r#"{{"@timestamp":"2026-02-03T04:05:06.789Z",{fields}"@metadata":{meta}}}"#);
        text.push_str(encoded(&*built(&config), &[&event]).text());
    };
    let with_id = "document_id => '%{[@metadata][id]}'";
    check("", json!({"index": "shop"}), r#""message":"plain","#);
    check(with_id, json!({"index": "shop", "id": "a/1"}), "\"message\":\"with \\\"quotes\\\" and ünïcode \u{2028}\",");
    let own = "action => create pipeline => clean routing => '%{[@metadata][side]}'";
    let nested = r#""nested":{"list":[1,2.5,null,true],"empty":{}},"#;
    check(&format!("{with_id} {own}"), json!({"index": "logs-shop-default", "id": "2", "side": "north"}), nested);
    let versions = "version => '%{[@metadata][version]}' version_type => external";
    check(
        &format!("{with_id} {versions}"),
        json!({"index": "shop", "id": "3", "version": 7}),
        r#""big":9007199254740993,"#,
    );
    check(
        &format!("{with_id} action => update doc_as_upsert => true"),
        json!({"index": "shop", "id": "4"}),
        r#""message":"changed","#,
    );
    check(
        &format!("{with_id} action => '%{{[@metadata][do]}}'"),
        json!({"index": "shop", "id": "5", "do": "delete"}),
        "",
    );
    assert_eq!(text, body);
}

/// A store of documents that answers as Elasticsearch does.
#[derive(Default)]
struct Cluster {
    /// By index and id.
    documents: BTreeMap<String, Value>,
    /// How often each document was seen whose `fail` counts down.
    attempts: BTreeMap<String, u64>,
    requests: usize,
}

impl Cluster {
    fn bulk(&mut self, body: &str) -> Value {
        self.requests += 1;
        let mut lines = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut items = Vec::new();
        let mut errors = false;
        while let Some(line) = lines.next() {
            let (action, about) = line.as_object().unwrap().iter().next().unwrap();
            let document = lines.next().unwrap();
            let (status, error) = self.put(action, about, &document);
            errors |= error.is_some();
            items.push(match error {
                Some(error) => json!({ action: { "status": status, "error": error } }),
                None => json!({ action: { "status": status } }),
            });
        }
        json!({ "errors": errors, "items": items })
    }

    /// Documents say themselves what is to become of them.
    fn put(&mut self, action: &str, about: &Value, document: &Value) -> (u64, Option<Value>) {
        let number = self.documents.len();
        let id = about["_id"].as_str().map_or_else(|| format!("own {number}"), str::to_owned);
        let key = format!("{}/{id}", about["_index"].as_str().unwrap());
        if let Some(status) = document["status"].as_u64() {
            let times = document["times"].as_u64().unwrap_or(u64::MAX);
            let seen = self.attempts.entry(document["n"].to_string()).or_default();
            *seen += 1;
            if *seen <= times {
                let cause = json!({ "type": "number_format_exception", "reason": "For input string" });
                let error = json!({ "type": "some_exception", "reason": "failed to parse\nfield", "caused_by": cause });
                return (status, Some(error));
            }
        }
        if action == "create" && self.documents.contains_key(&key) {
            return (409, Some(json!({ "type": "version_conflict_engine_exception", "reason": "it exists" })));
        }
        self.documents.insert(key, document["n"].clone());
        (201, None)
    }

    fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<_> = self.documents.values().map(|number| number.as_u64().unwrap()).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// A cluster, and a server in front of it that may do something else with a request.
fn cluster(before: impl Fn(usize, &Seen) -> Option<Reply> + Send + Sync + 'static) -> (Arc<Mutex<Cluster>>, Server) {
    let cluster: Arc<Mutex<Cluster>> = Arc::default();
    let own = cluster.clone();
    let server = Server::start(move |number, seen| {
        before(number, seen).unwrap_or_else(|| answer(200, &own.lock().unwrap().bulk(&seen.body).to_string()))
    });
    (cluster, server)
}

fn output(server: &Server, options: &str) -> Box<dyn super::Output> {
    built(&format!(
        "elasticsearch {{ hosts => \"{}\" ecs_compatibility => disabled index => x {options} }}",
        server.url()
    ))
}

fn events(count: u64) -> Vec<String> {
    (0..count).map(|n| format!(r#"{{"n":{n}}}"#)).collect()
}

fn batch(output: &dyn super::Output, events: &[String]) -> Encoded {
    encoded(output, &events.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn requests_are_compressed_and_say_who_asks() {
    let (cluster, server) = cluster(|_, _| None);
    let options = "user => me password => \"p:w\" path => \"/es/\" parameters => { a => \"b c\" } custom_headers => { \"X-A\" => b }";
    let output = output(&server, options);
    deliver(&*output, &mut *output.open().unwrap(), &[r#"{"n":1}"#, r#"{"n":2}"#]);
    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(seen.line, "POST /es/_bulk?a=b+c&filter_path=errors,items.*.error,items.*.status");
    let header = |name: &str| seen.headers[name].as_str();
    assert_eq!(header("authorization"), "Basic bWU6cDp3");
    assert_eq!(
        [header("content-type"), header("content-encoding"), header("x-a")],
        ["application/x-ndjson", "gzip", "b"]
    );
    assert_eq!(cluster.lock().unwrap().numbers(), [1, 2]);
}

#[test]
fn each_document_is_judged_alone() {
    let (cluster, server) = cluster(|_, _| None);
    let output = output(&server, "dlq_custom_codes => [422]");
    let mut sink = output.open().unwrap();
    let events = [
        r#"{"n":1}"#,
        r#"{"n":2,"status":429,"times":2}"#,
        r#"{"n":3,"status":400}"#,
        r#"{"n":4,"status":503,"times":1}"#,
        r#"{"n":5,"status":409}"#,
        r#"{"n":6,"status":404}"#,
        r#"{"n":7,"status":422}"#,
        r#"{"n":8}"#,
    ];
    let mut batch = encoded(&*output, &events);
    let mut reasons = Vec::new();
    let mut causes = Vec::new();
    while !batch.is_done() {
        let mut refused = Vec::new();
        let stop = crate::flow::Stop::new().unwrap();
        if let Err(super::super::SinkError::Again { cause, .. }) = sink.deliver(&mut batch, &mut refused, &stop) {
            causes.push((cause.split_once(": ").unwrap().1.to_owned(), batch.left()));
        }
        reasons.extend(refused.into_iter().map(|refused| (refused.event.fields.get("n").cloned(), refused.reason)));
    }
    let why = "some_exception: failed to parse field (because of number_format_exception: For input string)";
    let reason = |n: i64, status: u16| (Some(n.into()), format!("status {status}: {why}"));
    assert_eq!(reasons, [reason(3, 400), reason(6, 404), reason(7, 422)]);
    let cause = format!("a document has status 429: {why}");
    assert_eq!(causes, [(cause.clone(), 2), (cause, 1)]);
    let cluster = cluster.lock().unwrap();
    assert_eq!((cluster.numbers(), cluster.requests), (vec![1, 2, 4, 8], 3));
}

#[test]
fn a_document_with_an_id_is_there_once_though_its_answer_was_lost() {
    let cluster: Arc<Mutex<Cluster>> = Arc::default();
    let own = cluster.clone();
    let server = Server::start(move |number, seen| {
        let reply = own.lock().unwrap().bulk(&seen.body);
        if number == 0 { Reply::Reset } else { answer(200, &reply.to_string()) }
    });
    let options = "action => create document_id => \"%{n}\"";
    let output = output(&server, options);
    let mut sink = output.open().unwrap();
    let mut batch = batch(&*output, &events(3));
    attempt(&mut *sink, &mut batch).unwrap_err();
    assert_eq!(batch.left(), 3);
    assert!(attempt(&mut *sink, &mut batch).unwrap().is_empty());
    assert_eq!(cluster.lock().unwrap().numbers(), [0, 1, 2]);
}

#[test]
fn answers_that_are_none_are_tried_again() {
    let check = |reply: fn() -> Reply, expected: &str| {
        let (cluster, server) = cluster(move |number, _| (number == 0).then(reply));
        let output = output(&server, "timeout => 0.2");
        let mut sink = output.open().unwrap();
        let mut batch = batch(&*output, &events(2));
        let cause = attempt(&mut *sink, &mut batch).unwrap_err();
        assert!(cause.contains(expected), "{expected}: {cause}");
        assert_eq!(batch.left(), 2);
        attempt(&mut *sink, &mut batch).unwrap();
        assert_eq!(cluster.lock().unwrap().numbers(), [0, 1]);
    };
    check(
        || answer(429, r#"{"error":{"type":"es_rejected_execution_exception","reason":"full"},"status":429}"#),
        "status 429: es_rejected",
    );
    check(|| answer(503, "<html>away</html>"), "status 503: <html>away");
    check(|| answer(500, ""), "status 500: is this Elasticsearch?");
    check(|| answer(200, "<html>portal</html>"), "is this Elasticsearch?");
    check(|| answer(200, "{}"), "is this Elasticsearch?");
    check(|| answer(200, r#"{"errors":true,"items":[{"index":{"status":201}}]}"#), "2 documents were sent and 1");
    check(|| answer(302, ""), "is this Elasticsearch?");
    check(|| answer(400, "<html>proxy</html>"), "is this Elasticsearch?");
    check(|| answer(401, r#"{"error":{"type":"security_exception","reason":"no"}}"#), "is the login right");
    check(|| answer(404, r#"{"error":{"type":"x","reason":"no"}}"#), "status 404: x: no");
    check(|| Reply::Reset, "localhost");
    check(|| Reply::Hang, "no answer in time");
}

#[test]
fn a_server_says_when_to_come_back() {
    let (_, server) = cluster(|_, _| Some(Reply::Answer(429, "Retry-After: 9\r\n", String::new())));
    let output = output(&server, "");
    let stop = crate::flow::Stop::new().unwrap();
    let outcome = output.open().unwrap().deliver(&mut batch(&*output, &events(1)), &mut Vec::new(), &stop);
    let Err(super::super::SinkError::Again { after, .. }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(after.map(|after| after.as_secs()), Some(9));
}

#[test]
fn requests_that_are_too_large_are_halved() {
    let (cluster, server) = cluster(|_, seen| (seen.body.lines().count() > 6).then(|| answer(413, "<html>")));
    let output = output(&server, "");
    let mut sink = output.open().unwrap();
    for _ in 0..2 {
        assert!(attempt(&mut *sink, &mut batch(&*output, &events(20))).unwrap().is_empty());
    }
    assert_eq!(cluster.lock().unwrap().documents.len(), 40);
    let large = server.seen().iter().filter(|seen| seen.body.lines().count() > 6).count();
    assert_eq!(large, 3, "40, 20 and 10 lines; then it is known");

    let (cluster, server) = self::cluster(|_, seen| seen.body.contains("\"big\"").then(|| answer(413, "")));
    let output = self::output(&server, "");
    let refused =
        deliver(&*output, &mut *output.open().unwrap(), &[r#"{"n":1}"#, r#"{"n":2,"m":"big"}"#, r#"{"n":3}"#]);
    assert_eq!(refused, ["status 413"]);
    assert_eq!(cluster.lock().unwrap().numbers(), [1, 3]);
}

#[test]
fn a_document_that_makes_a_request_none_is_found() {
    let bad = r#"{"error":{"type":"illegal_argument_exception","reason":"Malformed action"},"status":400}"#;
    let (cluster, server) = cluster(move |_, seen| seen.body.contains("\"n\":13").then(|| answer(400, bad)));
    let output = output(&server, "");
    let mut sink = output.open().unwrap();
    let refused = attempt(&mut *sink, &mut batch(&*output, &events(30))).unwrap();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].reason.contains("Malformed action"), "{}", refused[0].reason);
    assert_eq!(cluster.lock().unwrap().numbers().len(), 29);
}

#[test]
fn what_can_be_no_document_is_refused_between_others() {
    let (cluster, server) = cluster(|_, _| None);
    let output = output(&server, "action => \"%{a}\"");
    let events = [
        r#"{"n":1,"a":"burn"}"#,
        r#"{"n":2,"a":"index"}"#,
        r#"{"n":3}"#,
        r#"{"n":4,"a":"create"}"#,
        r#"{"n":5,"a":""}"#,
    ];
    let refused = deliver(&*output, &mut *output.open().unwrap(), &events);
    assert_eq!(refused.len(), 3);
    assert!(refused[0].contains("`burn` is no action"), "{refused:?}");
    assert_eq!(cluster.lock().unwrap().numbers(), [2, 4]);
}

#[test]
fn servers_take_turns_and_stand_in_for_each_other() {
    let (one, first) = cluster(|_, _| None);
    let (other, second) = cluster(|number, _| (number == 1).then(|| answer(503, "")));
    let hosts = format!("[\"127.0.0.1:1\", \"{}\", \"{}\"]", first.url(), second.url());
    let options = "ecs_compatibility => disabled index => x resurrect_delay => 3600";
    let output = built(&format!("elasticsearch {{ hosts => {hosts} {options} }}"));
    let mut sink = output.open().unwrap();
    for _ in 0..4 {
        assert!(attempt(&mut *sink, &mut batch(&*output, &events(1))).unwrap().is_empty());
    }
    let counts = [one, other].map(|cluster| cluster.lock().unwrap().documents.len());
    assert_eq!(counts, [3, 1], "the first is gone, the last fails from its second request on");
}

#[test]
fn servers_show_who_they_are() {
    let server = Server::secure(|_, _| answer(200, r#"{"errors":false}"#));
    let own = format!("ssl_certificate => \"{}\" ssl_key => \"{}\"", tls("client.pem"), tls("client.key"));
    let send = |options: &str| {
        let output = built(&format!("elasticsearch {{ hosts => \"{}\" {options} }}", server.url()));
        attempt(&mut *output.open().unwrap(), &mut batch(&*output, &events(1))).map(drop)
    };
    send(&format!("ssl_certificate_authorities => \"{}\" api_key => \"id:key\" {own}", tls("ca.pem"))).unwrap();
    assert_eq!(server.seen()[0].headers["authorization"], "ApiKey aWQ6a2V5");
    let cause = send(&format!("cacert => \"{}\" {own}", tls("other-ca.pem"))).unwrap_err();
    assert!(cause.contains("ssl_certificate_authorities"), "{cause}");
}

/// What is asked of a cluster that has nothing, before the first document.
fn asked(options: &str, status: u16, root: &'static str) -> Vec<String> {
    let server = Server::start(move |_, seen| match seen.line.as_str() {
        line if line.contains("_bulk") => answer(200, r#"{"errors":false}"#),
        "GET /" => answer(200, root),
        line if line.starts_with("HEAD") => answer(status, ""),
        _ => answer(200, "{}"),
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("template.json");
    std::fs::write(&path, r#"{"index_patterns":["x-*"],"template":{"mappings":{}}}"#).unwrap();
    let options = options.replace("FILE", path.to_str().unwrap());
    let output = built(&format!("elasticsearch {{ hosts => \"{}\" data_stream => false {options} }}", server.url()));
    let mut sink = output.open().unwrap();
    for _ in 0..2 {
        assert!(attempt(&mut *sink, &mut batch(&*output, &events(1))).unwrap().is_empty());
    }
    let seen = server.seen();
    let line = |seen: &Seen| format!("{} {}", seen.line, if seen.line.contains("_bulk") { "" } else { &seen.body });
    seen.iter().map(|seen| line(seen).split("?filter").next().unwrap().trim().to_owned()).collect()
}

#[test]
fn templates_and_aliases_are_made_where_they_are_not() {
    let bulk = "POST /_bulk";
    let template = r#"{"index_patterns":["x-*"],"template":{"mappings":{}}}"#;
    let put = format!("PUT /_index_template/mine {template}");
    let new = r#"{"version":{"number":"8.9.0"}}"#;
    let named = "template => 'FILE' template_name => mine";
    assert_eq!(asked(named, 404, new), ["GET /", "HEAD /_index_template/mine", &put, bulk, bulk]);
    assert_eq!(asked(named, 200, new), ["GET /", "HEAD /_index_template/mine", bulk, bulk]);
    assert_eq!(asked(&format!("{named} template_overwrite => true"), 200, new), ["GET /", &put, bulk, bulk]);
    assert_eq!(asked(&format!("{named} manage_template => false"), 404, new), [bulk, bulk]);
    let old = r#"{"version":{"number":"7.17.1"}}"#;
    let legacy = format!("PUT /_template/ecs-logstash {template}");
    assert_eq!(asked("template => 'FILE'", 404, old), ["GET /", "HEAD /_template/ecs-logstash", &legacy, bulk, bulk]);
    let refused = asked(&format!("{named} template_api => legacy"), 500, new);
    assert_eq!(refused, ["HEAD /_template/mine", bulk, bulk], "documents are sent all the same");
    let lifecycle = asked("ilm_rollover_alias => al ilm_pattern => '{now/d}-1'", 404, new);
    let rollover = r#"{"policy":{"phases":{"hot":{"actions":{"rollover":{"max_size":"50gb","max_age":"30d"}}}}}}"#;
    let policy = format!("PUT /_ilm/policy/logstash-policy {rollover}");
    let first = r#"PUT /%3Cal-%7Bnow%2Fd%7D-1%3E {"aliases":{"al":{"is_write_index":true}}}"#;
    assert_eq!(lifecycle, ["HEAD /al", first, "HEAD /_ilm/policy/logstash-policy", &policy, bulk, bulk]);
    let own = asked("ilm_enabled => true ilm_policy => mine", 404, new);
    assert_eq!(own[..1], ["HEAD /ecs-logstash"]);
    assert_eq!(own[2..], ["HEAD /_ilm/policy/mine", bulk, bulk]);
}

#[test]
fn wrong_options_are_told() {
    let check = |options: &str, expected: &str| {
        let said = errors(&format!("elasticsearch {{ {options} }}"));
        assert!(said.contains(expected), "{options}: {said}");
    };
    check("script => \"ctx.x = 1\" script_type => stored", "`stored` cannot stand here");
    check("action => burn", "cannot stand here");
    check("action => update", "a document needs its id");
    check("data_stream => true index => x", "`index` cannot stand beside");
    check("data_stream => true ecs_compatibility => disabled", "need `ecs_compatibility`");
    check("index => x data_stream_type => logs", "goes to no data stream");
    check("data_stream_dataset => \"a b\"", "no part of a data stream's name");
    check("api_key => \"a:b\"", "in the clear");
    check("user => a password => b cloud_auth => \"a:b\"", "more than one way");
    check("cloud_id => \"x\"", "no cloud id");
    check("cloud_id => \"x:ZXUuZXhhbXBsZS5vcmckYWJjJGRlZg==\" hosts => a", "say the same");
    check("hosts => [\"https://a\"] ssl => false", "says one thing");
    check("hosts => [\"http://a/x\"] path => y", "beside hosts that have one");
    check("dlq_custom_codes => 409", "has its meaning already");
    check("template => \"/none\"", "/none: No such file");
    check("truststore => \"/a\"", "`truststore` is not supported");
}

#[test]
fn what_is_not_done_is_said() {
    let check = |options: &str, expected: Option<&str>| {
        let said = read(&format!("elasticsearch {{ {options} }}")).1;
        assert_eq!(said.len(), usize::from(expected.is_some()), "{options}: {said:?}");
        assert!(said.iter().all(|said| said.contains(expected.unwrap_or_default())), "{options}: {said:?}");
    };
    check("", None);
    check("manage_template => false ilm_enabled => false sniffing => false script => \"\"", None);
    check("template_name => x", Some("does nothing without `template`"));
    check("ilm_rollover_alias => x", None);
    check("sniffing => true", Some("does nothing"));
}
