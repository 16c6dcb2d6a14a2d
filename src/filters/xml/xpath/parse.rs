//! From the text of an expression.

use super::{Axis, Expr, Function, Operator, Step, Test};

/// Expressions inside of each other.
const DEPTH_MAX: usize = 32;
/// Operators of one expression, each of which holds what is left of it.
const OPERATORS_MAX: usize = 200;

const AXES: [(&str, Axis); 11] = [
    ("ancestor", Axis::Ancestor),
    ("ancestor-or-self", Axis::AncestorOrSelf),
    ("attribute", Axis::Attribute),
    ("child", Axis::Child),
    ("descendant", Axis::Descendant),
    ("descendant-or-self", Axis::DescendantOrSelf),
    ("following", Axis::Following),
    ("following-sibling", Axis::FollowingSibling),
    ("parent", Axis::Parent),
    ("preceding-sibling", Axis::PrecedingSibling),
    ("self", Axis::Itself),
];

/// Functions with the fewest and the most arguments that they take.
const FUNCTIONS: [(&str, Function, usize, usize); 25] = [
    ("boolean", Function::Boolean, 1, 1),
    ("ceiling", Function::Ceiling, 1, 1),
    ("concat", Function::Concat, 2, 64),
    ("contains", Function::Contains, 2, 2),
    ("count", Function::Count, 1, 1),
    ("false", Function::False, 0, 0),
    ("floor", Function::Floor, 1, 1),
    ("last", Function::Last, 0, 0),
    ("local-name", Function::LocalName, 0, 1),
    ("name", Function::Name, 0, 1),
    ("namespace-uri", Function::NamespaceUri, 0, 1),
    ("normalize-space", Function::NormalizeSpace, 0, 1),
    ("not", Function::Not, 1, 1),
    ("number", Function::Number, 0, 1),
    ("position", Function::Position, 0, 0),
    ("round", Function::Round, 1, 1),
    ("starts-with", Function::StartsWith, 2, 2),
    ("string", Function::String, 0, 1),
    ("string-length", Function::StringLength, 0, 1),
    ("substring", Function::Substring, 2, 3),
    ("substring-after", Function::SubstringAfter, 2, 2),
    ("substring-before", Function::SubstringBefore, 2, 2),
    ("sum", Function::Sum, 1, 1),
    ("translate", Function::Translate, 3, 3),
    ("true", Function::True, 0, 0),
];

/// Operators with how tightly they bind; of two where one begins with the other, the longer one first.
const OPERATORS: [(&str, Operator, usize); 14] = [
    ("or", Operator::Or, 1),
    ("and", Operator::And, 2),
    ("=", Operator::Equal, 3),
    ("!=", Operator::NotEqual, 3),
    ("<=", Operator::LessOrEqual, 4),
    ("<", Operator::Less, 4),
    (">=", Operator::GreaterOrEqual, 4),
    (">", Operator::Greater, 4),
    ("+", Operator::Plus, 5),
    ("-", Operator::Minus, 5),
    ("*", Operator::Times, 6),
    ("div", Operator::Divide, 6),
    ("mod", Operator::Remainder, 6),
    ("|", Operator::Union, 7),
];

/// How tightly the sign binds: less than `|`.
const SIGN: usize = 7;

pub(super) fn expression(text: &str) -> Result<Expr, String> {
    let mut parser = Parser { rest: text, depth: 0, operators: 0 };
    let expression = parser.expression(1)?;
    match parser.peek() {
        "" => Ok(expression),
        rest => Err(format!("`{rest}` is not understood")),
    }
}

struct Parser<'x> {
    rest: &'x str,
    depth: usize,
    operators: usize,
}

