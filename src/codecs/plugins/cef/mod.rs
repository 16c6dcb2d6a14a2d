//! `cef`: ArcSight's Common Event Format, `CEF:0|vendor|product|version|signature|name|severity|extensions`, also behind a header
//! of syslog.
//!
//! Extensions have the names of the dictionary, or the fields of the Elastic Common Schema where that is on ([`fields`]); those that it
//! does not know keep theirs, `name[0]` being `[name][0]`. With the schema, times are read ([`times`]) and `rt` is `@timestamp`. Records are cut
//! at `delimiter`, where there is one. `raw_data_field` keeps the record. What is no CEF is a message tagged `_cefparsefailure`.
//!
//! Written are a header of templates and the extensions that `fields` names, by their long names, with `reverse_mapping` by
//! their short ones.

mod fields;
mod read;
mod times;

use super::{CodecKind, Decoder, Encoder, FramingKind, framing::Framing, plain};
use crate::{
    config::Options,
    event::{Event, Timestamp, Value, json, render},
};
use bytestring::ByteString;
use fields::Dictionary;
use logship_parsers::config::{FieldRef, Template, typed};
use std::borrow::Cow;
use times::Times;

pub(super) const KIND: CodecKind = CodecKind {
    name: "cef",
    summary: "Common Event Format of ArcSight",
    options: &[
        "default_timezone",
        "delimiter",
        "device",
        "fields",
        "locale",
        "name",
        "product",
        "raw_data_field",
        "reverse_mapping",
        "severity",
        "signature",
        "vendor",
        "version",
    ],
    framing: FramingKind::Own(framing),
    decoder: Some(decoder),
    encoder: Some(encoder),
};

/// The tag of what is no CEF.
const FAILURE: &str = "_cefparsefailure";
/// Fields of a header with the schema, and without.
const HEADER: [(&str, &str); 7] = [
    ("cef.version", "cefVersion"),
    ("observer.vendor", "deviceVendor"),
    ("observer.product", "deviceProduct"),
    ("observer.version", "deviceVersion"),
    ("event.code", "deviceEventClassId"),
    ("cef.name", "name"),
    ("event.severity", "severity"),
];
/// Options of the header that is written, in its order, and what they are by default.
const WRITTEN: [(&str, &str); 6] = [
    ("vendor", "Elasticsearch"),
    ("product", "Logstash"),
    ("version", "1.0"),
    ("signature", "Logstash"),
    ("name", "Logstash"),
    ("severity", "6"),
];
/// The largest severity.
const SEVERITY_MAX: f64 = 10.0;

/// What the fields of a device are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Device {
    Observer,
    Host,
}

impl Device {
    fn name(self) -> &'static str {
        match self {
            Device::Observer => "observer",
            Device::Host => "host",
        }
    }
}

/// What both sides ask for.
struct Common {
    dictionary: Dictionary,
    delimiter: Option<String>,
    times: Times,
    raw: Option<FieldRef>,
    fields: Vec<String>,
    header: Vec<Template>,
}

/// What stands between two messages.
fn delimiter(options: &mut Options<'_>) -> Option<String> {
    let text = options.text("delimiter")?.replace("\\r", "\r").replace("\\n", "\n");
    (!text.is_empty()).then_some(text)
}

fn framing(options: &mut Options<'_>) -> Option<Framing> {
    Some(match delimiter(options) {
        Some(delimiter) => Framing::Lines(delimiter.into_bytes().into()),
        None => Framing::Messages(b"\n"[..].into()),
    })
}

/// Reads all options, so that both sides check them.
fn common(options: &mut Options<'_>) -> Option<Common> {
    let device = options.get("device", |value| typed::choice(value, &["observer", "host"]).map(|name| name == "host"));
    let device = if device == Some(true) { Device::Host } else { Device::Observer };
    let has_short_keys = options.flag("reverse_mapping", false);
    _ = options.get("locale", |value| typed::text(value).map(drop));
    let zone = options.get("default_timezone", times::zone);
    let mut header = Vec::with_capacity(WRITTEN.len());
    for (name, default) in WRITTEN {
        let template = options.get(name, typed::template);
        header.push(template.or_else(|| Template::parse(default).ok())?);
    }
    Some(Common {
        dictionary: Dictionary::new(options.ecs().is_on(), device, has_short_keys),
        delimiter: delimiter(options),
        times: Times::new(zone),
        raw: options.field("raw_data_field"),
        fields: options.each("fields", |value| typed::text(value).map(str::to_owned)),
        header,
    })
}

struct Messages {
    common: Common,
    header: Vec<FieldRef>,
    syslog: FieldRef,
}

fn decoder(options: &mut Options<'_>) -> Option<Box<dyn Decoder>> {
    let is_ecs = options.ecs().is_on();
    let field = |(ecs, legacy): (&str, &str)| FieldRef {
        parts: if is_ecs { ecs } else { legacy }.split('.').map(str::to_owned).collect(),
    };
    let header = HEADER.into_iter().map(field).collect();
    Some(Box::new(Messages { common: common(options)?, header, syslog: field(("log.syslog.header", "syslog")) }))
}

impl Decoder for Messages {
    fn decode(&self, record: ByteString, received: Timestamp, out: &mut Vec<Event>) {
        out.push(self.event(&record, received));
    }
}

