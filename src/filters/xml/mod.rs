//! `xml { source => "message" target => "doc" }`: a field that holds XML becomes fields.
//!
//! The document goes into `target` as XmlSimple has it ([`simple`]), unless `store_xml => false`. `xpath => { "/a/b/text()" => "b" }`
//! puts what is selected into fields, as a list of texts, and sets nothing where nothing is. Prefixes in expressions are
//! those of `namespaces`, or, where there are none, those that the outermost element declares, `xmlns` being the default one.
//! Namespaces are taken away first with `remove_namespaces`, for `xpath` only.
//!
//! Expressions are XPath 1.0 without variables and without the axes `namespace` and `preceding`. They are tried on what could be read of a
//! broken document, unless `parse_options => "strict"`; to store it is tagged `_xmlparsefailure`, as is a source that is no
//! text, or a list of other than one. An empty source is nothing to do. Documents are bounded, see the `*_MAX` of the parts;
//! leaves beyond 1,000 are dropped, tagged `_toomanyfields`.

mod simple;
mod tree;
mod xpath;

use super::{Filter, FilterError, FilterKind, Scratch, Verdict};
use crate::{
    config::Options,
    event::{Event, Value},
};
use logship_parsers::config::{Diagnostic, FieldRef, ast, typed};
use simple::{Leaves, Simple};
use tree::Tree;
use xpath::{Namespaces, XPath};

pub(super) const KIND: FilterKind = FilterKind {
    name: "xml",
    summary: "Reads a field that holds XML",
    options: &[
        "force_array",
        "force_content",
        "namespaces",
        "parse_options",
        "remove_namespaces",
        "source",
        "store_xml",
        "suppress_empty",
        "target",
        "xpath",
    ],
    build,
};

/// What libxml2 can be told; only whether it goes on after errors has an effect.
const PARSE_OPTIONS: [&str; 22] = [
    "BIGLINES",
    "COMPACT",
    "DEFAULTHTML",
    "DEFAULTXML",
    "DTDATTR",
    "DTDLOAD",
    "DTDVALID",
    "HUGE",
    "NOBASEFIX",
    "NOBLANKS",
    "NOCDATA",
    "NODICT",
    "NOENT",
    "NOERROR",
    "NONET",
    "NOWARNING",
    "NOXINCNODE",
    "NSCLEAN",
    "OLD10",
    "PEDANTIC",
    "RECOVER",
    "STRICT",
];

#[derive(Debug)]
struct Xml {
    source: FieldRef,
    target: Option<FieldRef>,
    xpath: Vec<(XPath, FieldRef)>,
    namespaces: Vec<(String, String)>,
    remove_namespaces: bool,
    is_strict: bool,
    simple: Simple,
}

fn build(options: &mut Options<'_>) -> Option<Box<dyn Filter>> {
    let target = options.field("target");
    let store_xml = options.flag("store_xml", true);
    if store_xml && target.is_none() && !options.is_given("target") {
        let error = Diagnostic::error(options.place(), "`xml` needs the option `target`, since it stores the document");
        options.report(error.help("add `target => \"doc\"`, or `store_xml => false` where `xpath` is all"));
    }
    let text = |value: &ast::Value| typed::text(value).map(str::to_owned);
    // `xmlns:h` is `h`.
    let prefix = |value: &ast::Value| text(value).map(|name| name.rsplit(':').next().unwrap_or_default().to_owned());
    let namespaces = options.pairs("namespaces", prefix, text);
    let is_strict = options.get("parse_options", is_strict).unwrap_or(false);
    Some(Box::new(Xml {
        target: target.filter(|_| store_xml),
        xpath: expressions(options),
        namespaces,
        remove_namespaces: options.flag("remove_namespaces", false),
        is_strict,
        simple: Simple {
            force_array: options.flag("force_array", true),
            force_content: options.flag("force_content", false),
            suppress_empty: options.flag("suppress_empty", true),
        },
        source: options.required("source", typed::field)?,
    }))
}

fn is_strict(value: &ast::Value) -> typed::Read<bool> {
    let mut goes_on = false;
    for name in typed::text(value)?.split([',', '|']).map(|name| name.trim().replace('_', "").to_ascii_uppercase()) {
        if !name.is_empty() && !PARSE_OPTIONS.contains(&name.as_str()) {
            return Err(Diagnostic::error(value.span.0, format!("there is no parse option `{name}`")));
        }
        goes_on |= matches!(name.as_str(), "RECOVER" | "DEFAULTXML" | "DEFAULTHTML");
    }
    Ok(!goes_on)
}

