//! What an app, a disk and a neighbour may do wrong: it is kept and tagged, or refused with a sentence; memory stays bounded
//! and nothing acknowledged is lost.

use crate::harness::{Server, files, folder, outcome, pipe, run, search, spawn_pipe, stderr, until};
use crate::{crash::assert_exactly_once, full_disk::send_until_refused};
use serde_json::Value;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Output},
};

/// The most memory that hostile input may make a process hold.
const MEMORY_MIB_MAX: u64 = 300;
const LINE_BYTES_MAX: usize = 1 << 20;
const PLAIN: (&str, &str) = ("Content-Type", "text/plain");

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

pub fn assert_refused(output: &Output, words: &[&str]) {
    let said = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let own = said.lines().rfind(|line| line.starts_with("logship: ") && !line.starts_with("logship: http"));
    for word in words {
        assert!(own.is_some_and(|line| line.contains(word)), "{word}: {said}");
    }
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
    let lines = [
        "0000-01-01T00:00:00Z INFO text",
        "9999-12-31T23:59:59Z INFO text",
        "time=0000-01-01T00:00:00Z msg=text",
        "time=9999-12-31T23:59:59Z msg=text",
        "{\"time\":\"0000-01-01T00:00:00Z\",\"msg\":\"text\"}",
        "{\"time\":\"9999-12-31T23:59:59Z\",\"msg\":\"text\"}",
    ];
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
        [
            vec!["_toomanyfields"],
            vec!["_toomanyfields"],
            vec!["_truncated"],
            vec!["_toodeep"],
            vec!["_toodeep"],
            vec![]
        ]
    );
    assert!(found[0].as_object().unwrap().len() <= 1_010, "{}", found[0].as_object().unwrap().len());
    assert_eq!(message(&found[2]).len(), LINE_BYTES_MAX);
    assert_eq!(message(&found[5]), "after");
}

/// A small disk that goes with the test. `None` where this user may not mount one.
pub struct Disk(
    pub PathBuf,
    #[expect(dead_code, reason = "the mount point lives as long as the mount")] tempfile::TempDir,
);

impl Disk {
    pub fn mount(size: &str) -> Option<Disk> {
        let point = folder();
        let options = format!("size={size}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(point.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Disk(point.path().to_owned(), point));
        }
        println!("not tested: this user cannot mount a tmpfs");
        None
    }

    fn read_only(&self) -> bool {
        Command::new("mount").args(["-o", "remount,ro"]).arg(&self.0).status().unwrap().success()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Lines that do not compress, about 110 bytes each.
pub fn noise(count: u64) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut word = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..count)
        .map(|line| format!("line{line} {:x}{:x} {:x} {:x} {:x}\n", word(), word(), word(), word(), word()))
        .collect()
}

#[test]
fn a_full_disk_costs_no_line_of_output() {
    let Some(disk) = Disk::mount("8m") else { return };
    let input = noise(200_000);
    let output = pipe(&disk.0.join("data"), &[], input.as_bytes());
    assert!(output.stdout == input.as_bytes(), "everything is passed on");
    assert_refused(&output, &["lines passed on, not stored"]);
}

#[test]
fn a_server_with_a_full_disk_refuses_and_answers() {
    let Some(disk) = Disk::mount("8m") else { return };
    let data = disk.0.join("data");
    let server = Server::start(&data, &[]);
    let acknowledged = send_until_refused(&server);
    assert!(!acknowledged.is_empty());
    assert_ne!(server.get("/api/v1/health").0, 0, "it still answers");
    assert_ne!(server.get("/api/v1/status").0, 0, "it still answers");
    server.kill();
    // With room again, all that was acknowledged is there, once.
    let grown = Command::new("mount").args(["-o", "remount,size=256m"]).arg(&disk.0).status().unwrap();
    assert!(grown.success());
    assert_exactly_once(&data, &acknowledged, "after the disk was full");
}

