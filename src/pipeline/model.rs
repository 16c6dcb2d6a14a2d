//! The model test of log, manifest and commit together: random programs of clients, pipes, an owner and its store run on the
//! simulated file system and are killed at random operations, by a crash of the process or a loss of power, often once more
//! while they recover, and meet failing operations and a full disk on the way.
//!
//! Real are the log's writer, the rules by which logs are read, trimmed, carried and removed ([`super::logs`],
//! [`super::ingest_log`]), the parsing, and the store with its commits, merges and sealings. Only threads and time are left
//! out. Whenever a store is opened, its events must be exactly those that its progress claims; in the end every acknowledged
//! record must be there once, none twice, and no log be left that nothing needs.
//!
//! `PROPTEST_CASES=10000 cargo test --lib pipeline::model` runs more of them.

use super::{
    ingest_log::carry_over,
    logs::{self, Logs},
};
use crate::{
    event::Timestamp,
    flow::{
        Append, AppendError, Appended, Batch, LogId, Origin, Outlet, Pos, Progress, RawBatch, Record, Span, SyncClass,
    },
    fs::{
        self, Fs,
        sim::{Fault, SimFs},
    },
    log::{self, Writer},
    outputs::store::commit,
    plan::{Plan, StreamHints},
    store::{Options, Row, Store},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, Mutex},
};
use tantivy::DocAddress;
use tokio::sync::{oneshot, watch};

const LOGS: &str = "/data/log";
const STORE: &str = "/data/store";
/// Crashes at different operations of each program.
const CRASHES: usize = 4;
/// Soft commits in a row, so that there is something to merge.
const BURST: usize = 9;

#[derive(Clone, Debug)]
enum Op {
    /// A request of so many records, of a client that can send again or of none.
    Append {
        source: Option<u8>,
        records: u8,
    },
    /// A request that was sent already is sent again, pending, acknowledged or failed.
    Resend(prop::sample::Index),
    Flush,
    Commit,
    /// Another process appends to a log of its own, and may know its source.
    Pipe {
        known: bool,
        records: u8,
    },
    PipeCommit,
    /// It ends in order.
    PipeEnd,
    /// It is killed alone.
    PipeKill,
    /// The store takes in so many frames.
    Read(u8),
    Soft,
    Hard,
    LetGo,
    Seal,
    /// Many small segments.
    Burst,
    /// Everything is indexed, as at a stop, and another engine started.
    Drain,
    /// The engine is started again.
    Reopen,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (prop::option::of(0u8..2), 0u8..4).prop_map(|(source, records)| Op::Append { source, records }),
        2 => any::<prop::sample::Index>().prop_map(Op::Resend),
        1 => Just(Op::Flush),
        5 => Just(Op::Commit),
        3 => (any::<bool>(), 0u8..4).prop_map(|(known, records)| Op::Pipe { known, records }),
        2 => Just(Op::PipeCommit),
        1 => Just(Op::PipeEnd),
        1 => Just(Op::PipeKill),
        4 => (1u8..20).prop_map(Op::Read),
        2 => Just(Op::Soft),
        3 => Just(Op::Hard),
        3 => Just(Op::LetGo),
        2 => Just(Op::Seal),
        1 => Just(Op::Burst),
        1 => Just(Op::Drain),
        1 => Just(Op::Reopen),
    ]
}

/// A batch as its sender knows it.
#[derive(Clone, Debug)]
struct Sent {
    source: Option<u8>,
    span: Option<Span>,
    records: Vec<u64>,
    acknowledged: bool,
    /// Where it was acknowledged to be, if not as a duplicate.
    at: Option<(LogId, Pos)>,
}

/// The source that another process knows.
const PIPED: u8 = 2;

#[derive(Clone, Copy, Debug)]
struct Settings {
    log: log::Options,
    seal_events: u64,
    /// The owner is a pipe: its own log is there before the store is and carries nothing on.
    pipe: bool,
}

/// What outlives every crash: what clients know, and what was seen.
struct World {
    settings: Settings,
    sent: Vec<Sent>,
    records: u64,
    next: [u64; 3],
    logs: u64,
    /// Frames that were read: where they end and what they hold.
    frames: BTreeMap<(LogId, Pos), (Pos, Vec<u64>)>,
    /// What hard commits said is done.
    done: Progress,
    /// Logs that were said to be durably gone.
    gone: BTreeSet<LogId>,
}

