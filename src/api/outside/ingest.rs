//! `POST /api/v1/ingest`: every status, and what lies in the log afterwards.

use super::*;
use crate::{
    api::ingest::BODY_BYTES_MAX,
    event::LINE_BYTES_MAX,
    flow::{FRAME_BYTES_MAX, Origin, RECORDS_PER_FRAME_MAX, Span},
};
use bytes::Bytes;
use std::io::Write;

const URI: &str = "/api/v1/ingest";
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

async fn post(server: &Server, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
    server.reply(request("POST", URI, headers, body)).await
}

#[tokio::test]
async fn lines_are_durable_before_the_reply() {
    let zstd = zstd::encode_all(&b"a\nb"[..], 1).unwrap();
    let members = [gzip(b"a\n"), gzip(b""), gzip(b"b")].concat();
    for (headers, body) in [
        (&[][..], b"a\nb\n".to_vec()),
        (&[("content-type", "text/plain; charset=utf-8")], b"a\r\n\nb".to_vec()),
        (&[("content-type", "application/x-www-form-urlencoded")], b"a\nb\n".to_vec()),
        (&[("content-encoding", "identity")], b"a\nb\n".to_vec()),
        (&[("content-encoding", "gzip")], members),
        (&[("content-encoding", "zstd")], zstd),
        (&[NDJSON], b"a\nb\n".to_vec()),
    ] {
        let server = Server::new(Setup::default());
        let reply = post(&server, headers, body).await;
        assert_eq!(reply.json(), json!({"accepted": 2, "rejected": [], "pos": "4f2a9c01d3b7-100"}), "{headers:?}");
        assert_eq!(server.frames(), [["a", "b"]], "{headers:?}");
        assert_eq!(server.counts(), (2, 2, vec![]));
    }
}

#[tokio::test]
async fn an_empty_body_is_fine() {
    for headers in [&[][..], &[NDJSON], &[("x-logship-source", "a"), ("x-logship-seq", "1")]] {
        for body in ["", "\n\r\n\n"] {
            let server = Server::new(Setup::default());
            let reply = post(&server, headers, body).await;
            assert_eq!((reply.status, &reply.json()["accepted"]), (200, &json!(0)), "{headers:?} {body:?}");
            assert!(server.frames().is_empty());
        }
    }
}

#[tokio::test]
async fn objects_are_marked_and_names_go_along() {
    let server = Server::new(Setup::default());
    let body = "{\"a\":1}\n[1]\n{\"a\":\n";
    let uri = format!("{URI}?service=shop&host=web-1");
    let reply = server.reply(request("POST", &uri, &[NDJSON], body)).await;
    assert_eq!(reply.json()["accepted"], 3, "{}", reply.body);
    let appended = server.appended.lock().unwrap();
    let json: Vec<_> = appended[0].records.iter().map(|record| record.kind.json).collect();
    assert_eq!(json, [true, false, false]);
    let Origin { input, host, service, .. } = appended[0].origin.as_ref();
    assert_eq!((input.as_str(), host.as_deref(), service.as_deref()), ("http", Some("web-1"), Some("shop")));
    assert_eq!(appended[0].span, None);
}

#[tokio::test]
async fn a_stack_trace_is_one_record() {
    let server = Server::new(Setup::default());
    let trace = "2026-01-02 03:04:05 ERROR x\njava.lang.IllegalStateException: y\n\tat a.b(C.java:1)";
    let reply = post(&server, &[], format!("{trace}\n2026-01-02 03:04:06 INFO z\n")).await;
    assert_eq!(reply.json()["accepted"], 2, "{}", reply.body);
    assert_eq!(server.frames(), [[trace, "2026-01-02 03:04:06 INFO z"]]);
}

#[tokio::test]
async fn overlong_lines_are_rejected_by_number() {
    let server = Server::new(Setup::default());
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    let reply = post(&server, &[], format!("a\n{long}\nb\n{long}")).await;
    let error = "longer than 1 MiB";
    assert_eq!(reply.json()["rejected"], json!([{"line": 2, "error": error}, {"line": 4, "error": error}]));
    assert_eq!(server.frames().concat(), ["a", "b"]);
    assert_eq!(server.counts(), (4, 2, vec![("too_long".to_owned(), 2)]));
}

