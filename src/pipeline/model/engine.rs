//! The owner's side of a life: the store, and the rules by which logs are read, trimmed and removed.

use super::{LOGS, STORE, life::Writing, world::World};
use crate::{
    event::Timestamp,
    flow::{Batch, LogId, Outlet, Pos, Progress},
    fs::Fs,
    log::clients::number,
    outputs::store::{close, commit},
    pipeline::logs::{self, Logs},
    plan::{Plan, StreamHints},
    store::{Options, Row, Store, StoreError},
};
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
};
use tantivy::DocAddress;
use tokio::sync::watch;

/// One run of an engine.
pub(super) struct Engine {
    pub(super) store: Store,
    pub(super) logs: Logs,
    hints: StreamHints,
    outlet: Outlet,
    pub(super) progress: watch::Receiver<Progress>,
    gone: Mutex<Vec<LogId>>,
}

/// Something failed that an engine or a process cannot live with.
#[derive(Debug)]
pub(super) struct Ended;

pub(super) fn ended(_: impl std::fmt::Debug) -> Ended {
    Ended
}

fn options(world: &World, fs: &Arc<dyn Fs>) -> Options {
    Options {
        free_bytes_min: 0,
        seal_events: world.settings.seal_events,
        segment_memory: 1 << 20,
        fs: fs.clone(),
        now: Timestamp::default,
        free_space: |_| Ok(u64::MAX),
        ..Options::default()
    }
}

/// Every event of a store: its log, its position, its number.
pub(super) fn events(store: &Store) -> Vec<(LogId, Pos, u64)> {
    let (snapshot, mut found) = (store.snapshot(), Vec::new());
    assert_eq!(snapshot.set_aside(), [""; 0]);
    for (partition, view) in snapshot.partitions().iter().enumerate() {
        for (segment, reader) in (0u32..).zip(view.searcher.segment_readers()) {
            for doc in 0..reader.max_doc() {
                let stored = snapshot.event(Row { partition, address: DocAddress::new(segment, doc) }).unwrap();
                let message = stored.event.message().unwrap();
                found.push((stored.id.log, stored.id.at, number(message)));
            }
        }
    }
    found
}

impl Engine {
    pub(super) fn open(world: &mut World, fs: &Arc<dyn Fs>) -> Result<Engine, Ended> {
        let mut store = Store::open(Path::new(STORE), options(world, fs)).map_err(|error| {
            assert!(!matches!(error, StoreError::Corrupt { .. }) || is_dead(&**fs), "{error}");
            Ended
        })?;
        if is_dead(&**fs) {
            return Err(Ended);
        }
        world.verify(&store);
        // What it claims is relied on from now on.
        world.is_done(store.progress());
        // As the owner does.
        for log in logs::gone(&**fs, Path::new(LOGS), store.progress()).unwrap_or_default() {
            assert!(world.is_covered(log), "log {log} went too early");
            world.gone.insert(log);
            store.forget_log(log);
        }
        let (_, outlet, progress) = Outlet::channel(store.progress().clone());
        let logs = Logs::new(fs.clone(), LOGS.into());
        Ok(Engine { store, logs, hints: StreamHints::default(), outlet, progress, gone: Mutex::default() })
    }

    /// Takes in at most so many frames; whether there may be more.
    pub(super) fn read(&mut self, world: &mut World, own: &Writing, count: usize) -> Result<bool, Ended> {
        self.logs.look(&self.progress.borrow()).map_err(ended)?;
        let mut left = count;
        for (id, open) in self.logs.iter_mut() {
            let durable = (id == own.id).then(|| *own.ends.borrow());
            while left > 0
                && let Some(frame) = open.next(durable)
            {
                left -= 1;
                world.saw(&frame);
                let events = Plan::auto().run(&frame, &self.hints.observe(&frame));
                let batch = Batch { log: frame.log, start: frame.start, end: frame.end, first_number: 0, events };
                self.store.add(&batch).map_err(ended)?;
            }
        }
        Ok(left == 0)
    }

    pub(super) fn hard(&mut self, world: &mut World) -> Result<(), Ended> {
        let progress = commit(&mut self.store, &self.gone).map_err(ended)?;
        self.outlet.done(&progress);
        world.is_done(&progress);
        Ok(())
    }

    pub(super) fn close(&mut self, world: &mut World) -> Result<(), Ended> {
        let progress = close(&mut self.store, &self.gone).map_err(ended)?;
        self.outlet.done(&progress);
        world.is_done(&progress);
        Ok(())
    }

    pub(super) fn let_go(&mut self, world: &mut World, carried: &BTreeSet<LogId>) {
        let progress = self.progress.borrow_and_update().clone();
        for log in self.logs.let_go(&progress, &|log| carried.contains(&log)) {
            world.let_go(log, carried);
            self.gone.lock().unwrap().push(log);
        }
    }
}

pub(super) fn is_dead(fs: &dyn Fs) -> bool {
    fs.list(Path::new("/")).is_err()
}
