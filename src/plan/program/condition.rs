//! Conditions, evaluated as Logstash does, but that a comparison of what cannot be compared is false and no reason to drop.
//!
//! | condition | holds where |
//! |---|---|
//! | `[f]` | it is there, not null, not empty, not `false` |
//! | `[f] == v` | both are equal, of the same type; two missing fields are equal, too. `!=` is the opposite |
//! | `[f] < v` | both are numbers, texts or times, and it is so |
//! | `[f] =~ /re/` | it is a text and the expression matches anywhere in it. `!~` is the opposite |
//! | `"s" in [f]` | it is a text with `s` in it, or a list with an element `s` |
//! | `[f] in ["a", 5]` | its text is that of an element |
//! | `[f] in "abc"` | it is a text that lies in the other |

use crate::{
    config::Expression,
    event::{Event, Value, render},
};
use logship_parsers::{
    config::{
        Diagnostic, FieldRef,
        ast::{self, Comparison, ConditionKind, Operand, ValueKind},
    },
    time::{Stamp, iso8601},
};
use std::{cmp::Ordering, collections::HashSet};

/// A condition, compiled.
#[derive(Debug)]
pub enum Condition {
    /// What is the same for all events; for none, what stands for a condition with errors.
    Always(bool),
    /// All hold.
    And(Vec<Condition>),
    /// Any holds.
    Or(Vec<Condition>),
    /// Exactly one holds.
    Xor(Box<[Condition; 2]>),
    /// It does not hold.
    Not(Box<Condition>),
    /// A field alone decides.
    Field(FieldRef, Predicate),
    /// `[a] < [b]`
    Compare(FieldRef, Comparison, FieldRef),
    /// `[a] in [b]`
    In(FieldRef, FieldRef),
}

/// What is asked of a value.
#[derive(Debug)]
pub enum Predicate {
    /// `[a] == "b"`
    Is(Value),
    /// `[a] < 5`
    Compare(Comparison, Value),
    /// `[a] =~ /re/`
    Match(Box<Expression>),
    /// `[a] in ["x", 5]`: the texts.
    OneOf(HashSet<String>),
    /// `[a] in "xyz"`
    In(Value),
    /// `"x" in [a]`
    Has(Value),
    /// `[a]`
    Truthy,
}

/// One side of a comparison.
enum Side {
    Field(FieldRef),
    Constant(Value),
}

impl Condition {
    /// Compiles a condition; what is wrong with its expressions is reported.
    pub fn compile(condition: &ast::Condition, diagnostics: &mut Vec<Diagnostic>) -> Condition {
        let mut inner = |condition: &ast::Condition| Condition::compile(condition, diagnostics);
        match &condition.kind {
            ConditionKind::And(all) => Condition::And(all.iter().map(inner).collect()),
            ConditionKind::Or(any) => Condition::Or(any.iter().map(inner).collect()),
            ConditionKind::Xor(both) => Condition::Xor(Box::new([inner(&both[0]), inner(&both[1])])),
            ConditionKind::Nand(both) => Condition::And(both.iter().map(inner).collect()).negated(true),
            ConditionKind::Not(condition) => inner(condition).negated(true),
            ConditionKind::Compare { left, operator, right } => compared(Side::of(left), *operator, Side::of(right)),
            ConditionKind::Match { field, negated, pattern } => match Expression::new(pattern.as_str()) {
                Ok(regex) => Condition::Field(field.field.clone(), Predicate::Match(Box::new(regex))).negated(*negated),
                Err(message) => {
                    diagnostics.push(Diagnostic::error(pattern.span(), message));
                    Condition::Always(false)
                }
            },
            ConditionKind::In { item, negated, list } => {
                let condition = match (Side::of(item), Side::of(list)) {
                    (Side::Field(item), Side::Constant(Value::List(items))) => {
                        Condition::Field(item, Predicate::OneOf(items.iter().map(text_of).collect()))
                    }
                    (Side::Field(item), Side::Constant(list)) => Condition::Field(item, Predicate::In(list)),
                    (Side::Constant(item), Side::Field(list)) => Condition::Field(list, Predicate::Has(item)),
                    (Side::Field(item), Side::Field(list)) => Condition::In(item, list),
                    (Side::Constant(item), Side::Constant(list)) => Condition::Always(is_in(Some(&item), Some(&list))),
                };
                condition.negated(*negated)
            }
            ConditionKind::Truthy(operand) => match Side::of(operand) {
                Side::Field(field) => Condition::Field(field, Predicate::Truthy),
                Side::Constant(value) => Condition::Always(is_truthy(Some(&value))),
            },
        }
    }

    fn negated(self, negated: bool) -> Condition {
        if negated { Condition::Not(Box::new(self)) } else { self }
    }