#[test]
fn a_server_takes_records_again_once_there_is_room() {
    let Some(disk) = Disk::mount("48m") else { return };
    let data = disk.0.join("data");
    let server = Server::start(&data, &[]);
    let ballast = disk.0.join("ballast");
    let mut acknowledged = 0;
    let mut post = || {
        let text = noise(2_000).replace("line", &format!("body{acknowledged} line"));
        let (status, again, body) = server.post_text("/api/v1/ingest", &text);
        if status == 200 {
            acknowledged += 1;
            return true;
        }
        assert_eq!(status, 507, "{body}");
        assert!(again.is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|seconds| seconds > 0)), "{body}");
        false
    };
    assert!(post());
    server.settled();
    // Takes most of the disk, so that little fills the rest, and giving it back makes room.
    std::fs::write(&ballast, vec![0; 36 << 20]).unwrap();
    until("a request is refused", || (!post()).then_some(()));
    for _ in 0..20 {
        post();
        assert!(server.count("line7") >= 1, "it still answers searches");
    }
    std::fs::remove_file(&ballast).unwrap();
    until("a request is taken again", || post().then_some(()));
    assert!(post());
    server.settled();
    assert_eq!(server.count(""), acknowledged * 2_000);
    for body in 0..acknowledged {
        assert_eq!(server.count(&format!("body{body} line1999")), 1);
    }
    let said = server.stop();
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(files(&data, ".tmp"), Vec::<PathBuf>::new());
    assert_eq!(run(&data, &["search", "-c", ""]).trim().parse::<u64>().unwrap(), acknowledged * 2_000);
}

#[test]
fn a_read_only_data_directory_is_searched_without_writing() {
    let Some(disk) = Disk::mount("16m") else { return };
    let data = disk.0.join("data");
    assert!(pipe(&data, &[], b"first line\nsecond line\n").status.success());
    assert!(disk.read_only());
    assert_eq!(run(&data, &["search", "-c", "line"]), "2\n");
    let output = pipe(&data, &[], b"third line\n");
    assert_eq!(output.stdout, b"third line\n");
    assert_refused(&output, &["1 lines passed on, not stored"]);
}

#[test]
fn a_damaged_frame_costs_only_its_own_records() {
    let data = folder();
    let server = Server::start(data.path(), &[]);
    for number in 0..9 {
        let text = format!("record{number} of nine\n");
        assert_eq!(server.post("/api/v1/ingest", &[PLAIN], text.as_bytes()).0, 200);
    }
    server.kill();
    // As if the store had been moved away: only the log has the records.
    let _ = std::fs::remove_dir_all(data.path().join("store"));
    let mut broken = 0;
    for path in files(&data.path().join("log"), ".seg") {
        let mut bytes = std::fs::read(&path).unwrap();
        let Some(at) = memchr::memmem::find(&bytes, b"record4") else { continue };
        bytes[at] ^= 0xff;
        std::fs::write(&path, bytes).unwrap();
        broken += 1;
    }
    assert_eq!(broken, 1);
    let mut found: Vec<_> = search(data.path(), &[]).iter().map(|event| message(event)[6..7].to_owned()).collect();
    found.sort();
    assert_eq!(found.concat(), "01235678");
}

#[test]
fn damaged_and_newer_files_are_named_with_what_to_do() {
    let origin = folder();
    assert!(pipe(origin.path(), &[], b"one event\n").status.success());
    let check = |file: &Path, content: Option<&[u8]>, words: &[&str]| {
        let data = folder();
        copy(origin.path(), data.path());
        let path = data.path().join(file);
        let bytes = content
            .map_or_else(|| std::fs::read(&path).unwrap().iter().map(|byte| byte ^ 0xa5).collect(), <[u8]>::to_vec);
        std::fs::write(&path, bytes).unwrap();
        assert_refused(&outcome(data.path(), &["search", "one"]), words);
        assert_refused(&outcome(data.path(), &["server", "--listen", "127.0.0.1:0"]), words);
        let output = pipe(data.path(), &[], b"passed on\n");
        assert_eq!(output.stdout, b"passed on\n");
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(!stderr(&output).contains("panicked"), "{output:?}");
    };
    check(Path::new("FORMAT"), Some(b"2\n"), &["has format 2", "use the newer logship"]);
    check(Path::new("store/FORMAT"), Some(b"2\n"), &["store/FORMAT says 2", "use that version again"]);
    check(
        Path::new("store/manifest.json"),
        Some(b"{\"v\":1,"),
        &["manifest.json: not a manifest", "restore it from a backup"],
    );
    for ending in ["meta.json", ".term", ".store", ".idx", ".fast", ".pos", ".fieldnorm"] {
        let path = files(&origin.path().join("store"), ending)
            .into_iter()
            .find(|path| !path.ends_with("manifest.json"))
            .unwrap();
        check(
            path.strip_prefix(origin.path()).unwrap(),
            None,
            &["store/p-0", ending, "move the whole store folder away"],
        );
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").arg(from.join(".")).arg(to).status().unwrap().success());
}
