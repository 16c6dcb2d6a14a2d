//! The log that an agent's inputs write, and the shipping of all logs beside it.

use super::AgentError;
use crate::{
    clock,
    codecs::gate::Rules,
    config::DataDir,
    flow::{Gate, Intake, LogId},
    fs::{self, Fs, Lock, RealFs},
    log::{self, LogCounters, LogWriter, SourceTable},
    pipeline::{carry_over, lock_of_dying},
    ship::{FRESH_AFTER, Pace, ShipSettings, ShipStatus, Shipper, Tls},
};
use crossbeam_channel::{RecvTimeoutError, Sender};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

/// How often a process that does not ship tries to take that over, and how often the limit is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A thread that waits for its end alone.
const IDLE: Duration = Duration::from_secs(3_600);
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
}

/// The spool of this process.
#[derive(Debug)]
pub struct Spool {
    /// Of the data directory.
    id: Option<String>,
    log: LogWriter,
    gate: Option<Arc<Rules>>,
    bytes_max: u64,
    /// Nobody else follows files here.
    _files: Option<Box<dyn Lock>>,
    shipping: Option<Shipping>,
    /// Logs whose sources this one carries on.
    carried: Vec<LogId>,
}

/// The shipping of all logs, by this process or another.
#[derive(Debug)]
struct Shipping {
    shipper: Arc<Mutex<Option<Arc<Shipper>>>>,
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
        let log = log::open(&real, &root, settings.log, &known).map_err(AgentError::new)?;
        let bytes_max = settings.log.bytes_max;
        let gate = settings.gate.clone();
        let id = DataDir::open_existing(&settings.data).ok().and_then(|data| data.id().ok());
        let mut spool = Spool { id, log, gate, bytes_max, _files: files, shipping: None, carried: dead };
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
        let limit = (settings.when_full == WhenFull::DropOldest).then_some(self.bytes_max);
        let ship = ShipSettings { counted, ..self.ship_settings(settings) };
        self.shipping = Some(Shipping::start(Arc::new(RealFs), lock, ship, limit)?);
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
        log::sources_by_now(&(Arc::new(RealFs) as Arc<dyn Fs>), &self.log.dir).map_err(AgentError::new)
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

    /// Closes the log once nobody holds its entrance, and ships for at most `drain`; whether all is shipped.
    pub fn finish(self, drain: Duration) -> bool {
        let Spool { log, shipping, .. } = self;
        let _ = log.join();
        let Some(shipping) = shipping else { return false };
        let shipped = shipping.shipper().is_some_and(|shipper| shipper.drain(drain));
        shipping.end();
        shipped
    }
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
    ) -> Result<Shipping, AgentError> {
        let shipper = Arc::new(Mutex::new(None));
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
            let Some(limit) = limit else {
                while wait(IDLE) {}
                return;
            };
            let mut asked = clock::instant();
            while wait(LOOK_EVERY) {
                let shipper = held(&shared);
                let Some(shipper) = shipper.as_ref() else { continue };
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