    /// Whether it holds for this event.
    #[must_use]
    pub fn holds(&self, event: &Event) -> bool {
        match self {
            Condition::Always(holds) => *holds,
            Condition::And(all) => all.iter().all(|condition| condition.holds(event)),
            Condition::Or(any) => any.iter().any(|condition| condition.holds(event)),
            Condition::Xor(both) => both[0].holds(event) != both[1].holds(event),
            Condition::Not(condition) => !condition.holds(event),
            Condition::Field(field, predicate) => predicate.holds(event.get(field).as_deref()),
            Condition::Compare(left, operator, right) => {
                compare(event.get(left).as_deref(), *operator, event.get(right).as_deref())
            }
            Condition::In(item, list) => is_in(event.get(item).as_deref(), event.get(list).as_deref()),
        }
    }
}

impl Predicate {
    /// Whether it holds for a value, or where there is none.
    #[must_use]
    pub fn holds(&self, value: Option<&Value>) -> bool {
        match self {
            Predicate::Is(constant) => match (value, constant) {
                (Some(Value::Str(text)), Value::Str(wanted)) => text == wanted,
                _ => is_equal(value, Some(constant)),
            },
            Predicate::Compare(operator, constant) => compare(value, *operator, Some(constant)),
            Predicate::Match(regex) => match value {
                Some(Value::Str(text)) => regex.is_match(text),
                _ => false,
            },
            Predicate::OneOf(texts) => match value {
                None | Some(Value::Null | Value::List(_) | Value::Map(_)) => false,
                Some(Value::Str(text)) => texts.contains(&**text),
                Some(other) => texts.contains(&text_of(other)),
            },
            Predicate::In(list) => is_in(value, Some(list)),
            // A number is in a list only: Logstash never finds it in another number.
            Predicate::Has(item) => matches!(value, Some(Value::Str(_) | Value::List(_))) && is_in(Some(item), value),
            Predicate::Truthy => is_truthy(value),
        }
    }
}

/// A comparison; what is compared with a field stands on its right.
fn compared(left: Side, operator: Comparison, right: Side) -> Condition {
    match (left, right) {
        (Side::Field(left), Side::Field(right)) => Condition::Compare(left, operator, right),
        (Side::Constant(left), Side::Constant(right)) => {
            Condition::Always(compare(Some(&left), operator, Some(&right)))
        }
        (Side::Field(field), Side::Constant(constant)) => match operator {
            Comparison::Equal => Condition::Field(field, Predicate::Is(constant)),
            Comparison::NotEqual => Condition::Field(field, Predicate::Is(constant)).negated(true),
            _ => Condition::Field(field, Predicate::Compare(operator, constant)),
        },
        (constant, field) => {
            let turned = match operator {
                Comparison::Equal | Comparison::NotEqual => operator,
                Comparison::Less => Comparison::Greater,
                Comparison::LessOrEqual => Comparison::GreaterOrEqual,
                Comparison::Greater => Comparison::Less,
                Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            };
            compared(field, turned, constant)
        }
    }
}

impl Side {
    fn of(operand: &Operand) -> Side {
        match operand {
            Operand::Field(selector) => Side::Field(selector.field.clone()),
            Operand::Literal(value) => Side::Constant(constant(value)),
        }
    }
}

fn is_truthy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::Str(text)) => !text.is_empty() && &**text != "false",
        Some(_) => true,
    }
}

fn constant(value: &ast::Value) -> Value {
    match &value.kind {
        ValueKind::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => number.as_f64().map_or(Value::Null, Value::Float),
        },
        ValueKind::Array(items) => Value::List(items.iter().map(constant).collect()),
        _ => Value::from(value.as_str().unwrap_or_default()),
    }
}

fn text_of(value: &Value) -> String {
    let mut text = String::new();
    render::write_text(&mut text, value);
    text
}

fn compare(left: Option<&Value>, operator: Comparison, right: Option<&Value>) -> bool {
    let equal = || is_equal(left, right);
    let ordered = || ordering(left?, right?);
    match operator {
        Comparison::Equal => equal(),
        Comparison::NotEqual => !equal(),
        Comparison::Less => ordered().is_some_and(Ordering::is_lt),
        Comparison::LessOrEqual => ordered().is_some_and(Ordering::is_le),
        Comparison::Greater => ordered().is_some_and(Ordering::is_gt),
        Comparison::GreaterOrEqual => ordered().is_some_and(Ordering::is_ge),
    }
}

fn is_equal(left: Option<&Value>, right: Option<&Value>) -> bool {
    match (left, right) {
        (None | Some(Value::Null), None | Some(Value::Null)) => true,
        (Some(left), Some(right)) => match ordering(left, right) {
            Some(ordering) => ordering.is_eq(),
            None => left == right,
        },
        _ => false,
    }
}

