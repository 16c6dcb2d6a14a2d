//! Between chunks and frames: what an input gave as frames of the log, and frames as chunks for the workers.
//!
//! A frame is of one input and one stream. Its origin says which input (by name, so that a config may change while something
//! waits) and, as JSON, the fields that its events get.
//!
//! Lines of files come into the log one by one, for their positions are in it. Where a codec has a framing of its own, it is
//! applied here, behind the log: what it holds back of a frame keeps the outputs' positions before that frame, so that a
//! crash repeats rather than loses. At most [`STREAMS_MAX`] streams are held open.
//!
//! What is given is a function of the frames and of [`Flush`]es: given both, another reader of the log gives the same.

use super::{
    arrival::Arrival,
    build::Plan,
    flushes::Flush,
    workers::{Ended, Mark, Task, Tasks},
};
use crate::{
    clock,
    codecs::plugins::framing::{Cut, Cutter, Framing, Piece},
    event::{Timestamp, Value, json},
    flow::{EventId, Frame, LogId, Origin, Pos, RECORDS_PER_FRAME_MAX, RawBatch, Record as LogRecord},
    inputs::plugins::{Chunk, Fields, Record, record},
    outputs::plugins::EVENT_PLACE,
};
use bytes::Bytes;
use logship_parsers::config::FieldRef;
use memchr::memchr;
use smallvec::SmallVec;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// Most bytes of the records of one frame, unless one record is longer.
const FRAME_BYTES: usize = 1 << 20;
/// Streams of which a codec may hold something back; then the one that is held longest is finished.
pub const STREAMS_MAX: usize = 1_000;

/// A chunk as frames: one for each run of records with the same fields.
pub(super) fn batches(input: &str, chunk: Chunk) -> Vec<RawBatch> {
    let mut out: Vec<RawBatch> = Vec::with_capacity(1);
    let mut bytes = 0;
    let mut last: Option<Fields> = None;
    let received = clock::now();
    let mut add = |text: Bytes, fields: &Fields| {
        let same = last.as_ref().is_some_and(|last| Arc::ptr_eq(last, fields) || last == fields);
        let length = text.len();
        let has_room = |batch: &&mut RawBatch| {
            same && bytes + length <= FRAME_BYTES && batch.records.len() < RECORDS_PER_FRAME_MAX
        };
        match out.last_mut().filter(has_room) {
            Some(batch) => batch.records.push(LogRecord::text(text)),
            None => {
                bytes = 0;
                let origin = Arc::new(origin(input, fields));
                out.push(RawBatch { origin, span: None, mark: None, received, records: vec![LogRecord::text(text)] });
            }
        }
        bytes += length;
        last = Some(fields.clone());
    };
    match chunk {
        Chunk::Records(records) => records.into_iter().for_each(|Record { text, fields }| add(text, &fields)),
        Chunk::Lines(mut rest, fields) => {
            while !rest.is_empty() {
                let end = memchr(b'\n', &rest).unwrap_or(rest.len());
                let mut line = rest.split_to((end + 1).min(rest.len()));
                line.truncate(end);
                if line.last() == Some(&b'\r') {
                    line.truncate(line.len() - 1);
                }
                add(line, &fields);
            }
        }
    }
    out
}

fn origin(input: &str, fields: &Fields) -> Origin {
    let text = |value: &Value| {
        let mut text = String::new();
        json::write_value(&mut text, value);
        text
    };
    let fields = fields.iter().map(|(field, value)| (field.to_string(), text(value))).collect();
    Origin { input: input.to_owned(), fields, ..Origin::default() }
}

/// What the reading end needs to know of an input.
struct Input {
    name: String,
    path: Option<FieldRef>,
    framing: Framing,
}

/// A stream whose codec cuts it in its own way.
struct Open {
    cutter: Cutter,
    input: usize,
    fields: Fields,
    /// Where something is held back: in each log that has lines of it, before the frame of the first.
    held: SmallVec<[(LogId, Pos); 1]>,
    /// Where what is held back begins.
    began: Option<Began>,
    since: Instant,
}

/// What began in a line: the same however often the line is read, and nothing else has it.
struct Began {
    log: LogId,
    frame: Pos,
    line: usize,
    /// Of several that begin in it.
    nth: usize,
}

