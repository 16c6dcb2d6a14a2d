//! The log behind HTTP ingest: the one that knows what clients with sequence numbers have stored already.
//!
//! Every process life writes a new log, so what dead logs know of their sources is carried over into it, durably, before it
//! takes its first record; only then may the dead logs go. A process that is killed lets go of the store a moment before or
//! after it lets go of its log: a log that knows sources and looks alive is waited for, at most [`DYING_MAX`].

use super::Common;
use crate::{
    clock,
    flow::LogId,
    fs::{Fs, RealFs},
    log::{self, LogError, LogWriter, Options, SourceTable},
};
use std::{path::Path, sync::Arc, time::Duration};

/// How long a log that looks alive may take to die.
const DYING_MAX: Duration = Duration::from_secs(2);
/// How often it is looked at.
const DYING_POLL: Duration = Duration::from_millis(10);

/// Opens the log for HTTP ingest. The caller owns the store, so that no other process carries the same tables.
///
/// # Errors
/// A dead log cannot be read, or the new one not be written.
pub fn open(root: &Path, options: Options, common: &Common) -> Result<LogWriter, LogError> {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let (table, dead) = carry_over(&fs, root)?;
    let writer = log::open(&fs, root, options, &table)?;
    common.carry(dead);
    Ok(writer)
}

/// What all logs know of their sources, and the dead ones that need not be kept for it once the table is durable in
/// another log.
///
/// # Errors
/// A dead log cannot be read.
pub fn carry_over(fs: &Arc<dyn Fs>, root: &Path) -> Result<(SourceTable, Vec<LogId>), LogError> {
    let mut table = SourceTable::default();
    let mut dead = Vec::new();
    let begun = clock::instant();
    let living = loop {
        let (living, ended): (Vec<_>, Vec<_>) = log::list(&**fs, root)?.into_iter().partition(|found| found.alive);
        for found in ended.into_iter().filter(|found| !dead.contains(&found.id)).collect::<Vec<_>>() {
            table.merge(&log::sources_of(fs, &found.dir)?);
            dead.push(found.id);
        }
        let knows =
            |found: &log::Found| log::sources_by_now(fs, &found.dir).map_or(true, |sources| !sources.is_empty());
        let dying: Vec<_> = living.into_iter().filter(knows).collect();
        if dying.is_empty() || clock::since(begun) > DYING_MAX {
            break dying;
        }
        std::thread::sleep(DYING_POLL);
    };
    // Still alive: what they know now is better than nothing, but they are not carried on.
    for found in living {
        table.merge(&log::sources_by_now(fs, &found.dir)?);
    }
    Ok((table, dead))
}
