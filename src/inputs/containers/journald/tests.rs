use super::super::testing::Log;
use super::*;
use std::os::unix::fs::PermissionsExt as _;

const EXPORT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/containers/journal.export");
const SEQUENCE: &str = "journald:0a1b2c3d4e5f60718293a4b5c6d7e8f9";
const END: &str = "s=0a1b2c3d4e5f60718293a4b5c6d7e8f9;i=2c;";

/// A folder with a `journalctl` that runs these commands, in which `$HERE` is the folder and `$EXPORT` the fixture.
fn machine(script: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path().display();
    let text = format!("#!/bin/sh\nHERE={here}\nEXPORT={EXPORT}\necho \"$@\" >> $HERE/calls\n{script}\n");
    let program = folder.path().join("journalctl");
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn options(folder: &tempfile::TempDir) -> JournaldOptions {
    let program = folder.path().join("journalctl");
    JournaldOptions { program, ..JournaldOptions::new(folder.path().join("cursor")) }
}

/// Reads until `records` records are durable.
fn run(options: JournaldOptions, table: &SourceTable, records: usize) -> (Vec<String>, Arc<InputCounters>) {
    let (stop, shutdown) = Shutdown::channel();
    let (log, intake) = Log::start(records, stop);
    let input = Journald::new(options, intake, table, shutdown);
    let counters = input.counters();
    input.run();
    (log.lines(), counters)
}

fn messages(lines: &[String]) -> Vec<String> {
    let of = |line: &String| {
        let json: serde_json::Value = serde_json::from_str(line.split_once(": ").unwrap().1).unwrap();
        json["MESSAGE"].as_str().unwrap_or("(none)").lines().next().unwrap_or_default().to_owned()
    };
    lines.iter().map(of).collect()
}

fn table(end: u64) -> SourceTable {
    let mut table = SourceTable::default();
    table.insert(SEQUENCE, Span { from: 0, to: end }, None, 1).unwrap();
    table
}

fn calls(folder: &tempfile::TempDir) -> Vec<String> {
    let text = fs::read_to_string(folder.path().join("calls")).unwrap();
    text.lines().map(str::to_owned).collect()
}

const ALL: [&str; 4] = ["listening on port=8080", "Traceback (most recent call last):", "caf\u{fffd} \0 closed", ""];

#[test]
fn entries_are_stored_with_their_place_and_the_cursor_is_kept() {
    let folder = machine("cat $EXPORT; exec sleep 1000");
    let (found, counters) = run(options(&folder), &SourceTable::default(), 4);
    assert_eq!(messages(&found), ALL);
    assert!(found[0].starts_with(&format!("{SEQUENCE} 0..45 - -: {{")), "{}", found[0]);
    assert!(fs::read_to_string(folder.path().join("cursor")).unwrap().starts_with(END));
    assert_eq!(calls(&folder), ["--output=export --follow --all --no-pager --no-tail"]);
    let now = counters.snapshot();
    assert_eq!((now.received, now.stored, now.dropped.len()), (4, 4, 0));
}

#[test]
fn what_is_durable_already_is_left_out() {
    // The cursor is older than what the log knows, or has gone.
    for cursor in [Some("s=0a1b2c3d4e5f60718293a4b5c6d7e8f9;i=28;t=1"), Some("nonsense"), None] {
        let folder = machine("cat $EXPORT; exec sleep 1000");
        if let Some(cursor) = cursor {
            fs::write(folder.path().join("cursor"), cursor).unwrap();
        }
        let (found, counters) = run(options(&folder), &table(43), 2);
        assert_eq!(messages(&found), ALL[2..], "{cursor:?}");
        assert!(found[0].starts_with(&format!("{SEQUENCE} 43..45 ")), "{}", found[0]);
        assert_eq!(counters.snapshot().dropped["duplicate"], 2);
        let asked = calls(&folder)[0].contains("--after-cursor=s=0a1b2c3d4e5f60718293a4b5c6d7e8f9;i=28;t=1");
        assert_eq!(asked, cursor.is_some_and(|cursor| cursor.starts_with("s=")));
    }
}

#[test]
fn a_journalctl_that_ends_is_started_where_it_was() {
    let first =
        "if [ ! -e $HERE/second ]; then touch $HERE/second; head -c 900 $EXPORT; echo broken pipe >&2; exit 3; fi";
    let folder = machine(&format!("{first}\ncat $HERE/rest; exec sleep 1000"));
    let export = fs::read(EXPORT).unwrap();
    let third = memchr::memmem::find_iter(&export, b"__CURSOR=").nth(2).unwrap();
    fs::write(folder.path().join("rest"), &export[third..]).unwrap();
    let (found, counters) = run(options(&folder), &SourceTable::default(), 4);
    assert_eq!(messages(&found), ALL);
    assert!(
        calls(&folder)[1].contains("--after-cursor=s=0a1b2c3d4e5f60718293a4b5c6d7e8f9;i=2a;"),
        "{:?}",
        calls(&folder)
    );
    let error = counters.snapshot().last_error.unwrap().what;
    assert!(error.contains("exit status: 3: broken pipe"), "{error}");
}

#[test]
fn a_cursor_that_is_refused_is_given_up() {
    let refuse = "case \"$*\" in *after-cursor*) echo Failed to seek to cursor >&2; exit 1;; esac";
    let folder = machine(&format!("{refuse}\ncat $EXPORT; exec sleep 1000"));
    fs::write(folder.path().join("cursor"), "s=0a1b2c3d4e5f60718293a4b5c6d7e8f9;i=2a").unwrap();
    let (found, _) = run(options(&folder), &table(43), 2);
    assert_eq!(messages(&found), ALL[2..]);
}

#[test]
fn a_machine_without_journalctl_is_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let (stop, shutdown) = Shutdown::channel();
    let (intake, _appends) = Intake::channel();
    let input = Journald::new(options(&folder), intake, &SourceTable::default(), shutdown);
    let counters = input.counters();
    let running = thread::Builder::new().spawn(move || input.run()).unwrap();
    while counters.snapshot().last_error.is_none() {
        thread::yield_now();
    }
    stop.send(true).unwrap();
    running.join().unwrap();
    let error = counters.snapshot().last_error.unwrap().what;
    assert!(error.contains("journalctl: not found"), "{error}");
}

