//! A flipped byte in a file of the index: one message that names the file, what it costs and what to do; the rest is
//! searchable, and a wrong count is never given.

use crate::harness::{Server, files, folder, messages, outcome, pipe, search, stderr, until};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

const PLAIN: (&str, &str) = ("Content-Type", "text/plain");

/// A data directory whose store has three events in the sealed p-0 and one in the open p-1.
fn store_of_two_partitions() -> tempfile::TempDir {
    let data = folder();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/store/v1");
    let copied = Command::new("cp").arg("-r").arg(fixture).arg(data.path().join("store")).status();
    assert!(copied.unwrap().success());
    assert_eq!(search(data.path(), &[]).len(), 4);
    data
}

/// Flips a byte in the middle of what is before the engine's footer.
fn flip(data: &Path, partition: &str, ending: &str) -> PathBuf {
    let path = files(&data.join("store").join(partition), ending).remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let footer = memchr::memmem::rfind(&bytes, b"{\"version\"").unwrap();
    bytes[footer / 2] ^= 0x10;
    std::fs::write(&path, bytes).unwrap();
    path
}

/// Exactly one line is about the damage, and it has these words.
fn assert_told_once(said: &str, words: &[&str]) {
    assert!(!said.contains("panicked"), "{said}");
    let told: Vec<_> = said.lines().filter(|line| line.contains("the file is damaged")).collect();
    assert_eq!(told.len(), 1, "{said}");
    words.iter().for_each(|word| assert!(told[0].contains(word), "{word}: {said}"));
}

#[test]
fn a_damaged_sealed_partition_costs_its_events_only() {
    for ending in [".fast", ".store"] {
        let data = store_of_two_partitions();
        let path = flip(data.path(), "p-0", ending);
        let words = [path.to_str().unwrap(), "without the 3 events", "restore", "p-0 from a backup"];

        let found = outcome(data.path(), &["search", "-c", "*"]);
        assert_eq!((found.status.code(), found.stdout.as_slice()), (Some(0), &b"1\n"[..]), "{found:?}");
        assert_told_once(&stderr(&found), &words);

        // The fixture is old.
        let server = Server::start(data.path(), &["--retention-age", "never"]);
        assert_eq!(server.post("/api/v1/ingest", &[PLAIN], b"came later\n").0, 200);
        until("the new event is searchable", || (server.count("later") == 1).then_some(()));
        let (status, body) = server.get("/api/v1/search?q=*");
        assert_eq!((status, body.lines().count()), (200, 3), "{body}");
        let trailer: Value = serde_json::from_str(body.lines().last().unwrap()).unwrap();
        let trailer = &trailer["_trailer"];
        assert_eq!((&trailer["partial"], &trailer["matched"]), (&Value::from(true), &Value::from(2)), "{body}");
        assert_told_once(trailer["warnings"][0].as_str().unwrap(), &words);
        assert_told_once(&server.stop(), &words);

        // With the byte as it was, everything is there again.
        flip(data.path(), "p-0", ending);
        assert_eq!(search(data.path(), &[]).len(), 5);
    }
}

#[test]
fn a_damaged_open_partition_stops_the_store_and_not_the_log() {
    for ending in [".fast", ".store"] {
        let data = store_of_two_partitions();
        let path = flip(data.path(), "p-1", ending);
        let words = [path.to_str().unwrap(), "restore it from a backup", "move the whole store folder away"];
        for command in [&["search", "-c", "*"][..], &["server", "--listen", "127.0.0.1:0"]] {
            let refused = outcome(data.path(), command);
            assert_eq!((refused.status.code(), refused.stdout.as_slice()), (Some(1), &b""[..]), "{refused:?}");
            assert_told_once(&stderr(&refused), &words);
            assert_eq!(stderr(&refused).lines().count(), 1, "{refused:?}");
        }
        let piped = pipe(data.path(), &[], b"passed on\n");
        assert_eq!((piped.status.code(), piped.stdout.as_slice()), (Some(1), &b"passed on\n"[..]), "{piped:?}");
        assert_told_once(&stderr(&piped), &words);
        assert!(stderr(&piped).contains("every line is safe in the log"), "{piped:?}");
        assert_eq!(stderr(&piped).lines().count(), 2, "{piped:?}");

        // The remedy: what the log has is indexed into an empty store.
        std::fs::rename(data.path().join("store"), data.path().join("away")).unwrap();
        assert_eq!(messages(&search(data.path(), &[])), ["passed on"]);
    }
}
