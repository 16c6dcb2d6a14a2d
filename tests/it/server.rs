//! `logship server`: ingest, exact retries, who may ask.

use crate::harness::{Server, balanced, folder, outcome, pipe, search, stderr};
use std::io::Write;

const TEXT: (&str, &str) = ("Content-Type", "text/plain");
/// All that a first visit loads, as it travels.
const PAGE_BYTES_MAX: usize = 150_000;
const NDJSON: (&str, &str) = ("Content-Type", "application/x-ndjson");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn accepted(reply: &(u16, String)) -> u64 {
    assert_eq!(reply.0, 200, "{}", reply.1);
    serde_json::from_str::<serde_json::Value>(&reply.1).unwrap()["accepted"].as_u64().unwrap()
}

#[test]
fn what_is_posted_is_found() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    assert_eq!(server.get("/api/v1/health"), (200, "{\"status\":\"ok\"}".to_owned()));
    assert_eq!(accepted(&server.post("/api/v1/ingest", &[TEXT], b"level=error msg=boom\nplain words\n")), 2);
    assert_eq!(
        accepted(&server.post("/api/v1/ingest?service=shop", &[NDJSON], b"{\"msg\":\"from json\",\"n\":7}\n")),
        1
    );
    let packed = gzip(b"packed line\n");
    assert_eq!(accepted(&server.post("/api/v1/ingest", &[TEXT, ("Content-Encoding", "gzip")], &packed)), 1);
    let packed = zstd::encode_all(&b"{\"msg\":\"very packed\"}"[..], 1).unwrap();
    assert_eq!(accepted(&server.post("/api/v1/ingest", &[NDJSON, ("Content-Encoding", "zstd")], &packed)), 1);
    server.settled();
    for (query, count) in
        [("boom", 1), ("level:error", 1), ("service:shop n:7", 1), ("packed", 2), ("*", 5), ("absent", 0)]
    {
        assert_eq!(server.count(query), count, "{query}");
    }
    server.stop();
    assert_eq!(search(data.path(), &["from", "json"])[0]["service"]["name"], "shop");
}

#[test]
fn a_retry_with_a_sequence_number_is_exact_also_after_a_crash() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let post = |server: &Server, number: u64| {
        let number = number.to_string();
        let reply = server.post(
            "/api/v1/ingest",
            &[TEXT, ("X-Logship-Source", "shipper-1"), ("X-Logship-Seq", &number)],
            format!("batch {number}\n").as_bytes(),
        );
        assert_eq!(reply.0, 200, "{}", reply.1);
        serde_json::from_str::<serde_json::Value>(&reply.1).unwrap()["duplicate"] == true
    };
    assert!(!post(&server, 7));
    assert!(post(&server, 7));
    assert!(!post(&server, 8));
    server.kill();
    let server = Server::start(data.path(), &[]);
    assert!(post(&server, 8) && post(&server, 7));
    assert!(!post(&server, 9));
    server.settled();
    server.stop();
    let server = Server::start(data.path(), &[]);
    assert!(post(&server, 9), "a clean restart remembers, too");
    server.settled();
    assert_eq!(server.count("batch"), 3);
    server.stop();
}

#[test]
fn refusals_have_one_shape_and_cost_nothing() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let check = |reply: (u16, String), status: u16, code: &str| {
        assert_eq!(reply.0, status, "{}", reply.1);
        let body: serde_json::Value = serde_json::from_str(&reply.1).unwrap();
        assert_eq!(body["error"]["code"], code);
        assert!(!body["error"]["message"].as_str().unwrap().is_empty());
    };
    check(server.get("/api/v1/search?q=level:"), 400, "query_syntax");
    check(server.get("/api/v1/nothing"), 404, "not_found");
    check(server.get("/api/v1/ingest"), 405, "method_not_allowed");
    check(server.post("/api/v1/ingest", &[("Content-Type", "image/png")], b"x"), 415, "unsupported_media_type");
    check(server.post("/api/v1/ingest", &[TEXT, ("Content-Encoding", "gzip")], b"no gzip"), 400, "bad_request");
    check(server.post("/api/v1/ingest", &[TEXT, ("X-Logship-Seq", "1")], b"x"), 400, "bad_request");
    // 100 MB of zeros in about 100 kB.
    let bomb = gzip(&vec![b'0'; 100 << 20]);
    check(server.post("/api/v1/ingest", &[TEXT, ("Content-Encoding", "gzip")], &bomb), 413, "too_large");
    let status = server.settled();
    balanced(&status);
    assert_eq!(server.count("*"), 0);
    server.stop();
}

