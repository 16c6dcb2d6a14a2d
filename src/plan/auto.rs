//! The plan that needs no configuration: every record is parsed by the format it shows.

use super::{Hint, reader::Reader};
use crate::{
    event::{Event, Key, Map, Timestamp, Value, json, layout::Layouts},
    flow::{EventId, Frame, Origin, Pos, RawBatch, Record, Stored},
};
use bytestring::ByteString;
use logship_parsers::{
    Fields, envelope,
    line::{
        Context,
        detect::{Detector, FormatId, names_columns},
    },
    template,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

type ParseRecord =
    for<'r> fn(&Record, &'r ByteString, &RawBatch, &Reader<'_>, Format, &mut Option<Timestamp>) -> Parsed<'r>;

/// What was read from one record.
struct Parsed<'r> {
    time: Timestamp,
    fields: Fields<'r>,
}

/// A stamp further ahead of the arrival than this, a day, is kept and tagged `_clockahead`: zones explain no more.
const AHEAD_NANOS_MAX: i64 = 86_400_000_000_000;

/// How a record's format is found.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// This one, then as text.
    Forced(FormatId),
    /// By what the record shows; this one is tried first.
    Detected(Option<FormatId>),
    /// What the program wrote is of this one, by the word of whoever runs it: also where an engine put an envelope
    /// around it.
    Written(FormatId),
}

