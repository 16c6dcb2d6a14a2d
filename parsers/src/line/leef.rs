//! IBM QRadar's Log Event Extended Format: `LEEF:2.0|vendor|product|version|id|^|key=value^key=value`; version 1.0 has no
//! separator of its own and uses tabs. Alone or behind a syslog header.
//!
//! Source: IBM's "LEEF event components" and "Predefined LEEF event attributes". The separator is a character or its code
//! (`x5E`, `0x5E`). Known keys get the same names as in [`cef`], others are `leef.extensions.KEY`. A format without text
//! for people: the message is `msg` if there is one, else the whole line. `devTimeFormat` is not followed.

use super::{Below, Context, Format, Starts, cef};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::grammar::{Step, prefix, stop};
use crate::json::Budget;
use std::borrow::Cow;

/// LEEF.
pub const FORMAT: Format = Format {
    name: "leef",
    summary: "IBM QRadar LEEF 1.0 and 2.0",
    example: "LEEF:2.0|Acme|Wall|1.2|deny|^|src=192.0.2.7^dst=198.51.100.2^sev=7^usrName=ann",
    rank: 63,
    starts: Starts::of(b"L"),
    below: Below::Apart,
    probe: |line| line.starts_with(b"LEEF:1.") || line.starts_with(b"LEEF:2."),
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    prefix(line, event(line, context, &mut fields))?;
    if fields.get("message").is_none() {
        fields.push("message", Value::text(line));
    }
    Ok(fields)
}

fn event<'a>(line: &'a str, context: &Context, fields: &mut Fields<'a>) -> Step<'a, ()> {
    let (rest, version) = part(line)?;
    let (rest, vendor) = part(rest)?;
    let (rest, product) = part(rest)?;
    let (rest, product_version) = part(rest)?;
    let (rest, id) = part(rest)?;
    let (separator, rest) = match version {
        "LEEF:1.0" => ('\t', rest),
        "LEEF:2.0" => separator(rest).unwrap_or(('\t', rest)),
        _ => return stop(line, "version 1.0 or 2.0"),
    };
    fields.push_present("observer.vendor", vendor);
    fields.push_present("observer.product", product);
    fields.push_present("observer.version", product_version);
    fields.push_present("event.code", id);
    let mut budget = Budget::default();
    for (key, value) in rest.split(separator).filter_map(|pair| pair.split_once('=')) {
        let key = key.trim();
        if key == "sev" {
            cef::put_severity(value.trim(), fields);
        } else if !key.is_empty() && budget.take_leaf() {
            cef::put_pair("leef", key, Cow::Borrowed(value.trim()), context, fields);
        }
    }
    fields.tags.extend(budget.tags());
    Ok(("", ()))
}

/// Up to the next bar; may be empty.
fn part(input: &str) -> Step<'_, &str> {
    input.split_once('|').map_or_else(|| stop(input, "a bar"), |(part, rest)| Ok((rest, part)))
}

/// `^|`, `x5E|` or `0x5E|`; an empty one means the tab.
fn separator(input: &str) -> Option<(char, &str)> {
    let end = input.bytes().take(7).position(|b| b == b'|')?;
    let (text, rest) = (&input[..end], &input[end + 1..]);
    let code = text.strip_prefix("0x").or_else(|| text.strip_prefix('x')).filter(|code| !code.is_empty());
    let letter = match code {
        Some(code) => u32::from_str_radix(code, 16).ok().and_then(char::from_u32)?,
        None if text.is_empty() => '\t',
        None => text.chars().next().filter(|letter| letter.len_utf8() == text.len())?,
    };
    Some((letter, rest))
}
