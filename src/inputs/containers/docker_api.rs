//! Logs of containers that keep them in no file: asked of the engine, container by container.
//!
//! Which containers there are is listed once and then told by the engine's events; whenever those end, all begins anew.
//! A container is read from its beginning, or from where the log has it, to its end, also when it has stopped before.
//! Containers whose log is a file that a file input reads are left to that, unless all are wanted.
//!
//! Each line is stored once, also after a crash of either side: see [`super::stamped`] for how, and for what that
//! cannot know. While the log is full containers wait, and the engine keeps their logs.
//!
//! Limits: [`CONTAINERS_MAX`] containers are read at once; of each the unfinished record and one batch are in memory.

use super::{
    RETRY_WAITS,
    engine::{Engine, EngineError},
    follow::{Ends, Follow},
    is_id,
};
use crate::{
    codecs::first_line::FirstLines,
    flow::{Intake, Shutdown},
    inputs::counters::InputCounters,
    log::SourceTable,
};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::Arc,
};
use tokio::{task::JoinSet, time::sleep};

/// Containers read at once; others wait until one of these has ended.
pub const CONTAINERS_MAX: usize = 1_000;
/// A longer line of the engine's events ends the reading of them, and all begins anew.
pub const EVENT_BYTES_MAX: usize = 1 << 20;
/// What the keys of this input's sources begin with; the id and the stream follow.
pub const SOURCE: &str = "docker:";

/// `GET /events` of containers that start.
const EVENTS: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22start%22%5D%7D";
const LIST: &str = "/containers/json?all=1";

/// How containers are read.
#[derive(Clone, Debug)]
pub struct DockerApiOptions {
    /// The engine's socket.
    pub socket: PathBuf,
    /// Read only containers with the label `logship.include=true`.
    pub only_included: bool,
    /// Read containers whose logs are files, too.
    pub all: bool,
    /// The machine, as `host.name`.
    pub host: Option<String>,
}

impl DockerApiOptions {
    /// Those of this engine whose logs are no files.
    #[must_use]
    pub fn at(socket: PathBuf) -> DockerApiOptions {
        DockerApiOptions { socket, only_included: false, all: false, host: None }
    }
}

/// The input.
#[derive(Debug)]
pub struct DockerApi {
    follow: Arc<Follow>,
    shutdown: Shutdown,
    /// How far each stream is durable.
    ends: Ends,
    following: JoinSet<(String, Ends)>,
    /// The ids of those, and whether the container was started again meanwhile.
    started: HashMap<String, bool>,
    /// Those that must wait.
    waiting: Vec<String>,
}

impl DockerApi {
    /// Goes on where `table` says.
    #[must_use]
    pub fn new(options: DockerApiOptions, intake: Intake, table: &SourceTable, shutdown: Shutdown) -> DockerApi {
        let ours = table.iter().filter(|(source, _)| source.starts_with(SOURCE));
        let ends = ours.map(|(source, state)| (source.to_owned(), state.positions.end())).collect();
        let engine = Engine::at(&options.socket);
        let counters = Arc::new(InputCounters::default());
        let first_lines = FirstLines::default();
        let follow = Arc::new(Follow { engine, options, first_lines, intake, counters, shutdown: shutdown.clone() });
        DockerApi { follow, shutdown, ends, following: JoinSet::new(), started: HashMap::new(), waiting: Vec::new() }
    }

    /// What went through.
    #[must_use]
    pub fn counters(&self) -> Arc<InputCounters> {
        self.follow.counters.clone()
    }

    /// Reads until the shutdown. What was read before is durable then; the rest is read the next time.
    pub async fn run(mut self) {
        let (shortest, longest) = RETRY_WAITS;
        let mut wait = shortest;
        while !self.shutdown.requested() {
            match self.read_events().await {
                Ok(()) => wait = shortest,
                Err(cause) => self.follow.counters.failed_aloud(cause),
            }
            let mut pause = std::pin::pin!(sleep(wait));
            wait = (wait * 2).min(longest);
            loop {
                let mut shutdown = self.shutdown.clone();
                tokio::select! {
                    () = shutdown.wait() => break,
                    () = &mut pause => break,
                    Some(ended) = self.following.join_next() => self.ended(ended),
                }
            }
        }
        while let Some(ended) = self.following.join_next().await {
            self.ended(ended);
        }
    }