/// `{ "expression" => "field" }`, or the two by turns in a list.
fn expressions(options: &mut Options<'_>) -> Vec<(XPath, FieldRef)> {
    let compiled = |value: &ast::Value| {
        let error = |cause| Diagnostic::error(value.span.0, format!("this is no XPath expression: {cause}"));
        XPath::parse(typed::text(value)?).map_err(error)
    };
    match options.value("xpath").map(|value| &value.kind) {
        Some(ast::ValueKind::Array(items)) => {
            let read = items.chunks(2).map(|pair| match pair {
                [expression, field] => Ok((compiled(expression)?, typed::field(field)?)),
                _ => Err(Diagnostic::error(options.place(), "an expression in `xpath` has no field behind it")),
            });
            let (good, wrong): (Vec<_>, Vec<_>) = read.partition(Result::is_ok);
            wrong.into_iter().filter_map(Result::err).for_each(|wrong| options.report(wrong));
            good.into_iter().filter_map(Result::ok).collect()
        }
        _ => options.pairs("xpath", compiled, typed::field),
    }
}

impl Filter for Xml {
    fn apply(&self, event: &mut Event, _: &mut Scratch) -> Result<Verdict, FilterError> {
        let fail = |cause: &str| FilterError::new(&["_xmlparsefailure".to_owned()], cause);
        let text = match event.get(&self.source).as_deref() {
            None | Some(Value::Null | Value::Bool(false)) => return Ok(Verdict::Unmatched),
            Some(Value::Str(text)) => text.clone(),
            Some(Value::List(items)) => match items.as_slice() {
                [Value::Str(text)] => text.clone(),
                _ => return Err(fail("the source is no list of one text")),
            },
            Some(_) => return Err(fail("the source is no text")),
        };
        let text = text.trim();
        if text.is_empty() {
            return Ok(Verdict::Unmatched);
        }
        let mut tree = Tree::read(text);
        let mut stored = Ok(None);
        if self.target.is_some() {
            stored = self.stored(&tree, event);
        }
        if let Some(cause) = tree.wrong.as_deref().filter(|_| self.is_strict) {
            return Err(fail(cause));
        }
        if self.remove_namespaces {
            tree.remove_namespaces();
        }
        let mut matched = false;
        for (path, field) in &self.xpath {
            let found = path.select(&tree, self.namespaces(&tree)).map_err(|cause| fail(&cause))?;
            if !found.is_empty() {
                matched = true;
                let found = found.into_iter().map(Value::from).collect();
                event.set(field, Value::List(found)).map_err(|cause| fail(&cause.to_string()))?;
            }
        }
        let stored = stored.map_err(|cause| fail(&cause))?;
        if let (Some(target), Some(value)) = (&self.target, stored) {
            event.set(target, value).map_err(|cause| fail(&cause.to_string()))?;
            matched = true;
        }
        Ok(if matched { Verdict::Matched } else { Verdict::Unmatched })
    }
}

impl Xml {
    /// The whole document.
    fn stored(&self, tree: &Tree, event: &mut Event) -> Result<Option<Value>, String> {
        if let Some(cause) = &tree.wrong {
            return Err(cause.clone());
        }
        if tree.is_undeclared {
            return Err("a name has a prefix that nothing declares".to_owned());
        }
        let mut leaves = Leaves::default();
        let value = tree.root().map(|root| self.simple.collapse(tree, root, &mut leaves));
        if leaves.too_many {
            event.tag("_toomanyfields");
        }
        Ok(value)
    }

    fn namespaces<'n>(&'n self, tree: &'n Tree) -> Namespaces<'n> {
        let of_root = || tree.root().and_then(|root| tree.as_element(root)).map(|element| element.declared.as_slice());
        match self.namespaces.is_empty() {
            true => Namespaces { known: of_root().unwrap_or_default(), default_name: "xmlns" },
            false => Namespaces { known: &self.namespaces, default_name: "" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn documents_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(Tree::read(&nested(tree::ELEMENT_DEPTH_MAX)).wrong, None);
        assert!(Tree::read(&nested(tree::ELEMENT_DEPTH_MAX + 1)).wrong.is_some());
        let wide = format!("<a>{}</a>", "<b/>".repeat(tree::NODES_MAX));
        assert!(Tree::read(&wide).wrong.is_some());
        let simple = Simple { force_array: true, force_content: false, suppress_empty: true };
        let tree = Tree::read("<a></a>".replace("></", &format!(">{}</", "<b>x</b>".repeat(1_001))).as_str());
        let mut leaves = Leaves::default();
        simple.collapse(&tree, 1, &mut leaves);
        assert!(leaves.too_many);
    }

    proptest! {
        #[test]
        fn any_text_is_read(pieces in prop::collection::vec("<a>|</a>|<b c='&#1;'/>|&amp;|&|x|<!--|-->|<!\\[CDATA\\[|]]>|<\\?p|\\?>| ", 0..30)) {
            let tree = Tree::read(&pieces.concat());
            let simple = Simple { force_array: false, force_content: true, suppress_empty: false };
            if let Some(root) = tree.root() {
                simple.collapse(&tree, root, &mut Leaves::default());
            }
            let known = Namespaces { known: &[], default_name: "" };
            let all = XPath::parse("//node()[position() = last()]/@* | //a[b]").map_err(TestCaseError::fail)?;
            prop_assert!(all.select(&tree, known).is_ok());
        }
    }
}
