//! Processes that take over from each other: what the one leaves the other indexes, and who asks meanwhile is told the truth.

use crate::{
    faults::{TEXT, assert_each_once, body, count, logs, record, used},
    harness::{Server, folder, outcome, pipe, run, spawn_pipe, until, wait},
};
use std::{
    io::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

#[test]
fn a_pipe_ends_although_another_that_joined_goes_on() {
    const LINES_EACH: usize = 2_000;
    const BATCHES_MAX: usize = 100;
    let data = folder();
    let mut first = spawn_pipe(data.path(), &["--format", "none"]);
    let mut stdin = first.stdin.take().unwrap();
    let mut first = Server::of(first);
    let mut busy = spawn_pipe(data.path(), &["--format", "none", "--quiet"]);
    let mut busy_stdin = busy.stdin.take().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    // More than can be indexed meanwhile, for as long as the first lives, and no more than the other can index in time.
    let writing = std::thread::spawn(move || {
        let mut number = 0;
        while !stopped.load(Ordering::Relaxed) {
            if number == BATCHES_MAX {
                std::thread::sleep(Duration::from_millis(10));
                continue;
            }
            let lines: String = (0..LINES_EACH).map(|line| record(number, line) + "\n").collect();
            busy_stdin.write_all(lines.as_bytes()).unwrap();
            number += 1;
            std::thread::sleep(Duration::from_millis(10));
        }
        number
    });
    until("the first indexes the other's lines", || (first.count("batch:3") == LINES_EACH as u64).then_some(()));
    writeln!(stdin, "{}", record(1_000_000, 0)).unwrap();
    drop(stdin);
    assert!(wait(&mut first.child).success());
    stop.store(true, Ordering::Relaxed);
    let batches = writing.join().unwrap();
    until("the other has taken over", || {
        if busy.try_wait().unwrap().is_some() {
            return Some(());
        }
        let file = std::fs::read_to_string(data.path().join("server.json")).ok()?;
        let file: serde_json::Value = serde_json::from_str(&file).ok()?;
        (file["pid"] == busy.id()).then_some(())
    });
    assert!(wait(&mut busy).success());
    assert_eq!(run(data.path(), &["search", "-c", ""]), format!("{}\n", batches * LINES_EACH + 1));
}

#[test]
fn a_search_during_a_replay_says_that_it_is_partial() {
    const TOTAL: usize = 40 * 1_000;
    let data = folder();
    let server = Server::start(data.path(), &[]);
    for batch in 0..40 {
        let lines: Vec<_> = (0..TOTAL / 40).map(|line| record(batch, line)).collect();
        let (status, _) = server.post("/api/v1/ingest", TEXT, body(&lines).as_bytes());
        assert_eq!(status, 200);
    }
    server.kill();
    let server = Server::start(data.path(), &[]);
    let mut partial = 0;
    until("all is searchable", || {
        let (status, text) = server.get("/api/v1/search?limit=0&count=exact&q=record");
        if status == 503 {
            return None;
        }
        assert_eq!(status, 200, "{text}");
        let trailer: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let trailer = &trailer["_trailer"];
        if trailer["partial"] == true {
            assert!(!trailer["warnings"].as_array().unwrap().is_empty(), "{text}");
            partial += 1;
            return None;
        }
        assert_eq!((&trailer["matched"], &trailer["relation"]), (&TOTAL.into(), &"eq".into()), "{text}");
        Some(())
    });
    assert!(partial > 0, "it was never asked in time");
    server.stop();
}

#[test]
fn the_store_forgets_logs_that_are_gone() {
    let data = folder();
    for number in 0..20 {
        let line = body(&[record(number, 0)]);
        assert!(pipe(data.path(), &["--format", "none", "--quiet"], line.as_bytes()).status.success());
    }
    let meta: serde_json::Value =
        serde_json::from_slice(&std::fs::read(data.path().join("store/p-0/meta.json")).unwrap()).unwrap();
    let payload: serde_json::Value = serde_json::from_str(meta["payload"].as_str().unwrap()).unwrap();
    let there: Vec<String> =
        logs(data.path()).iter().map(|dir| dir.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    let gone: Vec<_> = payload["logs"].as_object().unwrap().keys().filter(|id| !there.contains(id)).collect();
    // The last run's own: what it read and what its page took.
    assert!(gone.len() <= 2, "{gone:?}");
    assert!(there.len() <= 2, "{there:?}");
}

#[test]
fn a_search_beside_pipes_that_come_and_go_finds_all_that_ended() {
    let (data, lines) = used();
    let ended = Mutex::new(lines);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let searching: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut searches = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let before = ended.lock().unwrap().clone();
                        let output = outcome(data.path(), &["search", "-o", "json", "--limit", "100000"]);
                        // Whoever was asked may have ended meanwhile, or still be indexing: that is said.
                        if output.status.success() && output.stderr.is_empty() {
                            let rows = String::from_utf8(output.stdout).unwrap();
                            let events: Vec<_> = rows.lines().map(|row| serde_json::from_str(row).unwrap()).collect();
                            let what = format!("beside pipes: {}", String::from_utf8_lossy(&output.stderr));
                            assert_each_once(&count(&events, &what), &before, &what);
                            searches += 1;
                        }
                    }
                    searches
                })
            })
            .collect();
        for number in 0..30 {
            let line = record(number, 0);
            let output =
                pipe(data.path(), &["--format", "none", "--quiet"], body(std::slice::from_ref(&line)).as_bytes());
            assert!(output.status.success(), "{output:?}");
            ended.lock().unwrap().push(line);
        }
        stop.store(true, Ordering::Relaxed);
        let searches: usize = searching.into_iter().map(|thread| thread.join().unwrap()).sum();
        println!("{searches} searches");
    });
}
