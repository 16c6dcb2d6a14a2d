//! ECS names for what loggers call time, level, message, error and so on. JSON and logfmt share them.
//!
//! A known name maps only if its value has the right shape: `time` must be a stamp (`"time": 0.3` is a duration and
//! stays), `level` a word or a number that means a level. Among several names for one thing the ECS name itself
//! wins, then the first; the others keep their own names. Names not listed here stay as written.

use super::{Context, level, trace};
use crate::fields::{Field, Fields, Value};
use crate::time::{self, Stamp};
use std::borrow::Cow;
use std::collections::HashSet;

/// The things that have a name in ECS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
enum Slot {
    Time,
    Level,
    Message,
    Logger,
    Service,
    Host,
    Pid,
    Thread,
    Trace,
    Span,
    Origin,
    ErrorMessage,
    ErrorType,
    StackTrace,
    Program,
    Unit,
}

const SLOTS: [(Slot, &str); 16] = [
    (Slot::Time, "@timestamp"),
    (Slot::Level, "log.level"),
    (Slot::Message, "message"),
    (Slot::Logger, "log.logger"),
    (Slot::Service, "service.name"),
    (Slot::Host, "host.name"),
    (Slot::Pid, "process.pid"),
    (Slot::Thread, "process.thread.name"),
    (Slot::Trace, "trace.id"),
    (Slot::Span, "span.id"),
    (Slot::Origin, "log.origin.file.name"),
    (Slot::ErrorMessage, "error.message"),
    (Slot::ErrorType, "error.type"),
    (Slot::StackTrace, "error.stack_trace"),
    (Slot::Program, "process.name"),
    (Slot::Unit, "systemd.unit"),
];

/// How surely a name means its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    None,
    /// Means it only if nothing else does: `event`, a message template.
    Weak,
    Alias,
    Ecs,
}

/// The best field for a slot so far.
#[derive(Clone, Copy)]
struct Holder {
    claim: Claim,
    index: usize,
}

/// Renames the fields of one line in place, takes its time out, and puts level and error into their normal form.
pub fn normalize<'a>(fields: &mut Fields<'a>, context: &Context) {
    if fields.items.iter().any(|field| matches!(field.value, Value::Map(_) | Value::List(_))) {
        lift(fields);
    }
    if fields.items.iter().any(|field| field.name == "short_message") {
        unmark(fields);
    }
    let mut holders = [Holder { claim: Claim::None, index: 0 }; SLOTS.len()];
    let mut stamp = None;
    for (index, field) in fields.items.iter().enumerate() {
        let Some((slot, claim)) = role(field.name.as_bytes()) else { continue };
        let holder = &mut holders[slot as usize];
        if claim <= holder.claim {
            continue;
        }
        if slot == Slot::Time {
            let Some(found) = stamp_of(&field.value, context) else { continue };
            stamp = Some(found);
        } else if !fits(slot, field, &fields.items) {
            continue;
        }
        *holder = Holder { claim, index };
    }
    special_names(fields, &mut holders);
    for (slot, name) in &SLOTS[1..] {
        let Holder { claim, index } = holders[*slot as usize];
        if claim != Claim::None {
            fill(fields, *slot, name, index);
        }
    }
    if holders[Slot::StackTrace as usize].claim != Claim::None {
        describe_error(fields);
    }
    if let Some(stamp) = stamp {
        stamp.put(fields);
        if let Stamp::At(_) = stamp {
            fields.items.remove(holders[Slot::Time as usize].index);
        }
    }
}

