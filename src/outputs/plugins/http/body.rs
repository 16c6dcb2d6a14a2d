//! What a request says of an event.

use super::requests::form;
use crate::{
    config::Options,
    event::{
        Event, Timestamp, Value, json,
        render::{render, rendered, write_text},
    },
};
use logship_parsers::config::{
    Diagnostic, Template,
    ast::{self, ValueKind},
    typed,
};

/// How an event is written.
#[derive(Debug)]
pub(super) enum Body {
    /// As JSON, alone or in a list.
    Json { mapping: Option<Mapping>, is_batch: bool },
    /// As the fields of a form.
    Form(Option<Mapping>),
    /// As text.
    Message(Template),
}

/// An object made of an event.
#[derive(Debug)]
pub(super) struct Mapping(Vec<(String, Mapped)>);

#[derive(Debug)]
enum Mapped {
    Text(Template),
    List(Vec<Mapped>),
    Map(Mapping),
}

impl Body {
    pub(super) fn read(options: &mut Options<'_>) -> Option<Body> {
        let formats = ["json", "json_batch", "form", "message"];
        let format = options.or("format", |value| typed::choice(value, &formats).map(str::to_owned), "json".to_owned());
        let mapping = options.get("mapping", mapping);
        if options.is_given("mapping") && mapping.is_none() {
            return None;
        }
        let message = options.get("message", typed::template);
        match format.as_str() {
            "form" => Some(Body::Form(mapping)),
            "message" => {
                if message.is_none() && !options.is_given("message") {
                    let error = Diagnostic::error(options.place(), "the format `message` needs the option `message`");
                    options.report(error.help("add `message => \"%{message}\"`"));
                }
                if mapping.is_some() {
                    options.report(Diagnostic::warning(
                        options.place(),
                        "`mapping` means nothing for the format `message`",
                    ));
                }
                message.map(Body::Message)
            }
            format => Some(Body::Json { mapping, is_batch: format == "json_batch" }),
        }
    }

    pub(super) fn is_batch(&self) -> bool {
        matches!(self, Body::Json { is_batch: true, .. })
    }

    pub(super) fn content_type(&self) -> &'static str {
        match self {
            Body::Json { .. } => "application/json",
            Body::Form(_) => "application/x-www-form-urlencoded",
            Body::Message(_) => "text/plain",
        }
    }

    pub(super) fn write(&self, event: &Event, now: Timestamp, out: &mut String) {
        match self {
            Body::Json { mapping: None, .. } => json::write_event(out, event, None),
            Body::Json { mapping: Some(mapping), .. } => mapping.write(event, now, out),
            Body::Message(message) => render(message, event, now, out),
            Body::Form(Some(mapping)) => {
                let mut text = String::new();
                for (name, value) in &mapping.0 {
                    text.clear();
                    match value {
                        Mapped::Text(template) => render(template, event, now, &mut text),
                        value => value.write(event, now, &mut text),
                    }
                    pair(name, &text, out);
                }
                out.pop();
            }
            Body::Form(None) => {
                if event.has_time {
                    pair("@timestamp", &event.time.to_string(), out);
                }
                let mut text = String::new();
                for (name, value) in event.fields.iter() {
                    text.clear();
                    match value {
                        Value::List(_) => json::write_value(&mut text, value),
                        value => write_text(&mut text, value),
                    }
                    pair(name.as_str(), &text, out);
                }
                out.pop();
            }
        }
    }
}

fn pair(name: &str, value: &str, out: &mut String) {
    form(name, out);
    out.push('=');
    form(value, out);
    out.push('&');
}

fn mapping(value: &ast::Value) -> typed::Read<Mapping> {
    let pairs = typed::hash(value)?;
    pairs
        .iter()
        .map(|entry| Ok((typed::text(&entry.key)?.to_owned(), mapped(&entry.value)?)))
        .collect::<Result<_, _>>()
        .map(Mapping)
}

fn mapped(value: &ast::Value) -> typed::Read<Mapped> {
    match &value.kind {
        ValueKind::Array(items) => items.iter().map(mapped).collect::<Result<_, _>>().map(Mapped::List),
        ValueKind::Hash(_) => mapping(value).map(Mapped::Map),
        _ => typed::template(value).map(Mapped::Text),
    }
}

impl Mapping {
    fn write(&self, event: &Event, now: Timestamp, out: &mut String) {
        out.push('{');
        for (number, (name, value)) in self.0.iter().enumerate() {
            out.push_str(if number > 0 { "," } else { "" });
            json::write_text(out, name);
            out.push(':');
            value.write(event, now, out);
        }
        out.push('}');
    }
}

impl Mapped {
    fn write(&self, event: &Event, now: Timestamp, out: &mut String) {
        match self {
            Mapped::Text(template) => json::write_text(out, &rendered(template, event, now)),
            Mapped::Map(mapping) => mapping.write(event, now, out),
            Mapped::List(items) => {
                out.push('[');
                for (number, item) in items.iter().enumerate() {
                    out.push_str(if number > 0 { "," } else { "" });
                    item.write(event, now, out);
                }
                out.push(']');
            }
        }
    }
}
