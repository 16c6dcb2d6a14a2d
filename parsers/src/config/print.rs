//! The canonical form of a config: what `Display` prints parses to the same tree.
//!
//! Strings are printed as written, with their variables and not with what these stand for.

use super::ast::{
    Arm, Attribute, Branch, Condition, ConditionKind, Config, Entry, Operand, Pattern, Plugin, Selector, Statement,
    Value, ValueKind,
};
use super::grammar::SECTIONS;
use super::lexical;
use std::fmt::{self, Display, Formatter};

/// Hashes and lists of plain values stand on one line up to so many bytes.
const LINE_BYTES_MAX: usize = 80;

impl Display for Config {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sections = [&self.inputs, &self.filters, &self.outputs];
        for (name, statements) in SECTIONS.iter().zip(sections).filter(|(_, statements)| !statements.is_empty()) {
            writeln!(f, "{name} {{")?;
            block(f, statements, 1)?;
            writeln!(f, "}}")?;
        }
        Ok(())
    }
}

fn indent(f: &mut Formatter<'_>, depth: usize) -> fmt::Result {
    write!(f, "{:1$}", "", 2 * depth)
}

fn block(f: &mut Formatter<'_>, statements: &[Statement], depth: usize) -> fmt::Result {
    for statement in statements {
        indent(f, depth)?;
        match statement {
            Statement::Plugin(one) => plugin(f, one, depth)?,
            Statement::Branch(one) => branch(f, one, depth)?,
        }
        writeln!(f)?;
    }
    Ok(())
}

fn branch(f: &mut Formatter<'_>, branch: &Branch, depth: usize) -> fmt::Result {
    for (index, Arm { condition, body }) in branch.arms.iter().enumerate() {
        writeln!(f, "{}if {condition} {{", if index == 0 { "" } else { " else " })?;
        block(f, body, depth + 1)?;
        indent(f, depth)?;
        f.write_str("}")?;
    }
    if let Some(body) = &branch.otherwise {
        f.write_str(" else {\n")?;
        block(f, body, depth + 1)?;
        indent(f, depth)?;
        f.write_str("}")?;
    }
    Ok(())
}

fn plugin(f: &mut Formatter<'_>, plugin: &Plugin, depth: usize) -> fmt::Result {
    name(f, &plugin.name.text)?;
    if plugin.attributes.is_empty() {
        return f.write_str(" { }");
    }
    f.write_str(" {\n")?;
    for Attribute { name: option, value: one } in &plugin.attributes {
        indent(f, depth + 1)?;
        name(f, &option.text)?;
        f.write_str(" => ")?;
        value(f, one, depth + 1)?;
        writeln!(f)?;
    }
    indent(f, depth)?;
    f.write_str("}")
}

impl Display for Plugin {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        plugin(f, self, 0)
    }
}

fn name(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    match lexical::name(text) {
        Ok(("", _)) => f.write_str(text),
        _ => quoted(f, text),
    }
}

/// Text between quotes that do not end before it does. What was read from a config fits in one of both.
fn quoted(f: &mut Formatter<'_>, raw: &str) -> fmt::Result {
    let fits = |quote: char| {
        let text = format!("{quote}{raw}{quote}");
        matches!(lexical::quoted(&text), Ok(("", _)))
    };
    let quote = if fits('"') { '"' } else { '\'' };
    write!(f, "{quote}{raw}{quote}")
}

fn value(f: &mut Formatter<'_>, value: &Value, depth: usize) -> fmt::Result {
    if let Some(source) = &value.variable {
        return f.write_str(source);
    }
    match &value.kind {
        ValueKind::Bareword(word) => f.write_str(word),
        ValueKind::Number(number) => f.write_str(&number.raw),
        ValueKind::String(text) => quoted(f, &text.raw),
        ValueKind::Plugin(one) => plugin(f, one, depth),
        ValueKind::Array(items) => array(f, items, depth),
        ValueKind::Hash(entries) => hash(f, entries, depth),
    }
}

