//! What random programs do not meet, on the same simulated file system and clock.

use super::{Model, Settings};
use crate::{
    event::LINE_BYTES_MAX,
    inputs::files::{Counts, OPEN_FILES_MAX, transcode::Encoding},
};
use flate2::{Compression, write::GzEncoder};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

const FILE: &str = "/logs/app.log";

impl Model {
    fn following(settings: Settings) -> Model {
        Model::new("/logs/*", OPEN_FILES_MAX, settings)
    }

    fn add(&mut self, path: &str, bytes: &[u8]) {
        self.world.append(Path::new(path), bytes);
    }

    fn wait(&mut self, seconds: u64) {
        self.run(seconds * 1_000, 100);
    }

    fn lines(&self) -> Vec<&str> {
        self.log.lines.iter().map(|(_, line)| line.as_str()).collect()
    }

    fn counts(&self) -> Counts {
        self.life.as_ref().unwrap().tailer.counts()
    }
}

#[test]
fn a_last_line_without_its_end_is_given_when_nothing_comes() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (encoding, texts) in [
        ("utf-8", ["a\nb", "c\n", "d"].map(|text| text.as_bytes().to_vec())),
        ("utf-16le", ["a\nb", "c\n", "d"].map(utf16)),
    ] {
        let mut model =
            Model::following(Settings { encoding: Encoding::parse(encoding).unwrap(), ..Settings::default() });
        let [first, second, third] = texts;
        model.add(FILE, &first);
        model.wait(25);
        assert_eq!(model.lines(), ["a"], "{encoding}");
        model.wait(10);
        assert_eq!(model.lines(), ["a", "b"], "{encoding}");
        model.add(FILE, &second);
        model.wait(2);
        assert_eq!(model.lines(), ["a", "b", "c"], "{encoding}");
        model.kill(16);
        model.add(FILE, &third);
        model.wait(35);
        assert_eq!(model.lines(), ["a", "b", "c", "d"], "{encoding}");
    }
}

#[test]
fn half_a_character_waits_for_its_other_half() {
    let encoding = Encoding::parse("utf-16le").unwrap();
    let mut model = Model::following(Settings { encoding, ..Settings::default() });
    model.add(FILE, b"a\0b");
    model.wait(100);
    assert!(model.lines().is_empty());
    model.add(FILE, b"\0\n\0");
    model.wait(2);
    assert_eq!(model.lines(), ["ab"]);
}

#[test]
fn few_bytes_that_may_begin_a_compressed_file_are_text_in_the_end() {
    for text in ["P", "P*M"] {
        let mut model = Model::following(Settings::default());
        model.add(FILE, text.as_bytes());
        model.wait(20);
        assert!(model.lines().is_empty());
        model.wait(60);
        assert_eq!(model.lines(), [text]);
        model.kill(16);
        model.wait(100);
        model.add(FILE, b"more\n");
        model.wait(2);
        assert_eq!(model.lines(), [text, "more"]);
    }
}

#[test]
fn of_an_overlong_line_its_beginning_is_kept_and_the_rest_counted() {
    let mut model = Model::following(Settings::default());
    model.add(FILE, b"before\n");
    model.add(FILE, &vec![b'x'; LINE_BYTES_MAX + 100]);
    model.add(FILE, b"\nbehind\n");
    model.wait(3);
    assert_eq!(model.lines().iter().map(|line| line.len()).collect::<Vec<_>>(), [6, LINE_BYTES_MAX, 6]);
    assert_eq!(model.counts().truncated_bytes, 100);
}

#[test]
fn idle_files_are_not_touched_and_few_are_open() {
    const FILES: u64 = 5_000;
    let mut model = Model::following(Settings::default());
    for number in 0..FILES {
        model.add(&format!("/logs/{number}.log"), b"a line\n");
    }
    let mut most = 0;
    model.look();
    for _ in 0..30 {
        model.step();
        most = most.max(model.world.uses().0);
        model.now += Duration::from_millis(100);
    }
    assert_eq!((model.log.lines.len() as u64, most), (FILES, OPEN_FILES_MAX));
    let (_, used) = model.world.uses();
    for _ in 0..10 {
        model.now += Duration::from_secs(1);
        model.life.as_mut().unwrap().tailer.sweep();
        model.step();
    }
    assert_eq!(model.world.uses().1, used);
    model.add("/logs/0.log", b"and one\n");
    model.life.as_mut().unwrap().tailer.sweep();
    for _ in 0..30 {
        model.step();
        model.now += Duration::from_millis(100);
    }
    assert_eq!(model.log.lines.len() as u64, FILES + 1);
}

#[test]
fn an_unreadable_file_is_tried_again_without_haste() {
    let mut model = Model::following(Settings::default());
    let unreadable = |model: &Model| model.life.as_ref().unwrap().tailer.unreadable();
    model.world.set_readable(Path::new(FILE), false);
    model.add(FILE, b"a\n");
    model.wait(200);
    assert_eq!((unreadable(&model), model.lines().len()), (1, 0));
    assert!(model.world.uses().1 < 12, "{:?}", model.world.uses());
    model.world.set_readable(Path::new(FILE), true);
    model.wait(70);
    assert_eq!((unreadable(&model), model.lines()), (0, vec!["a"]));
}

