//! XPath 1.0, without variables and without the axes `namespace` and `preceding`.

mod eval;
mod parse;

use super::tree::Tree;
pub(super) use eval::Namespaces;

/// An expression, parsed.
#[derive(Debug)]
pub(super) struct XPath(Expr);

#[derive(Debug)]
enum Expr {
    Binary(Operator, Box<[Expr; 2]>),
    Negative(Box<Expr>),
    Text(String),
    Number(f64),
    Call(Function, Vec<Expr>),
    /// From the document.
    Absolute(Vec<Step>),
    /// From the node that is looked at.
    Relative(Vec<Step>),
    /// From what another expression selects, where all of these hold.
    From(Box<Expr>, Vec<Expr>, Vec<Step>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Remainder,
    Union,
}

#[derive(Debug)]
struct Step {
    axis: Axis,
    test: Test,
    predicates: Vec<Expr>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Axis {
    Ancestor,
    AncestorOrSelf,
    Attribute,
    Child,
    Descendant,
    DescendantOrSelf,
    Following,
    FollowingSibling,
    Parent,
    PrecedingSibling,
    Itself,
}

#[derive(Debug)]
enum Test {
    Node,
    Text,
    Comment,
    Instruction,
    Any,
    /// `h:*`
    AnyOf(String),
    Name {
        prefix: Option<String>,
        local: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Function {
    Boolean,
    Ceiling,
    Concat,
    Contains,
    Count,
    False,
    Floor,
    Last,
    LocalName,
    Name,
    NamespaceUri,
    NormalizeSpace,
    Not,
    Number,
    Position,
    Round,
    StartsWith,
    String,
    StringLength,
    Substring,
    SubstringAfter,
    SubstringBefore,
    Sum,
    Translate,
    True,
}

impl XPath {
    /// Parses an expression.
    pub(super) fn parse(text: &str) -> Result<XPath, String> {
        parse::expression(text).map(XPath)
    }

    /// The texts of what is selected: elements and text nodes as XML, attributes as they are. A number is one text, so is a text,
    /// and what is true; what is false is none.
    pub(super) fn select(&self, tree: &Tree, namespaces: Namespaces<'_>) -> Result<Vec<String>, String> {
        eval::select(&self.0, tree, namespaces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKS: &str = "<shop n='2'><book id='1' lang='en'><title>One</title><price>10</price></book>\
        <book id='2'><title>Two <i>b</i></title><price>20.5</price></book><!-- c --><cd><title>Three</title></cd></shop>";

    fn selected(expression: &str) -> Result<Vec<String>, String> {
        let known = Namespaces { known: &[], default_name: "xmlns" };
        XPath::parse(expression)?.select(&Tree::read(BOOKS), known)
    }

    #[test]
    fn expressions_select() {
        let check = |expression: &str, expected: &[&str]| {
            assert_eq!(selected(expression).unwrap(), expected, "{expression}");
        };
        check("/shop/book/@id", &["1", "2"]);
        check("//title/text()", &["One", "Two ", "Three"]);
        check("/shop/*/title", &["<title>One</title>", "<title>Two <i>b</i></title>", "<title>Three</title>"]);
        check("/shop/cd", &["<cd>\n  <title>Three</title>\n</cd>"]);
        check("//book[1]/@id", &["1"]);
        check("//book[last()]/@id", &["2"]);
        check("//book[position() < 2]/@id", &["1"]);
        check("//book[@id='2']/title/i/text()", &["b"]);
        check("//book[@lang]/@id", &["1"]);
        check("//book[not(@lang)]/@id", &["2"]);
        check("//book[price > 15]/@id", &["2"]);
        check("//book[title = 'One' and price=10]/@lang", &["en"]);
        check("//book[contains(title, 'w')]/@id", &["2"]);
        check("//book[starts-with(title, 'On') or @id = 7]/@id", &["1"]);
        check("//i/../../@id", &["2"]);
        check("//i/ancestor::book/@id", &["2"]);
        check("//book[@id='1']/following-sibling::*[1]/@id", &["2"]);
        check("//cd/preceding-sibling::book[1]/@id", &["2"]);
        check("/descendant::title[3]/text()", &["Three"]);
        check("(//title)[2]/i", &["<i>b</i>"]);
        check("//book/price | //cd/title", &["<price>10</price>", "<price>20.5</price>", "<title>Three</title>"]);
        check("//comment()", &["<!-- c -->"]);
        check("//node()[self::i]", &["<i>b</i>"]);
        check("sum(//price) * 2 - 1", &["60.0"]);
        check("7 div 2", &["3.5"]);
        check("7 mod 4 + -1", &["2.0"]);
        check("string(//book[2]/title)", &["Two b"]);
        check("concat(name(/*), '-', local-name(//@id))", &["shop-id"]);
        check("normalize-space('  a   b ')", &["a b"]);
        check("substring('12345', 2, 3)", &["234"]);
        check("substring-before('a=b', '=')", &["a"]);
        check("substring-after('a=b', \"=\")", &["b"]);
        check("translate('bar', 'abc', 'AB')", &["BAr"]);
        check("string-length('äb')", &["2.0"]);
        check("1 = 1", &["true"]);
        check("1 = 2", &[]);
        check("//@id = 2", &["true"]);
        check("//nothing", &[]);
        check("/", &[selected("/*").unwrap()[0].as_str()]);
        check(".//cd/title/text()", &["Three"]);
    }

    #[test]
    fn expressions_are_refused() {
        let check = |expression: &str, expected: &str| {
            let cause = selected(expression).unwrap_err();
            assert!(cause.contains(expected), "{expression}: {cause}");
        };
        check("", "ends too early");
        check("//a[", "ends too early");
        check("//a[1", "`]` is missing");
        check("//a b", "`b` is not understood");
        check("foo(1)", "no function `foo`");
        check("count()", "does not take 0 arguments");
        check("count(1)", "nodes are counted");
        check("up::a", "no axis `up`");
        check("$a", "variables");
        check("'a", "a text does not end");
        check("//h:a", "nothing declares the prefix `h`");
        check("//h:a | 1", "nothing declares");
        check(&"(".repeat(100), "inside of each other");
        check(&["1"; 300].join("+"), "more than 200 operators");
    }
}