impl Began {
    /// The record, whose events have their ids by this.
    fn record(&self, cut: Cut, fields: &Fields) -> Record {
        let Began { log, frame, line, nth } = self;
        let id = EventId { log: *log, at: *frame };
        let place = FieldRef { parts: vec!["@metadata".to_owned(), EVENT_PLACE.to_owned()] };
        let Record { text, fields } = record(cut, fields);
        let fields = fields.iter().cloned().chain([(place, Value::from(format!("{id}-{line}.{nth}")))]).collect();
        Record { text, fields }
    }
}

/// What is to be given to the workers.
pub(super) struct Given {
    input: usize,
    chunk: Chunk,
    received: Timestamp,
    pub(super) mark: Mark,
    /// What its events have their ids by.
    place: (LogId, Pos),
}

impl Given {
    pub(super) fn push(self, tasks: &Tasks) -> Result<(), Ended> {
        let Given { input, chunk, received, mark, place } = self;
        tasks.push(Task::Chunk(input, chunk, Some(place)), received, Some(mark))
    }
}

/// Frames to chunks.
pub(super) struct Frames {
    inputs: Vec<Input>,
    /// By source.
    open: BTreeMap<String, Open>,
    /// How many chunks were given.
    given: u64,
}

impl Frames {
    pub(super) fn new(plan: &Plan) -> Frames {
        let input = |arrival: &Arrival| Input {
            name: arrival.name.clone(),
            path: arrival.path.clone(),
            framing: arrival.framing(),
        };
        Frames { inputs: plan.arrivals.iter().map(input).collect(), open: BTreeMap::new(), given: 0 }
    }

    /// The input of that name; where a config has changed, one of the same plugin, or the first.
    fn input(&self, name: &str) -> usize {
        let plugin = |name: &str| name.split('.').next().map(str::to_owned);
        let exact = self.inputs.iter().position(|input| input.name == name);
        let similar = || self.inputs.iter().position(|input| plugin(&input.name) == plugin(name));
        exact.or_else(similar).unwrap_or_default()
    }

    /// A frame as a chunk.
    pub(super) fn chunk(&mut self, frame: Frame) -> Given {
        let Frame { log, start, end, batch, .. } = frame;
        let received = batch.received;
        let number = self.input(&batch.origin.input);
        let path = self.inputs.get(number).and_then(|input| input.path.clone());
        let fields = fields_of(&batch.origin, path);
        let is_own = self.inputs.get(number).is_some_and(|input| matches!(input.framing, Framing::Own(_)));
        let texts = batch.records.into_iter().map(|record| record.bytes);
        let records = match batch.origin.path.is_some() && is_own {
            false => texts.map(|text| Record { text, fields: fields.clone() }).collect(),
            true => self.joined((log, &batch.origin.source), number, &fields, start, texts),
        };
        let mark = self.mark(log, end);
        Given { input: number, chunk: Chunk::Records(records), received, mark, place: (log, start) }
    }

    /// What was read of a log up to `end` is given.
    pub(super) fn mark(&mut self, log: LogId, end: Pos) -> Mark {
        self.given += 1;
        Mark { log, end, done: self.done_to(log, end), number: self.given }
    }

    /// Lines of a file as the codec cuts them.
    fn joined(
        &mut self,
        (log, source): (LogId, &str),
        input: usize,
        fields: &Fields,
        start: Pos,
        lines: impl Iterator<Item = Bytes>,
    ) -> Vec<Record> {
        let Some(kind) = self.inputs.get(input) else { return Vec::new() };
        let mut open = self.open.remove(source).unwrap_or_else(|| Open {
            cutter: Cutter::new(&kind.framing),
            input,
            fields: fields.clone(),
            held: SmallVec::new(),
            began: None,
            since: clock::instant(),
        });
        let mut records = Vec::new();
        for (number, line) in lines.enumerate() {
            let mut text = Vec::with_capacity(line.len() + 1);
            text.extend_from_slice(&line);
            text.push(b'\n');
            let mut begins = (0..).map(|nth| Began { log, frame: start, line: number, nth });
            let before = records.len();
            for cut in open.cutter.push(&text).into_iter().flat_map(Piece::into_lines) {
                let began = open.began.take().or_else(|| begins.next());
                records.extend(began.map(|began| began.record(cut, fields)));
            }
            if records.len() > before || !open.cutter.holds() {
                open.held.clear();
                open.began = None;
            }
            if open.cutter.holds() {
                open.began = open.began.or_else(|| begins.next());
                // In each log its position waits for what is held of it.
                if open.held.last().is_none_or(|(of, _)| *of != log) {
                    open.held.push((log, start));
                }
            }
        }
        open.since = clock::instant();
        self.open.insert(source.to_owned(), open);
        records
    }

