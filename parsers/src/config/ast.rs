//! A config as a tree, with the place of everything in it. It prints itself back (`print.rs`), and what is printed parses to
//! the same tree; places do not count in comparisons.

pub use crate::span::SpanIgnored;

use super::field_ref::FieldRef;
use super::source::Span;

/// All sources of one pipeline as one config. Filters run one after the other in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// What stands in `input { }`.
    pub inputs: Vec<Statement>,
    /// What stands in `filter { }`.
    pub filters: Vec<Statement>,
    /// What stands in `output { }`.
    pub outputs: Vec<Statement>,
}

/// What a section is made of.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `grok { ... }`
    Plugin(Plugin),
    /// `if ... { ... } else { ... }`
    Branch(Branch),
}

/// A plugin with its options. As a value it is a codec.
#[derive(Clone, Debug, PartialEq)]
pub struct Plugin {
    /// `grok`
    pub name: Name,
    /// The options as written, in their order; [`Plugin::options`] joins those that are given more than once.
    pub attributes: Vec<Attribute>,
    /// From the name to the closing brace.
    pub span: SpanIgnored<Span>,
    /// Whether all of it could be read. Where it could not, that something is missing says nothing.
    pub intact: bool,
}

/// A name as written, without quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name.
    pub text: String,
    /// Where it stands, quotes included.
    pub span: SpanIgnored<Span>,
}

/// `match => { ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    /// The option.
    pub name: Name,
    /// Its value.
    pub value: Value,
}

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// What it is.
    pub kind: ValueKind,
    /// Where it stands, quotes and brackets included.
    pub span: SpanIgnored<Span>,
    /// The text that it was made of, where it came out of a variable: `${PORT:5044}`. It may be a secret, so it is this that
    /// is printed.
    pub variable: Option<String>,
}

/// The kinds of values.
#[derive(Clone, Debug, PartialEq)]
pub enum ValueKind {
    /// `json`, `true`
    Bareword(String),
    /// `"text"`, `'text'`
    String(Text),
    /// `5044`, `-1.5`
    Number(Number),
    /// `["a", 5]`
    Array(Vec<Value>),
    /// `{ "a" => "b" }`
    Hash(Vec<Entry>),
    /// `rubydebug { metadata => true }`
    Plugin(Plugin),
}

/// One pair of a hash. No key stands in it twice, but for those of merged options, whose values were merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// A bareword, a string or a number.
    pub key: Value,
    /// Its value.
    pub value: Value,
}

/// A string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// What stands between the quotes.
    pub raw: String,
    /// What it means: with escapes read, where that is asked for, and variables replaced.
    pub text: String,
}

/// A number; it may have more digits than fit anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number {
    /// As written.
    pub raw: String,
    /// As a text: a fraction without digits that say nothing (`1.50` is `1.5`, `2.` is `2.0`), as Ruby has it. A whole number
    /// stays as written, for `0640` is the mode of a file.
    pub text: String,
}

impl Number {
    pub(super) fn new(raw: &str) -> Number {
        let text = match raw.trim_end_matches('0') {
            _ if !raw.contains('.') => raw.to_owned(),
            short if short.ends_with('.') => format!("{short}0"),
            short => short.to_owned(),
        };
        Number { raw: raw.to_owned(), text }
    }

    /// The whole number, if it is one and fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        self.raw.parse().ok()
    }

    /// The nearest float.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        self.raw.parse().ok()
    }
}

impl Value {
    /// The text of a string, bareword or number, which is what most options ask for.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.kind {
            ValueKind::Bareword(text) => Some(text),
            ValueKind::String(text) => Some(&text.text),
            ValueKind::Number(number) => Some(&number.text),
            _ => None,
        }
    }
}

/// `if c { } else if d { } else { }`
#[derive(Clone, Debug, PartialEq)]
pub struct Branch {
    /// The conditions in their order, each with what is done where it is the first that holds. At least one.
    pub arms: Vec<Arm>,
    /// What is done where none holds.
    pub otherwise: Option<Vec<Statement>>,
    /// From the `if` to the last brace.
    pub span: SpanIgnored<Span>,
}

/// `if c { ... }`
#[derive(Clone, Debug, PartialEq)]
pub struct Arm {
    /// The condition.
    pub condition: Condition,
    /// What is done.
    pub body: Vec<Statement>,
}

/// A condition and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// What it is.
    pub kind: ConditionKind,
    /// Where it stands.
    pub span: SpanIgnored<Span>,
}

/// The kinds of conditions.
#[derive(Clone, Debug, PartialEq)]
pub enum ConditionKind {
    /// All hold; at least two.
    And(Vec<Condition>),
    /// Any holds; at least two.
    Or(Vec<Condition>),
    /// Exactly one holds.
    Xor(Box<[Condition; 2]>),
    /// Not both hold.
    Nand(Box<[Condition; 2]>),
    /// `!(...)`, `![field]`
    Not(Box<Condition>),
    /// `[a] == 5`
    Compare {
        /// `[a]`
        left: Operand,
        /// `==`
        operator: Comparison,
        /// `5`
        right: Operand,
    },
    /// `[a] =~ /re/`, `[a] !~ /re/`
    Match {
        /// `[a]`
        field: Selector,
        /// Whether it is `!~`.
        negated: bool,
        /// `/re/`
        pattern: Pattern,
    },
    /// `[a] in ["x", "y"]`, `"x" not in [a]`
    In {
        /// `[a]`
        item: Operand,
        /// Whether it is `not in`.
        negated: bool,
        /// `["x", "y"]`
        list: Operand,
    },
    /// `[a]`: it is there and not false.
    Truthy(Operand),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The operator as written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }
}

/// One side of a comparison.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// `[a][b]`
    Field(Selector),
    /// A string, a number or an array.
    Literal(Value),
}

impl Operand {
    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Operand::Field(selector) => selector.span.0,
            Operand::Literal(value) => value.span.0,
        }
    }
}

/// A field in a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Selector {
    /// Which.
    pub field: FieldRef,
    /// Where it stands.
    pub span: SpanIgnored<Span>,
}

/// A regular expression in a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// `/re/`, without the slashes; `\/` stays as written.
    Regex(String, SpanIgnored<Span>),
    /// `"re"`
    Text(Text, SpanIgnored<Span>),
}

impl Pattern {
    /// The expression.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Pattern::Regex(regex, _) => regex,
            Pattern::Text(text, _) => &text.text,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn span(&self) -> Span {
        match self {
            Pattern::Regex(_, span) | Pattern::Text(_, span) => span.0,
        }
    }
}
