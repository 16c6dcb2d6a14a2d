//! Why a line has the format that it has: what [`detect`](super::detect) tries, told instead of done.

use super::Context;
use super::detect::{Detector, FormatId, tried};
use crate::error::ParseError;
use crate::fields::Fields;

/// Why a format is not that of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its first bytes are those of something else.
    Look,
    /// The parser stopped.
    Parse(ParseError),
}

/// What became of one record.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained<'a> {
    /// The format that took it.
    pub format: FormatId,
    /// What it read.
    pub fields: Fields<'a>,
    /// The formats that were tried before, in that order. Those that no line with such a first byte has are not among them.
    pub refusals: Vec<(FormatId, Refusal)>,
}

/// Explains a record, one line or several joined by `\n`: by its first line.
///
/// ```
/// use logship_parsers::line::{Context, explain};
/// let found = explain::explain("level=warn msg=slow", &Context::default());
/// assert_eq!(found.format.format().name, "logfmt");
/// ```
#[must_use]
pub fn explain<'a>(record: &'a str, context: &Context) -> Explained<'a> {
    let (format, fields) = Detector::parse(None, record, context);
    let first = record.lines().next().unwrap_or_default();
    let refusals = tried(first).take_while(|id| *id != format).filter_map(|id| {
        let refusal = if (id.format().probe)(first.as_bytes()) {
            Refusal::Parse(id.format().read(first, context).err()?)
        } else {
            Refusal::Look
        };
        Some((id, refusal))
    });
    Explained { format, fields, refusals: refusals.collect() }
}

/// Where in the line a text that was read from it stands, in bytes; `None` for what was rebuilt.
#[must_use]
pub fn place(line: &str, text: &str) -> Option<std::ops::Range<usize>> {
    let start = (text.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
    let end = start.checked_add(text.len())?;
    (end <= line.len()).then_some(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_who_took_the_line_and_who_did_not() {
        let found = explain("{\"level\": nonsense", &Context::default());
        assert_eq!(found.format.format().name, "plain");
        let refusal = |name| found.refusals.iter().find(|(id, _)| id.format().name == name).map(|(_, why)| *why);
        assert!(matches!(refusal("docker"), Some(Refusal::Look)));
        assert!(matches!(refusal("json"), Some(Refusal::Parse(error)) if error.offset == 10));
    }

    #[test]
    fn borrowed_text_has_a_place() {
        let line = "level=warn msg=slow";
        let found = explain(line, &Context::default());
        let message = found.fields.get("message").and_then(|value| value.as_str());
        assert_eq!(message.and_then(|text| place(line, text)), Some(15..19));
        assert_eq!(place(line, "elsewhere"), None);
    }
}
