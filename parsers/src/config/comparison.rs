//! One test of a condition: two operands and what stands between them.

use super::ast::{
    Comparison, Condition, ConditionKind, Number, Operand, Pattern, Selector, SpanIgnored, Text, Value, ValueKind,
};
use super::cursor::Cursor;
use super::diagnostic::Diagnostic;
use super::field_ref::FieldRef;
use super::lexical;
use super::mistakes::{self, shown};
use super::source::Span;
use super::variables::{variable, variables};

/// What stands between two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Compare(Comparison),
    Match { negated: bool },
    In { negated: bool },
}

/// Where an operand stands, which decides what a wrong one is likely to mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Left,
    Right,
    /// Right of `in`.
    List,
}

const NOT_IN: Operator = Operator::In { negated: true };
const IN: Operator = Operator::In { negated: false };
const MATCH: Operator = Operator::Match { negated: false };
const NO_MATCH: Operator = Operator::Match { negated: true };
const EQUAL: Operator = Operator::Compare(Comparison::Equal);
const NOT_EQUAL: Operator = Operator::Compare(Comparison::NotEqual);
const LESS_OR_EQUAL: Operator = Operator::Compare(Comparison::LessOrEqual);
const GREATER_OR_EQUAL: Operator = Operator::Compare(Comparison::GreaterOrEqual);
const LESS: Operator = Operator::Compare(Comparison::Less);
const GREATER: Operator = Operator::Compare(Comparison::Greater);

/// Signs, longest first, and what to write where they are none of this language.
const SIGNS: [(&str, Operator, &str); 23] = [
    ("===", EQUAL, "=="),
    ("!==", NOT_EQUAL, "!="),
    ("==~", MATCH, "=~"),
    ("!=~", NO_MATCH, "!~"),
    ("==", EQUAL, ""),
    ("!=", NOT_EQUAL, ""),
    ("<=", LESS_OR_EQUAL, ""),
    (">=", GREATER_OR_EQUAL, ""),
    ("=~", MATCH, ""),
    ("!~", NO_MATCH, ""),
    ("=>", GREATER_OR_EQUAL, ">="),
    ("=<", LESS_OR_EQUAL, "<="),
    ("<>", NOT_EQUAL, "!="),
    ("~=", MATCH, "=~"),
    ("=!", NOT_EQUAL, "!="),
    ("=", EQUAL, "=="),
    ("<", LESS, ""),
    (">", GREATER, ""),
    ("~", MATCH, "=~"),
    ("≠", NOT_EQUAL, "!="),
    ("≤", LESS_OR_EQUAL, "<="),
    ("≥", GREATER_OR_EQUAL, ">="),
    (":", EQUAL, "=="),
];

/// Words in lower case that stand for an operator elsewhere.
const WORDS: [(&str, Operator, &str); 21] = [
    ("is", EQUAL, "=="),
    ("eq", EQUAL, "=="),
    ("equals", EQUAL, "=="),
    ("ne", NOT_EQUAL, "!="),
    ("neq", NOT_EQUAL, "!="),
    ("lt", LESS, "<"),
    ("le", LESS_OR_EQUAL, "<="),
    ("lte", LESS_OR_EQUAL, "<="),
    ("gt", GREATER, ">"),
    ("ge", GREATER_OR_EQUAL, ">="),
    ("gte", GREATER_OR_EQUAL, ">="),
    ("matches", MATCH, "=~"),
    ("match", MATCH, "=~"),
    ("like", MATCH, "=~"),
    ("regexp", MATCH, "=~"),
    ("notin", NOT_IN, "not in"),
    ("not_in", NOT_IN, "not in"),
    ("nin", NOT_IN, "not in"),
    ("in", IN, "in"),
    ("contains", EQUAL, ""),
    ("exists", EQUAL, ""),
];