/// A log that a process of this life writes.
struct Writing {
    id: LogId,
    writer: Writer,
    ends: watch::Receiver<Pos>,
}

/// One run of an engine.
struct Engine {
    store: Store,
    logs: Logs,
    hints: StreamHints,
    outlet: Outlet,
    progress: watch::Receiver<Progress>,
    gone: Mutex<Vec<LogId>>,
}

/// One life of the machine's processes.
struct Life {
    fs: Arc<dyn Fs>,
    engine: Engine,
    ingest: Writing,
    pipe: Option<Writing>,
    carried: BTreeSet<LogId>,
    waiting: Vec<(usize, oneshot::Receiver<Result<Appended, AppendError>>)>,
}

/// Something failed that an engine or a process cannot live with.
#[derive(Debug)]
struct Ended;

fn ended(_: impl std::fmt::Debug) -> Ended {
    Ended
}

fn text(record: u64) -> String {
    format!("r{record} {}", "\u{ff5e}".repeat(record as usize * 7 % 23))
}

fn number(text: &str) -> u64 {
    text[1..].split(' ').next().unwrap().parse().unwrap()
}

fn options(world: &World, fs: &Arc<dyn Fs>) -> Options {
    Options {
        free_bytes_min: 0,
        seal_events: world.settings.seal_events,
        segment_memory: 1 << 20,
        fs: fs.clone(),
        now: Timestamp::default,
        free_space: |_| Ok(u64::MAX),
        ..Options::default()
    }
}

/// Every event of a store: its log, its position, its number.
fn events(store: &Store) -> Vec<(LogId, Pos, u64)> {
    let (snapshot, mut found) = (store.snapshot(), Vec::new());
    assert_eq!(snapshot.set_aside(), [""; 0]);
    for (partition, view) in snapshot.partitions().iter().enumerate() {
        for (segment, reader) in (0u32..).zip(view.searcher.segment_readers()) {
            for doc in 0..reader.max_doc() {
                let stored = snapshot.event(Row { partition, address: DocAddress::new(segment, doc) }).unwrap();
                let message = stored.event.message().unwrap();
                found.push((stored.id.log, stored.id.at, number(message)));
            }
        }
    }
    found
}

impl Engine {
    fn open(world: &mut World, fs: &Arc<dyn Fs>) -> Result<Engine, Ended> {
        let mut store = Store::open(Path::new(STORE), options(world, fs)).map_err(|error| {
            assert!(!matches!(error, crate::store::StoreError::Corrupt { .. }) || is_dead(&**fs), "{error}");
            Ended
        })?;
        if is_dead(&**fs) {
            return Err(Ended);
        }
        world.verify(&store);
        // What it claims is relied on from now on.
        world.is_done(store.progress());
        // As the owner does.
        for log in logs::gone(&**fs, Path::new(LOGS), store.progress()).unwrap_or_default() {
            assert!(world.is_covered(log), "log {log} went too early");
            world.gone.insert(log);
            store.forget_log(log);
        }
        let (_, outlet, progress) = Outlet::channel(store.progress().clone());
        let logs = Logs::new(fs.clone(), LOGS.into());
        Ok(Engine { store, logs, hints: StreamHints::default(), outlet, progress, gone: Mutex::default() })
    }

    /// Takes in at most so many frames; whether there may be more.
    fn read(&mut self, world: &mut World, own: &Writing, count: usize) -> Result<bool, Ended> {
        self.logs.look(&self.progress.borrow()).map_err(ended)?;
        let mut left = count;
        for (id, open) in self.logs.iter_mut() {
            let durable = (id == own.id).then(|| *own.ends.borrow());
            while left > 0
                && let Some(frame) = open.next(durable)
            {
                left -= 1;
                world.saw(&frame);
                let events = Plan::auto().run(&frame, &self.hints.observe(&frame));
                let batch = Batch { log: frame.log, end: frame.end, first_number: 0, events };
                self.store.add(&batch).map_err(ended)?;
            }
        }
        Ok(left == 0)
    }

    fn hard(&mut self, world: &mut World) -> Result<(), Ended> {
        let progress = commit(&mut self.store, &self.gone).map_err(ended)?;
        self.outlet.done(&progress);
        world.is_done(&progress);
        Ok(())
    }

