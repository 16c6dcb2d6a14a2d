//! Random programs of writers, rotations and crashes against the tailer, on a simulated file system and clock: every line
//! that existed long enough to be read is in the log exactly once, and the lines of a content are in order. What was written
//! shortly before its file was emptied or deleted may be missing, and nothing else; only what was copied more than
//! `COPY_WAIT` before it was truncated may be there twice, where the patterns mean the copy, too.
//!
//! Every run tries the same programs; `LOGSHIP_MODEL_PROGRAMS=20000 LOGSHIP_MODEL_SEED=2 cargo test --lib files::model` tries
//! more and others.

mod cases;
mod failed;
mod program;
mod world;

use super::{OPEN_FILES_MAX, Settings, Tailer, copies::COPY_WAIT, glob::Globs};
use crate::{
    event::Timestamp,
    flow::{AppendError, Appended, LogId, Pos, RawBatch},
    log::SourceTable,
};
use flate2::{Compression, write::GzEncoder};
use program::{Action, any_action, programs};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use world::World;

/// What a line may be in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// There once.
    Once,
    /// Its file was emptied or deleted before anybody had to have read it.
    MayBeLost,
    /// It was copied so long before its file was emptied that nobody can tell the copy from another file.
    MayBeTwice,
}

/// What was written is durable after so long,
const STORED_MS: u64 = 1_500;
/// if the log was not full in this time before.
const FULL_HEALS: Duration = Duration::from_secs(4);

/// The log: what was made durable outlives every crash.
#[derive(Default)]
struct Log {
    table: SourceTable,
    lines: Vec<(String, String)>,
    /// The last line of each source.
    last: BTreeMap<String, u64>,
}

struct Life {
    world: World,
    tailer: Tailer,
    globs: Globs,
    waiting: Vec<(u64, RawBatch)>,
}

struct Model {
    world: World,
    log: Log,
    life: Option<Life>,
    now: Instant,
    wall: Timestamp,
    next_line: u64,
    fates: BTreeMap<u64, Fate>,
    /// Lines in each file that are there and were not surely read.
    unread: BTreeMap<PathBuf, BTreeSet<u64>>,
    /// Files of whose content something was surely read.
    met: BTreeSet<PathBuf>,
    begun: BTreeMap<u8, (u64, PathBuf)>,
    rotations: u64,
    /// The newest rotated file of each.
    rotated: BTreeMap<u8, PathBuf>,
    full: bool,
    /// When the log was last full.
    full_at: Option<Instant>,
    pattern: &'static str,
    open_max: usize,
    settings: Settings,
}

impl Model {
    fn new(pattern: &'static str, open_max: usize, settings: Settings) -> Model {
        let mut model = Model {
            world: World::default(),
            log: Log::default(),
            life: None,
            now: crate::clock::instant(),
            wall: Timestamp::from_millis(1_800_000_000_000),
            next_line: 0,
            fates: BTreeMap::new(),
            unread: BTreeMap::new(),
            met: BTreeSet::new(),
            begun: BTreeMap::new(),
            rotations: 0,
            rotated: BTreeMap::new(),
            full: false,
            full_at: None,
            pattern,
            open_max,
            settings,
        };
        model.start();
        model
    }

    fn start(&mut self) {
        let globs = Globs::below("/", &[self.pattern.to_owned()], &[]).unwrap();
        let mut tailer = Tailer::new(self.settings.clone(), Box::new(self.world.clone()), &self.log.table);
        tailer.open_max = self.open_max;
        self.life = Some(Life { world: self.world.clone(), tailer, globs, waiting: Vec::new() });
        self.look();
    }

    fn look(&mut self) {
        let Some(life) = &mut self.life else { return };
        let mut found = Vec::new();
        life.globs.walk(&life.world, &mut found);
        life.tailer.look(&found, self.now, self.wall);
    }

    fn path(file: u8) -> PathBuf {
        PathBuf::from(format!("/logs/app{file}.log"))
    }

    /// Lets the tailer do what is due until so much time has passed, in steps of so much.
    fn run(&mut self, ms: u64, step_ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while self.now <= end {
            if ms >= 100 || self.now == end {
                self.look();
            }
            if let Some(life) = &mut self.life {
                life.tailer.sweep();
            }
            self.step();
            self.now += Duration::from_millis(step_ms);
            self.wall = Timestamp::from_millis(self.wall.as_millis() + step_ms as i64);
        }
        let healed = self.full_at.is_none_or(|at| self.now - at >= FULL_HEALS);
        // Long enough to be read and stored, and nothing in the way.
        if ms >= STORED_MS && healed && !self.full && self.life.is_some() {
            self.unread.clear();
            self.met =
                self.world.names().into_iter().filter(|path| self.world.content(path).contains(&b'\n')).collect();
        }
    }

