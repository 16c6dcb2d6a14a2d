//! Outputs that are away while others are not: each has every event once and in order, whoever handed it over.

use super::*;
use crate::flow::{Origin, RawBatch, Record, SyncClass};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

/// Longer than anything takes where it works.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than wait for one output.
const MANY: usize = 300;
const PLAIN: &str = "input { stdin { } }";

/// Frames of files, with the number of the file and its lines each, that are safe together.
type Frames = Vec<(usize, Vec<String>)>;

/// Gives lines of files, as the input `file` does.
struct Files {
    frames: Receiver<Frames>,
    settled: Sender<()>,
}

impl Source for Files {
    fn run(self: Box<Self>, entrance: &Entrance, _: &Stop) -> Result<(), InputError> {
        let intake = entrance.log().unwrap().intake;
        for frames in &self.frames {
            let pending = frames.into_iter().map(|(file, lines)| {
                let (source, path) = (format!("file {file}"), Some(format!("/{file}")));
                let origin = Arc::new(Origin { input: "stdin.0".into(), source, path, ..Origin::default() });
                let records = lines.into_iter().map(|line| Record::text(line.into())).collect();
                let received = crate::clock::now();
                intake.submit(RawBatch { origin, span: None, mark: None, received, records }, SyncClass::Prompt)
            });
            pending.for_each(|pending| _ = pending.unwrap().wait().unwrap());
            _ = self.settled.send(());
        }
        Ok(())
    }
}

/// A pipeline whose input gets lines of files.
struct Run {
    frames: Sender<Frames>,
    settled: Receiver<()>,
    outputs: Outputs,
    seen: Vec<Vec<String>>,
}

impl Run {
    fn start(config: &str, outputs: usize, dir: &Path) -> Run {
        let ((frames, source), (settled, answers)) = (unbounded(), unbounded());
        let source = Box::new(Files { frames: source, settled });
        let running = Outputs::start(config, outputs, Some(dir), source);
        Run { frames, settled: answers, outputs: running, seen: vec![Vec::new(); outputs] }
    }

    /// Gives frames, which then are safe.
    fn give(&self, frames: Frames) {
        self.frames.send(frames).unwrap();
        self.settled.recv_timeout(PATIENCE).unwrap();
    }

    /// Waits until an output has seen so many lines.
    fn wait(&mut self, output: usize, lines: usize) {
        let count = |seen: &Vec<String>| seen.iter().map(|event| event.lines().count()).sum::<usize>();
        while count(&self.seen[output]) < lines {
            let event = self.outputs.ends[output].0.recv_timeout(PATIENCE);
            let event = event.unwrap_or_else(|_| panic!("{output}: {:?}", self.seen[output]));
            self.seen[output].push(event);
        }
    }

    fn end(self) -> (Vec<Vec<String>>, Ended) {
        drop(self.frames);
        let (mut seen, (rest, ended)) = (self.seen, self.outputs.end());
        seen.iter_mut().zip(rest).for_each(|(seen, rest)| seen.extend(rest));
        (seen, ended)
    }
}

fn lines(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|number| number.to_string()).collect()
}

/// Frames of one file with a line each.
fn frames(range: std::ops::Range<usize>) -> Frames {
    range.map(|number| (0, lines(number..number + 1))).collect()
}

#[test]
fn an_output_that_is_away_holds_up_no_other_and_then_has_all() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(PLAIN, 3, dir.path());
    for round in 0..3 {
        let (from, to) = (2 * round * MANY, (2 * round + 1) * MANY);
        run.outputs.set_away(1, true);
        run.outputs.set_away(2, true);
        run.give(frames(from..to));
        run.wait(0, to);
        run.outputs.set_away(1, false);
        run.wait(1, to);
        // One that is back goes on with the others, and may fall behind again.
        run.give(frames(to..to + MANY));
        run.wait(0, to + MANY);
        run.wait(1, to + MANY);
        run.outputs.set_away(2, false);
        run.wait(2, to + MANY);
    }
    let (seen, ended) = run.end();
    assert!(seen.iter().all(|seen| *seen == lines(0..6 * MANY)));
    assert!(ended.sinks[1..].iter().all(|sink| of(&sink.counts.fell_behind) > 0));
    // What was made again is counted once.
    assert_eq!((of(&ended.counts.received), of(&ended.counts.filtered)), (6 * MANY as u64, 6 * MANY as u64));
    assert!(ended.sinks.iter().all(|sink| of(&sink.counts.delivered) == 6 * MANY as u64));
    assert_eq!(fs::read_dir(dir.path().join("log")).unwrap().count(), 0);
}

