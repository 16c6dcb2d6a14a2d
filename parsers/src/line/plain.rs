//! Any text: whatever no other format takes.
//!
//! A line of most loggers is a header and a text: a stamp, a level, a process, a thread, a logger, a place in the source, in many
//! orders and brackets. What of it is surely understood goes to fields, and the message is the text behind it. What is not
//! understood stays in the message, so no byte is lost; a line of prose is its own message. A level is a word of the header,
//! never of the text: a line that begins with `Error:` has the level and keeps its words. Colours of terminals are removed.

mod header;
mod words;

use super::{Below, Context, Format, Starts, access, inner, pairs};
use crate::error::ParseError;
use crate::fields::{Fields, Places, Value};
use crate::time::{begins_with_layout, leading_stamp};
use memchr::{memchr, memmem};

/// Everything else.
pub const FORMAT: Format = Format {
    name: "plain",
    summary: "any text: stamp, level, process, thread, logger and place are read where a line begins with them",
    example: "2026-01-02 03:04:05,678 [main] ERROR shop.Cart - no such item",
    rank: u8::MAX,
    starts: Starts::ANY,
    below: Below::Message,
    probe: |_| true,
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    if memchr(0x1b, line.as_bytes()).is_none() {
        return Ok(text(line, context));
    }
    let bare = without_colours(line);
    Ok(text(&bare, context).into_owned())
}

fn text<'a>(line: &'a str, context: &Context) -> Fields<'a> {
    let mut fields = Fields::default();
    if let Some((namespace, text, millis)) = line.starts_with("  ").then(|| header::layouts::of_debug(line)).flatten() {
        fields.push("log.logger", Value::text(namespace));
        fields.push("debug.diff", Value::Int(millis));
        fields.push("message", Value::text(text));
        return fields;
    }
    let (header, end) = header::read(line, context);
    let (logger, alone) = (header.is_of_logger(), header.is_stamp_alone());
    header.put(context, &mut fields);
    match line.get(end..) {
        // A line that is a stamp says no more than that; with a space behind the stamp its text is empty.
        Some("") if !alone || line.ends_with(' ') => fields.push("message", Value::text(&line[end..])),
        Some(text) if end > 0 && access::put_request_line(text, &mut fields) => {
            // An access line is read whole; only a level is no part of it.
            let whole = fields.get("log.level").is_none();
            fields.push("message", Value::text(if whole { line } else { text }));
        }
        Some(text) if end > 0 && !text.is_empty() => message(text, logger, context, &mut fields),
        _ => {
            access::put_morgan(line, &mut fields);
            fields.push("message", Value::text(line));
        }
    }
    fields
}

/// The text behind the header. What is structured in it is parsed; what is for people stays the message.
fn message<'a>(text: &'a str, logger: bool, context: &Context, fields: &mut Fields<'a>) {
    if let Some(inner) = inner::structured(text, context) {
        inner::merge(inner, fields);
        if fields.get("message").is_none() {
            fields.push("message", Value::text(text));
        }
        return;
    }
    fields.push("message", Value::text(text));
    // `text\t{"item": 7}`, of zap.
    if text.ends_with('}')
        && let Some(tab) = memmem::find(text.as_bytes(), b"\t{")
        && let Some(inner) = inner::structured(&text[tab + 1..], context)
    {
        let mut places = Places::default();
        for field in inner.items {
            if places.of(&field.name, fields).is_none() {
                fields.push(field.name, field.value);
            }
        }
        return;
    }
    if let Some((file, line)) = text.strip_prefix("PHP ").and_then(words::php_place) {
        fields.push("log.origin.file.name", Value::text(file));
        fields.push("log.origin.file.line", Value::Int(line));
    } else if logger {
        // `order placed id=4711`, of zerolog, slog, charm and others: only behind a header, prose has equal signs too.
        pairs::add_trailing(text, context, fields);
    }
}

/// The text without `ESC [ 32 m` and the like.
pub(crate) fn without_colours(line: &str) -> String {
    let mut bare = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(found) = memchr(0x1b, rest.as_bytes()) {
        bare.push_str(&rest[..found]);
        let sequence = &rest.as_bytes()[found + 1..];
        let parameters = sequence.iter().skip(1).take_while(|b| b.is_ascii_digit() || matches!(b, b';' | b':')).count();
        rest = match (sequence.first(), sequence.get(1 + parameters)) {
            (Some(b'['), Some(b'm' | b'K')) => &rest[found + 1 + 1 + parameters + 1..],
            _ => {
                bare.push('\u{1b}');
                &rest[found + 1..]
            }
        };
    }
    bare.push_str(rest);
    bare
}

/// Whether a line is the first of two of java.util.logging: `Jan 02, 2026 3:04:05 AM com.example.Shop main`. The second
/// begins with the level.
pub(crate) fn is_first_of_two(line: &str) -> bool {
    if !line.starts_with(|first: char| first.is_ascii_uppercase()) {
        return false;
    }
    let Some((rest, _)) = leading_stamp(line, &Context::default()) else { return false };
    let mut words = rest.split_ascii_whitespace();
    // A class has a capital where it is in no package.
    let class = |word: &str| {
        words::is_dotted(word) || words::is_name(word) && word.starts_with(|first: char| first.is_ascii_uppercase())
    };
    words.next().is_some_and(class) && words.next().is_none_or(words::is_method) && words.next().is_none()
}

/// Whether a line is `INFO: text`, the second of two.
pub(crate) fn is_second_of_two(line: &str) -> bool {
    let head = line.get(..line.len().min(9)).filter(|head| head.starts_with(|first: char| first.is_ascii_uppercase()));
    head.and_then(|head| head.split_once(": ")).is_some_and(|(level, _)| words::capital_level(level).is_some())
}

/// Whether a line begins with a stamp that a log line would begin with, or with a level and a stamp: decided on its first bytes.
pub(crate) fn begins_with_stamp(line: &[u8]) -> bool {
    match line {
        [b'0'..=b'9' | b'(' | b'@', ..] => begins_with_layout(line),
        // `E, [2026-...`, of Ruby's logger.
        [b'A'..=b'Z', b',', b' ', tail @ ..] => begins_with_layout(tail),
        [b'[', ..] | [b'A'..=b'Z', _, _, ..] => {
            begins_with_layout(line) || behind_level(line).is_some_and(begins_with_layout)
        }
        _ => false,
    }
}

/// What follows a level at the beginning: `INFO `, `[WARN] `, `ERROR [main] `.
fn behind_level(line: &[u8]) -> Option<&[u8]> {
    let bare = line.strip_prefix(b"[").unwrap_or(line);
    let end = bare.iter().take(9).take_while(|b| b.is_ascii_uppercase()).count();
    super::level::from_word(std::str::from_utf8(&bare[..end]).ok()?).filter(|_| end > 2)?;
    let rest = &bare[end..];
    Some(rest.trim_ascii_start().strip_prefix(b"]").unwrap_or(rest).trim_ascii_start())
}
