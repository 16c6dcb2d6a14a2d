//! A document as a tree, in one list in the order of the document.
//!
//! What is broken is read as far as it goes, as Logstash does, and [`Tree::wrong`] says what is wrong. Entities other than
//! the five of XML and characters by number stay as they are written: nothing is ever fetched or expanded.

use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

/// Elements inside of each other; what nests deeper is no document.
pub(super) const ELEMENT_DEPTH_MAX: usize = 64;
/// Nodes and attributes of one document.
pub(super) const NODES_MAX: usize = 200_000;

/// The namespace of names that begin with `xml:`.
const XML_NAMESPACE: &str = "http://www.w3.org/XML/1998/namespace";

#[derive(Debug)]
pub(super) struct Tree {
    /// The first is the document itself.
    pub(super) nodes: Vec<Node>,
    /// What is wrong with the text.
    pub(super) wrong: Option<String>,
    /// Whether a name has a prefix that nothing declares.
    pub(super) is_undeclared: bool,
    attributes: usize,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: usize,
    pub(super) children: Vec<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Document,
    Element(Element),
    /// As it is written.
    Text(String),
    CData(String),
    Comment(String),
    Instruction(String),
}

#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: Name,
    /// Prefixes, empty for the default, and their namespaces.
    pub(super) declared: Vec<(String, String)>,
    pub(super) attributes: Vec<(Name, String)>,
    /// Both, in the order of the text.
    pub(super) written: Vec<Written>,
}

/// Which of the two lists comes next in the order of the text.
#[derive(Clone, Copy, Debug)]
pub(super) enum Written {
    Declared(usize),
    Attribute(usize),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Name {
    pub(super) prefix: String,
    pub(super) local: String,
    pub(super) namespace: Option<String>,
}

impl Name {
    fn of(name: &str) -> Name {
        let (prefix, local) = name.split_once(':').unwrap_or(("", name));
        Name { prefix: prefix.to_owned(), local: local.to_owned(), namespace: None }
    }

    /// With its prefix.
    pub(super) fn qualified(&self) -> String {
        if self.prefix.is_empty() { self.local.clone() } else { format!("{}:{}", self.prefix, self.local) }
    }
}

impl Tree {
    pub(super) fn read(text: &str) -> Tree {
        let document = Node { parent: 0, children: Vec::new(), kind: Kind::Document };
        let mut tree = Tree { nodes: vec![document], wrong: None, is_undeclared: false, attributes: 0 };
        let mut reader = Reader::from_str(text);
        let mut open = vec![0];
        loop {
            let at = open.last().copied().unwrap_or(0);
            match reader.read_event() {
                Ok(Event::Start(start)) => match tree.element(&start, at) {
                    Some(_) if open.len() > ELEMENT_DEPTH_MAX => {
                        tree.fail(format!("more than {ELEMENT_DEPTH_MAX} elements are inside of each other"));
                        break;
                    }
                    Some(new) => open.push(new),
                    None => break,
                },
                Ok(Event::Empty(start)) => {
                    if tree.element(&start, at).is_none() {
                        break;
                    }
                }
                Ok(Event::End(_)) => _ = open.pop(),
                Ok(Event::Text(text)) => tree.text(at, &text.xml10_content()),
                Ok(Event::GeneralRef(name)) => tree.text(at, &format!("&{};", &*name)),
                Ok(Event::CData(text)) if at == 0 => tree.text(at, &text.xml10_content()),
                Ok(Event::CData(text)) => tree.push(at, Kind::CData(text.xml10_content().into_owned())),
                Ok(Event::Comment(text)) => tree.push(at, Kind::Comment(text.to_string())),
                Ok(Event::PI(text)) => tree.push(at, Kind::Instruction(text.to_string())),
                Ok(Event::Decl(_) | Event::DocType(_)) => {}
                Ok(Event::Eof) => break,
                Err(cause) => {
                    tree.fail(cause.to_string());
                    break;
                }
            }
            if tree.nodes.len() + tree.attributes > NODES_MAX {
                tree.fail(format!("there are more than {NODES_MAX} nodes"));
                break;
            }
        }
        if open.len() > 1 {
            tree.fail("an element is not closed".to_owned());
        }
        if tree.root().is_none() {
            tree.fail("there is no element".to_owned());
        }
        tree
    }

