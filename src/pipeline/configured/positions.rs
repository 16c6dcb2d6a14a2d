//! The file that remembers how far each output of a pipeline is in each log.
//!
//! It is written at most each [`super::durable::SAVE_WAIT`] and at the end: what an output delivered after the last writing is
//! delivered again after a crash. An output that is new begins where the one that is furthest behind is; one that is gone is
//! forgotten.

use super::delivery::SinkState;
use super::workers::held;
use crate::{
    flow::{LogId, Pos, Progress},
    fs::{self, Fs},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

const VERSION: u32 = 1;

#[derive(Default, Serialize, Deserialize)]
struct Content {
    v: u32,
    outputs: BTreeMap<String, BTreeMap<String, u64>>,
}

/// The positions of a pipeline's outputs.
pub(super) struct Positions {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    sinks: Vec<Arc<SinkState>>,
    /// What the file holds.
    saved: Vec<Progress>,
}

impl Positions {
    /// Reads the file and tells the sinks where they are.
    ///
    /// # Errors
    /// It is damaged, or of a newer version: outputs would get everything again.
    pub(super) fn load(fs: Arc<dyn Fs>, path: PathBuf, sinks: &[Arc<SinkState>]) -> io::Result<Positions> {
        let known = read(&*fs, &path).map_err(|cause| {
            let shown = path.display();
            io::Error::other(format!(
                "cannot read {shown}: {cause}; without that file, outputs get again what is in the log beside it"
            ))
        })?;
        let behind = least(known.values());
        for sink in sinks {
            held(&sink.progress).clone_from(known.get(&sink.name).unwrap_or(&behind));
        }
        Ok(Positions { fs, path, sinks: sinks.to_vec(), saved: vec![Progress::new(); sinks.len()] })
    }

    /// How far all outputs are: what is before nobody needs any more. Without outputs, nothing is needed.
    pub(super) fn least(&self) -> Progress {
        let all: Vec<Progress> = self.sinks.iter().map(|sink| held(&sink.progress).clone()).collect();
        least(all.iter())
    }

    /// How far the one is that is furthest ahead, but not further than those that `in_order` names.
    pub(super) fn furthest(&self, in_order: &[bool]) -> Progress {
        let all: Vec<Progress> = self.sinks.iter().map(|sink| held(&sink.progress).clone()).collect();
        let sum = |progress: &&Progress| progress.values().map(|pos| u128::from(pos.0)).sum::<u128>();
        let slow = all.iter().zip(in_order).filter(|(_, in_order)| **in_order).map(|(progress, _)| progress);
        least(all.iter().max_by_key(sum).into_iter().chain(slow))
    }

    /// Writes the file where something has changed.
    pub(super) fn save(&mut self) -> io::Result<()> {
        let now: Vec<Progress> = self.sinks.iter().map(|sink| held(&sink.progress).clone()).collect();
        if now == self.saved {
            return Ok(());
        }
        let texts = |progress: &Progress| progress.iter().map(|(log, pos)| (log.to_string(), pos.0)).collect();
        let outputs = self.sinks.iter().zip(&now).map(|(sink, progress)| (sink.name.clone(), texts(progress)));
        let content = Content { v: VERSION, outputs: outputs.collect() };
        fs::replace(&*self.fs, &self.path, &serde_json::to_vec(&content)?)?;
        self.saved = now;
        Ok(())
    }

    /// A log is gone: nobody needs its positions.
    pub(super) fn forget(&self, log: LogId) {
        for sink in &self.sinks {
            held(&sink.progress).remove(&log);
        }
    }
}

fn read(fs: &dyn Fs, path: &Path) -> io::Result<BTreeMap<String, Progress>> {
    let bytes = match fs::read(fs, path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other?,
    };
    let content: Content = serde_json::from_slice(&bytes)?;
    if content.v != VERSION {
        return Err(io::Error::other(format!("it has version {}, this logship reads {VERSION}", content.v)));
    }
    let progress = |logs: &BTreeMap<String, u64>| {
        logs.iter().filter_map(|(id, pos)| Some((id.parse::<LogId>().ok()?, Pos(*pos)))).collect()
    };
    Ok(content.outputs.iter().map(|(name, logs)| (name.clone(), progress(logs))).collect())
}

/// Up to where all of them are.
fn least<'p>(mut all: impl Iterator<Item = &'p Progress>) -> Progress {
    let Some(first) = all.next() else { return Progress::new() };
    all.fold(first.clone(), |mut least, other| {
        least.retain(|log, pos| {
            let there = other.get(log).copied().unwrap_or_default();
            *pos = (*pos).min(there);
            pos.0 > 0
        });
        least
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::sim::SimFs;

    fn sinks(names: &[&str]) -> Vec<Arc<SinkState>> {
        names.iter().map(|name| Arc::new(SinkState { name: (*name).to_owned(), ..SinkState::default() })).collect()
    }

    #[test]
    fn outputs_go_on_where_they_were_and_new_ones_where_the_last_is() {
        let fs: Arc<dyn Fs> = Arc::new(SimFs::new(1));
        let path = PathBuf::from("/outputs.json");
        let log = LogId::from_bits(7);
        let at = |pos| -> Progress { [(log, Pos(pos))].into() };
        let before = sinks(&["a", "b"]);
        let mut positions = Positions::load(fs.clone(), path.clone(), &before).unwrap();
        assert_eq!(positions.least(), Progress::new());
        *held(&before[0].progress) = at(9);
        assert_eq!(positions.least(), Progress::new());
        *held(&before[1].progress) = at(4);
        assert_eq!(positions.least(), at(4));
        positions.save().unwrap();
        assert_eq!((positions.furthest(&[false, false]), positions.furthest(&[false, true])), (at(9), at(4)));

        let after = sinks(&["a", "c"]);
        let positions = Positions::load(fs.clone(), path.clone(), &after).unwrap();
        assert_eq!((held(&after[0].progress).clone(), held(&after[1].progress).clone()), (at(9), at(4)));
        positions.forget(log);
        assert_eq!(positions.least(), Progress::new());

        for damaged in ["", "{", r#"{"v":2,"outputs":{}}"#] {
            fs::replace(&*fs, &path, damaged.as_bytes()).unwrap();
            let error = Positions::load(fs.clone(), path.clone(), &after).map(drop).unwrap_err().to_string();
            assert!(error.contains("/outputs.json"), "{error}");
        }
    }
}