fn array(f: &mut Formatter<'_>, items: &[Value], depth: usize) -> fmt::Result {
    let wide = !items.iter().all(is_plain) || items.iter().map(width).sum::<usize>() > LINE_BYTES_MAX;
    f.write_str("[")?;
    for (index, item) in items.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { "," })?;
        if wide {
            writeln!(f)?;
            indent(f, depth + 1)?;
        } else if index > 0 {
            f.write_str(" ")?;
        }
        value(f, item, depth + 1)?;
    }
    if wide {
        writeln!(f)?;
        indent(f, depth)?;
    }
    f.write_str("]")
}

fn hash(f: &mut Formatter<'_>, entries: &[Entry], depth: usize) -> fmt::Result {
    let plain = entries.len() < 2 && entries.iter().all(|entry| is_plain(&entry.value));
    f.write_str("{")?;
    for entry in entries {
        if plain {
            f.write_str(" ")?;
        } else {
            writeln!(f)?;
            indent(f, depth + 1)?;
        }
        value(f, &entry.key, depth + 1)?;
        f.write_str(" => ")?;
        value(f, &entry.value, depth + 1)?;
    }
    if plain {
        return f.write_str(" }");
    }
    writeln!(f)?;
    indent(f, depth)?;
    f.write_str("}")
}

fn is_plain(value: &Value) -> bool {
    value.variable.is_some()
        || matches!(value.kind, ValueKind::Bareword(_) | ValueKind::Number(_) | ValueKind::String(_))
}

fn width(value: &Value) -> usize {
    value.variable.as_deref().or(value.as_str()).map_or(0, str::len)
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        value(f, self, 0)
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ConditionKind::And(all) => joined(f, all, "and"),
            ConditionKind::Or(any) => joined(f, any, "or"),
            ConditionKind::Xor(two) => joined(f, two.as_slice(), "xor"),
            ConditionKind::Nand(two) => joined(f, two.as_slice(), "nand"),
            ConditionKind::Not(inner) => match &inner.kind {
                ConditionKind::Truthy(Operand::Field(field)) => write!(f, "!{field}"),
                _ => write!(f, "!({inner})"),
            },
            ConditionKind::Compare { left, operator, right } => write!(f, "{left} {} {right}", operator.as_str()),
            ConditionKind::Match { field, negated, pattern } => {
                write!(f, "{field} {} {pattern}", if *negated { "!~" } else { "=~" })
            }
            ConditionKind::In { item, negated, list } => {
                write!(f, "{item} {} {list}", if *negated { "not in" } else { "in" })
            }
            ConditionKind::Truthy(operand) => write!(f, "{operand}"),
        }
    }
}

/// Every group in parentheses: then it means the same to everybody.
fn joined(f: &mut Formatter<'_>, conditions: &[Condition], word: &str) -> fmt::Result {
    for (index, condition) in conditions.iter().enumerate() {
        if index > 0 {
            write!(f, " {word} ")?;
        }
        match condition.kind {
            ConditionKind::And(_) | ConditionKind::Or(_) | ConditionKind::Xor(_) | ConditionKind::Nand(_) => {
                write!(f, "({condition})")?;
            }
            _ => write!(f, "{condition}")?,
        }
    }
    Ok(())
}

impl Display for Operand {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Operand::Field(selector) => write!(f, "{selector}"),
            Operand::Literal(literal) => write!(f, "{literal}"),
        }
    }
}

impl Display for Selector {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.field)
    }
}