    fn step(&mut self) {
        let Some(life) = &mut self.life else { return };
        for _ in 0..3 {
            let waiting = &mut life.waiting;
            life.tailer.step(self.now, self.wall, &mut |key, batch| waiting.push((key, batch)));
            for (key, batch) in std::mem::take(&mut life.waiting) {
                let answer = if self.full { Err(AppendError::Full) } else { Ok(append(&mut self.log, &batch)) };
                life.tailer.answered(key, answer, self.now);
            }
        }
    }

    fn write(&mut self, path: &Path, text: &str) {
        self.world.append(path, text.as_bytes());
    }

    fn write_line(&mut self, path: &Path, length: u16) {
        let (number, line) = self.new_line(length);
        self.write(path, &line);
        self.unread.entry(path.to_owned()).or_default().insert(number);
    }

    fn new_line(&mut self, length: u16) -> (u64, String) {
        let number = self.next_line;
        self.next_line += 1;
        self.fates.insert(number, Fate::Once);
        (number, format!("{number:06} {}\n", "x".repeat(usize::from(length))))
    }

    /// What nobody had to have read by now may be lost with its file.
    fn endanger(&mut self, path: &Path) {
        for number in self.unread.remove(path).unwrap_or_default() {
            self.fates.insert(number, Fate::MayBeLost);
        }
        self.met.remove(path);
        // A line that was never finished is none.
        self.begun.retain(|_, (_, begun)| begun != path);
    }

    fn moved(&mut self, from: &Path, to: &Path) {
        // Nobody can know of what came and went before anybody looked.
        if !self.met.remove(from) && self.pattern.ends_with(".log") {
            self.endanger(from);
        }
        if let Some(unread) = self.unread.remove(from) {
            self.unread.entry(to.to_owned()).or_default().extend(unread);
        }
        for (_, begun) in self.begun.values_mut().filter(|(_, begun)| begun == from) {
            to.clone_into(begun);
        }
    }

    fn act(&mut self, action: &Action) {
        match action {
            Action::Write { file, lines, length } => {
                // A begun line would become one with the first of these.
                self.act(&Action::Finish { file: *file });
                (0..*lines).for_each(|_| self.write_line(&Model::path(*file), *length));
            }
            Action::Begin { file } => {
                if self.begun.contains_key(file) {
                    return;
                }
                let (number, line) = self.new_line(9);
                let path = Model::path(*file);
                self.write(&path, &line[..9]);
                self.fates.insert(number, Fate::MayBeLost);
                self.begun.insert(*file, (number, path));
            }
            Action::Finish { file } => {
                let Some((number, path)) = self.begun.remove(file) else { return };
                if self.world.exists(&path) {
                    self.write(&path, "yyyyyyy\n");
                    self.fates.insert(number, Fate::Once);
                    self.unread.entry(path).or_default().insert(number);
                }
            }
            Action::Rename { file } => {
                let (path, rotated) = (Model::path(*file), self.rotated(*file));
                if self.world.exists(&path) {
                    self.world.rename(&path, &rotated);
                    self.moved(&path, &rotated);
                }
            }
            Action::CopyTruncate { file, between_ms, late } => self.copy_truncate(*file, *between_ms, *late),
            Action::Truncate { file } => {
                let path = Model::path(*file);
                self.endanger(&path);
                self.world.truncate(&path);
            }
            Action::Delete { file } => {
                let path = Model::path(*file);
                self.endanger(&path);
                self.world.delete(&path);
            }
            Action::Recreate { file } => {
                self.act(&Action::Delete { file: *file });
                self.act(&Action::Write { file: *file, lines: 2, length: 20 });
            }
            Action::Compress { file, members, between_ms } => self.compress(*file, *members, u64::from(*between_ms)),
            Action::Run { ms } => self.run(u64::from(*ms), 100),
            Action::Kill { kept } => self.kill(usize::from(*kept)),
            Action::Stop => self.kill(16),
            Action::ClockJump { seconds } => {
                self.wall = Timestamp::from_millis(self.wall.as_millis() + i64::from(*seconds) * 1_000);
            }
            Action::Down(actions) => {
                self.life = None;
                actions.iter().for_each(|action| self.act(action));
                self.start();
            }
            Action::Full { ms } => {
                self.full = true;
                self.run(u64::from(*ms), 100);
                self.full = false;
                self.full_at = Some(self.now);
            }
        }
    }

    fn rotated(&mut self, file: u8) -> PathBuf {
        self.rotations += 1;
        let path = PathBuf::from(format!("/logs/app{file}.log.{}", self.rotations));
        self.rotated.insert(file, path.clone());
        path
    }