    /// How far everything in a log is given to the workers, if it is read up to `end`.
    fn done_to(&self, log: LogId, end: Pos) -> Pos {
        let held = self.open.values().flat_map(|open| &open.held).filter(|(of, _)| *of == log);
        held.map(|(_, from)| *from).min().unwrap_or(end).min(end)
    }

    /// The workers had no time since then: nothing that came meanwhile has waited.
    pub(super) fn pause_since(&mut self, then: Instant) {
        let now = clock::instant();
        self.open.values_mut().filter(|open| open.since >= then).for_each(|open| open.since = now);
    }

    /// What was held long enough, or all of it at the end, and what is too much. `read` says how far a log is read.
    pub(super) fn due(&mut self, is_end: bool, read: impl Fn(LogId) -> Pos) -> Vec<(Given, Flush)> {
        let is_late = |open: &Open| open.cutter.patience().is_some_and(|patience| clock::since(open.since) >= patience);
        let mut late: Vec<String> = match is_end {
            true => self.open.keys().cloned().collect(),
            false => self.open.iter().filter(|(_, open)| is_late(open)).map(|(source, _)| source.clone()).collect(),
        };
        if self.open.len() > STREAMS_MAX + late.len() {
            let mut all: Vec<_> = self.open.iter().map(|(source, open)| (open.since, source.clone())).collect();
            all.sort_unstable();
            late.extend(all.into_iter().take(self.open.len() - STREAMS_MAX).map(|(_, source)| source));
        }
        let mut given = Vec::new();
        for source in late {
            let is_kept = !is_end && self.open.len() <= STREAMS_MAX;
            match self.open.get(&source).and_then(|open| open.held.first().copied()) {
                Some((log, _)) => {
                    let (number, received) = (self.given + 1, clock::now());
                    let flush = Flush { source, log, at: read(log), number, received, is_kept };
                    given.extend(self.flush(&flush).map(|given| (given, flush)));
                }
                None if is_kept => {}
                None => _ = self.open.remove(&source),
            }
        }
        given
    }

    /// What a stream holds back.
    pub(super) fn flush(&mut self, flush: &Flush) -> Option<Given> {
        let Flush { source, log, at, received, is_kept, .. } = flush;
        let mut open = self.open.remove(source)?;
        let cuts = open.cutter.finish().into_iter().flat_map(Piece::into_lines);
        let (mut began, mut records) = (open.began.take(), Vec::new());
        for cut in cuts {
            let Some(Began { log, frame, line, nth }) = &began else { break };
            records.extend(began.as_ref().map(|began| began.record(cut, &open.fields)));
            began = Some(Began { log: *log, frame: *frame, line: *line, nth: nth + 1 });
        }
        let (input, chunk) = (open.input, Chunk::Records(records));
        let held = std::mem::take(&mut open.held).first().copied();
        if *is_kept {
            // A codec may know more of its stream than what it holds back.
            self.open.insert(source.clone(), open);
        }
        let place = held?;
        Some(Given { input, chunk, received: *received, mark: self.mark(*log, *at), place })
    }

    /// Streams that hold something back that is in a log before `limit`, and in which.
    pub(super) fn held_before(&self, limit: impl Fn(LogId) -> Pos) -> Vec<(String, LogId)> {
        let is_before = |open: &Open| open.held.iter().find(|(log, from)| *from < limit(*log)).map(|(log, _)| *log);
        self.open.iter().filter_map(|(source, open)| is_before(open).map(|log| (source.clone(), log))).collect()
    }

    /// Where more streams are open than may be: forgets those of which nothing is held back.
    pub(super) fn forget_idle(&mut self) {
        if self.open.len() > STREAMS_MAX {
            self.open.retain(|_, open| !open.held.is_empty());
        }
    }

