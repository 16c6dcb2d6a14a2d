//! `generator { count => 3 lines => ["a", "b"] }`: made-up records, for tests of pipelines and for measuring.

use super::{Chunk, Feed, InputKind, Record, Source};
use crate::{config::Options, event::Value};
use bytes::Bytes;
use logship_parsers::config::{FieldRef, typed};
use std::io;

pub(super) const KIND: InputKind = InputKind {
    name: "generator",
    summary: "Made-up records",
    options: &["count", "lines", "message", "threads"],
    codec: "plain",
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
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Source>> {
    let lines = options.each("lines", |value| typed::text(value).map(str::to_owned));
    let message = options.text("message").unwrap_or_else(|| "Hello world!".to_owned());
    _ = options.get("threads", typed::integer);
    let lines = if lines.is_empty() { vec![message] } else { lines };
    let sequence = if options.ecs().is_on() { &["event", "sequence"][..] } else { &["sequence"] };
    Some(Box::new(Generator {
        lines: lines.into_iter().map(Bytes::from).collect(),
        count: options.or("count", typed::integer, 0),
        sequence: FieldRef { parts: sequence.iter().map(|part| (*part).to_owned()).collect() },
    }))
}

impl Source for Generator {
    fn run(self: Box<Self>, feed: Feed<'_>) -> io::Result<()> {
        let mut batch = Vec::with_capacity(BATCH_RECORDS);
        let mut number = 0;
        while self.count == 0 || number < self.count {
            for line in &self.lines {
                let fields = vec![(self.sequence.clone(), Value::Int(number))];
                batch.push(Record { text: line.clone(), fields });
                if batch.len() == BATCH_RECORDS && !feed(Chunk::Records(std::mem::take(&mut batch))) {
                    return Ok(());
                }
            }
            number += 1;
        }
        if !batch.is_empty() {
            feed(Chunk::Records(batch));
        }
        Ok(())
    }
}
