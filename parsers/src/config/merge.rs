//! Options that a plugin is given more than once: hashes merge, lists are joined, other values become a list.

use super::ast::{Attribute, Entry, Plugin, Value, ValueKind};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;

impl Plugin {
    /// The options, each name once, in the order in which they come first.
    #[must_use]
    pub fn options(&self) -> Vec<Attribute> {
        let mut options: Vec<Attribute> = Vec::with_capacity(self.attributes.len());
        let mut places = HashMap::new();
        for attribute in &self.attributes {
            match places.entry(attribute.name.text.as_str()) {
                Place::Vacant(place) => {
                    place.insert(options.len());
                    options.push(attribute.clone());
                }
                // A second codec is an error where it stands.
                Place::Occupied(_) if attribute.name.text == "codec" => {}
                Place::Occupied(place) => merge(&mut options[*place.get()].value, &attribute.value, Lists::Joined),
            }
        }
        options
    }

    /// The first option of that name as written.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.text == name)
    }
}

/// What becomes of two lists.
#[derive(Clone, Copy, PartialEq)]
enum Lists {
    /// One behind the other.
    Joined,
    /// The same without what is there already: so it is in hashes inside of hashes.
    United,
}

fn merge(into: &mut Value, from: &Value, lists: Lists) {
    if !matches!(into.kind, ValueKind::Array(_) | ValueKind::Hash(_)) && into.kind == from.kind {
        return;
    }
    match (&mut into.kind, &from.kind) {
        (ValueKind::Hash(entries), ValueKind::Hash(more)) => merge_entries(entries, more),
        (ValueKind::Array(items), ValueKind::Array(more)) => {
            more.iter().for_each(|item| push(items, item, lists == Lists::United));
        }
        (ValueKind::Array(items), _) => push(items, from, lists == Lists::United),
        (_, ValueKind::Array(more)) => {
            let mut items = vec![into.clone()];
            more.iter().for_each(|item| push(&mut items, item, lists == Lists::United));
            into.kind = ValueKind::Array(items);
        }
        _ => into.kind = ValueKind::Array(vec![into.clone(), from.clone()]),
    }
    // What was written with a variable is now more than that variable.
    into.variable = None;
}

/// Makes a list of a value and one more.
pub(super) fn append(into: &mut Value, value: Value) {
    match &mut into.kind {
        ValueKind::Array(items) => items.push(value),
        _ => into.kind = ValueKind::Array(vec![into.clone(), value]),
    }
    into.variable = None;
}

fn push(items: &mut Vec<Value>, item: &Value, once: bool) {
    if !once || !items.iter().any(|known| known.kind == item.kind) {
        items.push(item.clone());
    }
}

fn merge_entries(entries: &mut Vec<Entry>, more: &[Entry]) {
    let key = |entry: &Entry| entry.key.as_str().unwrap_or_default().to_owned();
    let mut places: HashMap<String, usize> = entries.iter().map(key).zip(0..).collect();
    for entry in more {
        match places.entry(key(entry)) {
            Place::Vacant(place) => {
                place.insert(entries.len());
                entries.push(entry.clone());
            }
            Place::Occupied(place) => {
                let into = &mut entries[*place.get()].value;
                let scalar = !matches!(entry.value.kind, ValueKind::Array(_) | ValueKind::Hash(_));
                merge(into, &entry.value, if scalar { Lists::United } else { Lists::Joined });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ast::Statement;
    use super::super::{Options, Source, parse};

    fn check(options: &str, expected: &str) {
        let text = format!("filter {{ a {{ {options} }} }}");
        let variables = Options { variables: &|_| Some("[1, 2]".to_owned()), ..Options::default() };
        let parsed = parse(&[Source::new("x", text)], &variables);
        assert!(parsed.is_valid(), "{:?}", parsed.diagnostics);
        let Some(Statement::Plugin(plugin)) = parsed.config.filters.first() else { panic!("no plugin") };
        let shown: Vec<String> =
            plugin.options().iter().map(|option| format!("{} => {}", option.name.text, option.value)).collect();
        assert_eq!(shown.join("; ").replace("\n", "").replace("  ", " "), expected, "{options}");
    }

    #[test]
    fn options_that_come_again_are_merged() {
        check("x => 1 y => 2", "x => 1; y => 2");
        check("x => 1 y => 2 x => 3", "x => [1, 3]; y => 2");
        check("x => 1 x => 1", "x => 1");
        check("x => 1 x => 2 x => 1", "x => [1, 2, 1]");
        check("x => [1] x => [1, 2]", "x => [1, 1, 2]");
        check("x => 1 x => [2, 3]", "x => [1, 2, 3]");
        check("x => [1] x => 2", "x => [1, 2]");
        check("x => { a => 1 } x => { a => 1 }", "x => { a => 1 }");
        check("x => { a => 1 } x => { \"a\" => 2 }", "x => { a => [1, 2]}");
        check("x => ${A} x => 3", "x => [1, 2, 3]");
    }
}
