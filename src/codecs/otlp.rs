//! OpenTelemetry's logs, as protobuf or JSON, to records of JSON.
//!
//! Attributes of resource, scope and record keep their dotted names, most of which are the Elastic Common Schema's too; the
//! record's own come last and win. The body is the message, or its fields where it is a map; severity is `log.level`, the
//! scope's name `log.logger`, ids are `trace.id` and `span.id`, `exception.*` is `error.*`.
//!
//! Promise: nothing is allocated for records but one at a time, however many a body holds. Limits: a record is cut as [`Object`]
//! says; what a resource and a scope say of each of their records may take [`SHARED_BYTES_MAX`], all records of a body
//! [`RECORDS_BYTES_MAX`]; records past that are refused, counted.

use super::object::{Object, TooLong};
use crate::{
    event::{Value, json},
    flow::Record,
};
use bytes::Buf as _;
use message::{AnyValue, KeyValue, LogRecord, Resource, Scope, any_value};
use prost::{
    Message as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::fmt::Write as _;

mod message;

pub use message::{PartialSuccess, Response, Status};

/// What resource and scope may add to each of their records.
pub const SHARED_BYTES_MAX: usize = 64 << 10;
/// What the records of one body may take together.
pub const RECORDS_BYTES_MAX: usize = 256 << 20;
/// The longest record on the wire, eight times what is kept of it: values take more room in memory than there.
pub const RECORD_WIRE_BYTES_MAX: usize = 8 << 20;
/// Names that say something else than an attribute of that name would.
const OWN_NAMES: &[&str] = &["@timestamp", "message", "log.level", "log.logger", "trace.id", "span.id", "tags"];

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/x-protobuf`
    Protobuf,
    /// `application/json`
    Json,
}

/// What became of a body that could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Records that were handed on.
    pub records: u64,
    /// Records over a limit.
    pub rejected: u64,
    /// Bytes cut from overlong texts.
    pub cut_bytes: u64,
}

/// Calls `take` for each record of a body.
///
/// # Errors
/// The body cannot be read, in one sentence; records before that place have been handed on.
pub fn decode(body: &[u8], format: Format, take: &mut dyn FnMut(Record)) -> Result<Taken, String> {
    let mut taker = Taker { take, bytes: 0, taken: Taken::default() };
    if format == Format::Json && body.trim_ascii_start().first() != Some(&b'{') {
        return Err("the body is no export of logs: it is no JSON object".to_owned());
    }
    match format {
        Format::Protobuf => export(body, &mut taker).map_err(|error| format!("the body is no export of logs: {error}")),
        Format::Json => {
            export_json(body, &mut taker).map_err(|error| format!("the body is no export of logs: {error}"))
        }
    }?;
    Ok(taker.taken)
}

struct Taker<'t> {
    take: &'t mut dyn FnMut(Record),
    bytes: usize,
    taken: Taken,
}

impl Taker<'_> {
    fn record(&mut self, record: LogRecord, shared: &Object) {
        if self.bytes > RECORDS_BYTES_MAX {
            self.taken.rejected += 1;
            return;
        }
        let (record, cut_bytes) = object(record, shared).record();
        self.bytes += record.bytes.len();
        self.taken.records += 1;
        self.taken.cut_bytes += cut_bytes;
        (self.take)(record);
    }
}

/// Calls with the number and the bytes of each field that has bytes, and passes over the others.
fn fields<'b>(
    mut bytes: &'b [u8],
    mut each: impl FnMut(u32, &'b [u8]) -> Result<(), prost::DecodeError>,
) -> Result<(), prost::DecodeError> {
    while bytes.has_remaining() {
        let (number, wire) = decode_key(&mut bytes)?;
        if wire != WireType::LengthDelimited {
            skip_field(wire, number, &mut bytes, DecodeContext::default())?;
            continue;
        }
        let length = usize::try_from(decode_varint(&mut bytes)?).unwrap_or(usize::MAX);
        let Some((inside, rest)) = bytes.split_at_checked(length) else {
            // The same complaint as prost's own.
            return skip_field(wire, number, &mut &[0xff, 0x01][..], DecodeContext::default());
        };
        bytes = rest;
        each(number, inside)?;
    }
    Ok(())
}

fn export(body: &[u8], taker: &mut Taker<'_>) -> Result<(), prost::DecodeError> {
    fields(body, |number, logs| if number == 1 { resource_logs(logs, taker) } else { Ok(()) })
}

fn resource_logs(bytes: &[u8], taker: &mut Taker<'_>) -> Result<(), prost::DecodeError> {
    let mut shared = Object::default();
    fields(bytes, |number, inside| {
        if number == 1 && inside.len() <= SHARED_BYTES_MAX {
            add_all(&mut shared, "", Resource::decode(inside)?.attributes);
        } else if number == 1 {
            shared.cut();
        }
        Ok(())
    })?;
    fields(bytes, |number, logs| if number == 2 { scope_logs(logs, &shared, taker) } else { Ok(()) })
}

fn scope_logs(bytes: &[u8], resource: &Object, taker: &mut Taker<'_>) -> Result<(), prost::DecodeError> {
    let mut shared = resource.clone();
    fields(bytes, |number, inside| {
        if number == 1 && inside.len() <= SHARED_BYTES_MAX {
            add_scope(&mut shared, Scope::decode(inside)?);
        } else if number == 1 {
            shared.cut();
        }
        Ok(())
    })?;
    fields(bytes, |number, record| {
        match number {
            2 if record.len() > RECORD_WIRE_BYTES_MAX => taker.taken.rejected += 1,
            2 => taker.record(LogRecord::decode(record)?, &shared),
            _ => {}
        }
        Ok(())
    })
}

/// The levels of JSON, their parts as they came.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ExportJson<'b> {
    #[serde(borrow, default)]
    resource_logs: Vec<&'b RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceLogsJson<'b> {
    #[serde(borrow, default)]
    resource: Option<&'b RawValue>,
    #[serde(borrow, default)]
    scope_logs: Vec<&'b RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScopeLogsJson<'b> {
    #[serde(borrow, default)]
    scope: Option<&'b RawValue>,
    #[serde(borrow, default)]
    log_records: Vec<&'b RawValue>,
}

fn export_json(body: &[u8], taker: &mut Taker<'_>) -> Result<(), serde_json::Error> {
    let export: ExportJson<'_> = serde_json::from_slice(body)?;
    for logs in export.resource_logs {
        let logs: ResourceLogsJson<'_> = serde_json::from_str(logs.get())?;
        let mut of_resource = Object::default();
        match logs.resource.map(RawValue::get) {
            Some(text) if text.len() > SHARED_BYTES_MAX => of_resource.cut(),
            Some(text) => {
                let resource: Option<Resource> = serde_json::from_str(text)?;
                add_all(&mut of_resource, "", resource.unwrap_or_default().attributes);
            }
            None => {}
        }
        for logs in logs.scope_logs {
            let logs: ScopeLogsJson<'_> = serde_json::from_str(logs.get())?;
            let mut shared = of_resource.clone();
            match logs.scope.map(RawValue::get) {
                Some(text) if text.len() > SHARED_BYTES_MAX => shared.cut(),
                Some(text) => {
                    let scope: Option<Scope> = serde_json::from_str(text)?;
                    add_scope(&mut shared, scope.unwrap_or_default());
                }
                None => {}
            }
            for record in logs.log_records {
                if record.get().len() > RECORD_WIRE_BYTES_MAX {
                    taker.taken.rejected += 1;
                } else {
                    taker.record(serde_json::from_str(record.get())?, &shared);
                }
            }
        }
    }
    Ok(())
}

fn add_scope(shared: &mut Object, scope: Scope) {
    for (name, text) in [("log.logger", &scope.name), ("scope.version", &scope.version)] {
        if !text.is_empty() {
            shared.add(name, text);
        }
    }
    add_all(shared, "scope.", scope.attributes);
}

fn add_all(object: &mut Object, prefix: &str, attributes: Vec<KeyValue>) {
    for KeyValue { key, value } in attributes {
        let Some(value) = value.and_then(|value| value.value) else { continue };
        let name = match key.as_str() {
            "exception.type" => "error.type",
            "exception.message" => "error.message",
            "exception.stacktrace" => "error.stack_trace",
            own if prefix.is_empty() && OWN_NAMES.contains(&own) => &format!("attributes.{own}"),
            other => &format!("{prefix}{other}"),
        };
        object.add_with(name, |out, bytes_max| write_value(out, &value, bytes_max));
    }
}

fn object(record: LogRecord, shared: &Object) -> Object {
    let mut object = Object::with_fields_of(shared);
    let time = [record.time_unix_nano, record.observed_time_unix_nano].into_iter().find(|time| *time > 0);
    object.time = time.and_then(|time| i64::try_from(time).ok());
    let level = level(record.severity_number);
    let text = record.severity_text.as_str();
    if let Some(level) = level.or(Some(text).filter(|text| !text.is_empty())) {
        object.add("log.level", level);
        if !text.is_empty() && !text.eq_ignore_ascii_case(level) {
            object.add("severity_text", text);
        }
    }
    for (name, id) in [("trace.id", &record.trace_id), ("span.id", &record.span_id)] {
        if id.iter().any(|byte| *byte != 0) {
            object.add(name, &hex(id));
        }
    }
    if !record.event_name.is_empty() {
        object.add("event.name", &record.event_name);
    }
    match record.body.and_then(|body| body.value) {
        Some(any_value::Value::Text(text)) => object.text = Some(("message", text)),
        Some(any_value::Value::Fields(list)) => add_body(&mut object, list.values),
        Some(other) => {
            let mut text = String::new();
            if write_value(&mut text, &other, crate::event::LINE_BYTES_MAX).is_err() {
                object.cut();
            }
            object.text = Some(("message", text));
        }
        None => {}
    }
    add_all(&mut object, "", record.attributes);
    object
}

/// A body of several fields: one of them may be the message.
fn add_body(object: &mut Object, mut fields: Vec<KeyValue>) {
    let text = |field: &KeyValue| match field.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::Text(_)) => field.key == "message",
        _ => false,
    };
    if let Some(at) = fields.iter().position(text)
        && let Some(any_value::Value::Text(text)) = fields.remove(at).value.and_then(|value| value.value)
    {
        object.text = Some(("message", text));
    }
    add_all(object, "", fields);
}

fn level(number: i32) -> Option<&'static str> {
    Some(match number {
        1..=4 => "trace",
        5..=8 => "debug",
        9..=12 => "info",
        13..=16 => "warn",
        17..=20 => "error",
        21..=24 => "fatal",
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// As JSON has bytes.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            out.push(if place <= three.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// Appends a value as JSON. The depth was bounded when it was read.
fn write_value(out: &mut String, value: &any_value::Value, bytes_max: usize) -> Result<(), TooLong> {
    match value {
        any_value::Value::Text(text) => json::write_text(out, text),
        any_value::Value::Bool(truth) => json::write_value(out, &Value::Bool(*truth)),
        any_value::Value::Int(number) => json::write_value(out, &Value::Int(*number)),
        any_value::Value::Double(number) => json::write_value(out, &Value::Float(*number)),
        any_value::Value::Bytes(bytes) => json::write_text(out, &base64(bytes)),
        any_value::Value::Array(array) => {
            out.push('[');
            for (number, item) in array.values.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                write_any(out, item, bytes_max)?;
            }
            out.push(']');
        }
        any_value::Value::Fields(list) => {
            out.push('{');
            for (number, field) in list.values.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                json::write_text(out, &field.key);
                out.push(':');
                write_any(out, field.value.as_ref().unwrap_or(&AnyValue { value: None }), bytes_max)?;
            }
            out.push('}');
        }
    }
    if out.len() > bytes_max { Err(TooLong) } else { Ok(()) }
}

fn write_any(out: &mut String, value: &AnyValue, bytes_max: usize) -> Result<(), TooLong> {
    match &value.value {
        Some(value) => write_value(out, value, bytes_max),
        None => {
            out.push_str("null");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Fields of protobuf that have bytes.
    pub(super) fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2];
        prost::encoding::encode_varint(bytes.len() as u64, &mut out);
        out.extend_from_slice(bytes);
        out
    }

    fn worded(text: &str) -> AnyValue {
        AnyValue { value: Some(any_value::Value::Text(text.to_owned())) }
    }

    fn attribute(name: &str, text: &str) -> KeyValue {
        KeyValue { key: name.to_owned(), value: Some(worded(text)) }
    }

    fn body(records: &[LogRecord]) -> Vec<u8> {
        let resource = Resource { attributes: vec![attribute("service.name", "api")] }.encode_to_vec();
        let scope = Scope { name: "app.db".to_owned(), ..Scope::default() }.encode_to_vec();
        let records: Vec<u8> = records.iter().flat_map(|record| field(2, &record.encode_to_vec())).collect();
        // Parts come in any order.
        let scope_logs = [records, field(1, &scope)].concat();
        field(1, &[field(2, &scope_logs), field(1, &resource)].concat())
    }

    fn run(body: &[u8], format: Format) -> (Vec<String>, Result<Taken, String>) {
        let mut out = Vec::new();
        let taken = decode(body, format, &mut |record| {
            assert!(record.kind.json);
            out.push(String::from_utf8(record.bytes.to_vec()).unwrap());
        });
        (out, taken)
    }

    #[test]
    fn both_formats_say_the_same() {
        let record = LogRecord {
            time_unix_nano: 1_767_323_045_000_000_001,
            severity_number: 17,
            severity_text: "Error".to_owned(),
            body: Some(worded("boom")),
            attributes: vec![
                attribute("exception.type", "E"),
                attribute("message", "mine"),
                KeyValue { key: "n".to_owned(), value: Some(AnyValue { value: Some(any_value::Value::Int(7)) }) },
            ],
            trace_id: vec![0xab; 16],
            span_id: vec![0; 8],
            ..LogRecord::default()
        };
        let text = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"api"}}]},
            "scopeLogs":[{"scope":{"name":"app.db"},"unknown":1,"logRecords":[{"timeUnixNano":"1767323045000000001",
            "severityNumber":17,"severityText":"Error","body":{"stringValue":"boom"},"attributes":[
            {"key":"exception.type","value":{"stringValue":"E"}},{"key":"message","value":{"stringValue":"mine"}},
            {"key":"n","value":{"intValue":"7"}}],"traceId":"ABababababababababababababababab","spanId":""}]}]}]}"#;
        let expected = concat!(
            r#"{"@timestamp":"2026-01-02T03:04:05.000000001Z","message":"boom","service.name":"api","log.logger":"app.db","#,
            r#""log.level":"error","trace.id":"abababababababababababababababab","error.type":"E","#,
            r#""attributes.message":"mine","n":7}"#,
        );
        let taken = Taken { records: 1, ..Taken::default() };
        assert_eq!(run(&body(&[record]), Format::Protobuf), (vec![expected.to_owned()], Ok(taken)));
        assert_eq!(run(text.as_bytes(), Format::Json), (vec![expected.to_owned()], Ok(taken)));
    }

    #[test]
    fn bodies_of_all_kinds_are_kept() {
        let check = |body: &str, expected: &str| {
            let text = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{body}}}]}}]}}]}}"#);
            assert_eq!(run(text.as_bytes(), Format::Json).0, [expected], "{body}");
        };
        check("null", "{}");
        check("{}", "{}");
        check(r#"{"boolValue":true}"#, r#"{"message":"true"}"#);
        check(r#"{"doubleValue":"NaN"}"#, r#"{"message":"null"}"#);
        check(r#"{"doubleValue":1.5}"#, r#"{"message":"1.5"}"#);
        check(r#"{"intValue":3}"#, r#"{"message":"3"}"#);
        check(r#"{"bytesValue":"YWI="}"#, r#"{"message":"YWI="}"#);
        check(r#"{"arrayValue":{"values":[{"stringValue":"a"},{}]}}"#, r#"{"message":"[\"a\",null]"}"#);
        check(
            r#"{"kvlistValue":{"values":[{"key":"a","value":{"intValue":1}},{"key":"message","value":{"stringValue":"m"}}]}}"#,
            r#"{"message":"m","a":1}"#,
        );
    }

    #[test]
    fn bytes_are_base64() {
        for (bytes, text) in [("", ""), ("a", "YQ=="), ("ab", "YWI="), ("abc", "YWJj"), ("abcd", "YWJjZA==")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn limits_hold() {
        let many = body(&[LogRecord::default(), LogRecord::default()]);
        let mut taker = Taker { take: &mut |_| {}, bytes: RECORDS_BYTES_MAX, taken: Taken::default() };
        export(&many, &mut taker).unwrap();
        assert_eq!((taker.taken.records, taker.taken.rejected), (1, 1));
        let long = LogRecord { body: Some(worded(&"x".repeat(2 << 20))), ..LogRecord::default() };
        let (texts, taken) = run(&body(&[long]), Format::Protobuf);
        assert!(texts[0].len() <= crate::event::LINE_BYTES_MAX && taken.unwrap().cut_bytes > 1 << 20);
        let huge = LogRecord { body: Some(worded(&"x".repeat(9 << 20))), ..LogRecord::default() };
        assert_eq!(run(&body(&[huge]), Format::Protobuf).1.unwrap().rejected, 1);
        let deep = r#"{"arrayValue":{"values":["#.repeat(100);
        let text = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{deep}"#);
        assert!(run(text.as_bytes(), Format::Json).1.is_err());
        let nested = (0..200).fold(worded("x").encode_to_vec(), |inside, _| field(5, &field(1, &inside)));
        let record = field(2, &field(5, &nested));
        assert!(run(&field(1, &field(2, &record)), Format::Protobuf).1.is_err());
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (bytes, format) in [
            (&b"\x0a\xff\x01"[..], Format::Protobuf),
            (b"\x0a\x05\x12", Format::Protobuf),
            (b"{", Format::Json),
            (b"[]", Format::Json),
            (br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"zz"}]}]}]}"#, Format::Json),
        ] {
            let error = run(bytes, format).1.unwrap_err();
            assert!(error.starts_with("the body is no export of logs: "), "{error}");
        }
        assert_eq!(run(b"", Format::Protobuf).1, Ok(Taken::default()));
        assert_eq!(run(b"{}", Format::Json).1, Ok(Taken::default()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
            flips in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let record = LogRecord { attributes: vec![attribute("a", "b")], body: Some(worded("c")), ..LogRecord::default() };
            let mut valid = body(&[record.clone(), record]);
            flips.iter().for_each(|(at, byte)| *at.get_mut(&mut valid) = *byte);
            for input in [&bytes, &valid] {
                for text in run(input, Format::Protobuf).0 {
                    let _: serde_json::Map<_, _> = serde_json::from_str(&text).unwrap();
                }
                let _ = run(input, Format::Json);
            }
        }
    }
}
