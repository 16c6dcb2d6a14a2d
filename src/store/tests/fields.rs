//! Nasty names and values: nothing is refused, everything is bounded, and what has no column says so.

use super::super::{COLUMN_VALUE_BYTES_MAX, COLUMNS_PER_PARTITION_MAX, column_path};
use super::*;
use crate::event::Map;

fn stored(events: &[Event]) -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.add(&batch(LOG, 0, events.to_vec())).unwrap();
    store.commit_hard().unwrap();
    let found: Vec<Event> = all(&store.snapshot()).into_iter().map(|stored| stored.event).collect();
    assert!(found == events, "every event comes back as it was");
    (dir, store)
}

/// The strings of a column in the only segment.
fn strings(store: &Store, path: &str) -> Vec<String> {
    let snapshot = store.snapshot();
    let reader = &snapshot.partitions()[0].searcher.segment_readers()[0];
    let Some(column) = reader.fast_fields().str(path).unwrap() else { return Vec::new() };
    let mut found = Vec::new();
    for ord in (0..reader.max_doc()).flat_map(|doc| column.term_ords(doc).collect::<Vec<_>>()) {
        let mut text = String::new();
        column.ord_to_str(ord, &mut text).unwrap();
        found.push(text);
    }
    found
}

#[test]
fn any_name_has_a_column() {
    let names = [
        "a",
        "a.b",
        ".",
        "..x",
        "",
        r"back\slash",
        "nul\0nul",
        "one\u{1}one",
        "ключ",
        "\"q\"",
        "a b",
        "fields",
        "time",
        "x.",
    ];
    let fields: Vec<_> = names.iter().map(|name| (*name, Value::from(format!("of {name:?}")))).collect();
    let (dir, store) = stored(&[with(event(at(1), "m"), &fields)]);
    for name in names {
        assert_eq!(strings(&store, &column_path(name)), [format!("of {name:?}")], "{name:?}");
    }
    let columns = store.stats().columns;
    drop(store);
    assert_eq!(open(dir.path()).stats().columns, columns, "known again after opening");
}

#[test]
fn nested_and_dotted_names_share_a_column() {
    let mut inner = Map::default();
    inner.insert(Key::from("level"), Value::from("warn"));
    let nested = with(event(at(1), "m"), &[("log", Value::Map(inner))]);
    let dotted = with(event(at(2), "m"), &[("log.level", Value::from("info"))]);
    let (_dir, store) = stored(&[nested, dotted]);
    assert_eq!(strings(&store, "fields.log.level"), ["warn", "info"]);
}

#[test]
fn values_land_in_columns_of_their_kind() {
    let fields = [
        ("decimal", Value::from("503")),
        ("padded", Value::from("007")),
        ("int", Value::Int(-4)),
        ("float", Value::Float(2.5)),
        ("truth", Value::Bool(true)),
        ("when", Value::Time(Timestamp::from_nanos(1_234_567))),
        ("null", Value::Null),
        ("list", Value::List(vec![Value::from("a"), Value::Int(7), Value::List(vec![Value::from("b")])])),
    ];
    let (_dir, store) = stored(&[with(event(at(1), "m"), &fields)]);
    let snapshot = store.snapshot();
    let columns = snapshot.partitions()[0].searcher.segment_readers()[0].fast_fields().clone();
    assert_eq!(columns.column_opt::<i64>("fields.decimal").unwrap().unwrap().first(0), Some(503));
    assert_eq!(columns.column_opt::<i64>("fields.int").unwrap().unwrap().first(0), Some(-4));
    assert_eq!(columns.column_opt::<f64>("fields.float").unwrap().unwrap().first(0), Some(2.5));
    assert_eq!(columns.column_opt::<bool>("fields.truth").unwrap().unwrap().first(0), Some(true));
    let when = columns.date("fields.when").unwrap().first(0).unwrap();
    assert_eq!(when.into_timestamp_nanos(), 1_234_567);
    assert_eq!(columns.column_opt::<i64>("fields.list").unwrap().unwrap().first(0), Some(7));
    assert_eq!(strings(&store, "fields.list"), ["a", "b"]);
    assert_eq!(strings(&store, "fields.padded"), ["007"]);
    assert_eq!(columns.dynamic_column_handles("fields.null").unwrap().len(), 0);
    for word in ["503", "007", "4", "true", "a", "b", "7"] {
        assert_eq!(count_word(&snapshot, snapshot.schema().values, word), 1, "{word}");
    }
}

#[test]
fn a_huge_value_is_cut_in_its_column_only() {
    let huge = format!("{}é{} tail", "x".repeat(COLUMN_VALUE_BYTES_MAX - 1), "y ".repeat(200_000));
    let message = "z".repeat(1 << 20);
    let (_dir, store) = stored(&[with(event(at(1), &message), &[("big", Value::from(huge))])]);
    assert_eq!(strings(&store, "fields.big"), ["x".repeat(COLUMN_VALUE_BYTES_MAX - 1)]);
    assert_eq!(strings(&store, "partial"), ["big"]);
    let snapshot = store.snapshot();
    assert_eq!(count_word(&snapshot, snapshot.schema().values, "tail"), 1);
}

#[test]
fn past_the_limit_fields_are_text() {
    let distinct = COLUMNS_PER_PARTITION_MAX + 1_000;
    let events: Vec<Event> = (0..10)
        .map(|n| {
            let names: Vec<String> = (0..distinct / 10).map(|f| format!("f{}", n * (distinct / 10) + f)).collect();
            let fields: Vec<_> = names.iter().map(|name| (&**name, Value::from(format!("v{name}")))).collect();
            with(event(at(n as i64), "m"), &fields)
        })
        .collect();
    let (_dir, store) = stored(&events);
    let stats = store.stats();
    assert_eq!((stats.columns, stats.values_without_column), (COLUMNS_PER_PARTITION_MAX as u64, 1_000));
    assert_eq!(strings(&store, "partial").len(), 1_000);
    assert_eq!(strings(&store, &column_path("f1999")), ["vf1999"]);
    assert!(strings(&store, &column_path("f2000")).is_empty());
    let snapshot = store.snapshot();
    assert_eq!(count_word(&snapshot, snapshot.schema().values, "vf2999"), 1);
}

#[test]
fn unique_ids_are_found_in_their_column_and_are_no_words() {
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (_dir, store) = stored(&[with(event(at(1), "m"), &[("trace", Value::from(id))])]);
    let snapshot = store.snapshot();
    assert_eq!(strings(&store, "fields.trace"), [id]);
    assert_eq!(count_word(&snapshot, snapshot.schema().values, id), 0);
}

#[test]
fn an_event_without_anything_is_an_event() {
    stored(&[Event::new(at(0)), Event::new(Timestamp::from_nanos(i64::MAX))]);
    stored(&[Event::new(Timestamp::from_nanos(i64::MIN))]);
    stored(&[with(Event::new(at(0)), &[("message", Value::Int(5))])]);
}
