//! `extractnumbers { }`: the numbers of a text as `int1`, `int2`, `float1` and so on, in `target` or at the root.
//!
//! Words between blanks count that are numbers as a whole; of a list its first element does.

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value},
};
use logship_parsers::config::FieldRef;

pub(super) const KIND: FilterKind = FilterKind {
    name: "extractnumbers",
    summary: "Takes the numbers out of a text",
    options: &["source", "target"],
    build,
};

#[derive(Debug)]
struct ExtractNumbers {
    source: FieldRef,
    target: Option<FieldRef>,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let source = options.field("source").unwrap_or_else(|| FieldRef { parts: vec!["message".to_owned()] });
    Some(Box::new(ExtractNumbers { source, target: options.field("target") }))
}

impl Filter for ExtractNumbers {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let mut found = Vec::new();
        let (mut ints, mut floats) = (0, 0);
        let source = event.get(&self.source);
        let first = match source.as_deref() {
            Some(Value::List(items)) => items.first(),
            value => value,
        };
        match first {
            Some(Value::Str(text)) => {
                for word in text.split_whitespace() {
                    let Some(number) = number_of(word) else { continue };
                    let (kind, count) = match number {
                        Value::Int(_) => ("int", &mut ints),
                        _ => ("float", &mut floats),
                    };
                    *count += 1;
                    found.push((format!("{kind}{count}"), number));
                }
            }
            _ => return Ok(Verdict::Unmatched),
        }
        let root = self.target.as_ref().map_or(&[][..], |target| &target.parts);
        for (name, number) in found {
            let field = FieldRef { parts: root.iter().cloned().chain([name]).collect() };
            event.set(&field, number).map_err(|cause| FilterError::new(&[], cause))?;
        }
        Ok(Verdict::Matched)
    }
}

fn number_of(word: &str) -> Option<Value> {
    let digits = word.trim_start_matches(['-', '+']);
    let is_number = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    let number = word.parse().map(Value::Int).or_else(|_| word.parse().map(Value::Float)).ok()?;
    is_number.then_some(number)
}
