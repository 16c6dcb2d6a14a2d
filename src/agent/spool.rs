//! The log that an agent's inputs write, and the shipping of all logs beside it.
//!
//! What is given up or refused on the way is told to the server as an event among the others ([`Teller`]), by the process that
//! ships. The progress file keeps what is not told yet, and an event that is itself given up counts as what it tells of.

use super::{AgentError, room::RoomWatch};
use crate::{
    clock,
    codecs::gate::Rules,
    config::DataDir,
    flow::{Gate, Intake, LogId, Origin, RawBatch, SyncClass},
    fs::{self, Fs, Lock, RealFs},
    inputs::notice,
    log::{self, LogCounters, LogWriter, MakesRoom, SourceTable},
    pipeline::{carry_over, lock_of_dying},
    ship::{FRESH_AFTER, Pace, ShipSettings, ShipStatus, Shipper, Tls, Untold},
};
use crossbeam_channel::{RecvTimeoutError, Sender};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How often a process that does not ship tries to take that over, and how often the limit is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How often the server is told what was lost.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How long an append waits for the oldest to be given up, and how often it looks.
const ROOM_WAIT: Duration = Duration::from_secs(1);
const ROOM_LOOK: Duration = Duration::from_millis(2);
/// Where that was in vain, appends do not wait for so long: whatever fills the disk is not ours.
const ROOM_REST: Duration = Duration::from_secs(5);
/// With less room left than this, of one part in so many of the limit, the oldest is given up where that was asked for.
const ROOM_PART: u64 = 8;
/// A batch before it grows.
const BATCH_BYTES: usize = 1 << 20;

/// What happens when the spool is at its limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Nothing more is taken in: files wait where they are, pipes and sockets drop what is new.
    #[default]
    Block,
    /// The oldest that is not shipped is given up, counted and reported.
    DropOldest,
}

/// Where records wait, and where they go.
#[derive(Debug)]
pub struct SpoolSettings {
    /// The data directory.
    pub data: PathBuf,
    /// Base URLs of servers, in order of preference.
    pub servers: Vec<String>,
    /// The token.
    pub token: Option<String>,
    /// Certificates.
    pub tls: Tls,
    /// How large the spool may become.
    pub log: log::Options,
    /// What happens then.
    pub when_full: WhenFull,
    /// What records pass before they are in it.
    pub gate: Option<Arc<Rules>>,
    /// This machine's name.
    pub host: String,
}

/// The spool of this process.
#[derive(Debug)]
pub struct Spool {
    /// Of the data directory.
    id: Option<String>,
    log: LogWriter,
    gate: Option<Arc<Rules>>,
    bytes_max: u64,
    room: RoomWatch,
    /// Nobody else follows files here.
    _files: Option<Box<dyn Lock>>,
    shipping: Option<Shipping>,
    shipper: SharedShipper,
    teller: Arc<Mutex<Option<Teller>>>,
    oldest: Arc<OldestGoes>,
    /// Logs whose sources this one carries on.
    carried: Vec<LogId>,
}

/// Shipping, where this process ships.
type SharedShipper = Arc<Mutex<Option<Arc<Shipper>>>>;

/// Tells the server what was lost on the way.
#[derive(Debug)]
struct Teller {
    intake: Intake,
    host: String,
}

impl Teller {
    /// Puts what was lost into the spool; while that has no room it is kept for the next call.
    fn tell(&self, shipper: &Shipper) {
        let untold = shipper.status().untold;
        if !untold.is_empty() && self.put(untold) {
            shipper.told(untold);
        }
    }

    fn put(&self, untold: Untold) -> bool {
        let records = [
            (untold.oldest, "oldest records of the spool", "it was full"),
            (untold.refused, "records of the spool", "the server refused them"),
            (untold.newest, "newest lines of pipes", "the spool was full"),
        ];
        let lost = records.into_iter().filter(|(count, ..)| *count > 0);
        let records = lost.map(|(count, what, why)| notice::lost(count, what, why)).collect();
        let (host, service) = (Some(self.host.clone()), Some("logship".to_owned()));
        let origin = Arc::new(Origin { host, service, ..Origin::default() });
        let batch = RawBatch { origin, span: None, mark: None, received: clock::now(), records };
        self.intake.submit(batch, SyncClass::Prompt).is_ok_and(|pending| pending.wait().is_ok())
    }
}