    /// Until the events end.
    async fn read_events(&mut self) -> Result<(), String> {
        let said = |error: EngineError| match error {
            EngineError::Absent => "the container engine knows no events: is it Docker, or Podman?".to_owned(),
            EngineError::Failed(cause) => cause,
        };
        // First the events, so that none is missed between the list and them.
        let mut events = Events::new(self.follow.engine.stream(EVENTS).await.map_err(said)?);
        let listed: Vec<Listed> = self.follow.engine.json(LIST).await.map_err(said)?;
        let known: HashSet<&str> = listed.iter().map(|container| container.id.as_str()).collect();
        self.ends.retain(|source, _| source.split(':').nth(1).is_some_and(|id| known.contains(id)));
        for container in listed {
            self.start(container.id);
        }
        loop {
            let mut shutdown = self.shutdown.clone();
            tokio::select! {
                () = shutdown.wait() => return Ok(()),
                Some(ended) = self.following.join_next() => self.ended(ended),
                event = events.next() => match event? {
                    Some(id) => self.start(id),
                    None => return Ok(()),
                },
            }
        }
    }

    fn start(&mut self, id: String) {
        if !is_id(&id) {
            return;
        }
        if let Some(again) = self.started.get_mut(&id) {
            *again = true;
            return;
        }
        if self.started.len() >= CONTAINERS_MAX {
            self.follow
                .counters
                .failed_aloud(format!("{CONTAINERS_MAX} containers are read: others wait for one to end"));
            if self.waiting.len() < CONTAINERS_MAX {
                self.waiting.push(id);
            }
            return;
        }
        self.started.insert(id.clone(), false);
        let follow = self.follow.clone();
        let own = format!("{SOURCE}{id}:");
        let ends: Ends =
            self.ends.iter().filter(|(source, _)| source.starts_with(&own)).map(|(s, e)| (s.clone(), *e)).collect();
        self.following.spawn(async move {
            let ends = follow.container(&id, ends).await;
            (id, ends)
        });
    }

    fn ended(&mut self, ended: Result<(String, Ends), tokio::task::JoinError>) {
        let Ok((id, ends)) = ended else { return };
        self.ends.extend(ends);
        let again = self.started.remove(&id).unwrap_or(false);
        if self.shutdown.requested() {
            return;
        }
        if again {
            self.start(id);
        }
        if self.started.len() < CONTAINERS_MAX
            && let Some(next) = self.waiting.pop()
        {
            self.start(next);
        }
    }
}

#[derive(Debug, Deserialize)]
struct Listed {
    #[serde(rename = "Id")]
    id: String,
}

/// The engine's events: one JSON object a line.
struct Events {
    body: Incoming,
    buffer: Vec<u8>,
}

impl Events {
    fn new(body: Incoming) -> Events {
        Events { body, buffer: Vec::new() }
    }

    /// The id of the next container that starts; `None` when the events have ended. May be dropped while it waits.
    async fn next(&mut self) -> Result<Option<String>, String> {
        loop {
            while let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if let Some(id) = started(&line) {
                    return Ok(Some(id));
                }
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(cause)) => return Err(format!("the container engine's events broke off: {cause}")),
                Some(Ok(frame)) => self.buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            }
            if self.buffer.len() > EVENT_BYTES_MAX {
                return Err(format!("an event of the container engine is longer than {EVENT_BYTES_MAX} bytes"));
            }
        }
    }
}

/// The id of the container that an event says to have started.
fn started(line: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Event {
        #[serde(rename = "Type")]
        kind: String,
        #[serde(rename = "Action")]
        action: String,
        #[serde(rename = "Actor")]
        actor: Actor,
    }
    #[derive(Deserialize)]
    struct Actor {
        #[serde(rename = "ID")]
        id: String,
    }
    let event: Event = serde_json::from_slice(line).ok()?;
    (event.kind == "container" && event.action == "start").then_some(event.actor.id)
}

