//! The pipelines of one process: started together, exchanged when their configs change, ended in the order in which events flow.
//!
//! Promise: a config that is wrong changes nothing. A pipeline whose config has changed is ended as by a request to stop, its
//! rest stays in its log, and the new one goes on with that and with its sockets; one whose config is the same is left alone.

use super::{Ended, Pipeline, QueueKind, Stops, stats::Stats};
use crate::inputs::plugins::Kept;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::{collections::BTreeMap, io, sync::Arc, thread};

/// A pipeline that is to run.
pub struct Member {
    /// Its name.
    pub id: String,
    /// What it does.
    pub pipeline: Pipeline,
    /// Threads that filter.
    pub workers: usize,
    /// Where what its inputs read waits.
    pub queue: QueueKind,
    /// A hash of all that it was made of.
    pub fingerprint: u64,
}

/// What the process is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To end.
    Stop,
    /// To read the configs again.
    Reload,
}

/// What a group may hear.
enum Heard {
    Asked(Request),
    Ended(String, io::Result<Ended>),
}

/// Asks a group.
#[derive(Clone)]
pub struct Asking(Sender<Heard>);

impl Asking {
    /// Asks; a group that has ended does not hear it.
    pub fn ask(&self, request: Request) {
        _ = self.0.send(Heard::Asked(request));
    }
}

/// A pipeline that runs.
struct Live {
    stops: Stops,
    fingerprint: u64,
    /// Its sockets, for the one that takes its place.
    kept: Kept,
    is_reloadable: bool,
    is_fed_from_inside: bool,
    /// It was asked to end.
    is_ending: bool,
    /// What takes its place when it has ended.
    next: Option<Member>,
}

/// The pipelines of a process.
pub struct Group {
    live: BTreeMap<String, Live>,
    /// Those that wait for others to end, which may hold their addresses.
    waiting: Vec<Member>,
    /// Those that ended by themselves, by what they were made of: they are not begun again.
    done: BTreeMap<String, u64>,
    /// Configs that could not be started at a reload: the process waits for better ones.
    is_lacking: bool,
    heard: Receiver<Heard>,
    sender: Sender<Heard>,
    is_stopping: bool,
    failures: Vec<String>,
    broken: Option<io::Error>,
    stats: Arc<Stats>,
}

impl Default for Group {
    fn default() -> Group {
        let (sender, heard) = unbounded();
        Group {
            live: BTreeMap::new(),
            waiting: Vec::new(),
            done: BTreeMap::new(),
            is_lacking: false,
            heard,
            sender,
            is_stopping: false,
            failures: Vec::new(),
            broken: None,
            stats: Arc::default(),
        }
    }
}

impl Group {
    /// The way to ask it.
    #[must_use]
    pub fn asking(&self) -> Asking {
        Asking(self.sender.clone())
    }

    /// What its pipelines do.
    #[must_use]
    pub fn stats(&self) -> Arc<Stats> {
        self.stats.clone()
    }

    /// Starts pipelines, and runs them until all have ended. `reload` gives those that there should be, or `None` where something
    /// is wrong with them, which it has said. What inputs had to say, each in a sentence.
    ///
    /// # Errors
    /// A pipeline cannot be started, or an output failed for good.
    pub fn run(
        mut self,
        members: Vec<Member>,
        reload: &mut dyn FnMut() -> Option<Vec<Member>>,
    ) -> io::Result<Vec<String>> {
        // Those that are sent to by others first, so that they are there.
        let (inner, outer): (Vec<_>, Vec<_>) =
            members.into_iter().partition(|member| member.pipeline.is_fed_from_inside());
        for member in inner.into_iter().chain(outer) {
            let id = member.id.clone();
            let named = |cause: io::Error| io::Error::new(cause.kind(), format!("the pipeline `{id}`: {cause}"));
            self.start(member, Kept::default()).map_err(named)?;
        }
        while !self.live.is_empty() || (self.is_lacking && !self.is_stopping) {
            // It holds a sender itself.
            let Ok(heard) = self.heard.recv() else { break };
            match heard {
                Heard::Asked(Request::Stop) => self.stop(),
                Heard::Asked(Request::Reload) if self.is_stopping => {}
                Heard::Asked(Request::Reload) => {
                    if let Some(members) = reload() {
                        self.exchange(members);
                    }
                }
                Heard::Ended(id, ended) => self.ended(&id, ended),
            }
        }
        self.broken.map_or(Ok(self.failures), Err)
    }

