//! The model test of the log: random programs of a client, a log and a store run in the simulated file system and are
//! killed at every single operation, by a crash of the process or a loss of power, and often once more while they
//! recover. Afterwards every acknowledged record must be in the store exactly once and none twice.

use super::{
    Found, Limit, Options, Reader, SourceTable,
    clients::{Clients, Waiting, any_fault, numbers, trials},
    folder, list, remove, sources_of, trim,
    writer::Writer,
};
use crate::event::Timestamp;
use crate::flow::{Append, AppendError, LogId, Origin, Pos, RawBatch, Record, SyncClass};
use crate::fs::{
    self, Fs,
    sim::{Fault, SimFs},
};
use proptest::prelude::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use tokio::sync::{oneshot, watch};

const ROOT: &str = "/data/log";
const MANIFEST: &str = "/data/manifest";

#[derive(Clone, Debug)]
enum Op {
    /// A batch of so many records, of a source that can send again or of none.
    Append {
        source: Option<u8>,
        records: u8,
    },
    /// A batch that was sent already is sent again, pending, acknowledged or failed.
    Resend(prop::sample::Index),
    Flush,
    Commit,
    /// The store takes in what the log has, and commits.
    Drain,
    Trim,
    Close,
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (prop::option::of(0u8..2), 0u8..4).prop_map(|(source, records)| Op::Append { source, records }),
        2 => any::<prop::sample::Index>().prop_map(Op::Resend),
        1 => Just(Op::Flush),
        5 => Just(Op::Commit),
        2 => Just(Op::Drain),
        1 => Just(Op::Trim),
        1 => Just(Op::Close),
    ]
}

/// What the store has: written as one file, so that records and positions are durable together.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Manifest {
    progress: BTreeMap<String, u64>,
    stored: Vec<u64>,
}

/// What outlives every crash.
struct World {
    options: Options,
    clients: Clients,
    logs: u64,
    /// Dead logs are drained at the start, rather than with the own log: both are allowed.
    eager: bool,
}

/// One life of the process.
struct Life {
    fs: Arc<dyn Fs>,
    writer: Writer,
    ends: watch::Receiver<Pos>,
    id: LogId,
    waiting: Waiting,
    manifest: Manifest,
    dead: Vec<Found>,
}

/// The process ended: something failed that it cannot live with.
struct Ended;

fn drain(fs: &Arc<dyn Fs>, manifest: &mut Manifest, dir: &Path, limit: Limit) -> Result<(), Ended> {
    let id = folder::id_of(dir).map_err(|_| Ended)?.to_string();
    let from = Pos(manifest.progress.get(&id).copied().unwrap_or(0));
    let open = || Reader::open(fs, dir, from);
    // A missing frame is a loss, whatever else happens.
    let mut reader =
        open().map_err(|error| assert!(!error.to_string().contains("missing"), "{error}")).map_err(|()| Ended)?;
    let mut frames = Vec::new();
    while let Some(frame) = reader.next(limit).map_err(|_| Ended)? {
        frames.push(frame.start);
        manifest.stored.extend(numbers(&frame.batch));
        manifest.progress.insert(id.clone(), frame.end.0);
    }
    let mut marked = open().map_err(|_| Ended)?;
    let mut behind = Vec::new();
    while let Some(frame) = marked.next(Limit::Marked).map_err(|_| Ended)? {
        behind.push(frame.start);
    }
    assert!(frames.starts_with(&behind), "marked frames {behind:?} are not the first of {frames:?}");
    // A loss of power may keep a later frame and not an earlier one, but not of what was synced.
    assert!(limit == Limit::Everything || reader.stats().bad_bytes_skipped == 0, "nothing durable is bad");
    let json = serde_json::to_vec(manifest).unwrap();
    fs::replace(&**fs, Path::new(MANIFEST), &json).map_err(|_| Ended)
}

impl Life {
    fn drain_dead(&mut self) -> Result<(), Ended> {
        for log in std::mem::take(&mut self.dead) {
            drain(&self.fs, &mut self.manifest, &log.dir, Limit::Everything)?;
            remove(&*self.fs, &log.dir).map_err(|_| Ended)?;
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), Ended> {
        self.drain_dead()?;
        let limit = Limit::Durable(self.writer.durable());
        drain(&self.fs, &mut self.manifest, self.writer.dir(), limit)
    }
}

impl World {
    fn start(&mut self, sim: &SimFs) -> Result<Life, Ended> {
        let fs: Arc<dyn Fs> = Arc::new(sim.clone());
        let root = Path::new(ROOT);
        fs::create_dirs(&*fs, root).map_err(|_| Ended)?;
        folder::tidy(&*fs, root).map_err(|_| Ended)?;
        // What is read is not durable until its folder is.
        fs.sync_dir(Path::new("/data")).map_err(|_| Ended)?;
        let manifest: Manifest = match fs::read(&*fs, Path::new(MANIFEST)) {
            Ok(json) => serde_json::from_slice(&json).unwrap(),
            Err(_) => Manifest::default(),
        };
        let dead = list(&*fs, root).map_err(|_| Ended)?;
        let mut carried = SourceTable::default();
        for log in &dead {
            assert!(!log.alive);
            carried.merge(&sources_of(&fs, &log.dir).map_err(|_| Ended)?);
        }
        self.logs += 1;
        let id = LogId::from_bits(self.logs);
        let (ends, durable) = watch::channel(Pos(0));
        let writer = Writer::create(fs.clone(), root, id, self.options, carried, ends).map_err(|_| Ended)?;
        let mut life = Life { fs, writer, ends: durable, id, waiting: Vec::new(), manifest, dead };
        if self.eager {
            life.drain_dead()?;
        }
        Ok(life)
    }

