//! ECS names for what only one logger or framework calls so in its JSON or its pairs; [`normalize`](super::normalize) knows the names
//! that many share.
//!
//! An object is one of these if it has members that only they have together:
//!
//! | logger | told by |
//! |---|---|
//! | loguru's `serialize` | `text` and `record` with a message and a level |
//! | pino-http, fastify, bunyan's serializers | `req` with method and URL, or `res` with `statusCode` |
//! | `tracing-subscriber` | `level`, `timestamp` and `target`, with or without `fields` |
//! | log4rs | `target` and `mdc` |
//! | Monolog | `channel` with `level_name` or `monolog_level` |
//! | NestJS | `context`, `pid` and a level of its own |
//! | Python's `logging` | `filename` and `lineno` |
//! | logrus, slog with callers | `func` and `file`; `source` with a place in a Go file |
//! | hclog | `@module` and `@message` |
//! | lograge | `controller`, `action` and `status` |

use super::Context;
use super::parts::nanos;
use crate::fields::{Field, Fields, Value};
use crate::time;
use std::borrow::Cow;

const NANOS_PER_MILLI: f64 = 1e6;

/// Renames what a particular logger has.
pub(super) fn rename(fields: &mut Fields<'_>, context: &Context) {
    // One pass finds out whether any of the names is there that tell a logger.
    let telling = fields.items.iter().any(|field| {
        matches!(
            &*field.name,
            "record"
                | "req"
                | "res"
                | "target"
                | "channel"
                | "context"
                | "lineno"
                | "func"
                | "source"
                | "@module"
                | "controller"
        )
    });
    if !telling {
        return;
    }
    loguru(fields, context);
    requests(fields);
    rust(fields);
    monolog(fields);
    nest(fields);
    places(fields);
    if has_text(fields, "@message") {
        rename_one(fields, "@message", "message");
        rename_one(fields, "@module", "log.logger");
        rename_one(fields, "@level", "log.level");
    }
    lograge(fields);
}

fn position(fields: &Fields<'_>, name: &str) -> Option<usize> {
    fields.items.iter().position(|field| field.name == name)
}

fn has_text(fields: &Fields<'_>, name: &str) -> bool {
    fields.get(name).is_some_and(|value| value.as_str().is_some())
}

/// Gives a field its ECS name, unless there is one of that name.
fn rename_one(fields: &mut Fields<'_>, from: &str, to: &'static str) {
    if let Some(at) = position(fields, from)
        && fields.get(to).is_none()
    {
        fields.items[at].name = Cow::Borrowed(to);
    }
}

/// Takes the members out of an object of that name.
fn take_map<'a>(fields: &mut Fields<'a>, name: &str) -> Option<Vec<(Cow<'a, str>, Value<'a>)>> {
    let at = position(fields, name).filter(|at| matches!(fields.items[*at].value, Value::Map(_)))?;
    match fields.items.remove(at).value {
        Value::Map(members) => Some(members),
        _ => None,
    }
}

fn member<'v, 'a>(value: &'v Value<'a>, name: &str) -> Option<&'v Value<'a>> {
    match value {
        Value::Map(members) => members.iter().find(|(found, _)| found == name).map(|(_, value)| value),
        _ => None,
    }
}

fn push_absent<'a>(fields: &mut Fields<'a>, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
    let name = name.into();
    if fields.get(&name).is_none() {
        fields.items.push(Field { name, value });
    }
}

