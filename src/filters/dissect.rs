//! `dissect { mapping => { "message" => "%{ts} %{+ts} %{host}: %{msg}" } }`: fields of a text by what stands between them.
//!
//! | written | means |
//! |---|---|
//! | `%{name}`, `%{[a][b]}` | a field |
//! | `%{}`, `%{?name}` | is left out; with a name `%{&name}` may refer to it |
//! | `%{+name}`, `%{+name/2}` | is put behind what the field has, also before, with what stood before it, or a space, in the order of the numbers |
//! | `%{&name}` | is the value of the field that the value of `name` names, which may be a field that is there |
//! | `%{name->}` | what follows may be there more than once |
//!
//! The last field takes the rest; one with nothing between it and the next is empty. A missing field is nothing to do; a text that does not fit is left as it is and tagged
//! (`tag_on_failure`, `_dissectfailure`). `convert_datatype` makes fields an `int` or a `float`; one that is none stays, tagged
//! `_dataconversionuncoercible_<field>_<type>`, or `_dataconversionnullvalue_<field>_<type>` where there is none.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict, tags};
use crate::{
    config::{Options, place_in},
    event::{Event, Value, render},
};
use bytestring::ByteString;
use logship_parsers::config::{Diagnostic, FieldRef, typed};
use memchr::memmem::Finder;

pub(super) const KIND: FilterKind = FilterKind {
    name: "dissect",
    summary: "Takes fields from a text by what stands between them",
    options: &["convert_datatype", "mapping", "tag_on_failure"],
    build,
};

/// What a piece of the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Set,
    Skip,
    Append(u32),
    Indirect,
}

/// A piece of the text and what stands behind it.
#[derive(Debug)]
struct Part {
    name: String,
    /// None where there is no name.
    field: Option<FieldRef>,
    usage: Use,
    /// Whether what stands behind may be there more than once.
    is_padded: bool,
    /// What stands before, or a space where nothing does: it joins what is put behind something.
    before: String,
    /// None where the rest of the text is meant.
    behind: Option<Finder<'static>>,
}

#[derive(Debug)]
struct Mapping {
    /// What the text begins with.
    prefix: String,
    parts: Vec<Part>,
    /// The parts that set fields, in the order in which they do.
    order: Vec<usize>,
}

#[derive(Debug)]
struct Dissect {
    mappings: Vec<(FieldRef, Mapping)>,
    /// The field, the name in tags, and whether it is a float.
    conversions: Vec<(FieldRef, String, bool)>,
    tag_on_failure: Vec<String>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let conversions = options.pairs(
        "convert_datatype",
        |key| Ok((typed::field(key)?, typed::text(key)?.to_owned())),
        |value| Ok(typed::choice(value, &["float", "int"])? == "float"),
    );
    let mappings = options.pairs("mapping", typed::field, |value| {
        let mapping = compiled(typed::text(value)?);
        let mapping = mapping.map_err(|(at, message)| Diagnostic::error(place_in(value, at), message))?;
        Ok((mapping, value.span.0))
    });
    for (_, (mapping, place)) in &mappings {
        if let Some(part) = mapping.parts.iter().find(|part| part.is_empty()) {
            let text = format!("nothing says where `{}` ends: it is always empty", part.name);
            options.report(Diagnostic::warning(*place, text).help("there must be text between two fields"));
        }
    }
    let mappings = mappings.into_iter().map(|(field, (mapping, _))| (field, mapping)).collect();
    Some(Box::new(Dissect {
        mappings,
        conversions: conversions.into_iter().map(|((field, name), is_float)| (field, name, is_float)).collect(),
        tag_on_failure: tags(options, "tag_on_failure", "_dissectfailure"),
    }))
}