    /// Takes the answers that have come.
    fn hear(&mut self, life: &mut Life) {
        let (id, durable) = (life.id, *life.ends.borrow());
        self.clients.hear(&mut life.waiting, |appended| assert!(appended.end <= durable && appended.log == id));
    }

    fn run(&mut self, life: &mut Life, op: &Op) -> Result<bool, Ended> {
        match op {
            Op::Append { source, records } => {
                let which = self.clients.append(*source, *records);
                self.clients.send(&mut life.writer, &mut life.waiting, which);
            }
            Op::Resend(index) => {
                let sent = &self.clients.sent;
                let again: Vec<usize> = (0..sent.len()).filter(|&i| sent[i].span.is_some()).collect();
                if !again.is_empty() {
                    self.clients.send(&mut life.writer, &mut life.waiting, *index.get(&again));
                }
            }
            Op::Flush => life.writer.flush(),
            Op::Commit => life.writer.commit(),
            Op::Drain => life.drain()?,
            Op::Trim => {
                let pos = life.manifest.progress.get(&life.id.to_string()).copied().unwrap_or(0);
                trim(&*life.fs, life.writer.dir(), Pos(pos)).map_err(|_| Ended)?;
            }
            Op::Close => life.writer.commit(),
        }
        self.hear(life);
        Ok(matches!(op, Op::Close))
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
                let before = sim.ops();
                if !matches!(self.run(&mut life, op), Ok(false)) {
                    break;
                }
                // The process may have died without noticing: appends only hear nothing.
                if sim.ops() != before && life.fs.list(Path::new("/")).is_err() {
                    break;
                }
            }
            self.hear(&mut life);
        }
    }

    fn check(&mut self, sim: &mut SimFs) {
        sim.heal();
        *sim = sim.restart();
        self.options = Options::default();
        let Ok(mut life) = self.start(sim) else { panic!("recovery failed") };
        self.clients.send_unacknowledged(&mut life.writer, &mut life.waiting);
        life.writer.commit();
        self.hear(&mut life);
        assert!(life.waiting.is_empty());
        assert!(life.drain().is_ok());
        let mut seen = BTreeSet::new();
        for &record in &life.manifest.stored {
            assert!(seen.insert(record), "record {record} is stored twice");
        }
        self.clients.check(&seen);
    }
}

/// Runs a program with a crash at one operation; whether it came to that.
fn crash(program: &[Op], options: Options, faults: &[(u64, Fault)], op: u64, seed: u64) -> bool {
    let mut sim = SimFs::new(seed ^ op.wrapping_mul(0x1234_5678_9abc_def1));
    faults.iter().for_each(|&(op, fault)| sim.inject(op, fault));
    let kinds = [Fault::Kill, Fault::PowerLoss];
    let pick = seed.wrapping_add(op) as usize;
    sim.inject(op, kinds[pick % 2]);
    if !pick.is_multiple_of(3) {
        sim.inject(op + 1 + (seed >> 8).wrapping_add(op * 7) % 40, kinds[pick / 2 % 2]);
    }
    let mut world = World { options, clients: Clients::default(), logs: 0, eager: seed.is_multiple_of(3) };
    world.live(&mut sim, program);
    let reached = sim.ops() > op;
    if pick.is_multiple_of(4) {
        sim.lose_power();
    }
    world.check(&mut sim);
    reached
}

proptest! {
    #![proptest_config(trials(150, 400))]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_doubled(
        program in prop::collection::vec(any_op(), 1..24),
        segment_bytes_max in prop_oneof![Just(1u64), 200u64..900, Just(1 << 20)],
        bytes_max in prop_oneof![3 => Just(1u64 << 30), 1 => 600u64..3000],
        faults in prop::collection::vec(any_fault(150), 0..5),
        seed in any::<u64>(),
    ) {
        let options = Options { bytes_max, segment_bytes_max, ..Options::default() };
        let mut op = 0;
        while crash(&program, options, &faults, op, seed) {
            op += 1;
        }
    }
}

#[test]
fn what_is_refused_for_want_of_room_is_gone_and_room_mends_it() {
    let mut sim = SimFs::new(7);
    let options = Options::default();
    let mut world = World { options, clients: Clients::default(), logs: 0, eager: true };
    let Ok(mut life) = world.start(&sim) else { panic!("no start") };
    let (answer, mut refused) = oneshot::channel();
    let origin = Arc::new(Origin::default());
    let records = vec![Record::text("refused".into())];
    let batch = RawBatch { origin, span: None, mark: None, received: Timestamp::default(), records };
    let which = world.clients.append(None, 2);
    world.clients.send(&mut life.writer, &mut life.waiting, which);
    life.writer.commit();
    // The write, and the creation of the segment that should have taken it.
    sim.inject(sim.ops(), Fault::NoSpace);
    sim.inject(sim.ops() + 1, Fault::NoSpace);
    life.writer.stage(Append { batch, class: SyncClass::Prompt, answer });
    life.writer.commit();
    assert_eq!(refused.try_recv().unwrap(), Err(AppendError::Full));
    let (fs, dir) = (life.fs.clone(), life.writer.dir().to_owned());
    let read = |limit| {
        let mut reader = Reader::open(&fs, &dir, Pos(0)).unwrap();
        std::iter::from_fn(|| reader.next(limit).unwrap()).count()
    };
    assert_eq!(read(Limit::Everything), 1);
    let which = world.clients.append(Some(0), 2);
    world.clients.send(&mut life.writer, &mut life.waiting, which);
    life.writer.commit();
    world.hear(&mut life);
    assert!(world.clients.sent.iter().all(|sent| sent.acknowledged));
    assert_eq!((read(Limit::Everything), read(Limit::Marked)), (2, 2));
    world.check(&mut sim);
}
