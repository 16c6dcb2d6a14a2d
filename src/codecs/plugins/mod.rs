//! The codecs of pipelines: one file a codec. [Framing](framing) cuts what an input reads into records, one stream at a time; a
//! decoder makes events of a record, an encoder text of an event. Both keep nothing between two calls, so that all workers
//! share them; an encoder that does keep something says so, and its pipeline has one worker.

mod cef;
mod csv;
mod dots;
mod es_bulk;
pub mod event;
pub mod framing;
mod gzip_lines;
mod json;
mod json_lines;
mod line;
mod multiline;
mod plain;
mod rubydebug;

use crate::{
    config::{Options, Role},
    event::{Event, Timestamp},
};
use bytes::Bytes;
use bytestring::ByteString;
use encoding_rs::Encoding;
use framing::Framing;
use logship_parsers::config::{
    Diagnostic,
    ast::{Name, Plugin, Value, ValueKind},
    suggest, typed,
};
use std::sync::Arc;

/// Records to events.
pub trait Decoder: Send + Sync {
    /// Appends the events of a record: a line without its end, or one message.
    fn decode(&self, record: ByteString, received: Timestamp, out: &mut Vec<Event>);
}

/// Events to text.
pub trait Encoder: Send + Sync {
    /// Appends the text of an event.
    fn encode(&self, event: &Event, now: Timestamp, out: &mut String);

    /// Whether what is written of an event depends on those before it: then there is one worker.
    fn is_stateful(&self) -> bool {
        false
    }
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
    /// How records are cut, for inputs.
    pub framing: FramingKind,
    /// For inputs.
    pub decoder: Option<Build<dyn Decoder>>,
    /// For outputs.
    pub encoder: Option<Build<dyn Encoder>>,
}

