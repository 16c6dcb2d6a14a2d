//! What the store promises, from outside: exactly once, visible, durable, bounded, readable.

mod crash;
mod damage;
mod fields;
mod fixture;
mod lifecycle;

use super::{Options, Row, Snapshot, Store};
use crate::event::{Event, Key, Timestamp, Value};
use crate::flow::{Batch, EventId, LogId, Pos, Stored};
use bytestring::ByteString;
use std::path::Path;
use tantivy::DocAddress;

/// 2026-01-01T00:00:00Z in seconds.
const DAY: i64 = 1_767_225_600;
const LOG: LogId = LogId::from_bits(0xaaaa);

fn options() -> Options {
    Options { free_bytes_min: 0, now: || at(DAY + 60), free_space: |_| Ok(1 << 40), ..Options::default() }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, options()).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn event(time: Timestamp, message: &str) -> Event {
    Event::from_line(time, ByteString::from(message))
}

fn with(mut event: Event, fields: &[(&str, Value)]) -> Event {
    for (name, value) in fields {
        event.fields.insert(Key::from(*name), value.clone());
    }
    event
}

/// A batch as the frame at `start`: its events are numbered from there, and it ends ten after the last.
fn batch(log: LogId, start: u64, events: Vec<Event>) -> Batch {
    let end = Pos(start + events.len() as u64 + 10);
    let id = |at| EventId { log, at: Pos(at) };
    let events = (start..).zip(events).map(|(at, event)| Stored { id: id(at), event }).collect();
    Batch { log, start: Pos(start), end, first_number: start, events }
}

/// Every event of a snapshot, in the order in which it lies there.
fn all(snapshot: &Snapshot) -> Vec<Stored> {
    let mut found = Vec::new();
    for (partition, view) in snapshot.partitions().iter().enumerate() {
        for (segment, reader) in (0u32..).zip(view.searcher.segment_readers()) {
            for doc in 0..reader.max_doc() {
                found.push(snapshot.event(Row { partition, address: DocAddress::new(segment, doc) }).unwrap());
            }
        }
    }
    found
}

fn messages(snapshot: &Snapshot) -> Vec<String> {
    let mut messages: Vec<_> =
        all(snapshot).iter().map(|stored| stored.event.message().unwrap_or_default().to_owned()).collect();
    messages.sort();
    messages
}

/// How many events have this word in a text field.
fn count_word(snapshot: &Snapshot, field: tantivy::schema::Field, word: &str) -> usize {
    use tantivy::{collector::Count, query::TermQuery, schema::IndexRecordOption};
    let query = TermQuery::new(tantivy::Term::from_field_text(field, word), IndexRecordOption::Basic);
    snapshot.partitions().iter().map(|view| view.searcher.search(&query, &Count).unwrap()).sum()
}

#[test]
fn events_come_back_whole_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let line = ByteString::from("GET /a 200");
    let mut wanted = with(
        Event::from_line(Timestamp::from_nanos(1_767_225_600_123_456_789), line.clone()),
        &[("path", Value::Str(line.slice_ref(&line[4..6]))), ("status", Value::Int(200)), ("ratio", Value::Float(0.5))],
    );
    wanted.tag("one");
    wanted.tag("two");
    {
        let mut store = open(dir.path());
        store.add(&batch(LOG, 5, vec![wanted.clone()])).unwrap();
        assert_eq!(store.snapshot().events(), 0, "not before a commit");
        store.commit_soft().unwrap();
        assert_eq!(store.snapshot().events(), 1);
        assert_eq!(store.snapshot().next_number(), 6);
        assert!(store.progress().is_empty(), "visible is not durable");
        assert_eq!(store.commit_hard().unwrap(), [(LOG, Pos(16))].into());
    }
    let store = open(dir.path());
    assert_eq!(store.progress(), &[(LOG, Pos(16))].into());
    let snapshot = store.snapshot();
    let id = EventId { log: LOG, at: Pos(5) };
    assert_eq!(all(&snapshot), [Stored { id, event: wanted.clone() }]);
    let row = snapshot.find(id).unwrap().unwrap();
    assert_eq!(snapshot.event(row).unwrap().event, wanted);
    assert_eq!(snapshot.find(EventId { log: LOG, at: Pos(6) }).unwrap(), None);
    assert_eq!(snapshot.find(EventId { log: LogId::from_bits(1), at: Pos(5) }).unwrap(), None);
}

