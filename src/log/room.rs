//! Whether a log takes anything in, and why not: for whoever is to say so.
//!
//! The log thread notes each refusal for want of room and each success; [`Room::wait`] sleeps until one follows the other.

use super::{LogError, Options, folder};
use crate::{clock, flow::LogId, fs::Fs};
use std::{
    io,
    path::Path,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Why nothing more is taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The log, with those beside it where the limit is for all, holds as much as it may.
    Limit {
        /// [`Options::bytes_max`].
        bytes_max: u64,
    },
    /// The disk has less room than is to stay free.
    Reserve {
        /// So much it has.
        free: u64,
        /// [`Options::free_bytes_min`].
        free_min: u64,
    },
    /// The disk is full, or the quota is used up.
    Disk {
        /// So much it says it has.
        free: u64,
    },
    /// The disk fails.
    Broken(String),
}

#[derive(Debug, Default)]
struct State {
    /// The last append was refused because of this.
    why: Option<NoRoom>,
    /// When one was last refused.
    refused: Option<Instant>,
    closed: bool,
}

/// What a log said last when it was asked to take something in.
#[derive(Debug, Default)]
pub struct Room {
    state: Mutex<State>,
    news: Condvar,
}

/// What came of a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Something was refused, since then or before.
    Refused(NoRoom),
    /// Nothing was refused for so long as was asked for.
    Quiet,
    /// The log is closed.
    Closed,
}

impl Room {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn refused(&self, why: NoRoom) {
        let mut state = self.state();
        (state.why, state.refused) = (Some(why), Some(clock::instant()));
        self.news.notify_all();
    }

    pub(super) fn taken(&self) {
        self.state().why = None;
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
        self.news.notify_all();
    }

    /// Why the last append was refused; none if it was taken.
    #[must_use]
    pub fn why(&self) -> Option<NoRoom> {
        self.state().why.clone()
    }

    /// Waits until something is refused.
    pub fn wait(&self) -> News {
        let waiting = |state: &mut State| !state.closed && state.why.is_none();
        let state = self.news.wait_while(self.state(), waiting).unwrap_or_else(PoisonError::into_inner);
        news(&state)
    }

    /// Waits until nothing has been refused for so long.
    pub fn wait_for_quiet(&self, quiet: Duration) -> News {
        let left = |state: &State| state.refused.map_or(Duration::ZERO, |at| quiet.saturating_sub(clock::since(at)));
        let mut state = self.state();
        while !state.closed && left(&state) > Duration::ZERO {
            let patience = left(&state);
            state = self.news.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.closed { News::Closed } else { News::Quiet }
    }

    /// Sleeps so long, unless the log is closed before.
    pub fn pause(&self, patience: Duration) {
        let waited = self.news.wait_timeout_while(self.state(), patience, |state| !state.closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

fn news(state: &State) -> News {
    match &state.why {
        _ if state.closed => News::Closed,
        Some(why) => News::Refused(why.clone()),
        None => News::Quiet,
    }
}

/// Why an append of so many bytes to a log in `root` would be refused, if it would be.
///
/// # Errors
/// The disk cannot be asked.
pub fn look(fs: &dyn Fs, root: &Path, options: &Options, bytes: u64) -> Result<Option<NoRoom>, LogError> {
    let reserve = reserve(fs, root, options, bytes).map_err(LogError::io("ask for the room of", root))?;
    if reserve.is_some() {
        return Ok(reserve);
    }
    // No log has this name: all count.
    let held = folder::bytes_beside(fs, root, LogId::from_bits(0))?;
    let is_full = held.saturating_add(bytes) > options.bytes_max;
    Ok(is_full.then_some(NoRoom::Limit { bytes_max: options.bytes_max }))
}

pub(super) fn reserve(fs: &dyn Fs, dir: &Path, options: &Options, bytes: u64) -> io::Result<Option<NoRoom>> {
    let free_min = options.free_bytes_min;
    if free_min == 0 {
        return Ok(None);
    }
    let free = fs.free_space(dir)?;
    Ok((free < free_min.saturating_add(bytes)).then_some(NoRoom::Reserve { free, free_min }))
}
