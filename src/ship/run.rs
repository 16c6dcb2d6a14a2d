//! The thread that reads the logs, gathers batches and decides where they go and when. What became of each request is
//! judged in `outcome.rs`.

use super::{
    BATCH_BYTES_MAX, BATCHES_HELD_MAX, SENDERS, Shared, ShipSettings, ShipStatus, batch::GivenUp, held, lane::Lane,
    pins, progress::Saved, sender::Job, servers::Servers,
};
use crate::{
    clock,
    flow::{LogId, Pos, Progress},
    fs::Fs,
    log::{self, Found, LogError, Reader},
    pipeline::{
        growth::Growing,
        logs::{Logs, OpenLog},
    },
};
use crossbeam_channel::Sender;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::Waker,
    time::{Duration, Instant},
};

/// What others want now.
#[derive(Clone, Copy)]
struct Wanted {
    stop: bool,
    drain: bool,
    skip: u64,
}

/// The lanes of a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub main: u64,
    /// Where much waits, another begins at what is new.
    pub fresh: Option<u64>,
}

/// The thread that decides.
pub(super) struct Run {
    pub settings: ShipSettings,
    pub shared: Arc<Shared>,
    pub servers: Servers,
    /// By number, in the order in which they came to be.
    pub lanes: BTreeMap<u64, Lane>,
    /// Which lanes each log has.
    pub routes: BTreeMap<LogId, Route>,
    /// The server answered the last request as it should.
    pub is_healthy: bool,
    pub lanes_begun: u64,
    /// How large batches are now, and at most.
    pub batch_bytes: usize,
    pub ceiling: usize,
    /// Requests on their way.
    pub out: usize,
    jobs: Sender<Job>,
    pub logs: Logs,
    pub own: BTreeMap<LogId, Growing>,
    carried: BTreeSet<LogId>,
    /// What the progress file holds.
    saved: Saved,
    saved_at: Option<Instant>,
    looked: Option<Instant>,
    tidied: Option<Instant>,
    /// The folder could not be read.
    is_blind: bool,
    /// The progress file could not be written.
    is_mute: bool,
    /// Records that were given up since that was said.
    dropped: u64,
    /// The lane that had its turn last.
    turn: u64,
    /// How far the own logs were when a drain began.
    drain_to: Option<Progress>,
}

impl Run {
    pub fn new(mut settings: ShipSettings, shared: Arc<Shared>, jobs: Sender<Job>) -> Run {
        let saved = Saved::load(&*settings.fs, &settings.progress);
        let servers = Servers::new(&settings.servers, saved.server.as_deref());
        shared.count(|status| {
            let before = std::mem::take(&mut settings.counted);
            let shown: Vec<_> = (0..servers.count()).map(|server| servers.shown(server).to_owned()).collect();
            *status = ShipStatus { reachable: before.reachable && before.servers == shown, ..before };
            (status.servers, status.server) = (shown, servers.current());
            status.untold = status.untold.max(saved.lost);
        });
        shared.inbox().follow = std::mem::take(&mut settings.own);
        let logs = Logs::new(settings.fs.clone(), settings.spool.clone());
        Run {
            batch_bytes: settings.batch_bytes_max.min(BATCH_BYTES_MAX),
            ceiling: BATCH_BYTES_MAX,
            carried: settings.carried.iter().copied().collect(),
            settings,
            shared,
            servers,
            lanes: BTreeMap::new(),
            routes: BTreeMap::new(),
            is_healthy: false,
            lanes_begun: 0,
            out: 0,
            jobs,
            logs,
            own: BTreeMap::new(),
            saved,
            saved_at: None,
            looked: None,
            tidied: None,
            is_blind: false,
            is_mute: false,
            dropped: 0,
            turn: 0,
            drain_to: None,
        }
    }

