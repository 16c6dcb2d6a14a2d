//! `POST /api/v1/frames`: the log of an agent in a server, once, whatever is sent again and whoever is killed.

use crate::{
    agent_proxy::{Cut, Proxy},
    harness::{PATIENCE, Server, balanced, folder, port, search},
};
use logship::{
    event::Timestamp,
    flow::{LogId, Origin, Pos, RawBatch, Record, Span, SyncClass},
    fs::{Fs, RealFs},
    log::{self, Limit, Reader, SourceTable, wire},
    ship::{Pace, ShipSettings, Shipper, Tls},
};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// A frame of an agent's log and what is sent of it.
struct Shipped {
    span: [u64; 2],
    bytes: Vec<u8>,
}

/// Writes so many lines, each a frame, to a log as agents do, and reads it again.
fn agent_log(root: &Path, lines: usize) -> (LogId, Vec<Shipped>) {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let writer = log::open(&fs, root, log::Options::default(), &SourceTable::default()).unwrap();
    let (id, dir) = (writer.id, writer.dir.clone());
    let (source, path) = ("file:/var/log/app".to_owned(), Some("/var/log/app.log".to_owned()));
    let origin = Arc::new(Origin { source, input: "file".to_owned(), path, ..Origin::default() });
    for line in 0..lines as u64 {
        let batch = RawBatch {
            origin: Arc::clone(&origin),
            span: Some(Span { from: line * 10, to: line * 10 + 10 }),
            mark: None,
            received: Timestamp::from_millis(1_767_225_600_000 + line as i64),
            records: vec![Record::text(format!("shipped line {line}").into())],
        };
        writer.intake().submit(batch, SyncClass::Prompt).unwrap().wait().unwrap();
    }
    let _ = writer.join();
    let mut reader = Reader::open(&fs, &dir, Pos(0)).unwrap();
    let (mut from, mut shipped) = (Pos(0), Vec::new());
    while let Some(frame) = reader.next(Limit::Everything).unwrap() {
        let mut bytes = Vec::new();
        wire::put(&mut bytes, from, frame.start, reader.frame_bytes());
        shipped.push(Shipped { span: [from.0, frame.end.0], bytes });
        from = frame.end;
    }
    assert_eq!(shipped.len(), lines);
    (id, shipped)
}

/// The durable ranges that the server answers with.
fn ship(server: &Server, log: LogId, frames: &[Shipped]) -> serde_json::Value {
    let plain: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes.clone()).collect();
    let log = log.to_string();
    let headers = [
        ("Content-Type", "application/vnd.logship.frames"),
        ("Content-Encoding", "zstd"),
        ("X-Logship-Log", log.as_str()),
    ];
    let (status, body) = server.post("/api/v1/frames", &headers, &zstd::encode_all(&plain[..], 1).unwrap());
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<serde_json::Value>(&body).unwrap()["durable"].clone()
}

#[test]
fn an_agents_log_is_stored_once() {
    let (data, agent) = (folder(), folder());
    let (log, frames) = agent_log(agent.path(), 40);
    let whole = serde_json::json!([[0, frames[39].span[1]]]);
    let server = Server::start(data.path(), &[]);
    assert_eq!(ship(&server, log, &frames[..20]), serde_json::json!([[0, frames[19].span[1]]]));
    assert_eq!(ship(&server, log, &frames[10..30]), serde_json::json!([[frames[10].span[0], frames[29].span[1]]]));
    assert_eq!(ship(&server, log, &frames[39..]), serde_json::json!([frames[39].span]));
    server.kill();
    let server = Server::start(data.path(), &[]);
    assert_eq!(ship(&server, log, &frames), whole);
    let status = server.settled();
    balanced(&status);
    let inputs = status["components"].as_array().unwrap();
    let http = inputs.iter().find(|component| component["name"] == "input.http").unwrap();
    assert_eq!((&http["in"], &http["out"], &http["dropped"]["duplicate"]), (&40.into(), &9.into(), &31.into()));
    for (query, count) in [("shipped", 40), ("log.file.path:*app.log", 40), ("%22line 17%22", 1)] {
        assert_eq!(server.count(query), count, "{query}");
    }
    server.stop();
    let server = Server::start(data.path(), &[]);
    assert_eq!(ship(&server, log, &frames), whole);
    server.settled();
    assert_eq!(server.count("shipped"), 40, "a clean restart remembers, too");
    server.stop();
}

