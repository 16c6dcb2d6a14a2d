//! `fixtures/store/v1`: a store as the first released version wrote it. Every later version opens it.
//!
//! `LOGSHIP_WRITE_FIXTURES=1 cargo test store::tests::fixture` writes it anew, which only a change of format before the
//! first release justifies.

use super::*;
use std::fs;
use std::path::PathBuf;

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/store/v1")
}

/// Two partitions, two logs, every kind of value, a late event, a cut value.
fn frames() -> [Batch; 3] {
    let line = ByteString::from("GET /cart 503 12.5ms");
    let kinds = with(
        Event::from_line(Timestamp::from_nanos(DAY * 1_000_000_000 + 123_456_789), line.clone()),
        &[
            ("path", Value::Str(line.slice_ref(&line[4..9]))),
            ("status", Value::Int(503)),
            ("ms", Value::Float(12.5)),
            ("cached", Value::Bool(false)),
            ("nothing", Value::Null),
            ("due", Value::Time(at(DAY + 5))),
            ("labels", Value::Map([(Key::from("app.kubernetes.io/name"), Value::from("shop"))].into_iter().collect())),
            ("tags", Value::List(vec![Value::from("one"), Value::from("two")])),
            ("trace", Value::from("4bf92f3577b34da6a3ce929d0e0e4736")),
            ("big", Value::from("0123456789".repeat(1_000))),
        ],
    );
    let late = event(at(DAY - 86_400), "late, Grüße, ログ");
    [
        batch(LOG, 0, vec![kinds, event(at(DAY + 1), "second")]),
        batch(LogId::from_bits(0xbbbb), 0, vec![late]),
        batch(LOG, 12, vec![event(at(DAY + 2), "after the sealing")]),
    ]
}

fn write(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    let mut store = open(dir);
    let [first, second, third] = frames();
    store.add(&first).unwrap();
    store.add(&second).unwrap();
    assert_eq!(store.maintain(at(DAY + 86_400)).unwrap().sealed, Some(0));
    store.add(&third).unwrap();
    store.commit_hard().unwrap();
    fs::remove_file(dir.join("store.lock")).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)
        } else {
            assert!(fs::copy(entry.path(), target).is_ok())
        }
    }
}

#[test]
fn a_store_of_format_v1_opens() {
    if std::env::var_os("LOGSHIP_WRITE_FIXTURES").is_some() {
        write(&home());
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&home(), dir.path());
    let mut wanted: Vec<Stored> = frames().into_iter().flat_map(|frame| frame.events).collect();
    wanted.sort_by_key(|stored| stored.id);
    for mut found in [all(&Store::open_read_only(dir.path()).unwrap()), all(&open(dir.path()).snapshot())] {
        found.sort_by_key(|stored| stored.id);
        assert_eq!(found, wanted);
    }
    let mut store = open(dir.path());
    frames().iter().for_each(|frame| store.add(frame).unwrap());
    store.add(&batch(LOG, 23, vec![event(at(DAY + 3), "written today")])).unwrap();
    store.commit_hard().unwrap();
    let snapshot = store.snapshot();
    assert_eq!(snapshot.events(), 5);
    for word in ["grüße", "ロ", "today", "503"] {
        assert_eq!(count_word(&snapshot, snapshot.schema().message, word), 1, "{word}");
    }
}
