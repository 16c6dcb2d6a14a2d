//! Ships what is in the spool to a server: the other end of `POST /api/v1/frames`.
//!
//! # What it promises
//! - Each frame of each log under the spool folder is sent until a server says that it has it durably; only then are segments
//!   trimmed and dead logs removed. Nothing is given up silently: a frame that the server refuses alone three times, and what
//!   [`Shipper::skip_oldest`] skips, is said and counted.
//! - Exactly once on one server, whatever is killed when: a frame is known by its log and positions, and the server keeps the
//!   set of those. The progress file only spares sending again.
//! - Within a log, frames arrive in order: one request of a log is on its way at a time. Only where more than
//!   [`ShipSettings::fresh_after`] bytes wait, what is new goes beside them (`fresh.rs`).
//! - With several servers, a batch that may have reached one stays with it for [`Pace::stay`], over stops, reloads and crashes
//!   (`pins.rs`); after that it may be on two, which is counted.
//!
//! # How
//! One thread (`run.rs`) reads the logs in turns, gathers batches and decides; [`SENDERS`] threads hold one request each. The
//! logs of this process ring when they grow, those of other processes are looked at every [`Pace::poll`], and the folder every
//! [`Pace::look`]: with nothing to do that is all that happens. Logs are read by the rules of [`crate::pipeline::logs`].
//!
//! # Limits
//! Memory: at most [`BATCHES_HELD_MAX`] batches of at most [`BATCH_BYTES_MAX`] and a frame each, the same again compressed for
//! those on their way, and a chunk for each log that is being read. Waits are bounded by [`Pace`].

mod batch;
mod client;
mod fresh;
mod lane;
mod outcome;
mod pins;
mod progress;
mod run;
mod sender;
mod servers;
mod status;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tls;

pub use servers::without_password;
pub use status::{ShipStatus, Untold};

use crate::{
    clock,
    flow::{LogId, Pos},
    fs::Fs,
};
use run::Run;
use sender::Done;
use std::{
    collections::BTreeSet,
    io,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Wake,
    thread::{self, JoinHandle},
    time::Duration,
};
use tokio::sync::watch;

/// Requests on their way at a time, of different logs.
pub const SENDERS: usize = 2;
/// Largest batch before compression, but for its last frame.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// Batches in memory: on their way, and being gathered meanwhile.
pub const BATCHES_HELD_MAX: usize = 3;

/// Where more than so many bytes of a log wait, what is new in it is shipped beside them.
pub const FRESH_AFTER: u64 = 64 << 20;

/// Certificates, PEM files all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Who may vouch for the server, instead of the public authorities.
    pub ca: Option<PathBuf>,
    /// Our own certificate, where the server wants one, with those that vouch for it.
    pub cert: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// How long everything takes.
#[derive(Clone, Debug)]
pub struct Pace {
    /// The longest that a batch waits for company.
    pub batch_wait: Duration,
    /// How often the folder of logs is looked at.
    pub look: Duration,
    /// How often the logs of other processes are looked at, where there are any.
    pub poll: Duration,
    /// How often the progress file is written at most.
    pub save: Duration,
    /// Longest for a name, and for a connection.
    pub connect: Duration,
    /// Longest for a request to be taken, and for an answer to come.
    pub reply: Duration,
    /// The wait after the first failure; it doubles with each.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// The wait after a server refused our token.
    pub denied: Duration,
    /// The longest wait that a server may ask for.
    pub retry_after_max: Duration,
    /// How long a batch stays with a server that does not take it before another is tried.
    pub stay: Duration,
    /// Answers slower than this are given larger batches.
    pub slow: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            batch_wait: Duration::from_millis(100),
            look: Duration::from_secs(1),
            poll: Duration::from_millis(200),
            save: Duration::from_secs(1),
            connect: Duration::from_secs(5),
            reply: Duration::from_secs(60),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            denied: Duration::from_secs(5),
            retry_after_max: Duration::from_secs(60),
            stay: Duration::from_secs(60),
            slow: Duration::from_millis(250),
        }
    }
}

