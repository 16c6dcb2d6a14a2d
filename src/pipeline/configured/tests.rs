//! Pipelines from an input to outputs that the test holds.

mod behind;

use super::{
    Ended, Pipeline, QueueKind, Stops,
    build::{Attached, Named, Sources},
    load,
};
use crate::{
    config::Settings,
    event::{Event, Timestamp, Value},
    flow::Stop,
    inputs::plugins::{Entrance, InputError, Kept, Source},
    log,
    outputs::plugins::{Encoded, Output, Refused, Sink, SinkError},
    plan::program::Program,
};
use crossbeam_channel::{Receiver, Sender, unbounded};
use logship_parsers::config::{self, Options, Source as Text};
use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Gives what the test sends and says when it is safe. Ends with the sender.
struct Sent {
    lines: Receiver<String>,
    settled: Sender<String>,
}

impl Source for Sent {
    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let mut stream = entrance.stream([]);
        for line in &self.lines {
            stream.bytes(format!("{line}\n").as_bytes())?;
            stream.settle()?;
            _ = self.settled.send(line);
            if stop.is_requested() {
                break;
            }
        }
        stream.finish()
    }
}

/// Where the events of one output go: messages that begin with `bad` are not wanted there.
#[derive(Clone)]
struct Far {
    seen: Sender<String>,
    is_away: Arc<AtomicBool>,
}

impl Output for Far {
    fn encode(&self, event: &Event, _: Timestamp, out: &mut Encoded) {
        let message = event.fields.get("message").and_then(Value::as_str).unwrap_or_default();
        out.text_mut().push_str(message);
        out.end("", Some(event));
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(self.clone()))
    }
}

impl Sink for Far {
    fn deliver(&mut self, batch: &mut Encoded, refused: &mut Vec<Refused>, _: &Stop) -> Result<(), SinkError> {
        loop {
            let Some((text, event)) = batch.items().next().map(|(text, item)| (text.to_owned(), item.event.clone()))
            else {
                return Ok(());
            };
            if self.is_away.load(Ordering::Acquire) {
                return Err(SinkError::Again { cause: "it is away".into(), after: Some(Duration::from_millis(1)) });
            }
            match event.filter(|_| text.starts_with("bad")) {
                Some(event) => refused.push(Refused { event, reason: format!("{text} is bad") }),
                None => _ = self.seen.send(text),
            }
            batch.done(1);
        }
    }
}

/// A pipeline that runs, and the ends of its outputs.
struct Outputs {
    ends: Vec<(Receiver<String>, Arc<AtomicBool>)>,
    stop: Stops,
    ended: thread::JoinHandle<io::Result<Ended>>,
}

impl Outputs {
    fn start(config: &str, outputs: usize, dir: Option<&Path>, source: Box<dyn Source>) -> Outputs {
        let text = format!("{config} output {{ {} }}", "stdout { } ".repeat(outputs));
        let mut sources: Sources = vec![Text::new("test", text)];
        let (loaded, diagnostics) = load(&mut sources, &Options::default(), &Settings::default());
        let mut pipeline: Pipeline = loaded.unwrap_or_else(|| panic!("{}", diagnostics[0].render(&sources)));
        pipeline.sources = vec![source];
        let mut ends = Vec::new();
        let parsed = config::parse(&sources, &Options::default()).config;
        pipeline.plan.sinks.clear();
        let sinks = &mut pipeline.plan.sinks;
        pipeline.plan.outputs = Program::compile(&parsed.outputs, &mut Vec::new(), &mut |_, _| {
            let ((seen, received), is_away) = (unbounded(), Arc::new(AtomicBool::new(false)));
            ends.push((received, is_away.clone()));
            sinks.push(Named { name: format!("far.{}", sinks.len()), plugin: "far".to_owned(), shared: None });
            Some(Attached { output: Box::new(Far { seen, is_away }), sink: sinks.len() - 1 })
        });
        let queue = match dir {
            None => QueueKind::Memory,
            Some(dir) => QueueKind::Log { dir: dir.to_owned(), options: log::Options::default() },
        };
        let stop = Stops::new().unwrap();
        let running = pipeline.start(2, queue, Kept::default(), &stop).unwrap();
        let ended = thread::Builder::new().name("wait".into()).spawn(move || running.wait()).unwrap();
        Outputs { ends, stop, ended }
    }

    fn set_away(&self, output: usize, is_away: bool) {
        self.ends[output].1.store(is_away, Ordering::Release);
    }

    /// Waits for the end, which the inputs have reached: what each output has seen, and what was counted.
    fn end(self) -> (Vec<Vec<String>>, Ended) {
        let ended = self.ended.join().unwrap().unwrap();
        for sink in &ended.sinks {
            let counts = &sink.counts;
            let became = of(&counts.delivered) + of(&counts.refused) + of(&counts.abandoned);
            assert_eq!(of(&counts.taken), became, "{}", sink.name);
        }
        (self.ends.iter().map(|(seen, _)| seen.try_iter().collect()).collect(), ended)
    }
}