/// How two values of one kind compare: numbers, texts, times, and a time with a text that is one.
fn ordering(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
        (Value::Int(left), Value::Float(right)) => (*left as f64).partial_cmp(right),
        (Value::Float(left), Value::Int(right)) => left.partial_cmp(&(*right as f64)),
        (Value::Float(left), Value::Float(right)) => left.partial_cmp(right),
        (Value::Str(left), Value::Str(right)) => Some((**left).cmp(&**right)),
        (Value::Time(left), Value::Time(right)) => Some(left.cmp(right)),
        (Value::Time(left), Value::Str(right)) => Some(left.as_nanos().cmp(&nanos(right)?)),
        (Value::Str(left), Value::Time(right)) => Some(nanos(left)?.cmp(&right.as_nanos())),
        _ => None,
    }
}

fn nanos(text: &str) -> Option<i64> {
    match iso8601(text, 0)? {
        Stamp::At(nanos) => Some(nanos),
        Stamp::OutOfRange => None,
    }
}

fn is_in(item: Option<&Value>, list: Option<&Value>) -> bool {
    match (item, list) {
        (None | Some(Value::Null | Value::List(_) | Value::Map(_)), _) => false,
        (Some(Value::Str(part)), Some(Value::Str(whole))) => whole.contains(&**part),
        (item @ Some(_), Some(Value::List(items))) => items.iter().any(|known| is_equal(item, Some(known))),
        (Some(item), Some(list)) => is_equal(Some(item), Some(list)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::json;
    use logship_parsers::config::{Options, Source, ast::Statement, parse};

    fn check(event: &str, condition: &str, expected: bool) {
        let text = format!("filter {{ if {condition} {{ }} }}");
        let parsed = parse(&[Source::new("x", text)], &Options::default());
        assert!(parsed.is_valid(), "{condition}: {:?}", parsed.diagnostics);
        let Some(Statement::Branch(branch)) = parsed.config.filters.first() else { panic!("no branch") };
        let mut wrong = Vec::new();
        let compiled = Condition::compile(&branch.arms[0].condition, &mut wrong);
        assert!(wrong.is_empty(), "{condition}: {wrong:?}");
        assert_eq!(compiled.holds(&json::read_event(event).unwrap().0), expected, "{event} {condition}");
    }

    #[test]
    fn values_are_truthy() {
        for (value, expected) in [
            ("null", false),
            ("\"\"", false),
            ("\"false\"", false),
            ("false", false),
            ("0", true),
            ("\"0\"", true),
            ("[]", true),
            ("{}", true),
        ] {
            check(&format!("{{\"f\":{value}}}"), "[f]", expected);
        }
        check("{}", "[f]", false);
        check("{}", "![f]", true);
    }

    #[test]
    fn values_are_compared() {
        let event = r#"{"n":200,"s":"200","f":1.5,"l":["a",5],"t":"2026"}"#;
        check(event, "[n] == 200", true);
        check(event, "[n] == \"200\"", false);
        check(event, "[s] == \"200\"", true);
        check(event, "[f] == 1.5", true);
        check(event, "[x] == \"\"", false);
        check(event, "[x] != 5", true);
        check(event, "[x] == [y]", true);
        check(event, "[x] > 5", false);
        check(event, "[x] < 5", false);
        check(event, "[s] > 100", false);
        check(event, "[n] >= 200 and [n] < 201", true);
        check(event, "[s] < \"3\"", true);
        check(event, "[l] == 5", false);
        check(event, "[@timestamp] < \"2000-01-01T00:00:00Z\"", true);
        check(event, "[n] == 1 or [n] == 200 and [s] == \"x\"", false);
        check(event, "([n] == 200) xor ([s] == \"200\")", false);
        check(event, "[n] == 200 nand [s] == \"x\"", true);
    }

    #[test]
    fn texts_match() {
        let event = r#"{"s":"a\nbc","n":5}"#;
        check(event, "[s] =~ /^b/", true);
        check(event, "[s] =~ \"c$\"", true);
        check(event, "[n] =~ /5/", false);
        check(event, "[x] !~ /5/", true);
    }

    #[test]
    fn values_are_in_others() {
        let event = r#"{"s":"abc","n":5,"l":["a",5],"m":{"a":1},"b":"5"}"#;
        check(event, "\"b\" in [s]", true);
        check(event, "\"a\" in [l]", true);
        check(event, "5 in [l]", true);
        check(event, "\"5\" in [l]", false);
        check(event, "5 in [n]", false);
        check(event, "[n] in [n]", true);
        check(event, "\"a\" in [m]", false);
        check(event, "[s] in \"xabcx\"", true);
        check(event, "[b] in [\"a\", 5]", true);
        check(event, "[n] in [\"a\", \"5\"]", true);
        check(event, "[x] in [\"a\", \"b\"]", false);
        check(event, "[l] in [\"a\", \"b\"]", false);
        check(event, "[n] in [l]", true);
        check(event, "[l] in [l]", false);
        check(event, "\"foo\" not in [missing]", true);
        check(event, "[x] in [y]", false);
    }
}
