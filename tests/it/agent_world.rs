//! An agent, the folder that it follows and its server, each of which can be killed and started again, and what must have
//! arrived in the end.

use crate::harness::{Agent, PATIENCE, Server, folder, port, search, until};
use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    time::Instant,
};

pub struct World {
    pub home: tempfile::TempDir,
    pub server: Option<Server>,
    pub agent: Option<Agent>,
    pub port: u16,
    /// Where the agent believes the server to be.
    pub route: String,
    /// The files that it follows, in the folder of logs.
    pattern: String,
    /// The lines that were written, by what was the file's content then.
    pub written: BTreeMap<String, Vec<String>>,
}

impl World {
    /// Nothing runs yet; the agent will follow files of that pattern.
    pub fn new(pattern: &str) -> World {
        let (home, port) = (folder(), port());
        fs::create_dir(home.path().join("logs")).unwrap();
        let route = format!("http://127.0.0.1:{port}");
        World { home, server: None, agent: None, port, route, pattern: pattern.to_owned(), written: BTreeMap::new() }
    }

    /// With an agent and a server that run.
    pub fn running(pattern: &str) -> World {
        let mut world = World::new(pattern);
        world.start_server();
        world.start_agent();
        world
    }

    /// A followed file.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join("logs").join(name)
    }

    /// The data directory of `agent` or `server`.
    pub fn data(&self, of: &str) -> PathBuf {
        self.home.path().join(of)
    }

    pub fn start_server(&mut self) {
        if self.server.is_none() {
            self.server = Some(Server::at(&self.data("server"), self.port, &[]));
        }
    }

    pub fn start_agent(&mut self) {
        if self.agent.is_none() {
            let pattern = self.path(&self.pattern);
            self.agent = Some(Agent::start(&self.data("agent"), &self.route, pattern.to_str().unwrap(), &[]));
        }
    }

    pub fn kill_server(&mut self) {
        self.server.take().into_iter().for_each(Server::kill);
    }

    pub fn kill_agent(&mut self) {
        self.agent.take().into_iter().for_each(Agent::kill);
    }

    pub fn stop_agent(&mut self) {
        self.agent.take().into_iter().for_each(|agent| drop(agent.stop()));
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Appends bytes that need not be lines.
    pub fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path(name)).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    /// Appends so many lines; `content` tells apart what the file holds in turn.
    pub fn write(&mut self, name: &str, content: &str, lines: usize) {
        let known = self.written.entry(content.to_owned()).or_default();
        let new: Vec<_> =
            (known.len()..known.len() + lines).map(|n| format!("{content} says line {n} of many")).collect();
        known.extend(new.iter().cloned());
        self.append(name, new.join("\n") + "\n");
    }

    pub fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    /// As `logrotate` does it with `copytruncate`.
    pub fn copy_and_truncate(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
        self.truncate(from);
    }

    pub fn truncate(&self, name: &str) {
        OpenOptions::new().write(true).open(self.path(name)).unwrap().set_len(0).unwrap();
    }

    /// How many lines were written.
    pub fn count(&self) -> u64 {
        self.written.values().map(|lines| lines.len() as u64).sum()
    }

    /// Waits until so many events are there as lines were written.
    pub fn arrived(&self) {
        let begun = Instant::now();
        let mut there = 0;
        while begun.elapsed() < PATIENCE {
            there = self.server().count("*");
            if there >= self.count() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let missing = self.differences(&self.events());
        let said = self.agent.as_ref().map(Agent::said);
        panic!("{there} of {} lines arrived: {missing:#?}\nagent: {said:?}", self.count());
    }

    pub fn events(&self) -> Vec<serde_json::Value> {
        search(&self.data("server"), &[])
    }

    /// Ends the agent and the server in order: every line arrived once and, within its content, in order.
    pub fn exactly_once(mut self) {
        self.start_server();
        self.start_agent();
        self.arrived();
        self.stop_agent();
        self.server().settled();
        let wrong = self.differences(&self.events());
        assert!(wrong.is_empty(), "{wrong:#?}");
        self.server.take().unwrap().stop();
    }

    /// What of the written lines is missing, doubled, in disorder or was never written.
    pub fn differences(&self, events: &[serde_json::Value]) -> Vec<String> {
        let mut arrived: Vec<_> = events.iter().map(|event| (arrival(event), message(event))).collect();
        arrived.sort();
        let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (place, (_, message)) in arrived.iter().enumerate() {
            places.entry(message).or_default().push(place);
        }
        let mut wrong = Vec::new();
        for (content, lines) in &self.written {
            let counts: Vec<_> = lines.iter().map(|line| places.get(&**line).map_or(0, Vec::len)).collect();
            for (what, is_so) in [("missing", [true, false]), ("twice", [false, true])] {
                let of: Vec<_> =
                    (0..lines.len()).filter(|n| counts[*n] != 1 && is_so[usize::from(counts[*n] > 1)]).collect();
                if let (Some(first), Some(last)) = (of.first(), of.last()) {
                    wrong.push(format!("{content}: {} {what}, from {first} to {last} of {}", of.len(), lines.len()));
                }
            }
            let order: Vec<_> = lines.iter().filter_map(|line| places.get(&**line)?.first()).collect();
            if !order.is_sorted() {
                wrong.push(format!("{content}: not in order"));
            }
        }
        let known: usize = self.written.values().flatten().filter_map(|line| places.remove(&**line)).count();
        if !places.is_empty() {
            wrong.push(format!("beside {known} lines never written: {:?}", places.keys().take(5).collect::<Vec<_>>()));
        }
        wrong
    }
}

/// When an event arrived at the agent, then its place in the server's log.
fn arrival(event: &serde_json::Value) -> (i128, String, u64) {
    let time: jiff::Timestamp = event["@timestamp"].as_str().unwrap().parse().unwrap();
    let (log, place) = event["_id"].as_str().unwrap().split_once('-').unwrap();
    (time.as_nanosecond(), log.to_owned(), u64::from_str_radix(place, 16).unwrap())
}

pub fn message(event: &serde_json::Value) -> &str {
    event["message"].as_str().unwrap_or_default()
}

/// Waits until a file below the folder holds these bytes.
pub fn until_stored(world: &World, bytes: &[u8]) {
    until("the spool has it", || {
        let segments = crate::harness::files(&world.data("agent").join("spool"), ".seg");
        let holds = |path: &PathBuf| fs::read(path).is_ok_and(|all| memchr::memmem::find(&all, bytes).is_some());
        segments.iter().any(holds).then_some(())
    });
}
