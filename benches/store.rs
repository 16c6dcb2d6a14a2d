//! What storing costs: CPU seconds and megabytes per million events, for the commit schemes and for the ways to keep the
//! stored copy. Run with `cargo bench --bench store`; single runs, so look at differences above 10 %.
//!
//! Figures are whole-process CPU (`/proc/self/stat`, ticks of 10 ms), merges included, scaled from [`EVENTS`] events.

#![allow(clippy::unwrap_used, missing_docs)]

use bytestring::ByteString;
use logship::event::{Event, Key, Map, Timestamp, Value};
use logship::flow::{Batch, EventId, LogId, Pos, Stored};
use logship::store::{Options, Store};
use std::fs;
use std::path::Path;
use tantivy::schema::document::Value as _;

const EVENTS: usize = 200_000;
const PER_BATCH: usize = 2_000;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A small generator of repeatable numbers (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

fn set(map: &mut Map, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(map.insert(Key::from(path), value)),
        Some((first, rest)) => {
            if map.get(first).is_none() {
                map.insert(Key::from(first), Value::Map(Map::default()));
            }
            if let Some(Value::Map(inner)) = map.get_mut(first) {
                set(inner, rest, value);
            }
        }
    }
}

/// One access line, parsed: strings are slices of the line, numbers are numbers. `shuffle` moves times by some seconds.
fn access(numbers: &mut Numbers, n: usize, shuffle: bool) -> Event {
    let ip = numbers.below(5_000);
    let method = ["GET", "GET", "GET", "GET", "POST"][numbers.below(5) as usize];
    let path = match numbers.below(4) {
        0 => "/index.html".to_owned(),
        1 => format!("/static/app.{:x}.js", numbers.below(40)),
        _ => format!("/api/v1/users/{}/orders?page={}", numbers.below(50_000), numbers.below(10)),
    };
    let status = if numbers.below(100) == 0 { 503 } else { 200 };
    let bytes = numbers.below(60_000);
    let agent = format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.{}.{} Safari/537.36",
        90 + numbers.below(40),
        numbers.below(5_000),
        numbers.below(100)
    );
    let address = format!("10.{}.{}.{}", ip / 1000, ip / 200 % 200, ip % 200);
    let time = 1_767_225_600_000 + n as i64 * 5 + if shuffle { numbers.below(5_000) as i64 } else { 0 };
    let stamp = Timestamp::from_millis(time);
    let line = format!("{address} - - [{stamp}] \"{method} {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\"");
    let line = ByteString::from(line);
    let slice = |text: &str| {
        let at = line.find(text).unwrap();
        Value::Str(line.slice_ref(&line[at..at + text.len()]))
    };
    let mut event = Event::from_line(stamp, line.clone());
    let fields = &mut event.fields;
    set(fields, "source.ip", slice(&address));
    set(fields, "http.request.method", slice(method));
    set(fields, "url.original", slice(&path));
    set(fields, "http.version", slice("1.1"));
    set(fields, "http.response.status_code", Value::Int(status));
    set(fields, "http.response.body.bytes", Value::Int(bytes as i64));
    set(fields, "user_agent.original", slice(&agent));
    set(fields, "service.name", Value::from("shop"));
    set(fields, "host.name", Value::from("web-1"));
    event
}

fn batches(shuffle: bool) -> Vec<Batch> {
    let log = LogId::from_bits(7);
    let mut numbers = Numbers(1);
    let mut made = Vec::new();
    for first in (0..EVENTS).step_by(PER_BATCH) {
        let start = first as u64 * 300;
        let events = (0..PER_BATCH).map(|n| {
            let id = EventId { log, at: Pos(start + n as u64) };
            Stored { id, event: access(&mut numbers, first + n, shuffle) }
        });
        let events = events.collect();
        made.push(Batch { log, end: Pos(start + PER_BATCH as u64 * 300), first_number: first as u64, events });
    }
    made
}

fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn resident_anonymous_mb() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

fn megabytes(dir: &Path, extension: &str) -> f64 {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let wanted = entries.filter(|e| extension.is_empty() || e.path().extension().is_some_and(|x| x == extension));
    wanted.map(|entry| entry.metadata().unwrap().len()).sum::<u64>() as f64 / 1e6
}

