//! References to other patterns: `%{NAME}`, `%{NAME:field}`, `%{NAME:field:int}`, `%{NAME:field=definition}`; other text before the
//! closing brace says nothing.

use super::Kind;
use super::class::Source;

/// A reference as written.
pub(super) struct Reference<'s> {
    pub name: &'s str,
    /// What Ruby calls the group: `NUMBER:bytes:int`.
    pub label: &'s str,
    pub field: Option<(&'s str, Kind)>,
    pub definition: Option<&'s str>,
}

/// What follows `%`; none where it is just text.
pub(super) fn reference<'s>(source: &mut Source<'s>) -> Option<Reference<'s>> {
    let mut ahead = *source;
    ahead.eat("{");
    let start = ahead.at;
    let name = ahead.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
    if name.is_empty() {
        return None;
    }
    let mut field = None;
    if ahead.rest().starts_with(':') {
        let mut behind = ahead;
        behind.at += 1;
        let label = behind.take_while(|c| c.is_ascii_alphanumeric() || "@[]^`\\_:.-".contains(c));
        if !label.is_empty() {
            ahead = behind;
            field = Some(field_of_label(label)).filter(|field| !field.0.is_empty());
        }
    }
    let label = &ahead.text[start..ahead.at];
    let mut definition = None;
    if ahead.eat("=") {
        definition = Some(definition_text(&mut ahead)).filter(|text| !text.is_empty());
    }
    ahead.take_while(|c| c != '}');
    if !ahead.eat("}") {
        return None;
    }
    *source = ahead;
    Some(Reference { name, label, field, definition })
}

/// Up to the brace that closes the reference: others come in pairs.
fn definition_text<'s>(source: &mut Source<'s>) -> &'s str {
    let start = source.at;
    let mut depth = 0usize;
    while let Some(c) = source.peek() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '\\' => {
                source.next();
            }
            _ => {}
        }
        source.next();
    }
    &source.text[start..source.at]
}

/// `bytes:int`
fn field_of_label(label: &str) -> (&str, Kind) {
    let mut parts = label.split(':');
    let field = parts.next().unwrap_or_default();
    let kind = match parts.next() {
        Some("int") => Kind::Int,
        Some("float") => Kind::Float,
        _ => Kind::Text,
    };
    (field, kind)
}

/// The field of a group with a name: `(?<NUMBER:bytes:int>..)` is what a reference becomes in Ruby.
pub(super) fn field_of(name: &str) -> (&str, Kind) {
    name.split_once(':').map_or((name, Kind::Text), |(_, label)| field_of_label(label))
}
