//! The outputs of pipelines: one file an output. Workers make the text of events, in parallel; each sink has a thread that
//! delivers it, in order.
//!
//! A sink tries once. What it could not deliver it leaves in what it was given, and the pipeline gives that again after a pause,
//! for ever: retries and their pauses are in one place.

mod connection;
mod csv;
mod elasticsearch;
pub mod encoded;
mod file;
mod http;
mod logship;
mod null;
mod pipe;
mod pipeline;
mod requests;
mod stdout;
mod syslog;
mod tcp;
#[cfg(test)]
mod testing;
mod tls;
mod udp;

use crate::{
    config::Options,
    event::{Event, Timestamp},
    flow::Stop,
};
pub use encoded::{Encoded, Item};
use logship_parsers::config::{Diagnostic, ast::Name, suggest};
use std::{io, time::Duration};

/// The field of `@metadata` that holds the id of an event, in pipelines with a log and an output that asks for it.
pub const EVENT_ID: &str = "_id_of_event";
/// Where in the log an event began that a codec put together: its id is made of it. In the metadata until then.
pub const EVENT_PLACE: &str = "_place_of_event";

/// One output of a pipeline.
pub trait Output: Send + Sync {
    /// Appends what is to be delivered of an event.
    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded);

    /// Whether what is delivered of an event depends on those before it: then there is one worker.
    fn is_stateful(&self) -> bool {
        false
    }

    /// Whether events should have an id that stays theirs however often they are delivered: `[@metadata][`[`EVENT_ID`]`]`.
    fn wants_ids(&self) -> bool {
        false
    }

    /// Outputs of one pipeline that say the same name here share a sink, so that what they write keeps the order of events.
    fn shares(&self) -> Option<String> {
        None
    }

    /// Opens where it goes to. A server that is away is no error here: delivering is tried again.
    ///
    /// # Errors
    /// It cannot be opened, and will not be later.
    fn open(&self) -> io::Result<Box<dyn Sink>>;
}

/// Where an output's events go.
pub trait Sink: Send {
    /// Delivers what is left of `batch`, and marks as done what is out of this process for good, or refused for good.
    ///
    /// # Errors
    /// Something is left. It is tried again, unless it never can be.
    fn deliver(&mut self, batch: &mut Encoded, refused: &mut Vec<Refused>, stop: &Stop) -> Result<(), SinkError>;

    /// Called when nothing came for [`Sink::patience`], and at the end: what it holds back has to go.
    ///
    /// # Errors
    /// As [`Sink::deliver`].
    fn flush(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// How long what it holds back may wait for more. `None`: nothing is held back.
    fn patience(&self) -> Option<Duration> {
        None
    }
}

/// An event that the other side does not want: a dead letter.
#[derive(Debug)]
pub struct Refused {
    /// The event, as it was when it reached the output.
    pub event: Box<Event>,
    /// What the other side said.
    pub reason: String,
}

/// Why something is left.
#[derive(Debug)]
pub enum SinkError {
    /// To be tried again; after this long, where the other side said so.
    Again {
        /// What happened, where, and what to do.
        cause: String,
        /// When the other side wants to be asked again.
        after: Option<Duration>,
    },
    /// Never: nobody reads what is written.
    Gone(io::Error),
}

impl SinkError {
    /// To be tried again.
    pub fn again(cause: impl std::fmt::Display) -> SinkError {
        SinkError::Again { cause: cause.to_string(), after: None }
    }
}

/// An output by its name.
#[derive(Debug)]
pub struct OutputKind {
    /// `stdout`
    pub name: &'static str,
    /// Where events go, in a line.
    pub summary: &'static str,
    /// Its options, sorted, beside those that all outputs have.
    pub options: &'static [&'static str],
    /// Whether it may be away, or slow, or must have each event: then the pipeline has a log. Not so for standard output.
    pub needs_log: bool,
    /// Makes one. `None` only where something was reported.
    pub build: fn(&mut Options<'_>) -> Option<Box<dyn Output>>,
}

/// All outputs, by name.
pub const OUTPUTS: &[OutputKind] = &[
    csv::KIND,
    elasticsearch::KIND,
    file::KIND,
    http::KIND,
    logship::KIND,
    null::KIND,
    pipe::KIND,
    pipeline::KIND,
    stdout::KIND,
    syslog::KIND,
    tcp::KIND,
    udp::KIND,
];

/// Outputs of Logstash that are not here.
const UNSUPPORTED: &[&str] = &[
    "boundary",
    "circonus",
    "cloudwatch",
    "datadog",
    "elastic_app_search",
    "email",
    "exec",
    "ganglia",
    "gelf",
    "graphite",
    "graphtastic",
    "influxdb",
    "irc",
    "jms",
    "kafka",
    "logstash",
    "loggly",
    "loki",
    "lumberjack",
    "mongodb",
    "nagios",
    "nagios_nsca",
    "opensearch",
    "opentsdb",
    "pagerduty",
    "rabbitmq",
    "redis",
    "riak",
    "s3",
    "sink",
    "sns",
    "solr_http",
    "sqs",
    "statsd",
    "timber",
    "webhdfs",
    "websocket",
    "xmpp",
    "zabbix",
];

/// The output of that name.
///
/// # Errors
/// There is none.
pub fn find(name: &Name) -> Result<&'static OutputKind, Diagnostic> {
    let (text, place) = (name.text.as_str(), name.span.0);
    if let Some(kind) = OUTPUTS.iter().find(|kind| kind.name == text) {
        return Ok(kind);
    }
    if UNSUPPORTED.contains(&text) {
        let error = Diagnostic::error(place, format!("the output `{text}` of Logstash is not supported"));
        return Err(error.help(match text {
            "exec" => "`pipe` runs a program and gives it events",
            "opensearch" => "`elasticsearch` makes the same bulk requests",
            _ => "`http` sends events to any URL, `pipe` gives them to any program",
        }));
    }
    let error = Diagnostic::error(place, format!("there is no output `{text}`"));
    let known = OUTPUTS.iter().map(|kind| kind.name);
    Err(match suggest(text, known.clone().chain(UNSUPPORTED.iter().copied())) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.note(format!("outputs are {}", known.collect::<Vec<_>>().join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_is_to_be_delivered_nobody_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x/y").display().to_string();
        for config in [
            format!("csv {{ path => \"{path}\" fields => a }}"),
            "elasticsearch { hosts => \"127.0.0.1:1\" }".to_owned(),
            format!("file {{ path => \"{path}\" }}"),
            "http { url => \"http://127.0.0.1:1\" http_method => post }".to_owned(),
            "logship { url => \"http://127.0.0.1:1\" }".to_owned(),
            "null { }".to_owned(),
            "pipe { command => \"false\" }".to_owned(),
            "syslog { host => \"127.0.0.1\" port => 1 protocol => tcp }".to_owned(),
            "tcp { host => \"127.0.0.1\" port => 1 }".to_owned(),
            "udp { host => \"not a name\" port => 1 }".to_owned(),
        ] {
            let mut sink = testing::built(&config).open().unwrap();
            let refused = testing::attempt(&mut *sink, &mut Encoded::default()).unwrap();
            assert!(refused.is_empty() && sink.flush().is_ok(), "{config}");
        }
        assert!(!folder.path().join("x").exists());
    }

    #[test]
    fn outputs_are_sorted() {
        assert!(OUTPUTS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(OUTPUTS.iter().all(|kind| kind.options.is_sorted()));
    }
}