    fn let_go(&mut self, world: &mut World, carried: &BTreeSet<LogId>) {
        let progress = self.progress.borrow_and_update().clone();
        for log in self.logs.let_go(&progress, &|log| carried.contains(&log)) {
            world.let_go(log, carried);
            self.gone.lock().unwrap().push(log);
        }
    }
}

fn is_dead(fs: &dyn Fs) -> bool {
    fs.list(Path::new("/")).is_err()
}

impl World {
    fn new(settings: Settings) -> World {
        World {
            settings,
            sent: Vec::new(),
            records: 0,
            next: [0; 3],
            logs: 0,
            frames: BTreeMap::new(),
            done: Progress::new(),
            gone: BTreeSet::new(),
        }
    }

    fn start(&mut self, sim: &SimFs) -> Result<Life, Ended> {
        let fs: Arc<dyn Fs> = Arc::new(sim.clone());
        let root = Path::new(LOGS);
        for dir in [root.parent().unwrap(), root] {
            if fs.list(dir).is_err() {
                fs.create_dir(dir).map_err(ended)?;
            }
        }
        let early = if self.settings.pipe { Some(self.begin(&fs, log::SourceTable::default())?) } else { None };
        let engine = Engine::open(self, &fs)?;
        let (ingest, carried) = match early {
            Some(own) => (own, BTreeSet::new()),
            None => {
                let (table, dead) = carry_over(&fs, root).map_err(ended)?;
                (self.begin(&fs, table)?, dead.into_iter().collect())
            }
        };
        Ok(Life { fs, engine, ingest, pipe: None, carried, waiting: Vec::new() })
    }

    fn begin(&mut self, fs: &Arc<dyn Fs>, table: log::SourceTable) -> Result<Writing, Ended> {
        let root = Path::new(LOGS);
        fs::create_dirs(&**fs, root).map_err(ended)?;
        log::tidy(&**fs, root).map_err(ended)?;
        self.logs += 1;
        let id = LogId::from_bits(self.logs);
        let (sender, ends) = watch::channel(Pos(0));
        let writer = Writer::create(fs.clone(), root, id, self.settings.log, table, sender).map_err(ended)?;
        Ok(Writing { id, writer, ends })
    }

    fn append(&mut self, source: Option<u8>, records: u8) -> usize {
        let numbers: Vec<u64> = (0..u64::from(records)).map(|i| self.records + i).collect();
        self.records += u64::from(records);
        let span = source.map(|source| {
            let from = self.next[source as usize];
            self.next[source as usize] += u64::from(records) + 1;
            Span { from, to: from + u64::from(records) + 1 }
        });
        self.sent.push(Sent { source, span, records: numbers, acknowledged: false, at: None });
        self.sent.len() - 1
    }

    fn request(&self, which: usize) -> (Append, oneshot::Receiver<Result<Appended, AppendError>>) {
        let sent = &self.sent[which];
        let source = sent.source.map(|source| source.to_string()).unwrap_or_default();
        let batch = RawBatch {
            origin: Arc::new(Origin { source, ..Origin::default() }),
            span: sent.span,
            received: Timestamp::from_millis(which as i64),
            records: sent.records.iter().map(|&record| Record::text(text(record).into())).collect(),
        };
        let (answer, receiver) = oneshot::channel();
        (Append { batch, class: SyncClass::Prompt, answer }, receiver)
    }

    fn send(&mut self, life: &mut Life, which: usize) {
        let (append, receiver) = self.request(which);
        life.ingest.writer.stage(append);
        life.waiting.push((which, receiver));
    }

    /// Takes the answers that have come.
    fn hear(&mut self, life: &mut Life) {
        life.waiting.retain_mut(|(which, receiver)| match receiver.try_recv() {
            Ok(Ok(appended)) => {
                let sent = &mut self.sent[*which];
                assert!(appended.duplicate || !sent.acknowledged, "an acknowledged batch was stored again");
                sent.acknowledged = true;
                if !appended.duplicate {
                    sent.at = Some((appended.log, appended.end));
                }
                false
            }
            Err(oneshot::error::TryRecvError::Empty) => true,
            _ => false,
        });
    }

