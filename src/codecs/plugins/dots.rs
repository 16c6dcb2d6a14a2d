//! `dots`: a dot for each event.

use super::{CodecKind, Encoder, FramingKind};
use crate::event::{Event, Timestamp};

pub(super) const KIND: CodecKind = CodecKind {
    name: "dots",
    summary: "A dot for each event",
    options: &[],
    framing: FramingKind::Messages,
    decoder: None,
    encoder: Some(|_| Some(Box::new(Dots))),
};

#[derive(Debug)]
struct Dots;

impl Encoder for Dots {
    fn encode(&self, _: &Event, _: Timestamp, out: &mut String) {
        out.push('.');
    }
}