#[tokio::test]
async fn long_bodies_become_frames_of_bounded_size() {
    let server = Server::new(Setup::default());
    let lines = 150_000;
    let reply = post(&server, &[], "0123456789abcdef0123456789\n".repeat(lines)).await;
    assert_eq!(reply.json()["accepted"], lines, "{}", reply.body);
    let frames = server.frames();
    assert_eq!(frames.iter().map(Vec::len).sum::<usize>(), lines);
    assert!(frames.iter().all(|frame| frame.iter().map(String::len).sum::<usize>() <= 1 << 20));
    assert_eq!(reply.json()["pos"], format!("{LOG}-{:x}", frames.len() * 0x100));
}

#[tokio::test]
async fn wrong_requests_are_refused() {
    let server = Server::new(Setup::default());
    let (over, long) = ("s".repeat(257), (BODY_BYTES_MAX + 1).to_string());
    for (headers, status, code) in [
        (&[("content-type", "image/png")][..], 415, "unsupported_media_type"),
        (&[("content-encoding", "br")], 415, "unsupported_media_type"),
        (&[("content-encoding", "gzip, gzip")], 415, "unsupported_media_type"),
        (&[("content-encoding", "gzip")], 400, "bad_request"),
        (&[("content-encoding", "zstd")], 400, "bad_request"),
        (&[("content-length", long.as_str())], 413, "too_large"),
        (&[("content-length", "9")], 400, "bad_request"),
        (&[("x-logship-source", "a")], 400, "bad_request"),
        (&[("x-logship-seq", "1")], 400, "bad_request"),
        (&[("x-logship-source", ""), ("x-logship-seq", "1")], 400, "bad_request"),
        (&[("x-logship-source", over.as_str()), ("x-logship-seq", "1")], 400, "bad_request"),
        (&[("x-logship-source", "a"), ("x-logship-seq", "-1")], 400, "bad_request"),
        (&[("x-logship-source", "a"), ("x-logship-seq", "+1")], 400, "bad_request"),
        (&[("x-logship-source", "a"), ("x-logship-seq", "")], 400, "bad_request"),
        (&[("x-logship-source", "a"), ("x-logship-seq", "9223372036854775808")], 400, "bad_request"),
        (&[("x-logship-source", "a"), ("x-logship-seq", "1"), ("x-logship-seq", "2")], 400, "bad_request"),
    ] {
        let reply = post(&server, headers, "plain").await;
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{headers:?}");
    }
    for argument in ["service=a&service=b", "wrong=1", &format!("host={}", "h".repeat(257))] {
        let reply = server.reply(request("POST", &format!("{URI}?{argument}"), &[], "x")).await;
        assert_eq!(reply.refusal(), (400, "bad_request".to_owned()), "{argument}");
    }
    assert!(server.frames().is_empty());
}

#[tokio::test]
async fn bombs_are_bounded() {
    let server = Server::new(Setup::default());
    let plain = vec![b'0'; BODY_BYTES_MAX + 1];
    for (encoding, body) in [("gzip", gzip(&plain)), ("zstd", zstd::encode_all(plain.as_slice(), 1).unwrap())] {
        assert!(body.len() < 1 << 20);
        let reply = post(&server, &[("content-encoding", encoding)], body).await;
        assert_eq!(reply.refusal(), (413, "too_large".to_owned()), "{encoding}");
    }
    assert!(server.frames().is_empty());
}

