//! `csv`: a record is a row of separated values, its columns named by `columns`, else `column1` and so on.
//!
//! `autodetect_column_names` takes the names from the first row of each stream, which is no event: each record then is that row and
//! one more. Empty values are `null`, left out with `skip_empty_columns`. What is no row is a message tagged `_csvparsefailure`. Where the
//! Elastic Common Schema is on, the row is `[event][original]`.
//!
//! Written are the fields that `columns` names, or all of them; with `include_headers` their names come first, once.

use super::{
    CodecKind, Decoder, Encoder, FramingKind,
    framing::{Cut, Framing, Joiner},
    plain,
};
use crate::{
    config::{
        Options,
        columns::{self, Type},
    },
    event::{Event, Timestamp, Value, render},
};
use bytes::Bytes;
use bytestring::ByteString;
use logship_parsers::{
    config::{FieldRef, typed},
    csv::{row, write_value},
};
use std::{
    borrow::Cow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

pub(super) const KIND: CodecKind = CodecKind {
    name: "csv",
    summary: "Rows of separated values",
    options: &[
        "autodetect_column_names",
        "autogenerate_column_names",
        "charset",
        "columns",
        "convert",
        "include_headers",
        "quote_char",
        "separator",
        "skip_empty_columns",
        "target",
    ],
    framing: FramingKind::Own(framing),
    decoder: Some(decoder),
    encoder: Some(encoder),
};

/// The tag of what is no row.
const FAILURE: &str = "_csvparsefailure";

/// What both sides ask for.
struct Common {
    names: Vec<String>,
    separator: String,
    quote: Option<char>,
    conversions: Vec<(String, Type)>,
    target: Option<FieldRef>,
    autodetect: bool,
    autogenerate: bool,
    skip_empty: bool,
    include_headers: bool,
}

/// Reads all options, so that both sides check them.
fn common(options: &mut Options<'_>) -> Common {
    let separator = options.text("separator").filter(|separator| !separator.is_empty());
    Common {
        names: options.each("columns", |value| typed::text(value).map(str::to_owned)),
        separator: separator.unwrap_or_else(|| ",".to_owned()),
        quote: columns::quote(options),
        conversions: columns::conversions(options),
        target: options.field("target"),
        autodetect: options.flag("autodetect_column_names", false),
        autogenerate: options.flag("autogenerate_column_names", true),
        skip_empty: options.flag("skip_empty_columns", false),
        include_headers: options.flag("include_headers", false),
    }
}

/// A row is a line; where the first one names the columns, it goes before each other.
fn framing(options: &mut Options<'_>) -> Option<Framing> {
    let is_named = options.is_given("columns") || !options.flag("autodetect_column_names", false);
    Some(match is_named {
        true => Framing::Messages(Arc::from(&b"\n"[..])),
        false => Framing::by_line(Headed::default),
    })
}

/// Puts the first line of a stream before each other.
#[derive(Default)]
struct Headed {
    header: Option<Bytes>,
}

impl Joiner for Headed {
    fn line(&mut self, Cut { text, tags }: Cut, out: &mut Vec<Cut>) {
        match &self.header {
            _ if text.is_empty() => {}
            Some(header) => out.push(Cut { text: [header, &b"\n"[..], &text].concat().into(), tags }),
            None => self.header = Some(text),
        }
    }

    fn holds(&self) -> bool {
        false
    }

    fn knows_more(&self) -> bool {
        true
    }
}

/// Reads rows.
struct Rows {
    common: Common,
    columns: Vec<Column>,
    has_header: bool,
    has_original: bool,
}

struct Column {
    field: FieldRef,
    conversion: Option<Type>,
}

fn decoder(options: &mut Options<'_>) -> Option<Box<dyn Decoder>> {
    let common = common(options);
    let has_header = common.autodetect && common.names.is_empty();
    let columns = common.names.iter().map(|name| common.column(name)).collect();
    Some(Box::new(Rows { common, columns, has_header, has_original: options.ecs().is_on() }))
}

impl Decoder for Rows {
    fn decode(&self, record: ByteString, received: Timestamp, out: &mut Vec<Event>) {
        let Some((header, line)) = record.split_once('\n').filter(|_| self.has_header) else {
            return self.row(&record, &self.columns, received, out);
        };
        let columns: Vec<Column> = match row(header, &self.common.separator, self.common.quote) {
            Some(names) => (names.iter().enumerate())
                .map(|(n, name)| self.common.column(name.as_deref().unwrap_or(&generated(n))))
                .collect(),
            None => Vec::new(),
        };
        self.row(&record.slice_ref(line), &columns, received, out);
    }
}

/// The name of a column without one.
fn generated(number: usize) -> String {
    format!("column{}", number + 1)
}

impl Common {
    fn column(&self, name: &str) -> Column {
        let mut field = FieldRef::parse(name).unwrap_or_else(|_| FieldRef { parts: vec![name.to_owned()] });
        if let Some(target) = &self.target {
            field.parts.splice(0..0, target.parts.iter().cloned());
        }
        let conversion = self.conversions.iter().find(|(known, _)| known == name).map(|(_, to)| *to);
        Column { field, conversion }
    }
}

impl Rows {
    /// The event of a row with these columns.
    fn row(&self, record: &ByteString, columns: &[Column], received: Timestamp, out: &mut Vec<Event>) {
        if record.trim_end_matches(['\r', '\n']).is_empty() {
            return;
        }
        let Some(values) = row(record, &self.common.separator, self.common.quote) else {
            return out.push(self.failed(record, received));
        };
        let mut event = Event::new(received);
        event.fields.reserve(values.len() + 2);
        for (n, value) in values.into_iter().enumerate() {
            if self.common.skip_empty && value.as_ref().is_none_or(|value| value.is_empty()) {
                continue;
            }
            let unnamed;
            let column = match columns.get(n) {
                Some(column) => column,
                None if self.common.autogenerate => {
                    unnamed = self.common.column(&generated(n));
                    &unnamed
                }
                None => continue,
            };
            let value = match value {
                None => Value::Null,
                Some(Cow::Borrowed(part)) => columns::converted(Value::Str(record.slice_ref(part)), column.conversion),
                Some(Cow::Owned(part)) => columns::converted(Value::from(part), column.conversion),
            };
            if event.set(&column.field, value).is_err() {
                return out.push(self.failed(record, received));
            }
        }
        self.finish(&mut event, record);
        out.push(event);
    }

    fn failed(&self, record: &ByteString, received: Timestamp) -> Event {
        let mut event = Event::from_line(received, record.clone());
        event.tag(FAILURE);
        self.finish(&mut event, record);
        event
    }

    fn finish(&self, event: &mut Event, record: &ByteString) {
        if self.has_original {
            plain::set_original(event, record);
        }
        plain::set_version(event);
    }
}

/// Writes rows.
struct Table {
    common: Common,
    columns: Vec<FieldRef>,
    has_header: AtomicBool,
}

fn encoder(options: &mut Options<'_>) -> Option<Box<dyn Encoder>> {
    let common = common(options);
    let field = |name: &String| FieldRef::parse(name).unwrap_or_else(|_| FieldRef { parts: vec![name.clone()] });
    let columns = common.names.iter().map(field).collect();
    let has_header = AtomicBool::new(!common.include_headers);
    Some(Box::new(Table { common, columns, has_header }))
}

impl Encoder for Table {
    fn encode(&self, event: &Event, _: Timestamp, out: &mut String) {
        if !self.has_header.swap(true, Ordering::Relaxed) {
            match self.common.names.is_empty() {
                true => self.write(out, all(event).map(|(name, _)| Some(Cow::Borrowed(name)))),
                false => self.write(out, self.common.names.iter().map(|name| Some(Cow::Borrowed(name.as_str())))),
            }
        }
        match self.columns.is_empty() {
            true => self.write(out, all(event).map(|(_, value)| text_of(&value))),
            false => {
                let value = |field| event.get(field).and_then(|value| text_of(&value).map(|text| text.into_owned()));
                self.write(out, self.columns.iter().map(|field| value(field).map(Cow::Owned)));
            }
        }
    }

    fn is_stateful(&self) -> bool {
        self.common.include_headers
    }
}

impl Table {
    fn write<'v>(&self, out: &mut String, values: impl Iterator<Item = Option<Cow<'v, str>>>) {
        for (n, value) in values.enumerate() {
            if n > 0 {
                out.push_str(&self.common.separator);
            }
            if let Some(value) = value {
                write_value(out, &value, &self.common.separator, self.common.quote);
            }
        }
        out.push('\n');
    }
}

/// All fields of an event, its time first.
fn all(event: &Event) -> impl Iterator<Item = (&str, Cow<'_, Value>)> {
    let time = event.has_time.then_some(("@timestamp", Cow::Owned(Value::Time(event.time))));
    time.into_iter().chain(event.fields.iter().map(|(key, value)| (key.as_str(), Cow::Borrowed(value))))
}

/// The text of a value; lists and objects are JSON.
fn text_of<'v>(value: &Value) -> Option<Cow<'v, str>> {
    let mut text = String::new();
    match value {
        Value::Null => return None,
        Value::List(_) => crate::event::json::write_value(&mut text, value),
        other => render::write_text(&mut text, other),
    }
    Some(Cow::Owned(text))
}
