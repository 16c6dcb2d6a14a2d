//! `generator { count => 3 lines => ["a", "b"] }`: made-up records, for tests of pipelines and for measuring.
//!
//! `message => "stdin"` is the first line of standard input. A codec that joins lines, as `multiline` does, joins these.

use super::{Entrance, InputError, InputKind, Record, Source};
use crate::{codecs::plugins::framing::Framing, config::Options, event::Value, flow::Stop};
use bytes::Bytes;
use logship_parsers::config::{FieldRef, typed};
use std::io;

pub(super) const KIND: InputKind = InputKind {
    name: "generator",
    summary: "Made-up records",
    options: &["count", "lines", "message", "threads"],
    codec: "plain",
    needs_log: false,
    path: None,
    host: Some("[host][name]"),
    build,
};

/// Records handed over at once.
const BATCH_RECORDS: usize = 512;

#[derive(Debug)]
struct Generator {
    lines: Vec<Bytes>,
    /// How often; 0 for ever.
    count: i64,
    sequence: FieldRef,
    /// Whether the one line is that of standard input.
    is_read: bool,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let lines = options.each("lines", |value| typed::text(value).map(str::to_owned));
    let message = options.text("message").unwrap_or_else(|| "Hello world!".to_owned());
    _ = options.get("threads", typed::integer);
    let is_read = lines.is_empty() && message == "stdin";
    let lines = if lines.is_empty() { vec![message] } else { lines };
    let sequence = if options.ecs().is_on() { &["event", "sequence"][..] } else { &["sequence"] };
    Some(Box::new(Generator {
        lines: lines.into_iter().map(Bytes::from).collect(),
        count: options.or("count", typed::integer, 0),
        sequence: FieldRef { parts: sequence.iter().map(|part| (*part).to_owned()).collect() },
        is_read,
    }))
}

impl Generator {
    /// The lines as a stream, for codecs that put them together.
    fn joined(&self, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        let (mut stream, mut number) = (entrance.stream([]), 0);
        while !stop.is_requested() && (self.count == 0 || number < self.count) {
            for line in &self.lines {
                let text = [line, &b"\n"[..]].concat();
                stream.message_with(text.into(), [(self.sequence.clone(), Value::Int(number))])?;
            }
            number += 1;
        }
        stream.finish()?;
        stream.settle()
    }
}

impl Source for Generator {
    fn run(mut self: Box<Self>, entrance: &Entrance, stop: &Stop) -> Result<(), InputError> {
        if self.is_read {
            let mut line = String::new();
            io::stdin().read_line(&mut line)?;
            self.lines = vec![Bytes::from(line.trim_end_matches(['\r', '\n']).to_owned())];
        }
        if let Framing::Own(_) = entrance.framing() {
            return self.joined(entrance, stop);
        }
        let mut stream = entrance.stream([]);
        let mut batch = Vec::with_capacity(BATCH_RECORDS);
        let mut number = 0;
        while !stop.is_requested() && (self.count == 0 || number < self.count) {
            for line in &self.lines {
                let fields = [(self.sequence.clone(), Value::Int(number))].into();
                batch.push(Record { text: line.clone(), fields });
                if batch.len() == BATCH_RECORDS {
                    stream.records(std::mem::take(&mut batch))?;
                }
            }
            number += 1;
        }
        stream.records(batch)?;
        stream.settle()
    }
}
