//! The plan that needs no configuration: every record is parsed by the format it shows.

use super::{Hint, reader::Reader};
use crate::{
    event::{Event, Key, Map, Timestamp, Value},
    flow::{EventId, Frame, Origin, Pos, RawBatch, Record, Stored},
};
use bytestring::ByteString;
use logship_parsers::{
    line::{
        Context,
        detect::{Detector, FormatId, names_columns},
    },
    template,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

type ParseRecord = fn(&Record, &Frame, &Reader<'_>, Format, &mut Option<Timestamp>) -> Event;

/// A stamp further ahead of the arrival than this, a day, is kept and tagged `_clockahead`: zones explain no more.
const AHEAD_NANOS_MAX: i64 = 86_400_000_000_000;

/// How a record's format is found.
#[derive(Clone, Copy, Debug)]
enum Format {
    /// This one, then as text.
    Forced(FormatId),
    /// By what the record shows; this one is tried first.
    Detected(Option<FormatId>),
}

/// What turns frames into events.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    parse: ParseRecord,
    forced: Option<FormatId>,
    /// Whether events get the id of their message's template.
    templates: bool,
}

impl Plan {
    /// Formats are detected line by line.
    #[must_use]
    pub fn auto() -> Plan {
        Plan { parse: parse_record, forced: None, templates: false }
    }

    /// Every record is of the named format, or text (`--as NAME`).
    #[must_use]
    pub fn forced(format: FormatId) -> Plan {
        Plan { parse: parse_record, forced: Some(format), templates: false }
    }

    /// The same plan; events have `log.template.id` where `templates` says so.
    #[must_use]
    pub fn with_templates(self, templates: bool) -> Plan {
        Plan { templates, ..self }
    }

    /// The events of a frame, one for each record, in order.
    #[must_use]
    pub fn run(&self, frame: &Frame, hint: &Hint) -> Vec<Stored> {
        let format = self.forced.map_or(Format::Detected(hint.format), Format::Forced);
        let mut events = Vec::with_capacity(frame.batch.records.len());
        while events.len() < frame.batch.records.len() {
            // One guard for the whole frame: it costs nothing until a parser panics.
            let guarded = catch_unwind(AssertUnwindSafe(|| self.run_from(frame, hint, format, &mut events)));
            if guarded.is_err() {
                let at = events.len();
                let event = plain(&frame.batch.records[at], &frame.batch);
                events.push(Stored { id: id(frame, at), event });
            }
        }
        events
    }

    fn run_from(&self, frame: &Frame, hint: &Hint, format: Format, events: &mut Vec<Stored>) {
        let mut reader = Reader::new(&frame.batch);
        reader.context.day_first = hint.day_first;
        let before = frame.batch.records.get(..events.len()).unwrap_or_default();
        let own = before.iter().rev().find_map(header_of);
        reader.context.header = own.or(hint.header.as_deref());
        let mut last_time = hint.last_time;
        for (at, record) in frame.batch.records.iter().enumerate().skip(events.len()) {
            let mut event = if frame.suspect {
                plain(record, &frame.batch)
            } else {
                (self.parse)(record, frame, &reader, format, &mut last_time)
            };
            if self.templates {
                add_template(&mut event);
            }
            reader.context.header = header_of(record).or(reader.context.header);
            events.push(Stored { id: id(frame, at), event });
        }
    }
}

/// Calls for each record of a frame with what its parser would know besides the record.
pub fn with_contexts(frame: &Frame, hint: &Hint, mut each: impl FnMut(&Record, &Context)) {
    let mut context = Reader::new(&frame.batch).context;
    (context.day_first, context.header) = (hint.day_first, hint.header.as_deref());
    for record in &frame.batch.records {
        each(record, &context);
        context.header = header_of(record).or(context.header);
    }
}

/// The text of a record that names the columns of those behind it.
pub(super) fn header_of(record: &Record) -> Option<&str> {
    names_columns(&record.bytes).then(|| std::str::from_utf8(&record.bytes).ok()).flatten()
}

fn id(frame: &Frame, at: usize) -> EventId {
    EventId { log: frame.log, at: Pos(frame.start.0 + at as u64) }
}

fn plain(record: &Record, batch: &RawBatch) -> Event {
    let mut event = Event::from_line(batch.received, text_of(record).0);
    event.tag("_parserpanic");
    event
}

/// The record's text; whether it had to be changed to be UTF-8.
pub(super) fn text_of(record: &Record) -> (ByteString, bool) {
    match ByteString::try_from(record.bytes.clone()) {
        Ok(text) => (text, false),
        Err(_) => (ByteString::from(String::from_utf8_lossy(&record.bytes).into_owned()), true),
    }
}

/// A record that tells no time has that of the one before it, `last_time`.
fn parse_record(
    record: &Record,
    frame: &Frame,
    reader: &Reader<'_>,
    format: Format,
    last_time: &mut Option<Timestamp>,
) -> Event {
    let (line, changed) = text_of(record);
    let (_, fields) = reader.read(&line, |text, context| match format {
        Format::Forced(format) => Detector::parse_as(format, text, context),
        Format::Detected(hint) => Detector::parse(hint, text, context),
    });
    let received = frame.batch.received;
    let own_time = fields.time.map(Timestamp::from_nanos);
    *last_time = own_time.or(*last_time);
    let mut event = Event::new(last_time.unwrap_or(received));
    event.absorb(&line, fields);
    if own_time.is_some_and(|time| time.as_nanos().saturating_sub(received.as_nanos()) > AHEAD_NANOS_MAX) {
        event.tag("_clockahead");
    }
    if record.kind.truncated {
        event.tag("_truncated");
    }
    if changed {
        event.tag("_invalidutf8");
    }
    add_origin(&mut event, &frame.batch.origin);
    event
}

/// `log.template.id`, where there is a message.
fn add_template(event: &mut Event) {
    let Some(id) = event.message().map(template::id) else { return };
    let value = Value::Str(ByteString::from(str::from_utf8(&template::hex(id)).unwrap_or_default()));
    let log = match event.fields.get_mut("log") {
        Some(Value::Map(log)) => log,
        // A list or a scalar of that name is the line's own.
        Some(_) => return,
        None => {
            event.fields.insert(Key::from("log"), Value::Map(Map::with_capacity(1)));
            let Some(Value::Map(log)) = event.fields.get_mut("log") else { return };
            log
        }
    };
    let mut inner = Map::with_capacity(1);
    inner.insert(Key::from("id"), value);
    log.insert(Key::from("template"), Value::Map(inner));
}

/// Host and service of the origin, where the line itself names none.
fn add_origin(event: &mut Event, origin: &Origin) {
    for (object, name) in [("service", &origin.service), ("host", &origin.host)] {
        let Some(name) = name else { continue };
        match event.fields.get_mut(object) {
            None => {
                let inner = [(Key::from("name"), Value::from(name.as_str()))].into_iter().collect();
                event.fields.insert(Key::from(object), Value::Map(inner));
            }
            Some(Value::Map(there)) if there.get("name").is_none() => {
                there.insert(Key::from("name"), Value::from(name.as_str()));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::json, flow::LogId};
    use bytes::Bytes;
    use std::sync::Arc;

    fn frame(records: &[&[u8]], origin: Origin) -> Frame {
        Frame {
            log: LogId::from_bits(1),
            start: Pos(100),
            end: Pos(200),
            suspect: false,
            batch: RawBatch {
                origin: Arc::new(origin),
                span: None,
                received: Timestamp::from_millis(1_767_225_600_000),
                records: records.iter().map(|bytes| Record::text(Bytes::copy_from_slice(bytes))).collect(),
            },
        }
    }

    fn check(line: &[u8], expected: &str) {
        let events = Plan::auto().run(&frame(&[line], Origin::default()), &Hint::default());
        let mut out = String::new();
        json::write_event(&mut out, &events[0].event, None);
        assert_eq!(out, expected);
    }

    #[test]
    fn lines_become_events() {
        check(
            b"level=error msg=\"boom\"",
            r#"{"@timestamp":"2026-01-01T00:00:00.000Z","message":"boom","log":{"level":"error"}}"#,
        );
        check(
            b"{\"time\":\"2026-01-01T03:04:05Z\",\"msg\":\"hi\",\"user\":\"ann\"}",
            r#"{"@timestamp":"2026-01-01T03:04:05.000Z","message":"hi","user":{"name":"ann"}}"#,
        );
        check(b"\xff\xfe", r#"{"@timestamp":"2026-01-01T00:00:00.000Z","message":"��","tags":["_invalidutf8"]}"#);
    }

    #[test]
    fn a_panic_costs_one_record_its_fields_and_nothing_else() {
        fn panics_on_b(
            record: &Record,
            frame: &Frame,
            reader: &Reader<'_>,
            format: Format,
            last: &mut Option<Timestamp>,
        ) -> Event {
            assert!(record.bytes != "b", "parsers may be wrong");
            parse_record(record, frame, reader, format, last)
        }
        let plan = Plan { parse: panics_on_b, forced: None, templates: false };
        let events = plan.run(&frame(&[b"a", b"b", b"c"], Origin::default()), &Hint::default());
        let messages: Vec<_> =
            events.iter().map(|e| (e.event.message().unwrap(), e.event.fields.get("tags").is_some())).collect();
        assert_eq!(messages, [("a", false), ("b", true), ("c", false)]);
        assert_eq!(events[2].id.at, Pos(102));
    }

    #[test]
    fn the_origin_fills_in_what_the_line_leaves_open() {
        let origin = Origin { service: Some("api".into()), host: Some("h1".into()), ..Origin::default() };
        let events = Plan::auto().run(&frame(&[b"level=info msg=x host=h2"], origin), &Hint::default());
        assert_eq!(events[0].event.fields.path("host.name"), Some(&Value::from("h2")));
        assert_eq!(events[0].event.fields.path("service.name"), Some(&Value::from("api")));
    }
}