    /// When something is due.
    pub(super) fn patience(&self) -> Option<Duration> {
        let left = |open: &Open| Some(open.cutter.patience()?.saturating_sub(clock::since(open.since)));
        self.open.values().filter_map(left).min()
    }
}

fn fields_of(origin: &Origin, path: Option<FieldRef>) -> Fields {
    let field = |(name, value): (&String, &String)| {
        let value = serde_json::from_str(value).ok()?;
        Some((FieldRef::parse(name).ok()?, json::from_serde(value)))
    };
    let path = path.zip(origin.path.clone()).map(|(field, path)| (field, Value::from(path)));
    origin.fields.iter().filter_map(field).chain(path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Settings,
        flow::{Record as LogRecord, RecordKind},
        pipeline::configured::load,
    };
    use logship_parsers::config::{Options, Source};

    /// What comes of frames of one line each, in this log: its text and where it began, and up to where all is done.
    fn given(frames: &mut Frames, log: u64, at: u64, line: &str) -> (Vec<String>, u64) {
        let record = LogRecord { bytes: Bytes::copy_from_slice(line.as_bytes()), kind: RecordKind::default() };
        let origin =
            Origin { input: "file.0".into(), source: "a".into(), path: Some("/a".into()), ..Origin::default() };
        let received = Timestamp::default();
        let batch = RawBatch { origin: Arc::new(origin), span: None, mark: None, received, records: vec![record] };
        let (log, start, end) = (LogId::from_bits(log), Pos(at), Pos(at + 10));
        shown(frames.chunk(Frame { log, start, end, suspect: false, batch }))
    }

    fn shown(given: Given) -> (Vec<String>, u64) {
        let Chunk::Records(records) = given.chunk else { panic!("no records") };
        let place = |record: &Record| {
            let place =
                record.fields.iter().find(|(field, _)| field.parts.last().is_some_and(|name| name == EVENT_PLACE));
            place.and_then(|(_, place)| place.as_str().map(str::to_owned)).unwrap_or_default()
        };
        let show = |record: &Record| format!("{} {}", place(record), String::from_utf8_lossy(&record.text));
        (records.iter().map(show).collect(), given.mark.done.0)
    }

    fn frames() -> Frames {
        let text = "input { file { path => '/a' codec => multiline { pattern => '^ ' what => previous } } }";
        let mut sources = vec![Source::new("test", text)];
        let (pipeline, said) = load(&mut sources, &Options::default(), &Settings::default());
        Frames::new(&pipeline.unwrap_or_else(|| panic!("{said:?}")).plan)
    }

    #[test]
    fn what_is_put_together_is_known_by_where_it_begins() {
        let mut life = frames();
        assert_eq!(given(&mut life, 1, 10, "a"), (vec![], 10));
        assert_eq!(given(&mut life, 1, 20, " b"), (vec![], 10));
        assert_eq!(given(&mut life, 1, 30, "c"), (vec!["000000000001-a-0.0 a\n b".into()], 30));
        let flush = life.due(true, |_| Pos(40)).into_iter().map(|(given, _)| shown(given)).collect::<Vec<_>>();
        assert_eq!(flush, [(vec!["000000000001-1e-0.0 c".into()], 40)]);
        // Whoever begins in the middle has the rest under another name, and what follows under the same.
        let mut life = frames();
        assert_eq!(given(&mut life, 1, 20, " b"), (vec![], 20));
        assert_eq!(given(&mut life, 1, 30, "c"), (vec!["000000000001-14-0.0  b".into()], 30));
        assert_eq!(given(&mut life, 1, 40, "d"), (vec!["000000000001-1e-0.0 c".into()], 40));
    }

    #[test]
    fn what_is_held_holds_the_position_in_each_log() {
        let mut life = frames();
        assert_eq!(given(&mut life, 1, 90, "a"), (vec![], 90));
        assert_eq!(given(&mut life, 2, 10, " b"), (vec![], 10));
        assert_eq!(given(&mut life, 2, 20, " c"), (vec![], 10));
        assert_eq!(given(&mut life, 2, 30, "d"), (vec!["000000000001-5a-0.0 a\n b\n c".into()], 30));
    }
}
