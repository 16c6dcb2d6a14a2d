//! `GET /api/v1/tail`: what a browser reads.

use super::*;
use crate::{
    event::{Event, Timestamp},
    flow::Batch,
    pipeline::tail::{TAIL_RING_EVENTS_MAX, TAILS_MAX},
};
use axum::body::BodyDataStream;
use futures_util::{FutureExt, StreamExt};

fn publish(tail: &Tail, first_number: u64, messages: &[&str]) {
    let event = |(n, message): (u64, &&str)| Stored {
        id: EventId { log: LOG, at: Pos(0x1000 + first_number + n) },
        event: Event::from_line(Timestamp::from_nanos(0), (*message).to_owned().into()),
    };
    let events = (0..).zip(messages).map(event).collect();
    tail.publish(&Arc::new(Batch { log: LOG, end: Pos(0x1000), first_number, events }));
}

fn row(number: u64, message: &str) -> String {
    format!(
        "id: {LOG}-{:x}\nevent: row\ndata: {{\"@timestamp\":\"1970-01-01T00:00:00.000Z\",\"message\":\"{message}\",\
         \"_id\":\"{LOG}-{:x}\"}}\n\n",
        number + 1,
        0x1000 + number
    )
}

async fn open(server: &Server, uri: &str, headers: &[(&str, &str)]) -> BodyDataStream {
    let response = server.send(get(uri, headers)).await;
    assert_eq!(response.status(), 200);
    for (name, value) in
        [("content-type", "text/event-stream"), ("x-accel-buffering", "no"), ("cache-control", "no-store")]
    {
        assert_eq!(response.headers()[name], value);
    }
    let mut stream = response.into_body().into_data_stream();
    assert!(piece(&mut stream).await.starts_with(": logship tail\n\n"));
    stream
}

async fn piece(stream: &mut BodyDataStream) -> String {
    String::from_utf8(stream.next().await.unwrap().unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn matching_events_come_as_rows() {
    let server = Server::new(Setup::default());
    publish(&server.state.tail, 0, &["boom before"]);
    let mut stream = open(&server, "/api/v1/tail?q=boom", &[]).await;
    assert!(stream.next().now_or_never().is_none());
    publish(&server.state.tail, 1, &["boom one", "quiet", "two boom"]);
    assert_eq!(piece(&mut stream).await, row(1, "boom one") + &row(3, "two boom"));
    publish(&server.state.tail, 4, &["quiet"]);
    publish(&server.state.tail, 5, &["boom"]);
    assert_eq!(piece(&mut stream).await, row(5, "boom"));
    server.state.tail.close();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_tail_goes_on_where_it_was_told() {
    let server = Server::new(Setup::default());
    publish(&server.state.tail, 0, &["a", "b", "c"]);
    let last = format!("{LOG}-2");
    for (uri, headers) in [
        (format!("/api/v1/tail?after={LOG}-2"), &[][..]),
        // What a browser saw last wins over its first address.
        (format!("/api/v1/tail?after={LOG}-0"), &[("last-event-id", last.as_str())]),
    ] {
        let mut stream = open(&server, &uri, headers).await;
        assert_eq!(piece(&mut stream).await, row(2, "c"), "{uri}");
    }
    let wrong = server.reply(get("/api/v1/tail", &[("last-event-id", "x")])).await;
    assert_eq!(wrong.refusal(), (400, "bad_request".to_owned()));
}

#[tokio::test]
async fn what_the_ring_forgot_is_a_gap() {
    let server = Server::new(Setup::default());
    publish(&server.state.tail, 0, &vec!["a"; TAIL_RING_EVENTS_MAX]);
    publish(&server.state.tail, TAIL_RING_EVENTS_MAX as u64, &["b"]);
    for after in [format!("{LOG}-0"), "000000000001-1".to_owned()] {
        let response = server.send(get(&format!("/api/v1/tail?after={after}"), &[])).await;
        let first = piece(&mut response.into_body().into_data_stream()).await;
        assert_eq!(first, format!(": logship tail\n\nid: {LOG}-2711\nevent: gap\ndata: {{}}\n\n"));
    }
}

#[tokio::test]
async fn a_slow_reader_is_told_what_it_missed() {
    let server = Server::new(Setup::default());
    let mut stream = open(&server, "/api/v1/tail?q=b", &[]).await;
    publish(&server.state.tail, 0, &vec!["a"; TAIL_RING_EVENTS_MAX]);
    publish(&server.state.tail, TAIL_RING_EVENTS_MAX as u64, &["b"]);
    let expected = "event: drop\ndata: {\"count\":10000}\n\n".to_owned() + &row(TAIL_RING_EVENTS_MAX as u64, "b");
    assert_eq!(piece(&mut stream).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_connection_is_kept_open() {
    let server = Server::new(Setup::default());
    let mut stream = open(&server, "/api/v1/tail", &[]).await;
    let opened = tokio::time::Instant::now();
    assert_eq!(piece(&mut stream).await, format!(":\nid: {LOG}-0\n\n"));
    assert_eq!(opened.elapsed().as_secs(), 15);
}

#[tokio::test]
async fn tails_have_a_limit_and_give_their_place_back() {
    let server = Server::new(Setup::default());
    let mut open_tails = Vec::new();
    for _ in 0..TAILS_MAX {
        open_tails.push(open(&server, "/api/v1/tail", &[]).await);
    }
    let refused = server.reply(get("/api/v1/tail", &[])).await;
    assert_eq!(refused.refusal(), (429, "busy".to_owned()));
    assert_eq!(refused.retry_after.as_deref(), Some("1"));
    open_tails.pop();
    open_tails.push(open(&server, "/api/v1/tail", &[]).await);
}