impl<'x> Parser<'x> {
    /// What comes next, white space aside.
    fn peek(&mut self) -> &'x str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn take(&mut self, token: &str) -> bool {
        match self.peek().strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        match self.take(token) {
            true => Ok(()),
            false => Err(format!("`{token}` is missing before `{}`", self.rest)),
        }
    }

    /// An expression of operators that bind at least so tightly.
    fn expression(&mut self, level: usize) -> Result<Expr, String> {
        if self.depth > DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} expressions are inside of each other"));
        }
        self.depth += 1;
        let mut left = match level <= SIGN && self.take("-") {
            true => Expr::Negative(Box::new(self.expression(SIGN)?)),
            false => self.operand()?,
        };
        while let Some((token, operator, binds)) = self.operator().filter(|(.., binds)| *binds >= level) {
            self.operators += 1;
            if self.operators > OPERATORS_MAX {
                return Err(format!("there are more than {OPERATORS_MAX} operators"));
            }
            _ = self.take(token);
            let right = self.expression(binds + 1)?;
            left = Expr::Binary(operator, Box::new([left, right]));
        }
        self.depth -= 1;
        Ok(left)
    }

    fn operator(&mut self) -> Option<(&'static str, Operator, usize)> {
        let rest = self.peek();
        OPERATORS.into_iter().find(|(token, ..)| {
            let is_word = token.starts_with(|c: char| c.is_ascii_alphabetic());
            rest.strip_prefix(token).is_some_and(|behind| !is_word || !behind.starts_with(is_of_name))
        })
    }

    fn operand(&mut self) -> Result<Expr, String> {
        let rest = self.peek();
        let Some(first) = rest.chars().next() else { return Err("it ends too early".to_owned()) };
        let behind = rest[first.len_utf8()..].chars().next();
        match first {
            '"' | '\'' => {
                let Some(end) = rest[1..].find(first) else { return Err("a text does not end".to_owned()) };
                self.rest = &rest[end + 2..];
                self.from(Expr::Text(rest[1..=end].to_owned()))
            }
            '(' => {
                self.expect("(")?;
                let inner = self.expression(1)?;
                self.expect(")")?;
                self.from(inner)
            }
            '0'..='9' => Ok(self.number()),
            '.' if behind.is_some_and(|c| c.is_ascii_digit()) => Ok(self.number()),
            '/' => {
                if self.take("//") {
                    return Ok(Expr::Absolute(self.steps(vec![anywhere()])?));
                }
                self.expect("/")?;
                let is_step = self.peek().starts_with(|c| is_of_name(c) || matches!(c, '@' | '*'));
                Ok(Expr::Absolute(if is_step { self.steps(Vec::new())? } else { Vec::new() }))
            }
            '$' => Err("variables are not supported".to_owned()),
            _ => match self.call()? {
                Some(call) => self.from(call),
                None => Ok(Expr::Relative(self.steps(Vec::new())?)),
            },
        }
    }

    fn number(&mut self) -> Expr {
        let end = self.rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        self.rest = rest;
        Expr::Number(digits.parse().unwrap_or(f64::NAN))
    }

    /// What is selected from an expression: predicates and steps behind it.
    fn from(&mut self, start: Expr) -> Result<Expr, String> {
        let predicates = self.predicates()?;
        let steps = if self.take("//") {
            self.steps(vec![anywhere()])?
        } else if self.take("/") {
            self.steps(Vec::new())?
        } else {
            Vec::new()
        };
        Ok(match predicates.is_empty() && steps.is_empty() {
            true => start,
            false => Expr::From(Box::new(start), predicates, steps),
        })
    }

    fn call(&mut self) -> Result<Option<Expr>, String> {
        let (name, rest) = name(self.rest);
        let Some(arguments) = rest.trim_start().strip_prefix('(') else { return Ok(None) };
        if name.is_empty() || matches!(name, "text" | "node" | "comment" | "processing-instruction") {
            return Ok(None);
        }
        let Some((_, function, least, most)) = FUNCTIONS.into_iter().find(|(known, ..)| *known == name) else {
            return Err(format!("there is no function `{name}`"));
        };
        self.rest = arguments;
        let mut given = Vec::new();
        if !self.take(")") {
            given.push(self.expression(1)?);
            while self.take(",") {
                given.push(self.expression(1)?);
            }
            self.expect(")")?;
        }
        match (least..=most).contains(&given.len()) {
            true => Ok(Some(Expr::Call(function, given))),
            false => Err(format!("`{name}` does not take {} arguments", given.len())),
        }
    }

    fn steps(&mut self, mut steps: Vec<Step>) -> Result<Vec<Step>, String> {
        loop {
            steps.push(self.step()?);
            if self.take("//") {
                steps.push(anywhere());
            } else if !self.take("/") {
                return Ok(steps);
            }
        }
    }

    fn step(&mut self) -> Result<Step, String> {
        let short = |axis| Ok(Step { axis, test: Test::Node, predicates: Vec::new() });
        if self.take("..") {
            return short(Axis::Parent);
        }
        if self.take(".") {
            return short(Axis::Itself);
        }
        let mut axis = Axis::Child;
        let (word, rest) = name(self.peek());
        if self.take("@") {
            axis = Axis::Attribute;
        } else if let Some(behind) = rest.trim_start().strip_prefix("::") {
            let known = AXES.into_iter().find(|(name, _)| *name == word);
            axis = known.ok_or_else(|| format!("there is no axis `{word}`"))?.1;
            self.rest = behind;
        }
        let test = self.test()?;
        Ok(Step { axis, test, predicates: self.predicates()? })
    }

    fn test(&mut self) -> Result<Test, String> {
        if self.take("*") {
            return Ok(Test::Any);
        }
        let (first, rest) = name(self.peek());
        if first.is_empty() {
            return Err(match rest {
                "" => "it ends too early".to_owned(),
                rest => format!("`{rest}` is not understood"),
            });
        }
        self.rest = rest;
        if rest.trim_start().starts_with('(') {
            self.expect("(")?;
            let test = match first {
                "node" => Test::Node,
                "text" => Test::Text,
                "comment" => Test::Comment,
                "processing-instruction" => Test::Instruction,
                _ => return Err(format!("there is no kind of nodes `{first}()`")),
            };
            return self.expect(")").map(|()| test);
        }
        let Some(behind) = rest.strip_prefix(':').filter(|behind| !behind.starts_with(':')) else {
            return Ok(Test::Name { prefix: None, local: first.to_owned() });
        };
        self.rest = behind;
        if self.take("*") {
            return Ok(Test::AnyOf(first.to_owned()));
        }
        let (local, rest) = name(behind);
        self.rest = rest;
        match local.is_empty() {
            true => Err(format!("a name is missing behind `{first}:`")),
            false => Ok(Test::Name { prefix: Some(first.to_owned()), local: local.to_owned() }),
        }
    }

    fn predicates(&mut self) -> Result<Vec<Expr>, String> {
        let mut predicates = Vec::new();
        while self.take("[") {
            predicates.push(self.expression(1)?);
            self.expect("]")?;
        }
        Ok(predicates)
    }
}

/// What `//` stands for, with the step behind it.
fn anywhere() -> Step {
    Step { axis: Axis::DescendantOrSelf, test: Test::Node, predicates: Vec::new() }
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}')
}

/// A name, possibly empty, and what follows.
fn name(text: &str) -> (&str, &str) {
    let begins = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let end = if begins { text.find(|c| !is_of_name(c)).unwrap_or(text.len()) } else { 0 };
    text.split_at(end)
}
