//! What an app, a disk and a neighbour may do wrong: it is kept and tagged, or refused with a sentence; memory stays bounded
//! and nothing acknowledged is lost.

use crate::harness::{Server, folder, pipe, search, spawn_pipe, until};
use serde_json::Value;
use std::{
    io::Write,
    path::Path,
    process::Child,
};

/// The most memory that hostile input may make a process hold.
const MEMORY_MIB_MAX: u64 = 300;
const LINE_BYTES_MAX: usize = 1 << 20;

fn tags(event: &Value) -> Vec<&str> {
    event["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn message(event: &Value) -> &str {
    event["message"].as_str().unwrap_or_default()
}

/// The most memory that a running process has held so far.
fn peak_mib(child: &Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// Feeds a pipe from a generator; the page stays up until its memory was asked for.
fn feed(data: &Path, write: impl FnOnce(&mut dyn Write)) {
    let mut server = Server::of(spawn_pipe(data, &["--format", "none", "--serve"]));
    let mut stdin = server.stdin();
    write(&mut stdin);
    drop(stdin);
    let ended = || {
        let status = server.settled();
        let counted = |component: &Value| (component["name"] == "store").then(|| component["in"].as_u64()).flatten();
        (status["components"].as_array()?.iter().find_map(counted)? > 0).then_some(())
    };
    until("something is stored", ended);
    let peak = peak_mib(&server.child);
    assert!(peak < MEMORY_MIB_MAX, "{peak} MiB");
    server.stop();
}

#[test]
fn text_that_is_none_is_kept_and_tagged() {
    let data = folder();
    let check = |line: &[u8], expected: &str, tag: Option<&str>| {
        let data = data.path().join(expected.split(' ').next().unwrap());
        let output = pipe(&data, &[], &[line, b"\n"].concat());
        assert!(output.status.success(), "{output:?}");
        assert_eq!(output.stdout, [line, b"\n"].concat());
        let found = search(&data, &[]);
        assert_eq!((found.len(), message(&found[0])), (1, expected));
        assert_eq!(tags(&found[0]), tag.into_iter().collect::<Vec<_>>(), "{expected}");
    };
    check(b"latin caf\xe9 \xff", "latin caf\u{fffd} \u{fffd}", Some("_invalidutf8"));
    check(b"nul \0 byte", "nul \0 byte", None);
    check(b"surrogate \xed\xa0\x80", "surrogate \u{fffd}\u{fffd}\u{fffd}", Some("_invalidutf8"));
}

#[test]
fn times_nobody_can_mean_become_the_arrival() {
    let data = folder();
    let lines = ["0000-01-01T00:00:00Z INFO text", "9999-12-31T23:59:59Z INFO text", "time=0000-01-01T00:00:00Z msg=text",
        "time=9999-12-31T23:59:59Z msg=text", "{\"time\":\"0000-01-01T00:00:00Z\",\"msg\":\"text\"}",
        "{\"time\":\"9999-12-31T23:59:59Z\",\"msg\":\"text\"}"];
    for (number, line) in lines.iter().enumerate() {
        let data = data.path().join(number.to_string());
        assert!(pipe(&data, &[], format!("{line}\n").as_bytes()).status.success());
        let found = search(&data, &["--since", "10m"]);
        assert_eq!(found.len(), 1, "{line}");
        assert_eq!(tags(&found[0]), ["_timestampoutofrange"], "{line}");
        assert!(message(&found[0]).contains("text"), "{line}");
    }
}

#[test]
fn a_line_of_100_megabytes_keeps_its_beginning() {
    let data = folder();
    feed(data.path(), |stdin| {
        stdin.write_all(b"before\n").unwrap();
        let piece = vec![b'x'; 1 << 20];
        (0..100).for_each(|_| stdin.write_all(&piece).unwrap());
        stdin.write_all(b"\nafter\n").unwrap();
    });
    let found = search(data.path(), &[]);
    let lengths: Vec<_> = found.iter().map(|event| (message(event).len(), tags(event))).collect();
    assert_eq!(lengths, [(6, vec![]), (LINE_BYTES_MAX, vec!["_truncated"]), (5, vec![])]);
}

#[test]
fn a_stream_without_a_line_end_is_bounded() {
    let data = folder();
    feed(data.path(), |stdin| {
        let piece = vec![b'y'; 1 << 20];
        (0..400).for_each(|_| stdin.write_all(&piece).unwrap());
    });
    let found = search(data.path(), &[]);
    assert_eq!((found.len(), message(&found[0]).len(), tags(&found[0])), (1, LINE_BYTES_MAX, vec!["_truncated"]));
}

#[test]
fn objects_of_many_keys_and_many_levels_are_cut() {
    let data = folder();
    let object = |keys: u32| {
        let fields: Vec<_> = (0..keys).map(|key| format!("\"key{key}\":{key}")).collect();
        format!("{{\"msg\":\"wide\",{}}}\n", fields.join(","))
    };
    let deep = format!("{{\"msg\":\"deep\",\"a\":{}{}}}\n", "[".repeat(10_000), "]".repeat(10_000));
    let deep_objects = format!("{{\"msg\":\"deep\",\"a\":{}1{}}}\n", "{\"b\":".repeat(10_000), "}".repeat(10_000));
    feed(data.path(), |stdin| {
        for line in [object(1_500), object(50_000), object(1_000_000), deep, deep_objects] {
            stdin.write_all(line.as_bytes()).unwrap();
        }
        stdin.write_all(b"after\n").unwrap();
    });
    let found = search(data.path(), &[]);
    let tagged: Vec<_> = found.iter().map(tags).collect();
    assert_eq!(
        tagged,
        [vec!["_toomanyfields"], vec!["_toomanyfields"], vec!["_truncated"], vec!["_toodeep"], vec!["_toodeep"], vec![]]
    );
    assert!(found[0].as_object().unwrap().len() <= 1_010, "{}", found[0].as_object().unwrap().len());
    assert_eq!(message(&found[2]).len(), LINE_BYTES_MAX);
    assert_eq!(message(&found[5]), "after");
}
