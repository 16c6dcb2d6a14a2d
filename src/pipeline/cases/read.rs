//! A file of cases, line by line. All that is wrong is told at its place.

use super::line::{Case, Expected, Given, Head};
use logship_parsers::config::{Diagnostic, FieldRef, Span};
use serde_json::{Map, Value as Json};

/// What begins a case.
const CASE: &str = "===";

/// Reads the lines above the cases, and the cases.
pub(super) fn read(text: &str, wrong: &mut Vec<Diagnostic>) -> (Head, Vec<Case>) {
    let (mut head, mut cases) = (Head { end: text.len(), ..Head::default() }, Vec::<Case>::new());
    let mut start = 0;
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end();
        let at = |from: usize, to: usize| span(start + from, start + to);
        let own = at(0, line.len());
        if let Some(name) = line.strip_prefix(CASE) {
            head.end = head.end.min(start);
            cases.push(Case { name: name.trim().to_owned(), line: own, end: own.end, ..Case::default() });
        } else if let Some(case) = cases.last_mut() {
            let indent = line.len() - line.trim_start().len();
            let said = &line[indent..];
            if !said.is_empty() && !said.starts_with('#') {
                let place = Span { start: own.start + indent as u32, ..own };
                wrong.extend(case.line(said, place).err());
                case.end = own.end;
            }
        } else if let Some(path) = line.strip_prefix("config:") {
            head.configs.push((at(line.len() - path.trim_start().len(), line.len()), path.trim().to_owned()));
        } else if let Some(mode) = line.strip_prefix("ecs:") {
            head.ecs = Some((at(line.len() - mode.trim_start().len(), line.len()), mode.trim().to_owned()));
        }
        start += whole.len();
    }
    if cases.is_empty() {
        wrong.push(Diagnostic::error(span(text.len(), text.len()), "there is no case").help("`=== name` begins one"));
    }
    (head, cases)
}

fn span(start: usize, end: usize) -> Span {
    // A file is shorter than 4 GiB.
    Span { file: 0, start: start as u32, end: end as u32 }
}

impl Case {
    /// Takes a line of this case.
    fn line(&mut self, said: &str, place: Span) -> Result<(), Diagnostic> {
        let mark = |length: usize| Span { end: place.start + length as u32, ..place };
        let rest = |mark: &str| {
            let text = said[mark.len()..].trim_start();
            (text, Span { start: place.end - text.len() as u32, ..place })
        };
        if let Some(record) = said.strip_prefix(">>") {
            self.given.push(Given::Record(record.strip_prefix(' ').unwrap_or(record).to_owned()));
        } else if said.starts_with('>') {
            let (text, at) = rest(">");
            self.given.push(match text.starts_with('{') {
                true => Given::Object(object(text, at)?),
                false => Given::Message(text.to_owned()),
            });
        } else if let Some(text) = said.strip_prefix("<<") {
            self.texts.push((place, text.strip_prefix(' ').unwrap_or(text).to_owned()));
        } else if said.starts_with('<') && matches!(rest("<").0, "none" | "none>") {
            self.none = Some(place);
        } else if said.starts_with('<') {
            let is_partial = said.starts_with("<~");
            let (text, at) = rest(if is_partial { "<~" } else { "<" });
            let fields = object(text, at)?;
            let expected = Expected { line: place, fields, is_partial, tags: None, absent: None, metadata: None };
            self.expected.push(expected);
        } else {
            let Some((word, _)) = said.split_once(':') else { return Err(unknown(mark(said.len()))) };
            if !matches!(word, "tags" | "absent" | "metadata") {
                return Err(unknown(mark(word.len() + 1)));
            }
            let Some(expected) = self.expected.last_mut() else {
                let error =
                    Diagnostic::error(mark(word.len() + 1), format!("`{word}:` is about an event that comes out"));
                return Err(error.help("write it behind a line that begins with `<`"));
            };
            let (text, at) = rest(&said[..=word.len()]);
            match word {
                "tags" => {
                    expected.tags = Some((place, names(text).filter(|tag| *tag != "none").map(str::to_owned).collect()))
                }
                "absent" => {
                    let fields: Result<Vec<_>, _> = names(text).map(FieldRef::parse).collect();
                    let fields = fields
                        .map_err(|cause| Diagnostic::error(at, format!("this is no field: {}", cause.message)))?;
                    expected.absent = Some((place, fields));
                }
                _ => expected.metadata = Some((place, Json::Object(object(text, at)?))),
            }
        }
        if self.none.is_some() && !self.expected.is_empty() {
            return Err(Diagnostic::error(place, "this case has both `< none` and an event that comes out"));
        }
        Ok(())
    }
}

fn unknown(place: Span) -> Diagnostic {
    Diagnostic::error(place, "this line means nothing in a case")
        .help("lines begin with `>`, `>>`, `<`, `<~`, `<<`, `tags:`, `absent:`, `metadata:` or `#`")
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|name| !name.is_empty())
}

/// The fields of an object, or where it is none.
fn object(text: &str, place: Span) -> Result<Map<String, Json>, Diagnostic> {
    serde_json::from_str(text).map_err(|cause| {
        let column = cause.column().saturating_sub(1).min(text.len()) as u32;
        let start = place.start + column;
        let message = cause.to_string();
        let said = message.rsplit_once(" at line ").map_or(message.as_str(), |(said, _)| said);
        let place = Span { start, end: (start + 1).min(place.end.max(start)), ..place };
        Diagnostic::error(place, format!("this is no object of JSON: {said}"))
    })
}