fn of(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// A pipeline whose input gets single lines.
struct Run {
    lines: Sender<String>,
    settled: Receiver<String>,
    outputs: Outputs,
}

impl Run {
    fn start(filters: &str, outputs: usize, dir: Option<&Path>) -> Run {
        let ((lines, source), (settled, answers)) = (unbounded(), unbounded());
        let source = Box::new(Sent { lines: source, settled });
        let outputs = Outputs::start(&format!("filter {{ {filters} }}"), outputs, dir, source);
        Run { lines, settled: answers, outputs }
    }

    /// Gives lines, each safe before the next.
    fn give(&self, lines: impl IntoIterator<Item = String>) {
        for line in lines {
            self.lines.send(line.clone()).unwrap();
            assert_eq!(self.settled.recv().unwrap(), line);
        }
    }

    /// Ends the input, and so the pipeline.
    fn end(self) -> (Vec<Vec<String>>, Ended) {
        drop(self.lines);
        self.outputs.end()
    }
}

fn numbers(range: std::ops::Range<u32>) -> impl Iterator<Item = String> {
    range.map(|number| number.to_string())
}

#[test]
fn every_output_gets_every_event_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for dir in [None, Some(dir.path())] {
        let run = Run::start("if [message] == \"7\" { drop { } }", 2, dir);
        run.give(numbers(0..300));
        let (seen, ended) = run.end();
        let expected: Vec<_> = numbers(0..300).filter(|number| number != "7").collect();
        assert_eq!((&seen[0], &seen[1]), (&expected, &expected));
        assert_eq!((of(&ended.counts.received), of(&ended.counts.filtered)), (300, 299));
    }
    // Nothing is kept that nobody needs.
    assert_eq!(std::fs::read_dir(dir.path().join("log")).unwrap().count(), 0);
}

#[test]
fn what_an_output_could_not_deliver_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let first = Run::start("", 2, Some(dir.path()));
    first.give(numbers(0..2));
    assert_eq!(first.outputs.ends[1].0.recv().unwrap(), "0");
    assert_eq!(first.outputs.ends[1].0.recv().unwrap(), "1");
    first.outputs.set_away(1, true);
    first.give(numbers(2..5));
    // The other does not wait for it.
    assert_eq!(first.outputs.ends[0].0.iter().take(5).collect::<Vec<_>>(), numbers(0..5).collect::<Vec<_>>());
    first.outputs.stop.request();
    let (seen, _) = first.end();
    assert!(seen.iter().all(Vec::is_empty), "{seen:?}");

    let second = Run::start("", 2, Some(dir.path()));
    second.give(numbers(5..6));
    let (seen, _) = second.end();
    assert_eq!(seen, [numbers(5..6).collect::<Vec<_>>(), numbers(2..6).collect()]);
}

#[test]
fn what_is_new_follows_what_waited_while_the_pipeline_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let run = Run::start("", 1, Some(dir.path()));
        run.give([format!("new {round}")]);
        // Nothing else wakes the pipeline.
        let seen: Vec<_> = run.outputs.ends[0].0.iter().take(1 + usize::from(round > 0)).collect();
        let expected = [format!("left {}", round - 1), format!("new {round}")];
        assert_eq!(seen, expected[usize::from(round == 0)..]);
        run.outputs.set_away(0, true);
        run.give([format!("left {round}")]);
        run.outputs.stop.request();
        run.end();
    }
}

#[test]
fn what_waited_in_several_lives_comes_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    for life in 0..3 {
        let run = Run::start("", 1, Some(dir.path()));
        run.outputs.set_away(0, true);
        run.give([life.to_string()]);
        run.outputs.stop.request();
        run.end();
    }
    let (seen, _) = Run::start("", 1, Some(dir.path())).end();
    assert_eq!(seen, [numbers(0..3).collect::<Vec<_>>()]);
}

#[test]
fn an_output_that_comes_back_gets_what_waited() {
    for dir in [None, Some(tempfile::tempdir().unwrap())] {
        let run = Run::start("", 1, dir.as_ref().map(|dir| dir.path()));
        run.outputs.set_away(0, true);
        run.give(numbers(0..3));
        run.outputs.set_away(0, false);
        assert_eq!(run.end().0, [numbers(0..3).collect::<Vec<_>>()]);
    }
}

#[test]
fn only_one_process_runs_a_pipeline() {
    let dir = tempfile::tempdir().unwrap();
    let first = Run::start("", 1, Some(dir.path()));
    let text = "input { stdin { } }";
    let (second, _) = load(&mut vec![Text::new("test", text)], &Options::default(), &Settings::default());
    let queue = QueueKind::Log { dir: dir.path().to_owned(), options: log::Options::default() };
    let error =
        second.unwrap().start(1, queue, Kept::default(), &Stops::new().unwrap()).map(drop).unwrap_err().to_string();
    assert!(error.contains("another process") && error.contains("--pipeline.id"), "{error}");
    first.end();
}

#[test]
fn an_id_belongs_to_one_plugin() {
    let check = |text: &str, expected: &[&str]| {
        let (_, diagnostics) = load(&mut vec![Text::new("test", text)], &Options::default(), &Settings::default());
        let messages: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(messages, expected, "{text}");
    };
    check("filter { drop { id => a } if [x] { drop { id => b } } } output { null { id => c } }", &[]);
    check("filter { drop { id => a } if [x] { } else { drop { id => a } } }", &["two plugins have the id `a`"]);
    check("input { stdin { id => a } } output { null { id => a } }", &["two plugins have the id `a`"]);
}