/// What to ship, and where to.
#[derive(Debug)]
pub struct ShipSettings {
    /// The folder of logs.
    pub spool: PathBuf,
    /// The progress file; its folder is there.
    pub progress: PathBuf,
    /// Base URLs, such as `https://logs.example:7447`, in order of preference.
    pub servers: Vec<String>,
    /// The token.
    pub token: Option<String>,
    /// Certificates.
    pub tls: Tls,
    /// How large a batch becomes before compression; slow answers make it grow up to [`BATCH_BYTES_MAX`].
    pub batch_bytes_max: usize,
    /// [`FRESH_AFTER`]; `u64::MAX` keeps the order of each log whatever happens.
    pub fresh_after: u64,
    /// How long everything takes.
    pub pace: Pace,
    /// The logs that this process writes, and up to where each is durable.
    pub own: Vec<(LogId, watch::Receiver<Pos>)>,
    /// Logs whose source tables another log carries on: they go when they are shipped. One that knows sources and is not
    /// carried is shipped and kept.
    pub carried: Vec<LogId>,
    /// What was counted before by the shipping that this one replaces: it goes on from there.
    pub counted: ShipStatus,
    /// The file system of the spool.
    pub fs: Arc<dyn Fs>,
}

impl ShipSettings {
    /// Whether shipping can start.
    ///
    /// # Errors
    /// A certificate file cannot be read, or a server is no URL.
    pub fn check(&self) -> io::Result<()> {
        self.client().map(|_| ())
    }

    fn client(&self) -> io::Result<client::Client> {
        for server in &self.servers {
            if !server.starts_with("http://") && !server.starts_with("https://") {
                let server = without_password(server);
                return Err(io::Error::other(format!("{server}: expected a URL such as http://logs.example:7447")));
            }
        }
        if self.servers.is_empty() {
            return Err(io::Error::other("no server to ship to: name one with --server URL"));
        }
        client::Client::new(self.token.as_deref(), &self.tls, &self.pace)
    }
}

/// What others want of the thread that decides, and what the senders tell it.
#[derive(Debug, Default)]
struct Inbox {
    rung: bool,
    stop: bool,
    draining: bool,
    drained: bool,
    ended: bool,
    skip: u64,
    follow: Vec<(LogId, watch::Receiver<Pos>)>,
    carried: BTreeSet<LogId>,
    done: Vec<Done>,
}

#[derive(Debug, Default)]
struct Shared {
    inbox: Mutex<Inbox>,
    bell: Condvar,
    /// Something that others may wait for has happened.
    news: Condvar,
    status: Mutex<ShipStatus>,
}

impl Shared {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        held(&self.inbox)
    }

    /// Changes what is wanted, and wakes.
    fn tell(&self, change: impl FnOnce(&mut Inbox)) {
        let mut inbox = self.inbox();
        change(&mut inbox);
        inbox.rung = true;
        self.bell.notify_all();
    }

    /// Waits until somebody rings, or for so long.
    fn wait(&self, patience: Duration) {
        let waited = self.bell.wait_timeout_while(self.inbox(), patience, |inbox| !inbox.rung);
        waited.unwrap_or_else(PoisonError::into_inner).0.rung = false;
    }

    fn count(&self, change: impl FnOnce(&mut ShipStatus)) {
        change(&mut held(&self.status));
    }
}

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.tell(|_| {});
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ships a spool. Ends with [`Shipper::stop`]; what is not shipped by then stays in the spool.
#[derive(Debug)]
pub struct Shipper {
    shared: Arc<Shared>,
    client: client::Client,
    /// The servers' URLs.
    urls: Vec<String>,
    threads: Vec<JoinHandle<()>>,
}

