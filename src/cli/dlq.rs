//! `logship dlq`: the dead letters of pipelines: what is there, what it says, again, away.

use super::{Failure, args::Shared, is_read, pipelines, say::say};
use crate::{
    codecs::plugins::event as whole,
    config::DataDir,
    event::{Timestamp, Value, json},
    flow::Progress,
    inputs::{
        dead_letters::{self as dead, DeadLetter},
        plugins::{Entrance, InputError, Record, Source},
    },
};
use bytes::Bytes;
use clap::{Args, Subcommand};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// `logship dlq`
#[derive(Clone, Debug, Args)]
pub struct Dlq {
    #[command(subcommand)]
    what: What,
}

/// Which pipeline.
#[derive(Clone, Debug, Args)]
struct Which {
    /// The pipeline whose dead letters they are; `ID.replay` has those that were refused again
    #[arg(long = "pipeline.id", env = "LOGSHIP_PIPELINE_ID", value_name = "NAME", default_value = "main")]
    id: String,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Count dead letters by output and reason
    Ls(Which),
    /// Print dead letters, one JSON object each
    Show {
        #[command(flatten)]
        which: Which,
        /// At most so many, the newest
        #[arg(short = 'n', long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Send dead letters through the filters and outputs of a config; those that are refused again are kept as ID.replay
    Replay {
        #[command(flatten)]
        which: Which,
        /// The config: a file, a folder or a pattern; its inputs are left out
        #[arg(short = 'f', long = "path.config", value_name = "PATH")]
        path: PathBuf,
    },
    /// Forget all dead letters
    Purge(Which),
}

/// Most events that are read back at once.
const BATCH_EVENTS: usize = 512;

/// Runs the command.
pub fn run(shared: &Shared, args: &Dlq) -> Result<(), Failure> {
    let root = DataDir::locate(shared.data.as_deref()).map_err(Failure::usage)?;
    let folder = |which: &Which| match which.id.is_empty() || which.id.starts_with('.') || which.id.contains('/') {
        true => Err(Failure::usage(format!("`{}` is no id of a pipeline", which.id))),
        false => Ok(root.join("pipelines").join(&which.id)),
    };
    match &args.what {
        What::Ls(which) => list(&folder(which)?),
        What::Show { which, limit } => show(&folder(which)?, *limit),
        What::Purge(which) => {
            let pipeline = folder(which)?;
            let (letters, read_to) = letters(&pipeline)?;
            if read_to.is_empty() {
                return none(&pipeline);
            }
            dead::purge(&pipeline, &read_to).map_err(Failure::failed)?;
            say(format!("{} dead letters are gone", letters.len()));
            Ok(())
        }
        What::Replay { which, path } => replay(shared, &folder(which)?, &which.id, path),
    }
}

fn letters(pipeline: &Path) -> Result<(Vec<DeadLetter>, Progress), Failure> {
    let mut letters = Vec::new();
    let read_to = dead::each(pipeline, |letter| letters.push(letter)).map_err(Failure::failed)?;
    Ok((letters, read_to))
}

/// Says that there is nothing, and where: another id or data directory may be meant.
fn none(pipeline: &Path) -> Result<(), Failure> {
    say(format!("there are no dead letters in {}", pipeline.display()));
    Ok(())
}

/// What is alike.
struct Group {
    count: usize,
    first: Timestamp,
    last: Timestamp,
}

fn list(pipeline: &Path) -> Result<(), Failure> {
    let (letters, _) = letters(pipeline)?;
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    for DeadLetter { time, output, reason, .. } in letters {
        let group = groups.entry((output, reason)).or_insert(Group { count: 0, first: time, last: time });
        group.count += 1;
        (group.first, group.last) = (group.first.min(time), group.last.max(time));
    }
    let mut text = String::new();
    for ((output, reason), Group { count, first, last }) in groups {
        text += &format!("{count:>8}  {output}  {first} .. {last}  {reason}\n");
    }
    if text.is_empty() {
        return none(pipeline);
    }
    is_read(io::stdout().lock().write_all(text.as_bytes())).map(drop)
}

fn show(pipeline: &Path, limit: Option<usize>) -> Result<(), Failure> {
    let (letters, _) = letters(pipeline)?;
    let skipped = limit.map_or(0, |limit| letters.len().saturating_sub(limit));
    let mut text = String::new();
    for DeadLetter { time, output, reason, event, .. } in letters.into_iter().skip(skipped) {
        text += &format!("{{\"time\":\"{time}\",\"output\":");
        json::write_value(&mut text, &Value::from(output));
        text += ",\"reason\":";
        json::write_value(&mut text, &Value::from(reason));
        text += ",\"event\":";
        json::write_event(&mut text, &event, None);
        if !event.meta.is_empty() {
            text += ",\"@metadata\":";
            json::write_value(&mut text, &Value::Map(event.meta));
        }
        text += "}\n";
    }
    is_read(io::stdout().lock().write_all(text.as_bytes())).map(drop)
}

/// Dead letters as an input.
struct Letters {
    letters: Vec<DeadLetter>,
    /// Whether all were taken.
    is_whole: Arc<Mutex<bool>>,
}

impl Source for Letters {
    fn run(self: Box<Self>, entrance: &Entrance, stop: &crate::flow::Stop) -> Result<(), InputError> {
        let mut stream = entrance.stream([]);
        let nothing = [].into();
        for letters in self.letters.chunks(BATCH_EVENTS) {
            if stop.is_requested() {
                return Ok(());
            }
            let record = |letter: &DeadLetter| {
                let mut text = String::new();
                whole::write(&letter.event, &mut text);
                Record { text: Bytes::from(text), fields: Arc::clone(&nothing) }
            };
            stream.records(letters.iter().map(record).collect())?;
        }
        stream.settle()?;
        *self.is_whole.lock().unwrap_or_else(PoisonError::into_inner) = true;
        Ok(())
    }
}

fn replay(shared: &Shared, pipeline: &Path, id: &str, path: &Path) -> Result<(), Failure> {
    let (letters, read_to) = letters(pipeline)?;
    let count = letters.len();
    if count == 0 {
        return none(pipeline);
    }
    let is_whole = Arc::new(Mutex::new(false));
    let source = Letters { letters, is_whole: is_whole.clone() };
    // A log of its own: what is refused again is a dead letter there.
    let again = format!("{id}.replay");
    pipelines::run_with(shared, path, &again, Box::new(source))?;
    if !*is_whole.lock().unwrap_or_else(PoisonError::into_inner) {
        return Err(Failure::failed("it was stopped before all were sent: they are all kept"));
    }
    dead::purge(pipeline, &read_to).map_err(Failure::failed)?;
    say(format!("{count} dead letters were sent again; what was refused again: logship dlq ls --pipeline.id {again}"));
    Ok(())
}