#[test]
fn options_become_arguments() {
    let check = |options: &JournaldOptions, cursor: Option<&str>, expected: &str| {
        let found: Vec<String> = options.arguments(cursor).iter().map(|a| a.to_string_lossy().into_owned()).collect();
        assert_eq!(found.join(" "), format!("--output=export --follow --all --no-pager {expected}"));
    };
    let all = JournaldOptions::new(PathBuf::from("cursor"));
    check(&all, Some("s=1;i=2"), "--no-tail --after-cursor=s=1;i=2");
    let some = JournaldOptions {
        directory: Some(PathBuf::from("/host/var/log/journal")),
        units: vec!["a.service".to_owned()],
        from_end: true,
        ..all
    };
    check(&some, None, "--lines=0 --unit=a.service --directory /host/var/log/journal");
    check(&some, Some("x"), "--no-tail --after-cursor=x --unit=a.service --directory /host/var/log/journal");
}

#[test]
fn cursors_name_a_place() {
    let check = |cursor: &str, expected: Option<u64>| {
        assert_eq!(place_of(cursor), expected.map(|number| (SEQUENCE.to_owned(), number)), "{cursor}");
    };
    check("s=0a1b2c3d4e5f60718293a4b5c6d7e8f9;i=2c;b=1;m=2;t=3;x=4", Some(44));
    check("b=1;i=2c;s=0a1b2c3d4e5f60718293a4b5c6d7e8f9", Some(44));
    for none in ["", "s=0a;i=2c", "s=0a1b2c3d4e5f60718293a4b5c6d7e8f9", "s=0a1b2c3d4e5f60718293a4b5c6d7e8f9;i=x"] {
        check(none, None);
    }
}