#[cfg(test)]
mod tests {
    use super::super::{
        demux::frame,
        testing::{Log, Served, reply, streamed},
    };
    use super::*;
    use crate::flow::Span;

    const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/containers");

    fn id(first: char) -> String {
        format!("{first}{}", "0123456789abcdef".repeat(4).split_at(1).1)
    }

    fn inspected(driver: &str, tty: bool, label: &str) -> Vec<u8> {
        let config = format!(r#"{{"Image":"shop/worker:1","Tty":{tty},"Labels":{{"{label}":"true"}}}}"#);
        let host = format!(r#"{{"LogConfig":{{"Type":"{driver}"}}}}"#);
        reply(
            200,
            &format!(r#"{{"Name":"/worker","Config":{config},"HostConfig":{host},"State":{{"Running":false}}}}"#),
        )
    }

    fn logs(id: &str, since: u64) -> String {
        format!("/containers/{id}/logs?follow=1&stdout=1&stderr=1&timestamps=1&since={since}")
    }

    fn list(ids: &[String]) -> (String, Vec<u8>) {
        let listed: Vec<String> = ids.iter().map(|id| format!("{{\"Id\":\"{id}\"}}")).collect();
        (LIST.to_owned(), reply(200, &format!("[{}]", listed.join(","))))
    }

    /// Reads until `records` records are durable; what they are, by source and span.
    async fn run(served: &Served, table: &SourceTable, records: usize) -> (Vec<String>, Arc<InputCounters>) {
        let (stop, shutdown) = Shutdown::channel();
        let (log, intake) = Log::start(records, stop);
        let input = DockerApi::new(DockerApiOptions::at(served.socket().to_owned()), intake, table, shutdown);
        let counters = input.counters();
        input.run().await;
        (log.lines(), counters)
    }

    #[tokio::test]
    async fn containers_without_files_are_read_by_stream() {
        let body = [
            frame(1, "2026-01-02T03:04:05.000000001Z first\n"),
            frame(2, "2026-01-02T03:04:05.000000002Z oh no\n"),
            frame(1, "2026-01-02T03:04:06.000000003Z second\n"),
        ]
        .concat();
        let (a, b, c, d) = (id('a'), id('b'), id('c'), id('d'));
        let event = std::fs::read(format!("{FIXTURES}/docker-events.jsonl")).unwrap();
        let served = Served::unix(vec![
            (EVENTS.to_owned(), streamed(&event)),
            list(&[a.clone(), b.clone(), c.clone()]),
            (format!("/containers/{a}/json"), inspected("local", false, "x")),
            (format!("/containers/{b}/json"), inspected("json-file", false, "x")),
            (format!("/containers/{c}/json"), inspected("local", false, "logship.exclude")),
            (format!("/containers/{d}/json"), inspected("journald", true, "x")),
            (logs(&a, 0), streamed(&body)),
            (logs(&d, 0), streamed(b"2026-01-02T03:04:07.000000001Z on a terminal\r\n")),
        ]);
        let (mut found, counters) = run(&served, &SourceTable::default(), 4).await;
        found.sort_unstable();
        let expected = [
            format!("docker:{a}:stderr 0..1767323045000000003 worker stderr: oh no"),
            format!("docker:{a}:stdout 0..1767323046000000004 worker stdout: first"),
            format!("docker:{a}:stdout 0..1767323046000000004 worker stdout: second"),
            format!("docker:{d}:tty 0..1767323047000000002 worker -: on a terminal"),
        ];
        assert_eq!(found, expected);
        assert_eq!(counters.snapshot().stored, 4);
    }

    #[tokio::test]
    async fn its_owner_says_where_records_begin() {
        let a = id('a');
        let labels = r##""Labels":{"logship.multiline.pattern":"^#\\d+ "}"##;
        let config = format!(r#"{{"Name":"/worker","Config":{{{labels}}},"State":{{"Running":false}}}}"#);
        let line = |nanos: u8, text: &str| frame(1, &format!("2026-01-02T03:04:05.00000000{nanos}Z {text}\n"));
        let lines = [line(1, "#1 first"), line(2, "of many"), line(3, "#words"), line(4, "#2 second")];
        let served = Served::unix(vec![
            (EVENTS.to_owned(), streamed(b"")),
            list(std::slice::from_ref(&a)),
            (format!("/containers/{a}/json"), reply(200, &config)),
            (logs(&a, 0), streamed(&lines.concat())),
        ]);
        let (found, _) = run(&served, &SourceTable::default(), 2).await;
        let texts: Vec<&str> = found.iter().filter_map(|line| Some(line.split_once("stdout: ")?.1)).collect();
        assert_eq!(texts, ["#1 first\nof many\n#words", "#2 second"]);
    }

    #[tokio::test]
    async fn a_restart_leaves_out_what_is_durable() {
        let a = id('a');
        let body = [
            frame(1, "2026-01-02T03:04:05.000000001Z first\n"),
            frame(2, "2026-01-02T03:04:05.000000002Z oh no\n"),
            frame(1, "2026-01-02T03:04:06.000000003Z second\n"),
        ]
        .concat();
        let served = Served::unix(vec![
            (EVENTS.to_owned(), streamed(b"")),
            list(std::slice::from_ref(&a)),
            (format!("/containers/{a}/json"), inspected("local", false, "x")),
            (logs(&a, 1_767_323_045), streamed(&body)),
        ]);
        let mut table = SourceTable::default();
        let (out, err) = (1_767_323_045_000_000_002, 1_767_323_045_000_000_003);
        table.insert(&format!("docker:{a}:stdout"), Span { from: 0, to: out }, None, 1).unwrap();
        table.insert(&format!("docker:{a}:stderr"), Span { from: 0, to: err }, None, 1).unwrap();
        let (found, counters) = run(&served, &table, 1).await;
        assert_eq!(found, [format!("docker:{a}:stdout {out}..1767323046000000004 worker stdout: second")]);
        assert_eq!(counters.snapshot().dropped["duplicate"], 2);
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_goes_on() {
        let a = id('a');
        let line = |second: u8, text: &str| frame(1, &format!("2026-01-02T03:04:0{second}.000000000Z {text}\n"));
        let whole = [line(5, "one"), line(6, "two"), line(7, "three")].concat();
        let broken = [
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", whole.len()).into_bytes(),
            whole[..whole.len() - 4].to_vec(),
        ]
        .concat();
        let served = Served::unix(vec![
            (EVENTS.to_owned(), streamed(b"")),
            list(std::slice::from_ref(&a)),
            (format!("/containers/{a}/json"), inspected("local", false, "x")),
            (logs(&a, 0), broken),
            (logs(&a, 1_767_323_046), streamed(&whole)),
        ]);
        let (found, _) = run(&served, &SourceTable::default(), 3).await;
        let texts: Vec<&str> = found.iter().map(|line| line.rsplit(' ').next().unwrap()).collect();
        assert_eq!(texts, ["one", "two", "three"]);
    }

    #[tokio::test]
    async fn an_engine_that_is_away_is_one_message() {
        let (stop, shutdown) = Shutdown::channel();
        let (intake, _appends) = Intake::channel();
        let nowhere = PathBuf::from("/nowhere/engine.sock");
        let input = DockerApi::new(DockerApiOptions::at(nowhere), intake, &SourceTable::default(), shutdown);
        let counters = input.counters();
        let running = tokio::spawn(input.run());
        while counters.snapshot().last_error.is_none() {
            tokio::task::yield_now().await;
        }
        stop.send(true).unwrap();
        running.await.unwrap();
        let error = counters.snapshot().last_error.unwrap().what;
        assert!(error.contains("/nowhere/engine.sock") && error.contains("is it running"), "{error}");
    }
}