    fn fail(&mut self, cause: String) {
        self.wrong.get_or_insert(cause);
    }

    /// The outermost element.
    pub(super) fn root(&self) -> Option<usize> {
        self.nodes[0].children.iter().copied().find(|&child| self.as_element(child).is_some())
    }

    pub(super) fn as_element(&self, at: usize) -> Option<&Element> {
        match &self.nodes.get(at)?.kind {
            Kind::Element(element) => Some(element),
            _ => None,
        }
    }

    fn push(&mut self, parent: usize, kind: Kind) {
        let new = self.nodes.len();
        self.nodes.push(Node { parent, children: Vec::new(), kind });
        self.nodes[parent].children.push(new);
    }

    fn text(&mut self, parent: usize, text: &str) {
        if parent == 0 {
            if !text.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).is_empty() {
                self.fail("there is text outside of the document's element".to_owned());
            }
            return;
        }
        let last = self.nodes[parent].children.last().copied();
        match last.map(|last| &mut self.nodes[last].kind) {
            Some(Kind::Text(before)) => before.push_str(text),
            _ => self.push(parent, Kind::Text(text.to_owned())),
        }
    }

    /// A new element; none where it is a second one at the top, which no one reads.
    fn element(&mut self, start: &BytesStart<'_>, parent: usize) -> Option<usize> {
        if parent == 0 && self.root().is_some() {
            self.fail("there is a second element at the top".to_owned());
            return None;
        }
        let name = Name::of(start.name().0);
        let mut element = Element { name, declared: Vec::new(), attributes: Vec::new(), written: Vec::new() };
        for attribute in start.attributes() {
            let attribute = match attribute {
                Ok(attribute) => attribute,
                Err(cause) => {
                    self.fail(cause.to_string());
                    continue;
                }
            };
            let value = unescaped(&attribute.value);
            let declared = match attribute.key.0.split_once(':') {
                None if attribute.key.0 == "xmlns" => Some(""),
                Some(("xmlns", prefix)) => Some(prefix),
                _ => None,
            };
            match declared {
                Some(prefix) => {
                    element.written.push(Written::Declared(element.declared.len()));
                    element.declared.push((prefix.to_owned(), value));
                }
                None => {
                    element.written.push(Written::Attribute(element.attributes.len()));
                    element.attributes.push((Name::of(attribute.key.0), value));
                }
            }
        }
        self.attributes += element.written.len();
        let new = self.nodes.len();
        self.push(parent, Kind::Element(element));
        self.resolve(new);
        Some(new)
    }

    /// Finds the namespaces of an element's names.
    fn resolve(&mut self, at: usize) {
        let Some(element) = self.as_element(at) else { return };
        let own = self.namespace(at, &element.name.prefix);
        let of_attribute = |name: &Name| match name.prefix.as_str() {
            "" => None,
            prefix => self.namespace(at, prefix),
        };
        let others: Vec<_> = element.attributes.iter().map(|(name, _)| of_attribute(name)).collect();
        let is_undeclared = !element.name.prefix.is_empty() && own.is_none()
            || element
                .attributes
                .iter()
                .zip(&others)
                .any(|((name, _), found)| !name.prefix.is_empty() && found.is_none());
        self.is_undeclared |= is_undeclared;
        if let Kind::Element(element) = &mut self.nodes[at].kind {
            element.name.namespace = own;
            element.attributes.iter_mut().zip(others).for_each(|((name, _), found)| name.namespace = found);
        }
    }

