//! Names before the lines of several programs: `web-1  | text`, of `docker compose logs`, `docker service logs`
//! (`web.1.k3jd8@node  | text`), foreman and honcho (`03:04:05 web.1  | text`).
//!
//! Source: the output of these commands. A name must end in its number, since `name | text` is also how tables are
//! printed; containers that were given a name of their own stay text. What the program wrote is read by the format
//! that it has.

use super::{Below, Context, Format, Starts, enclosed};
use crate::envelope::Opened;
use crate::error::ParseError;
use crate::fields::{Fields, Value};
use memchr::memchr;

/// The name and the blanks behind it take no more than this.
const PREFIX_BYTES_MAX: usize = 128;
/// foreman's time of day: `03:04:05 `.
const CLOCK_BYTES: usize = 9;

/// Compose.
pub const FORMAT: Format = Format {
    name: "compose",
    summary: "names before lines: docker compose, docker service, foreman; what the program wrote is read by its own format",
    example: "web-1  | 2026-01-02T03:04:05Z INFO listening on :8080",
    rank: 2,
    starts: Starts::DIGIT.or(Starts::LOWER).or(Starts::UPPER),
    below: Below::Whole,
    probe: |line| open(line).is_some(),
    parse,
};

fn parse<'a>(line: &'a str, context: &Context) -> Result<Fields<'a>, ParseError> {
    let Some(opened) = open(line.as_bytes()) else {
        return Err(ParseError::at(line, line, "a name with a number, two blanks and a bar"));
    };
    let mut fields = Fields::default();
    let name = std::str::from_utf8(opened.stream).unwrap_or_default();
    let (name, node) = name.split_once('@').unwrap_or((name, ""));
    fields.push("container.name", Value::text(name));
    let service = name.find('.').or(name.rfind(['-', '_'])).map_or(name, |end| &name[..end]);
    fields.push_present("service.name", service);
    fields.push_present("host.name", node);
    enclosed::put(&line[opened.text_start..], context, &mut fields);
    Ok(fields)
}

/// See [`crate::envelope::open`].
pub(crate) fn open(line: &[u8]) -> Option<Opened<'_>> {
    let bar = memchr(b'|', &line[..line.len().min(PREFIX_BYTES_MAX)])?;
    let text_start = match line.get(bar + 1) {
        Some(b' ') => bar + 2,
        None => bar + 1,
        Some(_) => return None,
    };
    let start = match line {
        [_, _, b':', _, _, b':', _, _, b' ', ..] if bar > CLOCK_BYTES => CLOCK_BYTES,
        _ => 0,
    };
    let name = line[start..bar].trim_ascii_end();
    (name.len() < bar - start && is_numbered(name)).then_some(Opened {
        stream: name,
        text_start,
        text_end: line.len(),
        escaped: false,
        partial: false,
    })
}

/// `web-1`, `web_1`, `web.1`, `web.1.k3jd8@node`.
fn is_numbered(name: &[u8]) -> bool {
    let (task, node) = match memchr(b'@', name) {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (name, &b"node"[..]),
    };
    if !enclosed::is_name(task) || !enclosed::is_name(node) {
        return false;
    }
    let digits = |text: &[u8]| text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    // A task of a swarm has its id behind the number.
    let numbered =
        if task.len() < name.len() { task.rsplitn(2, |b| *b == b'.').nth(1).unwrap_or_default() } else { task };
    let count = digits(numbered);
    count > 0 && count + 1 < numbered.len() && matches!(numbered[numbered.len() - count - 1], b'-' | b'_' | b'.')
}