/// What a name means. A byte string match compiles to a decision tree: most names cost a few comparisons.
fn role(name: &[u8]) -> Option<(Slot, Claim)> {
    Some(match name {
        b"@timestamp" => (Slot::Time, Claim::Ecs),
        b"time"
        | b"ts"
        | b"timestamp"
        | b"t"
        | b"@t"
        | b"datetime"
        | b"date"
        | b"asctime"
        | b"Timestamp"
        | b"eventTime"
        | b"event_time"
        | b"timeMillis"
        | b"instant"
        | b"timeUnixNano"
        | b"__REALTIME_TIMESTAMP" => (Slot::Time, Claim::Alias),
        b"log.level" => (Slot::Level, Claim::Ecs),
        b"level" | b"severity" | b"lvl" | b"@l" | b"levelname" | b"loglevel" | b"log_level" | b"severity_text"
        | b"severityText" | b"SeverityText" | b"Level" | b"LogLevel" | b"PRIORITY" => (Slot::Level, Claim::Alias),
        b"message" => (Slot::Message, Claim::Ecs),
        b"msg" | b"@m" | b"Message" | b"RenderedMessage" | b"MESSAGE" => (Slot::Message, Claim::Alias),
        b"event" | b"body" | b"Body" | b"@mt" | b"short_message" | b"MessageTemplate" => (Slot::Message, Claim::Weak),
        b"log.logger" => (Slot::Logger, Claim::Ecs),
        b"logger" | b"logger_name" | b"loggerName" | b"log_logger" | b"SourceContext" | b"Category" => {
            (Slot::Logger, Claim::Alias)
        }
        b"target" => (Slot::Logger, Claim::Weak),
        b"service.name" => (Slot::Service, Claim::Ecs),
        b"service" | b"app" | b"application" => (Slot::Service, Claim::Alias),
        b"host.name" => (Slot::Host, Claim::Ecs),
        b"hostname" | b"host" | b"source_host" | b"_HOSTNAME" => (Slot::Host, Claim::Alias),
        b"process.pid" => (Slot::Pid, Claim::Ecs),
        b"pid" | b"_PID" | b"process_pid" => (Slot::Pid, Claim::Alias),
        b"process.thread.name" => (Slot::Thread, Claim::Ecs),
        b"thread" | b"thread_name" | b"threadName" | b"process_thread_name" => (Slot::Thread, Claim::Alias),
        b"trace.id" => (Slot::Trace, Claim::Ecs),
        b"trace_id" | b"traceId" | b"traceID" | b"TraceId" | b"traceid" | b"@tr" => (Slot::Trace, Claim::Alias),
        b"span.id" => (Slot::Span, Claim::Ecs),
        b"span_id" | b"spanId" | b"spanID" | b"SpanId" | b"spanid" | b"@sp" => (Slot::Span, Claim::Alias),
        b"process.name" => (Slot::Program, Claim::Ecs),
        b"SYSLOG_IDENTIFIER" => (Slot::Program, Claim::Alias),
        b"systemd.unit" => (Slot::Unit, Claim::Ecs),
        b"_SYSTEMD_UNIT" => (Slot::Unit, Claim::Alias),
        b"caller" | b"file" => (Slot::Origin, Claim::Alias),
        b"error.message" => (Slot::ErrorMessage, Claim::Ecs),
        b"error" | b"err" | b"error_message" => (Slot::ErrorMessage, Claim::Alias),
        b"error.type" => (Slot::ErrorType, Claim::Ecs),
        b"error_type" => (Slot::ErrorType, Claim::Alias),
        b"error.stack_trace" => (Slot::StackTrace, Claim::Ecs),
        b"stack" | b"stacktrace" | b"stack_trace" | b"stackTrace" | b"exc_info" | b"exception" | b"@x"
        | b"Exception" | b"traceback" | b"error.stack" | b"error_stack_trace" => (Slot::StackTrace, Claim::Alias),
        _ => return None,
    })
}

/// Whether the value has the shape that the slot needs.
fn fits(slot: Slot, field: &Field<'_>, all: &[Field<'_>]) -> bool {
    match (slot, &field.value) {
        (Slot::Level, Value::Int(number)) => numeric_level(&field.name, *number, all).is_some(),
        (Slot::Level, Value::Str(word)) => match word.parse() {
            Ok(number) => numeric_level(&field.name, number, all).is_some(),
            Err(_) => !word.is_empty(),
        },
        (Slot::Pid, Value::Int(_)) => true,
        (Slot::Pid, Value::Str(digits)) => digits.parse::<u32>().is_ok(),
        (Slot::Origin, Value::Str(place)) => file_and_line(place).is_some(),
        // `target` is a word that many programs use: only a Rust module path makes it a logger.
        (Slot::Logger, Value::Str(name)) => field.name != "target" || name.contains("::"),
        // Heroku's router means milliseconds by `service=12ms`.
        (Slot::Service, Value::Str(name)) => name.starts_with(char::is_alphabetic),
        (Slot::Trace | Slot::Span | Slot::Host | Slot::Thread, Value::Str(id)) => !id.is_empty(),
        (Slot::Message | Slot::ErrorMessage | Slot::ErrorType | Slot::StackTrace, Value::Str(_)) => true,
        (Slot::Program | Slot::Unit, Value::Str(name)) => !name.is_empty(),
        _ => false,
    }
}

