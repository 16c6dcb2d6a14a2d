//! Dead letters: events that the other side of an output does not want, kept with the reason until somebody has looked at them.
//!
//! They are in a log of their own beside that of the pipeline, `DATA/pipelines/<id>/dead/<log>/`, which is there from the first
//! dead letter on. A record is one JSON object: `output`, `reason`, `time` and `event`, which the codec `event` writes. A reader
//! needs no writer: it reads living logs up to their last mark. `dead.json` beside says how far each is purged.
//!
//! Limits: [`DEAD_BYTES_MAX`]; past it new ones are dropped, and said.

use super::{delivery::DeadLetters, workers::held};
use crate::{
    clock,
    codecs::plugins::event as whole,
    event::{Event, Timestamp},
    flow::{Origin, Pos, Progress, RawBatch, Record, RecordKind, SyncClass},
    fs::{self, Fs, RealFs},
    log::{self, Limit, LogError, LogWriter, Reader, SourceTable},
    outputs::plugins::Refused,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// Most bytes of the dead letters of one pipeline.
pub const DEAD_BYTES_MAX: u64 = 1 << 30;

/// What is written at once, unless one dead letter is longer.
const BATCH_BYTES: usize = 1 << 20;
const BATCH_RECORDS_MAX: usize = 10_000;
/// How often it is tried where the disk refuses, and the pause between.
const ATTEMPTS_MAX: usize = 20;
const ATTEMPT_WAIT: Duration = Duration::from_millis(250);

/// One dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// When it was refused.
    pub time: Timestamp,
    /// The output: `elasticsearch.0`, or its option `id`.
    pub output: String,
    /// What the other side said.
    pub reason: String,
    /// The event as it was when it reached the output.
    pub event: Event,
}

#[derive(Serialize, Deserialize)]
struct Content {
    output: String,
    reason: String,
    event: String,
}

/// The folder of a pipeline's dead letters.
#[must_use]
pub fn folder(pipeline: &Path) -> PathBuf {
    pipeline.join("dead")
}

/// Keeps the dead letters of a running pipeline.
pub(super) struct Keeping {
    dir: PathBuf,
    writer: Mutex<Option<LogWriter>>,
}

impl Keeping {
    pub(super) fn new(pipeline: &Path) -> Keeping {
        Keeping { dir: folder(pipeline), writer: Mutex::new(None) }
    }

    fn append(&self, records: Vec<Record>) -> Result<(), String> {
        let mut writer = held(&self.writer);
        let writer = match &mut *writer {
            Some(writer) => writer,
            none => {
                let options = log::Options { bytes_max: DEAD_BYTES_MAX, together: true, ..log::Options::default() };
                let fs: Arc<dyn Fs> = Arc::new(RealFs);
                let opened = log::open(&fs, &self.dir, options, &SourceTable::default());
                none.insert(opened.map_err(|cause| cause.to_string())?)
            }
        };
        let origin = Arc::new(Origin { input: "dead_letter".to_owned(), ..Origin::default() });
        let batch = RawBatch { origin, span: None, mark: None, received: clock::now(), records };
        let pending = writer.intake().submit(batch, SyncClass::Prompt).map_err(|cause| cause.to_string())?;
        pending.wait().map(drop).map_err(|cause| cause.to_string())
    }
}

impl DeadLetters for Keeping {
    fn keep(&self, output: &str, refused: Vec<Refused>) {
        let count = refused.len();
        let first = refused.first().map(|refused| refused.reason.clone()).unwrap_or_default();
        let record = |Refused { event, reason }: Refused| {
            let mut text = String::new();
            whole::write(&event, &mut text);
            let content = Content { output: output.to_owned(), reason, event: text };
            let kind = RecordKind { json: true, truncated: false };
            serde_json::to_vec(&content).ok().map(|json| Record { bytes: Bytes::from(json), kind })
        };
        let mut records: Vec<Record> = refused.into_iter().filter_map(record).collect();
        while !records.is_empty() {
            let mut bytes = 0;
            let fits = records.iter().take(BATCH_RECORDS_MAX).take_while(|record| {
                bytes += record.bytes.len();
                bytes <= BATCH_BYTES
            });
            let rest = records.split_off(fits.count().max(1));
            let kept = (1..=ATTEMPTS_MAX).find_map(|attempt| match self.append(records.clone()) {
                Ok(()) => Some(Ok(())),
                Err(cause) if attempt == ATTEMPTS_MAX => Some(Err(cause)),
                Err(_) => {
                    thread::sleep(ATTEMPT_WAIT);
                    None
                }
            });
            if let Some(Err(cause)) = kept {
                let lost = records.len();
                tracing::error!("{output}: {lost} refused events are lost: {cause}; they were refused with: {first}");
            }
            records = rest;
        }
        let id = self.dir.parent().and_then(Path::file_name).unwrap_or_default().display();
        tracing::warn!("{output}: {count} events were refused, see `logship dlq ls --pipeline.id {id}`: {first}");
    }
}

