//! `kill -9` at random moments, and a disk that cannot sync: what was acknowledged is found exactly once, and nothing twice.
//!
//! `LOGSHIP_CRASH_ROUNDS` sets the number of rounds, `LOGSHIP_CRASH_SEED` repeats a run.

use crate::harness::{Server, folder, logship, messages, run, search, spawn_pipe, under_strace, until, wait};
use std::{
    collections::BTreeMap,
    io::Write,
    path::Path,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const ROUNDS: u64 = 30;

fn rounds() -> u64 {
    std::env::var("LOGSHIP_CRASH_ROUNDS").map_or(ROUNDS, |text| text.parse().unwrap())
}

/// A small generator, so that a run can be repeated.
pub struct Luck(u64);

impl Luck {
    fn new() -> Luck {
        let seed = std::env::var("LOGSHIP_CRASH_SEED").map_or(0x5eed, |text| text.parse().unwrap());
        println!("LOGSHIP_CRASH_SEED={seed}");
        Luck::seeded(seed)
    }

    pub fn seeded(seed: u64) -> Luck {
        // Small seeds begin alike without it.
        Luck(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// How often each line is stored.
fn stored(data: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for message in messages(&search(data, &[])) {
        *counts.entry(message).or_default() += 1;
    }
    counts
}

pub fn assert_exactly_once(data: &Path, acknowledged: &[String], what: &str) {
    let counts = stored(data);
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).take(5).collect();
    assert!(twice.is_empty(), "{what}: stored twice: {twice:?}");
    let lost: Vec<_> = acknowledged.iter().filter(|line| !counts.contains_key(*line)).take(5).collect();
    assert!(lost.is_empty(), "{what}: acknowledged and lost: {lost:?}");
}

#[test]
fn http_survives_kill_9() {
    let data = folder();
    let mut luck = Luck::new();
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    // Each client sends the batch that it has no answer for again, under the same number.
    let mut next = [0_u64; 2];
    for round in 0..rounds() {
        let server = Arc::new(Server::start(data.path(), &[]));
        let stop = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..next.len())
            .map(|client| {
                let (server, stop, acknowledged, mut number) =
                    (server.clone(), stop.clone(), acknowledged.clone(), next[client]);
                std::thread::spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let lines: Vec<_> =
                            (0..20).map(|line| format!("client {client} batch {number} line {line}")).collect();
                        let headers = [
                            ("Content-Type", "text/plain"),
                            ("X-Logship-Source", &*format!("client-{client}")),
                            ("X-Logship-Seq", &*number.to_string()),
                        ];
                        let (status, _) = server.post("/api/v1/ingest", &headers, (lines.join("\n") + "\n").as_bytes());
                        if status == 200 {
                            acknowledged.lock().unwrap().extend(lines);
                            number += 1;
                        }
                    }
                    number
                })
            })
            .collect();
        std::thread::sleep(Duration::from_millis(20 + luck.below(400)));
        crate::harness::signal(&server.child, "KILL");
        stop.store(true, Ordering::Relaxed);
        for (client, thread) in clients.into_iter().enumerate() {
            next[client] = thread.join().unwrap();
        }
        Arc::into_inner(server).unwrap().kill();
        if round % 10 == 9 {
            assert_exactly_once(data.path(), &acknowledged.lock().unwrap(), &format!("round {round}"));
        }
    }
    let acknowledged = acknowledged.lock().unwrap();
    assert!(!acknowledged.is_empty());
    assert_exactly_once(data.path(), &acknowledged, "at the end");
}

#[test]
fn pipes_survive_kill_9() {
    let data = folder();
    let mut luck = Luck::new();
    let mut acknowledged = Vec::new();
    for round in 0..rounds() {
        // One pipe is killed; the other, which joined it, ends well.
        let mut killed = spawn_pipe(data.path(), &["--format", "none", "--quiet"]);
        let mut joined = spawn_pipe(data.path(), &["--format", "none", "--quiet"]);
        let mut killed_stdin = killed.stdin.take().unwrap();
        let mut joined_stdin = joined.stdin.take().unwrap();
        let writing = std::thread::spawn(move || {
            // Bounded, so that thirty rounds stay small; the pipe stays open until it is killed.
            for line in 0..2_000 {
                if writeln!(killed_stdin, "killed {round} line {line}").is_err() {
                    break;
                }
            }
            killed_stdin
        });
        for line in 0..200 {
            let text = format!("joined {round} line {line}");
            writeln!(joined_stdin, "{text}").unwrap();
            acknowledged.push(text);
        }
        std::thread::sleep(Duration::from_millis(luck.below(300)));
        killed.kill().unwrap();
        killed.wait().unwrap();
        drop(writing.join().unwrap());
        drop(joined_stdin);
        assert!(wait(&mut joined).success(), "round {round}");
        if round % 10 == 9 {
            assert_exactly_once(data.path(), &acknowledged, &format!("round {round}"));
        }
    }
    assert_exactly_once(data.path(), &acknowledged, "at the end");
}