    /// A frame never becomes another.
    fn saw(&mut self, frame: &crate::flow::Frame) {
        let records = frame.batch.records.iter().map(|record| {
            let text_of = std::str::from_utf8(&record.bytes).unwrap();
            assert_eq!(text_of, text(number(text_of)));
            number(text_of)
        });
        let now = (frame.end, records.collect::<Vec<_>>());
        let before = self.frames.entry((frame.log, frame.start)).or_insert_with(|| now.clone());
        assert_eq!(*before, now, "of {} at {:?}", frame.log, frame.start);
    }

    fn is_done(&mut self, progress: &Progress) {
        for (log, pos) in progress {
            let done = self.done.entry(*log).or_default();
            *done = (*pos).max(*done);
        }
    }

    /// Whether everything acknowledged in this log is durable in the store.
    fn is_covered(&self, log: LogId) -> bool {
        let done = self.done.get(&log).copied().unwrap_or_default();
        self.sent.iter().filter_map(|sent| sent.at).all(|(at, end)| at != log || end <= done)
    }

    fn let_go(&mut self, log: LogId, carried: &BTreeSet<LogId>) {
        assert!(self.is_covered(log), "log {log} went too early");
        let known = self.sent.iter().any(|sent| sent.span.is_some() && sent.at.is_some_and(|(at, _)| at == log));
        assert!(!known || carried.contains(&log), "log {log} was needed for its sources");
        self.gone.insert(log);
    }

    /// The events of a store that was just opened are those that its progress claims.
    fn verify(&self, store: &Store) {
        let (found, progress) = (events(store), store.progress());
        let stored: BTreeMap<u64, (LogId, Pos)> = found.iter().map(|&(log, at, number)| (number, (log, at))).collect();
        assert_eq!(stored.len(), found.len(), "something is stored twice: {found:?}");
        for (log, done) in &self.done {
            let now = progress.get(log);
            assert!(now.is_some_and(|now| now >= done) || (now.is_none() && self.gone.contains(log)), "{log} {done:?}");
        }
        for (&(log, start), (end, records)) in &self.frames {
            let inside =
                |record: &u64| stored.get(record).is_some_and(|(at, pos)| *at == log && *pos >= start && pos < end);
            let kept = records.iter().filter(|record| inside(record)).count();
            assert!(kept == 0 || kept == records.len(), "a frame is torn: {kept} of {records:?}");
            if let Some(done) = progress.get(&log) {
                assert_eq!(
                    end <= done,
                    kept > 0 || records.is_empty() && end <= done,
                    "{log} {start:?}..{end:?} {done:?}"
                );
            }
        }
        for sent in &self.sent {
            let Some((log, end)) = sent.at else { continue };
            let claimed = progress.get(&log).is_some_and(|done| end <= *done) || self.gone.contains(&log);
            let kept = sent.records.iter().all(|record| stored.contains_key(record));
            assert!(kept || !claimed, "{sent:?} is claimed and not there");
        }
    }

    fn run(&mut self, life: &mut Life, op: &Op) -> Result<(), Ended> {
        let Life { fs, engine, ingest, pipe, carried, waiting } = life;
        match op {
            Op::Append { source, records } => {
                let which = self.append(source.filter(|_| !self.settings.pipe), *records);
                self.send(life, which);
            }
            Op::Resend(index) => {
                let again: Vec<usize> = (0..self.sent.len())
                    .filter(|&i| self.sent[i].source.is_some_and(|source| source < PIPED))
                    .collect();
                if !again.is_empty() {
                    self.send(life, *index.get(&again));
                }
            }
            Op::Flush => ingest.writer.flush(),
            Op::Commit => ingest.writer.commit(),
            Op::Pipe { known, records } => {
                if pipe.is_none() {
                    *pipe = self.begin(fs, log::SourceTable::default()).ok();
                }
                if let Some(pipe) = pipe {
                    let which = self.append(known.then_some(PIPED), *records);
                    let (append, receiver) = self.request(which);
                    pipe.writer.stage(append);
                    pipe.writer.flush();
                    waiting.push((which, receiver));
                }
            }
            Op::PipeCommit => pipe.iter_mut().for_each(|pipe| pipe.writer.commit()),
            Op::PipeEnd => pipe.take().into_iter().for_each(|mut pipe| pipe.writer.commit()),
            Op::PipeKill => *pipe = None,
            Op::Read(count) => drop(engine.read(self, ingest, usize::from(*count))?),
            Op::Soft => engine.store.commit_soft().map_err(ended)?,
            Op::Hard => engine.hard(self)?,
            Op::LetGo => engine.let_go(self, carried),
            Op::Seal => drop(engine.store.maintain(Timestamp::default()).map_err(ended)?),
            Op::Burst => {
                for _ in 0..BURST {
                    let which = self.append(None, 1);
                    let (append, receiver) = self.request(which);
                    ingest.writer.stage(append);
                    ingest.writer.commit();
                    waiting.push((which, receiver));
                    engine.read(self, ingest, usize::MAX)?;
                    engine.store.commit_soft().map_err(ended)?;
                }
            }
            Op::Drain => return self.drain(life),
            Op::Reopen => return Err(Ended),
        }
        Ok(())
    }

