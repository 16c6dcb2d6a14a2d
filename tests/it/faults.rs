//! A disk that fails: calls on chosen files answer EIO or ENOSPC, once or for ever. Whatever happened, a healthy search
//! afterwards finds what was acknowledged exactly once and as it was parsed.
//!
//! Faults are injected by strace, which counts calls in each thread for itself: "once" is once a thread.

use crate::harness::{Server, files, folder, logship, pipe, run, run_by, search, tells_of_losses, until, wait};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// Every spelling of a call; not every machine has each.
const RENAME: &str = "?rename,?renameat,?renameat2";
const UNLINK: &str = "?unlink,?unlinkat";

/// Calls that fail.
struct Fault<'a> {
    calls: &'a str,
    /// Their error, or what else strace should do to them.
    error: &'a str,
    /// Which of them, as strace says it: `1` the first of each thread, `1+` all.
    when: &'a str,
    /// Only those on these paths, of a rename the old one; none means on all.
    paths: &'a [PathBuf],
}

/// That command with that fault; what was injected goes to `log`. The command is the child, strace a process beside it.
fn faulty(inner: &Command, fault: &Fault, log: &Path) -> Command {
    let Fault { calls, error, when, paths } = fault;
    let effect = if error.starts_with('E') { format!("error={error}") } else { (*error).to_owned() };
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-e", "signal=none", "-o"]).arg(log);
    command.args(["-e", &format!("trace={calls}"), "-e", &format!("inject={calls}:{effect}:when={when}")]);
    for path in *paths {
        command.arg("-P").arg(path);
    }
    let mut command = run_by(command, inner);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How many calls failed by order.
fn injected(log: &Path) -> usize {
    std::fs::read_to_string(log).unwrap_or_default().matches("(INJECTED)").count()
}

/// Ends the faults: the process goes on without strace, on a healthy disk.
fn heal(child: &Child) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:")).unwrap().trim();
    assert_ne!(tracer, "0");
    assert!(Command::new("kill").args(["-9", tracer]).status().unwrap().success());
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from.join(".")).arg(to).status().unwrap();
    assert!(copied.success());
}