/// A level written as a number: pino's and bunyan's tens, or syslog's 0 to 7 under a name that says so
/// (GELF, journald).
fn numeric_level(name: &str, number: i64, all: &[Field<'_>]) -> Option<&'static str> {
    level::from_pino(number).or_else(|| {
        let syslog = matches!(name, "severity" | "PRIORITY") || all.iter().any(|field| field.name == "short_message");
        level::from_syslog(number).filter(|_| syslog)
    })
}

fn stamp_of(value: &Value<'_>, context: &Context) -> Option<Stamp> {
    match value {
        Value::Int(number) => time::epoch_int(*number),
        Value::Float(number) => time::epoch_float(*number),
        // `{"epochSecond":1767323045,"nanoOfSecond":678901234}`, of log4j2.
        Value::Map(members) => {
            let part = |name| match members.iter().find(|(member, _)| member == name) {
                Some((_, Value::Int(number))) => Some(*number),
                _ => None,
            };
            let nanos = part("nanoOfSecond").and_then(|nanos| u32::try_from(nanos).ok());
            Some(Stamp::from_seconds(part("epochSecond")?, nanos.filter(|nanos| *nanos < 1_000_000_000)?))
        }
        Value::Str(text) => time::any(text, context),
        _ => None,
    }
}

/// Takes the underscore off that GELF puts in front of a sender's own names, where that makes no name twice.
fn unmark(fields: &mut Fields<'_>) {
    let mut taken: HashSet<Cow<'_, str>> = fields.items.iter().map(|field| field.name.clone()).collect();
    for field in &mut fields.items {
        let bare = match &field.name {
            Cow::Borrowed(name) => name.strip_prefix('_').map(Cow::Borrowed),
            Cow::Owned(name) => name.strip_prefix('_').map(|bare| Cow::Owned(bare.to_owned())),
        };
        if let Some(bare) = bare.filter(|bare| !bare.is_empty())
            && taken.insert(bare.clone())
        {
            field.name = bare;
        }
    }
}

/// Names whose meaning depends on their neighbours: `name` is the service for pino and bunyan (levels are numbers)
/// and the logger for Python (`levelname`); CLEF leaves `@l` out where it is Information.
fn special_names<'a>(fields: &mut Fields<'a>, holders: &mut [Holder; SLOTS.len()]) {
    let level = holders[Slot::Level as usize];
    let name = || fields.items.iter().position(|field| field.name == "name" && matches!(field.value, Value::Str(_)));
    if level.claim != Claim::None {
        let held = &fields.items[level.index];
        let slot = match held.value {
            Value::Int(_) => Slot::Service,
            _ if held.name == "levelname" => Slot::Logger,
            _ => return,
        };
        if holders[slot as usize].claim == Claim::None
            && let Some(index) = name()
        {
            holders[slot as usize] = Holder { claim: Claim::Alias, index };
        }
    } else if fields.items.iter().any(|field| field.name == "@t") {
        fields.push("log.level", Value::text("info"));
    }
    // Heroku's router means how long the answer took.
    let millis = |value: &Value<'_>| value.as_str()?.strip_suffix("ms")?.parse::<i64>().ok()?.checked_mul(1_000_000);
    if let Some((field, nanos)) = fields.items.iter_mut().find_map(|field| {
        let nanos = (field.name == "service").then(|| millis(&field.value)).flatten()?;
        Some((field, nanos))
    }) {
        (field.name, field.value) = ("event.duration".into(), Value::Int(nanos));
    }
}

/// Gives the field that holds a slot its ECS name and normal value.
fn fill<'a>(fields: &mut Fields<'a>, slot: Slot, name: &'static str, index: usize) {
    let value = std::mem::replace(&mut fields.items[index].value, Value::Null);
    let value = match (slot, value) {
        (Slot::Level, value) => {
            let number = match &value {
                Value::Int(number) => Some(*number),
                Value::Str(digits) => digits.parse().ok(),
                _ => None,
            };
            match (number.and_then(|number| numeric_level(&fields.items[index].name, number, &fields.items)), value) {
                (Some(level), _) => Value::text(level),
                (None, Value::Str(word)) => level::normal(word),
                (None, value) => value,
            }
        }
        (Slot::Pid, Value::Str(digits)) => digits.parse().map_or(Value::Null, Value::Int),
        (Slot::Origin, Value::Str(place)) => {
            if let Some((file, line)) = file_and_line(&place) {
                let file = file.len();
                fields.push("log.origin.file.line", Value::Int(line));
                head(place, file)
            } else {
                Value::Str(place)
            }
        }
        (_, value) => value,
    };
    let field = &mut fields.items[index];
    field.value = value;
    field.name = Cow::Borrowed(name);
}

