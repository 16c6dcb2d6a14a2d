//! A server that starts on a disk without room: it drops what retention may drop, else answers searches and refuses ingest,
//! and takes records again by itself.

use crate::{
    bad_input::{Disk, noise},
    crash::assert_exactly_once,
    harness::{Server, until},
};
use logship::{
    event::Event,
    flow::{Batch, EventId, LogId, Pos, Stored},
    store::{Options, Store},
};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

const PLAIN: (&str, &str) = ("Content-Type", "text/plain");

/// Takes all the room that is left.
fn fill(disk: &Disk) -> PathBuf {
    let path = disk.0.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [1 << 16, 1 << 12, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    path
}

/// Sends requests until one is refused; the lines of those that were not.
pub fn send_until_refused(server: &Server) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for request in 0.. {
        let sent: Vec<_> = noise(2_000).lines().map(|line| format!("request{request} {line}")).collect();
        let (status, body) = server.post("/api/v1/ingest", &[PLAIN], sent.join("\n").as_bytes());
        if status != 200 {
            assert_eq!(status, 507, "{body}");
            break;
        }
        acknowledged.extend(sent);
    }
    acknowledged
}

fn trailer(server: &Server, query: &str) -> Value {
    let (status, body) = server.get(&format!("/api/v1/search?limit=0&q={query}"));
    assert_eq!(status, 200, "{body}");
    serde_json::from_str::<Value>(body.lines().last().unwrap()).unwrap()["_trailer"].clone()
}

#[test]
fn a_server_starts_on_a_full_disk_answers_and_takes_records_again() {
    let Some(disk) = Disk::mount("12m") else { return };
    let data = disk.0.join("data");
    let server = Server::start(&data, &[]);
    let mut acknowledged = vec!["kept from before".to_owned()];
    assert_eq!(server.post("/api/v1/ingest", &[PLAIN], acknowledged[0].as_bytes()).0, 200);
    server.stop();
    let server = Server::start(&data, &[]);
    acknowledged.extend(send_until_refused(&server));
    assert!(acknowledged.len() > 2_000);
    server.kill();
    let (filler, server) = until("a server starts that finds no room", || {
        // What a kill leaves in the store is removed by the next start, which would make room.
        drop(Store::open(&data.join("store"), Options { free_bytes_min: 0, ..Options::default() }).unwrap());
        let filler = fill(&disk);
        let server = Server::start(&data, &[]);
        if server.get("/api/v1/health").0 == 507 {
            return Some((filler, server));
        }
        server.kill();
        None
    });
    assert_eq!(server.get("/api/v1/health"), (507, "{\"status\":\"full\"}".to_owned()));
    assert_eq!(server.post("/api/v1/ingest", &[PLAIN], b"refused").0, 507);
    until("it says that what is only in the log is not searchable", || {
        let trailer = trailer(&server, "kept");
        assert_eq!(trailer["matched"], 1, "{trailer}");
        (trailer["partial"] == true).then_some(())
    });

    fs::remove_file(filler).unwrap();
    let grown = Command::new("mount").args(["-o", "remount,size=256m"]).arg(&disk.0).status().unwrap();
    assert!(grown.success());
    until("records are taken again", || {
        (server.post("/api/v1/ingest", &[PLAIN], b"with room again").0 == 200).then_some(())
    });
    acknowledged.push("with room again".to_owned());
    server.settled();
    server.stop();
    assert_exactly_once(&data, &acknowledged, "after the disk was full");
}

/// A store with sealed partitions, as days of a server leave them.
fn store_days(dir: &Path, days: u64) {
    let options = Options { free_bytes_min: 0, seal_events: 1, ..Options::default() };
    let mut store = Store::open(dir, options).unwrap();
    let log = LogId::from_bits(1);
    let now = logship::clock::now();
    for day in 0..days {
        let from = day * 8_000;
        let events = (from..)
            .zip(noise(8_000).lines())
            .map(|(at, line)| Stored {
                id: EventId { log, at: Pos(at) },
                event: Event::from_line(now, format!("day{day} {line}").into()),
            })
            .collect();
        store.add(&Batch { log, start: Pos(from), end: Pos(from + 8_000), first_number: from, events }).unwrap();
        assert_eq!(store.maintain(now).unwrap().sealed, Some(day));
    }
}

#[test]
fn a_server_that_starts_on_a_full_disk_drops_its_oldest_partitions_first() {
    let Some(disk) = Disk::mount("24m") else { return };
    let data = disk.0.join("data");
    store_days(&data.join("store"), 6);
    fs::write(data.join("FORMAT"), "1\n").unwrap();
    fs::create_dir(data.join("log")).unwrap();
    fill(&disk);
    assert!(fs::write(disk.0.join("one more"), [0; 4096]).is_err(), "the disk is full");

    let server = Server::start(&data, &[]);
    assert_eq!(server.get("/api/v1/health").0, 200);
    assert_eq!(server.post("/api/v1/ingest", &[PLAIN], b"taken at once").0, 200);
    until("it is found", || (server.count("taken") == 1).then_some(()));
    assert_eq!((server.count("day0"), server.count("day5")), (0, 8_000));
    server.stop();
}