    /// Runs until it is told to stop.
    pub fn run(mut self) {
        loop {
            let wanted = self.read_inbox();
            if wanted.stop {
                break;
            }
            self.note_drain(wanted.drain);
            if wanted.drain || is_due(self.looked, self.settings.pace.look) {
                self.look();
            }
            self.watch_own();
            self.join_fresh();
            self.open_fresh();
            loop {
                let gathered = self.gather(wanted.drain);
                if !self.dispatch() && !gathered {
                    break;
                }
            }
            let skipped = wanted.skip > 0 && self.skip_oldest(wanted.skip);
            if skipped {
                // Before the segments go: what is lost with them is told, whatever happens.
                self.save(false);
            }
            let drained = wanted.drain && self.is_drained();
            self.tidy(skipped || drained);
            self.publish();
            if drained {
                self.shared.inbox().drained = true;
                self.shared.news.notify_all();
            }
            let patience = self.patience();
            self.shared.wait(patience);
        }
        if self.looked.is_none() {
            // Or nothing of what is to be remembered could be written down.
            self.look();
        }
        self.tidy(true);
        self.save(true);
        self.say_dropped();
        self.publish();
        self.shared.inbox().ended = true;
        self.shared.news.notify_all();
    }

    fn read_inbox(&mut self) -> Wanted {
        let mut inbox = self.shared.inbox();
        let wanted =
            Wanted { stop: inbox.stop, drain: inbox.draining && !inbox.drained, skip: std::mem::take(&mut inbox.skip) };
        let (done, follow) = (std::mem::take(&mut inbox.done), std::mem::take(&mut inbox.follow));
        self.carried.append(&mut inbox.carried);
        drop(inbox);
        for (log, durable) in follow {
            self.own.insert(log, Growing::new(durable));
        }
        for done in done {
            self.judge(done);
        }
        wanted
    }

    fn durable_end(&self, log: LogId) -> Option<Pos> {
        self.own.get(&log).map(Growing::end)
    }

    /// Opens logs that are new, and learns which writers have died.
    fn look(&mut self) {
        self.looked = Some(clock::instant());
        let (fs, saved) = (&self.settings.fs, &self.saved.logs);
        let found =
            self.logs.look_from(|found| first_kept(fs, found, saved.get(&found.id).copied().unwrap_or_default()));
        match found {
            Ok(()) => self.is_blind = false,
            Err(cause) => {
                if !std::mem::replace(&mut self.is_blind, true) {
                    tracing::error!("{cause}; it is tried again");
                }
                self.shared.count(|status| status.last_error = Some(cause.to_string()));
            }
        }
        for (log, open) in self.logs.iter_mut() {
            let route = self.routes.entry(log).or_insert_with(|| {
                self.lanes_begun += 1;
                let suspects = pins::suspects(&self.saved.pins, log, &self.servers, self.settings.pace.stay);
                let mut lane = Lane::new(self.lanes_begun, log, open.read_to());
                lane.suspects = suspects;
                self.lanes.insert(self.lanes_begun, lane);
                Route { main: self.lanes_begun, fresh: None }
            });
            let Some(lane) = self.lanes.get_mut(&route.main) else { continue };
            let is_own = self.own.contains_key(&log);
            if !is_own && !open.is_ended() {
                lane.end = log::end_of(&*self.settings.fs, open.dir()).unwrap_or(lane.end);
            }
        }
    }

    /// Asks to be rung when an own log grows; forgets those whose writers are gone.
    fn watch_own(&mut self) {
        let waker = Waker::from(self.shared.clone());
        let before = self.own.len();
        self.own.retain(|_, own| own.watch(&waker));
        if self.own.len() < before {
            self.looked = None;
        }
    }

    /// Reads what fits, each log in turn; whether a batch became ready.
    fn gather(&mut self, hurry: bool) -> bool {
        let mut held: usize = self.lanes.values().map(Lane::held).sum();
        let held_max = BATCHES_HELD_MAX * self.batch_bytes;
        let mut ready = false;
        for (log, open) in self.logs.iter_mut() {
            let Some(route) = self.routes.get(&log) else { continue };
            let durable = self.own.get(&log).map(Growing::end);
            for id in [Some(route.main), route.fresh].into_iter().flatten() {
                let Some(lane) = self.lanes.get_mut(&id).filter(|lane| lane.wants_more()) else { continue };
                if held < held_max {
                    let before = lane.held();
                    ready |= lane.gather(open, durable, self.batch_bytes);
                    held += lane.held() - before;
                }
                // While one is on its way the next may grow.
                let late = lane.sealed_at(self.settings.pace.batch_wait).is_some_and(|at| at <= clock::instant());
                if lane.flight.is_none() && lane.wants_more() && (late || hurry) {
                    ready |= lane.seal();
                }
            }
        }
        ready
    }