/// What a server has, by identity.
fn by_id(data: &Path) -> BTreeMap<String, String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let events = search(data, &[]);
    let found: BTreeMap<_, _> = events.iter().map(|event| (text(&event["_id"]), text(&event["message"]))).collect();
    assert_eq!(found.len(), events.len(), "no two share one");
    found
}

#[test]
fn a_frame_that_two_servers_have_has_one_identity() {
    let (one, other, agent) = (folder(), folder(), folder());
    let (log, frames) = agent_log(agent.path(), 40);
    let servers = [&one, &other].map(|data| Server::start(data.path(), &[]));
    // The other one has records of its own, and gets what the first may have in other portions.
    assert_eq!(servers[1].post_text("/api/v1/ingest", "its own\n").0, 200);
    ship(&servers[0], log, &frames[..25]);
    ship(&servers[1], log, &frames[10..11]);
    ship(&servers[1], log, &frames[11..40]);
    let [first, second] = servers;
    first.settled();
    let had = by_id(one.path());
    assert_eq!(had.len(), 25);
    // What was not indexed before it was killed is the same afterwards.
    second.kill();
    let second = Server::start(other.path(), &[]);
    second.settled();
    let got = by_id(other.path());
    assert_eq!(got.len(), 31);
    for (id, message) in &had {
        let n: usize = message.rsplit(' ').next().unwrap().parse().unwrap();
        let there = (10..25).contains(&n).then_some(message);
        assert_eq!(got.get(id), there, "{id} {message}");
        let (status, body) = first.get(&format!("/api/v1/events/{id}"));
        assert_eq!(status, 200, "{body}");
        assert!(body.contains(message), "{body}");
    }
    // Pages and cursors go by it.
    let (_, page) = second.get("/api/v1/search?limit=5&q=shipped");
    let trailer: serde_json::Value = serde_json::from_str(page.lines().last().unwrap()).unwrap();
    let cursor = trailer["_trailer"]["cursor"].as_str().unwrap();
    let (status, next) = second.get(&format!("/api/v1/search?limit=1000&q=shipped&cursor={cursor}"));
    assert_eq!((status, next.lines().count()), (200, 26), "{next}");
    first.stop();
    second.stop();
}

#[test]
fn a_batch_that_turns_to_another_server_keeps_its_identities() {
    let (one, other, agent) = (folder(), folder(), folder());
    let (port, spool) = (port(), agent.path().join("spool"));
    let first = Server::at(one.path(), port, &[]);
    let second = Server::start(other.path(), &[]);
    // The first one stores what comes, and nobody hears of it.
    let proxy = Proxy::to(port);
    proxy.cut(vec![Cut { to_server: false, bytes: 9 }; 10_000]);
    agent_log(&spool, 40);
    let every = Duration::from_millis;
    let settings = ShipSettings {
        spool,
        progress: agent.path().join("progress.json"),
        servers: vec![proxy.url.clone(), second.url.clone()],
        token: None,
        tls: Tls::default(),
        batch_bytes_max: 1 << 20,
        fresh_after: u64::MAX,
        pace: Pace { stay: every(300), backoff_max: every(20), ..Pace::default() },
        own: Vec::new(),
        carried: Vec::new(),
        counted: logship::ship::ShipStatus::default(),
        fs: Arc::new(RealFs),
    };
    let shipper = Shipper::start(settings).unwrap();
    assert!(shipper.drain(PATIENCE), "{:?}", shipper.status());
    let status = shipper.status();
    shipper.stop();
    assert_eq!((status.server, status.failovers, status.possibly_doubled), (1, 1, 40), "{status:?}");
    first.settled();
    second.settled();
    let had = by_id(one.path());
    assert_eq!((had.len(), had), (40, by_id(other.path())));
    first.stop();
    second.stop();
}

#[test]
fn agents_are_known_by_what_they_say() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let status = br#"{"name":"web-1","version":"0.1.0","time":"2026-01-02T03:04:05Z","files":[]}"#;
    let (code, body) = server.post("/api/v1/agents", &[("Content-Type", "application/json")], status);
    assert_eq!(code, 200, "{body}");
    let (code, body) = server.get("/api/v1/agents");
    let agents: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, &agents["agents"][0]["status"]["version"]), (200, &"0.1.0".into()));
    server.stop();
}
