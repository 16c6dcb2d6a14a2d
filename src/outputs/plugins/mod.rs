//! The outputs of pipelines: one file an output. Workers make the text of events, in parallel; one thread writes it, in order.

mod stdout;

use crate::{
    config::Options,
    event::{Event, Timestamp},
};
use logship_parsers::config::{Diagnostic, ast::Name, suggest};
use std::io;

/// One output of a pipeline.
pub trait Output: Send + Sync {
    /// Appends what is to be written of an event.
    fn encode(&self, event: &Event, now: Timestamp, out: &mut String);

    /// Outputs of one pipeline that say the same name here share a sink, so that what they write keeps the order of events.
    fn shares(&self) -> Option<&'static str> {
        None
    }

    /// Opens where it goes to.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open(&self) -> io::Result<Box<dyn Sink>>;
}

/// Where the text of an output goes.
pub trait Sink: Send {
    /// Writes the text of a batch of events; what is written is out of the process when it returns.
    ///
    /// # Errors
    /// It could not be written.
    fn write(&mut self, text: &str) -> io::Result<()>;
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
    /// Makes one. `None` only where something was reported.
    pub build: fn(&mut Options<'_>) -> Option<Box<dyn Output>>,
}

/// All outputs, by name.
pub const OUTPUTS: &[OutputKind] = &[stdout::KIND];

/// Outputs of Logstash that are not here.
const UNSUPPORTED: &[&str] = &[
    "boundary",
    "circonus",
    "cloudwatch",
    "csv",
    "datadog",
    "elastic_app_search",
    "elasticsearch",
    "email",
    "exec",
    "file",
    "ganglia",
    "gelf",
    "graphite",
    "graphtastic",
    "http",
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
    "null",
    "opensearch",
    "opentsdb",
    "pagerduty",
    "pipe",
    "pipeline",
    "rabbitmq",
    "redis",
    "riak",
    "s3",
    "sink",
    "sns",
    "solr_http",
    "sqs",
    "statsd",
    "syslog",
    "tcp",
    "timber",
    "udp",
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
        return Err(error.help("`stdout { codec => json_lines }` passes events on to any program"));
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
    fn outputs_are_sorted() {
        assert!(OUTPUTS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(OUTPUTS.iter().all(|kind| kind.options.is_sorted()));
    }
}