impl Format {
    /// Parses a text.
    #[must_use]
    pub fn parse<'a>(self, text: &'a str, context: &Context<'_>) -> (FormatId, Fields<'a>) {
        match self {
            Format::Forced(format) => Detector::parse_as(format, text, context),
            Format::Detected(hint) => Detector::parse(hint, text, context),
            Format::Written(format) => {
                let first = text.lines().next().unwrap_or_default();
                match envelope::open(first.as_bytes()) {
                    Some(_) => Detector::parse(None, text, &Context { inside: Some(format), ..*context }),
                    None => Detector::parse_as(format, text, context),
                }
            }
        }
    }
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

    /// How the format of a stream's next record is found, given the one of those before.
    #[must_use]
    pub fn format(&self, hint: Option<FormatId>) -> Format {
        self.forced.map_or(Format::Detected(hint), Format::Forced)
    }

    /// The events of a frame, one for each record, in order.
    #[must_use]
    pub fn run(&self, frame: &Frame, hint: &Hint) -> Vec<Stored> {
        let mut events = Vec::with_capacity(frame.batch.records.len());
        let EventId { log, at: first } = frame.first_id();
        self.each(frame, hint, |at, line, parsed| {
            let id = EventId { log, at: Pos(first.0 + at as u64) };
            events.push(Stored { id, event: self.event(line, parsed, &frame.batch.origin) });
        });
        events
    }

    /// Appends the events of a frame as JSON, one a line. What needs no event for that is written without one.
    pub fn write(&self, frame: &Frame, hint: &Hint, layouts: &mut Layouts, out: &mut String) {
        self.write_each(frame, hint, layouts, out, |_, _| {});
    }

    /// As [`Plan::write`]; calls for each event with its line, which is written then, and its message.
    pub fn write_each(
        &self,
        frame: &Frame,
        hint: &Hint,
        layouts: &mut Layouts,
        out: &mut String,
        mut written: impl FnMut(&str, Option<&str>),
    ) {
        let origin = &frame.batch.origin;
        let lines_say_all = names_of(origin).next().is_none();
        let mut whole = out.len();
        self.each(frame, hint, |_, line, parsed| {
            // A record that panicked while it was written comes again.
            out.truncate(whole);
            if lines_say_all && layouts.write(out, parsed.time, &parsed.fields) {
                out.push('\n');
                written(&out[whole..], message_of(&parsed.fields));
            } else {
                let event = self.event(line, parsed, origin);
                json::write_event(out, &event, None);
                out.push('\n');
                written(&out[whole..], event.message());
            }
            whole = out.len();
        });
    }

    /// Calls for each record of a frame with its message.
    pub fn messages(&self, frame: &Frame, hint: &Hint, mut take: impl FnMut(Option<&str>)) {
        self.each(frame, hint, |_, _, parsed| take(message_of(&parsed.fields)));
    }

    fn event(&self, line: &ByteString, parsed: Parsed<'_>, origin: &Origin) -> Event {
        let mut event = Event::new(parsed.time);
        event.absorb(line, parsed.fields);
        add_origin(&mut event, origin);
        event
    }

    /// Calls for each record of a frame with its place, its text and what was read from it.
    fn each(&self, frame: &Frame, hint: &Hint, mut take: impl FnMut(usize, &ByteString, Parsed<'_>)) {
        let mut at = 0;
        // One guard for the whole frame: it costs nothing until a parser panics.
        while catch_unwind(AssertUnwindSafe(|| self.each_from(frame, hint, &mut at, &mut take))).is_err() {
            let Some(record) = frame.batch.records.get(at) else { return };
            let (line, _) = text_of(record);
            take(at, &line, plain(&line, &frame.batch));
            at += 1;
        }
    }

    fn each_from(
        &self,
        frame: &Frame,
        hint: &Hint,
        at: &mut usize,
        take: &mut impl FnMut(usize, &ByteString, Parsed<'_>),
    ) {
        let batch = &frame.batch;
        let named = batch.origin.format.as_deref().and_then(FormatId::by_name).map(Format::Written);
        let format = named.filter(|_| self.forced.is_none()).unwrap_or_else(|| self.format(hint.format));
        let mut reader = Reader::of(batch);
        reader.context.day_first = hint.day_first;
        let before = batch.records.get(..*at).unwrap_or_default();
        let own = before.iter().rev().find_map(header_of);
        reader.context.header = own.or(hint.header.as_deref());
        let mut last_time = hint.last_time;
        while let Some(record) = batch.records.get(*at) {
            let (line, changed) = text_of(record);
            let mut parsed = if frame.suspect {
                plain(&line, batch)
            } else {
                (self.parse)(record, &line, batch, &reader, format, &mut last_time)
            };
            if changed {
                parsed.fields.tags.push("_invalidutf8");
            }
            if self.templates {
                add_template(&mut parsed.fields);
            }
            take(*at, &line, parsed);
            reader.context.header = header_of(record).or(reader.context.header);
            *at += 1;
        }
    }
}

/// The text of a record that names the columns of those behind it.
pub(super) fn header_of(record: &Record) -> Option<&str> {
    names_columns(&record.bytes).then(|| std::str::from_utf8(&record.bytes).ok()).flatten()
}

fn plain<'r>(line: &'r ByteString, batch: &RawBatch) -> Parsed<'r> {
    let mut fields = Fields::default();
    fields.push("message", logship_parsers::Value::text(line));
    fields.tags.push("_parserpanic");
    Parsed { time: batch.received, fields }
}

/// The record's text; whether it had to be changed to be UTF-8.
pub(super) fn text_of(record: &Record) -> (ByteString, bool) {
    match ByteString::try_from(record.bytes.clone()) {
        Ok(text) => (text, false),
        Err(_) => (ByteString::from(String::from_utf8_lossy(&record.bytes).into_owned()), true),
    }
}

/// A record that tells no time has that of the one before it, `last_time`.
fn parse_record<'r>(
    record: &Record,
    line: &'r ByteString,
    batch: &RawBatch,
    reader: &Reader<'_>,
    format: Format,
    last_time: &mut Option<Timestamp>,
) -> Parsed<'r> {
    let mut fields = reader.read(line, |text, context| format.parse(text, context)).fields;
    let own_time = fields.time.map(Timestamp::from_nanos);
    *last_time = own_time.or(*last_time);
    if own_time.is_some_and(|time| time.as_nanos().saturating_sub(batch.received.as_nanos()) > AHEAD_NANOS_MAX) {
        fields.tags.push("_clockahead");
    }
    if record.kind.truncated {
        fields.tags.push("_truncated");
    }
    Parsed { time: last_time.unwrap_or(batch.received), fields }
}

