//! Lives of the machine's processes: a program runs on from one to the next, and in the end all is sent again and counted.

use super::{
    LOGS, Op,
    engine::{Ended, Engine, ended, events, is_dead},
    world::{Settings, World},
};
use crate::{
    event::Timestamp,
    flow::{LogId, Pos},
    fs::{self, Fs, sim::SimFs},
    log::{self, Writer, clients::Waiting},
    pipeline::{ingest_log::carry_over, logs::Logs},
};
use std::{collections::BTreeSet, path::Path, sync::Arc};
use tokio::sync::watch;

/// Soft commits in a row, so that there is something to merge.
const BURST: usize = 9;
/// The source that another process knows.
const PIPED: u8 = 2;

/// A log that a process of this life writes.
pub(super) struct Writing {
    pub(super) id: LogId,
    writer: Writer,
    pub(super) ends: watch::Receiver<Pos>,
}

/// One life of the machine's processes.
struct Life {
    fs: Arc<dyn Fs>,
    engine: Engine,
    ingest: Writing,
    pipe: Option<Writing>,
    carried: BTreeSet<LogId>,
    waiting: Waiting,
}

impl World {
    fn start(&mut self, sim: &SimFs) -> Result<Life, Ended> {
        let fs: Arc<dyn Fs> = Arc::new(sim.clone());
        let root = Path::new(LOGS);
        for dir in [root.parent().unwrap(), root] {
            if fs.list(dir).is_err() {
                fs.create_dir(dir).map_err(ended)?;
            }
        }
        let early = if self.settings.pipe { Some(self.begin(&fs, log::SourceTable::default())?) } else { None };
        let engine = Engine::open(self, &fs)?;
        let (ingest, carried) = match early {
            Some(own) => (own, BTreeSet::new()),
            None => {
                let (table, dead) = carry_over(&fs, root).map_err(ended)?;
                (self.begin(&fs, table)?, dead.into_iter().collect())
            }
        };
        Ok(Life { fs, engine, ingest, pipe: None, carried, waiting: Vec::new() })
    }

    fn begin(&mut self, fs: &Arc<dyn Fs>, table: log::SourceTable) -> Result<Writing, Ended> {
        let root = Path::new(LOGS);
        fs::create_dirs(&**fs, root).map_err(ended)?;
        log::tidy(&**fs, root).map_err(ended)?;
        self.logs += 1;
        let id = LogId::from_bits(self.logs);
        let (sender, ends) = watch::channel(Pos(0));
        let writer = Writer::create(fs.clone(), root, id, self.settings.log, table, sender).map_err(ended)?;
        Ok(Writing { id, writer, ends })
    }

    fn run(&mut self, life: &mut Life, op: &Op) -> Result<(), Ended> {
        let Life { fs, engine, ingest, pipe, carried, waiting } = life;
        match op {
            Op::Append { source, records } => {
                let which = self.clients.append(source.filter(|_| !self.settings.pipe), *records);
                self.clients.send(&mut ingest.writer, waiting, which);
            }
            Op::Resend(index) => {
                let sent = &self.clients.sent;
                let again: Vec<usize> =
                    (0..sent.len()).filter(|&i| sent[i].source.is_some_and(|source| source < PIPED)).collect();
                if !again.is_empty() {
                    self.clients.send(&mut ingest.writer, waiting, *index.get(&again));
                }
            }
            Op::Flush => ingest.writer.flush(),
            Op::Commit => ingest.writer.commit(),
            Op::Pipe { known, records } => {
                if pipe.is_none() {
                    *pipe = self.begin(fs, log::SourceTable::default()).ok();
                }
                if let Some(pipe) = pipe {
                    let which = self.clients.append(known.then_some(PIPED), *records);
                    self.clients.send(&mut pipe.writer, waiting, which);
                    pipe.writer.flush();
                }
            }
            Op::PipeCommit => pipe.iter_mut().for_each(|pipe| pipe.writer.commit()),
            Op::PipeEnd => pipe.take().into_iter().for_each(|mut pipe| pipe.writer.commit()),
            Op::PipeKill => *pipe = None,
            Op::Read(count) => drop(engine.read(self, ingest, usize::from(*count))?),
            Op::Soft => engine.store.commit_soft().map_err(ended)?,
            Op::Hard => engine.hard(self)?,
            Op::LetGo => engine.let_go(self, carried),
            Op::Seal => drop(engine.store.maintain(Timestamp::default()).map_err(ended)?),
            Op::Burst => {
                for _ in 0..BURST {
                    let which = self.clients.append(None, 1);
                    self.clients.send(&mut ingest.writer, waiting, which);
                    ingest.writer.commit();
                    engine.read(self, ingest, usize::MAX)?;
                    engine.store.commit_soft().map_err(ended)?;
                }
            }
            Op::Drain => return self.drain(life),
            Op::Reopen => return Err(Ended),
        }
        Ok(())
    }

