//! The log behind HTTP ingest: the one that knows what clients with sequence numbers have stored already.
//!
//! Every process life writes a new log, so what dead logs know of their sources is carried over into it, durably, before it
//! takes its first record; only then may the dead logs go.

use super::Common;
use crate::{
    fs::{Fs, RealFs},
    log::{self, LogError, LogWriter, Options, SourceTable},
};
use std::{path::Path, sync::Arc};

/// Opens the log for HTTP ingest. The caller owns the store, so that no other process carries the same tables.
///
/// # Errors
/// A dead log cannot be read, or the new one not be written.
pub fn open(root: &Path, common: &Common) -> Result<LogWriter, LogError> {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let mut table = SourceTable::default();
    let mut dead = Vec::new();
    for found in log::list(&*fs, root)? {
        if !found.alive {
            table.merge(&log::sources_of(&fs, &found.dir)?);
            dead.push(found.id);
        }
    }
    let writer = log::open(&fs, root, Options::default(), &table)?;
    common.carry(dead);
    Ok(writer)
}