    /// Hands batches to the senders that are free; whether any.
    fn dispatch(&mut self) -> bool {
        let before = self.out;
        let turn = self.turn;
        // The lane that had its turn last comes last.
        let order: Vec<u64> =
            self.lanes.range(turn + 1..).chain(self.lanes.range(..=turn)).map(|(id, _)| *id).collect();
        for lane in &order {
            if self.out == SENDERS {
                break;
            }
            let Some(flight) = self.lanes.get_mut(lane).and_then(Lane::next_flight) else { continue };
            let server = flight.pinned.unwrap_or(self.servers.current());
            if flight.due > clock::instant() || self.servers.rests_until(server).is_some() {
                continue;
            }
            let batch = flight.batch.clone();
            self.lease(*lane, server, batch.span());
            let job = Job { batch, server, url: self.servers.url(server).to_owned() };
            if self.jobs.try_send(job).is_ok() {
                self.sent(*lane, server);
                self.out += 1;
                self.turn = *lane;
            }
        }
        self.out > before
    }

    fn progress(&self) -> Progress {
        let progress = |route: &Route| self.lanes.get(&route.main).map(Lane::progress);
        self.routes.iter().filter_map(|(log, route)| Some((*log, progress(route)?))).collect()
    }

    /// Lets go of what is shipped, and writes down how far that is.
    fn tidy(&mut self, now: bool) {
        if now || is_due(self.tidied, self.settings.pace.poll) {
            self.tidied = Some(clock::instant());
            self.note_damage();
            let progress = self.progress();
            let carried = &self.carried;
            for log in self.logs.let_go(&progress, &|log| carried.contains(&log)) {
                self.lanes.retain(|_, lane| lane.log != log);
                self.routes.remove(&log);
                self.own.remove(&log);
            }
        }
        if is_due(self.saved_at, self.settings.pace.save) {
            self.save(false);
        }
    }

    fn note_damage(&mut self) {
        for (log, open) in self.logs.iter_mut() {
            let Some(route) = self.routes.get(&log) else { continue };
            let Some(lane) = self.lanes.get_mut(&route.main) else { continue };
            let (stats, known) = (open.stats(), lane.damage);
            if stats.bad_regions > known.0 {
                let (regions, bytes) = (stats.bad_regions - known.0, stats.bad_bytes_skipped - known.1);
                lane.damage = (stats.bad_regions, stats.bad_bytes_skipped);
                tracing::error!("log {log}: {bytes} bytes of the spool are damaged and were skipped");
                self.shared.count(|status| {
                    status.bad_regions += regions;
                    status.bad_bytes += bytes;
                });
            }
        }
    }

    /// Writes the progress file if there is anything new to write; `is_end` when nothing more is sent.
    pub fn save(&mut self, is_end: bool) {
        let server = (self.servers.count() > 1).then(|| self.servers.shown(self.servers.current()).to_owned());
        let now =
            Saved { server, logs: self.progress(), pins: self.pins(is_end), lost: held(&self.shared.status).untold };
        if now == self.saved || self.is_blind || self.looked.is_none() {
            return;
        }
        self.saved_at = Some(clock::instant());
        match now.store(&*self.settings.fs, &self.settings.progress) {
            Ok(()) => (self.saved, self.is_mute) = (now, false),
            Err(cause) => {
                if !std::mem::replace(&mut self.is_mute, true) {
                    let path = self.settings.progress.display();
                    tracing::warn!(
                        "cannot write {path}: {cause}; after a restart some is sent again, the server keeps it once"
                    );
                }
            }
        }
    }

    /// Makes room: gives up whole segments, the logs of the dead first, until there are so many bytes less to ship. Whether
    /// anything was given up.
    fn skip_oldest(&mut self, bytes: u64) -> bool {
        let mut left = bytes;
        let mut lost = GivenUp::default();
        for alive in [false, true] {
            for (log, open) in self.logs.iter_mut().filter(|(_, open)| open.is_alive() == alive) {
                let Some(route) = self.routes.get(&log) else { continue };
                let Some(lane) = self.lanes.get_mut(&route.main) else { continue };
                let Some(to) = segment_end(&*self.settings.fs, open, lane.progress(), left) else { continue };
                let to = lane.until.map_or(to, |until| until.min(to));
                left = left.saturating_sub(to.0 - lane.progress().0);
                let durable = self.own.get(&log).map(Growing::end);
                lost = lost.and(lane.give_up(to)).and(lane.skip(open, durable, to));
            }
        }
        self.count_dropped(lost);
        left < bytes
    }