#[test]
fn what_is_truncated_before_it_was_read_is_counted() {
    // What is appended while the log is full, what the file is cut to, and what comes then, also while it is full.
    let line = "x".repeat(99) + "\n";
    let check = |before: usize, cuts: &[&[u8]], expected: u64| {
        let mut model = Model::following(Settings::default());
        model.add(FILE, b"first\n");
        model.wait(3);
        model.full = true;
        model.add(FILE, line.repeat(before).as_bytes());
        model.wait(10);
        let read = model.life.as_ref().unwrap().tailer.counts().bytes;
        for content in cuts {
            model.world.truncate(Path::new(FILE));
            model.wait(2);
            model.add(FILE, content);
            model.wait(2);
        }
        model.full = false;
        model.wait(70);
        let lines = model.lines();
        assert!(lines.contains(&"first") && lines.contains(&"last"));
        assert_eq!(model.counts().lost_bytes, 6 + 100 * before as u64 - read + expected);
        assert!(before < 10_000 || model.counts().lost_bytes > 10_000_000, "it was full");
    };
    let long = [line.repeat(200_000).as_bytes(), b"last\n"].concat();
    check(150_000, &[b"last\n"], 0);
    check(150_000, &[&long], 0);
    check(150_000, &[b"second\n", b"last\n"], 7);
    check(10, &[b"last\n"], 0);
}

#[test]
fn damaged_compressed_files_are_said_and_counted_and_not_behind() {
    const PACKED: &str = "/logs/app.log.1.gz";
    let gzip = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let [first, second, third] = ["1\n2\n", "3\n4\n", "5\n6\n"].map(gzip);
    let broken = [&second[..3], b"\xff", &second[4..]].concat();
    let zstd = zstd::encode_all(&b"1\n2\n"[..], 3).unwrap();
    for (bytes, behind, expected, says) in [
        ([&first[..], &broken, &third].concat(), second.len(), &["1", "2", "5", "6"][..], "read on from byte"),
        ([&first[..], &third, &broken].concat(), second.len(), &["1", "2", "5", "6"], "nothing behind it"),
        ([&zstd[..], b"text\n"].concat(), 5, &["1", "2"], "nothing behind it"),
    ] {
        let settings = Settings { delete_after: Some(Duration::from_secs(60)), ..Settings::default() };
        let mut model = Model::following(settings);
        model.add(PACKED, &bytes);
        model.wait(100);
        let check = |model: &Model| {
            assert_eq!(model.lines(), expected);
            let tailer = &model.life.as_ref().unwrap().tailer;
            let status = tailer.status(model.now, 9).remove(0);
            let size = bytes.len() as u64;
            assert_eq!((status.size, status.read, status.durable, status.lag_bytes), (size, size, size, 0));
            let failure = status.failure.unwrap();
            assert!(
                failure.contains(says) && failure.contains(&format!("; {behind} bytes of it are lost")),
                "{failure}"
            );
            assert!(tailer.is_quiet() && tailer.unreadable() == 0 && model.world.exists(Path::new(PACKED)));
        };
        check(&model);
        assert_eq!(model.counts().lost_bytes, behind as u64);
        let (_, used) = model.world.uses();
        model.wait(100);
        assert!(model.world.uses().1 < used + 10, "it is left alone");
        model.kill(16);
        model.wait(10);
        assert_eq!(model.lines(), expected, "nothing is read again");
    }
}

#[test]
fn the_status_of_a_compressed_file_is_of_its_bytes() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let text = (0..200_000).fold(String::new(), |text, number| text + &format!("line {number}\n"));
    encoder.write_all(text.as_bytes()).unwrap();
    let bytes = encoder.finish().unwrap();
    let mut model = Model::following(Settings::default());
    model.add("/logs/app.log.1.gz", &bytes);
    model.full = true;
    model.wait(20);
    let status = |model: &Model| model.life.as_ref().unwrap().tailer.status(model.now, 9).remove(0);
    let waiting = status(&model);
    assert!(waiting.read > 0 && waiting.read < waiting.size && waiting.durable == 0, "{waiting:?}");
    assert_eq!((waiting.size, waiting.lag_bytes), (bytes.len() as u64, bytes.len() as u64));
    model.full = false;
    model.wait(20);
    let done = status(&model);
    assert_eq!((done.read, done.durable, done.lag_bytes), (done.size, done.size, 0));
}

#[test]
fn rotated_files_are_deleted_when_they_are_durable() {
    let names = |model: &Model| model.world.names();
    let app = |names: &[&str]| names.iter().map(|name| PathBuf::from(format!("/logs/{name}"))).collect::<Vec<_>>();
    let mut model = Model::following(Settings { delete_after: Some(Duration::from_secs(60)), ..Settings::default() });
    for name in ["app.log", "app.log.1", "app-2.log"] {
        model.add(&format!("/logs/{name}"), format!("{name}\n").as_bytes());
    }
    model.full = true;
    model.wait(100);
    assert_eq!(names(&model), app(&["app-2.log", "app.log", "app.log.1"]));
    model.full = false;
    model.wait(10);
    assert_eq!(names(&model), app(&["app-2.log", "app.log"]));
    assert_eq!((model.counts().deleted, model.lines().len()), (1, 3));
    model.world.rename(Path::new(FILE), Path::new("/logs/app.log.2"));
    model.wait(100);
    assert_eq!(names(&model), app(&["app-2.log"]));
}

#[test]
fn from_the_end_means_the_files_of_the_first_look() {
    let mut model = Model::following(Settings { from_end: true, ..Settings::default() });
    model.life = None;
    model.add(FILE, b"old\n");
    model.start();
    model.wait(3);
    model.add(FILE, b"new\n");
    model.add("/logs/other.log", b"whole\n");
    model.wait(3);
    assert_eq!(model.lines(), ["new", "whole"]);
}