/// Reads a mapping. `Err` says where it is wrong and how.
fn compiled(text: &str) -> Result<Mapping, (std::ops::Range<usize>, String)> {
    let mut parts: Vec<Part> = Vec::new();
    let mut before = text.find("%{").ok_or_else(|| (0..text.len(), "there is no `%{field}`".to_owned()))?;
    let prefix = text[..before].to_owned();
    let mut separator = prefix.clone();
    loop {
        let inside = before + 2;
        let close = text[inside..].find('}').map(|length| inside + length);
        let close = close.ok_or_else(|| (before..text.len(), "this `%{` has no `}`".to_owned()))?;
        let next = text[close..].find("%{").map(|length| close + length);
        let behind = &text[close + 1..next.unwrap_or(text.len())];
        let before_it = if separator.is_empty() { " ".to_owned() } else { std::mem::take(&mut separator) };
        let part = part(&text[inside..close], before_it, (!behind.is_empty() || next.is_some()).then_some(behind));
        parts.push(part.map_err(|message| (before..close + 1, message))?);
        behind.clone_into(&mut separator);
        match next {
            Some(next) => before = next,
            None => break,
        }
    }
    let mut order: Vec<usize> = (0..parts.len()).filter(|n| parts[*n].usage != Use::Skip).collect();
    order.sort_by_key(|n| match parts[*n].usage {
        Use::Append(number) => (1, number),
        Use::Indirect => (2, 0),
        Use::Set | Use::Skip => (0, 0),
    });
    Ok(Mapping { prefix, parts, order })
}

fn part(written: &str, before: String, behind: Option<&str>) -> Result<Part, String> {
    if let Some(both @ ("+&" | "&+")) = written.get(..2) {
        return Err(format!("`{both}` cannot stand together: a field is put behind another or named by one"));
    }
    let (name, is_padded) = written.strip_suffix("->").map_or((written, false), |name| (name, true));
    let (name, usage) = match name.chars().next() {
        None => (name, Use::Skip),
        Some('?') => (&name[1..], Use::Skip),
        Some('&') => (&name[1..], Use::Indirect),
        Some('+') => match name[1..].rsplit_once('/') {
            Some((name, number)) => {
                let number = number.parse().map_err(|_| format!("`{number}` is no number in the order of `{name}`"))?;
                (name, Use::Append(number))
            }
            None => (&name[1..], Use::Append(0)),
        },
        Some(_) => (name, Use::Set),
    };
    let field = match usage {
        Use::Skip => FieldRef::parse(name).ok(),
        _ => Some(FieldRef::parse(name).map_err(|wrong| format!("`{name}` is no name of a field: {}", wrong.message))?),
    };
    let behind = behind.map(|behind| Finder::new(behind).into_owned());
    Ok(Part { name: name.to_owned(), field, usage, is_padded, before, behind })
}

impl Filter for Dissect {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let (mut done, mut failed) = (false, None);
        for (source, mapping) in &self.mappings {
            let Some(text) = present(event, source) else { continue };
            match mapping.dissect(&text, event) {
                Ok(()) => done = true,
                Err(cause) => failed = Some(FilterError::new(&self.tag_on_failure, cause)),
            }
        }
        if done || self.mappings.is_empty() {
            self.conversions.iter().for_each(|conversion| convert(event, conversion));
        }
        match failed {
            // The fields of the other mapping are there: it is both.
            Some(error) if done => {
                error.tags.iter().for_each(|tag| event.tag(tag));
                Ok(Verdict::Matched)
            }
            Some(error) => Err(error),
            None if done || !self.conversions.is_empty() => Ok(Verdict::Matched),
            None => Ok(Verdict::Unmatched),
        }
    }
}

impl Part {
    /// Whether nothing stands between it and the next one.
    fn is_empty(&self) -> bool {
        self.behind.as_ref().is_some_and(|behind| behind.needle().is_empty())
    }
}

