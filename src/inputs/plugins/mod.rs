//! The inputs of pipelines: one file an input. Each runs on a thread of its own and hands over what it reads; decoding is for
//! the workers.

mod generator;
mod stdin;

use crate::{config::Options, event::Value};
use bytes::Bytes;
use logship_parsers::config::{Diagnostic, FieldRef, ast::Name, suggest};
use std::io;

/// What an input read.
#[derive(Debug)]
pub enum Chunk {
    /// Whole lines with their ends; the last may have none where the input ended.
    Lines(Bytes),
    /// Records one by one.
    Records(Vec<Record>),
}

/// One record with what the input knows of it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// What the codec reads.
    pub text: Bytes,
    /// Fields that the event gets where it has none of that name.
    pub fields: Vec<(FieldRef, Value)>,
}

/// Takes chunks; blocks where the workers are behind. `false`: nobody wants more.
pub type Feed<'f> = &'f mut dyn FnMut(Chunk) -> bool;

/// One input of a pipeline.
pub trait Source: Send + Sync {
    /// Reads until there is nothing more.
    ///
    /// # Errors
    /// Reading failed.
    fn run(self: Box<Self>, feed: Feed<'_>) -> io::Result<()>;
}

/// An input by its name.
#[derive(Debug)]
pub struct InputKind {
    /// `stdin`
    pub name: &'static str,
    /// What it reads, in a line.
    pub summary: &'static str,
    /// Its options, sorted, beside those that all inputs have.
    pub options: &'static [&'static str],
    /// The codec where none is given.
    pub codec: &'static str,
    /// Where this machine's name goes by the Elastic Common Schema; without it, it is `host`.
    pub host: Option<&'static str>,
    /// Makes one. `None` only where something was reported.
    pub build: fn(&mut Options<'_>) -> Option<Box<dyn Source>>,
}

/// All inputs, by name.
pub const INPUTS: &[InputKind] = &[generator::KIND, stdin::KIND];

/// Inputs of Logstash that are not here.
const UNSUPPORTED: &[&str] = &[
    "azure_event_hubs",
    "beats",
    "cloudwatch",
    "couchdb_changes",
    "dead_letter_queue",
    "elastic_agent",
    "elastic_serverless_forwarder",
    "elasticsearch",
    "exec",
    "file",
    "ganglia",
    "gelf",
    "graphite",
    "heartbeat",
    "http",
    "http_poller",
    "imap",
    "irc",
    "jdbc",
    "jms",
    "jmx",
    "kafka",
    "kinesis",
    "logstash",
    "log4j",
    "lumberjack",
    "pipe",
    "pipeline",
    "rabbitmq",
    "redis",
    "s3",
    "snmp",
    "snmptrap",
    "sqs",
    "syslog",
    "tcp",
    "twitter",
    "udp",
    "unix",
    "websocket",
    "xmpp",
];

/// The input of that name.
///
/// # Errors
/// There is none.
pub fn find(name: &Name) -> Result<&'static InputKind, Diagnostic> {
    let (text, place) = (name.text.as_str(), name.span.0);
    if let Some(kind) = INPUTS.iter().find(|kind| kind.name == text) {
        return Ok(kind);
    }
    if UNSUPPORTED.contains(&text) {
        return Err(Diagnostic::error(place, format!("the input `{text}` of Logstash is not supported")));
    }
    let error = Diagnostic::error(place, format!("there is no input `{text}`"));
    let known = INPUTS.iter().map(|kind| kind.name);
    Err(match suggest(text, known.clone().chain(UNSUPPORTED.iter().copied())) {
        Some(near) => error.help(format!("did you mean `{near}`?")),
        None => error.note(format!("inputs are {}", known.collect::<Vec<_>>().join(", "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_sorted() {
        assert!(INPUTS.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(INPUTS.iter().all(|kind| kind.options.is_sorted()));
    }
}