    fn start(&mut self, member: Member, kept: Kept) -> io::Result<()> {
        let Member { id, pipeline, workers, queue, fingerprint } = member;
        let stops = Stops::new()?;
        let (is_reloadable, is_fed_from_inside) = (pipeline.is_reloadable(), pipeline.is_fed_from_inside());
        let mut running = pipeline.start(workers, queue, kept, &stops)?;
        let kept = running.kept();
        self.stats.begun(&id, running.stats());
        let (sender, name) = (self.sender.clone(), id.clone());
        let wait = move || _ = sender.send(Heard::Ended(name, running.wait()));
        thread::Builder::new().name("pipeline".to_owned()).spawn(wait)?;
        let live = Live { stops, fingerprint, kept, is_reloadable, is_fed_from_inside, is_ending: false, next: None };
        self.live.insert(id, live);
        Ok(())
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        self.waiting.clear();
        for live in self.live.values_mut() {
            live.next = None;
            if !live.is_fed_from_inside {
                live.end();
            }
        }
        self.end_inner();
    }

    /// Where nobody is left who could send to them, those that are fed from inside end, too: with all that they have, unless the
    /// process should end.
    fn end_inner(&mut self) {
        if !self.waiting.is_empty() || self.live.values().any(|live| !live.is_fed_from_inside || live.next.is_some()) {
            return;
        }
        for live in self.live.values_mut() {
            match self.is_stopping {
                true => live.end(),
                false => live.stops.inputs.request(),
            }
        }
    }

    fn ended(&mut self, id: &str, ended: io::Result<Ended>) {
        let live = self.live.remove(id);
        self.stats.ended(id);
        match ended {
            Ok(ended) => self.failures.extend(ended.failures),
            Err(cause) => {
                self.broken.get_or_insert(cause);
                self.stop();
            }
        }
        match live {
            Some(Live { is_ending: false, fingerprint, .. }) => _ = self.done.insert(id.to_owned(), fingerprint),
            Some(Live { next: Some(member), kept, .. }) if !self.is_stopping => {
                self.start_aloud(member, kept.for_next());
            }
            _ => {}
        }
        if !self.live.values().any(|live| live.is_ending && live.next.is_none()) {
            for member in std::mem::take(&mut self.waiting) {
                self.start_aloud(member, Kept::default());
            }
        }
        self.end_inner();
    }

    fn start_aloud(&mut self, member: Member, kept: Kept) {
        let id = member.id.clone();
        match self.start(member, kept) {
            Ok(()) => tracing::info!("the pipeline `{id}` runs with its new config"),
            Err(cause) => {
                self.is_lacking = true;
                self.stats.reloaded(Some(format!("the pipeline `{id}`: {cause}")));
                tracing::error!("cannot start the pipeline `{id}`: {cause}; it is tried at the next reload");
            }
        }
    }

    /// Brings what runs to what should run.
    fn exchange(&mut self, members: Vec<Member>) {
        self.is_lacking = false;
        self.waiting.clear();
        for (id, live) in &mut self.live {
            if !members.iter().any(|member| member.id == *id) {
                live.next = None;
                live.end();
            }
        }
        for member in members {
            match self.live.get_mut(&member.id) {
                None if self.done.get(&member.id) == Some(&member.fingerprint) => {}
                None => self.waiting.push(member),
                Some(live) if live.is_ending => live.next = Some(member),
                Some(live) if live.fingerprint == member.fingerprint => {}
                Some(live) if !live.is_reloadable => {
                    tracing::warn!("the pipeline `{}` reads standard input: it keeps its config", member.id);
                }
                Some(live) => {
                    live.end();
                    live.next = Some(member);
                }
            }
        }
        // What is new may want an address that one that ends holds.
        if !self.live.values().any(|live| live.is_ending) {
            for member in std::mem::take(&mut self.waiting) {
                self.start_aloud(member, Kept::default());
            }
        }
    }
}

impl Live {
    fn end(&mut self) {
        self.is_ending = true;
        self.stops.request();
    }
}
