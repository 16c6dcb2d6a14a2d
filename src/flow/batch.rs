//! Records, frames and batches: the same lines at three stations of their way.

use super::{EventId, LogId, Pos};
use crate::event::{Event, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

/// Where records came from. Stored once a frame, as JSON, so that later versions may add to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The identity of the source: what exactly-once bookkeeping is kept by. At most 256 bytes.
    pub source: String,
    /// The input that read it: `stdin`, `http`, `file`.
    pub input: String,
    /// The machine, as `host.name` of events that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The service, as `service.name` of events that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The file, for file inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The container id, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// `stdout` or `stderr`, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// The time zone of stamps without one: an IANA name or an offset such as `+02:00`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// The line format, where somebody named it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// More of what every event of the stream shares, by dotted ECS name, such as `container.name`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
}

/// What the source of frames of an agent's log begins with; the id of that log follows.
const AGENT: &str = "agent:";

impl Origin {
    /// The source of frames of that agent's log.
    #[must_use]
    pub fn source_of_agent(log: LogId) -> String {
        format!("{AGENT}{log}")
    }

    /// The agent's log that the source is, if it is one.
    #[must_use]
    pub fn agent_log(&self) -> Option<LogId> {
        self.source.strip_prefix(AGENT)?.parse().ok()
    }

    /// A number for the stream that what was learned of its lines is kept by. One source may carry several streams: an
    /// agent's log has many files in it. A rotated file and the one in its place are one stream.
    #[must_use]
    pub fn stream_key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.source, &self.path, &self.container, &self.stream, &self.service).hash(&mut hasher);
        hasher.finish()
    }
}

/// What a file was like where a batch of it ends: by this its input knows it again after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// The device it is on.
    pub device: u64,
    /// Its inode there.
    pub inode: u64,
    /// A hash of its first bytes: as many as the batch reaches, at most [`FileMark::PREFIX_BYTES`].
    pub prefix: u64,
    /// A hash of the bytes before the batch's end, at most [`FileMark::MARKER_BYTES`].
    pub marker: u64,
}

impl FileMark {
    /// How far the prefix reaches.
    pub const PREFIX_BYTES: u64 = 1_024;
    /// How many bytes the marker covers.
    pub const MARKER_BYTES: u64 = 256;
}

/// What of its source a batch covers: bytes `from..to` of a file, or the client's sequence numbers `from..to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The first.
    pub from: u64,
    /// One past the last.
    pub to: u64,
}

/// What the bytes of a record are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordKind {
    /// One JSON object (the wire form of an event) rather than text.
    pub json: bool,
    /// The line is cut: it was longer than the limit, or bytes of it were lost on the way.
    pub truncated: bool,
}

/// The raw bytes of one event: one line, several joined lines, or one JSON object. Not always UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// A slice of the buffer it was read into; without the final line end.
    pub bytes: Bytes,
    /// What the bytes are.
    pub kind: RecordKind,
}

impl Record {
    /// A record of plain text.
    #[must_use]
    pub fn text(bytes: Bytes) -> Record {
        Record { bytes, kind: RecordKind::default() }
    }
}

/// Records as an input framed them: what the log stores.
#[derive(Clone, Debug, PartialEq)]
pub struct RawBatch {
    /// Where they came from.
    pub origin: Arc<Origin>,
    /// What of the source they cover, for sources that can send again.
    pub span: Option<Span>,
    /// What the file is like at the end of the span, for files.
    pub mark: Option<FileMark>,
    /// When they arrived: the only time that parsing may use.
    pub received: Timestamp,
    /// The records in order.
    pub records: Vec<Record>,
}

/// A batch with its place in a log.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The log.
    pub log: LogId,
    /// Where the frame begins.
    pub start: Pos,
    /// Where it ends: the position that covers it.
    pub end: Pos,
    /// It was in flight at two crashes running: its records are kept as plain text, tagged `_parserpanic`.
    pub suspect: bool,
    /// What it holds.
    pub batch: RawBatch,
}

impl Frame {
    /// The identity of its first event; the others' follow. What came from an agent has the identity that the agent's frame
    /// gives it, by where that ends, so that it is the same on every server: a frame is longer than it has records.
    #[must_use]
    pub fn first_id(&self) -> EventId {
        let agents = || {
            let (log, span) = (self.batch.origin.agent_log()?, self.batch.span?);
            Some(EventId { log, at: Pos(span.to.checked_sub(self.batch.records.len() as u64)?) })
        };
        agents().unwrap_or(EventId { log: self.log, at: self.start })
    }
}

/// An event with its identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its identity.
    pub id: EventId,
    /// The event.
    pub event: Event,
}

/// Events after parsing: what outputs read. Shared, never changed.
#[derive(Debug)]
pub struct Batch {
    /// The log that the frame came from.
    pub log: LogId,
    /// Where the frame begins.
    pub start: Pos,
    /// The position that covers it.
    pub end: Pos,
    /// The delivery number of the first event, counted from 0 at the start of the process over all logs.
    pub first_number: u64,
    /// The events in log order.
    pub events: Vec<Stored>,
}
