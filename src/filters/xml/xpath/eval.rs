//! What an expression selects.

use super::super::tree::{Kind, Name, Tree};
use super::{Axis, Expr, Function, Operator, Step, Test};
use std::{cell::Cell, cmp::Ordering};

/// Nodes that one expression may look at.
const VISITS_MAX: usize = 2_000_000;

/// The prefixes that expressions know.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Namespaces<'n> {
    /// Prefixes and namespaces.
    pub(in super::super) known: &'n [(String, String)],
    /// The prefix of what is declared without one.
    pub(in super::super) default_name: &'static str,
}

/// A node by its number, 0 behind it, or an attribute of it by its place, counted from 1: sorted, they are in the order of the
/// document.
type Item = (usize, usize);

#[derive(Debug)]
enum Found {
    Nodes(Vec<Item>),
    Text(String),
    Number(f64),
    Truth(bool),
}

struct Eval<'e> {
    tree: &'e Tree,
    namespaces: Namespaces<'e>,
    visits: Cell<usize>,
}

/// The node that is looked at, its place among those that are, counted from 1, and their number.
#[derive(Clone, Copy)]
struct Context {
    item: Item,
    position: usize,
    size: usize,
}

pub(super) fn select(expression: &Expr, tree: &Tree, namespaces: Namespaces<'_>) -> Result<Vec<String>, String> {
    let eval = Eval { tree, namespaces, visits: Cell::new(0) };
    Ok(match eval.expr(expression, Context { item: (0, 0), position: 1, size: 1 })? {
        Found::Nodes(items) => items.into_iter().map(|item| eval.shown(item)).collect(),
        Found::Text(text) => vec![text],
        // As Ruby shows its floats.
        Found::Number(number) if number.fract() == 0.0 && number.abs() < 1e16 => vec![format!("{number:.1}")],
        Found::Number(number) => vec![number_text(number)],
        Found::Truth(truth) => truth.then(|| "true".to_owned()).into_iter().collect(),
    })
}

