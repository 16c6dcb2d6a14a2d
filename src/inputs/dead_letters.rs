//! Dead letters as they are on the disk: events that the other side of an output does not want, kept with the reason until somebody
//! has looked at them.
//!
//! They are in logs of their own beside that of the pipeline, `DATA/pipelines/<id>/dead/<log>/`, which are there from the first
//! dead letter on. A record is one JSON object: `output`, `plugin`, `reason` and `event`, which the codec `event` writes. A reader
//! needs no writer: it reads living logs up to their last mark. `dead.json` beside says how far each is purged.

use crate::{
    codecs::plugins::event as whole,
    event::{Event, Timestamp},
    flow::{Pos, Progress, Record, RecordKind},
    fs::{self, Fs, RealFs},
    log::{self, Found, Limit, LogError, Reader},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// One dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// When it was refused.
    pub time: Timestamp,
    /// The output: `elasticsearch.0`, or its option `id`.
    pub output: String,
    /// What kind of output that is: `elasticsearch`.
    pub plugin: String,
    /// What the other side said.
    pub reason: String,
    /// The event as it was when it reached the output.
    pub event: Event,
}

#[derive(Serialize, Deserialize)]
struct Content {
    output: String,
    /// Where it is missing, the name of the output begins with it.
    #[serde(default)]
    plugin: Option<String>,
    reason: String,
    event: String,
}

/// The folder of a pipeline's dead letters.
#[must_use]
pub fn folder(pipeline: &Path) -> PathBuf {
    pipeline.join("dead")
}

/// A dead letter for the log: which output refused it, what kind of output that is, and why.
#[must_use]
pub fn record((output, plugin): (&str, &str), event: &Event, reason: String) -> Option<Record> {
    let mut text = String::new();
    whole::write(event, &mut text);
    let content = Content { output: output.to_owned(), plugin: Some(plugin.to_owned()), reason, event: text };
    let kind = RecordKind { json: true, truncated: false };
    serde_json::to_vec(&content).ok().map(|json| Record { bytes: Bytes::from(json), kind })
}

/// A dead letter of the log.
#[must_use]
pub fn read(json: &[u8], time: Timestamp) -> Option<DeadLetter> {
    let Content { output, plugin, reason, event } = serde_json::from_slice(json).ok()?;
    let plugin = plugin.unwrap_or_else(|| output.split('.').next().unwrap_or_default().to_owned());
    Some(DeadLetter { time, output, plugin, reason, event: whole::read(&event)? })
}

/// Reads a log of dead letters from there on, or from where it begins now.
///
/// # Errors
/// It cannot be read.
pub fn reader(fs: &Arc<dyn Fs>, found: &Found, from: Pos) -> Result<Reader, LogError> {
    match Reader::open(fs, &found.dir, from) {
        Err(LogError::Gap { first, .. }) => Reader::open(fs, &found.dir, first),
        other => other,
    }
}

/// How far a log that was found may be read.
#[must_use]
pub fn limit(found: &Found) -> Limit {
    if found.alive { Limit::Marked } else { Limit::Everything }
}

/// Calls for each dead letter of a pipeline that is not purged, the oldest log first. How far that is.
///
/// # Errors
/// A log cannot be read.
pub fn each(pipeline: &Path, mut take: impl FnMut(DeadLetter)) -> Result<Progress, LogError> {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let mut read_to = Progress::new();
    let purged = purged(pipeline);
    let mut logs = Vec::new();
    for found in log::list(&*fs, &folder(pipeline))? {
        let mut letters = Vec::new();
        let mut reader = reader(&fs, &found, purged.get(&found.id).copied().unwrap_or_default())?;
        while let Some(frame) = reader.next(limit(&found))? {
            let records = frame.batch.records.iter();
            letters.extend(records.filter_map(|record| read(&record.bytes, frame.batch.received)));
        }
        read_to.insert(found.id, reader.pos());
        logs.push(letters);
    }
    // Ids are random: the time of the first letter says which log is older.
    logs.sort_by_key(|letters: &Vec<DeadLetter>| letters.first().map(|letter| letter.time));
    logs.into_iter().flatten().for_each(&mut take);
    Ok(read_to)
}

/// The file that says how far each log is purged.
fn purged_file(pipeline: &Path) -> PathBuf {
    pipeline.join("dead.json")
}

/// How far each log of a pipeline's dead letters is purged.
#[must_use]
pub fn purged(pipeline: &Path) -> Progress {
    let Ok(bytes) = fs::read(&RealFs, &purged_file(pipeline)) else { return Progress::new() };
    // What cannot be read is shown again.
    let read: BTreeMap<String, u64> = serde_json::from_slice(&bytes).unwrap_or_default();
    read.into_iter().filter_map(|(log, pos)| Some((log.parse().ok()?, Pos(pos)))).collect()
}

/// Removes the dead letters of a pipeline up to there.
///
/// # Errors
/// That cannot be written, or a log not be removed; the text names it.
pub fn purge(pipeline: &Path, up_to: &Progress) -> Result<(), String> {
    let mut purged = purged(pipeline);
    let found = log::list(&RealFs, &folder(pipeline)).map_err(|cause| cause.to_string())?;
    for (id, pos) in up_to {
        let known = purged.entry(*id).or_default();
        *known = (*known).max(*pos);
    }
    purged.retain(|id, _| found.iter().any(|found| found.id == *id));
    let path = purged_file(pipeline);
    let content: BTreeMap<String, u64> = purged.iter().map(|(log, pos)| (log.to_string(), pos.0)).collect();
    let json = serde_json::to_vec(&content).map_err(|cause| cause.to_string())?;
    fs::replace(&RealFs, &path, &json).map_err(|cause| format!("cannot write {}: {cause}", path.display()))?;
    for found in found {
        let Some(pos) = purged.get(&found.id) else { continue };
        let is_whole = !found.alive && log::end_of(&RealFs, &found.dir).is_ok_and(|end| *pos >= end);
        let gone = match is_whole {
            true => log::remove(&RealFs, &found.dir),
            false => log::trim(&RealFs, &found.dir, *pos).map(drop),
        };
        gone.map_err(|cause| cause.to_string())?;
    }
    Ok(())
}
