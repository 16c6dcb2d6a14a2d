//! A disk that fails: calls on chosen files answer EIO or ENOSPC, once or for ever. Whatever happened, a healthy search
//! afterwards finds what was acknowledged exactly once and as it was parsed.
//!
//! Faults are injected by strace, which counts calls in each thread for itself: "once" is once a thread.

use crate::harness::{Server, folder, logship, search};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Every spelling of a call; not every machine has each.
const RENAME: &str = "?rename,?renameat,?renameat2";
const UNLINK: &str = "?unlink,?unlinkat";

/// Calls that fail.
struct Fault<'a> {
    calls: &'a str,
    error: &'a str,
    /// Which of them, as strace says it: `1` the first of each thread, `1+` all.
    when: &'a str,
    /// Only those on these paths, of a rename the old one; none means on all.
    paths: &'a [PathBuf],
}

/// That command with that fault; what was injected goes to `log`. The command is the child, strace a process beside it.
fn faulty(inner: &Command, fault: &Fault, log: &Path) -> Command {
    let Fault { calls, error, when, paths } = fault;
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-e", "signal=none", "-o"]).arg(log);
    command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:error={error}:when={when}")]);
    for path in *paths {
        command.arg("-P").arg(path);
    }
    command.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How many calls failed by order.
fn injected(log: &Path) -> usize {
    std::fs::read_to_string(log).unwrap_or_default().matches("(INJECTED)").count()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(copied.success());
}

/// The folders of logs.
fn logs(data: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Records that are told from text: a search finds them by a field, or they were not parsed.
fn record(batch: usize, line: usize) -> String {
    format!("level=info batch={batch} line={line} msg=\"record {batch} {line}\"")
}

const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];
const BATCHES: usize = 5;
const LINES: usize = 20;

/// A data directory as `kill -9` leaves it: one log full of acknowledged records, none of them in the store. It knows no
/// sources, so it goes once it has been read.
fn crashed() -> (tempfile::TempDir, Vec<String>) {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let mut acknowledged = Vec::new();
    for batch in 0..BATCHES {
        let lines: Vec<_> = (0..LINES).map(|line| record(batch, line)).collect();
        let (status, _) = server.post("/api/v1/ingest", TEXT, body(&lines).as_bytes());
        assert_eq!(status, 200);
        acknowledged.extend(lines);
    }
    server.kill();
    (data, acknowledged)
}

fn body(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

/// The text that each record of ours came from, and how often it is there. Panics where one was kept as text only.
fn found(data: &Path, what: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in search(data, &[]) {
        assert!(event.get("tags").is_none(), "{what}: {event}");
        let field = |name: &str| {
            let value = &event[name];
            value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{what}: {event}"))
                as usize
        };
        *counts.entry(record(field("batch"), field("line"))).or_default() += 1;
    }
    counts
}

/// Everything acknowledged is found once and as it was parsed; nothing is found twice.
fn assert_exactly_once(data: &Path, acknowledged: &[String], what: &str) {
    let counts = found(data, what);
    let twice: Vec<_> = counts.iter().filter(|(_, count)| **count > 1).take(3).collect();
    assert!(twice.is_empty(), "{what}: twice: {twice:?}");
    let lost = acknowledged.iter().filter(|line| !counts.contains_key(*line)).count();
    assert_eq!(lost, 0, "{what}: acknowledged and lost");
}

/// Searches a crashed directory with that fault, then without.
fn check_search(template: &Path, acknowledged: &[String], calls: &str, error: &str, when: &str, names: &[&str]) {
    let data = folder();
    copy(template, data.path());
    let log = logs(data.path()).remove(0);
    let id = log.file_name().unwrap().to_str().unwrap();
    let paths: Vec<_> = names.iter().map(|name| data.path().join(name.replace("ID", id))).collect();
    let fault = Fault { calls, error, when, paths: &paths };
    let what = format!("{calls} of {names:?} gives {error} at {when}");
    let trace = data.path().join("trace");
    let inner = logship(data.path(), &["search", "-o", "json", "--limit", "100000"]);
    let output = faulty(&inner, &fault, &trace).output().unwrap();
    // A second call on some files does not happen.
    assert!(injected(&trace) > 0 || when == "2", "{what}: it did not happen");
    let rows = String::from_utf8(output.stdout).unwrap().lines().count();
    let said = String::from_utf8(output.stderr).unwrap();
    if output.status.success() {
        assert!(rows == acknowledged.len() || !said.is_empty(), "{what}: {rows} rows without a word");
    } else {
        assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    }
    for _ in 0..2 {
        assert_exactly_once(data.path(), acknowledged, &what);
    }
}

const SEGMENT: &str = "log/ID/0000000000000000.seg";
const SEGMENT_ASIDE: &str = "log/ID/0000000000000000.tmp";

#[test]
fn a_search_over_a_failing_disk_loses_nothing() {
    let (data, acknowledged) = crashed();
    let check = |calls, error, names: &[&str]| {
        for when in ["1", "2", "1+"] {
            check_search(data.path(), &acknowledged, calls, error, when, names);
        }
    };
    check("pread64", "EIO", &[SEGMENT]);
    check("openat", "EIO", &[SEGMENT]);
    check("openat", "EMFILE", &["log/ID"]);
    check("fsync", "EIO", &["store/p-0"]);
    check("fsync", "EIO", &["store/p-0/meta.new"]);
    check("fsync", "EIO", &["log"]);
    check("fsync", "EIO", &["log/ID"]);
    check("fdatasync", "EIO", &[]);
    check("fdatasync", "EIO", &[SEGMENT, SEGMENT_ASIDE]);
    check(RENAME, "EIO", &["store/p-0/meta.new"]);
    check(RENAME, "ENOSPC", &["log/ID"]);
    check("write", "ENOSPC", &["store/p-0/meta.new"]);
    check(UNLINK, "EIO", &["log/.old-ID/0000000000000000.seg"]);
}

#[test]
fn one_failed_read_does_not_remove_a_log() {
    let (data, acknowledged) = crashed();
    let before = logs(data.path());
    let segment = before[0].join("0000000000000000.seg");
    // Every read in turn, until there is none so late.
    let happened = (1..=12).take_while(|when| {
        let (copied, trace) = (folder(), folder());
        copy(data.path(), copied.path());
        let id = before[0].file_name().unwrap();
        let copy_of = copied.path().join("log").join(id).join(segment.file_name().unwrap());
        let inner = logship(copied.path(), &["search", "-c"]);
        let fault = Fault { calls: "pread64", error: "EIO", when: &when.to_string(), paths: &[copy_of] };
        let log = trace.path().join("trace");
        let output = faulty(&inner, &fault, &log).output().unwrap();
        assert_exactly_once(copied.path(), &acknowledged, &format!("read {when} failed: {output:?}"));
        injected(&log) > 0
    });
    assert!(happened.count() >= 3);
}
