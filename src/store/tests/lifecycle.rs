//! Sealing, retention, other processes, damage, versions.

use super::super::{DropReason, StoreError};
use super::*;
use std::fs;
use std::time::Duration;

const DAY_SECONDS: i64 = 86_400;

fn one(start: u64, message: &str) -> Batch {
    batch(LOG, start, vec![event(at(DAY + start as i64), message)])
}

/// Three partitions: `a` and `b` sealed, `c` open.
fn three(dir: &Path) -> Store {
    let mut store = open(dir);
    for (n, message) in (0..).zip(["a", "b", "c"]) {
        store.add(&one(n * 20, message)).unwrap();
        store.commit_soft().unwrap();
        if n < 2 {
            assert_eq!(store.maintain(at(DAY + DAY_SECONDS)).unwrap().sealed, Some(n));
        }
    }
    store.commit_hard().unwrap();
    store
}

#[test]
fn the_open_partition_is_sealed_at_midnight_utc() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    assert_eq!(store.maintain(at(DAY + DAY_SECONDS)).unwrap().sealed, None, "never empty");
    store.add(&one(0, "a")).unwrap();
    assert_eq!(store.maintain(at(DAY + DAY_SECONDS - 1)).unwrap().sealed, None);
    assert_eq!(store.maintain(at(DAY + DAY_SECONDS)).unwrap().sealed, Some(0));
    assert_eq!(store.maintain(at(DAY + DAY_SECONDS)).unwrap().sealed, None);
    // The progress is carried over: the same batch again is known.
    store.add(&one(0, "a")).unwrap();
    store.add(&one(20, "late, from another day")).unwrap();
    store.commit_hard().unwrap();
    assert_eq!(store.snapshot().partitions().len(), 2);
    assert_eq!(messages(&store.snapshot()), ["a", "late, from another day"]);
    drop(store);
    let store = open(dir.path());
    assert_eq!((store.progress().len(), messages(&store.snapshot()).len()), (1, 2));
}

#[test]
fn the_bytes_on_disk_are_counted_whenever_events_become_visible() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let before = store.stats().bytes;
    let words: String = (0..40_000u32).map(|n| format!("{} ", n.wrapping_mul(2_654_435_761))).collect();
    store.add(&one(0, &words)).unwrap();
    store.commit_soft().unwrap();
    assert!(store.stats().bytes > before + 100_000, "{before} {}", store.stats().bytes);
}

#[test]
fn events_and_bytes_seal_too() {
    fn check(options: Options) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path(), options).unwrap();
        store.add(&one(0, "a")).unwrap();
        store.commit_hard().unwrap();
        assert_eq!(store.maintain(at(DAY + 61)).unwrap().sealed, None);
        store
            .add(&one(20, &(0..40_000u32).map(|n| format!("{} ", n.wrapping_mul(2_654_435_761))).collect::<String>()))
            .unwrap();
        store.commit_hard().unwrap();
        assert_eq!(store.maintain(at(DAY + 61)).unwrap().sealed, Some(0));
    }
    check(Options { seal_events: 2, ..options() });
    check(Options { seal_bytes: 100_000, ..options() });
}

#[test]
fn partitions_know_their_times() {
    let dir = tempfile::tempdir().unwrap();
    let store = three(dir.path());
    let snapshot = store.snapshot();
    let overlaps = |from, to| snapshot.partitions().iter().map(|p| p.overlaps(at(from), at(to))).collect::<Vec<_>>();
    assert_eq!(overlaps(DAY, DAY), [true, false, false]);
    assert_eq!(overlaps(DAY + 1, DAY + 30), [false, true, false]);
    assert_eq!(overlaps(DAY, DAY + 40), [true, true, true]);
}

#[test]
fn retention_drops_the_oldest_and_never_the_open_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(three(dir.path()));
    let keep = |options: Options| {
        let mut store = Store::open(dir.path(), options).unwrap();
        let before = store.snapshot();
        let maintained = store.maintain(at(DAY + 60)).unwrap();
        let reasons: Vec<_> = maintained.dropped.iter().map(|dropped| (dropped.id, dropped.reason)).collect();
        assert_eq!(messages(&before).len() as u64, before.events(), "old snapshots stay readable");
        (reasons, maintained.full, messages(&store.snapshot()))
    };
    let all = ["a", "b", "c"].map(str::to_owned).to_vec();
    assert_eq!(keep(options()), (vec![], false, all.clone()));
    let young = Options { retention_age: Some(Duration::from_secs(1)), ..options() };
    assert_eq!(keep(young), (vec![], false, all));
    let full = Options { free_bytes_min: 10, free_space: |_| Ok(9), ..options() };
    assert_eq!(keep(full), (vec![(0, DropReason::Disk)], false, vec!["b".to_owned(), "c".to_owned()]));
    let small = Options { retention_bytes: Some(1), ..options() };
    assert_eq!(keep(small), (vec![(1, DropReason::Size)], false, vec!["c".to_owned()]));
    let full = Options { free_bytes_min: 10, free_space: |_| Ok(9), ..options() };
    assert_eq!(keep(full), (vec![], true, vec!["c".to_owned()]));
    assert!(!dir.path().join("p-0").exists() && !dir.path().join("p-1").exists());
}

