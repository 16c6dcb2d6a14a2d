//! The pipelines of one process: started together, exchanged when their configs change, ended in the order in which events flow.
//!
//! Promise: a config that is wrong changes nothing. A pipeline whose config has changed is ended as by a request to stop, its
//! rest stays in its log, and the new one goes on with that; one whose config is the same is left alone.

use super::{Ended, Pipeline, QueueKind};
use crate::flow::Stop;
use crossbeam_channel::{Receiver, Sender, unbounded};
use std::{collections::BTreeMap, io, thread};

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
    stop: Stop,
    fingerprint: u64,
    is_reloadable: bool,
    is_fed_from_inside: bool,
    /// What takes its place when it has ended.
    next: Option<Member>,
}

/// The pipelines of a process.
pub struct Group {
    live: BTreeMap<String, Live>,
    heard: Receiver<Heard>,
    sender: Sender<Heard>,
    is_stopping: bool,
    failures: Vec<String>,
    broken: Option<io::Error>,
}

impl Default for Group {
    fn default() -> Group {
        let (sender, heard) = unbounded();
        Group { live: BTreeMap::new(), heard, sender, is_stopping: false, failures: Vec::new(), broken: None }
    }
}

impl Group {
    /// The way to ask it.
    #[must_use]
    pub fn asking(&self) -> Asking {
        Asking(self.sender.clone())
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
            self.start(member)?;
        }
        while !self.live.is_empty() {
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

    fn start(&mut self, member: Member) -> io::Result<()> {
        let Member { id, pipeline, workers, queue, fingerprint } = member;
        let stop = Stop::new()?;
        let (is_reloadable, is_fed_from_inside) = (pipeline.is_reloadable(), pipeline.is_fed_from_inside());
        let running = pipeline.start(workers, queue, &stop)?;
        let (sender, name) = (self.sender.clone(), id.clone());
        let wait = move || _ = sender.send(Heard::Ended(name, running.wait()));
        thread::Builder::new().name("pipeline".to_owned()).spawn(wait)?;
        self.live.insert(id, Live { stop, fingerprint, is_reloadable, is_fed_from_inside, next: None });
        Ok(())
    }

    fn stop(&mut self) {
        self.is_stopping = true;
        self.live.values_mut().for_each(|live| live.next = None);
        self.live.values().filter(|live| !live.is_fed_from_inside).for_each(|live| live.stop.request());
        self.stop_inner();
    }

    /// Where nobody is left who could send to them, those that are fed from inside end, too.
    fn stop_inner(&self) {
        if self.live.values().all(|live| live.is_fed_from_inside) {
            self.live.values().for_each(|live| live.stop.request());
        }
    }

    fn ended(&mut self, id: &str, ended: io::Result<Ended>) {
        let next = self.live.remove(id).and_then(|live| live.next);
        match ended {
            Ok(ended) => self.failures.extend(ended.failures),
            Err(cause) => {
                self.broken.get_or_insert(cause);
                self.stop();
            }
        }
        if let Some(member) = next.filter(|_| !self.is_stopping) {
            self.start_aloud(member);
        }
        self.stop_inner();
    }

    fn start_aloud(&mut self, member: Member) {
        let id = member.id.clone();
        match self.start(member) {
            Ok(()) => tracing::info!("the pipeline `{id}` runs with its new config"),
            Err(cause) => {
                tracing::error!("cannot start the pipeline `{id}`: {cause}; it is tried at the next reload");
                self.failures.push(format!("cannot start the pipeline `{id}`: {cause}"));
            }
        }
    }

    /// Brings what runs to what should run.
    fn exchange(&mut self, members: Vec<Member>) {
        for (id, live) in &mut self.live {
            if !members.iter().any(|member| member.id == *id) {
                live.next = None;
                live.stop.request();
            }
        }
        for member in members {
            match self.live.get_mut(&member.id) {
                None => self.start_aloud(member),
                Some(live) if live.fingerprint == member.fingerprint => live.next = None,
                Some(live) if !live.is_reloadable => {
                    tracing::warn!("the pipeline `{}` reads standard input: it keeps its config", member.id);
                }
                Some(live) => {
                    live.stop.request();
                    live.next = Some(member);
                }
            }
        }
    }
}