impl Eval<'_> {
    fn expr(&self, expression: &Expr, at: Context) -> Result<Found, String> {
        Ok(match expression {
            Expr::Text(text) => Found::Text(text.clone()),
            Expr::Number(number) => Found::Number(*number),
            Expr::Negative(inner) => Found::Number(-self.number(&self.expr(inner, at)?)),
            Expr::Call(function, arguments) => self.call(*function, arguments, at)?,
            Expr::Absolute(steps) => Found::Nodes(self.steps(steps, vec![(0, 0)])?),
            Expr::Relative(steps) => Found::Nodes(self.steps(steps, vec![at.item])?),
            Expr::From(start, predicates, steps) => {
                let Found::Nodes(mut items) = self.expr(start, at)? else {
                    return Err("predicates and steps follow nodes only".to_owned());
                };
                for predicate in predicates {
                    items = self.filtered(items, predicate)?;
                }
                Found::Nodes(self.steps(steps, items)?)
            }
            Expr::Binary(Operator::Or, sides) => {
                Found::Truth(truth(&self.expr(&sides[0], at)?) || truth(&self.expr(&sides[1], at)?))
            }
            Expr::Binary(Operator::And, sides) => {
                Found::Truth(truth(&self.expr(&sides[0], at)?) && truth(&self.expr(&sides[1], at)?))
            }
            Expr::Binary(operator, sides) => {
                let (left, right) = (self.expr(&sides[0], at)?, self.expr(&sides[1], at)?);
                let numbers =
                    |calculate: fn(f64, f64) -> f64| Found::Number(calculate(self.number(&left), self.number(&right)));
                match operator {
                    Operator::Plus => numbers(|a, b| a + b),
                    Operator::Minus => numbers(|a, b| a - b),
                    Operator::Times => numbers(|a, b| a * b),
                    Operator::Divide => numbers(|a, b| a / b),
                    Operator::Remainder => numbers(|a, b| a % b),
                    Operator::Union => match (left, right) {
                        (Found::Nodes(mut left), Found::Nodes(right)) => {
                            left.extend(right);
                            left.sort_unstable();
                            left.dedup();
                            Found::Nodes(left)
                        }
                        _ => return Err("`|` joins nodes only".to_owned()),
                    },
                    _ => Found::Truth(self.compare(*operator, &left, &right)?),
                }
            }
        })
    }

    fn visit(&self, nodes: usize) -> Result<(), String> {
        self.visits.set(self.visits.get() + nodes);
        match self.visits.get() > VISITS_MAX {
            true => Err(format!("the expression looks at more than {VISITS_MAX} nodes")),
            false => Ok(()),
        }
    }

    fn steps(&self, steps: &[Step], mut items: Vec<Item>) -> Result<Vec<Item>, String> {
        for step in steps {
            let mut next = Vec::new();
            for item in items {
                let mut found = self.axis(step.axis, item)?;
                let mut wrong = None;
                found.retain(|&item| {
                    self.passes(step.axis, &step.test, item).unwrap_or_else(|cause| {
                        wrong = Some(cause);
                        false
                    })
                });
                if let Some(cause) = wrong {
                    return Err(cause);
                }
                for predicate in &step.predicates {
                    found = self.filtered(found, predicate)?;
                }
                next.extend(found);
            }
            next.sort_unstable();
            next.dedup();
            items = next;
        }
        // A prefix that nothing declares is wrong where nothing is selected, too.
        for step in steps {
            if let Test::AnyOf(prefix) | Test::Name { prefix: Some(prefix), .. } = &step.test {
                self.namespace(prefix)?;
            }
        }
        Ok(items)
    }

    fn filtered(&self, items: Vec<Item>, predicate: &Expr) -> Result<Vec<Item>, String> {
        let size = items.len();
        let mut kept = Vec::new();
        for (n, item) in items.into_iter().enumerate() {
            let position = n + 1;
            let holds = match self.expr(predicate, Context { item, position, size })? {
                Found::Number(number) => number == position as f64,
                found => truth(&found),
            };
            if holds {
                kept.push(item);
            }
        }
        Ok(kept)
    }

    /// The items of an axis, the nearest first.
    fn axis(&self, axis: Axis, item: Item) -> Result<Vec<Item>, String> {
        let (node, attribute) = item;
        let nodes = &self.tree.nodes;
        let parent = if attribute > 0 { Some(node) } else { (node > 0).then(|| nodes[node].parent) };
        let children = || if attribute > 0 { &[][..] } else { nodes[node].children.as_slice() };
        let plain = |nodes: &mut dyn Iterator<Item = usize>| nodes.map(|node| (node, 0)).collect::<Vec<_>>();
        let siblings =
            || if attribute > 0 { &[][..] } else { parent.map_or(&[][..], |parent| &nodes[parent].children) };
        let found = match axis {
            Axis::Itself => vec![item],
            Axis::Parent => parent.map(|parent| (parent, 0)).into_iter().collect(),
            Axis::Child => plain(&mut children().iter().copied()),
            Axis::Attribute => match self.tree.as_element(node).filter(|_| attribute == 0) {
                Some(element) => (1..=element.attributes.len()).map(|n| (node, n)).collect(),
                None => Vec::new(),
            },
            Axis::Descendant | Axis::DescendantOrSelf => {
                let mut found = if axis == Axis::DescendantOrSelf { vec![item] } else { Vec::new() };
                if attribute == 0 {
                    found.extend((node + 1..self.end(node)).map(|node| (node, 0)));
                }
                found
            }
            Axis::Following => plain(&mut (self.end(node)..nodes.len())),
            Axis::FollowingSibling => plain(&mut siblings().iter().copied().filter(|&other| other > node)),
            Axis::PrecedingSibling => plain(&mut siblings().iter().rev().copied().filter(|&other| other < node)),
            Axis::Ancestor | Axis::AncestorOrSelf => {
                let mut found = if axis == Axis::AncestorOrSelf { vec![item] } else { Vec::new() };
                let mut next = parent;
                while let Some(node) = next {
                    found.push((node, 0));
                    next = (node > 0).then(|| nodes[node].parent);
                }
                found
            }
        };
        self.visit(found.len() + 1)?;
        Ok(found)
    }

    /// The number behind the last node inside of a node.
    fn end(&self, mut node: usize) -> usize {
        while let Some(&last) = self.tree.nodes[node].children.last() {
            node = last;
        }
        node + 1
    }

    fn name(&self, (node, attribute): Item) -> Option<&Name> {
        let element = self.tree.as_element(node)?;
        match attribute.checked_sub(1) {
            None => Some(&element.name),
            Some(at) => element.attributes.get(at).map(|(name, _)| name),
        }
    }

    fn passes(&self, axis: Axis, test: &Test, item: Item) -> Result<bool, String> {
        let kind = &self.tree.nodes[item.0].kind;
        let is_node = item.1 == 0;
        // Names are of elements, or of attributes on their axis.
        let name = self.name(item).filter(|_| is_node != (axis == Axis::Attribute));
        Ok(match test {
            Test::Node => true,
            Test::Text => is_node && matches!(kind, Kind::Text(_) | Kind::CData(_)),
            Test::Comment => is_node && matches!(kind, Kind::Comment(_)),
            Test::Instruction => is_node && matches!(kind, Kind::Instruction(_)),
            Test::Any => name.is_some(),
            Test::AnyOf(prefix) => {
                let namespace = self.namespace(prefix)?;
                name.is_some_and(|name| name.namespace.as_deref() == Some(namespace))
            }
            Test::Name { prefix, local } => {
                let namespace = prefix.as_deref().map(|prefix| self.namespace(prefix)).transpose()?;
                name.is_some_and(|name| name.local == *local && name.namespace.as_deref() == namespace)
            }
        })
    }

    fn namespace(&self, prefix: &str) -> Result<&str, String> {
        let is_of = |known: &str| match known {
            "" => prefix == self.namespaces.default_name,
            known => prefix == known,
        };
        let found = self.namespaces.known.iter().find(|(known, _)| is_of(known));
        found.map(|(_, namespace)| namespace.as_str()).ok_or_else(|| format!("nothing declares the prefix `{prefix}`"))
    }

    /// An item as what is selected.
    fn shown(&self, item: Item) -> String {
        if item.1 > 0 {
            return self.text(item);
        }
        let mut out = String::new();
        self.tree.write(item.0, Some(0), &mut out);
        out
    }

    /// The string value of an item.
    fn text(&self, (node, attribute): Item) -> String {
        let mut out = String::new();
        match attribute.checked_sub(1) {
            None => self.tree.text_of(node, &mut out),
            Some(at) => {
                let attributes = self.tree.as_element(node).map(|element| element.attributes.as_slice());
                out.extend(attributes.and_then(|attributes| attributes.get(at)).map(|(_, value)| value.as_str()));
            }
        }
        out
    }

    fn string(&self, found: &Found) -> String {
        match found {
            Found::Nodes(items) => items.first().map(|&item| self.text(item)).unwrap_or_default(),
            Found::Text(text) => text.clone(),
            Found::Number(number) => number_text(*number),
            Found::Truth(truth) => truth.to_string(),
        }
    }

    fn number(&self, found: &Found) -> f64 {
        match found {
            Found::Number(number) => *number,
            Found::Truth(truth) => f64::from(u8::from(*truth)),
            other => number_of(&self.string(other)),
        }
    }

    fn compare(&self, operator: Operator, left: &Found, right: &Found) -> Result<bool, String> {
        let nodes = |found: &Found| match found {
            Found::Nodes(items) => Some(items.iter().map(|&item| self.text(item)).collect::<Vec<_>>()),
            _ => None,
        };
        let is_truth = matches!(left, Found::Truth(_)) || matches!(right, Found::Truth(_));
        Ok(match (nodes(left), nodes(right)) {
            _ if is_truth => {
                let number = |found: &Found| f64::from(u8::from(truth(found)));
                holds(operator, number(left), number(right))
            }
            (Some(left), Some(right)) => {
                self.visit(left.len().saturating_mul(right.len()))?;
                left.iter().any(|left| right.iter().any(|right| holds_of(operator, left, right)))
            }
            (Some(texts), None) => texts.iter().any(|text| match right {
                Found::Number(number) => holds(operator, number_of(text), *number),
                other => holds_of(operator, text, &self.string(other)),
            }),
            (None, Some(texts)) => texts.iter().any(|text| match left {
                Found::Number(number) => holds(operator, *number, number_of(text)),
                other => holds_of(operator, &self.string(other), text),
            }),
            (None, None) => match (left, right) {
                (Found::Text(left), Found::Text(right)) => holds_of(operator, left, right),
                _ => holds(operator, self.number(left), self.number(right)),
            },
        })
    }

    fn call(&self, function: Function, arguments: &[Expr], at: Context) -> Result<Found, String> {
        let given = arguments.iter().map(|argument| self.expr(argument, at)).collect::<Result<Vec<_>, _>>()?;
        // Without an argument it is the node that is looked at.
        let own = Found::Nodes(vec![at.item]);
        let first = given.first().unwrap_or(&own);
        let text = |n: usize| given.get(n).map(|found| self.string(found)).unwrap_or_default();
        let name = |show: fn(&Name) -> String| match first {
            Found::Nodes(items) => {
                Ok(Found::Text(items.first().and_then(|&item| self.name(item)).map(show).unwrap_or_default()))
            }
            _ => Err("names are of nodes only".to_owned()),
        };
        Ok(match function {
            Function::Boolean => Found::Truth(truth(first)),
            Function::Not => Found::Truth(!truth(first)),
            Function::True => Found::Truth(true),
            Function::False => Found::Truth(false),
            Function::Last => Found::Number(at.size as f64),
            Function::Position => Found::Number(at.position as f64),
            Function::Number => Found::Number(self.number(first)),
            Function::Ceiling => Found::Number(self.number(first).ceil()),
            Function::Floor => Found::Number(self.number(first).floor()),
            Function::Round => Found::Number((self.number(first) + 0.5).floor()),
            Function::Count | Function::Sum => {
                let Found::Nodes(items) = first else { return Err("nodes are counted only".to_owned()) };
                Found::Number(match function {
                    Function::Count => items.len() as f64,
                    _ => items.iter().map(|&item| number_of(&self.text(item))).sum(),
                })
            }
            Function::Name => name(Name::qualified)?,
            Function::LocalName => name(|name| name.local.clone())?,
            Function::NamespaceUri => name(|name| name.namespace.clone().unwrap_or_default())?,
            Function::String => Found::Text(self.string(first)),
            Function::StringLength => Found::Number(self.string(first).chars().count() as f64),
            Function::NormalizeSpace => {
                let text = self.string(first);
                Found::Text(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            }
            Function::Concat => Found::Text(given.iter().map(|found| self.string(found)).collect()),
            Function::Contains => Found::Truth(text(0).contains(&text(1))),
            Function::StartsWith => Found::Truth(text(0).starts_with(&text(1))),
            Function::SubstringBefore => {
                Found::Text(text(0).split_once(&text(1)).map(|(before, _)| before.to_owned()).unwrap_or_default())
            }
            Function::SubstringAfter => {
                Found::Text(text(0).split_once(&text(1)).map(|(_, after)| after.to_owned()).unwrap_or_default())
            }
            Function::Substring => {
                let number = |n: usize| given.get(n).map(|found| (self.number(found) + 0.5).floor());
                Found::Text(substring(&text(0), number(1).unwrap_or(1.0), number(2)))
            }
            Function::Translate => {
                let (from, to): (Vec<char>, Vec<char>) = (text(1).chars().collect(), text(2).chars().collect());
                let new = |c: char| match from.iter().position(|&known| known == c) {
                    Some(at) => to.get(at).copied(),
                    None => Some(c),
                };
                Found::Text(text(0).chars().filter_map(new).collect())
            }
        })
    }
}