#[test]
fn the_page_is_packed_kept_and_closed_to_others() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let port = server.url.rsplit_once(':').unwrap().1.to_owned();
    let get = |path: &str, headers: &str| {
        let mut socket = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n").unwrap();
        let mut reply = Vec::new();
        std::io::Read::read_to_end(&mut socket, &mut reply).unwrap();
        let body = reply.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        (String::from_utf8(reply[..body].to_vec()).unwrap(), reply[body..].to_vec())
    };
    let inflated = |body: &[u8]| std::io::read_to_string(flate2::read::GzDecoder::new(body)).unwrap();
    let (head, body) = get("/", "Accept-Encoding: gzip\r\n");
    for line in ["content-encoding: gzip", "cache-control: no-cache", "content-security-policy: default-src 'self'; "] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let html = inflated(&body);
    assert_eq!(get("/", "").1, html.as_bytes(), "without compression it is the same");
    let mut bytes = body.len();
    // Every other quoted text of the page; what it loads itself begins with a slash.
    for path in html.split('"').filter(|quoted| quoted.starts_with("/assets/")) {
        let (head, body) = get(path, "Accept-Encoding: gzip\r\n");
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {head}");
        for line in ["cache-control: public, max-age=31536000, immutable", "x-content-type-options: nosniff"] {
            assert!(head.contains(line), "{path}: {line} in {head}");
        }
        let tag = head.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let (head, rest) = get(path, &format!("If-None-Match: {tag}\r\n"));
        assert!(head.starts_with("HTTP/1.1 304") && rest.is_empty(), "{path}: {head}");
        bytes += body.len();
    }
    assert!((10_000..PAGE_BYTES_MAX).contains(&bytes), "the page is {bytes} bytes");
    server.stop();
}

#[test]
fn foreign_pages_and_names_are_refused() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let port = server.url.rsplit_once(':').unwrap().1.to_owned();
    let get = |headers: &str| {
        let mut socket = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
        write!(socket, "GET /api/v1/search HTTP/1.1\r\nConnection: close\r\n{headers}\r\n").unwrap();
        let mut reply = String::new();
        std::io::Read::read_to_string(&mut socket, &mut reply).unwrap();
        reply.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    for (headers, status) in [
        (format!("Host: 127.0.0.1:{port}\r\n"), 200),
        (format!("Host: localhost:{port}\r\n"), 200),
        (format!("Host: evil.example:{port}\r\n"), 403),
        (format!("Host: localhost:{port}\r\nOrigin: http://evil.example\r\n"), 403),
        (format!("Host: localhost:{port}\r\nSec-Fetch-Site: cross-site\r\n"), 403),
        (format!("Host: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n"), 200),
    ] {
        assert_eq!(get(&headers), status, "{headers}");
    }
    server.stop();
}

