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

mod engine;
mod life;
mod world;

use crate::{
    fs::sim::{Fault, SimFs},
    log::{
        self,
        clients::{any_fault, trials},
    },
};
use proptest::prelude::*;
use world::{Settings, World};

const LOGS: &str = "/data/log";
const STORE: &str = "/data/store";
/// Crashes at different operations of each program.
const CRASHES: usize = 4;

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

fn any_crash() -> impl Strategy<Value = (prop::sample::Index, Fault, Option<(u64, Fault)>)> {
    let kind = || prop_oneof![Just(Fault::Kill), Just(Fault::PowerLoss)];
    (any::<prop::sample::Index>(), kind(), prop::option::weighted(0.7, (1u64..60, kind())))
}

proptest! {
    #![proptest_config(trials(100, 200))]

    #[test]
    fn nothing_acknowledged_is_lost_and_nothing_doubled(
        program in prop::collection::vec(any_op(), 1..32),
        segment_bytes_max in prop_oneof![Just(1u64), 200u64..900, Just(1 << 20)],
        bytes_max in prop_oneof![3 => Just(1u64 << 30), 1 => 600u64..3000],
        seal_events in 1u64..20,
        pipe in prop::bool::weighted(0.3),
        faults in prop::collection::vec(any_fault(400), 0..5),
        crashes in prop::collection::vec(any_crash(), CRASHES),
        seed in any::<u64>(),
    ) {
        let log = log::Options { bytes_max, segment_bytes_max, ..log::Options::default() };
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
    let log = log::Options { bytes_max: 1 << 30, segment_bytes_max: 1, ..log::Options::default() };
    let settings = Settings { log, seal_events: 1, pipe: false };
    for first in 20..90 {
        for second in first + 1..90 {
            run(&program, settings, &[(first, Fault::NoSpace), (second, Fault::NoSpace)], 1);
        }
    }
}