/// Characters from one on, counted from 1.
fn substring(text: &str, from: f64, length: Option<f64>) -> String {
    let is_in = |n: usize| {
        let position = (n + 1) as f64;
        position >= from && length.is_none_or(|length| position < from + length)
    };
    text.chars().enumerate().filter(|(n, _)| is_in(*n)).map(|(_, c)| c).collect()
}

fn truth(found: &Found) -> bool {
    match found {
        Found::Nodes(items) => !items.is_empty(),
        Found::Text(text) => !text.is_empty(),
        Found::Number(number) => *number != 0.0 && !number.is_nan(),
        Found::Truth(truth) => *truth,
    }
}

fn holds_of(operator: Operator, left: &str, right: &str) -> bool {
    match operator {
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        operator => holds(operator, number_of(left), number_of(right)),
    }
}

fn holds(operator: Operator, left: f64, right: f64) -> bool {
    let ordering = left.partial_cmp(&right);
    match operator {
        Operator::Equal => ordering == Some(Ordering::Equal),
        Operator::NotEqual => ordering != Some(Ordering::Equal),
        Operator::Less => ordering.is_some_and(Ordering::is_lt),
        Operator::LessOrEqual => ordering.is_some_and(Ordering::is_le),
        Operator::Greater => ordering.is_some_and(Ordering::is_gt),
        Operator::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
        _ => false,
    }
}

fn number_of(text: &str) -> f64 {
    let text = text.trim_ascii();
    match text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-')) {
        true => text.parse().unwrap_or(f64::NAN),
        false => f64::NAN,
    }
}

fn number_text(number: f64) -> String {
    match number {
        number if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        number => number.to_string(),
    }
}
