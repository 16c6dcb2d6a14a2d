//! The inputs of pipelines: one file an input. Each runs on a thread of its own and hands what it reads to its
//! [entrance](entrance); decoding is for the workers.

mod beats;
mod command;
pub mod connection;
mod dead_letter_queue;
pub mod entrance;
mod exec;
mod file;
mod generator;
mod heartbeat;
mod http;
mod kept;
mod logship;
mod names;
mod pipe;
mod pipeline;
mod requests;
mod schedule;
pub mod sockets;
mod stdin;
mod subject;
mod syslog;
mod tcp;
#[cfg(test)]
mod testing;
mod tls;
mod udp;
mod unix;

use crate::{codecs::plugins::Reading, config::Options, event::Event, filters::Scratch, flow::Stop};
use bytes::Bytes;
pub use entrance::{Chunk, Entrance, Fields, LogEnd, Queue, Record, Settle, Stream, Ticket, record};
pub use kept::Kept;
use logship_parsers::config::{Diagnostic, ast::Name, suggest};
use std::{fmt, io, net::SocketAddr};

/// One input of a pipeline.
pub trait Source: Send {
    /// Takes what must be had before anything starts, such as an address; of sockets, those that were kept.
    ///
    /// # Errors
    /// It cannot be had; the text names it.
    fn open(&mut self, _kept: &mut Kept) -> io::Result<()> {
        Ok(())
    }

    /// Whether another of its pipeline's kind can take its place while the process goes on. Not so for standard input.
    fn is_reloadable(&self) -> bool {
        true
    }

    /// Whether other pipelines of the process feed it: it ends after them.
    fn is_fed_from_inside(&self) -> bool {
        false
    }

    /// Where it listens once it is open, in the network: the chosen port where 0 was asked for.
    fn local(&self) -> Option<SocketAddr> {
        None
    }

    /// What it does around its codec, if anything. Asked for once, before it is open.
    fn decoding(&mut self) -> Option<Box<dyn Decoding>> {
        None
    }

    /// Reads until there is nothing more, or until it should stop.
    ///
    /// # Errors
    /// It cannot go on, or the pipeline has ended.
    fn run(self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError>;
}

/// How the records of an input become events where that is not for the codec alone. Done by the workers: a pure function of the
/// record and of when it arrived.
pub trait Decoding: Send + Sync {
    /// Appends the events of a record.
    fn decode(&self, record: Bytes, codec: &Reading, scratch: &mut Scratch, out: &mut Vec<Event>);
}

/// Why an input ended early.
#[derive(Debug)]
pub enum InputError {
    /// Nobody wants more: the pipeline has ended.
    Closed,
    /// It cannot go on.
    Failed(io::Error),
}

impl fmt::Display for InputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InputError::Closed => f.write_str("the pipeline has ended"),
            InputError::Failed(cause) => cause.fmt(f),
        }
    }
}

impl std::error::Error for InputError {}

impl From<io::Error> for InputError {
    fn from(cause: io::Error) -> InputError {
        InputError::Failed(cause)
    }
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
    /// Whether it may take what nobody can send again: then the pipeline has a log. Not so for standard input and what is made
    /// up, which end with the process.
    pub needs_log: bool,
    /// Where the path of the file that a record is of goes, by the Elastic Common Schema; without it, it is `path`.
    pub path: Option<&'static str>,
    /// Where this machine's name goes by the Elastic Common Schema; without it, it is `host`.
    pub host: Option<&'static str>,
    /// Makes one. `None` only where something was reported.
    pub build: fn(&mut Options<'_>) -> Option<Box<dyn Source>>,
}

/// All inputs, by name.
pub const INPUTS: &[InputKind] = &[
    beats::KIND,
    dead_letter_queue::KIND,
    beats::ELASTIC_AGENT,
    exec::KIND,
    file::KIND,
    generator::KIND,
    heartbeat::KIND,
    http::KIND,
    logship::KIND,
    pipe::KIND,
    pipeline::KIND,
    stdin::KIND,
    syslog::KIND,
    tcp::KIND,
    udp::KIND,
    unix::KIND,
];

/// Inputs of Logstash that are not here.
const UNSUPPORTED: &[&str] = &[
    "azure_event_hubs",
    "cloudwatch",
    "couchdb_changes",
    "elastic_serverless_forwarder",
    "elasticsearch",
    "ganglia",
    "gelf",
    "graphite",
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
    "rabbitmq",
    "redis",
    "s3",
    "snmp",
    "snmptrap",
    "sqs",
    "twitter",
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
        let error = Diagnostic::error(place, format!("the input `{text}` of Logstash is not supported"));
        return Err(error.help(match text {
            "lumberjack" => "`beats` speaks the same protocol",
            _ => "a program can fetch it: `pipe` reads what one prints, `exec` runs one at an interval",
        }));
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