/// `{"text": "...", "record": {"level": {"name": ..}, "message": .., ..}}`.
fn loguru<'a>(fields: &mut Fields<'a>, context: &Context) {
    let is_record = |value: &Value<'_>| {
        member(value, "message").is_some()
            && member(value, "level").is_some_and(|level| member(level, "name").is_some())
    };
    if !has_text(fields, "text") || !fields.get("record").is_some_and(is_record) {
        return;
    }
    let text = position(fields, "text").map(|at| fields.items.remove(at).value);
    let Some(record) = take_map(fields, "record") else { return };
    for (name, value) in record {
        let inner = |wanted: &str| member(&value, wanted).cloned();
        let (to, value) = match &*name {
            "message" => ("message", Some(value)),
            "level" => ("log.level", inner("name")),
            "name" => ("log.logger", Some(value)),
            "function" => ("log.origin.function", Some(value)),
            "line" => ("log.origin.file.line", Some(value)),
            "file" => ("log.origin.file.name", inner("name")),
            "process" => ("process.pid", inner("id")),
            "thread" => ("process.thread.name", inner("name")),
            "time" => {
                let repr = inner("repr");
                let stamp = repr.as_ref().and_then(Value::as_str);
                if let Some(stamp) = stamp.and_then(|text| time::any(text, context)) {
                    stamp.put(fields);
                }
                continue;
            }
            "exception" => {
                if let (Some(kind), Some(message)) = (inner("type"), inner("value")) {
                    push_absent(fields, "error.type", kind);
                    push_absent(fields, "error.message", message);
                    push_stack(fields, text.as_ref());
                }
                continue;
            }
            "extra" => {
                if let Value::Map(members) = value {
                    members.into_iter().for_each(|(name, value)| push_absent(fields, name, value));
                }
                continue;
            }
            _ => continue,
        };
        if let Some(value) = value {
            push_absent(fields, to, value);
        }
    }
}

/// The stack trace in the text that loguru would have written.
fn push_stack<'a>(fields: &mut Fields<'a>, text: Option<&Value<'a>>) {
    let Some(Value::Str(text)) = text else { return };
    let Some(begin) = text.find("\nTraceback ") else { return };
    push_absent(fields, "error.stack_trace", Value::Str(Cow::Owned(text[begin + 1..].trim_end().to_owned())));
}

/// The request and the response of Node's HTTP loggers.
fn requests(fields: &mut Fields<'_>) {
    let is_request = |value: &Value<'_>| member(value, "method").is_some() && member(value, "url").is_some();
    let is_response = |value: &Value<'_>| member(value, "statusCode").is_some();
    let request = fields.get("req").is_some_and(is_request);
    let response = fields.get("res").is_some_and(is_response);
    if request {
        lift(fields, "req", |name| {
            Some(match name {
                "method" => "http.request.method",
                "url" => "url.original",
                "remoteAddress" => "source.ip",
                "remotePort" => "source.port",
                _ => return None,
            })
        });
    }
    if response {
        lift(fields, "res", |name| (name == "statusCode").then_some("http.response.status_code"));
    }
    if request || response {
        let millis = match fields.get("responseTime") {
            Some(Value::Int(millis)) => Some(*millis as f64),
            Some(Value::Float(millis)) => Some(*millis),
            _ => None,
        };
        if let Some(millis) = millis.filter(|millis| (0.0..1e12).contains(millis))
            && let Some(at) = position(fields, "responseTime")
        {
            let value = Value::Int((millis * NANOS_PER_MILLI).round() as i64);
            fields.items[at] = Field { name: Cow::Borrowed("event.duration"), value };
        }
    }
}

/// Moves the members of an object that have an ECS name out of it, headers too; the rest stays.
fn lift(fields: &mut Fields<'_>, object: &'static str, known: fn(&str) -> Option<&'static str>) {
    let Some(members) = take_map(fields, object) else { return };
    let mut kept = Vec::new();
    for (name, value) in members {
        match (known(&name), value) {
            (Some(ecs), value @ (Value::Str(_) | Value::Int(_))) => push_absent(fields, ecs, value),
            (_, Value::Map(headers)) if name == "headers" => {
                let mut others = Vec::new();
                for (header, value) in headers {
                    let ecs = match &*header {
                        "user-agent" => Some("user_agent.original"),
                        "referer" | "referrer" => Some("http.request.referrer"),
                        _ => None,
                    };
                    match ecs {
                        Some(ecs) if value.as_str().is_some_and(|text| !text.is_empty()) => {
                            push_absent(fields, ecs, value)
                        }
                        _ => others.push((header, value)),
                    }
                }
                if !others.is_empty() {
                    kept.push((name, Value::Map(others)));
                }
            }
            (_, value) => kept.push((name, value)),
        }
    }
    if !kept.is_empty() {
        fields.push(object, Value::Map(kept));
    }
}

