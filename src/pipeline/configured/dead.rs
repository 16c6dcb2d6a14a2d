//! Keeping dead letters: events that the other side of an output does not want, as [`crate::inputs::dead_letters`] says.
//!
//! Limits: [`DEAD_BYTES_MAX`]; past it new ones are dropped, and said.

use super::{build::Named, delivery::DeadLetters, workers::held};
use crate::{
    clock,
    flow::{Origin, RawBatch, Record, SyncClass},
    fs::{Fs, RealFs},
    inputs::dead_letters::{folder, record},
    log::{self, LogWriter, SourceTable},
    outputs::plugins::Refused,
};
use std::{
    collections::HashMap,
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

/// Keeps the dead letters of a running pipeline.
pub(super) struct Keeping {
    dir: PathBuf,
    /// The kinds of the outputs, by their names.
    plugins: HashMap<String, String>,
    writer: Mutex<Option<LogWriter>>,
}

impl Keeping {
    pub(super) fn new(pipeline: &Path, sinks: &[Named]) -> Keeping {
        let plugins = sinks.iter().map(|sink| (sink.name.clone(), sink.plugin.clone())).collect();
        Keeping { dir: folder(pipeline), plugins, writer: Mutex::new(None) }
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
        let plugin = self.plugins.get(output).map(String::as_str).unwrap_or_default();
        let record = |Refused { event, reason }: Refused| record((output, plugin), &event, reason);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Event, Timestamp},
        flow::Progress,
        inputs::dead_letters::{each, purge},
    };

    #[test]
    fn dead_letters_are_read_and_purged() {
        let dir = tempfile::tempdir().unwrap();
        let es = || Named { name: "es".to_owned(), plugin: "elasticsearch".to_owned(), shared: None };
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
            let keeping = Keeping::new(dir.path(), &[es()]);
            keeping.keep("es", messages.map(refused).into());
            let seen: Vec<_> = all().0.into_iter().map(|letter| letter.event).collect();
            assert!(seen.ends_with(&messages.map(event)), "{seen:?}");
        }
        let (mut letters, read_to) = all();
        let last = letters.pop().unwrap();
        assert_eq!(
            (last.output.as_str(), last.plugin.as_str(), last.reason.as_str()),
            ("es", "elasticsearch", "mapping of d")
        );
        // A running process goes on behind what was purged.
        purge(dir.path(), &read_to).unwrap();
        assert!(all().0.is_empty());
        Keeping::new(dir.path(), &[es()]).keep("es", vec![refused("e")]);
        assert_eq!(all().0.len(), 1);
        // Writers close a moment after they are dropped.
        while log::list(&RealFs, &folder(dir.path())).unwrap().iter().any(|found| found.alive) {
            std::thread::yield_now();
        }
        purge(dir.path(), &all().1).unwrap();
        assert_eq!(log::list(&RealFs, &folder(dir.path())).unwrap().len(), 0);
    }
}