/// Makes room in the log by giving up the oldest, where that is wanted.
#[derive(Debug)]
struct OldestGoes {
    shipper: SharedShipper,
    is_wanted: AtomicBool,
    bytes: u64,
    /// When there was no room although it was asked for.
    in_vain: Mutex<Option<Instant>>,
}

impl MakesRoom for OldestGoes {
    fn make(&self, is_there: &mut dyn FnMut() -> bool) -> bool {
        if held(&self.in_vain).is_some_and(|at| clock::since(at) < ROOM_REST) {
            return false;
        }
        let begun = clock::instant();
        let mut asked = None;
        while self.is_wanted.load(Ordering::Acquire) && clock::since(begun) < ROOM_WAIT {
            // What was asked for takes a moment.
            if asked.is_none_or(|at| clock::since(at) > LOOK_EVERY) {
                // Another process that ships sees to it itself.
                let Some(shipper) = &*held(&self.shipper) else { return false };
                shipper.skip_oldest(self.bytes);
                asked = Some(clock::instant());
            }
            thread::sleep(ROOM_LOOK);
            if is_there() {
                return true;
            }
        }
        *held(&self.in_vain) = Some(clock::instant());
        false
    }
}

/// The shipping of all logs, by this process or another.
#[derive(Debug)]
struct Shipping {
    shipper: SharedShipper,
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Spool {
    /// Opens a log of this process in the spool, and what the logs before it know of their sources where it is to carry
    /// that on: `exclusive`.
    ///
    /// # Errors
    /// As [`super::Agent::start`].
    pub fn open(settings: SpoolSettings, exclusive: bool) -> Result<(Spool, SourceTable), AgentError> {
        let real: Arc<dyn Fs> = Arc::new(RealFs);
        let root = settings.data.join("spool");
        fs::create_dirs(&*real, &root)
            .map_err(|cause| AgentError(format!("cannot create {}: {cause}", root.display())))?;
        let lock_path = settings.data.join("files.lock");
        let files = match exclusive {
            true => Some(lock_of_dying(&*real, &lock_path).map_err(unlocked(&lock_path))?.ok_or_else(|| {
                let place = settings.data.display();
                AgentError(format!("another agent follows files with {place}: stop it, or choose another --data DIR"))
            })?),
            false => None,
        };
        let (known, dead) = match exclusive {
            true => carry_over(&real, &root).map_err(AgentError::new)?,
            false => (SourceTable::default(), Vec::new()),
        };
        let (bytes_max, shipper) = (settings.log.bytes_max, SharedShipper::default());
        let is_wanted = AtomicBool::new(settings.when_full == WhenFull::DropOldest);
        let oldest = Arc::new(OldestGoes {
            shipper: shipper.clone(),
            is_wanted,
            bytes: bytes_max / ROOM_PART,
            in_vain: Mutex::default(),
        });
        // What is there is shipped also while the disk has no room for more.
        let options = log::Options { waits_for_room: true, ..settings.log };
        let log = log::open_with_room(&real, &root, options, &known, Some(oldest.clone())).map_err(AgentError::new)?;
        let room = RoomWatch::start(real.clone(), root, options, log.counters.clone())?;
        let teller = Arc::new(Mutex::new(Some(Teller { intake: log.intake(), host: settings.host.clone() })));
        let gate = settings.gate.clone();
        let id = DataDir::open_existing(&settings.data).ok().and_then(|data| data.id().ok());
        // Until the new log is there, what the dead know must stay.
        let carried = if is_there(&*real, &log) { dead } else { Vec::new() };
        let mut spool =
            Spool { id, log, gate, bytes_max, room, _files: files, shipping: None, shipper, teller, oldest, carried };
        spool.ship(&settings, ShipStatus::default())?;
        Ok((spool, known))
    }

    /// Ships by other settings from now on; the data directory and the limit stay what they are. What is on its way is sent
    /// again, which doubles nothing.
    ///
    /// # Errors
    /// A server is no URL or a certificate cannot be read: then all stays as it is. Or there is no thread.
    pub fn reload(&mut self, settings: &SpoolSettings) -> Result<(), AgentError> {
        self.ship_settings(settings).check().map_err(AgentError::new)?;
        self.gate.clone_from(&settings.gate);
        let counted = self.shipping.take().map(Shipping::end).unwrap_or_default();
        self.ship(settings, counted)
    }

    fn ship(&mut self, settings: &SpoolSettings, counted: ShipStatus) -> Result<(), AgentError> {
        let lock = settings.data.join("ship.lock");
        let drops = settings.when_full == WhenFull::DropOldest;
        self.oldest.is_wanted.store(drops, Ordering::Release);
        let limit = drops.then_some(self.bytes_max);
        let ship = ShipSettings { counted, ..self.ship_settings(settings) };
        let shared = (self.shipper.clone(), self.teller.clone());
        self.shipping = Some(Shipping::start(Arc::new(RealFs), lock, ship, limit, shared)?);
        Ok(())
    }

    fn ship_settings(&self, settings: &SpoolSettings) -> ShipSettings {
        ShipSettings {
            spool: settings.data.join("spool"),
            progress: settings.data.join("ship.json"),
            servers: settings.servers.clone(),
            token: settings.token.clone(),
            tls: settings.tls.clone(),
            batch_bytes_max: BATCH_BYTES,
            fresh_after: FRESH_AFTER,
            pace: Pace::default(),
            own: vec![(self.log.id, self.log.durable.clone())],
            carried: self.carried.clone(),
            counted: ShipStatus::default(),
            fs: Arc::new(RealFs),
        }
    }

    /// What its log knows of its sources by now.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn known(&self) -> Result<SourceTable, AgentError> {
        let real: Arc<dyn Fs> = Arc::new(RealFs);
        match self.log.dir.parent() {
            Some(root) if !is_there(&*real, &self.log) => carry_over(&real, root).map(|(known, _)| known),
            _ => log::sources_by_now(&real, &self.log.dir),
        }
        .map_err(AgentError::new)
    }

