//! Segments of a dead log whose header or source table is damaged, or that a later version wrote: records that can be read
//! are found, and what cannot be read stays where it is and is named.

use crate::{
    bad_input::assert_refused,
    harness::{Server, files, folder, messages, outcome, pipe, search, stderr},
};
use std::path::{Path, PathBuf};

const HEADER_BYTES: usize = 36;
const PLAIN: (&str, &str) = ("Content-Type", "text/plain");

fn send(server: &Server, number: u32) -> bool {
    let number = number.to_string();
    let headers = [PLAIN, ("X-Logship-Source", "shipper"), ("X-Logship-Seq", &*number)];
    let (status, body) = server.post("/api/v1/ingest", &headers, format!("record {number}\n").as_bytes());
    assert_eq!(status, 200, "{body}");
    body.contains("\"duplicate\":true")
}

/// A killed server's data: its log is the only place that has the records 0 to 4. The log's one segment.
fn left(data: &Path) -> PathBuf {
    let server = Server::start(data, &[]);
    assert!((0..5).all(|number| !send(&server, number)));
    server.kill();
    let mut segments = files(&data.join("log"), ".seg");
    assert_eq!(segments.len(), 1);
    segments.remove(0)
}

fn edit(segment: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(segment).unwrap();
    change(&mut bytes);
    std::fs::write(segment, bytes).unwrap();
}

fn table_bytes(bytes: &[u8]) -> usize {
    u32::from_le_bytes(bytes[12..16].try_into().unwrap()) as usize
}

#[test]
fn a_damaged_beginning_costs_no_record() {
    let records: Vec<_> = (0..5).map(|number| format!("record {number}")).collect();
    type Change = fn(&mut Vec<u8>);
    let changes: [(&str, Change); 4] = [
        ("header", |bytes| bytes[..HEADER_BYTES].fill(0x5a)),
        ("one bit of the header", |bytes| bytes[20] ^= 1),
        ("table", |bytes| {
            let length = table_bytes(bytes);
            bytes[HEADER_BYTES..HEADER_BYTES + length].fill(0x5a);
        }),
        ("header and table", |bytes| {
            let length = table_bytes(bytes);
            bytes[..HEADER_BYTES + length].fill(0x5a);
        }),
    ];
    for (what, change) in changes {
        let data = folder();
        edit(&left(data.path()), change);
        // A server goes on, and knows from the frames what the client sent already.
        let server = Server::start(data.path(), &[]);
        assert!(send(&server, 4), "{what}");
        assert!(!send(&server, 5), "{what}");
        server.settled();
        assert_eq!(server.count("record"), 6, "{what}");
        server.stop();

        let data = folder();
        edit(&left(data.path()), change);
        assert_eq!(messages(&search(data.path(), &[])), records, "{what}");
    }
}

#[test]
fn a_log_of_a_later_version_is_named_and_left_alone() {
    let data = folder();
    let segment = left(data.path());
    edit(&segment, |bytes| {
        bytes[8..10].copy_from_slice(&2_u16.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..32]);
        bytes[32..36].copy_from_slice(&crc.to_le_bytes());
    });
    let before = std::fs::read(&segment).unwrap();
    let words = ["has log format 2", "use the later version"];
    assert_refused(&outcome(data.path(), &["server", "--listen", "127.0.0.1:0"]), &words);
    let found = outcome(data.path(), &["search", "record"]);
    assert!(words.iter().all(|word| stderr(&found).contains(word)), "{found:?}");
    let passed = pipe(data.path(), &[], b"passed on\n");
    assert_eq!(passed.stdout, b"passed on\n");
    assert!(words.iter().all(|word| stderr(&passed).contains(word)), "{passed:?}");
    assert_eq!(std::fs::read(&segment).unwrap(), before);
}