/// `tracing-subscriber` and log4rs: what they call target is the logger.
fn rust(fields: &mut Fields<'_>) {
    if !has_text(fields, "target") {
        return;
    }
    let tracing = has_text(fields, "level") && has_text(fields, "timestamp");
    let log4rs = fields.get("mdc").is_some() && has_text(fields, "level");
    if !tracing && !log4rs {
        return;
    }
    if tracing && let Some(members) = take_map(fields, "fields") {
        members.into_iter().for_each(|(name, value)| push_absent(fields, name, value));
    }
    rename_one(fields, "target", "log.logger");
    rename_one(fields, "filename", "log.origin.file.name");
    rename_one(fields, "line_number", "log.origin.file.line");
    if log4rs {
        rename_one(fields, "file", "log.origin.file.name");
        rename_one(fields, "line", "log.origin.file.line");
        rename_one(fields, "thread_id", "process.thread.id");
    }
}

fn monolog(fields: &mut Fields<'_>) {
    if !has_text(fields, "channel") {
        return;
    }
    if has_text(fields, "level_name") {
        if matches!(fields.get("level"), Some(Value::Int(_)))
            && let Some(at) = position(fields, "level")
        {
            fields.items[at].name = Cow::Borrowed("monolog_level");
        }
        rename_one(fields, "level_name", "log.level");
    } else if fields.get("monolog_level").is_none() {
        return;
    }
    rename_one(fields, "channel", "log.logger");
}

fn nest(fields: &mut Fields<'_>) {
    let level = fields.get("level").and_then(Value::as_str).unwrap_or_default();
    let (log, known) = (level == "log", matches!(level, "log" | "error" | "warn" | "debug" | "verbose" | "fatal"));
    if !known || !matches!(fields.get("pid"), Some(Value::Int(_))) || fields.get("timestamp").is_none() {
        return;
    }
    if has_text(fields, "context") {
        rename_one(fields, "context", "log.logger");
    }
    if log && let Some(at) = position(fields, "level") {
        fields.items[at].value = Value::text("info");
    }
}

/// The places in source code of Python's loggers, and of Go's.
fn places(fields: &mut Fields<'_>) {
    if matches!(fields.get("lineno"), Some(Value::Int(_))) && has_text(fields, "filename") {
        rename_one(fields, "filename", "log.origin.file.name");
        rename_one(fields, "lineno", "log.origin.file.line");
        for name in ["func_name", "funcName", "funcname", "function"] {
            rename_one(fields, name, "log.origin.function");
        }
        if matches!(fields.get("process"), Some(Value::Int(_))) {
            rename_one(fields, "process", "process.pid");
        }
    }
    let is_place = |value: &Value<'_>| {
        let place = value.as_str().and_then(|place| place.rsplit_once(':'));
        place.is_some_and(|(file, line)| file.ends_with(".go") && line.parse::<u32>().is_ok())
    };
    if fields.get("file").is_some_and(is_place) && has_text(fields, "func") {
        rename_one(fields, "func", "log.origin.function");
    }
    if fields.get("source").is_some_and(is_place) {
        rename_one(fields, "source", "caller");
    }
}

/// The one line that lograge makes of a request to Rails.
fn lograge(fields: &mut Fields<'_>) {
    let status = matches!(fields.get("status"), Some(Value::Int(_)));
    if !status || !has_text(fields, "controller") || !has_text(fields, "action") {
        return;
    }
    rename_one(fields, "method", "http.request.method");
    rename_one(fields, "path", "url.original");
    rename_one(fields, "status", "http.response.status_code");
    let millis = match fields.get("duration") {
        Some(Value::Int(millis)) => millis.checked_mul(1_000_000),
        Some(Value::Float(millis)) if (0.0..1e12).contains(millis) => Some((millis * NANOS_PER_MILLI).round() as i64),
        Some(Value::Str(millis)) => nanos(millis, 1_000_000),
        _ => None,
    };
    if let Some(nanos) = millis
        && let Some(at) = position(fields, "duration")
    {
        fields.items[at] = Field { name: Cow::Borrowed("event.duration"), value: Value::Int(nanos) };
    }
}