    fn copy_truncate(&mut self, file: u8, between_ms: u16, late: u8) {
        let path = Model::path(file);
        if !self.world.exists(&path) {
            return;
        }
        if late > 0 {
            self.act(&Action::Finish { file });
        }
        let rotated = self.rotated(file);
        self.world.copy(&path, &rotated);
        // A line that was begun is finished in no file.
        self.begun.retain(|_, (_, begun)| *begun != path);
        let copied = numbers(&self.world.content(&rotated));
        let unread = self.unread.remove(&path).unwrap_or_default();
        if late > 0 {
            self.act(&Action::Write { file, lines: late, length: 30 });
        }
        if between_ms > 0 && self.life.is_some() {
            self.run(u64::from(between_ms), 100);
        }
        let is_late = Duration::from_millis(u64::from(between_ms) + 200) > COPY_WAIT;
        if (is_late || late > 0) && self.pattern == "/logs/*" {
            for number in copied {
                self.fates.insert(number, Fate::MayBeTwice);
            }
        }
        // What is in the copy is not lost, what came later is.
        let met = self.met.contains(&path);
        self.endanger(&path);
        self.unread.insert(path.clone(), unread);
        if met {
            self.met.insert(path.clone());
        }
        self.moved(&path, &rotated);
        self.world.truncate(&path);
    }

    fn compress(&mut self, file: u8, members: u8, between_ms: u64) {
        let Some(path) = self.rotated.remove(&file).filter(|path| self.world.exists(path)) else { return };
        self.begun.retain(|_, (_, begun)| *begun != path);
        let packed = PathBuf::from(format!("{}.gz", path.display()));
        let content = self.world.content(&path);
        let length = content.len().div_ceil(usize::from(members)).max(1);
        for member in content.chunks(length) {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(member).unwrap();
            let bytes = encoder.finish().unwrap();
            let (first, second) = bytes.split_at(bytes.len() / 2);
            for part in [first, second] {
                self.world.append(&packed, part);
                if between_ms > 0 && self.life.is_some() {
                    self.run(between_ms, 100);
                }
            }
        }
        self.moved(&path, &packed);
        self.world.delete(&path);
    }

    /// The process dies: what is on its way to the log may be durable or not.
    fn kill(&mut self, sixteenths: usize) {
        let Some(mut life) = self.life.take() else { return };
        let waiting = &mut life.waiting;
        life.tailer.step(self.now, self.wall, &mut |key, batch| waiting.push((key, batch)));
        let kept = life.waiting.len() * sixteenths / 16;
        for (_, batch) in life.waiting.drain(..).take(kept) {
            append(&mut self.log, &batch);
        }
        drop(life);
        self.start();
    }

    fn check(&mut self) {
        self.run(3_000, 100);
        self.run(200_000, 2_000);
        let mut found: BTreeMap<u64, usize> = BTreeMap::new();
        for (_, line) in &self.log.lines {
            if let Some(number) = number(line) {
                *found.entry(number).or_default() += 1;
            }
        }
        for (number, fate) in &self.fates {
            let count = found.get(number).copied().unwrap_or(0);
            let right = match fate {
                Fate::Once => count == 1,
                Fate::MayBeLost => count <= 1,
                Fate::MayBeTwice => (1..=2).contains(&count),
            };
            let sources: Vec<_> =
                self.log.lines.iter().filter(|(_, line)| super::model::number(line) == Some(*number)).collect();
            assert!(
                right,
                "line {number} ({fate:?}) is there {count} times: {sources:?}; files: {:?}",
                self.world.names()
            );
        }
    }
}

/// The number of a line, if it is long enough to be one.
fn number(line: &str) -> Option<u64> {
    line.get(..6).filter(|_| line.len() > 7)?.parse().ok()
}

fn numbers(content: &[u8]) -> BTreeSet<u64> {
    String::from_utf8_lossy(content).lines().filter_map(number).collect()
}

/// Appends as the log does: what a source has made durable is not stored again.
fn append(log: &mut Log, batch: &RawBatch) -> Appended {
    // Only of mixed streams can records come in parts.
    let span = batch.span.unwrap();
    let duplicate = log.table.covers(&batch.origin.source, span);
    if !duplicate {
        let known = log.table.get(&batch.origin.source).map_or(span.from, |state| state.positions.end());
        assert_eq!(span.from, known, "{} has a gap or goes back", batch.origin.source);
        log.table.learn(batch, span).unwrap();
        for record in &batch.records {
            let line = String::from_utf8(record.bytes.to_vec()).unwrap();
            if let Some(number) = number(&line) {
                let last = log.last.insert(batch.origin.source.clone(), number);
                assert!(last.is_none_or(|last| last < number), "line {number} is behind {last:?}");
            }
            log.lines.push((format!("{} of {:?}", batch.origin.source, batch.origin.path), line));
        }
    }
    Appended { log: LogId::from_bits(1), end: Pos(0), duplicate }
}

proptest! {
    #![proptest_config(programs())]

    #[test]
    fn every_line_is_there_once(
        actions in prop::collection::vec(any_action(), 0..24),
        pattern in prop_oneof![Just("/logs/*.log"), Just("/logs/*")],
        open_max in prop_oneof![Just(1usize), Just(2), Just(OPEN_FILES_MAX)],
    ) {
        let mut model = Model::new(pattern, open_max, Settings::default());
        for action in &actions {
            model.act(action);
        }
        model.check();
    }
}
