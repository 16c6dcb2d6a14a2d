//! One JSON object a line, by any of the usual loggers.
//!
//! A message that is an object itself is read as one; its level, logger and message win. Fluentd, Fluent Bit and their kin
//! ship what a container wrote under `log`: that text is read by the format that it has.

use super::{Below, Context, Format, Starts, enclosed, json_access, loggers, mongodb, normalize, postgresql_json};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::json;
use std::borrow::Cow;

/// JSON lines.
pub const FORMAT: Format = Format {
    name: "json",
    summary: "one JSON object a line: pino, bunyan, winston, zap, zerolog, logrus, slog, tracing, structlog, Serilog, ECS",
    example: r#"{"time":"2026-01-02T03:04:05.678Z","level":"info","msg":"listening","port":8080}"#,
    rank: 6,
    starts: Starts::of(b"{ \t"),
    below: Below::Apart,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    line.trim_ascii_start().first() == Some(&b'{') && !is_of_a_product(line)
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    json::parse_object(line, &mut fields)?;
    let shipped = take_shipped(&mut fields);
    json_access::rename(&mut fields, context);
    loggers::rename(&mut fields, context);
    normalize::normalize(&mut fields, context);
    if let Some(text) = shipped {
        let mut inner = Fields { time: fields.time, ..Fields::default() };
        enclosed::put(text.trim_end_matches(['\r', '\n']), context, &mut inner);
        enclosed::merge(inner.into_owned(), &mut fields);
    } else if !context.enclosed {
        read_message(&mut fields, context);
    }
    // A line that tells of an error and says nothing else: the error is what it says.
    if fields.get("message").is_none()
        && let Some(Value::Str(text)) = fields.get("error.message").cloned()
    {
        fields.push("message", Value::Str(text));
    }
    Ok(fields)
}

/// Takes out what a container wrote, if the object has no message of its own.
fn take_shipped<'a>(fields: &mut Fields<'a>) -> Option<Cow<'a, str>> {
    if fields.items.iter().any(|field| matches!(&*field.name, "message" | "msg")) {
        return None;
    }
    let at = fields.items.iter().position(|field| field.name == "log" && field.value.as_str().is_some())?;
    match fields.items.remove(at).value {
        Value::Str(text) => Some(text),
        _ => None,
    }
}

/// Reads a message that is an object: such has escaped quotes, so it was rebuilt.
fn read_message(fields: &mut Fields<'_>, context: &Context) {
    let message = fields.items.iter_mut().find(|field| field.name == "message").map(|field| &mut field.value);
    let Some(Value::Str(Cow::Owned(text))) = message else { return };
    if !(text.starts_with('{') && text.ends_with('}')) {
        return;
    }
    let text = text.clone();
    if let Ok(inner) = parse(&text, &Context { enclosed: true, ..*context }) {
        enclosed::merge(inner.into_owned(), fields);
    }
}

/// Whether the object names its fields in a way of its own, which another format knows.
fn is_of_a_product(line: &[u8]) -> bool {
    mongodb::is_json(line) || (postgresql_json::FORMAT.probe)(line)
}