impl Display for Pattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Regex(regex, _) => write!(f, "/{regex}/"),
            Pattern::Text(text, _) => quoted(f, &text.raw),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Source, parse};
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

    fn strings() -> impl Strategy<Value = String> {
        prop_oneof![
            "\"([a-z é'/#{}%\\[\\]\n]|\\\\\"|\\\\n|\\$\\{A\\}|\\$\\{B:d\\})[a-z]\"",
            "'([a-z é\"/#{}%\\[\\]]|\\\\'|\\\\d)[a-z]'",
            Just("\"\"".to_owned()),
        ]
    }

    fn values() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            "[a-z_][a-z0-9_]{0,3}",
            "-?[0-9]{1,3}(\\.[0-9]{0,2})?",
            strings(),
            "\\$\\{(A|LIST|B:5|B:x y|B:)\\}",
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let pairs = prop::collection::vec(inner.clone(), 0..4).prop_map(|values| {
                let pairs: Vec<String> =
                    values.iter().enumerate().map(|(n, value)| format!("k{n} => {value}")).collect();
                pairs.join(" ")
            });
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|items| format!("[ {}]", items.join(", "))),
                pairs.clone().prop_map(|pairs| format!("{{{pairs}}}")),
                pairs.prop_map(|options| format!("codec {{ {options} }}")),
            ]
        })
        // Several parts in brackets are a field, which needs quotes.
        .prop_filter("no field", |value| !value.contains("]["))
    }

    fn conditions() -> impl Strategy<Value = String> {
        let operand = || {
            prop_oneof![
                "\\[[a-z@]{1,3}\\](\\[[a-z0-9-]{1,2}\\])?",
                strings(),
                "-?[0-9]{1,2}",
                "\\[\"a\", (5|b|'c')\\]",
                "\\$\\{(A|B:5)\\}"
            ]
        };
        let leaf = prop_oneof![
            (operand(), "(==|!=|<|<=|>|>=|in|not  in)", operand())
                .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
            ("\\[[a-z]{1,3}\\] (=~|!~) ", prop_oneof!["/[a-z.*^é]{1,4}(\\\\/x)?/".boxed(), strings().boxed()])
                .prop_map(|(left, pattern)| left + &pattern),
            "!?\\[[a-z]{1,3}\\]",
        ];
        leaf.prop_recursive(4, 16, 3, |inner| {
            prop_oneof![
                prop::collection::vec((inner.clone(), "(and|or)"), 2..4).prop_map(|all| {
                    all.iter()
                        .enumerate()
                        .map(|(n, (test, word))| if n == 0 { test.clone() } else { format!(" {word} {test}") })
                        .collect()
                }),
                (inner.clone(), "(xor|nand)", inner.clone())
                    .prop_map(|(left, word, right)| format!("({left}) {word}({right})")),
                inner.clone().prop_map(|inner| format!("!({inner})")),
                inner.prop_map(|inner| format!("({inner})")),
            ]
        })
        // `xor` and `nand` stand alone.
        .prop_map(|condition| {
            if condition.contains("xor") || condition.contains("nand") { format!("({condition})") } else { condition }
        })
    }

    fn statements() -> impl Strategy<Value = String> {
        let plugin =
            prop::collection::vec(("([a-z_]{1,3}|\"[a-z ]{1,3}\"|'a\"b')", values()), 0..4).prop_map(|options| {
                let options: Vec<String> = options.iter().map(|(name, value)| format!("{name} => {value}")).collect();
                format!("plugin {{ {} }}", options.join("\n"))
            });
        plugin.prop_recursive(4, 16, 3, |inner| {
            (prop::collection::vec((conditions(), inner.clone()), 1..3), prop::option::of(inner)).prop_map(
                |(arms, otherwise)| {
                    let arms: Vec<String> =
                        arms.iter().map(|(condition, body)| format!("if {condition} {{ {body} }}")).collect();
                    let otherwise = otherwise.map(|body| format!(" else {{ {body} }}")).unwrap_or_default();
                    arms.join(" else ") + &otherwise
                },
            )
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn what_is_printed_parses_to_the_same(statements in prop::collection::vec(statements(), 0..4)) {
            let text = format!("filter {{ {} }}", statements.join(" "));
            let variable = |name: &str| match name {
                "A" => Some("'x\" [".to_owned()),
                "LIST" => Some("[1, 'a']".to_owned()),
                _ => None,
            };
            let options = Options { support_escapes: false, variables: &variable };
            let parsed = parse(&[Source::new("x", text.as_str())], &options);
            let printed = parsed.config.to_string();
            // A mixture of `xor` and others, or a key that comes twice, is an error and leaves nothing to compare.
            if parsed.is_valid() {
                let again = parse(&[Source::new("x", printed.as_str())], &options);
                prop_assert_eq!(&again.config, &parsed.config, "{} of {}", printed, text);
                prop_assert_eq!(again.config.to_string(), printed);
            }
        }
    }

    #[test]
    fn most_generated_configs_are_valid() {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let valid = (0..200).filter(|_| {
            let text = format!("filter {{ {} }}", statements().new_tree(&mut runner).unwrap().current());
            let options = Options { support_escapes: false, variables: &|_| Some("1".to_owned()) };
            parse(&[Source::new("x", text)], &options).is_valid()
        });
        assert!(valid.count() > 120);
    }
}
