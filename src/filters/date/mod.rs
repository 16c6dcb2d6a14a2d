//! `date { match => ["timestamp", "dd/MMM/yyyy:HH:mm:ss Z"] }`: a text becomes the time of the event.
//!
//! Formats are tried in their order: `ISO8601`, `UNIX`, `UNIX_MS`, `TAI64N` or Joda's letters. The result is precise to the
//! millisecond and goes into `target` (`@timestamp`). A time without a zone is one of `timezone`, which may name a field, and
//! else of this machine. A time without a year is of the year in which the event arrived; December seen in January is of the
//! year before, January seen in December of the one after. A missing field is nothing to do; what no format reads is tagged
//! (`tag_on_failure`, `_dateparsefailure`). Names of months and days are English, and with a `locale` also of its language, for those of
//! [`names`].

mod joda;
mod moment;
mod names;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict, tags};
use crate::{
    config::Options,
    event::{Event, TIMESTAMP, Timestamp, Value, render},
};
use jiff::tz::TimeZone;
use joda::Joda;
use logship_parsers::config::{Diagnostic, FieldRef, Template, ast, typed};
use names::Names;
use std::borrow::Cow;

pub(super) const KIND: FilterKind = FilterKind {
    name: "date",
    summary: "Reads the time of the event from a field",
    options: &["locale", "match", "tag_on_failure", "target", "timezone"],
    build,
};

/// How a text is read.
#[derive(Debug)]
enum Format {
    Iso8601,
    Unix,
    UnixMs,
    Tai64n,
    Joda(Joda),
}

/// The zone of times without one.
#[derive(Debug)]
enum Zone {
    Fixed(TimeZone),
    Named(Template),
}

#[derive(Debug)]
struct Date {
    source: FieldRef,
    formats: Vec<Format>,
    zone: Zone,
    target: FieldRef,
    tag_on_failure: Vec<String>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let locale = options.text("locale").filter(|locale| !locale.starts_with("en"));
    let names = locale.as_deref().and_then(Names::of);
    if locale.is_some() && names.is_none() {
        let place = options.value("locale").map_or(options.place(), |value| value.span.0);
        let warning = "names of months and days in this language are not known: they are read in English";
        options.report(Diagnostic::warning(place, warning).help("leave `locale` out"));
    }
    let zone = options.get("timezone", zone).unwrap_or_else(|| Zone::Fixed(TimeZone::system()));
    let target = options.field("target").unwrap_or_else(|| FieldRef { parts: vec![TIMESTAMP.to_owned()] });
    let tag_on_failure = tags(options, "tag_on_failure", "_dateparsefailure");
    let whole = options.required("match", |value| Ok(value.clone()))?;
    let (first, rest) = typed::list(&whole).split_first()?;
    if rest.is_empty() {
        let error = Diagnostic::error(whole.span.0, "`match` takes a field and at least one format");
        options.report(error.help("write `match => [\"field\", \"ISO8601\"]`"));
        return None;
    }
    let mut formats = Vec::with_capacity(rest.len());
    for value in rest {
        match format(value, names.as_ref()) {
            Ok(format) => formats.push(format),
            Err(wrong) => options.report(wrong),
        }
    }
    match typed::field(first) {
        Ok(source) => Some(Box::new(Date { source, formats, zone, target, tag_on_failure })),
        Err(wrong) => {
            options.report(wrong);
            None
        }
    }
}

fn format(value: &ast::Value, names: Option<&Names>) -> typed::Read<Format> {
    Ok(match typed::text(value)? {
        "ISO8601" => Format::Iso8601,
        "UNIX" => Format::Unix,
        "UNIX_MS" => Format::UnixMs,
        "TAI64N" => Format::Tai64n,
        text => {
            let joda = Joda::compile(text, names)
                .map_err(|(at, message)| Diagnostic::error(crate::config::place_in(value, at), message))?;
            Format::Joda(joda)
        }
    })
}

fn zone(value: &ast::Value) -> typed::Read<Zone> {
    let template = typed::template(value)?;
    match template.as_literal() {
        None => Ok(Zone::Named(template)),
        Some(name) => moment::zone_of(name).map(Zone::Fixed).ok_or_else(|| {
            let error = Diagnostic::error(value.span.0, format!("there is no time zone `{name}`"));
            error.help("write a name such as `Europe/Berlin`, or an offset such as `+02:00`")
        }),
    }
}

impl Filter for Date {
    fn apply(&self, event: &mut Event, scratch: &mut Scratch) -> Result<Verdict, FilterError> {
        let fail = |message: String| FilterError::new(&self.tag_on_failure, message);
        let Scratch { text, received, .. } = scratch;
        let value = match event.get(&self.source) {
            None => return Ok(Verdict::Unmatched),
            Some(value) if *value == Value::Null => return Ok(Verdict::Unmatched),
            Some(value) => value,
        };
        let zone = match &self.zone {
            Zone::Fixed(zone) => Cow::Borrowed(zone),
            Zone::Named(name) => {
                text.clear();
                render::render(name, event, *received, text);
                let zone = moment::zone_of(text).ok_or_else(|| fail(format!("there is no time zone `{text}`")))?;
                Cow::Owned(zone)
            }
        };
        let written = match &*value {
            Value::Str(written) => written.as_ref(),
            other => {
                text.clear();
                render::write_text(text, other);
                text.as_str()
            }
        };
        let read = self.formats.iter().find_map(|format| format.read(written, &zone, *received));
        let time = read.ok_or_else(|| fail("no format reads this time".to_owned()))?;
        event.set(&self.target, Value::Time(time)).map_err(|cause| fail(cause.to_string()))?;
        Ok(Verdict::Matched)
    }
}

impl Format {
    fn read(&self, text: &str, zone: &TimeZone, received: Timestamp) -> Option<Timestamp> {
        match self {
            Format::Iso8601 => moment::iso8601(text)?.at(zone, received),
            Format::Unix => moment::unix(text),
            Format::UnixMs => text.split('.').next()?.parse().ok().and_then(moment::from_millis),
            Format::Tai64n => moment::tai64n(text),
            Format::Joda(joda) => joda.read(text)?.at(zone, received),
        }
    }
}
