//! `stdout { codec => json_lines }`: events on standard output, by default as `rubydebug`.

use super::{Output, OutputKind, Sink};
use crate::{
    codecs::plugins::{self, Encoder},
    config::Options,
    event::{Event, Timestamp},
};
use std::io::{self, Write};

pub(super) const KIND: OutputKind = OutputKind { name: "stdout", summary: "Standard output", options: &[], build };

struct Stdout {
    codec: Box<dyn Encoder>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    Some(Box::new(Stdout { codec: plugins::encoder(options, "rubydebug")? }))
}

impl Output for Stdout {
    fn encode(&self, event: &Event, now: Timestamp, out: &mut String) {
        self.codec.encode(event, now, out);
    }

    fn shares(&self) -> Option<&'static str> {
        Some("stdout")
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Standard))
    }
}

struct Standard;

impl Sink for Standard {
    fn write(&mut self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }
}
