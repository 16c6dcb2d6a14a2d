//! `key=value key="quoted value"`, as Go's loggers and Heroku write it.
//!
//! Prose holds equal signs too, so the whole line must be pairs: at least two, or one that a logger surely wrote
//! (`level=`, `msg=`). A value that ends in a comma, holds a bare quote, or a word without `=` makes the line text.
//! Values without quotes that are canonical numbers or booleans become such; `1.10` and `007` stay text.

use super::{Below, Context, Format, Starts, auditd, loggers, normalize};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::json::{Budget, string};
use memchr::memchr;
use nom::Parser;
use nom::branch::alt;

/// Keys longer than this are prose.
const KEY_BYTES_MAX: usize = 64;

/// Key-value pairs.
pub const FORMAT: Format = Format {
    name: "logfmt",
    summary: "key=value pairs: logrus, slog, go-kit, Grafana, Heroku",
    example: r#"time=2026-01-02T03:04:05.678Z level=info msg="listening on all" port=8080"#,
    rank: 11,
    starts: Starts::LOWER.or(Starts::UPPER).or(Starts::of(b"_.-@/")),
    below: Below::Apart,
    probe,
    parse,
};

fn probe(line: &[u8]) -> bool {
    let end = line.iter().take(KEY_BYTES_MAX + 1).take_while(|b| is_key_byte(**b)).count();
    // The pairs of Linux' audit have names and a time of their own.
    end > 0 && line.get(end) == Some(&b'=') && !line[0].is_ascii_digit() && !auditd::probe(line)
}

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let mut budget = Budget::default();
    let mut pairs = 0_usize;
    let mut rest = line.trim_end_matches([' ', '\r']);
    while !rest.is_empty() {
        let (after, (key, value)) = prefix(line, pair(rest))?;
        rest = after;
        pairs += 1;
        if budget.take_leaf() {
            fields.push(key, value);
        }
    }
    let known = |key: &str| matches!(key, "level" | "lvl" | "msg" | "message" | "severity");
    if pairs < 2 && !fields.items.iter().any(|field| known(&field.name) && field.value != Value::text("")) {
        return Err(ParseError::at(line, rest, "a second pair"));
    }
    fields.tags.extend(budget.tags());
    loggers::rename(&mut fields, context);
    normalize::normalize(&mut fields, context);
    Ok(fields)
}

/// One pair and the spaces behind it.
pub(super) fn pair(input: &str) -> Step<'_, (&str, Value<'_>)> {
    let (rest, key) = key(input)?;
    let (rest, value) = alt((quoted, bare)).parse(rest)?;
    let after = rest.trim_start_matches(' ');
    if after.len() == rest.len() && !rest.is_empty() { stop(rest, "a space") } else { Ok((after, (key, value))) }
}

/// A key with its `=`.
fn key(input: &str) -> Step<'_, &str> {
    let bytes = input.as_bytes();
    let end = bytes.iter().take(KEY_BYTES_MAX + 1).take_while(|b| is_key_byte(**b)).count();
    if end == 0 || bytes[0].is_ascii_digit() {
        return stop(input, "a key");
    }
    if bytes.get(end) == Some(&b'=') { Ok((&input[end + 1..], &input[..end])) } else { stop(&input[end..], "`=`") }
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b'@' | b'/')
}

/// A value in double quotes, with the escapes of JSON, or in single ones, as Ruby's loggers write errors.
fn quoted(input: &str) -> Step<'_, Value<'_>> {
    if let Some(inner) = input.strip_prefix('"') {
        return string(inner).map(|(rest, text)| (rest, Value::Str(text)));
    }
    let inner = input.strip_prefix('\'').unwrap_or_default();
    match memchr(b'\'', inner.as_bytes()) {
        Some(end) if matches!(inner.as_bytes().get(end + 1), None | Some(b' ')) => {
            Ok((&inner[end + 1..], Value::text(&inner[..end])))
        }
        _ => stop(input, "a quote"),
    }
}

/// A value up to the next space, possibly empty.
fn bare(input: &str) -> Step<'_, Value<'_>> {
    let end = memchr(b' ', input.as_bytes()).unwrap_or(input.len());
    let (text, rest) = input.split_at(end);
    if text.ends_with(',') || memchr(b'"', text.as_bytes()).is_some() {
        return stop(input, "a value without comma or quote");
    }
    Ok((rest, scalar(text)))
}

/// A number or boolean if that prints back as the same text.
pub(super) fn scalar(text: &str) -> Value<'_> {
    match text.as_bytes() {
        [b'0'..=b'9' | b'-', ..] => number(text).unwrap_or(Value::text(text)),
        b"true" => Value::Bool(true),
        b"false" => Value::Bool(false),
        _ => Value::text(text),
    }
}

fn number(text: &str) -> Option<Value<'_>> {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').map_or((unsigned, None), |(whole, part)| (whole, Some(part)));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    match fraction {
        None => text.parse().ok().filter(|_| text != "-0").map(Value::Int),
        Some(part) if digits(part) && (part == "0" || !part.ends_with('0')) && whole.len() + part.len() <= 15 => {
            text.parse().ok().map(Value::Float)
        }
        Some(_) => None,
    }
}