/// Calls for each dead letter of a pipeline that is not purged, the oldest log first. How far that is.
///
/// # Errors
/// A log cannot be read.
pub fn each(pipeline: &Path, mut take: impl FnMut(DeadLetter)) -> Result<Progress, LogError> {
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    let dir = folder(pipeline);
    let mut read_to = Progress::new();
    if !dir.is_dir() {
        return Ok(read_to);
    }
    let purged = purged(pipeline);
    let mut logs = Vec::new();
    for found in log::list(&*fs, &dir)? {
        let mut letters = Vec::new();
        let from = purged.get(&found.id).copied().unwrap_or_default();
        let mut reader = match Reader::open(&fs, &found.dir, from) {
            Err(LogError::Gap { first, .. }) => Reader::open(&fs, &found.dir, first)?,
            other => other?,
        };
        let limit = if found.alive { Limit::Marked } else { Limit::Everything };
        while let Some(frame) = reader.next(limit)? {
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

fn purged(pipeline: &Path) -> Progress {
    let Ok(bytes) = fs::read(&RealFs, &purged_file(pipeline)) else { return Progress::new() };
    // What cannot be read is shown again.
    let read: BTreeMap<String, u64> = serde_json::from_slice(&bytes).unwrap_or_default();
    read.into_iter().filter_map(|(log, pos)| Some((log.parse().ok()?, Pos(pos)))).collect()
}

fn read(json: &[u8], time: Timestamp) -> Option<DeadLetter> {
    let Content { output, reason, event } = serde_json::from_slice(json).ok()?;
    Some(DeadLetter { time, output, reason, event: whole::read(&event)? })
}

/// Removes the dead letters of a pipeline up to there.
///
/// # Errors
/// That cannot be written, or a log not be removed; the text names it.
pub fn purge(pipeline: &Path, up_to: &Progress) -> Result<(), String> {
    let dir = folder(pipeline);
    let mut purged = purged(pipeline);
    let found = if dir.is_dir() { log::list(&RealFs, &dir).map_err(|cause| cause.to_string())? } else { Vec::new() };
    purged.retain(|id, _| found.iter().any(|found| found.id == *id));
    purged.extend(up_to);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_letters_are_read_and_purged() {
        let dir = tempfile::tempdir().unwrap();
        let all = || {
            let mut all = Vec::new();
            let read_to = each(dir.path(), |letter| all.push(letter)).unwrap();
            purge(dir.path(), &Progress::new()).unwrap();
            (all, read_to)
        };
        assert!(all().0.is_empty());
        let event = |message: &str| {
            let mut event = Event::from_line(Timestamp::from_millis(1), message.to_owned().into());
            event.meta.insert("index".into(), "x".into());
            event
        };
        let refused =
            |message: &str| Refused { event: Box::new(event(message)), reason: format!("mapping of {message}") };
        for messages in [["a", "b"], ["c", "d"]] {
            let keeping = Keeping::new(dir.path());
            keeping.keep("es.0", messages.map(refused).into());
            let seen: Vec<_> = all().0.into_iter().map(|letter| letter.event).collect();
            assert!(seen.ends_with(&messages.map(event)), "{seen:?}");
        }
        let (mut letters, read_to) = all();
        let last = letters.pop().unwrap();
        assert_eq!((last.output.as_str(), last.reason.as_str()), ("es.0", "mapping of d"));
        // A running process goes on behind what was purged.
        purge(dir.path(), &read_to).unwrap();
        assert!(all().0.is_empty());
        Keeping::new(dir.path()).keep("es.0", vec![refused("e")]);
        assert_eq!(all().0.len(), 1);
        // Writers close a moment after they are dropped.
        while log::list(&RealFs, &folder(dir.path())).unwrap().iter().any(|found| found.alive) {
            std::thread::yield_now();
        }
        purge(dir.path(), &all().1).unwrap();
        assert_eq!(log::list(&RealFs, &folder(dir.path())).unwrap().len(), 0);
    }
}
