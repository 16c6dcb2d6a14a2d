//! Frames that may be what kills the process.
//!
//! A parser that panics is caught where it runs. One that takes the whole process down (a stack overflow, memory) would do
//! so again at every start, because the log gives the same frame again. So a process leaves a mark while it owns the store,
//! however often it starts its threads again, and takes it away when it ends in any way but by dying; one that
//! finds such a mark replays *carefully*: it writes down which frames are in flight, at most [`IN_FLIGHT_MAX`]. Frames that
//! were in flight when a careful replay ended badly, too, are suspects of the next: their records are kept as plain text.
//!
//! The files, `running` and `in-flight` in the data directory, are read leniently: a torn one costs a suspicion, not a start.

use crate::flow::{EventId, Frame};
use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    path::{Path, PathBuf},
};

/// Frames that can be in flight between dispatch and delivery at a time.
pub const IN_FLIGHT_MAX: usize = 32;

/// What an owner knows of the ends of those before it.
#[derive(Debug)]
pub struct Suspects {
    running: PathBuf,
    in_flight: PathBuf,
    careful: bool,
    named: BTreeSet<EventId>,
    newest: VecDeque<EventId>,
}

impl Suspects {
    /// Reads the marks of the owner before and leaves its own.
    #[must_use]
    pub fn begin(root: &Path) -> Suspects {
        let (running, in_flight) = (root.join("running"), root.join("in-flight"));
        let careful = running.exists();
        let names = fs::read_to_string(&in_flight).unwrap_or_default();
        let named = names.lines().filter_map(|line| line.parse().ok()).take(IN_FLIGHT_MAX).collect();
        if let Err(cause) = fs::write(&running, "") {
            tracing::debug!("cannot write {}: {cause}", running.display());
        }
        Suspects { running, in_flight, careful, named, newest: VecDeque::new() }
    }

    /// Marks a frame of a dead log that is about to be parsed, where it is a suspect.
    pub fn look_at(&mut self, frame: &mut Frame) {
        if !self.careful {
            return;
        }
        let id = EventId { log: frame.log, at: frame.start };
        frame.suspect = self.named.contains(&id);
        if self.newest.len() == IN_FLIGHT_MAX {
            self.newest.pop_front();
        }
        self.newest.push_back(id);
        let names: String = self.newest.iter().map(|id| format!("{id}\n")).collect();
        if let Err(cause) = fs::write(&self.in_flight, names) {
            tracing::debug!("cannot write {}: {cause}", self.in_flight.display());
        }
    }

    /// Everything from before is parsed and none of it was deadly.
    pub fn cleared(&mut self) {
        if std::mem::take(&mut self.careful) {
            let _ = fs::remove_file(&self.in_flight);
        }
    }
}

impl Drop for Suspects {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.in_flight);
        let _ = fs::remove_file(&self.running);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Timestamp,
        flow::{LogId, Origin, Pos, RawBatch},
    };
    use std::sync::Arc;

    fn suspect(suspects: &mut Suspects, start: u64) -> bool {
        let batch = RawBatch {
            origin: Arc::new(Origin::default()),
            span: None,
            mark: None,
            received: Timestamp::from_nanos(0),
            records: Vec::new(),
        };
        let mut frame = Frame { log: LogId::from_bits(1), start: Pos(start), end: Pos(start), suspect: false, batch };
        suspects.look_at(&mut frame);
        frame.suspect
    }

    #[test]
    fn a_frame_in_flight_at_two_crashes_running_is_a_suspect() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Suspects::begin(dir.path());
        assert!(!suspect(&mut first, 7), "the first owner knows nothing; it crashes here");
        std::mem::forget(first);
        let mut second = Suspects::begin(dir.path());
        assert!(!suspect(&mut second, 7), "careful now; it crashes here again");
        std::mem::forget(second);
        let mut third = Suspects::begin(dir.path());
        assert!(suspect(&mut third, 7));
        assert!(!suspect(&mut third, 8), "others are parsed as ever");
        drop(third);
        let mut fourth = Suspects::begin(dir.path());
        assert!(!suspect(&mut fourth, 7), "a good end clears the name");
    }

    #[test]
    fn a_replay_that_went_well_names_nobody() {
        let dir = tempfile::tempdir().unwrap();
        std::mem::forget(Suspects::begin(dir.path()));
        let mut second = Suspects::begin(dir.path());
        assert!(!suspect(&mut second, 7));
        second.cleared();
        std::mem::forget(second);
        let mut third = Suspects::begin(dir.path());
        assert!(!suspect(&mut third, 7));
    }
}