#[tokio::test]
async fn a_retry_with_a_number_is_exact() {
    let server = Server::new(Setup::default());
    for (source, seq, duplicate) in [
        ("a", "0", false),
        ("a", "0", true),
        ("b", "0", false),
        ("a", "9223372036854775807", false),
        ("a", "9223372036854775807", true),
    ] {
        let reply = post(&server, &[("x-logship-source", source), ("x-logship-seq", seq)], "x\ny\n").await;
        assert_eq!((reply.status, &reply.json()["accepted"]), (200, &json!(2)), "{}", reply.body);
        assert_eq!(reply.json().get("duplicate"), duplicate.then_some(&json!(true)), "{source} {seq}");
    }
    assert_eq!(server.frames(), vec![vec!["x", "y"]; 3]);
    assert_eq!(server.counts(), (10, 6, vec![("duplicate".to_owned(), 4)]));
    let first = &server.appended.lock().unwrap()[0];
    assert_eq!(first.span, Some(Span { from: 0, to: 1 }));
    assert!(first.origin.source.starts_with("http"), "{}", first.origin.source);
}

#[tokio::test]
async fn a_request_with_a_number_is_one_frame_or_none() {
    let exact = [("x-logship-source", "a"), ("x-logship-seq", "1")];
    let line = "0123456789abcdef\n";
    for (body, status) in [
        ("a\n".repeat(RECORDS_PER_FRAME_MAX), 200),
        (line.repeat(3 << 16 >> 2), 200),
        ("a\n".repeat(RECORDS_PER_FRAME_MAX + 1), 413),
        (format!("{}\n", "x".repeat(1 << 20)).repeat(8), 413),
    ] {
        assert!(status == 200 || body.len() > FRAME_BYTES_MAX || body.lines().count() > RECORDS_PER_FRAME_MAX);
        let server = Server::new(Setup::default());
        let reply = post(&server, &exact, body).await;
        assert_eq!(reply.status, status, "{}", reply.body);
        assert_eq!(server.frames().len(), usize::from(status == 200));
    }
}

#[tokio::test]
async fn the_state_of_the_server_decides_first() {
    for (health, expected, retry_after) in [
        (Health::Replaying, (503, "replaying"), "1"),
        (Health::Full, (507, "storage_full"), "30"),
        (Health::ReadOnly, (503, "unavailable"), "5"),
    ] {
        let server = Server::new(Setup { health, ..Setup::default() });
        let reply = post(&server, &[], "x").await;
        assert_eq!(reply.refusal(), (expected.0, expected.1.to_owned()));
        assert_eq!(reply.retry_after.as_deref(), Some(retry_after));
    }
}

#[tokio::test]
async fn what_the_log_refuses_is_counted_and_told() {
    for (refusal, status, code, told) in [
        (AppendError::Full, 507, "storage_full", "no room"),
        (AppendError::TooManySources, 429, "busy", "too many sources"),
        (AppendError::TooLarge, 413, "too_large", "larger"),
        (AppendError::Closed, 503, "unavailable", "stops"),
        (AppendError::Io("fdatasync: no such disk".to_owned()), 503, "unavailable", "no such disk"),
    ] {
        let server = Server::new(Setup { refusal: Some(refusal.clone()), ..Setup::default() });
        let reply = post(&server, &[], "x\ny\n").await;
        assert_eq!(reply.refusal(), (status, code.to_owned()), "{refusal}");
        assert!(reply.body.contains(told), "{}", reply.body);
        assert_eq!(reply.retry_after.is_some(), status != 413, "{refusal}");
        assert_eq!(server.counts(), (2, 0, vec![("log_refused".to_owned(), 2)]));
    }
}

#[tokio::test(start_paused = true)]
async fn too_much_in_flight_and_slow_clients_are_refused() {
    let server = Server::new(Setup::default());
    let silent = || Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    // A body of unknown length counts with the most that it can hold: 16 fill the room.
    let replies = (0..17).map(|_| post(&server, &[], silent()));
    let mut refusals: Vec<_> = futures_util::future::join_all(replies).await.iter().map(Reply::refusal).collect();
    refusals.sort();
    let mut expected = vec![(408, "timeout".to_owned()); 16];
    expected.push((429, "busy".to_owned()));
    assert_eq!(refusals, expected);
    // They have given their room back.
    assert_eq!(post(&server, &[], "x").await.status, 200);
    assert_eq!(server.counts(), (1, 1, vec![]));
}
