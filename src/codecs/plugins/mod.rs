//! The codecs of pipelines: one file a codec. A decoder makes events of a record, an encoder text of an event; both keep
//! nothing between two calls, so that all workers share them.

mod dots;
mod json;
mod json_lines;
mod line;
mod plain;
mod rubydebug;

use crate::{
    config::{Options, Role},
    event::{Event, Timestamp},
};
use bytestring::ByteString;
use logship_parsers::config::{
    Diagnostic,
    ast::{Name, Plugin, ValueKind},
    suggest,
};

/// Records to events.
pub trait Decoder: Send + Sync {
    /// Appends the events of a record: a line without its end, or one message.
    fn decode(&self, record: &ByteString, received: Timestamp, out: &mut Vec<Event>);
}

/// Events to text.
pub trait Encoder: Send + Sync {
    /// Appends the text of an event.
    fn encode(&self, event: &Event, now: Timestamp, out: &mut String);
}

/// Makes one side of a codec. `None` only where something was reported.
pub type Build<T> = fn(&mut Options<'_>) -> Option<Box<T>>;

/// A codec by its name.
#[derive(Debug)]
pub struct CodecKind {
    /// `json`
    pub name: &'static str,
    /// What it reads and writes, in a line.
    pub summary: &'static str,
    /// Its options, sorted, beside those that all codecs have.
    pub options: &'static [&'static str],
    /// For inputs.
    pub decoder: Option<Build<dyn Decoder>>,
    /// For outputs.
    pub encoder: Option<Build<dyn Encoder>>,
}

/// All codecs, by name.
pub const CODECS: &[CodecKind] = &[dots::KIND, json::KIND, json_lines::KIND, line::KIND, plain::KIND, rubydebug::KIND];

/// The decoder of an input: its option `codec`, or the one of that name.
pub fn decoder(options: &mut Options<'_>, default: &str) -> Option<Box<dyn Decoder>> {
    built(options, default, |kind| kind.decoder, "read")
}

/// The encoder of an output: its option `codec`, or the one of that name.
pub fn encoder(options: &mut Options<'_>, default: &str) -> Option<Box<dyn Encoder>> {
    built(options, default, |kind| kind.encoder, "write")
}

fn built<T: ?Sized>(
    options: &mut Options<'_>,
    default: &str,
    side: fn(&CodecKind) -> Option<Build<T>>,
    verb: &str,
) -> Option<Box<T>> {
    let place = options.place();
    let given = options.value("codec").cloned();
    let plugin = match given {
        Some(value) => match value.kind {
            ValueKind::Plugin(plugin) => plugin,
            ref kind => match value.as_str().filter(|_| !matches!(kind, ValueKind::Number(_))) {
                Some(name) => bare(name, value.span.0),
                None => {
                    options.report(Diagnostic::error(value.span.0, "this is no codec").expected("the name of a codec"));
                    return None;
                }
            },
        },
        None => bare(default, place),
    };
    let ecs = options.ecs();
    let (settings, diagnostics) = options.inside();
    let name = &plugin.name.text;
    let Some(kind) = CODECS.iter().find(|kind| kind.name == name) else {
        diagnostics.push(unknown(&plugin.name));
        return None;
    };
    let Some(build) = side(kind) else {
        diagnostics.push(Diagnostic::error(plugin.name.span.0, format!("the codec `{name}` does not {verb} events")));
        return None;
    };
    let settings = crate::config::Settings { ecs, ..settings.clone() };
    build(&mut Options::new(&plugin, (Role::Codec, kind.options), &settings, diagnostics))
}

/// A codec without options.
fn bare(name: &str, place: logship_parsers::config::Span) -> Plugin {
    use logship_parsers::config::ast::SpanIgnored;
    let span = SpanIgnored(place);
    Plugin { name: Name { text: name.to_owned(), span }, attributes: Vec::new(), span, intact: true }
}

/// Codecs of Logstash that are not here.
const UNSUPPORTED: &[&str] = &[
    "avro",
    "cef",
    "cloudfront",
    "cloudtrail",
    "collectd",
    "csv",
    "edn",
    "edn_lines",
    "es_bulk",
    "fluent",
    "graphite",
    "gzip_lines",
    "msgpack",
    "multiline",
    "netflow",
    "nmap",
    "protobuf",
];

fn unknown(name: &Name) -> Diagnostic {
    let (text, place) = (name.text.as_str(), name.span.0);
    if UNSUPPORTED.contains(&text) {
        return Diagnostic::error(place, format!("the codec `{text}` of Logstash is not supported"));
    }
    let error = Diagnostic::error(place, format!("there is no codec `{text}`"));
    let known = CODECS.iter().map(|kind| kind.name);
    match suggest(text, known.clone()) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.note(format!("codecs are {}", known.collect::<Vec<_>>().join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codecs_are_sorted() {
        assert!(CODECS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(CODECS.iter().all(|kind| kind.options.is_sorted()));
        assert!(UNSUPPORTED.is_sorted());
    }
}