impl<'t> Cursor<'t> {
    /// A test without signs before it.
    pub(super) fn comparison(&mut self) -> Option<Condition> {
        let start = self.at;
        let left = self.operand(Side::Left)?;
        let end = self.at;
        self.skip();
        let at = self.at;
        let Some(operator) = self.operator(&left) else {
            // What was no operator was told, if there was anything.
            let told = self.at != at;
            self.at = if told { self.at } else { end };
            let kind = ConditionKind::Truthy(left);
            return (!told).then(|| Condition { kind, span: SpanIgnored(self.since(start)) });
        };
        let sign = &self.text[at..self.at];
        self.skip();
        if self.is_done() || self.starts("{") || self.starts(")") {
            let error = Diagnostic::error(self.span(at..at + sign.len()), format!("nothing follows this `{sign}`"));
            self.report(error.expected("a value").expected("a field"));
            return None;
        }
        let kind = match operator {
            Operator::Compare(operator) => ConditionKind::Compare { left, operator, right: self.operand(Side::Right)? },
            Operator::In { negated } => ConditionKind::In { item: left, negated, list: self.operand(Side::List)? },
            Operator::Match { negated } => {
                let pattern = self.pattern()?;
                let Operand::Field(field) = left else {
                    let error =
                        Diagnostic::error(left.span(), "only a field can be matched").expected("a field: `[name]`");
                    self.report(error);
                    return None;
                };
                ConditionKind::Match { field, negated, pattern }
            }
        };
        Some(Condition { kind, span: SpanIgnored(self.since(start)) })
    }

    fn operator(&mut self, left: &Operand) -> Option<Operator> {
        let start = self.at;
        if let Some((sign, operator, correct)) = SIGNS.iter().find(|(sign, ..)| self.starts(sign)) {
            self.at += sign.len();
            // What other languages write behind a condition.
            if *sign == ":" && (self.at_line_end() || self.ahead().starts_with('{')) {
                self.at = start;
                return None;
            }
            if !correct.is_empty() {
                self.foreign(start, correct);
            }
            return Some(*operator);
        }
        if self.take("!") {
            self.skip();
            if self.piece(lexical::name) == Some("in") {
                self.foreign(start, "not in");
                return Some(NOT_IN);
            }
            self.at = start;
            return None;
        }
        let word = self.piece(lexical::name)?;
        match word {
            "in" => return Some(IN),
            "not" => return self.not_in(start),
            "and" | "or" | "xor" | "nand" => {}
            _ => {
                let lower = word.to_ascii_lowercase();
                if lower == "not" {
                    return self.not_in(start);
                }
                if let Some((_, operator, correct)) = WORDS.iter().find(|(known, ..)| *known == lower) {
                    return self.foreign_word(&lower, start, *operator, correct, left);
                }
            }
        }
        self.at = start;
        None
    }

    /// Behind `not`.
    fn not_in(&mut self, start: usize) -> Option<Operator> {
        let not = &self.text[start..self.at];
        let here = self.since(start);
        self.skip();
        let at = self.at;
        match self.piece(lexical::name) {
            Some("in") if not == "not" => return Some(NOT_IN),
            Some(word) if word.eq_ignore_ascii_case("in") => {
                self.foreign(start, "not in");
                return Some(NOT_IN);
            }
            _ => self.at = at,
        }
        let error = Diagnostic::error(here, format!("`in` is missing behind this `{not}`")).expected("`in`");
        self.report(error.help("write `not in`, or `!=`, or put `!( ... )` around the condition"));
        None
    }

    fn foreign(&mut self, start: usize, correct: &str) {
        let found = &self.text[start..self.at];
        let error = Diagnostic::error(self.since(start), format!("there is no operator `{}`", shown(found)));
        self.report(error.expected(format!("`{correct}`")).help(format!("write `{correct}`")));
    }

