//! Which format a line has, found on the line itself, and one format a stream that is tried first.
//!
//! A line's format never depends on the lines before it, only the order of trial does: whatever no format takes is
//! [`plain`](super::plain). So one deviating line does no harm, and nothing is ever an error.

use super::{Below, Context, FORMATS, Format, csv, logrus, plain, postgresql, trace};
use crate::fields::{Fields, Value};
use std::borrow::Cow;

/// How many lines running must be of another format before a stream's hint changes.
const DEVIATIONS_MAX: u8 = 3;

/// Envelopes have ranks up to this.
const ENVELOPE_RANK_MAX: u8 = 5;

/// A place in [`FORMATS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FormatId(u8);

impl FormatId {
    /// The format of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<FormatId> {
        FORMATS.iter().position(|format| format.name == name).and_then(|at| u8::try_from(at).ok()).map(FormatId)
    }

    /// The format itself.
    #[must_use]
    pub fn format(self) -> &'static Format {
        &FORMATS[usize::from(self.0)]
    }
}

/// All formats in the order of trial; the last one takes everything.
const TRIAL: [FormatId; FORMATS.len()] = trial_order();

const fn trial_order() -> [FormatId; FORMATS.len()] {
    let mut order = [FormatId(0); FORMATS.len()];
    let mut filled = 0;
    while filled < order.len() {
        let mut at = filled;
        let id = FormatId(filled as u8);
        while at > 0 && FORMATS[order[at - 1].0 as usize].rank > FORMATS[filled].rank {
            order[at] = order[at - 1];
            at -= 1;
        }
        order[at] = id;
        filled += 1;
    }
    order
}

/// For each first byte of a line, the formats to try, as bits by their place in [`TRIAL`].
static STARTING: [u128; 256] = starting();

const fn starting() -> [u128; 256] {
    assert!(TRIAL.len() <= 128, "one bit for each format");
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut at = 0;
        while at + 1 < TRIAL.len() {
            if FORMATS[TRIAL[at].0 as usize].starts.has(byte as u8) {
                table[byte] |= 1 << at;
            }
            at += 1;
        }
        byte += 1;
    }
    table
}

/// Whether a line names the columns of the lines behind it, as in the W3C extended format and in CSV.
#[must_use]
pub fn names_columns(line: &[u8]) -> bool {
    line.starts_with(b"#Fields:") || csv::is_header(line)
}

/// What a line that begins with a date in numbers tells of the order of day and month: `31/12/2026` and `12/31/2026` tell,
/// `01/02/2026` does not.
#[must_use]
pub fn day_comes_first(line: &[u8]) -> Option<bool> {
    let line = line.strip_prefix(b"[").unwrap_or(line);
    let number = |line: &[u8]| match line {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', ..] => Some(((a - b'0') * 10 + (b - b'0'), 2)),
        [a @ b'0'..=b'9', ..] => Some((a - b'0', 1)),
        _ => None,
    };
    let (first, length) = number(line)?;
    let separator = *line.get(length).filter(|byte| matches!(byte, b'/' | b'.' | b'-'))?;
    let (second, more) = number(line.get(length + 1..)?)?;
    let year = line.get(length + 1 + more..)?;
    if !matches!(year, [by, b'0'..=b'9', b'0'..=b'9', ..] if *by == separator) || first.max(second) > 31 {
        return None;
    }
    match (first > 12, second > 12) {
        (true, false) => Some(true),
        (false, true) => Some(false),
        _ => None,
    }
}

/// The format that a stream speaks: kept in the face of single deviating lines, changed by several running.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detector {
    hint: Option<FormatId>,
    deviation: Option<FormatId>,
    deviations: u8,
}

impl Detector {
    /// The format to try first on the stream's next line.
    #[must_use]
    pub fn hint(&self) -> Option<FormatId> {
        self.hint
    }

