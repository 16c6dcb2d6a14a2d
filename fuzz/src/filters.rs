//! What must hold for filters of pipelines, whatever their options and the texts of events are. `tests/it/fuzz.rs` includes this
//! file to check the inputs that once broke something.
//!
//! A function panics where an invariant does not hold, and says which.

use logship::{
    config::Settings,
    event::{Event, Timestamp, json},
    filters::Scratch,
    plan::program::Filters,
};
use logship_parsers::config::{Options, Severity, Source, parse};
use serde::de::IgnoredAny;

/// How much longer than what goes in the JSON of what comes out may be: each byte may stand in the message and in fields, and
/// be written as six.
const GROWTH_MAX: usize = 100;
/// What is there beside.
const OVERHEAD_BYTES: usize = 4 << 10;
/// When events arrive.
const RECEIVED: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// The first line is a mapping, the rest a text.
pub fn dissect(input: &[u8]) {
    let (mapping, text) = halves(input);
    if let Some(mapping) = quoted(&mapping) {
        check(&format!("dissect {{ mapping => {{ message => {mapping} }} }}"), Event::from_line(RECEIVED, text.into()));
    }
}

/// The first byte chooses options, the rest is a text.
pub fn kv(input: &[u8]) {
    chosen(
        input,
        &[
            "kv { }",
            "kv { field_split => '&?' value_split => ':=' target => kv }",
            "kv { field_split_pattern => '[,;] *' value_split_pattern => ' ?[:=]+ ?' }",
            "kv { trim_key => '<>' trim_value => ' \"' remove_char_key => '-' transform_key => lowercase }",
            "kv { recursive => true include_brackets => false allow_duplicate_values => false }",
            "kv { whitespace => strict allow_empty_values => true prefix => x_ include_keys => [a, b] }",
        ],
    );
}

/// The first byte chooses options, the rest is a text.
pub fn csv(input: &[u8]) {
    chosen(
        input,
        &[
            "csv { }",
            "csv { separator => ';' quote_char => \"'\" columns => [a, b, '[c][d]'] target => row }",
            "csv { autogenerate_column_names => false columns => [a] skip_empty_columns => true }",
            "csv { separator => '||' convert => { column1 => integer column2 => date_time column3 => boolean } }",
            "csv { autodetect_column_names => true skip_header => true }",
        ],
    );
}

/// The first byte chooses options, or that the first line is an expression of XPath; the rest is a text.
pub fn xml(input: &[u8]) {
    if let Some((255, rest)) = input.split_first().map(|(first, rest)| (*first, rest)) {
        let (expression, text) = halves(rest);
        let Some(expression) = quoted(&expression) else { return };
        let config = format!("xml {{ source => message store_xml => false xpath => {{ {expression} => found }} }}");
        return check(&config, Event::from_line(RECEIVED, text.into()));
    }
    chosen(
        input,
        &[
            "xml { source => message target => doc }",
            "xml { source => message target => doc force_array => false suppress_empty => false }",
            "xml { source => message target => doc force_content => true remove_namespaces => true }",
            "xml { source => message store_xml => false xpath => { '//a/@b' => x 'count(//*)' => n '/a/b[2]/text()' => y } }",
        ],
    );
}

/// The first line is a text with references, the rest an event as JSON, or its message.
pub fn sprintf(input: &[u8]) {
    let (template, text) = halves(input);
    let event = json::read_event(&text).map(|(event, _)| event);
    let event = event.unwrap_or_else(|_| Event::from_line(RECEIVED, text.into()));
    if let Some(template) = quoted(&template) {
        let config = format!("mutate {{ add_field => {{ '[x][y]' => {template} }} add_tag => [{template}] }}");
        run(&config, &event);
    }
}

fn chosen(input: &[u8], configs: &[&str]) {
    let Some((choice, text)) = input.split_first() else { return };
    let text = String::from_utf8_lossy(text).into_owned();
    check(configs[usize::from(*choice) % configs.len()], Event::from_line(RECEIVED, text.into()));
}

fn halves(input: &[u8]) -> (String, String) {
    let text = String::from_utf8_lossy(input);
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    (first.to_owned(), rest.to_owned())
}

/// A text as a config writes it, if it can.
fn quoted(text: &str) -> Option<String> {
    let quote = ['"', '\''].into_iter().find(|quote| !text.contains(*quote))?;
    Some(format!("{quote}{text}{quote}"))
}

/// What filters make of an event is not much longer than it.
fn check(config: &str, event: Event) {
    let length = written(&event).len() + config.len();
    let out: usize = run(config, &event).iter().map(String::len).sum();
    assert!(out <= GROWTH_MAX * length + OVERHEAD_BYTES, "{config}: {length} bytes became {out}");
}

/// What filters make of an event: JSON, the same each time. Nothing where the config is wrong.
fn run(config: &str, event: &Event) -> Vec<String> {
    let sources = [Source::new("input", format!("filter {{ {config} }}"))];
    let made = || {
        let parsed = parse(&sources, &Options::default());
        let mut said = parsed.diagnostics;
        let filters = Filters::compile(&parsed.config.filters, &Settings::default(), &mut said);
        (!said.iter().any(|diagnostic| diagnostic.severity == Severity::Error)).then_some(filters)
    };
    let (Some(first), Some(second)) = (made(), made()) else { return Vec::new() };
    let one = all(&first, event);
    assert_eq!(one, all(&second, event), "{config} makes something else of it the second time");
    for text in &one {
        assert!(serde_json::from_str::<IgnoredAny>(text).is_ok(), "{config} makes what is no JSON: {text}");
    }
    one
}

fn all(filters: &Filters, event: &Event) -> Vec<String> {
    let mut scratch = Scratch { received: RECEIVED, ..Scratch::default() };
    let mut out = Vec::new();
    for _ in 0..2 {
        assert!(filters.run(event.clone(), &mut scratch, &mut out).is_ok(), "a filter panicked");
    }
    out.iter().map(written).collect()
}

fn written(event: &Event) -> String {
    let mut text = String::new();
    json::write_event(&mut text, event, None);
    text
}