#[test]
fn beyond_loopback_a_token_is_demanded() {
    let data = folder();
    let refused = outcome(data.path(), &["server", "--listen", "0.0.0.0:0"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("--token-file"), "{refused:?}");

    let token = data.path().join("token");
    std::fs::write(&token, "s3cret-token-of-some-length\n").unwrap();
    let server = Server::start(data.path(), &["--token-file", token.to_str().unwrap()]);
    assert_eq!(server.get("/api/v1/health").0, 200);
    assert_eq!(server.get("/").0, 200);
    assert_eq!(server.get("/api/v1/search").0, 401);
    assert_eq!(server.post("/api/v1/ingest", &[TEXT], b"x").0, 401);
    let bearer = ("Authorization", "Bearer s3cret-token-of-some-length");
    assert_eq!(server.post("/api/v1/ingest", &[TEXT, bearer], b"x").0, 200);
    let count = crate::harness::run(data.path(), &["search", "-c", "x", "--token-file", token.to_str().unwrap()]);
    assert!(count == "1\n" || count == "0\n", "the search is let in: {count}");
    server.kill();
}

#[test]
fn a_token_file_means_each_of_its_lines_and_never_none() {
    let data = folder();
    let token = data.path().join("token");
    let named = ["--token-file", token.to_str().unwrap()];
    std::fs::write(&token, "# agents\n\nfirst-token-of-some-length\n# people\nsecond-token-of-some-length\n").unwrap();
    let server = Server::start(data.path(), &named);
    let statuses = |bearer: &str| {
        let header = ("Authorization", &*format!("Bearer {bearer}"));
        server.post("/api/v1/ingest", &[TEXT, header], b"guarded\n").0
    };
    for (bearer, status) in
        [("first-token-of-some-length", 200), ("second-token-of-some-length", 200), ("# agents", 401), ("", 401)]
    {
        assert_eq!(statuses(bearer), status, "{bearer}");
    }
    assert_eq!(server.get("/api/v1/search").0, 401);
    // The client sends the first one.
    crate::harness::until("the search is let in and finds", || {
        (crate::harness::run(data.path(), &["search", "-c", "guarded", named[0], named[1]]) == "2\n").then_some(())
    });
    server.kill();

    for text in ["", "\n", "# nothing but remarks\n", "short\n", "good-token-of-some-length\nwith a blank\n"] {
        std::fs::write(&token, text).unwrap();
        for args in [&["server", "--listen", "127.0.0.1:0"][..], &["search", "x"]] {
            let refused = outcome(data.path(), &[args, &named].concat());
            assert_eq!(refused.status.code(), Some(2), "{text:?} {refused:?}");
            assert!(stderr(&refused).contains("token"), "{text:?} {refused:?}");
        }
    }
    let mut unnamed = crate::harness::logship(data.path(), &["server", "--listen", "127.0.0.1:0"]);
    let refused = unnamed.env("LOGSHIP_TOKEN", "#").output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert!(stderr(&refused).contains("LOGSHIP_TOKEN holds no token"), "{refused:?}");
}

#[test]
fn a_second_server_is_refused_and_told_why() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let refused = outcome(data.path(), &["server", "--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains(&server.url), "{refused:?}");
    // A pipe joins instead.
    assert!(pipe(data.path(), &[], b"joined\n").status.success());
    crate::harness::until("the server has the pipe's line", || (server.count("joined") == 1).then_some(()));
    server.stop();
}

#[test]
fn the_live_tail_has_events_before_they_are_searchable() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let mut tail = crate::harness::logship(data.path(), &["tail", "-o", "raw", "level:error"])
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(tail.stdout.take().unwrap());
    crate::harness::until("the tail follows", || {
        let status: serde_json::Value = serde_json::from_str(&server.get("/api/v1/status").1).ok()?;
        (status["tails"] == 1).then_some(())
    });
    accepted(&server.post("/api/v1/ingest", &[TEXT], b"level=info msg=no\nlevel=error msg=yes\n"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    assert_eq!(line, "yes\n");
    tail.kill().unwrap();
    tail.wait().unwrap();
    server.stop();
}

#[test]
fn a_server_whose_store_is_not_open_yet_says_so() {
    let data = folder();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let inner = crate::harness::logship(data.path(), &["server", "--listen", &address]);
    // Taking a lock takes three seconds, and the store has one.
    let mut child = crate::harness::under_strace(&inner, "flock", "delay_enter=3000000")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let ask = |path: &str| crate::harness::get(&format!("http://{address}{path}"));
    let replying =
        crate::harness::until("it answers", || Some(ask("/api/v1/health")).filter(|(status, _)| *status > 0));
    assert_eq!(replying, (503, "{\"status\":\"replaying\"}".to_owned()));
    let (status, body) = ask("/api/v1/search?q=");
    assert!(status == 503 && body.contains("not open yet"), "{status} {body}");
    assert_eq!(ask("/").0, 200);
    crate::harness::until("it is ready", || (ask("/api/v1/health").0 == 200).then_some(()));
    // It takes records a moment before it says where it is.
    crate::harness::until("it says so", || crate::harness::owner(data.path()));
    // A signal for strace does not reach what it traces.
    let file: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.path().join("server.json")).unwrap()).unwrap();
    let killed = std::process::Command::new("kill").args(["-9", &file["pid"].to_string()]).status().unwrap();
    assert!(killed.success());
    child.wait().unwrap();
}