    /// Takes note of a line's format.
    pub fn observe(&mut self, seen: FormatId) {
        if self.hint.is_none() {
            self.hint = Some(seen);
        }
        if self.hint == Some(seen) {
            self.deviations = 0;
            return;
        }
        self.deviations = if self.deviation == Some(seen) { self.deviations + 1 } else { 1 };
        self.deviation = Some(seen);
        if self.deviations >= DEVIATIONS_MAX {
            *self = Detector { hint: Some(seen), ..Detector::default() };
        }
    }

    /// Parses a record, one line or several joined by `\n`, by the format it has.
    #[must_use]
    pub fn parse<'a>(hint: Option<FormatId>, record: &'a str, context: &Context) -> (FormatId, Fields<'a>) {
        let record = record.trim_end_matches(['\n', '\r']);
        let Some(end) = memchr::memchr(b'\n', record.as_bytes()) else {
            return parse_line(hint, record, record, context);
        };
        if memchr::memchr(0x1b, record.as_bytes()).is_some() {
            let bare = plain::without_colours(record);
            let (id, fields) = match memchr::memchr(b'\n', bare.as_bytes()) {
                Some(end) => parse_lines(hint, &bare, end, context),
                None => parse_line(hint, &bare, &bare, context),
            };
            return (id, fields.into_owned());
        }
        parse_lines(hint, record, end, context)
    }

    /// Parses a record by a format that the user named; what is not of that format is plain text.
    #[must_use]
    pub fn parse_as<'a>(forced: FormatId, record: &'a str, context: &Context) -> (FormatId, Fields<'a>) {
        let record = record.trim_end_matches(['\n', '\r']);
        let end = memchr::memchr(b'\n', record.as_bytes()).unwrap_or(record.len());
        let first = record[..end].trim_end_matches('\r');
        let (id, mut fields) = match forced.format().read(text_for(forced, first, record), context) {
            Ok(fields) => (forced, fields),
            Err(_) => forced_without_colours(forced, first, context).unwrap_or_else(|| any_text(first, context)),
        };
        if end < record.len() {
            read_below(id.format(), record, end, first.len(), context, &mut fields);
        }
        (id, fields)
    }
}

/// What of a record the parser of a format takes.
fn text_for<'a>(id: FormatId, first: &'a str, record: &'a str) -> &'a str {
    if matches!(id.format().below, Below::Whole) { record } else { first }
}

/// Parses a record of several lines, the first of which ends at `end`.
fn parse_lines<'a>(hint: Option<FormatId>, record: &'a str, end: usize, context: &Context) -> (FormatId, Fields<'a>) {
    let first = record[..end].trim_end_matches('\r');
    if first.ends_with(['{', '[', ','])
        && first.starts_with('{')
        && let Some(json) = FormatId::by_name("json")
        && let Ok(fields) = json.format().read(record, context)
    {
        return (json, fields);
    }
    if plain::is_first_of_two(first) && plain::is_second_of_two(&record[end + 1..]) {
        let end = memchr::memchr(b'\n', &record.as_bytes()[end + 1..]).map_or(record.len(), |more| end + 1 + more);
        let (id, mut fields) = any_text(&record[..end], context);
        if end < record.len() {
            attach(id.format(), record, end, end, &mut fields);
        }
        return (id, fields);
    }
    let (id, mut fields) = parse_line(hint, first, record, context);
    read_below(id.format(), record, end, first.len(), context, &mut fields);
    (id, fields)
}

/// Reads the lines below the first one, which ends at `end` and was read.
fn read_below<'a>(
    format: &Format,
    record: &'a str,
    end: usize,
    first: usize,
    context: &Context,
    fields: &mut Fields<'a>,
) {
    match format.below {
        Below::Whole => return,
        Below::Entry(read) => read(&record[end + 1..], context, fields),
        Below::Message | Below::Apart => {}
    }
    attach(format, record, end, first, fields);
}

