//! A flipped byte is found, told and costs one partition.

use super::super::StoreError;
use super::*;
use std::fs;
use std::path::PathBuf;

/// Two partitions, `sealed` in p-0 and `open` in p-1.
fn two(dir: &Path) {
    let mut store = open(dir);
    store.add(&batch(LOG, 0, vec![event(at(DAY), "sealed")])).unwrap();
    assert_eq!(store.maintain(at(DAY + 86_400)).unwrap().sealed, Some(0));
    store.add(&batch(LOG, 20, vec![event(at(DAY + 1), "open")])).unwrap();
    store.commit_hard().unwrap();
}

fn file(folder: &Path, extension: &str) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|found| found == extension)).unwrap()
}

/// Flips a byte in the middle of what is before the footer.
fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let footer = memchr::memmem::rfind(&bytes, b"{\"version\"").unwrap();
    let at = footer / 2;
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

const EXTENSIONS: [&str; 5] = ["fast", "store", "term", "idx", "fieldnorm"];

#[test]
fn a_flipped_byte_of_the_open_partition_stops_the_store() {
    for extension in EXTENSIONS {
        let dir = tempfile::tempdir().unwrap();
        two(dir.path());
        let damaged = file(&dir.path().join("p-1"), extension);
        flip(&damaged);
        let check = |error: Option<StoreError>| {
            let error = error.unwrap().to_string();
            let name = damaged.display().to_string();
            assert!(error.starts_with(&name) && error.contains("move the whole store folder away"), "{error}");
            assert_eq!(error.matches(&name).count(), 1, "{error}");
        };
        check(Store::open(dir.path(), options()).err());
        check(Store::open_read_only(dir.path()).err());
        flip(&damaged);
        assert_eq!(messages(&open(dir.path()).snapshot()), ["open", "sealed"], "{extension}");
    }
}

#[test]
fn a_flipped_byte_of_a_sealed_partition_costs_its_events() {
    for extension in EXTENSIONS {
        let dir = tempfile::tempdir().unwrap();
        two(dir.path());
        let damaged = file(&dir.path().join("p-0"), extension);
        flip(&damaged);
        for snapshot in [open(dir.path()).snapshot(), Store::open_read_only(dir.path()).unwrap()] {
            assert_eq!(messages(&snapshot), ["open"], "{extension}");
            let [line] = snapshot.set_aside() else { panic!("{:?}", snapshot.set_aside()) };
            for part in [damaged.to_str().unwrap(), "without the 1 events", "2026-01-01", "p-0 from a backup"] {
                assert!(line.contains(part), "{line}");
            }
        }
    }
}

/// As if the store were larger than what is verified when it is opened.
fn scrubbed(store: &mut Store) -> (Result<(), StoreError>, Vec<String>) {
    let mut lines = Vec::new();
    let outcome = store.scrub().unwrap().run(&|| false, &mut |line| lines.push(line.to_owned()));
    (outcome, lines)
}

fn unverified(dir: &Path) -> Store {
    Store::open(dir, Options { verify_at_open: 0, ..options() }).unwrap()
}

#[test]
fn scrubbing_finds_what_opening_did_not_look_at() {
    let dir = tempfile::tempdir().unwrap();
    two(dir.path());
    let mut store = unverified(dir.path());
    assert!(matches!(scrubbed(&mut store), (Ok(()), lines) if lines.is_empty()));
    assert!(store.scrub().is_none(), "once");
    drop(store);
    flip(&file(&dir.path().join("p-0"), "fast"));
    let mut store = unverified(dir.path());
    assert_eq!(store.snapshot().partitions().len(), 2);
    let (outcome, lines) = scrubbed(&mut store);
    assert!(outcome.is_ok() && lines.len() == 1, "{lines:?}");
    assert_eq!(store.snapshot().set_aside(), lines);
    assert_eq!(messages(&store.snapshot()), ["open"]);
    // What is published later leaves it out, too, until retention drops it.
    store.add(&batch(LOG, 40, vec![event(at(DAY + 2), "later")])).unwrap();
    store.commit_soft().unwrap();
    assert_eq!(messages(&store.snapshot()), ["later", "open"]);
    assert_eq!(store.snapshot().set_aside().len(), 1);
    drop(store);
    let mut store = Store::open(dir.path(), Options { retention_bytes: Some(1), ..options() }).unwrap();
    store.maintain(at(DAY + 60)).unwrap();
    assert!(store.snapshot().set_aside().is_empty());
}

#[test]
fn scrubbing_stops_a_store_whose_open_partition_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    two(dir.path());
    flip(&file(&dir.path().join("p-1"), "fast"));
    let (outcome, lines) = scrubbed(&mut unverified(dir.path()));
    let error = outcome.unwrap_err().to_string();
    assert!(lines.is_empty() && error.contains("move the whole store folder away"), "{error}");
    // Sealed before the scrub comes to it, it costs only itself.
    let mut store = unverified(dir.path());
    assert_eq!(store.maintain(at(DAY + 86_400)).unwrap().sealed, Some(1));
    let (outcome, lines) = scrubbed(&mut store);
    assert!(outcome.is_ok() && lines.len() == 1, "{lines:?}");
    assert_eq!(messages(&store.snapshot()), ["sealed"]);
    drop(store);
    let stopped = unverified(dir.path()).scrub().unwrap().run(&|| true, &mut |line| panic!("{line}"));
    assert!(stopped.is_ok());
}

#[test]
fn a_merge_does_not_give_damage_a_good_checksum() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let add = |store: &mut Store, n: u64| {
        store.add(&batch(LOG, n * 20, vec![event(at(DAY + n as i64), "one of eight")]))?;
        store.commit_hard().map(drop)
    };
    (0..7).for_each(|n| add(&mut store, n).unwrap());
    flip(&file(&dir.path().join("p-0"), "fast"));
    let failed = (7..).find_map(|n| add(&mut store, n).err()).unwrap().to_string();
    assert!(failed.contains(".fast: the file is damaged"), "{failed}");
}