    /// Why nothing is taken in, in a sentence; none where all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.room.trouble()
    }

    /// The entrance.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.log_end().behind(self.shared_gate())
    }

    /// The entrance behind no gate: whoever takes it sees to that ([`Spool::shared_gate`]).
    #[must_use]
    pub fn log_end(&self) -> Intake {
        self.log.intake()
    }

    /// What records pass before they are in it, for an input that outlives changes of it.
    #[must_use]
    pub fn shared_gate(&self) -> Option<Arc<dyn Gate>> {
        self.gate.clone().map(|gate| gate as Arc<dyn Gate>)
    }

    /// What records pass before they are in it.
    #[must_use]
    pub fn gate(&self) -> Option<&Rules> {
        self.gate.as_deref()
    }

    /// Whether it is behind these very rules.
    #[must_use]
    pub fn is_behind(&self, gate: Option<&Arc<Rules>>) -> bool {
        self.gate.as_ref().map(Arc::as_ptr) == gate.map(Arc::as_ptr)
    }

    /// What tells agents of one host apart, where that could be had: the data directory's id.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The limit of its log.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// What the log of this process did.
    #[must_use]
    pub fn counters(&self) -> &LogCounters {
        &self.log.counters
    }

    /// How shipping is; none while another process ships.
    #[must_use]
    pub fn ship_status(&self) -> Option<ShipStatus> {
        self.shipper().map(|shipper| shipper.status())
    }

    /// Tells the server how this agent is, if this process ships.
    pub fn report(&self, status: &str) {
        if let Some(shipper) = self.shipper() {
            shipper.report(status);
        }
    }

    fn shipper(&self) -> Option<Arc<Shipper>> {
        self.shipping.as_ref()?.shipper()
    }

    /// So many lines of a pipe were lost for want of room, and no event tells of them: one will.
    pub fn lose(&self, lines: u64) {
        if lines == 0 {
            return;
        }
        match self.shipper() {
            Some(shipper) => shipper.lose(lines),
            // Another process ships: where there is no room for this either, stderr alone tells.
            None => {
                let untold = Untold { newest: lines, ..Untold::default() };
                let _ = held(&self.teller).as_ref().map(|teller| teller.put(untold));
            }
        }
    }

    /// Closes the log once nobody holds its entrance, and ships for at most `drain`; whether all is shipped.
    pub fn finish(self, drain: Duration) -> bool {
        if let (Some(teller), Some(shipper)) = (held(&self.teller).take(), self.shipper()) {
            teller.tell(&shipper);
        }
        let Spool { log, shipping, room, .. } = self;
        let _ = log.join();
        room.end();
        let Some(shipping) = shipping else { return false };
        let shipped = shipping.shipper().is_some_and(|shipper| shipper.drain(drain));
        shipping.end();
        shipped
    }
}

