//! `stdout { codec => json_lines }`: events on standard output, by default as `rubydebug`.

use super::{Encoded, Output, OutputKind, Refused, Sink, SinkError};
use crate::{
    codecs::plugins::{self, Encoder},
    config::Options,
    event::{Event, Timestamp},
    flow::Stop,
};
use std::io::{self, Write};

pub(super) const KIND: OutputKind =
    OutputKind { name: "stdout", summary: "Standard output", options: &[], needs_log: false, build };

struct Stdout {
    codec: Box<dyn Encoder>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    Some(Box::new(Stdout { codec: plugins::encoder(options, "rubydebug")? }))
}

impl Output for Stdout {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut Encoded) {
        self.codec.encode(event, now, out.text_mut());
    }

    fn is_stateful(&self) -> bool {
        self.codec.is_stateful()
    }

    fn shares(&self) -> Option<String> {
        Some("stdout".to_owned())
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Standard))
    }
}

struct Standard;

impl Sink for Standard {
    fn deliver(&mut self, batch: &mut Encoded, _: &mut Vec<Refused>, _: &Stop) -> Result<(), SinkError> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(batch.text().as_bytes()).and_then(|()| stdout.flush()).map_err(SinkError::Gone)?;
        batch.all_done();
        Ok(())
    }
}