#[test]
fn the_end_of_the_inputs_waits_for_an_output_that_is_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(PLAIN, 2, dir.path());
    run.outputs.set_away(0, true);
    run.give(frames(0..MANY));
    run.wait(1, MANY);
    let is_away = run.outputs.ends[0].1.clone();
    let Run { frames, outputs, .. } = run;
    drop(frames);
    is_away.store(false, Ordering::Release);
    let (seen, ended) = outputs.end();
    assert_eq!(seen, [lines(0..MANY), Vec::new()]);
    assert_eq!((of(&ended.sinks[0].counts.fell_behind), of(&ended.sinks[1].counts.fell_behind)), (1, 0));
    assert_eq!(fs::read_dir(dir.path().join("log")).unwrap().count(), 0);
}

#[test]
fn where_filters_keep_something_all_wait_for_the_slowest() {
    let dir = tempfile::tempdir().unwrap();
    let filters = "filter { throttle { key => a before_count => 1 add_tag => x } }";
    let mut run = Run::start(&format!("{PLAIN} {filters}"), 2, dir.path());
    run.outputs.set_away(1, true);
    run.give(frames(0..MANY));
    run.outputs.set_away(1, false);
    run.wait(1, MANY);
    let (seen, ended) = run.end();
    assert_eq!(seen, [lines(0..MANY), lines(0..MANY)]);
    assert_eq!(of(&ended.sinks[1].counts.fell_behind), 0);
}

#[test]
fn a_stop_and_a_kill_leave_the_rest_of_an_output_that_is_behind_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = Run::start(PLAIN, 2, &dir.path().join("first"));
    run.outputs.set_away(1, true);
    run.give(frames(0..MANY));
    run.wait(0, MANY);
    // As a kill leaves it.
    copy(&dir.path().join("first"), &dir.path().join("killed"));
    run.outputs.stop.request();
    let (seen, ended) = run.end();
    assert_eq!(seen, [lines(0..MANY), Vec::new()]);
    assert_eq!(of(&ended.sinks[1].counts.fell_behind), 1);
    for name in ["first", "killed"] {
        let mut again = Run::start(PLAIN, 2, &dir.path().join(name));
        // It is behind from the start.
        again.outputs.set_away(1, true);
        again.give(frames(MANY..2 * MANY));
        while again.seen[0].last().is_none_or(|last| *last != (2 * MANY - 1).to_string()) {
            let lines = again.seen[0].len() + 1;
            again.wait(0, lines);
        }
        again.outputs.set_away(1, false);
        let (seen, _) = again.end();
        assert_eq!(seen[1], lines(0..2 * MANY));
        match name {
            "first" => assert_eq!(seen[0], lines(MANY..2 * MANY)),
            // At least once.
            _ => assert!(lines(0..2 * MANY).ends_with(&seen[0])),
        }
    }
}

/// The positions first, for what is in the log goes once they are written.
fn copy(from: &Path, to: &Path) {
    let files = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).map(|found| found.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
    };
    fs::create_dir_all(to).unwrap();
    _ = fs::copy(from.join("outputs.json"), to.join("outputs.json"));
    for log in files(&from.join("log")) {
        let to = to.join("log").join(log.file_name().unwrap());
        fs::create_dir_all(&to).unwrap();
        files(&log).iter().for_each(|file| _ = fs::copy(file, to.join(file.file_name().unwrap())).unwrap());
    }
}

/// What happens to a pipeline with three outputs.
#[derive(Clone, Debug)]
enum Step {
    /// So many frames, each of one of two files and with so many lines.
    Give(Vec<(usize, usize)>),
    Away(usize),
    Back(usize),
    /// Until an output has all, if it is there.
    Wait(usize),
    /// A stop and a start.
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let frames = prop::collection::vec((0..2_usize, 1..4_usize), 1..40);
    let step = prop_oneof![
        6 => frames.prop_map(Step::Give),
        3 => (0..3_usize).prop_map(Step::Away),
        3 => (0..3_usize).prop_map(Step::Back),
        2 => (0..3_usize).prop_map(Step::Wait),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..16)
}

