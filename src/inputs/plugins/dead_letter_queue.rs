//! `dead_letter_queue { pipeline_id => main }`: the dead letters of a pipeline, as they come.
//!
//! An event is as it was when it reached the output that was refused it, with `[@metadata][dead_letter_queue]`: `plugin_type`,
//! `plugin_id`, `reason` and `entry_time`. `path` is the data directory, that of this process unless set. How far it has read
//! is in the pipeline's log, written with the events, so that no crash loses or doubles one on its way there; `sincedb_path` means
//! nothing. With `commit_offsets => false` all are read again at each start. `start_timestamp` counts for logs of dead
//! letters of which nothing was read yet. `clean_consumed` removes what is safe in the log.
//!
//! Limit: [`UNSETTLED_MAX`] frames on their way.

use super::{Decoding, Entrance, InputError, InputKind, LogEnd, Record, Source, Stream, entrance::UNSETTLED_MAX};
use crate::{
    clock,
    codecs::plugins::Reading,
    config::Options,
    event::{Event, Key, Map, Timestamp, Value},
    filters::Scratch,
    flow::{AppendError, Frame, LogId, Origin, Pending, Pos, Progress, RawBatch, Span, Stop, SyncClass},
    fs::{Fs, RealFs},
    inputs::dead_letters::{self, DeadLetter},
    log::{self, Found, LogError, Reader},
};
use bytes::Bytes;
use jiff::{civil::DateTime, tz::TimeZone};
use logship_parsers::config::{Diagnostic, ast, typed};
use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

pub(super) const KIND: InputKind = InputKind {
    name: "dead_letter_queue",
    summary: "Dead letters of a pipeline",
    options: &["clean_consumed", "commit_offsets", "path", "pipeline_id", "sincedb_path", "start_timestamp"],
    codec: "plain",
    needs_log: true,
    host: None,
    path: None,
    build,
};

/// How often it looks for more.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// As much of an input's name is in the names of its sources.
const NAME_CHARS_MAX: usize = 40;
/// Where the event has what is known of the dead letter.
const METADATA: &str = "dead_letter_queue";

struct Letters {
    path: Option<PathBuf>,
    pipeline: String,
    commits: bool,
    cleans: bool,
    start: Option<Timestamp>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let place = options.place();
    let pipeline = options.or("pipeline_id", id, "main".to_owned());
    let commits = options.flag("commit_offsets", true);
    let cleans = options.flag("clean_consumed", false);
    if cleans && !commits {
        let error = Diagnostic::error(place, "`clean_consumed` needs `commit_offsets`");
        options.report(error.help("leave `commit_offsets => false` out"));
    }
    _ = options.text("sincedb_path");
    let path = options.text("path").map(PathBuf::from);
    let start = options.get("start_timestamp", time);
    Some(Box::new(Letters { path, pipeline, commits, cleans, start }))
}

fn id(value: &ast::Value) -> typed::Read<String> {
    let text = typed::text(value)?;
    match text.is_empty() || text.starts_with('.') || text.contains('/') {
        true => Err(Diagnostic::error(value.span.0, format!("`{text}` is no id of a pipeline"))),
        false => Ok(text.to_owned()),
    }
}

/// ISO 8601; without a zone it is local time.
fn time(value: &ast::Value) -> typed::Read<Timestamp> {
    let text = typed::text(value)?;
    let local = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::system()).ok().map(|zoned| zoned.timestamp());
    let stamp = text.parse::<jiff::Timestamp>().ok().or_else(local);
    let nanos = stamp.and_then(|stamp| i64::try_from(stamp.as_nanosecond()).ok());
    nanos.map(Timestamp::from_nanos).ok_or_else(|| {
        Diagnostic::error(value.span.0, format!("`{text}` is no time")).expected("such as `2026-01-02T03:04:05`")
    })
}

/// A record is when the event was refused, in nanoseconds, and behind a space the dead letter.
fn with_time(time: Timestamp, letter: &[u8]) -> Bytes {
    [time.as_nanos().to_string().as_bytes(), b" ", letter].concat().into()
}

struct Letter;

impl Decoding for Letter {
    fn decode(&self, record: Bytes, _: &Reading, scratch: &mut Scratch, out: &mut Vec<Event>) {
        let read = || {
            let (time, json) = record.split_at_checked(memchr::memchr(b' ', &record)?)?;
            let nanos: i64 = std::str::from_utf8(time).ok()?.parse().ok()?;
            dead_letters::read(json, Timestamp::from_nanos(nanos))
        };
        let Some(DeadLetter { time, output, plugin, reason, mut event }) = read() else {
            // Nobody but ourselves writes them.
            out.push(Event::from_line(scratch.received, String::from_utf8_lossy(&record).into_owned().into()));
            return;
        };
        let mut known = Map::with_capacity(4);
        known.insert(Key::from("plugin_type"), Value::from(plugin));
        known.insert(Key::from("plugin_id"), Value::from(output));
        known.insert(Key::from("reason"), Value::from(reason));
        known.insert(Key::from("entry_time"), Value::Time(time));
        event.meta.insert(Key::from(METADATA), Value::Map(known));
        out.push(event);
    }
}