impl Shipper {
    /// Starts shipping.
    ///
    /// # Errors
    /// A certificate file cannot be read, a server is no URL, or a thread cannot be started.
    pub fn start(settings: ShipSettings) -> io::Result<Shipper> {
        let client = settings.client()?;
        let shared = Arc::new(Shared::default());
        let (jobs, queue) = crossbeam_channel::bounded(SENDERS);
        let urls = settings.servers.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        let mut shipper = Shipper { shared: shared.clone(), client: client.clone(), urls, threads: Vec::new() };
        for _ in 0..SENDERS {
            let (queue, client, shared) = (queue.clone(), client.clone(), shared.clone());
            shipper.spawn("ship-send", move || sender::run(&queue, &client, &shared))?;
        }
        let run = Run::new(settings, shared, jobs);
        shipper.spawn("ship", move || run.run())?;
        Ok(shipper)
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.to_owned()).spawn(work)?);
        Ok(())
    }

    /// How shipping is.
    #[must_use]
    pub fn status(&self) -> ShipStatus {
        let mut status = held(&self.shared.status).clone();
        status.seconds_since_success = status.last_success.map(|at| clock::since(at).as_secs());
        status
    }

    /// Tells the server in use how this agent is, in the caller's thread: `status` is the body of `POST /api/v1/agents`.
    pub fn report(&self, status: &str) {
        let Some(server) = self.urls.get(self.status().server) else { return };
        if let Err(cause) = self.client.report(server, status) {
            tracing::debug!("cannot tell {} how this agent is: {cause}", without_password(server));
        }
    }

    /// This process also writes that log.
    pub fn follow(&self, log: LogId, durable: watch::Receiver<Pos>) {
        self.shared.tell(|inbox| inbox.follow.push((log, durable)));
    }

    /// Another log carries on what these know of their sources.
    pub fn carry(&self, logs: impl IntoIterator<Item = LogId>) {
        self.shared.tell(|inbox| inbox.carried.extend(logs));
    }

    /// Waits until everything is shipped that is durable now; false if that takes longer. Shipping goes on either way.
    #[must_use]
    pub fn drain(&self, timeout: Duration) -> bool {
        self.shared.tell(|inbox| (inbox.draining, inbox.drained) = (true, false));
        let waiting = |inbox: &mut Inbox| !inbox.drained && !inbox.ended;
        let waited = self.shared.news.wait_timeout_while(self.shared.inbox(), timeout, waiting);
        let mut inbox = waited.unwrap_or_else(PoisonError::into_inner).0;
        inbox.draining = false;
        inbox.drained
    }

    /// Gives up the oldest that is not shipped, in whole segments, so many bytes or as much as there is: for a spool that is
    /// at its limit and is to take what is new. What was given up is in the status; the room is there a moment later.
    pub fn skip_oldest(&self, bytes: u64) {
        self.shared.tell(|inbox| inbox.skip += bytes);
    }

    /// So many of the newest lines were lost for want of room, and no event tells of them.
    pub fn lose(&self, lines: u64) {
        self.shared.count(|status| status.untold.newest += lines);
        self.shared.tell(|_| {});
    }

    /// An event tells of so much.
    pub fn told(&self, told: Untold) {
        self.shared.count(|status| status.untold = status.untold.without(told));
        self.shared.tell(|_| {});
    }

    /// Ends shipping now; requests on their way are broken off. How it was in the end.
    pub fn stop(mut self) -> ShipStatus {
        self.end();
        self.status()
    }

    fn end(&mut self) {
        self.shared.tell(|inbox| inbox.stop = true);
        // Joined from the last: it decides, saves and lets the senders go, who may be in the middle of a request.
        if let Some(run) = self.threads.pop() {
            let _ = run.join();
        }
        self.client.shutdown();
        for sender in self.threads.drain(..) {
            let _ = sender.join();
        }
    }
}

impl Drop for Shipper {
    fn drop(&mut self) {
        self.end();
    }
}
