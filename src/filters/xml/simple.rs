//! A document as objects, lists and texts, in the way of Ruby's XmlSimple.
//!
//! | element | value |
//! |---|---|
//! | `<a>x</a>` | `"x"`; with `force_content` `{"content": "x"}` |
//! | `<a k="v">x</a>` | `{"k": "v", "content": "x"}` |
//! | `<a><b>1</b><b>2</b></a>` | `{"b": ["1", "2"]}`; a single one is in a list, too, unless `force_array => false` |
//! | `<a>x<b>y</b>z</a>` | `{"b": ["y"], "content": ["x", "z"]}`, these texts with their entities as written |
//! | `<a/>` | left out with `suppress_empty` (`null` where its parent has attributes or it is the outermost), else `{}` |
//!
//! A name loses its prefix, an attribute does not. Elements named `anon`, alone in one with nothing else, are the list.

use super::tree::{Element, Kind, Tree, Written, unescaped};
use crate::event::{FIELDS_PER_EVENT_MAX, Key, Map, Value};

/// The name of the text of an element that has more than text.
const CONTENT: &str = "content";
/// The name of elements that are elements of a list.
const ANONYMOUS: &str = "anon";

#[derive(Debug)]
pub(super) struct Simple {
    pub(super) force_array: bool,
    pub(super) force_content: bool,
    pub(super) suppress_empty: bool,
}

/// How many more leaves may be kept; none left is `too_many`.
#[derive(Debug)]
pub(super) struct Leaves {
    left: usize,
    pub(super) too_many: bool,
}

impl Default for Leaves {
    fn default() -> Leaves {
        Leaves { left: FIELDS_PER_EVENT_MAX, too_many: false }
    }
}

impl Leaves {
    fn take(&mut self) -> bool {
        self.too_many |= self.left == 0;
        self.left = self.left.saturating_sub(1);
        !self.too_many
    }
}

impl Simple {
    /// What an element is.
    pub(super) fn collapse(&self, tree: &Tree, at: usize, leaves: &mut Leaves) -> Value {
        let Some(element) = tree.as_element(at) else { return Value::Null };
        let mut result = Map::default();
        for (name, value) in attributes(element) {
            if leaves.take() {
                result.insert(Key::from(name.as_str()), Value::from(value));
            }
        }
        let children = &tree.nodes[at].children;
        let mut has_elements = false;
        for &child in children {
            let Some(inner) = tree.as_element(child) else { continue };
            has_elements = true;
            if leaves.too_many {
                break;
            }
            let value = self.collapse(tree, child, leaves);
            if !(self.suppress_empty && is_empty(&value) && element.written.is_empty()) {
                self.merge(&mut result, &inner.name.local, value);
            }
        }
        let texts = children.iter().filter_map(|&child| match &tree.nodes[child].kind {
            Kind::Text(raw) => Some((raw.as_str(), true)),
            Kind::CData(text) => Some((text.as_str(), false)),
            _ => None,
        });
        let texts: Vec<_> = texts.collect();
        if has_elements {
            if !texts.iter().all(|(text, _)| is_blank(text)) {
                let mut texts: Vec<Value> = texts.iter().map(|(text, _)| Value::from(*text)).collect();
                texts.retain(|_| leaves.take());
                let content = if texts.len() == 1 { texts.remove(0) } else { Value::List(texts) };
                result.insert(Key::from(CONTENT), content);
            }
        } else if !texts.is_empty() {
            let value = |&(text, is_raw): &(&str, bool)| if is_raw { unescaped(text) } else { text.to_owned() };
            let kept = leaves.take();
            let text = texts.iter().map(value).filter(|_| kept).collect::<String>();
            return self.text(result, text, element.written.is_empty());
        }
        self.folded(result)
    }

    fn text(&self, mut result: Map, text: String, is_bare: bool) -> Value {
        match is_bare {
            true if is_blank(&text) => Value::Map(Map::default()),
            true if !self.force_content => Value::from(text),
            _ => {
                self.merge(&mut result, CONTENT, Value::from(text));
                Value::Map(result)
            }
        }
    }

    fn folded(&self, mut result: Map) -> Value {
        let lists = result.iter().filter(|(_, value)| matches!(value, Value::List(_))).count();
        if lists == 1 && matches!(result.get(ANONYMOUS), Some(Value::List(_))) {
            return result.remove(ANONYMOUS).unwrap_or(Value::Null);
        }
        match result.is_empty() && self.suppress_empty {
            true => Value::Null,
            false => Value::Map(result),
        }
    }

    fn merge(&self, map: &mut Map, name: &str, value: Value) {
        match map.get_mut(name) {
            Some(Value::List(items)) => items.push(value),
            Some(other) => {
                let first = std::mem::replace(other, Value::Null);
                *other = Value::List(vec![first, value]);
            }
            None => {
                let is_list = matches!(value, Value::List(_)) || self.force_array && name != CONTENT;
                map.insert(Key::from(name), if is_list { Value::List(vec![value]) } else { value });
            }
        }
    }
}

/// Attributes and declarations of namespaces in the order of the text.
fn attributes(element: &Element) -> impl Iterator<Item = (String, &str)> {
    element.written.iter().filter_map(|written| match *written {
        Written::Declared(at) => element.declared.get(at).map(|(prefix, namespace)| {
            let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
            (name, namespace.as_str())
        }),
        Written::Attribute(at) => element.attributes.get(at).map(|(name, value)| (name.qualified(), value.as_str())),
    })
}

fn is_blank(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_whitespace() || byte == b'\x0b')
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Map(map) => map.is_empty(),
        Value::Str(text) => is_blank(text),
        _ => false,
    }
}