impl Messages {
    fn event(&self, record: &ByteString, received: Timestamp) -> Event {
        // Some connectors put it in quotes.
        let text = match record.strip_prefix('"') {
            Some(inside) => inside.char_indices().next_back().map_or("", |(at, _)| &inside[..at]),
            None => record,
        };
        let mut event = Event::new(received);
        let read = match &self.common.raw {
            Some(raw) => event.set(raw, Value::Str(record.clone())).map_err(|cause| cause.to_string()),
            None => Ok(()),
        };
        if let Err(cause) = read.and_then(|()| self.read(text, (record, received), &mut event)) {
            tracing::debug!("this is no CEF: {cause}");
            event = Event::from_line(received, record.slice_ref(text));
            event.tag(FAILURE);
        }
        plain::set_version(&mut event);
        event
    }

    fn read(&self, text: &str, (record, received): (&ByteString, Timestamp), event: &mut Event) -> Result<(), String> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mut rest = text.strip_suffix('\r').unwrap_or(text);
        if rest.contains('\n') {
            return Err("there is a line end in it that is not escaped".to_owned());
        }
        let value = |text: Cow<'_, str>| match text {
            Cow::Borrowed(part) => Value::Str(record.slice_ref(part)),
            Cow::Owned(text) => Value::from(text),
        };
        let mut set = |field: &FieldRef, value| event.set(field, value).map_err(|cause| cause.to_string());
        for (n, field) in self.header.iter().enumerate() {
            let (part, behind) = read::header(rest).ok_or_else(|| format!("its header has {n} of 7 fields"))?;
            rest = behind;
            let part = match n {
                0 => match part.rsplit_once(' ') {
                    Some((syslog, version)) => {
                        set(&self.syslog, value(read::unescaped_header(syslog)))?;
                        version
                    }
                    None => part,
                },
                _ => part,
            };
            let part = if n == 0 { part.strip_prefix("CEF:").unwrap_or(part) } else { part };
            set(field, value(read::unescaped_header(part)))?;
        }
        let extensions = read::extensions(rest.trim())?;
        let zone = extensions.iter().rev().find(|(key, _)| {
            self.common.dictionary.field(key).is_some_and(|(parts, _)| parts == ["event", "timezone"])
        });
        let zone = zone.map(|(_, zone)| *zone);
        for (key, text) in extensions {
            let text = read::unescaped(text);
            match self.common.dictionary.field(key) {
                Some((_, true)) if text.trim().is_empty() => {}
                Some((parts, true)) => {
                    let time = self.common.times.read(&text, zone, received);
                    let time = time.ok_or_else(|| format!("`{text}` is no time"))?;
                    set_parts(event, parts, Value::Time(time))?;
                }
                Some((parts, false)) => set_parts(event, parts, value(text))?,
                None => set_parts(event, &read::parts(key), value(text))?,
            }
        }
        Ok(())
    }
}

fn set_parts(event: &mut Event, parts: &[String], value: Value) -> Result<(), String> {
    event.set(&FieldRef { parts: parts.to_vec() }, value).map_err(|cause| cause.to_string())
}

struct Written {
    common: Common,
    /// Fields with what is written before their value.
    extensions: Vec<(FieldRef, String)>,
}

fn encoder(options: &mut Options<'_>) -> Option<Box<dyn Encoder>> {
    let common = common(options)?;
    let extension = |name: &String| {
        let field = FieldRef::parse(name).unwrap_or_else(|_| FieldRef { parts: vec![name.clone()] });
        let key = common.dictionary.key(name).chars().filter(char::is_ascii_alphanumeric).collect();
        (field, key)
    };
    let extensions = common.fields.iter().map(extension).collect();
    Some(Box::new(Written { common, extensions }))
}

impl Encoder for Written {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut String) {
        out.push_str("CEF:0|");
        for ((name, default), template) in WRITTEN.into_iter().zip(&self.common.header) {
            let mut text = String::new();
            escape(&mut text, &render::rendered(template, event, now), '|', " ");
            match name {
                "severity" => out.push_str(severity(&text).unwrap_or(default)),
                _ if text.is_empty() => out.push_str(default),
                _ => out.push_str(&text),
            }
            out.push('|');
        }
        let mut is_first = true;
        for (field, key) in &self.extensions {
            let Some(value) = event.get(field).filter(|value| **value != Value::Null) else { continue };
            if !std::mem::take(&mut is_first) {
                out.push(' ');
            }
            out.push_str(key);
            out.push('=');
            let mut text = String::new();
            match &*value {
                Value::List(_) => json::write_value(&mut text, &value),
                other => render::write_text(&mut text, other),
            }
            escape(out, &text, '=', "\\n");
        }
        out.push_str(self.common.delimiter.as_deref().unwrap_or_default());
    }
}

/// Appends a text with backslashes before backslashes and the separator, and something else for each line end.
fn escape(out: &mut String, text: &str, separator: char, line_end: &str) {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' | '\n' => out.push_str(line_end),
            c if c == separator || c == '\\' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
}

/// The digits of a whole number from 0 to 10.
fn severity(text: &str) -> Option<&str> {
    let text = text.trim();
    let number: f64 = text.parse().ok()?;
    let is_good = number.fract() == 0.0 && (0.0..=SEVERITY_MAX).contains(&number);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    (is_good && digits > 0).then(|| &text[..digits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn severities_are_whole_numbers_up_to_10() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(severity(text), expected, "{text}");
        check("0", Some("0"));
        check("10", Some("10"));
        check("1.0", Some("1"));
        check(" 4 ", Some("4"));
        for bad in ["", "foo", "1.5", "-1", "11", "nan", "inf"] {
            check(bad, None);
        }
    }
}
