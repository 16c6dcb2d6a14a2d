//! What a crash at any moment leaves: whatever was copied from a live store opens with a progress that its events match.

use super::*;
use proptest::prelude::*;
use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

/// What kill -9 leaves.
fn copy(from: &Path, to: &Path) {
    copy_but(from, to, &HashSet::new());
}

/// What a loss of power may leave: nothing that was not synced. (A replaced file is synced before it is renamed.)
fn copy_durable(store: &Store, from: &Path, to: &Path) {
    let open = store.open_partition();
    let lost = open.directory().dirty().iter().map(|file| open.path().join(file)).collect();
    copy_but(from, to, &lost);
}

fn copy_but(from: &Path, to: &Path, lost: &HashSet<PathBuf>) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_but(&entry.path(), &target, lost);
        } else if !lost.contains(&entry.path()) {
            // A merge may remove or still write a file while it is copied, as at a crash.
            if let Ok(bytes) = fs::read(entry.path()) {
                fs::write(target, bytes).unwrap();
            }
        }
    }
}

/// Opens a copy, compares its events with its progress, replays everything and looks again.
fn check(dir: &Path, frames: &[Batch]) {
    let mut store = open(dir);
    let done = store.progress().get(&LOG).copied().unwrap_or_default();
    let expected = |until: Pos| {
        let of = |frame: &Batch| frame.events.iter().map(|s| s.event.message().unwrap().to_owned()).collect::<Vec<_>>();
        let mut names: Vec<String> = frames.iter().filter(|frame| frame.end <= until).flat_map(of).collect();
        names.sort();
        names
    };
    assert_eq!(messages(&store.snapshot()), expected(done));
    for frame in frames {
        store.add(frame).unwrap();
    }
    store.commit_hard().unwrap();
    assert_eq!(messages(&store.snapshot()), expected(Pos(u64::MAX)));
    drop(store);
    assert_eq!(messages(&open(dir).snapshot()), expected(Pos(u64::MAX)));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Add,
    Soft,
    Hard,
    Seal,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_moment_is_a_good_one_to_crash(steps in prop::collection::vec(prop_oneof![
        4 => Just(Step::Add), 6 => Just(Step::Soft), 2 => Just(Step::Hard), 1 => Just(Step::Seal),
    ], 1..30)) {
        let live = tempfile::tempdir().unwrap();
        let mut store = open(live.path());
        let mut frames: Vec<Batch> = Vec::new();
        let mut done = Pos(0);
        for (n, step) in (0i64..).zip(steps) {
            match step {
                Step::Add | Step::Soft => {
                    let start = frames.last().map_or(0, |frame| frame.end.0);
                    let events = (0..3).map(|e| event(at(DAY + n * 7 % 5), &format!("n{n} e{e}"))).collect();
                    frames.push(batch(LOG, start, events));
                    store.add(frames.last().unwrap()).unwrap();
                    if matches!(step, Step::Soft) {
                        store.commit_soft().unwrap();
                    }
                }
                Step::Hard => drop(store.commit_hard().unwrap()),
                Step::Seal => drop(store.maintain(at(DAY + 86_400)).unwrap()),
            }
            let now = store.progress().get(&LOG).copied().unwrap_or_default();
            prop_assert!(now >= done, "progress never goes back");
            done = now;
            for durable_only in [false, true] {
                let copied = tempfile::tempdir().unwrap();
                if durable_only {
                    copy_durable(&store, live.path(), copied.path());
                } else {
                    copy(live.path(), copied.path());
                }
                prop_assert_eq!(open(copied.path()).progress().get(&LOG).copied().unwrap_or_default(), done);
                check(copied.path(), &frames);
            }
        }
    }
}

/// Sealing is: commit, new folder, one manifest write. A crash before that write leaves the new folder, whole or in part.
#[test]
fn a_crash_before_the_manifest_write_undoes_the_sealing() {
    let live = tempfile::tempdir().unwrap();
    let frames = [batch(LOG, 0, vec![event(at(DAY), "a")]), batch(LOG, 20, vec![event(at(DAY), "b")])];
    let mut store = open(live.path());
    store.add(&frames[0]).unwrap();
    store.commit_hard().unwrap();
    let old = fs::read(live.path().join("manifest.json")).unwrap();
    store.maintain(at(DAY + 86_400)).unwrap();
    let damages: [&dyn Fn(&Path); 4] = [
        &|_| {},
        &|dir| fs::remove_file(dir.join("p-1/meta.json")).unwrap(),
        &|dir| fs::remove_dir_all(dir.join("p-1")).unwrap(),
        &|dir| fs::write(dir.join("manifest.tmp"), "{").unwrap(),
    ];
    for damage in damages {
        let copied = tempfile::tempdir().unwrap();
        copy(live.path(), copied.path());
        fs::write(copied.path().join("manifest.json"), &old).unwrap();
        damage(copied.path());
        check(copied.path(), &frames);
        assert_eq!(open(copied.path()).snapshot().partitions().len(), 1);
    }
}

/// Dropping is: one manifest write, then the folder goes. A crash between leaves the folder, whole or in part.
#[test]
fn a_crash_after_the_manifest_write_finishes_the_dropping() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.add(&batch(LOG, 0, vec![event(at(DAY), "a")])).unwrap();
    store.maintain(at(DAY + 86_400)).unwrap();
    let sealed = tempfile::tempdir().unwrap();
    copy(&dir.path().join("p-0"), sealed.path());
    drop(store);
    let options = Options { retention_bytes: Some(1), ..options() };
    assert_eq!(Store::open(dir.path(), options).unwrap().maintain(at(DAY)).unwrap().dropped.len(), 1);
    copy(sealed.path(), &dir.path().join("p-0"));
    assert_eq!(open(dir.path()).snapshot().events(), 0);
    assert!(!dir.path().join("p-0").exists());
}

/// The first start may end anywhere, too.
#[test]
fn a_crash_while_the_store_is_created() {
    let live = tempfile::tempdir().unwrap();
    drop(open(live.path()));
    let frames = [batch(LOG, 0, vec![event(at(DAY), "a")])];
    for left in [vec![], vec!["FORMAT"], vec!["FORMAT", "p-0"]] {
        let copied = tempfile::tempdir().unwrap();
        copy(live.path(), copied.path());
        for entry in fs::read_dir(copied.path()).unwrap().map(Result::unwrap) {
            if !left.contains(&entry.file_name().to_str().unwrap()) {
                if entry.path().is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) }
                    .unwrap();
            }
        }
        check(copied.path(), &frames);
    }
    for left in [None, Some("meta.tmp")] {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("p-0")).unwrap();
        left.into_iter().for_each(|name| fs::write(dir.path().join("p-0").join(name), "{").unwrap());
        check(dir.path(), &frames);
    }
}

/// The engine's file for sorting is removed without waiting: a loss of power may keep any part of it.
#[test]
fn what_is_left_of_sorting_is_no_damage() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.add(&batch(LOG, 0, vec![event(at(DAY), "a")])).unwrap();
    store.commit_hard().unwrap();
    drop(store);
    let mut files = fs::read_dir(dir.path().join("p-0")).unwrap().map(|entry| entry.unwrap().path());
    let left = files.find(|path| path.extension().is_some_and(|found| found == "store")).unwrap();
    let left = left.with_extension("store.temp");
    fs::write(&left, "torn").unwrap();
    assert_eq!(messages(&open(dir.path()).snapshot()), ["a"]);
    assert!(!left.exists());
}
