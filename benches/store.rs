//! What storing costs: CPU seconds and megabytes per million events, for the commit schemes and for the ways to keep the
//! stored copy. Run with `cargo bench --bench store`; single runs, so look at differences above 10 %.
//!
//! Figures are whole-process CPU (`/proc/self/stat`, ticks of 10 ms), merges included, scaled from [`EVENTS`] events.

#![allow(clippy::unwrap_used, missing_docs)]

mod lines;
mod proc;

use lines::Numbers;
use logship::event::{Timestamp, Value};
use logship::flow::{Batch, EventId, LogId, Pos, Stored};
use logship::store::{Options, Store};
use logship_parsers::line::{Context, detect::FormatId};
use std::fs;
use std::path::Path;
use tantivy::schema::document::Value as _;

const EVENTS: usize = 200_000;
const PER_BATCH: usize = 2_000;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Access events, five milliseconds apart. `shuffle` moves their times by some seconds.
fn batches(shuffle: bool) -> Vec<Batch> {
    let log = LogId::from_bits(7);
    let (mut numbers, context, hint) = (Numbers(1), Context::default(), FormatId::by_name("clf"));
    let mut made = Vec::new();
    for first in (0..EVENTS).step_by(PER_BATCH) {
        let start = first as u64 * 300;
        let events = (0..PER_BATCH).map(|n| {
            let id = EventId { log, at: Pos(start + n as u64) };
            let millis = (first + n) * 5;
            let mut event = lines::event(&lines::access(&mut numbers, millis / 1_000).into(), hint, &context);
            let later = millis % 1_000 + if shuffle { numbers.below(5_000) as usize } else { 0 };
            event.time = Timestamp::from_millis(event.time.as_millis() + later as i64);
            Stored { id, event }
        });
        let events = events.collect();
        let end = Pos(start + PER_BATCH as u64 * 300);
        made.push(Batch { log, start: Pos(start), end, first_number: first as u64, events });
    }
    made
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
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut store = Store::open(dir.path(), Options::default()).unwrap();
    let before = proc::cpu_seconds(false);
    for (n, batch) in (1..).zip(batches) {
        store.add(batch).unwrap();
        match scheme {
            Scheme::Soft(every) if n % every == 0 => store.commit_soft().unwrap(),
            Scheme::Hard(every) if n % every == 0 => drop(store.commit_hard().unwrap()),
            _ => {}
        }
    }
    store.commit_hard().unwrap();
    let memory = proc::memory("self", "RssAnon:");
    drop(store);
    let cpu = proc::cpu_seconds(false) - before;
    let store = Store::open(dir.path(), Options::default()).unwrap();
    let open = dir.path().join("p-0");
    let part = |extension| megabytes(&open, extension) * 1e6 / EVENTS as f64;
    let note = format!(
        "segments {:2}, anon {memory:.0} MiB; idx {:.1} pos {:.1} term {:.1} fast {:.1} store {:.1}",
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
        let before = proc::cpu_seconds(false);
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
        row(&format!("  zstd {level}, {} KiB", block >> 10), proc::cpu_seconds(false) - before, bytes as f64 / 1e6, "");
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
