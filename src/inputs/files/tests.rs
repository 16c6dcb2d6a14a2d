//! Following real files of a temporary folder, with a log that remembers what it was given.

use super::{FileInput, Settings, glob::Globs, transcode::Encoding};
use crate::{
    clock,
    flow::{Append, Appended, Intake, LogId, Pos},
    log::SourceTable,
};
use flate2::{Compression, write::GzEncoder};
use std::{
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};
use tokio::sync::mpsc::Receiver;

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Log {
    table: SourceTable,
    lines: Vec<String>,
}

/// A folder, what follows its files, and what came of that.
struct World {
    folder: tempfile::TempDir,
    settings: Settings,
    log: Arc<(Mutex<Log>, Condvar)>,
    input: Option<FileInput>,
}

impl World {
    fn new(pattern: &str, settings: Settings) -> World {
        let folder = tempfile::tempdir().unwrap();
        let files = vec![format!("{}/{pattern}", folder.path().display())];
        World { folder, settings: Settings { files, ..settings }, log: Arc::default(), input: None }
    }

    /// A world in which the files of a pattern are followed.
    fn started(pattern: &str) -> World {
        let mut world = World::new(pattern, Settings::default());
        world.start();
        world
    }

    fn start(&mut self) {
        let (intake, receiver) = Intake::channel();
        let log = self.log.clone();
        thread::Builder::new().name("log".into()).spawn(move || keep(receiver, &log)).unwrap();
        let globs = Globs::new(&self.settings.files, &[]).unwrap();
        let table = self.log.0.lock().unwrap().table.clone();
        self.input = Some(FileInput::start(self.settings.clone(), globs, &table, intake).unwrap());
    }

