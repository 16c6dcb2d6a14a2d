//! What a stream has shown of itself, for the frames to come: which depends on the order of frames, so the dispatcher, which
//! sees them in log order, learns it and sends it along.
//!
//! Learned from the first and the last record of a frame and from lines that name columns; at most
//! [`HINTED_STREAMS_MAX`] streams.

use super::{
    auto::{header_of, text_of},
    reader::Reader,
};
use crate::{
    event::Timestamp,
    flow::{Frame, Record},
};
use logship_parsers::line::detect::{Detector, FormatId, day_comes_first};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

/// Streams that are remembered; when there are more, all are learned anew.
pub const HINTED_STREAMS_MAX: usize = 10_000;
/// A record that tells no time has that of one that came at most this long before it, a second.
const INHERITED_NANOS_MAX: i64 = 1_000_000_000;
/// Records of a frame that are looked at for evidence of the order of day and month.
const EVIDENCE_RECORDS_MAX: usize = 32;

/// What goes along with a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hint {
    /// The format to try first.
    pub format: Option<FormatId>,
    /// The newest line before this frame that names columns.
    pub header: Option<Arc<str>>,
    /// The stream has shown a stamp whose first number can be no month.
    pub day_first: bool,
    /// The time of the last record before this frame, where a record without one should have it.
    pub last_time: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Stream {
    detector: Detector,
    header: Option<Arc<str>>,
    day_first: bool,
    /// The newest time told, and when that record arrived.
    told: Option<(Timestamp, Timestamp)>,
}

/// What all streams have shown.
#[derive(Debug, Default)]
pub struct StreamHints {
    streams: HashMap<u64, Stream>,
}

impl StreamHints {
    /// Looks at a frame and says what goes along with it.
    pub fn observe(&mut self, frame: &Frame) -> Hint {
        let batch = &frame.batch;
        let Some(first) = batch.records.first().filter(|_| !frame.suspect) else { return Hint::default() };
        if self.streams.len() >= HINTED_STREAMS_MAX {
            self.streams.clear();
        }
        let stream = self.streams.entry(batch.origin.stream_key()).or_default();
        stream.learn_order(&batch.records);
        let last_time = stream.inherited(batch.received);
        let header = stream.header.clone();
        let mut reader = Reader::of(batch);
        (reader.context.day_first, reader.context.header) = (stream.day_first, header.as_deref());
        let mut told = stream.parse(first, &reader);
        let (format, day_first) = (stream.detector.hint(), stream.day_first);
        let hint = Hint { format, header: header.clone(), day_first, last_time };
        if let Some(newest) = batch.records.iter().rev().find_map(header_of) {
            stream.header = Some(newest.into());
            reader.context.header = Some(newest);
        }
        if let [_, .., last] = &*batch.records {
            told = stream.parse(last, &reader).or(told);
        }
        stream.told = told.map(|time| (time, batch.received)).or(stream.told);
        hint
    }
}

impl Stream {
    fn inherited(&self, received: Timestamp) -> Option<Timestamp> {
        let (time, arrived) = self.told?;
        (received.as_nanos().saturating_sub(arrived.as_nanos()) <= INHERITED_NANOS_MAX).then_some(time)
    }

    fn learn_order(&mut self, records: &[Record]) {
        let seen = records.iter().take(EVIDENCE_RECORDS_MAX).find_map(|record| day_comes_first(&record.bytes));
        self.day_first = seen.unwrap_or(self.day_first);
    }

    /// Takes note of a record's format; its time.
    fn parse(&mut self, record: &Record, reader: &Reader<'_>) -> Option<Timestamp> {
        let hint = self.detector.hint();
        let parsed = || {
            let text = text_of(record).0;
            let found = reader.read(&text, |text, context| Detector::parse(hint, text, context));
            (found.format, found.fields.time.map(Timestamp::from_nanos))
        };
        let (format, time) = catch_unwind(AssertUnwindSafe(parsed)).ok()?;
        self.detector.observe(format);
        time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{LogId, Origin, Pos, RawBatch};

    fn frame(received_ms: i64, records: &[&'static str]) -> Frame {
        let records = records.iter().map(|text| Record::text(bytes::Bytes::from_static(text.as_bytes()))).collect();
        let received = Timestamp::from_millis(received_ms);
        let batch = RawBatch { origin: Arc::new(Origin::default()), span: None, mark: None, received, records };
        Frame { log: LogId::from_bits(1), start: Pos(0), end: Pos(9), suspect: false, batch }
    }

    #[test]
    fn what_tells_no_time_has_that_of_the_line_before_for_a_second() {
        let mut hints = StreamHints::default();
        let time = |hint: Hint| hint.last_time.map(Timestamp::as_millis);
        assert_eq!(
            time(hints.observe(&frame(10_000, &["1970-01-01T00:00:03Z a", "b", "1970-01-01T00:00:04Z c"]))),
            None
        );
        assert_eq!(time(hints.observe(&frame(10_500, &["d"]))), Some(4_000));
        assert_eq!(time(hints.observe(&frame(10_900, &["e"]))), Some(4_000));
        assert_eq!(time(hints.observe(&frame(12_000, &["f"]))), None);
    }

    #[test]
    fn columns_and_the_order_of_day_and_month_are_remembered() {
        let mut hints = StreamHints::default();
        let first = hints.observe(&frame(1, &["#Fields: date time", "x"]));
        assert_eq!((first.header, first.day_first), (None, false));
        let second = hints.observe(&frame(2, &["31/12/2026 10:00:00 y"]));
        assert_eq!((second.header.as_deref(), second.day_first), (Some("#Fields: date time"), true));
        assert!(hints.observe(&frame(3, &["01/02/2026 10:00:00 z"])).day_first);
        assert!(!hints.observe(&frame(4, &["01/31/2026 10:00:00 z"])).day_first);
    }
}
