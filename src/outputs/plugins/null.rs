//! `null`: events go nowhere.

use super::{Encoded, Output, OutputKind, Refused, Sink, SinkError};
use crate::{
    config::Options,
    event::{Event, Timestamp},
    flow::Stop,
};
use std::io;

pub(super) const KIND: OutputKind =
    OutputKind { name: "null", summary: "Nowhere", options: &[], needs_log: false, build };

struct Null;

fn build(_: &mut Options<'_>) -> Option<Box<dyn Output>> {
    Some(Box::new(Null))
}

impl Output for Null {
    fn encode(&self, _: &Event, _: Timestamp, out: &mut Encoded) {
        // Counted as any other.
        out.end("", None);
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Null))
    }
}

impl Sink for Null {
    fn deliver(&mut self, batch: &mut Encoded, _: &mut Vec<Refused>, _: &Stop) -> Result<(), SinkError> {
        batch.all_done();
        Ok(())
    }
}