    fn foreign_word(
        &mut self,
        lower: &str,
        start: usize,
        operator: Operator,
        correct: &str,
        left: &Operand,
    ) -> Option<Operator> {
        let field = shown(&self.text[left.span().range()]);
        let here = self.since(start);
        let error = Diagnostic::error(here, format!("there is no operator `{}`", &self.text[start..self.at]));
        let help = match lower {
            "contains" => format!("write `\"text\" in {field}`"),
            "exists" => format!("`if {field}` is true where the field is there and not false"),
            _ => {
                let end = self.at;
                self.skip();
                let not = self.piece(lexical::name).is_some_and(|word| lower == "is" && word == "not");
                self.at = if not { self.at } else { end };
                let correct = if not { "!=" } else { correct };
                self.report(error.expected(format!("`{correct}`")).help(format!("write `{correct}`")));
                return Some(if not { NOT_EQUAL } else { operator });
            }
        };
        self.report(error.help(help));
        None
    }

    fn operand(&mut self, side: Side) -> Option<Operand> {
        let start = self.at;
        let value = match self.peek() {
            Some('[') => return self.bracketed(side),
            Some('"' | '\'') => {
                let text = self.string()?;
                let source = &self.text[start..self.at];
                if text.raw.contains("%{") {
                    let warning = Diagnostic::warning(self.since(start), "`%{...}` is plain text in conditions");
                    self.report(warning.help("for the value of a field write `[field]`"));
                }
                self.refined(text, source, start)
            }
            Some('-' | '0'..='9') if lexical::number(self.rest()).is_ok() => {
                let number = self.piece(lexical::number)?;
                if self.rest().starts_with(|c| lexical::is_name(c) || matches!(c, '.' | ':' | '/' | '%')) {
                    self.at = start;
                    return self.no_operand(side);
                }
                let kind = ValueKind::Number(Number::new(number));
                Value { kind, span: SpanIgnored(self.since(start)), variable: None }
            }
            Some('$') if variable(self.rest()).is_ok() => self.variable()?,
            _ => return self.no_operand(side),
        };
        Some(Operand::Literal(value))
    }

    /// A field or a list.
    fn bracketed(&mut self, side: Side) -> Option<Operand> {
        let start = self.at;
        let Some(text) = self.piece(lexical::selector) else {
            let value = self.value()?;
            if let ValueKind::Array(items) = &value.kind {
                self.check_list(items, side, value.span.0);
            }
            return Some(Operand::Literal(value));
        };
        let inside = text[1..text.len() - 1].trim();
        let quoted = inside.starts_with(['"', '\'']);
        let number = lexical::number(inside).is_ok_and(|(rest, _)| rest.is_empty());
        if side == Side::List && !text.contains("][") && (quoted || number) {
            self.at = start;
            let value = self.value()?;
            let warning =
                Diagnostic::warning(self.since(start), "Logstash reads a list of one value as a field of that name");
            self.report(warning.help(format!(
                "here it is a list; to mean the same everywhere write it twice: `[{inside}, {inside}]`"
            )));
            return Some(Operand::Literal(value));
        }
        if quoted {
            let plain: String = text.chars().filter(|c| !matches!(c, '"' | '\'')).collect();
            let error = Diagnostic::error(self.since(start), "the name of a field has no quotes");
            self.report(error.help(format!("write `{}`", shown(&plain))));
        } else if text.contains("[ ") || text.contains(" ]") {
            let plain = text.replace("[ ", "[").replace(" ]", "]");
            let warning =
                Diagnostic::warning(self.since(start), "the blanks in these brackets belong to the name of the field");
            self.report(warning.help(format!("write `{}`", shown(&plain))));
        }
        let field = FieldRef { parts: text[1..text.len() - 1].split("][").map(str::to_owned).collect() };
        let span = SpanIgnored(self.since(start));
        if !quoted && self.peek().is_some_and(|c| lexical::is_name(c) && self.junctionless()) {
            let error = Diagnostic::error(self.span(self.at..self.at + 1), "a name stands right behind a field");
            self.report(error.help("every part of a field stands in brackets: `[outer][inner]`"));
            return None;
        }
        Some(Operand::Field(Selector { field, span }))
    }