    pub fn count_dropped(&mut self, lost: GivenUp) {
        if lost.records > 0 && self.dropped == 0 {
            tracing::warn!(
                "the spool has no room: its oldest records are given up and counted until the server takes some"
            );
        }
        self.dropped += lost.records;
        self.shared.count(|status| {
            status.dropped_oldest += lost.records;
            status.dropped_oldest_bytes += lost.bytes;
            status.untold.oldest += lost.lines;
        });
    }

    /// Says how many that were, when it is over.
    pub fn say_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            tracing::warn!("{dropped} of the oldest records were given up: the spool had no room");
        }
    }

    fn publish(&mut self) {
        let mut queued = 0;
        for lane in self.lanes.values() {
            let end = lane.until.or_else(|| self.durable_end(lane.log)).unwrap_or(lane.end);
            queued += end.0.saturating_sub(lane.progress().0);
        }
        let unreadable = self.logs.iter_mut().filter(|(_, open)| open.failure().is_some()).count() as u64;
        let (server, logs) = (self.servers.current(), self.routes.len() as u64);
        self.shared.count(|status| {
            (status.queued_bytes, status.unreadable_logs, status.server, status.logs) =
                (queued, unreadable, server, logs);
        });
    }

    fn note_drain(&mut self, drain: bool) {
        if !drain {
            self.drain_to = None;
        } else if self.drain_to.is_none() {
            self.drain_to = Some(self.own.iter().map(|(log, own)| (*log, own.end())).collect());
        }
    }

    /// Own logs as far as they were durable when the drain began, dead ones whole, and of others what could be read now.
    fn is_drained(&mut self) -> bool {
        let Some(ends) = &self.drain_to else { return false };
        let (lanes, routes) = (&self.lanes, &self.routes);
        !self.is_blind
            && self.logs.iter_mut().all(|(log, open)| {
                let Some(route) = routes.get(&log).filter(|route| route.fresh.is_none()) else { return false };
                let Some(lane) = lanes.get(&route.main) else { return false };
                match ends.get(&log) {
                    Some(end) => lane.progress() >= *end,
                    None => lane.is_empty() && (open.is_alive() || open.is_ended()),
                }
            })
    }

    /// How long there is nothing to do, unless somebody rings.
    fn patience(&mut self) -> Duration {
        let pace = &self.settings.pace;
        let after = |since: Option<Instant>, pause: Duration| {
            since.map_or(Duration::ZERO, |since| pause.saturating_sub(clock::since(since)))
        };
        let mut patience = after(self.looked, pace.look);
        let own = &self.own;
        if self.logs.iter_mut().any(|(log, open)| !own.contains_key(&log) && !open.is_ended()) {
            patience = patience.min(pace.poll);
        }
        let (now, is_free, servers) = (clock::instant(), self.out < SENDERS, &self.servers);
        let rests_until = |server: Option<usize>| servers.rests_until(server.unwrap_or(servers.current()));
        for lane in self.lanes.values() {
            let due = lane.wakes_at(pace.batch_wait, is_free, rests_until);
            patience = due.map_or(patience, |due| patience.min(due.saturating_duration_since(now)));
        }
        patience
    }
}

fn is_due(last: Option<Instant>, pause: Duration) -> bool {
    last.is_none_or(|last| clock::since(last) >= pause)
}

/// The end of the segment up to which so many bytes lie behind a position, or of the last one that may be given up: nothing
/// of the newest that a living writer has.
fn segment_end(fs: &dyn Fs, open: &OpenLog, from: Pos, bytes: u64) -> Option<Pos> {
    let mut ends = log::bases(fs, open.dir()).ok()?;
    if !open.is_alive() {
        ends.extend(log::end_of(fs, open.dir()));
    }
    ends.retain(|end| *end > from);
    let enough = ends.iter().find(|end| end.0 - from.0 >= bytes);
    enough.or(ends.last()).copied().filter(|_| bytes > 0)
}

/// Where to begin with a log: where the progress file says, or behind it where segments are gone. Those were trimmed because
/// they were shipped, after the file was written.
fn first_kept(fs: &Arc<dyn Fs>, found: &Found, saved: Pos) -> Pos {
    match Reader::open(fs, &found.dir, saved) {
        Err(LogError::Gap { first, .. }) => first,
        _ => saved,
    }
}