/// The folders of logs.
pub fn logs(data: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(data.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Records that are told from text: a search finds them by a field, or they were not parsed.
pub fn record(batch: usize, line: usize) -> String {
    format!("level=info batch={batch} line={line} msg=\"record {batch} {line}\"")
}

/// The headers of plain lines.
pub const TEXT: &[(&str, &str)] = &[("Content-Type", "text/plain")];
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

/// Lines as they are sent.
pub fn body(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

/// The text that each record of ours came from, and how often it is there. Panics where one was kept as text only.
fn found(data: &Path, what: &str) -> BTreeMap<String, usize> {
    count(&search(data, &[]), what)
}

/// As [`found`], of events that are at hand.
pub fn count(events: &[serde_json::Value], what: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for event in events.iter().filter(|event| !tells_of_losses(event)) {
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
    assert_each_once(&found(data, what), acknowledged, what);
}

/// As [`assert_exactly_once`], of counts that are at hand.
pub fn assert_each_once(counts: &BTreeMap<String, usize>, acknowledged: &[String], what: &str) {
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
    check("fdatasync", "EIO", &["store/p-0/meta.tmp"]);
    check("fsync", "EIO", &["log"]);
    check("fsync", "EIO", &["log/ID"]);
    check("fdatasync", "EIO", &[]);
    check("fdatasync", "EIO", &[SEGMENT, SEGMENT_ASIDE]);
    check(RENAME, "EIO", &["store/p-0/meta.tmp"]);
    check(RENAME, "ENOSPC", &["log/ID"]);
    check("write", "ENOSPC", &["store/p-0/meta.tmp"]);
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

/// What fails under a process that runs for a while: calls, error, which, on what.
const LASTING: &[(&str, &str, &str, &[&str])] = &[
    ("fdatasync", "EIO", "5", &[]),
    ("fdatasync", "ENOSPC", "4+3", &[]),
    ("fdatasync", "EIO", "2", &["store/p-0/meta.tmp"]),
    ("fsync", "EIO", "2", &["store/p-0"]),
    ("fsync", "EIO", "3+4", &[]),
    ("write", "ENOSPC", "3+", &["store/p-0/meta.tmp"]),
    (RENAME, "EIO", "3", &["store/p-0/meta.tmp"]),
    ("pread64", "EIO", "3+5", &[]),
    ("fdatasync", "EIO", "1", &["store/manifest.tmp"]),
    (RENAME, "ENOSPC", "1+", &["store/manifest.tmp"]),
    ("fsync", "EIO", "1+", &["store"]),
    ("fsync,fdatasync", "EIO", "1", &["store/p-1", "store/p-1/meta.tmp"]),
];

/// Lines of a batch, so that partitions are sealed and segments fill, too.
const EACH: usize = 60;

/// A data directory with a store that is not new, and the lines in it.
pub fn used() -> (tempfile::TempDir, Vec<String>) {
    let data = folder();
    let lines = vec![record(1_000, 0)];
    assert!(pipe(data.path(), &["--format", "none", "--quiet"], body(&lines).as_bytes()).status.success());
    (data, lines)
}

/// `logship tail`, and what it printed.
struct Watching {
    child: Child,
    reading: std::thread::JoinHandle<Vec<String>>,
}

impl Watching {
    fn start(data: &Path) -> Watching {
        let mut command = logship(data, &["tail", "-o", "raw", "--quiet"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let reading = std::thread::spawn(move || stdout.lines().map_while(Result::ok).collect());
        Watching { child, reading }
    }

    fn lines(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reading.join().unwrap()
    }
}

/// Sends batches, each under its number until it is answered; those that are.
fn send(server: &Server, numbers: std::ops::Range<usize>, patient: bool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in numbers {
        let lines: Vec<_> = (0..EACH).map(|line| record(number, line)).collect();
        let seq = number.to_string();
        let headers = [("Content-Type", "text/plain"), ("X-Logship-Source", "client"), ("X-Logship-Seq", &*seq)];
        let attempt = || server.post("/api/v1/ingest", &headers, body(&lines).as_bytes()).0 == 200;
        if patient {
            until("the batch is taken", || attempt().then_some(()));
        } else if !attempt() {
            continue;
        }
        acknowledged.extend(lines);
        std::thread::sleep(Duration::from_millis(5));
    }
    acknowledged
}

fn check_server((calls, error, when, names): (&str, &str, &str, &[&str]), heals: bool) {
    let what = format!("server: {calls} of {names:?} gives {error} at {when}, for a while: {heals}");
    let (data, mut acknowledged) = used();
    let trace = folder();
    let log = trace.path().join("trace");
    let paths: Vec<_> = names.iter().map(|name| data.path().join(name)).collect();
    let inner = logship(data.path(), &["server", "--listen", "127.0.0.1:0", "--small-steps"]);
    let mut child = faulty(&inner, &Fault { calls, error, when, paths: &paths }, &log).spawn().unwrap();
    let mut said = String::new();
    // A server may refuse to start.
    let serves = {
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        while !said.contains("logship: http") && stderr.read_line(&mut said).unwrap() > 0 {}
        said.contains("logship: http").then_some(stderr)
    };
    let mut next = 0;
    if let Some(stderr) = serves {
        let url = said.rsplit("logship: ").next().unwrap().trim().trim_end_matches('/').to_owned();
        let server = Server::with(child, url, stderr);
        let watching = Watching::start(data.path());
        until(&what, || {
            acknowledged.extend(send(&server, next..next + 10, false));
            next += 10;
            (injected(&log) > 0).then_some(())
        });
        if heals {
            heal(&server.child);
            acknowledged.extend(send(&server, next..next + 10, true));
            server.stop();
        } else {
            server.kill();
        }
        let shown = watching.lines();
        let distinct: std::collections::BTreeSet<_> = shown.iter().collect();
        assert_eq!(distinct.len(), shown.len(), "{what}: the live tail showed something twice");
    } else {
        assert_eq!(child.wait().unwrap().code(), Some(1), "{what}: {said}");
    }
    assert_exactly_once(data.path(), &acknowledged, &what);
    // The client does not know better than to send everything again.
    let server = Server::start(data.path(), &[]);
    acknowledged.extend(send(&server, 0..next + 10, true));
    server.stop();
    for _ in 0..2 {
        assert_exactly_once(data.path(), &acknowledged, &what);
    }
}

#[test]
fn a_server_over_a_disk_that_fails_for_a_while_acknowledges_what_it_keeps() {
    LASTING.iter().for_each(|fault| check_server(*fault, true));
}

#[test]
fn a_server_over_a_disk_that_fails_acknowledges_what_it_keeps() {
    LASTING.iter().for_each(|fault| check_server(*fault, false));
}

fn check_pipe((calls, error, when, names): (&str, &str, &str, &[&str])) {
    let what = format!("pipe: {calls} of {names:?} gives {error} at {when}");
    let (data, mut acknowledged) = used();
    let trace = folder();
    let log = trace.path().join("trace");
    let paths: Vec<_> = names.iter().map(|name| data.path().join(name)).collect();
    let inner = logship(data.path(), &["--listen", "127.0.0.1:0", "--format", "none", "--quiet", "--small-steps"]);
    let mut command = faulty(&inner, &Fault { calls, error, when, paths: &paths }, &log);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = Vec::new();
    for number in 0..EACH {
        let batch: Vec<_> = (0..EACH).map(|line| record(number, line)).collect();
        stdin.write_all(body(&batch).as_bytes()).unwrap();
        lines.extend(batch);
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    match output.status.code() {
        Some(0) => acknowledged.extend(lines),
        Some(1) if said.contains("every line is safe in the log") => acknowledged.extend(lines),
        Some(1) => assert!(said.contains("not stored"), "{what}: {said}"),
        _ => panic!("{what}: {} {said}", output.status),
    }
    for _ in 0..2 {
        assert_exactly_once(data.path(), &acknowledged, &what);
    }
}

#[test]
fn a_pipe_over_a_failing_disk_says_what_it_did_not_store() {
    LASTING.iter().for_each(|fault| check_pipe(*fault));
}

#[test]
fn a_mark_that_finds_no_room_keeps_nothing_from_being_found() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    let before = logs(data.path());
    let inner = logship(data.path(), &["--format", "none", "--quiet"]);
    // A file that is too large is to be an error, not a signal.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
    let mut command = run_by(command, &inner);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut joined = command.spawn().unwrap();
    let mut stdin = joined.stdin.take().unwrap();
    let mut size = {
        let segment = until("the joined pipe has a log", || {
            let dir = logs(data.path()).into_iter().find(|dir| !before.contains(dir) && parsed(dir))?;
            files(&dir, ".seg").pop()
        });
        let mut last = std::fs::metadata(&segment).unwrap().len();
        move || {
            // A frame and its mark.
            let grown = || std::fs::metadata(&segment).map(|meta| meta.len()).ok().filter(|len| *len > last + 60);
            let now = until("the line is in the log", grown);
            (now - std::mem::replace(&mut last, now), now)
        }
    };
    let mut write = |number| writeln!(stdin, "{}", record(number, 0)).unwrap();
    let searchable = |number| {
        until("the line is searchable", || (server.count(&format!("batch:{number}")) == 1).then_some(()));
    };
    write(1);
    searchable(1);
    size();
    write(2);
    searchable(2);
    let (one, end) = size();
    // Room for the next frame, not for its mark.
    let limit = format!("--fsize={}", end + one - 6);
    assert!(Command::new("prlimit").args(["--pid", &joined.id().to_string(), &limit]).status().unwrap().success());
    write(3);
    searchable(3);
    drop(stdin);
    assert!(wait(&mut joined).success());
    server.stop();
    assert_exactly_once(data.path(), &(1..4).map(|number| record(number, 0)).collect::<Vec<_>>(), "afterwards");
}

/// Whether a folder has the name of a log, rather than of one that comes or goes.
fn parsed(dir: &Path) -> bool {
    !dir.file_name().unwrap().to_string_lossy().starts_with('.')
}

#[test]
fn a_log_that_goes_while_a_reader_reads_is_not_missed() {
    let (data, acknowledged) = crashed();
    // Somebody owns the store, so that the search only reads.
    let lock = std::fs::File::options().write(true).open(data.path().join("store/store.lock")).unwrap();
    lock.lock().unwrap();
    let aside = folder();
    let mut inner = logship(data.path(), &["search", "-c", ""]);
    inner.env("TMPDIR", aside.path());
    // It waits between the store and the logs, where it makes a store for their rest.
    let fault = Fault { calls: "fsync", error: "delay_enter=2000000", when: "1", paths: &[] };
    let reading = faulty(&inner, &fault, &aside.path().join("trace")).spawn().unwrap();
    until("it has read the store", || {
        let mut entries = std::fs::read_dir(aside.path()).unwrap().flatten();
        entries.any(|entry| entry.file_name().to_string_lossy().starts_with("logship-read-")).then_some(())
    });
    drop(lock);
    let count = format!("{}\n", acknowledged.len());
    assert_eq!(run(data.path(), &["search", "-c", ""]), count);
    assert!(logs(data.path()).is_empty(), "the log has gone meanwhile");
    let output = reading.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), count, "{}", String::from_utf8_lossy(&output.stderr));
}