    /// Says that brackets are likely to be meant for a field, though they cannot be read as one.
    fn check_list(&mut self, items: &[Value], side: Side, span: Span) {
        let literal =
            |item: &Value| matches!(item.kind, ValueKind::String(_) | ValueKind::Number(_)) && item.variable.is_none();
        match items {
            [] if side == Side::Left => {
                self.report(
                    Diagnostic::error(span, "there is no name in these brackets").expected("a field: `[name]`"),
                );
            }
            [one] if one.as_str().is_some() && !(side == Side::List && literal(one)) => {
                let error = Diagnostic::error(span, "a field stands on one line").expected("a field: `[name]`");
                self.report(error.help("write its brackets beside its name"));
            }
            _ => {}
        }
    }

    /// Whether the word here is no operator.
    fn junctionless(&self) -> bool {
        let word = lexical::name(self.rest()).map_or("", |(_, word)| word);
        !matches!(word, "and" | "or" | "xor" | "nand" | "in" | "not" | "then")
    }

    /// A string in a condition: one that is all variable may be a list in brackets.
    fn refined(&mut self, text: Text, source: &str, start: usize) -> Value {
        let span = SpanIgnored(self.since(start));
        if variables(&text.raw).next().is_none() {
            return Value { kind: ValueKind::String(text), span, variable: None };
        }
        let plain = without_quotes(&text.text);
        let items = plain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let string = |text: &str| ValueKind::String(Text { raw: text.to_owned(), text: text.to_owned() });
        let kind = match items {
            Some(items) => ValueKind::Array(
                items
                    .split(',')
                    .map(|item| Value { kind: string(without_quotes(item.trim())), span, variable: None })
                    .collect(),
            ),
            None => ValueKind::String(Text { text: plain.to_owned(), raw: text.raw }),
        };
        Value { kind, span, variable: Some(source.to_owned()) }
    }

    /// Behind `=~` and `!~`.
    fn pattern(&mut self) -> Option<Pattern> {
        let start = self.at;
        match self.peek() {
            Some('"' | '\'') => {
                let option = std::mem::replace(&mut self.option, "pattern");
                let text = self.string();
                self.option = option;
                Some(Pattern::Text(text?, SpanIgnored(self.since(start))))
            }
            Some('/') => {
                let open = self.never_closed[2].is_none_or(|from| start < from);
                let read = if open { lexical::regex(self.rest()) } else { Err(nom::Err::Error(())) };
                if read.is_err() && open {
                    self.never_closed[2] = Some(start);
                }
                if let Ok((rest, regex)) = read
                    && (!regex.contains('\n') || mistakes::ends_regex(rest))
                {
                    self.at = self.text.len() - rest.len();
                    if rest.starts_with(|c: char| c.is_ascii_alphanumeric() || "/\\^$.*+?[(".contains(c)) {
                        let slash = self.span(self.at - 1..self.at);
                        let error = Diagnostic::error(slash, "the regular expression ends here, and text follows it");
                        let flags = rest.find(|c: char| !matches!(c, 'i' | 'm' | 'x')).unwrap_or(rest.len());
                        let are_flags = flags > 0 && !rest[flags..].starts_with(lexical::is_name);
                        self.report(match are_flags {
                            true => error.help(format!("options stand inside: `/(?{}){regex}/`", &rest[..flags])),
                            false => error.help("inside of a regular expression write `\\/`"),
                        });
                        return None;
                    }
                    return Some(Pattern::Regex(regex.to_owned(), SpanIgnored(self.since(start))));
                }
                let line = self.text[start..self.line_end(start)].trim_end();
                self.at = start + line.trim_end_matches('{').trim_end().len();
                let error = Diagnostic::error(self.since(start), "this regular expression is never closed");
                self.report(error.expected("`/`").help("add `/` where it ends; inside of it write `\\/`"));
                None
            }
            _ => {
                let field = self.piece(lexical::selector);
                let found = shown(field.or_else(|| self.piece(lexical::unquoted)).unwrap_or_default());
                let error = Diagnostic::error(self.since(start), format!("`{found}` is no regular expression"));
                let error = error.expected("`/.../`").expected("a string");
                self.report(match field {
                    Some(_) => error.help("a regular expression is written out: it cannot come from a field"),
                    None => error.help(format!("write `/{found}/`")),
                });
                None
            }
        }
    }

