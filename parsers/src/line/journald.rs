//! The journal export format: `journalctl -o export`, one `NAME=value` a line, entries parted by blank lines.
//!
//! Source: systemd's documentation of the journal export format. Names and values mean what they mean in the journal's JSON. A
//! field whose value holds line ends has it in binary, which is no text: such a field is left out.

use super::{Below, Context, Format, Starts, normalize};
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use crate::json::Budget;

/// With what every entry begins.
const LEAD: &str = "__CURSOR=";

/// The journal's export.
pub const FORMAT: Format = Format {
    name: "journald",
    summary: "systemd's journal as journalctl -o export writes it (its JSON is read as JSON)",
    example: "__CURSOR=s=0f;i=2a;b=1c;m=3d;t=4e;x=5f",
    rank: 79,
    starts: Starts::of(b"_"),
    below: Below::Whole,
    probe: begins,
    parse,
};

/// Whether an entry begins here.
pub(crate) fn begins(line: &[u8]) -> bool {
    line.starts_with(LEAD.as_bytes())
}

/// Whether the line is a field of an entry.
pub(crate) fn is_field(line: &[u8]) -> bool {
    let name = line.iter().take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b'_').count();
    name > 0 && line.get(name) == Some(&b'=')
}

fn parse<'a>(entry: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let mut fields = Fields::default();
    let mut budget = Budget::default();
    for line in entry.lines() {
        let Some((name, value)) = line.split_once('=').filter(|_| is_field(line.as_bytes())) else {
            return Err(ParseError::at(entry, line, "a field of the journal"));
        };
        if budget.take_leaf() {
            fields.push(name, Value::text(value));
        }
    }
    fields.tags.extend(budget.tags());
    normalize::normalize(&mut fields, context);
    Ok(fields)
}