fn head(text: Cow<'_, str>, end: usize) -> Value<'_> {
    match text {
        Cow::Borrowed(text) => Value::text(&text[..end]),
        Cow::Owned(mut text) => {
            text.truncate(end);
            Value::Str(Cow::Owned(text))
        }
    }
}

/// `srv/handler.go:42`.
fn file_and_line(place: &str) -> Option<(&str, i64)> {
    let (file, line) = place.rsplit_once(':')?;
    let line = line.parse::<u32>().ok()?;
    (!file.is_empty()).then_some((file, i64::from(line)))
}

/// What a stack trace says about its error, unless the line says it itself.
fn describe_error(fields: &mut Fields<'_>) {
    let Some(Value::Str(stack)) = fields.get("error.stack_trace") else { return };
    let Some(found) = trace::find(stack) else { return };
    let (kind, text) = (found.kind.map(str::to_owned), found.message.map(str::to_owned));
    for (name, said) in [("error.type", kind), ("error.message", text)] {
        if let Some(said) = said
            && fields.get(name).is_none()
        {
            fields.push(name, Value::Str(Cow::Owned(said)));
        }
    }
}

/// Moves what has an ECS name out of nested objects: an error's parts, nested `log.level`, the message of Rust's
/// `tracing`, the place of Go's `slog`. What is left of an object stays where it was.
fn lift(fields: &mut Fields<'_>) {
    let has_message = fields.get("message").is_some();
    let mut lifted = Vec::new();
    for field in &mut fields.items {
        if field.name == "exception"
            && let Value::List(raised) = &field.value
        {
            lifted.extend(raised_first(raised));
        }
        let Value::Map(members) = &mut field.value else { continue };
        let renamed: fn(&str) -> Option<&'static str> = match &*field.name {
            "err" | "error" | "exception" | "thrown" | "Exception" => error_part,
            "body" | "Body" if !has_message => |member| (member == "stringValue").then_some("message"),
            "log" => |member| (member == "level").then_some("log.level"),
            "fields" if !has_message => |member| (member == "message").then_some("message"),
            "source" if members.iter().any(|(name, _)| name == "file") => place_part,
            _ => continue,
        };
        let mut kept = Vec::new();
        for (name, value) in members.drain(..) {
            match renamed(&name) {
                Some(ecs)
                    if matches!(value, Value::Str(_) | Value::Int(_))
                        && !lifted.iter().any(|(seen, _)| *seen == ecs) =>
                {
                    lifted.push((ecs, value));
                }
                _ => kept.push((name, value)),
            }
        }
        *members = kept;
    }
    if !lifted.is_empty() {
        fields.items.retain(|field| field.value != Value::Map(Vec::new()));
        for (name, value) in lifted {
            fields.push(name, value);
        }
    }
}

/// `[{"exc_type": .., "exc_value": .., "frames": [..]}]`, of structlog and rich: what was raised, then what caused it.
fn raised_first<'a>(raised: &[Value<'a>]) -> Vec<(&'static str, Value<'a>)> {
    let Some(Value::Map(members)) = raised.first() else { return Vec::new() };
    let named = members.iter().filter_map(|(name, value)| match &**name {
        "exc_type" => Some(("error.type", value.clone())),
        "exc_value" => Some(("error.message", value.clone())),
        _ => None,
    });
    named.filter(|(_, value)| value.as_str().is_some()).collect()
}

fn error_part(member: &str) -> Option<&'static str> {
    Some(match member {
        "type" | "name" | "class" | "kind" | "exception_class" => "error.type",
        "message" | "msg" | "exception_message" => "error.message",
        "stack" | "stack_trace" | "stacktrace" | "stackTrace" | "backtrace" => "error.stack_trace",
        _ => return None,
    })
}

fn place_part(member: &str) -> Option<&'static str> {
    Some(match member {
        "file" => "log.origin.file.name",
        "line" => "log.origin.file.line",
        "function" => "log.origin.function",
        _ => return None,
    })
}
