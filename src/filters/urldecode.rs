//! `urldecode { field => "path" }`: `%20` becomes a space, in texts and in all that lists and objects hold.
//!
//! `+` stays. Bytes that are no UTF-8 are shown as `\xD3`; those of another `charset` are read as that. `all_fields` takes every
//! field.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict, tags};
use crate::{
    config::Options,
    event::{Event, Value},
};
use encoding_rs::{Encoding, UTF_8};
use logship_parsers::config::{Diagnostic, FieldRef, typed};
use std::fmt::Write as _;

pub(super) const KIND: FilterKind = FilterKind {
    name: "urldecode",
    summary: "Decodes the percent signs of URLs",
    options: &["all_fields", "charset", "field", "tag_on_failure"],
    build,
};

#[derive(Debug)]
struct UrlDecode {
    /// None where it is all fields.
    field: Option<FieldRef>,
    charset: &'static Encoding,
    tag_on_failure: Vec<String>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let charset = options.get("charset", |value| {
        let name = typed::text(value)?;
        let unknown = || Diagnostic::error(value.span.0, format!("there is no encoding `{name}`"));
        Encoding::for_label(name.as_bytes()).ok_or_else(unknown)
    });
    let field = options.field("field").unwrap_or_else(|| FieldRef { parts: vec!["message".to_owned()] });
    Some(Box::new(UrlDecode {
        field: (!options.flag("all_fields", false)).then_some(field),
        charset: charset.unwrap_or(UTF_8),
        tag_on_failure: tags(options, "tag_on_failure", "_urldecodefailure"),
    }))
}

impl Filter for UrlDecode {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        match &self.field {
            None => {
                let fields = std::mem::take(&mut event.fields);
                event.fields = fields.into_iter().map(|(key, value)| (key, self.decoded(value))).collect();
            }
            Some(field) => {
                let Some(value) = event.get(field).map(std::borrow::Cow::into_owned) else {
                    return Ok(Verdict::Matched);
                };
                let decoded = self.decoded(value);
                event.set(field, decoded).map_err(|cause| FilterError::new(&self.tag_on_failure, cause))?;
            }
        }
        Ok(Verdict::Matched)
    }
}

impl UrlDecode {
    fn decoded(&self, value: Value) -> Value {
        match value {
            Value::Str(text) if text.contains('%') => Value::from(self.text(&text)),
            Value::List(items) => Value::List(items.into_iter().map(|item| self.decoded(item)).collect()),
            Value::Map(map) => Value::Map(map.into_iter().map(|(key, value)| (key, self.decoded(value))).collect()),
            other => other,
        }
    }

    fn text(&self, text: &str) -> String {
        let bytes = percent_decoded(text.as_bytes());
        if self.charset != UTF_8 {
            return self.charset.decode_without_bom_handling(&bytes).0.into_owned();
        }
        let mut out = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            out.push_str(chunk.valid());
            for byte in chunk.invalid() {
                _ = write!(out, "\\x{byte:02X}");
            }
        }
        out
    }
}

pub(crate) fn percent_decoded(bytes: &[u8]) -> Vec<u8> {
    let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match (byte, hex(at + 1), hex(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push((high * 16 + low) as u8);
                at += 3;
            }
            _ => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    out
}