#[test]
fn replayed_batches_do_not_double() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (batch(LOG, 0, vec![event(at(1), "a")]), batch(LOG, 11, vec![event(at(2), "b")]));
    let other = batch(LogId::from_bits(2), 0, vec![event(at(3), "c")]);
    for _ in 0..3 {
        let mut store = open(dir.path());
        for batch in [&first, &second, &other, &first] {
            store.add(batch).unwrap();
        }
        store.commit_hard().unwrap();
        assert_eq!(messages(&store.snapshot()), ["a", "b", "c"]);
    }
    let mut store = open(dir.path());
    // One frame that reaches from known events into new ones.
    store.add(&batch(LOG, 11, (0..12).map(|n| event(at(9), &format!("n{n}"))).collect())).unwrap();
    store.commit_soft().unwrap();
    assert_eq!(messages(&store.snapshot()), ["a", "b", "c", "n11"]);
}

#[test]
fn a_soft_commit_is_gone_after_a_restart_and_comes_again_from_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let frame = batch(LOG, 0, vec![event(at(1), "a")]);
    for round in 0..2 {
        let mut store = open(dir.path());
        assert_eq!(store.snapshot().events(), 0, "round {round}");
        store.add(&frame).unwrap();
        store.commit_soft().unwrap();
        assert_eq!(messages(&store.snapshot()), ["a"]);
    }
}

#[test]
fn an_empty_batch_moves_the_progress() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.add(&batch(LOG, 50, Vec::new())).unwrap();
    assert_eq!(store.commit_hard().unwrap(), [(LOG, Pos(60))].into());
    store.forget_log(LOG);
    assert_eq!(store.progress().len(), 1);
    assert!(store.commit_hard().unwrap().is_empty());
    drop(store);
    assert!(open(dir.path()).progress().is_empty());
}

#[test]
fn segments_hold_events_in_order_of_time_also_after_merges() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut start = 0;
    for round in 0..40i64 {
        let times = (0..20).map(|n| (n * 7 + round * 3) % 50 - 10);
        let frame = batch(LOG, start, times.map(|s| event(at(s), &format!("r{round} t{s}"))).collect());
        start = frame.end.0;
        store.add(&frame).unwrap();
        store.commit_soft().unwrap();
    }
    store.commit_hard().unwrap();
    let snapshot = store.snapshot();
    assert_eq!((snapshot.events(), messages(&snapshot).len()), (800, 800));
    let view = &snapshot.partitions()[0];
    assert_eq!((view.min_time, view.max_time), (at(-10), at(39)));
    let before_1970 = all(&snapshot).iter().filter(|stored| stored.event.time < at(0)).count() as u64;
    assert_eq!(view.days, [(-1, before_1970), (0, 800 - before_1970)].into());
    for reader in view.searcher.segment_readers() {
        let times = reader.fast_fields().date("time").unwrap();
        let times: Vec<_> = (0..reader.max_doc()).map(|doc| times.first(doc).unwrap()).collect();
        assert!(times.is_sorted());
    }
}

#[test]
fn merges_leave_few_segments_and_no_other_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let mut start = 0;
    let mut most = 0;
    for n in 0..100i64 {
        let frame = batch(LOG, start, vec![event(at(n), "word")]);
        start = frame.end.0;
        store.add(&frame).unwrap();
        if n % 10 == 9 { store.commit_hard().map(drop) } else { store.commit_soft() }.unwrap();
        most = most.max(store.stats().open_segments);
    }
    assert!(most < 100, "merges run beside");
    drop(store);
    let store = open(dir.path());
    assert_eq!(count_word(&store.snapshot(), store.snapshot().schema().message, "word"), 100);
    let names: Vec<_> = std::fs::read_dir(dir.path().join("p-0")).unwrap().map(|f| f.unwrap().file_name()).collect();
    assert!(names.len() as u64 <= 1 + 6 * store.stats().open_segments, "{names:?}");
}

#[test]
fn a_full_segment_is_finished_without_a_commit() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_memory: 4_000_000, ..options() };
    let mut store = Store::open(dir.path(), options).unwrap();
    let events = (0..5_000).map(|n| event(at(n), &format!("unique{n} {}", "filler ".repeat(20)))).collect();
    store.add(&batch(LOG, 0, events)).unwrap();
    assert!(store.stats().open_segments > 0);
    store.commit_soft().unwrap();
    assert_eq!(store.snapshot().events(), 5_000);
    assert_eq!(messages(&store.snapshot()).len(), 5_000);
}