/// The formats that a line with this first byte may have, in the order of trial, without [`plain`](super::plain).
pub(crate) fn tried(line: &str) -> impl Iterator<Item = FormatId> {
    let mut left = line.as_bytes().first().map_or(0, |first| STARTING[usize::from(*first)]);
    std::iter::from_fn(move || {
        let at = left.trailing_zeros() as usize;
        left &= left.wrapping_sub(1);
        TRIAL.get(at).copied()
    })
}

/// Parses a record by its first line, without those below.
fn parse_line<'a>(hint: Option<FormatId>, line: &'a str, record: &'a str, context: &Context) -> (FormatId, Fields<'a>) {
    // A hint of plain text is none: everything is plain text, so it is what remains when the others failed.
    let last = TRIAL[TRIAL.len() - 1];
    let hint = hint.filter(|hint| *hint != last);
    // What an engine put around a line may look like a part of what the stream's other lines are.
    let encloses = |id: &FormatId| id.format().rank <= ENVELOPE_RANK_MAX;
    let envelopes = tried(line).take_while(encloses).filter(|_| !context.enclosed);
    let others = tried(line).skip_while(encloses).filter(|id| Some(*id) != hint);
    for id in envelopes.chain(hint).chain(others) {
        if let Ok(fields) = id.format().read(text_for(id, line, record), context) {
            return (id, fields);
        }
    }
    uncoloured(line, context).unwrap_or_else(|| any_text(line, context))
}

/// A line in the colours of a terminal, by the format that the user named.
fn forced_without_colours<'a>(forced: FormatId, line: &str, context: &Context) -> Option<(FormatId, Fields<'a>)> {
    memchr::memchr(0x1b, line.as_bytes())?;
    let bare = plain::without_colours(line);
    forced.format().read(&bare, context).ok().map(|fields| (forced, fields.into_owned()))
}

/// A line in the colours of a terminal, by the format that it has without them.
fn uncoloured<'a>(line: &'a str, context: &Context) -> Option<(FormatId, Fields<'a>)> {
    memchr::memchr(0x1b, line.as_bytes())?;
    let bare = plain::without_colours(line);
    let mut formats = tried(&bare).filter(|id| id.format().rank > ENVELOPE_RANK_MAX);
    formats.find_map(|id| Some((id, id.format().read(&bare, context).ok()?.into_owned())))
}

fn any_text<'a>(line: &'a str, context: &Context) -> (FormatId, Fields<'a>) {
    let id = TRIAL[TRIAL.len() - 1];
    let fields = id.format().read(line, context).unwrap_or_else(|_| {
        let mut fields = Fields::default();
        fields.push("message", Value::text(line));
        fields
    });
    (id, fields)
}

/// Puts the lines after the first where they belong: to the message, or where that is not the end of its line, to the
/// stack trace if they are one.
fn attach<'a>(format: &Format, record: &'a str, end: usize, first: usize, fields: &mut Fields<'a>) {
    let rest = &record[end + 1..];
    // Of a stamp alone above them the lines are the text.
    let stamp_alone = fields.time.is_some() && fields.items.len() == 1;
    let message = fields.items.iter_mut().find(|field| field.name == "message");
    // The inner message of a structured one is no end of its line.
    let at_end = |text: &str| record[..first].ends_with(text);
    let open_ended = !matches!(format.below, Below::Apart);
    if open_ended && message.as_ref().is_none_or(|message| message.value.as_str().is_some_and(at_end)) {
        if let Some(message) = message {
            let length = message.value.as_str().map_or(0, str::len);
            let length = if stamp_alone && length == first { 0 } else { length };
            let text = &record[first - length..];
            // The last line has the padding of the first.
            let text = if format.name == logrus::FORMAT.name { text.trim_end_matches(' ') } else { text };
            message.value = Value::text(match length {
                // .NET's console indents all of its text, others what has a structure.
                0 if record[..first].ends_with(']') => text.trim_start(),
                0 => text.trim_start_matches(['\r', '\n']),
                _ => text,
            });
        } else {
            fields.push("message", Value::text(rest));
        }
        // A statement that ends its line goes on in the next ones.
        if let Some(query) = fields.items.iter_mut().find(|field| field.name == postgresql::QUERY)
            && let Some(length) = query.value.as_str().filter(|text| at_end(text)).map(str::len)
        {
            query.value = Value::text(&record[first - length..]);
        }
        if let Some(found) = trace::find(record) {
            put_trace(&found, found.stack, fields);
        }
        return;
    }
    if fields.get("error.stack_trace").is_none()
        && let Some(found) = trace::find(rest)
    {
        return put_trace(&found, rest, fields);
    }
    match fields.items.iter_mut().find(|field| field.name == "message") {
        Some(message) => {
            let joined = format!("{}\n{rest}", message.value.as_str().unwrap_or_default());
            message.value = Value::Str(Cow::Owned(joined));
        }
        None => fields.push("message", Value::text(rest)),
    }
}