/// Whether a log has come into being.
fn is_there(real: &dyn Fs, log: &LogWriter) -> bool {
    real.list(&log.dir).is_ok()
}

fn lock(real: &dyn Fs, path: &Path) -> Result<Option<Box<dyn Lock>>, AgentError> {
    real.try_lock(path).map_err(unlocked(path))
}

fn unlocked(path: &Path) -> impl FnOnce(io::Error) -> AgentError {
    move |cause| AgentError(format!("cannot lock {}: {cause}", path.display()))
}

fn held<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shipping {
    /// Ships as soon as no other process does.
    fn start(
        real: Arc<dyn Fs>,
        path: PathBuf,
        settings: ShipSettings,
        limit: Option<u64>,
        (shipper, teller): (SharedShipper, Arc<Mutex<Option<Teller>>>),
    ) -> Result<Shipping, AgentError> {
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        let wait = move |patience| stopped.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
        let first = lock(&*real, &path)?;
        let mut waiting = Some(settings);
        let mut owned = None;
        if let Some(lock) = first
            && let Some(settings) = waiting.take()
        {
            *held(&shipper) = Some(Arc::new(Shipper::start(settings).map_err(AgentError::new)?));
            owned = Some(lock);
        }
        let shared = shipper.clone();
        let watching = move || {
            while waiting.is_some() && wait(LOOK_EVERY) {
                let Ok(Some(lock)) = lock(&*real, &path) else { continue };
                owned = Some(lock);
                match waiting.take().map(Shipper::start) {
                    Some(Ok(started)) => *held(&shared) = Some(Arc::new(started)),
                    Some(Err(cause)) => tracing::error!("cannot ship: {cause}"),
                    None => {}
                }
            }
            let (mut asked, mut told) = (clock::instant(), clock::instant());
            while wait(if limit.is_some() { LOOK_EVERY } else { TELL_EVERY }) {
                if clock::since(told) >= TELL_EVERY {
                    told = clock::instant();
                    // Not held while the log answers, which may want room of it.
                    let shipper = held(&shared).clone();
                    let _ = held(&teller).as_ref().zip(shipper).map(|(teller, shipper)| teller.tell(&shipper));
                }
                let shipper = held(&shared);
                let (Some(shipper), Some(limit)) = (shipper.as_ref(), limit) else { continue };
                let over = (shipper.status().queued_bytes + limit / ROOM_PART).saturating_sub(limit);
                // What was asked for takes a moment to show.
                if over > 0 && clock::since(asked) > LOOK_EVERY * 4 {
                    shipper.skip_oldest(over);
                    asked = clock::instant();
                }
            }
            drop(owned);
        };
        let thread = thread::Builder::new().name("spool".into()).spawn(watching).map_err(AgentError::new)?;
        Ok(Shipping { shipper, stop, thread })
    }

    /// The shipping of this process, where it is the one that ships.
    fn shipper(&self) -> Option<Arc<Shipper>> {
        held(&self.shipper).clone()
    }

    /// What was counted by then.
    fn end(self) -> ShipStatus {
        let shipper = held(&self.shipper).take().map(Arc::try_unwrap);
        // Where somebody else holds it, it stops with the last who does.
        let counted = shipper.map(|it| it.map_or_else(|shared| shared.status(), Shipper::stop));
        drop(self.stop);
        let _ = self.thread.join();
        counted.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        flow::{Pos, Record},
        log::{Limit, Reader},
    };

    fn settings(data: &Path, when_full: WhenFull) -> SpoolSettings {
        SpoolSettings {
            data: data.to_owned(),
            // Nobody is there.
            servers: vec!["http://127.0.0.1:9".to_owned()],
            token: None,
            tls: Tls::default(),
            log: log::Options { bytes_max: 64 << 10, together: true, ..log::Options::default() },
            when_full,
            gate: None,
            host: "here".to_owned(),
        }
    }

    fn append(intake: &Intake, batches: usize) -> usize {
        let mut stored = 0;
        for _ in 0..batches {
            let records = vec![Record::text(vec![b'x'; 1_000].into()); 4];
            let batch = RawBatch {
                origin: Arc::new(Origin::default()),
                span: None,
                mark: None,
                received: clock::now(),
                records,
            };
            let pending = intake.submit(batch, SyncClass::Prompt).unwrap();
            stored += if pending.wait().is_ok() { 4 } else { 0 };
        }
        stored
    }

    /// Lines in the spool that are to be shipped, and lost ones that its notices tell of or the next will.
    fn left(data: &Path) -> (u64, u64) {
        let progress: serde_json::Value =
            serde_json::from_slice(&std::fs::read(data.join("ship.json")).unwrap()).unwrap();
        let (mut lines, mut told) = (0, progress["lost"]["oldest"].as_u64().unwrap_or(0));
        for found in log::list(&RealFs, &data.join("spool")).unwrap() {
            let real: Arc<dyn Fs> = Arc::new(RealFs);
            let first = log::bases(&*real, &found.dir).unwrap()[0];
            let mut reader = Reader::open(&real, &found.dir, Pos(first.0)).unwrap();
            while let Some(frame) = reader.next(Limit::Everything).unwrap() {
                let given_up = progress["logs"][found.id.to_string()].as_u64() > Some(frame.start.0);
                for record in frame.batch.records.iter().filter(|_| !given_up) {
                    match notice::told(record) {
                        Some(count) => told += count,
                        None => lines += 1,
                    }
                }
            }
        }
        (lines, told)
    }

    #[test]
    fn the_oldest_goes_at_once_and_every_line_of_it_is_told() {
        let temp = tempfile::tempdir().unwrap();
        let mut all = 0;
        for _ in 0..3 {
            let (spool, _) = Spool::open(settings(temp.path(), WhenFull::DropOldest), false).unwrap();
            let intake = spool.intake();
            // Nothing that is new is dropped, however fast it comes; and the notice of the life before goes, too.
            assert_eq!(append(&intake, 60), 240);
            drop(intake);
            all += 240;
            assert!(!spool.finish(Duration::ZERO));
            let (lines, told) = left(temp.path());
            assert_eq!(lines + told, all, "{lines} and {told}");
        }
    }

    #[test]
    fn the_newest_that_is_lost_at_the_end_is_told_by_the_next() {
        let temp = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(settings(temp.path(), WhenFull::Block), false).unwrap();
        let intake = spool.intake();
        let lost = 240 - append(&intake, 60) as u64;
        drop(intake);
        assert!(lost > 0);
        spool.lose(lost);
        assert!(!spool.finish(Duration::ZERO));
        let first = left(temp.path());
        // With more room.
        let mut more = settings(temp.path(), WhenFull::Block);
        more.log.bytes_max = 1 << 20;
        let (spool, _) = Spool::open(more, false).unwrap();
        assert!(!spool.finish(Duration::ZERO));
        assert_eq!(left(temp.path()), (first.0, lost));
    }
}
