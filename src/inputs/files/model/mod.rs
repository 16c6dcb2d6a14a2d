//! Random programs of writers, rotations and crashes against the tailer, on a simulated file system and clock: every line
//! that existed long enough to be read is in the log exactly once, and the lines of a content are in order.
//!
//! `PROPTEST_CASES=20000 cargo test --lib files::model` tries more programs.

mod world;

use super::{Settings, Tailer, glob::Globs};
use crate::{
    event::Timestamp,
    flow::{AppendError, Appended, LogId, Pos, RawBatch},
    log::{SourceTable, clients::trials},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use world::World;

/// What happens next. Files are numbered.
#[derive(Clone, Debug)]
enum Action {
    /// So many lines, of about that length.
    Write { file: u8, lines: u8, length: u16 },
    /// The beginning of a line.
    Begin { file: u8 },
    /// The end of the line that was begun.
    Finish { file: u8 },
    /// The file is renamed and created anew by the next write.
    Rename { file: u8 },
    /// It is copied and truncated; the tailer runs for so long in between.
    CopyTruncate { file: u8, between_ms: u16 },
    /// It is emptied.
    Truncate { file: u8 },
    /// It is deleted.
    Delete { file: u8 },
    /// Time passes in which the tailer runs.
    Run { ms: u16 },
    /// The process ends at any point and starts again; time may pass in between.
    Kill,
    /// While it is down, these happen.
    Down(Vec<Action>),
    /// The log takes nothing for a while.
    Full { ms: u16 },
}

fn any_action() -> impl Strategy<Value = Action> {
    let file = 0u8..3;
    let write = (file.clone(), 1u8..6, prop_oneof![4 => 4u16..60, 1 => 400u16..3_000])
        .prop_map(|(file, lines, length)| Action::Write { file, lines, length });
    let calm = prop_oneof![
        6 => write,
        1 => file.clone().prop_map(|file| Action::Begin { file }),
        1 => file.clone().prop_map(|file| Action::Finish { file }),
        2 => file.clone().prop_map(|file| Action::Rename { file }),
        2 => (file.clone(), prop_oneof![Just(0u16), 0u16..6_000]).prop_map(|(file, between_ms)| Action::CopyTruncate { file, between_ms }),
        1 => file.clone().prop_map(|file| Action::Truncate { file }),
        1 => file.prop_map(|file| Action::Delete { file }),
    ];
    prop_oneof![
        10 => calm.clone(),
        6 => prop_oneof![3 => 0u16..1_500, 1 => 0u16..20_000].prop_map(|ms| Action::Run { ms }),
        1 => Just(Action::Kill),
        1 => prop::collection::vec(calm, 0..4).prop_map(Action::Down),
        1 => (0u16..3_000).prop_map(|ms| Action::Full { ms }),
    ]
}

/// What a line may be in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// There once.
    Once,
    /// Its file was emptied or deleted before anybody had to have read it.
    MayBeLost,
}

/// The log: what was made durable outlives every crash.
#[derive(Default)]
struct Log {
    table: SourceTable,
    lines: Vec<String>,
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
    full: bool,
    pattern: &'static str,
}

impl Model {
    fn new(pattern: &'static str) -> Model {
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
            full: false,
            pattern,
        };
        model.start();
        model
    }

    fn start(&mut self) {
        let globs = Globs::below("/", &[self.pattern.to_owned()], &[]).unwrap();
        let tailer = Tailer::new(Settings::default(), Box::new(self.world.clone()), &self.log.table);
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

    /// Lets the tailer do what is due until so much time has passed.
    fn run(&mut self, ms: u64) {
        let end = self.now + Duration::from_millis(ms);
        while self.now <= end {
            if ms >= 100 || self.now == end {
                self.look();
            }
            if let Some(life) = &mut self.life {
                life.tailer.sweep();
            }
            self.step();
            self.now += Duration::from_millis(100);
            self.wall = Timestamp::from_millis(self.wall.as_millis() + 100);
        }
        // Long enough to be read, and nothing in the way.
        if ms >= 1_000 && !self.full && self.life.is_some() {
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
                let path = Model::path(*file);
                for _ in 0..*lines {
                    let (number, line) = self.new_line(*length);
                    self.write(&path, &line);
                    self.unread.entry(path.clone()).or_default().insert(number);
                }
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
                let Some((_, path)) = self.begun.remove(file) else { return };
                if self.world.exists(&path) {
                    self.write(&path, "yyyyyyy\n");
                }
            }
            Action::Rename { file } => {
                let (path, rotated) = (Model::path(*file), self.rotated(*file));
                if self.world.exists(&path) {
                    self.world.rename(&path, &rotated);
                    self.moved(&path, &rotated);
                }
            }
            Action::CopyTruncate { file, between_ms } => self.copy_truncate(*file, *between_ms),
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
            Action::Run { ms } => self.run(u64::from(*ms)),
            Action::Kill => self.kill(),
            Action::Down(actions) => {
                self.life = None;
                actions.iter().for_each(|action| self.act(action));
                self.start();
            }
            Action::Full { ms } => {
                self.full = true;
                self.run(u64::from(*ms));
                self.full = false;
            }
        }
    }

    fn rotated(&mut self, file: u8) -> PathBuf {
        self.rotations += 1;
        PathBuf::from(format!("/logs/app{file}.log.{}", self.rotations))
    }

    fn copy_truncate(&mut self, file: u8, between_ms: u16) {
        let (path, rotated) = (Model::path(file), self.rotated(file));
        if !self.world.exists(&path) {
            return;
        }
        self.world.copy(&path, &rotated);
        if between_ms > 0 && self.life.is_some() {
            self.run(u64::from(between_ms.min(4_000)));
        }
        // What is in the copy is not lost.
        self.moved(&path, &rotated);
        self.world.truncate(&path);
    }

    /// The process dies: what is on its way to the log may be durable or not.
    fn kill(&mut self) {
        let Some(mut life) = self.life.take() else { return };
        let waiting = &mut life.waiting;
        life.tailer.step(self.now, self.wall, &mut |key, batch| waiting.push((key, batch)));
        let kept = life.waiting.len() / 2;
        for (_, batch) in life.waiting.drain(..).take(kept) {
            append(&mut self.log, &batch);
        }
        drop(life);
        self.start();
    }

    fn check(&mut self) {
        self.run(3_000);
        self.run(150_000);
        let mut found: BTreeMap<u64, usize> = BTreeMap::new();
        for line in &self.log.lines {
            if let Some(number) = line.get(..6).and_then(|number| number.parse().ok())
                && line.len() > 7
            {
                *found.entry(number).or_default() += 1;
            }
        }
        for (number, fate) in &self.fates {
            let count = found.get(number).copied().unwrap_or(0);
            let right = match fate {
                Fate::Once => count == 1,
                Fate::MayBeLost => true,
            };
            assert!(right, "line {number} ({fate:?}) is there {count} times; files: {:?}", self.world.names());
        }
    }
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
        log.lines.extend(batch.records.iter().map(|record| String::from_utf8(record.bytes.to_vec()).unwrap()));
    }
    Appended { log: LogId::from_bits(1), end: Pos(0), duplicate }
}

proptest! {
    #![proptest_config(trials(2_000, 4_000))]

    #[test]
    fn every_line_is_there_once(
        actions in prop::collection::vec(any_action(), 0..24),
        pattern in prop_oneof![Just("/logs/*.log"), Just("/logs/*")],
    ) {
        let mut model = Model::new(pattern);
        for action in &actions {
            model.act(action);
        }
        model.check();
    }
}
