//! Says once that the spool takes nothing more in and why, and once that it does again.
//!
//! A spool that is emptied as fast as it is filled refuses again and again: it counts as full until nothing was refused for
//! [`QUIET`], or nobody asks and there is room.

use super::AgentError;
use crate::{
    fs::Fs,
    log::{self, LogCounters, News, NoRoom},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// So long nothing must be refused.
const QUIET: Duration = Duration::from_secs(5);
/// Room for so much must be there, or for a part of a smaller limit.
const ROOM_BYTES: u64 = 1 << 20;
const ROOM_PART: u64 = 8;

/// What it is about.
struct Looking {
    fs: Arc<dyn Fs>,
    root: PathBuf,
    options: log::Options,
    counters: Arc<LogCounters>,
    /// [`QUIET`], but in tests.
    quiet: Duration,
}

/// Watches whether a spool takes anything in, until its log is closed.
#[derive(Debug)]
pub struct RoomWatch {
    root: PathBuf,
    counters: Arc<LogCounters>,
    full: Arc<Mutex<Option<NoRoom>>>,
    thread: JoinHandle<()>,
}

impl RoomWatch {
    /// Starts; `root` is the folder of the spool.
    ///
    /// # Errors
    /// There is no thread for it.
    pub fn start(
        fs: Arc<dyn Fs>,
        root: PathBuf,
        options: log::Options,
        counters: Arc<LogCounters>,
    ) -> Result<RoomWatch, AgentError> {
        RoomWatch::of(Looking { fs, root, options, counters, quiet: QUIET })
    }

    fn of(looking: Looking) -> Result<RoomWatch, AgentError> {
        let full = Arc::new(Mutex::new(None));
        let (root, counters) = (looking.root.clone(), looking.counters.clone());
        let told = full.clone();
        let thread = thread::Builder::new().name("room".into()).spawn(move || looking.run(&told));
        Ok(RoomWatch { root, counters, full, thread: thread.map_err(AgentError::new)? })
    }

    /// Why nothing is taken in, in a sentence; none where all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let last = held(&self.full).clone()?;
        Some(sentence(&self.counters.room.why().unwrap_or(last), &self.root))
    }

    /// Waits for its end; the log is closed.
    pub fn end(self) {
        // A panic has been printed.
        let _ = self.thread.join();
    }
}

fn held(full: &Mutex<Option<NoRoom>>) -> MutexGuard<'_, Option<NoRoom>> {
    full.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Looking {
    fn run(&self, full: &Mutex<Option<NoRoom>>) {
        let room = &self.counters.room;
        loop {
            match room.wait() {
                News::Closed => return,
                News::Quiet => continue,
                News::Refused(why) => {
                    tracing::warn!("{}", sentence(&why, &self.root));
                    *held(full) = Some(why);
                }
            }
            while room.wait_for_quiet(self.quiet) != News::Closed && !self.has_room() {
                room.pause(self.quiet);
            }
            if room.wait_for_quiet(Duration::ZERO) == News::Closed {
                return;
            }
            *held(full) = None;
            tracing::warn!("the spool takes lines in again");
        }
    }

    /// Whether the next append would be taken, as far as can be known without one.
    fn has_room(&self) -> bool {
        match self.counters.room.why() {
            None => true,
            Some(NoRoom::Broken(_)) => false,
            Some(_) => {
                let free_bytes_min = self.options.free_bytes_min.max(1);
                let options = log::Options { free_bytes_min, ..self.options };
                let bytes = ROOM_BYTES.min(self.options.bytes_max / ROOM_PART);
                log::look_for_room(&*self.fs, &self.root, &options, bytes).is_ok_and(|why| why.is_none())
            }
        }
    }
}

/// Why, and what to do.
fn sentence(why: &NoRoom, root: &Path) -> String {
    const WAITS: &str = "files wait where they are, other lines are lost and counted";
    let place = root.display();
    match why {
        NoRoom::Limit { bytes_max } => format!(
            "the spool is full, it holds the {} of --spool-size: {WAITS}, until the server takes what waits; is it away \
             for long?",
            size(*bytes_max)
        ),
        NoRoom::Reserve { free, free_min } => format!(
            "the disk of {place} has {} free, and --free-disk keeps {} free: nothing is stored, {WAITS}; free some, or \
             set --free-disk lower",
            size(*free),
            size(*free_min)
        ),
        NoRoom::Disk { free } => {
            format!("the disk of {place} is full, {} are free: nothing is stored, {WAITS}; free some", size(*free))
        }
        NoRoom::Broken(cause) => format!("cannot {cause}: nothing is stored, {WAITS}"),
    }
}

fn size(bytes: u64) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    match units.into_iter().find(|(_, bits)| bytes >= 1 << bits) {
        Some((unit, bits)) => format!("{:.1} {unit}", bytes as f64 / f64::from(1 << bits)),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Timestamp,
        flow::{AppendError, Origin, RawBatch, Record, SyncClass},
        fs::sim::SimFs,
        log::SourceTable,
    };

    #[test]
    fn what_is_said_names_the_limit_and_what_to_do() {
        let check = |why: NoRoom, parts: &[&str]| {
            let said = sentence(&why, Path::new("/data/spool"));
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        };
        check(NoRoom::Limit { bytes_max: 8 << 20 }, &["8.0 MiB of --spool-size", "is it away"]);
        let reserve = NoRoom::Reserve { free: 300 << 20, free_min: 1 << 30 };
        check(reserve, &["/data/spool has 300.0 MiB free", "--free-disk keeps 1.0 GiB", "set --free-disk lower"]);
        check(NoRoom::Disk { free: 12 }, &["is full, 12 bytes are free", "free some"]);
        check(NoRoom::Broken("write the log /x: EIO".to_owned()), &["cannot write the log /x: EIO: nothing is stored"]);
    }

    #[test]
    fn a_full_disk_is_trouble_until_there_is_room() {
        let sim = SimFs::new(1);
        let (fs, root) = (Arc::new(sim.clone()) as Arc<dyn Fs>, PathBuf::from("/spool"));
        let options = log::Options { free_bytes_min: 1 << 30, ..log::Options::default() };
        sim.set_free_space(1 << 20);
        let log = log::open(&fs, &root, options, &SourceTable::default()).unwrap();
        let looking = Looking { fs, root, options, counters: log.counters.clone(), quiet: Duration::from_millis(1) };
        let watch = RoomWatch::of(looking).unwrap();
        assert_eq!(watch.trouble(), None);
        let append = || {
            let batch = RawBatch {
                origin: Arc::new(Origin::default()),
                span: None,
                mark: None,
                received: Timestamp::default(),
                records: vec![Record::text("x".into())],
            };
            log.intake().submit(batch, SyncClass::Prompt).unwrap().wait()
        };
        let until = |said: &dyn Fn(Option<String>) -> bool| while !said(watch.trouble()) {};
        assert_eq!(append().unwrap_err(), AppendError::Full);
        until(&|trouble| trouble.is_some_and(|trouble| trouble.contains("1.0 MiB free")));
        // Nobody asks any more.
        sim.set_free_space(2 << 30);
        until(&|trouble| trouble.is_none());
        sim.set_free_space(1 << 20);
        while append().is_ok() {}
        until(&|trouble| trouble.is_some());
        sim.set_free_space(2 << 30);
        append().unwrap();
        until(&|trouble| trouble.is_none());
        let _ = log.join();
        watch.end();
    }
}