fn message_of<'f>(fields: &'f Fields<'_>) -> Option<&'f str> {
    fields.get("message").and_then(logship_parsers::Value::as_str)
}

/// `log.template.id`, where there is a message.
fn add_template(fields: &mut Fields<'_>) {
    let Some(id) = message_of(fields).map(template::id) else { return };
    let id = String::from_utf8_lossy(&template::hex(id)).into_owned();
    fields.push("log.template.id", logship_parsers::Value::Str(id.into()));
}

/// What an origin says about each of its events, by dotted name.
fn names_of(origin: &Origin) -> impl Iterator<Item = (&str, &str)> {
    let own = [
        ("service.name", &origin.service),
        ("host.name", &origin.host),
        ("log.file.path", &origin.path),
        ("container.id", &origin.container),
        ("log.iostream", &origin.stream),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    own.chain(origin.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// What the origin says, where the line itself does not.
fn add_origin(event: &mut Event, origin: &Origin) {
    for (name, value) in names_of(origin) {
        add(&mut event.fields, name, value);
    }
}

/// Sets a value at a dotted name unless there is one, or something that is no object stands in the way.
fn add(map: &mut Map, name: &str, value: &str) {
    let Some((object, rest)) = name.split_once('.') else {
        if map.get(name).is_none() {
            map.insert(Key::from(name), Value::from(value));
        }
        return;
    };
    if map.get(object).is_none() {
        map.insert(Key::from(object), Value::Map(Map::default()));
    }
    if let Some(Value::Map(inner)) = map.get_mut(object) {
        add(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::{LogId, Span};
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
                mark: None,
                received: Timestamp::from_millis(1_767_225_600_000),
                records: records.iter().map(|bytes| Record::text(Bytes::copy_from_slice(bytes))).collect(),
            },
        }
    }

    fn as_json(events: &[Stored]) -> String {
        let mut out = String::new();
        for stored in events {
            json::write_event(&mut out, &stored.event, None);
            out.push('\n');
        }
        out
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
    fn what_a_program_writes_has_its_format_also_in_an_envelope() {
        let check = |format: Option<&str>, line: &str, expected: &str| {
            let origin = Origin { format: format.map(str::to_owned), ..Origin::default() };
            let events = Plan::auto().run(&frame(&[line.as_bytes()], origin), &Hint::default());
            assert_eq!(events[0].event.message(), Some(expected), "{line}");
        };
        let cri = "2026-01-02T03:04:05.678901234Z stdout F level=info msg=\"hello there\"";
        check(None, cri, "hello there");
        check(Some("logfmt"), cri, "hello there");
        check(Some("plain"), cri, "level=info msg=\"hello there\"");
        check(Some("plain"), "level=info msg=hello", "level=info msg=hello");
        let docker = r#"{"log":"level=info msg=hello\n","stream":"stdout","time":"2026-01-02T03:04:05Z"}"#;
        check(Some("logfmt"), docker, "hello");
        check(Some("plain"), docker, "level=info msg=hello");
    }

    #[test]
    fn a_panic_costs_one_record_its_fields_and_nothing_else() {
        fn panics_on_b<'r>(
            record: &Record,
            line: &'r ByteString,
            batch: &RawBatch,
            reader: &Reader<'_>,
            format: Format,
            last: &mut Option<Timestamp>,
        ) -> Parsed<'r> {
            assert!(record.bytes != "b", "parsers may be wrong");
            parse_record(record, line, batch, reader, format, last)
        }
        let plan = Plan { parse: panics_on_b, forced: None, templates: false };
        let events = plan.run(&frame(&[b"a", b"b", b"c"], Origin::default()), &Hint::default());
        let messages: Vec<_> =
            events.iter().map(|e| (e.event.message().unwrap(), e.event.fields.get("tags").is_some())).collect();
        assert_eq!(messages, [("a", false), ("b", true), ("c", false)]);
        assert_eq!(events[2].id.at, Pos(102));
        let mut written = String::new();
        plan.write(
            &frame(&[b"a", b"b", b"c"], Origin::default()),
            &Hint::default(),
            &mut Layouts::default(),
            &mut written,
        );
        assert_eq!(written, as_json(&events));
    }

    #[test]
    fn what_an_agent_shipped_has_the_same_identity_wherever_it_is_stored() {
        let log = LogId::from_bits(0xabc);
        let ids = |server: u64, start: u64, source: &str, span: Option<Span>| -> Vec<String> {
            let origin = Origin { source: source.to_owned(), ..Origin::default() };
            let frame = frame(&[b"a", b"b"], origin);
            let batch = RawBatch { span, ..frame.batch };
            let frame = Frame { log: LogId::from_bits(server), start: Pos(start), batch, ..frame };
            Plan::auto().run(&frame, &Hint::default()).iter().map(|stored| stored.id.to_string()).collect()
        };
        let agent = Origin::source_of_agent(log);
        let span = |from| Some(Span { from, to: 0x1000 });
        let expected = ["000000000abc-ffe", "000000000abc-fff"];
        // Marks between frames are sent along with either, and servers have them elsewhere.
        assert_eq!(ids(1, 0x10, &agent, span(0x800)), expected);
        assert_eq!(ids(2, 0x900, &agent, span(0xf00)), expected);
        let own = ["000000000001-10", "000000000001-11"];
        assert_eq!(ids(1, 0x10, "file:0abc", span(0)), own);
        assert_eq!(ids(1, 0x10, &agent, None), own);
        assert_eq!(ids(1, 0x10, "agent:somebody", span(0)), own);
        assert_eq!(ids(1, 0x10, &agent, Some(Span { from: 0, to: 1 })), own, "no frame is so short");
    }

    #[test]
    fn the_origin_fills_in_what_the_line_leaves_open() {
        let origin = Origin { service: Some("api".into()), host: Some("h1".into()), ..Origin::default() };
        let events = Plan::auto().run(&frame(&[b"level=info msg=x host=h2"], origin), &Hint::default());
        assert_eq!(events[0].event.fields.path("host.name"), Some(&Value::from("h2")));
        assert_eq!(events[0].event.fields.path("service.name"), Some(&Value::from("api")));
        let fields = [("container.name", "web"), ("message", "never"), ("message.part", "never")];
        let origin = Origin {
            path: Some("/var/log/a.log".into()),
            format: Some("plain".into()),
            fields: fields.map(|(name, value)| (name.into(), value.into())).into(),
            ..Origin::default()
        };
        let events = Plan::auto().run(&frame(&[b"level=info msg=x"], origin), &Hint::default());
        let mut row = String::new();
        json::write_event(&mut row, &events[0].event, None);
        let expected = concat!(
            r#"{"@timestamp":"2026-01-01T00:00:00.000Z","message":"level=info msg=x","#,
            r#""log":{"file":{"path":"/var/log/a.log"}},"container":{"name":"web"}}"#,
        );
        assert_eq!(row, expected);
    }

    #[test]
    fn what_is_written_is_what_is_made() {
        let lines: [&[u8]; 6] = [
            b"level=error msg=\"boom\"",
            b"level=warn msg=\"a \\\"b\\\"\"",
            b"{\"msg\":\"hi\",\"user\":\"ann\",\"more\":{\"a.b\":[1,null]}}",
            b"\xff\xfe",
            b"2126-01-02T03:04:05Z far ahead",
            b"192.0.2.7 - ann [02/Jan/2026:03:04:05 +0000] \"GET /cart?id=7 HTTP/1.1\" 200 512 \"-\" \"curl/8.5.0\"",
        ];
        let lines = [lines, lines, lines].concat();
        let named = Origin { service: Some("api".into()), ..Origin::default() };
        for (origin, plan) in [
            (Origin::default(), Plan::auto()),
            (named, Plan::auto()),
            (Origin::default(), Plan::auto().with_templates(true)),
        ] {
            let frame = frame(&lines, origin);
            let mut written = String::new();
            plan.write(&frame, &Hint::default(), &mut Layouts::default(), &mut written);
            assert_eq!(written, as_json(&plan.run(&frame, &Hint::default())));
        }
    }
}
