//! `pipeline { send_to => ["main", "audit"] }`: events to other pipelines of the process, which listen at these addresses.
//!
//! All get every event, with its `@metadata`. Where nobody listens it is tried again, for ever, unless `ensure_delivery` is false.

use super::{Encoded, Output, OutputKind, Refused, Sink, SinkError};
use crate::{
    codecs::plugins::event as whole,
    config::Options,
    event::{Event, Timestamp},
    flow::{Addresses, Stop},
};
use bytes::Bytes;
use logship_parsers::config::typed;
use std::{io, sync::Arc};

pub(super) const KIND: OutputKind = OutputKind {
    name: "pipeline",
    summary: "Other pipelines of this process",
    options: &["ensure_delivery", "send_to"],
    needs_log: false,
    build,
};

#[derive(Clone)]
struct Pipeline {
    to: Vec<String>,
    is_ensured: bool,
    addresses: Arc<Addresses>,
    /// To how many of them what is left was sent.
    sent: usize,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Output>> {
    options.required("send_to", |_| Ok(()))?;
    let to = options.each("send_to", |value| typed::text(value).map(str::to_owned));
    let addresses = options.settings().addresses.clone();
    Some(Box::new(Pipeline { to, is_ensured: options.flag("ensure_delivery", true), addresses, sent: 0 }))
}

impl Output for Pipeline {
    fn encode(&self, event: &Event, _: Timestamp, out: &mut Encoded) {
        whole::write(event, out.text_mut());
        out.end("", None);
    }

    fn open(&self) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(self.clone()))
    }
}

impl Sink for Pipeline {
    fn deliver(&mut self, batch: &mut Encoded, _: &mut Vec<Refused>, stop: &Stop) -> Result<(), SinkError> {
        let events: Vec<Bytes> = batch.items().map(|(text, _)| Bytes::copy_from_slice(text.as_bytes())).collect();
        while let Some(address) = self.to.get(self.sent) {
            if self.addresses.send(address, events.clone(), stop).is_err() && self.is_ensured {
                return Err(SinkError::again(format!("no pipeline listens at the address `{address}`")));
            }
            self.sent += 1;
        }
        self.sent = 0;
        batch.all_done();
        Ok(())
    }
}
