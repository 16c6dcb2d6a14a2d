//! Rust's `tracing-subscriber`, its formats full and compact: `2026-01-02T03:04:05.678901Z  INFO request{method=GET}: shop::cart: text id=7`.
//!
//! The stamp ends in `Z` and the level is set flush right in five columns. Then may come a thread's name, its id, the spans,
//! the target, which is the logger, and a place. Spans stay in `tracing.spans`. The pairs behind the text become fields and stay in
//! the message. Whether a single bare name is a span or the target is told by what follows: a path with `::` is a target, and
//! of two bare names the first, unless it is `request`, the span of tower-http. Without a stamp a line is [`plain`](super::plain)'s, as are those of the format `pretty`.

use super::{Below, Context, Format, Starts, pairs};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::line::level::from_word;
use crate::time::iso8601_prefix;
use memchr::memchr;

/// A name of a span, a target or a thread is no longer than this.
const NAME_BYTES_MAX: usize = 160;
/// The fields of all spans are no longer than this.
const SPANS_BYTES_MAX: usize = 4096;
/// Where the `Z` of a stamp with microseconds stands.
const MICROS_END: usize = 26;
/// A stamp with nanoseconds.
const STAMP_BYTES_MAX: usize = 30;

/// The span that tower-http's `TraceLayer` opens, whose fields the compact format puts behind the text.
const REQUEST_SPAN: &str = "request";

/// tracing-subscriber.
pub const FORMAT: Format = Format {
    name: "tracing",
    summary: "Rust's tracing-subscriber, full and compact",
    example: r#"2026-01-02T03:04:05.678901Z  INFO request{method=GET path="/cart"}: shop::cart: answered status=200"#,
    rank: 156,
    starts: Starts::DIGIT,
    below: Below::Message,
    probe,
    parse,
};

/// A stamp with a fraction and `Z`, and a level in five columns.
fn probe(line: &[u8]) -> bool {
    let Some(end) = memchr(b'Z', &line[..line.len().min(STAMP_BYTES_MAX + 1)]) else { return false };
    let level = line.get(end + 1..end + 8);
    // Milliseconds are Spring Boot's, whose level is set flush right as well.
    matches!(line, [b'1' | b'2', _, _, _, b'-', _, _, b'-', _, _, b'T', ..])
        && line.get(19) == Some(&b'.')
        && end >= MICROS_END
        && matches!(level, Some([b' ', b' ' | b'T' | b'D' | b'E', _, _, _, b'A'..=b'Z', b' ']))
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let (text, ()) = prefix(line, header(line, context, &mut fields))?;
    fields.push("message", Value::text(text));
    pairs::add_trailing(text, context, &mut fields);
    Ok(fields)
}

fn header<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, stamp) = iso8601_prefix(line, context.utc_offset_s)?;
    let word = rest.get(1..6).unwrap_or_default().trim_start();
    let Some(level) = matches!(word, "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR").then(|| from_word(word)).flatten()
    else {
        return stop(rest, "a level flush right");
    };
    stamp.put(fields);
    fields.push("log.level", Value::text(level));
    let mut rest = rest.get(7..).unwrap_or_default();
    rest = threads(rest, fields);
    let (after, spans, target) = spans_and_target(rest);
    if !spans.is_empty() {
        fields.push("tracing.spans", Value::text(spans));
    }
    if let Some(target) = target {
        fields.push("log.logger", Value::text(target));
    }
    let (after, place) = place(after);
    if let Some((file, line)) = place {
        fields.push("log.origin.file.name", Value::text(file));
        fields.push("log.origin.file.line", Value::Int(i64::from(line)));
    }
    Ok((after, ()))
}

/// `main ThreadId(01) `, or one of the two.
fn threads<'a>(input: &'a str, fields: &mut Fields<'a>) -> &'a str {
    let mut rest = input;
    let end = input.bytes().take(NAME_BYTES_MAX).position(|b| b == b' ').unwrap_or(0);
    let (word, tail) = input.split_at(end);
    let known = word == "main" || word.contains("worker") || word.contains("thread");
    let named = known && !word.ends_with(':') && !word.contains(['{', '=']);
    if named || (end > 0 && tail.trim_start().starts_with("ThreadId(") && !word.starts_with("ThreadId(")) {
        fields.push("process.thread.name", Value::text(word));
        rest = tail.trim_start();
    }
    let id = rest.strip_prefix("ThreadId(").and_then(|text| text.split_once(") "));
    if let Some((id, after)) = id.and_then(|(id, after)| Some((id.parse::<u32>().ok()?, after))) {
        fields.push("process.thread.id", Value::Int(i64::from(id)));
        rest = after;
    }
    rest
}

/// The text behind spans and target, and the two.
pub(super) fn spans_and_target(input: &str) -> (&str, &str, Option<&str>) {
    let Some((first, rest)) = chain(input) else { return (input, "", None) };
    let spans = first.contains('{') || first == REQUEST_SPAN || first.replace("::", "").contains(':');
    match chain(rest) {
        Some((second, after))
            if !second.contains('{') && (spans || (second.contains("::") && !first.contains("::"))) =>
        {
            (after, first, Some(second))
        }
        _ if spans && first != REQUEST_SPAN => (rest, first, None),
        _ => (rest, "", Some(first)),
    }
}

/// Names with or without fields in braces, joined by colons and ended by one and a space.
fn chain(input: &str) -> Option<(&str, &str)> {
    let bytes = input.as_bytes();
    let mut at = 0;
    loop {
        let name = bytes[at..].iter().take(NAME_BYTES_MAX).take_while(|b| is_name_byte(**b)).count();
        if name == 0 {
            return None;
        }
        at += name;
        if bytes.get(at) == Some(&b'{') {
            at += braces(&bytes[at..])?;
        }
        match bytes.get(at..) {
            Some([b':', b' ', ..]) => return Some((&input[..at], &input[at + 2..])),
            Some([b':']) => return Some((&input[..at], "")),
            Some([b':', b':', ..]) => at += 2,
            Some([b':', ..]) => at += 1,
            _ => return None,
        }
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
}

/// How long what stands in braces is, with them; braces and quotes in values count.
fn braces(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, byte) in bytes.iter().take(SPANS_BYTES_MAX).enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => depth += 1,
            b'}' if !quoted => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// `src/main.rs:12: `, or `src/main.rs: `.
fn place(input: &str) -> (&str, Option<(&str, u32)>) {
    let end = input.bytes().take(NAME_BYTES_MAX).position(|b| b == b' ').unwrap_or(input.len());
    let found = input.get(..end).and_then(|word| word.strip_suffix(':')).and_then(|word| {
        let (file, line) = word.rsplit_once(':')?;
        file.ends_with(".rs").then_some((file, line.parse::<u32>().ok()?))
    });
    match found {
        Some(found) => (input.get(end + 1..).unwrap_or_default(), Some(found)),
        None => (input, None),
    }
}