impl Source for Letters {
    fn decoding(&mut self) -> Option<Box<dyn Decoding>> {
        Some(Box::new(Letter))
    }

    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let log = entrance.log();
        let own = log.as_ref().map(|log| log.dir.to_path_buf());
        let missing = |what: &str| io::Error::other(format!("{what}: leave --queue.type memory out"));
        let root = self.path.map(|path| path.join("pipelines")).or_else(|| Some(own.as_ref()?.parent()?.to_owned()));
        let pipeline = root.ok_or_else(|| missing("it needs the option `path`"))?.join(&self.pipeline);
        let is_own =
            own.is_some_and(|own| own.canonicalize().is_ok_and(|own| pipeline.canonicalize().ok() == Some(own)));
        let name = entrance.name();
        if is_own {
            tracing::warn!(
                "{name}: the pipeline reads its own dead letters: what is refused again comes again and again"
            );
        } else if !pipeline.is_dir() {
            tracing::warn!("{name}: there is no pipeline in {} yet: it waits", pipeline.display());
        }
        let to = match (self.commits, log) {
            (true, Some(log)) => To::log(log, name),
            (true, None) => return Err(missing("its positions are in the log").into()),
            (false, _) => To::Stream(Box::new(entrance.stream([]))),
        };
        let done = to.done();
        let mut following = Following {
            fs: Arc::new(RealFs),
            pipeline,
            to,
            cleans: self.cleans,
            start: self.start,
            cleaned: done.clone(),
            done,
            open: BTreeMap::new(),
        };
        super::sockets::again_and_again(stop, LOOK_EVERY, || following.look(stop))
    }
}

/// Where frames go.
enum To {
    /// Into the log, with their positions.
    Log { end: LogEnd, input: String, prefix: String, sent: VecDeque<(LogId, Pos, Pending)> },
    /// As any records.
    Stream(Box<Stream>),
}

impl To {
    fn log(end: LogEnd, input: &str) -> To {
        let prefix = format!("dead:{}:", input.chars().take(NAME_CHARS_MAX).collect::<String>());
        To::Log { end, input: input.to_owned(), prefix, sent: VecDeque::new() }
    }

    /// How far earlier lives have read.
    fn done(&self) -> Progress {
        let To::Log { end, prefix, .. } = self else { return Progress::new() };
        let known = end.known.only(prefix);
        let pos = |(source, state): (&str, &log::SourceState)| {
            Some((source.strip_prefix(prefix.as_str())?.parse().ok()?, Pos(state.positions.low())))
        };
        known.iter().filter_map(pos).collect()
    }

    /// Takes a frame; what of the log it stands for begins at `from`.
    fn give(&mut self, from: Pos, frame: Frame, done: &mut Progress) -> Result<(), InputError> {
        let (log, to, time) = (frame.log, frame.end, frame.batch.received);
        let records = frame.batch.records.into_iter().map(|record| with_time(time, &record.bytes));
        match self {
            To::Stream(stream) => {
                let nothing = [].into();
                let records = records.map(|text| Record { text, fields: Arc::clone(&nothing) });
                stream.records(records.collect())?;
                done.insert(log, to);
            }
            To::Log { end, input, prefix, sent } => {
                let origin = Origin { source: format!("{prefix}{log}"), input: input.clone(), ..Origin::default() };
                let batch = RawBatch {
                    origin: Arc::new(origin),
                    span: Some(Span { from: from.0, to: to.0 }),
                    mark: None,
                    received: clock::now(),
                    records: records.map(crate::flow::Record::text).collect(),
                };
                let pending = end.intake.submit(batch, SyncClass::Prompt).map_err(|_| InputError::Closed)?;
                sent.push_back((log, to, pending));
                self.settle(UNSETTLED_MAX, done)?;
            }
        }
        Ok(())
    }

    /// Waits until at most so many frames are not safe; those that are, are `done`.
    fn settle(&mut self, most: usize, done: &mut Progress) -> Result<(), InputError> {
        let sent = match self {
            To::Stream(stream) => return stream.settle(),
            To::Log { sent, .. } => sent,
        };
        while sent.len() > most
            && let Some((log, to, pending)) = sent.pop_front()
        {
            match pending.wait() {
                Ok(_) => {}
                Err(cause @ AppendError::TooLarge) => {
                    tracing::error!("a dead letter is left where it is, in the log {log}: {cause}");
                }
                Err(AppendError::Closed) => return Err(InputError::Closed),
                Err(cause) => return Err(io::Error::other(format!("dead letters wait: {cause}")).into()),
            }
            done.insert(log, to);
        }
        Ok(())
    }