/// Runs the steps; what each output has seen in each life. The lines of a file are `life file number`, and every third one
/// begins with a space.
fn run(config: &str, steps: &[Step], can_wait: bool) -> (Vec<Vec<Vec<String>>>, usize) {
    let dir = tempfile::tempdir().unwrap();
    let (mut lives, mut life, mut given) = (Vec::new(), 0, 0);
    let mut away = [false; 3];
    let mut run = Run::start(config, 3, dir.path());
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    // What each output has seen in earlier lives.
    let mut before = [0; 3];
    for step in steps {
        match step {
            Step::Give(frames) => {
                let mut lines = |(file, count): &(usize, usize)| {
                    let number = numbers.entry(*file).or_default();
                    let begin = *number;
                    *number += count;
                    given += count;
                    let line = |n: usize| format!("{}{life} {file} {n}", if n.is_multiple_of(3) { "" } else { " " });
                    (*file, (begin..*number).map(line).collect())
                };
                run.give(frames.iter().map(&mut lines).collect());
            }
            Step::Away(output) | Step::Back(output) => {
                away[*output] = matches!(step, Step::Away(_));
                run.outputs.set_away(*output, away[*output]);
            }
            // All are waited for where none is there.
            Step::Wait(output) if can_wait && !away[*output] => run.wait(*output, given - before[*output]),
            Step::Wait(_) => {}
            Step::Restart => {
                (0..3).for_each(|output| run.outputs.set_away(output, false));
                run.outputs.stop.request();
                let (seen, _) = run.end();
                before.iter_mut().zip(&seen).for_each(|(before, seen)| *before += seen.len());
                lives.push(seen);
                life += 1;
                run = Run::start(config, 3, dir.path());
                (0..3).for_each(|output| run.outputs.set_away(output, away[output]));
            }
        }
    }
    (0..3).for_each(|output| run.outputs.set_away(output, false));
    lives.push(run.end().0);
    let left = fs::read_dir(dir.path().join("log")).unwrap().count();
    // A message that a stop has cut keeps its first half until the next start.
    assert!(left == 0 || (life > 0 && config != PLAIN), "{left} logs are left");
    (lives, given)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_output_has_every_event_once_and_in_order(steps in steps()) {
        let (lives, given) = run(PLAIN, &steps, true);
        for output in 0..3 {
            let seen: Vec<&String> = lives.iter().flat_map(|seen| &seen[output]).collect();
            prop_assert_eq!(seen.len(), given);
            // In the order of each log, of each file.
            let mut last: BTreeMap<(usize, usize), usize> = BTreeMap::new();
            for line in seen {
                let parts: Vec<usize> = line.split_whitespace().map(|part| part.parse().unwrap()).collect();
                let before = last.insert((parts[0], parts[1]), parts[2]);
                prop_assert!(before.is_none_or(|before| before + 1 == parts[2]), "{} after {:?}", line, before);
            }
        }
    }

    #[test]
    fn every_output_has_the_same_messages_of_several_lines(
            steps in steps(),
            patience in prop_oneof![Just(0.001), Just(0.02), Just(3_600.0)],
        ) {
        let codec = format!(r#"codec => multiline {{ pattern => "^\s" what => previous auto_flush_interval => {patience} }}"#);
        let has_restart = steps.iter().any(|step| matches!(step, Step::Restart));
        let (lives, given) = run(&format!("input {{ stdin {{ {codec} }} }}"), &steps, !has_restart && patience < 1.0);
        for output in 0..3 {
            let seen: Vec<&str> = lives.iter().flat_map(|seen| &seen[output]).flat_map(|event| event.lines()).collect();
            // A codec may have held something back at a stop.
            prop_assert!(seen.len() == given || has_restart, "{} of {given}", seen.len());
            prop_assert_eq!(seen.into_iter().collect::<BTreeSet<_>>().len(), given);
        }
        if !has_restart {
            prop_assert!(lives[0].iter().all(|seen| *seen == lives[0][0]));
        }
    }
}