/// One of the processes that share the data directory, and what was written into it.
struct Member {
    child: std::process::Child,
    feeding: Option<std::thread::JoinHandle<Vec<String>>>,
}

impl Member {
    fn server(data: &Path) -> Member {
        let mut command = logship(data, &["server", "--listen", "127.0.0.1:0", "--small-steps"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Nobody reads what it says, which must not end it.
        drop(child.stderr.take());
        until("the server serves", || {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it served");
            let file: serde_json::Value =
                serde_json::from_slice(&std::fs::read(data.join("server.json")).ok()?).ok()?;
            (file["pid"] == child.id()).then_some(())
        });
        Member { child, feeding: None }
    }

    /// A pipe that is fed until `stop`, then comes to its end.
    fn pipe(data: &Path, name: String, stop: &Arc<AtomicBool>) -> Member {
        let mut child = spawn_pipe(data, &["--format", "none", "--quiet", "--small-steps"]);
        let (mut stdin, stop) = (child.stdin.take().unwrap(), stop.clone());
        let feed = move || {
            let mut lines = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let line = format!("{name} line {}", lines.len());
                if writeln!(stdin, "{line}").is_err() {
                    break;
                }
                lines.push(line);
                // Paced, so that thirty rounds stay small.
                std::thread::sleep(Duration::from_millis(1));
            }
            lines
        };
        Member { child, feeding: Some(std::thread::spawn(feed)) }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.feeding.map(|feeding| feeding.join().unwrap());
    }

    /// Lets it end well; what it took.
    fn end(mut self, what: &str) -> Vec<String> {
        let lines = match self.feeding.take() {
            Some(feeding) => feeding.join().unwrap(),
            None => {
                crate::harness::signal(&self.child, "TERM");
                Vec::new()
            }
        };
        let status = wait(&mut self.child);
        assert!(status.success(), "{what}: {status}");
        lines
    }
}

/// Sends batches to whoever serves the directory, each again under its number until it is answered; the next number.
fn client(data: &Path, source: &str, mut number: u64, stop: &AtomicBool, acknowledged: &Mutex<Vec<String>>) -> u64 {
    while !stop.load(Ordering::Relaxed) {
        let lines: Vec<_> = (0..5).map(|line| format!("{source} batch {number} line {line}")).collect();
        let seq = number.to_string();
        let headers = [("Content-Type", "text/plain"), ("X-Logship-Source", source), ("X-Logship-Seq", &*seq)];
        let body = lines.join("\n") + "\n";
        let status = crate::harness::owner(data)
            .map(|url| crate::harness::post(&url, "/api/v1/ingest", &headers, body.as_bytes()).0);
        if status == Some(200) {
            acknowledged.lock().unwrap().extend(lines);
            number += 1;
        }
        std::thread::sleep(Duration::from_millis(4));
    }
    number
}

#[test]
fn any_process_may_be_killed_in_any_step() {
    let data = folder();
    let mut luck = Luck::new();
    let acknowledged = Mutex::new(Vec::new());
    let mut next = [0_u64; 2];
    for round in 0..rounds() {
        let stop = Arc::new(AtomicBool::new(false));
        // In every third round the first pipe owns the store and serves.
        let mut members = Vec::new();
        if round % 3 != 2 {
            members.push(Member::server(data.path()));
        }
        members.extend((0..2).map(|pipe| Member::pipe(data.path(), format!("pipe {pipe} round {round}"), &stop)));
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..next.len())
                .map(|client_| {
                    let (data, stop, acknowledged, number) = (data.path(), &*stop, &acknowledged, next[client_]);
                    scope.spawn(move || client(data, &format!("client-{client_}"), number, stop, acknowledged))
                })
                .collect();
            // The second is often the one that has just taken over.
            for _ in 0..=luck.below(2) {
                std::thread::sleep(Duration::from_millis(20 + luck.below(500)));
                members.remove(luck.below(members.len() as u64) as usize).kill();
            }
            stop.store(true, Ordering::Relaxed);
            for (client, thread) in clients.into_iter().enumerate() {
                next[client] = thread.join().unwrap();
            }
        });
        for member in members {
            let lines = member.end(&format!("round {round}"));
            acknowledged.lock().unwrap().extend(lines);
        }
        // A search indexes what the dead have left, and may die over it itself.
        let mut searching = logship(data.path(), &["search", "-c", "--small-steps"]);
        let mut searching = searching.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(luck.below(60)));
        searching.kill().unwrap();
        searching.wait().unwrap();
        if round % 10 == 9 {
            assert_exactly_once(data.path(), &acknowledged.lock().unwrap(), &format!("round {round}"));
        }
    }
    let manifest = std::fs::read_to_string(data.path().join("store/manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    let sealed = manifest["partitions"].as_array().unwrap().len();
    println!("{sealed} partitions sealed, {} records", acknowledged.lock().unwrap().len());
    assert!(sealed > 0 || rounds() < ROUNDS, "no kill can have met a seal");
    assert_exactly_once(data.path(), &acknowledged.lock().unwrap(), "at the end");
}

#[test]
fn nothing_is_acknowledged_that_cannot_be_synced() {
    let data = folder();
    // Every fdatasync from the 40th on fails: the server starts, takes some, then must refuse.
    let inner = logship(data.path(), &["server", "--listen", "127.0.0.1:0"]);
    let mut command = under_strace(&inner, "fdatasync", "error=EIO:when=40+");
    let server = Server::of(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    let (mut acknowledged, mut refused) = (Vec::new(), 0);
    until("ten requests are refused", || {
        let text = format!("request {}", acknowledged.len() + refused);
        let (status, body) = server.post("/api/v1/ingest", &[("Content-Type", "text/plain")], text.as_bytes());
        match status {
            200 => acknowledged.push(text),
            _ => {
                assert!(status >= 500, "{status} {body}");
                refused += 1;
            }
        }
        (refused >= 10).then_some(())
    });
    assert!(!acknowledged.is_empty());
    // strace passes SIGKILL on to nobody, so the traced process is found by the data directory's server file.
    let file: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(data.path().join("server.json")).unwrap()).unwrap();
    let killed = std::process::Command::new("kill").args(["-9", &file["pid"].to_string()]).status().unwrap();
    assert!(killed.success());
    server.kill();
    assert_exactly_once(data.path(), &acknowledged, "after the restart");
}

#[test]
fn searching_after_a_crash_finds_what_no_process_indexed() {
    let data = folder();
    let mut child = spawn_pipe(data.path(), &["--format", "none", "--quiet"]);
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "written and not indexed").unwrap();
    until("the line is in the log", || {
        let segments = crate::harness::files(&data.path().join("log"), ".seg");
        let bytes: Vec<u8> = segments.iter().flat_map(|path| std::fs::read(path).unwrap_or_default()).collect();
        memchr::memmem::find(&bytes, b"written and not indexed").map(drop)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(run(data.path(), &["search", "-c", "indexed"]), "1\n");
    assert_eq!(run(data.path(), &["search", "-c", "indexed"]), "1\n");
}

#[test]
fn a_frame_in_flight_at_two_crashes_running_is_kept_as_text() {
    let data = folder();
    let mut child = spawn_pipe(data.path(), &["--format", "none", "--quiet"]);
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "level=error msg=deadly").unwrap();
    until("the line is in the log", || {
        let segments = crate::harness::files(&data.path().join("log"), ".seg");
        let bytes: Vec<u8> = segments.iter().flat_map(|path| std::fs::read(path).unwrap_or_default()).collect();
        memchr::memmem::find(&bytes, b"deadly").map(drop)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    // What two owners leave that died over that log's first frame.
    let log = std::fs::read_dir(data.path().join("log"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .find(|folder| {
            crate::harness::files(folder, ".seg")
                .iter()
                .any(|path| memchr::memmem::find(&std::fs::read(path).unwrap(), b"deadly").is_some())
        })
        .unwrap();
    std::fs::write(data.path().join("running"), "").unwrap();
    std::fs::write(data.path().join("in-flight"), format!("{}-0\n", log.file_name().unwrap().to_str().unwrap()))
        .unwrap();
    let found = search(data.path(), &["deadly"]);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (&found[0]["message"], &found[0]["tags"][0]),
        (&"level=error msg=deadly".into(), &"_parserpanic".into())
    );
    assert!(!data.path().join("running").exists() && !data.path().join("in-flight").exists());
}
