//! The end of a pipeline that its inputs hold.
//!
//! An input asks for a [`Stream`] for each connection, file or program that it reads and gives it what comes, as it comes: the
//! codec cuts it into records, the queue takes them. [`Stream::settle`] returns once all of it is safe; an input that
//! acknowledges does so after that.

use super::InputError;
use crate::{
    codecs::plugins::framing::{Cut, Cutter, Framing, Piece},
    event::{TAGS, Value},
    flow::Intake,
    log::SourceTable,
};
use bytes::Bytes;
use logship_parsers::config::FieldRef;
use std::{
    collections::VecDeque,
    io::Read,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// Chunks of one stream that are on their way and not yet safe; then it waits.
pub const UNSETTLED_MAX: usize = 16;

/// Fields that events get where they have none of that name.
pub type Fields = Arc<[(FieldRef, Value)]>;

/// What an input read.
#[derive(Debug)]
pub enum Chunk {
    /// Whole lines with their ends, and what the input knows of all of them; the last may have no end where the stream ended.
    Lines(Bytes, Fields),
    /// Records one by one.
    Records(Vec<Record>),
}

/// One record with what the input knows of it.
#[derive(Clone, Debug)]
pub struct Record {
    /// What the codec reads.
    pub text: Bytes,
    /// Fields that the event gets.
    pub fields: Fields,
}

/// What takes the chunks of a pipeline's inputs.
pub trait Queue: Send + Sync {
    /// Takes a chunk of this input; blocks where the pipeline is behind.
    ///
    /// # Errors
    /// The pipeline has ended.
    fn give(&self, input: usize, chunk: Chunk) -> Result<Ticket, InputError>;

    /// The log, for inputs whose positions are in it; none where the queue is in memory.
    fn log(&self) -> Option<LogEnd> {
        None
    }
}

/// The writing end of a pipeline's log.
#[derive(Clone, Debug)]
pub struct LogEnd {
    /// The entrance.
    pub intake: Intake,
    /// What the log knew of its sources at the start.
    pub known: Arc<SourceTable>,
    /// The folder of the pipeline, for what an input has to remember beside.
    pub dir: Arc<Path>,
}

/// What a queue gives for a chunk.
pub trait Settle: Send {
    /// Waits until the chunk is safe.
    ///
    /// # Errors
    /// It never will be: the pipeline has ended.
    fn settle(self: Box<Self>) -> Result<(), InputError>;
}

/// `None`: it is safe already, or as safe as it will be.
pub type Ticket = Option<Box<dyn Settle>>;

/// Where one input puts what it reads. Cheap to clone.
#[derive(Clone)]
pub struct Entrance {
    queue: Arc<dyn Queue>,
    input: usize,
    name: Arc<str>,
    framing: Framing,
}

impl Entrance {
    /// The entrance of an input.
    #[must_use]
    pub fn new(queue: Arc<dyn Queue>, (input, name): (usize, &str), framing: Framing) -> Entrance {
        Entrance { queue, input, name: name.into(), framing }
    }

    /// The name of the input: `file.0`, or its option `id`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The log behind it. Its records are lines, which the codec's own framing joins after it.
    #[must_use]
    pub fn log(&self) -> Option<LogEnd> {
        self.queue.log()
    }

    /// How the codec wants its records.
    #[must_use]
    pub fn framing(&self) -> &Framing {
        &self.framing
    }

    /// The same for records that are cut at these ends of lines, where the codec has no framing of its own.
    #[must_use]
    pub fn cut_at(&self, end: &[u8]) -> Entrance {
        let framing = match &self.framing {
            own @ Framing::Own(_) => own.clone(),
            Framing::Lines(_) | Framing::Messages(_) => Framing::Lines(end.into()),
        };
        Entrance { framing, ..self.clone() }
    }

    /// One more stream; its events get these fields where they have none of that name.
    #[must_use]
    pub fn stream(&self, fields: impl Into<Fields>) -> Stream {
        Stream {
            cutter: Cutter::new(&self.framing),
            entrance: self.clone(),
            fields: fields.into(),
            unsettled: VecDeque::new(),
            since: None,
        }
    }
}

/// One connection, file or program of an input.
pub struct Stream {
    entrance: Entrance,
    cutter: Cutter,
    fields: Fields,
    unsettled: VecDeque<Box<dyn Settle>>,
    /// When something came last.
    since: Option<Instant>,
}

impl Stream {
    /// Reads once and hands over what is whole. `false`: there is nothing more; [`Stream::finish`] should follow.
    ///
    /// # Errors
    /// Reading failed, or the pipeline has ended.
    pub fn read_from(&mut self, input: &mut impl Read) -> Result<bool, InputError> {
        let Some(pieces) = self.cutter.read_from(input)? else { return Ok(false) };
        self.since = Some(crate::clock::instant());
        self.pieces(pieces)?;
        Ok(true)
    }

    /// Takes bytes of a stream as they come.
    ///
    /// # Errors
    /// The pipeline has ended.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), InputError> {
        self.since = Some(crate::clock::instant());
        let pieces = self.cutter.push(bytes);
        self.pieces(pieces)
    }

    /// Takes a message that is whole: a datagram, the body of a request.
    ///
    /// # Errors
    /// The pipeline has ended.
    pub fn message(&mut self, text: Bytes) -> Result<(), InputError> {
        let fields = self.fields.clone();
        self.message_with(text, fields)
    }

    /// Takes a message that has fields of its own, instead of those of the stream.
    ///
    /// # Errors
    /// The pipeline has ended.
    pub fn message_with(&mut self, text: Bytes, fields: impl Into<Fields>) -> Result<(), InputError> {
        if let Framing::Messages(_) = self.entrance.framing {
            return self.give(Chunk::Records(vec![Record { text, fields: fields.into() }]));
        }
        let others = std::mem::replace(&mut self.fields, fields.into());
        let mut pieces = self.cutter.push(&text);
        if let Framing::Lines(_) = self.entrance.framing {
            pieces.extend(self.cutter.finish());
        } else {
            self.since = Some(crate::clock::instant());
        }
        let given = self.pieces(pieces);
        self.fields = others;
        given
    }

    /// Takes messages that are whole, each with fields of its own.
    ///
    /// # Errors
    /// The pipeline has ended.
    pub fn messages(&mut self, messages: Vec<Record>) -> Result<(), InputError> {
        if let Framing::Messages(_) = self.entrance.framing {
            return self.records(messages);
        }
        messages.into_iter().try_for_each(|Record { text, fields }| self.message_with(text, fields))
    }

    /// Takes records that are cut already.
    ///
    /// # Errors
    /// The pipeline has ended.
    pub fn records(&mut self, records: Vec<Record>) -> Result<(), InputError> {
        if records.is_empty() { Ok(()) } else { self.give(Chunk::Records(records)) }
    }

    /// How long from now what the codec holds may wait for more; then [`Stream::finish`] should follow.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        let patience = self.cutter.patience()?;
        Some(self.since.map_or(patience, |since| patience.saturating_sub(crate::clock::since(since))))
    }

    /// Hands over what the codec holds: the stream has ended, or nothing came for [`Stream::patience`].
    ///
    /// # Errors
    /// The pipeline has ended.
    pub fn finish(&mut self) -> Result<(), InputError> {
        let pieces = self.cutter.finish();
        self.pieces(pieces)
    }

    /// Waits until all that was taken is safe: in the log, where the pipeline has one.
    ///
    /// # Errors
    /// The pipeline has ended before.
    pub fn settle(&mut self) -> Result<(), InputError> {
        self.unsettled.drain(..).try_for_each(|ticket| ticket.settle())
    }

    fn pieces(&mut self, pieces: Vec<Piece>) -> Result<(), InputError> {
        for piece in pieces {
            let fields = &self.fields;
            let chunk = match piece {
                Piece::Lines(lines) => Chunk::Lines(lines, fields.clone()),
                Piece::Records(cuts) => Chunk::Records(cuts.into_iter().map(|cut| record(cut, fields)).collect()),
            };
            self.give(chunk)?;
        }
        Ok(())
    }

    fn give(&mut self, chunk: Chunk) -> Result<(), InputError> {
        let ticket = self.entrance.queue.give(self.entrance.input, chunk)?;
        self.unsettled.extend(ticket);
        match self.unsettled.len() > UNSETTLED_MAX {
            true => self.unsettled.pop_front().map_or(Ok(()), |ticket| ticket.settle()),
            false => Ok(()),
        }
    }
}

/// A record that was cut, with the fields of its stream.
#[must_use]
pub fn record(cut: Cut, fields: &Fields) -> Record {
    let fields = match cut.tags.is_empty() {
        true => fields.clone(),
        false => {
            let tags = FieldRef { parts: vec![TAGS.to_owned()] };
            let mut all = fields.to_vec();
            all.push((tags, Value::List(cut.tags.into_iter().map(Value::Str).collect())));
            all.into()
        }
    };
    Record { text: cut.text, fields }
}