    /// As at a stop: everything durable is indexed, and logs go.
    fn drain(&mut self, life: &mut Life) -> Result<(), Ended> {
        self.clients.hear(&mut life.waiting, |_| ());
        let Life { fs, engine, ingest, pipe, carried, .. } = life;
        let unmarked = pipe.as_ref().filter(|pipe| pipe.writer.is_unmarked()).map(|pipe| pipe.id);
        engine.logs.look(&engine.progress.borrow()).map_err(ended)?;
        engine.logs.note_ends();
        while engine.read(self, ingest, 8)? {
            engine.let_go(self, carried);
        }
        engine.close(self)?;
        let progress = engine.store.progress().clone();
        let before: Vec<LogId> = log::list(&**fs, Path::new(LOGS)).map_err(ended)?.iter().map(|log| log.id).collect();
        let logs = std::mem::replace(&mut engine.logs, Logs::new(fs.clone(), LOGS.into()));
        if logs.end(true).finish(&progress, &|log| carried.contains(&log)).is_ok() {
            for (log, end) in self.clients.sent.iter().filter_map(|sent| sent.at) {
                let covered = progress.get(&log).is_some_and(|done| end <= *done) || self.gone.contains(&log);
                assert!(covered || unmarked == Some(log), "log {log} was not drained to {end:?}: {progress:?}");
            }
        }
        let after: Vec<LogId> = log::list(&**fs, Path::new(LOGS)).map_err(ended)?.iter().map(|log| log.id).collect();
        for log in before.into_iter().filter(|log| !after.contains(log)) {
            self.let_go(log, carried);
        }
        Err(Ended)
    }

    /// Starts the engine again until it runs or the process is dead.
    fn reopen(&mut self, life: Life) -> Option<Life> {
        let Life { fs, engine, ingest, pipe, carried, waiting } = life;
        drop(engine);
        for _ in 0..20 {
            if is_dead(&*fs) {
                break;
            }
            if let Ok(engine) = Engine::open(self, &fs) {
                return Some(Life { fs, engine, ingest, pipe, carried, waiting });
            }
        }
        assert!(is_dead(&*fs), "the store never opens");
        None
    }

    /// Runs on from life to life; a program goes on where a life ended.
    pub(super) fn live(&mut self, sim: &mut SimFs, program: &[Op]) {
        let mut ops = program.iter();
        let mut lives = 0;
        while !ops.as_slice().is_empty() || lives == 0 {
            lives += 1;
            assert!(lives < 100, "it never starts");
            *sim = sim.restart();
            let Ok(mut life) = self.start(sim) else { continue };
            for op in ops.by_ref() {
                let outcome = self.run(&mut life, op);
                self.clients.hear(&mut life.waiting, |_| ());
                if is_dead(&*life.fs) {
                    break;
                }
                if outcome.is_err() {
                    match self.reopen(life) {
                        Some(reopened) => life = reopened,
                        None => break,
                    }
                }
            }
        }
    }

    /// What is durable is enough, whatever a loss of power takes now: what was read may be let go of.
    fn relax(&mut self, sim: &mut SimFs) {
        let mut life = self.start(sim).unwrap();
        while life.engine.read(self, &life.ingest, 8).unwrap() {}
        life.engine.let_go(self, &life.carried);
        drop(life);
        sim.lose_power();
        *sim = sim.restart();
    }

    /// Everything that clients can send again is sent again, and indexed, and logs go.
    fn finish(&mut self, sim: &mut SimFs) -> Engine {
        let mut life = self.start(sim).unwrap();
        self.clients.send_unacknowledged(&mut life.ingest.writer, &mut life.waiting);
        life.ingest.writer.commit();
        self.clients.hear(&mut life.waiting, |_| ());
        assert!(life.waiting.is_empty());
        while life.engine.read(self, &life.ingest, 8).unwrap() {}
        life.engine.hard(self).unwrap();
        life.engine.let_go(self, &life.carried);
        let left: Vec<LogId> = log::list(&*life.fs, Path::new(LOGS)).unwrap().iter().map(|log| log.id).collect();
        assert_eq!(left, [life.ingest.id], "what nothing needs goes");
        life.engine.hard(self).unwrap();
        life.engine
    }

    /// Everything is found once, and goes on being found.
    pub(super) fn check(&mut self, sim: &mut SimFs) {
        sim.heal();
        *sim = sim.restart();
        self.settings = Settings { log: log::Options::default(), pipe: false, ..self.settings };
        self.relax(sim);
        drop(self.finish(sim));
        sim.lose_power();
        *sim = sim.restart();
        let engine = self.finish(sim);
        self.verify(&engine.store);
        let seen: BTreeSet<u64> = events(&engine.store).into_iter().map(|(_, _, number)| number).collect();
        self.clients.check(&seen);
    }
}
