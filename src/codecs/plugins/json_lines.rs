//! `json_lines`: [`json`](super::json), one object a line.

use super::{CodecKind, Encoder, FramingKind, json};
use crate::config::Options;

pub(super) const KIND: CodecKind = CodecKind {
    name: "json_lines",
    summary: "JSON objects, one a line",
    options: &["charset", "decode_size_limit_bytes", "delimiter", "target"],
    framing: FramingKind::Lines,
    decoder: Some(json::line_decoder),
    encoder: Some(encoder),
};

fn encoder(options: &mut Options<'_>) -> Option<Box<dyn Encoder>> {
    Some(Box::new(json::Object { end: options.text("delimiter").unwrap_or_else(|| "\n".to_owned()) }))
}