    /// What can be no operand: what it is likely to mean.
    fn no_operand(&mut self, side: Side) -> Option<Operand> {
        let start = self.at;
        let wanted = |error: Diagnostic| error.expected("a field: `[name]`").expected("a string").expected("a number");
        let Some(c) = self.peek() else {
            self.report(wanted(Diagnostic::error(self.span(start..start), "the condition ends here")));
            return None;
        };
        if let Some(text) = (c == '/').then(|| self.piece(lexical::regex)).flatten() {
            let error = Diagnostic::error(self.since(start), "a regular expression stands only behind `=~` or `!~`");
            self.report(match side {
                Side::Left => error.help(format!("write `[field] =~ /{}/`", shown(text))),
                _ => error.help(format!("write `=~ /{}/`", shown(text))),
            });
            return None;
        }
        if lexical::smart_quote(c).is_some() {
            return self.value().map(Operand::Literal);
        }
        let word = self.piece(lexical::bare_operand);
        let Some(word) = word.map(|word| word.trim_end_matches(['{', '.', ':'])).filter(|word| !word.is_empty()) else {
            self.at = start;
            self.bump();
            let error = Diagnostic::error(self.since(start), format!("`{c}` cannot stand here"));
            self.report(match (c, side) {
                ('(', Side::List) => error.expected("`[`").help("a list stands in brackets: `[\"a\", \"b\"]`"),
                _ => wanted(error),
            });
            return None;
        };
        self.at = start + word.len();
        let here = self.since(start);
        let text = shown(word);
        let call = self.starts("(");
        let error = |message: String| Diagnostic::error(here, message);
        let name = FieldRef::parse(word).is_ok() && !word.contains(['%', '/', ':', '}']);
        self.report(match (word, side) {
            _ if call => error(format!("there is no function `{text}`"))
                .help("conditions compare fields; compute in a filter before"),
            ("true" | "false", Side::Right) => error(format!("a condition cannot compare with `{text}`")).help(
                "whether a field is true is `if [field]`, whether it is not `if ![field]`; for text write quotes",
            ),
            ("nil" | "null" | "None", Side::Right) => error(format!("there is no `{text}`"))
                .help("whether a field is there is `if [field]`, whether it is not `if ![field]`"),
            _ if word.starts_with("%{") => {
                error("there are no `%{...}` in conditions".to_owned()).help("write the field in brackets: `[field]`")
            }
            (_, Side::Left) if name => wanted(error(format!("the field `{text}` has no brackets")))
                .help(format!("write `[{}]`", text.replace('.', "]["))),
            (_, Side::List) if name => error(format!("`{text}` has no brackets"))
                .help(format!("for the field write `[{text}]`, for a list `[\"{text}\", \"...\"]`")),
            _ => wanted(error(format!("the text `{text}` has no quotes"))).help(format!("write `\"{text}\"`")),
        });
        // What was meant stands for it, so that the rest of the condition is read.
        let meant = Text { raw: word.to_owned(), text: word.to_owned() };
        let value = Value { kind: ValueKind::String(meant), span: SpanIgnored(here), variable: None };
        (!call).then_some(Operand::Literal(value))
    }
}

/// A text without the quotes around it.
fn without_quotes(text: &str) -> &str {
    let inside = |quote| text.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
    inside('\'').or_else(|| inside('"')).unwrap_or(text)
}
