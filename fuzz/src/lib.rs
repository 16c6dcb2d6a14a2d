//! What must hold for any input, one function a fuzz target. `parsers/tests/fuzz.rs` includes this file to check the
//! inputs that once broke something. What must hold for filters is in `filters.rs`, which `tests/it/fuzz.rs` includes.
//!
//! A function panics where an invariant does not hold, and says which.

mod config;
mod grok;
mod json;
mod lines;
mod query;
mod template;

pub use config::config;
pub use grok::grok;
pub use json::json;
pub use lines::{detect, formats, join, syslog};
pub use query::query;
pub use template::template;

use logship_parsers::json::{DEPTH_MAX, LEAVES_MAX, TOO_DEEP_TAG, TOO_MANY_TAG};
use logship_parsers::line::{Context, explain};
use logship_parsers::time::OUT_OF_RANGE_TAG;
use logship_parsers::{Fields, Value};
use std::borrow::Cow;

/// The most fields of a line: its leaves, and those of its header and of the sentence in its message.
const FIELDS_MAX: usize = 2 * LEAVES_MAX + 64;
/// The longest text that a parser knows by itself, such as the name of a level.
const KNOWN_BYTES_MAX: usize = 32;
/// How many times the length of a line the texts may be that were rebuilt from it. A line with colours is rebuilt whole,
/// and a part of it may stand in the message, too.
const REBUILT_MAX: usize = 8;

/// What a parser knows besides the line, from the first bytes of an input, and the rest of it as text.
fn context(input: &[u8]) -> (Context<'static>, Cow<'_, str>) {
    let Some((head, rest)) = input.split_first_chunk::<4>() else {
        return (Context::default(), String::from_utf8_lossy(input));
    };
    // Every 32 hours of the years 1850 to 2089, and eighths of an hour for zones.
    let received = (i64::from(u16::from_be_bytes([head[0], head[1]])) - 32_768) * 32 * 3_600_000_000_000;
    let header = (head[3] & 2 != 0).then_some("#Fields: date time c-ip cs-method cs-uri-stem sc-status time-taken");
    let utc_offset_s = (i32::from(head[2]) - 128) * 450;
    (
        Context {
            received,
            utc_offset_s,
            day_first: head[3] & 1 != 0,
            header,
            enclosed: head[3] & 4 != 0,
            inside: None,
        },
        String::from_utf8_lossy(rest),
    )
}

/// What holds for the fields of any line, whatever its format.
fn check_fields(line: &str, fields: &Fields<'_>) {
    assert!(fields.items.len() <= FIELDS_MAX, "{} fields", fields.items.len());
    let mut rebuilt = 0;
    fields.items.iter().for_each(|field| check_value(line, &field.value, 0, &mut rebuilt));
    assert!(rebuilt <= REBUILT_MAX * line.len(), "{rebuilt} bytes rebuilt of {}", line.len());
    if let Some(Value::Str(level)) = fields.get("log.level") {
        assert!(!level.bytes().any(|byte| byte.is_ascii_uppercase()), "the level {level:?}");
    }
    for (at, tag) in fields.tags.iter().enumerate() {
        assert!([OUT_OF_RANGE_TAG, TOO_DEEP_TAG, TOO_MANY_TAG].contains(tag), "the tag {tag}");
        assert!(!fields.tags[..at].contains(tag), "{tag} twice");
    }
}

fn check_value(line: &str, value: &Value<'_>, depth: usize, rebuilt: &mut usize) {
    assert!(depth <= DEPTH_MAX, "deeper than {DEPTH_MAX}");
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) => {}
        Value::Float(number) => assert!(number.is_finite(), "{number}"),
        Value::Str(Cow::Owned(text)) => *rebuilt += text.len(),
        Value::Str(Cow::Borrowed(text)) => {
            let known = text.len() <= KNOWN_BYTES_MAX && text.is_ascii();
            assert!(known || explain::place(line, text).is_some(), "{text:?} is no part of the line");
        }
        Value::List(items) => items.iter().for_each(|item| check_value(line, item, depth + 1, rebuilt)),
        Value::Map(members) => members.iter().for_each(|(_, member)| check_value(line, member, depth + 1, rebuilt)),
    }
}
