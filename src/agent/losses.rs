//! Tells the server what an agent's inputs lost (the spool tells of its own), as events among the others: a gap that nobody is told of is found at the worst time.

use super::{Agent, inputs};
use crate::{
    clock,
    flow::{Origin, RawBatch, SyncClass},
    inputs::notice,
};
use std::{collections::BTreeMap, sync::Arc};

/// Reasons that are wanted: nothing is lost by them.
const WANTED: [&str; 2] = ["duplicate", "filtered"];

/// What was told already, by what and why.
#[derive(Debug, Default)]
pub struct Losses {
    told: BTreeMap<(String, String), u64>,
}

impl Losses {
    /// Puts what was lost since the last call into the spool; while that has no room it is kept for the next call. Streams
    /// of which nothing comes are told there what a rate limit dropped.
    pub fn tell(&mut self, agent: &Agent, host: &str) {
        // A log that is gone is told of by who writes to it.
        let _ = agent.spool().intake().tell(false);
        let now = lost(agent);
        let before = |key: &(String, String)| self.told.get(key).copied().unwrap_or(0);
        let news = now.iter().filter(|(key, count)| **count > before(key));
        let records: Vec<_> = news.map(|(key, count)| notice::lost(count - before(key), &key.0, &key.1)).collect();
        if records.is_empty() {
            return;
        }
        let origin = Origin { host: Some(host.to_owned()), service: Some("logship".to_owned()), ..Origin::default() };
        let batch = RawBatch { origin: Arc::new(origin), span: None, mark: None, received: clock::now(), records };
        if agent.spool().intake().submit(batch, SyncClass::Relaxed).is_ok_and(|pending| pending.wait().is_ok()) {
            self.told = now;
        }
    }
}

fn lost(agent: &Agent) -> BTreeMap<(String, String), u64> {
    let mut lost = BTreeMap::new();
    // Stdin tells of its own where they are missing.
    let own = agent.stdin().map(|stdin| stdin.status().name);
    for input in inputs(agent).into_iter().filter(|input| own.as_ref() != Some(&input.name)) {
        let dropped = input.dropped.into_iter().filter(|(why, _)| !WANTED.contains(&why.as_str()));
        lost.extend(dropped.map(|(why, count)| ((format!("records of {}", input.name), why), count)));
    }
    if let Some(ship) = agent.spool().ship_status() {
        lost.insert(("bytes of the spool".to_owned(), "the disk damaged them".to_owned()), ship.bad_bytes);
    }
    if let Some(files) = agent.files() {
        let bytes = files.status(|status| status.counts.lost_bytes);
        lost.insert(("bytes of files".to_owned(), "truncated or deleted before they were read".to_owned()), bytes);
    }
    lost
}