    fn namespace(&self, mut at: usize, prefix: &str) -> Option<String> {
        if prefix == "xml" {
            return Some(XML_NAMESPACE.to_owned());
        }
        while let Some(element) = self.as_element(at) {
            if let Some((_, namespace)) = element.declared.iter().find(|(known, _)| known == prefix) {
                return Some(namespace.clone()).filter(|namespace| !namespace.is_empty());
            }
            at = self.nodes[at].parent;
        }
        None
    }

    /// Takes all prefixes and declarations away.
    pub(super) fn remove_namespaces(&mut self) {
        for node in &mut self.nodes {
            if let Kind::Element(element) = &mut node.kind {
                element.declared.clear();
                element.written.retain(|written| matches!(written, Written::Attribute(_)));
                for name in
                    std::iter::once(&mut element.name).chain(element.attributes.iter_mut().map(|(name, _)| name))
                {
                    name.prefix.clear();
                    name.namespace = None;
                }
            }
        }
    }

    /// Appends the text of a node and all inside of it.
    pub(super) fn text_of(&self, at: usize, out: &mut String) {
        match &self.nodes[at].kind {
            Kind::Text(raw) => out.push_str(&unescaped(raw)),
            Kind::CData(text) => out.push_str(text),
            Kind::Comment(text) | Kind::Instruction(text) => out.push_str(text),
            Kind::Document | Kind::Element(_) => {
                for &child in &self.nodes[at].children {
                    if !matches!(self.nodes[child].kind, Kind::Comment(_) | Kind::Instruction(_)) {
                        self.text_of(child, out);
                    }
                }
            }
        }
    }

    /// Appends a node as XML. Where no text stands beside them, elements are indented, as libxml2 does.
    pub(super) fn write(&self, at: usize, indent: Option<usize>, out: &mut String) {
        let children = &self.nodes[at].children;
        match &self.nodes[at].kind {
            Kind::Document => children.iter().for_each(|&child| self.write(child, indent, out)),
            Kind::Text(raw) => escape(&unescaped(raw), false, out),
            Kind::CData(text) => out.extend(["<![CDATA[", text, "]]>"]),
            Kind::Comment(text) => out.extend(["<!--", text, "-->"]),
            Kind::Instruction(text) => out.extend(["<?", text, "?>"]),
            Kind::Element(element) => {
                let name = element.name.qualified();
                out.extend(["<", &name]);
                for (prefix, namespace) in &element.declared {
                    out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
                    out.extend([prefix, "=\""]);
                    escape(namespace, true, out);
                    out.push('"');
                }
                for (name, value) in &element.attributes {
                    out.extend([" ", &name.qualified(), "=\""]);
                    escape(value, true, out);
                    out.push('"');
                }
                if children.is_empty() {
                    out.push_str("/>");
                    return;
                }
                out.push('>');
                let is_text = |&child: &usize| matches!(self.nodes[child].kind, Kind::Text(_) | Kind::CData(_));
                let indent = indent.filter(|_| !children.iter().any(is_text));
                for &child in children {
                    indent.into_iter().for_each(|indent| line(indent + 1, out));
                    self.write(child, indent.map(|indent| indent + 1), out);
                }
                indent.into_iter().for_each(|indent| line(indent, out));
                out.extend(["</", &name, ">"]);
            }
        }
    }
}

fn line(indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", indent));
}

fn escape(text: &str, in_attribute: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '"' if in_attribute => out.push_str("&quot;"),
            '\n' if in_attribute => out.push_str("&#10;"),
            '\t' if in_attribute => out.push_str("&#9;"),
            c => out.push(c),
        }
    }
}

/// The text with characters in the place of their entities; unknown ones stay.
pub(super) fn unescaped(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest.find(';').map(|end| &rest[1..end]);
        match entity.and_then(|entity| Some((character(entity)?, entity.len() + 2))) {
            Some((c, length)) => {
                out.push(c);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|&c| c != '\0')
        }
    }
}
