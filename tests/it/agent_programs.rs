//! Random programs of what happens to a followed file, its agent and its server: with real files, real processes and
//! `kill -9`. Each line that was there long enough to be read is stored once, in order within its file.
//!
//! `LOGSHIP_PROGRAMS` sets their number, `LOGSHIP_PROGRAMS_SEED` the first one's seed: it is printed where one fails.

use crate::{agent_world::World, crash::Luck, harness::signal};
use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

const PROGRAMS: u64 = 40;
const STEPS: u64 = 12;
const AT_A_TIME: usize = 4;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// What happens next.
type Step = fn(&mut Program);

/// One program as it runs.
struct Program {
    world: World,
    luck: Luck,
    /// The contents that the file has had.
    contents: usize,
    /// How often it was rotated.
    rotated: usize,
    /// Only the file's own name is followed: what is rotated away unseen is nobody's.
    is_narrow: bool,
    /// What was done, for who must understand a failure.
    done: Vec<String>,
}

impl Program {
    fn new(seed: u64) -> Program {
        let mut luck = Luck::seeded(seed);
        let is_narrow = luck.below(2) == 0;
        let world = World::running(if is_narrow { "app.log" } else { "app.log*" });
        Program { world, luck, contents: 0, rotated: 0, is_narrow, done: Vec::new() }
    }

    fn content(&self) -> String {
        format!("content {}", self.contents)
    }

    fn write(&mut self) {
        let lines = 1 + self.luck.below(60) as usize;
        self.world.write("app.log", &self.content(), lines);
    }

    /// A line in two parts, with something in between.
    fn write_torn(&mut self) {
        let content = self.content();
        let known = self.world.written.entry(content.clone()).or_default();
        let line = format!("{content} says line {} of many", known.len());
        known.push(line.clone());
        let (begin, end) = line.split_at(1 + self.luck.below(line.len() as u64 - 1) as usize);
        self.world.append("app.log", begin);
        if self.luck.below(3) == 0 {
            self.kill_agent();
        }
        self.world.append("app.log", format!("{end}\n"));
    }

    /// Everything is read: what happens to the file now takes nothing away.
    fn arrive(&mut self) {
        self.world.start_server();
        self.world.start_agent();
        self.world.arrived();
    }

    fn kill_agent(&mut self) {
        self.world.kill_agent();
    }

    /// The name of the next rotated file.
    fn next_name(&mut self) -> String {
        self.rotated += 1;
        format!("app.log.{}", self.rotated)
    }

    fn before_rotation(&mut self) {
        self.write();
        if self.is_narrow {
            self.arrive();
        }
        if self.luck.below(3) == 0 {
            self.kill_agent();
        }
        self.write();
    }

    fn rename(&mut self) {
        self.before_rotation();
        let name = self.next_name();
        self.world.rename("app.log", &name);
        if self.luck.below(2) == 0 {
            // Its writer has not heard of it.
            let content = self.content();
            self.world.write(&name, &content, 2);
        }
        if self.luck.below(3) == 0 {
            if self.is_narrow || self.luck.below(2) == 0 {
                self.arrive();
            }
            let status = Command::new("gzip").arg(self.world.path(&name)).status().unwrap();
            assert!(status.success());
        }
        self.contents += 1;
        self.write();
    }

    fn copy_and_truncate(&mut self) {
        self.before_rotation();
        let name = self.next_name();
        self.world.copy_and_truncate("app.log", &name);
        self.contents += 1;
        self.write();
    }

    fn truncate(&mut self) {
        self.write();
        self.arrive();
        self.world.truncate("app.log");
        self.contents += 1;
        self.write();
    }

    /// A file that comes after it often has its number.
    fn delete(&mut self) {
        self.write();
        self.arrive();
        fs::remove_file(self.world.path("app.log")).unwrap();
        self.contents += 1;
        self.write();
    }

    fn step(&mut self) {
        let steps: [(&str, Step); 12] = [
            ("write", Program::write),
            ("write torn", Program::write_torn),
            ("rename", Program::rename),
            ("copy and truncate", Program::copy_and_truncate),
            ("truncate", Program::truncate),
            ("delete", Program::delete),
            ("kill agent", Program::kill_agent),
            ("stop agent", |program| program.world.stop_agent()),
            ("start agent", |program| program.world.start_agent()),
            ("kill server", |program| program.world.kill_server()),
            ("start server", |program| program.world.start_server()),
            ("hang up", |program| {
                if let Some(agent) = &program.world.agent {
                    signal(&agent.child, "HUP");
                }
            }),
        ];
        let (name, run) = steps[self.luck.below(steps.len() as u64) as usize];
        self.done.push(name.to_owned());
        run(self);
    }
}

fn run(seed: u64) {
    let mut program = Program::new(seed);
    for _ in 0..STEPS {
        program.step();
    }
    // Seen only where it fails.
    println!("LOGSHIP_PROGRAMS_SEED={seed} {:?}", program.done);
    program.world.exactly_once();
}

#[test]
fn whatever_happens_each_line_is_stored_once() {
    let first = number("LOGSHIP_PROGRAMS_SEED", 1);
    let (next, end) = (AtomicU64::new(first), first + number("LOGSHIP_PROGRAMS", PROGRAMS));
    let work = || {
        let seeds = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < end));
        seeds.for_each(run);
    };
    // They wait more than they work.
    std::thread::scope(|scope| (0..AT_A_TIME).for_each(|_| drop(scope.spawn(work))));
}