impl Mapping {
    fn dissect(&self, text: &ByteString, event: &mut Event) -> Result<(), String> {
        let found = self.found(text).ok_or("the text does not fit the mapping")?;
        let mut changed: Vec<(FieldRef, ByteString)> = Vec::with_capacity(found.len());
        for n in &self.order {
            let (part, value) = (&self.parts[*n], text.slice_ref(found[*n]));
            let Some(field) = &part.field else { continue };
            match part.usage {
                Use::Indirect => {
                    let known = changed.iter().find(|(known, _)| known == field).map(|(_, value)| value.clone());
                    let known = known.or_else(|| present(event, field)).or_else(|| self.skipped(part, &found, text));
                    let name = known.and_then(|name| FieldRef::parse(&name).ok());
                    changed.extend(name.map(|name| (name, value)));
                }
                Use::Append(_) => match changed.iter_mut().find(|(known, _)| known == field) {
                    Some((_, before)) => *before = format!("{before}{}{value}", part.before).into(),
                    None => {
                        let before = present(event, field);
                        let whole = before.map(|before| format!("{before}{}{value}", part.before).into());
                        changed.push((field.clone(), whole.unwrap_or(value)));
                    }
                },
                Use::Set | Use::Skip => changed.push((field.clone(), value)),
            }
        }
        for (field, value) in changed {
            event.set(&field, Value::Str(value)).map_err(|cause| format!("{field}: {cause}"))?;
        }
        Ok(())
    }

    /// What the part of the same name that is left out has.
    fn skipped(&self, part: &Part, found: &[&str], text: &ByteString) -> Option<ByteString> {
        let at = self.parts.iter().position(|other| other.usage == Use::Skip && other.name == part.name)?;
        Some(text.slice_ref(found[at]))
    }

    /// The text of each part.
    fn found<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let mut rest = text.strip_prefix(self.prefix.as_str()).filter(|_| !text.is_empty())?;
        let mut found = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let Some(behind) = &part.behind else {
                found.push(rest);
                continue;
            };
            let length = behind.needle().len();
            let mut end = behind.find(rest.as_bytes())?;
            found.push(&rest[..end]);
            end += length;
            while part.is_padded && length > 0 && rest.as_bytes()[end..].starts_with(behind.needle()) {
                end += length;
            }
            rest = &rest[end..];
        }
        Some(found)
    }
}

/// The text of a field that is there.
fn present(event: &Event, field: &FieldRef) -> Option<ByteString> {
    match &*event.get(field)? {
        Value::Null => None,
        Value::Str(text) => Some(text.clone()),
        other => {
            let mut text = String::new();
            render::write_text(&mut text, other);
            Some(text.into())
        }
    }
}

fn convert(event: &mut Event, (field, name, is_float): &(FieldRef, String, bool)) {
    let kind = if *is_float { "float" } else { "int" };
    let converted = match event.get(field).as_deref() {
        None | Some(Value::Null) => return event.tag(&format!("_dataconversionnullvalue_{name}_{kind}")),
        Some(Value::Int(number)) if *is_float => Some(Value::Float(*number as f64)),
        Some(Value::Float(number)) if !is_float => Some(Value::Int(*number as i64)),
        Some(number @ (Value::Int(_) | Value::Float(_))) => Some(number.clone()),
        Some(Value::Str(text)) => number_of(text.trim(), *is_float),
        Some(_) => None,
    };
    match converted {
        Some(value) => _ = event.set(field, value),
        None => event.tag(&format!("_dataconversionuncoercible_{name}_{kind}")),
    }
}

/// A text that is a number; a whole one beyond 64 bits as nearly as a float can.
fn number_of(text: &str, is_float: bool) -> Option<Value> {
    let is_number = text.trim_start_matches(['-', '+']).starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let float = text.parse().ok().filter(|number: &f64| is_number && number.is_finite())?;
    Some(match text.parse() {
        _ if is_float => Value::Float(float),
        Ok(number) => Value::Int(number),
        Err(_) if float.abs() < i64::MAX as f64 => Value::Int(float as i64),
        Err(_) => Value::Float(float.trunc()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_that_mean_nothing_are_errors_at_their_place() {
        let check = |text: &str, place: &str, expected: &str| {
            let (at, message) = compiled(text).unwrap_err();
            assert_eq!((&text[at], message.as_str()), (place, expected));
        };
        check("none", "none", "there is no `%{field}`");
        check("a %{b", "%{b", "this `%{` has no `}`");
        check("%{a} %{+b/x}", "%{+b/x}", "`x` is no number in the order of `b`");
        check("%{+&a} ", "%{+&a}", "`+&` cannot stand together: a field is put behind another or named by one");
    }
}
