//! Records, frames and batches: the same lines at three stations of their way.

use super::{EventId, LogId, Pos};
use crate::event::{Event, Timestamp};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Where records came from. Stored once a frame, as JSON, so that later versions may add to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The identity of the stream: what exactly-once bookkeeping and per-stream hints are kept by. At most 256 bytes.
    pub source: String,
    /// The input that read it: `stdin`, `http`.
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
    /// The position that covers it.
    pub end: Pos,
    /// The delivery number of the first event, counted from 0 at the start of the process over all logs.
    pub first_number: u64,
    /// The events in log order.
    pub events: Vec<Stored>,
}