    /// As at a stop: everything durable is indexed, and logs go.
    fn drain(&mut self, life: &mut Life) -> Result<(), Ended> {
        self.hear(life);
        let Life { fs, engine, ingest, pipe, carried, .. } = life;
        let unmarked = pipe.as_ref().filter(|pipe| pipe.writer.is_unmarked()).map(|pipe| pipe.id);
        engine.logs.look(&engine.progress.borrow()).map_err(ended)?;
        engine.logs.note_ends();
        while engine.read(self, ingest, 8)? {
            engine.let_go(self, carried);
        }
        engine.hard(self)?;
        let progress = engine.store.progress().clone();
        let before: Vec<LogId> = log::list(&**fs, Path::new(LOGS)).map_err(ended)?.iter().map(|log| log.id).collect();
        let logs = std::mem::replace(&mut engine.logs, Logs::new(fs.clone(), LOGS.into()));
        if logs.end(true).finish(&progress, &|log| carried.contains(&log)).is_ok() {
            for (log, end) in self.sent.iter().filter_map(|sent| sent.at) {
                let covered = progress.get(&log).is_some_and(|done| end <= *done) || self.gone.contains(&log);
                assert!(covered || unmarked == Some(log), "log {log} was not drained to {end:?}: {progress:?}");
            }
        }
        let after: Vec<LogId> = log::list(&**fs, Path::new(LOGS)).map_err(ended)?.iter().map(|log| log.id).collect();
        for log in before.into_iter().filter(|log| !after.contains(log)) {
            self.let_go(log, carried);
        }
        Err(Ended)
    }

    /// Starts the engine again until it runs or the process is dead.
    fn reopen(&mut self, life: Life) -> Option<Life> {
        let Life { fs, engine, ingest, pipe, carried, waiting } = life;
        drop(engine);
        for _ in 0..20 {
            if is_dead(&*fs) {
                break;
            }
            if let Ok(engine) = Engine::open(self, &fs) {
                return Some(Life { fs, engine, ingest, pipe, carried, waiting });
            }
        }
        assert!(is_dead(&*fs), "the store never opens");
        None
    }

    /// Runs on from life to life; a program goes on where a life ended.
    fn live(&mut self, sim: &mut SimFs, program: &[Op]) {
        let mut ops = program.iter();
        let mut lives = 0;
        while !ops.as_slice().is_empty() || lives == 0 {
            lives += 1;
            assert!(lives < 100, "it never starts");
            *sim = sim.restart();
            let Ok(mut life) = self.start(sim) else { continue };
            for op in ops.by_ref() {
                let outcome = self.run(&mut life, op);
                self.hear(&mut life);
                if is_dead(&*life.fs) {
                    break;
                }
                if outcome.is_err() {
                    match self.reopen(life) {
                        Some(reopened) => life = reopened,
                        None => break,
                    }
                }
            }
        }
    }

    /// What is durable is enough, whatever a loss of power takes now: what was read may be let go of.
    fn relax(&mut self, sim: &mut SimFs) {
        let mut life = self.start(sim).unwrap();
        while life.engine.read(self, &life.ingest, 8).unwrap() {}
        life.engine.let_go(self, &life.carried);
        drop(life);
        sim.lose_power();
        *sim = sim.restart();
    }

