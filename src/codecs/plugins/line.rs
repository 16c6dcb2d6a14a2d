//! `line`: a line is a message; written as [`plain`](super::plain) does, with a line end behind.

use super::{CodecKind, Encoder, FramingKind, plain};
use crate::config::Options;

pub(super) const KIND: CodecKind = CodecKind {
    name: "line",
    summary: "Messages, one a line",
    options: &["charset", "delimiter", "format"],
    framing: FramingKind::Lines,
    decoder: Some(plain::decoder),
    encoder: Some(encoder),
};

fn encoder(options: &mut Options<'_>) -> Option<Box<dyn Encoder>> {
    let end = options.text("delimiter").unwrap_or_else(|| "\n".to_owned());
    plain::with_end(options, end)
}