#[test]
fn what_is_closed_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    // The last commit brings enough segments for a merge.
    for n in 0..8 {
        store.add(&one(n * 20, "a")).unwrap();
        if n < 7 {
            store.commit_soft().unwrap();
        }
    }
    assert_eq!(store.close().unwrap(), [(LOG, Pos(7 * 20 + 11))].into());
    drop(store);
    let left = listing(&dir.path().join("p-0"));
    drop(open(dir.path()));
    assert_eq!(listing(&dir.path().join("p-0")), left, "what opening sweeps away was left behind");
    assert_eq!(messages(&open(dir.path()).snapshot()), ["a"; 8]);
}

#[test]
fn a_merge_that_runs_when_it_is_closed_is_not_in_vain() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    for n in 0..8 {
        store.add(&one(n * 20, "a")).unwrap();
        store.commit_soft().unwrap();
    }
    store.close().unwrap();
    assert_eq!(store.stats().open_segments, 1);
    drop(store);
    let left = listing(&dir.path().join("p-0"));
    let store = open(dir.path());
    assert_eq!(listing(&dir.path().join("p-0")), left, "what opening sweeps away was left behind");
    assert_eq!(messages(&store.snapshot()), ["a"; 8]);
}

#[test]
fn only_one_process_writes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(matches!(Store::open(dir.path(), options()), Err(StoreError::Locked(_))));
    drop(store);
    open(dir.path());
}

#[test]
fn another_process_reads_without_writing() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(Store::open_read_only(dir.path()).unwrap().events(), 0);
    let mut store = three(dir.path());
    store.add(&one(60, "only soft")).unwrap();
    store.commit_soft().unwrap();
    let before = listing(dir.path());
    let snapshot = Store::open_read_only(dir.path()).unwrap();
    assert_eq!(messages(&snapshot), ["a", "b", "c"]);
    assert_eq!(snapshot.progress(), store.progress());
    assert_eq!(listing(dir.path()), before);
}

fn listing(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        names.push(entry.path().display().to_string());
        if entry.path().is_dir() {
            names.extend(listing(&entry.path()));
        }
    }
    names.sort();
    names
}

#[test]
fn a_damaged_sealed_partition_is_left_out() {
    for extension in ["fast", "store", "term", "json"] {
        let dir = tempfile::tempdir().unwrap();
        drop(three(dir.path()));
        for entry in fs::read_dir(dir.path().join("p-0")).unwrap().map(Result::unwrap) {
            if entry.path().extension().is_some_and(|found| found == extension) {
                let bytes = fs::read(entry.path()).unwrap();
                fs::write(entry.path(), &bytes[..bytes.len() / 2]).unwrap();
            }
        }
        let store = open(dir.path());
        assert_eq!(messages(&store.snapshot()), ["b", "c"], "{extension}");
        let aside = store.snapshot().set_aside().to_vec();
        assert!(aside.len() == 1 && aside[0].contains("p-0") && !aside[0].contains('\n'), "{aside:?}");
    }
}

#[test]
fn damage_is_named() {
    fn check(damage: impl Fn(&Path), expected: &[&str]) {
        let dir = tempfile::tempdir().unwrap();
        drop(three(dir.path()));
        damage(dir.path());
        let error = Store::open(dir.path(), options()).err().unwrap().to_string();
        assert!(expected.iter().all(|part| error.contains(part)) && !error.contains('\n'), "{error}");
        assert!(dir.path().join("p-2").exists() || expected == ["p-2"], "nothing is removed");
    }
    check(|dir| fs::write(dir.join("FORMAT"), "2\n").unwrap(), &["FORMAT", "newer"]);
    check(|dir| fs::write(dir.join("FORMAT"), "x").unwrap(), &["FORMAT", "no version"]);
    check(|dir| fs::write(dir.join("manifest.json"), "{").unwrap(), &["manifest.json", "not a manifest"]);
    check(|dir| fs::write(dir.join("manifest.json"), r#"{"v":2}"#).unwrap(), &["manifest.json", "newer"]);
    check(|dir| fs::remove_file(dir.join("manifest.json")).unwrap(), &["manifest.json", "missing"]);
    check(|dir| fs::write(dir.join("p-2/meta.json"), "{").unwrap(), &["p-2"]);
    check(|dir| fs::remove_file(dir.join("p-2/meta.json")).unwrap(), &["p-2"]);
    check(|dir| fs::remove_dir_all(dir.join("p-2")).unwrap(), &["p-2"]);
}