    /// Everything that clients can send again is sent again, and indexed, and logs go.
    fn finish(&mut self, sim: &mut SimFs) -> Engine {
        let mut life = self.start(sim).unwrap();
        for which in 0..self.sent.len() {
            if self.sent[which].span.is_some() && !self.sent[which].acknowledged {
                self.send(&mut life, which);
            }
        }
        life.ingest.writer.commit();
        self.hear(&mut life);
        assert!(life.waiting.is_empty());
        while life.engine.read(self, &life.ingest, 8).unwrap() {}
        life.engine.hard(self).unwrap();
        life.engine.let_go(self, &life.carried);
        let left: Vec<LogId> = log::list(&*life.fs, Path::new(LOGS)).unwrap().iter().map(|log| log.id).collect();
        assert_eq!(left, [life.ingest.id], "what nothing needs goes");
        life.engine.hard(self).unwrap();
        life.engine
    }

    /// Everything is found once, and goes on being found.
    fn check(&mut self, sim: &mut SimFs) {
        sim.heal();
        *sim = sim.restart();
        self.settings = Settings { log: log::Options::default(), pipe: false, ..self.settings };
        self.relax(sim);
        drop(self.finish(sim));
        sim.lose_power();
        *sim = sim.restart();
        let engine = self.finish(sim);
        self.verify(&engine.store);
        let seen: BTreeSet<u64> = events(&engine.store).into_iter().map(|(_, _, number)| number).collect();
        for sent in &self.sent {
            assert!(sent.span.is_none() || sent.acknowledged, "{sent:?} was refused");
            let kept = sent.records.iter().filter(|record| seen.contains(record)).count();
            assert!(kept == sent.records.len() || !sent.acknowledged, "{sent:?} is lost");
            assert!(kept == sent.records.len() || kept == 0, "{sent:?} is torn");
        }
    }
}

/// One run of a program, with these crashes; how many operations there were.
fn run(program: &[Op], settings: Settings, faults: &[(u64, Fault)], seed: u64) -> u64 {
    let mut sim = SimFs::new(seed);
    faults.iter().for_each(|&(op, fault)| sim.inject(op, fault));
    let mut world = World::new(settings);
    world.live(&mut sim, program);
    let ops = sim.ops();
    if seed.is_multiple_of(3) {
        sim.lose_power();
    }
    world.check(&mut sim);
    ops
}

fn any_fault() -> impl Strategy<Value = (u64, Fault)> {
    (8u64..400, prop_oneof![Just(Fault::Fail), Just(Fault::NoSpace)])
}

fn any_crash() -> impl Strategy<Value = (prop::sample::Index, Fault, Option<(u64, Fault)>)> {
    let kind = || prop_oneof![Just(Fault::Kill), Just(Fault::PowerLoss)];
    (any::<prop::sample::Index>(), kind(), prop::option::weighted(0.7, (1u64..60, kind())))
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(100),
        max_shrink_iters: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_doubled(
        program in prop::collection::vec(any_op(), 1..32),
        segment_bytes_max in prop_oneof![Just(1u64), 200u64..900, Just(1 << 20)],
        bytes_max in prop_oneof![3 => Just(1u64 << 30), 1 => 600u64..3000],
        seal_events in 1u64..20,
        pipe in prop::bool::weighted(0.3),
        faults in prop::collection::vec(any_fault(), 0..5),
        crashes in prop::collection::vec(any_crash(), CRASHES),
        seed in any::<u64>(),
    ) {
        let log = log::Options { bytes_max, segment_bytes_max };
        let settings = Settings { log, seal_events, pipe };
        let ops = run(&program, settings, &faults, seed);
        for (n, (at, fault, again)) in (1..).zip(crashes) {
            let at = at.index(ops as usize) as u64;
            let mut faults = faults.clone();
            faults.push((at, fault));
            faults.extend(again.map(|(later, fault)| (at + later, fault)));
            run(&program, settings, &faults, seed.wrapping_add(n));
        }
    }
}

/// The place of a mark that was read may be taken by a record: here a segment cannot be begun behind it, twice.
#[test]
fn a_frame_in_the_place_of_a_mark_is_read() {
    let pipe = |records| Op::Pipe { known: false, records };
    let append = Op::Append { source: None, records: 0 };
    let program = [append.clone(), pipe(1), pipe(0), append, Op::Flush, Op::Read(4), pipe(1), pipe(1), Op::Drain];
    let log = log::Options { bytes_max: 1 << 30, segment_bytes_max: 1 };
    let settings = Settings { log, seal_events: 1, pipe: false };
    for first in 20..90 {
        for second in first + 1..90 {
            run(&program, settings, &[(first, Fault::NoSpace), (second, Fault::NoSpace)], 1);
        }
    }
}
