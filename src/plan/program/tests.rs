//! What a program does is what its statements do one by one: each filter alone, each condition as it is written.

use super::*;
use crate::{
    config::Settings,
    event::{Timestamp, json},
    filters::Scratch,
};
use logship_parsers::config::{Options, Source, ast::Arm, parse};
use proptest::{prelude::*, sample::select};

/// A config and the statements of its filters.
fn statements(filters: &str) -> Vec<Statement> {
    let parsed = parse(&[Source::new("test", format!("filter {{ {filters} }}"))], &Options::default());
    assert!(parsed.is_valid(), "{filters}: {:?}", parsed.diagnostics);
    parsed.config.filters
}

fn compiled(statements: &[Statement]) -> Filters {
    let mut wrong = Vec::new();
    let filters = Filters::compile(statements, &Settings::default(), &mut wrong);
    assert!(wrong.is_empty(), "{wrong:?}");
    filters
}

/// A statement on its own.
enum Plain {
    Filter(Box<Filters>),
    Branch(Vec<(Condition, Vec<Plain>)>, Vec<Plain>),
}

fn plain(statements: &[Statement]) -> Vec<Plain> {
    let one = |statement: &Statement| match statement {
        Statement::Plugin(_) => Plain::Filter(Box::new(compiled(std::slice::from_ref(statement)))),
        Statement::Branch(branch) => {
            let arm = |arm: &Arm| (Condition::compile(&arm.condition, &mut Vec::new()), plain(&arm.body));
            let otherwise = branch.otherwise.as_deref().map(plain);
            Plain::Branch(branch.arms.iter().map(arm).collect(), otherwise.unwrap_or_default())
        }
    };
    statements.iter().map(one).collect()
}

/// What statements make of events, one statement after the other and each filter as a program of its own.
fn plainly(statements: &[Plain], mut events: Vec<Event>) -> Vec<Event> {
    for statement in statements {
        let mut out = Vec::new();
        for event in events {
            match statement {
                Plain::Filter(filter) => filter.run(event, &mut Scratch::default(), &mut out).unwrap(),
                Plain::Branch(arms, otherwise) => {
                    let arm = arms.iter().find(|(condition, _)| condition.holds(&event)).map(|(_, body)| body);
                    out.extend(plainly(arm.unwrap_or(otherwise), vec![event]));
                }
            }
        }
        events = out;
    }
    events
}

fn condition() -> impl Strategy<Value = String> {
    let field = select(vec![
        "[a]",
        "[b]",
        "[n][x]",
        "[@metadata][m]",
        "[tags]",
        "[message]",
        "[z]",
        "[@timestamp]",
        "[@metadata]",
    ]);
    let asked = select(vec![
        "F",
        "![z] or F",
        "F == \"one\"",
        "F != \"one\"",
        "\"two\" == F",
        "F > 3",
        "3 >= F",
        "F =~ /t.o/",
        "F !~ /one/",
        "F in [\"one\", \"two\", 5]",
        "F not in [\"one\"]",
        "\"two\" in F",
        "\"bad\" not in F",
        "F in \"one two\"",
        "F == [b]",
        "F in [a]",
    ]);
    let simple = (field, asked).prop_map(|(field, asked)| asked.replace('F', field));
    simple.prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), select(vec!["and", "or", "xor", "nand"]), inner, any::<bool>()).prop_map(
            |(left, operator, right, negated)| {
                format!("{}(({left}) {operator} ({right}))", if negated { "!" } else { "" })
            },
        )
    })
}