    fn stop(&mut self) {
        self.input.take().unwrap().stop();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap().write_all(bytes).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// Waits until these lines are there, in this order, and no others.
    fn expect(&self, lines: &[&str]) {
        assert_eq!(self.lines(lines), lines);
    }

    /// Waits until these lines are there and no others; those of different files are in no order.
    fn expect_unordered(&self, lines: &[&str]) {
        let mut found = self.lines(lines);
        found.sort();
        assert_eq!(found, lines);
    }

    fn lines(&self, lines: &[&str]) -> Vec<String> {
        let (log, changed) = &*self.log;
        let until = clock::instant() + PATIENCE;
        let mut log = log.lock().unwrap();
        while log.lines.len() < lines.len() {
            let left = until.saturating_duration_since(clock::instant());
            assert!(!left.is_zero(), "{:?} instead of {lines:?}", log.lines);
            log = changed.wait_timeout(log, left).unwrap().0;
        }
        log.lines.clone()
    }
}

/// Does what the log does: a span of a source is stored once.
fn keep(mut receiver: Receiver<Append>, log: &(Mutex<Log>, Condvar)) {
    while let Some(Append { batch, answer, .. }) = receiver.blocking_recv() {
        let mut to = log.0.lock().unwrap();
        let span = batch.span.unwrap();
        let duplicate = to.table.covers(&batch.origin.source, span);
        if !duplicate {
            to.table.learn(&batch, span).unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            to.lines.extend(batch.records.iter().map(|record| text(&record.bytes)));
        }
        // Whoever stopped does not wait for it.
        let _ = answer.send(Ok(Appended { log: LogId::from_bits(1), end: Pos(0), duplicate }));
        log.1.notify_all();
    }
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_file_that_is_renamed_and_created_anew() {
    let world = World::started("*.log");
    world.write("app.log", b"1\n2\n");
    world.expect(&["1", "2"]);
    let mut writer = fs::OpenOptions::new().append(true).open(world.path("app.log")).unwrap();
    world.rename("app.log", "app.log.1");
    // The writer learns of it late.
    writer.write_all(b"3\n").unwrap();
    world.expect(&["1", "2", "3"]);
    world.write("app.log", b"4\n");
    world.expect(&["1", "2", "3", "4"]);
    writer.write_all(b"5\n").unwrap();
    world.expect(&["1", "2", "3", "4", "5"]);
}

#[test]
fn a_file_that_is_copied_and_truncated() {
    for pattern in ["*.log", "*"] {
        let world = World::started(pattern);
        world.write("app.log", b"first\nsecond\n");
        world.expect(&["first", "second"]);
        fs::copy(world.path("app.log"), world.path("app.log.1")).unwrap();
        fs::File::options().write(true).open(world.path("app.log")).unwrap().set_len(0).unwrap();
        world.write("app.log", b"third\n");
        world.expect(&["first", "second", "third"]);
        world.write("app.log", b"fourth\n");
        world.expect(&["first", "second", "third", "fourth"]);
    }
}

#[test]
fn a_file_that_is_truncated() {
    let world = World::started("*.log");
    world.write("app.log", b"first\nsecond\n");
    world.expect(&["first", "second"]);
    fs::write(world.path("app.log"), "third\n").unwrap();
    world.expect(&["first", "second", "third"]);
    // As long as what was there.
    fs::write(world.path("app.log"), "4ourt\n").unwrap();
    world.expect(&["first", "second", "third", "4ourt"]);
}

#[test]
fn the_rest_of_a_file_that_was_compressed_meanwhile() {
    for packed in
        [gzip("1\n2\n3\n"), [gzip("1\n2"), gzip("\n3\n")].concat(), zstd::encode_all(&b"1\n2\n3\n"[..], 3).unwrap()]
    {
        let mut world = World::started("*.log");
        world.write("app.log", b"1\n2\n");
        world.expect(&["1", "2"]);
        world.stop();
        fs::remove_file(world.path("app.log")).unwrap();
        world.write("app.log.1.gz", &packed);
        world.write("app.log", b"4\n");
        world.start();
        world.expect_unordered(&["1", "2", "3", "4"]);
    }
}

#[test]
fn a_link_that_leads_to_another_file() {
    let world = World::started("current.log");
    world.write("2026-01-01", b"1\n2\n");
    symlink(world.path("2026-01-01"), world.path("current.log")).unwrap();
    world.expect(&["1", "2"]);
    world.write("2026-01-02", b"1\n3\n");
    symlink(world.path("2026-01-02"), world.path("next.log")).unwrap();
    world.rename("next.log", "current.log");
    world.expect(&["1", "2", "1", "3"]);
    world.write("2026-01-02", b"4\n");
    world.expect(&["1", "2", "1", "3", "4"]);
}

#[test]
fn a_new_file_with_the_inode_of_an_old_one() {
    for length in [1, 100] {
        let mut world = World::started("*.log");
        world.write("app.log", b"old\n");
        world.expect(&["old"]);
        world.stop();
        // Most file systems give the number to the next file that is made.
        fs::remove_file(world.path("app.log")).unwrap();
        let line = "n".repeat(length);
        world.write("app.log", format!("{line}\n").as_bytes());
        world.start();
        world.expect(&["old", &line]);
    }
}

#[test]
fn files_of_which_nothing_is_announced() {
    let mut world = World::new("*.log", Settings { polling: true, ..Settings::default() });
    world.start();
    world.write("app.log", b"1\n");
    world.expect(&["1"]);
    world.write("app.log", b"2\n");
    world.expect(&["1", "2"]);
    world.rename("app.log", "app.log.1");
    world.write("app.log", b"3\n");
    world.expect(&["1", "2", "3"]);
    fs::write(world.path("app.log"), "4\n").unwrap();
    world.expect(&["1", "2", "3", "4"]);
}

#[test]
fn text_that_is_not_utf8() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let marked = [&[0xff, 0xfe][..], &utf16("grün\nrot\n")].concat();
    for (encoding, first, second) in [
        ("utf-8", marked, utf16("blau\n")),
        ("utf-16le", utf16("grün\nrot\n"), utf16("blau\n")),
        ("windows-1252", b"gr\xfcn\nrot\n".to_vec(), b"blau\n".to_vec()),
        ("utf-8", "\u{feff}grün\nrot\n".into(), b"blau\n".to_vec()),
    ] {
        let encoding = Encoding::parse(encoding).unwrap();
        let mut world = World::new("*.log", Settings { encoding, ..Settings::default() });
        world.start();
        let (half, rest) = first.split_at(5);
        world.write("app.log", half);
        world.write("app.log", rest);
        world.expect(&["grün", "rot"]);
        world.stop();
        world.write("app.log", &second);
        world.start();
        world.expect(&["grün", "rot", "blau"]);
    }
}