fn row(name: &str, cpu: f64, mb: f64, note: &str) {
    let scale = 1e6 / EVENTS as f64;
    println!("{name:44} {:8.2} s {:8.1} MB  {note}", cpu * scale, mb * scale);
}

#[derive(Clone, Copy)]
enum Scheme {
    /// One hard commit at the end.
    Once,
    /// A soft commit every so many batches, one hard commit at the end.
    Soft(usize),
    /// A hard commit every so many batches.
    Hard(usize),
}

fn store(name: &str, batches: &[Batch], scheme: Scheme) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir_in("target").unwrap();
    let mut store = Store::open(dir.path(), Options::default()).unwrap();
    let before = cpu_seconds();
    for (n, batch) in (1..).zip(batches) {
        store.add(batch).unwrap();
        match scheme {
            Scheme::Soft(every) if n % every == 0 => store.commit_soft().unwrap(),
            Scheme::Hard(every) if n % every == 0 => drop(store.commit_hard().unwrap()),
            _ => {}
        }
    }
    store.commit_hard().unwrap();
    let memory = resident_anonymous_mb();
    drop(store);
    let cpu = cpu_seconds() - before;
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let open = dir.path().join("p-0");
    let part = |extension| megabytes(&open, extension) * 1e6 / EVENTS as f64;
    let note = format!(
        "segments {:2}, anon {memory:.0} MB; idx {:.1} pos {:.1} term {:.1} fast {:.1} store {:.1}",
        store.stats().open_segments,
        part("idx"),
        part("pos"),
        part("term"),
        part("fast"),
        part("store"),
    );
    row(name, cpu, megabytes(&open, ""), &note);
    (dir, store)
}

fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Str(text) => (&**text).into(),
        Value::Int(number) => (*number).into(),
        Value::Map(map) => map.iter().map(|(key, value)| (key.as_str().to_owned(), json(value))).collect(),
        _ => serde_json::Value::Null,
    }
}

fn copies(store: &Store) -> Vec<Vec<u8>> {
    let snapshot = store.snapshot();
    let mut found = Vec::new();
    for reader in snapshot.partitions()[0].searcher.segment_readers() {
        for doc in reader.get_store_reader(1).unwrap().iter::<tantivy::TantivyDocument>(None) {
            let doc = doc.unwrap();
            found.push(doc.get_first(snapshot.schema().stored).unwrap().as_bytes().unwrap().to_vec());
        }
    }
    found
}

fn compressed(name: &str, copies: &[Vec<u8>]) {
    let raw: usize = copies.iter().map(Vec::len).sum();
    row(name, 0.0, raw as f64 / 1e6, "not compressed");
    for (level, block) in [(1, 16 << 10), (1, 64 << 10), (1, 256 << 10), (3, 64 << 10), (3, 256 << 10), (6, 256 << 10)]
    {
        let before = cpu_seconds();
        let (mut bytes, mut buffer) = (0, Vec::new());
        let mut compressor = zstd::bulk::Compressor::new(level).unwrap();
        for copy in copies {
            buffer.extend_from_slice(copy);
            if buffer.len() >= block {
                bytes += compressor.compress(&buffer).unwrap().len();
                buffer.clear();
            }
        }
        bytes += compressor.compress(&buffer).unwrap().len();
        row(&format!("  zstd {level}, {} KiB", block >> 10), cpu_seconds() - before, bytes as f64 / 1e6, "");
    }
}

fn main() {
    println!("{:44} {:>10} {:>11}  per million access events", "", "CPU", "disk");
    let ordered = batches(false);
    let (_dir, kept) = store("one hard commit", &ordered, Scheme::Once);
    drop(store("soft commit each 20,000 events", &ordered, Scheme::Soft(10)));
    drop(store("soft commit each 2,000 events", &ordered, Scheme::Soft(1)));
    drop(store("hard commit each 20,000 events", &ordered, Scheme::Hard(10)));
    drop(store("hard commit each 2,000 events", &ordered, Scheme::Hard(1)));
    drop(store("times shuffled by 5 s, soft each 20,000", &batches(true), Scheme::Soft(10)));
    let lines = ordered.iter().flat_map(|batch| &batch.events);
    let json: Vec<Vec<u8>> =
        lines.map(|stored| serde_json::to_vec(&json(&Value::Map(stored.event.fields.clone()))).unwrap()).collect();
    compressed("JSON copy", &json);
    compressed("compact copy", &copies(&kept));
}