fn filter() -> impl Strategy<Value = String> {
    let pattern = select(vec![
        "^one %{WORD:a}",
        "two-%{NUMBER:b:int} %{WORD:a}",
        "three: %{DATA:c} four",
        "%{WORD:a} five",
        "(?i)ONE (?<b>t.*)",
        "[ot](?<c>ne|wo)",
        "five$",
        "%{NOTSPACE:[n][x]} three",
        "^$",
        "one( two)?( three)+",
    ]);
    let more = select(vec![
        "",
        "tag_on_failure => []",
        "tag_on_failure => []",
        "tag_on_failure => []",
        "tag_on_failure => [\"bad\"]",
        "add_tag => [\"good\"]",
        "break_on_match => false",
    ]);
    let field = select(vec!["message", "message", "message", "a", "[n][x]", "[@metadata][m]", "z"]);
    let grok = (field, proptest::collection::vec(pattern, 1..3), more).prop_map(|(field, patterns, more)| {
        let patterns: Vec<String> = patterns.iter().map(|pattern| format!("{pattern:?}")).collect();
        format!("grok {{ match => {{ \"{field}\" => [{}] }} {more} }}", patterns.join(", "))
    });
    let other = select(vec![
        "mutate { add_field => { \"a\" => \"one\" } }",
        "mutate { remove_field => [\"a\", \"message\"] }",
        "mutate { replace => { \"message\" => \"one two\" } }",
        "mutate { replace => { \"[@metadata][m]\" => \"two-5 %{message}\" } }",
        "mutate { rename => { \"b\" => \"message\" } }",
        "mutate { split => { \"message\" => \" \" } }",
        "mutate { uppercase => [\"message\"] }",
        "mutate { remove_tag => [\"bad\"] }",
        "clone { clones => [\"two\"] }",
        "drop { }",
    ])
    .prop_map(str::to_owned);
    prop_oneof![6 => grok, 1 => other]
}

fn block() -> impl Strategy<Value = String> {
    let simple = prop_oneof![3 => filter(), 1 => (condition(), filter()).prop_map(|(condition, filter)| format!("if {condition} {{ {filter} }}"))];
    let statement = simple.prop_recursive(2, 12, 3, |inner| {
        let block = proptest::collection::vec(inner, 0..3).prop_map(|block| block.join(" "));
        (condition(), block.clone(), condition(), block.clone(), block).prop_map(|(first, yes, second, or, no)| {
            format!("if {first} {{ {yes} }} else if {second} {{ {or} }} else {{ {no} }}")
        })
    });
    proptest::collection::vec(statement, 1..40).prop_map(|block| block.join("\n"))
}

fn event() -> impl Strategy<Value = String> {
    let word = select(vec!["one", "two", "two-7", "three:", "three", "four", "five", "ONE", ""]);
    let text = proptest::collection::vec(word, 0..5).prop_map(|words| format!("{:?}", words.join(" ")));
    let value = prop_oneof![
        4 => text,
        1 => select(vec!["5", "null", "true", "[\"one two\", \"five\"]", "{\"x\": \"two\"}"]).prop_map(str::to_owned),
    ];
    let name = select(vec!["message", "message", "a", "b", "n", "tags", "@version"]);
    proptest::collection::vec((name, value), 0..5).prop_map(|fields| {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
        format!("{{{}}}", fields.join(","))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]
    #[test]
    fn a_program_does_what_its_statements_do(filters in block(), events in proptest::collection::vec(event(), 1..5)) {
        let statements = statements(&filters);
        let program = compiled(&statements);
        // Another program with the same scratch: what is known of its events must not matter.
        let half = &statements[..statements.len() / 2];
        let (other, half, statements) = (compiled(half), plain(half), plain(&statements));
        let mut scratch = Scratch::default();
        for text in events {
            let event = json::read_event(&text).map(|(event, _)| event).unwrap();
            let event = Event { time: Timestamp::default(), ..event };
            let (mut out, mut other_out) = (Vec::new(), Vec::new());
            other.run(event.clone(), &mut scratch, &mut other_out).unwrap();
            prop_assert_eq!(other_out, plainly(&half, vec![event.clone()]));
            program.run(event.clone(), &mut scratch, &mut out).unwrap();
            prop_assert_eq!(out, plainly(&statements, vec![event]));
        }
    }
}