/// How a codec's records are cut.
#[derive(Clone, Copy, Debug)]
pub enum FramingKind {
    /// A line is a record, also in a message of several lines.
    Lines,
    /// A message is a record; of a stream, a line.
    Messages,
    /// As the codec says.
    Own(fn(&mut Options<'_>) -> Option<Framing>),
}

/// What an input reads with.
pub struct Reading {
    /// Makes events of records.
    pub decoder: Box<dyn Decoder>,
    /// Cuts records.
    pub framing: Framing,
    /// What encoding text is in, where it is not UTF-8.
    pub charset: Option<Charset>,
}

/// What encoding text is in.
#[derive(Clone, Copy, Debug)]
pub enum Charset {
    /// Each byte below 128 is a character, and others are none: `US-ASCII`, `ASCII-8BIT`.
    Ascii,
    /// Each byte is a character, `ISO-8859-1`; browsers, whose names these are otherwise, mean `windows-1252` by it.
    Latin1,
    /// Any other.
    Other(&'static Encoding),
}

impl Charset {
    fn text(self, bytes: &[u8]) -> String {
        let ascii = |byte: u8| if byte.is_ascii() { char::from(byte) } else { char::REPLACEMENT_CHARACTER };
        match self {
            Charset::Ascii => bytes.iter().map(|byte| ascii(*byte)).collect(),
            Charset::Latin1 => bytes.iter().map(|byte| char::from(*byte)).collect(),
            Charset::Other(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        }
    }
}

impl Reading {
    /// A record as text.
    #[must_use]
    pub fn text(&self, record: Bytes) -> ByteString {
        match self.charset {
            None => ByteString::try_from(record.clone())
                .unwrap_or_else(|_| String::from_utf8_lossy(&record).into_owned().into()),
            Some(charset) => charset.text(&record).into(),
        }
    }

    /// Appends the events of a record.
    pub fn decode(&self, record: Bytes, received: Timestamp, out: &mut Vec<Event>) {
        self.decoder.decode(self.text(record), received, out);
    }

    /// Many records as text at once, where they need no conversion.
    #[must_use]
    pub fn texts(&self, records: &Bytes) -> Option<ByteString> {
        if self.charset.is_some() { None } else { ByteString::try_from(records.clone()).ok() }
    }
}

/// All codecs, by name.
pub const CODECS: &[CodecKind] = &[
    cef::KIND,
    csv::KIND,
    dots::KIND,
    es_bulk::KIND,
    event::KIND,
    gzip_lines::KIND,
    json::KIND,
    json_lines::KIND,
    line::KIND,
    multiline::KIND,
    plain::KIND,
    rubydebug::KIND,
];

/// The decoder of an input: its option `codec`, or the one of that name.
pub fn reading(options: &mut Options<'_>, default: &str) -> Option<Reading> {
    let given = options.value("codec").cloned();
    reading_as(options, given, default)
}

/// The decoder that a value names, or the one of that name.
pub fn reading_as(options: &mut Options<'_>, given: Option<Value>, default: &str) -> Option<Reading> {
    built(options, given, default, |kind, options| {
        let build = kind.decoder.ok_or("read")?;
        let charset = options.get("charset", charset).flatten();
        let delimiter = options.text("delimiter").unwrap_or_else(|| "\n".to_owned());
        let delimiter = || Arc::from(delimiter.as_bytes());
        let framing = match kind.framing {
            FramingKind::Lines => Some(Framing::Lines(delimiter())),
            FramingKind::Messages => Some(Framing::Messages(delimiter())),
            FramingKind::Own(make) => make(options),
        };
        let decoder = build(options);
        Ok(decoder.zip(framing).map(|(decoder, framing)| Reading { decoder, framing, charset }))
    })
}

/// An encoding by its name; none for UTF-8.
fn charset(value: &Value) -> typed::Read<Option<Charset>> {
    let name = typed::text(value)?;
    let label = match name {
        "BINARY" | "ASCII-8BIT" | "US-ASCII" | "ASCII" => return Ok(Some(Charset::Ascii)),
        "ISO-8859-1" | "ISO8859-1" => return Ok(Some(Charset::Latin1)),
        "external" | "locale" => "utf-8",
        "CP932" | "SJIS" | "PCK" => "shift_jis",
        "macCyrillic" => "x-mac-cyrillic",
        "macRoman" => "macintosh",
        "CP936" => "gbk",
        "CP949" => "euc-kr",
        "CP950" => "big5",
        name => name,
    };
    match Encoding::for_label(label.as_bytes()) {
        Some(encoding) => Ok((encoding != encoding_rs::UTF_8).then_some(Charset::Other(encoding))),
        None => Err(Diagnostic::error(value.span.0, format!("there is no charset `{name}`"))
            .expected("a name such as `UTF-8`, `ISO-8859-1`, `windows-1252` or `Shift_JIS`")),
    }
}

/// The encoder of an output: its option `codec`, or the one of that name.
pub fn encoder(options: &mut Options<'_>, default: &str) -> Option<Box<dyn Encoder>> {
    let given = options.value("codec").cloned();
    built(options, given, default, |kind, options| kind.encoder.ok_or("write").map(|build| build(options)))
}

/// Builds one side of a codec, or says what it does not do.
fn built<T>(
    options: &mut Options<'_>,
    given: Option<Value>,
    default: &str,
    build: impl FnOnce(&CodecKind, &mut Options<'_>) -> Result<Option<T>, &'static str>,
) -> Option<T> {
    let place = options.place();
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
    // An input of lines reads those, whatever it is told.
    let name = match plugin.name.text.as_str() {
        "json" if default == "line" => "json_lines",
        name => name,
    };
    let Some(kind) = CODECS.iter().find(|kind| kind.name == name) else {
        diagnostics.push(unknown(&plugin.name));
        return None;
    };
    let settings = crate::config::Settings { ecs, ..settings.clone() };
    let known = if plugin.name.text == json::KIND.name { json::KIND.options } else { kind.options };
    let built = build(kind, &mut Options::new(&plugin, (Role::Codec, known), &settings, diagnostics));
    built.unwrap_or_else(|verb| {
        diagnostics.push(Diagnostic::error(plugin.name.span.0, format!("the codec `{name}` does not {verb} events")));
        None
    })
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
    "cloudfront",
    "cloudtrail",
    "collectd",
    "edn",
    "edn_lines",
    "fluent",
    "graphite",
    "msgpack",
    "netflow",
    "nmap",
    "protobuf",
];

fn unknown(name: &Name) -> Diagnostic {
    let (text, place) = (name.text.as_str(), name.span.0);
    if UNSUPPORTED.contains(&text) {
        let error = Diagnostic::error(place, format!("the codec `{text}` of Logstash is not supported"));
        return error.help("let the other side write or read JSON: `json`, `json_lines`");
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
    fn charsets_are_those_of_ruby() {
        let check = |charset: Charset, expected: &str| assert_eq!(charset.text(b"a\x80\xe9"), expected);
        check(Charset::Ascii, "a\u{fffd}\u{fffd}");
        check(Charset::Latin1, "a\u{80}é");
        check(Charset::Other(encoding_rs::WINDOWS_1252), "a€é");
    }

    #[test]
    fn codecs_are_sorted() {
        assert!(CODECS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(CODECS.iter().all(|kind| kind.options.is_sorted()));
        assert!(UNSUPPORTED.is_sorted());
    }
}