fn put_trace<'a>(found: &trace::Trace<'a>, stack: &'a str, fields: &mut Fields<'a>) {
    let parts = [("error.type", found.kind), ("error.message", found.message), ("error.stack_trace", Some(stack))];
    for (name, text) in parts {
        if let Some(text) = text
            && fields.get(name).is_none()
        {
            fields.push(name, Value::text(text));
        }
    }
    // A program that dies does not name the level.
    if fields.get("log.level").is_none() {
        fields.push("log.level", Value::text(if found.fatal { "fatal" } else { "error" }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> FormatId {
        FormatId::by_name(name).unwrap()
    }

    #[test]
    fn a_hint_survives_single_lines_and_follows_several() {
        let mut detector = Detector::default();
        let mut check = |seen: &str, hint: &str| {
            detector.observe(id(seen));
            assert_eq!(detector.hint(), Some(id(hint)), "after {seen}");
        };
        for (seen, hint) in [
            ("json", "json"),
            ("plain", "json"),
            ("plain", "json"),
            ("json", "json"),
            ("plain", "json"),
            ("clf", "json"),
            ("plain", "json"),
            ("plain", "json"),
            ("plain", "plain"),
            ("json", "plain"),
            ("json", "plain"),
            ("json", "json"),
        ] {
            check(seen, hint);
        }
    }

    #[test]
    fn dates_tell_the_order_of_day_and_month_or_nothing() {
        for (line, expected) in [
            ("31/12/2026 10:00:00 x", Some(true)),
            ("[12/31/2026 10:00:00] x", Some(false)),
            ("13.1.26, 10:00", Some(true)),
            ("01/02/2026", None),
            ("31/12/x", None),
            ("99/12/2026", None),
            ("2026-01-31", None),
            ("13/14/2026", None),
            ("", None),
        ] {
            assert_eq!(day_comes_first(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn pretty_json_is_one_record() {
        let record = "{\n  \"level\": \"warn\",\n  \"msg\": \"spread out\"\n}\n";
        let (found, fields) = Detector::parse(None, record, &Context::default());
        assert_eq!(found, id("json"));
        assert_eq!(fields.get("log.level"), Some(&Value::text("warn")));
    }

    #[test]
    fn carriage_returns_belong_to_no_value() {
        for line in ["a=1 b=two\r", "<13>1 - h a 1 - - text\r\n", "plain\r\n"] {
            let (_, fields) = Detector::parse(None, line, &Context::default());
            let last = fields.items.last().unwrap();
            assert!(!last.value.as_str().unwrap().contains('\r'), "{fields:?}");
        }
    }

    #[test]
    fn a_forced_format_gives_way_to_text() {
        let (found, fields) = Detector::parse_as(id("clf"), "no access line\nat all", &Context::default());
        assert_eq!(found, id("plain"));
        assert_eq!(fields.get("message"), Some(&Value::text("no access line\nat all")));
    }
}