    /// What is on its way is given again.
    fn forget(&mut self) {
        if let To::Log { sent, .. } = self {
            sent.clear();
        }
    }
}

/// A log of dead letters.
struct Open {
    reader: Reader,
    /// What was read first and is not given yet.
    ahead: Option<Frame>,
    /// When its first letter that was seen was written, by which logs have their order.
    first: Timestamp,
    /// Letters from before are passed over.
    start: Option<Timestamp>,
    /// Where the last frame ended that was given.
    last: Pos,
}

/// Reads logs of dead letters as they grow.
struct Following {
    fs: Arc<dyn Fs>,
    pipeline: PathBuf,
    to: To,
    cleans: bool,
    start: Option<Timestamp>,
    /// Safe up to here.
    done: Progress,
    /// Removed up to here.
    cleaned: Progress,
    open: BTreeMap<LogId, Open>,
}

fn failed(cause: &LogError) -> InputError {
    io::Error::other(format!("dead letters cannot be read: {cause}")).into()
}

impl Following {
    /// Gives all that there is now.
    fn look(&mut self, stop: &Stop) -> Result<(), InputError> {
        let found = log::list(&*self.fs, &dead_letters::folder(&self.pipeline)).map_err(|cause| failed(&cause))?;
        let read = self.read(&found, stop).and_then(|()| self.to.settle(0, &mut self.done));
        if read.is_err() {
            // From what is safe on.
            self.open.clear();
            self.to.forget();
        }
        read?;
        if self.cleans && self.cleaned != self.done {
            dead_letters::purge(&self.pipeline, &self.done).map_err(io::Error::other)?;
            self.cleaned = self.done.clone();
        }
        Ok(())
    }

    fn read(&mut self, found: &[Found], stop: &Stop) -> Result<(), InputError> {
        self.open.retain(|id, _| found.iter().any(|log| log.id == *id));
        let purged = dead_letters::purged(&self.pipeline);
        for log in found.iter().filter(|log| !self.open.contains_key(&log.id)).collect::<Vec<_>>() {
            let open = self.begin(log, purged.get(&log.id).copied().unwrap_or_default());
            self.open.extend(open.map_err(|cause| failed(&cause))?.map(|open| (log.id, open)));
        }
        let mut order: Vec<_> = self.open.iter_mut().map(|(id, open)| (open.first, *id, open)).collect();
        order.sort_unstable_by_key(|(first, id, _)| (*first, *id));
        for (_, id, open) in order {
            let Some(limit) = found.iter().find(|log| log.id == id).map(dead_letters::limit) else { continue };
            while !stop.is_requested() {
                let frame = match open.ahead.take() {
                    None => open.reader.next(limit).map_err(|cause| failed(&cause))?,
                    ahead => ahead,
                };
                let Some(frame) = frame else { break };
                if open.start.is_some_and(|start| frame.batch.received < start) {
                    continue;
                }
                let from = std::mem::replace(&mut open.last, frame.end);
                self.to.give(from, frame, &mut self.done)?;
            }
        }
        Ok(())
    }

    /// Begins a log, once something is in it.
    fn begin(&self, found: &Found, purged: Pos) -> Result<Option<Open>, LogError> {
        let known = self.done.get(&found.id).copied();
        let last = known.unwrap_or_default();
        let mut reader = dead_letters::reader(&self.fs, found, last.max(purged))?;
        let Some(ahead) = reader.next(dead_letters::limit(found))? else { return Ok(None) };
        let first = ahead.batch.received;
        let start = self.start.filter(|_| known.is_none());
        Ok(Some(Open { reader, ahead: Some(ahead), first, start, last }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::configured::testing::{mistakes, read};

    #[test]
    fn times_are_read() {
        let check = |text: &str, expected: i64| {
            let input = format!("dead_letter_queue {{ start_timestamp => '{text}' }}");
            let time = read(&input, |options| options.get("start_timestamp", time).unwrap());
            assert_eq!(time.as_millis(), expected, "{text}");
        };
        check("2026-01-01T00:00:00Z", 1_767_225_600_000);
        check("2026-01-01T01:00:00.5+01:00", 1_767_225_600_500);
        let here = "2026-01-01T00:00:00".parse::<DateTime>().unwrap().to_zoned(TimeZone::system()).unwrap();
        check("2026-01-01T00:00:00", here.timestamp().as_millisecond());
    }

    #[test]
    fn mistakes_are_told() {
        let check = |input: &str, expected: &str| {
            let told: Vec<_> = mistakes(input).into_iter().map(|diagnostic| diagnostic.message).collect();
            assert_eq!(told, [expected], "{input}");
        };
        check("dead_letter_queue { pipeline_id => '../x' }", "`../x` is no id of a pipeline");
        check("dead_letter_queue { start_timestamp => soon }", "`soon` is no time");
        let both = "dead_letter_queue { clean_consumed => true commit_offsets => false }";
        check(both, "`clean_consumed` needs `commit_offsets`");
    }
}
