//! Programs: what happens to files, the log and the process.

use proptest::{prelude::*, test_runner::RngSeed};
use std::str::FromStr;

/// What happens next. Files are numbered.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// So many lines, of about that length.
    Write { file: u8, lines: u8, length: u16 },
    /// The beginning of a line.
    Begin { file: u8 },
    /// The end of the line that was begun.
    Finish { file: u8 },
    /// The file is renamed and created anew by the next write.
    Rename { file: u8 },
    /// It is copied and truncated; the tailer runs for so long in between, and so many lines come meanwhile.
    CopyTruncate { file: u8, between_ms: u16, late: u8 },
    /// Its newest rotated file is compressed, in as many members, and deleted; the tailer runs for so long at each step.
    Compress { file: u8, members: u8, between_ms: u16 },
    /// It is emptied.
    Truncate { file: u8 },
    /// It is deleted.
    Delete { file: u8 },
    /// It is deleted and written anew at once, with the same inode if nobody has the old one open.
    Recreate { file: u8 },
    /// Time passes in which the tailer runs.
    Run { ms: u16 },
    /// The process dies and starts again; of the batches on their way, so many sixteenths are durable.
    Kill { kept: u8 },
    /// It ends orderly and starts again.
    Stop,
    /// While it is down, these happen.
    Down(Vec<Action>),
    /// The log takes nothing for a while.
    Full { ms: u16 },
    /// Somebody sets the clock.
    ClockJump { seconds: i32 },
}

pub(super) fn any_action() -> impl Strategy<Value = Action> {
    let file = 0u8..3;
    let write = (file.clone(), 1u8..6, prop_oneof![4 => 4u16..60, 1 => 400u16..3_000])
        .prop_map(|(file, lines, length)| Action::Write { file, lines, length });
    let between = prop_oneof![Just(0u16), 0u16..7_000];
    let compress = (file.clone(), 1u8..4, prop_oneof![Just(0u16), 0u16..3_000]);
    let calm = prop_oneof![
        6 => write,
        1 => file.clone().prop_map(|file| Action::Begin { file }),
        1 => file.clone().prop_map(|file| Action::Finish { file }),
        2 => file.clone().prop_map(|file| Action::Rename { file }),
        2 => (file.clone(), between, prop_oneof![3 => Just(0u8), 1 => 0u8..3])
            .prop_map(|(file, between_ms, late)| Action::CopyTruncate { file, between_ms, late }),
        2 => compress.prop_map(|(file, members, between_ms)| Action::Compress { file, members, between_ms }),
        1 => file.clone().prop_map(|file| Action::Truncate { file }),
        1 => file.clone().prop_map(|file| Action::Delete { file }),
        1 => file.prop_map(|file| Action::Recreate { file }),
    ];
    prop_oneof![
        12 => calm.clone(),
        6 => prop_oneof![3 => 0u16..2_500, 1 => 0u16..20_000].prop_map(|ms| Action::Run { ms }),
        1 => (0u8..=16).prop_map(|kept| Action::Kill { kept }),
        1 => Just(Action::Stop),
        1 => prop::collection::vec(calm, 0..4).prop_map(Action::Down),
        1 => (0u16..3_000).prop_map(|ms| Action::Full { ms }),
        1 => (-100_000i32..100_000).prop_map(|seconds| Action::ClockJump { seconds }),
    ]
}

/// The programs that are tried unless the environment asks for others: so many,
const PROGRAMS: u32 = 2_000;
/// and those of this seed, so that a run finds today what it found yesterday.
const SEED: u64 = 1;

/// How many programs are tried, and which. The seed is shown when one fails.
pub(super) fn programs() -> ProptestConfig {
    let (cases, seed) = (asked("LOGSHIP_MODEL_PROGRAMS", PROGRAMS), asked("LOGSHIP_MODEL_SEED", SEED));
    eprintln!("{cases} programs of LOGSHIP_MODEL_SEED={seed}");
    ProptestConfig {
        cases,
        max_shrink_iters: 4_000,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed),
        ..ProptestConfig::default()
    }
}

fn asked<N: FromStr>(variable: &str, default: N) -> N {
    std::env::var(variable).ok().and_then(|asked| asked.parse().ok()).unwrap_or(default)
}
